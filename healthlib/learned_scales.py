"""A monotone curve a metric in the place of its worst and best, learned from finished cases and pulled towards the scale in use.

The log-odds of being kept are a sum of one curve a metric. Each curve is what the scale in use says, times a factor >= 0, and how far the
outcomes depart from it, bin by bin, given all other metrics; the departures are shrunk by how much of them is more than scatter between
accounts (`curves.departures`), so that few churns leave the scale in use as it is. One metric after the other is brought up to date
(backfitting with Newton steps: Hastie & Tibshirani 1986, doi:10.1214/ss/1177013604), made monotone, and told by a few knots.

Every curve runs from 0 to 100 points, so that the level of the score moves between refits where one end of a metric is rare. Curves that
keep the mean of the scale they replace, with the pull in its units, were judged on 75 fresh simulated companies by a rule written before
(study/scales_study.md) and left out: within cut-offs they rank alike (+0.0003, 0.0000 to 0.0006, on 46 bent truths), over all cut-offs they
lose 0.010 (0.002 to 0.017) on one kind of bend and gain as much (0.004 to 0.016) on the opposite. On oulad, where they were found, they
gain 0.016 over all cut-offs and 0.007 within them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from healthlib.curves import AS_IN_USE, CONTRADICTED, NO_BINS, TELLS_NOTHING, Bins, Place, Shape, binned, place_of, shaped, slope, written
from healthlib.scales import Plan, plans
from healthlib.spec import Metric, Scorecard
from healthlib.stats import logistic
from healthlib.weights import Problem, candidates, current_weights, fit

Array = NDArray[np.float64]

SWEEPS = 3
MOST_ROWS = 50_000
"""Curves are learned from at most so many cases. It bounds time, not error: on oulad (149,328 cases, 7,561 lost) three draws of 50,000 gave
the mean case up to 4, 9 and 9 points of 100 more or less in some metric than all cases did, and single cases up to 50. The ranking hardly
moves: AUC 0.7018 against 0.7021 in training; out of time, from at most 50,000 and at most 100,000 cases, 0.7088 and 0.7085
within cut-offs, 0.694 and 0.689 over all."""
LONGEST = 1.0
"""A Newton step moves the log-odds of a bin by no more than this."""
LEAST_RANGE = 0.05
"""A metric that moves the log-odds by less from its worst to its best value keeps its scale."""

BIN_COLUMNS = ("metric", "label", "value", "points_now", "points_learned")
TOLD_COLUMNS = ("metric", "label", "learned", "why", "departure", "most_moved")


@dataclass(frozen=True)
class Learned:
    """Scales learned from finished cases.

    Attributes
    ----------
    scorecard : the one given, with a `curve` in the place of each scale that was learned
    told : a row a candidate metric: metric, label, learned (bool), why (in words, where it keeps its scale), departure (spread of the
        departures from the scale in use, in log-odds), most_moved (points of 100 by which the bin that moved most did)
    bins : a row a metric and bin: metric, label, value (median of the bin), points_now, points_learned
    code : metric -> the bin of each case, -1 where it has none
    """

    scorecard: Scorecard
    told: pd.DataFrame
    bins: pd.DataFrame = field(repr=False)
    code: dict[str, NDArray[np.intp]] = field(repr=False)

    @property
    def curves(self) -> pd.DataFrame:
        """The proposal, a row a knot: metric, profile (-1: the metric's own scale, else its place among the profiles), value, points."""
        rows = [
            (name, place, value, points)
            for name in self.told.loc[self.told["learned"], "metric"]
            for place, part in [(-1, self.scorecard.metrics[name]), *enumerate(self.scorecard.metrics[name].profiles)]
            for value, points in (part.curve or {}).items()
        ]
        return pd.DataFrame(rows, columns=["metric", "profile", "value", "points"])


@dataclass(frozen=True)
class _Part:
    """One metric while its curve is learned.

    `why` says why it keeps its scale, and then it has no bins; `filled` are cases scored by the rule for missing values.
    """

    metric: Metric
    place: Place
    bins: Bins
    why: str
    filled: NDArray[np.bool_]
    shape: Shape | None = None

    @property
    def open(self) -> bool:
        """Whether there are bins to learn from."""
        return len(self.bins.at) > 0


@dataclass(frozen=True)
class _Cases:
    """What became of the cases (kept: 1 or 0), their weight, and their account as a number."""

    kept: Array
    weight: Array
    account: NDArray[np.intp]


def learn_scales(scorecard: Scorecard, cases: pd.DataFrame, *, case_weight: ArrayLike | None = None) -> Learned:
    """Learn a monotone curve for every metric a fit may weigh, from these cases alone.

    A metric keeps its scale where it has levels, or steps or curves that differ by profile, too few outcomes for three bins, outcomes that
    contradict `better`, or no departure from its scale that scatter does not explain. A case that is missing or not applicable teaches
    nothing about the metric; it is scored by the rule for missing values as before.

    Parameters
    ----------
    scorecard : with numbers as scale ends, see `scales.resolve_scales`
    cases : cases frame with `lost` known
    case_weight : of each case; only proportions count
    """
    kept = 1 - cases["lost"].to_numpy(dtype=float)
    weight = np.ones(len(cases)) if case_weight is None else np.asarray(case_weight, dtype=float)
    parts = _parts(scorecard, cases, _Cases(kept, weight, np.arange(len(cases)))) if 0 < kept.sum() < len(cases) else []
    if any(part.open for part in parts):
        rows = np.arange(len(cases))
        if len(cases) > MOST_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(len(cases), MOST_ROWS, replace=False))
        account = pd.factorize(cases["account_id"].iloc[rows])[0]
        some = _Cases(kept[rows], weight[rows] * len(rows) / weight[rows].sum(), account)
        parts = _judged(parts, _backfitted(scorecard, [_cut(part, rows) for part in parts], some))
    bent = {part.metric.name: written(part.metric, part.place, part.shape) for part in parts if part.shape is not None}
    bins = [row for part in parts for row in _told_bins(part, cases[part.metric.name])]
    code = {part.metric.name: part.bins.code for part in parts if part.open}
    card = scorecard.model_copy(update={"metrics": {**scorecard.metrics, **bent}})
    return Learned(card, _told(parts), pd.DataFrame(bins, columns=list(BIN_COLUMNS)), code)


