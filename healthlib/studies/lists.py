"""Accounts by name: zombies, watermelons and false alarms."""

from __future__ import annotations

import pandas as pd

from healthlib import scoring
from healthlib.spec import Scorecard

NEAR_NIL = 20.0
"""At most this many points of 100, on average over the use and contact metrics, is "near nil" (a convention)."""

USE_TABLES = ("usage", "touchpoints")
USE_GROUPS = ("adoption", "engagement")

ZOMBIE_COLUMNS = ("account_id", "name", "segment", "arr", "use_points", "age_days", "term_ends", "band")
CASE_LIST_COLUMNS = ("account_id", "name", "segment", "as_of", "term_ends", "score", "band", "arr", "reason", "weakest")


def use_metrics(scorecard: Scorecard) -> list[str]:
    """The metrics that say whether the customer uses the product or talks to us."""
    return [name for name, metric in scorecard.metrics.items() if metric.group in USE_GROUPS or metric.table in USE_TABLES]


def use_points(cases: pd.DataFrame, scorecard: Scorecard) -> pd.Series:
    """Mean points of the use and contact metrics that are measured; NaN where fewer than half of them are."""
    names = use_metrics(scorecard)
    if cases.empty or not names:
        return pd.Series(float("nan"), index=cases.index)
    points = scoring.metric_scores(scorecard, cases)[names]
    return points.mean(axis=1).where(points.notna().mean(axis=1) >= 0.5)


def is_zombie(cases: pd.DataFrame, scorecard: Scorecard, *, term_days: float = 365) -> pd.Series:
    """Pays, has been here for more than a year, and neither uses the product nor talks to us: at most `NEAR_NIL` use points."""
    return (use_points(cases, scorecard) <= NEAR_NIL) & (cases["arr"] > 0) & (cases["age_days"] > term_days)


def zombies(snapshot: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    """The zombies of one day by name, largest ARR first; columns `ZOMBIE_COLUMNS`."""
    chosen = snapshot[is_zombie(snapshot, scorecard)]
    frame = chosen.assign(use_points=use_points(chosen, scorecard))
    if len(chosen):
        frame["band"] = scoring.score(scorecard, chosen).frame["band"]
    return _largest(frame, ZOMBIE_COLUMNS)


def surprises(
    finished: pd.DataFrame, scores: scoring.Scores, scorecard: Scorecard, churned: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Watermelons (best band at the case's date, then lost) and false alarms (worst band, yet kept).

    Returns
    -------
    Two DataFrames with `CASE_LIST_COLUMNS`, largest ARR first. `weakest` is the label of the metric with a weight in `scorecard` that
    had the
    fewest points; `reason` what was said on leaving, for watermelons alone.
    """
    if finished.empty:
        empty = pd.DataFrame(columns=list(CASE_LIST_COLUMNS))
        return empty, empty.copy()
    said = churned.dropna(subset=["reason"]).drop_duplicates("account_id", keep="last")
    reason = said.set_index("account_id")["reason"]
    labels = {name: metric.label for name, metric in scorecard.metrics.items() if metric.weight > 0}
    points = scores.metric_scores.reindex(finished.index)[list(labels)]
    lowest = points.fillna(1000.0).idxmin(axis=1).map(labels).where(points.notna().any(axis=1))
    frame = finished.assign(
        score=scores.frame["score"],
        band=scores.frame["band"],
        weakest=lowest,
        reason=finished["account_id"].map(reason).where(finished["lost"] == 1),
    )
    best, worst = scorecard.bands[-1].name, scorecard.bands[0].name
    return (
        _largest(frame[(frame["band"] == best) & (frame["lost"] == 1)], CASE_LIST_COLUMNS),
        _largest(frame[(frame["band"] == worst) & (frame["lost"] == 0)], CASE_LIST_COLUMNS),
    )


def latest(frame: pd.DataFrame) -> pd.DataFrame:
    """The latest case of each account in a list, largest ARR first."""
    last = frame.sort_values(["as_of", "account_id"], kind="stable").drop_duplicates("account_id", keep="last")
    return last.sort_values(["arr", "account_id"], ascending=[False, True])


def _largest(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """The list's columns, largest ARR first; a column the exports lack is empty."""
    order = [name for name in ("arr", "account_id", "as_of") if name in columns]
    frame = frame.reindex(columns=list(columns))
    return frame.sort_values(order, ascending=[name != "arr" for name in order]).reset_index(drop=True)
