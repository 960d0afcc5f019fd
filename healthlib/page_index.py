"""The list of all runs: each workspace month by month with what changed, and links to every page that is there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from healthlib import claims_index as say
from healthlib import plots_index as plots
from healthlib import report
from healthlib.page_cells import as_is
from healthlib.report import Piece
from healthlib.runs import Left
from healthlib.wording import NOTHING, change, compact, count, counted, day, money, money_change, share, share_range

TITLE = "Customer health reports"
SHORT = 16
"""Letters of a figure that stays on one line."""
MONTHS = 13
"""Runs that a line of the past shows."""
NAMES = {
    "executive": "Executive",
    "summary": "Summary",
    "audit": "Audit",
    "weights": "Weights",
    "backtest": "Backtest",
    "check": "Data check",
}
Spec = dict[str, tuple[str, object]]


def index(runs: Sequence[Left]) -> str:
    """The page: all runs, newest first, then each workspace month by month.

    Parameters
    ----------
    runs : newest first, from `runs.found`
    """
    if not runs:
        return report.bare(TITLE, Piece('<p class="note">No run yet.</p>'))
    runs = _told_apart(runs)
    shelves = {run.shelf: [other for other in runs if other.shelf == run.shelf] for run in runs}
    sections = [workspace(several) for several in shelves.values()]
    return report.bare(TITLE, report.show(every(runs), *sections))


def _told_apart(runs: Sequence[Left]) -> list[Left]:
    """The runs; where two workspaces call their company the same, each with its folder's name behind it."""
    shelves = {(run.workspace, run.shelf) for run in runs}
    twice = {name for name, many in Counter(name for name, _ in shelves).items() if many > 1}
    return [replace(run, workspace=f"{run.workspace}, {run.shelf}") if run.workspace in twice else run for run in runs]


def every(runs: Sequence[Left]) -> Piece:
    """All runs of all workspaces, newest first."""
    rows = pd.DataFrame(
        {
            "as_of": [Piece(_link(run, "executive", day(run.as_of))) for run in runs],
            "workspace": [_name(run) for run in runs],
            "accounts": [count(say.figure(run, "accounts")) for run in runs],
            "arr": [money(say.figure(run, "arr"), run.currency) for run in runs],
            "verdict": [say.verdict(run) or NOTHING for run in runs],
        }
    )
    shown = {
        "as_of": ("As of", as_is),
        "workspace": ("Company", as_is),
        "accounts": ("Accounts", "text"),
        "arr": ("ARR", "text"),
        "verdict": ("Weights", "text"),
    }
    said = f"{counted(len(runs), 'run')} of {counted(len({run.shelf for run in runs}), 'workspace')}, newest first"
    return report.table(rows, shown, caption=said, layout="cards fold")


def workspace(runs: Sequence[Left]) -> Piece:
    """One workspace, month by month, newest first."""
    rows = [_row(run, before) for run, before in zip(runs, [*runs[1:], None], strict=True)]
    worst = runs[0].worst_band or "the worst band"
    shown = {
        "as_of": ("As of", as_is),
        "accounts": ("Accounts", as_is),
        "arr": ("ARR", as_is),
        "worst_share": (f"ARR in {worst}", as_is),
        "grr": ("GRR, 12 months", as_is),
        "nrr": ("NRR, 12 months", as_is),
        "loss": ("Likely lost", as_is),
        "verdict": ("Weights", as_is),
        "pages": ("Pages", as_is),
    }
    notes = [f"{day(run.as_of)}: {said}" for run in runs for said in (run.problem, run.late) if said]
    return report.show(
        report.heading(f"{runs[0].workspace}{' (simulated)' if _unsaid(runs[0]) else ''}"),
        report.claim(say.compared(runs)),
        lines(runs),
        report.table(
            pd.DataFrame(rows),
            shown,
            caption=f"{runs[0].workspace} month by month, with the change against the run before; 95% intervals",
            layout="cards fold",
        ),
        report.bullets(notes),
    )


