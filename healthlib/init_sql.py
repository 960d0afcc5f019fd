"""The SQL of one table from one sheet, written to be read and changed by a person."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from .engine import literal, quote
from .init_mapping import Mapped
from .init_read import Sheet

WIDTH = 128
READ = "all_varchar = true, header = true, skip = 0, comment = '', quote = '\"', escape = '\"'"

RESERVED = frozenset(
    [
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "default",
        "deferrable",
        "desc",
        "describe",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "from",
        "grant",
        "group",
        "having",
        "in",
        "initially",
        "intersect",
        "into",
        "lambda",
        "lateral",
        "leading",
        "limit",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "pivot",
        "placing",
        "primary",
        "qualify",
        "references",
        "returning",
        "select",
        "show",
        "some",
        "summarize",
        "symmetric",
        "table",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "unpivot",
        "using",
        "variadic",
        "when",
        "where",
        "window",
        "with",
        "user",
        "date",
        "time",
        "timestamp",
        "interval",
        "month",
        "year",
        "day",
    ]
)


def select(part: Mapped, folder: Path) -> str:
    """The SQL of one table from one sheet."""
    source = relation(part.source.sheet, folder)
    picks = [(pick.name, pick.sql) for pick in part.picks]
    if part.group:
        picks = [(name, sql if name == "account_id" else f"first({sql})") for name, sql in picks]
    lines = _listed([_bare(sql if sql.strip('"') == name else f"{sql} as {_named(name)}") for name, sql in picks])
    where = [f"where {_bare(' and '.join(part.where))}"] if part.where else []
    grouped = ["group by 1 order by 1"] if part.group else []
    text = "\n".join([*lines, f"from {source}{_join(part, folder)}", *where, *grouped])
    if not part.unpivot:
        return part.more.replace("{rows}", text) if part.more else text
    names = ", ".join(_named(name) for name in part.unpivot)
    return f"select account_id, read_on, metric, value from (unpivot (\n{text}\n) on {names} into name metric value value)"


def _join(part: Mapped, folder: Path) -> str:
    """The look-up that leads from another file's ids to accounts; a row that it does not know keeps no account and is rejected by name."""
    link = part.source.link
    if link is None or link.via is None:
        return ""
    bridge, column, to = link.via
    other, mine = _bare(quote(column)), _bare(quote(link.column))
    known = f"select cast({other} as varchar) as _key, cast(first({_bare(quote(to))}) as varchar) as _account"
    known += f"\nfrom {relation(bridge, folder)} group by 1"
    return f" rows\nleft join ({known}) known\non cast(rows.{mine} as varchar) = known._key"


def relation(sheet: Sheet, folder: Path) -> str:
    """SQL that reads a file with every cell as it stands. What it left open the database would guess: lines with # for comments, say."""
    paths = [literal(re.sub(r"([*?\[])", r"[\1]", relative(path, folder))) for path in sheet.paths]
    files = paths[0] if len(paths) == 1 else f"[{', '.join(paths)}]"
    if sheet.form == "parquet":
        return f"read_parquet({files})"
    mark = "'\\t'" if sheet.delimiter == "\t" else literal(sheet.delimiter)
    return f"read_csv({files}, {READ}, delim = {mark})"


def _named(name: str) -> str:
    return _bare(quote(name))


def _bare(sql: str) -> str:
    """Identifiers that need no quotes without them."""
    return re.sub(r'"([a-z_][a-z0-9_]*)"', lambda found: found[0] if found[1] in RESERVED else found[1], sql)


def _listed(columns: Sequence[str]) -> list[str]:
    """The select list in lines of a readable length."""
    lines, line = [], "select"
    for place, column in enumerate(columns):
        cell = column + ("," if place < len(columns) - 1 else "")
        if len(line) + len(cell) > WIDTH - 10 and line != "select":
            lines.append(line)
            line = cell
        else:
            line = f"{line} {cell}"
    return [*lines, line]


def relative(path: Path, folder: Path) -> str:
    """The path of a file as seen from the workspace folder."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
