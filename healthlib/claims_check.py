"""The sentences of the data check, each built from the frames it is about; what must be mended first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_leaks
from healthlib.claims import largest, named, smallest, undated
from healthlib.claims_ledger import Finding, bridge, invoices, movements, overlaps
from healthlib.claims_repeats import repeats
from healthlib.studies.leaks import left_out, overruled
from healthlib.studies.readiness import USUAL_AUC
from healthlib.wording import NOTHING, count, counted, day, isolated, listed, number, share

if TYPE_CHECKING:
    from healthlib.studies.check_facts import CheckFacts

CLOCKED = ("recorded", "lag")
LOW_COVERAGE = 0.8
"""A weighted metric measured for fewer of the accounts it applies to is named."""
LATE_DAYS = 14
"""A delay (95 % of the rows) beyond which a table without care would be hindsight."""
ASKS = {"audit": "an audit", "fit": "a fit", "backtest": "a backtest", "forecast": "a forecast"}
MEANT = {"gap": "silent", "stopped": "silent since", "up": "jumped up", "down": "fell", "spike": "spiked", "dip": "dipped"}

MEANINGS = {
    "Rows set aside": "Rows that broke a rule and that no figure uses; rejected/ beside this page lists each with file, line and column.",
    "Coverage": "The share of the active accounts a metric applies to for which it could be measured on that day, by what was known then.",
    "Gap": "A silent stretch of a table, longer than chance gives once in a thousand tables of its rhythm, and with more rows missing.",
    "Jump": "Rows per active account that rise by two thirds or fall by two fifths for good, or one week or month double or half its "
    "neighbours, beyond the table's usual scatter. A season looks the same: who knows the business decides.",
    "Clock": "What says when a row came to be known: recorded_at in the export, lag_days in workspace.yaml, or nothing. Without one a row "
    "counts as known on the day it happened, which is hindsight where people fill it in later.",
    "Restated": "ARR of a past day by today's contracts, less what was known on that day.",
    "AUC": "The chance that the score ranks a customer that stayed above one that left; 0.5 is a coin toss. Its interval with so many "
    "accounts is that of Hanley and McNeil (1982), on the logit.",
}


def opening(check: CheckFacts) -> str:
    """The verdict in one sentence."""
    verdicts = dict(zip(check.readiness["question"], check.readiness["verdict"], strict=True))
    groups = {level: [ASKS[name] for name, given in verdicts.items() if given == level] for level in ("yes", "care", "no")}
    if check.failed:
        return "Not yet: the data stop a run before any figure is made."
    if groups["no"] and len(groups["no"]) == len(verdicts):
        return f"Not yet: these data cannot carry {listed(groups['no'], 'or')}."
    said = []
    if groups["yes"]:
        said.append(f"good enough for {listed(groups['yes'])}")
    if groups["care"]:
        said.append(f"good enough, with care, for {listed(groups['care'])}")
    if groups["no"]:
        said.append(f"not yet for {listed(groups['no'], 'or')}")
    grave = [one for one in findings(check) if one.level == "mend"]
    first = f" But {counted(len(grave), 'thing')} must be mended first: {grave[0].text}" if grave else ""
    return f"By the number of outcomes, the data are {'; '.join(said)}.{first}"


def outcomes(check: CheckFacts) -> str:
    """How many outcomes there are, and what an AUC could be known to."""
    has = check.power
    if not has.lost and not has.kept:
        return "No outcome is finished yet, so nothing can be learned or tested; scores and this check still work."
    lost, kept = counted(has.lost, "lost account"), counted(has.kept, "kept one")
    if pd.isna(has.low):
        return f"There are {lost} and {kept}: with one kind only, no score can be told from a coin toss."
    return f"With {lost} and {kept}, an AUC of {USUAL_AUC} would be known to {span(has.low, has.high)}{_pace(check)}."


def span(low: float, high: float) -> str:
    """An interval of an AUC in the digits it supports.

    >>> span(0.7021, 0.7919), span(0.7449, 0.7551)
    ('0.70–0.79', '0.745–0.755')
    """
    if pd.isna(low):
        return NOTHING
    digits = 2 if high - low >= 0.03 else 3
    return f"{low:.{digits}f}–{high:.{digits}f}"


def _pace(check: CheckFacts) -> str:
    """How fast outcomes come, and when the interval would be half as wide."""
    has = check.power
    if not has.pace > 0:
        return "" if not check.dated else "; how fast more outcomes come cannot be told from so short a time"
    more = 3 * has.rarer  # half as wide takes four times as many
    low, high = has.after(more)
    wait = has.wait(more)
    when = counted(max(1, round(wait)), "month") if wait < 24 else f"{wait / 12:.0f} years"
    kind = "lost" if has.lost <= has.kept else "kept"
    return (
        f". {number(has.pace, 1)} accounts a month are {kind} at the present pace; {span(low, high)}, half as wide, "
        f"would take about {when} more"
    )


def rows(check: CheckFacts) -> Finding:
    """How many rows are used, and why others are not."""
    came, away = int(check.tables["rows_in"].sum()), int(check.tables["rows_rejected"].sum())
    if not away:
        return Finding("fine", f"All {count(came)} rows of {counted(len(check.tables), 'table')} are used.")
    worst, first = largest(check.tables.fillna({"share": 0.0}), "share"), check.rules.iloc[0]
    text = (
        f"{count(away)} of {count(came)} rows are set aside, most often in {first['table']} ({first['rule']}: {count(first['rows'])}); "
        f"{worst['table']} loses the largest share, {small_share(worst['share'])}."
    )
    return Finding("mend" if check.failed else "look" if worst["share"] > 0.001 else "fine", text)


def small_share(value: float) -> str:
    """A share that may be far below one percent."""
    return share(value, 0) if value >= 0.1 else share(value, 1) if value >= 0.0005 else "under 0.1%"


def coverage(check: CheckFacts) -> Finding:
    """Which weighted metrics are seldom measured today, and which were much less measured at first."""
    if check.coverage.empty:
        return Finding("look", "No account is active, so no metric could be measured.")
    table = check.coverage[(check.coverage["weight"] > 0) & (check.coverage["accounts"] > 0)]
    today = table[table["as_of"] == table["as_of"].max()]
    if today.empty:
        return Finding("look", "No metric with weight applies to any account.")
    mean = float((today["share"] * today["weight"]).sum() / today["weight"].sum())
    low = today[today["share"] < LOW_COVERAGE].sort_values("share")
    said = f"Today {share(mean)} of the score's weight is measured"
    if low.empty:
        worst = smallest(today, "share")
        if worst["share"] >= 0.995:
            return Finding("fine", "Every metric with weight is measured today for all accounts it applies to.")
        return Finding("fine", f"{said}; the least measured metric, {worst['label']}, for {share(worst['share'])} of its accounts.")
    names = [f"{label} ({share(value)})" for label, value in zip(low["label"], low["share"], strict=True)]
    return Finding("look", f"{said}; seldom measured: {named(names)}.")


def since(check: CheckFacts) -> str:
    """From which month most of the score's weight is measured, so that history from then on can be used."""
    table = check.coverage[(check.coverage["weight"] > 0) & (check.coverage["accounts"] > 0)]
    if table.empty or not check.dated:
        return ""
    by_day = table.assign(seen=table["share"] * table["weight"]).groupby("as_of")[["seen", "weight"]].sum()
    level = by_day["seen"] / by_day["weight"]
    thin = level[level < LOW_COVERAGE]
    if thin.empty:
        return (
            f"Since {day(level.index[0])}, when the contracts begin, at least {share(level.min())} of the weight was measured every month."
        )
    if thin.index[-1] == level.index[-1]:
        return f"Even today less than {share(LOW_COVERAGE)} of the weight is measured: a score rests on part of its metrics."
    start = level.index[level.index > thin.index[-1]][0]
    return f"From {day(start)} on, at least {share(LOW_COVERAGE)} of the weight was measured every month; before, scores rest on less."


