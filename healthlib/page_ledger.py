"""The section of the data check on ARR: the bridge, terms that do not fit what follows, terms that overlap, and invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_ledger as say
from healthlib import plots_check as plots
from healthlib import report, wording
from healthlib.page_audit import unbroken
from healthlib.pieces import Columns, Kind, Piece

if TYPE_CHECKING:
    from healthlib.studies.check_facts import CheckFacts

LISTED = 60
"""Rows of a list at most; the caption says how many there are."""


def listed(frame: pd.DataFrame, columns: Columns, caption: str, summary: str) -> Piece:
    """A long list behind a sentence; nothing for none."""
    if frame.empty:
        return Piece("")
    said = f"{caption}; the first {LISTED} of {wording.count(len(frame))}" if len(frame) > LISTED else caption
    return report.details(summary, report.table(frame.head(LISTED), columns, caption=said, layout="cards fold"))


def folded(frame: pd.DataFrame, columns: dict[str, tuple[str, Kind]], caption: str, summary: str) -> Piece:
    """A table of figures behind a sentence."""
    return report.details(summary, report.table(frame, columns, caption=caption)) if len(frame) else Piece("")


def ledger(check: CheckFacts) -> Piece:
    """Overlapping terms, movements that do not add up, the bridge, and invoices against ARR."""
    if not check.dated:
        return Piece("")
    currency = check.context["currency"]
    billed = say.invoices(check)
    shown = [report.figure(plots.bridge(check), alt=say.bridge(check).text)] if len(check.bridge) else []
    return report.show(
        report.heading("Does ARR add up?"),
        report.claim(say.bridge(check).text),
        *shown,
        folded(
            check.bridge.iloc[::-1].head(24),
            _bridge_columns(check, currency),
            f"ARR bridge by month, latest first ({currency})",
            "The bridge, month by month",
        ),
        report.claim(say.movements(check).text),
        _mismatches(check, currency),
        report.claim(say.overlaps(check).text),
        _overlaps(check, currency),
        *([report.claim(billed.text), _invoices(check, currency)] if billed else []),
    )


def _bridge_columns(check: CheckFacts, currency: str) -> dict[str, tuple[str, Kind]]:
    money, change = f"money {wording.compact(currency)}", f"money_change {wording.compact(currency)}"
    columns: dict[str, tuple[str, Kind]] = {
        "month": ("Month-end", "date"),
        "begin": ("Begin", money),
        "new": ("New", change),
        "returned": ("Returned", change),
        "expansion": ("Expansion", change),
        "contraction": ("Contraction", change),
        "churn": ("Churn", change),
        "end": ("End", money),
        "off": ("Off", money),
    }
    if not check.bridge["returned"].any():
        columns.pop("returned")
    if check.bridge["restated"].abs().max() > 0.005:
        columns["restated"] = ("Restated since", change)
    return columns


def _mismatches(check: CheckFacts, currency: str) -> Piece:
    kinds = {
        "amount": "renewed_arr is not the next term's ARR",
        "churned": "said churned, a term follows",
        "renewed": "said renewed, no term follows",
    }
    money = f"money {wording.compact(currency)}"
    columns: Columns = {
        "account_id": ("Account", "text"),
        "contract": ("Term", "text"),
        "ends": ("Ends", "date"),
        "kind": ("What does not fit", "text"),
        "said": ("ARR said", money),
        "found": ("ARR that follows", money),
    }
    frame = check.mismatches.assign(kind=check.mismatches["kind"].map(kinds))
    return listed(frame, columns, "Terms whose outcome does not fit what follows, largest difference first", "The terms by name")


def _overlaps(check: CheckFacts, currency: str) -> Piece:
    money = f"money {wording.compact(currency)}"
    columns: Columns = {
        "account_id": ("Account", "text"),
        "first": ("Term", "text"),
        "second": ("Other term", "text"),
        "kind": ("Kind", unbroken),
        "starts": ("Both from", "date"),
        "days": ("Days", "count"),
        "arr_first": ("ARR", money),
        "arr_second": ("Other ARR", money),
        "arr_twice": ("Counted twice, if a copy", money),
    }
    return listed(check.overlaps, columns, "Terms that cover the same days, most ARR first", "The pairs of terms")


def _invoices(check: CheckFacts, currency: str) -> Piece:
    money = f"money {wording.compact(currency)}"
    far = check.invoiced[(check.invoiced["ratio"] > say.OFF_RATIO) | (check.invoiced["ratio"] < 1 / say.OFF_RATIO)]
    columns: Columns = {
        "account_id": ("Account", "text"),
        "invoiced": ("Invoiced in a year", money),
        "arr": ("Mean ARR", money),
        "ratio": ("Times", lambda value: Piece(wording.number(value, 2))),
    }
    return listed(far, columns, "Accounts whose invoices and ARR are far apart", "The accounts by name")
