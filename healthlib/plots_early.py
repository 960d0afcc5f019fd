"""The figures on beginnings and owners: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from healthlib.claims import largest
from healthlib.plots_audit import ACCENT, BAD, GOOD, GREY, INK, LINE, MUTED, blank, canvas, dots, percent, short, titled
from healthlib.wording import counted, share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.audit import AuditFacts


def first_days(audit: AuditFacts) -> Axes:
    """The chance that a successful account did more of each thing, window by window."""
    table = audit.first_days
    if table.empty:
        return blank("Too few accounts began while their use was recorded.")
    table = table.sort_values(["measure", "window"]).reset_index(drop=True)
    ax = canvas(1.5 + 0.32 * len(table))[0, 0]
    names = [f"{short(row.measure, 20)}, {row.window} days" for row in table.itertuples()]
    tint = {"more": GOOD, "less": BAD}
    dots(ax, table.rename(columns={"auc": "value"}), names, colours=[tint.get(said, GREY) for said in table["verdict"]], reference=0.5)
    ax.set_xlabel("chance that a successful account did more than another of like size; 95% interval")
    sure = int((table["verdict"] != "cannot tell").sum())
    titled(ax, f"{sure} of {counted(len(table), 'early sign')} surely set successful customers apart" if sure else "No early sign is sure")
    return ax


def features(audit: AuditFacts, *, most: int = 16) -> Axes:
    """Adjusted odds of staying of early users of each feature, on a doubling scale."""
    table = audit.features.dropna(subset=["odds"]).head(most).reset_index(drop=True)
    if table.empty:
        return blank("No feature could be compared.")
    ax = canvas(1.5 + 0.36 * len(table))[0, 0]
    shown = table.assign(value=table["odds"], low=table["odds_low"], high=table["odds_high"])
    shown[["value", "low", "high"]] = np.log2(shown[["value", "low", "high"]].clip(1 / 64, 64))
    tint = {"goes with staying": GOOD, "goes with leaving": BAD}
    names = [short(name, 25) for name in table["feature"]]
    dots(ax, shown, names, colours=[tint.get(said, ACCENT) for said in table["verdict"]], reference=0.0)
    low, high = int(np.floor(shown["low"].min())), int(np.ceil(shown["high"].max()))
    ax.set_xticks(range(low, high + 1), [f"{2.0**power:g}×" for power in range(low, high + 1)])
    ax.set_xlabel("odds of staying against accounts that did not use it early; 95% interval")
    sure = int((table["verdict"] == "goes with staying").sum())
    titled(
        ax,
        f"{counted(sure, 'feature')} surely go{'es' if sure == 1 else ''} with staying" if sure else "No feature surely goes with staying",
    )
    return ax


def feature_outcomes(audit: AuditFacts, *, most: int = 12) -> Axes:
    """Feature by outcome: the share of early users that stayed the year after, beside that of the others, with intervals."""
    table = audit.features.head(most).reset_index(drop=True)
    if table.empty:
        return blank("No feature could be compared.")
    ax = canvas(1.7 + 0.46 * len(table))[0, 0]
    places = np.arange(len(table))[::-1]
    for side, shift, colour, face, label in (("used", 0.13, ACCENT, ACCENT, "used early"), ("not", -0.13, MUTED, "none", "others")):
        low, high, at = table[f"{side}_low"], table[f"{side}_high"], places + shift
        ax.hlines(at, low, high, color=colour, lw=1.8)
        ax.scatter(table[f"kept_{side}"], at, s=44, color=colour, facecolor=face, zorder=3)
        ax.annotate(label, (float(high.iloc[0]), at[0]), xytext=(5, 0), textcoords="offset points", color=colour, fontsize=9.5, va="center")
    ax.set_yticks(places, [f"{short(row.feature, 18)} · n={row.used:,} / {row.not_used:,}" for row in table.itertuples()])
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=LINE, lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlim(right=1.12)
    ax.set_ylim(-0.6, len(table) - 0.3)
    percent(ax.xaxis)
    ax.set_xticks([tick for tick in (0, 0.25, 0.5, 0.75, 1) if tick >= ax.get_xlim()[0]])
    ax.set_xlabel("stayed the year after; 95% interval")
    row = largest(table.assign(gap=(table["kept_used"] - table["kept_not"]).abs()), "gap")
    titled(ax, f"{row['feature']}: {share(row['kept_used'])} of early users stayed, {share(row['kept_not'])} of the others")
    return ax
