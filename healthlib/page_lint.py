"""What lint found, as a section of a page."""

from __future__ import annotations

import pandas as pd

from healthlib import claims_lint, report
from healthlib.pieces import Columns, Piece

GLYPHS = {"wrong": "▼ fault", "doubtful": "◆ doubt", "note": "○ note"}


def section(frame: pd.DataFrame) -> Piece:
    """A claim that counts the findings, and a table of them, the gravest first.

    Parameters
    ----------
    frame : severity, what, where, said, cure, see `lint.lint`
    """
    head = report.claim(claims_lint.opening(frame))
    if frame.empty:
        return head
    columns: Columns = {
        "kind": ("Finding", "text"),
        "where": ("Where", "text"),
        "said": ("What was found", "text"),
        "cure": ("What to do", "text"),
    }
    rows = frame.assign(kind=frame["severity"].map(GLYPHS))
    return head + report.table(rows, columns, caption="The scorecard looked over: faults, doubts and notes", layout="cards fold")
