"""Sums in blocks against the design written out; many cases in single precision against the exact fit, scikit-learn and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression

from healthlib import newton, weights
from healthlib.newton import Sums
from healthlib.spec import Limit
from healthlib.stats import logistic
from healthlib.weights import Problem, cone, design, fit, own_score, path

NAMES = tuple("abcdefgh")


def drawn(count: int, gaps: float, seed: int = 0) -> tuple[Problem, np.ndarray]:
    """Cases with known weights, three of them 0; correlated metrics; an ever emptier tail of cases."""
    rng = np.random.default_rng(seed)
    scores = np.clip(0.5 + 0.25 * (0.6 * rng.standard_normal((count, 1)) + 0.8 * rng.standard_normal((count, 8))), 0, 1)
    truth = np.array([3.0, 2.0, 1.0, 0.6, 0.3, 0.0, 0.0, 0.0])
    lost = (rng.random(count) < logistic(1.2 - scores @ truth)).astype(float)
    scores[rng.random(scores.shape) < gaps] = np.nan
    if gaps:
        scores[-20:, 1:] = np.nan
        scores[-3:] = np.nan
    return Problem(NAMES, np.asfortranarray(scores), np.full(8, 1 / 8), np.eye(8)), lost


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_sums_equal_the_design_written_out(gaps, monkeypatch):
    monkeypatch.setattr(newton, "BLOCK", 64)
    problem, lost = drawn(1000, gaps)
    w = np.random.default_rng(1).random(1000)
    sums = Sums(problem.scores, problem.current, lost, w)
    thetas = np.random.default_rng(2).random((3, 9)) * [1, *[3] * 8]
    thetas[0, 1:] = np.r_[1.0, np.zeros(7)]  # most cases with gaps have nothing of that weight
    for theta, together in zip(thetas, sums.gradients(thetas), strict=True):
        share = theta[1:] / theta[1:].sum()
        rows = design(problem, share)
        eta = theta[0] - theta[1:].sum() * own_score(problem, share)
        p = logistic(eta)
        assert sums.value(theta) == pytest.approx(w @ (np.logaddexp(0, eta) - lost * eta), rel=1e-12)
        gradient, hessian = sums.slope(theta)
        np.testing.assert_allclose(gradient, rows.T @ (w * (p - lost)), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(hessian, rows.T @ (rows * (w * p * (1 - p))[:, None]), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(together, gradient, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sums.own(problem.current), own_score(problem, problem.current), rtol=1e-12)


@pytest.fixture(scope="module")
def many():
    return {gaps: drawn(130_000, gaps) for gaps in (0.0, 0.2)}


@pytest.mark.parametrize("gaps", [0.0, 0.2])
@pytest.mark.parametrize("strength", [0.0, 30.0, 300.0, float("inf")])
def test_weights_of_many_cases_are_within_five_thousandths_of_a_point(many, gaps, strength, monkeypatch):
    problem, lost = many[gaps]
    quick = fit(problem, lost, strength=strength)
    monkeypatch.setattr(weights, "LARGE", 10**9)
    exact = fit(problem, lost, strength=strength)
    assert 100 * np.abs(quick.weights - exact.weights).max() < 0.005
    assert np.abs(quick.slopes - exact.slopes).max() < 1e-3


def test_limits_hold_and_case_weights_count_with_many_cases_too(many, monkeypatch):
    from healthlib.demo import simulated_scorecard

    problem, lost = many[0.2]
    card = simulated_scorecard(dict.fromkeys(NAMES, 1.0))
    card = card.model_copy(update={"limits": {"a": Limit(max=20), "relationship": Limit(min=30)}})
    limited = Problem(NAMES, problem.scores, problem.current, cone(card, NAMES))
    worth = np.random.default_rng(4).lognormal(0, 1, len(lost))
    quick = fit(limited, lost, strength=3.0, case_weight=worth)
    assert quick.weights[0] == pytest.approx(0.2, abs=1e-5)
    monkeypatch.setattr(weights, "LARGE", 10**9)
    exact = fit(limited, lost, strength=3.0, case_weight=worth)
    assert 100 * np.abs(quick.weights - exact.weights).max() < 0.005


def test_where_no_bound_binds_many_cases_agree_with_scikit_learn_and_statsmodels(many):
    problem, lost = many[0.0]
    five = Problem(NAMES[:5], problem.scores[:, :5], np.full(5, 0.2), np.eye(5))
    ours = fit(five, lost, strength=0.0).weights
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(-five.scores, lost).coef_[0]
    model = sm.Logit(lost, sm.add_constant(-five.scores)).fit(disp=0, tol=1e-12).params[1:]
    assert (model > 0).all()
    for other in (theirs, model):
        assert 100 * np.abs(ours - other / other.sum()).max() < 0.005


@pytest.mark.parametrize("count", [25_000, 60_000])
def test_a_path_of_many_cases_is_within_a_hundredth_of_a_point_of_the_fits(count):
    problem, lost = drawn(count, 0.2, seed=7)
    for one in path(problem, lost):
        exact = fit(problem, lost, strength=one.strength)
        assert 100 * np.abs(one.weights - exact.weights).max() < 0.01


def test_many_cases_of_one_class_or_in_hopeless_order_still_end(many):
    problem, lost = many[0.0]
    assert fit(problem, np.zeros(len(lost)), strength=1.0).slopes.sum() == 0
    wrong = fit(problem, 1 - lost, strength=1.0)  # every metric points the wrong way
    np.testing.assert_allclose(wrong.weights, problem.current)
    few = np.zeros(len(lost))
    few[np.argsort(problem.scores[:, 0])[:40]] = 1  # forty lost, all of them lowest in one metric: separated
    found = fit(problem, few, strength=0.0)
    assert np.isfinite(found.slopes).all()
    assert found.weights[0] > 0.6
