"""Weighted statistics on arrays, each with its formula and source; knows neither ARR nor frames.

Scores point towards health: the AUC is the chance that a kept case scored higher than a lost one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from healthlib.resample import blocks, by_account

Array = NDArray[np.float64]


FULL = 20
"""A table with fewer cells than so many a case is multiplied faster full than sparse."""


def _weights(case_weight: ArrayLike | None, n: int) -> Array:
    return np.ones(n) if case_weight is None else np.asarray(case_weight, dtype=float)


def logistic(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x)) without overflow.

    >>> logistic([-1000.0, 0.0, 1000.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    z = np.asarray(x, dtype=float)
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def logit(p: ArrayLike) -> Array:
    """log(p / (1 - p)), with p kept 1e-9 away from 0 and 1."""
    q = np.clip(np.asarray(p, dtype=float), 1e-9, 1 - 1e-9)
    return np.log(q) - np.log1p(-q)


def rate(happened: ArrayLike, case_weight: ArrayLike | None = None) -> float:
    """Weighted share of cases in which something happened; NaN for none.

    >>> rate([1, 0, 0], [2, 1, 1])
    0.5
    """
    y = np.asarray(happened, dtype=float)
    w = _weights(case_weight, len(y))
    return float(w @ y / w.sum()) if w.sum() > 0 else float("nan")


def brier(probability: ArrayLike, lost: ArrayLike, case_weight: ArrayLike | None = None) -> float:
    """Weighted mean squared distance of probability and outcome. Brier (1950).

    >>> brier([0.5, 1.0], [1, 1])
    0.125
    """
    p, y = np.asarray(probability, dtype=float), np.asarray(lost, dtype=float)
    return rate((p - y) ** 2, case_weight)


def log_loss(probability: ArrayLike, lost: ArrayLike, case_weight: ArrayLike | None = None) -> float:
    """Weighted mean of -log of the probability given to what happened; probabilities are kept 1e-9 away from 0 and 1.

    >>> round(log_loss([0.5, 0.5], [1, 0]), 6)
    0.693147
    """
    p, y = np.clip(np.asarray(probability, dtype=float), 1e-9, 1 - 1e-9), np.asarray(lost, dtype=float)
    return rate(-(y * np.log(p) + (1 - y) * np.log1p(-p)), case_weight)


def auc(score: ArrayLike, lost: ArrayLike, case_weight: ArrayLike | None = None) -> float:
    """Chance that a kept case scored higher than a lost one, ties counting half; NaN with one class only.

    sum over pairs w_kept w_lost ([kept > lost] + [kept = lost] / 2) / (sum w_kept sum w_lost): the weighted Mann-Whitney statistic.
    Hanley & McNeil (1982), doi:10.1148/radiology.143.1.7063747.

    >>> auc([10, 20, 20, 30], [1, 1, 0, 0])
    0.875
    """
    y = np.asarray(lost, dtype=float)
    w = _weights(case_weight, len(y))
    _, level = np.unique(np.asarray(score, dtype=float), return_inverse=True)
    bad, good = np.bincount(level, weights=w * y).astype(float), np.bincount(level, weights=w * (1 - y)).astype(float)
    return float(auc_by_level(bad[:, None], good[:, None])[0]) if len(y) else float("nan")


def auc_replicates(
    score: ArrayLike, lost: ArrayLike, codes: NDArray[np.intp], counts: NDArray[Any], case_weight: ArrayLike | None = None
) -> Array:
    """`auc` in every replicate: levels of the score are sorted once, weights are added up by one matrix product and one cumulative sum.

    Counts of cases are added in single precision while that is exact (sums below 2^24), weights in double.

    Parameters
    ----------
    codes, counts : from `resample.account_weights`

    Returns
    -------
    array of shape (replicates,); NaN where a replicate drew one class only
    """
    y = np.asarray(lost, dtype=float)
    w = _weights(case_weight, len(y))
    found, level = np.unique(np.asarray(score, dtype=float), return_inverse=True)
    size, draws = len(found), np.full(counts.shape[1], np.nan)
    for part, drawn in level_sums(np.where(y == 1, level, level + size), 2 * size, codes, counts, case_weight=w):
        draws[part] = auc_by_level(drawn[:size], drawn[size:])
    return draws


def level_sums(
    level: NDArray[np.intp], size: int, codes: NDArray[np.intp], counts: NDArray[Any], *, case_weight: ArrayLike | None = None
) -> Iterator[tuple[slice, Array]]:
    """Weight of each level (0 .. size - 1) in every replicate, in blocks of replicates: the block, and size x block.

    Where accounts lie in most levels the table of both is full and multiplied as such; else it is sparse.
    """
    w = _weights(case_weight, len(level))
    total = np.bincount(level, weights=w, minlength=size)
    whole = bool((w == np.floor(w)).all()) and total.max(initial=0) * counts.max(initial=0) < 2**24
    kind, accounts = np.float32 if whole else np.float64, counts.shape[0]
    table: Any = by_account(codes, w, groups=level, shape=(size, accounts)).astype(kind)
    if size * accounts <= FULL * len(level):
        table = table.toarray()
    for part in blocks(counts.shape[1], max(size, accounts if size * accounts <= FULL * len(level) else 16 * accounts)):
        yield part, (table @ counts[:, part].astype(kind)).astype(float)


def auc_by_level(bad: Array, good: Array) -> Array:
    """AUC of columns of weight by score level, lowest level first."""
    below = np.cumsum(bad, axis=0) - bad / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (good * below).sum(axis=0) / (good.sum(axis=0) * bad.sum(axis=0))


def caught(score: ArrayLike, lost: ArrayLike, share: float, case_weight: ArrayLike | None = None) -> float:
    """Share of what was lost that lies among the worst `share` of the cases; NaN where nothing was lost.

    The worst are taken by number of cases, because that is what a team can call; `case_weight` (ARR) weighs only what was lost. Cases of
    equal score at the cut count with the part of them that still fits, the mean over all orders of breaking the tie.

    >>> caught([10, 20, 20, 30], [1, 1, 0, 0], 0.5)
    0.75
    """
    y = np.asarray(lost, dtype=float)
    level = np.unique(np.asarray(score, dtype=float), return_inverse=True)[1]
    every, bad = np.bincount(level).astype(float), np.bincount(level, weights=_weights(case_weight, len(y)) * y)
    return float(caught_by_level(every[:, None], bad[:, None].astype(float), share)[0]) if len(y) else float("nan")


def caught_by_level(every: Array, bad: Array, share: float) -> Array:
    """Share of `bad` in the first `share` of `every`: columns of weight by score level, lowest level first; a cut level counts in part.

    >>> caught_by_level(np.array([[1.0], [2.0], [1.0]]), np.array([[1.0], [1.0], [0.0]]), 0.5).tolist()
    [0.75]
    """
    if not len(every):
        return np.full(every.shape[1], np.nan)
    upto, gone = np.cumsum(every, axis=0), np.cumsum(bad, axis=0)
    cut = share * upto[-1]
    at, column = np.minimum((upto < cut).sum(axis=0), len(upto) - 1), np.arange(upto.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        left = (upto[at, column] - cut) / every[at, column]
        return (gone[at, column] - np.where(every[at, column] > 0, left, 0.0) * bad[at, column]) / gone[-1]


def effective_n(codes: NDArray[np.intp], case_weight: ArrayLike | None = None) -> float:
    """Accounts' worth of information under unequal weights: (sum w)^2 / sum w^2 over accounts. Kish (1965).

    >>> effective_n(np.array([0, 0, 1]), [1.0, 1.0, 2.0])
    2.0
    """
    total = np.bincount(codes, weights=_weights(case_weight, len(codes)))
    return float(total.sum() ** 2 / (total**2).sum()) if len(total) else 0.0


def auc_interval(area: float, n_lost: int, n_kept: int, *, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval that an AUC of this size has with so many lost and kept accounts; NaN where either is missing.

    Hanley & McNeil (1982), doi:10.1148/radiology.143.1.7063747: with A the area, Q1 = A / (2 - A) and Q2 = 2 A^2 / (1 + A),
    ``SE^2 = (A (1 - A) + (lost - 1)(Q1 - A^2) + (kept - 1)(Q2 - A^2)) / (lost kept)``. The interval is taken on the logit, so that it
    stays inside 0 and 1 with few (Pepe 2003, section 5.2.5). Their law is the exponential one; for normal scores with few lost among many
    kept the interval is an eighth too wide, which errs on the side of caution.

    >>> [round(end, 2) for end in auc_interval(0.75, 20, 180)], [round(end, 2) for end in auc_interval(0.75, 200, 1800)]
    ([0.6, 0.86], [0.71, 0.79])
    """
    if not 0 < area < 1 or min(n_lost, n_kept) < 1:
        return float("nan"), float("nan")
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    square = area * (1 - area) + (n_lost - 1) * (q1 - area**2) + (n_kept - 1) * (q2 - area**2)
    reach = z * float(np.sqrt(square / (n_lost * n_kept))) / (area * (1 - area))
    low, high = logistic(logit(area) + np.array([-reach, reach])).tolist()
    return low, high
