"""Who listens while a job runs: a bar on a terminal, plain timestamped lines elsewhere, JSON lines in a log."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from .address import PASSWORDS, without_passwords
from .errors import HealthlibError

Tell = Callable[[str, int, int], None]
"""Called with (what begins, steps begun before it, steps in all)."""
WIDTH = 24
"""Characters of the bar itself, where the terminal has room for them."""
ENOUGH = 0.15
"""Share of a job that must be done before its pace says how long the rest takes."""
SHORT = 0.3
"""Seconds a step is reckoned with that the last run did not time."""
SECRET = ("PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "ACCESS_KEY", "ANONYMISE_KEY")
"""A variable of the environment whose name holds one of these is never repeated."""


class LogError(HealthlibError):
    """The log that was asked for cannot be written (exit 2)."""


class Listener:
    """Hears a job; whatever a kind of listener does not care about it leaves as it is here."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """A step begins, `done` others began before it, of `total`."""

    def took(self, step: str, seconds: float) -> None:
        """A step is done."""

    def opens(self, day: str, rows: int) -> None:
        """The data are open: the day reported on, and the rows read from the tables."""

    def expects(self, seconds: Mapping[str, float]) -> None:
        """So long each step took the last time: step -> seconds."""

    def ends(self, error: str = "") -> None:
        """The job is over; `error` says in one line why it failed."""


class Plain(Listener):
    """A plain callable that hears steps begin, and nothing else."""

    def __init__(self, tell: Tell):
        self.tell = tell

    def __call__(self, step: str, done: int, total: int) -> None:
        """Pass it on."""
        self.tell(step, done, total)


def listener(tell: Tell) -> Listener:
    """`tell` itself where it listens to more than steps that begin."""
    return tell if isinstance(tell, Listener) else Plain(tell)


class Several(Listener):
    """Passes everything on to each of several."""

    def __init__(self, *others: Tell):
        self.others = [listener(other) for other in others]

    def __call__(self, step: str, done: int, total: int) -> None:
        """Pass it on."""
        for other in self.others:
            other(step, done, total)

    def took(self, step: str, seconds: float) -> None:
        """Pass it on."""
        for other in self.others:
            other.took(step, seconds)

    def opens(self, day: str, rows: int) -> None:
        """Pass it on."""
        for other in self.others:
            other.opens(day, rows)

    def expects(self, seconds: Mapping[str, float]) -> None:
        """Pass it on."""
        for other in self.others:
            other.expects(seconds)

    def ends(self, error: str = "") -> None:
        """Pass it on."""
        for other in self.others:
            other.ends(error)


class Lines(Listener):
    """A line a step, with the time in UTC: for logs."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def __call__(self, step: str, done: int, total: int) -> None:
        """One line."""
        self.stream.write(f"{now()} {min(done + 1, total)}/{total} {step}\n")
        self.stream.flush()


