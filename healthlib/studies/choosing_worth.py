"""What a cut asks of the team, catches, costs and brings: of cases scored out of time, in figures of a year, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import thresholds
from healthlib.bands import Replicates
from healthlib.resample import account_weights, percentile, rates, shares, wilson
from healthlib.spec import WorkSpec
from healthlib.stats import level_sums

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Tested:
    """Scored cases out of time: `frame` has account_id, lost, arr, score; `codes`, `counts` from `account_weights`; `save` a rate a
    replicate; `scale` turns sums over the cases into a year's."""

    frame: pd.DataFrame
    codes: NDArray[np.intp]
    counts: NDArray[Any]
    save: Array
    scale: float


@dataclass(frozen=True)
class Stock:
    """Scores of today's accounts, and of those of the past year's `days` month-ends; accounts of today below each cut by replicate."""

    today: Array
    year: Array
    days: int
    drawn: Array


def tested(predictions: pd.DataFrame, scheme: str, work: WorkSpec, again: tuple[int, int, float]) -> Tested:
    """The cases that a scheme scored.

    Parameters
    ----------
    predictions : account_id, lost, arr, and the score of each scheme out of time
    scheme : its column
    again : replicates, seed, and the scale to a year
    """
    replicates, seed, scale = again
    frame = predictions.loc[predictions[scheme].notna(), ["account_id", "lost", "arr", scheme]].rename(columns={scheme: "score"})
    frame = frame.assign(arr=np.nan_to_num(frame["arr"].to_numpy(dtype=float))).reset_index(drop=True)
    draws = Replicates(*account_weights(frame["account_id"], replicates, seed)).ready()
    return Tested(frame, draws.codes, draws.counts, save_rates(work, replicates, seed), scale)


def save_rates(work: WorkSpec, replicates: int, seed: int) -> Array:
    """Save rates drawn evenly from the range that workspace.yaml gives."""
    return np.random.default_rng([seed, 7]).uniform(*work.save_rate, replicates)


def stock(scores: pd.DataFrame, as_of: pd.Timestamp, replicates: int, seed: int) -> Stock:
    """What lies below each cut in today's book and in those of the past year.

    Parameters
    ----------
    scores : account_id, as_of, score of a year's month-ends, `as_of` among them
    """
    known = scores[scores["score"].notna()]
    now, days = known[known["as_of"] == as_of], max(scores["as_of"].nunique(), 1)
    nobody = np.zeros(len(now))
    drawn = thresholds.below_replicates(now["score"], nobody, nobody, *account_weights(now["account_id"], replicates, seed)).accounts
    return Stock(now["score"].to_numpy(dtype=float), known["score"].to_numpy(dtype=float), days, drawn)


def judged(tested: Tested, cuts: pd.DataFrame, stock: Stock, work: WorkSpec) -> pd.DataFrame:
    """What each cut asks, catches, costs and brings.

    Parameters
    ----------
    cuts : lower, the score below which an account is worked, and whatever is to stand beside it

    Returns
    -------
    `cuts` with the columns of `choosing.CHOICE_COLUMNS` from today on; NaN where there is no cut. `gain` is over the first cut.
    """
    score, lost, arr = (tested.frame[name].to_numpy(dtype=float) for name in ("score", "lost", "arr"))
    under = np.array([score < cut for cut in cuts["lower"]])
    rows = [_caught(tested, flags, lost, arr) for flags in under]
    money = nets(tested, under, work)
    for row, cut, flags, (net, drawn) in zip(rows, cuts["lower"], under, money, strict=True):
        ends, more = percentile(net, drawn), percentile(net - money[0][0], drawn - money[0][1])
        row |= {
            "today": float((stock.today < cut).sum()), "past_year": float((stock.year < cut).sum() / stock.days),
            "worked": tested.scale * flags.sum(), "alarms": tested.scale * (flags & (lost == 0)).sum(),
            "net": net, "net_low": ends.low, "net_high": ends.high, "gain": more.value, "gain_low": more.low, "gain_high": more.high,
        }  # fmt: skip
    table = pd.DataFrame(rows)
    return pd.concat([cuts, table[cuts["lower"].notna().to_numpy()].reindex(table.index)], axis=1)


