"""The lab: what it shows is what the pages would say, moves keep their promises, and what it saves can be adopted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import scoring
from healthlib.bands import Replicates, assign, band_names, band_starts, band_table
from healthlib.lab_moves import card_of, outside, setting_of, with_band, with_scale, with_weight
from healthlib.lab_scores import Points
from healthlib.lab_state import Evidence, Lab
from healthlib.resample import account_weights
from healthlib.spec import Limit, Metric
from healthlib.stats import auc, auc_replicates
from healthlib.studies.fit import without
from tests.small_company import book, scorecard

BOOK = book()
DONE = BOOK.cases[BOOK.cases["lost"].notna()].reset_index(drop=True)
TODAY = BOOK.history[BOOK.history["as_of"] == BOOK.as_of].reset_index(drop=True)


class Clock:
    """A clock that stands still until it is told otherwise."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def lab(card=None, fitted=None, fair=None) -> tuple[Lab, Clock]:
    card, clock = card or scorecard(), Clock()
    return Lab(Evidence(card, fair or card, DONE, TODAY), fitted, clock=clock), clock


def hard_card():
    """Profiles with weights of their own, a metric that applies to some, rules for missing values, steps, a gate on a band, limits."""
    card = scorecard()
    profiles = ({"when": {"segment": "SMB"}, "best": 0.5, "weight": 7}, {"when": {"age_days": {"under": 200}}, "worst": 0.1})
    seats = Metric.model_validate({**base("seats_used", "adoption", 40), "worst": 0, "best": 1, "profiles": profiles})
    tickets = Metric.model_validate({**base("tickets", "adoption", 20), "steps": {"0": 100, "2": 60, "6": 0}, "missing": "neutral"})
    contact = Metric.model_validate({**base("contact", "relationship", 40), "worst": 200, "best": 0, "missing": "worst",
                                     "applies_to": {"segment": ["SMB", "Enterprise"]}})  # fmt: skip
    gate = card.gates[0].model_copy(update={"cap": None, "band": "yellow"})
    metrics = {"seats_used": seats, "tickets": tickets, "contact": contact}
    return card.model_copy(update={"metrics": metrics, "gates": (gate,), "min_coverage": 0.7})


def base(name: str, group: str, weight: float) -> dict:
    return {"name": name, "group": group, "table": "usage", "measure": "count", "weight": weight}


@pytest.mark.parametrize("card", [scorecard(), hard_card()], ids=["plain", "hard"])
def test_scores_after_any_moves_equal_those_of_scoring_to_the_last_bit(card) -> None:
    found, clock = lab(card)
    rng = np.random.default_rng(0)
    for step in range(12):
        clock.now += 10
        if step % 3 == 0:
            found.weight(str(rng.choice(list(card.metrics))), float(rng.uniform(0, 80)))
        elif step % 3 == 1:
            found.scale("seats_used", "best", float(rng.uniform(0.6, 1.4)))
        else:
            found.band("green", float(rng.uniform(55, 90)))
        found.read()
        changed = card_of(card, found.now)
        for points, cases in ((found.evidence.past, DONE), (found.evidence.present, TODAY)):
            np.testing.assert_array_equal(points.score(changed), scoring.score(changed, cases).frame["score"].to_numpy())


def test_rates_shares_auc_and_moves_are_those_of_the_studies() -> None:
    found, _ = lab()
    found.weight("tickets", 60)
    reading, card = found.read(), card_of(scorecard(), found.now)
    scores = scoring.score(card, DONE).frame
    codes, counts = account_weights(DONE["account_id"], 200)
    table = band_table(DONE.assign(band=scores["band"]), band_names(card), Replicates(codes, counts)).set_index("band")
    for mine, theirs in (("kept", "churn_rate"), ("high", "churn_low"), ("low", "churn_high"), ("arr_kept", "arr_churn_rate")):
        np.testing.assert_allclose(1 - reading.bands.set_index("band")[mine], table.loc[band_names(card), theirs], rtol=0, atol=1e-12)
    assert reading.bands["cases"].tolist() == table.loc[band_names(card), "accounts"].tolist()
    assert reading.in_lowest.value == pytest.approx(table.loc["red", "share_of_churned_arr"], abs=1e-12)
    below = table.loc[["red", "yellow"], "share_of_churned_arr"].sum()
    assert reading.caught.value == pytest.approx(below, abs=1e-12)
    both = np.column_stack([scores["score"], scoring.score(scorecard(), DONE).frame["score"]])
    use = np.isfinite(both).all(axis=1)
    assert 0 < use.sum() < len(use), "one case is scored by one of the two alone: the comparison leaves it out"
    lost = DONE["lost"][use]
    mine, now = both[use].T
    value = auc(mine, lost) - auc(now, lost)
    assert (reading.auc.value, reading.difference.value) == (auc(mine, lost), value)
    draws = [auc_replicates(np.rint(one), lost, codes[use], counts) - auc(np.rint(one), lost) for one in (mine, now)]
    low, high = np.nanquantile(draws[0] - draws[1] + value, [0.025, 0.975])
    assert reading.difference.low == pytest.approx(min(low, value), abs=1e-9)
    assert reading.difference.high == pytest.approx(max(high, value), abs=1e-9)
    before, after = (scoring.score(one, TODAY).frame["band"] for one in (scorecard(), card))
    assert set(reading.moved["account_id"]) == set(TODAY.loc[before != after, "account_id"])
    assert reading.moved["arr"].is_monotonic_decreasing


