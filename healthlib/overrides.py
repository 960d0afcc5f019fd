"""Which override, a person overruling the score, was in force for an account on a day.

Each row of ``overrides`` is in force from ``set_on``, once it was known (``recorded_at``, a declared lag), until the day before
``expires_on``; without ``expires_on`` until another one is set, for good. Of several in force the latest set wins. An override set or
recorded later never reaches an earlier day: like every row, it comes through ``known.overrides``.
"""

from __future__ import annotations

import pandas as pd

from . import asof
from .engine import quote
from .tables import Tables

COLUMNS = ("account_id", "as_of", "override", "set_on", "expires_on", "set_by", "reason")
"""Columns of `in_force`."""

NONE = pd.DataFrame({
    "account_id": pd.Series(dtype="str"), "as_of": pd.Series(dtype="datetime64[s]"), "override": pd.Series(dtype=float),
    "set_on": pd.Series(dtype="datetime64[s]"), "expires_on": pd.Series(dtype="datetime64[s]"),
    "set_by": pd.Series(dtype="str"), "reason": pd.Series(dtype="str"),
})  # fmt: skip
"""`in_force` where nobody overruled anything."""

LOWEST, HIGHEST = 0.0, 100.0
"""An override speaks in the score's own points; one outside cannot be shown as a score and is not used."""


def in_force(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
    """The override in force for each account on each date; pairs without one have no row.

    Parameters
    ----------
    spine : account_id, as_of; a pair may stand more than once

    Returns
    -------
    DataFrame with `COLUMNS`, sorted by as_of and account_id: override (0..100, what the person said the score was), set_on, expires_on
    (first day no longer in force; NaT: none), set_by and reason (text; missing where the exports do not say). Ties of set_on go to the
    later recorded, then to the lower score: a total order, and the cautious one.
    """
    if "overrides" not in tables.columns or spine.empty:
        return NONE.copy()
    asof.put_spine(tables, spine[["account_id", "as_of"]].drop_duplicates())
    columns = tables.columns["overrides"]
    said = {name: quote(name) if name in columns else "CAST(NULL AS VARCHAR)" for name in ("set_by", "reason")}
    expires = "CAST(o.expires_on AS DATE)" if "expires_on" in columns else "CAST(NULL AS DATE)"
    texts = ", ".join(f"{sql} AS {name}" for name, sql in said.items())
    found = tables.engine.query(
        f"""SELECT account_id, CAST(as_of AS TIMESTAMP) AS as_of, CAST(score AS DOUBLE) AS override, CAST(day AS TIMESTAMP) AS set_on,
            CAST(expires AS TIMESTAMP) AS expires_on, {texts}
        FROM (
            SELECT s.as_of, o.*, {expires} AS expires, row_number() OVER (
                PARTITION BY s.place ORDER BY o.set_on DESC, o.known DESC, o.score, {", ".join(said.values())}) AS nth
            FROM spine s JOIN known.overrides o ON o.account_id = s.account_id AND o.known <= s.as_of AND o.day <= s.as_of
                AND o.score BETWEEN {LOWEST} AND {HIGHEST}
            ) r WHERE expires > as_of OR (expires IS NULL AND nth = 1) ORDER BY account_id, as_of, nth"""
    )
    return asof.tidy(found.drop_duplicates(["account_id", "as_of"]))[list(COLUMNS)]


def outside(tables: Tables, at: pd.Timestamp) -> int:
    """How many overrides known on `at` say a score outside 0..100 and are therefore not used."""
    if "overrides" not in tables.columns:
        return 0
    counted = f"SELECT count(*) AS n FROM known.overrides WHERE known <= DATE '{at:%Y-%m-%d}' AND day <= DATE '{at:%Y-%m-%d}'"
    return int(tables.engine.query(f"{counted} AND NOT (score BETWEEN {LOWEST} AND {HIGHEST})")["n"].iloc[0])


def warning(tables: Tables, at: pd.Timestamp) -> tuple[str, ...]:
    """What a reader must know of overrides that could not be used; nothing where all could."""
    n = outside(tables, at)
    if not n:
        return ()
    verb, pronoun = ("says a score", "it is") if n == 1 else ("say scores", "they are")
    noun = "override" if n == 1 else "overrides"
    return (f"{n} {noun} {verb} outside 0 to 100; {pronoun} not used. An override is a score: give it on the scorecard's 0 to 100.",)
