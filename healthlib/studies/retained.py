"""Who stays and keeps renewing: survival by length of term, use by tenure, renewal rates, what to watch, and how counts hang together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthlib.resample import Estimate
from healthlib.studies import breadth
from healthlib.studies.contract_terms import LENGTHS, OPEN, first_length
from healthlib.studies.groups import dimensions
from healthlib.studies.kpis import recommend
from healthlib.studies.leaks import left_out
from healthlib.studies.rates import overall
from healthlib.studies.reconcile import Counts, reconcile
from healthlib.studies.renewal_rates import groupings, renewal_rates
from healthlib.studies.survival import CURVE_COLUMNS, curve, lifetimes, retained_after

if TYPE_CHECKING:
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.book import Book

CURVES = ("length", "grouping", *CURVE_COLUMNS)
REMAINING = (
    "length", "grouping", "group", "accounts", "left", "months", "share", "low", "high", "arr_share", "arr_low", "arr_high",
)  # fmt: skip
MONTHS = (3, 12, 24, 36)
"""Months after which it is told what is left; the first only of those that pay month to month or without a fixed term."""
EVERYBODY = "all accounts"


UNDATED = pd.DataFrame(columns=["metric", "fell"])
"""No metric is known to have fallen away."""


@dataclass(frozen=True)
class RetainedFacts:
    """Everything the audit says of staying and renewing; each rate with n and a 95 % interval, in accounts and in ARR.

    Attributes
    ----------
    kind : renewal, churn_within, expansion or flat
    name, currency : of the workspace
    kept, arr_kept : share of finished cases, and of their ARR, that was kept
    curves : Kaplan-Meier curves `CURVES`; `length` is that of the first contract, `grouping` all, start year, or an attribute
    remaining : what is left after `months` (`REMAINING`), where enough accounts were followed that long
    use : today's use by tenure, see `breadth.by_tenure`
    renewals : see `renewal_rates`
    kpis, not_kpis : see `kpis.recommend`
    counts : see `reconcile`
    """

    kind: str
    name: str
    currency: str
    kept: Estimate
    arr_kept: Estimate
    curves: pd.DataFrame
    remaining: pd.DataFrame
    use: pd.DataFrame
    renewals: pd.DataFrame
    kpis: pd.DataFrame
    not_kpis: dict[str, int]
    counts: Counts


def of(book: Book, done: dict[str, Any]) -> RetainedFacts:
    """The facts of `retained_study`, for `studies.compute`."""
    return retained_study(book, done["audit"], done["ending"].dated)


def retained_study(book: Book, audit: AuditFacts, dated: pd.DataFrame = UNDATED, *, replicates: int = 400, seed: int = 0) -> RetainedFacts:
    """Answer who stays and keeps renewing from one opened workspace.

    Parameters
    ----------
    audit : what the audit knows of each metric by itself
    dated : when each metric fell away before the end, from `ending.date_falls`
    replicates, seed : account resamples behind every interval; a quarter of them with more than `audit.MANY` accounts
    """
    from healthlib.studies.audit import MANY

    finished = book.cases[book.cases["lost"].notna()].reset_index(drop=True)
    finished = finished.assign(lost=finished["lost"].astype(float))
    few = replicates if finished["account_id"].nunique() <= MANY else replicates // 4
    again: dict[str, Any] = {"replicates": few, "seed": seed}
    today = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
    known = {"alone": audit.alone, "dated": dated}
    kpis, others = recommend(finished, book.scorecard, known, leaky=left_out(audit.leaks))
    curves, remaining = survival(book, **again)
    return RetainedFacts(
        kind=book.workspace.kind,
        name=book.workspace.name,
        currency=book.workspace.currency,
        kept=_kept(overall(finished, **again)),
        arr_kept=_kept(overall(finished, money=True, **again)),
        curves=curves,
        remaining=remaining,
        use=breadth.by_tenure(today, book.use, **again),
        renewals=_renewals(book, finished, **again),
        kpis=kpis,
        not_kpis=others,
        counts=reconcile(book.cases, _customers(book), book.churned, book.as_of),
    )


def _customers(book: Book) -> pd.DataFrame:
    """The snapshots of accounts that were customers by what is told today: a contract taken back made none."""
    return book.history[book.history["account_id"].isin(book.ledger["account_id"])]


def _kept(lost: Estimate) -> Estimate:
    """The share kept beside a share lost; `events` stay the cases lost."""
    return Estimate(1 - lost.value, 1 - lost.high, 1 - lost.low, lost.n, lost.events)


def _renewals(book: Book, finished: pd.DataFrame, *, replicates: int, seed: int) -> pd.DataFrame:
    """Renewal rates over all cases' groups; term numbers count open cases too."""
    done = book.cases["lost"].notna()
    labels = groupings(book.cases, book.scorecard, book.terms, kind=book.workspace.kind, grace_days=book.workspace.outcome.grace_days)
    known = {name: values[done].reset_index(drop=True) for name, values in labels.items()}
    known = {name: values for name, values in known.items() if values.nunique() >= 2}
    return renewal_rates(finished, known, replicates=replicates, seed=seed)


def survival(book: Book, *, replicates: int = 400, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves and what remains, by the length of an account's first contract, and within each by start year and first attribute.

    An account stays in the group of its first contract, which was known when it began, also when it later agreed to another length.
    """
    lives = lifetimes(book.history, book.churned, book.ledger, book.as_of)
    if lives.empty or book.workspace.kind == "flat":
        return pd.DataFrame(columns=list(CURVES)), pd.DataFrame(columns=list(REMAINING))
    lengths = lives["account_id"].map(first_length(book.terms)).fillna(OPEN) if len(book.terms) else pd.Series(OPEN, index=lives.index)
    groupings = _groupings(lives, book)
    curves, rows = [], []
    for length in (name for name in LENGTHS if (lengths == name).any()):
        part = lives[lengths == length]
        for grouping, labels in groupings.items():
            for group, some in part.groupby(labels[part.index], observed=True):
                curves.append(curve(some, str(group)).assign(length=length, grouping=grouping))
                first = {
                    "length": length,
                    "grouping": grouping,
                    "group": str(group),
                    "accounts": len(some),
                    "left": int(some["left"].sum()),
                }
                rows += [
                    first | {"months": months, **retained_after(some, months, replicates=replicates, seed=seed)}
                    for months in (MONTHS if length in (LENGTHS[0], OPEN) else MONTHS[1:])
                ]
    remaining = pd.DataFrame(rows, columns=list(REMAINING)).dropna(subset=["share"]).reset_index(drop=True)
    return pd.concat(curves, ignore_index=True)[list(CURVES)], remaining


def _groupings(lives: pd.DataFrame, book: Book) -> dict[str, pd.Series]:
    """All, by year of start, by the first attribute."""
    found = {"all": pd.Series(EVERYBODY, index=lives.index), "start year": lives["started"].dt.year.astype("string")}
    named = dimensions(lives.assign(as_of=book.as_of), book.scorecard, "churn_within")
    first = next((name for name in named if name not in ("tenure", "ARR")), None)
    return found | ({first: named[first]} if first else {})
