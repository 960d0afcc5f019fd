"""The sentences on what people overruled and on what is missing or old, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import are, named, score_range, signed_range, words
from healthlib.studies.missingness import LEVEL
from healthlib.studies.overrides import CANNOT_TELL, EVERYBODY, HELPED, LEAST
from healthlib.studies.verdict import said as needed
from healthlib.wording import change, count, counted, listed, money, number, share, share_range, unknown

if TYPE_CHECKING:
    from healthlib.studies.audit import AuditFacts

SHOWN = "A fit, a backtest and every chance of loss use the measured score, never an override."
HALF_LOST = 0.25
"""From a gap this wide between measured and missing cases, who is measured is suspected of depending on the outcome (a convention)."""


def gap(value: float, low: float, high: float) -> str:
    """A difference of shares in points of percent.

    >>> gap(0.063, -0.078, 0.213), gap(0.063, float("nan"), float("nan"))
    ('+6 points (−8 to +21)', '+6 points')
    """
    said = f"{change(100 * value)} points"
    return said if unknown(low) or unknown(high) else f"{said} ({change(100 * low)} to {change(100 * high)})"


def overrides(audit: AuditFacts) -> str:
    """Whether overruling helped or hurt, in accounts and ARR."""
    facts = audit.overrides
    if facts.today.empty and not facts.n_cases and not facts.n_open:
        return "Nobody has overruled a score on a day that was scored, so there is nothing to judge."
    total, verb = money(float(facts.today["arr"].sum()), audit.currency), "shows" if len(facts.today) == 1 else "show"
    said = f"{counted(len(facts.today), 'account')} with {total} of ARR {verb} a score that a person set."
    rows = facts.effects[facts.effects["set_by"] == EVERYBODY]
    if rows.empty:
        return f"{said} No override has met an outcome that can be judged yet, so whether they help cannot be told."
    both = rows[rows["direction"] == "both"].iloc[0]
    says = words(audit.kind)
    met = (
        f"Of {counted(both['cases'], says['case'])} under an override ({counted(both['accounts'], 'account')}), {count(both['lost'])} "
        f"{says['lost']}: {share_range(both['rate'], both['low'], both['high'])}, "
        f"where the measured scores promised {share(both['expected'])}"
    )
    return f"{said} {met}. {_verdict(both)}{_directions(rows)}"


def _verdict(row: pd.Series) -> str:
    """Whether people knew better than the score, all in all."""
    by_count = gap(row["benefit"], row["benefit_low"], row["benefit_high"])
    by_arr = gap(row["arr_benefit"], row["arr_benefit_low"], row["arr_benefit_high"])
    figures = f"{by_count} of accounts and {by_arr} of ARR went the way the person said rather than the score"
    if row["verdict"] == CANNOT_TELL:
        enough = "" if unknown(row["more"]) else f"; {needed(row['more'], row['likely'], ('more such case', 'more such cases'))}"
        return f"Whether overruling helped cannot be told: {figures}{enough}."
    verb = "helped" if row["verdict"] == HELPED else "hurt"
    tail = (
        ""
        if row["arr_verdict"] == row["verdict"]
        else " (by ARR it cannot be told)"
        if row["arr_verdict"] == CANNOT_TELL
        else " (by ARR the other way)"
    )
    return f"Overruling {verb}{tail}: {figures}."


def _directions(rows: pd.DataFrame) -> str:
    told = rows[(rows["direction"] != "both") & (rows["verdict"] != CANNOT_TELL)]
    said = [f"{'raising' if row['direction'] == 'raised' else 'lowering'} it {row['verdict']}" for _, row in told.iterrows()]
    return f" Taken alone, {listed(said)}." if said else ""


def details(audit: AuditFacts) -> list[str]:
    """What else there is to say of overrides, where there are any: whose, how they rank, and what they are kept out of."""
    facts = audit.overrides
    return [people(audit), ranked(audit), SHOWN] if facts.n_cases or facts.n_open or len(facts.today) else []


def people(audit: AuditFacts) -> str:
    """Whose overrides helped or hurt."""
    table = audit.overrides.effects
    rows = table[(table["set_by"] != EVERYBODY) & (table["direction"] == "both")]
    if rows.empty:
        return "The exports do not say who set the overrides, or none has met an outcome."
    enough = rows[rows["accounts"] >= LEAST]
    if enough.empty:
        some = counted(len(rows), "person", "people")
        return f"Of {some} who overruled, none has met {LEAST} accounts’ outcomes: of each alone one cannot tell."
    parts = [
        f"{named(enough.loc[enough['verdict'] == verdict, 'set_by'].tolist())} {words_}"
        for verdict, words_ in (("helped", "knew better than the score"), ("hurt", "knew worse"))
        if (enough["verdict"] == verdict).any()
    ]
    rest = int((enough["verdict"] == CANNOT_TELL).sum()) + len(rows) - len(enough)
    return f"{listed(parts) or 'Nobody can be told apart from the score'}; of {counted(rest, 'person', 'people')} one cannot tell."


def ranked(audit: AuditFacts) -> str:
    """AUC with and without overrides, on the cases they concern."""
    auc = audit.overrides.auc
    if not auc:
        few = f"With fewer than {LEAST} accounts, or fewer than 5 lost or kept"
        return f"{few}, how the cases rank with and without overrides cannot be compared."
    return (
        f"On the cases concerned the measured score has an AUC of {score_range(auc['without'])}, "
        f"the overriding one {score_range(auc['with'])}: a difference of "
        f"{signed_range(auc['difference'], 2)} (n = {counted(auc['with'].n, 'account')})."
    )


def hanging(audit: AuditFacts) -> str:
    """Whose band hangs on the rule for missing values."""
    facts = audit.gaps
    n, arr = len(facts.hanging), float(facts.hanging["arr"].sum())
    if not facts.n_today:
        return "No account is active on this day."
    if not n:
        return f"No band hangs on what is missing: all {counted(facts.n_today, 'account')} would keep theirs, were it at its worst or best."
    of_arr = f" and {share(arr / facts.arr_today)} of ARR ({money(arr, audit.currency)})" if facts.arr_today > 0 else ""
    unscored = int((facts.hanging["band"] == "unscored").sum())
    tail = f" {are(unscored, 'account').capitalize()} of these not scored at all." if unscored else ""
    return (
        f"The band of {share(n / facts.n_today)} of accounts ({count(n)} of {count(facts.n_today)}){of_arr} depends on the rule for "
        f"missing values: it would be another if what is missing were at its worst or at its best.{tail}"
    )


def predicts(audit: AuditFacts) -> str:
    """Whether being missing goes with leaving."""
    table, says = audit.gaps.predicts, words(audit.kind)
    tested = int(table["p"].notna().sum()) if len(table) else 0
    if not tested:
        return "Whether missing values go with leaving cannot be told: no metric has 20 finished cases on both sides in the same months."
    found = table[table["verdict"] != CANNOT_TELL]
    rule = f"{counted(tested, 'metric')} tested, false discovery rate {share(LEVEL)}"
    if found.empty:
        return f"Being missing goes with leaving for no metric that can be told ({rule}): every difference could be chance."
    top = found.iloc[0]
    more = "more" if top["difference"] > 0 else "less"
    absent = share_range(top["absent_rate"], top["absent_low"], top["absent_high"])
    said = (
        f"Where “{top['label']}” is missing, {absent} {says['lost']}, against "
        f"{share_range(top['measured_rate'], top['measured_low'], top['measured_high'])} where it was measured in the same months: "
        f"{gap(top['difference'], top['low'], top['high'])}. Being missing goes with {more} leaving there; it tells something for "
        f"{counted(len(found), 'metric')} ({rule})."
    )
    if abs(top["difference"]) >= HALF_LOST:
        said += " A gap this wide suggests that who gets measured depends on the outcome: such a metric knows the future by being there."
    return said


def ages(audit: AuditFacts) -> str:
    """From which age ratings and answers no longer predict."""
    table = audit.gaps.limits
    if table.empty:
        return "There are no ratings or survey answers among the metrics, so there is no age at which they could stop predicting."
    return " ".join(_limit(row, audit.gaps.ages) for _, row in table.iterrows())


def _limit(row: pd.Series, ages: pd.DataFrame) -> str:
    """One rating's age limit in words, beside what the scorecard allows."""
    name = f"“{row['label']}”"
    size = f"n = {counted(row['cases'], 'case')}, {count(row['lost'])} lost"
    allowed = "" if unknown(row["stale_after_days"]) else f" The scorecard lets it count for {counted(row['stale_after_days'], 'day')}."
    if row["verdict"] == "stops":
        mine = ages[(ages["metric"] == row["metric"]) & (ages["from_days"] < row["stops_at"]) & (ages["verdict"] == "predicts")].iloc[-1]
        auc = f"{number(mine['auc'], 2)} ({number(mine['low'], 2)}–{number(mine['high'], 2)})"
        younger = ages[(ages["metric"] == row["metric"]) & (ages["from_days"] < row["stops_at"]) & (ages["verdict"] != "too few")]
        hits = int((younger["verdict"] == "predicts").sum())
        auc += "" if hits == len(younger) else f", though only in {hits} of {counted(len(younger), 'bin')} of age up to there"
        return (
            f"{name} tells leavers from stayers up to {counted(mine['to_days'], 'day')} of age (AUC {auc}); "
            f"older than that it can no longer be told from chance, though an AUC up to "
            f"{number(row['at_most'], 2)} is not ruled out ({size}).{allowed}"
        )
    said = {
        "predicts at every age seen": "predicts at every age seen with enough cases",
        "never predicts": f"cannot be told from chance at any age (an AUC up to {number(row['at_most'], 2)} is not ruled out)",
    }.get(row["verdict"], "has too few finished cases to say at which age it stops predicting")
    return f"{name} {said} ({size}).{allowed}"
