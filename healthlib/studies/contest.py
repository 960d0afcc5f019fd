"""How does the score do against a machine, a CSM and one number? All on the same accounts and the same days, out of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.backtest import MOST_ROWS
from healthlib.calibration import FEWEST_LOST, curve
from healthlib.spec import Scorecard
from healthlib.splits import splits
from healthlib.stats import logistic
from healthlib.studies.challengers import challenge, rating_of
from healthlib.studies.duels import MEASURES, duels
from healthlib.studies.fit import FitFacts, usable
from healthlib.studies.leaks import left_out
from healthlib.weights import candidates

if TYPE_CHECKING:
    from healthlib.studies.book import Book

Array = NDArray[np.float64]

SCHEMES = {
    "current": "Weights in use",
    "equal": "Equal weights",
    "fitted": "Fitted weights",
    "learned": "Fitted weights, learned scales",
    "incumbent": "The present tool’s score",
    "csm_rating": "The CSM’s rating alone",
    "best_metric": "The best single metric",
    "logistic": "Logistic regression, no limits",
    "boosting": "Gradient boosting",
}
"""Entrant -> its name; in the order of the tables."""

READABLE = ("current", "equal", "fitted", "learned")
CEILING = "boosting"
REFERENCES = ("current", CEILING)

PAIRED = ("current", "equal", "fitted")
"""Cases that one of these cannot score are compared nowhere, as in the fit study."""


@dataclass(frozen=True)
class ContestFacts:
    """What the contest found.

    Attributes
    ----------
    table : `duels.COLUMNS` and suspected: a row per entrant, measure (`duels.MEASURES`) and `by` (accounts, arr), with 95 % intervals, and
        its difference from `current` and from `boosting` on the cases that both score
    entrants : scheme, label, scored (cases), of (cases compared), suspected (it seems to know the outcome)
    chosen : metric, label, folds: the best single metric by the training cases, and at how many cut-offs it was
    rating : name of the CSM's rating; "" without one
    metrics : how many the challengers see
    refits, folds : cut-offs at which boosting was fitted, and all
    uncalibrated : cases whose probability is the base rate for everybody, because nothing scored before had finished
    tested, compared : cases tested, and those of them that current, equal and fitted weights all score
    lost, lost_accounts : of the compared: lost cases, and the accounts they are of
    split : as in FitFacts
    predictions : account_id, as_of, lost, arr of each compared case, and every entrant's score, higher healthier
    promises : P(lost) of the same cases, a column an entrant, see `promised`
    """

    table: pd.DataFrame
    entrants: pd.DataFrame
    chosen: pd.DataFrame
    rating: str
    metrics: int
    refits: int
    folds: int
    uncalibrated: int
    tested: int
    compared: int
    lost: int
    lost_accounts: int
    split: Literal["time", "accounts"] = "time"
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    promises: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)


def of(book: Book, done: dict[str, Any]) -> ContestFacts:
    """The facts of `contest_study` on the cases of a book and its fit, for `studies.compute`."""
    return contest_study(book.compared_cases, book.workspace.scorecard, done["fit"])


def contest_study(cases: pd.DataFrame, scorecard: Scorecard, fit: FitFacts, *, seed: int = 0, replicates: int = 1000) -> ContestFacts:
    """Enter every scheme, on the tested cases of the fit's replay: same cut-offs, same cases, metrics that seem to leak left out.

    Parameters
    ----------
    cases : as given to `fit_study`
    scorecard : as given to `fit_study`
    fit : its facts
    seed, replicates : of the account bootstrap

    Returns
    -------
    ContestFacts; with nothing tested the frames are empty
    """
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    card = usable(scorecard, fit.leaks)
    walked = challenge(done, card)
    rating = rating_of(scorecard, done)
    entered = _entered(fit.predictions, walked.scores, done, (rating.name, rating.better) if rating else None)
    names = [name for name in SCHEMES if name in entered and np.isfinite(entered[name].to_numpy(dtype=float)).any()]
    use = entered[list(PAIRED)].notna().all(axis=1).to_numpy() if len(entered) else np.zeros(0, dtype=bool)
    promises, without = promised(entered[names], done, use)
    paired = entered[use].reset_index(drop=True)
    promises = promises[use].reset_index(drop=True)
    found = duels(paired, promises, REFERENCES, seed=seed, replicates=replicates)
    suspects = suspected(fit.leaks, rating.name if rating else "")
    found = found.assign(suspected=found["scheme"].isin(suspects))
    labels = {name: metric.label for name, metric in scorecard.metrics.items()}
    return ContestFacts(
        found, _entrants(paired, names, suspects), _chosen(walked.chosen, labels), rating.name if rating else "",
        len(candidates(card)), walked.refits, walked.folds, int(without[use].sum()), len(entered), len(paired),
        int(paired["lost"].sum()) if len(paired) else 0, int(paired.loc[paired["lost"] == 1, "account_id"].nunique()) if len(paired) else 0,
        fit.split, paired[["account_id", "as_of", "lost", "arr", *names]], promises,
    )  # fmt: skip


def _entered(predictions: pd.DataFrame, scores: pd.DataFrame, done: pd.DataFrame, rating: tuple[str, str] | None) -> pd.DataFrame:
    """The replay's predictions with a column per challenger; `place` is the case's place among the finished ones."""
    if predictions.empty:
        return pd.DataFrame(columns=["account_id", "as_of", "lost", "arr", "place"])
    keys = ["account_id", "as_of"]
    if not predictions[keys].reset_index(drop=True).equals(done.loc[scores.index, keys].reset_index(drop=True)):
        raise ValueError("the predictions are not those of these cases")
    entered = pd.concat([predictions.reset_index(drop=True), scores.reset_index(drop=True)], axis=1).assign(place=scores.index.to_numpy())
    if rating:
        name, better = rating
        said = done.loc[scores.index, name].to_numpy(dtype=float)
        entered["csm_rating"] = said if better == "higher" else -said
    return entered


def suspected(leaks: pd.DataFrame, rating: str) -> tuple[str, ...]:
    """Entrants that seem to know the outcome: the present tool's score, the CSM's rating."""
    tool = len(leaks) and "of" in leaks and bool((leaks["of"] == "incumbent").any())
    return (*(("incumbent",) if tool else ()), *(("csm_rating",) if rating in left_out(leaks) else ()))


def promised(scores: pd.DataFrame, done: pd.DataFrame, use: NDArray[np.bool_]) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """P(lost) of each tested case under each scheme, the same way for all: by a logistic curve through its own earlier scores.

    The curve of a cut-off is fitted on the cases that the scheme had scored out of time and that had finished by then; in
    cross-validation, on those of the other folds. Scores of training cases would flatter what learned from them most. While fewer than
    five lost (or kept) cases have come back, everybody promises the base rate of the training cases.

    Parameters
    ----------
    scores : a column a scheme, higher healthier, in the order of the splits
    done : finished cases, as given to `challenge`
    use : which of the tested cases are compared: the others calibrate nothing

    Returns
    -------
    probabilities : as `scores`; NaN where the scheme gives no score
    without : the cases that have only the base rate
    """
    lost = done["lost"].to_numpy(dtype=float)
    promises = np.full(scores.shape, np.nan)
    without = np.zeros(len(scores), dtype=bool)
    parts = splits(done) if len(scores) else []
    place = np.full(len(done), -1)
    order = np.concatenate([np.flatnonzero(part.test) for part in parts]) if parts else np.zeros(0, dtype=np.intp)
    place[order] = np.arange(len(order))
    for part in parts:
        rows, before = place[part.test], place[part.train & (place >= 0)]
        before = before[use[before]]
        without[rows] = _too_few(lost[order[before]])
        for column, score in enumerate(scores.to_numpy(dtype=float).T):
            known = before[np.isfinite(score[before])]
            promises[rows, column] = _through((score[known], lost[order[known]]), score[rows], float(lost[part.train].mean()))
    return pd.DataFrame(promises, columns=scores.columns, index=scores.index), without


def _too_few(lost: Array) -> bool:
    return bool(min(lost.sum(), (1 - lost).sum()) < FEWEST_LOST)


def _through(known: tuple[Array, Array], new: Array, base: float) -> Array:
    """P(lost) of new scores by the curve of the known ones; whatever their scale, they are measured in their own spread."""
    score, lost = known
    if _too_few(lost):
        return np.where(np.isfinite(new), base, np.nan)
    if len(score) > MOST_ROWS:
        few = np.sort(np.random.default_rng(0).choice(len(score), MOST_ROWS, replace=False))
        score, lost = score[few], lost[few]
    middle, spread = score.mean(), score.std() or 1.0
    intercept, slope = curve(25 * (score - middle) / spread, lost)
    return logistic(intercept - slope * (new - middle) / spread / 4)


def _entrants(paired: pd.DataFrame, names: list[str], suspects: tuple[str, ...]) -> pd.DataFrame:
    rows = [(name, SCHEMES[name], int(paired[name].notna().sum()), len(paired), name in suspects) for name in names]
    return pd.DataFrame(rows, columns=["scheme", "label", "scored", "of", "suspected"])


def _chosen(chosen: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """The single metrics by how often they were the best, the most frequent first."""
    counts = chosen["metric"].value_counts().rename_axis("metric").reset_index(name="folds")
    return counts.assign(label=counts["metric"].map(labels))[["metric", "label", "folds"]]


__all__ = ["MEASURES", "ContestFacts", "contest_study", "promised"]
