"""The renewals calendar: twelve months, what comes up by band, what may be lost of it, and the largest by name."""

from __future__ import annotations

from typing import Any

import pandas as pd

from healthlib import palette, report
from healthlib.claims_forecast import far
from healthlib.page_cells import as_is, chip, lost, money_kind, stacked, unit, who, with_cells
from healthlib.report import Piece
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import money


def calendar(facts: ExecutiveFacts) -> Piece:
    """A row a month: accounts, ARR by band as a bar and in figures, what may be lost; then the largest of each month, folded away."""
    months = facts.calendar.months
    if months.empty or not months["accounts"].any():
        return Piece("")
    whole = months[months["band"] == "all"].rename(columns={"lost": "expected_lost"}).reset_index(drop=True)
    arr = months[months["band"] != "all"].pivot(index="period", columns="band", values="arr").loc[whole["period"]]
    bands = [band for band in facts.bands if arr[band].sum() > 0]
    top, tones = float(arr.sum(axis=1).max()) or 1.0, palette.tones(facts.bands)
    cells = {
        "month": [_month(period) for period in whole["period"]],
        "bar": [Piece(stacked({band: float(row[band]) for band in bands}, tones, top)) for _, row in arr.iterrows()],
        "lost": [lost(row, unit(facts)) for row in whole.to_dict("records")],
    }
    shown: dict[str, tuple[str, Any]] = {
        "month": ("Month", as_is),
        "accounts": ("Accounts", "count"),
        "arr": ("ARR", money_kind(facts)),
        "bar": ("By band", as_is),
    }
    shown |= {f"arr:{band}": (f"ARR {band}", money_kind(facts)) for band in bands}
    if whole["expected_lost"].notna().any():
        shown["lost"] = ("Likely lost, 95% interval", as_is)
    table = with_cells(whole.assign(**{f"arr:{band}": arr[band].to_numpy() for band in bands}), **cells)
    caption = "Accounts whose term ends in each of the next twelve months, by band of today"
    caption += f"; what may be lost is {far(facts.context['lead_days'])}" if "lost" in shown else ""
    return report.table(table, shown, caption=caption, n=int(whole["accounts"].sum())) + _largest(facts)


def _month(period: str) -> Piece:
    return Piece(f'<span class="nowrap">{pd.Timestamp(period + "-01"):%b %Y}</span>')


def _largest(facts: ExecutiveFacts) -> Piece:
    """The largest accounts of each month, a row a month."""
    rows, band = facts.calendar.largest, chip(facts)
    if rows.empty:
        return Piece("")
    months = []
    for period, part in rows.groupby("period"):
        said = [
            f"{who(facts, row, 'account_id_unsaid').html} {money(row['arr'], unit(facts))} {band(row['band']).html}"
            for row in part.to_dict("records")
        ]
        months.append((_month(str(period)), Piece("<br>".join(said))))
    table = pd.DataFrame(months, columns=["month", "names"], dtype="object")
    listing = report.table(table, {"month": ("Month", as_is), "names": ("Largest accounts", as_is)}, caption="The largest of each month")
    return Piece(f"<details><summary>The largest of each month by name</summary>{listing.html}</details>")
