"""How far the exports reach: the first and last day of a table, and the last day that all of them cover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from healthlib.engine import Engine, quote
from healthlib.loading import Loaded
from healthlib.spec import Workspace
from healthlib.wording import counted

NOT_EVENTS = ("accounts", "contracts", "attributes")
"""Tables whose dates may lie ahead (a contract that starts next month), so that they say nothing about how far the exports reach."""
LONELY_DAYS = 92
"""A last day that stands alone by more than so many days looks like a wrong clock."""


def span(table: str, column: str | None, engine: Engine) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last day of a date column; NaT where it is empty."""
    name = quote(str(column))
    first, last = engine.first(f"SELECT min({name}), max({name}) FROM data.{quote(table)}") or ("NaT", "NaT")
    return pd.Timestamp(first or "NaT").floor("D"), pd.Timestamp(last or "NaT").floor("D")


def data_through(workspace: Workspace, loaded: Sequence[Loaded], engine: Engine) -> tuple[date | None, list[str]]:
    """The last day the exports cover, and warnings where a clock seems to run ahead or no table of events says it.

    Returns
    -------
    The day that workspace.yaml gives, else the newest one in any table of events, else the last start of a contract; None where no row
    of any table has a date.
    """
    events = [(each.source.table, column) for each in loaded if each.source.table not in NOT_EVENTS for column in _clocks(each)]
    if workspace.data_through is not None:
        return workspace.data_through, _later(workspace.data_through, events, engine)
    days = [last for table, column in events if not pd.isna(last := span(table, column, engine)[1])]
    if days:
        return max(days).date(), _lonely_end(max(days), events, engine)
    start = span("contracts", "start_date", engine)[1]
    if pd.isna(start):
        return None, ["no row of any table has a date, so nothing says how far the exports reach"]
    return start.date(), [
        f"no table of events says how far the exports reach; the last contract start, {start.date()}, is taken. "
        "Set data_through in workspace.yaml"
    ]


def _clocks(loaded: Loaded) -> list[str]:
    """Date columns of an event table that say when something happened or was written down, never when it is due."""
    schema = loaded.source.schema
    names = [schema.time, "recorded_at"] if schema.time else [*schema.filled_later.values(), "recorded_at"]
    return [name for name in dict.fromkeys(names) if name and name in loaded.kinds]


def _later(through: date, events: Sequence[tuple[str, str]], engine: Engine) -> list[str]:
    """Rows after the day that workspace.yaml gives."""
    warnings = []
    for table, column in events:
        name, rows = quote(column), f"data.{quote(table)}"
        after = f"SELECT count(*) AS rows, max({name}) AS last FROM {rows} WHERE CAST({name} AS DATE) > ?"
        found = engine.query(after, [through]).iloc[0]
        if found["rows"]:
            warnings.append(
                f"{table}: {counted(found['rows'], 'row lies', 'rows lie')} after data_through {through} "
                f"({column} up to {pd.Timestamp(found['last']).date()}); no figure uses them"
            )
    return warnings


def _lonely_end(through: pd.Timestamp, events: Sequence[tuple[str, str]], engine: Engine) -> list[str]:
    """One stray date years ahead would turn every customer into a lost one, so a last day that stands alone is called out."""
    days = " UNION ALL ".join(f"SELECT CAST({quote(column)} AS DATE) AS day FROM data.{quote(table)}" for table, column in events)
    before = engine.query(f"SELECT max(day) AS day FROM ({days}) WHERE day < ?", [through.date()])["day"].iloc[0]
    gap = (through - pd.Timestamp(before)).days if not pd.isna(before) else 0
    if gap <= LONELY_DAYS:
        return []
    return [
        f"the newest day, {through.date()}, lies {gap} days after the one before it ({pd.Timestamp(before).date()}); "
        "if it is a wrong clock, set data_through in workspace.yaml"
    ]
