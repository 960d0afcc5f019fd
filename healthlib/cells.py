"""Aggregates over windows of knowable rows, without ever multiplying events by dates.

The plan, so that a data engineer can trust it. An *atom* is one aggregate (rows, a sum, a maximum, …) over a window
``since <= day <= until`` of the rows ``known <= as_of``. The windows of all dates share few edges, so time is cut at every edge into
*cells*. Events are rolled up **once** to account × cell (one GROUP BY over the table), and a window is a short join of whole cells.

Rows touched = events once + Σ over windows of (accounts × dates × cells in the window); with month-ends a window of 30 days has about
3 cells, one of 90 about 8.
Nothing grows with events × dates. From the roll-up on, accounts and days are small numbers, and what was found of them finds its place in
the spine at the end: joining the spine to cells by the accounts' names took twice as long.

* Distinct values do not add up over cells: they roll up to account × cell × value, and a value counts at its first cell in the window.
  Distinct days do add up; where the engine counts bits and no cell is longer than `BITS` days, they are bits of a number in the roll-up
  itself, which spares the second one (of 10 million events 2 of 4 CPU seconds).
* Where rows were recorded late (`recorded_at`, a declared lag), cells carry a second coordinate, the cell of ``known``.
* Expressions over columns that are filled in later (`closed_at` …) change with the date, so they are read row by row on each date. So are
  those that name the day itself (`as_of`) or the next end of a term (`term_ends`): ``due_at < as_of``. And so are contracts where some were
  corrected later: each date reads the version that held.

Sums are exact decimals: neither threads nor row order change a digit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from . import asof
from .engine import quote
from .tables import Rows

EXACT = "DECIMAL(38, 9)"
LONG_AGO = pd.Timestamp("1677-10-01")
"""The first day of a window without one."""
BITS = 62
"""Days that one number can hold, a bit a day."""
OF_THE_DAY = ("as_of", "term_ends")
"""What an expression may name beside the row's own columns: the last day of the window, and the account's next end of a term as known on
the day of the score (empty where none is planned)."""


@dataclass(frozen=True)
class Atom:
    """One aggregate over one window.

    Attributes
    ----------
    kind : rows, filled (rows where `of` is not empty), sum, max, since (days since the latest row), distinct, last, open
    of : SQL expression over the row, where the kind needs one
    where : SQL condition over the row, or None
    window_days : length of the window, None = everything before
    shift : the window ends so many days before as_of
    """

    kind: str
    of: str | None
    where: str | None
    window_days: int | None
    shift: int = 0


Found = list[tuple[pd.DataFrame, dict[Atom, str]]]
"""Frames with `place` and, for each atom, the column that holds it."""


def atom_values(tables: Rows, table: str, atoms: list[Atom], days: pd.Series) -> dict[Atom, np.ndarray]:
    """Each atom's value at each place of the spine put by `asof.put_spine`; NaN where no row qualifies.

    Parameters
    ----------
    days : the spine's as_of, in its order
    """
    later = asof.later_filled(tables, table)
    dated = [*later, *_of_the_day(tables, table)]
    replaced = asof.replaced(tables, table)
    slow = [a for a in atoms if replaced or a.kind == "open" or asof.refers_to(a.of, dated) or asof.refers_to(a.where, dated)]
    fast = [a for a in atoms if a not in slow]
    dates = pd.Series(np.unique(days.to_numpy("datetime64[s]")))
    found: Found = [_row_by_row(tables, table, atom, dates, later) for atom in slow]
    if fast:
        clocks = _cut(tables, table, fast, dates)
        added = [a for a in fast if a.kind not in ("distinct", "last") or _is_additive(a, clocks)]
        found += _additive(tables, table, added, clocks)
        found += _distinct(tables, table, [a for a in fast if a.kind == "distinct" and a not in added], clocks)
        found += [_last(tables, table, a, clocks) for a in fast if a.kind == "last"]
    return {atom: _placed(frame, name, atom, days) for frame, held in found for atom, name in held.items()}


def _placed(found: pd.DataFrame, name: str, atom: Atom, days: pd.Series) -> np.ndarray:
    """What was found, at its places; days since the latest row are worked out here, so that no engine's idea of dates matters."""
    if atom.kind != "since":
        return asof.at_places(found, name, len(days))
    latest = pd.to_datetime(found[name]).to_numpy("datetime64[D]")
    until = days.to_numpy("datetime64[D]")[found["place"].to_numpy(int)] - np.timedelta64(atom.shift, "D")
    since = np.where(np.isnat(latest), np.nan, (until - latest).astype(float))
    return asof.at_places(found.assign(**{name: since}), name, len(days))


