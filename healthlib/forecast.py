"""How much a period's losses differ from what scores promise beyond chance, and whether earlier intervals held."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from healthlib.resample import Estimate, wilson

FEWEST_PERIODS = 6
"""Finished periods from which a common shock can be estimated (a convention); with fewer none is assumed, and said."""

Array = NDArray[np.float64]


def shocks(lost: Sequence[float], expected: Sequence[float], variance: Sequence[float], *, draws: int = 200, seed: int = 0) -> Array:
    """Standard deviations of what befell all accounts of a period alike, on the scale of the logit, as the past periods allow them.

    With p the promised chances, X lost of a period has mean E = sum p and variance V + V^2 s^2, V = sum p (1 - p), to first order in the
    shock; so s^2 = sum((X - E)^2 - V) / sum V^2, not below 0: the moment estimator of Williams (1982), Applied Statistics 31, 144-148.
    The periods are resampled, so that a few months do not pretend to know it.

    Parameters
    ----------
    lost, expected, variance : X, E and V of each finished period
    draws, seed : resamples of the periods

    Returns
    -------
    array (draws,); empty with fewer than `FEWEST_PERIODS` periods
    """
    x, e, v = (np.asarray(values, dtype=float) for values in (lost, expected, variance))
    if len(x) < FEWEST_PERIODS or v.sum() <= 0:
        return np.empty(0)
    chosen = np.random.default_rng(seed).integers(0, len(x), (draws, len(x)))
    excess = ((x - e) ** 2 - v)[chosen].sum(axis=1) / (v**2)[chosen].sum(axis=1)
    return np.sqrt(np.maximum(excess, 0.0))


def held(actual: ArrayLike, low: ArrayLike, high: ArrayLike) -> Estimate:
    """Share of periods whose outcome lay inside its interval, with Wilson's interval; `n` periods, `events` those inside.

    >>> found = held([1, 5, 9], [0, 0, 0], [2, 6, 6])
    >>> round(found.value, 2), found.events, round(found.low, 2), round(found.high, 2)
    (0.67, 2.0, 0.21, 0.94)
    """
    a, b, c = (np.asarray(values, dtype=float) for values in (actual, low, high))
    n = len(a)
    if not n:
        return Estimate(float("nan"), float("nan"), float("nan"), 0, 0)
    inside = float(((a >= b) & (a <= c)).sum())
    ends = wilson(inside / n, n)
    return Estimate(inside / n, float(ends[0]), float(ends[1]), n, inside)
