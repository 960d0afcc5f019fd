"""Records out of an untidy CSV: where each one starts, and which lines are no record at all."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from healthlib.csvfile import BLOCK, UTF8_BOM, CsvFile

MAX_RECORD_LINES = 1_000
MAX_RECORD_CHARACTERS = 1_000_000
STRAY = "a line break or a null byte in the middle of a line"
NOT_UTF8 = "bytes that are not UTF-8"
MISQUOTED = "a quote that is opened and not closed, or closed in the middle of a cell"


@dataclass(frozen=True)
class Broken:
    """A line that is no record: where it stands, what it says, what is wrong, and its cells as far as they can be told."""

    line: int
    text: str
    rule: str
    cells: tuple[str, ...]


def tidy_csv(file: CsvFile, target: Path) -> tuple[int, list[Broken]]:
    """Write the sound records to Parquet; return how many, and the broken lines.

    The columns are `_line`, where the record starts, and c0, c1 … in the order of the header, all text. A record of the
    wrong width is set aside. One whose quote never closes is set aside as its first line alone: the rows it would have
    swallowed are read as the rows they are. Blank lines are no rows.

    Parameters
    ----------
    file : from `open_csv`
    target : the Parquet file to write
    """
    names = [f"c{position}" for position in range(len(file.header))]
    schema = pa.schema([("_line", pa.int64()), *((name, pa.string()) for name in names)])
    broken: list[Broken] = []
    written = 0
    limit = csv.field_size_limit(MAX_RECORD_CHARACTERS)
    try:
        with file.path.open("rb") as source, pq.ParquetWriter(target, schema) as writer:
            for records in _blocks(_Lines(source), file.delimiter, schema, broken):
                writer.write_table(records)
                written += records.num_rows
    finally:
        csv.field_size_limit(limit)
    return written, broken


def _blocks(lines: _Lines, delimiter: str, schema: pa.Schema, broken: list[Broken]) -> Iterator[pa.Table]:
    """Yield the sound records block by block, each block the quickest way that is exact; what is no record is added to `broken`."""
    width = len(schema) - 1
    while (raw := lines.take()) is not None and not raw.removeprefix(UTF8_BOM).strip():
        pass  # blank lines above the header
    while block := lines.take_block():
        raw, before = b"".join(block), lines.number - len(block)
        plain = _plain_block(raw, len(block), delimiter, schema)
        if plain is not None:
            yield plain.add_column(0, schema.field(0), pa.array(range(before + 1, lines.number + 1), pa.int64()))
            continue
        found = _quoted_block(raw, before, delimiter, width)
        if found is None:
            lines.give_back(block)
            found = _line_by_line(lines, len(block), (delimiter, width), broken)
        cells = zip(*found[1], strict=True) if found[1] else [()] * width
        yield pa.table([pa.array(found[0], pa.int64()), *(pa.array(column, pa.string()) for column in cells)], schema=schema)


def _plain_block(raw: bytes, lines: int, delimiter: str, schema: pa.Schema) -> pa.Table | None:
    """All cells of a block without a quote or a blank line, every line a record; None where it is not so."""
    if len(schema) < 3 or raw.startswith(UTF8_BOM) or b'"' in raw or b"\0" in raw or raw.count(b"\r") != raw.count(b"\r\n"):
        return None
    try:
        table = pa_csv.read_csv(
            io.BytesIO(raw),
            pa_csv.ReadOptions(use_threads=False, column_names=schema.names[1:], block_size=len(raw) + 1),
            pa_csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=True),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(schema.names[1:], pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == lines else None


def _quoted_block(raw: bytes, before: int, delimiter: str, width: int) -> tuple[list[int], list[list[str]]] | None:
    """The lines on which the records of a block start, and their cells; None where any line needs a closer look."""
    if b"\0" in raw or raw.count(b"\r") != raw.count(b"\r\n"):
        return None
    starts: list[int] = []
    records: list[list[str]] = []
    try:
        reader = _reader(raw.decode("utf-8"), delimiter)
        read = 0
        for cells in reader:
            if len(cells) > width:
                cells = _without_extra(cells, width)
            if len(cells) == width:
                starts.append(before + read + 1)
                records.append(cells)
            elif cells or reader.line_num - read > MAX_RECORD_LINES:
                return None
            read = reader.line_num
    except (UnicodeDecodeError, csv.Error):
        return None
    return starts, records


def _line_by_line(lines: _Lines, count: int, shape: tuple[str, int], broken: list[Broken]) -> tuple[list[int], list[list[str]]]:
    """The records that start within the next `count` lines, each looked at by itself."""
    delimiter, width = shape
    starts: list[int] = []
    records: list[list[str]] = []
    last = lines.number + count
    while lines.number < last and (raw := lines.take()) is not None:
        if not raw.strip():
            continue
        line = lines.number
        try:
            found, raw = _cells_of(raw, lines, delimiter)
            cells = _without_extra(found, width)
            fault = _width_fault(len(cells), width)
        except _BrokenError as error:
            cells, fault = _text(raw).split(delimiter)[:width], str(error)
        if fault is None:
            starts.append(line)
            records.append(cells)
        else:
            broken.append(Broken(line, _text(raw), fault, tuple(cells)))
    return starts, records


class _BrokenError(ValueError):
    """A line that starts no record."""


class _Lines:
    """Physical lines with their numbers, and a way to give back what was read too far."""

    def __init__(self, source: IO[bytes]):
        self.number = 0
        self._source = source
        self._returned: list[bytes] = []

    def take(self) -> bytes | None:
        """The next line, or None at the end."""
        raw = self._returned.pop() if self._returned else self._source.readline() or None
        self.number += raw is not None
        return raw

    def take_block(self) -> list[bytes]:
        """The next lines, about `BLOCK` bytes of them; none at the end."""
        block = self._returned[::-1] or self._source.readlines(BLOCK)
        self._returned = []
        self.number += len(block)
        return block

    def give_back(self, taken: list[bytes]) -> None:
        """Undo `take` for these lines, the last ones taken."""
        self._returned.extend(reversed(taken))
        self.number -= len(taken)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace").rstrip("\r\n")


def _cells_of(raw: bytes, lines: _Lines, delimiter: str) -> tuple[list[str], bytes]:
    """The cells of the record that starts with this line, reading on while a quote is open, and the whole record as it was."""
    more: list[bytes] = []
    try:
        text = raw.decode("utf-8")
        if '"' not in text:
            text = text.rstrip("\r\n")
            if "\r" in text or "\0" in text:
                raise _BrokenError(STRAY)
            return text.split(delimiter), raw
        while (cells := _quoted_cells(text.rstrip("\r\n"), delimiter)) is None:
            text += _until_quote(lines, more, room=MAX_RECORD_CHARACTERS - len(text))
        return cells, raw + b"".join(more)
    except (UnicodeDecodeError, csv.Error) as error:
        lines.give_back(more)
        raise _BrokenError(NOT_UTF8 if isinstance(error, UnicodeDecodeError) and not more else MISQUOTED) from error


def _until_quote(lines: _Lines, more: list[bytes], room: int) -> str:
    """The lines up to and including the next one that has a quote; they are added to `more`."""
    text = ""
    while len(text) < room and len(more) < MAX_RECORD_LINES and (raw := lines.take()) is not None:
        more.append(raw)
        text += raw.decode("utf-8")
        if b'"' in raw:
            return text
    raise csv.Error("the quote is never closed")


def _quoted_cells(text: str, delimiter: str) -> list[str] | None:
    """The cells of a whole record, None while a quote is still open; csv.Error where quotes are used in no valid way."""
    try:
        rows = list(itertools.islice(_reader(text, delimiter), 2))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        raise
    if len(rows) != 1:
        raise csv.Error("a line break outside quotes")
    return rows[0]


def _reader(text: str, delimiter: str) -> Any:
    return csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True, skipinitialspace=True)


def _without_extra(cells: list[str], width: int) -> list[str]:
    """Without empty cells beyond the header: a delimiter at the end of a line carries nothing, and the database overlooks it as well."""
    return cells[:width] if not any(cells[width:]) else cells


def _width_fault(found: int, width: int) -> str | None:
    if found == width:
        return None
    return f"too {'few' if found < width else 'many'} columns: {found} where the header has {width}"
