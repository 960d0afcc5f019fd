"""The border: what is measured where the events live, written to one file, and a run that has no event in sight."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlglot

from healthlib import cli
from healthlib.demo import make_demo
from healthlib.errors import DataError
from healthlib.sessions import POSTGRES, native_type
from healthlib.snapshot import Wanted, snapshot
from healthlib.spec import load_workspace
from healthlib.studies.book import Book, load_book, open_book
from healthlib.tables import load_tables
from tests import postgres_server

EVENTS = ("usage", "tickets", "surveys", "touchpoints", "ratings", "milestones", "goals", "invoices", "advocacy", "readings")
FRAMES = ("cases", "history", "leads", "ledger", "churned", "silences", "dated")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    make_demo(folder, seed=5, accounts=70)
    return folder


@pytest.fixture(scope="module")
def whole(company: Path) -> Book:
    return load_book(company)


def without_events(company: Path, folder: Path) -> Path:
    """The same workspace with not one event in it."""
    shutil.copytree(company, folder)
    for path in folder.iterdir():
        if path.name.split(".")[0] in EVENTS:
            path.unlink()
    return folder


def with_parquet(company: Path, folder: Path, names: tuple[str, ...] = ("usage", "tickets")) -> Path:
    """The same workspace with some tables as typed Parquet files, sorted by time."""
    shutil.copytree(company, folder)
    for name in names:
        time = {"usage": "occurred_at", "tickets": "opened_at"}[name]
        rows = load_tables(load_workspace(company)).engine.query(f"SELECT * EXCLUDE (_line) FROM data.{name} ORDER BY {time}")
        rows.to_parquet(folder / f"{name}.parquet", row_group_size=2048)
        next(folder.glob(f"{name}.csv*")).unlink()
    return folder


def same(found: Book, expected: Book) -> None:
    for name in FRAMES:
        left, right = getattr(found, name), getattr(expected, name)
        keys = [column for column in ("account_id", "as_of", "month", "metric", "lead_days") if column in left]
        left, right = (frame.sort_values(keys, ignore_index=True) for frame in (left, right))
        pd.testing.assert_frame_equal(left[right.columns], right, check_dtype=False, obj=name)


def carried(folder: Path, cases: Path) -> Book:
    workspace = load_workspace(folder)
    return open_book(workspace.model_copy(update={"cases": str(cases)}))


def test_a_run_without_an_event_has_the_same_book(company: Path, whole: Book, tmp_path: Path) -> None:
    taken = snapshot(Wanted(company, to=tmp_path / "cases.parquet"))
    assert taken.rows == len(whole.history) + len(pd.concat([whole.cases, whole.leads])[["account_id", "as_of"]].merge(
        whole.history[["account_id", "as_of"]], how="left", indicator=True).query("_merge == 'left_only'").drop_duplicates())  # fmt: skip
    same(carried(without_events(company, tmp_path / "bare"), tmp_path / "cases.parquet"), whole)


def test_the_key_in_workspace_yaml_does_as_the_option(company: Path, whole: Book, tmp_path: Path) -> None:
    folder = without_events(company, tmp_path / "bare")
    snapshot(Wanted(company, to=folder / "cases.parquet"))
    path = folder / "workspace.yaml"
    path.write_text(f"cases: cases.parquet\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    same(load_book(folder), whole)


def test_parquet_is_read_where_it_lies(company: Path, whole: Book, tmp_path: Path) -> None:
    folder = with_parquet(company, tmp_path / "parquet")
    taken = snapshot(Wanted(folder, to=tmp_path / "cases.parquet"))
    assert list(taken.report["table"]) == ["tickets", "usage"]
    assert {step.name for step in taken.steps} >= {"usage: rolled up", "rows judged, clocks read", "windows over cells"}
    same(carried(without_events(company, tmp_path / "bare"), tmp_path / "cases.parquet"), whole)


def test_tables_of_a_duckdb_file_stay_there(company: Path, whole: Book, tmp_path: Path) -> None:
    folder = with_parquet(company, tmp_path / "w")
    with duckdb.connect(str(folder / "crm.duckdb")) as there:
        for name, own in (("usage", "events"), ("tickets", "cases")):
            there.execute(f"CREATE TABLE {own} AS SELECT * FROM read_parquet('{folder / name}.parquet')")
            (folder / f"{name}.parquet").unlink()
    path = folder / "workspace.yaml"
    text = path.read_text(encoding="utf-8")
    assert "\ntables:" not in text
    path.write_text(
        f"engine: duckdb:///crm.duckdb\n{text}\ntables:\n  usage: {{table: events}}\n  tickets: {{table: main.cases}}\n", encoding="utf-8"
    )
    snapshot(Wanted(folder, to=tmp_path / "cases.parquet"))
    with pytest.raises(DataError, match="events, which stays in duckdb:"):
        load_book(folder)
    same(carried(without_events(company, tmp_path / "bare"), tmp_path / "cases.parquet"), whole)


def test_tables_of_a_server_stay_there(company: Path, whole: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way by the command line: usage and tickets on PostgreSQL under other names, read by a user who may only read."""
    if postgres_server.programs() is None:
        pytest.skip(postgres_server.MISSING)
    import psycopg

    monkeypatch.setenv("HEALTHLIB_DB_PASSWORD", "border")
    folder = with_parquet(company, tmp_path / "w")
    with postgres_server.server("border") as server:
        with psycopg.connect(server.url(), password="border", autocommit=True) as connection:
            connection.execute("CREATE SCHEMA crm")
            for name, own in (("usage", "events"), ("tickets", "cases")):
                frame = pd.read_parquet(folder / f"{name}.parquet")
                (folder / f"{name}.parquet").unlink()
                types = ", ".join(f'"{c}" {native_type(dtype, POSTGRES)}' for c, dtype in frame.dtypes.items())
                connection.execute(f"CREATE TABLE crm.{own} ({types})")
                with connection.cursor() as cursor, cursor.copy(f"COPY crm.{own} FROM STDIN (FORMAT csv, NULL '')") as rows:
                    rows.write(frame.to_csv(index=False, header=False))
            connection.execute("CREATE ROLE reader LOGIN PASSWORD 'border'")
            connection.execute("GRANT USAGE ON SCHEMA crm TO reader")
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA crm TO reader")
        path = folder / "workspace.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text}\ntables:\n  usage: {{table: crm.events}}\n  tickets: {{table: crm.cases}}\n".replace(
            "currency:", f"engine: {server.url('reader')}\ncurrency:", 1), encoding="utf-8")  # fmt: skip
        assert cli.main(["snapshot", str(folder), "--to", str(tmp_path / "cases.parquet"), "--profile"]) == 0
    same(carried(without_events(company, tmp_path / "bare"), tmp_path / "cases.parquet"), whole)


