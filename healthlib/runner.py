"""The monthly job: facts once, four notebooks and one per CSM, the artifacts beside them, published in one step or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from . import artifacts, book_files, catalogue, execution, fit_proposal, publish, series, store, studies
from .errors import HealthlibError

BOOK = "book"
NOTEBOOKS = {
    "audit": "01_audit", "weights": "02_fit_weights", "backtest": "03_backtest_bands", "executive": "04_executive_report", BOOK: "05_book",
}  # fmt: skip
"""Page -> the notebook that makes it; a notebook starts as soon as the facts of its page and those before it are known. `BOOK` makes a page
per CSM."""
SEED = 0
PACKAGES = (
    "healthlib", "pandas", "numpy", "scipy", "scikit-learn", "statsmodels", "matplotlib", "duckdb", "pyarrow", "papermill", "nbconvert",
)  # fmt: skip
"""Those whose version a run records."""

Tell = Callable[[str, int, int], None]
"""Called with (what begins, steps done, steps in all)."""


def silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass
class Clock:
    """What a run is doing, how long each step took, and whom to tell."""

    tell: Tell = silent
    total: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Generator[None]:
        """Time one step and announce it."""
        self.tell(name, len(self.seconds), self.total)
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 3)


@dataclass(frozen=True)
class Run:
    """A finished run: the folder it left, the day it speaks of, seconds per step."""

    folder: Path
    as_of: str
    seconds: dict[str, float]


@dataclass(frozen=True)
class Places:
    """Where a run finds the notebooks, builds the report, keeps what failed, and the threads that mind the kernels."""

    home: Path
    aside: Path
    shelf: Path
    pool: ThreadPoolExecutor


def run(
    folder: Path | str,
    as_of: str | None = None,
    out: Path | str = "reports",
    *,
    tell: Tell = silent,
    notebooks: Path | None = None,
    books: bool | None = None,
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

    Raises
    ------
    HealthlibError
        Whatever the workspace, the data or a notebook has wrong; the folder of the last good run is then as it was.
    """
    from .spec import load_workspace
    from .studies.book import open_book

    home = notebooks or find_notebooks()
    check_notebooks(home)
    workspace = load_workspace(Path(folder))
    shelf = Path(out) / workspace_name(Path(folder))
    clock = Clock(tell, total=3 + len(studies.STUDIES) + len(NOTEBOOKS))
    with publish.lock(shelf), ThreadPoolExecutor(max_workers=2) as pool:
        pool.submit(execution.warm_up)
        with clock.step("open the workspace"):
            book = open_book(workspace, pd.Timestamp(as_of) if as_of else None)
        wanted = _wanted(book, books)
        clock.total = 3 + len(wanted) + len({studies.REGISTRY[name].page for name in wanted})
        for path in shelf.glob("*.failed.ipynb"):
            path.unlink()
        day = artifacts.day(book.as_of)
        with publish.built_aside(shelf / day) as aside:
            facts = _facts_and_notebooks(book, _shown(Path(folder), day), Places(home, aside, shelf, pool), clock, wanted)
            with clock.step("write the tables"):
                write_artifacts(book, facts, aside)
                _write_manifest(book, clock.seconds, aside)
    with clock.step("list the runs"):
        write_index(Path(out))
    return Run(shelf / day, day, clock.seconds)


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


def _facts_and_notebooks(book: Any, shown: dict[str, str], places: Places, clock: Clock, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Compute the studies in order; each notebook runs in its own kernel while the next study is computed. Then the pages."""
    facts: dict[str, Any] = {}
    running: dict[str, Future[list[Path]]] = {}
    with tempfile.TemporaryDirectory(prefix="healthlib-") as folder:
        scratch = Path(folder).resolve()
        try:
            for name in wanted:
                with clock.step(f"study {name}"):
                    facts[name] = studies.compute(name, book, facts)
                    store.save(facts[name], scratch / "facts" / name)
                page = studies.REGISTRY[name].page
                if name == studies.last_of(page):
                    given = {**shown, "facts": str(scratch / "facts")}
                    notebook = places.home / f"{NOTEBOOKS[page]}.ipynb"
                    running[page] = places.pool.submit(_execute, notebook, scratch, _each(page, given, facts), shown)
            for page, future in running.items():
                with clock.step(f"notebook {NOTEBOOKS[page]}"):
                    for executed in future.result():
                        _place(executed, page, places.aside, page_context(book))
            _no_dead_links(places.aside)
        except execution.NotebookError as error:
            raise execution.NotebookError(f"{error}{_keep_failed(scratch, places.shelf)}") from error
        finally:
            for future in running.values():
                future.cancel()
            wait(running.values())
    return facts


def _each(page: str, given: dict[str, str], facts: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Name of a page's file -> what its notebook is given: one, or one a CSM."""
    if page != BOOK:
        return {page: given}
    return {book_files.book_file(name).removesuffix(".html"): {**given, "csm": name} for name in facts["books"].owners}


def _execute(notebook: Path, scratch: Path, each: dict[str, dict[str, str]], shown: dict[str, str]) -> list[Path]:
    """The executed notebooks: a single one in a kernel of its own, several in one."""
    if len(each) != 1:
        return series.execute_each(notebook, scratch, each, shown=shown)
    return [execution.execute(notebook, scratch / f"{name}.ipynb", given, shown=shown) for name, given in each.items()]


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


def write_artifacts(book: Any, facts: dict[str, Any], folder: Path) -> None:
    """Every CSV, ``summary.json`` and ``summary.html`` of a run, and the scorecard it was made with, word for word."""
    from . import page_mail
    from .studies import books
    from .studies.summary import with_contest

    artifacts.write_tables(facts, folder)
    fit_proposal.write_proposal(book, facts["fit"], folder)
    artifacts.write_rejected(book.rejected, folder)
    figures = with_contest(facts["executive"].summary, facts["contest"])
    made = {"books": books.listed(facts["books"])} if "books" in facts else {}
    artifacts.write_json({**figures, **made}, folder / "summary.json")
    (folder / "summary.html").write_text(page_mail.mail(facts["executive"]), encoding="utf-8", newline="")
    shutil.copyfile(book.workspace.folder / "scorecard.yaml", folder / "scorecard.yaml")


def _write_manifest(book: Any, seconds: dict[str, float], folder: Path) -> None:
    inputs = book.tables.drop(columns=["first_day", "last_day"], errors="ignore")
    manifest = {
        "workspace": book.workspace.name,
        "as_of": artifacts.day(book.as_of),
        "data_through": artifacts.day(book.data_through),
        "inputs": inputs,
        "workspace_sha256": book.workspace.sha256,
        "scorecard_sha256": book.scorecard.sha256,
        "catalogue_sha256": catalogue.sha256(),
        "parameters": {"as_of": artifacts.day(book.as_of), "outcome": book.workspace.outcome.model_dump(mode="json")},
        "seed": SEED,
        "versions": artifacts.versions(PACKAGES),
        "seconds": {**seconds, "total": round(sum(seconds.values()), 3)},
    }
    artifacts.write_json(manifest, folder / "manifest.json")


def write_index(out: Path) -> Path:
    """``index.html``: all runs of all workspaces, newest first, from what each run's folder says."""
    from . import page_index, runs

    publish.write_whole(out / "index.html", page_index.index(runs.found(out)))
    return out / "index.html"
