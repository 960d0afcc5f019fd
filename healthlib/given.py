"""What a notebook is given, checked by name and type in plain words: papermill lets a misspelt name and a wrong type through."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from .errors import Fault, FaultsError, nearest

WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "True or False", "NoneType": "nothing"}
"""A type -> what it is called."""
INJECTED = "# Parameters"
"""How papermill begins the cell that it adds."""
A_DAY = "give an ISO date like 2026-10-31, or leave it empty for the last day the data cover"


class ParameterError(FaultsError):
    """A notebook was given a parameter it does not have, or one of the wrong type (exit 2)."""


def faults(given: Mapping[str, Any], declared: Mapping[str, Any], file: str = "parameters") -> list[Fault]:
    """What is wrong with the values a notebook is given.

    Parameters
    ----------
    given : name -> value
    declared : name -> default; a value must be of its default's type, where a whole number is a number, and after None anything goes
    file : where they stand, for the message

    Returns
    -------
    list of Fault
        One for each name that is not declared, each value of another type, and a text `as_of` that is no ISO date.

    Examples
    --------
    >>> print(*faults({"as_of": 20261031}, {"as_of": ""}), sep="")
    parameters: as_of: found 20261031 (a whole number); give text. Did you mean '2026-10-31'?
    >>> print(*faults({"flag": "false"}, {"flag": True}), sep="")
    parameters: flag: found 'false' (text); give True or False, unquoted: papermill's `-p flag False`. Did you mean 'False'?
    """
    found = []
    for name, value in given.items():
        if name not in declared:
            known = f"the notebook knows {', '.join(declared)}"
            found.append(Fault(file, None, name, "an unknown parameter", known, nearest(name, declared)))
        elif not _fits(value, declared[name]):
            expected, meant = _cure(name, value, declared[name])
            found.append(Fault(file, None, name, f"{value!r} ({_called(value)})", expected, meant))
        elif name == "as_of" and isinstance(value, str) and value and not is_day(value):
            found.append(Fault(file, None, name, repr(value), A_DAY, _day_meant(value)))
    return found


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the type of a default: True is no number here, and a whole number is a number."""
    return default is None or type(value) is type(default) or (type(default) is float and type(value) is int)


def _called(value: Any) -> str:
    return WORDS.get(type(value).__name__, type(value).__name__)


def _cure(name: str, value: Any, default: Any) -> tuple[str, str | None]:
    """What to give instead, and what was probably meant."""
    want = _called(default)
    if isinstance(default, bool):
        meant = {"true": "True", "yes": "True", "1": "True", "false": "False", "no": "False", "0": "False"}.get(str(value).lower())
        return f"give {want}, unquoted: papermill's `-p {name} {meant or 'True'}`", meant
    if isinstance(default, str):
        meant = _day_meant(str(value)) if name == "as_of" else None
        return (f"give {want}" if meant else f"give {want}: papermill's `-r {name} …` keeps it as it is typed, 007 too"), meant
    return f"give {want} like {default!r}", None


def _day_meant(text: str) -> str | None:
    """The ISO date that digits spell, year first or day first with dots; None where there is none."""
    for pattern in (r"(\d{4})\D?(\d{2})\D?(\d{2})(?:[T ].*)?", r"(\d{2})\.(\d{2})\.(\d{4})"):
        if match := re.fullmatch(pattern, text.strip()):
            parts = match.groups() if len(match[1]) == 4 else match.groups()[::-1]
            return "-".join(parts) if is_day("-".join(parts)) else None
    return None


def is_day(text: str) -> bool:
    """Whether a text is an ISO date, and nothing besides."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def check(given: Mapping[str, Any]) -> None:
    """Refuse wrong types of what a notebook was given, and names that papermill injected but the notebook does not know.

    Paths count as text, and None as an empty text: callers from Python may give them.

    Raises
    ------
    ParameterError
        With every such parameter at once.
    """
    plain = {name: os.fspath(value) if isinstance(value, os.PathLike) else "" if value is None else value for name, value in given.items()}
    found = [*faults(plain, dict.fromkeys(plain, "")), *strangers(_cells())]
    if found:
        raise ParameterError("this notebook cannot be run with what it was given", found)


def strangers(cells: Sequence[str]) -> list[Fault]:
    """Names that papermill's last cell sets and no cell of parameters before it did.

    Parameters
    ----------
    cells : source of the cells that ran so far, in their order
    """
    places = [i for i, cell in enumerate(cells) if cell.startswith(INJECTED)]
    if not places:
        return []
    declared = {name for cell in cells[: places[-1]] if not cell.startswith(INJECTED) for name in _set_by(cell)}
    if "workspace" not in declared:
        return []  # cells ran in another order: a person is at work
    wrong = [name for name in _set_by(cells[places[-1]]) if name not in declared]
    return faults(dict.fromkeys(wrong), dict.fromkeys(sorted(declared & {"workspace", "as_of", "facts", "csm"}, key=_order)))


def _order(name: str) -> int:
    return ("workspace", "as_of", "facts", "csm").index(name)


def _set_by(cell: str) -> list[str]:
    """Names that a cell sets by plain assignments; none where it is no Python."""
    try:
        lines: Iterable[ast.stmt] = ast.parse(cell).body
    except (SyntaxError, ValueError):
        return []
    targets = [target for line in lines if isinstance(line, ast.Assign) for target in line.targets]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _cells() -> list[str]:
    """The cells that ran in this kernel; none outside of one."""
    import sys

    if "IPython" not in sys.modules:
        return []
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return list(shell.user_ns.get("In", [])) if shell is not None else []
