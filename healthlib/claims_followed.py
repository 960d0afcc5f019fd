"""The sentences of the executive report's lower half, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import largest, ranged, undated, words
from healthlib.studies.loads import NOBODY
from healthlib.studies.owners import DUE_DAYS
from healthlib.studies.red_list import CHURNED, COMPLETED, CONTRACTED, LATE, OPEN, RECOVERED, RENEWED
from healthlib.studies.treatment import EXPERIMENT
from healthlib.studies.worked import MONTHS
from healthlib.wording import count, counted, day, isolated, listed, money, money_range, number, share, share_range, unknown

if TYPE_CHECKING:
    from healthlib.studies.followed import FollowedFacts
    from healthlib.studies.growth import GrowthFacts
    from healthlib.studies.treatment import TreatmentFacts

ENOUGH = 200
"""From so many events a share is said without its interval."""


def _held(frame: pd.DataFrame, facts: FollowedFacts, column: str = "arr") -> str:
    """`12 accounts with $1.2M`."""
    return f"{counted(len(frame), 'account')} with {money(frame[column].sum(), facts.currency)}"


def _was(number_of: float) -> str:
    return "was" if number_of == 1 else "were"


def _first(frame: pd.DataFrame) -> str:
    """The name of the first account of a list, kept to itself."""
    row = frame.iloc[0]
    return isolated(str(row["account_id"] if unknown(row["name"]) else row["name"]))


def ready(facts: FollowedFacts, growth: GrowthFacts) -> str:
    """Who is ready for more."""
    if growth.needs:
        return f"Who is ready for more cannot be told: {growth.needs}."
    if not growth.ranked:
        return "Nobody can be called ready for more: the growth score was not shown to rank who grows."
    base = ranged(growth.rate)
    if facts.ready.empty:
        return f"No account is surely likelier to grow than all who stayed ({base} did)."
    expected, *ends = (float(facts.ready[name].sum()) for name in ("expected_arr", "expected_low", "expected_high"))
    verb = "is" if len(facts.ready) == 1 else "are"
    return (
        f"{_held(facts.ready, facts)} {verb} ready for more: surely likelier to grow than all who stayed, of whom {base} did, and not "
        f"{facts.bands[0]}. If they grow as accounts like them did, that is about {money(expected, facts.currency, 2)} of new ARR "
        f"({money_range(*ends, facts.currency)})."
    )


def advocates(facts: FollowedFacts, growth: GrowthFacts) -> str:
    """Who would speak for us."""
    found = growth.advocates
    if found.needs:
        return f"Who would speak for us cannot be told: it takes {found.needs}."
    if found.today.empty:
        return "Nobody is known to speak for us: in the best band, a year with us, and acted for us or answered 9 or 10."
    top = found.today.sort_values("arr", ascending=False, kind="stable")
    said = "would speak for us: in the best band, a year with us, and acted for us or answered 9 or 10"
    return f"{_held(found.today, facts)} {said}; {_first(top)} is the largest."


def power(facts: FollowedFacts) -> str:
    """Who uses the product most."""
    if not facts.power_labels:
        return "Who uses the product most cannot be told: it takes a metric on `usage`, or one in a group called adoption."
    by = listed([f"“{label}”" for label in facts.power_labels[:4]]) + (" and others" if len(facts.power_labels) > 4 else "")
    if facts.power.empty:
        return f"No segment has ten accounts to compare by {by}, so nobody is called a power user."
    rest = facts.power[~facts.power["band"].isin([facts.bands[-2]])]
    many = (
        f"; {count(len(rest))} of them {'is' if len(rest) == 1 else 'are'} not {facts.bands[-2]}: something other than use holds them back"
    )
    return f"{_held(facts.power, facts)} {'is' if len(facts.power) == 1 else 'are'} in the first tenth of their segment by {by}" + (
        f"{many if len(rest) else ''}."
    )


def zombies(facts: FollowedFacts) -> str:
    """Who pays and hardly uses the product."""
    if facts.kind == "flat":
        return undated("who has paid for more than a year and hardly uses the product")
    if facts.zombies.empty:
        return "No paying account of more than a year hardly uses the product."
    due, arr = facts.zombies_due
    soon = (
        f"; {count(due)} of them, {money(arr, facts.currency)}, {'renews' if due == 1 else 'renew'} within {DUE_DAYS} days" if due else ""
    )
    one = len(facts.zombies) == 1
    return f"{_held(facts.zombies, facts)} {'pays' if one else 'pay'} and hardly {'uses' if one else 'use'} the product or " \
           f"{'talks' if one else 'talk'} to us{soon}."  # fmt: skip


def watermelons(facts: FollowedFacts) -> str:
    """Who looked well and left, in the last two quarters."""
    if facts.kind == "flat":
        return undated("who looked well and then left")
    best, lost = facts.bands[-2], words(facts.kind)["lost"]
    whole = counted(facts.all_watermelons, "account")
    if facts.watermelons.empty:
        more = f" ({whole} in all the time the exports cover)" if facts.all_watermelons else ""
        return f"No account that was {best} {lost} in the last two quarters{more}."
    one, reasons = len(facts.watermelons) == 1, facts.watermelons["reason"].dropna()
    named = f": {_first(facts.watermelons)}" if one else f"; {_first(facts.watermelons)} was the largest"
    said = f" Most gave: {isolated(str(reasons.mode().iloc[0]))}." if len(reasons) > 2 and reasons.value_counts().iloc[0] > 1 else ""
    return (
        f"{_held(facts.watermelons, facts)} {_was(len(facts.watermelons))} {best} when the score was read and {lost} in "
        f"the last two quarters{named}. In all the time the exports cover it was {whole}.{said}"
    )


def red(facts: FollowedFacts) -> str:
    """What became of last quarter's red list."""
    if facts.kind == "flat":
        return undated("what became of an earlier red list")
    found = facts.red
    if found.since is None:
        return "What became of last quarter’s red list cannot be told yet: history does not reach back a quarter."
    when, name = day(found.since), facts.bands[0]
    if found.accounts.empty:
        return f"No account was {name} on {when}."
    lost, back = found.of("red", CHURNED), found.of("red", RECOVERED)
    others = found.fates[(found.fates["list"] == "others") & (found.fates["fate"] == CHURNED)]
    base = f", of all others {_rate(others.iloc[0])}" if len(others) else ""
    left = f"{_rate(lost)} {'has' if lost['accounts'] == 1 else 'have'} left"
    left += f", {money(lost['arr'], facts.currency)}" if lost["accounts"] else ""
    better = f"{_rate(back)} with {money(back['arr'], facts.currency)} " \
             f"{'has' if back['accounts'] == 1 else 'have'} recovered to a better band" if back["accounts"] else \
             "none has recovered to a better band"  # fmt: skip
    return (
        f"Of the {counted(lost['of'], 'account')} ({money(float(lost['arr_of']), facts.currency)}) that "
        f"{_was(lost['of'])} {name} on {when}, {left}{base}; {better}. {_so_far(facts)}{_leaky(facts)}"
    ).strip()


