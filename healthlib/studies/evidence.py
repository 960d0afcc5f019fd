"""What the outcomes weigh, which metrics only share a weight, and how many more lost cases would settle what is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.backtest import problem_of
from healthlib.resample import NOTHING, Estimate, account_weights
from healthlib.spec import Scorecard
from healthlib.stats import logistic
from healthlib.studies.fit import FitFacts, usable
from healthlib.studies.outlook import UNKNOWN, WORTH, settling
from healthlib.studies.walk import sample
from healthlib.weight_intervals import FEWEST, AccountLoss, newton_steps, ratio_interval, unbounded
from healthlib.weights import Problem, candidates, design, fit

if TYPE_CHECKING:
    from healthlib.studies.book import Book

Array = NDArray[np.float64]

ALIKE = 0.8
"""Metrics may share a weight if their scores go together this much, on average over the pairs of the group."""

APART = 0.5
"""And if the standard error of the sum of their slopes is at most this share of what it would be were the slopes known independently."""

MUCH_MISSING = 0.2
"""With more of the metric values missing than this, intervals of weights hold the truth too rarely: see study/weights_study.md."""

SHARED_COLUMNS = ("cluster", "metrics", "members", "current", "fitted", "low", "high", "alike", "apart")
OUTCOME_COLUMNS = ("what", "all", "lost")
SETTLE_COLUMNS = (
    "name", "gain", "low", "high", "lost", "even", "likely", "adopting", "even_years", "likely_years",
    "arr_gain", "arr_low", "arr_high", "arr_even", "arr_likely",
)  # fmt: skip
OPEN_COLUMNS = ("metric", "label", "current", "fitted", "low", "high", "even", "likely")


@dataclass(frozen=True)
class EvidenceFacts:
    """What the fit rests on and what it would take to know more.

    Attributes
    ----------
    shared : `SHARED_COLUMNS`, a row a group of metrics that cannot be told apart: labels, names, points in use, fitted and joint 95 %
        interval; `alike` mean correlation of their scores, `apart` the share described at `APART`
    outcomes : `OUTCOME_COLUMNS`: cases, accounts, and accounts in effect when each weighs its ARR (Kish), all and lost
    settle : `SETTLE_COLUMNS`: each comparison, the lost cases it rests on, how many more would settle it with an even chance and in four of
        five cases (`outlook.settling`: a gain is sure, or one of `WORTH` ruled out; 0 settled, infinite beyond what can be told), which of
        the two is to be expected, in how many years at the present pace; by ARR too
    open : `OPEN_COLUMNS`: metrics whose weight in use lies inside the interval of the fitted one, the nearest to a decision first, and how
        many more lost cases would leave it outside
    pace : lost cases a year, over the last year that cases were scored in; NaN without time
    missing : share of the metric values that is missing
    """

    shared: pd.DataFrame
    outcomes: pd.DataFrame
    settle: pd.DataFrame
    open: pd.DataFrame = field(repr=False)
    pace: float
    missing: float


def of(book: Book, done: dict[str, Any]) -> EvidenceFacts:
    """The facts of `evidence_study` on the cases of a book, for `studies.compute`."""
    found: FitFacts = done["fit"]
    return evidence_study(book.compared_cases, usable(book.workspace.scorecard, found.leaks), found)


def evidence_study(cases: pd.DataFrame, scorecard: Scorecard, found: FitFacts, *, seed: int = 0, replicates: int = 1000) -> EvidenceFacts:
    """Shared weights, outcomes in effect, and the arithmetic of more.

    Parameters
    ----------
    scorecard : `fit.usable`: without the metrics that seem to know the outcome
    found : the facts of the fit whose weights and comparisons are explained
    """
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    pace = _pace(done)
    names = candidates(scorecard)
    shared, missing = pd.DataFrame(columns=list(SHARED_COLUMNS)), float("nan")
    if len(done) and len(names) > 1:
        some, _ = sample(done)
        problem = problem_of(scoring.resolve_scales(scorecard, some), some)
        missing = float(1 - np.isfinite(problem.scores).mean())
        shared = _shared(problem, some, found.weights.set_index("metric"), (seed, replicates))
    return EvidenceFacts(shared, _outcomes(done), _settle(found, pace), _open(found), pace, missing)


def _pace(done: pd.DataFrame) -> float:
    """Lost cases among those scored in the last year of finished cases; NaN without time or with less than a year of it."""
    if done.empty or "fold" in done:
        return float("nan")
    last = done["as_of"].max()
    if done["as_of"].min() > last - pd.Timedelta(days=365):
        return float("nan")
    return float(done.loc[done["as_of"] > last - pd.Timedelta(days=365), "lost"].sum())


def _outcomes(done: pd.DataFrame) -> pd.DataFrame:
    """What was counted, and what it amounts to by ARR."""
    gone = done[done["lost"] == 1]
    rows: list[tuple[str, float, float]] = [("finished cases", len(done), len(gone))]
    rows += [("accounts", done["account_id"].nunique(), gone["account_id"].nunique())]
    rows += [("accounts in effect, by ARR", _kish(done), _kish(gone))]
    return pd.DataFrame(rows, columns=list(OUTCOME_COLUMNS))


def _kish(cases: pd.DataFrame) -> float:
    """(sum w)^2 / sum w^2 over accounts, w the ARR of their cases: so many accounts of equal size carry as much. Kish (1965), 11.7."""
    arr = cases.groupby("account_id")["arr"].sum().to_numpy(dtype=float) if len(cases) else np.zeros(0)
    return float(arr.sum() ** 2 / (arr @ arr)) if arr @ arr > 0 else 0.0


def clusters(scores: Array, information: Array) -> list[tuple[list[int], float, float]]:
    """Groups of metrics whose sum of slopes is well known while the slopes are not.

    The tree of average linkage on 1 - correlation of the scores proposes groups, the largest first; a group shares a weight if the mean
    correlation inside is at least `ALIKE` and sd(sum b) / sqrt(sum var b) at most `APART`, with variances from the inverse information:
    what these outcomes can tell apart, whatever ridge or pull divides among copies. Two metrics alone that correlate r have
    sqrt(1 - r); copies have 0, unrelated metrics 1.

    Parameters
    ----------
    scores : cases x metrics, NaN where not measured
    information : Fisher information of the slopes, the intercept profiled out

    Returns
    -------
    (columns, mean correlation, sd of the sum against independence) a group

    >>> scores = np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 0.5], [0.5, 0.5, 0.0], [0.2, 0.2, 0.9]])
    >>> clusters(scores, np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]]))
    [([0, 1], 1.0, 0.0)]
    """
    from scipy.cluster.hierarchy import average, to_tree

    size = scores.shape[1]
    alike = pd.DataFrame(scores).corr(min_periods=FEWEST if len(scores) >= FEWEST else 2).fillna(0.0).to_numpy()
    spread = np.linalg.inv(information + 1e-9 * np.eye(size) * max(np.trace(information) / size, 1.0))
    queue = [to_tree(average((1 - alike)[np.triu_indices(size, 1)]))] if size > 1 else []
    found = []
    while queue:
        node = queue.pop(0)
        members = sorted(node.pre_order())
        if len(members) < 2:
            continue
        pairs = alike[np.ix_(members, members)][np.triu_indices(len(members), 1)]
        block = spread[np.ix_(members, members)]
        apart = float(np.sqrt(max(block.sum(), 0.0) / max(np.trace(block), 1e-300)))
        if pairs.mean() >= ALIKE and apart <= APART:
            found.append((members, round(float(pairs.mean()), 6), round(apart, 3)))
        else:
            queue += [node.get_left(), node.get_right()]
    return found


def _shared(problem: Problem, done: pd.DataFrame, weights: pd.DataFrame, drawn: tuple[int, int]) -> pd.DataFrame:
    """The groups with their joint weights; the interval is Fieller's of the sum of their slopes, see `ratio_interval`."""
    known = np.isfinite(problem.scores).any(axis=1)
    taught, y = problem.rows(known), done["lost"].to_numpy(dtype=float)[known]
    if min(y.sum(), len(y) - y.sum()) < FEWEST:
        return pd.DataFrame(columns=list(SHARED_COLUMNS))
    rows = design(taught, fit(taught, y, strength=0.0).weights)
    theta = unbounded(rows, y)
    p = logistic(rows @ theta)
    full = rows.T @ (rows * (p * (1 - p))[:, None])
    information = full[1:, 1:] - np.outer(full[1:, 0], full[0, 1:]) / full[0, 0]
    groups = clusters(taught.scores, information)
    if not groups:
        return pd.DataFrame(columns=list(SHARED_COLUMNS))
    codes, counts = account_weights(done["account_id"].to_numpy()[known], drawn[1], drawn[0])
    draws = newton_steps(AccountLoss(rows, y, theta, codes), counts)
    names = list(problem.names)
    low, high = weights["low"].reindex(names), weights["high"].reindex(names)
    stays = ~((low == 0) & (high == 0)).to_numpy()
    found = []
    for number, (members, alike, apart) in enumerate(groups, 1):
        ends = _joint(draws, members, stays)
        own = [names[j] for j in members]
        fitted = float(weights.loc[own, "fitted"].sum())
        found.append({
            "cluster": number, "metrics": tuple(weights.loc[own, "label"]), "members": tuple(own),
            "current": 100 * float(problem.current[members].sum()), "fitted": fitted,
            "low": min(100 * ends[0], fitted), "high": max(100 * ends[1], fitted), "alike": alike, "apart": apart,
        })  # fmt: skip
    return pd.DataFrame(found, columns=list(SHARED_COLUMNS))


