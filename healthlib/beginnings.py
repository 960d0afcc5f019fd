"""How each account began, from the event side: what it used in its first days and which onboarding steps it took, as known on one day.

One row an account (and feature, or step); nothing grows with the history of events. A window of days counts from the start of the account's
first contract; it is measured only where the source was already recording on that day and the whole window lies before `at`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from . import asof
from .tables import Tables

WINDOWS = (30, 90, 180)
"""Days from the start of the first contract."""

STARTS = ("account_id", "started_on")
ACTIVITY = ("account_id", "window", "events", "active_days", "users", "features", "contacts")
ADOPTED = ("account_id", "feature", "first_day")
STEPS = ("account_id", "milestone", "due_on", "completed_on")


@dataclass(frozen=True)
class Beginnings:
    """The first days of every account.

    Attributes
    ----------
    starts : account_id, started_on (first day of the first contract)
    activity : a row an account and window: events (rows of usage), active_days, users, features (distinct), contacts (rows of touchpoints);
        0 where none happened, NaN where the source has no such column or did not record the account from its start
    adopted : account_id, feature, first_day: days from the start to the first use, within the longest window
    steps : account_id, milestone, due_on, completed_on (NaT: not by `at`)
    recorded : source -> first day it recorded anything; absent sources are not in it
    """

    starts: pd.DataFrame
    activity: pd.DataFrame
    adopted: pd.DataFrame
    steps: pd.DataFrame
    recorded: dict[str, pd.Timestamp]


NEVER = Beginnings(
    pd.DataFrame({"account_id": pd.Series(dtype="str"), "started_on": pd.Series(dtype="datetime64[s]")}),
    pd.DataFrame(columns=list(ACTIVITY)), pd.DataFrame(columns=list(ADOPTED)), pd.DataFrame(columns=list(STEPS)), {},
)  # fmt: skip
"""The beginnings of exports without dates."""


def beginnings(tables: Tables, at: pd.Timestamp) -> Beginnings:
    """Read the beginnings of all accounts from rows known on `at`. Needs `asof.open_door`."""
    day = f"DATE '{at:%Y-%m-%d}'"
    tables.engine.run(
        f"""CREATE OR REPLACE TABLE begun AS SELECT account_id, min(day) AS started FROM known.contracts
        WHERE {asof.seen("contracts", day)} GROUP BY account_id"""
    )
    starts = asof.tidy(tables.engine.query("SELECT account_id, CAST(started AS TIMESTAMP) AS started_on FROM begun ORDER BY account_id"))
    recorded = {name: first for name in ("usage", "touchpoints") if (first := _recording_since(tables, name, day)) is not None}
    return Beginnings(starts, _activity(tables, starts, recorded, at), _adopted(tables, recorded, day), _steps(tables, day), recorded)


def _recording_since(tables: Tables, name: str, day: str) -> pd.Timestamp | None:
    if name not in tables.columns:
        return None
    first = tables.engine.query(f"SELECT CAST(min(day) AS TIMESTAMP) AS first FROM known.{name} WHERE known <= {day}")["first"].iloc[0]
    return None if pd.isna(first) else pd.Timestamp(first)


def _activity(tables: Tables, starts: pd.DataFrame, recorded: dict[str, pd.Timestamp], at: pd.Timestamp) -> pd.DataFrame:
    """One scan a source; each window is a condition on the days since the start."""
    frame = starts.merge(pd.DataFrame({"window": WINDOWS}), how="cross")
    frame = frame[frame["started_on"] + pd.to_timedelta(frame["window"], unit="D") <= at + pd.Timedelta(days=1)].reset_index(drop=True)
    for source, counts in (("usage", _usage_counts(tables)), ("touchpoints", {"contacts": "count(*)"})):
        for name in counts:
            frame[name] = float("nan")
        if source not in recorded or frame.empty:
            continue
        found = _counted(tables, source, counts, at)
        whole = (frame["started_on"] >= recorded[source]).to_numpy()
        both = frame[["account_id", "window"]].merge(found, how="left", on=["account_id", "window"])
        for name in counts:
            frame[name] = both[name].fillna(0.0).where(whole).to_numpy(dtype=float)
    return frame.reindex(columns=list(ACTIVITY))


def _usage_counts(tables: Tables) -> dict[str, str]:
    columns = tables.columns.get("usage", {})
    counts = {"events": "count(*)", "active_days": "count(DISTINCT t.day)"}
    counts |= {"users": "count(DISTINCT t.user_id)"} if "user_id" in columns else {}
    return counts | ({"features": "count(DISTINCT t.feature)"} if "feature" in columns else {})


def _counted(tables: Tables, source: str, counts: dict[str, str], at: pd.Timestamp) -> pd.DataFrame:
    picked = ", ".join(f"CAST({sql} AS DOUBLE) AS {name}" for name, sql in counts.items())
    day = f"DATE '{at:%Y-%m-%d}'"
    parts = [
        f"""SELECT t.account_id, {window} AS "window", {picked} FROM known.{source} t JOIN begun b ON b.account_id = t.account_id
        AND t.day >= b.started AND t.day < b.started + {window} WHERE t.known <= {day} AND t.day <= {day} GROUP BY t.account_id"""
        for window in WINDOWS
    ]
    return tables.engine.query(" UNION ALL ".join(parts))


def _adopted(tables: Tables, recorded: dict[str, pd.Timestamp], day: str) -> pd.DataFrame:
    if "usage" not in recorded or "feature" not in tables.columns["usage"]:
        return pd.DataFrame(columns=list(ADOPTED))
    return tables.engine.query(
        f"""SELECT t.account_id, CAST(t.feature AS VARCHAR) AS feature, CAST(min(t.day - b.started) AS BIGINT) AS first_day
        FROM known.usage t JOIN begun b ON b.account_id = t.account_id AND t.day >= b.started AND t.day < b.started + {max(WINDOWS)}
        WHERE t.known <= {day} AND t.day <= {day} AND t.feature IS NOT NULL GROUP BY t.account_id, t.feature ORDER BY 1, 2"""
    )


def _steps(tables: Tables, day: str) -> pd.DataFrame:
    columns = tables.columns.get("milestones", {})
    if not columns:
        return pd.DataFrame(columns=list(STEPS))
    due = "CAST(due_at AS DATE)" if "due_at" in columns else "CAST(NULL AS DATE)"
    done = f"CASE WHEN CAST(completed_at AS DATE) <= {day} THEN CAST(completed_at AS DATE) END" if "completed_at" in columns else "NULL"
    found = tables.engine.query(
        f"""SELECT account_id, CAST(milestone AS VARCHAR) AS milestone, CAST({due} AS TIMESTAMP) AS due_on, CAST({done} AS TIMESTAMP)
        AS completed_on FROM known.milestones WHERE known <= {day} ORDER BY 1, 2"""
    )
    return asof.tidy(found)
