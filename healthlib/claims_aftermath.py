"""The sentences on what is measured every month, before work and after it, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib.studies.aftermath import CANNOT_TELL, CHANCE, REACH, SCORE, SOON, UNLIKE, USE
from healthlib.studies.treatment import MONTHS
from healthlib.wording import change, count, counted, listed, money, number, share, unknown, upper_first

if TYPE_CHECKING:
    import pandas as pd

    from healthlib.studies.aftermath import Aftermath
    from healthlib.studies.treatment import TreatmentFacts

LABELS = {SCORE: "the score without what the team enters itself", USE: "use", CHANCE: "the chance of staying"}
SPAN = f"{SOON[0]} to {SOON[-1]} months later"


def of_measure(measure: str) -> float:
    """By what a figure of a measure is multiplied to be read as points: chances are shares."""
    return 100.0 if measure == CHANCE else 1.0


def headline(treatment: TreatmentFacts) -> str:
    """What moved after work, in one sentence."""
    after = treatment.after
    if treatment.needs:
        return ""
    if after.needs or after.found.empty:
        lacks = after.needs or "a measure that is known before and after"
        return f"Before and after work cannot be compared: it takes {lacks}."
    fair = after.found[after.found["answer"] != UNLIKE]
    if fair.empty:
        return "Accounts that were worked and like ones had gone apart before work began, so what came after proves nothing."
    sure = fair[fair["answer"] != CANNOT_TELL]
    if sure.empty:
        moved = listed([_moved(row) for _, row in fair.iterrows()])
        return f"After work nothing measured every month surely moved more than in like accounts: {moved}."
    return f"{upper_first(SPAN)}, {listed([_moved(row) for _, row in sure.iterrows()])}, against like accounts that had not been worked."


def _moved(row: pd.Series) -> str:
    """One measure."""
    value, low, high = (of_measure(row["measure"]) * row[name] for name in ("value", "low", "high"))
    name = LABELS[row["measure"]]
    if row["answer"] == CANNOT_TELL:
        return f"{name} {change(value, 1)} points ({change(low, 1)} to {change(high, 1)})"
    ends = sorted((abs(low), abs(high)))
    verb = "higher" if value > 0 else "lower"
    return f"{name} was {number(abs(value), 1)} points {verb} ({number(ends[0], 1)} to {number(ends[1], 1)})"


def details(treatment: TreatmentFacts) -> list[str]:
    """What the comparison rests on, and what the chance would be worth."""
    after = treatment.after
    if treatment.needs or after.needs or after.found.empty:
        return []
    said = [_who(after), *(_before(after)), _assumes(after)]
    return [text for text in [*said[:2], _worth(treatment), *said[2:]] if text]


def _who(after: Aftermath) -> str:
    return (
        f"Of {counted(after.worked, 'account')} that were worked, {count(after.matched)} began soon after their score was read and have "
        f"like ones: {counted(after.controls, 'account')} read in the same month, in the same ten points of score, near in it, in "
        "the score that people saw, in the months before, in ARR and tenure. What they still differ in is adjusted for."
    )


def _before(after: Aftermath) -> list[str]:
    """The check of the trends, by measure."""
    said = []
    fair, unlike = (after.found[after.found["answer"].eq(UNLIKE) == way] for way in (False, True))
    if len(fair):
        parts = [
            f"{LABELS[row['measure']]} by at most {_points(row, 'drift')} (up to {_points(row, 'hidden')} could have been missed)"
            for _, row in fair.iterrows()
        ]
        said.append(f"In the {REACH} months before, the changes did not surely differ: {listed(parts)}, in points.")
    for _, row in unlike.iterrows():
        wide = f", by up to {_points(row, 'drift')} points" if not unknown(row["drift"]) else ": too few months are known to see"
        said.append(f"Before work began, {LABELS[row['measure']]} had not gone alike{wide}; nothing is claimed of it.")
    return said


def _points(row: pd.Series, name: str) -> str:
    return number(of_measure(row["measure"]) * row[name], 1)


def _worth(treatment: TreatmentFacts) -> str:
    """The change of the chance in accounts and ARR, where it is sure."""
    after = treatment.after
    row = after.found[(after.found["measure"] == CHANCE) & ~after.found["answer"].isin([UNLIKE, CANNOT_TELL])]
    if row.empty or not after.accounts:
        return ""
    low, high, arr_low, arr_high = row.iloc[0][["low", "high", "arr_low", "arr_high"]].astype(float)
    cash = [money(value * after.arr, treatment.currency, 2) for value in (arr_low, arr_high)]
    return (
        f"If the score goes with leaving as it did, that change of the chance is worth {number(low * after.accounts, 0)} to "
        f"{number(high * after.accounts, 0)} accounts and {cash[0]} to {cash[1]} of ARR for the {counted(after.accounts, 'account')} whose "
        f"work the last {MONTHS} months decided. It is only the part of an effect that the score can see."
    )


def _assumes(after: Aftermath) -> str:
    gone = (
        ""
        if unknown(after.gone)
        else f" By month {SOON[-1]}, {share(after.gone)} of them and {share(after.gone_like)} of the like ones had left and are not in it."
    )
    return (
        "It assumes that those worked would have gone on like the others, and that nothing which the scores of that day did not show set "
        f"the work off.{gone}"
    )
