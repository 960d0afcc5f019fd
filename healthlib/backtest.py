"""Replays the past: at each month's end fit on what had finished, then score what came next."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.bands import band_names, band_starts, matched_starts
from healthlib.calibration import curve
from healthlib.learned_scales import MOST_ROWS as MOST_LEARNED
from healthlib.learned_scales import learn_scales
from healthlib.spec import Quantile, Scorecard
from healthlib.split_audit import audit_splits
from healthlib.splits import Split, splits
from healthlib.stats import logistic
from healthlib.weights import STRENGTHS, Fit, Problem, candidates, cone, current_weights, path

Array = NDArray[np.float64]

LEAST_TESTED = 10
"""A strength other than infinite is chosen once this many lost cases were tested; less says nothing against those in use."""

MOST_ROWS = 20_000
"""Thresholds are read from at most this many training cases; more would not change them."""

MOST_PROMISED = 100_000
"""Learned scales, and the curve from score to probability, are fitted on at most so many training cases: its standard error is a hundredth
then."""

FOLD_COLUMNS = ("cutoff", "train_cases", "train_lost", "test_cases", "test_lost", "train_until", "test_from", "test_to", "strength")
PREDICTION_COLUMNS = (
    "account_id",
    "as_of",
    "lost",
    "arr",
    "current",
    "equal",
    "fitted",
    "free",
    "current_band",
    "probability",
    "cutoff",
    "learned",
)
THRESHOLD_COLUMNS = ("cutoff", "scorecard", "band", "threshold_from")


@dataclass(frozen=True)
class Replay:
    """What a walk-forward replay leaves.

    Attributes
    ----------
    folds : DataFrame with `FOLD_COLUMNS`, a row a cut-off
    predictions : a row per tested case: account_id, as_of, lost, arr, the score out of time under current, equal, fitted and `free` (fitted
        without the pull towards the current weights), incumbent where given, current_band, probability (of loss, from the current score,
        its curve fitted on the training cases), cutoff, learned (scales learned and weights fitted on the training cases, with the pull of
        `fitted`: what differs is the scales alone)
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


def has_quantiles(scorecard: Scorecard) -> bool:
    """Whether any scale end must be read from history, and so differs between cut-offs."""
    ends = [end for m in scorecard.metrics.values() for part in (m, *m.profiles) for end in (part.worst, part.best)]
    return any(isinstance(end, Quantile) for end in ends)


def problem_of(scorecard: Scorecard, cases: pd.DataFrame) -> Problem:
    """The cases as metric scores / 100, over the metrics a fit may weigh; scales must be resolved.

    Cases with less than `min_coverage` of the current weight measured have no score and so teach none: all NaN.
    """
    names = candidates(scorecard)
    some = scorecard.model_copy(update={"metrics": {name: scorecard.metrics[name] for name in names}})
    scores, current = scoring.score_array(some, cases), current_weights(scorecard, names)
    scores /= 100
    for start in range(0, len(scores), scoring.BLOCK):
        rows = scores[start : start + scoring.BLOCK]
        rows[np.isfinite(rows) @ current < scorecard.min_coverage] = np.nan
    return Problem(names, scores, current, cone(scorecard, names))


