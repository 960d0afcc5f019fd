"""Tables by content, where no word tells: ids that join, terms and money; every role is a guess with what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import pandas as pd

from .init_column import Column, numbers_of
from .init_content_events import days_between, event_by_content, first_of_each, is_money
from .init_links import Link, Looked, accounts_why, best_in, find_link
from .init_read import Sheet
from .init_recognise import Exports, Recognised

LENGTHS = (3, 6, 12, 18, 24, 36, 48, 60)
"""Months that a term usually runs for; a table whose two dates keep none of them is not taken for contracts."""
FEWEST = 5
"""Different ids that a customer list needs before its joins say anything."""
NUMBERED = 20
"""The same where the ids are plain numbers, which are found in many a column by chance."""


@dataclass(frozen=True)
class Term:
    """Two dates and an amount that read like a contract.

    Attributes
    ----------
    roles : role -> header
    said : role -> the evidence
    regular : share of the rows whose length is one of `LENGTHS`
    """

    roles: dict[str, str]
    said: dict[str, str]
    regular: float


def recognise_content(looked: Sequence[Looked]) -> Exports | None:
    """Tables, links and roles by what the cells hold; None where no sheet has terms and money of customers that another column names.

    Parameters
    ----------
    looked : sheets with the profile of their columns
    """
    terms = [(each, term) for each in looked if (term := _terms(each, _joining(looked, each))) is not None]
    found = [(term.regular, each, term, homes) for each, term in terms if (homes := _homes(looked, each, term))]
    if not found:
        return None
    _, contract, term, homes = max(found, key=lambda each: each[0])
    accounts = _accounts(looked, homes)
    sheet, columns, key = accounts.sheet, accounts.columns, accounts.roles["account_id"]
    ids = sheet.values(key)
    rivals = [each[0].label for _, each, *_ in found if each[0] is not contract[0]]
    contracts, events, left = None, [], []
    for other in looked:
        link = find_link(other, looked, (sheet, key, ids))
        if other[0] is contract[0]:
            contracts = _contracts(other, term, link, rivals)
        elif other[0] is not sheet:
            one = event_by_content(other, link)
            (events if one.table else left).append(one)
    if contracts is None or contracts.link is None:
        return None
    return Exports(accounts, not columns[key].unique, contracts, tuple(first_of_each(events)), tuple(left))


def _accounts(looked: Sequence[Looked], homes: Sequence[tuple[float, Looked, str]]) -> Recognised:
    """The best customer list; another one that is nearly as good is named."""
    most, (sheet, columns), key = homes[0]
    seen = accounts_why(sheet, columns[key], looked, sheet.values(key))
    near = [f"{other.label} ({name})" for strength, (other, _), name in homes[1:] if strength > most - 1]
    doubt = f". YOURS TO DECIDE: {', '.join(near)} could be the customer's id as well" if near else ""
    return Recognised(sheet, columns, "accounts", {"account_id": key}, None, f"guess by content: {seen}{doubt}")


def _contracts(looked: Looked, term: Term, link: Link | None, rivals: Sequence[str]) -> Recognised:
    """The contracts; an id of its own where one column tells all rows apart."""
    sheet, columns = looked
    roles, said = dict(term.roles), dict(term.said)
    free = [c for c in columns.values() if c.unique and c.kind == "text" and not (link and c.name == link.column)]
    if len(free) == 1:
        roles["contract_id"], said["contract_id"] = free[0].name, "guess by content: it tells all rows apart"
    why = f"guess by content: {term.said['end_date'].removeprefix('guess by content: ')}, and money"
    if rivals:
        why += f". YOURS TO DECIDE: {', '.join(rivals)} holds terms and money too; only one of them is the contracts"
    return Recognised(sheet, columns, "contracts", roles, link, why, said)


def _joining(looked: Sequence[Looked], each: Looked) -> set[str]:
    """Columns of a sheet whose values are another sheet's ids: they are no money, however large."""
    keys = [(sheet, column.name) for sheet, columns in looked for column in columns.values() if column.unique and _an_id(column)]
    return {name for sheet, key in keys if sheet is not each[0] and (name := best_in(each, sheet.values(key), key, loose=True))}


