"""The three-way answer to "should we change the weights?", with the arithmetic behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from healthlib.resample import NOTHING, Estimate
from healthlib.studies.outlook import FARTHEST, WORTH, deciding
from healthlib.wording import count, counted

FEWEST = 20
"""Below this many lost cases tested out of time neither answer is given: intervals from so few cannot be relied on (a convention)."""

Answer = Literal["adopt", "keep", "insufficient_evidence"]


@dataclass(frozen=True)
class Verdict:
    """A recommendation and the sentence that gives its reasons."""

    recommendation: Answer
    reason: str


def recommend(
    differences: dict[str, Estimate],
    free: Estimate,
    n_lost: int,
    arr_differences: dict[str, Estimate] | None = None,
    equal_minus_current: Estimate = NOTHING,
) -> Verdict:
    """Adopt, keep, or say that the evidence is insufficient.

    Adopt only if the fitted weights beat both the current and the equal weights out of time, both intervals above zero. Keep if neither the
    fitted weights nor those fitted without any pull towards the current ones (`free`) can plausibly gain `WORTH`: without the second half
    a strong pull would prove itself right. Otherwise insufficient, with how many more lost cases would settle it.
    The accounts decide; what the money says goes into the reason.

    Parameters
    ----------
    differences : fitted_minus_current and fitted_minus_equal, AUC out of time, paired
    free : AUC of unpulled weights minus current, paired
    n_lost : lost cases the comparison rests on
    arr_differences : as `differences`, weighted by ARR; they decide nothing
    equal_minus_current : AUC of equal weights minus current, paired; it decides nothing
    """
    current, equal = differences["fitted_minus_current"], differences["fitted_minus_equal"]
    if not np.isfinite([current.value, current.low, equal.low, free.high]).all():
        return Verdict("insufficient_evidence", _too_little(n_lost))
    if n_lost < FEWEST:
        return Verdict("insufficient_evidence", f"{_too_little(n_lost)} {_gains(current, equal)}.")
    if current.low > 0 and equal.low > 0:
        beaten = f"the current ones by {_span(current)} AUC and equal weights by {_span(equal)}"
        said = f"Out of time, on {_lost(n_lost)}, the fitted weights beat {beaten}."
        return Verdict("adopt", f"{said}{_by_arr(arr_differences or {})}")
    if max(current.high, free.high) < WORTH:
        return Verdict(
            "keep",
            f"Out of time the fitted weights gain {_span(current)} AUC over the current ones, weights fitted freely {_span(free)}: "
            f"on {_lost(n_lost)}, a gain of {WORTH} or more can be ruled out.{_equal(equal, equal_minus_current)}",
        )
    return Verdict("insufficient_evidence", _undecided(differences, free, equal_minus_current, n_lost))


def _undecided(differences: dict[str, Estimate], free: Estimate, equal_minus_current: Estimate, n_lost: int) -> str:
    current, equal = differences["fitted_minus_current"], differences["fitted_minus_equal"]
    text = f"{_gains(current, equal)}; weights fitted freely gain {_span(free)}"
    known = _equal(equal, equal_minus_current)
    tell = "" if known else f": {_lost(n_lost)} are too few to tell"
    return f"{text}{tell}.{known} {_more(current, equal, free, equal_minus_current)}"


def _equal(fitted_minus_equal: Estimate, equal_minus_current: Estimate) -> str:
    """What equal weights did surely better than; empty where they did not."""
    better = Estimate(-fitted_minus_equal.value, -fitted_minus_equal.high, -fitted_minus_equal.low)
    pairs = (("the fitted ones", better), ("the current ones", equal_minus_current))
    beaten = [f"{name} by {_span(gain)}" for name, gain in pairs if gain.low > 0]
    return f" Equal weights did better than {'both, ' if len(beaten) == 2 else ''}{' and '.join(beaten)} AUC." if beaten else ""


def _by_arr(gains: dict[str, Estimate]) -> str:
    """Whether a gain by accounts is one by ARR too."""
    found = {name: gains.get(f"fitted_minus_{name}", NOTHING) for name in ("current", "equal")}
    current, equal = found.values()
    if not np.isfinite([current.low, current.high, equal.low, equal.high]).all():
        return " By ARR the gain cannot be computed."
    said = (f"{_span(current)} over the current ones", f"{_span(equal)} over equal weights")
    holds = [_holds(current), _holds(equal)]
    if holds == ["holds"] * 2:
        return f" It holds by ARR too: {said[0]} and {said[1]}."
    if holds[0] == holds[1]:
        return f" By ARR the gain is {said[0]} and {said[1]}, which {holds[0]}."
    return f" By ARR the gain is {said[0]}, which {holds[0]}, and {said[1]}, which {holds[1]}."


def _holds(gain: Estimate) -> str:
    return "holds" if gain.low > 0 else "is a loss" if gain.high < 0 else "cannot be told from none"


def _gains(current: Estimate, equal: Estimate) -> str:
    if current.value == 0 == current.low == current.high:
        return "Out of time nothing predicted better than the current weights, so the fit stayed with them"
    return f"Out of time the fitted weights gain {_span(current)} AUC over the current ones and {_span(equal)} over equal weights"


def _more(current: Estimate, equal: Estimate, free: Estimate, equal_minus_current: Estimate) -> str:
    """How many more lost cases would settle it, as `outlook.deciding` has it."""
    ahead = deciding(current, equal, free, equal_minus_current)
    if ahead.even == np.inf:
        alike = all(d.low <= 0 <= d.high for d in (current, equal))
        why = "the schemes are about equally good" if alike else "more of the same will not make the fitted weights the best"
        return f"Even {FARTHEST:.0f} times as many lost cases would not be likely to settle it: {why}."
    answer = "to adopt" if ahead.gain > 2 / 3 else "to keep the current weights" if ahead.gain < 1 / 3 else "one way or the other"
    return f"Going by what is known now, {said(ahead.even, ahead.likely)}, most likely {answer}."


def said(even: float, likely: float, things: tuple[str, str] = ("more lost case", "more lost cases")) -> str:
    """The range of lost cases, or of other things counted (one, many), that would settle something, as a clause.

    >>> said(61.0, 204.0)
    'about 61 more lost cases would settle it with an even chance and about 210 in four of five cases'
    >>> said(300.0, float("inf"))
    'about 300 more lost cases would settle it with an even chance; how many would make that likely cannot be told'
    >>> said(float("inf"), float("inf"))
    'how many more lost cases would settle it cannot be told: over 10 times as many as now'
    """
    if even == np.inf:
        return f"how many {things[1]} would settle it cannot be told: over {FARTHEST:.0f} times as many as now"
    first = f"about {counted(rounded(even), *things)} would settle it with an even chance"
    if likely == np.inf:
        return f"{first}; how many would make that likely cannot be told"
    return f"{first} and about {count(rounded(likely))} in four of five cases"


def rounded(number: float) -> int:
    """Two leading digits: the arithmetic carries no more."""
    digits = max(int(np.floor(np.log10(max(number, 1.0)))) - 1, 0)
    return int(np.ceil(number / 10**digits) * 10**digits)


def _too_little(n_lost: int) -> str:
    if n_lost == 0:
        return "No lost case could be tested out of time, so weights cannot be compared."
    more = f"; at least {FEWEST - n_lost} more {'is' if FEWEST - n_lost == 1 else 'are'} needed" if n_lost < FEWEST else ""
    return f"Only {_lost(n_lost)} could be tested out of time, too few for a comparison that can be relied on{more}."


def _lost(number: int) -> str:
    """Lost cases, which may be several of one account: never called churns."""
    return counted(number, "lost case")


def _span(estimate: Estimate) -> str:
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})".replace("-", "−")
