"""The tables of the audit: facts in, pieces of a page out; every rate with n and interval, in accounts and in ARR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_audit, page_leaks, report, wording
from healthlib.claims import ASSOCIATED, words
from healthlib.pieces import Columns, Kind, Piece
from healthlib.studies.accounts import SHOWN
from healthlib.studies.lists import latest
from healthlib.studies.rates import SMALL

if TYPE_CHECKING:
    from healthlib.resample import Estimate
    from healthlib.studies.accounts import AccountFacts
    from healthlib.studies.audit import AuditFacts


LISTED = 50
"""Accounts of a list shown by name, largest ARR first; the caption says how many there are."""


LATEST = "listed, the latest of each account"
"""What a list by name holds of the cases that its caption counts."""


def held(frame: pd.DataFrame, most: int) -> str:
    """How many cases a list counts, and which of them it names."""
    return f"{wording.counted(len(frame), 'case')}; {largest_of(frame['account_id'].nunique(), most)}, each with its latest case"


def largest_of(accounts: int, most: int) -> str:
    """`the 15 largest of 40 accounts`, or all of them.

    >>> largest_of(40, 15), largest_of(1, 15)
    ('the 15 largest of 40 accounts', '1 account')
    """
    every = wording.counted(accounts, "account")
    return f"the {most} largest of {every}" if accounts > most else every


def by_account(frame: pd.DataFrame) -> pd.DataFrame:
    """The latest case of each account, largest ARR first, at most `LISTED`."""
    return latest(frame).head(LISTED)


def interval(said: str) -> Piece:
    """A column kind: `12% (10–14%)` as the figure with its interval below, neither broken."""
    figure, _, rest = said.partition(" (")
    under = f'<span class="quiet under">{report.escape(rest.removesuffix(")"))}</span>' if rest else ""
    return Piece(f'<span class="ends">{report.escape(figure)}{under}</span>')


def unbroken(said: str) -> Piece:
    """A column kind: a short text that is not broken over lines."""
    return Piece(f'<span class="nowrap">{report.escape(said)}</span>')


def ranges(frame: pd.DataFrame, **columns: tuple[str, str, str]) -> pd.DataFrame:
    """The frame with text columns `12% (10–14%)`, each from (value, low, high).

    >>> ranges(pd.DataFrame({"v": [0.12], "a": [0.10], "b": [0.14]}), rate=("v", "a", "b"))["rate"].tolist()
    ['12% (10–14%)']
    """
    said = {
        name: [wording.share_range(*ends) for ends in zip(*(frame[column] for column in three), strict=True)]
        for name, three in columns.items()
    }
    return frame.assign(**said)


def rate_table(frame: pd.DataFrame, kind: str, currency: str, *, first: dict[str, str], caption: str) -> Piece:
    """A rates table as a page shows it. `first` are the leading text columns: name -> heading."""
    says = words(kind)
    shown = ranges(frame, by_count=("rate", "low", "high"), by_arr=("arr_rate", "arr_low", "arr_high"))
    shown["few"] = [f"fewer than {SMALL} cases" if small else "" for small in shown["small"]]
    (name, heading), *others = first.items()
    columns: dict[str, tuple[str, Kind]] = {
        name: (heading, "text"),
        "by_count": (says["rate"].capitalize(), interval),
        "by_arr": ("By ARR", interval),
        "cases": ("Cases", "count"),
        "lost": (says["lost"].capitalize(), "count"),
        "arr": ("ARR", f"money {currency}"),
        "shrunk": ("Shrunk", "share"),
    }
    columns |= {name: (heading, unbroken) for name, heading in others}
    if len(shown) and shown["small"].any():
        columns["few"] = ("Note", unbroken)
    return report.table(shown, columns, caption=caption, layout="fold")


def reason_bars(audit: AuditFacts) -> Piece:
    """Share of lost ARR by stated reason, as bars."""
    if not (audit.reasons["reason"] != "not stated").any():
        return Piece("")
    frame = audit.reasons[["reason", "arr_share", "arr_low", "arr_high"]].set_axis(["reason", "share", "low", "high"], axis=1)
    return report.bars(frame.head(8), "reason", "share", kind="share", caption="Share of lost ARR by stated reason")


def reasons(audit: AuditFacts) -> Piece:
    """Lost accounts and ARR by stated reason."""
    if not (audit.reasons["reason"] != "not stated").any():
        return Piece("")
    frame = ranges(audit.reasons, by_count=("share", "low", "high"), by_arr=("arr_share", "arr_low", "arr_high"))
    columns: Columns = {
        "reason": ("Reason", "text"),
        "by_arr": ("Of ARR lost", interval),
        "by_count": ("Of accounts", interval),
        "arr": ("ARR lost", f"money {audit.currency}"),
        "accounts": ("Accounts", "count"),
    }
    return report.details("The same with accounts and ARR", report.table(frame, columns, caption="By stated reason"))


def movements(audit: AuditFacts) -> Piece:
    """ARR and accounts lost and won, by year."""
    money = f"money {audit.currency}"
    frame = ranges(audit.movements, left_said=("left_rate", "left_low", "left_high")).assign(year=claims_audit.years(audit))
    columns: Columns = {
        "year": ("Year", "text"),
        "accounts_start": ("At start", "count"),
        "left_of_start": ("of them left", "count"),
        "left_said": ("Share", interval),
        "left_accounts": ("All who left", "count"),
        "left_arr": ("ARR left", money),
        "down_accounts": ("Shrank", "count"),
        "down_arr": ("ARR lost so", money),
        "up_accounts": ("Grew", "count"),
        "up_arr": ("ARR gained", money),
    }
    return report.table(frame, columns, caption="Movements of accounts and ARR by calendar year, as far as the exports go")


def zombies(audit: AuditFacts, accounts: AccountFacts | None = None) -> Piece:
    """Zombies by name, each linked to its section in `accounts`, and what became of past ones."""
    columns = named_columns(
        audit.zombies,
        {
            "arr": ("ARR", f"money {audit.currency}"),
            "use_points": ("Use and contact, 0–100", "points"),
            "band": ("Band", report.bands(audit.band_colours)),
            "term_ends": ("Term ends", "date"),
        },
    )
    past = rate_table(
        audit.zombie_outcomes, audit.kind, audit.currency, first={"group": "At the case’s date"}, caption="What became of zombies"
    )
    if audit.zombies.empty:
        return past if len(audit.zombie_outcomes) > 1 else Piece("")
    listing = report.table(
        linked(audit.zombies.head(SHOWN["zombie"]), accounts),
        columns,
        caption=f"Paying, hardly using: {largest_of(len(audit.zombies), SHOWN['zombie'])}",
        layout="cards fold",
    )
    return report.anchored("list-zombies", listing) + past


def zombie_bars(audit: AuditFacts) -> Piece:
    """Loss rate of past zombies beside all others, as bars."""
    frame = audit.zombie_outcomes[["group", "rate", "low", "high"]].iloc[::-1]
    if len(frame) < 2:
        return Piece("")
    return report.bars(
        frame, "group", "rate", kind="share", caption=f"{words(audit.kind)['rate'].capitalize()} of past zombies and of all others"
    )


def leaks(audit: AuditFacts) -> Piece:
    """What seems to know the outcome, with the evidence and its pictures."""
    labels = dict(zip(audit.alone["metric"], audit.alone["label"], strict=True))
    return page_leaks.section(audit.leaks, audit.leak_figures, labels, audit.leak_notes)


def watermelons(audit: AuditFacts, accounts: AccountFacts | None = None) -> Piece:
    """Best band, then lost; each linked to its section in `accounts`."""
    says = words(audit.kind)
    columns = named_columns(
        audit.watermelons,
        {
            "as_of": ("Scored on", "date"),
            "score": ("Score", "points"),
            "arr": ("ARR", f"money {audit.currency}"),
            "weakest": ("Weakest metric then", "text"),
            "reason": ("Stated reason", "text"),
        },
    )
    listing = report.table(
        linked(by_account(audit.watermelons).head(SHOWN["watermelon"]), accounts),
        columns,
        caption=f"Watermelons: {audit.bands[-1]}, then {says['lost']}: {held(audit.watermelons, SHOWN['watermelon'])}",
        layout="cards fold",
    )
    return report.anchored("list-watermelons", listing)


def false_alarms(audit: AuditFacts, accounts: AccountFacts | None = None) -> Piece:
    """Worst band, yet kept; each linked to its section in `accounts`."""
    says = words(audit.kind)
    columns = named_columns(
        audit.false_alarms,
        {
            "as_of": ("Scored on", "date"),
            "score": ("Score", "points"),
            "arr": ("ARR", f"money {audit.currency}"),
            "weakest": ("Weakest metric then", "text"),
        },
    )
    listing = report.table(
        linked(by_account(audit.false_alarms).head(SHOWN["false alarm"]), accounts),
        columns,
        caption=f"False alarms: {audit.bands[0]}, yet {says['kept']}: {held(audit.false_alarms, SHOWN['false alarm'])}",
        layout="cards fold",
    )
    return report.anchored("list-false-alarms", listing)


def alone(audit: AuditFacts) -> Piece:
    """Every metric by itself."""
    frame = audit.alone.copy()
    frame["auc_said"] = _plain_ranges(frame, ("auc", "low", "high"))
    frame["arr_said"] = _plain_ranges(frame, ("arr_auc", "arr_low", "arr_high"))
    columns: Columns = {
        "label": ("Metric", "text"),
        "cases": ("Cases", "count"),
        "lost": ("Lost", "count"),
        "measured": ("Measured", "share"),
        "auc_said": ("AUC alone", interval),
        "arr_said": ("AUC by ARR", interval),
        "worst_rate": ("Lost, worst fifth", "share"),
        "best_rate": ("Lost, best fifth", "share"),
    }
    return report.table(frame, columns, caption="Each metric by itself, strongest first", layout="fold")


def bands(audit: AuditFacts) -> Piece:
    """Loss by band of the present scorecard, and by quarter of the present tool's score."""
    own = rate_table(audit.score_bands, audit.kind, audit.currency, first={"group": "Band"}, caption="By band of the present scorecard")
    if audit.incumbent_bands.empty:
        return own
    return own + rate_table(
        audit.incumbent_bands,
        audit.kind,
        audit.currency,
        first={"group": "Quarter, lowest first"},
        caption="By quarter of the present tool’s score",
    )


