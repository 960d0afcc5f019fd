"""The sentences of the executive report, each built from the facts it is about."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib import claims_counts, claims_leaks
from healthlib.claims import against, ranged, undated
from healthlib.palette import UNSCORED
from healthlib.resample import Estimate
from healthlib.studies.executive import FLAG_DAYS, ExecutiveFacts
from healthlib.studies.renewals import forecast_total
from healthlib.wording import change, count, counted, day, isolated, listed, money, money_change, money_range, number, share, unknown

ADVICE = {
    "adopt": "The data support other weights than those in use",
    "keep": "The data do not support changing the weights",
    "insufficient_evidence": "Whether other weights would do better, the data cannot tell yet",
}
MOVERS = {
    "behaviour": "what customers did", "data": "what was measured of them", "configuration": "the scorecard", "override": "overrides",
    "membership": "who came and left",
}  # fmt: skip
"""Cause of a change of the average score -> how a sentence names it."""
FEW = 20
"""Below so many events a rate is said to be uncertain in words too."""


def _cash(facts: ExecutiveFacts, value: float) -> str:
    return money(value, facts.context["currency"])


def _row(facts: ExecutiveFacts, band: str) -> pd.Series:
    return facts.by_band[facts.by_band["band"] == band].iloc[0]


def _worst(facts: ExecutiveFacts) -> str:
    """The worst band at the head of a sentence."""
    return facts.bands[0][:1].upper() + facts.bands[0][1:]


def title(facts: ExecutiveFacts) -> str:
    """The title of the page."""
    return f"Customer health on {day(facts.context['as_of'])}"


def opening(facts: ExecutiveFacts) -> str:
    """The whole base in one sentence or two."""
    if facts.scores.empty:
        return "No account was active on this day, so there is nothing to report."
    worst, total = _row(facts, facts.bands[0]), float(facts.scores["arr"].sum())
    said = f"{counted(len(facts.scores), 'active account')} worth {_cash(facts, total)} of ARR"
    part = f" ({share(worst['arr'] / total)} of ARR)" if total else ""
    if len(facts.scores) == int(_row(facts, UNSCORED)["accounts"]):
        return f"{said}. None of them can be scored: less than {share(facts.context['min_coverage'])} of the scorecard is measured."
    holding = f", holding {_cash(facts, worst['arr'])}{part}" if worst["accounts"] else ""
    many = f"{count(worst['accounts'])} are" if worst["accounts"] > 1 else "1 is" if worst["accounts"] else "none is"
    said += f"; {many} {facts.bands[0]}{holding}"
    moved = worst["accounts"] - worst["accounts_before"]
    if not unknown(moved):
        said += (
            f", {_against(moved, 'account')} than on {day(facts.context['month'])}"
            if moved
            else f", as many as on {day(facts.context['month'])}"
        )
    return f"{said}. {_soon(facts)}".strip()


def _against(moved: float, noun: str) -> str:
    return f"{counted(abs(moved), noun)} {'more' if moved > 0 else 'fewer'}"


def _flat(facts: ExecutiveFacts) -> bool:
    """Whether all was made from one sheet, without dates."""
    return facts.context["kind"] == "flat"


def _soon(facts: ExecutiveFacts) -> str:
    """What renews within 90 days, in one sentence."""
    evergreen = facts.context["kind"] == "churn_within"
    row = _due_all(facts, facts.context["horizon_days"] if evergreen else 90)
    if row is None:
        return ""
    if evergreen:
        lost = money_range(row["low"], row["high"], facts.context["currency"])
        return f"Of all ARR {lost} is likely to be lost within {facts.context['horizon_days']} days."
    said = f"{_cash(facts, row['arr'])} comes up for renewal within 90 days"
    if unknown(row["expected_lost"]):
        return f"{said}."
    return f"{said}; of it {money_range(row['low'], row['high'], facts.context['currency'])} is likely to be lost."


def _due_all(facts: ExecutiveFacts, days: int) -> pd.Series | None:
    rows = facts.due[(facts.due["days"] == days) & (facts.due["band"] == "all")]
    return rows.iloc[0] if len(rows) else None


def bands(facts: ExecutiveFacts) -> str:
    """How the worst band's share of ARR moved in a month and a year."""
    if _flat(facts):
        return undated("how the bands have moved")
    worst = _row(facts, facts.bands[0])
    if unknown(worst["accounts_before"]):
        return "There is no earlier month to compare with: this is the first snapshot."
    shares = {name: worst[f"arr{name}"] / facts.by_band[f"arr{name}"].sum() for name in ("", "_before", "_year")}
    month = day(facts.context["month"])
    said = f"{_worst(facts)} holds {share(shares[''])} of ARR, against {share(shares['_before'])} on {month}"
    return said + (f" and {share(shares['_year'])} a year ago." if not unknown(shares["_year"]) else ".")


