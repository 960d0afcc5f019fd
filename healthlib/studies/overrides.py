"""Whether overruling the score helped or hurt against outcomes, by direction and by who did it.

A fit, a backtest and every chance of loss use the measured score, never an override: a person's word is tested here, not trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import calibration, resample, stats
from healthlib.overrides import NONE
from healthlib.resample import Estimate, account_weights, percentile
from healthlib.splits import trainable
from healthlib.studies.outlook import settling
from healthlib.studies.overruled import today_overruled
from healthlib.studies.renewals import LEAST as LEAST_SIDES
from healthlib.studies.renewals import scored_cases

if TYPE_CHECKING:
    from healthlib.studies.book import Book

Array = NDArray[np.float64]

LEAST = 10
"""Accounts whose overrides must have met an outcome before anything is said of them (issue 4.6: at least 10 each)."""

EVERYBODY = "everybody"
HELPED, HURT, CANNOT_TELL = "helped", "hurt", "cannot tell"

EFFECT_COLUMNS = (
    "direction", "set_by", "cases", "accounts", "lost", "rate", "low", "high", "expected", "benefit", "benefit_low", "benefit_high",
    "verdict", "arr", "arr_rate", "arr_low", "arr_high", "arr_expected", "arr_benefit", "arr_benefit_low", "arr_benefit_high",
    "arr_verdict", "more", "likely",
)  # fmt: skip


@dataclass(frozen=True)
class OverrideFacts:
    """What overruling the score did.

    Attributes
    ----------
    today : accounts with an override in force today, largest ARR first: `overruled.TODAY_COLUMNS`
    effects : `EFFECT_COLUMNS`, see `effects`
    auc : Estimates over the finished cases concerned: "without" (measured score), "with" (override), "difference" (paired);
        empty with fewer than `LEAST` accounts or fewer than 5 lost or kept
    n_cases : finished cases with an override in force on their day; n_open: those not finished
    n_unjudged : of the finished, those left out because the measured score was missing, equal, or came before enough outcomes to
        learn a chance of loss from
    kind : what `lost` means
    """

    today: pd.DataFrame
    effects: pd.DataFrame
    auc: dict[str, Estimate]
    n_cases: int
    n_open: int
    n_unjudged: int
    kind: str


def override_study(book: Book, *, replicates: int = 400, seed: int = 0) -> OverrideFacts:
    """Did overruling the score help, in accounts and in ARR?

    Parameters
    ----------
    replicates, seed : account resamples behind every interval
    """
    if book.overrides.empty:
        return OverrideFacts(today_overruled(book), effects(NONE.head(0)), {}, 0, 0, 0, book.workspace.kind)
    said = book.overrides.rename(columns={"override": "said"})[["account_id", "as_of", "said", "set_by"]]
    cases = scored_cases(book).merge(said, how="left", on=["account_id", "as_of"])
    concerned = cases["said"].notna()
    finished = cases[concerned & cases["lost"].notna()]
    judged = with_expected(cases) if len(finished) else finished.assign(expected=np.nan)
    return OverrideFacts(
        today=today_overruled(book),
        effects=effects(judged, replicates=replicates, seed=seed),
        auc=aucs(finished, replicates=replicates, seed=seed),
        n_cases=len(finished),
        n_open=int((concerned & cases["lost"].isna()).sum()),
        n_unjudged=len(finished) - len(judged),
        kind=book.workspace.kind,
    )


def with_expected(cases: pd.DataFrame) -> pd.DataFrame:
    """The overruled, finished cases with the chance of loss that their measured score carried, learnt out of time.

    For each month with such cases the curve is fitted on cases that nobody had overruled and that had finished before the first of them
    (`splits.trainable`). So an override is compared with accounts of the same measured score that were left alone.

    Parameters
    ----------
    cases : account_id, as_of, horizon_ends_on, lost, arr, score (measured), said (the override; NaN: none), set_by

    Returns
    -------
    The cases concerned, with `expected` (0..1); without those whose score is missing or equal to the override, or whose day came before
    5 lost and 5 kept accounts had finished
    """
    chosen = cases[cases["said"].notna() & cases["lost"].notna() & cases["score"].notna() & (cases["said"] != cases["score"])]
    alone = cases[cases["said"].isna() & cases["score"].notna()]
    parts = []
    for _, part in chosen.groupby(chosen["as_of"].dt.to_period("M")):
        known = trainable(alone, part["as_of"].min())
        sides = known.groupby("lost")["account_id"].nunique()
        if min(sides.get(1.0, 0), sides.get(0.0, 0)) >= LEAST_SIDES:
            theta = calibration.curve(known["score"].to_numpy(float), known["lost"].to_numpy(float))
            parts.append(part.assign(expected=stats.logistic(theta[0] - theta[1] * part["score"].to_numpy(float) / 100)))
    return pd.concat(parts, ignore_index=True) if parts else chosen.head(0).assign(expected=pd.Series(dtype=float))


def effects(judged: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Lost share of overruled cases against what their measured scores promised, by direction and by who overruled.

    ``benefit`` is the share by which outcomes went the way the person said: expected - lost where the score was raised, lost - expected
    where it was lowered. Above zero the person knew better than the score. Its interval is that of the lost share (`resample.rates`),
    the expected share taken as known; over both directions the intervals are joined by Zou & Donner (2008), doi:10.1002/sim.3095.

    Parameters
    ----------
    judged : from `with_expected`

    Returns
    -------
    DataFrame with `EFFECT_COLUMNS`: rows direction raised, lowered, both for everybody, then both for each person, and raised and
    lowered for those with `LEAST` accounts in each. `verdict` is helped, hurt or cannot tell (fewer than `LEAST` accounts, or an interval
    that includes zero); `more` and `likely` are how many more cases would tell, with an even chance and in four of five cases (infinite
    where that cannot be told, NaN where it is told or nothing is known).
    """
    if judged.empty:
        return pd.DataFrame(columns=list(EFFECT_COLUMNS))
    judged = judged.assign(raised=judged["said"] > judged["score"])
    rows = _rows(judged, EVERYBODY, replicates, seed)
    for name, part in judged.groupby("set_by"):
        mine = _rows(part, str(name), replicates, seed)
        rows += [mine[2], *(row for row in mine[:2] if row["accounts"] >= LEAST)]
    table = pd.DataFrame(rows)
    people = table["set_by"] != EVERYBODY
    order = (
        table.assign(people=people, n=np.where(people, -table["accounts"], 0)).sort_values(["people", "n", "set_by"], kind="stable").index
    )
    return table.loc[order, list(EFFECT_COLUMNS)].reset_index(drop=True)


