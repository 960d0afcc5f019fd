"""Each contract as known on one day, how long it binds, and what was known of it and of the one before it at each case."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from healthlib import asof
from healthlib.spec import Workspace
from healthlib.studies.survival import months_since
from healthlib.tables import Tables

COLUMNS = (
    "account_id", "starts_on", "ends_on", "agreed_end", "arr", "seats", "discount", "auto_renew", "billing_period", "told_on", "known_on",
    "superseded_on", "length",
)  # fmt: skip

MONTHLY, SHORT, ANNUAL, LONG, OPEN = "month to month", "under a year", "annual", "longer than a year", "no fixed term"
LENGTHS = (MONTHLY, SHORT, ANNUAL, LONG, OPEN)
"""How long a contract binds, shortest first."""

BILLED = {"month": 1, "monthly": 1, "mtm": 1, "m2m": 1, "quarter": 3, "quarterly": 3, "half": 6, "semi": 6, "biannual": 6, "semiannual": 6,
          "year": 12, "yearly": 12, "annual": 12, "annually": 12, "biennial": 24}  # fmt: skip
"""Words of a billing period -> months."""

CHANGES = ("first term", "fell by over 2%", "within 2%", "rose by 2% to 10%", "rose by over 10%")


def nothing() -> pd.DataFrame:
    """The frame of a workspace without contracts."""
    dates, texts = (
        ("starts_on", "ends_on", "agreed_end", "told_on", "known_on", "superseded_on"),
        ("account_id", "auto_renew", "billing_period", "length"),
    )
    kinds = {name: "datetime64[s]" if name in dates else "str" if name in texts else "float64" for name in COLUMNS}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def contract_terms(tables: Tables, workspace: Workspace, at: pd.Timestamp) -> pd.DataFrame:
    """Contracts with ARR that had begun and were known on `at`. Needs `asof.open_door`.

    Returns
    -------
    DataFrame `COLUMNS`, sorted by account and start. A contract that was corrected has a row for each version that held: from `known_on` to
    the day before `superseded_on` (NaT: the one that holds on `at`, see `now`); `told_on` is `known_on` of the first. `ends_on` is NaT
    while evergreen. `length` (one of `LENGTHS`) is from start to end in calendar months. With `churn_within` outcomes an end date was
    filled in when the customer left, so that it says nothing of what was agreed: there `agreed_end` is NaT, an end after `at` is not known
    yet, and `length` comes from the billing period (without one: `OPEN`).
    """
    columns = tables.columns["contracts"]
    numbers = {name: f"CAST({name} AS DOUBLE)" if name in columns else "CAST(NULL AS DOUBLE)" for name in ("seats", "discount")}
    texts = {name: f"CAST({name} AS VARCHAR)" if name in columns else "CAST(NULL AS VARCHAR)" for name in ("auto_renew", "billing_period")}
    picked = ", ".join(f"{sql} AS {name}" for name, sql in (numbers | texts).items())
    day = f"DATE '{at:%Y-%m-%d}'"
    found = tables.engine.query(
        f"""SELECT account_id, CAST(day AS TIMESTAMP) AS starts_on, CAST(CAST(end_date AS DATE) AS TIMESTAMP) AS ends_on,
            CAST(arr AS DOUBLE) AS arr, {picked}, CAST(_told AS TIMESTAMP) AS told_on, CAST(known AS TIMESTAMP) AS known_on,
            CAST(CASE WHEN _superseded <= {day} THEN _superseded END AS TIMESTAMP) AS superseded_on
        FROM known.contracts WHERE known <= {day} AND day <= {day} AND arr > 0 ORDER BY account_id, day, end_date, arr DESC, _line"""
    )
    frame = asof.tidy(found)
    if workspace.outcome.kind != "churn_within":
        return frame.assign(agreed_end=frame["ends_on"], length=_length(frame))[list(COLUMNS)]
    ended = frame["ends_on"].where(frame["ends_on"] <= at)
    nobody = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[s]")
    return frame.assign(ends_on=ended, agreed_end=nobody, length=_billed(frame["billing_period"]))[list(COLUMNS)]


def _length(frame: pd.DataFrame) -> pd.Series:
    """The class of a length in calendar months; half a month either way is the same term."""
    months = months_since(frame["starts_on"], frame["ends_on"])
    return _class(months)


def _class(months: pd.Series) -> pd.Series:
    sides = [months.isna(), months <= 1.5, months < 11, months <= 13]
    return pd.Series(np.select(sides, [OPEN, MONTHLY, SHORT, ANNUAL], LONG), index=months.index, dtype="str")


def _billed(periods: pd.Series) -> pd.Series:
    months = periods.map({text: months_of(text) for text in periods.dropna().unique()})
    return _class(months.astype(float))


def months_of(period: str) -> float:
    """Months in a billing period as people write it; NaN where it cannot be read.

    >>> months_of("quarterly"), months_of("12 months"), months_of("2 years"), months_of("month-to-month"), months_of("prepaid")
    (3.0, 12.0, 24.0, 1.0, nan)
    """
    text = period.strip().lower()
    counted = re.fullmatch(r"(\d+)[\s-]*(m|mo|month|y|yr|year)s?", text)
    if counted:
        return float(counted[1]) * (12 if counted[2].startswith("y") else 1)
    words = re.findall(r"[a-z0-9]+", text)
    return float(next((BILLED[word] for word in words if word in BILLED), np.nan))


def now(terms: pd.DataFrame) -> pd.DataFrame:
    """The contracts as they are told today: without the versions that were corrected."""
    return terms[terms["superseded_on"].isna()]


def arr_told(terms: pd.DataFrame, cases: pd.DataFrame) -> pd.Series:
    """ARR at each case of an account whose contracts were corrected, as they are told today; missing for all others.

    Parameters
    ----------
    cases : account_id, as_of

    Returns
    -------
    Series with the index of `cases`: the sum over contracts that had been told by `as_of`, in whatever version, and ran then
    """
    who = terms.loc[terms["superseded_on"].notna(), "account_id"]
    keys = cases[["account_id", "as_of"]].assign(case=np.arange(len(cases)))
    both = keys[keys["account_id"].isin(who)].merge(now(terms), on="account_id")
    runs = (both["starts_on"] <= both["as_of"]) & (both["ends_on"].isna() | (both["ends_on"] > both["as_of"]))
    sums = both[runs & (both["told_on"] <= both["as_of"])].groupby("case")["arr"].sum()
    return sums.reindex(range(len(cases))).set_axis(cases.index)


def first_length(terms: pd.DataFrame) -> pd.Series:
    """account_id -> the length of its first contract (the largest of those that begin together): known when the account begins."""
    order = now(terms).sort_values(["account_id", "starts_on", "arr", "length"], ascending=[True, True, False, True], kind="stable")
    return order.drop_duplicates("account_id").set_index("account_id")["length"]


def at_cases(terms: pd.DataFrame, cases: pd.DataFrame, *, grace_days: int) -> pd.DataFrame:
    """What was known of the running term at each case, and of the price beside the term before.

    The running term is the contract active on `as_of` that is agreed to end first (at `term_ends`), the largest of equals. The price now is
    that of all contracts active on `as_of`; the price before is that of all contracts that had begun earlier than the running term and ran
    until at most `grace_days` before its start. What is offered for the next term is in no export, and what those that renewed agreed to
    would say nothing of those that left, so neither is used.

    Returns
    -------
    DataFrame with the index of `cases`: auto_renew, billing_period, length (NA where unknown), discount, first (no term before),
    arr_change and price_change (per seat) and seats_change: now / before - 1, NaN where unknown
    """
    keys = cases[["account_id", "as_of"]].assign(case=np.arange(len(cases)))
    both = keys.merge(terms, on="account_id")
    both = both[(both["starts_on"] <= both["as_of"]) & (both["known_on"] <= both["as_of"])]
    both = both[both["superseded_on"].isna() | (both["superseded_on"] > both["as_of"])]
    open_ = both["ends_on"].isna() | (both["ends_on"] > both["as_of"])
    active = both[open_].sort_values(["case", "agreed_end", "arr"], ascending=[True, True, False], kind="stable", na_position="last")
    running = active.drop_duplicates("case").set_index("case")
    both = both.merge(running[["starts_on"]].rename(columns={"starts_on": "began"}), left_on="case", right_index=True)
    earlier = both[both["starts_on"] < both["began"]]
    reaches = earlier["ends_on"].isna() | (earlier["ends_on"] >= earlier["began"] - pd.Timedelta(days=grace_days))
    now, before = _total(active), _total(earlier[reaches])
    found = running.reindex(range(len(cases)))[["auto_renew", "billing_period", "length", "discount"]]
    found["first"] = ~found.index.isin(earlier["case"]) & found.index.isin(running.index)
    for name in ("arr", "price", "seats"):
        found[f"{name}_change"] = now[name].reindex(found.index) / before[name].reindex(found.index) - 1
    return found.set_index(cases.index)


def _total(rows: pd.DataFrame) -> pd.DataFrame:
    """ARR, seats and price per seat by case; seats and price are missing where a contract does not say its seats."""
    cases = rows.groupby("case")
    sums = cases.agg(arr=("arr", "sum")).assign(seats=cases["seats"].sum(skipna=False))
    return sums.assign(seats=sums["seats"].where(sums["seats"] > 0)).assign(price=lambda frame: frame["arr"] / frame["seats"])


def change_label(change: pd.Series, first: pd.Series) -> pd.Series:
    """A relative change as one of `CHANGES`, in their order; missing where it is not known."""
    place = np.select([first, change < -0.02, change <= 0.02, change <= 0.10, change > 0.10], [0, 1, 2, 3, 4], -1)
    return pd.Series(pd.Categorical.from_codes(place.tolist(), categories=pd.Index(CHANGES), ordered=True), index=change.index)
