"""Where each table comes from: finds files, runs `sql:`, reads headers, applies the mapping, and lists every fault at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from healthlib import reach
from healthlib.address import read_address
from healthlib.csvfile import CsvFile, UnreadableError, file_sha256, open_csv
from healthlib.csvrecords import Broken
from healthlib.database import Database, DatabaseError, open_database
from healthlib.engine import Engine, QueryError, literal, quote
from healthlib.errors import Fault, nearest
from healthlib.guesses import guesses
from healthlib.mapping import map_columns
from healthlib.rules import Column
from healthlib.schema import NUMBER, TABLES, TEXT, WHEN, TableSchema
from healthlib.spec import FlatSpec, TableSource, Workspace
from healthlib.transcode import in_utf8
from healthlib.workbook import is_workbook, open_sheet

ENDINGS = (".csv", ".csv.gz", ".parquet", ".xlsx")
FILES = "a CSV, CSV.GZ, Parquet or Excel (.xlsx) file"
REACHED = "a database that this machine reaches, its user, and the password in HEALTHLIB_DB_PASSWORD or PGPASSWORD"
BY_PLACE = "rowid + 2"
"""Line of a row that is one line of a file with a header, or one row of a table without lines, which is counted the same way."""

REQUIRED_TABLES = ("accounts", "contracts")


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
    line : SQL of a row's line, over `relation` or the table it becomes
    broken : what stands there and is no row
    said : what a reader of its figures should know
    """

    table: str
    label: str
    schema: TableSchema
    columns: tuple[Column, ...]
    relation: str
    csv: CsvFile | None
    sha256: str
    line: str = BY_PLACE
    broken: tuple[Broken, ...] = ()
    said: tuple[str, ...] = ()


def find_sources(workspace: Workspace, engine: Engine, scratch: Path, leave: Collection[str] = ()) -> tuple[list[Source], list[Fault]]:
    """Every table of a workspace, accounts first, and every reason why one cannot be read.

    Parameters
    ----------
    workspace : the configuration
    engine : database that runs `sql:`; a query's result is stored there as raw.<table>
    scratch : folder for unpacked copies
    leave : tables that are not looked for
    """
    if workspace.flat is not None:
        found = _flat(workspace, workspace.flat, engine, scratch)
        return ([found], []) if isinstance(found, Source) else ([], found)
    names = [name for name in dict.fromkeys((*TABLES, *workspace.tables)) if name not in leave]
    sources: list[Source] = []
    faults: list[Fault] = []
    try:
        database = open_database(read_address(workspace.database), workspace.folder, engine, scratch) if workspace.database else None
    except DatabaseError as error:
        return [], [Fault("workspace.yaml", None, "database", f"a database that cannot be read ({error})", REACHED)]
    try:
        for name in names:
            found = _find(name, workspace, engine, scratch, database)
            sources += [found] if isinstance(found, Source) else []
            faults += found if isinstance(found, list) else []
    finally:
        if database is not None:
            database.close()
    return sources, faults


def session(workspace: Workspace, scratch: Path) -> Engine:
    """A database session that may read what the workspace may, and `scratch`."""
    return Engine((*reach.folders(workspace), scratch), reach.files(workspace, file_names(workspace)))


def file_names(workspace: Workspace) -> tuple[str, ...]:
    """The names under which a table may lie in the workspace's folder."""
    return tuple(name + ending for name in dict.fromkeys((*TABLES, *workspace.tables)) for ending in ENDINGS)


def csv_relation(path: Path, delimiter: str, types: Mapping[str, str], formats: str = "") -> str:
    """SQL that reads a CSV under its header, every cell as it stands, refusing what is not of the given width.

    Parameters
    ----------
    path : plain text
    delimiter : between its cells
    types : name for each column -> VARCHAR, or a type that the whole column must hold
    formats : options that say how such a type is written
    """
    columns = ", ".join(f"{literal(name)}: '{native}'" for name, native in types.items())
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = true, delim = {literal(delimiter)}, quote = '\"', escape = '\"', "
        f"strict_mode = true, null_padding = false, columns = {{{columns}}}{formats})"
    )