def lines(runs: Sequence[Left]) -> Piece:
    """The course of the last thirteen runs as small lines, each with its words; nothing for a single run."""
    past = list(runs[:MONTHS])
    named = {
        "accounts": "Accounts",
        "arr": "ARR",
        "worst_share": f"ARR in {runs[0].worst_band or 'the worst band'}",
        "grr": "GRR",
        "nrr": "NRR",
        "loss": "Likely lost",
    }
    drawn = [
        (words, plots.trend([say.figure(run, name) for run in reversed(past)], say.course(past, name, words)).html)
        for name, words in named.items()
    ]
    parts = "".join(f"<div><dt>{report.escape(words)}</dt><dd>{svg}</dd></div>" for words, svg in drawn if svg)
    return Piece(f'<dl class="minis">{parts}</dl>' if parts else "")


def _row(run: Left, before: Left | None) -> dict[str, Piece]:
    """The figures of one run, each with its change."""
    unit, known = compact(run.currency), before is not None and before.currency == run.currency
    past = before if known else None
    loss = say.figure(run, "loss")
    days = say.figure(run, "loss_days")
    span = (
        ""
        if math.isnan(say.figure(run, "loss_low"))
        else f"{money(say.figure(run, 'loss_low'), unit, 2)}–{money(say.figure(run, 'loss_high'), unit, 2)}"
    )
    same = past if past is not None and past.worst_band == run.worst_band else None
    return {
        "as_of": Piece(f"{_link(run, 'executive', day(run.as_of))}{_quiet(_far(run, before))}"),
        "accounts": _cell(count(say.figure(run, "accounts")), change(say.figure(run, "accounts") - say.figure(past, "accounts"))),
        "arr": _cell(money(say.figure(run, "arr"), unit), money_change(say.figure(run, "arr") - say.figure(past, "arr"), unit)),
        "worst_share": _cell(
            share(say.figure(run, "worst_share"), 1), _points(say.figure(run, "worst_share") - say.figure(same, "worst_share"))
        ),
        "grr": _cell(_range(run, "grr"), _points(say.figure(run, "grr") - say.figure(past, "grr"))),
        "nrr": _cell(_range(run, "nrr"), _points(say.figure(run, "nrr") - say.figure(past, "nrr"))),
        "loss": _cell(money(loss, unit, 2), span + (f" in {count(days)} days" if not math.isnan(days) and not math.isnan(loss) else "")),
        "verdict": _cell(say.verdict(run) or NOTHING, _changed(run, before)),
        "pages": _pages(run),
    }


def _range(run: Left, name: str) -> str:
    return share_range(*(say.figure(run, f"{name}{end}") for end in ("", "_low", "_high")))


def _points(moved: float) -> str:
    return NOTHING if math.isnan(moved) else f"{change(100 * moved, 1)} points"


def _far(run: Left, before: Left | None) -> str:
    """Said where the run before is not of the month before."""
    try:
        gap = (pd.Timestamp(run.as_of) - pd.Timestamp(before.as_of)).days if before is not None else 0
    except ValueError:
        return ""
    return f"the run before: {day(before.as_of)}" if before is not None and gap > say.FAR else ""


def _changed(run: Left, before: Left | None) -> str:
    """Said where the scorecard is another than in the run before."""
    return "scorecard changed" if before is not None and before.scorecard and run.scorecard and before.scorecard != run.scorecard else ""


def _cell(words: str, quiet: str) -> Piece:
    kept = f'<span class="nowrap">{report.escape(words)}</span>' if len(words) < SHORT else report.escape(words)
    return Piece(kept + _quiet("" if quiet == NOTHING else quiet))


def _quiet(words: str) -> str:
    return f'<span class="quiet under">{report.escape(words)}</span>' if words else ""


def _name(run: Left) -> Piece:
    return Piece(report.escape(run.workspace) + (' <span class="quiet">(simulated)</span>' if _unsaid(run) else ""))


def _unsaid(run: Left) -> bool:
    """Whether the company is invented and its name does not say so."""
    return run.simulated and "simulated" not in run.workspace.casefold()


def _link(run: Left, page: str, words: str) -> str:
    return report.linked((words, run.pages.get(page, ""))).html


def _pages(run: Left) -> Piece:
    """Links to the pages that are there; the books fold away."""
    links = ", ".join(_link(run, page, words) for page, words in NAMES.items() if page in run.pages)
    books = ", ".join(report.linked(held).html for held in run.books)
    more = f"<details><summary>{counted(len(run.books), 'book')}</summary>{books}</details>" if run.books else ""
    return Piece((links or NOTHING) + more)
