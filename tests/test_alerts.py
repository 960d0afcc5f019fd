"""Alerts: the rules as written, the memory against a loop written out, nothing repeated, and what past alerts were followed by."""

# ruff: noqa: E501 - error texts stand here in full
from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthlib import artifacts, claims_backtest, page_backtest
from healthlib.alert_rules import KINDS, AlertRules, ChampionGone, RenewalNear, Trend, UsageBack
from healthlib.errors import SpecError
from healthlib.spec import Band, Measure, Metric, Scorecard, load_workspace
from healthlib.studies import silence
from healthlib.studies.alert_replay import RAISED, past_of, replay_alerts
from healthlib.studies.alert_states import grid_of, held_bands, latched
from healthlib.studies.alert_value import ANY, EVERY, NEAR, alert_value
from healthlib.studies.alerts import COLUMNS, Alerted, alerts, raise_alerts
from healthlib.studies.backtest_bands import backtest_study
from healthlib.studies.fit import fit_study
from tests import small_company
from tests.test_spec import SCORECARD, faults, write

NAN = float("nan")
DAYS = list(pd.date_range("2026-01-31", periods=10, freq="ME", unit="s"))


def card(**more: Any) -> Scorecard:
    """One metric a group whose value is its points; red under 50, green from 70."""
    metrics = {
        name: Metric(name=name, group=group, label=name.capitalize(), measure=Measure(kind="count"), worst=0.0, best=100.0, weight=weight)
        for name, group, weight in (("use", "adoption", 2.0), ("talk", "engagement", 1.0), ("champion_gone", "engagement", 0.0))
    }
    bands = (Band(name="red", start=0), Band(name="yellow", start=50), Band(name="green", start=70))
    plays = {"red": {"adoption": "Train them", "engagement": "Call them"}, "yellow": {"adoption": "Write to them"}}
    return Scorecard(groups=("adoption", "engagement"), metrics=metrics, bands=bands, playbooks=plays, **more)


def story(*, ends: dict[str, str] | None = None, champion: dict[str, list[float]] | None = None, **scores: list[float]) -> pd.DataFrame:
    """Accounts with one score a month from January 2026; None: no customer on that day."""
    rows = []
    for account, values in scores.items():
        for at, value in enumerate(values):
            if value is not None:
                gone = (champion or {}).get(account, [0.0] * len(values))[at]
                rows.append((account, DAYS[at], 100.0, pd.Timestamp((ends or {}).get(account)), value, value, gone, "Ann"))
    columns = ["account_id", "as_of", "arr", "term_ends", "use", "talk", "champion_gone", "csm"]
    return pd.DataFrame(rows, columns=columns).astype({"term_ends": "datetime64[s]", "as_of": "datetime64[s]", "use": float, "talk": float})


def raised(frame: pd.DataFrame, scorecard: Scorecard | None = None, silences: pd.DataFrame | None = None, **rules: Any) -> pd.DataFrame:
    """The alerts of a story as (account, kind, month number)."""
    scorecard = (scorecard or card()).model_copy(update={"alerts": AlertRules(**rules)})
    past = past_of(scorecard, frame, silence.nothing() if silences is None else silences)
    return replay_alerts(past, scorecard, scorecard.alerts)


def told(found: pd.DataFrame) -> list[tuple[str, str, int]]:
    return [(a, k, d.month) for a, k, d in zip(found["account_id"], found["kind"], found["since"], strict=True)]


def test_each_fall_is_raised_once_with_its_bands() -> None:
    """green 80, yellow 60 in March, red 40 in May, back to green in July: a drop, a new red, no more."""
    found = raised(story(a=[80, 80, 60, 60, 40, 40, 80]), off=("trend",))
    assert told(found) == [("a", "band_drop", 3), ("a", "new_red", 5)]
    assert found["ended"].dt.month.tolist() == [5, 7]
    assert found["compared"].dt.month.tolist() == [2, 4]


