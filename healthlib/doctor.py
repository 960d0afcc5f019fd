"""`healthlib doctor`: can a run work here, and how did the last one end? One line each: ok, care or no, and what to do."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Generator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import __version__, doctor_machine, masks, publish, runner, status
from .doctor_machine import Check
from .errors import FaultsError, HealthlibError
from .progress import lasting, now, said
from .spec import load_workspace

OLD_DAYS = 35
"""A month and a few days: after them the monthly report is due."""
LONG_HOURS = 6
"""A run that takes longer hangs."""
LEAST_DISK, SCANT_DISK = 100e6, 1e9
"""Bytes: below them a run of a small company has no room; below them a large one may have none."""


@dataclass(frozen=True)
class Checkup:
    """All lines, and the worst of their verdicts.

    Attributes
    ----------
    workspace, out : the folders as given
    checks : in the order they are shown
    """

    workspace: str
    out: str
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """no where one line says no, else care where one does, else ok."""
        return next((word for word in ("no", "care") if any(check.verdict == word for check in self.checks)), "ok")


def examine(workspace: Path, out: Path, *, anonymise: bool = False) -> Checkup:
    """Look at everything a run needs; writes nothing that stays.

    Parameters
    ----------
    workspace : the folder with the exports and the two YAML files
    out : as for a run: holds or will hold ``<workspace>/<as_of>/``
    anonymise : as for a run: whether names are masked, also where workspace.yaml does not say so
    """
    shelf = out / runner.workspace_name(workspace)
    at = doctor_machine
    with at.kernel() as kernel:
        machine = [at.python(), at.packages(), at.processors(), at.memory(), at.language(), at.clock(), at.threads(), at.variables()]
        machine.append(at.notebook_tools())
        reports = [written(shelf), disk(shelf), lock(shelf), last_run(shelf)]
        checks = (*machine, kernel(), notebooks(), readable(workspace, anonymise=anonymise), *reports)
    return Checkup(str(workspace), str(out), checks)


def notebooks() -> Check:
    """The notebooks are there and take what a run gives them."""
    try:
        home = runner.find_notebooks()
        runner.check_notebooks(home)
    except (HealthlibError, OSError, ValueError) as error:
        return Check("notebooks", "no", said(error, 300), "restore them from the project's checkout")
    return Check("notebooks", "ok", f"{len(runner.NOTEBOOKS)} in {home}, with the parameters of a run")


def readable(folder: Path, *, anonymise: bool = False) -> Check:
    """Both YAML files of the workspace load, and names that are to be masked have a secret to do it with."""
    try:
        workspace = load_workspace(folder, anonymise=anonymise)
        masks.mark(workspace.anonymise)
    except masks.SecretError as error:
        return Check("workspace", "no", said(error, 300), f"set {masks.KEY} for whoever runs it")
    except FaultsError as error:
        more = len(error.faults) - 1
        first = said(HealthlibError(str(error.faults[0]) if error.faults else str(error)), 300)
        return Check("workspace", "no", first + (f" … and {more} more" if more > 0 else ""), f"healthlib check {folder} lists all of it")
    except (HealthlibError, OSError) as error:
        return Check("workspace", "no", said(error, 300), "healthlib init writes a first one")
    return Check("workspace", "ok", f"{workspace.name}: {len(workspace.scorecard.metrics)} metrics; its data: healthlib check {folder}")


def written(shelf: Path) -> Check:
    """Whether reports can be written; tried, as rights alone do not say it."""
    place = _nearest(shelf)
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=publish.ASIDE):
            pass
    except OSError as error:
        return Check(
            "reports", "no", f"{place} cannot be written: {error.strerror}", "give the user of the run the right to write, or another --out"
        )
    return Check("reports", "ok", f"{shelf} can be written" if place == shelf else f"{shelf} can be made")


def disk(shelf: Path) -> Check:
    """Room for another run beside the last one, and in the folder for temporary files."""
    last = max((_size(path.parent) for path in shelf.glob("[0-9]*/manifest.json")), default=0)
    checks = []
    for place in dict.fromkeys((_nearest(shelf), Path(tempfile.gettempdir()))):
        try:
            free = shutil.disk_usage(place).free
        except OSError as error:
            return Check("disk", "no", f"{place}: {error.strerror}", "mend it, or give another --out")
        found = f"{free / 1e9:.1f} GB free at {place}" + (f", a run leaves {last / 1e6:.0f} MB" if last else "")
        verdict = "no" if free < max(LEAST_DISK, 3 * last) else "care" if free < max(SCANT_DISK, 10 * last) else "ok"
        checks.append(Check("disk", verdict, found, "make room: a run is built beside the last good one" if verdict != "ok" else ""))
    return next((check for word in ("no", "care", "ok") for check in checks if check.verdict == word), checks[0])


def lock(shelf: Path) -> Check:
    """Who writes there now; looked at without taking the lock, so that no run that begins is turned away."""
    try:
        text = (shelf / publish.LOCK).read_text(encoding="utf-8")
        who: Any = json.loads(text) if text else {}
        pid, host, since = (int(who["pid"]), str(who["host"]), str(who["since"])) if who else (0, "", "")
    except FileNotFoundError:
        pid = 0
    except (OSError, ValueError, KeyError, TypeError):
        return Check("lock", "care", f"{shelf / publish.LOCK} cannot be read", "remove it while no run is at work")
    if not pid:
        return Check("lock", "ok", "free")
    lives = status.alive(pid, host, since)
    holder = f"process {pid} on {host} since {since}"
    if lives is False:
        return Check("lock", "ok", f"free: {holder} is dead, and the next run clears up after it")
    return Check("lock", "care", f"held by {holder}" + (" (another machine, so nobody here knows)" if lives is None else ""), "wait for it")


def last_run(shelf: Path, at: datetime | None = None) -> Check:
    """How the last run ended, and how old the last good one is.

    Parameters
    ----------
    at : the time that ages are reckoned to; now where None
    """
    at = at or datetime.now(UTC)
    held, good = status.read(shelf), status.last_good(shelf)
    kept = _good(good, at)
    if held is None:
        if good is None:
            return Check("last run", "care", "there was none", "healthlib run")
        return _aged(f"{kept}; no status.json", good, at)
    if held["state"] == "failed":
        why = f"failed {_ago(held['finished'], at)} at {held['step'] or 'the start'}, exit {held['exit_code']}: {held['message']}"
        return Check("last run", "no", f"{why}; {kept}", "mend what it says, then healthlib run again")
    if held["state"] == "running":
        return _running(held, kept, at)
    return _aged(kept, held["last_good"], at)


def _running(held: dict[str, Any], kept: str, at: datetime) -> Check:
    """A run that has not said how it ended: at work, or dead."""
    where = f"process {held['pid']} on {held['host']}, begun {_ago(held['started'], at)}, at {held['step'] or 'the start'}"
    lives = status.alive(held["pid"], held["host"], held["started"])
    if lives is False:
        cure = "look for what killed it (out of memory, a time limit, a restart), then healthlib run again: it clears up"
        return Check("last run", "no", f"died without a word (status.json says running): {where} is dead; {kept}", cure)
    if lives is None:
        return Check("last run", "care", f"running on another machine: {where}; {kept}", "ask there whether it still does")
    if (_age(held["started"], at) or 0) > LONG_HOURS / 24:
        return Check(
            "last run", "care", f"still running: {where}; {kept}", "look whether it hangs; if so end it, the last good report stays"
        )
    return Check("last run", "ok", f"running: {where}; {kept}")


def _aged(found: str, good: dict[str, Any] | None, at: datetime) -> Check:
    """The line of a run that ended well, by its age."""
    age = _age(good.get("finished") if good else None, at)
    if age is None:
        return Check("last run", "care", f"{found}; when is not known", "healthlib run")
    if age > OLD_DAYS:
        return Check("last run", "care", found, f"a monthly report is due after {OLD_DAYS} days: look at the schedule, then healthlib run")
    if age < -1:
        return Check("last run", "care", found, "it ended in the future: look at the clock")
    return Check("last run", "ok", found)


def _good(good: dict[str, Any] | None, at: datetime) -> str:
    if good is None:
        return "no run ended well yet"
    took = f" in {lasting(float(good['seconds']))}" if isinstance(good.get("seconds"), (int, float)) else ""
    return f"last good: {good.get('as_of')}, finished {_ago(good.get('finished'), at)}{took}"


def _age(text: Any, at: datetime) -> float | None:
    """Days from an ISO time to `at`; None where it is none."""
    with contextlib.suppress(ValueError, TypeError):
        return (at - datetime.fromisoformat(text)).total_seconds() / 86400
    return None


def _ago(text: Any, at: datetime) -> str:
    days = _age(text, at)
    if days is None:
        return "at an unknown time"
    minutes = days * 1440
    if minutes < 90:
        return f"{max(minutes, 0):.0f} min ago"
    return f"{minutes / 60:.0f} h ago" if minutes < 2 * 1440 else f"{days:.0f} days ago"


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next((place for place in (folder, *folder.absolute().parents) if place.is_dir()), Path.cwd())


def _size(folder: Path) -> int:
    def sizes() -> Generator[int]:
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                yield path.stat().st_size if path.is_file() else 0

    return sum(sizes())


def as_text(checkup: Checkup) -> str:
    """A line a check, aligned; what to do stands below what needs it."""
    wide = max(len(check.name) for check in checkup.checks)
    lines = [f"healthlib {__version__} doctor: {checkup.workspace}, reports in {checkup.out}"]
    for check in checkup.checks:
        lines.append(f"{check.verdict:<4}  {check.name:<{wide}}  {check.found}")
        lines += [f"{'':<4}  {'':<{wide}}  → {check.cure}"] if check.cure else []
    counts = {word: sum(check.verdict == word for check in checkup.checks) for word in ("no", "care")}
    ends = {"no": "a run would fail, or the last one did", "care": "it runs; look at the lines marked care", "ok": "all is well"}
    return "\n".join([*lines, f"{ends[checkup.verdict]}: {counts['no']} no, {counts['care']} care"])


def as_json(checkup: Checkup) -> str:
    """For machines: version, time, workspace, out, verdict, and a list of checks with name, verdict, found and cure."""
    head = {"version": __version__, "time": now(), "workspace": checkup.workspace, "out": checkup.out, "verdict": checkup.verdict}
    return json.dumps(head | {"checks": [asdict(check) for check in checkup.checks]}, ensure_ascii=False, indent=1)
