"""Metrics that seem to know the outcome, found before any fit, with the evidence in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.resample import Estimate, account_weights, percentile, rate
from healthlib.spec import Scorecard
from healthlib.stats import auc, auc_replicates

LEAK_COLUMNS = ("metric", "kind", "evidence")

TOO_GOOD = 0.90
"""No honest metric read months ahead tells lost from kept this well: AUC alone, lower end of its interval above 0.85 (a convention)."""

FAR_AHEAD = 0.15
"""A metric this much AUC above the best other one, by the lower end of the interval, is suspect (a convention)."""

LEVELS = 500

FEWEST = 8
"""A metric is judged once it was measured for this many lost and this many kept cases."""


def find_leaks(cases: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 300, seed: int = 0) -> pd.DataFrame:
    """Screen every metric of the scorecard against the outcomes of finished cases.

    Four signs, each judged by an interval over accounts: a single-metric AUC too good to be true; one far above the best other metric;
    a value measured for (almost) only one of lost and kept; a value that never varies among the kept but does among the lost.

    Parameters
    ----------
    cases : cases frame with `lost` and the raw value of each metric
    scorecard : names the metrics

    Returns
    -------
    DataFrame `LEAK_COLUMNS`, a row a sign: `kind` is too_good, far_ahead, missing_tells or constant_when_kept; `evidence` is a sentence.
    """
    done = cases[cases["lost"].notna()]
    lost = done["lost"].to_numpy(dtype=float)
    if min(lost.sum(), (1 - lost).sum()) < FEWEST:
        return pd.DataFrame(columns=list(LEAK_COLUMNS))
    codes, counts = account_weights(done["account_id"], replicates, seed)
    values = {name: done[name].to_numpy(dtype=float) for name in scorecard.metrics if name in done}
    found = _by_auc(values, lost, codes, counts)
    for name, value in values.items():
        label = scorecard.metrics[name].label or name
        found += _by_missing((name, label), np.isfinite(value), lost, (codes, counts))
        found += _by_constant((name, label), value, lost, (codes, counts))
    order = {name: place for place, name in enumerate(values)}
    return pd.DataFrame(sorted(found, key=lambda row: order[row[0]]), columns=list(LEAK_COLUMNS))


def _by_auc(values: dict[str, NDArray], lost: NDArray, codes: NDArray[np.intp], counts: NDArray[Any]) -> list[tuple[str, str, str]]:
    """Single-metric AUC, whichever direction it points."""
    points: dict[str, float] = {}
    draws: dict[str, NDArray] = {}
    for name, value in values.items():
        use = np.isfinite(value)
        if min(lost[use].sum(), (1 - lost[use]).sum()) < FEWEST:
            continue
        value = _few_levels(value)
        sign = 1 if auc(value[use], lost[use]) >= 0.5 else -1
        points[name] = auc(sign * value[use], lost[use])
        draws[name] = auc_replicates(sign * value[use], lost[use], codes[use], counts)
    found = []
    for name, point in points.items():
        single = percentile(point, draws[name])
        if point >= TOO_GOOD and single.low > TOO_GOOD - 0.05:
            found.append((name, "too_good", f"alone it tells lost from kept with AUC {_span(single)}; months ahead nothing honest does"))
        others = [other for other in points if other != name]
        if len(others) < 2:
            continue
        best = max(others, key=points.__getitem__)
        gap = percentile(point - points[best], draws[name] - draws[best])
        if gap.low > FAR_AHEAD and single.low > 0.7:
            found.append((name, "far_ahead", f"AUC {point:.2f} alone, {points[best]:.2f} of the next best, {best}: {_span(gap)} ahead"))
    return found


def _few_levels(value: NDArray) -> NDArray:
    """Ranks in at most `LEVELS` bins of equal size: for a screen as good as the value, and many times faster on long tables."""
    known = np.isfinite(value)
    if len(value) <= 20 * LEVELS:
        return value
    cuts = np.unique(np.quantile(value[known], np.linspace(0, 1, LEVELS + 1)[1:-1]))
    return np.where(known, np.searchsorted(cuts, value, side="right"), np.nan)


def _by_missing(
    metric: tuple[str, str], measured: NDArray[np.bool_], lost: NDArray, draws: tuple[NDArray[np.intp], NDArray[Any]]
) -> list[tuple[str, str, str]]:
    """Being measured is itself the outcome: rows exist only for those who stayed, or only for those who left."""
    if measured.all() or not measured.any():
        return []
    gone, kept = _both(measured, lost, draws)
    few, many, who = (gone, kept, "kept") if gone.value < kept.value else (kept, gone, "lost")
    if few.high < 0.25 * many.low and many.value - few.value > 0.15:
        evidence = f"measured for {_percent(gone)} of lost and {_percent(kept)} of kept cases: it exists almost only for the {who}"
        return [(metric[0], "missing_tells", evidence)]
    return []


def _by_constant(
    metric: tuple[str, str], value: NDArray, lost: NDArray, draws: tuple[NDArray[np.intp], NDArray[Any]]
) -> list[tuple[str, str, str]]:
    """One value for (almost) all kept cases, others for many of the lost: the metric records the leaving itself."""
    use = np.isfinite(value)
    if min(lost[use].sum(), (1 - lost[use]).sum()) < FEWEST:
        return []
    levels, times = np.unique(value[use & (lost == 0)], return_counts=True)
    usual = levels[np.argmax(times)]
    gone, kept = _both(value[use] != usual, lost[use], (draws[0][use], draws[1]))
    if kept.value <= 0.01 and gone.low > 0.1 and gone.low > 8 * kept.high:
        return [(metric[0], "constant_when_kept", f"other than {usual:g} for {_percent(gone)} of lost but {_percent(kept)} of kept cases")]
    return []


def _both(happened: NDArray, lost: NDArray, draws: tuple[NDArray[np.intp], NDArray[Any]]) -> tuple[Estimate, Estimate]:
    codes, counts = draws
    gone, kept = lost == 1, lost == 0
    return rate(happened[gone], codes[gone], counts), rate(happened[kept], codes[kept], counts)


def _span(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f} to {100 * estimate.high:.0f} %)"
