"""The figures on choosing thresholds: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from healthlib import wording
from healthlib.claims_thresholds import cut, row
from healthlib.plots_audit import ACCENT, GOOD, INK, LINE, MUTED, blank, canvas, percent, titled
from healthlib.studies.decision_curve import best_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.choosing import ChoosingFacts

SHORT = {"hand": "now", "targets": "targets", "capacity": "capacity", "value": "cost and benefit", "separation": "separation"}
APART = 0.105
"""Of the height of the picture, between two labels."""


def tradeoff(facts: ChoosingFacts) -> Axes:
    """Accounts in work against what they held of what was lost, by accounts (above) and ARR; every choice marked."""
    if facts.needs or facts.curve.empty or not facts.accounts:
        return blank("No trade-off to draw yet: it takes finished cases scored out of time, and scored accounts today.")
    both = canvas(6.4, 2, 1, sharex=True)[:, 0]
    for ax, (name, prefix, words) in zip(
        both, (("caught", "caught", "accounts that left"), ("arr_caught", "arr", "churned ARR")), strict=True
    ):
        for scheme, colour in zip(facts.schemes, (ACCENT, GOOD), strict=False):
            line = facts.curve[facts.curve["scheme"] == scheme]
            if scheme == "current":
                ax.fill_between(line["today"], line[f"{prefix}_low"], line[f"{prefix}_high"], color=colour, alpha=0.18, lw=0)
            ax.plot(
                line["today"],
                line[name],
                color=colour,
                lw=2 if scheme == "current" else 1.4,
                ls="-" if scheme == "current" else (0, (4, 2)),
            )
        ax.plot([0, facts.accounts], [0, 1], color=MUTED, lw=1, ls=(0, (1, 3)))
        percent(ax.yaxis)
        ax.set_ylim(-0.02, 1.04)
        ax.set_xlim(0, facts.accounts * 1.02)
        ax.grid(color=LINE, lw=0.6)
        ax.set_axisbelow(True)
        ax.set_ylabel(f"of {words}")
        _marks(ax, facts, name, named=ax is both[0])
    both[1].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    rest = "; dashed: fitted weights" if "fitted" in facts.schemes else ""
    both[1].set_xlabel(f"accounts below the cut today, of {wording.count(facts.accounts)}\nband: 95% interval{rest}; dotted: drawn by lot")
    titled(both[0], _title(facts))
    return both[0]


def _marks(ax: Axes, facts: ChoosingFacts, name: str, *, named: bool) -> None:
    """A dot a choice (a diamond for the present one), its name and cut below the curve where there is room."""
    found = [(way, row(facts, way)) for way in SHORT]
    at = pd.DataFrame(
        [(way, f["today"], f[name], f"{SHORT[way]} {cut(f['lower'])}") for way, f in found if f is not None and f["lower"] > 0],
        columns=["way", "x", "y", "label"],
    )  # fmt: skip
    at = at.groupby(["x", "y"], as_index=False, sort=True).agg(label=("label", " = ".join), hand=("way", lambda ways: "hand" in set(ways)))
    above = 2.0
    for x, y, label, hand in at.sort_values(["y", "x"], ascending=False).itertuples(index=False):
        right = x > 0.6 * facts.accounts
        above = max(min(y - (0.24 if right else 0.09), above - APART), 0.03)
        ax.scatter(x, y, s=52 if hand else 34, color=INK, marker="D" if hand else "o", zorder=4)
        if not named:
            continue
        ax.annotate(label, (x, y), xytext=(x + (-0.03 if right else 0.06) * facts.accounts, above), ha="right" if right else "left",
                    va="center", color=INK, fontsize=10, weight="bold" if hand else "normal",
                    arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.7, "shrinkB": 3, "relpos": (float(right), 0.5)})  # fmt: skip


def _title(facts: ChoosingFacts) -> str:
    now = row(facts, "hand")
    if now is None:
        return "What more work would catch"
    return (
        f"With {wording.counted(now['today'], 'account')} in work today: {wording.share(now['caught'])} of those that left, "
        f"{wording.share(now['arr_caught'])} of the churned ARR"
    )


def decision(facts: ChoosingFacts) -> Axes:
    """Net benefit of working by the score over the chance of loss from which one would work, beside everyone and nobody."""
    table = facts.decision[facts.decision["by"] == "accounts"] if len(facts.decision) else facts.decision
    if facts.needs or table.empty:
        return blank("No decision curve yet: no chance of loss was promised out of time.")
    ax, x = canvas(3.7)[0, 0], table["chance"].to_numpy(dtype=float)
    low, high = best_range(facts.decision)
    if np.isfinite(low):
        ax.axvspan(low - 0.005, high + 0.005, color=GOOD, alpha=0.1, lw=0)
    top = max(0.01, float(table[["high", "net_benefit", "everyone"]].max().max()))
    last = int(min(len(x), max(10, np.flatnonzero(table["worked"].to_numpy(dtype=float) > 0.002)[-1:].sum() + 4)))
    ax.fill_between(x, table["low"], table["high"], color=ACCENT, alpha=0.2, lw=0)
    ax.plot(x, table["net_benefit"], color=ACCENT, lw=2.2)
    ax.plot(x, table["everyone"], color=MUTED, lw=1.4, ls=(0, (4, 3)))
    ax.axhline(0, color=INK, lw=1.2)
    ax.set_ylim(-0.28 * top, 1.08 * top)
    ax.set_xlim(0, x[last - 1])
    percent(ax.xaxis)
    ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    at = int(min(last - 1, max(1, last // 3)))
    ax.annotate("by the score", (x[at], table["high"].iloc[at]), xytext=(4, 4), textcoords="offset points", color=ACCENT, weight="bold")
    ax.annotate("nobody", (x[last - 1], 0), xytext=(-2, -4), textcoords="offset points", ha="right", va="top", color=INK)
    below = np.flatnonzero(table["everyone"].to_numpy() < -0.1 * top)
    if len(below):
        end = int(below[0])
        ax.annotate("everyone", (x[end], -0.2 * top), xytext=(4, 0), textcoords="offset points", color=MUTED, va="center")
    ax.grid(axis="y", color=LINE, lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel("chance of loss from which one would work; band: 95% interval\nshaded: surely better than everyone and nobody")
    ax.set_ylabel("net benefit a case")
    span = f" at {wording.share(low)}" if low == high else f" from {wording.share(low)} to {wording.share(high)}"
    sure = span if np.isfinite(low) else " nowhere for sure"
    titled(ax, f"Working by the score beats everyone and nobody{sure}")
    return ax
