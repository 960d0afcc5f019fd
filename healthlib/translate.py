"""The package's SQL, which the embedded database speaks, in the words of another engine; what may mean something else there is refused.

sqlglot parses and writes; it is no safety net, because it passes on what a dialect lacks. So only a restricted language goes through:
joins on equality and comparison, GROUP BY, CASE, windows with a total order, days compared with days. One test runs every measure of the
catalogue on DuckDB, PostgreSQL, Spark and SQLite and compares cell by cell; for the other dialects the text is read back by its parser and
run here, never there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite

from healthlib.engine import QueryError

DIALECTS = ("postgres", "spark", "sqlite", "snowflake", "bigquery", "databricks", "redshift", "trino")
PREFIX = "healthlib_"
"""Before the name of every table of ours: a warehouse has a `days` of its own."""
RAW = "raw"
"""Alias of a table of theirs where its columns bear their own names, in their own spelling; everywhere else names are ours."""
MEANT_ALIKE = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE,
    exp.GT, exp.GTE, exp.Is, exp.In, exp.Between, exp.Like, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.DPipe, exp.Cast, exp.Case,
    exp.If, exp.Coalesce, exp.Nullif, exp.Abs, exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.DataType, exp.DataTypeParam,
)  # fmt: skip
"""What an expression may be made of: it means the same everywhere, given the types it is used with here."""
TYPES = ("VARCHAR", "TEXT", "DATE", "TIMESTAMP", "TIMESTAMPNTZ", "DOUBLE", "FLOAT", "DECIMAL", "BOOLEAN")
"""What a cast may lead to; to a whole number it rounds on one engine and truncates on the next."""
ORDERED = (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between)
COMPARED = (*ORDERED, exp.EQ, exp.NEQ)
DATE_LIKE = re.compile(r"\d{4}-\d\d-\d\d([ T].*)?")


def strange_there(expression: str, kinds: Mapping[str, str] | None = None) -> str | None:
    """What in one expression of a scorecard may mean something else on another engine, in words; None where nothing does.

    Parameters
    ----------
    kinds : column -> text, number, when or flag, as far as known

    >>> strange_there("kind in ('a', 'b') and cast(due_at as date) < as_of - 60")
    >>> strange_there("list_contains(tags, 'risk')")
    'ARRAYCONTAINS'
    >>> strange_there("quantity / seats")
    'a division by what may be 0: write nullif(…, 0)'
    """
    try:
        tree = sqlglot.parse_one(expression, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        return str(error).splitlines()[0]
    known = {name.lower(): kind for name, kind in (kinds or {}).items()}
    return next((said for node in tree.walk() if (said := _strange(node, known)) is not None), None)


def _strange(node: exp.Expr, kinds: Mapping[str, str]) -> str | None:
    """The same of one part of an expression."""
    if isinstance(node, exp.TryCast) or not isinstance(node, MEANT_ALIKE):
        return node.name.upper() if isinstance(node, exp.Anonymous) else type(node).__name__.upper()
    if isinstance(node, exp.Div) and not _never_zero(node.expression):
        return "a division by what may be 0: write nullif(…, 0)"
    if isinstance(node, exp.Like) and (not isinstance(node.expression, exp.Literal) or "\\" in node.expression.name):
        return "LIKE with a pattern that is no plain text"
    if isinstance(node, exp.Cast) and node.to.this.name not in TYPES:
        return f"CAST … AS {node.to.sql('duckdb')}"
    if isinstance(node, exp.Cast) and node.to.this.name in ("VARCHAR", "TEXT") and _kind(node.this, kinds) not in (None, "text"):
        return "CAST … AS VARCHAR, which writes numbers and dates in its own way"
    if isinstance(node, exp.Cast) and node.to.is_type(*exp.DataType.NUMERIC_TYPES) and _kind(node.this, kinds) not in (None, "number"):
        return f"CAST of a {_kind(node.this, kinds)} AS {node.to.sql('duckdb')}"
    if isinstance(node, ORDERED) and _kind(node.this, kinds) == "text":
        return "the order of texts"
    return None


def _never_zero(node: exp.Expr) -> bool:
    """Whether a divisor is a number other than 0, or is empty where it would be 0."""
    if isinstance(node, exp.Paren):
        return _never_zero(node.this)
    if isinstance(node, exp.Nullif):
        return isinstance(node.expression, exp.Literal) and node.expression.name == "0"
    return isinstance(node, exp.Literal) and not node.is_string and float(node.name) != 0


def _kind(node: exp.Expr, kinds: Mapping[str, str]) -> str | None:
    """What an expression gives, as far as its own form and its columns say."""
    if isinstance(node, exp.Column):
        return "when" if node.name.lower() in DAYS else kinds.get(node.name.lower())
    if isinstance(node, exp.Paren | exp.Coalesce | exp.Nullif):
        return _kind(node.this, kinds)
    if isinstance(node, exp.DPipe | exp.Lower | exp.Upper | exp.Trim):
        return "text"
    if isinstance(node, exp.Predicate | exp.Not | exp.Connector):
        return "flag"
    return None


def translated(sql: str, dialect: str, views: Mapping[str, str], *, pretty: bool = False, letters: str = "") -> str:
    """One SELECT of ours in the words of a dialect.

    Parameters
    ----------
    sql : as the embedded database would run it
    dialect : one of `DIALECTS`
    views : name of each view that a SELECT may read -> its own SELECT over their tables; those read are written out before it
    pretty : a line for each part
    letters : collation that knows capital letters beyond A to Z, where the engine's own does not

    Raises
    ------
    QueryError : what may not be translated
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise QueryError(str(error).splitlines()[0]) from error
    used = [name for name in views if any(_full_name(table) == name for table in tree.find_all(exp.Table))]
    said = _in_words_of(tree, dialect)
    if not isinstance(said, exp.Query):
        raise QueryError("no SELECT")
    for name in used:
        view = _in_words_of(sqlglot.parse_one(views[name], read="duckdb"), dialect)
        said = said.with_(_ours(name), as_=view)
    for node in said.find_all(exp.Lower, exp.Upper) if letters else ():
        node.set("this", exp.Collate(this=exp.paren(node.this), expression=exp.to_identifier(letters, quoted=True)))
    return said.sql(dialect=UnmistakenSqlite if dialect == "sqlite" else dialect, pretty=pretty, identify=True)


