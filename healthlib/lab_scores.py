"""Scores of the same cases under one weight or scale after another: what does not change is kept, what comes out equals `scoring.score`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.scales import Floats, Plan, plans
from healthlib.scoring import BLOCK, DECIMALS, gate_holds
from healthlib.spec import Metric, Scorecard


class Points:
    """Metric scores of fixed cases, and how their gaps lie; ask `score` for the scores under some weights.

    What was measured of a case does not depend on weights or scales. Cases with the same gaps share the sums of weights that a score is
    divided by, so those are added up once a pattern of gaps. Sums run in the order of `scoring.score`, so that bands agree to the last bit.

    Parameters
    ----------
    card : with numbers as scale ends
    cases : cases frame with a column a metric
    """

    def __init__(self, card: Scorecard, cases: pd.DataFrame):
        self.card, self.cases = card, cases
        self.names = list(card.metrics)
        self.groups = [[j for j, metric in enumerate(card.metrics.values()) if metric.group == group] for group in card.groups]
        self.earned = np.zeros((len(self.names), len(cases)))
        self.choice: list[NDArray[np.intp] | None] = []
        marks = np.zeros((len(cases), len(self.names)), dtype=np.uint8)
        for j, plan in enumerate(plans(card, cases, None)):
            marks[:, j] = self._read(j, plan)
            self.choice.append(plan.choice if _weighs(card.metrics[self.names[j]]) else None)
        found, place = np.unique(marks, axis=0, return_inverse=True) if len(cases) else (marks, np.zeros(0, dtype=np.intp))
        self.patterns, self.place = np.asfortranarray(found), place.reshape(-1).astype(np.int32)
        self.held = [gate_holds(card, gate, cases) for gate in card.gates]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.earned.nbytes + self.place.nbytes + self.patterns.nbytes

    def _read(self, j: int, plan: Plan) -> NDArray[np.uint8]:
        """One metric's scores; returns the pattern: 1 filled, 2 measured, 4 applies, from 8 on which profile's weight counts."""
        rows, scores = slice(None), np.empty(len(self.cases))
        measured = ~np.isnan(plan.measured(rows, scores))
        plan.fill(scores, rows)
        filled = ~np.isnan(scores)
        self.earned[j] = np.where(filled, scores, 0.0)
        applies = np.ones(len(scores), dtype=bool) if plan.applies is None else plan.applies
        which = plan.choice if plan.choice is not None and _weighs(self.card.metrics[self.names[j]]) else 0
        return (filled + 2 * measured + 4 * applies + 8 * np.asarray(which)).astype(np.uint8)

    def rescale(self, metric: Metric) -> None:
        """Take another scale for one metric; everything else stays."""
        j = self.names.index(metric.name)
        self.card = self.card.model_copy(update={"metrics": {**self.card.metrics, metric.name: metric}})
        alone = self.card.model_copy(update={"metrics": {metric.name: metric}})
        self._read(j, plans(alone, self.cases, None)[0])

    def score(self, card: Scorecard) -> Floats:
        """The score of every case under the weights, gates and bands of `card`, whose scales are those last taken; NaN: unscored."""
        tables = [_weights(card.metrics[name]) for name in self.names]
        has, seen, due = self._divisors(tables)
        with np.errstate(invalid="ignore", divide="ignore"):
            scored = seen / due >= card.min_coverage
        divisor = np.where(scored, has, np.nan)[self.place] if len(self.place) else np.zeros(0)
        total = np.empty(len(self.cases))
        for start in range(0, len(total), BLOCK):
            rows = slice(start, start + BLOCK)
            total[rows] = self._sum(rows, tables)
        with np.errstate(invalid="ignore", divide="ignore"):
            np.divide(total, divisor, out=total)
        np.round(total, DECIMALS, out=total)
        for gate, held in zip(card.gates, self.held, strict=True):
            np.minimum(total, card.cap_of(gate), out=total, where=held)
        return total

    def _divisors(self, tables: list[Floats]) -> tuple[Floats, Floats, Floats]:
        """By pattern: the weight that is scored, that was measured, and that applies."""
        has, seen, due = (np.zeros(len(self.patterns)) for _ in range(3))
        for members in self.groups:
            parts = [np.zeros(len(self.patterns)) for _ in range(3)]
            for j in members:
                code = self.patterns[:, j]
                carried = (tables[j][code >> 3] if self.choice[j] is not None else tables[j][-1]) * ((code & 4) > 0)
                for part, bit in zip(parts, (1, 2, 4), strict=True):
                    part += carried * ((code & bit) > 0)
            has, seen, due = has + parts[0], seen + parts[1], due + parts[2]
        return has, seen, due

    def _sum(self, rows: slice, tables: list[Floats]) -> Floats:
        """Weight times metric score, added up group by group."""
        total = np.zeros(len(self.earned[0, rows]) if len(self.names) else 0)
        work = np.empty_like(total)
        for members in self.groups:
            group = np.zeros_like(total)
            for j in members:
                choice = self.choice[j]
                carried = tables[j][-1] if choice is None else tables[j][choice[rows]]
                if choice is not None or carried:
                    np.multiply(self.earned[j, rows], carried, out=work)
                    group += work
            total += group
        return total


def _weighs(metric: Metric) -> bool:
    """Whether some profile has a weight of its own."""
    return any(profile.weight is not None for profile in metric.profiles)


def _weights(metric: Metric) -> Floats:
    """The weight under each profile, the metric's own last."""
    return np.array([metric.weight if profile.weight is None else profile.weight for profile in metric.profiles] + [metric.weight])


def places(score: Floats, starts: list[float]) -> NDArray[np.intp]:
    """The number of each score's band, from 0; the number of bands for what has no score."""
    place = np.searchsorted(np.asarray(starts), score, side="right") - 1
    return np.where(np.isnan(score), len(starts), np.maximum(place, 0))
