"""Which few figures a CSM should watch: metrics that fall early, whose worst fifth leaves more often, and that most accounts have."""

from __future__ import annotations

import pandas as pd

from healthlib.spec import Scorecard

MOST = 5
LEAST_MEASURED = 0.5
"""A figure that fewer of the cases have is no KPI for everybody (a convention)."""
ALIKE = 0.7
"""Two metrics with a rank correlation of so much say the same; the weaker of them is not recommended as well (a convention)."""

COLUMNS = (
    "rank",
    "metric",
    "label",
    "group",
    "fell_months",
    "worst_rate",
    "lift",
    "lift_low",
    "lift_high",
    "cases",
    "measured",
    "auc",
    "arr_auc",
)
WHY_NOT = ("seems to know the outcome", "is an age or of the contract", "does not tell", "too few have it", "says the same as another")


def recommend(
    finished: pd.DataFrame, scorecard: Scorecard, facts: dict[str, pd.DataFrame], *, leaky: tuple[str, ...]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The metrics to watch, most useful first, and why the others are not among them.

    A metric qualifies where it does not seem to know the outcome, is no age and no term of the contract, ranks better than a coin toss
    (its AUC interval lies above 0.5), its worst fifth surely loses more than the average, and at least half of the cases have it.
    Those that surely fall away before the end, beside like accounts that stayed, come first; then the larger lift. One that says the
    same as a better one is passed over.

    Parameters
    ----------
    finished : finished cases with a column a metric
    facts : "alone" as in the audit, "dated" as in the event study (`ending.date_falls`)
    leaky : metrics that seem to know the outcome

    Returns
    -------
    DataFrame `COLUMNS`, at most `MOST` rows: `lift` is the loss rate of the worst fifth over that of all measured cases; `fell_months`
    before the end it surely fell away, 0 for never. And reason (one of `WHY_NOT`) -> how many metrics.
    """
    alone = facts["alone"].copy()
    fell = facts["dated"].set_index("metric")["fell"] if len(facts["dated"]) else pd.Series(dtype=float)
    alone["fell_months"] = alone["metric"].map(fell).astype(float).fillna(0).astype(int)
    reasons = pd.Series([_why_not(row, scorecard, leaky) for row in alone.to_dict("records")], index=alone.index, dtype=object)
    fit = alone[reasons == ""].assign(early=lambda frame: frame["fell_months"] > 0)
    fit = fit.sort_values(["early", "lift_low", "auc"], ascending=False, kind="stable") if len(fit) else fit
    chosen = _different(fit["metric"].tolist(), finished, scorecard)
    passed = reasons[reasons != ""].value_counts().to_dict() | ({WHY_NOT[-1]: len(fit) - len(chosen)} if len(fit) > len(chosen) else {})
    table = fit.set_index("metric", drop=False).loc[chosen].head(MOST).reset_index(drop=True)
    table = table.assign(rank=range(1, len(table) + 1), group=[scorecard.metrics[name].group for name in table["metric"]])
    return table[list(COLUMNS)], {str(why): int(n) for why, n in passed.items()}


def _why_not(row: dict, scorecard: Scorecard, leaky: tuple[str, ...]) -> str:
    """What keeps a metric from being watched; "" for nothing."""
    if row["metric"] in leaky:
        return WHY_NOT[0]
    metric = scorecard.metrics[row["metric"]]
    if metric.measure.kind == "age" or metric.table == "contracts":
        return WHY_NOT[1]
    if not (row["low"] > 0.5 and row["lift_low"] > 1):
        return WHY_NOT[2]
    return "" if row["measured"] >= LEAST_MEASURED else WHY_NOT[3]


def _different(names: list[str], finished: pd.DataFrame, scorecard: Scorecard) -> list[str]:
    """The names without those that rank cases much as an earlier one does."""
    if not names:
        return names
    signed = {name: finished[name] if scorecard.metrics[name].better == "higher" else -finished[name] for name in names}
    alike = pd.DataFrame(signed).rank().corr()
    chosen: list[str] = []
    for name in names:
        if not (alike.loc[name, chosen] >= ALIKE).any():
            chosen.append(name)
    return chosen