def _rate(row: pd.Series) -> str:
    """A share of accounts, with its interval below `ENOUGH` events."""
    few = min(row["accounts"], row["of"] - row["accounts"]) < ENOUGH
    return f"{count(row['accounts'])} ({_span(row)})" if few else f"{count(row['accounts'])} ({share(row['rate'])})"


def _span(row: pd.Series) -> str:
    said = share_range(row["rate"], row["low"], row["high"])
    return said.replace(" (", "; ").removesuffix(")")


def _so_far(facts: FollowedFacts) -> str:
    """What has not been decided yet."""
    row, late = facts.red.of("red", OPEN), facts.red.of("red", LATE)
    has = "has" if late["accounts"] == 1 else "have"
    ended = f"{counted(late['accounts'], 'account')} with {money(late['arr'], facts.currency)} {has} ended"
    waits = f"{ended} and may still be signed within the days of grace. " if late["accounts"] else ""
    if facts.kind == "churn_within" or not row["accounts"]:
        return waits
    return f"{waits}For {count(row['accounts'])} no term has come to its end since, so the list is not closed. "


def _leaky(facts: FollowedFacts) -> str:
    if not facts.leaky:
        return ""
    names = listed([f"“{label}”" for label in facts.leaky])
    return f"The list is as shown; {names} in it {'seems' if len(facts.leaky) == 1 else 'seem'} to know who leaves, which flatters it."


