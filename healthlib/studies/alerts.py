"""What changed for the worse since the previous month-end: one alert an account, the gravest that applies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.palette import UNSCORED
from healthlib.spec import Scorecard
from healthlib.studies.today import Scored
from healthlib.wording import listed, points

COLUMNS = ("account_id", "kind", "from", "to", "since", "arr", "reason", "playbook")
KINDS = {
    "new_red": "fell to the worst band",
    "band_drop": "fell by a band or more",
    "trend": "fell by 10 points or more in a quarter, in the same band",
    "coverage_lost": "can no longer be scored",
}
"""Kind of alert -> what it means, gravest first."""

TREND_POINTS = 10.0


def alerts(scored: Scored, scorecard: Scorecard, days: dict[str, pd.Timestamp | None], frame: pd.DataFrame) -> pd.DataFrame:
    """Alerts as in alerts.csv: gravest kind first, then the most ARR.

    Parameters
    ----------
    days : "now", "month" (the previous month-end) and "quarter" (about three months ago)
    frame : the scores of "now" (`today.scores_frame`)

    Returns
    -------
    DataFrame with `COLUMNS`: `from` and `to` are bands, for a trend scores; `since` is the day of the earlier score
    """
    if days["month"] is None:
        return pd.DataFrame(columns=list(COLUMNS))
    rank = {band.name: place for place, band in enumerate(scorecard.bands)}
    quarter = scored.on(days["quarter"])["score"]
    rows = frame.assign(was=frame["account_id"].map(quarter).astype(float))
    here, there = rows["band"].map(rank).astype(float), rows["previous_band"].map(rank).astype(float)
    fell = here < there
    lost = (rows["band"] == UNSCORED) & rows["previous_band"].notna() & (rows["previous_band"] != UNSCORED)
    trend = ~fell & (rows["was"] - rows["score"] >= TREND_POINTS)
    rows["kind"] = np.select([fell & (here == 0), fell, trend, lost], list(KINDS), default="")
    rows = rows[rows["kind"] != ""]
    if rows.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    slow = rows["kind"] == "trend"
    table = rows[["account_id", "kind", "arr", "playbook"]].assign(
        since=slow.map({True: days["quarter"], False: days["month"]}).astype("datetime64[s]"),
        reason=_reasons(scored, scorecard, rows, days),
        **{"from": rows["previous_band"].where(~slow, rows["was"].map(points)), "to": rows["band"].where(~slow, rows["score"].map(points))},
    )
    order = table["kind"].map({kind: place for place, kind in enumerate(KINDS)})
    table = table.assign(order=order).sort_values(["order", "arr", "account_id"], ascending=[True, False, True])
    return table[list(COLUMNS)].reset_index(drop=True)


def _reasons(scored: Scored, scorecard: Scorecard, rows: pd.DataFrame, days: dict[str, pd.Timestamp | None]) -> pd.Series:
    """`Score 72 to 55; most lost on Active seats (-12) and NPS (-5)`, from the exact points of the two days."""
    labels = {name: metric.label for name, metric in scorecard.metrics.items()}
    now = _points(scored, days["now"])
    texts = []
    for day_name, part in rows.groupby(np.where(rows["kind"] == "trend", "quarter", "month")):
        before = _points(scored, days[str(day_name)])
        earlier = scored.on(days[str(day_name)])["score"]
        accounts = part["account_id"]
        change = now.reindex(accounts).fillna(0.0) - before.reindex(accounts).fillna(0.0)
        texts.append(
            pd.Series(
                [
                    _reason(score, was, moved, labels)
                    for score, was, moved in zip(part["score"], accounts.map(earlier), change.to_numpy(), strict=True)
                ],
                index=part.index,
            )
        )
    return pd.concat(texts).reindex(rows.index)


def _points(scored: Scored, day: pd.Timestamp | None) -> pd.DataFrame:
    rows = scored.rows[scored.rows["as_of"] == day]
    return scored.scores.points.loc[rows.index].set_axis(rows["account_id"], axis=0)


def _reason(score: float, was: float, moved: np.ndarray, labels: dict[str, str]) -> str:
    if np.isnan(score):
        return f"Score {points(was)} before; too little is measured now to give one"
    worst = [(labels[name], change) for name, change in zip(labels, moved, strict=True) if change <= -0.5]
    worst = sorted(worst, key=lambda item: (item[1], item[0]))[:2]
    where = listed([f"{label} (−{-change:.0f})" for label, change in worst])
    return f"Score {points(was)} to {points(score)}" + (f"; most lost on {where}" if where else "")
