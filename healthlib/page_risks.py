"""The accounts at risk as tables: who, what it is worth, when it renews, why in plain words, who does what; and the alerts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from healthlib import report
from healthlib.alert_rules import KINDS
from healthlib.book_files import book_file
from healthlib.page_cells import as_is, chance, chip, money_kind, moved, score_line, who, with_cells
from healthlib.report import Piece
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import NOTHING, banded, change, count, day, short_day, unknown

FIRST, LISTED = 5, 15
"""Accounts of the first screen, and of the list below it; those up to `MANY` fold away."""
ALERTS = 12
"""Alerts a page lists: what a team reads in a meeting; the rest is in alerts.csv."""
MANY = 30
"""Rows a page lists at most; the rest is in the CSV files beside it."""
CAUSES = {
    "change_behaviour": "behaviour", "change_data": "data", "change_configuration": "scorecard", "change_override": "override",
}  # fmt: skip
"""Column of a cause of change -> its word."""


def risk_table(facts: ExecutiveFacts, rows: pd.DataFrame, caption: str, *, brief: bool = False) -> Piece:
    """Accounts at risk: worth, renewal, score, why, what to do and who does it; `brief` without scores by month and without figures."""
    records = rows.to_dict("records")
    shown: dict[str, tuple[str, Any]] = {
        "who": ("Account", as_is),
        "arr": ("ARR", money_kind(facts)),
        "ends": ("Renews", as_is),
        "spot": ("Score", as_is),
        "risk": ("Chance of loss", as_is),
        "because": ("Why", as_is),
        "todo": ("What to do, who", as_is),
    }
    optional = {"ends": rows["term_ends"].notna().any(), "risk": rows["loss"].notna().any()}
    optional["todo"] = (rows[["playbook", "doing"]] != "").any(axis=None) or rows["csm"].notna().any()
    shown = {name: spec for name, spec in shown.items() if optional.get(name, True)}
    cells = {
        "who": [who(facts, row) for row in records],
        "ends": [_ends(row) for row in records],
        "spot": [_spot(facts, row, brief) for row in records],
        "risk": [chance(row) for row in records],
        "because": [_because(row, brief) for row in records],
        "todo": [_todo(row) for row in records],
    }
    return report.table(with_cells(rows, **cells), shown, caption=caption, layout="cards")


def _ends(row: dict[Any, Any]) -> Piece:
    """The day of the renewal and how far off it is."""
    if unknown(row["term_ends"]):
        return Piece(NOTHING)
    left = (
        ""
        if unknown(row["days_left"])
        else f'<span class="quiet under">in {count(row["days_left"])} {"day" if row["days_left"] == 1 else "days"}</span>'
    )
    return Piece(f'<data class="nowrap" value="{row["term_ends"]:%Y-%m-%d}">{day(row["term_ends"])}</data>{left}')


def _spot(facts: ExecutiveFacts, row: dict[Any, Any], brief: bool) -> Piece:
    """Band, score, change, and the score by month."""
    shown = f'<data value="{report.machine(row["score"])}">{banded(row["score"], facts.band_starts)}</data>'
    words = f'<span class="nowrap">{chip(facts)(row["band"]).html} {shown} {moved(row["change"])}</span>'
    return Piece(words if brief else words + score_line(facts, str(row["account_id"])))


def _because(row: dict[Any, Any], brief: bool) -> Piece:
    """Why in plain words; the figures behind them unfold."""
    plain, figures = str(row["plain"]), [str(row["why"])] if str(row["why"]) else []
    causes = [f"{word} {change(row[name])}" for name, word in CAUSES.items() if not unknown(row[name]) and abs(row[name]) >= 0.5]
    figures += [f"Change since the month before: {', '.join(causes)}"] if causes else []
    if not plain:
        return Piece("Nothing single stands out." if not unknown(row["score"]) else NOTHING)
    if brief or not figures:
        return Piece(report.escape(plain))
    more = "".join(f'<span class="quiet under">{report.escape(text)}</span>' for text in figures)
    return Piece(f'<details class="why"><summary>{report.escape(plain)}</summary>{more}</details>')


def _todo(row: dict[Any, Any]) -> Piece:
    """The playbook, what already runs, and who owns it."""
    owner = "" if unknown(row["csm"]) or not str(row["csm"]).strip() else str(row["csm"])
    under = [
        report.linked((owner, book_file(owner))).html if owner else "",
        f"work: {report.escape(row['doing'])}" if row["doing"] else "",
    ]
    under += [f"next: {report.escape(row['coming'])}"] if row["coming"] else []
    said = "; ".join(text for text in under if text)
    words = report.escape(row["playbook"]) or ("" if said else NOTHING)
    return Piece(words + (f'<span class="quiet under wraps">{said}</span>' if said else ""))


def all_risks(facts: ExecutiveFacts) -> Piece:
    """The list of accounts below the best band: the first `LISTED`, then up to `MANY` folded away."""
    total = len(facts.risks)
    if not total:
        return Piece("")
    first = risk_table(facts, facts.risks.head(LISTED), some("Accounts below the best band", total, "scores.csv"))
    rest = facts.risks.iloc[LISTED:MANY]
    if rest.empty:
        return first
    caption = f"Accounts below the best band, {LISTED + 1} to {LISTED + len(rest)} of {count(total)}"
    return first + Piece(
        f"<details><summary>The next {count(len(rest))}</summary>{risk_table(facts, rest, caption, brief=True).html}</details>"
    )


def some(what: str, total: int, file: str) -> str:
    """A caption that says how many there are and where the rest is."""
    return f"{what}, {count(total)} in all" + (f"; the first {MANY} here, all in {file}" if total > MANY else "")


def alerts(facts: ExecutiveFacts) -> Piece:
    """The first of the alerts, new ones before those that still hold; nothing where there is none."""
    if facts.alerts.empty:
        return Piece("")
    rows = facts.alerts.head(ALERTS)
    rows = rows.join(facts.profile[["name", "segment"]], on="account_id").rename(columns={"owner": "csm"})
    what = [Piece(report.escape(_told(facts, row)) + ("" if row["new"] else _still(row["since"]))) for row in rows.to_dict("records")]
    shown: dict[str, tuple[str, Any]] = {
        "who": ("Account", as_is),
        "told": ("What happened", as_is),
        "arr": ("ARR", money_kind(facts)),
        "term_ends": ("Term ends", "date"),
        "reason": ("Why", "text"),
        "playbook": ("What to do", "text"),
    }
    shown = {name: spec for name, spec in shown.items() if name != "term_ends" or rows["term_ends"].notna().any()}
    more = f"; the first {ALERTS} here, all in alerts.csv" if len(facts.alerts) > ALERTS else ""
    caption = f"Alerts, {count(len(facts.alerts))} in all, new ones first{more}"
    return report.table(
        with_cells(rows, who=[who(facts, row, "segment", "csm") for row in rows.to_dict("records")], told=what),
        shown,
        caption=caption,
        layout="cards",
    )


def _told(facts: ExecutiveFacts, row: dict[Any, Any]) -> str:
    """What happened, in words: `fell from yellow to red`."""
    if row["kind"] in ("new_red", "band_drop"):
        return f"fell from {row['from']} to {row['to']}"
    return KINDS[row["kind"]].replace("the worst band", facts.bands[0])


def _still(since: Any) -> str:
    return f'<span class="quiet under">since {short_day(since)}</span>'
