"""Whether a report can be believed: a verdict on each question, by rules that are written down here; and how fresh the data are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.resample import Estimate
from healthlib.scoring import applies
from healthlib.studies.renewals import forecast_total

if TYPE_CHECKING:
    from healthlib.studies.book import Book

YES, CARE, NO, OPEN = "yes", "care", "no", "cannot tell"
QUESTIONS = ("ranking", "flagged", "forecast", "weights", "data")
FEW = 20
"""Below so many events a rate is said to be uncertain in words too, and no verdict is `yes`."""
FEW_MONTHS = 6
"""Below so many months no forecast is called confirmed."""
STALE_DAYS = 31
"""A table whose newest row is older has missed a monthly report."""
ENOUGH = 0.8
"""Mean share of the scorecard measured from which the data are called complete (a convention)."""
FRESH_COLUMNS = ("table", "rows_in", "rows_used", "rows_rejected", "last_day", "age_days", "covered")


@dataclass(frozen=True)
class Evidence:
    """What the verdicts rest on.

    Attributes
    ----------
    auc : of the current scorecard on outcomes it had not seen
    flagged : see `at_risk.flagged`; empty where nobody has left
    forecast : `renewals.FORECAST_COLUMNS`
    recommendation : of the fit
    coverage : mean share of the scorecard measured ("mean"), share of the accounts that can be scored ("scored")
    tables : `FRESH_COLUMNS`
    """

    auc: Estimate
    flagged: dict[str, Estimate]
    forecast: pd.DataFrame
    recommendation: str
    coverage: dict[str, float]
    tables: pd.DataFrame


def verdicts(found: Evidence) -> dict[str, str]:
    """Question of `QUESTIONS` -> yes, care, no or cannot tell.

    ranking : no where the AUC's interval holds 0.5; care below 0.7 or under `FEW` losses
    flagged : of the ARR that left, the share in the worst band 90 days before: no where it is no more than chance; care under a half
    forecast : no where under 80 % of the months came inside their 95 % interval; care under 90 % or under `FEW_MONTHS` months
    weights : no where the data support others
    data : no where under half of the accounts can be scored; care where less than `ENOUGH` of them can or of the scorecard is measured,
        over 1 % of a table's rows was set aside, or a table is older than `STALE_DAYS`
    """
    return {
        "ranking": _ranking(found.auc),
        "flagged": _flagged(found.flagged),
        "forecast": _forecast(found.forecast),
        "weights": {"keep": YES, "adopt": NO}.get(found.recommendation, OPEN),
        "data": _data(found.coverage, found.tables),
    }


def _ranking(auc: Estimate) -> str:
    if np.isnan(auc.value):
        return OPEN
    if not auc.low > 0.5:
        return NO if auc.events >= FEW else OPEN
    return YES if auc.value >= 0.7 and auc.events >= FEW else CARE


def _flagged(flagged: dict[str, Estimate]) -> str:
    if not flagged or np.isnan(flagged["arr"].value):
        return OPEN
    arr, base = flagged["arr"], flagged["base"].value
    if not arr.low > base:
        return OPEN if flagged["accounts"].n < FEW else NO
    return YES if arr.value >= 0.5 and flagged["accounts"].n >= FEW else CARE


def _forecast(table: pd.DataFrame) -> str:
    if table.empty:
        return OPEN
    total = forecast_total(table)
    part = total["inside"] / total["months"]
    if total["months"] < FEW_MONTHS:
        return CARE
    return NO if part < 0.8 else CARE if part < 0.9 else YES


def _data(coverage: dict[str, float], tables: pd.DataFrame) -> str:
    if np.isnan(coverage["scored"]):
        return OPEN
    if coverage["scored"] < 0.5:
        return NO
    rejected = (tables["rows_rejected"] > 0.01 * tables["rows_in"]).any()
    little = not min(coverage["mean"], coverage["scored"]) >= ENOUGH
    return CARE if little or rejected or len(stale(tables)) else YES


def stale(tables: pd.DataFrame) -> pd.DataFrame:
    """The tables whose newest row is older than `STALE_DAYS`."""
    return tables[tables["age_days"] > STALE_DAYS]


def freshness(book: Book) -> pd.DataFrame:
    """Each table: rows, rows set aside, last record, its age on the day of the report, and the share of today's accounts that it speaks of.

    Returns
    -------
    DataFrame `FRESH_COLUMNS`; age_days NaN where rows have no date, 0 where they reach past the day of the report (later rows were not
    used); covered is the share of active accounts with a value of at least one metric of the table, of those to which any applies, NaN
    where no metric reads it
    """
    table = book.tables[["table", "rows_in", "rows_used", "rows_rejected", "last_day"]].reset_index(drop=True)
    age = (book.as_of - pd.to_datetime(table["last_day"])).dt.days.astype(float).clip(lower=0)
    today = book.history[book.history["as_of"] == book.as_of]
    there = applies(book.scorecard, today) if len(today) else pd.DataFrame()
    covered = []
    for name in table["table"]:
        names = [metric for metric, one in book.scorecard.metrics.items() if one.table == name and metric in today]
        meant = there[names].to_numpy(dtype=bool) if len(today) and names else np.zeros((0, 0), dtype=bool)
        asked = meant.any(axis=1)
        seen = (meant & today[names].notna().to_numpy()).any(axis=1) if meant.size else asked
        covered.append(float(seen.sum() / asked.sum()) if asked.sum() else float("nan"))
    return table.assign(age_days=age, covered=covered)[list(FRESH_COLUMNS)]