def test_a_fall_of_two_bands_at_once_is_one_alert() -> None:
    assert told(raised(story(a=[80, 20]))) == [("a", "new_red", 2)]


def test_with_every_kind_off_nothing_is_raised() -> None:
    assert list(raised(story(a=[80, 60, 40]), off=tuple(KINDS)).columns) == list(RAISED)


def test_a_score_that_trembles_around_an_edge_raises_nothing() -> None:
    trembling = [71, 69, 71, 68, 70, 67.5, 72, 69, 70, 68]
    assert told(raised(story(a=trembling))) == []
    without = raised(story(a=trembling), hysteresis=0, listed_days=0)
    assert told(without) == [("a", "band_drop", month) for month in (2, 4, 6, 8, 10)]


def test_what_was_raised_is_not_raised_again_within_its_days() -> None:
    """Yellow in February, April and October; 90 days from February is May: April is the one raised before, October is new."""
    found = raised(story(a=[80, 60, 80, 60, 80, 80, 80, 80, 80, 60]), off=("trend",))
    assert told(found) == [("a", "band_drop", 2), ("a", "band_drop", 10)]
    assert raised(story(a=[80, 60, 80, 60]), off=("trend",))["ended"].isna().tolist() == [True], "what came back goes on"
    assert told(raised(story(a=[80, 60, 80, 60]), listed_days=0, off=("trend",))) == [("a", "band_drop", 2), ("a", "band_drop", 4)]


def test_the_edge_belongs_to_the_band_above_with_and_without_hysteresis() -> None:
    """With 3 points, 67 is still green (70 - 3 is not passed), 66.9 is not; on the way up 72.9 is yellow, 73 green."""
    scores = np.array([[80.0], [67.0], [66.9], [72.9], [73.0]])
    rank = np.array([[2.0], [1.0], [1.0], [2.0], [2.0]])
    held = held_bands(scores, rank, np.zeros((5, 1), bool), np.array([0.0, 50.0, 70.0]), 3.0)
    assert held.ravel().tolist() == [2, 2, 1, 1, 2]


def test_a_gate_is_not_softened_by_hysteresis() -> None:
    """A cap at 49 with 3 points of hysteresis: the account is red at once."""
    from healthlib.spec import Gate, Range

    gated = card(gates=(Gate(name="champion left", metric="champion_gone", holds=Range(at_least=1), cap=49),))
    found = raised(story(a=[80, 80], champion={"a": [0, 1]}), gated)
    assert told(found) == [("a", "new_red", 2), ("a", "champion_gone", 2)]


def test_who_comes_back_as_a_customer_starts_anew() -> None:
    assert told(raised(story(a=[80, None, 20, 20], b=[50, 50, 50, 50]))) == []


def test_without_a_score_the_band_is_remembered_and_the_loss_of_it_told() -> None:
    found = raised(story(a=[80, NAN, NAN, 60, 60], b=[NAN, 60, 60, 60, 60]), off=("trend",))
    assert told(found) == [("a", "coverage_lost", 2), ("a", "band_drop", 4)]
    assert found["compared"].dt.month.tolist() == [1, 1]


def test_a_trend_is_against_so_many_days_ago_in_points_or_percent() -> None:
    """98 in January, 90 in March, 87.9 in April (89 days later): 10.1 points, 10.3 %."""
    scores = story(a=[98, 94, 90, 87.9, 87.9])
    assert told(raised(scores)) == [("a", "trend", 4)]
    assert told(raised(scores, trend=Trend(points=11))) == []
    assert told(raised(scores, trend=Trend(percent=10))) == [("a", "trend", 4)]
    assert told(raised(scores, trend=Trend(percent=10.5))) == []
    assert told(raised(scores, trend=Trend(days=30, points=4))) == [("a", "trend", 2)]


