"""The picture to look at before any coefficient: each metric's deciles against the share lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.resample import account_weights, percentile, rates
from healthlib.spec import Scorecard
from healthlib.studies.duels import exact_ranks, levels, rank_replicates

COHORT_COLUMNS = (
    "metric", "label", "decile", "of", "mean_value", "cases", "lost", "rate", "low", "high", "arr_rate", "arr_low", "arr_high",
    "lift", "lift_low", "lift_high", "arr_lift", "arr_lift_low", "arr_lift_high",
)  # fmt: skip

LOST_EACH = 8
"""About so many lost cases a group: with fewer than ten times that there are fewer than ten groups."""

FIFTH = "caught_20"


def metric_cohorts(cases: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 200, seed: int = 0) -> pd.DataFrame:
    """Loss rate by tenth of each metric's value, by cases and by ARR, and the lift of its worst fifth.

    Equal values stay together, so a metric with few values has fewer than ten groups; so has one measured where few were lost: about
    `LOST_EACH` to a group, never fewer than three groups. Cases without a value form group 0. Lift is the share of what was lost that lies
    in the worst fifth by the metric's direction, over a fifth (ties at the cut count in part): 1 says nothing. It is of measured cases.

    Returns
    -------
    DataFrame `COHORT_COLUMNS`: metric, label, decile (1 lowest values .. `of`; 0 not measured), of (groups aimed at), mean_value (NaN in
    group 0), cases, lost, rate and arr_rate with 95 % intervals from resampling accounts, lift and arr_lift (the same in every row of a
    metric; NaN without lost and kept cases).
    """
    done = cases[cases["lost"].notna()]
    codes, counts = account_weights(done["account_id"], replicates, seed)
    lost, arr = done["lost"].to_numpy(dtype=float), np.nan_to_num(done["arr"].to_numpy(dtype=float))
    rows = []
    for name in (metric for metric in scorecard.metrics if metric in done and len(done)):
        value, metric = done[name].to_numpy(dtype=float), scorecard.metrics[name]
        many = groups_for(float(lost[np.isfinite(value)].sum()))
        group = _tenths(value, many)
        found, money = (rates(lost, codes, counts, groups=group, case_weight=weight) for weight in (None, arr))
        sums = np.bincount(group, weights=np.nan_to_num(value), minlength=len(found["value"]))
        rows.append(pd.DataFrame({
            "metric": name, "label": metric.label, "decile": np.arange(len(sums)), "of": many,
            "mean_value": np.where(np.arange(len(sums)) > 0, sums / np.maximum(found["weight"], 1), np.nan),
            "cases": found["weight"], "lost": found["events"], "rate": found["value"], "low": found["low"], "high": found["high"],
            "arr_rate": money["value"], "arr_low": money["low"], "arr_high": money["high"],
            **worst_fifth(value if metric.better == "higher" else -value, (lost, arr), (codes, counts)),
        }))  # fmt: skip
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COHORT_COLUMNS))
    return table[table["cases"] > 0].reset_index(drop=True)


def groups_for(lost: float) -> int:
    """How many groups so many lost cases carry.

    >>> groups_for(5), groups_for(40), groups_for(500)
    (3, 5, 10)
    """
    return int(np.clip(lost // LOST_EACH, 3, 10))


def worst_fifth(
    signed: NDArray[np.float64], happened: tuple[NDArray[np.float64], NDArray[np.float64]], accounts: tuple[NDArray[np.intp], NDArray[Any]]
) -> dict[str, float]:
    """Lift of the worst fifth by cases and by ARR, each with its interval."""
    known = np.isfinite(signed)
    part = (happened[0][known], happened[1][known])
    level = levels(signed[known])
    exact = exact_ranks(signed[known], part)
    draws = rank_replicates(level, part, (accounts[0][known], accounts[1])) if known.any() else {}
    said = {}
    for prefix, by in (("", "accounts"), ("arr_", "arr")):
        one = percentile(5 * exact.get((FIFTH, by), np.nan), 5 * draws.get((FIFTH, by), np.empty(0)), n=len(np.unique(accounts[0][known])))
        told = np.unique(part[0]).size == 2 and len(np.unique(level)) > 1
        ends = (one.value, one.low, one.high) if told else (np.nan,) * 3
        said |= dict(zip((f"{prefix}lift", f"{prefix}lift_low", f"{prefix}lift_high"), ends, strict=True))
    return said


def _tenths(value: NDArray[np.float64], many: int) -> NDArray[np.intp]:
    """Group 1..`many` of each value, equal values together; 0 for NaN."""
    group = np.zeros(len(value), dtype=np.intp)
    known = np.isfinite(value)
    if known.any():
        cuts = np.unique(np.quantile(value[known], np.linspace(0, 1, many + 1)[1:-1]))
        group[known] = 1 + np.searchsorted(cuts, value[known], side="left")
        group[known] = 1 + np.unique(group[known], return_inverse=True)[1]
    return group
