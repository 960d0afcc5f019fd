"""The sentences on bands over time: their meaning, how long red lasted, promises kept, moves, and what a margin would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.claims import named, undated
from healthlib.wording import count, counted, listed, number, share, share_range, unknown, upper_first

if TYPE_CHECKING:
    from healthlib.studies.backtest_bands import BacktestFacts
    from healthlib.studies.stability import StabilityFacts

ALL, LEFT, STAYED = "all", "left", "stayed"
SAID = {
    "moved": "The churn rate has changed in",
    "held": "The churn rate has kept still in",
    "cannot_tell": "Whether the churn rate has kept still cannot be told for",
}
RIVALS = {"fitted": "refitted weights and thresholds", "incumbent": "the present tool"}
HALF = 0.5
RIGHT = (0.8, 1.25)
"""A calibration slope is called right where its whole interval lies in here: a convention."""


def steady(stability: StabilityFacts) -> str:
    """Do bands keep their meaning?"""
    table = stability.steady[stability.steady["band"].isin(stability.bands)]
    if stability.split == "accounts":
        return undated("whether bands keep their meaning")
    if table.empty:
        return f"Whether bands keep their meaning cannot be told: nothing was replayed. {stability.reason}".strip()
    if table["points"].max() < 2:
        return "Whether bands keep their meaning cannot be told: too few cases have finished for two points in time."
    parts = []
    for answer, words in SAID.items():
        rows = table[table["answer"] == answer]
        moved = [f"{row['band']} ({_points(row['difference'], row['low'], row['high'])})" for _, row in rows.iterrows()]
        parts += [f"{words} {listed(moved)}."] if moved else []
    return f"{' '.join(parts)} In brackets: by how many points of percent more left of the later half of cases than of the earlier."


STEADY_NOTE = (
    "Quarters with few cases are pooled. Changed: the rates of the points differ by more than chance moves them, resampling accounts, "
    "corrected for the number of bands. Kept: the change from the earlier half of the cases to the later surely lies within half of "
    "the band’s own rate, which is a convention. Anything else cannot be told."
)
"""How the answer is made."""


def _points(value: float, low: float, high: float) -> str:
    """`+7.2 (−2.3 to +14.5)`, in points of 100."""
    if unknown(value):
        return "unknown"
    ends = "no interval" if unknown(low) or unknown(high) else f"{100 * low:+.1f} to {100 * high:+.1f}"
    return f"{100 * value:+.1f} ({ends})".replace("-", "−")


def contest(stability: StabilityFacts) -> str:
    """Fixed thresholds against refitted ones and the present tool."""
    if stability.split == "accounts":
        return undated("how refitted thresholds fared over time")
    if not stability.caught:
        return "Refitted thresholds cannot be compared with the fixed ones: nobody left in the cases replayed."
    said = []
    for name, more in stability.caught.items():
        how = "more" if more.value >= 0 else "fewer"
        sure = "" if more.low > 0 or more.high < 0 else ", which cannot be told from none"
        span = f"{100 * more.low:.1f} to {100 * more.high:.1f}".replace("-", "−")
        said.append(f"{RIVALS[name]} held {100 * abs(more.value):.1f} points {how} ({span}{sure})")
    now, worst = stability.contest[stability.contest["scorecard"] == "current"], stability.bands[0]
    lost = now["lost"].sum()
    held = (now["caught"] * now["lost"]).sum() / lost
    return (
        f"Of {counted(lost, 'case')} that left, the scorecard in use, its thresholds fixed, held {share(held)} in {worst}; "
        f"{' and '.join(said)}, on the same cases, with thresholds set for bands of the same size on cases before each cut-off."
    )


def spells(stability: StabilityFacts) -> str:
    """How long red lasted before the end."""
    if stability.split == "accounts":
        return undated("how long accounts had been in the worst band")
    row = _length(stability, "lasting", "red")
    if row is None:
        return "How long red lasted cannot be told: no account that left has month-ends before its end."
    worst = stability.bands[0]
    lasted = (
        f", half of those for {count(row['median'])} days or longer ({_days(row['low'], row['high'])}; quartiles "
        f"{count(row['quarter'])} and {count(row['three_quarters'])})"
        if row["ever"]
        else ""
    )
    return (
        f"Of {counted(row['ended'], 'account')} that left, {count(row['ever'])} were {worst} without a break to the end{lasted}. "
        f"Of all that left, {share_range(row['never'], row['never_low'], row['never_high'])}, with {share(row['arr_never'])} of their ARR, "
        f"were not {worst} at the last month’s end before."
    )


def _days(low: float, high: float) -> str:
    return "no interval" if unknown(low) or unknown(high) else f"95%: {count(low)}–{count(high)}"


def first_red(stability: StabilityFacts) -> str:
    """The first red, and that those who stay turn red as well."""
    row = _length(stability, "first", "red")
    if row is None:
        return ""
    worst, curve = stability.bands[0], stability.curve
    stayed = curve[(curve["state"] == STAYED) & (curve["days"] == 0)]
    ever = share_range(1 - row["never"], 1 - row["never_high"], 1 - row["never_low"])
    had = f"In the year before the end {ever} had been {worst} at some month’s end"
    first = f", first {count(row['median'])} days before it (median)" if row["ever"] else ""
    if stayed.empty:
        return f"{had}{first}."
    here = stayed.iloc[0]
    return (
        f"{had}{first}. So had {share_range(here['share'], here['low'], here['high'])} of the accounts still here, in the year to today: "
        f"to have been {worst} once is no sign by itself."
    )


def _length(stability: StabilityFacts, what: str, state: str) -> pd.Series | None:
    rows = stability.lengths[(stability.lengths["what"] == what) & (stability.lengths["state"] == state)]
    return rows.iloc[0] if len(rows) and rows["ended"].iloc[0] else None


def promised(stability: StabilityFacts, backtest: BacktestFacts) -> str:
    """When it said so much, so much left."""
    table = backtest.calibration.dropna(subset=["rate"]) if len(backtest.calibration) else backtest.calibration
    if table.empty:
        return "Promised probabilities cannot be checked: nothing was replayed."
    shown = table.iloc[[-1, 0]] if len(table) > 1 else table
    said = [
        f"{'When it said' if place == 0 else 'when it said'} {share(row['mean_probability'])}, "
        f"{share_range(row['rate'], row['low'], row['high'])} left"
        for place, (_, row) in enumerate(shown.iterrows())
    ]
    return f"{'; '.join(said)}. {_line(stability)}"


def _line(stability: StabilityFacts) -> str:
    """Slope, level and skill in words."""
    slope, level, skill = stability.line["slope"], stability.line["intercept"], stability.skill
    if unknown(level.value):
        return "Too few left, or stayed, to say more."
    far = (
        "Chances were all alike, so how far apart they should be cannot be told"
        if unknown(slope.value)
        else f"{_apart(slope.low, slope.high)} (calibration slope {_two(slope)}; 1 is right)"
    )
    held = (
        "more left than promised"
        if level.low > 0
        else "fewer left than promised"
        if level.high < 0
        else "the level was right as far as can be told"
    )
    worth = (
        "better than the base rate known at the time"
        if skill.low > 0
        else "worse than the base rate known at the time"
        if skill.high < 0
        else "not surely better than the base rate known at the time"
    )
    points = f"{100 * skill.value:.1f}% ({100 * skill.low:.1f} to {100 * skill.high:.1f}%)".replace("-", "−")
    return f"{far}, {held}, and they were {worth} (Brier skill {points})."


def _apart(low: float, high: float) -> str:
    if high < 1:
        return "Chances were too far apart, high ones too high and low ones too low"
    if low > 1:
        return "Chances were too close together"
    if low >= RIGHT[0] and high <= RIGHT[1]:
        return "Chances were as far apart as they should be"
    return "Whether chances were too far apart or too close together cannot be told"


def _two(estimate: object) -> str:
    value, low, high = (getattr(estimate, key) for key in ("value", "low", "high"))
    return f"{value:.2f} ({low:.2f}–{high:.2f})".replace("-", "−")


def rivals(stability: StabilityFacts) -> str:
    """Why the smooth curve is kept."""
    if stability.rivals.empty:
        return ""
    better = (stability.rivals["high"] < 0).all()
    worse = (stability.rivals["low"] > 0).all()
    verdict = (
        "does surely better out of time by both measures: consider it"
        if better
        else "does surely worse out of time: the smooth curve stays"
        if worse
        else "is not surely better out of time by both measures: the smooth curve stays"
    )
    said = [f"{row['measure']} {row['rival']:.4f} against {row['kept']:.4f}" for _, row in stability.rivals.iterrows()]
    return f"A curve of steps (isotonic), free to take any falling shape, {verdict} ({listed(said)}; lower is better)."


def groups(stability: StabilityFacts) -> str:
    """Which groups lost more or fewer than promised."""
    table = stability.groups
    if table.empty:
        return "Whether promises hold in every group cannot be told: no attribute has two groups with enough losses expected."
    said = []
    for answer, words in (("more", "More left than promised"), ("fewer", "Fewer left than promised")):
        rows = table[table["answer"] == answer]
        if len(rows):
            said.append(f"{words} in {named([_group(row) for _, row in rows.iterrows()])}.")
    rest = int((table["answer"] == "cannot_tell").sum())
    if not said:
        return f"In none of {counted(len(table), 'group')} did surely more or fewer leave than promised, corrected for looking at many."
    if rest:
        said.append(f"In {counted(rest, 'other group')} the promise cannot be told from what came, corrected for looking at many.")
    return " ".join(said)


def _group(row: pd.Series) -> str:
    return f"{row['grouping']} {row['group']} ({count(row['lost'])} lost, {number(row['expected'], 1)} expected)"


def moves(stability: StabilityFacts) -> str:
    """Where the worst band leads."""
    if stability.split == "accounts":
        return undated("how accounts move between bands")
    table = stability.moves
    if table.empty:
        return "Moves between bands cannot be shown: there is one month-end only."
    said = []
    for span in ("month", "quarter"):
        for band in (stability.bands[0], stability.bands[-1]):
            row = table[(table["span"] == span) & (table["band"] == band) & (table["to"] == band)]
            if len(row):
                one = row.iloc[0]
                said.append(f"of {band} {share_range(one['share'], one['low'], one['high'])} were {band} a {span} later")
    return f"Over the last year, {listed(said)}." if said else "Moves between bands cannot be shown: no account was scored twice."


def flaps(stability: StabilityFacts) -> str:
    """Whether bands change more often in some groups."""
    table = stability.flaps
    if stability.split == "accounts":
        return ""
    if table.empty or unknown(table["changed"].iloc[0]):
        return "How often bands change cannot be told: no account was scored in two months running."
    whole, groups = table.iloc[0], table.iloc[1:]
    if groups.empty:
        return ""
    said = f"Of account-months {_changed(whole)} saw another band than the month before"
    apart = groups[(groups["low"] > whole["high"]) | (groups["high"] < whole["low"])]
    if apart.empty:
        return f"{said}; no group’s interval lies apart from that."
    return f"{said}; apart from that lie {named([f'{row.grouping} {row.group} {_changed(row)}' for _, row in apart.iterrows()])}."


def _changed(row: pd.Series) -> str:
    return share_range(row["changed"], row["low"], row["high"])


def margins(stability: StabilityFacts) -> str:
    """What a margin would spare and cost; a trade-off, not advice."""
    table = stability.margins
    if stability.split == "accounts":
        return undated("what a margin at the thresholds would spare")
    if table.empty or unknown(table["changed"].iloc[0]) or not table["changed"].iloc[0]:
        return "What a margin at the thresholds would spare cannot be told: no band has changed."
    plain, halved = table.iloc[0], table[table["changed"] <= HALF * table["changed"].iloc[0]]
    row = halved.iloc[0] if len(halved) else table.iloc[-1]
    what = "halve the changes of band" if len(halved) else "not halve the changes of band, yet make them fewer"
    span = f"{share(row['changed'])} of account-months of all history against {share(plain['changed'])}"
    return (
        f"A margin of {counted(row['margin'], 'point')} at every threshold would {what}: {span}.{_price(row, plain, stability)} Nothing of "
        f"this is applied: bands change at the threshold, and only alerts wait for {number(stability.alert_margin, 0)} points. Whether "
        "steadier bands are worth later ones is for you to say."
    )


def _price(row: pd.Series, plain: pd.Series, stability: StabilityFacts) -> str:
    """What it costs among those that left."""
    worst = stability.bands[0]
    if not row["ended"]:
        return " What it would cost cannot be told: nobody has left."
    span = f"{number(np.maximum(row['delay_low'], 0), 0)}–{number(row['delay_high'], 0)}"
    later = (
        f" {upper_first(worst)} would have come {number(row['delay'], 0)} days later on average ({span}) for "
        f"{count(row['delayed'])} that left, and no longer at all for {count(row['never'])};"
    )
    days = "" if unknown(row["delay"]) else later
    return (
        f"{days} {share_range(row['caught'], row['caught_low'], row['caught_high'])} of those that left, and {share(row['arr_caught'])} of "
        f"their ARR, would have been {worst} 30 days ahead, against {share(plain['caught'])} and {share(plain['arr_caught'])}, with "
        f"{share(row['red'])} of account-months {worst} against {share(plain['red'])}."
    )
