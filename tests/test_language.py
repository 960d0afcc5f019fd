"""The whole language of a scorecard: steps, levels, gates into a band, the own past, peers; each against a plain reading of what it says."""

# ruff: noqa: E501 - error texts stand here in full
from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlib import asof
from healthlib.backtest import replay
from healthlib.demo import make_demo
from healthlib.levels import made, readers
from healthlib.scoring import explain, metric_scores, score, shortfalls, top_drivers, weight_matrix, without_gates
from healthlib.spec import Scorecard, Workspace, load_scorecard, load_workspace
from healthlib.studies.book import snapshots
from healthlib.studies.fit import fit_study, usable
from healthlib.studies.gates import gate_table, ratio
from healthlib.tables import load_tables
from tests.test_asof import check
from tests.test_scoring import NAN, card, cases, metric
from tests.test_spec import SCORECARD, USAGE, faults, probe, write
from tests.test_spec import metric as one_metric

ROOT = Path(__file__).parents[1]
SAYS = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)[0]
"""The README's example of the whole language."""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("company") / "demo"
    make_demo(folder, seed=11, accounts=60)
    (folder / "scorecard.yaml").write_text(SAYS)
    return load_workspace(folder)


def evergreen(workspace: Workspace) -> Workspace:
    return workspace.model_copy(update={"outcome": workspace.outcome.model_copy(update={"kind": "churn_within"})})


# --- steps


@given(
    st.dictionaries(st.integers(-4, 9), st.integers(0, 100), min_size=2, max_size=5),
    st.lists(st.floats(-6, 12) | st.just(NAN), min_size=1, max_size=12),
)
def test_steps_equal_a_walk_up_the_stairs(steps, values):
    """The points of the last key at or below the value; below the first key the first's; read one value at a time."""
    stepped = metric("use", "g", None, None, 1, steps=steps)
    got = metric_scores(card(stepped), cases(use=values))["use"].tolist()
    for value, have in zip(values, got, strict=True):
        want = steps[min(steps)]
        for key in sorted(steps):
            want = steps[key] if value >= key else want
        assert (np.isnan(value) and np.isnan(have)) or have == want


def test_steps_by_hand_with_profiles_missing_and_points_that_sum():
    """Young: 1 login is 100, everybody else 50. Missing, worst: 0. Not applicable: not counted. 20 x 50 + 10 x 75 = 1750 / 30."""
    logins = metric("logins", "g", None, None, 20, steps={0: 0, 1: 50, 4: 100}, missing="worst", applies_to={"segment": "Big"},
                    profiles=[{"when": {"age_days": {"under": 180}}, "steps": {1: 100, 0: 30}, "weight": 40}])  # fmt: skip
    tickets = metric("tickets", "g", None, None, 10, steps={0: 100, 1: 75, 3: 0})
    assert (logins.better, tickets.better) == ("higher", "lower")
    rows = cases(logins=[1.0, 1.0, 0.5, NAN, 9.0], tickets=[2.0, 2.9, 3.0, 0.0, -1.0], age_days=[200, 10, 10, 200, 200],
                 segment=["Big", "Big", "Big", "Big", "Small"])  # fmt: skip
    scores = score(card(logins, tickets, min_coverage=0), rows)
    assert scores.metric_scores["logins"].tolist()[:4] == [50, 100, 30, 0]
    assert scores.metric_scores["tickets"].tolist() == [75, 75, 0, 100, 100]
    assert weight_matrix(card(logins, tickets), rows)["logins"].tolist() == [20, 40, 40, 20, 0]
    assert scores.frame["score"].tolist() == pytest.approx([1750 / 30, 4750 / 50, 1200 / 50, 1000 / 30, 100])
    assert scores.frame["coverage"].tolist() == pytest.approx([1, 1, 1, 10 / 30, 1])
    assert (scores.points.sum(axis=1) + shortfalls(scores).sum(axis=1)).tolist() == pytest.approx([100] * 5)


# --- curves

KNOTS = st.dictionaries(st.integers(-4, 9), st.integers(0, 100), min_size=2, max_size=6).filter(lambda found: len(set(found.values())) > 1)


def rising(points: dict[int, int], *, falls: bool) -> dict[int, int]:
    """The same values with the same points in order."""
    return dict(zip(sorted(points), sorted(points.values(), reverse=falls), strict=True))


