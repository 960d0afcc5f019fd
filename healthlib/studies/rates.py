"""Loss rates by group, in accounts and in money, with intervals from resampling accounts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib import resample
from healthlib.resample import NOTHING, Estimate, account_weights

SMALL = 20
"""A group with fewer finished cases than this is marked, and never named in a claiming sentence (a convention)."""

PULL = 20.0
"""A shrunk rate adds this many imaginary cases at the base rate: a group of 20 goes half of the way (a convention)."""

RATE_COLUMNS = (
    "group",
    "cases",
    "accounts",
    "lost",
    "rate",
    "low",
    "high",
    "arr",
    "arr_lost",
    "arr_rate",
    "arr_low",
    "arr_high",
    "shrunk",
    "small",
)


def rates_by(cases: pd.DataFrame, groups: pd.Series, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Share of cases, and of their ARR, that was lost, by group.

    Parameters
    ----------
    cases : finished cases with account_id, lost (1.0/0.0), arr
    groups : a label per case, same index; cases without a label are left out
    replicates, seed : resamples of accounts behind each interval

    Returns
    -------
    DataFrame with `RATE_COLUMNS`; one row a group, in the order of the labels (categories keep theirs). `low`..`high` is the 95 % interval
    of `resample.rates`. `shrunk` is the rate pulled towards that of all cases: (lost + PULL x base) / (cases + PULL).
    """
    known = groups.notna() & cases["lost"].notna()
    cases, labels = cases[known], groups[known].astype("category").cat.remove_unused_categories()
    if cases.empty:
        return pd.DataFrame(columns=list(RATE_COLUMNS))
    codes, counts = account_weights(cases["account_id"], replicates, seed)
    arr = np.nan_to_num(cases["arr"].to_numpy(float))
    lost, number = cases["lost"].to_numpy(float), labels.cat.codes.to_numpy().astype(np.intp)
    counted = resample.rates(lost, codes, counts, groups=number)
    by_arr = resample.rates(lost, codes, counts, groups=number, case_weight=arr)
    n, base = np.round(counted["weight"]).astype(int), float(lost.mean())
    return pd.DataFrame(
        {
            "group": labels.cat.categories.astype(str),
            "cases": n,
            "accounts": counted["accounts"].astype(int),
            "lost": counted["events"].astype(int),
            "rate": counted["value"],
            "low": counted["low"],
            "high": counted["high"],
            "arr": by_arr["weight"],
            "arr_lost": by_arr["weight_happened"],
            "arr_rate": by_arr["value"],
            "arr_low": by_arr["low"],
            "arr_high": by_arr["high"],
            "shrunk": (counted["events"] + PULL * base) / (n + PULL),
            "small": n < SMALL,
        }
    )[list(RATE_COLUMNS)]


def overall(cases: pd.DataFrame, *, money: bool = False, replicates: int = 400, seed: int = 0) -> Estimate:
    """The share of all finished cases (or of their ARR) that was lost; `n` is accounts."""
    if cases.empty:
        return NOTHING
    codes, counts = account_weights(cases["account_id"], replicates, seed)
    weight = np.nan_to_num(cases["arr"].to_numpy(float)) if money else None
    return resample.rate(cases["lost"].to_numpy(float), codes, counts, case_weight=weight)
