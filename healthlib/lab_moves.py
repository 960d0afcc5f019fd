"""What a slider may do: weights stay at 100 points and within limits, scales keep their direction, thresholds their order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from healthlib.spec import Scorecard

STEP = 0.1
"""Weights are moved in tenths of a point: what is shown is what is saved."""


@dataclass(frozen=True)
class Setting:
    """Where every slider stands: metric -> points of 100, metric -> keys of its scale (worst and best, or curve), band -> its start.

    `grown` is what makes the scorecard's weights points of 100; weights that profiles have of their own grow with them.
    """

    weights: Mapping[str, float]
    scales: Mapping[str, Mapping[str, Any]]
    bands: Mapping[str, float]
    grown: float = 1.0


@dataclass(frozen=True)
class Move:
    """Where the sliders stand after a move, and what was said where it could not go all the way."""

    setting: Setting
    said: str = ""


def setting_of(card: Scorecard) -> Setting:
    """A scorecard (numbers as scale ends) as the lab shows it, its weights scaled to 100 points; equal ones where all are 0."""
    total = sum(card.weights.values())
    weights = {name: 100 * weight / total if total else 100 / len(card.metrics) for name, weight in card.weights.items()}
    scales, bands = {name: scale_of(metric) for name, metric in card.metrics.items()}, {band.name: band.start for band in card.bands}
    return Setting(weights, scales, bands, 100 / total if total else 1.0)


def scale_of(metric: Any) -> dict[str, Any]:
    """The keys of a metric's scale that sliders can move; none for steps, levels, and ends that history could not give."""
    curve = getattr(metric, "curve", None)
    if curve:
        return {"curve": dict(curve)}
    ends = {"worst": metric.worst, "best": metric.best}
    known = all(isinstance(end, int | float) and np.isfinite(end) for end in ends.values())
    return ends if known and not metric.steps and not metric.levels else {}


def card_of(card: Scorecard, setting: Setting) -> Scorecard:
    """The scorecard with the weights, scales and thresholds of a setting."""
    metrics = {}
    for name, metric in card.metrics.items():
        profiles = tuple(p if p.weight is None else p.model_copy(update={"weight": p.weight * setting.grown}) for p in metric.profiles)
        metrics[name] = metric.model_copy(update={"weight": setting.weights[name], "profiles": profiles, **setting.scales[name]})
    bands = tuple(band.model_copy(update={"start": setting.bands[band.name]}) for band in card.bands)
    return card.model_copy(update={"metrics": metrics, "bands": bands})


def with_weight(card: Scorecard, now: Setting, name: str, points: float, locked: Collection[str] = ()) -> Move:
    """One weight moved; the others that are not locked take up the difference in proportion, all stay within `limits` and sum to 100.

    Where the limits or the locks stop the move it goes as far as they let it, and says so.
    """
    free = [other for other in now.weights if other != name and other not in locked]
    if not free:
        return Move(now, "Every other weight is locked: nothing can take up the difference.")
    held = sum(now.weights[other] for other in locked if other != name)
    asked = round(min(max(points, 0.0), 100.0 - held), 1)
    breach = outside(card, now.weights)
    good, bad = now.weights[name], asked
    best = _spread(card, now, name, bad, free)
    if best is None or outside(card, best) > breach + 1e-9:
        best = dict(now.weights)
        while abs(bad - good) > STEP / 2:
            middle = (good + bad) / 2
            found = _spread(card, now, name, round(middle, 1), free)
            if found is not None and outside(card, found) <= breach + 1e-9:
                good, best = middle, found
            else:
                bad = middle
    done = replace(now, weights=best)
    return Move(done, "" if abs(best[name] - points) < 0.06 else _why_not(card, done, name, held))


def _spread(card: Scorecard, now: Setting, name: str, points: float, free: list[str]) -> dict[str, float] | None:
    """The weights with `name` at `points` and the rest shared in proportion within the limits; None where it cannot be.

    A group that the sharing would take out of its limit stays at the limit, and the others take up what is left.
    """
    found = {**now.weights, name: points}
    open_, left = list(free), 100.0 - sum(weight for other, weight in found.items() if other not in free)
    for _ in range(len(card.groups) + 1):
        given = _fill(card, now, open_, left)
        if given is None:
            return None
        found |= given
        broken = [(key, limit.min if held < limit.min else limit.max, held) for key, (limit, held) in _held(card, found).items()
                  if key in card.groups and not limit.min - 1e-9 <= held <= limit.max + 1e-9]  # fmt: skip
        members = [other for other in open_ if broken and card.metrics[other].group == broken[0][0]]
        if not members:
            break
        _, bound, held = broken[0]
        target = bound - held + sum(found[other] for other in members)
        pinned = _fill(card, now, members, target) if target >= 0 else None
        if pinned is None:
            break
        found |= pinned
        open_, left = [other for other in open_ if other not in members], left - target
    return found


