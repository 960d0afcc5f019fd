"""The sentences on what our own work hides of the record, and on whether it helped, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.studies.cuts import answered
from healthlib.studies.experiments import CONTRACTS, RECORD
from healthlib.studies.treated import ALL, ANY, LANDMARK_DAYS, NEVER_HARMS, WITHOUT
from healthlib.studies.treatment import EXPERIMENT, HARMED, HELPED, MONTHS, THRESHOLD
from healthlib.studies.triggers import INCUMBENT, OVERRULED, RATING, SHOWN
from healthlib.wording import change, count, counted, day, isolated, listed, money, number, share, unknown, upper_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from healthlib.studies.treatment import TreatmentFacts

TELLERS = {CONTRACTS: "by the contracts", RECORD: "by its own record"}
SCORES = {
    INCUMBENT: "the present tool's score", SHOWN: "this scorecard's score", OVERRULED: "this score with overrides",
    RATING: "the CSM's own rating",
}  # fmt: skip
APART = 0.1
"""Standard deviations from which two sides are not taken for alike (Austin 2009)."""


def poisoned(treatment: TreatmentFacts) -> str:
    """What working accounts leaves unknown of the bands."""
    if treatment.needs:
        return f"Whether our own work hides what the score saw cannot be told: it takes {treatment.needs}."
    if not treatment.worked:
        return f"None of the {counted(treatment.cases, 'case')} since {day(treatment.since)} was worked after its score was read."
    worst = treatment.bands[treatment.bands["by"] == "accounts"].iloc[0]
    said = (
        f"Of {counted(treatment.cases, 'case')} since {day(treatment.since)}, {count(treatment.worked)} were worked after their score was "
        f"read, {count(worst['treated'])} of {count(worst['cases'])} in {worst['band']}. What those would have done alone nobody saw: "
    )
    return said + (
        f"{worst['band']} left at {share(worst['rate'])}, and had nobody been worked that could have been anything from "
        f"{share(worst['floor'])} to {share(worst['ceiling'])}; if working never drives anybody away, at least {share(worst['rate'])}. "
        "An account that was worked and stayed looks like a false alarm and may be a save."
    )


def ranking(treatment: TreatmentFacts) -> str:
    """The AUC with and without what was worked, and within which bounds it lies."""
    if treatment.aucs.empty or not treatment.worked:
        return ""
    rows = treatment.aucs.set_index("what")
    seen = {what: f"{rows.at[what, 'value']:.2f} ({rows.at[what, 'low']:.2f}–{rows.at[what, 'high']:.2f})" for what in (ALL, WITHOUT)}
    ends = {what: f"{rows.at[what, 'low']:.2f} and {rows.at[what, 'high']:.2f}" for what in (ANY, NEVER_HARMS)}
    return (
        f"The AUC of the score is {seen[ALL]} over all cases and {seen[WITHOUT]} without those worked, who are not like the rest. Had "
        f"nobody been worked it would lie between {ends[ANY]}; if working never harms, between {ends[NEVER_HARMS]}. No figure inside "
        "can be preferred."
    )


def of_hundred(value: float, low: float, high: float) -> str:
    """An effect on the chance of loss, in accounts of 100 that were worked.

    >>> of_hundred(-0.136, -0.237, -0.034)
    '14 of 100 accounts worked stayed that would have left (3 to 24)'
    >>> of_hundred(0.06, -0.062, 0.182)
    'of 100 accounts worked it may have kept up to 6 or driven away up to 18'
    """
    if low > 0:
        return f"{100 * value:.0f} of 100 accounts worked left that would have stayed ({100 * low:.0f} to {100 * high:.0f})"
    if high < 0:
        return f"{-100 * value:.0f} of 100 accounts worked stayed that would have left ({-100 * high:.0f} to {-100 * low:.0f})"
    return f"of 100 accounts worked it may have kept up to {-100 * low:.0f} or driven away up to {100 * high:.0f}"


def helped(treatment: TreatmentFacts) -> str:
    """Did it help, by the strongest evidence there is: one sentence, in accounts and ARR, and how sure it is."""
    if treatment.needs:
        return f"Whether playbooks helped cannot be told: it takes {treatment.needs}."
    if treatment.saved.empty:
        return "Whether playbooks helped cannot be told: no experiment, no threshold that sets them off, and too few like accounts."
    row = treatment.saved.iloc[0]
    own = treatment.arms[treatment.arms["experiment"].astype(str) + f": {CONTRACTS}" == row["name"]]
    doubt = " Its own record contradicts the contracts." if own["disagree"].sum() else ""
    return f"{_answer(row)}: {_worth(row, treatment)}, {_how(row, treatment)}.{doubt}"


def _answer(row: pd.Series) -> str:
    return {HELPED: "It helped", HARMED: "It harmed"}.get(str(row["answer"]), "Whether it helped cannot be told")


def _how(row: pd.Series, treatment: TreatmentFacts) -> str:
    """By which evidence."""
    if row["method"] == EXPERIMENT:
        name, _, teller = str(row["name"]).rpartition(": ")
        return f"says the experiment {isolated(name)} {TELLERS[teller]}"
    if row["method"] == THRESHOLD:
        score = SCORES[str(treatment.cuts["score"].iloc[0])]
        return f"as accounts just below {row['name']} of {score}, where work begins, show beside those just above, if each gained alike"
    return "beside like accounts that were not worked, if each gained alike"


def _worth(row: pd.Series, treatment: TreatmentFacts) -> str:
    """Accounts and ARR of the last months; of a hundred accounts where none was worked in them."""
    if not row["accounts"] or unknown(row["kept_low"]):
        return f"{of_hundred(row['effect'], row['effect_low'], row['effect_high'])} (95%; none was worked in the last {MONTHS} months)"
    when = "drawn" if row["method"] == EXPERIMENT else "whose work came to a decision"
    worked = f"of the {counted(row['accounts'], 'account')} {when} in the last {MONTHS} months"
    accounts = _between(*row[["kept", "kept_low", "kept_high"]], lambda value: number(value, 0), " accounts")
    if unknown(row["arr_low"]):
        return f"{worked}, it {accounts} (95% sure)"
    cash = _between(*row[["arr_kept", "arr_low", "arr_high"]], lambda value: money(value, treatment.currency, 2), " of ARR")
    verb, _, rest = cash.partition(" ")
    return f"{worked}, it {accounts} and {rest if accounts.startswith(verb) else cash} (95% sure)"


def _between(value: float, low: float, high: float, plain: Callable[[float], str], noun: str) -> str:
    """What was kept by it, or driven away.

    >>> _between(5, 3, 8, "{:.0f}".format, " accounts"), _between(2, -3, 8, "{:.0f}".format, " accounts")
    ('kept 5 (3 to 8) accounts', 'did anything from driving away 3 to keeping 8 accounts')
    """
    if low >= 0:
        return f"kept {plain(value)} ({plain(low)} to {plain(high)}){noun}"
    if high <= 0:
        return f"drove away {plain(-value)} ({plain(-high)} to {plain(-low)}){noun}"
    return f"did anything from driving away {plain(-low)} to keeping {plain(high)}{noun}"


def experiment(treatment: TreatmentFacts) -> list[str]:
    """Each experiment by what its contracts and its own record say."""
    said = []
    for name, rows in treatment.arms.groupby("experiment", sort=True):
        parts = [_arm(row) for _, row in rows.iterrows()]
        first = rows.iloc[0]
        if first["disagree"]:
            parts.append(
                f"Contracts and record contradict each other on {count(first['disagree'])} of {counted(first['both_told'], 'draw')} that "
                "both tell of: find out which is right before believing either."
            )
        if first["mixed"]:
            parts.append(f"{counted(first['mixed'], 'account')} drawn into both arms count as drawn first.")
        apart = treatment.alike.loc[treatment.alike["experiment"] == name, "p"]
        if len(apart) and not unknown(apart.iloc[0]):
            fair = "as like each other as a fair draw makes them" if apart.iloc[0] >= 0.05 else "less alike than a fair draw makes them"
            parts.append(f"Before it began the arms were {fair} (p = {apart.iloc[0]:.2f}).")
        said.append(f"Experiment {isolated(str(name))}, everybody counted as drawn. " + " ".join(parts))
    return said


def _arm(row: pd.Series) -> str:
    rates = [share(row[f"{arm}_lost"] / row[arm]) if row[arm] else "none" for arm in ("treated", "control")]
    still = f", {count(row['open'])} still open" if row["open"] else ""
    if unknown(row["effect"]):
        return f"{upper_first(TELLERS[row['told_by']])} only one arm has an outcome{still}."
    return (
        f"{upper_first(TELLERS[row['told_by']])} {rates[0]} of {count(row['treated'])} treated and {rates[1]} of {count(row['control'])} "
        f"controls left{still}: a difference of {_points(row['effect'], row['low'], row['high'])} points, of ARR "
        f"{_points(row['arr_effect'], row['arr_low'], row['arr_high'])}. So few could only show an effect of {100 * row['visible']:.0f} "
        "points."
    )


def _points(value: float, low: float, high: float) -> str:
    """Points of percent with sign and interval.

    >>> _points(-0.136, -0.237, -0.034)
    '−14 (−24 to −3)'
    """
    if unknown(value):
        return "not known"
    return f"{_signed(value)} ({_signed(low)} to {_signed(high)})" if not unknown(low) else _signed(value)


def _signed(value: float) -> str:
    return change(100 * value)


def rule(treatment: TreatmentFacts) -> str:
    """By which score and threshold playbooks were started, if by any: told from who was worked alone."""
    tried = treatment.rules[treatment.rules["needs"] == ""]
    if treatment.needs or treatment.rules.empty:
        return ""
    if tried.empty:
        row = treatment.rules.iloc[0]
        return f"No threshold can tell whether playbooks helped: at {row['cut']:g} of {SCORES[row['score']]} it takes {row['needs']}."
    best = tried.iloc[0]
    where = f"at {best['cut']:g} of {SCORES[best['score']]}"
    jump = f"{_points(best['jump'], best['low'], best['high'])} points"
    among = f"{counted(len(tried), 'threshold')} of {listed([SCORES[name] for name in dict.fromkeys(tried['score'])])}"
    if best["found"]:
        others = tried.iloc[1:]["found"].sum()
        rest = f"{counted(others, 'other')} of them do so too" if others else "none of the others does so"
        return (
            f"Playbooks went by a rule: {where}, the share worked within {LANDMARK_DAYS} days jumps by {jump}, from "
            f"{share(best['soon_above'])} above to {share(best['soon_below'])} below. It was looked for at {among}, by who was worked and "
            f"never by who left; {rest}."
        )
    return (
        f"No threshold sets playbooks off: of {among}, the share worked within {LANDMARK_DAYS} days surely jumps at none (most clearly "
        f"{where}, by {jump}). People chose, or went by something else, so no threshold can tell whether playbooks helped."
    )


def thresholds(treatment: TreatmentFacts) -> list[str]:
    """The rule, and what each threshold of its score says of the playbooks."""
    known = set(answered(treatment.cuts)["cut"])
    said = [
        _cut(row, treatment) if row["cut"] in known else f"The threshold at {row['cut']:g} cannot answer: it takes {row['needs']}."
        for _, row in treatment.cuts.iterrows()
    ]
    return [text for text in (rule(treatment), *said) if text]


def at_the_cut(treatment: TreatmentFacts) -> str:
    """The finding of the picture at the surest threshold."""
    row = answered(treatment.cuts).iloc[0]
    lines = treatment.fitted.groupby("outcome")["value"].agg(list)
    (_, worked_below, worked_above, _), (_, lost_below, lost_above, _) = lines["treated"], lines["lost"]
    sure = "" if row["loss_high"] < 0 or row["loss_low"] > 0 else ", which chance alone would do"
    way = "falls" if row["loss"] < 0 else "rises"
    return (
        f"Just below {row['cut']:g} of {SCORES[row['score']]}, {share(worked_below)} are worked and {share(lost_below)} leave; just above, "
        f"{share(worked_above)} and {share(lost_above)}. Corrected for the bend that straight lines miss, the share lost "
        f"{way} by {abs(100 * row['loss']):.0f} points where work begins ({_signed(row['loss_low'])} to {_signed(row['loss_high'])}){sure}."
    )


def _cut(row: pd.Series, treatment: TreatmentFacts) -> str:
    tests = treatment.checks[treatment.checks["cut"] == row["cut"]]
    failed = tests.loc[~tests["passed"].astype(bool), "check"].tolist()
    checks = f"; of {counted(len(tests), 'check')} {listed(failed)} failed, so take it with care" if failed else "; every check held"
    return (
        f"At {row['cut']:g} the share worked until the end jumps by {_points(row['jump'], row['jump_low'], row['jump_high'])} points and "
        f"losses by {_points(row['loss'], row['loss_low'], row['loss_high'])} (bandwidth {row['h']:.1f} points of score, "
        f"{count(row['below'])} cases below, {count(row['above'])} above). For accounts that the threshold had worked: "
        f"{of_hundred(row['effect'], row['effect_low'], row['effect_high'])}; so few could only show an effect of "
        f"{100 * row['visible']:.0f} points{checks}. It assumes that nothing else changes at {row['cut']:g}, and speaks of accounts near "
        "it."
    )


def matched(treatment: TreatmentFacts) -> str:
    """Worked accounts beside like ones that were not."""
    found = treatment.compared
    if treatment.needs or not found.cases:
        return ""
    if found.suspected:
        return (
            "Worked accounts are not set beside like ones: the leak audit finds that the record of interventions itself knows who left, so "
            "such a comparison would show how the record was kept."
        )
    if not found.effect.n:
        return f"Like accounts cannot be compared: of {counted(found.cases, 'worked case')} {count(found.found)} have a like one."
    apart = found.balance.loc[found.balance["after"].abs() > APART, "covariate"].tolist()
    unlike = f" What they still differ in ({listed(apart)}) is adjusted for." if apart else ""
    return (
        f"Of those worked {_points(found.naive.value, found.naive.low, found.naive.high)} points more left than of all others; beside "
        f"{counted(found.controls, 'account')} of the same five points of score, near in the score that people saw, ARR, tenure and time, "
        f"{_points(found.effect.value, found.effect.low, found.effect.high)} points ({count(found.found)} of "
        f"{counted(found.cases, 'worked case')} have a like one).{unlike} It assumes that nobody who was worked differs from those not "
        f"worked in what we cannot see. {_unseen(treatment)}"
    )


def _unseen(treatment: TreatmentFacts) -> str:
    found = treatment.compared
    if found.effect.low <= 0 <= found.effect.high:
        return (
            f"Chance alone would do; so few could only show an effect of {100 * found.visible:.0f} points. A reason nobody saw that makes "
            f"both being worked and the outcome {found.explained:.1f} times as likely would make up all of it."
        )
    return (
        f"A reason nobody saw would have to make both being worked and the outcome {found.explained:.1f} times as likely to explain it "
        f"away, {found.explained_near:.1f} times to make it unsure."
    )
