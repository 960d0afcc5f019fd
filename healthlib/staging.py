"""Every row of a source on a stage, typed and judged: in one cheap pass where no cell is wrong, else with the first fault of each row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from healthlib.csvrecords import Broken, tidy_csv
from healthlib.engine import Engine, QueryError, literal, quote
from healthlib.rules import DECIMAL, OPEN, THOUSANDS, Column, Rule, rules_for, stored, stripped, typed, typed_or_refused
from healthlib.schema import NUMBER, TEXT, WHEN
from healthlib.sources import BY_PLACE, Source, csv_relation, parquet_relation

STAGE = "data._stage"
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:([T ])[0-9]{2}:[0-9]{2}:[0-9]{2}(Z?))?")
STRANGERS = "data._strangers"
COMMAS = (
    f"count(*) FILTER (contains({{cell}}, ',') AND NOT regexp_full_match({{cell}}, {THOUSANDS})), "
    f"count(*) FILTER (regexp_full_match({{cell}}, {OPEN})), count(*) FILTER (contains({{cell}}, ','))"
)
"""SQL of how many cells have a comma that separates no thousands, one that may, and any comma."""


@dataclass(frozen=True)
class Staged:
    """What stands on the stage.

    Attributes
    ----------
    source : where it came from, its columns as they were read in the end
    relation : SQL that was read
    line : SQL of a row's line
    broken : the lines that are no rows
    rules : by `_fault` - 1
    judged : whether the stage has `_fault`; without it every row is sound
    cells : whether the stage has `_cells`: of a row with a fault that shows in the row alone, its cells as they were
    known : whether every row is known to be of an account there is
    size : rows
    """

    source: Source
    relation: str
    line: str
    broken: tuple[Broken, ...]
    rules: tuple[Rule, ...]
    judged: bool
    cells: bool = False
    known: bool = False
    size: int = 0

    @property
    def kept(self) -> str:
        """Name in the schema data of the stage that stays, under a view of its sound rows."""
        return f"_rows_{self.source.table}"


def stage(source: Source, engine: Engine, scratch: Path) -> Staged:
    """Put every row of a source on the stage.

    Parameters
    ----------
    source : from `find_sources`
    engine : the database; data.accounts must be there already, except for accounts itself
    scratch : folder for a tidied copy of a CSV that needs one

    Raises
    ------
    QueryError : the file cannot be read to its end
    """
    staged = _stage_sound(source, engine) or _stage_judged(source, engine, scratch)
    staged = _mark_strangers(staged, engine)
    return replace(_mark_duplicates(staged, engine), size=_rows(engine))


def _stage_sound(source: Source, engine: Engine) -> Staged | None:
    """The stage of a source in which no cell is wrong, or None: the first wrong one ends the attempt."""
    line_by_line = source.csv is None or source.csv.plain
    if not line_by_line or source.broken or any(stored(source.table, column.name) != quote(column.name) for column in source.columns):
        return None
    rules = rules_for(source.table, source.schema, source.columns)
    relation, columns = _with_dates(source)
    cells = ", ".join(f"{typed_or_refused(column)} AS {quote(column.name)}" for column in columns)
    line = "" if source.line == BY_PLACE else f", {source.line} AS _line"
    wrong = " OR ".join(f"({sound})" for rule in rules if (sound := rule.condition if rule.sound is None else rule.sound))
    try:
        engine.run(f"CREATE OR REPLACE TABLE {STAGE} AS SELECT {cells}{line} FROM {relation}")
        if source.csv is not None and _rows(engine) != source.csv.lines:
            return None
        known = source.table == "accounts" or not _strangers(engine)
        if not known or source.table == "accounts":
            name = stripped("account_id")
            engine.run(f"UPDATE {STAGE} SET account_id = {name} WHERE account_id IS DISTINCT FROM {name}")
        if wrong and engine.first(f"SELECT 1 FROM {STAGE} WHERE {wrong} LIMIT 1"):
            return None
    except QueryError:
        return None
    return Staged(source, source.relation, source.line, (), tuple(rules), judged=False, known=known)


def _with_dates(source: Source) -> tuple[str, tuple[Column, ...]]:
    """What to read where the dates of a CSV are all written like its first: the reader then types them as it goes.

    Strictly: what is written differently ends the attempt. Only ever as TIMESTAMP and with a format: without one the reader drops the
    offset of a time, and a DATE that is cast to a TIMESTAMP is read without its format. What it makes of `epoch` the rules refuse.
    """
    if source.csv is None:
        return source.relation, source.columns
    raws = [f"c{position}" for position in range(len(source.csv.header))]
    first = dict(zip(raws, source.csv.first, strict=False))
    written: dict[str, str] = {}
    for column in source.columns:
        found = MOMENT.fullmatch(first.get(column.raw, "")) if column.kind == WHEN else None
        if found is not None:
            between, zone = found.groups()
            written[column.raw] = f"%Y-%m-%d{between}%H:%M:%S{zone}" if between else "%Y-%m-%d"
    if not written:
        return source.relation, source.columns
    form = next(iter(written.values()))
    types = {raw: "TIMESTAMP" if written.get(raw) == form else "VARCHAR" for raw in raws}
    columns = tuple(replace(column, native=types[column.raw]) for column in source.columns)
    return csv_relation(source.csv.path, source.csv.delimiter, types, f", timestampformat = {literal(form)}"), columns


def _stage_judged(source: Source, engine: Engine, scratch: Path) -> Staged:
    """The stage with each row's first fault. A CSV that is not one record a line is tidied first, so that lines are exact."""
    if source.csv is None:
        return _judged(source, source.relation, source.line, source.broken, engine)
    if source.csv.plain:
        try:
            staged = _judged(source, source.relation, source.line, (), engine)
            if _rows(engine) == source.csv.lines:
                return staged
        except QueryError:
            pass  # a line that is no record: the tidied copy leaves it out and says which
    copy = scratch / f"{source.table}.parquet"
    _, broken = tidy_csv(source.csv, copy)
    return _judged(source, parquet_relation(copy), "_line", tuple(broken), engine)


