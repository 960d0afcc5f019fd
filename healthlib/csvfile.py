"""A CSV as a file of text: unpacked, its delimiter and header found, its lines counted."""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DELIMITERS = (",", ";", "\t", "|")
BLOCK = 1 << 20
LINE_FEED = 10
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


BOMB_BYTES, BOMB_RATIO = 1 << 28, 200
"""What unpacks to more than so many bytes and so many times its size is no export; these pack 5 to 50 times."""


class UnreadableError(ValueError):
    """The bytes are not a table of text; the message says what was found."""


@dataclass(frozen=True)
class CsvFile:
    """One CSV, unpacked and looked at.

    Attributes
    ----------
    path : plain text to read: the file itself, or its unpacked copy
    delimiter : one of `DELIMITERS`
    header : column names as they stand in the file
    first : the cells of the line under the header, as far as they can be told at a glance
    lines : lines after the header, those at the very end that are blank not counted
    plain : whether the header is line 1 and every line ends in the same way, so that a reader that finds `lines` records
        and no fault has found one record a line
    sha256 : of the file's bytes as delivered
    ended : whether its last line ends as lines do; that of a file that was cut off does not
    """

    path: Path
    delimiter: str
    header: tuple[str, ...]
    first: tuple[str, ...]
    lines: int
    plain: bool
    sha256: str
    ended: bool = True


def open_csv(path: Path, scratch: Path) -> CsvFile:
    """Look at a CSV or CSV.GZ file.

    Parameters
    ----------
    path : the file
    scratch : folder for an unpacked copy, where one is needed

    Raises
    ------
    UnreadableError : empty, not text, or a damaged archive
    """
    try:
        readable, digest = _unpacked(path, scratch)
        newlines, plain, blank_end, ended = _count_lines(readable)
        header_line, header, delimiter, first = _header(readable)
    except (OSError, EOFError, UnicodeError, zlib.error, csv.Error) as error:
        raise UnreadableError(f"a file that cannot be read ({type(error).__name__}: {error})") from error
    return CsvFile(readable, delimiter, header, first, newlines - blank_end - header_line, plain and header_line == 1, digest, ended)


def _unpacked(path: Path, scratch: Path) -> tuple[Path, str]:
    """A plain UTF-8 text file with \\n line ends, copied to `scratch` only where the original is something else; and the SHA-256."""
    digest = file_sha256(path)
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else path.open("rb") as stream:
        start = stream.read(BLOCK)
    if not start.strip():
        raise UnreadableError("an empty file")
    mac = b"\r" in start and b"\n" not in start
    utf16 = start.startswith(UTF16_BOMS)
    if not (packed or mac or utf16):
        return path, digest
    target = scratch / f"{digest}.csv"
    with gzip.open(path, "rb") if packed else path.open("rb") as stream, target.open("wb") as copy:
        if utf16:
            text = stream.read().decode("utf-16")
            copy.write((text if "\n" in text else text.replace("\r", "\n")).encode("utf-8"))
        else:
            for block in iter(lambda: stream.read(BLOCK), b""):
                copy.write(block.replace(b"\r", b"\n") if mac else block)
                refuse_bomb(copy.tell(), path)
    return target, digest


def refuse_bomb(unpacked: int, path: Path) -> None:
    """Raise UnreadableError where a packed file has come to more than an export ever does."""
    if unpacked > max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size):
        raise UnreadableError(f"a packed file that unpacks to more than {BOMB_RATIO} times its size")


def records_at(file: CsvFile, lines: Sequence[int]) -> Iterator[list[str]]:
    """The cells of some lines of a file that is one record a line.

    Parameters
    ----------
    file : a `plain` one
    lines : numbers of lines, rising; the header is line 1
    """
    wanted = iter(lines)
    after = next(wanted, None)
    with file.path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            if after is None:
                return
            if number == after:
                yield next(csv.reader([raw.decode("utf-8").rstrip("\r\n")], delimiter=file.delimiter, skipinitialspace=True))
                after = next(wanted, None)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _count_lines(path: Path) -> tuple[int, bool, int, bool]:
    """Lines in all, whether every carriage return belongs to a line end, how many lines at the end are blank, whether the last one ends."""
    newlines = returns = pairs = 0
    tail = b""
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            newlines += np.count_nonzero(np.frombuffer(block, np.uint8) == LINE_FEED)
            if b"\r" in block:
                returns += block.count(b"\r")
                pairs += block.count(b"\r\n")
            pairs += tail.endswith(b"\r") and block.startswith(b"\n")
            tail = (tail + block)[-4096:]
    ending = tail[len(tail.rstrip(b"\r\n")) :].count(b"\n")
    return int(newlines) + (ending == 0), returns == pairs, max(ending - 1, 0), ending > 0


def _header(path: Path) -> tuple[int, tuple[str, ...], str, tuple[str, ...]]:
    """Line the header ends on, its cells, the delimiter that cuts it into most cells, and the cells of the line below."""
    number, text = 0, ""
    with path.open("rb") as stream:
        while not text.strip() and (raw := stream.readline()):
            number, text = number + 1, raw.removeprefix(UTF8_BOM).decode("utf-8").strip("\r\n")
        below = stream.readline(BLOCK).decode("utf-8", errors="replace").strip("\r\n")
    if not text.strip():
        raise UnreadableError("an empty file")
    if "\0" in text:
        raise UnreadableError("a file that is not text")
    cut = {delimiter: next(csv.reader([text], delimiter=delimiter)) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda d: len(cut[d]))
    first = tuple(cell.strip('"') for cell in below.split(delimiter))
    return number, tuple(cell.strip() for cell in cut[delimiter]), delimiter, first
