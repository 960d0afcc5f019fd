"""A first scorecard: one metric for each usable thing that was recognised, scales from its own range or from history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from .init_column import numbers_of
from .init_mapping import Mapped, lower_or_higher
from .init_words import plain, slug

LOW, HIGH = {"quantile": 0.1}, {"quantile": 0.9}
URGENT = ("urgent", "critical", "blocker", "p1", "sev 1", "s1", "kritisch", "dringend", "critique", "urgente", "critica", "critico",
          "kritiek",
          "pilne", "krytyczny", "braadskande", "bradskande")  # fmt: skip
MEETINGS = ("meeting", "call", "qbr", "ebr", "review", "training", "demo", "visit", "termin", "besuch", "anruf", "reunion", "appel",
            "visite",
            "visita", "llamada", "afspraak", "bezoek", "gesprek", "riunione", "incontro", "chiamata", "reuniao", "ligacao", "spotkanie",
            "rozmowa", "moete", "samtal")  # fmt: skip
EXECUTIVES = ("executive", "exec", "ceo", "cfo", "coo", "cto", "cio", "vp", "sponsor", "c level", "geschaeftsfuehrer", "vorstand",
              "direction",
              "directeur", "direccion", "director",
              "directeur", "bestuur", "dirigente", "direttore", "diretor", "dyrektor", "prezes", "vd")  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """One metric of scorecard.yaml.

    Attributes
    ----------
    name, group, label : as there
    fields : its other keys but `weight`, in the order in which they are written
    note : what the guess rests on
    """

    name: str
    group: str
    label: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


Tables = Mapping[str, Sequence[Mapped]]


def first_metrics(tables: Tables) -> list[Guess]:
    """Every metric that the mapped tables allow, by group, with names that no attribute has."""
    found = [*_usage(tables), *_readings(tables), *_own(tables), *_milestones(tables), *_goals(tables), *_touchpoints(tables),
             *_surveys(tables),
             *_ratings(tables), *_advocacy(tables), *_tickets(tables), *_invoices(tables)]  # fmt: skip
    found.append(
        Guess(
            "tenure",
            "commercial",
            "Days as a customer",
            {"measure": "age", "better": "higher", "worst": 0, "best": 730},
            "days since the first contract",
        )
    )
    taken = {name.lower() for mapped in tables.get("accounts", ()) for name in mapped.names}
    return [
        guess if guess.name not in taken else Guess(f"{guess.name}_metric", guess.group, guess.label, guess.fields, guess.note)
        for guess in found
    ]


def whole_weights(count: int) -> list[int]:
    """Nearly equal whole numbers that sum to 100.

    >>> whole_weights(3)
    [34, 33, 33]
    """
    return [100 // count + (place < 100 % count) for place in range(count)]


def _has(tables: Tables, table: str, *names: str) -> bool:
    """Whether every file of a table brings these columns."""
    parts = tables.get(table, ())
    return bool(parts) and all(set(names) <= part.names for part in parts)


def _values(tables: Tables, table: str, name: str) -> list[str]:
    """The different words of a column, where there are few."""
    columns = [part.column(name) for part in tables.get(table, ())]
    return sorted({value for column in columns if column for value in column.values})


def _range(tables: Tables, table: str, name: str) -> tuple[float, float]:
    columns = [column for part in tables.get(table, ()) if (column := part.column(name))]
    return min((column.low for column in columns), default=float("nan")), max((column.high for column in columns), default=float("nan"))


def _one_of(name: str, values: Sequence[str]) -> str:
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{name} in ({quoted})" if len(values) > 1 else f"{name} = {quoted}"


def _worded(values: Sequence[str], words: Sequence[str]) -> list[str]:
    """Values that contain one of the words."""
    return [value for value in values if any(f" {word} " in f" {plain(value)} " for word in words)]


def _usage(tables: Tables) -> Iterator[Guess]:
    if not _has(tables, "usage"):
        return
    summed = any((column := part.column("occurred_at")) and column.month for part in tables["usage"])
    seats = _has(tables, "contracts", "seats")
    window, per = 28 if summed else 30, {"per": "seats"} if seats else {}
    span = "a window of 28 days holds one monthly total" if summed else "the last 30 days"
    base = {"table": "usage", "window_days": window}
    up = {"better": "higher", "worst": LOW, "best": HIGH}
    people = "distinct user_id" if _has(tables, "usage", "user_id") else "max active_users" if _has(tables, "usage", "active_users") else ""
    if people:
        scale = {"better": "higher", "worst": 0, "best": 1 if summed else 0.8} if seats else up
        label = "Active users per seat" if seats else "Active users"
        yield Guess(
            "active_users", "adoption", label, {**base, "measure": people, **per, **scale}, f"{span}{', per seat' if seats else ''}"
        )
    what = "sum quantity" if _has(tables, "usage", "quantity") else "count"
    yield Guess("usage_volume", "adoption", "Usage per seat" if seats else "Usage", {**base, "measure": what, **per, **up}, span)
    trend = {**base, "measure": what, "trend": 84 if summed else 60, "better": "higher", "worst": -0.5, "best": 0.2}
    yield Guess("usage_trend", "adoption", "Usage against two or three months ago", trend, "half as much scores 0, a fifth more scores 100")
    if _has(tables, "usage", "feature"):
        yield Guess("breadth", "adoption", "Features used", {**base, "measure": "distinct feature", **up}, span)
    if not summed:
        scale = {"better": "lower", "worst": HIGH, "best": LOW}
        yield Guess(
            "days_silent",
            "adoption",
            "Days since last use",
            {"table": "usage", "measure": "days_since", **scale},
            "any row of usage counts",
        )


def _readings(tables: Tables) -> Iterator[Guess]:
    for part in tables.get("readings", ()):
        metric = part.column("metric")
        for name in part.unpivot or (metric.values if metric else ()):
            lower = lower_or_higher(name).startswith("lower")
            scale = {"better": "lower", "worst": HIGH, "best": LOW} if lower else {"better": "higher", "worst": LOW, "best": HIGH}
            fields = {"table": "readings", "measure": "last value", "reading": name, "stale_after_days": 90, **scale}
            yield Guess(slug(name) or "reading", "measured", name.replace("_", " ").capitalize(), fields, lower_or_higher(name))


def _own(tables: Tables) -> Iterator[Guess]:
    for table, parts in tables.items():
        if parts[0].time is not None:
            fields = {"table": table, "measure": "count", "window_days": 90, "better": "higher", "worst": LOW, "best": HIGH}
            yield Guess(
                f"{table}_90d", "adoption", f"{table.replace('_', ' ').capitalize()} in 90 days", fields, "more rows are taken as good"
            )


def _milestones(tables: Tables) -> Iterator[Guess]:
    if _has(tables, "milestones", "completed_at"):
        fields = {"table": "milestones", "measure": "share completed_at", "better": "higher", "worst": 0, "best": 1}
        yield Guess("onboarding_done", "deployment", "Onboarding steps completed", fields, "share of the steps that are done")


def _goals(tables: Tables) -> Iterator[Guess]:
    if _has(tables, "goals", "achieved_at"):
        fields = {"table": "goals", "measure": "share achieved_at", "better": "higher", "worst": 0, "best": 1}
        yield Guess("goals_achieved", "roi", "Value goals achieved", fields, "share of the goals that were reached")


def _touchpoints(tables: Tables) -> Iterator[Guess]:
    if not _has(tables, "touchpoints"):
        return
    kinds, executives = (
        _worded(_values(tables, "touchpoints", "kind"), MEETINGS),
        _worded(_values(tables, "touchpoints", "persona"), EXECUTIVES),
    )
    where = {"where": _one_of("kind", kinds)} if kinds else {}
    fields = {"table": "touchpoints", **where, "measure": "count", "window_days": 90, "better": "higher", "worst": 0, "best": HIGH}
    yield Guess(
        "meetings", "engagement", "Meetings in 90 days", fields, "kinds that read like a meeting" if kinds else "every contact counts"
    )
    if executives:
        where = {"where": _one_of("persona", executives)}
        fields = {"table": "touchpoints", **where, "measure": "days_since", "better": "lower", "worst": HIGH, "best": LOW}
        yield Guess("executive_contact", "engagement", "Days since contact with an executive", fields, "roles that read like an executive")


def _surveys(tables: Tables) -> Iterator[Guess]:
    kinds = {
        plain(pick.sql) for part in tables.get("surveys", ()) for pick in part.picks if pick.name == "kind" and pick.sql.startswith("'")
    }
    kinds |= set(_values(tables, "surveys", "kind"))
    low, high = _range(tables, "surveys", "score")
    for kind in sorted(kinds)[:4]:
        worst, best = (0, 10) if plain(kind) == "nps" and high <= 10 else (low, high)
        fields = {
            "table": "surveys",
            "where": _one_of("kind", [kind]),
            "measure": "last score",
            "stale_after_days": 270,
            "better": "higher",
        }
        ends: dict[str, Any] = {"worst": _number(worst), "best": _number(best)} if best > worst else {"worst": LOW, "best": HIGH}
        fields = {**fields, **ends}
        yield Guess(
            "_".join(plain(kind).split()) or "survey",
            "relationship",
            f"Latest {kind.upper()} answer",
            fields,
            f"scores from {low:g} to {high:g}",
        )


def _ratings(tables: Tables) -> Iterator[Guess]:
    low, high = _range(tables, "ratings", "rating")
    if high > low:
        fields = {
            "table": "ratings",
            "measure": "last rating",
            "stale_after_days": 90,
            "better": "higher",
            "worst": _number(low),
            "best": _number(high),
        }
        yield Guess(
            "csm_rating", "relationship", "CSM's own rating", fields, f"ratings from {low:g} to {high:g}; higher is taken as better"
        )


def _advocacy(tables: Tables) -> Iterator[Guess]:
    if _has(tables, "advocacy"):
        fields = {"table": "advocacy", "measure": "count", "window_days": 365, "better": "higher", "worst": 0, "best": 2}
        yield Guess("advocacy", "relationship", "Acts of advocacy in a year", fields, "every row counts")


def _tickets(tables: Tables) -> Iterator[Guess]:
    if not _has(tables, "tickets"):
        return
    down = {"better": "lower", "worst": HIGH, "best": 0}
    yield Guess(
        "tickets_90d",
        "support",
        "Tickets in 90 days",
        {"table": "tickets", "measure": "count", "window_days": 90, **down},
        "fewer is better",
    )
    if _has(tables, "tickets", "closed_at"):
        fields = {"table": "tickets", "measure": "open", "better": "lower", "worst": 3, "best": 0}
        yield Guess("open_tickets", "support", "Open tickets", fields, "opened and not closed as far as was known on the day")
    urgent = _worded(_values(tables, "tickets", "severity"), URGENT)
    if urgent:
        fields = {
            "table": "tickets",
            "where": _one_of("severity", urgent),
            "measure": "count",
            "window_days": 90,
            "better": "lower",
            "worst": 2,
            "best": 0,
        }
        yield Guess("urgent_tickets", "support", "Urgent tickets in 90 days", fields, "severities that read like urgent")
    low, high = _range(tables, "tickets", "satisfaction")
    if high > low:
        scale = {"better": "higher", "worst": min(1, _number(low)), "best": _number(high)}
        fields = {"table": "tickets", "measure": "mean satisfaction", "window_days": 180, **scale}
        yield Guess("ticket_satisfaction", "support", "Satisfaction with support", fields, f"answers from {low:g} to {high:g}")


def _invoices(tables: Tables) -> Iterator[Guess]:
    if _has(tables, "invoices", "due_at", "paid_at"):
        fields = {"table": "invoices", "measure": "share paid_at > due_at", "window_days": 365, "better": "lower", "worst": 1, "best": 0}
        yield Guess("late_payment", "commercial", "Invoices paid late", fields, "share of a year's invoices")


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else round(float(value), 4)


def scale_of(cells: pd.Series, decimal: str = "") -> tuple[float | int, float | int] | None:
    """The 10th and 90th percentile of numbers; their ends where those are one; None where all are the same."""
    values = numbers_of(cells, decimal).dropna()
    if values.empty:
        return None
    for low, high in ((values.quantile(0.1), values.quantile(0.9)), (values.min(), values.max())):
        if high > low:
            return _number(float(low)), _number(float(high))
    return None