def _rows(part: pd.DataFrame, who: str, replicates: int, seed: int) -> list[dict[str, Any]]:
    """Raised, lowered, both."""
    codes, counts = account_weights(part["account_id"], replicates, seed)
    lost, p, arr = (np.nan_to_num(part[name].to_numpy(float)) for name in ("lost", "expected", "arr"))
    group = np.where(part["raised"], 0, 1)
    found = {
        "": resample.rates(lost, codes, counts, groups=group),
        "arr_": resample.rates(lost, codes, counts, case_weight=arr, groups=group),
    }
    rows: list[dict[str, Any]] = []
    for number, direction in enumerate(("raised", "lowered")):
        row: dict[str, Any] = {"direction": direction, "set_by": who, **_sizes(part[group == number])}
        for prefix, weight in (("", np.ones(len(lost))), ("arr_", arr)):
            inside = weight * (group == number)
            expected = float(inside @ p / inside.sum()) if inside.sum() > 0 else float("nan")
            rate, low, high = (_at(found[prefix][key], number) for key in ("value", "low", "high"))
            row |= {f"{prefix}rate": rate, f"{prefix}low": low, f"{prefix}high": high, f"{prefix}expected": expected}
            ends = (expected - high, expected - low) if number == 0 else (low - expected, high - expected)
            row |= _benefit(prefix, (expected - rate) * (1 if number == 0 else -1), ends)
        rows.append(row)
    rows.append(_both(part, who, rows, (codes, counts)))
    return [row | _verdicts(row) for row in rows]


def _at(values: Array, number: int) -> float:
    return float(values[number]) if number < len(values) else float("nan")


def _sizes(part: pd.DataFrame) -> dict[str, Any]:
    arr = float(part["arr"].fillna(0).sum())
    return {"cases": len(part), "accounts": int(part["account_id"].nunique()), "lost": int(part["lost"].sum()), "arr": arr}


def _benefit(prefix: str, value: float, ends: tuple[float, float]) -> dict[str, float]:
    return {f"{prefix}benefit": value, f"{prefix}benefit_low": ends[0], f"{prefix}benefit_high": ends[1]}


