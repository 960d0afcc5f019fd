"""The figures on the scorecard itself: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import wording
from healthlib.drift import SHIFTED, SLIGHT
from healthlib.palette import TONES, words
from healthlib.palette import colours as band_colours
from healthlib.plots_audit import ACCENT, BAD, GREY, LINE, MUTED, blank, canvas, dots, short, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.suggest import Suggestion

VERDICT = {"stable": ACCENT, "moved": TONES["tone2"][0], "shifted": BAD}


def spread(found: Suggestion) -> Axes:
    """How many accounts have which score, now (upper) and with the proposed scales (lower), with the cuts between bands."""
    grid = canvas(4.4, 2, 1, sharex=True)
    tint = band_colours(found.bands)
    for ax, side, cuts, when in (
        (grid[0, 0], "accounts_now", "from_now", "now"),
        (grid[1, 0], "accounts_proposed", "from_proposed", "proposed scales and cuts"),
    ):
        starts = found.cuts[cuts].to_numpy(dtype=float)
        middle = found.spread["score_from"].to_numpy(dtype=float) + 2.5
        band = np.maximum(np.searchsorted(starts, middle, side="right") - 1, 0)
        ax.bar(middle, found.spread[side], width=4.6, color=[tint[found.bands[i]] for i in band])
        top = float(found.spread[side].max()) or 1.0
        for start, end, name in zip(starts, [*starts[1:], 100.0], found.bands, strict=True):
            ax.text(
                (start + end) / 2,
                1.14 * top,
                short(name, 12),
                va="top",
                ha="center",
                fontsize=9.5,
                color=words(tint[name]),
                fontweight="bold",
            )
            if start > 0:
                ax.axvline(start, color=MUTED, lw=1.2, ls=(0, (4, 3)))
                ax.text(start - 0.6, 0.99 * top, f"{start:.0f}", va="top", ha="right", fontsize=9.5, color=MUTED)
        ax.set_ylim(0, 1.16 * top)
        ax.set_ylabel(f"accounts, {when}" if when == "now" else "proposed")
        ax.grid(axis="y", color=LINE, lw=0.6)
    grid[1, 0].set_xlim(0, 100)
    grid[1, 0].set_xlabel("score today, in steps of five points")
    last = found.cuts.iloc[0]
    titled(grid[0, 0], f"{wording.share(last['share_now'])} {last['band']} now, {wording.share(last['share_proposed'])} as proposed")
    return grid[0, 0]


def stability(shifts: pd.DataFrame) -> Axes:
    """Stability index of the score and of each metric with its interval, and the two conventions as rules."""
    table = shifts.dropna(subset=["psi"])
    table = pd.concat([table.head(1), table.iloc[1:].sort_values("psi", ascending=False, kind="stable")])
    if table.empty:
        return blank("No earlier snapshots to compare today's book with.")
    ax = canvas(1.6 + 0.34 * len(table))[0, 0]
    names = [short(label, 25) for label in table["label"]]
    dots(ax, table.rename(columns={"psi": "value"}), names, colours=[VERDICT.get(said, GREY) for said in table["verdict"]])
    for edge in (SLIGHT, SHIFTED):
        ax.axvline(edge, color=MUTED, lw=1.2, ls=(0, (4, 3)))
    ax.set_xlim(left=-0.01)
    ax.set_xlabel("stability index, 95% interval; dashed: 0.1 and 0.25, conventions")
    moved = int(table["verdict"].isin(["moved", "shifted"]).sum())
    titled(ax, f"{moved} of {len(table)} surely moved" if moved else "Nothing surely moved")
    return ax
