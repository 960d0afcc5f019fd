"""The audit's arithmetic: rates by hand, survival against published numbers, and workspaces with nothing to audit."""

from __future__ import annotations

from math import comb
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_audit, overrides, recency
from healthlib.beginnings import NEVER
from healthlib.spec import Band, Measure, Metric, OutcomeSpec, Scorecard, SuccessSpec
from healthlib.studies import alone, leaving, lists, survival
from healthlib.studies.audit import audit_study
from healthlib.studies.cohorts import metric_cohorts
from healthlib.studies.groups import dimensions
from healthlib.studies.leaks import screen
from healthlib.studies.owners import _judged
from healthlib.studies.rates import overall, rates_by
from healthlib.studies.readiness import readiness
from healthlib.studies.survival import curve, lifetimes, retained_after
from tests import small_company

# 6-MP arm: weeks in remission of 21 children with leukaemia; 1 relapsed, 0 still in remission when last seen.
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]

T = pd.Timestamp("2026-10-31").as_unit("s")


def metric(name: str, group: str, **more: Any) -> Metric:
    return Metric(
        name=name, group=group, label=name.title(), table="usage", measure=Measure(kind="count"), worst=0, best=1, weight=10, **more
    )


CARD = Scorecard(
    groups=("adoption", "support"),
    metrics={"seats": metric("seats", "adoption"), "tickets": metric("tickets", "support").model_copy(update={"table": "tickets"})},
    bands=(Band.model_validate({"name": "red", "from": 0}), Band.model_validate({"name": "green", "from": 60})),
)


def eight() -> pd.DataFrame:
    """Eight accounts that fit on a screen: SMB loses 2 of 4 (ARR 30 of 100), Enterprise 1 of 4 (ARR 100 of 1,000)."""
    frame = pd.DataFrame({
        "account_id": list("abcdefgh"), "segment": ["SMB"] * 4 + ["Enterprise"] * 4, "lost": [1.0, 1, 0, 0, 1, 0, 0, 0],
        "arr": [10.0, 20, 30, 40, 100, 200, 300, 400], "seats": [0.1, 0.2, 0.9, 0.7, 0.8, 0.9, 0.9, 0.3], "tickets": [0.5] * 8,
        "age_days": [400.0] * 8,
    })  # fmt: skip
    return frame.assign(as_of=pd.Timestamp("2026-01-01"), term_ends=pd.Timestamp("2026-04-01"), name=frame["account_id"].str.upper())


def book(cases: pd.DataFrame, **more: Any) -> Any:
    """A Book with nothing in it but what is given."""
    none = {name: cases.head(0)[name] for name in cases}
    workspace = SimpleNamespace(
        name="Eight", currency="USD", simulated=True, kind="renewal", outcome=OutcomeSpec(), success=SuccessSpec(), scorecard=CARD
    )
    given = {
        "workspace": workspace, "scorecard": CARD, "as_of": T,
        "tables": pd.DataFrame({"table": ["accounts", "contracts"], "rows_used": [8, 8]}), "cases": cases,
        "history": pd.DataFrame(none), "leads": pd.DataFrame({**none, "lead_days": [], "ended_on": pd.to_datetime([])}),
        "ledger": pd.DataFrame({"account_id": pd.Series(dtype=str), "month": pd.to_datetime([]), "arr": pd.Series(dtype=float)}),
        "churned": pd.DataFrame({
            "account_id": pd.Series(dtype=str), "ended_on": pd.to_datetime([]),
            "arr": pd.Series(dtype=float), "reason": pd.Series(dtype=str),
        }),
        "incumbent": None, "began": NEVER, "overrides": overrides.NONE, "dated": recency.NO_DAYS, "answers": recency.NO_ANSWERS,
    }  # fmt: skip
    given |= more
    return SimpleNamespace(**given, leaks=screen(given["cases"], CARD))


