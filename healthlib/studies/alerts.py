"""Who is worth a call: the alerts that hold on the day of the report, since when, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.alert_rules import GRAVE, KINDS
from healthlib.palette import UNSCORED
from healthlib.spec import Scorecard
from healthlib.studies.alert_replay import Past, counted_groups, group_limit
from healthlib.wording import counted, day, listed, number, points, share, unknown

if TYPE_CHECKING:
    from healthlib.studies.book import Book

COLUMNS = (
    "account_id", "kind", "from", "to", "since", "arr", "reason", "playbook", "new", "term_ends", "owner", "group", "evidence",
)  # fmt: skip
TOLD = 2
"""Metrics that a reason names."""


@dataclass(frozen=True)
class Alerted:
    """Every alert that was ever raised (`alert_replay.replay_alerts`), and the past it was raised in."""

    past: Past
    raised: pd.DataFrame
    scorecard: Scorecard
    as_of: pd.Timestamp

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """Points of each metric in each snapshot: to look up one cell of a frame takes as long as to tell a whole alert."""
        return self.past.points.to_numpy(dtype=float)


def raise_alerts(book: Book) -> Alerted:
    """Replay the rules of the book's scorecard over its history."""
    return Alerted(book.past, book.raised, book.scorecard, book.as_of)


def alerts(alerted: Alerted) -> pd.DataFrame:
    """Alerts as in alerts.csv: those that hold and were raised within `listed_days`; new ones first, then the grave kinds, then by ARR.

    Returns
    -------
    DataFrame with `COLUMNS`: `from` and `to` in words; `since` the day it was raised; `reason` and `evidence` as of that day, so that they
    do not change while the alert does not; `arr`, `term_ends`, `owner` (csm), `group` (which keeps most from a score of 100) and
    `playbook` as of today; `new`: raised since the previous month-end.
    """
    rules, past, at = alerted.scorecard.alerts, alerted.past, alerted.as_of
    age = (at - alerted.raised["since"]).dt.days if len(alerted.raised) else pd.Series(dtype="int64")
    rows = alerted.raised[alerted.raised["ended"].isna() & (age <= rules.listed_days)].reset_index(drop=True)
    if rows.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    keys = pd.MultiIndex.from_frame(past.rows[["account_id", "as_of"]])
    rows["then"] = keys.get_indexer(pd.MultiIndex.from_frame(rows[["account_id", "compared"]]))
    today = past.rows[past.rows["as_of"] == at].set_index("account_id", drop=False)
    now = today.loc[rows["account_id"]].reset_index(drop=True)
    weakest, play = _what_to_do(alerted, now)
    records: Any = rows.to_dict("records")
    said = pd.DataFrame([_say(alerted, row) for row in records])
    table = pd.DataFrame({
        "account_id": rows["account_id"], "kind": rows["kind"], "from": said["from"], "to": said["to"], "since": rows["since"],
        "arr": now["arr"], "reason": said["reason"], "playbook": play, "new": rows["since"] == at, "term_ends": now["term_ends"],
        "owner": now["csm"].fillna("") if "csm" in now else "", "group": weakest, "evidence": said["evidence"],
    })  # fmt: skip
    table = _of_the_red_group(table, said["group"], alerted.scorecard)
    grave = table["kind"].isin(list(KINDS)[:GRAVE])
    ranked: Any = pd.DataFrame(
        {"old": ~table["new"], "light": ~grave, "arr": -table["arr"], "account": table["account_id"], "kind": table["kind"]}
    )
    return table.loc[ranked.sort_values(list(ranked.columns), kind="stable").index, list(COLUMNS)].reset_index(drop=True)


