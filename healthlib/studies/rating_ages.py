"""The age at which ratings and answers stop predicting, read from what became of those who were rated."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.spec import Scorecard
from healthlib.studies.alone import auc_of

AGE_EDGES = (0, 15, 31, 61, 91, 121, 181, 271, 366)
"""Days at which the bins of a rating's age begin (a convention): up to two weeks, a month, two ... a year, and more."""

LEAST_SIDES = 5
"""Lost and kept accounts a bin of ages needs for its AUC to be judged."""

ENOUGH_SIDES = 15
"""Neighbouring bins are joined until so many lost and kept cases are in one: what is left over at the end stays on its own."""

AGE_COLUMNS = (
    "metric", "label", "from_days", "to_days", "cases", "accounts", "lost", "auc", "low", "high", "arr_auc", "arr_low", "arr_high",
    "verdict",
)  # fmt: skip
LIMIT_COLUMNS = ("metric", "label", "stops_at", "verdict", "at_most", "stale_after_days", "cases", "lost")


def by_age(finished: pd.DataFrame, answers: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """How well the latest rating or answer tells leavers from stayers, by its age in days.

    Parameters
    ----------
    finished : account_id, as_of, lost, arr
    answers : account_id, as_of, metric, value, age_days, however old (`recency.latest_answers`)

    Returns
    -------
    DataFrame with `AGE_COLUMNS`, a row per metric and bin, from young to old; to_days is the last day in the bin (NaN: no
    end). `verdict` is "predicts" (the AUC's interval lies above 0.5), "cannot be told from chance", "wrong way" (below), or "too few"
    (under `LEAST_SIDES` lost or kept accounts).
    """
    joined = finished[["account_id", "as_of", "lost", "arr"]].merge(answers, how="inner", on=["account_id", "as_of"])
    rows = []
    for name, part in joined.groupby("metric", sort=False):
        metric = scorecard.metrics[str(name)]
        starts = _bins(part)
        place = np.searchsorted(starts, part["age_days"].to_numpy(float), side="right") - 1
        for number, start in enumerate(starts):
            inside = part[place == number].reset_index(drop=True)
            signed = inside["value"] if metric.better == "higher" else -inside["value"]
            auc, by_arr = (auc_of(inside, signed, money=money, replicates=replicates, seed=seed) for money in (False, True))
            last = starts[number + 1] - 1 if number + 1 < len(starts) else float("nan")
            sides = inside.groupby("lost")["account_id"].nunique()
            few = min(sides.get(0.0, 0), sides.get(1.0, 0)) < LEAST_SIDES
            said = "too few" if few else "predicts" if auc.low > 0.5 else "wrong way" if auc.high < 0.5 else "cannot be told from chance"
            rows.append((
                name, metric.label, start, last, len(inside), inside["account_id"].nunique(), int(inside["lost"].sum()),
                auc.value, auc.low, auc.high, by_arr.value, by_arr.low, by_arr.high, said,
            ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(AGE_COLUMNS))


def _bins(part: pd.DataFrame) -> list[int]:
    """Where the bins of age begin: those of `AGE_EDGES`, joined with the next until each holds `ENOUGH_SIDES` of both outcomes."""
    place = np.digitize(part["age_days"].to_numpy(float), AGE_EDGES) - 1
    counts = np.array([np.bincount(place[part["lost"] == side], minlength=len(AGE_EDGES)) for side in (0, 1)])
    starts, held = [0], np.zeros(2)
    for edge, inside in zip(AGE_EDGES, counts.T, strict=True):
        if held.min() >= ENOUGH_SIDES and counts.T[AGE_EDGES.index(edge) :].any():
            starts.append(edge)
            held = np.zeros(2)
        held = held + inside
    return starts


def limits(ages: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    """From which age each rating no longer predicts: where the interval of its AUC first includes 0.5 and keeps doing so.

    Bins with too few cases say nothing either way and are passed over.

    Returns
    -------
    DataFrame with `LIMIT_COLUMNS`: `stops_at` (days; NaN where it does not stop or cannot be told); `at_most` (the highest AUC that the
    intervals from there on do not rule out); verdict "stops", "predicts at every
    age seen", "never predicts", or "cannot tell" (no bin, or only one, with enough cases); cases and lost: those in bins with enough
    """
    rows = []
    for name, part in ages.groupby("metric", sort=False):
        enough = part[part["verdict"] != "too few"].sort_values("from_days")
        good = (enough["verdict"] == "predicts").to_numpy()
        stops_at, said = float("nan"), "cannot tell"
        if len(enough) > 1 and good.any():
            last = int(np.flatnonzero(good)[-1])
            said = "predicts at every age seen" if last == len(enough) - 1 else "stops"
            stops_at = float(enough["from_days"].iloc[last + 1]) if said == "stops" else stops_at
        elif len(enough) > 1:
            said = "never predicts"
        at_most = float(enough.loc[enough["from_days"] >= (0 if said == "never predicts" else stops_at), "high"].max())
        metric = scorecard.metrics[str(name)]
        stale = float("nan") if metric.stale_after_days is None else float(metric.stale_after_days)
        rows.append((name, metric.label, stops_at, said, at_most, stale, int(enough["cases"].sum()), int(enough["lost"].sum())))
    return pd.DataFrame(rows, columns=list(LIMIT_COLUMNS))