def segments(check: CheckFacts) -> str:
    """Where coverage differs between segments."""
    table = check.by_segment[(check.by_segment["weight"] > 0) & (check.by_segment["accounts"] >= 10)]
    if table.empty or table["segment"].nunique() < 2:
        return ""
    spread = table.groupby("label")["share"].agg(lambda x: x.max() - x.min())
    if spread.max() < 0.15:
        return (
            f"No metric's coverage differs by more than {share(max(spread.max(), 0.01))} between values of {check.context['segment_by']}."
        )
    name = str(spread.idxmax())
    part = table[table["label"] == name]
    low, high = smallest(part, "share"), largest(part, "share")
    return (
        f"{name} differs most: measured for {share(high['share'])} of {isolated(high['segment'])} "
        f"and {share(low['share'])} of {isolated(low['segment'])}."
    )


def breaks(check: CheckFacts) -> Finding:
    """Gaps and jumps in the volume of events."""
    if not check.dated:
        return Finding("fine", undated("gaps and jumps in the volume of events"))
    tables = check.volumes.drop_duplicates("table")
    if tables.empty:
        return Finding("look", "There is no table of events: only contracts can be audited.")
    silent, jumps = (check.breaks[check.breaks["kind"].isin(kinds)] for kinds in (("gap", "stopped"), ("up", "down", "spike", "dip")))
    judged = int(tables["judged"].astype(bool).sum())
    was = "was" if len(tables) == 1 else "were"
    seen = f"{counted(len(tables), 'table')} of events {was} searched for gaps, and {judged} with rows enough for jumps"
    if check.breaks.empty:
        return Finding("fine", f"{seen}: none has one beyond what chance gives.")
    said = []
    if len(silent):
        row = silent.assign(missing=-silent["rows"]).pipe(largest, "missing")
        since_ = f"from {day(row['starts'])} to {day(row['ends'])}" if row["kind"] == "gap" else f"since {day(row['starts'])}"
        said.append(
            f"{counted(len(silent), 'gap')}, the largest in {row['table']}: {counted(row['days'], 'silent day')} {since_}, "
            f"about {count(-row['rows'])} rows short"
        )
    if len(jumps):
        row = jumps.assign(by=abs(jumps["size"].astype(float).map(_log))).pipe(largest, "by")
        said.append(
            f"{counted(len(jumps), 'jump')}, the sharpest in {row['table']} on {day(row['starts'])}: "
            f"{times(row['size'])} the rows per account"
        )
    return Finding("mend" if (silent["kind"] == "stopped").any() else "look", f"{seen}: {listed(said)}.")


