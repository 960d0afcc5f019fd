"""The sentences of the weights report, each built from the facts it is about."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import claims_leaks
from healthlib.claims import against, largest, named, ranged, score_range, signed_range, smallest
from healthlib.studies.leaks import left_out
from healthlib.wording import count, counted, day, listed, number, share, share_range, tested

if TYPE_CHECKING:
    from healthlib.resample import Estimate
    from healthlib.studies.fit import FitFacts

ADVICE = {
    "adopt": "Adopt the fitted weights.",
    "keep": "Keep the current weights.",
    "insufficient_evidence": "Keep the current weights for now: the evidence is insufficient to change them.",
}

GATES = {
    "tells": ("holds where more is lost", "hold where more is lost"),
    "contradicted": ("holds where less is lost", "hold where less is lost"),
    "cannot tell": ("cannot be told from chance", "cannot be told from chance"),
    "refused": ("reads what seems to know the outcome and is not applied", "read what seems to know the outcome and are not applied"),
}
"""Verdict on a gate -> what is said of one, and of several."""


SCHEMES = {
    "current": "current weights",
    "equal": "equal weights",
    "fitted": "fitted weights",
    "incumbent": "the present tool’s score",
    "learned": "fitted weights on learned scales",
}
"""Scheme of a comparison -> what it is called."""


def opening(fit: FitFacts) -> str:
    """The recommendation in a sentence."""
    return f"{ADVICE[fit.recommendation]} {fit.reason}"


def comparison(fit: FitFacts) -> str:
    """AUC out of time of every scorecard."""
    known = {name: estimate for name, estimate in fit.auc.items() if np.isfinite(estimate.value)}
    if not known:
        return tested(fit.split, "The scorecards cannot be compared out of time: no fold had both lost and kept cases to test on.")
    said = [f"{SCHEMES[name]} {score_range(estimate)}" for name, estimate in known.items()]
    basis = f"n = {compared(next(iter(known.values())), fit.n_compared, fit.n_lost_accounts)}; 0.5 is a coin toss"
    doubt = claims_leaks.incumbent(fit.leaks) if "incumbent" in known else ""
    return f"{tested(fit.split, 'Out of time')} the AUC is {listed(said)} ({basis})." + (f" {doubt}" if doubt else "")


def compared(auc: Estimate, cases: int, lost_accounts: int) -> str:
    """What an AUC rests on: an account may be several cases, and be lost in several of them.

    >>> from healthlib.resample import Estimate
    >>> compared(Estimate(0.7, 0.6, 0.8, 1135, 576), 4000, 324), compared(Estimate(0.7, 0.6, 0.8, 40, 9), 40, 9)
    ('1,135 accounts with 4,000 cases, 576 lost cases of 324 accounts', '40 accounts, 9 lost')
    """
    if cases == auc.n:
        return f"{counted(auc.n, 'account')}, {count(auc.events)} lost"
    of = f"{counted(auc.n, 'account')} with {counted(cases, 'case')}"
    return f"{of}, {counted(auc.events, 'lost case')} of {counted(lost_accounts, 'account')}"


def differences(fit: FitFacts) -> str:
    """The paired differences, and whether they can be told from nothing."""
    found = _paired(fit)
    if against(fit.equal_minus_current.low, fit.equal_minus_current.high, 0.0) in ("above", "below"):
        found = [*found, (("equal", "current"), fit.equal_minus_current)]
    said = [_difference(*names, estimate) for names, estimate in found if np.isfinite(estimate.low)]
    return (
        " ".join([said[0], *(more.replace(" AUC on the same accounts", "") for more in said[1:])])
        if said
        else "Whether fitted weights would do better cannot be told yet."
    )


def _paired(fit: FitFacts) -> list[tuple[tuple[str, str], Estimate]]:
    """((better, worse), estimate) for the two differences the recommendation rests on."""
    pairs = {"fitted_minus_current": ("fitted", "current"), "fitted_minus_equal": ("fitted", "equal")}
    return [(pairs[name], estimate) for name, estimate in fit.differences.items() if name in pairs]


def _difference(one: str, other: str, estimate: Estimate) -> str:
    """One difference as a sentence."""
    side = against(estimate.low, estimate.high, 0.0)
    if estimate.low == estimate.high == 0:
        return f"The {one} weights score exactly as the {other} ones do."
    verdict = {"above": f"beat the {other} ones", "below": f"do worse than the {other} ones"}.get(
        side, f"cannot be told from the {other} ones"
    )
    return f"The {one} weights {verdict}: {signed_range(estimate)} AUC on the same accounts."


def weights(fit: FitFacts) -> str:
    """The largest moves that the interval supports, against the weights in use scaled over the metrics that stay."""
    table = staying(fit).dropna(subset=["fitted", "low", "high"])
    gone = removed(taken(fit), fit.recommendation)
    before = f"{gone[:1].upper()}{gone[1:]}. " if gone else ""
    if table.empty:
        return "No weights could be fitted; the current ones stand."
    low, high = table["low"] - 0.5, table["high"] + 0.5
    up, down = table[low > table["current"]], table[high < table["current"]]
    if up.empty and down.empty:
        scaled = ", scaled up" if gone else ""
        return (
            f"{before}No weight's 95% interval excludes the weight in use{scaled}: on {counted(fit.n_lost, 'lost case')} none of the "
            f"{len(table)} moves is certain (cannot tell)."
        )
    parts = [
        f"{'more' if way > 0 else 'less'} on {named([_move(row) for _, row in _largest(rows).iterrows()], 2)}"
        for way, rows in ((1, up), (-1, down))
        if len(rows)
    ]
    return f"{before}{'Against the rest scaled up, the' if gone else 'The'} outcomes put {listed(parts)}."


def taken(fit: FitFacts) -> pd.DataFrame:
    """Rows of `weights` that have a weight in use and none in the fit: they seem to know the outcome, or are made of what does."""
    return fit.weights[(fit.weights["equal"] == 0) & (fit.weights["current"] > 0)]


def staying(fit: FitFacts) -> pd.DataFrame:
    """The other rows, with `current` scaled up to the points that all had together: what the fit is compared with."""
    out = taken(fit)
    rest = fit.weights.drop(out.index)
    points = rest["current"].sum()
    return rest.assign(current=rest["current"] * fit.weights["current"].sum() / points) if len(out) and points > 0 else rest


def removed(out: pd.DataFrame, recommendation: str) -> str:
    """What was `taken` out and that the rest was scaled up; empty where nothing was."""
    if out.empty:
        return ""
    who = f"{counted(len(out), 'metric')} that {'seems' if len(out) == 1 else 'seem'} to know the outcome"
    was = f"{'was' if len(out) == 1 else 'were'} taken out ({number(out['current'].sum(), 0)} of 100 points) and the rest scaled up"
    return f"{'' if recommendation == 'adopt' else 'no change by outcomes: '}{who} {was}"


def _largest(rows: pd.DataFrame) -> pd.DataFrame:
    """Largest moves first."""
    return rows.loc[(rows["fitted"] - rows["current"]).abs().sort_values(ascending=False, kind="stable").index]


def _move(row: pd.Series) -> str:
    """One metric's move."""
    return (
        f"{row['label']} ({number(row['current'], 0)} → {number(row['fitted'], 0)}, 95% {number(row['low'], 0)}–{number(row['high'], 0)})"
    )