def _of_the_day(tables: Rows, table: str) -> list[str]:
    """Those of `OF_THE_DAY` that are not columns of the table itself."""
    return [name for name in OF_THE_DAY if name not in tables.columns[table]]


def _is_additive(atom: Atom, clocks: _Clocks) -> bool:
    """Whether distinct days can be counted in the roll-up itself: each day of a cell is a bit of one number, and the bits are counted."""
    return atom.kind == "distinct" and atom.of == "day" and atom.window_days is not None and clocks.bits and not clocks.two


@dataclass(frozen=True)
class _Clocks:
    """SQL that keeps to the days in reach (`raw`), and of the second clock: `column` of the roll-up, `join` that finds it, `test` that lets
    a cell through. The latter are empty with one clock. `bits`: whether every day of a window is a bit of its cell."""

    raw: str = ""
    column: str = ""
    join: str = ""
    test: str = ""
    bits: bool = False

    @property
    def two(self) -> bool:
        return bool(self.join)

    @property
    def keys(self) -> dict[str, str]:
        """What the roll-up is by: name there -> SQL over the rows."""
        keys = {"account": "a.healthlib_account", "cell": "d.healthlib_cell"}
        return keys | ({"known_cell": self.column} if self.two else {})


def _cut(tables: Rows, table: str, atoms: list[Atom], dates: pd.Series) -> _Clocks:
    """Cut the calendar at every window edge. Puts tables `days` (day -> cell), `spans` and `window_cells` into the engine."""
    spans = _spans(dates, sorted({(a.window_days or 0, a.shift) for a in atoms}))
    edges = np.unique(np.concatenate([spans["since"].to_numpy("datetime64[D]"), spans["until"].to_numpy("datetime64[D]") + 1]))
    survey = asof.survey(tables, table)
    calendar = _calendar(survey["first_day"].min(), survey["last_day"].max(), dates)
    cell = np.searchsorted(edges, calendar, side="right")
    bit = np.arange(len(cell)) - np.searchsorted(cell, cell, side="left")
    in_windows = cell >= np.searchsorted(edges, spans.loc[spans["w"] > 0, "since"].min().to_datetime64(), side="right")
    bits = tables.engine.counts_bits and bool((bit[in_windows] < BITS).all())
    days = pd.DataFrame({"healthlib_day": calendar.astype("datetime64[s]"), "healthlib_cell": cell})
    days["healthlib_bit"] = np.left_shift(1, np.minimum(bit, BITS - 1))
    _put_dated(tables, "days", days)
    spans["first_cell"] = np.searchsorted(edges, spans["since"].to_numpy("datetime64[D]"), side="right")
    spans["last_cell"] = np.searchsorted(edges, spans["until"].to_numpy("datetime64[D]"), side="right")
    spans["nth"] = np.searchsorted(dates.to_numpy(), spans["as_of"].to_numpy(), side="left")
    tables.engine.put("spans", spans[["nth", "w", "s", "first_cell", "last_cell"]])
    tables.engine.put("window_cells", _window_cells(spans))
    opened = None if any(a.window_days is None for a in atoms) else spans["since"].min()
    raw = _raw_days(tables, table, opened, dates.max())
    return _second_clock(tables, survey, dates, raw) if survey["late"].any() else _Clocks(raw, bits=bits)


def _raw_days(tables: Rows, table: str, first: pd.Timestamp | None, last: pd.Timestamp) -> str:
    """SQL that keeps to the days that any window can reach, in terms of the stored time: what an engine skips whole files by."""
    time = tables.schemas[table].time
    if not time or time not in tables.columns[table] or time.lower() in asof.CLOCKS:
        return ""
    since = f" AND v.{quote(time)} >= TIMESTAMP '{first:%Y-%m-%d} 00:00:00'" if first is not None else ""
    return f" WHERE v.{quote(time)} < TIMESTAMP '{last + pd.Timedelta(days=1):%Y-%m-%d} 00:00:00'{since}"


