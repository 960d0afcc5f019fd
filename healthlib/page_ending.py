"""The sections on what went before the end: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_ending, report
from healthlib.claims import undated
from healthlib.page_audit import interval, ranges, unbroken
from healthlib.pieces import Columns, Kind, Piece
from healthlib.studies.fallen import LEFT, SHRANK, STAYED
from healthlib.studies.leaving import UNSTATED
from healthlib.studies.rates import SMALL
from healthlib.wording import NOTHING, number, unknown

if TYPE_CHECKING:
    from healthlib.studies.ending import EndingFacts


def before(ending: EndingFacts) -> Piece:
    """When each metric fell away, with the gap a year before and at the end, by accounts and ARR."""
    if ending.kind == "flat":
        return report.note(undated("what went before the end"))
    known = ending.dated["metric"].isin(ending.suspects)
    frame = pd.concat([ending.dated[~known], ending.dated[known]], ignore_index=True)
    frame["verdict"] = [
        f"{said}; seems to know the outcome" if name in ending.suspects else said
        for said, name in zip(frame["verdict"], frame["metric"], strict=True)
    ]
    frame["fell_said"] = [_when(value) for value in frame["fell"]]
    frame["apart_said"] = [_when(value) for value in frame["apart"]]
    frame["year_said"] = [_whole(value) for value in frame["year_gap"]]
    frame["gap_said"] = [_points(*row) for row in frame[["gap", "low", "high"]].itertuples(index=False, name=None)]
    frame["arr_said"] = [_points(*row) for row in frame[["arr_gap", "arr_low", "arr_high"]].itertuples(index=False, name=None)]
    columns: Columns = {
        "label": ("Metric", "text"),
        "verdict": ("Verdict", "text"),
        "fell_said": ("Fell away, months before", unbroken),
        "apart_said": ("Lower, months before", unbroken),
        "year_said": ("Points below, a year before", unbroken),
        "gap_said": ("At the end", interval),
        "arr_said": ("At the end, by ARR", interval),
        "n": ("n left", "count"),
    }
    caption = "Points below matched accounts that stayed; a year before is the earliest month measured, the end its last month-end"
    table = report.table(frame, columns, caption=caption, layout="cards fold")
    if frame.empty:
        return table
    notes = (report.text(claims_ending.compared(ending)), report.text(claims_ending.reading()))
    return report.show(
        report.bullets(claims_ending.others(ending)), table, report.details("With whom they were compared, and how to read it", *notes)
    )


def _when(months: float) -> str:
    return NOTHING if unknown(months) else f"{months:.0f}" if months else "the last"


def _points(value: float, low: float, high: float) -> str:
    if unknown(value):
        return NOTHING
    return _whole(value) if unknown(low) else f"{_whole(value)} ({_whole(low)} to {_whole(high)})"


def _whole(value: float) -> str:
    """Whole points, without a sign before zero."""
    return number(round(value), 0)


def reasons(ending: EndingFacts) -> Piece:
    """Each stated reason, and those that shrank, beside the metrics that had fallen a quarter before."""
    names = claims_ending.shown(ending)
    if not names:
        return Piece("")
    table = ranges(
        ending.fallen[ending.fallen["metric"].isin(names)], said=("rate", "low", "high"), arr_said=("arr_rate", "arr_low", "arr_high")
    )
    sizes = table.groupby("group", sort=False)[["cases", "arr"]].max().reset_index()
    if set(sizes["group"]) <= {LEFT, SHRANK, STAYED, UNSTATED}:
        sizes = sizes[sizes["group"] != UNSTATED]
    together = sizes["group"].isin([LEFT, SHRANK, STAYED])
    sizes = pd.concat([sizes[together], sizes[~together]], ignore_index=True)
    wide = table.pivot(index="group", columns="metric", values="said").reset_index()
    frame = sizes.merge(wide, on="group").assign(few=lambda rows: [f"fewer than {SMALL}" if n < SMALL else "" for n in rows["cases"]])
    money = table[table["metric"] == names[0]].set_index("group")["arr_said"]
    labels = table.drop_duplicates("metric").set_index("metric")["label"]
    columns: dict[str, tuple[str, Kind]] = {
        "group": ("Said on leaving", "text"),
        "cases": ("Ends", "count"),
        "arr": ("ARR", f"money {ending.currency}"),
        **{name: (str(labels[name]), interval) for name in names},
        "by_arr": (f"{labels[names[0]]}, by ARR", interval),
    }
    if (frame["few"] != "").any():
        columns["few"] = ("Note", unbroken)
    frame = frame.assign(by_arr=frame["group"].map(money), group=[_group(name) for name in frame["group"]]).fillna(NOTHING)
    caption = "Share in the lowest fifth of each metric three months and more before the end"
    return report.table(frame, columns, caption=caption, layout="cards fold")


def _group(name: str) -> str:
    return {LEFT: "Left, for whatever reason", SHRANK: "Stayed at a lower ARR", STAYED: "Stayed whole"}.get(name, name)
