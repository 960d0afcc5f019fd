"""Recognised sheets to tables: which SQL fills each canonical column, with its evidence, and what is left for the user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import pandas as pd

from .crosschecks import NAME
from .engine import quote
from .init_column import Column, evidence, sql_of
from .init_leaks import leaks_of
from .init_recognise import Exports, Recognised
from .init_roles import ATTRIBUTES, LEAST, assign
from .init_words import LOWER_IS_BETTER, match, slug
from .schema import CASE_COLUMNS, TABLES

KIND_OF_SURVEY = ("nps", "csat", "ces")


@dataclass(frozen=True)
class Pick:
    """One column of a table.

    Attributes
    ----------
    name : canonical, or the export's own in small letters
    sql : what fills it
    header : the export's column that it is, where it is one and taken as it stands
    note : the evidence
    origin : the export's column behind it, converted or not; "" where it is worked out
    """

    name: str
    sql: str
    header: str | None
    note: str
    origin: str = ""


@dataclass(frozen=True)
class Mapped:
    """One table of workspace.yaml, or a part of it where several files tell of one.

    Attributes
    ----------
    table, source : which table, from which sheet
    picks : its columns
    where, group : SQL conditions on rows, and whether rows of one id are taken together
    time : of a table of the user's own
    notes : guesses that concern the rows
    leaks : column -> why it may know the future; never selected
    unplaced : columns that play no role, each with what it holds
    unpivot : names of columns that become rows of metric and value (readings)
    more : SQL that adds rows made from these (`{rows}`), and the note that says why is among `notes`
    """

    table: str
    source: Recognised
    picks: tuple[Pick, ...]
    where: tuple[str, ...] = ()
    group: bool = False
    time: str | None = None
    notes: tuple[str, ...] = ()
    leaks: Mapping[str, str] = field(default_factory=dict)
    unplaced: tuple[str, ...] = ()
    unpivot: tuple[str, ...] = ()
    more: str = ""

    def column(self, name: str) -> Column | None:
        """The profile behind a canonical column, where it is a column of the export."""
        header = self.source.roles.get(name)
        return self.source.columns.get(header) if header else None

    @property
    def names(self) -> set[str]:
        """Columns that the table will have for sure."""
        return {pick.name for pick in self.picks}

    @property
    def as_file(self) -> bool:
        """Whether `file:` and `columns:` say it all."""
        sheet, link = self.source.sheet, self.source.link
        whole = not (self.where or self.group or self.unpivot or self.more or self.leaks) and not (link and link.via)
        simple = (
            not sheet.doubled
            and len(sheet.paths) == 1
            and sheet.encoding in ("", "utf-8", "utf-8-sig", "utf-16")
            and all(map(str.isprintable, self.source.columns))
        )
        return sheet.form == "excel" or (whole and simple and all(pick.header is not None for pick in self.picks))


def taken_as(name: str, column: Column, note: str = "") -> Pick:
    """A column of the export under a canonical name, converted where its cells need it."""
    seen = evidence({column.name: column}, column.name)
    return Pick(name, sql_of(column), column.name if column.as_is else None, "; ".join(part for part in (note, seen) if part), column.name)


def account_pick(one: Recognised) -> Pick:
    """account_id of a sheet's rows."""
    if one.link is None:
        return Pick("account_id", quote(one.roles["account_id"]), one.roles["account_id"], one.why, one.roles["account_id"])
    if one.link.via is None:
        return Pick("account_id", quote(one.link.column), one.link.column, str(one.link), one.link.column)
    return Pick("account_id", "_account", None, str(one.link), one.link.column)


