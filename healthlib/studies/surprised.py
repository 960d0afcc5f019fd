"""Why the score was wrong about an account: what it missed of one that left from the best band, what held down one that stayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from healthlib import resample, scoring
from healthlib.scoring import Scores
from healthlib.spec import Scorecard

LOW = 0.2
"""As few points as at most this share of the cases that were kept had: "low", their lowest fifth (a convention)."""
OLD_DAYS = 180
"""A rating or an answer older than this many days is old (a convention)."""

MISSED_COLUMNS = (
    "account_id", "as_of", "metric", "label", "weight", "points", "typical", "as_low", "kept", "age_days", "standing",
)  # fmt: skip
HELD_COLUMNS = ("account_id", "as_of", "score", "metric", "label", "gate", "points", "cost", "cases", "kept", "rate", "low", "high")


@dataclass(frozen=True)
class Judged:
    """The finished cases and what the scorecard in use said of them.

    Attributes
    ----------
    cases : finished cases with a unique index: account_id, as_of, lost (1.0 or 0.0), attributes, a column a metric
    scores : of those cases, same index
    answers : the latest rating or answer at each case, however old: `recency.ANSWER_COLUMNS`
    leaks : metrics that seem to know the outcome; they are left out
    """

    cases: pd.DataFrame
    scores: Scores
    answers: pd.DataFrame
    leaks: tuple[str, ...] = ()

    @property
    def scorecard(self) -> Scorecard:
        """The scorecard in use."""
        return self.scores.scorecard

    @property
    def metrics(self) -> list[str]:
        """The metrics that may be compared."""
        return [name for name in self.scorecard.metrics if name not in self.leaks]


def missed(judged: Judged, chosen: pd.DataFrame) -> pd.DataFrame:
    """How each metric of some cases stood against those of the cases that were kept.

    Parameters
    ----------
    chosen : account_id, as_of of finished cases

    Returns
    -------
    DataFrame `MISSED_COLUMNS`, a row a case and metric that applies: weight (share of the weight that applies to the case, measured or
    not), points (0..100), typical (median of the kept cases), as_low and kept (how many kept cases had at most so many
    points, of how many that had any), age_days (of the latest rating or answer, NaN elsewhere) and standing: low (below `typical`, and at
    most `LOW` of the kept cases were as low), fine (at least `typical`), between, old (not measured, yet there is an older answer),
    absent (not measured, where most kept cases were), or unknown (not measured, as in most).
    """
    place = _places(judged.cases, chosen)
    if not len(place) or not judged.metrics:
        return pd.DataFrame(columns=list(MISSED_COLUMNS))
    cases = judged.cases.loc[place]
    points = judged.scores.metric_scores
    carried = scoring.weight_matrix(judged.scorecard, cases)
    share = carried.div(carried.sum(axis=1).replace(0, np.nan), axis=0)
    due, kept = scoring.applies(judged.scorecard, cases), points[judged.cases["lost"] == 0]
    parts = []
    for name in judged.metrics:
        known = np.sort(kept[name].dropna().to_numpy())
        own = points.loc[place, name].to_numpy() + 0.0
        frame = cases[["account_id", "as_of"]].assign(
            metric=name,
            label=judged.scorecard.metrics[name].label,
            weight=share[name],
            points=own,
            typical=np.median(known) if len(known) else np.nan,
            as_low=np.where(np.isnan(own), np.nan, np.searchsorted(known, own, side="right")),
            kept=len(known),
            measured=len(known) / max(len(kept), 1),
        )
        parts.append(frame[due[name].to_numpy()])
    found = pd.concat(parts, ignore_index=True)
    ages = judged.answers[["account_id", "as_of", "metric", "age_days"]]
    found = found.merge(ages, how="left", on=["account_id", "as_of", "metric"]) if len(ages) else found.assign(age_days=np.nan)
    return found.assign(standing=_standing(found))[list(MISSED_COLUMNS)]


def _places(cases: pd.DataFrame, chosen: pd.DataFrame) -> pd.Index:
    """The index labels of the chosen cases, in their order; a pair that is no case has none."""
    if cases.empty or chosen.empty:
        return pd.Index([])
    at = cases.reset_index(names="place")[["account_id", "as_of", "place"]].drop_duplicates(["account_id", "as_of"])
    return pd.Index(chosen[["account_id", "as_of"]].drop_duplicates().merge(at, on=["account_id", "as_of"])["place"])


def _standing(found: pd.DataFrame) -> np.ndarray:
    """`standing` of each row, see `missed`."""
    gone = found["points"].isna()
    conditions = [
        gone & found["age_days"].notna(),
        gone & (found["measured"] >= 0.5),
        gone,
        found["points"] >= found["typical"],
        found["as_low"] <= LOW * found["kept"],
    ]
    return np.select(conditions, ["old", "absent", "unknown", "fine", "low"], "between")


def any_low(judged: Judged, band: str, *, replicates: int = 400, seed: int = 0) -> dict[str, resample.Estimate]:
    """Share of the cases of one band with at least one low metric (see `missed`): of those that were lost, and of those that were kept."""
    points, lost = judged.scores.metric_scores, judged.cases["lost"]
    low = np.zeros(len(points), dtype=bool)
    for name in judged.metrics:
        known = np.sort(points.loc[lost == 0, name].dropna().to_numpy())
        own = points[name].to_numpy()
        if len(known):
            low |= (own < np.median(known)) & (np.searchsorted(known, own, side="right") <= LOW * len(known))
    inside, found = (judged.scores.frame["band"] == band).to_numpy(), {}
    for said, value in (("lost", 1.0), ("kept", 0.0)):
        rows = inside & (lost == value).to_numpy()
        codes, counts = resample.account_weights(judged.cases.loc[rows, "account_id"], replicates, seed)
        found[said] = resample.rate(low[rows].astype(float), codes, counts) if rows.any() else resample.NOTHING
    return found


def held(judged: Judged, chosen: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """What held the score of some cases down most, and what became of all cases that it was as low for.

    Parameters
    ----------
    chosen : account_id, as_of of finished cases

    Returns
    -------
    DataFrame `HELD_COLUMNS`, a row a scored case: its score, the metric that cost most points (cost, of 100; `scoring.shortfalls`), gate
    (the one that capped the score, whose metric that then is; "" for none), its own points; cases (how many finished cases had at most so
    many points with that metric; with a gate: how many it capped), kept (how many of them were kept), rate with low and high: that share,
    its 95 % interval from resampling accounts.
    """
    rows = []
    short = scoring.shortfalls(judged.scores)
    points, frame = judged.scores.metric_scores, judged.scores.frame
    for place in _places(judged.cases, chosen):
        if short.loc[place].isna().all():
            continue
        gate = str(frame.loc[place, "gate"])
        costs = short.loc[place, [name for name in judged.scorecard.metrics if gate or name not in judged.leaks]]
        if not gate and costs.isna().all():
            continue
        name = str(costs.idxmax()) if not gate else next(g.metric for g in judged.scorecard.gates if g.name == gate)
        alike = frame["gate"] == gate if gate else points[name] <= points.loc[place, name]
        part = judged.cases[alike.to_numpy()]
        codes, counts = resample.account_weights(part["account_id"], replicates, seed)
        share = resample.rate(1.0 - part["lost"].to_numpy(float), codes, counts) if len(part) else resample.NOTHING
        label = judged.scorecard.metrics[name].label
        rows.append((
            *frame.loc[place, ["account_id", "as_of", "score"]], name, label, gate, points.loc[place, name] + 0.0, costs.get(name, np.nan),
            len(part), int((part["lost"] == 0).sum()), share.value, share.low, share.high,
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(HELD_COLUMNS)).astype({"as_of": "datetime64[s]"})
