"""Who left, and why: the scorecard's metrics measured by other code than the product's, then a logistic hazard on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import yaml

from healthlib.demo_accounts import EVENTS_FROM, LAST_DAY, Company
from healthlib.demo_cases import solve_intercept
from healthlib.demo_config import SCORECARD

LEAD_DAYS, QUANTILE_BEST = 90, {"meetings": 10.0}
LEAK = "cancellation_tickets"
TRUE_WEIGHTS = {
    "onboarding_done": 4.0, "provisioned_share": 0.0, "executive_contact": 24.0, "meetings": 0.0, "active_seats": 26.0,
    "feature_breadth": 6.0, "usage_trend": 16.0, "goals_achieved": 20.0, "nps": 0.0, "csm_rating": 0.0, "advocacy": 0.0,
    "ticket_satisfaction": 0.0, "cancellation_tickets": 0.0, "critical_open": 0.0, "late_payment": 4.0,
}  # fmt: skip
"""What truly drives a loss, in points of 100, on the scales of the demo's scorecard.yaml."""
SLOPE, SHOCK, SAVING, ZOMBIE_SHIFT = 10.0, 0.015, 0.5, -2.5
REASONS = ("low usage", "no executive sponsor", "missing value", "price", "competitor", "support quality")


@dataclass(frozen=True)
class Hazard:
    """How outcomes are drawn: logit P = intercept - slope * true health / 100 - saving * treated + zombie shift; shocks come on top.

    `slope`, `shock`, `saving`, `zombie_shift` are all 0 where outcomes are pure noise.
    """

    slope: float = SLOPE
    shock: float = SHOCK
    saving: float = SAVING
    zombie_shift: float = ZOMBIE_SHIFT


def draw_outcomes(
    company: Company, events: dict[str, pd.DataFrame], seed: int, churn_rate: float, hazard: Hazard
) -> tuple[pd.DataFrame, float]:
    """Every term that really took place, with what became of it, and the intercept of the hazard.

    Adds to `company.terms`: as_of, a raw value per metric, current (today's score), health (the true one), probability, treated, shock,
    lost, decided, `next` (position of the following living term's start, NaN none) and `until` (the day the account's coverage by
    this term stops, gaps before a late signature included).
    """
    rng = np.random.default_rng([seed, 200])
    terms = company.terms.copy()
    terms["as_of"] = terms["end"] - LEAD_DAYS
    values = measure(company, events, terms)
    scores = metric_scores(values, terms["as_of"].to_numpy() - company.accounts["start"].to_numpy()[terms["account"]])
    weights = {name: metric["weight"] for name, metric in scorecard()["metrics"].items()}
    terms = pd.concat([terms, values], axis=1)
    terms["current"], terms["health"] = _weighted(scores, weights), _weighted(scores, TRUE_WEIGHTS)
    terms["treated"] = rng.random(len(terms)) < np.where(terms["current"] < 50, 0.6, 0.05)
    asleep = terms["end"].to_numpy() > company.accounts["zombie_from"].to_numpy()[terms["account"]]
    logit = -hazard.slope * terms["health"].fillna(50) / 100 - hazard.saving * terms["treated"] + hazard.zombie_shift * asleep
    logit += np.log(np.minimum((terms["end"] - terms["start"]) / 365, 1))
    intercept = solve_intercept(logit.to_numpy()[~asleep], churn_rate - hazard.shock)
    terms["probability"] = hazard.shock + (1 - hazard.shock) / (1 + np.exp(-(intercept + logit)))
    u = rng.random(len(terms))
    terms["shock"], terms["lost"] = u < hazard.shock, u < terms["probability"]
    return _live(terms, rng), intercept


