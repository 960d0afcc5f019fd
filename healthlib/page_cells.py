"""Cells that tables of leadership and of CSMs share: bands, money, names that lead to the audit, scores by month, chances, losses."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import pandas as pd

from healthlib import report
from healthlib.plots_accounts import spark
from healthlib.report import Piece
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import NOTHING, change, compact, count, money, money_range, number, points, share, unknown

LONG = 80
"""Letters of a name above which a cell shows its beginning and keeps the rest for who points at it."""


def with_cells(frame: pd.DataFrame, **cells: list[Piece]) -> pd.DataFrame:
    """The frame with columns of pieces."""
    return frame.assign(**{name: pd.Series(pieces, index=frame.index, dtype="object") for name, pieces in cells.items()})


def as_is(piece: Any) -> Piece:
    """A column kind: a piece as it stands."""
    return piece if isinstance(piece, Piece) else Piece(NOTHING)


def money_kind(facts: ExecutiveFacts) -> str:
    """The kind of a column of money."""
    return f"money {unit(facts)}"


def unit(facts: ExecutiveFacts) -> str:
    """The currency as a table carries it."""
    return compact(facts.currency)


def chip(facts: ExecutiveFacts) -> Callable[[Any], Piece]:
    """A band with its colour and shape, or one of the words that stand in a band's place."""
    shown, words = report.bands(facts.band_colours), {"all": "All", "new": "New", "left": "Left"}
    return lambda name: Piece(words[name]) if name in words else shown(name)


def name_cell(name: Any, target: str = "") -> Piece:
    """A column kind: a name, a link where there is a target; a very long one cut, whole for who points at it.

    >>> name_cell("Ann & Co", "audit.html#a").html
    '<a href="audit.html#a"><bdi>Ann &amp; Co</bdi></a>'
    """
    whole = "" if unknown(name) else str(name)
    words = report.escape(whole if len(whole) <= LONG else f"{whole[: LONG - 1]}…")
    words = words if len(whole) <= LONG else f'<span title="{html.escape(whole, quote=True)}">{words}</span>'
    return Piece(f'<a href="{html.escape(target, quote=True)}">{words}</a>' if target else words)


def named(facts: ExecutiveFacts, account: str, name: Any) -> str:
    """An account's name, a link where the audit tells of it; its id where it has no name."""
    return name_cell(account if unknown(name) else name, facts.links.get(account, "")).html


def who(facts: ExecutiveFacts, row: dict[Any, Any], *columns: str) -> Piece:
    """Name, then what the columns say of the account in quiet letters."""
    said = [report.escape(row[name]) for name in columns or ("segment",) if not unknown(row.get(name)) and str(row[name]).strip()]
    quiet = f'<span class="quiet under">{", ".join(said)}</span>' if said else ""
    return Piece(named(facts, str(row["account_id"]), row["name"]) + quiet)


def chance(row: dict[Any, Any]) -> Piece:
    """The chance of loss at a row's score, with its interval below: `loss`, `loss_low`, `loss_high`."""
    if unknown(row["loss"]):
        return Piece(NOTHING)
    span = f"{number(100 * row['loss_low'], 0)}–{number(100 * row['loss_high'], 0)}%"
    return Piece(f'<data value="{report.machine(row["loss"])}">{share(row["loss"])}</data><span class="quiet under">{span}</span>')


def lost(row: dict[Any, Any], currency: str) -> Piece:
    """What is expected to be lost, and between which bounds."""
    if unknown(row["expected_lost"]):
        return Piece(NOTHING)
    shown = f'<data value="{report.machine(row["expected_lost"])}">{money(row["expected_lost"], currency, 2)}</data>'
    ends = money_range(row["low"], row["high"], currency, of=row["arr"], to="–")
    return Piece(f'{shown} <span class="quiet nowrap">{ends}</span>')


def moved(by: float) -> str:
    """A change in brackets."""
    return "" if unknown(by) else f'<span class="quiet">({change(by)})</span>'


def score_line(facts: ExecutiveFacts, account: str) -> str:
    """The score by month as a line with its ends in words; nothing for fewer than three months with a score."""
    rows = facts.sparks[facts.sparks["account_id"] == account]
    known = rows[rows["score"].notna()]
    if len(known) < 3:
        return ""
    first, last = known.iloc[0], known.iloc[-1]
    ends = f"{points(first['score'])} in {first['as_of']:%b %Y}, {points(last['score'])} now"
    words = f"Score by month: {ends}, lowest {points(known['score'].min())}"
    return f'<span class="spark" role="img" aria-label="{words}">{spark(rows["score"].tolist()).html}</span>'


def stacked(parts: dict[str, float], tones: dict[str, str], top: float) -> str:
    """Parts of a whole as one bar, the longest row as wide as the cell; for the eye alone, the figures stand beside it."""
    pieces = "".join(
        f'<i class="fill {tones.get(name, "unscored")}" style="width:{100 * value / top:.1f}%"></i>'
        for name, value in parts.items()
        if value
    )
    return f'<span class="stack" aria-hidden="true">{pieces}</span>'


def accounts_and_money(accounts: float, arr: float, currency: str) -> Piece:
    """A count with its money in quiet letters."""
    return Piece(f'<data value="{int(accounts)}">{count(accounts)}</data> <span class="quiet">{money(arr, currency)}</span>')
