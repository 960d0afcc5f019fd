"""One scorecard for all, unless a segment's own weights predict its outcomes better: segment weights pulled towards the pooled ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.backtest import choose, has_quantiles, problem_of
from healthlib.resample import account_weights, percentile
from healthlib.spec import Scorecard
from healthlib.splits import LEAST
from healthlib.stats import auc, auc_replicates
from healthlib.studies.fit import FitFacts, usable
from healthlib.studies.groups import attributes
from healthlib.studies.verdict import FEWEST
from healthlib.studies.walk import Mask, Step, log_losses, pooled, sample, steps
from healthlib.weight_intervals import free_interval, unbounded
from healthlib.weights import Fit, Problem, candidates, design, fit, path, respread, whole

if TYPE_CHECKING:
    from healthlib.studies.book import Book

Array = NDArray[np.float64]

PULLS = (float("inf"), 100.0, 30.0, 10.0, 3.0, 1.0)
"""Strengths of the pull towards the pooled weights, strongest first; infinity is the pooled weights themselves."""

SEGMENT_COLUMNS = (
    "attribute", "segment", "accounts", "cases", "lost", "tested_lost", "own_auc", "gain", "low", "high", "corrected_low",
    "corrected_high", "arr_gain", "arr_low", "arr_high", "over_current", "over_current_low", "over_current_high", "moved",
    "moved_alone", "strength", "verdict",
)  # fmt: skip
WEIGHT_COLUMNS = ("attribute", "segment", "metric", "label", "pooled", "own", "low", "high")

Paired = tuple[Array, Array, Array, NDArray[np.intp], NDArray[Any], Array]


@dataclass(frozen=True)
class SegmentFacts:
    """Whether any segment deserves weights of its own.

    Attributes
    ----------
    table : `SEGMENT_COLUMNS`, a row a segment: accounts, cases and lost ones it has; tested_lost out of time; own_auc by its own;
        gain of them over the pooled ones (AUC, paired) with 95 % interval low, high and the one corrected for the number of segments
        tested; the same by ARR; their gain over the weights in use; points of 100 the own weights moved from the pooled ones, and
        would move on the segment's outcomes alone; strength of the pull; verdict: own, pooled or too_few
    weights : `WEIGHT_COLUMNS`, points of 100; low and high the 95 % interval of what the segment's outcomes alone allow
    tests : segments tested, for which the corrected intervals allow
    profiles : text to paste into scorecard.yaml; empty where no segment gets its own weights
    split : "time" or "accounts"
    notes : what was cut, in words
    """

    table: pd.DataFrame
    weights: pd.DataFrame = field(repr=False)
    tests: int
    profiles: str
    split: Literal["time", "accounts"]
    notes: tuple[str, ...] = ()


def of(book: Book, done: dict[str, Any]) -> SegmentFacts:
    """The facts of `segment_study` on the cases of a book, for `studies.compute`."""
    found: FitFacts = done["fit"]
    return segment_study(book.compared_cases, usable(book.workspace.scorecard, found.leaks), found.weights)


def segment_study(
    cases: pd.DataFrame, scorecard: Scorecard, weights: pd.DataFrame, *, seed: int = 0, replicates: int = 400
) -> SegmentFacts:
    """Fit each segment of each attribute, pulled towards the pooled weights; test its weights out of time against the pooled ones.

    Walking forward by half-years: pooled weights from what had finished, then each segment's own pulled towards them, the strength of that
    pull one for all segments of an attribute and chosen by their log loss in earlier half-years. A segment gets its own weights only if
    they beat the pooled ones, the interval corrected for the number of segments tested (Bonferroni) above zero, and those in use.

    Parameters
    ----------
    scorecard : `fit.usable`: without the metrics that seem to know the outcome
    weights : `FitFacts.weights`: the pooled weights are its `fitted`
    seed, replicates : of the account bootstrap
    """
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    split = "accounts" if "fold" in done else "time"
    done, cut = sample(done)
    names = candidates(scorecard)
    point = weights.set_index("metric")["fitted"].reindex(list(names)).to_numpy(dtype=float) / 100
    columns = attributes(done, scorecard) if len(done) else []
    if len(names) < 2 or not columns or not np.isfinite(point).all():
        return SegmentFacts(pd.DataFrame(columns=list(SEGMENT_COLUMNS)), pd.DataFrame(columns=list(WEIGHT_COLUMNS)), 0, "", split, cut)
    ground = _ground(done, scorecard)
    found = [_attribute(ground, column, point, seed=seed, replicates=replicates) for column in columns]
    table = _corrected(pd.concat([rows for rows, _ in found], ignore_index=True))
    told = pd.concat([rows for _, rows in found], ignore_index=True)
    told["label"] = told["metric"].map({name: metric.label for name, metric in scorecard.metrics.items()})
    tests = int((table["verdict"] != "too_few").sum())
    return SegmentFacts(
        table.reindex(columns=list(SEGMENT_COLUMNS)),
        told[list(WEIGHT_COLUMNS)],
        tests,
        _profiles(table, told, scorecard, weights),
        split,
        cut,
    )


@dataclass(frozen=True)
class _Ground:
    """What all attributes share: the cases, the steps with the problem and the pooled fit of each, and the problem of all cases."""

    done: pd.DataFrame
    lost: Array
    walked: list[tuple[Step, Problem, Fit]]
    last: Problem


def _ground(done: pd.DataFrame, card: Scorecard) -> _Ground:
    taken, lost = steps(done), done["lost"].to_numpy(dtype=float)
    last = problem_of(scoring.resolve_scales(card, done), done)
    views = [last] * len(taken)
    if has_quantiles(card):
        views = [problem_of(scoring.resolve_scales(card, done[step.train]), done) for step in taken]
    return _Ground(done, lost, list(zip(taken, views, pooled(views, lost, taken), strict=True)), last)


def _attribute(ground: _Ground, column: str, point: Array, *, seed: int, replicates: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of `table` and `weights` for the segments of one attribute."""
    labels = ground.done[column].astype("string")
    masks = {name: (labels == name).fillna(False).to_numpy(dtype=bool) for name in sorted(labels.dropna().unique())}
    score, losses = _walked(ground, {name: mask for name, mask in masks.items() if _testable(ground, mask) >= FEWEST})
    tested = np.isfinite(losses[:, 0])
    strength = PULLS[choose(losses[tested], ground.lost[tested])]
    rows, told = [], []
    for name, mask in masks.items():
        rows.append({
            "attribute": column, "segment": name, "accounts": ground.done.loc[mask, "account_id"].nunique(), "cases": int(mask.sum()),
            "lost": int(ground.lost[mask].sum()), "strength": strength, **_gains(ground, score, mask & tested, (seed, replicates)),
        })  # fmt: skip
        if rows[-1]["tested_lost"] < FEWEST:
            continue
        own = _final(ground, mask, point, (strength, seed))
        told.append(own.assign(attribute=column, segment=name))
        rows[-1] |= {"moved": _moved(own["own"], own["pooled"]), "moved_alone": _moved(own["alone"], own["pooled"])}
    return pd.DataFrame(rows), pd.concat(told, ignore_index=True) if told else pd.DataFrame(columns=list(WEIGHT_COLUMNS))


