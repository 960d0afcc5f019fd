"""The sentences on what changed in the past since the last run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healthlib.late import Late
from healthlib.wording import counted, day, listed, money, money_change, unknown

MOST = 200
"""Accounts whose changed contracts the manifest names; their number is told in full."""
NAMED = 10
"""Accounts that the terminal names."""


def said(late: Late | None, currency: str = "USD") -> str:
    """One sentence: contracts first, with the ARR they moved, then every other table. Empty where there is no run to compare with."""
    if late is None:
        return ""
    made = f", made on {day(late.made_on)}" if late.made_on else ""
    which = f"of this day{made}," if late.same_day else f"({day(late.as_of)}{made}),"
    opening = f"Since the last run {which} "
    if late.problem:
        return f"{opening}changes cannot be told: {late.problem}."
    if not late.anything:
        return f"{opening}nothing that was known on {'it' if late.same_day else 'that day'} has changed."
    parts = [_contracts(late, currency)] + [_table(row) for row in late.tables.to_dict("records") if row["table"] != "contracts"]
    parts += [f"{listed(late.altered)}: other columns than then, not compared"] if late.altered else []
    where = "" if late.same_day else "of what was known on that day "
    return f"{opening}{where}{'; '.join(part for part in parts if part)}."


def told(late: Late | None, currency: str = "USD") -> dict[str, Any] | None:
    """What ``manifest.json`` keeps of it; None where there is no run to compare with."""
    if late is None:
        return None
    return {
        "as_of": late.as_of,
        "made_on": late.made_on or None,
        "changed": late.anything,
        "said": said(late, currency),
        "tables": late.tables,
        "contracts": late.contracts.head(MOST),
        "contracts_accounts": len(late.contracts),
        "arr_then": late.arr_then,
        "arr_now": late.arr_now,
    }


def lines(late: Late | None, currency: str = "USD") -> tuple[str, ...]:
    """What a terminal is told: the sentence, then whose contracts differ by account_id. Nothing where there is no run to compare with."""
    if late is None:
        return ()
    named = ["".join(filter(str.isprintable, name))[:60] for name in late.contracts["account_id"] if name] if len(late.contracts) else []
    rest = len(late.contracts) - len(named[:NAMED])
    whose = listed([*named[:NAMED], *([f"{rest} more (manifest.json)"] if rest else [])]) if named else ""
    return (said(late, currency), *([f"contracts of {whose}"] if whose else []))


def _contracts(late: Late, currency: str) -> str:
    row = next((row for row in late.tables.to_dict("records") if row["table"] == "contracts"), None)
    if row is None:
        return ""
    named = f"{_counts(row, 'contract')} ({counted(row['accounts'], 'account')}"
    if unknown(late.arr_then) or unknown(late.arr_now):
        return f"{named})"
    moved = late.arr_now - late.arr_then
    if abs(moved) < 0.5:
        return f"{named}; ARR on {day(late.as_of)} as before, {money(late.arr_now, currency)})"
    return f"{named}; ARR on {day(late.as_of)} {money_change(moved, currency)}, now {money(late.arr_now, currency)})"


def _table(row: Mapping[Any, Any]) -> str:
    noun = row["table"]
    if not row["coarse"]:
        return f"{noun}: {_counts(row, 'row')}"
    quarters = f"{counted(row['changed'], 'quarter of an account', 'quarters of an account')} changed" if row["changed"] else ""
    rows = _counts({**row, "changed": 0}, "row")
    return f"{noun}: {listed([part for part in (rows, quarters) if part])}"


def _counts(row: Mapping[Any, Any], noun: str) -> str:
    """The counts above 0, the noun with the first: "14 contracts changed, 3 added and 1 removed"."""
    parts: list[str] = []
    for what in ("changed", "added", "removed"):
        if row[what]:
            parts.append(f"{counted(row[what], noun) if not parts else f'{row[what]:,}'} {what}")
    return listed(parts)
