"""Ties, nulls, time zones, leap days, odd names: every engine gives the figures that plain Python reads from the rows of `odd_company`."""

from __future__ import annotations

import datetime as dt
import math
import sqlite3
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healthlib import asof, metrics
from healthlib.elsewhere import Elsewhere, look_there
from healthlib.engine import quote
from healthlib.errors import DataError
from healthlib.session_spark import SparkSession
from healthlib.sessions import PostgresSession, SqliteSession
from healthlib.spec import Workspace
from healthlib.tables import Tables, load_tables
from tests import odd_company as odd
from tests import postgres_server
from tests.spark_server import MISSING, spark_session

PASSWORD = "engine-test"
ARROW = {"text": pa.string(), "int": pa.int32(), "float": pa.float64(), "decimal": pa.decimal128(12, 2), "bool": pa.bool_(),
         "date": pa.date32(), "moment": pa.timestamp("us"), "zoned": pa.timestamp("us", tz="America/Los_Angeles")}  # fmt: skip
POSTGRES = {"text": "TEXT", "int": "INTEGER", "float": "DOUBLE PRECISION", "decimal": "NUMERIC(12, 2)", "bool": "BOOLEAN", "date": "DATE",
            "moment": "TIMESTAMP", "zoned": "TIMESTAMPTZ"}  # fmt: skip
SQLITE = {"text": "TEXT", "int": "INT", "float": "REAL", "decimal": "NUMERIC", "bool": "BOOL", "date": "DATE", "moment": "TEXT",
          "zoned": "TEXT"}  # fmt: skip


def given(kind: str, cell: Any) -> Any:
    """A cell as its own database takes it in."""
    if cell is None or kind in ("text", "int", "float", "bool", "zoned"):
        return cell
    if kind == "decimal":
        return Decimal(cell)
    moment = dt.datetime.fromisoformat(cell)
    return moment.date() if kind == "date" else moment


