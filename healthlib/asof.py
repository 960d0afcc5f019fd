"""What was knowable about each account on each date: the only door to the past.

Every row enters through one view per table, ``known.<table>``, which carries two clocks as calendar days:

``day``    when it happened (UTC day of the table's time column; without one, the day the account's first contract was visible)
``known``  when it came to be known: the later of ``day`` and ``recorded_at``; without ``recorded_at``, ``day`` + the source's lag

A figure for T reads rows with ``known <= T`` and ``day <= T`` (of a contract corrected later, the version that held on T: `seen` says it in
SQL, `corrections` which one that is), and columns that are filled in later (`closed_at`, `outcome` …) read as
empty until the date that filled them. Nothing else in the package may look at ``data.<table>`` to compute a figure, except `outcomes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from . import corrections
from .corrections import FAR
from .engine import quote
from .schema import CASE_COLUMNS, WHEN
from .spec import Workspace
from .tables import Rows, Tables


def open_door(tables: Tables, workspace: Workspace) -> None:
    """Create ``known.<table>`` for every loaded table. Idempotent; contracts first, because tables without a clock borrow theirs."""
    tables.engine.run("CREATE SCHEMA IF NOT EXISTS known")
    tables.engine.surveys.clear()
    _open_contracts(tables, _lag(workspace, "contracts"))
    first = "SELECT account_id, min(known) AS visible_from FROM known.contracts GROUP BY account_id"
    tables.engine.view("known.first_contract", first)
    for name in tables.columns:
        if name not in ("contracts", "accounts"):
            tables.engine.view(f"known.{quote(name)}", _door(tables, name, _lag(workspace, name)))


def _open_contracts(tables: Tables, lag_days: int) -> None:
    """Create ``known.contracts``: also `_superseded`, the day on which the next version of the term came to be known (`FAR` without one),
    and `_told`, the day on which its first one did."""
    rows, columns = _door(tables, "contracts", lag_days), tables.columns["contracts"]
    again = corrections.told_again(tables.engine, columns)
    tables.engine.make("known.versions", corrections.of(f"({rows})", columns) if again else corrections.NOTHING)
    clocks = (
        "coalesce(w.superseded, {0}) AS _superseded, coalesce(w.told, c.known) AS _told" if again else "{0} AS _superseded, known AS _told"
    )
    join = " LEFT JOIN known.versions w ON w._line = c._line WHERE coalesce(w.holds, true)" if again else ""
    tables.engine.view("known.contracts", f"SELECT c.*, {clocks.format(FAR)} FROM ({rows}) c{join}")


def seen(table: str, day: str, row: str = "") -> str:
    """SQL condition of the rows of ``known.<table>`` that are seen on a day: known by then, begun, and not replaced by a later version.

    Parameters
    ----------
    day : SQL of the day
    row : what the row is called in the query, with its dot

    >>> seen("usage", "s.as_of", "v.")
    'v.known <= s.as_of AND v.day <= s.as_of'
    >>> seen("contracts", "DATE '2026-03-31'")
    "known <= DATE '2026-03-31' AND day <= DATE '2026-03-31' AND _superseded > DATE '2026-03-31'"
    """
    return f"{row}known <= {day} AND {row}day <= {day}{held(table, day, row)}"


def held(table: str, day: str, row: str = "") -> str:
    """The part of `seen` that tells versions apart, to add to a condition; empty for tables that have none."""
    return f" AND {row}_superseded > {day}" if table == "contracts" else ""


def replaced(tables: Rows, table: str) -> bool:
    """Whether rows of a table are replaced by later ones; only contracts are. Needs `open_door`."""
    return table == "contracts" and bool(len(tables.engine.query("SELECT 1 AS one FROM known.versions LIMIT 1")))


def open_door_there(there: Rows, workspace: Workspace, rows: dict[str, str], first_contract: pd.DataFrame) -> None:
    """The same for tables that stay where they are.

    Parameters
    ----------
    there : their engine, columns and schemas
    rows : table -> SQL of its sound rows, under the contract's names
    first_contract : account_id, visible_from, of all accounts
    """
    there.engine.put("first_contract_in", first_contract[["visible_from", "account_id"]])
    there.engine.make("first_contract", "SELECT CAST(visible_from AS DATE) AS visible_from, account_id FROM first_contract_in")
    for name, relation in rows.items():
        there.engine.view(f"known.{name}", _door(there, name, _lag(workspace, name), relation, "first_contract"))


def judged(there: Rows, workspace: Workspace, name: str, rows: str) -> pd.DataFrame:
    """One reading of an event table that stays where it is: what becomes of its rows, and what its clocks say.

    Parameters
    ----------
    rows : SQL of all its rows, each with the rule that it breaks (`fault`); tables accounts_here and first_contract are there already

    Returns
    -------
    rule (empty where the row can be used, 'stranger' where nobody has its account), known (day, empty where a rule is broken or it has no
    clock), first_day, last_day (datetime64[s]), late, many (rows)
    """
    day, known, join = _clocks(there, name, _lag(workspace, name), "first_contract")
    rule = "CASE WHEN t.fault IS NOT NULL THEN t.fault WHEN a.account_id IS NULL THEN 'stranger' END"
    clocks = ", ".join(f"CASE WHEN t.fault IS NULL THEN {clock} END AS {called}" for clock, called in ((day, "day"), (known, "known")))
    found = there.engine.query(
        f"""SELECT x.rule, x.known, {SURVEYED}, count(*) AS many FROM (SELECT {rule} AS rule, {clocks}
            FROM ({rows}) t LEFT JOIN accounts_here a ON a.account_id = t.account_id{join}) x GROUP BY x.rule, x.known"""
    )
    return _surveyed(found).assign(rule=found["rule"], many=found["many"]).sort_values("known", ignore_index=True)


CLOCKS = ("day", "known")
"""The two clocks of every table; a column of one's own by that name is not shown beside them, for the engines would not tell them apart."""


