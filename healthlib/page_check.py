"""The page of the data check: findings as sentences first, a picture where it tells more, every list folded away."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthlib import claims_check as say
from healthlib import claims_repeats, page_leaks, page_lint, report, wording
from healthlib import plots_check as plots
from healthlib.claims import named
from healthlib.claims_ledger import Finding, headline_money
from healthlib.page_audit import unbroken
from healthlib.page_ledger import folded, ledger, listed
from healthlib.pieces import Columns, Kind, Piece

if TYPE_CHECKING:
    from healthlib.studies.check_facts import CheckFacts

TITLE = "Is the data good enough?"
MARKS = {"yes": ("tone4", "▲", "yes"), "care": ("tone2", "◆", "with care"), "no": ("tone0", "▼", "not yet")}
LEVELS = {"mend": ("tone0", "▼", "Mend"), "look": ("tone2", "◆", "Look"), "fine": ("tone4", "▲", "Fine")}


def page(check: CheckFacts) -> str:
    """The whole page as HTML."""
    pairs = [(ledger, measured), (events, known)] if check.dated else [(measured, known)]
    beside = [report.columns(*(section(check) for section in pair)) for pair in pairs]
    body = report.show(
        opening(check), to_mend(check), *beside, report.card(rows(check)), report.card(leaks(check)), report.card(scorecard(check))
    )
    return report.render(TITLE, body, context=check.context, meanings=say.MEANINGS)


def mark(marks: dict[str, tuple[str, str, str]]) -> Callable[[Any], Piece]:
    """A column kind: a verdict with its colour and its shape."""

    def chip(name: Any) -> Piece:
        tone, glyph, words = marks[str(name)]
        return Piece(f'<span class="band {tone}"><span aria-hidden="true">{glyph}</span> {words}</span>')

    return chip


def opening(check: CheckFacts) -> Piece:
    """The verdict, the figures it rests on, and the verdict per purpose."""
    has, used = check.power, int(check.tables["rows_used"].sum())
    tiles = [
        ("Lost accounts", wording.count(has.lost), f"and {wording.counted(has.kept, 'kept one')}, with a finished outcome"),
        ("An AUC of 0.75 would be known to", say.span(has.low, has.high), "95% interval"),
        ("Rows used", wording.count(used), f"{wording.count(check.tables['rows_rejected'].sum())} set aside"),
    ]
    if check.dated:
        bare = check.clocks[~check.clocks["clock"].isin(say.CLOCKED)]["weight"].sum()
        tiles.append(("Weight without a clock", wording.share(bare), "of the score's weight"))
    if len(check.bridge):
        tiles.append(("ARR", headline_money(check), wording.counted(check.context["accounts"], "active account")))
    columns: Columns = {
        "question": ("Purpose", "text"),
        "verdict": ("Good enough?", mark(MARKS)),
        "why": ("Because there are", "text"),
        "needs": ("A firm answer needs", "text"),
    }
    if not check.readiness["needs"].any():
        columns = {name: kind for name, kind in columns.items() if name != "needs"}
    frame = check.readiness.assign(question=check.readiness["question"].str.capitalize())
    stops = [report.note(line, "warning") for line in check.failed.splitlines() if line.strip()]
    return report.show(
        report.lead(say.opening(check)),
        report.tiles(tiles),
        *stops,
        report.card(
            report.heading("What the data can carry"),
            report.claim(say.outcomes(check)),
            report.table(frame, columns, caption="Verdict per purpose (the numbers of outcomes asked for are conventions)", layout="cards"),
        ),
    )


def to_mend(check: CheckFacts) -> Piece:
    """Every finding as a sentence, the gravest first, what is fine folded away; and the warnings of the tables."""
    found = say.findings(check)
    open_, fine = ([one for one in found if (one.level == "fine") is good] for good in (False, True))
    grave = sum(one.level == "mend" for one in open_)
    said = (
        f"{wording.counted(grave, 'thing')} to mend before figures are shown"
        if grave
        else "Nothing must be mended before figures are shown"
    )
    rest = f"{wording.counted(len(open_) - grave, 'thing')} to look at, {wording.count(len(fine))} fine."
    notes = [report.note(words) for words in check.warnings if words != check.context["evidence"]]
    good = [report.details(f"What is fine ({len(fine)})", _marked(fine))] if fine else []
    return report.card(report.heading("What was found"), report.claim(f"{said}; {rest}"), _marked(open_), *good, *notes)


def _marked(found: list[Finding]) -> Piece:
    """Findings as a list, each with the colour and the shape of its level."""
    chip = mark(LEVELS)
    items = "".join(f"<li>{chip(one.level).html} {report.escape(one.text)}</li>" for one in found)
    return Piece(f'<ul style="list-style:none;padding-left:0">{items}</ul>' if items else "")


def rows(check: CheckFacts) -> Piece:
    """Rows per table, rejected by rule with the first examples, and ids that do not join."""
    tables: Columns = {
        "table": ("Table", unbroken),
        "rows_in": ("Rows read", "count"),
        "rows_used": ("Used", "count"),
        "rows_rejected": ("Set aside", "count"),
        "said": ("Share", "text"),
    }
    frame = check.tables.assign(said=[say.small_share(value) if value else "" for value in check.tables["share"].fillna(0.0)])
    rules: Columns = {
        "table": ("Table", unbroken),
        "rule": ("Rule", "text"),
        "rows": ("Rows", "count"),
        "where": ("First at", "text"),
        "value": ("Value found", "text"),
    }
    broken = _placed(check.rules)
    examples = _placed(check.examples)
    joins: Columns = {
        "table": ("Table", unbroken),
        "column": ("Column", "text"),
        "rows": ("Rows", "count"),
        "ids": ("Ids", "count"),
        "alike": ("Would join if written alike", "count"),
        "first_ids": ("First ids", "text"),
    }
    return report.show(
        report.heading("Rows"),
        report.claim(say.rows(check).text),
        report.table(broken, rules, caption="Rows set aside by rule", layout="cards fold") if len(broken) else Piece(""),
        listed(examples, {name: kind for name, kind in rules.items() if name != "rows"}, "First rows of each rule", "More examples"),
        folded(frame, dict(tables), "Rows read, used and set aside", "Every table"),
        report.claim(say.strangers(check).text) if check.dated else Piece(""),
        report.table(check.strangers, joins, caption="Ids that join no account", layout="cards") if len(check.strangers) else Piece(""),
        report.text(claims_repeats.repeats(check).text) if check.dated else Piece(""),
        _repeats(check),
        report.text(say.reach(check).text) if check.dated else Piece(""),
        folded(
            check.reach.sort_values("share", kind="stable"),
            {
                "table": ("Table", unbroken),
                "with_rows": ("Active accounts with rows", "count"),
                "share": ("Share", "share"),
                "before": ("Rows before the first contract", "count"),
                "after": ("Rows after the last", "count"),
            },
            "Active accounts that each table speaks of, and rows outside the account's contracts",
            "How many accounts each table speaks of",
        ),
    )


def _repeats(check: CheckFacts) -> Piece:
    """Tables with rows that repeat another one, folded away."""
    columns: Columns = {
        "table": ("Table", unbroken),
        "repeats": ("Rows that repeat another", "count"),
        "share": ("Of the rows looked at", "share"),
        "days_doubled": ("Days on which all rows do", "count"),
        "days": ("Days with rows", "count"),
        "first_lines": ("First lines", "text"),
    }
    found = check.repeats[check.repeats["repeats"] > 0]
    caption = "Event rows that repeat another one in every column"
    return folded(found, dict(columns), caption, "Rows that are there twice") if len(found) else Piece("")


def _placed(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with `where`: file, line and column in one text."""
    where = [
        f"{file}:{int(line)}{f', {column}' if column else ''}" if pd.notna(line) else ""
        for file, line, column in zip(frame["file"], frame["line"], frame["column"].fillna(""), strict=True)
    ]
    return frame.assign(where=where, value=[str(value)[:80] for value in frame["value"].fillna("")])