@given(KNOTS, st.booleans(), st.lists(st.floats(-6, 12) | st.just(NAN), min_size=2, max_size=12))
def test_a_curve_is_monotone_bounded_and_straight_between_its_knots(points, falls, values):
    """Read one value at a time: the two knots around it, and the line between them."""
    knots = rising(points, falls=falls)
    drawn = metric("use", "g", None, None, 1, curve=knots)
    assert drawn.better == ("lower" if falls else "higher")
    got = metric_scores(card(drawn), cases(use=values))["use"].to_numpy()
    at = sorted(knots)
    for value, have in zip(values, got, strict=True):
        below, above = [k for k in at if k <= value], [k for k in at if k > value]
        if np.isnan(value):
            assert np.isnan(have)
        elif not below or not above:
            assert have == knots[at[0] if not below else at[-1]]
        else:
            share = (value - below[-1]) / (above[0] - below[-1])
            assert have == pytest.approx(knots[below[-1]] + share * (knots[above[0]] - knots[below[-1]]), abs=1e-9)
    ordered = got[np.argsort(values)][: int(np.isfinite(values).sum())]
    assert (np.diff(-ordered if falls else ordered) >= -1e-9).all()
    assert ((ordered >= min(knots.values())) & (ordered <= max(knots.values()))).all()


@given(st.floats(-5, 5), st.floats(0.01, 9), st.booleans(), st.lists(st.floats(-20, 20) | st.just(NAN), min_size=1, max_size=12))
def test_a_curve_of_two_knots_is_the_line_between_worst_and_best(start, length, falls, values):
    worst, best = (start + length, start) if falls else (start, start + length)
    rows = cases(use=values)
    by_ends = score(card(metric("use", "g", worst, best, 1, missing="neutral")), rows)
    by_knots = score(card(metric("use", "g", None, None, 1, missing="neutral", curve={worst: 0, best: 100})), rows)
    np.testing.assert_allclose(by_knots.metric_scores, by_ends.metric_scores, rtol=0, atol=1e-7)
    np.testing.assert_allclose(by_knots.points, by_ends.points, rtol=0, atol=1e-7)


def test_a_curve_by_hand_with_profiles_missing_and_points_that_sum():
    """Young accounts have a curve of their own: 1 login is 65, else 25. 40 x 25 + 10 x 80 over 50 = 36; missing, neutral: 50."""
    logins = metric("logins", "g", None, None, 40, curve={0: 0, 2: 50, 10: 100}, missing="neutral",
                    profiles=[{"when": {"age_days": {"under": 180}}, "curve": {0: 30, 2: 100}}])  # fmt: skip
    tickets = metric("tickets", "g", None, None, 10, curve={0: 100, 5: 0})
    rows = cases(logins=[1.0, 1.0, 6.0, NAN, 99.0], tickets=[1.0, 1.0, 0.0, 5.0, 9.0], age_days=[200, 10, 200, 10, 10])
    scores = score(card(logins, tickets, min_coverage=0), rows)
    assert scores.metric_scores["logins"].tolist() == pytest.approx([25, 65, 75, 50, 100])
    assert scores.frame["score"].tolist() == pytest.approx([36, 68, 80, 40, 80])
    assert (scores.points.sum(axis=1) + shortfalls(scores).sum(axis=1)).tolist() == pytest.approx([100] * 5)


# --- levels

PARTS = ("a", "b", "c")


def made_card(levels: list[dict], **more) -> Scorecard:
    rule = metric("rule", "g", None, None, 10, levels=levels)
    return card(*(metric(name, "g", 0, 1, 0) for name in PARTS), rule, **more)


def kleene(level: dict, values: dict[str, float]) -> bool | None:
    """True, False or None (unknown), read as a logician would."""

    def part(name: str, wanted: dict) -> bool | None:
        return None if np.isnan(values[name]) else all(values[name] >= limit for limit in wanted.values())

    found = [part(name, wanted) for name, wanted in level.get("when", {}).items()]
    if "any" in level:
        some = [part(name, wanted) for name, wanted in level["any"].items()]
        found.append(True if True in some else None if None in some else False)
    return False if False in found else None if None in found else True


