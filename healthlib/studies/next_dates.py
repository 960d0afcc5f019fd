"""The next day ahead on which something of an account is due, and what: an agreed step, the reading before a renewal, an override's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.wording import day, upper_first

if TYPE_CHECKING:
    from healthlib.studies.book import Book

TERM = "term ends"
"""What is due on the day the running term ends."""


def first(book: Book, rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The first day ahead and what is due on it; NaT and "" where nothing is. Of several on one day an agreed step is said first.

    A step is a milestone still open whose agreed day lies ahead; the reading is the day the score is read before the renewal, where terms
    have an end; nothing is made up where the exports hold no such date.

    Parameters
    ----------
    rows : a row an account, its id the index: term_ends, override_expires_on

    Returns
    -------
    the days (datetime64[s]) and the words, each by account
    """
    lead = pd.Timedelta(days=book.workspace.outcome.lead_days)
    none = pd.Series(pd.NaT, index=rows.index)
    due = book.diary.due.drop_duplicates("account_id").set_index("account_id")
    dates = pd.DataFrame({
        "step": due["due_on"].reindex(rows.index),
        "reading": rows["term_ends"] - lead if book.workspace.kind == "renewal" else none,
        "override": rows["override_expires_on"], "term": rows["term_ends"],
    }).astype("datetime64[s]")  # fmt: skip
    ahead = dates.where(dates > book.as_of)
    nearest = ahead.min(axis=1)
    words = {"term": TERM, "override": "override ends", "reading": f"{lead.days} days before renewal"}
    what = pd.Series("", index=rows.index, dtype="object")
    for name, said in words.items():
        what = what.mask(ahead[name].notna() & (ahead[name] == nearest), said)
    step = due["what"].reindex(rows.index).astype("object").map(lambda said: f"{upper_first(str(said)).replace('_', ' ')} due")
    what = what.mask(ahead["step"].notna() & (ahead["step"] == nearest), step)
    return nearest.astype("datetime64[s]"), what


def coming(book: Book, rows: pd.DataFrame) -> pd.Series:
    """What comes next of each account in words, with its day: `Training due 15 Jul 2026`; "" where only the end of the term is ahead.

    Parameters
    ----------
    rows : as for `first`, with the column account_id; any index
    """
    known = rows.set_index("account_id", drop=False)
    days, what = first(book, known)
    said = [
        f"{upper_first(words)}{'' if words.endswith(' due') else ','} {day(when)}" if words and words != TERM else ""
        for when, words in zip(days, what, strict=True)
    ]
    return pd.Series(said, index=rows.index, dtype="object")
