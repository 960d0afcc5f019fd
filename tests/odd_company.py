"""Five odd accounts by hand: every measure of a scorecard over rows that engines like to disagree about, and its value in plain Python."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from healthlib.spec import Band, Measure, Metric, OutcomeSpec, Scorecard, TableSource, Workspace

UTC, NAN = dt.UTC, float("nan")
Row = dict[str, Any]
DAYS = ("2023-12-31", "2024-02-28", "2024-02-29", "2024-03-01", "2025-02-28", "2025-03-30", "2025-06-15", "2025-06-16", "2025-06-30")
ACCOUNTS = ("1", "2", "3", "4", "05")
CONTRACTS = [
    ("1", "2023-03-01", "2026-03-01", 1000.5, 10), ("1", "2024-02-29", "2025-02-28", 250.25, 5), ("2", "2023-06-01", None, 0.01, 0),
    ("3", "2024-02-29", "2025-03-01", 999999999.99, None), ("4", "2024-01-01", None, 12.0, 3), ("05", "2025-06-15", "2027-06-15", 7.0, 1),
]  # fmt: skip
"""account_id, start_date, end_date, arr, seats."""
SAYINGS = ("it's", 'a "b"', "100%", "a\\nb", "two\nlines", "Ünï ✓", "  padded ", "")


def at(text: str, offset: float = 0) -> dt.datetime:
    """A moment with its offset from UTC in hours."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.timezone(dt.timedelta(hours=offset)))