def _full_name(table: exp.Table) -> str:
    return f"{table.db}.{table.name}" if table.db else table.name


def _ours(name: str) -> str:
    """The name, without a schema, of a table of ours."""
    return PREFIX + name.replace("known.", "known_")


def _in_words_of(tree: exp.Expr, dialect: str) -> exp.Expr:
    """Names, days and moments as the dialect has them."""
    tree = tree.transform(_renamed)
    for name in tree.find_all(exp.Identifier):
        _spelled(name, dialect)
    tree = tree.transform(_day_arithmetic, dialect)
    if dialect == "sqlite":
        tree = tree.transform(_days_beside_moments)
    return tree.transform(_said_otherwise, dialect)


def _spelled(name: exp.Identifier, dialect: str) -> None:
    """Names of ours in lower case, as the embedded database, which knows no case, would find them; theirs as they are.

    Snowflake keeps a name without quotes in capitals, so that one of theirs in small letters is one of those.
    """
    at = name.parent
    own = isinstance(at, exp.Table) or (isinstance(at, exp.Column) and at.table == RAW and name is at.this)
    if not own:
        name.set("this", name.name.lower())
    elif dialect == "snowflake" and name.name.islower() and name.name.isidentifier() and not name.name.startswith(PREFIX):
        name.set("this", name.name.upper())


