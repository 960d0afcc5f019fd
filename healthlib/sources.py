"""Where each table comes from: finds files, runs `sql:`, reads headers, applies the mapping, and lists every fault at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from healthlib.csvfile import CsvFile, UnreadableError, file_sha256, open_csv
from healthlib.engine import Engine, QueryError, literal, quote
from healthlib.errors import Fault, nearest
from healthlib.rules import Column, kind_of
from healthlib.schema import TABLES, TEXT, WHEN, TableSchema
from healthlib.spec import TableSource, Workspace
from healthlib.transcode import in_utf8

ENDINGS = (".csv", ".csv.gz", ".parquet")
REQUIRED_TABLES = ("accounts", "contracts")
RESERVED = re.compile(r"_(line|fault|row|r\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One table that can be read.

    Attributes
    ----------
    table : its name
    label : the file as the user knows it
    schema : its contract
    columns : in the order of the source
    relation : SQL to select from
    csv : the CSV behind it, if it is one
    sha256 : of the file, or of the query and the files it names
    """

    table: str
    label: str
    schema: TableSchema
    columns: tuple[Column, ...]
    relation: str
    csv: CsvFile | None
    sha256: str


def find_sources(workspace: Workspace, engine: Engine, scratch: Path) -> tuple[list[Source], list[Fault]]:
    """Every table of a workspace, accounts first, and every reason why one cannot be read.

    Parameters
    ----------
    workspace : the configuration
    engine : database that runs `sql:`; a query's result is stored there as raw.<table>
    scratch : folder for unpacked copies
    """
    names = [*TABLES, *(name for name in workspace.tables if name not in TABLES)]
    sources: list[Source] = []
    faults: list[Fault] = []
    for name in names:
        found = _find(name, workspace, engine, scratch)
        sources += [found] if isinstance(found, Source) else []
        faults += found if isinstance(found, list) else []
    return sources, faults


def csv_relation(path: Path, delimiter: str, names: list[str]) -> str:
    """SQL that reads a CSV under its header as text, every cell as it stands, refusing what is not of the given width."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = true, delim = {literal(delimiter)}, quote = '\"', escape = '\"', "
        f"strict_mode = true, null_padding = false, columns = {{{columns}}})"
    )


def parquet_relation(path: Path) -> str:
    """SQL that reads a Parquet file."""
    return f"read_parquet({literal(str(path))})"


def _find(name: str, workspace: Workspace, engine: Engine, scratch: Path) -> Source | list[Fault] | None:
    """The source of one table, its faults, or None where an optional table is simply not there."""
    given = workspace.tables.get(name, TableSource())
    schema = _schema(name, given)
    if schema is None:
        return [Fault("workspace.yaml", None, f"tables.{name}", "a table of your own without `time:`",
                      "name the column that says when a row happened", nearest(name, TABLES))]
    if given.sql is not None:
        return _from_sql(name, given, schema, engine, (workspace.folder, scratch))
    path, label, fault = _locate(name, given, workspace)
    if fault is not None:
        return [fault]
    if path is None:
        return None
    path = _without_wildcards(path, scratch)
    if path.name.lower().endswith(".parquet"):
        return _from_parquet(name, given, schema, engine, (path, label))
    return _from_csv(name, given, schema, scratch, (path, label))


def _schema(name: str, given: TableSource) -> TableSchema | None:
    """The contract of a canonical table, or of one of the user's own, which needs an account and a time."""
    if name in TABLES:
        schema = TABLES[name]
        if given.time is None or given.time == schema.time:
            return schema
        return replace(schema, time=given.time, columns={**schema.columns, given.time: WHEN}, required=(*schema.required, given.time))
    if given.time is None:
        return None
    return TableSchema(given.time, {"account_id": TEXT, given.time: WHEN}, ("account_id", given.time))