def _both(part: pd.DataFrame, who: str, rows: list[dict[str, Any]], draws: tuple[NDArray[np.intp], NDArray[Any]]) -> dict[str, Any]:
    """Both directions: the benefits weighted by cases (by ARR), their intervals joined; the lost share as it is."""
    row: dict[str, Any] = {"direction": "both", "set_by": who, **_sizes(part)}
    lost, arr = part["lost"].to_numpy(float), np.nan_to_num(part["arr"].to_numpy(float))
    for prefix, size, weight in (("", "cases", None), ("arr_", "arr", arr)):
        there = [one for one in rows if one[size] > 0]
        shares = [one[size] / sum(other[size] for other in there) for one in there]
        rate = resample.rate(lost, *draws, case_weight=weight)
        row |= {f"{prefix}rate": rate.value, f"{prefix}low": rate.low, f"{prefix}high": rate.high}
        row[f"{prefix}expected"] = sum(share * one[f"{prefix}expected"] for share, one in zip(shares, there, strict=True))
        value, low, high = joined([_three(one, prefix) for one in there], shares)
        row |= _benefit(prefix, value, (low, high))
    return row


def _three(row: dict[str, Any], prefix: str) -> tuple[float, ...]:
    """A benefit and its interval; one account alone has none, and may be anything from -1 to 1."""
    value, low, high = (row[f"{prefix}benefit{end}"] for end in ("", "_low", "_high"))
    return value, -1.0 if np.isnan(low) else low, 1.0 if np.isnan(high) else high


def joined(estimates: list[tuple[float, ...]], shares: list[float]) -> tuple[float, float, float]:
    """A weighted sum of independent estimates (value, low, high) and its interval from theirs.

    low = sum w v - sqrt(sum w^2 (v - low)^2), high alike: asymmetric intervals stay so. Zou & Donner (2008), doi:10.1002/sim.3095.

    >>> joined([(0.5, 0.2, 0.6), (0.5, 0.1, 0.9)], [0.5, 0.5])
    (0.5, 0.25, 0.706...)
    """
    if not estimates:
        return float("nan"), float("nan"), float("nan")
    value, low, high = np.array(estimates, dtype=float).T
    w = np.array(shares)
    middle = float(w @ value)
    down, up = np.sqrt((w**2) @ (value - low) ** 2), np.sqrt((w**2) @ (high - value) ** 2)
    return middle, float(middle - down), float(middle + up)


def _verdicts(row: dict[str, Any]) -> dict[str, Any]:
    few = row["accounts"] < LEAST
    found: dict[str, Any] = {
        f"{prefix}verdict": CANNOT_TELL if few else verdict(row[f"{prefix}benefit_low"], row[f"{prefix}benefit_high"])
        for prefix in ("", "arr_")
    }
    found["more"], found["likely"] = _more(row) if found["verdict"] == CANNOT_TELL else (float("nan"), float("nan"))
    return found


def _more(row: dict[str, Any]) -> tuple[float, float]:
    """More such cases that would tell, with an even chance and in four of five cases (`outlook.settling`), of `LEAST` accounts at least."""
    ends = (float(row["benefit"]), float(row["benefit_low"]), float(row["benefit_high"]))
    ahead = settling(Estimate(*ends, row["accounts"], row["cases"]), 0.0, 0.0)
    first = np.ceil(row["cases"] * max(LEAST - row["accounts"], 0) / row["accounts"]) if row["accounts"] else float("nan")
    return float(np.maximum(ahead.even, first)), float(np.maximum(ahead.likely, first))


def verdict(low: float, high: float) -> str:
    """Helped where the interval of the benefit lies above zero, hurt below, otherwise cannot tell.

    >>> verdict(0.01, 0.2), verdict(-0.2, -0.01), verdict(-0.1, 0.1), verdict(float("nan"), float("nan"))
    ('helped', 'hurt', 'cannot tell', 'cannot tell')
    """
    return HELPED if low > 0 else HURT if high < 0 else CANNOT_TELL


def aucs(finished: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> dict[str, Estimate]:
    """How well the measured score and the overriding one rank the cases concerned, and the paired difference (with - without).

    Parameters
    ----------
    finished : account_id, lost, score (measured), said; cases without a measured score are left out
    """
    known = finished[finished["score"].notna()]
    sides = known["lost"].value_counts()
    if known["account_id"].nunique() < LEAST or min(sides.get(1.0, 0), sides.get(0.0, 0)) < LEAST_SIDES:
        return {}
    codes, counts = account_weights(known["account_id"], replicates, seed)
    size: dict[str, float] = {"n": float(counts.shape[0]), "events": float(known["lost"].sum())}
    value = {name: stats.auc(known[column], known["lost"]) for name, column in (("without", "score"), ("with", "said"))}
    draws = {
        name: stats.auc_replicates(known[column], known["lost"], codes, counts) for name, column in (("without", "score"), ("with", "said"))
    }
    value["difference"], draws["difference"] = value["with"] - value["without"], draws["with"] - draws["without"]
    return {name: percentile(value[name], draws[name], **size) for name in value}
