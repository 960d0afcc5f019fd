"""Event rows that repeat another one in every column: true twice, or an export loaded twice; days that came whole a second time.

Reads ``known.<table>`` as of one day: a cell that was filled in after that day counts as empty.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from healthlib.asof import later_filled
from healthlib.engine import quote
from healthlib.tables import Tables

MOST_ROWS = 2_000_000
"""A table with more rows is looked at for some of its accounts only, so many that about that many rows are."""
WHOLE_DAY = 5
"""Different rows that a day needs before it says something that each of them is there twice."""
LINES = 3
"""Examples given of each table."""

REPEAT_COLUMNS = ("table", "rows", "looked_at", "one_in", "repeats", "share", "days", "days_doubled", "first_lines")


def repeats(tables: Tables, names: Sequence[str], at: pd.Timestamp, *, most_rows: int = MOST_ROWS) -> pd.DataFrame:
    """How many rows of each table repeat another one in every column, and whether whole days do.

    Parameters
    ----------
    tables : with the door open (`asof.open_door`)
    names : the tables of events
    at : the day the knowledge is from
    most_rows : in a table with more, one account in `one_in` is looked at

    Returns
    -------
    DataFrame `REPEAT_COLUMNS`, a row a table, also where nothing repeats: rows visible on `at`, looked_at (of them), one_in (accounts; 1
    where all were looked at), repeats (rows beyond the first of each kind: `count(*) - count(DISTINCT hash(all columns))`), share (of
    looked_at; NaN without a row), days with rows, days_doubled (with at least `WHOLE_DAY` different rows, each there 2, 4, 6 ... times),
    first_lines (of the first repeats, "2 and 4850").
    """
    rows = [_repeats(tables, name, at, most_rows) for name in names]
    return pd.DataFrame(rows, columns=list(REPEAT_COLUMNS)).astype({"share": "float64", "first_lines": "str"})


def _repeats(tables: Tables, name: str, at: pd.Timestamp, most_rows: int) -> list[object]:
    """One row of `repeats`."""
    seen = f"known <= DATE '{at:%Y-%m-%d}' AND day <= DATE '{at:%Y-%m-%d}'"
    total = tables.engine.count(f"known.{quote(name)} WHERE {seen}")
    one_in = -(-total // most_rows) if total else 1
    some = f" AND hash(account_id) % {one_in} = 0" if one_in > 1 else ""
    kinds = f"""WITH kinds AS (SELECT day, count(*) AS many, min(_line) AS line, max(_line) AS again FROM known.{quote(name)}
        WHERE {seen}{some} GROUP BY day, hash({_cells(tables, name, at)}))"""
    found = tables.engine.query(
        f"""{kinds}, days AS (SELECT count(*) AS kinds, min(many) AS least, count(*) FILTER (many % 2 = 1) AS odd FROM kinds GROUP BY day)
        SELECT (SELECT sum(many) FROM kinds) AS rows, (SELECT sum(many - 1) FROM kinds) AS repeats, count(*) AS days,
            count(*) FILTER (kinds >= {WHOLE_DAY} AND least >= 2 AND odd = 0) AS doubled FROM days"""
    ).iloc[0]
    looked_at, twice, days, doubled = (0 if pd.isna(value) else int(value) for value in found)
    lines = (
        tables.engine.query(f"{kinds} SELECT line, again FROM kinds WHERE many > 1 ORDER BY again, line LIMIT {LINES}") if twice else None
    )
    first = "" if lines is None else ", ".join(f"{a} and {b}" for a, b in zip(lines["line"], lines["again"], strict=True))
    return [name, total, looked_at, one_in, twice, twice / looked_at if looked_at else float("nan"), days, doubled, first]


def _cells(tables: Tables, name: str, at: pd.Timestamp) -> str:
    """Every column but `_line`, as known on the day."""
    later = later_filled(tables, name)
    cells = []
    for column in tables.columns[name]:
        cell = quote(column)
        by = later.get(column)
        cells.append(f"CASE WHEN CAST({quote(by)} AS DATE) <= DATE '{at:%Y-%m-%d}' THEN {cell} END" if by else cell)
    return ", ".join(cells)
