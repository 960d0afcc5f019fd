"""A Spark of the test's own, set up for tables of a few rows: one thread, one partition, no code made for queries that run once."""

from __future__ import annotations

from typing import Any

MISSING = "no pyspark: pip install 'healthlib[spark]' (and Java 17) to run these tests"
QUICK = {
    "spark.sql.shuffle.partitions": "1", "spark.sql.codegen.wholeStage": "false", "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN", "spark.ui.enabled": "false", "spark.sql.debug.maxToStringFields": "1000",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto",
}  # fmt: skip


def spark_session(**more: str) -> Any:
    """A session as a user would have one; `more` are settings with `_` for a dot."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]")
    for key, value in (QUICK | {key.replace("_", "."): value for key, value in more.items()}).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