def test_a_month_added_is_the_whole_again(company: Path, tmp_path: Path) -> None:
    """And it reads only what the new month can see, of a table whose metrics all have windows."""
    folder = with_parquet(company, tmp_path / "parquet")
    windowed(folder / "scorecard.yaml")
    whole = snapshot(Wanted(folder, to=tmp_path / "whole.parquet"))
    first = snapshot(Wanted(folder, as_of="2026-06-30", to=tmp_path / "cases.parquet"))
    added = snapshot(Wanted(folder, to=tmp_path / "cases.parquet", append=True))
    assert (added.rows, added.new) == (whole.rows, whole.rows - first.rows)
    left, right = (pd.read_parquet(tmp_path / name) for name in ("cases.parquet", "whole.parquet"))
    pd.testing.assert_frame_equal(left[right.columns], right)
    read = added.report.set_index("table")["rows_in"] / whole.report.set_index("table")["rows_in"]
    assert 0 < read["usage"] < 0.5


def windowed(path: Path) -> None:
    """Take the metrics on usage that look back without end out of a scorecard."""
    import yaml

    card = yaml.safe_load(path.read_text(encoding="utf-8"))
    card["metrics"] = {
        name: metric
        for name, metric in card["metrics"].items()
        if metric.get("table") not in ("usage", "tickets") or "window_days" in metric
    }
    card = {key: value for key, value in card.items() if key in ("groups", "metrics", "bands", "group_weights")}
    path.write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")


# --- refusals -------------------------------------------------------------------------------------------------------


def said(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, str]:
    code = cli.main(list(command))
    return code, capsys.readouterr().err


