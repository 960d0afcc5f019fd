"""Which weights do the outcomes support, and do they beat the ones in use?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.backtest import Replay, problem_of, replay
from healthlib.levels import readers
from healthlib.resample import NOTHING, Estimate, account_weights, percentile, rate
from healthlib.spec import Scorecard
from healthlib.stats import auc, auc_replicates
from healthlib.studies.cohorts import metric_cohorts
from healthlib.studies.gates import GATE_COLUMNS, gate_table
from healthlib.studies.leaks import OUR_OWN, LeakAudit, left_out, overruled, screen
from healthlib.studies.learned import NO_SCALES, ScaleFacts, learned_study
from healthlib.studies.verdict import Verdict, recommend
from healthlib.weight_intervals import weight_intervals
from healthlib.weights import Fit, candidates, fit, whole
from healthlib.wording import tested

if TYPE_CHECKING:
    from healthlib.studies.book import Book

WEIGHT_COLUMNS = ("metric", "group", "label", "current", "equal", "fitted", "low", "high", "selected_share", "recommended")

DIFFERENCES = {
    "fitted_minus_current": ("fitted", "current"),
    "fitted_minus_equal": ("fitted", "equal"),
    "free_minus_current": ("free", "current"),
    "equal_minus_current": ("equal", "current"),
}
BY_SCALES = {"learned_minus_fitted": ("learned", "fitted"), "learned_minus_current": ("learned", "current")}
"""What learned scales gain; over the fitted weights on the scales in use, and over the scorecard in use."""

MANY = 20_000
"""With more test cases than this, scores are compared to one decimal: bins in the place of cases make a thousand replicates cheap."""


@dataclass(frozen=True)
class FitFacts:
    """What the fit found. Frames as in the methods contract; scores and weights are points of 100.

    Attributes
    ----------
    weights : metric, group, label, current, equal, fitted, low, high (95 % interval of fitted), selected_share, recommended
    auc, arr_auc : current, equal, fitted, incumbent (if given) and learned (scales and weights): AUC out of time, by accounts, by ARR
    differences, arr_differences : fitted_minus_current, fitted_minus_equal, learned_minus_fitted, learned_minus_current:
        paired on the same cases and replicates
    recommendation, reason : adopt, keep or insufficient_evidence, and why
    folds : cutoff, train_cases, train_lost, test_cases, test_lost, train_until, test_from, test_to, strength
    predictions : account_id, as_of, lost, arr, current, equal, fitted (scores out of time), free, current_band, cutoff, learned [,
        incumbent]
    thresholds : cutoff, scorecard, band, threshold_from: chosen on the fold's training cases at equal band sizes
    fold_weights : cutoff, metric, weight
    strength : of the pull towards the current weights; infinity is "stay with them"
    strength_losses : strength, log_loss (out of time), cases
    n_cases, n_accounts, n_lost : finished cases, their accounts, and those lost
    base_rate, arr_base_rate : share of finished cases, and of their ARR, that was lost
    metric_cohorts : `cohorts.COHORT_COLUMNS`
    leaks : as `leaks.LeakAudit.found`: metrics that seem to know the outcome are left out of every comparison, the fit and the
        recommendation, unless the scorecard overrules that
    leak_figures : the numbers of their pictures
    notes : what could not be done, in plain words
    split : what keeps training and test apart: time, or accounts alone (cross-validation, where cases have a `fold`)
    gates : `gates.GATE_COLUMNS`: each gate against what was lost
    n_compared, n_lost_accounts : cases that the AUCs compare (their `n` are accounts, `events` lost cases), and distinct accounts lost
    equal_minus_current, arr_equal_minus_current : paired as `differences`; it decides nothing
    learned : scales learned from all finished cases, and whether they are worth adopting
    """

    weights: pd.DataFrame
    auc: dict[str, Estimate]
    arr_auc: dict[str, Estimate]
    differences: dict[str, Estimate]
    arr_differences: dict[str, Estimate]
    recommendation: str
    reason: str
    folds: pd.DataFrame
    predictions: pd.DataFrame = field(repr=False)
    thresholds: pd.DataFrame = field(repr=False)
    fold_weights: pd.DataFrame = field(repr=False)
    strength: float
    strength_losses: pd.DataFrame
    n_cases: int
    n_accounts: int
    n_lost: int
    base_rate: Estimate
    arr_base_rate: Estimate
    metric_cohorts: pd.DataFrame = field(repr=False)
    leaks: pd.DataFrame
    notes: tuple[str, ...] = ()
    split: Literal["time", "accounts"] = "time"
    leak_figures: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    gates: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(GATE_COLUMNS)))
    n_compared: int = 0
    n_lost_accounts: int = 0
    equal_minus_current: Estimate = NOTHING
    arr_equal_minus_current: Estimate = NOTHING
    learned: ScaleFacts = NO_SCALES


def of(book: Book, done: dict[str, Any]) -> FitFacts:
    """The facts of `fit_study` on the cases of a book, for `studies.compute`."""
    return fit_study(book.compared_cases, book.workspace.scorecard, audit=book.leaks)


def fit_study(
    cases: pd.DataFrame, scorecard: Scorecard, *, audit: LeakAudit | None = None, learn: bool = True, seed: int = 0, replicates: int = 1000
) -> FitFacts:
    """Screen for leaks, replay the past, compare current, equal and fitted weights out of time, fit on all finished cases, recommend.

    Parameters
    ----------
    cases : cases frame with outcomes; an `incumbent` column (a score) joins the comparison
    scorecard : as written, scale quantiles unresolved: they are resolved at each cut-off from the past alone
    audit : the leak audit (`Book.leaks`); by the cases alone where there is none
    learn : whether to ask for learned scales as well
    seed, replicates : of the account bootstrap

    Returns
    -------
    FitFacts; with no outcomes, one class or a handful of churns the same facts, NaN where nothing can be said and the reason in words
    """
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    codes, counts = account_weights(done["account_id"], replicates, seed)
    audit = audit or screen(done, scorecard, seed=seed)
    leaks = audit.found
    card = usable(scorecard, leaks)
    past = replay(done, card, learn=learn)
    comparison = _compare(past.predictions, seed, replicates)
    n_lost = int(done["lost"].sum())
    split = "accounts" if "fold" in done else "time"
    verdict = _verdict(comparison, past, done)
    verdict = replace(verdict, reason=tested(split, verdict.reason))
    final = _final_fit(done, card, past.strength)
    table = _weights_table(final, (done, codes, counts), (usable(scorecard, leaks[:0]), card), verdict)
    return FitFacts(
        table, comparison["auc"], comparison["arr_auc"], comparison["differences"], comparison["arr_differences"],
        verdict.recommendation, verdict.reason, past.folds, past.predictions, past.thresholds, past.weights, past.strength, past.losses,
        len(done), counts.shape[0], n_lost, rate(done["lost"], codes, counts), rate(done["lost"], codes, counts, case_weight=done["arr"]),
        metric_cohorts(done, scorecard, seed=seed), leaks, (*_notes(done, scorecard, past, leaks), *audit.notes),
        split, audit.figures, gate_table(done, scorecard, leaks, (codes, counts)),
        comparison["cases"], comparison["lost_accounts"], comparison["equal_minus_current"], comparison["arr_equal_minus_current"],
        learned_study(final[0], done, (codes, counts), past.strength, comparison) if learn else NO_SCALES,
    )  # fmt: skip


def usable(scorecard: Scorecard, leaks: pd.DataFrame) -> Scorecard:
    """The scorecard that is compared and fitted: leaky metrics, and those made of them, at weight 0, gates that read one not applied; where
    no metric has a weight yet, all others at 1."""
    names = readers(scorecard, left_out(leaks))
    if not any(scorecard.weights.values()):
        started = {name: metric.model_copy(update={"weight": 1.0}) for name, metric in scorecard.metrics.items()}
        scorecard = scorecard.model_copy(update={"metrics": started})
    return scoring.without_gates(without(scorecard, names), names)


def without(scorecard: Scorecard, metrics: tuple[str, ...]) -> Scorecard:
    """The scorecard with these metrics at weight 0: gates may still read them, scores do not."""
    if not metrics:
        return scorecard
    changed = {
        name: metric.model_copy(update={"weight": 0.0, "profiles": tuple(p.model_copy(update={"weight": None}) for p in metric.profiles)})
        for name, metric in scorecard.metrics.items()
        if name in metrics
    }
    return scorecard.model_copy(update={"metrics": {**scorecard.metrics, **changed}})


def _compare(predictions: pd.DataFrame, seed: int, replicates: int) -> dict[str, Any]:
    """AUC of every scorecard and their differences, by accounts and by ARR, on the cases that all of them score."""
    names = [name for name in ("current", "equal", "fitted", "incumbent", "learned") if name in predictions]
    paired = predictions.dropna(subset=[name for name in ("current", "equal", "fitted") if name in predictions]).reset_index(drop=True)
    codes, counts = account_weights(paired["account_id"], replicates, seed)
    found: dict[str, Any] = {"cases": len(paired), "lost_accounts": int(paired.loc[paired["lost"] == 1, "account_id"].nunique())}
    for kind, weight in (("", None), ("arr_", paired["arr"].to_numpy(dtype=float))):
        points, draws = {}, {}
        for name in [*names, "free"]:
            points[name], draws[name] = _auc_of(paired, name, (codes, counts), weight)
        n, events = float(counts.shape[0]), float(paired["lost"].sum())
        found[f"{kind}auc"] = {name: percentile(points[name], draws[name], n=n, events=events) for name in names}
        found[f"{kind}differences"] = {
            key: percentile(points[a] - points[b], draws[a] - draws[b], n=n, events=events) for key, (a, b) in DIFFERENCES.items()
        }
        found[f"{kind}equal_minus_current"] = found[f"{kind}differences"].pop("equal_minus_current")
        if "learned" in names:
            found[f"{kind}differences"] |= _by_scales(
                paired, {name: (points[name], draws[name]) for name in names}, (codes, counts), weight
            )
    return found


def _by_scales(
    paired: pd.DataFrame,
    known: dict[str, tuple[float, NDArray[np.float64]]],
    accounts: tuple[NDArray[np.intp], NDArray[Any]],
    weight: NDArray | None,
) -> dict[str, Estimate]:
    """`BY_SCALES`, on the cases that have a score under the learned scales too."""
    scored = paired["learned"].notna().to_numpy(dtype=bool)
    if not scored.all():
        part, rest = paired[scored].reset_index(drop=True), (accounts[0][scored], accounts[1])
        known = {name: _auc_of(part, name, rest, None if weight is None else weight[scored]) for name in ("learned", "fitted", "current")}
    n, events, found = float(accounts[1].shape[0]), float(paired.loc[scored, "lost"].sum()), {}
    for key, (one, other) in BY_SCALES.items():
        (a, a_draws), (b, b_draws) = known[one], known[other]
        found[key] = percentile(a - b, a_draws - b_draws, n=n, events=events)
    return found


def _auc_of(
    paired: pd.DataFrame, name: str, accounts: tuple[NDArray[np.intp], NDArray[Any]], weight: NDArray | None
) -> tuple[float, NDArray[np.float64]]:
    score = paired[name].to_numpy(dtype=float)
    use = np.isfinite(score) & (np.ones(len(score), dtype=bool) if weight is None else np.isfinite(weight))
    lost, codes = paired["lost"].to_numpy(dtype=float)[use], accounts[0][use]
    score = np.round(score[use], 1) if len(score) > MANY else score[use]
    weight = None if weight is None else weight[use]
    if not 0 < lost.sum() < len(lost):
        return float("nan"), np.full(accounts[1].shape[1], np.nan)
    return auc(score, lost, weight), auc_replicates(score, lost, codes, accounts[1], weight)


def _verdict(comparison: dict[str, Any], past: Replay, done: pd.DataFrame) -> Verdict:
    """The recommendation; free_minus_current serves it and is not reported with the others."""
    free = comparison["differences"].pop("free_minus_current")
    comparison["arr_differences"].pop("free_minus_current")
    if past.folds.empty:
        lost, kept = int((done["lost"] == 1).sum()), int((done["lost"] == 0).sum())
        return Verdict("insufficient_evidence", _no_replay(lost, kept))
    if past.weights["metric"].nunique() == 1:
        return Verdict("keep", "Only one metric has a weight, so there is nothing to choose between.")
    return recommend(comparison["differences"], free, int(free.events), comparison["arr_differences"], comparison["equal_minus_current"])


def _no_replay(lost: int, kept: int) -> str:
    from healthlib.splits import LEAST

    if lost + kept == 0:
        return f"No finished outcome yet: a comparison needs {LEAST} lost and {LEAST} kept cases, and some more after them to test on."
    missing = [f"{LEAST - n} more {what}" for n, what in ((lost, "lost"), (kept, "kept")) if n < LEAST]
    if missing:
        return (
            f"{lost:,} lost and {kept:,} kept cases have finished; to fit and still test out of time takes at least {LEAST} of each: "
            f"{' and '.join(missing)} to begin with."
        )
    return (
        f"{lost:,} lost and {kept:,} kept cases have finished, but none was scored after the first {LEAST} of each had: "
        "wait for later outcomes to test on."
    )


def _final_fit(done: pd.DataFrame, card: Scorecard, strength: float) -> tuple[Scorecard, Fit | None]:
    """The fit on all finished cases; None where there is one class only, or no metric to weigh."""
    now = scoring.resolve_scales(card, done) if len(done) else card
    if not candidates(card) or not 0 < done["lost"].sum() < len(done):
        return now, None
    return now, fit(problem_of(now, done), done["lost"], strength=strength)


def _weights_table(
    final: tuple[Scorecard, Fit | None],
    data: tuple[pd.DataFrame, NDArray[np.intp], NDArray[Any]],
    cards: tuple[Scorecard, Scorecard],
    verdict: Verdict,
) -> pd.DataFrame:
    """weights.csv with labels; leaky and tracked metrics have weight 0 in equal, fitted and recommended."""
    (now, fitted), (done, codes, counts), (scorecard, card) = final, data, cards
    names = candidates(card)
    table = pd.DataFrame({
        "metric": list(scorecard.metrics), "group": [m.group for m in scorecard.metrics.values()],
        "label": [m.label for m in scorecard.metrics.values()], "current": _percent(scorecard.weights),
    }).set_index("metric", drop=False)  # fmt: skip
    table = table.assign(equal=0.0, fitted=0.0, low=0.0, high=0.0, selected_share=0.0, recommended=0)
    table.loc[list(names), "equal"] = 100 / max(len(names), 1)
    if fitted is None:
        table.loc[list(names), ["fitted", "low", "high", "selected_share"]] = [np.nan, 0.0, 100.0, np.nan]
        adopted = table["current"]
    else:
        spans = weight_intervals(problem_of(now, done), done["lost"], fitted, codes, counts)
        table.loc[list(names), ["fitted", "low", "high"]] = 100 * np.column_stack([fitted.weights, spans.low, spans.high])
        table.loc[list(names), "selected_share"] = spans.selected
        adopted = table["fitted"] if verdict.recommendation == "adopt" else table["current"]
    points = adopted.loc[list(names)]
    if len(names) and points.sum() > 0:
        table.loc[list(names), "recommended"] = list(whole(dict(zip(names, points, strict=True)), scorecard).values())
    return table[list(WEIGHT_COLUMNS)].reset_index(drop=True)


def _percent(weights: dict[str, float]) -> list[float]:
    total = sum(weights.values())
    return [100 * value / total if total else 0.0 for value in weights.values()]


def _notes(done: pd.DataFrame, scorecard: Scorecard, past: Replay, leaks: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    if not any(scorecard.weights.values()):
        notes.append("The scorecard gives no metric a weight yet; equal weights stand in for the current ones.")
    if names := ", ".join(left_out(leaks)):
        notes.append(f"Left out as seeming to know the outcome: {names}. The comparison is made without them.")
        notes += _with_them(scorecard, left_out(leaks))
    for name, reason in overruled(leaks).items():
        notes.append(f"{name} seems to know the outcome and is used all the same, because the scorecard overrules the audit: {reason}")
    ours = [name for name, metric in scorecard.metrics.items() if metric.table in OUR_OWN and metric.weight > 0]
    if ours:
        notes.append(
            f"{', '.join(ours)}: what we did, not what the customer did. It goes to accounts we were worried about, so its weight says "
            "what we thought, not what it does."
        )
    if len(past.predictions):
        unscored = past.predictions[["current", "equal", "fitted"]].isna().any(axis=1).sum()
        if unscored:
            of = f"{unscored} of {len(past.predictions)} tested cases"
            notes.append(f"{of} had too little measured for a score under each of the schemes; they are not compared.")
    if done.empty:
        notes.append("There is no finished case.")
    return tuple(notes)


def _with_them(scorecard: Scorecard, leaky: tuple[str, ...]) -> list[str]:
    """What goes with leaky metrics: the metrics made of them, and the gates that read them."""
    notes, refused = [], readers(scorecard, leaky)
    if made := [name for name in refused if name not in leaky]:
        notes.append(f"Left out as made of them: {', '.join(made)}.")
    if gates := [gate.name for gate in scorecard.gates if gate.metric in refused]:
        notes.append(f"Not applied in any comparison, as reading them: the gate{'s' if len(gates) > 1 else ''} {', '.join(gates)}.")
    return notes


__all__ = ["NOTHING", "FitFacts", "fit_study", "without"]
