"""Which cases were worked after their score was read, and what that leaves unknown of the score's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.interventions import CONTROL
from healthlib.resample import account_weights, percentile, rate
from healthlib.stats import auc, auc_replicates
from healthlib.studies.fit import usable
from healthlib.studies.groups import attributes
from healthlib.treatment import auc_bounds

if TYPE_CHECKING:
    from healthlib.studies.book import Book

MARKED = (
    "account_id", "as_of", "until", "arr", "age_days", "segment", "shown", "score", "band", "gate", "lost", "started_at", "treated",
    "early", "left",
)  # fmt: skip
BANDS = (
    "band", "by", "cases", "treated", "rate", "rate_low", "rate_high", "without", "without_low", "without_high", "floor", "floor_low",
    "ceiling", "ceiling_high",
)  # fmt: skip
AUCS = ("what", "value", "low", "high", "cases")
ALL, WITHOUT, ANY, NEVER_HARMS = "all", "without", "any", "never_harms"
"""Rows of the AUC table."""
LANDMARK_DAYS = 31
"""Without terms an account counts as worked where that began within so many days of the score; those that left earlier could not be."""


def marked(book: Book) -> pd.DataFrame:
    """The finished, scored cases of the time in which interventions were recorded, and whether each was worked afterwards.

    Returns
    -------
    DataFrame `MARKED`: `until` the first day that is too late (end of the term, or of the horizon); `shown` and `gate` of the score as
    shown, before overrides; `score` and `band` without what seems to know the outcome, as elsewhere on the page; `treated` an intervention
    started from `as_of` on and before `until` (controls of an experiment were not treated); `early` it did within `LANDMARK_DAYS`; `left`
    the account was gone within those days
    """
    done, outcome = book.interventions[book.interventions["arm"] != CONTROL], book.workspace.outcome
    cases = book.cases[book.cases["lost"].notna()] if "lost" in book.cases else book.cases
    if done.empty or cases.empty:
        return pd.DataFrame(columns=list(MARKED))
    cases = cases[cases["as_of"] >= book.interventions["started_at"].min()].reset_index(drop=True)
    shown, honest = (scoring.score(card, cases).frame for card in (book.scorecard, usable(book.scorecard, book.leaks.found)))
    names = attributes(book.history, book.scorecard)[:1]
    segment = cases[names[0]].astype("string").fillna("?").astype(str) if names else ""
    monthly = outcome.kind == "churn_within"
    until = cases["as_of"] + pd.Timedelta(days=outcome.horizon_days) if monthly else cases["term_ends"]
    frame = cases[["account_id", "as_of", "arr", "age_days", "lost"]].assign(
        until=until, segment=segment, shown=shown["score"], score=honest["score"], band=honest["band"], gate=shown["gate"]
    )
    return _with_start(frame, done, book.churned)


def _with_start(frame: pd.DataFrame, done: pd.DataFrame, churned: pd.DataFrame) -> pd.DataFrame:
    """The first intervention from the score's day on, and what follows from it."""
    starts = done[["account_id", "started_at"]].sort_values("started_at", kind="stable")
    ordered = frame.assign(place=np.arange(len(frame))).sort_values("as_of", kind="stable")
    found = pd.merge_asof(ordered, starts, left_on="as_of", right_on="started_at", by="account_id", direction="forward")
    ends = churned[["account_id", "ended_on"]].sort_values("ended_on", kind="stable")
    found = pd.merge_asof(found, ends, left_on="as_of", right_on="ended_on", by="account_id", direction="forward")
    found = found.sort_values("place", ignore_index=True)
    soon = found["as_of"] + pd.Timedelta(days=LANDMARK_DAYS)
    treated = (found["started_at"] < found["until"]).fillna(False).astype(bool)
    return found.assign(
        treated=treated,
        early=treated & (found["started_at"] < soon).fillna(False).astype(bool),
        left=(found["ended_on"] < soon).fillna(False).astype(bool),
    )[list(MARKED)]


def by_band(cases: pd.DataFrame, names: list[str], *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Churn by band with and without the worked accounts, and what it could have been had nobody been worked.

    Of an account that was worked nobody knows what it would have done alone. So the rate without any work lies between the share lost that
    was not worked (`floor`: each worked account would have stayed) and that plus every worked account (`ceiling`: each would have left).
    If working never drives anybody away, those lost in spite of it would have left anyway, and the floor rises to `rate`. Manski (1990).

    Returns
    -------
    DataFrame `BANDS`, a row per band that held anyone and "all", by accounts and by arr; the interval of a bound reaches outwards
    (`floor_low`, `ceiling_high`)
    """
    rows = []
    for band in [*names, "all"]:
        part = cases if band == "all" else cases[cases["band"] == band]
        if part.empty:
            continue
        codes, counts = account_weights(part["account_id"], replicates, seed)
        lost, treated = part["lost"].to_numpy(dtype=float), part["treated"].to_numpy(dtype=bool)
        for by, weight in (("accounts", None), ("arr", np.nan_to_num(part["arr"].to_numpy(dtype=float)))):
            alone = np.where(treated, 0.0, 1.0 if weight is None else weight)
            seen, floor, ceiling = (
                rate(y, codes, counts, case_weight=weight) for y in (lost, np.where(treated, 0, lost), np.where(treated, 1, lost))
            )
            rest = rate(lost, codes, counts, case_weight=alone)
            rows.append((
                band, by, len(part), int(treated.sum()), seen.value, seen.low, seen.high, rest.value, rest.low, rest.high,
                floor.value, floor.low, ceiling.value, ceiling.high,
            ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(BANDS))


def aucs(cases: pd.DataFrame, *, replicates: int = 200, seed: int = 0) -> pd.DataFrame:
    """The AUC of the score: over all cases, without those worked, and within which bounds it would lie had nobody been worked.

    Returns
    -------
    DataFrame `AUCS`: for `ALL` and `WITHOUT` value and 95 % interval; for the bounds `ANY` (nothing assumed) and `NEVER_HARMS` value NaN
    and the bounds, outwards to their 95 % limits. Empty with one class only.
    """
    cases = cases[cases["score"].notna()].reset_index(drop=True)
    if cases["lost"].nunique() < 2:
        return pd.DataFrame(columns=list(AUCS))
    score, lost = cases["score"].to_numpy(dtype=float), cases["lost"].to_numpy(dtype=float)
    treated, codes_of = cases["treated"].to_numpy(dtype=bool), cases["account_id"].to_numpy()
    rows = []
    for what, use in ((ALL, np.ones(len(cases), dtype=bool)), (WITHOUT, ~treated)):
        codes, counts = account_weights(codes_of[use], replicates, seed)
        found = percentile(auc(score[use], lost[use]), auc_replicates(score[use], lost[use], codes, counts))
        rows.append((what, found.value, found.low, found.high, int(use.sum())))
    codes, counts = account_weights(codes_of, replicates, seed)
    for what, unknown in ((ANY, treated), (NEVER_HARMS, treated & (lost == 0))):
        drawn = np.array([auc_bounds(*(np.repeat(x, counts[codes, r]) for x in (score, lost, unknown))) for r in range(replicates)])
        low, high = np.nanquantile(drawn[:, 0], 0.025), np.nanquantile(drawn[:, 1], 0.975)
        bounds = auc_bounds(score, lost, unknown)
        rows.append((what, float("nan"), float(min(low, bounds[0])), float(max(high, bounds[1])), len(cases)))
    return pd.DataFrame(rows, columns=list(AUCS))
