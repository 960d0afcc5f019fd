"""Is working by the score better than working everybody, or nobody? Net benefit over the chance of loss from which one would work."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from healthlib.resample import account_weights, percentile
from healthlib.stats import level_sums

Array = NDArray[np.float64]

CHANCES = np.round(np.arange(0.01, 0.61, 0.01), 2)
"""Threshold probabilities at which net benefit is read."""

COLUMNS = ("by", "chance", "worked", "net_benefit", "low", "high", "everyone", "over_everyone", "over_low", "over_high")


def net_benefit(worked: ArrayLike, lost_worked: ArrayLike, whole: ArrayLike, chance: ArrayLike) -> Array:
    """True alarms - false alarms x odds of the chance, per case: Vickers & Elkin (2006), doi:10.1177/0272989X06295361.

    NB = TP / n - FP / n x p / (1 - p), where all with a chance of loss of p or more are worked.

    >>> net_benefit([30, 100], [20, 25], 100, 0.2).round(4).tolist()
    [0.175, 0.0625]
    """
    odds = np.asarray(chance, dtype=float) / (1 - np.asarray(chance, dtype=float))
    true = np.asarray(lost_worked, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (true - (np.asarray(worked, dtype=float) - true) * odds) / np.asarray(whole, dtype=float)


def decision(predictions: pd.DataFrame, *, replicates: int = 1000, seed: int = 0) -> pd.DataFrame:
    """The decision curve of the score in use, by accounts and by ARR.

    Parameters
    ----------
    predictions : account_id, lost, arr, probability (of loss, promised out of time)

    Returns
    -------
    DataFrame `COLUMNS`, a row a chance of `CHANCES` for `by` accounts and arr: the share worked, net benefit of working all with that
    chance or more, that of working everyone (nobody: 0), and the former minus the latter, with 95 % intervals from resampling accounts.
    """
    known = predictions[predictions["probability"].notna()] if "probability" in predictions else predictions.head(0)
    if known.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    chance, lost, arr = (known[name].to_numpy(dtype=float) for name in ("probability", "lost", "arr"))
    codes, counts = account_weights(known["account_id"], replicates, seed)
    place = np.searchsorted(CHANCES, chance, side="right") + (len(CHANCES) + 1) * (lost == 1)
    parts = []
    for by, weight in (("accounts", np.ones(len(lost))), ("arr", np.nan_to_num(arr))):
        sums = np.concatenate([drawn for _, drawn in level_sums(place, 2 * len(CHANCES) + 2, codes, counts, case_weight=weight)], axis=1)
        whole = np.bincount(place, weights=weight, minlength=2 * len(CHANCES) + 2)[:, None]
        parts.append(_rows(*(_from(table) for table in (whole.astype(float), sums))).assign(by=by))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _from(table: Array) -> tuple[Array, Array, Array]:
    """Share worked, net benefit and that of everyone, at each chance, from weights by level, those of the lost below."""
    kept, lost = (np.cumsum(part[::-1], axis=0)[::-1] for part in (table[: len(CHANCES) + 1], table[len(CHANCES) + 1 :]))
    whole, at = kept[0] + lost[0], CHANCES[:, None]
    worked = kept[1:] + lost[1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        return worked / whole, net_benefit(worked, lost[1:], whole, at), net_benefit(whole, lost[0], whole, at)


def _rows(point: tuple[Array, Array, Array], drawn: tuple[Array, Array, Array]) -> pd.DataFrame:
    rows = []
    for i, chance in enumerate(CHANCES):
        share, benefit, everyone = (float(values[i, 0]) for values in point)
        own, over = percentile(benefit, drawn[1][i]), percentile(benefit - everyone, drawn[1][i] - drawn[2][i])
        rows.append((chance, share, benefit, own.low, own.high, everyone, over.value, over.low, over.high))
    return pd.DataFrame(rows, columns=list(COLUMNS[1:]))


def best_range(table: pd.DataFrame, by: str = "accounts") -> tuple[float, float]:
    """The longest run of chances at which working by the score is surely better than everyone and than nobody; NaN where there is none."""
    rows = table[table["by"] == by]
    sure = ((rows["low"] > 0) & (rows["over_low"] > 0)).to_numpy(dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], sure.astype(int), [0]])))
    if not len(edges):
        return float("nan"), float("nan")
    runs = edges.reshape(-1, 2)
    first, last = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    chances = rows["chance"].to_numpy(dtype=float)
    return float(chances[first]), float(chances[last - 1])
