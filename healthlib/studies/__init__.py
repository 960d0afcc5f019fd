"""The questions of each notebook: `load` gives a notebook its facts, from the runner's store or computed here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from .. import given
from ..errors import HealthlibError, nearest


@dataclass(frozen=True)
class Study:
    """How a study is made, and where it is shown.

    Attributes
    ----------
    module : of this package; its `of(book, done)` gives the facts
    page : the page of a run that shows it first; "" where no run computes it
    needs : the studies whose facts it reads in `done`
    """

    module: str
    page: str = ""
    needs: tuple[str, ...] = ()


REGISTRY = {
    "audit": Study("audit", "audit"),
    "ending": Study("ending", "audit"),
    "accounts": Study("accounts", "audit", ("audit",)),
    "retained": Study("retained", "audit", ("audit", "ending")),
    "fit": Study("fit", "weights"),
    "contest": Study("contest", "weights", ("fit",)),
    "growth": Study("growth", "weights"),
    "feedback": Study("feedback", "weights"),
    "evidence": Study("evidence", "weights", ("fit",)),
    "segments": Study("segments", "weights", ("fit",)),
    "steady": Study("steady", "weights", ("fit",)),
    "backtest": Study("backtest_bands", "backtest", ("fit",)),
    "choosing": Study("choosing", "backtest", ("fit",)),
    "forecast": Study("forecast", "backtest"),
    "treatment": Study("treatment", "backtest"),
    "stability": Study("stability", "backtest", ("fit", "backtest")),
    "executive": Study("executive", "executive", ("audit", "accounts", "fit", "backtest", "forecast")),
    "followed": Study("followed", "executive", ("audit", "growth", "treatment", "accounts")),
    "books": Study("books", "book", ("executive", "accounts")),
    "presets": Study("presets"),
}
"""In the order they are computed; each may use the facts of those before it."""
STUDIES = tuple(name for name, study in REGISTRY.items() if study.page)
"""What a run computes."""
CHECK = "check"
"""The study of the data themselves: it needs the tables as well as the book."""


def load(name: str, workspace: str, as_of: str = "", facts: str = "") -> Any:
    """The facts of one study.

    Parameters
    ----------
    name : one of `REGISTRY`, or check
    workspace : folder with the exports and the two YAML files; a relative one is also looked for above the working directory, so that
        a notebook opened in its own folder finds it
    as_of : ISO date; empty for the last day the data cover
    facts : a folder of facts the runner has saved; empty to compute them here (once per process)

    Returns
    -------
    The frozen dataclass that the `of` of its module gives: AuditFacts, FitFacts, ..., or CheckFacts

    Raises
    ------
    HealthlibError
        For an unknown study, and whatever the workspace has wrong.
    """
    given.check({"workspace": workspace, "as_of": as_of, "facts": facts})
    known = (*REGISTRY, CHECK)
    if name not in known:
        raise HealthlibError(f"no study is called {name!r}; there are {', '.join(known)} (nearest: {nearest(name, known)})")
    if facts and (name in STUDIES or (Path(facts) / name).exists()):
        from .. import store

        return store.load(Path(facts) / name)
    return _computed(name, str(find_workspace(workspace)), as_of or None)


def compute(name: str, book: Any, done: dict[str, Any]) -> Any:
    """One study over an opened book.

    Parameters
    ----------
    name : one of `REGISTRY`
    book : a Book
    done : study -> facts of the studies before this one
    """
    return import_module(f"{__name__}.{REGISTRY[name].module}").of(book, done)


def find_workspace(folder: str | Path) -> Path:
    """The workspace folder as given, or, where a relative one is not there, the same below the nearest parent of the working directory."""
    given = Path(folder)
    if given.is_absolute() or given.is_dir():
        return given
    found = (parent / given for parent in Path.cwd().parents)
    return next((path for path in found if path.is_dir()), given)


def opened(workspace: str, as_of: str = "") -> Any:
    """The book of a workspace on a day, as `load` opens it; once per process."""
    return _book(str(find_workspace(workspace)), as_of or None)


@lru_cache(maxsize=2)
def _book(workspace: str, as_of: str | None) -> Any:
    from .book import load_book

    return load_book(workspace, as_of)


@lru_cache(maxsize=16)
def _computed(name: str, workspace: str, as_of: str | None) -> Any:
    if name == CHECK:
        from .check import check_study, open_for_check

        return check_study(open_for_check(workspace, as_of))
    done = {need: _computed(need, workspace, as_of) for need in REGISTRY[name].needs}
    return compute(name, _book(workspace, as_of), done)
