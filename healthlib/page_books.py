"""The blocks of a CSM's page: the book's facts laid out as tiles and tables; names lead to their section of the audit."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from healthlib import claims_books as say
from healthlib import report
from healthlib.alert_rules import KINDS
from healthlib.page_cells import as_is, chance, name_cell, with_cells
from healthlib.report import Piece
from healthlib.studies.book_changes import ASKED, ENDING
from healthlib.studies.books import Own
from healthlib.wording import NOTHING, banded, change, compact, count, day, money, money_change, money_range, number, short_day, unknown

MANY = 40
"""Rows a table holds at most; the rest is in scores.csv."""
MEANINGS = {
    "Band": "The stretch of the score an account stands in, as shown: where a person has overruled the score, theirs.",
    "Chance of loss": "How often accounts with such a score left before, with its 95% interval; learned from what had finished, without "
    "what seems to know the outcome.",
    "Why": "What keeps the score from 100; unfolded: the alert that holds, then value, date and age of the newest record (d: days), and in "
    "brackets the points it costs.",
    "Next date": "The first of: an agreed step, the day the score is read before the renewal, the end of the term, the end of an override.",
    "Order": "What to do today goes by ARR × chance of loss ÷ days left: what ends first comes first. Leadership’s list of risks goes by "
    "ARR × chance of loss alone, renewals of the next 180 days before the others: the two lists agree on whom, not on the order.",
    "Last contact": "The last touchpoint on record; – where none is.",
    "Stayed although in the worst band": "Renewed, or still here, after standing in the worst band when the score was read. It does not "
    "say that anybody saved it: most accounts in the worst band stay.",
    "ARR": "What running contracts bring in a year, on the day of the report.",
}


def _unit(own: Own) -> str:
    return compact(own.context["currency"])


def _money(own: Own) -> str:
    return f"money {_unit(own)}"


def _who(rows: pd.DataFrame, quiet: str = "") -> list[Piece]:
    """Names, with a link where the audit has a section, and a quiet line."""
    made = []
    for row in rows.to_dict("records"):
        words = name_cell(row["name"], f"audit.html#{row['anchor']}" if row.get("anchor") else "").html
        more = row.get(quiet)
        made.append(
            Piece(words + (f'<span class="quiet under">{report.escape(more)}</span>' if quiet and not unknown(more) and more else ""))
        )
    return made


def opening(own: Own) -> Piece:
    """The sentence, the headline figures and the bands."""
    return report.show(report.lead(say.opening(own)), tiles(own), report.columns(bands(own), results_in_short(own)))


def tiles(own: Own) -> Piece:
    """Accounts, ARR, the worst band, what ends soon."""
    now = own.by_band[["accounts", "arr"]].sum()
    before = own.by_band[["accounts_before", "arr_before"]].sum(min_count=1)
    worst, since = own.by_band.iloc[0], "" if unknown(own.context["month"]) else f" since {short_day(own.context['month'])}"
    moved = "" if unknown(before["accounts_before"]) else change(now["accounts"] - before["accounts_before"]) + since
    earned = "" if unknown(before["arr_before"]) else money_change(now["arr"] - before["arr_before"], _unit(own)) + since
    worse = "" if unknown(worst["arr_before"]) else money_change(worst["arr"] - worst["arr_before"], _unit(own)) + since
    figures = [
        ("Accounts", count(now["accounts"]), moved),
        ("ARR", money(now["arr"], _unit(own)), earned),
        (f"ARR in {own.bands[0]}", money(worst["arr"], _unit(own)), worse),
    ]
    for row in own.due.to_dict("records"):
        label = f"May be lost in {row['days']} days" if own.context["kind"] == "churn_within" else f"Renews in {row['days']} days"
        ends = money_range(row["low"], row["high"], _unit(own), of=row["arr"], to="–")
        lost = "" if unknown(row["expected_lost"]) else f"{ends} likely lost"
        figures.append((label, money(row["arr"], _unit(own)), lost))
    return report.tiles(figures)


def bands(own: Own) -> Piece:
    """Accounts and ARR by band against last month."""
    table = own.by_band.assign(
        d_accounts=own.by_band["accounts"] - own.by_band["accounts_before"], d_arr=own.by_band["arr"] - own.by_band["arr_before"]
    )
    shown: dict[str, tuple[str, Any]] = {"band": ("Band", report.bands(own.band_colours)), "accounts": ("Accounts", "count")}
    known = bool(table["accounts_before"].notna().any())
    shown |= {"d_accounts": ("± month", "change")} if known else {}
    shown |= {"arr": ("ARR", _money(own))}
    shown |= {"d_arr": ("± month", f"money_change {_unit(own)}")} if known else {}
    since = f", and change since {day(own.context['month'])}" if known else ""
    head = report.heading("My accounts") + report.claim(say.bands(own))
    if own.accounts.empty and not table["accounts_before"].any():
        return head
    return head + report.table(table, shown, caption=f"Accounts and ARR by band{since}", n=len(own.accounts))


def results_in_short(own: Own) -> Piece:
    """What changed, in sentences."""
    head = report.heading("What changed") + report.claim(say.changed(own))
    return head + report.bullets(filter(None, [say.ending(own), say.asked(own)]))


def work(own: Own) -> Piece:
    """What to do today."""
    todo = own.accounts.dropna(subset=["place"]).sort_values("place").reset_index(drop=True)
    if todo.empty:
        return Piece("")
    chip = report.bands(own.band_colours)
    rows = with_cells(
        todo.head(MANY),
        who=_who(todo.head(MANY), "segment"),
        spot=[_spot(chip, row, own.band_starts) for row in todo.head(MANY).to_dict("records")],
        risk=[chance(row) for row in todo.head(MANY).to_dict("records")],
        because=[_because(row) for row in todo.head(MANY).to_dict("records")],
        next=[_next(row) for row in todo.head(MANY).to_dict("records")],
        do=[_do(row) for row in todo.head(MANY).to_dict("records")],
    )
    shown: dict[str, tuple[str, Any]] = {
        "who": ("Account", as_is),
        "arr": ("ARR", _money(own)),
        "next": ("Next date", as_is),
        "spot": ("Score", as_is),
        "risk": ("Chance of loss", as_is),
        "because": ("Why", as_is),
        "do": ("What to do", as_is),
        "last_contact": ("Last contact", "date"),
    }
    there = {
        "risk": todo["loss"].notna().any(),
        "next": todo["next_date"].notna().any(),
        "last_contact": todo["last_contact"].notna().any(),
    }
    shown = {name: spec for name, spec in shown.items() if there.get(name, True)}
    return report.table(rows, shown, caption=some(say.order(own), todo), layout="cards fold")


def some(caption: str, rows: pd.DataFrame, most: int = MANY) -> str:
    """A caption that says where a list stops: which ones of how many it shows."""
    return f"{caption}; the first {most} of {count(len(rows))}" if len(rows) > most else caption


def _spot(chip: Any, row: dict[Any, Any], starts: tuple[float, ...] = ()) -> Piece:
    if unknown(row["score"]):
        return chip(row["band"])
    moved = "" if unknown(row["change"]) else f' <span class="quiet">({change(row["change"])})</span>'
    shown = f'<data value="{report.machine(row["score"])}">{banded(row["score"], starts)}</data>'
    return Piece(f'<span class="nowrap">{chip(row["band"]).html} {shown}{moved}</span>')


def _because(row: dict[Any, Any]) -> Piece:
    """What is the matter in plain words; the alert that holds and the figures unfold."""
    figures = [text for text in (row["alert"], row["why"]) if text]
    words = row["plain"] or re.split("[;:]", row["alert"])[0]
    if not words:
        return Piece(NOTHING)
    if not figures or figures == [words]:
        return Piece(report.escape(words))
    more = "".join(f'<span class="quiet under">{report.escape(text)}</span>' for text in figures)
    return Piece(f'<details class="why"><summary>{report.escape(words)}</summary>{more}</details>')


def _next(row: dict[Any, Any]) -> Piece:
    """The next date and what it is; the renewal below, where that is another day."""
    if unknown(row["next_date"]):
        return Piece(NOTHING)
    later = (
        f'<span class="quiet under">renews {day(row["term_ends"])}</span>'
        if row["next_date"] != row["term_ends"] and not unknown(row["term_ends"])
        else ""
    )
    what = f'<span class="quiet under">{report.escape(row["next_what"])}</span>'
    first = f'<data value="{row["next_date"]:%Y-%m-%d}">{day(row["next_date"])}</data>{what}'
    return Piece(first + later)


def _do(row: dict[Any, Any]) -> Piece:
    runs = f'<span class="quiet">Work: {report.escape(row["running"])}</span>' if row["running"] else ""
    said = report.escape(row["playbook"]) + ("<br>" if row["playbook"] and runs else "") + runs
    return Piece(f'<span class="full">{said}</span>' if said else NOTHING)


def changed(own: Own) -> Piece:
    """Moves between bands and books, new alerts, overrides that end, ratings that contradict."""
    chip = report.bands(own.band_colours)
    rows = own.moves.head(MANY)
    rows = with_cells(rows, who=_who(rows), what=[_move(chip, row) for row in rows.to_dict("records")])
    shown: dict[str, tuple[str, Any]] = {
        "who": ("Account", as_is),
        "what": ("What changed", as_is),
        "arr": ("ARR", _money(own)),
        "score": ("Score", lambda score: Piece(banded(score, own.band_starts))),
        "change": ("±", "change"),
    }
    moved = (
        report.table(rows, shown, caption=some(f"Since {day(own.context['month'])}, worst first", own.moves), layout="cards fold")
        if len(rows)
        else Piece("")
    )
    return report.show(moved, alerts(own), overrides(own), asked(own))


def _move(chip: Any, row: dict[Any, Any]) -> Piece:
    """What happened to one account, in words."""
    other = f" {report.escape(row['with'] or 'nobody')}"
    said = {
        "left": f"no longer a customer{', ' + row['to'] if row['to'] else ''}, was {chip(row['from']).html}",
        "new": f"new customer, {chip(row['to']).html}",
        "taken over": f"taken over from{other}, {chip(row['to']).html}",
        "handed over": f"handed over to{other}, {chip(row['to']).html}",
    }
    return Piece(said.get(row["kind"], f"{row['kind']} from {chip(row['from']).html} to {chip(row['to']).html}"))


def alerts(own: Own) -> Piece:
    """New alerts of this book."""
    if own.alerts.empty:
        return Piece("")
    rows = own.alerts.assign(told=own.alerts["kind"].map(KINDS).str.replace("the worst band", own.bands[0]))
    shown: dict[str, tuple[str, Any]] = {
        "name": ("Account", name_cell),
        "told": ("New alert", "text"),
        "arr": ("ARR", _money(own)),
        "reason": ("Why", "text"),
        "playbook": ("What to do", "text"),
    }
    return report.table(rows.head(MANY), shown, caption=some("New alerts", rows), n=len(rows), layout="cards fold")


def overrides(own: Own) -> Piece:
    """Overrides that end soon, with the score that returns."""
    if own.ending.empty:
        return Piece("")
    chip = report.bands(own.band_colours)
    rows = with_cells(
        own.ending[list(ENDING)],
        back=[
            Piece(f"{chip(b).html} {number(s, 0)}")
            for b, s in own.ending[["measured_band", "measured_score"]].itertuples(index=False, name=None)
        ],
    )
    shown: dict[str, tuple[str, Any]] = {
        "name": ("Account", name_cell),
        "override_expires_on": ("Override ends", "date"),
        "score": ("Set to", "points"),
        "back": ("Then again", as_is),
        "override_by": ("By", "text"),
        "arr": ("ARR", _money(own)),
    }
    return report.table(rows, shown, caption="Overrides that end within 30 days: renew them, or let the score speak", layout="cards fold")


def asked(own: Own) -> Piece:
    """Ratings that contradict the score."""
    if own.asked.empty:
        return Piece("")
    chip = report.bands(own.band_colours)
    rows = with_cells(
        own.asked[list(ASKED)].head(MANY),
        spot=[_spot(chip, {**row, "change": None}, own.band_starts) for row in own.asked.head(MANY).to_dict("records")],
    )
    shown: dict[str, tuple[str, Any]] = {
        "name": ("Account", name_cell),
        "label": ("Said", "text"),
        "value": ("Value", "points"),
        "points": ("Worth", "points"),
        "spot": ("Score", as_is),
        "arr": ("ARR", _money(own)),
    }
    caption = some("Is the score wrong, or the rating? Points of 100", own.asked)
    return report.table(rows, shown, caption=caption, layout="cards fold")


def renewals(own: Own) -> Piece:
    """What ends within 180 days, by date."""
    days = own.accounts["days_left"]
    rows = own.accounts[(days > 0) & (days <= say.AHEAD)].sort_values(["term_ends", "arr", "account_id"], ascending=[True, False, True])
    if rows.empty:
        return Piece("")
    chip = report.bands(own.band_colours)
    rows = with_cells(
        rows,
        who=_who(rows),
        spot=[_spot(chip, row, own.band_starts) for row in rows.to_dict("records")],
        risk=[chance(row) for row in rows.to_dict("records")],
    )
    shown: dict[str, tuple[str, Any]] = {
        "who": ("Account", as_is),
        "term_ends": ("Term ends", "date"),
        "days_left": ("Days", "count"),
        "arr": ("ARR", _money(own)),
        "spot": ("Score", as_is),
        "risk": ("Chance of loss", as_is),
        "last_contact": ("Last contact", "date"),
    }
    there = {"risk": rows["loss"].notna().any(), "last_contact": rows["last_contact"].notna().any()}
    shown = {name: spec for name, spec in shown.items() if there.get(name, True)}
    caption = some(f"Terms that end within {say.AHEAD} days, by date", rows, 2 * MANY)
    return report.table(rows.head(2 * MANY), shown, caption=caption, n=len(rows), layout="cards fold")


def gaps(own: Own) -> Piece:
    """What is not measured, and what a CSM can bring."""
    head = report.claim(say.unfilled(own)) + report.bullets(say.gaps(own))
    if own.gaps.empty:
        return head
    by = own.gaps.groupby(["label", "table"], sort=False)
    table = by.agg(accounts=("account_id", "nunique"), arr=("arr", "sum"), share=("share", "mean"), last=("last", "max")).reset_index()
    for state in say.STATES:
        table[state] = by["state"].agg(lambda said, state=state: int((said == state).sum())).to_numpy()
    shown: dict[str, tuple[str, Any]] = {
        "label": ("Metric", "text"),
        "missing": ("Not there", "count"),
        "stale": ("Too old", "count"),
        "soon": ("Soon too old", "count"),
        "arr": ("ARR", _money(own)),
        "share": ("Weighs", "share"),
        "last": ("Newest", "date"),
    }
    return head + report.table(table, shown, caption="Metrics without a value, accounts; what CSMs can bring first", layout="fold")


def results(own: Own) -> Piece:
    """Saves and losses, account by account."""
    if own.results.empty:
        return Piece("")
    chip = report.bands(own.band_colours)
    words = {"stayed": f"stayed although {own.bands[0]}", "left": "left"}
    rows = own.results.head(2 * MANY)
    then = [Piece(f"{chip(row['band']).html} {number(row['score'], 0)}" if row["band"] else NOTHING) for row in rows.to_dict("records")]
    rows = with_cells(rows.assign(what=rows["kind"].map(words)), then=then)
    shown: dict[str, tuple[str, Any]] = {
        "name": ("Account", name_cell),
        "what": ("What became of it", "text"),
        "on": ("On", "date"),
        "arr": ("ARR", _money(own)),
        "read_on": ("Read on", "date"),
        "then": ("Score then", as_is),
        "reason": ("Stated reason", "text"),
    }
    caption = (
        "Saves and losses of twelve months, for the CSM of the time; the score as tests use it, read before the renewal or 90 days before"
    )
    return report.table(rows, shown, caption=some(caption, own.results, 2 * MANY), n=len(own.results), layout="cards fold")


def foot(own: Own) -> Piece:
    """The footer, and what the words mean."""
    return report.footer(own.context | {"accounts": len(own.accounts)}, MEANINGS)
