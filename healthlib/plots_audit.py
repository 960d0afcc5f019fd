"""The figures of the audit: facts in, axes out; few marks, large type, because a phone shrinks them to 360 pixels."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from healthlib import palette, wording
from healthlib.claims import largest, words
from healthlib.claims_audit import trusted, years
from healthlib.studies.leaks import left_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from healthlib.studies.audit import AuditFacts

INK, MUTED, LINE = (palette.INK[name][0] for name in ("ink", "muted", "line"))
BAD, GOOD, ACCENT, GREY = (palette.TONES[name][0] for name in ("tone0", "tone4", "accent", "unscored"))
PAPER = "#ffffff"
SUSPECT = palette.TONES["tone2"][0]
WIDTH = 5.6
"""Inches; text of 11 points is still 10 pixels high on a phone."""
STYLE: Any = {
    "font.size": 11,
    "font.family": "sans-serif",
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def canvas(
    height: float, rows: int = 1, columns: int = 1, *, sharex: bool = False, sharey: bool = False, heights: Sequence[float] | None = None
) -> np.ndarray:
    """Empty axes in the house style, as an array of `rows` x `columns`; `heights` of the rows, relative to each other."""
    mpl.rcParams.update(STYLE)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey, height_ratios=heights)


def blank(message: str) -> Axes:
    """Axes that only say why there is nothing to draw."""
    ax = canvas(1.2)[0, 0]
    ax.axis("off")
    ax.text(0, 0.5, textwrap.fill(message, 62), va="center", color=MUTED, transform=ax.transAxes)
    return ax


def titled(ax: Axes, text: str, *, width: int = 56) -> None:
    """A left-aligned title that wraps, ending flush with the figure, not the plot area."""
    ax.figure.suptitle(textwrap.fill(text, width), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)


def dots(ax: Axes, frame: pd.DataFrame, labels: Sequence[str], *, colours: Sequence[str], reference: float | None = None) -> None:
    """Dots with intervals (columns value, low, high), first row on top; a rule at `reference`."""
    places = np.arange(len(frame))[::-1]
    if reference is not None and np.isfinite(reference):
        ax.axvline(reference, color=MUTED, lw=1.2, ls=(0, (4, 3)), zorder=1)
    ax.hlines(places, frame["low"], frame["high"], color=list(colours), lw=2.2, zorder=2)
    ax.scatter(frame["value"], places, color=list(colours), s=46, zorder=3)
    ax.set_yticks(places, list(labels))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=LINE, lw=0.6)
    ax.set_axisbelow(True)
    ax.set_ylim(-0.7, len(frame) - 0.3)


def percent(axis: Axis) -> None:
    """Ticks in percent."""
    axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set_major_locator(MaxNLocator(5))


def movements(audit: AuditFacts) -> Axes:
    """ARR lost per year: with the account, and as downsell of accounts that stayed."""
    table = audit.movements
    if table.empty:
        return blank("No movements: the exports show ARR on one day only.")
    ax = canvas(3.4)[0, 0]
    places = np.arange(len(table))
    ax.bar(places, table["left_arr"], color=BAD, width=0.62, label="left with the account")
    ax.bar(
        places,
        table["down_arr"],
        bottom=table["left_arr"],
        color=palette.TONES["tone2"][0],
        hatch="///",
        edgecolor=PAPER,
        width=0.62,
        label="downsell, account stayed",
    )
    for place, left, down in zip(places, table["left_arr"], table["down_arr"], strict=True):
        ax.annotate(_cash(left + down, audit), (place, left + down), ha="center", va="bottom", xytext=(0, 3), textcoords="offset points")
    ax.set_xticks(places, [year.replace(" so far", "\nso far") for year in years(audit)])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _cash(value, audit)))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.margins(y=0.16)
    ax.legend(frameon=False, loc="upper left", labelcolor=INK, bbox_to_anchor=(0, 1.0))
    ax.set_ylim(top=ax.get_ylim()[1] * 1.25)
    ax.set_ylabel("ARR lost")
    worst = largest(table.assign(lost=table["left_arr"] + table["down_arr"]), "lost")
    titled(ax, f"{int(worst['year'])} lost most: {wording.money(worst['left_arr'] + worst['down_arr'], audit.currency)}")
    return ax


def metrics_alone(audit: AuditFacts, *, most: int = 18) -> Axes:
    """AUC of each metric by itself, strongest first, with a rule at 0.5; those that seem to know the outcome marked."""
    known = audit.alone.dropna(subset=["auc", "low"]).head(most)
    if known.empty:
        return blank("No metric can be compared by itself: both outcomes must have been seen.")
    ax = canvas(1.3 + 0.36 * len(known))[0, 0]
    leaky = known["metric"].isin(left_out(audit.leaks)).to_numpy()
    colours = [
        SUSPECT if leak else GOOD if low > 0.5 else BAD if high < 0.5 else GREY
        for leak, low, high in zip(leaky, known["low"], known["high"], strict=True)
    ]
    labels = [f"{wrapped(label, 24)} (leak?)" if leak else wrapped(label, 27) for leak, label in zip(leaky, known["label"], strict=True)]
    dots(ax, known.rename(columns={"auc": "value"}), labels, colours=colours, reference=0.5)
    ax.set_xlabel("AUC alone, 95% interval; 0.5 is a coin toss")
    clear, fair = sum(colour == GOOD for colour in colours), known[~leaky]
    best = f"; {fair.iloc[0]['label']} ranks best" if len(fair) else ""
    titled(ax, f"{clear} of {wording.counted(len(fair), 'metric')} rank{'s' if clear == 1 else ''} better than a coin toss{best}")
    return ax


def cohorts(audit: AuditFacts, *, most: int = 4) -> Axes:
    """Loss rate from the worst fifth of a metric to its best, for the strongest metrics."""
    names = trusted(audit)["metric"].head(most).tolist()
    if not names:
        return blank("No cohorts: no metric has two different values among the finished cases.")
    labels = dict(zip(audit.alone["metric"], audit.alone["label"], strict=True))
    return cohort_grid(audit.cohorts, names, labels, audit.base_rate.value, words(audit.kind)["rate"])


def cohort_grid(table: pd.DataFrame, names: Sequence[str], labels: dict[str, str], base: float, rate: str) -> Axes:
    """Small multiples of loss rate by cohort (columns metric, cohort, rate, low, high), two a row."""
    rows = (len(names) + 1) // 2
    grid = canvas(0.9 + 1.9 * rows, rows, 2 if len(names) > 1 else 1, sharey=True)
    for ax, name in zip(grid.flat, names, strict=False):
        part = table[table["metric"] == name]
        ax.axhline(base, color=MUTED, lw=1.2, ls=(0, (4, 3)))
        ax.vlines(part["cohort"], part["low"], part["high"], color=ACCENT, lw=2.2)
        ax.plot(part["cohort"], part["rate"], color=ACCENT, marker="o", ms=6, lw=1)
        ax.set_title(wrapped(labels.get(name, name), 26), fontsize=11, loc="left", color=INK, fontweight="normal")
        ax.set_xticks([part["cohort"].min(), part["cohort"].max()], ["worst", "best"])
        ax.grid(axis="y", color=LINE, lw=0.6)
    for ax in list(grid.flat)[len(names) :]:
        ax.axis("off")
    percent(grid[0, 0].yaxis)
    grid[0, 0].set_ylim(bottom=0)
    part = table[table["metric"] == names[0]]
    first, last = part["rate"].iloc[0], part["rate"].iloc[-1]
    titled(grid[0, 0], f"{labels.get(names[0], names[0])}: {rate} {wording.share(first)} at its worst, {wording.share(last)} at its best")
    return grid[0, 0]


def band_rates(audit: AuditFacts) -> Axes:
    """Loss rate by band of the present scorecard."""
    return bands_drawn(audit.score_bands, audit.band_colours, audit.base_rate.value, words(audit.kind)["rate"])


def bands_drawn(table: pd.DataFrame, bands: Collection[str], base: float, rate: str) -> Axes:
    """Rate per band (columns group, cases, rate, low, high) with intervals, coloured and named."""
    if table.empty:
        return blank("No bands: there are no finished cases to score.")
    tones, tint = palette.tones(bands), palette.colours(bands)
    colours = [tint.get(name, tint[palette.UNSCORED]) for name in table["group"]]
    labels = [
        f"{palette.GLYPHS[tones.get(name, palette.UNSCORED)]} {name} · n={cases:,}"
        for name, cases in zip(table["group"], table["cases"], strict=True)
    ]
    ax = canvas(1.5 + 0.42 * len(table))[0, 0]
    dots(ax, table.rename(columns={"rate": "value"}), labels, colours=colours, reference=base)
    percent(ax.xaxis)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"{rate}, 95% interval; dashed: overall {wording.share(base)}")
    scored = table[table["group"].isin(bands)]
    if len(scored) > 1 and scored["low"].iloc[0] > scored["high"].iloc[-1]:
        titled(
            ax,
            f"{wording.upper_first(scored['group'].iloc[0])} loses {wording.share(scored['rate'].iloc[0])}, "
            f"{scored['group'].iloc[-1]} {wording.share(scored['rate'].iloc[-1])}",
        )
    else:
        titled(ax, "The bands cannot be told apart")
    return ax


def flagged(audit: AuditFacts) -> Axes:
    """Share of leavers, and of their ARR, that were in the worst band at each lead."""
    table = audit.flagged
    if table.empty:
        return blank("Early warning cannot be shown: no account has left yet.")
    ax = canvas(3.3)[0, 0]
    for prefix, colour, style, marker, label in (("", BAD, "-", "o", "accounts"), ("arr_", ACCENT, "--", "s", "ARR")):
        ax.plot(
            table["lead_days"],
            table[f"{prefix}rate"],
            color=colour,
            ls=style,
            marker=marker,
            ms=6,
            lw=2.2,
            label=f"share of {label} that left",
        )
        ax.fill_between(table["lead_days"], table[f"{prefix}low"], table[f"{prefix}high"], color=colour, alpha=0.13, lw=0)
    ax.invert_xaxis()
    ax.set_xticks(table["lead_days"])
    ax.set_ylim(0, 1)
    percent(ax.yaxis)
    ax.set_xlabel("days before the end")
    ax.set_ylabel(f"already {audit.bands[0]}")
    ax.grid(axis="y", color=LINE, lw=0.6)
    ax.legend(frameon=False, loc="upper left", labelcolor=INK)
    far, near = table.iloc[0], table.iloc[-1]
    titled(
        ax,
        f"{wording.share(far['rate'])} of those who left were {audit.bands[0]} {int(far['lead_days'])} days before, "
        f"{wording.share(near['rate'])} {int(near['lead_days'])} days before",
    )
    return ax


def wrapped(text: object, most: int) -> str:
    """A label over two lines where it is longer than `most` characters, the second cut where it is longer still.

    >>> wrapped("Days since contact with an executive", 24)
    'Days since contact with\\nan executive'
    """
    first, *others = textwrap.wrap(str(text), most) or [""]
    return "\n".join(short(line, most) for line in (first, *([" ".join(others)] if others else [])))


def short(text: object, most: int) -> str:
    """A label cut to `most` characters; `$` is kept from starting mathematics."""
    said = str(text)
    return (said if len(said) <= most else said[: most - 1] + "…").replace("$", "＄")


def _cash(value: float, audit: AuditFacts) -> str:
    """Money as a figure can write it."""
    return wording.money(value, audit.currency) if value else "0"
