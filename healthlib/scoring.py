"""Values to points, points to groups to a score, and back: an explanation sums exactly to the score."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sized
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.levels import readers, told
from healthlib.scales import Flags, Floats, Plan, holds, holds_for, plans, resolve_scales
from healthlib.spec import Gate, Scorecard

__all__ = [
    "Scores",
    "applies",
    "explain",
    "gate_holds",
    "gate_words",
    "metric_scores",
    "playbooks",
    "resolve_scales",
    "score",
    "score_array",
    "shortfalls",
    "top_drivers",
    "weight_matrix",
    "without_gates",
]

UNSCORED = "unscored"
DECIMALS = 10
"""Scores are rounded so far: a sum of weights that is 80 on paper must not miss the band from 80 by a rounding error."""
BLOCK = 16_384
"""Cases scored at a time, so that the work of one block stays in the processor's cache."""


@dataclass(frozen=True)
class Scores:
    """What `score` says of each case; every frame has the index of the cases.

    Attributes
    ----------
    frame : account_id, as_of, score (0..100, NaN = unscored), band (text), coverage (0..1, NaN = no weight applies),
        gate (name of the gate that lowered the score, or "")
    groups : a column a group, 0..100 before gates; NaN where nothing of weight was measured
    points : a column a metric; each row sums to the score, NaN where there is none. A gate's cut is charged to the gate's metric.
    metric_scores : a column a metric, 0..100; NaN where missing or not applicable
    scorecard, weights, cases : what the scores were made from
    """

    frame: pd.DataFrame
    groups: pd.DataFrame
    points: pd.DataFrame
    metric_scores: pd.DataFrame
    scorecard: Scorecard = field(repr=False)
    weights: Mapping[str, float] | None = field(repr=False)
    cases: pd.DataFrame = field(repr=False)


def applies(scorecard: Scorecard, cases: pd.DataFrame) -> pd.DataFrame:
    """Whether each metric applies to each case (`applies_to`); same index, a bool column a metric."""
    masks = {name: holds_for(metric.applies_to, cases) for name, metric in scorecard.metrics.items()}
    return pd.DataFrame(masks, index=cases.index)


def metric_scores(scorecard: Scorecard, cases: pd.DataFrame) -> pd.DataFrame:
    """Metric scores 100 * clip((value - worst) / (best - worst), 0, 1), after the rule for missing values.

    Parameters
    ----------
    scorecard : with numbers as scale ends, see `resolve_scales`
    cases : cases frame with a column a metric

    Returns
    -------
    Same index, a float column a metric, 0..100. NaN: missing (`missing: exclude`) or not applicable.

    Examples
    --------
    >>> from healthlib.spec import Band, Measure, Metric, Scorecard
    >>> tickets = Metric(name="tickets", group="g", label="Tickets", measure=Measure(kind="count"), worst=8, best=0, weight=1)
    >>> card = Scorecard(groups=("g",), metrics={"tickets": tickets}, bands=(Band(name="all", start=0),))
    >>> metric_scores(card, pd.DataFrame({"tickets": [0.0, 2.0, 9.0]}))["tickets"].tolist()
    [100.0, 75.0, 0.0]
    """
    return _frame(score_array(scorecard, cases), cases, scorecard)


def score_array(scorecard: Scorecard, cases: pd.DataFrame) -> Floats:
    """`metric_scores` as cases x metrics of doubles, each column contiguous."""
    result = _empty(cases, scorecard.metrics)
    for j, plan in enumerate(plans(scorecard, cases, None)):
        plan.fill(plan.measured(slice(None), result[:, j]), slice(None))
    return result


def weight_matrix(scorecard: Scorecard, cases: pd.DataFrame) -> pd.DataFrame:
    """The weight each metric carries for each case: that of its profile, 0 where it does not apply. Measured or not."""
    result = _empty(cases, scorecard.metrics)
    for j, plan in enumerate(plans(scorecard, cases, None)):
        result[:, j] = plan.carried(slice(None))
    return _frame(result, cases, scorecard)


