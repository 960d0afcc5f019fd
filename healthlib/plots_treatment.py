"""The figures on our own work: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from healthlib import wording
from healthlib.claims_aftermath import LABELS, of_measure
from healthlib.claims_treatment import SCORES
from healthlib.plots_audit import ACCENT, BAD, GOOD, GREY, INK, LINE, MUTED, blank, canvas, dots, percent, short, titled
from healthlib.studies.aftermath import CHANCE, FELL, ROSE, SCORE, UNLIKE, USE
from healthlib.studies.cuts import WIDTH
from healthlib.studies.experiments import CONTRACTS
from healthlib.studies.treatment import EXPERIMENT, HARMED, HELPED, THRESHOLD
from healthlib.wording import listed

if TYPE_CHECKING:
    import pandas as pd
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
    titled(ax, _agreed(table["answer"].tolist()))
    return ax


def _agreed(answers: list[str]) -> str:
    """Which way the methods point.

    >>> _agreed(["helped", "cannot_tell"])
    'It helped, by 1 of 2 methods; the others cannot tell'
    """
    ways = {answer for answer in answers if answer in (HELPED, HARMED)}
    if len(ways) != 1:
        return "The methods do not agree on whether it helped" if ways else "Whether it helped cannot be told"
    (way,) = ways
    known = answers.count(way)
    by = "by every method" if known == len(answers) else f"by {known} of {len(answers)} methods; the others cannot tell"
    return f"It {way}, {by}"


def method_name(method: str, name: str) -> str:
    """What a row of effects is called."""
    if method == EXPERIMENT:
        own, _, teller = name.rpartition(": ")
        return f"{short(own, 19)},\n{'contracts' if teller == CONTRACTS else 'own record'}"
    return f"threshold at {name}" if method == THRESHOLD else "like accounts"


def at_the_cut(treatment: TreatmentFacts) -> Axes:
    """Share worked and share lost by score around the threshold that sets playbooks off: bins with intervals, the lines compared."""
    table = treatment.binned
    if table.empty:
        return blank("No threshold sets playbooks off, so there is no jump to draw.")
    cut = float(table["cut"].iloc[0])
    row = treatment.cuts[treatment.cuts["cut"] == cut].iloc[0]
    grid = canvas(5.2, 2, sharex=True)
    for ax, column, colour, label in zip(grid[:, 0], ("treated", "lost"), (ACCENT, BAD), ("worked", "lost"), strict=True):
        ax.vlines(table["score"], table[f"{column}_low"], table[f"{column}_high"], color=colour, alpha=0.45, lw=2)
        ax.scatter(table["score"], table[column], s=26, color=colour, zorder=3)
        ends = treatment.fitted[treatment.fitted["outcome"] == column]
        for side in (ends.iloc[:2], ends.iloc[2:]):
            ax.plot(side["score"], side["value"], color=INK, lw=2, zorder=4)
        ax.axvline(cut, color=MUTED, lw=1.2, ls=(0, (4, 3)))
        ax.axvspan(cut - row["h"], cut + row["h"], color=GREY, alpha=0.12, lw=0)
        ax.set_ylabel(f"share {label}", color=MUTED)
        ax.set_ylim(0, min(1.0, 1.05 * float(table[f"{column}_high"].max())) if column == "lost" else 1.0)
        ax.grid(axis="y", color=LINE, lw=0.6)
        ax.set_axisbelow(True)
        percent(ax.yaxis)
    grid[1, 0].set_xlabel(
        f"{SCORES[row['score']]}; dots: bins of {WIDTH:g} points, 95%;\nshaded: the {row['h']:.1f} points on either side compared"
    )
    low, high = 100 * row["loss_low"], 100 * row["loss_high"]
    titled(
        grid[0, 0],
        f"Where work begins, at {cut:g}, losses change by {wording.change(100 * row['loss'])} points "
        f"({wording.change(low)} to {wording.change(high)})",
    )
    return grid[0, 0]


def event_study(treatment: TreatmentFacts) -> Axes:
    """How much more those worked have changed since their score was read than like accounts, by month, with joint bands."""
    found = treatment.after.found
    if found.empty:
        return blank("Too few accounts that were worked have like ones that were not.")
    grid = canvas(1.2 + 1.5 * len(found), len(found), sharex=True)
    for ax, (_, row) in zip(grid[:, 0], found.iterrows(), strict=True):
        part, unit = treatment.after.months, of_measure(row["measure"])
        part = part[part["measure"] == row["measure"]]
        colour = {ROSE: GOOD, FELL: BAD, UNLIKE: GREY}.get(row["answer"], ACCENT)
        ax.fill_between(part["month"], unit * part["low"], unit * part["high"], color=colour, alpha=0.2, lw=0)
        ax.plot(part["month"], unit * part["gap"], color=colour, marker="o", ms=4, lw=1.8)
        ax.axhline(0, color=MUTED, lw=1)
        ax.axvline(0, color=MUTED, lw=1.2, ls=(0, (4, 3)))
        ax.grid(axis="y", color=LINE, lw=0.6)
        ax.set_axisbelow(True)
        ax.yaxis.set_major_locator(MaxNLocator(4))
        told = "went apart before: no claim" if row["answer"] == UNLIKE else "alike before"
        ax.set_title(f"{wording.upper_first(LABELS[row['measure']])} – {told}", fontsize=10.5, color=INK, fontweight="normal")
    grid[-1, 0].set_xticks(range(-6, 7, 2))
    grid[-1, 0].set_xlabel(
        "months since the score was read, work begins within one;\npoints more than like accounts, band of 95% for all months"
    )
    sure = found[found["answer"].isin([ROSE, FELL])]
    titled(grid[0, 0], "After work, nothing surely moved beside like accounts" if sure.empty else f"After work, {listed(_moves(sure))}")
    return grid[0, 0]


def _moves(sure: pd.DataFrame) -> list[str]:
    names = {SCORE: "the score", USE: "use", CHANCE: "the chance of staying"}
    return [f"{names[name]} {answer}" for name, answer in sure[["measure", "answer"]].to_numpy(str)]
