"""Is the data good enough? What came in, what it covers, whether it adds up, and what may be asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from healthlib import __version__, asof, ledger, provenance
from healthlib.errors import EvidenceError
from healthlib.repeats import REPEAT_COLUMNS, repeats
from healthlib.scoring import applies
from healthlib.spec import Scorecard, Workspace, load_workspace
from healthlib.studies.book import Book, book_of
from healthlib.studies.breaks import BREAK_COLUMNS, PERIOD_COLUMNS, find_breaks
from healthlib.studies.check_facts import CheckFacts
from healthlib.studies.groups import attributes
from healthlib.studies.leaks import NOTHING_FOUND, LeakAudit
from healthlib.studies.lint import COLUMNS as LINT_COLUMNS
from healthlib.studies.lint import lint_book
from healthlib.studies.readiness import not_ready, power, readiness
from healthlib.tables import RejectedError, Tables, load_tables

NOT_STREAMS = ("accounts", "contracts", "attributes")
"""Tables whose volume is that of the book itself."""
EXAMPLES = 3
"""Rows shown of each broken rule."""
COVERAGE_COLUMNS = ("metric", "label", "group", "weight", "as_of", "share", "accounts")
SEGMENT_COLUMNS = ("metric", "label", "weight", "segment", "share", "accounts")


@dataclass(frozen=True)
class Opened:
    """What a check has in hand: the tables always, the book where one can be opened, and else why not."""

    tables: Tables
    workspace: Workspace
    at: pd.Timestamp
    book: Book | None = None
    failed: str = ""


def open_for_check(folder: Path | str, as_of: str | None = None, *, anonymise: bool = False) -> Opened:
    """Read a workspace as far as it can be read: also where too many rows were set aside, or nothing had begun.

    Raises
    ------
    HealthlibError
        Where there is nothing to check: no readable workspace, tables missing or unreadable, a day after the data.
    """
    workspace, failed = load_workspace(Path(folder), anonymise=anonymise), ""
    try:
        tables = load_tables(workspace)
    except RejectedError as error:
        tables, failed = error.tables, str(error)
    through = pd.Timestamp(tables.data_through)
    at = pd.Timestamp(as_of) if as_of else through
    if at > through:
        raise EvidenceError(
            f"as of {at:%Y-%m-%d} was asked for, but the data end on {through:%Y-%m-%d}; ask for that day or bring newer exports"
        )
    try:
        return Opened(tables, workspace, at, book_of(tables, workspace, at), failed)
    except EvidenceError as error:
        return Opened(tables, workspace, at, None, failed or str(error))


def check_study(opened: Opened) -> CheckFacts:
    """Every part of the check, as known on `opened.at`.

    Returns
    -------
    CheckFacts
    """
    tables, workspace, book = opened.tables, opened.workspace, opened.book
    finished = book.cases[book.cases["lost"].notna()] if book else pd.DataFrame({"account_id": [], "as_of": [], "lost": []})
    rules, examples = broken_rules(tables)
    dated = workspace.flat is None
    history = book.history if book else None
    segment = segment_of(history, workspace.scorecard)
    suspected = suspected_leaks(book)
    return CheckFacts(
        context=_context(opened, segment),
        dated=dated,
        failed=opened.failed,
        readiness=not_ready(*_stops(opened.failed)) if opened.failed else readiness(finished),
        power=power(finished),
        tables=_tables(tables),
        rules=rules,
        examples=examples,
        coverage=coverage(history, workspace.scorecard),
        by_segment=coverage_by(history, workspace.scorecard, segment),
        leaks=suspected.found,
        leak_figures=suspected.figures,
        leak_notes=suspected.notes,
        lint=lint_book(book) if book else pd.DataFrame(columns=list(LINT_COLUMNS)),
        labels={name: metric.label or name for name, metric in workspace.scorecard.metrics.items()},
        warnings=tables.warnings,
        **(_events(opened) if dated else _sheet(opened)),
    )


def suspected_leaks(book: Book | None) -> LeakAudit:
    """What seems to know the outcome; nothing where there is no book to look through."""
    return NOTHING_FOUND if book is None else book.leaks


def _stops(failed: str) -> tuple[str, str]:
    """Why nothing may be asked yet, and what it needs: the first and the last line of what stopped the check."""
    lines = [line.strip() for line in failed.splitlines() if line.strip()]
    return lines[0], lines[-1] if len(lines) > 1 else "data that can be read"


def _context(opened: Opened, segment: str) -> dict[str, Any]:
    workspace, book = opened.workspace, opened.book
    history = book.history if book else pd.DataFrame({"as_of": pd.to_datetime([])})
    return {
        "workspace": workspace.name,
        "currency": workspace.currency,
        "as_of": opened.at,
        "data_through": pd.Timestamp(opened.tables.data_through),
        "simulated": workspace.simulated,
        "anonymised": workspace.anonymise,
        "accounts": int((history["as_of"] == opened.at).sum()),
        "scorecard_sha256": workspace.scorecard.sha256,
        "versions": {"healthlib": __version__},
        "kind": workspace.kind,
        "segment_by": segment,
        "grace_days": workspace.outcome.grace_days,
        "evidence": book.evidence if book else "",
    }


def _tables(tables: Tables) -> pd.DataFrame:
    frame = tables.report[["table", "rows_in", "rows_used", "rows_rejected", "first_day", "last_day"]]
    return frame.assign(share=frame["rows_rejected"] / frame["rows_in"].where(frame["rows_in"] > 0))


def broken_rules(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How many rows broke which rule, and the first of them; see `CheckFacts`."""
    first = [
        frame[["file", "line", "column", "value", "rule"]].groupby("rule", sort=False).head(EXAMPLES).assign(table=name)
        for name, frame in tables.rejected.items()
    ]
    columns = ["table", "rule", "file", "line", "column", "value"]
    examples = pd.concat(first, ignore_index=True)[columns] if first else pd.DataFrame(columns=columns)
    counts = [(name, rule.partition(": ")[2] or rule, rows) for name, by_rule in tables.broken.items() for rule, rows in by_rule.items()]
    rules = pd.DataFrame(counts, columns=["table", "rule", "rows"]).groupby(["table", "rule"], as_index=False, sort=False).sum()
    rules = rules.merge(examples.drop_duplicates(["table", "rule"]), how="left", on=["table", "rule"])
    return rules.sort_values(["rows", "table", "rule"], ascending=[False, True, True], ignore_index=True), examples


