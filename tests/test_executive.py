"""The executive facts: retention by hand, scores that add up, alerts, and every figure of summary.json equal to scores.csv."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthlib import (
    artifacts,
    claims_belief,
    claims_moves,
    page_belief,
    page_calendar,
    page_moves,
    page_risks,
    plots,
    report,
    store,
)  # fmt: skip
from healthlib import claims_executive as say
from healthlib import page_executive as page
from healthlib.claims_glossary import LESSONS, MEANINGS
from healthlib.studies import today
from healthlib.studies.audit import audit_study
from healthlib.studies.backtest_bands import backtest_study
from healthlib.studies.book import Book
from healthlib.studies.executive import executive_study
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.studies.fit import fit_study
from healthlib.studies.retention import moves, retention
from tests import small_company

THEN, NOW = pd.Timestamp("2025-10-31"), pd.Timestamp("2026-10-31")


def facts_of(book: Book) -> ExecutiveFacts:
    fit = fit_study(book.compared_cases, book.workspace.scorecard, replicates=30)
    backtest = backtest_study(book.cases, book.leads, book.workspace.scorecard, fit, replicates=30)
    return executive_study(book, audit_study(book, replicates=30), fit, backtest)


@pytest.fixture(scope="module")
def facts() -> ExecutiveFacts:
    return facts_of(small_company.book(150))


def ledger() -> pd.DataFrame:
    """Eight accounts: one left, one shrank, one grew, one new, one with ARR neither then nor now on these days, three as before."""
    then = {"a": 100, "b": 100, "c": 100, "d": 200, "e": 50, "f": 50}
    now = {"b": 60, "c": 150, "d": 200, "e": 50, "f": 50, "g": 80}
    rows = [(a, THEN, v) for a, v in then.items()] + [(a, NOW, v) for a, v in now.items()] + [("h", pd.Timestamp("2026-03-31"), 999)]
    return pd.DataFrame(rows, columns=["account_id", "month", "arr"]).astype({"arr": "float64"})


def test_retention_of_eight_accounts_by_hand() -> None:
    """By hand: then 600 in 6 accounts; GRR (60+100+200+50+50)/600 = 460/600; NRR (60+150+200+50+50)/600 = 510/600; 1 of 6 left."""
    found = retention(ledger(), THEN, NOW)
    assert found["grr_12m"].value == pytest.approx(460 / 600)
    assert found["nrr_12m"].value == pytest.approx(510 / 600)
    assert found["logo_churn_12m"].value == pytest.approx(1 / 6)
    for estimate in found.values():
        assert (estimate.n, estimate.events) == (6, 1)
        assert estimate.low < estimate.value < estimate.high


def test_what_moved_arr_adds_up() -> None:
    """By hand: 600 - 100 (a left) - 40 (b) + 50 (c) + 80 (g new) = 590."""
    found = moves(ledger(), THEN, NOW).set_index("move")
    assert found["arr"].to_dict() == {"started with": 600, "left": -100, "shrank": -40, "grew": 50, "new": 80, "now": 590}
    assert found["accounts"].to_dict() == {"started with": 6, "left": 1, "shrank": 1, "grew": 1, "new": 1, "now": 6}


def test_no_loss_is_not_read_as_certainty() -> None:
    same = ledger()[lambda rows: rows["account_id"].isin(["d", "e", "f"])]
    found = retention(same, THEN, NOW)
    assert found["grr_12m"].value == 1
    assert found["grr_12m"].low < 0.8
    assert found["logo_churn_12m"].high > 0.2
    assert retention(same, pd.Timestamp("2020-01-31"), NOW) == {}


def test_scores_keep_the_contract(facts: ExecutiveFacts) -> None:
    columns = list(facts.scores.columns)
    assert columns == artifacts.scores_columns(facts.scores)
    points = facts.scores[[c for c in columns if c.startswith("points:")]]
    scored = facts.scores["score"].notna()
    assert scored.any()
    np.testing.assert_allclose(points[scored].sum(axis=1), facts.scores.loc[scored, "score"], atol=1e-9)
    assert (facts.scores["as_of"] == small_company.AS_OF).all()
    chance = facts.scores.loc[scored, ["probability_low", "renewal_probability", "probability_high"]]
    assert (chance.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_a_lower_score_never_renews_more_often(facts: ExecutiveFacts) -> None:
    ranked = facts.scores.dropna(subset=["score"]).sort_values("score")
    assert (ranked["renewal_probability"].diff().dropna() >= -1e-12).all()


def test_summary_is_scores_re_added(facts: ExecutiveFacts, tmp_path: Path) -> None:
    """accounts, ARR and bands of summary.json against scores.csv as written, added again by hand."""
    artifacts.write_csv(facts.scores, tmp_path / "scores.csv", artifacts.scores_columns(facts.scores))
    artifacts.write_json(facts.summary, tmp_path / "summary.json")
    summary, scores = json.loads((tmp_path / "summary.json").read_text()), pd.read_csv(tmp_path / "scores.csv")
    assert summary["accounts"] == {
        "active": len(scores),
        "scored": int(scores["score"].notna().sum()),
        "unscored": int(scores["score"].isna().sum()),
    }
    assert summary["arr"]["total"] == pytest.approx(scores["arr"].sum())
    for row in summary["bands"]:
        here, before = scores[scores["band"] == row["band"]], scores[scores["previous_band"] == row["band"]]
        assert (row["accounts"], row["arr"]) == (len(here), pytest.approx(here["arr"].sum()))
        assert row["accounts_before"] >= len(before)  # some have left since
    for days, rows in summary["renewals_due"].items():
        ends = (pd.to_datetime(scores["term_ends"]) - small_company.AS_OF).dt.days
        due = scores[(ends > 0) & (ends <= int(days))]
        for row in rows:
            part = due[due["band"] == row["band"]]
            assert (row["accounts"], row["arr"]) == (len(part), pytest.approx(part["arr"].sum()))
            if "expected_lost_arr" in row:
                assert row["expected_lost_arr"]["value"] == pytest.approx((part["arr"] * (1 - part["renewal_probability"])).sum(), rel=1e-4)


def test_summary_has_no_null(facts: ExecutiveFacts) -> None:
    def walk(value: Any) -> None:
        assert value is not None
        assert not (isinstance(value, float) and np.isnan(value))
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(part)

    walk(artifacts.plain(facts.summary))


def test_the_first_screen_shows_the_same_figures(facts: ExecutiveFacts) -> None:
    html = page.first_screen(facts).html
    for row in facts.summary["bands"]:
        assert f'<data value="{report.machine(row["accounts"])}">' in html
        assert f'<data value="{report.machine(row["arr"])}">' in html


def test_cutting_the_history_at_a_day_changes_nothing_for_that_day() -> None:
    book = small_company.book()
    day = pd.Timestamp("2026-06-30")
    whole = today.score_history(book.scorecard, book.history)
    cut = today.score_history(book.scorecard, book.history[book.history["as_of"] <= day])
    frames = [today.scores_frame(scored, book.scorecard, day, pd.Timestamp("2026-05-31")) for scored in (whole, cut)]
    pd.testing.assert_frame_equal(*frames)


def emptied(book: Book, case: str) -> Book:
    nothing = {"cases": book.cases.iloc[:0], "leads": book.leads.iloc[:0], "churned": book.churned.iloc[:0]}
    last = book.history["as_of"] == book.as_of
    bare = book.history.assign(seats_used=np.nan, tickets=np.nan, contact=np.nan)
    changes: dict[str, dict[str, Any]] = {
        "no history": {
            "history": book.history[last].reset_index(drop=True),
            "ledger": book.ledger[book.ledger["month"] == book.as_of],
            **nothing,
        },
        "no outcomes": nothing,
        "no contract ends": {"history": book.history.assign(term_ends=pd.Series(pd.NaT, index=book.history.index).astype("datetime64[s]"))},
        "nothing measured": {"history": bare},
        "no attributes": {"history": book.history.drop(columns=["name", "segment", "csm"])},
        "all green": {"history": book.history.assign(seats_used=1.0, tickets=0.0, contact=0.0)},
    }
    return replace(book, **changes[case])


EXPECTED = {
    "no history": "There is no earlier month to compare with",
    "no outcomes": "Cannot tell: too few outcomes have finished",
    "no contract ends": "No contract ends within the next 180 days.",
    "nothing measured": "None of them can be scored",
    "no attributes": "Start with",
    "all green": "No account stands below the best band",
}


@pytest.mark.parametrize("case", list(EXPECTED))
@pytest.mark.parametrize("accounts", [5, 40])
def test_every_section_degrades_with_a_sentence(case: str, accounts: int, tmp_path: Path) -> None:
    facts = store.load(store.save(facts_of(emptied(small_company.book(accounts), case)), tmp_path / "facts"))
    pieces = [page.first_screen(facts)]
    blocks = (
        page_moves.pictures, page_moves.bridge, page_moves.moves, page_moves.migration, page_moves.movers, page_moves.causes, page.groups,
        page_risks.alerts, page_risks.all_risks, page_calendar.calendar, page_belief.tracked, page_belief.track, page_belief.sources,
    )  # fmt: skip
    claims = (
        say.opening, say.groups, say.alerted, say.first, say.calendar, claims_moves.trend, claims_moves.moved, claims_moves.migrated,
        claims_belief.track, claims_belief.fresh, claims_belief.definitions_changed,
    )  # fmt: skip
    pieces += [draw(facts) for draw in blocks]
    sentences = [claim(facts) for claim in claims]
    text = report.show(*pieces).html + " ".join(sentences)
    assert EXPECTED[case] in text
    assert ">nan" not in text.lower()
    assert all(sentence.endswith((".", "”")) for sentence in sentences)
    drawn = (
        plots.band_trend(facts.trend, facts.bands, "arr", currency="USD"), plots.arr_bridge(facts.moves, currency="USD"),
        plots.forecast_track(facts.forecast, currency="USD"),
    )  # fmt: skip
    assert all(report.figure(axes, alt="x").html.startswith("<figure>") for axes in drawn)


def test_the_counts_are_reconciled_once(facts: ExecutiveFacts) -> None:
    assert claims_belief.believe(facts)["Why do the counts differ?"].startswith("How the counts hang together: of the 150 customers")


def test_a_list_of_low_scores_says_whom_it_cannot_name(facts: ExecutiveFacts) -> None:
    """Where much ARR has no score, a list of low ones is not the list of whom to worry about: it says so, empty or not."""
    rows = facts.by_band.assign(accounts=[0, 0, 1, 39], arr=[0.0, 0.0, 100e3, 171e3])
    assert rows["band"].iloc[-1] == "unscored"
    blind = replace(facts, by_band=rows)
    assert "39 accounts ($171k) have no score and are not in this list" in page.first(blind).html
    none = replace(blind, risks=facts.risks.head(0))
    for claim in (say.first(none), say.at_risk(none)):
        assert claim.startswith("No account that has a score stands below")
        assert "39 accounts ($171k) have no score" in claim
    seen = replace(facts, by_band=rows.assign(arr=[0.0, 0.0, 900e3, 171e3]))
    assert say.unlisted(seen) == ""
    assert "not in this list" not in page.first(seen).html
    assert say.first(replace(seen, risks=facts.risks.head(0))).startswith("No account stands below")


def test_the_title_rounds_points_as_the_table_below_it(facts: ExecutiveFacts) -> None:
    """39.6 where the next band starts at 40 is 39 in the table; the title said 40 (seen on crm5)."""
    names = [name for name in facts.groups if name.startswith("group:")]
    start = facts.band_starts[1]
    groups = facts.groups.copy()
    groups[names] = groups[names].astype(float).clip(lower=start + 3)
    groups.loc[groups.index[-1], names[0]] = start - 0.4
    groups.loc[groups.index[0], [names[0], "accounts"]] = [start - 0.3, 1000]
    title = say.groups(replace(facts, groups=groups))
    assert f"({start - 1:.0f})" in title
    assert f"({start - 1:.0f}, " in title
    assert f"({start:.0f}" not in title


def test_never_accuracy(facts: ExecutiveFacts) -> None:
    text = page.first_screen(facts).html + page_belief.track(facts).html
    text += " ".join([*MEANINGS.values(), *LESSONS.values(), *claims_belief.believe(facts).values()])
    assert "accuracy" not in text.lower()
    assert "accurate" not in text.lower()
