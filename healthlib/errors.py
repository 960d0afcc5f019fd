"""What went wrong, how often, the first example, and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from healthlib.address import without_passwords


class HealthlibError(Exception):
    """Anything a user can mend. `exit_code` is what the command line returns: 1 evidence or data, 2 configuration."""

    exit_code = 2


@dataclass(frozen=True)
class Fault:
    """One problem in one place.

    Attributes
    ----------
    file : path as the user knows it
    line : 1-based line in that file, or None where a line means nothing
    where : key or column, e.g. ``metrics.nps.window_days``
    found : what stands there, shortened
    expected : what would be right, or the cure
    nearest : the closest valid name, where the fault is a misspelling
    """

    file: str
    line: int | None
    where: str
    found: str
    expected: str
    nearest: str | None = None

    def __post_init__(self) -> None:
        """Whatever stands where a password should not stand is not repeated."""
        object.__setattr__(self, "found", without_passwords(self.found))

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        hint = f" Did you mean {self.nearest!r}?" if self.nearest else ""
        where = f"{self.where}: " if self.where else ""
        return f"{place}: {where}found {self.found}; {self.expected}.{hint}"


class FaultsError(HealthlibError):
    """Several faults raised at once; the message lists every one, a line each."""

    def __init__(self, what: str, faults: Iterable[Fault]):
        self.what = what
        self.faults = tuple(faults)
        count = len(self.faults)
        lines = [f"{what}: {count} problem{'s' if count != 1 else ''}" if count else what]
        super().__init__("\n  ".join([*lines, *map(str, self.faults)]))

    def __reduce__(self) -> tuple[type[FaultsError], tuple[str, tuple[Fault, ...]]]:
        """As it was made, so that it is the same error where it comes from another process."""
        return type(self), (self.what, self.faults)


class SpecError(FaultsError):
    """workspace.yaml or scorecard.yaml cannot be used as written (exit 2)."""


class DataError(FaultsError):
    """A table is missing, empty or unreadable, or lacks a column (exit 2)."""


class EvidenceError(HealthlibError):
    """The data or the evidence failed a check that was asked to be strict (exit 1)."""

    exit_code = 1


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The closest of `choices` to `name`, or None where nothing is close.

    >>> nearest("widow_days", ["window_days", "weight"])
    'window_days'
    """
    found = difflib.get_close_matches(str(name).lower(), sorted({str(c) for c in choices}), n=1, cutoff=0.6)
    return found[0] if found else None
