"""What the machine refused or left behind: no room, no right, no memory in one plain line; temporary folders that outlive nobody."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path

from healthlib.errors import EvidenceError, HealthlibError

KEPT = "The last good report is left as it was."
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
NO_FOLDER = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
NO_THREAD = "can't start new thread"
INTERRUPTED = "Query interrupted"
NO_MEMORY = f"memory ran out. {KEPT} Give the machine more memory, or cut the history of the exports."


class FullError(EvidenceError):
    """No room was left, or a file grew larger than it may (exit 1)."""


def hold_streams() -> None:
    """Puts the null device where standard input, output or error was closed: else the next file opened would take its number.

    A scheduler may start a command with streams closed; a notebook kernel dies of it, and what is printed would go into that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY), True)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False, encoding="utf-8"))  # noqa: SIM115


def refused(error: BaseException) -> HealthlibError | None:
    """What the machine refused, in one line: what happened, that the last report is whole, what to do. None for any other error.

    Parameters
    ----------
    error : an OSError, a MemoryError, or the RuntimeError of a thread that got no memory for its stack

    >>> print(refused(OSError(errno.ENOSPC, "No space left on device", "out/a.csv")))
    the disk is full (out/a.csv). The last good report is left as it was. Make room, or write to another --out, and run again.
    """
    if isinstance(error, RuntimeError) and str(error) == INTERRUPTED:  # what DuckDB makes of Ctrl-C while it reads
        return EvidenceError("stopped; the last good report is left as it was")
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_THREAD in str(error)):
        return EvidenceError(NO_MEMORY)
    if not isinstance(error, OSError):
        return None
    place = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
    number = error.errno or _number(str(error))
    if number == errno.ENOMEM:
        return EvidenceError(NO_MEMORY)
    if number in FULL:
        what = "a file would grow larger than it may" if number == errno.EFBIG else "the disk is full"
        return FullError(f"{what}{place}. {KEPT} Make room, or write to another --out, and run again.")
    if number in CLOSED:
        return HealthlibError(f"this user may not read or write there{place}. {KEPT} Mend the rights, or write to another --out.")
    if number in NO_FOLDER:
        return HealthlibError(f"a folder was expected{place}, and a file is in the way. {KEPT} Write to another --out.")
    return None


def _number(text: str) -> int | None:
    """The error number that a library kept in its words only."""
    return next((number for number in (*FULL, *CLOSED) if os.strerror(number) in text), None)


@contextlib.contextmanager
def passing(prefix: str) -> Generator[Path]:
    """A temporary folder that is removed at the end; where its process was killed, by the next that asks for one.

    Its holder has a lock on a file in it, which the operating system lets go of when the holder dies.

    Parameters
    ----------
    prefix : begins its name, and that of those swept away before
    """
    home = Path(tempfile.gettempdir())
    _sweep(home, prefix)
    aside = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=home))  # nobody sweeps it before it is locked
    with (aside / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        folder = home / aside.name.removeprefix(".")
        aside.rename(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(home: Path, prefix: str) -> None:
    """Remove this user's folders of that prefix whose holder is dead."""
    for left in home.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if left.is_symlink() or left.stat().st_uid != os.getuid():
                continue
            with (left / ".lock").open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def stoppable() -> Generator[None]:
    """Let a request to stop (SIGTERM, as a scheduler or a shutdown sends it) end the work as an interrupt from the keyboard does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_children() -> None:
    """Kill the processes that this one began, kernels too, so that no thread goes on waiting for them. Linux only."""
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in listed.read_text().split():
                os.kill(int(child), signal.SIGKILL)
