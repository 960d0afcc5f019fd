"""The sections on beginnings and owners: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib import claims_early, report, wording
from healthlib.page_audit import interval, largest_of, linked, ranges, rate_table
from healthlib.pieces import Columns, Piece
from healthlib.studies.accounts import SHOWN

if TYPE_CHECKING:
    from healthlib.studies.accounts import AccountFacts
    from healthlib.studies.audit import AuditFacts


def successful(audit: AuditFacts, accounts: AccountFacts | None = None) -> Piece:
    """The successful customers by name, each linked to its section in `accounts`, and what the others lack."""
    money = f"money {wording.compact(audit.currency)}"
    named: Columns = {
        "name": ("Account", report.linked),
        "arr": ("ARR", money),
        "renewals": ("Renewals (or years)", "count"),
        "arr_kept": ("ARR against a year ago", "share"),
        "use_points": ("Use, of 100", "points"),
        "segment": ("Segment", "text"),
    }
    table = audit.successful
    table = table.assign(name=table["name"].where(table["name"].notna(), table["account_id"]))
    won = table[table["successful"]]
    lacking = table.loc[~table["successful"]].groupby("because", as_index=False).agg(accounts=("account_id", "size"), arr=("arr", "sum"))
    lacks: Columns = {"because": ("What they lack", "text"), "accounts": ("Accounts", "count"), "arr": ("ARR", money)}
    shown = f"Successful customers: {largest_of(len(won), SHOWN['successful'])}"
    most = linked(won.head(SHOWN["successful"]), accounts)
    return report.table(
        lacking.sort_values("arr", ascending=False), lacks, caption="Active accounts that are not successful", layout="cards fold"
    ) + report.details(
        "The successful customers by name",
        report.anchored(
            "list-successful",
            report.table(most, named, caption=shown, layout="cards fold"),
        ),
        report.note(claims_early.definition(audit)),
    )


def first_days(audit: AuditFacts) -> Piece:
    """What was done in the first days, by those who became successful and by the others."""
    frame = audit.first_days
    frame = frame.assign(
        said=[f"{value:.2f} ({low:.2f}–{high:.2f})" for value, low, high in zip(frame["auc"], frame["low"], frame["high"], strict=True)]
    )
    columns: Columns = {
        "measure": ("In the first days", "text"),
        "window": ("Days", "count"),
        "median_successful": ("Median, successful", "count"),
        "median_others": ("Others", "count"),
        "said": ("Chance that a successful account did more", interval),
        "successful": ("Successful", "count"),
        "others": ("Others", "count"),
        "verdict": ("Verdict", "text"),
    }
    caption = "First days of accounts followed for a year after; compared within segment and size, false discoveries held at 5%"
    table = report.table(frame, columns, caption=caption, layout="cards")
    return report.details("Every sign of the first days", table) if len(frame) else table


def features(audit: AuditFacts) -> Piece:
    """Each feature's early use against staying."""
    frame = ranges(audit.features, used_said=("kept_used", "used_low", "used_high"), not_said=("kept_not", "not_low", "not_high"))
    frame["odds_said"] = [_odds(*row) for row in frame[["odds", "odds_low", "odds_high"]].itertuples(index=False, name=None)]
    columns: Columns = {
        "feature": ("Feature", "text"),
        "used_said": ("Stayed, used early", interval),
        "not_said": ("Stayed, others", interval),
        "arr_kept_used": ("Of ARR, used early", "share"),
        "arr_kept_not": ("Others", "share"),
        "odds_said": ("Odds of staying, adjusted", interval),
        "used": ("Used early", "count"),
        "not_used": ("Others", "count"),
        "verdict": ("Verdict", "text"),
    }
    caption = "Use in the first 90 days and staying the year after; odds within segment and size, false discoveries held at 5%"
    return report.table(frame, columns, caption=caption, layout="cards fold")


def _odds(value: float, low: float, high: float) -> str:
    return wording.NOTHING if wording.unknown(value) else f"{value:.1f} ({low:.1f}–{high:.1f})"


def steps(audit: AuditFacts) -> Piece:
    """Each onboarding step, on time, late or not done, and who left in the year after."""
    first = {"milestone": "Step", "done": "Done"}
    rows = audit.steps.assign(whole=audit.steps["milestone"] == "all steps")
    table = rate_table(rows, audit.kind, audit.currency, first=first, caption="Onboarding steps and who left within the year after")
    return report.details("Every onboarding step", table) if len(audit.steps) else table


def owners(audit: AuditFacts) -> Piece:
    """The book by CSM."""
    money = f"money {wording.compact(audit.currency)}"
    frame = audit.owners
    frame = frame.assign(said=[_odds(*row) for row in frame[["ratio", "low", "high"]].itertuples(index=False, name=None)])
    columns: Columns = {
        "csm": ("CSM", "text"),
        "accounts": ("Accounts", "count"),
        "arr": ("ARR", money),
        "accounts_worst": (f"{audit.bands[0].capitalize()}, measured", "count"),
        "arr_worst": ("Their ARR", money),
        "arr_due": ("Renewing in 90 days", money),
        "cases": ("Finished, 12 months", "count"),
        "lost": ("Lost", "count"),
        "expected": ("Expected", "number"),
        "said": ("Lost / expected", interval),
        "arr_lost": ("ARR lost", money),
        "arr_expected": ("Expected", money),
        "verdict": ("Verdict", "text"),
    }
    return report.table(frame, columns, caption="Books by CSM, largest ARR first", layout="cards") + report.note(
        f"{audit.bands[0].capitalize() if audit.bands else 'Bands'}: by the measured score, before anybody overruled it. Expected are the "
        "losses that the accounts’ scores promise, by what happened to all other CSMs’ accounts. A verdict takes at least 20 finished "
        "cases and 3 expected losses; with several CSMs compared, one of twenty companies names somebody by chance alone."
    )