def map_accounts(exports: Exports, lost: pd.Series) -> Mapped:
    """The customer list: its id, known attributes, and short lists of words as attributes of their own."""
    one = exports.accounts
    key = one.roles["account_id"]
    leaks = leaks_of(one, lost)
    contract = exports.contracts
    terms = set(contract.roles.values()) - {contract.roles.get("plan")} if contract is not None and contract.sheet is one.sheet else set()
    roles = assign(one.columns, ATTRIBUTES, "accounts", [key, *leaks, *terms])
    picks = [account_pick(one), *(taken_as(role, one.columns[name], "by name") for role, name in roles.items())]
    for name, column in one.columns.items():
        own = _free_name(name, {pick.name for pick in picks})
        short = column.kind in ("text", "flag") and 2 <= column.distinct <= 60 and column.distinct < 0.5 * column.filled
        if (
            short
            and name not in (key, *leaks, *terms, *roles.values())
            and own not in {pick.name for pick in picks}
            and own not in CASE_COLUMNS
        ):
            picks.append(
                Pick(own, sql_of(column), name if own == name else None, f"{column.distinct} different values: an attribute", name)
            )
    notes = []
    if exports.derived:
        twice = one.columns[key].rows - one.columns[key].distinct
        notes.append(
            f"guess: {twice} of {one.columns[key].rows} rows repeat an id, so one row an id is taken; attributes are those of its first row"
        )
        together = whole_key(exports)
        if together:
            notes.append(
                f"YOURS TO DECIDE: {' + '.join(together)} together name each row once, here and in the contracts: if that is the "
                f"customer, write account_id as concat_ws('/', {', '.join(map(quote, together))}) in each table that has them"
            )
    used = {*(pick.origin for pick in picks), *leaks, *terms}
    return Mapped("accounts", one, tuple(picks), group=exports.derived, notes=tuple(notes), leaks=leaks, unplaced=unplaced(one, used))


def whole_key(exports: Exports) -> tuple[str, ...]:
    """The id and the one or two other columns that tell its rows apart, where the contracts have them too; none where nothing does."""
    one, contract = exports.accounts, exports.contracts
    if contract is None:
        return ()
    key, cells, terms = one.roles["account_id"], one.sheet.cells, contract.sheet.cells
    shared = [c.name for c in one.columns.values() if c.kind == "text" and c.name != key and c.name in contract.columns]
    for more in (*combinations(shared, 1), *combinations(shared, 2)):
        together = [key, *more]
        if key in terms and not cells.duplicated(together).any() and not terms.duplicated(together).any():
            return tuple(together)
    return ()


def _free_name(header: str, taken: set[str]) -> str:
    """The same; a header without a Latin letter is `column`, `column_2` and so on."""
    name = own_name(header)
    return (
        next(f"{name}_{n}" for n in range(2, len(taken) + 3) if f"{name}_{n}" not in taken)
        if slug(header) == "" and name in taken
        else name
    )


def own_name(header: str) -> str:
    """A header as a column name of its own.

    >>> own_name("Referral Source"), own_name("2nd line"), own_name("TechSupport")
    ('referral_source', 'c_2nd_line', 'tech_support')
    """
    name = slug(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)) or "column"
    return name if NAME.fullmatch(name) else f"c_{name}"


def unplaced(one: Recognised, used: set[str | None]) -> tuple[str, ...]:
    """The columns that play no role, each with what it holds."""
    words = {"when": "dates", "number": "numbers", "flag": "true or false", "text": "text", "empty": "empty"}
    return tuple(f"{name} ({words[column.kind]})" for name, column in one.columns.items() if name not in used)


