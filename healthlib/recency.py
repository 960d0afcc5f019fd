"""How old what a metric says is: the day of the newest row behind it, through the same door as the metrics themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from . import asof
from .cells import Atom, atom_values
from .engine import literal, quote
from .spec import Metric, Workspace
from .tables import Rows, Tables

DATED_COLUMNS = ("account_id", "metric", "day")
ANSWER_COLUMNS = ("account_id", "as_of", "metric", "value", "age_days")

NO_ANSWERS = pd.DataFrame({
    "account_id": pd.Series(dtype="str"), "as_of": pd.Series(dtype="datetime64[s]"), "metric": pd.Series(dtype="str"),
    "value": pd.Series(dtype=float), "age_days": pd.Series(dtype=float),
})  # fmt: skip
"""`latest_answers` where nobody rated anything."""

NO_DAYS = pd.DataFrame({
    "account_id": pd.Series(dtype="str"), "metric": pd.Series(dtype="str"), "day": pd.Series(dtype="datetime64[s]"),
})  # fmt: skip
"""`newest_days` where there are no rows."""

ANSWERS = ("ratings", "surveys")
"""Tables of judgements that somebody gave on a day and that grow old."""


def newest_days(tables: Tables, workspace: Workspace, spine: pd.DataFrame) -> pd.DataFrame:
    """The day of the newest row that each metric could read, for every account of one day.

    Windows and `stale_after_days` are left out: of a count over the last 90 days that is 0, the reader wants to know when the last one
    was. A mean looks at rows where the averaged column is filled. A metric that reads what is filled in later (a step completed, a
    ticket closed) is as new as the last such filling.

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
    order = {name: place for place, name in enumerate(workspace.scorecard.metrics)}
    found = pd.concat(parts, ignore_index=True) if parts else NO_DAYS.copy()
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
        found = atom_values(tables, metric.table or "", [value, since], spine["as_of"])
        frame = spine[["account_id", "as_of"]].assign(metric=metric.name, value=found[value], age_days=found[since])
        parts.append(frame[frame["value"].notna()])
    return pd.concat(parts, ignore_index=True)[list(ANSWER_COLUMNS)] if parts else NO_ANSWERS.copy()


def _ages(tables: Tables, spine: pd.DataFrame, metrics: list[Metric]) -> list[tuple[Metric, np.ndarray]]:
    """Days since the newest row of each metric at each place of the spine; one roll-up a table."""
    found: list[tuple[Metric, np.ndarray]] = []
    epoch = (np.asarray(spine["as_of"], dtype="datetime64[s]") - np.datetime64("1970-01-01", "s")) / np.timedelta64(1, "D")
    for table in dict.fromkeys(metric.table for metric in metrics):
        there = tables.holder(table)
        if not table or there is None or spine.empty:
            continue
        asof.put_spine(there, spine)
        atoms = {m.name: _clocks(there, m) for m in metrics if m.table == table}
        values = atom_values(there, table, list(dict.fromkeys(atom for held in atoms.values() for atom in held)), spine["as_of"])
        for metric in (m for m in metrics if m.name in atoms):
            since, *filled = (values[atom] for atom in atoms[metric.name])
            for day in filled:
                since = np.fmin(since, epoch - day)
            found.append((metric, since))
    return found


def _clocks(tables: Rows, metric: Metric) -> list[Atom]:
    """When the newest row happened; and, where the metric reads what is filled in later, when something was last filled in."""
    table, where = metric.table or "", _where(tables, metric)
    later = asof.later_filled(tables, table)
    reads = metric.measure.kind == "open" or any(asof.refers_to(text, later) for text in (metric.measure.of, where))
    filled = sorted(set(later.values())) if reads else []
    numbers = [f"(CAST({quote(column)} AS DATE) - DATE '1970-01-01')" for column in filled]
    return [Atom("since", None, where, None), *(Atom("max", number, where, None) for number in numbers)]


def _where(tables: Rows, metric: Metric) -> str | None:
    """Which rows count as behind the metric."""
    kept = [f"({metric.where})"] if metric.where else []
    if metric.table == "readings":
        kept.append(f"metric = {literal(metric.reading or metric.name)}")
    if metric.measure.kind == "mean" and metric.measure.of in tables.columns.get(metric.table or "", {}):
        kept.append(f"{quote(metric.measure.of)} IS NOT NULL")
    return " AND ".join(kept) or None
