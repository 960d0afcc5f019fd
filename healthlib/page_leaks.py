"""The leak audit as a section of a page: the table of signs, their pictures, and what looks like a leak and is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from healthlib import claims_leaks, plots_leaks, report
from healthlib.pieces import Columns, Piece
from healthlib.studies.leaks import KINDS

FOLLOWS = {
    "metric": "left out",
    "incumbent": "not to be compared as if it were honest",
    "attribute": "read by no metric; not to be used",
    "table": "look into it; nothing is left out",
    "cases": "look into it; nothing is left out",
}
"""What a sign is about -> what follows from it."""


def section(leaks: pd.DataFrame, figures: pd.DataFrame, labels: Mapping[str, str], notes: Sequence[str] = ()) -> Piece:
    """Everything the audit found, for any page.

    Parameters
    ----------
    leaks, figures, notes : of a `studies.leaks.LeakAudit` (`Book.leaks`)
    labels : metric -> what it is called
    """
    if leaks.empty:
        return report.show(*(report.note(words) for words in notes)) if notes else Piece("")
    others = claims_leaks.elsewhere(leaks)
    picture = report.figure(plots_leaks.panels(figures, labels), alt=_alt(leaks, labels)) if len(figures) else Piece("")
    return report.show(listed(leaks, labels), picture, *(report.note(words) for words in (others, *notes) if words))


def listed(leaks: pd.DataFrame, labels: Mapping[str, str] | None = None) -> Piece:
    """The table of signs alone."""
    frame = leaks.assign(
        label=[(labels or {}).get(name, name) for name in leaks["metric"]],
        sign=leaks["kind"].map(KINDS).fillna(leaks["kind"]),
        follows=[_follows(row) for row in leaks.to_dict("records")],
    )
    columns: Columns = {"label": ("What", "text"), "sign": ("Sign", "text"), "evidence": ("Evidence", "text"), "follows": ("So", "text")}
    return report.table(frame, columns, caption="What seems to know the outcome", layout="cards")


def _follows(row: dict) -> str:
    """What became of a metric."""
    return f"used: overruled in the scorecard ({row['reason']})" if row["overruled"] else FOLLOWS.get(str(row["of"]), "")


def _alt(leaks: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """The pictures in words."""
    return " ".join(f"{labels.get(name, name)}: {said}." for name, said in zip(leaks["metric"], leaks["evidence"], strict=True))