def saves(facts: FollowedFacts) -> str:
    """Who was red and worked and then renewed, and why that proves little."""
    found, name = facts.worked, facts.bands[0]
    if not found.recorded:
        return "Whether any account was saved cannot be told: it takes a table `interventions` (account_id, started_at, playbook)."
    wait = f" {counted(found.waiting, 'more account')} with {money(found.arr_waiting, facts.currency)} " \
           f"{'has' if found.waiting == 1 else 'have'} the decision ahead." if found.waiting else ""  # fmt: skip
    if unknown(found.saved.value):
        return f"No account that was {name} when work on it began has come to a decision in the last {MONTHS} months.{wait}"
    them = "it" if found.saved.n == 1 else "them"
    return (
        f"Of the {counted(found.saved.n, 'account')} that {_was(found.saved.n)} {name} when work on {them} began, whenever that was, "
        f"and came to a decision in the last {MONTHS} months, {count(found.saved.events)} {_kept(facts)}: {ranged(found.saved)}, and "
        f"{ranged(found.arr_saved)} of their ARR.{wait} {_alone(facts)}"
    )


def _kept(facts: FollowedFacts) -> str:
    return "stayed" if facts.kind == "churn_within" else "renewed"


def _alone(facts: FollowedFacts) -> str:
    """What red accounts do that nobody works."""
    found = facts.worked.alone
    if unknown(found.value):
        return "A save is no proof that the work did it: nobody knows what these accounts would have done alone."
    return (
        f"A save is no proof that the work did it: of {counted(found.n, f'{facts.bands[0]} account')} that nobody had worked for a year "
        f"before the decision, {ranged(found)} {_kept(facts)} too."
    )


def worked(facts: FollowedFacts) -> str:
    """How much work was begun, and how much runs."""
    found = facts.worked
    if not found.recorded:
        return "What was done about accounts is not in the exports: it takes a table `interventions` (account_id, started_at, playbook)."
    if found.playbooks.empty:
        return "No intervention on a customer is recorded."
    row = found.playbooks.iloc[-1]
    if not row["started"]:
        return f"No intervention began in the last {MONTHS} months."
    runs = f"{counted(row['running'], 'account')} with {money(row['arr_running'], facts.currency)} " \
           f"{'has' if row['running'] == 1 else 'have'} one that runs today" if found.ends_known else \
           "which of them still run is not known (no `ended_at`)"  # fmt: skip
    return (
        f"In the last {MONTHS} months {counted(row['started'], 'intervention')} began on {counted(row['accounts'], 'account')} with "
        f"{money(row['arr'], facts.currency)}, {count(row['worst'])} of them {facts.bands[0]} then; {runs}."
    )


def helped(treatment: TreatmentFacts, told: str, how: str) -> str:
    """Did the work help, by the strongest evidence there is, in accounts and ARR of the last year?

    Parameters
    ----------
    told : the effect of 100 accounts worked, in words
    how : by which comparison, in words
    """
    if treatment.needs:
        return f"Whether the work helped cannot be told: it takes {treatment.needs}."
    if treatment.saved.empty:
        return "Whether the work helped cannot be told: no experiment, no threshold that sets it off, and too few like accounts."
    row = treatment.saved.iloc[0]
    answer = {"helped": "The work helped", "harmed": "The work harmed"}.get(row["answer"], "Whether the work helped cannot be told")
    if not row["accounts"] or unknown(row["kept"]):
        return f"{answer}: {told}, by {how}. Nothing of the last {MONTHS} months can be judged by it."
    which = "drawn" if row["method"] == EXPERIMENT else "worked whose decision came"
    ends = " to ".join(_more(row[name], count(abs(round(row[name])))) for name in ("kept_low", "kept_high"))
    cash = " to ".join(_more(row[name], money(abs(row[name]), treatment.currency, 2), "less") for name in ("arr_low", "arr_high"))
    alike = "" if row["method"] == EXPERIMENT else ", if each gained alike"
    doubt = " Its own record contradicts the contracts." if _contradicted(row, treatment) else ""
    money_said = "" if unknown(row["arr_low"]) else f", and {cash} of ARR"
    return (
        f"{answer}: {told}, by {how}. Of the {counted(row['accounts'], 'account')} {which} in the last {MONTHS} months it kept {ends}"
        f"{money_said}{alike}.{doubt}"
    )


def _more(value: float, said: str, fewer: str = "fewer") -> str:
    """`5 more`, `$30k less`: a bound that may be a loss."""
    return f"{said} {'more' if value >= 0 else fewer}"


def _contradicted(row: pd.Series, treatment: TreatmentFacts) -> bool:
    """Whether the experiment's own record and the contracts disagree."""
    if row["method"] != EXPERIMENT:
        return False
    own = treatment.arms[treatment.arms["experiment"].astype(str) == str(row["name"]).rpartition(": ")[0]]
    return bool(own["disagree"].sum())


