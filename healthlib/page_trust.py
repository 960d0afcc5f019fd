"""The tables on what people overruled and on what is missing or old: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import report, wording
from healthlib.claims import words
from healthlib.claims_trust import gap
from healthlib.page_audit import interval, largest_of, linked, named_columns, ranges, unbroken
from healthlib.pieces import Columns, Piece
from healthlib.studies.accounts import SHOWN

if TYPE_CHECKING:
    from healthlib.studies.accounts import AccountFacts
    from healthlib.studies.audit import AuditFacts

MARKS = {"helped": "▲ helped", "hurt": "▼ hurt", "cannot tell": "◆ cannot tell"}


def overrides(audit: AuditFacts, accounts: AccountFacts | None = None) -> Piece:
    """What became of overruled accounts, by direction and person, and who is overruled today."""
    table, currency = audit.overrides.effects, audit.currency
    frame = ranges(table, lost_said=("rate", "low", "high"), arr_said=("arr_rate", "arr_low", "arr_high"))
    frame = frame.assign(
        benefit_said=_gaps(table, ""), arr_benefit_said=_gaps(table, "arr_"),
        verdict=table["verdict"].map(MARKS), arr_verdict=table["arr_verdict"].map(MARKS),
    )  # fmt: skip
    columns: Columns = {
        "set_by": ("Set by", "text"),
        "direction": ("Score was", unbroken),
        "verdict": ("Overruling", unbroken),
        "benefit_said": ("Went the person’s way", interval),
        "lost_said": (words(audit.kind)["rate"].capitalize(), interval),
        "expected": ("Score promised", "share"),
        "cases": ("Cases", "count"),
        "accounts": ("Accounts", "count"),
        "lost": ("Lost", "count"),
        "arr_verdict": ("By ARR", unbroken),
        "arr_benefit_said": ("Of ARR", interval),
        "arr": ("ARR", f"money {currency}"),
    }
    caption = "Finished cases under an override, against the chance of loss at their measured score; 95% intervals; at least 10 accounts"
    if table.empty:
        return _today(audit, accounts)
    people = report.details("What became of overruled accounts, by person", report.table(frame, columns, caption=caption))
    return people + _today(audit, accounts)


def _gaps(table: pd.DataFrame, prefix: str) -> list[str]:
    names = [f"{prefix}benefit", f"{prefix}benefit_low", f"{prefix}benefit_high"]
    return [gap(*ends).replace(" points", "") for ends in zip(*(table[name] for name in names), strict=True)]


def _today(audit: AuditFacts, accounts: AccountFacts | None) -> Piece:
    """Whose score is overruled today: with and without; each linked to its section in `accounts`."""
    chip = report.bands((*audit.bands, "unscored"))
    frame = audit.overrides.today.assign(segment=None)
    columns: Columns = {
        "arr": ("ARR", f"money {audit.currency}"),
        "measured_score": ("Measured", "points"),
        "measured_band": ("Band", chip),
        "score": ("Set to", "points"),
        "band": ("Shown as", chip),
        "set_by": ("By", "text"),
        "reason": ("Reason", "text"),
        "expires_on": ("Until", "date"),
    }
    if frame.empty:
        return Piece("")
    caption = f"Overrides in force today: {largest_of(len(frame), SHOWN['overruled'])}"
    shown = linked(frame.head(SHOWN["overruled"]), accounts)
    return report.anchored("list-overruled", report.table(shown, named_columns(frame, columns), caption=caption, layout="cards fold"))


def hanging(audit: AuditFacts, accounts: AccountFacts | None = None) -> Piece:
    """The accounts whose band hangs on the rule for missing values, with the bounds of their score; linked to their sections."""
    frame = audit.gaps.hanging.head(SHOWN["unsure"]).assign(segment=None)
    chip = report.bands((*audit.bands, "unscored"))
    frame = frame.assign(
        span=[f"{wording.points(low)}–{wording.points(high)}" for low, high in zip(frame["low_score"], frame["high_score"], strict=True)]
    )
    columns: Columns = {
        "arr": ("ARR", f"money {audit.currency}"),
        "score": ("Score", "points"),
        "band": ("Band", chip),
        "span": ("Score could be", unbroken),
        "low_band": ("At worst", chip),
        "high_band": ("At best", chip),
        "coverage": ("Measured", "share"),
        "missing": ("Missing", "text"),
    }
    caption = f"Band depends on the rule for missing values: {largest_of(len(audit.gaps.hanging), SHOWN['unsure'])}"
    shown = named_columns(frame, columns) if len(frame) else columns
    table = report.table(linked(frame, accounts), shown, caption=caption, n=audit.gaps.n_today, layout="cards")
    return report.details("These accounts by name", report.anchored("list-unsure", table)) if len(frame) else table


def predicts(audit: AuditFacts) -> Piece:
    """Loss where each metric was measured and where it was missing."""
    table = audit.gaps.predicts
    if table.empty:
        return Piece("")
    frame = ranges(
        table, measured_said=("measured_rate", "measured_low", "measured_high"), absent_said=("absent_rate", "absent_low", "absent_high")
    )
    for name, ends in (("gap_said", ("difference", "low", "high")), ("arr_said", ("arr_difference", "arr_low", "arr_high"))):
        frame[name] = [gap(*row).replace(" points", "") for row in zip(*(table[end] for end in ends), strict=True)]
    frame["p_said"] = ["too few" if pd.isna(p) else "under 0.001" if p < 0.001 else f"{p:.3f}" for p in table["adjusted"]]
    marks = {"more lost": "▼ more lost", "fewer lost": "▲ fewer lost", "cannot tell": "◆ cannot tell"}
    columns: Columns = {
        "label": ("Metric", "text"),
        "said": ("Where missing", unbroken),
        "gap_said": ("Difference, points", interval),
        "absent_said": ("Lost, missing", interval),
        "measured_said": ("Lost, measured", interval),
        "absent": ("n missing", "count"),
        "measured": ("n measured", "count"),
        "arr_said": ("Difference by ARR", interval),
        "p_said": ("Adjusted p", unbroken),
    }
    caption = "Cases missing a metric against measured ones of the same months; 95% intervals; p after Benjamini–Hochberg"
    shown = report.table(frame.assign(said=table["verdict"].map(marks)), columns, caption=caption)
    return report.details("Each metric, missing against measured", shown)


def ages(audit: AuditFacts) -> Piece:
    """AUC of ratings and answers by age."""
    table = audit.gaps.ages
    if table.empty:
        return Piece("")
    frame = table.assign(
        span=spans(table),
        auc_said=_aucs(table, ("auc", "low", "high")),
        arr_said=_aucs(table, ("arr_auc", "arr_low", "arr_high")),
    )
    columns: Columns = {
        "label": ("Rating", "text"),
        "span": ("Age, days", unbroken),
        "auc_said": ("AUC", interval),
        "arr_said": ("AUC by ARR", interval),
        "cases": ("Cases", "count"),
        "accounts": ("Accounts", "count"),
        "lost": ("Lost", "count"),
        "verdict": ("Verdict", unbroken),
    }
    caption = "The latest rating or answer alone, by its age when the score was read; neighbouring bins joined to 15 lost and 15 kept"
    return report.details("Each rating by its age", report.table(frame, columns, caption=caption))


def spans(table: pd.DataFrame) -> list[str]:
    """`0–14`, `181 and more`: the days of each bin of ages."""
    return [f"{a:.0f} and more" if pd.isna(b) else f"{a:.0f}–{b:.0f}" for a, b in zip(table["from_days"], table["to_days"], strict=True)]


def _aucs(table: pd.DataFrame, names: tuple[str, str, str]) -> list[str]:
    rows = zip(*(table[name] for name in names), strict=True)
    return [wording.NOTHING if pd.isna(low) else f"{value:.2f} ({low:.2f}–{high:.2f})" for value, low, high in rows]