def _parts(scorecard: Scorecard, cases: pd.DataFrame, known: _Cases) -> list[_Part]:
    """The candidate metrics with their bins, or why they keep their scale."""
    ready = dict(zip(scorecard.metrics, plans(scorecard, cases, None), strict=True))
    return [_part(scorecard.metrics[name], ready[name], known) for name in candidates(scorecard)]


def _part(metric: Metric, plan: Plan, known: _Cases) -> _Part:
    with np.errstate(invalid="ignore", divide="ignore"):
        place = place_of(metric, plan)
        now = plan.measured(slice(None), np.empty(len(plan.values)))
    gaps = np.isnan(now)
    plan.fill(now, slice(None))
    filled, nowhere = gaps & np.isfinite(now), (np.empty(0), np.empty(0))
    if isinstance(place, str):
        return _Part(metric, Place(np.full(len(now), np.nan), now / 100, nowhere, {}), NO_BINS, place, filled)
    whole, bins = replace(place, now=now / 100), binned(place, 1 - known.kept)
    if isinstance(bins, str):
        return _Part(metric, whole, NO_BINS, bins, filled)
    odds, variance = _marginal(bins, known)
    trend, spread = slope(odds, np.arange(len(odds)) / len(odds), variance)
    return _Part(metric, whole, NO_BINS, CONTRADICTED, filled) if trend < -1.96 * spread else _Part(metric, whole, bins, "", filled)


def _marginal(bins: Bins, known: _Cases) -> tuple[Array, Array]:
    """Log-odds of being kept in each bin, half a case added to either side, and their variance."""
    use, size = bins.code >= 0, len(bins.at)
    kept = np.bincount(bins.code[use], weights=(known.weight * known.kept)[use], minlength=size) + 0.5
    lost = np.bincount(bins.code[use], weights=(known.weight * (1 - known.kept))[use], minlength=size) + 0.5
    return np.log(kept / lost), 1 / kept + 1 / lost


