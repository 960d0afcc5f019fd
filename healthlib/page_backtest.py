"""The tables of the backtest report: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_backtest, report, wording
from healthlib.page_audit import LATEST, by_account, interval, linked, named_columns, ranges
from healthlib.pieces import Columns, Kind, Piece

if TYPE_CHECKING:
    from healthlib.studies.accounts import AccountFacts
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.backtest_bands import BacktestFacts

ANSWERS = {"met": "▲ met", "not_met": "▼ not met", "cannot_tell": "◆ cannot tell"}


def opening(backtest: BacktestFacts) -> Piece:
    """The first sentence and the headline figures."""
    lead, base, table = report.lead(claims_backtest.opening(backtest)), claims_backtest.whole(backtest), claims_backtest.scored(backtest)
    said = claims_backtest.left_out_note(backtest)
    if base is None or table.empty:
        return lead
    worst, best = table.iloc[0], table.iloc[-1]
    tiles = report.tiles(
        [
            (
                "Base rate",
                wording.share(base["churn_rate"]),
                f"95%: {wording.share(base['churn_low'])}–{wording.share(base['churn_high'])}",
            ),
            (
                f"Churn in {worst['band']}",
                wording.share(worst["churn_rate"]),
                f"95%: {wording.share(worst['churn_low'])}–{wording.share(worst['churn_high'])}",
            ),
            (
                f"Churn in {best['band']}",
                wording.share(best["churn_rate"]),
                f"95%: {wording.share(best['churn_low'])}–{wording.share(best['churn_high'])}",
            ),
            ("Churned ARR caught", wording.share(worst["share_of_churned_arr"]), f"was {worst['band']}"),
        ]
    )
    return report.show(lead, *([report.note(said)] if said else []), tiles)


def bands(backtest: BacktestFacts) -> Piece:
    """Every band: cases, ARR, churn and lift."""
    frame = ranges(
        backtest.bands, rate=("churn_rate", "churn_low", "churn_high"), by_arr=("arr_churn_rate", "arr_churn_low", "arr_churn_high")
    )
    frame["lift_said"] = ["1" if band == "all" else lift for band, lift in zip(frame["band"], _lifts(frame), strict=True)]
    columns: Columns = {
        "band": ("Band", _chips(backtest)),
        "rate": ("Churn rate", interval),
        "lift_said": ("Lift", interval),
        "by_arr": ("By ARR", interval),
        "accounts": ("Cases", "count"),
        "n": ("Accounts", "count"),
        "churned": ("Left", "count"),
    }
    together = "all folds together" if backtest.split == "accounts" else "all past dates together; an account counts once per case"
    return report.table(frame, columns, caption=f"Bands of the present scorecard, {together}")


def caught(backtest: BacktestFacts) -> Piece:
    """What each band held of all, of those that left, and of their ARR."""
    frame = ranges(
        backtest.bands[backtest.bands["band"] != "all"],
        cases=("share_of_accounts", "share_of_accounts_low", "share_of_accounts_high"),
        left=("share_of_churned_accounts", "share_low", "share_high"),
        arr_left=("share_of_churned_arr", "arr_share_low", "arr_share_high"),
    )
    columns: Columns = {
        "band": ("Band", _chips(backtest)),
        "cases": ("Of all cases", interval),
        "left": ("Of those that left", interval),
        "arr_left": ("Of churned ARR", interval),
    }
    return report.table(
        frame,
        columns,
        caption="Share held by each band, 95% intervals",
        n=int(backtest.bands.loc[backtest.bands["band"] == "all", "churned"].sum()),
    )


def lead_time(backtest: BacktestFacts) -> Piece:
    """Where the accounts that left stood, a row a lead, a column a band."""
    frame = ranges(backtest.lead_time, said=("share_of_churned_accounts", "low", "high"))
    bands = list(dict.fromkeys(frame["band"]))
    wide = (
        frame.pivot(index="lead_days", columns="band", values="said").reindex(columns=bands) if len(frame) else pd.DataFrame(columns=bands)
    )
    worst = frame[frame["band"] == bands[0]].set_index("lead_days") if bands else frame
    shown = wide.assign(lead=[f"{days} days" for days in wide.index], arr=worst["share_of_churned_arr"]).sort_index(ascending=False)
    columns: Columns = {
        "lead": ("Before the end", "text"),
        **{band: (wording.upper_first(band), interval) for band in bands},
        "arr": (f"ARR in {bands[0]}" if bands else "ARR", "share"),
    }
    n = int(frame.groupby("lead_days")["accounts_churned"].sum().max()) if len(frame) else None
    return report.table(shown, columns, caption="Share of the accounts that left, by band and days before the end", n=n)


def calibration(backtest: BacktestFacts) -> Piece:
    """Promised against seen."""
    frame = ranges(backtest.calibration, seen=("rate", "low", "high"))
    columns: Columns = {
        "mean_probability": ("Promised", "share"),
        "seen": ("Seen", interval),
        "n": ("Cases", "count"),
        "lost": ("Left", "count"),
    }
    return report.table(frame, columns, caption=wording.tested(backtest.split, "Promised out of time against what happened"))


def floors(backtest: BacktestFacts) -> Piece:
    """The conventions, each answered from its interval, with the number that decides, by cases and by ARR."""
    frame = backtest.floors.copy()
    for prefix in ("", "arr_"):
        frame[f"{prefix}answer"] = [
            wording.NOTHING if pd.isna(value) else ANSWERS[answer]
            for value, answer in zip(frame[f"{prefix}value"], frame[f"{prefix}answer"], strict=True)
        ]
        spans = frame[["name", f"{prefix}value", f"{prefix}low", f"{prefix}high"]].itertuples(index=False, name=None)
        frame[f"{prefix}said"] = [_floor(*row) for row in spans]
    frame["decides"] = [_decides(name, floor) for name, floor in zip(frame["name"], frame["floor"], strict=True)]
    columns: Columns = {
        "name": ("Convention", "text"),
        "answer": ("Answer", "text"),
        "said": ("Measured", interval),
        "decides": ("Held against", "text"),
        "arr_answer": ("By ARR", "text"),
        "arr_said": ("Measured by ARR", interval),
    }
    return report.table(
        frame, columns, caption="Conventions, answered from the interval: met or not met only where all of it agrees", layout="cards"
    )


def _decides(name: str, floor: float) -> str:
    """The number of the convention, and on which side of it the interval must lie."""
    side = "at most" if name.startswith("at most") else "at least"
    return f"{side} {floor:g}" if "times" in name else f"{side} {wording.share(floor)}"


def misses(backtest: BacktestFacts, audit: AuditFacts, accounts: AccountFacts | None = None) -> Piece:
    """Highest band, then lost, by name; linked to the account's section on the audit where it has one."""
    frame = linked(by_account(backtest.misses).merge(audit.names, how="left", on="account_id"), accounts, "audit.html")
    caption = f"Not seen: highest band, then left: {wording.counted(backtest.misses_count, 'case')}; {LATEST}"
    return report.table(frame, _list_columns(frame, audit), caption=caption, layout="cards fold")


