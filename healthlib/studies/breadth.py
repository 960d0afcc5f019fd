"""How widely each customer of today uses the product: active users per seat, features and events, and how that differs by tenure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from healthlib import metrics
from healthlib.resample import account_weights, percentile
from healthlib.spec import Measure, Metric, Scorecard, Workspace
from healthlib.studies.groups import tenure
from healthlib.tables import Tables

DAYS = {"users": 30, "features": 90, "events": 30}
"""What is counted -> over how many days up to today."""
LABELS = {"users_per_seat": "Active users per seat", "users": "Active users", "features": "Features used",
          "events_per_seat": "Events per seat", "events": "Events"}  # fmt: skip
FEWEST = 5
"""A tenure cohort of fewer accounts is left out (a convention)."""

COLUMNS = ("measure", "label", "days", "tenure", "accounts", "mean", "low", "high", "arr", "arr_mean", "arr_low", "arr_high")


def nothing() -> pd.DataFrame:
    """The frame of a workspace without a usage table."""
    return pd.DataFrame({"account_id": pd.Series(dtype="str")})


def use_today(tables: Tables, workspace: Workspace, today: pd.DataFrame) -> pd.DataFrame:
    """Distinct users and sum of events of the last 30 days, distinct features of the last 90, of each customer on one day.

    Parameters
    ----------
    today : account_id, as_of, arr, seats, age_days: snapshots of one day

    Returns
    -------
    account_id, then those of users, features and events that the usage table can tell (0 where the account did nothing)
    """
    columns = tables.columns.get("usage", {})
    wanted = {"events": Measure(kind="sum", of="quantity")}
    wanted |= {"users": Measure(kind="distinct", of="user_id")} if "user_id" in columns else {}
    wanted |= {"features": Measure(kind="distinct", of="feature")} if "feature" in columns else {}
    if not columns or today.empty:
        return nothing()
    state = today[["account_id", "as_of", "arr", "seats", "age_days"]].reset_index(drop=True)
    asked = {
        name: Metric(name=name, group="g", label=name, table="usage", measure=measure, window_days=DAYS[name], worst=0.0, best=1.0)
        for name, measure in wanted.items()
    }
    measured = metrics.measure(tables, workspace.model_copy(update={"scorecard": Scorecard(groups=("g",), metrics=asked, bands=())}), state)
    return pd.concat([state[["account_id"]], measured[list(asked)]], axis=1)


def by_tenure(today: pd.DataFrame, use: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Mean use of today's customers by years since their first contract, over accounts and weighted by ARR.

    Those of long standing are the ones that did not leave: a difference between cohorts is not what time does to an account.

    Returns
    -------
    DataFrame `COLUMNS`, by measure (per seat where seats are known of at least half) then tenure; 95 % intervals from resampling accounts
    """
    frame = today.merge(use, on="account_id").reset_index(drop=True)
    if frame.empty or len(use.columns) < 2:
        return pd.DataFrame(columns=list(COLUMNS))
    frame = _per_seat(frame)
    cohort = tenure(frame["age_days"])
    codes, counts = account_weights(frame["account_id"], replicates, seed)
    draws = np.c_[np.ones(len(counts)), counts][codes]
    rows = [
        {
            "measure": name,
            "label": LABELS[name],
            "days": DAYS[name.partition("_")[0]],
            "tenure": str(label),
            **_mean(frame, name, rows, draws),
        }
        for name in LABELS
        if name in frame
        for label in cohort.cat.categories
        for rows in [((cohort == label) & frame[name].notna()).to_numpy()]
        if rows.sum() >= FEWEST
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _per_seat(frame: pd.DataFrame) -> pd.DataFrame:
    """Users and events divided by seats where most accounts have seats."""
    seats = frame["seats"].where(frame["seats"] > 0)
    if seats.notna().mean() < 0.5:
        return frame
    for name in {"users", "events"} & set(frame):
        frame = frame.assign(**{f"{name}_per_seat": frame[name] / seats}).drop(columns=name)
    return frame


def _mean(frame: pd.DataFrame, name: str, rows: np.ndarray, draws: np.ndarray) -> dict[str, Any]:
    value, arr, drawn = frame.loc[rows, name].to_numpy(float), np.nan_to_num(frame.loc[rows, "arr"].to_numpy(float)), draws[rows]
    found: dict[str, Any] = {"accounts": int(rows.sum()), "arr": float(arr.sum())}
    for prefix, weight in (("", np.ones(len(value))), ("arr_", arr)):
        with np.errstate(invalid="ignore", divide="ignore"):
            means = ((weight * value) @ drawn) / (weight @ drawn)
        ends = percentile(float(means[0]), means[1:], n=len(value))
        found |= {f"{prefix}mean": ends.value, f"{prefix}low": ends.low, f"{prefix}high": ends.high}
    return found
