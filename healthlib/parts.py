"""One part of a run without a notebook: check, score, fit or backtest, added to the run's folder in one step."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import artifacts, fit_proposal, masks, publish
from .runner import Clock, Run, Tell, silent, workspace_name, write_index
from .studies import compute

if TYPE_CHECKING:
    from .studies.check import Opened
    from .studies.check_facts import CheckFacts

NEEDS = {"score": ("audit", "fit", "backtest", "forecast", "executive"), "fit": ("fit", "contest"), "backtest": ("fit", "backtest")}
"""Part -> the studies it takes."""
KEYS = {"fit": ("leaks", "weights"), "backtest": ("backtest",)}
"""Part -> its keys of summary.json; `score` has all the others that it computes."""


@dataclass(frozen=True)
class Checked:
    """What `check` found, and where it is written. `failed` says why the data would stop a run, empty where they would not."""

    folder: Path
    as_of: str
    facts: CheckFacts
    rejected: dict[str, pd.DataFrame]

    @property
    def failed(self) -> str:
        """Why the data would stop a run; empty where they would not."""
        return self.facts.failed


def run_part(
    part: str, folder: Path | str, as_of: str | None = None, out: Path | str = "reports", *, tell: Tell = silent, anonymise: bool = False
) -> Run:
    """The CSV files of one part and its keys of ``summary.json``; whatever else the run's folder holds stays.

    Parameters
    ----------
    part : score, fit or backtest
    anonymise : mask names, also where workspace.yaml does not say so
    """
    from .studies.book import load_book

    clock = Clock(tell, total=len(NEEDS[part]) + 2)
    with clock.step("open the workspace"):
        book = load_book(Path(folder), as_of, anonymise=anonymise)
    facts: dict[str, Any] = {}
    for name in NEEDS[part]:
        with clock.step(f"study {name}"):
            facts[name] = compute(name, book, facts)
    with clock.step("write the tables"):
        day = artifacts.day(book.as_of)
        mark = masks.mark(book.workspace.anonymise)
        target = publish.added(Path(out) / workspace_name(Path(folder)), day, lambda aside: _write(part, book, facts, aside), mark)
    write_index(Path(out))
    return Run(target, day, clock.seconds)


def _write(part: str, book: Any, facts: dict[str, Any], folder: Path) -> None:
    from .studies import summary

    study = {"score": "executive"}.get(part, part)
    artifacts.write_tables({name: facts[name] for name in (study, *(("contest",) if part == "fit" else ()))}, folder)
    if part == "score":
        others = {key for keys in KEYS.values() for key in keys}
        artifacts.add_to_summary({k: v for k, v in facts["executive"].summary.items() if k not in others}, folder)
    elif part == "fit":
        fit_proposal.write_proposal(book, facts["fit"], folder)
        found = summary.known({"leaks": summary.leaks(facts["fit"]), "weights": summary.weights(facts["fit"])})
        artifacts.add_to_summary(summary.with_contest(found, facts["contest"]), folder)
    else:
        artifacts.add_to_summary(summary.known({"backtest": summary.replay(facts["backtest"])}), folder)
    made = {"workspace": book.workspace.name, "as_of": book.as_of, "data_through": book.data_through}
    artifacts.add_to_summary(made | {"scorecard_sha256": book.scorecard.sha256}, folder)


def check(
    folder: Path | str, as_of: str | None = None, out: Path | str = "reports", *, tell: Tell = silent, anonymise: bool = False
) -> Checked:
    """Ask whether the data are good enough; write ``check.html``, ``rejected/`` and the keys tables, readiness and warnings.

    The page is also written where the data would stop a run: it says what does.

    Raises
    ------
    HealthlibError
        Where there is nothing to check: no readable workspace, tables missing or unreadable.
    """
    from .studies.check import check_study, open_for_check

    clock = Clock(tell, total=3)
    with clock.step("check the tables"):
        opened = open_for_check(Path(folder), as_of, anonymise=anonymise)
    with clock.step("ask what they can carry"):
        facts = check_study(opened)
    with clock.step("write the page"):
        day = artifacts.day(opened.at)
        page = check_page(facts)
        mark = masks.mark(opened.workspace.anonymise)
        target = publish.added(Path(out) / workspace_name(Path(folder)), day, lambda aside: _write_check(opened, facts, page, aside), mark)
    return Checked(target, day, facts, opened.tables.rejected)


def check_page(facts: CheckFacts) -> str:
    """``check.html`` as text."""
    from .page_check import page

    return page(facts)


def _write_check(opened: Opened, facts: CheckFacts, page: str, folder: Path) -> None:
    shutil.rmtree(folder / "rejected", ignore_errors=True)
    artifacts.write_rejected(opened.tables.rejected, folder)
    verdicts = facts.readiness.to_dict("records")
    part = {
        "workspace": opened.workspace.name,
        "as_of": artifacts.day(opened.at),
        "data_through": opened.tables.data_through,
        "simulated": opened.workspace.simulated,
        "tables": facts.tables[["table", "rows_in", "rows_used", "rows_rejected"]],
        "warnings": list(facts.warnings),
        "readiness": {str(row["question"]): {key: str(row[key]) for key in ("verdict", "why", "needs")} for row in verdicts},
    }
    artifacts.add_to_summary(part, folder)
    publish.write_whole(folder / "check.html", page)
