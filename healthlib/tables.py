"""Exports to validated tables; rejected rows kept with the rule they broke."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Protocol

import pandas as pd

from healthlib.anonymise import hide, hide_names, quieter
from healthlib.casefile import CaseFile, read_cases
from healthlib.doubts import contract_warnings, mixed_currencies, renamed
from healthlib.engine import Engine, Events, QueryError
from healthlib.errors import DataError, EvidenceError, Fault
from healthlib.extent import data_through, span
from healthlib.loading import Loaded, load_source
from healthlib.machine import passing
from healthlib.masks import Secret, secret
from healthlib.schema import WHEN, TableSchema
from healthlib.sheet import NO_DAY, load_sheet, sheet_warnings
from healthlib.sources import Source, find_sources, session
from healthlib.spec import Workspace

REPORT = ("table", "file", "rows_in", "rows_used", "rows_rejected", "first_day", "last_day", "sha256")
"""Columns of `Tables.report`."""


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
    report : `REPORT`, one row per table; first_day and last_day are of the table's time
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
    SecretError : names are to be masked and the environment holds no secret
    """
    masked = secret() if workspace.anonymise else None
    given = read_cases(workspace.folder / workspace.cases, workspace.cases) if workspace.cases else None
    if given is not None:
        leave = {*leave, *given.made["elsewhere"]}
        workspace = workspace.model_copy(update={"data_through": workspace.data_through or date.fromisoformat(given.made["data_through"])})
    engine, loaded = _read(workspace, leave, discreet=masked is not None)
    if masked is not None:
        loaded, given = _masked(workspace, loaded, given, engine, masked)
    if faults := mixed_currencies(engine, _columns(loaded), {each.source.table: each.source.label for each in loaded}):
        raise _unusable(workspace, faults)
    through, warnings = _told(workspace, loaded, engine)
    if masked is not None:
        hide_names(loaded, engine)
    tables = Tables(
        engine=engine,
        columns=_columns(loaded),
        report=_report(loaded, given, engine),
        rejected={each.source.table: each.rejected for each in loaded if len(each.rejected)},
        schemas={each.source.table: full_schema(each.source.schema, each.kinds) for each in loaded},
        data_through=through or date.min,
        warnings=tuple(warnings),
        broken={each.source.table: dict(each.rules) for each in loaded if each.rules},
        given=given,
    )
    if excess := [each for each in loaded if each.share_rejected > workspace.max_rejected]:
        raise RejectedError(_excess_message(workspace, excess), tables)
    if through is None:
        found = "no row with a date in any table"
        raise _unusable(workspace, [Fault("workspace.yaml", None, "data_through", found, "the last day the exports cover")])
    return tables


def _unusable(workspace: Workspace, faults: Sequence[Fault]) -> DataError:
    return DataError(f"{workspace.name}: the exports cannot be used as they are", faults)


def _read(workspace: Workspace, leave: Collection[str], *, discreet: bool) -> tuple[Engine, list[Loaded]]:
    """Every table but those left where they are, in an engine that reads no file from here on; `discreet` errors quote no cell."""
    with passing("healthlib-") as scratch:
        engine = session(workspace, scratch)
        engine.discreet = discreet
        sources, faults = find_sources(workspace, engine, scratch, leave)
        if faults:
            raise _unusable(workspace, quieter(faults) if discreet else faults)
        loaded = _load_all(workspace, sources, engine, scratch)
        engine.lock()
    return engine, loaded


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
        raise _unusable(workspace, faults)
    return loaded


def _masked(
    workspace: Workspace, loaded: Sequence[Loaded], given: CaseFile | None, engine: Engine, masked: Secret
) -> tuple[list[Loaded], CaseFile | None]:
    """The tables, and what was measured elsewhere before, under masks; an account is found again by the line of its row."""
    names = "SELECT account_id, _line FROM data.accounts"
    named = engine.query(names).set_index("_line")["account_id"]
    loaded = hide(loaded, engine, workspace, masked)
    masks = engine.query(names).set_index("_line")["account_id"]
    return loaded, None if given is None else given.under(dict(zip(named.reindex(masks.index), masks, strict=True)))


def _columns(loaded: Sequence[Loaded]) -> dict[str, dict[str, str]]:
    """Table -> column -> kind."""
    return {each.source.table: each.kinds for each in loaded}


def full_schema(schema: TableSchema, kinds: dict[str, str]) -> TableSchema:
    """The contract with the columns that came. A date the contract does not know is hidden until that date: nobody knew it earlier."""
    own = {name: name for name, kind in kinds.items() if kind == WHEN and name not in schema.columns and name != "recorded_at"}
    return replace(schema, columns={**schema.columns, **kinds}, filled_later={**schema.filled_later, **own})


def _report(loaded: Sequence[Loaded], given: CaseFile | None, engine: Engine) -> pd.DataFrame:
    """`Tables.report`; what was measured elsewhere before counts as a table `cases`."""
    rows = []
    for each in loaded:
        source, time = each.source, each.source.schema.time
        days = span(source.table, time, engine) if time in each.kinds else (pd.NaT, pd.NaT)
        rows.append((source.table, source.label, each.rows_in, each.rows_used, each.rows_in - each.rows_used, *days, source.sha256))
    if given is not None:
        rows.append(("cases", given.label, len(given.values), len(given.values), 0, pd.NaT, pd.NaT, given.sha256))
    return pd.DataFrame(rows, columns=list(REPORT)).astype({"first_day": "datetime64[s]", "last_day": "datetime64[s]"})


def _told(workspace: Workspace, loaded: Sequence[Loaded], engine: Engine) -> tuple[date | None, list[str]]:
    """The last day the exports cover, None where nothing says it; and what a reader should know about the exports."""
    said = [said for each in loaded for said in each.source.said]
    if workspace.flat is not None:
        return workspace.data_through or NO_DAY, [*sheet_warnings(workspace, loaded[0], engine), *said]
    columns = _columns(loaded)
    through, warnings = data_through(workspace, loaded, engine)
    warnings += contract_warnings(engine, columns["contracts"])
    warnings += renamed(engine, columns, pd.Timestamp(through)) if through is not None else []
    warnings += [
        f"{each.source.table}: {each.source.label} has a header and no row, which counts as no data yet: what rests on it is unmeasured"
        for each in loaded
        if not each.rows_in
    ]
    return through, [*warnings, *said]


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
