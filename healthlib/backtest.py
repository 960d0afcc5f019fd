"""Replays the past: at each month's end fit on what had finished, then score what came next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.bands import band_names, matched_starts
from healthlib.calibration import curve
from healthlib.spec import Quantile, Scorecard
from healthlib.stats import logistic
from healthlib.weights import STRENGTHS, Fit, Problem, candidates, cone, current_weights, path

LEAST = 15
"""A replay starts once this many lost and this many kept cases have finished."""

LEAST_TESTED = 10
"""A strength other than infinite is chosen once this many lost cases were tested; less says nothing against those in use."""

MOST_ROWS = 20_000
"""Thresholds and strengths are read from at most this many training cases; more would change neither."""

SCORECARDS = ("current", "equal", "fitted")

FOLD_COLUMNS = ("cutoff", "train_cases", "train_lost", "test_cases", "test_lost", "train_until", "test_from", "test_to", "strength")


@dataclass(frozen=True)
class Replay:
    """What a walk-forward replay leaves.

    Attributes
    ----------
    folds : DataFrame with `FOLD_COLUMNS`, a row a cut-off
    predictions : a row per tested case: account_id, as_of, lost, arr, the score out of time under current, equal, fitted and `free` (fitted
        without the pull towards the current weights), incumbent where given, current_band, probability (of loss, from the current score,
        its curve fitted on the training cases), cutoff
    thresholds : cutoff, scorecard, band, threshold_from
    weights : cutoff, metric, weight (points of 100)
    strength : of the pull, chosen by the log loss out of time of all folds
    losses : strength, log_loss (mean out of time), cases
    """

    folds: pd.DataFrame
    predictions: pd.DataFrame
    thresholds: pd.DataFrame
    weights: pd.DataFrame
    strength: float
    losses: pd.DataFrame = field(repr=False)


def trainable(cases: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """The cases that may teach at `at`: their whole horizon and grace lie before it, and their outcome is known.

    Churn is known early and renewal late, so "whatever is known by then" would over-count churn.
    """
    return cases[_finished(cases, at)]


def _finished(cases: pd.DataFrame, at: pd.Timestamp) -> pd.Series:
    return (cases["horizon_ends_on"] < at) & cases["lost"].notna()


def month_ends(first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Every last day of a month from the month of `first` to the month before `last` ends.

    >>> [str(day.date()) for day in month_ends(pd.Timestamp("2024-01-15"), pd.Timestamp("2024-03-15"))]
    ['2024-01-31', '2024-02-29']
    """
    return pd.date_range(first.normalize(), last.normalize(), freq="ME", unit="s")


def cutoffs(cases: pd.DataFrame, *, least: int = LEAST) -> pd.DatetimeIndex:
    """Month-ends at which at least `least` lost and `least` kept cases had finished and after which some finished case was scored."""
    done = cases[cases["lost"].notna()]
    if done.empty:
        return pd.DatetimeIndex([], dtype="datetime64[s]")
    ends = month_ends(done["as_of"].min(), done["as_of"].max() + pd.Timedelta(days=1))
    horizon, lost = done["horizon_ends_on"].to_numpy(), done["lost"].to_numpy()
    seen = [[np.sum((horizon < end.to_datetime64()) & (lost == kind)) for kind in (1, 0)] for end in ends]
    enough = [min(pair) >= least for pair in seen]
    return ends[enough]


def has_quantiles(scorecard: Scorecard) -> bool:
    """Whether any scale end must be read from history, and so differs between cut-offs."""
    ends = [end for m in scorecard.metrics.values() for part in (m, *m.profiles) for end in (part.worst, part.best)]
    return any(isinstance(end, Quantile) for end in ends)


def problem_of(scorecard: Scorecard, cases: pd.DataFrame) -> Problem:
    """The cases as metric scores / 100, over the metrics a fit may weigh; scales must be resolved.

    Cases with less than `min_coverage` of the current weight measured have no score and so teach none: all NaN.
    """
    names = candidates(scorecard)
    scores = scoring.metric_scores(scorecard, cases)[list(names)].to_numpy(dtype=float) / 100
    current = current_weights(scorecard, names)
    scores[np.isfinite(scores) @ current < scorecard.min_coverage] = np.nan
    return Problem(names, scores, current, cone(scorecard, names))


