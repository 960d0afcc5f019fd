"""The figures of the leak audit: one small panel a sign, with the numbers that speak for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.ticker import MaxNLocator

from healthlib.plots_audit import ACCENT, BAD, GOOD, GREY, INK, LINE, MUTED, blank, canvas, dots, percent, short, titled
from healthlib.studies.leaks import KINDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"lost": BAD, "lost, after the decision": BAD, "kept": GOOD, "this metric": BAD, "rows": BAD, "before": BAD, "decided": BAD}


def panels(figures: pd.DataFrame, labels: Mapping[str, str], *, most: int = 8) -> Axes:
    """The evidence of each sign, in the order of the table: shares of lost and kept, or AUC by months before the end.

    Parameters
    ----------
    figures : `leaks.FIGURE_COLUMNS`
    labels : metric -> what it is called
    """
    if figures.empty:
        return blank("No sign of a leak, so there is nothing to draw.")
    groups = list(figures.groupby(["metric", "kind"], sort=False))[:most]
    heights = [1.9 if part["months"].notna().any() else 0.75 + 0.3 * len(part) for _, part in groups]
    grid = canvas(0.5 + sum(heights) + 0.35 * len(groups), len(groups), 1, heights=heights)[:, 0]
    for ax, ((metric, kind), part) in zip(grid, groups, strict=True):
        _by_month(ax, part) if part["months"].notna().any() else _by_side(ax, part)
        name = short(labels.get(str(metric), metric), 30)
        ax.set_title(f"{name}: {KINDS.get(str(kind), kind)}", fontsize=11, loc="left", color=INK, fontweight="normal")
    signs = "sign" if len(groups) == 1 else "signs"
    more = figures.groupby(["metric", "kind"]).ngroups - len(groups)
    titled(grid[0], f"What speaks for {len(groups)} {signs} of a leak" + (f" ({more} more in the table)" if more else ""))
    return grid[0]


def _by_side(ax: Axes, part: pd.DataFrame) -> None:
    """Dots with intervals, a side a row."""
    sides = [f"{short(side, 24)}" + (f" · n={n:,.0f}" if pd.notna(n) else "") for side, n in zip(part["side"], part["n"], strict=True)]
    colours = [COLOURS.get(str(side), GREY) for side in part["side"]]
    is_auc = part["what"].iloc[0].startswith("AUC")
    dots(ax, part, sides, colours=colours, reference=0.5 if is_auc else None)
    ax.set_xlim(0.45 if is_auc else -0.02, 1.02)
    if is_auc:
        ax.xaxis.set_major_locator(MaxNLocator(5))
    else:
        percent(ax.xaxis)
    ax.set_xlabel(f"{part['what'].iloc[0]}, 95% interval", fontsize=10)


def _by_month(ax: Axes, part: pd.DataFrame) -> None:
    """AUC by months before the end."""
    ax.axhline(0.5, color=MUTED, lw=1.2, ls=(0, (4, 3)))
    ax.fill_between(part["months"], part["low"], part["high"], color=ACCENT, alpha=0.15, lw=0)
    ax.plot(part["months"], part["value"], color=ACCENT, marker="o", ms=5, lw=2.2)
    ax.invert_xaxis()
    ax.set_ylim(min(0.4, float(part["low"].min()) - 0.02), 1.02)
    ax.set_ylabel("AUC alone", fontsize=10)
    ax.set_xlabel("months before the end; lost against kept, 95% interval", fontsize=10)
    ax.grid(axis="y", color=LINE, lw=0.6)
