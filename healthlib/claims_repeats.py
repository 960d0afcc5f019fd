"""The sentence about event rows that are there twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib.claims import largest, named
from healthlib.claims_ledger import Finding
from healthlib.wording import count, counted, share

if TYPE_CHECKING:
    from healthlib.studies.check_facts import CheckFacts

MOST = 0.05
"""More of a table's rows that repeat another one look like an export loaded twice."""


def repeats(check: CheckFacts) -> Finding:
    """Rows of events that repeat another one in every column, and whether they look like a double load."""
    if not check.dated or check.repeats.empty:
        return Finding("fine", "No table of events could hold a row twice.")
    found = check.repeats[check.repeats["repeats"] > 0].sort_values("repeats", ascending=False, kind="stable")
    some = check.repeats[check.repeats["one_in"] > 1]
    part = [f"one account in {n} of {table}" for table, n in zip(some["table"], some["one_in"], strict=True)]
    sampled = f" Looked at: {named(part)}." if part else ""
    if found.empty:
        return Finding("fine", f"No row of {counted(len(check.repeats), 'table')} of events repeats another one in every column.{sampled}")
    each = [
        f"{count(n)} of {table} (lines {lines})"
        for table, n, lines in zip(found["table"], found["repeats"], found["first_lines"], strict=True)
    ]
    text = f"Rows that repeat another one in every column: {named(each)}."
    grave = found[(found["share"] > MOST) | (found["days_doubled"] > 0)]
    if grave.empty:
        return Finding(
            "fine", f"{text} They may be true (two mails a day); no day came whole a second time, as in an export loaded twice.{sampled}"
        )
    worst = largest(grave, "share")
    text += f" In {worst['table']} they are {share(worst['share'], 1)} of the rows, and on {count(worst['days_doubled'])} of "
    text += f"{counted(worst['days'], 'day')} every row is there twice: identical rows may be true (two mails a day), but this looks "
    return Finding("look", f"{text}like an export loaded twice. Load it once, or write `select distinct` in its sql.{sampled}")
