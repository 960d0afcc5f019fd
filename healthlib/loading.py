"""One source into one typed table: every row judged, the good ones stored with their line, the rest kept as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from healthlib.csvrecords import Broken, tidy_csv
from healthlib.engine import Engine, QueryError, quote
from healthlib.rules import Rule, guess, holds, rules_for, stored, typed
from healthlib.schema import NUMBER, TEXT
from healthlib.sources import Source, parquet_relation

PLACES = ("file", "line", "column", "value", "rule")
"""First columns of a frame of rejected rows; then the row as it was, a clash of names shown as `row:<name>`."""

STAGE = "_stage"

LISTED = 100_000
"""Most rows listed of a table that stops the run: beyond this it is one fault repeated. All are counted."""


@dataclass(frozen=True)
class Loaded:
    """What came of one source.

    Attributes
    ----------
    source : where it came from
    kinds : column -> text, number, when or flag, as stored
    rows_in, rows_used : counts; the difference was rejected
    rejected : `PLACES`, then the row as it was; ordered by line
    rules : rule in words -> how many rows broke it
    """

    source: Source
    kinds: dict[str, str]
    rows_in: int
    rows_used: int
    rejected: pd.DataFrame
    rules: dict[str, int]

    @property
    def share_rejected(self) -> float:
        """Rejected rows per row that came in."""
        return (self.rows_in - self.rows_used) / self.rows_in if self.rows_in else 0.0


@dataclass(frozen=True)
class Relation:
    """What is read: SQL, where a row's line comes from, and the lines that are no rows."""

    sql: str
    line: str
    broken: tuple[Broken, ...]


def load_source(source: Source, engine: Engine, scratch: Path, *, allowed: float) -> Loaded:
    """Store the rows of a source that keep every rule as data.<table>.

    Parameters
    ----------
    source : from `find_sources`
    engine : the database; data.accounts must be there already, except for accounts itself
    scratch : folder for a tidied copy of a CSV that needs one
    allowed : share of rows that may be rejected; up to it every rejected row is listed, beyond it the first `LISTED`

    Raises
    ------
    QueryError : the file cannot be read to its end
    """
    rules = rules_for(source.table, source.schema, source.columns)
    relation = _stage(source, rules, engine, scratch)
    rules = [*rules, *_mark_strangers(source, len(rules) + 1, engine)]
    rules = [*rules, *_mark_duplicates(source, len(rules) + 1, engine)]
    kinds = _store(source, relation, engine)
    counted = engine.query(f"SELECT CAST(_fault AS INTEGER) AS code, count(*) AS rows FROM {STAGE} GROUP BY code ORDER BY code")
    counts = dict(zip(counted["code"].tolist(), counted["rows"].tolist(), strict=True))
    used = counts.pop(0, 0)
    broke = {f"{rules[code - 1].column}: {rules[code - 1].text}": rows for code, rows in counts.items()}
    broke.update(Counter(line.rule for line in relation.broken))
    rows_in = used + sum(broke.values())
    listed = LISTED if rows_in - used > allowed * rows_in else rows_in
    rejected = _rejected(source, relation, rules, engine, listed)
    engine.run(f"DROP TABLE {STAGE}")
    return Loaded(source, kinds, rows_in, used, rejected, broke)


def _stage(source: Source, rules: Sequence[Rule], engine: Engine, scratch: Path) -> Relation:
    """Type and judge every row into the stage. A CSV that is not one record a line is tidied first, so that lines are exact."""
    if source.csv is None:
        _fill_stage(source, source.relation, rules, engine)
        return Relation(source.relation, "rowid + 2", ())
    if source.csv.plain:
        try:
            _fill_stage(source, source.relation, rules, engine)
            if _staged(engine) == source.csv.lines:
                return Relation(source.relation, "rowid + 2", ())
        except QueryError:
            pass  # a line that is no record: the tidied copy leaves it out and says which
    copy = scratch / f"{source.table}.parquet"
    _, broken = tidy_csv(source.csv, copy)
    relation = parquet_relation(copy)
    _fill_stage(source, relation, rules, engine, line="_line")
    return Relation(relation, "_line", tuple(broken))


def _staged(engine: Engine) -> int:
    return int(engine.query(f"SELECT count(*) AS rows FROM {STAGE}")["rows"].iloc[0])


def _fill_stage(source: Source, relation: str, rules: Sequence[Rule], engine: Engine, *, line: str = "0") -> None:
    """Typed columns, `_line`, and `_fault`: 0, or the number (from 1) of the first rule the row breaks."""
    inner = [
        f"{typed(quote(column.raw), column.native, column.kind or TEXT, key=column.name == 'account_id')} AS {quote(column.name)}"
        for column in source.columns
    ]
    inner += [f"{quote(column.raw)} AS _r{position}" for position, column in enumerate(source.columns)]
    inner += [f"{line} AS _line"]
    cases = " ".join(f"WHEN {rule.condition} THEN {code}" for code, rule in enumerate(rules, start=1))
    fault = f"CASE {cases} ELSE 0 END" if cases else "0"
    outer = [quote(column.name) for column in source.columns]
    engine.run(
        f"CREATE OR REPLACE TEMP TABLE {STAGE} AS SELECT {', '.join(outer)}, _line, CAST({fault} AS USMALLINT) AS _fault "
        f"FROM (SELECT {', '.join(inner)} FROM {relation})"
    )


def _mark_strangers(source: Source, code: int, engine: Engine) -> list[Rule]:
    """Mark sound rows of unknown accounts: here and not while reading, because a join does not keep the order of the file."""
    if source.table == "accounts":
        return []
    unknown = "account_id NOT IN (SELECT account_id FROM data.accounts)"
    if not engine.query(f"SELECT 1 FROM {STAGE} WHERE _fault = 0 AND {unknown} LIMIT 1").empty:
        engine.run(f"UPDATE {STAGE} SET _fault = {code} WHERE _fault = 0 AND {unknown}")
    return [Rule("account_id", "an account that is not in accounts", "")]


