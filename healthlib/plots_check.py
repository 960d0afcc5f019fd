"""The figures of the data check: facts in, axes out; few marks, large type, because a phone shrinks them to 360 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.ticker import MaxNLocator

from healthlib import wording
from healthlib.claims_check import volume_title
from healthlib.plots import money_axis
from healthlib.plots_audit import ACCENT, BAD, GOOD, LINE, MUTED, SUSPECT, blank, canvas, short, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.check_facts import CheckFacts

HATCH = {"recorded": "", "lag": "..", "none": "///", "borrowed": "xx", "today": "xx"}
MARKS = {"recorded": "●", "lag": "◐", "none": "○", "borrowed": "○", "today": "○"}
"""Clock of a table -> a shape, for colour alone says nothing."""
MOST_TABLES = 16
MONTHS = 18
LONG = 104
"""Periods above which a panel without a break shows the means of four: its shape, in a quarter of the marks."""


def timeline(check: CheckFacts) -> Axes:
    """One bar a table from its first to its last visible row, with its clock; a rule at the last day of the data."""
    table = check.clocks[check.clocks["first_day"].notna()].sort_values("first_day", ascending=False).reset_index(drop=True)
    if table.empty:
        return blank("No table has a date.")
    ax = canvas(1.3 + 0.3 * len(table))[0, 0]
    starts, ends = (mdates.date2num(table[name]) for name in ("first_day", "last_day"))
    known = table["clock"].isin(["recorded", "lag"])
    bars = ax.barh(
        np.arange(len(table)), np.maximum(ends - starts, 1), left=starts, height=0.55, color=np.where(known, GOOD, ACCENT).tolist()
    )
    for bar, clock in zip(bars, table["clock"], strict=True):
        bar.set_hatch(HATCH[clock])
        bar.set_edgecolor("white")
        bar.set_linewidth(0)
    ax.axvline(mdates.date2num(check.context["as_of"]), color=MUTED, lw=1.2, ls=(0, (4, 3)))
    last = float(mdates.date2num(check.context["as_of"]))
    first = min(float(starts.min()), last - 60)
    ax.set_xlim(first - 0.02 * (last - first), last + 0.02 * (last - first))
    ax.set_yticks(
        np.arange(len(table)), [f"{short(name, 18)} {MARKS[clock]}" for name, clock in zip(table["table"], table["clock"], strict=True)]
    )
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    _years(ax)
    ax.set_xlabel(f"● known by recorded_at, ◐ by a declared lag, ○ no clock; dashed: {wording.day(check.context['as_of'])}")
    titled(
        ax,
        f"{int(known.sum()) or 'None'} of {wording.counted(len(table), 'dated table')} tell when their rows came to be known",
    )
    return ax


def _years(ax: Axes) -> None:
    """Few dates on the axis, never turned."""
    locator = mdates.AutoDateLocator(minticks=3, maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))


def volumes(check: CheckFacts) -> Axes:
    """Rows per active account by week or month, one panel a table, gaps shaded and jumps marked."""
    names = list(dict.fromkeys(check.volumes["table"]))
    if not names:
        return blank("There is no table of events.")
    marked = set(check.breaks["table"])
    names = sorted(names, key=lambda name: (name not in marked, names.index(name)))[:MOST_TABLES]
    columns = 2 if len(names) > 1 else 1
    grid = canvas(0.8 + 1.25 * -(-len(names) // columns), -(-len(names) // columns), columns, sharex=True)
    for ax, name in zip(grid.flat, names, strict=False):
        _volume(ax, check.volumes[check.volumes["table"] == name], check.breaks[check.breaks["table"] == name])
    for ax in list(grid.flat)[len(names) :]:
        ax.axis("off")
    titled(grid[0, 0], f"{volume_title(check)} (rows per active account)")
    return grid[0, 0]


def _volume(ax: Axes, volume: pd.DataFrame, breaks: pd.DataFrame) -> None:
    """One table's panel."""
    shown = volume.loc[volume["whole"].astype(bool), ["period", "per_account"]].reset_index(drop=True)
    if breaks.empty and len(shown) > LONG:
        shown = shown.groupby(shown.index // 4).agg(period=("period", "first"), per_account=("per_account", "mean"))
    if len(shown) < 3:
        ax.axis("off")
        ax.text(0, 0.5, f"{short(str(volume['table'].iloc[0]), 16)}: too short to draw", color=MUTED, transform=ax.transAxes)
        return
    ax.plot(mdates.date2num(shown["period"]), shown["per_account"].astype(float), color=ACCENT, lw=1.1)
    for row in breaks.itertuples():
        place = mdates.date2num(row.starts)
        if row.kind in ("gap", "stopped"):
            ax.axvspan(place, mdates.date2num(row.ends) + 1, color=BAD, alpha=0.25, lw=0)
        ax.plot([place], [0], marker={"up": "^", "spike": "^"}.get(row.kind, "v"), color=BAD, ms=7, clip_on=False, zorder=4)
    unit, odd = volume["unit"].iloc[0], f", {wording.counted(len(breaks), 'break')}" if len(breaks) else ""
    ax.set_title(f"{short(str(volume['table'].iloc[0]), 16)} a {unit}{odd}", fontsize=10, loc="left", fontweight="normal")
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(2))
    ax.grid(axis="y", color=LINE, lw=0.6)
    locator = mdates.AutoDateLocator(minticks=2, maxticks=6)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, show_offset=False))


