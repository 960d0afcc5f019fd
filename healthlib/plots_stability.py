"""The figures on bands over time: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.ticker import MaxNLocator

from healthlib import palette, wording
from healthlib.claims_stability import ALL, HALF, STAYED
from healthlib.claims_stability import steady as steady_said
from healthlib.plots_audit import ACCENT, BAD, GREY, LINE, MUTED, blank, canvas, percent, short, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.stability import StabilityFacts

STATES = {
    "below": (palette.TONES["tone2"][0], "--", "below {best}"),
    "red": (BAD, "-", "{worst}"),
    "lasting": (BAD, ":", "{worst} ever since"),
    STAYED: (GREY, "-.", "{worst}, still here"),
}


def steady(stability: StabilityFacts) -> Axes:
    """Churn rate of each band over time with intervals, a panel a band, and the rate of all."""
    table = stability.quarters
    bands = [band for band in stability.bands if (table["band"] == band).any()] if len(table) else []
    if not bands:
        return blank(steady_said(stability))
    grid = canvas(1.0 + 1.25 * len(bands), len(bands), 1, sharex=True, sharey=True)
    tones, tint = palette.tones(stability.bands), palette.colours(stability.band_colours)
    base = _middles(table[table["band"] == ALL])
    for ax, band in zip(grid[:, 0], bands, strict=True):
        part, colour = _middles(table[table["band"] == band]), tint[band]
        ax.plot(base["when"], base["rate"], color=MUTED, lw=1.2, ls=(0, (4, 3)))
        ax.vlines(part["when"], part["low"], part["high"], color=colour, lw=2.2)
        ax.plot(part["when"], part["rate"], color=colour, marker="o", ms=6, lw=1)
        ax.set_title(f"{palette.GLYPHS[tones[band]]} {short(band, 24)}", fontsize=11, loc="left", fontweight="normal")
        ax.grid(axis="y", color=LINE, lw=0.6)
        percent(ax.yaxis)
        ax.yaxis.set_major_locator(MaxNLocator(3))
    grid[0, 0].set_ylim(bottom=0)
    axis = grid[-1, 0]
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.1f}".removesuffix(".0"))
    axis.set_xlabel("year of the cut-off; churn rate, 95% interval; dashed: all cases")
    titled(grid[0, 0], _steady_title(stability))
    return grid[0, 0]


def _middles(part: pd.DataFrame) -> pd.DataFrame:
    """The points with their middle as a year."""
    middle = part["first"] + (part["last"] - part["first"]) / 2
    return part.assign(when=middle.dt.year + (middle.dt.dayofyear - 1) / 365.25)


def _steady_title(stability: StabilityFacts) -> str:
    table = stability.steady[stability.steady["band"].isin(stability.bands)]
    moved = table.loc[table["answer"] == "moved", "band"].tolist()
    if moved:
        return f"The churn rate of {wording.listed(moved)} has changed over time"
    held = table.loc[table["answer"] == "held", "band"].tolist()
    if len(held) == len(table):
        return "Every band kept its churn rate"
    return "No band’s churn rate has surely changed" + (f"; {wording.listed(held)} kept its own" if len(held) == 1 else "")


def spells(stability: StabilityFacts) -> Axes:
    """Share of the accounts that left, and of their ARR, that had been in the lowest band by so many days before the end."""
    table = stability.curve[stability.curve["state"] != STAYED]
    if table.empty:
        return blank("How long red lasted cannot be drawn: no account that left has month-ends before its end.")
    worst, best = stability.bands[0], stability.bands[-1]
    named = {"worst": short(worst, 14), "best": short(best, 14)}
    grid = canvas(5.6, 2, 1, sharex=True, sharey=True)
    for ax, prefix, title in zip(grid[:, 0], ("", "arr_"), ("accounts that left", "their ARR"), strict=True):
        for state, (colour, style, label) in STATES.items():
            part = stability.curve[stability.curve["state"] == state]
            if part.empty or (state == "below" and len(stability.bands) < 3):
                continue
            low, high = ("low", "high") if not prefix else ("arr_low", "arr_high")
            ax.plot(
                part["days"],
                part[f"{prefix}share"],
                color=colour,
                lw=2.2,
                ls=style,
                label=label.format(**named),
            )
            ax.fill_between(part["days"], part[low], part[high], color=colour, alpha=0.1, lw=0)
        ax.set_title(title, fontsize=11, loc="left", fontweight="normal")
        ax.set_ylim(0, 1.02)
        percent(ax.yaxis)
        ax.grid(axis="y", color=LINE, lw=0.6)
    grid[0, 0].invert_xaxis()
    grid[-1, 0].set_xlabel("days before the end; had been so at a month’s end of that year")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    grid[-1, 0].legend(handles, labels, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2)
    titled(grid[0, 0], _spells_title(stability, worst))
    return grid[0, 0]


def _spells_title(stability: StabilityFacts, worst: str) -> str:
    """Those that left against those still here, 90 days before."""
    at = stability.curve[stability.curve["days"] == 90].set_index("state")["share"]
    said = f"{wording.share(at['red'])} of those that left had been {worst} by 90 days before"
    return f"{said}; of those still here {wording.share(at[STAYED])} by then" if STAYED in at else said


def margins(stability: StabilityFacts) -> Axes:
    """Changes of band, accounts caught, and days of delay, by margin."""
    table = stability.margins
    if table.empty or not table["changed"].iloc[0] > 0:
        return blank("What a margin at the thresholds would spare cannot be drawn: no band has changed.")
    some = table["ended"].iloc[0] > 0
    grid = canvas(4.6 if some else 2.6, 2 if some else 1, 1, sharex=True)
    top = grid[0, 0]
    _line(top, table, ("changed", ACCENT, "-", "band changed, of account-months"))
    if some:
        _line(top, table, ("caught", BAD, "--", f"{short(stability.bands[0], 14)} 30 days ahead, of those that left"))
        under = grid[1, 0]
        under.fill_between(table["margin"], table["delay_low"], table["delay_high"], color=MUTED, alpha=0.15, lw=0)
        under.plot(table["margin"], table["delay"], color=MUTED, marker="o", ms=5, lw=2)
        under.set_title(f"days that {short(stability.bands[0], 14)} comes later, on average", fontsize=11, loc="left", fontweight="normal")
        under.set_ylim(bottom=0)
        under.grid(axis="y", color=LINE, lw=0.6)
    top.set_ylim(0, 1.8 * float(table[["changed", "changed_high", "caught", "caught_high"]].max().max()))
    percent(top.yaxis)
    top.grid(axis="y", color=LINE, lw=0.6)
    top.legend(frameon=False, loc="upper right")
    grid[-1, 0].set_xlabel("margin in points of the score")
    halved = table[table["changed"] <= HALF * table["changed"].iloc[0]]
    none = "No margin halves the changes of band"
    titled(top, f"A margin of {wording.counted(halved['margin'].iloc[0], 'point')} halves the changes of band" if len(halved) else none)
    return top


def _line(ax: Axes, table: pd.DataFrame, how: tuple[str, str, str, str]) -> None:
    column, colour, style, label = how
    ax.fill_between(table["margin"], table[f"{column}_low"], table[f"{column}_high"], color=colour, alpha=0.13, lw=0)
    ax.plot(table["margin"], table[column], color=colour, ls=style, marker="o", ms=5, lw=2, label=label)
