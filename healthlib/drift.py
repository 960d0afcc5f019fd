"""How far a distribution moved: the population stability index with an interval over accounts.

PSI = sum over bins of (now - then) * ln(now / then), the bins being tenths of the earlier distribution and one for missing values: the
Jeffreys divergence of the binned shares. Siddiqi (2006), Credit Risk Scorecards, ch. 9, which also gives the convention of 0.1 and 0.25.
From samples it is too high even where nothing moved, by about (bins - 1)(1/n + 1/m): Yurdakul (2018), Western Michigan University,
Dissertations 3208. The bias is measured by the bootstrap over accounts and taken off, from the figure and from its interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthlib.resample import Estimate, by_account

BINS = 10
SLIGHT, SHIFTED = 0.1, 0.25
"""The usual convention: below the first nothing moved, above the second the population is another one. No more than a convention."""
SMALLEST = 0.5
"""Cases added to every bin: an empty bin must not make the index infinite."""

Floats = NDArray[np.float64]


def edges(values: Floats, bins: int = BINS) -> Floats:
    """Inner edges of the tenths of `values`; fewer where values repeat, but one at least where they are not all the same. NaN are left out.

    >>> edges(np.array([0.0, 0.0, 1.0, 2.0]), bins=2).tolist(), edges(np.array([0.0] * 99 + [3.0])).tolist()
    ([0.5], [3.0])
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.empty(0)
    lowest = known.min()
    cuts = np.unique(np.quantile(known, np.arange(1, bins) / bins))
    cuts = cuts[cuts > lowest]
    return cuts if len(cuts) or known.max() == lowest else np.array([known[known > lowest].min()])


def place(values: Floats, cuts: Floats) -> NDArray[np.intp]:
    """The bin of each value: below the first edge 0, at or above the last `len(cuts)`, missing `len(cuts) + 1`."""
    return np.where(np.isfinite(values), np.searchsorted(cuts, values, side="right"), len(cuts) + 1)


def psi(then: Floats, now: Floats) -> Any:
    """Population stability index of counts per bin (rows: bins; further dimensions are kept).

    >>> round(float(psi(np.array([50.0, 50.0]), np.array([75.0, 25.0]))), 4)
    0.2687
    """
    p, q = ((counts + SMALLEST) / (counts + SMALLEST).sum(axis=0) for counts in (then, now))
    return ((q - p) * np.log(q / p)).sum(axis=0)


def stability(
    values: tuple[Floats, Floats],
    codes: tuple[NDArray[np.intp], NDArray[np.intp]],
    counts: NDArray[Any],
    *,
    case_weight: tuple[Floats, Floats] | None = None,
) -> Estimate:
    """The index between two samples, freed of its bias, with a 95 % interval from resampling accounts.

    Parameters
    ----------
    values : then, now; NaN is a bin of its own
    codes : number of the account of each value, then and now, in one numbering: an account in both is drawn for both
    counts : from `resample.account_weights`, shape (accounts, replicates)
    case_weight : e.g. ARR, then and now

    Returns
    -------
    Estimate; n is the accounts of now, events 0. NaN where one side is empty. The two samples' sizes are kept as effective sizes:
    weights are scaled to sum to the number of cases.
    """
    if not len(values[0]) or not len(values[1]):
        return Estimate(float("nan"), float("nan"), float("nan"))
    cuts = edges(values[0])
    size = (len(cuts) + 2, counts.shape[0])
    sides = []
    for side in (0, 1):
        weight = np.ones(len(values[side])) if case_weight is None else np.nan_to_num(case_weight[side])
        weight = weight * len(weight) / weight.sum() if weight.sum() > 0 else np.ones(len(weight))
        sides.append(by_account(codes[side], weight, groups=place(values[side], cuts), shape=size))
    point = float(psi(*(np.asarray(matrix.sum(axis=1)).reshape(-1) for matrix in sides)))
    drawn = counts.astype(np.float64)
    draws = psi(*(matrix @ drawn for matrix in sides))
    bias = float(draws.mean()) - point
    low, high = np.quantile(draws, [0.025, 0.975]) - 2 * bias
    value = max(point - bias, 0.0)
    accounts = float(len(np.unique(codes[1])))
    return Estimate(value, float(max(min(low, value), 0.0)), float(max(high, value)), accounts)


def verdict(estimate: Estimate) -> str:
    """stable, moved, shifted or cannot tell, from the interval and the convention.

    >>> verdict(Estimate(0.02, 0.0, 0.06)), verdict(Estimate(0.3, 0.2, 0.4)), verdict(Estimate(0.4, 0.3, 0.5))
    ('stable', 'moved', 'shifted')
    >>> verdict(Estimate(0.08, 0.02, 0.2))
    'cannot tell'
    """
    if not np.isfinite(estimate.low):
        return "cannot tell"
    if estimate.low > SHIFTED:
        return "shifted"
    if estimate.low > SLIGHT:
        return "moved"
    return "stable" if estimate.high < SLIGHT else "cannot tell"
