"""What went before the end: matching by hand and by its promises, dates and false calls against a planted company, words for every case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_ending, page_ending, plots_ending
from healthlib.studies import ending as study
from healthlib.studies.fallen import LEFT, SHRANK, STAYED, fallen, shrunk
from healthlib.studies.matching import CONTROLS, MONTHS, WITHIN_ARR, WITHIN_DAYS, balance, ends_of, match, places

from . import small_company
from .planted_company import CALM, CARD, DROP, book

SIMULATIONS, FELL = 100, 5


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text).as_unit("s")


def ends(rows: list[tuple[str, str, float, float, str, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["account_id", "ended_on", "arr", "tenure", "term", "segment"])
    frame["ended_on"] = pd.to_datetime(frame["ended_on"]).astype("datetime64[s]")
    return frame.assign(month=frame["ended_on"].dt.year * 12 + frame["ended_on"].dt.month - 2)


LOST = ends([("x", "2025-06-15", 1000, 700, "a year", "SMB")])
KEPT = ends([
    ("far away", "2024-06-15", 1000, 700, "a year", "SMB"), ("other term", "2025-06-15", 1000, 700, "a month", "SMB"),
    ("too large", "2025-06-15", 3100, 700, "a year", "SMB"), ("x", "2025-06-01", 1000, 700, "a year", "SMB"),
    ("other segment", "2025-06-15", 1000, 700, "a year", "Ent"), ("good", "2025-05-01", 1100, 650, "a year", "SMB"),
    ("good", "2025-11-15", 1000, 700, "a year", "SMB"),
])  # fmt: skip


def test_matching_by_hand() -> None:
    """Of seven ends one is a year away, one of another term, one pays 3.1 times as much, one is the account's own; `good` counts once."""
    found = match(LOST, KEPT)
    assert KEPT["account_id"].iloc[found["end"]].tolist() == ["good", "other segment"]
    assert found["end"].tolist() == [5, 4], "the nearer end of the two"
    assert match(LOST, KEPT.head(4)).empty
    assert match(LOST, KEPT, monthly=True)["end"].tolist() == [4], "without terms only the same month-end will do"


def test_matching_keeps_its_promises_and_balances() -> None:
    lost, kept = ends_of(book(3, accounts=400))
    sets = match(lost, kept)
    mine, theirs = lost.iloc[sets["set"]].reset_index(drop=True), kept.iloc[sets["end"]].reset_index(drop=True)
    assert (mine["account_id"] != theirs["account_id"]).all()
    assert ((mine["ended_on"] - theirs["ended_on"]).abs().dt.days <= WITHIN_DAYS).all()
    assert (np.abs(np.log(mine["arr"] / theirs["arr"])) <= np.log(WITHIN_ARR) + 1e-9).all()
    assert sets.groupby("set").size().max() == CONTROLS
    assert not theirs.assign(set=sets["set"]).duplicated(["set", "account_id"]).any()
    table = balance(lost, kept, sets).set_index("covariate")
    assert abs(table.loc["segment", "before"]) > 0.3, "the planted company's segments leave at different rates"
    assert table["after"].abs().max() < 0.1
    again = match(lost, kept.sample(frac=1, random_state=1).reset_index(drop=True))
    assert again["distance"].tolist() == pytest.approx(sets["distance"].tolist()), "the order of rows changes nothing"


def test_months_before_the_end_are_month_ends_on_which_the_account_was_covered() -> None:
    """An end on 1 March is read at 28 February, one on 28 February at 31 January; a month without the account is absent."""
    history = pd.DataFrame({"account_id": ["a", "a", "b"], "as_of": [day("2025-01-31"), day("2025-02-28"), day("2025-01-31")]})
    when = pd.DataFrame({"account_id": ["a", "b", "c"], "ended_on": [day("2025-03-01"), day("2025-02-28"), day("2025-03-01")]})
    at = places(history, when.assign(month=when["ended_on"].dt.year * 12 + when["ended_on"].dt.month - 2))
    assert at.shape == (3, MONTHS + 1)
    assert at[:, :3].tolist() == [[1, 0, -1], [2, -1, -1], [-1, -1, -1]]