def _testable(ground: _Ground, mask: Mask) -> float:
    """Lost cases of a segment in half-years before which it had enough finished cases of its own."""
    enough = [step.test for step, _, _ in ground.walked if _enough(ground.lost[step.train & mask])]
    return float(ground.lost[np.any(enough, axis=0) & mask].sum()) if enough else 0.0


def _enough(lost: Array) -> bool:
    return bool(min(lost.sum(), len(lost) - lost.sum()) >= LEAST)


def _walked(ground: _Ground, masks: dict[str, Mask]) -> tuple[dict[str, Array], Array]:
    """Scores out of time under own, pooled and current weights, and the log losses of the segments' fits under each strength."""
    size = len(ground.lost)
    score = {name: np.full(size, np.nan) for name in ("own", "pooled", "current")}
    losses = np.full((size, len(PULLS)), np.nan)
    starts: dict[str, list[Fit]] = {}
    for step, problem, base in ground.walked:
        known = step.train & np.isfinite(losses[:, 0])
        at = choose(losses[known], ground.lost[known])
        for kind, used in (("pooled", base.weights), ("current", problem.current)):
            score[kind][step.test] = respread(problem.scores[step.test], used)
        for name, mask in masks.items():
            train, test = step.train & mask, step.test & mask
            if not _enough(ground.lost[train]) or not test.any():
                continue
            taught = Problem(problem.names, problem.scores[train], base.weights, problem.cone)
            starts[name] = path(taught, ground.lost[train], strengths=PULLS, starts=starts.get(name, ()))
            losses[test] = log_losses(problem.rows(test), ground.lost[test], starts[name])
            score["own"][test] = respread(problem.scores[test], starts[name][at].weights)
    return score, losses