@given(
    st.lists(
        st.fixed_dictionaries(
            {"score": st.sampled_from([0, 50, 100])},
            optional={key: st.dictionaries(st.sampled_from(PARTS), st.fixed_dictionaries({"at_least": st.integers(0, 2)}), min_size=1) for key in ("when", "any")},
        ),
        max_size=4,
    ),
    st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, NAN])] * 3),
)  # fmt: skip
def test_levels_equal_three_valued_logic(levels, row):
    """Every score that some reading of the unknown could lead to; one of them: that one; several: missing."""
    levels = [*levels, {"score": 0}]
    values = dict(zip(PARTS, row, strict=True))
    possible = set()
    for level in levels:
        truth = kleene(level, values)
        if truth is not False:
            possible.add(level["score"])
        if truth is True:
            break
    got = made(made_card(levels), cases(**{name: [value] for name, value in values.items()}))["rule"].tolist()[0]
    assert got == next(iter(possible)) if len(possible) == 1 else np.isnan(got)


RULE = [
    {"score": 100, "when": {"a": {"at_least": 1}, "b": {"at_least": 1}, "c": {"at_least": 3}}},
    {"score": 50, "any": {"a": {"at_least": 1}, "b": {"at_least": 1}}},
    {"score": 0},
]


def test_the_rule_of_the_issue_by_hand():
    """Both and monthly meetings; one of them; none; no meeting known but no contact either; a contact unknown, the other there, 2 meetings: 50
    in any case; with 3 meetings it decides between 100 and 50: missing."""
    rows = cases(a=[1.0, 1.0, 0.0, 0.0, NAN, NAN, NAN], b=[2.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0], c=[3.0, 9.0, 9.0, NAN, 2.0, 3.0, 3.0])
    got = made(made_card(RULE), rows)["rule"]
    assert got.to_numpy() == pytest.approx([100, 50, 0, 0, 50, NAN, NAN], nan_ok=True)
    scored = score(made_card(RULE), rows.assign(rule=got))
    assert scored.frame["score"].to_numpy() == pytest.approx(got.to_numpy(), nan_ok=True)
    assert top_drivers(scored).tolist()[1] == "down: Rule 50, for 100 it lacks B at least 1 (0) (-50.0)"
    assert top_drivers(scored).tolist()[2] == "down: Rule 0, for 50 it lacks A at least 1 (0) or B at least 1 (0) (-100.0)"
    assert explain(scored, 1).set_index("metric")["note"].to_dict() == {
        "rule": "for 100 it lacks B at least 1 (0)",
        "a": "",
        "b": "",
        "c": "",
    }
    missing = made_card(RULE, min_coverage=0).model_copy()
    worst = missing.metrics["rule"].model_copy(update={"missing": "worst"})
    filled = score(missing.model_copy(update={"metrics": {**missing.metrics, "rule": worst}}), rows.assign(rule=got))
    assert filled.frame["score"].tolist()[5:] == [0, 0]
    assert top_drivers(filled).tolist()[6] == "down: Rule not measured, open without A (-100.0)"


def test_levels_may_read_levels_and_what_does_not_apply_is_unknown():
    first = metric("first", "g", None, None, 0, levels=[{"score": 100, "when": {"a": {"over": 0}}}, {"score": 0}])
    second = metric("second", "g", None, None, 5, levels=[{"score": 80, "when": {"first": {"at_least": 100}}}, {"score": 20}])
    a = metric("a", "g", 0, 1, 0, applies_to={"segment": "Big"})
    rows = cases(a=[1.0, 0.0, 1.0], segment=["Big", "Big", "Small"])
    chain = card(second, first, a)
    assert made(chain, rows)["second"].to_numpy() == pytest.approx([80, 20, NAN], nan_ok=True)
    assert list(made(chain, rows)) == ["second", "first"]
    assert readers(chain, ["a"]) == ("second", "first", "a")


# --- gates


