"""The blocks that answer a doubter: verdicts with their reasons on demand, forecasts against what came, freshness, and how to read it."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from healthlib import claims_belief as say
from healthlib import page_leaks, plots, report
from healthlib.claims_glossary import LESSONS, MEANINGS
from healthlib.page_cells import as_is, money_kind, unit, with_cells
from healthlib.report import Piece
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import NOTHING, count, money, unknown

MARKS = {"yes": ("tone4", "▲"), "care": ("tone2", "◆"), "no": ("tone0", "▼"), "cannot tell": ("unscored", "○")}
"""Verdict -> tone and shape, those of the bands."""
WORDS = {"care": "with care"}


def chip(verdict: str) -> str:
    """A verdict with its colour and shape.

    >>> chip("no")
    '<span class="band tone0 verdict"><span aria-hidden="true">▼</span> <bdi>no</bdi></span>'
    """
    tone, mark = MARKS.get(verdict, MARKS["cannot tell"])
    return f'<span class="band {tone} verdict"><span aria-hidden="true">{mark}</span> {report.escape(WORDS.get(verdict, verdict))}</span>'


def strip(facts: ExecutiveFacts) -> Piece:
    """A line a question: the verdict, the question, what it rests on; the whole answer unfolds."""
    lines = "".join(
        f'<details class="answer"><summary>{chip(answer.verdict)} <span class="asked">{html.escape(answer.question)}</span> '
        f'<span class="quiet">{html.escape(answer.short)}</span></summary>{report.text(answer.whole).html}</details>'
        for answer in say.answers(facts)
    )
    return Piece(f'<div class="answers">{lines}</div>')


def tracked(facts: ExecutiveFacts) -> Piece:
    """Forecast against actual as a picture beside its figures; nothing where no month can be judged."""
    if facts.forecast.empty:
        return Piece("")
    drawn = plots.forecast_track(facts.forecast, currency=facts.currency)
    return report.columns(report.figure(drawn, alt=say.track(facts)), track(facts))


def track(facts: ExecutiveFacts) -> Piece:
    """Forecast against actual by month, the newest first."""
    currency, table, rolling = unit(facts), facts.forecast.iloc[::-1], facts.context["kind"] == "churn_within"
    spans = [
        Piece(f'<span class="quiet">{money(low, currency, 2)}–{money(high, currency, 2)}</span>')
        for low, high in zip(table["low"], table["high"], strict=True)
    ]
    rows = with_cells(table, range=spans).assign(month=pd.to_datetime(table["period"] + "-01"))
    shown: dict[str, tuple[str, Any]] = {
        "month": ("Month-end" if rolling else "Month", lambda at: Piece(f"{at:%b %Y}".replace(" ", "&nbsp;"))),
        "accounts": ("Accounts", "count"),
        "renewing_arr": ("ARR at the start" if rolling else "Up for renewal", money_kind(facts)),
        "expected": ("Expected", money_kind(facts)),
        "range": ("95% interval", as_is),
        "actual": ("Stayed", money_kind(facts)),
    }
    caption = "ARR expected to stay and ARR that stayed"
    caption += f", {facts.context['horizon_days']} days from each month-end" if rolling else ""
    return report.table(rows, shown, caption=caption, layout="fold")


def sources(facts: ExecutiveFacts) -> Piece:
    """Tables read, how fresh they are and whom they cover, what is left out, changes of the scorecard, warnings and leaks."""
    shown: dict[str, tuple[str, Any]] = {
        "table": ("Table", "text"),
        "rows_in": ("Rows", "count"),
        "rows_rejected": ("Set aside", "count"),
        "last_day": ("Last record", "date"),
        "age": ("Age", as_is),
        "covered": ("Covered", "share"),
    }
    rows = with_cells(facts.tables, age=_ages(facts))
    if facts.tables["last_day"].isna().all():
        shown = {name: spec for name, spec in shown.items() if name not in ("last_day", "age")}
    if facts.tables["covered"].isna().all():
        shown.pop("covered")
    caption = "What the report was made from, and the share of active accounts that each table says something of"
    changed: dict[str, tuple[str, Any]] = {
        "adopted_on": ("Changed on", "date"),
        "who": ("By", "text"),
        "why": ("Why", "text"),
        "after": ("Scorecard since", "text"),
    }
    left_out = say.exclusions(facts)
    return report.show(
        report.table(rows, shown, caption=caption),
        report.heading("What is not in the figures", 3) + report.bullets(left_out) if left_out else Piece(""),
        report.table(facts.scorecards, changed, caption="Changes of the scorecard") if len(facts.scorecards) else Piece(""),
        report.heading("Warnings", 3) + report.bullets(facts.warnings) if facts.warnings else Piece(""),
        page_leaks.listed(facts.leaks) if len(facts.leaks) else Piece(""),
    )


def _ages(facts: ExecutiveFacts) -> list[Piece]:
    """How old each table is; one whose rows reach past the day of the report says that the later ones were not used."""
    past = pd.to_datetime(facts.tables["last_day"]) > facts.context["as_of"]
    return [Piece("later rows unused") if late else _age(days) for late, days in zip(past, facts.tables["age_days"], strict=True)]


def _age(days: float) -> Piece:
    """Days since the last record."""
    if unknown(days):
        return Piece(NOTHING)
    words = "the same day" if days == 0 else f"{count(days)} {'day' if days == 1 else 'days'}"
    return Piece(
        f'<data value="{report.machine(days)}">{words}</data>'
        if days <= say.STALE_DAYS
        else f'<strong><data value="{report.machine(days)}">{words}</data></strong>'
    )


def how_to_read() -> Piece:
    """The seven steps of reading the report, and what every word means: folded away on a screen, printed on paper."""
    return report.details("How to read this", report.definitions(LESSONS))


def explained(piece: Piece, meanings: Mapping[str, str] = MEANINGS) -> Piece:
    """The piece with what its column headings mean shown to who points at them; print and keyboard find the same in the glossary.

    >>> explained(Piece('<th scope="col" class="num">ARR</th>'), {"ARR": "a year's money"}).html
    '<th scope="col" class="num" title="a year&#x27;s money">ARR</th>'
    """

    def titled(found: re.Match[str]) -> str:
        said = meanings.get(html.unescape(found[2])) or meanings.get(SYNONYMS.get(html.unescape(found[2]), ""))
        return found[0] if said is None else f'<th scope="col"{found[1]} title="{html.escape(said, quote=True)}">{found[2]}</th>'

    return Piece(re.sub(r'<th scope="col"([^>]*)>([^<]*)</th>', titled, piece.html))


SYNONYMS = {
    "± month": "± month, ± year",
    "± year": "± month, ± year",
    "Accounts": "Account",
    "Likely lost, 95% interval": "Likely lost",
    "Behaviour": "What moved a score",
    "Data": "What moved a score",
    "90 days": "Renews",
    "180 days": "Renews",
}
"""Heading -> the term of the glossary that it stands for."""