def _joint(draws: Array, members: list[int], stays: NDArray[np.bool_]) -> tuple[float, float]:
    """Interval of the summed weight of `members`, among the metrics that stay (and the members, whatever becomes of them one by one)."""
    others = [j for j in range(draws.shape[1] - 1) if j not in members and stays[j]]
    summed = draws[:, 1:][:, members].sum(axis=1)
    low, high = ratio_interval(np.column_stack([draws[:, 0], summed, draws[:, 1:][:, others]]))
    return float(low[0]), float(high[0])


def _settle(found: FitFacts, pace: float) -> pd.DataFrame:
    """Each comparison out of time: how many more lost cases would settle it."""
    pairs = {**found.differences, "equal_minus_current": found.equal_minus_current}
    money = {**found.arr_differences, "equal_minus_current": found.arr_equal_minus_current}
    rows = []
    for name, gain in pairs.items():
        if np.isfinite([gain.value, gain.low, gain.high]).all() and gain.events > 0:
            ahead, by_arr = settling(gain, 0.0, WORTH), money.get(name, NOTHING)
            dear = settling(by_arr, 0.0, WORTH) if np.isfinite(by_arr.value) else UNKNOWN
            rows.append({
                "name": name, "gain": gain.value, "low": gain.low, "high": gain.high, "lost": gain.events,
                "even": ahead.even, "likely": ahead.likely, "adopting": ahead.gain, "even_years": _years(ahead.even, pace),
                "likely_years": _years(ahead.likely, pace), "arr_gain": by_arr.value, "arr_low": by_arr.low, "arr_high": by_arr.high,
                "arr_even": dear.even, "arr_likely": dear.likely,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=list(SETTLE_COLUMNS))


def _years(more: float, pace: float) -> float:
    return more / pace if pace > 0 else float("nan")


def _open(found: FitFacts) -> pd.DataFrame:
    """Metrics whose weight in use the interval still allows, and lost cases until it would not."""
    table = found.weights[found.weights["equal"] > 0].dropna(subset=["fitted", "low", "high"]) if found.n_lost else found.weights.head(0)
    points = table["current"].sum()
    table = table.assign(current=100 * table["current"] / points if points > 0 else table["current"])
    inside = table[table["current"].between(table["low"], table["high"])]
    columns = [inside[name].astype(float) for name in ("fitted", "low", "high", "current")]
    ahead = [
        settling(Estimate(fitted, low, high, found.n_accounts, found.n_lost), current, current)
        for fitted, low, high, current in zip(*columns, strict=True)
    ]
    frame = inside.assign(even=[one.even for one in ahead], likely=[one.likely for one in ahead])
    return frame.sort_values(["even", "metric"], kind="stable")[list(OPEN_COLUMNS)].reset_index(drop=True)