def _judged(source: Source, relation: str, line: str, broken: tuple[Broken, ...], engine: Engine) -> Staged:
    """Read and judge; once more where a comma in a number turns out to separate thousands."""
    rules = rules_for(source.table, source.schema, source.columns)
    _fill(source, relation, rules, line, engine)
    grouped = _with_thousands(source, engine)
    if grouped != source:
        source, rules = grouped, rules_for(source.table, source.schema, grouped.columns)
        _fill(source, relation, rules, line, engine)
    return Staged(source, relation, line, broken, tuple(rules), judged=True, cells=True, known=source.table == "accounts")


def _with_thousands(source: Source, engine: Engine) -> Source:
    """The source with the columns of numbers that write 1,234.50; without such a cell, only the rest of the file tells what 1,234 is.

    A column in which any comma stands elsewhere means decimals, and stays refused. So does one that holds 1,234 and nothing clearer,
    where another column of the file has such a comma; where none has, 1,234 is read as the file's own commas suggest, and that is said.
    """
    numbers = {place: column for place, column in enumerate(source.columns, start=1) if column.kind == NUMBER}
    if source.csv is None or source.csv.delimiter != "," or not numbers:
        return source
    counts = ", ".join(COMMAS.replace("{cell}", f"_cells[{place}]") for place in numbers)
    counted = engine.first(f"SELECT {counts} FROM {STAGE} WHERE _fault > 0") or ()
    found = {column.name: counted[3 * i : 3 * i + 3] for i, column in enumerate(numbers.values())}
    clear = {name for name, (stray, either, commas) in found.items() if commas and not stray and either < commas}
    unclear = {name: commas for name, (stray, either, commas) in found.items() if commas and not stray and either == commas}
    if unclear and (any(stray for stray, _, _ in found.values()) or _has_decimals(source, engine)):
        unclear = {}
    said = tuple(
        f"{source.label}: a comma in {name} could mean thousands or decimals (as in 1,234; {many} rows), and nothing else in the file "
        "tells: thousands were read" for name, many in unclear.items()
    )  # fmt: skip
    columns = tuple(replace(column, grouped=column.name in clear or column.name in unclear) for column in source.columns)
    return replace(source, columns=columns, said=(*source.said, *said))


def _has_decimals(source: Source, engine: Engine) -> bool:
    """Whether a column that nobody declared to be a number holds one with a decimal comma."""
    others = [quote(column.name) for column in source.columns if column.kind in (None, TEXT)]
    tests = " OR ".join(f"regexp_full_match({name}, {DECIMAL})" for name in others)
    return bool(tests) and engine.first(f"SELECT 1 FROM {STAGE} WHERE {tests} LIMIT 1") is not None