def replay(cases: pd.DataFrame, scorecard: Scorecard, *, learn: bool = True) -> Replay:
    """Replay fitting and scoring month by month, each finished case tested once; without time, fold by fold (see `splits`).

    At cut-off C the training cases are `trainable(cases, C)`, the test cases those scored on C or later but before the next
    cut-off. Scale ends given as quantiles are read from cases before C. The strength of the pull at C is chosen by the log loss over
    the test cases of earlier cut-offs that had finished by C (`weighed`): out of time, on data the fold was allowed to see.

    Parameters
    ----------
    cases : cases frame with outcomes; `incumbent` (a score) optional
    scorecard : with the metrics to be left out already at weight 0
    learn : whether scales are learned at each cut-off; where not, `learned` is the fitted score

    Raises
    ------
    SplitError
        what is tested could have taught (`split_audit`)
    """
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    parts = splits(done) if len(candidates(scorecard)) else []
    audit_splits(done, parts)
    losses = np.full((len(done), len(STRENGTHS)), np.nan)
    fixed = None if has_quantiles(scorecard) or not parts else _look(done, scorecard, np.arange(len(done)))
    fits: list[Fit] = []
    folds: list[_Fold] = []
    for part in parts:
        rows = _Rows.of(part)
        view = fixed or _look(done.iloc[: rows.reach], scoring.resolve_scales(scorecard, done.iloc[_run(part.seen)]), rows.scored)
        fits = path(view.problem.rows(_run(part.train)), view.lost[rows.train], starts=fits)
        chosen = fits[_best(fits, _inner_losses(view, part) if part.inner else losses, part.train)]
        losses[rows.test] = _losses(view, fits, rows.test)
        one = _fold(view, rows, (chosen, fits[-1]), part.name)
        score = _learned(view, rows, chosen) if learn else one.predictions["fitted"]
        folds.append(replace(one, predictions=one.predictions.assign(learned=score)))
    return _as_replay(folds, losses, fits)


