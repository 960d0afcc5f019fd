"""Bad days of an export, each through the command line: refused in words, or read with a warning; never added up wrong in silence."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from healthlib import cli

ACCOUNTS = 24
SCORECARD = """groups: [use, care]
metrics:
  events: {group: use, table: usage, measure: count, window_days: 30, worst: 0, best: 12, weight: 2}
  minutes: {group: use, table: usage, measure: mean minutes, window_days: 30, worst: 0, best: 10, weight: 1}
  urgent: {group: care, table: tickets, measure: count, window_days: 90, worst: 3, best: 0, weight: 1}
bands:
  - {name: red, from: 0}
  - {name: yellow, from: 40}
  - {name: green, from: 70}
"""
USAGE = "account_id,occurred_at,minutes\n"


def usage_rows(first: str = "2025-03-01", last: str = "2026-08-31") -> str:
    """A row an account every third day."""
    days = pd.date_range(first, last, freq="3D")
    return "".join(f"a{i:02d},{day:%Y-%m-%d},{5 + i % 4}\n" for day in days for i in range(ACCOUNTS))


def contract_rows(end: str = "2027-01-01") -> str:
    """A renewed term of a year for each account, but for every sixth, which left."""
    rows = [f"a{i:02d},2025-01-01,2026-01-01,{1000 + 10 * i}\n" for i in range(ACCOUNTS)]
    return "".join(rows + [f"a{i:02d},2026-01-01,{end},{1000 + 10 * i}\n" for i in range(ACCOUNTS) if i % 6])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "workspace.yaml").write_text("name: Tiny\noutcome: {kind: renewal}\n")
    (folder / "scorecard.yaml").write_text(SCORECARD)
    (folder / "accounts.csv").write_text("account_id,name,segment\n" + "".join(f"a{i:02d},Firm {i:02d},SMB\n" for i in range(ACCOUNTS)))
    (folder / "contracts.csv").write_text("account_id,start_date,end_date,arr\n" + contract_rows())
    (folder / "usage.csv").write_text(USAGE + usage_rows())
    (folder / "tickets.csv").write_text("account_id,opened_at,ticket_id\na01,2026-08-02,1\na02,2026-08-03,2\n")
    return folder


class Said:
    """What a command said and left."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], *command: str):
        self.code = cli.main([command[0], str(home), "--out", str(home.parent / "out"), *command[1:]])
        told = capsys.readouterr()
        self.out = told.out
        self.err = "\n".join(line for line in told.err.splitlines() if not line.startswith("20"))
        self.folder = max((home.parent / "out" / "tiny").glob("2*"), key=lambda path: path.stat().st_mtime, default=home)

    def scores(self) -> dict[str, dict[str, str]]:
        with (self.folder / "scores.csv").open(encoding="utf-8", newline="") as file:
            return {row["account_id"]: row for row in csv.DictReader(file)}

    def warnings(self) -> str:
        return "\n".join(json.loads((self.folder / "summary.json").read_text())["warnings"])


Capsys = pytest.CaptureFixture[str]


def add(home: Path, table: str, text: str) -> None:
    path = home / f"{table}.csv"
    path.write_text(path.read_text() + text)


def test_an_optional_table_with_a_header_alone_is_no_data_yet(home: Path, capsys: Capsys) -> None:
    """`minutes`, of which no row tells the type, is no reason to stop either."""
    (home / "usage.csv").write_text(USAGE)
    (home / "surveys.csv").write_text("account_id,responded_at,kind,score\n")
    said = Said(home, capsys, "score")
    assert (said.code, said.err) == (0, "")
    assert "usage: usage.csv has a header and no row" in said.warnings()
    assert "surveys: surveys.csv has a header and no row" in said.warnings()
    assert {row["points:events"] for row in said.scores().values()} == {""}
    checked = Said(home, capsys, "check")
    assert checked.code == 0
    assert "note: usage: usage.csv has a header and no row" in checked.out
    assert "usage.csv has a header and no row" in (checked.folder / "check.html").read_text()


@pytest.mark.parametrize(
    ("table", "text"), [("accounts", "account_id,name\n"), ("contracts", "account_id,start_date,end_date,arr\n"), ("usage", "")]
)
def test_nobody_or_no_header_is_exit_2(table: str, text: str, home: Path, capsys: Capsys) -> None:
    (home / f"{table}.csv").write_text(text)
    said = Said(home, capsys, "check")
    assert said.code == 2
    assert f"{table}.csv" in said.err