def parquet_relation(path: Path) -> str:
    """SQL that reads a Parquet file."""
    return f"read_parquet({literal(str(path))})"


def _flat(workspace: Workspace, flat: FlatSpec, engine: Engine, scratch: Path) -> Source | list[Fault]:
    """The sheet of a flat workspace, read as the table of accounts; what is wrong is told under the keys the user wrote."""
    theirs = {"account_id": flat.account_id, "outcome": flat.outcome.column, "arr": flat.arr.column if flat.arr else None}
    columns = {name: asked for name, asked in (theirs | flat.attributes).items() if asked}
    shown = [*flat.attributes.values(), *([flat.arr.column] if flat.arr else [])]  # a metric may read them under their own name too
    columns = {asked: asked for asked in shown if asked != flat.outcome.column and asked not in theirs} | columns
    given = TableSource(file=flat.file, sql=flat.sql, columns=columns)
    found = _find("accounts", workspace.model_copy(update={"tables": {"accounts": given}}), engine, scratch, None)
    if isinstance(found, Source):
        return replace(found, label=found.label.replace("tables.accounts", "flat"))
    return [
        replace(fault, file=fault.file.replace("tables.accounts", "flat"), where=fault.where.replace("tables.accounts", "flat"),
                expected=fault.expected.replace("`columns:`", "`flat:`"))
        for fault in found or ()
    ]  # fmt: skip


def _sheet_schema(flat: FlatSpec) -> TableSchema:
    """The contract of a flat sheet: an id of its own in each row, ARR of 0 or more, an outcome that may be empty (not known yet)."""
    required = (*(["account_id"] if flat.account_id else []), *(["arr"] if flat.arr else []))
    columns = {"account_id": TEXT, "outcome": TEXT} | ({"arr": NUMBER} if flat.arr else {})
    return TableSchema(None, columns, required, ("account_id",), not_negative=("arr",) if flat.arr else ())


def _find(name: str, workspace: Workspace, engine: Engine, scratch: Path, database: Database | None) -> Source | list[Fault] | None:
    """The source of one table, its faults, or None where an optional table is simply not there."""
    given = workspace.tables.get(name, TableSource())
    schema = _sheet_schema(workspace.flat) if workspace.flat is not None else schema_of(name, given)
    if schema is None:
        return [
            Fault(
                "workspace.yaml",
                None,
                f"tables.{name}",
                "a table of your own without `time:`",
                "name the column that says when a row happened",
                nearest(name, TABLES),
            )
        ]
    if given.sql is not None:
        return _from_sql(name, schema, workspace, engine, scratch)
    if database is not None and (given.table or given.query):
        return _from_database(name, given, schema, database)
    if given.table:
        cure = "`healthlib snapshot`, then `healthlib run --cases cases.parquet`"
        return [Fault("workspace.yaml", None, f"tables.{name}.table", f"{given.table}, which stays in {workspace.engine}", cure)]
    path, label, fault = _locate(name, given, workspace, database)
    if fault is not None:
        return [fault]
    if path is None:
        return _from_database(name, given, schema, database) if database is not None and database.find(name) else None
    path = _without_wildcards(path, scratch)
    if is_workbook(path.name):
        return _from_workbook(name, given, schema, scratch, (path, label))
    if path.name.lower().endswith(".parquet"):
        return _from_parquet(name, given, schema, engine, (path, label))
    return _from_csv(name, given, schema, scratch, (path, label))


def schema_of(name: str, given: TableSource) -> TableSchema | None:
    """The contract of a canonical table, or of one of the user's own, which needs an account and a time."""
    if name in TABLES:
        schema = TABLES[name]
        if given.time is None or given.time == schema.time:
            return schema
        return replace(schema, time=given.time, columns={**schema.columns, given.time: WHEN}, required=(*schema.required, given.time))
    if given.time is None:
        return None
    return TableSchema(given.time, {"account_id": TEXT, given.time: WHEN}, ("account_id", given.time))