def _locate(name: str, given: TableSource, workspace: Workspace) -> tuple[Path | None, str, Fault | None]:
    """Path, label and fault: the file named in workspace.yaml, or the one that bears the table's name."""
    folder = Path(workspace.folder)
    nearby = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    if given.file is not None:
        path = folder / given.file
        if path.is_file():
            return path, given.file, None
        return None, given.file, Fault("workspace.yaml", None, f"tables.{name}.file", f"{given.file}, which is no file",
                                       "a CSV, CSV.GZ or Parquet file, relative to the workspace folder", _near_file(path))
    there = [name + ending for ending in ENDINGS if (folder / (name + ending)).is_file()]
    if len(there) == 1:
        return folder / there[0], there[0], None
    if len(there) > 1:
        return None, name, Fault(there[0], None, name, " and ".join(there), "one file per table; remove one or name one in workspace.yaml")
    if name in REQUIRED_TABLES or name in workspace.tables:
        expected = f"{name}.csv, {name}.csv.gz or {name}.parquet in the workspace folder, or `tables: {name}:` in workspace.yaml"
        return None, name, Fault(name + ".csv", None, "", "no such file", expected, nearest(name + ".csv", nearby))
    return None, name, None


def _without_wildcards(path: Path, scratch: Path) -> Path:
    """A path the database does not take for a pattern of many files."""
    if not set("*?[") & set(str(path.resolve())):
        return path.resolve()
    link = scratch / (sha256(str(path).encode()).hexdigest() + path.suffix.lower())
    link.symlink_to(path.resolve())
    return link


def _near_file(path: Path) -> str | None:
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return nearest(path.name, names)


def _from_csv(name: str, given: TableSource, schema: TableSchema, scratch: Path, place: tuple[Path, str]) -> Source | list[Fault]:
    path, label = place
    try:
        file = open_csv(path, scratch)
    except UnreadableError as error:
        return [_unreadable(label, name, str(error))]
    if file.lines < 1:
        return [_unreadable(label, name, "a header and no row")]
    raws = [f"c{position}" for position in range(len(file.header))]
    headed = {raw: (cell, "VARCHAR") for raw, cell in zip(raws, file.header, strict=True)}
    columns = _columns(label, given, schema, headed, by_content=True)
    if isinstance(columns, list):
        return columns
    relation = csv_relation(file.path, file.delimiter, raws)
    return Source(name, label, schema, columns, relation, file, file.sha256)


def _from_parquet(name: str, given: TableSource, schema: TableSchema, engine: Engine, place: tuple[Path, str]) -> Source | list[Fault]:
    path, label = place
    relation = parquet_relation(path)
    try:
        types = engine.columns(f"SELECT * FROM {relation}")
        rows = int(engine.query(f"SELECT count(*) AS rows FROM {relation}")["rows"].iloc[0])
    except (QueryError, OSError) as error:
        return [_unreadable(label, name, f"a file that cannot be read ({_first_line(error)})")]
    if rows == 0:
        return [_unreadable(label, name, "no row")]
    columns = _columns(label, given, schema, {column: (column, native) for column, native in types.items()}, by_content=False)
    return columns if isinstance(columns, list) else Source(name, label, schema, columns, relation, None, file_sha256(path))


def _from_sql(name: str, given: TableSource, schema: TableSchema, engine: Engine, places: tuple[Path, Path]) -> Source | list[Fault]:
    """Run the query once, on one thread: with two, an aggregate's rows would come in an order that depends on timing."""
    (folder, scratch), label = places, f"workspace.yaml (tables.{name}.sql)"
    where, sql = f"tables.{name}.sql", str(given.sql)
    relation = f"raw.{quote(name)}"
    try:
        if not engine.is_one_select(sql):
            return [Fault("workspace.yaml", None, where, _shorten(sql), "one SELECT statement and nothing else")]
        engine.run("CREATE SCHEMA IF NOT EXISTS raw")
        engine.run("SET threads = 1")
        engine.run(f"CREATE OR REPLACE TABLE {relation} AS SELECT * FROM ({in_utf8(sql, folder, scratch).strip().rstrip(';')}\n)")
        types = engine.columns(f"SELECT * FROM {relation}")
        rows = int(engine.query(f"SELECT count(*) AS rows FROM {relation}")["rows"].iloc[0])
    except QueryError as error:
        return [Fault("workspace.yaml", None, where, _first_line(error), "a query the embedded database can run")]
    finally:
        engine.run("SET threads = 2")
    if rows == 0:
        return [Fault("workspace.yaml", None, where, "no row", "a query that returns the rows of the table")]
    columns = _columns(label, given, schema, {column: (column, native) for column, native in types.items()}, by_content=False)
    return columns if isinstance(columns, list) else Source(name, label, schema, columns, relation, None, _sql_sha256(sql, folder))


