"""The figures of the weights report: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import wording
from healthlib.claims import largest
from healthlib.claims_fit import staying, taken, telling, times
from healthlib.plots_audit import ACCENT, BAD, GOOD, GREY, LINE, MUTED, PAPER, blank, canvas, dots, percent, short, titled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.fit import FitFacts


def comparison(fit: FitFacts) -> Axes:
    """AUC out of time of each scorecard, by accounts, with a rule at 0.5."""
    rows = [(name, *(getattr(estimate, part) for part in ("value", "low", "high"))) for name, estimate in fit.auc.items()]
    table = pd.DataFrame(rows, columns=["name", "value", "low", "high"]).dropna()
    if table.empty:
        return blank("Nothing to compare: no fold had both lost and kept cases to test on.")
    ax = canvas(1.4 + 0.45 * len(table))[0, 0]
    colours = [GOOD if name == "fitted" else ACCENT if name == "current" else GREY for name in table["name"]]
    dots(
        ax,
        table,
        [f"{name} {value:.2f}" for name, value in zip(table["name"], table["value"], strict=True)],
        colours=colours,
        reference=0.5,
    )
    ax.set_xlabel(wording.tested(fit.split, "AUC out of time, 95% interval; 0.5 is a coin toss"))
    best = largest(table, "value")["name"]
    gain = fit.differences["fitted_minus_current"]
    sure = "beat" if gain.low > 0 else "do worse than" if gain.high < 0 else "cannot be told from"
    titled(ax, f"The fitted weights {sure} the current ones" if np.isfinite(gain.low) else f"{best} ranks best, as far as can be told")
    return ax


def weights(fit: FitFacts) -> Axes:
    """Weight in use (hollow) against the fitted weight with its interval, largest fitted first; metrics without any weight, and those taken
    out as seeming to know the outcome, are left out, and the weights in use of the others are scaled up accordingly."""
    gone = taken(fit)
    table = staying(fit).dropna(subset=["fitted"])
    table = table[(table["current"] > 0) | (table["high"] >= 1)].sort_values(["fitted", "current"], ascending=False, kind="stable")
    if table.empty:
        return blank("No fitted weights to draw.")
    moved = [(low - 0.5 > now, high + 0.5 < now) for low, high, now in zip(table["low"], table["high"], table["current"], strict=True)]
    colours = [GOOD if up else BAD if down else ACCENT for up, down in moved]
    ax = canvas(1.7 + 0.36 * len(table))[0, 0]
    dots(ax, table.rename(columns={"fitted": "value"}), [wrapped(label, 25) for label in table["label"]], colours=colours)
    ax.scatter(table["current"], np.arange(len(table))[::-1], marker="D", s=52, facecolor=PAPER, edgecolor=MUTED, lw=1.8, zorder=4)
    ax.set_xlim(left=-1)
    ax.set_xlabel(f"points of 100: ◇ in use{', scaled up' if len(gone) else ''}, ● fitted with 95% interval")
    certain = sum(up or down for up, down in moved)
    differ = "weight surely differs" if certain == 1 else "weights surely differ"
    if len(gone) and fit.recommendation != "adopt":
        points = wording.number(gone["current"].sum(), 0)
        titled(ax, f"No change by outcomes: {wording.counted(len(gone), 'metric')} taken out ({points} of 100 points), the rest scaled up")
        return ax
    titled(
        ax, f"{certain} of {len(table)} {differ} from the one in use" if certain else "No fitted weight surely differs from the one in use"
    )
    return ax


def cohorts(fit: FitFacts, *, most: int = 6) -> Axes:
    """Loss rate by tenth (fewer groups where few were lost) of the metrics that divide most: small multiples with intervals, each named
    with the lift of its worst fifth: grey where that cannot be told from 1, red where it is the wrong way round; dashed: all."""
    found = telling(fit).head(most)
    if found.empty:
        return blank("No cohorts: no metric has two different values among the finished cases.")
    rows = (len(found) + 1) // 2
    grid = canvas(1.1 + 1.95 * rows, rows, 2 if len(found) > 1 else 1, sharey=True)
    for ax, (_, row) in zip(grid.flat, found.iterrows(), strict=False):
        part = fit.metric_cohorts[(fit.metric_cohorts["metric"] == row["metric"]) & (fit.metric_cohorts["decile"] > 0)]
        sure = ACCENT if row["lift_low"] > 1 else BAD if row["lift_high"] < 1 else GREY
        ax.axhline(fit.base_rate.value, color=MUTED, lw=1.2, ls=(0, (4, 3)))
        ax.vlines(part["decile"], part["low"], part["high"], color=sure, lw=1.8)
        ax.plot(part["decile"], part["rate"], color=sure, marker="o", ms=5, lw=1)
        ax.set_title(f"{short(row['label'], 25)}\nworst fifth {times(row)}", fontsize=10.5, loc="left", fontweight="normal")
        ends = [wording.number(value, _digits(part["mean_value"])) for value in part["mean_value"].iloc[[0, -1]]]
        ax.set_xticks([part["decile"].iloc[0], part["decile"].iloc[-1]], [f"low {ends[0]}", f"high {ends[1]}"])
        for label, side in zip(ax.get_xticklabels(), ("left", "right"), strict=True):
            label.set_horizontalalignment(side)
        ax.grid(axis="y", color=LINE, lw=0.6)
    for ax in list(grid.flat)[len(found) :]:
        ax.axis("off")
    percent(grid[0, 0].yaxis)
    grid[0, 0].set_ylim(bottom=0)
    titled(
        grid[0, 0],
        f"Share lost by value of each metric: {found['label'].iloc[0]} divides most; dashed: all, {wording.share(fit.base_rate.value)}",
    )
    return grid[0, 0]


def _digits(values: pd.Series) -> int:
    """Digits that tell the ends of a metric apart."""
    spread = float(values.max() - values.min())
    return 0 if spread >= 10 else 1 if spread >= 1 else 2
