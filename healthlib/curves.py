"""One metric's curve: where its cases lie on the scale in use, their bins, and the monotone line through what the bins say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthlib.scales import Plan
from healthlib.spec import Metric

Array = NDArray[np.float64]

SIZES = ((8, 10), (20, 40))
"""Bins at most, and lost and kept cases each holds at least: up to 8 of 10 and more, up to 20 of 40 and more. Of many
cases 8 bins tell less than boosting finds in one metric; of few, more bins told no more (chosen among seven sizes on the open sets)."""
FEWEST_BINS = 3
"""With fewer bins nothing can be said that a straight line does not say."""
TOLERANCE = 3.0
"""Points of 100 by which the curve may miss a knot that is left out."""
SCATTER = 0.9
"""Departures count as far as they exceed this quantile of what scatter alone gives."""
CONTRADICTED = "the outcomes run the other way: more is lost where it gives more points"
TELLS_NOTHING = "beside the other metrics it does not tell the lost from the kept"
AS_IN_USE = "the outcomes depart from its scale by no more than their scatter"


@dataclass(frozen=True)
class Place:
    """Where the cases lie on the scale of one metric, all its profiles on one axis.

    Attributes
    ----------
    at : position of each case, rising towards health; on a straight line 0 scores 0 and 1 scores 100. NaN: not measured or not applicable
    now : points of the scale in use / 100 of each case
    scale : positions where the scale in use bends, and its points / 100 there; empty for steps
    back : of the metric's own scale (-1) and of each profile that has one: (offset, factor) with value = offset + factor x position
    """

    at: Array
    now: Array
    scale: tuple[Array, Array]
    back: dict[int, tuple[float, float]]


@dataclass(frozen=True)
class Bins:
    """Bins of position: the median of each, its mean points in use / 100, the bin of each case (-1: none), and the case in its middle."""

    at: Array
    now: Array
    code: NDArray[np.intp]
    middle: NDArray[np.intp]


NO_BINS = Bins(np.empty(0), np.empty(0), np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp))


@dataclass(frozen=True)
class Shape:
    """A monotone curve: positions of its knots, log-odds of being kept there (from 0 up), and the spread of its departures from the scale
    in use (0: it is that scale)."""

    at: Array
    odds: Array
    departure: float

    def points(self, position: Array) -> Array:
        """Points / 100 at positions; NaN stays NaN."""
        return np.interp(position, self.at, self.odds / self.odds[-1])


def place_of(metric: Metric, plan: Plan) -> Place | str:
    """The cases on the axis of the metric's scale; a text says why nothing can be learned on it."""
    drawn = metric.steps or metric.curve
    if metric.levels:
        return "made of other metrics: its value is a score already"
    if drawn and any(profile.steps or profile.curve for profile in metric.profiles):
        return "its profiles have steps or curves of their own"
    now = plan.measured(slice(None), np.empty(len(plan.values))) / 100
    if drawn:
        sign = 1.0 if metric.better == "higher" else -1.0
        at, back = np.where(np.isfinite(now), sign * plan.values, np.nan), {-1: (0.0, sign)}
        bends = sorted((sign * value, points / 100) for value, points in metric.curve.items()) if metric.curve else []
        return Place(at, now, (np.array([one for one, _ in bends]), np.array([points for _, points in bends])), back)
    worst, span = (part[-1:] if plan.choice is None else part[plan.choice] for part in (plan.worst, plan.span))
    parts = zip([*range(len(metric.profiles)), -1], [*metric.profiles, metric], plan.worst, plan.span, strict=True)
    back = {i: (float(low), float(length)) for i, part, low, length in parts if i < 0 or part.worst is not None or part.best is not None}
    if not np.isfinite(list(back.values())).all():
        return "its scale has no length"
    return Place(np.where(np.isfinite(now), (plan.values - worst) / span, np.nan), now, (np.array([0.0, 1.0]), np.array([0.0, 1.0])), back)


