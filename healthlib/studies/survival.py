"""How long accounts stay: Kaplan-Meier curves of accounts and of the ARR they started with."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.resample import account_weights, wilson

DAYS_OF_A_MONTH = 31
"""Parts a calendar month is divided into, so that the same day of a later month is a whole number of months away."""

FOLLOWED = 10
"""Fewer accounts followed that long, and what is left after so many months is not stated (a convention)."""

CURVE_COLUMNS = ("group", "months", "share", "low", "high", "at_risk", "left")


def lifetimes(history: pd.DataFrame, churned: pd.DataFrame, ledger: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """One row an account: when it started, when it came into view, when it left or was last seen.

    An account that was a customer before the first month we can see is followed from that month only (left truncation): those
    who left earlier cannot be in the exports, so counting its early years would promise too much. An account in no month of
    `ledger` never was a customer: its contract was taken back.

    Returns
    -------
    DataFrame: account_id, started (Timestamp), entry_days, days, entry_months, tenure_months (calendar months, see `months_since`), left
    (1 left, 0 still a customer on `as_of`), arr (at first sight), then the attributes as first known.
    """
    if history.empty:
        return pd.DataFrame(columns=["account_id", "started", "entry_days", "days", "entry_months", "tenure_months", "left", "arr"])
    first = history.sort_values("as_of", kind="stable").drop_duplicates("account_id")
    first = first[first["account_id"].isin(ledger["account_id"])]
    seen = ledger.groupby("account_id")["month"].min().rename("seen").reset_index()
    ended = churned[["account_id", "ended_on"]].sort_values("ended_on").drop_duplicates("account_id", keep="last")
    frame = first.merge(seen, how="left", on="account_id").merge(ended.rename(columns={"ended_on": "ended"}), how="left", on="account_id")
    frame["seen"] = frame["seen"].fillna(frame["as_of"])
    frame["started"] = frame["as_of"] - pd.to_timedelta(frame["age_days"].fillna(0), unit="D")
    frame["left"] = (frame["ended"].notna() & (frame["ended"] <= as_of)).astype(int)
    until = frame["ended"].where(frame["left"] == 1, as_of)
    frame["days"], frame["tenure_months"] = (until - frame["started"]).dt.days, months_since(frame["started"], until)
    first_month = ledger["month"].min() if len(ledger) else frame["as_of"].min()
    before_view = frame["started"] < first_month - pd.Timedelta(days=31)
    frame["entry_days"] = (frame["seen"] - frame["started"]).dt.days.where(before_view, 0)
    frame["entry_months"] = months_since(frame["started"], frame["seen"]).where(before_view, 0.0)
    return frame[frame["tenure_months"] > frame["entry_months"]].drop(columns=["as_of", "ended", "seen"]).reset_index(drop=True)


def months_since(started: pd.Series, until: pd.Series) -> pd.Series:
    """Calendar months from one day to another; the same day of a later month is a whole number, whatever leap days lie between.

    Days within a month count 1/31 each. A start on 29 February counts from 1 March, its anniversary in most years.

    >>> days = pd.Series(pd.to_datetime(["2021-03-01", "2022-03-01", "2024-02-29", "2024-01-01"]))
    >>> months_since(days, pd.Series(pd.to_datetime(["2024-03-01", "2025-03-01", "2025-03-01", "2024-02-01"]))).tolist()
    [36.0, 36.0, 12.0, 1.0]
    """
    leap_day = (started.dt.month == 2) & (started.dt.day == 29)
    return ((_place(until) - _place(started + pd.to_timedelta(leap_day.astype(int), unit="D"))) / DAYS_OF_A_MONTH).clip(lower=0.0)


def _place(day: pd.Series) -> pd.Series:
    """Days since year 0 as if every month had 31."""
    return (day.dt.year * 12 + day.dt.month) * DAYS_OF_A_MONTH + day.dt.day


def curve(lives: pd.DataFrame, group: str) -> pd.DataFrame:
    """Kaplan-Meier share of accounts still with us, with 95 % log-log intervals.

    statsmodels' `SurvfuncRight` (equal to R's survival and to lifelines), accounts still here censored on the day.
    S(t) = prod over leaving times u <= t of 1 - left(u) / at_risk(u). Kaplan & Meier (1958), doi:10.1080/01621459.1958.10501452.

    Returns
    -------
    DataFrame with `CURVE_COLUMNS` (calendar months), beginning at month 0 and ending where the last account is followed to.
    """
    if lives.empty:
        return pd.DataFrame(columns=list(CURVE_COLUMNS))
    from statsmodels.duration.survfunc import SurvfuncRight

    entry = lives["entry_months"].to_numpy(float)
    fitted = SurvfuncRight(lives["tenure_months"].to_numpy(float), lives["left"].to_numpy(int), entry=entry if entry.any() else None)
    share, error = np.asarray(fitted.surv_prob, float), np.asarray(fitted.surv_prob_se, float)
    low, high = log_log_interval(share, error)
    return pd.DataFrame(
        {
            "group": group,
            "months": np.r_[0.0, fitted.surv_times],
            "share": np.r_[1.0, share],
            "low": np.r_[1.0, low],
            "high": np.r_[1.0, high],
            "at_risk": np.r_[len(lives), fitted.n_risk].astype(int),
            "left": np.r_[0, fitted.n_events].astype(int),
        }
    )


def log_log_interval(share: np.ndarray, error: np.ndarray, *, z: float = 1.959964) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a survival share on the log(-log) scale, which stays within 0..1 (R: conf.type = "log-log")."""
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = z * error / (share * np.log(share))
        low, high = share ** np.exp(-theta), share ** np.exp(theta)
    flat = ~np.isfinite(theta)
    return np.where(flat, share, low), np.where(flat, share, high)


