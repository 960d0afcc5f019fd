"""Text in another encoding than UTF-8: which one it is, and a UTF-8 copy for readers that know no other."""

from __future__ import annotations

import codecs
import gzip
import re
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from healthlib.reach import within

BLOCK = 1 << 20
SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz")


def encoding_of(path: Path) -> str:
    """utf-8, utf-8-sig, utf-16 or cp1252: what a spreadsheet on Windows writes where it does not write UTF-8.

    Bytes alone cannot tell cp1252 from its neighbours (ISO 8859-15, Mac); it is the one by far most often met.
    """
    with open_bytes(path) as stream:
        block = stream.read(BLOCK)
        if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        marked = block.startswith(codecs.BOM_UTF8)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while block:
                decoder.decode(block)
                block = stream.read(BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig" if marked else "utf-8"


def decoded(data: bytes, encoding: str) -> str:
    """Text of bytes; the five bytes that cp1252 leaves undefined stand for themselves, so that nothing is lost."""
    if encoding != "cp1252":
        return data.decode(encoding)
    return "".join(_byte(byte) for byte in data) if any(byte in data for byte in UNDEFINED) else data.decode("cp1252")


UNDEFINED = (0x81, 0x8D, 0x8F, 0x90, 0x9D)


def _byte(byte: int) -> str:
    return chr(byte) if byte in UNDEFINED else bytes([byte]).decode("cp1252")


def in_utf8(sql: str, allowed: tuple[Path, ...], scratch: Path) -> str:
    """The query, with each CSV it names in quotes that is not UTF-8 replaced by a UTF-8 copy in `scratch`.

    The embedded database reads UTF-8; an export from a German or French spreadsheet is often something else. Paths are absolute
    (`reach.written_out`); a file outside the `allowed` folders is left for the database to refuse.
    """
    return re.sub(r"'((?:[^'\n]|'')*)'", lambda found: _copied(found, allowed, scratch), sql)


def _copied(found: re.Match[str], allowed: tuple[Path, ...], scratch: Path) -> str:
    name = re.sub(r"\[([*?\[])\]", r"\1", found[1].replace("''", "'"))
    if not name.lower().endswith(SUFFIXES):
        return found[0]
    path = Path(name)
    if not path.is_absolute() or not within(path, allowed):
        return found[0]
    try:
        encoding = encoding_of(path) if path.is_file() else "utf-8"
        if encoding.startswith("utf-8"):
            return found[0]
        target = scratch / f"{sha256(str(path.resolve()).encode()).hexdigest()}.csv"
        with open_bytes(path) as stream:
            target.write_text(decoded(stream.read(), encoding).removeprefix("\ufeff"), encoding="utf-8", newline="")
    except (OSError, EOFError, UnicodeError):
        return found[0]
    return "'" + str(target).replace("'", "''") + "'"


def open_bytes(path: Path) -> BinaryIO:
    """A file's bytes, unpacked where it is gzip."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")
