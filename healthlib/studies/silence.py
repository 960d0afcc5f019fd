"""How long each account had not been in contact and had not used the product, on every day of history, as known then."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib import metrics
from healthlib.schema import SILENCES
from healthlib.spec import Measure, Metric, Scorecard, Workspace
from healthlib.tables import Tables

COLUMNS = ("account_id", "as_of", *SILENCES)


def nothing() -> pd.DataFrame:
    """The frame of a workspace that has neither table."""
    return pd.DataFrame(columns=list(COLUMNS))


def silences(tables: Tables, workspace: Workspace, history: pd.DataFrame) -> pd.DataFrame:
    """Days since the latest row of each table of `SILENCES`.

    Parameters
    ----------
    history : account_id, as_of, arr, seats, age_days: the snapshots

    Returns
    -------
    DataFrame with `COLUMNS`, a row a snapshot. An account without any row counts from the later of its first contract and the first
    day of the table known then; NaN where the workspace has no such table or nothing of it was known yet. No rows where it has neither.
    """
    if tables.given is not None and set(SILENCES) <= set(tables.given.values):
        return history[["account_id", "as_of"]].merge(tables.given.values[list(COLUMNS)], how="left", on=["account_id", "as_of"])
    holders = {column: (table, held) for column, table in SILENCES.items() if (held := tables.holder(table)) is not None}
    there = {column: table for column, (table, _) in holders.items()}
    if not there or history.empty:
        return nothing()
    state = history[["account_id", "as_of", "arr", "seats", "age_days"]]
    measured = metrics.measure(tables, workspace.model_copy(update={"scorecard": _questions(there)}), state)
    found = state[["account_id", "as_of"]].copy()
    for column in SILENCES:
        found[column] = np.nan
        if column in there:
            never = (state["as_of"] - metrics.recording_since(holders[column][1], there[column], state)).dt.days.astype(float)
            found[column] = measured[column].where(measured[column].notna(), never)
    return found


def _questions(there: dict[str, str]) -> Scorecard:
    """The silences as metrics, so that they come through the same door as every other figure."""
    asked = {
        column: Metric(name=column, group="g", label=column, table=table, measure=Measure(kind="days_since"), worst=365.0, best=0.0)
        for column, table in there.items()
    }
    return Scorecard(groups=("g",), metrics=asked, bands=())
