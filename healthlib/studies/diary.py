"""What happened with each account, as known on the day of the book: its terms, its tickets and contacts by month, its playbooks."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from healthlib import metrics
from healthlib.asof import tidy
from healthlib.engine import quote
from healthlib.ledger import terms
from healthlib.spec import Measure, Metric, Scorecard, Workspace
from healthlib.tables import Tables

RECENT_DAYS = 90
"""How far `recent` looks back from a case."""
RECENT = {"tickets": "tickets", "contacts": "touchpoints"}
"""Column of `recent` -> the table whose rows it counts."""

TERM_COLUMNS = ("account_id", "contract", "starts", "ends", "arr", "said", "renewed_arr")
MONTH_COLUMNS = ("account_id", "month", "kind", "what", "n")
PLAY_COLUMNS = ("account_id", "starts", "ends", "playbook")
DUE_COLUMNS = ("account_id", "due_on", "what")
RECENT_COLUMNS = ("account_id", "as_of", *RECENT)


def _none(columns: tuple[str, ...], days: tuple[str, ...] = ()) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns)).astype(dict.fromkeys(days, "datetime64[s]"))


@dataclass(frozen=True)
class Diary:
    """The events of the accounts, as known on one day.

    Attributes
    ----------
    terms : every paid term that had begun, see `ledger.terms`
    months : account_id, month (its first day), kind (opened, closed: tickets; contact), what (severity of a ticket, kind of a contact; ""
        where not said), n
    plays : account_id, starts, ends (NaT while it runs), playbook
    due : account_id, due_on, what: onboarding steps still open whose agreed day lies ahead, the nearest first
    recent : account_id, as_of, tickets, contacts: how many in the `RECENT_DAYS` before each case; NaN where nothing was recorded yet, or
        the table is absent
    """

    terms: pd.DataFrame = field(default_factory=lambda: _none(TERM_COLUMNS, ("starts", "ends")))
    months: pd.DataFrame = field(default_factory=lambda: _none(MONTH_COLUMNS, ("month",)))
    plays: pd.DataFrame = field(default_factory=lambda: _none(PLAY_COLUMNS, ("starts", "ends")))
    due: pd.DataFrame = field(default_factory=lambda: _none(DUE_COLUMNS, ("due_on",)))
    recent: pd.DataFrame = field(default_factory=lambda: _none(RECENT_COLUMNS, ("as_of",)))


def read_diary(tables: Tables, workspace: Workspace, cases: pd.DataFrame, at: pd.Timestamp) -> Diary:
    """The diary of every account as known on `at`; a table that is absent leaves its part empty.

    Parameters
    ----------
    cases : account_id, as_of, arr, seats, age_days: the days that `recent` looks back from
    """
    return Diary(
        terms=terms(tables, workspace, at),
        months=_months(tables, at),
        plays=_plays(tables, at),
        due=_due(tables, at),
        recent=_recent(tables, workspace, cases),
    )


def _months(tables: Tables, at: pd.Timestamp) -> pd.DataFrame:
    """Tickets opened and closed, and contacts, a row per account, month and what they were."""
    day = f"DATE '{at:%Y-%m-%d}'"
    known = f"known <= {day} AND day <= {day}"
    parts = []
    if "tickets" in tables.columns:
        what = _text(tables, "tickets", "severity")
        parts.append(f"SELECT account_id, day, 'opened' AS kind, {what} AS what FROM known.tickets WHERE {known}")
        if "closed_at" in tables.columns["tickets"]:
            when = "CAST(closed_at AS DATE)"
            picked = f"SELECT account_id, {when} AS day, 'closed' AS kind, {what} AS what FROM known.tickets"
            parts.append(f"{picked} WHERE {known} AND {when} <= {day}")
    if "touchpoints" in tables.columns:
        what = _text(tables, "touchpoints", "kind")
        parts.append(f"SELECT account_id, day, 'contact' AS kind, {what} AS what FROM known.touchpoints WHERE {known}")
    if not parts:
        return Diary().months
    found = tables.engine.query(
        f"""SELECT account_id, CAST(date_trunc('month', day) AS TIMESTAMP) AS month, kind, what, count(*) AS n
        FROM ({" UNION ALL ".join(parts)}) e GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
    )
    return tidy(found)[list(MONTH_COLUMNS)]


def _text(tables: Tables, table: str, column: str) -> str:
    return f"coalesce(CAST({quote(column)} AS VARCHAR), '')" if column in tables.columns[table] else "''"


def _plays(tables: Tables, at: pd.Timestamp) -> pd.DataFrame:
    """Playbooks that had begun; one that ends after `at` still runs. An account that an experiment left alone has none."""
    if "interventions" not in tables.columns:
        return Diary().plays
    day = f"DATE '{at:%Y-%m-%d}'"
    worked = "lower(trim(coalesce(CAST(arm AS VARCHAR), ''))) <> 'control'" if "arm" in tables.columns["interventions"] else "true"
    ends = f"CASE WHEN CAST(ended_at AS DATE) <= {day} THEN CAST(ended_at AS TIMESTAMP) END"
    ends = ends if "ended_at" in tables.columns["interventions"] else "CAST(NULL AS TIMESTAMP)"
    found = tables.engine.query(
        f"""SELECT account_id, CAST(day AS TIMESTAMP) AS starts, {ends} AS ends, CAST(playbook AS VARCHAR) AS playbook
        FROM known.interventions WHERE known <= {day} AND day <= {day} AND {worked} ORDER BY 1, 2, 4, 3"""
    )
    return tidy(found.assign(ends=found["ends"].astype("datetime64[s]").dt.normalize()))[list(PLAY_COLUMNS)]


def _due(tables: Tables, at: pd.Timestamp) -> pd.DataFrame:
    """Milestones that were known on `at`, not completed by then, and due later."""
    given = tables.columns.get("milestones", {})
    if "due_at" not in given:
        return Diary().due
    day = f"DATE '{at:%Y-%m-%d}'"
    done = f"AND (completed_at IS NULL OR CAST(completed_at AS DATE) > {day})" if "completed_at" in given else ""
    found = tables.engine.query(
        f"""SELECT account_id, CAST(CAST(due_at AS DATE) AS TIMESTAMP) AS due_on, CAST(milestone AS VARCHAR) AS what
        FROM known.milestones WHERE known <= {day} AND CAST(due_at AS DATE) > {day} {done} ORDER BY 2, 1, 3"""
    )
    return tidy(found)[list(DUE_COLUMNS)]


def _recent(tables: Tables, workspace: Workspace, cases: pd.DataFrame) -> pd.DataFrame:
    """Tickets and contacts in the `RECENT_DAYS` before each case, through the same door as every metric."""
    there = {column: table for column, table in RECENT.items() if table in tables.columns}
    if not there or cases.empty:
        return Diary().recent
    asked = {
        column: Metric(
            name=column, group="g", label=column, table=table, measure=Measure(kind="count"), window_days=RECENT_DAYS, worst=1.0, best=0.0
        )
        for column, table in there.items()
    }
    state = cases[["account_id", "as_of", "arr", "seats", "age_days"]]
    card = Scorecard(groups=("g",), metrics=asked, bands=())
    measured = metrics.measure(tables, workspace.model_copy(update={"scorecard": card}), state)
    return state[["account_id", "as_of"]].assign(**{name: measured[name] if name in there else float("nan") for name in RECENT})
