"""The only module that speaks to a database: SQL text and small frames in, frames out."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

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


def _listed(paths: Iterable[Path]) -> str:
    """An SQL list of paths, absolute and free of links; one with a bracket or star also as a pattern spells it."""
    names = [str(Path(path).resolve()) for path in paths]
    return f"[{', '.join(literal(name) for name in dict.fromkeys([*names, *map(glob.escape, names)]))}]"


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a parsed statement."""
    if isinstance(tree, dict):
        yield tree
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _parts(item)


def theirs(table: tuple[str, ...]) -> str:
    """SQL name, before any translation, of a table that is not ours: its own name's parts, held together.

    >>> theirs(("crm", "events")).count("events")
    1
    """
    return "theirs." + quote("\x1f".join(table))


class QueryError(ValueError):
    """The database refused a statement; the first line says why."""


UNSAID = frozenset({"current_setting", "getenv", "getvariable", "write_log"})
"""Functions that speak of the session, not of a row."""


class Events(Protocol):
    """What an engine must do for the rows that live in it: four verbs, a memory of what a table's clocks say, and whether it has
    BIT_OR and BIT_COUNT."""

    surveys: dict[str, pd.DataFrame]
    counts_bits: bool

    def view(self, name: str, select: str) -> None:
        """Give a SELECT a name."""

    def make(self, name: str, select: str) -> None:
        """Store a query's rows under a name, replacing what had it. Raises QueryError."""

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Store a frame under a name, replacing what had it."""

    def query(self, sql: str) -> pd.DataFrame:
        """Every row of a SELECT. Raises QueryError."""


class Engine:
    """One embedded DuckDB session. UTC, two threads, nothing fetched from anywhere, and no file of the machine but those named here.

    Parameters
    ----------
    folders : whose files, at any depth, a statement may read
    files : further single files; symbolic links count as what they lead to, here and there
    spill : folder for what does not fit into so much memory, for queries whose rows need no order
    """

    def __init__(self, folders: Iterable[Path] = (), files: Iterable[Path] = (), spill: tuple[Path, str] | None = None):
        self.connection = duckdb.connect(":memory:")
        self.surveys: dict[str, pd.DataFrame] = {}
        self.counts_bits = True
        self.run("SET TimeZone = 'UTC'")
        self.run("SET autoinstall_known_extensions = false")
        self.run("SET python_enable_replacements = false")
        self.run("SET threads = 2")
        if spill is not None:
            self.run(f"SET temp_directory = {literal(str(spill[0].resolve()))}")
            self.run(f"SET memory_limit = {literal(spill[1])}")
            self.run("SET preserve_insertion_order = false")
        self.run("SET enable_progress_bar = false")
        self.run(f"SET allowed_directories = {_listed(folders)}")
        self.run(f"SET allowed_paths = {_listed(files)}")
        self.run("SET enable_external_access = false")
        self.run("CREATE SCHEMA IF NOT EXISTS data")
        self.run("CREATE SCHEMA IF NOT EXISTS theirs")

    def lock(self) -> None:
        """Let no statement change a setting any more."""
        self.run("SET lock_configuration = true")

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
        """The first of a few rows, None where there is none: a count or a yes or no costs a frame otherwise. Raises QueryError."""
        rows = self._execute(sql, parameters).fetchall()  # a result that is not read to its end keeps the session busy
        return rows[0] if rows else None

    def count(self, rows: str) -> int:
        """How many rows a table, or a SELECT in brackets, has. Raises QueryError."""
        return int((self.first(f"SELECT count(*) FROM {rows}") or (0,))[0])

    def columns(self, query: str) -> dict[str, str]:
        """Column -> database type of a query's result, without running it. Raises QueryError."""
        described = self._execute(f"DESCRIBE {query}", None).fetchall()
        return {str(row[0]): str(row[1]) for row in described}

    def columns_of(self, table: tuple[str, ...]) -> dict[str, str]:
        """Column -> type of rows that were given a place in the schema `theirs`. Raises QueryError where they were not."""
        return self.columns(f"SELECT * FROM {theirs(table)}")

    def is_one_select(self, sql: str) -> bool:
        """Whether the text is one statement and only reads. Raises QueryError where it is no SQL."""
        try:
            statements = self.connection.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
        return len(statements) == 1 and statements[0].type.name == "SELECT"

    def strange(self, sql: str) -> str | None:
        """What a text has that one expression over a row has not, in words; None where it is one and no more.

        It is parsed, never run: in brackets, so that it is one expression, and bare, so that it does not close the brackets it will stand
        in. Then no part of it may be a query of its own or ask for a setting.
        """
        asked = [f"SELECT (\n{sql}\n)", f"SELECT {sql}\n"]
        trees = [json.loads(tree) for tree in self.first("SELECT json_serialize_sql(?), json_serialize_sql(?)", asked) or ()]
        for tree in trees:
            if tree["error"]:
                return str(tree.get("error_message", "no SQL")).splitlines()[0]
        if len(trees[1]["statements"]) != 1 or len(trees[1]["statements"][0]["node"]["select_list"]) != 1:
            return "more than one expression"
        if any(kind.name == "comment" for _, kind in duckdb.tokenize(sql)):
            return "a comment, which would hide what follows"
        parts = list(_parts(trees[0]))
        if any(part.get("class") == "SUBQUERY" for part in parts):
            return "a query inside the expression"
        name = next((name for part in parts if (name := str(part.get("function_name", "")).lower()) in UNSAID), None)
        return f"the function {name}()" if name else None

    def drop(self, table: str) -> None:
        """Remove data.<table>, be it a table, or a view over the rows it was read into. Nothing happens where there is none."""
        names = [table, f"_rows_{table}"]
        found = self.query("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'data'")
        for name in names:
            for kind in found.loc[found["table_name"] == name, "table_type"]:
                self.run(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} data.{quote(name)}")

    def view(self, name: str, select: str) -> None:
        """Give a SELECT a name, replacing what had it. Raises QueryError."""
        self.run(f"CREATE OR REPLACE VIEW {name} AS {select}")

    def make(self, name: str, select: str) -> None:
        """Store a query's rows as a table, replacing one of that name. Raises QueryError."""
        self.run(f"CREATE OR REPLACE TABLE {name} AS {select}")

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Store a frame as a table (replacing one of that name) so that SQL can join it."""
        self.connection.register("_incoming", frame)
        self.run(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM _incoming")
        self.connection.unregister("_incoming")
