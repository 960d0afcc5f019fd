"""A flat sheet as cases: one row per account, measured and labelled on one day; there is no time in it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib import levels
from healthlib.asof import refers_to
from healthlib.engine import QueryError, quote
from healthlib.errors import DataError, Fault, nearest
from healthlib.expressions import strange_expressions
from healthlib.rules import kind_of
from healthlib.schema import FLAG, NUMBER, TEXT
from healthlib.sheet import folds
from healthlib.spec import FlatSpec, Metric, Workspace
from healthlib.tables import Tables


def cases(tables: Tables, workspace: Workspace, flat: FlatSpec) -> pd.DataFrame:
    """Every row of the sheet as a finished case, or an open one where the outcome is empty.

    Returns
    -------
    The cases frame with one `as_of`, the day of the sheet, for all; seats, age_days and term_ends are unknown; horizon_ends_on is the day
    before: the outcome was known when the sheet was made. `fold` (see `sheet`) is where cross-validation puts the account: it hangs on
    the id alone, or without ids on what the row says, so that repeated rows stay together. Sorted by account_id.

    Raises
    ------
    DataError : metrics that read columns the sheet does not have, or no row with an outcome of the kind that counts as churn
    """
    if strange := strange_expressions(workspace.scorecard, tables.columns, tables.engine):
        raise DataError("scorecard.yaml asks for what an expression may not do", strange)
    frame = _rows(tables, flat, pd.Timestamp(tables.data_through))
    values, faults = {}, [*_outcome_faults(frame, flat, tables)]
    for metric in workspace.scorecard.metrics.values():
        if metric.levels:
            continue
        found = _measure(tables, metric, len(frame))
        values[metric.name] = found
        faults += [found] if isinstance(found, Fault) else []
    if faults:
        raise DataError(f"{workspace.name}: the sheet cannot be used as it is", faults)
    names = workspace.scorecard.metrics
    measured = frame.drop(columns=[name for name in frame if name in names]).assign(**values)
    measured = measured.assign(**levels.made(workspace.scorecard, measured))
    return _labelled(measured, flat).sort_values("account_id", kind="stable", ignore_index=True)


def _rows(tables: Tables, flat: FlatSpec, day: pd.Timestamp) -> pd.DataFrame:
    """account_id, as_of, arr, seats, age_days, term_ends, attributes, fold, said (the outcome as it stands), in the order of the sheet."""
    arr = f"CAST(arr AS DOUBLE) * {flat.arr.times!r}" if flat.arr else "CAST(1 AS DOUBLE)"
    named = [name for name in ("name", "csm") if name in tables.columns["accounts"]]
    picked = "".join(f", CAST({quote(name)} AS VARCHAR) AS {quote(name)}" for name in dict.fromkeys([*named, *flat.attributes]))
    frame = tables.engine.query(f"SELECT account_id, {arr} AS arr{picked}, outcome AS said FROM data.accounts ORDER BY _line")
    frame["said"] = frame["said"].astype("string")
    frame["fold"] = folds(tables.columns["accounts"], flat, tables.engine)
    known = {"as_of": day, "seats": np.nan, "age_days": np.nan, "term_ends": pd.NaT}
    frame = frame.assign(**known).astype({"as_of": "datetime64[s]", "term_ends": "datetime64[s]"})
    first = ["account_id", "as_of", "arr", "seats", "age_days", "term_ends"]
    return frame[[*first, *(name for name in frame if name not in first)]]


def _labelled(frame: pd.DataFrame, flat: FlatSpec) -> pd.DataFrame:
    """The outcome as known."""
    said = frame["said"].str.lower()
    lost = said.isin([value.lower() for value in flat.outcome.churned]).astype(float).where(said.notna().to_numpy(bool))
    return frame.drop(columns="said").assign(
        horizon_ends_on=(frame["as_of"] - pd.Timedelta(days=1)).astype("datetime64[s]"),
        outcome=lost.map({1.0: "churned", 0.0: "renewed"}).fillna("open"),
        lost=lost,
        arr_lost=lost * frame["arr"],
    )


def _measure(tables: Tables, metric: Metric, rows: int) -> np.ndarray | Fault:
    """One metric for every row: a number, or 1 and 0 for a condition; NaN where empty. A fault where its column cannot be read so."""
    asked, columns = str(metric.column), tables.columns["accounts"]
    where = f"metrics.{metric.name}.column"
    if asked == "outcome" or (asked not in columns and refers_to(asked, ["outcome"])):
        return Fault("scorecard.yaml", None, where, f"{asked!r}, the outcome itself", "a column that was known before the customer left")
    sql = quote(asked) if asked in columns else asked
    try:
        kind = kind_of(tables.engine.columns(f"SELECT ({sql}\n) AS value FROM data.accounts")["value"])
        if kind not in (NUMBER, FLAG):
            return _no_number(tables, where, asked, sql if kind == TEXT else "")
        found = tables.engine.query(f"SELECT CAST(({sql}\n) AS DOUBLE) AS value FROM data.accounts ORDER BY _line")["value"]
    except QueryError as error:
        names = _others(columns)
        said = " ".join(str(error).splitlines()[0].split())[:160]
        return Fault("scorecard.yaml", None, where, f"{asked!r} ({said})",
                     f"a column of the sheet or a condition on it; there are {', '.join(names)}", nearest(asked, names))  # fmt: skip
    if len(found) != rows:
        return Fault("scorecard.yaml", None, where, f"{asked!r}, which is not one value a row", "a column or a condition on the row")
    values = found.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _others(columns: dict[str, str]) -> list[str]:
    """The columns a metric may read, as the sheet spells them."""
    return [name for name in columns if name not in ("account_id", "outcome")]


def _no_number(tables: Tables, where: str, asked: str, sql: str) -> Fault:
    """A column of words or dates: what to write instead."""
    cure = "a column of numbers, or a condition on the row"
    if not sql or tables.engine.discreet:
        return Fault("scorecard.yaml", None, where, f"{asked!r}, which holds {'words' if sql else 'dates'}", cure)
    some = tables.engine.query(f"SELECT DISTINCT ({sql}\n) AS value FROM data.accounts WHERE ({sql}\n) IS NOT NULL ORDER BY 1 LIMIT 3")
    words = [str(value)[:40] for value in some["value"]]
    example = f", such as {sql} = '{words[-1]}'" if words else ""
    return Fault("scorecard.yaml", None, where, f"{asked!r}, which holds words ({', '.join(words)})", f"{cure}{example}")


def _outcome_faults(frame: pd.DataFrame, flat: FlatSpec, tables: Tables) -> list[Fault]:
    """The outcome has several values and none is the one that counts as churn. One value alone may be a sheet that nobody has left yet."""
    said = frame["said"].dropna()
    if said.nunique() < 2 or said.str.lower().isin([value.lower() for value in flat.outcome.churned]).any():
        return []
    times = said.value_counts().head(5)
    found = ", ".join(f"{value!r} ({count} rows)" for value, count in times.items())
    label = str(tables.report["file"].iloc[0])
    wanted = " or ".join(repr(value) for value in flat.outcome.churned)
    return [Fault("workspace.yaml", None, "flat.outcome.churned", f"{wanted}, which no row of {label} says",
                  f"what column {flat.outcome.column!r} says of a customer that left; it says {found}",
                  nearest(flat.outcome.churned[0], [str(value) for value in times.index]))]  # fmt: skip
