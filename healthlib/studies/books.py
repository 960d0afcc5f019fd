"""One book per CSM: whose accounts these are, what to do next, what changed, what renews, which gaps can be closed, who stayed or left.

Nothing here compares persons: an account's chance of loss is the account's, and saves and losses are listed, never counted against others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import given
from healthlib.book_files import owner
from healthlib.resample import NOTHING, Estimate
from healthlib.studies import book_changes, book_gaps, book_results, book_work, renewals, today
from healthlib.studies.renewals import Outlook

if TYPE_CHECKING:
    from healthlib.studies.accounts import AccountFacts
    from healthlib.studies.book import Book
    from healthlib.studies.executive_facts import ExecutiveFacts

MOST = 50
"""CSMs up to which a run makes books unless told otherwise."""
SOON, AHEAD = 90, 180
BAND_FIGURES = ("accounts", "arr", "accounts_before", "arr_before")
DUE_COLUMNS = ("csm", "days", "accounts", "arr", "expected_lost", "low", "high", "n", "events")


@dataclass(frozen=True)
class BooksFacts:
    """What the pages of all CSMs know. In every frame `csm` is the person as `book_files.owner` says it, "" for accounts without one.

    Attributes
    ----------
    context : of the executive report
    owners : CSMs by name, "" last; empty where the exports have no owner column, or nobody in it
    bands, band_colours : from worst to best, then unscored; band_starts: the score from which each of them on holds
    accounts : a row an active account, `book_work.ACCOUNT_COLUMNS`: as in scores.csv, with name, csm, csm_before (at the previous
        month-end), loss (1 - renewal probability), last_contact, running (playbooks that have not ended), next_date and next_what, alert,
        why, anchor (of its section on audit.html, or "") and `place` (0 first: the order of the worklist; NaN for what is not on it)
    by_band : csm, band, accounts, arr, accounts_before, arr_before (NaN where there is no previous month-end): a row a band of each book
    moves : `book_changes.MOVES`: what changed since the previous month-end; alerts : as in alerts.csv, those that are new
    ending : overrides that end within 30 days; asked : ratings and scores that contradict each other, `book_changes.ASKED`
    gaps : `book_gaps.COLUMNS`: metrics without a value, or soon without one
    results : `book_results.COLUMNS`: of the last twelve months, accounts that stayed from the worst band, and accounts that left
    due : `DUE_COLUMNS`: terms ending within 90 and 180 days; for contracts without an end what may be lost within the horizon
    """

    context: dict[str, Any]
    owners: tuple[str, ...]
    bands: tuple[str, ...]
    band_colours: dict[str, str]
    band_starts: tuple[float, ...]
    accounts: pd.DataFrame
    by_band: pd.DataFrame
    moves: pd.DataFrame
    alerts: pd.DataFrame
    ending: pd.DataFrame
    asked: pd.DataFrame
    gaps: pd.DataFrame
    results: pd.DataFrame
    due: pd.DataFrame


@dataclass(frozen=True)
class Own:
    """The part of `BooksFacts` that is one CSM's; every frame as there."""

    csm: str
    context: dict[str, Any]
    bands: tuple[str, ...]
    band_colours: dict[str, str]
    band_starts: tuple[float, ...]
    accounts: pd.DataFrame
    by_band: pd.DataFrame
    moves: pd.DataFrame
    alerts: pd.DataFrame
    ending: pd.DataFrame
    asked: pd.DataFrame
    gaps: pd.DataFrame
    results: pd.DataFrame
    due: pd.DataFrame


def of(book: Book, done: dict[str, Any]) -> BooksFacts:
    """The facts of `books_study`, for `studies.compute`."""
    return books_study(book, done["executive"], done["accounts"])


def names_of(book: Book) -> tuple[str, ...]:
    """The CSMs of today by name, "" last where accounts have none; empty where nobody has one."""
    rows = book.history[book.history["as_of"] == book.as_of]
    said = {owner(name) for name in rows["csm"].unique()} if "csm" in rows else set()
    return tuple(sorted(said, key=lambda name: (not name, name.casefold(), name))) if said - {""} else ()


