"""Conditions month by month with a memory: what holds of each account on each day, so that nothing at an edge flaps.

Every function works on grids of days x accounts: NaN (or False) where an account was no customer, which also ends what it remembers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NEAR_DAYS = 16
"""A snapshot is "N days ago" when it lies at most so far from that day: month-ends are at most 31 days apart."""


@dataclass(frozen=True)
class Grid:
    """Snapshots as days x accounts.

    Attributes
    ----------
    days : the dates, ascending, datetime64[D]
    accounts : the accounts, sorted
    row : place of the snapshot of each day and account; -1 where the account was no customer
    """

    days: NDArray[np.datetime64]
    accounts: pd.Index
    row: NDArray[np.intp]

    @property
    def present(self) -> Flags:
        """Whether the account was a customer on the day."""
        return self.row >= 0

    @property
    def here_since(self) -> NDArray[np.intp]:
        """Number of the day from which on the account has been a customer without a gap; one more than the day where it is none."""
        return np.maximum.accumulate(np.where(self.present, 0, np.arange(1, len(self.days) + 1)[:, None]), axis=0)

    def of(self, values: Floats) -> Floats:
        """One value a snapshot as a grid; NaN where there is no snapshot."""
        padded = np.append(np.asarray(values, dtype=float), np.nan)
        return padded[self.row]

    def days_before(self, days: int) -> NDArray[np.intp]:
        """For each day the number of the day closest to `days` earlier, at most `NEAR_DAYS` off, the earlier of two; -1 where none is."""
        numbers = self.days.astype("datetime64[D]").astype(int)
        off = np.abs(numbers[None, :] - (numbers[:, None] - days)).astype(float)
        off[np.triu_indices(len(numbers))] = np.inf
        nearest = off.argmin(axis=1)
        return np.where(off[np.arange(len(numbers)), nearest] <= NEAR_DAYS, nearest, -1)


def grid_of(history: pd.DataFrame) -> Grid:
    """The grid of some snapshots, one row per account_id and as_of."""
    days, at = np.unique(history["as_of"].to_numpy().astype("datetime64[D]"), return_inverse=True)
    accounts = pd.Index(np.unique(history["account_id"].to_numpy(dtype=object)))
    row = np.full((len(days), len(accounts)), -1, dtype=np.intp)
    row[at.reshape(-1), accounts.get_indexer(pd.Index(history["account_id"].to_numpy(dtype=object)))] = np.arange(len(history))
    return Grid(days, accounts, row)


def held_bands(score: Floats, rank: Floats, forced: Flags, edges: Floats, hysteresis: float) -> Floats:
    """The band each account is held in: one left only when the score passes its edge by `hysteresis` points.

    The first score, and a score that a gate capped, put an account into the band it has. After that it moves to band
    clip(held, band of score - hysteresis, band of score + hysteresis), as a Schmitt trigger at every edge does. Without a score it stays.

    Parameters
    ----------
    score : days x accounts; NaN where unscored or no customer
    rank : number of the score's band, 0 the worst; -1 where unscored, NaN where no customer: that ends what is remembered
    forced : whether the band is to be taken as it is
    edges : start of each band, ascending, the first 0

    Returns
    -------
    number of the held band; NaN before the first score

    >>> scores = np.array([[66.0], [63.0], [61.0], [66.0], [68.0]])
    >>> held_bands(scores, (scores >= 65) * 1.0, np.zeros((5, 1), bool), np.array([0.0, 65.0]), 3.0).ravel().tolist()
    [1.0, 1.0, 0.0, 0.0, 1.0]
    """
    held = np.full(score.shape, np.nan)
    last = np.full(score.shape[1], np.nan)
    for t in range(len(score)):
        low = np.searchsorted(edges, score[t] - hysteresis, side="right") - 1
        high = np.searchsorted(edges, score[t] + hysteresis, side="right") - 1
        moved = np.clip(last, np.maximum(low, 0), np.maximum(high, 0))
        now = np.where(np.isnan(last) | forced[t], rank[t], moved)
        last = np.where(np.isnan(rank[t]), np.nan, np.where(rank[t] < 0, last, now))
        held[t] = last
    return held


def latched(start: Flags, stay: Flags, present: Flags) -> Flags:
    """What begins where `start` holds and lasts for as long as `stay` does and the account is a customer.

    >>> begin, stay = np.array([[False], [True], [False], [False], [False]]), np.array([[True], [True], [True], [False], [True]])
    >>> latched(begin, stay, np.ones((5, 1), bool)).ravel().tolist()
    [False, True, True, False, False]
    """
    result = np.zeros(start.shape, dtype=bool)
    on = np.zeros(start.shape[1], dtype=bool)
    for t in range(len(start)):
        on = present[t] & (start[t] | (on & stay[t]))
        result[t] = on
    return result


def ago(values: Floats, place: NDArray[np.intp]) -> Floats:
    """The values of another day: row `place[t]` in row t; NaN where that is -1."""
    return np.vstack([values, np.full((1, values.shape[1]), np.nan)])[place]


def days_since_true(happened: Flags, grid: Grid) -> Floats:
    """Days since it last held for the account, by snapshots; counted from the first snapshot where it never did."""
    numbers = grid.days.astype("datetime64[D]").astype(float)
    result, last = np.full(happened.shape, np.nan), np.full(happened.shape[1], np.nan)
    for t in range(len(happened)):
        last = np.where(~grid.present[t], np.nan, np.where(happened[t] | np.isnan(last), numbers[t], last))
        result[t] = numbers[t] - last
    return result
