"""What a workspace may read: its own folder, the folders it names under `reads:`, the single files it names, and nothing else."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from healthlib.address import read_address
from healthlib.spec import Workspace
from healthlib.workbook import is_workbook

TEXTS = re.compile(r"--[^\n]*|/\*.*?\*/|'((?:[^'\n]|'')*)'|\"((?:[^\"\n]|\"\")*)\"", re.DOTALL)
"""Comments, which are left alone; 1: a text in single quotes; 2: a name in double quotes."""
DATA = re.compile(r"\.(csv|tsv|txt|parquet|json|ndjson|jsonl)(\.gz|\.zst)?$", re.IGNORECASE)
REFUSED = re.compile(r"Permission Error: Cannot access (?:file|directory) \"(.*?)\" - file system operations are disabled")
DENIED = "a file of the workspace folder, or of a folder named under `reads:` at the top of workspace.yaml"


def folders(workspace: Workspace) -> tuple[Path, ...]:
    """The folders whose files a query may read, absolute and free of links: the workspace's own first."""
    own = Path(workspace.folder)
    return (own.resolve(), *((own / other).resolve() for other in workspace.reads))


def files(workspace: Workspace, names: tuple[str, ...]) -> tuple[Path, ...]:
    """Single files that are read whole: those named by `file:` or `database:`, and those that bear a table's name.

    Parameters
    ----------
    names : of files that may lie in the folder, for links that lead out of it
    """
    own = Path(workspace.folder)
    named = [source.file for source in workspace.tables.values() if source.file]
    named += [workspace.flat.file] if workspace.flat is not None and workspace.flat.file else []
    found = [own / (name.partition("#")[0] if is_workbook(name) else name) for name in named]
    found += [own / name for name in names if (own / name).is_symlink()]
    address = read_address(workspace.database) if workspace.database else None
    if address is not None and address.kind == "duckdb":
        found += [own / address.path, own / f"{address.path}.wal"]
    return tuple(path.resolve() for path in found)


def within(path: Path, allowed: tuple[Path, ...]) -> bool:
    """Whether a path, links followed, lies in one of these folders."""
    return any(path.resolve().is_relative_to(folder) for folder in allowed)


def written_out(sql: str, folder: Path) -> str:
    """The query with each relative path of a file in it as an absolute one: the database takes a relative one for the process's own folder.

    A text is a path where it ends like a file of data, or where it has a slash or a dot and files of the folder match it.

    >>> written_out("select 'a.b' from 'x.csv' -- 'y.csv'", Path("/w"))
    "select 'a.b' from '/w/x.csv' -- 'y.csv'"
    """

    def put(found: re.Match[str]) -> str:
        text, quote = (found[1], "'") if found[1] is not None else (found[2], '"')
        if not text or "://" in text or Path(text).is_absolute() or not _is_path(text.replace(quote * 2, quote), folder):
            return found[0]
        start = os.path.normpath(os.path.join(glob.escape(str(folder.resolve())), text.replace(quote * 2, quote)))
        return quote + start.replace(quote, quote * 2) + quote

    return TEXTS.sub(put, sql)


def _is_path(text: str, folder: Path) -> bool:
    if DATA.search(text):
        return True
    return ("/" in text or "." in text) and next(_matches(text, folder), None) is not None


def named_files(sql: str, folder: Path, allowed: tuple[Path, ...]) -> Iterator[Path]:
    """The files that a query names in quotes, as far as they can be found and may be read: name by name, each name's in order."""
    names = {found[1].replace("''", "'") for found in TEXTS.finditer(sql) if found[1]}
    for name in sorted(names):
        start = re.split(r"[*?\[]", name, maxsplit=1)[0]
        if within((folder / start).parent if start else folder, allowed):
            yield from (path for path in sorted(_matches(name, folder)) if path.is_file() and within(path, allowed))


def _matches(name: str, folder: Path) -> Iterator[Path]:
    """What there is of a path or a pattern; nothing for what is no path: an empty text, a lone dot."""
    anchor = Path(name).anchor
    try:
        yield from Path(anchor or folder).glob(name.removeprefix(anchor))
    except (ValueError, NotImplementedError, OSError, IndexError):
        return


def told(message: str, folder: Path) -> tuple[str, str | None]:
    """A message of the database without the machine's paths; and the file that it would not open, where that is what happened."""
    own = f"{folder.resolve()}/"
    refused = REFUSED.search(message)
    return message.replace(own, ""), refused[1].replace(own, "") if refused else None