def test_another_formula_is_refused_by_name(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = with_parquet(company, tmp_path / "w")
    snapshot(Wanted(folder, to=folder / "cases.parquet"))
    path = folder / "scorecard.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("window_days: 30", "window_days: 31"), encoding="utf-8")
    code, told = said(capsys, "run", str(folder), "--cases", str(folder / "cases.parquet"), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "measured in another way in cases.parquet" in told
    assert "healthlib snapshot" in told


def test_another_weight_is_not_another_measurement(company: Path, whole: Book, tmp_path: Path) -> None:
    folder = without_events(company, tmp_path / "w")
    snapshot(Wanted(company, to=folder / "cases.parquet"))
    path = folder / "scorecard.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("weight: 10", "weight: 11"), encoding="utf-8")
    same(carried(folder, folder / "cases.parquet"), whole)


def test_accounts_that_the_file_does_not_have_stop_the_run(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = without_events(company, tmp_path / "w")
    snapshot(Wanted(company, to=folder / "cases.parquet"))
    for name, row in (("accounts", 0), ("contracts", 0)):
        frame = pd.read_csv(folder / f"{name}.csv", dtype=str)
        extra = frame.iloc[[row]].assign(account_id="NEW-1")
        pd.concat([frame, extra.assign(contract_id="C-NEW") if "contract_id" in frame else extra]).to_csv(
            folder / f"{name}.csv", index=False
        )
    code, told = said(capsys, "run", str(folder), "--cases", str(folder / "cases.parquet"), "--out", str(tmp_path / "out"))
    assert code == 1
    assert "has no values for" in told
    assert "NEW-1" in told


@pytest.mark.parametrize(
    ("what", "found"), [("none", "no such file"), ("text", "a file that is no Parquet"), ("other", "a Parquet file of something else")]
)
def test_what_is_no_file_of_cases_is_said(what: str, found: str, company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cases.parquet"
    if what == "text":
        path.write_text("account_id,as_of\n", encoding="utf-8")
    if what == "other":
        pd.DataFrame({"a": [1]}).to_parquet(path)
    code, told = said(capsys, "run", str(company), "--cases", str(path), "--out", str(tmp_path / "out"))
    assert code == 2
    assert found in told


@pytest.mark.parametrize(
    ("engine", "found"),
    [
        ("oracle://x", "expected one of"),
        ("duckdb://x.duckdb", "expected one of"),
        ("postgresql://ann:s3cret@host/db", "expected no password here"),
        ("snowflake", "no `table:` for snowflake"),
    ],
)
def test_an_engine_that_cannot_be_is_refused(engine: str, found: str, company: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = said(capsys, "snapshot", str(company), "--engine", engine)
    assert code in (1, 2)
    assert found in told
    assert "s3cret" not in told


def test_rows_that_cannot_be_used_are_counted_and_stop_it(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = with_parquet(company, tmp_path / "w", ("usage",))
    frame = pd.read_parquet(folder / "usage.parquet")
    bad = frame.head(40).astype({"quantity": float})
    bad.loc[bad.index[:10], "account_id"] = None
    bad.loc[bad.index[10:20], "occurred_at"] = pd.NaT
    bad.loc[bad.index[20:30], "account_id"] = "nobody"
    bad.loc[bad.index[30:40], "quantity"] = float("inf")
    pd.concat([frame, bad]).to_parquet(folder / "usage.parquet")
    taken = snapshot(Wanted(folder, to=tmp_path / "cases.parquet"))
    row = taken.report.iloc[0]
    assert (row["no_account"], row["no_time"], row["stranger"], row["bad_number"]) == (10, 10, 10, 10)
    assert row["rows_used"] == len(frame)
    pd.concat([frame.head(1000), bad]).to_parquet(folder / "usage.parquet")
    code, told = said(capsys, "snapshot", str(folder), "--to", str(tmp_path / "other.parquet"))
    assert code == 1
    assert "10 of accounts that are not in accounts" in told
    assert not (tmp_path / "other.parquet").exists()


def test_the_profile_adds_up(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = with_parquet(company, tmp_path / "w")
    assert cli.main(["snapshot", str(folder), "--to", str(tmp_path / "c.parquet"), "--profile"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line.split() for line in lines if "over cells" in line or line.strip().startswith("all")]
    assert len(table) == 2
    assert "accounts and dates" in lines[-1]


@pytest.mark.parametrize("engine", ["snowflake", "bigquery", "databricks", "redshift", "trino", "postgresql", "spark", "sqlite"])
def test_a_dry_run_prints_and_writes_nothing(engine: str, company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = placed(company, tmp_path / "w")
    assert cli.main(["snapshot", str(folder), "--engine", engine, "--dry-run", "--to", str(tmp_path / "cases.parquet")]) == 0
    text = capsys.readouterr().out
    statements = [part for part in text.split(";\n") if part.strip()]
    assert len(statements) > 20
    assert all(sqlglot.parse_one(part, read={"postgresql": "postgres"}.get(engine, engine)) for part in statements if "--" not in part)
    assert not (tmp_path / "cases.parquet").exists()


def placed(company: Path, folder: Path) -> Path:
    """The same workspace with usage somewhere else."""
    shutil.copytree(company, folder)
    next(folder.glob("usage.csv*")).unlink()
    path = folder / "workspace.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"engine: trino\n{text}\ntables:\n  usage: {{table: crm.events}}\n", encoding="utf-8")
    return folder


def test_a_table_in_a_warehouse_is_not_run_from_here(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = said(capsys, "snapshot", str(placed(company, tmp_path / "w")))
    assert code == 2
    assert "add --dry-run" in told


def test_masks_cover_what_was_measured_elsewhere(company: Path, whole: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHLIB_ANONYMISE_KEY", "k" * 40)
    folder = without_events(company, tmp_path / "bare")
    snapshot(Wanted(company, to=folder / "cases.parquet"))
    found = open_book(load_workspace(folder, anonymise=True).model_copy(update={"cases": "cases.parquet"}))
    names = list(whole.scorecard.metrics)
    assert not set(found.history["account_id"]) & set(whole.history["account_id"])
    pd.testing.assert_frame_equal(
        found.history[names].sort_values(names, ignore_index=True), whole.history[names].sort_values(names, ignore_index=True)
    )
    assert len(found.dated) == len(whole.dated)
