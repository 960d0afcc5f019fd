"""The figure of learned scales: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib import wording
from healthlib.claims_scales import most_changed
from healthlib.plots_audit import ACCENT, GOOD, GREY, LINE, MUTED, blank, canvas, percent, titled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.fit import FitFacts


def scales(fit: FitFacts, *, most: int = 4) -> Axes:
    """The metrics whose scale would change most, a row each: what was kept by bin with intervals, and points in use and learned."""
    found = most_changed(fit.learned.told).head(most)
    if found.empty:
        return blank("No learned scale to draw: every scale in use stands.")
    grid = canvas(
        1.2 + 1.75 * len(found),
        len(found),
        2,
    )
    for (left, right), name, label in zip(grid, found["metric"], found["label"], strict=True):
        part = fit.learned.scales[fit.learned.scales["metric"] == name].sort_values("value")
        left.axhline(1 - fit.base_rate.value, color=MUTED, lw=1.2, ls=(0, (4, 3)))
        left.vlines(part["value"], part["low"], part["high"], color=ACCENT, lw=1.8)
        left.plot(part["value"], part["kept"], color=ACCENT, marker="o", ms=5, lw=0)
        left.set_title(f"{wrapped(label, 24)}: kept", fontsize=11, loc="left", fontweight="normal")
        percent(left.yaxis)
        right.plot(part["value"], part["points_now"], color=GREY, lw=1.8, ls=(0, (4, 3)), marker="D", ms=4)
        right.plot(part["value"], part["points_learned"], color=GOOD, lw=2, marker="o", ms=4)
        right.set_title("points: ◇ in use, ● learned", fontsize=11, loc="left", fontweight="normal")
        right.set_ylim(-4, 104)
        for ax in (left, right):
            ax.grid(axis="y", color=LINE, lw=0.6)
    stay = len(fit.learned.told) - int(fit.learned.told["learned"].sum())
    titled(grid[0, 0], f"{found['label'].iloc[0]} would change most; {wording.counted(stay, 'scale')} of {len(fit.learned.told)} stay")
    return grid[0, 0]
