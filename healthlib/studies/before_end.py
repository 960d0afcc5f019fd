"""What the metrics of accounts that left looked like before the end, beside accounts as far from theirs that stayed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.resample import account_weights
from healthlib.spec import Scorecard

LEADS = (180, 150, 120, 90, 60, 30)
"""Days before the end at which both sides are compared."""

FEWEST = 10
"""A lead with fewer accounts than this on either side is drawn but never said to be apart (a convention)."""

COLUMNS = (
    "metric",
    "label",
    "lead_days",
    "lost_mean",
    "lost_low",
    "lost_high",
    "n_lost",
    "kept_mean",
    "kept_low",
    "kept_high",
    "n_kept",
    "gap",
    "gap_low",
    "gap_high",
)


def kept_at_leads(history: pd.DataFrame, finished: pd.DataFrame) -> pd.DataFrame:
    """Month-end snapshots of terms that were renewed, with `lead_days` to the end of that term, rounded to 30.

    Where accounts have no terms (evergreen) the finished cases that stayed serve every lead.
    """
    stayed = finished[finished["lost"] == 0]
    terms = stayed[["account_id", "term_ends"]].dropna().drop_duplicates()
    if terms.empty:
        return (
            pd.concat([stayed.assign(lead_days=lead) for lead in LEADS], ignore_index=True) if len(stayed) else stayed.assign(lead_days=0)
        )
    rows = history.merge(terms, on=["account_id", "term_ends"], how="inner")
    days = (rows["term_ends"] - rows["as_of"]).dt.days
    rows = rows.assign(lead_days=(np.round(days / 30) * 30).astype(int))
    return rows[rows["lead_days"].isin(LEADS)].drop_duplicates(["account_id", "term_ends", "lead_days"]).reset_index(drop=True)


def compare(leads: pd.DataFrame, kept: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Mean points (0-100) of each metric at each lead: lost, kept, and the gap kept - lost, with 95 % intervals.

    Both sides are resampled together by account, so an account on both sides counts as one.

    Returns
    -------
    DataFrame with `COLUMNS`, by metric in the order of the scorecard, then by lead from far to near. A lead with fewer than 2 values on
    either
    side is left out.
    """
    both = pd.concat([leads.assign(side="lost"), kept.assign(side="kept")], ignore_index=True)
    both = both[both["lead_days"].isin(LEADS)].reset_index(drop=True)
    if leads.empty or kept.empty or both.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    points = scoring.metric_scores(scorecard, both)
    codes, counts = account_weights(both["account_id"], replicates, seed)
    draws = counts.astype(np.float64)
    lead, lost = both["lead_days"].to_numpy(), (both["side"] == "lost").to_numpy()
    rows = []
    for name, metric in scorecard.metrics.items():
        values = points[name].to_numpy(float)
        for days in LEADS:
            here = (lead == days) & ~np.isnan(values)
            sides = [_means(values, here & chosen, codes, draws) for chosen in (lost, ~lost)]
            if min((here & lost).sum(), (here & ~lost).sum()) >= 2:
                ends = [end for side in (*sides, sides[1] - sides[0]) for end in (side[0], *np.nanpercentile(side[1:], [2.5, 97.5]))]
                rows.append(
                    (name, metric.label, days, *ends[:3], int((here & lost).sum()), *ends[3:6], int((here & ~lost).sum()), *ends[6:])
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def first_apart(study: pd.DataFrame) -> pd.DataFrame:
    """Per metric: the earliest lead from which on the gap's interval stays above zero, and the gap nearest the end.

    Returns
    -------
    DataFrame: metric, label, apart_days (0 = never), gap, gap_low, gap_high, n_lost, n_kept at the lead nearest the end; widest first.
    """
    rows = []
    for name, part in study.groupby("metric", sort=False):
        part = part.sort_values("lead_days")
        clear = ((part["gap_low"] > 0) & (part[["n_lost", "n_kept"]].min(axis=1) >= FEWEST)).to_numpy()
        upto = len(clear) if clear.all() else int(np.argmin(clear))
        near = part.iloc[0]
        apart = int(part["lead_days"].iloc[upto - 1]) if upto else 0
        rows.append((name, near["label"], apart, near["gap"], near["gap_low"], near["gap_high"], near["n_lost"], near["n_kept"]))
    table = pd.DataFrame(rows, columns=["metric", "label", "apart_days", "gap", "gap_low", "gap_high", "n_lost", "n_kept"])
    return table.sort_values(["apart_days", "gap"], ascending=False, kind="stable").reset_index(drop=True)


def _means(values: np.ndarray, chosen: np.ndarray, codes: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The mean of the chosen values, then the mean in each replicate."""
    total = np.bincount(codes[chosen], values[chosen], len(draws))
    number = np.bincount(codes[chosen], minlength=len(draws)).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.r_[total.sum() / number.sum(), (total @ draws) / (number @ draws)]