def test_gaps_by_hand() -> None:
    """Two sets: 20 against 40 and 80 (60), 50 against 60: gaps 40 and 10. By ARR 3 : 1 it is 32.5. A control without a value is none."""
    snapshots = pd.DataFrame({"falls": [0.2, 0.4, 0.8, 0.5, 0.6, np.nan]})
    absent = np.full(MONTHS, -1)
    sets = study.Sets(
        snapshots=snapshots.reindex(columns=list(CARD.metrics)),
        lost=np.array([np.r_[0, absent], np.r_[3, absent]]),
        kept=np.array([[np.r_[1, absent], np.r_[2, absent]], [np.r_[4, absent], np.r_[5, absent]]]),
        accounts=np.array([["a", "c", "d"], ["b", "e", "f"]]),
        arr=np.array([3.0, 1.0]),
    )
    row = study.compare(sets, CARD, replicates=20).iloc[0]
    assert row[["metric", "months", "n"]].tolist() == ["falls", 0, 2]
    assert row[["lost_mean", "kept_mean", "gap", "arr_gap"]].tolist() == pytest.approx([35, 60, 25, 32.5])


@pytest.fixture(scope="module")
def many() -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """The study of `SIMULATIONS` companies in which `falls` drops `FELL` months before an account leaves."""
    found = []
    for seed in range(SIMULATIONS):
        company = book(seed, accounts=150, fell=FELL)
        lost, kept = ends_of(company)
        table = study.compare(study.sets_of(company.history, lost, kept, match(lost, kept)), CARD, replicates=100, seed=seed)
        found.append((table, study.date_falls(table).set_index("metric")))
    return found