def test_a_gate_into_a_band_lowers_to_its_top_and_never_raises():
    """Bands from 0, 60, 80: into yellow is 79.9; what is red stays red; the lowest of several counts."""
    gates = (
        {"name": "gone", "metric": "gone", "at_least": 1, "band": "yellow"},
        {"name": "worse", "metric": "gone", "at_least": 2, "band": "red"},
    )
    gated = card(metric("use", "g", 0, 1, 1), metric("gone", "g", 1, 0, 0), gates=gates)
    scores = score(gated, cases(use=[1.0, 1.0, 1.0, 0.2, 0.7], gone=[0.0, 1.0, 2.0, 1.0, NAN]))
    assert scores.frame["score"].tolist() == pytest.approx([100, 79.9, 59.9, 20, 70])
    assert scores.frame["band"].tolist() == ["green", "yellow", "red", "red", "yellow"]
    assert scores.frame["gate"].tolist() == ["", "gone", "worse", "", ""]
    assert scores.points["gone"].tolist() == pytest.approx([0, -20.1, -40.1, 0, 0])
    assert top_drivers(scores).tolist()[1] == "held in yellow by gone; down: Gone 1 (-20.1); up: Use 1 (+100.0)"
    assert [gate.name for gate in without_gates(gated, ["use"]).gates] == ["gone", "worse"]
    assert without_gates(gated, ["gone"]).gates == ()


def outcomes(seed: int = 0, accounts: int = 400) -> pd.DataFrame:
    """Half of the accounts for which `gone` is 1 leave, a tenth of the others; `chance` says nothing; `known` is the outcome itself."""
    rng = np.random.default_rng(seed)
    gone = (rng.random(accounts) < 0.2).astype(float)
    lost = (rng.random(accounts) < np.where(gone == 1, 0.5, 0.1)).astype(float)
    day = pd.Timestamp("2024-01-31") + pd.to_timedelta(np.arange(accounts) % 600, unit="D")
    frame = cases(
        gone=gone.tolist(),
        chance=(rng.random(accounts) < 0.2).astype(float).tolist(),
        known=lost.tolist(),
        use=rng.random(accounts).tolist(),
    )
    return frame.assign(as_of=day, horizon_ends_on=day + pd.Timedelta(days=60), lost=lost, arr=rng.uniform(1, 9, accounts).round(2))


GATED = card(
    metric("use", "g", 0, 1, 10), metric("gone", "g", 1, 0, 10), metric("chance", "g", 1, 0, 0), metric("known", "g", 1, 0, 0),
    gates=tuple({"name": name, "metric": name, "at_least": 1, "cap": 30} for name in ("gone", "chance", "known")),
)  # fmt: skip


def test_gates_are_tested_against_outcomes_and_one_that_knows_them_is_refused():
    done = outcomes()
    facts = fit_study(done, GATED, replicates=100)
    table = facts.gates.set_index("gate")
    assert table["verdict"].to_dict() == {"gone": "tells", "chance": "cannot tell", "known": "refused"}
    for name in ("gone", "chance"):
        held = done[name] == 1
        lost, arr = done["lost"], done["arr"]
        assert table.loc[name, ["cases", "accounts", "lost"]].tolist() == [held.sum(), held.sum(), lost[held].sum()]
        assert table.loc[name, "held"] == pytest.approx(lost[held].mean())
        assert table.loc[name, "elsewhere"] == pytest.approx(lost[~held].mean())
        assert table.loc[name, "lift"] == pytest.approx(lost[held].mean() / lost[~held].mean())
        assert table.loc[name, "arr_held"] == pytest.approx((lost * arr)[held].sum() / arr[held].sum())
        assert table.loc[name, "lift_low"] < table.loc[name, "lift"] < table.loc[name, "lift_high"]
    assert "Not applied in any comparison, as reading them: the gate known." in facts.notes
    assert [gate.name for gate in usable(GATED, facts.leaks).gates] == ["gone", "chance"]
    overruled = facts.leaks.assign(overruled=True)
    assert len(usable(GATED, overruled).gates) == 3


def test_a_gate_that_never_held_or_lost_nothing_has_no_made_up_number():
    done = outcomes(accounts=40).assign(gone=0.0, lost=0.0)
    codes = np.arange(40), np.ones((40, 50), dtype=np.int16)
    table = gate_table(done, GATED, pd.DataFrame({"metric": []}), codes).set_index("gate")
    assert table.loc["gone", "why"] == "it held in no finished case"
    assert table.loc["gone", ["held", "lift", "lift_low"]].isna().all()
    assert table["verdict"].eq("cannot tell").all()


