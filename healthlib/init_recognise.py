"""Which sheet is which table, which column holds the account, and which role each column plays: by name, then checked by content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from .init_column import Column, moments_of
from .init_links import Link, Looked, accounts_why, carried, find_accounts, find_link
from .init_profile import profile, settled
from .init_read import Sheet
from .init_roles import CONTRACTS, EVENTS, LEAST, assign, fits
from .init_words import TABLE_WORDS, match, plain
from .schema import TABLES, WHEN


@dataclass(frozen=True)
class Recognised:
    """One sheet and what it was taken for.

    Attributes
    ----------
    table : canonical table, a name of its own, "people", "departures", "" where nothing fits
    roles : role -> header
    link : None for the accounts themselves, or where no column holds accounts
    why : the evidence for the table, or the reason why it is left
    guessed : role -> what its cells say, where no word tells and it was guessed by content
    """

    sheet: Sheet
    columns: dict[str, Column]
    table: str
    roles: dict[str, str]
    link: Link | None
    why: str
    guessed: Mapping[str, str] = field(default_factory=dict)

    def said(self, role: str) -> str:
        """What a role's guess rests on, beside what its cells look like."""
        return self.guessed.get(role, "by name")


@dataclass(frozen=True)
class Exports:
    """Everything that was recognised in a folder.

    Attributes
    ----------
    accounts : its roles say `account_id`; `derived` where the customer list is read off another sheet
    contracts : None where no sheet tells of terms and money
    events : tables of their own, in the order of the files
    left : sheets that are no table
    """

    accounts: Recognised
    derived: bool
    contracts: Recognised | None
    events: tuple[Recognised, ...]
    left: tuple[Recognised, ...] = field(default=())


def look(sheets: Sequence[Sheet]) -> list[Looked]:
    """Every sheet with the profile of its columns."""
    profiles = [profile(sheet.cells) for sheet in sheets]
    everything = [column for columns in profiles for column in columns.values()]
    return [(sheet, settled(columns, everything)) for sheet, columns in zip(sheets, profiles, strict=True)]


def recognise(looked: Sequence[Looked]) -> Exports | None:
    """Tables, links and roles; None where no sheet tells of contracts or no column could be an account id."""
    contract = _contract_sheet(looked)
    if contract is None:
        return None
    found = find_accounts(looked, contract)
    if found is None:
        return None
    (sheet, columns), key = found
    derived = not columns[key].unique
    ids = sheet.values(key)
    accounts = Recognised(sheet, columns, "accounts", {"account_id": key}, None, accounts_why(sheet, columns[key], looked, ids))
    events, left, contracts = [], [], None
    for other in looked:
        link = find_link(other, looked, (sheet, key, ids))
        if other[0] is contract[0]:
            contracts = Recognised(*other, "contracts", _contract_roles(other, link), link, _table_why(other[0], "contracts"))
        elif other[0] is not sheet:
            one = _event_table(other, link)
            (events if one.table and one.table not in ("people", "departures") else left).append(one)
    if contracts is None or contracts.link is None:
        return None
    return Exports(accounts, derived, contracts, tuple(_only_one_each(events)), tuple(left))


def outcome_sheet(looked: Looked) -> bool:
    """Whether a sheet could hold terms: dates and money, or an outcome with its due date."""
    return _contract_strength(looked) >= 2.5


def _contract_strength(looked: Looked) -> float:
    sheet, columns = looked
    roles = assign(columns, CONTRACTS, "contracts")
    named = match(sheet.stem, TABLE_WORDS["contracts"])
    rival = max(match(sheet.stem, words) for table, words in TABLE_WORDS.items() if table not in ("contracts", "accounts"))
    money = any(role in roles for role in ("arr", "mrr", "amount"))
    dates = 1.0 * ("start_date" in roles) + 1.5 * ("end_date" in roles)
    if not dates or not (money or "end_date" in roles):
        return 0.0
    strength = dates + 1.5 * money + ("outcome" in roles) + 0.5 * ("seats" in roles) + 2.5 * named
    return strength - (1.4 if rival > named else 0)