def segment_of(history: pd.DataFrame | None, scorecard: Scorecard) -> str:
    """The attribute to split by: the first grouping that the audit would use; empty where there is none."""
    found = attributes(history, scorecard) if history is not None and len(history) else []
    return found[0] if found else ""


def coverage(history: pd.DataFrame | None, scorecard: Scorecard) -> pd.DataFrame:
    """Share of the active accounts a metric applies to for which it was measured, by day of `history`; see `CheckFacts`."""
    if history is None or history.empty:
        return pd.DataFrame(columns=list(COVERAGE_COLUMNS))
    return _measured(history, scorecard, "as_of")[list(COVERAGE_COLUMNS)]


def coverage_by(history: pd.DataFrame | None, scorecard: Scorecard, segment: str) -> pd.DataFrame:
    """The same on the last day, by the values of an attribute."""
    if history is None or history.empty or not segment:
        return pd.DataFrame(columns=list(SEGMENT_COLUMNS))
    today = history[history["as_of"] == history["as_of"].max()].reset_index(drop=True)
    labels = today[segment].astype("object").where(today[segment].notna(), "not known").astype(str)
    return _measured(today.assign(**{segment: labels}), scorecard, segment).rename(columns={segment: "segment"})[list(SEGMENT_COLUMNS)]


def _measured(frame: pd.DataFrame, scorecard: Scorecard, by: str) -> pd.DataFrame:
    names = [name for name in scorecard.metrics if name in frame]
    due = applies(scorecard, frame)[names]
    seen = due & frame[names].notna()
    due, seen = (each.groupby(frame[by]).sum().astype(float) for each in (due, seen))
    long = due.reset_index().melt(by, var_name="metric", value_name="accounts")
    long["share"] = (seen / due.where(due > 0)).reset_index().melt(by)["value"]
    about = pd.DataFrame(
        [(n, m.label or n, m.group, m.weight) for n, m in scorecard.metrics.items()], columns=["metric", "label", "group", "weight"]
    )
    order = {name: place for place, name in enumerate(names)}
    found = long.merge(about, on="metric").assign(place=lambda rows: rows["metric"].map(order))
    return found.sort_values(["place", by], kind="stable", ignore_index=True)