def events(check: CheckFacts) -> Piece:
    """Gaps and jumps in the volume of events."""
    if not check.dated or check.volumes.empty:
        return Piece("")
    frame = check.breaks.assign(
        what=[say.jump_said(row) for _, row in check.breaks.iterrows()],
        many=[f"{'−' if r < 0 else '+'}{wording.count(abs(r))}" for r in check.breaks["rows"]],
    )
    columns: Columns = {
        "table": ("Table", unbroken),
        "what": ("What", "text"),
        "starts": ("From", "date"),
        "ends": ("To", "date"),
        "days": ("Days", "count"),
        "many": ("Rows", lambda value: Piece(f'<span class="nowrap">{value}</span>')),
    }
    hidden = list(dict.fromkeys(check.volumes["table"]))[plots.MOST_TABLES :]
    return report.show(
        report.heading("Gaps and jumps in the volume of events"),
        report.claim(say.breaks(check).text),
        report.table(
            frame, columns, caption="Breaks, with the rows missing or too many (a week or month of them for a jump)", layout="cards fold"
        )
        if len(frame)
        else Piece(""),
        report.figure(plots.volumes(check), alt=say.breaks(check).text),
        report.text(f"Not drawn: {named(hidden, 8)}.") if hidden else Piece(""),
    )


