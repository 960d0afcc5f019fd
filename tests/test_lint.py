"""Lint: every rule has a scorecard that trips it and one that does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_lint, page_lint
from healthlib.alert_rules import AlertRules, ChampionGone
from healthlib.spec import Band, Gate, Limit, Measure, Metric, Profile, Range, Scorecard
from healthlib.studies.lint import COLUMNS, SEVERITIES, lint, lint_book
from tests import small_company

T = pd.Timestamp("2026-10-31")
ACCOUNTS = 40


def metric(name: str, group: str = "g", weight: float = 25.0, **more: Any) -> Metric:
    fields: dict[str, Any] = {"table": "usage", "measure": Measure(kind="count"), "where": name, "worst": 0.0, "best": 100.0, **more}
    return Metric(name=name, group=group, label=name.capitalize(), weight=weight, **fields)


def card(*metrics: Metric, **more: Any) -> Scorecard:
    """Four metrics of equal weight in two groups, red and green, unless told otherwise."""
    metrics = metrics or (metric("a"), metric("b"), metric("c", "h"), metric("d", "h"))
    fields: dict[str, Any] = {"groups": ("g", "h"), "bands": (Band(name="red", start=0), Band(name="green", start=50)), **more}
    return Scorecard(metrics={one.name: one for one in metrics}, **fields)


def snapshots(**columns: Any) -> pd.DataFrame:
    """Forty accounts on one day with four unrelated metrics, spread so that half of the scores lie on either side of 50."""
    rng = np.random.default_rng(3)
    values = {name: rng.permutation(np.linspace(20, 95, ACCOUNTS)) for name in "abcd"}
    frame = pd.DataFrame({"account_id": [f"a{i:02d}" for i in range(ACCOUNTS)], "as_of": T, "arr": 1.0, "age_days": 400.0, **values})
    return frame.assign(**columns)


def found(scorecard: Scorecard, frame: pd.DataFrame | None = None, **more: Any) -> set[tuple[str, str]]:
    """The rules that spoke up, and of what."""
    rows = lint(scorecard, snapshots() if frame is None else frame, **more)
    return set(zip(rows["what"], rows["where"], strict=True))


def test_a_sound_scorecard_has_no_finding() -> None:
    rows = lint(card(), snapshots(), tables=("accounts", "contracts", "usage"))
    assert rows.empty
    assert tuple(rows.columns) == COLUMNS
    assert claims_lint.lines(rows) == ["Nothing stands out in the scorecard."]


def test_weights_that_do_not_sum_are_a_note_only() -> None:
    rows = lint(card(metric("a"), metric("b"), metric("c", "h"), metric("d", "h", 24.0)), snapshots())
    assert rows[["severity", "what"]].to_numpy().tolist() == [["note", "weights_sum"]]
    assert rows["said"].iloc[0] == "weights sum to 99, not 100: only their shares count, so 25 is 25%"


@pytest.mark.parametrize(("weight", "trips"), [(51.0, True), (49.0, False)])
def test_one_metric_dominates(weight: float, trips: bool) -> None:
    rest = (100 - weight) / 3
    found_here = found(card(metric("a", weight=weight), metric("b", weight=rest), metric("c", "h", rest), metric("d", "h", rest)))
    assert (("dominates", "a") in found_here) is trips


def test_a_scale_that_history_turned_around_measures_nothing() -> None:
    """What `resolve_scales` leaves of quantiles that contradict `better`: NaN."""
    nan = float("nan")
    broken = metric("a").model_copy(update={"worst": nan, "best": nan})
    rows = lint(card(broken, metric("b"), metric("c", "h"), metric("d", "h")), snapshots())
    assert rows.loc[rows["what"] == "scale", ["severity", "where"]].to_numpy().tolist() == [["wrong", "a"]]


def test_a_metric_that_gives_everybody_the_same_points() -> None:
    assert ("constant", "a") in found(card(), snapshots(a=150.0))
    assert ("constant", "a") not in found(card(), snapshots(a=np.where(np.arange(ACCOUNTS) < 1, 0.0, 150.0)))


def cases(direction: float, lost: int = 20, accounts: int = 200) -> pd.DataFrame:
    """Finished cases whose metric `a` points so strongly towards (1) or away from (-1) loss."""
    rng = np.random.default_rng(0)
    gone = np.arange(accounts) < lost
    values = {name: rng.uniform(0, 100, accounts) for name in "abcd"}
    values["a"] = np.clip(50 + direction * 30 * np.where(gone, 1, -1) + rng.normal(0, 20, accounts), 0, 100)
    frame = pd.DataFrame({"account_id": [f"a{i}" for i in range(accounts)], "as_of": T, "arr": 1.0, "age_days": 400.0, **values})
    return frame.assign(lost=gone.astype(float))


def test_a_metric_that_runs_against_the_outcomes() -> None:
    assert ("polarity", "a") in found(card(), cases=cases(1.0))
    assert not {where for what, where in found(card(), cases=cases(-1.0)) if what == "polarity"}
    assert not {where for what, where in found(card(), cases=cases(0.0)) if what == "polarity"}
    assert not {where for what, where in found(card(), cases=cases(1.0, lost=9)) if what == "polarity"}, "nine losses say nothing"
    turned = card(metric("a", better="lower", worst=100.0, best=0.0), metric("b"), metric("c", "h"), metric("d", "h"))
    assert ("polarity", "a") not in found(turned, cases=cases(1.0))


def test_metrics_that_say_nothing_seldom_seem_to_run_backwards() -> None:
    """Over 60 scorecards of four metrics without any relation to the outcome: at 95 % over all four together, at most a few."""
    rng = np.random.default_rng(1)
    tripped = 0
    for _ in range(60):
        frame = cases(0.0).assign(**{name: rng.uniform(0, 100, 200) for name in "abcd"})
        tripped += any(what == "polarity" for what, _ in found(card(), cases=frame))
    assert tripped <= 6


def test_metrics_that_rank_alike() -> None:
    frame = snapshots()
    near = frame["a"] + np.linspace(0, 5, ACCOUNTS)
    assert ("collinear", "a, b") in found(card(), frame.assign(b=near))
    assert ("opposed", "a, b") in found(card(), frame.assign(b=100 - near))
    lower = card(metric("a"), metric("b", better="lower", worst=100.0, best=0.0), metric("c", "h"), metric("d", "h"))
    assert ("collinear", "a, b") in found(lower, frame.assign(b=100 - near))
    assert not {what for what, _ in found(card(), frame)} & {"collinear", "opposed", "duplicate"}
    few = frame.assign(b=near).head(29)
    assert ("collinear", "a, b") not in found(card(), few), "29 accounts say nothing"


def test_one_metric_twice() -> None:
    twice = card(metric("a", where="x"), metric("b", where="x"), metric("c", "h"), metric("d", "h"))
    rows = lint(twice, snapshots())
    assert rows.loc[rows["what"] == "duplicate", ["severity", "where"]].to_numpy().tolist() == [["wrong", "a, b"]]


def test_bands_nobody_falls_into() -> None:
    bands = (Band(name="red", start=0), Band(name="green", start=50), Band(name="gold", start=99))
    assert ("empty_band", "gold") in found(card(bands=bands))
    rows = lint(
        card(bands=bands), pd.concat([snapshots(as_of=pd.Timestamp("2026-09-30"), a=100.0, b=100.0, c=100.0, d=100.0), snapshots()])
    )
    assert rows.loc[rows["what"] == "empty_band", "severity"].tolist() == ["note"]
    assert not [what for what, _ in found(card(bands=bands), snapshots().head(29)) if what == "empty_band"]


@pytest.mark.parametrize(("start", "rules"), [(30, {"too_green"}), (40, set()), (60, set()), (85, {"too_red"})])
def test_too_many_of_one_colour(start: float, rules: set[str]) -> None:
    """One metric spread evenly from 20 to 95 points in forty accounts: from 30 on 34 of 40 are green (85 %)."""
    single = card(metric("a", weight=100.0), groups=("g",), bands=(Band(name="red", start=0), Band(name="green", start=start)))
    green = float((snapshots()["a"] >= start).mean())
    expected = ({"too_green"} if green > 0.8 else set()) | ({"too_red"} if 1 - green > 0.2 else set())
    assert {what for what, _ in found(single) if what.startswith("too_")} == expected
    assert rules <= expected


def test_metrics_measured_for_few() -> None:
    half = np.where(np.arange(ACCOUNTS) < 19, 50.0 + np.arange(ACCOUNTS), np.nan)
    enough = np.where(np.arange(ACCOUNTS) < 20, 50.0 + np.arange(ACCOUNTS), np.nan)
    assert ("coverage", "a") in found(card(), snapshots(a=half))
    assert ("coverage", "a") not in found(card(), snapshots(a=enough))
    rows = lint(card(), snapshots(a=np.nan))
    assert rows.loc[rows["what"] == "coverage", "severity"].tolist() == ["wrong"]
    some = card(metric("a", applies_to={"age_days": Range(under=100)}), metric("b"), metric("c", "h"), metric("d", "h"))
    young = snapshots(age_days=np.where(np.arange(ACCOUNTS) < 10, 50.0, 400.0), a=half)
    assert ("coverage", "a") not in found(some, young), "of those it applies to all are measured"


def test_metrics_that_nothing_reads() -> None:
    four = (metric("a"), metric("b"), metric("c", "h"), metric("d", "h"))
    idle, frame = metric("idle", weight=0.0), snapshots(idle=1.0)
    assert ("tracked_only", "idle") in found(card(*four, idle), frame)
    assert ("tracked_only", "idle") in found(card(*four, idle, limits={"idle": Limit(max=10)}), frame), "a limit does not read it"
    gate = Gate(name="idle", metric="idle", holds=Range(at_least=9), cap=10)
    assert ("tracked_only", "idle") not in found(card(*four, idle, gates=(gate,)), frame)
    rules = AlertRules(champion_gone=ChampionGone(metric="idle", at_least=1))
    assert ("tracked_only", "idle") not in found(card(*four, idle, alerts=rules), frame)
    condition = metric("d", "h", applies_to={"idle": Range(at_least=0)})
    assert ("tracked_only", "idle") not in found(card(*four[:3], condition, idle), frame), "a condition reads it"
    some = metric("idle", weight=0.0, profiles=(Profile(when={"age_days": Range(under=100)}, weight=5.0),))
    assert ("tracked_only", "idle") not in found(card(*four, some), frame), "a profile gives it weight"


def test_groups_of_one_metric_or_none() -> None:
    assert ("one_metric", "h") in found(card(metric("a"), metric("b"), metric("c", weight=25.0), metric("d", "h")))
    assert ("empty_group", "i") in found(card(groups=("g", "h", "i")))
    assert not [what for what, _ in found(card()) if what in ("one_metric", "empty_group")]


def test_tables_that_no_metric_reads() -> None:
    assert ("unread_table", "surveys") in found(card(), tables=("accounts", "usage", "surveys"))
    assert ("unread_table", "touchpoints") not in found(card(), tables=("touchpoints",)), "the alert `no_contact` reads it"
    assert ("unread_table", "touchpoints") in found(card(alerts=AlertRules(off=("no_contact",))), tables=("touchpoints",))


def test_findings_are_told_the_gravest_first_in_lines_and_on_the_page() -> None:
    rows = lint(card(metric("a", where="x"), metric("b", where="x"), metric("c", "h"), metric("d", "h", 20.0)), snapshots(c=np.nan))
    order = [SEVERITIES.index(severity) for severity in rows["severity"]]
    assert order == sorted(order)
    lines = claims_lint.lines(rows)
    assert lines[0].startswith("The scorecard has 2 faults")
    assert len(lines) == 1 + len(rows) + int((rows["severity"] != "note").sum())
    html = page_lint.section(rows.assign(said="<script>")).html
    assert "<script>" not in html
    assert html.count('role="rowheader"') == len(rows)


def test_a_whole_book_is_looked_over() -> None:
    rows = lint_book(small_company.book(80))
    assert set(rows["severity"]) <= set(SEVERITIES)
    assert (rows[["where", "said", "cure"]] != "").all(axis=None)
