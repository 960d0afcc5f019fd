"""Where events live: the name or URL of an engine, taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from healthlib.address import read_address
from healthlib.errors import HealthlibError

ENGINES = {
    "duckdb": "duckdb", "postgresql": "postgres", "sqlite": "sqlite", "spark": "spark", "snowflake": "snowflake", "bigquery": "bigquery",
    "databricks": "databricks", "redshift": "redshift", "trino": "trino",
}  # fmt: skip
"""Engine that may hold events -> the dialect it speaks."""
ENGINE_FORMS = (
    "duckdb, duckdb:///file.duckdb, postgresql://user@host:5432/name, sqlite:///file.sqlite, spark, spark:local[2], "
    "or with --dry-run snowflake, bigquery, databricks, redshift, trino"
)


class AddressError(HealthlibError):
    """An engine that we do not know (exit 2)."""


@dataclass(frozen=True)
class Place:
    """Where events live.

    Attributes
    ----------
    kind : duckdb, postgresql, sqlite, spark, or a warehouse of which only the text is made
    dialect : what it speaks
    url : as written, without a password
    path : the file of a DuckDB or SQLite database; of Spark the master, empty for the session in use
    """

    kind: str
    dialect: str
    url: str = ""
    path: str = ""


def read_place(text: str) -> Place:
    """Take the name or URL of an engine apart.

    Raises
    ------
    AddressError : it is none that we know, or it holds a password; the message never repeats it

    Examples
    --------
    >>> read_place("spark:local[2]").path, read_place("").kind, read_place("sqlite:///a.db").path
    ('local[2]', 'duckdb', 'a.db')
    """
    scheme, _, rest = text.strip().partition(":")
    kind = {"": "duckdb", "postgres": "postgresql"}.get(scheme.lower(), scheme.lower())
    if kind not in ENGINES:
        raise AddressError(f"expected one of {ENGINE_FORMS}")
    if kind == "postgresql" and rest:
        try:
            return Place(kind, ENGINES[kind], read_address(text).url)
        except ValueError as error:
            raise AddressError(str(error)) from None
    if kind == "spark":
        return Place(kind, kind, path=text.strip() if rest.startswith("//") else rest)
    if kind in ("duckdb", "sqlite") and rest:
        if not rest.startswith("///") or len(rest) < 4:
            raise AddressError(f"expected one of {ENGINE_FORMS}")
        return Place(kind, ENGINES[kind], path=unquote(rest[3:]))
    return Place(kind, ENGINES[kind])