def test_an_empty_parquet_sheet_or_query_is_no_data_yet(home: Path, capsys: Capsys) -> None:
    empty = pd.DataFrame({"account_id": ["x"], "occurred_at": [pd.Timestamp("2026-01-01")], "minutes": [1.0]}).iloc[:0]
    (home / "usage.csv").unlink()
    empty.to_parquet(home / "usage.parquet")
    pd.DataFrame(columns=["account_id", "responded_at", "kind", "score"]).to_excel(home / "surveys.xlsx", index=False)
    given = "tables: {goals: {sql: 'SELECT account_id, account_id AS goal FROM ''accounts.csv'' WHERE false'}}\n"
    (home / "workspace.yaml").write_text("name: Tiny\noutcome: {kind: renewal}\n" + given)
    said = Said(home, capsys, "check")
    assert (said.code, said.err) == (0, "")
    assert said.out.count("has a header and no row") == 3


def test_a_month_without_data_is_found(home: Path, capsys: Capsys) -> None:
    (home / "usage.csv").write_text(USAGE + usage_rows(last="2026-03-31") + usage_rows(first="2026-05-02"))
    said = Said(home, capsys, "check")
    assert said.code == 0
    assert "the largest in usage: " in said.out
    assert "from 30 Mar 2026 to 1 May 2026" in said.out


def test_an_export_loaded_twice_is_found(home: Path, capsys: Capsys) -> None:
    add(home, "usage", usage_rows())
    add(home, "contracts", contract_rows())
    said = Said(home, capsys, "check")
    assert said.code == 0
    assert "44 contracts repeat another one in every column" in said.out
    assert "4,392 of usage" in said.out
    assert "this looks like an export loaded twice" in said.out


def test_two_months_that_overlap_are_found(home: Path, capsys: Capsys) -> None:
    """August came once more with September's file, and its header with it: the header is no row, the days are there twice."""
    add(home, "usage", USAGE + usage_rows(first="2026-08-02"))
    said = Said(home, capsys, "check")
    assert said.code == 0
    assert "240 of usage" in said.out
    assert "1 of 4,703 rows" in said.out


def test_accounts_twice_stop_the_run(home: Path, capsys: Capsys) -> None:
    add(home, "accounts", "".join(f"a{i:02d},Firm {i:02d},SMB\n" for i in range(ACCOUNTS)))
    said = Said(home, capsys, "score")
    assert said.code == 1
    assert "accounts: 24 of 48 rows (50.0%)" in said.err
    assert "a second row with this key" in said.err


def test_an_export_cut_off_in_a_line_is_said(home: Path, capsys: Capsys) -> None:
    """Cut inside a number nothing else can tell: 1230 became 12. Cut before it the row is set aside."""
    whole = (home / "contracts.csv").read_text()
    (home / "contracts.csv").write_text(whole[:-3])
    (home / "usage.csv").write_text((home / "usage.csv").read_text()[:-8])
    said = Said(home, capsys, "check")
    assert said.code == 0
    assert "note: contracts.csv ends in the middle of a line" in said.out
    assert "note: usage.csv ends in the middle of a line" in said.out
    assert "too few columns" in said.out


def test_a_clock_that_runs_ahead_is_said_and_not_used(home: Path, capsys: Capsys) -> None:
    add(home, "usage", "a01,2031-01-01,5\n")
    said = Said(home, capsys, "check")
    assert "the newest day, 2031-01-01, lies" in said.out
    assert "set data_through" in said.out
    (home / "workspace.yaml").write_text("name: Tiny\noutcome: {kind: renewal}\ndata_through: 2026-08-31\n")
    said = Said(home, capsys, "check")
    assert "usage: 1 row lies after data_through 2026-08-31" in said.out
    assert "no figure uses them" in said.out


def test_a_renamed_account_is_named(home: Path, capsys: Capsys) -> None:
    """a06 left on 1 Jan 2026 and n06 began that day under nearly the same name; a12 and a18 left, and nobody came."""
    add(home, "accounts", "n06,Firm 06 Holding,SMB\nn99,Other people,SMB\n")
    add(home, "contracts", "n06,2026-01-01,2027-01-01,1060\nn99,2026-01-01,2027-01-01,1120\n")
    said = Said(home, capsys, "check")
    assert said.code == 0
    assert "1 account ends where another begins with like name and ARR: a06 and n06 (2026-01-01)" in said.out


def test_money_of_two_currencies_is_refused(home: Path, capsys: Capsys) -> None:
    lines = (home / "contracts.csv").read_text().splitlines()
    lines = [lines[0] + ",currency", *(f"{line},{'EUR' if i < 5 else 'usd'}" for i, line in enumerate(lines[1:]))]
    (home / "contracts.csv").write_text("\n".join(lines) + "\n")
    said = Said(home, capsys, "score")
    assert said.code == 2
    assert "contracts.currency: found 2 currencies: USD (39 rows), EUR (5 rows); arr in one currency" in said.err
    (home / "contracts.csv").write_text("\n".join(lines).replace("EUR", "USD") + "\n")
    assert Said(home, capsys, "check").code == 0


