"""Saves and losses of the last twelve months, account by account, for the CSM of the time: to learn from, never a ranking of persons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import scoring
from healthlib.book_files import owner
from healthlib.studies.book_work import named
from healthlib.studies.fit import usable

if TYPE_CHECKING:
    from healthlib.studies.book import Book

COLUMNS = ("csm", "account_id", "name", "kind", "arr", "on", "read_on", "score", "band", "reason")
MONTHS = 12
LEAD = 90
"""Days before an account left at which its band is read."""


def results(book: Book) -> pd.DataFrame:
    """Accounts that stayed although they had stood in the worst band, and accounts that left; the latest of each account, newest first.

    Bands are those of the score without what seems to know the outcome, as in every test. That an account stayed does not say that
    anybody saved it: most of the worst band stays.

    Returns
    -------
    DataFrame with `COLUMNS`: csm of the time; kind stayed or left; on (when that was decided: the end of the term, or of the horizon; the
    day it left), read_on, score and band (of the case that stayed; of the reading 90 days before an account left, "" where there was
    none), reason (why it left, "" where not said)
    """
    begun = book.as_of - pd.DateOffset(months=MONTHS)
    parts = [part for part in (_stayed(book, begun), _left(book, begun)) if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    found = pd.concat(parts, ignore_index=True)
    return found.sort_values(["on", "arr", "account_id"], ascending=[False, False, True], kind="stable")[list(COLUMNS)].reset_index(
        drop=True
    )


def _read(book: Book, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with csm, name, and the score and band that tests use."""
    frame = scoring.score(usable(book.scorecard, book.leaks.found), rows).frame
    csm = rows["csm"].astype("object").map(owner) if "csm" in rows else ""
    return rows[["account_id", "as_of", "arr"]].assign(csm=csm, name=named(rows), score=frame["score"], band=frame["band"].astype("object"))


def _stayed(book: Book, begun: pd.Timestamp) -> pd.DataFrame:
    """Finished cases of the last year in the worst band that were kept, the latest of each account that is still there."""
    cases = book.cases
    if cases.empty or "horizon_ends_on" not in cases:
        return pd.DataFrame()
    on = cases["term_ends"] if book.workspace.kind == "renewal" else cases["horizon_ends_on"]
    kept = cases["lost"].eq(0) & (on > begun) & (on <= book.as_of)
    active = set(book.history.loc[book.history["as_of"] == book.as_of, "account_id"])
    rows = cases[kept & cases["account_id"].isin(active)].reset_index(drop=True)
    if rows.empty or book.workspace.kind in ("expansion", "flat"):
        return pd.DataFrame()
    read = _read(book, rows).assign(on=on[kept & cases["account_id"].isin(active)].to_numpy())
    read = (
        read[read["band"] == book.scorecard.bands[0].name]
        .sort_values(["on", "as_of"], kind="stable")
        .drop_duplicates("account_id", keep="last")
    )
    return read.rename(columns={"as_of": "read_on"}).assign(kind="stayed", reason="")


def _left(book: Book, begun: pd.Timestamp) -> pd.DataFrame:
    """Accounts that left in the last year, with the CSM of their last snapshot and the band 90 days before."""
    gone = book.churned[(book.churned["ended_on"] > begun) & (book.churned["ended_on"] <= book.as_of)]
    gone = gone.sort_values("ended_on", kind="stable").drop_duplicates("account_id", keep="last").reset_index(drop=True)
    if gone.empty or book.workspace.flat is not None:
        return pd.DataFrame()
    known = book.history.merge(gone[["account_id", "ended_on"]], on="account_id")
    last = known[known["as_of"] <= known["ended_on"]].sort_values("as_of", kind="stable").drop_duplicates("account_id", keep="last")
    who = _read(book, last.reset_index(drop=True)).set_index("account_id")[["csm", "name"]]
    leads = (
        book.leads[book.leads["lead_days"] == LEAD]
        .reset_index(drop=True)
        .merge(gone[["account_id", "ended_on"]], on=["account_id", "ended_on"])
    )
    then = _read(book, leads).drop_duplicates("account_id").set_index("account_id") if len(leads) else None
    ids = gone["account_id"]
    return pd.DataFrame({
        "csm": ids.map(who["csm"]).fillna(""), "account_id": ids, "name": ids.map(who["name"]).fillna(ids), "kind": "left",
        "arr": gone["arr"], "on": gone["ended_on"], "read_on": ids.map(then["as_of"]) if then is not None else pd.NaT,
        "score": ids.map(then["score"]) if then is not None else float("nan"),
        "band": ids.map(then["band"]).fillna("") if then is not None else "", "reason": gone["reason"].fillna(""),
    })  # fmt: skip
