"""The rows of every metric and table, counted by how they lie to the day an account's leaving was decided, and to its end.

Like `outcomes` it may look past `as_of`, never past `at`: it serves the audit of the data, and no score is made from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from . import asof
from .engine import literal, quote
from .schema import WHEN
from .spec import Metric, Workspace
from .tables import Tables
from .traces import ACCOUNT_COLUMNS, INCUMBENT, LATE_DAYS, ROW_COLUMNS, SETTLED_DAYS, Traces

STAMP = re.compile(r"(updated|modified|changed|edited|modstamp)")
"""Names of columns that say when a row was last written to: updated_at, LastModifiedDate, SystemModstamp, changed_on ..."""

NOTICE = re.compile(r"(notice|cancell?ed|cancell?ation)")
"""Names of date columns of contracts that say when the leaving was decided, where there is no `decided_on`."""

MONTH_DAYS = 31
"""A month's total is dated on its last day: so long after an end a row may still speak of the time before."""


def read_traces(tables: Tables, workspace: Workspace, left: pd.DataFrame, at: pd.Timestamp) -> Traces:
    """The traces of every metric and table.

    Parameters
    ----------
    left : from `outcomes.churned`; `outcomes.prepare` has put the table ``spells``
    at : nothing known later is read
    """
    decision = _decision_column(tables)
    leavers = _leavers(tables, left, decision, at)
    stamps = {name: found for name in _event_tables(tables) if (found := _stamp(tables.columns[name]))}
    last = leavers.drop_duplicates("account_id", keep="last")
    tables.engine.put("leavers", last)
    parts = [_rows_of(tables, sources, stamps.get(sources.table), at) for sources in _sources(tables, workspace)]
    grace = workspace.outcome.grace_days
    whole = [_of_table(tables, name, grace, at) for name in _event_tables(tables)]
    return Traces(
        leavers=leavers,
        rows=_stacked(parts, ROW_COLUMNS),
        accounts=_stacked(whole, ACCOUNT_COLUMNS),
        stamps=stamps,
        attributes=asof.undated_attributes(tables),
        decided=decision is not None,
    )


@dataclass(frozen=True)
class _Sources:
    """Metrics that read the same rows of one table."""

    table: str
    condition: str
    metrics: tuple[str, ...]


def _sources(tables: Tables, workspace: Workspace) -> list[_Sources]:
    """Which rows each metric reads; metrics that read the same are counted once."""
    found: dict[tuple[str, str], list[str]] = {}
    for metric in workspace.scorecard.metrics.values():
        if metric.table in _event_tables(tables) and metric.measure.kind != "age":
            found.setdefault((str(metric.table), _condition(metric, tables)), []).append(metric.name)
    if INCUMBENT in tables.columns:
        found.setdefault((INCUMBENT, "true"), []).append(INCUMBENT)
    return [_Sources(table, condition, tuple(names)) for (table, condition), names in found.items()]


def _condition(metric: Metric, tables: Tables) -> str:
    """The rows a metric counts: its `where`, its reading, and for a share those that have what it looks for."""
    parts = [metric.where] if metric.where else []
    if metric.table == "readings":
        parts.append(f"metric = {literal(metric.reading or metric.name)}")
    of = metric.measure.of or ""
    if metric.measure.kind == "share":
        parts.append(f"{quote(of)} IS NOT NULL" if of in tables.columns[str(metric.table)] else of)
    return " AND ".join(f"({part}\n)" for part in parts) or "true"


def _event_tables(tables: Tables) -> list[str]:
    return [name for name in tables.columns if name not in ("accounts", "contracts", "attributes")]


def _stamp(columns: Mapping[str, str]) -> str | None:
    """The column that says when a row was last written to, if there is one."""
    return next((name for name, kind in columns.items() if kind == WHEN and STAMP.search(name.lower())), None)


def _decision_column(tables: Tables) -> str | None:
    columns = tables.columns["contracts"]
    if "decided_on" in columns:
        return "decided_on"
    return next((name for name, kind in columns.items() if kind == WHEN and NOTICE.search(name.lower())), None)


def _leavers(tables: Tables, left: pd.DataFrame, decision: str | None, at: pd.Timestamp) -> pd.DataFrame:
    """Each leaving with the day it was decided and the day the account came back."""
    tables.engine.put("left_in", left[["account_id", "ended_on"]])
    decided = "CAST(NULL AS DATE)" if decision is None else f"CAST({quote(decision)} AS DATE)"
    day = f"DATE '{at:%Y-%m-%d}'"
    frame = tables.engine.query(
        f"""WITH gone AS (SELECT account_id, CAST(ended_on AS DATE) AS ended_on FROM left_in),
        said AS (SELECT g.account_id, g.ended_on, min(c.decided) AS decided FROM gone g JOIN (
                SELECT account_id, CAST(end_date AS DATE) AS ends, {decided} AS decided FROM known.contracts
                WHERE {asof.seen("contracts", day)}) c
            ON c.account_id = g.account_id AND c.ends = g.ended_on WHERE c.decided <= {day} AND c.decided <= g.ended_on GROUP BY ALL),
        back AS (SELECT g.account_id, g.ended_on, min(s.starts) AS back FROM gone g JOIN spells s
            ON s.account_id = g.account_id AND s.starts > g.ended_on GROUP BY ALL)
        SELECT g.account_id, CAST(g.ended_on AS TIMESTAMP) AS ended_on,
            CAST(coalesce(said.decided, g.ended_on) AS TIMESTAMP) AS decided_on, CAST(back.back AS TIMESTAMP) AS back_on
        FROM gone g LEFT JOIN said ON said.account_id = g.account_id AND said.ended_on = g.ended_on
            LEFT JOIN back ON back.account_id = g.account_id AND back.ended_on = g.ended_on ORDER BY g.ended_on, g.account_id"""
    )
    return asof.tidy(frame)


