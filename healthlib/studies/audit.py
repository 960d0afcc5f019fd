"""The audit: who renews, who leaves, who only seems healthy, and how good the present score is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.bands import band_colours
from healthlib.resample import Estimate
from healthlib.studies import alone, leaving, lists
from healthlib.studies.backtest_bands import score_leads
from healthlib.studies.early import early_facts
from healthlib.studies.fit import usable, without
from healthlib.studies.groups import dimensions
from healthlib.studies.leaks import left_out
from healthlib.studies.missingness import MissingFacts, missing_study
from healthlib.studies.overrides import OverrideFacts, override_study
from healthlib.studies.owners import owners
from healthlib.studies.rates import RATE_COLUMNS, overall, rates_by
from healthlib.studies.readiness import readiness

if TYPE_CHECKING:
    from healthlib.studies.book import Book

MANY = 5_000
"""With more accounts than this intervals are narrow, and a quarter of the resamples gives them well enough."""


@dataclass(frozen=True)
class AuditFacts:
    """Everything the audit says, in frames and numbers; every rate with n and a 95 % interval, in accounts and in ARR.

    Attributes
    ----------
    kind : renewal, churn_within or expansion: what `lost` means
    base_rate, arr_base_rate : share of all finished cases, and of their ARR, that was lost
    reasons, movements : see `leaving`
    zombies, watermelons, false_alarms : accounts by name, see `lists`
    zombie_outcomes : loss rate of past zombies and of all other cases
    cohorts, alone : see `alone`
    score_bands : loss rate by band of the present scorecard, worst first, `unscored` last
    incumbent_bands : loss rate by quarter of the score the company's present tool gave; empty without score_history
    auc : how well "current" (and "incumbent") tells leavers from stayers; "current by ARR" weighs cases by ARR
    flagged : at each lead: share of the accounts that left, and of their ARR, that were in the worst band
    leaks : what seems to know the outcome, as `leaks.LeakAudit.found`, and the weight in the present scorecard
    leak_figures, leak_notes : the numbers of their pictures; what looks like a leak and is none
    readiness : see `readiness`
    names : account_id, name, segment of every account in the cases, as last known
    success_by : the bars of `success` in workspace.yaml, and `stated`: whether it says any
    successful, first_days, features, steps : what the first days say, see `early`
    owners : the book by CSM, see `owners`
    missing : question, needs: what could not be asked of these exports, and what it would take
    overrides : what overruling the score did, see `overrides`
    gaps : what is missing or old, and whether it matters, see `missingness`
    """

    name: str
    as_of: str
    currency: str
    simulated: bool
    kind: str
    bands: tuple[str, ...]
    n_cases: int
    n_open: int
    n_accounts: int
    n_lost: int
    base_rate: Estimate
    arr_base_rate: Estimate
    reasons: pd.DataFrame
    movements: pd.DataFrame
    zombies: pd.DataFrame
    zombie_outcomes: pd.DataFrame
    watermelons: pd.DataFrame
    false_alarms: pd.DataFrame
    cohorts: pd.DataFrame
    alone: pd.DataFrame
    score_bands: pd.DataFrame
    incumbent_bands: pd.DataFrame
    auc: dict[str, Estimate]
    flagged: pd.DataFrame
    leaks: pd.DataFrame
    leak_figures: pd.DataFrame
    leak_notes: tuple[str, ...]
    readiness: pd.DataFrame
    names: pd.DataFrame
    success_by: dict[str, float]
    successful: pd.DataFrame
    first_days: pd.DataFrame
    features: pd.DataFrame
    steps: pd.DataFrame
    owners: pd.DataFrame
    missing: pd.DataFrame
    overrides: OverrideFacts
    gaps: MissingFacts
    band_colours: dict[str, str] = field(default_factory=dict)


def of(book: Book, done: dict[str, Any]) -> AuditFacts:
    """The facts of `audit_study`, for `studies.compute`."""
    return audit_study(book)


def audit_study(book: Book, *, replicates: int = 400, seed: int = 0) -> AuditFacts:
    """Answer the audit's questions from one opened workspace.

    Parameters
    ----------
    book : an opened workspace; every frame in it is as known on `book.as_of`
    replicates, seed : account resamples behind every interval; a quarter of them with more than `MANY` accounts
    """
    finished = book.cases[book.cases["lost"].notna()].reset_index(drop=True)
    finished = finished.assign(lost=finished["lost"].astype(float))
    few = replicates if finished["account_id"].nunique() <= MANY else replicates // 4
    again: dict[str, Any] = {"replicates": few, "seed": seed}
    workspace = book.workspace
    leaks = book.leaks.found
    leaks = leaks.assign(weight=leaks["metric"].map(book.scorecard.weights).astype(float))
    return AuditFacts(
        name=workspace.name,
        as_of=f"{book.as_of:%Y-%m-%d}",
        currency=workspace.currency,
        simulated=workspace.simulated,
        kind=workspace.kind,
        bands=tuple(band.name for band in book.scorecard.bands),
        band_colours=band_colours(book.scorecard),
        n_cases=len(finished),
        n_open=len(book.cases) - len(finished),
        n_accounts=int(finished["account_id"].nunique()),
        n_lost=int(finished["lost"].sum()),
        base_rate=overall(finished, **again),
        arr_base_rate=overall(finished, money=True, **again),
        reasons=leaving.reasons(book.churned),
        movements=leaving.movements(book.ledger, book.churned),
        **_named(book, finished, left_out(leaks), **again),
        **_metrics(book, finished, **again),
        **_present_score(book, finished, **again),
        leaks=leaks,
        leak_figures=book.leaks.figures,
        leak_notes=book.leaks.notes,
        readiness=readiness(finished),
        names=_names(book.cases),
        success_by=workspace.success.model_dump() | {"stated": workspace.success.stated},
        **early_facts(book, **again),
        owners=owners(book.scorecard, book.history[book.history["as_of"] == book.as_of], finished, book.as_of, seed=seed),
        missing=missing(book, finished),
        overrides=override_study(book, **again),
        gaps=missing_study(book, **again),
    )


def _names(cases: pd.DataFrame) -> pd.DataFrame:
    """What each account is called."""
    last = cases.sort_values(["as_of", "account_id"], kind="stable").drop_duplicates("account_id", keep="last")
    return last.reindex(columns=["account_id", "name", "segment"]).reset_index(drop=True)


def _named(book: Book, finished: pd.DataFrame, leaks: tuple[str, ...], *, replicates: int, seed: int) -> dict[str, Any]:
    """The lists by name, and what became of past zombies."""
    today = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
    scores = scoring.score(usable(book.scorecard, book.leaks.found), finished)
    watermelons, false_alarms = lists.surprises(finished, scores, without(book.scorecard, leaks), book.churned)
    past = lists.is_zombie(finished, book.scorecard)
    labels = past.map({True: "zombie at the time", False: "all others"})
    return {
        "zombies": lists.zombies(today, book.scorecard),
        "watermelons": watermelons,
        "false_alarms": false_alarms,
        "zombie_outcomes": rates_by(finished, labels, replicates=replicates, seed=seed),
    }


def _metrics(book: Book, finished: pd.DataFrame, *, replicates: int, seed: int) -> dict[str, Any]:
    """Each metric alone."""
    table = alone.cohorts(finished, book.scorecard, replicates=replicates, seed=seed)
    return {"cohorts": table, "alone": alone.strength(finished, book.scorecard, replicates=replicates, seed=seed)}


def _present_score(book: Book, finished: pd.DataFrame, *, replicates: int, seed: int) -> dict[str, Any]:
    """How well the scorecard in use told leavers from stayers, without what seems to know who left; and the present tool's score."""
    again: dict[str, Any] = {"replicates": replicates, "seed": seed}
    order = [*(band.name for band in book.scorecard.bands), "unscored"]
    scores = scoring.score(usable(book.scorecard, book.leaks.found), finished).frame
    banded = pd.Series(pd.Categorical(scores["band"], categories=order, ordered=True), index=finished.index)
    auc = {
        "current": alone.auc_of(finished, scores["score"], **again),
        "current by ARR": alone.auc_of(finished, scores["score"], money=True, **again),
    }
    quarters = pd.DataFrame(columns=list(RATE_COLUMNS))
    if book.incumbent is not None and len(book.incumbent) and len(finished):
        theirs = finished[["account_id", "as_of"]].merge(
            book.incumbent.drop_duplicates(["account_id", "as_of"]), how="left", on=["account_id", "as_of"]
        )
        theirs = theirs["incumbent"].astype(float)
        auc["incumbent"] = alone.auc_of(finished, theirs, **again)
        auc["current where incumbent"] = alone.auc_of(finished, scores["score"].where(theirs.notna()), **again)
        if theirs.nunique() >= 4:
            cut = pd.qcut(theirs, 4, labels=False, duplicates="drop")
            names = {number: f"quarter {number + 1:.0f}" for number in sorted(cut.dropna().unique())}
            quarters = rates_by(finished, cut.map(names), **again)
    return {
        "score_bands": rates_by(finished, banded, **again),
        "incumbent_bands": quarters,
        "auc": auc,
        "flagged": _flagged(book, **again),
    }