def test_how_many_more_cases_a_gate_lacks_is_the_shared_arithmetic_of_the_logarithm():
    """Lost 8 of 40 against 50 of 460: `settling` of the logarithm, golden numbers from the same normal futures drawn one by one."""
    from healthlib.resample import Z95, Estimate
    from healthlib.studies.gates import _needed

    lift, cases = Estimate(1.84, 0.9, 3.4, 40, 8), 40
    se, here = np.log(3.4 / 0.9) / (2 * Z95), np.log(1.84)
    numbers = [float(word.replace(",", "")) for word in _needed(lift, cases).split() if word[0].isdigit()]
    rng = np.random.default_rng(3)
    for more, wanted in zip(numbers, (0.5, 0.8), strict=True):
        true = rng.normal(here, se, 200_000)
        later = (cases * here + more * rng.normal(true, se * np.sqrt(cases / more))) / (cases + more)
        assert (np.abs(later) > Z95 * se * np.sqrt(cases / (cases + more))).mean() == pytest.approx(wanted, abs=0.03)
    assert _needed(Estimate(1.84, 0.0, 3.4, 40, 0), cases) == "it takes more cases in which it holds, lost and kept"


def test_a_leak_takes_what_is_made_of_it_along():
    rule = metric("rule", "g", None, None, 20, levels=[{"score": 0, "when": {"known": {"at_least": 1}}}, {"score": 100}])
    leaky = card(
        metric("use", "g", 0, 1, 10), metric("known", "g", 1, 0, 5), rule, gates=({"name": "x", "metric": "rule", "under": 50, "cap": 9},)
    )
    left = usable(leaky, pd.DataFrame({"metric": ["known"], "kind": "too_good", "evidence": ""}))
    assert (left.weights, left.gates) == ({"use": 10, "known": 0, "rule": 0}, ())


def test_the_interval_of_a_ratio_covers():
    """2,000 draws of two binomials, Wilson limits: the ratio lies inside 95 % of the time (from 93.5 % to 97.5 %)."""
    from healthlib.resample import Estimate, wilson

    rng, inside = np.random.default_rng(1), 0
    for _ in range(2000):
        ends = []
        for p, n in ((0.3, 60), (0.1, 400)):
            share = rng.binomial(n, p) / n
            ends.append(Estimate(share, *map(float, wilson(share, n)), n))
        found = ratio(*ends)
        inside += found.low <= 3 <= found.high
    assert 0.935 <= inside / 2000 <= 0.975


# --- the whole, on events


def test_what_the_language_says_is_the_same_with_every_table_cut(company: Workspace):
    """PRODUCT 5.1, and that each new form is measured somewhere."""
    book = check(company, "2026-03-15")
    assert book.history[list(company.scorecard.metrics)].notna().any().all()
    assert set(book.history["engagement_rule"].dropna()) == {0, 50, 100}
    assert book.history["seats_vs_peers"].dropna().between(0, 1).all()
    monthly = check(evergreen(company), "2026-03-15")
    assert monthly.cases["seats_vs_peers"].notna().any()


def test_a_value_does_not_depend_on_the_other_cases(company: Workspace):
    tables = load_tables(company)
    asof.open_door(tables, company)
    days = [pd.Timestamp(day) for day in ("2025-06-30", "2025-08-17", "2026-02-28")]
    spine = asof.active_spine(tables, days)
    together = snapshots(tables, company, spine)
    for part in (
        spine.iloc[[3]],
        spine[spine["as_of"] == days[1]].reset_index(drop=True),
        spine.sample(20, random_state=1).reset_index(drop=True),
    ):
        alone = snapshots(tables, company, part.reset_index(drop=True))
        wanted = part.merge(together, how="left", on=["account_id", "as_of"])
        pd.testing.assert_frame_equal(alone, wanted[list(alone.columns)], check_dtype=False)


def test_fits_replays_and_adoption_go_on_with_the_whole_language(company: Workspace, tmp_path: Path):
    from healthlib.adopt import adopt_weights
    from healthlib.studies.book import open_book

    book = open_book(company)
    scored = score(book.scorecard, book.history)
    whole = scored.frame["score"].notna()
    assert np.allclose(scored.points.sum(axis=1)[whole], scored.frame["score"][whole], rtol=0, atol=1e-9)
    assert set(scored.frame["band"]) >= {"A", "B", "C", "D"}
    assert not replay(book.cases, company.scorecard).predictions.empty
    facts = fit_study(book.cases, company.scorecard, replicates=30)
    assert facts.weights["fitted"].sum() == pytest.approx(100)
    path = tmp_path / "weights.csv"
    facts.weights.assign(recommended=10).to_csv(path, index=False)
    shutil.copy(company.folder / "scorecard.yaml", tmp_path / "scorecard.yaml")
    (tmp_path / "scorecard.yaml").write_text(adopt_weights(tmp_path / "scorecard.yaml", path).after)
    assert set(load_scorecard(tmp_path / "scorecard.yaml").weights.values()) == {10}


