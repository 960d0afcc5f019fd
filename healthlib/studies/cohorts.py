"""The picture to look at before any coefficient: each metric's deciles against the share lost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.resample import account_weights, rates
from healthlib.spec import Scorecard

COHORT_COLUMNS = ("metric", "label", "decile", "mean_value", "cases", "lost", "rate", "low", "high")


def metric_cohorts(cases: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 200, seed: int = 0) -> pd.DataFrame:
    """Loss rate by decile of each metric's value.

    Equal values stay together, so a metric with few values has fewer than ten groups. Cases without a value form group 0.

    Returns
    -------
    DataFrame `COHORT_COLUMNS`: metric, label, decile (1 lowest values .. 10; 0 not measured), mean_value (NaN in group 0), cases,
    lost, rate with 95 % interval low, high from resampling accounts.
    """
    done = cases[cases["lost"].notna()]
    codes, counts = account_weights(done["account_id"], replicates, seed)
    lost = done["lost"].to_numpy(dtype=float)
    rows = []
    for name in (metric for metric in scorecard.metrics if metric in done and len(done)):
        value = done[name].to_numpy(dtype=float)
        group = _deciles(value)
        found = rates(lost, codes, counts, groups=group)
        sums = np.bincount(group, weights=np.nan_to_num(value), minlength=len(found["value"]))
        rows.append(pd.DataFrame({
            "metric": name, "label": scorecard.metrics[name].label, "decile": np.arange(len(sums)),
            "mean_value": np.where(np.arange(len(sums)) > 0, sums / np.maximum(found["weight"], 1), np.nan),
            "cases": found["weight"], "lost": found["events"], "rate": found["value"], "low": found["low"], "high": found["high"],
        }))  # fmt: skip
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COHORT_COLUMNS))
    return table[table["cases"] > 0].reset_index(drop=True)


def _deciles(value: np.ndarray) -> np.ndarray:
    """Decile 1..10 of each value, equal values together; 0 for NaN."""
    group = np.zeros(len(value), dtype=np.intp)
    known = np.isfinite(value)
    if known.any():
        cuts = np.unique(np.quantile(value[known], np.linspace(0.1, 0.9, 9)))
        group[known] = 1 + np.searchsorted(cuts, value[known], side="left")
        group[known] = 1 + np.unique(group[known], return_inverse=True)[1]
    return group