USAGE = [
    # account_id, occurred_at (with a zone), user_id, feature, quantity (a float), recorded_at (a date)
    ("1", at("2024-02-28T23:59:59.999", -8), "u1", "x", 1.5, None),  # the 29th in UTC
    ("1", at("2024-02-29T00:00:00", 14), "u1", "y", 2.5, None),  # the 28th in UTC
    ("1", at("2024-02-29T23:59:59.999"), "u2", "x", None, None),
    ("1", at("2024-03-01T00:00:00"), "U2", "it's", -4.0, None),
    ("1", at("2025-06-15T17:00:00", -7), "u3", 'a "b"', 1e11, None),  # midnight of the 16th
    ("1", at("2025-06-15T16:59:59.999", -7), None, "100%", 0.1, None),
    ("1", at("2025-06-15T12:00:00"), "u1", "a\\nb", 0.2, "2025-06-30"),  # known two weeks later
    ("1", at("2025-06-15T12:00:00"), "u1", "a\\nb", 0.3, "2025-06-15"),
    ("1", at("2025-06-15T12:00:00"), "u4", "two\nlines", 0.3, "2025-06-14"),  # recorded before it happened
    ("1", at("2025-03-30T01:30:00", 1), "u5", "Ünï ✓", 7.0, None),  # the hour that Berlin skips
    ("2", at("2023-07-01T00:00:00"), "u1", "", 3.0, None),
    ("2", at("2024-02-29T10:00:00"), "u1", "  padded ", math.nan, None),
    ("2", at("2024-02-29T10:00:00"), "", "x", 5.0, "2025-02-28"),
    ("2", at("2025-02-28T10:00:00"), "u9", "x", 0.000000001, None),
    ("3", at("2024-02-29T05:00:00", 5.5), "u1", "x", 123456789.123456, None),  # the 28th, before its contract
    ("3", at("2025-02-28T23:30:00", -1), "u2", "x", 987654321.987654, None),  # the 1st of March
    ("05", at("2025-06-15T23:59:59", 0), "u1", "y", 2.0, None),
    ("stranger", at("2023-01-01T00:00:00"), "u1", "x", 1.0, None),
    (None, at("2023-01-01T00:00:00"), "u1", "x", 1.0, None),
    ("1", None, "u1", "x", 1.0, None),
    ("1", at("2025-06-15T00:00:00"), "u1", "x", 1e13, None),  # beyond belief
    ("1", at("1800-01-01T00:00:00"), "u1", "x", 1.0, None),
]  # fmt: skip
TICKETS = [
    # account_id, opened_at, ticket_id, closed_at, severity, satisfaction, due_at (a column of their own): without zones
    ("1", "2024-02-29 00:00:00", 1, "2025-02-28 00:00:00", "high", 4, "2024-03-31 00:00:00"),
    ("1", "2024-02-29 23:59:59", 2, None, "low", None, "2025-06-16 00:00:00"),
    ("1", "2025-06-15 08:00:00", 3, "2025-06-15 23:59:59", "high", 2, "2025-06-15 00:00:00"),
    ("1", "2025-06-15 08:00:00", 4, "2025-06-16 00:00:00", None, 5, "2025-06-15 00:00:01"),
    ("1", "2025-06-15 08:00:00", 5, "2025-06-16 00:00:00", "high", 3, None),
    ("2", "2024-03-01 00:00:00", 6, "2024-03-01 10:00:00", "high", None, "2024-02-29 00:00:00"),
    ("3", "2023-12-31 12:00:00", 7, None, "low", 1, "2024-02-28 12:00:00"),
    ("1", "2025-06-16 00:00:00", 8, "2025-06-15 00:00:00", "low", 1, None),  # closed before it was opened
    ("nobody", "2020-01-01 00:00:00", 9, None, "high", 1, None),
]  # fmt: skip
INVOICES = [
    # account_id, issued_at, amount (a decimal), due_at, paid_at, recurring: dates
    ("1", "2024-01-30", "100.10", "2024-02-29", "2024-02-29", True), ("1", "2024-02-29", "-40.40", "2024-03-30", None, False),
    ("1", "2025-05-31", "99999999.99", "2025-06-30", "2025-07-01", None), ("2", "2025-03-01", "0.00", "2025-03-30", "2025-03-31", True),
    ("2", "2025-02-28", "12.34", None, None, False), ("3", "2025-02-28", None, "2025-03-01", None, True),
]  # fmt: skip
MILESTONES = [
    ("1", "kick-off", "2023-03-15", "2024-02-29"), ("1", "live", "2025-06-15", None), ("2", "live", None, "2025-06-16"),
    ("4", "live", "2024-02-29", None), ("05", "kick-off", "2025-06-14", "2025-06-15"),
]  # fmt: skip
ORDERS = [
    # "Acct Id" (a whole number), "day" (a date, known three days later), "order", "Group", "Unit Price", "select"
    (1, "2024-02-26", "o1", "A", "10.25", 3), (1, "2024-02-26", "o2", "a", "10.25", 4), (1, "2024-02-27", "o3", " A", None, 5),
    (2, "2025-06-12", "o1", None, "-3.10", 6), (2, "2025-06-13", "o2", "A", "8.00", 6), (3, "2024-02-29", None, "B", "1.00", None),
    (5, "2025-06-15", "o9", "A", "1.00", 1), (99, "2022-01-01", "o9", "A", "1.00", 1),
]  # fmt: skip
READINGS = [
    ("1", "2024-02-29", "nps", 7), ("1", "2024-02-29", "nps", 9), ("1", "2024-02-29", "c_sat", 3), ("1", "2025-06-15", "nps", -1),
    ("2", "2024-02-29", "NPS", 4), ("4", "2025-06-16", "nps", 0),
]  # fmt: skip
COLUMNS = {
    "usage": (USAGE, {"account_id": "text", "occurred_at": "zoned", "user_id": "text", "feature": "text", "quantity": "float",
                      "recorded_at": "date"}),
    "tickets": (TICKETS, {"account_id": "text", "opened_at": "moment", "ticket_id": "int", "closed_at": "moment", "severity": "text",
                          "satisfaction": "int", "Due At": "moment"}),
    "invoices": (INVOICES, {"account_id": "text", "issued_at": "date", "amount": "decimal", "due_at": "date", "paid_at": "date",
                            "recurring": "bool"}),
    "milestones": (MILESTONES, {"account_id": "text", "milestone": "text", "due_at": "date", "completed_at": "date"}),
    "orders": (ORDERS, {"Acct Id": "int", "day": "date", "order": "text", "Group": "text", "Unit Price": "decimal", "select": "int"}),
    "readings": (READINGS, {"account_id": "text", "read_on": "date", "metric": "text", "value": "int"}),
}  # fmt: skip
"""Table -> rows, and what their database calls each column and keeps in it."""


