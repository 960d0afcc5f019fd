"""The figures on our own work: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from healthlib import wording
from healthlib.plots_audit import ACCENT, BAD, GOOD, GREY, INK, LINE, MUTED, blank, canvas, dots, percent, short, titled
from healthlib.studies.experiments import CONTRACTS
from healthlib.studies.treatment import EXPERIMENT, HARMED, HELPED, THRESHOLD

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.treatment import TreatmentFacts

COLOURS = {HELPED: GOOD, HARMED: BAD}


def bounds(treatment: TreatmentFacts) -> Axes:
    """Churn by band as it was, without those worked, and what it could have been had nobody been worked."""
    table = treatment.bands[(treatment.bands["by"] == "accounts") & ~treatment.bands["band"].isin(["unscored", "all"])]
    if table.empty:
        return blank("No band to draw.")
    ax, places = canvas(1.5 + 0.55 * len(table))[0, 0], np.arange(len(table))[::-1]
    ax.hlines(places, table["floor"], table["ceiling"], color=GREY, alpha=0.35, lw=14)
    ax.hlines(places, table["rate"], table["ceiling"], color=ACCENT, alpha=0.35, lw=14)
    ax.scatter(table["without"], places, marker="|", s=240, color=INK, lw=2, zorder=3)
    ax.scatter(table["rate"], places, color=ACCENT, s=46, zorder=4)
    ax.set_yticks(places, [f"{short(band, 19)} · n={cases:,.0f}" for band, cases in zip(table["band"], table["cases"], strict=True)])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=LINE, lw=0.6)
    ax.set_axisbelow(True)
    ax.set_ylim(-0.7, len(table) - 0.3)
    ax.set_xlim(left=0)
    percent(ax.xaxis)
    ax.set_xlabel(
        "share lost – dot: as it was, stroke: without those worked,\ngrey and blue: had nobody been worked; blue: if working never harms"
    )
    worst = table.iloc[0]
    titled(
        ax,
        f"{wording.upper_first(str(worst['band']))} left at {wording.share(worst['rate'])}; had nobody been worked, at "
        f"{wording.share(worst['floor'])} to {wording.share(worst['ceiling'])}",
    )
    return ax


def effects(treatment: TreatmentFacts) -> Axes:
    """The effect on the chance of loss by each method, with intervals."""
    table = treatment.saved[treatment.saved["effect_low"].notna()].rename(
        columns={"effect": "value", "effect_low": "low", "effect_high": "high"}
    )
    if table.empty:
        return blank("No effect to draw.")
    ax = canvas(1.5 + 0.5 * len(table))[0, 0]
    dots(
        ax, table, [method_name(*row) for row in table[["method", "name"]].to_numpy()],
        colours=[COLOURS.get(answer, ACCENT) for answer in table["answer"]], reference=0.0,
    )  # fmt: skip
    percent(ax.xaxis)
    ax.set_xlabel("change of the chance of loss by being worked, 95%; left of 0 is help")
    answers = set(table["answer"])
    said = "It helped, by every method" if answers == {HELPED} else "It harmed, by every method" if answers == {HARMED} else ""
    titled(
        ax,
        said or ("Whether it helped cannot be told" if not answers & {HELPED, HARMED} else "The methods do not agree on whether it helped"),
    )
    return ax


def method_name(method: str, name: str) -> str:
    """What a row of effects is called."""
    if method == EXPERIMENT:
        own, _, teller = name.rpartition(": ")
        return f"{short(own, 19)},\n{'contracts' if teller == CONTRACTS else 'own record'}"
    return f"threshold at {name}" if method == THRESHOLD else "like accounts"


def at_the_cut(treatment: TreatmentFacts) -> Axes:
    """Share worked and share lost by score around the threshold that sets playbooks off."""
    table = treatment.binned
    if table.empty:
        return blank("No threshold sets playbooks off, so there is no jump to draw.")
    cut = float(table["cut"].iloc[0])
    row = treatment.cuts[treatment.cuts["cut"] == cut].iloc[0]
    grid = canvas(4.4, 2, sharex=True)
    for ax, column, colour, label in zip(grid[:, 0], ("treated", "lost"), (ACCENT, BAD), ("worked", "lost"), strict=True):
        ax.scatter(table["score"], table[column], s=np.clip(table["cases"], 8, 90), color=colour, alpha=0.85)
        ax.axvline(cut, color=MUTED, lw=1.2, ls=(0, (4, 3)))
        ax.axvspan(cut - row["h"], cut + row["h"], color=GREY, alpha=0.12, lw=0)
        ax.set_ylabel(f"share {label}", color=MUTED)
        ax.set_ylim(bottom=-0.02)
        ax.grid(axis="y", color=LINE, lw=0.6)
        ax.set_axisbelow(True)
        percent(ax.yaxis)
    grid[1, 0].set_xlabel(f"score; shaded: the {row['h']:.1f} points on either side that are compared")
    titled(grid[0, 0], f"At {cut:g} the share worked jumps by {100 * row['jump']:.0f} points, losses change by {100 * row['loss']:+.0f}")
    return grid[0, 0]
