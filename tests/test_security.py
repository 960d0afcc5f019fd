"""Attacks, each made for real. SECURITY.md names these tests; a name there that is no test here, or a threat without one, fails."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from healthlib import cli, csvfile, report, store, yamlfile
from healthlib.engine import Engine, QueryError
from healthlib.errors import DataError
from healthlib.spec import Metric, SpecError, TableSource, load_workspace
from healthlib.tables import Tables, load_tables
from tests.test_tables import workspace

ROOT = Path(__file__).parents[1]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A workspace folder `w`, and outside it a secret, to which a link and a linked folder lead."""
    (tmp_path / "w" / "sub").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    secret = "account_id,occurred_at\n001,2024-05-05\n"
    for place in ("out/secret.csv", "w/inside.csv", "w/sub/inside.csv"):
        (tmp_path / place).write_text(secret)
    (tmp_path / "out" / "latin.csv").write_bytes("account_id,occurred_at,n\n001,2024-05-05,Müller\n".encode("cp1252"))
    (tmp_path / "w" / "link.csv").symlink_to(tmp_path / "out" / "secret.csv")
    (tmp_path / "w" / "linked").symlink_to(tmp_path / "out")
    return tmp_path


def usage(room: Path, sql: str, **keys) -> Tables:
    return load_tables(workspace(room / "w", {"usage.csv": ""}, tables={"usage": TableSource(sql=sql)}, **keys))


@pytest.mark.parametrize("file", ["inside.csv", "./inside.csv", "sub/../inside.csv", "sub/*.csv", "**/inside.csv", "ROOM/w/inside.csv"])
def test_a_query_reads_its_own_folder(room: Path, file: str) -> None:
    found = usage(room, f"select * from '{file.replace('ROOM', str(room))}' -- it's 'ours'")
    assert found.report.set_index("table")["rows_used"]["usage"] in (1, 2)


@pytest.mark.parametrize("file", [
    "../out/secret.csv", "../out/latin.csv", "../out/*.csv", "../*/secret.csv", "ROOM/out/secret.csv", "ROOM/w/../out/secret.csv",
    "link.csv", "linked/secret.csv", "*.csv", "linked/*.csv", "file://ROOM/out/secret.csv", "/etc/passwd", "/proc/self/environ",
    "http://127.0.0.1:9/x.csv", "https://example.com/x.csv", "s3://bucket/x.csv",
])  # fmt: skip
@pytest.mark.parametrize("form", ["'{}'", "read_csv('{}', all_varchar = true)", "read_text('{}')", "read_csv(['{}'])", '"{}"'])
def test_a_query_reads_nothing_else(room: Path, file: str, form: str) -> None:
    with pytest.raises(DataError) as caught:
        usage(room, f"select * from {form.format(file.replace('ROOM', str(room)))}")
    assert "usage.sql" in str(caught.value)
    assert "Müller" not in str(caught.value)
    assert "2024-05-05" not in str(caught.value)


def test_a_path_put_together_in_the_query_is_refused_too(room: Path) -> None:
    with pytest.raises(DataError, match="may not read; a file of the workspace folder, or of a folder named under `reads:`"):
        usage(room, f"select * from read_csv('{room}' || '/out/' || 'secret.csv')")


def test_a_folder_named_under_reads_is_read(room: Path) -> None:
    assert usage(room, "select * from '../out/secret.csv'", reads=("../out",)).report["rows_used"].tolist()[-1] == 1
    assert usage(room, "select * from 'link.csv'", reads=("../out",)).report["rows_used"].tolist()[-1] == 1
    assert usage(room, "select * exclude (n) from '../out/latin.csv'", reads=("../out",)).report["rows_used"].tolist()[-1] == 1