def renewals(facts: ExecutiveFacts) -> str:
    """What renews in 90 and 180 days and what is likely to be lost of it."""
    if _flat(facts):
        return undated("what renews next")
    if facts.due.empty:
        if facts.context["kind"] == "churn_within":
            return "Contracts here have no end date, and too few accounts have left yet to learn a chance of loss from."
        return "No contract ends within the next 180 days."
    if facts.context["kind"] == "churn_within":
        row = facts.due[facts.due["band"] == "all"].iloc[0]
        return f"Contracts here have no end date. Within {row['days']} days about {_lost(row, facts)} is likely to be lost."
    row = facts.due[(facts.due["days"] == 180) & (facts.due["band"] == "all")].iloc[0]
    said = f"Within 180 days {_cash(facts, row['arr'])} ({counted(row['accounts'], 'account')}) comes up for renewal"
    if unknown(row["expected_lost"]):
        return f"{said}. No chance of loss is given: too few accounts have left yet to learn it from."
    return f"{said}; about {_lost(row, facts)} of it is likely to be lost."


def _lost(row: pd.Series, facts: ExecutiveFacts) -> str:
    currency = facts.context["currency"]
    return f"{money(row['expected_lost'], currency, 2)} ({money_range(row['low'], row['high'], currency)})"


def first(facts: ExecutiveFacts) -> str:
    """The account to start with, and how much the first ten hold."""
    if facts.risks.empty:
        return "No account stands below the best band, so there is none to start with."
    top, ten = facts.risks.iloc[0], facts.risks.head(10)
    ends = "" if unknown(top["term_ends"]) else f", term ends {day(top['term_ends'])}"
    said = f"Start with {isolated(str(top['name']))} ({_cash(facts, top['arr'])}{ends}, score {number(top['score'], 0)})."
    return said + (f" The first {len(ten)} hold {_cash(facts, ten['arr'].sum())} of ARR." if len(ten) > 1 else "")


def at_risk(facts: ExecutiveFacts) -> str:
    """How many accounts stand below the best band, and whether the bands shown are the measured ones."""
    table, below = facts.scores, facts.risks
    best = [band for band in facts.bands if band != "unscored"][-1]
    if below.empty:
        return "No account stands below the best band."
    stands = "stands" if len(below) == 1 else "stand"
    said = f"{counted(len(below), 'account')} with {_cash(facts, below['arr'].sum())} of ARR {stands} below {best}."
    worst = facts.bands[0]
    shown, measured = (int((table[name] == worst).sum()) for name in ("band", "band_without_override"))
    if shown == measured and (table["band"] == table["band_without_override"]).all():
        return said
    return f"{said} Bands are those shown, after what people overruled: {count(shown)} {worst}, {count(measured)} by the measured score."