@dataclass(frozen=True)
class Asked:
    """A metric, and its rows in plain Python.

    Attributes
    ----------
    keep : whether a row counts, given the last day of its window
    of : its value, or whether it holds
    below : for `per`, the denominator over the rows of the window
    """

    metric: Metric
    keep: Callable[[Row, dt.date], Any]
    of: Callable[[Row, dt.date], Any] | None
    below: Callable[[list[Row]], float] | None


def asked(
    name: str,
    measure: str,
    table: str | None,
    keep: Callable[[Row, dt.date], Any] = lambda row, day: True,
    of: Callable[[Row, dt.date], Any] | None = None,
    below: Callable[[list[Row]], float] | None = None,
    **more: Any,
) -> Asked:
    """A metric of the scorecard beside its reading."""
    kind, _, text = measure.partition(" ")
    keys = {"group": "g", "label": name, "worst": 0, "best": 1, "weight": 1, **more}
    return Asked(Metric(name=name, table=table, measure=Measure(kind=kind, of=text or None), **keys), keep, of, below)


def column(name: str) -> Callable[[Row, dt.date], Any]:
    return lambda row, day: row[name]


def users(rows: list[Row]) -> float:
    return float(len({row["user_id"] for row in rows} - {None}))


def by(value: Any) -> dt.date:
    """A day, that of never where there is none."""
    return value.date() if value is not None else dt.date.max