@pytest.mark.parametrize("sql", [
    "copy (select 1) to 'x.csv'", "select 1; copy (select 1) to 'x.csv'", "attach 'x.db' as x", "install httpfs", "load httpfs",
    "set threads = 9", "pragma database_list", "export database 'x'", "create table x as select 1", "drop table data.accounts",
    "insert into data.accounts values (1)", "call pragma_version()", "select * from sqlite_scan('x', 'y')", "select getenv('HOME')",
    "select * from duckdb_secrets()", "select 1) ; drop table data.accounts; select (1",
])  # fmt: skip
def test_a_query_is_one_select_and_writes_nothing(room: Path, sql: str) -> None:
    before = sorted(path.name for path in (room / "w").rglob("*"))
    with pytest.raises(DataError, match="usage"):
        usage(room, sql)
    assert sorted({path.name for path in (room / "w").rglob("*")} - {"accounts.csv", "contracts.csv"}) == sorted(set(before))


def test_once_the_tables_are_there_no_statement_opens_the_machine(room: Path) -> None:
    engine = usage(room, "select * from 'inside.csv'").engine
    frame = engine.query("SELECT 1 AS mine")
    for sql in ("SET threads = 1", "SET allowed_directories = ['/']", "SET enable_external_access = true", "INSTALL httpfs",
                "COPY (SELECT 1) TO 'healthlib-never.csv'", "SELECT * FROM '/etc/passwd'", "ATTACH 'healthlib-never.db'",
                "SELECT * FROM frame"):  # fmt: skip
        with pytest.raises(QueryError):
            engine.run(sql)
    assert len(frame) == 1
    assert not list(Path().glob("healthlib-never*"))


STRANGE = (
    "quantity in (select 1)", "exists(select 1 from read_csv('/etc/passwd'))", "1=1) or (1=1", "1=1; drop table data.accounts", "1=1 -- x",
    "1=1 /* x */", "1=1 from data.accounts", "1=1 union select 2", "current_setting('temp_directory') = ''", "getvariable('x') = 1",
    "(select count(*) from data.contracts) > 0", "1, 2", "exists(from glob('/*'))", "1 = any(select arr from data.contracts)",
)  # fmt: skip


@pytest.mark.parametrize("text", STRANGE)
def test_an_expression_looks_at_its_row_and_no_further(text: str) -> None:
    assert Engine().strange(text)


@pytest.mark.parametrize("text", ["quantity > 3", "kind in ('a', 'b;--')", "due_at < as_of and completed_at is null", "a::date", "'select'",
                                  "case when x like '%(select%' then 1 end", "coalesce(a, 0) * 2", "day"])  # fmt: skip
def test_an_honest_expression_passes(text: str) -> None:
    assert Engine().strange(text) is None


@pytest.mark.parametrize("keys", [
    {"where": STRANGE[1]}, {"measure": f"sum {STRANGE[6]}"}, {"measure": f"share {STRANGE[0]}"}, {"measure": f"distinct {STRANGE[2]}"},
    {"per": f"sum {STRANGE[6]}"},
])  # fmt: skip
def test_no_key_of_a_scorecard_lets_a_query_in(tmp_path: Path, keys: dict[str, str]) -> None:
    from healthlib.studies.book import open_book

    given = {"name": "m", "group": "adoption", "table": "usage", "measure": "count", "worst": 0, "best": 1} | keys
    space = workspace(tmp_path, {})
    card = space.scorecard.model_copy(update={"metrics": {"m": Metric.model_validate(given)}})
    with pytest.raises(DataError, match="what an expression may not do"):
        open_book(space.model_copy(update={"scorecard": card}))