def in_short(facts: ExecutiveFacts) -> str:
    """Which accounts first, and whether to believe the score, in two sentences: the rest of the page is their evidence."""
    names = [f"{isolated(str(row['name']))} ({_cash(facts, row['arr'])})" for row in facts.risks.head(3).to_dict("records")]
    first = f"Start with {', '.join(names[:-1])} and {names[-1]}." if len(names) > 1 else f"Start with {names[0]}." if names else ""
    auc = facts.auc
    if unknown(auc.value):
        return f"{first} Whether the score can be believed cannot be told yet: too few outcomes have finished.".strip()
    pairs = f"of two accounts, one lost and one kept, the score puts the lost one lower in {share(auc.value)} of pairs"
    belief = f"it {telling(auc)}" if auc.low > 0.5 else "it cannot be told from a coin toss"
    known = f"{pairs} ({number(100 * auc.low, 0)}–{number(100 * auc.high, 0)}%, {counted(auc.events, 'loss', 'losses')}): {belief}"
    how = ("Cross-validated, for the sheet has no dates" if _flat(facts) else "Tested on later outcomes") + _bare(facts)
    return f"{first} Can the score be believed? {how}, {known}.".strip()


def believe(facts: ExecutiveFacts) -> dict[str, str]:
    """Question -> answer: what speaks for and against believing the figures."""
    answers = {
        "Does a low score mean trouble?": _ranking(facts),
        f"Was the ARR that left flagged {FLAG_DAYS} days before?": _flagged(facts),
        "Did earlier forecasts come true?": _forecast(facts),
        "Are these the right weights?": f"{ADVICE[facts.advice['recommendation']]}. {facts.advice['reason']}",
        "Is the data complete?": _data(facts),
        "Why do the counts differ?": claims_counts.counts(facts.counts, facts.context["kind"]) if facts.counts else "",
    }
    return {question: answer for question, answer in answers.items() if answer}


def telling(auc: Estimate) -> str:
    """How well a score that is no coin toss ranks, in words that the size of its AUC supports (0.6, 0.7, 0.8: conventions).

    >>> telling(Estimate(0.57, 0.53, 0.60)), telling(Estimate(0.72, 0.67, 0.76))
    ('does a little better than a coin toss', 'tells leavers from stayers')
    """
    words = "does a little better than a coin toss", "tells leavers from stayers, if weakly", "tells leavers from stayers"
    return (*words, "tells leavers from stayers well")[sum(auc.value >= edge for edge in (0.6, 0.7, 0.8))]


def _bare(facts: ExecutiveFacts) -> str:
    """That the score under test is not quite the one shown: what of it was left out."""
    number_, part = facts.context.get("left_out", 0), facts.context.get("left_out_share", 0.0)
    if not number_:
        return ""
    verb = "seems" if number_ == 1 else "seem"
    return f", without {counted(number_, 'metric')} ({share(part)} of the weight) that {verb} to know the outcome"


def _ranking(facts: ExecutiveFacts) -> str:
    auc = facts.auc
    if unknown(auc.value):
        return "Cannot tell: too few outcomes have finished to test the score on renewals it had not seen."
    rate = f"in {share(auc.value)} of pairs (95% interval {number(100 * auc.low, 0)}–{number(100 * auc.high, 0)}%; a coin toss gives 50%)"
    losses = counted(auc.events, "loss", "losses")
    basis = f"{'Cross-validated' if _flat(facts) else 'Tested out of time'} on {counted(auc.n, 'account')}, {losses}"
    said = f"Of one account that left and one that stayed, the leaver had the lower score {rate}. {basis}{_bare(facts)}."
    verdict = f" The score {telling(auc)}." if auc.low > 0.5 else " That cannot be told from a coin toss."
    return said + verdict + (f" Fewer than {FEW} losses: expect this to move." if auc.events < FEW else "")


