"""Do the weights hold over time? Refitted by half-year, and tested for a change that sampling alone does not explain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.backtest import problem_of
from healthlib.resample import account_weights
from healthlib.spec import Scorecard
from healthlib.studies.fit import FitFacts, usable
from healthlib.studies.walk import Mask, half_years, sample
from healthlib.weight_intervals import FEWEST, AccountLoss, free_interval, newton_steps, unbounded
from healthlib.weights import candidates, design, fit

if TYPE_CHECKING:
    from healthlib.studies.book import Book

Array = NDArray[np.float64]

LEAST_EACH = 40
"""A change is looked for only where this many lost and kept cases lie before it and after it: below, the test is not to be relied on."""

TRIMMED = 0.2
"""And only where this share of the lost cases lies on either side: further out little can be seen, and looking costs power."""

FLAGGED = 0.01
"""A change is flagged below this chance. At 0.05 the test flagged 10 of 40 simulated companies of 600 accounts whose weights held (7 of 24
whose base rate changed, 3 of 16 whose did not), at 0.01 one: replicates by one Newton step are too narrow where one side is small."""

PERIOD_COLUMNS = ("period", "cases", "accounts", "lost", "fitted")
WEIGHT_COLUMNS = ("metric", "label", "period", "weight", "low", "high")
CHANGE_COLUMNS = (
    "metric", "label", "pooled", "since", "before", "before_low", "before_high", "after", "after_low", "after_high", "chance", "flagged",
)  # fmt: skip


@dataclass(frozen=True)
class SteadyFacts:
    """Whether the weights held.

    Attributes
    ----------
    periods : `PERIOD_COLUMNS`: half-years in which cases were scored, and whether enough were lost and kept to fit them alone
    weights : `WEIGHT_COLUMNS`: points of 100 fitted to one half-year alone, without any pull, with 95 % interval
    changes : `CHANGE_COLUMNS`, a row a metric: its pooled weight; since, the half-year from which it differs most; its weight before
        and after, each fitted alone, with 95 % interval; chance, of so clear a change of any metric at any date if the weights had
        held; flagged, if that is below `FLAGGED`
    tried : dates between half-years at which a change was looked for; 0 where outcomes are too few
    n_lost : lost cases the test rests on
    why : why it was not tested, in words; empty where it was
    notes : what was cut
    """

    periods: pd.DataFrame
    weights: pd.DataFrame = field(repr=False)
    changes: pd.DataFrame
    tried: int
    n_lost: int
    why: str = ""
    notes: tuple[str, ...] = ()


def of(book: Book, done: dict[str, Any]) -> SteadyFacts:
    """The facts of `steady_study` on the cases of a book, for `studies.compute`."""
    found: FitFacts = done["fit"]
    return steady_study(book.compared_cases, usable(book.workspace.scorecard, found.leaks))


def steady_study(cases: pd.DataFrame, scorecard: Scorecard, *, seed: int = 0, replicates: int = 1000) -> SteadyFacts:
    """Weights by half-year with intervals, and the test of whether they changed.

    The test compares everything before a date with everything after it, at every date between half-years with `LEAST_EACH` lost and kept
    cases on either side, each side with its own intercept and scale: bad years and a weaker score are no change of weights. What is
    compared is b_j - w_j sum b, zero on both sides while the pooled weights w hold. Its largest studentised difference over all metrics and
    dates is held against the same maximum over account replicates about their mean (max-t bootstrap: Romano & Wolf 2005,
    doi:10.1111/j.1468-0262.2005.00615.x), so that metrics and dates are corrected for at once, and accounts with cases on both sides
    are drawn with both. A search over dates as in Andrews (1993), doi:10.2307/2951764.

    Parameters
    ----------
    cases : cases frame with outcomes
    scorecard : `fit.usable`: without the metrics that seem to know the outcome
    """
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    names = candidates(scorecard)
    why = "A flat sheet speaks of one day, so it cannot tell whether weights hold over time." if "fold" in done else ""
    why = why or ("There is no finished case." if done.empty else "Only one metric has a weight." if len(names) < 2 else "")
    if why:
        periods, weights, changes = (pd.DataFrame(columns=list(names)) for names in (PERIOD_COLUMNS, WEIGHT_COLUMNS, CHANGE_COLUMNS))
        return SteadyFacts(periods, weights, changes, 0, 0, why)
    done, cut = sample(done)
    problem = problem_of(scoring.resolve_scales(scorecard, done), done)
    known = np.isfinite(problem.scores).any(axis=1)
    done, problem = done.iloc[np.flatnonzero(known)].reset_index(drop=True), problem.rows(known)
    lost, period = done["lost"].to_numpy(dtype=float), half_years(done["as_of"]).to_numpy()
    rows = design(problem, fit(problem, lost, strength=0.0).weights) if 0 < lost.sum() < len(lost) else np.zeros((len(lost), 1))
    ground = _Ground(done, rows, lost, period, *account_weights(done["account_id"], replicates, seed))
    labels = {name: scorecard.metrics[name].label for name in names}
    periods = _periods(ground)
    changes = _changes(ground, list(names))
    tried = len(_dates(ground))
    why = "" if tried else f"To test it takes {LEAST_EACH} lost and {LEAST_EACH} kept cases on either side of a turn of the half-year."
    return SteadyFacts(
        periods, _by_period(ground, periods, labels), changes.assign(label=changes["metric"].map(labels))[list(CHANGE_COLUMNS)], tried,
        int(lost.sum()), why, cut,
    )  # fmt: skip


@dataclass(frozen=True)
class _Ground:
    """Filled rows of all cases (intercept first), outcome, half-year, and the account replicates."""

    done: pd.DataFrame
    rows: Array
    lost: Array
    period: NDArray[np.object_]
    codes: NDArray[np.intp]
    counts: NDArray[Any]


def _periods(ground: _Ground) -> pd.DataFrame:
    frame = pd.DataFrame({"period": ground.period, "account_id": ground.done["account_id"], "lost": ground.lost})
    found = frame.groupby("period", as_index=False).agg(cases=("lost", "size"), accounts=("account_id", "nunique"), lost=("lost", "sum"))
    return found.assign(lost=found["lost"].astype(int), fitted=np.minimum(found["lost"], found["cases"] - found["lost"]) >= FEWEST)


def _by_period(ground: _Ground, periods: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """Weights of each half-year that had enough outcomes, by itself."""
    found = [
        pd.DataFrame({"metric": list(labels), "label": list(labels.values()), "period": name, **_alone(ground, ground.period == name)})
        for name in periods.loc[periods["fitted"], "period"]
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(WEIGHT_COLUMNS))


def _alone(ground: _Ground, here: Mask) -> dict[str, Array]:
    """Weight, low and high in points of 100 from some of the cases, without any pull."""
    rows, y = ground.rows[here], ground.lost[here]
    own, codes = np.unique(ground.codes[here], return_inverse=True)
    low, high = free_interval(rows, y, codes.reshape(-1), ground.counts[own, :400])
    slopes = np.maximum(unbounded(rows, y)[1:], 0.0)
    share = slopes / slopes.sum() if slopes.sum() > 0 else np.full(len(slopes), np.nan)
    return {"weight": 100 * share, "low": 100 * np.fmin(low, share), "high": 100 * np.fmax(high, share)}


def _dates(ground: _Ground) -> list[str]:
    """The half-years that may begin something new: enough lost and kept cases before and from it."""
    least = max(LEAST_EACH, TRIMMED * ground.lost.sum())

    def enough(side: Mask) -> bool:
        return ground.lost[side].sum() >= least and (1 - ground.lost[side]).sum() >= LEAST_EACH

    return [name for name in sorted(set(ground.period))[1:] if enough(ground.period < name) and enough(ground.period >= name)]


def _changes(ground: _Ground, names: list[str]) -> pd.DataFrame:
    """The clearest change of each metric, with the chance of one so clear anywhere."""
    dates = _dates(ground)
    if not dates:
        return pd.DataFrame(columns=list(CHANGE_COLUMNS))
    slopes = np.maximum(unbounded(ground.rows, ground.lost)[1:], 0.0)
    weights = slopes / max(slopes.sum(), 1e-9)
    sides = [(_side(ground, ground.period < name, weights), _side(ground, ground.period >= name, weights)) for name in dates]
    draws = np.array([after[1] - before[1] for before, after in sides])
    spread = np.maximum(draws.std(axis=1), 1e-12)
    size = np.abs([after[0] - before[0] for before, after in sides]) / spread
    worst = (np.abs(draws - draws.mean(axis=1, keepdims=True)) / spread[:, None]).max(axis=(0, 2))
    at = size.argmax(axis=0)
    chance = np.array([(worst >= size[i, j]).mean() for j, i in enumerate(at)])
    found = pd.DataFrame({"metric": names, "pooled": 100 * weights, "since": [dates[i] for i in at], "chance": chance})
    for side, when in (("before", np.less), ("after", np.greater_equal)):
        alone = {name: _alone(ground, when(ground.period, name)) for name in found["since"].unique()}
        for key, part in ((side, "weight"), (f"{side}_low", "low"), (f"{side}_high", "high")):
            found[key] = [alone[name][part][j] for j, name in enumerate(found["since"])]
    return found.assign(flagged=found["chance"] < FLAGGED)


def _side(ground: _Ground, here: Mask, weights: Array) -> tuple[Array, Array]:
    """b_j - w_j sum b of one side: its fit, and its account replicates, one Newton step each."""
    rows, y = ground.rows[here], ground.lost[here]
    own, codes = np.unique(ground.codes[here], return_inverse=True)
    theta = unbounded(rows, y)
    draws = newton_steps(AccountLoss(rows, y, theta, codes.reshape(-1)), ground.counts[own])[:, 1:]
    return theta[1:] - weights * theta[1:].sum(), draws - weights * draws.sum(axis=1, keepdims=True)
