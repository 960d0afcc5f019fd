"""Broken tables in other forms: Excel sheets, Parquet files and DuckDB databases, typed in odd ways and with bytes flipped.

The law is that of test_fuzz. The second reading is not ours: openpyxl as a person would use it, pyarrow, and for a database the rows that
were written into it. Of a file whose bytes were flipped nothing is known but the law: refused in words, or every row used or rejected.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.exceptions import IllegalCharacterError

from healthlib.errors import HealthlibError
from healthlib.spec import TableSource, Workspace
from healthlib.tables import Tables, load_tables

from .test_fuzz import CASES, COLUMNS, FLAG_CELLS, ID_CELLS, NO, NUMBER_CELLS, SCORECARD, SOUND, WHEN_CELLS, YES, same

MOMENT = datetime(2024, 5, 1, 10, 30)
TYPED = {
    "integer": (pa.int64(), "BIGINT", [0, 1, -1, 7, 45412, 2**53]),
    "number": (pa.float64(), "DOUBLE", [0.0, 1.5, -1.0, 2e12, float("nan"), float("inf"), 1e-9]),
    "decimal": (pa.decimal128(18, 4), "DECIMAL(18,4)", [Decimal("1.5000"), Decimal("-1.0000"), Decimal("1234.5678")]),
    "flag": (pa.bool_(), "BOOLEAN", [True, False]),
    "day": (pa.date32(), "DATE", [date(2024, 5, 1), date(2024, 5, 2), date(1899, 12, 31), date(2999, 1, 1)]),
    "moment": (pa.timestamp("us"), "TIMESTAMP", [MOMENT, MOMENT.replace(microsecond=123456), MOMENT.replace(year=1850)]),
    "zoned": (
        pa.timestamp("us", "UTC"),
        "TIMESTAMP WITH TIME ZONE",
        [MOMENT.replace(tzinfo=UTC), MOMENT.replace(tzinfo=timezone(timedelta(hours=2)))],
    ),
}


@dataclass(frozen=True)
class Form:
    """One file: the table it is for, its ending, its columns, their types (text where it has none), its rows; where bytes are flipped."""

    table: str
    ending: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    flips: tuple[tuple[float, int], ...]


@st.composite
def formed(draw: st.DrawFn) -> Form:
    """A table of odd cells, some of its columns typed by the file."""
    table, ending = draw(st.sampled_from(sorted(COLUMNS))), draw(st.sampled_from([".xlsx", ".parquet", ".duckdb"]))
    columns = tuple(draw(st.permutations(list(COLUMNS[table]))))
    sound = draw(st.integers(0, 3)) > 0  # most of them mostly sound: a table in which every row is wrong shows little
    types = tuple(draw(st.sampled_from(_types(COLUMNS[table][name], sound))) for name in columns)
    rows = []
    for _ in range(draw(st.integers(0, 8))):
        kinds = zip(columns, types, strict=True)
        rows.append(tuple(draw(st.sampled_from(_cells(table, name, kind, sound and draw(st.integers(0, 19)) > 0))) for name, kind in kinds))
    flips = draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3)) if draw(st.booleans()) else []
    return Form(table, ending, columns, types, tuple(rows), tuple(flips))


def _types(cells: list[str], sound: bool) -> list[str]:
    """What a column of such cells may be typed as; where it need not be sound, anything."""
    if cells is ID_CELLS:
        return ["text"]
    if not sound:
        return ["text", "text", *TYPED]
    fitting = {id(WHEN_CELLS): ["day", "moment", "zoned"], id(NUMBER_CELLS): ["integer", "number", "decimal"], id(FLAG_CELLS): ["flag"]}
    return ["text", *fitting.get(id(cells), [])]


def _cells(table: str, name: str, kind: str, sound: bool) -> list[Any]:
    if kind == "text":
        return COLUMNS[table][name][: 3 if sound else None]
    return TYPED[kind][2][:2] if sound else [*TYPED[kind][2], None]


def written(form: Form, path: Path) -> None:
    """The file, and its bytes flipped."""
    if form.ending == ".xlsx":
        path.write_bytes(as_workbook(form))
    elif form.ending == ".parquet":
        pq.write_table(as_arrow(form), path)
    else:
        with duckdb.connect(str(path)) as connection:
            columns = ", ".join(f'"{name}" {TYPED[kind][1] if kind in TYPED else "VARCHAR"}' for name, kind in _headed(form))
            connection.execute(f"SET TimeZone = 'UTC'; CREATE TABLE {form.table} ({columns})")
            for row in form.rows:
                connection.execute(f"INSERT INTO {form.table} VALUES ({', '.join('?' * len(row))})", row)
    content = bytearray(path.read_bytes())
    for place, value in form.flips:
        content[int(place * len(content))] = value
    path.write_bytes(content)


def _headed(form: Form) -> list[tuple[str, str]]:
    return list(zip(form.columns, form.types, strict=True))


def as_workbook(form: Form) -> bytes:
    """A sheet, its first row the header; what a sheet cannot hold is left out of it."""
    book = openpyxl.Workbook()
    book.active.append(form.columns)
    for number, row in enumerate(form.rows, start=2):
        for place, value in enumerate(row, start=1):
            bare = value.replace(tzinfo=None) if isinstance(value, datetime) else value
            try:
                book.active.cell(number, place).value = None if isinstance(bare, float) and not abs(bare) < 1e300 else bare
            except IllegalCharacterError:
                continue
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def as_arrow(form: Form) -> pa.Table:
    """The rows as typed columns."""
    columns = zip(*form.rows, strict=True) if form.rows else [()] * len(form.columns)
    types = [TYPED[kind][0] if kind in TYPED else pa.string() for kind in form.types]
    return pa.table({n: pa.array(list(c), t) for n, c, t in zip(form.columns, columns, types, strict=True)})


def loaded(form: Form, folder: Path) -> Tables | None:
    """The tables of a workspace in which one table is the file; None where it was refused in words."""
    for name, text in SOUND.items():
        if name != form.table:
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    path = folder / f"case{form.ending}"
    written(form, path)
    given: dict[str, Any] = {form.table: TableSource(file=path.name)}
    if form.ending == ".duckdb":
        given = {form.table: TableSource(table=form.table)}
    fields = {"folder": folder, "name": "Fuzz", "scorecard": SCORECARD, "max_rejected": 1.0, "tables": given}
    fields |= {"database": f"duckdb:///{path.name}"} if form.ending == ".duckdb" else {}
    try:
        return load_tables(Workspace.model_validate(fields))
    except HealthlibError as error:
        expected = r"no row|no row with a date" if not form.flips else form.table + r"|no row with a date|database|case\."
        assert re.search(expected, str(error)), str(error)  # noqa: PT017
        return None


def second_reading(form: Form, path: Path) -> dict[int, tuple[Any, ...]]:
    """Line -> the cells of each row that holds something."""
    if form.ending == ".xlsx":
        cells = list(openpyxl.load_workbook(path)[openpyxl.load_workbook(path).sheetnames[0]].iter_rows(values_only=True))
        return {line: row for line, row in enumerate(cells, start=1) if line > 1 and any(cell not in (None, "") for cell in row)}
    rows = list(zip(*pq.read_table(path).to_pydict().values(), strict=True)) if form.ending == ".parquet" else form.rows
    return dict(enumerate(rows, start=2))


def check(form: Form) -> None:
    """The promises, for one file."""
    with tempfile.TemporaryDirectory() as scratch:
        tables = loaded(form, Path(scratch))
        if tables is None:
            return
        report = tables.report.set_index("table").loc[form.table]
        rejected = tables.rejected.get(form.table, pd.DataFrame(columns=["line"]))
        used = tables.engine.query(f"SELECT * FROM data.{form.table} ORDER BY _line")
        assert report["rows_in"] == report["rows_used"] + report["rows_rejected"]
        assert (report["rows_used"], report["rows_rejected"]) == (len(used), len(rejected))
        if form.flips:
            return
        rows = second_reading(form, Path(scratch) / f"case{form.ending}")
        assert sorted([*used["_line"], *rejected["line"]]) == sorted(rows), "a row is lost or told twice"
        for row in used.astype(object).where(used.notna(), None).to_dict("records"):
            for name, cell in zip(form.columns, rows[int(row["_line"])], strict=False):
                unchanged(form.table, name, tables.columns[form.table][name], cell, row[name])


def unchanged(table: str, name: str, kind: str, cell: Any, found: object) -> None:
    """That a cell kept its meaning, whatever the file had typed it as."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        assert found is None, (table, name, cell, found)
    elif isinstance(cell, bool) and kind == "number":
        assert found == cell, (table, name, cell, found)
    elif kind == "flag" and not isinstance(cell, bool | str):
        assert found is (str(as_plain(cell)) in YES), (table, name, cell, found)
        assert str(as_plain(cell)) in YES | NO, (table, name, cell, found)
    elif kind == "text" and isinstance(cell, date | Decimal):
        assert str(found)[:10] == str(cell)[:10] or float(str(found)) == float(str(cell)), (table, name, cell, found)
    else:
        same(table, name, kind, as_plain(cell), found)


def as_plain(cell: Any) -> str:
    """A cell as a careful CSV would have it."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)


@settings(max_examples=CASES // 5, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, derandomize=CASES <= 200)
@given(form=formed())
def test_other_forms(form: Form) -> None:
    check(form)


def a_form(rows: Sequence[tuple], ending: str) -> Form:
    return Form("usage", ending, ("account_id", "occurred_at", "quantity"), ("text", "moment", "number"), tuple(rows), ())


def test_the_second_reading_reads_what_was_written(tmp_path: Path) -> None:
    for ending in (".xlsx", ".parquet", ".duckdb"):
        form = a_form([("001", MOMENT, 1.5), ("x y", None, 2.0)], ending)
        path = tmp_path / f"case{ending}"
        written(form, path)
        assert second_reading(form, path) == {2: ("001", MOMENT, 1.5), 3: ("x y", None, 2.0)}
