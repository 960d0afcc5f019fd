"""Which column of a source is which: the mapping of workspace.yaml, the names of the contract, and every fault of the two."""

from __future__ import annotations

import re
from collections.abc import Mapping

from healthlib.errors import Fault, nearest
from healthlib.rules import Column, kind_of
from healthlib.schema import WHEN, TableSchema
from healthlib.spec import TableSource

RESERVED = re.compile(r"_(line|fault|cells|row|r\d+)", re.IGNORECASE)


def map_columns(
    label: str,
    given: TableSource,
    schema: TableSchema,
    found: Mapping[str, tuple[str, str]],
    *,
    by_content: bool,
) -> tuple[Column, ...] | list[Fault]:
    """Name what a source brings, or list what it lacks.

    Parameters
    ----------
    label : the source as the user knows it
    given : its entry in workspace.yaml
    schema : its contract
    found : raw name -> their name, database type
    by_content : whether columns the contract does not know are typed by what they hold, not by their type
    """
    theirs: dict[str, str] = {}
    doubled: set[str] = set()
    for raw, (cell, _) in found.items():
        doubled |= {cell} & set(theirs)
        theirs.setdefault(cell, raw)
    faults = [
        Fault(label, 1, asked, "no such column", f"the column that `columns:` maps to {name}", nearest(asked, theirs))
        for name, asked in given.columns.items()
        if asked not in theirs
    ]
    faults += [
        Fault(label, 1, name, "no such column", "a required column; map it under `columns:`", nearest(name, theirs))
        for name in schema.required
        if name not in given.columns and name not in theirs
    ]
    wanted = {name: asked for name, asked in given.columns.items() if asked in theirs}
    used = set(wanted.values())
    wanted.update({cell: cell for cell in theirs if cell not in used and cell not in wanted and cell})
    faults += [
        Fault(label, 1, cell, "two columns of this name", "one; rename the other, or select it with `sql:`")
        for cell in sorted(doubled & {asked for name, asked in wanted.items() if name in schema.columns or asked in used})
    ]
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
