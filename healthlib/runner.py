"""The monthly job: facts once, four notebooks, the artifacts beside them, published in one step or not at all.

Studies and notebooks are the steps of a graph: two processes compute studies, and a notebook runs in its kernel as soon as the studies that
it loads are known.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from . import artifacts, catalogue, execution, fit_proposal, publish, steps, studies, workers
from .errors import HealthlibError

NOTEBOOKS = {"audit": "01_audit", "weights": "02_fit_weights", "backtest": "03_backtest_bands", "executive": "04_executive_report"}
"""Page -> the notebook that makes it."""
SEED = 0
PACKAGES = (
    "healthlib", "pandas", "numpy", "scipy", "scikit-learn", "statsmodels", "matplotlib", "duckdb", "pyarrow", "papermill", "nbconvert",
)  # fmt: skip
"""Those whose version a run records."""

Tell = Callable[[str, int, int], None]
"""Called with (what begins, steps begun before it, steps in all)."""


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

    @contextmanager
    def step(self, name: str) -> Generator[None]:
        """Time one step and announce it."""
        self.hear(name)
        began = time.perf_counter()
        yield
        self.took(name, time.perf_counter() - began)


@dataclass(frozen=True)
class Run:
    """A finished run: the folder it left, the day it speaks of, seconds per step."""

    folder: Path
    as_of: str
    seconds: dict[str, float]


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
    folder: Path | str, as_of: str | None = None, out: Path | str = "reports", *, tell: Tell = silent, notebooks: Path | None = None
) -> Run:
    """Reports and tables of one workspace and one day, to ``<out>/<workspace>/<as_of>/``.

    Parameters
    ----------
    folder : the workspace
    as_of : ISO date; None for the last day the data cover
    out : receives ``<workspace>/<as_of>/``
    tell : hears each step begin
    notebooks : the folder of the four notebooks; the project's own where None

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
    with publish.lock(shelf), tempfile.TemporaryDirectory(prefix="healthlib-") as scratch:
        with clock.step("open the workspace"), ThreadPoolExecutor(1) as pool:
            pool.submit(execution.warm_up)
            pool.submit(workers.prepare)
            book = open_book(workspace, pd.Timestamp(as_of) if as_of else None)
            book.leaks  # noqa: B018 - made here, so that no worker makes it again
        for path in shelf.glob("*.failed.ipynb"):
            path.unlink()
        day = artifacts.day(book.as_of)
        with publish.built_aside(shelf / day) as aside:
            places = Places(home, aside, shelf, Path(scratch).resolve())
            facts = _facts_and_notebooks(book, _shown(Path(folder), day), places, clock)
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
    """All four notebooks are there and take the parameters a run gives them; said before any work is done."""
    for name in NOTEBOOKS.values():
        path = home / f"{name}.ipynb"
        if not path.is_file():
            raise HealthlibError(f"{path} is missing")
        execution.check_parameters(path, {"workspace": "", "as_of": "", "facts": ""})


def _shown(workspace: Path, day: str) -> dict[str, str]:
    """The parameters that a reader of the executed notebook sees: the workspace from here, or by its name alone where it lies elsewhere."""
    here = os.path.relpath(workspace)
    return {"workspace": workspace_name(workspace) if here.startswith("..") else Path(here).as_posix(), "as_of": day, "facts": ""}


def _facts_and_notebooks(book: Any, shown: dict[str, str], places: Places, clock: Clock) -> Mapping[str, Any]:
    """Compute the studies and run the notebooks; gives study -> facts."""
    lanes = {"study": workers.how_many(), "notebook": 2}
    context = page_context(book)

    def settle(page: str, seconds: float) -> None:
        shutil.move(places.scratch / f"{page}.ipynb", places.aside / f"{page}.ipynb")
        export(places.aside / f"{page}.ipynb", context)
        clock.took(f"notebook {NOTEBOOKS[page]}", seconds)

    with workers.hired(book, places.facts, lanes["study"]) as crew, ThreadPoolExecutor(lanes["notebook"]) as pool:
        graph: dict[str, steps.Step] = {}
        for name in studies.STUDIES:
            took = partial(clock.took, f"study {name}")
            graph[f"study {name}"] = steps.Step(partial(workers.submit, crew, name), needs(studies.REGISTRY[name].needs), "study", took)
        for page, name in NOTEBOOKS.items():
            wanted = needs(loaded(places.home / f"{name}.ipynb"))
            work = partial(_execute, name, page, shown, places)
            graph[f"notebook {name}"] = steps.Step(partial(pool.submit, work), wanted, "notebook", partial(settle, page))
        try:
            with workers.outlived():
                steps.follow(graph, lanes, clock.hear)
        except execution.NotebookError as error:
            raise execution.NotebookError(f"{error}{_keep_failed(places.scratch, places.shelf)}") from error
    return workers.Stored(places.facts, studies.STUDIES)


def _execute(name: str, page: str, shown: dict[str, str], places: Places) -> float:
    """Run one notebook over the stored facts to ``<scratch>/<page>.ipynb``; gives its seconds."""
    began = time.perf_counter()
    given = {**shown, "facts": str(places.facts)}
    execution.execute(places.home / f"{name}.ipynb", places.scratch / f"{page}.ipynb", given, shown=shown)
    return time.perf_counter() - began


def needs(names: Iterable[str]) -> frozenset[str]:
    """The steps that give the facts of these studies."""
    return frozenset(f"study {name}" for name in names)


def loaded(notebook: Path) -> set[str]:
    """The studies whose facts a notebook loads: those named in a ``studies.load("…")`` of it; all where it names none."""
    named = set(re.findall(r'studies\.load\(\\?"(\w+)\\?"', notebook.read_text(encoding="utf-8"))) & set(studies.STUDIES)
    return named or set(studies.STUDIES)


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
    """Every CSV and ``summary.json`` of a run, and the scorecard it was made with, word for word."""
    from .studies.summary import with_contest, with_followed, with_thresholds

    artifacts.write_tables(facts, folder)
    fit_proposal.write_proposal(book, facts["fit"], folder)
    artifacts.write_rejected(book.rejected, folder)
    figures = with_thresholds(with_contest(facts["executive"].summary, facts["contest"]), facts["choosing"])
    artifacts.write_json(with_followed(figures, facts["followed"], facts["growth"]), folder / "summary.json")
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
    import json

    from . import report

    runs = []
    for page in sorted(out.glob("*/*/executive.html")):
        folder = page.parent
        if folder.name.startswith("."):
            continue
        told = folder / "summary.json"
        summary = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
        href = page.relative_to(out).as_posix()
        runs.append({"workspace": summary.get("workspace", folder.parent.name), "as_of": folder.name, "href": href, "summary": summary})
    publish.write_whole(out / "index.html", report.index_page(runs))
    return out / "index.html"
