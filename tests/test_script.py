"""The text for warehouses that no test reaches: kept in tests/golden, parsed in its own dialect, and run where a dialect is at hand.

`HEALTHLIB_GOLDEN=write pytest tests/test_script.py` writes the files anew.
"""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlglot
from sqlglot import exp

from healthlib import asof, metrics
from healthlib.elsewhere import look_there
from healthlib.engine import quote
from healthlib.session_script import Script, assumed_columns, script_for
from healthlib.sessions import PostgresSession, SqliteSession
from healthlib.spec import Workspace
from healthlib.tables import Tables, load_tables
from healthlib.translate import DIALECTS
from tests import odd_company as odd
from tests import postgres_server
from tests.spark_server import MISSING, spark_session
from tests.test_engines_odd import PASSWORD, arrow, postgres_with, sqlite_with

NEVER_RUN = ("snowflake", "bigquery", "databricks", "redshift", "trino")
GOLDEN = Path(__file__).parent / "golden"
SHOWN = ("n28", "mean90", "max28", "users_all", "login_days", "silence_x", "last_q", "share_x", "text0", "open", "waiting", "due_by",
         "orders", "orders_any", "to_renewal", "age")  # fmt: skip
"""A small scorecard with every kind of measure."""
AT = {"usage": ("crm", "events"), "tickets": ("crm", "tickets"), "orders": ("crm", "order"), "milestones": ("crm", "steps")}
LACKING = {
    "FILTER": r"\bFILTER\s*\(", "ASOF": r"\bASOF\b", "ARG_MAX": r"\b(ARG_MAX|MAX_BY|ARG_MIN)\b", "QUALIFY": r"\bQUALIFY\b",
    "TRY_CAST": r"\b(TRY_CAST|SAFE_CAST)\b", "::": r"::", "EXCLUDE": r"\bEXCLUDE\b", "* REPLACE": r"\*\s*REPLACE", "LIST": r"\bLIST_\w+",
    "GROUP BY ALL": r"GROUP BY ALL", "AT TIME ZONE": r"AT TIME ZONE", "EPOCH": r"\bEPOCH\b", "RECURSIVE": r"\bRECURSIVE\b",
}  # fmt: skip
"""What the embedded database has and others have not, however sqlglot may pass it on."""
ONLY = {r"\bINTERVAL\b": {"bigquery"}, r"\bSTRFTIME\b": {"sqlite"}, r"\bDATETIME\b": {"bigquery"}, r"\bTIMESTAMP_?NTZ\b": {"snowflake"},
        r"\bIS_NAN\b": {"bigquery", "trino"}, r"\bISNAN\b": {"spark", "databricks"}, r"\bTEMP(ORARY)? TABLE\b":
        {"bigquery", "snowflake", "redshift", "postgres", "sqlite"}, r"NULLS LAST": {"postgres", "snowflake", "redshift", "trino"},
        r"\bDATEADD\b": {"snowflake", "redshift"}, r"\bjulianday\b": {"sqlite"}}  # fmt: skip
"""A word -> the dialects that have it and may use it here."""


