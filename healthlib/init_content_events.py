"""Dated rows of accounts by content: what opens and closes, scores from 0 to 10, and streams of events; what stays open is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pandas as pd

from .init_column import Column, moments_of, numbers_of
from .init_links import Link, Looked
from .init_read import Sheet
from .init_recognise import Recognised, account_of
from .init_words import plain
from .schema import TABLES

CLOSE_DAYS = 45
"""Two dates of one case lie closer than that, in the middle."""
APART_DAYS = 25
"""One account's answers to a survey lie further apart than that, in the middle; counts of use do not."""


def days_between(sheet: Sheet, earlier: Column, later: Column) -> pd.Series:
    """Days from one date to the other, in the rows with both."""
    first, second = moments_of(sheet.cells[earlier.name], earlier), moments_of(sheet.cells[later.name], later)
    return (second - first).dt.days.dropna()


def is_money(sheet: Sheet, column: Column) -> bool:
    """Whether a column could be an amount of money: a sign or separators in its cells, parts of a unit, or numbers of some size."""
    if column.kind != "number" or column.relative or column.filled < 0.9 * column.rows or column.low < 0:
        return False
    if column.decimal or not column.whole:
        return True
    values = numbers_of(sheet.cells[column.name]).dropna()
    counted = column.unique and float(values.diff().abs().median()) <= 1
    return not counted and float(values.median()) >= 100


def event_by_content(looked: Looked, link: Link | None) -> Recognised:
    """One sheet as tickets, surveys or a stream of events (usage, until `first_of_each`); table "" with a reason where it stays open."""
    sheet, columns = looked
    if link is None:
        why = "no column holds account ids, nor ids of another file that knows the account"
        return Recognised(sheet, columns, "", {}, None, why)
    free = {name: column for name, column in columns.items() if link.via is not None or name != link.column}
    whens = [column for column in free.values() if column.kind == "when" and column.filled >= 0.9 * column.rows]
    if not whens:
        return Recognised(sheet, columns, "", {}, link, f"{link}, but no date says when a row happened")
    one = Recognised(sheet, columns, "", {}, link, "")
    doubt = _invoice_like(sheet, free)
    if doubt:
        return replace(one, why=f"{link}; {doubt}")
    return _tickets(one, free) or _surveys(one, free, whens) or _stream(one, free, whens)


def _invoice_like(sheet: Sheet, free: dict[str, Column]) -> str:
    """Two full dates and money: invoices, or terms; nobody but the user knows which. "" where it is not so."""
    whens = [column for column in free.values() if column.kind == "when" and not column.month]
    money = [c.name for c in free.values() if is_money(sheet, c)]
    for a, b in permutations(whens, 2):
        days = days_between(sheet, a, b)
        if money and len(days) and (days > 0).mean() >= 0.95 and float(days.median()) >= 5:
            return (
                f"YOURS TO DECIDE: {b.name} lies {days.median():.0f} days after {a.name} and {money[0]} reads like money: "
                "invoices or terms, which the cells do not tell"
            )
    return ""


def _tickets(one: Recognised, free: dict[str, Column]) -> Recognised | None:
    """What opens and closes: a second date soon after the first, empty where a case is open; without empties only beside an id."""
    whens = [column for column in free.values() if column.kind == "when" and not column.month]
    keys = [column.name for column in free.values() if column.unique and column.kind in ("text", "number") and not column.decimal]
    found = []
    for a, b in permutations(whens, 2):
        days = days_between(one.sheet, a, b)
        if a.filled < 0.9 * a.rows or len(days) < 0.1 * a.rows or len(days) < 5 or (days >= 0).mean() < 0.98:
            continue
        middle, empties = float(days.median()), b.rows - b.filled
        if middle <= CLOSE_DAYS and (empties or (keys and days.max() > 0)):
            found.append((empties > 0, empties, a, b, middle))
    if not found:
        return None
    _, empties, a, b, middle = max(found, key=lambda each: each[:2])
    said = f"guess by content: {b.name} is never before {a.name} (median {middle:.0f} days after) and empty in {empties} of {b.rows} rows"
    roles, guessed = {"opened_at": a.name, "closed_at": b.name}, {"opened_at": said, "closed_at": said}
    if len(keys) == 1:
        roles["ticket_id"], guessed["ticket_id"] = keys[0], "guess by content: it tells all rows apart"
    return replace(one, table="tickets", roles=roles, why=said, guessed=guessed)


