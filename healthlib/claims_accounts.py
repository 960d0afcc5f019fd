"""Sentences on single accounts: what became of each, how its score went, what the score missed and what held it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import against, are, largest, ranged, words
from healthlib.studies.accounts import SHOWN
from healthlib.studies.diary import RECENT_DAYS
from healthlib.wording import count, counted, day, listed, money, number, points, share, share_range, unknown

if TYPE_CHECKING:
    from healthlib.studies.accounts import AccountFacts, Record

STILL = 10.0
"""Points by which a score must move to have moved (a convention)."""
BEFORE = 6
"""Snapshots before the last one that the sentence on a score's course looks at."""
MONTH = 30.44
"""Days of a month."""
PLURAL = {
    "zombie": "zombies", "watermelon": "watermelons", "false alarm": "false alarms", "successful": "successful customers",
    "overruled": "overruled scores", "unsure": "bands that depend on what is missing",
}  # fmt: skip


def opening(facts: AccountFacts) -> str:
    """How many accounts are named, how many have a section, and where the others are."""
    if facts.kind == "flat":
        return "The sheet has no dates, so no account has a history to show; the lists above name the accounts as the sheet has them."
    if facts.named.empty:
        return "No account is named above, so there is none to look at one by one."
    rest = int((~facts.named["shown"].astype(bool)).sum())
    each = listed([f"{most} {PLURAL[name]}" for name, most in SHOWN.items()])
    if not rest:
        return f"{are(len(facts.named), 'account')} named in the lists above; each can be looked at here, the largest ARR first."
    return (
        f"{are(len(facts.named), 'account')} named in the lists above; {count(len(facts.named) - rest)} can be looked at here one by one: "
        f"at most {each}, largest ARR first. The other {counted(rest, 'account')}: named_accounts.csv, beside this page, a row each."
    )


def surprised(facts: AccountFacts) -> list[str]:
    """What the surprises have in common: whether low metrics give a watermelon away, and what held false alarms down."""
    causes = [f"the gate “{row['gate']}”" if row["gate"] else f"“{row['label']}”" for _, row in facts.held.iterrows()]
    most = pd.Series(causes, dtype="str").value_counts(sort=True).head(3)
    listing = listed([f"{cause} ({count(n)})" for cause, n in most.items()])
    said = [
        gave_away(facts),
        f"What held the {counted(len(causes), 'false alarm')} looked at down most often: {listing}." if causes else "",
    ]
    return [sentence for sentence in said if sentence]


def gave_away(facts: AccountFacts) -> str:
    """Whether watermelons had a low metric more often than accounts of the same band that were kept."""
    lost, kept = facts.low.get("lost"), facts.low.get("kept")
    if lost is None or kept is None or unknown(lost.value) or unknown(kept.value):
        return ""
    says, best = words(facts.kind), facts.bands[-1]
    apart = against(lost.low, lost.high, kept.value)
    verdict = {
        "above": "What the score needed to see was measured, and outvoted.",
        "below": "Low metrics do not give a watermelon away here.",
        "cannot tell": "That is too close to tell apart: nothing measured here surely gives a watermelon away.",
    }[apart]
    return (
        f"Of {best} cases that {says['lost']}, {ranged(lost)} had at least one metric in the lowest fifth of those that {says['kept']} "
        f"(n = {counted(lost.n, 'account')}), of {best} cases that {says['kept']} {ranged(kept)} (n = {count(kept.n)}). {verdict}"
    )


def became(facts: AccountFacts, record: Record) -> str:
    """What became of one account."""
    row = record.named
    arr = money(row["arr"], facts.currency)
    if row["state"] == "left":
        said = f"stated reason: {row['reason']}" if not unknown(row["reason"]) else "no reason stated"
        ended = f"Left on {day(row['ended_on'])}" if not unknown(row["ended_on"]) else "No longer a customer"
        return f"{ended}, taking {arr} a year; {said}."
    ends = f"; the term ends on {day(row['term_ends'])}" if not unknown(row["term_ends"]) else ""
    again = f" Had left on {day(row['ended_on'])} and come back." if not unknown(row["ended_on"]) else ""
    return f"A customer, {arr} a year{ends}.{again}"