def loads(facts: FollowedFacts) -> str:
    """Who has how much to look after; nobody is ranked by losses."""
    table = facts.loads
    if table.empty:
        return "Who looks after which account is not in the exports (a `csm` column), so loads cannot be compared."
    own = table[table["csm"].ne(NOBODY) | table["verdict"].ne("")]
    if own.empty:
        return "No account has a CSM."
    alone = table[table["csm"].eq(NOBODY)]
    bare = f" {_held_row(alone.iloc[0], facts)} {'has' if alone.iloc[0]['accounts'] == 1 else 'have'} no CSM." if len(alone) else ""
    whole = f"{counted(len(own), 'CSM')} look{'s' if len(own) == 1 else ''} after {money(own['arr'].sum(), facts.currency)}"
    return f"{whole}, {_worst_of(own, facts)}.{bare} {_capacity(facts, own)}{_judged(own)}"


def _worst_of(own: pd.DataFrame, facts: FollowedFacts) -> str:
    """How much of it is in the worst band, how it is spread, and with whom the largest part is."""
    red = own["accounts_worst"]
    if not red.sum():
        return f"none of it {facts.bands[0]}"
    held = f"of it {money(own['arr_worst'].sum(), facts.currency)} {facts.bands[0]}"
    if len(own) == 1:
        return f"{held}: {counted(red.sum(), 'account')}"
    heavy = largest(own, "arr_worst")
    part = f"the largest part, {money(heavy['arr_worst'], facts.currency)}, is with {isolated(str(heavy['csm']))}"
    each = (
        f"{count(red.min())} to {counted(red.max(), 'account')} each" if red.min() < red.max() else f"{counted(red.max(), 'account')} each"
    )
    return f"{held}: {each}; {part}"


def _held_row(row: pd.Series, facts: FollowedFacts) -> str:
    return f"{counted(row['accounts'], 'account')} with {money(row['arr'], facts.currency)}"


def _capacity(facts: FollowedFacts, own: pd.DataFrame) -> str:
    if unknown(facts.capacity):
        return "How many a CSM can have in work is not said (`work: accounts_per_csm` in workspace.yaml). "
    over = own[own["load"] > 1]
    room = f"{number(facts.capacity, 0)} {facts.bands[0]} {'account' if facts.capacity == 1 else 'accounts'} a CSM can have in work"
    return (
        f"{counted(len(over), 'CSM')} {'has' if len(over) == 1 else 'have'} more than the {room}. "
        if len(over)
        else f"Nobody has more than the {room}. "
    )


def _judged(own: pd.DataFrame) -> str:
    """Whose losses differ from what the accounts' scores promised, in the audit's words and by its test."""
    judged = own[own["verdict"] != ""]
    apart = judged[judged["verdict"] != "cannot tell"]
    if judged.empty:
        return "Outcomes are compared for nobody: too few renewals each."
    if apart.empty:
        return "Allowing for how healthy the accounts were, nobody’s losses surely differ from those expected."
    told = [f"{isolated(str(row['csm']))} lost {row['verdict']}" for row in apart.to_dict("records")]
    return f"Allowing for how healthy the accounts were and how many are compared: {listed(told)} (audit)."


NAMES = {
    CHURNED: "Left", CONTRACTED: "Stayed, pays less", RENEWED: "Renewed", COMPLETED: "Ended, counted as kept",
    LATE: "Ended, within the grace", OPEN: "Term not over yet", RECOVERED: "Recovered",
}  # fmt: skip
"""Fate -> what its row is called where contracts have terms."""


def fate_name(facts: FollowedFacts, fate: str) -> str:
    """What a fate is called on this workspace."""
    return "Stayed" if fate == OPEN and facts.kind == "churn_within" else NAMES[fate]


MEANINGS = {
    "Ready for more": "Not in the worst band, with a chance of growing whose whole 95% interval lies above the share of all who stayed.",
    "Advocate": "In the best band, a customer for a year, and has acted for us or answered 9 or 10 in the last survey.",
    "Power user": "In the first tenth of the own segment by how much and how widely the product is used, by the scorecard’s own metrics.",
    "Paying, hardly using": "A zombie: a customer for over a year with at most 20 of 100 points on average over use and contact.",
    "Watermelon": "In the best band when the score was read, and then lost.",
    "Recovered": "A customer today, in a better band than the worst; whether it has renewed since is told apart.",
    "What speaks for it": "The values worth most in the growth score, and in brackets the points of 100 that each adds.",
    "Save": "In the worst band when work on it began, and still a customer after the next decision (end of term, or of the horizon).",
}
"""Term -> what it means, of the lists in this half of the page."""
