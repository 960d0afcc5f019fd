"""Signs of a leak in the month-ends: the past as the exports tell it now, by months before the end and month by month."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.resample import Estimate, account_weights, percentile, rate
from healthlib.stats import auc, auc_replicates
from healthlib.studies.leak_signs import FEWEST, Row, Sign, percents, span

NEAR, FAR = (1, 3), (7, 12)
"""Months before the end that are compared."""

TOO_STRONG = 0.75
"""No honest metric tells leavers from others this well (AUC alone) half a year ahead and no better at the end (a convention)."""

PARTS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12))
"""Months before the end that are one point of a picture."""

FEWEST_PAIRS = 60


def before_ends(history: pd.DataFrame, leavers: pd.DataFrame) -> pd.DataFrame:
    """Month-ends of accounts in their last twelve months (`months` 1 to 12 before the end), and of accounts that never left (`months` 0).

    Of the latter the quarter-ends, which is plenty to compare with; their other months are -1. Columns of `history`, and `months`.
    """
    if not len(leavers) or not len(history):
        return history.head(0).assign(months=np.nan)
    ends = leavers[["account_id", "ended_on"]].sort_values("ended_on", kind="stable")
    rows = history.sort_values("as_of", kind="stable").reset_index(drop=True)
    found = pd.merge_asof(
        rows[["account_id", "as_of"]], ends, left_on="as_of", right_on="ended_on", by="account_id", direction="forward",
        allow_exact_matches=False,
    )  # fmt: skip
    months = np.ceil((found["ended_on"] - found["as_of"]).dt.days / 30.44)
    never = ~rows["account_id"].isin(set(ends["account_id"]))
    quarter = rows["as_of"].dt.month % 3 == 0
    rows = rows.assign(months=months.mask(never & quarter, 0.0).mask(never & ~quarter, -1.0))
    return rows[rows["months"].between(-1, 12)].sort_values(["account_id", "as_of"], kind="stable").reset_index(drop=True)


def month_signs(rows: pd.DataFrame, metrics: tuple[str, ...], *, replicates: int, seed: int) -> list[Sign]:
    """Metrics whose past was written over: as telling, and too telling, long before the end, or frozen where others move.

    Parameters
    ----------
    rows : from `before_ends`
    metrics : those that may be edited at all (an age cannot)
    """
    if not len(rows):
        return []
    codes, counts = account_weights(rows["account_id"], replicates, seed)
    signs = []
    for name in metrics:
        signs += _flat(rows, name, codes, counts) + _frozen(rows, name, codes, counts)
    return signs


def figure_by_month(rows: pd.DataFrame, name: str, *, replicates: int, seed: int) -> tuple[Row, ...]:
    """AUC of lost against kept by months before the end, for a picture."""
    if not len(rows):
        return ()
    codes, counts = account_weights(rows["account_id"], replicates, seed)
    found, value = [], rows[name].to_numpy(dtype=float)
    sign = _direction(rows, value)
    for part in PARTS:
        use = _chosen(rows, value, part)
        if _leavers(rows, use) >= FEWEST:
            at = _auc(rows, sign * value, use, codes, counts)
            found.append(
                ("AUC alone, by months before the end", "lost against kept", sum(part) / 2, at.value, at.low, at.high, float(at.n))
            )
    return tuple(found)


def _flat(rows: pd.DataFrame, name: str, codes: NDArray[np.intp], counts: NDArray[Any]) -> list[Sign]:
    """As telling 7 to 12 months ahead as in the last three, and too telling. Much more telling than at the end is a season, not an edit."""
    value = rows[name].to_numpy(dtype=float)
    near, far = (_chosen(rows, value, part) for part in (NEAR, FAR))
    if min(_leavers(rows, near), _leavers(rows, far)) < FEWEST or not (far & (rows["months"] == 0)).any():
        return []
    sign = _direction(rows, value)
    months = rows["months"].to_numpy()
    points = [auc(sign * value[use], months[use] > 0) for use in (near, far)]
    if points[1] < TOO_STRONG or not -0.1 <= points[0] - points[1] <= 0.05:
        return []
    draws = [auc_replicates(sign * value[use], months[use] > 0, codes[use], counts) for use in (near, far)]
    there, gap = percentile(points[1], draws[1]), percentile(points[0] - points[1], draws[0] - draws[1])
    if there.low < TOO_STRONG - 0.07 or gap.high > 0.12:
        return []
    said = (
        f"AUC {span(there)} {FAR[0]} to {FAR[1]} months before the end and {points[0]:.2f} in the last {NEAR[1]} (n = "
        f"{_leavers(rows, far)} accounts that left): honest metrics sharpen towards the end, this past was written afterwards"
    )
    return [Sign(name, "edited", said)]


def _frozen(rows: pd.DataFrame, name: str, codes: NDArray[np.intp], counts: NDArray[Any]) -> list[Sign]:
    """Hardly ever changing in the year before an account left, and worse all along, where it does change for the others."""
    value = rows[name].to_numpy(dtype=float)
    same = (codes[1:] == codes[:-1]) & np.isfinite(value[1:]) & np.isfinite(value[:-1])
    months = rows["months"].to_numpy()
    left, stayed = same & (months[1:] > 3) & (months[:-1] > 3), same & (months[1:] <= 0) & (months[:-1] <= 0)
    far = _chosen(rows, value, (4, 12))
    if min(left.sum(), stayed.sum()) < FEWEST_PAIRS or _leavers(rows, far) < FEWEST:
        return []
    changed = (value[1:] != value[:-1]).astype(float)
    sides = [rate(changed[part], codes[1:][part], counts) for part in (left, stayed)]
    if sides[0].high > 0.25 * sides[1].low or sides[1].value < 0.2:
        return []
    ahead = _auc(rows, _direction(rows, value) * value, far, codes, counts)
    if ahead.low < 0.6:
        return []
    said = (
        f"changed in {percents(sides[0])} of months in the year before an account left, in {percents(sides[1])} of those of the others "
        f"(n = {sides[0].n:.0f} and {sides[1].n:.0f} accounts), and AUC {span(ahead)} all along: the past was written over"
    )
    return [Sign(name, "edited", said)]


def filled_signs(history: pd.DataFrame, metrics: tuple[str, ...], *, replicates: int, seed: int) -> list[Sign]:
    """Values that never vary within an account before some day, for all accounts, and do after it: the past is a copy of that day."""
    rows = history.sort_values(["account_id", "as_of"], kind="stable").reset_index(drop=True)
    if not len(rows):
        return []
    codes, counts = account_weights(rows["account_id"], replicates, seed)
    days = rows["as_of"].to_numpy()
    follows = (codes[1:] == codes[:-1]) & ((days[1:] - days[:-1]) < np.timedelta64(40, "D"))
    signs = []
    for name in metrics:
        value = rows[name].to_numpy(dtype=float)
        pair = follows & np.isfinite(value[1:]) & np.isfinite(value[:-1])
        changed = (value[1:] != value[:-1]) & pair
        signs += _filled(name, value, (days, pair, changed), (codes, counts))
    return signs


def _filled(name: str, value: NDArray, pairs: tuple[NDArray, NDArray, NDArray], draws: tuple[NDArray[np.intp], NDArray[Any]]) -> list[Sign]:
    """The day with the widest jump, if before it (almost) nothing changed of accounts that lived to see it, and much after it."""
    (days, pair, changed), (codes, counts) = pairs, draws
    cut = _widest_jump(days[1:], pair, changed)
    if cut is None:
        return []
    later = days[1:] >= cut
    lived = np.isin(codes[1:], np.unique(codes[1:][later & pair]))
    parts = [pair & ~later & lived, pair & later]
    inside = value[1:][parts[0]]
    usual = np.unique(inside, return_counts=True)[1].max() / len(inside) if len(inside) else 1.0
    if usual > 0.9 or min(part.sum() for part in parts) < FEWEST_PAIRS:
        return []
    early, late = (rate(changed[part].astype(float), codes[1:][part], counts) for part in parts)
    if early.high > 0.25 * late.low or late.value < 0.15:
        return []
    what, day = "share of months in which the value changed", pd.Timestamp(cut)
    said = (
        f"before {day:%Y-%m-%d} the value changed in {percents(early)} of an account's months, from then on in {percents(late)} "
        f"(n = {early.n:.0f} and {late.n:.0f} accounts): the months before are a copy of a later value"
    )
    figure = tuple((what, side, float("nan"), e.value, e.low, e.high, float(e.n)) for side, e in (("before", early), ("after", late)))
    return [Sign(name, "back_filled", said, figure)]


def _widest_jump(days: NDArray, pair: NDArray, changed: NDArray) -> np.datetime64 | None:
    """The month-end from which on values change most more often than in the three months before it; None where they never do."""
    when, place = np.unique(days, return_inverse=True)
    pairs, moved = (np.bincount(place, weights=part.astype(float), minlength=len(when)) for part in (pair, changed))
    months = np.flatnonzero(pairs >= 5)
    if len(months) < 6:
        return None
    share = moved[months] / pairs[months]
    jumps = [share[k : k + 3].mean() - share[k - 3 : k].mean() for k in range(3, len(months) - 2)]
    best = int(np.argmax(jumps))
    return when[months[best + 3]] if jumps[best] > 0.1 else None


def _chosen(rows: pd.DataFrame, value: NDArray, months: tuple[int, int]) -> NDArray[np.bool_]:
    """Rows of leavers so many months before the end, and those of accounts that never left, where measured."""
    at = rows["months"].to_numpy()
    return np.isfinite(value) & ((at == 0) | ((at >= months[0]) & (at <= months[1])))


def _leavers(rows: pd.DataFrame, use: NDArray[np.bool_]) -> int:
    return int(rows.loc[use & (rows["months"] > 0).to_numpy(), "account_id"].nunique())


def _direction(rows: pd.DataFrame, value: NDArray) -> int:
    """1 where higher values go with staying, else -1."""
    use, left = np.isfinite(value) & (rows["months"] >= 0).to_numpy(), (rows["months"] > 0).to_numpy()
    return 1 if not use.any() or auc(value[use], left[use]) >= 0.5 else -1


def _auc(rows: pd.DataFrame, value: NDArray, use: NDArray[np.bool_], codes: NDArray[np.intp], counts: NDArray[Any]) -> Estimate:
    left = (rows["months"] > 0).to_numpy()[use]
    draws = auc_replicates(value[use], left, codes[use], counts)
    return percentile(auc(value[use], left), draws, n=_leavers(rows, use))