def _live(terms: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Stop each account at its first loss; one in ten comes back a term later, if ever it would; then decide when and say why."""
    before = terms.groupby("account")["lost"].cumsum() - terms["lost"]
    since_loss = terms.groupby(["account", before])["term"].rank(method="first")
    returns = rng.random(terms["account"].max() + 1) < 0.1
    back = (before == 1) & returns[terms["account"]] & (since_loss > 1) & (terms["end"] - terms["start"] > 300)
    live = terms[(before == 0) | back].reset_index(drop=True)
    late = rng.integers(1, 60, len(live))
    early = rng.integers(3, 86, len(live))
    following = live.groupby("account")["start"].shift(-1)
    signed = np.where(following > live["end"], following, live["end"] - late)
    known = live["lost"] | following.notna() | (live["end"] > LAST_DAY) & (signed <= LAST_DAY)
    live["decided"] = np.where(known, np.where(live["lost"], live["end"] - early, signed), np.nan)
    live["decided"] = live["decided"].where((live["decided"] <= LAST_DAY) & (live["decided"] > live["start"]))
    live["next"] = following
    live["until"] = np.where(live["lost"], live["end"], following.fillna(live["end"]))
    usual = rng.choice(REASONS, len(live), p=[0.3, 0.2, 0.2, 0.12, 0.12, 0.06])
    reason = np.where(live["shock"], rng.choice(["acquired by another company", "champion left"], len(live)), usual)
    told = live["lost"] & (rng.random(len(live)) > 0.08)
    live["reason"] = pd.Series(reason, index=live.index, dtype=object).where(told, None)
    return live


def scorecard() -> dict:
    """The demo's scorecard.yaml, parsed but not checked."""
    return yaml.safe_load(SCORECARD)


def metric_scores(values: pd.DataFrame, age_days: np.ndarray) -> pd.DataFrame:
    """0-100 scores on the scales of scorecard.yaml, the young customers' profile included; NaN stays NaN."""
    scores = {}
    for name, metric in scorecard()["metrics"].items():
        best = QUANTILE_BEST.get(name, metric["best"])
        best = np.where(age_days < 180, 0.6, best) if name == "active_seats" else best
        scores[name] = 100 * ((values[name] - metric["worst"]) / (best - metric["worst"])).clip(0, 1)
    return pd.DataFrame(scores)


def _weighted(scores: pd.DataFrame, weights: dict[str, float]) -> pd.Series:
    """Weighted mean of what was measured."""
    w = pd.Series(weights)[scores.columns].to_numpy()
    present = scores.notna().to_numpy() * w
    total = present.sum(axis=1)
    gained = (scores.fillna(0).to_numpy() * w).sum(axis=1)
    return pd.Series(np.divide(gained, total, out=np.full(len(total), np.nan), where=total > 0), index=scores.index)


def measure(company: Company, events: dict[str, pd.DataFrame], terms: pd.DataFrame) -> pd.DataFrame:
    """The raw value of each metric of the demo's scorecard on each term's `as_of`; NaN is missing."""
    spine = terms[["account", "as_of", "seats", "segment"]].assign(case=terms.index)
    spine["seats"] = spine["seats"].where(company.accounts["seats_known"].to_numpy()[spine["account"]])
    spine["age"] = spine["as_of"] - company.accounts["start"].to_numpy()[spine["account"]]
    recorded = spine["as_of"] >= np.maximum(company.accounts["start"].to_numpy()[spine["account"]], EVENTS_FROM)
    live = spine[recorded & (spine["as_of"] <= LAST_DAY)]
    frames = [_from_usage(live, events), _from_contacts(live, events), _from_work(live, events), _from_support(live, events)]
    return pd.concat(frames, axis=1).reindex(terms.index)[list(TRUE_WEIGHTS)]


def _rows(live: pd.DataFrame, events: pd.DataFrame, time: str, window_days: int | None = None, ago: int = 0) -> pd.DataFrame:
    """Events known on the as-of day (or `ago` days before), paired with their cases."""
    clock = "recorded_at" if "recorded_at" in events else time
    pairs = live[["case", "account", "as_of"]].merge(events, on="account")
    at = pairs["as_of"] - ago
    keep = (np.floor(pairs[clock]) <= at) & (np.floor(pairs[time]) <= at)
    return pairs[keep if window_days is None else keep & (np.floor(pairs[time]) > at - window_days)]


def _latest(rows: pd.DataFrame, live: pd.DataFrame, time: str, value: str, stale_after_days: int) -> pd.Series:
    last = rows.sort_values([time, value], kind="stable").groupby("case").last()
    fresh = live.set_index("case")["as_of"].reindex(last.index) - last[time] <= stale_after_days
    return last[value].where(fresh).reindex(live.index)


def _from_usage(live: pd.DataFrame, events: dict[str, pd.DataFrame]) -> pd.DataFrame:
    now = _rows(live, events["usage"], "occurred_at", 30).groupby("case")
    then = _rows(live, events["usage"], "occurred_at", 30, 60).groupby("case")["quantity"].sum().reindex(live.index)
    quantity = now["quantity"].sum().reindex(live.index).fillna(0)
    return pd.DataFrame({
        "active_seats": now["user"].nunique().reindex(live.index).fillna(0) / live["seats"],
        "feature_breadth": now["feature"].nunique().reindex(live.index).fillna(0),
        "usage_trend": (quantity - then) / then.where(then > 0),
    })  # fmt: skip


def _from_contacts(live: pd.DataFrame, events: dict[str, pd.DataFrame]) -> pd.DataFrame:
    contacts, surveys = events["touchpoints"], events["surveys"]
    talks = contacts[contacts["kind"].isin(["meeting", "qbr", "call"])]
    executive = _rows(live, contacts[contacts["persona"] == "executive"], "occurred_at").groupby("case")["occurred_at"].max()
    nps = _rows(live, surveys[surveys["kind"] == "nps"], "responded_at")
    return pd.DataFrame({
        "executive_contact": (live["as_of"] - executive.reindex(live.index)).where(live["segment"] != "SMB"),
        "meetings": _rows(live, talks, "occurred_at", 90).groupby("case").size().reindex(live.index).fillna(0),
        "nps": _latest(nps, live, "responded_at", "score", 270),
        "csm_rating": _latest(_rows(live, events["ratings"], "rated_at"), live, "rated_at", "rating", 90),
        "advocacy": _rows(live, events["advocacy"], "occurred_at", 365).groupby("case").size().reindex(live.index).fillna(0),
    })  # fmt: skip


def _from_work(live: pd.DataFrame, events: dict[str, pd.DataFrame]) -> pd.DataFrame:
    steps = live[["case", "account", "as_of"]].merge(events["milestones"], on="account")
    goals = _rows(live, events["goals"], "set_at", 540)
    readings = _rows(live, events["readings"], "read_on")
    done = (steps["completed_at"] <= steps["as_of"]).groupby(steps["case"]).mean()
    return pd.DataFrame({
        "onboarding_done": done.reindex(live.index),
        "provisioned_share": _latest(readings, live, "read_on", "value", 60),
        "goals_achieved": (goals["achieved_at"] <= goals["as_of"]).groupby(goals["case"]).mean().reindex(live.index),
    })  # fmt: skip


def _from_support(live: pd.DataFrame, events: dict[str, pd.DataFrame]) -> pd.DataFrame:
    tickets, invoices = events["tickets"], events["invoices"]
    asked = _rows(live, tickets, "opened_at", 180)
    asked = asked[np.floor(asked["closed_at"]) <= asked["as_of"]]
    critical = _rows(live, tickets[tickets["severity"] == "critical"], "opened_at")
    closed = np.floor(critical["closed_at"]) <= critical["as_of"]
    bills = _rows(live, invoices[invoices["recurring"]], "issued_at", 365)
    late = (bills["paid_at"] > bills["due_at"]) & (bills["paid_at"] <= bills["as_of"])
    return pd.DataFrame({
        "ticket_satisfaction": asked.groupby("case")["satisfaction"].mean().reindex(live.index),
        "cancellation_tickets": pd.Series(0.0, index=live.index),
        "critical_open": critical[~closed].groupby("case").size().reindex(live.index).fillna(0),
        "late_payment": late.groupby(bills["case"]).mean().reindex(live.index),
    })  # fmt: skip
