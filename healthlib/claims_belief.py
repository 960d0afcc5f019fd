"""Can the report be believed? One verdict and one line a question, the whole answer beneath; what changed and what is left out."""

from __future__ import annotations

from typing import NamedTuple

from healthlib import claims_counts, claims_leaks
from healthlib.claims import against, ranged, undated
from healthlib.resample import Estimate
from healthlib.studies.at_risk import FLAG_DAYS
from healthlib.studies.belief import FEW, STALE_DAYS, stale
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.studies.leaks import left_out
from healthlib.studies.renewals import forecast_total
from healthlib.wording import count, counted, day, listed, money, number, share, unknown

ADVICE = {
    "adopt": "The data support other weights than those in use",
    "keep": "The data do not support changing the weights",
    "insufficient_evidence": "Whether other weights would do better, the data cannot tell yet",
}
SHORT_ADVICE = {
    "adopt": "others would have ranked better on later outcomes",
    "keep": "no others did better on later outcomes",
    "insufficient_evidence": "too little evidence for a change",
}


class Answer(NamedTuple):
    """A question of the doubter: the verdict (yes, care, no, cannot tell), one line, and the whole answer."""

    question: str
    verdict: str
    short: str
    whole: str


QUESTIONS = {
    "ranking": "Does a low score mean trouble?",
    "flagged": "Was the ARR that left seen coming?",
    "forecast": "Did forecasts come true?",
    "weights": "Are these the right weights?",
    "data": "Are the data complete and fresh?",
}
"""Verdict of `belief.verdicts` -> the question it answers."""


def answers(facts: ExecutiveFacts) -> list[Answer]:
    """What speaks for and against believing the figures, a verdict each."""
    lines = {
        "ranking": (_ranking_line(facts), _ranking(facts)),
        "flagged": (_flagged_line(facts), _flagged(facts)),
        "forecast": (_forecast_line(facts), _forecast(facts)),
        "weights": (SHORT_ADVICE[facts.advice["recommendation"]], f"{ADVICE[facts.advice['recommendation']]}. {facts.advice['reason']}"),
        "data": (_data_line(facts), _data(facts)),
    }
    return [Answer(QUESTIONS[name], facts.verdicts.get(name, "cannot tell"), *said) for name, said in lines.items()]


def believe(facts: ExecutiveFacts) -> dict[str, str]:
    """Question -> the whole answer."""
    found = {answer.question: answer.whole for answer in answers(facts)}
    told = hang_together(facts)
    return found | ({"Why do the counts differ?": told} if told else {})


def hang_together(facts: ExecutiveFacts) -> str:
    """Why the counts of the pages differ; empty where nothing was counted."""
    return claims_counts.counts(facts.counts, facts.context["kind"]) if facts.counts else ""


def verdict(facts: ExecutiveFacts) -> str:
    """All answers in one sentence: how many of the questions are answered yes."""
    said = [answer.verdict for answer in answers(facts)]
    words = {"yes": "yes", "care": "with care", "no": "no", "cannot tell": "cannot tell yet"}
    parts = [f"{count(said.count(name))} {word}" for name, word in words.items() if name in said]
    return f"Can this be believed? {listed(parts)}"


def _ranking_line(facts: ExecutiveFacts) -> str:
    auc = facts.auc
    if unknown(auc.value):
        return "too few outcomes have finished"
    span = f"{number(100 * auc.low, 0)}–{number(100 * auc.high, 0)}%"
    how = "cross-validated, " if facts.flat else ""
    return f"{how}the leaver scored lower in {share(auc.value)} of pairs ({span}, {counted(auc.events, 'loss', 'losses')}; chance 50%)"


def _flagged_line(facts: ExecutiveFacts) -> str:
    if facts.flat:
        return "the sheet has no dates"
    if not facts.flagged:
        return "nobody has left yet whose earlier score is known"
    arr, accounts, base = (facts.flagged[name] for name in ("arr", "accounts", "base"))
    return (
        f"{ranged(arr)} of it was {facts.bands[0]} {FLAG_DAYS} days before ({counted(accounts.n, 'account')}; chance {share(base.value)})"
    )


def _forecast_line(facts: ExecutiveFacts) -> str:
    if facts.flat:
        return "the sheet has no dates"
    if facts.forecast.empty:
        return "no month with a forecast has finished"
    total = forecast_total(facts.forecast)
    return f"{count(total['inside'])} of {counted(total['months'], 'month')} came inside the 95% range"


def _data_line(facts: ExecutiveFacts) -> str:
    old = stale(facts.tables)
    said = f"{share(facts.coverage['mean'])} of the scorecard is measured" if not unknown(facts.coverage["mean"]) else "nothing to measure"
    scored, n = int(facts.scores["score"].notna().sum()), len(facts.scores)
    said = f"only {count(scored)} of {counted(n, 'account')} can be scored" if scored < 0.8 * n else said
    if old.empty:
        return said
    return f"{said}; {named_tables(old['table'].tolist())} older than {counted(STALE_DAYS, 'day')}"


def named_tables(names: list[str]) -> str:
    """Tables by name, three at most: `usage and tickets are`.

    >>> named_tables(["usage"]), named_tables(["a", "b", "c", "d"])
    ('usage is', 'a, b, c and 1 more are')
    """
    shown = [*names[:3], f"{len(names) - 3} more"] if len(names) > 3 else names
    return f"{listed(shown)} {'is' if len(names) == 1 else 'are'}"


