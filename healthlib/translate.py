"""The package's SQL, which the embedded database speaks, in the words of another engine; what may mean something else there is refused.

sqlglot parses and writes; it is no safety net, because it passes on what a dialect lacks. So only a restricted language goes through:
joins on equality and comparison, GROUP BY, CASE, windows with a total order, days compared with days. One test runs every measure of the
catalogue on DuckDB, PostgreSQL, Spark and SQLite and compares cell by cell; for the other dialects the text is generated, never run.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from healthlib.engine import QueryError

DIALECTS = ("postgres", "spark", "sqlite", "snowflake", "bigquery", "databricks", "redshift", "trino")
PREFIX = "healthlib_"
"""Before the name of every table of ours: a warehouse has a `days` of its own."""
FUNCTIONS = (
    exp.Count, exp.Sum, exp.Max, exp.Min, exp.Avg, exp.Coalesce, exp.Nullif, exp.Abs, exp.Lower, exp.Upper, exp.Trim, exp.RowNumber,
    exp.Lag, exp.Cast, exp.Case, exp.If, exp.And, exp.Or, exp.Length, exp.Round,
)  # fmt: skip
"""What means the same everywhere, given the types it is used with here."""
TYPES = (
    "VARCHAR", "TEXT", "DATE", "TIMESTAMP", "TIMESTAMPNTZ", "DOUBLE", "FLOAT", "DECIMAL", "INT", "BIGINT", "SMALLINT", "BOOLEAN",
)  # fmt: skip
REFUSED = (exp.Subquery, exp.Explode, exp.Unnest, exp.JSONExtract, exp.RegexpLike, exp.SimilarTo, exp.ILike, exp.IntDiv, exp.Lambda)


def strange_there(expression: str) -> str | None:
    """What in one expression of a scorecard may mean something else on another engine, in words; None where nothing does.

    >>> strange_there("kind in ('a', 'b') and cast(due_at as date) < as_of - 60")
    >>> strange_there("list_contains(tags, 'risk')")
    'LIST_CONTAINS'
    """
    try:
        tree = sqlglot.parse_one(expression, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        return str(error).splitlines()[0]
    for node in tree.walk():
        if isinstance(node, REFUSED) or (isinstance(node, exp.Func) and not isinstance(node, FUNCTIONS)):
            return node.name.upper() if isinstance(node, exp.Anonymous) else type(node).__name__.upper()
        if isinstance(node, exp.Cast) and node.to.this.name not in TYPES:
            return f"CAST … AS {node.to.sql('duckdb')}"
    return None


def translated(sql: str, dialect: str, views: Mapping[str, str], *, pretty: bool = False) -> str:
    """One SELECT of ours in the words of a dialect.

    Parameters
    ----------
    sql : as the embedded database would run it
    dialect : one of `DIALECTS`
    views : name of each view that a SELECT may read -> its own SELECT over their tables; those read are written out before it
    pretty : a line for each part

    Raises
    ------
    QueryError : what may not be translated
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise QueryError(str(error).splitlines()[0]) from error
    used = [name for name in views if any(_full_name(table) == name for table in tree.find_all(exp.Table))]
    tree = _in_words_of(tree, dialect)
    for name in used:
        view = _in_words_of(sqlglot.parse_one(views[name], read="duckdb"), dialect)
        tree = tree.with_(_ours(name), as_=view)
    return tree.sql(dialect=dialect, pretty=pretty)


def _full_name(table: exp.Table) -> str:
    return f"{table.db}.{table.name}" if table.db else table.name


def _ours(name: str) -> str:
    """The name, without a schema, of a table of ours."""
    return PREFIX + name.replace("known.", "known_")


def _in_words_of(tree: exp.Expression, dialect: str) -> exp.Expression:
    """Names, days and moments as the dialect has them."""
    tree = tree.transform(_renamed)
    tree = tree.transform(_day_arithmetic, dialect)
    if dialect == "sqlite":
        tree = tree.transform(_sqlite)
    if dialect == "snowflake":
        tree = tree.transform(_folded)
    return tree


