"""The figure on what will renew: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

from healthlib import wording
from healthlib.claims_forecast import base
from healthlib.plots_audit import ACCENT, GREY, INK, LINE, MUTED, blank, canvas, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.forecast import ForecastFacts


def track(forecast: ForecastFacts, *, past: int = 12) -> Axes:
    """ARR that renewed (past) or is expected to (ahead), month by month, with the range given before; the bar is what came up."""
    ahead = forecast.ahead[(forecast.ahead["kind"] == "month") & (forecast.ahead["band"] == "all")]
    done = forecast.track.tail(past)
    if done.empty and ahead.empty:
        return blank("No month to draw: nothing has been forecast yet.")
    ax = canvas(3.8)[0, 0]
    arr = np.r_[done["renewing_arr"], ahead["arr"]].astype(float)
    low, high = np.r_[done["low"], ahead["low"]].astype(float), np.r_[done["high"], ahead["high"]].astype(float)
    middle, place = np.r_[done["expected"], ahead["expected"]].astype(float), np.arange(len(arr))
    ax.bar(place, arr, color=GREY, alpha=0.28, width=0.74)
    ax.vlines(place, low, high, color=ACCENT, lw=6, alpha=0.4)
    ax.scatter(place, middle, marker="_", s=130, color=ACCENT, lw=2.2)
    ax.scatter(place[: len(done)], done["actual"], color=INK, s=30, zorder=4)
    if len(done) and len(ahead):
        ax.axvline(len(done) - 0.5, color=MUTED, lw=1.2, ls=(0, (4, 3)))
        ax.annotate("ahead ", (len(done) - 0.4, 1), xycoords=("data", "axes fraction"), ha="left", va="top", color=MUTED)
    days = pd.to_datetime(pd.Series([*done["period"], *ahead["period"]]) + "-01")
    shown = place[:: max(1, len(place) // 6)]
    ax.set_xticks(shown, [f"{days.iloc[i]:%b}\n{days.iloc[i]:%Y}" for i in shown])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.money(value, forecast.currency, 2)))
    ax.grid(axis="y", color=LINE, lw=0.6)
    ax.set_axisbelow(True)
    arr, renewed = base(forecast)
    ax.set_xlabel(f"grey: {arr}, blue: expected with 95% range, dots: what {renewed}")
    titled(ax, _title(forecast))
    return ax


def _title(forecast: ForecastFacts) -> str:
    held = forecast.coverage
    if not held.n:
        return "What is expected to renew; no earlier forecast can be checked yet"
    return f"{held.events:.0f} of {wording.counted(held.n, 'past month')} came within the range given before"
