"""Conditions, quantiles and profiles worked out for the cases at hand: a scorecard made ready to score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.errors import HealthlibError, nearest
from healthlib.spec import Condition, Metric, Profile, Quantile, Range, Scorecard

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def resolve_scales(scorecard: Scorecard, history: pd.DataFrame) -> Scorecard:
    """Replace each `{quantile: q}` by the number it is in history.

    A quantile is read over the cases whose scale it is an end of: the metric applies, was measured, and the profile is the
    one that matches (for the metric's own ends: no profile with another such end matches). Linear interpolation.

    Parameters
    ----------
    history : cases frame that ends before the day the scales are for; nothing later may be in it

    Returns
    -------
    Scorecard with numbers only. NaN, hence no metric score, where history has no value or its quantiles contradict `better`.
    """
    metrics = {name: _resolve_metric(metric, history) if _has_quantile(metric) else metric for name, metric in scorecard.metrics.items()}
    return scorecard.model_copy(update={"metrics": metrics})


def holds(wanted: Range, values: Floats) -> Flags:
    """Whether each value satisfies every part of a range; NaN never does."""
    result = ~np.isnan(values)
    compare = {"under": np.less, "at_most": np.less_equal, "over": np.greater, "at_least": np.greater_equal}
    for part, meets in compare.items():
        if (limit := getattr(wanted, part)) is not None:
            result &= meets(values, limit)
    return result


def holds_for(condition: Condition, cases: pd.DataFrame) -> Flags:
    """Whether a condition holds for each case; an unknown (NaN) attribute satisfies nothing.

    Raises
    ------
    HealthlibError
        the cases have no such column
    """
    result = np.ones(len(cases), dtype=bool)
    for column, wanted in condition.items():
        if column not in cases:
            raise HealthlibError(no_column(column, cases, "a condition (`applies_to`, `when`) of the scorecard"))
        values = cases[column]
        if isinstance(wanted, Range):
            numbers = values if pd.api.types.is_numeric_dtype(values) else pd.to_numeric(values, errors="coerce")
            result &= holds(wanted, numbers.to_numpy(dtype=float, na_value=np.nan))
        else:
            known = values.map({True: "true", False: "false"}) if values.dtype == bool else values
            texts = known if isinstance(known.dtype, pd.StringDtype) else known.astype("str")
            result &= (texts.isin(list(wanted)) & values.notna()).to_numpy(dtype=bool)
    return result


@dataclass(frozen=True)
class Plan:
    """One metric made ready: its values, and scale and weight of each profile, the metric's own last.

    A scale is a straight line (`worst`, `span`) or `knots`: for each profile values and the points of each, either `steps` that begin there
    or a curve, straight between them.
    `choice` says which of them counts for each case (None: the last for all); `applies` None means that it applies to all.
    """

    values: Floats
    worst: Floats
    span: Floats
    weight: Floats
    choice: NDArray[np.intp] | None
    applies: Flags | None
    missing: str
    knots: tuple[tuple[Floats, Floats], ...] = ()
    steps: bool = False

    def _pick(self, table: Floats, rows: slice) -> Floats:
        return table[-1:] if self.choice is None else table[self.choice[rows]]

    def carried(self, rows: slice) -> Floats:
        """The weight of the metric for each row: 0 where it does not apply."""
        weight = self._pick(self.weight, rows)
        return weight if self.applies is None else weight * self.applies[rows]

    def measured(self, rows: slice, out: Floats) -> Floats:
        """Scores of the rows into `out`, before the rule for missing values."""
        if self.knots:
            self._read(rows, out)
        else:
            np.subtract(self.values[rows], self._pick(self.worst, rows), out=out)
            np.divide(out, self._pick(self.span, rows), out=out)
            np.clip(out, 0.0, 1.0, out=out)
            np.multiply(out, 100.0, out=out)
        if self.applies is not None:
            out[~self.applies[rows]] = np.nan
        return out

    def _read(self, rows: slice, out: Floats) -> None:
        """The points of the highest step that each value reaches, or of the curve there; beyond the knots those of the nearest."""
        values = self.values[rows]
        for part, (at, points) in enumerate(self.knots):
            if self.steps:
                found = points[np.maximum(np.searchsorted(at, values, side="right") - 1, 0)]
            else:
                found = np.interp(values, at, points)
            if self.choice is None:
                out[:] = found
            else:
                np.copyto(out, found, where=self.choice[rows] == part)
        out[np.isnan(values)] = np.nan

    def fill(self, out: Floats, rows: slice) -> None:
        """The rule for missing values; where the scale has no length the metric stays missing whatever its value."""
        if self.missing == "exclude":
            return
        gaps = np.isnan(self.values[rows]) & ~np.isnan(self._pick(self.span, rows))
        if self.applies is not None:
            gaps &= self.applies[rows]
        out[gaps] = 0.0 if self.missing == "worst" else 50.0


def plans(scorecard: Scorecard, cases: pd.DataFrame, weights: Mapping[str, float] | None) -> list[Plan]:
    """Every metric of the scorecard made ready for these cases, under the given weights if any.

    Raises
    ------
    HealthlibError
        a metric has no column, a scale end is still a quantile, or a weight is not one
    """
    for name in [name for name in scorecard.metrics if name not in cases][:1]:
        raise HealthlibError(no_column(name, cases, "the scorecard"))
    for name, weight in (weights or {}).items():
        if name not in scorecard.metrics:
            near = nearest(name, scorecard.metrics)
            hint = f"; did you mean {near!r}?" if near else ""
            raise HealthlibError(f"weights name {name!r}, which is not a metric of the scorecard{hint}")
        if not weight >= 0:
            raise HealthlibError(f"weight {weight} of {name!r}: expected a number of at least 0")
    known: dict[str, NDArray] = {}
    return [_plan(metric, cases, None if weights is None else weights.get(name, 0.0), known) for name, metric in scorecard.metrics.items()]


def _plan(metric: Metric, cases: pd.DataFrame, weight: float | None, known: dict[str, NDArray]) -> Plan:
    """`known` remembers what metrics share: conditions, and which profile counts. The first profile that matches wins."""

    def where(condition: Condition) -> Flags:
        return known.setdefault(key, holds_for(condition, cases)) if (key := repr(condition)) not in known else known[key]

    choice, whens = None, [profile.when for profile in metric.profiles]
    if whens:
        key = repr(whens)
        if key not in known:
            known[key] = np.select([where(when) for when in whens], list(range(len(whens))), len(whens))
        choice = known[key]
    parts = (*metric.profiles, metric)
    own = np.array([_number(metric, part, "weight") for part in parts])
    knots = tuple(_knots(part.steps or part.curve or drawn) for part in parts) if (drawn := metric.steps or metric.curve) else ()
    worst, best = (own if knots else np.array([_number(metric, part, key) for part in parts]) for key in ("worst", "best"))
    span = np.ones(len(parts)) if knots else np.where(best == worst, np.nan, best - worst)
    values = cases[metric.name].to_numpy(dtype=float, na_value=np.nan)
    fits = where(metric.applies_to) if metric.applies_to else None
    weights = own if weight is None else np.full(len(parts), weight)
    return Plan(values, worst, span, weights, choice, fits, metric.missing, knots, steps=metric.steps is not None)


def _knots(points: dict[float, float]) -> tuple[Floats, Floats]:
    return np.array(list(points)), np.array(list(points.values()))


def _number(metric: Metric, part: Metric | Profile, key: str) -> float:
    """A number of the metric or of one of its profiles, which may leave it to the metric."""
    found = getattr(part, key)
    end = getattr(metric, key) if found is None else found
    if end is None:
        raise HealthlibError(f"metric {metric.name!r} has no scale: give it worst and best, steps or a curve")
    if isinstance(end, Quantile):
        raise HealthlibError(f"metric {metric.name!r} has a scale end given as a quantile: call resolve_scales(scorecard, history) first")
    return float(end)


def _resolve_metric(metric: Metric, history: pd.DataFrame) -> Metric:
    """The metric with numbers as ends."""
    if metric.name not in history:
        raise HealthlibError(no_column(metric.name, history, "the scorecard"))
    values = history[metric.name].to_numpy(dtype=float, na_value=np.nan)
    values = np.where(holds_for(metric.applies_to, history), values, np.nan) if metric.applies_to else values
    free = np.ones(len(history), dtype=bool)
    firsts = []
    for profile in metric.profiles:
        firsts.append(free & holds_for(profile.when, history))
        free = free & ~firsts[-1]
    own = _read_ends({"worst": metric.worst, "best": metric.best}, values) if not metric.profiles else {}
    for key in ("worst", "best") if metric.profiles else ():
        elsewhere = [first for first, profile in zip(firsts, metric.profiles, strict=True) if getattr(profile, key) is not None]
        own |= _read_ends({key: getattr(metric, key)}, values[~np.any(elsewhere, axis=0)] if elsewhere else values)
    profiles = tuple(_resolve_profile(profile, metric, own, values[first]) for profile, first in zip(metric.profiles, firsts, strict=True))
    return metric.model_copy(update={**_forward(metric, own), "profiles": profiles})


def _resolve_profile(profile: Profile, metric: Metric, own: dict[str, float], values: Floats) -> Profile:
    """The profile with both ends as numbers, where it has an end of its own."""
    if profile.worst is None and profile.best is None:
        return profile
    ends = {key: own[key] if getattr(profile, key) is None else _read_ends({key: getattr(profile, key)}, values)[key] for key in own}
    return profile.model_copy(update=_forward(metric, ends))


def _read_ends(ends: dict[str, Any], values: Floats) -> dict[str, Any]:
    """The ends as numbers; those that are quantiles are read together, which sorts once."""
    asked = {key: end.quantile for key, end in ends.items() if isinstance(end, Quantile)}
    if not asked:
        return dict(ends)
    known = values[~np.isnan(values)]
    found = np.quantile(known, list(asked.values()), overwrite_input=True).tolist() if len(known) else [np.nan] * len(asked)
    return {**ends, **dict(zip(asked, found, strict=True))}


def _forward(metric: Metric, ends: dict[str, float]) -> dict[str, float]:
    """The ends, or NaN where they say nothing or run against `better`: a constant metric must not turn into a verdict."""
    runs = ends["best"] - ends["worst"]
    return ends if (runs > 0 if metric.better == "higher" else runs < 0) else dict.fromkeys(ends, np.nan)


def _has_quantile(metric: Metric) -> bool:
    return any(isinstance(end, Quantile) for part in (metric, *metric.profiles) for end in (part.worst, part.best))


def no_column(name: str, cases: pd.DataFrame, wanted_by: str) -> str:
    """The message that a column the scorecard names is not there, with the nearest name."""
    near = nearest(name, map(str, cases.columns))
    hint = f"; did you mean {near!r}?" if near else ""
    return f"{wanted_by} names {name!r}, but the cases have no such column{hint}. They have {', '.join(map(str, cases.columns))}"
