"""From a folder of exports to a first workspace: read, recognise, guess, write; never into the exports, never half a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .errors import HealthlibError
from .init_column import moments_of
from .init_content import recognise_content, seen_by_content
from .init_contracts import map_contracts, terms_of
from .init_flat import Flat, recognise_flat
from .init_leaks import lost_accounts, meaning
from .init_links import Looked
from .init_mapping import Mapped, map_accounts, map_events
from .init_metrics import first_metrics
from .init_read import Sheet, read_exports
from .init_recognise import Exports, look, recognise
from .init_words import plain
from .init_write import flat_text, relative, scorecard_text, workspace_text
from .publish import write_whole
from .schema import TABLES

SIGNS = {"€": "EUR", "£": "GBP", "$": "USD", "CHF": "CHF", "¥": "JPY", "₹": "INR"}
CODES = ("usd", "eur", "gbp", "chf", "inr", "jpy", "cad", "aud", "sek", "nok", "dkk")
FILES = ("workspace.yaml", "scorecard.yaml")
TO_WRITE = (
    "Where you know what a column is, write workspace.yaml yourself (data/README.md has every table), for example:",
    "  tables: {accounts: {file: customers.csv, columns: {account_id: c1}},",
    "           contracts: {file: terms.csv, columns: {account_id: c1, start_date: c2, end_date: c3, arr: c4}}}",
    '  or for one sheet: flat: {file: sheet.csv, account_id: c1, outcome: {column: c2, churned: "the cell of who left"}}',
)


@dataclass(frozen=True)
class Draft:
    """The two files, and what to tell about them.

    Attributes
    ----------
    workspace, scorecard : their text
    told : table -> where it comes from and how it joins
    leaks : `file: column: why` of columns that are not used because they may know the future
    left : files, and columns by table, that nothing was found for
    """

    workspace: str
    scorecard: str
    told: dict[str, str]
    leaks: tuple[str, ...]
    left: tuple[str, ...]


def write_workspace(folder: Path, exports: Path, *, force: bool = False) -> Draft:
    """Write workspace.yaml and scorecard.yaml into `folder`.

    Parameters
    ----------
    exports : folder with the exports; only read
    force : overwrite the two files where they are there

    Raises
    ------
    HealthlibError : the files are there already, the folder lies in the exports, or the exports tell of no contracts and no outcome
    """
    inside = folder.resolve() == exports.resolve() or exports.resolve() in folder.resolve().parents
    if inside:
        raise HealthlibError(f"{folder.as_posix()} lies in the folder of exports, where nothing is written; name another folder")
    there = [name for name in FILES if (folder / name).exists()]
    if there and not force:
        raise HealthlibError(
            f"{' and '.join((folder / name).as_posix() for name in there)} exist already; nothing written (--force overwrites)"
        )
    draft = guess_workspace(folder, exports)
    for name, text in zip(FILES, (draft.workspace, draft.scorecard), strict=True):
        write_whole(folder / name, text)
    return draft


def guess_workspace(folder: Path, exports: Path) -> Draft:
    """The two files that `write_workspace` writes to `folder`."""
    sheets, unread = read_exports(exports)
    looked = look(sheets)
    title = " ".join(exports.resolve().name.replace("_", " ").split()).capitalize() or "Exports"
    remarks: dict[str, Sequence[str]] = {"exports": [relative(exports, folder)], "currency": _currency(looked), "left": unread}
    found = recognise(looked)
    if found is not None and found.contracts is not None:
        return _draft_tables(found, title, folder, remarks)
    flat = recognise_flat(looked)
    if flat is None:
        found = recognise_content(looked)
        if found is not None:
            return _draft_tables(found, title, folder, remarks)
        seen = [*(_seen(sheet, columns) for sheet, columns in looked), *seen_by_content(looked)]
        raise HealthlibError("\n  ".join([_nothing(exports), *seen, *unread, *TO_WRITE]))
    others = [f"{sheet.label}: not the sheet with the outcome" for sheet in sheets if sheet is not flat.sheet]
    return _draft_flat(flat, title, folder, {**remarks, "left": [*unread, *others]})


def _draft_tables(found: Exports, title: str, folder: Path, remarks: Mapping[str, Sequence[str]]) -> Draft:
    contracts = found.contracts
    if contracts is None:
        raise ValueError("no contracts")
    lost = lost_accounts(found)
    mapped = [map_accounts(found, lost), map_contracts(contracts, lost), *(part for one in found.events for part in map_events(one, lost))]
    tables: dict[str, list[Mapped]] = {}
    for part in sorted(mapped, key=lambda part: list(TABLES).index(part.table) if part.table in TABLES else len(TABLES)):
        tables.setdefault(part.table, []).append(part)
    gone = f"; by the contracts {int(lost.sum())} accounts have left, so compare" if len(lost) else ""
    left = [
        *(f"{one.sheet.label}: {one.why}{f'. {one.link}{gone}' if one.table == 'departures' else ''}" for one in found.left),
        *remarks["left"],
    ]
    left += [said for name in tables if (said := _without_workbooks(tables, name))]
    terms = terms_of(contracts)
    remarks = {**remarks, "left": left, "through": _through(tables)}
    text = workspace_text(tables, terms, title=title, folder=folder, remarks=remarks)
    told = {name: "; ".join(f"{part.source.sheet.label}: {_told(part)}" for part in parts) for name, parts in tables.items()}
    leaks = tuple(f"{part.source.sheet.label}: {name}: {why}" for part in mapped for name, why in part.leaks.items())
    unplaced = [f"{part.source.sheet.label}: {', '.join(part.unplaced)}" for part in mapped if part.unplaced and not part.unpivot]
    ragged = [f"{part.source.sheet.label}: {part.source.sheet.ragged}: SQL reads no such file" for part in mapped if _unreadable(part)]
    return Draft(text, scorecard_text(first_metrics(tables), title=title), told, leaks, tuple(dict.fromkeys([*ragged, *unplaced, *left])))


def _without_workbooks(tables: dict[str, list[Mapped]], name: str) -> str:
    """SQL puts several files of one table together but reads no workbook: then the longest alone stays. Returns what was left out."""
    parts = tables[name]
    if len(parts) == 1 or all(part.source.sheet.form != "excel" for part in parts):
        return ""
    longest = max(parts, key=lambda part: len(part.source.sheet.cells))
    tables[name] = [longest]
    others = ", ".join(part.source.sheet.label for part in parts if part is not longest)
    return f"{others}: {name} too, but SQL cannot put workbooks together; save them as CSV and run init again"


def _told(part: Mapped) -> str:
    """How a table joins; where it was guessed by content, why it is taken for what it is."""
    one = part.source
    return f"{one.why}; {one.link}" if one.link and one.guessed else str(one.link or one.why)


def _unreadable(part: Mapped) -> bool:
    return bool(part.source.sheet.ragged) and not part.as_file


def _draft_flat(flat: Flat, title: str, folder: Path, remarks: Mapping[str, Sequence[str]]) -> Draft:
    if not flat.metrics:
        raise HealthlibError(f"{flat.sheet.label} has an outcome ({flat.outcome}) but no column of numbers that a metric could read")
    leaks = tuple(f"{flat.sheet.label}: {name}: {why}" for name, why in flat.leaks.items())
    unplaced = [f"{flat.sheet.label}: {', '.join(flat.unplaced)}"] if flat.unplaced else []
    told = {"flat": f"{flat.sheet.label}: {flat.outcome}: {flat.said['outcome']}"}
    text = flat_text(flat, title=title, folder=folder, remarks=remarks)
    return Draft(text, scorecard_text(flat.metrics, title=title), told, leaks, (*unplaced, *remarks["left"]))


def _currency(looked: Sequence[Looked]) -> tuple[str, str]:
    """A code in a header, a sign in a cell of money, else USD."""
    for sheet, columns in looked:
        for column in columns.values():
            code = next((word for word in plain(column.name).split() if word in CODES), None)
            if code and column.kind == "number":
                return code.upper(), f"by the header {column.name} in {sheet.label}"
            shown = next((sign for sign in SIGNS if column.decimal and sign in column.said), None)
            if shown:
                return SIGNS[shown], f"by the {shown} in {column.name} of {sheet.label}"
    return "USD", "guess: no header or cell names a currency"


def _through(tables: Mapping[str, Sequence[Mapped]]) -> tuple[str, str]:
    """The last day that the exports cover, where the newest event would be wrong; "" where it is left to the newest event."""
    newest: dict[str, pd.Timestamp] = {}
    for name, parts in tables.items():
        time = (parts[0].time and "occurred_at") or (TABLES[name].time if name in TABLES else None)
        for part in parts:
            role = {"readings": "scored_on"}.get(name, time)
            column = part.column(role) if role and name not in ("accounts", "contracts", "attributes") else None
            if column:
                newest[name] = max(newest.get(name, pd.Timestamp.min), moments_of(part.source.sheet.cells[column.name], column).max())
    decided = _last_decision(tables["contracts"][0])
    last = max(newest.values(), default=pd.NaT)
    shown = ", ".join(f"{name} {day:%Y-%m-%d}" for name, day in newest.items() if not pd.isna(day))
    if not isinstance(last, pd.Timestamp) and decided is not None:
        return f"{decided:%Y-%m-%d}", "guess: the last outcome that the contracts tell; there is no event"
    sooner = _last_start(tables["contracts"][0], last, monthly=_monthly(tables)) if isinstance(last, pd.Timestamp) else None
    if sooner is not None:
        return sooner
    if decided is not None and decided > last:
        return "", f"the newest event decides ({shown}); outcomes later than that, up to {decided:%Y-%m-%d}, stay open"
    if pd.isna(last):
        return "", "no table of events says how far the exports reach, so the last start of a contract is taken. YOURS TO DECIDE"
    return "", f"the newest event decides ({shown})"


def _monthly(tables: Mapping[str, Sequence[Mapped]]) -> bool:
    return any((column := part.column("occurred_at")) is not None and column.month for part in tables.get("usage", ()))


def _last_start(part: Mapped, last: pd.Timestamp, *, monthly: bool) -> tuple[str, str] | None:
    """Where contracts stop starting long before the events end, they were exported earlier: from then on all would seem to leave."""
    column = part.column("start_date")
    if column is None or column.relative or pd.isna(last):
        return None
    days = moments_of(part.source.sheet.cells[column.name], column).dropna().sort_values()
    past = days[days <= last].drop_duplicates()
    if len(past) < 20 or (last - past.iloc[-1]).days <= max(14, 5 * float(past.diff().dt.days.quantile(0.99))):
        return None
    newest = past.iloc[-1]
    through = newest - pd.offsets.MonthEnd(1) if monthly and not newest.is_month_end else newest
    said = f"guess: events go on until {last:%Y-%m-%d}, but no contract starts after {newest:%Y-%m-%d}: the contracts were exported earlier"
    return f"{through:%Y-%m-%d}", said


def _last_decision(part: Mapped) -> pd.Timestamp | None:
    """The latest end among contracts whose outcome is told."""
    outcome, end = part.column("outcome"), part.column("decided_on") or part.column("end_date")
    if outcome is None or end is None:
        return None
    cells = part.source.sheet.cells
    told = cells[outcome.name].map(lambda cell: meaning(str(cell)) is not None)
    last = moments_of(cells.loc[told, end.name], end).max()
    return None if pd.isna(last) else last


def _nothing(exports: Path) -> str:
    return (
        f"{exports.as_posix()}: no file tells of contracts (an account, a start or an end, an amount) and no column says who left: "
        "nothing to judge a score by. Add an export of subscriptions, renewals or won deals, or a sheet with an outcome. Nor do the "
        "cells tell: what would pass for contracts are two dates a usual term apart (3, 6, 12, 24 months), money, and ids of customers "
        "that another file lists once each. What is there:"
    )


def _seen(sheet: Sheet, columns: Mapping) -> str:
    return f"{sheet.label}: {len(sheet.cells)} rows; {', '.join(f'{name} ({column.kind})' for name, column in columns.items())}"
