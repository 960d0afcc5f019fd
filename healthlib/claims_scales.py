"""The sentences on learned scales, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import named
from healthlib.curves import AS_IN_USE, CONTRADICTED
from healthlib.wording import counted, listed, number

if TYPE_CHECKING:
    from healthlib.studies.fit import FitFacts

ADVICE = {
    "adopt": "Learned scales predict better: adopt them together with their weights.",
    "keep": "Keep the present scales.",
    "insufficient_evidence": "Keep the present scales for now: the evidence is insufficient to change them.",
}


def opening(fit: FitFacts) -> str:
    """The advice in a sentence."""
    return f"{ADVICE[fit.learned.advice]} {fit.learned.reason}"


def to_adopt(fit: FitFacts) -> str:
    """Where what is recommended lies, and how it comes into force; or that there is nothing."""
    if "adopt" not in (fit.learned.advice, fit.recommendation):
        return "Nothing is recommended, so this run leaves no proposal.yaml."
    what = "the learned scales and their weights" if fit.learned.advice == "adopt" else "the fitted weights"
    return (
        f"proposal.yaml beside this page holds {what}, and thresholds that leave as many finished cases in each band; "
        "`healthlib adopt` shows what it would change and writes it."
    )


def changes(fit: FitFacts) -> str:
    """Which scales the outcomes would bend, and why the others stay."""
    told = fit.learned.told
    if told.empty:
        return "No scale could be learned: it takes finished cases of both kinds, lost and kept."
    bent = most_changed(told)
    straight, against = (int((told["why"] == why).sum()) for why in (AS_IN_USE, CONTRADICTED))
    said = [f"{row['label']} (by up to {number(row['most_moved'], 0)} points)" for _, row in bent.iterrows()]
    stay = [f"of {counted(straight, 'metric')} the outcomes lie as its scale has them"] if straight == 1 else []
    stay += [f"of {counted(straight, 'metric')} the outcomes lie as their scales have them"] if straight > 1 else []
    stay += [f"{counted(against, 'metric')} {'loses' if against == 1 else 'lose'} more where more points are given"] if against else []
    begin = f"The outcomes would bend {named(said, 3)}." if said else f"None of {counted(len(told), 'scale')} would change."
    return f"{begin} {listed(stay)[:1].upper()}{listed(stay)[1:]}." if stay else begin


def most_changed(told: pd.DataFrame) -> pd.DataFrame:
    """The metrics whose scale was learned, the one that moves most points first."""
    return told[told["learned"].astype(bool)].sort_values("most_moved", ascending=False, kind="stable")
