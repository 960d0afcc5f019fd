"""The questions of each notebook: `load` gives a notebook its facts, from the runner's store or computed here."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import HealthlibError, nearest

STUDIES = ("audit", "fit", "backtest", "executive")
"""In the order they are computed; each may use the facts of those before it."""
CHECK = "check"
"""The study of the data themselves: it needs the tables as well as the book."""
ON_REQUEST = (CHECK, "presets")
"""Studies that no run computes, only whoever asks for them."""


def load(name: str, workspace: str, as_of: str = "", facts: str = "") -> Any:
    """The facts of one study.

    Parameters
    ----------
    name : audit, fit, backtest, executive, check or presets
    workspace : folder with the exports and the two YAML files; a relative one is also looked for above the working directory, so that
        a notebook opened in its own folder finds it
    as_of : ISO date; empty for the last day the data cover
    facts : a folder of facts the runner has saved; empty to compute them here (once per process)

    Returns
    -------
    AuditFacts, FitFacts, BacktestFacts, ExecutiveFacts, CheckFacts or PresetFacts

    Raises
    ------
    HealthlibError
        For an unknown study, and whatever the workspace has wrong.
    """
    known = (*STUDIES, *ON_REQUEST)
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
    name : one of `STUDIES` or `ON_REQUEST`
    book : a Book
    done : study -> facts of the studies before this one
    """
    if name == "audit":
        from .audit import audit_study

        return audit_study(book)
    if name == "fit":
        from .fit import fit_study

        return fit_study(book.compared_cases, book.workspace.scorecard, audit=book.leaks)
    if name == "backtest":
        from .alert_value import alert_value
        from .backtest_bands import backtest_study
        from .monitoring import watch

        replayed = backtest_study(book.cases, book.leads, book.workspace.scorecard, done["fit"])
        return replace(replayed, alerts=alert_value(book), **watch(book.scorecard, book.history, book.cases, book.as_of))
    if name == "presets":
        from .presets import presets_study

        return presets_study(book)
    from .executive import executive_study

    return executive_study(book, done["audit"], done["fit"], done["backtest"])


def find_workspace(folder: str | Path) -> Path:
    """The workspace folder as given, or, where a relative one is not there, the same below the nearest parent of the working directory."""
    given = Path(folder)
    if given.is_absolute() or given.is_dir():
        return given
    found = (parent / given for parent in Path.cwd().parents)
    return next((path for path in found if path.is_dir()), given)


@lru_cache(maxsize=2)
def _book(workspace: str, as_of: str | None) -> Any:
    from .book import load_book

    return load_book(workspace, as_of)


@lru_cache(maxsize=16)
def _computed(name: str, workspace: str, as_of: str | None) -> Any:
    if name == CHECK:
        from .check import check_study, open_for_check

        return check_study(open_for_check(workspace, as_of))
    needs = {"backtest": ("fit",), "executive": ("audit", "fit", "backtest")}.get(name, ())
    done = {need: _computed(need, workspace, as_of) for need in needs}
    return compute(name, _book(workspace, as_of), done)
