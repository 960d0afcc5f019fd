"""Phrases every claiming sentence is built from: rates with n and interval, verdicts, and what an outcome is called."""

from __future__ import annotations

import pandas as pd

from healthlib import wording
from healthlib.resample import Estimate
from healthlib.wording import counted, listed

ASSOCIATED = "Associated, not proven: what goes with leaving need not be what causes it."

WORDS = {
    "renewal": {
        "lost": "left",
        "kept": "renewed",
        "rate": "churn rate",
        "case": "term",
        "came": "came up for renewal",
        "date": "when the score was read",
    },
    "churn_within": {
        "lost": "left",
        "kept": "stayed",
        "rate": "churn rate",
        "case": "account-month",
        "came": "were followed for the whole horizon",
        "date": "when the score was read",
    },
    "expansion": {
        "lost": "did not expand",
        "kept": "expanded",
        "rate": "share that did not expand",
        "case": "term",
        "came": "came up for renewal",
        "date": "when the score was read",
    },
    "flat": {
        "lost": "left",
        "kept": "stayed",
        "rate": "churn rate",
        "case": "account",
        "came": "are in the sheet with an outcome",
        "date": "by the sheet",
    },
}
"""Kind of outcome -> what its parts are called."""


def words(kind: str) -> dict[str, str]:
    """What a lost case, a kept case and their rate are called for this kind of outcome."""
    return WORDS[kind]


def undated(what: str) -> str:
    """What a flat sheet cannot answer.

    >>> undated("how long accounts stay")
    'The sheet has no dates, so how long accounts stay cannot be told.'
    """
    return f"The sheet has no dates, so {what} cannot be told."


def ranged(estimate: Estimate) -> str:
    """A share with its interval: `12% (10–14%)`."""
    return wording.share_range(estimate.value, estimate.low, estimate.high)


def row_rate(row: pd.Series, prefix: str = "") -> str:
    """The rate in a row of a rates table with its interval; `prefix` "arr_" for money."""
    value, low, high = (row[f"{prefix}{name}"] for name in ("rate", "low", "high"))
    return wording.share_range(value, low, high)


def score_range(estimate: Estimate, digits: int = 2) -> str:
    """A plain number with its interval: `0.71 (0.66–0.76)`."""
    if wording.unknown(estimate.value):
        return "not known"
    if wording.unknown(estimate.low):
        return wording.number(estimate.value, digits)
    return f"{wording.number(estimate.value, digits)} ({wording.number(estimate.low, digits)}–{wording.number(estimate.high, digits)})"


def signed_range(estimate: Estimate, digits: int = 3) -> str:
    """A difference with its sign and interval: `+0.021 (−0.004 to +0.046)`."""
    if wording.unknown(estimate.value):
        return "not known"
    low, high = wording.change(estimate.low, digits), wording.change(estimate.high, digits)
    return f"{wording.change(estimate.value, digits)} ({low} to {high})"


def largest(frame: pd.DataFrame, by: str) -> pd.Series:
    """The row with the largest value in a column; the first of equals."""
    return frame.iloc[int(frame[by].to_numpy(dtype=float).argmax())]


def smallest(frame: pd.DataFrame, by: str) -> pd.Series:
    """The row with the smallest value in a column; the first of equals."""
    return frame.iloc[int(frame[by].to_numpy(dtype=float).argmin())]


def row_of(frame: pd.DataFrame, group: str) -> pd.Series | None:
    """The row of a rates table with this label; None where there is none."""
    rows = frame[frame["group"] == group]
    return rows.iloc[0] if len(rows) else None


def against(low: float, high: float, base: float) -> str:
    """Whether an interval lies above, below or across a base: "above", "below", "cannot tell".

    >>> against(0.2, 0.3, 0.1), against(0.0, 0.3, 0.1), against(float("nan"), 0.3, 0.1)
    ('above', 'cannot tell', 'cannot tell')
    """
    return "above" if low > base else "below" if high < base else "cannot tell"


def grade(auc: Estimate) -> str:
    """What an AUC with its interval says, in words.

    >>> grade(Estimate(0.56, 0.47, 0.65)), grade(Estimate(0.74, 0.7, 0.78))
    ('cannot be told from tossing a coin', 'ranks clearly better than tossing a coin')
    """
    side = against(auc.low, auc.high, 0.5)
    return {"above": "ranks clearly better than tossing a coin", "below": "ranks the wrong way round"}.get(
        side, "cannot be told from tossing a coin"
    )


def are(number: float, noun: str, plural: str | None = None) -> str:
    """A count, its noun and the verb that goes with it.

    >>> are(1, "account"), are(2, "account")
    ('1 account is', '2 accounts are')
    """
    return f"{counted(number, noun, plural)} {'is' if number == 1 else 'are'}"


def named(items: list[str], most: int = 3) -> str:
    """The first few of some names, and how many more.

    >>> named(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    rest = len(items) - most
    return listed([*items[:most], f"{rest} more"] if rest > 0 else items)