def retained_after(lives: pd.DataFrame, months: float, *, replicates: int = 400, seed: int = 0) -> dict[str, float]:
    """Share of accounts, and of the ARR they started with, still here after so many calendar months, with 95 % intervals.

    The last day counts: an account whose end falls on that anniversary has not renewed, and is not still here.
    Kaplan-Meier with weights (1, or starting ARR) per account; intervals from account resamples. NaN where fewer than
    `FOLLOWED` were followed that long.
    """
    names = ("share", "low", "high", "arr_share", "arr_low", "arr_high")
    if (lives["tenure_months"] >= months).sum() < FOLLOWED:
        return dict.fromkeys(names, float("nan"))
    _, counts = account_weights(lives["account_id"], replicates, seed)
    arr = np.nan_to_num(lives["arr"].to_numpy(float))
    columns = np.c_[np.ones(len(lives)), counts]
    ends: list[float] = []
    gone = int(((lives["left"] == 1) & (lives["tenure_months"] <= months)).sum())
    for weight in (np.ones(len(lives)), arr):
        survival = _weighted_survival(lives, weight[:, None] * columns, months)
        ends += [float(survival[0]), *_ends(survival, weight, gone)]
    return dict(zip(names, ends, strict=True))


def _ends(survival: np.ndarray, weight: np.ndarray, left: int) -> tuple[float, float]:
    """Percentiles of the replicates; where fewer than 5 left, Wilson's interval on the effective number of accounts."""
    if left < 5:
        low, high = wilson(survival[0], weight.sum() ** 2 / (weight**2).sum()) if weight.sum() > 0 else (np.nan, np.nan)
        return float(low), float(high)
    low, high = np.nanpercentile(survival[1:], [2.5, 97.5])
    return float(low), float(high)


def _weighted_survival(lives: pd.DataFrame, weights: np.ndarray, until: float) -> np.ndarray:
    """S(until) for each column of account weights, months `until` included: one sort, one cumulative sum a clock."""
    tenure, entry, left = (lives[name].to_numpy(float) for name in ("tenure_months", "entry_months", "left"))
    times = np.unique(tenure[(left == 1) & (tenure <= until)])
    if not len(times):
        return np.ones(weights.shape[1])
    leaving = np.zeros((len(times), weights.shape[1]))
    gone = (left == 1) & (tenure <= until)
    np.add.at(leaving, np.searchsorted(times, tenure[gone]), weights[gone])
    at_risk = _weight_from(tenure, weights, times) - _weight_from(entry, weights, times)
    return np.prod(1 - np.divide(leaving, at_risk, out=np.zeros_like(leaving), where=at_risk > 0), axis=0)


def _weight_from(clock: np.ndarray, weights: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The weight of the accounts whose clock reads at least each of `times` (times x columns)."""
    order = np.argsort(clock, kind="stable")
    before = np.vstack([np.zeros(weights.shape[1]), np.cumsum(weights[order], axis=0)])
    return before[-1] - before[np.searchsorted(clock[order], times, side="left")]
