"""What is not measured in a book, and who could close the gap: ratings that went stale, goals never agreed, answers never asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.studies.book_work import named

if TYPE_CHECKING:
    from healthlib.spec import Metric
    from healthlib.studies.book import Book

COLUMNS = ("csm", "account_id", "name", "arr", "metric", "label", "table", "state", "last", "share")
MINE = ("ratings", "goals", "milestones", "touchpoints", "surveys", "advocacy")
"""Tables that a CSM fills, or whose rows a CSM can ask for, in the order in which they are said."""
SOON_DAYS = 30


def gaps(book: Book, snapshot: pd.DataFrame) -> pd.DataFrame:
    """Every metric of weight that applies to an account and has no value, and every rating or answer that goes stale within 30 days.

    Parameters
    ----------
    snapshot : the scored rows of today by account_id, with csm

    Returns
    -------
    DataFrame with `COLUMNS`, tables of `MINE` first, then the heaviest: state "missing" (nothing to read: no row ever, or none in the
    window), "stale" (the newest row is too old to count) or "soon" (it goes stale within `SOON_DAYS`), last (day of the newest row, NaT for
    none), share (of the scorecard's weight for this account that the metric carries)
    """
    weights = scoring.weight_matrix(book.scorecard, snapshot)
    share = weights.div(weights.sum(axis=1).where(lambda total: total > 0), axis=0)
    newest = book.dated.set_index(["account_id", "metric"])["day"] if len(book.dated) else None
    parts = []
    for metric in book.scorecard.metrics.values():
        rows = snapshot[weights[metric.name] > 0]
        if len(rows):
            parts.append(_of_metric(metric, rows, share.loc[rows.index, metric.name], _last(newest, metric.name, rows), book.as_of))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    place = found["table"].map({name: at for at, name in enumerate(MINE)}).fillna(len(MINE)).astype(float)
    heavy = -found.groupby("metric")["share"].transform("mean").astype(float)
    ranked = pd.DataFrame({"place": place, "heavy": heavy, "metric": found["metric"], "arr": -found["arr"], "account": found["account_id"]})
    return found.loc[ranked.sort_values(list(ranked.columns), kind="stable").index, list(COLUMNS)].reset_index(drop=True)


def _last(newest: pd.Series | None, metric: str, rows: pd.DataFrame) -> pd.Series:
    """The day of the newest row behind a metric, by account."""
    if newest is None or metric not in newest.index.get_level_values("metric"):
        return pd.Series(pd.NaT, index=rows.index, dtype="datetime64[s]")
    return newest.xs(metric, level="metric").reindex(rows.index)


def _of_metric(metric: Metric, rows: pd.DataFrame, share: pd.Series, last: pd.Series, as_of: pd.Timestamp) -> pd.DataFrame:
    """The rows of one metric."""
    void = rows[metric.name].isna()
    state = pd.Series(np.where(void, np.where(last.notna(), "stale", "missing"), ""), index=rows.index, dtype="object")
    if metric.stale_after_days is None:
        state = state.replace("stale", "missing")
    else:
        left = (last - as_of).dt.days + metric.stale_after_days
        state = state.mask(~void & (left <= SOON_DAYS), "soon")
    kept = rows[(state != "").to_numpy()]
    return kept[["csm", "account_id", "arr"]].assign(
        name=named(kept), metric=metric.name, label=metric.label, table=metric.table or "", state=state[kept.index],
        last=last[kept.index].astype("datetime64[s]"), share=share[kept.index],
    )  # fmt: skip
