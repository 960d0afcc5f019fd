"""What a run had read, as hashes without a name or a value: enough to say later which rows have been changed since.

Only rows that were knowable on the day are in it, read as they were then (`asof`), so that newer exports of the same past give the same
fingerprint. A table of up to `FINE` such rows has one hash a row; a larger one has a sum of hashes and a count per account and quarter.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from . import asof
from .engine import literal, quote
from .masks import secret
from .schema import NUMBER, WHEN
from .spec import Workspace
from .tables import Tables

FILE = "inputs.parquet"
"""A fingerprint beside the report it belongs to."""
FINE = 20_000
"""Rows up to which a table is told row by row."""
SCHEME = "1"
"""Changes with what a hash is made of: two schemes cannot be compared."""
KEYS = ["table", "account", "key"]
EMPTY = pd.DataFrame({"table": [], "account": [], "key": [], "rows": [], "hash": []}).astype(
    {"table": "str", "account": "uint64", "key": "uint32", "rows": "uint32", "hash": "uint32"}
)


@dataclass(frozen=True)
class Fingerprint:
    """The rows knowable on one day.

    Attributes
    ----------
    as_of : that day, ISO
    rows : table, account (hash of account_id), key (hash of what tells the row from others of the account; or quarters since year 0), rows
        (how many), hash (of the row; or the sum of the hashes of the quarter); unsigned whole numbers, sorted
    columns : table -> its columns
    coarse : tables told by account and quarter
    scheme : what the hashes are made of; those of two schemes have nothing in common
    """

    as_of: str
    rows: pd.DataFrame
    columns: dict[str, list[str]]
    coarse: frozenset[str]
    scheme: str


def fingerprint(tables: Tables, workspace: Workspace, at: str, coarse: Collection[str] | None = None) -> Fingerprint:
    """The rows of every table that were knowable on `at`.

    Parameters
    ----------
    tables : loaded, and its door to the past open (`asof.open_door`) unless the workspace is one flat sheet
    at : ISO date
    coarse : tables to be told by account and quarter; where None, those of more than `FINE` rows but contracts
    """
    large = frozenset(coarse) if coarse is not None else frozenset(n for n in tables.columns if _many(tables, workspace, n, at))
    parts = [_table(tables, workspace, name, at, name in large).assign(table=name) for name in sorted(tables.columns)]
    rows = pd.concat([EMPTY, *parts], ignore_index=True)[list(EMPTY)].astype(EMPTY.dtypes.to_dict())
    columns = {name: sorted(held) for name, held in sorted(tables.columns.items())}
    version = (tables.engine.first("SELECT version()") or ("",))[0]
    under = f", masks {secret().mark}" if workspace.anonymise else ""
    return Fingerprint(at, rows, columns, large & set(columns), f"{SCHEME}, DuckDB {version}{under}")


def write(made: Fingerprint, path: Path) -> None:
    """Keep a fingerprint as Parquet; the same bytes for the same rows."""
    said = {"as_of": made.as_of, "columns": made.columns, "coarse": sorted(made.coarse), "scheme": made.scheme}
    table = pa.Table.from_pandas(made.rows, preserve_index=False)
    table = table.replace_schema_metadata({"healthlib": json.dumps(said, sort_keys=True)})
    pq.write_table(table, path, compression="zstd", use_dictionary=["table", "account", "rows"])


def read(path: Path) -> Fingerprint | None:
    """A fingerprint as kept; None where there is none or it cannot be read."""
    try:
        table = pq.read_table(path)
        said = json.loads((table.schema.metadata or {})[b"healthlib"])
        rows = table.to_pandas()[list(EMPTY)].astype(EMPTY.dtypes.to_dict())
        return Fingerprint(said["as_of"], rows, dict(said["columns"]), frozenset(said["coarse"]), said["scheme"])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None


def compared(then: Fingerprint, now: Fingerprint) -> pd.DataFrame:
    """Which rows differ between two fingerprints of the same day and grain.

    A row counts as changed where one of the same account and key took its place; of a table told by quarter, a quarter counts once as
    changed where it has as many rows as before and other values.

    Returns
    -------
    table, account, key, added, changed, removed: one row where any is above 0, sorted by table, account and key. Tables whose columns are
    others than before are left out: every one of their hashes is another.
    """
    other = altered(then, now)
    both = then.rows.merge(now.rows, how="outer", on=[*KEYS, "hash"], suffixes=("_then", "_now"))
    both = both[(both["rows_then"] != both["rows_now"]) & ~both["table"].isin(other)]
    more = (both["rows_now"].fillna(0) - both["rows_then"].fillna(0)).astype("int64")
    sides = both.assign(new=more.clip(lower=0), gone=(-more).clip(lower=0)).groupby(KEYS, as_index=False)[["new", "gone"]].sum()
    same = sides[["new", "gone"]].min(axis=1)
    changed = same.where(~sides["table"].isin(now.coarse), (sides["new"] == sides["gone"]).astype("int64"))
    found = sides[KEYS].assign(added=sides["new"] - same, changed=changed, removed=sides["gone"] - same)
    return found.sort_values(KEYS, ignore_index=True)


def altered(then: Fingerprint, now: Fingerprint) -> list[str]:
    """Tables that both have, with other columns."""
    return sorted(name for name in then.columns.keys() & now.columns.keys() if then.columns[name] != now.columns[name])


def accounts(tables: Tables) -> pd.DataFrame:
    """What every account is called in a fingerprint: account_id, account; sorted by account_id."""
    found = tables.engine.query("SELECT account_id, hash(account_id) AS account FROM data.accounts ORDER BY account_id")
    return found.astype({"account": "uint64"})


def _many(tables: Tables, workspace: Workspace, name: str, at: str) -> bool:
    return name != "contracts" and tables.engine.count(f"(SELECT 1 FROM {_knowable(tables, workspace, name, at)})") > FINE


def _knowable(tables: Tables, workspace: Workspace, name: str, at: str) -> str:
    """SQL after FROM: the rows known on a day. Accounts have no clock of their own: they are known once a contract of theirs is."""
    day = f"DATE '{pd.Timestamp(at):%Y-%m-%d}'"
    if workspace.flat is not None:
        return f"data.{quote(name)} t"
    if name == "accounts":
        return f"data.accounts t JOIN known.first_contract f ON f.account_id = t.account_id AND f.visible_from <= {day}"
    return f"known.{quote(name)} t WHERE {asof.seen(name, day, 't.')}"


def _table(tables: Tables, workspace: Workspace, name: str, at: str, coarse: bool) -> pd.DataFrame:
    """Account, key, rows and hash of one table, sorted."""
    schema, columns = tables.schemas[name], tables.columns[name]
    later = asof.later_filled(tables, name) if workspace.flat is None else {}
    if name == "contracts" and workspace.kind == "churn_within":
        later["end_date"] = "end_date"
    day = f"DATE '{pd.Timestamp(at):%Y-%m-%d}'"
    salt = [literal(secret().digest("row", name))] if workspace.anonymise else []  # or who guesses what a row says could prove it
    values = [*salt, *(_value(column, columns[column], later.get(column), day) for column in sorted(columns))]
    by = [column for column in schema.key if column != "account_id"] if set(schema.key) <= columns.keys() else []
    by = by or ([schema.time] if schema.time in columns else [])
    quarter = "coalesce(year(t.day) * 4 + quarter(t.day), 0)" if workspace.flat is None and name != "accounts" else "0"
    key = quarter if coarse else f"hash({', '.join(f't.{quote(c)}' for c in by)}) >> 32" if by else "0"
    known = _knowable(tables, workspace, name, at)
    row = f"SELECT hash(t.account_id) AS account, {key} AS key, hash({', '.join(values)}) >> 32 AS one FROM {known}"
    total, groups = ("CAST(sum(one) % 4294967296 AS UBIGINT)", "account, key") if coarse else ("one", "account, key, one")
    return tables.engine.query(f"SELECT account, key, count(*) AS rows, {total} AS hash FROM ({row}) GROUP BY {groups} ORDER BY ALL")


def _value(column: str, kind: str, by: str | None, day: str) -> str:
    """A cell in the one form it is hashed in; empty on days before the date that filled it in."""
    held = f"t.{quote(column)}"
    held = f"CAST({held} AS DOUBLE)" if kind == NUMBER else f"CAST({held} AS TIMESTAMP)" if kind == WHEN else held
    return held if by is None else f"CASE WHEN CAST(t.{quote(by)} AS DATE) <= {day} THEN {held} END"