def course(record: Record) -> str:
    """How the score went in the last half-year: the finding of the picture."""
    rows = record.scores.dropna(subset=["score"])
    if rows.empty:
        return "Its score was never known."
    recent = rows.tail(BEFORE + 1)
    last = recent.iloc[-1]
    first = largest(recent, "score") if last["score"] < recent["score"].max() - STILL else recent.iloc[0]
    months = max(round((last["as_of"] - first["as_of"]).days / MONTH), 1)
    left = record.named["state"] == "left" and not unknown(record.named["ended_on"])
    until = f"before it left on {day(record.named['ended_on'])}" if left else f"to {day(last['as_of'])}"
    span = f"in the {counted(months, 'month') if months > 1 else 'month'} {until}"
    moved = last["score"] - first["score"]
    if len(recent) == 1:
        return f"Scored once, {points(last['score'])} ({last['band']}), on {day(last['as_of'])}."
    if abs(moved) > STILL:
        return (
            f"Its score {'fell' if moved < 0 else 'rose'} from {points(first['score'])} to {points(last['score'])} ({last['band']}) {span}."
        )
    low, high = points(recent["score"].min()), points(recent["score"].max())
    if low == high:
        return f"Its score stood at {low} ({last['band']}) {span}."
    return f"Its score stood between {low} and {high} {span}, at {points(last['score'])} ({last['band']}) in the end."


def warned(facts: AccountFacts, record: Record) -> str:
    """Whether the score went to the worst band between the case that a watermelon is listed for and the end."""
    row = record.named
    if "watermelon" not in record.lists or unknown(row["ended_on"]) or row["ended_on"] < row["scored_on"]:
        return ""
    later = record.scores[(record.scores["as_of"] > row["scored_on"]) & (record.scores["as_of"] < row["ended_on"])]
    worst = later[later["band"] == facts.bands[0]]
    if later.empty:
        return ""
    if worst.empty:
        return f"It was never {facts.bands[0]} between {day(row['scored_on'])} and the end."
    first = worst.iloc[0]["as_of"]
    return f"It turned {facts.bands[0]} by {day(first)}, {counted((row['ended_on'] - first).days, 'day')} before the end."


def missed(facts: AccountFacts, record: Record) -> str:
    """What the score missed of a watermelon: the metrics that stood low, those not measured, and those that were fine."""
    table = record.missed
    if table.empty:
        return ""
    kept = words(facts.kind)["kept"]
    low = table[table["standing"] == "low"].sort_values(["as_low", "weight"], ascending=[True, False], kind="stable")
    fine = table[(table["standing"] == "fine") & (table["weight"] > 0)].sort_values("weight", ascending=False, kind="stable")
    known = int(table["points"].notna().sum())
    scored = f"{points(record.named['scored'])} ({facts.bands[-1]}) on {day(record.named['scored_on'])}"
    parts = [f"Scored {scored}, and {words(facts.kind)['lost']}."]
    if len(low):
        parts.append(f"What the score missed: {listed([_low(row, kept) for _, row in low.head(3).iterrows()])}.")
    else:
        parts.append(f"None of its {counted(known, 'metric')} stood in the lowest fifth of those that {kept}.")
    old = [
        f"“{row['label']}” (last answer {count(row['age_days'])} days before)" for _, row in table.iterrows() if row["standing"] == "old"
    ]
    gone = [f"“{label}”" for label in table.loc[table["standing"] == "absent", "label"]]
    parts += [f"Too old to count: {listed(old)}."] if old else []
    parts += [f"Not measured: {listed(gone)}."] if gone else []
    if len(fine):
        most = listed([f"“{row['label']}” ({share(row['weight'])} of the weight)" for _, row in fine.head(2).iterrows()])
        parts.append(f"What kept it {facts.bands[-1]}: {counted(len(fine), 'metric')} at or above the median, most of all {most}.")
    return " ".join(parts)


