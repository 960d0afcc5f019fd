"""How long before they left had they been red: the first red, the last unbroken spell, and the share red by so many days before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.resample import NOTHING, Estimate, account_weights, percentile, rate

SPELL_COLUMNS = ("account_id", "ended_on", "arr", "snapshots", "first_red", "lasting_red", "first_below", "lasting_below")
CURVE_COLUMNS = ("state", "days", "share", "low", "high", "arr_share", "arr_low", "arr_high")
LENGTH_COLUMNS = (
    "what", "state", "ended", "ever", "median", "low", "high", "quarter", "three_quarters", "arr_median", "never", "never_low",
    "never_high", "arr_never", "arr_never_low", "arr_never_high",
)  # fmt: skip

LOOK_DAYS = 365
"""How far back before an end a band is looked at."""
STEP_DAYS, LAST_DAYS = 30, 300
STAYED = "stayed"
"""Name of the line of those still here, looked back on from today."""
WHAT = {"first": "First seen", "lasting": "Unbroken to the end"}


@dataclass(frozen=True)
class Ends:
    """The ends of accounts and the snapshots before each.

    Attributes
    ----------
    ends : account_id, ended_on, arr: an end a row
    before : end (row of `ends`), days (from the snapshot to the end), row (of the snapshots), newest first
    """

    ends: pd.DataFrame
    before: pd.DataFrame


def ends_of(churned: pd.DataFrame, rows: pd.DataFrame) -> Ends:
    """Each end with the snapshots of the `LOOK_DAYS` before it and after the account's end before that.

    Parameters
    ----------
    churned : account_id, ended_on, arr
    rows : account_id, as_of of every snapshot
    """
    ends = churned[["account_id", "ended_on", "arr"]].sort_values(["account_id", "ended_on"], kind="stable").reset_index(drop=True)
    since = ends.groupby("account_id")["ended_on"].shift(1)
    snapshots = rows[["account_id", "as_of"]].assign(row=np.arange(len(rows)))
    joined = ends.assign(end=ends.index, since=since).merge(snapshots, on="account_id")
    joined = joined.assign(days=(joined["ended_on"] - joined["as_of"]).dt.days)
    new = joined["since"].isna() | (joined["as_of"] > joined["since"])
    before = joined.loc[new & joined["days"].between(1, LOOK_DAYS), ["end", "days", "row"]]
    return Ends(ends, before.sort_values(["end", "days"], kind="stable").reset_index(drop=True))


def first_and_lasting(found: Ends, inside: NDArray[np.bool_]) -> tuple[pd.Series, pd.Series]:
    """Days before each end at which a state was first seen, and at which its last unbroken spell, which held to the end, was first seen.

    Parameters
    ----------
    inside : whether each row of `found.before` is in the state; an unscored snapshot is not, and breaks a spell

    Returns
    -------
    first, lasting : by end; NaN where never, and where the newest snapshot was not in the state
    """
    index, before = found.ends.index, found.before
    held = pd.Series(inside, index=before.index)
    unbroken = held & (~held).groupby(before["end"]).cumsum().eq(0)
    first, lasting = (before["days"].where(mask).groupby(before["end"]).max().reindex(index) for mask in (held, unbroken))
    return first.astype(float), lasting.astype(float)


def spells(found: Ends, band: NDArray[np.intp], top: int) -> pd.DataFrame:
    """A row an end: `SPELL_COLUMNS`; `_red` is the lowest band, `_below` any band below the highest.

    Parameters
    ----------
    band : number of each snapshot's band, 0 the worst, -1 unscored
    top : number of the highest
    """
    place = band[found.before["row"].to_numpy()]
    red, below = first_and_lasting(found, place == 0), first_and_lasting(found, (place >= 0) & (place < top))
    scored = pd.Series(place >= 0).groupby(found.before["end"]).sum().reindex(found.ends.index).fillna(0).astype(int)
    columns = {"first_red": red[0], "lasting_red": red[1], "first_below": below[0], "lasting_below": below[1]}
    return found.ends.assign(snapshots=scored, **columns)[list(SPELL_COLUMNS)]


def lengths(table: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """How long before the end: median with interval and quartiles of those that were, and the share that never was.

    Parameters
    ----------
    table : from `spells`

    Returns
    -------
    DataFrame `LENGTH_COLUMNS`, first and lasting, red and below; empty where nobody left
    """
    rows = []
    for state in ("red", "below") if len(table) else ():
        for what in WHAT:
            days = table[f"{what}_{state}"]
            was, arr = days.notna().to_numpy(), np.nan_to_num(table["arr"].to_numpy(dtype=float))
            draws = account_weights(table["account_id"], replicates, seed)
            never, money = rate(~was, *draws), rate(~was, *draws, case_weight=arr) if arr.sum() > 0 else NOTHING
            middle = middle_of(days[was].to_numpy(), np.ones(was.sum()), draws[0][was], draws[1])
            by_arr = middle_of(days[was].to_numpy(), arr[was], draws[0][was], draws[1])
            quarter, three = np.quantile(days[was], [0.25, 0.75]) if was.any() else (np.nan, np.nan)
            rows.append((
                what, state, len(table), int(was.sum()), middle.value, middle.low, middle.high, quarter, three, by_arr.value,
                never.value, never.low, never.high, money.value, money.low, money.high,
            ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(LENGTH_COLUMNS))


def middle_of(values: NDArray[Any], weight: NDArray[np.float64], codes: NDArray[np.intp], counts: NDArray[Any]) -> Estimate:
    """The weighted median, the least value at which half of the weight lies at or below, with its percentile interval.

    >>> codes, counts = account_weights(list("abc"), replicates=20)
    >>> middle_of(np.array([30.0, 60.0, 200.0]), np.ones(3), codes, counts).value
    60.0
    """
    if not len(values) or weight.sum() <= 0:
        return NOTHING
    order = np.argsort(values, kind="stable")
    sorted_values, w = np.asarray(values, dtype=float)[order], weight[order]
    drawn = np.column_stack([w, w[:, None] * counts[codes[order]]])
    upto = np.cumsum(drawn, axis=0)
    medians = np.where(upto[-1] > 0, sorted_values[np.argmax(upto >= upto[-1] / 2, axis=0)], np.nan)
    return percentile(float(medians[0]), medians[1:], n=float(len(np.unique(codes))))


def curve(table: pd.DataFrame, stayed: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Share of the ends, and of their ARR, that had been in a state by so many days before, within `LOOK_DAYS`.

    Parameters
    ----------
    table : from `spells`
    stayed : the same for accounts still here, whose "end" is the day looked back from

    Returns
    -------
    DataFrame `CURVE_COLUMNS`: state red, below, lasting (red ever since, to the end), and `STAYED`: red of those still here
    """
    rows = []
    lines = {"below": (table, "first_below"), "red": (table, "first_red"), "lasting": (table, "lasting_red"), STAYED: (stayed, "first_red")}
    for state, (ends, column) in lines.items():
        if ends.empty:
            continue
        draws = account_weights(ends["account_id"], replicates, seed)
        arr, first = np.nan_to_num(ends["arr"].to_numpy(dtype=float)), ends[column].to_numpy(dtype=float)
        for days in range(0, LAST_DAYS + 1, STEP_DAYS):
            by = np.nan_to_num(first, nan=-1.0) >= max(days, 1)
            count, money = rate(by, *draws), rate(by, *draws, case_weight=arr) if arr.sum() > 0 else NOTHING
            rows.append((state, days, count.value, count.low, count.high, money.value, money.low, money.high))
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
