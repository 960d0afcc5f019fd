"""A folder of exports as sheets of text: CSV in any delimiter and encoding, Parquet, Excel; nothing is written there."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from .csvfile import DELIMITERS
from .errors import HealthlibError
from .init_words import generic
from .transcode import encoding_of, open_bytes
from .workbook import DAMAGED

LOOKED_AT = 500_000
"""Most rows of a file that are looked at; more say no more about what its columns mean."""
TEXTS, PARQUET, EXCEL = (".csv", ".tsv", ".txt", ".csv.gz"), (".parquet",), (".xlsx", ".xlsm", ".xls")


@dataclass(frozen=True)
class Sheet:
    """One table as it was exported.

    Attributes
    ----------
    label : file as the user knows it, relative to the folder of exports, with `[sheet]` where a workbook has several
    paths : the file, or the files of one export cut in parts (events-2024-01.csv, events-2024-02.csv …)
    form : csv, parquet or excel
    sheet : name of a workbook's sheet, where it has several
    delimiter, encoding : of a CSV
    cells : a column per header; text, or what Parquet and Excel typed; empty cells are missing
    partial : only the first `LOOKED_AT` rows were looked at
    ragged : lines of a CSV with more cells than its header, in words; SQL reads no file that has one
    doubled : two headers are the same but for upper and lower case; the first one counts
    """

    label: str
    paths: tuple[Path, ...]
    form: str
    sheet: str | None
    delimiter: str
    encoding: str
    cells: pd.DataFrame
    partial: bool = False
    ragged: str = ""
    doubled: bool = False
    _sets: dict[str, frozenset[str]] = field(default_factory=dict, repr=False, compare=False)

    def values(self, name: str) -> frozenset[str]:
        """The different filled cells of a column, as text."""
        if name not in self._sets:
            self._sets[name] = frozenset(self.cells[name].dropna().astype(str).unique())
        return self._sets[name]

    @property
    def stem(self) -> str:
        """The name that says what the file holds."""
        return self.sheet or re.sub(r"\.(csv|tsv|txt|parquet|xlsx?|xlsm|gz)\b", "", Path(self.label).name, flags=re.IGNORECASE)


def read_exports(folder: Path) -> tuple[list[Sheet], list[str]]:
    """Every table in a folder, by name, and a line for each file that is none or cannot be read.

    Raises
    ------
    HealthlibError : no folder, or no table in it
    """
    if not folder.is_dir():
        raise HealthlibError(f"{folder.as_posix()} is no folder; --exports names the folder that holds the exports")
    sheets: list[Sheet] = []
    left: list[str] = []
    for path in sorted(_files(folder)):
        label = path.relative_to(folder).as_posix()
        try:
            found = list(_sheets(path, label))
        except (*DAMAGED, ImportError, csv.Error) as error:
            left.append(f"{label}: cannot be read ({_short(error)})")
            continue
        sheets += [sheet for sheet in found if len(sheet.cells) and len(sheet.cells.columns)]
        left += [f"{sheet.label}: no row" for sheet in found if not len(sheet.cells) or not len(sheet.cells.columns)]
        left += [f"{label}: not a CSV, Parquet or Excel file"] if not found else []
    if not sheets:
        raise HealthlibError("\n  ".join([f"{folder.as_posix()} holds no table: no CSV, Parquet or Excel file with a row in it", *left]))
    return _joined_parts(sheets), left


def _files(folder: Path) -> Iterable[Path]:
    inside = (path for path in folder.rglob("*") if path.is_file())
    return (path for path in inside if not any(part.startswith((".", "~$")) for part in path.relative_to(folder).parts))


def _sheets(path: Path, label: str) -> Iterable[Sheet]:
    name = path.name.lower()
    if name.endswith(TEXTS):
        yield _read_text(path, label)
    elif name.endswith(PARQUET):
        frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
        partial = len(frame) > LOOKED_AT
        yield Sheet(label, (path,), "parquet", None, "", "", _tidy(frame.head(LOOKED_AT)), partial)
    elif name.endswith(EXCEL):
        book = pd.read_excel(path, sheet_name=None, dtype=object)
        for sheet, frame in book.items():
            title = f"{label} [{sheet}]" if len(book) > 1 else label
            yield Sheet(title, (path,), "excel", str(sheet) if len(book) > 1 else None, "", "", _tidy(frame.convert_dtypes()))


def _read_text(path: Path, label: str) -> Sheet:
    encoding = encoding_of(path)
    with open_bytes(path) as stream:
        start = stream.read(1 << 16)
    head = next((line for line in start.decode(encoding, "replace").lstrip("\ufeff").splitlines() if line.strip()), "")
    if not head or "\0" in head:
        raise ValueError("an empty file" if not head else "not text")
    delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([head], delimiter=mark))))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        frame = pd.read_csv(
            path, sep=delimiter, dtype=str, keep_default_na=False, nrows=LOOKED_AT + 1, on_bad_lines="warn", index_col=False,
            encoding=encoding, encoding_errors="replace",
        )  # fmt: skip
    names = next(csv.reader([head], delimiter=delimiter))
    lower = [name.strip().lower() for name in names]
    again = [place for place, name in enumerate(lower) if name in lower[:place]] if len(names) == frame.shape[1] else []
    doubled, partial = bool(again), len(frame) > LOOKED_AT
    frame = frame.drop(columns=[frame.columns[place] for place in again])
    return Sheet(label, (path,), "csv", None, delimiter, encoding, _tidy(frame.head(LOOKED_AT)), partial, _ragged(said), doubled)


def _ragged(said: Sequence[warnings.WarningMessage]) -> str:
    """How many lines have more cells than the header, and the first of them."""
    lines = [found for warning in said for found in re.findall(r"line (\d+): expected (\d+) fields, saw (\d+)", str(warning.message))]
    if lines:
        line, wanted, seen = lines[0]
        return f"{len(lines)} lines have more cells than the header, the first is line {line} with {seen} where {wanted} are expected"
    longer = any("does not match length of data" in str(warning.message) for warning in said)
    return "its lines have more cells than its header" if longer else ""


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Header cells as text without blanks around them; cells that hold nothing are missing; wholly unnamed, empty columns go."""
    frame = frame.rename(columns=lambda name: str(name).strip())
    frame = frame.loc[:, ~frame.columns.duplicated()]
    for name in frame.columns:
        if frame[name].dtype == object or isinstance(frame[name].dtype, pd.StringDtype):
            text = frame[name].map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
            empty = text.map(lambda cell: isinstance(cell, str) and cell.lower() in NOTHING)
            frame[name] = text.mask(empty.astype(bool))
    hollow = [name for name in frame.columns if (not name or name.startswith("Unnamed:")) and frame[name].isna().all()]
    return frame.drop(columns=hollow).dropna(how="all").reset_index(drop=True)


