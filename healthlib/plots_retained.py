"""The figures on staying and renewing: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from healthlib import palette, wording
from healthlib.claims_retained import RATES
from healthlib.plots_audit import ACCENT, BAD, GOOD, GREY, INK, LINE, MUTED, PAPER, blank, canvas, dots, percent, short, titled
from healthlib.studies.renewal_rates import SURE
from healthlib.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.retained import RetainedFacts

DRAWN = 20
"""Fewest accounts of a curve that is drawn; below `FOLLOWED` at risk it ends."""
FOLLOWED = 10
LINES = ((ACCENT, "-"), (palette.TONES["tone2"][0], "--"), (INK, "-."), (MUTED, ":"), (GOOD, (0, (5, 1, 1, 1, 1, 1))))
"""Colours that say neither good nor bad first."""


def renewals(facts: RetainedFacts, *, most: int = 18) -> Axes:
    """The share kept by group with intervals (dot) and after shrinking (open diamond), the surest groupings first."""
    table = facts.renewals
    if table.empty or pd.isna(facts.kept.value):
        return blank("No groups to compare: bring an attribute such as segment or plan, and finished cases.")
    shown = _surest(table, most)
    base, heading = facts.kept.value, shown["cases"].isna().to_numpy()
    tint = dict(zip(SURE, (GOOD, BAD), strict=True))
    colours = [tint.get(verdict, GREY if few else ACCENT) for verdict, few in zip(shown["verdict"], shown["few"], strict=True)]
    labels = [
        short(f"by {group}", 30) if head else f"{short(group, 17)} · n={cases:,.0f}"
        for head, group, cases in zip(heading, shown["group"], shown["cases"], strict=True)
    ]
    ax = canvas(1.4 + 0.3 * len(shown))[0, 0]
    dots(ax, shown.rename(columns={"rate": "value"}), labels, colours=colours, reference=base)
    places = np.arange(len(shown))[::-1]
    ax.scatter(shown["shrunk"], places, marker="D", s=30, facecolor=PAPER, edgecolor=INK, lw=1.1, zorder=4)
    for tick in np.asarray(ax.get_yticklabels())[heading]:
        tick.set_color(MUTED)
        tick.set_style("italic")
    percent(ax.xaxis)
    ax.set_xlim(right=1.005)
    ax.set_xlabel(f"{RATES[facts.kind]}, 95% interval; ◇ shrunk; dashed: overall {wording.share(base)}")
    sure = table.loc[table["verdict"] != "cannot tell", "dimension"].nunique()
    said = f"by {sure} of {counted(table['dimension'].nunique(), 'grouping')}" if sure else "by no grouping"
    titled(ax, f"The {RATES[facts.kind]} of {wording.share(base)} surely differs {said}")
    return ax


def _surest(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Whole groupings, those that surely differ first, at most about `most` rows, each under a row without figures."""
    parts: list[pd.DataFrame] = []
    sure = table.assign(unsure=table["verdict"] == "cannot tell").groupby("dimension", sort=False)[["unsure", "q"]].min()
    for name in sure.sort_values(["unsure", "q"], kind="stable").index:
        part = table[table["dimension"] == name]
        if parts and sum(map(len, parts)) + len(part) + 1 > most:
            continue
        head = pd.DataFrame({"group": [str(name)], "verdict": [""], "few": [False]}).reindex(columns=table.columns)
        parts.append(pd.concat([head.astype({"group": object}), part.astype({"group": object})], ignore_index=True))
    shown = pd.concat(parts, ignore_index=True)
    return shown.assign(few=shown["few"].fillna(False).astype(bool))