def small(folder: Path) -> Workspace:
    whole = odd.workspace(folder, odd.TABLES)
    kept = {name: whole.scorecard.metrics[name] for name in SHOWN}
    tables = whole.tables | {"usage": odd.TableSource(columns={"recorded_at": "Loaded At"})}
    return whole.model_copy(update={"scorecard": whole.scorecard.model_copy(update={"metrics": kept}), "tables": tables})


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The case side alone."""
    folder = tmp_path_factory.mktemp("cases")
    pd.DataFrame({"account_id": odd.ACCOUNTS}).to_csv(folder / "accounts.csv", index=False)
    columns = ["account_id", "start_date", "end_date", "arr", "seats"]
    pd.DataFrame(odd.CONTRACTS, columns=columns).to_csv(folder / "contracts.csv", index=False)
    bare = odd.workspace(folder, {}).model_copy(update={"data_through": pd.Timestamp("2025-06-30").date()})
    tables = load_tables(bare)
    asof.open_door(tables, bare)
    return tables


def scripted(here: Tables, workspace: Workspace, at: dict[str, tuple[str, ...]], dialect: str, shown: int | None) -> Script:
    """The whole script of a scorecard on two days."""
    script = script_for(workspace, at, dialect, (pd.Timestamp("2024-01-01"), pd.Timestamp("2025-06-30")), shown=shown)
    days = [pd.Timestamp("2024-02-29"), pd.Timestamp("2025-06-30")]
    spine = pd.DataFrame([(account, day) for day in days for account in odd.ACCOUNTS], columns=["account_id", "as_of"])
    state = asof.state(here, workspace, spine.astype({"as_of": "datetime64[s]"}))
    there = look_there(workspace, here, script, at)
    tables = Tables(here.engine, here.columns, here.report, {}, here.schemas, here.data_through, (), elsewhere=dict.fromkeys(at, there))
    measured = metrics.measure(tables, workspace, state)
    assert measured[[name for name in measured.columns[2:] if not name.startswith("age")]].fillna(0).eq(0).all(axis=None), (
        "a script has no answers"
    )
    script.close()
    return script


def statements(text: str) -> list[str]:
    """The statements of a script without its remarks, in order."""
    return [part.strip() for part in re.sub(r"^-- .*$", "", text, flags=re.MULTILINE).split(";\n") if part.strip(" ;\n")]


def bare(text: str) -> str:
    """The text without literals, quoted names and remarks."""
    return re.sub(r"'(?:[^'\\]|''|\\.)*'|\"[^\"]*\"|`[^`]*`|--.*", " ", text)


@pytest.mark.parametrize("dialect", NEVER_RUN)
def test_the_text_is_the_one_that_was_read_over(dialect: str, here: Tables, tmp_path: Path) -> None:
    written = scripted(here, small(tmp_path), AT, dialect, 3).written
    path = GOLDEN / f"{dialect}.sql"
    if os.environ.get("HEALTHLIB_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8"), f"{path.name}: read the new text as its expert would, then HEALTHLIB_GOLDEN=write"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_statement_is_one_of_its_dialect(dialect: str, here: Tables, tmp_path: Path) -> None:
    text = scripted(here, small(tmp_path), AT, dialect, 3).written
    for statement in statements(text):
        tree = sqlglot.parse_one(statement, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
        assert not isinstance(tree, exp.Command) or statement.startswith(("SET TIME ZONE", "ALTER SESSION", "PRAGMA")), statement
        ours = {table.name for table in tree.find_all(exp.Table) if not table.db and table.name}
        assert all(name.startswith("healthlib_") for name in ours), (ours, statement)
        places = {(table.db.lower(), table.name.lower()) for table in tree.find_all(exp.Table) if table.db}
        assert places <= set(AT.values()), places
        if isinstance(tree, exp.Create | exp.Drop | exp.Insert):
            named = tree.find(exp.Table)
            assert named is not None
            assert named.name.startswith("healthlib_"), "only tables of ours are written"
            assert not named.args.get("db"), "in no schema of theirs"
    assert [name for name, found in LACKING.items() if re.search(found, bare(text))] == []
    assert [word for word, known in ONLY.items() if dialect not in known and re.search(word, bare(text))] == []


def test_columns_are_taken_from_the_contract_the_mapping_and_the_measures(tmp_path: Path) -> None:
    workspace = small(tmp_path)
    assert assumed_columns(workspace, "usage") == {
        "account_id": "UNKNOWN", "occurred_at": "TIMESTAMP WITH TIME ZONE", "Loaded At": "TIMESTAMP WITH TIME ZONE", "quantity": "DOUBLE",
        "user_id": "UNKNOWN", "feature": "UNKNOWN",
    }  # fmt: skip
    assert assumed_columns(workspace, "orders") == {
        "Acct Id": "UNKNOWN", "day": "TIMESTAMP WITH TIME ZONE", "order": "UNKNOWN", "Unit Price": "DOUBLE", "select": "DOUBLE",
        "group": "UNKNOWN",
    }  # fmt: skip
    assert "closed_at" in assumed_columns(workspace, "tickets")


def whole(folder: Path) -> Workspace:
    """The odd company with its columns said, as a script must have them."""
    group = {"orders": odd.TABLES["orders"].model_copy(update={"columns": {"account_id": "Acct Id", "group": "Group"}})}
    return odd.workspace(folder, odd.TABLES | group | {"usage": odd.TableSource(columns={"recorded_at": "recorded_at"})})


def test_the_script_runs_on_postgresql(here: Tables, of_sqlite: list[list[tuple]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if postgres_server.programs() is None:
        pytest.skip(postgres_server.MISSING)
    monkeypatch.setenv("HEALTHLIB_DB_PASSWORD", PASSWORD)
    with postgres_server.server(PASSWORD) as server:
        session = PostgresSession(server.url())
        script = scripted(here, whole(tmp_path), postgres_with(session), "postgres", None)
        cursors = [session.connection.execute(statement.encode()) for statement in statements(script.written)]
        found = [answers(cursor.fetchall()) for cursor in cursors if cursor.description]
        session.close()
    apart = [(mine, theirs) for mine, theirs in zip(filter(None, found), of_sqlite, strict=True) if mine != theirs]
    assert len(apart) <= 1, "upper('ü') is another letter where the server's locale is C, which a script cannot know"


def test_the_script_runs_on_spark(here: Tables, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason=MISSING)
    spark = spark_session(spark_sql_session_timeZone="Asia/Kolkata")
    at = {name: (f"its_{name}",) for name in ("usage", "orders")}
    for name, (view,) in at.items():
        spark.createDataFrame(arrow(name)).createOrReplaceTempView(view)
    script = scripted(here, small(tmp_path).model_copy(update={"tables": whole(tmp_path).tables}), at, "spark", None)
    rows = sum(len(spark.sql(statement).collect()) for statement in statements(script.written))
    spark.stop()
    assert rows > 40


def read_back(text: str, dialect: str) -> str:
    """A statement of a warehouse as its parser understands it, in the embedded database's words."""
    said = sqlglot.parse_one(text, read=dialect).sql("duckdb")
    return said.replace("TEXT(MAX)", "TEXT").replace("AS DECIMAL)", "AS DECIMAL(38, 9))")  # BigQuery's NUMERIC has 38 digits