SURVEYED = "min(x.day) AS first_day, max(x.day) AS last_day, max(CASE WHEN x.known <> x.day THEN 1 ELSE 0 END) AS late"


def survey(tables: Rows, name: str) -> pd.DataFrame:
    """What is to be had of a table, by the day it came to be known: one reading of its clocks, remembered by the engine.

    Returns known, first_day, last_day (datetime64[s]), late (whether any of these rows happened before that day); rows without a clock are
    not among them.
    """
    if name not in tables.engine.surveys:
        found = tables.engine.query(
            f"SELECT x.known, {SURVEYED} FROM known.{quote(name)} x WHERE x.known IS NOT NULL GROUP BY x.known ORDER BY x.known"
        )
        tables.engine.surveys[name] = _surveyed(found)
    return tables.engine.surveys[name]


def _surveyed(found: pd.DataFrame) -> pd.DataFrame:
    days = {column: pd.to_datetime(found[column]).astype("datetime64[s]") for column in ("known", "first_day", "last_day")}
    return pd.DataFrame(days).assign(late=found["late"].fillna(0).astype(bool))


def _lag(workspace: Workspace, name: str) -> int:
    source = workspace.tables.get(name)
    return source.lag_days if source else 0


def _door(tables: Rows, name: str, lag_days: int, rows: str = "", first: str = "known.first_contract") -> str:
    """SELECT of one table with its two clocks. A row without a time of its own is visible from the account's first contract.

    `rows` is SQL of the table where it is not data.<name> (which alone has `_line`), `first` the table of first contracts.
    """
    day, known, join = _clocks(tables, name, lag_days, first)
    columns = tables.columns[name]
    plain = [_column(name, column) for column in columns if column.lower() not in CLOCKS]
    if name == "usage" and "quantity" not in columns:
        plain.append("1 AS quantity")
    line = "" if rows else ", t._line"
    return f"SELECT {', '.join(plain)}{line}, {day} AS day, {known} AS known FROM {rows or f'data.{quote(name)}'} t{join}"