def test_the_language_survives_storing(company: Workspace, tmp_path: Path):
    from healthlib import store

    store.save(company.scorecard, tmp_path / "facts")
    assert store.load(tmp_path / "facts") == company.scorecard


# --- what is wrong with it


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("steps: {0: 0, one: 50, 4: 100}", "steps.one: found 'one'; expected a number: the value that these points belong to."),
        ("steps: {0: 0, 1: 150}", "steps.1: found 150; expected a number of at most 100."),
        ("steps: {0: 0, 1: half}", "steps.1: found 'half'; expected a number."),
        ("steps: [0, 1]", "steps: found a list; expected a mapping such as {key: value}."),
        ("steps: {0: 50}", "steps: found a mapping; expected at least two values with different points, such as {0: 0, 1: 50, 4: 100}."),
        ("steps: {0: 50, 1: 50}", "steps: found a mapping; expected at least two values with different points, such as {0: 0, 1: 50, 4: 100}."),
        ("steps: {0: 0, 1: 100, 5: 50}", "steps: found a mapping; expected points that only rise or only fall; where too little and too much are both bad, use `levels`."),
        ("steps: {1: 0, 1.0: 100}", "steps: found a mapping; the same value twice: keep one of them."),
        ("steps: {0: 0, 1: 100}, better: lower", "better: found lower with points that run the other way; expected better: higher, or other points."),
        ("steps: {0: 0, 1: 100}, worst: 0, best: 1", "best: found 1; one of the two: `steps`, or `worst` and `best`."),
        ("steps: {0: 0, 1: 100}, profiles: [{when: {segment: SMB}, best: 3}]", "profiles[0].best: found 3; expected `steps`, as its metric has."),
        ("worst: 0, best: 1, profiles: [{when: {segment: SMB}, steps: {0: 0, 1: 100}}]", "profiles[0].steps: found a mapping; expected `worst` and `best`, as its metric has."),
        ("curve: {0: 0, one: 50}", "curve.one: found 'one'; expected a number: the value that these points belong to."),
        ("curve: {0: 0, 1: 150}", "curve.1: found 150; expected a number of at most 100."),
        ("curve: {0: 0, 1: -1}", "curve.1: found -1; expected a number of at least 0."),
        ("curve: {0: 50}", "curve: found a mapping; expected at least two values with different points, such as {0: 0, 1: 50, 4: 100}."),
        ("curve: {0: 0, 1: 100, 5: 50}", "curve: found a mapping; expected points that only rise or only fall; where too little and too much are both bad, use `levels`."),
        ("curve: {0: 0, 1: 100}, better: lower", "better: found lower with points that run the other way; expected better: higher, or other points."),
        ("curve: {0: 0, 1: 100}, worst: 0", "worst: found 0; one of the two: `curve`, or `worst` and `best`."),
        ("curve: {0: 0, 1: 100}, steps: {0: 0, 1: 100}", "curve: found a mapping; one of the two: `steps`, or `curve`."),
        ("curve: {0: 0, 1: 100}, profiles: [{when: {segment: SMB}, steps: {0: 0, 1: 9}}]", "profiles[0].steps: found a mapping; expected `curve`, as its metric has."),
        ("curve: {0: 0, 1: 100}, profiles: [{when: {segment: SMB}, curve: {0: 9, 1: 0}}]", "profiles[0].better: found higher with points that run the other way; expected better: lower, or other points."),
        ("worst: 0", "best: found nothing; `best` is required, or `steps` or `curve` in the place of both ends."),
        ("worst: 0, best: 1, against: {past_days: 0}", "against.past_days: found 0; expected a number over 0."),
        ("worst: 0, best: 1, against: {past_day: 30}", "against.past_day: found the unknown key 'past_day'; expected one of past_days, peers, at_least. Did you mean 'past_days'?"),
        ("worst: 0, best: 1, against: {past_days: 30, peers: segment}", "against: found a mapping; expected one of the two: {past_days: 365} or {peers: segment}."),
        ("worst: 0, best: 1, against: {past_days: 30}, trend: 9", "trend: found 9; one of the two: `trend`, or `against` the past."),
        ("worst: 0, best: 1, against: {past_days: 30}, per: seats", "per: found 'seats'; left out: the past is compared as it was counted, and the divisor would cancel."),
        ("worst: 0, best: 1, against: {past_days: 30, at_least: 5}", "against.at_least: found 5; it goes with `peers`."),
        ("worst: 0, best: 1, against: {peers: arr}", "against.peers: found 'arr'; expected an attribute that accounts share, such as segment."),
        ("worst: 0, best: 1, against: {peers: segment, at_least: 1}", "against.at_least: found 1; expected a number of at least 2."),
    ],
)  # fmt: skip
def test_faults_of_scales_and_comparisons(tmp_path, keys, said):
    text = one_metric(f"group: adoption, table: usage, measure: count, window_days: 30, {keys}")
    assert f"scorecard.yaml:4: metrics.probe.{said}" in faults(tmp_path, text)


