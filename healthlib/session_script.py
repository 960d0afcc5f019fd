"""No engine at all: the statements as text, for a warehouse that this machine does not reach, or whose owner wants to read them first.

Nothing is there to ask, so columns are taken to be those that the contract requires and the workspace maps or measures, and every table
to hold rows of every day of a given span. The text for PostgreSQL, Spark and SQLite was run. For the others, what their parsers
understand by it was run here and gave the same answers; on the warehouse itself it never ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import sqlglot
from sqlglot import exp

from healthlib.engine import QueryError
from healthlib.expressions import expressions
from healthlib.schema import FLAG, NUMBER, TEXT, WHEN, TableSchema
from healthlib.sessions import Session, native_type
from healthlib.sources import schema_of
from healthlib.spec import Metric, TableSource, Workspace
from healthlib.translate import COMPARED, DAYS, speaks_of_days, translated

MAKES = {
    "bigquery": "CREATE OR REPLACE TEMP TABLE {name} AS", "snowflake": "CREATE OR REPLACE TEMPORARY TABLE {name} AS",
    "databricks": "CREATE OR REPLACE TABLE {name} AS", "trino": "DROP TABLE IF EXISTS {name};\nCREATE TABLE {name} AS",
    "spark": "DROP VIEW IF EXISTS {name};\nCACHE TABLE {name} AS",
}  # fmt: skip
"""Dialect -> how a query's rows are kept for a while, where it is not a temporary table that is dropped before it is made anew."""
TEMPORARY = "DROP TABLE IF EXISTS {name};\nCREATE TEMPORARY TABLE {name} AS"
IN_UTC = {
    "snowflake": "ALTER SESSION SET TIMEZONE = 'UTC'", "databricks": "SET TIME ZONE 'UTC'", "spark": "SET TIME ZONE 'UTC'",
    "trino": "SET TIME ZONE 'UTC'", "redshift": "SET TIME ZONE 'UTC'", "postgres": "SET TIME ZONE 'UTC'",
    "sqlite": "PRAGMA case_sensitive_like = ON",
}  # fmt: skip
"""Dialect -> what a session must be told first."""
NOTES = {
    "bigquery": "Run it as one script: temporary tables live no longer.",
    "databricks": "Tables, since a view would be worked out anew for every window: USE a schema that you may write to.",
    "trino": "Trino has no temporary tables: USE a catalog and schema that you may write to.",
}
DROPPED = ("databricks", "trino")
"""Dialects whose tables outlive the session, so that the script ends by dropping them."""
NAMES = {"datetime": "TIMESTAMP", "bool": "BOOLEAN", "int": "BIGINT", "float": "DOUBLE", "text": "VARCHAR"}
MOMENTS = {"spark": {"datetime": "TIMESTAMPTZ"}, "databricks": {"datetime": "TIMESTAMPTZ"}, "sqlite": {"datetime": "TEXT"}}
"""Dialect -> what it calls a moment, where that is not a TIMESTAMP without a zone."""
NATIVES = {TEXT: "UNKNOWN", NUMBER: "DOUBLE", WHEN: "TIMESTAMP WITH TIME ZONE", FLAG: "BOOLEAN"}
"""Kind -> the type that a column is taken to have: each leads to a cast that also takes in its cousins."""


