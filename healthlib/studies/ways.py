"""The ways of choosing thresholds as the files of a run tell them: thresholds.csv, and `thresholds` of summary.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from healthlib.resample import Estimate

if TYPE_CHECKING:
    from healthlib.studies.choosing import ChoosingFacts

NAMES = {
    "scheme": "scorecard", "way": "method", "today": "accounts_today", "past_year": "accounts_a_month", "arr_low": "arr_caught_low",
    "arr_high": "arr_caught_high", "alarms": "false_alarms", "wrong": "false_alarm_share", "wrong_low": "false_alarm_share_low",
    "wrong_high": "false_alarm_share_high",
}  # fmt: skip
"""Columns of `choices` under the names of the files."""
MEASURES = ("lower", "upper", "caught", "arr_caught", "false_alarm_share", "net", "gain")
"""What has an interval."""


def table(facts: ChoosingFacts) -> pd.DataFrame:
    """`choices` under the names of thresholds.csv, a row a scorecard and way of choosing.

    Returns
    -------
    DataFrame with the columns of `artifacts.THRESHOLDS`: the cuts with where they lie over resamples; accounts below the lower one today
    and on the mean of the past twelve month-ends; what is caught of the accounts and ARR lost; worked, false_alarms (worked, yet stayed),
    net (saved ARR - cost) and gain (over that by hand) per year, or per pass where a flat sheet has no time; 95 % intervals; the cases,
    accounts and lost cases tested. NaN where a way has no answer; no row where nothing can be said.
    """
    per = "pass" if facts.kind == "flat" else "year"
    tested = {"per": per, "cases": facts.cases, "accounts": facts.accounts_tested, "lost": facts.lost}
    return facts.choices.rename(columns=NAMES).assign(**tested)


def figures(facts: ChoosingFacts) -> dict[str, Any]:
    """The same for summary.json: what work is taken to cost and to save, and a row a scorecard and way; empty where nothing can be said."""
    if facts.choices.empty:
        return {}
    work = facts.work
    return {
        "per": "pass" if facts.kind == "flat" else "year",
        "decisions": facts.decisions,
        "work": {
            "accounts_per_csm": work.accounts_per_csm, "csms": facts.csms, "cost": work.cost, "save_rate": list(work.save_rate),
            "renew_best": work.renew_best, "renew_worst": work.renew_worst, "assumed": list(facts.assumed),
        },
        "methods": [_figures(row) for row in table(facts).to_dict("records") if row["lower"] == row["lower"]],
    }  # fmt: skip


def _figures(row: dict[Any, Any]) -> dict[str, Any]:
    """One way of choosing, each measure an Estimate."""
    plain = ("scorecard", "method", "accounts_today", "accounts_a_month", "worked", "false_alarms")
    found = {
        name: Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"], row["accounts"], row["lost"])
        for name in MEASURES
        if row[name] == row[name]
    }
    return {name: row[name] for name in plain} | found
