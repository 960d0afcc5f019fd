"""The blocks of the executive page: facts laid out as tiles and tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from healthlib import claims_executive as say
from healthlib import page_leaks, report
from healthlib.alert_rules import KINDS
from healthlib.book_files import book_file
from healthlib.report import Piece
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import NOTHING, change, compact, count, day, money, money_change, number, share, short_day, unknown

FIRST = 5
STEPS = {"started with": "were here a year ago", "left": "left", "shrank": "pay less", "grew": "pay more", "new": "new", "now": "here now"}
"""Move of ARR -> accounts that ..."""
ALERTS = 12
"""Alerts a page lists: what a team reads in a meeting; the rest is in alerts.csv."""
CAUSES = {
    "change_behaviour": "behaviour", "change_data": "data", "change_configuration": "scorecard", "change_override": "override",
}  # fmt: skip
"""Column of a cause of change -> its word."""
MANY = 50
"""Rows a page lists at most; the rest is in the CSV files beside it."""


def _with(frame: pd.DataFrame, **cells: list[Piece]) -> pd.DataFrame:
    """The frame with columns of pieces."""
    return frame.assign(**{name: pd.Series(pieces, index=frame.index, dtype="object") for name, pieces in cells.items()})


def _money(facts: ExecutiveFacts) -> str:
    return f"money {_unit(facts)}"


def _unit(facts: ExecutiveFacts) -> str:
    return compact(facts.context["currency"])


def first_screen(facts: ExecutiveFacts) -> Piece:
    """What a reader sees first: the base, what renews, which accounts first, and whether it can be believed."""
    return report.show(
        report.lead(say.opening(facts)),
        report.text(say.in_short(facts)),
        tiles(facts),
        report.columns(bands(facts), renewals(facts)),
        report.card(first(facts)),
        report.card(believe(facts)),
    )


def tiles(facts: ExecutiveFacts) -> Piece:
    """Accounts, ARR, the worst band, and retention as headline figures."""
    table, currency, since = facts.by_band, _unit(facts), short_day(facts.context["month"])
    now, before = table[["accounts", "arr"]].sum(), table[["accounts_before", "arr_before"]].sum(min_count=1)
    worst = table.iloc[0]
    figures = [
        ("Active accounts", count(now["accounts"]), say.moved_by(now["accounts"], before["accounts_before"], since)),
        ("ARR", money(now["arr"], currency), _money_moved(now["arr"], before["arr_before"], currency, since)),
        (f"ARR in {facts.bands[0]}", money(worst["arr"], currency), _money_moved(worst["arr"], worst["arr_before"], currency, since)),
    ]
    names = {"grr_12m": "GRR, 12 months", "nrr_12m": "NRR, 12 months", "logo_churn_12m": "Logo churn, 12 mo."}
    figures += [
        (label, share(facts.retention[key].value), say.retained(facts.retention[key]))
        for key, label in names.items()
        if key in facts.retention
    ]
    return report.tiles(figures)


def _money_moved(now: float, before: float, currency: str, since: str) -> str:
    return "" if unknown(before) else f"{money_change(now - before, currency)} since {since}"


def bands(facts: ExecutiveFacts) -> Piece:
    """Accounts and ARR by band, against last month and last year."""
    table, currency = facts.by_band, _unit(facts)
    rows = table.assign(
        share=table["arr"] / table["arr"].sum(),
        d_accounts=table["accounts"] - table["accounts_before"],
        d_arr=table["arr"] - table["arr_before"],
        y_arr=table["arr"] - table["arr_year"],
    )
    shown: dict[str, tuple[str, Any]] = {"band": ("Band", report.bands(facts.band_colours)), "accounts": ("Accounts", "count")}
    if table["accounts_before"].notna().any():
        shown |= {"d_accounts": ("± month", "change")}
    shown |= {"arr": ("ARR", f"money {currency}"), "share": ("Share", "share")}
    if table["arr_before"].notna().any():
        shown |= {"d_arr": ("± month", f"money_change {currency}")}
    if table["arr_year"].notna().any():
        shown |= {"y_arr": ("± year", f"money_change {currency}")}
    earlier = f", and change since {day(facts.context['month'])}" if "d_arr" in shown else ""
    earlier += " and a year ago" if "y_arr" in shown else ""
    return report.show(
        report.heading("The base by band"),
        report.claim(say.bands(facts)),
        report.table(rows, shown, caption=f"Accounts and ARR by band{earlier}", n=len(facts.scores)),
    )


def renewals(facts: ExecutiveFacts) -> Piece:
    """What renews in 90 and 180 days, by band, with what is likely to be lost."""
    evergreen = facts.context["kind"] == "churn_within"
    head = report.heading("What may be lost next" if evergreen else "What renews next") + report.claim(say.renewals(facts))
    if facts.due.empty:
        return head
    if evergreen:
        return head + _outlook(facts)
    lost = [_lost(row, _unit(facts)) for row in facts.due.to_dict("records")]
    due = _with(facts.due, lost=lost)
    wide = due[due["days"] == 180].merge(due[due["days"] == 90], on="band", how="left", suffixes=("_180", "_90"))
    shown: dict[str, tuple[str, Any]] = {
        "band": ("Band", _chip(facts)),
        "accounts_90": ("90 days", "count"),
        "arr_90": ("ARR", _money(facts)),
        "lost_90": ("Likely lost", _as_is),
        "accounts_180": ("180 days", "count"),
        "arr_180": ("ARR", _money(facts)),
        "lost_180": ("Likely lost", _as_is),
    }
    if facts.due["expected_lost"].isna().all():
        shown = {name: spec for name, spec in shown.items() if not name.startswith("lost")}
    total = int(due.loc[(due["days"] == 180) & (due["band"] == "all"), "accounts"].sum())
    return head + report.table(wide, shown, caption="Accounts whose term ends within 90 and 180 days, with 95% intervals", n=total)


def _outlook(facts: ExecutiveFacts) -> Piece:
    """Where contracts have no end: what is likely to be lost within the horizon, by band."""
    rows = _with(facts.due, lost=[_lost(row, _unit(facts)) for row in facts.due.to_dict("records")])
    shown: dict[str, tuple[str, Any]] = {"band": ("Band", _chip(facts)), "accounts": ("Accounts", "count"), "arr": ("ARR", _money(facts))}
    shown["lost"] = ("Likely lost", _as_is)
    days = facts.context["horizon_days"]
    return report.table(rows, shown, caption=f"ARR likely to be lost within {days} days, with 95% intervals", n=len(facts.scores))


def _lost(row: dict[Any, Any], currency: str) -> Piece:
    """What is expected to be lost, and between which bounds."""
    if unknown(row["expected_lost"]):
        return Piece(NOTHING)
    shown = f'<data value="{float(row["expected_lost"])!r}">{money(row["expected_lost"], currency, 2)}</data>'
    return Piece(f'{shown}<span class="quiet under">{money(row["low"], currency, 2)}–{money(row["high"], currency, 2)}</span>')


def first(facts: ExecutiveFacts) -> Piece:
    """The first accounts to turn to."""
    head = report.heading("Which accounts first") + report.claim(say.first(facts))
    if facts.risks.empty:
        return head
    soon = "Renewals of the next 180 days first, then by" if facts.risks["term_ends"].notna().any() else "By"
    order = f"{soon} ARR times chance of loss; why: value, date and age (d: days) of the newest record, and in brackets the points it costs"
    return head + risk_table(facts, facts.risks.head(FIRST), order)


def risk_table(facts: ExecutiveFacts, rows: pd.DataFrame, caption: str) -> Piece:
    """Accounts at risk with why and what to do."""
    chip = report.bands(facts.band_colours)
    spot = [
        Piece(f'<span class="nowrap">{chip(band).html} {number(score, 0)} {_moved(moved)}</span>{_because(causes)}')
        for band, score, moved, *causes in rows[["band", "score", "change", *CAUSES]].itertuples(index=False, name=None)
    ]
    chances = [_chance(row) for row in rows.to_dict("records")]
    who = [_who(row) for row in rows.to_dict("records")]
    shown: dict[str, tuple[str, Any]] = {
        "who": ("Account", _as_is),
        "arr": ("ARR", _money(facts)),
        "term_ends": ("Term ends", "date"),
        "spot": ("Score", _as_is),
        "risk": ("Chance of loss", _as_is),
        "why": ("Why", "text"),
        "playbook": ("What to do", "text"),
    }
    optional = {
        "term_ends": rows["term_ends"].notna().any(),
        "risk": rows["loss"].notna().any(),
        "playbook": (rows["playbook"] != "").any(),
    }
    shown = {name: spec for name, spec in shown.items() if optional.get(name, True)}
    return report.table(_with(rows, who=who, spot=spot, risk=chances), shown, caption=caption, layout="cards fold")


def _as_is(piece: Any) -> Piece:
    return piece if isinstance(piece, Piece) else Piece(NOTHING)


def _chance(row: dict[Any, Any]) -> Piece:
    if unknown(row["loss"]):
        return Piece(NOTHING)
    span = f"{number(100 * row['loss_low'], 0)}–{number(100 * row['loss_high'], 0)}%"
    return Piece(f'<data value="{float(row["loss"])!r}">{share(row["loss"])}</data><span class="quiet under">{span}</span>')


def _who(row: dict[Any, Any]) -> Piece:
    """Name, then segment and owner in quiet letters."""
    named = {"segment": lambda said: report.escape(said), "csm": lambda said: report.linked((said, book_file(said))).html}
    quiet = [piece(row[name]) for name, piece in named.items() if not unknown(row.get(name)) and str(row[name]).strip()]
    return Piece(report.escape(row["name"]) + (f'<span class="quiet under">{", ".join(quiet)}</span>' if quiet else ""))


def _moved(moved: float) -> str:
    return "" if unknown(moved) else f'<span class="quiet">({change(moved)})</span>'


def _because(causes: list[float]) -> str:
    """The causes that moved a score by half a point or more, behaviour alone left unsaid: it is what a reader expects."""
    said = [f"{name} {change(by)}" for name, by in zip(CAUSES.values(), causes, strict=True) if not unknown(by) and abs(by) >= 0.5]
    plain = len(said) == 1 and said[0].startswith("behaviour")
    return "" if plain or not said else f'<span class="quiet under">{", ".join(said)}</span>'


def believe(facts: ExecutiveFacts) -> Piece:
    """Questions a doubter asks, with answers."""
    return report.heading("Can this be believed?") + report.definitions(say.believe(facts))


def groups(facts: ExecutiveFacts) -> Piece:
    """Groups of metrics by segment, in ARR-weighted points."""
    names = [name for name in facts.groups.columns if name.startswith("group:")]
    rows = facts.groups.assign(worst=facts.groups["arr_worst"] / facts.groups["arr"])
    head = str(facts.context["segment_by"] or "part of the base").capitalize()
    shown: dict[str, tuple[str, Any]] = {
        "segment": (head, "text"),
        "accounts": ("Accounts", "count"),
        "arr": ("ARR", _money(facts)),
        "worst": (f"ARR in {facts.bands[0]}", "share"),
    } | {name: (say.group_name(name), heat) for name in names}
    return report.table(rows, shown, caption="Points of 100 by group of metrics, weighted by ARR", n=len(facts.scores))


def heat(points: float) -> Piece:
    """Points of 100 over a bar of that length."""
    if unknown(points):
        return Piece(NOTHING)
    return Piece(f'<span class="heat"><i style="width:{points:.0f}%"></i><data value="{points!r}">{number(points, 0)}</data></span>')


def migration(facts: ExecutiveFacts) -> Piece:
    """From which band to which since the previous month-end, as a grid of accounts and their ARR."""
    if unknown(facts.context["month"]):
        return Piece("")
    table = facts.migration
    places = [*facts.bands, "left"]
    grid = pd.DataFrame({"from": [name for name in [*facts.bands, "new"] if (table["from"] == name).any()]})
    cells = {(row["from"], row["to"]): _move(row, _unit(facts)) for row in table.to_dict("records")}
    shown: dict[str, tuple[str, Any]] = {"from": ("From", _chip(facts))}
    for place in [name for name in places if (table["to"] == name).any()]:
        grid = _with(grid, **{f"to {place}": [cells.get((start, place), Piece(NOTHING)) for start in grid["from"]]})
        shown[f"to {place}"] = (f"To {place}", _as_is)
    return report.table(grid, shown, caption=f"Accounts and their ARR by band on {day(facts.context['month'])} (rows) and now (columns)")


def causes(facts: ExecutiveFacts) -> Piece:
    """What moved the average score of each band and of the whole book since the previous month-end, by accounts and by ARR."""
    if facts.causes.empty:
        return Piece("")
    words = {"behaviour": "Behaviour", "data": "Data", "configuration": "Scorecard", "override": "Override", "membership": "Who is in it"}
    rows = facts.causes.assign(by=facts.causes["by"].map({"accounts": "accounts", "arr": "ARR"}))
    still = [name for name in ("configuration", "override") if not (rows[name].abs() >= 0.05).any()]
    signed = {name: (word, _points_moved) for name, word in words.items() if name not in still}
    shown: dict[str, tuple[str, Any]] = {
        "band": ("Band", _chip(facts)), "by": ("By", "text"), "n_now": ("n", "count"), "before": ("Average then", "number"),
        "now": ("Average now", "number"), "change": ("Change", _points_moved), **signed,
    }  # fmt: skip
    since = day(facts.context["month"])
    unmoved = f"; nothing by {' or '.join(words[name].lower() for name in still)}" if still else ""
    return report.table(rows, shown, caption=f"Average score by band since {since}, and what moved it, summing exactly{unmoved}")


def _points_moved(points: float) -> Piece:
    return Piece(NOTHING if unknown(points) else f'<data style="padding-left:.8rem" value="{float(points)!r}">{change(points, 1)}</data>')


def _move(row: dict[Any, Any], currency: str) -> Piece:
    words = f'<data value="{int(row["accounts"])}">{count(row["accounts"])}</data> <span class="quiet">{money(row["arr"], currency)}</span>'
    return Piece(words if row["from"] == row["to"] else f"<strong>{words}</strong>")


def _chip(facts: ExecutiveFacts) -> Callable[[Any], Piece]:
    """A band with its colour and shape, or one of the words that stand in a band's place."""
    chip, words = report.bands(facts.band_colours), {"all": "All", "new": "New", "left": "Left"}
    return lambda name: Piece(words[name]) if name in words else chip(name)


