"""The figure of what went before the end: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from healthlib.claims_ending import ago, fair, undatable
from healthlib.plots_audit import BAD, GOOD, INK, LINE, MUTED, blank, canvas, titled, wrapped
from healthlib.studies.ending import FELL, LOWER

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from healthlib.studies.ending import EndingFacts


def before(ending: EndingFacts, *, most: int = 6) -> Axes:
    """Small multiples: points of accounts that left and of their matches, month by month, for the metrics with the widest gap.

    The area around the accounts that left is where they would have to be to be told apart no longer: the matches' mean less the band of the
    gap. Where it does not touch the line of the matches the gap is sure.
    """
    chosen = fair(ending).head(most)
    if chosen.empty:
        return blank("No picture of what went before: it takes accounts that left and comparable ones that stayed.")
    rows = (len(chosen) + 1) // 2
    grid = canvas(1.0 + 1.75 * rows, rows, 2 if len(chosen) > 1 else 1, sharex=True, sharey=True)
    for place, (ax, (_, row)) in enumerate(zip(grid.flat, chosen.iterrows(), strict=False)):
        part = ending.study[ending.study["metric"] == row["metric"]]
        _panel(ax, part, row["verdict"], row["fell"])
        if place == 0:
            _named(ax, part, ending)
    if len(chosen) % 2 and rows > 1:
        grid[-1, 1].axis("off")
        grid[-2, 1].tick_params(labelbottom=True)
    grid[0, 0].set_ylim(0, 100)
    grid[0, 0].set_xlim(-12.4, 0.4)
    grid[0, 0].set_xticks([-12, -9, -6, -3, 0])
    for ax in grid[-1]:
        ax.set_xlabel("months before the end")
    grid[rows // 2, 0].set_ylabel("points, 0 to 100")
    titled(grid[0, 0], _title(chosen, undatable(ending)))
    return grid[0, 0]


def _panel(ax: Axes, part: pd.DataFrame, verdict: str, fell: float) -> None:
    """One metric: both lines, the band, and when it fell away."""
    x = -part["months"].to_numpy(float)
    ax.fill_between(x, part["kept_mean"] - part["high"], part["kept_mean"] - part["low"], color=BAD, alpha=0.16, lw=0)
    ax.plot(x, part["kept_mean"], color=GOOD, ls="--", marker="s", ms=3.5, lw=1.8)
    ax.plot(x, part["lost_mean"], color=BAD, marker="o", ms=3.5, lw=1.8)
    if verdict == FELL:
        ax.axvline(-fell, color=INK, lw=1, ls=":")
    words = f"fell away by month −{fell:.0f}" if fell > 0 else "fell away in the last month" if verdict == FELL else verdict
    ax.set_title(f"{wrapped(part['label'].iloc[0], 27)}\n", fontsize=10.5, loc="left", color=INK, fontweight="normal")
    ax.text(0, 1.03, words, transform=ax.transAxes, fontsize=9.5, color=BAD if verdict in (FELL, LOWER) else MUTED)
    ax.grid(axis="y", color=LINE, lw=0.6)
    ax.set_axisbelow(True)


def _named(ax: Axes, part: pd.DataFrame, ending: EndingFacts) -> None:
    """The two lines by name, in the panel with room: at the left, above and below."""
    middle = part.iloc[min(2, len(part) - 1)]
    kept = "matched, " + ("renewed" if ending.kind == "renewal" else "stayed")
    top = float(np.nanmax(part["kept_mean"].head(6)))
    bottom = float(np.nanmin((part["kept_mean"] - part["high"]).fillna(part["lost_mean"]).head(6)))
    ax.annotate(kept, (-middle["months"], top), color=GOOD, fontsize=9.5, xytext=(0, 5), textcoords="offset points", ha="left", va="bottom")
    ax.annotate(
        "left", (-middle["months"], bottom), color=BAD, fontsize=9.5, xytext=(0, -4), textcoords="offset points", ha="left", va="top"
    )


def _title(chosen: pd.DataFrame, undated: bool) -> str:
    fell = chosen[chosen["verdict"] == FELL].sort_values(["fell", "gap"], ascending=False, kind="stable")
    if fell.empty:
        return "Since when metrics fell cannot be told" if undated else "No metric surely fell away before the end"
    return f"{fell.iloc[0]['label']} fell away first, {ago(fell.iloc[0]['fell'])}"
