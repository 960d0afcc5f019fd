"""The figure on growing: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib import wording
from healthlib.plots_audit import ACCENT, GOOD, LINE, MUTED, blank, canvas, percent, titled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.growth import GrowthFacts


def cohorts(growth: GrowthFacts, *, most: int = 4) -> Axes:
    """Share of those who stayed that grew, by tenth of the metrics with the largest growth weight, with intervals and the overall share."""
    if growth.fit is None:
        return blank("No growth to draw.")
    weights = growth.fit.weights.sort_values("fitted", ascending=False, kind="stable")
    held = set(growth.fit.metric_cohorts["metric"])
    shown = weights[weights["metric"].isin(held) & (weights["fitted"] > 0)].head(most)
    if shown.empty:
        return blank("No metric has two different values among the accounts that stayed.")
    grid = canvas(0.9 + 1.8 * ((len(shown) + 1) // 2), (len(shown) + 1) // 2, 2 if len(shown) > 1 else 1, sharey=True)
    for ax, metric, label, low in zip(grid.flat, shown["metric"], shown["label"], shown["low"], strict=False):
        table = growth.fit.metric_cohorts
        part = table[(table["metric"] == metric) & (table["decile"] > 0)]
        tint = GOOD if low > 0 else ACCENT
        ax.axhline(growth.rate.value, color=MUTED, lw=1.2, ls=(0, (4, 3)))
        ax.vlines(part["decile"], 1 - part["high"], 1 - part["low"], color=tint, lw=1.8)
        ax.plot(part["decile"], 1 - part["rate"], color=tint, marker="o", ms=5, lw=1)
        ax.set_title(wrapped(label, 26), fontsize=11, loc="left", fontweight="normal")
        ax.set_xticks([part["decile"].min(), part["decile"].max()], ["low", "high"])
        ax.grid(axis="y", color=LINE, lw=0.6)
    for ax in list(grid.flat)[len(shown) :]:
        ax.axis("off")
    percent(grid[0, 0].yaxis)
    grid[0, 0].set_ylim(bottom=0)
    said = "goes with growing most" if shown["low"].iloc[0] > 0 else "has the largest growth weight, which is not sure"
    titled(grid[0, 0], f"{shown['label'].iloc[0]} {said}; dashed: {wording.share(growth.rate.value)} of all who stayed grew")
    return grid[0, 0]