def _clocks(tables: Rows, name: str, lag_days: int, first: str) -> tuple[str, str, str]:
    """SQL of the two clocks of a row `t`, day and known, and of the join that they need."""
    columns, time = tables.columns[name], tables.schemas[name].time
    own = f"CAST(t.{quote(time)} AS DATE)" if time and time in columns else "CAST(NULL AS DATE)"
    borrows = name != "contracts" and (name in ("milestones", "goals") or not time)
    day = f"coalesce({own}, f.visible_from)" if borrows else own
    late = f"{day} + {int(lag_days)}" if lag_days else day
    recorded = "CAST(t.recorded_at AS DATE)"
    known = (
        f"CASE WHEN {recorded} IS NULL THEN {late} WHEN {recorded} > {day} THEN {recorded} ELSE {day} END"
        if "recorded_at" in columns
        else late
    )
    return day, known, f" LEFT JOIN {first} f ON f.account_id = t.account_id" if borrows else ""


def _column(table: str, column: str) -> str:
    if (table, column) == ("usage", "quantity"):
        return "coalesce(t.quantity, 1) AS quantity"
    return f"t.{quote(column)}"


def later_filled(tables: Rows, name: str) -> dict[str, str]:
    """Columns of a table that are empty until a date in another column: column -> that date column, both present.

    A contract without `decided_on` counts as decided when it ends.
    """
    columns, filled = tables.columns[name], dict(tables.schemas[name].filled_later)
    if name == "contracts" and "decided_on" not in columns:
        filled = dict.fromkeys(filled, "end_date")
    return {column: by for column, by in filled.items() if column in columns and by in columns}


def refers_to(expression: str | None, columns: Iterable[str]) -> bool:
    """Whether an SQL expression names one of `columns` outside a quoted text.

    >>> refers_to("closed_at is null and kind = 'severity'", ["closed_at", "severity"])
    True
    >>> refers_to("kind = 'severity'", ["severity"])
    False
    """
    if not expression:
        return False
    words = set(re.findall(r"[a-z_][a-z0-9_]*", re.sub(r"'(?:[^']|'')*'", " ", expression).lower()))
    return bool(words & {column.lower() for column in columns})


def month_ends(first: pd.Timestamp, last: pd.Timestamp) -> list[pd.Timestamp]:
    """Month-ends from the month of `first` up to and including `last`; `last` itself closes the list even inside a month.

    >>> [f"{d:%m-%d}" for d in month_ends(pd.Timestamp("2026-01-05"), pd.Timestamp("2026-03-10"))]
    ['01-31', '02-28', '03-10']
    """
    ends = list(pd.date_range(first, last, freq="ME"))
    return ends if ends and ends[-1] == last else [*ends, last]


def active_spine(tables: Tables, dates: Iterable[pd.Timestamp]) -> pd.DataFrame:
    """Every (account_id, as_of) with ARR > 0 on that date, from contracts known then. Sorted by as_of, account_id."""
    tables.engine.put("dates", pd.DataFrame({"as_of": pd.to_datetime(sorted(set(dates))).astype("datetime64[s]")}))
    return tidy(
        tables.engine.query(
            f"""SELECT c.account_id, d.as_of FROM (SELECT CAST(as_of AS DATE) AS as_of FROM dates) d JOIN known.contracts c
        ON {seen("contracts", "d.as_of", "c.")} AND coalesce(CAST(c.end_date AS DATE), {FAR}) > d.as_of
        GROUP BY c.account_id, d.as_of HAVING sum(c.arr) > 0 ORDER BY d.as_of, c.account_id"""
        )
    )


