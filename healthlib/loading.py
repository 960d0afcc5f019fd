"""One source into one typed table: every row judged, the good ones stored with their line, the rest kept as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from healthlib.csvfile import CsvFile, records_at
from healthlib.csvrecords import Broken
from healthlib.engine import Engine, quote
from healthlib.rules import Rule, guess, holds, stored, typed
from healthlib.schema import FLAG, NUMBER, TEXT, WHEN
from healthlib.sources import Source
from healthlib.staging import STAGE, Staged, stage

PLACES = ("file", "line", "column", "value", "rule")
"""First columns of a frame of rejected rows; then the row as it was, a clash of names shown as `row:<name>`."""

LARGE = 1_000_000
"""Rows of events from which on a table is a view of what was staged, for want of a second copy."""

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
    staged = stage(source, engine, scratch)
    kinds = _kinds(staged, engine)
    broke: dict[str, int] = {}
    copied = staged.size < LARGE or source.schema.time is None or any(stored(source.table, name) != quote(name) for name in kinds)
    (_store if copied else _keep)(staged, kinds, engine)
    rows = STAGE if copied else f"data.{quote(staged.kept)}"
    if staged.judged:
        by_rule = f"SELECT CAST(_fault AS INTEGER) AS code, count(*) AS rows FROM {rows} WHERE _fault > 0 GROUP BY code ORDER BY code"
        counted = engine.query(by_rule)
        for code, many in zip(counted["code"].tolist(), counted["rows"].tolist(), strict=True):
            rule = staged.rules[code - 1]
            broke[f"{rule.column}: {rule.text}"] = many
    broke.update(Counter(line.rule for line in staged.broken))
    used = engine.count(f"data.{quote(source.table)}")
    rows_in = used + sum(broke.values())
    listed = LISTED if rows_in - used > allowed * rows_in else rows_in
    rejected = _rejected(staged, rows, engine, listed)
    if copied:
        engine.run(f"DROP TABLE {STAGE}")
    elif staged.cells:
        engine.run(f"ALTER TABLE {rows} DROP COLUMN _cells")
    return Loaded(staged.source, kinds, rows_in, used, rejected, broke)


def _kinds(staged: Staged, engine: Engine) -> dict[str, str]:
    """The kind of each column, where the contract does not say by what its sound rows hold."""
    sound = "_fault = 0" if staged.judged else "true"
    return {column.name: column.kind or _kind_by_content(column.name, sound, engine) for column in staged.source.columns}


def _cells(staged: Staged, kinds: dict[str, str], engine: Engine) -> dict[str, tuple[str, bool]]:
    """Column -> SQL of its cell as it is kept, and whether its numbers are all whole."""
    source, sound = staged.source, "_fault = 0" if staged.judged else "true"
    cast = {column.name: typed(quote(column.name), "VARCHAR", kinds[column.name]) for column in source.columns if column.kind is None}
    cells = {name: cast.get(name, stored(source.table, name)) for name in kinds}
    numbers = [name for name, kind in kinds.items() if kind == NUMBER]
    whole: dict[str, bool] = {}
    if numbers:
        each = ", ".join(f"coalesce(bool_and({cells[n]} = trunc({cells[n]}) AND abs({cells[n]}) < 1e15), false)" for n in numbers)
        flags = engine.first(f"SELECT {each} FROM {STAGE} WHERE {sound}") or ()
        whole = {name: bool(flag) for name, flag in zip(numbers, flags, strict=True)}
    return {name: (f"CAST({cell} AS BIGINT)" if whole.get(name) else cell, whole.get(name, False)) for name, cell in cells.items()}


def _store(staged: Staged, kinds: dict[str, str], engine: Engine) -> None:
    """Write the sound rows to data.<table> in the order of the source."""
    select = ", ".join(f"{cell} AS {quote(name)}" for name, (cell, _) in _cells(staged, kinds, engine).items())
    line = f"CAST({staged.line} AS BIGINT) AS _line"
    where = " WHERE _fault = 0" if staged.judged else ""
    engine.run(f"CREATE OR REPLACE TABLE data.{quote(staged.source.table)} AS SELECT {select}, {line} FROM {STAGE}{where}")


def _keep(staged: Staged, kinds: dict[str, str], engine: Engine) -> None:
    """Make data.<table> a view of the stage: a second copy would cost as much as the reading. Its lines are counted, not stored."""
    types = {NUMBER: "DOUBLE", WHEN: "TIMESTAMP", FLAG: "BOOLEAN", TEXT: "VARCHAR"}
    by_content = {column.name for column in staged.source.columns if column.kind is None}
    for name, (cell, whole) in _cells(staged, kinds, engine).items():
        if whole or (name in by_content and kinds[name] != TEXT):
            kind = "BIGINT" if whole else types[kinds[name]]
            sound = f"CASE WHEN _fault = 0 THEN {cell} END" if staged.judged else cell
            engine.run(f"ALTER TABLE {STAGE} ALTER COLUMN {quote(name)} SET DATA TYPE {kind} USING {sound}")
    names = ", ".join(quote(name) for name in kinds)
    where = " WHERE _fault = 0" if staged.judged else ""
    engine.run(f"DROP TABLE IF EXISTS data.{quote(staged.kept)} CASCADE")
    engine.run(f"ALTER TABLE {STAGE} RENAME TO {quote(staged.kept)}")
    view = f"SELECT {names}, CAST({staged.line} AS BIGINT) AS _line FROM data.{quote(staged.kept)}{where}"
    engine.run(f"CREATE OR REPLACE VIEW data.{quote(staged.source.table)} AS {view}")


def _kind_by_content(name: str, sound: str, engine: Engine) -> str:
    """What every filled cell of an undeclared text column can be read as; text where nothing else fits, or nothing is filled."""
    column = quote(name)
    filled = f"FROM {STAGE} WHERE {sound} AND {holds(column)}"
    some = engine.query(f"SELECT {guess(column)} AS kind FROM (SELECT {column} {filled} LIMIT 1000) GROUP BY kind")["kind"]
    kind = str(some.iloc[0]) if len(some) == 1 else TEXT
    if kind == TEXT:
        return TEXT
    return kind if engine.first(f"SELECT 1 {filled} AND {guess(column)} <> '{kind}' LIMIT 1") is None else TEXT


def _rejected(staged: Staged, rows: str, engine: Engine, listed: int) -> pd.DataFrame:
    """`PLACES`, then the row as it was: from the stage where it kept the cells, else read once more from the source."""
    raws = list(dict.fromkeys(column.raw for column in staged.source.columns))
    parts = [pd.DataFrame(columns=["_line", "_fault", *raws])]
    if staged.judged:
        found = f"rowid AS _row, CAST({staged.line} AS BIGINT) AS _line, _fault"
        faulty = f"SELECT {found}{', _cells' if staged.cells else ''} FROM {rows} WHERE _fault > 0 ORDER BY rowid LIMIT {listed}"
        if staged.cells:
            cells = {column.raw: f"_cells[{place}]" for place, column in enumerate(staged.source.columns, start=1)}
            shown = ", ".join(f"{cells[raw]} AS {quote(raw)}" for raw in raws)
            parts.append(engine.query(f"SELECT _line, _fault, {shown} FROM ({faulty}) WHERE _cells IS NOT NULL"))
            faulty = f"SELECT * EXCLUDE (_cells) FROM ({faulty}) WHERE _cells IS NULL"
        late = engine.query(faulty)
        if len(late):
            parts.append(_read_again(staged, raws, late, engine))
    judged = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return _as_listed(staged.source, judged, staged.broken[:listed], staged.rules)


def _read_again(staged: Staged, raws: Sequence[str], late: pd.DataFrame, engine: Engine) -> pd.DataFrame:
    """The cells of rows that were found wanting only beside other rows."""
    if staged.source.csv is not None and staged.relation == staged.source.relation:
        return _from_lines(staged.source.csv, raws, late)
    engine.put("data._late", late)
    cells = ", ".join(f"CAST({quote(raw)} AS VARCHAR) AS {quote(raw)}" for raw in raws)
    return engine.query(
        f"SELECT f._line, f._fault, r.* EXCLUDE (_row) "
        f"FROM (SELECT row_number() OVER () - 1 AS _row, {cells} FROM {staged.relation}) r "
        f"JOIN data._late f USING (_row) ORDER BY f._row"
    )


def _from_lines(file: CsvFile, raws: Sequence[str], faulty: pd.DataFrame) -> pd.DataFrame:
    """The cells of lines of a file that is one record a line, beside `_line` and `_fault`."""
    rows = [
        dict(zip((f"c{position}" for position in range(len(file.header))), cells, strict=False))
        for cells in records_at(file, faulty["_line"].tolist())
    ]
    cells = pd.DataFrame(rows, columns=list(raws), dtype=object)
    return pd.concat([faulty[["_line", "_fault"]].reset_index(drop=True), cells], axis=1)


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
    if not rows:
        return pd.DataFrame(columns=[*PLACES, *names])
    frame = pd.DataFrame(rows, columns=[*PLACES, *names]).sort_values("line", kind="stable", ignore_index=True)
    return frame.astype({"line": "int64"})