def _rows_of(tables: Tables, sources: _Sources, stamp: str | None, at: pd.Timestamp) -> pd.DataFrame:
    """`ROW_COLUMNS` for the metrics that read these rows."""
    day = f"DATE '{at:%Y-%m-%d}'"
    written = f"CASE WHEN CAST({quote(stamp)} AS DATE) <= {day} THEN CAST({quote(stamp)} AS DATE) END" if stamp else "CAST(NULL AS DATE)"
    year = "g.ended_on IS NOT NULL AND r.day >= CAST(g.ended_on AS DATE) - 365 AND r.day < CAST(g.ended_on AS DATE)"
    decided = "CAST(g.decided_on AS DATE)"
    frame = tables.engine.query(
        f"""SELECT r.account_id, count(*) AS rows, CAST(min(greatest(r.day, r.known)) AS TIMESTAMP) AS first_known,
            count(*) FILTER (WHERE {year} AND r.day < {decided}) AS before,
            count(*) FILTER (WHERE {year} AND r.day >= {decided}) AS decided,
            count(r.written) AS stamped, count(*) FILTER (WHERE r.written > r.day + {SETTLED_DAYS}) AS edited,
            count(*) FILTER (WHERE r.written > r.day + {SETTLED_DAYS} AND r.written >= {decided}) AS edited_after
        FROM (SELECT account_id, day, known, {written} AS written FROM {_visible(tables, sources.table, at)} v
            WHERE ({sources.condition}\n)) r
        LEFT JOIN leavers g ON g.account_id = r.account_id GROUP BY r.account_id ORDER BY r.account_id"""
    )
    return pd.concat([frame.assign(metric=name) for name in sources.metrics], ignore_index=True)


def _visible(tables: Tables, name: str, at: pd.Timestamp) -> str:
    """The rows of a table known on `at`, columns that were filled in later empty, as a subquery; conditions on the day read `at`."""
    day, later = f"DATE '{at:%Y-%m-%d}'", asof.later_filled(tables, name)
    columns = [*tables.columns[name], *(["quantity"] if name == "usage" and "quantity" not in tables.columns[name] else [])]
    shown = [
        f"CASE WHEN CAST({quote(later[c])} AS DATE) <= {day} THEN {quote(c)} END AS {quote(c)}" if c in later else quote(c) for c in columns
    ]
    shown += [f"{told} AS {name}" for name, told in (("as_of", day), ("term_ends", "CAST(NULL AS DATE)")) if name not in columns]
    return f"(SELECT {', '.join(shown)}, day, known FROM known.{quote(name)} WHERE known <= {day} AND day <= {day})"


def _of_table(tables: Tables, name: str, grace_days: int, at: pd.Timestamp) -> pd.DataFrame:
    """`ACCOUNT_COLUMNS` for one table."""
    day = f"DATE '{at:%Y-%m-%d}'"
    timed = tables.schemas[name].time in tables.columns[name]
    gone = (
        f"r.day > CAST(g.ended_on AS DATE) + {max(int(grace_days), MONTH_DAYS)} AND (g.back_on IS NULL OR r.day < CAST(g.back_on AS DATE))"
    )
    early = "r.day < f.first_day" if timed else "false"
    frame = tables.engine.query(
        f"""SELECT r.account_id, count(*) AS rows, count(*) FILTER (WHERE {early}) AS early,
            count(*) FILTER (WHERE r.known > r.day + {LATE_DAYS}) AS late, count(*) FILTER (WHERE {gone}) AS after
        FROM (SELECT account_id, day, known FROM known.{quote(name)} WHERE known <= {day} AND day <= {day}) r
        LEFT JOIN leavers g ON g.account_id = r.account_id
        LEFT JOIN (SELECT account_id, min(day) AS first_day FROM known.contracts
                WHERE {asof.seen("contracts", day)} GROUP BY account_id) f
            ON f.account_id = r.account_id
        GROUP BY r.account_id ORDER BY r.account_id"""
    )
    return frame.assign(table=name)


def _stacked(parts: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """The parts as one tidy frame with these columns."""
    if not parts:
        return pd.DataFrame(columns=list(columns))
    frame = pd.concat(parts, ignore_index=True)[list(columns)]
    stamps = [name for name in columns if pd.api.types.is_datetime64_any_dtype(frame[name])]
    return frame.astype(dict.fromkeys(stamps, "datetime64[s]"))