def false_alarms(backtest: BacktestFacts, audit: AuditFacts, accounts: AccountFacts | None = None) -> Piece:
    """Lowest band, yet kept, by name; linked to the account's section on the audit where it has one."""
    frame = linked(by_account(backtest.false_alarms).merge(audit.names, how="left", on="account_id"), accounts, "audit.html")
    caption = f"Alarms: lowest band, yet stayed: {wording.counted(backtest.false_alarms_count, 'case')}; {LATEST}"
    return report.table(frame, _list_columns(frame, audit), caption=caption, layout="cards fold")


def alerts(backtest: BacktestFacts) -> Piece:
    """Each kind of alert: how often it was raised, what became of those accounts, and how long before the end."""
    if backtest.alerts.empty:
        return Piece("")
    frame = ranges(
        backtest.alerts,
        by_count=("rate", "low", "high"),
        by_arr=("arr_rate", "arr_low", "arr_high"),
        seen=("caught", "caught_low", "caught_high"),
        everywhere=("alerted", "alerted_low", "alerted_high"),
    )
    frame["name"] = [claims_backtest.ALERT_NAMES.get(kind, kind) for kind in frame["kind"]]
    frame["name"] = frame["name"].str.capitalize()
    frame["lift_said"] = _lifts(frame)
    frame["ahead"] = [_ahead(*row) for row in frame[["days_before", "days_low", "days_high"]].itertuples(index=False, name=None)]
    columns: Columns = {
        "name": ("Alert", "text"),
        "per_month": ("A month", "number"),
        "by_count": ("Lost", interval),
        "lift_said": ("Lift", interval),
        "by_arr": ("By ARR", interval),
        "cases": ("Cases", "count"),
        "accounts": ("Accounts", "count"),
        "seen": ("Of those that left", interval),
        "everywhere": ("Of all", interval),
        "ahead": ("Days before", interval),
    }
    days = backtest.alerts["horizon_days"].iloc[-1]
    caption = (
        f"Alerts of the past and who left within {days:.0f} days of them, with 95% intervals; of those that left, and of all, the share "
        f"alerted in the {days:.0f} days before; days before the end: median and quartiles"
    )
    return report.table(frame, columns, caption=caption, layout="cards")