def _put_dated(tables: Rows, name: str, frame: pd.DataFrame) -> None:
    """Store a frame whose first column is a day: as a DATE, however the engine takes a moment in."""
    day, *others = frame.columns
    tables.engine.put(f"{name}_in", frame)
    tables.engine.make(name, f"SELECT CAST({day} AS DATE) AS {day}{''.join(f', {other}' for other in others)} FROM {name}_in")


def _spans(dates: pd.Series, windows: list[tuple[int, int]]) -> pd.DataFrame:
    """First and last day of each window on each date; window 0 = everything before."""
    spans = pd.DataFrame([(d, w, s) for d in dates for w, s in windows], columns=["as_of", "w", "s"])
    until = spans["as_of"] - pd.to_timedelta(spans["s"], unit="D")
    since = (until - pd.to_timedelta(spans["w"] - 1, unit="D")).where(spans["w"] > 0, LONG_AGO)
    return spans.assign(until=until, since=since)


def _calendar(first: pd.Timestamp, last: pd.Timestamp, dates: pd.Series) -> np.ndarray:
    if pd.isna(first) or dates.empty:
        return np.array([], dtype="datetime64[D]")
    return np.arange(np.datetime64(first, "D"), np.datetime64(min(last, dates.max()), "D") + 1)


def _window_cells(spans: pd.DataFrame) -> pd.DataFrame:
    """One row for every cell of every bounded window, so that a window is an equality join."""
    bounded = spans[spans["w"] > 0]
    lengths = (bounded["last_cell"] - bounded["first_cell"] + 1).to_numpy()
    rows = bounded.loc[bounded.index.repeat(lengths), ["nth", "w", "s", "first_cell"]]
    steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return rows.assign(cell=rows["first_cell"] + steps)


def _second_clock(tables: Rows, survey: pd.DataFrame, dates: pd.Series, raw: str) -> _Clocks:
    """Number each `known` day by the first date that could see it."""
    known = survey["known"].dropna()
    cell = np.searchsorted(dates.to_numpy(), known.to_numpy("datetime64[s]"), side="left")
    seen = pd.DataFrame({"healthlib_known": known, "healthlib_known_cell": cell})[cell < len(dates)]
    _put_dated(tables, "known_days", seen)
    join = " JOIN known_days kd ON kd.healthlib_known = v.known"
    return _Clocks(raw, "kd.healthlib_known_cell", join, " AND c.known_cell <= p.nth")


def _rolled(table: str, clocks: _Clocks, picked: str, *, value: str = "", where: str | None = None) -> str:
    """The roll-up: account × cell (× known cell) (× value) with the aggregates `picked`. Reads the table once."""
    keys = clocks.keys | ({"value": value} if value else {})
    named = ", ".join(f"{key} AS {name}" for name, key in keys.items())
    return f"SELECT {named}, {picked} {_visible(table, clocks, where)} GROUP BY {', '.join(keys.values())}"


def _visible(table: str, clocks: _Clocks, where: str | None) -> str:
    """FROM and WHERE of a table's rows `v` of the spine's accounts, with their cells; what is joined has names that no column has."""
    kept = f"{clocks.raw} AND ({where})" if clocks.raw and where else clocks.raw or (f" WHERE {where}" if where else "")
    return (
        f"FROM known.{quote(table)} v JOIN asked a ON a.healthlib_id = v.account_id "
        f"JOIN days d ON d.healthlib_day = v.day{clocks.join}{kept}"
    )


def _windows(source: str, clocks: _Clocks, atom: Atom, picked: str) -> str:
    """SELECT of `picked` over the cells `c` of one window `p`, for every place of the spine that has any.

    Account and day are numbers here, and the spine comes last: a third of the time of joining its rows to cells.
    """
    name, test = ("window_cells", "c.cell = p.cell") if atom.window_days else ("spans", "c.cell <= p.last_cell")
    return (
        f"SELECT c.account, p.nth, {picked} FROM {name} p JOIN {source} c ON {test}{clocks.test} "
        f"WHERE p.w = {atom.window_days or 0} AND p.s = {atom.shift}"
    )