def alerts(facts: ExecutiveFacts) -> Piece:
    """The first of the alerts, new ones before those that still hold."""
    rows = facts.alerts.head(ALERTS)
    rows = rows.join(facts.profile[["name", "segment"]], on="account_id").rename(columns={"owner": "csm"})
    what = [Piece(report.escape(_told(facts, row)) + ("" if row["new"] else _still(row["since"]))) for row in rows.to_dict("records")]
    shown: dict[str, tuple[str, Any]] = {
        "who": ("Account", _as_is),
        "told": ("What happened", _as_is),
        "arr": ("ARR", _money(facts)),
        "term_ends": ("Term ends", "date"),
        "reason": ("Why", "text"),
        "playbook": ("What to do", "text"),
    }
    shown = {name: spec for name, spec in shown.items() if name != "term_ends" or rows["term_ends"].notna().any()}
    more = f"; the first {ALERTS} here, all in alerts.csv" if len(facts.alerts) > ALERTS else ""
    caption = f"Alerts, {count(len(facts.alerts))} in all, new ones first{more}"
    return report.table(_with(rows, who=[_who(row) for row in rows.to_dict("records")], told=what), shown, caption=caption, layout="cards")


def _told(facts: ExecutiveFacts, row: dict[Any, Any]) -> str:
    """What happened, in words: `fell from yellow to red`."""
    if row["kind"] in ("new_red", "band_drop"):
        return f"fell from {row['from']} to {row['to']}"
    return KINDS[row["kind"]].replace("the worst band", facts.bands[0])


