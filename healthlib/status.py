"""`status.json`: what the last run of a workspace did or does, for monitoring; one small file that is always whole."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import __version__, publish
from .errors import HealthlibError
from .progress import Listener, Tell, listener, now, said

FILE = "status.json"
SCHEMA = 1
LARGEST = 100_000
"""Bytes above which a status.json is not ours."""
KEYS = (
    "schema", "workspace", "state", "as_of", "started", "finished", "seconds", "step", "steps_done", "steps", "rows", "exit_code",
    "message", "folder", "last_good", "version", "pid", "host",
)  # fmt: skip
"""Keys of ``<out>/<workspace>/status.json``, all of them always there, in this order.

schema : 1; a change of meaning makes it 2
workspace : the name of the folder the reports are kept under
state : running, ok or failed. A run that was killed leaves running, and a `pid` that is no longer alive: `healthlib doctor` says so
as_of : the day reported on, ISO; null until it is known
started, finished : UTC, ISO 8601 to the second; `finished` is null while it runs
seconds : since `started`, at the last change of the file
step : the step that began last
steps_done, steps : how many are done, of how many
rows : rows read from the tables; null until they are
exit_code : what the command returns: 0 done, 1 the data, the evidence or a notebook failed, 2 wrong use; null while it runs
message : why it failed, in one line without any password; empty where it did not
folder : the folder of this run's reports, beside this file; null unless state is ok
last_good : {as_of, finished, seconds, folder} of the last run that ended well, this one included; null where there was none
version : of healthlib
pid, host : the process that wrote this, and where it ran
"""


@dataclass
class Watch(Listener):
    """Keeps the status of one run: hears its steps, writes the file, and passes everything on.

    Attributes
    ----------
    shelf : the folder of the workspace's reports
    tell : who listens besides
    as_of : ISO day, None until it is known
    """

    shelf: Path
    tell: Listener
    as_of: str | None = None
    started: str = field(default_factory=now)
    began: float = field(default_factory=time.monotonic)
    last_good: dict[str, Any] | None = None
    rows: int | None = None
    step: str = ""
    done: int = 0
    total: int = 0

    def __call__(self, step: str, done: int, total: int) -> None:
        """A step begins: into the file."""
        self.step, self.total = step, total
        self.write("running")
        self.tell(step, done, total)

    def took(self, step: str, seconds: float) -> None:
        """A step is done: into the file with the next that begins."""
        self.done += 1
        self.tell.took(step, seconds)

    def opens(self, day: str, rows: int) -> None:
        """Remember and pass on."""
        self.as_of, self.rows = day, rows
        self.tell.opens(day, rows)

    def expects(self, seconds: Mapping[str, float]) -> None:
        """Pass on."""
        self.tell.expects(seconds)

    def write(self, state: str, exit_code: int | None = None, message: str = "") -> None:
        """Replace the file. Where it cannot be written (a full disk) the run goes on: its report matters more."""
        finished = None if state == "running" else now()
        seconds = round(time.monotonic() - self.began, 1)
        folder = self.as_of if state == "ok" else None
        if folder:
            self.last_good = {"as_of": self.as_of, "finished": finished, "seconds": seconds, "folder": folder}
        values = (
            SCHEMA, self.shelf.name, state, self.as_of, self.started, finished, seconds, self.step, self.done, self.total, self.rows,
            exit_code, message, folder, self.last_good, __version__, os.getpid(), socket.gethostname(),
        )  # fmt: skip
        text = json.dumps(dict(zip(KEYS, values, strict=True)), ensure_ascii=False, indent=1)
        with contextlib.suppress(OSError):
            publish.write_whole(self.shelf / FILE, text + "\n")


@contextlib.contextmanager
def kept(shelf: Path, as_of: str | None, tell: Tell) -> Generator[Watch]:
    """Keep ``status.json`` of `shelf` while a run goes on and however it ends; only under the lock of `shelf`.

    Parameters
    ----------
    shelf : the folder of the workspace's reports
    as_of : ISO day that was asked for; None where the data say it, to be set on what this yields
    tell : hears all that the run tells
    """
    watch = Watch(shelf, listener(tell), as_of, last_good=last_good(shelf))
    watch.expects(last_seconds(shelf))
    watch.write("running")
    try:
        yield watch
    except BaseException as error:
        watch.write("failed", error.exit_code if isinstance(error, HealthlibError) else 1, said(error))
        raise
    watch.write("ok", 0)


def read(shelf: Path) -> dict[str, Any] | None:
    """The status of a workspace's last run; None where there is none, or none that can be read."""
    path = shelf / FILE
    with contextlib.suppress(OSError, ValueError, RecursionError):
        held = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= LARGEST else None
        if isinstance(held, dict) and held.get("schema") == SCHEMA and set(KEYS) <= held.keys():
            return held
    return None


def last_good(shelf: Path) -> dict[str, Any] | None:
    """The last run that ended well: as the status says, or, where a version without one made it, the newest manifest."""
    held = read(shelf)
    if held is not None and (held["last_good"] is None or isinstance(held["last_good"], dict)):
        return held["last_good"]
    manifest = _newest_manifest(shelf)
    if manifest is None:
        return None
    finished = datetime.fromtimestamp(manifest.stat().st_mtime, UTC).isoformat(timespec="seconds")
    return {"as_of": manifest.parent.name, "finished": finished, "seconds": None, "folder": manifest.parent.name}


def last_seconds(shelf: Path) -> dict[str, float]:
    """Step -> seconds in the newest run of a workspace; empty where there is none."""
    manifest = _newest_manifest(shelf)
    with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):
        held = json.loads(manifest.read_text(encoding="utf-8"))["seconds"] if manifest is not None else {}
        return {str(step): float(took) for step, took in held.items() if step != "total"}
    return {}


def _newest_manifest(shelf: Path) -> Path | None:
    """The manifest that was written last."""
    with contextlib.suppress(OSError):
        return max(shelf.glob("[0-9]*/manifest.json"), key=lambda path: path.stat().st_mtime, default=None)
    return None


def alive(pid: int, host: str, since: str) -> bool | None:
    """Whether the process of a status or a lock still runs; None where it ran on another machine, so that nobody here can say.

    A number that was given to another process since counts as dead.
    """
    import psutil

    if host != socket.gethostname():
        return None
    try:
        return psutil.Process(pid).create_time() <= datetime.fromisoformat(since).timestamp() + 2
    except psutil.AccessDenied:
        return True
    except (psutil.NoSuchProcess, ValueError, TypeError):
        return False