def survival(facts: RetainedFacts, grouping: str) -> Axes:
    """Kaplan-Meier curves with intervals, a panel a length of term; `grouping` "start year", or "group" for the first attribute."""
    table = facts.curves
    if table.empty:
        return blank("No retention curve: no account has been followed yet.")
    name = grouping if grouping == "start year" else _attribute(table)
    whole = table[table["grouping"] == "all"]
    sizes = whole[whole["months"] == 0].set_index("length")["at_risk"]
    lengths = sizes[sizes >= DRAWN].index.tolist()[:3] or sizes.index.tolist()[:1]
    if grouping == "start year":
        lengths = [length for length in lengths if len(_large(table[(table["length"] == length) & (table["grouping"] == name)])) > 1]
        if not lengths:
            return blank(f"Too few accounts began in each year for curves of their own: it takes {DRAWN} in two years at least.")
    grid = canvas(0.9 + 2.3 * len(lengths), len(lengths), 1, sharex=True, sharey=True)[:, 0]
    for ax, length in zip(grid, lengths, strict=True):
        _panel(ax, table[table["length"] == length], name)
        ax.set_title(f"{length} · n={sizes[length]:,.0f}", fontsize=11, loc="left", color=INK, fontweight="normal")
    grid[0].set_ylim(0, 1.02)
    grid[0].set_xlim(left=0)
    percent(grid[0].yaxis)
    grid[-1].xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 3, 6, 10]))
    grid[-1].set_xlabel("months since the first contract")
    grid[len(grid) // 2].set_ylabel("accounts still here")
    titled(grid[0], _title(facts, name))
    return grid[0]


def _attribute(table: pd.DataFrame) -> str:
    """The grouping that is neither all nor the start year; all where there is none."""
    return next((name for name in table["grouping"].unique() if name not in ("all", "start year")), "all")


def _panel(ax: Axes, table: pd.DataFrame, grouping: str) -> None:
    """The curves of one length: up to five groups, the largest, in their order; all accounts where fewer than two are large enough."""
    some = table[table["grouping"] == grouping]
    names = _large(some)
    if len(names) < 2:
        some, names = table[table["grouping"] == "all"], ["all accounts"]
    for name, (colour, style) in zip(names, LINES, strict=False):
        part = some[(some["group"] == name) & (some["at_risk"] >= FOLLOWED)]
        ax.step(part["months"], part["share"], where="post", color=colour, lw=2.2, ls=style, label=short(name, 20))
        ax.fill_between(part["months"], part["low"], part["high"], step="post", color=colour, alpha=0.12, lw=0)
    ax.grid(axis="y", color=LINE, lw=0.6)
    ax.legend(frameon=False, loc="lower left", labelcolor=INK, fontsize=10, ncols=2 if len(names) > 3 else 1)


def _large(some: pd.DataFrame) -> list[str]:
    """The largest groups of some curves with enough accounts to draw, in their order."""
    sizes = some[some["months"] == 0].set_index("group")["at_risk"]
    large = set(sizes[sizes >= DRAWN].nlargest(len(LINES)).index)
    return [str(name) for name in sizes.index if name in large]


def _title(facts: RetainedFacts, grouping: str) -> str:
    """Best and worst group of the most common length after a year, where they can be told apart."""
    table = facts.remaining
    year = table[(table["months"] == 12) & (table["grouping"] == grouping) & (table["accounts"] >= DRAWN)]
    if year.empty:
        return "Accounts still here, by what they first agreed to"
    length = year.groupby("length", sort=False)["accounts"].sum().idxmax()
    part = year[year["length"] == length].sort_values("share")
    low, high = part.iloc[0], part.iloc[-1]
    said = f"{length}: after a year {wording.share(high['share'])} of {high['group']} are still here"
    if len(part) < 2:
        return wording.upper_first(said)
    if high["low"] <= low["high"]:
        said = f"{length}: {wording.share(low['share'])} to {wording.share(high['share'])} are still here after a year"
        return wording.upper_first(f"{said}; the groups cannot be told apart")
    return wording.upper_first(f"{said}, {wording.share(low['share'])} of {low['group']}")


def use(facts: RetainedFacts) -> Axes:
    """Mean use today by tenure with intervals, a panel a measure."""
    table = facts.use
    if table.empty:
        return blank("How use differs by tenure cannot be drawn: it takes a usage table that reaches to this day.")
    labels = table["label"].unique().tolist()
    sizes = [int((table["label"] == label).sum()) for label in labels]
    grid = canvas(0.9 + sum(0.55 + 0.33 * size for size in sizes), len(labels), 1, heights=[size + 0.8 for size in sizes])[:, 0]
    for ax, label in zip(grid, labels, strict=True):
        part = table[table["label"] == label]
        names = [f"{tenure} · n={n:,.0f}" for tenure, n in zip(part["tenure"], part["accounts"], strict=True)]
        dots(ax, part.rename(columns={"mean": "value"}), names, colours=[ACCENT] * len(part))
        ax.set_xlim(left=0)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.set_title(f"{label}, last {part['days'].iloc[0]} days", fontsize=11, loc="left", color=INK, fontweight="normal")
    grid[-1].set_xlabel("mean over accounts, 95% interval")
    titled(grid[0], _differ(table))
    return grid[0]


def _differ(table: pd.DataFrame) -> str:
    """On how many measures those of longest standing and the newest are apart."""
    parts = [part for _, part in table.groupby("label", sort=False) if len(part) > 1]
    apart = sum(part.iloc[-1]["low"] > part.iloc[0]["high"] or part.iloc[-1]["high"] < part.iloc[0]["low"] for part in parts)
    if not parts:
        return "Use today, of one tenure only"
    of = f"{apart} of {counted(len(parts), 'measure')}" if apart else "no measure"
    return f"Oldest and newest customers are surely apart on {of}"