def test_a_fall_by_a_band_tells_the_trend_as_well() -> None:
    """80 to 60 is told as a fall; further down to 51 within 90 days is no second alert; 51 against 62 four months later is one."""
    assert told(raised(story(a=[80, 60, 56, 51]))) == [("a", "band_drop", 2)]
    assert told(raised(story(a=[80, 62, 62, 62, 62, 62, 51]))) == [("a", "band_drop", 2), ("a", "trend", 7)]


def test_a_trend_ends_only_when_it_is_less_by_the_hysteresis() -> None:
    """Falls of 12, 8, 12 points against 90 days before: one alert with 3 points of hysteresis, two without."""
    scores = story(a=[100, 100, 100, 88, 92, 88])
    assert told(raised(scores, listed_days=0)) == [("a", "trend", 4)]
    assert told(raised(scores, listed_days=0, hysteresis=0)) == [("a", "trend", 4), ("a", "trend", 6)]


def test_a_champion_is_gone_by_metric_or_by_attribute() -> None:
    frame = story(a=[80, 80, 80], champion={"a": [0, 1, 1]})
    assert told(raised(frame)) == [("a", "champion_gone", 2)]
    assert told(raised(frame, champion_gone=ChampionGone(metric="champion_gone", at_least=2))) == []
    assert told(raised(frame, champion_gone=ChampionGone(metric="use", at_most=80))) == [("a", "champion_gone", 1)]
    named = frame.assign(sponsor=["here", "here", "left"])
    assert told(raised(named, champion_gone=ChampionGone(attribute="sponsor", values=("left",)))) == [("a", "champion_gone", 3)]
    assert told(raised(frame, off=("champion_gone",))) == []


def test_a_renewal_is_near_with_a_group_in_the_worst_band_once_a_term() -> None:
    """Adoption carries two thirds. The term ends on 30 June: 90 days before is 1 April, so 30 April is the first month-end."""
    frame = story(a=[60] * 5, ends={"a": "2026-06-30"})
    frame["use"], frame["talk"] = 40.0, 100.0
    assert told(raised(frame)) == [("a", "renewal_near", 4)]
    assert told(raised(frame, renewal_near=RenewalNear(group_below=40))) == []
    assert told(raised(frame, renewal_near=RenewalNear(days=30))) == [("a", "renewal_near", 5)]
    assert told(raised(frame, renewal_near=RenewalNear(groups=("engagement",)))) == []
    frame["use"], frame["talk"] = 100.0, 40.0
    assert told(raised(frame, renewal_near=RenewalNear(of_weight=0.34))) == []
    assert told(raised(frame, renewal_near=RenewalNear(of_weight=0))) == [("a", "renewal_near", 4)]


def test_silence_is_counted_as_it_was_known(tmp_path: Path) -> None:
    """On 31 March: a had contact on the 21st; b's of the 11th was entered in April; c never had any and began on 1 March."""
    from healthlib.studies.book import open_book

    (tmp_path / "accounts.csv").write_text("account_id\na\nb\nc\n")
    terms = "account_id,start_date,end_date,arr\na,2025-01-01,2027-01-01,1\nb,2025-01-01,2027-01-01,1\nc,2026-03-01,2027-01-01,1\n"
    (tmp_path / "contracts.csv").write_text(terms)
    (tmp_path / "touchpoints.csv").write_text(
        "account_id,occurred_at,kind,recorded_at\na,2026-01-10,call,2026-01-10\na,2026-03-21,call,2026-03-21\n"
        "b,2026-01-20,call,2026-01-20\nb,2026-03-11,call,2026-04-20\nc,2026-04-30,call,2026-04-30\n"
    )
    found = open_book(load_workspace(write(tmp_path))).silences
    march = found[found["as_of"] == "2026-03-31"].set_index("account_id")["contact_days"]
    assert march.to_dict() == {"a": 10, "b": 70, "c": 30}
    april = found[found["as_of"] == "2026-04-30"].set_index("account_id")["contact_days"]
    assert april.to_dict() == {"a": 40, "b": 50, "c": 0}
    assert found["usage_days"].isna().all()
    assert found.loc[found["as_of"] < "2026-01-10", "contact_days"].isna().all(), "the table had not begun"