def times(size: float) -> str:
    """How a level stands to the one before it.

    >>> times(9.81), times(0.4), times(0.01)
    ('9.8 times', '0.40 times', 'next to none of')
    """
    return "next to none of" if size < 0.05 else f"{number(size, 1 if size >= 1 else 2)} times"


def _log(value: float) -> float:
    import math

    return math.log(value) if value > 0 else 0.0


def strangers(check: CheckFacts) -> Finding:
    """Rows of accounts that are not in accounts."""
    if not check.dated:
        return Finding("fine", "One sheet has nothing to join.")
    if check.strangers.empty:
        return Finding("fine", "Every row of every table joins an account.")
    total, ids = int(check.strangers["rows"].sum()), int(check.strangers["ids"].sum())
    first, alike = check.strangers.iloc[0], int(check.strangers["alike"].sum())
    verb = "joins" if total == 1 else "join"
    text = (
        f"{counted(total, 'row')} with {counted(ids, 'id')} {verb} no account, most in {first['table']} ({isolated(first['first_ids'])})."
    )
    if alike:
        text += f" {count(alike)} of the ids would join if case, punctuation and leading zeros were left out: mend the mapping first."
    return Finding("mend" if alike else "look" if total > 10 else "fine", text)


def reach(check: CheckFacts) -> Finding:
    """Whether the tables speak of all active accounts, and while they are customers."""
    table = check.reach[check.reach["active"] > 0]
    if table.empty:
        return Finding("look", "There are no tables beside accounts and contracts, or no active account that they could speak of.")
    thin = table[table["share"] < 0.5].sort_values("share")
    most = f"{count((table['share'] >= 0.9).sum())} of {counted(len(table), 'table')} speak of at least 90% of the active accounts"
    if len(thin):
        most += f"; {named([f'{n} of {share(s)}' for n, s in zip(thin['table'], thin['share'], strict=True)])}"
    odd = table[table["outside"] > 0.05].sort_values("outside", ascending=False)
    if odd.empty:
        return Finding("fine", most + ".")
    return Finding(
        "look",
        f"{most}. Dated before the account's first contract or after its last: "
        f"{named([f'{share(o)} of the rows of {n}' for n, o in zip(odd['table'], odd['outside'], strict=True)])}.",
    )