def test_the_fall_is_dated_within_a_month(many: list[tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    """Planted: 5 months before. The month-end 4 months back lies 4 to 5 months before the end, the earliest after the fall."""
    dates = np.array([dated.loc["falls", "fell"] for _, dated in many])
    assert (np.abs(dates - FELL) <= 1).mean() >= 0.95
    gap = np.mean([dated.loc["falls", "gap"] for _, dated in many])
    assert gap == pytest.approx(DROP, abs=1)


def test_what_never_differs_is_seldom_called_apart(many: list[tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    """Four calm metrics in each company: at most 5 % of them, and of the companies."""
    called = np.array([[dated.loc[name, "verdict"] != study.UNSURE for name in CALM] for _, dated in many])
    assert called.mean() <= 0.02
    assert called.any(axis=1).mean() <= 0.05


def test_what_only_goes_with_the_segment_is_not_called_apart_once_matched(many: list[tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    """`level` is 20 points lower in the segment that leaves more often: unmatched, those that left are 4 points lower on average."""
    assert np.mean([dated.loc["level", "verdict"] != study.UNSURE for _, dated in many]) <= 0.05
    company = book(0, accounts=600)
    lost, kept = ends_of(company)
    means = [company.history["level"].to_numpy()[places(company.history, side)[:, 0]].mean() for side in (lost, kept)]
    assert 100 * (means[1] - means[0]) > 3
    assert abs(np.mean([dated.loc["level", "gap"] for _, dated in many])) < 0.5


def test_bands_cover_the_truth_in_all_months_at_once(many: list[tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    """95 % of 400 (metric, company) pairs are 380; with sd 4.4 of independent ones, 366 or fewer have a chance of 0.1 %."""
    calm = pd.concat([table[table["metric"].isin(CALM)].assign(company=i) for i, (table, _) in enumerate(many)])
    inside = ((calm["low"] <= 0) & (calm["high"] >= 0)) | calm["low"].isna()
    covered = inside.groupby([calm["company"], calm["metric"]]).all()
    assert len(covered) == SIMULATIONS * len(CALM)
    assert 0.915 < covered.mean() < 0.995


def months(gaps: list[float], half: float = 5.0) -> pd.DataFrame:
    """Gaps from 12 months before to 0, each with a band of `half`; the change is against the mean of the first three."""
    gap = np.array(gaps)
    change = gap - gap[:3].mean()
    frame = pd.DataFrame({"metric": "m", "label": "M", "months": np.arange(12, -1, -1), "gap": gap, "low": gap - half, "high": gap + half,
                          "change": change, "change_low": change - half, "change_high": change + half, "n": 50})  # fmt: skip
    return frame.assign(arr_gap=gap, arr_low=gap, arr_high=gap)


@pytest.mark.parametrize(
    ("gaps", "verdict", "fell", "apart"),
    [
        ([0] * 9 + [20] * 4, study.FELL, 3, 3),
        ([0] * 5 + [20] + [0] * 3 + [20] * 4, study.FELL, 3, 3),
        ([20] * 13, study.LOWER, np.nan, 12),
        ([0] * 3 + [6] * 10, study.FELL, 9, 9),
        ([4] * 3 + [7] * 10, study.APART, np.nan, 9),
        ([0] * 6 + [20] * 6 + [0], study.UNSURE, np.nan, np.nan),
        ([-20] * 13, study.UNSURE, np.nan, np.nan),
    ],
    ids=["fell", "a month by chance", "lower all along", "fell early", "lower", "came back", "healthier"],
)
def test_dates_by_hand(gaps: list[float], verdict: str, fell: float, apart: float) -> None:
    row = study.date_falls(months(gaps)).iloc[0]
    assert row["verdict"] == verdict
    np.testing.assert_equal(row[["fell", "apart"]].astype(float).tolist(), [float(fell), float(apart)])


def test_who_shrank_is_read_after_the_end_even_if_signed_late() -> None:
    """Ends in March: `a` 100 then 90, `b` 100 then 100, `c` covered again only in May at 50, `d` never again: not known."""
    rows = [("a", 2, 100), ("a", 3, 90), ("b", 2, 100), ("b", 3, 100), ("c", 2, 100), ("c", 5, 50), ("d", 2, 100)]
    ledger = pd.DataFrame([(name, pd.Timestamp(2025, month, 28), arr) for name, month, arr in rows], columns=["account_id", "month", "arr"])
    kept = pd.DataFrame({"account_id": list("abcd"), "month": 2025 * 12 + 1})
    down = shrunk(replace(small_company.book(), ledger=ledger), kept)
    assert down.tolist()[:3] == [True, False, True]
    assert down.isna().tolist() == [False, False, False, True]


def test_what_had_fallen_is_found_and_reasons_given_at_random_tell_no_more() -> None:
    """Planted: 3 months before the end `falls` is 30 points lower in all that left; the reason is drawn by lot."""
    company = book(1, accounts=500)
    rng = np.random.default_rng(0)
    company.churned["reason"] = rng.choice(["price", "value", None], len(company.churned))
    table = fallen(company, *ends_of(company), replicates=100)
    rate = table.pivot(index="metric", columns="group", values="rate")
    assert rate.loc["falls", LEFT] > 0.8
    assert rate[STAYED].between(0.15, 0.25).all(), "the lowest fifth of those that stayed"
    assert rate.loc[list(CALM), LEFT].between(0.1, 0.32).all()
    assert SHRANK not in rate, "nobody's ARR changes in this company"
    assert set(table.loc[table["q"].notna(), "group"]) == {"price", "value"}
    assert (table["q"].dropna() > 0.05).all()


@pytest.fixture(scope="module")
def facts() -> study.EndingFacts:
    return study.ending_study(book(2, accounts=400), replicates=100)


def test_the_sentences_say_what_is_planted(facts: study.EndingFacts) -> None:
    said = claims_ending.before(facts)
    assert said.startswith("Falls fell away first, at least 4 months before the end: accounts that left ended 3")
    assert claims_ending.others(facts) == ["Cannot be told from that of comparable accounts: 5 metrics."]
    assert "of the same segment" in claims_ending.compared(facts)
    assert "Not balanced" not in claims_ending.compared(facts)
    assert "of Falls 3 months and more before the end" in claims_ending.reasons(facts)
    assert "No reasons were given" in claims_ending.reasons(facts)
    assert "Falls" in page_ending.before(facts).html
    assert plots_ending.before(facts).figure.get_suptitle().replace("\n", " ") == "Falls fell away first, at least 4 months before the end"


def test_what_seems_to_know_the_outcome_is_shown_but_never_claimed(facts: study.EndingFacts) -> None:
    leaky = replace(facts, suspects=("falls",))
    assert "Falls" not in claims_ending.before(leaky) + claims_ending.reasons(leaky) + str(claims_ending.others(leaky))
    assert "fell away; seems to know the outcome" in page_ending.before(leaky).html


def test_without_a_year_of_measures_no_date_is_claimed(facts: study.EndingFacts) -> None:
    """Courses of half a year: what is lower can be said, since when it fell cannot."""
    short = study.date_falls(facts.study[facts.study["months"] <= 3].assign(change_low=np.nan))
    said = claims_ending.before(replace(facts, dated=short))
    assert said.startswith("Since when metrics fell before")
    assert "At the end Falls is 3" in said
    assert plots_ending.before(replace(facts, dated=short)).figure.get_suptitle() == "Since when metrics fell cannot be told"


def test_one_reason_for_all_tells_nobody_apart(facts: study.EndingFacts) -> None:
    one = facts.fallen.assign(group=facts.fallen["group"].replace("not stated", "withdrew"))
    assert claims_ending.reasons(replace(facts, fallen=one)).endswith("Only one reason was ever given, so it tells nobody apart.")


def nobody_left(company: Any) -> None:
    company.churned, company.cases = company.churned.head(0), company.cases[company.cases["lost"] == 0]


def all_left(company: Any) -> None:
    company.cases = company.cases[company.cases["lost"] == 1]


def nothing_finished(company: Any) -> None:
    company.cases, company.churned = company.cases.head(0), company.churned.head(0)


def three_left(company: Any) -> None:
    company.churned = company.churned.head(3)


@pytest.mark.parametrize("change", [nobody_left, all_left, nothing_finished, three_left])
@pytest.mark.parametrize("kind", ["renewal", "churn_within", "expansion", "flat"])
def test_every_company_gets_a_sentence(change: Any, kind: str) -> None:
    company = book(1, accounts=40, months=26)
    company.workspace.kind = kind
    company.cases = company.cases.assign(as_of=company.cases["term_ends"])
    change(company)
    found = study.ending_study(company, replicates=20)
    assert claims_ending.before(found).endswith(".")
    assert claims_ending.reasons(found).endswith(".")
    assert plots_ending.before(found).figure is not None
    assert str(page_ending.before(found).html + page_ending.reasons(found).html) != "nan"
    if change is not three_left:
        assert "cannot be told" in claims_ending.before(found)


def test_without_terms_the_comparison_is_with_who_stayed_from_the_same_month_end() -> None:
    """Two accounts leave in March; `kept` cases of February at which the account stayed for the horizon are their controls, no others."""
    company = small_company.book()
    monthly = company.workspace.outcome.model_copy(update={"kind": "churn_within"})
    company = replace(company, workspace=company.workspace.model_copy(update={"outcome": monthly}))
    company = replace(company, cases=company.history.assign(lost=0.0))
    lost, kept = ends_of(company)
    sets = match(lost, kept, monthly=True)
    assert len(sets) > 5
    assert (lost["month"].to_numpy()[sets["set"]] == kept["month"].to_numpy()[sets["end"]]).all()
