"""Where to cut: every whole-number threshold, and every pair of them, counted exactly in one pass over the cases.

A cut at c puts scores < c below it, as a band that starts at c does. Cases are counted once by floor(score) x lost; cumulated, that says of
every cut how many accounts, lost ones, ARR and lost ARR lie below, for the book as it was and for every account replicate. Whatever
chooses thresholds (capacity, cost, separation) is then arithmetic on vectors of 102 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from healthlib.errors import HealthlibError
from healthlib.stats import level_sums

Array = NDArray[np.float64]
Objective = Literal["variance", "information", "youden"]

CUTS = np.arange(102)
"""Cuts 0 (nothing below) to 101 (every score below)."""

UNSCORED_LEVEL = 101

BLOCK = 32_768
"""Cases counted at a time, so that they stay in the processor's cache."""

FEWEST = 20
"""Cases a band holds at least before its renewal rate is held against a target (a convention)."""

PAIR_COLUMNS = ("lower", "upper", "value")


@dataclass(frozen=True)
class Below:
    """What lies below each cut of `CUTS`; the last entry is the whole scored book.

    Attributes
    ----------
    accounts, churned : cases below, and those of them that were lost
    arr, arr_churned : their ARR, and that of the lost
        each of shape (102,), or (102, replicates)
    """

    accounts: Array
    churned: Array
    arr: Array
    arr_churned: Array

    def between(self, lower: ArrayLike, upper: ArrayLike) -> Below:
        """The same four sums of the cases with lower <= score < upper, one per pair of cuts."""
        low, high = np.asarray(lower), np.asarray(upper)
        return Below(*(getattr(self, one.name)[high] - getattr(self, one.name)[low] for one in fields(self)))


def below(score: ArrayLike, lost: ArrayLike, arr: ArrayLike | None = None) -> Below:
    """The cumulative table of a scored book; cases without a score are left out, those without ARR count 0 ARR; `arr` None: 1 each.

    >>> found = below([10, 40.5, 41, float("nan")], [1, 0, 1, 1], [5, 6, 7, 8])
    >>> found.accounts[[11, 41, 101]].tolist(), found.arr_churned[[10, 11, 101]].tolist()
    ([1.0, 2.0, 3.0], [0.0, 5.0, 12.0])
    """
    points, gone = np.asarray(score, dtype=float), np.asarray(lost)
    money = None if arr is None else np.asarray(arr, dtype=float)
    count, worth = np.zeros((204, 1)), np.zeros((204, 1))
    for start in range(0, len(points), BLOCK):
        rows = slice(start, start + BLOCK)
        place = _levels(points[rows], gone[rows])
        count[:, 0] += np.bincount(place, minlength=204)
        if money is not None:
            worth[:, 0] += np.bincount(place, weights=np.nan_to_num(money[rows]), minlength=204)
    return _cumulated(count, count if money is None else worth, flat=True)


def below_replicates(score: ArrayLike, lost: ArrayLike, arr: ArrayLike, codes: NDArray[np.intp], counts: NDArray[Any]) -> Below:
    """`below` in every account replicate: arrays of 102 x replicates.

    Parameters
    ----------
    codes, counts : from `resample.account_weights`
    """
    place, money = _levels(score, lost), np.nan_to_num(np.asarray(arr, dtype=float))
    sums = np.empty((2, 204, counts.shape[1]))
    for found, weight in zip(sums, (None, money), strict=True):
        for part, drawn in level_sums(place, 204, codes, counts, case_weight=weight):
            found[:, part] = drawn
    return _cumulated(sums[0], sums[1])


