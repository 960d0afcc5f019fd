"""The figures of the executive report: a frame of facts in, Axes out. Titles state the finding, axes units, marks their own labels."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from healthlib import wording
from healthlib.palette import INK, TONES, UNSCORED, colours, words

SIZE = (4.9, 3.1)
"""Inches: at this size 11-point text stays readable on a phone."""

INK_COLOUR, MUTED, LINE = (INK[name][0] for name in ("ink", "muted", "line"))
ACCENT = TONES["accent"][0]

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.5,
    "text.parse_math": False,
    "text.color": INK_COLOUR,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK_COLOUR,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "ytick.left": False,
    "figure.dpi": 96,
}


def style() -> AbstractContextManager[None]:
    """The style of every figure, for a with block."""
    return mpl.rc_context(STYLE)


def axes(size: tuple[float, float] = SIZE) -> Axes:
    """New axes on a figure of their own, in the style."""
    with style():
        return Figure(figsize=size, layout="constrained").add_subplot()


def band_trend(
    trend: pd.DataFrame, bands: Collection[str], value: str, *, currency: str = "", changed: Iterable[pd.Timestamp] = ()
) -> Axes:
    """Accounts or ARR by band over the last 13 dates, as stacked bars with the worst band at the foot.

    Parameters
    ----------
    trend : as_of, band, accounts, arr
    bands : from worst to best, unscored last; or each with its own colour, "" for ours
    value : "accounts" or "arr"
    currency : of ARR
    changed : days on which the scorecard was changed, marked before the first bar that is later
    """
    with style():
        ax = axes()
        if trend.empty:
            return _nothing(ax, "No account was active yet")
        table = trend.pivot(index="as_of", columns="band", values=value).reindex(columns=list(bands)).fillna(0.0)
        table = table.loc[:, (table > 0).any()]
        foot, place = np.zeros(len(table)), np.arange(len(table))
        tint = colours(bands)
        for band in table.columns:
            bars = ax.bar(place, table[band], bottom=foot, width=0.82, color=tint[band], edgecolor="white", linewidth=0.6)
            if band == UNSCORED:
                for bar in bars:
                    bar.set_hatch("///")
            _label_last(ax, band, (foot[-1], table[band].iloc[-1]), float(table.sum(axis=1).max()), words(tint[band]))
            foot = foot + table[band].to_numpy()
        _months(ax, table.index)
        _marks(ax, table.index, changed)
        was = f"in {pd.Timestamp(table.index[0]):%b %Y}"
        first, last = (
            wording.money(x, wording.compact(currency)) if value == "arr" else wording.count(x) for x in table.iloc[[0, -1], 0].to_list()
        )
        what = "ARR" if value == "arr" else "accounts"
        name = str(table.columns[0])
        moved = f"{name[:1].upper() + name[1:]} {what}: {first} {was}, {last} now"
        ax.set_title(moved if len(table) > 1 else f"{what[:1].upper() + what[1:]} by band")
        ax.set_ylabel(f"ARR ({currency})" if value == "arr" else "Active accounts")
        money_axis(ax, currency) if value == "arr" else ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.set_xlim(-0.6, len(table) - 0.3)
        return ax


def _nothing(ax: Axes, words: str) -> Axes:
    """Axes that say why they are empty."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, words, ha="center", va="center", color=MUTED, transform=ax.transAxes)
    return ax


def _marks(ax: Axes, days: pd.Index, changed: Iterable[pd.Timestamp]) -> None:
    """A dashed line where the scorecard was changed, named once."""
    at = sorted({int(sum(bar < day for bar in days)) for day in changed if days[0] < day <= days[-1]})
    for place in at:
        ax.axvline(place - 0.5, color=INK_COLOUR, linewidth=1.4, linestyle=(0, (4, 3)))
    if at:
        ax.annotate(
            "scorecard changed",
            (at[-1] - 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-4, -2),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=9,
            bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none"},
        )


def _label_last(ax: Axes, band: str, bar: tuple[float, float], top: float, colour: str) -> None:
    """The band's name beside its part of the last bar, where the part is tall enough."""
    foot, height = bar
    if height > 0.045 * top:
        ax.annotate(
            band,
            (1.01, foot + height / 2),
            xycoords=("axes fraction", "data"),
            va="center",
            color=colour,
            weight="bold",
            annotation_clip=False,
        )


def _months(ax: Axes, days: pd.Index) -> None:
    """Every third month on the axis, counted back from the last."""
    shown = [i for i in range(len(days)) if (len(days) - 1 - i) % 3 == 0]
    ax.set_xticks(shown, [f"{pd.Timestamp(days[i]):%b}\n{pd.Timestamp(days[i]):%Y}" for i in shown])
    ax.tick_params(axis="x", length=0)


