"""Tables and queries of somebody's database, read and never written: PostgreSQL over the network, DuckDB from a file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from healthlib.address import PASSWORDS, Address, without_passwords
from healthlib.csvfile import file_sha256
from healthlib.engine import Engine, QueryError, literal, quote

TYPES = {16: "BOOLEAN", 20: "BIGINT", 21: "SMALLINT", 23: "INTEGER", 700: "FLOAT", 701: "DOUBLE", 1700: "DECIMAL(38,9)",
         1082: "DATE", 1114: "TIMESTAMP", 1184: "TIMESTAMP WITH TIME ZONE"}  # fmt: skip
"""PostgreSQL's numbers for types -> the embedded database's names for the same; anything else is text."""

CONNECT_SECONDS = 15
BY_TEXT = ' ORDER BY q::text COLLATE "C"'


class DatabaseError(ValueError):
    """The database cannot be reached, or refused what was asked; the message holds no password."""


@dataclass(frozen=True)
class Fetched:
    """Rows brought over.

    Attributes
    ----------
    relation : SQL of the embedded database that reads them
    names : column names as the database has them
    natives : type of each column there
    as_text : whether `relation` has the cells as text, in columns c0, c1 …
    rows : how many
    sha256 : of the rows, or of the file that holds them and what was asked of it
    """

    relation: str
    names: tuple[str, ...]
    natives: tuple[str, ...]
    as_text: bool
    rows: int
    sha256: str


class Database(Protocol):
    """What can be read from."""

    def find(self, table: str) -> str | None:
        """SQL name of a table or view, or None where there is none."""

    def names(self) -> list[str]:
        """Tables and views that can be seen."""

    def fetch(self, query: str, table: str, *, ordered: bool) -> Fetched:
        """The rows of one SELECT. `ordered`: it has an order of its own; else the rows of a table are put in one."""

    def close(self) -> None:
        """Let go of it."""


def open_database(address: Address, folder: Path, engine: Engine, scratch: Path) -> Database:
    """Connect to it, for reading.

    Parameters
    ----------
    address : from `read_address`
    folder : the workspace, which relative paths start from
    engine : where rows go
    scratch : folder for what comes over the network

    Raises
    ------
    DatabaseError : it cannot be reached
    """
    return DuckdbFile(address, folder, engine) if address.kind == "duckdb" else Postgres(address, engine, scratch)


class DuckdbFile:
    """A DuckDB file, attached read-only."""

    def __init__(self, address: Address, folder: Path, engine: Engine):
        self.engine, self.path = engine, Path(folder) / address.path
        if not self.path.is_file():
            raise DatabaseError(f"no file {address.path}")
        try:
            engine.run(f"ATTACH {literal(str(self.path))} AS source (READ_ONLY)")
        except QueryError as error:
            raise DatabaseError(_told(error)) from error

    def find(self, table: str) -> str | None:
        """SQL name of a table or view, or None where there is none."""
        parts = [part.strip('"') for part in table.split(".")]
        name = "source." + ".".join(quote(part) for part in parts)
        try:
            self.engine.columns(f"SELECT * FROM {name}")
        except QueryError:
            return None
        return name

    def names(self) -> list[str]:
        """Tables and views that can be seen."""
        seen = "SELECT table_schema AS s, table_name AS t FROM information_schema.tables WHERE table_catalog = 'source' ORDER BY 1, 2"
        return [row["t"] if row["s"] == "main" else f"{row['s']}.{row['t']}" for row in self.engine.query(seen).to_dict("records")]

    def fetch(self, query: str, table: str, *, ordered: bool) -> Fetched:
        """The rows of one SELECT, on one thread: with two, an aggregate's rows would come in an order that depends on timing."""
        relation = f"memory.raw.{quote(table)}"
        try:
            if not self.engine.is_one_select(query):
                raise DatabaseError("expected one SELECT statement and nothing else")
            self.engine.run("CREATE SCHEMA IF NOT EXISTS raw")
            self.engine.run("USE source")
            self.engine.run("SET threads = 1")
            self.engine.run(f"CREATE OR REPLACE TABLE {relation} AS SELECT * FROM ({query.strip().rstrip(';')}\n)")
            types = self.engine.columns(f"SELECT * FROM {relation}")
            rows = self.engine.count(relation)
        except QueryError as error:
            raise DatabaseError(_told(error)) from error
        finally:
            self.engine.run("USE memory")
            self.engine.run("SET threads = 2")
        digest = hashlib.sha256(f"{query}\n{file_sha256(self.path)}".encode()).hexdigest()
        return Fetched(relation, tuple(types), tuple(types.values()), False, rows, digest)

    def close(self) -> None:
        """Let go of the file."""
        self.engine.run("DETACH DATABASE IF EXISTS source")


