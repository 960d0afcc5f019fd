"""What the data check knows, as one frozen object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from healthlib.studies.readiness import Power


@dataclass(frozen=True)
class CheckFacts:
    """Is the data good enough? Every frame is as known on `context["as_of"]`, but for the rows that were set aside.

    Attributes
    ----------
    context : workspace, currency, as_of, data_through, simulated, accounts (active), scorecard_sha256, versions, kind (of outcome),
        segment_by (the attribute that coverage is split by; empty without), lead_days, grace_days, months (day of the oldest and the newest
        coverage), evidence (how weak it is; empty where there are dates)
    dated : whether the rows have days at all; False for one flat sheet, which has none of the frames from `clocks` to `bridge`
    failed : what stops a run; empty where nothing does
    readiness : question, verdict, why, needs; see `readiness`
    power : how many outcomes, and what an AUC could be known to
    tables : table, rows_in, rows_used, rows_rejected, share (rejected), first_day, last_day
    rules : table, rule, rows, then file, line, column, value of its first rows in `examples` order; most rows first
    examples : table, rule, file, line, column, value: up to three a rule
    coverage : metric, label, group, weight, as_of, share (measured, of the active accounts it applies to), accounts (it applies to)
    by_segment : metric, label, weight, segment, share, accounts: on the last day
    clocks : see `provenance.clocks`; with weight (share of the score's weight that reads the table)
    undated : attributes with today's value only that the scorecard asks for
    breaks, volumes : see `breaks.find_breaks`
    strangers, reach : see `provenance`
    repeats : see `repeats.repeats`
    beside : ARR of terms beside each account's largest running one, on the day; see `ledger.beside`
    overlaps, mismatches, bridge, invoiced : see `ledger`; bridge also has known_then (ARR by what was known on that day) and restated
        (the end less that)
    leaks, leak_figures, leak_notes : what seems to know the outcome, as in `leaks.LeakAudit`
    labels : metric -> what it is called
    lint : the scorecard looked over, see `lint.lint`
    warnings : what else a reader should know
    corrected : terms of contracts that were told again otherwise, see `provenance.corrected`
    """

    context: dict[str, Any]
    dated: bool
    failed: str
    readiness: pd.DataFrame
    power: Power
    tables: pd.DataFrame
    rules: pd.DataFrame
    examples: pd.DataFrame
    coverage: pd.DataFrame
    by_segment: pd.DataFrame
    clocks: pd.DataFrame
    undated: tuple[str, ...]
    breaks: pd.DataFrame
    volumes: pd.DataFrame
    strangers: pd.DataFrame
    reach: pd.DataFrame
    repeats: pd.DataFrame
    beside: float
    overlaps: pd.DataFrame
    mismatches: pd.DataFrame
    bridge: pd.DataFrame
    invoiced: pd.DataFrame
    leaks: pd.DataFrame
    leak_figures: pd.DataFrame
    leak_notes: tuple[str, ...]
    labels: dict[str, str]
    lint: pd.DataFrame
    warnings: tuple[str, ...]
    corrected: int = 0