def _at_spine(found: str, columns: str) -> str:
    """SELECT of the place and `columns` of what was found by account and day."""
    return f"SELECT s.place, {columns} FROM ({found}) f JOIN spine s ON s.account = f.account AND s.nth = f.nth"


def _aggregate(kind: str, of: str | None, where: str | None) -> str:
    def kept(cell: str) -> str:
        return f"CASE WHEN {where} THEN {cell} END" if where else cell

    return {
        "rows": f"count({kept('1')})",
        "filled": f"count({kept(f'({of})')})",
        "sum": f"coalesce(sum({kept(f'CAST({of} AS {EXACT})')}), 0)",
        "max": f"max({kept(f'CAST({of} AS DOUBLE)')})",
        "since": f"max({kept('v.day')})",
        "distinct": f"coalesce(bit_count(bit_or({kept('d.healthlib_bit')})), 0)",
    }[kind]


def _additive(tables: Rows, table: str, atoms: list[Atom], clocks: _Clocks) -> Found:
    """All additive atoms of a table from one roll-up; one short join per window."""
    if not atoms:
        return []
    whats = {what: f"x{i}" for i, what in enumerate(dict.fromkeys((a.kind, a.of, a.where) for a in atoms))}
    picked = [f"{_aggregate(*what)} AS {name}, {_aggregate('rows', None, what[2])} AS n{name}" for what, name in whats.items()]
    tables.engine.make("cells", _rolled(table, clocks, ", ".join(picked)))
    found: Found = []
    for window in dict.fromkeys((a.window_days, a.shift) for a in atoms):
        held = {a: whats[a.kind, a.of, a.where] for a in atoms if (a.window_days, a.shift) == window}
        outs = ", ".join(_over_cells(atom, name) for atom, name in held.items())
        sums = f"{_windows('cells', clocks, next(iter(held)), outs)} GROUP BY c.account, p.nth"
        found.append((tables.engine.query(_at_spine(sums, ", ".join(held.values()))), held))
    return found


def _over_cells(atom: Atom, name: str) -> str:
    if atom.kind in ("max", "since"):
        return f"max(c.{name}) AS {name}"
    return f"CASE WHEN sum(c.n{name}) > 0 THEN CAST(sum(c.{name}) AS DOUBLE) END AS {name}"


def _distinct(tables: Rows, table: str, atoms: list[Atom], clocks: _Clocks) -> Found:
    """Distinct values: rolled up once per expression, counted once per window.

    With one clock a value counts at the cell whose previous cell lies before the window: a plain sum, where COUNT(DISTINCT) would hash
    every pair (2.6 times slower on 10 million events). A day lies in one cell only, so distinct days do add up.
    """
    found: Found = []
    for of, where in dict.fromkeys((a.of, a.where) for a in atoms):
        rolled = _rolled(table, clocks, "1 AS one", value=of or "", where=where)
        if clocks.two:
            seen, counted = rolled, "count(DISTINCT c.value)"
        elif of == "day":
            seen, counted = f"SELECT account, cell, count(*) AS n FROM ({rolled}) r GROUP BY account, cell", "sum(c.n)"
        else:
            before = "coalesce(lag(cell) OVER (PARTITION BY account, value ORDER BY cell), -1) AS before"
            seen = f"SELECT account, cell, value, {before} FROM ({rolled}) r"
            counted = "sum(CASE WHEN c.before < p.first_cell AND c.value IS NOT NULL THEN 1 ELSE 0 END)"
        tables.engine.make("values_seen", seen)
        for atom in (a for a in atoms if (a.of, a.where) == (of, where)):
            counts = f"{_windows('values_seen', clocks, atom, f'CAST({counted} AS DOUBLE) AS x')} GROUP BY c.account, p.nth"
            found.append((tables.engine.query(_at_spine(counts, "x")), {atom: "x"}))
    return found


