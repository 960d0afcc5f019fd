"""Do bands keep their meaning? Each band's churn rate by quarter of the cut-off, and whether it moved more than chance moves it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.bands import Replicates, band_differences, band_table
from healthlib.resample import account_weights, by_account, rates

QUARTER_COLUMNS = (
    "band", "first", "last", "quarters", "cases", "accounts", "lost", "rate", "low", "high", "arr_rate", "arr_low", "arr_high",
)  # fmt: skip
STEADY_COLUMNS = ("band", "points", "cases", "lost", "statistic", "p", "p_corrected", "difference", "low", "high", "rate", "answer")

ENOUGH_CASES, ENOUGH_LOST = 40, 5
"""Quarters are pooled until a point rests on so many cases and so many lost, or four times as many cases."""
HELD_WITHIN = 0.5
"""A band held where its rate of the later half surely lies within half of its own rate from the earlier half's: a convention."""
ALL = "all"


def by_quarter(rows: pd.DataFrame, names: list[str], *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Churn rate of each band, and of all, over the quarters of the cut-off, small quarters pooled with the next.

    Parameters
    ----------
    rows : account_id, cutoff (a date), band, lost, arr
    names : bands in the order wanted

    Returns
    -------
    DataFrame `QUARTER_COLUMNS`: `first` and `last` cut-off of the point, `quarters` pooled in it; rates of cases and of ARR with 95 %
    intervals from resampling accounts. Bands that never held anyone have no row.
    """
    parts = []
    for name in [*names, ALL]:
        part = rows if name == ALL else rows[rows["band"] == name]
        if len(part):
            parts.append(_points(part.reset_index(drop=True), replicates, seed).assign(band=name))
    return pd.concat(parts, ignore_index=True)[list(QUARTER_COLUMNS)] if parts else pd.DataFrame(columns=list(QUARTER_COLUMNS))


def pooled(rows: pd.DataFrame) -> NDArray[np.intp]:
    """The number of the point that each row belongs to: quarters in order, joined until enough; a rest too small joins the last point."""
    quarter = pd.PeriodIndex(rows["cutoff"], freq="Q")
    table = pd.DataFrame({"q": quarter, "lost": rows["lost"].to_numpy(dtype=float)}).groupby("q")["lost"].agg(["size", "sum"])
    point, number, cases, lost = [], 0, 0, 0.0
    for size, gone in table.itertuples(index=False):
        point.append(number)
        cases, lost = cases + size, lost + gone
        if _enough(cases, lost):
            number, cases, lost = number + 1, 0, 0.0
    point = [min(one, max(number - 1, 0)) for one in point]
    return np.asarray(point, dtype=np.intp)[table.index.get_indexer(quarter)]


def _enough(cases: float, lost: float) -> bool:
    return (cases >= ENOUGH_CASES and lost >= ENOUGH_LOST) or cases >= 4 * ENOUGH_CASES


def _points(rows: pd.DataFrame, replicates: int, seed: int) -> pd.DataFrame:
    """The points of one band."""
    place = pooled(rows)
    codes, counts = account_weights(rows["account_id"], replicates, seed)
    y, arr = rows["lost"].to_numpy(dtype=float), np.nan_to_num(rows["arr"].to_numpy(dtype=float))
    found, money = rates(y, codes, counts, groups=place), rates(y, codes, counts, groups=place, case_weight=arr)
    days = rows["cutoff"].groupby(place)
    quarters = pd.Series(pd.PeriodIndex(rows["cutoff"], freq="Q")).groupby(place).nunique()
    return pd.DataFrame({
        "first": days.min().to_numpy(), "last": days.max().to_numpy(), "quarters": quarters.to_numpy(),
        "cases": found["weight"].astype(int), "accounts": found["accounts"].astype(int), "lost": found["events"].astype(int),
        "rate": found["value"], "low": found["low"], "high": found["high"],
        "arr_rate": money["value"], "arr_low": money["low"], "arr_high": money["high"],
    })  # fmt: skip


def homogeneity(
    lost: NDArray[np.float64], place: NDArray[np.intp], account_ids: pd.Series, *, replicates: int = 999, seed: int = 0
) -> tuple[float, float]:
    """Whether a rate differs between points by more than chance, rows of one account sharing a fate.

    The statistic is Pearson's chi-square of points x lost. Its law is drawn: what each account adds to each point under one common rate,
    sum (y - p), is drawn with the weights of the account bootstrap less 1, which moves no point's mean but keeps how accounts lie in
    several points at once (a score bootstrap; Kline & Santos 2012, doi:10.1515/2156-6674.1006; Rao & Scott 1981,
    doi:10.1080/01621459.1981.10477633, for why the plain chi-square errs).

    Returns
    -------
    statistic, p; NaN with fewer than two points or one outcome only
    """
    size = np.bincount(place)
    p = lost.mean() if len(lost) else np.nan
    if len(size) < 2 or not 0 < p < 1:
        return float("nan"), float("nan")
    codes, counts = account_weights(account_ids, replicates, seed)
    off = by_account(codes, lost - p, groups=place, shape=(len(size), len(counts)))
    scale = size * p * (1 - p)
    seen = float((np.asarray(off.sum(axis=1)).reshape(-1) ** 2 / scale).sum())
    drawn = off @ (counts.astype(float) - 1.0)
    drawn = drawn - (size / size.sum())[:, None] * drawn.sum(axis=0)
    law = (drawn**2 / scale[:, None]).sum(axis=0)
    return seen, float((1 + (law >= seen - 1e-12).sum()) / (1 + len(law)))


def steady(rows: pd.DataFrame, names: list[str], *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Whether each band, and the whole, kept its churn rate.

    Parameters
    ----------
    rows, names : as for `by_quarter`

    Returns
    -------
    DataFrame `STEADY_COLUMNS`: `homogeneity` over the points of `by_quarter`, p by Holm over the bands; `difference` the rate of the later
    half of the band's cases minus that of the earlier, with its interval. `answer`: moved (p below 5 %), held (the whole interval of the
    difference within `HELD_WITHIN` of the band's own rate), else cannot_tell.
    """
    found = []
    for name in [*names, ALL]:
        part = (rows if name == ALL else rows[rows["band"] == name]).reset_index(drop=True)
        if part.empty:
            continue
        place, y = pooled(part), part["lost"].to_numpy(dtype=float)
        statistic, p = homogeneity(y, place, part["account_id"], seed=seed)
        halves = _halves(part, replicates, seed)
        found.append((name, int(place.max()) + 1, len(part), int(y.sum()), statistic, p, np.nan, *halves, float(y.mean()), ""))
    table = pd.DataFrame(found, columns=list(STEADY_COLUMNS))
    tested = table["p"].notna() & (table["band"] != ALL)
    if tested.any():
        table.loc[tested, "p_corrected"] = holm(table.loc[tested, "p"].to_numpy(dtype=float))
    table.loc[table["band"] == ALL, "p_corrected"] = table.loc[table["band"] == ALL, "p"]
    within = (table["low"] > -HELD_WITHIN * table["rate"]) & (table["high"] < HELD_WITHIN * table["rate"])
    return table.assign(answer=np.where(table["p_corrected"] < 0.05, "moved", np.where(within, "held", "cannot_tell")))


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values corrected for there being many; Holm (1979).

    As statsmodels' `multipletests`, which collects garbage at every call: a quarter of a second in a run.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return corrected


def _halves(rows: pd.DataFrame, replicates: int, seed: int) -> tuple[float, float, float]:
    """Rate of the later half minus rate of the earlier, with its interval; whole cut-offs on either side."""
    middle = rows["cutoff"].sort_values().iloc[len(rows) // 2]
    late = rows["cutoff"] >= middle
    nothing = (float("nan"), float("nan"), float("nan"))
    if late.all() or not late.any():
        return nothing
    halves = rows[["account_id", "lost", "arr"]].assign(band=np.where(late, "later", "earlier"))
    draws = Replicates(*account_weights(halves["account_id"], replicates, seed))
    names = ["later", "earlier"]
    found = band_differences(halves, band_table(halves, names, draws), draws)
    if found.empty:
        return nothing
    value, low, high = found[["difference", "low", "high"]].iloc[0]
    return float(value), float(low), float(high)
