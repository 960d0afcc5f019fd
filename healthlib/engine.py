"""The only module that speaks to a database: SQL text and small frames in, frames out."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd


def quote(name: str) -> str:
    """An SQL identifier, quoted.

    >>> quote('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal, quoted.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


class QueryError(ValueError):
    """The database refused a statement; the first line says why."""


class Engine:
    """One embedded DuckDB session. UTC, two threads, nothing fetched from anywhere.

    Parameters
    ----------
    folder : relative paths in a workspace's `sql:` are read from here
    """

    def __init__(self, folder: Path | str = "."):
        self.connection = duckdb.connect(":memory:")
        self.run("SET TimeZone = 'UTC'")
        self.run("SET autoinstall_known_extensions = false")
        self.run("SET threads = 2")
        self.run("SET enable_progress_bar = false")
        self.run(f"SET file_search_path = {literal(str(folder))}")
        self.run("CREATE SCHEMA IF NOT EXISTS data")

    def run(self, sql: str, parameters: list | None = None) -> None:
        """Execute a statement; no result. Raises QueryError."""
        self._execute(sql, parameters)

    def query(self, sql: str, parameters: list | None = None) -> pd.DataFrame:
        """Execute a query and return every row as a frame. Raises QueryError."""
        return self._execute(sql, parameters).df()

    def _execute(self, sql: str, parameters: list | None) -> duckdb.DuckDBPyConnection:
        try:
            return self.connection.execute(sql, parameters)
        except duckdb.OutOfMemoryException as error:
            raise MemoryError(str(error)) from error
        except duckdb.Error as error:
            raise QueryError(str(error)) from error

    def first(self, sql: str, parameters: list | None = None) -> tuple | None:
        """The first row of a query's result, None where it has none: a count or a yes or no costs a frame otherwise. Raises QueryError."""
        return self._execute(sql, parameters).fetchone()

    def count(self, rows: str) -> int:
        """How many rows a table, or a SELECT in brackets, has. Raises QueryError."""
        return int((self.first(f"SELECT count(*) FROM {rows}") or (0,))[0])

    def columns(self, query: str) -> dict[str, str]:
        """Column -> database type of a query's result, without running it. Raises QueryError."""
        described = self._execute(f"DESCRIBE {query}", None).fetchall()
        return {str(row[0]): str(row[1]) for row in described}

    def is_one_select(self, sql: str) -> bool:
        """Whether the text is one statement and only reads. Raises QueryError where it is no SQL."""
        try:
            statements = self.connection.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
        return len(statements) == 1 and statements[0].type.name == "SELECT"

    def drop(self, table: str) -> None:
        """Remove data.<table>, be it a table, or a view over the rows it was read into. Nothing happens where there is none."""
        names = [table, f"_rows_{table}"]
        found = self.query("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'data'")
        for name in names:
            for kind in found.loc[found["table_name"] == name, "table_type"]:
                self.run(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} data.{quote(name)}")

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Store a frame as a table (replacing one of that name) so that SQL can join it."""
        self.connection.register("_incoming", frame)
        self.run(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM _incoming")
        self.connection.unregister("_incoming")
