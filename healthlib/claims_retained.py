"""Sentences on staying and renewing, on what to watch, and on whether a health score is worth it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import largest, ranged, smallest, undated, words
from healthlib.studies.contract_terms import CHANGES
from healthlib.studies.renewal_rates import FEW, PRICES
from healthlib.wording import count, counted, listed, number, share, share_range, upper_first

if TYPE_CHECKING:
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.retained import RetainedFacts

RATES = {
    "renewal": "renewal rate",
    "churn_within": "share that stayed",
    "expansion": "share that expanded",
    "flat": "share that stayed",
}
"""Kind of outcome -> what the share kept is called."""

FIRST_TERM = CHANGES[0]

WORTH = {
    "audit": "see who leaves and what went before",
    "fit": "let outcomes set the weights of a score",
    "backtest": "check a score against what came after",
    "forecast": "put a figure on the renewals to come",
}
"""Question of readiness -> what a leader would do with the answer."""


def renewals(facts: RetainedFacts) -> str:
    """How many were kept, what that differs by, and what it does not."""
    table, kept, says = facts.renewals, facts.kept, words(facts.kind)
    if pd.isna(kept.value):
        return "Who keeps renewing cannot be told: no outcome has been seen yet."
    opening = f"The {RATES[facts.kind]} is {ranged(kept)} by count and {ranged(facts.arr_kept)} by ARR (n = {counted(kept.n, 'account')})"
    if table.empty:
        return f"{opening}; there are no groups to compare."
    sure = _apart(table)
    if not sure:
        named = counted(table["dimension"].nunique(), "grouping")
        return f"{opening}. By none of {named} compared it surely differs, allowing for how many they are."
    told = [f"by {name}: {_ends(part)}" for name, part in list(sure.items())[:3]]
    more = f"; and by {listed(list(sure)[3:])}" if len(sure) > 3 else ""
    others = [str(name) for name in table["dimension"].unique() if name not in sure]
    rest = f" No difference is sure by {listed(others, 'or')}." if others else ""
    return f"{opening}. It differs {'; '.join(told)}{more}.{rest} Counted are {says['case']}s that {says['came']}."


def _apart(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Groupings of which some group surely differs, surest first -> their groups that are not few."""
    some = table[table["verdict"] != "cannot tell"].sort_values("q", kind="stable")
    return {str(name): table[(table["dimension"] == name) & ~table["few"]] for name in some["dimension"].unique()}


def _ends(part: pd.DataFrame) -> str:
    """The best and the worst of some groups."""
    return ", ".join(f"{row['group']} {_rate(row)}" for row in (largest(part, "rate"), smallest(part, "rate")))


def _rate(row: pd.Series) -> str:
    return share_range(row["rate"], row["low"], row["high"])


def price(facts: RetainedFacts) -> str:
    """What was kept after the price had fallen, stayed or risen at the last renewal."""
    table = facts.renewals[facts.renewals["dimension"].isin(PRICES)]
    part = table[(table["group"] != FIRST_TERM) & ~table["few"].astype(bool)]
    if facts.kind == "flat":
        return undated("what a change of price was followed by")
    if len(part) < 2:
        return "What a change of price was followed by cannot be told: it takes accounts with at least two terms and their ARR."
    name = str(part["dimension"].iloc[0])
    said = [f"{row['group']}: {_rate(row)} of {count(row['cases'])}" for _, row in part.iterrows()]
    sure = part[part["verdict"] != "cannot tell"]
    differ = "differs" if len(sure) == 1 else "differ"
    end = f"{listed(sure['group'].tolist())} surely {differ} from all" if len(sure) else "none surely differs"
    return f"{upper_first(RATES[facts.kind])} by {name} against the term before. {upper_first('; '.join(said))}: {end}."


def shrinking(facts: RetainedFacts) -> str:
    """How the shrunk rates came about, and which groups are marked."""
    few = int(facts.renewals["few"].sum()) if len(facts.renewals) else 0
    be = "is" if few == 1 else "are"
    marked = f"{counted(few, 'group')} of fewer than {FEW} accounts {be} marked and never said to differ. " if few else ""
    return (
        f"{marked}Shrunk: a group’s rate once it is pulled towards the others of its grouping, the more the fewer its outcomes and the "
        "more alike the groups. A grouping is said to differ where chance alone would hardly make its groups so unlike (false discoveries "
        "held at 5% over all groupings). Attributes, price, seats, billing and CSM are those known when the case was read. What price was "
        "offered for the next term is in no export."
    )


def survival(facts: RetainedFacts) -> str:
    """What is still here, by the length of the first contract."""
    if facts.kind == "flat":
        return undated("how long accounts stay")
    whole = facts.remaining[facts.remaining["grouping"] == "all"]
    if whole.empty:
        return "How long accounts stay cannot be told yet: too few have been followed for a year."
    told = []
    for length, part in whole.groupby("length", sort=False):
        first, last = smallest(part.assign(off=(part["months"] - 12).abs()), "off"), part.iloc[-1]
        said = f"{length} (n = {count(first['accounts'])}, {count(first['left'])} left): after {_span(first['months'])} {_still(first)}"
        told.append(said + (f", after {_span(last['months'])} {share(last['share'])}" if last["months"] > first["months"] else ""))
    return f"Still here, by what they first agreed to. {upper_first('; '.join(told))}."


def _span(months: float) -> str:
    return counted(months / 12, "year") if months % 12 == 0 else counted(months, "month")


def _still(row: pd.Series) -> str:
    accounts = share_range(row["share"], row["low"], row["high"])
    return f"{accounts} of accounts and {share_range(row['arr_share'], row['arr_low'], row['arr_high'])} of their starting ARR"