def _fill(card: Scorecard, now: Setting, names: list[str], rest: float) -> dict[str, float] | None:
    """`rest` points shared over metrics in proportion to where they stand, in tenths, within each metric's own limits."""
    own = [card.limits.get(name) for name in names]
    low, high = (np.array([getattr(limit, end) if limit else default for limit in own]) for end, default in (("min", 0.0), ("max", 100.0)))
    if rest < low.sum() - 1e-9 or rest > high.sum() + 1e-9:
        return None
    if not names:
        return {}
    base = np.array([now.weights[name] for name in names])
    base = base if base.sum() > 0 else np.ones(len(names))
    given = np.clip(base * (rest / base.sum()), low, high)
    for _ in range(len(names)):
        gap = rest - given.sum()
        spare = (given < high - 1e-12) if gap > 0 else (given > low + 1e-12)
        if abs(gap) < 1e-9 or not spare.any():
            break
        share = np.where(spare, np.maximum(base, 1e-6), 0.0)
        given = np.clip(given + gap * share / share.sum(), low, high)
    tenths = np.floor(given / STEP + 1e-6)
    most = np.lexsort((np.arange(len(names)), -(given / STEP - tenths)))
    tenths[most[: max(round(rest / STEP - tenths.sum()), 0)]] += 1
    values = np.round(tenths * STEP, 1)
    values[int(values.argmax())] += rest - values.sum()
    return {name: _tidy(value) for name, value in zip(names, values.tolist(), strict=True)}


def _tidy(value: float) -> float:
    return max(round(value, 6), 0.0)


def outside(card: Scorecard, weights: Mapping[str, float]) -> float:
    """By how many points of 100 the weights leave the scorecard's limits, over all limits; 0 inside."""
    return sum(max(limit.min - held, held - limit.max, 0.0) for limit, held in _held(card, weights).values())


def _held(card: Scorecard, weights: Mapping[str, float]) -> dict[str, tuple[Any, float]]:
    """Limit by name, with the points of the metric or group it is about."""
    group = {name: metric.group for name, metric in card.metrics.items()}
    return {
        key: (limit, sum(points for name, points in weights.items() if key in (name, group[name]))) for key, limit in card.limits.items()
    }


def _why_not(card: Scorecard, now: Setting, name: str, locked: float) -> str:
    """Which limits or locks stopped a weight."""
    tight = [f"{key} {limit.min:g} to {limit.max:g}" for key, (limit, held) in _held(card, now.weights).items()
             if min(abs(held - limit.min), abs(held - limit.max)) < 0.15]  # fmt: skip
    kept = f" Limits in scorecard.yaml: {', '.join(tight)}." if tight else ""
    held = f" Locked weights hold {locked:g} points." if locked else ""
    return f"{card.metrics[name].label} stops at {now.weights[name]:g} points.{kept}{held}"


def with_scale(card: Scorecard, now: Setting, name: str, key: str, value: float) -> Move:
    """One end of a metric's scale moved (`key` worst or best), or the points of one value of its curve (`key` that value)."""
    scale, metric = dict(now.scales[name]), card.metrics[name]
    if "curve" in scale:
        curve = dict(scale["curve"]) | {float(key): min(max(value, 0.0), 100.0)}
        points = [curve[at] for at in sorted(curve)]
        way = 1 if metric.better == "higher" else -1
        if any(way * (after - before) < 0 for before, after in pairwise(points)):
            return Move(now, f"{metric.label}: the curve keeps its direction ({metric.better} is better).")
        return Move(replace(now, scales={**now.scales, name: {"curve": curve}}))
    ends = scale | {key: round(float(value), 10)}
    runs = ends["best"] - ends["worst"]
    if runs == 0 or (runs > 0) != (metric.better == "higher"):
        return Move(now, f"{metric.label}: {metric.better} is better, so worst and best cannot meet or change sides.")
    return Move(replace(now, scales={**now.scales, name: ends}))


def with_band(now: Setting, name: str, start: float) -> Move:
    """The score at which a band begins moved, at least a tenth away from its neighbours; the lowest band keeps its start."""
    names = list(now.bands)
    at = names.index(name)
    if at == 0:
        return Move(now, f"{name} is the lowest band; it takes every score below the next one.")
    low = now.bands[names[at - 1]] + STEP
    high = now.bands[names[at + 1]] - STEP if at + 1 < len(names) else 100.0
    reached = round(min(max(start, low), high), 1)
    said = "" if abs(reached - start) < 0.06 else f"{name} stays between the bands beside it, from {low:g} to {high:g}."
    return Move(replace(now, bands={**now.bands, name: reached}), said)
