"""The three-way answer to "should we change the weights?", with the arithmetic behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from healthlib.resample import Estimate

WORTH = 0.02
"""A gain in AUC below this is not worth a change of weights (a convention)."""

FEWEST = 20
"""Below this many churns tested out of time neither answer is given: intervals from so few cannot be relied on (a convention)."""

Answer = Literal["adopt", "keep", "insufficient_evidence"]


@dataclass(frozen=True)
class Verdict:
    """A recommendation and the sentence that gives its reasons."""

    recommendation: Answer
    reason: str


def recommend(differences: dict[str, Estimate], free: Estimate, n_lost: int) -> Verdict:
    """Adopt, keep, or say that the evidence is insufficient.

    Adopt only if the fitted weights beat both the current and the equal weights out of time, both intervals above zero. Keep if neither the
    fitted weights nor those fitted without any pull towards the current ones (`free`) can plausibly gain `WORTH`: without the second half
    a strong pull would prove itself right. Otherwise insufficient, with how many more churns would settle it.

    Parameters
    ----------
    differences : fitted_minus_current and fitted_minus_equal, AUC out of time, paired
    free : AUC of unpulled weights minus current, paired
    n_lost : lost cases the comparison rests on
    """
    current, equal = differences["fitted_minus_current"], differences["fitted_minus_equal"]
    if not np.isfinite([current.value, current.low, equal.low, free.high]).all():
        return Verdict("insufficient_evidence", _too_little(n_lost))
    if n_lost < FEWEST:
        return Verdict("insufficient_evidence", f"{_too_little(n_lost)} {_gains(current, equal)}.")
    if current.low > 0 and equal.low > 0:
        beaten = f"the current ones by {_span(current)} AUC and equal weights by {_span(equal)}"
        return Verdict("adopt", f"Out of time, on {n_lost} churns, the fitted weights beat {beaten}.")
    if max(current.high, free.high) < WORTH:
        return Verdict(
            "keep",
            f"Out of time the fitted weights gain {_span(current)} AUC over the current ones, weights fitted freely {_span(free)}: "
            f"on {n_lost} churns, a gain of {WORTH} or more can be ruled out.",
        )
    return Verdict("insufficient_evidence", _undecided(current, equal, free, n_lost))


def _undecided(current: Estimate, equal: Estimate, free: Estimate, n_lost: int) -> str:
    text = f"{_gains(current, equal)}; weights fitted freely gain {_span(free)}"
    return f"{text}: {n_lost} churns are too few to tell. {_more(current, equal, free, n_lost)}"


def _gains(current: Estimate, equal: Estimate) -> str:
    if current.value == 0 == current.low == current.high:
        return "Out of time nothing predicted better than the current weights, so the fit stayed with them"
    return f"Out of time the fitted weights gain {_span(current)} AUC over the current ones and {_span(equal)} over equal weights"


def _more(current: Estimate, equal: Estimate, free: Estimate, n_lost: int) -> str:
    """How many more churns until the interval, narrowing with their square root, leaves zero or leaves `WORTH` behind."""
    adopt = max(_needed(d.value, d.value - d.low, n_lost) for d in (current, equal))
    keep = max(_needed(WORTH - d.value, d.high - d.value, n_lost) for d in (current, free))
    if min(adopt, keep) == np.inf:
        return "If the differences stay as they are, no number of churns will settle it: the schemes are about equally good."
    what = "to adopt" if adopt <= keep else "to keep the current weights"
    return f"If the differences stay as they are, about {_round(min(adopt, keep))} more churns would be enough {what}."


def _needed(distance: float, half_width: float, n_lost: int) -> float:
    """More events until the half-width is below the distance; infinite where the difference points the other way."""
    if distance <= 1e-4:
        return float("inf")
    return max(n_lost * ((half_width / distance) ** 2 - 1), 1.0)


def _round(number: float) -> int:
    """Two leading digits: the arithmetic carries no more."""
    digits = max(int(np.floor(np.log10(max(number, 1.0)))) - 1, 0)
    return int(np.ceil(number / 10**digits) * 10**digits)


def _too_little(n_lost: int) -> str:
    if n_lost == 0:
        return "No churn could be tested out of time, so weights cannot be compared."
    more = f"; at least {FEWEST - n_lost} more are needed" if n_lost < FEWEST else ""
    return f"Only {n_lost} churns could be tested out of time, too few for a comparison that can be relied on{more}."


def _span(estimate: Estimate) -> str:
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"
