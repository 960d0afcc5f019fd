"""The record of a workspace's scorecards: who adopted which, when and why, in one CSV file that a person can read."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

from healthlib.errors import Fault, FaultsError

RECORD = "scorecard_changes.csv"


class RecordError(FaultsError):
    """The record of scorecards cannot be read (exit 2)."""


@dataclass(frozen=True)
class Adopted:
    """One change of the scorecard. `previous` is the file that keeps the text before it; hashes are SHA-256 of the files' bytes."""

    adopted_on: date
    who: str
    why: str
    weights: str
    previous: str
    sha256_before: str
    sha256_after: str


def read_adoptions(folder: Path) -> tuple[Adopted, ...]:
    """Every change recorded in a workspace, in the order of the file; none where there is no record.

    Raises
    ------
    RecordError
        with every line that is not one
    """
    path = folder / RECORD
    if not path.is_file():
        return ()
    names = [field.name for field in fields(Adopted)]
    found, faults = [], []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if number == 1 and row == names:
                continue
            try:
                if number == 1 or len(row) != len(names):
                    raise ValueError(f"expected {', '.join(names)}")
                found.append(Adopted(date.fromisoformat(row[0]), *row[1:]))
            except ValueError as error:
                faults.append(Fault(path.as_posix(), number, RECORD, ",".join(row)[:80], str(error)))
    if faults:
        raise RecordError(f"{path.as_posix()} is not the record that `healthlib adopt` keeps; mend it or move it away", faults)
    return tuple(found)
