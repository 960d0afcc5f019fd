"""Broken tables by the hundred: no row is dropped, none is changed, and whatever cannot be read is refused in words.

Each case is read a second time here, by Python's csv module, from the bytes of the file: every line below the header must be in a row that
was used or in one that was rejected, once; and every cell of a used row must be the cell of the file, typed. `make fuzz` runs 2,000 cases
and more, the test run 200, a fifth of them in test_fuzz_forms: Excel, Parquet and DuckDB files. HEALTHLIB_FUZZ sets the number;
HEALTHLIB_FUZZ_FILES names a folder whose CSV files are mutated as well.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlib.errors import HealthlibError
from healthlib.spec import Band, Scorecard, TableSource, Workspace
from healthlib.tables import Tables, load_tables

CASES = int(os.environ.get("HEALTHLIB_FUZZ", "200"))
SCORECARD = Scorecard(groups=("adoption",), metrics={}, bands=(Band.model_validate({"name": "red", "from": 0}),))
IDS = ("001", "A-2e4581", "x y", "Zürich")
SOUND = {
    "accounts": "account_id,name\n" + "".join(f"{name},n\n" for name in IDS),
    "contracts": "account_id,start_date,end_date,arr\n" + "".join(f"{name},2024-01-01,,1\n" for name in IDS),
    "usage": "account_id,occurred_at\n001,2024-05-01\n",
}
EMPTY = re.compile(r"(|null|none|nan|nat|n/a|na|\\n)", re.IGNORECASE)
YES, NO = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
WHEN_CELLS = [
    "2024-05-01",
    "2024-05-01T10:00:00",
    "2024-05-01 10:00:00",
    "2024-05-01T10:00:00Z",
    "2024-05-01T23:30:00-02:00",
    "2024-5-1",
    "2024-05-01T10:00:00.123456",
    "2024-05-01 10:00+02",
    "05/01/2024",
    "2024-02-30",
    "soon",
    "NULL",
    "",
    " 2024-05-01 ",
    "infinity",
    "9999-12-31",
    "1899-12-31",
    "45412",
    "2024-05-01 24:00:00",
    "     Epoch",
    "epoch",
    "2024-05-01 10:00:00 Europe/Amsterdam",
    "2024/05/01",
]
NUMBER_CELLS = [
    "1",
    "0",
    "-1",
    "1.5",
    "1e3",
    "1_000",
    "1,000",
    "1,5",
    "1,234.50",
    "nan",
    "inf",
    "2e12",
    "",
    " 7 ",
    "n/a",
    "€5",
    "007",
    "0x1f",
    "12345678901234567890",
    "1.",
    ".5",
    "+5",
    "5%",
    "true",
]
TEXT_CELLS = [
    "a",
    "",
    " a ",
    "=1+1",
    'say "hi"',
    "a,b",
    "a;b",
    "line\nbreak",
    "cr\rlf\r\n",
    "\u202eevil",
    "ü",
    "x" * 300,
    "NULL",
    "\ttab",
    "'",
    "\u00a0",
    "0012",
    "true",
    "2024-05-01",
    "12",
    "🚀",
    "\x00",
]
ID_CELLS = [*IDS, *IDS, "009", "", " 001", "001 ", "001\t", "\u00a0001", "A-2E4581", "1", "null"]
FLAG_CELLS = ["true", "FALSE", "yes", "0", "maybe", "", " true", "on", "N"]
COLUMNS = {
    "usage": {
        "account_id": ID_CELLS,
        "occurred_at": WHEN_CELLS,
        "user_id": TEXT_CELLS,
        "quantity": NUMBER_CELLS,
        "extra": TEXT_CELLS + NUMBER_CELLS,
    },
    "tickets": {
        "account_id": ID_CELLS,
        "opened_at": WHEN_CELLS,
        "closed_at": WHEN_CELLS,
        "ticket_id": TEXT_CELLS,
        "satisfaction": NUMBER_CELLS,
    },
    "contracts": {
        "account_id": ID_CELLS,
        "start_date": WHEN_CELLS,
        "end_date": WHEN_CELLS,
        "arr": NUMBER_CELLS,
        "auto_renew": FLAG_CELLS,
        "outcome": ["Renewed", "churned", "won", ""],
    },
    "accounts": {"account_id": ID_CELLS, "name": TEXT_CELLS, "since": WHEN_CELLS, "vip": FLAG_CELLS},
}
REAL = {
    "usage": (
        "account_id,occurred_at,user_id,feature,quantity,ip\n"
        + "".join(
            f"{IDS[i % 4]},2024-0{1 + i % 9}-1{i % 7} 0{i % 10}:15:00,u{i % 5},feature_{i % 3},{i % 4},10.0.0.{i}\n" for i in range(25)
        )
    ),
    "tickets": (
        '"account_id","opened_at","closed_at","ticket_id","severity","category","satisfaction","subject"\r\n'
        + "".join(
            f'"{IDS[i % 4]}","2024-03-{10 + i}T08:00:00Z","{"" if i % 3 else f"2024-04-{10 + i}T09:30:00+02:00"}","T-{i}","high","how, to",'
            f'"{i % 6}","He said ""no""{chr(10) if i % 5 == 0 else " "}and left"\r\n'
            for i in range(15)
        )
    ),
    "contracts": (
        "account_id;start_date;end_date;arr;seats;auto_renew;outcome\n"
        + "".join(
            f"{IDS[i % 4]};202{i % 5}-01-01;202{1 + i % 5}-01-01;{1200.5 * i};{i};TRUE;{'renewed' if i % 2 else ''}\n" for i in range(15)
        )
    ),
    "accounts": "account_id\tname\tsegment\n001\tAda\tSMB\nA-2e4581\tBob & Söhne\tEnt\nx y\t\t\nZürich\tCyd\tEnt\n",
}


@dataclass(frozen=True)
class Case:
    """One broken file: the table it is for, its bytes, its ending."""

    table: str
    content: bytes
    ending: str = ".csv"


@st.composite
def made(draw: st.DrawFn) -> Case:
    """A table of odd cells, written in an odd way."""
    table = draw(st.sampled_from(sorted(COLUMNS)))
    columns = draw(st.permutations(list(COLUMNS[table])))
    sound = draw(st.booleans())  # half of them mostly sound: a table in which every row is wrong shows little
    delimiter, newline = draw(st.sampled_from([",", ",", ";", "\t", "|"])), draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    lines = [columns]
    for _ in range(draw(st.integers(0, 12))):
        lines.append([draw(st.sampled_from(COLUMNS[table][name][: 3 if sound and draw(st.integers(0, 9)) else None])) for name in columns])
    quoted = draw(st.sampled_from(["minimal", "all", "careless"]))
    text = newline.join(delimiter.join(_written(cell, delimiter, quoted) for cell in cells) for cells in lines) + draw(
        st.sampled_from([newline, ""])
    )
    return _encoded(draw, table, text)


def _written(cell: str, delimiter: str, quoted: str) -> str:
    odd = any(mark in cell for mark in (delimiter, '"', "\n", "\r"))
    if quoted == "all" or (quoted == "minimal" and odd):
        return '"' + cell.replace('"', '""') + '"'
    return cell


@st.composite
def mutated(draw: st.DrawFn) -> Case:
    """A file as such files are, and then bytes flipped, lines cut or doubled, columns swapped, delimiters changed."""
    table, text = draw(st.sampled_from(sorted(_real())))
    lines = text.splitlines(keepends=True)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(["cut", "double", "drop", "blank", "delimiter", "swap", "quote", "junk"]))
        line = lines[at]
        lines[at] = {
            "cut": line[: draw(st.integers(0, len(line)))],
            "double": line * 2,
            "drop": "",
            "blank": line + draw(st.sampled_from(["\n", "  \n", ",,,\n"])),
            "delimiter": line.replace(",", ";"),
            "swap": ",".join(reversed(line.strip().split(","))) + "\n",
            "quote": line.replace(",", ',"', 1),
            "junk": line[:9] + draw(st.sampled_from(["\x00", "\r", "\n", '"', "ï", "\ufeff"])) + line[9:],
        }[change]
    case = _encoded(draw, table, "".join(lines))
    content = bytearray(case.content)
    for _ in range(draw(st.integers(0, 3))):
        if content and case.ending == ".csv":
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return Case(table, bytes(content), case.ending)


def _real() -> Iterator[tuple[str, str]]:
    """The files above; and those of a folder, each read as a table of accounts by its first column."""
    yield from REAL.items()
    folder = os.environ.get("HEALTHLIB_FUZZ_FILES")
    for path in sorted(Path(folder).rglob("*.csv")) if folder else ():
        with path.open(encoding="utf-8-sig", newline="") as stream:
            head = "".join(stream.readline() for _ in range(40))
        first = re.split(r"[,;\t]", head.split("\n", 1)[0])[0]
        yield "accounts", head.replace(first, "account_id", 1)


def _encoded(draw: st.DrawFn, table: str, text: str) -> Case:
    encoding = draw(st.sampled_from(["utf-8"] * 5 + ["utf-8-sig", "utf-16", "latin-1", "cp1252"]))
    content = text.encode(encoding, errors="replace")
    if draw(st.integers(0, 9)) == 0:
        return Case(table, gzip.compress(content), ".csv.gz")
    return Case(table, content)


def loaded(case: Case, folder: Path) -> Tables | None:
    """The tables of a workspace in which one file is the case; None where it was refused in words that name it."""
    for name, text in SOUND.items():
        if name != case.table:
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    (folder / f"{case.table}{case.ending}").write_bytes(case.content)
    given = {case.table: TableSource(file=f"{case.table}{case.ending}")}
    fields = {"folder": folder, "name": "Fuzz", "scorecard": SCORECARD, "max_rejected": 1.0, "tables": given}
    try:
        return load_tables(Workspace.model_validate(fields))
    except HealthlibError as error:
        assert case.table in str(error) or "no row with a date" in str(error)  # noqa: PT017
        return None


def plain_text(case: Case) -> bytes:
    """The file as UTF-8 with line feeds, where it says itself that it is something else."""
    content = gzip.decompress(case.content) if case.ending == ".csv.gz" else case.content
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16")
        content = (text if "\n" in text else text.replace("\r", "\n")).encode("utf-8")
    return content.replace(b"\r", b"\n") if b"\n" not in content else content


def check(case: Case) -> None:
    """The promises, for one case."""
    with tempfile.TemporaryDirectory() as scratch:
        tables = loaded(case, Path(scratch))
        if tables is None:
            return
        report = tables.report.set_index("table").loc[case.table]
        rejected = tables.rejected.get(case.table, pd.DataFrame(columns=["line", "column", "rule"]))
        used = tables.engine.query(f"SELECT * FROM data.{case.table} ORDER BY _line")
        assert report["rows_in"] == report["rows_used"] + report["rows_rejected"]
        assert (report["rows_used"], report["rows_rejected"]) == (len(used), len(rejected))
        file = Reading(plain_text(case))
        covered = [line for line in used["_line"] for line in file.lines_of(int(line))]
        for line, column, rule in zip(rejected["line"], rejected["column"], rejected["rule"], strict=True):
            covered += file.lines_of(int(line)) if column or rule.startswith("too ") else [int(line)]
        assert len(covered) == len(set(covered)), "a line is in two rows"
        assert set(file.filled()) <= set(covered), "a line is in no row"
        for row in used.astype(object).where(used.notna(), None).to_dict("records"):
            cells = file.cells(int(row["_line"]))
            for name, kind in tables.columns[case.table].items():
                if file.header.count(name) == 1:
                    same(case.table, name, kind, cells[file.header.index(name)], row[name])


class Reading:
    """The file once more, by Python's csv module."""

    def __init__(self, content: bytes):
        self.lines = [line.decode("utf-8", errors="replace") for line in io.BytesIO(content)]
        self.top = next(i for i, line in enumerate(self.lines) if line.removeprefix("\ufeff").strip(" \t\r\n\x0b\x0c"))
        heads = {mark: next(csv.reader([self.lines[self.top].removeprefix("\ufeff").strip("\r\n")], delimiter=mark)) for mark in ",;\t|"}
        self.delimiter = max(",;\t|", key=lambda mark: len(heads[mark]))
        self.header = [cell.strip() for cell in heads[self.delimiter]]

    def _record(self, line: int) -> tuple[list[str], int]:
        reader = csv.reader(iter(self.lines[line - 1 :]), delimiter=self.delimiter, skipinitialspace=True)
        return next(reader), reader.line_num

    def cells(self, line: int) -> list[str]:
        """The cells of the record that starts on a line."""
        return self._record(line)[0]

    def lines_of(self, line: int) -> list[int]:
        """The lines of the record that starts on a line."""
        return list(range(line, line + self._record(line)[1]))

    def filled(self) -> list[int]:
        """The lines below the header that say something."""
        return [i for i, line in enumerate(self.lines, start=1) if i > self.top + 1 and line.strip(" \t\r\n\x0b\x0c")]