def arrow(table: str) -> pa.Table:
    rows, kinds = odd.COLUMNS[table]
    cells = [[given(kind, row[n]) for row in rows] for n, kind in enumerate(kinds.values())]
    return pa.table({name: pa.array(cell, ARROW[kind]) for (name, kind), cell in zip(kinds.items(), cells, strict=True)})


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The company as Parquet and CSV."""
    folder = tmp_path_factory.mktemp("odd")
    pd.DataFrame({"account_id": odd.ACCOUNTS}).to_csv(folder / "accounts.csv", index=False)
    columns = ["account_id", "start_date", "end_date", "arr", "seats"]
    pd.DataFrame(odd.CONTRACTS, columns=columns).to_csv(folder / "contracts.csv", index=False)
    for name in odd.COLUMNS:
        pq.write_table(arrow(name), folder / f"{name}.parquet")
    sources = {name: source.model_copy(update={"file": f"{name}.parquet"}) for name, source in odd.TABLES.items()}
    return odd.workspace(folder, sources)


@pytest.fixture(scope="module")
def here(company: Workspace) -> Tables:
    tables = load_tables(company)
    asof.open_door(tables, company)
    return tables


@pytest.fixture(scope="module")
def state(here: Tables, company: Workspace) -> pd.DataFrame:
    days = [pd.Timestamp(day) for day in odd.DAYS]
    spine = pd.DataFrame([(account, day) for day in days for account in odd.ACCOUNTS], columns=["account_id", "as_of"])
    return asof.state(here, company, spine.astype({"as_of": "datetime64[s]"}))


@pytest.fixture(scope="module")
def embedded(here: Tables, company: Workspace, state: pd.DataFrame) -> pd.DataFrame:
    return metrics.measure(here, company, state)


def postgres_with(session: PostgresSession) -> dict[str, tuple[str, ...]]:
    """The company in a schema whose name needs quotes, seen from a server that lives in India."""
    connection = session.connection
    connection.execute('CREATE SCHEMA "C R.M"')
    for name, (rows, kinds) in odd.COLUMNS.items():
        table, columns = f'"C R.M"."{name.title()}"', ", ".join(f"{quote(column)} {POSTGRES[kind]}" for column, kind in kinds.items())
        connection.execute(f"CREATE TABLE {table} ({columns})".encode())
        cells = [[given(kind, cell) for kind, cell in zip(kinds.values(), row, strict=True)] for row in rows]
        connection.cursor().executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(kinds))})".encode(), cells)
    return {name: ("C R.M", name.title()) for name in odd.COLUMNS}


def sqlite_with(path: Path) -> dict[str, tuple[str, ...]]:
    """The company in a file, moments with whatever offset they were written down with."""
    with sqlite3.connect(path) as connection:
        for name, (rows, kinds) in odd.COLUMNS.items():
            table = quote(f"its {name}")
            connection.execute(f"CREATE TABLE {table} ({', '.join(f'{quote(c)} {SQLITE[kind]}' for c, kind in kinds.items())})")
            cells = [[cell.isoformat() if isinstance(cell, dt.datetime) else cell for cell in row] for row in rows]
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(kinds))})", cells)
    connection.close()
    return {name: (f"its {name}",) for name in odd.COLUMNS}


@pytest.fixture(scope="module", params=["duckdb", "postgres", "spark", "sqlite"])
def elsewhere(
    request: pytest.FixtureRequest, here: Tables, company: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Elsewhere]:
    """The tables of events where they live."""
    yield from {"duckdb": in_duckdb, "postgres": in_postgres, "spark": in_spark, "sqlite": in_sqlite}[request.param](
        here, company, tmp_path_factory.mktemp("elsewhere")
    )


def in_duckdb(here: Tables, company: Workspace, folder: Path) -> Iterator[Elsewhere]:
    other = load_tables(company)
    asof.open_door(other, company)
    for name in odd.COLUMNS:
        other.engine.connection.register("incoming", arrow(name))
        other.engine.run(f"CREATE TABLE theirs.{quote(name)} AS SELECT * FROM incoming")
    yield look_there(company, other, other.engine, {name: (name,) for name in odd.COLUMNS})


def in_postgres(here: Tables, company: Workspace, folder: Path) -> Iterator[Elsewhere]:
    if postgres_server.programs() is None:
        pytest.skip(postgres_server.MISSING)
    with postgres_server.server(PASSWORD) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEALTHLIB_DB_PASSWORD", PASSWORD)
        patch.setenv("PGTZ", "Asia/Kolkata")
        session = PostgresSession(server.url())
        parts = postgres_with(session)
        yield look_there(company, here, session, parts)
        session.close()


def in_spark(here: Tables, company: Workspace, folder: Path) -> Iterator[Elsewhere]:
    """A session of the user's own, who lives in India, while this process lives in Los Angeles."""
    pytest.importorskip("pyspark", reason=MISSING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/Los_Angeles")
        time.tzset()
        users = spark_session(spark_sql_session_timeZone="Asia/Kolkata")
        for name, (_, kinds) in odd.COLUMNS.items():
            frame = users.createDataFrame(arrow(name))
            for column in (column for column, kind in kinds.items() if kind == "moment"):
                frame = frame.withColumn(column, frame[column].cast("timestamp_ntz"))
            frame.createOrReplaceTempView(f"Their_{name}")
        session = SparkSession()
        yield look_there(company, here, session, {name: (f"Their_{name}",) for name in odd.COLUMNS})
        session.close()
        assert users.conf.get("spark.sql.session.timeZone") == "Asia/Kolkata", "the session is the user's"
        users.stop()
    time.tzset()


def in_sqlite(here: Tables, company: Workspace, folder: Path) -> Iterator[Elsewhere]:
    parts = sqlite_with(folder / "it's.sqlite")
    session = SqliteSession(str(folder / "it's.sqlite"))
    before = (folder / "it's.sqlite").read_bytes()
    yield look_there(company, here, session, parts)
    session.close()
    assert (folder / "it's.sqlite").read_bytes() == before, "their file was written to"


def compared(found: pd.DataFrame, name: str, values: np.ndarray, exact: bool) -> None:
    """Cell by cell: the same cells are empty, counts are equal and sums equal to nine digits."""
    np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(values), err_msg=name)
    np.testing.assert_allclose(found[name].to_numpy(), values, rtol=0 if exact else 1e-9, atol=0, err_msg=name)