def history(check: CheckFacts) -> Finding:
    """How far back the tables go, and how fresh they are."""
    if not check.dated:
        return Finding("look", undated("how far back the data go"))
    table = check.clocks[check.clocks["last_day"].notna()]
    if table.empty:
        return Finding("look", "No table has a date.")
    first, latest = table.sort_values("first_day").iloc[0], largest(table.assign(first=table["first_day"].astype("int64")), "first")
    text = f"History begins with {first['table']} on {day(first['first_day'])}"
    if latest["table"] != first["table"]:
        text += f"; the shortest is {latest['table']}, from {day(latest['first_day'])}"
    stale = table[(table["silent_days"] > 31) & ~table["table"].isin(["contracts", "attributes"])].sort_values("silent_days")
    if len(stale):
        old = stale.iloc[-1]
        return Finding("look", f"{text}. {old['table']} has had no row for {counted(old['silent_days'], 'day')} ({day(old['last_day'])}).")
    return Finding("fine", f"{text}. Every table of events has rows of the last month.")


def clocks(check: CheckFacts) -> Finding:
    """What share of the score rests on rows whose day of becoming known is not recorded."""
    if not check.dated:
        return Finding(
            "look", "Nothing says when a figure in the sheet was known: any of them may have been written after the customer left."
        )
    table = check.clocks
    bare = table[~table["clock"].isin(CLOCKED) & (table["weight"] > 0)].sort_values("weight", ascending=False)
    weight = round(float(bare["weight"].sum()), 6)
    names = [f"{n} {share(w)}" for n, w in zip(bare["table"], bare["weight"], strict=True)]
    if bare.empty:
        text = "All of the score's weight rests on tables with a clock."
    else:
        text = (
            f"{share(weight)} of the score's weight rests on rows without a clock ({named(names)}): "
            "right only if they were written down the day they happened."
        )
    late = table[table["delay_p95"] > LATE_DAYS].sort_values("delay_p95", ascending=False)
    if len(late):
        row = late.iloc[0]
        soon = f"within {counted(row['delay_median'], 'day')}" if row["delay_median"] else "the day they happened"
        text += (
            f" In {row['table']}, half of the rows are written down {soon}, one in twenty later than {counted(row['delay_p95'], 'day')}."
        )
    if check.undated:
        verb = "is" if len(check.undated) == 1 else "are"
        text += f" The scorecard asks for {listed(list(check.undated))}, which {verb} known as of today only."
    return Finding("look" if weight > 0.5 or len(late) or check.undated else "fine", text)


def leaks(check: CheckFacts) -> Finding:
    """Metrics that seem to know the outcome."""
    out, kept = left_out(check.leaks), overruled(check.leaks)
    if out:
        names = named([f"“{check.labels.get(name, name)}”" for name in out])
        return Finding("mend", f"{names} {'seems' if len(out) == 1 else 'seem'} to know the outcome; no recommendation may use it.")
    if kept:
        return Finding("look", claims_leaks.kept(check.leaks, check.labels))
    if len(check.leaks):
        return Finding("look", claims_leaks.elsewhere(check.leaks) or claims_leaks.incumbent(check.leaks))
    enough = min(check.power.lost, check.power.kept) >= 8
    return Finding(
        "fine" if enough else "look", "No metric seems to know the outcome." if enough else "Too few outcomes to look for leaks."
    )


def findings(check: CheckFacts) -> list[Finding]:
    """Every finding, what must be mended first."""
    if not check.dated:
        each = [rows(check), leaks(check), clocks(check), coverage(check)]
    else:
        each = _dated(check)
    order = ("mend", "look", "fine")
    return sorted((one for one in each if one is not None), key=lambda one: order.index(one.level))


def _dated(check: CheckFacts) -> list[Finding | None]:
    """The findings on tables with dates."""
    return [
        rows(check), strangers(check), repeats(check), reach(check),
        movements(check), bridge(check), invoices(check), overlaps(check), breaks(check),
        leaks(check), clocks(check), coverage(check), history(check),
    ]  # fmt: skip


def volume_title(check: CheckFacts) -> str:
    """The finding above the pictures of volume."""
    many = len(check.breaks)
    return "No gap and no jump beyond chance" if not many else f"{counted(many, 'break')} in the volume of events"


def jump_said(row: pd.Series) -> str:
    """What a break is, in words for a table."""
    return MEANT[str(row["kind"])] + ("" if row["kind"] in ("gap", "stopped") else f": {times(row['size'])} the rows per account")
