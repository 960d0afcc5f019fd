"""Each metric by itself: loss rates from its worst fifth to its best, and how well it alone tells leavers from stayers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib import stats
from healthlib.resample import NOTHING, Estimate, account_weights, percentile
from healthlib.spec import Scorecard
from healthlib.studies.cohorts import worst_fifth
from healthlib.studies.rates import RATE_COLUMNS, rates_by

COHORT_COLUMNS = ("metric", "label", "cohort", "from_value", "to_value", *RATE_COLUMNS)
ALONE_COLUMNS = (
    "metric",
    "label",
    "cases",
    "lost",
    "measured",
    "auc",
    "low",
    "high",
    "arr_auc",
    "arr_low",
    "arr_high",
    "worst_rate",
    "best_rate",
    "lift",
    "lift_low",
    "lift_high",
)
LIFT_REPLICATES = 200
"""As many as the weights report draws for the same lifts, so that both pages say the same."""


def cohorts(finished: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Loss rate by fifth of each metric's raw value, cohort 1 the worst by the metric's direction.

    Equal values stay together, so a metric with few values has fewer cohorts.

    Returns
    -------
    DataFrame with `COHORT_COLUMNS`, by metric in the order of the scorecard.
    """
    parts = []
    for name, metric in scorecard.metrics.items():
        values = finished[name] if name in finished else pd.Series(dtype=float)
        signed = values if metric.better == "higher" else -values
        if signed.nunique() < 2:
            continue
        number = _fifths(signed)
        table = rates_by(finished, number, replicates=replicates, seed=seed)
        ends = values.groupby(number).agg(["min", "max"])
        parts.append(
            table.assign(
                metric=name,
                label=metric.label,
                cohort=np.arange(1, len(table) + 1),
                from_value=ends["min"].to_numpy()[: len(table)],
                to_value=ends["max"].to_numpy()[: len(table)],
            )
        )
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return found.reindex(columns=list(COHORT_COLUMNS))


def _fifths(signed: pd.Series) -> pd.Series:
    """Number of the fifth of each value, lowest first; NaN for NaN. Where most values are equal they stay together, apart from the rest."""
    known = signed.dropna()
    cuts = np.unique(np.quantile(known, [0.2, 0.4, 0.6, 0.8]))
    place = np.searchsorted(cuts, known, side="left")
    if len(np.unique(place)) < 2:
        place = np.searchsorted(cuts, known, side="right")
    return pd.Series(place, index=known.index).rank(method="dense").reindex(signed.index)


def strength(finished: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """How well each metric alone ranks stayers above leavers, strongest first.

    Returns
    -------
    DataFrame with `ALONE_COLUMNS`: `auc` is the chance that an account that stayed had more points than one that left (ties half; 0.5 says
    nothing), with the 95 % interval from resampling accounts; `measured` the share of cases with a value; `worst_rate` and `best_rate`
    the loss rates of the worst and best fifth of the measured cases, of which equal values at the cut count in part; `lift` that of the
    worst fifth over that of all measured cases, as in the weights report (`cohorts.worst_fifth`).
    """
    rows, accounts = [], account_weights(finished["account_id"], LIFT_REPLICATES, seed)
    happened = (finished["lost"].to_numpy(float), np.nan_to_num(finished["arr"].to_numpy(float)))
    for name, metric in scorecard.metrics.items():
        if name not in finished:
            continue
        signed = finished[name] if metric.better == "higher" else -finished[name]
        measured = finished[signed.notna()]
        auc, by_arr = (auc_of(measured, signed.dropna(), money=money, replicates=replicates, seed=seed) for money in (False, True))
        worst, best = (worst_fifth(sign * signed.to_numpy(float), happened, accounts) for sign in (1.0, -1.0))
        base = measured["lost"].mean() if signed.nunique() > 1 else np.nan
        share = len(measured) / len(finished) if len(finished) else np.nan
        rows.append(
            (
                name,
                metric.label,
                len(measured),
                int(measured["lost"].sum()),
                share,
                auc.value,
                auc.low,
                auc.high,
                by_arr.value,
                by_arr.low,
                by_arr.high,
                base * worst["lift"],
                base * best["lift"],
                *(worst[f"lift{end}"] for end in ("", "_low", "_high")),
            )
        )
    frame = pd.DataFrame(rows, columns=list(ALONE_COLUMNS))
    return frame.sort_values("auc", ascending=False, kind="stable", na_position="last").reset_index(drop=True)


def auc_of(cases: pd.DataFrame, score: pd.Series, *, money: bool = False, replicates: int = 400, seed: int = 0) -> Estimate:
    """The AUC of a score over the cases where it is known, with its interval; NaN where only one outcome was seen. `n` is accounts."""
    known = score.notna().to_numpy()
    cases, values = cases[known], score[known]
    if cases["lost"].nunique() < 2:
        return NOTHING
    codes, counts = account_weights(cases["account_id"], replicates, seed)
    weight = np.nan_to_num(cases["arr"].to_numpy(float)) if money else None
    value = stats.auc(values, cases["lost"], weight)
    return percentile(
        value, stats.auc_replicates(values, cases["lost"], codes, counts, weight), n=len(counts), events=float(cases["lost"].sum())
    )
