"""A database's URL, taken apart; a password in one is refused, and in any text about one it is struck out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql", "duckdb": "duckdb"}
FORMS = "postgresql://user@host:5432/name or duckdb:///file.duckdb"
PASSWORDS = ("HEALTHLIB_DB_PASSWORD", "PGPASSWORD")
"""Environment variables a password may come from; the first one set counts."""

IN_URL = re.compile(r"(://[^\s:/@]*):.*@", re.DOTALL)
IN_OPTION = re.compile(r"(pass(?:word|wd|phrase)?\s*[=:]\s*)[^\s&;,]+", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """Where a database is.

    Attributes
    ----------
    kind : postgresql or duckdb
    url : as written, without a password
    path : the file of a DuckDB database, relative to the workspace unless it starts with a slash; else empty
    """

    kind: str
    url: str
    path: str


def read_address(url: str) -> Address:
    """Take a URL apart.

    Raises
    ------
    ValueError : it is no URL of a database we read, or it holds a password; the message never repeats it

    Examples
    --------
    >>> read_address("duckdb:///exports/crm.duckdb").path
    'exports/crm.duckdb'
    """
    try:
        parts = urlsplit(url.strip())
        secret = parts.password is not None or any("pass" in key.lower() for key, _ in parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        raise ValueError(f"expected a URL such as {FORMS}") from None
    if secret:
        raise ValueError(f"expected no password here: set {' or '.join(PASSWORDS)} in the environment and write {FORMS}")
    kind = SCHEMES.get(parts.scheme)
    if kind is None or (kind == "duckdb" and (parts.netloc or len(parts.path) < 2)):
        raise ValueError(f"expected a URL such as {FORMS}")
    return Address(kind, url.strip(), unquote(parts.path[1:]) if kind == "duckdb" else "")


def without_passwords(text: str) -> str:
    """The text with every password of a URL or of a connection string struck out.

    >>> without_passwords("postgresql://ann:s3cret@host/db?sslpassword=x")
    'postgresql://ann:***@host/db?sslpassword=***'
    >>> without_passwords("postgresql://host:5432/db")
    'postgresql://host:5432/db'
    """
    if "://" in text:
        text = IN_URL.sub(r"\1:***@", text)
    return IN_OPTION.sub(r"\1***", text) if "=" in text or "://" in text else text
