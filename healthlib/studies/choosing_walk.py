"""The ways of choosing thresholds, and what each would have been worth had it chosen on the past alone, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from healthlib import thresholds
from healthlib.bands import Replicates
from healthlib.resample import account_weights, by_account, percentile, shares
from healthlib.spec import WorkSpec
from healthlib.splits import LEAST
from healthlib.studies.fit import FitFacts
from healthlib.thresholds import Below

Array = NDArray[np.float64]

DRAWN_PAIRS = 200
"""Replicates in which all pairs of cuts are compared."""

WALK_COLUMNS = (
    "scheme", "way", "cases", "lost", "least", "most", "worked", "caught", "caught_low", "caught_high", "arr_caught", "arr_low", "arr_high",
    "net", "net_low", "net_high", "gain", "gain_low", "gain_high",
)  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """What the ways of choosing know beside the cases.

    Attributes
    ----------
    work : what work costs and saves, and the renewal rates asked for
    hand : (lower, upper) as they are
    bands : how many; with two there is one cut
    room, share : accounts that can be in work at a time, and as a share of today's book; NaN where nobody knows
    """

    work: WorkSpec
    hand: tuple[float, float]
    bands: int
    room: float
    share: float


def choose(rules: Rules, table: Below, save: ArrayLike, stock: Array | None = None) -> dict[str, tuple[Array, Array]]:
    """The lower and upper cut by every way, of one book or of its replicates; NaN where a way has no answer.

    Only targets and separation say where the best band begins; by capacity and by value it begins where it does, or at the lower cut where
    that is higher.

    Parameters
    ----------
    table : of cases whose outcome is known
    save : save rate, one or one a replicate
    stock : accounts below each cut in the book that capacity is spent on; `table`'s own, at the same share of them, where not given
    """
    low, high = (np.full(table.accounts.shape[1:], cut) for cut in rules.hand)
    counts, room = (table.accounts, rules.share * table.accounts[-1]) if stock is None else (stock, rules.room)
    room = np.asarray(room, dtype=float) + 1e-9
    worst, best = thresholds.for_targets(table, rules.work.renew_best, rules.work.renew_worst)
    capacity = np.where(np.isnan(room), np.nan, thresholds.for_capacity(counts, room))
    value = np.where(np.isnan(rules.work.price), np.nan, thresholds.for_value(table, save, rules.work.price))
    apart = _apart(table, single=rules.bands == 2)
    found = {
        "hand": (low, high), "targets": (np.where(best < worst, best, worst), best), "capacity": (capacity, np.maximum(capacity, high)),
        "value": (value, np.maximum(value, high)), "separation": apart,
    }  # fmt: skip
    return {way: (lower, lower) for way, (lower, _) in found.items()} if rules.bands == 2 else found


def _apart(table: Below, *, single: bool) -> tuple[Array, Array]:
    """The cuts that set the bands' loss rates furthest apart; in the first `DRAWN_PAIRS` replicates."""
    if table.accounts.ndim == 2:
        table = Below(*(getattr(table, name)[:, :DRAWN_PAIRS] for name in ("accounts", "churned", "arr", "arr_churned")))
    if not single:
        lower, upper = thresholds.best_pair(table)
        return np.where(lower < 0, np.nan, lower), np.where(upper < 0, np.nan, upper)
    one, other = thresholds.pairs()
    value = thresholds.values(table)[one == other]
    cut = np.where(np.isfinite(value).any(axis=0), 1.0 + np.argmax(value, axis=0), np.nan)
    return cut, cut


