"""Dates added to a file of cases: those it has keep their values, and of each table only what a new date can see is read.

A table is read from the first day that any new date can see where all of its metrics have a window; what lies before, the file remembers:
the day on which the table's clocks begin, the newest row behind each metric, and the silences.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import pandas as pd

from . import asof
from .casefile import KEYS, CaseFile, definition
from .errors import DataError, Fault
from .recency import DATED_COLUMNS
from .spec import Metric, Workspace
from .studies.book import spines
from .studies.silence import SILENCES
from .tables import Rows, Tables


def continued(before: CaseFile, workspace: Workspace, at: Collection[str]) -> CaseFile:
    """The file that is continued, if it was made with the same metrics from the same places.

    Parameters
    ----------
    at : tables that lie elsewhere

    Raises
    ------
    DataError : it was not; it has to be made anew
    """
    now = {name: definition(metric) for name, metric in workspace.scorecard.metrics.items()}
    other = sorted(name for name in now if before.made["metrics"].get(name) != now[name])
    if other or sorted(at) != before.made["elsewhere"]:
        found = f"other values of {', '.join(other[:5])}" if other else "tables that were elsewhere then"
        raise DataError(
            "nothing can be added to the cases", [Fault(before.label, None, "cases", found, "the same scorecard; leave out --append")]
        )
    return replace(before, partial=True)


def first_days(tables: Tables, workspace: Workspace, before: CaseFile, at: Iterable[str], day: pd.Timestamp) -> dict[str, pd.Timestamp]:
    """The first day that a new date can see, of each table elsewhere whose metrics all have a window and whose beginning is on file.

    Parameters
    ----------
    at : tables that lie elsewhere
    day : the last date wanted
    """
    wanted = spines(tables, workspace, day)
    first = min(wanted.loc[~before.has(wanted), "as_of"].min(), day)
    found = {}
    for name in at:
        reaches = [_reach(metric) for metric in workspace.scorecard.metrics.values() if metric.table == name]
        if name in before.made["firsts"] and None not in reaches:
            found[name] = first - pd.Timedelta(days=max([0, *(days for days in reaches if days is not None)]))
    return found


def _reach(metric: Metric) -> int | None:
    """How many days before its date a metric can see; None where there is no end to it."""
    window = metric.window_days
    if window is None and metric.measure.kind == "last" and metric.stale_after_days is not None:
        window = metric.stale_after_days + 1
    if window is None:
        return None
    against = metric.against.past_days if metric.against and metric.against.past_days else 0
    return window + max(metric.trend or 0, against + window if against else 0)


def remember_beginnings(there: Rows, before: CaseFile, names: Iterable[str]) -> None:
    """Add to the clocks of some tables the day on which they begin, which is not read any more."""
    for name in names:
        known, first = (pd.Timestamp(day) for day in before.made["firsts"][name])
        start = pd.DataFrame({"known": [known], "first_day": [first], "last_day": [first], "late": [False]})
        days = dict.fromkeys(("known", "first_day", "last_day"), "datetime64[s]")
        both = pd.concat([start.astype(days), asof.survey(there, name)], ignore_index=True)
        there.engine.surveys[name] = both.sort_values("known", ignore_index=True)


def newest_of_both(newest: pd.DataFrame, before: CaseFile, today: pd.DataFrame) -> pd.DataFrame:
    """The newest day of each account and metric, now or on file: rows from before the first day that was read are not seen any more.

    Parameters
    ----------
    newest : `recency.newest_days` of what was read now
    today : account_id of the accounts of the day

    Returns
    -------
    DataFrame with `recency.DATED_COLUMNS`, as `newest`
    """
    made = before.values[before.values["as_of"] == pd.Timestamp(before.made["as_of"])]
    filed = replace(before, values=made).newest(made[made["account_id"].isin(today["account_id"])])
    both = pd.concat([newest, filed], ignore_index=True)
    order = list(dict.fromkeys(both["metric"]))
    found = both.groupby(["metric", "account_id"])["day"].max().reset_index()
    found = found.assign(place=found["metric"].map(order.index)).sort_values(["place", "account_id"], ignore_index=True)
    return found[list(DATED_COLUMNS)]


def silences_of_both(quiet: pd.DataFrame, before: CaseFile) -> pd.DataFrame:
    """The silences of new days, none longer than what was on file before and the days since then.

    Parameters
    ----------
    quiet : `silence.silences` of what was read now

    Returns
    -------
    DataFrame with the columns of `quiet`, sorted by as_of
    """
    columns = [name for name in SILENCES if name in before.values and name in quiet]
    filed = before.values.loc[before.values["in_history"], [*KEYS, *columns]].rename(columns={"as_of": "then"}).sort_values("then")
    both = pd.merge_asof(quiet.sort_values("as_of"), filed, left_on="as_of", right_on="then", by="account_id", suffixes=("", "_then"))
    gap = (both["as_of"] - both["then"]).dt.days
    least = {name: both[name].combine(both[f"{name}_then"] + gap, lambda now, then: then if then < now else now) for name in columns}
    return both.assign(**least)[list(quiet.columns)]
