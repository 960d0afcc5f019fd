"""Exports to validated tables; rejected rows kept with the rule they broke."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Protocol

import pandas as pd

from healthlib.casefile import CaseFile, read_cases
from healthlib.doubts import mixed_currencies, renamed
from healthlib.engine import Engine, Events, QueryError, quote
from healthlib.errors import DataError, EvidenceError, Fault
from healthlib.loading import Loaded, load_source
from healthlib.machine import passing
from healthlib.schema import WHEN, TableSchema
from healthlib.sheet import NO_DAY, load_sheet, sheet_warnings
from healthlib.sources import Source, find_sources, session
from healthlib.spec import Workspace
from healthlib.wording import counted

NOT_EVENTS = ("accounts", "contracts", "attributes")
"""Tables whose dates may lie ahead (a contract that starts next month), so that they say nothing about how far the exports reach."""


class Rows(Protocol):
    """Tables that one engine holds: what a figure over windows of events needs to know of them."""

    @property
    def engine(self) -> Events:
        """Where the rows are."""

    @property
    def columns(self) -> dict[str, dict[str, str]]:
        """Table -> column -> text, number, when or flag."""

    @property
    def schemas(self) -> dict[str, TableSchema]:
        """Table -> contract."""


@dataclass(frozen=True)
class Tables:
    """Everything a workspace brought, checked.

    Attributes
    ----------
    engine : each table is there as data.<table>, one of events as a view from a million rows on: text VARCHAR, number BIGINT (all
        whole) or DOUBLE, when TIMESTAMP (UTC), flag BOOLEAN, and `_line` BIGINT, the line in its file (header = 1; the row of a sheet;
        for Parquet, queries and databases the row + 1)
    columns : table -> column -> text, number, when or flag
    report : one row per table: table, file, rows_in, rows_used, rows_rejected, first_day, last_day (of the table's time), sha256
    rejected : tables with rejected rows only -> file, line, column, value, rule, then the row as it was
    schemas : table -> contract, including the user's own tables and date columns
    data_through : the last day the exports cover
    warnings : what a reader should know, in plain words
    broken : table -> rule in words -> rows that broke it: all of them, also where `rejected` lists only the first
    elsewhere : tables of events that stay where they are -> who holds them; nothing but a metric's value ever leaves there
    given : what was measured elsewhere before
    """

    engine: Engine
    columns: dict[str, dict[str, str]]
    report: pd.DataFrame
    rejected: dict[str, pd.DataFrame]
    schemas: dict[str, TableSchema]
    data_through: date
    warnings: tuple[str, ...]
    broken: dict[str, dict[str, int]] = field(default_factory=dict)
    elsewhere: dict[str, Rows] = field(default_factory=dict)
    given: CaseFile | None = None

    def holder(self, table: str | None) -> Rows | None:
        """Who has the rows of a table: these tables, another engine, or nobody."""
        return self.elsewhere.get(table or "") or (self if table in self.columns else None)


class RejectedError(EvidenceError):
    """More of a table was rejected than `max_rejected` allows; `tables` still carries every rejected row."""

    def __init__(self, message: str, tables: Tables):
        super().__init__(message)
        self.tables = tables


def load_tables(workspace: Workspace, leave: Collection[str] = ()) -> Tables:
    """Read, map, type and check every table of a workspace; where it has `cases`, those that were measured elsewhere are left there.

    Parameters
    ----------
    workspace : from `load_workspace`
    leave : further tables to leave where they are

    Raises
    ------
    DataError : tables missing, empty or unreadable, columns missing, queries that fail: all of them at once
    RejectedError : more than `max_rejected` of a table's rows broke a rule
    """
    given = read_cases(workspace.folder / workspace.cases, workspace.cases) if workspace.cases else None
    if given is not None:
        leave = {*leave, *given.made["elsewhere"]}
        workspace = workspace.model_copy(update={"data_through": workspace.data_through or date.fromisoformat(given.made["data_through"])})
    with passing("healthlib-") as scratch:
        engine = session(workspace, scratch)
        sources, faults = find_sources(workspace, engine, scratch, leave)
        if faults:
            raise DataError(f"{workspace.name}: the exports cannot be used as they are", faults)
        loaded = _load_all(workspace, sources, engine, scratch)
        engine.lock()
    columns = {each.source.table: each.kinds for each in loaded}
    if faults := mixed_currencies(engine, columns, {each.source.table: each.source.label for each in loaded}):
        raise DataError(f"{workspace.name}: the exports cannot be used as they are", faults)
    schemas = {each.source.table: full_schema(each.source.schema, each.kinds) for each in loaded}
    report = pd.DataFrame([_report_row(each, engine) for each in loaded])
    if given is not None:
        row = {"table": "cases", "file": given.label, "rows_in": len(given.values), "rows_used": len(given.values), "rows_rejected": 0}
        report = pd.concat(
            [report, pd.DataFrame([row | {"first_day": pd.NaT, "last_day": pd.NaT, "sha256": given.sha256}])], ignore_index=True
        )
    report = report.astype({"first_day": "datetime64[s]", "last_day": "datetime64[s]"})
    if workspace.flat is not None:
        through, warnings = workspace.data_through or NO_DAY, sheet_warnings(workspace, loaded[0], engine)
    else:
        through, warnings = _data_through(workspace, loaded, engine)
        if through is None:
            warnings.append("no row of any table has a date, so nothing says how far the exports reach")
        warnings += _contract_warnings(engine, columns["contracts"])
        warnings += renamed(engine, columns, pd.Timestamp(through)) if through is not None else []
        warnings += [
            f"{each.source.table}: {each.source.label} has a header and no row, which counts as no data yet: what rests on it is unmeasured"
            for each in loaded
            if not each.rows_in
        ]
    warnings += [said for each in loaded for said in each.source.said]
    rejected = {each.source.table: each.rejected for each in loaded if len(each.rejected)}
    broken = {each.source.table: dict(each.rules) for each in loaded if each.rules}
    tables = Tables(engine, columns, report, rejected, schemas, through or date.min, tuple(warnings), broken, given=given)
    excess = [each for each in loaded if each.share_rejected > workspace.max_rejected]
    if excess:
        raise RejectedError(_excess_message(workspace, excess), tables)
    if through is None:
        fault = Fault("workspace.yaml", None, "data_through", "no row with a date in any table", "the last day the exports cover")
        raise DataError(f"{workspace.name}: the exports cannot be used as they are", [fault])
    return tables


def _load_all(workspace: Workspace, sources: Sequence[Source], engine: Engine, scratch: Path) -> list[Loaded]:
    """Load every source, accounts first; whatever cannot be read to its end is told together."""
    loaded: list[Loaded] = []
    faults: list[Fault] = []
    for source in sources:
        try:
            load = load_source if workspace.flat is None else partial(load_sheet, workspace.scorecard)
            loaded.append(load(source, engine, scratch, allowed=workspace.max_rejected))
        except QueryError as error:
            words = " ".join(str(error).split())[:200]
            faults.append(Fault(source.label, None, source.table, f"a file that cannot be read to its end ({words})", "export it again"))
            if source.table == "accounts":
                break
    if faults:
        raise DataError(f"{workspace.name}: the exports cannot be used as they are", faults)
    return loaded


def full_schema(schema: TableSchema, kinds: dict[str, str]) -> TableSchema:
    """The contract with the columns that came. A date the contract does not know is hidden until that date: nobody knew it earlier."""
    own = {name: name for name, kind in kinds.items() if kind == WHEN and name not in schema.columns and name != "recorded_at"}
    return replace(schema, columns={**schema.columns, **kinds}, filled_later={**schema.filled_later, **own})


def _report_row(loaded: Loaded, engine: Engine) -> dict[str, object]:
    source, time = loaded.source, loaded.source.schema.time
    first, last = _span(source.table, time, engine) if time in loaded.kinds else (pd.NaT, pd.NaT)
    return {
        "table": source.table,
        "file": source.label,
        "rows_in": loaded.rows_in,
        "rows_used": loaded.rows_used,
        "rows_rejected": loaded.rows_in - loaded.rows_used,
        "first_day": first,
        "last_day": last,
        "sha256": source.sha256,
    }


def _span(table: str, column: str | None, engine: Engine) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last day of a date column; NaT where it is empty."""
    name = quote(str(column))
    first, last = engine.first(f"SELECT min({name}), max({name}) FROM data.{quote(table)}") or ("NaT", "NaT")
    return pd.Timestamp(first or "NaT").floor("D"), pd.Timestamp(last or "NaT").floor("D")


def _clocks(loaded: Loaded) -> list[str]:
    """Date columns of an event table that say when something happened or was written down, never when it is due."""
    schema = loaded.source.schema
    names = [schema.time, "recorded_at"] if schema.time else [*schema.filled_later.values(), "recorded_at"]
    return [name for name in dict.fromkeys(names) if name and name in loaded.kinds]


def _data_through(workspace: Workspace, loaded: Sequence[Loaded], engine: Engine) -> tuple[date | None, list[str]]:
    """The day given, or the newest day in any event table; and warnings where a clock seems to run ahead."""
    events = [(each.source.table, column) for each in loaded if each.source.table not in NOT_EVENTS for column in _clocks(each)]
    warnings: list[str] = []
    if workspace.data_through is not None:
        for table, column in events:
            name, rows = quote(column), f"data.{quote(table)}"
            after = f"SELECT count(*) AS rows, max({name}) AS last FROM {rows} WHERE CAST({name} AS DATE) > ?"
            found = engine.query(after, [workspace.data_through]).iloc[0]
            if found["rows"]:
                warnings.append(
                    f"{table}: {counted(found['rows'], 'row lies', 'rows lie')} after data_through {workspace.data_through} "
                    f"({column} up to {pd.Timestamp(found['last']).date()}); no figure uses them"
                )
        return workspace.data_through, warnings
    days = [last for table, column in events if not pd.isna(last := _span(table, column, engine)[1])]
    if days:
        through = max(days)
        warnings += _lonely_end(through, events, engine)
        return through.date(), warnings
    through = _span("contracts", "start_date", engine)[1]
    if pd.isna(through):
        return None, warnings
    return through.date(), [
        f"no table of events says how far the exports reach; the last contract start, {through.date()}, is taken. "
        "Set data_through in workspace.yaml"
    ]


def _lonely_end(through: pd.Timestamp, events: Sequence[tuple[str, str]], engine: Engine) -> list[str]:
    """One stray date years ahead would turn every customer into a lost one, so a last day that stands alone is called out."""
    days = " UNION ALL ".join(f"SELECT CAST({quote(column)} AS DATE) AS day FROM data.{quote(table)}" for table, column in events)
    before = engine.query(f"SELECT max(day) AS day FROM ({days}) WHERE day < ?", [through.date()])["day"].iloc[0]
    gap = (through - pd.Timestamp(before)).days if not pd.isna(before) else 0
    if gap <= 92:
        return []
    return [
        f"the newest day, {through.date()}, lies {gap} days after the one before it ({pd.Timestamp(before).date()}); "
        "if it is a wrong clock, set data_through in workspace.yaml"
    ]


def _contract_warnings(engine: Engine, columns: dict[str, str]) -> list[str]:
    """Accounts that never had a contract, and contracts told twice."""
    warnings = []
    contracted = "account_id IN (SELECT account_id FROM data.contracts)"
    without = engine.query(f"SELECT account_id FROM data.accounts WHERE NOT {contracted} ORDER BY _line")["account_id"].tolist()
    total = engine.count("data.accounts")
    if without:
        no = "has no contract and is never active" if len(without) == 1 else "have no contract and are never active"
        warnings.append(f"{len(without)} of {counted(total, 'account')} {no} (first: {without[0]})")
    same = ", ".join(quote(name) for name in columns)
    groups = f"SELECT {same}, count(*) AS rows FROM data.contracts GROUP BY ALL HAVING count(*) > 1"
    twice = engine.query(f"SELECT min(account_id) AS first, sum(rows - 1) AS rows FROM ({groups})").iloc[0]
    if not pd.isna(twice["rows"]):
        warnings.append(
            f"{counted(twice['rows'], 'contract repeats', 'contracts repeat')} another one in every column (first: account "
            f"{twice['first']}); each counts towards ARR. Add contract_id to tell a copy from a second contract"
        )
    return warnings


def _excess_message(workspace: Workspace, excess: Sequence[Loaded]) -> str:
    """What, how many of how many, the first example, and the cure: for each table that lost too much."""
    lines = [
        f"{workspace.name}: more than {workspace.max_rejected:.2%} of the rows of {len(excess)} "
        f"table{'s were' if len(excess) > 1 else ' was'} rejected (max_rejected)"
    ]
    for each in excess:
        first = each.rejected.iloc[0]
        rule, rows = max(each.rules.items(), key=lambda item: item[1])
        where = f"{first['column']}: " if first["column"] else ""
        lines.append(
            f"  {each.source.table}: {each.rows_in - each.rows_used} of {each.rows_in} rows ({each.share_rejected:.1%}), most often "
            f'"{rule}" ({rows}); first {first["file"]}:{first["line"]}: {where}found {str(first["value"])[:80]!r}: {first["rule"]}'
        )
    lines.append("Mend the export or the mapping, or raise max_rejected in workspace.yaml; rejected/<table>.csv lists the rows.")
    return "\n".join(lines)