def _contract_sheet(looked: Sequence[Looked]) -> Looked | None:
    strengths = [(_contract_strength(each), -place) for place, each in enumerate(looked)]
    best, place = max(strengths, default=(0.0, 0))
    return looked[-place] if best >= 2.5 else None


def _table_why(sheet: Sheet, table: str) -> str:
    return "by the file's name and its columns" if match(sheet.stem, TABLE_WORDS.get(table, ())) >= LEAST else "by its columns"


def _contract_roles(looked: Looked, link: Link | None) -> dict[str, str]:
    """Roles of the contract's columns; where no name says when a term ends, a date that never lies before its start does."""
    sheet, columns = looked
    taken = [link.column] if link and not link.via else []
    roles = assign(columns, CONTRACTS, "contracts", taken)
    if "start_date" in roles and "end_date" in roles and _in_order(sheet, columns, roles["start_date"], roles["end_date"]) < 0.9:
        del roles["end_date" if match(roles["start_date"], CONTRACTS["start_date"]) > 0.9 else "start_date"]
    if "start_date" in roles and "end_date" not in roles and "term_months" not in roles:
        later = [
            name
            for name, column in columns.items()
            if column.kind == "when"
            and name not in roles.values()
            and match(name, ("created", "updated", "modified", "signup")) == 0
            and _in_order(sheet, columns, roles["start_date"], name) == 1
        ]
        roles.update({"end_date": later[0]} if later else {})
    return roles


def _in_order(sheet: Sheet, columns: Mapping[str, Column], earlier: str, later: str) -> float:
    """Share of the rows with both dates in which the second is later; 1 where no row has both."""
    first, second = moments_of(sheet.cells[earlier], columns[earlier]), moments_of(sheet.cells[later], columns[later])
    both = first.notna() & second.notna()
    return float((second > first)[both].mean()) if both.any() else 1.0


def _event_table(looked: Looked, link: Link | None) -> Recognised:
    """What a sheet of dated rows is: the name of the file, the columns it has, and the columns that no other table has."""
    sheet, columns = looked
    if link is None:
        return Recognised(sheet, columns, "", {}, None, "no column holds account ids, nor ids of another file that knows the account")
    taken = [link.column] if not link.via else []
    canonical = plain(sheet.stem).replace(" ", "_")
    if canonical in TABLES and set(TABLES[canonical].required) <= set(columns):
        roles = {name: name for name in (*TABLES[canonical].columns, "recorded_at") if name in columns and name != link.column}
        return Recognised(sheet, columns, canonical, roles, link, "the file and its columns have the product's own names")
    named = {table: match(sheet.stem, words) for table, words in TABLE_WORDS.items()}
    scored = []
    for table, words in EVENTS.items():
        roles = _checked(sheet, columns, table, assign(columns, words, table, taken))
        needed = [name for name in TABLES[table].required if name not in ("account_id", "kind")]
        if all(name in roles for name in needed):
            tell = sum(0.5 for role in roles if role in DISTINCTIVE.get(table, ()))
            scored.append((3 * named[table] + tell + 0.1 * len(roles), table, roles))
    best = max(scored, key=lambda each: each[0], default=(0.0, "", {}))
    for other in ("departures", "people"):
        if named[other] >= LEAST and named[other] >= max(named[table] for table in EVENTS):
            why = {"departures": "it tells who left: that is the outcome, and no metric may read it", "people": "the customers' own people"}
            return Recognised(sheet, columns, other, best[2], link, why[other])
    told = _says_who_left(columns)
    if told and best[1] in ("", "usage"):
        return Recognised(
            sheet, columns, "departures", best[2], link, f"its column {told} says who left: that is the outcome, and no metric may read it"
        )
    if _contract_strength(looked) >= 2.5 and named["contracts"] >= LEAST:
        return Recognised(sheet, columns, "", {}, link, f"{link}; it could also be contracts, but another file tells them better")
    if best[0] >= 1.0 and (named[best[1]] >= LEAST or best[0] >= 1.2):
        return Recognised(sheet, columns, best[1], best[2], link, _table_why(sheet, best[1]))
    return _own_table(looked, link, taken)