def use(facts: RetainedFacts) -> str:
    """How those of long standing use the product beside the newest."""
    table = facts.use
    if facts.kind == "flat":
        return undated("how use differs with the time somebody has been a customer")
    if table.empty:
        return "How those who have been here a while use the product cannot be told: it takes a usage table that reaches to this day."
    told = []
    for label, part in table.groupby("label", sort=False):
        first, last = part.iloc[0], part.iloc[-1]
        if len(part) > 1:
            sign = "more" if last["low"] > first["high"] else "fewer" if last["high"] < first["low"] else "cannot be told apart"
            told.append(f"{str(label).lower()} {_mean(last)} against {_mean(first)} ({sign})")
    one = table.iloc[0]
    if not told:
        said = f"{str(one['label']).lower()} {_mean(one)} (n = {count(one['accounts'])})"
        return f"All who use the product are of one tenure, {one['tenure']}: {said}."
    tenures = table.drop_duplicates("tenure")
    old, new = (f"{row['tenure']} (n = {count(row['accounts'])})" for row in (tenures.iloc[-1], tenures.iloc[0]))
    return f"Customers of {old} beside those of {new}: {'; '.join(told)}. Those of long standing are the ones that did not leave."


def _mean(row: pd.Series) -> str:
    digits = 2 if row["mean"] < 2 else 1
    return f"{number(row['mean'], digits)} ({number(row['low'], digits)}–{number(row['high'], digits)})"


def kpis(facts: RetainedFacts) -> str:
    """Which figures to watch, or why none."""
    table = facts.kpis
    if table.empty:
        why = f" ({listed([f'{n} {_reason(why, n)}' for why, n in facts.not_kpis.items()])})" if facts.not_kpis else ""
        return f"No figure can be recommended for CSMs to watch: none of those in the scorecard surely goes before a loss{why}."
    names = listed([f"“{label}”" for label in table["label"]])
    rest = [f"{counted(n, 'metric')} {_reason(why, n)}" for why, n in facts.not_kpis.items()]
    top = table.iloc[0]
    short = " Fewer than three qualify; the others wait for more outcomes." if len(table) < 3 else ""
    return (
        f"Watch {names}. Of the worst fifth of cases by “{top['label']}” {share(top['worst_rate'])} {words(facts.kind)['lost']}, "
        f"{number(top['lift'])} times the average.{short}" + (f" Not recommended: {listed(rest)}." if rest else "")
    )


def _reason(why: str, n: int) -> str:
    """A reason of `kpis.WHY_NOT`, in the plural where it is of several.

    >>> _reason("does not tell", 1), _reason("does not tell", 2)
    ('does not tell leavers from stayers', 'do not tell leavers from stayers')
    """
    one, several = {
        "seems to know the outcome": ("seems to know the outcome", "seem to know the outcome"),
        "is an age or of the contract": ("is an age or a term of the contract", "are ages or terms of the contract"),
        "does not tell": ("does not tell leavers from stayers", "do not tell leavers from stayers"),
        "too few have it": ("is missing for most", "are missing for most"),
        "says the same as another": ("says the same as one of these", "say the same as one of these"),
    }[why]
    return one if n == 1 else several


def why_watch(facts: RetainedFacts) -> list[str]:
    """The reason for each recommended figure, in plain words."""
    said = []
    for row in facts.kpis.to_dict("records"):
        early = f"falls away {counted(row['fell_months'], 'month')} before the end" if row["fell_months"] else ""
        times = f"{number(row['lift'])} times ({number(row['lift_low'])}–{number(row['lift_high'])})"
        lift = f"its worst fifth is lost {times} as often as the average"
        said.append(upper_first("; ".join(part for part in (early, lift, f"measured for {share(row['measured'])} of cases") if part)))
    return said


def worth(audit: AuditFacts) -> str:
    """Whether a health score is worth it here, as one would say it to whoever pays for it."""
    table = audit.readiness.set_index("question")
    verdicts = table["verdict"].to_dict()
    can = {verdict: [WORTH[str(name)] for name in verdicts if verdicts[name] == verdict] for verdict in ("yes", "care", "no")}
    if verdicts.get("fit") == "yes" and verdicts.get("backtest") == "yes":
        opening = "Yes, a health score is worth it here: enough accounts have left and stayed to build one on evidence and to check it"
    elif "no" not in (verdicts.get("fit"), verdicts.get("backtest")):
        opening = (
            "A health score is worth a trial here, with care: there are outcomes to learn from, but few, and its figures will still move"
        )
    elif verdicts.get("audit") == "no":
        opening = "Not yet: nothing has been lost or kept that a health score could learn from. Score by judgement, and keep every outcome"
    else:
        opening = "Not yet: learn from the history on this page, score by judgement, and let outcomes decide once there are more"
    parts = [f"The data are enough to {listed(can['yes'])}"] if can["yes"] else []
    parts += [f"with care, to {listed(can['care'])}"] if can["care"] else []
    parts += [f"not yet to {listed(can['no'], 'or')}"] if can["no"] else []
    said = f"{opening}. {upper_first('; '.join(parts))}."
    has = str(table["why"].iloc[0]).partition(", to ")[0]
    needs = [plainly(text) for text in table["needs"] if text]
    both = "" if audit.kind == "flat" else ", an account that first stayed and later left among both"
    return f"{said} There are {has}{both}." + (f" What is missing most: {needs[0].split('; ')[0]}." if needs else "")


def plainly(needs: str) -> str:
    """What readiness needs, without the interval of an AUC that only an analyst reads.

    >>> plainly("4 more accounts lost for a firm answer, for an AUC known to 0.59–0.86 (about 3 months at the present pace)")
    '4 more accounts lost (about 3 months at the present pace)'
    """
    return re.sub(r", for an AUC known to [\d.]+–[\d.]+", "", needs).replace(" for a firm answer", "")
