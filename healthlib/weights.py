"""Non-negative weights fitted to outcomes, pulled towards those in use, inside what the analyst allows.

The model is logit P(lost) = a - B s, with s the score / 100 as the scorecard computes it: sum w_j x_j, the weight of missing metrics
spread over the measured ones. With nothing missing it is a logistic regression on the metric scores with slopes b_j = B w_j >= 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from healthlib.newton import LEAST_COVERAGE, Sums
from healthlib.spec import Limit, Scorecard
from healthlib.stats import logistic, logit

Array = NDArray[np.float64]

STRENGTHS = (float("inf"), 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.0)
"""Strengths of the pull towards the current weights, strongest first; infinity is the current weights themselves."""

RIDGE = 0.02
"""A trace of ridge on b, so that separated outcomes give large and not infinite slopes (0.02 is a prior standard deviation of 7)."""

MOST_STEPS = 60

LARGE = 100_000
"""Up to so many cases a fit is exact to many digits; beyond, sums are in single precision and weights within 0.005 points of 100."""

MANY = 20_000
"""From so many cases on a path does the same, and its strengths share their passes."""

SAMPLE = 50_000
"""So many of them say where to begin."""

ROUGH = 1e-4
"""What a path asks of each of its fits: slopes to four digits."""

NEAR = 1e-5
"""Of many cases: how far from its end a fit may stop, as a share of the largest parameter."""

MOST_PASSES = 12


@dataclass(frozen=True)
class Problem:
    """What a fit may use and how far it may go.

    Attributes
    ----------
    names : metrics, in the order of the columns of `scores`
    scores : metric scores / 100, cases x metrics, NaN where not measured
    current : the weights in use, summing to 1
    cone : rows g with g @ b >= 0 for every allowed b: non-negativity and the analyst's limits
    """

    names: tuple[str, ...]
    scores: Array
    current: Array
    cone: Array

    def rows(self, keep: ArrayLike | slice) -> Problem:
        """The same problem on some of its cases."""
        return Problem(self.names, self.scores[keep if isinstance(keep, slice) else np.asarray(keep)], self.current, self.cone)


@dataclass(frozen=True)
class Fit:
    """A fitted model: logit P(lost) = intercept - sum slopes x scores; `weights` sum to 1."""

    intercept: float
    slopes: Array
    weights: Array
    strength: float

    def probability(self, scores: Array) -> Array:
        """P(lost) of cases given as metric scores / 100; NaN where nothing with a weight was measured."""
        return logistic(self.intercept - self.slopes.sum() * respread(scores, self.weights))


def candidates(scorecard: Scorecard, without: Sequence[str] = ()) -> tuple[str, ...]:
    """Metrics a fit may weigh: those scored today (all, where no metric has a weight yet), less those named in `without`."""
    scored = [name for name, metric in scorecard.metrics.items() if metric.weight > 0 or any(p.weight for p in metric.profiles)]
    return tuple(name for name in (scored or scorecard.metrics) if name not in without)


def current_weights(scorecard: Scorecard, names: Sequence[str]) -> Array:
    """The weights in use over `names`, scaled to sum to 1; equal ones where all are 0."""
    given = np.array([scorecard.metrics[name].weight for name in names], dtype=float)
    return given / given.sum() if given.sum() > 0 else np.full(len(names), 1 / max(len(names), 1))


def cone(scorecard: Scorecard, names: Sequence[str]) -> Array:
    """Non-negativity and the scorecard's limits on metrics and groups, as rows g with g @ b >= 0.

    A share of at least m points is sum_members b - m/100 sum b >= 0: limits on weights are linear in b whatever its scale.
    """
    rows = [np.eye(len(names))]
    for members, limit in limit_spans(scorecard, names):
        if limit.min > 0 and members.any():
            rows.append((members - limit.min / 100)[None])
        if limit.max < 100 and not members.all():
            rows.append((limit.max / 100 - members)[None])
    return np.vstack(rows)


def limit_spans(scorecard: Scorecard, names: Sequence[str]) -> list[tuple[Array, Limit]]:
    """Each limit of the scorecard with the 0/1 vector of the `names` it spans: one metric, or the metrics of a group."""
    group = {name: scorecard.metrics[name].group if name in scorecard.metrics else "" for name in names}
    return [(np.array([key in (name, group[name]) for name in names], dtype=float), limit) for key, limit in scorecard.limits.items()]


def respread(scores: Array, weights: Array) -> Array:
    """The score / 100 under `weights`, each case's missing weight spread over what was measured; NaN where that is nothing.

    >>> respread(np.array([[1.0, 0.0], [1.0, np.nan]]), np.array([0.25, 0.75])).tolist()
    [0.25, 1.0]
    """
    measured = np.isfinite(scores)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.where(measured, scores, 0.0) @ weights) / (measured @ weights)


def own_score(problem: Problem, weights: Array) -> Array:
    """`respread`, with the score under the current weights (else 1/2) for a case of which nothing with a weight was measured."""
    own = respread(problem.scores, weights)
    if np.isfinite(own).all():
        return own
    own = np.where(np.isfinite(own), own, respread(problem.scores, problem.current))
    return np.where(np.isfinite(own), own, 0.5)


def design(problem: Problem, weights: Array) -> Array:
    """Rows (1, -dS/db) with S = sum b x score the slope side of the linear predictor: how it moves with intercept and slopes.

    dS/db_j = s + measured_j (x_j - s) / coverage, s the case's own score: x_j itself where all is measured; a measured metric also stands
    in for the missing ones. S is homogeneous in b, so rows @ theta is the linear predictor itself.
    """
    measured = np.isfinite(problem.scores)
    if measured.all():
        return np.column_stack([np.ones(len(measured)), -problem.scores])
    own = own_score(problem, weights)[:, None]
    coverage = np.maximum(measured @ weights, LEAST_COVERAGE)[:, None]
    moved = own + np.where(measured, problem.scores - own, 0.0) / coverage
    return np.column_stack([np.ones(len(moved)), -moved])


def smallest(hessian: Array, target: Array, allowed: Array) -> Array:
    """The theta with allowed @ theta >= 0 that minimises theta' H theta / 2 - target' theta, exactly.

    By duality it is H^-1 (target + G'u) for the u >= 0 that makes its H-norm least: one non-negative least squares problem.
    Lawson & Hanson (1974), chapter 23.

    >>> smallest(np.eye(2), np.array([1.0, -1.0]), np.eye(2)).tolist()
    [1.0, 0.0]
    """
    from scipy.optimize import nnls

    inverse = np.linalg.inv(np.linalg.cholesky(hessian))
    right, sides = inverse @ target, inverse @ allowed.T
    multipliers, _ = nnls(sides, -right, maxiter=50 * max(len(allowed), 1))
    theta = inverse.T @ (right + sides @ multipliers)
    return np.where(np.abs(theta) < 1e-12 * np.abs(theta).max(), 0.0, theta)


def fit(
    problem: Problem,
    lost: ArrayLike,
    *,
    strength: float,
    case_weight: ArrayLike | None = None,
    start: Fit | None = None,
    tolerance: float = 1e-8,
) -> Fit:
    """Weights of largest penalised likelihood among those allowed.

    Minimises -log L + strength/2 b'(I - ww'/w'w) b with w the current weights: the scale of b is free, only its direction is
    pulled, so that infinite strength gives exactly the current weights. Gauss-Newton steps (Newton where nothing is missing), each a
    quadratic problem solved exactly under the limits.

    Parameters
    ----------
    lost : 1 lost, 0 kept, per case of `problem`
    strength : of the pull, in units of log likelihood
    start : where to begin; changes the time, not the result
    tolerance : stop once no parameter moves by more than this share of the largest

    Returns
    -------
    Fit; the current weights where the outcomes leave every slope at zero. A case without any score teaches nothing.
    """
    sums = _sums(problem, lost, case_weight)
    if not 0 < sums.w @ sums.y < sums.w.sum():
        share = sums.w @ sums.y / sums.w.sum() if sums.w.sum() else 0.5
        return Fit(float(logit(share)), np.zeros(len(problem.names)), problem.current, strength)
    if np.isinf(strength):
        return _along_current(problem, sums, tolerance)
    theta = np.r_[logit(sums.w @ sums.y / sums.w.sum()), np.zeros(len(problem.names))]
    if start is not None:
        theta = np.r_[start.intercept, start.slopes]
    return _as_fit(problem, _minimise(sums, [_penalty(problem, sums, strength)], problem.cone, theta, tolerance)[0], strength)


def _sums(problem: Problem, lost: ArrayLike, case_weight: ArrayLike | None) -> Sums:
    """The cases of a fit; one of which nothing was measured weighs nothing."""
    known = np.isfinite(problem.scores).any(axis=1)
    w = known.astype(float) if case_weight is None else np.where(known, np.asarray(case_weight, dtype=float), 0.0)
    return Sums(problem.scores, problem.current, np.where(known, np.asarray(lost, dtype=float), 0.0), w)


def _penalty(problem: Problem, sums: Sums, strength: float) -> Array:
    """The pull, a trace of ridge, and a trace of a trace on the intercept."""
    pull = np.eye(len(problem.names)) - np.outer(problem.current, problem.current) / (problem.current @ problem.current)
    penalty = np.pad(strength * pull + RIDGE * np.eye(len(problem.names)), (1, 0))
    penalty[0, 0] = 1e-8 * sums.w.sum()
    return penalty


def _as_fit(problem: Problem, theta: Array, strength: float) -> Fit:
    slopes = np.maximum(theta[1:], 0.0)
    total = slopes.sum()
    return Fit(float(theta[0]), slopes, slopes / total if total > 1e-9 else problem.current, strength)


def _along_current(problem: Problem, sums: Sums, tolerance: float) -> Fit:
    """The current weights with the intercept and scale that fit best."""
    line = Problem(("score",), sums.own(problem.current)[:, None], np.ones(1), np.eye(1))
    found = fit(line, sums.y, strength=0.0, case_weight=sums.w, tolerance=tolerance)
    return Fit(found.intercept, found.slopes[0] * problem.current, problem.current, float("inf"))


def _minimise(sums: Sums, penalties: list[Array], cone: Array, theta: Array, tolerance: float) -> list[Array]:
    """The best parameters under each penalty: by Newton steps; of many cases by a sample first and then a few passes over all of them."""
    allowed = np.pad(cone, ((0, 0), (1, 0)))
    if len(sums.y) <= (LARGE if tolerance < ROUGH else MANY):
        found: list[Array] = []
        for penalty in penalties:
            found.append(_newton(sums, penalty, allowed, found[-1] if found else theta, tolerance))
        return found
    chance = np.random.default_rng(0)
    some = sums if len(sums.y) <= SAMPLE else sums.some(np.sort(chance.choice(len(sums.y), SAMPLE, replace=False)))
    if not 0 < some.w @ some.y < some.w.sum():
        return [_newton(sums, penalty, allowed, theta, tolerance) for penalty in penalties]
    middle = penalties[len(penalties) // 2] * (some.w.sum() / sums.w.sum())
    return _settle(sums, penalties, allowed, _newton(some, middle, allowed, theta, 1e-3))


def _settle(sums: Sums, penalties: list[Array], allowed: Array, theta: Array) -> list[Array]:
    """From a good start: one pass for gradient and Hessian, then passes for the gradients under all penalties at once.

    A step with a Hessian from nearby shrinks the distance by a steady factor, so what is left after it is the step times that factor.
    Whatever does not shrink so, or ends too far off, is left to `_newton`.
    """
    fast = Sums(sums.scores, sums.current, sums.y, sums.w, np.float32)
    gradient, hessian = fast.slope(theta)
    found = np.array([smallest(hessian + penalty, hessian @ theta - gradient, allowed) for penalty in penalties])
    moved, left = np.abs(found - theta).max(axis=1), np.full(len(penalties), np.inf)
    for _ in range(MOST_PASSES):
        open_ = np.flatnonzero(left > NEAR * (1 + np.abs(found).max(axis=1)))
        if not len(open_):
            break
        slopes = fast.gradients(found[open_])
        for k, slope in zip(open_, slopes, strict=True):
            after = smallest(hessian + penalties[k], hessian @ found[k] - slope, allowed)
            step = np.abs(after - found[k]).max()
            share = step / max(moved[k], 1e-12)
            found[k], moved[k], left[k] = after, step, step * share / (1 - share) if share < 0.9 else np.inf
    far = left > NEAR * (1 + np.abs(found).max(axis=1))
    return [_newton(sums, penalties[k], allowed, found[k], 1e-5) if far[k] else found[k] for k in range(len(penalties))]


def _newton(sums: Sums, penalty: Array, allowed: Array, theta: Array, tolerance: float) -> Array:
    """Newton steps, each cut back until it does not climb."""

    def objective(at: Array) -> float:
        return sums.value(at) + float(at @ penalty @ at) / 2

    value = objective(theta)
    for _ in range(MOST_STEPS):
        gradient, hessian = sums.slope(theta)
        step = smallest(hessian + penalty, hessian @ theta - gradient, allowed) - theta
        share, after = 1.0, objective(theta + step)
        while after > value + 1e-9 * abs(value) and share > 1e-3:
            share /= 2
            after = objective(theta + share * step)
        theta, value = theta + share * step, after
        if share * np.abs(step).max() < tolerance * (1 + np.abs(theta).max()):
            break
    return theta


def path(problem: Problem, lost: ArrayLike, *, strengths: Sequence[float] = STRENGTHS, starts: Sequence[Fit] = ()) -> list[Fit]:
    """`fit` at each strength, each starting from its place in `starts` (a path on other cases), else from the one before.

    Slopes to four digits: weights differ by less than 0.01 points of 100 from those of `fit`. From `MANY` cases on all strengths
    share their passes over the cases.
    """
    if len(problem.scores) > MANY:
        return _path_of_many(problem, lost, strengths, starts)
    fits: list[Fit] = []
    for at, strength in enumerate(strengths):
        fits.append(fit(problem, lost, strength=strength, start=starts[at] if starts else fits[-1] if fits else None, tolerance=ROUGH))
    return fits


def _path_of_many(problem: Problem, lost: ArrayLike, strengths: Sequence[float], starts: Sequence[Fit]) -> list[Fit]:
    sums = _sums(problem, lost, None)
    finite = [strength for strength in strengths if np.isfinite(strength)]
    if not 0 < sums.w @ sums.y < sums.w.sum() or not finite:
        return [fit(problem, lost, strength=strength) for strength in strengths]
    along = _along_current(problem, sums, ROUGH)
    begin = starts[len(strengths) // 2] if starts else along
    penalties = [_penalty(problem, sums, strength) for strength in finite]
    thetas = _minimise(sums, penalties, problem.cone, np.r_[begin.intercept, begin.slopes], ROUGH)
    found = {strength: _as_fit(problem, theta, strength) for strength, theta in zip(finite, thetas, strict=True)}
    return [found.get(strength, along) for strength in strengths]


def whole(points: Mapping[str, float], scorecard: Scorecard) -> dict[str, int]:
    """Whole numbers summing to 100, near `points` and within the scorecard's limits: the largest remainders are rounded up.

    >>> from healthlib.spec import Band
    >>> whole({"a": 33.4, "b": 33.3, "c": 33.3}, Scorecard(groups=("g",), metrics={}, bands=(Band(name="all", start=0),)))
    {'a': 34, 'b': 33, 'c': 33}
    """
    names = list(points)
    exact = 100 * np.array([points[name] for name in names]) / sum(points.values())
    given = np.floor(exact + 1e-9)
    spans = limit_spans(scorecard, names)
    for _ in range(round(100 - given.sum())):
        given[_next_up(given, exact, spans)] += 1
    return dict(zip(names, given.astype(int).tolist(), strict=True))


def _next_up(given: Array, exact: Array, spans: list[tuple[Array, Limit]]) -> int:
    """Which metric takes the next point: one that no maximum forbids, whose group still lacks its minimum, with the largest remainder."""
    spare = np.array([all(not m[i] or m @ given + 1 <= limit.max + 1e-9 for m, limit in spans) for i in range(len(given))])
    needed = np.array([sum(bool(m[i]) and m @ given < limit.min - 1e-9 for m, limit in spans) for i in range(len(given))])
    return int(np.lexsort((np.arange(len(given)), -(exact - given), -needed, ~spare))[0])
