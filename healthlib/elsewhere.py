"""Event tables that stay where they are: found, mapped, judged in one pass, and given the same door to the past as the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import pandas as pd

from healthlib import asof
from healthlib.engine import Engine, Events, QueryError, quote, theirs
from healthlib.errors import DataError, EvidenceError, Fault
from healthlib.expressions import expressions
from healthlib.mapping import map_columns
from healthlib.rules import EARLIEST, INTEGERS, LARGEST, LATEST, Column, kind_of
from healthlib.schema import FLAG, NUMBER, STAYS_HERE, TEXT, WHEN, TableSchema
from healthlib.sources import schema_of
from healthlib.spec import TableSource, Workspace
from healthlib.tables import Tables, full_schema
from healthlib.translate import RAW, strange_there

SAME_EVERYWHERE = "what means the same on every engine: comparisons, in, case, coalesce, nullif, abs, lower, upper, trim, cast"


class Holder(Events, Protocol):
    """An engine that can say what columns a table has."""

    def columns_of(self, table: tuple[str, ...]) -> dict[str, str]:
        """Column -> type, as the embedded database calls it. Raises QueryError."""


@dataclass(frozen=True)
class Elsewhere:
    """What one engine holds: see `tables.Rows`.

    Attributes
    ----------
    report : table, place, rows_in, rows_used, then rows by the first rule that each breaks: `RULES`;
        and `again`, sound rows that have the key of another one
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
    schemas: dict[str, TableSchema] = {}
    columns: dict[str, tuple[Column, ...]] = {}
    faults: list[Fault] = []
    for name, parts in at.items():
        given = workspace.tables.get(name, TableSource())
        schema = schema_of(name, given)
        if schema is None:
            no_time = "a table of your own without `time:`"
            faults.append(Fault("workspace.yaml", None, f"tables.{name}", no_time, "name the column of its time"))
            continue
        found = _mapped(name, given, schema, holder, parts)
        if isinstance(found, list):
            faults += found
            continue
        schemas[name], columns[name] = schema, found
        faults += _strange(workspace, name, found, holder)
    if faults:
        raise DataError(f"{workspace.name}: what lives elsewhere cannot be used as it is", faults)
    kinds = {name: {column.name: column.kind or kind_of(column.native) for column in found} for name, found in columns.items()}
    schemas = {name: full_schema(schema, kinds[name]) for name, schema in schemas.items()}
    accounts = tables.engine.query("SELECT account_id FROM data.accounts ORDER BY account_id")
    holder.put("accounts_here", accounts)
    since = since or {}
    rows = {name: _rows(at[name], found, schemas[name], since.get(name)) for name, found in columns.items()}
    there = Elsewhere(holder, kinds, schemas, pd.DataFrame())
    first = tables.engine.query(
        "SELECT account_id, CAST(visible_from AS TIMESTAMP) AS visible_from FROM known.first_contract ORDER BY account_id"
    )
    sound = {name: f"(SELECT * FROM ({each}) s WHERE s.fault IS NULL)" for name, each in rows.items()}
    asof.open_door_there(there, workspace, sound, first)
    report = [_counted(name, at[name], asof.judged(there, workspace, name, rows[name]), holder) for name in columns]
    again = [_again(rows[name], schemas[name], kinds[name], holder) for name in columns]
    return replace(there, report=pd.DataFrame(report).assign(again=again))


def _strange(workspace: Workspace, table: str, columns: tuple[Column, ...], holder: Holder) -> Iterator[Fault]:
    """Expressions of metrics on a table that another engine may read otherwise than the one they are written for."""
    if isinstance(holder, Engine) or getattr(holder, "dialect", "") == "duckdb":
        return
    kinds = {column.name: column.kind or kind_of(column.native) for column in columns}
    for metric in workspace.scorecard.metrics.values():
        for key, text in expressions(metric) if metric.table == table else ():
            if text not in kinds and (said := strange_there(text, kinds)) is not None:
                yield Fault("scorecard.yaml", None, f"metrics.{metric.name}.{key}", f"{text[:80]!r} ({said})", SAME_EVERYWHERE)


def _mapped(name: str, given: TableSource, schema: TableSchema, holder: Holder, parts: tuple[str, ...]) -> tuple[Column, ...] | list[Fault]:
    """The columns under the contract's names, or what is wrong with them."""
    label, where = ".".join(parts), f"tables.{name}.table"
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


RULES = {
    "no_account": "without an account", "no_time": "without a day", "empty": "without a value that is required",
    "bad_date": "with a day before 1900 or after 2199", "bad_number": "with a number beyond 1e12 or below 0 where none may be",
    "backwards": "whose days run backwards", "stranger": "of accounts that are not in accounts",
}  # fmt: skip
"""Why a row is set aside -> in words, in the order in which it is judged: the rules of a table that is loaded, but for doubled keys."""


def _rows(parts: tuple[str, ...], columns: tuple[Column, ...], schema: TableSchema, since: pd.Timestamp | None) -> str:
    """SELECT of every row under the contract's names, beside the rule that it breaks (`fault`, empty where it breaks none).

    A day to begin with is asked twice: roughly of the stored time, which an engine skips whole files by, and of the moment in UTC.
    """
    picked = ", ".join(f"{_cell(column, f'{RAW}.{quote(column.raw)}')} AS {quote(column.name)}" for column in columns)
    broken = " ".join(f"WHEN {condition} THEN '{rule}'" for rule, condition in _broken(columns, schema))
    time = next((column.raw for column in columns if column.name == schema.time), None)
    near = exact = ""
    if since is not None and time is not None:
        near = f" WHERE {RAW}.{quote(time)} >= TIMESTAMP '{since - pd.Timedelta(days=2):%Y-%m-%d} 00:00:00'"
        exact = f" WHERE t.{quote(schema.time or '')} >= TIMESTAMP '{since:%Y-%m-%d} 00:00:00'"
    return f"SELECT t.*, CASE {broken} END AS fault FROM (SELECT {picked} FROM {theirs(parts)} {RAW}{near}) t{exact}"


