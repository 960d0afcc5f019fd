"""The sentences of the tour: what the presets say of one workspace, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import against, largest, score_range, signed_range, smallest
from healthlib.resample import Estimate
from healthlib.wording import count, counted, day, listed, number, share

if TYPE_CHECKING:
    from healthlib.studies.presets import PresetFacts

OWN, UNSCORED = "yours", "unscored"
MOST_GREEN, MOST_RED = 0.8, 0.2
"""Conventions: above, a band says nothing any more; above, nobody can work the list."""


def used(facts: PresetFacts) -> pd.DataFrame:
    """The scorecards of which something could be measured, the one in use first."""
    return facts.table[facts.table["metrics"] > 0].reset_index(drop=True)


def compared(facts: PresetFacts) -> pd.DataFrame:
    """Those with an AUC."""
    return facts.table.dropna(subset=["auc"]).reset_index(drop=True)


def estimate(row: pd.Series, name: str = "auc") -> Estimate:
    """One of the table's figures with its interval: auc, arr_auc or difference."""
    low, high = {"auc": ("low", "high"), "arr_auc": ("arr_low", "arr_high")}.get(name, (f"{name}_low", f"{name}_high"))
    return Estimate(row[name], row[low], row[high], row["cases"], row["lost"])


def opening(facts: PresetFacts) -> str:
    """Which presets these exports can carry, and whether one is told to be better."""
    table = used(facts)
    presets, missing = table[table["preset"] != OWN], facts.table[facts.table["metrics"] == 0]["preset"].tolist()
    said = f"On {day(facts.as_of)}, {len(presets)} of {counted(len(facts.table) - 1, 'preset')} can score {facts.name}"
    gone = f"; nothing of {listed(missing)} can be measured here" if missing else ""
    return f"{said}{gone}. {verdict(facts)}"


def verdict(facts: PresetFacts) -> str:
    """Whether a preset tells leavers from stayers better, or worse, than the scorecard in use."""
    table = compared(facts)
    rest = table[(table["preset"] != OWN) & table["difference"].notna()]
    if rest.empty:
        return "Whether one is better than the scorecard in use cannot be told: too few outcomes."
    sides = {side: [] for side in ("above", "below", "cannot tell")}
    for row in rest.to_dict("records"):
        sides[against(row["difference_low"], row["difference_high"], 0.0)].append(row["preset"])
    words = {"above": "better than", "below": "worse than", "cannot tell": "not to be told from"}
    parts = [f"{listed(names)} {'is' if len(names) == 1 else 'are'} {words[side]} it" for side, names in sides.items() if names]
    return f"Against the scorecard in use, out of time: {'; '.join(parts)}."


def bands(facts: PresetFacts) -> str:
    """How differently the presets sort one and the same book."""
    lowest = _ends(facts, first=True)
    highest = _ends(facts, first=False)
    if lowest.empty:
        return "Nobody could be scored."
    low, high = smallest(lowest, "share"), largest(lowest, "share")
    spread = (
        f"The same accounts, the same day: the worst band holds {_both(low)} under {low['preset']} and {_both(high)} under {high['preset']}"
        if len(lowest) > 1
        else f"The lowest band holds {_both(low)}"
    )
    green = highest.loc[highest["share"] > MOST_GREEN, "preset"].tolist()
    red = lowest.loc[lowest["share"] > MOST_RED, "preset"].tolist()
    said = [f"more than {share(MOST_GREEN)} in the top band of {listed(green)}"] if green else []
    said += [f"more than {share(MOST_RED)} in the lowest of {listed(red)}"] if red else []
    return spread + (f". By convention a sign of wrong cuts: {'; '.join(said)}" if said else "") + "."


def _ends(facts: PresetFacts, *, first: bool) -> pd.DataFrame:
    """The lowest (or highest) band of each scorecard that scored anybody."""
    known = facts.bands[facts.bands["band"] != UNSCORED]
    known = known[known.groupby("preset")["accounts"].transform("sum") > 0]
    grouped = known.groupby("preset", sort=False)
    return (grouped.head(1) if first else grouped.tail(1)).reset_index(drop=True)


def _both(row: pd.Series) -> str:
    return f"{share(row['share'])} of accounts and {share(row['arr_share'])} of ARR"


def auc(facts: PresetFacts) -> str:
    """How well each tells leavers from stayers."""
    table = compared(facts)
    if table.empty:
        return "How well the presets tell leavers from stayers cannot be told: too few finished cases of both kinds."
    best = largest(table, "auc")
    near = table[(table["preset"] != best["preset"]) & (table["high"] >= best["low"])]["preset"].tolist()
    tied = f", and the intervals of {listed(near)} reach it" if near else ""
    return (
        f"Scored before they knew, {best['preset']} tells leavers from stayers best, AUC {score_range(estimate(best))}"
        f" ({counted(best['cases'], 'case')}, {count(best['lost'])} lost){tied}."
    )


def carried(facts: PresetFacts) -> str:
    """How much of each preset these exports can carry."""
    part = facts.table[(facts.table["preset"] != OWN) & (facts.table["dropped"] > 0)]
    if part.empty:
        return "These exports carry every metric of every preset."
    most = smallest(part, "weight")
    thin = part.loc[part["weight"].between(0, 0.5, inclusive="neither"), "preset"].tolist()
    left = (
        f" Of {listed(thin)} less than half of the weight is left: those figures speak of what is left, not of the preset." if thin else ""
    )
    loses = "loses" if len(part) == 1 else "lose"
    names, lost = listed(part["preset"].tolist()), counted(most["dropped"], "metric")
    said = f"For lack of tables {names} {loses} metrics, {most['preset']} most: {lost}, and {share(most['weight'])} of the weight is left."
    return said + left


def silent(facts: PresetFacts) -> str:
    """The metrics that sort nobody."""
    if facts.silent.empty:
        return "Every metric that is measured tells some accounts from others."
    told = {preset: part["metric"].tolist() for preset, part in facts.silent.groupby("preset", sort=False)}
    said = "; ".join(f"{listed(metrics)} ({preset})" for preset, metrics in told.items())
    return f"The same value for every account, and so no information: {said}. Login days, for one, need use by the day, not by the month."


def catalogue(entries: int, themes: int) -> str:
    """How large the catalogue is."""
    return f"The catalogue has {number(entries, 0)} ready metrics in {themes} themes; a scorecard takes one by use: catalogue/NAME."


def apart(row: pd.Series) -> str:
    """The difference to the scorecard in use, in words of a table."""
    return "–" if row["preset"] == OWN else signed_range(estimate(row, "difference"))