@dataclass(frozen=True)
class _Rows:
    """Which cases a step of the replay reads, in ascending order: `few` and `some` are training cases; all lie before `reach`."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]
    some: NDArray[np.intp]
    few: NDArray[np.intp]

    @classmethod
    def of(cls, part: Split) -> _Rows:
        """The rows of one split."""
        train, test = np.flatnonzero(part.train), np.flatnonzero(part.test)
        some = _at_most(train, MOST_PROMISED)
        return cls(train, test, some, _at_most(some, MOST_ROWS))

    @property
    def scored(self) -> NDArray[np.intp]:
        """Those whose score is asked for: tested, or taught from."""
        asked = np.zeros(self.reach, dtype=bool)
        asked[self.some] = asked[self.test] = True
        return np.flatnonzero(asked)

    @property
    def reach(self) -> int:
        """One past the last row that is read."""
        return int(max(self.train.max(initial=-1), self.test.max(initial=-1))) + 1


def _at_most(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """So many of the rows by chance, or all."""
    return rows if len(rows) <= count else np.sort(np.random.default_rng(0).choice(rows, count, replace=False))


def _run(mask: NDArray[np.bool_]) -> slice | NDArray[np.intp]:
    """The rows of a mask; as a slice, which copies nothing, where they are the first ones."""
    count = int(mask.sum())
    return slice(count) if mask[:count].all() else np.flatnonzero(mask)


def _inner_losses(view: _View, part: Split) -> Array:
    """Log loss of each training case under each strength, by weights learned from the other training folds; NaN elsewhere."""
    losses = np.full((len(view.lost), len(STRENGTHS)), np.nan)
    fits: list[Fit] = []
    for inner in part.inner:
        if 0 < view.lost[inner.train].sum() < inner.train.sum():
            fits = path(view.problem.rows(inner.train), view.lost[inner.train], starts=fits)
            rows = np.flatnonzero(inner.test)
            losses[rows] = _losses(view, fits, rows)
    return losses


@dataclass(frozen=True)
class _View:
    """The finished cases under one set of scale ends: what does not depend on fitted weights; `current` and `band` of what was scored."""

    done: pd.DataFrame
    card: Scorecard
    problem: Problem
    lost: Array
    current: Array
    band: NDArray[np.object_]

    def score(self, weights: Array, rows: NDArray[np.intp]) -> Array:
        """Scores of some cases under other weights."""
        given = dict(zip(self.problem.names, weights, strict=True))
        return scoring.score(self.card, self.done.iloc[rows], given).frame["score"].to_numpy(dtype=float)


@dataclass(frozen=True)
class _Fold:
    """One cut-off's rows of the replay's frames."""

    summary: dict[str, object]
    predictions: pd.DataFrame
    thresholds: pd.DataFrame
    weights: pd.DataFrame


def _look(done: pd.DataFrame, card: Scorecard, scored: NDArray[np.intp]) -> _View:
    found = scoring.score(card, done if len(scored) == len(done) else done.iloc[scored]).frame
    current, band = np.full(len(done), np.nan), np.full(len(done), scoring.UNSCORED, dtype=object)
    current[scored], band[scored] = found["score"].to_numpy(dtype=float), found["band"].to_numpy(dtype=object)
    return _View(done, card, problem_of(card, done), done["lost"].to_numpy(dtype=float), current, band)


def _best(fits: list[Fit], losses: Array, finished: NDArray[np.bool_]) -> int:
    """Index of the strength to use: by the cases tested so far that have finished."""
    return weighed(fits, losses[np.flatnonzero(finished & np.isfinite(losses[:, 0]))])


def _losses(view: _View, fits: list[Fit], rows: NDArray[np.intp]) -> Array:
    """Log loss of each case under each strength."""
    scores, lost = view.problem.scores[rows], view.lost[rows]
    # A case of which nothing weighed was measured tells no strength from another: it gets the probability under the current weights.
    unknown = np.nan_to_num(fits[0].probability(scores), nan=0.5)
    found = np.column_stack([one.probability(scores) for one in fits])
    p = np.clip(np.where(np.isfinite(found), found, unknown[:, None]), 1e-9, 1 - 1e-9)
    return -np.where(lost[:, None] == 1, np.log(p), np.log1p(-p))


def _fold(view: _View, rows: _Rows, fits: tuple[Fit, Fit], cutoff: pd.Timestamp | str) -> _Fold:
    """Scores of the test cases, thresholds from the training cases, and what was fitted."""
    (chosen, free), test, few, tested = fits, rows.test, rows.few, len(rows.test)
    scored, both = view.done.iloc[test], np.r_[test, few]
    equal, fitted = view.score(np.ones(len(chosen.weights)), both), view.score(chosen.weights, both)
    predictions = scored[["account_id", "as_of", "lost", "arr"]].assign(
        current=view.current[test], equal=equal[:tested], fitted=fitted[:tested], free=view.score(free.weights, test),
        current_band=view.band[test], probability=_probability(view, rows), cutoff=cutoff,
    )  # fmt: skip
    learned = {"equal": equal[tested:], "fitted": fitted[tested:]}
    if "incumbent" in view.done:
        incumbent = view.done["incumbent"].to_numpy(dtype=float)
        predictions["incumbent"], learned["incumbent"] = incumbent[test], incumbent[rows.train]
    summary = {
        "cutoff": cutoff, "train_cases": len(rows.train), "train_lost": int(view.lost[rows.train].sum()),
        "test_cases": tested, "test_lost": int(view.lost[test].sum()),
        "train_until": view.done["horizon_ends_on"].iloc[rows.train].max(),
        "test_from": scored["as_of"].min(), "test_to": scored["as_of"].max(), "strength": chosen.strength,
    }  # fmt: skip
    weights = pd.DataFrame({"cutoff": cutoff, "metric": list(view.problem.names), "weight": 100 * chosen.weights})
    return _Fold(summary, predictions, _thresholds(view.card, learned, view.current[few]).assign(cutoff=cutoff), weights)


def _learned(view: _View, rows: _Rows, chosen: Fit) -> Array:
    """Scores of the test cases on scales learned, and under weights fitted on them, from (at most `MOST_PROMISED`) training cases.

    Scales are learned from at most `learned_scales.MOST_ROWS` of those; the weights begin from those on the scales in use.
    """
    taught, scored = view.done.iloc[rows.some], view.done.iloc[rows.test]
    found = learn_scales(view.card, view.done.iloc[_at_most(rows.some, MOST_LEARNED)])
    if not found.told["learned"].any():
        return view.score(chosen.weights, rows.test)
    problem = problem_of(found.scorecard, taught)
    weights = path(problem, view.lost[rows.some], strengths=(chosen.strength,), starts=(chosen,))[0].weights
    given = dict(zip(problem.names, weights, strict=True))
    return scoring.score(found.scorecard, scored, given).frame["score"].to_numpy(dtype=float)


def _probability(view: _View, rows: _Rows) -> Array:
    """P(lost) promised by the current score, its curve fitted on training cases."""
    known = rows.some[np.isfinite(view.current[rows.some])]
    intercept, slope = curve(view.current[known], view.lost[known])
    return logistic(intercept - slope * view.current[rows.test] / 100)


def _thresholds(card: Scorecard, learned: dict[str, Array], current: Array) -> pd.DataFrame:
    """Thresholds chosen on the training cases; those of the current scorecard are the ones in the file."""
    chosen = {"current": band_starts(card)} | {name: matched_starts(score, current, card) for name, score in learned.items()}
    return pd.concat([
        pd.DataFrame({"scorecard": name, "band": band_names(card), "threshold_from": [*starts, np.nan]}) for name, starts in chosen.items()
    ], ignore_index=True)  # fmt: skip


def _as_replay(folds: list[_Fold], losses: Array, fits: list[Fit]) -> Replay:
    """The replay as frames; with no fold the frames are empty and the pull is infinite."""
    known = np.isfinite(losses[:, 0])
    mean = losses[known].mean(axis=0) if known.any() else np.full(len(STRENGTHS), np.nan)
    return Replay(
        folds=pd.DataFrame([fold.summary for fold in folds], columns=list(FOLD_COLUMNS)),
        predictions=_stack([fold.predictions for fold in folds], PREDICTION_COLUMNS),
        thresholds=_stack([fold.thresholds for fold in folds], THRESHOLD_COLUMNS),
        weights=_stack([fold.weights for fold in folds], ("cutoff", "metric", "weight")),
        strength=fits[weighed(fits, losses[known])].strength if fits else STRENGTHS[0],
        losses=pd.DataFrame({"strength": STRENGTHS, "log_loss": mean, "cases": int(known.sum())}),
    )


def _stack(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Frames below each other, these columns first; an empty frame with them where there is none."""
    if not frames:
        return pd.DataFrame(columns=list(columns))
    stacked = pd.concat(frames, ignore_index=True)
    return stacked[[*columns, *(column for column in stacked if column not in columns)]]


