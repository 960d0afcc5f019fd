"""Why the counts of a report differ: customers, cases, lost cases, accounts that left, cases that can test a score."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from healthlib.splits import cutoffs


@dataclass(frozen=True)
class Counts:
    """What is counted, and where the differences come from.

    Attributes
    ----------
    customers, active : accounts that ever had ARR on a month-end of the history (or a case); those that have it today
    cases, accounts : finished cases, and the accounts they are of
    open_only, no_case : customers with open cases alone; without any case
    lost, lost_accounts : lost cases, and the accounts they are of
    left, back : accounts that left at all, for longer than the grace; those of them that are customers again
    left_open, left_late, left_none : accounts that left without a lost case: theirs is still open (its horizon and grace are not
        over); their finished cases were kept (they left at another time than a case asks about); they never had a finished case
    before_tests, before_tests_lost : finished cases scored before enough had finished to test anything on what came after; 0 of a sheet
    """

    customers: int
    active: int
    cases: int
    accounts: int
    open_only: int
    no_case: int
    lost: int
    lost_accounts: int
    left: int
    back: int
    left_open: int
    left_late: int
    left_none: int
    before_tests: int
    before_tests_lost: int


def reconcile(cases: pd.DataFrame, history: pd.DataFrame, churned: pd.DataFrame, as_of: pd.Timestamp) -> Counts:
    """The counts of one book.

    Parameters
    ----------
    cases : account_id, as_of, lost (NaN while open), horizon_ends_on
    history : account_id, as_of: month-end snapshots
    churned : account_id: a row a leaving
    """
    done = cases[cases["lost"].notna()]
    finished, opened, lost, left = (
        set(frame["account_id"].unique()) for frame in (done, cases[cases["lost"].isna()], done[done["lost"] == 1], churned)
    )
    customers = set(history["account_id"].unique()) | set(cases["account_id"].unique())
    today = set(history.loc[history["as_of"] == as_of, "account_id"])
    unmatched = left - lost
    still = unmatched & opened
    early = _before_tests(done)
    return Counts(
        customers=len(customers | left), active=len(today), cases=len(done), accounts=len(finished),
        open_only=len(opened - finished), no_case=len((customers | left) - opened - finished), lost=int((done["lost"] == 1).sum()),
        lost_accounts=len(lost), left=len(left), back=len(left & today), left_open=len(still),
        left_late=len((unmatched - still) & finished),
        left_none=len(unmatched - still - finished), before_tests=len(early), before_tests_lost=int((early["lost"] == 1).sum()),
    )  # fmt: skip


def _before_tests(done: pd.DataFrame) -> pd.DataFrame:
    """Finished cases from before the first cut-off; all of them where there is none."""
    if "fold" in done or done.empty:
        return done.head(0)
    ends = cutoffs(done)
    return done[done["as_of"] < ends[0]] if len(ends) else done
