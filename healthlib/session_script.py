"""No engine at all: the statements as text, for a warehouse that this machine does not reach, or whose owner wants to read them first."""

from __future__ import annotations

import pandas as pd
import sqlglot

from healthlib.sessions import Session, native_type

TEMPORARY = {
    "bigquery": "CREATE OR REPLACE TEMP TABLE", "trino": "CREATE TABLE", "databricks": "CREATE OR REPLACE TEMPORARY VIEW",
    "spark": "CREATE OR REPLACE TEMPORARY VIEW",
}  # fmt: skip
"""Dialect -> how a query's rows are kept for a while, where it is not CREATE TEMPORARY TABLE."""
NAMES = {"datetime": "TIMESTAMP", "bool": "BOOLEAN", "int": "BIGINT", "float": "DOUBLE", "text": "VARCHAR"}


class Script(Session):
    """Every statement kept as text in a dialect. What a query would have answered is nothing."""

    def __init__(self, dialect: str):
        super().__init__()
        self.dialect, self.written = dialect, ""

    def _store(self, name: str, select: str) -> int:
        self._write(f"{TEMPORARY.get(self.dialect, 'CREATE TEMPORARY TABLE')} {name} AS\n{select}")
        return 0

    def _load(self, name: str, frame: pd.DataFrame) -> None:
        columns = ", ".join(f"{column} {native_type(dtype, NAMES)}" for column, dtype in frame.dtypes.items())
        made = sqlglot.transpile(f"CREATE TABLE {name} ({columns})", read="duckdb", write=self.dialect)[0]
        self._write(f"{made}  -- healthlib puts {len(frame):,} rows into it")

    def _fetch(self, select: str) -> pd.DataFrame:
        self._write(select)
        return pd.DataFrame()

    def _write(self, text: str) -> None:
        self.written += f"{text};\n\n" if "  -- " not in text else f"{text.replace('  -- ', ';  -- ')}\n\n"
