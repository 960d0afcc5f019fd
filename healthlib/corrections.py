"""Contracts corrected later: the rows that tell one term, each recorded on another day, and which of them holds when.

Rows of contracts with the same contract_id and start_date, and another `recorded_at`, are *versions* of one term. A version holds from the
day it came to be known until the day the next one did; the next is the one recorded later (a row without `recorded_at` comes first). Of two
that came to be known on one day only the later is ever seen. A version with ARR 0 after one with more takes the term away, as if it never
was; a term of the same contract that is first recorded on that day takes its place (its start was wrong).
"""

from __future__ import annotations

from collections.abc import Collection

from healthlib.engine import Engine
from healthlib.schema import TABLES

FAR = "DATE '9999-12-31'"
"""Stands for "never": the end of an evergreen contract, and of the last version of a term."""
TERM = ", ".join(TABLES["contracts"].key)
"""What tells a term from another."""
COMPLETE = " AND ".join(f"{name} IS NOT NULL" for name in TABLES["contracts"].key)
NOTHING = f"SELECT 0 AS _line, {FAR} AS known, {FAR} AS superseded, {FAR} AS told, true AS holds WHERE false"


def may_be(columns: Collection[str]) -> bool:
    """Whether a table of contracts with these columns can tell a term more than once."""
    return {*TABLES["contracts"].key, "recorded_at"} <= set(columns)


def of(rows: str, columns: Collection[str]) -> str:
    """SELECT of the rows of every term that has versions.

    Parameters
    ----------
    rows : SQL after FROM of the contracts, with `_line` and their two clocks, `day` and `known`
    columns : of the contracts

    Returns
    -------
    SQL of _line, known, superseded (the day the next version came to be known; `FAR`), told (the day the first one did, or that of the
    term whose place this one took, but not before the start), holds (whether anybody ever sees the row). Terms told once are not in it.
    """
    if not may_be(columns):
        return NOTHING
    return f"""WITH told AS (
            SELECT _line, contract_id, arr, day, known, recorded_at, lead(known) OVER written AS after,
                first_value(recorded_at) OVER written AS first, min(known) OVER (PARTITION BY {TERM}) AS told,
                count(*) OVER (PARTITION BY {TERM}) AS versions,
                arr = 0 AND max(arr) OVER (PARTITION BY {TERM} ORDER BY known, recorded_at NULLS FIRST, _line ROWS UNBOUNDED PRECEDING) > 0
                    AS away
            FROM {rows} r WHERE {COMPLETE} WINDOW written AS (PARTITION BY {TERM} ORDER BY recorded_at NULLS FIRST, _line)),
        gone AS (SELECT contract_id, CAST(recorded_at AS DATE) AS day, min(told) AS told FROM told WHERE away GROUP BY ALL)
        SELECT t._line, t.known, coalesce(t.after, {FAR}) AS superseded, greatest(least(t.told, coalesce(g.told, t.told)), t.day) AS told,
            t.known < coalesce(t.after, {FAR}) AND NOT t.away AS holds
        FROM told t LEFT JOIN gone g ON g.contract_id = t.contract_id AND g.day = CAST(t.first AS DATE)
        WHERE t.versions > 1 OR g.day IS NOT NULL"""


def told_again(engine: Engine, columns: Collection[str]) -> bool:
    """Whether any term of data.contracts has versions: cheaper than to number them all, and nearly always no."""
    if not may_be(columns):
        return False
    return engine.first(f"SELECT 1 FROM data.contracts WHERE {COMPLETE} GROUP BY {TERM} HAVING count(*) > 1 LIMIT 1") is not None


def last(engine: Engine, columns: Collection[str]) -> str:
    """SQL after FROM of data.contracts with the last version of every term alone, as far as the exports reach."""
    if not told_again(engine, columns):
        return "data.contracts"
    day = "CAST(start_date AS DATE)"
    known = f"""SELECT _line, contract_id, start_date, arr, recorded_at, {day} AS day,
        greatest({day}, coalesce(CAST(recorded_at AS DATE), {day})) AS known FROM data.contracts"""
    return (
        f"(SELECT c.* FROM data.contracts c LEFT JOIN ({of(f'({known})', columns)}) w ON w._line = c._line "
        f"WHERE coalesce(w.holds AND w.superseded = {FAR}, true))"
    )