def test_rates_by_hand() -> None:
    table = rates_by(eight(), eight()["segment"]).set_index("group")
    assert table.loc[["SMB", "Enterprise"], "rate"].tolist() == [0.5, 0.25]
    assert table.loc[["SMB", "Enterprise"], "arr_rate"].round(4).tolist() == [0.3, 0.1]
    assert table.loc[["SMB", "Enterprise"], "arr_lost"].tolist() == [30.0, 100.0]
    # shrunk = (lost + 20 x base) / (cases + 20), base = 3/8
    assert table["shrunk"].round(6).to_dict() == {"SMB": round(9.5 / 24, 6), "Enterprise": round(8.5 / 24, 6)}
    assert table["small"].all()
    assert (table["low"] <= table["rate"]).all()
    assert (table["rate"] <= table["high"]).all()


def test_rates_do_not_mind_row_order_names_or_currency() -> None:
    cases = eight()
    one = rates_by(cases, cases["segment"])
    mixed = cases.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(one, rates_by(mixed, mixed["segment"]))
    pounds = rates_by(cases.assign(arr=cases["arr"] * 0.8), cases["segment"])
    assert np.allclose(one[["rate", "arr_rate", "arr_low", "arr_high"]], pounds[["rate", "arr_rate", "arr_low", "arr_high"]])


def test_a_group_without_a_loss_still_has_an_interval() -> None:
    kept = eight().assign(lost=0.0)
    found = overall(kept)
    assert (found.value, found.low) == (0.0, 0.0)
    assert 0.2 < found.high < 0.45  # Wilson's interval of 0 of 8 ends at 0.324


def test_survival_equals_the_published_curve() -> None:
    """Freireich et al. (1963), Blood 21, 699-716, 6-MP arm. S(6)=0.857, S(7)=0.807, S(10)=0.753, S(13)=0.690, S(16)=0.627, S(22)=0.538,
    S(23)=0.448 in Kleinbaum & Klein, Survival Analysis, table 2.3; standard errors 0.0764 at 6, 0.0963 at 10 and 0.1346 at 23.
    """
    lives = pd.DataFrame({"tenure_months": np.array(WEEKS), "left": RELAPSED, "entry_months": 0, "arr": 1.0, "account_id": range(21)})
    table = curve(lives, "6-MP").set_index("months")
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    got = {round(month): round(share, 3) for month, share in table["share"].items() if month and table.loc[month, "left"]}
    assert got == pytest.approx(expected, abs=0.0006)
    # By hand from the published standard errors: S ** exp(-+1.96 se / (S log S)), 0.857 ** 3.10 = 0.620 and so on.
    ends = {round(month): (row["low"], row["high"]) for month, row in table.iterrows()}
    assert ends[6] == pytest.approx((0.620, 0.952), abs=0.002)
    assert ends[23] == pytest.approx((0.188, 0.680), abs=0.002)


def test_weighted_survival_agrees_with_the_curve_and_weighs_money() -> None:
    lives = pd.DataFrame({"tenure_months": np.array(WEEKS), "left": RELAPSED, "entry_months": 0, "arr": 1.0, "account_id": range(21)})
    found = retained_after(lives, 16)
    assert round(found["share"], 3) == 0.627
    assert found["arr_share"] == pytest.approx(found["share"])
    assert found["low"] < found["share"] < found["high"]
    heavy = retained_after(lives.assign(arr=np.where(np.array(RELAPSED) == 1, 1.0, 1000.0)), 16)
    assert heavy["arr_share"] > 0.95
    assert np.isnan(retained_after(lives, 34)["share"]), "two accounts followed that long are too few to say"


