"""Where rows come from and when they came to be known: each table's clock and reach, its volume by day, and ids that do not join.

Reads ``known.<table>`` as of one day: rows that were not visible then change nothing here.
"""

from __future__ import annotations

import re

import pandas as pd

from healthlib.asof import FAR, later_filled, replaced, seen, tidy
from healthlib.engine import quote
from healthlib.spec import Workspace
from healthlib.tables import Tables

STRANGER = "an account that is not in accounts"
"""The rule that a row of an unknown account breaks."""

CLOCKS = {
    "recorded": "recorded_at",
    "lag": "declared lag",
    "none": "none",
    "borrowed": "no day of its own",
    "today": "today's values",
}
"""Clock of a table -> what a page calls it."""

CLOCK_COLUMNS = (
    "table", "clock", "lag_days", "rows", "accounts", "recorded_rows", "delay_median", "delay_p95", "first_day", "last_day", "silent_days",
)  # fmt: skip

STRANGER_COLUMNS = ("table", "column", "rows", "ids", "alike", "first_ids", "first_line")
REACH_COLUMNS = ("table", "active", "with_rows", "share", "before", "after", "outside")


def clocks(tables: Tables, workspace: Workspace, at: pd.Timestamp) -> pd.DataFrame:
    """What says when the rows of each table came to be known, how late they came, and how far back they go.

    Parameters
    ----------
    tables : with the door open (`asof.open_door`), unless the workspace is one flat sheet
    at : the day the knowledge is from

    Returns
    -------
    DataFrame `CLOCK_COLUMNS`, a row a table: clock (recorded: the table has `recorded_at`; lag: the workspace declares `lag_days`; none:
    rows count as known on the day they happened; borrowed: no day of their own, visible from the first contract; today: accounts, which
    hold today's values), rows and accounts visible on `at`, recorded_rows with a recorded_at, delay_median and delay_p95 (days from the
    event to its record; NaN without), first_day, last_day (NaT without a day), silent_days from last_day to `at`.
    """
    rows = [_clock(tables, workspace, name, at) for name in tables.columns]
    frame = pd.DataFrame(rows, columns=list(CLOCK_COLUMNS))
    return frame.astype({"first_day": "datetime64[s]", "last_day": "datetime64[s]"})


def _clock(tables: Tables, workspace: Workspace, name: str, at: pd.Timestamp) -> list[object]:
    """One row of `clocks`."""
    if name == "accounts":
        found = tables.engine.query("SELECT count(*) AS rows, count(DISTINCT account_id) AS accounts FROM data.accounts").iloc[0]
        kind = "today" if workspace.flat is None else "none"
        return [name, kind, 0, int(found["rows"]), int(found["accounts"]), 0, float("nan"), float("nan"), pd.NaT, pd.NaT, float("nan")]
    columns, time, source = tables.columns[name], tables.schemas[name].time, workspace.tables.get(name)
    lag = source.lag_days if source else 0
    stamped = "recorded_at" in columns
    known = "_told" if name == "contracts" else "known"  # a correction says nothing of how late contracts are recorded
    delay = f"CASE WHEN recorded_at IS NOT NULL THEN {known} - day END" if stamped else "CAST(NULL AS BIGINT)"
    found = tables.engine.query(
        f"""SELECT count(*) AS rows, count(DISTINCT account_id) AS accounts, count({delay}) AS recorded,
            CAST(quantile_cont({delay}, 0.5) AS DOUBLE) AS middle, CAST(quantile_cont({delay}, 0.95) AS DOUBLE) AS late,
            CAST(min(day) AS TIMESTAMP) AS first, CAST(max(day) AS TIMESTAMP) AS last
        FROM known.{quote(name)} WHERE {seen(name, _date(at))}"""
    ).iloc[0]
    dated = bool(time and time in columns)
    kind = "recorded" if stamped and found["recorded"] else "lag" if lag else "none" if dated else "borrowed"
    first, last = (pd.Timestamp(found[end]) if dated else pd.NaT for end in ("first", "last"))
    silent = (at - last).days if dated and not pd.isna(last) else float("nan")
    counts = [int(found[column]) for column in ("rows", "accounts", "recorded")]
    return [name, kind, lag, *counts, found["middle"], found["late"], first, last, silent]


def _date(day: pd.Timestamp) -> str:
    return f"DATE '{day:%Y-%m-%d}'"


def corrected(tables: Tables, at: pd.Timestamp) -> int:
    """How many terms of contracts had been told again by `at`, with another account, end, ARR or whatever else is not filled in later."""
    if not replaced(tables, "contracts"):
        return 0
    later = later_filled(tables, "contracts")
    cells = ", ".join(f"c.{quote(name)}" for name in tables.columns["contracts"] if name != "recorded_at" and name not in later)
    terms = ", ".join(f"c.{quote(name)}" for name in tables.schemas["contracts"].key)
    return tables.engine.count(
        f"""(SELECT {terms} FROM data.contracts c JOIN known.versions w ON w._line = c._line WHERE w.known <= {_date(at)}
        GROUP BY {terms} HAVING count(DISTINCT hash({cells})) > 1)"""
    )


def daily_rows(tables: Tables, names: list[str], at: pd.Timestamp) -> pd.DataFrame:
    """table, day, rows: how many rows visible on `at` happened each day, for these tables; days without rows are absent."""
    if not names:
        return pd.DataFrame({"table": pd.Series(dtype=str), "day": pd.Series(dtype="datetime64[s]"), "rows": pd.Series(dtype="int64")})
    each = " UNION ALL ".join(
        f"SELECT '{place}' AS place, CAST(day AS TIMESTAMP) AS day, count(*) AS rows FROM known.{quote(name)} "
        f"WHERE known <= {_date(at)} AND day <= {_date(at)} GROUP BY day"
        for place, name in enumerate(names)
    )
    found = tidy(tables.engine.query(f"SELECT * FROM ({each}) ORDER BY CAST(place AS INTEGER), day"))
    return found.assign(table=[names[int(place)] for place in found["place"]])[["table", "day", "rows"]]