def _ahead(middle: float, low: float, high: float) -> str:
    """`96 (57–127)`."""
    return wording.NOTHING if pd.isna(middle) else f"{middle:.0f} ({low:.0f}–{high:.0f})"


def scorecards(backtest: BacktestFacts) -> Piece:
    """The lowest band of every scorecard."""
    frame = ranges(
        claims_backtest.worst_of_each(backtest),
        rate=("churn_rate", "churn_low", "churn_high"),
        left=("share_of_churned_accounts", "share_low", "share_high"),
        arr_left=("share_of_churned_arr", "arr_share_low", "arr_share_high"),
    )
    frame["lift_said"] = _lifts(frame)
    columns: Columns = {
        "scorecard": ("Weights", "text"),
        "rate": ("Churn rate", interval),
        "lift_said": ("Lift", interval),
        "left": ("Of those that left", interval),
        "arr_left": ("Of churned ARR", interval),
        "accounts": ("Cases", "count"),
    }
    caption = f"Lowest band of each scorecard, {claims_backtest.cut_how(backtest)}"
    return report.table(frame, columns, caption=caption[0].upper() + caption[1:])


def _chips(backtest: BacktestFacts) -> Kind:
    """Bands as chips, the whole as plain text."""
    chip = report.bands({band: backtest.band_colours.get(band, "") for band in backtest.bands["band"] if band not in ("all", "unscored")})
    return lambda name: Piece("all") if name == "all" else chip(name)


def _lifts(frame: pd.DataFrame) -> list[str]:
    """`3.1 (2.4–3.9)` per row."""
    return [
        f"{lift:.1f} ({low:.1f}–{high:.1f})" if pd.notna(lift) else wording.NOTHING
        for lift, low, high in zip(frame["lift"], frame["lift_low"], frame["lift_high"], strict=True)
    ]


def _floor(name: str, value: float, low: float, high: float) -> str:
    """A lift as a factor, a share in percent."""
    if pd.isna(value):
        return wording.NOTHING
    return f"{value:.1f} ({low:.1f}–{high:.1f})" if "times" in name else wording.share_range(value, low, high)


def _list_columns(frame: pd.DataFrame, audit: AuditFacts) -> Columns:
    """Columns of a list by name."""
    return named_columns(frame, {"as_of": ("Scored on", "date"), "score": ("Score", "points"), "arr": ("ARR", f"money {audit.currency}")})