def test_an_end_on_the_anniversary_has_not_renewed_leap_year_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight accounts by hand: `a` ends after 3 calendar years with a leap day (1096 days), `b` after 3 without (1095), `c` after one with
    (366), `d` a day after its third anniversary; `e` to `h` stay. Still here after 1 year 7 of 8, after 2 the same, after 3 5 of 8.
    """
    monkeypatch.setattr(survival, "FOLLOWED", 1)
    started = pd.to_datetime(["2021-03-01", "2020-03-01", "2020-02-01", "2021-03-01", *["2020-02-29"] * 4])
    ended = pd.to_datetime(["2024-03-01", "2023-03-01", "2021-02-01", "2024-03-02"])
    as_of, names = pd.Timestamp("2025-12-31"), list("abcdefgh")
    history = pd.DataFrame({"account_id": names, "as_of": started, "age_days": 0.0, "arr": [10.0, 20.0, 30.0, 40.0, *[25.0] * 4]})
    ledger = pd.DataFrame({"account_id": names, "month": started + pd.offsets.MonthEnd(0), "arr": history["arr"]})
    churned = pd.DataFrame({"account_id": names[:4], "ended_on": ended, "arr": 1.0, "reason": "price"})
    lives = lifetimes(history, churned, ledger, as_of)
    assert lives.set_index("account_id")["days"].loc[names[:4]].tolist() == [1096, 1095, 366, 1097]
    found = {months: retained_after(lives, months, replicates=20) for months in (12, 24, 36)}
    assert [found[months]["share"] for months in found] == pytest.approx([7 / 8, 7 / 8, 5 / 8])
    assert [found[months]["arr_share"] for months in found] == pytest.approx([170 / 200, 170 / 200, 140 / 200])
    drawn = curve(lives, "all")
    for months, shares in found.items():
        assert drawn[drawn["months"] <= months]["share"].iloc[-1] == pytest.approx(shares["share"]), "the table agrees with the chart"


def test_accounts_from_before_the_exports_count_from_when_they_came_into_view() -> None:
    months = pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-31"])
    history = pd.DataFrame({"account_id": ["old", "new"], "as_of": [months[0], months[1]], "age_days": [1000.0, 10.0], "arr": [5.0, 7.0]})
    ledger = pd.DataFrame({"account_id": ["old", "old", "new"], "month": [months[0], months[1], months[1]], "arr": [5.0, 5.0, 7.0]})
    churned = pd.DataFrame({"account_id": ["old"], "ended_on": [pd.Timestamp("2024-03-10")], "arr": [5.0], "reason": ["price"]})
    lives = lifetimes(history, churned, ledger, months[2]).set_index("account_id")
    assert lives.loc["old", ["entry_days", "days", "left"]].tolist() == [1000, 1039, 1]
    assert lives.loc["new", ["entry_days", "days", "left"]].tolist() == [0, 41, 0]


def test_movements_by_hand() -> None:
    """Three accounts over two year-ends: `a` grows by 5, `b` shrinks by 4, `c` leaves with 7."""
    months = pd.to_datetime(["2024-12-31", "2025-06-30", "2025-12-31"])
    rows = [("a", 0, 10.0), ("a", 1, 15.0), ("a", 2, 15.0), ("b", 0, 9.0), ("b", 1, 9.0), ("b", 2, 5.0), ("c", 0, 7.0)]
    ledger = pd.DataFrame([(name, months[place], arr) for name, place, arr in rows], columns=["account_id", "month", "arr"])
    churned = pd.DataFrame({"account_id": ["c"], "ended_on": [pd.Timestamp("2025-03-01")], "arr": [7.0], "reason": ["price"]})
    new = pd.DataFrame({"account_id": ["d"], "ended_on": [pd.Timestamp("2025-09-01")], "arr": [3.0], "reason": ["price"]})
    both = leaving.movements(ledger, pd.concat([churned, new])).iloc[-1]
    assert both[["left_of_start", "accounts_start", "left_accounts"]].tolist() == [1, 3, 2], "`d` came and left within the year"
    assert both["left_rate"] == pytest.approx(1 / 3)
    year = leaving.movements(ledger, churned).iloc[-1]
    assert year[["arr_start", "left_arr", "down_arr", "up_arr"]].tolist() == [26.0, 7.0, 4.0, 5.0]
    assert year["left_rate"] == pytest.approx(1 / 3)
    said = leaving.reasons(churned.assign(reason=[np.nan]))
    assert said[["reason", "accounts", "arr_share"]].values.tolist() == [["not stated", 1, 1.0]]


def test_metric_cohorts_keep_equal_values_together_and_go_from_worst_to_best() -> None:
    cases = pd.concat([eight().assign(account_id=eight()["account_id"] + str(i)) for i in range(5)], ignore_index=True)
    card = CARD.model_copy(update={"metrics": {"seats": CARD.metrics["seats"], "zeros": metric("zeros", "support", better="lower")}})
    cases["zeros"] = np.where(cases["lost"] == 1, np.arange(len(cases)) % 2, 0.0)
    table = alone.cohorts(cases, card)
    zeros = table[table["metric"] == "zeros"]
    assert zeros["cohort"].tolist() == [1, 2]
    assert zeros["rate"].iloc[0] == 1.0
    strong = alone.strength(cases, card)
    assert strong["metric"].iloc[0] == "seats"
    assert strong["auc"].iloc[0] == pytest.approx(_auc(cases["seats"], cases["lost"]))


def test_the_worst_fifth_is_a_fifth_where_values_tie_and_both_pages_give_it_the_same_lift() -> None:
    """Of 20 accounts 8 share the worst value and 4 of those left: half of a worst fifth of 4 left, against 5 of 20 in all."""
    cases = pd.DataFrame({
        "account_id": [f"t{i}" for i in range(20)], "as_of": T, "arr": 1.0, "seats": [0.0] * 8 + [float(i) for i in range(1, 13)],
        "lost": [1.0] * 4 + [0.0] * 4 + [1.0] + [0.0] * 11,
    })  # fmt: skip
    card = CARD.model_copy(update={"metrics": {"seats": CARD.metrics["seats"]}})
    one = alone.strength(cases, card).iloc[0]
    assert one[["worst_rate", "best_rate", "lift"]].tolist() == pytest.approx([0.5, 0.0, 2.0])
    same = metric_cohorts(cases, card).iloc[0]
    assert one[["lift", "lift_low", "lift_high"]].tolist() == pytest.approx(same[["lift", "lift_low", "lift_high"]].tolist())


def test_what_a_sentence_counts_is_what_the_table_beside_it_counts() -> None:
    opened = small_company.book(150)
    facts = audit_study(opened, replicates=40)
    rows = facts.score_bands.set_index("group")
    worst, best = facts.bands[0], facts.bands[-1]
    assert len(facts.watermelons) == rows["lost"].get(best, 0)
    assert len(facts.false_alarms) == rows["cases"].get(worst, 0) - rows["lost"].get(worst, 0)
    said = claims_audit.surprises(facts)
    assert f"{len(facts.watermelons)} of {facts.n_lost}" in said
    assert f"{len(facts.false_alarms)} of {rows['cases'].get(worst, 0)} {worst} cases" in said
    assert facts.score_bands["lost"].sum() == facts.n_lost
    assert f"AUC of {facts.auc['current'].value:.2f}" in claims_audit.score(facts)


def test_a_csm_s_losses_are_held_against_a_share_of_all_losses() -> None:
    """11 lost where 3.7 were expected, of 49 in all: by hand 2 P(X >= 11), X of 49 with 3.7 / 41.7 each; 0.0031 had 3.7 been known."""
    rows = pd.DataFrame({"lost": [11.0], "expected": [3.7], "ratio": [3.0], "low": [1.6], "high": [4.9]})
    fair = 3.7 / (3.7 + 38)
    assert 2 * sum(comb(49, k) * fair**k * (1 - fair) ** (49 - k) for k in range(11, 50)) == pytest.approx(0.0065, abs=1e-4)
    calm = pd.DataFrame({"lost": [4.0] * 9, "expected": [4.2] * 9, "ratio": [0.95] * 9, "low": [0.3] * 9, "high": [1.8] * 9})
    alone_sure = _judged(rows, 49.0)
    among_ten = _judged(pd.concat([rows, calm], ignore_index=True), 49.0)
    assert alone_sure["verdict"].iloc[0] == "more than expected"
    assert among_ten["verdict"].tolist() == ["cannot tell"] * 10


def _auc(score: pd.Series, lost: pd.Series) -> float:
    """Brute force over all pairs."""
    pairs = [(k > g) + (k == g) / 2 for k in score[lost == 0] for g in score[lost == 1]]
    return float(np.mean(pairs))


def test_the_eight_are_audited() -> None:
    churned = pd.DataFrame({
        "account_id": ["a", "b", "e"], "ended_on": [pd.Timestamp("2026-04-01")] * 3,
        "arr": [10.0, 20, 100], "reason": ["price", None, "product"],
    })  # fmt: skip
    facts = audit_study(book(eight(), churned=churned, history=eight().assign(as_of=T)), replicates=50)
    assert (facts.n_cases, facts.n_lost, facts.base_rate.value) == (8, 3, 0.375)
    assert facts.watermelons["account_id"].tolist() == ["e"]
    assert facts.false_alarms["account_id"].tolist() == ["h"]
    assert facts.reasons["reason"].tolist() == ["product", "not stated", "price"]
    assert facts.zombies["account_id"].tolist() == ["b", "a"]
    assert facts.readiness.set_index("question")["verdict"].to_dict() == {"audit": "care", "fit": "no", "backtest": "no", "forecast": "no"}


@pytest.mark.parametrize("cases", [eight().head(0), eight().assign(lost=np.nan), eight().assign(lost=0.0), eight().assign(lost=1.0)])
def test_nothing_breaks_without_outcomes_or_with_one_kind_only(cases: pd.DataFrame) -> None:
    facts = audit_study(book(cases), replicates=20)
    assert not (facts.readiness["verdict"] == "yes").any()
    assert facts.n_cases == cases["lost"].notna().sum()


def test_missing_says_what_it_needs() -> None:
    facts = audit_study(book(eight().assign(lost=0.0).drop(columns="segment")), replicates=20)
    assert facts.missing["question"].tolist() == [
        "Who leaves?", "Which segment or plan?", "Which features are needed?", "Which onboarding steps count?", "Who looks after whom?",
        "How good is the tool you have?",
    ]  # fmt: skip


def test_groups_leave_out_names_and_ids() -> None:
    cases = pd.concat([eight().assign(account_id=f"{i}", name=f"Company {i}", csm=f"Person {i % 3}") for i in range(12)], ignore_index=True)
    assert set(dimensions(cases, CARD, "renewal")) <= {"segment", "term number", "tenure", "ARR"}
    numbered = dimensions(cases, CARD, "renewal")["term number"]
    assert numbered.value_counts().to_dict() == {"4th and later": 60, "1st": 12, "2nd": 12, "3rd": 12}


def test_zombies_need_age_money_and_silence() -> None:
    cases = eight().assign(seats=0.0)
    assert lists.is_zombie(cases, CARD).all()
    assert not lists.is_zombie(cases.assign(age_days=100.0), CARD).any()
    assert not lists.is_zombie(cases.assign(arr=0.0), CARD).any()
    assert not lists.is_zombie(cases.assign(seats=0.5), CARD).any()


def test_readiness_says_how_much_is_missing() -> None:
    rows = pd.DataFrame({
        "account_id": [str(i) for i in range(100)], "as_of": pd.date_range("2024-01-01", periods=100, freq="7D"),
        "lost": [1.0] * 40 + [0.0] * 60,
    })  # fmt: skip
    table = readiness(rows).set_index("question")
    assert table.loc["fit", "verdict"] == "care"
    assert table.loc["fit", "needs"].startswith("60 more accounts lost")
    assert table.loc["audit", "needs"] == ""
