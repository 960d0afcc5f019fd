"""Is the book of today still the one the weights were learned on? Stability of each metric and of the score, and how often bands flap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import drift, scoring
from healthlib.palette import UNSCORED
from healthlib.resample import Estimate, account_weights, rate

if TYPE_CHECKING:
    from healthlib.spec import Scorecard

SHIFTS = (
    "what", "label", "weight", "psi", "low", "high", "arr_psi", "arr_low", "arr_high", "verdict",
    "median_then", "median_now", "missing_then", "missing_now", "accounts_then", "accounts_now",
)  # fmt: skip
MONTHS = 13
"""Month-ends over which changes of band are counted: a year of steps."""
SCORE = "score"
"""Name of the row that speaks of the score itself."""


def watch(scorecard: Scorecard, history: pd.DataFrame, cases: pd.DataFrame, as_of: pd.Timestamp) -> dict[str, Any]:
    """`shifts` between the period of the finished cases and `as_of`, and `flaps` over the last year's month-ends.

    Parameters
    ----------
    scorecard : with numbers as scale ends
    history : month-end snapshots up to `as_of`
    cases : cases, finished or not
    """
    done = cases[cases["lost"].notna()]
    now = history[history["as_of"] == as_of].reset_index(drop=True)
    days = sorted(history["as_of"].unique())[-MONTHS:]
    recent = history[history["as_of"].isin(days)].reset_index(drop=True)
    bands = recent[["account_id", "as_of"]].assign(band=scoring.score(scorecard, recent).frame["band"])
    return {"shifts": shifts(scorecard, fitted_on(history, done, as_of).reset_index(drop=True), now), "flaps": flaps(bands)}


def fitted_on(history: pd.DataFrame, cases: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """The month-end snapshots of the period that the finished cases come from, before `as_of`.

    The cases themselves are read at fixed distances before a term's end; snapshots of all accounts are what today's can be compared with.

    Parameters
    ----------
    history : month-end snapshots
    cases : finished cases
    """
    if cases.empty:
        return history.head(0)
    inside = (history["as_of"] >= cases["as_of"].min()) & (history["as_of"] <= cases["as_of"].max())
    return history[inside & (history["as_of"] < as_of)]


def shifts(scorecard: Scorecard, then: pd.DataFrame, now: pd.DataFrame, *, replicates: int = 200, seed: int = 0) -> pd.DataFrame:
    """Population stability index of every metric and of the score between two sets of snapshots.

    Parameters
    ----------
    scorecard : with numbers as scale ends
    then, now : snapshots with a column a metric; an account may be in both, and is resampled in both at once

    Returns
    -------
    DataFrame `SHIFTS`, a row a metric in the scorecard's order, the score first. `psi` by accounts and by ARR with 95 % intervals;
    `verdict` is stable, moved, shifted (conventions of 0.1 and 0.25, see `drift`) or cannot tell; medians are of measured values,
    `missing_*` shares of snapshots. Empty where one side has no snapshot.
    """
    if then.empty or now.empty:
        return pd.DataFrame(columns=list(SHIFTS))
    codes, counts = account_weights(pd.concat([then["account_id"], now["account_id"]]), replicates, seed)
    sides = codes[: len(then)], codes[len(then) :]
    rows = [{"what": SCORE, "label": "The score", "weight": np.nan, **_shift(_scores(scorecard, then), _scores(scorecard, now))}]
    pairs = [(_scores(scorecard, then), _scores(scorecard, now))]
    for name, metric in scorecard.metrics.items():
        pairs.append((then[name].to_numpy(dtype=float), now[name].to_numpy(dtype=float)))
        rows.append({"what": name, "label": metric.label, "weight": metric.weight, **_shift(*pairs[-1])})
    arr = then["arr"].to_numpy(dtype=float), now["arr"].to_numpy(dtype=float)
    accounts = {"accounts_then": then["account_id"].nunique(), "accounts_now": now["account_id"].nunique()}
    for row, pair in zip(rows, pairs, strict=True):
        found = drift.stability(pair, sides, counts)
        money = drift.stability(pair, sides, counts, case_weight=arr)
        row |= {"psi": found.value, "low": found.low, "high": found.high, "verdict": drift.verdict(found), **accounts}
        row |= {"arr_psi": money.value, "arr_low": money.low, "arr_high": money.high}
    return pd.DataFrame(rows, columns=list(SHIFTS))


def _scores(scorecard: Scorecard, snapshots: pd.DataFrame) -> np.ndarray:
    return scoring.score(scorecard, snapshots.reset_index(drop=True)).frame["score"].to_numpy(dtype=float)


def _shift(then: np.ndarray, now: np.ndarray) -> dict[str, float]:
    """Medians and missing shares of both sides."""
    sides = {"then": then, "now": now}
    medians = {f"median_{side}": float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan for side, values in sides.items()}
    return medians | {f"missing_{side}": float(np.isnan(values).mean()) for side, values in sides.items()}


def flaps(bands: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> dict[str, Estimate]:
    """How often an account's band changes from one month to the next, and how often the change is taken back a month later.

    Parameters
    ----------
    bands : account_id, as_of, band of consecutive month-end snapshots; unscored ones count as no band

    Returns
    -------
    changed : share of account-months whose band is not that of the month before
    flapped : of the changes that have a next month, the share that returns to the earlier band in it
    """
    known = bands[bands["band"] != UNSCORED].sort_values(["account_id", "as_of"], kind="stable")
    months = {day: place for place, day in enumerate(sorted(bands["as_of"].unique()))}
    step, account = known["as_of"].map(months), known["account_id"]

    def shifted(by: int) -> tuple[pd.Series, pd.Series]:
        together = (account.shift(by) == account) & (step.shift(by) == step - by)
        return known["band"].shift(by).where(together), together

    before, has_before = shifted(1)
    after, has_after = shifted(-1)
    changed = (known["band"] != before) & has_before
    moved = changed & has_after
    return {
        "changed": _rate(changed[has_before], account[has_before], replicates, seed),
        "flapped": _rate((after == before)[moved], account[moved], replicates, seed),
    }


def _rate(happened: pd.Series, account: pd.Series, replicates: int, seed: int) -> Estimate:
    codes, counts = account_weights(account, replicates, seed)
    return rate(happened.astype(float).to_numpy(), codes, counts)
