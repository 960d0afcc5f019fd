"""Who changed band since the previous month-end: the largest accounts that fell, rose, left and came, with what moved each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from healthlib.changes import MEASURED, Changes
from healthlib.palette import UNSCORED
from healthlib.spec import Scorecard
from healthlib.studies.plainly import figure, lowered
from healthlib.wording import upper_first

DIRECTIONS = ("fell", "rose", "left", "came")
LARGEST = 5
"""Accounts named in each direction, the largest ARR first."""
COLUMNS = ("direction", "account_id", "name", "from", "to", "arr", "before", "now", "change", "why")


def movers(now: pd.DataFrame, before: pd.DataFrame, scorecard: Scorecard, found: Changes | None, left: pd.DataFrame) -> pd.DataFrame:
    """The largest moves between two days, by band as shown.

    Parameters
    ----------
    now, before : scored rows of each day by account_id: arr, band, score, name
    found : why each score moved; None where there is no earlier day
    left : account_id, ended_on, reason of every leaving

    Returns
    -------
    DataFrame `COLUMNS`: at most `LARGEST` accounts a direction in the order of `DIRECTIONS`, largest ARR first (today's; of who left, what
    it had); before and now are scores (NaN where there is none), why in plain words, "" where nothing is known
    """
    if found is None or before.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    rank = {band.name: place for place, band in enumerate(scorecard.bands)}
    both = pd.DataFrame({
        "from": before["band"], "to": now["band"], "before": before["score"], "now": now["score"], "arr": now["arr"], "had": before["arr"],
    })  # fmt: skip
    both["arr"] = both["arr"].fillna(both["had"])
    step = both["to"].map(rank).astype(float) - both["from"].map(rank).astype(float)
    both["direction"] = np.select([both["to"].isna(), both["from"].isna(), step < 0, step > 0], ["left", "came", "fell", "rose"], "")
    both = both[both["direction"] != ""].rename_axis("account_id").reset_index()
    place = both["direction"].map({name: i for i, name in enumerate(DIRECTIONS)})
    both = both.assign(place=place).sort_values(["place", "arr", "account_id"], ascending=[True, False, True])
    both = both.groupby("direction", sort=False).head(LARGEST)
    names = pd.concat([_names(now), _names(before)])
    names = names[~names.index.duplicated()]
    reasons = left.drop_duplicates("account_id", keep="last").set_index("account_id").reindex(columns=["reason"])["reason"]
    both = both.assign(name=both["account_id"].map(names), change=both["now"] - both["before"])
    both["why"] = _why(both, scorecard, found, (before, now), reasons)
    return both.reset_index(drop=True)[list(COLUMNS)]


def _names(rows: pd.DataFrame) -> pd.Series:
    given = rows.reindex(columns=["name"])["name"].astype("object")
    return given.where(given.notna(), rows["account_id"])


def _why(rows: pd.DataFrame, scorecard: Scorecard, found: Changes, days: tuple[pd.DataFrame, pd.DataFrame], left: pd.Series) -> list[str]:
    """What moved each account most, in the direction that it moved."""
    parts = found.frame.set_index("account_id")
    names = [name for name in scorecard.metrics if name in found.seen]
    total = np.nan_to_num(np.asarray(sum(found.points[cause][names].to_numpy() for cause in MEASURED), dtype=float))
    by_metric = pd.DataFrame(total, index=parts.index, columns=names)
    said = []
    for direction, account in rows[["direction", "account_id"]].itertuples(index=False, name=None):
        if direction in ("left", "came"):
            reason = left.get(account) if direction == "left" else None
            said.append(
                "" if reason is None or pd.isna(reason) or not str(reason).strip() else f"Reason given: {str(reason).replace('_', ' ')}"
            )
            continue
        sign = -1.0 if direction == "fell" else 1.0
        row, metrics = parts.loc[account], by_metric.loc[account]
        said.append(upper_first(_cause(sign * row, sign * metrics, scorecard, [frame.loc[account] for frame in days])))
    return said


def _cause(parts: pd.Series, metrics: pd.Series, scorecard: Scorecard, days: Sequence[pd.Series]) -> str:
    """The cause that added most to the move; `parts` and `metrics` count along its direction."""
    if days[0]["band"] == UNSCORED or metrics.empty:
        return ""
    largest = max(float(metrics.max()), 0.0)
    for name, words in (("override", "a person overruled the score"), ("configuration", "the scorecard was changed")):
        if float(parts[name]) > largest:
            return words
    if largest < 0.5:
        return ""
    top = metrics.sort_values(ascending=False, kind="stable").head(2)
    return "; ".join(_moved(scorecard, str(name), days) for name, by in top.items() if by >= 0.5)


def _moved(scorecard: Scorecard, name: str, days: Sequence[pd.Series]) -> str:
    metric = scorecard.metrics[name]
    was, is_now = (figure(metric, float(day[name])) for day in days)
    label = lowered(metric.label)
    return f"{label} still {is_now}, counted differently" if was == is_now else f"{label} {was}, now {is_now}"
