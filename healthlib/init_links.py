"""Which column is the customer, and how the rows of every other sheet find theirs: by values that are found again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from .init_column import Column
from .init_read import Sheet
from .init_roles import CONTRACTS, LEAST, assign
from .init_words import ACCOUNT_ID, TABLE_WORDS, generic, match, plain


@dataclass(frozen=True)
class Link:
    """How the rows of a sheet find their account.

    Attributes
    ----------
    column : of the sheet
    via : the sheet and column that the values are found in, and that sheet's own link, where they are no account ids themselves
    matched : different accounts that the sheet names
    accounts : accounts there are
    strangers : rows whose value leads to no account
    """

    column: str
    via: tuple[Sheet, str, str] | None
    matched: int
    accounts: int
    strangers: int

    def __str__(self) -> str:
        lost = f"; {self.strangers} rows name no known account" if self.strangers else ""
        by = f" through {self.via[0].label} ({self.via[1]} to {self.via[2]})" if self.via else ""
        return f"joins {self.matched} of {self.accounts} account ids{by}{lost}"


Looked = tuple[Sheet, dict[str, Column]]


def find_link(looked: Looked, everything: Sequence[Looked], accounts: tuple[Sheet, str, frozenset[str]]) -> Link | None:
    """The column of a sheet that leads to accounts: directly, or through a sheet that knows the account of each of its values."""
    sheet, (home, key, ids) = looked[0], accounts
    if sheet is home:
        return Link(key, None, len(ids), len(ids), int(sheet.cells[key].isna().sum()))
    direct = best_in(looked, ids, key, loose=True)
    if direct:
        known = sheet.cells[direct].astype("string").isin(ids)
        return Link(direct, None, len(ids & sheet.values(direct)), len(ids), int((~known).sum()))
    for bridge, theirs in everything:
        to = key if bridge is home else best_in((bridge, theirs), ids, key, loose=True)
        if bridge is sheet or to is None:
            continue
        for column in theirs.values():
            if not column.unique or column.name == to or column.kind not in ("text", "number"):
                continue
            mine = best_in(looked, bridge.values(column.name), column.name)
            if mine:
                reached = carried(sheet.cells[mine], bridge, column.name, to)
                known = reached.isin(ids)
                return Link(mine, (bridge, column.name, to), int(reached[known].nunique()), len(ids), int((~known).sum()))
    return None


def best_in(looked: Looked, ids: frozenset[str], key: str, *, loose: bool = False) -> str | None:
    """The column whose values are found among `ids`. Numbers must also be named alike: small numbers are found in any list of ids.

    `loose` also takes the one column of numbers that repeats and covers most of the ids, where its header says nothing (c1, 顧客).
    """
    sheet, columns = looked
    best, found = 0.0, None
    for column in columns.values():
        if column.kind not in ("text", "number") or column.relative or column.decimal or not column.filled:
            continue
        named = _named_alike(column.name, key)
        if column.kind == "number" and (not column.whole or named < LEAST):
            continue
        values = sheet.values(column.name)
        share = len(values & ids) / len(values)
        needed = 0.5 if named >= LEAST else 0.8
        if share >= needed and (named >= LEAST or column.distinct >= 5) and share + named / 2 > best:
            best, found = share + named / 2, column.name
    return found or (_only_cover(looked, ids) if loose else None)


def _named_alike(header: str, key: str) -> float:
    """How well a header says that it holds the account; headers that only count say nothing."""
    if generic(header):
        return 0.0
    if header == key and not plain(key):
        return 1.0
    return match(header, (plain(key), *ACCOUNT_ID)) if plain(key) != "id" else match(header, ACCOUNT_ID)


def _only_cover(looked: Looked, ids: frozenset[str]) -> str | None:
    """The one column of whole numbers under a header without words whose values repeat, are ids, and cover most of them."""
    sheet, columns = looked
    whole = [c for c in columns.values() if c.kind == "number" and c.whole and not (c.relative or c.decimal or c.unique)]
    silent = [column.name for column in whole if generic(column.name) or not plain(column.name)]
    held = {name: sheet.values(name) for name in silent}
    covers = [name for name, cells in held.items() if len(cells) >= 20 and len(cells & ids) >= max(0.98 * len(cells), 0.5 * len(ids))]
    return covers[0] if len(covers) == 1 else None


def find_accounts(looked: Sequence[Looked], contract: Looked) -> tuple[Looked, str] | None:
    """The sheet with one row a customer and its id: the one that the contracts and most other sheets point to."""
    best, found = 0.0, None
    for each in looked:
        for column in each[1].values():
            if column.kind not in ("text", "number") or column.relative or column.decimal or (column.kind == "number" and not column.whole):
                continue
            named = match(column.name, ACCOUNT_ID)
            if not column.unique and named < LEAST:
                continue
            strength = _account_strength(each, column, looked, contract)
            if strength > best:
                best, found = strength, (each, column.name)
    return found


def _account_strength(each: Looked, column: Column, looked: Sequence[Looked], contract: Looked) -> float:
    sheet, _ = each
    if column.distinct < 2 or column.filled < 0.98 * column.rows:
        return 0.0
    ids = sheet.values(column.name)
    joins = [other[0] for other in looked if other[0] is not sheet and best_in(other, ids, column.name)]
    is_contract = sheet is contract[0]
    if not is_contract and contract[0] not in joins:
        return 0.0
    named = match(column.name, ACCOUNT_ID) or 0.5 * (plain(column.name) == "id")
    own = (
        column.name == assign(each[1], {"contract_id": CONTRACTS["contract_id"]}, "contracts").get("contract_id") if is_contract else False
    )
    unique = 2.0 if column.unique else 2.0 * column.distinct / max(column.filled, 1) - 1.5
    return 3 * match(sheet.stem, TABLE_WORDS["accounts"]) + 2 * named + unique + 0.5 * len(joins) - 2 * is_contract - 4 * own + 2


def accounts_why(sheet: Sheet, key: Column, looked: Sequence[Looked], ids: frozenset[str]) -> str:
    """The evidence for the customer list."""
    others = [other for other in looked if other[0] is not sheet]
    joins = [other[0].label for other in others if best_in(other, ids, key.name)]
    told = f"{key.distinct} different ids in {key.rows} rows"
    return f"{told}; {len(joins)} of {len(others)} other files name them" if others else told


def carried(cells: pd.Series, bridge: Sheet, column: str, to: str) -> pd.Series:
    """Each cell's account, by the sheet that knows it."""
    known = bridge.cells.dropna(subset=[column, to])
    step = dict(zip(known[column].astype(str), known[to].astype(str), strict=True))
    return cells.astype("string").map(step).astype("string")
