"""Metrics made of other metrics: the score of the first level that holds, and what the next one still lacks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import TopologicalSorter

import numpy as np
import pandas as pd

from healthlib.scales import Flags, Floats, holds, holds_for
from healthlib.spec import Level, Metric, Range, Scorecard


def made(scorecard: Scorecard, cases: pd.DataFrame) -> pd.DataFrame:
    """Every metric of the scorecard that is made of others, worked out for each case.

    The first level that holds gives its score. A metric that was not measured, or does not apply, makes its conditions neither true nor
    false (Kleene's logic: unknown and false is false, unknown or true is true). Where it decides between different scores the value is
    missing; where every level it could lead to scores the same, it is that.

    Parameters
    ----------
    cases : cases frame with a column for each metric that is measured

    Returns
    -------
    Same index, a float column a metric with `levels`, 0..100, NaN where missing; in the order of the scorecard
    """
    own = {name: metric for name, metric in scorecard.metrics.items() if metric.levels}
    values: dict[str, Floats] = {}

    def value(name: str) -> Floats:
        if name not in values:
            column = cases[name].to_numpy(dtype=float, na_value=np.nan)
            values[name] = np.where(holds_for(scorecard.metrics[name].applies_to, cases), column, np.nan)
        return values[name]

    result: dict[str, Floats] = {}
    for name in TopologicalSorter({name: metric.reads for name, metric in own.items()}).static_order():
        if name in own:
            result[name] = _score(own[name], {read: value(read) for read in own[name].reads}, len(cases))
            values[name] = np.where(holds_for(own[name].applies_to, cases), result[name], np.nan)
    return pd.DataFrame({name: result[name] for name in own}, index=cases.index, dtype=float)


def _score(metric: Metric, values: Mapping[str, Floats], length: int) -> Floats:
    """The one score that the known values leave possible; NaN where they leave several."""
    low, high, open_ = np.full(length, np.inf), np.full(length, -np.inf), np.ones(length, dtype=bool)
    for level in metric.levels:
        sure, possible = _truth(level, values, length)
        low[open_ & possible] = np.minimum(low[open_ & possible], level.score)
        high[open_ & possible] = np.maximum(high[open_ & possible], level.score)
        open_ &= ~sure
    return np.where(low == high, low, np.nan)


def _truth(level: Level, values: Mapping[str, Floats], length: int) -> tuple[Flags, Flags]:
    """Whether a level holds for certain, and whether it may."""
    sure, possible = np.ones(length, dtype=bool), np.ones(length, dtype=bool)
    for name, wanted in level.when.items():
        met, unknown = holds(wanted, values[name]), np.isnan(values[name])
        sure, possible = sure & met, possible & (met | unknown)
    if level.any_of:
        met = np.array([holds(wanted, values[name]) for name, wanted in level.any_of.items()])
        unknown = np.array([np.isnan(values[name]) for name in level.any_of])
        sure, possible = sure & met.any(axis=0), possible & (met | unknown).any(axis=0)
    return sure, possible


def readers(scorecard: Scorecard, names: Collection[str]) -> tuple[str, ...]:
    """`names`, and every metric of the scorecard that is made of one of them, directly or through others."""
    found = set(names)
    while more := {name for name, metric in scorecard.metrics.items() if name not in found and found & set(metric.reads)}:
        found |= more
    return tuple(name for name in scorecard.metrics if name in found)


def told(scorecard: Scorecard, metric: Metric, values: Mapping[str, float]) -> str:
    """Where one case stands on the levels of a metric, in words; "" for a metric without levels.

    Parameters
    ----------
    values : metric -> value of the case, that of `metric` too

    Examples
    --------
    >>> from healthlib.spec import Band
    >>> calls = Metric(name="calls", group="g", label="Calls", table="t", measure="count", worst=0, best=1)
    >>> levels = (Level(score=100, when={"calls": Range(at_least=3)}), Level(score=0))
    >>> contact = Metric(name="contact", group="g", label="Contact", levels=levels)
    >>> card = Scorecard(groups=("g",), metrics={"calls": calls, "contact": contact}, bands=(Band(name="all", start=0),))
    >>> told(card, contact, {"calls": 2, "contact": 0})
    'for 100 it lacks Calls at least 3 (2)'
    >>> told(card, contact, {"calls": float("nan"), "contact": float("nan")})
    'open without Calls'
    """
    if not metric.levels:
        return ""
    now = values[metric.name]
    if np.isnan(now):
        return "open without " + ", ".join(scorecard.metrics[name].label for name in metric.reads if np.isnan(values[name]))
    above = [level for level in metric.levels if level.score > now]
    if not above:
        return "the highest level"
    level = min(reversed(above), key=lambda one: one.score)
    return f"for {level.score:g} it lacks {'; '.join(_lacks(scorecard, level, values))}"


def _lacks(scorecard: Scorecard, level: Level, values: Mapping[str, float]) -> Iterator[str]:
    """What of a level does not hold."""

    def part(name: str, wanted: Range) -> str:
        is_now = "not measured" if np.isnan(values[name]) else f"{values[name]:.4g}"
        return f"{scorecard.metrics[name].label} {wanted} ({is_now})"

    def holds_now(name: str, wanted: Range) -> bool:
        return bool(holds(wanted, np.array([values[name]]))[0])

    yield from (part(name, wanted) for name, wanted in level.when.items() if not holds_now(name, wanted))
    if level.any_of and not any(holds_now(name, wanted) for name, wanted in level.any_of.items()):
        yield " or ".join(part(name, wanted) for name, wanted in level.any_of.items())
