"""Scales read from history: what worst and best each metric could have, how the score would spread, and where bands could be cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.spec import Metric, Quantile, Scorecard

MONTHS = 12
"""Month-ends of history that scales are read from: a year, so that no season is left out."""
ENDS = 0.1, 0.9
"""Quantiles of the measured values that score 0 and 100."""
MOST_GREEN, MOST_RED = 0.8, 0.2
"""Conventions: with more accounts in the best band, or in the worst, a band tells nobody whom to call."""
FEWEST = 30
"""Measured values from which a scale is proposed, and scored accounts from which cuts are."""
CROWDED = 0.6
"""Share of accounts with one and the same value above which a straight line between two ends cannot spread them."""

COLUMNS = (
    "metric", "label", "weight", "better", "worst_now", "best_now", "worst", "best", "measured", "low", "median", "high",
    "floor_now", "ceiling_now", "floor", "ceiling", "said",
)  # fmt: skip


@dataclass(frozen=True)
class Suggestion:
    """Proposed scales and what the score would look like.

    Attributes
    ----------
    as_of : day of the last snapshot
    bands : band names from worst to best
    metrics : `COLUMNS`; `low`, `median`, `high` are the 10th, 50th and 90th hundredths of what was measured, `floor` and `ceiling` shares
        of measured values that score 0 and 100; `worst` and `best` are NaN where none is proposed, `said` says why
    spread : score_from (0, 5 … 95), accounts_now, accounts_proposed of the last snapshot
    cuts : band, from_now, from_proposed, share_now, arr_share_now, share_scales (proposed scales, present cuts), share_proposed (proposed
        scales and cuts), arr_share_proposed: of scored accounts of the last snapshot
    warnings : what is out of proportion, in words
    """

    as_of: pd.Timestamp
    bands: tuple[str, ...]
    metrics: pd.DataFrame
    spread: pd.DataFrame
    cuts: pd.DataFrame
    warnings: tuple[str, ...]


def suggest_scales(scorecard: Scorecard, history: pd.DataFrame, as_of: pd.Timestamp) -> Suggestion:
    """Propose worst and best of every metric with a straight scale from the last twelve month-ends, and cuts for the bands.

    Parameters
    ----------
    scorecard : with numbers as scale ends
    history : month-end snapshots up to `as_of`; nothing later is read
    """
    days = sorted(day for day in history["as_of"].unique() if day <= as_of)[-MONTHS:]
    recent = history[history["as_of"].isin(days)].reset_index(drop=True)
    now = recent[recent["as_of"] == as_of].reset_index(drop=True)
    table = pd.DataFrame([_metric_row(metric, recent) for metric in scorecard.metrics.values()], columns=list(COLUMNS))
    proposed = with_scales(scorecard, table)
    scores = [scoring.score(card, now).frame["score"].to_numpy(dtype=float) for card in (scorecard, proposed)]
    cuts = _cuts(scorecard, scores[0], scores[1], now["arr"].to_numpy(dtype=float))
    return Suggestion(as_of, tuple(cuts["band"]), table, _spread(*scores), cuts, _warnings(cuts))


def with_scales(scorecard: Scorecard, table: pd.DataFrame) -> Scorecard:
    """The scorecard with the proposed ends in the place of its metrics' own; their profiles' ends are dropped."""
    found = table.dropna(subset=["worst", "best"])
    changed = {}
    for name, worst, best in zip(found["metric"], found["worst"].to_numpy(dtype=float), found["best"].to_numpy(dtype=float), strict=True):
        metric = scorecard.metrics[name]
        profiles = tuple(profile.model_copy(update={"worst": None, "best": None}) for profile in metric.profiles)
        changed[name] = metric.model_copy(update={"worst": float(worst), "best": float(best), "profiles": profiles})
    return scorecard.model_copy(update={"metrics": {**scorecard.metrics, **changed}})


def round_to(value: float, span: float) -> float:
    """A figure a person would type: to a twentieth of the power of ten below the span.

    >>> round_to(0.0312, 0.83), round_to(237.4, 210.0), round_to(7.7, 8.0)
    (0.03, 235.0, 7.7)
    """
    step = 10.0 ** np.floor(np.log10(span)) / 20
    return float(round(round(value / step) * step, 12))


def _metric_row(metric: Metric, recent: pd.DataFrame) -> dict[str, object]:
    """What one metric measured, its present scale, and the proposed one."""
    fits = scoring.holds_for(metric.applies_to, recent)
    values = recent[metric.name].to_numpy(dtype=float)[fits]
    known = values[np.isfinite(values)]
    now = tuple(np.nan if end is None or isinstance(end, Quantile) else float(end) for end in (metric.worst, metric.best))
    row: dict[str, object] = {
        "metric": metric.name, "label": metric.label, "weight": metric.weight, "better": metric.better,
        "worst_now": now[0], "best_now": now[1], "worst": np.nan, "best": np.nan,
        "measured": len(known) / len(values) if len(values) else np.nan,
    }  # fmt: skip
    low, median, high = np.quantile(known, [ENDS[0], 0.5, ENDS[1]]) if len(known) else (np.nan,) * 3
    row |= {"low": low, "median": median, "high": high}
    row["floor_now"], row["ceiling_now"] = _clipped(known, *now)
    row["said"], worst, best = _ends(metric, known, float(low), float(high))
    row["worst"], row["best"] = worst, best
    row["floor"], row["ceiling"] = _clipped(known, worst, best)
    return row


def _ends(metric: Metric, known: NDArray[np.float64], low: float, high: float) -> tuple[str, float, float]:
    """Why no scale is proposed ("" where one is), worst and best."""
    nothing = np.nan, np.nan
    if metric.steps or metric.curve or metric.levels:
        return "scored by steps, a curve or levels, which are yours to set", *nothing
    if len(known) < FEWEST:
        return f"measured {len(known)} times in twelve months; a scale needs {FEWEST}", *nothing
    values, times = np.unique(known, return_counts=True)
    usual, share = values[times.argmax()], times.max() / len(known)
    if not high > low:
        return f"{share:.0%} of the values are {usual:g}: no straight scale spreads them; use steps, a curve or a gate", *nothing
    low, high = round_to(low, high - low), round_to(high, high - low)
    crowd = f"{share:.0%} of the values are {usual:g}; steps may suit it better" if share > CROWDED else ""
    return (crowd, low, high) if metric.better == "higher" else (crowd, high, low)


def _clipped(known: NDArray[np.float64], worst: float, best: float) -> tuple[float, float]:
    """Shares of values at or beyond worst, and at or beyond best."""
    if not len(known) or not np.isfinite([worst, best]).all() or worst == best:
        return np.nan, np.nan
    place = (known - worst) / (best - worst)
    return float((place <= 0).mean()), float((place >= 1).mean())


def _spread(now: NDArray[np.float64], proposed: NDArray[np.float64]) -> pd.DataFrame:
    """Accounts by score in steps of five points; 100 belongs to the last."""
    edges = np.arange(0, 101, 5)
    counts = [np.histogram(scores[np.isfinite(scores)], edges)[0] for scores in (now, proposed)]
    return pd.DataFrame({"score_from": edges[:-1], "accounts_now": counts[0], "accounts_proposed": counts[1]})


def _cuts(scorecard: Scorecard, now: NDArray[np.float64], proposed: NDArray[np.float64], arr: NDArray[np.float64]) -> pd.DataFrame:
    """Where bands begin, and what share of the scored accounts and of their ARR each holds: now, with the scales, with scales and cuts."""
    starts = np.array([band.start for band in scorecard.bands], dtype=float)
    better = _better_cuts(starts, proposed[np.isfinite(proposed)])
    table = pd.DataFrame({"band": [band.name for band in scorecard.bands], "from_now": starts, "from_proposed": better})
    table["share_now"], table["arr_share_now"] = _shares(now, starts, arr)
    table["share_scales"], _ = _shares(proposed, starts, arr)
    table["share_proposed"], table["arr_share_proposed"] = _shares(proposed, better, arr)
    return table


def _better_cuts(starts: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cuts moved just so far that at most `MOST_RED` lie below the second band and at most `MOST_GREEN` in the best one.

    Cuts between move in proportion; all are whole points.
    """
    if len(scores) < FEWEST or len(starts) < 2:
        return starts
    low, high = starts[1], starts[-1]
    if (scores < low).mean() > MOST_RED:
        low = np.floor(np.quantile(scores, MOST_RED, method="lower"))
    if (scores >= high).mean() > MOST_GREEN:
        high = np.floor(np.quantile(scores, 1 - MOST_GREEN, method="higher")) + 1
    if len(starts) == 2:
        return np.array([starts[0], low])
    high = max(high, low + len(starts) - 2)
    inner = low + (starts[1:] - starts[1]) * (high - low) / (starts[-1] - starts[1])
    return np.concatenate([starts[:1], np.round(inner)])


def _shares(scores: NDArray[np.float64], starts: NDArray[np.float64], arr: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    known = np.isfinite(scores)
    band = np.maximum(np.searchsorted(starts, scores[known], side="right") - 1, 0)
    counts = np.bincount(band, minlength=len(starts))
    money = np.bincount(band, weights=np.nan_to_num(arr[known]), minlength=len(starts))
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(), money / money.sum()


def _warnings(cuts: pd.DataFrame) -> tuple[str, ...]:
    """What is out of proportion, under the present scorecard and under the proposed scales."""
    said = []
    for column, when in (
        ("share_now", "Today"),
        ("share_scales", "With the proposed scales and the present thresholds"),
        ("share_proposed", "Even with the proposed thresholds"),
    ):
        worst, best = cuts.iloc[0], cuts.iloc[-1]
        if best[column] > MOST_GREEN:
            said.append(f"{when}, {best[column]:.0%} of the scored accounts are {best['band']}: more than {MOST_GREEN:.0%} (a convention).")
        if worst[column] > MOST_RED:
            said.append(f"{when}, {worst[column]:.0%} of the scored accounts are {worst['band']}: more than {MOST_RED:.0%} (a convention).")
    return tuple(said)
