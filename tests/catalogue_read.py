"""Every formula of the catalogue read once more, in plain Python over the rows of one account: no SQL, no windows cut into cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

NAN = float("nan")
TIMES = {
    "usage": "occurred_at", "touchpoints": "occurred_at", "tickets": "opened_at", "surveys": "responded_at", "ratings": "rated_at",
    "advocacy": "occurred_at", "invoices": "issued_at", "goals": "set_at", "readings": "read_on", "contracts": "start_date",
    "milestones": "",
}  # fmt: skip
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Account:
    """What is on file about one account, to be read as of a day."""

    tables: Mapping[str, list[Row]]
    day: pd.Timestamp
    term_ends: pd.Timestamp

    def rows(self, table: str, days: int | None = None, keep: Callable[[Row], Any] = lambda row: True) -> list[Row]:
        """The rows known on the day, of the last `days` days, oldest first."""
        found = []
        for row in self.tables.get(table, []):
            when = row[TIMES[table]].normalize() if TIMES[table] else pd.Timestamp.min
            known = max(when, row.get("recorded_at", when)) if TIMES[table] else when
            if known <= self.day and (days is None or when > self.day - pd.Timedelta(days=days)) and keep(row):
                found.append({**row, "_day": when})
        return sorted(found, key=lambda row: (row["_day"], row[TIMES[table]] if TIMES[table] else 0))

    def count(self, table: str, days: int | None = None, keep: Callable[[Row], Any] = lambda row: True) -> float:
        """How many of them."""
        return float(len(self.rows(table, days, keep)))

    def different(self, table: str, days: int, what: Callable[[Row], Any]) -> float:
        """How many different values."""
        return float(len({what(row) for row in self.rows(table, days)}))

    def done(self, value: Any) -> bool:
        """Whether a date that is filled in later was there on the day."""
        return not pd.isna(value) and value.normalize() <= self.day

    def days_ago(self, value: Any) -> int:
        """Days from a date to the day; negative where it is still to come."""
        return (self.day - value.normalize()).days

    def running(self, before: int = 0) -> list[Row]:
        """The contracts that ran so many days ago."""
        then = self.day - pd.Timedelta(days=before)
        return [
            row for row in self.tables["contracts"] if row["start_date"] <= then and (pd.isna(row["end_date"]) or row["end_date"] > then)
        ]

    @property
    def seats(self) -> float:
        """Seats of the running contracts."""
        known = [row["seats"] for row in self.running() if not pd.isna(row["seats"])]
        return float(sum(known)) if known else NAN


def mean(values: list[float]) -> float:
    """Of what is there."""
    known = [value for value in values if not pd.isna(value)]
    return sum(known) / len(known) if known else NAN


def ratio(top: float, bottom: float) -> float:
    """Nothing divided by nothing is nothing."""
    return top / bottom if bottom and not math.isnan(bottom) else NAN


def last(rows: list[Row], column: str) -> float:
    """The latest value; of equal days the larger."""
    return max((row["_day"], row.get("recorded_at", row["_day"]), row[column]) for row in rows)[2] if rows else NAN


def growth(account: Account, column: str) -> float:
    """Sum over the running contracts against that of a year before."""
    now, then = (sum(row[column] for row in account.running(ago) if not pd.isna(row[column])) for ago in (0, 365))
    return ratio(now - then, then)


def over(account: Account, days: int = 10**6) -> list[Row]:
    """Terms that ended in the last `days` days and whose outcome was known on the day."""
    return account.rows("contracts", None, lambda row: 0 <= account.days_ago(row["end_date"]) < days and account.done(row["decided_on"]))


def used(account: Account, days: int, shift: int = 0) -> float:
    """Quantity in a window that ended `shift` days ago."""
    earlier = Account(account.tables, account.day - pd.Timedelta(days=shift), account.term_ends)
    return float(sum(row["quantity"] for row in earlier.rows("usage", days)))


def champion_gone(account: Account) -> float:
    """By the latest row about the champion in a year."""
    about = account.rows("touchpoints", 365, lambda row: row["persona"] == "champion" or row["kind"] == "champion_left")
    if not about:
        return NAN
    latest = [row for row in about if row["occurred_at"] == max(other["occurred_at"] for other in about)]
    return float(any(row["kind"] == "champion_left" or account.days_ago(row["occurred_at"]) >= 90 for row in latest))


def tell(kind: str) -> Callable[[Row], bool]:
    """Rows of one kind."""
    return lambda row: row["kind"] == kind


def late(account: Account, row: Row, done: str) -> bool:
    """Done after it was due, or not done yet though it was due before."""
    return (row[done].normalize() if account.done(row[done]) else account.day) > row["due_at"].normalize()


def overdue(account: Account, row: Row, done: str, days: int) -> bool:
    """Not done, and due at least so many days ago."""
    return not account.done(row[done]) and not pd.isna(row["due_at"]) and account.days_ago(row["due_at"]) >= days


SEVERE = ("critical", "urgent", "escalated")
NPS = {score: 100 if score >= 9 else -100 if score <= 6 else 0 for score in range(11)}
READ: dict[str, Callable[[Account], float]] = {
    "overall_usage": lambda a: ratio(used(a, 30), a.seats),
    "usage_trend": lambda a: ratio(used(a, 30) - used(a, 30, 90), used(a, 30, 90)),
    "sticky_features": lambda a: float(len({r["_day"] for r in a.rows("usage", 28) if r["feature"] in ("dashboards", "reports")})),
    "product_share": lambda a: a.different("usage", 30, lambda r: r["feature"]),
    "features_per_user": lambda a: ratio(
        a.different("usage", 30, lambda r: (r["user_id"], r["feature"])), a.different("usage", 30, lambda r: r["user_id"])
    ),
    "active_seats_10": lambda a: ratio(a.different("usage", 10, lambda r: r["user_id"]), a.seats),
    "active_seats": lambda a: ratio(a.different("usage", 30, lambda r: r["user_id"]), a.seats),
    "active_users": lambda a: a.different("usage", 30, lambda r: r["user_id"]),
    "licences": lambda a: float(sum(r["seats"] for r in a.running() if not pd.isna(r["seats"]))),
    "features_used": lambda a: a.different("usage", 90, lambda r: r["feature"]),
    "login_days": lambda a: a.different("usage", 7, lambda r: r["_day"]),
    "login_days_28": lambda a: a.different("usage", 28, lambda r: r["_day"]),
    "silence": lambda a: float(a.days_ago(a.rows("usage")[-1]["_day"])) if a.rows("usage") else NAN,
    "onboarding_done": lambda a: mean([a.done(r["completed_at"]) for r in a.rows("milestones")]),
    "onboarding_late": lambda a: mean(
        [late(a, r, "completed_at") for r in a.rows("milestones", None, lambda r: r["due_at"].normalize() <= a.day)]
    ),
    "onboarding_overdue": lambda a: a.count("milestones", None, lambda r: overdue(a, r, "completed_at", 1)),
    "onboarding_to_renewal": lambda a: max(
        float(((r["completed_at"].normalize() if a.done(r["completed_at"]) else a.day) - a.term_ends).days) for r in a.rows("milestones")
    ),
    "provisioned_share": lambda a: last(a.rows("readings", 61, lambda r: r["metric"] == "provisioned_share"), "value"),
    "meetings": lambda a: a.count("touchpoints", 90, lambda r: r["kind"] in ("meeting", "qbr", "call")),
    "emails_received": lambda a: a.count("touchpoints", 90, lambda r: r["kind"] == "email" and r["direction"] == "in"),
    "tagged_notes": lambda a: a.count("touchpoints", 90, lambda r: r["kind"] == "note" and r["tag"] == "risk"),
    "executive_contact": lambda a: a.count("touchpoints", 90, lambda r: r["persona"] == "executive"),
    "champion_contact": lambda a: a.count("touchpoints", 90, lambda r: r["persona"] == "champion"),
    "contact_silence": lambda a: float(a.days_ago(a.rows("touchpoints")[-1]["_day"])) if a.rows("touchpoints") else NAN,
    "roles_in_touch": lambda a: a.different("touchpoints", 180, lambda r: r["persona"]),
    "single_threaded": lambda a: a.different("touchpoints", 180, lambda r: r["contact_id"]),
    "champion_gone": champion_gone,
    "goals_achieved": lambda a: a.count("goals", None, lambda r: a.done(r["achieved_at"]) and a.days_ago(r["achieved_at"]) < 365),
    "goals_share": lambda a: mean([a.done(r["achieved_at"]) for r in a.rows("goals", 540)]),
    "arr_growth": lambda a: growth(a, "arr"),
    "licence_growth": lambda a: growth(a, "seats"),
    "tenure": lambda a: float(a.days_ago(min(r["start_date"] for r in a.tables["contracts"]))),
    "discount": lambda a: mean([r["discount"] for r in a.running()]),
    "renewals": lambda a: float(len([r for r in over(a) if r["outcome"] == "renewed"])),
    "upsells": lambda a: float(len([r for r in over(a, 730) if r["renewed_arr"] > r["arr"]])),
    "downgrades": lambda a: float(len([r for r in over(a, 730) if r["outcome"] == "renewed" and r["renewed_arr"] < r["arr"]])),
    "nonrecurring_share": lambda a: ratio(
        sum(r["amount"] for r in a.rows("invoices", 365) if not r["recurring"]), sum(r["amount"] for r in a.rows("invoices", 365))
    ),
    "invoices_late": lambda a: mean([late(a, r, "paid_at") for r in a.rows("invoices", 365, lambda r: r["due_at"].normalize() <= a.day)]),
    "invoices_unpaid": lambda a: a.count("invoices", None, lambda r: overdue(a, r, "paid_at", 1)),
    "invoice_overdue_60": lambda a: a.count("invoices", None, lambda r: overdue(a, r, "paid_at", 60)),
    "nps": lambda a: last(a.rows("surveys", 271, tell("nps")), "score"),
    "nps_balance": lambda a: mean([NPS[int(r["score"])] for r in a.rows("surveys", 365, tell("nps"))]),
    "csat": lambda a: mean([r["score"] for r in a.rows("surveys", 180, tell("csat"))]),
    "ces": lambda a: mean([r["score"] for r in a.rows("surveys", 180, tell("ces"))]),
    "csm_rating": lambda a: last(a.rows("ratings", 91), "rating"),
    "support_calls": lambda a: a.count("tickets", 90),
    "calls_per_seat": lambda a: ratio(a.count("tickets", 90), a.seats),
    "open_tickets": lambda a: a.count("tickets", None, lambda r: not a.done(r["closed_at"])),
    "escalated_tickets": lambda a: a.count("tickets", 90, lambda r: r["severity"] in SEVERE),
    "escalated_open": lambda a: a.count("tickets", None, lambda r: r["severity"] in SEVERE and not a.done(r["closed_at"])),
    "ticket_satisfaction": lambda a: mean([r["satisfaction"] for r in a.rows("tickets", 180) if a.done(r["closed_at"])]),
    "case_studies": lambda a: a.count("advocacy", 730, tell("case_study")),
    "reference_calls": lambda a: a.count("advocacy", 365, tell("reference")),
    "website_references": lambda a: a.count("advocacy", 1095, lambda r: r["kind"] in ("website_reference", "logo")),
    "events_attended": lambda a: a.count("advocacy", 365, tell("event")),
    "marketing_events": lambda a: a.count("touchpoints", 180, lambda r: r["kind"] in ("webinar", "event")),
    "product_feedback": lambda a: a.count("advocacy", 365, tell("feedback")),
    "community": lambda a: a.count("advocacy", 90, tell("community")),
}
"""Entry -> its formula over one account on one day."""