def _cut(part: _Part, rows: NDArray[np.intp]) -> _Part:
    """The part on some of the cases."""
    if len(rows) == len(part.filled):
        return part
    place = replace(part.place, at=part.place.at[rows], now=part.place.now[rows])
    bins = replace(part.bins, code=part.bins.code[rows]) if part.open else part.bins
    return replace(part, place=place, bins=bins, filled=part.filled[rows])


def _points(part: _Part, shape: Shape) -> Array:
    """Points / 100 of each case under a shape; under the scale in use where the shape tells nothing."""
    if shape.odds[-1] <= 0:
        return part.place.now
    points = shape.points(part.place.at)
    points[part.filled] = part.place.now[part.filled]
    return points


def _backfitted(scorecard: Scorecard, parts: list[_Part], known: _Cases) -> dict[str, Shape]:
    """The shapes after `SWEEPS` rounds, begun from what each metric says alone and weights of the whole."""
    names = tuple(part.metric.name for part in parts)
    shapes = {part.metric.name: shaped(part.place, part.bins, *_marginal(part.bins, known)) for part in parts if part.open}
    points = np.column_stack([_points(part, shapes[part.metric.name]) if part.open else part.place.now for part in parts])
    problem = Problem(names, points, current_weights(scorecard, names), np.eye(len(names)))
    begun = fit(problem, 1 - known.kept, strength=1.0, case_weight=known.weight, tolerance=1e-3)
    model = _Model(points, begun.slopes.copy(), -begun.intercept)
    binned_cases = [_BinnedCases.of(part.bins, known) if part.open else None for part in parts]
    for _ in range(SWEEPS):
        for j, (part, cases) in enumerate(zip(parts, binned_cases, strict=True)):
            if cases is not None:
                shape = shaped(part.place, part.bins, *_partial(model, j, (cases, shapes[names[j]]), known))
                shapes[names[j]] = shape
                model.put(j, shape.odds[-1], _points(part, shape))
            else:
                model.put(j, _scaled(model, j, known), model.points[:, j])
            model.offset = _offset(model, known)
    return shapes


class _Model:
    """The additive model while it is fitted: of its sum over the metrics only the term of one metric changes at a time.

    Attributes
    ----------
    points : points / 100 of each case and metric, columns contiguous
    ranges : log-odds each metric moves
    offset : log-odds of being kept at no points
    """

    def __init__(self, points: Array, ranges: Array, offset: float):
        self.points, self.ranges, self.offset = np.asfortranarray(points), ranges, offset
        self._earned, self._covered = (part @ ranges for part in (np.nan_to_num(points), np.isfinite(points)))

    def put(self, j: int, reach: float, points: Array) -> None:
        """Give metric j another range and other points."""
        for sign, log_odds, column in ((-1.0, self.ranges[j], self.points[:, j]), (1.0, reach, points)):
            measured = np.isfinite(column)
            self._earned += sign * log_odds * np.where(measured, column, 0.0)
            self._covered += sign * log_odds * measured
        self.ranges[j], self.points[:, j] = reach, points

    def look(self) -> tuple[Array, Array]:
        """Chance of being kept, and by how much a measured metric counts for those that are not, of each case."""
        total = self.ranges.sum()
        if total <= 0:
            return np.full(len(self.points), logistic(self.offset)), np.ones(len(self.points))
        some = self._covered > 1e-9 * total  # below, what was measured weighs nothing but the rounding of the sums
        own = np.divide(self._earned, self._covered, out=np.full(len(some), 0.5), where=some)
        return logistic(self.offset + total * own), 1 / np.maximum(self._covered / total, 0.1)


