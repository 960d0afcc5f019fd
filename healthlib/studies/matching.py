"""Accounts that left beside comparable ones that stayed: which ends of terms are compared, and how alike the two sides are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.studies.groups import attributes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from healthlib.studies.book import Book

MONTHS = 12
"""Whole months before the end that are looked at."""
CONTROLS = 5
"""Comparable accounts at most for each that left: more of them would narrow an interval by a few percent only
(the variance goes with 1 + 1/5; Ming & Rosenbaum 2000, doi:10.1111/j.0006-341X.2000.00118.x)."""
WITHIN_DAYS = 183
"""A match's term ended at most so many days earlier or later: two quarters, so that both saw the same seasons and prices."""
WITHIN_ARR = 3.0
"""A match pays at most so many times as much, or as little."""
OTHER_SEGMENT = 2.0
"""What another segment adds to the distance, in standard deviations of ARR: taken only where the own one has too few."""
MOST_SETS = 2_000
"""Of more accounts that left, so many are drawn: the intervals are narrow by then."""
TERMS = ("a month", "a quarter", "half a year", "a year", "several years")

END_COLUMNS = ("account_id", "ended_on", "month", "arr", "tenure", "term", "segment")
MATCH_COLUMNS = ("set", "end", "distance")
BALANCE_COLUMNS = ("covariate", "before", "after")


def month_number(days: pd.Series) -> NDArray[np.int64]:
    """Months since year 0, so that neighbouring month-ends differ by 1.

    >>> month_number(pd.Series(pd.to_datetime(["2025-12-31", "2026-01-31"]))).tolist()
    [24311, 24312]
    """
    return (days.dt.year * 12 + days.dt.month - 1).to_numpy(np.int64)


def places(history: pd.DataFrame, ends: pd.DataFrame) -> NDArray[np.int64]:
    """Row of `history` for each end and each of 0 .. `MONTHS` months before it; -1 where the account was no customer then.

    Month 0 is the last month-end on which the account was still covered (at most a month before the end), month k the one k month-ends
    earlier: k to k + 1 months before the end.

    Returns
    -------
    int array of shape (ends, MONTHS + 1)
    """
    accounts = pd.Index(history["account_id"].astype(str).unique())
    number = month_number(history["as_of"])
    first, last = (number.min(), number.max()) if len(number) else (0, 0)
    lookup = np.full((len(accounts) + 1, last - first + 2), -1, dtype=np.int64)
    lookup[accounts.get_indexer(pd.Index(history["account_id"].astype(str))), number - first] = np.arange(len(history))
    row = accounts.get_indexer(pd.Index(ends["account_id"].astype(str)))
    column = ends["month"].to_numpy(np.int64)[:, None] - np.arange(MONTHS + 1) - first
    return lookup[row[:, None], np.where((column >= 0) & (column <= last - first), column, -1)]


