"""Shared weights, outcomes in effect, the arithmetic of more, and fits at the edge: separated, constant, all zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_evidence, page_evidence, plots_evidence
from healthlib.backtest import problem_of
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.resample import Estimate, account_weights
from healthlib.studies.evidence import MUCH_MISSING, evidence_study
from healthlib.studies.fit import fit_study
from healthlib.studies.outlook import settling
from healthlib.studies.verdict import WORTH
from healthlib.studies.whole_procedure import whole_procedure
from healthlib.weight_intervals import weight_intervals
from healthlib.weights import Problem, fit

EIGHT = {"a": 30.0, "b": 20.0, "c": 20.0, "d": 15.0, "e": 10.0, "f": 5.0, "g": 0.0, "h": 0.0}
CARD = simulated_scorecard(dict.fromkeys(EIGHT, 1.0))
FITTED = pd.DataFrame({
    "metric": list(EIGHT), "group": "g", "label": list(EIGHT), "current": 12.5, "equal": 12.5, "fitted": 12.5, "low": 0.0, "high": 100.0,
    "selected_share": 1.0, "recommended": 12,
})  # fmt: skip
NO_FIT = fit_study(simulate_cases(n_accounts=20, weights=EIGHT)[0].head(0), CARD)


def found(cases, card=CARD):
    """The evidence of a fit whose comparison is not asked for: a plain stand-in for the slow study."""
    return evidence_study(cases, card, replace(NO_FIT, weights=FITTED, n_lost=int(cases["lost"].sum())), replicates=200)


def copied(seed: int, noise: float, names: str = "h", n_accounts: int = 170) -> pd.DataFrame:
    """Companies in which `names` are copies of `a`, give or take `noise` points."""
    cases, _ = simulate_cases(n_accounts=n_accounts, weights=EIGHT, seed=seed)
    rng = np.random.default_rng(seed)
    return cases.assign(**{name: (cases["a"] + rng.normal(0, noise, len(cases))).clip(0, 100) for name in names})


@pytest.mark.parametrize(("noise", "names"), [(0.0, "h"), (5.0, "h"), (5.0, "gh")])
def test_copies_are_found_and_their_joint_weight_covers_the_truth(noise, names):
    """Five companies of 60 lost each; 40 of 40 in a longer look. The copies are worth 30 points together, whatever is split among them."""
    rows = [found(copied(seed, noise, names)).shared for seed in range(5)]
    assert [list(one["members"]) for one in rows] == [[("a", *names)]] * 5
    assert np.mean([one["low"].iloc[0] <= 30 <= one["high"].iloc[0] for one in rows]) >= 0.8


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.7])
def test_metrics_that_merely_go_together_share_nothing(correlation):
    cases = [simulate_cases(n_accounts=170, weights=EIGHT, seed=seed, correlation=correlation)[0] for seed in range(4)]
    assert sum(len(found(one).shared) for one in cases) == 0


def test_outcomes_count_accounts_and_what_they_weigh():
    """By hand: A lost twice with 10 each, B once with 20: equal weights, 2 in effect; C kept with 40: (20+20+40)^2 / (400+400+1600)."""
    day = pd.Timestamp("2024-01-01")
    cases = pd.DataFrame({
        "account_id": list("AABC"), "as_of": pd.to_datetime([day] * 4), "arr": [10.0, 10.0, 20.0, 40.0], "lost": [1.0, 1.0, 1.0, 0.0],
        "horizon_ends_on": day,
    }).assign(**dict.fromkeys(EIGHT, 50.0))  # fmt: skip
    table = found(cases).outcomes
    assert table["all"].tolist() == [4, 3, pytest.approx(6400 / 2400)]
    assert table["lost"].tolist() == [3, 2, 2.0]
    assert "2 lost accounts, not 4 cases, nor the 3 lost cases they appear in" in claims_evidence.outcomes(found(cases))


def test_the_range_of_lost_cases_reaches_table_sentence_and_picture():
    gains = {
        "fitted_minus_current": Estimate(0.012, -0.018, 0.042, 500, 100), "fitted_minus_equal": Estimate(0.03, 0.01, 0.05, 500, 100),
    }  # fmt: skip
    cases, _ = simulate_cases(n_accounts=60, weights=EIGHT, seed=1)
    fit_facts = replace(NO_FIT, weights=FITTED, n_lost=100, n_accounts=500, differences=gains, arr_differences={})
    facts = evidence_study(cases, CARD, fit_facts, replicates=50)
    row = facts.settle.set_index("name").loc["fitted_minus_current"]
    ahead = settling(gains["fitted_minus_current"], 0.0, WORTH)
    assert (row["even"], row["likely"]) == (ahead.even, ahead.likely)
    assert row["likely_years"] == pytest.approx(ahead.likely / facts.pace)
    told = claims_evidence.settle(facts)
    assert "with an even chance" in told
    assert "That fitted weights beat equal ones is settled by 100 lost cases" in told
    assert facts.settle.set_index("name").loc["fitted_minus_equal", "likely"] == 0
    assert "at the present pace" in told
    assert plots_evidence.settle(facts) is not None
    assert "settled" in page_evidence.settle(facts).html


@pytest.mark.parametrize(("share", "warned"), [(0.3, True), (0.0, False)])
def test_much_missing_is_warned_of_on_the_page(share, warned):
    """60 lost with 30 % missing: intervals hold 90.3 %, study/weights_study.md."""
    cases, _ = simulate_cases(n_accounts=170, weights=EIGHT, churn_rate=0.1, missing_share=share, seed=1)
    facts = found(cases)
    assert (facts.missing > MUCH_MISSING) == warned
    assert ("read these as somewhat too narrow" in page_evidence.settle(facts).html) == warned


def test_no_outcomes_is_a_sentence():
    cases = simulate_cases(n_accounts=20)[0].head(0)
    card = simulated_scorecard({"seats_active": 50.0, "depth": 50.0})
    facts = evidence_study(cases, card, fit_study(cases, card))
    assert claims_evidence.outcomes(facts) == "There is no finished case yet."
    assert "cannot be said" in claims_evidence.settle(facts)
    assert "nothing to show" in page_evidence.settle(facts).html
    assert plots_evidence.settle(facts) is not None


def plain(scores, names) -> Problem:
    """Equal weights in use, no limits but at zero."""
    size = len(names)
    return Problem(tuple(names), np.asarray(scores, dtype=float), np.full(size, 1 / size), np.eye(size))


def test_perfectly_separated_outcomes_give_finite_weights_on_what_separates():
    x = np.column_stack([np.r_[np.zeros(30), np.ones(30)], np.tile([0.2, 0.8], 30)])
    lost = np.r_[np.ones(30), np.zeros(30)]
    one = fit(plain(x, "ab"), lost, strength=0.0)
    assert np.isfinite(one.slopes).all()
    assert one.weights[0] > 0.95
    spans = weight_intervals(plain(x, "ab"), lost, one, *account_weights(np.arange(60), 200))
    assert np.isfinite([spans.low, spans.high]).all()
    assert (spans.low <= one.weights).all()
    assert (one.weights <= spans.high).all()


def test_a_constant_metric_says_nothing_and_breaks_nothing():
    cases, _ = simulate_cases(n_accounts=170, weights=EIGHT, seed=3)
    problem = problem_of(CARD, cases.assign(h=50.0))
    spans = weight_intervals(problem, cases["lost"], fit(problem, cases["lost"], strength=0.0), *account_weights(cases["account_id"], 200))
    assert np.isfinite([spans.low, spans.high]).all()
    assert found(cases.assign(h=50.0, g=50.0)).shared.empty


def test_where_every_metric_points_the_wrong_way_the_weights_in_use_stay():
    x = np.column_stack([np.r_[np.ones(30), np.zeros(30)]] * 2)
    x[::7, 1] = 0.5
    one = fit(plain(x, "ab"), np.r_[np.ones(30), np.zeros(30)], strength=0.0)
    np.testing.assert_allclose(one.slopes, 0, atol=1e-9)
    assert one.weights.tolist() == [0.5, 0.5]


def test_the_whole_procedure_is_the_fit_and_holds_it_within_its_interval():
    cases, _ = simulate_cases(n_accounts=120, weights=EIGHT, seed=1)
    table = whole_procedure(cases, CARD, replicates=12)
    again = whole_procedure(cases.sample(frac=1, random_state=0), CARD, replicates=12)
    assert table["fitted"].sum() == pytest.approx(100)
    assert table["replicates"].eq(12).all()
    assert (table["low"] <= table["high"]).all()
    np.testing.assert_allclose(table["fitted"], again["fitted"], atol=0.05)
