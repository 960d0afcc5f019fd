"""A sheet of an Excel workbook as rows of text, each with its row in the sheet; what was not stored in it is never made up."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from healthlib.csvfile import UnreadableError, refuse_bomb
from healthlib.csvrecords import Broken

ENDINGS = (".xlsx", ".xlsm")
BATCH = 50_000
DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, ValueError, TypeError, AttributeError, LookupError, SyntaxError,
           ArithmeticError, RuntimeError)  # fmt: skip
"""What the reader of workbooks raises where bytes of one are not what they should be."""

UNCOUNTED = "a formula whose result the workbook does not hold; open and save it in a spreadsheet program"


@dataclass(frozen=True)
class Sheet:
    """One sheet, written as text.

    Attributes
    ----------
    path : Parquet of `_line` (row of the sheet, 1 is the first) and c0, c1 … in the order of the header
    header : the cells of its first filled row
    rows : how many are in `path`
    broken : rows that are none
    """

    path: Path
    header: tuple[str, ...]
    rows: int
    broken: tuple[Broken, ...]


def is_workbook(name: str) -> bool:
    """Whether a file is one, by its name; `book.xlsx#Sheet` names a sheet of it.

    >>> is_workbook("crm.xlsx#Deals"), is_workbook("crm.csv")
    (True, False)
    """
    return name.partition("#")[0].lower().endswith(ENDINGS)


def open_sheet(path: Path, wanted: str, table: str, target: Path) -> Sheet:
    """Read one sheet.

    Parameters
    ----------
    path : the workbook
    wanted : name of the sheet; empty: the one named like the table, or the only one that holds something
    table : name of the table
    target : the Parquet file to write

    Raises
    ------
    UnreadableError : no workbook, no such sheet, more than one to choose from, or an empty one
    """
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(path) as archive:
            refuse_bomb(sum(part.file_size for part in archive.infolist()), path)
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            name = _choose(book, wanted, table)
            missing = _uncounted(path, name)
            return _write(_filled(book[name]), missing, target)
        finally:
            book.close()
    except UnreadableError:
        raise
    except DAMAGED as error:
        raise UnreadableError(f"a workbook that cannot be read ({type(error).__name__}: {error})") from error


def _choose(book: Any, wanted: str, table: str) -> str:
    names = [sheet.title for sheet in book.worksheets]
    if wanted:
        if wanted in names:
            return wanted
        raise UnreadableError(f"no sheet {wanted!r} among {', '.join(names)}")
    same = [name for name in names if name.strip().lower() == table.lower()]
    filled = same or [name for name in names if next(_filled(book[name]), None) is not None]
    if len(filled) == 1:
        return filled[0]
    raise UnreadableError("a workbook in which no sheet holds anything" if not filled else
                          f"the sheets {', '.join(filled)}; name one, as in `file: {table}.xlsx#{filled[0]}`")  # fmt: skip


def _filled(sheet: Any) -> Iterator[tuple[int, list[str | None]]]:
    """Row number and cells as text of each row that holds something."""
    sheet.reset_dimensions()  # what a writer claims about the size of its sheet is not always so
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = [as_text(value) for value in row]
        if any(cells):
            yield number, cells


def as_text(value: Any) -> str | None:
    """A cell as a careful CSV would have it.

    >>> as_text(datetime(2024, 5, 1)), as_text(3.0), as_text(0.1), as_text(True), as_text("007")
    ('2024-05-01', '3', '0.1', 'true', '007')
    """
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() and value.tzinfo is None else value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _uncounted(path: Path, name: str) -> dict[int, list[str]]:
    """Row -> its formulas without a result. A program that writes workbooks leaves them empty, and empty is not what they mean."""
    from openpyxl import load_workbook

    with zipfile.ZipFile(path) as archive:
        if not any(b"<f" in archive.read(part) for part in archive.namelist() if part.startswith("xl/worksheets/sheet")):
            return {}
    values, formulas = (load_workbook(path, read_only=True, data_only=data_only) for data_only in (True, False))
    try:
        found: dict[int, list[str]] = {}
        pairs = zip(values[name].iter_rows(values_only=True), formulas[name].iter_rows(values_only=True), strict=False)
        for number, (row, written) in enumerate(pairs, start=1):
            empty = [str(text) for value, text in zip(row, written, strict=False) if value is None and str(text or "").startswith("=")]
            if empty:
                found[number] = empty
        return found
    finally:
        values.close()
        formulas.close()


def _write(rows: Iterator[tuple[int, list[str | None]]], missing: dict[int, list[str]], target: Path) -> Sheet:
    """The sound rows to Parquet, batch by batch."""
    top, head = next(rows, (0, []))
    header = tuple((cell or "").strip() for cell in head)
    while header and not header[-1]:
        header = header[:-1]
    if not header or top in missing:
        raise UnreadableError("an empty sheet" if not header else f"a header with {UNCOUNTED}")
    width = len(header)
    schema = pa.schema([("_line", pa.int64()), *((f"c{i}", pa.string()) for i in range(width))])
    broken: list[Broken] = []
    count = 0
    with pq.ParquetWriter(target, schema) as writer:
        batch: list[tuple[int, list[str | None]]] = []
        for number, cells in rows:
            told = tuple(cell or "" for cell in cells)
            if number in missing:
                broken.append(Broken(number, ", ".join(missing[number]), UNCOUNTED, told[:width]))
            elif any(told[width:]):
                last = max(i for i, cell in enumerate(told, start=1) if cell)
                broken.append(Broken(number, ",".join(told), f"too many columns: {last} where the header has {width}", told[:width]))
            else:
                batch.append((number, (cells + [None] * width)[:width]))
            if len(batch) == BATCH:
                writer.write_table(_as_table(batch, schema))
                count, batch = count + len(batch), []
        writer.write_table(_as_table(batch, schema))
    return Sheet(target, header, count + len(batch), tuple(broken))


def _as_table(batch: list[tuple[int, list[str | None]]], schema: pa.Schema) -> pa.Table:
    lines = pa.array([line for line, _ in batch], pa.int64())
    columns = [pa.array([cells[i] for _, cells in batch], pa.string()) for i in range(len(schema) - 1)]
    return pa.table([lines, *columns], schema=schema)