def score(scorecard: Scorecard, cases: pd.DataFrame, weights: Mapping[str, float] | None = None) -> Scores:
    """Score every case: sum of weight * metric score / sum of weight over what is measured, then the lowest cap of the gates that hold.

    Parameters
    ----------
    scorecard : with numbers as scale ends, see `resolve_scales`
    cases : cases frame with a column a metric
    weights : metric -> weight to use in place of the scorecard's and its profiles'; a metric left out weighs 0

    Returns
    -------
    Scores. A case whose coverage (share of the weight that applies and was measured) is below `min_coverage` has no score.
    """
    ready = plans(scorecard, cases, weights)
    members = {group: [j for j, metric in enumerate(scorecard.metrics.values()) if metric.group == group] for group in scorecard.groups}
    result, points = _empty(cases, scorecard.metrics), _empty(cases, scorecard.metrics)
    groups = _empty(cases, scorecard.groups)
    total, coverage = np.full(len(cases), np.nan), np.full(len(cases), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        for start in range(0, len(cases), BLOCK):
            rows = slice(start, start + BLOCK)
            total[rows], coverage[rows] = _score_block(ready, list(members.values()), rows, (result[rows], points[rows], groups[rows]))
        total[~(coverage >= scorecard.min_coverage)] = np.nan
    if np.isnan(total).any():
        points[np.isnan(total)] = np.nan
    gate = _apply_gates(scorecard, cases, total, points)
    band = np.array([*(band.name for band in scorecard.bands), UNSCORED], dtype=object)
    starts = [band.start for band in scorecard.bands]
    place = np.where(np.isnan(total), len(starts), np.maximum(np.searchsorted(starts, total, side="right") - 1, 0))
    keys = {name: cases[name] for name in ("account_id", "as_of")}
    frame = pd.DataFrame({**keys, "score": total, "band": _texts(band, place), "coverage": coverage, "gate": gate}, cases.index)
    return Scores(frame, pd.DataFrame(groups, cases.index, list(scorecard.groups), copy=False), _frame(points, cases, scorecard),
                  _frame(result, cases, scorecard), scorecard, weights, cases)  # fmt: skip


def shortfalls(scores: Scores) -> pd.DataFrame:
    """What each metric keeps a score from 100: its share of the weight * (100 - metric score), and a gate's cut with the gate's metric.

    Returns
    -------
    Same index as the scores, a column a metric; points + shortfalls sum to 100. 0 where not measured, NaN where unscored.
    """
    carried = _empty(scores.cases, scores.points.columns)
    for j, plan in enumerate(plans(scores.scorecard, scores.cases, scores.weights)):
        carried[:, j] = plan.carried(slice(None))
    carried[np.isnan(scores.metric_scores.to_numpy())] = 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        share = carried / carried.sum(axis=1, keepdims=True)
    return _frame(100 * share - scores.points.to_numpy(), scores.cases, scores.scorecard)


def explain(scores: Scores, row: Hashable) -> pd.DataFrame:
    """One score, metric by metric.

    Parameters
    ----------
    row : index label of the case

    Returns
    -------
    metric, label, group, value, metric_score, points (sum to the score), shortfall (largest first), note (of a metric with levels: what
    the next level lacks)
    """
    metrics, at = scores.scorecard.metrics, [row]
    part = replace(scores, points=scores.points.loc[at], metric_scores=scores.metric_scores.loc[at], cases=scores.cases.loc[at])
    values = part.cases[list(metrics)].to_numpy(dtype=float)[0]
    known = dict(zip(metrics, values.tolist(), strict=True))
    columns = {
        "metric": list(metrics),
        "label": [metric.label for metric in metrics.values()],
        "group": [metric.group for metric in metrics.values()],
        "value": values,
        "metric_score": part.metric_scores.to_numpy()[0],
        "points": part.points.to_numpy()[0],
        "shortfall": shortfalls(part).to_numpy()[0],
        "note": [told(scores.scorecard, metric, known) for metric in metrics.values()],
    }
    return pd.DataFrame(columns).sort_values("shortfall", ascending=False, kind="stable", ignore_index=True)


def top_drivers(scores: Scores, count: int = 3, *, dates: pd.DataFrame | None = None) -> pd.Series:
    """The strongest pulls down and up of each score in plain words, with the value behind each; same index as the scores.

    Down: what keeps the score from 100 (`shortfalls`); up: the points added by other metrics.

    Parameters
    ----------
    dates : a column a metric, words to put behind the value (its date and age); same rows as the scores
    """
    short, points = shortfalls(scores).to_numpy(), scores.points.to_numpy()
    values = scores.cases[list(scores.points)].to_numpy(dtype=float)
    metrics, words = list(scores.scorecard.metrics.values()), gate_words(scores.scorecard)
    down, up = np.argsort(-short, axis=1, kind="stable")[:, :count], np.argsort(-points, axis=1, kind="stable")
    aged = np.full(values.shape, "", dtype=object) if dates is None else dates[list(scores.points)].to_numpy(dtype=object)
    texts = []
    for i, (gate, coverage) in enumerate(zip(scores.frame["gate"], scores.frame["coverage"].fillna(0.0), strict=True)):
        if np.isnan(points[i]).all():
            texts.append(f"not scored: {coverage:.0%} of the weight was measured")
            continue
        worst = [j for j in down[i] if short[i, j] >= 0.05]
        best = [j for j in up[i] if points[i, j] >= 0.05 and j not in worst][:count]
        sides = {"down": [(j, -short[i, j]) for j in worst], "up": [(j, points[i, j]) for j in best]}
        known = dict(zip(scores.scorecard.metrics, values[i].tolist(), strict=True))
        parts = [words[gate]] if gate else []
        for side, pulls in sides.items():
            notes = {j: told(scores.scorecard, metrics[j], known) for j, _ in pulls}
            drivers = [_driver(metrics[j].label, values[i, j], by, aged[i, j], notes[j]) for j, by in pulls]
            parts += [f"{side}: " + ", ".join(drivers)] if pulls else []
        texts.append("; ".join(parts))
    return pd.Series(pd.array(texts, dtype="str"), index=scores.frame.index, name="top_drivers")


def gate_words(scorecard: Scorecard) -> dict[str, str]:
    """Gate -> what it does to a score, in words."""
    return {
        gate.name: f"{f'capped at {gate.cap:g}' if gate.cap is not None else f'held in {gate.band}'} by {gate.name}"
        for gate in scorecard.gates
    }


def without_gates(scorecard: Scorecard, metrics: Collection[str]) -> Scorecard:
    """The scorecard without the gates that read one of `metrics`, or a metric made of one: what knows the outcome decides no score."""
    refused = readers(scorecard, metrics)
    return scorecard.model_copy(update={"gates": tuple(gate for gate in scorecard.gates if gate.metric not in refused)})


def playbooks(scores: Scores) -> pd.Series:
    """What to do with each account: of the playbooks for its band, that of the group with the largest shortfall; "" where there is none."""
    groups = np.array([metric.group for metric in scores.scorecard.metrics.values()])
    short = shortfalls(scores).to_numpy()
    result = pd.Series("", index=scores.frame.index, dtype="str", name="playbook")
    for band, plays in scores.scorecard.playbooks.items():
        rows = np.flatnonzero((scores.frame["band"] == band).to_numpy())
        known = [group for group in scores.scorecard.groups if group in plays]
        if len(rows) and known:
            pulls = np.column_stack([short[rows][:, groups == group].sum(axis=1) for group in known])
            texts = np.array([*(plays[group] for group in known), ""], dtype=object)
            result.iloc[rows] = texts[np.where(pulls.max(axis=1) > 0, pulls.argmax(axis=1), len(known))]
    return result


def _driver(label: str, value: float, by: float, aged: str = "", note: str = "") -> str:
    """A pull in words; `aged` says of when the value is, `note` more of the value.

    >>> _driver("Active seats", 0.214, -12.36), _driver("Calls", float("nan"), -3.0)
    ('Active seats 0.21 (-12.4)', 'Calls not measured (-3.0)')
    """
    more = f", {note}" if note else ""
    if np.isnan(value):
        return f"{label} not measured{aged}{more} ({by:+.1f})"
    digits = f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.3g}" if abs(value) >= 1 else f"{value:.2f}"
    return f"{label} {digits}{aged}{more} ({by:+.1f})"


