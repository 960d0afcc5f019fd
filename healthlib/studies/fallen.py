"""What accounts said on leaving, beside what their metrics showed a quarter before; and the same of those that only shrank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.studies.leaving import UNSTATED
from healthlib.studies.matching import month_number, places
from healthlib.studies.rates import RATE_COLUMNS, rates_by

if TYPE_CHECKING:
    from healthlib.studies.book import Book

AHEAD = 3
"""Month-ends before the end at which metrics are read: 90 to 120 days, still in time to act."""
LOWEST = 0.2
"""A metric had fallen where it was lower than this share of the accounts that renewed whole had."""
LEFT, SHRANK, STAYED = "all that left", "stayed and shrank", "stayed whole"

FALLEN_COLUMNS = ("metric", "label", *RATE_COLUMNS, "q")


def shrunk(book: Book, kept: pd.DataFrame) -> pd.Series:
    """Whether the ARR after each kept end is lower than before; missing where either is not known.

    Before is the last month-end before the end, after the first on or past it on which the account is covered again, at most three later
    (a late signature).
    """
    ledger = book.ledger.assign(number=month_number(book.ledger["month"])).drop_duplicates(["account_id", "number"], keep="last")
    arr = ledger.set_index(["account_id", "number"])["arr"]

    def at(shift: int) -> np.ndarray:
        return arr.reindex(pd.MultiIndex.from_arrays([kept["account_id"], kept["month"].to_numpy(np.int64) + shift])).to_numpy(float)

    before, after = at(0), at(1)
    for shift in (2, 3):
        after = np.where(np.isnan(after), at(shift), after)
    down = pd.Series(after < before * (1 - 1e-6), index=kept.index).astype("boolean")
    return down.mask(np.isnan(before) | np.isnan(after))


def fallen(book: Book, lost: pd.DataFrame, kept: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Share of ends at which each metric had fallen `AHEAD` months before, by stated reason.

    Parameters
    ----------
    lost, kept : from `matching.ends_of`

    Returns
    -------
    DataFrame `FALLEN_COLUMNS`: a row a metric and group (each reason, `LEFT`, `SHRANK`, `STAYED`), with shares by ends and ARR and 95 %
    intervals from resampling accounts (`rates.rates_by`; its `rate` is the share that had fallen). Fallen: points below the lowest fifth
    of those that stayed whole, or equal to it where that comes nearer to a fifth of them (many accounts can have the same points).
    Only ends at which it was measured; metrics that nobody had low are left out. `q` compares a reason with all others that left (Fisher's
    exact test, Benjamini and Hochberg over reasons that are not small and metrics); NaN for the rest.
    """
    if lost.empty or kept.empty:
        return pd.DataFrame(columns=list(FALLEN_COLUMNS))
    ends = _grouped(book, lost, kept)
    row = places(book.history, ends)[:, AHEAD]
    ends, row = ends[row >= 0].reset_index(drop=True), row[row >= 0]
    points = scoring.metric_scores(book.scorecard, book.history.iloc[row].reset_index(drop=True))
    parts = []
    for name in map(str, points):
        low = _lowest(points[name], points[name][ends["group"] == STAYED].dropna())
        if low.sum() > 0:
            table = rates_by(ends.assign(lost=low), ends["group"], replicates=replicates, seed=seed)
            parts.append(table.assign(metric=name, label=book.scorecard.metrics[name].label))
    return _told_apart(pd.concat(parts, ignore_index=True)) if parts else pd.DataFrame(columns=list(FALLEN_COLUMNS))


def _grouped(book: Book, lost: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Every end under its group; those that left twice, by their reason and all together."""
    down = shrunk(book, kept)
    said = book.churned.drop_duplicates(["account_id", "ended_on"]).set_index(["account_id", "ended_on"])["reason"]
    reason = said.reindex(pd.MultiIndex.from_frame(lost[["account_id", "ended_on"]])).astype(object)
    reason = reason.where(reason.notna(), UNSTATED).astype(str)
    order = [*(name for name in reason.value_counts().index if name != UNSTATED), UNSTATED, LEFT, SHRANK, STAYED]
    parts = [
        lost.assign(group=reason.to_numpy()),
        lost.assign(group=LEFT),
        kept[down.fillna(False).astype(bool)].assign(group=SHRANK),
        kept[(~down).fillna(False).astype(bool)].assign(group=STAYED),
    ]
    ends = pd.concat(parts, ignore_index=True)
    return ends.assign(group=pd.Categorical(ends["group"], categories=order, ordered=True))


def _lowest(points: pd.Series, whole: pd.Series) -> pd.Series:
    """1 where the points are among the lowest fifth of `whole`, 0 where not, NaN where not measured."""
    if whole.empty:
        return pd.Series(np.nan, index=points.index)
    edge = float(whole.quantile(LOWEST))
    with_edge = abs((whole <= edge).mean() - LOWEST) < abs((whole < edge).mean() - LOWEST)
    return ((points <= edge) if with_edge else (points < edge)).astype(float).where(points.notna())


def _told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `q`."""
    from scipy.stats import fisher_exact
    from statsmodels.stats.multitest import multipletests

    everyone = table[table["group"] == LEFT].set_index("metric")
    reasons = table.index[~table["group"].isin([LEFT, SHRANK, STAYED, UNSTATED]) & ~table["small"]]
    mine = table.loc[reasons, ["lost", "cases"]].to_numpy(int)
    others = everyone.reindex(table.loc[reasons, "metric"])[["lost", "cases"]].to_numpy(int) - mine
    p = np.array(
        [
            fisher_exact([[a, m - a], [b, n - b]]).pvalue if n > 0 else np.nan
            for (a, m), (b, n) in zip(mine.tolist(), others.tolist(), strict=True)
        ]
    )
    table["q"] = np.nan
    tested = ~np.isnan(p)
    if tested.any():
        table.loc[reasons[tested], "q"] = multipletests(p[tested], method="fdr_bh")[1]
    return table[list(FALLEN_COLUMNS)]