def area(table: Below, by: Literal["accounts", "arr"] = "accounts") -> Array:
    """AUC of the whole-number score, ties counting half: the chance that a kept case scored higher than a lost one.

    Equal to `stats.auc` of floor(score); NaN with one class only.
    """
    whole, bad = _pair(table, by)
    good = whole - bad
    step, middle = np.diff(good, axis=0), (bad[1:] + bad[:-1]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (step * middle).sum(axis=0) / (good[-1] * bad[-1])


def every_pair(table: Below, objective: Objective = "variance", by: Literal["accounts", "arr"] = "accounts") -> pd.DataFrame:
    """The objective of every two cuts 1 <= lower <= upper <= 100: all 5,050, exactly. With lower = upper the middle band is empty.

    Parameters
    ----------
    objective : `variance`, between-band variance of the loss rate, sum n_k (rate_k - rate)^2 / n; `information`, the information value
        sum (kept_k / kept - lost_k / lost) ln(kept_k lost / (lost_k kept)) over bands that hold anyone, NaN where one of them lost all
        or none; `youden`, Youden's index of either cut, added: share of the lost below - share of the kept below

    Returns
    -------
    lower, upper, value; `value` is undefined (NaN) for a book with one class only
    """
    lower, upper = pairs()
    return pd.DataFrame({"lower": lower, "upper": upper, "value": values(table, objective, by)})


def values(table: Below, objective: Objective = "variance", by: Literal["accounts", "arr"] = "accounts") -> Array:
    """`every_pair`'s values alone, also of replicates: (5050,) or 5,050 x replicates, in the order of `pairs`."""
    lower, upper = pairs()
    whole, bad = _pair(table, by)
    lost, kept = bad[-1], whole[-1] - bad[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        if objective == "youden":
            index = bad / lost - (whole - bad) / kept
            return index[lower] + index[upper]
        low, high = np.zeros_like(lower), np.full_like(lower, CUTS[-1])
        bands = [(whole[b] - whole[a], bad[b] - bad[a]) for a, b in ((low, lower), (lower, upper), (upper, high))]
        if objective == "variance":
            rate = lost / (lost + kept)
            every = sum(np.where(n > 0, n * (gone / np.where(n > 0, n, 1) - rate) ** 2, 0.0) for n, gone in bands) / (lost + kept)
            return np.where((lost > 0) & (kept > 0), every, np.nan)
        return np.asarray(sum(_information(n - gone, gone, kept, lost) for n, gone in bands))


def best_pair(table: Below, objective: Objective = "variance", by: Literal["accounts", "arr"] = "accounts") -> NDArray[Any]:
    """The cuts (lower, upper) of the greatest value, the lowest of equal ones; of replicates 2 x replicates. -1 where undefined."""
    found = values(table, objective, by)
    known = np.isfinite(found)
    at = np.where(known, found, -np.inf).argmax(axis=0)
    return np.where(known.any(axis=0), np.array(pairs())[:, at], -1)


def for_targets(table: Below, best: float, worst: float, *, least: int = FEWEST) -> tuple[Array, Array]:
    """The largest worst band that renews at most at `worst`, and the largest best band that renews at least at `best`.

    Returns
    -------
    lower : the greatest cut of 1 .. 100 with (kept below) / (cases below) <= worst; NaN where none of `least` cases has it
    upper : the least cut with (kept from it on) / (cases from it on) >= best; each one number, or one a replicate

    >>> found = below([10] * 20 + [60] * 20 + [90] * 20, [1] * 8 + [0] * 12 + [1] * 2 + [0] * 38)
    >>> [float(cut) for cut in for_targets(found, 0.95, 0.75)]
    [90.0, 11.0]
    """
    under, lost = table.accounts[1:101], table.churned[1:101]
    over, gone = table.accounts[-1] - under, table.churned[-1] - lost
    low = (under >= least) & (under - lost <= worst * under)
    high = (over >= least) & (over - gone >= best * over)
    greatest = 100 - np.argmax(low[::-1], axis=0)
    return np.where(low.any(axis=0), greatest, np.nan), np.where(high.any(axis=0), 1 + np.argmax(high, axis=0), np.nan)


def for_capacity(accounts: Array, room: float) -> Array:
    """The greatest cut of 0 .. 100 with at most `room` accounts below it, from `Below.accounts` of a book (or of its replicates).

    >>> int(for_capacity(below([10, 40, 40, 70], [0, 0, 0, 0]).accounts, 2))
    40
    """
    return (accounts[:101] <= room).sum(axis=0) - 1.0


def for_value(table: Below, save: ArrayLike, cost: float) -> Array:
    """The cut of 0 .. 100 worth most: that of the greatest `worth`, the lowest of equal ones.

    >>> int(for_value(below([10, 40, 70], [1, 1, 0], [900, 100, 900]), 0.5, 60))
    11
    """
    return np.argmax(worth(table, save, cost)[:101], axis=0).astype(float)


def worth(table: Below, save: ArrayLike, cost: float) -> Array:
    """Net value of working all below each cut: save x (ARR of those that would have left) - cost x accounts.

    It rises as long as P(lost | score) x save x ARR exceeds the cost: there lies the best cut.

    Parameters
    ----------
    save : the share of them that outreach keeps; one number, or one a replicate
    """
    return np.asarray(save, dtype=float) * table.arr_churned - cost * table.accounts


def pairs() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every lower and upper cut with 1 <= lower <= upper <= 100, sorted."""
    lower, upper = np.triu_indices(100)
    return lower + 1, upper + 1


def _pair(table: Below, by: str) -> tuple[Array, Array]:
    return (table.accounts, table.churned) if by == "accounts" else (table.arr, table.arr_churned)


def _information(good: Array, bad: Array, kept: Array, lost: Array) -> Array:
    """A band's part of the information value: 0 where nobody is in it, NaN where it holds one class only."""
    part = (good / kept - bad / lost) * np.log((good / kept) / (bad / lost))
    return np.where((good == 0) & (bad == 0), 0.0, np.where((good == 0) | (bad == 0), np.nan, part))


def _levels(score: ArrayLike, lost: ArrayLike) -> NDArray[np.intp]:
    """floor(score), lost ones 102 further; 101 where there is no score."""
    points = np.asarray(score, dtype=float)
    if len(points) and not (points.min() >= 0 and points.max() <= 100):
        if (points < 0).any() or (points > 100).any():
            raise HealthlibError(f"scores from {np.nanmin(points):g} to {np.nanmax(points):g}: thresholds lie within 0 to 100")
        points = np.fmin(points, UNSCORED_LEVEL)
    place = points.astype(np.intp)
    place += np.multiply(np.asarray(lost) == 1, 102, dtype=np.intp)
    return place


def _cumulated(count: Array, worth: Array, *, flat: bool = False) -> Below:
    """Sums below each cut from sums by level x lost (204 rows)."""
    found = []
    for table in (count, worth):
        kept, lost = (np.cumsum(part[:UNSCORED_LEVEL], axis=0, dtype=float) for part in (table[:102], table[102:]))
        found += [np.pad(kept + lost, ((1, 0), (0, 0))), np.pad(lost, ((1, 0), (0, 0)))]
    return Below(*(one[:, 0] if flat else one for one in found))
