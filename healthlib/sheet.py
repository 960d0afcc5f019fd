"""One flat sheet into the table of accounts: the rows judged as those of any table, its columns read as the metrics need them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd

from healthlib.engine import Engine, quote
from healthlib.loading import Loaded, load_source
from healthlib.rules import holds
from healthlib.schema import NUMBER, TEXT
from healthlib.sources import Source
from healthlib.spec import FlatSpec, Scorecard, Workspace

NO_DAY = date(2000, 1, 1)
"""Stands for the day of a sheet that does not say it: never today's date, or the same sheet would give other files tomorrow."""

FOLDS = 10
KEPT = "folds"
"""The table of folds, where they are kept because names are masked afterwards."""

WEAKER = (
    "One flat sheet, one row per account, no dates: weights and bands were tested by cross-validation on other accounts of the same day, "
    "not on what came later. That is the weaker evidence: nothing shows that a figure was known before the customer left."
)
"""What every page made from a flat sheet says."""


def load_sheet(scorecard: Scorecard, source: Source, engine: Engine, scratch: Path, *, allowed: float) -> Loaded:
    """Store the sound rows of a flat sheet as data.accounts.

    A column that a metric reads as a number, and that mostly holds numbers, must hold one in each row that has something there: other
    rows are rejected. Rows without an account_id go by their line in the file (header = 1).

    Parameters
    ----------
    scorecard : names the columns in its metrics
    source, engine, scratch, allowed : as for `load_source`
    """
    loaded = load_source(source, engine, scratch, allowed=allowed)
    wanted = {metric.column for metric in scorecard.metrics.values()}
    texts = [name for name, kind in loaded.kinds.items() if kind == TEXT and name in wanted and name not in source.schema.columns]
    numbers = {name for name in texts if _mostly_numbers(name, engine)}
    if numbers:
        columns = tuple(replace(column, kind=NUMBER) if column.name in numbers else column for column in source.columns)
        engine.drop("accounts")
        loaded = load_source(replace(source, columns=columns), engine, scratch, allowed=allowed)
    own, rest = ("account_id", "* EXCLUDE (account_id)") if "account_id" in loaded.kinds else ("NULL", "*")
    engine.run(f"CREATE OR REPLACE TABLE sheet AS SELECT coalesce({own}, 'line ' || _line) AS account_id, {rest} FROM data.accounts")
    engine.drop("accounts")
    engine.run("CREATE TABLE data.accounts AS SELECT * FROM sheet")
    return replace(loaded, kinds={"account_id": TEXT, **loaded.kinds})


def _mostly_numbers(name: str, engine: Engine) -> bool:
    """Whether half of the filled cells of a text column, or more, are numbers."""
    column = quote(name)
    found = engine.query(
        f"SELECT count(*) AS filled, count(TRY_CAST({column} AS DOUBLE)) AS numbers FROM data.accounts WHERE {holds(column)}"
    ).iloc[0]
    return bool(found["filled"] and 2 * found["numbers"] >= found["filled"])


def sheet_warnings(workspace: Workspace, loaded: Loaded, engine: Engine) -> list[str]:
    """What a reader of anything made from this sheet should know."""
    said = [WEAKER]
    if workspace.flat is not None and workspace.flat.account_id is None:
        distinct = "SELECT DISTINCT * EXCLUDE (account_id, _line) FROM data.accounts"
        once = int(engine.query(f"SELECT count(*) AS rows FROM ({distinct})")["rows"].iloc[0])
        if once < loaded.rows_used:
            said.append(
                f"{loaded.rows_used - once} of {loaded.rows_used} rows repeat another one in every column, and without an account_id "
                "nothing tells a copy from a second customer: they count, share a fold, and make intervals a little too narrow"
            )
    if workspace.data_through is None:
        said.append(f"nothing says of which day {loaded.source.label} is; {NO_DAY} stands in its place. Set data_through in workspace.yaml")
    return said


def folds(columns: Collection[str], flat: FlatSpec, engine: Engine) -> list[int]:
    """Where cross-validation puts each row of the sheet, in its order: by its id, or without ids by all that the row says.

    Where names were masked: where it put the row before (`keep_folds`), so that a report has the same figures with names and without.
    """
    if engine.first("SELECT 1 FROM information_schema.tables WHERE table_name = ?", [KEPT]):
        return engine.query(f"SELECT fold FROM {KEPT} ORDER BY _line")["fold"].tolist()
    cells = ", ".join(quote(name) for name in columns if name != "account_id")
    key = "account_id" if flat.account_id else f"CAST(row({cells}) AS VARCHAR)"
    return [fold_of(text) for text in engine.query(f"SELECT {key} AS text FROM data.accounts ORDER BY _line")["text"]]


def keep_folds(columns: Collection[str], flat: FlatSpec, engine: Engine) -> None:
    """Remember the fold of each row, before names are masked."""
    lines = engine.query("SELECT _line FROM data.accounts ORDER BY _line")["_line"]
    engine.put(KEPT, pd.DataFrame({"_line": lines, "fold": folds(columns, flat, engine)}))


def fold_of(account_id: str) -> int:
    """Where cross-validation puts an account: 1 to `FOLDS`, from the SHA-256 of its id.

    >>> fold_of("A-1"), fold_of("A-2"), fold_of("A-1")
    (8, 2, 8)
    """
    return int(hashlib.sha256(account_id.encode()).hexdigest()[:8], 16) % FOLDS + 1
