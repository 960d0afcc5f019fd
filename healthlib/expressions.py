"""Expressions of a scorecard: each is one expression over a row, or it never reaches the database."""

from __future__ import annotations

from collections.abc import Iterator

from healthlib.engine import Engine
from healthlib.errors import Fault
from healthlib.spec import Metric, Scorecard

EXPECTED = "one expression over the row's own columns: no query inside it, no comment, no second expression"


def strange_expressions(scorecard: Scorecard, columns: dict[str, dict[str, str]], engine: Engine) -> list[Fault]:
    """A fault for each `where`, `measure`, `per` or `column` that would do more than look at a row.

    Parameters
    ----------
    columns : table -> column -> kind; the name of a column, whatever stands in it, is always fine
    engine : it parses, and runs nothing
    """
    faults = []
    for metric in scorecard.metrics.values():
        names = columns.get("accounts" if metric.column is not None else metric.table or "", {})
        for key, text in expressions(metric):
            said = None if text in names else engine.strange(text)
            if said is not None:
                found = f"{text[:80]!r} ({said})"
                faults.append(Fault("scorecard.yaml", None, f"metrics.{metric.name}.{key}", found, EXPECTED))
    return faults


def expressions(metric: Metric) -> Iterator[tuple[str, str]]:
    """Key and text of everything in a metric that is SQL."""
    per = (metric.per or "").partition(" ")[2] if (metric.per or "").lower() != "active users" else ""
    texts = {"where": metric.where, "measure": metric.measure.of, "per": per.strip(), "column": metric.column}
    yield from ((key, text) for key, text in texts.items() if text)