def _caught(tested: Tested, flags: NDArray[np.bool_], lost: Array, arr: Array) -> dict[str, float]:
    """Shares of the lost accounts and ARR that were worked, and of the worked that stayed, with intervals."""
    found, draws = {}, (tested.codes, tested.counts)
    for name, prefix, weight in (("caught", "caught", lost), ("arr_caught", "arr", lost * arr)):
        part = shares(np.where(flags, 0, 1), 2, *draws, case_weight=weight)
        found |= {name: part["value"][0], f"{prefix}_low": part["low"][0], f"{prefix}_high": part["high"][0]}
    stayed = rates(1.0 - lost, *draws, groups=np.where(flags, 0, -1))
    three = [stayed[key][0] if len(stayed[key]) else np.nan for key in ("value", "low", "high")]
    return found | dict(zip(("wrong", "wrong_low", "wrong_high"), three, strict=True))


def nets(tested: Tested, under: NDArray[np.bool_], work: WorkSpec) -> list[tuple[float, Array]]:
    """Net value a year of working the cases marked in each row of `under`, and the same in every replicate with its own save rate.

    net = scale x (save rate x ARR of those worked that left - cost x those worked). Cases are counted once by which rows mark them.
    """
    lost, arr = (tested.frame[name].to_numpy(dtype=float) for name in ("lost", "arr"))
    place = np.zeros(len(lost), dtype=np.intp)
    for bit, flags in enumerate(under):
        place += flags.astype(np.intp) << bit
    size = 1 << len(under)
    sums = [np.empty((size, tested.counts.shape[1])) for _ in range(2)]
    for drawn, weight in zip(sums, (None, lost * arr), strict=True):
        for part, values in level_sums(place, size, tested.codes, tested.counts, case_weight=weight):
            drawn[:, part] = values
    found = []
    for bit, flags in enumerate(under):
        inside = (np.arange(size) >> bit) % 2 == 1
        point = np.mean(work.save_rate) * (lost * arr)[flags].sum() - work.price * flags.sum()
        draws = tested.save * sums[1][inside].sum(axis=0) - work.price * sums[0][inside].sum(axis=0)
        found.append((float(tested.scale * point), tested.scale * draws))
    return found


def curve(tested: Tested, stock: Stock, work: WorkSpec) -> pd.DataFrame:
    """Every whole-number cut: how many accounts lie below, and what they hold of what was lost: `choosing.CURVE_COLUMNS` but scheme."""
    columns = [tested.frame[name] for name in ("score", "lost", "arr")]
    table, drawn = thresholds.below(*columns), thresholds.below_replicates(*columns, tested.codes, tested.counts)
    lost = tested.frame["lost"] == 1
    accounts = [tested.frame.loc[lost, "account_id"].nunique(), _kish(tested.frame[lost])]
    spans = [
        _spans(*pair, n) for pair, n in zip(((table.churned, drawn.churned), (table.arr_churned, drawn.arr_churned)), accounts, strict=True)
    ]
    frame = pd.DataFrame({"cut": thresholds.CUTS, "today": _counts(stock.today), "past_year": _counts(stock.year) / stock.days})
    for prefix, name, (value, low, high) in zip(("caught", "arr"), ("caught", "arr_caught"), spans, strict=True):
        frame = frame.assign(**{name: value, f"{prefix}_low": low, f"{prefix}_high": high})
    return frame.assign(net=tested.scale * thresholds.worth(table, float(np.mean(work.save_rate)), work.price))


def _counts(score: Array) -> Array:
    """Scores below each whole-number cut."""
    return thresholds.below(score, np.zeros(len(score))).accounts


def _kish(lost: pd.DataFrame) -> float:
    """Effective number of lost accounts by ARR."""
    by = lost.groupby("account_id")["arr"].sum().to_numpy(dtype=float)
    return float(by.sum() ** 2 / (by**2).sum()) if (by > 0).any() else 0.0


def _spans(part: Array, drawn: Array, accounts: float) -> tuple[Array, Array, Array]:
    """Share of the whole below each cut with Wilson's interval at its effective number, at most the accounts behind the whole."""
    nothing = np.full(len(part), np.nan)
    if not part[-1] > 0:
        return nothing, nothing, nothing
    drawn = drawn[:, drawn[-1] > 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        value, spread = part / part[-1], np.var(drawn / drawn[-1], axis=1) if drawn.shape[1] else nothing
        effective = np.where(spread > 0, np.fmin(value * (1 - value) / spread, accounts), accounts)
    return value, *wilson(value, effective)
