"""Where CSMs beat the score, and which metric would have told: what they said against what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.feedback import as_points
from healthlib.resample import Estimate
from healthlib.studies.alone import auc_of
from healthlib.studies.leaks import left_out
from healthlib.studies.overrides import effects, with_expected
from healthlib.studies.renewals import honest_score, scored_cases

if TYPE_CHECKING:
    from healthlib.studies.book import Book

LEAST_LOST = 5
"""Accounts lost and kept among the judged remarks from which metrics are compared on them."""

REMARKS = (
    "account_id", "name", "said_on", "said_by", "score", "should_be", "said", "arr", "outcome", "closer", "missed", "why",
)  # fmt: skip
WOULD_TELL = ("metric", "label", "weight", "auc", "low", "high", "n", "lost")


@dataclass(frozen=True)
class FeedbackFacts:
    """What CSMs said of the score, judged by what happened.

    Attributes
    ----------
    needs : why there is nothing, in words; empty otherwise
    currency, kind : as in the workspace
    remarks : `REMARKS`, newest first: `score` measured at the last month-end by the day it was said, `said` the remark as a score,
        `outcome` lost, kept or open; `closer` "CSM" or "score", whichever lay nearer to 0 where the account left and to 100 where it
        stayed, "" while open; `missed`: where the CSM was closer, the metric that was most unusual on the CSM's side
    unread : remarks that are neither a number of 0 to 100 nor a band
    effects : `overrides.effects` over the judged remarks: did outcomes go the way the CSM said, against accounts of the same score?
    auc : "score" and "said": how well each ranks the accounts concerned; empty where too few left or stayed
    would_tell : `WOULD_TELL`, each metric by itself on the accounts concerned, best first, tracked ones included; empty where too few
    """

    needs: str
    currency: str
    kind: str
    remarks: pd.DataFrame = field(repr=False)
    unread: int
    effects: pd.DataFrame
    auc: dict[str, Estimate]
    would_tell: pd.DataFrame


def of(book: Book, done: dict[str, Any]) -> FeedbackFacts:
    """The facts of `feedback_study`, for `studies.compute`."""
    return feedback_study(book)


def feedback_study(book: Book, *, replicates: int = 400, seed: int = 0) -> FeedbackFacts:
    """Compare remarks with the score of their day and with what followed."""
    again: dict[str, Any] = {"replicates": replicates, "seed": seed}
    said = book.feedback.assign(said=as_points(book.feedback["should_be"], book.workspace.scorecard))
    unread = int(said["said"].isna().sum())
    seen = _with_snapshot(book, said[said["said"].notna()])
    judged = _with_outcome(book, seen)
    known = judged[judged["lost"].notna() & judged["score"].notna()].reset_index(drop=True)
    needs = "" if len(book.feedback) else "a table `feedback` (account_id, said_on, should_be: a score of 0 to 100 or a band, why, said_by)"
    sides = known.groupby("lost")["account_id"].nunique()
    enough = min(sides.get(1.0, 0), sides.get(0.0, 0)) >= LEAST_LOST
    return FeedbackFacts(
        needs, book.workspace.currency, book.workspace.kind, _remarks(book, judged), unread, _effects(book, known, again),
        {name: auc_of(known, known[name], **again) for name in ("score", "said")} if enough else {},
        _would_tell(book, known, again) if enough else pd.DataFrame(columns=list(WOULD_TELL)),
    )  # fmt: skip


def _with_snapshot(book: Book, said: pd.DataFrame) -> pd.DataFrame:
    """Each remark with the account's snapshot of the last month-end by that day, and its measured score then."""
    history = book.history.sort_values("as_of", kind="stable")
    if said.empty or book.workspace.flat is not None:
        columns = [c for c in history.columns if c not in said.columns]
        return said.head(0).assign(score=pd.Series(dtype=float)).join(history[columns].head(0))
    found = pd.merge_asof(said.sort_values("said_on", kind="stable"), history, left_on="said_on", right_on="as_of", by="account_id")
    found = found[found["as_of"].notna()].reset_index(drop=True)
    return found.assign(score=honest_score(book, found))