def _flagged(facts: ExecutiveFacts) -> str:
    if _flat(facts):
        return undated("what the score was before an account left")
    if not facts.flagged:
        return "Cannot tell: no account has left yet whose score 90 days before is known."
    arr, accounts, base = (facts.flagged[name] for name in ("arr", "accounts", "base"))
    side = against(arr.low, arr.high, base.value)
    versus = {"above": "the score did better than that", "below": "the score did worse than that"}.get(
        side, "whether the score did better cannot be told"
    )
    were = "was a customer" if accounts.n == 1 else "were customers"
    said = (
        f"Of the {counted(accounts.n, 'account')} that left and {were} {FLAG_DAYS} days before, {ranged(accounts)} stood in "
        f"{facts.bands[0]} then, and {ranged(arr)} of their ARR. Chance alone would have flagged {share(base.value)}; {versus}."
    )
    return said + (f" Only {count(accounts.n)} left: too few to rely on." if accounts.n < FEW else "")


def _forecast(facts: ExecutiveFacts) -> str:
    if _flat(facts):
        return undated("whether a forecast came true")
    if facts.forecast.empty:
        return "Cannot tell: no month with a forecast has finished yet."
    total = forecast_total(facts.forecast)
    base, expected, actual = (_cash(facts, total[name]) for name in ("renewing_arr", "expected", "actual"))
    said = f"{expected} was expected to stay of {base}; {actual} did"
    if facts.context["kind"] == "churn_within":  # months overlap, so their sums of money mean nothing
        expected, actual = (share(total[name] / total["renewing_arr"], 1) for name in ("expected", "actual"))
        said = f"{expected} of ARR was expected to stay {facts.context['horizon_days']} days; {actual} did"
    inside = f"The outcome lay inside the 95% interval in {count(total['inside'])} of {count(total['months'])}"
    narrow = ", fewer than it should: take the ranges as too narrow" if total["inside"] < 0.8 * total["months"] else ""
    return f"Over {counted(total['months'], 'month')}, {said}. {inside}{narrow}."


def _data(facts: ExecutiveFacts) -> str:
    scored, n = int(facts.scores["score"].notna().sum()), len(facts.scores)
    rejected, rows = int(facts.tables["rows_rejected"].sum()), int(facts.tables["rows_in"].sum())
    said = f"{count(scored)} of {counted(n, 'account')} could be scored"
    said += f"; on average {share(facts.coverage['mean'])} of the scorecard is measured. " if n else ". "
    said += f"{count(rejected)} of {counted(rows, 'input row')} {'was' if rejected == 1 else 'were'} set aside as faulty"
    said += f"; {counted(len(facts.warnings), 'warning')}, listed below." if facts.warnings else "."
    leaky = claims_leaks.counting(facts.leaks)
    return f"{said} {leaky}" if leaky else said


def trend(facts: ExecutiveFacts) -> str:
    """How the worst band's ARR moved over the months shown."""
    if _flat(facts):
        return undated("how the base moved")
    days = sorted(facts.trend["as_of"].unique())
    if len(days) < 2:
        return "One snapshot is not a trend: the picture starts with the second month."
    worst = facts.trend[facts.trend["band"] == facts.bands[0]].set_index("as_of")
    total = facts.trend.groupby("as_of")["arr"].sum()
    old, new = (worst.loc[at, "arr"] / total.loc[at] for at in (days[0], days[-1]))
    way = "rose" if new - old > 0.005 else "fell" if old - new > 0.005 else "stood still"
    move = f"from {share(old)} to {share(new)}" if way != "stood still" else f"at {share(new)}"
    return (
        f"{_worst(facts)}'s share of ARR {way} {move} between {day(days[0])} and {day(days[-1])}; "
        f"its accounts went from {count(worst.loc[days[0], 'accounts'])} to {count(worst.loc[days[-1], 'accounts'])}."
    )


def changed(facts: ExecutiveFacts) -> str:
    """When the scorecard was changed within the months shown, and what that means for them; empty where it was not."""
    days = facts.trend["as_of"]
    within = facts.scorecards[(facts.scorecards["adopted_on"] > days.min()) & (facts.scorecards["adopted_on"] <= days.max())]
    if within.empty:
        return ""
    when = listed([day(at) for at in within["adopted_on"].drop_duplicates()])
    return f"The scorecard was changed on {when}; all months are shown as today’s scorecard scores them, so that they can be compared."