def silences(contact: dict[str, list[float]], column: str = "contact_days") -> pd.DataFrame:
    rows = [(account, DAYS[at], value) for account, values in contact.items() for at, value in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["account_id", "as_of", column]).astype({"as_of": "datetime64[s]"})
    return frame.assign(**{name: NAN for name in silence.SILENCES if name != column})


def test_no_contact_for_so_many_days_unless_nobody_had_any() -> None:
    """From 60 days on; in March nobody had contact for 60 days: the export ended, nothing is said of anybody."""
    frame = story(a=[80, 80, 80], b=[80, 80, 80])
    assert told(raised(frame, silences=silences({"a": [10, 60, 20], "b": [5, 5, 5]}))) == [("a", "no_contact", 2)]
    assert told(raised(frame, silences=silences({"a": [10, 30, 61], "b": [5, 30, 60]}))) == []


def test_usage_is_back_after_a_silence_by_the_table_or_by_a_metric() -> None:
    frame = story(a=[80] * 6)
    quiet = silences({"a": [5, 40, 65, 20, 10, 40]}, "usage_days")
    assert told(raised(frame, silences=quiet)) == [("a", "usage_back", 4)]
    assert told(raised(frame, silences=quiet, usage_back=UsageBack(after_silent_days=70))) == []
    by_metric = frame.assign(champion_gone=[1.0, 0.0, 0.0, 0.0, 0.5, 0.0])
    rule = {"usage_back": UsageBack(metric="champion_gone", after_silent_days=60), "off": ("champion_gone",)}
    assert told(raised(by_metric, **rule)) == [("a", "usage_back", 5)]


def brute(values: list[float | None], edges: list[float], hysteresis: float) -> list[tuple[int, int, int]]:
    """Falls of one account as (month, from, to), edge by edge: each edge is a switch of its own."""
    falls: list[tuple[int, int, int]] = []
    above: list[bool] | None = None
    for at, value in enumerate(values):
        if value is None:
            above = None
        elif not np.isnan(value):
            if above is None:
                above = [value >= edge for edge in edges[1:]]
                continue
            before = sum(above)
            above = [value + hysteresis >= edge if was else value - hysteresis >= edge for was, edge in zip(above, edges[1:], strict=True)]
            if sum(above) < before:
                falls.append((at, before, sum(above)))
    return falls


points = st.one_of(
    st.none(), st.just(NAN), st.integers(0, 100).map(float), st.sampled_from([47.0, 49.9, 50.0, 53.0, 66.9, 67.0, 70.0, 73.0])
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(points, min_size=10, max_size=10), min_size=1, max_size=4), st.sampled_from([0.0, 3.0, 7.5]))
def test_the_grid_is_the_loop_over_every_account(accounts: list[list[float | None]], hysteresis: float) -> None:
    names = {f"a{i}": values for i, values in enumerate(accounts)}
    frame = story(**names)  # ty: ignore[invalid-argument-type]
    if frame["as_of"].nunique() < 2:
        return
    found = raised(frame, hysteresis=hysteresis, listed_days=0, off=tuple(set(KINDS) - {"new_red", "band_drop"}))
    days = {day: at for at, day in enumerate(DAYS)}
    ours = sorted(zip(found["account_id"], found["since"].map(days), found["before"].astype(int), found["now"].astype(int), strict=True))
    present = set(frame["as_of"].map(days))
    # A month in which nobody at all was a customer is no month of the history: for it the account was never away.
    loop = {name: [value for at, value in enumerate(values) if at in present] for name, values in names.items()}
    months = sorted(present)
    assert ours == sorted(
        (name, months[at], *bands) for name, values in loop.items() for at, *bands in brute(values, [0, 50, 70], hysteresis)
    )