Q, FEATURE = column("quantity"), column("feature")
MENU = [
    *(asked(f"n{w or '_all'}", "count", "usage", window_days=w) for w in (1, 28, 90, None)),
    *(asked(f"sum{w or '_all'}", "sum quantity", "usage", of=Q, window_days=w) for w in (1, 28, 90, None)),
    asked("mean90", "mean quantity", "usage", of=Q, window_days=90),
    asked("max_all", "max quantity", "usage", of=Q),
    asked("max28", "max quantity", "usage", of=Q, window_days=28),
    asked("half", "sum quantity / 2 + 0.5", "usage", of=lambda r, d: r["quantity"] / 2 + 0.5, window_days=90),
    asked("part", "sum quantity / nullif(quantity - 5, 0)", "usage",
          of=lambda r, d: r["quantity"] / (r["quantity"] - 5) if r["quantity"] != 5 else None),
    asked("users1", "distinct user_id", "usage", of=column("user_id"), window_days=1),
    asked("users_all", "distinct user_id", "usage", of=column("user_id")),
    asked("pairs", "distinct user_id || ' ' || feature", "usage",
          of=lambda r, d: (r["user_id"], r["feature"]) if r["user_id"] and r["feature"] else None, window_days=90),
    asked("folded", "distinct lower(user_id)", "usage", of=lambda r, d: r["user_id"] and r["user_id"].lower()),
    asked("login_days", "distinct day", "usage", of=column("day"), window_days=28),
    asked("days_all", "distinct day", "usage", of=column("day")),
    asked("silence", "days_since", "usage"),
    asked("silence_x", "days_since", "usage", lambda r, d: r["feature"] == "x", where="feature = 'x'"),
    asked("last_q", "last quantity", "usage", of=Q),
    asked("last_stale", "last quantity", "usage", of=Q, stale_after_days=20),
    *(asked(f"text{i}", "count", "usage", lambda r, d, t=text: r["feature"] == (t.strip() or None),
            where="feature = '" + (text.strip() or "no").replace("'", "''") + "'") for i, text in enumerate(SAYINGS) if text.strip()),
    asked("like", "count", "usage", lambda r, d: (r["feature"] or "").startswith("1") or (r["feature"] or "")[1:2] == "n",
          where="feature like '1%' or feature like '_n%'"),
    asked("empty", "count", "usage", lambda r, d: r["feature"] is None, where="feature is null"),
    asked("not_x", "count", "usage", lambda r, d: r["feature"] not in ("x", "y", None), where="feature not in ('x', 'y')"),
    asked("upper", "count", "usage", lambda r, d: (r["feature"] or "").upper() == "ÜNÏ ✓", where="upper(feature) = 'ÜNÏ ✓'"),
    asked("share_user", "share user_id", "usage", of=lambda r, d: r["user_id"] is not None, window_days=90),
    asked("share_x", "share feature = 'x'", "usage", of=lambda r, d: r["feature"] == "x"),
    asked("share_big", "share quantity > 2", "usage", lambda r, d: r["user_id"], of=lambda r, d: (r["quantity"] or 0) > 2,
          where="user_id is not null"),
    asked("per_seat", "distinct user_id", "usage", of=column("user_id"), window_days=90, per="seats"),
    asked("per_arr", "sum quantity", "usage", of=Q, window_days=90, per="ARR"),
    asked("per_user", "count", "usage", below=users, window_days=90, per="active users"),
    asked("per_sum", "sum quantity", "usage", lambda r, d: r["feature"] == "x", of=Q, window_days=90, per="sum quantity",
          where="feature = 'x'", below=lambda rows: math.fsum(r["quantity"] for r in rows if r["quantity"] is not None)),
    asked("trend", "sum quantity", "usage", of=Q, window_days=28, trend=28),
    asked("trend_users", "distinct user_id", "usage", of=column("user_id"), window_days=90, trend=90),
    asked("past", "count", "usage", window_days=28, against={"past_days": 90}),
    asked("past_max", "max quantity", "usage", of=Q, window_days=90, against={"past_days": 366}),
    asked("next_term", "count", "usage", lambda r, d: by(r["term_ends"]) > r["day"], where="coalesce(term_ends, date '9999-12-31') > day"),
    asked("open", "open", "tickets", lambda r, d: r["closed_at"] is None),
    asked("open_high", "open", "tickets", lambda r, d: r["closed_at"] is None and r["severity"] == "high", where="severity = 'high'"),
    asked("open_trend", "open", "tickets", lambda r, d: r["closed_at"] is None, trend=90),
    asked("closed", "share closed_at", "tickets", of=lambda r, d: r["closed_at"] is not None, window_days=90),
    asked("satisfied", "mean satisfaction", "tickets", of=column("satisfaction")),
    asked("last_sat", "last satisfaction", "tickets", of=column("satisfaction")),
    asked("days_open", "max cast(closed_at as date) - cast(opened_at as date)", "tickets",
          of=lambda r, d: (r["closed_at"].date() - r["opened_at"].date()).days if r["closed_at"] else None),
    asked("waiting", "max as_of - cast(opened_at as date)", "tickets", lambda r, d: r["closed_at"] is None,
          of=lambda r, d: (d - r["opened_at"].date()).days, where="closed_at is null"),
    asked("overdue", "count", "tickets", lambda r, d: r["due_at"] and r["due_at"] <= dt.datetime.combine(d, dt.time()),
          where="due_at <= as_of"),
    asked("due_at_night", "count", "tickets", lambda r, d: r["due_at"] and r["due_at"] == dt.datetime.combine(d, dt.time()),
          where="due_at = as_of"),
    asked("due_by", "count", "tickets", lambda r, d: r["due_at"] and dt.datetime(2024, 2, 29) <= r["due_at"] <= dt.datetime(2025, 6, 15),
          where="due_at between '2024-02-29' and timestamp '2025-06-15 00:00:00'"),
    asked("due_after", "count", "tickets", lambda r, d: r["due_at"] and r["due_at"] > dt.datetime(2025, 6, 15),
          where="due_at > '2025-06-15'"),
    asked("paid", "sum amount", "invoices", lambda r, d: r["paid_at"] is not None, of=column("amount"), where="paid_at is not null"),
    asked("late", "share coalesce(cast(paid_at as date), as_of) > cast(due_at as date)", "invoices",
          lambda r, d: r["due_at"] and r["due_at"].date() <= d,
          of=lambda r, d: (r["paid_at"].date() if r["paid_at"] else d) > r["due_at"].date(), where="cast(due_at as date) <= as_of"),
    asked("unpaid_30", "count", "invoices", lambda r, d: not r["paid_at"] and r["due_at"] and r["due_at"].date() < d - dt.timedelta(30),
          where="paid_at is null and cast(due_at as date) < as_of - 30"),
    asked("leap", "count", "invoices", lambda r, d: r["day"] + dt.timedelta(366) > d, where="cast(issued_at as date) + 366 > as_of"),
    asked("once", "sum amount", "invoices", lambda r, d: r["recurring"] is False, of=column("amount"), where="not recurring"),
    asked("recurring", "count", "invoices", lambda r, d: r["recurring"] is True, where="recurring = true"),
    asked("unknown", "count", "invoices", lambda r, d: r["recurring"] is not True, where="recurring is not true"),
    asked("credit", "max case when amount < 0 then abs(amount) else -amount end", "invoices",
          of=lambda r, d: None if r["amount"] is None else abs(r["amount"]) if r["amount"] < 0 else -r["amount"]),
    asked("done", "share completed_at", "milestones", of=lambda r, d: r["completed_at"] is not None),
    asked("to_renewal", "max coalesce(cast(completed_at as date), as_of) - term_ends", "milestones",
          of=lambda r, d: r["term_ends"] and ((r["completed_at"].date() if r["completed_at"] else d) - r["term_ends"].date()).days),
    asked("orders", "distinct \"order\"", "orders", of=column("order"), window_days=28),
    asked("orders_a", "count", "orders", lambda r, d: r["Group"] == "A", where="\"Group\" = 'A'"),
    asked("orders_any", "sum \"Unit Price\" * \"select\"", "orders", lambda r, d: (r["Group"] or "").lower() == "a",
          of=lambda r, d: r["Unit Price"] * r["select"] if r["Unit Price"] is not None else None, where="lower(\"group\") = 'a'"),
    asked("orders_last", "last \"Unit Price\"", "orders", of=column("Unit Price")),
    asked("orders_since", "days_since", "orders"),
    asked("nps", "last value", "readings", lambda r, d: r["metric"] == "nps", of=column("value")),
    asked("csat", "mean value", "readings", lambda r, d: r["metric"] == "c_sat", of=column("value"), reading="c_sat"),
    asked("age", "age", None),
    asked("age_trend", "age", None, trend=90),
]  # fmt: skip
TABLES = {
    "tickets": TableSource(columns={"due_at": "Due At"}),
    "orders": TableSource(time="day", lag_days=3, columns={"account_id": "Acct Id"}),
}
FILLED = {"tickets": ("closed_at", ("closed_at", "satisfaction")), "invoices": ("paid_at", ("paid_at",)),
          "milestones": ("completed_at", ("completed_at",))}  # fmt: skip
