"""The sentences on whether weights hold over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import smallest
from healthlib.wording import counted, listed, number, share

if TYPE_CHECKING:
    from healthlib.studies.steady import SteadyFacts

CAUSES = (
    "It may be the customers, the product, or the way the metric is measured: look at its source first, and fit on the time since if it "
    "stays so."
)

POWER = {300: 0.48, 460: 0.76, 700: 0.96, 1000: 1.00}
"""Share of simulated companies whose weight of 30 points vanished half way and was flagged, by lost cases: study/outlook_study.md."""


def opening(facts: SteadyFacts) -> str:
    """Whether any weight changed by more than sampling explains."""
    if facts.why:
        return facts.why if not len(facts.periods) else f"Whether weights hold over time cannot be told yet. {facts.why}"
    flagged = facts.changes[facts.changes["flagged"]]
    if flagged.empty:
        least = smallest(facts.changes, "chance")
        return (
            f"The weights hold, as far as {counted(facts.n_lost, 'lost case')} can tell: a change as clear as the clearest, "
            f"{least['label']} since {least['since']} ({moved(least)}), shows by chance in {share(least['chance'])} of companies whose "
            "weights never moved."
        )
    said = [f"{row['label']} since {row['since']}: {moved(row)}" for _, row in flagged.sort_values("chance", kind="stable").iterrows()]
    weights = "One weight has" if len(said) == 1 else f"{len(said)} weights have"
    return f"{weights} changed by more than sampling explains. {listed(said)}. {CAUSES}"


def moved(row: pd.Series) -> str:
    """Before and after, each with its interval."""
    before, after = (
        f"{number(row[side], 0)} (95% {number(row[f'{side}_low'], 0)}–{number(row[f'{side}_high'], 0)})" for side in ("before", "after")
    )
    return f"{before} → {after} points"


def basis(facts: SteadyFacts) -> str:
    """What the test looked at; empty where there was none."""
    if facts.why:
        return ""
    seen = listed([f"{'all' if found == 1 else share(found)} with {number(lost, 0)}" for lost, found in POWER.items()])
    return (
        f"Tested at {counted(facts.tried, 'turn')} of the half-year for every metric at once: the chance is that of so clear a change "
        "anywhere if no weight had moved, by the signs of the accounts' residuals drawn anew. A bad year or a weaker score as a whole is "
        "no change of weights. Half-years by the day the case was scored. A change is flagged where the chance is under 5%. "
        f"Of simulated companies in which a weight of 30 points vanished half way it is flagged in {seen} lost cases: "
        "no change found is no proof of none."
    )
