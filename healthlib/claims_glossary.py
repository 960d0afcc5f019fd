"""What every figure of the executive report means, and how to read it: for a board member once, for a new CSM every day."""

from __future__ import annotations

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
    "Why": "What keeps the score from 100, the most first; unfolded: the figures behind it, and what changed since the month before.",
    "95% interval": "Where the figure would lie in 95 of 100 draws of accounts like these. “Cannot tell”: it holds the opposite too.",
    "Renews": "The day the running term ends: the first day that is no longer covered.",
    "± month, ± year": "Today against the previous month-end, and against the month-end a year ago.",
    "Score by month": "The score shown on each of the last 13 month-ends by today’s scorecard, from 0 at the foot to 100 at the top.",
    "Covered": "Of the active accounts to which a metric of the table applies, the share with a value for at least one of them.",
    "AUC": "How often, of one account that left and one that stayed, the leaver had the lower score: 1 is always, 0.5 is a coin toss. The "
    "audit takes all finished cases, this page those after the first outcomes were known: two sets, two figures.",
    "Flagged by chance": "The share of all accounts in all months that stood in the worst band.",
    "Out of time": "Scored with what was known before, judged on what came after.",
}
"""Term -> what it means; shown at the end of the report, and on the headings that carry the term."""

LESSONS = {
    "1. Start at the top": "The first sentence says how many accounts there are and how many stand in the worst band. Money comes before "
    "counts: one large account can matter more than fifty small ones.",
    "2. Read changes, not levels": "A score is a judgement by rules; its change says what happened. Compare with last month for news and "
    "with last year for direction.",
    "3. Find out why": "Each account at risk says why in plain words; click or tap them for the figures behind: value, date and age of the "
    "newest record, and in brackets the points of 100 that it costs.",
    "4. Mind the range": "“Likely lost” is a range, not a promise: in 95 of 100 months like this one the outcome lies inside. Plan with "
    "the middle, be ready for the high end.",
    "5. Do the next thing": "Every account in the list has an owner, a playbook and a date. If you are the owner: is it begun, and would "
    "the customer notice?",
    "6. Doubt": "The verdicts say what was tested. “With care” means true on average, uncertain for you; “cannot tell” means too little "
    "has happened yet. A green account can still leave.",
    "7. Unscored is not healthy": "An account with too little measured has no score. Nobody looking is itself a reason to look.",
}
"""How to read the report, in the order of the page."""