def _renamed(node: exp.Expr) -> exp.Expr:
    """Tables of ours under a name that nobody has: those without a schema, and the views of `known`. Theirs are marked by a catalog."""
    if isinstance(node, exp.Table) and node.args.get("this") is not None and node.db in ("", "known"):
        return exp.Table(this=exp.to_identifier(_ours(_full_name(node))), alias=node.args.get("alias"))
    if isinstance(node, exp.Table) and node.db == "theirs":
        parts = [exp.to_identifier(part, quoted=True) for part in node.name.split("\x1f")]
        names = dict(zip(("this", "db", "catalog"), reversed(parts), strict=False))
        return exp.Table(**names, alias=node.args.get("alias"))
    return node


class UnmistakenSqlite(SQLite):
    """SQLite with its names in backticks: one in double quotes that is no column would be read as a text."""

    class Tokenizer(SQLite.Tokenizer):
        """As SQLite's, but for the order of its quotes."""

        IDENTIFIERS: ClassVar = ["`", '"', ("[", "]")]


DAYS = ("as_of", "term_ends", "day", "known")
"""Names of days that an expression may use beside the row's own columns."""


def _is_day(node: exp.Expr) -> bool:
    """Whether an expression is a day: a cast to DATE, one of the days a scorecard may name, or so many days before or after one."""
    if isinstance(node, exp.Paren):
        return _is_day(node.this)
    if isinstance(node, exp.Coalesce):
        return all(map(_is_day, (node.this, *node.expressions)))
    if isinstance(node, exp.Add | exp.Sub):
        return _is_day(node.this) and not _is_day(node.expression)
    return (isinstance(node, exp.Cast) and node.to.this.name == "DATE") or (isinstance(node, exp.Column) and node.name in DAYS)


PLUS = {
    "sqlite": "DATE(_a, (_n) || ' day')", "trino": "DATE_ADD('DAY', _n, _a)", "bigquery": "DATE_ADD(_a, INTERVAL (_n) DAY)",
    "snowflake": "DATEADD(DAY, _n, _a)", "redshift": "CAST(DATEADD(DAY, _n, _a) AS DATE)", "spark": "DATE_ADD(_a, _n)",
    "databricks": "DATE_ADD(_a, _n)",
}  # fmt: skip
"""Dialect -> a day plus a number of days, where it is not said with a plus."""
MINUS = {
    "sqlite": "CAST(julianday(_a) - julianday(_b) AS INTEGER)", "trino": "DATE_DIFF('DAY', _b, _a)", "bigquery": "DATE_DIFF(_a, _b, DAY)",
    "snowflake": "DATEDIFF(DAY, _b, _a)", "redshift": "DATEDIFF(DAY, _b, _a)", "spark": "DATEDIFF(_a, _b)",
    "databricks": "DATEDIFF(_a, _b)",
}  # fmt: skip
"""Dialect -> the days from one day to another, where it is not said with a minus."""


def _day_arithmetic(node: exp.Expr, dialect: str) -> exp.Expr:
    """A day plus or minus a number of days, and the days between two, where a dialect has another way to say so."""
    if not isinstance(node, exp.Add | exp.Sub) or not _is_day(node.this):
        return node
    other = node.expression
    if _is_day(other):
        return _filled(MINUS[dialect], dialect, {"_a": node.this, "_b": other}) if dialect in MINUS else node
    if dialect not in PLUS:
        return node
    days = other if isinstance(node, exp.Add) else exp.Neg(this=other if isinstance(other, exp.Literal) else exp.paren(other))
    return _filled(PLUS[dialect], dialect, {"_a": node.this, "_n": days})


def _filled(text: str, dialect: str, parts: dict[str, exp.Expr]) -> exp.Expr:
    """An expression of the dialect with its placeholders replaced."""
    tree = sqlglot.parse_one(text, read=dialect)
    return tree.transform(lambda part: parts[part.name].copy() if isinstance(part, exp.Column) and part.name in parts else part)


