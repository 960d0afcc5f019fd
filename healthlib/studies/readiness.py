"""What the outcomes at hand can carry: audit, fit, backtest, forecast — yes, care or no, why, and what is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from healthlib.stats import auc_interval

COLUMNS = ("question", "verdict", "why", "needs")

CARRIES = {"audit": (1, 20), "fit": (20, 100), "backtest": (20, 100), "forecast": (20, 50)}
"""Lost accounts from which a question may be asked with care, and from which it may be answered (conventions; at 10 % churn an
AUC of 0.75 is known to about +-0.13 with 20 losses, +-0.09 with 40, +-0.06 with 100, +-0.04 with 200: `stats.auc_interval`)."""

MONTHS = {"audit": 0, "fit": 6, "backtest": 12, "forecast": 12}
"""Months between the first and the last finished case that each question needs (conventions)."""

MONTH_DAYS = 30.4375

DOES = {
    "audit": "say who leaves and what went before",
    "fit": "learn weights from outcomes",
    "backtest": "replay the score against the past",
    "forecast": "put a probability on renewals to come",
}


USUAL_AUC = 0.75
"""The AUC whose interval is told: what a health score that works usually reaches (a convention)."""

PACE_MONTHS = 12
"""The present pace is that of so many months before the last finished case."""


@dataclass(frozen=True)
class Power:
    """How many outcomes there are, and what an AUC could be known to with them.

    Attributes
    ----------
    lost, kept : accounts with a case that was lost; with one that was kept
    months : between the first and the last finished case; NaN without dates
    pace : accounts of the rarer kind a month, over the last `PACE_MONTHS`; NaN where there are no three months to tell it from
    low, high : the 95 % interval of an AUC of `USUAL_AUC`; NaN where one kind is missing. Each account counts once, because its cases
        share a fate
    """

    lost: int
    kept: int
    months: float
    pace: float
    low: float
    high: float

    @property
    def rarer(self) -> int:
        """Accounts of the rarer kind: what certainty hangs on."""
        return min(self.lost, self.kept)

    def after(self, more: int) -> tuple[float, float]:
        """The interval with `more` accounts of the rarer kind, and the other kind in the same proportion."""
        grown = (self.rarer + more) / self.rarer if self.rarer else float("nan")
        return auc_interval(USUAL_AUC, round(self.lost * grown), round(self.kept * grown)) if self.rarer else (grown, grown)

    def wait(self, more: int) -> float:
        """Months until there are `more` of the rarer kind at the present pace; NaN where there is none."""
        return more / self.pace if self.pace > 0 else float("nan")


def power(finished: pd.DataFrame) -> Power:
    """What the finished cases amount to.

    Parameters
    ----------
    finished : finished cases (account_id, as_of, lost; `fold` in a flat sheet)
    """
    lost, kept = (_accounts(finished, value) for value in (1, 0))
    months = _months(finished)
    rarer = lost if len(lost) <= len(kept) else kept
    span = min(months, PACE_MONTHS) if months >= 3 else float("nan")
    recent = int((rarer > finished["as_of"].max() - pd.Timedelta(days=int(span * MONTH_DAYS))).sum()) if span == span and len(rarer) else 0
    low, high = auc_interval(USUAL_AUC, len(lost), len(kept))
    return Power(len(lost), len(kept), months, recent / span if span == span else float("nan"), low, high)


def readiness(finished: pd.DataFrame) -> pd.DataFrame:
    """The verdict per question.

    Parameters
    ----------
    finished : finished cases (account_id, as_of, lost)

    Returns
    -------
    DataFrame with `COLUMNS`; `needs` is empty where the verdict is yes.
    """
    has = power(finished)
    return pd.DataFrame([(question, *_verdict(question, has)) for question in CARRIES], columns=list(COLUMNS))


def not_ready(why: str, needs: str) -> pd.DataFrame:
    """No to every question: the data cannot be used as they are."""
    return pd.DataFrame([(question, "no", why, needs) for question in CARRIES], columns=list(COLUMNS))


def _accounts(finished: pd.DataFrame, lost: int) -> pd.Series:
    """account_id -> the day of its first case with this outcome."""
    if finished.empty:
        return pd.Series(dtype="datetime64[s]")
    return finished[finished["lost"] == lost].groupby("account_id")["as_of"].min()


def _months(finished: pd.DataFrame) -> float:
    """Months between the first and the last finished case; NaN where one sheet has no dates."""
    if finished.empty:
        return 0.0
    if "fold" in finished:
        return float("nan")
    return (finished["as_of"].max() - finished["as_of"].min()).days / MONTH_DAYS


def _verdict(question: str, has: Power) -> tuple[str, str, str]:
    """Verdict, why, and what would lift it."""
    care, yes = CARRIES[question]
    rarer, side = has.rarer, "lost" if has.lost <= has.kept else "kept"
    dated = not np.isnan(has.months)
    over = f"over {_count(round(has.months), 'month')}" if dated else "without dates"
    known = f", enough to know an AUC of {USUAL_AUC} to {has.low:.2f}–{has.high:.2f}" if has.low == has.low else ""
    why = f"{_count(has.lost, 'account')} lost and {_count(has.kept, 'account')} kept, {over}, to {DOES[question]}{known}"
    wants = []
    if rarer < yes:
        low, high = has.after(yes - rarer)
        then = f", for an AUC known to {low:.2f}–{high:.2f}" if low == low else ""
        wants.append(f"{_count(yes - rarer, 'more account')} {side} for a firm answer{then}{_pace(has, yes - rarer)}")
    if not dated and MONTHS[question]:
        wants.append("dates: contracts with their start and end, and events with their day")
    if has.months < MONTHS[question]:
        wants.append(f"{_count(int(np.ceil(MONTHS[question] - has.months)), 'more month')} of finished cases")
    verdict = "no" if rarer < care else "care" if wants else "yes"
    return verdict, why, "; ".join(wants)


def _pace(has: Power, missing: int) -> str:
    """How long the missing number takes at the present pace."""
    months = has.wait(missing)
    if not months >= 0:
        return ""
    wait = _count(max(1, round(months)), "month") if months < 18 else f"{months / 12:.1f} years"
    return f" (about {wait} at the present pace)"


def _count(number: int, noun: str) -> str:
    """`3 accounts`, `1 account`, `1,200 more months`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
