"""Columns that may know the future: named like an outcome, or filled, or saying one thing, for lost customers alone."""

from __future__ import annotations

import pandas as pd

from .init_column import moments_of, numbers_of
from .init_recognise import Exports, Recognised, account_of
from .init_words import KEPT_VALUES, LEAKS, LOST_VALUES, match, plain
from .schema import TABLES

FEWEST = 5
"""Lost and kept customers that a comparison by content needs."""


def lost_accounts(exports: Exports) -> pd.Series:
    """account -> True where its last term has ended (or its outcome says it left), False where it goes on; unknown accounts are absent."""
    one = exports.contracts
    if one is None:
        return pd.Series(dtype=bool)
    accounts = account_of(one)
    if "outcome" in one.roles:
        cells = one.sheet.cells[one.roles["outcome"]]
        said = cells.map(lambda cell: meaning(str(cell)) if not pd.isna(cell) else None)
        known = said.notna() & accounts.notna()
        return (said[known] == "churned").groupby(accounts[known]).any()
    if "end_date" not in one.roles:
        return pd.Series(dtype=bool)
    ends = moments_of(one.sheet.cells[one.roles["end_date"]], one.columns[one.roles["end_date"]])
    if "start_date" not in one.roles:
        return pd.Series(dtype=bool)
    newest = moments_of(one.sheet.cells[one.roles["start_date"]], one.columns[one.roles["start_date"]]).max()
    still = (ends.isna() | (ends > newest)) & accounts.notna()
    gone = accounts.dropna().unique()
    return pd.Series(True, index=gone).mask(pd.Series(gone, index=gone).isin(accounts[still].dropna().unique()), False)


def meaning(value: str) -> str | None:
    """renewed or churned for one spelling of an outcome; None where it says neither.

    >>> meaning("Closed Won"), meaning("churned"), meaning("Pending")
    ('renewed', 'churned', None)
    """
    word = "-".join(plain(value).split())
    return "churned" if word in LOST_VALUES else "renewed" if word in KEPT_VALUES else None


def leaks_of(one: Recognised, lost: pd.Series) -> dict[str, str]:
    """header -> why it may know the future, for the columns of a sheet that play no role that hides them until their day."""
    roles = {name: role for role, name in one.roles.items()}
    hidden = (
        {"outcome", "churn_reason", "decided_on", "renewed_arr", "end_date", "stage"}
        if one.table == "contracts"
        else {"closed_at", "satisfaction"}
    )
    schema = TABLES.get(one.table)
    needed = (*schema.required, schema.time or "account_id") if schema else ("occurred_at",)
    found: dict[str, str] = {}
    side = account_of(one).map(lost) if len(lost) else pd.Series(pd.NA, index=one.sheet.cells.index)
    for name, column in one.columns.items():
        if roles.get(name) in (*hidden, *needed, "account_id") or (one.link and one.link.column == name) or column.kind == "empty":
            continue
        evidence = by_content(one.sheet.cells[name], side)
        named = match(name, LEAKS) >= 0.6
        if named and not (one.table == "usage" and name in roles):
            found[name] = evidence or "named like an outcome; often written when the customer leaves"
        elif evidence and name not in roles:
            found[name] = evidence
    return found


def by_content(cells: pd.Series, side: pd.Series) -> str:
    """Evidence that a column tells lost from kept customers too well; "" where it does not.

    Parameters
    ----------
    side : for each row True where its account was lost, False where it was kept, missing where unknown
    """
    lost, kept = (side == True).fillna(False), (side == False).fillna(False)  # noqa: E712
    if lost.sum() < FEWEST or kept.sum() < FEWEST:
        return ""
    filled = cells.notna()
    in_lost, in_kept = filled[lost].mean(), filled[kept].mean()
    if in_lost >= 0.5 and in_kept <= 0.05:
        return f"filled in {in_lost:.0%} of the rows of lost customers and {in_kept:.0%} of the others"
    if in_kept >= 0.5 and in_lost <= 0.05:
        return f"filled in {in_kept:.0%} of the rows of kept customers and {in_lost:.0%} of the others"
    texts = cells.dropna().astype(str)
    if texts.nunique() > 20:
        return ""
    for value, rows in texts.groupby(texts):
        share, others = (
            len(rows.index.intersection(lost[lost].index)) / lost.sum(),
            len(rows.index.intersection(kept[kept].index)) / kept.sum(),
        )
        if share >= 0.5 and others <= 0.03:
            return f"{value!r} in {share:.0%} of the rows of lost customers and {others:.0%} of the others"
    return ""


def zero_when_lost(one: Recognised, money: str) -> str:
    """Evidence that an amount was overwritten with 0 when the contract was lost; "" where it was not."""
    if "outcome" not in one.roles:
        return ""
    amount = numbers_of(one.sheet.cells[money], one.columns[money].decimal)
    said = one.sheet.cells[one.roles["outcome"]].map(lambda cell: meaning(str(cell)))
    lost, kept = amount[said == "churned"], amount[said == "renewed"]
    if len(lost) < FEWEST or len(kept) < FEWEST or (lost == 0).mean() < 0.95 or (kept > 0).mean() < 0.5:
        return ""
    return f"0 in {int((lost == 0).sum())} of {len(lost)} lost and over 0 in {int((kept > 0).sum())} of {len(kept)} renewed contracts"
