"""What CSMs said of the score: "wrong, it should be …", as known on a day, beside the snapshot of the month before it.

Feedback changes nothing: it is read, compared with what happened, and shown. To overrule a score use ``overrides``.
"""

from __future__ import annotations

import pandas as pd

from . import asof
from .engine import quote
from .spec import Scorecard
from .tables import Tables

COLUMNS = ("account_id", "said_on", "should_be", "why", "said_by")
"""Columns of `read`."""

NONE = pd.DataFrame({
    "account_id": pd.Series(dtype="str"), "said_on": pd.Series(dtype="datetime64[s]"), "should_be": pd.Series(dtype="str"),
    "why": pd.Series(dtype="str"), "said_by": pd.Series(dtype="str"),
})  # fmt: skip
"""`read` where nobody said anything."""


def read(tables: Tables, at: pd.Timestamp) -> pd.DataFrame:
    """Every remark known on `at`, oldest first.

    Returns
    -------
    DataFrame with `COLUMNS`: should_be as written (a score of 0 to 100, or a band), why and said_by (missing where not said).
    """
    if "feedback" not in tables.columns:
        return NONE.copy()
    given = tables.columns["feedback"]
    said = ", ".join(f"CAST({quote(name) if name in given else 'NULL'} AS VARCHAR) AS {name}" for name in ("should_be", "why", "said_by"))
    day = f"DATE '{at:%Y-%m-%d}'"
    found = tables.engine.query(
        f"""SELECT account_id, CAST(day AS TIMESTAMP) AS said_on, {said} FROM known.feedback
        WHERE known <= {day} AND day <= {day}"""
    )
    order = ["said_on", "account_id", "should_be", "why", "said_by"]
    return asof.tidy(found).sort_values(order, kind="stable", ignore_index=True)[list(COLUMNS)]


def as_points(should_be: pd.Series, scorecard: Scorecard) -> pd.Series:
    """The remark as a score: a number of 0 to 100 as it is, a band's name as the middle of the band; NaN for anything else.

    >>> from healthlib.spec import Band
    >>> card = Scorecard(groups=("g",), metrics={}, bands=(Band(name="red", start=0), Band(name="green", start=60)))
    >>> as_points(pd.Series(["85", "Red", "101", "fine"]), card).tolist()
    [85.0, 30.0, nan, nan]
    """
    starts = [band.start for band in scorecard.bands] + [100.0]
    middles = {band.name.casefold(): (low + high) / 2 for band, low, high in zip(scorecard.bands, starts, starts[1:], strict=False)}
    text = should_be.astype("object").where(should_be.notna(), "").map(str).str.strip()
    number = pd.to_numeric(text, errors="coerce")
    number = number.where(number.between(0, 100))
    return number.fillna(text.str.casefold().map(middles)).astype(float)