TIMES = {"usage": "occurred_at", "tickets": "opened_at", "invoices": "issued_at", "orders": "day", "readings": "read_on"}


def workspace(folder: Any, tables: dict[str, TableSource]) -> Workspace:
    """The company under its scorecard."""
    card = Scorecard(groups=("g",), metrics={a.metric.name: a.metric for a in MENU}, bands=(Band(name="red", start=0),))
    return Workspace(folder=folder, name="odd", scorecard=card, outcome=OutcomeSpec(), tables=tables, max_rejected=0.9)


def values(kind: str, value: Any) -> Any:
    """A cell as Python has it: moments in UTC without a zone, days as their midnight, no blanks around a text, NaN as nothing."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind == "zoned":
        return value.astimezone(UTC).replace(tzinfo=None)
    if kind in ("date", "moment"):
        return dt.datetime.fromisoformat(value)
    if kind == "decimal":
        return float(value)
    return (str(value).strip() or None) if kind == "text" else value


def sound(table: str) -> list[Row]:
    """The rows that keep every rule, each with its account, its day and the day it was known."""
    found = []
    for cells in COLUMNS[table][0]:
        kinds = COLUMNS[table][1]
        row = {name: values(kind, cell) for (name, kind), cell in zip(kinds.items(), cells, strict=True)}
        row["account_id"] = str(row["Acct Id"]) if table == "orders" else row["account_id"]
        row["due_at"] = row.get("due_at", row.get("Due At"))
        time = row[TIMES[table]] if table in TIMES else min((c[1] for c in CONTRACTS if c[0] == row["account_id"]), default=None)
        time = dt.datetime.fromisoformat(time) if isinstance(time, str) else time
        wrong = row["account_id"] not in ACCOUNTS or time is None or time.year < 1900 or abs(row.get("quantity") or 0) > 1e12
        if table == "usage" and row["quantity"] is None:
            row["quantity"] = 1.0
        if table == "invoices" and row["amount"] is None:
            wrong = True
        if wrong or (table == "tickets" and row["closed_at"] and row["closed_at"].date() < row["opened_at"].date()):
            continue
        day = time.date()
        known = max(day, row["recorded_at"].date()) if row.get("recorded_at") else day + dt.timedelta(3 if table == "orders" else 0)
        found.append({**row, "time": time, "day": day, "known": known})
    return found


def expected(item: Asked, account: str, as_of: dt.date) -> float:
    """The value of a metric, from the rows."""
    metric = item.metric
    now = once(item, account, as_of, 0, metric.window_days)
    if metric.trend is not None:
        before = once(item, account, as_of, metric.trend, metric.window_days)
        return ratio(now - before, before)
    if metric.against is None or metric.window_days is None:
        return now
    past = metric.against.past_days or 0
    if metric.measure.kind == "count":
        usual = once(item, account, as_of, metric.window_days, past) / past * metric.window_days
    else:
        parts = [once(item, account, as_of, metric.window_days * n, metric.window_days) for n in range(1, past // metric.window_days + 1)]
        usual = sum(parts) / len(parts)
    return ratio(now - usual, usual if usual > 0 else NAN)


def ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom and not math.isnan(bottom) else NAN


def once(item: Asked, account: str, as_of: dt.date, shift: int, window: int | None) -> float:
    """The same over one window, which ends `shift` days before the day."""
    metric, until = item.metric, as_of - dt.timedelta(shift)
    held = [c for c in CONTRACTS if c[0] == account and dt.date.fromisoformat(c[1]) <= as_of]
    running = [c for c in held if c[2] is None or dt.date.fromisoformat(c[2]) > as_of]
    began = min((dt.date.fromisoformat(c[1]) for c in held), default=None)
    if metric.table is None:
        return float((until - began).days) if began else NAN
    everything = [row for row in sound(metric.table) if row["known"] <= as_of]
    seen = [row for row in everything if row["account_id"] == account and row["day"] <= until]
    ends = min((c[2] for c in running if c[2]), default=None)
    seen = [{**_then(metric.table, row, until), "term_ends": dt.datetime.fromisoformat(ends) if ends else None} for row in seen]
    first = min((row["day"] for row in everything), default=None)
    start = max(first, began) if first and began else None
    reach = window or metric.stale_after_days
    rows = [row for row in seen if reach is None or row["day"] > until - dt.timedelta(reach)]
    if shift and window and (start is None or until - dt.timedelta(window - 1) < start):
        return NAN
    kept = [row for row in rows if item.keep(row, until)]
    value = _measured(metric.measure.kind, kept, item, until)
    if metric.measure.kind in ("count", "sum", "distinct", "open") and math.isnan(value) and start and until >= start:
        value = 0.0
    if item.below is not None:
        return ratio(value, item.below(rows))
    if metric.per is not None:
        return ratio(value, sum(c[4 if metric.per == "seats" else 3] or 0 for c in running))
    return value


def _then(table: str, row: Row, until: dt.date) -> Row:
    """A row as it stood on a day; a date of their own is hidden until that day."""
    own = {"tickets": ("due_at", ("due_at",))}.get(table)
    for by_, filled in [each for each in (FILLED.get(table), own) if each]:
        if row[by_] is None or row[by_].date() > until:
            row = {**row, **dict.fromkeys(filled)}
    return row


def _measured(kind: str, rows: list[Row], item: Asked, until: dt.date) -> float:
    if kind in ("count", "open"):
        return float(len(rows)) if rows else NAN
    if not rows:
        return NAN
    if kind == "days_since":
        return float((until - max(row["day"] for row in rows)).days)
    assert item.of is not None
    if kind == "last":
        order = [(row["time"], row["known"], NAN if (x := item.of(row, until)) is None else float(x)) for row in rows]
        latest = max(order, key=lambda each: (each[0], each[1], -math.inf if math.isnan(each[2]) else each[2]))
        return latest[2]
    found = [value for row in rows if (value := item.of(row, until)) is not None]
    if kind == "share":
        return sum(map(bool, found)) / len(rows)
    if kind == "distinct":
        return float(len(set(found)))
    return {"sum": lambda: math.fsum(found), "mean": lambda: math.fsum(found) / len(found) if found else NAN,
            "max": lambda: float(max(found)) if found else NAN}[kind]()  # fmt: skip