def folds(fit: FitFacts) -> str:
    """How the replay was cut."""
    table = fit.folds
    if len(table) and fit.split == "accounts":
        return (
            f"{counted(len(table), 'fold')} of accounts, each scored by weights that had seen only the others: "
            f"{counted(table['test_cases'].sum(), 'case')} tested, {count(table['test_lost'].sum())} lost. The sheet has no dates, so none "
            "of this shows that anything was known beforehand."
        )
    if table.empty:
        return "No fold could be formed: it takes lost and kept cases that finished before others were scored."
    cases, lost = int(table["test_cases"].sum()), int(table["test_lost"].sum())
    fold = counted(len(table), "fold")
    return (
        f"{fold}, scored from {day(table['test_from'].min())} to {day(table['test_to'].max())}: {counted(cases, 'case')} "
        f"tested, {count(lost)} lost, "
        "each by weights that had seen only cases whose whole horizon had passed."
    )


def leaks(fit: FitFacts) -> str:
    """What was left out because it seems to know the outcome, and what stays although it does."""
    labels = dict(zip(fit.weights["metric"], fit.weights["label"], strict=True))
    said = claims_leaks.found(fit.leaks, labels, then="{be} left out of the fit and the recommendation")
    stay = claims_leaks.kept(fit.leaks, labels)
    return " ".join(part for part in (said, stay) if part) or "No metric seems to know the outcome; none was left out."


