"""The sentences on growing and on speaking for us, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import largest, ranged, row_of, row_rate, score_range, signed_range
from healthlib.wording import counted, listed, money, money_range, share, share_range, tested

if TYPE_CHECKING:
    from healthlib.studies.growth import GrowthFacts

NAMED = 25
"""Accounts are listed by name up to this many; all of them are in growth.csv."""
APART = "Growing is judged on its own, among accounts that stayed: its weights never enter the health score."


def rate(growth: GrowthFacts) -> str:
    """How many of those who stayed grew, in accounts and ARR."""
    if growth.needs:
        return f"Who is ready for more cannot be told: {growth.needs}."
    grew, usual = growth.rate, share(growth.usual, 1 if abs(growth.usual) < 0.1 else 0)
    return (
        f"Of the cases that stayed {ranged(grew)} grew by more than {share(growth.over)} (n = {counted(grew.n, 'account')}, "
        f"{counted(grew.events, 'case')} that grew), holding {ranged(growth.arr_rate)} of the ARR; half of all who stayed changed by "
        f"{usual} or more, so a smaller rise says little. Those that grew did so by {share(growth.size)} at the median. {APART}"
    )


def weights(growth: GrowthFacts) -> str:
    """Whether growth can be foreseen, and by which weights."""
    if growth.fit is None:
        return "There are no growth weights to show."
    fit, auc = growth.fit, growth.fit.auc[growth.weighed]
    if pd.isna(auc.value):
        return "Whether growth can be foreseen cannot be tested out of time: too few cases had finished before others began."
    gain, which = fit.differences["fitted_minus_equal"], "the fitted weights" if growth.weighed == "fitted" else "equal weights"
    ranks = "surely ranks" if growth.ranked else "cannot be shown to rank"
    told = tested(fit.split, f"Out of time {which} give an AUC of {score_range(auc)}")
    return (
        f"{told}: the growth score {ranks} those who will grow above the others. Fitted weights gain {signed_range(gain)} AUC over equal "
        f"ones, so {'they are used' if growth.weighed == 'fitted' else 'equal ones are used'}.{_leading(growth)}"
    )


def _leading(growth: GrowthFacts) -> str:
    """The metrics whose growth weight is surely above zero."""
    table = growth.fit.weights if growth.fit is not None else pd.DataFrame()
    sure = table[table["low"] > 0].sort_values("fitted", ascending=False) if len(table) else table
    if sure.empty:
        return " No metric’s weight is surely above zero."
    return f" Surely above zero: {listed([f'“{label}”' for label in sure['label'].head(4)])}."


def ready(growth: GrowthFacts) -> str:
    """Who is likeliest to grow."""
    table = growth.ready
    if table.empty:
        return "No active account can be ranked by its chance of growing."
    first = table.iloc[0]
    chance = share_range(first["chance"], first["low"], first["high"])
    if not growth.ranked:
        return f"The list below is in no proven order: the growth score was not shown to rank. Its first account has a chance of {chance}."
    base, top = share(growth.rate.value), table.head(NAMED)
    sums = [(top[end] * growth.size * top["arr"]).sum() for end in ("low", "high")]
    expected = f"{money(top['expected_arr'].sum(), growth.currency)} ({money_range(sums[0], sums[1], growth.currency)})"
    return (
        f"{first['name'] if pd.notna(first['name']) else first['account_id']} is likeliest to grow: {chance}, against {base} of all who "
        f"stayed; the {counted(len(top), 'account')} listed promise about {expected} of new ARR if they grow as often and as much as "
        "accounts like them did."
    )


def advocates(growth: GrowthFacts) -> str:
    """Who would speak for us, and what became of those like them."""
    facts = growth.advocates
    if facts.needs:
        return f"Who would speak for us cannot be told: it takes {facts.needs}."
    table = facts.today
    if table.empty:
        return "No active account is in the best band, a year with us, and has acted for us or answered as a promoter."
    top = largest(table, "arr")
    name = top["name"] if pd.notna(top["name"]) else top["account_id"]
    return (
        f"{counted(len(table), 'account')} with {money(table['arr'].sum(), growth.currency)} would speak for us: in the best band, a year "
        f"with us, and acted for us or answered 9 or 10; {name} is the largest.{_fate(facts.stayed)}{_spoke(facts.spoke)}"
    )


def _fate(table: pd.DataFrame) -> str:
    mine, others = (row_of(table, name) for name in ("advocates", "all others"))
    if mine is None or others is None:
        return ""
    return f" Of past cases like them {row_rate(mine)} were lost, of all others {row_rate(others)} (n = {counted(mine['cases'], 'case')})."


def _spoke(table: pd.DataFrame) -> str:
    """Whether those named went on to act, among those who had not before."""
    mine, others = (row_of(table, name) for name in ("advocates", "all others"))
    if mine is None or others is None:
        return ""
    verdict = "the list finds new ones" if mine["low"] > others["high"] else "the list was not shown to find new ones"
    return (
        f" Of those like them who had not acted for a year, {row_rate(mine)} did within the next, of all others {row_rate(others)}: "
        f"{verdict}."
    )
