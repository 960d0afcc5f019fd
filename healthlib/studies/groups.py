"""The groups an audit compares accounts by: attributes as known then, term number, tenure and size."""

from __future__ import annotations

import pandas as pd

from healthlib.schema import CASE_COLUMNS
from healthlib.spec import Scorecard

PREFERRED = ("segment", "plan", "industry", "region")
MOST_GROUPS = 10
"""An attribute with more values than this (names, ids, CSMs) is not a grouping."""

YEARS = ((0, "under 1 year"), (365, "1 to 2 years"), (730, "2 to 3 years"), (1095, "3 years and more"))


def attributes(cases: pd.DataFrame, scorecard: Scorecard) -> list[str]:
    """The attribute columns with 2 to `MOST_GROUPS` values, the preferred ones first, at most four."""
    taken = {*CASE_COLUMNS, *scorecard.metrics, "name", "csm", "lead_days", "ended_on", "_line"}
    texts = [
        column
        for column in map(str, cases.columns)
        if column not in taken
        and not pd.api.types.is_numeric_dtype(cases[column])
        and not pd.api.types.is_datetime64_any_dtype(cases[column])
    ]
    fitting = [column for column in texts if 2 <= cases[column].nunique() <= MOST_GROUPS]
    return sorted(fitting, key=lambda column: (PREFERRED.index(column) if column in PREFERRED else len(PREFERRED), column))[:4]


def dimensions(cases: pd.DataFrame, scorecard: Scorecard, kind: str) -> dict[str, pd.Series]:
    """Name of the grouping -> a label per case.

    Term number counts the terms seen in the exports, open ones included, so a customer older than the exports starts at 1.
    """
    found: dict[str, pd.Series] = {column: cases[column].astype("string") for column in attributes(cases, scorecard)}
    if kind != "churn_within" and len(cases):
        ordered = cases.sort_values(["account_id", "as_of"], kind="stable")
        number = ordered.groupby("account_id").cumcount().reindex(cases.index)
        found["term number"] = ordinal(number)
    if cases["age_days"].notna().any():
        found["tenure"] = tenure(cases["age_days"])
    found["ARR"] = thirds(cases["arr"])
    return {name: labels for name, labels in found.items() if labels.nunique() >= 2}


def thirds(arr: pd.Series) -> pd.Series:
    """Smallest, middle and largest third; all missing where equal amounts make thirds impossible."""
    place = pd.qcut(arr, 3, labels=False, duplicates="drop") if arr.nunique() >= 30 else pd.Series(float("nan"), index=arr.index)
    if place.nunique() < 3:
        return pd.Series(pd.NA, index=arr.index, dtype="string")
    return place.map({0: "smallest third", 1: "middle third", 2: "largest third"}).astype(
        pd.CategoricalDtype(["smallest third", "middle third", "largest third"], ordered=True)
    )


def ordinal(number: pd.Series) -> pd.Series:
    """0, 1, 2, 3 and more -> 1st, 2nd, 3rd, 4th and later, in that order."""
    labels = ["1st", "2nd", "3rd", "4th and later"]
    return pd.Series(
        pd.Categorical.from_codes(number.clip(upper=3).to_numpy(int).tolist(), categories=pd.Index(labels), ordered=True),
        index=number.index,
    )


def tenure(age_days: pd.Series) -> pd.Series:
    """Days since the first contract -> years as a customer, in order; missing where unknown."""
    edges = [*(float(start) for start, _ in YEARS), float("inf")]
    return pd.cut(age_days.clip(lower=0), edges, right=False, labels=[label for _, label in YEARS])