def arr_told(tables: Tables, days: Iterable[pd.Timestamp], at: pd.Timestamp) -> pd.DataFrame:
    """ARR above 0 of every account on past days, by the terms that had been told by then, each as it reads on `at`.

    What was recorded late counts from the day it was; what was corrected counts as if it had been told right at once, so that no
    correction passes for growth or loss.

    Returns account_id, as_of, arr, sorted by as_of and account_id.
    """
    tables.engine.put("dates", pd.DataFrame({"as_of": pd.to_datetime(sorted(set(days))).astype("datetime64[s]")}))
    return tidy(
        tables.engine.query(
            f"""SELECT c.account_id, CAST(d.as_of AS TIMESTAMP) AS as_of, CAST(sum(CAST(c.arr AS DECIMAL(38, 6))) AS DOUBLE) AS arr
            FROM (SELECT CAST(as_of AS DATE) AS as_of FROM dates) d JOIN known.contracts c
            ON {seen("contracts", f"DATE '{at:%Y-%m-%d}'", "c.")} AND c._told <= d.as_of AND c.day <= d.as_of
                AND coalesce(CAST(c.end_date AS DATE), {FAR}) > d.as_of
            GROUP BY c.account_id, d.as_of HAVING sum(c.arr) > 0"""
        )
    )


def put_spine(tables: Rows, spine: pd.DataFrame) -> None:
    """Hand the (account_id, as_of) pairs to the engine: table ``spine`` (place, account_id, account, as_of DATE, nth, term_ends DATE) and
    table ``asked`` (healthlib_account, healthlib_id: names that no column of a table has).

    `place` is the row in `spine`, `account` its number in `asked`, `nth` the number of the day, in order: what is quick to join
    by. term_ends is empty where `spine`, not being the frame of `state`, does not say it.

    Raises ValueError where a pair stands twice: it would double every figure.
    """
    numbers, accounts = pd.factorize(spine["account_id"])
    nth, days = pd.factorize(spine["as_of"], sort=True)
    if not pd.Index(numbers * max(len(days), 1) + nth).is_unique:  # a hash of numbers: 20 times as fast as np.unique
        raise ValueError("a spine has one row per account_id and as_of")
    tables.engine.put("asked", pd.DataFrame({"healthlib_account": range(len(accounts)), "healthlib_id": accounts}))
    told = spine[["account_id", "as_of", *(["term_ends"] if "term_ends" in spine else [])]]
    tables.engine.put("spine_in", told.assign(place=range(len(spine)), account=numbers, nth=nth))
    term = f"CAST({'term_ends' if 'term_ends' in spine else 'NULL'} AS DATE) AS term_ends"
    tables.engine.make("spine", f"SELECT place, account_id, account, CAST(as_of AS DATE) AS as_of, nth, {term} FROM spine_in")


def at_places(found: pd.DataFrame, column: str, length: int) -> np.ndarray:
    """A float array of `length` with `found[column]` at `found["place"]` and NaN elsewhere."""
    values = np.full(length, np.nan)
    values[found["place"].to_numpy(int)] = found[column].to_numpy(float)
    return values