def gates(fit: FitFacts) -> str:
    """Which gates the outcomes bear out."""
    if fit.gates.empty:
        return "The scorecard has no gates."
    said = []
    for verdict, (one, many) in GATES.items():
        told = [_gate(row) for row in fit.gates[fit.gates["verdict"] == verdict].to_dict("records")]
        if told:
            said.append(f"{named(told)} {one if len(told) == 1 else many}")
    return f"{said[0][:1].upper()}{said[0][1:]}{''.join(f'; {words}' for words in said[1:])}."


def _gate(row: dict[Hashable, Any]) -> str:
    """A gate by its name; one that the outcomes decide, with how many times as much is lost."""
    if row["verdict"] not in ("tells", "contradicted"):
        return f"“{row['gate']}”"
    high = number(row["lift_high"], 1) if np.isfinite(row["lift_high"]) else "∞"
    times = f"{number(row['lift'], 1)} times, 95% {number(row['lift_low'], 1)}–{high}" if np.isfinite(row["lift"]) else "all that was lost"
    return f"“{row['gate']}” ({times}, n = {counted(row['cases'], 'case')})"


def cohorts(fit: FitFacts) -> str:
    """The metric whose worst fifth differs most from the rest, and what its ends lost."""
    table = telling(fit)
    if table.empty or not fit.n_lost:
        return "No metric can be shown to divide the lost from the kept: it takes finished cases of both kinds."
    first = table.iloc[0]
    part = fit.metric_cohorts[(fit.metric_cohorts["metric"] == first["metric"]) & (fit.metric_cohorts["decile"] > 0)]
    high, low = largest(part, "rate"), smallest(part, "rate")
    fraction = FRACTIONS.get(len(part), "group")
    return (
        f"{first['label']} divides most: its worst fifth loses {times(first)} what an average fifth does. "
        f"{share_range(high['rate'], high['low'], high['high'])} of {counted(high['cases'], 'case')} were lost in one {fraction} of its "
        f"values, {share_range(low['rate'], low['low'], low['high'])} of {count(low['cases'])} in another, against "
        f"{ranged(fit.base_rate)} overall."
    )


FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth", 10: "tenth"}


def times(row: pd.Series, by: str = "") -> str:
    """A lift with its interval, in a row of `telling`; `by` "arr_" for money.

    >>> times(pd.Series({"lift": 2.345, "lift_low": 1.9, "lift_high": 2.8}))
    '2.3× (1.9–2.8)'
    """
    value, low, high = (row[f"{by}lift{end}"] for end in ("", "_low", "_high"))
    return f"{number(value, 1)}× ({number(low, 1)}–{number(high, 1)})" if np.isfinite(low) else f"{number(value, 1)}×"


def telling(fit: FitFacts) -> pd.DataFrame:
    """A row a metric with two groups or more, leaks left out: the one whose worst fifth's lift is farthest from 1 first."""
    table = fit.metric_cohorts
    table = table[(table["decile"] > 0) & ~table["metric"].isin(left_out(fit.leaks)) & table["lift"].notna()]
    first = table[table.groupby("metric", sort=False)["decile"].transform("size") > 1].drop_duplicates("metric")
    far = (first["lift"] - 1).abs().astype(float)
    return first.loc[far.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def evidence(fit: FitFacts) -> str:
    """What the fit rests on."""
    if not fit.n_cases:
        return "There is no finished case, so nothing could be learned; the current weights stand."
    pull = (
        "stays with the current weights"
        if not np.isfinite(fit.strength)
        else tested(fit.split, "is pulled towards the current weights, as strongly as what was tested out of time bears out")
    )
    return (
        f"The fit rests on {counted(fit.n_cases, 'finished case')} of {counted(fit.n_accounts, 'account')}, "
        f"{count(fit.n_lost)} of them lost "
        f"({ranged(fit.base_rate)}; {share(fit.arr_base_rate.value)} by ARR), and {pull}."
    )