class Bar(Listener):
    """One line that redraws: how much is done, the step that began last, rows read, and about how long it takes still.

    The time left is reckoned from the seconds of each step in the last run, at the pace of this one; without a last run from the steps.
    """

    def __init__(self, stream: TextIO, columns: Callable[[], int] = lambda: 80, clock: Callable[[], float] = time.monotonic):
        self.stream = stream
        self.columns = columns
        self.clock = clock
        self.began = clock()
        self.total, self.rows, self.step = 0, 0, ""
        self.before: Mapping[str, float] = {}
        self.running: dict[str, float] = {}
        self.ended: list[str] = []

    def __call__(self, step: str, done: int, total: int) -> None:
        """Draw it with the new step."""
        self.total, self.step = total, step
        self.running[step] = self.clock()
        self.draw()

    def took(self, step: str, seconds: float) -> None:
        """Draw it a little longer."""
        if self.running.pop(step, None) is not None:
            self.ended.append(step)
        self.draw()
        if len(self.ended) >= self.total:
            self.stream.write("\n")
            self.stream.flush()

    def opens(self, day: str, rows: int) -> None:
        """Remember it for the next drawing."""
        self.rows = rows

    def expects(self, seconds: Mapping[str, float]) -> None:
        """Remember it for the next drawing."""
        self.before = seconds

    def ends(self, error: str = "") -> None:
        """Where it failed half-way, leave the line for what comes next."""
        if error and len(self.ended) < self.total:
            self.stream.write("\n")
            self.stream.flush()

    def share(self) -> float:
        """How much of the job is done, 0 to 1: by the seconds of the last run where they are known, else by steps."""
        if not self.before:
            return len(self.ended) / max(self.total, 1)
        held = self.clock()
        done = sum(self.before.get(step, SHORT) for step in self.ended)
        done += sum(min(held - began, 0.9 * self.before.get(step, SHORT)) for step, began in self.running.items())
        unknown = max(self.total - len(self.before), 0)
        return min(done / (sum(self.before.values()) + SHORT * unknown), 1.0)

    def left(self) -> str:
        """About how long it takes still, in words; empty while nobody can say, and at the end how long it took."""
        spent, share = self.clock() - self.began, self.share()
        if len(self.ended) >= self.total > 0:
            return f"{lasting(spent)}"
        return f"about {lasting(spent / share * (1 - share))} left" if share >= ENOUGH else ""

    def line(self) -> str:
        """The line as it is now, no wider than the terminal."""
        over = len(self.ended) >= self.total
        rows = f"{self.rows:,} rows" if self.rows else ""
        words = [f"{len(self.ended)}/{self.total} {'done' if over else next(reversed(self.running), self.step)}", rows, self.left()]
        text = ", ".join(word for word in words if word)
        room = max(self.columns() - 1, 20)
        wide = min(WIDTH, max(room - len(text) - 3, 4))
        filled = wide if over else min(round(wide * self.share()), wide - 1)
        full, empty = ("█", "·") if (self.stream.encoding or "").lower().startswith("utf") else ("#", ".")
        return f"[{full * filled}{empty * (wide - filled)}] {text}"[:room]

    def draw(self) -> None:
        """Write the line over the one before."""
        self.stream.write(f"\r\x1b[K{self.line()}")
        self.stream.flush()


class Log(Listener):
    """A JSON object a line, added to a file: time (UTC), event, step, seconds, rows, error; null where it does not apply.

    `event` is run_begins, step_begins, step_ends, run_ends or run_fails. A log that cannot be written any more stops no run.

    Raises
    ------
    LogError
        Where the file cannot be opened.
    """

    def __init__(self, path: Path):
        try:
            self.file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise LogError(f"--log {path}: cannot be written: {error.strerror}") from None
        self.began = time.monotonic()
        self.rows: int | None = None
        self.write("run_begins")

    def write(self, event: str, **more: Any) -> None:
        """One line."""
        row = {"time": now(), "event": event, "step": None, "seconds": None, "rows": self.rows, "error": None} | more
        with contextlib.suppress(OSError, ValueError):
            self.file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self.file.flush()

    def __call__(self, step: str, done: int, total: int) -> None:
        """step_begins."""
        self.write("step_begins", step=step)

    def took(self, step: str, seconds: float) -> None:
        """step_ends."""
        self.write("step_ends", step=step, seconds=round(seconds, 3))

    def opens(self, day: str, rows: int) -> None:
        """From now on every line has the rows."""
        self.rows = rows

    def ends(self, error: str = "") -> None:
        """run_ends or run_fails."""
        self.write("run_fails" if error else "run_ends", seconds=round(time.monotonic() - self.began, 3), error=error or None)
        with contextlib.suppress(OSError):
            self.file.close()


@contextlib.contextmanager
def heard(*others: Tell) -> Generator[Listener]:
    """Let several listen to one job, and tell them how it ended, whatever ended it."""
    both = Several(*others)
    try:
        yield both
    except BaseException as error:
        both.ends(said(error))
        raise
    both.ends()


def now() -> str:
    """This second in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def lasting(seconds: float) -> str:
    """A duration in words.

    >>> lasting(41.2), lasting(200)
    ('41 s', '3 min')
    """
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def said(error: BaseException, length: int = 600) -> str:
    """What went wrong in one line, without any password or token of the environment."""
    if isinstance(error, KeyboardInterrupt) or str(error) == "Query interrupted":  # the words of DuckDB for it
        return "stopped by hand"
    named = "" if isinstance(error, HealthlibError) else f"{type(error).__name__}: "
    return unsecret(" ".join(f"{named}{error}".split()))[:length]


def unsecret(text: str) -> str:
    """The text with passwords of URLs struck out, and every value of the environment whose name says that it is a secret."""
    held = [value for name, value in os.environ.items() if name in PASSWORDS or any(word in name.upper() for word in SECRET)]
    return _struck(without_passwords(text), [value for value in held if len(value) >= 4])


def _struck(text: str, secrets: Sequence[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