class Script(Session):
    """Every statement kept as text (`written`) in a dialect. What a query would have answered is nothing.

    Parameters
    ----------
    dialect : one of `translate.DIALECTS`
    columns : parts of a table's name -> its columns and their types, from `assumed_columns`
    surveys : table -> what its clocks say, from `assumed_surveys`
    shown : most rows written out of a table that is handed over; None = all
    """

    def __init__(
        self,
        dialect: str,
        columns: Mapping[tuple[str, ...], dict[str, str]],
        surveys: Mapping[str, pd.DataFrame],
        *,
        shown: int | None = 3,
    ):
        super().__init__()
        self.dialect, self.columns, self.shown = dialect, columns, shown
        self.surveys, self.made = dict(surveys), list[str]()
        self.written = f"-- {NOTES[dialect]}\n" if dialect in NOTES else ""
        if dialect in IN_UTC:
            self._write(IN_UTC[dialect])

    def _translated(self, select: str) -> str:
        return translated(select, self.dialect, self.views, pretty=True)

    def _store(self, name: str, select: str) -> int:
        self._write(f"{MAKES.get(self.dialect, TEMPORARY).format(name=self._named(name))}\n{select}")
        return 0

    def _named(self, name: str) -> str:
        self.made += [name] if name not in self.made else []
        return self._said(exp.to_identifier(name, quoted=True))

    def _said(self, tree: exp.Expr) -> str:
        return tree.sql(dialect=self.dialect, identify=True)

    def _load(self, name: str, frame: pd.DataFrame) -> None:
        names = NAMES | MOMENTS.get(self.dialect, {})
        types = {str(column): exp.DataType.build(native_type(dtype, names), "duckdb") for column, dtype in frame.dtypes.items()}
        rows = [
            ", ".join(self._literal(value, kind) for value, kind in zip(row, types.values(), strict=True))
            for row in frame.iloc[: self.shown].itertuples(index=False, name=None)
        ]
        more = f"\n-- and {len(frame) - len(rows):,} rows more" if len(rows) < len(frame) else ""
        columns = [self._said(exp.to_identifier(column, quoted=True)) for column in types]
        named = self._named(name)
        if self.dialect == "spark":
            cells = ", ".join(f"CAST({c} AS {self._said(t)}) AS {c}" for c, t in zip(columns, types.values(), strict=True))
            values = ",\n  ".join(f"({row})" for row in rows or [", ".join(["NULL"] * len(types))])
            source = f"FROM VALUES\n  {values}\nAS x({', '.join(columns)}){'' if rows else ' WHERE FALSE'}"
            return self._write(f"CREATE OR REPLACE TEMPORARY VIEW {named} AS SELECT {cells}\n{source}{more}")
        declared = ", ".join(f"{c} {self._said(t)}" for c, t in zip(columns, types.values(), strict=True))
        self._write(f"{MAKES.get(self.dialect, TEMPORARY).format(name=named).removesuffix(' AS')} ({declared})")
        if rows:
            self._write(f"INSERT INTO {named} VALUES\n  " + ",\n  ".join(f"({row})" for row in rows) + more)

    def _literal(self, value: Any, kind: exp.DataType) -> str:
        if pd.isna(value):
            return "NULL"
        if isinstance(value, pd.Timestamp):
            text = exp.Literal.string(f"{value:%Y-%m-%d %H:%M:%S}")
            return self._said(text if self.dialect == "sqlite" else exp.Cast(this=text, to=kind))
        return self._said(exp.convert(str(value) if kind.this.name in ("VARCHAR", "TEXT") else value))

    def _fetch(self, select: str) -> pd.DataFrame:
        self._write(select)
        tree = sqlglot.parse_one(select, read=self.dialect)
        return pd.DataFrame(columns=tree.named_selects if isinstance(tree, exp.Query) else [])

    def _write(self, text: str) -> None:
        statement, comment, more = text.partition("\n-- and ")
        self.written += f"{statement};\n{'-- and ' + more + chr(10) if comment else ''}\n"

    def columns_of(self, table: tuple[str, ...]) -> dict[str, str]:
        """Column -> type, as assumed. Raises QueryError for a table that nothing is assumed of."""
        if table not in self.columns:
            raise QueryError("nothing says which columns it has")
        return dict(self.columns[table])

    def close(self) -> None:
        """Drop what would stay, once."""
        for name in self.made if self.dialect in DROPPED else ():
            self._write(f"DROP TABLE IF EXISTS {self._said(exp.to_identifier(name, quoted=True))}")
        self.made.clear()