def test_latched_is_the_loop() -> None:
    rng = np.random.default_rng(0)
    start, stay, there = (rng.random((30, 50)) < share for share in (0.2, 0.6, 0.9))
    found, on = latched(start, stay, there), np.zeros(50, bool)
    for t in range(30):
        for i in range(50):
            on[i] = there[t, i] and (start[t, i] or (on[i] and stay[t, i]))
        assert (found[t] == on).all()


def test_days_before_takes_the_closest_month_end() -> None:
    """90 days before 30 April is 30 January: 31 January is a day off, 31 December thirty."""
    days = pd.DataFrame({"account_id": "a", "as_of": pd.date_range("2025-12-31", periods=5, freq="ME", unit="s")})
    assert grid_of(days).days_before(90).tolist() == [-1, -1, -1, 0, 1]
    assert grid_of(days).days_before(30).tolist() == [-1, 0, 1, 2, 3]


@pytest.fixture(scope="module")
def company() -> Any:
    book = small_company.book(150)
    contact = book.history.assign(contact_days=book.history["contact"].fillna(200.0), usage_days=NAN)
    return replace(book, silences=contact[["account_id", "as_of", "contact_days", "usage_days"]])


def test_cutting_the_history_at_a_day_changes_no_alert_raised_by_then(company: Any) -> None:
    scorecard = company.scorecard
    whole = replay_alerts(past_of(scorecard, company.history, company.silences), scorecard, scorecard.alerts)
    for day in pd.to_datetime(["2025-03-31", "2026-02-28"]):
        cut = company.history[company.history["as_of"] <= day]
        found = replay_alerts(past_of(scorecard, cut, company.silences), scorecard, scorecard.alerts)
        then = whole[whole["since"] <= day].reset_index(drop=True)
        kept = [column for column in RAISED if column != "ended"]
        pd.testing.assert_frame_equal(found[kept], then[kept])


def test_quantile_scales_are_read_as_each_day_knew_them() -> None:
    """The scale runs to the median so far: an alert of March must not depend on what April brings."""
    from healthlib.spec import Quantile

    metrics = {"use": card().metrics["use"].model_copy(update={"worst": Quantile(quantile=0.0), "best": Quantile(quantile=0.5)})}
    floating = card().model_copy(update={"metrics": metrics})
    frame = story(a=[80, 70, 30, 10], b=[50, 60, 70, 900], c=[20, 30, 60, 800])
    found, cut = raised(frame, floating), raised(frame[frame["as_of"] <= DAYS[2]], floating)
    assert told(found)[: len(cut)] == told(cut)
    assert len(cut)
    whole, short = (past_of(floating, part, silence.nothing()).rows for part in (frame, frame[frame["as_of"] <= DAYS[2]]))
    pd.testing.assert_series_equal(whole["score"].head(len(short)), short["score"])


def test_the_next_month_repeats_nothing_it_has_not_changed(company: Any) -> None:
    """Two runs a month apart: what both list is not new in the second, has the same day, and the same words."""
    before = company.history["as_of"].unique()[-2]
    earlier = replace(company, as_of=pd.Timestamp(before), history=company.history[company.history["as_of"] <= before])
    first, second = alerts(raise_alerts(earlier)), alerts(raise_alerts(company))
    keys = ["account_id", "kind", "since"]
    both = first.merge(second, on=keys, suffixes=("", "_now"))
    assert len(both) > 3
    assert not both["new_now"].any()
    assert (both["reason"] == both["reason_now"]).all()
    assert (both["evidence"] == both["evidence_now"]).all()
    assert (second.loc[second["new"], "since"] == company.as_of).all()
    assert (second.loc[~second["new"], "since"] < company.as_of).all()
    assert not second.duplicated(["account_id", "kind", "from", "to"]).any()


