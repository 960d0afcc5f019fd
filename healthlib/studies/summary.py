"""The figures of the executive report under the names of summary.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthlib.resample import Estimate
from healthlib.studies import books, headline, ways

if TYPE_CHECKING:
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.backtest_bands import BacktestFacts
    from healthlib.studies.choosing import ChoosingFacts
    from healthlib.studies.contest import ContestFacts
    from healthlib.studies.executive_facts import ExecutiveFacts
    from healthlib.studies.fit import FitFacts
    from healthlib.studies.followed import FollowedFacts
    from healthlib.studies.growth import GrowthFacts


LISTED = 15
"""Accounts at risk that summary.json lists; all are in scores.csv."""
LISTED_COLUMNS = (
    "account_id", "name", "arr", "term_ends", "band", "score", "change", "loss", "loss_low", "loss_high", "plain", "csm", "playbook",
    "doing", "coming",
)  # fmt: skip


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
        "bands": facts.by_band[["band", "accounts", "arr", "accounts_before", "arr_before", "accounts_year", "arr_year"]],
        "retention": facts.retention,
        "arr_moves": facts.moves,
        "renewals_due": {
            str(days): [
                {"band": row["band"], "accounts": row["accounts"], "arr": row["arr"], "expected_lost_arr": estimate(row, "expected_lost")}
                for row in part[part["band"] != "all"].to_dict("records")
            ]
            for days, part in facts.due.groupby("days")
            if context["kind"] != "churn_within"
        },
        "tables": facts.tables,
        **shown(facts),
        **headline.headline(facts),
    }


def shown(facts: ExecutiveFacts) -> dict[str, Any]:
    """What the executive report shows besides: totals of renewals due, the calendar, who moved, groups by segment, top risks, verdicts."""
    months = facts.calendar.months
    risks = facts.risks.head(LISTED)[list(LISTED_COLUMNS)]
    groups = facts.groups.rename(columns=lambda name: name.removeprefix("group:"))
    known_rest = ["segment", "accounts", "arr", "arr_worst"]
    return {
        "renewals_total": {
            str(row["days"]): {"accounts": row["accounts"], "arr": row["arr"], "expected_lost_arr": estimate(row, "expected_lost")}
            for row in facts.due[facts.due["band"] == "all"].to_dict("records")
        },
        "calendar": [
            {**row, "bands": months.loc[(months["period"] == row["period"]) & (months["band"] != "all"), ["band", "accounts", "arr"]]}
            for row in months[months["band"] == "all"].drop(columns="band").to_dict("records")
        ],
        "trend": facts.trend,
        "migration": facts.migration,
        "movers": facts.movers,
        "segments": [
            {**{name: row[name] for name in known_rest}, "groups": {name: row[name] for name in row if name not in known_rest}}
            for row in groups.to_dict("records")
        ],
        "risks": risks,
        "flagged": facts.flagged,
        "believe": facts.verdicts,
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


def whole(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything in the summary.json of a run: the figures of `executive` with those of the studies beside it, by study -> facts."""
    figures = with_thresholds(with_contest(facts["executive"].summary, facts["contest"]), facts["choosing"])
    made = {"books": books.listed(facts["books"])} if "books" in facts else {}
    return {**with_followed(figures, facts["followed"], facts["growth"]), **made}


def with_contest(figures: dict[str, Any], facts: ContestFacts) -> dict[str, Any]:
    """The figures with `contest` under `weights`."""
    return {**figures, "weights": {**figures.get("weights", {}), "contest": known(contest(facts))}}


def with_followed(figures: dict[str, Any], facts: FollowedFacts, growth: GrowthFacts) -> dict[str, Any]:
    """The figures with those of the executive report's lower half: `growth`, `zombies`, `watermelons_6_months`, `red_list`, `saves`,
    `interventions` and `csm_load`."""
    work, red = facts.worked, facts.red
    part = {
        "growth": {
            "ready": _held(facts.ready) if growth.ranked else None,
            "advocates": _held(growth.advocates.today) if not growth.advocates.needs else None,
            "power_users": _held(facts.power) if facts.power_labels else None,
        },
        "zombies": _held(facts.zombies) if facts.kind != "flat" else None,
        "watermelons_6_months": _held(facts.watermelons) if facts.kind != "flat" else None,
        "red_list": {"since": red.since, "fates": red.fates} if red.since is not None else None,
        "saves": {
            **_held(work.saves, "arr_then"), "rate": work.saved, "arr_rate": work.arr_saved, "not_worked": work.alone,
            "arr_not_worked": work.arr_alone, "waiting": {"accounts": work.waiting, "arr": work.arr_waiting},
        } if work.recorded else None,
        "interventions": work.playbooks if work.recorded else None,
        "csm_load": facts.loads if len(facts.loads) else None,
    }  # fmt: skip
    return {**figures, **known(part)}


def _held(frame: pd.DataFrame, column: str = "arr") -> dict[str, Any]:
    """How many accounts a list holds, and their ARR."""
    return {"accounts": len(frame), "arr": float(frame[column].sum())}


def with_thresholds(figures: dict[str, Any], facts: ChoosingFacts) -> dict[str, Any]:
    """The figures with `thresholds`, the ways of choosing them; as they are where nothing could be computed."""
    found = known(ways.figures(facts))
    return {**figures, "thresholds": found} if found else figures


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
