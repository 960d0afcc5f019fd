"""The fit study on companies whose truth is known, and on companies too small or too odd to say anything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from healthlib import claims_fit, page_fit, plots_fit
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.resample import Estimate
from healthlib.spec import Limit
from healthlib.studies.backtest_bands import BACKTEST_COLUMNS, FLOOR_COLUMNS, LEAD_COLUMNS, backtest_study
from healthlib.studies.fit import WEIGHT_COLUMNS, fit_study

TRUTH = dict(zip("abcdefgh", (60.0, 40.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), strict=True))
WRONG = dict(zip("abcdefgh", (5.0, 5.0, 30.0, 20.0, 10.0, 10.0, 10.0, 10.0), strict=True))


@pytest.fixture(scope="module")
def company():
    cases, truth = simulate_cases(500, 4, weights=TRUTH, churn_rate=0.15, seed=31)
    cases = cases.assign(incumbent=cases["h"] * 7)
    return cases, simulated_scorecard(WRONG), truth


@pytest.fixture(scope="module")
def facts(company):
    cases, card, _ = company
    return fit_study(cases, card, replicates=300)


def leads_of(cases: pd.DataFrame) -> pd.DataFrame:
    gone = cases[cases["lost"] == 1]
    return pd.concat([gone.assign(lead_days=days, ended_on=gone["term_ends"]) for days in (30, 60, 90)], ignore_index=True)


def test_planted_truth_is_found_and_adopted(facts):
    assert facts.recommendation == "adopt"
    assert facts.differences["fitted_minus_current"].low > 0
    assert facts.differences["fitted_minus_equal"].low > 0
    table = facts.weights.set_index("metric")
    assert list(facts.weights.columns) == list(WEIGHT_COLUMNS)
    assert table["fitted"].sum() == pytest.approx(100)
    assert table["recommended"].sum() == 100
    inside = (table["low"] <= pd.Series(TRUTH)) & (pd.Series(TRUTH) <= table["high"])
    assert inside.sum() >= 7
    assert table.loc["a", "recommended"] == pytest.approx(60, abs=15)


def test_the_reported_auc_is_that_of_the_predictions(facts):
    seen = facts.predictions
    for name in ("current", "equal", "fitted", "incumbent"):
        assert facts.auc[name].value == pytest.approx(roc_auc_score(1 - seen["lost"], seen[name]))
        assert facts.arr_auc[name].value == pytest.approx(roc_auc_score(1 - seen["lost"], seen[name], sample_weight=seen["arr"]))
    gain = facts.auc["fitted"].value - facts.auc["current"].value
    assert facts.differences["fitted_minus_current"].value == pytest.approx(gain)


def test_paired_differences_are_surer_than_their_parts(facts):
    def half(found: Estimate) -> float:
        return found.high - found.low

    assert half(facts.differences["fitted_minus_equal"]) < half(facts.auc["fitted"])


def test_same_input_same_seed_same_facts(company, facts):
    cases, card, _ = company
    again = fit_study(cases.sample(frac=1, random_state=1), card, replicates=300)
    pd.testing.assert_frame_equal(again.weights, facts.weights)
    assert again.reason == facts.reason


def test_a_planted_leak_is_left_out_of_everything(company):
    cases, card, _ = company
    leaky = simulated_scorecard({**WRONG, "cancel": 20.0})
    rng = np.random.default_rng(0)
    known = cases.assign(cancel=100.0 * (1 - cases["lost"] * (rng.random(len(cases)) < 0.8)))
    facts = fit_study(known, leaky, replicates=100)
    row = facts.weights.set_index("metric").loc["cancel"]
    assert "cancel" in facts.leaks["metric"].tolist()
    assert row[["equal", "fitted", "recommended"]].tolist() == [0, 0, 0]
    assert row["current"] == pytest.approx(100 / 6)
    assert facts.weights["recommended"].sum() == 100
    clean = fit_study(cases, card, replicates=100)
    assert facts.auc["current"].value == pytest.approx(clean.auc["current"].value)


def test_limits_are_respected_by_fitted_and_recommended(company):
    cases, card, _ = company
    limited = card.model_copy(update={"limits": {"a": Limit(max=35), "relationship": Limit(min=25)}})
    table = fit_study(cases, limited, replicates=100).weights.set_index("metric")
    for column in ("fitted", "recommended"):
        assert table.loc["a", column] <= 35 + 1e-6
        assert table.loc[table["group"] == "relationship", column].sum() >= 25 - 1e-6


def test_backtest_counts_every_tested_case_once(company, facts):
    cases, card, _ = company
    found = backtest_study(cases, leads_of(cases), card, facts, replicates=200)
    assert list(found.table.columns) == list(BACKTEST_COLUMNS)
    totals = found.table.groupby("scorecard")[["accounts", "churned"]].sum()
    assert totals["accounts"].unique().tolist() == [len(facts.predictions)]
    assert totals["churned"].unique().tolist() == [facts.predictions["lost"].sum()]
    all_of_them = found.bands.set_index("band").loc["all"]
    assert all_of_them["churned"] == facts.predictions["lost"].sum()
    assert found.cutoffs == len(facts.folds)
    assert found.misses_count == found.bands.set_index("band").loc["green", "churned"]


def test_scorecards_are_compared_at_about_equal_work(company, facts):
    cases, card, _ = company
    by = backtest_study(cases, leads_of(cases), card, facts, replicates=50).by_scorecard.set_index(["scorecard", "band"])
    for name in ("equal", "fitted", "incumbent"):
        assert by.loc[(name, "red"), "share_of_accounts"] == pytest.approx(by.loc[("current", "red"), "share_of_accounts"], abs=0.06)
    assert by.loc[("fitted", "red"), "share_of_churned_accounts"] > by.loc[("current", "red"), "share_of_churned_accounts"]


def test_lead_time_has_one_denominator_and_counts_the_not_yet_active_as_unscored(company, facts):
    cases, card, _ = company
    leads = leads_of(cases)
    late = leads[(leads["lead_days"] < 90) | (leads.groupby("lead_days").cumcount() >= 10)]
    table = backtest_study(cases, late, card, facts, replicates=50).lead_time
    assert list(table.columns) == list(LEAD_COLUMNS)
    assert table.groupby("lead_days")["accounts_churned"].sum().nunique() == 1
    np.testing.assert_allclose(table.groupby("lead_days")[["share_of_churned_accounts", "share_of_churned_arr"]].sum(), 1)
    unscored = table[table["band"] == "unscored"].set_index("lead_days")["accounts_churned"]
    assert unscored.to_dict() == {30: 0, 60: 0, 90: 10}


def test_floors_are_answered_from_their_intervals(company, facts):
    cases, card, _ = company
    floors = backtest_study(cases, leads_of(cases), card, facts, replicates=50).floors
    assert list(floors.columns) == list(FLOOR_COLUMNS)
    assert set(floors["answer"]) <= {"met", "not_met", "cannot_tell"}
    assert len(floors) == 4


def odd_companies():
    cases, truth = simulate_cases(120, 3, seed=1, missing_share=0.1)
    card = simulated_scorecard(dict.fromkeys(truth.weights, 1.0))
    metrics = list(truth.weights)
    three = cases[(cases["lost"] == 0) | ((cases["lost"] == 1).cumsum() <= 3)]
    return {
        "no outcome yet": (cases.assign(lost=np.nan), card, "No finished outcome"),
        "no case": (cases.iloc[:0], card, "No finished outcome"),
        "nobody lost": (cases[cases["lost"] == 0], card, "15 more lost"),
        "nobody kept": (cases[cases["lost"] == 1], card, "15 more kept"),
        "three churns": (three, card, "12 more lost"),
        "one case": (cases.iloc[:1], card, "15 more lost"),
        "nothing measured": (cases.assign(**dict.fromkeys(metrics, np.nan)), card, "No lost case could be tested"),
        "one account": (cases.assign(account_id="A"), card, "lost case"),
        "one metric": (cases, simulated_scorecard({"depth": 1.0}), "nothing to choose"),
        "one metric never measured": (cases.assign(depth=np.nan), card, "lost case"),
        "one metric constant": (cases.assign(depth=50.0), card, "lost case"),
        "no weights yet": (cases, simulated_scorecard(dict.fromkeys(metrics, 0.0)), "lost case"),
        "no arr": (cases.assign(arr=np.nan), card, "lost case"),
    }  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", list(odd_companies()))
def test_odd_companies_get_facts_and_a_reason_never_an_exception(name):
    cases, card, reason = odd_companies()[name]
    facts = fit_study(cases, card, replicates=60)
    assert facts.recommendation != "adopt"
    assert reason in facts.reason
    assert facts.weights["recommended"].sum() == 100
    assert facts.n_cases == int(cases["lost"].notna().sum())
    found = backtest_study(cases, leads_of(cases), card, facts, replicates=60)
    assert len(found.floors) == 4
    assert (found.reason != "") == facts.folds.empty


def test_lost_accounts_are_counted_once_each_and_the_page_says_so(company, facts):
    seen = facts.predictions
    assert facts.n_lost_accounts == seen.loc[seen["lost"] == 1, "account_id"].nunique() > 0
    assert facts.n_compared == len(seen)
    first = facts.auc["current"]
    assert (first.n, first.events) == (seen["account_id"].nunique(), seen["lost"].sum())
    said = f"{first.n:,.0f} accounts with {len(seen):,} cases, {first.events:,.0f} lost cases of {facts.n_lost_accounts:,} accounts"
    assert said in claims_fit.comparison(facts)
    assert said in page_fit.comparison(facts).html


def test_equal_minus_current_is_on_the_page_and_not_in_the_summary(facts):
    gain = facts.auc["equal"].value - facts.auc["current"].value
    assert facts.equal_minus_current.value == pytest.approx(gain)
    assert facts.equal_minus_current.low < gain < facts.equal_minus_current.high
    learned = {"learned_minus_fitted", "learned_minus_current"}
    assert set(facts.differences) == set(facts.arr_differences) == {"fitted_minus_current", "fitted_minus_equal"} | learned
    assert "equal − current" in page_fit.comparison(facts).html


def left_out(recommendation: str):
    """15, 20 and 20 points stay, 30 and 15 were taken out: 15 of 55 are 27 of 100."""
    table = pd.DataFrame(
        [
            ("a", 15, 33.3, 27, 15, 40),
            ("b", 20, 33.3, 37, 25, 48),
            ("c", 20, 33.4, 36, 25, 48),
            ("d", 30, 0, 0, 0, 0),
            ("e", 15, 0, 0, 0, 0),
        ],
        columns=["metric", "current", "equal", "fitted", "low", "high"],
    )
    table = table.assign(label=table["metric"].str.upper(), group="g", selected_share=1.0, recommended=table["fitted"])
    return SimpleNamespace(weights=table, recommendation=recommendation, n_lost=60)


def test_weights_scaled_up_for_what_was_taken_out_are_no_change_by_outcomes():
    fit: Any = left_out("keep")
    gone = "No change by outcomes: 2 metrics that seem to know the outcome were taken out (45 of 100 points) and the rest scaled up."
    assert claims_fit.staying(fit)["current"].tolist() == pytest.approx([100 * 15 / 55, 100 * 20 / 55, 100 * 20 / 55])
    assert claims_fit.weights(fit).startswith(f"{gone} No weight's 95% interval excludes the weight in use, scaled up: on 60 lost cases")
    title = " ".join(plots_fit.weights(fit).figure.get_suptitle().split())
    assert title == "No change by outcomes: 2 metrics taken out (45 of 100 points), the rest scaled up"
    assert "In use, scaled up" in page_fit.weights(fit).html


def test_moves_are_measured_from_the_weights_scaled_up():
    fit: Any = left_out("insufficient_evidence")
    fit.weights.loc[0, ["fitted", "low", "high"]] = [40.0, 30.0, 50.0]
    assert "Against the rest scaled up, the outcomes put more on A (27 → 40, 95% 30–50)." in claims_fit.weights(fit)
    fit.recommendation = "adopt"
    assert claims_fit.weights(fit).startswith("2 metrics that seem to know the outcome were taken out (45 of 100 points)")
    assert plots_fit.weights(fit).figure.get_suptitle().startswith("1 of 3 weight")


def test_nothing_taken_out_is_not_mentioned(facts):
    assert claims_fit.removed(claims_fit.taken(facts), "keep") == ""
    assert "scaled up" not in claims_fit.weights(facts) + page_fit.weights(facts).html
    pd.testing.assert_frame_equal(claims_fit.staying(facts), facts.weights)