def test_alerts_keep_the_contract_in_csv_and_json(company: Any, tmp_path: Path) -> None:
    found = alerts(raise_alerts(company))
    assert tuple(found.columns) == COLUMNS == artifacts.ALERTS
    assert set(found["kind"]) <= set(KINDS)
    assert (found[["reason", "evidence"]] != "").all(axis=None)
    executive = type("Facts", (), {"context": {"workspace": "W", "as_of": company.as_of, "currency": "USD"}, "alerts": found})
    artifacts.write_json(artifacts.alerts_json(executive), tmp_path / "alerts.json")
    text = (tmp_path / "alerts.json").read_text()
    read = json.loads(text)
    assert "NaN" not in text
    assert len(read["alerts"]) == len(found)
    assert [row["since"] for row in read["alerts"]] == [f"{day:%Y-%m-%d}" for day in found["since"]]
    assert list(found["new"]) == sorted(found["new"], reverse=True)


def test_an_alert_says_why_and_what_to_do_in_words() -> None:
    frame = story(a=[80, 80, 40], b=[60, 60, 60], ends={"b": "2026-05-01"}, c=[80, 80, NAN])
    frame.loc[frame["account_id"] == "b", ["use", "talk"]] = [45.0, 90.0]
    past = past_of(card(), frame, silence.nothing())
    found = alerts(Alerted(past, replay_alerts(past, card(), AlertRules()), card(), DAYS[2])).set_index("account_id")
    assert found["kind"].to_dict() == {"a": "new_red", "b": "renewal_near", "c": "coverage_lost"}
    assert found.loc["a", ["from", "to", "group", "playbook", "owner"]].tolist() == ["green", "red", "adoption", "Train them", "Ann"]
    assert found.loc["a", "reason"] == "Score 80 to 40; most lost on Use (−27) and Talk (−13)"
    assert found.loc["a", "evidence"] == "31 Mar 2026 against 28 Feb 2026; Use 40, was 80; Talk 40, was 80"
    assert found.loc["b", "reason"] == "Term ends on 1 May 2026, and what makes up 67% of the score is red: adoption 45 of 100"
    assert found.loc["b", ["playbook", "group"]].tolist() == ["Train them", "adoption"]
    assert found.loc["c", "reason"] == "Had a score on 28 Feb 2026; too little is measured now to give one"


def test_an_alert_is_listed_for_so_many_days_while_it_holds() -> None:
    """Raised on 28 February: 30 April is 61 days later, 30 June 122; with `listed_days: 0` only what is new is listed."""

    def listed(months: int, **rules: Any) -> list[bool]:
        scorecard = card(alerts=AlertRules(off=("trend",), **rules))
        past = past_of(scorecard, story(a=[80, 60, 60, 60, 60, 60][:months]), silence.nothing())
        found = replay_alerts(past, scorecard, scorecard.alerts)
        return alerts(Alerted(past, found, scorecard, DAYS[months - 1]))["new"].tolist()

    assert [listed(2), listed(4), listed(6)] == [[True], [False], []]
    assert [listed(2, listed_days=0), listed(3, listed_days=0)] == [[True], []]


def test_past_alerts_are_held_against_what_came(company: Any) -> None:
    """The table's counts and rates against a loop over the alerts."""
    table = alert_value(company, replicates=30).set_index("kind")
    scorecard = company.workspace.scorecard
    past = past_of(scorecard, company.history, company.silences)
    told_of, ends = replay_alerts(past, scorecard, scorecard.alerts), company.churned.set_index("account_id")["ended_on"]
    last = company.as_of - pd.Timedelta(days=180 + 30)
    for kind, rows in told_of[told_of["since"] <= last].groupby("kind"):
        lost = [0 < (ends.get(a, pd.Timestamp.max) - since).days <= 180 for a, since in zip(rows["account_id"], rows["since"], strict=True)]
        assert (table.loc[kind, "cases"], table.loc[kind, "lost"]) == (len(rows), sum(lost))
        assert table.loc[kind, "rate"] == pytest.approx(np.mean(lost))
        assert table.loc[kind, "low"] <= table.loc[kind, "rate"] <= table.loc[kind, "high"]
    assert list(table.index[-3:]) == [ANY, NEAR, EVERY]
    assert table.loc["new_red", "base"] == table.loc[EVERY, "rate"]
    assert table.loc["renewal_near", "base"] == table.loc[NEAR, "rate"]
    assert table.loc["new_red", "lift"] == pytest.approx(table.loc["new_red", "rate"] / table.loc[EVERY, "rate"])
    assert np.isnan(table.loc[EVERY, "lift"])