COUNTS = ("count", "distinct", "open", "days_since", "age")


@pytest.mark.parametrize("item", odd.MENU, ids=lambda item: item.metric.name)
def test_the_embedded_database_reads_the_rows_as_plain_python_does(item: odd.Asked, embedded: pd.DataFrame) -> None:
    values = [odd.expected(item, row.account_id, row.as_of.date()) for row in embedded.itertuples()]
    compared(embedded, item.metric.name, np.array(values), exact=False)


def test_every_engine_gives_every_figure(
    elsewhere: Elsewhere, here: Tables, company: Workspace, state: pd.DataFrame, embedded: pd.DataFrame
) -> None:
    found = metrics.measure(measured_there(here, elsewhere), company, state)
    wrong = []
    for item in odd.MENU:
        plain = item.metric.trend is None and item.metric.against is None and item.metric.per is None
        try:
            compared(found, item.metric.name, embedded[item.metric.name].to_numpy(), item.metric.measure.kind in COUNTS and plain)
        except AssertionError as error:
            wrong.append(f"{item.metric.name}: {error}")
    assert not wrong, "\n".join(wrong)


def measured_there(here: Tables, elsewhere: Elsewhere) -> Tables:
    kept = {name: columns for name, columns in here.columns.items() if name not in odd.COLUMNS}
    return Tables(here.engine, kept, here.report, {}, here.schemas, here.data_through, (), elsewhere=dict.fromkeys(odd.COLUMNS, elsewhere))


def test_rows_are_set_aside_for_the_reasons_for_which_loading_rejects_them(elsewhere: Elsewhere, here: Tables) -> None:
    loaded = here.report.set_index("table")
    for row in elsewhere.report.to_dict("records"):
        assert (row["rows_in"], row["rows_used"]) == tuple(loaded.loc[row["table"], ["rows_in", "rows_used"]]), row
    usage = elsewhere.report.set_index("table").loc["usage"]
    assert [usage[rule] for rule in ("no_account", "no_time", "bad_date", "bad_number", "stranger")] == [1, 1, 1, 1, 1]


def test_a_session_that_must_shift_moments_says_so_in_no_figure(embedded: pd.DataFrame) -> None:
    """The rows at the edges of a day fall on the days of UTC: on the 29th of February account 1 has two of the 28th's evening."""
    found = embedded.set_index(["account_id", "as_of"])["n1"]
    assert found["1", pd.Timestamp("2024-02-28")] == 1
    assert found["1", pd.Timestamp("2024-02-29")] == 2
    assert found["1", pd.Timestamp("2025-06-15")] == 3, "two at noon that were known, one a millisecond before midnight"
    assert found["1", pd.Timestamp("2025-06-16")] == 1
    assert math.isnan(found["05", pd.Timestamp("2023-12-31")])


REFUSED = {
    "regexp": ("count", "regexp_matches(feature, 'x')"), "ilike": ("count", "feature ilike 'X'"), "whole": ("sum quantity // 2", None),
    "listed": ("count", "list_contains(['x'], feature)"), "zero": ("sum quantity / quantity", None), "moment": ("count", "day > now()"),
    "order": ("count", "feature > 'm'"), "rounded": ("sum cast(quantity as bigint)", None), "rest": ("count", "quantity % 2 = 0"),
    "written": ("distinct cast(quantity as varchar)", None), "months": ("count", "day > as_of - interval '1 month'"),
}  # fmt: skip
"""Metric -> measure and where that another engine may read otherwise."""


def with_refused(company: Workspace) -> Workspace:
    wanted = {
        name: odd.asked(name, measure, "usage", **({"where": where} if where else {})).metric for name, (measure, where) in REFUSED.items()
    }
    kept = {"n28": company.scorecard.metrics["n28"]}
    return company.model_copy(update={"scorecard": company.scorecard.model_copy(update={"metrics": wanted | kept})})


