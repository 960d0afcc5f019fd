"""The sentences on what will renew, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.wording import count, counted, money, money_range, share

if TYPE_CHECKING:
    from healthlib.studies.forecast import ForecastFacts

SURE = 0.02
"""A bias of less than this share of the renewing ARR is not worth a sentence (a convention)."""


def ahead(forecast: ForecastFacts) -> str:
    """What of the ARR that comes up for renewal is expected to renew."""
    if forecast.needs:
        return f"No forecast: it takes {forecast.needs}."
    table = forecast.ahead[(forecast.ahead["kind"] == "quarter") & (forecast.ahead["band"] == "all")]
    if table.empty:
        return "Contracts here have no end, so there is no renewal to forecast; what may be lost within the horizon is on the first page."
    said = [
        f"of {money(row['arr'], forecast.currency)} that come up in the {row['period']} ({counted(row['accounts'], 'account')}) "
        f"{money(row['expected'], forecast.currency)} are expected to renew "
        f"({money_range(row['low'], row['high'], forecast.currency, of=row['arr'])})"
        for _, row in table.iterrows()
        if row["accounts"]
    ]
    if not said:
        return "No term ends in the next six months."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}. The ranges hold 95% of what chance and what we do not know allow."


def far(lead_days: int) -> str:
    """What stands in for the score of a term that ends later than it is read: said beside every forecast that looks farther.

    >>> far(90)
    'learned from scores 90 days before the end; of a term that ends later than that, today’s score stands in, so take far months roughly'
    """
    return (
        f"learned from scores {lead_days} days before the end; of a term that ends later than that, today’s score stands in, "
        "so take far months roughly"
    )


def kept(forecast: ForecastFacts) -> str:
    """GRR and NRR of the next two quarters."""
    if forecast.kept.empty:
        return ""
    told = {}
    for measure in ("GRR", "NRR"):
        rows = forecast.kept[forecast.kept["measure"] == measure]
        told[measure] = [kept_range(row["value"], row["low"], row["high"]) for _, row in rows.iterrows()]
    return (
        f"Of today’s ARR {told['GRR'][0]} will be kept before any growth over the next quarter, {told['GRR'][-1]} over two (GRR); with "
        f"growth at renewals {told['NRR'][0]} and {told['NRR'][-1]} (NRR). What changes within a term is not forecast."
    )


def kept_range(value: float, low: float, high: float) -> str:
    """Shares of ARR kept lie close to 100 % on either side of it: always one decimal.

    >>> kept_range(0.9963, 0.9654, 1.0276)
    '99.6% (96.5–102.8%)'
    """
    return f"{value:.1%} ({100 * low:.1f}–{high:.1%})"


def track(forecast: ForecastFacts) -> str:
    """Whether forecasts of this kind held in the past."""
    held = forecast.coverage
    if forecast.needs or not held.n:
        return "Whether such forecasts held cannot be told: no month with a forecast has finished."
    usual = "as it should be" if held.low <= 0.95 <= held.high else "fewer than the 95% promised: take the ranges as too narrow"
    return (
        f"Made in the same way before each of the last {counted(held.n, 'finished month')}, {count(held.events)} held what came within "
        f"their range, {usual}. {_bias(forecast)}{_shock(forecast)}"
    )


def base(forecast: ForecastFacts) -> tuple[str, str]:
    """The ARR that a forecast is about, and what it does: where accounts are judged by a horizon nothing comes up for renewal."""
    return ("ARR up for renewal", "renewed") if forecast.kind == "renewal" else ("ARR in the forecast", "stayed")


def _bias(forecast: ForecastFacts) -> str:
    """Whether they promised too much or too little on the whole."""
    arr, renewed = base(forecast)
    if abs(forecast.bias) < SURE:
        more = "more" if forecast.bias >= 0 else "less"
        return f"Over all of them {share(abs(forecast.bias), 1)} of the {arr} {more} {renewed} than promised."
    more = "More" if forecast.bias > 0 else "Less"
    return f"{more} {renewed} than they promised, by {share(abs(forecast.bias), 1)} of the {arr}: they lean to one side."


def _shock(forecast: ForecastFacts) -> str:
    if pd.isna(forecast.shock):
        return " Too few months have finished to say whether some were worse for everybody."
    if forecast.shock < 0.05:
        return " Months differ no more than chance makes them."
    factor = f"{np.exp(forecast.shock):.1f}"
    return f" Some months are worse for everybody (odds of leaving differ by a factor of about {factor}); the ranges allow for it."


def quarters(forecast: ForecastFacts) -> str:
    """Whether GRR and NRR of past quarters were foreseen."""
    held = forecast.kept_coverage
    if not held:
        return ""
    said = " and ".join(f"{measure} in {count(one.events)} of {count(one.n)}" for measure, one in held.items())
    n, last = next(iter(held.values())).n, pd.Timestamp(forecast.kept_track["quarter"].iloc[-1] + "-01")
    return f"Made before each of the last {counted(n, 'quarter')}, to {last:%b %Y}, the range held what came for {said}."
