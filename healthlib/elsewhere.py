"""Event tables that stay where they are: found, mapped, judged in one pass, and given the same door to the past as the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from healthlib import asof
from healthlib.engine import Engine, Events, QueryError, quote, theirs
from healthlib.errors import DataError, Fault
from healthlib.expressions import expressions_of
from healthlib.mapping import map_columns
from healthlib.rules import EARLIEST, LARGEST, LATEST, Column, kind_of
from healthlib.schema import FLAG, NUMBER, STAYS_HERE, TEXT, WHEN, TableSchema
from healthlib.sources import schema_of
from healthlib.spec import TableSource, Workspace
from healthlib.tables import Tables, full_schema
from healthlib.translate import strange_there

SAME_EVERYWHERE = "what means the same on every engine: comparisons, in, case, coalesce, nullif, abs, lower, upper, trim, round, cast"


class Holder(Events, Protocol):
    """An engine that can say what columns a table has."""

    def columns_of(self, table: tuple[str, ...]) -> dict[str, str]:
        """Column -> type, as the embedded database calls it. Raises QueryError."""


@dataclass(frozen=True)
class Elsewhere:
    """What one engine holds: see `tables.Rows`.

    Attributes
    ----------
    report : table, place, rows_in, rows_used, then rows by rule: no_account, no_time, bad_number, stranger;
        and `again`, those that have the key of another row
    """

    engine: Holder
    columns: dict[str, dict[str, str]]
    schemas: dict[str, TableSchema]
    report: pd.DataFrame


def places(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    """Tables that workspace.yaml places in a database by `table:`, and that only metrics read -> the parts of their name there."""
    named = {name: source.table for name, source in workspace.tables.items() if source.table and name not in STAYS_HERE}
    return {name: tuple(part.strip('"') for part in table.split(".")) for name, table in named.items()}


def look_there(
    workspace: Workspace, tables: Tables, holder: Holder, at: Mapping[str, tuple[str, ...]], since: Mapping[str, pd.Timestamp] | None = None
) -> Elsewhere:
    """Find each table, see what in it cannot be used, and open the door to its past.

    Parameters
    ----------
    tables : the tables of the case side, their door open
    holder : the engine that holds the others
    at : table -> the parts of its name there
    since : table -> the first day that matters: no row before it is read

    Raises
    ------
    DataError : tables or columns that are not there or of another type, and expressions that may mean something else there; all at once
    """
    columns: dict[str, tuple[Column, ...]] = {}
    faults: list[Fault] = list(_strange(workspace, at, holder))
    for name, parts in at.items():
        found = _mapped(name, workspace.tables.get(name, TableSource()), holder, parts)
        if isinstance(found, list):
            faults += found
        else:
            columns[name] = found
    if faults:
        raise DataError(f"{workspace.name}: what lives elsewhere cannot be used as it is", faults)
    kinds = {name: {column.name: column.kind or kind_of(column.native) for column in found} for name, found in columns.items()}
    schemas = {name: full_schema(_schema(name, workspace), kinds[name]) for name in columns}
    accounts = tables.engine.query("SELECT account_id FROM data.accounts ORDER BY account_id")
    holder.put("accounts_here", accounts)
    since = since or {}
    sources = {name: _rows(at[name], found, schemas[name], since.get(name)) for name, found in columns.items()}
    report = pd.DataFrame([_counted(name, at[name], columns[name], schemas[name], holder, since.get(name)) for name in columns])
    there = Elsewhere(holder, kinds, schemas, report)
    first = tables.engine.query(
        "SELECT account_id, CAST(visible_from AS TIMESTAMP) AS visible_from FROM known.first_contract ORDER BY account_id"
    )
    asof.open_door_there(there, workspace, {name: f"({sound})" for name, (sound, _) in sources.items()}, first)
    return there


def _schema(name: str, workspace: Workspace) -> TableSchema:
    found = schema_of(name, workspace.tables.get(name, TableSource()))
    if found is None:
        raise DataError(f"tables.{name}: a table of your own without `time:`", [])
    return found


def _strange(workspace: Workspace, at: Mapping[str, tuple[str, ...]], holder: Holder) -> list[Fault]:
    """Expressions of metrics on these tables that another engine may read otherwise than the one they are written for."""
    if isinstance(holder, Engine):
        return []
    faults = []
    for metric in workspace.scorecard.metrics.values():
        if metric.table not in at:
            continue
        for key, text in expressions_of(metric):
            if (said := strange_there(text)) is not None:
                faults.append(Fault("scorecard.yaml", None, f"metrics.{metric.name}.{key}", f"{text[:80]!r} ({said})", SAME_EVERYWHERE))
    return faults


def _mapped(name: str, given: TableSource, holder: Holder, parts: tuple[str, ...]) -> tuple[Column, ...] | list[Fault]:
    """The columns under the contract's names, or what is wrong with them."""
    label, where = ".".join(parts), f"tables.{name}.table"
    schema = schema_of(name, given)
    if schema is None:
        return [Fault("workspace.yaml", None, f"tables.{name}", "a table of your own without `time:`", "name the column of its time")]
    try:
        types = holder.columns_of(parts)
    except QueryError as error:
        return [Fault("workspace.yaml", None, where, f"{label!r} ({error})"[:200], "a table or view that this user may read")]
    found = map_columns(label, given, schema, {column: (column, native) for column, native in types.items()}, by_content=False)
    if isinstance(found, list):
        return found
    faults = [
        Fault(
            label,
            None,
            column.theirs,
            f"a column of {kind_of(column.native)} ({column.native})",
            f"one of {column.kind}: cast it in a view",
        )
        for column in found
        if column.kind in (NUMBER, WHEN, FLAG) and kind_of(column.native) != column.kind
    ]
    return faults or found


