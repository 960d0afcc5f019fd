"""The embedded database as an engine for events that are read where they lie: Parquet files, or the tables of a DuckDB file."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pandas as pd

from healthlib.engine import Engine, QueryError, literal, quote, theirs
from healthlib.sessions import Session, what


class InPlace(Session):
    """DuckDB over rows that it never copies; what does not fit into `memory` goes to files in `scratch`.

    Parameters
    ----------
    files : what may be read
    scratch : folder for what is too much for memory
    memory : as DuckDB writes it
    """

    dialect = "duckdb"
    counts_bits = True

    def __init__(self, files: tuple[Path, ...], scratch: Path, memory: str = "3GB"):
        super().__init__()
        self.engine = Engine((scratch,), files, spill=(scratch, memory))
        self.engine.run("CREATE SCHEMA IF NOT EXISTS known")

    def read_parquet(self, name: str, path: Path) -> tuple[str, ...]:
        """Give a Parquet file a place among `theirs`; returns its name's parts. Raises QueryError."""
        self.engine.run(f"CREATE OR REPLACE VIEW {theirs((name,))} AS SELECT * FROM read_parquet({literal(str(path.resolve()))})")
        return (name,)

    def attach(self, path: Path) -> None:
        """Open a DuckDB file, read-only. Raises QueryError."""
        self.engine.run(f"ATTACH {literal(str(path.resolve()))} AS source (READ_ONLY)")

    def columns_of(self, table: tuple[str, ...]) -> dict[str, str]:
        """Column -> type. A table of the attached file gets its place among `theirs` here. Raises QueryError."""
        with contextlib.suppress(QueryError):
            return self.engine.columns_of(table)
        self.engine.run(f"CREATE OR REPLACE VIEW {theirs(table)} AS SELECT * FROM source.{'.'.join(map(quote, table))}")
        return self.engine.columns_of(table)

    def view(self, name: str, select: str) -> None:
        """Give a SELECT a name. Raises QueryError."""
        self.engine.view(name, select)

    def make(self, name: str, select: str) -> None:
        """Store a query's rows as a table, replacing one of that name. Raises QueryError."""
        with self._timed(what(name, select)) as told:
            self.engine.make(name, select)
            told.append(self.engine.count(name))

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Store a frame as a table, replacing one of that name."""
        with self._timed(f"{name} (handed over)") as told:
            self.engine.put(name, frame)
            told.append(len(frame))

    def query(self, sql: str) -> pd.DataFrame:
        """Run a SELECT and return every row. Raises QueryError."""
        with self._timed(what("", sql)) as told:
            found = self.engine.query(sql)
            told.append(len(found))
        return found

    def close(self) -> None:
        """Let go of the files."""
        self.engine.connection.close()