def _locate(name: str, given: TableSource, workspace: Workspace, database: Database | None) -> tuple[Path | None, str, Fault | None]:
    """Path, label and fault: the file named in workspace.yaml, or the one that bears the table's name."""
    folder = Path(workspace.folder)
    nearby = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    if given.file is not None:
        path = folder / (given.file.partition("#")[0] if is_workbook(given.file) else given.file)
        if path.is_file():
            return path, given.file, None
        return (
            None,
            given.file,
            Fault(
                "workspace.yaml",
                None,
                f"tables.{name}.file",
                f"{given.file}, which is no file",
                f"{FILES}, relative to the workspace folder",
                _near_file(path),
            ),
        )
    there = [name + ending for ending in ENDINGS if (folder / (name + ending)).is_file()]
    if database is not None and database.find(name):
        there.append(f"the table {name} of the database")
        if len(there) == 1:
            return None, name, None
    if len(there) == 1:
        return folder / there[0], there[0], None
    if len(there) > 1:
        cure = "one source per table; remove one or name one in workspace.yaml"
        return None, name, Fault(there[0], None, name, " and ".join(there), cure)
    if name in REQUIRED_TABLES or name in workspace.tables:
        expected = f"{name}.csv, .csv.gz, .parquet or .xlsx in the workspace folder, or `tables: {name}:` in workspace.yaml"
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
    if file.lines < 1 and not _may_be_empty(name):
        return [_unreadable(label, name, "a header and no row")]
    raws = [f"c{position}" for position in range(len(file.header))]
    headed = {raw: (cell, "VARCHAR") for raw, cell in zip(raws, file.header, strict=True)}
    columns = map_columns(label, given, schema, headed, by_content=True)
    if isinstance(columns, list):
        return columns
    relation = csv_relation(file.path, file.delimiter, dict.fromkeys(raws, "VARCHAR"))
    cut = f"{label} ends in the middle of a line, as an export does that was cut off; see whether its last row is whole"
    return Source(name, label, schema, columns, relation, file, file.sha256, said=() if file.ended else (cut,))


def _from_parquet(name: str, given: TableSource, schema: TableSchema, engine: Engine, place: tuple[Path, str]) -> Source | list[Fault]:
    path, label = place
    relation = parquet_relation(path)
    try:
        types = engine.columns(f"SELECT * FROM {relation}")
        rows = engine.count(relation)
    except (QueryError, OSError) as error:
        return [_unreadable(label, name, f"a file that cannot be read ({_first_line(error)})")]
    if rows == 0 and not _may_be_empty(name):
        return [_unreadable(label, name, "no row")]
    columns = map_columns(label, given, schema, {column: (column, native) for column, native in types.items()}, by_content=False)
    return columns if isinstance(columns, list) else Source(name, label, schema, columns, relation, None, file_sha256(path))


def _from_workbook(name: str, given: TableSource, schema: TableSchema, scratch: Path, place: tuple[Path, str]) -> Source | list[Fault]:
    path, label = place
    try:
        sheet = open_sheet(path, label.partition("#")[2], name, scratch / f"{name}.sheet.parquet")
    except UnreadableError as error:
        return [_unreadable(label, name, str(error))]
    if not sheet.rows and not sheet.broken and not _may_be_empty(name):
        return [_unreadable(label, name, "a header and no row")]
    headed = {f"c{position}": (cell, "VARCHAR") for position, cell in enumerate(sheet.header)}
    columns = map_columns(label, given, schema, headed, by_content=True)
    if isinstance(columns, list):
        return columns
    return Source(name, label, schema, columns, parquet_relation(sheet.path), None, file_sha256(path), "_line", sheet.broken)


