"""The figure of the executive report's lower half: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import palette, wording
from healthlib.plots_audit import INK, MUTED, PAPER, blank, canvas, short, titled
from healthlib.studies.red_list import COMPLETED, LATE, LEFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.followed import FollowedFacts

NARROW = 0.14
"""A part of a bar below this share carries no label: it would not fit."""


def fates(facts: FollowedFacts) -> Axes:
    """Where the accounts of the red list and all others of that day stand today, in accounts and ARR, as stacked bars."""
    found = facts.red
    if found.accounts.empty:
        return blank("There was no red list a quarter ago.")
    worst = facts.bands[0]
    bars = [(name, by) for name in ("red", "others") for by in ("accounts", "arr") if (found.places["list"] == name).any()]
    ax, tints = canvas(1.5 + 0.62 * len(bars))[0, 0], palette.colours(facts.band_colours)
    heights = np.arange(len(bars))[::-1]
    for at, (name, by) in zip(heights, bars, strict=True):
        rows = found.places[found.places["list"] == name].set_index("place")[by].astype(float)
        _stack(ax, float(at), rows / rows.sum(), [LEFT, LATE, *facts.bands, COMPLETED], {LEFT: INK, LATE: MUTED, COMPLETED: MUTED, **tints})
    ax.set_yticks(heights, [_label(facts, *bar) for bar in bars])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlim(0, 1.12)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.set_ylim(-0.45, len(bars) - 0.3)
    ax.set_xlabel(f"share of those of {wording.day(found.since)}, by where they are today")
    back = found.of("red", "recovered")
    titled(
        ax,
        f"Of {worst} a quarter ago {wording.share(back['rate'])} have recovered, {wording.share(found.of('red', 'churned')['rate'])} left",
    )
    return ax


def _label(facts: FollowedFacts, name: str, by: str) -> str:
    """`red by ARR, 3% left`."""
    row = facts.red.of(name, "churned")
    gone = wording.share(row["rate" if by == "accounts" else "arr_rate"])
    return f"{short(facts.bands[0], 14) if name == 'red' else 'others'} by {'ARR' if by == 'arr' else by}\n{gone} left"


def _stack(ax: Axes, at: float, shares: pd.Series, order: list[str], tints: dict[str, str]) -> None:
    """One bar from left to right; above each part wide enough stands what it is and how much."""
    foot, seen = 0.0, [name for name in order if name in shares.index]
    for place in seen:
        part = float(shares[place])
        ax.barh(at, part, left=foot, height=0.44, color=tints[place], edgecolor=PAPER, lw=0.8, hatch="///" if place == LATE else None)
        if part >= NARROW and place != LEFT:
            ax.annotate(_said(place, part), (foot, at + 0.25), fontsize=9.5, va="bottom", color=INK, annotation_clip=False)
        elif place == seen[-1] and place != LEFT:
            ax.annotate(_said(place, part, "\n"), (1.01, at), fontsize=9.5, va="center", color=INK, annotation_clip=False)
        foot += part


def _said(place: str, part: float, between: str = " ") -> str:
    return f"{short(place, 14)}{between}{wording.share(part)}"