def test_faults_of_measures_that_have_no_past(tmp_path):
    keys = "group: adoption, table: usage, worst: 0, best: 1, against: {past_days: 20}"
    for more, said in (
        ("measure: days_since", "against.past_days: found 20; it goes with count, sum, mean, share, distinct, max; for `days_since` use `trend`."),
        ("measure: count", "against.past_days: found 20; it needs `window_days`: the past is what lies before the window."),
        ("measure: distinct user_id, window_days: 30", "against.past_days: found 20; expected at least the window of 30 days: `distinct` is compared window by window."),
    ):  # fmt: skip
        assert f"scorecard.yaml:4: metrics.probe.{said}" in faults(tmp_path, one_metric(f"{keys}, {more}"))


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ("[{score: 100, when: {tickts: {under: 1}}}, {score: 0}]", "levels[0].when.tickts: found 'tickts'; expected one of seats_used, probe. Did you mean 'tickets'?"),
        ("[{score: 100, when: {tickets: {undr: 1}}}, {score: 0}]", "levels[0].when.tickets.undr: found the unknown key 'undr'; expected one of under, at_most, over, at_least. Did you mean 'under'?"),
        ("[{score: 100, when: {tickets: {}}}, {score: 0}]", "levels[0].when.tickets: found a mapping; expected one of under, at_most, over, at_least."),
        ("[{score: 100, wen: {tickets: {under: 1}}}, {score: 0}]", "levels[0].wen: found the unknown key 'wen'; expected one of score, when, any. Did you mean 'when'?"),
        ("[{score: 101}, {score: 0, when: {tickets: {under: 1}}}]", "levels[0].score: found 101; expected a number of at most 100."),
        ("[{score: 100}, {score: 0}]", "levels[0]: found a level without a condition above others; put it last: the first level that holds wins."),
        ("[{score: 0}, {score: 100, any: {tickets: {under: 1}}}]", "levels[1]: found a last level with a condition; add a last level without a condition, such as {score: 0}, for all the rest."),
        ("[{score: 7, when: {tickets: {under: 1}}}, {score: 7}]", "levels: found 2 levels that all score 7; expected levels with different scores."),
        ("[{score: 100, when: {probe: {over: 1}}}, {score: 0}]", "levels: found probe reads probe; expected levels that read metrics which do not read them in turn."),
        ("[{score: 100, when: {tickets: {under: 1}}}, {score: 0}], table: usage", "table: found 'usage'; a metric with `levels` takes none: it reads other metrics."),
        ("[{score: 100, when: {tickets: {under: 1}}}, {score: 0}], best: 3", "best: found 3; a metric with `levels` takes none: its value is a score already."),
        ("[{score: 100, when: {tickets: {under: 1}}}, {score: 0}], profiles: [{when: {segment: SMB}, worst: 3}]",
         "profiles[0].worst: found 3; a profile of a metric with `levels` may change its weight only."),
    ],
)  # fmt: skip
def test_faults_of_levels(tmp_path, levels, said):
    text = SCORECARD.replace("bands:", f"  probe: {{group: adoption, levels: {levels}}}\nbands:")
    assert f"scorecard.yaml:5: metrics.probe.{said}".replace("seats_used, probe", "seats_used, tickets, probe") in faults(tmp_path, text)