def _fill(source: Source, relation: str, rules: Sequence[Rule], line: str, engine: Engine) -> None:
    """Typed columns, `_line` where the source has it, `_fault`: 0, or the number (from 1) of the first rule the row breaks; `_cells`."""
    inner = [
        f"{typed(quote(column.raw), column.native, column.kind or TEXT, key=column.name == 'account_id', grouped=column.grouped)} "
        f"AS {quote(column.name)}"
        for column in source.columns
    ]
    inner += [f"{quote(column.raw)} AS _r{position}" for position, column in enumerate(source.columns)]
    given = "" if line == BY_PLACE else ", _line"
    inner += [f"{line} AS _line"] if given else []
    cases = " ".join(f"WHEN {rule.condition} THEN {code}" for code, rule in enumerate(rules, start=1))
    fault = f"CASE {cases} ELSE 0 END" if cases else "0"
    outer = ", ".join(quote(column.name) for column in source.columns) + given
    raws = [f"_r{position}" for position in range(len(source.columns))]
    kept = ", ".join(f"CAST({raw} AS VARCHAR)" for raw in raws)
    engine.run(
        f"CREATE OR REPLACE TABLE {STAGE} AS SELECT {outer}, _fault, CASE WHEN _fault > 0 THEN [{kept}] END AS _cells "
        f"FROM (SELECT {outer}, {', '.join(raws)}, CAST({fault} AS USMALLINT) AS _fault FROM (SELECT {', '.join(inner)} FROM {relation}))"
    )


def _rows(engine: Engine) -> int:
    return engine.count(STAGE)


def _mark_strangers(staged: Staged, engine: Engine) -> Staged:
    """Mark sound rows of unknown accounts: here and not while reading, because a join does not keep the order of the file."""
    if staged.known or not _strangers(engine):
        return staged
    unknown = f"account_id IN (SELECT account_id FROM {STRANGERS})"
    return _mark(staged, Rule("account_id", "an account that is not in accounts", ""), unknown, engine)


def _strangers(engine: Engine) -> bool:
    """Put the staged account_ids that accounts does not have into a table, looked up once each; whether there are any."""
    distinct = f"SELECT DISTINCT account_id FROM {STAGE} WHERE account_id IS NOT NULL"
    known = "SELECT account_id FROM data.accounts"
    engine.run(f"CREATE OR REPLACE TABLE {STRANGERS} AS SELECT account_id FROM ({distinct}) WHERE account_id NOT IN ({known})")
    return engine.first(f"SELECT 1 FROM {STRANGERS} LIMIT 1") is not None


def _mark_duplicates(staged: Staged, engine: Engine) -> Staged:
    """Mark every sound row whose key an earlier sound row has; rows with an empty part of the key cannot be told apart and stay."""
    schema, present = staged.source.schema, {column.name for column in staged.source.columns}
    if not schema.key or not set(schema.key) <= present:
        return staged
    key = (*schema.key, "recorded_at") if schema.versions and "recorded_at" in present else schema.key
    parts = ", ".join(quote(name) for name in key)
    full = " AND ".join(f"{quote(name)} IS NOT NULL" for name in schema.key) + (" AND _fault = 0" if staged.judged else "")
    if engine.first(f"SELECT 1 FROM {STAGE} WHERE {full} GROUP BY {parts} HAVING count(*) > 1 LIMIT 1") is None:
        return staged
    later = (
        f"SELECT row FROM (SELECT rowid AS row, row_number() OVER (PARTITION BY {parts} ORDER BY rowid) AS place "
        f"FROM {STAGE} WHERE {full}) WHERE place > 1"
    )
    return _mark(staged, Rule(", ".join(key), "a second row with this key; the first one stays", ""), f"rowid IN ({later})", engine)


def _mark(staged: Staged, rule: Rule, condition: str, engine: Engine) -> Staged:
    """Mark the sound rows for which the condition holds, if there are any."""
    sound = "_fault = 0 AND " if staged.judged else ""
    if engine.first(f"SELECT 1 FROM {STAGE} WHERE {sound}{condition} LIMIT 1") is None:
        return staged
    if not staged.judged:
        engine.run(f"ALTER TABLE {STAGE} ADD COLUMN _fault USMALLINT DEFAULT 0")
    rules = (*staged.rules, rule)
    engine.run(f"UPDATE {STAGE} SET _fault = {len(rules)} WHERE _fault = 0 AND {condition}")
    return replace(staged, rules=rules, judged=True)
