"""Planted secrets: passwords and the key of the masks are searched for in everything that runs leave and print, well ended or not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from healthlib import cli
from healthlib.demo import make_demo
from healthlib.masks import KEY

from .postgres_server import MISSING, Server, programs, server
from .test_anonymise import where_it_stands

PASSWORD, IDLE, SECRET = "Xpw-planted-4711", "Xpg-planted-4712", "Xkey-planted-4713-of-thirty-two-letters"
PLANTED = "planted-47"
TABLES = {
    "accounts": "account_id text, name text, segment text, industry text, region text, plan text, csm text",
    "contracts": "account_id text, start_date date, end_date date, arr numeric, contract_id text, seats int, discount numeric, "
    "auto_renew boolean, billing_period text, outcome text, decided_on date, renewed_arr numeric, churn_reason text",
    "tickets": "account_id text, opened_at timestamp, ticket_id text, closed_at timestamp, severity text, category text, satisfaction int",
}
SCORECARD = """groups: [support]
metrics:
  tickets: {group: support, table: tickets, measure: count, window_days: 90, worst: 9, best: 0, weight: 10}
  urgent: {group: support, table: tickets, measure: share severity = 'critical', window_days: 180, worst: 1, best: 0, weight: 10}
bands: [{name: red, from: 0}, {name: yellow, from: 40}, {name: green, from: 70}]
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a small company in it."""
    if programs() is None:
        pytest.skip(MISSING)
    psycopg = pytest.importorskip("psycopg")
    company = tmp_path_factory.mktemp("company")
    make_demo(company, accounts=15)
    (company / "tickets.csv").write_bytes(gzip.decompress((company / "tickets.csv.gz").read_bytes()))
    with server(PASSWORD) as running:
        with psycopg.connect(running.url(), password=PASSWORD, autocommit=True) as connection:
            for name, columns in TABLES.items():
                connection.execute(f"CREATE TABLE {name} ({columns})")
                kept = [line for line in (company / f"{name}.csv").read_text().splitlines(keepends=True) if "9999" not in line]
                with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT csv, HEADER)") as copy:
                    copy.write("".join(kept))
        yield running


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """The three secrets in the environment; gives all that was printed since, by kernels and other processes too."""
    for name, value in (("HEALTHLIB_DB_PASSWORD", PASSWORD), ("PGPASSWORD", IDLE), (KEY, SECRET)):
        monkeypatch.setenv(name, value)
    return lambda: "".join(capfd.readouterr())


def space(folder: Path, url: str, more: str = "") -> str:
    folder.mkdir()
    head = f"name: Acme\ndata_through: 2026-10-31\nmax_rejected: 0.5\ndatabase: {url}\n"
    (folder / "workspace.yaml").write_text(head + more)
    (folder / "scorecard.yaml").write_text(SCORECARD)
    return str(folder)


def test_a_run_that_ends_well_keeps_its_secrets(tmp_path, postgres, printed) -> None:
    folder, out = space(tmp_path / "acme", postgres.url()), tmp_path / "out"
    out.mkdir()
    assert cli.main(["run", folder, "--anonymise", "--no-books", "--out", str(out), "--log", str(out / "log")]) == 0
    assert cli.main(["doctor", folder, "--anonymise", "--out", str(out), "--json"]) in (0, 1)
    assert json.loads((out / "acme" / "status.json").read_text())["state"] == "ok"
    assert (out / "acme" / "2026-10-31" / "executive.ipynb").is_file()
    assert where_it_stands(out, PLANTED) == []
    said = printed()
    assert PLANTED not in said
    assert "executive.html" in said


@pytest.mark.parametrize(("more", "said"), [
    ("tables: {contracts: {query: select no_such_column from contracts}}\n", "no_such_column"),
    ("tables: {contracts: {query: \"select cast('Xpw-planted-4711' as int)\"}}\n", "invalid input syntax"),
    ("tables: {tickets: {query: \"select account_id, opened_at, cast(name as int) as n from tickets join accounts using (account_id)\"}}\n",
     "invalid input syntax for type integer: …"),
])  # fmt: skip
def test_a_query_that_fails_quotes_no_secret_and_no_name(tmp_path, postgres, printed, more, said) -> None:
    folder, out = space(tmp_path / "acme", postgres.url(), more), tmp_path / "out"
    out.mkdir()
    assert cli.main(["run", folder, "--anonymise", "--out", str(out), "--log", str(out / "log")]) == 2
    assert cli.main(["doctor", folder, "--anonymise", "--out", str(out)]) == 1
    assert where_it_stands(out, PLANTED) == []
    shown = printed()
    assert PLANTED not in shown
    assert said in shown
    assert said in json.loads((out / "acme" / "status.json").read_text())["message"]


def test_a_wrong_password_is_not_repeated(tmp_path, postgres, printed, monkeypatch) -> None:
    monkeypatch.setenv("HEALTHLIB_DB_PASSWORD", "Xwrong-planted-4714")
    folder, out = space(tmp_path / "acme", postgres.url()), tmp_path / "out"
    out.mkdir()
    assert cli.main(["run", folder, "--anonymise", "--out", str(out), "--log", str(out / "log")]) == 2
    assert where_it_stands(out, PLANTED) == []
    said = printed()
    assert PLANTED not in said
    assert "password authentication failed" in said


def test_the_search_can_fail(tmp_path) -> None:
    (tmp_path / "status.json").write_text(json.dumps({"message": f"password {PASSWORD}"}))
    assert where_it_stands(tmp_path, PLANTED) == ["status.json"]