def _what_to_do(alerted: Alerted, now: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Today's weakest group ("" where unscored) and playbook of each row."""
    card = alerted.scorecard
    scores = scoring.score(card, now)
    group_of = [metric.group for metric in card.metrics.values()]
    short = (
        scoring.shortfalls(scores)
        .T.groupby(pd.Series(group_of, index=list(card.metrics)))
        .sum(min_count=1)
        .T[list(dict.fromkeys(group_of))]
    )
    weakest = short.fillna(-1.0).idxmax(axis=1).where(short.notna().any(axis=1), "")
    return weakest.astype("object"), scoring.playbooks(scores).astype("object")


def _of_the_red_group(table: pd.DataFrame, group: pd.Series, card: Scorecard) -> pd.DataFrame:
    """Where an alert is about a group of its own, that group's name and the playbook of the worst band for it."""
    own = group != ""
    plays = card.playbooks.get(card.bands[0].name, {})
    play = group.map(lambda name: plays.get(name, ""))
    return table.assign(group=table["group"].where(~own, group), playbook=table["playbook"].where(~own | (play == ""), play))


def _say(alerted: Alerted, row: dict[str, Any]) -> dict[str, str]:
    """From, to, reason, evidence and the group of its own (or "") of one alert."""
    tell: dict[str, Callable[[Alerted, dict[str, Any]], dict[str, str]]] = {
        "new_red": _fall, "band_drop": _fall, "trend": _fade, "coverage_lost": _lost, "renewal_near": _renewal, "no_contact": _silent,
        "champion_gone": _champion, "usage_back": _back,
    }  # fmt: skip
    return {"group": "", **tell[row["kind"]](alerted, row)}


def _fall(alerted: Alerted, row: dict[str, Any]) -> dict[str, str]:
    names = [band.name for band in alerted.scorecard.bands]
    return {"from": names[int(row["before"])], "to": names[int(row["now"])], **_moved(alerted, row)}


def _fade(alerted: Alerted, row: dict[str, Any]) -> dict[str, str]:
    return {"from": points(row["before"]), "to": points(row["now"]), **_moved(alerted, row)}


def _moved(alerted: Alerted, row: dict[str, Any]) -> dict[str, str]:
    """`Score 72 to 55; most lost on Active seats (−12) and NPS (−5)`, from the exact points of the two days, and the values behind it."""
    rows: Any = alerted.past.rows
    labels = {name: metric.label for name, metric in alerted.scorecard.metrics.items()}
    at = int(row["row"])
    then = int(row["then"])
    now, before = np.nan_to_num(alerted.points[[at, then]])
    moved: dict[str, float] = dict(zip(alerted.past.points.columns.tolist(), (now - before).tolist(), strict=True))
    fallen = [name for name in sorted(moved, key=moved.__getitem__) if moved[name] <= -0.5][:TOLD]
    where = listed([f"{labels[name]} (−{-moved[name]:.0f})" for name in fallen])
    score = f"Score {points(rows.at[then, 'score'])} to {points(rows.at[at, 'score'])}"
    gate = rows.at[at, "gate"]
    values = [f"{labels[name]} {_value(rows.at[at, name])}, was {_value(rows.at[then, name])}" for name in fallen]
    return {
        "reason": score + (f"; capped by {gate}" if gate else "") + (f"; most lost on {where}" if where else ""),
        "evidence": "; ".join([f"{day(row['since'])} against {day(row['compared'])}", *values]),
    }


def _value(value: float) -> str:
    """A metric's value with no more digits than tell it apart.

    >>> _value(0.2149), _value(12.0), _value(float("nan"))
    ('0.21', '12', 'not measured')
    """
    if unknown(value):
        return "not measured"
    return number(value, 0) if abs(value) >= 100 or value == round(value) else f"{value:.2g}".replace("-", "−")


def _lost(alerted: Alerted, row: dict[str, Any]) -> dict[str, str]:
    names, rows = [band.name for band in alerted.scorecard.bands], alerted.past.rows
    gaps = [metric.label for name, metric in alerted.scorecard.metrics.items() if metric.weight > 0 and unknown(rows.at[row["row"], name])]
    return {
        "from": names[int(row["before"])],
        "to": UNSCORED,
        "reason": f"Had a score on {day(row['compared'])}; too little is measured now to give one",
        "evidence": f"not measured on {day(row['since'])}: {listed(gaps)}",
    }


def _renewal(alerted: Alerted, row: dict[str, Any]) -> dict[str, str]:
    """The groups in the worst band on the day the alert was raised, the one with the most to gain first."""
    rules, at = alerted.scorecard.alerts, int(row["row"])
    rows: Any = alerted.past.rows
    groups: Any = alerted.past.groups
    weights, limit = counted_groups(alerted.scorecard, rules), group_limit(alerted.scorecard, rules)
    red = {name: float(groups.at[at, name]) for name in weights if groups.at[at, name] < limit}
    red = dict(sorted(red.items(), key=lambda item: (item[1] - 100) * weights[item[0]]))
    ends = rows.at[at, "term_ends"]
    told = listed([f"{name} {points(value)}" for name, value in red.items()])
    names = [band.name for band in alerted.scorecard.bands]
    return {
        "from": "",
        "to": names[0],
        "group": next(iter(red)),
        "reason": f"Term ends on {day(ends)}, and what makes up {share(row['now'])} of the score is {names[0]}: {told} of 100",
        "evidence": f"{counted((ends - row['since']).days, 'day')} before the end, score {points(rows.at[at, 'score'])}",
    }


def _silent(alerted: Alerted, row: dict[str, Any]) -> dict[str, str]:
    last = row["since"] - pd.Timedelta(days=int(row["now"]))
    return {
        "from": f"{last:%Y-%m-%d}",
        "to": "",
        "reason": f"No contact since {day(last)}",
        "evidence": f"{counted(int(row['now']), 'day')} without a touchpoint on {day(row['since'])}",
    }


def _champion(alerted: Alerted, row: dict[str, Any]) -> dict[str, str]:
    rule = alerted.scorecard.alerts.champion_gone
    name = rule.attribute or rule.metric or "champion_gone"
    what = name if rule.attribute else alerted.scorecard.metrics[name].label
    value: Any = alerted.past.rows.at[row["row"], name]
    return {
        "from": "",
        "to": "gone",
        "reason": "The champion is gone",
        "evidence": f"{what}: {value if rule.attribute else _value(value)} on {day(row['since'])}",
    }


def _back(alerted: Alerted, row: dict[str, Any]) -> dict[str, str]:
    return {
        "from": "silent",
        "to": "in use",
        "reason": f"Used again after at least {counted(int(row['before']), 'day')} without",
        "evidence": f"silent at the snapshot before {day(row['since'])}, in use since",
    }
