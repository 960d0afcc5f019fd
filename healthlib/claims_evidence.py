"""The sentences on what the outcomes weigh and what it would take to know more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.studies.evidence import MUCH_MISSING
from healthlib.studies.outlook import WORTH
from healthlib.studies.verdict import said
from healthlib.wording import count, counted, listed, number, share

if TYPE_CHECKING:
    from healthlib.studies.evidence import EvidenceFacts

NAMES = {
    "fitted_minus_current": ("fitted weights", "the current ones"),
    "fitted_minus_equal": ("fitted weights", "equal ones"),
    "equal_minus_current": ("equal weights", "the current ones"),
}
ASSUMED = (
    "The arithmetic: the true difference lies where its interval allows, today's evidence is kept, and what is still to come adds to it "
    "with the square root of the lost cases; a comparison is settled when its interval lies above zero, or below a gain of "
    f"{WORTH}. Of simulated verdicts given such numbers about 6 in 10 were settled at the first (55 checked), about 8 in 10 at the second "
    "(22 checked; study/outlook_study.md)."
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
    """How many more lost cases would settle the fitted weights against those in use and equal ones, at the present pace."""
    rows = {str(row["name"]): row for _, row in facts.settle.iterrows()}
    if "fitted_minus_current" not in rows:
        return "Nothing could be compared out of time, so it cannot be said how many more lost cases would settle it."
    said = [_settled(name, rows[name]) for name in ("fitted_minus_current", "fitted_minus_equal") if name in rows]
    return " ".join(said)


def _settled(name: str, row: pd.Series) -> str:
    one, other = NAMES[name]
    if row["even"] == 0:
        found = f"beat {other}" if row["low"] > 0 else f"do worse than {other}" if row["high"] < 0 else _little(other)
        return f"That {one} {found} is settled by {counted(row['lost'], 'lost case')}{_by_arr(row)}."
    tail = " Most likely they " + ("do" if row["adopting"] > 2 / 3 else "do not") + "." if not 1 / 3 <= row["adopting"] <= 2 / 3 else ""
    return f"Do {one} gain over {other}? {more(row['even'], row['likely'], (row['even_years'], row['likely_years']))}.{tail}"


def _little(other: str) -> str:
    return f"gain less than {WORTH} AUC over {other}"


def _by_arr(row: pd.Series) -> str:
    """What the money still lacks."""
    if not np.isfinite(row["arr_gain"]):
        return ""
    if row["arr_even"] == 0:
        return ", by ARR too" if (row["arr_low"] > 0) == (row["low"] > 0) else "; by ARR it is settled otherwise"
    return f"; by ARR {said(row['arr_even'], row['arr_likely'])}"


def more(even: float, likely: float, years: tuple[float, float]) -> str:
    """So many more lost cases, from an even chance to four of five, and years at the present pace.

    >>> more(61.0, 204.0, (0.6, 2.04))
    'About 61 more lost cases would settle it with an even chance and about 210 in four of five cases (1 to 2 years at the present pace)'
    >>> more(61.0, float("inf"), (31.0, float("inf")))
    'About 61 more lost cases would settle it with an even chance; how many would make that likely cannot be told (over 20 years at the \
present pace)'
    """
    words = said(even, likely)
    known = [round(max(one, 1)) for one in years if np.isfinite(one)]
    if not known:
        return words[0].upper() + words[1:]
    first = f"over {count(LONG)} years" if known[0] > LONG else ""
    last = f"over {count(LONG)} years" if known[-1] > LONG else counted(known[-1], "year")
    length = first or (f"{known[0]} to {last}" if known[0] < known[-1] else last)
    return f"{words[0].upper()}{words[1:]} ({length} at the present pace)"


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
        "weights held the truth in 90 to 93% (study/weights_study.md), so these cannot be "
        "relied on to 95%: read these as somewhat too narrow."
    )
