"""The section of each account that the audit names: what became of it, its picture, its metrics; and the way back to the lists."""

from __future__ import annotations

import html
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_accounts as say
from healthlib import plots_accounts as plots
from healthlib import report, wording
from healthlib.pieces import Piece
from healthlib.studies.accounts import records

if TYPE_CHECKING:
    from healthlib.studies.accounts import AccountFacts, Record

METRICS = 5
"""Metrics with a line of their own in a section: those that the sentences name, then the heaviest."""
LIST_ANCHORS = {
    "zombie": "list-zombies",
    "watermelon": "list-watermelons",
    "false alarm": "list-false-alarms",
    "successful": "list-successful",
    "overruled": "list-overruled",
    "unsure": "list-unsure",
}
"""Anchors of the lists that name the accounts."""


def sections(facts: AccountFacts) -> Piece:
    """Every account that has a section, folded away; a link to one opens it."""
    found = records(facts)
    if not found:
        return Piece("")
    return report.show(report.text(LEGEND), *(section(facts, record) for record in found))


LEGEND = (
    "The filled shape is the score by month, by the scorecard in use today, in the colour of its band; the band’s sign stands where it "
    "changes. A thin line is what the scorecard of that day said, a dashed one the day it changed; ↑ is the day for which the account is "
    "listed, “Gate” a month that a gate capped, ◇ one that a person overruled. Terms: ◆ renewed, ✕ left. Tickets: opened above the line, "
    "closed below. Figures at the right: the last score, and the most tickets and contacts in a month. Metrics: points from 0 at the foot "
    "to 100 at the top; then the last points, and the last value in the metric’s own unit. The lists, as every test of the score, leave "
    "out what seems to know the outcome, so that a score said there can differ a little from the shape."
)


def section(facts: AccountFacts, record: Record) -> Piece:
    """One account, folded behind its name."""
    row = record.named
    title = record.label if record.label == str(row["account_id"]) else f"{record.label} ({row['account_id']})"
    state = f"left {wording.day(row['ended_on'])}" if row["state"] == "left" else "customer"
    remark = f"{row['lists']} · {wording.money(row['arr'], facts.currency)} · {state}"
    head = f'<summary>{report.escape(title)} <span class="quiet">{html.escape(remark)}</span></summary>'
    picture = plots.lifeline(facts, record, say.course(record)) + Piece(_events(record))
    body = report.show(*(report.text(said) for said in say.story(facts, record))) + Piece(
        f'<div class="pair"><div>{picture.html}</div>{_metrics(facts, record)}</div>'
    )
    back = ", ".join(f'<a href="#{LIST_ANCHORS[name]}">{say.PLURAL[name]}</a>' for name in record.lists)
    anchor = html.escape(str(row["anchor"]), quote=True)
    return Piece(
        f'<details class="account">{head}<section id="{anchor}">{body.html}<p class="quiet">Back to {back}</p></section></details>'
    )


def _metrics(facts: AccountFacts, record: Record) -> str:
    """Metrics as lines, with the last points and the last value. End tags that HTML lets be are left out: there are hundreds of rows."""
    names = chosen(facts, record)
    rows = ""
    for name in names:
        points, values = record.points[name].tolist(), record.values[name].tolist()
        last = max((place for place, value in enumerate(points) if not pd.isna(value)), default=-1)
        figures = (wording.points(points[last]), figure(values[last])) if last >= 0 else (wording.NOTHING, wording.NOTHING)
        rows += f"<tr><th scope=row>{html.escape(facts.labels[name])}<td>{plots.spark(points).html}<td>{figures[0]}<td>{figures[1]}"
    if not rows:
        return ""
    head = "".join(f"<th scope=col>{words}" for words in ("Metric", "By month", "Points", "Value"))
    known = len(record.points.columns) - 1
    caption = f"{len(names)} of {wording.counted(known, 'metric')}" if len(names) < known else wording.counted(known, "metric")
    return f'<table class="sparks"><caption>{caption}</caption><thead><tr>{head}</thead><tbody>{rows}</tbody></table>'


def chosen(facts: AccountFacts, record: Record) -> list[str]:
    """The metrics shown: what held the score down, what it missed, then the heaviest; at most `METRICS`, those never measured last."""
    there = [name for name in record.points.columns if name != "account_id"]
    known = {name for name in there if record.points[name].notna().any()}
    low = record.missed[record.missed["standing"] == "low"].sort_values("as_low", kind="stable")["metric"].head(3)
    heavy = sorted(there, key=lambda name: -facts.weights.get(name, 0.0))
    first = list(dict.fromkeys([*record.held["metric"], *low, *heavy]))
    return sorted((name for name in first if name in there), key=lambda name: name not in known)[:METRICS]


def figure(value: float) -> str:
    """A value in its own unit, with the digits that its size asks for.

    >>> figure(0.4187), figure(1234.5), figure(30.0), figure(float("nan"))
    ('0.42', '1,234', '30', '–')
    """
    if pd.isna(value):
        return wording.NOTHING
    return wording.number(value, 0 if abs(value) >= 100 or float(value).is_integer() else 1 if abs(value) >= 10 else 2)


def _events(record: Record) -> str:
    """Tickets by severity and contacts by kind of the last year shown, and the playbooks by name."""
    rows = record.diary.months
    begun = (record.scores["as_of"].max() - pd.DateOffset(months=12)) if len(record.scores) else pd.Timestamp.min
    parts = []
    last = [row for row in rows[["kind", "what", "n", "month"]].itertuples(index=False, name=None) if row[3] > begun]
    for kind, noun in (("opened", "ticket"), ("contact", "contact")):
        by: Counter[str] = Counter()
        for _, what, n, _ in (row for row in last if row[0] == kind):
            by[what] += int(n)
        if by:
            names = [f"{wording.count(n)} {what}".strip() for what, n in by.most_common(4)]
            parts.append(f"{wording.counted(by.total(), noun)} in the last 12 months ({', '.join(names)})")
    plays = record.diary.plays.tail(2)
    begun = [f"{play}, {wording.day(start)}" for play, start in zip(plays["playbook"], plays["starts"], strict=True)]
    parts += [f"playbooks: {wording.listed(begun)}"] if begun else []
    return f'<p class="quiet">{report.escape("; ".join(parts))}.</p>' if parts else ""