@pytest.mark.parametrize(("text", "said"), [
    ("a: !!python/object/apply:os.system ['touch healthlib-never']", "the tag tag:yaml.org,2002:python/object/apply:os.system"),
    ("a: !!python/name:os.system x", "the tag tag:yaml.org,2002:python/name:os.system"),
    ("a: !!python/object:os.x {b: c}", "the tag tag:yaml.org,2002:python/object:os.x"),
    ("a: " + "[" * 2000 + "]" * 2000, "values nested too deeply"), ("a: &a [*a]", "itself"), ("a: " + "x" * 600_000, "600,004 bytes"),
    ("a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)), "more than 1000 values"),
])  # fmt: skip
def test_yaml_makes_plain_values_and_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.setattr(yamlfile, "MAX_NODES", 1000)
    (tmp_path / "x.yaml").write_text(text + "\n")
    faults = yamlfile.read_yaml(tmp_path / "x.yaml", "write it").faults
    assert len(faults) == 1
    assert said in str(faults[0])
    assert not Path("healthlib-never").exists()


@pytest.mark.parametrize("name", ["usage.csv.gz", "usage.xlsx"])
def test_an_archive_that_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(csvfile, "BOMB_BYTES", 1 << 20)
    swollen = b"account_id,occurred_at\n" + b"0" * (1 << 23)
    if name.endswith("gz"):
        (tmp_path / name).write_bytes(gzip.compress(swollen))
    else:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/worksheets/sheet1.xml", swollen)
    with pytest.raises(DataError, match="unpacks to more than 200 times its size"):
        load_tables(workspace(tmp_path, {"usage.csv": ""}))


@pytest.mark.parametrize(
    "kind", ["os:system", "healthlib.cli:main", "healthlib.runner:Path", "healthlib.engine:Engine", "healthlib.cli:no"]
)
def test_stored_facts_call_nothing(tmp_path: Path, kind: str) -> None:
    (tmp_path / "facts.json").write_text(json.dumps({"$": "dataclass", "type": kind, "fields": {}}))
    with pytest.raises(store.StoreError):
        store.load(tmp_path)


@pytest.mark.parametrize("name", ["../../evil", "a/b", "a;b", 'a"b', "..", "a b"])
def test_a_table_of_a_strange_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "scorecard.yaml").write_text("groups: [a]\nmetrics: {}\nbands: [{name: red, from: 0}]\n")
    (tmp_path / "workspace.yaml").write_text(f"name: x\ntables: {json.dumps({name: {'file': 'x.csv', 'time': 'at'}})}\n")
    with pytest.raises(SpecError, match="expected a table name of letters, digits and _"):
        load_workspace(tmp_path)


def test_a_column_of_a_strange_name_is_only_a_name(tmp_path: Path) -> None:
    odd = '"x""); drop table data.accounts; --"'
    found = load_tables(
        workspace(
            tmp_path, {"accounts.csv": f"account_id,name,segment,{odd}\n001,a,b,c\n002,a,b,c\n003,a,b,'; drop table data.contracts\n"}
        )
    )
    assert found.engine.count("data.accounts") == 3
    assert found.engine.count("data.contracts") == 3
    assert 'x"); drop table data.accounts; --' in found.columns["accounts"]


@pytest.mark.parametrize("day", ["../../x", "/etc", "2026-10-31/../..", "tomorrow"])
def test_a_day_is_a_day_and_no_path(day: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["run", "data/demo", "--as-of", day])
    assert left.value.code == 2
    assert "is not an ISO date" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["$\\frac", "$x^2$", "a $5 & b $6", "</text><script>alert(1)</script>", "<img src=x onerror=alert(1)>"])
def test_a_name_in_a_picture_is_only_text(name: str) -> None:
    drawn = Figure()
    at = drawn.add_subplot()
    at.set_title(name)
    at.barh([name], [1], label=name)
    at.legend()
    page = report.figure(drawn, alt=name, caption=name).html
    svg = base64.b64decode(re.findall(r"base64,([^\"]+)", page)[0]).decode()
    texts = ["".join(part.itertext()).strip() for part in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count(name) == 3
    assert "<script" not in page + svg
    assert "<img src=x" not in page + svg


def test_no_module_unpickles_or_evaluates() -> None:
    text = {path: path.read_text() for path in (ROOT / "healthlib").rglob("*.py")}
    banned = (
        r"import (?:pickle|joblib|marshal|shelve|dill)|(?:read|to)_pickle|allow_pickle=True|shell=True|(?<![\w.])(?:eval|exec)\("
        r"|yaml\.(?:unsafe_load|full_load|load\((?!.*Loader=_Loader))"
    )
    assert {path.name: found for path, body in text.items() if (found := re.findall(banned, body))} == {}


def test_the_threat_table_names_tests_that_exist() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("|") and not line.startswith("| ---")][1:]
    assert len(rows) >= 15
    for row in rows:
        named = re.findall(r"`(test_\w+)\.py::(test_\w+)`", row)
        assert named, f"no test named: {row}"
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / f"{file}.py").read_text(), f"{file}.py has no {test}"
