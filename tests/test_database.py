"""Tables of a database: a real PostgreSQL server that these tests start, and a DuckDB file. Read-only, and no password anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from healthlib.address import read_address, without_passwords
from healthlib.errors import DataError, SpecError
from healthlib.spec import TableSource, Workspace, load_workspace
from healthlib.tables import Tables, load_tables

from .postgres_server import MISSING, Server, programs, server
from .test_tables import ACCOUNTS, CONTRACTS, SCORECARD, USAGE, counts, load, rows

PASSWORD = "s3cret pass/word@x"
SCHEMA = """
CREATE TABLE accounts (account_id text, name text, seen timestamptz, tags jsonb, vip boolean, code text, "Seats Sold" int);
INSERT INTO accounts VALUES ('003', 'Cyd', '2024-05-01 10:00+02', '{"a": [1, 2]}', true, '007', 3),
    ('001', E'Ada\\n"the first", of; three', NULL, NULL, false, '12', NULL), ('002', 'Zürich 🚀', '2024-05-02 23:30-02', '{}', NULL, '', 2);
CREATE SCHEMA crm;
CREATE TABLE crm.deals ("Id" text, opened date, closes date, amount numeric(12, 2));
INSERT INTO crm.deals VALUES ('001', '2024-01-01', '2025-01-01', 100.50), ('002', '2024-02-01', 'infinity', 200),
    ('003', '2024-03-01', '2024-02-01', 1), ('009', '2024-03-01', NULL, 1), ('003', '2024-03-01', '2025-03-01', -5);
CREATE VIEW usage AS SELECT '00' || (1 + i % 3) AS account_id, timestamptz '2024-05-01 00:30+02' + i * interval '1 day' AS occurred_at,
    CASE WHEN i = 7 THEN 'NaN'::float8 ELSE i / 4.0 END AS quantity FROM generate_series(1, 40) i;
CREATE USER reader PASSWORD 's3cret pass/word@x';
GRANT USAGE ON SCHEMA crm TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public, crm TO reader;
"""
DEALS = TableSource(table="crm.deals", columns={"account_id": "Id", "start_date": "opened", "end_date": "closes", "arr": "amount"})


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    if programs() is None:
        pytest.skip(MISSING)
    psycopg = pytest.importorskip("psycopg")
    with server(PASSWORD) as running:
        with psycopg.connect(running.url(), password=PASSWORD, autocommit=True) as connection:
            connection.execute(SCHEMA)
        yield running


@pytest.fixture(autouse=True)
def password(monkeypatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("HEALTHLIB_DB_PASSWORD", PASSWORD)


def of_database(folder: Path, url: str, **tables: TableSource) -> Tables:
    fields = {"folder": folder, "name": "Test", "scorecard": SCORECARD, "max_rejected": 1.0, "database": url, "tables": tables}
    return load_tables(Workspace.model_validate(fields))


def test_tables_and_views_of_postgres(tmp_path, postgres):
    tables = of_database(tmp_path, postgres.url("reader"), contracts=DEALS)
    assert tables.columns["accounts"] == {
        "account_id": "text",
        "name": "text",
        "seen": "when",
        "tags": "text",
        "vip": "flag",
        "code": "text",
        "Seats Sold": "number",
    }
    found = rows(tables, "accounts").set_index("account_id")
    assert found["name"].to_dict() == {"001": 'Ada\n"the first", of; three', "002": "Zürich 🚀", "003": "Cyd"}
    assert found.loc["003", "seen"] == pd.Timestamp("2024-05-01 08:00")
    assert found.loc["002", "seen"] == pd.Timestamp("2024-05-03 01:30")
    assert found.loc["003", "code"] == "007"
    assert counts(tables, "contracts") == [5, 2]
    rejected = tables.rejected["contracts"].set_index("value")
    assert set(rejected["file"]) == {"crm.deals"}
    assert rejected["column"].to_dict() == {"2024-02-01": "closes", "009": "Id", "-5.00": "amount"}
    assert sorted([*rows(tables, "contracts")["_line"], *rejected["line"]]) == [2, 3, 4, 5, 6]
    assert rows(tables, "contracts")["end_date"].isna().tolist() == [False, True]
    used = rows(tables, "usage")
    assert counts(tables, "usage") == [40, 40]
    assert used["quantity"].isna().sum() == 1
    assert used["quantity"].sum() == sum(i / 4 for i in range(1, 41) if i != 7)
    assert used["occurred_at"].min() == pd.Timestamp("2024-05-01 22:30")
    again = of_database(tmp_path, postgres.url("reader"), contracts=DEALS)
    pd.testing.assert_frame_equal(again.report, tables.report)
    pd.testing.assert_frame_equal(rows(again, "usage"), used)


def test_a_query_of_postgres_keeps_its_order(tmp_path, postgres):
    query = "select account_id, occurred_at, '50%' as share from usage order by occurred_at desc -- newest first\n;"
    tables = of_database(tmp_path, postgres.url("reader"), contracts=DEALS, usage=TableSource(query=query))
    assert rows(tables, "usage")["occurred_at"].is_monotonic_decreasing
    assert tables.report.set_index("table").loc["usage", "file"] == "workspace.yaml (tables.usage.query)"


def test_a_password_comes_from_the_environment_and_from_nowhere_else(tmp_path, postgres, monkeypatch):
    """The server's own client would look into ~/.pgpass, or the file that PGPASSFILE names, as well."""
    kept = tmp_path / "pgpass"
    kept.write_text("*:*:*:*:" + PASSWORD.replace("\\", "\\\\").replace(":", "\\:") + "\n")
    kept.chmod(0o600)
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres.url("reader"), passfile=str(kept)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,), "the file itself is sound"
    monkeypatch.setenv("PGPASSFILE", str(kept))
    monkeypatch.delenv("HEALTHLIB_DB_PASSWORD")
    with pytest.raises(DataError, match="no password supplied"):
        of_database(tmp_path, postgres.url("reader"), contracts=DEALS)


