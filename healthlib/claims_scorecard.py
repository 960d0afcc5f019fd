"""Sentences on the scorecard itself: what another scorecard changes, which scales history suggests, and whether the ground has moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import wording
from healthlib.claims import ranged
from healthlib.resample import NOTHING, Estimate
from healthlib.studies.monitoring import SCORE

if TYPE_CHECKING:
    from healthlib.studies.compare import Comparison
    from healthlib.studies.suggest import Suggestion

CONVENTION = (
    "The population stability index compares binned shares then and now; under 0.1 is called stable and over 0.25 another population. "
    "Both are conventions, not tests. The figures are freed of the upward bias that small numbers give, with a 95% interval over accounts."
)


def changed(found: Comparison, currency: str) -> str:
    """How many accounts and how much ARR change band, and by which cause most."""
    moved = found.accounts[found.accounts["cause"] != ""]
    total, money = len(found.accounts), float(found.accounts["arr"].sum())
    if moved.empty:
        same = "score the same" if (found.accounts["score_a"] - found.accounts["score_b"]).abs().max() < 1e-9 else "keep their band"
        return f"All {wording.counted(total, 'account')} {same} under {found.name_b} as under {found.name_a}."
    arr = float(moved["arr"].sum())
    cause = found.by_cause.sort_values("accounts", ascending=False, kind="stable").iloc[0]
    if len(found.bands_a) != len(found.bands_b):
        before, after = len(found.bands_a) - 1, len(found.bands_b) - 1
        mean = wording.change(float((found.accounts["score_b"] - found.accounts["score_a"]).mean()), 1)
        return (
            f"{found.name_a} has {wording.counted(before, 'band')} and {found.name_b} {after}, so that bands cannot be compared one "
            f"by one; the score of {wording.counted(total, 'account')} changes by {mean} points on average."
        )
    which = "all" if cause["accounts"] == len(moved) else wording.count(cause["accounts"])
    part = f" ({wording.share(arr / money)} of ARR)" if money > 0 else ""
    return (
        f"{wording.count(len(moved))} of {wording.counted(total, 'account')} change band from {found.name_a} to {found.name_b}, "
        f"with {wording.money(arr, currency)}{part}; {which} because of {cause['cause']}."
    )


def suggested(found: Suggestion) -> str:
    """How many scales history suggests, and how the score would then spread."""
    ready = found.metrics.dropna(subset=["worst"])
    changed_ = ready[~_same(ready["worst"], ready["worst_now"]) | ~_same(ready["best"], ready["best_now"])]
    worst, best = found.cuts.iloc[0], found.cuts.iloc[-1]
    shares = [f"{wording.share(row['share_proposed'])} {row['band']}" for row in (worst, best)]
    return (
        f"History suggests other ends for {len(changed_)} of {wording.counted(len(found.metrics), 'metric')}. "
        f"With them, and the bands cut as proposed, {shares[0]} and {shares[1]}; "
        f"today {wording.share(worst['share_now'])} and {wording.share(best['share_now'])}."
    )


def _same(a: pd.Series, b: pd.Series) -> pd.Series:
    return (a - b).abs() <= 0.02 * (a.abs() + b.abs())


def moved_ground(shifts: pd.DataFrame) -> str:
    """Whether today's book is still the one the outcomes come from."""
    if shifts.empty:
        return "No earlier snapshots to compare today's book with."
    score = shifts[shifts["what"] == SCORE].iloc[0]
    weighed = shifts[(shifts["what"] != SCORE) & (shifts["weight"] > 0)]
    shifted = weighed[weighed["verdict"].isin(["moved", "shifted"])]
    opening = {
        "stable": "The score is spread as it was in the period the outcomes come from",
        "moved": "The score has moved since the period the outcomes come from",
        "shifted": "The score is spread otherwise than in the period the outcomes come from",
    }.get(score["verdict"], "Whether the score is still spread as in the period the outcomes come from cannot be told")
    index = f"(stability index {score['psi']:.2f}, 95% {score['low']:.2f}–{score['high']:.2f})"
    named = f"; {wording.listed(list(shifted['label'].head(3)))} moved" if len(shifted) else "; no metric surely moved"
    return f"{opening} {index}{named}."


def flapping(found: dict[str, Estimate]) -> str:
    """How restless the bands are."""
    change, back = found.get("changed", NOTHING), found.get("flapped", NOTHING)
    if wording.unknown(change.value):
        return "Too few months to say how often accounts change band."
    taken_back = f", and {ranged(back)} of those changes are taken back the month after" if not wording.unknown(back.value) else ""
    return f"From one month to the next {ranged(change)} of accounts change band{taken_back}."