def _still(since: Any) -> str:
    return f'<span class="quiet under">since {short_day(since)}</span>'


def all_risks(facts: ExecutiveFacts) -> Piece:
    """The long list of accounts below the best band."""
    return risk_table(facts, facts.risks.head(MANY), _some("Accounts below the best band", len(facts.risks), "scores.csv"))


def _some(what: str, total: int, file: str) -> str:
    return f"{what}, {count(total)} in all" + (f"; the first {MANY} here, all in {file}" if total > MANY else "")


def moves(facts: ExecutiveFacts) -> Piece:
    """From the ARR of a year ago to today's."""
    rows = facts.moves.assign(step=facts.moves["move"].map(STEPS))
    return report.table(
        rows,
        {"step": ("Accounts that", "text"), "accounts": ("Accounts", "count"), "arr": ("ARR", _money(facts))},
        caption="From the ARR of twelve months ago to today's",
    )


def track(facts: ExecutiveFacts) -> Piece:
    """Forecast against actual by month."""
    currency = _unit(facts)
    spans = [
        Piece(f'<span class="quiet">{money(low, currency, 2)}–{money(high, currency, 2)}</span>')
        for low, high in zip(facts.forecast["low"], facts.forecast["high"], strict=True)
    ]
    rows = _with(facts.forecast, range=spans).assign(month=pd.to_datetime(facts.forecast["period"] + "-01"))
    shown: dict[str, tuple[str, Any]] = {
        "month": ("Month", lambda at: Piece(f"{at:%b %Y}".replace(" ", "&nbsp;"))),
        "accounts": ("Accounts", "count"),
        "renewing_arr": ("Up for renewal", _money(facts)),
        "expected": ("Expected", _money(facts)),
        "range": ("95% interval", _as_is),
        "actual": ("Stayed", _money(facts)),
    }
    return report.table(rows, shown, caption="ARR expected to stay and ARR that stayed")


def sources(facts: ExecutiveFacts) -> Piece:
    """Tables read, rows set aside, warnings and leaks."""
    table = report.table(
        facts.tables,
        {
            "table": ("Table", "text"),
            "rows_in": ("Rows", "count"),
            "rows_used": ("Used", "count"),
            "rows_rejected": ("Set aside", "count"),
            "last_day": ("Last day", "date"),
        },
        caption="What the report was made from",
    )
    changed: dict[str, tuple[str, Any]] = {
        "adopted_on": ("Changed on", "date"),
        "who": ("By", "text"),
        "why": ("Why", "text"),
        "after": ("Scorecard since", "text"),
    }
    table += report.table(facts.scorecards, changed, caption="Changes of the scorecard") if len(facts.scorecards) else Piece("")
    warnings = report.heading("Warnings", 3) + report.bullets(facts.warnings) if facts.warnings else Piece("")
    leaks = page_leaks.listed(facts.leaks) if len(facts.leaks) else Piece("")
    return table + warnings + leaks
