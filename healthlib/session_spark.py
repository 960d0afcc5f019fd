"""Spark as an engine for events: a local session, or whatever cluster the environment configures."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pandas as pd

from healthlib.engine import QueryError
from healthlib.sessions import Session

TYPES = {
    "timestamp": "TIMESTAMP WITH TIME ZONE", "timestamp_ntz": "TIMESTAMP", "date": "DATE", "string": "VARCHAR", "boolean": "BOOLEAN",
    "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT", "float": "FLOAT", "double": "DOUBLE",
}  # fmt: skip
"""Spark's names for types -> the embedded database's; anything else but a decimal is text."""

ZONE = "spark.sql.session.timeZone"


class SparkSession(Session):
    """A Spark session; what it holds in between is let go at the end, the session itself stays the user's.

    Parameters
    ----------
    master : `local[2]`, `yarn`, `spark://host:7077` …; empty is what the environment says. A session in use is taken as it is
    """

    dialect = "spark"

    def __init__(self, master: str = ""):
        super().__init__()
        try:
            errors, sql = (import_module(f"pyspark.{part}") for part in ("errors", "sql"))
        except ImportError:
            raise QueryError("Spark needs the package pyspark: pip install 'healthlib[spark]'") from None
        self.error = errors.PySparkException
        running = sql.SparkSession.getActiveSession()
        self.spark = running if running is not None else _started(sql.SparkSession.builder.appName("healthlib"), master)
        self.zone = self.spark.conf.get(ZONE)
        self.spark.conf.set(ZONE, "UTC")
        self.held: dict[str, Any] = {}

    def _store(self, name: str, select: str) -> int:
        try:
            made = self.spark.sql(select).persist()
            rows = made.count()
        except self.error as error:
            raise QueryError(str(error).splitlines()[0]) from error
        self._hold(name, made)
        return rows

    def _hold(self, name: str, frame: Any) -> None:
        """Put a frame under a name, and let the one before it go: what was made of that is held already."""
        frame.createOrReplaceTempView(name)
        if (before := self.held.get(name)) is not None:
            before.unpersist()
        self.held[name] = frame

    def _load(self, name: str, frame: pd.DataFrame) -> None:
        import pyarrow as pa

        self._hold(name, self.spark.createDataFrame(pa.Table.from_pandas(frame, preserve_index=False)))

    def _fetch(self, select: str) -> pd.DataFrame:
        try:
            return self.spark.sql(select).toArrow().to_pandas()
        except self.error as error:
            raise QueryError(str(error).splitlines()[0]) from error

    def columns_of(self, table: tuple[str, ...]) -> dict[str, str]:
        """Column -> type of a table or view of the catalog. Raises QueryError."""
        try:
            schema = self.spark.table(".".join("`" + part.replace("`", "``") + "`" for part in table)).schema
        except self.error as error:
            raise QueryError(str(error).splitlines()[0]) from error
        found = {field.name: field.dataType.simpleString() for field in schema.fields}
        return {name: TYPES.get(kind, kind.upper() if kind.startswith("decimal") else "VARCHAR") for name, kind in found.items()}

    def close(self) -> None:
        """Let the frames go; the session stays the user's, with the time zone that it had."""
        for name, frame in self.held.items():
            frame.unpersist()
            self.spark.catalog.dropTempView(name)
        self.held.clear()
        self.spark.conf.set(ZONE, str(self.zone))


def _started(builder: Any, master: str) -> Any:
    """A session where none runs: on this machine with as few partitions as its cores can use, elsewhere as the environment says."""
    if master.startswith("local"):
        builder = builder.config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "4")
    return (builder.master(master) if master else builder).getOrCreate()
