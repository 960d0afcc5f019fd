"""Golden numbers: R's `glm(am ~ wt, binomial, mtcars)`: 12.040, -4.024; statsmodels Logit; scipy's SLSQP for limits that bind."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize, nnls

from healthlib import weights
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.spec import Limit
from healthlib.weights import Problem, candidates, cone, current_weights, design, fit, path, respread, smallest, whole

MTCARS_WT = (
    2.62, 2.875, 2.32, 3.215, 3.44, 3.46, 3.57, 3.19, 3.15, 3.44, 3.44, 4.07, 3.73, 3.78, 5.25, 5.424, 5.345, 2.2, 1.615, 1.835, 2.465,
    3.52, 3.435, 3.84, 3.845, 1.935, 2.14, 1.513, 3.17, 2.77, 3.57, 2.78,
)  # fmt: skip
MTCARS_AM = (1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1)


@pytest.fixture
def no_ridge(monkeypatch):
    monkeypatch.setattr(weights, "RIDGE", 0.0)


def problem(cases, card):
    names = candidates(card)
    return Problem(names, cases[list(names)].to_numpy() / 100, current_weights(card, names), cone(card, names))


@pytest.fixture(scope="module")
def company():
    cases, truth = simulate_cases(400, 4, seed=11)
    return cases, simulated_scorecard(dict.fromkeys(truth.weights, 1.0)), truth


def test_one_metric_equals_r_glm(no_ridge):
    one = Problem(("wt",), np.array(MTCARS_WT)[:, None], np.ones(1), np.eye(1))
    found = fit(one, MTCARS_AM, strength=0.0)
    assert (found.intercept, -found.slopes[0]) == pytest.approx((12.040, -4.024), abs=5e-4)


def test_where_no_bound_binds_it_is_statsmodels_logit(no_ridge, company):
    cases, card, _ = company
    given = problem(cases, card)
    six = Problem(given.names[:6], given.scores[:, :6], np.full(6, 1 / 6), np.eye(6))
    found = fit(six, cases["lost"], strength=0.0)
    theirs = sm.Logit(cases["lost"], sm.add_constant(-six.scores)).fit(disp=0, tol=1e-12).params.to_numpy()
    assert (theirs[1:] > 0).all()
    np.testing.assert_allclose(np.r_[found.intercept, found.slopes], theirs, atol=1e-6)
    np.testing.assert_allclose(found.weights, theirs[1:] / theirs[1:].sum(), atol=1e-6)


def test_bounds_and_limits_that_bind_equal_slsqp(company):
    cases, card, _ = company
    card = card.model_copy(update={"limits": {"seats_active": Limit(max=15), "relationship": Limit(min=40, max=60), "depth": Limit(min=5)}})
    given, lost = problem(cases, card), cases["lost"].to_numpy()
    found = fit(given, lost, strength=0.0)

    def loss(theta):
        eta = theta[0] - given.scores @ theta[1:]
        return np.logaddexp(0, eta).sum() - lost @ eta + weights.RIDGE * theta[1:] @ theta[1:] / 2

    best = minimize(
        loss, np.r_[0.0, np.ones(8)], method="SLSQP", options={"maxiter": 500, "ftol": 1e-12},
        constraints={"type": "ineq", "fun": lambda theta: given.cone @ theta[1:]},
    )  # fmt: skip
    assert loss(np.r_[found.intercept, found.slopes]) <= best.fun + 1e-6
    np.testing.assert_allclose(found.weights, best.x[1:] / best.x[1:].sum(), atol=2e-3)
    points = dict(zip(given.names, 100 * found.weights, strict=True))
    assert points["seats_active"] == pytest.approx(15)  # it wants more
    assert 40 - 1e-6 <= sum(points[name] for name in given.names if card.metrics[name].group == "relationship") <= 60 + 1e-6


def test_infinite_strength_is_the_current_weights_and_less_moves_away_steadily(company):
    cases, card, _ = company
    given = problem(cases, card)
    fits = path(given, cases["lost"])
    np.testing.assert_array_equal(fits[0].weights, given.current)
    away = [np.abs(one.weights - given.current).sum() for one in fits]
    assert away == sorted(away)
    assert away[-1] > 0.3


def test_path_stops_early_by_less_than_a_hundredth_of_a_point(company):
    cases, card, _ = company
    given = problem(cases, card)
    for rough in path(given, cases["lost"]):
        exact = fit(given, cases["lost"], strength=rough.strength)
        assert np.abs(100 * (rough.weights - exact.weights)).max() < 0.01


def test_case_weight_two_is_the_row_twice(company):
    cases, card, _ = company
    some = cases.iloc[:500]
    twice = some.iloc[np.r_[np.arange(500), np.arange(200)]]
    weighted = fit(problem(some, card), some["lost"], strength=3.0, case_weight=np.r_[np.full(200, 2.0), np.ones(300)])
    np.testing.assert_allclose(weighted.weights, fit(problem(twice, card), twice["lost"], strength=3.0).weights, atol=1e-7)


def test_with_gaps_the_linear_predictor_is_the_score_as_the_scorecard_computes_it(company):
    _, card, _ = company
    gappy, _ = simulate_cases(100, 4, seed=2, missing_share=0.3)
    given = problem(gappy, card)
    found = fit(given, gappy["lost"], strength=1.0)
    theta = np.r_[found.intercept, found.slopes]
    by_rows = design(given, found.weights) @ theta
    by_score = found.intercept - found.slopes.sum() * respread(given.scores, found.weights)
    measured = np.isfinite(given.scores) @ found.weights > weights.LEAST_COVERAGE
    np.testing.assert_allclose(by_rows[measured], by_score[measured], atol=1e-9)


def test_with_gaps_it_is_the_maximum_of_the_likelihood_of_the_score(company):
    _, card, _ = company
    gappy, _ = simulate_cases(300, 4, seed=3, missing_share=0.2)
    given, lost = problem(gappy, card), gappy["lost"].to_numpy()

    def loss(theta):
        share = theta[1:] / theta[1:].sum()
        eta = theta[0] - theta[1:].sum() * weights.own_score(given, share)
        return np.logaddexp(0, eta).sum() - lost @ eta + weights.RIDGE * theta[1:] @ theta[1:] / 2

    found = fit(given, lost, strength=0.0)
    theta = np.r_[found.intercept, found.slopes]
    for j in range(9):
        for step in (-0.02, 0.02):
            moved = theta.copy()
            moved[j] = moved[j] + step if j == 0 else max(moved[j] + step, 0.0)
            assert loss(moved) >= loss(theta) - 2e-3


def test_separated_outcomes_give_finite_slopes():
    scores = np.linspace(0, 1, 40)[:, None]
    found = fit(Problem(("a",), scores, np.ones(1), np.eye(1)), scores[:, 0] < 0.5, strength=0.0)
    assert 10 < found.slopes[0] < 200


def test_metrics_that_point_the_wrong_way_leave_the_current_weights():
    rng = np.random.default_rng(0)
    scores = rng.random((200, 3))
    lost = rng.random(200) < scores.mean(axis=1) ** 2
    given = Problem(("a", "b", "c"), scores, np.array([0.5, 0.3, 0.2]), np.eye(3))
    found = fit(given, lost, strength=1.0)
    assert found.slopes.sum() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found.weights, given.current)


def test_smallest_is_the_exact_projection_on_the_cone():
    rng = np.random.default_rng(1)
    for _ in range(20):
        square = rng.normal(size=(6, 4))
        hessian, target, allowed = square.T @ square + np.eye(4), rng.normal(size=4), np.vstack([np.eye(4), rng.normal(size=(2, 4)) + 0.5])
        theta = smallest(hessian, target, allowed)
        slack, force = allowed @ theta, hessian @ theta - target
        assert (slack > -1e-9).all()
        binding = allowed[slack < 1e-9].T
        distance = nnls(binding, force)[1] if binding.size else np.abs(force).max()
        assert distance < 1e-7  # Karush-Kuhn-Tucker: the force at the optimum is held by binding rows alone


def test_whole_weights_sum_to_100_and_keep_every_limit():
    rng = np.random.default_rng(2)
    card = simulated_scorecard(dict.fromkeys("abcdefgh", 1.0))
    limits = {"a": Limit(max=15), "adoption": Limit(min=20, max=40), "engagement": Limit(min=30), "h": Limit(min=7)}
    card = card.model_copy(update={"limits": limits})
    for _ in range(200):
        raw = rng.dirichlet(np.ones(8))
        inside = smallest(np.eye(8), raw, cone(card, list(card.metrics)))
        points = dict(zip(card.metrics, 100 * inside / inside.sum(), strict=True))
        rounded = whole(points, card)
        assert sum(rounded.values()) == 100
        assert all(abs(rounded[name] - points[name]) < 1 + 1e-6 for name in points)
        for key, limit in limits.items():
            total = sum(rounded[name] for name, metric in card.metrics.items() if key in (name, metric.group))
            assert limit.min <= total <= limit.max
