"""The figure on weights over time: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from healthlib import wording
from healthlib.plots_audit import ACCENT, BAD, LINE, MUTED, blank, canvas, short, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.steady import SteadyFacts


def weights(facts: SteadyFacts, *, most: int = 6) -> Axes:
    """The largest weights by half-year, each fitted alone, with intervals, against the weight of all years (dashed)."""
    periods = list(facts.periods.loc[facts.periods["fitted"], "period"]) if len(facts.periods) else []
    if len(periods) < 2 or facts.changes.empty:
        return blank(facts.why or "Too few half-years have enough lost and kept cases to fit weights of their own.")
    shown = facts.changes.sort_values(["flagged", "pooled"], ascending=False, kind="stable").head(most)
    rows = (len(shown) + 1) // 2
    grid = canvas(0.9 + 1.7 * rows, rows, 2 if len(shown) > 1 else 1, sharey=True)
    place = np.arange(len(periods))
    for ax, (_, row) in zip(grid.flat, shown.iterrows(), strict=False):
        part = facts.weights[facts.weights["metric"] == row["metric"]].set_index("period").reindex(periods)
        colour = BAD if row["flagged"] else ACCENT
        ax.axhline(row["pooled"], color=MUTED, lw=1.2, ls=(0, (4, 3)))
        ax.vlines(place, part["low"], part["high"], color=colour, lw=1.8)
        ax.scatter(place, part["weight"], color=colour, s=28, zorder=3)
        ax.set_title(short(row["label"], 24), fontsize=11, loc="left", fontweight="normal")
        ends = [0, len(periods) - 1]
        ax.set_xticks(ends, [periods[i] for i in ends])
        ax.set_xlim(-0.6, len(periods) - 0.4)
        ax.grid(axis="y", color=LINE, lw=0.6)
        ax.set_ylim(0, 100)
    for ax in list(grid.flat)[len(shown) :]:
        ax.axis("off")
    grid[0, 0].set_ylabel("points of 100")
    changed = int(facts.changes["flagged"].sum())
    found = f"{wording.counted(changed, 'weight')} changed" if changed else "No weight surely changed"
    titled(grid[0, 0], f"{found}; ● each half-year alone with 95% interval, dashed: all years")
    return grid[0, 0]