def _renamed(node: exp.Expression) -> exp.Expression:
    """Tables of ours under a name that nobody has: those without a schema, and the views of `known`. Theirs are marked by a catalog."""
    if isinstance(node, exp.Table) and node.args.get("this") is not None and node.db in ("", "known"):
        return exp.Table(this=exp.to_identifier(_ours(_full_name(node))), alias=node.args.get("alias"))
    if isinstance(node, exp.Table) and node.db == "theirs":
        parts = [exp.to_identifier(part, quoted=True) for part in node.name.split("\x1f")]
        names = dict(zip(("this", "db", "catalog"), reversed(parts), strict=False))
        return exp.Table(**names, alias=node.args.get("alias"))
    return node


def _is_day(node: exp.Expression) -> bool:
    """Whether an expression is a day: a cast to DATE, or one of the two days a scorecard may name."""
    if isinstance(node, exp.Paren):
        return _is_day(node.this)
    if isinstance(node, exp.Coalesce):
        return _is_day(node.this)
    return (isinstance(node, exp.Cast) and node.to.this.name == "DATE") or (
        isinstance(node, exp.Column) and node.name in ("as_of", "term_ends")
    )


PLUS = {
    "sqlite": "DATE(_a, '{n:+d} day')", "trino": "DATE_ADD('DAY', {n}, _a)", "bigquery": "DATE_ADD(_a, INTERVAL {n} DAY)",
    "snowflake": "DATEADD(DAY, {n}, _a)", "redshift": "CAST(DATEADD(DAY, {n}, _a) AS DATE)", "spark": "DATE_ADD(_a, {n})",
    "databricks": "DATE_ADD(_a, {n})",
}  # fmt: skip
"""Dialect -> a day plus a number of days, where it is not said with a plus."""
MINUS = {
    "sqlite": "CAST(julianday(_a) - julianday(_b) AS INTEGER)", "trino": "DATE_DIFF('DAY', _b, _a)", "bigquery": "DATE_DIFF(_a, _b, DAY)",
    "snowflake": "DATEDIFF(DAY, _b, _a)", "redshift": "DATEDIFF(DAY, _b, _a)", "spark": "DATEDIFF(_a, _b)",
    "databricks": "DATEDIFF(_a, _b)",
}  # fmt: skip
"""Dialect -> the days from one day to another, where it is not said with a minus."""


def _day_arithmetic(node: exp.Expression, dialect: str) -> exp.Expression:
    """A day plus or minus a number of days, and the days between two, where a dialect has another way to say so."""
    if not isinstance(node, exp.Add | exp.Sub) or not _is_day(node.this):
        return node
    other = node.expression
    if isinstance(node, exp.Sub) and _is_day(other) and dialect in MINUS:
        return _filled(MINUS[dialect], dialect, {"_a": node.this, "_b": other})
    if isinstance(other, exp.Literal) and other.is_int and dialect in PLUS:
        days = int(other.name) * (1 if isinstance(node, exp.Add) else -1)
        return _filled(PLUS[dialect].format(n=days), dialect, {"_a": node.this})
    return node


def _filled(text: str, dialect: str, parts: dict[str, exp.Expression]) -> exp.Expression:
    """An expression of the dialect with its placeholders replaced."""
    tree = sqlglot.parse_one(text, read=dialect)
    return tree.transform(lambda part: parts[part.name].copy() if isinstance(part, exp.Column) and part.name in parts else part)


def _sqlite(node: exp.Expression) -> exp.Expression:
    """SQLite keeps moments as text, which compares as it should where all of it is written alike."""
    if isinstance(node, exp.Cast) and node.to.this.name in ("TIMESTAMP", "TIMESTAMPNTZ") and isinstance(node.this, exp.Literal):
        return node.this
    return node


def _folded(node: exp.Expression) -> exp.Expression:
    """Plain names without quotes, so that Snowflake finds OCCURRED_AT under occurred_at."""
    if isinstance(node, exp.Identifier) and node.quoted and node.name.isidentifier() and node.name.islower():
        return exp.Identifier(this=node.name, quoted=False)
    return node