def ends_of(book: Book) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ends of accounts that left, and the pseudo-ends of accounts that did not.

    With terms, a pseudo-end is the end of a finished term that was kept. Without (churn_within) it is any month-end after which the account
    stayed for the whole horizon. An account that left later may stand for those that stayed at an earlier end, as it then did.

    Returns
    -------
    Two DataFrames `END_COLUMNS`: `month` the month-end of month 0 (`month_number`), `arr` and `segment` (the first attribute) as known at
    the earliest month-end of the year looked at, so that a fall before the end does not choose its own comparison; `tenure` days since the
    first contract at month 0, `term` its length in words ("" where terms are not known). Ends without any month-end are left out.
    """
    if book.workspace.kind == "flat":
        return pd.DataFrame(columns=list(END_COLUMNS)), pd.DataFrame(columns=list(END_COLUMNS))
    left = book.churned[["account_id", "ended_on"]]
    lost = left.assign(month=month_number(left["ended_on"]) - 1 if len(left) else np.int64(0))
    finished = book.cases[book.cases["lost"].notna()]
    monthly = book.workspace.kind == "churn_within"
    if monthly:
        stayed = finished[finished["lost"] == 0]
        kept = stayed[["account_id"]].assign(ended_on=stayed["as_of"], month=month_number(stayed["as_of"]))
    else:
        kept = _kept_terms(finished, left)
    lost, kept = (part.drop_duplicates(["account_id", "month"]).reset_index(drop=True) for part in (lost, kept))
    return _described(book, lost), _described(book, kept)


def _kept_terms(finished: pd.DataFrame, left: pd.DataFrame) -> pd.DataFrame:
    """Ends of finished terms after which the account was still there."""
    ends = finished[["account_id", "term_ends"]].rename(columns={"term_ends": "ended_on"}).dropna().drop_duplicates()
    both = ends.merge(left.assign(gone=True), on=["account_id", "ended_on"], how="left")
    kept = both.loc[both["gone"].isna(), ["account_id", "ended_on"]].reset_index(drop=True)
    return kept.assign(month=month_number(kept["ended_on"]) - 1 if len(kept) else np.int64(0))


def _described(book: Book, ends: pd.DataFrame) -> pd.DataFrame:
    """What ends are matched on."""
    if ends.empty or book.history.empty:
        return pd.DataFrame(columns=list(END_COLUMNS))
    at = places(book.history, ends)
    seen = at[:, 0] >= 0
    ends, at = ends[seen].reset_index(drop=True), at[seen]
    known = at >= 0
    earliest = at[np.arange(len(at)), np.where(known, np.arange(at.shape[1]), -1).max(axis=1, initial=0)]
    names = attributes(book.history, book.scorecard)[:1]
    segment = book.history[names[0]].iloc[earliest].astype("string").fillna("?").to_numpy(str) if names else np.full(len(at), "")
    return ends.assign(
        arr=book.history["arr"].to_numpy(float)[earliest],
        tenure=book.history["age_days"].to_numpy(float)[at[:, 0]],
        term=_term(book.history, at[:, 0]),
        segment=segment,
    )[list(END_COLUMNS)]


def _term(history: pd.DataFrame, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """Length of the running term by the month-ends it has covered so far; "" without terms."""
    length = history.groupby(["account_id", "term_ends"], dropna=True)["as_of"].rank(method="first").to_numpy(float)[rows]
    words = np.asarray(TERMS)[np.searchsorted([1.5, 4.5, 7.5, 14.5], np.nan_to_num(length, nan=1.0))]
    return np.where(np.isnan(length), "", words)


def match(lost: pd.DataFrame, kept: pd.DataFrame, *, also: Sequence[str] = (), monthly: bool = False, seed: int = 0) -> pd.DataFrame:
    """The nearest ends of accounts that stayed for each end of one that left, with replacement.

    Candidates have the same length of term, end within `WITHIN_DAYS` (`monthly`: at the same month-end), pay at most `WITHIN_ARR` times as
    much or as little, and are another account; an account counts once in a set. Distance: |difference of log ARR| and of log tenure in
    standard deviations of those that left, years between the ends, and `OTHER_SEGMENT` for another segment.

    Parameters
    ----------
    lost, kept : from `ends_of`
    also : further columns of numbers that both have; they count in the distance as log ARR does

    Returns
    -------
    DataFrame `MATCH_COLUMNS`: set (row of `lost`), end (row of `kept`), distance; at most `CONTROLS` rows a set, none where nobody is
    comparable
    """
    if lost.empty or kept.empty:
        return pd.DataFrame({"set": pd.Series(dtype=int), "end": pd.Series(dtype=int), "distance": pd.Series(dtype=float)})
    order = np.lexsort((kept["account_id"].to_numpy(str), _day(kept)))
    days, within = _day(kept)[order], 0 if monthly else WITHIN_DAYS
    values, theirs = _coordinates(lost, lost, also), _coordinates(kept, lost, also)[order]
    text = {name: _numbered(lost[name], kept[name].iloc[order]) for name in ("account_id", "term", "segment")}
    factor = np.log(WITHIN_ARR) / _spread(np.log(lost["arr"].to_numpy(float)))
    target = lost["month"].to_numpy() if monthly else _day(lost)
    days = kept["month"].to_numpy()[order] if monthly else days
    found = []
    for i in _drawn(len(lost), seed):
        near = slice(*np.searchsorted(days, [target[i] - within, target[i] + within + 1]))
        away = np.abs(theirs[near] - values[i])
        mine = {name: their[near] == own[i] for name, (own, their) in text.items()}
        fits = mine["term"] & ~mine["account_id"] & (away[:, 0] <= factor)
        distance = away.sum(axis=1) + OTHER_SEGMENT * ~mine["segment"] + (0 if monthly else np.abs(days[near] - target[i]) / 365)
        chosen = np.flatnonzero(fits)[np.argsort(distance[fits], kind="stable")]
        _, once = np.unique(text["account_id"][1][near][chosen], return_index=True)
        chosen = chosen[np.sort(once)][:CONTROLS]
        found.append((np.full(len(chosen), i), order[near][chosen], distance[chosen]))
    return pd.DataFrame(dict(zip(MATCH_COLUMNS, (np.concatenate(part) for part in zip(*found, strict=True)), strict=True)))


def _numbered(one: pd.Series, other: pd.Series) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Both columns of text as numbers, the same text the same number."""
    number = pd.factorize(np.concatenate([one.to_numpy(str), other.to_numpy(str)]))[0]
    return number[: len(one)], number[len(one) :]