def books_study(book: Book, executive: ExecutiveFacts, accounts: AccountFacts, *, seed: int = 0) -> BooksFacts:
    """Everything that the pages of the CSMs say, computed once for all of them.

    Parameters
    ----------
    executive, accounts : the facts of the other studies of the same book, so that every page says the same of an account
    seed : of the account resamples behind the ranges of `due`
    """
    owners = names_of(book)
    month = None if pd.isna(executive.context["month"]) else executive.context["month"]
    rows = book.history[book.history["as_of"].isin([book.as_of, month])].reset_index(drop=True)
    scored = today.score_history(book.scorecard, rows, book.overrides)
    snapshot, before = scored.on(book.as_of), scored.on(month)
    whose, had = book_work.owner_of(snapshot), book_work.owner_of(before)
    table = book_work.accounts(book, executive, snapshot, accounts.anchors).assign(csm=whose.to_numpy())
    table["csm_before"] = table["account_id"].map(had)
    fresh = executive.alerts[executive.alerts["new"].astype(bool)] if len(executive.alerts) else executive.alerts
    return BooksFacts(
        context=executive.context,
        owners=owners,
        bands=executive.bands,
        band_colours=executive.band_colours,
        band_starts=executive.band_starts,
        accounts=table[list(book_work.ACCOUNT_COLUMNS)].reset_index(drop=True),
        by_band=_by_band(table, before.assign(csm=had.to_numpy()), (owners or ("",), executive.bands)),
        moves=book_changes.moves(table, before.assign(csm=had.to_numpy()), executive.bands, book.churned),
        alerts=fresh.assign(csm=fresh["account_id"].map(whose), name=fresh["account_id"].map(executive.profile["name"])),
        ending=book_changes.ending(snapshot.assign(csm=whose.to_numpy()), book.as_of),
        asked=book_changes.asked(book.scorecard, snapshot.assign(csm=whose.to_numpy())),
        gaps=book_gaps.gaps(book, snapshot.assign(csm=whose.to_numpy())),
        results=book_results.results(book),
        due=_due(book, executive, table.assign(honest=renewals.honest_score(book, snapshot).to_numpy()), owners or ("",), seed=seed),
    )


def _by_band(table: pd.DataFrame, before: pd.DataFrame, grid: tuple[tuple[str, ...], tuple[str, ...]]) -> pd.DataFrame:
    """Accounts and ARR by CSM (first of `grid`) and band (second), today and at the previous month-end."""
    index = pd.MultiIndex.from_product(grid, names=["csm", "band"])
    now, then = (rows.groupby(["csm", "band"])["arr"].agg(["size", "sum"]).reindex(index).fillna(0.0) for rows in (table, before))
    then = then if len(before) else then * np.nan
    columns = {"accounts": now["size"], "arr": now["sum"], "accounts_before": then["size"], "arr_before": then["sum"]}
    return pd.DataFrame(columns, index=index).reset_index()


def _due(book: Book, executive: ExecutiveFacts, table: pd.DataFrame, owners: tuple[str, ...], *, seed: int) -> pd.DataFrame:
    """What ends soon in each book, and what of it is likely to be lost: the same forecast as on the executive page, for a part."""
    kind = book.workspace.kind
    likely = Outlook(None, np.empty(0))
    if kind not in ("expansion", "flat") and len(book.cases):
        likely = renewals.outlook(renewals.scored_cases(book), book.as_of, kind, seed=seed)
    days_left = table["term_ends"].sub(book.as_of).dt.days
    evergreen = kind == "churn_within"
    windows = (book.workspace.outcome.horizon_days,) if evergreen else (SOON, AHEAD)
    rows = []
    for name in owners:
        mine = table["csm"] == name
        for days in windows:
            part = table[mine] if evergreen else table[mine & (days_left > 0) & (days_left <= days)]
            lost = likely.lost(part.drop(columns="score").rename(columns={"honest": "score"})) if len(part) else NOTHING
            rows.append((name, days, len(part), float(part["arr"].sum()), *_five(lost)))
    return pd.DataFrame(rows, columns=list(DUE_COLUMNS))


def _five(found: Estimate) -> tuple[float, float, float, float, float]:
    return found.value, found.low, found.high, found.n, found.events


def own(facts: BooksFacts, csm: str) -> Own:
    """The part of one CSM; an empty or unknown name is the book of the accounts without a CSM.

    Parameters
    ----------
    csm : as in the exports
    """
    given.check({"csm": csm})
    name = owner(csm)
    frames = ("accounts", "by_band", "moves", "alerts", "ending", "asked", "gaps", "results", "due")
    parts = {part: getattr(facts, part) for part in frames}
    mine = {part: frame[frame["csm"] == name].reset_index(drop=True) for part, frame in parts.items()}
    if mine["by_band"].empty:
        mine["by_band"] = pd.DataFrame({"csm": name, "band": facts.bands, **dict.fromkeys(BAND_FIGURES, 0.0)})
    return Own(csm=name, context=facts.context, bands=facts.bands, band_colours=facts.band_colours, band_starts=facts.band_starts, **mine)


def listed(facts: BooksFacts) -> list[dict[str, Any]]:
    """Each book in a line, for summary.json: csm ("" for nobody), file, accounts, arr."""
    from healthlib.book_files import book_file

    sums: Any = facts.accounts.groupby("csm")["arr"].agg(["size", "sum"])
    return [
        {"csm": name, "file": book_file(name), "accounts": int(sums.at[name, "size"]), "arr": float(sums.at[name, "sum"])}
        for name in facts.owners
    ]
