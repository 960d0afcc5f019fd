"""The monthly job: facts once, four notebooks and one per CSM, the artifacts beside them, published in one step or not at all.

Studies and notebooks are the steps of a graph: two processes compute studies, and a notebook runs in its kernel as soon as the studies that
it loads are known.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from . import (
    artifacts,
    book_files,
    catalogue,
    claims_late,
    execution,
    fit_proposal,
    given,
    late,
    machine,
    publish,
    series,
    status,
    steps,
    studies,
    workers,
)
from .errors import HealthlibError
from .progress import Tell, listener

BOOK = "book"
NOTEBOOKS = {
    "audit": "01_audit", "weights": "02_fit_weights", "backtest": "03_backtest_bands", "executive": "04_executive_report", BOOK: "05_book",
}  # fmt: skip
"""Page -> the notebook that makes it; `BOOK` makes a page per CSM."""
SEED = 0
PACKAGES = (
    "healthlib", "pandas", "numpy", "scipy", "scikit-learn", "statsmodels", "matplotlib", "duckdb", "pyarrow", "papermill", "nbconvert",
)  # fmt: skip
"""Those whose version a run records."""


def silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass
class Clock:
    """What a run is doing, how long each step took, and whom to tell."""

    tell: Tell = silent
    total: int = 0
    begun: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def hear(self, name: str) -> None:
        """Announce a step that begins."""
        self.tell(name, self.begun, self.total)
        self.begun += 1

    def took(self, name: str, seconds: float) -> None:
        """Note how long a step took."""
        self.seconds[name] = round(seconds, 3)
        listener(self.tell).took(name, seconds)

    @contextmanager
    def step(self, name: str) -> Generator[None]:
        """Time one step and announce it."""
        self.hear(name)
        began = time.perf_counter()
        yield
        self.took(name, time.perf_counter() - began)


@dataclass(frozen=True)
class Run:
    """A finished run: the folder it left, the day it speaks of, seconds per step, and what changed in the past since the last run."""

    folder: Path
    as_of: str
    seconds: dict[str, float]
    late: tuple[str, ...] = ()


@dataclass(frozen=True)
class Places:
    """Where a run finds the notebooks, builds the report, keeps what failed and what passes between its processes."""

    home: Path
    aside: Path
    shelf: Path
    scratch: Path

    @property
    def facts(self) -> Path:
        """The studies' facts, a folder each."""
        return self.scratch / "facts"


def run(
    folder: Path | str,
    as_of: str | None = None,
    out: Path | str = "reports",
    *,
    tell: Tell = silent,
    notebooks: Path | None = None,
    books: bool | None = None,
    cases: Path | None = None,
) -> Run:
    """Reports and tables of one workspace and one day, to ``<out>/<workspace>/<as_of>/``.

    Parameters
    ----------
    folder : the workspace
    as_of : ISO date; None for the last day the data cover
    out : receives ``<workspace>/<as_of>/``
    tell : hears each step begin
    notebooks : the folder of the notebooks; the project's own where None
    books : a page per CSM; where None, if there are at most `studies.books.MOST` of them
    cases : a file of `healthlib snapshot` in the place of events; where None, what workspace.yaml says

    Raises
    ------
    HealthlibError
        Whatever the workspace, the data or a notebook has wrong; the folder of the last good run is then as it was.
    """
    from .spec import load_workspace

    shelf = Path(out) / workspace_name(Path(folder))
    if not (shelf.is_dir() or Path(folder).is_dir()):
        load_workspace(Path(folder))  # says that nothing is there; a misspelt name leaves no shelf
    with publish.lock(shelf), status.kept(shelf, as_of, tell) as watch, publish.scratch(shelf) as scratch:
        home = notebooks or find_notebooks()
        check_notebooks(home)
        clock = Clock(watch, total=3 + len(studies.STUDIES) + len(NOTEBOOKS))
        workspace = load_workspace(Path(folder))
        workspace = workspace.model_copy(update={"cases": os.path.relpath(cases, workspace.folder)}) if cases is not None else workspace
        past = late.Watch(shelf, workspace)
        book = _opened(workspace, as_of, clock, past)
        wanted = _wanted(book, books)
        clock.total = 3 + len(wanted) + len({studies.REGISTRY[name].page for name in wanted})
        for path in shelf.glob("*.failed.ipynb"):
            path.unlink()
        day = artifacts.day(book.as_of)
        with publish.built_aside(shelf / day) as aside:
            places = Places(home, aside, shelf, scratch.resolve())
            facts = _facts_and_notebooks(book, _shown(Path(folder), day), places, clock, wanted)
            with clock.step("write the tables"):
                write_artifacts(book, facts, aside)
                past.keep(aside)
                since = claims_late.told(past.found, workspace.currency)
                _write_manifest(book, clock.seconds, aside, {"books": books, "since_last_run": since})
        with clock.step("list the runs"):
            write_index(Path(out))
    return Run(shelf / day, day, clock.seconds, claims_late.lines(past.found, workspace.currency))


