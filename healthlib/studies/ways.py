"""The ways of choosing thresholds as summary.json tells them, under `thresholds`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from healthlib.resample import Estimate

if TYPE_CHECKING:
    from healthlib.studies.choosing import ChoosingFacts

MEASURES = ("lower", "upper", "caught", "arr_caught", "false_alarm_share", "net", "gain")
"""What has an interval."""


def figures(facts: ChoosingFacts) -> dict[str, Any]:
    """What work is taken to cost and to save, and the rows of thresholds.csv, each measure an Estimate; empty where nothing can be said."""
    if facts.choices.empty:
        return {}
    work = facts.work
    return {
        "per": facts.per,
        "decisions": facts.decisions,
        "work": {
            "accounts_per_csm": work.accounts_per_csm, "csms": facts.csms, "cost": work.cost, "save_rate": list(work.save_rate),
            "renew_best": work.renew_best, "renew_worst": work.renew_worst, "assumed": list(facts.assumed),
        },
        "methods": [_figures(row) for row in facts.table.to_dict("records") if row["lower"] == row["lower"]],
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
