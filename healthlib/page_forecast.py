"""The section on what will renew: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import report, wording
from healthlib.claims_forecast import far, kept_range
from healthlib.page_audit import interval
from healthlib.pieces import Columns, Piece

if TYPE_CHECKING:
    from healthlib.studies.forecast import ForecastFacts


def ahead(forecast: ForecastFacts) -> Piece:
    """ARR up for renewal and expected to renew, by month and quarter, by band."""
    if forecast.ahead.empty:
        return report.show()
    money = f"money {wording.compact(forecast.currency)}"
    frame = forecast.ahead[forecast.ahead["accounts"] > 0].copy()
    frame["when"] = [_when(row["period"], row["kind"]) for _, row in frame.iterrows()]
    ends = zip(frame["low"], frame["high"], frame["arr"], strict=True)
    frame["range"] = [wording.money_range(low, high, forecast.currency, of=arr) for low, high, arr in ends]
    columns: Columns = {
        "when": ("Terms that end", "text"),
        "band": ("Band today", "text"),
        "accounts": ("Accounts", "count"),
        "arr": ("ARR", money),
        "expected": ("Expected to renew", money),
        "range": ("95% of what may come", "text"),
    }
    whole, parts = frame[frame["band"] == "all"], frame[frame["band"] != "all"]
    chances = f"; chances are {far(forecast.lead_days)}" if forecast.lead_days else ""
    caption = f"ARR that comes up for renewal and what of it is expected to renew, the price it has today{chances}"
    return report.table(
        whole.drop(columns="band"), {k: v for k, v in columns.items() if k != "band"}, caption=caption, layout="cards"
    ) + report.details("The same by band of today", report.table(parts, columns, caption="By band of today", layout="cards fold"))


def _when(period: str, kind: str) -> str:
    """`Nov 2026` or `next 3 months`."""
    return f"{pd.Timestamp(period + '-01'):%b %Y}" if kind == "month" else period


def quarters(forecast: ForecastFacts) -> Piece:
    """GRR and NRR ahead and in the past, beside what came."""
    if forecast.kept.empty:
        return report.show()
    coming = forecast.kept.assign(said=[kept_range(*row) for row in forecast.kept[["value", "low", "high"]].to_numpy(dtype=float)])
    coming["when"] = [wording.counted(q, "quarter") + " ahead" for q in coming["quarters"]]
    columns: Columns = {"when": ("Over", "text"), "measure": ("Measure", "text"), "said": ("Expected", interval)}
    piece = report.table(coming, columns, caption="Share of today’s ARR that will be left", layout="cards")
    if forecast.kept_track.empty:
        return piece
    told = forecast.kept_track[["expected", "low", "high"]].to_numpy(dtype=float)
    past = forecast.kept_track.assign(said=[kept_range(*row) for row in told], actual=[f"{x:.1%}" for x in forecast.kept_track["actual"]])
    past["when"] = [f"to {pd.Timestamp(quarter + '-01'):%b %Y}" for quarter in past["quarter"]]
    then: Columns = {
        "when": ("Quarter", "text"),
        "measure": ("Measure", "text"),
        "said": ("Was expected", interval),
        "actual": ("Came", "text"),
        "arr": ("Of ARR", f"money {wording.compact(forecast.currency)}"),
    }
    return piece + report.details(
        "Past quarters", report.table(past, then, caption="Forecasts of past quarters and what came", layout="cards fold")
    )
