"""Commands about the scorecard itself: two of them compared on the same data, and scales that history suggests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from . import artifacts, masks, publish
from .errors import HealthlibError
from .runner import Clock, Tell, page_context, silent, workspace_name
from .studies.compare import compare
from .studies.suggest import Suggestion, suggest_scales

SCORECARD = "scorecard.yaml"
RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""Words that some reader of YAML takes for something else than text."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes
    ----------
    workspace : its folder, whose accounts are scored
    as_of : ISO date; None for the last day the data cover
    out : receives ``<workspace>/<as_of>/``
    anonymise : mask names, also where workspace.yaml does not say so
    """

    workspace: Path
    as_of: str | None = None
    out: Path = Path("reports")
    anonymise: bool = False


@dataclass(frozen=True)
class Done:
    """What a command found, where its page lies, and the currency of its money."""

    found: Any
    page: Path
    currency: str


def diff(a: Path, b: Path, wanted: Wanted, tell: Tell = silent) -> Done:
    """Compare two scorecards on one workspace's data of one day; writes ``diff.html`` and ``diff.csv`` into the run's folder.

    Parameters
    ----------
    a, b : a scorecard file, or a folder that holds one: a workspace, or a run's folder, which keeps the scorecard it was made with

    Raises
    ------
    HealthlibError
        Where a scorecard is missing or does not fit the workspace.
    """
    from .page_scorecard import comparison
    from .spec import load_workspace
    from .studies.book import book_of
    from .tables import load_tables

    paths = [find_scorecard(path) for path in (a, b)]
    names = _names(*paths)
    clock = Clock(tell, total=4)
    sides, books = [], []
    with clock.step("open the workspace"):
        workspaces = [load_workspace(wanted.workspace, path, anonymise=wanted.anonymise) for path in paths]
        tables = load_tables(workspaces[0])
    at = pd.Timestamp(wanted.as_of or tables.data_through)
    for name, path, workspace in zip(names, paths, workspaces, strict=True):
        with clock.step(f"measure what {path} asks for"):
            book = book_of(tables, workspace, at)
        today = book.history[book.history["as_of"] == book.as_of]
        sides.append((name, book.scorecard, today))
        books.append(book)
    found = compare(*sides)
    with clock.step("write the comparison"):
        body = comparison(found, workspaces[1].currency)
        page = _publish(books[1], wanted.out, ("diff", "Two scorecards compared", body), {"diff.csv": found.accounts})
    return Done(found, page, workspaces[1].currency)


def find_scorecard(path: Path) -> Path:
    """The scorecard file meant: the file itself, or that of a folder.

    Raises
    ------
    HealthlibError
        Where there is none.
    """
    found = path / SCORECARD if path.is_dir() else path
    if not found.is_file():
        raise HealthlibError(f"{path}: no scorecard; give a scorecard file, a workspace, or the folder of a run (which holds {SCORECARD})")
    return found


def _names(a: Path, b: Path) -> tuple[str, str]:
    """What the two are called on the page: the folder of a scorecard.yaml, the name of any other file; A and B where these are the same."""
    first, second = (path.resolve().parent.name if path.name == SCORECARD else path.stem for path in (a, b))
    return (first, second) if first != second else ("A", "B")


def suggest(wanted: Wanted, tell: Tell = silent) -> Done:
    """Scales from history; writes ``scales.html``, ``suggested_scales.csv`` and ``scales.yaml`` (ready to paste) into the run's folder."""
    from .page_scorecard import suggestion
    from .studies.book import load_book

    clock = Clock(tell, total=2)
    with clock.step("open the workspace"):
        book = load_book(wanted.workspace, wanted.as_of, anonymise=wanted.anonymise)
    with clock.step("read scales from history"):
        found = suggest_scales(book.scorecard, book.history, book.as_of)
        files = {"suggested_scales.csv": found.metrics, "scales.yaml": scales_yaml(found)}
        page = _publish(book, wanted.out, ("scales", "Scales that history suggests", suggestion(found)), files)
    return Done(found, page, book.workspace.currency)


def scales_yaml(found: Suggestion) -> str:
    """The proposed ends and cuts as YAML, ready to be pasted into scorecard.yaml."""
    lines = [f"# proposed from month-ends up to {found.as_of:%Y-%m-%d}; outcomes were not looked at", "metrics:"]
    for row in found.metrics.to_dict("records"):
        if pd.isna(row["worst"]):
            lines.append(f"  # {row['metric']}: {row['said']}")
            continue
        said = f"  # {row['said']}" if row["said"] else ""
        lines += [f"  {row['metric']}:{said}", f"    worst: {row['worst']:g}", f"    best: {row['best']:g}"]
    lines.append("bands:")
    lines += [
        f"  - {{name: {_quoted(name)}, from: {start:g}}}"
        for name, start in zip(found.cuts["band"], found.cuts["from_proposed"], strict=True)
    ]
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    """A name as YAML reads it back, in quotes where it is more than a word.

    >>> _quoted("red"), _quoted("At risk: call"), _quoted("0")
    ('red', '"At risk: call"', '"0"')
    """
    return name if re.fullmatch(r"[A-Za-z][A-Za-z_]*", name) and name.lower() not in RESERVED else json.dumps(name)


def _publish(book: Any, out: Path, page: tuple[str, str, Any], files: Mapping[str, pd.DataFrame | str]) -> Path:
    """A page (name, title, body) and the files beside it, added to the folder of the book's day in one step; returns the page's path."""
    from . import report

    name, title, body = page

    def write(aside: Path) -> None:
        (aside / f"{name}.html").write_text(report.render(title, body, context=page_context(book)), encoding="utf-8")
        for file, content in files.items():
            if isinstance(content, str):
                (aside / file).write_text(content, encoding="utf-8")
            else:
                artifacts.write_csv(content, aside / file)

    shelf, mark = out / workspace_name(book.workspace.folder), masks.mark(book.workspace.anonymise)
    return publish.added(shelf, artifacts.day(book.as_of), write, mark) / f"{name}.html"
