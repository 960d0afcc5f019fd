"""Sentences on what went before the end: which metric fell away first, with whom it was compared, and what the reasons given are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import named, row_rate, undated, words
from healthlib.studies.ending import APART, FAR, FELL, LOWER, UNSURE
from healthlib.studies.fallen import AHEAD, LEFT, SHRANK, STAYED
from healthlib.studies.leaving import UNSTATED
from healthlib.studies.matching import BALANCE_COLUMNS, CONTROLS, MONTHS, MOST_SETS, WITHIN_ARR
from healthlib.wording import count, counted, listed, number

if TYPE_CHECKING:
    from healthlib.studies.ending import EndingFacts

BALANCED = 0.1
"""A standardised difference up to this is taken for balanced."""
NOT_BY_CHANCE = 0.05


def fair(ending: EndingFacts) -> pd.DataFrame:
    """The dated metrics without those that seem to know the outcome."""
    return ending.dated[~ending.dated["metric"].isin(ending.suspects)]


def ago(months: float) -> str:
    """How long before the end.

    >>> ago(0), ago(1)
    ('in the last month', 'at least 1 month before the end')
    """
    return f"at least {counted(months, 'month')} before the end" if months else "in the last month"


def before(ending: EndingFacts) -> str:
    """Which metric fell away first, and which followed."""
    if ending.kind == "flat":
        return undated("what went before the end")
    if ending.dated.empty:
        return "What went before cannot be told: it takes accounts that left, and comparable ones that stayed, with a month-end in common."
    table, kept = fair(ending), words(ending.kind)["kept"] if ending.kind != "expansion" else "stayed"
    fell = table[table["verdict"] == FELL].sort_values(["fell", "gap"], ascending=False, kind="stable")
    if fell.empty:
        left = counted(ending.matched, "account")
        if undatable(ending):
            why = f"too few were customers {FAR[0]} months before"
            return f"Since when metrics fell before {left} left cannot be told: {why}. {_nearest(table, kept)}"
        return f"Beside comparable accounts that {kept}, no metric surely fell away before {left} left."
    first = fell.iloc[0]
    said = (
        f"{first['label']} fell away first, {ago(first['fell'])}: accounts that left ended {_points(first)} points below comparable ones "
        f"that {kept}, {_year_before(first)} (n = {int(first['n'])})"
    )
    followed = [f"{row['label']} ({ago(row['fell']).removesuffix(' before the end')})" for _, row in fell.iloc[1:].iterrows()]
    return f"{said}; then {named(followed)}." if followed else f"{said}."


def undatable(ending: EndingFacts) -> bool:
    """Whether nothing was measured as far back as a fall is counted from."""
    return bool((fair(ending)["since"] < FAR[0]).all())


def _nearest(table: pd.DataFrame, kept: str) -> str:
    """The widest sure gap at the end, where falls cannot be dated."""
    lower = table[table["verdict"].isin([LOWER, APART])].sort_values("gap", ascending=False, kind="stable")
    if lower.empty:
        return f"No metric is surely below that of comparable accounts that {kept}."
    row = lower.iloc[0]
    return f"At the end {row['label']} is {_points(row)} points below that of comparable accounts that {kept} (n = {int(row['n'])})."


def _year_before(row: pd.Series) -> str:
    when = "a year" if row["since"] == MONTHS else counted(row["since"], "month")
    gap = round(row["year_gap"])
    return f"{counted(gap, 'point')} {when} before" if gap > 0 else f"no lower {when} before"


def _points(row: pd.Series) -> str:
    return f"{row['gap']:.0f} ({row['low']:.0f} to {row['high']:.0f})"


def others(ending: EndingFacts) -> list[str]:
    """What did not surely fall, and what that means."""
    table = fair(ending)
    label = {verdict: table.loc[table["verdict"] == verdict, "label"].tolist() for verdict in (LOWER, APART, UNSURE)}
    said = []
    if label[LOWER]:
        said.append(f"Lower all year, so a kind of account rather than a warning: {named(label[LOWER])}.")
    if label[APART]:
        said.append(f"Lower before the end, but when it fell cannot be told: {named(label[APART])}.")
    if label[UNSURE]:
        said.append(f"Cannot be told from that of comparable accounts: {counted(len(label[UNSURE]), 'metric')}.")
    return said


def compared(ending: EndingFacts) -> str:
    """With whom, and how alike the two sides are: one line."""
    if ending.dated.empty:
        return ""
    alike = [
        "at the same month-end" if ending.monthly else "with the same length of term and an end within two quarters",
        f"between a third and {number(WITHIN_ARR, 0)} times the ARR",
        "nearest in tenure",
        *([f"of the same {ending.segment} or, failing that, another"] if ending.segment else []),
    ]
    names = {"segment": ending.segment, "date": "date of the end", "term": "length of term"}
    moved = [
        f"{names.get(name, name)} {_plain(before)} → {_plain(after)}"
        for name, before, after in zip(*(ending.balance[column] for column in BALANCE_COLUMNS), strict=True)
    ]
    off = ending.balance.loc[ending.balance["after"].abs() > BALANCED, "covariate"]
    caution = f" Not balanced: {listed([names.get(name, name) for name in off])}." if len(off) else ""
    drawn = f"{count(MOST_SETS)} drawn from " if ending.left > MOST_SETS else ""
    return (
        f"Matched: {count(ending.matched)} of {drawn}{counted(ending.left, 'account')} that left, "
        f"each with up to {CONTROLS} others that stayed "
        f"({ending.comparable} in all), {', '.join(alike)}. Standardised differences before → after matching: {', '.join(moved)}; up to "
        f"{BALANCED} counts as balanced.{caution}"
    )


def _plain(value: float) -> str:
    return number(value, 2).replace("−0.00", "0.00")


def reading() -> str:
    """How the dates are to be read."""
    return (
        "“Fell away” is the earliest month-end from which on the gap is surely wider than it was 10 to 12 months before, in every month up "
        "to the end; “lower” the same of the gap itself. The bands hold for all months of a metric together. A date is late rather than "
        "early: a gap must be sure to count. In the picture the gap is sure where the shaded area does not touch the dashed line."
    )


def shown(ending: EndingFacts, most: int = 4) -> list[str]:
    """The metrics that had most often fallen among accounts that left, more than among those that stayed; without suspects."""
    wide = _wide(ending)
    if wide.empty or LEFT not in wide or STAYED not in wide:
        return []
    more = (wide[LEFT] - wide[STAYED]).drop(list(ending.suspects), errors="ignore").dropna()
    return more[more > 0].sort_values(ascending=False, kind="stable").head(most).index.tolist()


def _wide(ending: EndingFacts) -> pd.DataFrame:
    return ending.fallen.pivot(index="metric", columns="group", values="rate") if len(ending.fallen) else pd.DataFrame()


def reasons(ending: EndingFacts) -> str:
    """What the metrics of those that left and of those that shrank had shown, and whether the reasons given go with it."""
    names = shown(ending)
    if ending.kind == "flat":
        return undated("what metrics showed before, by stated reason,")
    if not names:
        return (
            "What metrics showed before by stated reason cannot be told: none was lower among those that left than among those that stayed."
        )
    table = ending.fallen
    left, whole = (_row(table, names[0], group) for group in (LEFT, STAYED))
    if left["small"]:
        return f"Only {counted(left['cases'], 'account')} left that {_when()} can be seen: too few to say which metrics had fallen."
    said = (
        f"{row_rate(left)} of {counted(left['cases'], 'account')} that left were in the lowest fifth of {left['label']} {_when()}, against "
        f"{row_rate(whole)} of those that stayed whole"
    )
    return f"{said}{_shrank(table, names)}. {_by_reason(table, names)}"


def _when() -> str:
    return f"{counted(AHEAD, 'month')} and more before the end"


def _row(table: pd.DataFrame, metric: str, group: str) -> pd.Series:
    return table[(table["metric"] == metric) & (table["group"] == group)].iloc[0]


def _shrank(table: pd.DataFrame, names: list[str]) -> str:
    """Whether those that stayed and shrank looked like those that stayed whole."""
    both = [name for name in names if set(table.loc[table["metric"] == name, "group"]) >= {SHRANK, STAYED}]
    pairs = [(_row(table, name, SHRANK), _row(table, name, STAYED)) for name in both]
    if not pairs or pairs[0][0]["small"]:
        return ""
    sure = [str(down["label"]) for down, whole in pairs if down["low"] > whole["high"]]
    first = pairs[0][0]
    said = f"; and {row_rate(first)} of {counted(first['cases'], 'case')} that stayed at a lower ARR"
    return f"{said}, which had surely fallen lower than the whole in {listed(sure)}" if sure else f"{said}, not surely more than the whole"


def _by_reason(table: pd.DataFrame, names: list[str]) -> str:
    """Which reasons go with which metrics, beyond leaving."""
    reasons = table[~table["group"].isin([LEFT, SHRANK, STAYED, UNSTATED])]
    if reasons.empty:
        return "No reasons were given (churn_reason of the contracts that ended)."
    if reasons["group"].nunique() == 1:
        return "Only one reason was ever given, so it tells nobody apart."
    tested = reasons[reasons["q"].notna()]
    if tested.empty:
        return f"No reason was given by {counted(20, 'account')}, so what was said cannot be held against what was measured."
    sure = tested[(tested["q"] < NOT_BY_CHANCE) & tested["metric"].isin(names)]
    if sure.empty:
        return (
            f"What was said tells no more: none of {counted(tested['group'].nunique(), 'reason')} with 20 accounts or more goes with a "
            "metric that had fallen more, or less, often than among the others that left."
        )
    told = [f"“{row['group']}” with {row['label']} ({row_rate(row)}, n = {row['cases']})" for _, row in sure.iterrows()]
    return f"Beyond that, what was said goes with what was measured: {named(told)}."