WRITES = (
    "delete from accounts",
    "with gone as (delete from accounts returning *) select * from gone",
    "select 1; drop table accounts",
    "select 1) q; drop table accounts; --",
    "select 1) to program 'true' --",
    "select nextval('s')",
    "select lo_create(0)",
    "selekt",
    "select set_config('transaction_read_only', 'off', false), lo_create(0)",
    "select * from no_such_table",
)


@pytest.mark.parametrize("query", WRITES)
def test_nothing_is_written_even_by_the_owner(tmp_path, postgres, query):
    with pytest.raises(DataError, match=r"tables\.usage\.query"):
        of_database(tmp_path, postgres.url(), contracts=DEALS, usage=TableSource(query=query))
    assert len(rows(of_database(tmp_path, postgres.url(), contracts=DEALS), "accounts")) == 3


def test_all_faults_of_a_database_at_once(tmp_path, postgres):
    given = {
        "contracts": TableSource(table="crm.deal"),
        "tickets": TableSource(query="select 1 as x"),
        "goals": TableSource(query="select 1 where false"),
    }
    with pytest.raises(DataError) as caught:
        of_database(tmp_path, postgres.url("reader"), **given)
    told = {fault.where: fault.nearest for fault in caught.value.faults}
    assert told["tables.contracts.table"] == "crm.deals"
    assert {"account_id", "opened_at"} <= set(told)
    assert "tables.goals.query" not in told  # a query that finds no row is no data yet
    (tmp_path / "usage.csv").write_text(USAGE)
    with pytest.raises(DataError, match=r"usage.csv and the table usage of the database"):
        of_database(tmp_path, postgres.url("reader"), contracts=DEALS)


def test_the_password_comes_from_the_environment_and_goes_nowhere(tmp_path, postgres, monkeypatch):
    tables = of_database(tmp_path, postgres.url("reader"), contracts=DEALS)
    kept = json.dumps(
        [tables.report.astype(str).to_dict(), [frame.astype(str).to_dict() for frame in tables.rejected.values()], tables.warnings]
    )
    assert PASSWORD not in kept
    monkeypatch.setenv("HEALTHLIB_DB_PASSWORD", "wrong-s3cret")
    with pytest.raises(DataError, match="database") as caught:
        of_database(tmp_path, postgres.url("reader"))
    assert "wrong-s3cret" not in str(caught.value)
    monkeypatch.delenv("HEALTHLIB_DB_PASSWORD")
    with pytest.raises(DataError, match="HEALTHLIB_DB_PASSWORD or PGPASSWORD"):
        of_database(tmp_path, postgres.url("reader"))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert counts(of_database(tmp_path, postgres.url("reader"), contracts=DEALS), "usage") == [40, 40]


