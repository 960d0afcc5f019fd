"""Event rows that are there twice: counted by hand, an export appended to itself is found, true doubles raise no alarm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from healthlib import asof, page_check
from healthlib.claims_repeats import repeats as said
from healthlib.demo import make_demo
from healthlib.repeats import repeats
from healthlib.spec import load_workspace
from healthlib.studies.check import check_study, open_for_check
from healthlib.tables import Tables, load_tables
from tests.test_check import ACCOUNTS, TERMS, written

HEAD = "data_through: 2025-06-30\n"
MAILS = [
    "A1,2025-06-01,mail",
    "A1,2025-06-01,mail",  # line 3 repeats line 2
    "A1,2025-06-01,call",
    "A2,2025-06-02,mail",
    "A1,2025-06-02,mail",
    "A1,2025-06-01,mail",  # line 7: a third one
]


def opened(folder: Path) -> Tables:
    workspace = load_workspace(folder)
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    return tables


def small(tmp_path: Path, mails: list[str]) -> Path:
    lines = "\n".join(["account_id,occurred_at,kind", *mails, ""])
    files = {"accounts": ACCOUNTS, "contracts": TERMS, "usage": "account_id,occurred_at\nA1,2025-06-30\n", "touchpoints": lines}
    return written(tmp_path / "small", HEAD, **files)


def test_repeats_are_counted_beyond_the_first_of_each_kind(tmp_path: Path) -> None:
    found = repeats(opened(small(tmp_path, MAILS)), ["touchpoints", "usage"], pd.Timestamp("2025-06-30")).set_index("table")
    assert found.loc["touchpoints"].to_dict() == {
        "rows": 6, "looked_at": 6, "one_in": 1, "repeats": 2, "share": pytest.approx(1 / 3), "days": 2, "days_doubled": 0,
        "first_lines": "2 and 7",
    }  # fmt: skip
    assert found.loc["usage", ["repeats", "first_lines"]].tolist() == [0, ""]


def test_rows_not_yet_known_repeat_nothing(tmp_path: Path) -> None:
    """A ticket that was closed later than another one was the same row until then."""
    tickets = "account_id,opened_at,closed_at\nA1,2025-03-01,2025-03-05\nA1,2025-03-01,2025-04-05\nA1,2025-04-20,\nA1,2025-04-20,\n"
    files = {"accounts": ACCOUNTS, "contracts": TERMS, "usage": "account_id,occurred_at\nA1,2025-06-30\n", "tickets": tickets}
    tables = opened(written(tmp_path / "small", HEAD, **files))
    by_day = {day: int(repeats(tables, ["tickets"], pd.Timestamp(day))["repeats"][0]) for day in ("2025-03-03", "2025-03-06", "2025-04-30")}
    assert by_day == {"2025-03-03": 1, "2025-03-06": 0, "2025-04-30": 1}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repeats") / "acme"
    make_demo(folder, seed=7, accounts=60)
    return folder


def appended(folder: Path, name: str, share: float) -> int:
    """Write the last rows of a table to its end once more; how many."""
    path = next(folder.glob(f"{name}.csv*"))
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    time = next(column for column in ("occurred_at", "responded_at") if column in frame)
    days = sorted(frame[time].str[:10].unique())
    late = frame[frame[time].str[:10] >= days[int(len(days) * (1 - share))]] if share < 1 else frame
    pd.concat([frame, late]).to_csv(path, index=False)
    return len(late)


def test_the_demo_gives_no_alarm(company: Path) -> None:
    check = check_study(open_for_check(str(company)))
    assert (check.repeats["repeats"] > 0).any(), "two calls a day are there"
    assert check.repeats["days_doubled"].sum() == 0
    assert said(check).level == "fine"
    assert "They may be true (two mails a day)" in said(check).text


@pytest.mark.parametrize(("name", "share"), [("usage", 1.0), ("surveys", 1.0), ("usage", 0.04)])
def test_an_export_appended_to_itself_is_found(name: str, share: float, tmp_path: Path) -> None:
    """Whole, or only its last days (a monthly export that overlaps the one before)."""
    folder = tmp_path / "acme"
    make_demo(folder, seed=7, accounts=60)
    path = next(folder.glob(f"{name}.csv*"))
    before = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows = appended(folder, name, share)
    assert rows / len(before) == pytest.approx(share, abs=0.04)
    check = check_study(open_for_check(str(folder)))
    told = said(check)
    assert told.level == "look"
    assert f"In {name} they are" in told.text
    assert "looks like an export loaded twice" in told.text
    assert "Rows that are there twice" in page_check.rows(check).html
    found = check.repeats.set_index("table").loc[name]
    assert found["repeats"] >= 0.9 * rows


def test_a_long_table_is_looked_at_in_part_and_said_so(company: Path) -> None:
    tables = opened(company)
    at = pd.Timestamp(tables.data_through)
    whole, part = (repeats(tables, ["usage"], at, most_rows=most).iloc[0] for most in (10**9, 5_000))
    assert whole["one_in"] == 1
    assert part["one_in"] > 1
    assert 0 < part["looked_at"] < whole["looked_at"] == whole["rows"] == part["rows"]
    check = check_study(open_for_check(str(company)))
    assert f"one account in {part['one_in']} of usage" in said(replace(check, repeats=pd.DataFrame([part]))).text
