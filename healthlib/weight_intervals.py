"""How sure the fitted weights are: account-level replicates of the fit, without refitting.

The pull towards the current weights and the bound at zero are choices, not evidence; percentile intervals of a pulled, bounded fit
are far too narrow. So the interval of a weight asks the free fit: which values w of b_j / sum b do the replicates not exclude?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from healthlib.resample import blocks
from healthlib.stats import logistic
from healthlib.weights import RIDGE, Fit, Problem, design, fit, smallest

Array = NDArray[np.float64]

SELECTED = 0.005
"""A metric counts as selected in a replicate if it gets at least half a point of 100."""

FEWEST = 10
"""Below this many lost, kept or measured cases an interval would pretend."""


@dataclass(frozen=True)
class WeightIntervals:
    """Per metric, as shares of 1: `low` and `high` of the 95 % interval, and in which share of replicates it was `selected`."""

    low: Array
    high: Array
    selected: Array


def weight_intervals(problem: Problem, lost: ArrayLike, point: Fit, codes: NDArray[np.intp], counts: NDArray[Any]) -> WeightIntervals:
    """95 % intervals of the weights, from one Newton step per account replicate.

    With fewer than `FEWEST` lost or kept cases, or for a metric measured in fewer cases, nothing is known: 0 to 1.

    Parameters
    ----------
    problem, lost : what was fitted
    point : the fit whose weights are shown; they always lie inside their interval
    codes, counts : from `resample.account_weights`
    """
    known = np.isfinite(problem.scores).any(axis=1)
    y, taught = np.asarray(lost, dtype=float)[known], problem.rows(known)
    present, own = np.unique(codes[known], return_inverse=True)
    size = len(problem.names)
    if min(y.sum(), (1 - y).sum(), len(present)) < FEWEST or not counts.shape[1]:
        return WeightIntervals(np.zeros(size), np.ones(size), np.full(size, np.nan))
    bounded = fit(taught, y, strength=0.0)
    rows = design(taught, bounded.weights)
    low, high = free_interval(rows, y, own, counts[present])
    rare = np.isfinite(taught.scores).sum(axis=0) < FEWEST
    low, high = np.where(rare, 0.0, low), np.where(rare, 1.0, high)
    account = AccountLoss(rows, y, np.concatenate([[bounded.intercept], bounded.slopes]), own)
    selected = _selected(account, counts[present], problem.cone)
    return WeightIntervals(np.minimum(low, point.weights), np.maximum(high, point.weights), selected)


def free_interval(rows: Array, y: Array, codes: NDArray[np.intp], counts: NDArray[Any]) -> tuple[Array, Array]:
    """`ratio_interval` of the free fit, after metrics that clearly point the wrong way are taken out, one at a time, the clearest first.

    A metric whose slope is negative in 97.5 % of replicates gets no weight in any bounded fit; left in, its negative share would shift the
    shares of all others. Taken out it has the interval 0 to 0.

    Parameters
    ----------
    rows : from `weights.design`, intercept first
    codes, counts : of the rows' accounts
    """
    kept = np.arange(1, rows.shape[1])
    while True:
        some = rows[:, np.r_[0, kept]]
        draws = newton_steps(AccountLoss(some, y, unbounded(some, y), codes), counts)
        slopes = draws[:, 1:]
        wrong = (slopes < 0).mean(axis=0) >= 0.975
        if len(kept) == 1 or not wrong.any():
            break
        spread = np.maximum(slopes.std(axis=0), 1e-12)
        clearest = np.argmin(np.where(wrong, slopes.mean(axis=0) / spread, np.inf))
        kept = np.delete(kept, clearest)
    ends = np.zeros((2, rows.shape[1] - 1))
    ends[:, kept - 1] = ratio_interval(draws)
    return ends[0], ends[1]


def ratio_interval(draws: Array) -> tuple[Array, Array]:
    """Per slope j the shares w for which replicates b_j - w sum b do not exclude zero: a bootstrap of Fieller's interval, within 0..1.

    While every replicate has sum b > 0 this is the percentile interval of b_j / sum b; where the sum itself is unsure, it widens to
    everything instead of jumping. Fieller (1954), doi:10.1111/j.2517-6161.1954.tb00159.x.

    Parameters
    ----------
    draws : replicates x (1 + slopes)
    """
    slopes = draws[:, 1:]
    total = slopes.sum(axis=1, keepdims=True)
    grid = np.linspace(0.0, 1.0, 501)
    ends = np.empty((2, slopes.shape[1]))
    for j, slope in enumerate(slopes.T):
        below = (slope[:, None] < grid * total).mean(axis=0)
        kept = grid[(below >= 0.025) & (below <= 0.975)]
        ends[:, j] = (kept[0], kept[-1]) if len(kept) else float(below[0] < 0.5)
    return ends[0], ends[1]


class AccountLoss:
    """Gradient and Hessian of the logistic loss by account at one theta: what a Newton step of any replicate needs."""

    def __init__(self, rows: Array, y: Array, theta: Array, codes: NDArray[np.intp]):
        self.theta = theta
        p = logistic(rows @ theta)
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(codes[order]) > 0])
        rows, p, y = rows[order], p[order], y[order]
        moved = rows * (p * (1 - p))[:, None]
        self.gradient = np.add.reduceat(rows * (p - y)[:, None], starts)
        self.hessian = np.concatenate([np.add.reduceat(moved * column[:, None], starts) for column in rows.T], axis=1)
        self.penalty = np.diag([1e-8 * len(rows)] + [RIDGE] * (rows.shape[1] - 1))

    def drawn(self, counts: NDArray[Any]) -> tuple[Array, Array]:
        """Gradients (replicates x p) and their derivatives (replicates x p x p), penalty included."""
        drawn = counts.T.astype(float)
        size = len(self.theta)
        hessian = (drawn @ self.hessian).reshape(-1, size, size)
        return drawn @ self.gradient + self.penalty @ self.theta, hessian + self.penalty


def unbounded(rows: Array, y: Array) -> Array:
    """Logistic regression on filled rows, without bounds."""
    penalty = np.diag([1e-8 * len(y)] + [RIDGE] * (rows.shape[1] - 1))
    theta = np.zeros(rows.shape[1])
    for _ in range(50):
        p = logistic(rows @ theta)
        step = np.linalg.solve(rows.T @ (rows * (p * (1 - p))[:, None]) + penalty, rows.T @ (y - p) - penalty @ theta)
        theta = theta + step * min(1.0, 5.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    return theta


def newton_steps(account: AccountLoss, counts: NDArray[Any]) -> Array:
    """One Newton step per replicate, all at once."""
    draws = np.empty((counts.shape[1], len(account.theta)))
    for part in blocks(counts.shape[1], max(counts.shape[0], len(account.theta) ** 2)):
        gradient, hessian = account.drawn(counts[:, part])
        draws[part] = account.theta - np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
    return draws


def _selected(account: AccountLoss, counts: NDArray[Any], cone: Array) -> Array:
    """Share of replicates in which each metric keeps a weight, each one bounded Newton step."""
    allowed = np.pad(cone, ((0, 0), (1, 0)))
    chosen = np.zeros(cone.shape[1])
    for part in blocks(counts.shape[1], counts.shape[0]):
        for gradient, hessian in zip(*account.drawn(counts[:, part]), strict=True):
            slopes = np.maximum(smallest(hessian, hessian @ account.theta - gradient, allowed)[1:], 0.0)
            chosen += slopes >= SELECTED * slopes.sum() if slopes.sum() > 0 else 0.0
    return chosen / max(counts.shape[1], 1)