def _says_who_left(columns: Mapping[str, Column]) -> str:
    """A column with a few different words, one of which is that a customer left; "" where there is none."""
    gone = {"churn", "churned", "cancelled", "canceled", "cancellation", "kuendigung", "gekuendigt", "resiliation", "baja",
            "opgezegd", "opzegging", "disdetta", "cancelamento", "rezygnacja", "uppsagd"}  # fmt: skip
    for column in columns.values():
        if column.kind == "text" and column.values and gone & {plain(value) for value in column.values}:
            return column.name
    return ""


DISTINCTIVE = {
    "usage": ("user_id", "feature", "quantity", "active_users"),
    "tickets": ("ticket_id", "closed_at", "severity", "satisfaction"),
    "surveys": (),
    "touchpoints": ("persona", "direction"),
    "milestones": ("milestone", "completed_at"),
    "goals": ("goal", "achieved_at"),
    "invoices": ("due_at", "paid_at", "amount"),
    "interventions": ("playbook",),
}
"""Roles that tell a table by themselves."""


def _checked(sheet: Sheet, columns: Mapping[str, Column], table: str, roles: dict[str, str]) -> dict[str, str]:
    """Roles that the content contradicts go: a closing before the opening, a survey score that is none."""
    roles = dict(roles)
    for earlier, later in TABLES[table].order:
        if earlier in roles and later in roles:
            first, second = (moments_of(sheet.cells[roles[name]], columns[roles[name]]) for name in (earlier, later))
            both = first.notna() & second.notna()
            if both.any() and (second >= first)[both].mean() < 0.9:
                del roles[later]
    if "feature" in roles and columns[roles["feature"]].distinct > 0.5 * columns[roles["feature"]].filled:
        del roles["feature"]
    if table == "surveys" and "score" in roles and not (columns[roles["score"]].low >= -100 and columns[roles["score"]].high <= 100):
        del roles["score"]
    time = TABLES[table].time
    if time and time not in roles and (dates := _dates(columns, roles)):
        roles[time] = dates[0]
    return roles


def _dates(columns: Mapping[str, Column], roles: Mapping[str, str]) -> list[str]:
    """Date columns that are free, the fullest first."""
    free = [
        column
        for column in columns.values()
        if fits(column, WHEN) and column.name not in roles.values() and column.filled >= 0.9 * column.rows
    ]
    return [column.name for column in sorted(free, key=lambda column: -column.filled)]


def _own_table(looked: Looked, link: Link, taken: Sequence[str]) -> Recognised:
    """Dated rows of accounts that fit no canonical table: usage where they read like it, else a table under the file's name."""
    sheet, columns = looked
    roles = assign(columns, EVENTS["usage"], "usage", taken)
    if "occurred_at" not in roles:
        dates = _dates(columns, roles)
        if not dates:
            return Recognised(sheet, columns, "", {}, link, f"{link}, but no date says when a row happened")
        roles["occurred_at"] = dates[0]
    name = "_".join(plain(sheet.stem).split()) or "events"
    name = name if name[0].isalpha() else f"t_{name}"
    return Recognised(
        sheet, columns, f"{name}_rows" if name in TABLES else name, roles, link, "dated rows of accounts that fit no known table"
    )


def _only_one_each(events: Sequence[Recognised]) -> list[Recognised]:
    """Files that tell of the same table stay together; without any usage, the largest unknown list of dated rows is taken as usage."""
    if any(one.table == "usage" for one in events):
        return list(events)
    own = [one for one in events if one.table not in TABLES]
    if not own:
        return list(events)
    largest = max(own, key=lambda one: len(one.sheet.cells))
    why = "no file is named like usage; this is the longest list of dated rows of accounts"
    return [Recognised(one.sheet, one.columns, "usage", one.roles, one.link, why) if one is largest else one for one in events]


def account_of(one: Recognised) -> pd.Series:
    """The account of each row, as text; missing where none is known."""
    if one.link is None:
        return one.sheet.cells[one.roles["account_id"]].astype("string")
    cells = one.sheet.cells[one.link.column].astype("string")
    return cells if one.link.via is None else carried(cells, *one.link.via)