def weighed(fits: list[Fit], losses: NDArray[np.float64]) -> int:
    """Which of the fits lies nearest to the average of their weights, each counted by its likelihood over the cases tested out of time.

    Before anything was tested all count alike, so that what is used lies between the current weights and the free fit; few outcomes are
    outweighed by most pulls anyway. The more is tested, the nearer it comes to the fit that predicted best. Taking that one from the
    first would follow chance: most of what it had to go by at first is noise. Dawid (1984), doi:10.2307/2981683.

    Parameters
    ----------
    fits : one a strength, the strongest pull first
    losses : log loss of each tested case under each strength, cases x strengths

    >>> some = [Fit(0.0, np.array(at), np.array(at), 1.0) for at in ([0.5, 0.5], [0.7, 0.3], [1.0, 0.0])]
    >>> weighed(some, np.empty((0, 3))), weighed(some, np.array([[0.1, 0.2, 0.3]] * 100))
    (1, 0)
    """
    total = losses.sum(axis=0)
    likely = np.exp(total.min() - total)
    weights = np.array([one.weights for one in fits])
    return int(((weights - likely @ weights / likely.sum()) ** 2).sum(axis=1).argmin())


def choose(losses: NDArray[np.float64], lost: NDArray[np.float64]) -> int:
    """Which column of case losses has the least mean; ties, and fewer than `LEAST_TESTED` lost cases, go to column 0, the strongest pull.

    >>> choose(np.array([[0.3, 0.2]] * 12), np.ones(12)), choose(np.array([[0.3, 0.2]]), np.ones(1))
    (1, 0)
    """
    return int(np.argmin(losses.mean(axis=0))) if lost.sum() >= LEAST_TESTED else 0