def flagged(audit: AuditFacts) -> Piece:
    """Early warning by lead."""
    frame = ranges(audit.flagged, by_count=("rate", "low", "high"), by_arr=("arr_rate", "arr_low", "arr_high"))
    columns: Columns = {
        "lead_days": ("Days before the end", "count"),
        "accounts": ("Accounts that left", "count"),
        "lost": (f"Were {audit.bands[0]}", "count"),
        "by_count": ("Share", interval),
        "arr": ("Their ARR", f"money {audit.currency}"),
        "by_arr": ("Share of ARR", interval),
    }
    return report.table(frame, columns, caption=f"Of those that left, already {audit.bands[0]}")


def opening(audit: AuditFacts) -> Piece:
    """The first sentence and the headline figures."""
    says = words(audit.kind)
    tiles = report.tiles(
        [
            (
                f"{says['rate'].capitalize()}{' within the horizon' if audit.kind == 'churn_within' else ''}",
                *_rate_tile(audit.base_rate),
            ),
            ("By ARR", *_rate_tile(audit.arr_base_rate)),
            (
                "Finished cases",
                wording.count(audit.n_cases),
                f"{wording.counted(audit.n_accounts, 'account')}, {wording.count(audit.n_open)} still open",
            ),
            ("Lost", wording.count(audit.n_lost), says["lost"]),
        ]
    )
    return report.show(report.lead(claims_audit.opening(audit)), tiles, report.note(ASSOCIATED))


