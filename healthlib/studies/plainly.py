"""What holds a score down, in words for somebody who has never seen the scorecard: `No meetings since 10 Jul; CSM's own rating 1 of 5`."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from healthlib import levels, scoring
from healthlib.spec import Metric, Scorecard
from healthlib.studies.overruled import overruled
from healthlib.wording import count, counted, number, share, short_day, upper_first

FAR_DAYS = 300
"""Days from which a date is said by month and year alone."""
AGED_DAYS = 60
"""Days from which a judgement is said with its date."""
SCALES = (5.0, 7.0, 10.0, 100.0)
"""Ends of answer scales that people know (a convention): of a judgement whose best is one of them we say `2 of 5`."""
SENTENCES = ("days since it ", "days since they ", "days since anybody ", "days since somebody ")
"""Starts of labels that go on as a sentence, so that no "no ..." can be made of them."""
JUDGED = ("ratings", "surveys", "tickets")


def told(scorecard: Scorecard, snapshot: pd.DataFrame, dated: pd.DataFrame | None = None, *, most: int = 3) -> pd.Series:
    """The same causes as `today.reasons`, in the same order, without points: what happened rather than what it costs.

    Parameters
    ----------
    snapshot : scored rows of one day; an override in force stands first, then the name of a gate that caps, in place of its metric
    dated : account_id, metric, day of the newest row behind each metric
    most : causes named at most

    Returns
    -------
    text by the index of `snapshot`; "" where nothing costs half a point
    """
    if snapshot.empty:
        return pd.Series(dtype="object")
    again = scoring.score(scorecard, snapshot)
    short, metrics = np.nan_to_num(scoring.shortfalls(again).to_numpy(float)), list(scorecard.metrics.values())
    values, newest = snapshot[list(scorecard.metrics)].to_numpy(float), _newest(scorecard, snapshot, dated)
    order = np.argsort(-short, axis=1, kind="stable")[:, :most]
    said = overruled(snapshot).tolist() if "override" in snapshot else [""] * len(snapshot)
    behind, days, texts = {gate.name: gate.metric for gate in scorecard.gates}, snapshot["as_of"].tolist(), []
    for i, gate in enumerate(again.frame["gate"]):
        parts = [text for text in (said[i], gate) if text]
        known = dict(zip(scorecard.metrics, values[i].tolist(), strict=True))
        for j in (j for j in order[i] if short[i, j] >= 0.5 and metrics[j].name != behind.get(gate)):
            note = levels.told(scorecard, metrics[j], known)
            parts.append(phrase(metrics[j], values[i, j], newest[i, j], days[i]) + (f" ({note})" if note else ""))
        texts.append(upper_first("; ".join(parts)))
    return pd.Series(texts, index=snapshot.index, dtype="object")


def strong(scores: scoring.Scores, *, most: int = 3) -> pd.Series:
    """What adds most points to each score, without the points: `features used 7; executive contact 5 days ago`.

    Parameters
    ----------
    scores : of the snapshots whose words are wanted
    most : metrics named at most

    Returns
    -------
    text by the index of the scores; "" where nothing adds a tenth of a point
    """
    points, metrics = np.nan_to_num(scores.points.to_numpy(float)), list(scores.scorecard.metrics.values())
    values = scores.cases[[metric.name for metric in metrics]].to_numpy(float)
    order = np.argsort(-points, axis=1, kind="stable")[:, :most]
    texts = [
        upper_first("; ".join(praise(metrics[j], values[i, j]) for j in chosen if points[i, j] >= 0.05)) for i, chosen in enumerate(order)
    ]
    return pd.Series(texts, index=scores.frame.index, dtype="object", name="strong")


def praise(metric: Metric, value: float) -> str:
    """A metric that speaks for an account.

    >>> from healthlib.spec import Measure
    >>> seen = Metric(name="m", group="g", label="Days since last visit", measure=Measure(kind="days_since"), worst=90, best=0)
    >>> praise(seen, 5), praise(seen, 1), praise(seen, 0)
    ('visit 5 days ago', 'visit 1 day ago', 'visit today')
    """
    label = lowered(metric.label)
    if metric.measure.kind == "days_since" and label.startswith("days since "):
        what = label.removeprefix("days since ").removeprefix("the ").removeprefix("last ")
        return f"{what} today" if value == 0 else f"{what} {counted(value, 'day')} ago"
    said = figure(metric, value)
    return f"{label}{':' if said in ('yes', 'no') else ''} {said}"


def _newest(scorecard: Scorecard, rows: pd.DataFrame, dated: pd.DataFrame | None) -> np.ndarray:
    """The day of the newest row behind each metric of each account; NaT where there is none."""
    if dated is None or dated.empty:
        return np.full((len(rows), len(scorecard.metrics)), np.datetime64("NaT", "s"))
    wide = dated.pivot(index="account_id", columns="metric", values="day")
    return wide.reindex(index=rows["account_id"], columns=list(scorecard.metrics)).to_numpy(dtype="datetime64[s]")


def phrase(metric: Metric, value: float, newest: np.datetime64 | pd.Timestamp, as_of: pd.Timestamp) -> str:
    """One metric of one account, without its points.

    >>> from healthlib.spec import Measure
    >>> day, last = pd.Timestamp("2026-10-31"), pd.Timestamp("2026-07-10")
    >>> calls = Metric(name="m", group="g", label="Meetings in 90 days", measure=Measure(kind="count"), worst=0, best=6)
    >>> phrase(calls, 0, last, day), phrase(calls, 2, day, day), phrase(calls, float("nan"), pd.NaT, day)
    ('no meetings since 10 Jul', 'only 2 meetings in 90 days', 'meetings in 90 days not known')
    >>> said = Measure(kind="last", of="rating")
    >>> rating = Metric(name="r", group="g", label="CSM's own rating", table="ratings", measure=said, worst=1, best=5)
    >>> phrase(rating, 1, last, day)
    "CSM's own rating 1 of 5 (10 Jul)"
    """
    last = pd.Timestamp(newest)
    age = float("nan") if pd.isna(last) else float((as_of - last).days)
    when = "" if pd.isna(last) else short_day(last) if age < FAR_DAYS else f"{last:%b %Y}"
    label = lowered(metric.label)
    if np.isnan(value):
        return f"{label} not known" + (f" since {when}" if when else "")
    kind, higher = metric.measure.kind, metric.better == "higher"
    if kind in ("count", "distinct", "sum") and not metric.per and not metric.trend and higher:
        return _counted(label, value, when)
    if kind == "days_since" and label.startswith("days since ") and not label.startswith(SENTENCES):
        what = label.removeprefix("days since ").removeprefix("the ").removeprefix("last ")
        return f"no {what} since {when}" if when else f"no {what} for {count(value)} days"
    said = figure(metric, value)
    if kind == "share" and higher and when and age > AGED_DAYS:
        return f"{label} {said}, last in {last:%b %Y}"
    return f"{label}{':' if said in ('yes', 'no') else ''} {said}" + (f" ({when})" if kind == "last" and when and age > AGED_DAYS else "")


def _counted(label: str, value: float, when: str) -> str:
    """A count of good things: none, or only so many."""
    window = "".join(re.findall(r" in (?:\d+ days|an? \w+)$", label))
    noun = label.removesuffix(window)
    if value == 0:
        return f"no {noun} since {when}" if when else f"no {noun}{window or ' on record'}"
    if value == 1 or value != round(value):
        return f"{label}: {number(value, 0 if value == 1 else 1)}"
    return f"only {count(value)} {noun}{window}"


def figure(metric: Metric, value: float) -> str:
    """A metric's value in the unit that a reader expects: `21%`, `down 38%`, `2 of 5`, `34`.

    >>> from healthlib.spec import Measure
    >>> use = Metric(name="u", group="g", label="Use", measure=Measure(kind="sum", of="q"), trend=60, worst=-0.5, best=0.3)
    >>> figure(use, -0.38), figure(use, float("nan"))
    ('down 38%', 'not known')
    """
    if np.isnan(value):
        return "not known"
    ends = [end for end in (metric.worst, metric.best) if isinstance(end, int | float)]
    if metric.trend:
        return "unchanged" if abs(value) < 0.005 else f"{'down' if value < 0 else 'up'} {share(abs(value))}"
    if metric.column and value in (0, 1) and ends == [0, 1]:
        return "yes" if value else "no"
    if metric.measure.kind == "share" or (len(ends) == 2 and max(ends) <= 1 and min(ends) >= 0 and _is_part(metric)):
        return share(value)
    plain = number(value, 0 if abs(value) >= 100 or value == round(value) else 1 if abs(value) >= 1 else 2)
    if metric.levels or (metric.measure.kind in ("last", "mean") and metric.table in JUDGED and ends and ends[-1] in SCALES):
        return f"{plain} of {number(float(ends[-1]), 0) if ends else 100}"
    return plain


def _is_part(metric: Metric) -> bool:
    """Whether a value between 0 and 1 is a part of a whole rather than a count."""
    return bool(metric.per) or metric.measure.kind in ("last", "mean", "max")


def lowered(label: str) -> str:
    """A label inside a sentence: an abbreviation keeps its capitals.

    >>> lowered("Active seats"), lowered("NPS answer")
    ('active seats', 'NPS answer')
    """
    return label if len(label) < 2 or label[1].isupper() else label[:1].lower() + label[1:]
