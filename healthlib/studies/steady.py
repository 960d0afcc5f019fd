"""Do the weights hold over time? Refitted by half-year, and tested for a change that sampling alone does not explain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.backtest import problem_of
from healthlib.resample import account_weights, blocks
from healthlib.spec import Scorecard
from healthlib.stats import logistic
from healthlib.studies.fit import FitFacts, usable
from healthlib.studies.walk import Mask, half_years, sample
from healthlib.weight_intervals import FEWEST, free_interval, unbounded
from healthlib.weights import RIDGE, candidates, design, fit

if TYPE_CHECKING:
    from healthlib.studies.book import Book

Array = NDArray[np.float64]

LEAST_EACH = 40
"""A change is looked for only where this many accounts were lost and kept before it and after it: below, little can be seen."""

TRIMMED = 0.2
"""And only where this share of the lost cases lies on either side: further out little can be seen, and looking costs power."""

FLAGGED = 0.05
"""A change is flagged below this chance; what that comes to in simulated companies is in study/outlook_study.md."""

PASSES = 60
"""Newton steps of the fit under steady weights at most; it takes about eight."""

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

    The test compares everything before a date with everything after it, at every date between half-years with `LEAST_EACH` accounts lost
    and kept on either side. Its null hypothesis is fitted: the same weights on both sides, but an intercept and a scale of its own for
    each, so that bad years and a weaker score are no change of weights. The statistic of a metric is the share it gained after the date,
    one scoring step away from that fit, over the root of the sum of its squared parts by account (a cluster-robust efficient-score test).
    The largest over all metrics and dates is held against the same after the sign of each account's part was drawn at random: the
    score bootstrap, Kline & Santos (2012), doi:10.1515/2156-6674.1006. So metrics and dates are corrected for at once, an account with
    cases on both sides keeps them together, and the null is never estimated from the few lost of one side alone, which made an earlier
    test (one Newton step per replicate and side) accuse 10 of 40 companies at 5 %. A search over dates as in Andrews (1993),
    doi:10.2307/2951764.

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
    ground = _Ground(done, rows, lost, period, *account_weights(done["account_id"], replicates, seed), seed)
    labels = {name: scorecard.metrics[name].label for name in names}
    periods = _periods(ground)
    changes = _changes(ground, list(names))
    tried = len(_dates(ground))
    why = "" if tried else f"To test it takes {LEAST_EACH} accounts lost, and as many kept, on either side of a turn of the half-year."
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
    seed: int


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
    """The half-years that may begin something new: enough accounts lost and kept before and from it."""
    least, gone = TRIMMED * ground.lost.sum(), ground.lost == 1

    def enough(side: Mask) -> bool:
        accounts = (len(np.unique(ground.codes[side & kind])) for kind in (gone, ~gone))
        return ground.lost[side].sum() >= least and min(accounts) >= LEAST_EACH

    return [name for name in sorted(set(ground.period))[1:] if enough(ground.period < name) and enough(ground.period >= name)]


def _changes(ground: _Ground, names: list[str]) -> pd.DataFrame:
    """The clearest change of each metric, with the chance of one so clear anywhere."""
    dates = _dates(ground)
    if not dates:
        return pd.DataFrame(columns=list(CHANGE_COLUMNS))
    slopes = np.maximum(unbounded(ground.rows, ground.lost)[1:], 0.0)
    size, worst = _sizes(ground, dates)
    at = size.argmax(axis=0)
    chance = [(1 + (worst >= size[i, j]).sum()) / (1 + len(worst)) for j, i in enumerate(at)]
    found = pd.DataFrame({
        "metric": names, "pooled": 100 * slopes / max(slopes.sum(), 1e-9), "since": [dates[i] for i in at], "chance": chance,
    })  # fmt: skip
    for side, when in (("before", np.less), ("after", np.greater_equal)):
        alone = {name: _alone(ground, when(ground.period, name)) for name in found["since"].unique()}
        for key, part in ((side, "weight"), (f"{side}_low", "low"), (f"{side}_high", "high")):
            found[key] = [alone[name][part][j] for j, name in enumerate(found["since"])]
    return found.assign(flagged=found["chance"] < FLAGGED)


def _sizes(ground: _Ground, dates: list[str]) -> tuple[Array, Array]:
    """Statistics, dates x metrics, and the largest of all under each draw of the accounts' signs.

    The statistics are reduced for the parameters that the null spent, a share of the lost cases, as in the usual cluster correction.
    """
    parts = np.concatenate([_parts(ground, ground.period >= name) for name in dates], axis=1)
    spread = np.sqrt((parts**2).sum(axis=0))
    parts = np.divide(parts, spread, out=np.zeros_like(parts), where=spread > 0)
    accounts, replicates = ground.counts.shape
    rng = np.random.default_rng(ground.seed)
    worst = [
        np.abs(rng.choice([-1.0, 1.0], size=(len(range(replicates)[part]), accounts)) @ parts).max(axis=1)
        for part in blocks(replicates, accounts)
    ]
    spent = np.sqrt(max(1 - (ground.rows.shape[1] + 2) / ground.lost.sum(), 0.0))
    return spent * np.abs(parts.sum(axis=0)).reshape(len(dates), -1), np.concatenate(worst)


def _parts(ground: _Ground, later: Mask) -> Array:
    """What each account adds to the share that each metric gained after a date: accounts x metrics.

    The columns that only the alternative has, the scores of later cases, are cleared of all that steady weights could explain (weighted
    least squares on the tangents of the null), which makes their score u; I^- u is the change of slopes one step away, and of it is taken
    what keeps the sum of weights: d_j - w_j sum d. A metric without any information of its own has zeros.
    """
    p, tangent, slopes = _steady(ground.rows[:, 1:], ground.lost, later)
    root = np.sqrt(p * (1 - p))[:, None]
    own = ground.rows[:, 1:] * later[:, None]
    own -= tangent @ np.linalg.lstsq(tangent * root, own * root, rcond=1e-10)[0]
    information = (own * root).T @ (own * root)
    told = np.diag(information) > 1e-9 * max(np.diag(information).max(), 1e-300)
    inverse = np.linalg.pinv(information, rcond=1e-6, hermitian=True)
    total = slopes.sum() if abs(slopes.sum()) > 1e-6 * np.abs(slopes).sum() else np.inf
    step = np.where(told[:, None], inverse - np.outer(slopes / total, inverse.sum(axis=0)), 0.0)
    found = np.zeros((ground.counts.shape[0], len(slopes)))
    np.add.at(found, ground.codes, (own * (ground.lost - p)[:, None]) @ step.T)
    return found


def _steady(x: Array, y: Array, later: Mask) -> tuple[Array, Array, Array]:
    """The fit under steady weights, slopes b before and g b later, two intercepts: chances of loss, tangents (cases x slopes + 3), b.

    Newton steps on the expected Hessian, halved where they do not lower the loss; a slight pull of g to 1 holds it where b is nothing.
    """
    after, before = later.astype(float), 1.0 - later
    start = np.r_[np.zeros(x.shape[1] + 2), 1.0]
    pull = np.r_[1e-8 * len(y), 1e-8 * len(y), np.full(x.shape[1], RIDGE), 0.5]

    def at(theta: Array) -> tuple[Array, float]:
        eta = theta[0] * before + theta[1] * after + (before + theta[-1] * after) * (x @ theta[2:-1])
        return eta, float((np.logaddexp(0, eta) - y * eta).sum() + 0.5 * pull @ (theta - start) ** 2)

    theta = start
    (eta, loss), step = at(theta), np.inf
    for _ in range(PASSES):
        p = logistic(eta)
        tangent = np.column_stack([before, after, x * (before + theta[-1] * after)[:, None], (x @ theta[2:-1]) * after])
        if np.abs(step).max() < 1e-7:
            break
        hessian = tangent.T @ (tangent * (p * (1 - p))[:, None]) + np.diag(pull)
        step = np.linalg.solve(hessian, tangent.T @ (y - p) - pull * (theta - start))
        while (new := at(theta + step))[1] > loss + 1e-9 and np.abs(step).max() > 1e-7:
            step = step / 2
        theta, (eta, loss) = theta + step, new
    return p, tangent, theta[2:-1]
