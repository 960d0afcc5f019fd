"""How old what a metric says is: the day of the newest row behind it, through the same door as the metrics themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from . import asof
from .cells import Atom, atom_values
from .engine import literal, quote
from .spec import Metric, Workspace
from .tables import Tables

DATED_COLUMNS = ("account_id", "metric", "day")
ANSWER_COLUMNS = ("account_id", "as_of", "metric", "value", "age_days")

ANSWERS = ("ratings", "surveys")
"""Tables of judgements that somebody gave on a day and that grow old."""


def newest_days(tables: Tables, workspace: Workspace, spine: pd.DataFrame) -> pd.DataFrame:
    """The day of the newest row that each metric could read, for every account of one day.

    Windows and `stale_after_days` are left out: of a count over the last 90 days that is 0, the reader wants to know when the last one
    was. A mean looks at rows where the averaged column is filled.

    Parameters
    ----------
    spine : account_id, as_of; one row an account

    Returns
    -------
    DataFrame with `DATED_COLUMNS`, one row per account and metric that has any row, in the order of the scorecard; `age` has none.
    """
    days = np.asarray(spine["as_of"], dtype="datetime64[s]")
    parts = []
    for metric, since in _ages(tables, spine, list(workspace.scorecard.metrics.values())):
        seen = ~np.isnan(since)
        day = days[seen] - (since[seen] * 86400).astype("timedelta64[s]")
        parts.append(pd.DataFrame({"account_id": spine["account_id"].to_numpy()[seen], "metric": metric.name, "day": day}))
    empty = pd.DataFrame({"account_id": pd.Series(dtype="str"), "metric": pd.Series(dtype="str"), "day": pd.Series(dtype="datetime64[s]")})
    order = {name: place for place, name in enumerate(workspace.scorecard.metrics)}
    found = pd.concat(parts, ignore_index=True) if parts else empty
    return found.sort_values("metric", key=lambda names: names.map(order), kind="stable", ignore_index=True)[list(DATED_COLUMNS)]


def latest_answers(tables: Tables, workspace: Workspace, spine: pd.DataFrame) -> pd.DataFrame:
    """The latest rating or survey answer of each account on each date, however old, with its age.

    Of every metric that measures `last` on `ANSWERS`; `stale_after_days` is left out, because the question is when they should be.

    Parameters
    ----------
    spine : account_id, as_of, one row a pair

    Returns
    -------
    DataFrame with `ANSWER_COLUMNS`: value as recorded, age_days from the newest row to as_of; pairs without an answer have no row
    """
    wanted = [m for m in workspace.scorecard.metrics.values() if m.table in ANSWERS and m.measure.kind == "last"]
    wanted = [m for m in wanted if m.table in tables.columns and not spine.empty]
    parts = []
    for metric in wanted:
        asof.put_spine(tables, spine)
        value, since = Atom("last", metric.measure.of, metric.where, None), Atom("since", None, metric.where, None)
        found = atom_values(tables, metric.table or "", [value, since], len(spine))
        frame = spine[["account_id", "as_of"]].assign(metric=metric.name, value=found[value], age_days=found[since])
        parts.append(frame[frame["value"].notna()])
    return pd.concat(parts, ignore_index=True)[list(ANSWER_COLUMNS)] if parts else pd.DataFrame(columns=list(ANSWER_COLUMNS))


def _ages(tables: Tables, spine: pd.DataFrame, metrics: list[Metric]) -> list[tuple[Metric, np.ndarray]]:
    """Days since the newest row of each metric at each place of the spine; one roll-up a table."""
    found: list[tuple[Metric, np.ndarray]] = []
    for table in dict.fromkeys(metric.table for metric in metrics if metric.table in tables.columns):
        if not table or spine.empty:
            continue
        asof.put_spine(tables, spine)
        atoms = {m.name: Atom("since", None, _where(tables, m), None) for m in metrics if m.table == table}
        values = atom_values(tables, table, list(dict.fromkeys(atoms.values())), len(spine))
        found += [(metric, values[atoms[metric.name]]) for metric in metrics if metric.name in atoms]
    return found


def _where(tables: Tables, metric: Metric) -> str | None:
    """Which rows count as behind the metric."""
    kept = [f"({metric.where})"] if metric.where else []
    if metric.table == "readings":
        kept.append(f"metric = {literal(metric.reading or metric.name)}")
    if metric.measure.kind == "mean" and metric.measure.of in tables.columns.get(metric.table or "", {}):
        kept.append(f"{quote(metric.measure.of)} IS NOT NULL")
    return " AND ".join(kept) or None