def _score_block(ready: list[Plan], members: list[list[int]], rows: slice, out: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats]:
    """Score a block of cases into `out` (metric scores, points, groups); returns scores before gates, and coverage."""
    result, points, groups = out
    total, weight, seen, due = (np.zeros(len(result)) for _ in range(4))
    gone, counts = np.empty(len(result), dtype=bool), np.empty(len(result))
    for group, columns in enumerate(members):
        earned, has, due_here = np.zeros(len(result)), np.zeros(len(result)), np.zeros(1)
        has_measured = np.zeros(len(result)) if any(ready[j].missing != "exclude" for j in columns) else has
        for j in columns:
            plan, scores, earns = ready[j], result[:, j], points[:, j]
            carried = plan.carried(rows)
            due_here = due_here + carried
            np.isnan(plan.measured(rows, scores), out=gone)
            if has_measured is not has:
                has_measured += carried * ~gone
                plan.fill(scores, rows)
                np.isnan(scores, out=gone)
            np.multiply(scores, carried, out=earns)
            if gone.any():
                np.copyto(earns, 0.0, where=gone)
                has += np.multiply(np.logical_not(gone, out=gone), carried, out=counts)
            else:
                has += carried
            earned += earns
        np.round(np.divide(earned, has, out=counts), DECIMALS, out=groups[:, group])
        total, weight, seen, due = total + earned, weight + has, seen + has_measured, due + due_here
    points /= weight[:, None]
    return np.round(total / weight, DECIMALS), seen / due