def test_an_expression_that_may_mean_something_else_there_is_one_fault_of_its_metric_and_fine_here(
    here: Tables, company: Workspace, state: pd.DataFrame, tmp_path: Path
) -> None:
    strange = with_refused(company)
    parts = sqlite_with(tmp_path / "crm.sqlite")
    session = SqliteSession(str(tmp_path / "crm.sqlite"))
    with pytest.raises(DataError) as caught:
        look_there(strange, here, session, parts)
    session.close()
    assert [fault.where for fault in caught.value.faults] == [
        f"metrics.{name}.{'where' if where else 'measure'}" for name, (_, where) in REFUSED.items()
    ]
    assert all(fault.file == "scorecard.yaml" for fault in caught.value.faults)
    found = metrics.measure(here, strange, state)
    assert found[list(REFUSED)].notna().any().all(), "the embedded database runs each of them"


def test_what_fails_only_there_is_a_fault_of_its_metric(here: Tables, company: Workspace, state: pd.DataFrame, tmp_path: Path) -> None:
    wrong = {"n28": company.scorecard.metrics["n28"], "gone": odd.asked("gone", "sum quantiti", "usage").metric}
    broken = company.model_copy(update={"scorecard": company.scorecard.model_copy(update={"metrics": wrong})})
    parts = sqlite_with(tmp_path / "crm.sqlite")
    session = SqliteSession(str(tmp_path / "crm.sqlite"))
    there = look_there(broken, here, session, parts)
    with pytest.raises(DataError) as caught:
        metrics.measure(measured_there(here, there), broken, state)
    session.close()
    assert [(fault.where, fault.nearest) for fault in caught.value.faults] == [("metrics.gone", "quantity")]


CATALOG = """SELECT n.nspname, c.relname, c.relkind, a.attname, a.atttypid::regtype::text FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE n.nspname NOT LIKE 'pg_%' AND n.nspname <> 'information_schema' ORDER BY 1, 2, 4"""


def test_nothing_of_theirs_is_written_on_postgresql(
    here: Tables, company: Workspace, state: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who may only read: the rows, the catalog and the schemas are as before, and no temporary table stays."""
    if postgres_server.programs() is None:
        pytest.skip(postgres_server.MISSING)
    monkeypatch.setenv("HEALTHLIB_DB_PASSWORD", PASSWORD)
    with postgres_server.server(PASSWORD) as server:
        owner = PostgresSession(server.url())
        parts = postgres_with(owner)
        reader = f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA \"C R.M\" TO reader"
        owner.connection.execute(f'{reader}; GRANT SELECT ON ALL TABLES IN SCHEMA "C R.M" TO reader'.encode())
        owner.connection.commit()
        before = seen_by(owner, parts)
        session = PostgresSession(server.url("reader"))
        there = look_there(company, here, session, parts)
        assert metrics.measure(measured_there(here, there), company, state)["n_all"].max() > 0
        made = session.connection.execute(b"SELECT relname FROM pg_class WHERE relname LIKE 'healthlib%'").fetchall()
        assert {name for (name,) in made} >= {"healthlib_spine", "healthlib_cells"}
        session.close()
        assert seen_by(owner, parts) == before
        assert owner.connection.execute(b"SELECT count(*) FROM pg_class WHERE relname LIKE 'healthlib%'").fetchone() == (0,)
        owner.close()


def seen_by(owner: PostgresSession, parts: dict[str, tuple[str, ...]]) -> list[Any]:
    """The catalog and every row with its place, as text."""
    rows = [
        owner.connection.execute(
            f"SELECT t.ctid::text, t.xmin::text, t::text FROM {'.'.join(map(quote, at))} t ORDER BY 1".encode()
        ).fetchall()
        for at in parts.values()
    ]
    found = [owner.connection.execute(CATALOG.encode()).fetchall(), *rows]
    owner.connection.rollback()
    return found
