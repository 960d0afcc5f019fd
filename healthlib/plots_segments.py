"""The figure on segments' own weights: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib import wording
from healthlib.plots_audit import ACCENT, BAD, GOOD, blank, canvas, dots, short, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.segments import SegmentFacts

MOST = 12
"""Segments drawn; the rest are in the table."""


def gains(facts: SegmentFacts) -> Axes:
    """What each tested segment's own weights gain over the pooled ones, with corrected intervals; the largest segments first."""
    table = facts.table[facts.table["verdict"] != "too_few"].sort_values("lost", ascending=False, kind="stable").head(MOST)
    if table.empty:
        return blank("Nothing to draw: no segment has enough lost cases to be tested by itself.")
    table = table.drop(columns=["low", "high"]).rename(columns={"gain": "value", "corrected_low": "low", "corrected_high": "high"})
    colours = [
        GOOD if verdict == "own" else BAD if high < 0 else ACCENT for verdict, high in zip(table["verdict"], table["high"], strict=True)
    ]
    labels = [f"{short(name, 20)} · {wording.count(lost)} lost" for name, lost in zip(table["segment"], table["lost"], strict=True)]
    ax = canvas(1.5 + 0.34 * len(table))[0, 0]
    dots(ax, table, labels, colours=colours, reference=0.0)
    ax.set_xlabel(wording.tested(facts.split, "AUC out of time, own − pooled weights; interval corrected for all segments"))
    own = int((facts.table["verdict"] == "own").sum())
    deserve = "deserves its own weights" if own == 1 else "deserve their own weights"
    tried = wording.counted(facts.tests, "segment")
    titled(ax, f"{own} of {tried} {deserve}" if own else f"No segment of {wording.count(facts.tests)} does better with weights of its own")
    return ax
