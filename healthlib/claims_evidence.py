"""The sentences on what the outcomes weigh and what it would take to know more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.studies.evidence import MUCH_MISSING
from healthlib.studies.verdict import rounded
from healthlib.wording import count, counted, listed, number, share

if TYPE_CHECKING:
    from healthlib.studies.evidence import EvidenceFacts

NAMES = {
    "fitted_minus_current": ("fitted weights", "the current ones"),
    "fitted_minus_equal": ("fitted weights", "equal ones"),
    "equal_minus_current": ("equal weights", "the current ones"),
}
ASSUMED = (
    "The arithmetic: a difference stays what it is, and its interval narrows with the square root of the lost cases. It says when the "
    "interval would just leave zero, which in about half of all companies like this one comes sooner and in half later."
)
LONG = 20.0
"""Years after which a number of years says no more than that it is long."""


def outcomes(facts: EvidenceFacts) -> str:
    """The effective number of outcomes: lost accounts, not cases, and fewer by ARR."""
    if facts.outcomes.empty or not facts.outcomes["all"].iloc[0]:
        return "There is no finished case yet."
    cases, accounts, effect = facts.outcomes.to_dict("records")
    said = f"What counts is {counted(accounts['lost'], 'lost account')}, not {counted(cases['all'], 'case')}"
    if cases["lost"] > accounts["lost"]:
        said += f", nor the {counted(cases['lost'], 'lost case')} they appear in"
    return f"{said}; weighed by ARR {_they(accounts['lost'])} as much as {counted(effect['lost'], 'account')} of equal size."


def _they(lost: float) -> str:
    return "it tells" if lost == 1 else "they tell"


def shared(facts: EvidenceFacts) -> str:
    """Which metrics share a weight."""
    if facts.shared.empty:
        return "No metrics are so alike that they share a weight: the outcomes can tell all of them apart, given enough of them."
    parts = [
        f"{listed(list(row['metrics']))} share {number(row['fitted'], 0)} points (95% {number(row['low'], 0)}–{number(row['high'], 0)})"
        for row in facts.shared.to_dict("records")
    ]
    return (
        f"{listed(parts)}: their scores go together, and the outcomes cannot tell which of them deserves the points. How they are divided "
        "among them follows the weights in use, not the outcomes."
    )


def settle(facts: EvidenceFacts) -> str:
    """How many more lost cases would tell the fitted weights from those in use, at the present pace."""
    rows = {str(row["name"]): row for _, row in facts.settle.iterrows()}
    if "fitted_minus_current" not in rows:
        return "Nothing could be compared out of time, so it cannot be said how many more lost cases would settle it."
    said = [_settled(name, rows[name]) for name in ("fitted_minus_current", "fitted_minus_equal") if name in rows]
    return " ".join(said)


def _settled(name: str, row: pd.Series) -> str:
    one, other = NAMES[name]
    if row["more"] == 0:
        side = "beat" if row["gain"] > 0 else "do worse than"
        return f"That {one} {side} {other} is settled by {counted(row['lost'], 'lost case')}{_by_arr(row)}."
    return f"Telling {one} from {other} would take {more(row['more'], row['years'])}."


def _by_arr(row: pd.Series) -> str:
    """What the money still lacks."""
    if not np.isfinite(row["arr_gain"]) or row["arr_more"] == 0:
        return ", by ARR too" if row["arr_more"] == 0 and row["arr_gain"] * row["gain"] > 0 else ""
    return f"; by ARR it would take {more(row['arr_more'], row['years'] * np.nan)}"


def more(lost: float, years: float) -> str:
    """So many more lost cases, and years at the present pace.

    >>> more(104.2, 3.06), more(float("inf"), 1.0), more(12000.0, 260.0), more(8.0, float("nan"))
    ('about 110 more lost cases (3 years at the present pace)', 'no number of lost cases: they are equally good', \
'about 12,000 more lost cases (over 20 years at the present pace)', 'about 8 more lost cases')
    """
    if not np.isfinite(lost):
        return "no number of lost cases: they are equally good"
    said = f"about {counted(rounded(lost), 'more lost case')}"
    if not np.isfinite(years):
        return said
    if years > LONG:
        return f"{said} (over {count(LONG)} years at the present pace)"
    length = "less than a year" if years < 0.95 else counted(round(years), "year")
    return f"{said} ({length} at the present pace)"


def pace(facts: EvidenceFacts) -> str:
    """The pace and the assumption."""
    if not np.isfinite(facts.pace):
        return ASSUMED
    return f"In the last year of finished cases {counted(facts.pace, 'was lost', 'were lost')}. {ASSUMED}"


def missing(facts: EvidenceFacts) -> str:
    """A warning where so much is missing that intervals of weights hold too rarely; else empty."""
    if not facts.missing > MUCH_MISSING:
        return ""
    return (
        f"{share(facts.missing)} of the metric values are missing. With 30% missing and 60 to 230 lost cases, simulated 95% intervals of "
        "weights held the truth in 90 to 93% (study/weights_study.md): read these as somewhat too narrow."
    )
