"""The figures on what people overruled and on what is missing or old: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import wording
from healthlib.claims import words
from healthlib.palette import UNSCORED
from healthlib.plots_audit import ACCENT, BAD, GOOD, GREY, MUTED, blank, canvas, dots, percent, short, titled
from healthlib.studies.overrides import EVERYBODY, LEAST

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.audit import AuditFacts

MOST = 12
"""Rows a figure shows."""


def overrides(audit: AuditFacts) -> Axes:
    """Benefit of overruling, with intervals: everybody by direction, then the people with enough accounts; by accounts and by ARR."""
    table = audit.overrides.effects
    rows = table[(table["set_by"] == EVERYBODY) | (table["accounts"] >= LEAST)] if len(table) else table
    rows = rows[rows["benefit"].notna()].head(MOST) if len(rows) else rows
    if rows.empty:
        return blank("No overruled account has met an outcome that can be judged.")
    ax = canvas(1.5 + 0.42 * len(rows))[0, 0]
    frame = pd.DataFrame({"value": rows["benefit"], "low": rows["benefit_low"], "high": rows["benefit_high"]})
    tones = {"helped": GOOD, "hurt": BAD}
    colours = [GREY if n < LEAST else tones.get(verdict, ACCENT) for n, verdict in zip(rows["accounts"], rows["verdict"], strict=True)]
    labels = [
        f"{direction if who == EVERYBODY else f'{short(who, 16)}, {direction}'} · n={n}"
        for who, direction, n in zip(rows["set_by"], rows["direction"], rows["accounts"], strict=True)
    ]
    dots(ax, frame, labels, colours=colours, reference=0.0)
    places = np.arange(len(rows))[::-1] - 0.25
    ax.hlines(places, rows["arr_benefit_low"], rows["arr_benefit_high"], color=MUTED, lw=1.2)
    ax.scatter(rows["arr_benefit"], places, color=MUTED, s=22, marker="D", label="by ARR")
    percent(ax.xaxis)
    ax.set_xlabel("share that went the person’s way, against the score\n95% interval; small diamonds: by ARR")
    both = rows[(rows["set_by"] == EVERYBODY) & (rows["direction"] == "both")]
    said = {"helped": "Overruling the score helped", "hurt": "Overruling the score hurt"}.get(
        both["verdict"].iloc[0] if len(both) else "", "Whether overruling helps cannot be told"
    )
    titled(ax, f"{said} (n = {wording.counted(int(both['accounts'].iloc[0]) if len(both) else 0, 'account')})")
    return ax


def hanging(audit: AuditFacts) -> Axes:
    """Score bounds of the largest accounts whose band hangs on what is missing."""
    rows = audit.gaps.hanging.head(MOST)
    if rows.empty:
        return blank("No band hangs on what is missing.")
    ax = canvas(1.3 + 0.3 * len(rows))[0, 0]
    frame = pd.DataFrame({"value": rows["score"], "low": rows["low_score"], "high": rows["high_score"]})
    names = rows["name"].where(rows["name"].notna(), rows["account_id"])
    labels = [f"{short(str(name), 20)} · {wording.money(arr, audit.currency, 2)}" for name, arr in zip(names, rows["arr"], strict=True)]
    colours = [GREY if band == UNSCORED else ACCENT for band in rows["band"]]
    dots(ax, frame, labels, colours=colours)
    ax.set_xlim(0, 100)
    ax.set_xlabel("score as shown (dot), with all missing at worst and best (line)")
    n = len(audit.gaps.hanging)
    titled(ax, f"{wording.counted(n, 'account')} of {wording.count(audit.gaps.n_today)} could be in another band; the largest {len(rows)}")
    return ax


def predicts(audit: AuditFacts) -> Axes:
    """Loss where missing minus where measured, per metric, with intervals."""
    table = audit.gaps.predicts
    rows = table[table["p"].notna()].head(MOST) if len(table) else table
    if rows.empty:
        return blank("No metric has 20 finished cases both measured and missing in the same months.")
    ax = canvas(1.4 + 0.34 * len(rows))[0, 0]
    frame = pd.DataFrame({"value": rows["difference"], "low": rows["low"], "high": rows["high"]})
    tones = {"more lost": BAD, "fewer lost": GOOD}
    labels = [f"{short(label, 24)} · n={n:,.0f}" for label, n in zip(rows["label"], rows["absent"], strict=True)]
    dots(ax, frame, labels, colours=[tones.get(verdict, ACCENT) for verdict in rows["verdict"]], reference=0.0)
    percent(ax.xaxis)
    ax.set_xlabel(f"{words(audit.kind)['rate']} where missing − where measured\n95% interval; n: cases that miss it")
    found = int((rows["verdict"] != "cannot tell").sum())
    titled(
        ax,
        f"{found} of {wording.counted(len(rows), 'metric')}: being missing goes with the outcome"
        if found
        else "Being missing says nothing that can be told",
    )
    return ax


def ages(audit: AuditFacts) -> Axes:
    """AUC of each rating by its age, with intervals; grey where too few."""
    table = audit.gaps.ages
    names = list(dict.fromkeys(table["metric"])) if len(table) else []
    if not names:
        return blank("There are no ratings or survey answers among the metrics.")
    grid = canvas(0.6 + 2.1 * len(names), rows=len(names))
    tones = {"predicts": GOOD, "wrong way": BAD, "too few": GREY}
    for ax, name in zip(grid[:, 0], names, strict=True):
        rows = table[table["metric"] == name].reset_index(drop=True)
        colours = [tones.get(verdict, ACCENT) for verdict in rows["verdict"]]
        ax.axhline(0.5, color=MUTED, lw=1.2, ls=(0, (4, 3)), zorder=1)
        ax.vlines(rows.index, rows["low"], rows["high"], color=colours, lw=2.2)
        ax.scatter(rows.index, rows["auc"], color=colours, s=46, zorder=3)
        ends = ["+" if pd.isna(end) else f"–{end:.0f}" for end in rows["to_days"]]
        ax.set_xticks(
            rows.index, [f"{start:.0f}{end}\nn={n}" for start, end, n in zip(rows["from_days"], ends, rows["cases"], strict=True)]
        )
        ax.set_ylim(0.2, 1.02)
        ax.set_ylabel("AUC")
        ax.set_title(short(str(rows["label"].iloc[0]), 40), fontsize=11)
    grid[-1, 0].set_xlabel("age in days when the score was read; grey: too few lost")
    titled(grid[0, 0], _stops(audit.gaps.limits))
    return grid[0, 0]


def _stops(limits: pd.DataFrame) -> str:
    """The finding as a title."""
    row = limits.iloc[0]
    said = {
        "stops": f"stops predicting after {row['stops_at'] - 1:.0f} days",
        "predicts at every age seen": "predicts at every age seen",
        "never predicts": "cannot be told from chance at any age",
    }
    return f"{row['label']} {said.get(row['verdict'], 'has too few cases to say when it stops predicting')}"
