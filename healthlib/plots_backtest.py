"""The figures of the backtest report: facts in, axes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import palette, wording
from healthlib.claims import largest
from healthlib.claims_backtest import empty, scored, whole, worst_of_each
from healthlib.plots_audit import ACCENT, GOOD, GREY, LINE, MUTED, PAPER, bands_drawn, blank, canvas, dots, percent, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.backtest_bands import BacktestFacts


def bands(backtest: BacktestFacts) -> Axes:
    """Churn rate per band over the walk-forward, with intervals and the base rate."""
    table, base = scored(backtest), whole(backtest)
    if table.empty or base is None:
        return blank(empty(backtest))
    renamed = table.rename(columns={"band": "group", "accounts": "cases", "churn_rate": "rate", "churn_low": "low", "churn_high": "high"})
    return bands_drawn(renamed.astype({"cases": int}), _colours(backtest, table["band"]), float(base["churn_rate"]), "churn rate")


def _colours(backtest: BacktestFacts, bands: pd.Series) -> dict[str, str]:
    """The bands of a table with their own colours, "" where a band has none."""
    return {band: backtest.band_colours.get(band, "") for band in bands}


def caught(backtest: BacktestFacts) -> Axes:
    """Share of all cases, of those that left, and of their ARR, by band: three stacked bars."""
    table = scored(backtest)
    if table.empty or not table["churned"].sum():
        return blank("What the bands caught cannot be drawn: nobody left in the cases replayed.")
    ax = canvas(2.9)[0, 0]
    rows = ["share_of_churned_arr", "share_of_churned_accounts", "share_of_accounts"]
    _stacked(ax, table.set_index("band")[rows], ["churned ARR", "accounts that left", "all cases"], backtest.band_colours)
    worst = table.iloc[0]
    titled(
        ax,
        f"{wording.upper_first(str(worst['band']))} held {wording.share(worst['share_of_accounts'])} of cases and "
        f"{wording.share(worst['share_of_churned_accounts'])} of those that left",
    )
    return ax


def lead_time(backtest: BacktestFacts) -> Axes:
    """Bands of the accounts that left, 180 to 30 days before their end: stacked bars with labels."""
    table = backtest.lead_time
    if table.empty:
        return blank("How early the score falls cannot be drawn: no account that left was scored before its end.")
    wide = table.pivot(index="band", columns="lead_days", values="share_of_churned_accounts").reindex(list(dict.fromkeys(table["band"])))
    leads = sorted(wide.columns)
    ax = canvas(1.6 + 0.45 * len(leads))[0, 0]
    _stacked(ax, wide[leads], [f"{lead} days" for lead in leads], backtest.band_colours)
    worst = wide.index[0]
    name = wording.upper_first(str(worst))
    titled(
        ax,
        f"{name} {leads[-1]} days before the end: {wording.share(wide.loc[worst, leads[-1]])} of those that left, "
        f"{leads[0]} days before: {wording.share(wide.loc[worst, leads[0]])}",
    )
    return ax


def _stacked(ax: Axes, wide: pd.DataFrame, labels: Sequence[str], own: Mapping[str, str]) -> None:
    """One horizontal bar a column, a segment a band (rows, worst first), shares written inside where there is room."""
    tones, tint = palette.tones(list(wide.index)), palette.colours({str(band): own.get(str(band), "") for band in wide.index})
    hatches = {palette.UNSCORED: "//"}
    left = np.zeros(wide.shape[1])
    for band, row in wide.iterrows():
        values = row.fillna(0).to_numpy(float)
        colour = tint[str(band)]
        ink = PAPER if band in hatches else palette.inside(colour)  # a hatched bar does not turn at night
        ax.barh(
            range(len(values)),
            values,
            left=left,
            color=colour,
            height=0.7,
            edgecolor=PAPER,
            lw=1,
            hatch=hatches.get(str(band)),
            label=f"{palette.GLYPHS[tones[str(band)]]} {band}",
        )
        for place, (value, start) in enumerate(zip(values, left, strict=True)):
            if value >= 0.07:
                ax.text(start + value / 2, place, f"{value:.0%}", ha="center", va="center", color=ink, fontweight="bold")
        left = left + values
    ax.set_yticks(range(len(labels)), list(labels))
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, 1)
    percent(ax.xaxis)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(axis="x", length=0)
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, handlelength=1, columnspacing=1.2)


def calibration(backtest: BacktestFacts) -> Axes:
    """Promised probability against what happened, with the line on which promises are kept."""
    table = backtest.calibration.dropna(subset=["rate"]) if len(backtest.calibration) else backtest.calibration
    if table.empty:
        return blank("Promised probabilities cannot be checked: nothing was replayed.")
    ax = canvas(3.9)[0, 0]
    top = min(1.0, float(np.nanmax([table["high"].max(), table["mean_probability"].max()])) * 1.08)
    ax.plot([0, top], [0, top], color=MUTED, lw=1.2, ls=(0, (4, 3)))
    ax.vlines(table["mean_probability"], table["low"], table["high"], color=ACCENT, lw=2.2)
    ax.scatter(table["mean_probability"], table["rate"], color=ACCENT, s=46, zorder=3)
    ax.annotate("promise kept", (top * 0.93, top * 0.93), ha="right", va="bottom", color=MUTED, rotation=0)
    ax.set_xlim(0, top)
    ax.set_ylim(0, top)
    percent(ax.xaxis)
    percent(ax.yaxis)
    ax.set_xlabel("promised probability of leaving")
    ax.set_ylabel("share that left, 95% interval")
    ax.grid(color=LINE, lw=0.6)
    within = int(((table["low"] <= table["mean_probability"]) & (table["mean_probability"] <= table["high"])).sum())
    titled(ax, f"The promise was kept in {within} of {wording.counted(len(table), 'group')}, as far as the intervals can tell")
    return ax


def scorecards(backtest: BacktestFacts) -> Axes:
    """Lift of the lowest band of every scorecard at equal band sizes, with a rule at 1."""
    table = worst_of_each(backtest)
    if table.empty:
        return blank(empty(backtest))
    ax = canvas(1.4 + 0.45 * len(table))[0, 0]
    colours = [GOOD if name == "fitted" else ACCENT if name == "current" else GREY for name in table["scorecard"]]
    frame = pd.DataFrame({"value": table["lift"], "low": table["lift_low"], "high": table["lift_high"]})
    dots(ax, frame, table["scorecard"].tolist(), colours=colours, reference=1.0)
    ax.set_xlim(left=0)
    ax.set_xlabel("churn of the lowest band / base rate, 95% interval")
    best = largest(table, "lift")
    behind = table.loc[table["lift_high"] < best["lift_low"], "scorecard"].tolist()
    said = f"The lowest band of {best['scorecard']} churns more than that of {wording.listed(behind)}"
    titled(ax, said if behind else "The scorecards’ lowest bands cannot be told apart by these intervals")
    return ax
