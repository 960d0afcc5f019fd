"""The canonical tables: their columns, types, clocks, keys, and which columns are filled in later.

This is data, not behaviour. `tables` validates against it, `asof` hides by it, `spec` names from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TEXT, NUMBER, WHEN, FLAG = "text", "number", "when", "flag"


@dataclass(frozen=True)
class TableSchema:
    """One canonical table.

    Attributes
    ----------
    time : the column that says when the row happened; None where the table has no time (accounts)
    columns : column -> text, number, when (date or timestamp) or flag (true/false)
    required : columns that must be there
    key : columns that identify a row when all are present; a second row with the same key is rejected
    versions : whether rows with the same key and another `recorded_at` tell one thing again, corrected (see `corrections`)
    filled_later : column -> the date column that says when it was filled in. On a day before that date (or while it is
        empty) the column is shown as empty: a ticket's `closed_at`, and the `satisfaction` asked at closing.
    not_negative : number columns that must be >= 0
    order : pairs (earlier, later) of dates that must not run backwards
    """

    time: str | None
    columns: dict[str, str]
    required: tuple[str, ...]
    key: tuple[str, ...] = ()
    filled_later: dict[str, str] = field(default_factory=dict)
    not_negative: tuple[str, ...] = ()
    order: tuple[tuple[str, str], ...] = ()
    versions: bool = False


TABLES: dict[str, TableSchema] = {
    "accounts": TableSchema(
        None,
        {"account_id": TEXT, "name": TEXT, "segment": TEXT, "industry": TEXT, "region": TEXT, "plan": TEXT, "csm": TEXT},
        ("account_id",),
        ("account_id",),
    ),
    "contracts": TableSchema(
        "start_date",
        {
            "account_id": TEXT,
            "start_date": WHEN,
            "end_date": WHEN,
            "arr": NUMBER,
            "contract_id": TEXT,
            "seats": NUMBER,
            "discount": NUMBER,
            "auto_renew": FLAG,
            "billing_period": TEXT,
            "outcome": TEXT,
            "decided_on": WHEN,
            "renewed_arr": NUMBER,
            "churn_reason": TEXT,
        },
        ("account_id", "start_date", "end_date", "arr"),
        ("contract_id", "start_date"),
        {"outcome": "decided_on", "renewed_arr": "decided_on", "churn_reason": "decided_on", "decided_on": "decided_on"},
        ("arr", "seats", "renewed_arr"),
        (("start_date", "end_date"),),
        versions=True,
    ),
    "attributes": TableSchema(
        "valid_from", {"account_id": TEXT, "valid_from": WHEN}, ("account_id", "valid_from"), ("account_id", "valid_from")
    ),
    "usage": TableSchema(
        "occurred_at",
        {"account_id": TEXT, "occurred_at": WHEN, "user_id": TEXT, "feature": TEXT, "quantity": NUMBER},
        ("account_id", "occurred_at"),
    ),
    "tickets": TableSchema(
        "opened_at",
        {
            "account_id": TEXT,
            "opened_at": WHEN,
            "ticket_id": TEXT,
            "closed_at": WHEN,
            "severity": TEXT,
            "category": TEXT,
            "satisfaction": NUMBER,
        },
        ("account_id", "opened_at"),
        ("ticket_id",),
        {"closed_at": "closed_at", "satisfaction": "closed_at"},
        (),
        (("opened_at", "closed_at"),),
    ),
    "surveys": TableSchema(
        "responded_at",
        {"account_id": TEXT, "responded_at": WHEN, "kind": TEXT, "score": NUMBER, "respondent_id": TEXT},
        ("account_id", "responded_at", "kind", "score"),
    ),
    "touchpoints": TableSchema(
        "occurred_at",
        {"account_id": TEXT, "occurred_at": WHEN, "kind": TEXT, "persona": TEXT, "direction": TEXT},
        ("account_id", "occurred_at", "kind"),
    ),
    "ratings": TableSchema(
        "rated_at",
        {"account_id": TEXT, "rated_at": WHEN, "rating": NUMBER, "kind": TEXT, "rated_by": TEXT},
        ("account_id", "rated_at", "rating"),
    ),
    "milestones": TableSchema(
        None,
        {"account_id": TEXT, "milestone": TEXT, "due_at": WHEN, "completed_at": WHEN},
        ("account_id", "milestone"),
        ("account_id", "milestone"),
        {"completed_at": "completed_at"},
    ),
    "goals": TableSchema(
        "set_at",
        {"account_id": TEXT, "goal": TEXT, "set_at": WHEN, "achieved_at": WHEN},
        ("account_id", "goal"),
        (),
        {"achieved_at": "achieved_at"},
        (),
        (("set_at", "achieved_at"),),
    ),
    "invoices": TableSchema(
        "issued_at",
        {"account_id": TEXT, "issued_at": WHEN, "amount": NUMBER, "due_at": WHEN, "paid_at": WHEN, "recurring": FLAG},
        ("account_id", "issued_at", "amount"),
        (),
        {"paid_at": "paid_at"},
    ),
    "advocacy": TableSchema("occurred_at", {"account_id": TEXT, "occurred_at": WHEN, "kind": TEXT}, ("account_id", "occurred_at", "kind")),
    "interventions": TableSchema(
        "started_at",
        {
            "account_id": TEXT,
            "started_at": WHEN,
            "playbook": TEXT,
            "ended_at": WHEN,
            "trigger": TEXT,
            "experiment": TEXT,
            "arm": TEXT,
            "outcome": TEXT,
            "decided_on": WHEN,
        },
        ("account_id", "started_at", "playbook"),
        (),
        {"ended_at": "ended_at", "outcome": "decided_on", "decided_on": "decided_on"},
        (),
        (("started_at", "ended_at"),),
    ),
    "overrides": TableSchema(
        "set_on",
        {"account_id": TEXT, "set_on": WHEN, "score": NUMBER, "reason": TEXT, "set_by": TEXT, "expires_on": WHEN},
        ("account_id", "set_on", "score"),
        (),
        {},
        (),
        (("set_on", "expires_on"),),
    ),
    "feedback": TableSchema(
        "said_on",
        {"account_id": TEXT, "said_on": WHEN, "should_be": TEXT, "why": TEXT, "said_by": TEXT},
        ("account_id", "said_on", "should_be"),
    ),
    "readings": TableSchema(
        "read_on",
        {"account_id": TEXT, "read_on": WHEN, "metric": TEXT, "value": NUMBER},
        ("account_id", "read_on", "metric", "value"),
    ),
    "score_history": TableSchema(
        "scored_on",
        {"account_id": TEXT, "scored_on": WHEN, "score": NUMBER, "scorecard": TEXT},
        ("account_id", "scored_on", "score"),
    ),
}
"""Canonical tables by name. Every table may also carry `recorded_at` (when) and any further columns."""

STAYS_HERE = ("accounts", "contracts", "attributes", "interventions", "overrides", "feedback", "score_history")
"""Tables of the case side: small, and read by more than metrics. Any other may stay in the engine that has it."""

SILENCES = {"contact_days": "touchpoints", "usage_days": "usage"}
"""How long an account was silent -> the table whose rows break the silence."""

OUTCOMES = ("renewed", "churned", "open")
"""What `contracts.outcome` may say; empty means: derive it."""

CASE_COLUMNS = (
    "account_id",
    "as_of",
    "arr",
    "seats",
    "age_days",
    "term_ends",
    "horizon_ends_on",
    "outcome",
    "lost",
    "arr_lost",
    "fold",
)
"""Columns of the cases frame that no metric or attribute may take the name of."""