def money_axis(ax: Axes, currency: str) -> None:
    """Few ticks of money on the vertical axis."""
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(wording.money(value, wording.compact(currency))) if value else "0"))


def _short(figure: str) -> str:
    """A figure without zeros after the point.

    >>> _short("$2.50M"), _short("$20.0M"), _short("$200k")
    ('$2.5M', '$20M', '$200k')
    """
    return re.sub(r"(\.\d*?)0+(?=\D*$)", r"\1", figure).replace(".M", "M").replace(".k", "k").replace(".bn", "bn")


def arr_bridge(moves: pd.DataFrame, *, currency: str = "", ax: Axes | None = None) -> Axes:
    """From the ARR of twelve months ago to today's: what left, shrank, grew and was new, each with its figure.

    Parameters
    ----------
    moves : move, accounts, arr, in the order drawn; the first and the last are levels, the others changes
    """
    with style():
        ax = ax or axes()
        if moves.empty:
            return _nothing(ax, "No account had ARR twelve months ago")
        arr = moves["arr"].to_numpy(dtype=float)
        ends = np.concatenate([[arr[0]], arr[0] + np.cumsum(arr[1:-1]), [arr[-1]]])
        starts = np.concatenate([[0.0], ends[:-2], [0.0]])
        level = np.zeros(len(arr), dtype=bool)
        level[[0, -1]] = True
        tint = np.where(level, ACCENT, np.where(arr < 0, TONES["tone0"][0], TONES["tone4"][0]))
        ax.bar(np.arange(len(arr)), ends - starts, bottom=starts, color=list(tint), width=0.68)
        for i, (value, low, high) in enumerate(zip(arr, starts, ends, strict=True)):
            said = wording.money(value, wording.compact(currency)) if level[i] else wording.money_change(value, wording.compact(currency))
            ax.annotate(said, (i, max(low, high)), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=9.5)
        ax.set_xticks(np.arange(len(arr)), ["a year ago", *moves["move"].iloc[1:]])
        ax.set_title(f"ARR {'grew' if arr[-1] > arr[0] else 'fell' if arr[-1] < arr[0] else 'stood still'} over twelve months")
        ax.tick_params(axis="x", length=0)
        money_axis(ax, currency)
        ax.set_ylim(0, 1.14 * max(ends.max(), 1.0))
        ax.set_ylabel(f"ARR ({currency})")
        return ax


def forecast_track(forecast: pd.DataFrame, *, currency: str = "", ax: Axes | None = None) -> Axes:
    """What was expected to stay, with its interval, and what did, as shares of the ARR up for renewal each month.

    Parameters
    ----------
    forecast : period, renewing_arr, expected, low, high, actual
    """
    with style():
        ax = ax or axes()
        if forecast.empty:
            return _nothing(ax, "No month with a forecast has finished yet")
        place, base = np.arange(len(forecast)), forecast["renewing_arr"].to_numpy(dtype=float)
        low, mid, high, actual = (100 * forecast[name].to_numpy(dtype=float) / base for name in ("low", "expected", "high", "actual"))
        ax.vlines(place, low, high, color=ACCENT, linewidth=2)
        ax.plot(place, mid, "_", color=ACCENT, markersize=12, markeredgewidth=2)
        ax.plot(place, actual, "o", color=INK_COLOUR, markersize=5.5)
        inside = int(((actual >= low) & (actual <= high)).sum())
        ax.set_title(f"{inside} of {wording.counted(len(forecast), 'month')} inside the forecast's interval")
        ax.set_ylabel("Share of renewing ARR that stayed (%)")
        ax.set_ylim(max(0.0, min(low.min(), actual.min()) - 6), 102)
        shown = [i for i in range(len(forecast)) if (len(forecast) - 1 - i) % 3 == 0]
        days = pd.to_datetime(forecast["period"] + "-01")
        ax.set_xticks(shown, [f"{days.iloc[i]:%b}\n{days.iloc[i]:%Y}" for i in shown])
        ax.annotate("● stayed", (1, 0.02), xycoords="axes fraction", ha="right", va="bottom", color=INK_COLOUR, weight="bold", fontsize=9.5)
        ax.annotate(
            "— expected, 95% interval",
            (0, 0.02),
            xycoords="axes fraction",
            ha="left",
            va="bottom",
            color=ACCENT,
            weight="bold",
            fontsize=9.5,
        )
        return ax