def replay(cases: pd.DataFrame, scorecard: Scorecard) -> Replay:
    """Replay fitting and scoring month by month, each finished case tested once.

    At cut-off C the training cases are `trainable(cases, C)`, the test cases those scored on C or later but before the next
    cut-off. Scale ends given as quantiles are read from cases before C. The strength of the pull at C is chosen by the log loss over
    the test cases of earlier cut-offs that had finished by C: out of time, on data the fold was allowed to see.

    Parameters
    ----------
    cases : cases frame with outcomes; `incumbent` (a score) optional
    scorecard : with the metrics to be left out already at weight 0
    """
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    ends = cutoffs(done)
    if not len(candidates(scorecard)):
        ends = ends[:0]
    state = _State(done, scorecard)
    for at, cutoff in enumerate(ends):
        until = ends[at + 1] if at + 1 < len(ends) else done["as_of"].max() + pd.Timedelta(days=1)
        test = ((done["as_of"] >= cutoff) & (done["as_of"] < until)).to_numpy()
        if test.any():
            state.step(cutoff, _finished(done, cutoff).to_numpy(), test)
    return state.result()


class _State:
    """What is carried from fold to fold: fixed scales are scored once, losses by strength are remembered."""

    def __init__(self, done: pd.DataFrame, scorecard: Scorecard):
        self.done, self.card = done, scorecard
        self.moving = has_quantiles(scorecard)
        self.names = candidates(scorecard)
        self.losses = np.zeros((len(done), len(STRENGTHS)))
        self.tested = np.zeros(len(done), dtype=bool)
        self.fits: list[Fit] = []
        self.folds: list[dict[str, object]] = []
        self.predictions: list[pd.DataFrame] = []
        self.thresholds: list[pd.DataFrame] = []
        self.weights: list[pd.DataFrame] = []
        if not self.moving and len(done):
            self._measure(scorecard)

    def _measure(self, card: Scorecard) -> None:
        """Everything about the cases that does not depend on fitted weights, under these scales."""
        self.now = card
        self.problem = problem_of(card, self.done)
        current = scoring.score(card, self.done).frame
        self.current, self.band = current["score"].to_numpy(dtype=float), current["band"].to_numpy(dtype=object)
        self.equal = self._score(dict.fromkeys(self.names, 1.0), slice(None))

    def _score(self, weights: dict[str, float], rows: NDArray | slice) -> NDArray[np.float64]:
        every = {name: weights.get(name, 0.0) for name in self.now.metrics}
        return scoring.score(self.now, self.done.iloc[rows], every).frame["score"].to_numpy(dtype=float)

    def step(self, cutoff: pd.Timestamp, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> None:
        """One cut-off: fit every strength, choose one by the past, score the test cases, remember their losses."""
        if self.moving:
            self._measure(scoring.resolve_scales(self.card, self.done[self.done["as_of"] < cutoff]))
        rows, lost = np.flatnonzero(train), self.done["lost"].to_numpy(dtype=float)
        self.fits = fits = path(self.problem.rows(rows), lost[rows], starts=self.fits)
        chosen = fits[self._best(self.tested & train)]
        self._remember(fits, np.flatnonzero(test), lost)
        self._record(cutoff, (rows, np.flatnonzero(test)), chosen, fits[-1])

    def _best(self, known: NDArray[np.bool_]) -> int:
        """Index of the strength with least loss over the tested cases known by now; the strongest pull while there are none."""
        return choose(self.losses[known], self.done["lost"].to_numpy(dtype=float)[known])

    def _remember(self, fits: list[Fit], rows: NDArray[np.intp], lost: NDArray[np.float64]) -> None:
        # A case of which nothing weighed was measured tells no strength from another: it gets the probability under the current weights.
        unknown = np.nan_to_num(fits[0].probability(self.problem.scores[rows]), nan=0.5)
        for column, one in enumerate(fits):
            found = one.probability(self.problem.scores[rows])
            p = np.clip(np.where(np.isfinite(found), found, unknown), 1e-9, 1 - 1e-9)
            self.losses[rows, column] = -(lost[rows] * np.log(p) + (1 - lost[rows]) * np.log1p(-p))
        self.tested[rows] = True

    def _record(self, cutoff: pd.Timestamp, rows: tuple[NDArray[np.intp], NDArray[np.intp]], chosen: Fit, free: Fit) -> None:
        train, test = rows
        few = train if len(train) <= MOST_ROWS else np.sort(np.random.default_rng(0).choice(train, MOST_ROWS, replace=False))
        weights = dict(zip(self.names, chosen.weights, strict=True))
        scored = self.done.iloc[test]
        taught = self.done.iloc[train]
        columns = {"current": self.current[test], "equal": self.equal[test], "fitted": self._score(weights, test)}
        learned = {"equal": self.equal[few], "fitted": self._score(weights, few)}
        frame = scored[["account_id", "as_of", "lost", "arr"]].assign(
            **columns,
            free=self._score(dict(zip(self.names, free.weights, strict=True)), test),
            current_band=self.band[test],
            probability=self._probability(train, test),
            cutoff=cutoff,
        )
        if "incumbent" in self.done:
            frame["incumbent"] = scored["incumbent"].to_numpy(dtype=float)
            learned["incumbent"] = taught["incumbent"].to_numpy(dtype=float)
        self.predictions.append(frame)
        self.weights.append(pd.DataFrame({"cutoff": cutoff, "metric": list(self.names), "weight": 100 * chosen.weights}))
        self.thresholds.append(self._threshold_rows(cutoff, learned, self.current[few]))
        self.folds.append({
            "cutoff": cutoff, "train_cases": len(train), "train_lost": int(taught["lost"].sum()),
            "test_cases": len(test), "test_lost": int(scored["lost"].sum()), "train_until": taught["horizon_ends_on"].max(),
            "test_from": scored["as_of"].min(), "test_to": scored["as_of"].max(), "strength": chosen.strength,
        })  # fmt: skip

    def _probability(self, train: NDArray[np.intp], test: NDArray[np.intp]) -> NDArray[np.float64]:
        """P(lost) promised by the current score, its curve fitted on the training cases."""
        known = train[np.isfinite(self.current[train])]
        intercept, slope = curve(self.current[known], self.done["lost"].to_numpy(dtype=float)[known])
        return logistic(intercept - slope * self.current[test] / 100)

    def _threshold_rows(self, cutoff: pd.Timestamp, learned: dict[str, NDArray[np.float64]], current: NDArray[np.float64]) -> pd.DataFrame:
        """Thresholds chosen on the training cases; those of the current scorecard are the ones in the file."""
        chosen = {"current": [float(band.start) for band in self.card.bands]}
        chosen |= {name: matched_starts(score, current, self.card) for name, score in learned.items()}
        return pd.concat([
            pd.DataFrame({"cutoff": cutoff, "scorecard": name, "band": band_names(self.card), "threshold_from": [*starts, np.nan]})
            for name, starts in chosen.items()
        ], ignore_index=True)  # fmt: skip

    def result(self) -> Replay:
        """The replay as frames; with no fold the frames are empty and the pull is infinite."""
        known = self.tested
        mean = self.losses[known].mean(axis=0) if known.any() else np.full(len(STRENGTHS), np.nan)
        losses = pd.DataFrame({"strength": STRENGTHS, "log_loss": mean, "cases": int(known.sum())})
        strength = STRENGTHS[self._best(known)] if len(self.done) else float("inf")
        return Replay(
            pd.DataFrame(self.folds, columns=list(FOLD_COLUMNS)), _stack(self.predictions, PREDICTION_COLUMNS),
            _stack(self.thresholds, ("cutoff", "scorecard", "band", "threshold_from")),
            _stack(self.weights, ("cutoff", "metric", "weight")), strength, losses,
        )  # fmt: skip


PREDICTION_COLUMNS = ("account_id", "as_of", "lost", "arr", "current", "equal", "fitted", "free", "current_band", "probability", "cutoff")


def _stack(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(columns))


def choose(losses: NDArray[np.float64], lost: NDArray[np.float64]) -> int:
    """Which column of case losses has the least mean; ties, and fewer than `LEAST_TESTED` lost cases, go to column 0, the strongest pull.

    >>> choose(np.array([[0.3, 0.2]] * 12), np.ones(12)), choose(np.array([[0.3, 0.2]]), np.ones(1))
    (1, 0)
    """
    return int(np.argmin(losses.mean(axis=0))) if lost.sum() >= LEAST_TESTED else 0
