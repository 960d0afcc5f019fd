"""Which accounts first, why in plain words, what is being done and what is next; and whether those that left had been flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import changes, resample
from healthlib.resample import Estimate
from healthlib.studies import next_dates, plainly, today
from healthlib.studies.book_work import named
from healthlib.wording import day, upper_first

if TYPE_CHECKING:
    from healthlib.changes import Changes
    from healthlib.spec import Scorecard
    from healthlib.studies.book import Book

FLAG_DAYS = 90
SOON_DAYS = 180
SPARK_MONTHS = 13
SPARKED = 50
"""Accounts whose scores by month and plain words are kept: as many as a page lists."""
RISK_COLUMNS = (
    "account_id", "name", "segment", "csm", "arr", "term_ends", "days_left", "score", "change",
    *(f"change_{cause}" for cause in changes.CAUSES), "band", "loss", "loss_low", "loss_high", "expected_lost", "why", "plain", "playbook",
    "doing", "coming",
)  # fmt: skip


def profile(snapshot: pd.DataFrame) -> pd.DataFrame:
    """Who each account is: name, segment, csm by account_id; an account without a name goes by its id."""
    table = snapshot.reindex(columns=["name", "segment", "csm"]).astype("object")
    return table.assign(name=named(snapshot))


def moved(scored: today.Scored, book: Book, before: pd.Timestamp | None, previous: Scorecard | None = None) -> Changes | None:
    """Why each score moved since `before`, see `changes.explain_change`; None without an earlier day."""
    if before is None:
        return None
    now, then = scored.on(book.as_of), scored.on(before)
    names = [*scored.scores.cases.columns, "override"]
    return changes.explain_change(now[names], then[names], book.scorecard, previous=previous)


def causes(found: Changes | None, now: pd.DataFrame, then: pd.DataFrame, book: Book) -> pd.DataFrame:
    """Which causes moved the average score of each band and of the book: by accounts and by ARR.

    Parameters
    ----------
    found : from `moved`
    now, then : the scored rows of each day by account_id

    Returns
    -------
    DataFrame `by` (accounts, arr), then `changes.AVERAGE_COLUMNS`; empty without an earlier day
    """
    if found is None:
        return pd.DataFrame(columns=["by", *changes.AVERAGE_COLUMNS])
    bands = [band.name for band in book.scorecard.bands]
    tables = [changes.averages(found, now, then, bands, money=money).assign(by=by) for by, money in (("accounts", False), ("arr", True))]
    return pd.concat(tables, ignore_index=True)[["by", *changes.AVERAGE_COLUMNS]]


def risks(scores: pd.DataFrame, snapshot: pd.DataFrame, book: Book) -> pd.DataFrame:
    """Which accounts first: below the best band, those whose term ends within 180 days before the others, then by ARR x chance of loss.

    Where no chance can be fitted, by band and ARR.
    """
    scorecard, as_of = book.scorecard, book.as_of
    bands = [band.name for band in scorecard.bands]
    rows = scores[scores["band"].isin(bands[:-1] or bands)].copy()
    rows = rows.join(profile(snapshot), on="account_id")
    rows["days_left"] = (rows["term_ends"] - as_of).dt.days.astype("float64")
    rows["loss"] = 1 - rows["renewal_probability"]
    rows["loss_low"], rows["loss_high"] = 1 - rows["probability_high"], 1 - rows["probability_low"]
    rows["expected_lost"] = rows["loss"] * rows["arr"]
    below = snapshot.loc[rows["account_id"]]
    rows["why"] = rows["account_id"].map(today.reasons(scorecard, below, dated=book.dated))
    rank = {band: place for place, band in enumerate(bands)}
    order = pd.DataFrame(
        {
            "later": ~(rows["days_left"] <= SOON_DAYS),
            "weight": -rows["expected_lost"].fillna(0.0),
            "band": rows["band"].map(rank),
            "arr": -rows["arr"],
            "account": rows["account_id"],
        }
    )
    rows = rows.loc[order.sort_values(list(order.columns)).index]
    return _in_words(rows, snapshot, book)[list(RISK_COLUMNS)].reset_index(drop=True)


def _in_words(rows: pd.DataFrame, snapshot: pd.DataFrame, book: Book) -> pd.DataFrame:
    """The rows with what is the matter in plain words (of the first `SPARKED`, "" below), what is being done and what is due next."""
    first = snapshot.loc[rows["account_id"].head(SPARKED)]
    words = {"plain": plainly.told(book.scorecard, first, book.dated), "doing": running(book)}
    found = {name: rows["account_id"].map(said).astype("object") for name, said in words.items()}
    found["coming"] = next_dates.coming(book, rows)
    return rows.assign(**{name: said.where(said.notna(), "") for name, said in found.items()})


def running(book: Book) -> pd.Series:
    """What is being done about each account today: the playbook begun last of those that still run, with the day; by account_id.

    Where no playbook ever has an end on record, nobody knows what still runs: then only that it began is said.
    """
    plays = book.diary.plays
    since = "since" if plays["ends"].notna().any() else "begun"
    still = plays[plays["ends"].isna()].sort_values(["starts", "playbook"], kind="stable").drop_duplicates("account_id", keep="last")
    said = [
        f"{upper_first(str(play)).replace('_', ' ')}, {since} {day(start)}"
        for play, start in zip(still["playbook"], still["starts"], strict=True)
    ]
    return pd.Series(said, index=still["account_id"].to_numpy(), dtype="object")


def sparks(scored: today.Scored, accounts: pd.Series) -> pd.DataFrame:
    """The score shown on each of the last 13 dates of the first accounts given: account_id, as_of, score (NaN unscored), oldest first."""
    last = sorted(scored.rows["as_of"].unique())[-SPARK_MONTHS:]
    rows = scored.rows[scored.rows["as_of"].isin(last) & scored.rows["account_id"].isin(accounts.head(SPARKED))]
    return rows[["account_id", "as_of", "score"]].sort_values(["account_id", "as_of"], ignore_index=True)


def flagged(book: Book, scored: today.Scored, ahead: pd.DataFrame, *, seed: int = 0) -> dict[str, Estimate]:
    """Of the accounts that left, the share ("accounts") and the share of their ARR ("arr") that stood in the worst band 90 days before.

    Parameters
    ----------
    ahead : `flagged` of the audit, so that both pages say the same
    scored : every account-month; "base" is the share of them that stood there: what chance alone would have flagged
    """
    at = ahead[ahead["lead_days"] == FLAG_DAYS]
    if at.empty:
        return {}
    row, worst = at.iloc[0], book.scorecard.bands[0].name
    n, events = float(row["accounts"]), float(row["lost"])
    codes, counts = resample.account_weights(scored.rows["account_id"], replicates=200, seed=seed)
    return {
        "accounts": Estimate(float(row["rate"]), float(row["low"]), float(row["high"]), n, events),
        "arr": Estimate(float(row["arr_rate"]), float(row["arr_low"]), float(row["arr_high"]), n, events),
        "base": resample.rate((scored.rows["measured_band"] == worst).astype(float).to_numpy(), codes, counts),
    }