def test_weights_stay_at_100_and_locked_ones_where_they_are() -> None:
    card = scorecard()
    moved = with_weight(card, setting_of(card), "tickets", 50.0, {"contact"})
    assert moved.setting.weights == {"seats_used": 10.0, "tickets": 50.0, "contact": 40.0}
    stopped = with_weight(card, setting_of(card), "tickets", 80.0, {"contact"})
    assert stopped.setting.weights["tickets"] == 60.0
    assert "Locked weights hold 40 points" in stopped.said
    assert "locked" in with_weight(card, setting_of(card), "tickets", 80.0, {"contact", "seats_used"}).said


@pytest.mark.parametrize("seed", range(20))
def test_no_move_leaves_the_limits_or_100(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits = {"tickets": Limit(min=5, max=30), "adoption": Limit(min=35, max=65), "contact": Limit(max=55)}
    card = scorecard().model_copy(update={"limits": limits})
    now = setting_of(card)
    for _ in range(15):
        name = str(rng.choice(list(card.metrics)))
        now = with_weight(card, now, name, float(rng.uniform(0, 100)), {str(rng.choice(list(card.metrics)))} - {name}).setting
        assert outside(card, now.weights) < 1e-6
        assert sum(now.weights.values()) == pytest.approx(100, abs=1e-6)


def test_a_limit_stops_a_move_with_a_word() -> None:
    card = scorecard().model_copy(update={"limits": {"tickets": Limit(max=30)}})
    moved = with_weight(card, setting_of(card), "tickets", 70)
    assert moved.setting.weights["tickets"] == 30
    assert moved.said == "Open tickets stops at 30 points. Limits in scorecard.yaml: tickets 0 to 30."


def test_scales_keep_their_direction_and_bands_their_order() -> None:
    card = scorecard()
    now = setting_of(card)
    assert with_scale(card, now, "tickets", "worst", 12).setting.scales["tickets"] == {"worst": 12, "best": 0}
    turned = with_scale(card, now, "tickets", "worst", 0)
    assert (turned.setting, "lower is better" in turned.said) == (now, True)
    assert with_band(now, "yellow", 90).setting.bands["yellow"] == 69.9
    assert with_band(now, "red", 10).setting == now


def test_a_drag_is_one_step_and_dragging_back_restores_the_rest() -> None:
    found, clock = lab()
    for points in (30, 50, 80, 20):
        found.weight("tickets", points)
        clock.now += 0.1
    assert found.now == found.start
    assert found.tried == 1
    clock.now += 10
    found.weight("tickets", 50)
    clock.now += 10
    found.band("green", 80)
    found.undo()
    assert (found.now.bands["green"], found.now.weights["tickets"]) == (70, 50)
    found.redo()
    assert found.now.bands["green"] == 80
    found.reset()
    assert found.now == found.start
    found.undo()
    assert found.now.bands["green"] == 80


def test_snap_takes_the_fitted_weights_and_leaves_the_rest() -> None:
    fitted = {"seats_used": 10.5, "tickets": 20.0, "contact": 69.5}
    found, _ = lab(fitted=fitted)
    found.band("green", 80)
    found.snap()
    assert (found.now.weights, found.now.bands["green"]) == (fitted, 80)
    lab()[0].snap()


def test_a_suspected_leak_scores_accounts_but_no_outcome() -> None:
    card = scorecard()
    found, _ = lab(card, fair=without(card, ("tickets",)))
    assert found.evidence.refused == {"tickets"}
    expected = scoring.score(without(card, ("tickets",)), DONE).frame["score"]
    use = expected.notna()
    assert found.read().auc.value == auc(expected[use], DONE["lost"][use])
    found.weight("tickets", 90)
    assert found.read().difference.value == pytest.approx(0, abs=1e-12)
    assert len(found.read().moved)


def test_one_class_and_few_accounts_say_so_instead_of_failing() -> None:
    card = scorecard()
    for cases in (DONE.assign(lost=0.0), DONE.head(1), DONE.head(0)):
        reading = Lab(Evidence(card, card, cases, TODAY)).read()
        assert np.isnan(reading.auc.value)
        assert reading.moved.empty


def test_points_of_no_cases_are_none() -> None:
    assert len(Points(scorecard(), DONE.head(0)).score(scorecard())) == 0


def test_a_report_does_not_load_the_widgets() -> None:
    code = "import sys, healthlib.report, healthlib.lab; print('ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from healthlib.demo import make_demo

    folder = tmp_path_factory.mktemp("lab") / "acme"
    make_demo(folder, accounts=60)
    return folder


def test_sliders_move_the_lab_and_what_it_saves_is_adopted(company: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from healthlib import cli, lab
    from healthlib.proposal import read_proposal
    from healthlib.spec import load_scorecard

    panel = lab.show(str(company))
    names = list(panel.weights)
    panel.locks[names[1]].value = True
    locked = panel.weights[names[1]].value
    panel.weights[names[0]].value = 11.0
    assert panel.weights[names[0]].value == 11.0
    assert panel.weights[names[1]].value == locked
    assert sum(slider.value for slider in panel.weights.values()) == pytest.approx(100, abs=1e-6)
    panel.bands["green"].value = 77.5
    panel.undo.click()
    assert panel.bands["green"].value != 77.5
    panel.redo.click()
    assert panel.bands["green"].value == 77.5
    assert "In sample" in panel.warning.value
    assert "You have tried 2 moves" in panel.warning.value
    bundle = panel._repr_mimebundle_()
    assert {"text/html", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    panel.why.value = "a trial"
    first, second = panel.save(), panel.save()
    assert (first.name, second.name) == ("proposal.yaml", "proposal.2.yaml")
    made = read_proposal(first)
    assert (made.origin.by, made.origin.why, made.bands) == ("lab", "a trial", {"green": 77.5})
    assert cli.main(["adopt", str(first), str(company), "--force"]) == 0
    assert "band" in capsys.readouterr().out
    adopted = load_scorecard(company / "scorecard.yaml")
    assert adopted.weights == pytest.approx({name: round(slider.value, 4) for name, slider in panel.weights.items()})
    assert adopted.bands[-1].start == 77.5


def test_an_answer_of_the_browser_is_no_move_and_a_failed_move_says_so(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """noUiSlider answers 59.9 with 59.900000000000006: taken for a move, that wiped out why a slider had stopped."""
    from healthlib import lab

    panel = lab.show(str(company))
    slider = panel.weights["active_seats"]
    slider.value = 100.0
    assert "Limits in scorecard.yaml" in panel.spoken.value
    moves, stopped = panel.lab.tried, slider.value
    slider.value = stopped + 7e-15
    assert (panel.lab.tried, slider.value) == (moves, stopped + 7e-15)
    assert "Limits in scorecard.yaml" in panel.spoken.value
    monkeypatch.setattr(panel.lab, "weight", lambda name, points: 1 / 0)
    panel.weights["nps"].value = 40.0
    assert 'role="alert"' in panel.spoken.value
    assert "ZeroDivisionError" in panel.spoken.value
    panel.undo.click()
    assert panel.weights["nps"].value == panel.lab.now.weights["nps"] != 40.0


def test_the_threshold_slider_says_what_the_table_of_ways_says(tmp_path: Path) -> None:
    from healthlib import claims_thresholds as say
    from healthlib import lab_cuts, studies
    from healthlib.demo import make_demo

    make_demo(tmp_path / "acme", accounts=200)
    panel = lab_cuts.show(str(tmp_path / "acme"))
    facts = studies.load("choosing", str(tmp_path / "acme"))
    way = say.row(facts, "capacity")
    assert way is not None
    row = panel.judged([panel.hand, way["lower"]]).iloc[-1]
    columns = ["today", "worked", "caught", "arr_caught", "arr_low", "wrong", "wrong_high", "net", "net_low", "gain", "gain_high"]
    assert row[columns].tolist() == way[columns].tolist()
    assert "The threshold in use" in panel.spoken.value
    panel.slider.value = 80.0
    assert "A cut at 80 puts" in panel.spoken.value
    assert "Slider (80)" in panel.table.value
    panel.judged = lambda cuts: 1 / 0
    panel.slider.value = 81.0
    assert "ZeroDivisionError" in panel.spoken.value
    assert "slider stands here" in lab_cuts.show("nowhere", "", "facts").html


def test_every_control_has_words_and_a_page_has_a_picture(company: Path) -> None:
    from healthlib import lab

    panel = lab.show(str(company))
    controls = [*panel.weights.values(), *panel.locks.values(), *panel.scales.values(), *panel.bands.values()]
    assert all(one.description and one.tooltip for one in controls)
    still = lab.still(panel.fit).html
    assert 'class="claim"' in still
    assert "alt=" in still


def test_bands_of_the_lab_are_those_of_assign() -> None:
    card = scorecard()
    score = Points(card, DONE).score(card)
    names = [band.name for band in card.bands]
    assert pd.Series(assign(score, band_starts(card), names)).tolist() == scoring.score(card, DONE).frame["band"].tolist()


@pytest.mark.parametrize("times", [0.4, 3.0])
def test_the_lab_begins_at_the_scorecard_in_use_whatever_its_weights_sum_to(times: float) -> None:
    """Profiles with weights of their own: scaled to 100 with the rest, or the lab would begin beside the scorecard."""
    card = hard_card()
    metrics = {
        name: metric.model_copy(update={
            "weight": metric.weight * times,
            "profiles": tuple(p if p.weight is None else p.model_copy(update={"weight": p.weight * times}) for p in metric.profiles),
        })
        for name, metric in card.metrics.items()
    }  # fmt: skip
    begun = lab(card.model_copy(update={"metrics": metrics}))[0].read()
    assert begun.moved.empty
    assert begun.difference.value == 0
    assert lab(card)[0].read().auc == begun.auc