def _days_beside_moments(node: exp.Expr) -> exp.Expr:
    """SQLite keeps both as text, so a day is less than its own midnight: where an expression compares the two, both become moments."""
    if not isinstance(node, COMPARED):
        return node
    sides = [node.this, *([node.args["low"], node.args["high"]] if isinstance(node, exp.Between) else [node.expression])]
    columns = [column for side in sides for column in side.find_all(exp.Column)]
    if any(column.table for column in columns) or all(map(_is_day, sides)) or any(map(_is_number, sides)):
        return node
    if any(speaks_of_days(side) for side in sides):
        for key in ("this", "expression", "low", "high"):
            if (side := node.args.get(key)) is not None:
                node.set(key, _moment(side))
    return node


def _is_number(node: exp.Expr) -> bool:
    if isinstance(node, exp.Paren | exp.Neg):
        return _is_number(node.this)
    return (isinstance(node, exp.Literal) and not node.is_string) or (isinstance(node, exp.Cast) and "julianday" in node.sql().lower())


def speaks_of_days(node: exp.Expr) -> bool:
    """Whether an expression has a day in it: a date written out, a cast to one, or one of `DAYS`."""
    if isinstance(node, exp.Literal):
        return node.is_string and DATE_LIKE.fullmatch(node.name) is not None
    return any(_is_day(part) for part in node.find_all(exp.Cast, exp.Column))


def _moment(node: exp.Expr) -> exp.Expr:
    """SQLite's text of a moment in UTC, to the millisecond: one that says an offset is shifted by it."""
    return exp.Anonymous(this="STRFTIME", expressions=[exp.Literal.string("%Y-%m-%d %H:%M:%f"), node.copy()])


def _said_otherwise(node: exp.Expr, dialect: str) -> exp.Expr:
    """What sqlglot passes on though the dialect lacks it, or means something else by it."""
    if isinstance(node, exp.IsNan) and dialect in ("postgres", "redshift", "snowflake"):
        return exp.EQ(this=exp.cast(node.this.copy(), "double"), expression=exp.cast(exp.Literal.string("NaN"), "double"))
    if isinstance(node, exp.IsNan) and dialect == "sqlite":
        return exp.false()
    if isinstance(node, exp.Trim) and node.args.get("expression") is None and dialect in ("bigquery", "trino"):
        node.set("expression", exp.Literal.string(" "))
    if isinstance(node, exp.Div) and dialect == "snowflake":
        node.set("this", exp.cast(node.this, "double"))
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Boolean) and dialect in ("trino", "snowflake"):
        return exp.EQ(this=exp.func("coalesce", node.this.copy(), exp.convert(not node.expression.this)), expression=node.expression.copy())
    if isinstance(node, exp.Cast) and node.to.this.name in ("TIMESTAMP", "TIMESTAMPNTZ"):
        return _cast_to_moment(node, dialect)
    return node


def _cast_to_moment(node: exp.Cast, dialect: str) -> exp.Expr:
    """A moment in UTC without a zone, whatever the column has: every session here is in UTC."""
    if dialect == "sqlite":
        return _moment(node.this)
    if dialect in ("spark", "databricks"):  # a session in UTC has no other moments, and a cast that does nothing keeps files skippable
        return exp.Cast(this=node.this.copy(), to=exp.DataType.build("timestamptz"))
    if isinstance(node.this, exp.Literal):
        return node
    if dialect == "snowflake":
        return _filled("CAST(CONVERT_TIMEZONE('UTC', _a) AS TIMESTAMP_NTZ)", dialect, {"_a": node.this})
    if dialect == "trino":
        zoned = "CAST(CAST(_a AS TIMESTAMP(6) WITH TIME ZONE) AT TIME ZONE 'UTC' AS TIMESTAMP(6))"
        return _filled(zoned, dialect, {"_a": node.this})
    return node