def known(check: CheckFacts) -> Piece:
    """How far back each table goes, how fresh it is, and which clock it has."""
    called = {"recorded": "recorded_at", "lag": "declared lag", "none": "none", "borrowed": "no day of its own", "today": "today's values"}
    frame = check.clocks.sort_values("weight", ascending=False, kind="stable")
    frame = frame.assign(
        said=[
            f"{called[c]}{f' ({int(lag)} days)' if c == 'lag' else ''}" for c, lag in zip(frame["clock"], frame["lag_days"], strict=True)
        ],
        delay=[f"{m:.0f} ({p:.0f})" if m == m else "" for m, p in zip(frame["delay_median"], frame["delay_p95"], strict=True)],
    )
    columns: dict[str, tuple[str, Kind]] = {
        "table": ("Table", unbroken),
        "said": ("Clock", "text"),
        "weight": ("Of the score's weight", "share"),
        "delay": ("Days late, median (95% within)", "text"),
        "first_day": ("First row", "date"),
        "last_day": ("Last row", "date"),
        "silent_days": ("Days since", "count"),
        "rows": ("Rows", "count"),
    }
    picture = report.figure(plots.timeline(check), alt=say.clocks(check).text) if check.dated else Piece("")
    return report.show(
        report.heading("How far back, how fresh, and known since when"),
        report.claim(say.clocks(check).text),
        report.claim(say.history(check).text),
        picture,
        folded(frame, columns, "Clock, reach and freshness of every table", "Every table: clock, delay, first and last row")
        if check.dated
        else Piece(""),
    )


def measured(check: CheckFacts) -> Piece:
    """Coverage of each metric by month and by segment."""
    if check.coverage.empty:
        return Piece("")
    shown = [report.figure(plots.coverage(check), alt=say.coverage(check).text)] if check.dated else []
    lines = [words for words in (say.since(check), say.segments(check)) if words]
    return report.show(
        report.heading("How much of the score can be measured"),
        report.claim(say.coverage(check).text),
        *shown,
        report.bullets(lines),
        _segments(check),
        _months(check),
    )


def heat(value: Any) -> Piece:
    """A share over a bar of that length."""
    if wording.unknown(value):
        return Piece(wording.NOTHING)
    return Piece(
        f'<span class="heat"><i style="width:{100 * value:.0f}%"></i><data value="{float(value):.3f}">{wording.share(value)}</data></span>'
    )


def _segments(check: CheckFacts) -> Piece:
    if check.by_segment.empty:
        return Piece("")
    frame = _grid(check.by_segment, "segment")
    names = [name for name in frame.columns if name != "label"]
    columns: dict[str, tuple[str, Kind]] = {"label": ("Metric", "text"), **{name: (str(name), heat) for name in names}}
    return folded(
        frame,
        columns,
        f"Share of the active accounts measured today, by {check.context['segment_by']}",
        f"Coverage by {check.context['segment_by']}",
    )


def _months(check: CheckFacts) -> Piece:
    """The last months as figures, newest first, for who cannot see the picture."""
    if not check.dated:
        return Piece("")
    last = sorted(check.coverage["as_of"].unique())[-7:][::-1]
    frame = _grid(check.coverage[check.coverage["as_of"].isin(last)], "as_of")
    columns: dict[str, tuple[str, Kind]] = {"label": ("Metric", "text"), **{day: (wording.day(day), heat) for day in last}}
    return folded(frame, columns, "Share of the active accounts measured, by month", "Coverage in the last months, as figures")


def _grid(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Metrics down, the values of `by` across."""
    order = list(dict.fromkeys(frame["metric"]))
    wide = frame.assign(share=frame["share"].astype(float)).pivot(index="metric", columns=by, values="share").reindex(order)
    labels = frame.drop_duplicates("metric").set_index("metric")["label"]
    return wide.assign(label=labels).reset_index(drop=True)


def leaks(check: CheckFacts) -> Piece:
    """What seems to know the outcome, with the numbers as pictures."""
    return report.show(
        report.heading("What may know the outcome"),
        report.claim(say.leaks(check).text),
        page_leaks.section(check.leaks, check.leak_figures, check.labels, check.leak_notes),
    )


def scorecard(check: CheckFacts) -> Piece:
    """The scorecard looked over."""
    return report.show(report.heading("Is the scorecard sound?"), page_lint.section(check.lint))