def test_a_fall_of_those_that_fade_before_they_leave_is_worth_more_than_chance(company: Any) -> None:
    """In the small company a quarter of the accounts fade for five months and leave: the fall must show it."""
    table = alert_value(company, replicates=100).set_index("kind")
    assert table.loc["new_red", "lift_low"] > 1
    assert 30 < table.loc["new_red", "days_before"] < 180


def test_the_pages_say_it(company: Any) -> None:
    """The table has a row a kind and the bases; the sentences name what is told from chance, and claim no more."""
    facts = backtest_study(company.cases.head(0), company.leads, company.scorecard, fit_study(company.cases.head(0), company.scorecard))
    facts = replace(facts, alerts=alert_value(company, replicates=50))
    told_of, spared = claims_backtest.alerts(facts), claims_backtest.flaps(facts)
    rates = facts.alerts.set_index("kind")["rate"]
    assert told_of.startswith(f"Lost more often than all accounts ({100 * rates[EVERY]:.0f}")
    assert "a fall into the worst band" in told_of
    assert re.search(r"spared \d+ of \d+ falls by a band", spared)
    assert page_backtest.alerts(facts).html.count("<tr") == 1 + len(facts.alerts)
    assert claims_backtest.alerts(replace(facts, alerts=facts.alerts.head(0))).startswith("No alert was ever raised")
    assert page_backtest.alerts(replace(facts, alerts=facts.alerts.head(0))).html == ""


def test_each_kind_is_held_against_its_own_base(company: Any) -> None:
    """A renewal near against accounts near a renewal, a fall against all accounts; both rates are said."""
    table = alert_value(company, replicates=50).set_index("kind")
    table.loc["renewal_near"] = table.loc["new_red"]
    table.loc[["renewal_near", "new_red"], ["lift", "lift_low", "lift_high"]] = [[1.4, 1.1, 1.8], [3.0, 2.0, 4.0]]
    table.loc[EVERY, ["rate", "low", "high"]], table.loc[NEAR, ["rate", "low", "high"]] = [0.06, 0.04, 0.08], [0.13, 0.09, 0.17]
    said = claims_backtest.alerts(SimpleNamespace(alerts=table.reset_index(), split="time"))  # ty: ignore[invalid-argument-type]
    more = said.split("Lost less")[0]
    assert re.search(r"than all accounts \(6% \(4–8%\) lost within 180 days\): [^:]*a fall into the worst band 3\.0 times", more)
    assert re.search(
        r"than accounts near a renewal \(13% \(9–17%\) lost within 180 days\): a renewal near with red groups 1\.4 times", more
    )


def test_one_day_of_history_raises_nothing(company: Any) -> None:
    single = replace(company, history=company.history[company.history["as_of"] == company.as_of])
    assert alerts(raise_alerts(single)).empty
    assert alert_value(single).empty


RULES = """\
alerts:
  trend: {days: 60, percent: 20}
  no_contact: {days: 45}
  champion_gone: {metric: seats_used, at_most: 0}
  renewal_near: {days: 120, group_below: 40, of_weight: 0, groups: [support]}
  usage_back: {metric: usage, after_silent_days: 30}
  hysteresis: 5
  listed_days: 30
  off: [coverage_lost]
"""


