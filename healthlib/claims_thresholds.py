"""The sentences on choosing thresholds, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.claims import against, undated, words
from healthlib.studies.decision_curve import CHANCES, best_range
from healthlib.wording import (
    count,
    counted,
    listed,
    money,
    money_change,
    money_range,
    number,
    share,
    share_range,
    tested,
    unknown,
    upper_first,
)

if TYPE_CHECKING:
    from healthlib.studies.choosing import ChoosingFacts

NAMES = {
    "hand": "by hand, as now", "targets": "by target renewal rates", "capacity": "by capacity", "value": "by cost and benefit",
    "separation": "by maximal separation",
}  # fmt: skip
HARDLY = 0.01
"""A cut that holds less of what was lost than this works hardly anybody (a convention)."""
WIDE = 10
"""A cut that moves over resamples by more points than this should not be relied on to the point (a convention)."""


def row(facts: ChoosingFacts, way: str, scheme: str = "current") -> pd.Series | None:
    """The row of a way; None where it has no answer."""
    table = facts.choices
    rows = table[(table["scheme"] == scheme) & (table["way"] == way) & table["lower"].notna()]
    return rows.iloc[0] if len(rows) else None


def per(facts: ChoosingFacts) -> str:
    """What the money is of: a year, or one pass through a sheet without time."""
    return "in one pass through the sheet" if facts.kind == "flat" else "a year"


def cut(value: float) -> str:
    """A cut: whole, or to a tenth where somebody wrote one.

    >>> cut(50.0), cut(49.5)
    ('50', '49.5')
    """
    return number(value, 0 if float(value).is_integer() else 1)


def now(facts: ChoosingFacts) -> str:
    """What the present threshold asks and catches."""
    found = row(facts, "hand")
    if facts.needs or found is None:
        return f"No threshold can be weighed against another: it takes {facts.needs}."
    worst, says = next(iter(facts.bands)), words(facts.kind)
    return tested(facts.split, (
        f"Now {worst} ends at {cut(found['lower'])}: {count(found['today'])} of {counted(facts.accounts, 'scored account')} lie below "
        "today. "
        f"Out of time so low a score held {share_range(found['caught'], found['caught_low'], found['caught_high'])} of the accounts that "
        f"left and {share_range(found['arr_caught'], found['arr_low'], found['arr_high'])} of the churned ARR; "
        f"{share_range(found['wrong'], found['wrong_low'], found['wrong_high'])} of them {says['kept']} all the same."
    ))  # fmt: skip


def ways(facts: ChoosingFacts) -> list[str]:
    """What every other way would choose, a sentence each."""
    if facts.needs:
        return []
    return [words_ for words_ in (_targets(facts), _capacity(facts), _value(facts), _separation(facts)) if words_]


def _asks(found: pd.Series) -> str:
    """How many accounts, and what they hold."""
    money_too = "" if unknown(found["arr_caught"]) else f", {share(found['arr_caught'])} of the churned ARR"
    held = f"{share(found['caught'])} of those that left{money_too}"
    return f"{counted(found['today'], 'account')} in work today, {held}"


def _moves(found: pd.Series) -> str:
    """How far the cut moves over resamples."""
    if unknown(found["lower_low"]):
        return ""
    if found["lower_low"] == found["lower_high"]:
        return " Over resamples it stays there."
    span = f"{cut(np.round(found['lower_low']))} to {cut(np.round(found['lower_high']))}"
    rely = "; do not rely on the point" if found["lower_high"] - found["lower_low"] > WIDE else ""
    return f" Over resamples that cut moves from {span}{rely}."


def _targets(facts: ChoosingFacts) -> str:
    work, found = facts.work, row(facts, "targets")
    worst, *_, best = facts.bands
    kept = words(facts.kind)["kept"]
    if found is None:
        return f"By target: there is no cut below which at most {share(work.renew_worst)} {kept}, so {worst} cannot be chosen so."
    top = "" if len(facts.bands) == 2 else (
        f", and {best} of which at least {share(work.renew_best)} {kept} begins at {cut(found['upper'])}" if not unknown(found["upper"])
        else f"; no {best} band of which {share(work.renew_best)} {kept} can be made"
    )  # fmt: skip
    low = f"{worst} of which at most {share(work.renew_worst)} {kept} ends at {cut(found['lower'])}"
    return f"By target: {low}{top}: {_asks(found)}.{_moves(found)}"


def _capacity(facts: ChoosingFacts) -> str:
    each, found = facts.work.accounts_per_csm, row(facts, "capacity")
    if facts.csms is None or found is None:
        return (
            f"By capacity: nobody says how many CSMs there are (a `csm` column, or `work: {{csms: 4}}` in workspace.yaml), so the cut "
            f"at which {number(each, 0)} accounts fall to each cannot be told."
        )
    return (
        f"By capacity: {counted(facts.csms, 'CSM')} with {number(each, 0)} accounts each can work {count(facts.csms * each)}; a cut at "
        f"{cut(found['lower'])} keeps within that: {_asks(found)}.{_moves(found)}"
    )


def _value(facts: ChoosingFacts) -> str:
    found = row(facts, "value")
    if found is None:
        return ""
    if found["lower"] == 0 or found["caught"] < HARDLY:
        return (
            f"By cost and benefit: {_terms(facts)} hardly anybody’s work pays for itself (a cut at {cut(found['lower'])}).{_moves(found)}"
        )
    everyone = " – nearly everybody, so what can be done decides, not what would pay" if found["today"] >= 0.9 * facts.accounts else ""
    return f"By cost and benefit: {_terms(facts)} a cut at {cut(found['lower'])} is worth most: {_asks(found)}{everyone}.{_moves(found)}"


def _terms(facts: ChoosingFacts) -> str:
    """At what cost and save rate."""
    return f"at {money(facts.work.price, facts.currency, 2)} an account worked and {saved(facts)} of those saved that would have left,"


def saved(facts: ChoosingFacts) -> str:
    """The save rate or its range."""
    low, high = facts.work.save_rate
    return share(low) if low == high else f"{number(100 * low, 0)} to {share(high)}"


def _separation(facts: ChoosingFacts) -> str:
    found = row(facts, "separation")
    if found is None:
        return ""
    return f"By maximal separation, which knows neither work nor money: a cut at {cut(found['lower'])}, {_asks(found)}.{_moves(found)}"


def tradeoff(facts: ChoosingFacts) -> str:
    """What changes hands between the present threshold and the others: money with its range, and whether it can be told."""
    base = row(facts, "hand")
    if facts.needs or base is None:
        return ""
    if unknown(base["net"]):
        return "No case has an ARR, so what a threshold is worth in money cannot be told."
    said = [_gain(facts, way) for way in ("capacity", "value")]
    brings = "bring" if base["net"] >= 0 else "cost more than it saves:"
    first = (
        f"The present threshold is expected to {brings} {money(base['net'], facts.currency)} {per(facts)} net "
        f"({money_range(base['net_low'], base['net_high'], facts.currency)}), saved ARR less the cost of "
        f"{counted(base['worked'], 'account')} worked."
    )
    return " ".join([first, *(text for text in said if text), "That is a trade, and yours to make: nothing here is applied."])


def _gain(facts: ChoosingFacts, way: str) -> str:
    found, base = row(facts, way), row(facts, "hand")
    if found is None or base is None or found["lower"] == base["lower"]:
        return ""
    more = found["worked"] - base["worked"]
    work = f"{counted(abs(more), 'account')} {'more' if more > 0 else 'fewer'} worked {per(facts)}"
    ends = f"{money_change(found['gain_low'], facts.currency)} to {money_change(found['gain_high'], facts.currency)}"
    sure = {"above": "", "below": ""}.get(against(found["gain_low"], found["gain_high"], 0.0), ", not told from nothing")
    return f"{upper_first(NAMES[way])}: {work}, {money_change(found['gain'], facts.currency)} net ({ends}){sure}."


def walked(facts: ChoosingFacts) -> str:
    """What each way would have been worth choosing on the past alone."""
    table = facts.walked[(facts.walked["scheme"] == "current") & facts.walked["net"].notna()] if len(facts.walked) else facts.walked
    if facts.needs or table.empty:
        return "" if facts.needs else "What each way would have chosen in the past cannot be told: too little had finished before."
    how = "on the other folds" if facts.split == "accounts" else "month by month on what had finished by then"
    said = [
        f"{NAMES[found['way']]} {money(found['net'], facts.currency)} ({money_range(found['net_low'], found['net_high'], facts.currency)})"
        for _, found in table.iterrows()
    ]
    cases = counted(table["cases"].iloc[0], "case")
    return f"Chosen {how} and judged on what came next ({cases}), net {per(facts)}: {listed(said)}."


def decision(facts: ChoosingFacts) -> str:
    """From which chance of loss on working by the score is better than working everyone or nobody."""
    if facts.needs or facts.decision.empty:
        return "" if facts.needs else "There is no chance of loss to decide by."
    said, money_said = (_range(facts, by) for by in ("accounts", "arr"))
    if not said:
        return "At no chance of loss is working by the score surely better than working everyone and nobody."
    by_arr = f" By ARR that holds {money_said}." if money_said else " By ARR it holds nowhere for sure."
    return f"{upper_first(said)}, working by the score beats working everyone and nobody.{by_arr}{_even(facts)}"


def _range(facts: ChoosingFacts, by: str) -> str:
    low, high = best_range(facts.decision, by)
    if unknown(low):
        return ""
    if low == high:
        return f"at a chance of loss of {share(low)} alone"
    return (
        f"from a chance of loss of {share(low)} up"
        if high == CHANCES[-1]
        else f"between a chance of loss of {share(low)} and {share(high)}"
    )


def _even(facts: ChoosingFacts) -> str:
    """The chance of loss from which work pays, at the costs given and the mean ARR."""
    low, high = facts.work.save_rate
    if not low + high or not facts.arr > 0:
        return ""
    chance = facts.work.price / ((low + high) / 2 * facts.arr)
    if chance >= 1:
        return (
            f" At the cost and save rate above, work on an account of mean ARR ({money(facts.arr, facts.currency)}) never pays for itself."
        )
    return (
        f" At the cost and save rate above, work on an account of mean ARR ({money(facts.arr, facts.currency)}) pays from a chance of "
        f"loss of {share(chance)} on."
    )


def assumed(facts: ChoosingFacts) -> str:
    """What nobody has said of this company and is assumed; empty where all is said."""
    if facts.needs:
        return ""
    said = {
        "cost": f"{money(facts.work.price, facts.currency, 2)} an account worked (2% of the mean ARR)",
        "save_rate": f"{saved(facts)} of those saved that would have left",
        "accounts_per_csm": f"{number(facts.work.accounts_per_csm, 0)} accounts a CSM",
    }
    if unknown(facts.work.price):
        return ""
    missing = [words_ for key, words_ in said.items() if key in facts.assumed]
    return f"Assumed, not known: {listed(missing)}. Say what is true here under `work:` in workspace.yaml." if missing else ""


def basis(facts: ChoosingFacts) -> list[str]:
    """What the figures rest on."""
    if facts.needs:
        return []
    once = {
        "flat": "The sheet has no year: money is of one pass through it, each account worked once.",
        "churn_within": f"Each of today’s accounts is taken to be judged, and if need be worked, once a horizon: {count(facts.decisions)} "
        "decisions a year.",
    }.get(
        facts.kind,
        f"Each account is taken to be worked once ahead of each end of a term: {count(facts.decisions)} ended so in the past year.",
    )
    return [
        once,
        "Scores here leave out whatever seems to know the outcome, as forecasts do.",
        "A saved account is worth one year of its ARR; the save rate is the same for all that would have left, and nothing is lost by "
        "working one that would have stayed but the cost of it.",
        "Outcomes are those under what was done then: a low account that was worked and saved counts as a false alarm, so what work would "
        "bring is understated where it worked.",
        "Each cut was chosen on the cases it is judged on, which flatters the one by cost and benefit; chosen on the past alone it is not.",
        "Intervals of money mix resampled accounts with the save rate drawn evenly from its range; chance within one year is not in them.",
        *([undated("whether a threshold would have held later")] if facts.kind == "flat" else []),
    ]


def chosen(facts: ChoosingFacts) -> bool:
    """Whether anything was compared."""
    return not facts.needs and bool(len(facts.choices)) and bool(np.isfinite(facts.choices["caught"].to_numpy(dtype=float)).any())