class Postgres:
    """One read-only transaction, so that all tables are of the same moment."""

    def __init__(self, address: Address, engine: Engine, scratch: Path):
        self.engine, self.scratch = engine, scratch
        self.connection, self.error = connect_postgres(address.url, read_only=True)

    def find(self, table: str) -> str | None:
        """SQL name of a table or view, or None where there is none."""
        kinds = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'v', 'm', 'f', 'p')"
        try:
            with self.connection.transaction():
                row = self.connection.execute(kinds, [table]).fetchone()
        except self.error:
            return None
        return str(row[0]) if row else None

    def names(self) -> list[str]:
        """Tables and views that can be seen."""
        seen = (
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
            "AND n.nspname NOT LIKE 'pg_toast%' ORDER BY 1"
        )
        return [str(row[0]) for row in self.connection.execute(seen).fetchall()]

    def fetch(self, query: str, table: str, *, ordered: bool) -> Fetched:
        """The rows of one SELECT, as the text the server writes for them.

        The query first goes alone, in the protocol that takes one statement only: what passes there is one SELECT, and cannot break
        out of the brackets it stands in. The order of a table's rows is nobody's promise, so they are sorted as text.
        """
        body = query.strip().rstrip(";")
        select = f"SELECT * FROM ({body}\n) AS q"
        try:
            with self.connection.transaction():
                described = self.connection.execute(f"{select} LIMIT 0".encode(), prepare=True, binary=True).description or []
            text, digest = self.scratch / f"{table}.sql.csv", hashlib.sha256()
            copy = f"COPY ({select}{'' if ordered else BY_TEXT}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')"
            with self.connection.transaction(), self.connection.cursor() as cursor, text.open("wb") as target:
                with cursor.copy(copy.encode()) as rows:
                    for block in rows:
                        target.write(block)
                        digest.update(block)
                count = cursor.rowcount
        except (self.error, UnicodeError) as error:
            raise DatabaseError(_told(error)) from error
        relation = self._store(text, len(described), count, table)
        natives = tuple(TYPES.get(column.type_code, "VARCHAR") for column in described)
        return Fetched(relation, tuple(column.name for column in described), natives, True, count, digest.hexdigest())

    def _store(self, text: Path, width: int, count: int, table: str) -> str:
        """The text as Parquet, in the order in which it came, every row of it."""
        columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(width))
        reading = (
            f"read_csv({literal(str(text))}, auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', "
            f"strict_mode = true, null_padding = false, parallel = false, max_line_size = {1 << 28}, columns = {{{columns}}})"
        )
        path = self.scratch / f"{table}.sql.parquet"
        try:
            self.engine.run(f"COPY (SELECT * FROM {reading}) TO {literal(str(path))} (FORMAT parquet)")
            relation = f"read_parquet({literal(str(path))})"
            stored = self.engine.count(relation)
        except QueryError as error:
            raise DatabaseError(_told(error)) from error
        if stored != count:
            raise DatabaseError(f"{count} rows were sent and {stored} could be read")
        text.unlink()
        return relation

    def close(self) -> None:
        """End the transaction, which has changed nothing."""
        self.connection.close()


def connect_postgres(url: str, *, read_only: bool) -> tuple[Any, type[Exception]]:
    """A connection in one repeatable transaction, in UTC, and the class of its errors.

    Parameters
    ----------
    url : without a password, which comes from the environment
    read_only : else temporary tables may be made, which such a transaction would refuse

    Raises
    ------
    DatabaseError : it cannot be reached, or psycopg is not installed
    """
    try:
        import psycopg
    except ImportError:
        raise DatabaseError("PostgreSQL needs the package psycopg: pip install 'healthlib[postgresql]'") from None
    password = next((os.environ[name] for name in PASSWORDS if os.environ.get(name)), None)
    given: dict[str, Any] = {"password": password} if password else {}
    try:
        # libpq would look for a password in ~/.pgpass as well; here it comes from the environment or not at all.
        given |= {"passfile": os.devnull, "connect_timeout": CONNECT_SECONDS, "application_name": "healthlib"}
        connection = psycopg.connect(url, **given)
        if read_only:
            connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            connection.commit()
            connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for setting in ("TimeZone = 'UTC'", "DateStyle = 'ISO, YMD'", "client_encoding = 'UTF8'", "bytea_output = 'hex'"):
            connection.execute(f"SET LOCAL {setting}")
    except (psycopg.Error, UnicodeError) as error:
        raise DatabaseError(_told(error)) from error
    return connection, psycopg.Error


def _told(error: BaseException) -> str:
    """The first line of what the database said, without any password."""
    text = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
    for name in PASSWORDS:
        if secret := os.environ.get(name):
            text = text.replace(secret, "***")
    return without_passwords(text)