def plain(cell: object) -> object:
    """A cell as every engine would say it: eight digits of a number, for SQLite has no exact decimals; the day of a date."""
    if cell is None or isinstance(cell, bool | int | float | Decimal):
        return None if cell is None else float(f"{float(cell):.8g}") + 0.0
    return str(cell)[:10]


def answers(rows: list[tuple]) -> list[tuple]:
    return sorted((tuple(map(plain, row)) for row in rows), key=repr)


@pytest.fixture(scope="module")
def of_sqlite(here: Tables, tmp_path_factory: pytest.TempPathFactory) -> list[list[tuple]]:
    """What each query of the script answers on SQLite."""
    folder = tmp_path_factory.mktemp("sqlite")
    script = scripted(here, whole(folder), sqlite_with(folder / "crm.sqlite"), "sqlite", None)
    session = SqliteSession(str(folder / "crm.sqlite"))
    found = [answers(session.connection.execute(s).fetchall()) for s in statements(script.written) if not s.startswith("PRAGMA")]
    session.close()
    return [rows for rows in found if rows]


@pytest.mark.parametrize("dialect", NEVER_RUN)
def test_the_text_as_its_parser_reads_it_gives_what_sqlite_gives(
    dialect: str, here: Tables, of_sqlite: list[list[tuple]], tmp_path: Path
) -> None:
    """No warehouse, but its text whole: each statement read back by its dialect's parser and run, all answers compared."""
    script = scripted(here, whole(tmp_path), {name: ("its", name) for name in odd.COLUMNS}, dialect, None)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA its; CREATE MACRO at_timezone(t, z) AS t AT TIME ZONE z")
    for name, (_, kinds) in odd.COLUMNS.items():
        connection.register("incoming", arrow(name))
        when = [quote(column) for column, kind in kinds.items() if kind in ("date", "moment", "zoned")]
        replaced = ", ".join(f"CAST({column} AS TIMESTAMPTZ) AS {column}" for column in when)
        connection.execute(f"CREATE TABLE its.{quote(name)} AS SELECT * REPLACE ({replaced}) FROM incoming")
    found = []
    for statement in statements(script.written):
        if not statement.startswith(("SET TIME ZONE", "ALTER SESSION")):
            found.append(answers(connection.execute(read_back(statement, dialect)).fetchall()))
            found = found if statement.startswith(("SELECT", "WITH")) else found[:-1]
    assert [rows for rows in found if rows] == of_sqlite
    assert sum(map(len, of_sqlite)) > 200
