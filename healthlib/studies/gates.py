"""Each gate of the scorecard against outcomes: what was lost where it held, and where it did not."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.levels import readers
from healthlib.resample import NOTHING, Estimate, rate
from healthlib.scoring import gate_holds, gate_words
from healthlib.spec import Scorecard
from healthlib.studies.leaks import left_out
from healthlib.studies.outlook import settling
from healthlib.studies.verdict import said

RATES = ("held", "elsewhere", "lift", "arr_held", "arr_elsewhere", "arr_lift")
GATE_COLUMNS = (
    "gate", "metric", "does", "cases", "accounts", "lost", "arr", "arr_lost",
    *(f"{name}{part}" for name in RATES for part in ("", "_low", "_high")), "verdict", "why",
)  # fmt: skip
"""Per gate: the finished cases in which it held, their accounts, those lost, their ARR and what of it was lost; the share lost there and
elsewhere and their ratio, by accounts and by ARR, each with its 95 % interval; the verdict, and why."""

HELD = ("more case in which it holds", "more cases in which it holds")
"""What it takes to tell, counted: one, many."""


def gate_table(done: pd.DataFrame, scorecard: Scorecard, leaks: pd.DataFrame, draws: tuple[NDArray[np.intp], NDArray[Any]]) -> pd.DataFrame:
    """Every gate tested like a metric: the share lost while its condition held, against all other finished cases.

    A gate that reads a metric that seems to know the outcome is refused, whatever it shows.

    Parameters
    ----------
    done : finished cases: lost, arr, and the value of each metric
    leaks : metric, and `overruled` (bool) if any was
    draws : `resample.account_weights` of the cases' accounts

    Returns
    -------
    DataFrame `GATE_COLUMNS`, a row a gate. `verdict` is tells, contradicted, cannot tell or refused.
    """
    words, refused = gate_words(scorecard), readers(scorecard, left_out(leaks))
    rows = []
    for gate in scorecard.gates:
        held = gate_holds(scorecard, gate, done)
        found = _rates(done, held, draws)
        lost, arr = done["lost"].to_numpy(dtype=float)[held], done["arr"].to_numpy(dtype=float)[held]
        basis = (int(held.sum()), int(found["held"].n), int(lost.sum()), float(np.nansum(arr)), float(np.nansum(lost * arr)))
        verdict = _verdict(found, basis[0], refused=gate.metric in refused)
        numbers = [part for name in RATES for part in astuple(found[name])[:3]]
        rows.append((gate.name, gate.metric, words[gate.name].removesuffix(f" by {gate.name}"), *basis, *numbers, *verdict))
    return pd.DataFrame(rows, columns=list(GATE_COLUMNS))


def _rates(done: pd.DataFrame, held: NDArray[np.bool_], draws: tuple[NDArray[np.intp], NDArray[Any]]) -> dict[str, Estimate]:
    codes, counts = draws
    lost, found = done["lost"].to_numpy(dtype=float), {}
    for kind, weight in (("", None), ("arr_", np.nan_to_num(done["arr"].to_numpy(dtype=float)))):
        for name, rows in (("held", held), ("elsewhere", ~held)):
            case_weight = None if weight is None else weight[rows]
            found[kind + name] = rate(lost[rows], codes[rows], counts, case_weight=case_weight) if rows.any() else NOTHING
        found[f"{kind}lift"] = ratio(found[f"{kind}held"], found[f"{kind}elsewhere"])
    return found


def ratio(top: Estimate, bottom: Estimate) -> Estimate:
    """top / bottom, its interval from those of the two (MOVER-R): exact at neither side, sound where one of them saw no loss.

    The limits t solve (p - t q)^2 = (p - l_p)^2 + t^2 (u_q - q)^2, and with the other two limits. The two are taken as independent:
    accounts on both sides move together, so that the interval errs on the wide side. Newcombe (2016), Statistical Methods in Medical
    Research 25, 1774-1778, doi:10.1177/0962280213502144.

    >>> found = ratio(Estimate(0.4, 0.3, 0.5, 100, 40), Estimate(0.1, 0.08, 0.12, 900, 90))
    >>> [round(part, 2) for part in (found.value, found.low, found.high)]
    [4.0, 2.85, 5.48]
    """
    p, q = top.value, bottom.value
    if not np.isfinite([p, q, top.low, bottom.low]).all() or p == q == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), top.n, top.events)
    low = _root(p, q, p - top.low, bottom.high - q, upper=False)
    high = _root(p, q, top.high - p, q - bottom.low, upper=True)
    return Estimate(p / q if q > 0 else float("inf"), low, high, top.n, top.events)


def _root(p: float, q: float, above: float, below: float, *, upper: bool) -> float:
    """Where p - t q is as far from 0 as its limits reach."""
    square, product, rest = q * q - below * below, p * q, p * p - above * above
    middle = np.sqrt(max(product * product - square * rest, 0.0))
    if upper:
        return float((product + middle) / square) if square > 1e-15 else float("inf")
    return float(rest / (product + middle)) if product + middle > 0 else 0.0


def _verdict(found: dict[str, Estimate], cases: int, *, refused: bool) -> tuple[str, str]:
    """What the interval of the lift allows to say."""
    lift = found["lift"]
    if refused:
        return "refused", "its metric seems to know the outcome; no comparison applies it"
    if not cases:
        return "cannot tell", "it held in no finished case"
    if lift.low > 1:
        return "tells", "more is lost where it holds"
    if lift.high < 1:
        return "contradicted", "less is lost where it holds: a reason to drop it"
    return "cannot tell", _needed(lift, cases)


def _needed(lift: Estimate, cases: int) -> str:
    """How many more such cases would decide: `outlook.settling` of the logarithm of the ratio against 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.log([lift.value, lift.low, lift.high])
    if not np.isfinite(ends).all():
        return "it takes more cases in which it holds, lost and kept"
    ahead = settling(Estimate(*ends.tolist(), lift.n, cases), 0.0, 0.0)
    return said(ahead.even, ahead.likely, HELD)