def _flagged(book: Book, *, replicates: int, seed: int) -> pd.DataFrame:
    """Share of leavers, and of their ARR, in the worst band at each lead: columns lead_days + `RATE_COLUMNS` (lost = flagged).

    By the scorecard as written, its quantile scales as they stood then: as lead_time.csv has it.
    """
    columns = ["lead_days", *RATE_COLUMNS]
    if book.leads.empty:
        return pd.DataFrame(columns=columns)
    leads = score_leads(book.leads, book.cases, usable(book.workspace.scorecard, book.leaks.found)).reset_index(drop=True)
    caught = leads.assign(lost=(leads["band"] == book.scorecard.bands[0].name).astype(float))
    table = rates_by(caught, caught["lead_days"].astype(int), replicates=replicates, seed=seed)
    return table.assign(lead_days=table["group"].astype(int))[columns].sort_values("lead_days", ascending=False).reset_index(drop=True)


def missing(book: Book, finished: pd.DataFrame) -> pd.DataFrame:
    """The questions these exports cannot answer, and what each would need."""
    present = set(book.tables.loc[book.tables["rows_used"] > 0, "table"]) if len(book.tables) else set()
    lost = int(finished["lost"].sum())
    asks = [
        ("Who leaves?", lost == 0, "terms that ended: contracts with end dates in the past, or a longer history"),
        ("Who stays?", len(finished) > 0 and lost == len(finished), "accounts that stayed: the exports hold only those that left"),
        (
            "Which segment or plan?",
            not dimensions(finished.assign(arr=np.nan, age_days=np.nan), book.scorecard, "churn_within"),
            "an attribute of accounts with 2 to 10 values, such as segment or plan",
        ),
        (
            "Why did they leave?",
            len(book.churned) > 0 and not book.churned["reason"].notna().any(),
            "churn_reason on the contracts that ended",
        ),
        (
            "Who uses the product?",
            "usage" not in present and not lists.use_metrics(book.scorecard),
            "a usage table, or readings in an adoption or engagement group",
        ),
        (
            "Which features are needed?",
            book.began.adopted.empty,
            "a usage table with a `feature` column that reaches back to the start of at least 20 accounts",
        ),
        ("Which onboarding steps count?", book.began.steps.empty, "a milestones table: account_id, milestone, due_at, completed_at"),
        ("Who looks after whom?", "csm" not in book.history, "a `csm` column in accounts, or better in attributes with dates"),
        (
            "How good is the tool you have?",
            book.incumbent is None or book.incumbent.empty,
            "score_history: the scores your present tool gave, with their dates",
        ),
    ]
    return pd.DataFrame([(question, needs) for question, absent, needs in asks if absent], columns=["question", "needs"])