def same(table: str, name: str, kind: str, cell: str, found: object) -> None:
    """That a cell was typed and not changed."""
    told = f"{table}.{name}: {cell!r} became {found!r}"
    bare = cell.strip(" \t\r\n\u00a0")
    if kind == "text":
        expected = bare if name == "account_id" else cell.strip(" ")
        expected = expected.lower() if name == "outcome" else expected
        assert (found or "") == expected, told
    elif EMPTY.fullmatch(bare):
        assert found is None, told
    elif kind == "number":
        assert found is not None, told
        assert math.isclose(float(found), float(bare.replace(",", "")), rel_tol=1e-15), told
    elif kind == "flag":
        assert found is (bare.lower() in YES), told
        assert bare.lower() in YES | NO, told
    else:
        moment = read_moment(bare)
        if (table, name) == ("contracts", "end_date") and (moment == "later" or (isinstance(moment, datetime) and moment.year > 2199)):
            assert found is None, told
        elif isinstance(moment, datetime):
            assert pd.Timestamp(str(found)) == pd.Timestamp(moment), told
        else:
            digits = [int(part) for part in re.findall(r"\d+", bare)[:3]]
            assert digits == [pd.Timestamp(str(found)).year, pd.Timestamp(str(found)).month, pd.Timestamp(str(found)).day], told