def _opened(workspace: Any, as_of: str | None, clock: Clock, past: late.Watch) -> Any:
    """The book, while other threads import what notebooks and studies need."""
    from .studies.book import open_book

    given.check({"as_of": as_of})
    with clock.step("open the workspace"), ThreadPoolExecutor(1) as pool:
        pool.submit(execution.warm_up)
        pool.submit(workers.prepare)
        book = open_book(workspace, pd.Timestamp(as_of) if as_of else None, past.see)
        book.leaks  # noqa: B018 - made here, so that no worker makes it again
        listener(clock.tell).opens(artifacts.day(book.as_of), int(book.tables["rows_in"].sum()))
    return book


def workspace_name(folder: Path) -> str:
    """The name a workspace's reports are kept under: its folder's."""
    return folder.resolve().name or "workspace"


def find_notebooks() -> Path:
    """The project's notebooks: beside the package, or below the working directory.

    Raises
    ------
    HealthlibError
        Where they are in neither place.
    """
    places = [Path(__file__).resolve().parent.parent / "notebooks", Path.cwd() / "notebooks"]
    found = next((p for p in places if (p / f"{NOTEBOOKS['audit']}.ipynb").is_file()), None)
    if found is None:
        raise HealthlibError("the notebooks were not found; run from a checkout of the project, where the folder `notebooks` lies")
    return found


def check_notebooks(home: Path) -> None:
    """All notebooks are there and take the parameters a run gives them; said before any work is done."""
    for page, name in NOTEBOOKS.items():
        path = home / f"{name}.ipynb"
        if not path.is_file():
            raise HealthlibError(f"{path} is missing")
        execution.check_parameters(path, {"workspace": "", "as_of": "", "facts": ""} | ({"csm": ""} if page == BOOK else {}))


def _wanted(book: Any, books: bool | None) -> tuple[str, ...]:
    """The studies of this run: those of the books only where somebody has accounts, and not unasked for where there are very many."""
    from .studies.books import MOST, names_of

    owners = names_of(book) if books is not False else ()
    made = bool(owners) and (books is True or len(owners) <= MOST)
    return tuple(name for name in studies.STUDIES if made or studies.REGISTRY[name].page != BOOK)


def _shown(workspace: Path, day: str) -> dict[str, str]:
    """The parameters that a reader of the executed notebook sees: the workspace from here, or by its name alone where it lies elsewhere."""
    here = os.path.relpath(workspace)
    return {"workspace": workspace_name(workspace) if here.startswith("..") else Path(here).as_posix(), "as_of": day, "facts": ""}


def _facts_and_notebooks(book: Any, shown: dict[str, str], places: Places, clock: Clock, wanted: tuple[str, ...]) -> Mapping[str, Any]:
    """Compute the studies and run the notebooks; gives study -> facts."""
    lanes = {"study": workers.how_many(), "notebook": 2}
    facts = workers.Stored(places.facts, wanted)
    context = page_context(book)

    def settle(page: str, done: tuple[list[Path], float]) -> None:
        for executed in done[0]:
            _place(executed, page, places.aside, context)
        clock.took(f"notebook {NOTEBOOKS[page]}", done[1])

    with workers.hired(book, places.facts, lanes["study"]) as crew, ThreadPoolExecutor(lanes["notebook"]) as pool:
        graph: dict[str, steps.Step] = {}
        for name in wanted:
            took = partial(clock.took, f"study {name}")
            graph[f"study {name}"] = steps.Step(partial(workers.submit, crew, name), needs(studies.REGISTRY[name].needs), "study", took)
        for page in (page for page in NOTEBOOKS if page in {studies.REGISTRY[name].page for name in wanted}):
            before = needs(loaded(places.home / f"{NOTEBOOKS[page]}.ipynb", wanted))
            work = partial(_execute, page, shown, places, facts)
            graph[f"notebook {NOTEBOOKS[page]}"] = steps.Step(partial(pool.submit, work), before, "notebook", partial(settle, page))
        try:
            with workers.outlived():
                steps.follow(graph, lanes, clock.hear)
        except KeyboardInterrupt:
            machine.end_children()
            raise
        except execution.NotebookError as error:
            raise execution.NotebookError(f"{error}{_keep_failed(places.scratch, places.shelf)}") from error
    _no_dead_links(places.aside)
    return facts


def needs(names: Iterable[str]) -> frozenset[str]:
    """The steps that give the facts of these studies."""
    return frozenset(f"study {name}" for name in names)


def loaded(notebook: Path, wanted: tuple[str, ...]) -> set[str]:
    """The studies of `wanted` whose facts a notebook loads: those named in a ``studies.load("…")`` of it; all where it names none."""
    named = set(re.findall(r'studies\.load\(\\?"(\w+)\\?"', notebook.read_text(encoding="utf-8"))) & set(wanted)
    return named or set(wanted)


