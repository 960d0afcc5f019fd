"""A value among those of comparable accounts: who shares an attribute, at the last month-end known on the day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from . import asof
from .metrics import measure
from .scales import holds_for
from .spec import Metric, Workspace
from .tables import Tables


def ranked(tables: Tables, workspace: Workspace, cases: pd.DataFrame) -> pd.DataFrame:
    """Every metric of the scorecard that is read against peers, as its rank among them.

    The peers of a case are the other accounts that were active at the last month-end up to its day and share the attribute, as both were
    known then, and for whom the metric applied and was measured. The rank is the share of them with a lower value, half of those with the
    same one (mid-ranks, 0..1). What other cases there are changes nothing.

    Parameters
    ----------
    cases : account_id, as_of, attributes as known on the day, and each such metric's own value (`metrics.measure`)

    Returns
    -------
    Same index, a float column a metric against peers; NaN where its own value or attribute is missing, or with fewer peers than `at_least`
    """
    wanted = {name: metric for name, metric in workspace.scorecard.metrics.items() if metric.against and metric.against.peers}
    if not wanted or cases.empty:
        return pd.DataFrame(index=cases.index, columns=list(wanted), dtype=float)
    ends = month_end_before(cases["as_of"])
    others = _measured(tables, workspace, ends, wanted)
    return pd.DataFrame({name: _rank(metric, cases, ends, others) for name, metric in wanted.items()}, index=cases.index)


def month_end_before(days: pd.Series) -> pd.Series:
    """The last month-end up to each day, which may be the day itself.

    >>> month_end_before(pd.Series(pd.to_datetime(["2026-02-28", "2026-03-30"]))).dt.strftime("%m-%d").tolist()
    ['02-28', '02-28']
    """
    return (days + pd.Timedelta(days=1)).dt.to_period("M").dt.start_time.astype("datetime64[s]") - pd.Timedelta(days=1)


def _measured(tables: Tables, workspace: Workspace, ends: pd.Series, wanted: dict[str, Metric]) -> pd.DataFrame:
    """State and own values of all active accounts at these month-ends."""
    plain = {name: metric.model_copy(update={"against": None}) for name, metric in wanted.items()}
    alone = workspace.model_copy(update={"scorecard": workspace.scorecard.model_copy(update={"metrics": plain})})
    state = asof.state(tables, workspace, asof.active_spine(tables, ends))
    own = measure(tables, alone, state)[list(plain)]
    return pd.concat([state.drop(columns=[name for name in plain if name in state]), own], axis=1)


def _rank(metric: Metric, cases: pd.DataFrame, ends: pd.Series, others: pd.DataFrame) -> np.ndarray:
    """Mid-rank of each case among its peers, itself left out."""
    if metric.against is None or metric.against.peers is None:
        raise ValueError(f"{metric.name} is not read against peers")
    group, name = metric.against.peers, metric.name
    known = others[others[name].notna() & others[group].notna() & holds_for(metric.applies_to, others)]
    values = {key: np.sort(part[name].to_numpy(float)) for key, part in known.groupby(["as_of", group])}
    asked = pd.DataFrame({"account_id": cases["account_id"], "as_of": ends, group: cases[group], "value": cases[name]})
    own = asked.merge(known[["account_id", "as_of", group, name]], how="left", on=["account_id", "as_of", group])[name].to_numpy(float)
    result = np.full(len(cases), np.nan)
    for key, rows in asked.reset_index(drop=True).groupby(["as_of", group]).indices.items():
        value, mine, among = asked["value"].to_numpy(float)[rows], own[rows], values.get(key, np.array([]))
        below = np.searchsorted(among, value, side="left") - (mine < value)
        upto = np.searchsorted(among, value, side="right") - (mine <= value)
        count = len(among) - ~np.isnan(mine)
        enough = (count >= metric.against.at_least) & ~np.isnan(value)
        result[rows[enough]] = (below + upto)[enough] / 2 / count[enough]
    return result
