"""Engines other than the embedded one, each behind the same five verbs: view, make, put, query, and a record of what each step took.

A session is what the user has already: a PostgreSQL connection, a Spark session on whatever cluster, an SQLite file, or a script that is
only printed. Everything it makes is temporary and bears the prefix ``healthlib_``; nothing of theirs is written to.
"""

from __future__ import annotations

import io
import re
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from healthlib.engine import QueryError, quote
from healthlib.translate import PREFIX, translated


@dataclass(frozen=True)
class Step:
    """One statement that ran: what it made (or `answer`), seconds, and the rows that came of it."""

    name: str
    seconds: float
    rows: int


WINDOWED = re.compile(r"\bJOIN (cells|values_seen|latest|seen)\b|\bFROM (seen)\b")
FROM_WHERE = re.compile(r"\bknown\.\"?(\w+)")
MADE = {"cells": "rolled up", "values_seen": "rolled up by value", "latest": "latest rows", "seen": "read row by row"}


def what(name: str, sql: str) -> str:
    """What a statement does, in words for a profile.

    >>> what("cells", 'SELECT 1 FROM known."usage" v')
    'usage: rolled up'
    """
    table = FROM_WHERE.search(sql)
    if name:
        return f"{table[1]}: {MADE.get(name, name)}" if table and name in MADE else name
    if windowed := WINDOWED.search(sql):
        return f"windows over {windowed[1] or windowed[2]}"
    return f"{table[1]}: clocks" if table else "rows judged, clocks read"