def _mark_duplicates(source: Source, code: int, engine: Engine) -> list[Rule]:
    """Mark every sound row whose key an earlier sound row has; rows with an empty part of the key cannot be told apart and stay."""
    key = source.schema.key
    if not key or not set(key) <= {column.name for column in source.columns}:
        return []
    parts = ", ".join(quote(name) for name in key)
    full = " AND ".join(f"{quote(name)} IS NOT NULL" for name in key)
    later = (
        f"SELECT row FROM (SELECT rowid AS row, row_number() OVER (PARTITION BY {parts} ORDER BY rowid) AS place "
        f"FROM {STAGE} WHERE _fault = 0 AND {full}) WHERE place > 1"
    )
    engine.run(f"UPDATE {STAGE} SET _fault = {code} WHERE rowid IN ({later})")
    return [Rule(", ".join(key), "a second row with this key; the first one stays", "")]


def _store(source: Source, relation: Relation, engine: Engine) -> dict[str, str]:
    """Write the sound rows to data.<table> in the order of the source; return the kind of each column."""
    kinds = {column.name: column.kind or _kind_by_content(column.name, engine) for column in source.columns}
    numbers = [name for name, kind in kinds.items() if kind == NUMBER]
    cast = {column.name: typed(quote(column.name), "VARCHAR", kinds[column.name]) for column in source.columns if column.kind is None}
    cells = {name: cast.get(name, stored(source.table, name)) for name in kinds}
    whole = ", ".join(f"coalesce(bool_and({cells[n]} = trunc({cells[n]}) AND abs({cells[n]}) < 1e15), false)" for n in numbers)
    if numbers:
        flags = engine.query(f"SELECT {whole} FROM {STAGE} WHERE _fault = 0").iloc[0]
        cells.update({name: f"CAST({cells[name]} AS BIGINT)" for name, flag in zip(numbers, flags, strict=True) if flag})
    select = ", ".join(f"{cell} AS {quote(name)}" for name, cell in cells.items())
    line = f"CAST({relation.line} AS BIGINT) AS _line"
    engine.run(f"CREATE OR REPLACE TABLE data.{quote(source.table)} AS SELECT {select}, {line} FROM {STAGE} WHERE _fault = 0")
    return kinds


def _kind_by_content(name: str, engine: Engine) -> str:
    """What every filled cell of an undeclared text column can be read as; text where nothing else fits, or nothing is filled."""
    column = quote(name)
    filled = f"FROM {STAGE} WHERE _fault = 0 AND {holds(column)}"
    some = engine.query(f"SELECT {guess(column)} AS kind FROM (SELECT {column} {filled} LIMIT 1000) GROUP BY kind")["kind"]
    kind = str(some.iloc[0]) if len(some) == 1 else TEXT
    if kind == TEXT:
        return TEXT
    return kind if engine.query(f"SELECT 1 {filled} AND {guess(column)} <> '{kind}' LIMIT 1").empty else TEXT


def _rejected(source: Source, relation: Relation, rules: Sequence[Rule], engine: Engine, listed: int) -> pd.DataFrame:
    """`PLACES`, then the row as it was: read once more from the source, for the stage holds only what could be typed."""
    raws = list(dict.fromkeys(column.raw for column in source.columns))
    line = f"CAST({relation.line} AS BIGINT)"
    faulty = f"SELECT rowid AS _row, {line} AS _line, _fault FROM {STAGE} WHERE _fault > 0 ORDER BY rowid LIMIT {listed}"
    if engine.query(f"SELECT 1 FROM {STAGE} WHERE _fault > 0 LIMIT 1").empty:
        judged = pd.DataFrame(columns=["_line", "_fault", *raws])
    else:
        cells = ", ".join(f"CAST({quote(raw)} AS VARCHAR) AS {quote(raw)}" for raw in raws)
        judged = engine.query(
            f"SELECT f._line, f._fault, r.* EXCLUDE (_row) FROM (SELECT row_number() OVER () - 1 AS _row, {cells} FROM {relation.sql}) r "
            f"JOIN ({faulty}) f USING (_row) ORDER BY f._row"
        )
    return _as_listed(source, judged, relation.broken[:listed], rules)


def _as_listed(source: Source, judged: pd.DataFrame, broken: Sequence[Broken], rules: Sequence[Rule]) -> pd.DataFrame:
    """Rejected rows and broken lines in one frame, all text but `line`, in the order of the file."""
    theirs = {column.raw: column.theirs for column in source.columns}
    by_name = {column.name: column for column in source.columns}
    raws = list(theirs)
    rows: list[list[object]] = []
    for cells in judged.astype(object).where(judged.notna(), "").to_dict("records"):
        rule = rules[int(cells["_fault"]) - 1]
        blamed = [by_name[name] for name in rule.column.split(", ") if name in by_name]
        value = ", ".join(str(cells[column.raw]) for column in blamed)
        rows.append([source.label, cells["_line"], ", ".join(c.theirs for c in blamed), value, rule.text, *(cells[raw] for raw in raws)])
    for line in broken:
        at = {f"c{position}": cell for position, cell in enumerate(line.cells)}
        rows.append([source.label, line.line, "", line.text[:1000], line.rule, *(at.get(raw, "") for raw in raws)])
    names = [name if name not in PLACES else f"row:{name}" for name in theirs.values()]
    frame = pd.DataFrame(rows, columns=[*PLACES, *names]).sort_values("line", kind="stable", ignore_index=True)
    return frame.astype({"line": "int64"})