def binned(place: Place, lost: Array) -> Bins | str:
    """As many bins as `SIZES` allow, with their share of the lost and of the kept, equal values together; a text says why too few."""
    use = np.isfinite(place.at)
    at, gone = place.at[use], lost[use]
    both = gone.sum(), (1 - gone).sum()
    most = max(min(bins, int(min(both) // each)) for bins, each in SIZES)
    if most < FEWEST_BINS:
        return f"measured in {both[0]:.0f} lost and {both[1]:.0f} kept cases: at least {FEWEST_BINS * SIZES[0][1]} of each are needed"
    order = np.argsort(at)
    rising = at[order]
    cuts = _cuts(rising, gone[order], most)
    size = len(cuts) + 1
    if size < FEWEST_BINS:
        return "two values only: a straight line says all there is to say" if size == 2 else "one value only"
    ends = np.r_[0, np.searchsorted(rising, cuts, side="right"), len(rising)]
    cases = np.diff(ends)
    middle = np.array([_nth(rising, order, int(n)) for n in ends[1:] - 1 - cases // 2])
    code, whole = np.searchsorted(cuts, at, side="left"), np.full(len(use), -1)
    whole[use] = code
    now = np.bincount(code, weights=place.now[use], minlength=size) / cases
    return Bins(at[middle], now, whole, np.flatnonzero(use)[middle])


def _cuts(rising: Array, lost: Array, most: int) -> Array:
    """Upper edges of all bins but the last, at quantiles in which the lost together weigh as much as the kept together."""
    gone = np.cumsum(lost)
    total = gone / gone[-1] + (np.arange(1, len(lost) + 1) - gone) / (len(lost) - gone[-1])
    cuts = np.unique(rising[np.searchsorted(total, np.arange(1, most) / most * total[-1] - 1e-9)])
    return cuts[cuts < rising[-1]]


def _nth(rising: Array, order: NDArray[np.intp], place: int) -> int:
    """The case at a place in rising order, equal values in the order of their rows."""
    first, last = np.searchsorted(rising, rising[place], side="left"), np.searchsorted(rising, rising[place], side="right")
    return int(np.sort(order[first:last])[place - first])


def slope(y: Array, x: Array, variance: Array) -> tuple[float, float]:
    """Slope of weighted least squares, and its standard error; 0 and infinity where x does not vary.

    >>> slope(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]), np.ones(3))[0]
    1.0
    """
    w = 1 / variance
    centred = x - w @ x / w.sum()
    size = w @ centred**2
    return (float(w @ (centred * y) / size), float(size**-0.5)) if size > 1e-12 else (0.0, float("inf"))


def shaped(place: Place, bins: Bins, odds: Array, variance: Array) -> Shape:
    """The monotone curve nearest to the log-odds of the bins, pulled towards the scale in use.

    Isotonic regression of what the scale in use says and the shrunken departures of the bins from it (`departures`), over the bins and the
    bends of the scale in use. Beyond the outer bins the scale in use goes on, no steeper than the curve is between the last two bins.
    """
    from scipy.optimize import isotonic_regression

    line, depart, spread = departures(bins.now, odds, variance)
    own = place.scale if len(place.scale[0]) else (bins.at, bins.now)
    at = np.unique(np.concatenate([bins.at, place.scale[0]]))
    here = np.isin(at, bins.at)
    heavy = 1 / (variance + spread**2)
    known = isotonic_regression(line * np.interp(bins.at, *own) + depart, weights=heavy).x
    weight = np.full(len(at), 1e-3 * heavy.min())
    weight[here] = heavy
    raw = line * _eased(at, own, (bins.at, known / line if line > 0 else known)) + np.interp(at, bins.at, depart)
    found = isotonic_regression(raw, weights=weight).x
    return Shape(at, found - found[0], spread)


def _eased(at: Array, own: tuple[Array, Array], known: tuple[Array, Array]) -> Array:
    """The scale in use at positions, its rise beyond the outer bins eased to that of the curve between the last two bins there."""
    base, (bins, curve) = np.interp(at, *own), known
    for outer, inner, beyond in ((0, 1, at < bins[0]), (-1, -2, at > bins[-1])):
        end, before = np.interp(bins[[outer, inner]], *own)
        rise = 1.0 if end == before else float(np.clip((curve[outer] - curve[inner]) / (end - before), 0.0, 1.0))
        base = np.where(beyond, end + rise * (base - end), base)
    return base


def departures(now: Array, odds: Array, variance: Array) -> tuple[float, Array, float]:
    """Log-odds per full scale in use (>= 0), each bin's departure from it shrunk by empirical Bayes, and the spread t of departures.

    odds = a + b now + d, d with variance t^2 beside that of the bin: t^2 by moments (DerSimonian & Laird 1986,
    doi:10.1016/0197-2456(86)90046-2, with a covariate), then d taken t^2 / (t^2 + variance) of the way. Their moment is measured from
    the `SCATTER` quantile of what scatter alone gives, not from its mean, which half of all straight scales exceed.
    """
    from scipy.special import chdtri

    line, spread = slope(odds, now, variance)
    line = max(line, 0.0)
    w = 1 / variance
    left = _centred(odds - line * now, w)
    free = len(w) - 1 - (line > 0)
    centred = _centred(now, w)
    leverage = 1 / w.sum() + (centred**2 * spread**2 if line > 0 else 0.0)
    square = max(0.0, float((w @ left**2 - chdtri(free, 1 - SCATTER)) / (w.sum() - w**2 @ (leverage + 0 * w)))) if free > 0 else 0.0
    line = max(slope(odds, now, variance + square)[0], 0.0) if line > 0 else 0.0
    left = _centred(odds - line * now, 1 / (variance + square))
    return line, left * square / (square + variance), square**0.5


def _centred(values: Array, w: Array) -> Array:
    return values - w @ values / w.sum()


def few(at: Array, points: Array) -> tuple[Array, Array]:
    """As few of the knots as tell the curve within `TOLERANCE` points; flat ends are cut, as they go on flat anyway.

    >>> [part.tolist() for part in few(np.arange(5.0), np.array([0.0, 0.0, 50.0, 100.0, 100.0]))]
    [[1.0, 3.0], [0.0, 100.0]]
    """
    first, last = int(np.flatnonzero(points <= points[0] + 1e-9)[-1]), int(np.flatnonzero(points >= points[-1] - 1e-9)[0])
    at, points = at[first : last + 1], points[first : last + 1]
    kept = [0, len(at) - 1]
    while len(kept) < len(at):
        missed = np.abs(points - np.interp(at, at[kept], points[kept]))
        if missed.max() <= TOLERANCE:
            break
        kept = sorted([*kept, int(missed.argmax())])
    return at[kept], points[kept]


def typed(values: Array, points: Array) -> dict[float, float]:
    """Knots as a person would type them: whole points, each value to a tenth of the power of ten below the gap to its neighbours.

    >>> typed(np.array([0.01324, 0.0471, 0.9]), np.array([0.0, 61.7, 100.0]))
    {0.013: 0.0, 0.047: 62.0, 0.9: 100.0}
    """
    order = np.argsort(values)
    values, points = values[order], np.round(points[order])
    bent = np.flatnonzero(np.diff(points))
    values, points = values[bent[0] : bent[-1] + 2], points[bent[0] : bent[-1] + 2]  # a flat end goes on flat anyway
    gaps = np.diff(values)
    near = np.minimum(np.r_[gaps[:1], gaps], np.r_[gaps, gaps[-1:]])
    digits = 1 - np.floor(np.log10(near)).astype(int)
    return {float(round(v, int(d))) + 0.0: float(p) for v, d, p in zip(values.tolist(), digits, points, strict=True)}


def written(metric: Metric, place: Place, shape: Shape) -> Metric:
    """The metric with the curve in the place of its scale, and each profile that has a scale of its own with the same curve on that."""
    at, points = few(shape.at, 100 * shape.points(shape.at))
    curves = {i: typed(offset + factor * at, points) for i, (offset, factor) in place.back.items()}
    plain: dict[str, None] = {"worst": None, "best": None, "steps": None}
    profiles = tuple(part.model_copy(update={**plain, "curve": curves.get(i)}) for i, part in enumerate(metric.profiles))
    return metric.model_copy(update={**plain, "curve": curves[-1], "profiles": profiles})
