"""Two scorecards compared, and scales suggested: by hand, by brute force, and as commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from healthlib import claims_scorecard, cli, scoring
from healthlib.demo import make_demo
from healthlib.scorecards import scales_yaml
from healthlib.spec import Band, Gate, Metric, Range, Scorecard, load_workspace
from healthlib.studies.compare import CAUSES, compare
from healthlib.studies.suggest import Suggestion, suggest_scales, with_scales

from .small_company import AS_OF, history, scorecard
from .test_scoring import CARD, card, cases, metric

TODAY = cases(arr=[10.0, 20.0, 30.0, 40.0], use=[0.8, 0.52, 0.44, 0.1], tickets=[2.0, 4.0, 6.0, 9.0], nps=[10.0, 8.5, 6.0, 1.0])


def _metric(name: str, **changed: object) -> Metric:
    return CARD.metrics[name].model_copy(update=changed)


def _changed(cause: str) -> tuple[Scorecard, pd.DataFrame]:
    """The scorecard and the snapshots after a change of one kind only."""
    metrics = dict(CARD.metrics)
    if cause == CAUSES[0]:
        return CARD.model_copy(update={"metrics": metrics | {"use": _metric("use", window_days=7)}}), TODAY.assign(use=TODAY["use"] / 2)
    if cause == CAUSES[1]:
        return CARD.model_copy(update={"metrics": metrics | {"use": _metric("use", best=1.6)}}), TODAY
    if cause == CAUSES[2]:
        return CARD.model_copy(update={"metrics": metrics | {"nps": _metric("nps", weight=200.0)}}), TODAY
    if cause == CAUSES[3]:
        return CARD.model_copy(update={"min_coverage": 0.9}), TODAY
    if cause == CAUSES[4]:
        return CARD.model_copy(update={"gates": (Gate(name="g", metric="tickets", holds=Range(at_least=2), cap=10),)}), TODAY
    return CARD.model_copy(
        update={"bands": (Band(name="red", start=0), Band(name="yellow", start=90), Band(name="green", start=99))}
    ), TODAY


@pytest.mark.parametrize("cause", CAUSES)
def test_a_change_of_one_kind_is_charged_to_it_alone(cause: str) -> None:
    before = TODAY.assign(nps=[10.0, np.nan, 6.0, np.nan]) if cause == CAUSES[3] else TODAY
    after, snapshots = _changed(cause)
    snapshots = before if cause == CAUSES[3] else snapshots
    found = compare(("old", CARD, before), ("new", after, snapshots))
    assert found.by_cause.set_index("cause")["accounts"].drop(cause).eq(0).all()
    assert found.by_cause.set_index("cause")["accounts"][cause] == (found.accounts["band_a"] != found.accounts["band_b"]).sum() > 0
    others = [f"change:{name}" for name in CAUSES if name != cause]
    assert found.accounts[others].fillna(0).abs().to_numpy().max() == 0


def test_changes_sum_and_both_ends_are_what_scoring_says() -> None:
    gone = {name: one for name, one in CARD.metrics.items() if name != "tickets"}
    added = metric("logins", "adoption", 0, 10, 30)
    new = card(*gone.values(), added, min_coverage=0.2, gates=(Gate(name="g", metric="nps", holds=Range(under=7), cap=55),))
    now = TODAY.drop(columns="tickets").assign(logins=[1.0, 9.0, np.nan, 4.0], use=TODAY["use"] * 0.9)
    found = compare(("old", CARD, TODAY), ("new", new, now))
    ends = scoring.score(CARD, TODAY).frame["score"], scoring.score(new, now).frame["score"]
    np.testing.assert_allclose(found.accounts["score_a"], ends[0])
    np.testing.assert_allclose(found.accounts["score_b"], ends[1])
    steps = found.accounts[[f"change:{name}" for name in CAUSES]].sum(axis=1)
    np.testing.assert_allclose(steps, ends[1] - ends[0], atol=1e-9)
    moved = found.accounts["band_a"] != found.accounts["band_b"]
    assert found.by_cause["accounts"].sum() == moved.sum() == (found.accounts["cause"] != "").sum()
    assert found.by_cause["arr"].sum() == found.accounts.loc[moved, "arr"].sum()
    assert found.migration["accounts"].sum() == len(TODAY)


def test_the_same_scorecard_moves_nobody() -> None:
    found = compare(("a", CARD, TODAY), ("b", CARD, TODAY.sample(frac=1, random_state=3)))
    assert (found.accounts["cause"] == "").all()
    assert found.by_cause["accounts"].sum() == 0


def test_bands_called_otherwise_are_compared_by_rank_and_other_numbers_of_bands_not_at_all() -> None:
    named = CARD.model_copy(update={"bands": tuple(band.model_copy(update={"name": f"<{band.name}>"}) for band in CARD.bands)})
    found = compare(("old", CARD, TODAY), ("new", named, TODAY))
    assert (found.accounts["cause"] == "").all()
    assert set(found.accounts["band_a"]) <= {"<red>", "<yellow>", "<green>"}
    two = compare(("old", CARD, TODAY), ("new", CARD.model_copy(update={"bands": CARD.bands[:2]}), TODAY))
    assert "3 bands and new 2, so that bands cannot be compared" in claims_scorecard.changed(two, "USD")


def test_other_accounts_are_refused() -> None:
    with pytest.raises(ValueError, match="same accounts"):
        compare(("a", CARD, TODAY), ("b", CARD, TODAY.head(3)))


def test_suggested_ends_are_the_tenth_and_ninetieth_hundredth_of_the_last_year_and_nothing_later() -> None:
    snapshots, _ = history(accounts=80)
    found = suggest_scales(scorecard(), snapshots, AS_OF).metrics.set_index("metric")
    last = snapshots[snapshots["as_of"] > AS_OF - pd.DateOffset(months=12)]
    low, high = last["contact"].quantile([0.1, 0.9])
    assert found.loc["contact", ["low", "high"]].tolist() == pytest.approx([low, high])
    assert found.loc["contact", "worst"] == pytest.approx(high, abs=5)
    assert found.loc["contact", "best"] == pytest.approx(low, abs=5)
    early = AS_OF - pd.DateOffset(months=6) + pd.offsets.MonthEnd(0)
    cut = suggest_scales(scorecard(), snapshots[snapshots["as_of"] <= early], early)
    pd.testing.assert_frame_equal(suggest_scales(scorecard(), snapshots, early).metrics, cut.metrics)


def test_a_metric_that_is_nearly_always_the_same_gets_no_scale_and_a_reason() -> None:
    snapshots, _ = history(accounts=80)
    rare = snapshots.assign(tickets=np.where(np.arange(len(snapshots)) % 20 == 0, 1.0, 0.0))
    row = suggest_scales(scorecard(), rare, AS_OF).metrics.set_index("metric").loc["tickets"]
    assert np.isnan(row["worst"])
    assert "95% of the values are 0" in row["said"]


def test_out_of_proportion_bands_are_said_and_the_proposed_cuts_mend_them() -> None:
    snapshots, _ = history(accounts=120)
    harsh = scorecard().model_copy(
        update={"bands": (Band(name="red", start=0), Band(name="yellow", start=85), Band(name="green", start=95))}
    )
    found = suggest_scales(harsh, snapshots, AS_OF)
    assert any("red: more than 20%" in said for said in found.warnings)
    lenient = scorecard().model_copy(
        update={"bands": (Band(name="red", start=0), Band(name="yellow", start=5), Band(name="green", start=9))}
    )
    kind = suggest_scales(lenient, snapshots, AS_OF)
    assert any("green: more than 80%" in said for said in kind.warnings)
    for one in (found, kind):
        assert one.cuts["share_proposed"].iloc[0] <= 0.2
        assert one.cuts["share_proposed"].iloc[-1] <= 0.8
        assert one.cuts["from_proposed"].is_monotonic_increasing


def test_a_handful_of_accounts_gives_no_cuts_and_what_cannot_be_met_is_said() -> None:
    snapshots, _ = history(accounts=12)
    assert (suggest_scales(scorecard(), snapshots, AS_OF).cuts[["from_now", "from_proposed"]].nunique(axis=1) == 1).all()
    many, _ = history(accounts=300)
    two = scorecard().model_copy(update={"bands": (Band(name="red", start=0), Band(name="green", start=50))})
    found = suggest_scales(two, many, AS_OF)
    over = found.cuts["share_proposed"].iloc[-1] > 0.8
    assert any(said.startswith("Even with the proposed thresholds") for said in found.warnings) == over


def test_the_shares_are_those_of_the_proposed_scorecard() -> None:
    snapshots, _ = history(accounts=80)
    found = suggest_scales(scorecard(), snapshots, AS_OF)
    proposed = with_scales(scorecard(), found.metrics)
    starts = dict(zip(found.cuts["band"], found.cuts["from_proposed"], strict=True))
    proposed = proposed.model_copy(update={"bands": tuple(Band(name=name, start=start) for name, start in starts.items())})
    band = scoring.score(proposed, snapshots[snapshots["as_of"] == AS_OF]).frame["band"]
    for row in found.cuts.itertuples():
        assert row.share_proposed == pytest.approx((band == row.band).sum() / (band != "unscored").sum())


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards") / "acme"
    make_demo(folder, accounts=60)
    return folder


def test_diff_as_a_command(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (company / "scorecard.yaml").read_text()
    other = tmp_path / "stricter.yaml"
    other.write_text(text.replace("from: 65", "from: 75"))
    assert cli.main(["diff", str(company), str(other), str(company), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "because of band thresholds" in said
    assert "from acme to stricter" in said
    (folder,) = (tmp_path / "acme").glob("20*")
    table = pd.read_csv(folder / "diff.csv")
    assert set(table.loc[table["cause"].notna(), "band_b"]) == {"yellow"}
    assert "Two scorecards compared" in (folder / "diff.html").read_text()


def test_diff_names_what_is_wrong_with_a_scorecard(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.yaml").write_text((company / "scorecard.yaml").read_text().replace("weight: 9", "wieght: 9", 1))
    assert cli.main(["diff", str(company), str(tmp_path / "broken.yaml"), str(company), "--out", str(tmp_path)]) == 2
    assert "broken.yaml:" in (said := capsys.readouterr().err)
    assert "weight" in said
    assert cli.main(["diff", str(company), str(tmp_path / "none.yaml"), str(company), "--out", str(tmp_path)]) == 2


def test_suggest_scales_as_a_command_leaves_yaml_that_can_be_pasted(company: Path, tmp_path: Path) -> None:
    assert cli.main(["suggest-scales", str(company), "--out", str(tmp_path)]) == 0
    (folder,) = (tmp_path / "acme").glob("20*")
    proposed = yaml.safe_load((folder / "scales.yaml").read_text())
    written = yaml.safe_load((company / "scorecard.yaml").read_text())
    for name, ends in proposed["metrics"].items():
        written["metrics"][name] |= ends
    written["bands"] = proposed["bands"]
    written.pop("alerts")  # its `off` would be dumped as the false that YAML reads it as
    (tmp_path / "new.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    assert load_workspace(company, tmp_path / "new.yaml").scorecard.metrics["csm_rating"].best == proposed["metrics"]["csm_rating"]["best"]


@pytest.mark.parametrize("name", ["At risk: call", "- x", "#1", "no", "0", "true", '"', "a, b}", "<b>"])
def test_a_proposed_band_is_read_back_under_its_own_name(name: str) -> None:
    cuts = pd.DataFrame({"band": [name], "from_proposed": [0.0]})
    found = Suggestion(pd.Timestamp(AS_OF), (name,), pd.DataFrame(), pd.DataFrame(), cuts, ())
    assert yaml.safe_load(scales_yaml(found))["bands"] == [{"name": name, "from": 0}]