def _each(page: str, given: dict[str, str], facts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Name of a page's file -> what its notebook is given: one, or one a CSM."""
    if page != BOOK:
        return {page: given}
    return {book_files.book_file(name).removesuffix(".html"): {**given, "csm": name} for name in facts["books"].owners}


def _execute(page: str, shown: dict[str, str], places: Places, facts: Mapping[str, Any]) -> tuple[list[Path], float]:
    """The executed notebooks of a page, below scratch, and the seconds they took: a single one in a kernel of its own, several in one."""
    began = time.perf_counter()
    notebook = places.home / f"{NOTEBOOKS[page]}.ipynb"
    each = _each(page, {**shown, "facts": str(places.facts)}, facts)
    if len(each) != 1:
        made = series.execute_each(notebook, places.scratch, each, shown=shown)
    else:
        made = [execution.execute(notebook, places.scratch / f"{name}.ipynb", given, shown=shown) for name, given in each.items()]
    return made, time.perf_counter() - began


def _place(executed: Path, page: str, aside: Path, context: dict[str, Any]) -> None:
    """The page of an executed notebook; the notebook goes beside it, but for books, of which one says it all."""
    if page == BOOK:
        from . import report

        report.export(executed, aside / f"{executed.stem}.html", context=context)
    else:
        shutil.move(executed, aside / executed.name)
        export(aside / executed.name, context)


def _no_dead_links(folder: Path) -> None:
    """Names of CSMs lead to their books only where these were made."""
    there = {path.name for path in folder.glob("book-*.html")}
    for path in sorted(folder.glob("*.html")):
        text = path.read_text(encoding="utf-8")
        kept = book_files.without_dead_links(text, there)
        if kept != text:
            path.write_text(kept, encoding="utf-8")


def _keep_failed(scratch: Path, shelf: Path) -> str:
    """Leave the notebook with its error marked where the analyst can open it; says where."""
    for path in sorted(scratch.glob("*.failed.ipynb")):
        shutil.copy(path, shelf / path.name)
    kept = ", ".join(str(path) for path in sorted(shelf.glob("*.failed.ipynb")))
    return f" See the error in {kept}." if kept else ""


def page_context(book: Any) -> dict[str, Any]:
    """What every page says of itself, for `report.export`."""
    return {
        "workspace": book.workspace.name,
        "as_of": book.as_of,
        "data_through": book.data_through,
        "simulated": book.workspace.simulated,
        "accounts": int((book.history["as_of"] == book.as_of).sum()),
        "scorecard_sha256": book.scorecard.sha256,
        "seed": SEED,
        "versions": artifacts.versions(["healthlib"]),
        "evidence": book.evidence,
    }


def export(ipynb: Path, context: dict[str, Any]) -> Path:
    """The page of one executed notebook, beside it."""
    from . import report

    return report.export(ipynb, ipynb.with_suffix(".html"), context=context)


def write_artifacts(book: Any, facts: Mapping[str, Any], folder: Path) -> None:
    """Every CSV, ``summary.json`` and ``summary.html`` of a run, and the scorecard it was made with, word for word."""
    from . import page_mail
    from .studies import summary

    artifacts.write_tables(facts, folder)
    fit_proposal.write_proposal(book, facts["fit"], folder)
    artifacts.write_rejected(book.rejected, folder)
    artifacts.write_json(summary.whole(facts), folder / "summary.json")
    (folder / "summary.html").write_text(page_mail.mail(facts["executive"]), encoding="utf-8", newline="")
    shutil.copyfile(book.workspace.folder / "scorecard.yaml", folder / "scorecard.yaml")


def _write_manifest(book: Any, seconds: dict[str, float], folder: Path, more: dict[str, Any]) -> None:
    inputs = book.tables.drop(columns=["first_day", "last_day"], errors="ignore")
    manifest = {
        "workspace": book.workspace.name,
        "as_of": artifacts.day(book.as_of),
        "data_through": artifacts.day(book.data_through),
        "inputs": inputs,
        "workspace_sha256": book.workspace.sha256,
        "scorecard_sha256": book.scorecard.sha256,
        "catalogue_sha256": catalogue.sha256(),
        "code_sha256": code_sha256(find_notebooks()),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "since_last_run": more["since_last_run"],
        "parameters": {
            "as_of": artifacts.day(book.as_of),
            "books": more["books"],
            "outcome": book.workspace.outcome.model_dump(mode="json"),
        },
        "seed": SEED,
        "versions": artifacts.versions(PACKAGES),
        "seconds": {**seconds, "total": round(sum(seconds.values()), 3)},
    }
    artifacts.write_json(manifest, folder / "manifest.json")


def code_sha256(home: Path) -> str:
    """Of the package as it runs here and of the notebooks in `home`: what a report was made with, whatever the version says."""
    package = Path(__file__).parent
    files = [path for path in package.rglob("*") if path.suffix in (".py", ".yaml", ".j2", ".css", ".js", ".json")]
    digest = hashlib.sha256()
    for path in [*sorted(files), *(home / f"{name}.ipynb" for name in NOTEBOOKS.values())]:
        digest.update(f"{path.name}:{artifacts.sha256(path)}\n".encode())
    return digest.hexdigest()


def write_index(out: Path) -> Path:
    """``index.html``: all runs of all workspaces, newest first, from what each run's folder says."""
    from . import page_index, runs

    publish.write_whole(out / "index.html", page_index.index(runs.found(out)))
    return out / "index.html"
