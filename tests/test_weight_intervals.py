"""One Newton step a replicate against full refits; Fieller's bootstrap against plain percentiles."""

from __future__ import annotations

import numpy as np
import pytest

from healthlib.backtest import problem_of
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.resample import account_weights
from healthlib.weight_intervals import AccountLoss, free_interval, newton_steps, ratio_interval, unbounded, weight_intervals
from healthlib.weights import design, fit


@pytest.fixture(scope="module")
def company():
    cases, truth = simulate_cases(600, 4, seed=21)
    return cases, problem_of(simulated_scorecard(dict.fromkeys(truth.weights, 1.0)), cases)


def test_one_step_is_close_to_refitting_each_replicate(company):
    cases, problem = company
    rows, lost = design(problem, problem.current), cases["lost"].to_numpy()
    codes, counts = account_weights(cases["account_id"], 40, seed=1)
    theta = unbounded(rows, lost)
    steps = newton_steps(AccountLoss(rows, lost, theta, codes), counts)
    refits = np.array([unbounded(rows[at], lost[at]) for at in (np.repeat(np.arange(len(lost)), counts[codes, r]) for r in range(40))])
    one, full = (100 * d[:, 1:] / d[:, 1:].sum(axis=1, keepdims=True) for d in (steps, refits))
    assert np.abs(one - full).mean() < 0.5  # points of 100, where a replicate moves a weight by 5
    assert np.abs(one.std(axis=0) - full.std(axis=0)).max() < 0.3


def test_ratio_interval_is_the_percentile_interval_while_the_sum_is_sure():
    rng = np.random.default_rng(0)
    draws = np.column_stack([np.zeros(4000), rng.normal([1.0, 2.0, 1.0], 0.1, (4000, 3))])
    low, high = ratio_interval(draws)
    shares = draws[:, 1:] / draws[:, 1:].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(low, np.quantile(shares, 0.025, axis=0), atol=0.003)
    np.testing.assert_allclose(high, np.quantile(shares, 0.975, axis=0), atol=0.003)


def test_ratio_interval_is_everything_where_nothing_is_known():
    draws = np.random.default_rng(0).normal(0, 1, (2000, 4))
    low, high = ratio_interval(draws)
    assert (low == 0).all()
    assert (high == 1).all()


def test_repeating_every_row_does_not_narrow_the_intervals(company):
    """Three snapshots with one outcome are one outcome; intervals from rows would be 1.7 times too narrow."""
    cases, problem = company
    one = weight_intervals(problem, cases["lost"], fit(problem, cases["lost"], strength=0.0), *account_weights(cases["account_id"], 200))
    three = np.repeat(np.arange(len(cases)), 3)
    many, lost = problem.rows(three), cases["lost"].to_numpy()[three]
    again = weight_intervals(many, lost, fit(many, lost, strength=0.0), *account_weights(cases["account_id"].to_numpy()[three], 200))
    np.testing.assert_allclose(again.high - again.low, one.high - one.low, atol=0.01)


def test_the_shown_weights_lie_inside_and_too_few_churns_say_nothing(company):
    cases, problem = company
    pulled = fit(problem, cases["lost"], strength=float("inf"))
    accounts = account_weights(cases["account_id"], 200)
    spans = weight_intervals(problem, cases["lost"], pulled, *accounts)
    assert (spans.low <= pulled.weights).all()
    assert (pulled.weights <= spans.high).all()
    assert spans.selected[0] > 0.95  # seats_active, 30 of 100
    few = cases["lost"].to_numpy() * (np.cumsum(cases["lost"]) <= 5)
    nothing = weight_intervals(problem, few, pulled, *accounts)
    assert nothing.low.tolist() == [0.0] * 8
    assert nothing.high.tolist() == [1.0] * 8


def test_a_metric_never_measured_has_the_widest_interval(company):
    cases, _ = company
    card = simulated_scorecard(dict.fromkeys(["seats_active", "depth", "nps"], 1.0))
    problem = problem_of(card, cases.assign(nps=np.nan))
    spans = weight_intervals(problem, cases["lost"], fit(problem, cases["lost"], strength=0.0), *account_weights(cases["account_id"], 100))
    assert (spans.low[2], spans.high[2]) == (0.0, 1.0)


def test_a_metric_that_clearly_points_the_wrong_way_does_not_bend_the_other_intervals():
    """Losses rise with h: the bounded fit gives it nothing, and the rest must be judged as if it were not there."""
    cases, truth = simulate_cases(900, 4, weights={"a": 60.0, "b": 40.0, "c": 20.0, "h": -40.0}, seed=4)
    with_it = problem_of(simulated_scorecard(dict.fromkeys("abch", 1.0)), cases)
    without = problem_of(simulated_scorecard(dict.fromkeys("abc", 1.0)), cases)
    accounts = account_weights(cases["account_id"], 200)
    one, other = (weight_intervals(p, cases["lost"], fit(p, cases["lost"], strength=0.0), *accounts) for p in (with_it, without))
    assert truth.weights["h"] < 0
    assert (one.low[3], one.high[3]) == (0.0, 0.0)
    np.testing.assert_allclose(one.low[:3], other.low, atol=0.005)
    np.testing.assert_allclose(one.high[:3], other.high, atol=0.005)


def test_a_metric_that_never_varies_raises_no_warning() -> None:
    """Its slope is 0 in every replicate; the wrong metric beside it is taken out as if it were not there. A run showed 0/0 to the user."""
    rng = np.random.default_rng(3)
    good, bad = rng.uniform(size=(2, 400))
    lost = (rng.uniform(size=400) < 1 / (1 + np.exp(3 * (good - bad)))).astype(float)
    counts = rng.poisson(1.0, size=(400, 200))
    rows = np.column_stack([np.ones(400), 1 - good, 1 - bad])
    low, high = free_interval(rows, lost, np.arange(400), counts)
    with np.errstate(all="raise"):
        flat = free_interval(np.column_stack([rows, np.zeros(400)]), lost, np.arange(400), counts)
    assert (low[1], high[1]) == (0.0, 0.0)
    assert np.allclose([flat[0][:2], flat[1][:2]], [low, high], atol=1e-9)
