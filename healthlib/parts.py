"""One part of a run without a notebook: check, score, fit or backtest, added to the run's folder in one step."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from . import artifacts, publish
from .errors import EvidenceError
from .runner import Clock, Run, Tell, silent, workspace_name, write_index
from .studies import compute

NEEDS = {"score": ("audit", "fit", "backtest", "executive"), "fit": ("fit",), "backtest": ("fit", "backtest")}
"""Part -> the studies it takes."""
KEYS = {"fit": ("leaks", "weights"), "backtest": ("backtest",)}
"""Part -> its keys of summary.json; `score` has all the others that it computes."""


@dataclass(frozen=True)
class Checked:
    """What `check` found. `tables` is a row per table; `rejected` table -> rows set aside; `readiness` question -> verdict, why, needs."""

    folder: Path
    as_of: str
    tables: pd.DataFrame
    rejected: dict[str, pd.DataFrame]
    warnings: tuple[str, ...]
    readiness: dict[str, dict[str, str]]
    failed: str


def run_part(part: str, folder: Path | str, as_of: str | None = None, out: Path | str = "reports", *, tell: Tell = silent) -> Run:
    """The CSV files of one part and its keys of ``summary.json``; whatever else the run's folder holds stays.

    Parameters
    ----------
    part : score, fit or backtest
    """
    from .studies.book import load_book

    clock = Clock(tell, total=len(NEEDS[part]) + 2)
    with clock.step("open the workspace"):
        book = load_book(Path(folder), as_of)
    facts: dict[str, Any] = {}
    for name in NEEDS[part]:
        with clock.step(f"study {name}"):
            facts[name] = compute(name, book, facts)
    with clock.step("write the tables"):
        day = artifacts.day(book.as_of)
        target = _add(Path(out) / workspace_name(Path(folder)), day, lambda aside: _write(part, book, facts, aside))
    write_index(Path(out))
    return Run(target, day, clock.seconds)


def _write(part: str, book: Any, facts: dict[str, Any], folder: Path) -> None:
    from .studies import summary

    study = {"score": "executive"}.get(part, part)
    artifacts.write_tables({study: facts[study]}, folder)
    if part == "score":
        others = {key for keys in KEYS.values() for key in keys}
        artifacts.add_to_summary({k: v for k, v in facts["executive"].summary.items() if k not in others}, folder)
    elif part == "fit":
        artifacts.add_to_summary(summary.known({"leaks": summary.leaks(facts["fit"]), "weights": summary.weights(facts["fit"])}), folder)
    else:
        artifacts.add_to_summary(summary.known({"backtest": summary.replay(facts["backtest"])}), folder)
    made = {"workspace": book.workspace.name, "as_of": book.as_of, "data_through": book.data_through}
    artifacts.add_to_summary(made | {"scorecard_sha256": book.scorecard.sha256}, folder)


def _add(shelf: Path, day: str, write: Any) -> Path:
    """Let `write` add to a copy of the folder of `day`, and put the copy in its place."""
    with publish.lock(shelf), publish.built_aside(shelf / day) as aside:
        if (shelf / day).is_dir():
            shutil.copytree(shelf / day, aside, dirs_exist_ok=True)
        write(aside)
    return shelf / day


def check(folder: Path | str, as_of: str | None = None, out: Path | str = "reports", *, tell: Tell = silent) -> Checked:
    """Validate every table; say what the data can carry; write ``rejected/`` and the keys tables, readiness and warnings.

    Returns
    -------
    Checked
        With `failed` saying why the data would stop a run, empty where they would not.

    Raises
    ------
    HealthlibError
        Where there is nothing to check: no readable workspace, tables missing or unreadable.
    """
    from .spec import load_workspace
    from .tables import RejectedError, load_tables

    clock = Clock(tell, total=3)
    with clock.step("read the configuration"):
        workspace = load_workspace(Path(folder))
    failed, readiness = "", {}
    with clock.step("check the tables"):
        try:
            tables = load_tables(workspace)
        except RejectedError as error:
            tables, failed = error.tables, str(error)
    day = as_of or artifacts.day(tables.data_through)
    if day > artifacts.day(tables.data_through):
        raise EvidenceError(
            f"as of {day} was asked for, but the data end on {tables.data_through}; ask for that day or bring newer exports"
        )
    with clock.step("ask what they can carry"):
        if not failed:
            readiness, failed = _readiness(tables, workspace, day)
    part = {
        "workspace": workspace.name,
        "as_of": day,
        "data_through": tables.data_through,
        "simulated": workspace.simulated,
        "tables": tables.report[["table", "rows_in", "rows_used", "rows_rejected"]],
        "warnings": list(tables.warnings),
        "readiness": readiness or None,
    }

    def write(aside: Path) -> None:
        shutil.rmtree(aside / "rejected", ignore_errors=True)
        artifacts.write_rejected(tables.rejected, aside)
        artifacts.add_to_summary(part, aside)

    target = _add(Path(out) / workspace_name(Path(folder)), day, write)
    return Checked(target, day, tables.report, tables.rejected, tables.warnings, readiness, failed)


def _readiness(tables: Any, workspace: Any, day: str) -> tuple[dict[str, dict[str, str]], str]:
    """Question -> verdict, why, needs; and what stops a run, if anything does."""
    from .studies.book import book_of
    from .studies.readiness import readiness

    try:
        book = book_of(tables, workspace, pd.Timestamp(day))
    except EvidenceError as error:
        return {}, str(error)
    rows = readiness(book.cases[book.cases["lost"].notna()]).to_dict("records")
    return {str(row["question"]): {key: str(row[key]) for key in ("verdict", "why", "needs")} for row in rows}, ""