def moved(facts: ExecutiveFacts) -> str:
    """What moved ARR in twelve months."""
    if _flat(facts):
        return undated("retention over twelve months")
    if not facts.retention:
        return "No account had ARR twelve months ago, so retention cannot be stated yet."
    grr, nrr = facts.retention["grr_12m"], facts.retention["nrr_12m"]
    arr = facts.moves.set_index("move")["arr"]
    currency = facts.context["currency"]
    why = listed(
        [
            f"{money_change(arr[move], currency)} {words}"
            for move, words in (
                ("left", "from accounts that left"),
                ("shrank", "from accounts that shrank"),
                ("grew", "from accounts that grew"),
            )
            if arr[move]
        ]
    )
    return (
        f"Of the ARR of twelve months ago {ranged(grr)} is still here, and {ranged(nrr)} with what those accounts grew"
        + (f": {why}. " if why else ". ")
        + f"New accounts added {_cash(facts, arr['new'])}."
    )


def causes(facts: ExecutiveFacts) -> str:
    """Why the average score of the whole book moved since the previous month-end."""
    if facts.causes.empty:
        return "Why the average score moved cannot be told: there is no earlier month to compare with."
    book = facts.causes[facts.causes["band"] == "all"].set_index("by")
    row = {str(name): value for name, value in book.drop(columns="band").astype(float).loc["accounts"].to_dict().items()}
    if unknown(row["change"]):
        return "Why the average score moved cannot be told: on one of the two days nothing was scored."
    moved = sorted(((abs(row[name]), name) for name in MOVERS if abs(row[name]) >= 0.05), reverse=True)
    parts = listed([f"{MOVERS[name]} {change(row[name], 1)}" for _, name in moved]) or "no cause by as much as a tenth of a point"
    weighted = change(float(book["change"].to_dict()["arr"]), 1)
    return (
        f"The average score of the book moved by {change(row['change'], 1)} points to {number(row['now'], 1)} since "
        f"{day(facts.context['month'])} ({weighted} weighted by ARR): {parts}."
    )


def migrated(facts: ExecutiveFacts) -> str:
    """How many accounts moved down and up since the previous month-end."""
    if _flat(facts):
        return undated("who changed band")
    if unknown(facts.context["month"]):
        return "There is no earlier month to compare with."
    rank = {band: place for place, band in enumerate(facts.bands[:-1])}
    both = facts.migration[facts.migration["from"].isin(rank) & facts.migration["to"].isin(rank)]
    step = both["to"].map(rank).astype(float) - both["from"].map(rank).astype(float)
    down, up = both[step < 0], both[step > 0]
    fell = f"{counted(down['accounts'].sum(), 'account')} ({_cash(facts, down['arr'].sum())})"
    rose = f"{count(up['accounts'].sum())} ({_cash(facts, up['arr'].sum())})"
    return f"Since {day(facts.context['month'])}, {fell} fell by a band or more and {rose} rose."


def group_name(column: str) -> str:
    """The name of a scorecard group at the head of a column: short ones are taken for abbreviations.

    >>> group_name("group:adoption"), group_name("group:roi")
    ('Adoption', 'ROI')
    """
    name = column.removeprefix("group:")
    return name.upper() if len(name) <= 3 else name[:1].upper() + name[1:]