def _surveys(one: Recognised, free: dict[str, Column], whens: Sequence[Column]) -> Recognised | None:
    """One date and one column of whole scores from 0 to 10, seldom for one account."""
    scores = [c for c in free.values() if c.kind == "number" and c.whole and c.low >= 0 and c.high == 10 and 5 <= c.distinct <= 11]
    if len(scores) != 1 or len(whens) != 1 or not _whole(one.sheet, scores[0]):
        return None
    days = moments_of(one.sheet.cells[whens[0].name], whens[0])
    rows = pd.DataFrame({"account": account_of(one), "day": days}).dropna().drop_duplicates().sort_values(["account", "day"])
    apart = rows.groupby("account")["day"].diff().dt.days.dropna()
    if len(apart) and float(apart.median()) < APART_DAYS:
        return None
    seldom = f", {apart.median():.0f} days apart for one account" if len(apart) else ", once an account"
    said = f"guess by content: whole numbers from {scores[0].low:g} to 10{seldom}"
    roles = {"responded_at": whens[0].name, "score": scores[0].name}
    guessed = {"responded_at": "guess by content: the only date", "score": said}
    return replace(one, table="surveys", roles=roles, why=said, guessed=guessed)


def _whole(sheet: Sheet, column: Column) -> bool:
    values = numbers_of(sheet.cells[column.name], column.decimal).dropna()
    return bool((values % 1 == 0).all())


def _stream(one: Recognised, free: dict[str, Column], whens: Sequence[Column]) -> Recognised:
    """Rows with a date: the earliest one is when they happened; people, kinds and counts by how they lie in the accounts."""
    time = min(whens, key=lambda column: moments_of(one.sheet.cells[column.name], column).mean())
    guessed = {"occurred_at": "guess by content: the only date" if len(whens) == 1 else "guess by content: the earliest of the dates"}
    roles = {"occurred_at": time.name}
    account = account_of(one)
    texts = [column for column in free.values() if column.kind == "text" and not column.unique and column.distinct > 1]
    for column in texts:
        held = account.groupby(one.sheet.cells[column.name]).nunique()
        if "user_id" not in roles and column.distinct > account.nunique() and float((held <= 1).mean()) >= 0.99:
            roles["user_id"] = column.name
            guessed["user_id"] = f"guess by content: {column.distinct} different values, each of one account: people"
        elif "feature" not in roles and 2 <= column.distinct <= 60 and column.distinct < 0.5 * column.filled:
            roles["feature"] = column.name
            guessed["feature"] = f"guess by content: {column.distinct} different words that accounts share"
    counts = [
        c for c in free.values() if c.kind == "number" and c.whole and c.low >= 0 and not c.unique and not c.decimal and not c.relative
    ]
    if len(counts) == 1 and _whole(one.sheet, counts[0]):
        roles["quantity"] = counts[0].name
        guessed["quantity"] = f"guess by content: the only whole numbers, from {counts[0].low:g} to {counts[0].high:g}"
    return replace(one, table="usage", roles=roles, why="guess by content: dated rows of accounts", guessed=guessed)


def first_of_each(events: Sequence[Recognised]) -> list[Recognised]:
    """The longest stream is usage, the next one with words in it touchpoints, the others tables of their own; of the rest the longest."""
    named: list[Recognised] = []
    for one in sorted(events, key=lambda each: -len(each.sheet.cells)):
        taken = {each.table for each in named}
        if one.table not in taken:
            rows = f"the longest list of dated rows ({len(one.sheet.cells)})"
            named.append(replace(one, why=f"{one.why}; {rows}") if one.table == "usage" else one)
        elif one.table == "usage" and "feature" in one.roles and "touchpoints" not in taken:
            named.append(_as_touchpoints(one))
        else:
            named.append(_own(one, taken))
    order = {id(one.sheet): place for place, one in enumerate(events)}
    return sorted(named, key=lambda each: order[id(each.sheet)])


def _as_touchpoints(one: Recognised) -> Recognised:
    role = {"occurred_at": "occurred_at", "feature": "kind"}
    why = f"{one.why}, fewer than in the usage, with {one.columns[one.roles['feature']].distinct} kinds"
    roles, guessed = ({role[name]: said for name, said in each.items() if name in role} for each in (one.roles, one.guessed))
    return replace(one, table="touchpoints", roles=roles, guessed=guessed, why=why)


def _own(one: Recognised, taken: set[str]) -> Recognised:
    """A table of the user's own under the file's name."""
    name = "_".join(plain(one.sheet.stem).split()) or "events"
    name = name if name[0].isalpha() else f"t_{name}"
    while name in taken or name in TABLES:
        name = f"{name}_rows"
    time = one.roles.get("occurred_at") or one.roles.get("opened_at") or one.roles["responded_at"]
    guessed = {"occurred_at": "guess by content: a date"}
    why = f"guess by content: {one.table} too, but another file tells more of it" if one.table != "usage" else one.why
    return replace(one, table=name, roles={"occurred_at": time}, guessed=guessed, why=why)
