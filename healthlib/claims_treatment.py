"""The sentences on what our own work hides of the record, and on whether it helped, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.studies.cuts import triggered
from healthlib.studies.experiments import CONTRACTS, RECORD
from healthlib.studies.treated import ALL, ANY, NEVER_HARMS, WITHOUT
from healthlib.studies.treatment import CANNOT_TELL, EXPERIMENT, HELPED, MONTHS, THRESHOLD
from healthlib.wording import change, count, counted, day, isolated, listed, money, number, share, unknown, upper_first

if TYPE_CHECKING:
    from healthlib.studies.treatment import TreatmentFacts

TELLERS = {CONTRACTS: "by the contracts", RECORD: "by its own record"}
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
    """Did it help, by the strongest evidence there is?"""
    if treatment.needs:
        return f"Whether playbooks helped cannot be told: it takes {treatment.needs}."
    if treatment.saved.empty:
        return "Whether playbooks helped cannot be told: no experiment, no threshold that sets them off, and too few like accounts."
    row = treatment.saved.iloc[0]
    own = treatment.arms[treatment.arms["experiment"].astype(str) + f": {CONTRACTS}" == row["name"]]
    doubt = " Its own record contradicts the contracts." if own["disagree"].sum() else ""
    told = f"{_answer(row)}: {of_hundred(row['effect'], row['effect_low'], row['effect_high'])}, {_how(row)}. {_worth(row, treatment)}"
    return told + doubt


def _answer(row: pd.Series) -> str:
    return "Whether it helped cannot be told" if row["answer"] == CANNOT_TELL else "It helped" if row["answer"] == HELPED else "It harmed"


def _how(row: pd.Series) -> str:
    """By which evidence."""
    if row["method"] == EXPERIMENT:
        name, _, teller = str(row["name"]).rpartition(": ")
        return f"says the experiment {isolated(name)} {TELLERS[teller]}"
    if row["method"] == THRESHOLD:
        return f"says the threshold at {row['name']}"
    return "beside like accounts that were not worked"


def _worth(row: pd.Series, treatment: TreatmentFacts) -> str:
    """Accounts and ARR of the last months."""
    if not row["accounts"] or unknown(row["kept"]):
        return f"None of the last {MONTHS} months can be judged."
    ends = [f"{number(row[name], 0)}" for name in ("kept_low", "kept_high")]
    cash = [money(row[name], treatment.currency, 2) for name in ("arr_low", "arr_high")]
    return (
        f"For the {counted(row['accounts'], 'account')} worked in the last {MONTHS} months that is {ends[0]} to {ends[1]} accounts kept "
        f"and {cash[0]} to {cash[1]} of ARR{', if each gained alike' if row['method'] != EXPERIMENT else ''}."
    )


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


def thresholds(treatment: TreatmentFacts) -> list[str]:
    """What each threshold says of the playbooks."""
    sharp = set(triggered(treatment.cuts)["cut"]) if len(treatment.cuts) else set()
    return [_cut(row, treatment) if row["cut"] in sharp else _no_rule(row) for _, row in treatment.cuts.iterrows()]


def _no_rule(row: pd.Series) -> str:
    if row["needs"]:
        return f"The threshold at {row['cut']:g} cannot answer: it takes {row['needs']}."
    return (
        f"At {row['cut']:g} the share worked does not surely jump: {share(row['treated_below'])} within {row['h']:.0f} points below, "
        f"{share(row['treated_above'])} above, at the threshold itself {_points(row['jump'], row['jump_low'], row['jump_high'])} points. "
        "People chose, or went by another score, or by this one on other scales: the threshold cannot tell whether playbooks helped."
    )


def _cut(row: pd.Series, treatment: TreatmentFacts) -> str:
    tests = treatment.checks[treatment.checks["cut"] == row["cut"]]
    failed = tests.loc[~tests["passed"].astype(bool), "check"].tolist()
    checks = f"; of {counted(len(tests), 'check')} {listed(failed)} failed, so take it with care" if failed else "; every check held"
    return (
        f"At {row['cut']:g} the share worked jumps by {_points(row['jump'], row['jump_low'], row['jump_high'])} points and losses by "
        f"{_points(row['loss'], row['loss_low'], row['loss_high'])} (bandwidth {row['h']:.1f} points of score, {count(row['below'])} cases "
        f"below, {count(row['above'])} above). For accounts that the threshold had worked: "
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
        f"{counted(found.controls, 'account')} of the same five points of score, like ARR, tenure and segment, near in time, "
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
