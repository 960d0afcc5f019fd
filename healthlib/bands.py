"""Bands: cut scores, choose where to cut, count what each band lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from healthlib.resample import BLOCK_BYTES, Estimate, by_account, percentile, rates, shares
from healthlib.spec import Scorecard

UNSCORED = "unscored"
"""The band of a case with too little measured: never a made-up number."""

CASE_COLUMNS = ("account_id", "as_of", "score", "band", "lost", "arr")

TABLE_COLUMNS = (
    "band", "accounts", "churned", "arr", "arr_churned", "churn_rate", "churn_low", "churn_high", "arr_churn_rate", "arr_churn_low",
    "arr_churn_high", "lift", "lift_low", "lift_high", "share_of_churned_accounts", "share_low", "share_high", "share_of_churned_arr",
    "arr_share_low", "arr_share_high", "share_of_accounts", "share_of_accounts_low", "share_of_accounts_high", "n",
)  # fmt: skip

DIFFERENCE_COLUMNS = ("band", "next_band", "difference", "low", "high", "arr_difference", "arr_low", "arr_high")

FEW = 5
"""Where fewer cases of a band left, or stayed, replicates say too little: the interval is put together from the two bands' own."""


@dataclass(frozen=True)
class Replicates:
    """Accounts of a frame's rows and how often each is drawn, from `resample.account_weights`."""

    codes: NDArray[np.intp]
    counts: NDArray[Any]

    def ready(self) -> Replicates:
        """The same with counts as doubles, where that takes little memory: several sums then share one conversion."""
        return Replicates(self.codes, self.counts.astype(float)) if 8 * self.counts.size <= BLOCK_BYTES else self


def band_names(scorecard: Scorecard) -> list[str]:
    """The scorecard's bands from low to high, then `unscored`."""
    return [band.name for band in scorecard.bands] + [UNSCORED]


def band_colours(scorecard: Scorecard) -> dict[str, str]:
    """The scorecard's bands from low to high, each with a colour of its own or ""."""
    return {band.name: band.color or "" for band in scorecard.bands}


def band_starts(scorecard: Scorecard) -> list[float]:
    """The score at which each band begins, low to high."""
    return [float(band.start) for band in scorecard.bands]


def assign(score: ArrayLike, starts: ArrayLike, names: Sequence[str]) -> NDArray[np.object_]:
    """The highest band whose start the score reaches; `unscored` for NaN.

    >>> assign([10.0, 60.0, float("nan")], [0, 60], ["red", "green"]).tolist()
    ['red', 'green', 'unscored']
    """
    values = np.asarray(score, dtype=float)
    place = np.clip(np.searchsorted(np.asarray(starts, dtype=float), values, side="right") - 1, 0, len(names) - 1)
    return np.where(np.isnan(values), UNSCORED, np.asarray(names, dtype=object)[place])


def starts_for_shares(score: ArrayLike, below: Sequence[float]) -> list[float]:
    """Where to cut so that the given shares of the scores fall below each cut.

    Parameters
    ----------
    below : wanted share of scored cases below each cut, ascending

    Returns
    -------
    a value of `score` for each cut (a case with that very score lies above it); NaN where nothing was scored

    >>> starts_for_shares([10, 20, 30, 40], [0.25, 0.5])
    [20.0, 30.0]
    """
    values = np.sort(np.asarray(score, dtype=float)[np.isfinite(np.asarray(score, dtype=float))])
    if not len(values):
        return [float("nan")] * len(below)
    return [float(values[min(round(share * len(values)), len(values) - 1)]) for share in below]


def matched_starts(score: ArrayLike, current_score: ArrayLike, scorecard: Scorecard) -> list[float]:
    """Band starts for another score that put the same shares of cases in each band as the scorecard in use does.

    So scorecards are compared at equal work: as many red accounts for each. The lowest band keeps the start it has.
    """
    now = np.asarray(current_score, dtype=float)
    now = now[np.isfinite(now)]
    starts = band_starts(scorecard)
    if not len(now):
        return [*starts[:1], *[float("nan")] * (len(starts) - 1)]
    return [*starts[:1], *starts_for_shares(score, [float((now < start).mean()) for start in starts[1:]])]


def band_table(cases: pd.DataFrame, names: Sequence[str], draws: Replicates) -> pd.DataFrame:
    """What each band held and what it lost, pooled over the rows of `cases`.

    Parameters
    ----------
    cases : account_id, band, lost (0/1), arr; a row is one account on one scored day, so an account scored on several days counts as often
    names : bands in the order wanted; a last row `all` is the whole
    draws : accounts of the rows and their replicate counts

    Returns
    -------
    DataFrame with `TABLE_COLUMNS`. `accounts` and `churned` count rows; rates, lift (band rate / rate of all) and shares (of all
    rows; of the churned; of the churned ARR) have 95 % intervals from resampling accounts (`resample.rates`); `n` is distinct accounts.
    """
    lost, arr = cases["lost"].to_numpy(dtype=float), cases["arr"].to_numpy(dtype=float)
    place = pd.Index(names).get_indexer(pd.Index(cases["band"]))
    k, draws = len(names), draws.ready()
    by_count, by_money = (_by_band(lost, place, k, draws, weight=weight) for weight in (None, np.nan_to_num(arr)))
    table = pd.DataFrame({
        "band": [*names, "all"], "accounts": by_count["weight"], "churned": by_count["events"],
        "arr": by_money["weight"], "arr_churned": by_money["weight_happened"],
        "churn_rate": by_count["value"], "churn_low": by_count["low"], "churn_high": by_count["high"],
        "arr_churn_rate": by_money["value"], "arr_churn_low": by_money["low"], "arr_churn_high": by_money["high"],
        "n": by_count["accounts"],
    })  # fmt: skip
    table = _with_lift(table)
    wanted = {
        "share_of_churned_accounts": ("share", lost), "share_of_churned_arr": ("arr_share", lost * arr),
        "share_of_accounts": ("share_of_accounts", None),
    }  # fmt: skip
    for name, (prefix, weight) in wanted.items():
        found = shares(place, k, draws.codes, draws.counts, case_weight=weight)
        whole = 1.0 if len(cases) and (weight is None or np.nansum(weight) > 0) else np.nan
        for column, key in ((name, "value"), (f"{prefix}_low", "low"), (f"{prefix}_high", "high")):
            table[column] = [*found[key], whole]
    return table[list(TABLE_COLUMNS)]


