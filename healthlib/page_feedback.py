"""The section on what CSMs said of the score: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib import report, wording
from healthlib.page_audit import interval
from healthlib.pieces import Columns, Piece

if TYPE_CHECKING:
    from healthlib.studies.feedback import FeedbackFacts

NAMED = 25


def remarks(feedback: FeedbackFacts) -> Piece:
    """The remarks, and the metrics by themselves on the accounts they concern."""
    if feedback.remarks.empty:
        return report.show()
    columns: Columns = {
        "name": ("Account", "text"),
        "said_on": ("Said on", "date"),
        "said_by": ("By", "text"),
        "score": ("Score then", "points"),
        "should_be": ("Should be", "text"),
        "outcome": ("Since then", "text"),
        "closer": ("Closer", "text"),
        "missed": ("What would have told", "text"),
        "arr": ("ARR", f"money {wording.compact(feedback.currency)}"),
        "why": ("Why", "text"),
    }
    n = len(feedback.remarks)
    more = f", the newest {NAMED} of {wording.count(n)}" if n > NAMED else ""
    return report.table(feedback.remarks.head(NAMED), columns, caption=f"Where CSMs called the score wrong{more}", layout="cards fold")


def would_tell(feedback: FeedbackFacts) -> Piece:
    """Each metric alone on the accounts spoken of."""
    if feedback.would_tell.empty:
        return report.show()
    frame = feedback.would_tell.assign(said=[f"{row.auc:.2f} ({row.low:.2f}–{row.high:.2f})" for row in feedback.would_tell.itertuples()])
    columns: Columns = {
        "label": ("Metric", "text"),
        "said": ("AUC alone", interval),
        "weight": ("Weight", "points"),
        "n": ("Accounts", "count"),
    }
    return report.table(frame, columns, caption="Each metric by itself on the accounts CSMs spoke of", layout="cards fold")
