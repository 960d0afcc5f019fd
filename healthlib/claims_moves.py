"""The sentences on how the base moved: bands over the months, ARR over the year, who changed band, and why the average score moved."""

from __future__ import annotations

import pandas as pd

from healthlib.claims import ranged, undated
from healthlib.palette import UNSCORED
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import (
    change,
    clipped,
    count,
    counted,
    day,
    listed,
    money,
    money_change,
    number,
    share,
    unknown,
    upper_first,
)

MOVERS = {
    "behaviour": "what customers did", "data": "what was measured of them", "configuration": "the scorecard", "override": "overrides",
    "membership": "who came and left",
}  # fmt: skip
"""Cause of a change of the average score -> how a sentence names it."""


def _cash(facts: ExecutiveFacts, value: float) -> str:
    return money(value, facts.currency)


def trend(facts: ExecutiveFacts) -> str:
    """How the worst band's ARR moved over the months shown."""
    if facts.flat:
        return undated("how the base moved")
    days = sorted(facts.trend["as_of"].unique())
    if len(days) < 2:
        return "One snapshot is not a trend: the picture starts with the second month."
    worst = facts.trend[facts.trend["band"] == facts.bands[0]].set_index("as_of")
    total = facts.trend.groupby("as_of")["arr"].sum()
    old, new = (worst.loc[at, "arr"] / total.loc[at] for at in (days[0], days[-1]))
    way = "rose" if new - old > 0.005 else "fell" if old - new > 0.005 else "stood still"
    move = f"from {share(old)} to {share(new)}" if way != "stood still" else f"at {share(new)}"
    before, now = (int(worst.loc[at, "accounts"]) for at in (days[0], days[-1]))
    held = f"its accounts went from {count(before)} to {count(now)}" if before != now else f"it holds {counted(now, 'account')}, as then"
    return (
        f"{upper_first(facts.bands[0])}'s share of ARR {way} {move} between {day(days[0])} and {day(days[-1])}; {held}"
        f"{_blind(facts, total, days)}."
    )


def _blind(facts: ExecutiveFacts, total: pd.Series, days: list[pd.Timestamp]) -> str:
    """That much more of the ARR has no score than had none: then a smaller worst band is no good news."""
    arr = facts.trend[facts.trend["band"] == UNSCORED].set_index("as_of")["arr"] / total
    old, new = float(arr.loc[days[0]]), float(arr.loc[days[-1]])
    return f"; what cannot be scored rose from {share(old)} to {share(new)}" if new - old > 0.1 else ""


def changed(facts: ExecutiveFacts) -> str:
    """When the scorecard was changed within the months shown, and what that means for them; empty where it was not."""
    days = facts.trend["as_of"]
    within = facts.scorecards[(facts.scorecards["adopted_on"] > days.min()) & (facts.scorecards["adopted_on"] <= days.max())]
    if within.empty:
        return ""
    when = listed([day(at) for at in within["adopted_on"].drop_duplicates()])
    return f"The scorecard was changed on {when}; all months are shown as today’s scorecard scores them, so that they can be compared."


def moved(facts: ExecutiveFacts) -> str:
    """What moved ARR in twelve months."""
    if facts.flat:
        return undated("retention over twelve months")
    if not facts.retention:
        return "No account had ARR twelve months ago, so retention cannot be stated yet."
    grr, nrr = facts.retention["grr_12m"], facts.retention["nrr_12m"]
    arr = facts.moves.set_index("move")["arr"]
    currency = facts.context["currency"]
    why = listed(
        [
            f"{money_change(arr[move], currency)} {words}"
            for move, words in (
                ("left", "from accounts that left"),
                ("shrank", "from accounts that shrank"),
                ("grew", "from accounts that grew"),
            )
            if arr[move]
        ]
    )
    return (
        f"Of the ARR of twelve months ago {ranged(grr)} is still here, and {ranged(nrr)} with what those accounts grew"
        + (f": {why}. " if why else ". ")
        + f"New accounts added {_cash(facts, arr['new'])}."
    )


def causes(facts: ExecutiveFacts) -> str:
    """Why the average score of the whole book moved since the previous month-end."""
    if facts.causes.empty:
        return "Why the average score moved cannot be told: there is no earlier month to compare with."
    book = facts.causes[facts.causes["band"] == "all"].set_index("by")
    row = {str(name): value for name, value in book.drop(columns="band").astype(float).loc["accounts"].to_dict().items()}
    if unknown(row["change"]):
        return "Why the average score moved cannot be told: on one of the two days nothing was scored."
    moved = sorted(((abs(row[name]), name) for name in MOVERS if abs(row[name]) >= 0.05), reverse=True)
    parts = listed([f"{MOVERS[name]} {change(row[name], 1)}" for _, name in moved]) or "no cause by as much as a tenth of a point"
    weighted = change(float(book["change"].to_dict()["arr"]), 1)
    return (
        f"The average score of the book moved by {change(row['change'], 1)} points to {number(row['now'], 1)} since "
        f"{day(facts.context['month'])} ({weighted} weighted by ARR): {parts}."
    )


def migrated(facts: ExecutiveFacts) -> str:
    """How many accounts moved down and up since the previous month-end."""
    if facts.flat:
        return undated("who changed band")
    if unknown(facts.context["month"]):
        return "There is no earlier month to compare with."
    rank = {band: place for place, band in enumerate(facts.bands[:-1])}
    both = facts.migration[facts.migration["from"].isin(rank) & facts.migration["to"].isin(rank)]
    step = both["to"].map(rank).astype(float) - both["from"].map(rank).astype(float)
    down, up = both[step < 0], both[step > 0]
    since = f"Since {day(facts.context['month'])}"
    if both[step != 0].empty:
        return f"{since} no account moved to another band."
    fell = f"{counted(down['accounts'].sum(), 'account')} ({_cash(facts, down['arr'].sum())})" if len(down) else "no account"
    rose = f"{count(up['accounts'].sum())} ({_cash(facts, up['arr'].sum())})" if len(up) else "none"
    return f"{since}, {fell} fell by a band or more and {rose} rose."


def movers(facts: ExecutiveFacts) -> str:
    """The largest account that fell and the largest that rose, by name."""
    found = facts.movers
    if found.empty:
        return "" if facts.flat or unknown(facts.context["month"]) else f"No account changed band since {day(facts.context['month'])}."
    said = []
    for direction, verb in (("fell", "The largest to fall is"), ("rose", "the largest to rise is"), ("left", "the largest to leave was")):
        rows = found[found["direction"] == direction]
        if len(rows):
            said.append(f"{verb} {clipped(str(rows.iloc[0]['name']))} ({_cash(facts, rows.iloc[0]['arr'])})")
    return f"{upper_first('; '.join(said))}." if said else "No account that was here before changed band."