def _rows(
    parts: tuple[str, ...], columns: tuple[Column, ...], schema: TableSchema, since: pd.Timestamp | None = None
) -> tuple[str, dict[str, str]]:
    """SELECT of the sound rows under the contract's names, and rule -> the condition of the rows that break it."""
    by_name = {column.name: f"t.{quote(column.raw)}" for column in columns}
    time = by_name.get(schema.time or "")
    account = by_name["account_id"]
    numbers = [by_name[column.name] for column in columns if column.kind == NUMBER]
    broken = {"no_account": f"{account} IS NULL OR CAST({account} AS VARCHAR) = ''"}
    if time and schema.time in schema.required:
        broken["no_time"] = f"{time} IS NULL OR {time} < {EARLIEST} OR {time} >= {LATEST}"
    if numbers:
        broken["bad_number"] = " OR ".join(f"abs({number}) > {LARGEST:.0f}" for number in numbers)
    sound = [f"coalesce(NOT ({condition}), {'FALSE' if rule != 'bad_number' else 'TRUE'})" for rule, condition in broken.items()]
    picked = ", ".join(f"{_cell(column, by_name[column.name])} AS {quote(column.name)}" for column in columns)
    kept = [_later(columns, schema, since)] if since is not None else []
    return f"SELECT {picked} FROM {theirs(parts)} t WHERE {' AND '.join([*kept, *sound])}", broken


def _later(columns: tuple[Column, ...], schema: TableSchema, since: pd.Timestamp) -> str:
    """SQL that a row is not before a day, in terms of the stored time: what an engine skips whole files by."""
    time = next(column.raw for column in columns if column.name == schema.time)
    return f"t.{quote(time)} >= TIMESTAMP '{since:%Y-%m-%d} 00:00:00'"


def _cell(column: Column, cell: str) -> str:
    """An id is text, and a moment has no zone but UTC."""
    if column.name == "account_id":
        return f"CAST({cell} AS VARCHAR)"
    if column.kind == TEXT and kind_of(column.native) != TEXT:
        return f"CAST({cell} AS VARCHAR)"
    return f"CAST({cell} AS TIMESTAMP)" if column.native == "TIMESTAMP WITH TIME ZONE" else cell


def _counted(
    name: str, parts: tuple[str, ...], columns: tuple[Column, ...], schema: TableSchema, holder: Holder, since: pd.Timestamp | None
) -> dict[str, object]:
    """How many rows there are and how many break which rule: one pass over the columns that the rules name."""
    _, broken = _rows(parts, columns, schema)
    by_name = {column.name: f"t.{quote(column.raw)}" for column in columns}
    raw = next(column.raw for column in columns if column.name == "account_id")
    rules = {**broken, "stranger": f"t.{quote(raw)} IS NOT NULL AND a.account_id IS NULL"}
    counts = ", ".join(f"count(CASE WHEN {condition} THEN 1 END) AS {rule}" for rule, condition in rules.items())
    join = f"LEFT JOIN accounts_here a ON a.account_id = CAST(t.{quote(raw)} AS VARCHAR)"
    kept = f" WHERE {_later(columns, schema, since)}" if since is not None else ""
    found = holder.query(f"SELECT count(*) AS rows_in, {counts} FROM {theirs(parts)} t {join}{kept}")
    counted = {column: int(value) for column, value in found.iloc[0].items()} if len(found) else {"rows_in": 0} | dict.fromkeys(rules, 0)
    key = [by_name[name] for name in schema.key if name in by_name] if schema.key and set(schema.key) <= set(by_name) else []
    if key:
        full = " AND ".join(f"{cell} IS NOT NULL" for cell in key)
        each = f"SELECT count(*) AS n FROM {theirs(parts)} t WHERE {full} GROUP BY {', '.join(key)} HAVING count(*) > 1"
        again = holder.query(f"SELECT CAST(coalesce(sum(n - 1), 0) AS BIGINT) AS again FROM ({each}) k")
        counted["again"] = int(again["again"].iloc[0]) if len(again) else 0
    used = counted["rows_in"] - sum(counted[rule] for rule in rules)
    return {"table": name, "place": ".".join(parts), "rows_used": used, **counted}


def sound_share(report: pd.DataFrame) -> pd.Series:
    """Of each table's rows, the share that can be used; 1 where there is no row."""
    return (report["rows_used"] / report["rows_in"].where(report["rows_in"] > 0)).fillna(1.0)
