"""What to do today in each book: every account with its next date, last contact and running playbooks, and the order to take them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.book_files import owner
from healthlib.studies import next_dates, plainly, today
from healthlib.wording import short_day

if TYPE_CHECKING:
    from healthlib.studies.book import Book
    from healthlib.studies.executive_facts import ExecutiveFacts

ACCOUNT_COLUMNS = (
    "account_id", "name", "csm", "csm_before", "segment", "arr", "band", "previous_band", "score", "change", "term_ends", "days_left",
    "loss", "loss_low", "loss_high", "last_contact", "running", "next_date", "next_what", "alert", "plain", "why",
    "playbook", "anchor", "place",
)  # fmt: skip
NEAREST = 30
"""Days below which a renewal is as near as it can be, for the order of the worklist."""
FAR = 365
"""Days that count where a term has no end."""


def owner_of(snapshot: pd.DataFrame) -> pd.Series:
    """The CSM of each row as `book_files.owner` says it; the index of the rows."""
    if "csm" not in snapshot:
        return pd.Series("", index=snapshot.index, dtype="object")
    return snapshot["csm"].astype("object").map(owner)


def named(rows: pd.DataFrame) -> pd.Series:
    """The name of each row's account, its id where it has none that can be seen.

    >>> rows = pd.DataFrame({"account_id": ["a", "b", "c"], "name": ["Ann Ltd", None, " \u200b"]})
    >>> named(rows).tolist()
    ['Ann Ltd', 'b', 'c']
    """
    if "name" not in rows:
        return rows["account_id"]
    names = rows["name"].astype("object")
    seen = [isinstance(name, str) and any(letter.isprintable() and not letter.isspace() for letter in name) for name in names]
    return names.where(pd.Series(seen, index=rows.index), rows["account_id"])


def accounts(book: Book, executive: ExecutiveFacts, snapshot: pd.DataFrame, anchors: Mapping[str, str]) -> pd.DataFrame:
    """Every active account in the order of `snapshot`: `ACCOUNT_COLUMNS` without csm and csm_before.

    Parameters
    ----------
    snapshot : the scored rows of today by account_id, from `today.Scored.on`
    anchors : account_id -> anchor of its section on audit.html
    """
    rows = executive.scores.set_index("account_id", drop=False).rename_axis(None).reindex(snapshot.index)
    rows = rows.assign(name=named(snapshot), segment=snapshot.reindex(columns=["segment"])["segment"])
    rows["days_left"] = (rows["term_ends"] - book.as_of).dt.days.astype("float64")
    rows["loss"] = 1 - rows["renewal_probability"]
    rows["loss_low"], rows["loss_high"] = 1 - rows["probability_high"], 1 - rows["probability_low"]
    rows["last_contact"] = _last_contact(book, rows.index)
    rows["running"] = _running(book, rows.index)
    rows["alert"] = _alert(executive, rows.index)
    rows["next_date"], rows["next_what"] = next_dates.first(book, rows)
    rows["anchor"] = pd.Series(rows.index, index=rows.index).map(lambda account: anchors.get(account, ""))
    rows["place"] = order(rows, executive.bands, book.workspace.outcome.horizon_days if book.workspace.kind == "churn_within" else FAR)
    wanted = rows["place"].notna()
    rows["why"] = today.reasons(book.scorecard, snapshot[wanted], dated=book.dated).reindex(rows.index).fillna("")
    rows["plain"] = plainly.told(book.scorecard, snapshot[wanted], book.dated).reindex(rows.index).fillna("")
    return rows.sort_index()


def order(rows: pd.DataFrame, bands: tuple[str, ...], far: int) -> pd.Series:
    """The place of each account on the worklist, 0 first; NaN for one in the best band, or unscored, without an alert.

    By what is likely to be lost a day until the renewal: ARR x chance of loss / days left, where less than `NEAREST` days count as so many.
    Where no chance can be fitted, the worse band first, then ARR / days left.

    Parameters
    ----------
    rows : arr, loss, days_left (NaN: no end), band, alert ("" for none), by account
    bands : from worst to best, then unscored
    far : days that count where a term has no end

    Examples
    --------
    >>> rows = pd.DataFrame({"arr": [100.0, 50.0, 900.0], "loss": [0.2, 0.6, 0.01], "days_left": [40.0, 40.0, np.nan],
    ...                      "band": ["red", "red", "green"], "alert": ["", "", ""]}, index=["a", "b", "c"])
    >>> order(rows, ("red", "green", "unscored"), 365).tolist()
    [1.0, 0.0, nan]
    """
    scored = [name for name in bands if name != bands[-1]]
    on = rows["band"].isin(scored[:-1] or scored) | (rows["alert"] != "")
    near = rows["days_left"].fillna(far).clip(lower=NEAREST)
    rank = {band: place for place, band in enumerate(bands)}
    keys = pd.DataFrame({
        "stake": -(rows["arr"] * rows["loss"] / near).fillna(0.0), "band": rows["band"].map(rank), "money": -rows["arr"] / near,
        "account": rows.index,
    }, index=rows.index)[on]  # fmt: skip
    ranked = keys.sort_values(list(keys.columns), kind="stable").index
    return pd.Series(np.arange(len(ranked), dtype=float), index=ranked).reindex(rows.index)


def _last_contact(book: Book, ids: pd.Index) -> pd.Series:
    """The day of the last touchpoint; NaT where none is on record."""
    if book.silences.empty:
        return pd.Series(pd.NaT, index=ids, dtype="datetime64[s]")
    rows = book.silences[book.silences["as_of"] == book.as_of].drop_duplicates("account_id").set_index("account_id")["contact_days"]
    days = pd.to_timedelta(rows.reindex(ids).astype(float), unit="D")
    months = book.diary.months
    met = months.loc[months["kind"] == "contact", "account_id"].unique()
    return (book.as_of - days).where(ids.isin(met)).astype("datetime64[s]")


def _running(book: Book, ids: pd.Index) -> pd.Series:
    """Playbooks that have begun and not ended, in words: `adoption plan since 3 Oct`, `begun 3 Oct` where no end is ever recorded."""
    plays = book.diary.plays
    since = "since" if plays["ends"].notna().any() else "begun"
    runs = plays[plays["ends"].isna() & plays["account_id"].isin(ids)]
    words = pd.Series(
        [f"{str(name).replace('_', ' ')} {since} {short_day(day)}" for name, day in zip(runs["playbook"], runs["starts"], strict=True)],
        index=runs["account_id"].to_numpy(), dtype="object",
    )  # fmt: skip
    return words.groupby(level=0, sort=False).agg("; ".join).reindex(ids).fillna("") if len(words) else pd.Series("", index=ids)


def _alert(executive: ExecutiveFacts, ids: pd.Index) -> pd.Series:
    """The reason of the first alert that holds, with its day where scores of another day are told; "" for none."""
    if executive.alerts.empty:
        return pd.Series("", index=ids)
    first = executive.alerts.drop_duplicates("account_id").set_index("account_id")
    told = [
        reason if fresh or not reason.startswith("Score ") else f"Alert of {short_day(since)}, s{reason[1:]}"
        for reason, since, fresh in zip(first["reason"], first["since"], first["new"], strict=True)
    ]
    return pd.Series(told, index=first.index, dtype="object").reindex(ids).fillna("")
