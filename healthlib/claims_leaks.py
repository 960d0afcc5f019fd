"""The sentences about the leak audit: which metrics were left out, which stay because somebody said so, and what else it found."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from healthlib.claims import named
from healthlib.studies.leaks import left_out, overruled
from healthlib.wording import counted


def found(leaks: pd.DataFrame, labels: Mapping[str, str], *, then: str) -> str:
    """Which metrics seem to know the outcome; `then` says what became of them, with {be} for was or were.

    >>> row = ("a", "edited", "x", "metric", False, "")
    >>> found(pd.DataFrame([row], columns=["metric", "kind", "evidence", "of", "overruled", "reason"]), {"a": "A"}, then="{be} left out")
    '“A” seems to know the outcome and was left out.'
    """
    names = [f"“{labels.get(name, name)}”" for name in left_out(leaks)]
    if not names:
        return ""
    one = len(names) == 1
    return f"{named(names)} {'seems' if one else 'seem'} to know the outcome and {then.format(be='was' if one else 'were')}."


def kept(leaks: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Which suspected metrics are used all the same, and why."""
    said = [
        f"“{labels.get(name, name)}” seems to know the outcome but is used: the scorecard overrules the audit ({reason})."
        for name, reason in overruled(leaks).items()
    ]
    return " ".join(said)


def incumbent(leaks: pd.DataFrame) -> str:
    """What to think of the present tool's AUC, where its score seems to know the outcome."""
    if "of" not in leaks or not (leaks["of"] == "incumbent").any():
        return ""
    return "That AUC cannot be believed: the present tool’s score seems to know the outcome itself (see the leak audit)."


def elsewhere(leaks: pd.DataFrame) -> str:
    """What the audit found that is no metric: today's attributes, whole tables, the cases."""
    others = leaks[~leaks["of"].isin(["metric", "incumbent"])] if "of" in leaks else leaks.head(0)
    if others.empty:
        return ""
    return f"Beyond the metrics, {named([f'“{name}”' for name in others['metric'].unique()])} should be looked at before any conclusion."


def counting(leaks: pd.DataFrame) -> str:
    """How many metrics were left out, and how many stay, in one short sentence; empty for none."""
    out, stay = len(left_out(leaks)), len(overruled(leaks))
    said = []
    if out:
        verb = "seems" if out == 1 else "seem"
        said.append(f"{counted(out, 'metric')} that {verb} to know the future, left out of tests, fits and forecasts but still shown.")
    if stay:
        said.append(
            f"{counted(stay, 'metric')} that {'seems' if stay == 1 else 'seem'} to know the future, used because the scorecard says so."
        )
    return " ".join(said)
