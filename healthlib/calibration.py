"""From a score to a probability of loss, and from probabilities to the money expected to be lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from healthlib.resample import Estimate, account_weights, blocks, rates
from healthlib.stats import logistic, logit
from healthlib.weight_intervals import AccountLoss, newton_steps, unbounded

Array = NDArray[np.float64]

FEWEST_LOST = 5
"""With fewer lost (or kept) cases than this the score is not calibrated: everybody gets the base rate."""


@dataclass(frozen=True)
class Calibrator:
    """logit P(lost) = intercept - slope x score / 100 with slope >= 0, and what resampling accounts makes of it.

    Attributes
    ----------
    theta : intercept and slope
    draws : the same per replicate, replicates x 2
    base_draws : base rate per replicate, for cases without a score
    base : base rate
    n, events : accounts and lost cases behind it
    """

    theta: Array
    draws: Array = field(repr=False)
    base: float
    base_draws: Array = field(repr=False)
    n: int
    events: int

    def probability(self, score: ArrayLike) -> pd.DataFrame:
        """P(lost) of each score: columns probability_lost, low, high; NaN for a case without a score."""
        levels, place = np.unique(np.asarray(score, dtype=float), return_inverse=True)
        p = logistic(self.theta[0] - self.theta[1] * levels / 100)
        spread = np.empty((2, len(levels)))
        for part in blocks(len(levels), max(len(self.draws), 1)):
            drawn = logistic(self.draws[:, :1] - self.draws[:, 1:] * levels[None, part] / 100)
            spread[:, part] = np.quantile(drawn, [0.025, 0.975], axis=0) if len(drawn) else np.nan
        low, high = np.minimum(spread[0], p), np.maximum(spread[1], p)
        return pd.DataFrame({"probability_lost": p[place], "low": low[place], "high": high[place]})

    def expected_lost(
        self, arr: ArrayLike, score: ArrayLike, *, account_ids: ArrayLike | None = None, shocks: ArrayLike = (), seed: int = 0
    ) -> Estimate:
        """ARR expected to be lost among these accounts with a 95 % prediction interval; `n` is accounts, `events` the number expected lost.

        Parameters
        ----------
        arr, score : a row an account, or a term: rows of one account are lost or kept together
        account_ids : whose row it is; every row an account of its own where not given
        shocks, seed : see `lost_draws`
        """
        money = np.nan_to_num(np.asarray(arr, dtype=float))
        p = self.chances(score)
        if not len(money) or not np.isfinite(self.base):
            return Estimate(0.0 if not len(money) else float("nan"), *(2 * (0.0 if not len(money) else float("nan"),)), len(money), 0)
        lost = self.lost_draws(arr, score, account_ids=account_ids, shocks=shocks, seed=seed)
        value, accounts = float(p @ money), len(money) if account_ids is None else len(np.unique(np.asarray(account_ids).astype(str)))
        low, high = np.quantile(lost, [0.025, 0.975]) if len(lost) else (np.nan, np.nan)
        return Estimate(value, float(np.fmin(low, value)), float(np.fmax(high, value)), accounts, float(p.sum()))

    def chances(self, score: ArrayLike) -> Array:
        """P(lost) of each score; the base rate for a case without one."""
        points = np.asarray(score, dtype=float)
        return self._chance(points, self.theta[None], np.array([self.base]))[0]

    def lost_draws(
        self, arr: ArrayLike, score: ArrayLike, *, account_ids: ArrayLike | None = None, shocks: ArrayLike = (), seed: int = 0
    ) -> Array:
        """ARR lost in each of as many futures as there are replicates.

        A future mixes what we do not know of the curve (a replicate), what befalls all accounts of the period alike (one normal deviate,
        times a standard deviation on the scale of the logit) and chance: every account is lost or kept by its own probability.

        Parameters
        ----------
        account_ids : rows of one account share their fate
        shocks : standard deviations of the common shock to draw from, see `forecast.shocks`; none where empty
        """
        money = np.nan_to_num(np.asarray(arr, dtype=float))
        lost = np.empty(len(self.draws))
        for part, fate in self._fates(score, account_ids, shocks, seed):
            lost[part] = fate @ money
        return lost

    def fates(self, score: ArrayLike, *, account_ids: ArrayLike | None = None, shocks: ArrayLike = (), seed: int = 0) -> NDArray[np.bool_]:
        """Whether each row is lost in each future of `lost_draws`, shape (replicates, rows)."""
        found = [fate for _, fate in self._fates(score, account_ids, shocks, seed)]
        return np.concatenate(found) if found else np.empty((0, len(np.asarray(score))), dtype=bool)

    def _fates(
        self, score: ArrayLike, account_ids: ArrayLike | None, shocks: ArrayLike, seed: int
    ) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
        points, spread = np.asarray(score, dtype=float), np.asarray(shocks, dtype=float)
        owner = np.arange(len(points)) if account_ids is None else np.unique(np.asarray(account_ids).astype(str), return_inverse=True)[1]
        size, futures = int(owner.max(initial=-1)) + 1, len(self.draws)
        rng = np.random.default_rng(seed)
        moved = rng.choice(spread, futures) * rng.standard_normal(futures) if len(spread) else None
        for part in blocks(futures, max(len(points), 1)):
            chance = self._chance(points, self.draws[part], self.base_draws[part])
            if moved is not None:
                chance = logistic(logit(np.clip(chance, 1e-9, 1 - 1e-9)) + moved[part, None])
            yield part, rng.random((len(chance), size))[:, owner] < chance

    @staticmethod
    def _chance(points: Array, draws: Array, base: Array) -> Array:
        chance = logistic(draws[:, :1] - draws[:, 1:] * np.nan_to_num(points)[None] / 100)
        return np.where(np.isnan(points)[None], base[:, None], chance)


def calibrate(score: ArrayLike, lost: ArrayLike, account_ids: ArrayLike, *, replicates: int = 1000, seed: int = 0) -> Calibrator:
    """Fit a monotone logistic curve to finished cases.

    Two parameters, because a few dozen churns carry no more; a slope of the wrong sign is set to zero. Platt (1999).

    Parameters
    ----------
    score : 0..100, best the scores made out of time; NaN (unscored) only counts for the base rate
    lost : 1 lost, 0 kept; NaN (open) is left out
    """
    y, points = np.asarray(lost, dtype=float), np.asarray(score, dtype=float)
    done = np.isfinite(y)
    y, points, ids = y[done], points[done], np.asarray(account_ids)[done]
    codes, counts = account_weights(ids, replicates, seed)
    if not len(y):
        return Calibrator(np.array([np.nan, 0.0]), np.empty((0, 2)), float("nan"), np.empty(0), 0, 0)
    base_draws = _mean_by_replicate(y, codes, counts)
    use = np.isfinite(points)
    theta = curve(points[use], y[use])
    if theta[1] > 0:
        rows = _rows(points[use])
        present, own = np.unique(codes[use], return_inverse=True)
        draws = newton_steps(AccountLoss(rows, y[use], theta, own), counts[present])
        wrong = draws[:, 1] < 0
        draws[wrong] = np.column_stack([logit(base_draws[wrong]), np.zeros(wrong.sum())])
    else:
        draws = np.column_stack([logit(base_draws), np.zeros(len(base_draws))])
    return Calibrator(theta, draws, float(y.mean()), base_draws, counts.shape[0], int(y.sum()))


def curve(score: Array, lost: Array) -> Array:
    """Intercept and slope (>= 0, per 100 points) of the logistic curve; the base rate and 0 with too few of either outcome."""
    if min(lost.sum(), (1 - lost).sum()) < FEWEST_LOST:
        return np.array([float(logit(lost.mean())) if len(lost) else np.nan, 0.0])
    theta = unbounded(_rows(score), lost)
    return theta if theta[1] > 0 else np.array([float(logit(lost.mean())), 0.0])


def _rows(score: Array) -> Array:
    return np.column_stack([np.ones(len(score)), -score / 100])


def _mean_by_replicate(y: Array, codes: NDArray[np.intp], counts: NDArray) -> Array:
    size = counts.shape[0]
    total, hit = np.bincount(codes, minlength=size), np.bincount(codes, weights=y, minlength=size)
    return (hit @ counts) / (total @ counts)


def reliability(probability: ArrayLike, lost: ArrayLike, account_ids: ArrayLike, *, replicates: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Promised against seen: cases in bins of equal size by probability.

    Returns
    -------
    DataFrame: bin (1 lowest probability), mean_probability, rate, low, high (95 %, resampling accounts), n (cases), lost. At most
    ten bins, about five lost or more to a bin.
    """
    p, y, ids = np.asarray(probability, dtype=float), np.asarray(lost, dtype=float), np.asarray(account_ids)
    use = np.isfinite(p) & np.isfinite(y)
    p, y, ids = p[use], y[use], ids[use]
    if not len(p):
        return pd.DataFrame(columns=["bin", "mean_probability", "rate", "low", "high", "n", "lost"])
    bins = int(np.clip(y.sum() // 5, 1, 10))
    cuts = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.unique(np.searchsorted(cuts, p, side="left"), return_inverse=True)[1]
    codes, counts = account_weights(ids, replicates, seed)
    found = rates(y, codes, counts, groups=place)
    mean = np.bincount(place, weights=p) / np.bincount(place)
    return pd.DataFrame({
        "bin": np.arange(1, len(mean) + 1), "mean_probability": mean, "rate": found["value"], "low": found["low"], "high": found["high"],
        "n": found["weight"].astype(int), "lost": found["events"].astype(int),
    })  # fmt: skip
