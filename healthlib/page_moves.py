"""The blocks on how the base moved: from band to band with the largest by name, ARR over twelve months, and why the average score moved."""

from __future__ import annotations

from typing import Any

import pandas as pd

from healthlib import claims_moves as say
from healthlib import plots, report
from healthlib.page_cells import accounts_and_money, as_is, chip, money_kind, unit, who, with_cells
from healthlib.report import Piece
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import NOTHING, banded, change, day, unknown

STEPS = {"started with": "were here a year ago", "left": "left", "shrank": "pay less", "grew": "pay more", "new": "new", "now": "here now"}
"""Move of ARR -> accounts that ..."""
DIRECTIONS = {"fell": "Fell", "rose": "Rose", "left": "Left", "came": "New"}


def pictures(facts: ExecutiveFacts) -> Piece:
    """Accounts and ARR by band over the last 13 dates, side by side; nothing of a single date."""
    if facts.trend["as_of"].nunique() < 2:
        return Piece("")
    changed, told = list(facts.scorecards["adopted_on"]), say.trend(facts)
    drawn = [
        plots.band_trend(facts.trend, facts.band_colours, "accounts", changed=changed),
        plots.band_trend(facts.trend, facts.band_colours, "arr", currency=facts.currency, changed=changed),
    ]
    return report.columns(*(report.figure(axes, alt=told) for axes in drawn))


def bridge(facts: ExecutiveFacts) -> Piece:
    """From the ARR of a year ago to today's, as a picture beside its figures; nothing without a year ago."""
    if facts.moves.empty:
        return Piece("")
    drawn = plots.arr_bridge(facts.moves, currency=facts.currency)
    return report.columns(report.figure(drawn, alt=say.moved(facts)), moves(facts))


def migration(facts: ExecutiveFacts) -> Piece:
    """From which band to which since the previous month-end, as a grid of accounts and their ARR."""
    if unknown(facts.context["month"]):
        return Piece("")
    table = facts.migration
    places = [*facts.bands, "left"]
    grid = pd.DataFrame({"from": [name for name in [*facts.bands, "new"] if (table["from"] == name).any()]})
    cells = {(row["from"], row["to"]): _move(row, unit(facts)) for row in table.to_dict("records")}
    shown: dict[str, tuple[str, Any]] = {"from": ("From", chip(facts))}
    for place in [name for name in places if (table["to"] == name).any()]:
        grid = with_cells(grid, **{f"to {place}": [cells.get((start, place), Piece(NOTHING)) for start in grid["from"]]})
        shown[f"to {place}"] = (f"To {place}", as_is)
    return report.table(grid, shown, caption=f"Accounts and their ARR by band on {day(facts.context['month'])} (rows) and now (columns)")


def movers(facts: ExecutiveFacts) -> Piece:
    """The largest accounts that fell, rose, left and came, with what moved each."""
    rows = facts.movers
    if rows.empty:
        return Piece("")
    records, band = rows.to_dict("records"), chip(facts)
    cells = {
        "who": [who(facts, row) for row in records],
        "way": [
            Piece(f'<span class="nowrap">{" → ".join(band(row[side]).html for side in ("from", "to") if not unknown(row[side]))}</span>')
            for row in records
        ],
        "points": [_points(row, facts.band_starts) for row in records],
    }
    shown: dict[str, tuple[str, Any]] = {
        "who": ("Account", as_is),
        "move": ("Move", "text"),
        "way": ("Band", as_is),
        "points": ("Score", as_is),
        "arr": ("ARR", money_kind(facts)),
        "why": ("What moved it", "text"),
    }
    if not (rows["why"] != "").any():
        shown.pop("why")
    table = with_cells(rows.assign(move=rows["direction"].map(DIRECTIONS)), **cells)
    caption = f"The largest moves since {day(facts.context['month'])}, at most five a direction"
    return report.table(table, shown, caption=caption, layout="cards")


def _points(row: dict[Any, Any], starts: tuple[float, ...]) -> Piece:
    """The score before and now."""
    said = [banded(row[name], starts) for name in ("before", "now") if not unknown(row[name])]
    if not said:
        return Piece(NOTHING)
    by = "" if unknown(row["change"]) else f' <span class="quiet">({change(row["change"])})</span>'
    return Piece(f'<span class="nowrap">{" → ".join(said)}{by}</span>')


def _move(row: dict[Any, Any], currency: str) -> Piece:
    words = accounts_and_money(row["accounts"], row["arr"], currency)
    return words if row["from"] == row["to"] else Piece(f"<strong>{words.html}</strong>")


def causes(facts: ExecutiveFacts) -> Piece:
    """What moved the average score of each band and of the whole book since the previous month-end, by accounts and by ARR."""
    if facts.causes.empty:
        return Piece("")
    words = {"behaviour": "Behaviour", "data": "Data", "configuration": "Scorecard", "override": "Override", "membership": "Who is in it"}
    rows = facts.causes.assign(by=facts.causes["by"].map({"accounts": "accounts", "arr": "ARR"}), whole=facts.causes["band"] == "all")
    rows = rows[rows[["before", "now"]].notna().any(axis=1)]
    if rows.empty:
        return Piece("")
    still = [name for name in ("configuration", "override") if not (rows[name].abs() >= 0.05).any()]
    signed = {name: (word, _points_moved) for name, word in words.items() if name not in still}
    shown: dict[str, tuple[str, Any]] = {
        "band": ("Band", chip(facts)), "by": ("By", "text"), "n_now": ("n", "count"), "before": ("Average then", "number"),
        "now": ("Average now", "number"), "change": ("Change", _points_moved), **signed,
    }  # fmt: skip
    since = day(facts.context["month"])
    unmoved = f"; nothing by {' or '.join(words[name].lower() for name in still)}" if still else ""
    return report.table(rows, shown, caption=f"Average score by band since {since}, and what moved it, summing exactly{unmoved}")


def _points_moved(points: float) -> Piece:
    return Piece(
        NOTHING if unknown(points) else f'<data style="padding-left:.8rem" value="{report.machine(points)}">{change(points, 1)}</data>'
    )


def moves(facts: ExecutiveFacts) -> Piece:
    """From the ARR of a year ago to today's."""
    if facts.moves.empty:
        return Piece("")
    rows = facts.moves.assign(step=facts.moves["move"].map(STEPS))
    return report.table(
        rows,
        {"step": ("Accounts that", "text"), "accounts": ("Accounts", "count"), "arr": ("ARR", money_kind(facts))},
        caption="From the ARR of twelve months ago to today's",
    )
