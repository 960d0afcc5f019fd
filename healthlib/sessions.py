"""Engines other than the embedded one, each behind the same five verbs: view, make, put, query, and a record of what each step took.

A session is what the user has already: a PostgreSQL connection, a Spark session on whatever cluster, an SQLite file, or a script that is
only printed. Everything it makes is temporary and bears the prefix ``healthlib_``; nothing of theirs is written to.
"""

from __future__ import annotations

import io
import re
import sqlite3
import time
from collections.abc import Iterator
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
    return f"{table[1]}: clocks" if table else "rows judged"


class Session:
    """The verbs in terms of three that an engine must have: `_store`, `_load` and `_fetch`."""

    dialect = ""
    counts_bits = False

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
            told.append(self._store(PREFIX + name, translated(select, self.dialect, self.views)))

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Store a frame as a temporary table, replacing one of that name. Raises QueryError."""
        with self._timed(f"{name} (handed over)") as told:
            self._load(PREFIX + name, frame)
            told.append(len(frame))

    def query(self, sql: str) -> pd.DataFrame:
        """Run a SELECT and return every row. Raises QueryError."""
        with self._timed(what("", sql)) as told:
            found = self._fetch(translated(sql, self.dialect, self.views))
            told.append(len(found))
        return found

    def close(self) -> None:
        """Let go of it; what was made goes with it."""

    @contextmanager
    def _timed(self, name: str) -> Iterator[list[int]]:
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


class SqliteSession(Session):
    """An SQLite file, opened read-only; moments are text like 2026-10-31 09:30:00."""

    dialect = "sqlite"

    def __init__(self, path: str):
        super().__init__()
        try:
            self.connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            self.connection.execute("PRAGMA temp_store = FILE")
            self.connection.execute("PRAGMA case_sensitive_like = ON")
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
        """Column -> declared type. Raises QueryError where there is no such table."""
        found = self._run(f"PRAGMA table_info({'.'.join(table)})").fetchall()
        if not found:
            raise QueryError(f"no such table: {'.'.join(table)}")
        return {row[1]: row[2].upper() or "VARCHAR" for row in found}

    def close(self) -> None:
        """Close the file."""
        self.connection.close()