def map_events(one: Recognised, lost: pd.Series) -> list[Mapped]:
    """A sheet of dated rows as its table; a snapshot of scores also gives readings of its other numbers."""
    leaks = leaks_of(one, lost)
    roles = {role: name for role, name in one.roles.items() if name not in leaks}
    own = one.table not in TABLES
    picks = [account_pick(one)]
    for role, name in roles.items():
        picks.append(_event_pick(own_name(name) if own and role == "occurred_at" else role, one.columns[name], one.guessed.get(role, "")))
    if one.table == "surveys" and "kind" not in roles:
        kind, why = _survey_kind(one, roles)
        picks.append(Pick("kind", f"'{kind}'", None, why))
    for role in ("kind", "playbook"):
        if one.table in TABLES and role in TABLES[one.table].required and role not in {pick.name for pick in picks}:
            picks.append(Pick(role, "'unknown'", None, "guess: no column says so"))
    arm = (
        next((c.name for c in one.columns.values() if "control" in map(str.lower, c.values)), None)
        if one.table == "interventions"
        else None
    )
    numbers = _other_numbers(one, roles, leaks) if one.table == "score_history" else {}
    used = {one.link.column if one.link else None, *roles.values(), *leaks, *numbers.values()}
    notes = tuple(
        ["guess: one row a score, on the scale of the tool it came from; it is compared with, never used as a metric"]
        if one.table == "score_history"
        else []
    )
    notes += (f"guess: rows whose {arm} says control were left alone: they are no interventions",) if arm else ()
    where = (f"lower({quote(arm)}) is distinct from 'control'",) if arm else ()
    time = own_name(roles["occurred_at"]) if own else None
    used |= {arm}
    mapped = [Mapped(one.table, one, tuple(picks), where=where, time=time, notes=notes, leaks=leaks, unplaced=unplaced(one, used))]
    if numbers:
        mapped.append(_readings(one, roles["scored_on"], numbers))
    return mapped


def _event_pick(role: str, column: Column, note: str) -> Pick:
    pick = taken_as(role, column, note)
    if column.relative:
        return Pick(role, pick.sql, None, RELATIVE, column.name)
    if role == "active_users" and column.as_is and not column.native:
        return Pick(
            role, f"try_cast({pick.sql} as double)", column.name if column.name == role else None, "people in a summed row", column.name
        )
    return pick


RELATIVE = "YOURS TO DECIDE: whole numbers, days from a day that the file does not name; 2000-01-01 stands for that day"


def _survey_kind(one: Recognised, roles: Mapping[str, str]) -> tuple[str, str]:
    """nps, csat or ces by the names, else by the range of the scores."""
    score = one.columns[roles["score"]]
    for kind in KIND_OF_SURVEY:
        if match(one.sheet.stem, (kind,)) >= LEAST or match(score.name, (kind,)) >= LEAST:
            return kind, f"by name; scores from {score.low:g} to {score.high:g}"
    kind = "nps" if score.low >= 0 and score.high == 10 else "csat"
    return kind, f"guess: scores from {score.low:g} to {score.high:g}"


def _other_numbers(one: Recognised, roles: Mapping[str, str], leaks: Mapping[str, str]) -> dict[str, str]:
    """Own name -> header of the numbers beside a score; what tells of the renewal is not a metric."""
    free = [c for c in one.columns.values() if c.kind == "number" and not c.relative and c.name not in (*roles.values(), *leaks)]
    told = ("renewal", "probability", "forecast", "id", "score delta")
    return {own_name(c.name): c.name for c in free if match(c.name, told) < LEAST and (one.link is None or c.name != one.link.column)}


def _readings(one: Recognised, time: str, numbers: Mapping[str, str]) -> Mapped:
    """Columns of numbers of a monthly export as rows of metric and value."""
    picks = [account_pick(one), taken_as("read_on", one.columns[time])]
    picks += [
        Pick(own, f"try_cast({sql_of(one.columns[name])} as double)", None, lower_or_higher(name), name) for own, name in numbers.items()
    ]
    note = "guess: the numbers beside the score, read as metrics that the other tool measured on that day"
    return Mapped("readings", one, tuple(picks), notes=(note,), unpivot=tuple(numbers))


def lower_or_higher(name: str) -> str:
    """Which way a number is good, by its name.

    >>> lower_or_higher("support_tickets_30d"), lower_or_higher("login_frequency")
    ('lower is better, by its name', 'higher is better, as nothing in its name says otherwise')
    """
    return (
        "lower is better, by its name"
        if match(name, LOWER_IS_BETTER) >= LEAST
        else "higher is better, as nothing in its name says otherwise"
    )
