"""What lint found, as sentences and as lines for a terminal."""

from __future__ import annotations

import pandas as pd

from healthlib.studies.lint import SEVERITIES
from healthlib.wording import counted, listed

NAMES = {"wrong": ("fault", "faults"), "doubtful": ("doubt", "doubts"), "note": ("note", "notes")}
"""Severity -> what one and several findings of it are called."""


def opening(frame: pd.DataFrame) -> str:
    """How many findings there are, the gravest first."""
    if frame.empty:
        return "Nothing stands out in the scorecard."
    found = [(name, int((frame["severity"] == name).sum())) for name in SEVERITIES]
    return f"The scorecard has {listed([counted(number, *NAMES[name]) for name, number in found if number])}."


def lines(frame: pd.DataFrame) -> list[str]:
    """One line a finding, after a line that counts them; the cure of anything graver than a note on a line of its own.

    Parameters
    ----------
    frame : severity, what, where, said, cure, see `lint.lint`

    >>> rows = [("note", "one_metric", "roi", "the group roi is Goals alone", "a second metric")]
    >>> lines(pd.DataFrame(rows, columns=["severity", "what", "where", "said", "cure"]))
    ['The scorecard has 1 note.', '  note      roi: the group roi is Goals alone']
    """
    told = [opening(frame)]
    for row in frame.to_dict("records"):
        told.append(f"  {row['severity']:<9} {row['where']}: {row['said']}")
        if row["severity"] != "note":
            told.append(f"            -> {row['cure']}")
    return told
