"""Excel in: the same tables as from CSV, each row known by its row in the sheet, and nothing made up where the workbook holds nothing."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pytest

from healthlib.errors import DataError
from healthlib.spec import TableSource
from healthlib.workbook import UNCOUNTED

from .test_tables import counts, load, rows

openpyxl = pytest.importorskip("openpyxl")
USAGE = [
    ["account_id", "occurred_at", "quantity", "note", "vip"],
    ["001", date(2024, 5, 1), 3, "a", True],
    ["002", datetime(2024, 7, 1, 1, 30), 4.0, None, False],
]


def book(path: Path, **sheets: list[list[object]]) -> Path:
    """A workbook of these sheets; None is an empty cell, [] an empty row."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, cells in sheets.items():
        sheet = made.create_sheet(name)
        for number, row in enumerate(cells, start=1):
            for column, value in enumerate(row, start=1):
                if value is not None:
                    sheet.cell(number, column, value)
    made.save(path)
    return path


def test_a_workbook_equals_csv(tmp_path):
    plain = load(
        tmp_path, {"usage.csv": "account_id,occurred_at,quantity,note,vip\n001,2024-05-01,3,a,true\n002,2024-07-01T01:30:00,4,,false\n"}
    )
    (tmp_path / "usage.csv").unlink()
    book(tmp_path / "usage.xlsx", Sheet1=USAGE)
    tables = load(tmp_path, {"usage.csv": ""})
    pd.testing.assert_frame_equal(rows(tables, "usage"), rows(plain, "usage"))
    assert tables.columns == plain.columns
    assert tables.report.set_index("table").loc["usage", "file"] == "usage.xlsx"


def test_a_sheet_by_name_and_rows_by_their_place(tmp_path):
    messy = [
        [],
        [],
        [None, *USAGE[0]],
        [],
        [None, "001", date(2024, 5, 1), "x"],
        [None, "002", date(2024, 5, 2), 1, None, None, None, "over"],
        [None, "  "],
        [None, "001", 45412, 1],
        [None, "001", date(2024, 5, 3), "=1+1"],
        [None, "002", date(2024, 5, 4), 2],
    ]
    book(tmp_path / "export.xlsx", Readme=[["hello"]], Events=messy, usage=USAGE)
    tables = load(tmp_path, {"usage.csv": ""}, tables={"usage": TableSource(file="export.xlsx#Events")})
    assert counts(tables, "usage") == [6, 1]
    assert rows(tables, "usage")["_line"].tolist() == [10]
    told = tables.rejected["usage"].set_index("line")
    assert told["rule"].to_dict() == {
        5: "not a number",
        6: "too many columns: 8 where the header has 6",
        7: "empty, but required",
        8: "not an ISO date or timestamp",
        9: UNCOUNTED,
    }
    assert told.loc[9, "value"] == "=1+1"
    assert set(told["file"]) == {"export.xlsx#Events"}
    assert counts(load(tmp_path, {"usage.csv": ""}, tables={"usage": TableSource(file="export.xlsx")}), "usage") == [2, 2]


@pytest.mark.parametrize(
    ("sheets", "file", "told"),
    [
        ({"a": USAGE, "b": USAGE}, "x.xlsx", "the sheets a, b; name one, as in `file: usage.xlsx#a`"),
        ({"a": USAGE}, "x.xlsx#b", "no sheet 'b' among a"),
        ({"a": [], "b": [[]]}, "x.xlsx", "no sheet holds anything"),
        ({"a": [["account_id", "=1"], ["001", 1]]}, "x.xlsx", "a header with a formula"),
        ({"a": USAGE}, "y.xlsx", "y.xlsx, which is no file"),
        ({}, "x.xlsx", "a workbook that cannot be read"),
    ],
)
def test_a_workbook_that_will_not_do_is_refused_in_words(tmp_path, sheets, file, told):
    if sheets:
        book(tmp_path / "x.xlsx", **sheets)
    else:
        (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    with pytest.raises(DataError) as caught:
        load(tmp_path, {"usage.csv": ""}, tables={"usage": TableSource(file=file)})
    assert told in str(caught.value)