def _broken(columns: tuple[Column, ...], schema: TableSchema) -> Iterator[tuple[str, str]]:
    """Rule and the condition of the rows that break it."""
    cells = {column.name: f"t.{quote(column.name)}" for column in columns}
    required = [name for name in schema.required if name in cells and name not in ("account_id", schema.time)]
    dates = [cells[column.name] for column in columns if column.kind == WHEN or kind_of(column.native) == WHEN]
    numbers = [cells[column.name] for column in columns if column.kind == NUMBER]
    yield "no_account", f"{cells['account_id']} IS NULL"
    if schema.time in cells and schema.time in schema.required:
        yield "no_time", f"{cells[schema.time]} IS NULL"
    if required:
        yield "empty", " OR ".join(f"{cells[name]} IS NULL" for name in required)
    if dates:
        yield "bad_date", " OR ".join(f"{date} < {EARLIEST} OR {date} >= {LATEST}" for date in dates)
    low = [f"{cells[name]} < 0" for name in schema.not_negative if name in cells]
    if numbers:
        yield "bad_number", " OR ".join([*(f"abs({number}) > {LARGEST:.0f}" for number in numbers), *low])
    backwards = [f"CAST({cells[b]} AS DATE) < CAST({cells[a]} AS DATE)" for a, b in schema.order if a in cells and b in cells]
    if backwards:
        yield "backwards", " OR ".join(backwards)


def _cell(column: Column, cell: str) -> str:
    """A cell as it would be loaded: an id is text, a text has no blanks around it and is not empty, NaN is nothing, a moment is in UTC."""
    kind = column.kind or kind_of(column.native)
    if kind == TEXT:
        if kind_of(column.native) == NUMBER and column.native not in INTEGERS:
            cell = f"CAST({cell} AS BIGINT)"
        text = cell if column.native == "VARCHAR" else f"CAST({cell} AS VARCHAR)"
        return f"CASE WHEN {text} = '' OR {text} LIKE ' %' OR {text} LIKE '% ' THEN nullif(trim({text}), '') ELSE {text} END"
    if kind == NUMBER:
        number = f"CAST({cell} AS {'BIGINT' if column.native in INTEGERS else 'DOUBLE'})"
        return number if column.native in INTEGERS else f"CASE WHEN NOT isnan({number}) THEN {number} END"
    return f"CAST({cell} AS TIMESTAMP)" if column.native == "TIMESTAMP WITH TIME ZONE" else cell


def _counted(name: str, parts: tuple[str, ...], judged: pd.DataFrame, holder: Holder) -> dict[str, object]:
    """How many rows there are and how many are set aside for which reason; what the clocks say of the others is remembered."""
    many = judged.groupby("rule")["many"].sum()
    counted = {rule: int(many.get(rule, 0)) for rule in RULES}
    rows_in = int(judged["many"].sum())
    used = judged[judged["rule"].isna() & judged["known"].notna()].drop(columns=["rule", "many"]).reset_index(drop=True)
    holder.surveys.setdefault(name, used)  # a script assumes them
    return {"table": name, "place": ".".join(parts), "rows_in": rows_in, "rows_used": rows_in - sum(counted.values()), **counted}


def _again(rows: str, schema: TableSchema, kinds: Mapping[str, str], holder: Holder) -> int:
    """How many sound rows have the key of another one; of a table without a key, or without a part of it, none are asked for."""
    if not schema.key or not set(schema.key) <= set(kinds):
        return 0
    key = ", ".join(f"s.{quote(name)}" for name in schema.key)
    full = " AND ".join(f"s.{quote(name)} IS NOT NULL" for name in schema.key)
    each = f"SELECT count(*) AS n FROM ({rows}) s WHERE s.fault IS NULL AND {full} GROUP BY {key} HAVING count(*) > 1"
    found = holder.query(f"SELECT CAST(coalesce(sum(k.n - 1), 0) AS BIGINT) AS again FROM ({each}) k")
    return int(found["again"].iloc[0]) if len(found) else 0


def refuse_excess(report: pd.DataFrame, workspace: Workspace) -> None:
    """Stop where loading the same rows would.

    Parameters
    ----------
    report : of an `Elsewhere`

    Raises
    ------
    EvidenceError : rows that have the key of another one, or more than `max_rejected` of a table's rows set aside
    """
    tables = report.to_dict("records")
    if twice := [row for row in tables if row["again"] > 0]:
        lines = [f"{row['table']} ({row['place']}): {row['again']:,} rows have the key of another row" for row in twice]
        raise EvidenceError("\n".join([*lines, "make a view of the table with each key once, and place that"]))
    if lost := [row for row in tables if (row["rows_in"] - row["rows_used"]) / max(row["rows_in"], 1) > workspace.max_rejected]:
        lines = [
            f"{row['table']} ({row['place']}): {row['rows_in'] - row['rows_used']:,} of {row['rows_in']:,} rows cannot be used: "
            + ", ".join(f"{row[rule]:,} {words}" for rule, words in RULES.items() if row[rule] > 0)
            for row in lost
        ]
        cure = f"max_rejected in workspace.yaml is {workspace.max_rejected:.2%}; mend the rows, or raise it"
        raise EvidenceError("\n".join([*lines, cure]))
