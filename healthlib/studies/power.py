"""Power users: the accounts of today that use the product most and most widely, each against its own segment."""

from __future__ import annotations

from typing import Any

import pandas as pd

from healthlib.spec import Scorecard
from healthlib.studies.today import segment_column
from healthlib.wording import number, unknown

TENTH = 0.1
"""Who belongs to the first tenth of a segment is a power user (a convention)."""
LEAST = 10
"""Of a segment with fewer accounts nobody is the first tenth."""
TOLD = 3
"""Metrics whose values are told of an account."""
COLUMNS = ("account_id", "name", "segment", "csm", "arr", "among", "place", "band", "values")


def power_metrics(scorecard: Scorecard) -> list[str]:
    """Metrics that say how much or how widely the product is used, heaviest first: with a weight, of the table `usage` or the group
    `adoption`, more being better; changes over time are left out."""
    chosen = {
        name: metric.weight
        for name, metric in scorecard.metrics.items()
        if (metric.table == "usage" or metric.group == "adoption") and metric.weight > 0 and metric.better == "higher"
        and metric.trend is None and not metric.levels
    }  # fmt: skip
    return sorted(chosen, key=lambda name: -chosen[name])


def standing(today: pd.DataFrame, scorecard: Scorecard) -> pd.Series:
    """Mean over the use metrics of the share of the segment's accounts that an account reaches or passes; NaN where under half is measured.

    Values, not points, are compared: points end at 100, and most of the use above that is where the first tenth differs.
    """
    names = power_metrics(scorecard)
    if today.empty or not names:
        return pd.Series(float("nan"), index=today.index)
    values = today[names].astype(float)
    ranks = values.groupby(among(today)).rank(pct=True)
    return ranks.mean(axis=1).where(values.notna().mean(axis=1) >= 0.5)


def among(today: pd.DataFrame) -> pd.Series:
    """The segment each account is compared within; "all accounts" where nothing divides the base."""
    name = segment_column(today)
    return today[name].fillna("not stated").astype(str) if name else pd.Series("all accounts", index=today.index)


def power_users(today: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    """Accounts in the first tenth of their segment by `standing`, largest ARR first.

    Parameters
    ----------
    today : scored snapshots of one day: account_id, arr, band, name, segment, csm, and the metrics

    Returns
    -------
    DataFrame `COLUMNS`: `among` the segment compared with, `place` the standing, `values` the use metrics in words. Equal accounts at the
    edge are all left out, so a list is never longer than a tenth; a segment under `LEAST` accounts with a standing has nobody on it.
    """
    place, segment = standing(today, scorecard), among(today)
    frame = today.reindex(columns=["account_id", "name", "segment", "csm", "arr", "band"]).assign(place=place, among=segment)
    seen = frame.groupby("among")["place"]
    rank, size = seen.rank(method="max", ascending=False), seen.transform("count")
    chosen = frame[(size >= LEAST) & (rank <= TENTH * size)]
    said = [_values(row, scorecard) for row in today.loc[chosen.index].to_dict("records")]
    chosen = chosen.assign(values=pd.Series(said, index=chosen.index, dtype="object"))
    return chosen.sort_values(["arr", "account_id"], ascending=[False, True], ignore_index=True)[list(COLUMNS)]


def _values(row: dict[Any, Any], scorecard: Scorecard) -> str:
    """`Active seats 0.92, Features used 9`: the heaviest first, at most `TOLD`."""
    known = {name: float(row[name]) for name in power_metrics(scorecard) if not unknown(row[name])}
    return ", ".join(f"{scorecard.metrics[name].label} {_plain(value)}" for name, value in list(known.items())[:TOLD])


def _plain(value: float) -> str:
    """A value with no more digits than tell it apart.

    >>> _plain(0.9213), _plain(12.0), _plain(1234.5)
    ('0.92', '12', '1,234')
    """
    return number(value, 0) if abs(value) >= 100 or value == round(value) else f"{value:.2g}".replace("-", "−")
