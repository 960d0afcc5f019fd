"""The sentences of the audit, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_leaks
from healthlib.claims import against, named, ranged, row_of, row_rate, score_range, smallest, undated, words
from healthlib.studies.leaks import left_out
from healthlib.wording import count, counted, listed, money, share, share_range, upper_first

if TYPE_CHECKING:
    from healthlib.studies.audit import AuditFacts

NOT_YEARLY = (
    " An account counts once in every month, and as left in each from which it was gone within the horizon: this is no yearly rate."
)
NO_OUTCOMES = "No outcome has been seen yet, so nobody can say who leaves: every question below that needs one says what is missing."


def opening(audit: AuditFacts) -> str:
    """How much was lost, in accounts and ARR."""
    if not audit.n_cases:
        return NO_OUTCOMES
    says = words(audit.kind)
    tail = NOT_YEARLY if audit.kind == "churn_within" else ""
    return (
        f"Of {counted(audit.n_cases, says['case'])} that {says['came']} ({counted(audit.n_accounts, 'account')}), "
        f"{count(audit.n_lost)} {says['lost']}: "
        f"{ranged(audit.base_rate)} by count, and {ranged(audit.arr_base_rate)} of the ARR.{tail}"
    )


def reasons(audit: AuditFacts) -> str:
    """The reason behind most of the lost ARR."""
    table = audit.reasons
    stated = table[table["reason"] != "not stated"] if len(table) else table
    if table.empty:
        return "Nobody has left yet, so there are no reasons to show."
    n, total = int(table["accounts"].sum()), float(table["arr"].sum())
    if stated.empty:
        return f"{counted(n, 'account')} left with {money(total, audit.currency)} and none of them has a stated reason."
    top = stated.iloc[0]
    unsaid = n - int(stated["accounts"].sum())
    tail = f"; {counted(unsaid, 'account')} gave no reason" if unsaid else ""
    return (
        f"“{top['reason']}” is the stated reason behind {share_range(top['arr_share'], top['arr_low'], top['arr_high'])} of "
        f"the {money(total, audit.currency)} "
        f"lost ({count(top['accounts'])} of {counted(n, 'account')}){tail}."
    )


def movements(audit: AuditFacts) -> str:
    """Full churn against downsell, over the years seen."""
    if audit.kind == "flat":
        return undated("who shrank without leaving")
    table = audit.movements
    if table.empty or not (table["left_arr"].sum() + table["down_arr"].sum()):
        return "No ARR has been lost in the months the exports show."
    left, down = float(table["left_arr"].sum()), float(table["down_arr"].sum())
    years = f"from {int(table['year'].min())} to {int(table['year'].max())}" if len(table) > 1 else f"in {int(table['year'].iloc[0])}"
    full = f"Full churn took {money(left, audit.currency)} {years} ({counted(table['left_accounts'].sum(), 'account')})"
    if not down:
        return f"{full}; no account that stayed reduced its ARR."
    return (
        f"{full}, downsell another {money(down, audit.currency)}: {share(down / (left + down))} of the lost ARR went quietly, "
        "with accounts that stayed."
    )


def years(audit: AuditFacts) -> list[str]:
    """The years of the movements; the one that is not over says so."""
    day = pd.Timestamp(audit.as_of)
    unfinished = day.year if (day.month, day.day) != (12, 31) else 0
    return [f"{year:.0f} so far" if year == unfinished else f"{year:.0f}" for year in audit.movements["year"]]


def zombies(audit: AuditFacts) -> str:
    """Who pays and gets nothing from it, and what became of such accounts before."""
    if audit.kind == "flat":
        return undated("who has paid for more than a year and hardly uses the product")
    n, says = len(audit.zombies), words(audit.kind)
    if n:
        now = (
            f"{counted(n, 'account')} {'pays' if n == 1 else 'pay'} {money(audit.zombies['arr'].sum(), audit.currency)} a year "
            f"and {'hardly uses' if n == 1 else 'hardly use'} the product or {'talks' if n == 1 else 'talk'} to us"
        )
    else:
        now = "No paying account of more than a year hardly uses the product"
    then, others = row_of(audit.zombie_outcomes, "zombie at the time"), row_of(audit.zombie_outcomes, "all others")
    if then is None or others is None:
        return f"{now}; no such account has come to a finished case yet, so what becomes of them is not known."
    apart = "" if against(then["low"], then["high"], others["rate"]) != "cannot tell" else ", too few to tell apart"
    return (
        f"{now}. Of {counted(then['cases'], 'such case')} before, {row_rate(then)} {says['lost']}, against {row_rate(others)} "
        f"of all others{apart}."
    )


def surprises(audit: AuditFacts) -> str:
    """Green and gone, red and still here."""
    if not audit.n_cases or not audit.bands:
        return "Watermelons and false alarms need finished cases; there are none yet."
    says, best, worst = words(audit.kind), audit.bands[-1], audit.bands[0]
    gone, stayed = audit.watermelons, audit.false_alarms
    red = audit.score_bands[audit.score_bands["group"] == worst]
    n_red = int(red["cases"].sum())
    of_lost = (
        f"{count(len(gone))} of {counted(audit.n_lost, 'case')} that {says['lost']} {'was' if len(gone) == 1 else 'were'} "
        f"{best} {says['date']} ({money(gone['arr'].sum(), audit.currency)})"
    )
    of_red = (
        f"{count(len(stayed))} of {counted(n_red, f'{worst} case')} {says['kept']} after all ({money(stayed['arr'].sum(), audit.currency)})"
    )
    said = [of_lost if audit.n_lost else f"no finished case {says['lost']}", of_red if n_red else f"none was {worst} {says['date']}"]
    return upper_first(f"{'; '.join(said)}.")


def alone(audit: AuditFacts) -> str:
    """The strongest metric by itself."""
    known = trusted(audit)
    if known.empty:
        return "No metric can be compared by itself: both outcomes must have been seen."
    top = known.iloc[0]
    weak = int(((known["low"] <= 0.5) & (known["high"] >= 0.5)).sum())
    wrong = known.loc[known["high"] < 0.5, "label"].tolist()
    tail = f" {named(wrong)} {'points' if len(wrong) == 1 else 'point'} the wrong way." if wrong else ""
    return (
        f"{top['label']} alone tells most: AUC {top['auc']:.2f} ({top['low']:.2f}–{top['high']:.2f}; n = "
        f"{counted(top['cases'], 'case')}, {count(top['lost'])} lost), "
        f"with {share(top['worst_rate'])} lost in its worst fifth and {share(top['best_rate'])} in its best. "
        f"{count(weak)} of {counted(len(known), 'metric')} cannot be told from tossing a coin.{tail}"
    )


def cohorts(audit: AuditFacts) -> str:
    """How evenly the loss falls from the worst fifth to the best of the strongest metrics."""
    names = trusted(audit)["metric"].head(4).tolist()
    tables = [audit.cohorts[audit.cohorts["metric"] == name] for name in names]
    steady = [table["label"].iloc[0] for table in tables if len(table) > 1 and (table["rate"].diff().dropna() <= 0).all()]
    if not tables:
        return "No metric can be shown by fifths: both outcomes must have been seen."
    if not steady:
        none = f"None of the {len(tables)} strongest metrics loses" if len(tables) > 1 else "The strongest metric does not lose"
        return f"{none} evenly from its worst fifth to its best: straight scales are a simplification here."
    others = len(tables) - len(steady)
    tail = (
        f"; the other {count(others)} of the strongest {len(tables)} {'goes' if others == 1 else 'go'} up and down on the way"
        if others
        else ""
    )
    return f"Better values go with less loss at every step for {listed(steady)}{tail}."


def trusted(audit: AuditFacts) -> pd.DataFrame:
    """Metrics by themselves, strongest first, without those that seem to know the outcome and those that cannot be compared."""
    known = audit.alone.dropna(subset=["auc", "low"])
    return known[~known["metric"].isin(left_out(audit.leaks))]


def score(audit: AuditFacts) -> str:
    """How well the present score tells leavers from stayers."""
    auc, lost = audit.auc["current"], words(audit.kind)["lost"]
    rows = [(band, row_of(audit.score_bands, band)) for band in (audit.bands[0], audit.bands[-1])]
    rates = [f"{row_rate(row)} of {counted(row['cases'], f'{band} case')}" for band, row in rows if row is not None]
    if pd.isna(auc.value) or not rates:
        return "How good the present score is cannot be told yet: both outcomes must have been seen."
    counting = audit.leaks[audit.leaks["metric"].isin(left_out(audit.leaks)) & (audit.leaks["weight"] > 0)]["metric"].nunique()
    bare = f", without {counted(counting, 'metric')} that {'seems' if counting == 1 else 'seem'} to know the outcome," if counting else ""
    return (
        f"The present score{bare} has an AUC of {score_range(auc)} on all {counted(audit.n_cases, 'finished case')}: "
        f"{listed(rates)} {lost}, against {ranged(audit.base_rate)} overall."
    )


def flagged(audit: AuditFacts) -> str:
    """What share of the churned ARR was in the worst band 90 days ahead."""
    if audit.kind == "flat":
        return undated("how early the score warns")
    table = audit.flagged
    if table.empty:
        return "Early warning cannot be shown: no account has left yet."
    row = smallest(table.assign(apart=(table["lead_days"] - 90).abs()), "apart")
    return (
        f"{int(row['lead_days'])} days before the end, {row_rate(row)} of the {counted(row['accounts'], 'account')} that were customers "
        f"then and left "
        f"and {row_rate(row, 'arr_')} of their ARR "
        f"were {audit.bands[0]}."
    )


def incumbent(audit: AuditFacts) -> str:
    """The present tool's score beside the scorecard, where there is one."""
    theirs = audit.auc.get("incumbent")
    if theirs is None or pd.isna(theirs.value):
        return "Your present tool's own scores are not in the exports, so they cannot be compared."
    ours = audit.auc["current where incumbent"]
    said = f"On the same cases, the present tool's score has an AUC of {score_range(theirs)} and the scorecard {score_range(ours)}."
    doubt = claims_leaks.incumbent(audit.leaks)
    return f"{said} {doubt}" if doubt else said


def leaks(audit: AuditFacts) -> str:
    """Which metrics seem to know the outcome, and which of them are used all the same."""
    labels = dict(zip(audit.alone["metric"], audit.alone["label"], strict=True))
    said = claims_leaks.found(audit.leaks, labels, then="{be} left out: not to be trusted as a warning")
    stay = claims_leaks.kept(audit.leaks, labels)
    return " ".join(part for part in (said, stay) if part) or "No metric looks as if it knew the outcome beforehand."
