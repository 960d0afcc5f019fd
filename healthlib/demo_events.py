"""What the simulated customers did: one frame a table, as if nobody ever left. Days are integers from DAY_ZERO."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.demo_accounts import EVENTS_FROM, LAST_DAY, WEEKS, Company

FEATURES = ("dashboards", "reports", "alerts", "exports", "api", "automation", "sharing", "forecasts")
MILESTONES = {"kickoff": 14, "data connected": 30, "single sign-on": 45, "first workflow live": 60, "team trained": 90}
GOALS = ("cut reporting time", "replace spreadsheets", "faster month close", "fewer incidents", "one source of truth", "self-service")
CATEGORIES = ("how-to", "bug", "billing", "integration", "performance")


def make_events(company: Company, seed: int) -> dict[str, pd.DataFrame]:
    """Every event table of the company, each drawn from its own random stream.

    Each frame has `account` (position) and the canonical columns, the dates as integer days (floats with NaN where empty).
    """
    makers = {
        "usage": _usage, "tickets": _tickets, "surveys": _surveys, "touchpoints": _touchpoints, "ratings": _ratings,
        "milestones": _milestones, "goals": _goals, "invoices": _invoices, "advocacy": _advocacy, "readings": _readings,
        "overrides": _overrides, "score_history": _score_history,
    }  # fmt: skip
    return {name: make(np.random.default_rng([seed, 100 + i]), company) for i, (name, make) in enumerate(makers.items())}


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _running(company: Company, account: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Whether events of that account were recorded on that day."""
    return (day >= np.maximum(company.accounts["start"].to_numpy()[account], EVENTS_FROM)) & (day <= LAST_DAY)


