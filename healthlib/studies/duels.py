"""Scores measured against each other on the same cases: five measures, by accounts and by ARR, each difference with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import stats
from healthlib.resample import ENOUGH, Estimate, account_weights, blocks, by_account, percentile, wilson

Array = NDArray[np.float64]

MEASURES = ("auc", "brier", "log_loss", "caught_10", "caught_20")
"""Chance that a kept case scored higher than a lost one; mean squared and mean logarithmic error of the probability; share of what was lost
that lies among the worst 10 and 20 % of the cases."""

LOWER_IS_BETTER = ("brier", "log_loss")
SHARES = {"caught_10": 0.1, "caught_20": 0.2}
MOST_LEVELS = 500
"""Replicates of ranks are made on at most so many levels of a score; the value itself is exact, and what the levels shift is taken out."""

MANY = 50_000
"""With more cases than this a quarter of the replicates does."""

COLUMNS = ("scheme", "measure", "by", "value", "low", "high", "cases", "accounts", "lost")

Draws = dict[tuple[str, str], tuple[float, Array]]


def columns_of(reference: str) -> tuple[str, str, str]:
    """Columns of the difference from a reference: its value and the ends of its interval."""
    return f"minus_{reference}", f"minus_{reference}_low", f"minus_{reference}_high"


def duels(cases: pd.DataFrame, promises: pd.DataFrame, references: Sequence[str], *, seed: int = 0, replicates: int = 1000) -> pd.DataFrame:
    """Every scheme by every measure, and its difference from the references on the cases that both score.

    The interval of a difference is that of the paired differences in replicates that draw accounts; schemes that score the same cases see
    the same replicates. What was fitted stays as it was: the interval is of these scores, not of fitting them again.

    Parameters
    ----------
    cases : account_id, lost, arr, and a column a scheme: scores of any scale, higher healthier; NaN: not scored
    promises : the same schemes' P(lost), same rows
    references : schemes to compare with; they must score whatever another scheme scores, or the pair shrinks to what both score

    Returns
    -------
    DataFrame: `COLUMNS`, then `columns_of` each reference; a row per scheme, measure and `by` (accounts, arr). `value` is on the cases that
    the scheme scores (`cases`, of so many `accounts`, `lost` of them). Differences are scheme minus reference.
    """
    replicates = replicates if len(cases) <= MANY else max(replicates // 4, 1)
    masks = {str(name): np.isfinite(cases[str(name)].to_numpy(dtype=float)) for name in promises}
    known = [name for name in references if name in masks]
    measured: dict[tuple[bytes, str], Draws] = {}
    rows: list[dict[str, Any]] = []
    for name in masks:
        found = _on(cases, promises, masks[name], [name], (seed, replicates), measured)[name]
        pairs = {other: _on(cases, promises, masks[name] & masks[other], [name, other], (seed, replicates), measured) for other in known}
        rows += _rows(name, cases[masks[name]], found, pairs)
    every = [*COLUMNS, *(column for other in references for column in columns_of(other))]
    return pd.DataFrame(rows, columns=every)


def _on(
    cases: pd.DataFrame,
    promises: pd.DataFrame,
    use: NDArray[np.bool_],
    names: list[str],
    draw: tuple[int, int],
    measured: dict[tuple[bytes, str], Draws],
) -> dict[str, Draws]:
    """Measures of some schemes on some cases; what was measured once is not measured again."""
    key = use.tobytes()
    missing = [name for name in names if (key, name) not in measured]
    if missing:
        some = cases[use]
        codes, counts = account_weights(some["account_id"], draw[1], draw[0])
        lost, arr = some["lost"].to_numpy(dtype=float), np.nan_to_num(some["arr"].to_numpy(dtype=float))
        for name in missing:
            said = (some[name].to_numpy(dtype=float), promises.loc[use, name].to_numpy(dtype=float))
            measured[key, name] = measure(said, (lost, arr), (codes, counts))
    return {name: measured[key, name] for name in names}


def measure(said: tuple[Array, Array], happened: tuple[Array, Array], accounts: tuple[NDArray[np.intp], NDArray[Any]]) -> Draws:
    """(measure, by) -> the value and its replicates.

    Parameters
    ----------
    said : score and P(lost) of each case
    happened : lost and ARR of each case
    accounts : from `resample.account_weights`
    """
    (score, promise), (lost, arr), (codes, counts) = said, happened, accounts
    level = levels(score)
    exact, rough, draws = exact_ranks(score, happened), exact_ranks(level, happened), rank_replicates(level, happened, accounts)
    found: Draws = {key: (exact[key], draws[key] + (exact[key] - rough[key])) for key in exact}
    drawn = counts.astype(float)
    for by, weight in (("accounts", np.ones(len(lost))), ("arr", arr)):
        for name, each in (("brier", (promise - lost) ** 2), ("log_loss", _log_losses(promise, lost))):
            found[name, by] = stats.rate(each, weight), _mean_replicates(each, weight, codes, drawn)
    return found


def exact_ranks(score: Array | NDArray[np.intp], happened: tuple[Array, Array]) -> dict[tuple[str, str], float]:
    """(measure, by) -> `stats.auc` and `stats.caught` of a score; `happened` is lost and ARR of each case."""
    lost, arr = happened
    found = {}
    for by, weight in (("accounts", np.ones(len(lost))), ("arr", arr)):
        found["auc", by] = stats.auc(score, lost, weight)
        found |= {(name, by): stats.caught(score, lost, share, weight) for name, share in SHARES.items()}
    return found


def rank_replicates(
    level: NDArray[np.intp], happened: tuple[Array, Array], accounts: tuple[NDArray[np.intp], NDArray[Any]]
) -> dict[tuple[str, str], Array]:
    """(measure, by) -> `stats.auc` and `stats.caught` in every replicate; NaN where it drew one class only."""
    (lost, arr), (codes, counts) = happened, accounts
    shape = (int(level.max(initial=-1)) + 1, counts.shape[0])
    tables = [by_account(codes, each, groups=level, shape=shape) for each in (np.ones(len(lost)), lost, arr, arr * lost)]
    draws = {(name, by): np.full(counts.shape[1], np.nan) for name in ("auc", *SHARES) for by in ("accounts", "arr")}
    for part in blocks(counts.shape[1], max(shape[0] * 6, 1)):
        drawn = counts[:, part].astype(float)
        every, bad, money, bad_money = (table @ drawn for table in tables)
        for by, whole, gone in (("accounts", every, bad), ("arr", money, bad_money)):
            draws["auc", by][part] = stats.auc_by_level(gone, whole - gone)
            for name, share in SHARES.items():
                draws[name, by][part] = stats.caught_by_level(every, gone, share)
    return draws


def levels(score: Array) -> NDArray[np.intp]:
    """Number of the level of each score, lowest first; at most `MOST_LEVELS`, equal scores always together.

    >>> levels(np.array([5.0, 1.0, 5.0])).tolist()
    [1, 0, 1]
    """
    values, level, size = np.unique(score, return_inverse=True, return_counts=True)
    if len(values) <= MOST_LEVELS:
        return level.reshape(-1)
    middle = (np.cumsum(size) - size / 2) / len(score)
    return np.unique(np.floor(middle * MOST_LEVELS), return_inverse=True)[1].reshape(-1)[level.reshape(-1)]


def _log_losses(promise: Array, lost: Array) -> Array:
    p = np.clip(promise, 1e-9, 1 - 1e-9)
    return -np.where(lost == 1, np.log(p), np.log1p(-p))


def _mean_replicates(each: Array, weight: Array, codes: NDArray[np.intp], counts: NDArray[Any]) -> Array:
    size = counts.shape[0]
    total, hit = (np.bincount(codes, weights=values, minlength=size) for values in (weight, weight * each))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (hit @ counts) / (total @ counts)


def _rows(name: str, scored: pd.DataFrame, found: Draws, pairs: dict[str, dict[str, Draws]]) -> list[dict[str, Any]]:
    n, lost = int(scored["account_id"].nunique()), int(scored["lost"].sum())
    money = scored.loc[scored["lost"] == 1].groupby("account_id")["arr"].sum().to_numpy(dtype=float)
    gone = {"accounts": scored.loc[scored["lost"] == 1, "account_id"].value_counts().to_numpy().astype(float), "arr": money}
    rows = []
    for (kind, by), (value, draws) in found.items():
        if kind.startswith("caught"):
            own = share_interval(value, draws, gone[by], n)
        else:
            own = percentile(value, draws, n=n)
        row = {"scheme": name, "measure": kind, "by": by, "value": value, "low": own.low, "high": own.high}
        row |= {"cases": len(scored), "accounts": n, "lost": lost}
        for other, both in pairs.items():
            (a, drawn_a), (b, drawn_b) = both[name][kind, by], both[other][kind, by]
            gap = percentile(a - b, drawn_a - drawn_b, n=n)
            row |= dict(zip(columns_of(other), (gap.value, gap.low, gap.high), strict=True))
        rows.append(row)
    return rows


def share_interval(value: float, draws: Array, gone: Array, n: int) -> Estimate:
    """A share of what was lost with Wilson's interval at the effective number of lost accounts: it does not collapse at 0 or 100 %.

    As in `resample.rates`: value (1 - value) over the variance between replicates; at most Kish's number of the accounts behind what
    was lost where these are fewer than `ENOUGH`, or where every replicate says the same.

    Parameters
    ----------
    gone : what each account lost, in cases or in ARR
    n : accounts
    """
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or not len(draws) or n == 1 or not gone.sum() > 0:
        return Estimate(value, float("nan"), float("nan"), n)
    kish, spread = gone.sum() ** 2 / (gone**2).sum(), float(draws.var())
    effective = value * (1 - value) / spread if spread > 0 and 0 < value < 1 else kish
    low, high = wilson(value, min(effective, kish) if kish < ENOUGH else effective)
    return Estimate(value, float(low), float(high), n)