class Session:
    """The verbs in terms of three that an engine must have: `_store`, `_load` and `_fetch`."""

    dialect = ""
    counts_bits = False
    letters = ""

    def __init__(self) -> None:
        self.surveys: dict[str, pd.DataFrame] = {}
        self.views: dict[str, str] = {}
        self.steps: list[Step] = []

    def view(self, name: str, select: str) -> None:
        """Give a SELECT a name, written out wherever it is read: a warehouse's reader may not create views."""
        self.views[name] = select

    def make(self, name: str, select: str) -> None:
        """Store a query's rows as a temporary table, replacing one of that name. Raises QueryError."""
        with self._timed(what(name, select)) as told:
            told.append(self._store(PREFIX + name, self._translated(select)))

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Store a frame as a temporary table, replacing one of that name. Raises QueryError."""
        with self._timed(f"{name} (handed over)") as told:
            self._load(PREFIX + name, frame)
            told.append(len(frame))

    def query(self, sql: str) -> pd.DataFrame:
        """Run a SELECT and return every row. Raises QueryError."""
        with self._timed(what("", sql)) as told:
            found = self._fetch(self._translated(sql))
            told.append(len(found))
        return found

    def close(self) -> None:
        """Let go of it; what was made goes with it."""

    def _translated(self, select: str) -> str:
        return translated(select, self.dialect, self.views, letters=self.letters)

    @contextmanager
    def _timed(self, name: str) -> Generator[list[int]]:
        began, told = time.perf_counter(), []
        yield told
        self.steps.append(Step(name, time.perf_counter() - began, *told))

    def _store(self, name: str, select: str) -> int:
        raise NotImplementedError

    def _load(self, name: str, frame: pd.DataFrame) -> None:
        raise NotImplementedError

    def _fetch(self, select: str) -> pd.DataFrame:
        raise NotImplementedError

    def columns_of(self, table: tuple[str, ...]) -> dict[str, str]:
        """Column -> type, as the embedded database calls it, of one of their tables. Raises QueryError where there is none."""
        raise NotImplementedError


def native_type(dtype: Any, names: dict[str, str]) -> str:
    """The engine's type for a frame's column; `names` says what it calls datetime, bool, int, float and text."""
    kind = "datetime" if pd.api.types.is_datetime64_any_dtype(dtype) else "bool" if pd.api.types.is_bool_dtype(dtype) else ""
    kind = kind or ("int" if pd.api.types.is_integer_dtype(dtype) else "float" if pd.api.types.is_float_dtype(dtype) else "text")
    return names[kind]


POSTGRES = {"datetime": "TIMESTAMP", "bool": "BOOLEAN", "int": "BIGINT", "float": "DOUBLE PRECISION", "text": "TEXT"}


class PostgresSession(Session):
    """One transaction on a PostgreSQL server, rolled back at the end: temporary tables are all it writes."""

    dialect = "postgres"

    def __init__(self, url: str):
        from healthlib.database import connect_postgres

        super().__init__()
        self.connection, self.error = connect_postgres(url, read_only=False)
        known = "SELECT collname FROM pg_collation WHERE collname = 'und-x-icu' AND lower('É') <> 'é'"
        self.letters = "".join(name for (name,) in self.connection.execute(known.encode()))

    def _store(self, name: str, select: str) -> int:
        return self._run(f"DROP TABLE IF EXISTS {name}; CREATE TEMPORARY TABLE {name} AS {select}", name)

    def _run(self, sql: str, name: str) -> int:
        try:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                cursor.execute(sql.encode())
                while cursor.nextset():
                    pass
                made = cursor.rowcount
                cursor.execute(f"ANALYZE {name}".encode())
        except self.error as error:
            raise QueryError(str(error).splitlines()[0]) from error
        return made

    def _load(self, name: str, frame: pd.DataFrame) -> None:
        columns = ", ".join(f'"{column}" {native_type(dtype, POSTGRES)}' for column, dtype in frame.dtypes.items())
        text = io.StringIO()
        frame.to_csv(text, index=False, header=False, na_rep="\\N", date_format="%Y-%m-%d %H:%M:%S.%f")
        try:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS {name}")
                cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns})".encode())
                with cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv, NULL '\\N', ENCODING 'UTF8')".encode()) as rows:
                    rows.write(text.getvalue().encode())
                cursor.execute(f"ANALYZE {name}")
        except self.error as error:
            raise QueryError(str(error).splitlines()[0]) from error

    def _fetch(self, select: str) -> pd.DataFrame:
        try:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                cursor.execute(select.encode())
                return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
        except self.error as error:
            raise QueryError(str(error).splitlines()[0]) from error

    def columns_of(self, table: tuple[str, ...]) -> dict[str, str]:
        """Column -> type of a table or view that its user may see. Raises QueryError."""
        from healthlib.database import TYPES

        name = ".".join('"' + part.replace('"', '""') + '"' for part in table)
        try:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {name} LIMIT 0".encode())
                return {column.name: TYPES.get(column.type_code, "VARCHAR") for column in cursor.description or ()}
        except self.error as error:
            raise QueryError(str(error).splitlines()[0]) from error

    def close(self) -> None:
        """Roll back and disconnect: the temporary tables were never there."""
        self.connection.rollback()
        self.connection.close()


MOMENT = "TIMESTAMP WITH TIME ZONE"
"""What any column of days or moments is in SQLite: text that may say an offset."""


def affinity(declared: str) -> str:
    """What a type declared in SQLite holds, as the embedded database calls it.

    >>> [affinity(name) for name in ("INT", "VARCHAR(20)", "REAL", "DATETIME", "NUMERIC(10,2)", "BOOL")]
    ['BIGINT', 'VARCHAR', 'DOUBLE', 'TIMESTAMP WITH TIME ZONE', 'DOUBLE', 'BOOLEAN']
    """
    kinds = {"DATE": MOMENT, "TIME": MOMENT, "BOOL": "BOOLEAN", "INT": "BIGINT", "REAL": "DOUBLE", "FLOA": "DOUBLE", "DOUB": "DOUBLE",
             "NUM": "DOUBLE", "DEC": "DOUBLE"}  # fmt: skip
    return next((native for part, native in kinds.items() if part in declared), "VARCHAR")


def _written(column: str) -> str:
    """SQL that says whether a cell of SQLite is an ISO date or moment."""
    digits = "-".join(("[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2))
    return f"{quote(column)} GLOB '{digits}*' AND julianday({quote(column)}) IS NOT NULL"


class SqliteSession(Session):
    """An SQLite file, opened read-only; moments are text like 2026-10-31 09:30:00."""

    dialect = "sqlite"

    def __init__(self, path: str):
        super().__init__()
        try:
            self.connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            self.connection.execute("PRAGMA temp_store = FILE")
            self.connection.execute("PRAGMA case_sensitive_like = ON")
            for name, told in (("lower", str.lower), ("upper", str.upper)):  # its own know no letters but a to z
                self.connection.create_function(name, 1, lambda text, told=told: text and told(str(text)), deterministic=True)
        except sqlite3.Error as error:
            raise QueryError(str(error)) from error

    def _store(self, name: str, select: str) -> int:
        self._run(f"DROP TABLE IF EXISTS temp.{name}")
        self._run(f"CREATE TEMPORARY TABLE {name} AS {select}")
        return int(self._run(f"SELECT count(*) FROM temp.{name}").fetchone()[0])

    def _run(self, sql: str) -> sqlite3.Cursor:
        try:
            return self.connection.execute(sql)
        except sqlite3.Error as error:
            raise QueryError(str(error)) from error

    def _load(self, name: str, frame: pd.DataFrame) -> None:
        plain = frame.copy()
        for column in plain.columns:
            if pd.api.types.is_datetime64_any_dtype(plain[column]):
                plain[column] = plain[column].dt.strftime("%Y-%m-%d %H:%M:%S")
        plain = plain.astype(object).where(plain.notna(), None)
        self._run(f"DROP TABLE IF EXISTS temp.{name}")
        self._run(f"CREATE TEMPORARY TABLE {name} ({', '.join(map(quote, plain.columns))})")
        marks = ", ".join("?" * len(plain.columns))
        self.connection.executemany(f"INSERT INTO temp.{name} VALUES ({marks})", plain.itertuples(index=False, name=None))

    def _fetch(self, select: str) -> pd.DataFrame:
        cursor = self._run(select)
        return pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description])

    def columns_of(self, table: tuple[str, ...]) -> dict[str, str]:
        """Column -> type by SQLite's own rules for declared ones; text is a moment where every cell is. Raises QueryError."""
        name = ".".join(map(quote, table))
        try:
            cursor = self._run(f"SELECT * FROM {name} LIMIT 0")
        except QueryError:
            raise QueryError(f"no such table: {'.'.join(table)}") from None
        schema = f"{quote(table[0])}." if len(table) > 1 else ""
        declared = {row[1]: row[2].upper() for row in self._run(f"PRAGMA {schema}table_info({quote(table[-1])})")}
        found = {column[0]: affinity(declared.get(column[0], "")) for column in cursor.description}
        texts = [column for column, native in found.items() if native == "VARCHAR"]
        moments = ", ".join(f"count({quote(c)}) > 0 AND count({quote(c)}) = count(CASE WHEN {_written(c)} THEN 1 END)" for c in texts)
        if texts:
            flags = self._run(f"SELECT {moments} FROM {name}").fetchone()
            found |= {column: MOMENT for column, flag in zip(texts, flags, strict=True) if flag}
        return found

    def close(self) -> None:
        """Close the file."""
        self.connection.close()
