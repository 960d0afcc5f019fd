"""Cases frames with a known truth, made in memory in milliseconds: the raw material of statistical studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from healthlib.spec import Band, Measure, Metric, Scorecard

WEIGHTS = {"seats_active": 30.0, "depth": 20.0, "trend": 20.0, "executive": 15.0, "tickets": 10.0, "nps": 5.0, "rating": 0.0, "logins": 0.0}
"""Weights used where a study names none: six metrics that matter, two that do not."""

FIRST_DAY = pd.Timestamp("2019-01-01")
LEAD_DAYS, GRACE_DAYS, YEAR_DAYS = 90, 30, 365


@dataclass(frozen=True)
class CaseTruth:
    """What `simulate_cases` put into its frame.

    Attributes
    ----------
    weights : metric -> points of 100 (all 0 when outcomes are pure noise)
    intercept, slope : logit P(lost) = intercept - slope * health / 100 + account effect, health = sum weight * score / 100
    churn_rate : the mean true probability over all terms drawn, before leavers drop out
    probability : true P(lost) of each case, same index as the cases
    """

    weights: dict[str, float]
    intercept: float
    slope: float
    churn_rate: float
    probability: pd.Series = field(repr=False, compare=False)


def simulate_cases(
    n_accounts: int = 600,
    cases_per_account: int = 4,
    weights: Mapping[str, float] | None = None,
    churn_rate: float = 0.12,
    correlation: float = 0.4,
    missing_share: float = 0.0,
    seed: int = 0,
    *,
    slope: float = 6.0,
    account_effect: float = 0.0,
) -> tuple[pd.DataFrame, CaseTruth]:
    """Yearly renewals of a simulated book: a labelled cases frame and the weights behind it.

    Every metric is already on the 0-100 scale (see `simulated_scorecard`): clip(50 + 25 z), the z of one case equally
    correlated across metrics, half of each z's variance belonging to the account and lasting all its terms.
    An account has one case a year until it is lost or has had `cases_per_account`.

    Parameters
    ----------
    n_accounts, cases_per_account : accounts, and the most terms each can have
    weights : metric -> weight, scaled to sum to 100; all zero means that outcomes depend on nothing
    churn_rate : wanted mean probability of loss at a renewal
    correlation : correlation of any two metrics' z in one case, 0..1
    missing_share : share of metric values removed at random after the outcome was drawn
    seed : same seed, same frame
    slope : fall of the logit from health 0 to health 100; 6 gives an AUC of about 0.75
    account_effect : standard deviation of an account's own shift of the logit that no metric sees

    Returns
    -------
    cases : key (account_id, as_of), sorted by both; the columns of a labelled cases frame, segment, one column a metric
    truth : CaseTruth
    """
    rng = np.random.default_rng(seed)
    given = dict(WEIGHTS if weights is None else weights)
    total = sum(given.values())
    points = {name: 100 * weight / total if total else 0.0 for name, weight in given.items()}
    scores = _draw_scores(rng, (n_accounts, cases_per_account, len(points)), correlation)
    health = scores @ np.array(list(points.values())) / 100
    shift = account_effect * rng.standard_normal((n_accounts, 1))
    effective_slope = slope if total else 0.0
    intercept = solve_intercept(-effective_slope * health / 100 + shift, churn_rate)
    probability = _logistic(intercept - effective_slope * health / 100 + shift)
    lost = rng.random(probability.shape) < probability
    alive = np.cumsum(lost, axis=1) - lost == 0
    cases = _frame(rng, scores, lost, alive, list(points))
    if missing_share:
        block = cases[list(points)]
        cases[list(points)] = block.mask(rng.random(block.shape) < missing_share)
    truth = CaseTruth(points, intercept, effective_slope, float(probability.mean()), pd.Series(probability[alive], index=cases.index))
    return cases, truth


def simulated_scorecard(weights: Mapping[str, float]) -> Scorecard:
    """A scorecard whose metrics are the 0-100 columns of `simulate_cases`, with the `weights` a company might use today.

    Metrics are dealt in turn to the groups adoption, engagement and relationship; bands start at 0, 45 and 55.
    """
    groups = ("adoption", "engagement", "relationship")
    metrics = {
        name: Metric(
            name=name, group=groups[i % 3], label=name.replace("_", " ").capitalize(), table="readings", reading=name,
            measure=Measure(kind="last", of="value"), worst=0.0, best=100.0, weight=weight,
        )
        for i, (name, weight) in enumerate(weights.items())
    }  # fmt: skip
    bands = tuple(Band.model_validate({"name": name, "from": start}) for name, start in (("red", 0), ("yellow", 45), ("green", 55)))
    return Scorecard(groups=groups[: len(metrics)], metrics=metrics, bands=bands)


def solve_intercept(logit: np.ndarray, rate: float) -> float:
    """The intercept that makes the mean of logistic(intercept + logit) equal to `rate`, by bisection.

    >>> round(solve_intercept(np.zeros(3), 0.731), 2)  # log(0.731 / 0.269)
    1.0
    """
    low, high = -60.0, 60.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _logistic(middle + logit).mean() < rate else (low, middle)
    return (low + high) / 2


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def _draw_scores(rng: np.random.Generator, shape: tuple[int, int, int], correlation: float) -> np.ndarray:
    """Scores 0..100, accounts x terms x metrics; half of the variance is the account's own."""
    n, terms, metrics = shape

    def correlated(rows: int, columns: int) -> np.ndarray:
        common = rng.standard_normal((rows, columns, 1))
        return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.standard_normal((rows, columns, metrics))

    z = np.sqrt(0.5) * (correlated(n, 1) + correlated(n, terms))
    return np.clip(50 + 25 * z, 0, 100)


def _frame(rng: np.random.Generator, scores: np.ndarray, lost: np.ndarray, alive: np.ndarray, names: list[str]) -> pd.DataFrame:
    """The labelled cases of the terms that took place."""
    n = len(scores)
    account, term = np.nonzero(alive)
    began = rng.integers(0, YEAR_DAYS, n)
    arr = np.round(np.exp(rng.normal(10.0, 1.0, n)))
    seats = np.maximum(1.0, np.round(arr / 600))
    segment = np.select([arr < 15_000, arr < 60_000], ["SMB", "Mid-Market"], "Enterprise")
    ends = FIRST_DAY + pd.to_timedelta((began[account] + YEAR_DAYS * (term + 1)) * 86_400, unit="s")
    died = lost[account, term].astype(float)
    cases = pd.DataFrame({
        "account_id": pd.array([f"S{i:06d}" for i in account], dtype="str"),
        "as_of": (ends - pd.Timedelta(days=LEAD_DAYS)).astype("datetime64[s]"),
        "arr": arr[account], "seats": seats[account], "age_days": YEAR_DAYS * (term + 1.0) - LEAD_DAYS,
        "term_ends": ends.astype("datetime64[s]"), "segment": pd.array(segment[account], dtype="str"),
    })  # fmt: skip
    cases[names] = scores[account, term]
    cases["horizon_ends_on"] = (ends + pd.Timedelta(days=GRACE_DAYS)).astype("datetime64[s]")
    cases["outcome"] = pd.array(np.where(died == 1, "churned", "renewed"), dtype="str")
    return cases.assign(lost=died, arr_lost=died * cases["arr"])
