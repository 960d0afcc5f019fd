"""Where ARR went: full churn and downsell by year, and churn by the reason that was given."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.resample import wilson

REASON_COLUMNS = ("reason", "accounts", "share", "low", "high", "arr", "arr_share", "arr_low", "arr_high")
MOVEMENT_COLUMNS = (
    "year",
    "arr_start",
    "accounts_start",
    "left_of_start",
    "left_accounts",
    "left_arr",
    "left_rate",
    "left_low",
    "left_high",
    "down_accounts",
    "down_arr",
    "up_accounts",
    "up_arr",
)

UNSTATED = "not stated"


def reasons(churned: pd.DataFrame) -> pd.DataFrame:
    """Accounts and ARR lost, by stated reason, largest ARR first.

    Returns
    -------
    DataFrame with `REASON_COLUMNS`: shares of all accounts that left and of their ARR, with Wilson intervals (for ARR on the
    effective number of accounts). Accounts that gave no reason are the row "not stated".
    """
    if churned.empty:
        return pd.DataFrame(columns=list(REASON_COLUMNS))
    frame = churned.assign(reason=churned["reason"].astype("object").where(churned["reason"].notna(), UNSTATED))
    table = frame.groupby("reason").agg(accounts=("account_id", "size"), arr=("arr", "sum")).reset_index()
    n, total = len(frame), float(frame["arr"].sum())
    effective = total**2 / float((frame["arr"] ** 2).sum()) if total > 0 else np.nan
    table["share"], table["arr_share"] = table["accounts"] / n, table["arr"] / total if total > 0 else np.nan
    for share, names, size in (("share", ("low", "high"), n), ("arr_share", ("arr_low", "arr_high"), effective)):
        table[names[0]], table[names[1]] = wilson(table[share], size)
    return table.sort_values(["arr", "reason"], ascending=[False, True])[list(REASON_COLUMNS)].reset_index(drop=True)


def movements(ledger: pd.DataFrame, churned: pd.DataFrame) -> pd.DataFrame:
    """ARR that left with its account, and ARR lost and won with accounts that stayed, by calendar year.

    Downsell and expansion are changes from one month-end to the next of an account that has ARR on both.

    Returns
    -------
    DataFrame with `MOVEMENT_COLUMNS`; accounts count once a year and kind. `left_rate` (Wilson interval) is
    `left_of_start` over `accounts_start`, the accounts at the start of the year, or at the first month-end seen; `left_accounts` and
    `left_arr` are of all that left, those that came within the year included.
    """
    if ledger.empty:
        return pd.DataFrame(columns=list(MOVEMENT_COLUMNS))
    wide = ledger.pivot_table(index="account_id", columns="month", values="arr", aggfunc="sum").sort_index(axis=1)
    years = pd.DatetimeIndex(wide.columns).year
    rows = [_year(int(year), wide, years.to_numpy(), churned) for year in sorted(set(years[1:]))]
    return pd.DataFrame(rows, columns=list(MOVEMENT_COLUMNS))


def _year(year: int, wide: pd.DataFrame, years: np.ndarray, churned: pd.DataFrame) -> dict[str, float]:
    """One calendar year of an account x month table; `years` is the year of each month."""
    change = np.nan_to_num(wide.diff(axis=1).to_numpy(dtype=float)[:, years == year])
    start = wide.iloc[:, max(int((years < year).sum()) - 1, 0)].dropna()
    start = start[start > 0]
    gone = churned[churned["ended_on"].dt.year == year] if len(churned) else churned
    of_start = int(gone["account_id"].isin(start.index).sum()) if len(gone) else 0
    rate = of_start / len(start) if len(start) else np.nan
    low, high = wilson(rate, len(start))
    return {
        "year": year,
        "arr_start": float(start.sum()),
        "accounts_start": len(start),
        "left_of_start": of_start,
        "left_accounts": len(gone),
        "left_arr": float(gone["arr"].sum()) if len(gone) else 0.0,
        "left_rate": rate,
        "left_low": float(low),
        "left_high": float(high),
        "down_accounts": int((change < 0).any(axis=1).sum()),
        "down_arr": float(-np.minimum(change, 0).sum() + 0.0),
        "up_accounts": int((change > 0).any(axis=1).sum()),
        "up_arr": float(np.maximum(change, 0).sum()),
    }
