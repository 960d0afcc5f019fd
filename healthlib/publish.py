"""Publishing in one step: built aside, swapped in whole, one run at a time; whatever dies leaves the last good folder."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from .errors import HealthlibError

LOCK = ".lock"
ASIDE = ".new-"
MASKED = "anonymised.json"
"""Stands beside reports whose names are masked, and says under which secret: the eight digits of its mark."""
OLD = ".old-"
_AT_FDCWD, _EXCHANGE = -100, 2


class ApartError(HealthlibError):
    """Reports with names and reports without, or under two secrets, would lie in one folder (exit 2)."""


class LockError(HealthlibError):
    """Another run is writing to the same folder (exit 2). The message says who, where and since when."""


@contextlib.contextmanager
def lock(folder: Path) -> Generator[None]:
    """Hold `folder` for one run. The operating system drops the lock when its holder dies, so none is ever stale.

    Raises
    ------
    LockError
        At once, where somebody else holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise LockError(f"{folder} is held by another run: {_holder(folder / LOCK)}. Wait for it, or write to another --out.") from None
        file.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}))
        file.flush()
        try:
            sweep(folder)
            yield
        finally:
            file.truncate(0)


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError):
        who = json.loads(path.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']} since {who['since']}"
    return "a process that has just begun"


def sweep(folder: Path) -> None:
    """Clear away what dead runs left; a good folder caught half-way through a swap is put back. Only under the lock."""
    for left in sorted(folder.glob(f"{OLD}*")):
        target = folder / left.name.removeprefix(OLD)
        if not target.exists():
            left.rename(target)
    for left in [*folder.glob(f"{ASIDE}*"), *folder.glob(f"{OLD}*")]:
        shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def built_aside(target: Path) -> Generator[Path]:
    """A hidden empty folder beside `target`, swapped into its place at the end; on any error it is removed and `target` untouched."""
    aside = target.with_name(f"{ASIDE}{target.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        swap(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def scratch(shelf: Path) -> Generator[Path]:
    """A hidden folder for what passes between the parts of a run: removed at its end, or by `sweep` where the run was killed."""
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=shelf) as folder:
        yield Path(folder)


def swap(new: Path, target: Path) -> None:
    """Put `new` in the place of `target` in one step where the system can exchange two names, else in two that `sweep` can finish."""
    if not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        old = target.with_name(f"{OLD}{target.name}")
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
        new.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    It is written beside, under one name that writers take in turn: what a killed one left there is overwritten by the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    with _in_turn(aside) as file:
        try:
            file.truncate(0)
            file.write(text)
            file.flush()
            if path.exists():
                shutil.copymode(path, aside)
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _in_turn(path: Path) -> Generator[TextIO]:
    """The file, open and locked; another is opened while the one waited for was put elsewhere by who held it."""
    while True:
        if path.exists() and not os.access(path, os.W_OK):
            path.unlink(missing_ok=True)  # left by a killed run of another user
        with open(path, "a", encoding="utf-8", newline="", opener=_no_link) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(path, file):
                yield file
                return


def _is_at(path: Path, file: TextIO) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def apart(shelf: Path, mark: str) -> None:
    """Keep reports with names and reports without them in two folders: a reader of the one must not find the other. Under the lock.

    Parameters
    ----------
    mark : of the secret that names are masked under; "" where they are not

    Raises
    ------
    ApartError
        Where `shelf` holds reports of another kind.
    """
    held, cure = _mark(shelf), "give another --out"
    if mark and held is None and (any(shelf.glob("????-??-??")) or any(shelf.glob("*.failed.ipynb"))):
        raise ApartError(f"{shelf} holds reports with names, and whoever reads masked ones would find them there: {cure}")
    if mark and held is not None and held != mark:
        raise ApartError(f"{shelf} holds reports masked under another secret ({held}, not {mark}): set that one, or {cure}")
    if held is not None and not mark:
        raise ApartError(f"{shelf} holds reports whose names are masked, for readers who should see none: add --anonymise, or {cure}")
    if mark and held is None:
        write_whole(shelf / MASKED, json.dumps({"masks": mark}) + "\n")


def _mark(shelf: Path) -> str | None:
    """The mark of the reports in a folder; None where their names are not masked, "" where it cannot be read."""
    try:
        return str(json.loads((shelf / MASKED).read_text(encoding="utf-8"))["masks"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def added(shelf: Path, day: str, write: Callable[[Path], None], mark: str = "") -> Path:
    """Let `write` add to a copy of the folder of `day`, and put the copy in its place in one step; returns it. `mark`: see `apart`."""
    with lock(shelf):
        apart(shelf, mark)
        return _added(shelf, day, write)


def _added(shelf: Path, day: str, write: Callable[[Path], None]) -> Path:
    with built_aside(shelf / day) as aside:
        if (shelf / day).is_dir():
            shutil.copytree(shelf / day, aside, dirs_exist_ok=True)
        write(aside)
    return shelf / day
