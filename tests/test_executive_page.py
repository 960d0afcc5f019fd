"""The executive page shows the figures of summary.json and of scores.csv re-added by hand, in plain words, with verdicts by rule."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthlib import artifacts, claims_belief, page_belief, page_calendar, page_moves, page_risks
from healthlib import claims_executive as say
from healthlib import page_executive as page
from healthlib.claims_glossary import MEANINGS
from healthlib.report import Piece
from healthlib.resample import NOTHING, Estimate
from healthlib.spec import Measure, Metric
from healthlib.studies import at_risk, belief, executive, movers, next_dates, plainly
from healthlib.studies.book import book_of
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.studies.renewal_calendar import calendar
from healthlib.tables import load_tables
from tests import small_company, test_accounts
from tests.test_executive import facts_of

DAY = small_company.AS_OF


@pytest.fixture(scope="module")
def facts() -> ExecutiveFacts:
    return facts_of(small_company.book(150))


@pytest.fixture(scope="module")
def written(facts: ExecutiveFacts, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], pd.DataFrame]:
    """summary.json and scores.csv as somebody else reads them."""
    folder = tmp_path_factory.mktemp("run")
    artifacts.write_csv(facts.scores, folder / "scores.csv", artifacts.scores_columns(facts.scores))
    artifacts.write_json(facts.summary, folder / "summary.json")
    scores = pd.read_csv(folder / "scores.csv", parse_dates=["term_ends"])
    return json.loads((folder / "summary.json").read_text()), scores


def shows(piece: Piece, value: float) -> bool:
    """Whether a figure stands on the page, up to the digits that summary.json keeps."""
    there = [float(text) for text in re.findall(r'<data[^>]*value="(-?[0-9.]+(?:e[-+]?[0-9]+)?)"', piece.html)]
    return bool(np.isclose(there, value, rtol=1e-6, atol=1e-9).any())


def test_the_calendar_is_scores_re_added(written: tuple[dict[str, Any], pd.DataFrame], facts: ExecutiveFacts) -> None:
    summary, scores = written
    shown = page_calendar.calendar(facts)
    assert [row["period"] for row in summary["calendar"]][:2] == ["2026-11", "2026-12"]
    assert len(summary["calendar"]) == 12
    for row in summary["calendar"]:
        part = scores[scores["term_ends"].dt.strftime("%Y-%m") == row["period"]]
        assert (row["accounts"], row["arr"]) == (len(part), pytest.approx(part["arr"].sum()))
        assert sum(band["accounts"] for band in row["bands"]) == row["accounts"]
        assert shows(shown, row["arr"])
        if row["accounts"]:
            lost = (part["arr"] * (1 - part["renewal_probability"])).sum()
            assert row["lost"] == pytest.approx(lost, rel=1e-3)
            assert row["low"] <= row["lost"] <= row["high"]


def test_groups_by_segment_are_scores_re_added(written: tuple[dict[str, Any], pd.DataFrame], facts: ExecutiveFacts) -> None:
    """ARR-weighted means by hand; the heat table of the first screen shows the same figures."""
    summary, scores = written
    scores = scores.assign(segment=scores["account_id"].map(facts.profile["segment"]))
    shown = page.strengths(facts)
    for row in summary["segments"]:
        part = scores if row["segment"] == "All accounts" else scores[scores["segment"] == row["segment"]]
        assert (row["accounts"], row["arr"]) == (len(part), pytest.approx(part["arr"].sum()))
        for name, value in row["groups"].items():
            known = part[part[f"group:{name}"].notna()]
            assert value == pytest.approx(np.average(known[f"group:{name}"], weights=known["arr"]), rel=1e-6)
    for name in (name for name in facts.groups if name.startswith("group:")):
        for value in facts.groups[name].dropna():
            assert shows(shown, value)


def test_first_screen_totals_and_risks_are_those_of_the_summary(
    written: tuple[dict[str, Any], pd.DataFrame], facts: ExecutiveFacts
) -> None:
    summary, scores = written
    shown = page.first_screen(facts)
    for row in summary["bands"]:
        assert shows(shown, row["accounts"] - row["accounts_year"])
        assert shows(shown, row["arr"])
    for total in summary["renewals_total"].values():
        assert shows(shown, total["arr"])
    known = scores.set_index("account_id")
    for place, row in enumerate(summary["risks"]):
        assert row["arr"] == pytest.approx(known.loc[row["account_id"], "arr"])
        assert row["score"] == pytest.approx(known.loc[row["account_id"], "score"])
        assert (shows(shown, row["arr"]) and shows(shown, row["score"])) or place >= page_risks.FIRST
    assert summary["believe"] == facts.verdicts
    assert set(summary["believe"]) == set(belief.QUESTIONS)
    assert [move["move"] for move in summary["arr_moves"]] == list(facts.moves["move"])


def test_the_largest_moves_are_those_of_scores(written: tuple[dict[str, Any], pd.DataFrame], facts: ExecutiveFacts) -> None:
    """Who fell, by hand: scored on both days, in a lower band now; the five largest by ARR."""
    summary, scores = written
    rank = {"red": 0, "yellow": 1, "green": 2}
    step = scores["band"].map(rank) - scores["previous_band"].map(rank)
    for direction, part in (("fell", scores[step < 0]), ("rose", scores[step > 0]), ("came", scores[scores["previous_band"].isna()])):
        wanted = part.sort_values(["arr", "account_id"], ascending=[False, True])["account_id"].head(movers.LARGEST).tolist()
        assert [row["account_id"] for row in summary["movers"] if row["direction"] == direction] == wanted
    assert all(row["why"] for row in summary["movers"] if row["direction"] in ("fell", "rose"))
    assert len(page_moves.movers(facts).html) > 500


def metric(label: str, kind: str, worst: float = 0, best: float = 5, **more: Any) -> Metric:
    return Metric(name="m", group="g", label=label, measure=Measure(kind=kind), worst=worst, best=best, **more)  # ty: ignore[invalid-argument-type]


JULY, LONG_AGO = pd.Timestamp("2026-07-10"), pd.Timestamp("2023-03-01")
PHRASES = [
    (metric("Meetings in 90 days", "count"), 0, JULY, "no meetings since 10 Jul"),
    (metric("Meetings in 90 days", "count"), 0, pd.NaT, "no meetings in 90 days"),
    (metric("Meetings in 90 days", "count"), 1, JULY, "meetings in 90 days: 1"),
    (metric("Features used", "distinct"), 3, DAY, "only 3 features used"),
    (metric("Onboarding steps completed", "share", 0, 1), 0.6, LONG_AGO, "onboarding steps completed 60%, last in Mar 2023"),
    (metric("CSM's own rating", "last", 1, 5, table="ratings"), 1, DAY, "CSM's own rating 1 of 5"),
    (metric("Latest NPS answer", "last", 0, 10, table="surveys"), 4, JULY, "latest NPS answer 4 of 10 (10 Jul)"),
    (metric("Days since contact with an executive", "days_since", 200, 30), 113, JULY, "no contact with an executive since 10 Jul"),
    (metric("Usage against two months ago", "sum", -0.5, 0.3, trend=60), -0.38, DAY, "usage against two months ago down 38%"),
    (metric("Critical tickets open", "open", 2, 0, better="lower"), 1, DAY, "critical tickets open 1"),
    (metric("Active seats", "distinct", 0, 0.8, per="seats"), 0.21, DAY, "active seats 21%"),
    (metric("Active seats", "distinct", 0, 0.8, per="seats"), float("nan"), JULY, "active seats not known since 10 Jul"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "value", "last", "said"), PHRASES, ids=[said for *_, said in PHRASES])
def test_why_is_said_in_plain_words(one: Metric, value: float, last: pd.Timestamp, said: str) -> None:
    assert plainly.phrase(one, value, last, DAY) == said


def test_reasons_carry_no_points_and_name_a_gate_in_place_of_its_metric() -> None:
    """Seven open tickets hold the gate; the metric behind it is not said a second time."""
    card = small_company.scorecard()
    row = pd.DataFrame({
        "account_id": ["a"], "as_of": [DAY], "arr": [1.0], "seats": [1.0], "age_days": [400.0], "segment": ["SMB"], "seats_used": [1.0],
        "tickets": [7.0], "contact": [100.0],
    })  # fmt: skip
    said = plainly.told(card, row)[0]
    assert said == "Critical ticket open; days since executive contact 100"


def estimate(value: float, low: float, high: float, events: float = 50) -> Estimate:
    return Estimate(value, low, high, events, events)


def months(inside: int, outside: int) -> pd.DataFrame:
    rows = [(9.0, 8.0, 10.0, 9.0)] * inside + [(9.0, 8.0, 10.0, 1.0)] * outside
    return pd.DataFrame(rows, columns=["expected", "low", "high", "actual"]).assign(renewing_arr=10.0)


GOOD = {"accounts": estimate(0.6, 0.5, 0.7), "arr": estimate(0.6, 0.5, 0.7), "base": estimate(0.3, 0.25, 0.35)}
FRESH = pd.DataFrame({"table": ["usage"], "rows_in": [1000], "rows_rejected": [0], "age_days": [2.0]})
BELIEVED = belief.Evidence(estimate(0.75, 0.7, 0.8), GOOD, months(12, 0), "keep", {"mean": 0.9, "scored": 1.0}, FRESH)
RULES = [
    ({}, dict.fromkeys(belief.QUESTIONS, "yes")),
    ({"auc": NOTHING}, {"ranking": "cannot tell"}),
    ({"auc": estimate(0.52, 0.45, 0.6)}, {"ranking": "no"}),
    ({"auc": estimate(0.52, 0.45, 0.6, events=6)}, {"ranking": "cannot tell"}),
    ({"auc": estimate(0.62, 0.55, 0.7)}, {"ranking": "care"}),
    ({"flagged": {}}, {"flagged": "cannot tell"}),
    ({"flagged": GOOD | {"arr": estimate(0.45, 0.4, 0.5)}}, {"flagged": "care"}),
    ({"flagged": GOOD | {"arr": estimate(0.35, 0.2, 0.5)}}, {"flagged": "no"}),
    ({"forecast": months(0, 0)}, {"forecast": "cannot tell"}),
    ({"forecast": months(4, 0)}, {"forecast": "care"}),
    ({"forecast": months(17, 3)}, {"forecast": "care"}),
    ({"forecast": months(7, 3)}, {"forecast": "no"}),
    ({"recommendation": "adopt"}, {"weights": "no"}),
    ({"recommendation": "insufficient_evidence"}, {"weights": "cannot tell"}),
    ({"coverage": {"mean": 0.9, "scored": 0.25}}, {"data": "no"}),
    ({"coverage": {"mean": 0.7, "scored": 1.0}}, {"data": "care"}),
    ({"tables": FRESH.assign(age_days=45.0)}, {"data": "care"}),
    ({"tables": FRESH.assign(rows_rejected=11)}, {"data": "care"}),
]


@pytest.mark.parametrize(("changed", "wanted"), RULES)
def test_verdicts_follow_their_rules(changed: dict[str, Any], wanted: dict[str, str]) -> None:
    found = belief.verdicts(replace(BELIEVED, **changed))
    assert {name: found[name] for name in wanted} == wanted


def test_each_verdict_has_one_line_and_a_whole_answer(facts: ExecutiveFacts) -> None:
    found = claims_belief.answers(facts)
    assert [answer.question for answer in found] == list(claims_belief.QUESTIONS.values())
    assert all(answer.short and answer.whole.endswith(".") for answer in found)
    assert all(len(answer.short) < 120 for answer in found)
    assert page_belief.strip(facts).html.count("<details") == 5


def test_headings_are_explained_where_the_glossary_knows_them(facts: ExecutiveFacts) -> None:
    html = page.first_screen(facts).html
    for heading in ("Accounts", "ARR", "± month", "± year", "Likely lost", "Chance of loss", "Renews"):
        assert f'">{heading}</th>' in html
        assert MEANINGS  # the terms themselves are on the page, see test_report
    assert html.count(' title="') >= 12
    assert page_belief.explained(Piece("<th>x</th>")).html == "<th>x</th>"


def test_a_freshness_table_by_hand() -> None:
    """Seats used and contact are measured for some; the table they come from covers who has either."""
    book = small_company.book(40)
    card = book.scorecard.model_copy(update={"metrics": {
        name: one.model_copy(update={"table": "contracts"}) for name, one in book.scorecard.metrics.items() if name != "tickets"
    }})  # fmt: skip
    tables = book.tables.assign(last_day=[pd.NaT, DAY - pd.Timedelta(days=40)])
    found = belief.freshness(replace(book, scorecard=card, tables=tables)).set_index("table")
    today = book.history[book.history["as_of"] == DAY]
    assert found.loc["contracts", "covered"] == pytest.approx(today[["seats_used", "contact"]].notna().any(axis=1).mean())
    assert found.loc["contracts", "age_days"] == 40
    assert np.isnan(found.loc["accounts", "age_days"])
    assert list(belief.stale(found.reset_index())["table"]) == ["contracts"]


def test_a_calendar_without_ends_says_so(facts: ExecutiveFacts) -> None:
    rows = pd.DataFrame({"account_id": ["a"], "name": ["A"], "arr": [5.0], "band": ["red"], "term_ends": [pd.NaT]})
    rows["term_ends"] = rows["term_ends"].astype("datetime64[s]")
    none = calendar(rows, ["red", "unscored"], DAY, pd.DataFrame())
    assert none.months.empty
    assert none.endless == (1, 5.0)
    without = replace(facts, calendar=none)
    assert say.calendar(without) == "No contract has an end date ahead, so there is no calendar of renewals."
    assert page_calendar.calendar(without).html == ""


def test_a_book_of_thousands_at_risk_stays_a_small_page(facts: ExecutiveFacts) -> None:
    many = replace(facts, risks=pd.concat([facts.risks] * 300, ignore_index=True))
    assert len(many.risks) > 10_000
    assert len(page_risks.all_risks(many).html) < 120_000
    assert "all in scores.csv" in page_risks.all_risks(many).html


def test_names_lead_to_the_audit_where_it_tells_of_them(facts: ExecutiveFacts) -> None:
    first = str(facts.risks.iloc[0]["account_id"])
    linked = replace(facts, links={first: "audit.html#account-x"})
    assert 'href="audit.html#account-x"' in page.first_screen(linked).html
    assert "audit.html" not in page.first_screen(facts).html


def test_the_hash_of_the_exports_depends_on_each_of_them() -> None:
    tables = pd.DataFrame({"table": ["a", "b"], "sha256": ["1", "2"]})
    assert executive.data_sha256(tables) == executive.data_sha256(tables.iloc[::-1])
    assert executive.data_sha256(tables) != executive.data_sha256(tables.assign(sha256=["1", "3"]))


def test_what_runs_and_what_is_due_next_is_what_was_known_that_day(tmp_path: Path) -> None:
    """On 30 Jun f1 has a playbook that will end in August and a step due; s1's step is done, s2's overdue, s3's will be done in July."""
    workspace = test_accounts.write(tmp_path)
    steps = "f1,training,2026-07-15,\nf1,audit,2026-09-01,\ns1,training,2026-08-01,2026-06-10\ns2,training,2026-05-01,\n"
    (tmp_path / "milestones.csv").write_text(f"account_id,milestone,due_at,completed_at\n{steps}s3,training,2026-07-20,2026-07-10\n")
    book = book_of(load_tables(workspace), workspace, test_accounts.THROUGH)
    rows = pd.DataFrame({"account_id": ["f1", "s1", "s3"], "term_ends": pd.NaT, "override_expires_on": pd.NaT})
    assert next_dates.coming(book, rows).tolist() == ["Training due 15 Jul 2026", "", "Training due 20 Jul 2026"]
    assert at_risk.running(book).to_dict() == {"f1": "Call them, begun 1 May 2026"}, "on that day no end of any playbook was on record"