@dataclass(frozen=True)
class _BinnedCases:
    """The cases of one metric that have a bin: their rows, bins (and how these score now), and account x bin as one number."""

    bins: Bins
    rows: NDArray[np.intp]
    code: NDArray[np.intp]
    cell: NDArray[np.intp]

    @classmethod
    def of(cls, bins: Bins, known: _Cases) -> _BinnedCases:
        """From the bins of all cases."""
        rows = np.flatnonzero(bins.code >= 0)
        code = bins.code[rows]
        return cls(bins, rows, code, known.account[rows] * len(bins.at) + code)


def _partial(model: _Model, j: int, now: tuple[_BinnedCases, Shape], known: _Cases) -> tuple[Array, Array]:
    """Log-odds of the bins of one metric given all others, one Newton step from the present ones; their variance between accounts."""
    (cases, shape), (p, counts) = now, model.look()
    bins, size = cases.bins, len(cases.bins.at)
    w = (known.weight * counts)[cases.rows]
    left = w * (known.kept - p)[cases.rows]
    spread = w * counts[cases.rows] * (p * (1 - p))[cases.rows]
    slack = np.bincount(cases.code, weights=left, minlength=size)
    sure = np.bincount(cases.code, weights=spread, minlength=size) + 0.1
    by_account = np.bincount(cases.cell, weights=left)
    wide = max(float((by_account**2).sum() / max(spread.sum(), 1e-9)), 1.0)
    odds = model.ranges[j] * (shape.points(bins.at) if shape.odds[-1] > 0 else bins.now)
    return np.asarray(odds + np.clip(slack / sure, -LONGEST, LONGEST), dtype=float), np.asarray(wide / sure, dtype=float)


def _scaled(model: _Model, j: int, known: _Cases) -> float:
    """Log-odds that a metric of fixed scale moves, one Newton step from the present, never below 0."""
    p, counts = model.look()
    x = model.points[:, j]
    use = np.isfinite(x)
    heavy = (known.weight * counts**2 * p * (1 - p))[use]
    centred = x[use] - heavy @ x[use] / max(heavy.sum(), 1e-9)
    step = (known.weight * counts * (known.kept - p))[use] @ centred / (heavy @ centred**2 + 0.1)
    return max(0.0, model.ranges[j] + float(np.clip(step, -LONGEST, LONGEST)))


def _offset(model: _Model, known: _Cases) -> float:
    """The offset at which the chances sum to what was kept, one Newton step from the present."""
    p, _ = model.look()
    step = known.weight @ (known.kept - p) / (known.weight @ (p * (1 - p)) + 1e-9)
    return model.offset + float(np.clip(step, -LONGEST, LONGEST))


def _judged(parts: list[_Part], shapes: dict[str, Shape]) -> list[_Part]:
    """The parts with their shapes, or why they keep their scales."""
    found = []
    for part in parts:
        shape = shapes.get(part.metric.name)
        if shape is None:
            found.append(part)
        else:
            why = TELLS_NOTHING if shape.odds[-1] < LEAST_RANGE else AS_IN_USE if shape.departure == 0 else ""
            found.append(replace(part, why=why, shape=None if why else shape))
    return found


def _told_bins(part: _Part, values: pd.Series) -> list[tuple[str, str, float, float, float]]:
    """Rows `BIN_COLUMNS` of one metric."""
    middle = values.to_numpy(dtype=float)[part.bins.middle].tolist()
    points = [(100 * now).tolist() for now in (part.bins.now, _learned_points(part))]
    return [(part.metric.name, part.metric.label, *row) for row in zip(middle, *points, strict=True)]


def _learned_points(part: _Part) -> Array:
    """Points / 100 of the bins on the learned scale; on the one in use where it stays."""
    return part.bins.now if part.shape is None else part.shape.points(part.bins.at)


def _told(parts: list[_Part]) -> pd.DataFrame:
    """`TOLD_COLUMNS`."""
    rows = []
    for part in parts:
        depart = part.shape.departure if part.shape else 0.0
        moved = float(np.abs(_learned_points(part) - part.bins.now).max(initial=0.0))
        rows.append((part.metric.name, part.metric.label, part.shape is not None, part.why, depart, 100 * moved))
    return pd.DataFrame(rows, columns=list(TOLD_COLUMNS))