def _last(tables: Rows, table: str, atom: Atom, clocks: _Clocks) -> tuple[pd.DataFrame, dict[Atom, str]]:
    """The value in the latest visible row; ties by time, then by when it was known, then by the larger value: a total order."""
    time = _time(tables, table, "v.")
    order = f"{time} DESC, v.known DESC, CAST({atom.of} AS DOUBLE) DESC NULLS LAST"
    keys = clocks.keys
    named = ", ".join(f"{key} AS {name}" for name, key in keys.items())
    latest = f"""SELECT {", ".join(keys)}, at_time, known, value FROM (
        SELECT {named}, {time} AS at_time, v.known, CAST({atom.of} AS DOUBLE) AS value,
            row_number() OVER (PARTITION BY {", ".join(keys.values())} ORDER BY {order}) AS nth
        {_visible(table, clocks, atom.where)}) r WHERE nth = 1"""
    tables.engine.make("latest", latest)
    order = "c.at_time DESC, c.known DESC, c.value DESC NULLS LAST"
    ranked = _windows("latest", clocks, atom, f"c.value AS x, row_number() OVER (PARTITION BY c.account, p.nth ORDER BY {order}) AS newest")
    frame = tables.engine.query(_at_spine(f"SELECT account, nth, x FROM ({ranked}) r WHERE newest = 1", "x"))
    return frame, {atom: "x"}


def _time(tables: Rows, table: str, prefix: str = "") -> str:
    """The full time of a row, finer than its day; the day where the table has no time column."""
    time = tables.schemas[table].time
    return prefix + (quote(time) if time and time in tables.columns[table] and time.lower() not in asof.CLOCKS else "day")


def _row_by_row(tables: Rows, table: str, atom: Atom, dates: pd.Series, later: dict[str, str]) -> tuple[pd.DataFrame, dict[Atom, str]]:
    """Atoms over columns that are filled in later: each row is read as it stood on the last day of the window."""
    spans = _spans(dates, [(atom.window_days or 0, atom.shift)])
    tables.engine.put("looks_in", spans[["as_of", "since", "until"]])
    cast = ", ".join(f"CAST({name} AS DATE) AS {name}" for name in ("as_of", "since", "until"))
    tables.engine.make("looks", f"SELECT {cast} FROM looks_in")
    columns = [c for c in tables.columns[table] if c != "account_id" and c.lower() not in asof.CLOCKS]
    seen = [
        f"CASE WHEN CAST(v.{quote(later[c])} AS DATE) <= k.until THEN v.{quote(c)} END AS {quote(c)}" if c in later else f"v.{quote(c)}"
        for c in columns
    ]
    seen += [{"as_of": "k.until AS as_of", "term_ends": "s.term_ends"}[name] for name in _of_the_day(tables, table)]
    kept = f" WHERE {atom.where}" if atom.where else ""
    since = " AND v.day >= k.since" if atom.window_days else ""
    tables.engine.make(
        "seen",
        f"""SELECT v.* FROM (
            SELECT s.place AS healthlib_place, v.day, v.known, {", ".join(seen)} FROM spine s JOIN looks k ON k.as_of = s.as_of
            JOIN known.{quote(table)} v ON v.account_id = s.account_id AND v.known <= s.as_of AND v.day <= k.until{since}
                {asof.held(table, "s.as_of", "v.")}) v{kept}""",
    )
    if atom.kind == "last":
        order = f"{_time(tables, table)} DESC, known DESC, CAST({atom.of} AS DOUBLE) DESC NULLS LAST"
        nth = f"row_number() OVER (PARTITION BY healthlib_place ORDER BY {order}) AS nth"
        ranked = f"SELECT healthlib_place AS place, CAST({atom.of} AS DOUBLE) AS x, {nth} FROM seen"
        return tables.engine.query(f"SELECT place, x FROM ({ranked}) r WHERE nth = 1"), {atom: "x"}
    over = _over_rows(atom, later)
    figure = over if atom.kind == "since" else f"CAST({over} AS DOUBLE)"
    return tables.engine.query(f"SELECT healthlib_place AS place, {figure} AS x FROM seen v GROUP BY healthlib_place"), {atom: "x"}


def _over_rows(atom: Atom, later: dict[str, str]) -> str:
    if atom.kind == "open":
        if not later:
            raise ValueError("`open` needs a table with a closing date (closed_at, completed_at, achieved_at, paid_at, ended_at)")
        return f"count(CASE WHEN {quote(next(iter(later.values())))} IS NULL THEN 1 END)"
    if atom.kind == "distinct":
        return f"count(DISTINCT {atom.of})"
    return _aggregate(atom.kind, atom.of, None)