def state(tables: Tables, workspace: Workspace, spine: pd.DataFrame) -> pd.DataFrame:
    """ARR, seats, age, next end of term and attributes of each account as known on each date.

    Parameters
    ----------
    spine : account_id, as_of

    Returns
    -------
    account_id, as_of, arr (0 when not active), seats (NaN where no active contract says), age_days (since the first contract start,
    NaN before it), term_ends (the earliest end among active contracts; NaT where evergreen), then one text column an attribute.
    With `churn_within` outcomes an end date after as_of is hindsight (it was filled in when the customer left) and stays empty.
    """
    put_spine(tables, spine)
    has_seats = "seats" in tables.columns["contracts"]
    seats = "sum(CASE WHEN c.active = 1 THEN CAST(c.seats AS DECIMAL(38, 6)) END)" if has_seats else "NULL"
    planned = workspace.outcome.kind != "churn_within"
    term = "min(CASE WHEN c.active = 1 THEN c.ends END)" if planned else "CAST(NULL AS DATE)"
    found = tables.engine.query(
        f"""SELECT s.place, CAST(sum(CASE WHEN c.active = 1 THEN CAST(c.arr AS DECIMAL(38, 6)) END) AS DOUBLE) AS arr,
            CAST({seats} AS DOUBLE) AS seats,
            CAST(max(s.as_of) - min(c.day) AS DOUBLE) AS age_days, CAST({term} AS TIMESTAMP) AS term_ends
        FROM spine s JOIN (
            SELECT s.place, c.day, c.arr{", c.seats" if has_seats else ""}, CAST(c.end_date AS DATE) AS ends,
                CASE WHEN coalesce(CAST(c.end_date AS DATE), {FAR}) > s.as_of THEN 1 ELSE 0 END AS active
            FROM spine s JOIN known.contracts c ON c.account_id = s.account_id AND {seen("contracts", "s.as_of", "c.")}
            ) c ON c.place = s.place
        GROUP BY s.place"""
    )
    frame = spine[["account_id", "as_of"]].reset_index(drop=True)
    frame["arr"] = np.nan_to_num(at_places(found, "arr", len(frame)))
    for name in ("seats", "age_days"):
        frame[name] = at_places(found, name, len(frame))
    frame["term_ends"] = found.set_index("place")["term_ends"].astype("datetime64[s]").reindex(range(len(frame))).to_numpy()
    for name in _dated_attributes(tables):
        frame[name] = _attribute_then(tables, name).reindex(range(len(frame))).to_numpy()
    return frame.merge(_attributes_today(tables), how="left", on="account_id")


def _dated_attributes(tables: Tables) -> list[str]:
    columns = tables.columns.get("attributes", {})
    return [c for c in columns if c not in ("account_id", "valid_from", "recorded_at")]


def _attribute_then(tables: Tables, name: str) -> pd.Series:
    """The latest non-empty value of a dated attribute by place; nothing where none was known: today's value would be hindsight."""
    latest = tables.engine.query(
        f"""SELECT place, CAST(value AS VARCHAR) AS value FROM (
            SELECT s.place, a.{quote(name)} AS value, row_number() OVER (
                PARTITION BY s.place ORDER BY a.valid_from DESC, a.known DESC, a.{quote(name)} DESC) AS nth
            FROM spine s JOIN known.attributes a ON a.account_id = s.account_id AND a.known <= s.as_of AND a.day <= s.as_of
            WHERE a.{quote(name)} IS NOT NULL) x WHERE nth = 1"""
    )
    return latest.set_index("place")["value"]


def undated_attributes(tables: Tables) -> tuple[str, ...]:
    """Columns of `accounts` that hold today's value only, because `attributes` has no history of them."""
    dated = _dated_attributes(tables)
    columns = tables.columns["accounts"].items()
    return tuple(c for c, kind in columns if c not in ("recorded_at", *CASE_COLUMNS, *dated) and kind != WHEN)


def _attributes_today(tables: Tables) -> pd.DataFrame:
    """Attributes of `accounts` that have no dated history: the only value there is, today's."""
    picked = "".join(f", CAST({quote(c)} AS VARCHAR) AS {quote(c)}" for c in undated_attributes(tables))
    return tables.engine.query(f"SELECT account_id{picked} FROM data.accounts ORDER BY account_id")


def tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame with dates as datetime64[s] at midnight, sorted by as_of and account_id where it has them.

    account_id is text also where there are no rows: without rows the database gives objects, which nothing can be joined to.
    """
    if frame.empty and "account_id" in frame:
        frame = frame.astype({"account_id": "str"})
    frame = frame.assign(**{c: frame[c].astype("datetime64[s]") for c in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[c])})
    keys = [c for c in ("as_of", "account_id") if c in frame]
    return frame.sort_values(keys, kind="stable", ignore_index=True) if keys else frame
