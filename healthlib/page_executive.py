"""The executive page's first screen: the base, what renews, where we excel, what to believe, and whom to turn to first."""

from __future__ import annotations

from typing import Any

import pandas as pd

from healthlib import claims_belief, palette, report
from healthlib import claims_executive as say
from healthlib.page_belief import explained, strip
from healthlib.page_cells import as_is, chip, lost, money_kind, unit, with_cells
from healthlib.page_risks import FIRST, risk_table
from healthlib.palette import UNSCORED
from healthlib.report import Piece
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import NOTHING, banded, count, day, money, number, share, unknown

SEGMENTS = 5
"""Segments of the first screen, the largest ARR first; all are in the table below it."""


def first_screen(facts: ExecutiveFacts) -> Piece:
    """What a reader sees first, on one screen: nothing here that is not told in full below."""
    base, doubts, due = bands(facts), believe(facts), renewals(facts)
    quiet = facts.due.empty
    cards = report.show(
        report.columns(base + due, doubts) if quiet else report.columns(base, due),
        report.columns(strengths(facts)) if quiet else report.columns(strengths(facts), doubts),
        report.card(first(facts)),
    )
    return report.show(report.lead(say.opening(facts)), tiles(facts), Piece(f'<div class="screen">{explained(cards).html}</div>'))


def _title(claim: str) -> Piece:
    """A claim as the title of its card."""
    return report.heading(claim.removesuffix("."))


def tiles(facts: ExecutiveFacts) -> Piece:
    """Accounts, ARR, the worst band against a month and a year ago, and retention with what moved it."""
    table, currency = facts.by_band, unit(facts)
    total = table[["accounts", "arr", "accounts_before", "arr_before", "accounts_year", "arr_year"]].sum(min_count=1)
    worst = facts.worst
    figures = [
        ("Active accounts", count(len(facts.scores)), say.moved_by(facts, total, "accounts")),
        ("ARR", money(float(facts.scores["arr"].sum()), currency), say.moved_by(facts, total, "arr")),
        (f"ARR in {facts.bands[0]}", money(worst["arr"], currency), say.moved_by(facts, worst, "arr")),
    ]
    names = {"grr_12m": "GRR, 12 months", "nrr_12m": "NRR, 12 months", "logo_churn_12m": "Logo churn, 12 mo."}
    figures += [
        (label, share(facts.retention[key].value), say.retained(facts, key)) for key, label in names.items() if key in facts.retention
    ]
    return report.tiles(figures)


def bands(facts: ExecutiveFacts) -> Piece:
    """Accounts and ARR by band, against last month and last year."""
    if facts.scores.empty:
        return _title("No account is a customer today")
    table, currency = facts.by_band, unit(facts)
    table = table[(table["band"] != UNSCORED) | (table[["accounts", "accounts_before", "accounts_year"]].sum(axis=1) > 0)]
    rows = table.assign(
        share=table["arr"] / float(facts.by_band["arr"].sum() or 1),
        d_accounts=table["accounts"] - table["accounts_before"],
        d_arr=table["arr"] - table["arr_before"],
        y_accounts=table["accounts"] - table["accounts_year"],
        y_arr=table["arr"] - table["arr_year"],
    )
    shown: dict[str, tuple[str, Any]] = {"band": ("Band", report.bands(facts.band_colours)), "accounts": ("Accounts", "count")}
    if table["accounts_before"].notna().any():
        shown |= {"d_accounts": ("± month", "change")}
    if table["accounts_year"].notna().any():
        shown |= {"y_accounts": ("± year", "change")}
    shown |= {"arr": ("ARR", f"money {currency}"), "share": ("Share", "share")}
    if table["arr_before"].notna().any():
        shown |= {"d_arr": ("± month", f"money_change {currency}")}
    if table["arr_year"].notna().any():
        shown |= {"y_arr": ("± year", f"money_change {currency}")}
    earlier = f", and change since {day(facts.context['month'])}" if "d_arr" in shown else ""
    earlier += " and a year ago" if "y_arr" in shown else ""
    return report.show(
        _title(say.bands(facts)),
        report.table(rows, shown, caption=f"Accounts and ARR by band{earlier}", n=len(facts.scores)),
    )


def renewals(facts: ExecutiveFacts) -> Piece:
    """What renews in 90 and 180 days, by band, with what is likely to be lost."""
    evergreen = facts.context["kind"] == "churn_within"
    if facts.due.empty:
        return report.text(say.renewals(facts))
    head = _title(say.renewals(facts))
    if evergreen:
        return head + _outlook(facts)
    due = with_cells(facts.due, lost=[lost(row, unit(facts)) for row in facts.due.to_dict("records")])
    wide = due[due["days"] == 180].merge(due[due["days"] == 90], on="band", how="left", suffixes=("_180", "_90"))
    shown: dict[str, tuple[str, Any]] = {
        "band": ("Band", chip(facts)),
        "accounts_90": ("90 days", "count"),
        "arr_90": ("ARR", money_kind(facts)),
        "lost_90": ("Likely lost", as_is),
        "accounts_180": ("180 days", "count"),
        "arr_180": ("ARR", money_kind(facts)),
        "lost_180": ("Likely lost", as_is),
    }
    if facts.due["expected_lost"].isna().all():
        shown = {name: spec for name, spec in shown.items() if not name.startswith("lost")}
    total = int(due.loc[(due["days"] == 180) & (due["band"] == "all"), "accounts"].sum())
    grid = report.table(wide, shown, caption="Accounts whose term ends within 90 and 180 days, with 95% intervals", n=total)
    return head + Piece(f'<div class="tight">{grid.html}</div>')


