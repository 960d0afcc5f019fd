"""The figures of the tour: one book under every preset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import palette, wording
from healthlib.claims import largest, smallest
from healthlib.claims_presets import OWN, compared
from healthlib.plots_audit import ACCENT, GREY, PAPER, blank, canvas, dots, percent, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.presets import PresetFacts

LETTER = 0.021
"""Share of a bar that a letter takes."""


def bands(facts: PresetFacts) -> Axes:
    """Today's accounts (upper panel) and ARR (lower) by band: one bar a scorecard, lowest band on the left, each band in its own colour."""
    table = facts.bands
    if table.empty or not table["accounts"].sum():
        return blank("Nobody could be scored.")
    names = list(dict.fromkeys(table["preset"]))
    axes = canvas(1.6 + 0.75 * len(names), rows=2, sharex=True)[:, 0]
    for ax, column, unit in zip(axes, ("share", "arr_share"), ("accounts", "ARR"), strict=True):
        for place, name in enumerate(reversed(names)):
            _bar(ax, place, table[table["preset"] == name], column)
        ax.set_yticks(range(len(names)), list(reversed(names)))
        ax.tick_params(axis="both", length=0)
        ax.set_xlim(0, 1)
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.set_title(f"share of {unit}")
    percent(axes[-1].xaxis)
    titled(axes[0], _spread(table))
    return axes[0]


def _bar(ax: Axes, place: int, part: pd.DataFrame, column: str) -> None:
    """One scorecard's bands from worst to best, each with its name and share where there is room."""
    tones, left = palette.tones(part["band"].tolist()), 0.0
    for row in part.to_dict("records"):
        value, tone = float(np.nan_to_num(row[column])), tones[row["band"]]
        colour = _fixed(row["color"] if isinstance(row["color"], str) else palette.TONES[tone][0])
        hatch = "//" if row["band"] == palette.UNSCORED else None
        ax.barh(place, value, left=left, height=0.74, color=colour, edgecolor=PAPER, lw=1, hatch=hatch)
        said = next((text for text in (f"{row['band']} {value:.0%}", f"{value:.0%}") if value >= LETTER * (len(text) + 0.8)), "")
        ax.text(left + value / 2, place, said, ha="center", va="center", color=palette.on(colour), fontsize=9, fontweight="bold")
        left += value


def _fixed(colour: str) -> str:
    """The colour off by a shade nobody sees: what is no tone of the palette stays as it is in the dark, and so does the white text on it.

    >>> _fixed("#c02b1d")
    '#c02b1c'
    """
    return f"#{int(colour[1:], 16) ^ 1:06x}"


def _spread(table: pd.DataFrame) -> str:
    """The title: from where to where the lowest band goes."""
    known = table[table["band"] != palette.UNSCORED]
    lowest = known.groupby("preset", sort=False).head(1)
    low, high = smallest(lowest, "share"), largest(lowest, "share")
    if low["preset"] == high["preset"]:
        return f"{wording.share(low['share'])} of accounts in the lowest band"
    return (
        f"One book, {len(lowest)} verdicts: {wording.share(low['share'])} ({low['preset']}) to {wording.share(high['share'])} "
        f"({high['preset']}) of accounts in the lowest band"
    )


def auc(facts: PresetFacts) -> Axes:
    """AUC of each scorecard out of time with its interval, best first; a rule at 0.5, tossing a coin."""
    table = compared(facts)
    if table.empty:
        return blank("How well the presets tell leavers from stayers cannot be drawn: too few finished cases of both kinds.")
    table = table.sort_values("auc", ascending=False, kind="stable").reset_index(drop=True)
    ax = canvas(1.5 + 0.42 * len(table))[0, 0]
    colours = [GREY if name == OWN else ACCENT for name in table["preset"]]
    dots(ax, table.rename(columns={"auc": "value"}), table["preset"].tolist(), colours=colours, reference=0.5)
    ax.set_xlabel("AUC out of time, 95% interval; dashed: tossing a coin")
    best, rest = table.iloc[0], table[table["high"] < table.iloc[0]["low"]]["preset"].tolist()
    said = f"{best['preset']} ranks better than {wording.listed(rest)}" if rest else "The intervals do not tell the scorecards apart"
    titled(ax, said)
    return ax