def test_every_rule_is_one_line_and_none_is_needed(tmp_path: Path) -> None:
    assert load_workspace(write(tmp_path)).scorecard.alerts == AlertRules()
    rules = load_workspace(write(tmp_path, SCORECARD + RULES)).scorecard.alerts
    assert rules.trend == Trend(days=60, percent=20)
    assert rules.champion_gone == ChampionGone(metric="seats_used", at_most=0)
    assert rules.renewal_near == RenewalNear(days=120, group_below=40, of_weight=0, groups=("support",))
    assert (rules.hysteresis, rules.listed_days, rules.off) == (5, 30, ("coverage_lost",))


def test_all_faults_of_the_section_at_once_with_line_and_nearest_name(tmp_path: Path) -> None:
    wrong = """\
alerts:
  trends: {days: 60}
  trend: {days: 0, points: 5, percent: 20}
  no_contact: {day: 45}
  champion_gone: {metric: seats_use}
  renewal_near: {groups: [suport]}
  usage_back: {metric: seat}
  hysteresis: 45
  off: [new_rad]
"""
    assert faults(tmp_path, SCORECARD + wrong) == [
        "scorecard.yaml:7: alerts.trends: found the unknown key 'trends'; expected one of trend, no_contact, champion_gone, renewal_near, usage_back, hysteresis, listed_days, off. Did you mean 'trend'?",
        "scorecard.yaml:8: alerts.trend.days: found 0; expected a number over 0.",
        "scorecard.yaml:9: alerts.no_contact.day: found the unknown key 'day'; expected one of days. Did you mean 'days'?",
        "scorecard.yaml:10: alerts.champion_gone.metric: found 'seats_use'; expected one of seats_used, tickets. Did you mean 'seats_used'?",
        "scorecard.yaml:11: alerts.renewal_near.groups[0]: found 'suport'; expected one of adoption, support. Did you mean 'support'?",
        "scorecard.yaml:12: alerts.usage_back.metric: found 'seat'; expected one of usage, seats_used, tickets.",
        "scorecard.yaml:13: alerts.hysteresis: found 45; with these bands expected less than 40: no score could pass an edge by so many points.",
        "scorecard.yaml:14: alerts.off[0]: found 'new_rad'; expected one of new_red, champion_gone, renewal_near, band_drop, trend, coverage_lost, no_contact, usage_back. Did you mean 'new_red'?",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("trend: {points: 5, percent: 20}", "alerts.trend.percent: found `points` and `percent`; keep one of the two."),
        ("champion_gone: {metric: tickets, attribute: sponsor, values: [left]}", "alerts.champion_gone.attribute: found `metric` and `attribute`; keep one of the two."),
        ("champion_gone: {attribute: sponsor}", "alerts.champion_gone.values: found nothing; expected the values that mean the champion is gone, such as [gone]."),
        ("no_contact: 60", "alerts.no_contact: found 60; expected a mapping such as {key: value}."),
    ],
)  # fmt: skip
def test_one_fault_of_the_section(tmp_path: Path, line: str, said: str) -> None:
    found = faults(tmp_path, f"{SCORECARD}alerts:\n  {line}\n")
    assert f"scorecard.yaml:7: {said}" in found


def test_a_section_that_is_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"alerts: found a list; expected a mapping such as \{no_contact: \{days: 60\}\}"):
        load_workspace(write(tmp_path, SCORECARD + "alerts: [trend]\n"))


def test_the_example_of_the_readme_parses(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    section = re.findall(r"```yaml\n(alerts:.*?)```", text, flags=re.DOTALL)
    assert len(section) == 1
    champion = "  champion_gone: {group: support, table: tickets, measure: count, worst: 1, best: 0}\nbands:"
    rules = load_workspace(write(tmp_path, SCORECARD.replace("bands:", champion) + section[0])).scorecard.alerts
    assert rules == AlertRules(
        champion_gone=ChampionGone(metric="champion_gone", at_least=1), renewal_near=RenewalNear(group_below=40), off=("usage_back",),
        trend=Trend(points=10),
    )  # fmt: skip