def _events(opened: Opened) -> dict[str, Any]:
    """The frames of dated tables."""
    tables, workspace, at = opened.tables, opened.workspace, opened.at
    asof.open_door(tables, workspace)
    clocks = provenance.clocks(tables, workspace, at)
    streams = clocks.loc[clocks["last_day"].notna() & ~clocks["table"].isin(NOT_STREAMS), "table"].astype(str).tolist()
    others = [name for name in clocks["table"].astype(str) if name not in NOT_STREAMS]
    found, volumes = find_breaks(provenance.daily_rows(tables, streams, at), provenance.active_by_day(tables, at), _expected(clocks, at))
    terms = ledger.terms(tables, workspace, at)
    return {
        "clocks": clocks.merge(weight_by_table(workspace.scorecard), how="left", on="table").fillna({"weight": 0.0}),
        "undated": undated_attributes(tables, workspace.scorecard),
        "breaks": found,
        "volumes": volumes,
        "strangers": provenance.strangers(tables),
        "reach": provenance.reach(tables, others, at),
        "repeats": repeats(tables, others, at),
        "beside": ledger.beside(terms, at),
        "corrected": provenance.corrected(tables, at),
        "overlaps": ledger.overlaps(terms, at),
        "mismatches": ledger.mismatches(terms, at, workspace.outcome.grace_days),
        "bridge": _restated(ledger.bridge(terms, at), opened.book),
        "invoiced": ledger.invoiced(tables, terms, at),
    }


def _expected(clocks: pd.DataFrame, at: pd.Timestamp) -> pd.Series:
    """table -> the last day whose rows should be there: `at`, less the declared lag or the delay that 95 % of the rows keep."""
    late = clocks.set_index("table")[["lag_days", "delay_p95"]].astype(float).max(axis=1).fillna(0.0)
    return at - pd.to_timedelta(late.round(), unit="D")


def _restated(bridge: pd.DataFrame, book: Book | None) -> pd.DataFrame:
    """The bridge beside the ARR that was known on each day itself: the difference is what was written down, or changed, later."""
    if book is None:
        return bridge.assign(known_then=float("nan"), restated=float("nan"))
    then = book.history.groupby("as_of")["arr"].sum().reindex(bridge["month"]).fillna(0.0).to_numpy()
    return bridge.assign(known_then=then, restated=(bridge["end"] - then).round(6))


def weight_by_table(scorecard: Scorecard) -> pd.DataFrame:
    """table, weight: the share of the score's weight whose metrics read each table; metrics without a table read contracts."""
    rows = [(metric.table or "contracts", metric.weight) for metric in scorecard.metrics.values()]
    frame = pd.DataFrame(rows, columns=["table", "weight"]).groupby("table", as_index=False)["weight"].sum()
    total = float(frame["weight"].sum())
    return frame.assign(weight=frame["weight"] / total if total > 0 else 0.0)


def undated_attributes(tables: Tables, scorecard: Scorecard) -> tuple[str, ...]:
    """Attributes that decide a metric's scale or whether it applies, and of which only today's value is known."""
    asked = {
        column
        for metric in scorecard.metrics.values()
        for condition in (metric.applies_to, *(profile.when for profile in metric.profiles))
        for column in condition
    }
    today = set(tables.columns["accounts"]) - set(tables.columns.get("attributes", {})) - {"account_id"}
    return tuple(sorted(asked & today))


def _sheet(opened: Opened) -> dict[str, Any]:
    """The same frames for one flat sheet, empty: it has no days."""
    clocks = provenance.clocks(opened.tables, opened.workspace, opened.at)
    empty = {
        "breaks": BREAK_COLUMNS,
        "volumes": PERIOD_COLUMNS,
        "strangers": provenance.STRANGER_COLUMNS,
        "reach": provenance.REACH_COLUMNS,
        "repeats": REPEAT_COLUMNS,
        "overlaps": ledger.OVERLAP_COLUMNS,
        "mismatches": ledger.MISMATCH_COLUMNS,
        "bridge": (*ledger.BRIDGE_COLUMNS, "known_then", "restated"),
        "invoiced": ledger.INVOICED_COLUMNS,
    }
    frames = {name: pd.DataFrame(columns=list(columns)) for name, columns in empty.items()}
    return {"clocks": clocks.assign(weight=1.0), "undated": (), "beside": 0.0, **frames}