def _with_outcome(book: Book, seen: pd.DataFrame) -> pd.DataFrame:
    """What happened next: the first case of the account whose horizon had not passed when it was said; open where it is not finished."""
    cases = book.cases[["account_id", "horizon_ends_on", "lost", "term_ends"]].rename(columns={"term_ends": "decided"})
    cases = cases.sort_values("horizon_ends_on", kind="stable")
    seen = seen.drop(columns=["horizon_ends_on", "lost"], errors="ignore").sort_values("said_on", kind="stable")
    if seen.empty or cases.empty:
        return seen.assign(lost=pd.Series(np.nan, index=seen.index), horizon_ends_on=seen["said_on"])
    if book.workspace.kind == "churn_within":
        cases = cases.assign(decided=cases["horizon_ends_on"] - pd.Timedelta(days=book.workspace.outcome.grace_days))
    cases["decided"] = cases["decided"].fillna(cases["horizon_ends_on"]).astype("datetime64[s]")
    cases = cases.sort_values("decided", kind="stable")
    found = pd.merge_asof(
        seen, cases, left_on="said_on", right_on="decided", by="account_id", direction="forward", allow_exact_matches=False
    )
    return found.drop(columns="decided").reset_index(drop=True)


def _effects(book: Book, known: pd.DataFrame, again: dict[str, Any]) -> pd.DataFrame:
    """`overrides.effects`: the chance of loss of a remark's score is learned from cases nobody had spoken of, before it was said."""
    if known.empty:
        return effects(known)
    alone = scored_cases(book).assign(said=np.nan)
    spoken = set(zip(known["account_id"], known["horizon_ends_on"], strict=True))
    alone = alone[[pair not in spoken for pair in zip(alone["account_id"], alone["horizon_ends_on"], strict=True)]]
    remarks = known[["account_id", "horizon_ends_on", "lost", "arr", "score", "said"]].assign(
        as_of=known["said_on"], set_by=known["said_by"].fillna("not said")
    )
    return effects(with_expected(pd.concat([alone.assign(set_by=None), remarks], ignore_index=True)), **again)


def _would_tell(book: Book, known: pd.DataFrame, again: dict[str, Any]) -> pd.DataFrame:
    """Each metric's own AUC over the accounts CSMs spoke of; those that seem to know the outcome are left out."""
    points = scoring.metric_scores(book.scorecard, known)
    out = set(left_out(book.leaks.found))
    rows = []
    for name, metric in book.scorecard.metrics.items():
        one = auc_of(known, points[name], **again)
        if name not in out and np.isfinite(one.value):
            rows.append((name, metric.label, metric.weight, one.value, one.low, one.high, one.n, one.events))
    table = pd.DataFrame(rows, columns=list(WOULD_TELL))
    return table.sort_values("auc", ascending=False, kind="stable").reset_index(drop=True)


def _remarks(book: Book, judged: pd.DataFrame) -> pd.DataFrame:
    """Remark by remark, who was closer and what the score missed."""
    if judged.empty:
        return pd.DataFrame(columns=list(REMARKS))
    truth = np.where(judged["lost"] == 1, 0.0, 100.0)
    by_csm, by_score = np.abs(judged["said"] - truth), np.abs(judged["score"] - truth)
    decided = judged["lost"].notna() & judged["score"].notna() & (by_csm != by_score)
    closer = np.select([decided & (by_csm < by_score), decided], ["CSM", "score"], "")
    names = judged["name"] if "name" in judged else judged["account_id"]
    frame = judged.assign(
        name=names.where(names.notna(), judged["account_id"]), closer=closer,
        outcome=judged["lost"].map({1.0: "lost", 0.0: "kept"}).fillna("open"), missed=_missed(book, judged, closer == "CSM"),
    )  # fmt: skip
    return frame.sort_values(["said_on", "account_id"], ascending=[False, True])[list(REMARKS)].reset_index(drop=True)


def _missed(book: Book, judged: pd.DataFrame, right: np.ndarray) -> list[str]:
    """Where the CSM was closer, the label of the metric that was most unusual on the CSM's side: farthest from its mean over all cases, in
    its standard deviations; "" where none was at least one away."""
    names = [name for name in book.scorecard.metrics if name not in left_out(book.leaks.found)]
    usual = scoring.metric_scores(book.scorecard, book.cases)[names]
    side = np.sign((judged["said"] - judged["score"]).to_numpy(dtype=float))[:, None]
    away = (scoring.metric_scores(book.scorecard, judged)[names] - usual.mean()) / usual.std().replace(0.0, np.nan)
    apart = np.nan_to_num(away.to_numpy(dtype=float) * side, nan=-np.inf)
    best = apart.argmax(axis=1) if names else np.zeros(len(judged), dtype=int)
    labels = [book.scorecard.metrics[name].label for name in names]
    return [labels[at] if told and row[at] >= 1 else "" for at, row, told in zip(best, apart, right, strict=True)]
