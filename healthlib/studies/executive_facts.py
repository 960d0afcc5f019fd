"""What the executive report knows, as one frozen object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from healthlib.resample import Estimate
from healthlib.studies.reconcile import Counts
from healthlib.studies.renewal_calendar import Calendar


@dataclass(frozen=True)
class ExecutiveFacts:
    """Everything the executive report says; `summary` holds the same figures under the names of summary.json.

    Attributes
    ----------
    context : workspace, currency, as_of, data_through, simulated, accounts, scorecard_sha256, seed, versions, kind (of outcome), lead_days,
        month, quarter, year (the earlier days compared with, NaT where history does not reach), segment_by, min_coverage
    bands : band names from worst to best, then unscored
    band_colours : each of `bands` with a colour of its own, "" where it has none
    profile : name (account_id where there is none), segment, csm by account_id, of the active accounts
    scores, alerts : as in scores.csv and alerts.csv
    by_band : band, accounts and arr today, _before (previous month-end) and _year (a year ago; NaN where unknown)
    trend, migration, groups : see `today`
    retention, moves : over twelve months, see `retention`; empty where no account had ARR a year ago
    due, forecast : see `renewals`
    movers : the largest accounts that changed band since `month`, see `movers`
    calendar : the renewals of the next twelve months, see `renewal_calendar`
    risks : which accounts first: account_id, name, segment, csm, arr, term_ends, days_left, score, change and its four
        causes (change_behaviour ...), band, loss, loss_low, loss_high, expected_lost, why (with figures and points), plain (in plain
        words), playbook, doing (the playbook that runs, "" for none), coming (the next step agreed, with its day)
    sparks : account_id, as_of, score of the first of `risks` by month
    causes : by (accounts, arr), then `changes.AVERAGE_COLUMNS`: what moved the average score of each band and of the book since `month`
    auc, arr_auc : the current scorecard's, out of time
    flagged : share of churned accounts ("accounts") and of their ARR ("arr") in the worst band 90 days before; "base": of all accounts, the
        share that was
    advice : recommendation, reason
    coverage : mean share of the weight measured; share of accounts scored
    tables : `belief.FRESH_COLUMNS`: rows, last record, age and coverage of every table
    verdicts : question -> yes, care, no or cannot tell, see `belief.verdicts`
    scorecards : the changes of the scorecard up to today: `versions.COLUMNS`
    leaks : metric, kind, evidence
    warnings : what the reader should know of the data
    band_starts : the score from which each band holds, worst first, without unscored
    links : account_id -> where the audit tells of it, of the accounts named here that have a section there
    counts : how customers, cases and losses hang together, see `reconcile`
    """

    context: dict[str, Any]
    bands: tuple[str, ...]
    profile: pd.DataFrame
    scores: pd.DataFrame
    alerts: pd.DataFrame
    by_band: pd.DataFrame
    trend: pd.DataFrame
    migration: pd.DataFrame
    movers: pd.DataFrame
    groups: pd.DataFrame
    retention: dict[str, Estimate]
    moves: pd.DataFrame
    due: pd.DataFrame
    calendar: Calendar
    forecast: pd.DataFrame
    risks: pd.DataFrame
    sparks: pd.DataFrame
    causes: pd.DataFrame
    scorecards: pd.DataFrame
    auc: Estimate
    arr_auc: Estimate
    flagged: dict[str, Estimate]
    advice: dict[str, str]
    coverage: dict[str, float]
    tables: pd.DataFrame
    leaks: pd.DataFrame
    warnings: tuple[str, ...]
    summary: dict[str, Any]
    band_colours: dict[str, str] = field(default_factory=dict)
    counts: Counts | None = None
    verdicts: dict[str, str] = field(default_factory=dict)
    band_starts: tuple[float, ...] = ()
    links: dict[str, str] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        """The currency of the workspace."""
        return str(self.context["currency"])

    @property
    def flat(self) -> bool:
        """Whether all was made from one sheet, without dates."""
        return self.context["kind"] == "flat"

    @property
    def worst(self) -> pd.Series:
        """The row of the worst band in `by_band`."""
        return self.by_band.iloc[0]