def gate_holds(scorecard: Scorecard, gate: Gate, cases: pd.DataFrame) -> Flags:
    """Whether the condition of a gate holds for each case: its metric applies, was measured, and is in the range."""
    values = cases[gate.metric].to_numpy(dtype=float, na_value=np.nan)
    return holds(gate.holds, values) & holds_for(scorecard.metrics[gate.metric].applies_to, cases)


def _apply_gates(scorecard: Scorecard, cases: pd.DataFrame, total: Floats, points: Floats) -> pd.api.extensions.ExtensionArray:
    """Lower total to the lowest cap that holds and charge points of the gate's metric, both in place; the names of the gates that did."""
    names = np.array([*(gate.name for gate in scorecard.gates), ""], dtype=object)
    place, cap = np.full(len(cases), len(names) - 1), total.copy()
    for i, gate in enumerate(scorecard.gates):
        limit = scorecard.cap_of(gate)
        caught = gate_holds(scorecard, gate, cases) & (limit < cap)
        place[caught], cap[caught] = i, limit
    columns = list(scorecard.metrics)
    for i, gate in enumerate(scorecard.gates):
        rows = np.flatnonzero(place == i)
        points[rows, columns.index(gate.metric)] -= total[rows] - cap[rows]
    total[:] = cap
    return _texts(names, place)


def _empty(cases: pd.DataFrame, columns: Sized) -> Floats:
    """Cases x columns, each column contiguous: that is how a frame stores it, so no copy follows."""
    return np.empty((len(cases), len(columns)), order="F")


def _frame(values: Floats, cases: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    return pd.DataFrame(values, index=cases.index, columns=list(scorecard.metrics), copy=False)


def _texts(names: NDArray[np.object_], place: NDArray[np.int64]) -> pd.api.extensions.ExtensionArray:
    return pd.array(names, dtype="str").take(place)