NOTHING = frozenset(("", "null", "none", "nan", "nat", "n/a", "na", "\\n"))


def _joined_parts(sheets: list[Sheet]) -> list[Sheet]:
    """One export cut into files (same header, names alike but for digits) becomes one sheet."""
    groups: dict[tuple, list[Sheet]] = {}
    for sheet in sheets:
        bare = re.sub(r"[\d_\-. ]+", "", sheet.label)
        key = (
            bare if sheet.form != "excel" else sheet.label,
            sheet.form,
            sheet.delimiter,
            sheet.encoding,
            tuple(sheet.cells.columns),
            _shapes(sheet),
        )
        groups.setdefault(key, []).append(sheet)
    return [parts[0] if len(parts) == 1 else _join(parts) for parts in groups.values()]


def _shapes(sheet: Sheet) -> tuple[str, ...]:
    """What a column's first cell looks like, where headers only count (c1, c2): the same header says nothing. () else."""
    if not all(map(generic, map(str, sheet.cells.columns))):
        return ()
    firsts = [str(cells.dropna().iloc[0]) if cells.notna().any() else "" for _, cells in sheet.cells.items()]
    return tuple(re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", first)) for first in firsts)


def _join(parts: list[Sheet]) -> Sheet:
    cells = pd.concat([part.cells for part in parts], ignore_index=True)
    return Sheet(
        label=f"{parts[0].label} … {Path(parts[-1].label).name} ({len(parts)} files)",
        paths=tuple(path for part in parts for path in part.paths),
        form=parts[0].form,
        sheet=None,
        delimiter=parts[0].delimiter,
        encoding=parts[0].encoding,
        cells=cells.head(LOOKED_AT),
        partial=len(cells) > LOOKED_AT or any(part.partial for part in parts),
        ragged="; ".join(f"{part.label}: {part.ragged}" for part in parts if part.ragged),
        doubled=any(part.doubled for part in parts),
    )


def _short(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]