def fresh(facts: ExecutiveFacts) -> str:
    """How old the newest records are."""
    if facts.flat:
        return undated("how fresh the data are")
    dated = facts.tables[facts.tables["age_days"].notna()]
    if dated.empty:
        return "No table says when its rows were recorded, so how fresh the data are cannot be told."
    old = stale(facts.tables)
    if old.empty:
        oldest, as_of = dated.sort_values("age_days", kind="stable").iloc[-1], day(facts.context["as_of"])
        several = {1: "The one dated table reaches", 2: "Both dated tables reach"}.get(
            len(dated), f"All {count(len(dated))} dated tables reach"
        )
        if oldest["age_days"] <= 0:
            return f"{several} {as_of}."
        ends = f"; {oldest['table']} ends first" if len(dated) > 1 else ""
        return f"{several} to within {counted(oldest['age_days'], 'day')} of {as_of}{ends}."
    return f"{named_tables(old['table'].tolist())[:1].upper()}{named_tables(old['table'].tolist())[1:]} more than {STALE_DAYS} days old."


def definitions_changed(facts: ExecutiveFacts) -> str:
    """Whether the scorecard or what a figure means changed since the previous month-end."""
    month = facts.context["month"]
    if unknown(month):
        return "There is no earlier month, so no definition can have changed."
    late = facts.scorecards[facts.scorecards["adopted_on"] > month]
    if len(late):
        when = listed([day(at) for at in late["adopted_on"].drop_duplicates()])
        return f"The scorecard was changed on {when}; earlier months are shown as today’s scorecard scores them."
    last = facts.scorecards["adopted_on"].max() if len(facts.scorecards) else None
    before = "" if unknown(last) else f"; the last change on record was on {day(last)}"
    return f"No change of the scorecard is on record since {day(month)}{before}. All definitions are those of the list below."


def exclusions(facts: ExecutiveFacts) -> list[str]:
    """What is not in the figures, a sentence each; empty where nothing is left out."""
    said, scores = [], facts.scores
    out = scores[scores["score"].isna()]
    if len(out):
        said.append(
            f"{counted(len(out), 'account')} ({money(out['arr'].sum(), facts.currency)}) cannot be scored: counted in totals, in no band."
        )
    rejected, rows = int(facts.tables["rows_rejected"].sum()), int(facts.tables["rows_in"].sum())
    if rejected:
        said.append(f"{count(rejected)} of {counted(rows, 'input row')} broke a rule and {'is' if rejected == 1 else 'are'} in no figure.")
    number_, part = facts.context.get("left_out", 0), facts.context.get("left_out_share", 0.0)
    if number_:
        said.append(
            f"{counted(number_, 'metric')} ({share(part)} of the weight) {'seems' if number_ == 1 else 'seem'} to know the outcome: part "
            "of the score shown, left out of every chance of loss, forecast and test."
        )
    overruled = int((scores["score"] != scores["score_without_override"]).sum() - scores["score"].isna().sum()) if len(scores) else 0
    if overruled > 0:
        said.append(f"{counted(overruled, 'score')} {'is' if overruled == 1 else 'are'} shown as a person set it, not as measured.")
    later, endless = facts.calendar.later, facts.calendar.endless
    for (accounts, arr), what in ((later, "renew later than in twelve months"), (endless, "have a contract without an end")):
        if accounts and len(facts.calendar.months):
            verb = what.replace("renew ", "renews ").replace("have ", "has ") if accounts == 1 else what
            said.append(f"{counted(accounts, 'account')} ({money(arr, facts.currency)}) {verb}: not in the renewals calendar.")
    return said


def track(facts: ExecutiveFacts) -> str:
    """Forecast against actual, as a claim."""
    return _forecast(facts)


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
    basis = f"{'Cross-validated' if facts.flat else 'Tested out of time'} on {counted(auc.n, 'account')}, {losses}"
    said = f"Of one account that left and one that stayed, the leaver had the lower score {rate}. {basis}{_bare(facts)}."
    verdict = f" The score {telling(auc)}." if auc.low > 0.5 else " That cannot be told from a coin toss."
    return said + verdict + (f" Fewer than {FEW} losses: expect this to move." if auc.events < FEW else "")


def _flagged(facts: ExecutiveFacts) -> str:
    if facts.flat:
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
    if facts.flat:
        return undated("whether a forecast came true")
    if facts.forecast.empty:
        return "Cannot tell: no month with a forecast has finished yet."
    total = forecast_total(facts.forecast)
    base, expected, actual = (money(total[name], facts.currency) for name in ("renewing_arr", "expected", "actual"))
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
    said = f"{count(scored)} of {counted(n, 'account')} could be scored" if n else "No account is a customer today"
    said += f"; on average {share(facts.coverage['mean'])} of the scorecard is measured. " if n else ". "
    said += f"{count(rejected)} of {counted(rows, 'input row')} {'was' if rejected == 1 else 'were'} set aside as faulty"
    said += f"; {counted(len(facts.warnings), 'warning')}, listed below." if facts.warnings else "."
    leaky, out = claims_leaks.counting(facts.leaks), len(left_out(facts.leaks))
    scored_ = facts.context.get("left_out", 0)
    weightless = f" Only {count(scored_)} of them {'has' if scored_ == 1 else 'have'} weight." if scored_ < out else ""
    return f"{said} {leaky}{weightless}" if leaky else said
