"""Would learned scales predict better? The curves from all finished cases, what was observed beside them, and whether to adopt them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.backtest import problem_of
from healthlib.learned_scales import TOLD_COLUMNS, Learned, learn_scales
from healthlib.resample import NOTHING, Estimate, rates
from healthlib.spec import Scorecard
from healthlib.studies.outlook import deciding
from healthlib.studies.verdict import FEWEST, WORTH, Verdict
from healthlib.studies.verdict import said as ahead_said
from healthlib.weights import fit, whole
from healthlib.wording import counted, tested

SCALE_COLUMNS = ("metric", "label", "value", "points_now", "points_learned", "cases", "lost", "kept", "low", "high")
CURVE_COLUMNS = ("metric", "value", "points", "profile", "recommended")
WEIGHT_COLUMNS = ("metric", "group", "current", "fitted", "recommended")


@dataclass(frozen=True)
class ScaleFacts:
    """What scales the outcomes would draw.

    Attributes
    ----------
    advice, reason : adopt, keep or insufficient_evidence for the learned scales with their weights, and why
    scales : metric, label, value (median of a bin of the metric), points_now, points_learned (of 100), cases, lost, kept (share of the
        bin's cases) with 95 % interval low, high from resampling accounts; metrics without bins are absent
    told : metric, label, learned (bool), why (where it keeps its scale), departure (log-odds), most_moved (points): a row a metric
    curves : scales.csv: metric, value, points, profile (-1: the metric's own scale), recommended (bool); a row a knot
    weights : scales_weights.csv: metric, group, current, fitted (on the learned scales, points of 100), recommended (whole)
    """

    advice: str
    reason: str
    scales: pd.DataFrame = field(repr=False)
    told: pd.DataFrame = field(repr=False)
    curves: pd.DataFrame = field(repr=False)
    weights: pd.DataFrame = field(repr=False)


def _none(columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))


NO_SCALES = ScaleFacts(
    "insufficient_evidence", "No scale could be learned yet.", _none(SCALE_COLUMNS), _none(TOLD_COLUMNS), _none(CURVE_COLUMNS),
    _none(WEIGHT_COLUMNS),
)  # fmt: skip


def learned_study(
    card: Scorecard, done: pd.DataFrame, accounts: tuple[NDArray[np.intp], NDArray[Any]], strength: float, comparison: dict[str, Any]
) -> ScaleFacts:
    """Learn scales from all finished cases and judge them by the replay's comparison.

    Parameters
    ----------
    card : the scorecard compared, with numbers as scale ends
    done : finished cases
    accounts : codes and counts of the account bootstrap
    strength : of the pull of the weights towards those in use
    comparison : `differences` and `arr_differences` with learned_minus_fitted and learned_minus_current
    """
    lost, split = done["lost"].to_numpy(dtype=float), "accounts" if "fold" in done else "time"
    if not 0 < lost.sum() < len(done):
        return NO_SCALES
    found = learn_scales(card, done)
    verdict = _advice(found, comparison)
    return ScaleFacts(
        verdict.recommendation, tested(split, verdict.reason), _observed(found, lost, accounts), found.told,
        found.curves.assign(recommended=verdict.recommendation == "adopt")[list(CURVE_COLUMNS)], _weights(card, found, done, strength),
    )  # fmt: skip


def _observed(found: Learned, lost: NDArray[np.float64], accounts: tuple[NDArray[np.intp], NDArray[Any]]) -> pd.DataFrame:
    """`SCALE_COLUMNS`: the bins of every metric with what was kept in them."""
    tables = []
    for name, part in found.bins.groupby("metric", sort=False):
        seen = rates(lost, *accounts, groups=found.code[str(name)])
        kept = {"kept": 1 - seen["value"], "low": 1 - seen["high"], "high": 1 - seen["low"]}
        tables.append(part.reset_index(drop=True).assign(cases=seen["weight"], lost=seen["events"], **kept))
    return pd.concat(tables, ignore_index=True)[list(SCALE_COLUMNS)] if tables else _none(SCALE_COLUMNS)


def _weights(card: Scorecard, found: Learned, done: pd.DataFrame, strength: float) -> pd.DataFrame:
    """The weights that go with the learned scales: `WEIGHT_COLUMNS`, metrics left out at 0."""
    problem = problem_of(found.scorecard, done)
    if not problem.names:
        return _none(WEIGHT_COLUMNS)
    fitted = dict(zip(problem.names, 100 * fit(problem, done["lost"], strength=strength).weights, strict=True))
    points, total = whole(fitted, card), max(sum(card.weights.values()), 1e-12)
    rows = [
        (name, metric.group, 100 * metric.weight / total, fitted.get(name, 0.0), points.get(name, 0))
        for name, metric in card.metrics.items()
    ]
    return pd.DataFrame(rows, columns=list(WEIGHT_COLUMNS))


def _advice(found: Learned, comparison: dict[str, Any]) -> Verdict:
    """Adopt if the learned scales beat, out of time, both the fitted weights on the present scales and the present scorecard, each with an
    interval above zero; keep if they can gain no `WORTH` over the fitted weights; else insufficient."""
    gains = comparison["differences"]
    over_fitted, over_current = (gains.get(name, NOTHING) for name in ("learned_minus_fitted", "learned_minus_current"))
    n_lost = int(np.nan_to_num(over_fitted.events))
    if not found.code:
        return Verdict("insufficient_evidence", f"No metric has enough to draw a curve from: {_fewest(found)}.")
    if not found.told["learned"].any():
        return Verdict("keep", "No metric's outcomes depart from its scale by more than their scatter, so every scale stands.")
    if not np.isfinite([over_fitted.value, over_fitted.low, over_current.low]).all() or n_lost < FEWEST:
        return Verdict("insufficient_evidence", f"Only {counted(n_lost, 'lost case')} could be tested out of time; it takes {FEWEST}.")
    basis = f"Out of time, on {counted(n_lost, 'lost case')}, learned scales gain {_span(over_fitted)} AUC over"
    said = f"{basis} weights fitted on the present scales, and {_span(over_current)} over the present scorecard"
    if over_fitted.low > 0 and over_current.low > 0:
        return Verdict("adopt", f"{said}.{_by_arr(comparison['arr_differences'])}")
    if over_fitted.high < WORTH:
        return Verdict("keep", f"{said}: a gain of {WORTH} or more over the fitted weights can be ruled out.")
    return Verdict("insufficient_evidence", f"{said}, which does not decide it. {_more(over_fitted, over_current)}")


def _fewest(found: Learned) -> str:
    """Why most metrics have no bins, and which metric's reason it is."""
    if found.told.empty:
        return "none may be weighed"
    why = found.told["why"].mode().iloc[0]
    return f"{found.told.loc[found.told['why'] == why, 'label'].iloc[0]}, for one: {why}"


def _by_arr(gains: dict[str, Estimate]) -> str:
    """Whether a gain by accounts is one by ARR too."""
    found = [gains.get(name, NOTHING) for name in ("learned_minus_fitted", "learned_minus_current")]
    if not np.isfinite([part for gain in found for part in (gain.value, gain.low, gain.high)]).all():
        return " By ARR the gain cannot be computed."
    said = " and ".join(_span(gain) for gain in found)
    return f" By ARR: {said}{'' if min(gain.low for gain in found) > 0 else '; there it cannot be told from none'}."


def _more(over_fitted: Estimate, over_current: Estimate) -> str:
    """How many more lost cases would settle it, as `outlook.deciding` has it."""
    ahead = deciding(over_fitted, over_current, over_fitted)
    return f"Going by what is known now, {ahead_said(ahead.even, ahead.likely)}."


def _span(estimate: Estimate) -> str:
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})".replace("-", "−")
