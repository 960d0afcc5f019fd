"""A report for every month-end of a span, each from what was knowable then; months that are there already are left as they are."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from . import artifacts, catalogue, masks, runner
from .errors import DataError, HealthlibError
from .machine import passing
from .runner import Tell, silent
from .sources import find_sources, session
from .spec import Workspace, load_workspace
from .studies.book import BeyondError


@dataclass(frozen=True)
class Month:
    """What became of one month.

    Attributes
    ----------
    as_of : the day of its report, ISO
    state : made, there (nothing to do) or failed
    folder : where its report is, or would be
    said : why it failed; "" otherwise
    seconds : the time it took
    """

    as_of: str
    state: str
    folder: Path
    said: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Wanted:
    """Which reports: the workspace, where they go, whether those that are there are made again, and whether names are masked."""

    workspace: Path
    out: Path
    force: bool = False
    anonymise: bool = False


def month_ends(first: str, last: str) -> list[str]:
    """The last day of every month from `first` to `last`, both YYYY-MM.

    Raises
    ------
    HealthlibError
        Where `last` lies before `first`.

    Examples
    --------
    >>> month_ends("2024-01", "2024-03")
    ['2024-01-31', '2024-02-29', '2024-03-31']
    """
    if last < first:
        raise HealthlibError(f"--from {first} lies after --to {last}; nothing to do")
    return [artifacts.day(period.end_time) for period in pd.period_range(first, last, freq="M")]


def backfill(wanted: Wanted, first: str, last: str, tell: Tell = silent) -> Generator[Month]:
    """Make the report of each month in its turn, oldest first; one that fails does not stop those after it.

    A month is left as it is where its manifest says that it was made from the same exports, configuration, catalogue, packages and code.
    In the month in which the exports end, the report is that of their last day.

    Parameters
    ----------
    first, last : YYYY-MM
    tell : hears each step of each run

    Yields
    ------
    Month
        As soon as it is known what became of it.

    Raises
    ------
    HealthlibError
        Before any month is made, where the workspace cannot be used or the span is empty.
    """
    days = month_ends(first, last)
    made_from = origin(load_workspace(wanted.workspace, anonymise=wanted.anonymise))
    for day in days:
        yield _month(wanted, day, made_from, tell)


def origin(workspace: Workspace) -> dict[str, Any]:
    """What a report is made from, but for its day, as its manifest says it: hashes of the exports, the configuration and the code.

    Raises
    ------
    DataError
        Where a table is not found.
    """
    with passing("healthlib-") as scratch:
        sources, faults = find_sources(workspace, session(workspace, scratch), scratch)
    if faults:
        raise DataError(f"{workspace.name}: the exports cannot be used as they are", faults)
    return {
        "inputs": {source.table: source.sha256 for source in sources},
        "workspace_sha256": workspace.sha256,
        "scorecard_sha256": workspace.scorecard.sha256,
        "catalogue_sha256": catalogue.sha256(),
        "code_sha256": runner.code_sha256(runner.find_notebooks()),
        "books": None,
        "anonymise": masks.mark(workspace.anonymise),
        "seed": runner.SEED,
        "versions": artifacts.versions(runner.PACKAGES),
    }


def is_made(folder: Path, made_from: dict[str, Any]) -> bool:
    """Whether a run's folder holds a report that was made from this, see `origin`."""
    try:
        held = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        inputs, parameters = {row["table"]: row["sha256"] for row in held["inputs"]}, held["parameters"]
        then = {**held, "inputs": inputs, "books": parameters["books"], "anonymise": parameters.get("anonymise", "")}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return (folder / "executive.html").is_file() and all(then.get(name) == value for name, value in made_from.items())


def _month(wanted: Wanted, day: str, made_from: dict[str, Any], tell: Tell) -> Month:
    folder = wanted.out / runner.workspace_name(wanted.workspace) / day
    if not wanted.force and is_made(folder, made_from):
        return Month(day, "there", folder)
    began = time.perf_counter()
    try:
        done = runner.run(wanted.workspace, day, wanted.out, tell=tell, anonymise=wanted.anonymise)
    except BeyondError as error:
        through = artifacts.day(error.through)
        if through[:7] == day[:7]:
            return _month(wanted, through, made_from, tell)
        return Month(day, "failed", folder, str(error), time.perf_counter() - began)
    except Exception as error:  # whatever one month meets, the others are made, and this one is named at the end
        said = str(error) if isinstance(error, HealthlibError) else f"{type(error).__name__}: {error}"
        return Month(day, "failed", folder, said, time.perf_counter() - began)
    return Month(done.as_of, "made", done.folder, "", time.perf_counter() - began)
