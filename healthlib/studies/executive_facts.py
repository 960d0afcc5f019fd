"""What the executive report knows, as one frozen object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from healthlib.resample import Estimate
from healthlib.studies.reconcile import Counts


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
    risks : which accounts first: account_id, name, segment, csm, arr, term_ends, days_left, score, change and its four
        causes (change_behaviour ...), band, loss, loss_low, loss_high, expected_lost, why, playbook
    causes : by (accounts, arr), then `changes.AVERAGE_COLUMNS`: what moved the average score of each band and of the book since `month`
    auc, arr_auc : the current scorecard's, out of time
    flagged : share of churned accounts ("accounts") and of their ARR ("arr") in the worst band 90 days before; "base": of all accounts, the
        share that was
    advice : recommendation, reason
    coverage : mean share of the weight measured; share of accounts scored
    tables : table, rows_in, rows_used, rows_rejected, last_day
    scorecards : the changes of the scorecard up to today: `versions.COLUMNS`
    leaks : metric, kind, evidence
    warnings : what the reader should know of the data
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
    groups: pd.DataFrame
    retention: dict[str, Estimate]
    moves: pd.DataFrame
    due: pd.DataFrame
    forecast: pd.DataFrame
    risks: pd.DataFrame
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
