"""What teaches and what is tested: the cut-offs in time, or the folds of other accounts where there is no time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEAST = 15
"""A replay starts once this many lost and this many kept cases have finished."""


@dataclass(frozen=True)
class Split:
    """What one step of a replay learns from and is tested on: masks over the finished cases.

    Attributes
    ----------
    name : the cut-off, or the fold in words
    seen : the cases whose values may set scales
    inner : splits of the training cases, to choose the strength by; none in time, where earlier tests choose it
    """

    name: pd.Timestamp | str
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    inner: tuple[Split, ...] = ()


def splits(done: pd.DataFrame) -> list[Split]:
    """How finished cases are divided into what teaches and what is tested: by time, or, where a `fold` stands in its place, by account.

    In time, at each cut-off, the cases that had finished teach and those scored before the next cut-off are tested. Without time each
    fold is tested once on weights learned from all others; the strength is chosen inside those, so that no tested case chooses it.
    """
    if "fold" not in done:
        return _splits_in_time(done)
    fold, lost = done["fold"].to_numpy(), done["lost"].to_numpy()
    everywhere = np.ones(len(done), dtype=bool)
    outer = [_leave_out(fold, number, everywhere) for number in np.unique(fold)]
    enough = [part for part in outer if min((lost[part.train] == kind).sum() for kind in (1, 0)) >= LEAST]
    return [replace(part, inner=tuple(_leave_out(fold, n, part.train) for n in np.unique(fold[part.train]))) for part in enough]


def _splits_in_time(done: pd.DataFrame) -> list[Split]:
    ends, found = cutoffs(done), []
    for at, cutoff in enumerate(ends):
        until = ends[at + 1] if at + 1 < len(ends) else done["as_of"].max() + pd.Timedelta(days=1)
        test = ((done["as_of"] >= cutoff) & (done["as_of"] < until)).to_numpy()
        if test.any():
            found.append(Split(cutoff, _finished(done, cutoff).to_numpy(), test, (done["as_of"] < cutoff).to_numpy()))
    return found


def _leave_out(fold: NDArray[Any], number: int, within: NDArray[np.bool_]) -> Split:
    """One fold tested and the others teaching, of the cases `within`."""
    train, test = within & (fold != number), within & (fold == number)
    return Split(f"fold {number:02d}", train, test, train)


def trainable(cases: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """The cases that may teach at `at`: their whole horizon and grace lie before it, and their outcome is known.

    Churn is known early and renewal late, so "whatever is known by then" would over-count churn.
    """
    return cases[_finished(cases, at)]


def _finished(cases: pd.DataFrame, at: pd.Timestamp) -> pd.Series:
    return (cases["horizon_ends_on"] < at) & cases["lost"].notna()


def month_ends(first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Every last day of a month from the month of `first` to the month before `last` ends.

    >>> [str(day.date()) for day in month_ends(pd.Timestamp("2024-01-15"), pd.Timestamp("2024-03-15"))]
    ['2024-01-31', '2024-02-29']
    """
    return pd.date_range(first.normalize(), last.normalize(), freq="ME", unit="s")


def cutoffs(cases: pd.DataFrame, *, least: int = LEAST) -> pd.DatetimeIndex:
    """Month-ends at which at least `least` lost and `least` kept cases had finished and after which some finished case was scored."""
    done = cases[cases["lost"].notna()]
    if done.empty:
        return pd.DatetimeIndex([], dtype="datetime64[s]")
    ends = month_ends(done["as_of"].min(), done["as_of"].max() + pd.Timedelta(days=1))
    horizon, lost = done["horizon_ends_on"].to_numpy(), done["lost"].to_numpy()
    seen = [[np.sum((horizon < end.to_datetime64()) & (lost == kind)) for kind in (1, 0)] for end in ends]
    enough = [min(pair) >= least for pair in seen]
    return ends[enough]
