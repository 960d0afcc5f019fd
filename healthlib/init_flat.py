"""One sheet, one row per account, the outcome in a column: recognised where no file tells of terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from .engine import literal, quote
from .init_column import Column, evidence
from .init_leaks import by_content
from .init_links import Looked
from .init_mapping import lower_or_higher, own_name
from .init_metrics import Guess, scale_of
from .init_read import Sheet
from .init_roles import CONTRACTS, LEAST
from .init_words import ACCOUNT_ID, FLAT_OUTCOME, LEAKS, LOST_VALUES, match, plain
from .schema import CASE_COLUMNS, TABLES

STAYED = ("renewed", "retained", "kept", "stayed", "active")
PERSONAL = (
    "gender",
    "sex",
    "age",
    "age group",
    "senior citizen",
    "partner",
    "dependents",
    "marital",
    "birth",
    "geschlecht",
    "alter",
    "sexe",
)


@dataclass(frozen=True)
class Flat:
    """A flat sheet.

    Attributes
    ----------
    outcome, churned : the column, and the cells that say the customer left
    account_id : header, or "" where no column tells rows apart
    arr, times : header of the money and what makes a year of it; "" where there is none
    attributes : own name -> header
    metrics : what the scorecard reads
    leaks : header -> why it is not used
    unplaced : the other columns
    said : evidence for outcome, account_id and arr
    """

    sheet: Sheet
    outcome: str
    churned: tuple[str, ...]
    account_id: str
    arr: str
    times: int
    attributes: dict[str, str]
    metrics: tuple[Guess, ...]
    leaks: dict[str, str]
    unplaced: tuple[str, ...]
    said: dict[str, str] = field(default_factory=dict)


def recognise_flat(looked: Sequence[Looked]) -> Flat | None:
    """The sheet with an outcome column, the largest where several have one; None where none has."""
    found = [(len(sheet.cells), sheet, columns, outcome) for sheet, columns in looked if (outcome := _outcome(columns))]
    if not found:
        return None
    _, sheet, columns, (outcome, churned) = max(found, key=lambda each: each[0])
    side = sheet.cells[outcome].astype("string").isin(churned).where(sheet.cells[outcome].notna())
    account_id = next(
        (
            name
            for name, c in columns.items()
            if c.unique and c.kind in ("text", "number") and max(match(name, ACCOUNT_ID), plain(name) == "id") >= LEAST
        ),
        "",
    )
    arr, times = _money(columns)
    rest = [column for name, column in columns.items() if name not in (outcome, account_id) and column.kind != "empty"]
    leaks = {column.name: why for column in rest if (why := _leak(column, sheet, side)) and column.name != arr}
    free = [column for column in rest if column.name not in leaks]
    read = {column.name: guess for column in free if not _personal(column) and (guess := _metric(column, sheet))}
    attributes = {_attribute(c.name): c.name for c in free if c.kind == "text" and c.distinct <= 20 and c.name not in read}
    metrics = list(read.values())
    left = tuple(f"{c.name} ({_why_left(c)})" for c in free if c.name not in (*read, *attributes.values(), arr))
    return Flat(
        sheet,
        outcome,
        churned,
        account_id,
        arr,
        times,
        attributes,
        tuple(metrics),
        leaks,
        left,
        {"outcome": _told(sheet, outcome, churned), "arr": evidence(columns, arr) if arr else ""},
    )


def _outcome(columns: dict[str, Column]) -> tuple[str, tuple[str, ...]] | None:
    """The column that says who left, by name, with two or three different cells; and the cells that say so."""
    named = [
        (match(c.name, FLAT_OUTCOME), c)
        for c in columns.values()
        if 2 <= c.distinct <= 4 and c.values and match(c.name, FLAT_OUTCOME) >= 0.6
    ]
    for _, column in sorted(named, key=lambda each: -each[0]):
        kept_named = match(column.name, STAYED) >= 0.6
        said = [value for value in column.values if ("-".join(plain(value).split()) in LOST_VALUES) != kept_named]
        lost = tuple(said) if 0 < len(said) < len(column.values) else ()
        if lost:
            return column.name, lost
    return None


def _told(sheet: Sheet, outcome: str, churned: tuple[str, ...]) -> str:
    rows = int(sheet.cells[outcome].astype("string").isin(churned).sum())
    return f"{rows} of {len(sheet.cells)} rows ({rows / len(sheet.cells):.1%}) say {' or '.join(churned)}"


def _money(columns: dict[str, Column]) -> tuple[str, int]:
    """The money of an account and what makes a year of it. Money has many different values; a class of charges has few."""
    for role, times in (("arr", 1), ("mrr", 12), ("amount", 1)):
        many = [
            c for c in columns.values() if c.kind == "number" and c.distinct > 50 and c.low >= 0 and match(c.name, CONTRACTS[role]) >= 0.6
        ]
        if many:
            return max(many, key=lambda c: match(c.name, CONTRACTS[role])).name, times
    return "", 1


def _leak(column: Column, sheet: Sheet, side: pd.Series) -> str:
    content = by_content(sheet.cells[column.name], side)
    return content or ("named like an outcome; often written when the customer leaves" if match(column.name, LEAKS) >= 0.6 else "")


def _personal(column: Column) -> bool:
    return match(column.name, PERSONAL) >= 0.85


def _why_left(column: Column) -> str:
    return (
        "about a person, not about health"
        if _personal(column)
        else {"text": "text", "when": "dates", "flag": "true or false"}.get(column.kind, "numbers")
    )


def _attribute(header: str) -> str:
    name = own_name(header)
    return f"{name}_" if name in CASE_COLUMNS else name


def _metric(column: Column, sheet: Sheet) -> Guess | None:
    """A column of numbers as it is; of yes and no, whether it says yes."""
    name = own_name(column.name)
    name = f"{name}_metric" if name in {*CASE_COLUMNS, *TABLES["accounts"].columns} else name
    way = lower_or_higher(column.name)
    yes = next((value for value in column.values if value.lower() in ("yes", "true", "ja", "oui", "si", "sí")), None)
    if column.kind == "number" and not column.decimal:
        scale = scale_of(sheet.cells[column.name])
        read: str = column.name
    elif column.kind == "flag" and {*column.values} <= {"0", "1"}:
        scale, read = (0, 1), column.name
    elif yes is not None and column.distinct <= 3:
        scale, read = (0, 1), f"{quote(column.name)} = {literal(yes)}"
    else:
        return None
    if scale is None:
        return None
    low, high = scale
    ends = {"better": "lower", "worst": high, "best": low} if way.startswith("lower") else {"better": "higher", "worst": low, "best": high}
    return Guess(name, "sheet", plain(column.name).capitalize(), {"column": read, **ends}, way)