def _scatter(rng: np.random.Generator, company: Company, weekly_rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poisson events with a rate per account and week: (account, day), by account and week."""
    shape = next(iter(company.factors.values())).shape
    counts = rng.poisson(np.broadcast_to(weekly_rate, shape))
    account, week = np.nonzero(counts)
    repeats = counts[account, week]
    account, day = np.repeat(account, repeats), np.repeat(week, repeats) * 7
    day = day + rng.choice(7, len(day), p=[0.2, 0.2, 0.2, 0.2, 0.16, 0.02, 0.02])
    running = _running(company, account, day)
    return account[running], day[running]


def _season() -> np.ndarray:
    """Share of normal activity in each week: summer holidays and the end of the year."""
    month = (pd.Timestamp("2021-11-04") + pd.to_timedelta(np.arange(WEEKS) * 7 * 86_400, unit="s")).month
    return np.select([month == 8, month == 12, month == 7], [0.78, 0.72, 0.9], 1.0)


def _usage(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """A row per user and active week: the feature used most, and how often."""
    terms, start = company.terms, company.accounts["start"].to_numpy()
    seats = np.zeros(company.factors["adoption"].shape, dtype=np.int16)
    for account, first, last, n in zip(terms["account"], terms["start"] // 7, terms["end"] // 7, terms["seats"], strict=True):
        seats[account, first : last + 1] = n
    pool = seats.max(axis=1)
    owner = np.repeat(np.arange(len(pool)), pool)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(pool) - pool, pool)
    habit = rng.normal(-1.45, 1.2, len(owner)).astype(np.float32)
    weeks = np.arange(EVENTS_FROM // 7, WEEKS)
    ramp = np.clip(0.3 + 0.7 * (weeks * 7 - start[:, None]) / 150, 0, 1) * _season()[weeks]
    awake = weeks * 7 < company.accounts["zombie_from"].to_numpy()[:, None]
    chance = _logistic(habit[:, None] + company.factors["adoption"][owner][:, weeks]) * (ramp * awake)[owner]
    active = (rng.random(chance.shape, dtype=np.float32) < chance) & (rank[:, None] < seats[owner][:, weeks])
    user, week = np.nonzero(active)
    account, day = owner[user], weeks[week] * 7 + rng.choice(7, len(user), p=[0.2, 0.2, 0.2, 0.2, 0.16, 0.02, 0.02])
    breadth = 2 + 6 * _logistic(1.3 * company.at("breadth", account, day) - 0.3)
    feature = np.floor(breadth * rng.random(len(user)) ** 1.4).astype(int)
    depth = 6 * np.exp(0.35 * company.at("adoption", account, day))
    frame = pd.DataFrame({"account": account, "occurred_at": day, "user": rank[user], "feature": np.array(FEATURES)[feature]})
    frame["quantity"] = 1 + rng.poisson(depth)
    return frame[_running(company, account, day)].sort_values(["occurred_at", "account", "user"], ignore_index=True)


def _tickets(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """Support tickets: poor support means more of them, slower answers, lower satisfaction."""
    size = np.sqrt(company.terms.groupby("account")["seats"].first().to_numpy() / 15)[:, None]
    account, day = _scatter(rng, company, 0.13 * size * np.exp(-0.3 * company.factors["support"]))
    mood = company.at("support", account, day)
    severity = np.select([rng.random(len(day)) < 0.04 * np.exp(-0.5 * mood), rng.random(len(day)) < 0.2], ["critical", "high"], "normal")
    hours = np.exp(rng.normal(3.4, 1.2, len(day)) - 0.4 * mood) * np.where(severity == "critical", 6.0, 1.0)
    frame = pd.DataFrame({"account": account, "opened_at": day + np.round(rng.uniform(0.3, 0.8, len(day)), 4), "severity": severity})
    frame["category"] = rng.choice(CATEGORIES, len(day), p=[0.4, 0.25, 0.1, 0.15, 0.1])
    closed = frame["opened_at"] + np.round(hours / 24, 4) + 0.01
    frame["closed_at"] = closed.where(closed < LAST_DAY + 1)
    answered = (rng.random(len(day)) < 0.55) & frame["closed_at"].notna()
    frame["satisfaction"] = np.where(answered, np.clip(np.round(3.6 + 0.9 * mood + rng.normal(0, 0.8, len(day))), 1, 5), np.nan)
    return frame


def _surveys(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """NPS twice a year, CSAT now and then, CES once a year. The unhappy answer less: silence is not random."""
    parts = []
    for kind, rate, mean, noise, top in (("nps", 2 / 52, 7.3, 1.9, 10), ("csat", 1 / 52, 3.7, 0.9, 5), ("ces", 1 / 52, 4.8, 1.3, 7)):
        mood = 0.55 * company.factors["relationship"] + 0.55 * company.factors["support"]
        account, day = _scatter(rng, company, rate * 1.2 * _logistic(0.4 + 0.9 * mood))
        score = mean + noise * 0.9 * mood[account, day // 7] + rng.normal(0, noise * 0.7, len(day))
        score = np.clip(np.round(score), 0 if kind == "nps" else 1, top)
        frame = pd.DataFrame({"account": account, "responded_at": day, "kind": kind, "score": score})
        parts.append(frame.assign(respondent=rng.integers(1, 4, len(day))))
    return pd.concat(parts).sort_values(["responded_at", "account", "kind"], kind="stable", ignore_index=True)


def _touchpoints(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """Contacts: executives follow the sponsor, meetings the CSM's diary, e-mails both."""
    size = (0.6 + 0.5 * np.log10(company.terms.groupby("account")["arr"].first().to_numpy() / 5_000).clip(0))[:, None]
    sponsor, bond = company.factors["sponsor"], company.factors["relationship"]
    parts = []
    for persona, rate, kinds in (
        ("executive", 0.05 * size * np.exp(0.75 * sponsor), ("meeting", "email", "qbr")),
        ("champion", 0.28 * size * np.exp(0.3 * bond), ("meeting", "call", "email", "training")),
        ("user", 0.2 * size * np.exp(0.1 * bond), ("email", "training", "webinar", "call")),
    ):
        account, day = _scatter(rng, company, rate * _season())
        kind, direction = rng.choice(kinds, len(day)), np.where(rng.random(len(day)) < 0.6, "out", "in")
        parts.append(pd.DataFrame({"account": account, "occurred_at": day, "kind": kind, "persona": persona, "direction": direction}))
    return pd.concat(parts).sort_values(["occurred_at", "account", "persona", "kind"], kind="stable", ignore_index=True)


def _ratings(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """The CSM's gut feeling: mostly how friendly the talks are; one in seven entered weeks late."""
    account, day = _scatter(rng, company, np.array(0.17))
    mood = 0.8 * company.at("relationship", account, day) + rng.normal(0, 0.7, len(day))
    late = np.where(rng.random(len(day)) < 0.14, rng.integers(15, 75, len(day)), 0)
    frame = pd.DataFrame({"account": account, "rated_at": day, "rating": np.clip(np.round(3.6 + mood), 1, 5), "kind": "sentiment"})
    frame["recorded_at"] = day + late
    return frame[frame["recorded_at"] <= LAST_DAY].reset_index(drop=True)


def _milestones(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """Five onboarding steps each; the poorly deployed finish late or never."""
    n = len(company.accounts)
    account = np.repeat(np.arange(n), len(MILESTONES))
    start = company.accounts["start"].to_numpy()[account]
    due = start + np.tile(list(MILESTONES.values()), n)
    skill = company.factors["deployment"][:, ::13].mean(axis=1)[account]
    done = np.maximum(start, due + np.round(np.exp(rng.normal(3.0 - 0.4 * skill, 0.9, len(account))) - 20))
    never = rng.random(len(account)) < _logistic(-1.7 - 1.3 * skill)
    completed = np.where(never | (done > LAST_DAY), np.nan, done)
    return pd.DataFrame({"account": account, "milestone": np.tile(list(MILESTONES), n), "due_at": due, "completed_at": completed})


def _goals(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """Value goals agreed two or three times a year; whether and when they are met follows the value felt."""
    account, day = _scatter(rng, company, np.array(2.6 / 52))
    value = company.at("value", account, day + 120)
    months = np.exp(rng.normal(1.0 - 0.35 * value, 0.5, len(day)))
    met = rng.random(len(day)) < _logistic(0.3 + 1.5 * value)
    achieved = day + np.round(months * 30) + 14
    frame = pd.DataFrame({"account": account, "goal": rng.choice(GOALS, len(day)), "set_at": day})
    frame["achieved_at"] = np.where(met & (achieved <= LAST_DAY), achieved, np.nan)
    return frame


def _invoices(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """Bills in advance, by billing period; 30 days to pay; the strained pay late. A few are for services, not recurring."""
    terms = company.terms.merge(company.accounts[["billing", "months"]], left_on="account", right_index=True)
    step = terms["billing"].map({"annual": 12, "quarterly": 3, "monthly": 1}).to_numpy()
    n_bills = np.maximum(terms["months"].to_numpy() // step, 1)
    row = np.repeat(np.arange(len(terms)), n_bills)
    number = np.arange(len(row)) - np.repeat(np.cumsum(n_bills) - n_bills, n_bills)
    years = (np.maximum(step, 1) / 12)[row]
    issued = terms["start"].to_numpy()[row] + np.round(number * years * 365.25).astype(int)
    frame = pd.DataFrame({"account": terms["account"].to_numpy()[row], "issued_at": issued})
    frame["amount"], frame["recurring"] = np.round(terms["arr"].to_numpy()[row] * years, 2), True
    services = frame[rng.random(len(frame)) < 0.03].assign(recurring=False)
    frame = pd.concat([frame, services.assign(amount=np.round(services["amount"] * 0.1 + 500, 2))], ignore_index=True)
    frame["due_at"] = frame["issued_at"] + 30
    strain = _logistic(-1.2 - 1.1 * company.at("payment", frame["account"].to_numpy(), frame["issued_at"].to_numpy()))
    slow = rng.random(len(frame)) < strain
    paid = frame["due_at"] + np.where(slow, rng.integers(3, 70, len(frame)), -rng.integers(0, 28, len(frame)))
    frame["paid_at"] = paid.where(paid <= LAST_DAY)
    keep = frame["issued_at"].between(EVENTS_FROM, LAST_DAY)
    return frame[keep].sort_values(["issued_at", "account", "recurring"], ignore_index=True)


def _advocacy(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    account, day = _scatter(rng, company, 0.012 * np.exp(0.6 * company.factors["relationship"]))
    kind = rng.choice(["reference", "case_study", "referral", "event", "feedback"], len(day))
    return pd.DataFrame({"account": account, "occurred_at": day, "kind": kind})


def _readings(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """The CS platform's monthly export; about 6 % of the rows never arrived."""
    account, day = _monthly(company, 3)
    share = _logistic(1.0 + 0.9 * company.at("deployment", account, day) + rng.normal(0, 0.25, len(day)))
    share = share * np.clip(0.4 + 0.6 * (day - company.accounts["start"].to_numpy()[account]) / 90, 0, 1)
    frame = pd.DataFrame({"account": account, "read_on": day, "metric": "provisioned_share", "value": np.round(share, 3)})
    return frame[rng.random(len(frame)) > 0.06].reset_index(drop=True)


def _overrides(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """A CSM knows better, for 90 days; sometimes truly."""
    account, day = _scatter(rng, company, np.array(0.0012))
    score = np.clip(np.round(55 + 20 * company.at("relationship", account, day) + rng.normal(0, 15, len(day))), 5, 95)
    reasons = ["new sponsor", "budget cut announced", "usage moved to the API", "expansion in talks", "gut feeling"]
    frame = pd.DataFrame({"account": account, "set_on": day, "score": score, "reason": rng.choice(reasons, len(day))})
    return frame.assign(expires_on=day + 90)


def _score_history(rng: np.random.Generator, company: Company) -> pd.DataFrame:
    """The present tool's score: mostly sentiment, a little usage, a lot of noise."""
    account, day = _monthly(company, 0)
    mood = 0.6 * company.at("relationship", account, day - 30) + 0.3 * company.at("adoption", account, day - 30)
    score = np.clip(np.round(68 + 15 * (mood + rng.normal(0, 0.7, len(day)))), 0, 100)
    return pd.DataFrame({"account": account, "scored_on": day, "score": score, "scorecard": "legacy v2"})


def _monthly(company: Company, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Every account on each first of the month (+ `after` days) of its life: (account, day)."""
    firsts = pd.date_range("2022-05-01", "2026-10-01", freq="MS")
    day = ((firsts - pd.Timestamp("2021-11-01")).days + after).to_numpy()
    day, account = np.meshgrid(day, np.arange(len(company.accounts)), indexing="ij")
    running = _running(company, account.ravel(), day.ravel())
    return account.ravel()[running], day.ravel()[running]
