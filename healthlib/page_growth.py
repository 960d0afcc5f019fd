"""The sections on growing and on speaking for us: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import report, wording
from healthlib.claims_growth import NAMED
from healthlib.page_audit import interval, ranges
from healthlib.pieces import Columns, Piece

if TYPE_CHECKING:
    from healthlib.studies.growth import GrowthFacts


def weights(growth: GrowthFacts) -> Piece:
    """Each metric's weight for growing, with its interval."""
    if growth.fit is None:
        return report.show()
    frame = growth.fit.weights[growth.fit.weights["equal"] > 0].sort_values("fitted", ascending=False)
    frame = frame.assign(said=[f"{low:.0f}–{high:.0f}" for low, high in zip(frame["low"], frame["high"], strict=True)])
    columns: Columns = {
        "label": ("Metric", "text"),
        "fitted": ("Fitted, of 100", "points"),
        "said": ("95% interval", interval),
        "equal": ("Equal", "points"),
    }
    table = report.table(frame, columns, caption="Weights for growing, fitted to accounts that stayed", layout="cards")
    return report.details("Each metric’s weight for growing", table)


def ready(growth: GrowthFacts) -> Piece:
    """Accounts by their chance of growing."""
    frame = ranges(_named(growth.ready.head(NAMED)), said=("chance", "low", "high"))
    columns: Columns = {
        "name": ("Account", "text"),
        "arr": ("ARR", f"money {wording.compact(growth.currency)}"),
        "said": ("Chance of growing", interval),
        "expected_arr": ("New ARR to expect", f"money {wording.compact(growth.currency)}"),
        "because": ("What speaks for it", "text"),
        "term_ends": ("Renewal", "date"),
        "band": ("Band", "text"),
        "csm": ("CSM", "text"),
    }
    more = f", the first {NAMED} of {wording.count(len(growth.ready))}" if len(growth.ready) > NAMED else ""
    return report.table(frame, columns, caption=f"Active accounts outside the worst band by chance of growing{more}", layout="cards fold")


def advocates(growth: GrowthFacts) -> Piece:
    """Accounts that would speak for us."""
    table = growth.advocates.today
    columns: Columns = {
        "name": ("Account", "text"),
        "arr": ("ARR", f"money {wording.compact(growth.currency)}"),
        "because": ("Why", "text"),
        "score": ("Score", "points"),
        "segment": ("Segment", "text"),
        "csm": ("CSM", "text"),
    }
    more = f", the first {NAMED} of {wording.count(len(table))}" if len(table) > NAMED else ""
    return report.table(_named(table.head(NAMED)), columns, caption=f"Accounts that would speak for us{more}", layout="cards fold")


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Accounts without a name go by their id; columns nobody filled stay out of the way."""
    return frame.assign(name=frame["name"].where(frame["name"].notna(), frame["account_id"]))