def test_a_database_that_is_not_there_is_said(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(DataError, match="cannot be read"):
        of_database(tmp_path, "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DataError, match="no file gone"):
        of_database(tmp_path, "duckdb:///gone.duckdb")
    (tmp_path / "x.duckdb").write_bytes(b"no database")
    with pytest.raises(DataError, match="cannot be read"):
        of_database(tmp_path, "duckdb:///x.duckdb")


def test_a_duckdb_file_equals_csv(tmp_path):
    plain = load(tmp_path, {})
    other = tmp_path / "other"
    other.mkdir()
    with duckdb.connect(str(other / "crm.duckdb")) as connection:
        for name in ("accounts", "contracts"):
            connection.execute(
                f"CREATE TABLE {name} AS SELECT * FROM read_csv('{tmp_path}/{name}.csv', types = {{'account_id': 'VARCHAR'}})"
            )
        connection.execute("CREATE SCHEMA app")
        connection.execute(f"CREATE TABLE app.events AS SELECT * FROM read_csv('{tmp_path}/usage.csv', all_varchar = true)")
    usage = TableSource(table="app.events")
    before = (other / "crm.duckdb").read_bytes()
    tables = of_database(other, "duckdb:///crm.duckdb", usage=usage)
    for name in ("accounts", "contracts", "usage"):
        pd.testing.assert_frame_equal(rows(tables, name), rows(plain, name))
    query = "select account_id, occurred_at, quantity from app.events order by 1 desc"
    assert rows(of_database(other, "duckdb:///crm.duckdb", usage=TableSource(query=query)), "usage")["account_id"].tolist() == [
        "002",
        "001",
    ]
    for wrong in ("delete from app.events", "select 1; select 2", "create table x as select 1", "select * from app.event"):
        with pytest.raises(DataError, match=r"tables\.usage\.query"):
            of_database(other, "duckdb:///crm.duckdb", usage=TableSource(query=wrong))
    assert (other / "crm.duckdb").read_bytes() == before


SCORES = """
groups: [a]
metrics: {x: {group: a, label: X, table: usage, measure: count, better: higher, worst: 0, best: 1, weight: 1}}
bands: [{name: red, from: 0}]
"""


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("database: postgresql://ann:hunter2@db/x", "no password here"),
        ("database: 'postgresql://ann:hun:ter2@x@db/x'", "no password here"),
        ("database: postgresql://ann@db/x?password=hunter2", "no password here"),
        ("database: postgresql://ann@db/x?sslpassword=hunter2", "no password here"),
        ("database: mysql://ann:hunter2@db/x", "no password here"),
        ("database: mysql://ann@db/x", "expected a URL such as"),
        ("database: duckdb://x.duckdb", "expected a URL such as"),
        ("databse: postgresql://ann:hunter2@db/x", "Did you mean 'database'"),
        ("database: {url: postgresql://ann:hunter2@db/x}", "expected text"),
        ("data_through: postgresql://ann:hunter2@db/x", "expected a day"),
        ("tables: {usage: {table: events}}", "`table` without a database"),
        ("database: duckdb:///x\ntables: {usage: {table: events, query: select 1}}", "keep one of the two"),
        ("database: duckdb:///x\ntables: {usage: {query: select 1, columns: {quantity: n}}}", "`columns` beside `query`"),
    ],
)
def test_a_password_in_the_configuration_is_refused_and_not_repeated(tmp_path, yaml, told):
    (tmp_path / "workspace.yaml").write_text(f"name: Test\n{yaml}\n")
    (tmp_path / "scorecard.yaml").write_text(SCORES)
    with pytest.raises(SpecError) as caught:
        load_workspace(tmp_path)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "ter2" not in str(caught.value)


def test_a_url_in_the_wrong_place_keeps_its_password_to_itself(tmp_path):
    for name, content in {"accounts.csv": ACCOUNTS, "contracts.csv": CONTRACTS}.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as caught:
        load(tmp_path, {}, tables={"usage": TableSource(file="postgresql://ann:hunter2@db/x")})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in without_passwords("could not parse postgresql://ann:hunter2@db/x here")
    assert read_address("duckdb:////srv/x.duckdb").path == "/srv/x.duckdb"
