"""What happened next: the only module that may look past `as_of`, and never past `at`, the day the knowledge is from.

A *spell* is an account's unbroken cover: terms whose gaps are at most `grace_days`. It ends on the first day no longer covered.
Terms whose outcome is given (`contracts.outcome`, once decided) keep it; the others are derived as PRODUCT.md §5.3 says.
"""

from __future__ import annotations

import pandas as pd

from . import asof
from .spec import OutcomeSpec, Workspace
from .tables import Tables

LEADS = (30, 60, 90, 120, 150, 180)
"""Days before the end at which the lead-time table reads the score."""


def prepare(tables: Tables, workspace: Workspace, at: pd.Timestamp) -> None:
    """Put tables ``terms`` and ``spells`` into the engine, as known on `at`.

    ``terms``: account_id, day (start), ends, known (when it was first told, however it was corrected since), arr, said (given outcome once
    decided, else NULL), renewed_arr, churn_reason.
    ``spells``: account_id, starts, ends (9999-12-31 while evergreen), said and churn_reason of the last term.
    """
    engine, columns = tables.engine, tables.columns["contracts"]
    decided = "CAST(decided_on AS DATE)" if "decided_on" in columns else "CAST(end_date AS DATE)"
    given = {
        c: f"CASE WHEN coalesce({decided}, CAST(end_date AS DATE)) <= {_date(at)} THEN {c} END" if c in columns else "NULL"
        for c in ("outcome", "renewed_arr", "churn_reason")
    }
    ends = "CAST(end_date AS DATE)"
    if workspace.outcome.kind == "churn_within":
        ends = f"CASE WHEN {ends} <= {_date(at)} THEN {ends} END"
    engine.run(
        f"""CREATE OR REPLACE TABLE terms AS SELECT account_id, day, coalesce({ends}, {asof.FAR}) AS ends, _told AS known, arr,
            CASE WHEN {given["outcome"]} <> 'open' THEN {given["outcome"]} END AS said,
            CAST({given["renewed_arr"]} AS DOUBLE) AS renewed_arr, CAST({given["churn_reason"]} AS VARCHAR) AS churn_reason
        FROM known.contracts WHERE {asof.seen("contracts", _date(at))} AND arr > 0"""
    )
    engine.run(
        f"""CREATE OR REPLACE TABLE spells AS WITH marked AS (
            SELECT *, max(ends) OVER (
                PARTITION BY account_id ORDER BY day, ends ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM terms),
        numbered AS (
            SELECT *, sum(CASE WHEN before IS NULL OR day - before > {workspace.outcome.grace_days} THEN 1 ELSE 0 END)
                OVER (PARTITION BY account_id ORDER BY day, ends ROWS UNBOUNDED PRECEDING) AS spell FROM marked),
        ranked AS (
            SELECT *, row_number() OVER (PARTITION BY account_id, spell ORDER BY ends DESC, day DESC, arr DESC) AS place FROM numbered)
        SELECT account_id, CAST(spell AS INTEGER) AS spell, min(day) AS starts, max(ends) AS ends,
            max(CASE WHEN place = 1 THEN said END) AS said,
            max(CASE WHEN place = 1 THEN churn_reason END) AS churn_reason FROM ranked GROUP BY account_id, spell"""
    )


def _date(day: pd.Timestamp) -> str:
    return f"DATE '{day:%Y-%m-%d}'"


def churned(tables: Tables, at: pd.Timestamp, grace_days: int) -> pd.DataFrame:
    """Accounts that left for good or for longer than the grace, as known on `at`.

    Returns
    -------
    account_id, ended_on (first day no longer covered), arr (ARR on the last covered day), reason (NaN where not said); sorted by ended_on.
    A spell that ended with the given outcome "renewed" (a course completed, say) is not churn.
    """
    frame = tables.engine.query(
        f"""SELECT s.account_id, CAST(s.ends AS TIMESTAMP) AS ended_on,
            CAST(sum(CAST(t.arr AS DECIMAL(38, 6))) AS DOUBLE) AS arr, s.churn_reason AS reason
        FROM spells s JOIN terms t ON t.account_id = s.account_id AND t.day < s.ends AND t.ends >= s.ends
        WHERE s.ends <= {_date(at)} AND coalesce(s.said, '') <> 'renewed' AND (s.said = 'churned' OR s.ends + {grace_days} <= {_date(at)})
        GROUP BY s.account_id, s.ends, s.churn_reason ORDER BY s.ends, s.account_id"""
    )
    return asof.tidy(frame)


def term_spine(tables: Tables, outcome: OutcomeSpec, at: pd.Timestamp) -> pd.DataFrame:
    """One case per account and end of term, read `lead_days` before the end; only terms that had begun and were known by then.

    Returns account_id, as_of, ends (Timestamp), sorted; as_of <= at. Shorter terms have no such day and give no case.
    """
    frame = tables.engine.query(
        f"""SELECT account_id, CAST(read_on AS TIMESTAMP) AS as_of, CAST(ends AS TIMESTAMP) AS ends
        FROM (SELECT *, ends - {outcome.lead_days} AS read_on FROM terms WHERE ends < {asof.FAR}) t
        WHERE day <= read_on AND known <= read_on AND read_on <= {_date(at)} GROUP BY account_id, read_on, ends ORDER BY 2, 1"""
    )
    return asof.tidy(frame)