def test_what_an_experiment_left_alone_is_not_worked(tmp_path: Path) -> None:
    """s1 has a playbook that ended in June and one that runs, f1 is a control: nothing was done about it."""
    workspace = test_accounts.write(tmp_path)
    rows = "s1,2026-05-01,2026-06-10,old,treatment\ns1,2026-06-01,,call_them,treatment\nf1,2026-06-01,,none,Control\n"
    (tmp_path / "interventions.csv").write_text("account_id,started_at,ended_at,playbook,arm\n" + rows)
    book = book_of(load_tables(workspace), workspace, test_accounts.THROUGH)
    assert at_risk.running(book).to_dict() == {"s1": "Call them, since 1 Jun 2026"}


def test_freshness_is_said_of_one_of_both_and_of_all_tables(facts: ExecutiveFacts) -> None:
    """Two tables up to the day of the report are both there; that one of them ends first would be said of nothing."""
    one = facts.tables.head(1).assign(age_days=0.0)
    assert claims_belief.fresh(replace(facts, tables=one)).startswith("The one dated table reaches ")
    both = pd.concat([one, one], ignore_index=True)
    assert "ends first" not in claims_belief.fresh(replace(facts, tables=both))
    late = pd.concat([one, one.assign(age_days=3.0, table="usage")], ignore_index=True)
    said = claims_belief.fresh(replace(facts, tables=late))
    assert said.startswith("Both dated tables reach to within 3 days of ")
    assert said.endswith("; usage ends first.")


def test_a_score_below_a_band_is_not_shown_as_its_start(facts: ExecutiveFacts) -> None:
    """64.7 rounds to 65, where the best band starts: the page says 64."""
    start = facts.band_starts[-1]
    below = facts.risks.head(1).assign(score=start - 0.3, band=facts.bands[-3])
    assert f">{start - 1:.0f}</data>" in page_risks.risk_table(facts, below, "x").html
