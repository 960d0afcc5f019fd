"""Whether the parts of workspace.yaml make sense beside each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from healthlib.config_workspace import FlatSpec, TableSource
from healthlib.draft import NAME
from healthlib.errors import Fault, nearest
from healthlib.schema import CASE_COLUMNS, STAYS_HERE, TABLES
from healthlib.yamlfile import Document

INSTEAD = {"tables": "a sheet takes the place of all tables", "outcome": "a sheet says it in `flat: {outcome: ...}`"}


def check_source(document: Document, name: str, source: TableSource) -> Iterator[Fault]:
    """Whether the entry of one table in workspace.yaml makes sense."""
    place = ("tables", name)
    if not NAME.fullmatch(name):
        yield document.fault(place, repr(name), "expected a table name of letters, digits and _")
    ways = [key for key in ("file", "sql", "table", "query") if getattr(source, key)]
    if len(ways) > 1:
        cure = "keep one of the two" if len(ways) == 2 else "keep one of them"
        yield document.fault((*place, ways[1]), " and ".join(f"`{key}`" for key in ways), cure)
    elif ways == ["query"] and not document.data.get("database"):
        yield document.fault((*place, "query"), "`query` without a database", "expected `database:` at the top, with its URL")
    elif ways == ["table"] and not document.data.get("database"):
        here = name in STAYS_HERE
        if here or not document.data.get("engine"):
            more = "" if here else ", or `engine:`, where it is to stay"
            yield document.fault((*place, "table"), "`table` without a database", f"expected `database:` at the top, with its URL{more}")
    for key in ("sql", "query"):
        if key in ways and source.columns:
            yield document.fault((*place, "columns"), f"`columns` beside `{key}`", "rename in the query: `select theirs as canonical`")
    if name not in TABLES:
        if not source.time:
            near = nearest(name, TABLES)
            hint = "a table of your own needs `time:`, the name of its time column"
            yield document.fault(place, f"the table {name!r} without `time`", hint, near)
        return
    schema = TABLES[name]
    if source.time and source.time != schema.time:
        cure = f"map it: `columns: {{{schema.time}: {source.time}}}`" if schema.time else "leave it out: this table has no time"
        yield document.wrong((*place, "time"), cure)
    for ours, theirs in source.columns.items():
        if ours not in schema.columns and theirs in schema.columns and theirs not in source.columns:
            yield document.fault((*place, "columns", ours), f"`{ours}: {theirs}`", f"the canonical name comes first: `{theirs}: {ours}`")


def check_flat(document: Document, flat: FlatSpec | None) -> Iterator[Fault]:
    """Whether a flat sheet and what stands beside it make sense."""
    for key in ("tables", "outcome"):
        if document.data.get(key) is not None:
            yield document.fault((key,), f"`{key}` beside `flat`", f"one of the two: {INSTEAD[key]}")
    if flat is None:
        return
    if flat.file and flat.sql:
        yield document.fault(("flat", "sql"), "`file` and `sql`", "keep one of the two")
    if not flat.file and not flat.sql:
        yield document.fault(("flat", "file"), "nothing", "expected the file of the sheet, relative to the workspace folder")
    for name in flat.attributes:
        place = ("flat", "attributes", name) if isinstance(document.at(("flat", "attributes")), dict) else ("flat", "attributes")
        if name.lower() in {column.lower() for column in CASE_COLUMNS}:
            yield document.fault(place, repr(name), "another name, as `our name: their column`: this one is a column of every case")


def taken_names(columns: Mapping[str, Collection[str]]) -> set[str]:
    """Lower-case names that no metric may have: the columns of every case, and the attributes in it.

    Parameters
    ----------
    columns : table -> columns that workspace.yaml maps
    """
    attributes = {*TABLES["accounts"].columns, *columns.get("accounts", ()), *columns.get("attributes", ())}
    return {name.lower() for name in (*CASE_COLUMNS, *attributes)}