def _drawn(number: int, seed: int) -> NDArray[np.intp]:
    """All sets, or `MOST_SETS` of them."""
    if number <= MOST_SETS:
        return np.arange(number)
    return np.sort(np.random.default_rng(seed).choice(number, MOST_SETS, replace=False))


def _day(ends: pd.DataFrame) -> NDArray[np.int64]:
    return ends["ended_on"].to_numpy("datetime64[D]").astype(np.int64)


def _coordinates(ends: pd.DataFrame, of: pd.DataFrame, also: Sequence[str]) -> NDArray[np.float64]:
    """Log ARR, log tenure (plus a quarter) and what else was asked for, in standard deviations of those that left."""
    columns = [
        (
            np.log(side["arr"].to_numpy(float)), np.log(side["tenure"].fillna(0).to_numpy(float) + 91),
            *(side[name].to_numpy(float) for name in also),
        )
        for side in (ends, of)
    ]  # fmt: skip
    return np.column_stack([own / _spread(theirs) for own, theirs in zip(*columns, strict=True)])


def _spread(values: NDArray[np.float64]) -> float:
    found = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return found if found > 0 else 1.0


def balance(lost: pd.DataFrame, kept: pd.DataFrame, sets: pd.DataFrame) -> pd.DataFrame:
    """Standardised mean differences between those that left and the comparison, before matching (all pseudo-ends) and after.

    (mean of those that left - mean of the comparison) / root of the mean of both variances before matching; of the segment the largest over
    its values. Under 0.1 is taken for balanced (Austin 2009, doi:10.1002/sim.3697).

    Returns
    -------
    DataFrame `BALANCE_COLUMNS`
    """
    used = np.unique(sets["set"])
    if not len(used):
        return pd.DataFrame(columns=list(BALANCE_COLUMNS))
    weight = 1 / sets.groupby("set")["end"].transform("size").to_numpy(float)
    chosen = sets["end"].to_numpy(np.intp)
    measures = {
        "ARR": lambda side: np.log(side["arr"].to_numpy(float)),
        "tenure": lambda side: np.log(side["tenure"].fillna(0).to_numpy(float) + 91),
        "date": _day,
    }
    rows = []
    for name, of in measures.items():
        rows.append((name, *_differences(np.asarray(of(lost), float), np.asarray(of(kept), float), used, chosen, weight)))
    for name in ("segment", "term"):
        levels = np.unique(lost[name].to_numpy(str))
        if len(levels) > 1:
            each = [
                _differences(*((side[name].to_numpy(str) == level).astype(float) for side in (lost, kept)), used, chosen, weight)
                for level in levels
            ]
            rows.append((name, *(max((pair[j] for pair in each), key=abs) for j in (0, 1))))
    return pd.DataFrame(rows, columns=list(BALANCE_COLUMNS))


def _differences(
    mine: NDArray[np.float64], theirs: NDArray[np.float64], used: NDArray[np.intp], chosen: NDArray[np.intp], weight: NDArray[np.float64]
) -> tuple[float, float]:
    spread = np.sqrt((mine.var() + theirs.var()) / 2)
    if not spread > 0:
        return 0.0, 0.0
    return float((mine.mean() - theirs.mean()) / spread), float((mine[used].mean() - np.average(theirs[chosen], weights=weight)) / spread)
