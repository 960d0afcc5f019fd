"""The sentences of a CSM's page, each built from that book's facts."""

from __future__ import annotations

import pandas as pd

from healthlib.studies.book_changes import APART, ENDS_DAYS
from healthlib.studies.book_results import MONTHS
from healthlib.studies.books import AHEAD, SOON, Own
from healthlib.wording import count, counted, day, isolated, listed, money, money_range, number, share, unknown, upper_first

STATES = {"missing": "never, or not lately", "stale": "too long ago to count", "soon": "goes stale within 30 days"}
ASKS = {
    "ratings": "Rate",
    "goals": "Agree a goal with",
    "milestones": "Agree the steps with",
    "touchpoints": "Meet",
    "surveys": "Ask for an answer from",
    "advocacy": "Ask",
}
"""Table whose rows are missing -> what a CSM can do about it."""


def _cash(own: Own, value: float) -> str:
    return money(value, own.context["currency"])


def title(own: Own) -> str:
    """The title of the page."""
    when = day(own.context["as_of"])
    return f"The book of {own.csm} on {when}" if own.csm else f"Accounts without a CSM on {when}"


def opening(own: Own) -> str:
    """The whole book in a sentence or two."""
    rows = own.accounts
    if rows.empty:
        return f"{own.csm} looks after no account today." if own.csm else "Every account has a CSM."
    worth = f"{counted(len(rows), 'account')} worth {_cash(own, rows['arr'].sum())} of ARR"
    has = "has" if len(rows) == 1 else "have"
    said = f"{isolated(own.csm)} looks after {worth}" if own.csm else f"{worth} {has} no CSM"
    worst = own.by_band.iloc[0]
    if rows["score"].isna().all():
        return f"{said}. None of them can be scored."
    many = f"{count(worst['accounts'])} {'is' if worst['accounts'] == 1 else 'are'}" if worst["accounts"] else "none is"
    said += f"; {many} {own.bands[0]}" + (f", holding {_cash(own, worst['arr'])}" if worst["accounts"] else "")
    moved = worst["accounts"] - worst["accounts_before"]
    if not unknown(moved):
        month = day(own.context["month"])
        said += (
            f", {counted(abs(moved), 'account')} {'more' if moved > 0 else 'fewer'} than on {month}"
            if moved
            else f", as many as on {month}"
        )
    return f"{said}. {_soon(own)}".strip()


def _soon(own: Own) -> str:
    """What ends first, in one sentence."""
    if own.due.empty:
        return ""
    row = own.due.iloc[0]
    if own.context["kind"] == "churn_within":
        if unknown(row["expected_lost"]):
            return ""
        return f"Of all its ARR {_range(own, row)} is likely to be lost within {row['days']} days."
    if not row["accounts"]:
        return f"No term ends within {SOON} days."
    said = (
        f"{counted(row['accounts'], 'term')} with {_cash(own, row['arr'])} {'ends' if row['accounts'] == 1 else 'end'} within {SOON} days"
    )
    return f"{said}." if unknown(row["expected_lost"]) else f"{said}; of it {_range(own, row)} is likely to be lost."


def _range(own: Own, row: pd.Series) -> str:
    return money_range(row["low"], row["high"], own.context["currency"])


def bands(own: Own) -> str:
    """The worst band's share of the book's ARR, and a month ago."""
    worst, total = own.by_band.iloc[0], own.by_band[["arr", "arr_before"]].sum(min_count=1)
    if not total["arr"]:
        return "There is no ARR in this book."
    said = f"{upper_first(own.bands[0])} holds {share(worst['arr'] / total['arr'])} of the book’s ARR"
    if unknown(total["arr_before"]):
        return f"{said}; there is no earlier month to compare with."
    if not total["arr_before"]:
        return f"{said}; on {day(own.context['month'])} the book was empty."
    return f"{said}, against {share(worst['arr_before'] / total['arr_before'])} on {day(own.context['month'])}."


def work(own: Own) -> str:
    """Whom to turn to first, and why in this order."""
    todo = own.accounts.dropna(subset=["place"]).sort_values("place")
    if todo.empty:
        return "Nothing is on the list: no account stands below the best band, and no alert holds."
    names = [isolated(str(name)) for name in todo["name"].head(3)]
    calm, many = len(own.accounts) - len(todo), len(todo)
    rest = f" The other {counted(calm, 'account') if calm > 1 else 'one'}: not below it, and no alert." if calm else ""
    stand, have = ("stands", "has") if many == 1 else ("stand", "have")
    return f"Start with {listed(names)}. {counted(many, 'account')} {stand} below the best band or {have} an alert.{rest}"


def order(own: Own) -> str:
    """How the worklist is ordered."""
    if own.accounts["loss"].isna().all():
        return "Worst band first, then ARR over the days left until the renewal"
    if own.accounts["term_ends"].isna().all():
        return "First what is most likely to be lost: ARR × chance of loss"
    return "First what is most likely to be lost soonest: ARR × chance of loss ÷ days until the renewal (30 at least)"