def walked(fit: FitFacts, cases: pd.DataFrame, scheme: str, rules: Rules, again: tuple[int, int, float]) -> pd.DataFrame:
    """Each way choosing at every cut-off on what had finished by then, judged on the cases scored next, all ways on the same cases.

    A sheet without time is chosen on the other folds. Capacity is kept at today's share of the book.

    Parameters
    ----------
    cases : of the book, with horizon_ends_on
    again : replicates, seed, and what turns sums over all tested cases into a year's

    Returns
    -------
    `WALK_COLUMNS` without scheme: cases and lost ones judged; the least and the greatest lower cut chosen; the rest as in `CHOICE_COLUMNS`.
    Empty where nothing had finished before.
    """
    frame = _dated(fit, cases, scheme)
    cuts = _chosen(frame, fit, scheme, rules)
    if not cuts:
        return pd.DataFrame(columns=list(WALK_COLUMNS))
    by_fold = pd.DataFrame(cuts).set_index("cutoff")
    judged = frame[frame["cutoff"].isin(by_fold.index)].reset_index(drop=True)
    lower = by_fold.loc[judged["cutoff"]].to_numpy(dtype=float)
    under = judged["score"].to_numpy(dtype=float)[:, None] < lower
    table = _worth(judged, under.T, rules.work, (again[0], again[1], again[2] * len(fit.predictions) / len(judged)))
    spread = pd.DataFrame({"way": list(by_fold), "least": by_fold.min().to_numpy(), "most": by_fold.max().to_numpy()})
    known = by_fold.notna().any().to_numpy()
    return pd.concat([spread, table], axis=1).assign(cases=len(judged), lost=int(judged["lost"].sum()))[known].reset_index(drop=True)


def _dated(fit: FitFacts, cases: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """account_id, lost, arr, score, cutoff, horizon_ends_on of the cases that the scheme scored."""
    keys = ["account_id", "as_of"]
    ends = cases[[*keys, "horizon_ends_on"]].drop_duplicates(keys) if "horizon_ends_on" in cases else cases[keys].drop_duplicates(keys)
    frame = fit.predictions.merge(ends, how="left", on=keys).rename(columns={scheme: "score"})
    return frame[frame["score"].notna()].assign(arr=lambda rows: rows["arr"].fillna(0.0)).reset_index(drop=True)


def _chosen(frame: pd.DataFrame, fit: FitFacts, scheme: str, rules: Rules) -> list[dict[str, Any]]:
    """cutoff and the lower cut of every way, of each fold before which `LEAST` lost and kept cases had finished."""
    score, lost, arr = (frame[name].to_numpy(dtype=float) for name in ("score", "lost", "arr"))
    starts = fit.thresholds[fit.thresholds["scorecard"] == scheme].groupby("cutoff", sort=False)["threshold_from"].nth(1)
    then = dict(zip(fit.thresholds.loc[starts.index, "cutoff"], starts.to_numpy(dtype=float).tolist(), strict=True))
    rows = []
    for cutoff in frame["cutoff"].unique():
        known = (frame["cutoff"] != cutoff) if fit.split == "accounts" else frame["horizon_ends_on"] < cutoff
        known = known.to_numpy(dtype=bool)
        if min(lost[known].sum(), (lost[known] == 0).sum()) < LEAST:
            continue
        found = choose(rules, thresholds.below(score[known], lost[known], arr[known]), float(np.mean(rules.work.save_rate)))
        rows.append({"cutoff": cutoff} | {way: float(lower) for way, (lower, _) in found.items()} | {"hand": then[cutoff]})
    return rows


def _worth(judged: pd.DataFrame, under: NDArray[np.bool_], work: WorkSpec, again: tuple[int, int, float]) -> pd.DataFrame:
    """What the cases marked in each row of `under` were worth, a row each; gains over the first."""
    replicates, seed, scale = again
    lost, arr = (judged[name].to_numpy(dtype=float) for name in ("lost", "arr"))
    draws = Replicates(*account_weights(judged["account_id"], replicates, seed)).ready()
    codes, counts = draws.codes, draws.counts
    save, rows, base = np.random.default_rng([seed, 7]).uniform(*work.save_rate, replicates), [], None
    for flags in under:
        count, money = (shares(np.where(flags, 0, 1), 2, codes, counts, case_weight=weight) for weight in (lost, lost * arr))
        sums = [by_account(codes, values, shape=(1, counts.shape[0])) for values in (flags * lost * arr, flags.astype(float))]
        drawn = scale * (save * (sums[0] @ counts)[0] - work.price * (sums[1] @ counts)[0])
        net = scale * (float(np.mean(work.save_rate)) * (flags * lost * arr).sum() - work.price * flags.sum())
        base = (net, drawn) if base is None else base
        ends, more = percentile(net, drawn), percentile(net - base[0], drawn - base[1])
        rows.append((
            scale * flags.sum(), *(count[key][0] for key in ("value", "low", "high")), *(money[key][0] for key in ("value", "low", "high")),
            net, ends.low, ends.high, more.value, more.low, more.high,
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(WALK_COLUMNS[6:]))