def _from_database(name: str, given: TableSource, schema: TableSchema, database: Database) -> Source | list[Fault]:
    """A table or view by its name, or what a query of the user's returns. The label is the table; a line is the row + 1."""
    if given.query:
        label, where, found = f"workspace.yaml (tables.{name}.query)", f"tables.{name}.query", given.query
    else:
        label, where = given.table or name, f"tables.{name}.table"
        table = database.find(label)
        if table is None:
            cure = "a table or view of the database that its user may see"
            return [Fault("workspace.yaml", None, where, f"{label!r}, which is no table there", cure, nearest(label, database.names()))]
        found = f"SELECT * FROM {table}"
    try:
        fetched = database.fetch(found, name, ordered=given.query is not None)
    except DatabaseError as error:
        return [Fault("workspace.yaml", None, where, _shorten(str(error)), "one SELECT the database can run, read-only")]
    if not fetched.rows and not _may_be_empty(name):
        return [Fault("workspace.yaml", None, where, "no row", "a table or query with at least one row")]
    pairs = zip(fetched.names, fetched.natives, strict=True)
    headed = {(f"c{i}" if fetched.as_text else column): (column, native) for i, (column, native) in enumerate(pairs)}
    columns = map_columns(label, given, schema, headed, by_content=False)
    if isinstance(columns, list):
        return columns
    if fetched.as_text:
        columns = tuple(replace(column, native="VARCHAR") for column in columns)
    return Source(name, label, schema, columns, fetched.relation, None, fetched.sha256)


def _from_sql(name: str, schema: TableSchema, workspace: Workspace, engine: Engine, scratch: Path) -> Source | list[Fault]:
    """Run the query once, on one thread: with two, an aggregate's rows would come in an order that depends on timing."""
    given, folder, allowed = workspace.tables[name], Path(workspace.folder), reach.folders(workspace)
    label, where, sql = f"workspace.yaml (tables.{name}.sql)", f"tables.{name}.sql", str(given.sql)
    relation = f"raw.{quote(name)}"
    try:
        if not engine.is_one_select(sql):
            return [Fault("workspace.yaml", None, where, _shorten(sql), "one SELECT statement and nothing else")]
        engine.run("CREATE SCHEMA IF NOT EXISTS raw")
        engine.run("SET threads = 1")
        run = in_utf8(reach.written_out(sql, folder), allowed, scratch)
        engine.run(f"CREATE OR REPLACE TABLE {relation} AS SELECT * FROM ({run.strip().rstrip(';')}\n)")
        types = engine.columns(f"SELECT * FROM {relation}")
        rows = engine.count(relation)
    except QueryError as error:
        said, refused = reach.told(str(error), folder)
        if refused is not None:
            return [Fault("workspace.yaml", None, where, f"{refused}, which a query of this workspace may not read", reach.DENIED)]
        return [Fault("workspace.yaml", None, where, _first_line(said), "a query the embedded database can run")]
    finally:
        engine.run("SET threads = 2")
    if rows == 0 and not _may_be_empty(name):
        return [Fault("workspace.yaml", None, where, "no row", "a query that returns the rows of the table")]
    columns = map_columns(label, given, schema, {column: (column, native) for column, native in types.items()}, by_content=False)
    if isinstance(columns, list):
        return columns
    digest = sha256(sql.encode())
    for path in reach.named_files(sql, folder, allowed):
        digest.update(file_sha256(path).encode())
    return Source(name, label, schema, columns, relation, None, digest.hexdigest(), said=guesses(label, sql, folder, engine))


def _may_be_empty(table: str) -> bool:
    """Whether a header without a row is no data yet, as before the first survey; nobody has no account and no contract."""
    return table not in REQUIRED_TABLES


def _unreadable(label: str, table: str, found: str) -> Fault:
    return Fault(label, None, table, found, f"{FILES} with at least one row")


def _first_line(error: BaseException | str) -> str:
    return _shorten(str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__)


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 160 else flat[:157] + "..."
