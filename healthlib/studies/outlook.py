"""How many more lost cases it would take: the chance that a comparison is settled after so many more, given what is known now.

A single number that assumes the difference to stay what it is swings from nothing to infinity with that difference. So the difference is
drawn from what is known of it, d ~ N(d now, se²), and the cases still to come are drawn too: with f = n / (n + m) the estimate after m
more is N(d now, (1 - f) se²) and its standard error se sqrt(f). Assurance: O'Hagan, Stevens & Campbell (2005), doi:10.1002/pst.175.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthlib.resample import NOTHING, Z95, Estimate

Array = NDArray[np.float64]

EVEN, LIKELY = 0.5, 0.8
"""Chances of a settled comparison that a number of lost cases is given for."""

WORTH = 0.02
"""A gain in AUC below this is not worth a change of weights (a convention)."""
FARTHEST = 10.0
"""Times today's lost cases that are looked ahead; beyond, nothing is said (a convention)."""

AHEAD = np.geomspace(0.02, FARTHEST, 160)
"""Times today's lost cases at which the chance is taken."""

DRAWS = 4000
"""Futures drawn where two comparisons must be settled together; always the same ones."""


@dataclass(frozen=True)
class Outlook:
    """More lost cases until a comparison is settled; 0 where it is, infinite beyond `FARTHEST` times today's, NaN where nothing is known.

    Attributes
    ----------
    even, likely : more lost cases at which the chance of having settled it reaches `EVEN` and `LIKELY`
    settled : chance of having settled it at `FARTHEST` times today's
    gain : of that, the chance that it is settled for a gain (to adopt) and not for none (to keep)
    """

    even: float
    likely: float
    settled: float
    gain: float


UNKNOWN = Outlook(float("nan"), float("nan"), float("nan"), float("nan"))
"""The outlook where nothing is known."""


def spread(found: Estimate) -> float:
    """Standard error that a 95 % interval stands for.

    >>> round(spread(Estimate(0.0, -0.0392, 0.0392)), 3)
    0.02
    """
    return (found.high - found.low) / (2 * Z95)


def settling(found: Estimate, floor: float, ceiling: float) -> Outlook:
    """Lost cases until the interval of one number lies above `floor`, or below `ceiling`.

    Once the interval is narrower than ceiling - floor it always does one or the other.

    >>> here = settling(Estimate(0.01, -0.01, 0.03, 500, 50), 0.0, 0.02)
    >>> round(here.even, -1), round(here.likely, -1), settling(Estimate(0.03, 0.01, 0.05, 500, 50), 0.0, 0.02).likely
    (40.0, 90.0, 0.0)
    """
    from scipy.special import ndtr

    if not np.isfinite([found.value, found.low, found.high]).all() or found.events <= 0:
        return UNKNOWN
    if found.low > floor or found.high < ceiling:
        return Outlook(0.0, 0.0, 1.0, float(found.low > floor))
    held = 1 / (1 + AHEAD)
    half, moves = Z95 * spread(found) * np.sqrt(held), np.maximum(spread(found) * np.sqrt(1 - held), 1e-12)
    up = 1 - ndtr((floor + half - found.value) / moves)
    down = np.minimum(ndtr((ceiling - half - found.value) / moves), 1 - up)
    return _read(up, down, found.events)


def deciding(current: Estimate, equal: Estimate, free: Estimate, equal_minus_current: Estimate = NOTHING) -> Outlook:
    """Lost cases until `verdict.recommend` says adopt or keep: the same conditions, met by futures drawn together.

    How fitted_minus_current and fitted_minus_equal go together follows from the interval of their difference; the gain of freely fitted
    weights is taken to move with that of the fitted ones.

    Parameters
    ----------
    current, equal, free, equal_minus_current : as in `recommend`
    """

    known = np.isfinite([one.value + one.low + one.high for one in (current, equal, free)]).all()
    if not known or current.events <= 0:
        return UNKNOWN
    se = [spread(one) for one in (current, equal, free)]
    both = se[0] * se[1]
    apart = spread(equal_minus_current)
    together = float(np.clip((se[0] ** 2 + se[1] ** 2 - apart**2) / (2 * both), -1, 1)) if both > 0 and np.isfinite(apart) else 0.0
    one, other = np.random.default_rng(0).standard_normal((2, DRAWS))
    moves = (one, together * one + np.sqrt(1 - together**2) * other, one)
    adopt, keep = np.empty(len(AHEAD)), np.empty(len(AHEAD))
    for at, held in enumerate(1 / (1 + AHEAD)):
        values = [found.value + s * np.sqrt(1 - held) * z for found, s, z in zip((current, equal, free), se, moves, strict=True)]
        half = [Z95 * s * np.sqrt(held) for s in se]
        better = (values[0] > half[0]) & (values[1] > half[1])
        adopt[at] = better.mean()
        keep[at] = (~better & (values[0] + half[0] < WORTH) & (values[2] + half[2] < WORTH)).mean()
    return _read(adopt, keep, current.events)


def _read(gain: Array, none: Array, lost: float) -> Outlook:
    """Where the chance first reaches `EVEN` and `LIKELY`, and what it is at the end."""
    settled = gain + none
    first = [float(lost * AHEAD[np.argmax(settled >= wanted)]) if (settled >= wanted).any() else np.inf for wanted in (EVEN, LIKELY)]
    return Outlook(max(first[0], 1.0), max(first[1], 1.0), float(settled[-1]), float(gain[-1] / max(settled[-1], 1e-12)))