def groups(facts: ExecutiveFacts) -> str:
    """Where the base is strongest and weakest, in ARR-weighted points."""
    names = {name: group_name(name) for name in facts.groups.columns if name.startswith("group:")}
    table = facts.groups.rename(columns=names)
    whole = table.iloc[-1][list(names.values())].astype(float).dropna()
    if len(whole) < 2:
        return "Too little is measured to compare groups of metrics."
    best, least = f"{number(whole.max(), 0)} of 100", number(whole.min(), 0)
    said = f"Across the base {whole.idxmax()} is strongest ({best}) and {whole.idxmin()} weakest ({least})"
    parts = table.iloc[:-1]
    cells = parts.set_index("segment")[list(names.values())].astype(float).stack().dropna() if len(parts) else pd.Series(dtype="float64")
    if len(cells):
        lowest = float(np.min(cells.to_numpy(dtype=float)))
        segment, group = cells.idxmin()  # ty: ignore[not-iterable]
        said += f"; the weakest spot is {group} in {isolated(str(segment))} ({number(lowest, 0)})"
    return f"{said}."


def alerted(facts: ExecutiveFacts) -> str:
    """How many alerts are new and how many still hold, and how much ARR they are about."""
    if _flat(facts):
        return undated("what changed for the worse")
    if unknown(facts.context["month"]):
        return "There is no earlier month to compare with, so there is nothing to alert to."
    new = facts.alerts[facts.alerts["new"].astype(bool)]
    old = len(facts.alerts) - len(new)
    holding = f"; {counted(old, 'earlier alert')} still {'holds' if old == 1 else 'hold'}" if old else ""
    if new.empty:
        return f"No account calls for attention that did not before {day(facts.context['month'])}{holding}."
    arr = float(new.drop_duplicates("account_id")["arr"].sum())
    where = f"{counted(new['account_id'].nunique(), 'account')} worth {_cash(facts, arr)}"
    return f"{counted(len(new), 'new alert')} on {where} since {day(facts.context['month'])}{holding}."


def track(facts: ExecutiveFacts) -> str:
    """Forecast against actual, as a claim."""
    return _forecast(facts)


def retained(estimate: Estimate) -> str:
    """The remark under a retention tile."""
    if unknown(estimate.low):
        return f"n = {count(estimate.n)}"
    return f"95%: {number(100 * estimate.low, 0)}–{number(100 * estimate.high, 0)}%, n = {count(estimate.n)}"


def moved_by(now: float, before: float, since: str) -> str:
    """The remark under a tile that is compared with an earlier day."""
    return "" if unknown(before) else f"{change(now - before)} since {since}"


MEANINGS = {
    "Account": "A customer with ARR above zero on the day of the report.",
    "ARR": "The yearly amount of all contracts that cover the day: start date on or before it, end date after it.",
    "Score": "0 to 100, higher is healthier: the weighted mean of the metric scores measured on that day, capped where a gate applies.",
    "Override": "A score that a person set; while in force it is shown in place of the measured one, which alone gives the chance of loss.",
    "What moved a score": (
        "Behaviour: values measured on both days. Data: metrics that came or went. Scorecard: its weights and scales. Override: a person."
    ),
    "Band": "The highest band whose starting score the account reaches. Unscored: too little of the scorecard is measured to give a score.",
    "Coverage": "The share of the scorecard's weight that applies to an account and was measured.",
    "GRR, 12 months": "Of the ARR of twelve months ago, what the same accounts still pay, growth not counted.",
    "NRR, 12 months": "The same with growth counted.",
    "Logo churn, 12 months": "The share of the accounts of twelve months ago that have no ARR today.",
    "Likely lost": "ARR times the chance of loss at its score, summed; the range holds the outcome 95 times in 100 if the past is a guide.",
    "Chance of loss": "The share of past accounts with such a score that left, smoothed so that a lower score never means less risk.",
    "95% interval": "Where the figure would lie in 95 of 100 draws of accounts like these. “Cannot tell”: it holds the opposite too.",
    "AUC": "How often, of one account that left and one that stayed, the leaver had the lower score: 1 is always, 0.5 is a coin toss.",
    "Flagged by chance": "The share of all accounts in all months that stood in the worst band.",
    "Out of time": "Scored with what was known before, judged on what came after.",
}
"""Term -> what it means; shown at the end of the report."""