def script_for(
    workspace: Workspace, at: Mapping[str, tuple[str, ...]], dialect: str, days: tuple[pd.Timestamp, pd.Timestamp], *, shown: int | None = 3
) -> Script:
    """An empty script over tables that nobody can look at.

    Parameters
    ----------
    at : table -> the parts of its name there
    dialect : one of `translate.DIALECTS`
    days : the first and last day that the tables are taken to cover
    shown : most rows written out of a table that is handed over; None = all
    """
    columns = {name: assumed_columns(workspace, name) for name in at}
    late = {name: "recorded_at" in _names(workspace, name) or bool(_given(workspace, name).lag_days) for name in at}
    return Script(dialect, {at[name]: found for name, found in columns.items()}, assumed_surveys(late, days), shown=shown)


def assumed_surveys(late: Mapping[str, bool], days: tuple[pd.Timestamp, pd.Timestamp]) -> dict[str, pd.DataFrame]:
    """What `asof.survey` would find where each day from the first to the last has rows.

    Parameters
    ----------
    late : table -> whether rows may have come to be known after they happened
    """
    known = pd.Series(pd.date_range(*days, freq="D", unit="s"))
    return {name: pd.DataFrame({"known": known, "first_day": known, "last_day": known, "late": flag}) for name, flag in late.items()}


def assumed_columns(workspace: Workspace, name: str) -> dict[str, str]:
    """Their column -> type of a table: what the contract requires, and what the workspace maps or measures."""
    given = _given(workspace, name)
    return {given.columns.get(column, column): NATIVES[kind] for column, kind in _names(workspace, name).items()}


def _given(workspace: Workspace, name: str) -> TableSource:
    return workspace.tables.get(name, TableSource())


def _names(workspace: Workspace, name: str) -> dict[str, str]:
    """Our name -> kind of the same columns."""
    given = _given(workspace, name)
    schema = schema_of(name, given)
    if schema is None:
        raise QueryError("a table of your own without `time:`")
    found = {column: schema.columns.get(column, WHEN if column == "recorded_at" else TEXT) for column in (*schema.required, *given.columns)}
    for metric in workspace.scorecard.metrics.values():
        for column, kind in _measured(metric, schema) if metric.table == name else ():
            written = next((known for known in (*found, *schema.columns) if known.lower() == column.lower()), column)
            if written in found and found[written] == TEXT and written not in schema.columns:
                found[written] = kind
            found.setdefault(written, schema.columns.get(written, kind))
    for column in [column for column in found if column in schema.filled_later]:
        found.setdefault(schema.filled_later[column], WHEN)
    return {column: kind for column, kind in found.items() if column in given.columns or column == schema.time or column not in DAYS}


def _measured(metric: Metric, schema: TableSchema) -> Iterator[tuple[str, str]]:
    """Columns that a metric names, and the kind that its use of them needs."""
    if (metric.per or "").lower().replace("_", " ") == "active users":
        yield "user_id", TEXT
    if metric.measure.kind == "open":
        yield from ((column, WHEN) for column in list(schema.filled_later)[:1])
    for key, text in expressions(metric):
        numeric = metric.measure.kind in ("sum", "mean", "max", "last") if key == "measure" else key == "per"
        for column in sqlglot.parse_one(text, read="duckdb").find_all(exp.Column):
            yield column.name, _used_as(column, numeric=numeric and column.parent is None)


def _used_as(column: exp.Column, *, numeric: bool) -> str:
    """The kind of a column by what it stands beside; `numeric` where the measure wants a number."""
    beside = column.parent
    if isinstance(beside, exp.Cast) and beside.to.this.name in ("DATE", "TIMESTAMP"):
        return WHEN
    others = [side for side in beside.args.values() if isinstance(side, exp.Expr) and side is not column] if beside is not None else []
    if isinstance(beside, COMPARED) and any(map(speaks_of_days, others)):
        return WHEN
    number = isinstance(beside, COMPARED) and any(isinstance(side, exp.Literal) and not side.is_string for side in others)
    return NUMBER if numeric or number or isinstance(beside, exp.Mul | exp.Div) else TEXT
