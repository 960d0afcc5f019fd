"""The figure on what more lost cases would settle: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from healthlib import wording
from healthlib.plots_audit import ACCENT, BAD, GOOD, LINE, MUTED, blank, canvas, titled
from healthlib.studies.verdict import rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.evidence import EvidenceFacts

FARTHEST = 12.0
"""Times today's lost cases that the axis may reach."""


def settle(facts: EvidenceFacts) -> Axes:
    """The gain over the weights in use with the interval that more lost cases would leave, were it to stay where it is."""
    found = facts.settle[facts.settle["name"] == "fitted_minus_current"].to_dict("records")
    row = {key: float(value) for key, value in found[0].items() if key != "name"} if found else {}
    if not row or not row["high"] > row["low"]:
        return blank("Nothing to draw: no difference between scorecards could be measured out of time.")
    needed = row["lost"] + row["more"] if np.isfinite(row["more"]) else np.inf
    end = min(max(1.3 * needed, 2.5 * row["lost"]), FARTHEST * row["lost"]) if np.isfinite(needed) else 4 * row["lost"]
    lost = np.linspace(0.4 * row["lost"], end, 120)
    shrunk = np.sqrt(row["lost"] / lost)
    ax = canvas(3.3)[0, 0]
    ax.fill_between(
        lost,
        row["gain"] - (row["gain"] - row["low"]) * shrunk,
        row["gain"] + (row["high"] - row["gain"]) * shrunk,
        color=ACCENT,
        alpha=0.16,
        lw=0,
    )
    ax.plot(lost, np.full(len(lost), row["gain"]), color=ACCENT, lw=1.4)
    ax.axhline(0, color=MUTED, lw=1.2, ls=(0, (4, 3)))
    ax.vlines(row["lost"], row["low"], row["high"], color=ACCENT, lw=2.4)
    ax.scatter([row["lost"]], [row["gain"]], color=ACCENT, s=52, zorder=3)
    ax.annotate(f"today: {wording.count(row['lost'])}", (row["lost"], row["high"]), xytext=(6, 0), textcoords="offset points", color=ACCENT)
    if row["more"] > 0 and needed <= end:
        ax.axvline(needed, color=GOOD if row["gain"] > 0 else BAD, lw=1.4, ls=(0, (4, 3)))
        ax.annotate(
            f"settled: {wording.count(rounded(needed))}", (needed, row["high"]), xytext=(-6, 0), textcoords="offset points", ha="right"
        )
    ax.grid(axis="y", color=LINE, lw=0.6)
    ax.set_xlabel("lost cases tested, were the difference to stay as it is")
    ax.set_ylabel("gain in AUC, 95% interval")
    titled(ax, _title(row["more"], row["gain"]))
    return ax


def _title(more: float, gain: float) -> str:
    if more == 0:
        return f"Settled: fitted weights {'beat' if gain > 0 else 'do worse than'} the current ones"
    if not np.isfinite(more):
        return "Fitted and current weights are equally good: more lost cases will not part them"
    return f"About {wording.counted(rounded(more), 'more lost case')} would settle fitted against current weights"