def test_a_circle_of_levels_is_named(tmp_path):
    lines = [
        f"  {one}: {{group: adoption, levels: [{{score: 100, when: {{{other}: {{over: 1}}}}}}, {{score: 0}}]}}"
        for one, other in ("xy", "yz", "zx")
    ]
    [said] = faults(tmp_path, SCORECARD.replace("bands:", "\n".join(lines) + "\nbands:"))
    assert said.startswith("scorecard.yaml:5: metrics.x.levels: found x reads y reads z reads x;")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("band: rad", "gates[0].band: found 'rad'; expected one of red, green. Did you mean 'red'?"),
        ("band: green", "gates[0].band: found 'green'; expected a lower band: a gate into the highest one would lower nothing."),
        ("band: red, cap: 3", "gates[0]: found a mapping; a gate needs one of the two: `cap` (a score) or `band` (the name of a band)."),
        ("label: x", "gates[0]: found a mapping; a gate needs one of the two: `cap` (a score) or `band` (the name of a band)."),
    ],
)
def test_faults_of_gates(tmp_path, gate, said):
    text = SCORECARD + f"gates: [{{name: g, metric: tickets, over: 1, {gate}}}]\n"
    assert f"scorecard.yaml:6: {said}" in faults(tmp_path, text)


def test_faults_of_colours(tmp_path):
    text = SCORECARD.replace("{name: red, from: 0}", "{name: red, from: 0, color: 'red;}'}")
    assert faults(tmp_path, text) == ["scorecard.yaml:5: bands[0].color: found 'red;}'; expected a colour such as \"#b3261e\", in quotes."]
    good = load_workspace(write(tmp_path, SCORECARD.replace("from: 0}", "from: 0, color: '#B31'}"))).scorecard
    assert [band.color for band in good.bands] == ["#bb3311", None]


def test_peers_of_an_attribute_nobody_has_are_named_with_the_nearest(company: Workspace):
    from healthlib.errors import DataError
    from healthlib.studies.book import open_book

    text = SAYS.replace("peers: segment", "peers: segmnt").replace("distinct day", "distinct dey")
    (company.folder / "scorecard.yaml").write_text(text)
    try:
        with pytest.raises(DataError) as caught:
            open_book(load_workspace(company.folder))
    finally:
        (company.folder / "scorecard.yaml").write_text(SAYS)
    assert [fault.where for fault in caught.value.faults] == ["metrics.seats_vs_peers.against.peers", "metrics.login_days"]
    assert caught.value.faults[0].nearest == "segment"


def test_better_follows_from_steps(tmp_path):
    plain = USAGE.replace(", worst: 0, best: 1", "")
    assert probe(tmp_path, f"{plain}, measure: count, steps: {{0: 100, 1: 50, 3: 0}}").better == "lower"
    assert list(probe(tmp_path, f"{plain}, measure: count, steps: {{4: 100, 0: 0}}").steps or {}) == [0, 4]


def test_a_flat_sheet_has_levels_too(tmp_path):
    from healthlib.studies.book import load_book

    rows = [f"c{i},{i % 7},{(i * 3) % 5 if i % 4 else ''},{'Yes' if i % 6 == 0 else 'No'}" for i in range(60)]
    (tmp_path / "sheet.csv").write_text("id,logins,tickets,churned\n" + "\n".join(rows) + "\n")
    (tmp_path / "workspace.yaml").write_text(
        "name: F\nflat: {file: sheet.csv, account_id: id, outcome: {column: churned, churned: 'Yes'}}\n"
    )
    (tmp_path / "scorecard.yaml").write_text(
        """groups: [g]
metrics:
  use: {group: g, column: logins, steps: {0: 0, 2: 60, 5: 100}, weight: 10}
  asks: {group: g, column: tickets, worst: 4, best: 0}
  both: {group: g, levels: [{score: 100, when: {use: {at_least: 2}, asks: {at_most: 1}}}, {score: 30}], weight: 5}
bands: [{name: Happy not, from: 0}, {name: Happy, from: 50}]
"""
    )
    book = load_book(tmp_path)
    use, asks = book.cases["use"], book.cases["asks"]
    want = np.where((use >= 2) & (asks <= 1), 100.0, np.where(asks.isna() & (use >= 2), NAN, 30.0))
    assert book.cases["both"].to_numpy() == pytest.approx(want, nan_ok=True)
