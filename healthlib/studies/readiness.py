"""What the outcomes at hand can carry: audit, fit, backtest, forecast — yes, care or no, why, and what is needed."""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = ("question", "verdict", "why", "needs")

CARRIES = {"audit": (1, 20), "fit": (20, 100), "backtest": (20, 100), "forecast": (20, 50)}
"""Lost accounts from which a question may be asked with care, and from which it may be answered (conventions: an AUC of 0.75 is
known to about +-0.13 with 20 losses, +-0.09 with 40, +-0.06 with 100)."""

MONTHS = {"audit": 0, "fit": 6, "backtest": 12, "forecast": 12}
"""Months between the first and the last finished case that each question needs (conventions)."""

DOES = {
    "audit": "say who leaves and what went before",
    "fit": "learn weights from outcomes",
    "backtest": "replay the score against the past",
    "forecast": "put a probability on renewals to come",
}


def readiness(finished: pd.DataFrame) -> pd.DataFrame:
    """The verdict per question.

    Parameters
    ----------
    finished : finished cases (account_id, as_of, lost)

    Returns
    -------
    DataFrame with `COLUMNS`; `needs` is empty where the verdict is yes.
    """
    lost = int(finished.loc[finished["lost"] == 1, "account_id"].nunique()) if len(finished) else 0
    kept = int(finished.loc[finished["lost"] == 0, "account_id"].nunique()) if len(finished) else 0
    months = _months(finished)
    rows = [(question, *_verdict(question, lost, kept, months)) for question in CARRIES]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _months(finished: pd.DataFrame) -> float:
    """Months between the first and the last finished case; NaN where one sheet has no dates."""
    if finished.empty:
        return 0.0
    if "fold" in finished:
        return float("nan")
    return (finished["as_of"].max() - finished["as_of"].min()).days / 30.4375


def _verdict(question: str, lost: int, kept: int, months: float) -> tuple[str, str, str]:
    """Verdict, why, and what would lift it."""
    care, yes = CARRIES[question]
    rarer, side = min((lost, "lost"), (kept, "kept"))
    dated = not np.isnan(months)
    over = f"over {_count(round(months), 'month')}" if dated else "without dates"
    why = f"{_count(lost, 'account')} lost and {_count(kept, 'account')} kept, {over}, to {DOES[question]}"
    wants = []
    if rarer < yes:
        wants.append(f"{_count(yes - rarer, 'more account')} {side} for a firm answer{_pace(yes - rarer, rarer, months)}")
    if not dated and MONTHS[question]:
        wants.append("dates: contracts with their start and end, and events with their day")
    if months < MONTHS[question]:
        wants.append(f"{_count(int(np.ceil(MONTHS[question] - months)), 'more month')} of finished cases")
    verdict = "no" if rarer < care else "care" if wants else "yes"
    return verdict, why, "; ".join(wants)


def _pace(missing: int, seen: int, months: float) -> str:
    """How long the missing number takes at the present pace."""
    if seen < 1 or not months >= 3:
        return ""
    years = missing / seen * months / 12
    wait = f"{_count(max(1, round(years * 12)), 'month')}" if years < 1.5 else f"{years:.1f} years"
    return f" (about {wait} at the present pace)"


def _count(number: int, noun: str) -> str:
    """`3 accounts`, `1 account`, `1,200 more months`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