def _outlook(facts: ExecutiveFacts) -> Piece:
    """Where contracts have no end: what is likely to be lost within the horizon, by band."""
    rows = with_cells(facts.due, lost=[lost(row, unit(facts)) for row in facts.due.to_dict("records")])
    shown: dict[str, tuple[str, Any]] = {
        "band": ("Band", chip(facts)),
        "accounts": ("Accounts", "count"),
        "arr": ("ARR", money_kind(facts)),
    }
    shown["lost"] = ("Likely lost", as_is)
    days = facts.context["horizon_days"]
    return report.table(rows, shown, caption=f"ARR likely to be lost within {days} days, with 95% intervals", n=len(facts.scores))


def strengths(facts: ExecutiveFacts) -> Piece:
    """Where we excel and where we must improve: groups of metrics by the largest segments, weighted by ARR, in the colours of the bands."""
    names = [name for name in facts.groups.columns if name.startswith("group:")]
    if not facts.groups[names].notna().any(axis=None):
        return _title(say.groups(facts))
    parts, whole = facts.groups.iloc[:-1], facts.groups.tail(1)
    chosen = pd.concat([whole, parts.sort_values("arr", ascending=False, kind="stable").head(SEGMENTS)], ignore_index=True)
    rows: list[dict[str, Any]] = [{"group": say.group_name(name), **{str(i): row[name] for i, row in chosen.iterrows()}} for name in names]
    paint = _painted(facts)
    shown: dict[str, tuple[str, Any]] = {"group": ("Group", "text")}
    shown |= {
        str(i): (f"{row['segment']}{_few(row)}, n\u00a0=\u00a0{count(row['accounts'])}, {money(row['arr'], unit(facts))}", paint)
        for i, row in chosen.iterrows()
    }
    more = f"; the {SEGMENTS} largest of {count(len(parts))}, all below" if len(parts) > SEGMENTS else ""
    by = f" and {facts.context['segment_by']}" if len(parts) else ""
    caption = f"Points of 100 by group of metrics{by}, weighted by ARR{more}{_marked(chosen)}"
    grid = report.table(pd.DataFrame(rows), shown, caption=caption, n=len(facts.scores))
    return _title(say.groups(facts)) + Piece(f'<div class="heats">{grid.html}</div>')


def _few(row: Any) -> str:
    """A mark beside a part of the base of too few accounts for its points to say much."""
    return "*" if row["accounts"] < say.FEW else ""


def _marked(rows: pd.DataFrame) -> str:
    return f"; * fewer than {say.FEW} accounts, of which one may decide" if (rows["accounts"] < say.FEW).any() else ""


def _painted(facts: ExecutiveFacts) -> Any:
    """Points in the colour and with the shape of the band that such a score would be in."""
    names = [band for band in facts.bands if band != UNSCORED]
    tones, starts = palette.tones(facts.bands), facts.band_starts

    def cell(points: float) -> Piece:
        if unknown(points):
            return Piece(NOTHING)
        tone = tones[names[max(sum(points >= start for start in starts) - 1, 0)]]
        glyph = f'<span aria-hidden="true">{palette.GLYPHS[tone]}</span>'
        return Piece(f'<span class="spot {tone}">{glyph} <data value="{report.machine(points)}">{banded(points, starts)}</data></span>')

    return cell


def _legend(facts: ExecutiveFacts) -> str:
    """What the shapes mean: from which points on."""
    names, tones = [band for band in facts.bands if band != UNSCORED], palette.tones(facts.bands)
    pairs = list(zip(names, facts.band_starts, strict=True))[::-1]
    return ", ".join(f"{palette.GLYPHS[tones[name]]} as {name} (from {number(start, 0)})" for name, start in pairs)


def believe(facts: ExecutiveFacts) -> Piece:
    """The verdicts on what can be believed."""
    return _title(claims_belief.verdict(facts)) + strip(facts)


def first(facts: ExecutiveFacts) -> Piece:
    """The first accounts to turn to."""
    head = _title(say.first(facts))
    if facts.risks.empty:
        return head
    soon = "Renewals of the next 180 days first, then by" if facts.risks["term_ends"].notna().any() else "By"
    order = "ARR times chance of loss" if facts.risks["loss"].notna().any() else "band and ARR"
    beside = say.unlisted(facts)
    caption = f"{soon} {order}; unfold a reason for its figures" + (f". {beside}" if beside else "")
    return head + risk_table(facts, facts.risks.head(FIRST), caption)


def groups(facts: ExecutiveFacts) -> Piece:
    """Groups of metrics by segment, in ARR-weighted points."""
    names = [name for name in facts.groups.columns if name.startswith("group:")]
    if not facts.groups[names].notna().any(axis=None):
        return Piece("")
    rows = facts.groups.assign(worst=facts.groups["arr_worst"] / facts.groups["arr"], whole=facts.groups.index == facts.groups.index[-1])
    rows["segment"] = [f"{row['segment']}{_few(row)}" for row in rows.to_dict("records")]
    head = str(facts.context["segment_by"] or "part of the base").capitalize()
    shown: dict[str, tuple[str, Any]] = {
        "segment": (head, "text"),
        "accounts": ("Accounts", "count"),
        "arr": ("ARR", money_kind(facts)),
        "worst": (f"ARR in {facts.bands[0]}", "share"),
    } | {name: (say.group_name(name), _painted(facts)) for name in names}
    return report.table(
        rows, shown, caption=f"Points of 100 by group of metrics, weighted by ARR; {_legend(facts)}{_marked(rows)}", n=len(facts.scores)
    )