def _rate_tile(rate: Estimate) -> tuple[str, str]:
    """A rate and its interval with as many digits as the sentence beside it gives."""
    figure, _, ends = wording.share_range(rate.value, rate.low, rate.high).partition(" (")
    return figure, f"95%: {ends.removesuffix(')')}" if ends else ""


def named_columns(frame: pd.DataFrame, columns: Columns) -> Columns:
    """Leading columns of a list by name that `linked` made: the name where the exports have one, the id, the segment where known."""
    lead: dict[str, tuple[str, Kind]] = {}
    if frame["name"].notna().any():
        lead["name"] = ("Account", report.linked)
    lead["account_id"] = ("Id" if lead else "Account", "text" if lead else report.linked)
    if frame["segment"].notna().any():
        lead["segment"] = ("Segment", "text")
    return {**lead, **columns}


def linked(frame: pd.DataFrame, accounts: AccountFacts | None = None, page: str = "") -> pd.DataFrame:
    """A list by name for `named_columns`: its leading column as (text, link to the account's section on `page`, "" where it has none)."""
    anchors = accounts.anchors if accounts is not None else {}
    places = [f"{page}#{anchors[name]}" if name in anchors else "" for name in frame["account_id"].astype(str)]
    lead = "name" if frame["name"].notna().any() else "account_id"
    return frame.assign(**{lead: pd.Series(list(zip(frame[lead], places, strict=True)), index=frame.index, dtype="object")})


def _plain_ranges(frame: pd.DataFrame, columns: tuple[str, str, str]) -> list[str]:
    """`0.71 (0.66–0.76)` per row."""
    return [
        f"{value:.2f} ({low:.2f}–{high:.2f})" if pd.notna(low) else wording.NOTHING
        for value, low, high in zip(*(frame[column] for column in columns), strict=True)
    ]