def _gains(ground: _Ground, score: dict[str, Array], mask: Mask, drawn: tuple[int, int]) -> dict[str, float]:
    """AUC of a segment's own weights out of time, and what it gains over the pooled and the current ones; NaN where nothing was tested."""
    use = mask & np.isfinite(np.column_stack(list(score.values()))).all(axis=1)
    lost = ground.lost[use]
    found = {"tested_lost": int(lost.sum()), "own_auc": np.nan, "sd": np.nan}
    if lost.sum() < FEWEST or lost.sum() == len(lost):
        return found | dict.fromkeys([c for c in SEGMENT_COLUMNS if c.startswith(("gain", "low", "high", "arr_", "over_"))], np.nan)
    codes, counts = account_weights(ground.done.loc[use, "account_id"], drawn[1], drawn[0])
    arr = ground.done.loc[use, "arr"].to_numpy(dtype=float)
    for money in (None, arr if np.isfinite(arr).all() and arr.sum() > 0 else None):
        asked = score if money is None else {name: score[name] for name in ("own", "pooled")}
        one = {name: _auc(np.round(100 * values[use], 1), lost, (codes, counts), money) for name, values in asked.items()}
        gain = percentile(one["own"][0] - one["pooled"][0], one["own"][1] - one["pooled"][1])
        if money is None:
            over = percentile(one["own"][0] - one["current"][0], one["own"][1] - one["current"][1])
            found |= {"own_auc": one["own"][0], "gain": gain.value, "low": gain.low, "high": gain.high}
            found |= {"over_current": over.value, "over_current_low": over.low, "over_current_high": over.high}
            found["sd"] = float(np.nanstd(one["own"][1] - one["pooled"][1]))
        else:
            found |= {"arr_gain": gain.value, "arr_low": gain.low, "arr_high": gain.high}
    return found


def _auc(score: Array, lost: Array, accounts: tuple[NDArray[np.intp], NDArray[Any]], weight: Array | None) -> tuple[float, Array]:
    return auc(score, lost, weight), auc_replicates(score, lost, *accounts, weight)


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """Bonferroni's interval of each gain, normal in its tails (a thousand replicates do not reach them), and the verdict."""
    from scipy.stats import norm

    enough = table["tested_lost"] >= FEWEST
    wide = norm.ppf(1 - 0.025 / max(int(enough.sum()), 1)) * table["sd"]
    table = table.assign(corrected_low=table["gain"] - wide, corrected_high=table["gain"] + wide)
    better = enough & (table["corrected_low"] > 0) & (table["low"] > 0) & (table["over_current_low"] > 0)
    return table.assign(verdict=np.select([better, enough], ["own", "pooled"], "too_few"))


def _final(ground: _Ground, mask: Mask, point: Array, how: tuple[float, int]) -> pd.DataFrame:
    """Weights of one segment on all its cases: metric, pooled, own (pulled), alone (unpulled), low, high."""
    problem, lost = ground.last.rows(mask), ground.lost[mask]
    towards = Problem(problem.names, problem.scores, point, problem.cone)
    ends = np.array([np.zeros(len(point)), np.ones(len(point))])
    own = alone = point
    if _enough(lost):
        own, free = fit(towards, lost, strength=how[0]).weights, fit(towards, lost, strength=0.0)
        alone, measured = free.weights, np.isfinite(problem.scores).any(axis=1)
        rows, y = design(problem.rows(measured), alone), lost[measured]
        codes, counts = account_weights(ground.done["account_id"].to_numpy()[mask][measured], 300, how[1])
        if np.isfinite(unbounded(rows, y)).all():
            ends = np.array(free_interval(rows, y, codes, counts))
    low, high = np.minimum(ends[0], own), np.maximum(ends[1], own)
    frame = {"metric": list(problem.names), "pooled": 100 * point, "own": 100 * own, "alone": 100 * alone}
    return pd.DataFrame({**frame, "low": 100 * low, "high": 100 * high})


def _moved(one: pd.Series, other: pd.Series) -> float:
    """Points of 100 that lie elsewhere: half the sum of the absolute differences."""
    return float((one - other).abs().sum() / 2)


def _profiles(table: pd.DataFrame, told: pd.DataFrame, scorecard: Scorecard, weights: pd.DataFrame) -> str:
    """What to paste: the attribute whose segments gain most, its segments with weights of their own."""
    import yaml

    own = table[table["verdict"] == "own"]
    if own.empty:
        return ""
    attribute = own.groupby("attribute")["gain"].max().idxmax()
    current = weights.set_index("metric")["current"]
    lines: dict[str, list[str]] = {}
    for segment in own.loc[own["attribute"] == attribute, "segment"]:
        mine = told[(told["attribute"] == attribute) & (told["segment"] == segment)].set_index("metric")["own"]
        points = dict.fromkeys(current.index[(current > 0) & ~current.index.isin(mine.index)], 0) | whole(
            {str(name): float(value) for name, value in mine.items()}, scorecard
        )
        for metric, weight in points.items():
            when = yaml.safe_dump({str(attribute): str(segment)}, default_flow_style=True, width=10_000, allow_unicode=True).strip()
            lines.setdefault(str(metric), []).append(f"      - when: {when}\n        weight: {weight}")
    return "\n".join(["metrics:", *(f"  {metric}:\n    profiles:\n" + "\n".join(parts) for metric, parts in lines.items())])
