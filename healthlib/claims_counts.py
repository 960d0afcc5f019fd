"""The sentence on how the counts of a report hang together: customers, cases, losses, accounts that left, cases that test a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib.claims import words
from healthlib.wording import count, counted, listed

if TYPE_CHECKING:
    from healthlib.studies.reconcile import Counts


def counts(has: Counts, kind: str) -> str:
    """Why one reads several counts of customers, cases and losses on these pages, said once."""
    says = words(kind)
    if kind == "flat":
        return f"Every row of the sheet is one account and one case: {count(has.cases)}, of which {count(has.lost)} {says['lost']}."
    case = says["case"]
    if not has.cases:
        return f"{counted(has.customers, 'customer')} ever, {count(has.active)} today; no case has finished."
    return f"{_whole(has, case)} {_left(has, kind)} {_tests(has, case)}".strip()


def _whole(has: Counts, case: str) -> str:
    out = [f"{count(has.open_only)} {'is' if has.open_only == 1 else 'are'} still in a first {case}"] if has.open_only else []
    out += [f"{count(has.no_case)} {'has' if has.no_case == 1 else 'have'} had no {case} to judge yet"] if has.no_case else []
    rest = f" ({listed(out)})" if out else ""
    today = f"{count(has.active)} {'is one' if has.active == 1 else 'are customers'} today"
    ever = f"of the {counted(has.customers, 'customer')} there ever were, {today}"
    had = f"{count(has.accounts)} {'has' if has.accounts == 1 else 'have'} had {counted(has.cases, f'finished {case}')} between them"
    return f"How the counts hang together: {ever}; {had}{rest}."


def _left(has: Counts, kind: str) -> str:
    case = words(kind)["case"]
    several = "" if has.lost == has.lost_accounts else f" (an account counts in every {case} from which it was soon gone)"
    if not has.lost and not has.left:
        return f"None of the {case}s was lost, and no account has left."
    were = f"{count(has.lost)} of the {case}s {'was' if has.lost == 1 else 'were'} lost"
    said = f"{were}, by {counted(has.lost_accounts, 'account')}{several}" if has.lost else f"none of the {case}s was lost".capitalize()
    if kind == "expansion":
        return f"{said}; {counted(has.left, 'account')} left altogether."
    why = [f"{count(has.left_open)} of them too recently for the case to be closed" if has.left_open else ""]
    why += [f"{count(has.left_late)} at another time than a case asks about" if has.left_late else ""]
    why += [f"{count(has.left_none)} without ever having had a finished case" if has.left_none else ""]
    extra = [part for part in why if part]
    back = f" ({count(has.back)} of them came back)" if has.back else ""
    return f"{said}; {counted(has.left, 'account')} left in all{back}" + (f", {listed(extra)}." if extra else ".")


def _tests(has: Counts, case: str) -> str:
    """How many of the finished cases can test a score."""
    later, lost = has.cases - has.before_tests, has.lost - has.before_tests_lost
    if not later:
        return f"None of the {case}s can test a score yet: all were read before enough had finished to learn from."
    if not has.before_tests:
        return ""
    return (
        f"A score is tested on {counted(later, case)} with {counted(lost, 'loss', 'losses')} at most, because the first "
        f"{count(has.before_tests)} ({count(has.before_tests_lost)} lost) came before anything had been learned."
    )
