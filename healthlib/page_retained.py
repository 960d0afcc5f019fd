"""The tables on staying and renewing: facts in, pieces of a page out; every rate with n and interval, in accounts and in ARR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_retained, report, wording
from healthlib.claims import words
from healthlib.page_audit import interval, ranges, unbroken
from healthlib.pieces import Columns, Piece
from healthlib.studies.renewal_rates import FEW, SURE

if TYPE_CHECKING:
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.retained import RetainedFacts

MARKS = dict(zip(SURE, ("▲ more", "▼ fewer"), strict=True))


def renewals(facts: RetainedFacts) -> Piece:
    """The share kept by group: first the groupings that surely differ, the others to unfold."""
    table = facts.renewals
    if table.empty:
        return Piece("")
    sure = table.loc[table["verdict"] != "cannot tell", "dimension"].unique()
    first = table[table["dimension"].isin(sure)]
    rest = table[~table["dimension"].isin(sure)]
    shown = _rates(first, facts, "Groupings that surely differ") if len(first) else Piece("")
    other = "Every other grouping" if len(first) else "Every grouping"
    more = report.details(f"{other}: none surely differs", _rates(rest, facts, other)) if len(rest) else Piece("")
    return report.show(shown, more, report.note(claims_retained.shrinking(facts)))


def _rates(table: pd.DataFrame, facts: RetainedFacts, caption: str) -> Piece:
    frame = ranges(table, by_count=("rate", "low", "high"), by_arr=("arr_rate", "arr_low", "arr_high"))
    note = table["verdict"].map(MARKS).fillna("")
    frame["note"] = note.where(~table["few"].astype(bool), f"under {FEW} accounts")
    frame["both"] = [
        f"{wording.share(one)} · {wording.share(other)}" for one, other in zip(table["shrunk"], table["arr_shrunk"], strict=True)
    ]
    columns: Columns = {
        "group": ("Group", "text"),
        "by_count": (claims_retained.RATES[facts.kind].capitalize(), interval),
        "by_arr": ("By ARR", interval),
        "both": ("Shrunk, by count · by ARR", unbroken),
        "cases": ("Cases", "count"),
        "lost": (words(facts.kind)["lost"].capitalize(), "count"),
        "arr": ("ARR", f"money {wording.compact(facts.currency)}"),
        "dimension": ("By", "text"),
        "note": ("Note", unbroken),
    }
    base = wording.share_range(facts.kept.value, facts.kept.low, facts.kept.high)
    by_arr = wording.share_range(facts.arr_kept.value, facts.arr_kept.low, facts.arr_kept.high)
    return report.table(frame, columns, caption=f"{caption}; overall {base} by count, {by_arr} by ARR", layout="fold")


def survival(facts: RetainedFacts) -> Piece:
    """What is left after months and years, by length of term; groups of each to unfold."""
    table = facts.remaining
    whole, groups = table[table["grouping"] == "all"], table[table["grouping"] != "all"]
    caption = "Still here (Kaplan–Meier), by the length of the first contract, with 95% intervals"
    more = [report.details("By start year and group", _remaining(groups, f"{caption}, by group"))] if len(groups) else []
    return report.show(_remaining(whole, caption), *more) if len(table) else Piece("")


def _remaining(table: pd.DataFrame, caption: str) -> Piece:
    frame = ranges(table, by_count=("share", "low", "high"), by_arr=("arr_share", "arr_low", "arr_high"))
    columns: Columns = {
        "length": ("First contract", "text"),
        "months": ("Months", "count"),
        "by_count": ("Still here", interval),
        "by_arr": ("Of starting ARR", interval),
        "accounts": ("Accounts", "count"),
        "left": ("Left", "count"),
    }
    if (table["grouping"] != "all").any():
        columns = {"group": ("Group", "text"), **columns, "grouping": ("By", unbroken)}
    return report.table(frame, columns, caption=caption, layout="fold")


def use(facts: RetainedFacts) -> Piece:
    """Today's use by tenure."""
    if facts.use.empty:
        return Piece("")
    frame = facts.use.assign(
        measure=[f"{label}, {days} days" for label, days in zip(facts.use["label"], facts.use["days"], strict=True)],
        by_count=_means(facts.use, ("mean", "low", "high")),
        by_arr=_means(facts.use, ("arr_mean", "arr_low", "arr_high")),
    )
    columns: Columns = {
        "measure": ("Use", "text"),
        "tenure": ("Customer for", unbroken),
        "by_count": ("Mean", interval),
        "by_arr": ("Weighted by ARR", interval),
        "accounts": ("Accounts", "count"),
        "arr": ("Their ARR", f"money {wording.compact(facts.currency)}"),
    }
    return report.table(frame, columns, caption="Use today by years since the first contract, with 95% intervals", layout="fold")


def _means(table: pd.DataFrame, columns: tuple[str, str, str]) -> list[str]:
    """`0.59 (0.57–0.63)` per row, in two digits where the mean is small."""
    said = []
    for value, low, high in zip(*(table[column] for column in columns), strict=True):
        digits = 2 if value < 2 else 1
        ends = f" ({wording.number(low, digits)}–{wording.number(high, digits)})" if pd.notna(low) else ""
        said.append(f"{wording.number(value, digits)}{ends}")
    return said


def kpis(facts: RetainedFacts) -> Piece:
    """The figures to watch, each with its reason."""
    if facts.kpis.empty:
        return Piece("")
    frame = facts.kpis.assign(
        why=claims_retained.why_watch(facts),
        group=[name.upper() if len(name) <= 3 else wording.upper_first(name) for name in facts.kpis["group"]],
    )
    ends = zip(frame["auc"], frame["arr_auc"], strict=True)
    frame["ranks"] = [f"{wording.number(by_count, 2)} · {wording.number(by_arr, 2)}" for by_count, by_arr in ends]
    columns: Columns = {
        "rank": ("#", "count"),
        "label": ("Watch", "text"),
        "why": ("Because", "text"),
        "group": ("Group", unbroken),
        "ranks": ("AUC alone, by count · by ARR", unbroken),
        "cases": ("Cases", "count"),
    }
    note = report.note(
        "Ranked: those that fall away before the end first, then by how surely their worst fifth is lost more often. Watching a figure "
        "does not move it; whether moving it keeps accounts is for a trial to say."
    )
    return report.table(frame, columns, caption="Figures for CSMs to watch", layout="cards fold") + note


def worth(audit: AuditFacts) -> Piece:
    """What the outcomes are enough for, in a leader's words, and what could not be asked."""
    marks = {"yes": "▲ yes", "care": "◆ with care", "no": "▼ not yet"}
    frame = audit.readiness.assign(
        verdict=audit.readiness["verdict"].map(marks),
        needs=[claims_retained.plainly(needs) or "nothing more" for needs in audit.readiness["needs"]],
        question=[wording.upper_first(claims_retained.WORTH.get(name, name)) for name in audit.readiness["question"]],
    )
    columns: Columns = {
        "question": ("Enough to", "text"),
        "verdict": ("Verdict", unbroken),
        "needs": ("For a firm answer it needs", "text"),
    }
    piece = report.table(frame, columns, caption="What the data are enough for (thresholds are conventions)", layout="cards")
    if audit.missing.empty:
        return piece
    absent: Columns = {"question": ("Not answered", "text"), "needs": ("It needs", "text")}
    return piece + report.table(audit.missing, absent, caption="Questions these exports cannot answer", layout="cards")