def label(tables: Tables, workspace: Workspace, spine: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """The outcome of each case, as known on `at`.

    Parameters
    ----------
    spine : account_id, as_of, arr; for renewal and expansion also ends (from `term_spine`)

    Returns
    -------
    The spine, less accounts that were no customers on that day by what is told now (a contract taken back), with horizon_ends_on (the last
    day that can change the outcome), outcome (renewed, churned, open; for expansion expanded, not_expanded, open), lost (1 lost or not
    expanded, 0 kept or expanded, NaN open) and arr_lost (ARR of lost cases). A case is open until its whole horizon and grace have passed,
    also where its churn is known earlier: churn is known early and renewal late, and taking "whatever is known" would over-count churn.
    """
    outcome = workspace.outcome
    if spine.empty:
        return spine.assign(horizon_ends_on=spine["as_of"], outcome="open", lost=float("nan"), arr_lost=float("nan"))
    known = _churn_within(tables, outcome, spine) if outcome.kind == "churn_within" else _of_terms(tables, outcome, spine)
    frame = spine.merge(known, how="inner", on=["account_id", "as_of"])
    if outcome.kind == "churn_within":
        frame["horizon_ends_on"] = frame["as_of"] + pd.Timedelta(days=outcome.horizon_days + outcome.grace_days)
    else:
        frame["horizon_ends_on"] = frame["ends"] + pd.Timedelta(days=outcome.grace_days)
    lost, kept = ("not_expanded", "expanded") if outcome.kind == "expansion" else ("churned", "renewed")
    finished = frame["horizon_ends_on"] <= at
    frame["lost"] = frame["is_lost"].where(finished).astype(float)
    frame["outcome"] = frame["lost"].map({1.0: lost, 0.0: kept}).fillna("open")
    frame["arr_lost"] = frame["lost"] * frame["arr"]
    return frame.drop(columns="is_lost")


def _churn_within(tables: Tables, outcome: OutcomeSpec, spine: pd.DataFrame) -> pd.DataFrame:
    """is_lost: the account's cover ends within the horizon, without a new term within the grace; no row where none covers the day."""
    asof.put_spine(tables, spine)
    return asof.tidy(
        tables.engine.query(
            f"""SELECT s.account_id, CAST(s.as_of AS TIMESTAMP) AS as_of,
            CAST(max(CASE WHEN p.ends <= s.as_of + {outcome.horizon_days} AND coalesce(p.said, '') <> 'renewed' THEN 1 ELSE 0 END)
                AS DOUBLE) AS is_lost
        FROM spine s JOIN spells p ON p.account_id = s.account_id AND p.starts <= s.as_of AND p.ends > s.as_of
        GROUP BY s.account_id, s.as_of"""
        )
    )


def _of_terms(tables: Tables, outcome: OutcomeSpec, spine: pd.DataFrame) -> pd.DataFrame:
    """is_lost of a term: what was said, else whether a contract starts by end + grace and covers later days."""
    tables.engine.put("cases_in", spine[["account_id", "as_of", "ends"]])
    frame = asof.tidy(
        tables.engine.query(
            f"""WITH c AS (SELECT account_id, CAST(as_of AS DATE) AS as_of, CAST(ends AS DATE) AS ends FROM cases_in),
        mine AS (SELECT c.account_id, c.as_of, max(t.said) AS said, sum(t.renewed_arr) AS renewed_arr FROM c
            JOIN terms t ON t.account_id = c.account_id AND t.ends = c.ends GROUP BY c.account_id, c.as_of),
        later AS (SELECT c.account_id, c.as_of, count(*) AS n,
                CAST(sum(CASE WHEN n.ends > c.ends + {outcome.grace_days} THEN CAST(n.arr AS DECIMAL(38, 6)) ELSE 0 END)
                    AS DOUBLE) AS arr_after
            FROM c JOIN terms n ON n.account_id = c.account_id AND n.day <= c.ends + {outcome.grace_days} AND n.ends > c.ends
            GROUP BY c.account_id, c.as_of),
        before AS (SELECT c.account_id, c.as_of, CAST(sum(CAST(t.arr AS DECIMAL(38, 6))) AS DOUBLE) AS arr_before
            FROM c JOIN terms t ON t.account_id = c.account_id AND t.day < c.ends AND t.ends >= c.ends GROUP BY c.account_id, c.as_of)
        SELECT c.account_id, CAST(c.as_of AS TIMESTAMP) AS as_of, before.arr_before,
            coalesce(later.arr_after, mine.renewed_arr, 0) AS arr_after,
            CASE WHEN mine.said = 'churned' THEN 1.0 WHEN mine.said = 'renewed' OR later.n > 0 THEN 0.0 ELSE 1.0 END AS is_lost
        FROM c LEFT JOIN mine ON mine.account_id = c.account_id AND mine.as_of = c.as_of
            LEFT JOIN later ON later.account_id = c.account_id AND later.as_of = c.as_of
            LEFT JOIN before ON before.account_id = c.account_id AND before.as_of = c.as_of"""
        )
    )
    if outcome.kind == "expansion":
        grown = frame["arr_after"] / frame["arr_before"] - 1 > outcome.expansion_over
        frame["is_lost"] = 1.0 - grown.astype(float).where(frame["is_lost"] == 0, 0.0)
    return frame[["account_id", "as_of", "is_lost"]]


def lead_spine(left: pd.DataFrame) -> pd.DataFrame:
    """account_id, as_of, lead_days, ended_on: the days 30 … 180 before each account in `left` (from `churned`) ended."""
    pieces = [left.assign(lead_days=lead, as_of=left["ended_on"] - pd.Timedelta(days=lead)) for lead in LEADS]
    return pd.concat(pieces, ignore_index=True)[["account_id", "as_of", "lead_days", "ended_on"]]
