"""The figure on what more lost cases would settle: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from healthlib import wording
from healthlib.plots_audit import ACCENT, GOOD, LINE, MUTED, blank, canvas, titled
from healthlib.studies.outlook import WORTH
from healthlib.studies.verdict import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from healthlib.studies.evidence import EvidenceFacts

FARTHEST = 12.0
"""Times today's lost cases that the axis may reach."""


def settle(facts: EvidenceFacts) -> Axes:
    """The gain over the weights in use, how its interval narrows, and from how many lost cases on it is likely to be settled."""
    found = facts.settle[facts.settle["name"] == "fitted_minus_current"].to_dict("records")
    row = {key: float(value) for key, value in found[0].items() if key != "name"} if found else {}
    if not row or not row["high"] > row["low"]:
        return blank("Nothing to draw: no difference between scorecards could be measured out of time.")
    needed = [row["lost"] + row[key] for key in ("even", "likely") if 0 < row[key] < np.inf]
    end = min(max(1.2 * max(needed, default=0.0), 2.5 * row["lost"]), FARTHEST * row["lost"])
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
    ax.axhline(WORTH, color=MUTED, lw=1.0, ls=(0, (1, 2)))
    ax.vlines(row["lost"], row["low"], row["high"], color=ACCENT, lw=2.4)
    ax.scatter([row["lost"]], [row["gain"]], color=ACCENT, s=52, zorder=3)
    ax.annotate(f"today: {wording.count(row['lost'])}", (row["lost"], row["high"]), xytext=(6, 0), textcoords="offset points", color=ACCENT)
    if needed:
        ax.axvspan(needed[0], needed[-1] if len(needed) > 1 else end, color=GOOD, alpha=0.12, lw=0)
        ax.annotate(
            "settled: even chance to 4 of 5" if len(needed) > 1 else "settled: even chance from here on", (needed[0], row["low"]),
            xytext=(4, 4), textcoords="offset points",
        )  # fmt: skip
    ax.grid(axis="y", color=LINE, lw=0.6)
    ax.set_xlabel("lost cases tested; dotted: a gain worth a change")
    ax.set_ylabel("gain in AUC, 95% interval")
    titled(ax, _title(row))
    return ax


def _title(row: Mapping[Any, float]) -> str:
    if row["even"] == 0:
        if row["low"] > 0:
            return "Settled: fitted weights beat the current ones"
        return f"Settled: fitted weights gain less than {WORTH} AUC over the current ones"
    if not np.isfinite(row["even"]):
        return "How many more lost cases would settle fitted against current weights cannot be told"
    first = wording.count(rounded(row["even"]))
    if not np.isfinite(row["likely"]):
        return f"{first} more lost cases give an even chance of settling fitted against current weights"
    return f"{first} to {wording.count(rounded(row['likely']))} more lost cases would likely settle fitted against current weights"