def active_by_day(tables: Tables, at: pd.Timestamp) -> pd.DataFrame:
    """day, active: accounts under contract on every day from the first contract to `at`, as known on `at`."""
    found = tidy(
        tables.engine.query(
            f"""WITH terms AS (SELECT account_id, day, coalesce(CAST(end_date AS DATE), {FAR}) AS ends FROM known.contracts
                WHERE {seen("contracts", _date(at))} AND arr > 0 AND coalesce(CAST(end_date AS DATE), {FAR}) > day),
            marked AS (SELECT *, max(ends) OVER (PARTITION BY account_id ORDER BY day, ends
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM terms),
            numbered AS (SELECT *, sum(CASE WHEN before IS NULL OR day > before THEN 1 ELSE 0 END)
                OVER (PARTITION BY account_id ORDER BY day, ends ROWS UNBOUNDED PRECEDING) AS spell FROM marked),
            spells AS (SELECT min(day) AS starts, max(ends) AS ends FROM numbered GROUP BY account_id, spell)
            SELECT CAST(day AS TIMESTAMP) AS day, sum(step) AS step FROM (
                SELECT starts AS day, 1 AS step FROM spells UNION ALL SELECT ends, -1 FROM spells WHERE ends <= {_date(at)})
            GROUP BY day ORDER BY day"""
        )
    )
    if found.empty:
        return pd.DataFrame({"day": pd.Series(dtype="datetime64[s]"), "active": pd.Series(dtype="float64")})
    days = pd.date_range(found["day"].iloc[0], at, freq="D", unit="s")
    steps = found.set_index("day")["step"].astype(float).reindex(days, fill_value=0.0)
    return pd.DataFrame({"day": days, "active": steps.cumsum().to_numpy()})


def strangers(tables: Tables) -> pd.DataFrame:
    """Ids that join no account: rows that were set aside for it.

    Returns
    -------
    DataFrame table, column (as the export spells it), rows, ids (distinct, of the rows listed), alike (ids that would join an account if
    case, blanks, punctuation and leading zeros were left out), first_ids (up to 5, then a comma), first_line; most rows first.
    """
    known = {_bare(name) for name in tables.engine.query("SELECT account_id FROM data.accounts")["account_id"]}
    rows = []
    for table, frame in tables.rejected.items():
        hit = frame[frame["rule"] == STRANGER]
        if hit.empty:
            continue
        ids = hit["value"].astype(str).drop_duplicates().tolist()
        counted = sum(many for rule, many in tables.broken.get(table, {}).items() if rule.endswith(STRANGER)) or len(hit)
        alike = sum(_bare(name) in known for name in ids)
        rows.append((table, str(hit["column"].iloc[0]), counted, len(ids), alike, ", ".join(ids[:5]), int(hit["line"].iloc[0])))
    return pd.DataFrame(rows, columns=list(STRANGER_COLUMNS)).sort_values(["rows", "table"], ascending=[False, True], ignore_index=True)


def _bare(name: object) -> str:
    """An id without what exports write differently.

    >>> _bare(" ACC-0042 "), _bare("acc42"), _bare("0")
    ('acc42', 'acc42', '0')
    """
    bare = re.sub(r"[\W_]+", "", str(name)).lower()
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", bare)


def reach(tables: Tables, names: list[str], at: pd.Timestamp) -> pd.DataFrame:
    """Whom each table speaks of, and whether it does so while they are customers.

    Returns
    -------
    DataFrame table, active (accounts under contract on `at`), with_rows (of them, those with a row visible by then), share, before and
    after (rows of the table dated before the account's first contract, or on or after the end of its last), outside (their share of rows).
    """
    ends = f"CASE WHEN CAST(end_date AS DATE) <= {_date(at)} THEN CAST(end_date AS DATE) ELSE {FAR} END"
    tables.engine.run(
        f"""CREATE OR REPLACE TABLE cover AS SELECT account_id, min(day) AS first, max({ends}) AS last
        FROM known.contracts WHERE {seen("contracts", _date(at))} AND arr > 0 GROUP BY account_id"""
    )
    rows = []
    for name in names:
        found = tables.engine.query(
            f"""SELECT count(DISTINCT CASE WHEN c.last = {FAR} THEN t.account_id END) AS with_rows, count(*) AS rows,
                count(CASE WHEN t.day < c.first THEN 1 END) AS before, count(CASE WHEN t.day >= c.last THEN 1 END) AS after
            FROM known.{quote(name)} t JOIN cover c USING (account_id) WHERE {seen(name, _date(at))}"""
        ).iloc[0]
        rows.append((name, *(int(found[column]) for column in ("with_rows", "rows", "before", "after"))))
    active = int(tables.engine.query(f"SELECT count(*) AS active FROM cover WHERE last = {FAR}")["active"].iloc[0])
    frame = pd.DataFrame(rows, columns=["table", "with_rows", "rows", "before", "after"]).assign(active=active)
    frame["share"] = frame["with_rows"] / active if active else float("nan")
    frame["outside"] = (frame["before"] + frame["after"]) / frame["rows"].where(frame["rows"] > 0)
    return frame[list(REACH_COLUMNS)]