def _low(row: pd.Series, kept: str) -> str:
    weight = f"{share(row['weight'])} of the weight" if row["weight"] > 0 else "no weight"
    return (
        f"“{row['label']}”, {points(row['points'])} points where the median is {points(row['typical'])} "
        f"({weight}; {count(row['as_low'])} of {count(row['kept'])} that {kept} were as low)"
    )


def silence(facts: AccountFacts, record: Record) -> str:
    """Tickets and contacts before the listed case, beside the median of the cases that were kept."""
    if record.diary.recent.empty:
        return ""
    row = record.diary.recent.iloc[0]
    nouns = {"tickets": "ticket", "contacts": "contact"}
    said = [(counted(row[name], noun), number(facts.typical[name], 0)) for name, noun in nouns.items() if not unknown(row[name])]
    if not said:
        return ""
    return (
        f"In the {RECENT_DAYS} days before it was scored on {day(row['as_of'])}: {listed([own for own, _ in said])}; "
        f"the median of cases that {words(facts.kind)['kept']}: {listed([typical for _, typical in said])}."
    )


def held(facts: AccountFacts, record: Record) -> str:
    """What held the score of a false alarm down, and how often that cries wolf."""
    if record.held.empty:
        return ""
    row, says, base = record.held.iloc[0], words(facts.kind), facts.kept_rate
    was = f"Was {facts.bands[0]} ({points(row['score'])}) on {day(row['as_of'])}, and {says['kept']}."
    cause = (
        f"Held down by the gate “{row['gate']}”" if row["gate"] else f"Held down most by “{row['label']}”, {points(row['points'])} points"
    )
    alike = "cases that it capped" if row["gate"] else "cases with so few points or fewer"
    verdict = wolf(row["rate"], row["low"], row["high"], base.value)
    return (
        f"{was} {cause}, which cost it {number(row['cost'], 0)} of 100. Of {count(row['cases'])} {alike}, "
        f"{share_range(row['rate'], row['low'], row['high'])} {says['kept']}, against {share(base.value)} of all: {verdict}."
    )


TWICE = 2.0
"""An alarm is fair from so many times the loss of all (a convention)."""


def wolf(kept: float, low: float, high: float, base: float) -> str:
    """What the share kept among cases with the same alarm, with its interval, says of the alarm.

    >>> wolf(0.86, 0.82, 0.9, 0.87), wolf(0.56, 0.33, 0.77, 0.71)
    ('no fewer as far as can be told, so it cries wolf', 'too few to tell whether it cries wolf')
    """
    if against(low, high, base) != "below":
        harmless = 1 - low < TWICE * (1 - base)
        return "no fewer as far as can be told, so it cries wolf" if harmless else "too few to tell whether it cries wolf"
    if 1 - kept < TWICE * (1 - base):
        return "fewer, yet less than twice as many were lost as of all, so it is a weak alarm"
    return "so the alarm was fair, and this one was the exception"


def quiet(facts: AccountFacts, record: Record) -> str:
    """How long a zombie has been one."""
    since = record.named["quiet_since"]
    if "zombie" not in record.lists or unknown(since):
        return ""
    months = round((facts.as_of - since).days / MONTH)
    long = f"for {counted(months, 'month')}, since {day(since)}" if months else "at this snapshot for the first time"
    return f"Has paid and hardly used the product or talked to us {long}."


def story(facts: AccountFacts, record: Record) -> list[str]:
    """All there is to say of one account, a paragraph a question: what became of it, what was missed, what cried wolf, who was in touch."""
    paragraphs = [
        (became(facts, record), quiet(facts, record), course(record), warned(facts, record)),
        (missed(facts, record),),
        (held(facts, record),),
        (silence(facts, record),),
    ]
    return [" ".join(said for said in part if said) for part in paragraphs if any(part)]
