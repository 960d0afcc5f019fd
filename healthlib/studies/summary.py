"""The figures of the executive report under the names of summary.json."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthlib.resample import Estimate
from healthlib.studies import headline

if TYPE_CHECKING:
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.backtest_bands import BacktestFacts
    from healthlib.studies.contest import ContestFacts
    from healthlib.studies.executive_facts import ExecutiveFacts
    from healthlib.studies.fit import FitFacts


def summary(audit: AuditFacts, fit: FitFacts, backtest: BacktestFacts, executive: ExecutiveFacts) -> dict[str, Any]:
    """Every figure of summary.json; what could not be computed is absent."""
    return known(
        {
            **standing(executive),
            "readiness": readiness(audit),
            "outcomes": outcomes(audit),
            "leaks": leaks(fit),
            "weights": weights(fit),
            "backtest": replay(backtest),
            "forecast": forecast(executive),
        }
    )


def known(value: Any) -> Any:
    """The same tree with Estimates as dictionaries and without what is undefined: NaN, NaT, None, and what is left empty by that.

    >>> known({"a": float("nan"), "b": {"c": None}, "d": [], "e": 1, "f": [{"g": float("nan"), "h": 2}]})
    {'d': [], 'e': 1, 'f': [{'h': 2}]}
    """
    if isinstance(value, Estimate):
        value = value.as_dict() if math.isfinite(value.value) else {}
    if isinstance(value, pd.DataFrame):
        value = value.to_dict("records")
    if isinstance(value, dict):
        parts = {str(name): known(part) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part is not None and part != {}}
    if isinstance(value, list | tuple):
        return [known(part) for part in value]
    return None if value is None or pd.isna(value) else value


def estimate(row: Any, value: str) -> Estimate:
    """The Estimate in a row that has `value`, low, high, n and events."""
    return Estimate(row[value], row["low"], row["high"], row["n"], row["events"])


def standing(facts: ExecutiveFacts) -> dict[str, Any]:
    """What is known of today without any model: accounts, ARR, bands, retention, renewals due, tables."""
    context, scores = facts.context, facts.scores
    return {
        "workspace": context["workspace"],
        "currency": context["currency"],
        "as_of": context["as_of"],
        "data_through": context["data_through"],
        "simulated": context["simulated"],
        "scorecard_sha256": context["scorecard_sha256"],
        "warnings": list(facts.warnings),
        "accounts": {"active": len(scores), "scored": int(scores["score"].notna().sum()), "unscored": int(scores["score"].isna().sum())},
        "arr": {"total": float(scores["arr"].sum())},
        "bands": facts.by_band[["band", "accounts", "arr", "accounts_before", "arr_before"]],
        "retention": facts.retention,
        "renewals_due": {
            str(days): [
                {"band": row["band"], "accounts": row["accounts"], "arr": row["arr"], "expected_lost_arr": estimate(row, "expected_lost")}
                for row in part[part["band"] != "all"].to_dict("records")
            ]
            for days, part in facts.due.groupby("days")
            if context["kind"] != "churn_within"
        },
        "tables": facts.tables[["table", "rows_in", "rows_used", "rows_rejected"]],
        **headline.headline(facts),
    }


def readiness(audit: AuditFacts) -> dict[str, Any]:
    """Question -> verdict, why, needs."""
    return {
        row["question"]: {"verdict": row["verdict"], "why": row["why"], "needs": row["needs"]} for row in audit.readiness.to_dict("records")
    }


def outcomes(audit: AuditFacts) -> dict[str, Any]:
    """How much was lost, by count and by ARR."""
    return {
        "kind": audit.kind,
        "cases": audit.n_cases,
        "accounts": audit.n_accounts,
        "lost": audit.n_lost,
        "base_rate": audit.base_rate,
        "arr_base_rate": audit.arr_base_rate,
    }


def leaks(fit: FitFacts) -> list[dict[str, Any]]:
    """What knows the future, with the evidence: metrics, `score_history`, `accounts.<column>`, `<table>.*`, `cases`."""
    return [
        {
            "metric": row["metric"],
            "kind": row["kind"],
            "evidence": row["evidence"],
            "overruled": bool(row["overruled"]),
            "reason": row["reason"] or None,
        }
        for row in fit.leaks.to_dict("records")
    ]


def weights(fit: FitFacts) -> dict[str, Any]:
    """The recommendation and what it rests on."""
    auc = {name: found for name, found in fit.auc.items() if name != "learned"}
    gains = {name: found for name, found in fit.differences.items() if not name.startswith("learned")}
    return {"recommendation": fit.recommendation, "reason": fit.reason, "auc": auc, "difference": gains}


def contest(facts: ContestFacts) -> list[dict[str, Any]]:
    """A row an entrant of the contest: every measure by accounts, and as `arr_<measure>` by ARR; the same figures as contest.csv."""
    rows: dict[str, dict[str, Any]] = {}
    for row in facts.table.to_dict("records"):
        entrant = rows.setdefault(row["scheme"], {"scorecard": row["scheme"], "suspected": bool(row["suspected"])})
        name = row["measure"] if row["by"] == "accounts" else f"arr_{row['measure']}"
        entrant[name] = Estimate(row["value"], row["low"], row["high"], row["accounts"], row["lost"])
    return list(rows.values())


def with_contest(figures: dict[str, Any], facts: ContestFacts) -> dict[str, Any]:
    """The figures with `contest` under `weights`."""
    return {**figures, "weights": {**figures.get("weights", {}), "contest": known(contest(facts))}}


def replay(backtest: BacktestFacts) -> dict[str, Any]:
    """What each band of the current scorecard lost, out of time."""
    names = ["band", "accounts", "churn_rate", "lift", "share_of_churned_accounts", "share_of_churned_arr"]
    return {"cutoffs": backtest.cutoffs, "bands": backtest.bands[names], "floors": backtest.floors[["name", "answer"]]}


def forecast(facts: ExecutiveFacts) -> list[dict[str, Any]]:
    """Forecast against actual, month by month."""
    return [
        {
            "period": row["period"],
            "renewing_arr": row["renewing_arr"],
            "expected_renewed_arr": estimate(row, "expected"),
            "actual": row["actual"],
        }
        for row in facts.forecast.to_dict("records")
    ]