def coverage(check: CheckFacts) -> Axes:
    """Metrics by month: the darker, the more of the active accounts were measured; today's share beside each."""
    table = check.coverage
    if table.empty or not check.dated:
        return blank("No months to show.")
    table = table.assign(share=table["share"].astype(float))
    wide = table.pivot(index="metric", columns="as_of", values="share").reindex(list(dict.fromkeys(table["metric"])))
    labels = table.drop_duplicates("metric").set_index("metric")["label"]
    values = wide.to_numpy(float)
    ink = np.array(to_rgba(ACCENT))
    cells = np.broadcast_to(ink, (*values.shape, 4)).copy()
    cells[..., 3] = np.where(np.isnan(values), 0.0, values)
    ax = canvas(1.2 + 0.27 * len(wide))[0, 0]
    days = mdates.date2num(wide.columns)
    ax.imshow(cells, aspect="auto", interpolation="none", extent=(days[0] - 31, days[-1], len(wide) - 0.5, -0.5))
    ax.set_yticks(np.arange(len(wide)), [short(str(label), 24) for label in labels])
    ax.tick_params(axis="y", length=0)
    right = ax.secondary_yaxis("right")
    right.set_yticks(np.arange(len(wide)), [wording.share(value) for value in values[:, -1]])
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_yticks(np.arange(len(wide) + 1) - 0.5, minor=True)
    ax.grid(axis="y", which="minor", color=LINE, lw=0.6)
    ax.tick_params(axis="y", which="minor", length=0)
    _years(ax)
    full = int((values[:, -1] >= 0.9).sum())
    titled(ax, f"{full} of {wording.counted(len(wide), 'metric')} measured for 90% or more today; full colour: all active accounts")
    return ax


def bridge(check: CheckFacts) -> Axes:
    """What came and what went each month, over the last 18 months, and the net."""
    table = check.bridge.tail(MONTHS)
    if table.empty:
        return blank("No paid term had begun.")
    ax, place = canvas(3.2)[0, 0], np.arange(len(table))
    come = table["new"] + table["returned"]
    parts = (("new, returned", come, GOOD, 1), ("expansion", table["expansion"], ACCENT, 1))
    parts += (("contraction", table["contraction"], SUSPECT, -1), ("churn", table["churn"], BAD, -1))
    foot = {1: np.zeros(len(table)), -1: np.zeros(len(table))}
    for name, column, colour, side in parts:
        height = column.to_numpy(float)
        if np.abs(height).sum() > 0:
            ax.bar(place, height, bottom=foot[side], color=colour, width=0.8, label=name)
        foot[side] = foot[side] + height
    ax.axhline(0, color=MUTED, lw=1)
    net = (table["end"] - table["begin"]).to_numpy(float)
    ax.plot(place, net, "D", color="white", markeredgecolor=MUTED, ms=5, label="net")
    shown = [i for i in place if (len(table) - 1 - i) % 6 == 0]
    ax.set_xticks(shown, [f"{table['month'].iloc[i]:%b}\n{table['month'].iloc[i]:%Y}" for i in shown])
    money_axis(ax, check.context["currency"])
    ax.grid(axis="y", color=LINE, lw=0.6)
    ax.set_axisbelow(True)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, frameon=False, fontsize=10)
    begin, end = float(table["begin"].iloc[0]), float(table["end"].iloc[-1])
    moved = " to ".join(wording.money(value, wording.compact(check.context["currency"])) for value in (begin, end))
    titled(ax, f"ARR from {moved} in {wording.counted(len(table), 'month')}")
    return ax