def read_moment(text: str) -> datetime | str | None:
    """An ISO moment in UTC, read by the standard library; "later" for one without end; None for what it cannot read."""
    if text == "infinity":
        return "later"
    if text.endswith(" 24:00:00"):  # ISO 8601's other name for midnight
        return datetime.fromisoformat(text[:10]) + timedelta(days=1)
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        zoned = re.fullmatch(r"(\S+ \S+) Europe/Amsterdam", text)
        return pd.Timestamp(zoned[1], tz="Europe/Amsterdam").tz_convert("UTC").tz_localize(None).to_pydatetime() if zoned else None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


FUZZ = settings(
    max_examples=CASES * 2 // 5, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, derandomize=CASES <= 200
)


@FUZZ
@given(case=made())
def test_made_tables(case: Case) -> None:
    check(case)


@FUZZ
@given(case=mutated())
def test_mutated_files(case: Case) -> None:
    check(case)


def test_the_second_reading_would_notice() -> None:
    """A row that is lost, told twice or changed does not pass."""
    file = Reading(b'a,b\n1,"x\ny"\n\n2,z\n')
    assert (file.header, file.filled(), file.lines_of(2), file.cells(5)) == (["a", "b"], [2, 3, 5], [2, 3], ["2", "z"])
    for kind, cell, found in [
        ("text", "a", "b"),
        ("number", "1,000", 1),
        ("when", "2024-05-01T00:00:00+02:00", "2024-05-01"),
        ("flag", "no", True),
    ]:
        with pytest.raises(AssertionError):
            same("usage", "x", kind, cell, found)
