"""What a score is measured against: its best single metric, a logistic regression without bounds, and gradient boosting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.backtest import MOST_ROWS, choose, has_quantiles
from healthlib.calibration import curve
from healthlib.spec import Metric, Scorecard
from healthlib.splits import Split, splits
from healthlib.stats import auc
from healthlib.weights import RIDGE, candidates

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

Array = NDArray[np.float64]

SIZES: tuple[dict[str, Any], ...] = (
    {"max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 4, "l2_regularization": 5.0},
    {"max_iter": 80, "learning_rate": 0.06, "max_leaf_nodes": 8, "l2_regularization": 1.0},
)
"""Boosting for a few dozen losses, and for some hundreds. Which it is, earlier tests decide, as they do the strength of the pull."""

FIXED: dict[str, Any] = {"min_samples_leaf": 20, "max_bins": 64, "early_stopping": False, "random_state": 0}


@dataclass(frozen=True)
class Challengers:
    """What the challengers said of each tested case, before it happened.

    Attributes
    ----------
    scores : best_metric, logistic, boosting: minus the log-odds of loss, so higher is healthier; index = place among the finished cases,
        in the order of the splits
    chosen : cutoff, metric: the best single metric by the training cases of each split
    refits, folds : splits at which boosting was fitted, and all splits
    """

    scores: pd.DataFrame = field(repr=False)
    chosen: pd.DataFrame
    refits: int
    folds: int


def challenge(done: pd.DataFrame, scorecard: Scorecard) -> Challengers:
    """Walk the splits of the replay, each challenger learning from the training cases alone.

    All see the metrics that a fit may weigh. The single metric and the logistic regression see metric scores, with scale ends from the
    past; boosting sees values as measured where the metric applies, with gaps as gaps: how a value becomes points is part of what the
    readable score costs.

    Parameters
    ----------
    done : finished cases, sorted as `backtest.replay` sorts them
    scorecard : with the metrics to be left out already at weight 0
    """
    from threadpoolctl import threadpool_limits

    names = candidates(scorecard)
    parts = splits(done) if names else []
    fixed = None if has_quantiles(scorecard) or not parts else _points(done, scorecard)
    raw, lost = done[list(names)].to_numpy(dtype=float), done["lost"].to_numpy(dtype=float)
    booster = _Booster(lost)
    tested, chosen = [pd.DataFrame(columns=["best_metric", "logistic", "boosting"], dtype=float)], []
    with threadpool_limits(limits=1):
        for part in parts:
            points = fixed if fixed is not None else _points(done, scoring.resolve_scales(scorecard, done[part.seen]))
            found, best = _challenged(points, np.where(np.isfinite(points), raw, np.nan), lost, part, booster)
            chosen.append((part.name, names[best]))
            tested.append(found)
    scores = pd.concat(tested[1:]) if parts else tested[0]
    return Challengers(scores, pd.DataFrame(chosen, columns=["cutoff", "metric"]), booster.refits, len(parts))


def _challenged(points: Array, raw: Array, lost: Array, part: Split, booster: _Booster) -> tuple[pd.DataFrame, int]:
    """What each challenger says of the tested cases of one split, and which metric was the best."""
    best, single = _single(points, lost, part)
    found = {
        "best_metric": single, "logistic": -_logistic(points[part.train], lost[part.train], points[part.test]),
        "boosting": -booster.log_odds(raw, part),
    }  # fmt: skip
    return pd.DataFrame(found, index=np.flatnonzero(part.test)), best


def _points(done: pd.DataFrame, card: Scorecard) -> Array:
    return scoring.metric_scores(card, done)[list(candidates(card))].to_numpy(dtype=float) / 100


def _single(points: Array, lost: Array, part: Split) -> tuple[int, Array]:
    """The metric that alone ranks the training cases best, and what it says of the tested ones; NaN where it was not measured.

    The metric's score goes through a logistic curve fitted on the training cases: one scale for all splits, whichever metric they choose.
    """
    x, y = points[part.train], lost[part.train]
    best = int(np.argmax([alone(column, y) for column in x.T]))
    known = np.isfinite(x[:, best])
    intercept, slope = curve(100 * x[known, best], y[known])
    return best, slope * points[part.test, best] - intercept


def alone(points: Array, lost: Array) -> float:
    """AUC of one metric; a pair in which one is not measured counts as a coin toss, so that a metric known of a few does not win.

    >>> alone(np.array([0.0, 1.0, np.nan, np.nan]), np.array([1.0, 0.0, 1.0, 0.0]))
    0.625
    """
    known = np.isfinite(points)
    share = [float(known[lost == kind].mean()) for kind in (1, 0)]
    area = auc(points[known], lost[known])
    return 0.5 + share[0] * share[1] * (area - 0.5) if np.isfinite(area) else 0.5


def _logistic(x: Array, lost: Array, new: Array) -> Array:
    """Log-odds of loss by a logistic regression without bounds: a gap is the training mean and a 1 in a column of its own.

    With the trace of ridge that the fit of the weights has, so that separated outcomes give large and not infinite slopes.
    """
    from sklearn.linear_model import LogisticRegression

    gap = ~np.isfinite(x)
    mean = np.where(gap, 0.0, x).sum(axis=0) / np.maximum((~gap).sum(axis=0), 1)
    some = gap.any(axis=0) & ~gap.all(axis=0)
    filled = [np.column_stack([np.where(np.isfinite(block), block, mean), ~np.isfinite(block[:, some])]) for block in (x, new)]
    model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky", tol=1e-8, max_iter=200)
    return model.fit(filled[0], lost).decision_function(filled[1])


class _Booster:
    """Gradient boosting walked along the splits: both sizes are fitted, and the one speaks that did better in earlier tests.

    In time it is fitted at the first cut-off of each quarter, because it is slow; without time on every fold.
    """

    def __init__(self, lost: Array):
        self.lost = lost
        self.losses = np.full((len(lost), len(SIZES)), np.nan)
        self.models: list[_Trees] = []
        self.of: pd.Timestamp | str = ""
        self.refits = 0

    def log_odds(self, raw: Array, part: Split) -> Array:
        """Log-odds of loss of the tested cases; the size is chosen on training cases tested before, without time on one inner fold."""
        quarter = part.name.to_period("Q").start_time if isinstance(part.name, pd.Timestamp) else part.name
        if quarter != self.of:
            self.of = quarter
            self.models = [_Trees(raw[part.train], self.lost[part.train], size) for size in SIZES]
            self.refits += 1
        losses = self._inner(raw, part.inner[0]) if part.inner else self.losses
        known = part.train & np.isfinite(losses[:, 0])
        said = np.column_stack([model.log_odds(raw[part.test]) for model in self.models])
        self.losses[part.test] = _losses(said, self.lost[part.test])
        return said[:, choose(losses[known], self.lost[known])]

    def _inner(self, raw: Array, part: Split) -> Array:
        losses = np.full_like(self.losses, np.nan)
        said = [_Trees(raw[part.train], self.lost[part.train], size).log_odds(raw[part.test]) for size in SIZES]
        losses[part.test] = _losses(np.column_stack(said), self.lost[part.test])
        return losses


def _losses(log_odds: Array, lost: Array) -> Array:
    """Log loss of each case under each column of log-odds."""
    return np.logaddexp(0, log_odds) - lost[:, None] * log_odds


class _Trees:
    """One fitted model; columns with no value among the training cases are not shown to it."""

    def __init__(self, raw: Array, lost: Array, size: dict[str, Any]):
        from sklearn.ensemble import HistGradientBoostingClassifier

        if len(raw) > MOST_ROWS:
            few = np.sort(np.random.default_rng(0).choice(len(raw), MOST_ROWS, replace=False))
            raw, lost = raw[few], lost[few]
        self.seen = np.isfinite(raw).any(axis=0)
        self.model: HistGradientBoostingClassifier | None = None
        if self.seen.any() and 0 < lost.sum() < len(lost):
            self.model = HistGradientBoostingClassifier(**FIXED, **size).fit(raw[:, self.seen], lost)

    def log_odds(self, raw: Array) -> Array:
        """Log-odds of loss; 0 for all where nothing could be learned."""
        return np.zeros(len(raw)) if self.model is None else self.model.decision_function(raw[:, self.seen])


def rating_of(scorecard: Scorecard, cases: pd.DataFrame) -> Metric | None:
    """The metric that is the CSM's own rating: on `ratings`, of the largest weight, also where that is 0; None without one."""
    found = [m for m in scorecard.metrics.values() if m.table == "ratings" and m.name in cases and cases[m.name].notna().any()]
    return max(found, key=lambda metric: metric.weight) if found else None