def _terms(looked: Looked, ids: set[str]) -> Term | None:
    """The two dates that keep a usual length best, and the money beside them; None where there are no such."""
    sheet, columns = looked
    whens = [column for column in columns.values() if column.kind == "when" and column.filled >= 0.9 * column.rows and not column.month]
    pairs = [(_regular(days_between(sheet, a, b)), a, b) for a, b in permutations(whens, 2)]
    regular, start, end = max(pairs, key=lambda pair: pair[0], default=(0.0, None, None))
    money = _money(sheet, [column for column in columns.values() if column.name not in ids])
    if regular < 0.6 or start is None or end is None or not money:
        return None
    median = float(days_between(sheet, start, end).median())
    length = f"in {regular:.0%} of the rows {end.name} lies a usual term after {start.name} (median {median:.0f} days)"
    roles = {"start_date": start.name, "end_date": end.name}
    said = {"start_date": f"guess by content: {length}", "end_date": f"guess by content: {length}"}
    return Term({**roles, **money[0]}, {**said, **money[1]}, regular)


def _regular(days: pd.Series) -> float:
    """Share of rows whose length is a usual number of months, give or take four days."""
    if len(days) < FEWEST:
        return 0.0
    near = pd.concat([(days - months * 30.44).abs() <= 4 for months in LENGTHS], axis=1).any(axis=1)
    return float(near.mean())


def _money(sheet: Sheet, columns: Sequence[Column]) -> tuple[dict[str, str], dict[str, str]] | None:
    """Role and evidence of the amount: the column with a currency or separators, of several the largest, and twelve times another one."""
    money = [column for column in columns if is_money(sheet, column)]
    if not money:
        return None
    marked = [column for column in money if column.decimal] or money
    middle = {column.name: float(numbers_of(sheet.cells[column.name], column.decimal).median()) for column in marked}
    best = max(marked, key=lambda column: middle[column.name])
    year = numbers_of(sheet.cells[best.name], best.decimal)
    for other in money:
        month = numbers_of(sheet.cells[other.name], other.decimal)
        same = float(((year - 12 * month).abs() <= 0.01 * year.abs().clip(lower=1)).mean())
        if other is not best and same >= 0.9:
            said = f"guess by content: 12 x {other.name} in {same:.0%} of the rows"
            return {"arr": best.name, "mrr": other.name}, {"arr": said, "mrr": said}
    others = [column.name for column in money if column is not best]
    doubt = f". YOURS TO DECIDE: {', '.join(others)} could be money too" if others else ""
    return {"amount": best.name}, {"amount": f"guess by content: the numbers read like money (median {middle[best.name]:,.0f}){doubt}"}


def _homes(looked: Sequence[Looked], contract: Looked, term: Term) -> list[tuple[float, Looked, str]]:
    """Sheets and columns with each customer once that the contracts and most others point to, best first; or the contracts' own id.

    A customer list has its id before any other column that tells rows apart, and no dates of events: else a list of tickets, one a
    customer, would pass for it.
    """
    found: list[tuple[float, Looked, str]] = []
    for each in looked:
        own, (sheet, columns) = each[0] is contract[0], each
        keys = [column for column in columns.values() if (column.unique or own) and _an_id(column)]
        dates = sum(column.kind == "when" for column in columns.values())
        for place, column in enumerate(keys):
            if own and (column.unique or column.name in term.roles.values()):
                continue
            ids = sheet.values(column.name)
            joins = [other[0] for other in looked if other[0] is not sheet and best_in(other, ids, column.name, loose=True)]
            if joins if own else contract[0] in joins:
                found.append((len(joins) - (3.0 if own else 0.5 * dates + (place > 0)), each, column.name))
    return sorted(found, key=lambda each: -each[0])


def _an_id(column: Column) -> bool:
    number = column.kind == "number" and column.whole and not (column.decimal or column.relative)
    return (column.kind == "text" and column.distinct >= FEWEST) or (number and column.distinct >= NUMBERED)


def seen_by_content(looked: Sequence[Looked]) -> list[str]:
    """For a refusal: what the cells of each sheet read like, where that says more than their kind."""
    lines = []
    for sheet, columns in looked:
        said = [f"{c.name} could be the customer's id (every cell differs)" for c in columns.values() if c.unique and _an_id(c)]
        whens = [c for c in columns.values() if c.kind == "when" and c.filled]
        said += [
            f"{b.name} lies {days.median():.0f} days after {a.name}"
            for a, b in permutations(whens, 2)
            if len(days := days_between(sheet, a, b)) and (days > 0).mean() >= 0.9
        ]
        ids = _joining(looked, (sheet, columns))
        money = [c.name for c in columns.values() if is_money(sheet, c) and c.name not in ids]
        said += [f"{', '.join(sorted(ids))} holds ids of another file"] if ids else []
        said += [f"{', '.join(money)} could be money"] if money else []
        two = [f"{c.name} ({' or '.join(c.values)})" for c in columns.values() if c.distinct == 2 and c.values]
        said += [f"{', '.join(two[:4])}: two values, of which one may say who left"] if two else []
        lines += [f"{sheet.label}: {'; '.join(said)}"] if said else []
    return lines