def _columns(
    label: str, given: TableSource, schema: TableSchema, found: Mapping[str, tuple[str, str]], *, by_content: bool,
) -> tuple[Column, ...] | list[Fault]:
    """Name what a source brings (`found`: raw name -> their name, database type), or list what it lacks."""
    theirs: dict[str, str] = {}
    doubled: set[str] = set()
    for raw, (cell, _) in found.items():
        doubled |= {cell} & set(theirs)
        theirs.setdefault(cell, raw)
    faults = [Fault(label, 1, asked, "no such column", f"the column that `columns:` maps to {name}", nearest(asked, theirs))
              for name, asked in given.columns.items() if asked not in theirs]
    faults += [Fault(label, 1, name, "no such column", "a required column; map it under `columns:`", nearest(name, theirs))
               for name in schema.required if name not in given.columns and name not in theirs]
    wanted = {name: asked for name, asked in given.columns.items() if asked in theirs}
    used = set(wanted.values())
    wanted.update({cell: cell for cell in theirs if cell not in used and cell not in wanted and cell})
    faults += [Fault(label, 1, cell, "two columns of this name", "one; rename the other, or select it with `sql:`")
               for cell in sorted(doubled & {asked for name, asked in wanted.items() if name in schema.columns or asked in used})]
    if faults:
        return faults
    columns: list[Column] = []
    for name, asked in wanted.items():
        raw = theirs[asked]
        native = found[raw][1]
        kind = schema.columns.get(name) or (WHEN if name == "recorded_at" else None)
        if kind is None and not by_content:
            kind = kind_of(native)
        columns.append(Column(_free(name, schema, columns), asked, raw, native, kind))
    order = {raw: position for position, raw in enumerate(found)}
    return tuple(sorted(columns, key=lambda column: order[column.raw]))


def _free(name: str, schema: TableSchema, taken: list[Column]) -> str:
    """The name, or one beside it where the database, which knows no upper case, already has it."""
    if RESERVED.fullmatch(name):
        name += "_"
    names = {column.name.lower() for column in taken} | {known.lower() for known in schema.columns if known != name}
    if name.lower() not in names:
        return name
    return next(f"{name}_{number}" for number in range(2, len(names) + 3) if f"{name}_{number}".lower() not in names)


def _unreadable(label: str, table: str, found: str) -> Fault:
    return Fault(label, None, table, found, "a CSV, CSV.GZ or Parquet file with at least one row")


def _sql_sha256(sql: str, folder: Path) -> str:
    """Of the query, then of each file it names in quotes, as far as they can be found."""
    digest = sha256(sql.encode())
    for pattern in sorted(set(re.findall(r"'((?:[^'\n]|'')*)'", sql))):
        pattern = pattern.replace("''", "'")
        anchor = Path(pattern).anchor
        try:
            paths = sorted(Path(anchor or folder).glob(pattern.removeprefix(anchor)))
        except (ValueError, NotImplementedError, OSError, IndexError):  # what is no path: an empty text, a lone dot
            continue
        for path in paths:
            if path.is_file():
                digest.update(file_sha256(path).encode())
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return _shorten(str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__)


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 160 else flat[:157] + "..."