def changed(own: Own) -> str:
    """What moved since the previous month-end."""
    if unknown(own.context["month"]):
        return "There is no earlier month to compare with: this is the first snapshot."
    words = {
        "fell": "fell by a band or more",
        "rose": "rose",
        "left": "",
        "new": "new",
        "taken over": "taken over",
        "handed over": "handed over",
    }
    sizes = own.moves["kind"].value_counts()
    words["left"] = "no longer a customer" if sizes.get("left", 0) == 1 else "no longer customers"
    told = [f"{count(sizes[kind])} {words[kind]}" for kind in words if sizes.get(kind, 0)]
    since = f"Since {day(own.context['month'])}"
    if not told:
        return f"{since} no account changed its band and none came or went."
    return f"{since}: {listed(told)}; {counted(len(own.alerts), 'new alert')}."


def ending(own: Own) -> str:
    """Which overrides end soon; "" for none."""
    if own.ending.empty:
        return ""
    ends = "ends" if len(own.ending) == 1 else "end"
    return f"{counted(len(own.ending), 'override')} {ends} within {ENDS_DAYS} days; then the measured score is shown again."


def asked(own: Own) -> str:
    """Where a rating and the score contradict each other; "" for nowhere."""
    n = len(own.asked)
    if not n:
        return ""
    return (
        f"Asked of you: of {counted(n, 'account')} the rating and the score lie {number(APART, 0)} points or more apart. One of the two "
        "knows something: a line in feedback.csv (should_be, why) says which, and changes no figure."
    )


def renewals(own: Own) -> str:
    """What ends within 180 days."""
    if own.context["kind"] == "flat":
        return "What renews next cannot be said: the sheet has no dates."
    if own.context["kind"] == "churn_within":
        if own.due.empty or unknown(own.due.iloc[0]["expected_lost"]):
            return (
                "Contracts here have no end date that a forecast uses, and too few accounts have left yet to learn a chance of loss from."
            )
        days, lost = own.due.iloc[0]["days"], _range(own, own.due.iloc[0])
        return f"Contracts here are read month by month. Within {days} days {lost} is likely to be lost."
    row = own.due[own.due["days"] == AHEAD]
    if row.empty or not row.iloc[0]["accounts"]:
        return f"No term of this book ends within {AHEAD} days."
    row = row.iloc[0]
    said = (
        f"{counted(row['accounts'], 'term')} worth {_cash(own, row['arr'])} {'ends' if row['accounts'] == 1 else 'end'} within {AHEAD} days"
    )
    if unknown(row["expected_lost"]):
        return f"{said}. No chance of loss is given: too few accounts have left yet to learn it from."
    return f"{said}; about {money(row['expected_lost'], own.context['currency'], 2)} ({_range(own, row)}) of it is likely to be lost."


def gaps(own: Own) -> list[str]:
    """What a CSM can fill in: `Rate these 6 accounts: …`, a sentence a table, with when it was last known."""
    mine = own.gaps[own.gaps["table"].isin(list(ASKS))]
    return [_gap(part) for _, part in mine.groupby(["metric"], sort=False)]


def _gap(part: pd.DataFrame) -> str:
    row, many = part.iloc[0], 8
    names = [isolated(str(name)) for name in part["name"].head(many)]
    more = f" and {counted(len(part) - many, 'other')}" if len(part) > many else ""
    told = ", ".join(names) + more if more else listed(names)
    these = f"these {counted(len(part), 'account')}" if len(part) > 1 else "this account"
    soon = int((part["state"] == "soon").sum())
    stale = int((part["state"] == "stale").sum())
    when = listed([f"{count(n)} {words}" for n, words in ((stale, "too old to count"), (soon, "about to be")) if n])
    weight = f"{share(part['share'].mean())} of their score"
    return f"{ASKS[row['table']]} {these}: {told} ({row['label']}, {weight}{'; ' + when if when else ''})."


def unfilled(own: Own) -> str:
    """How much of the book is measured."""
    if own.gaps.empty:
        return "Everything that counts is measured for every account of this book."
    void = own.gaps[own.gaps["state"] != "soon"]
    mine = void[void["table"].isin(list(ASKS))]
    return (
        f"{counted(void['account_id'].nunique(), 'account')} {'lacks' if void['account_id'].nunique() == 1 else 'lack'} at least one value "
        f"that counts; {counted(mine['account_id'].nunique(), 'account')} one that a CSM can bring."
    )


def results(own: Own) -> str:
    """Saves and losses of twelve months."""
    if own.context["kind"] == "flat":
        return "Who stayed and who left cannot be said here: the sheet has no dates."
    kept, gone = (own.results[own.results["kind"] == kind] for kind in ("stayed", "left"))
    if own.results.empty:
        return f"In the last {MONTHS} months no account of this book left, and none stayed that had stood in {own.bands[0]}."
    stay = (
        f"{counted(len(kept), 'account')} worth {_cash(own, kept['arr'].sum())} stayed although {own.bands[0]} before" if len(kept) else ""
    )
    left = f"{counted(len(gone), 'account')} worth {_cash(own, gone['arr'].sum())} left" if len(gone) else "none left"
    seen = int((gone["band"] == own.bands[0]).sum())
    early = f", {count(seen)} of them {own.bands[0]} 90 days before" if len(gone) else ""
    return upper_first(f"{stay + ', and ' if stay else ''}{left}{early}, in the last {MONTHS} months.")
