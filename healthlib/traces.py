"""What the rows of the exports give away of a leak, as frames: counts of rows by account, made by `tracing`, read by the leak audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

INCUMBENT = "score_history"
"""The present tool's score goes by the name of its table."""

LATE_DAYS = 30
"""A row recorded so long after it happened was back-filled (a convention)."""

SETTLED_DAYS = 7
"""A row written to later than this after it happened was edited, not just entered (a convention)."""

ROW_COLUMNS = ("metric", "account_id", "rows", "first_known", "before", "decided", "stamped", "edited", "edited_after")
ACCOUNT_COLUMNS = ("table", "account_id", "rows", "early", "late", "after")
LEAVER_COLUMNS = ("account_id", "ended_on", "decided_on", "back_on")


@dataclass(frozen=True)
class Traces:
    """Counts of rows by account, as known on the book's day.

    Attributes
    ----------
    leavers : account_id, ended_on, decided_on (the end itself where nothing says when it was decided), back_on (NaT: never came back)
    rows : of each metric on a table, and of `score_history`: `metric`, account_id, rows that it reads, first_known (when the first of them
        was known); of the year before the account's last end: rows `before` and from `decided` on; rows with a modification stamp
        (`stamped`), those written to more than `SETTLED_DAYS` after they happened (`edited`), and of these on or after the decision
        (`edited_after`)
    accounts : table, account_id, rows, `early` (before the first contract), `late` (recorded more than `LATE_DAYS` afterwards), `after`
        (more than the grace, and a month, after the account left, and before it came back)
    stamps : table -> its column of modification stamps
    attributes : columns of `accounts` without dated history: there is today's value only
    decided : whether the exports say when a leaving was decided
    """

    leavers: pd.DataFrame
    rows: pd.DataFrame
    accounts: pd.DataFrame
    stamps: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    decided: bool = False


def no_traces(attributes: tuple[str, ...] = ()) -> Traces:
    """Nothing but today's attributes: a flat sheet has no rows with a time."""
    empty = (pd.DataFrame(columns=list(names)) for names in (LEAVER_COLUMNS, ROW_COLUMNS, ACCOUNT_COLUMNS))
    leavers, rows, accounts = empty
    return Traces(leavers, rows, accounts, attributes=attributes)