def band_differences(cases: pd.DataFrame, table: pd.DataFrame, draws: Replicates) -> pd.DataFrame:
    """By how much each band's churn rate exceeds that of the next higher band that held anyone.

    Two intervals that overlap do not say that two rates are alike, and an account may lie in both bands; so the difference itself is taken
    in every replicate (percentiles). Where fewer than `FEW` of either band left or stayed, it is Newcombe's hybrid of the two bands'
    intervals, method 10 of Newcombe (1998), Statistics in Medicine 17, 873-890, which does not collapse where nobody left.

    Parameters
    ----------
    cases, draws : as given to `band_table`
    table : what `band_table` returned for them

    Returns
    -------
    DataFrame with `DIFFERENCE_COLUMNS`: rate of `band` minus rate of `next_band`, of cases and of ARR (0..1), with 95 % intervals; worst
    pair first
    """
    held = table[~table["band"].isin([UNSCORED, "all"]) & (table["accounts"] > 0)].reset_index(drop=True)
    place = pd.Index(held["band"]).get_indexer(pd.Index(cases["band"]))
    lost, arr = cases["lost"].to_numpy(dtype=float), np.nan_to_num(cases["arr"].to_numpy(dtype=float))
    rows: dict[str, Any] = {"band": held["band"].to_numpy()[:-1], "next_band": held["band"].to_numpy()[1:]}
    for weight, prefix, (low, high) in ((np.ones(len(cases)), "", ("low", "high")), (arr, "arr_", ("arr_low", "arr_high"))):
        three = held[[f"{prefix}churn_rate", f"{prefix}churn_low", f"{prefix}churn_high"]].to_numpy(dtype=float)
        rest = np.minimum(held["churned"].to_numpy(), (held["accounts"] - held["churned"]).to_numpy())
        drawn = _drawn_rates(place, lost, weight, draws, len(held))
        ends = [
            percentile(three[i, 0] - three[i + 1, 0], drawn[i] - drawn[i + 1])
            if min(rest[i], rest[i + 1]) >= FEW
            else _newcombe(three[i], three[i + 1])
            for i in range(len(held) - 1)
        ]
        rows |= {f"{prefix}difference": [e.value for e in ends], low: [e.low for e in ends], high: [e.high for e in ends]}
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def _drawn_rates(
    place: NDArray[np.intp], lost: NDArray[np.float64], weight: NDArray[np.float64], draws: Replicates, size: int
) -> NDArray[np.float64]:
    """Churn rate of each band (rows) in each replicate (columns); NaN where a replicate holds none of a band."""
    inside, shape = place >= 0, (size, draws.counts.shape[0])
    sums = [
        by_account(draws.codes[inside], values[inside], groups=place[inside], shape=shape) @ draws.counts.astype(float)
        for values in (weight * lost, weight)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[0] / sums[1]


def _newcombe(first: NDArray[np.float64], second: NDArray[np.float64]) -> Estimate:
    """The difference of two (rate, low, high) with the interval that theirs give.

    >>> found = _newcombe(np.array([56 / 70, 0.6914, 0.8772]), np.array([48 / 80, 0.4905, 0.7004]))
    >>> round(found.low, 3), round(found.high, 3)  # Newcombe (1998), table II, (a), method 10: 0.0524 to 0.3339
    (0.052, 0.334)
    """
    value, below, above = first[0] - second[0], first[0] - first[1], first[2] - first[0]
    down, up = np.hypot(below, second[2] - second[0]), np.hypot(above, second[0] - second[1])
    return Estimate(float(value), float(value - down), float(value + up))


def _with_lift(table: pd.DataFrame) -> pd.DataFrame:
    """Lift = band rate / rate of all; its interval is the rate's over the base rate, which rests on the accounts of all bands.

    The rate of all is taken as known, and has no interval against itself. That errs on the wide side: a band is part of the whole, so the
    two move together.
    """
    base = table["churn_rate"].iloc[-1]
    base = base if base > 0 else np.nan
    lift = table.assign(lift=table["churn_rate"] / base, lift_low=table["churn_low"] / base, lift_high=table["churn_high"] / base)
    lift.loc[lift.index[-1], ["lift_low", "lift_high"]] = lift["lift"].iloc[-1]
    return lift


def _by_band(
    lost: NDArray[np.float64], place: NDArray[np.intp], size: int, draws: Replicates, *, weight: NDArray[np.float64] | None
) -> dict[str, NDArray[np.float64]]:
    """`resample.rates` of each band and then of all: counts of an empty band are 0, its rates NaN."""
    found = rates(lost, draws.codes, draws.counts, case_weight=weight, groups=place)
    whole = rates(lost, draws.codes, draws.counts, case_weight=weight)
    blank = {"accounts": 0.0, "events": 0.0, "weight": 0.0, "weight_happened": 0.0}
    result = {}
    for key, values in found.items():
        empty = blank.get(key, np.nan)
        total = whole[key] if len(whole[key]) else [empty]
        result[key] = np.concatenate([values, np.full(size - len(values), empty), total])
    return result