def test_money_with_a_sign_is_set_aside(home: Path, capsys: Capsys) -> None:
    add(home, "contracts", "a01,2025-01-01,2026-01-01,€500\n")
    said = Said(home, capsys, "score")
    assert said.code == 1
    assert "'€500'" in said.err


def test_a_contract_corrected_later_counts_from_the_day_it_was_known(home: Path, capsys: Capsys) -> None:
    """The wrong row carries the day it was taken back as the end of its term, the right one the day it was recorded."""
    text = "account_id,start_date,end_date,arr,recorded_at\n"
    rows = [line for line in contract_rows().splitlines() if not line.startswith("a01,2026")]
    text += "".join(f"{row},{row.split(',')[1]}\n" for row in rows)
    (home / "contracts.csv").write_text(text + "a01,2026-01-01,2026-05-10,1010,2026-01-01\na01,2026-05-10,2027-01-01,700,2026-05-10\n")
    before, after = (float(Said(home, capsys, "score", "--as-of", day).scores()["a01"]["arr"]) for day in ("2026-04-30", "2026-05-31"))
    assert (before, after) == (1010, 700)


def test_leap_days_and_offsets_are_days_in_utc(home: Path, capsys: Capsys) -> None:
    (home / "contracts.csv").write_text(
        "account_id,start_date,end_date,arr\na01,2024-02-29,2028-02-29,100\na02,2024-02-29,2025-02-28,100\n"
    )
    (home / "usage.csv").write_text(
        USAGE
        + "a01,2024-02-29T23:30:00-05:00,5\na01,2024-02-29T12:00:00Z,5\na01,2024-03-01T12:59:00+13:00,5\na01,2024-02-28T22:00:00Z,5\n"
        + "".join(f"a01,2024-02-{day:02d},5\n" for day in range(1, 28)) * 4 + "a01,2023-02-29,5\n"
    )  # fmt: skip
    lines = SCORECARD.replace("[use, care]", "[use]").replace("best: 12", "best: 1000").splitlines()
    (home / "scorecard.yaml").write_text("\n".join(line for line in lines if "minutes:" not in line and "urgent:" not in line))
    said = Said(home, capsys, "check")
    assert said.code == 0
    assert "2023-02-29" in said.out  # there is no such day
    assert "2024-03-01" in said.out  # 23:30 five hours west of Greenwich
    said = Said(home, capsys, "score", "--as-of", "2024-02-29")
    assert float(said.scores()["a01"]["score"]) == pytest.approx(
        (27 * 4 + 3) / 10
    )  # not the one of 1 March in UTC; the one of 13 hours east is


@pytest.mark.parametrize("kind", ["one account", "one metric", "all missing", "all equal", "nothing measures it"])
def test_next_to_nothing_is_scored_with_a_word(kind: str, home: Path, capsys: Capsys) -> None:
    card = home / "scorecard.yaml"
    if kind == "one account":
        (home / "accounts.csv").write_text("account_id,name\na01,Firm\n")
        for table in ("contracts", "usage", "tickets"):
            lines = (home / f"{table}.csv").read_text().splitlines()
            (home / f"{table}.csv").write_text("\n".join([lines[0], *(line for line in lines if line.startswith("a01"))]) + "\n")
    elif kind == "one metric":
        card.write_text("\n".join(line for line in SCORECARD.splitlines() if "minutes:" not in line and "urgent:" not in line))
        card.write_text(card.read_text().replace("[use, care]", "[use]"))
    elif kind == "all missing":
        (home / "usage.csv").write_text(USAGE)
        card.write_text("\n".join(line for line in SCORECARD.splitlines() if "urgent:" not in line).replace("[use, care]", "[use]"))
    elif kind == "all equal":
        (home / "usage.csv").write_text("\n".join(f"{line.rsplit(',', 1)[0]},5" for line in (USAGE + usage_rows()).splitlines()[1:]))
        (home / "usage.csv").write_text(USAGE + (home / "usage.csv").read_text() + "\n")
    else:
        card.write_text(SCORECARD.replace("bands:", "  nps: {group: care, table: surveys, measure: mean score, window_days: 90, worst: 0, "
                                          "best: 10, weight: 2}\nbands:"))  # fmt: skip
    for command in ("score", "fit", "backtest"):
        said = Said(home, capsys, command)
        assert (said.code, said.err) == (0, ""), command
    scores = said.scores()
    if kind == "all missing":
        assert {row["band"] for row in scores.values()} == {"unscored"}
    elif kind == "nothing measures it":
        plain = {row["score"] for row in scores.values()}
        assert plain - {""}, "what is not measured takes no part in the mean of the rest"
    else:
        assert all(row["score"] for row in scores.values())
    checked = Said(home, capsys, "check")
    assert checked.code == 0
    if kind == "nothing measures it":
        assert "nps" in checked.out
