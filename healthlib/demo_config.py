"""The two YAML files of the simulated company, written as the example that users learn from."""

from __future__ import annotations

WORKSPACE = """\
# What this folder holds and what counts as an outcome. Every key is explained in the README.
# The company is invented: `healthlib demo` wrote each row, and truth.json says what drives its churn.
name: Acme Cloud (simulated)
currency: USD
simulated: true                 # every report made from this folder says so
data_through: 2026-10-31        # the last day that the exports cover; without it, the newest event decides

# Files named like the canonical tables (accounts.csv, usage.csv.gz ...) are found by themselves.
# Only what is called something else needs a line here, for instance:
# tables:
#   contracts: {file: exports/opportunities.csv, columns: {account_id: Account ID, arr: Annual Amount, end_date: Close Date}}
#   usage: {sql: "select account as account_id, ts as occurred_at, n as quantity from 'exports/events/*.parquet'"}

outcome:
  kind: renewal                 # renewal | churn_within (evergreen subscriptions) | expansion
  lead_days: 90                 # the score is judged as it stood so many days before the term ended
  grace_days: 30                # signed at most so many days late is still a renewal
# success:                      # who counts as a successful customer; these are the values without it
#   renewals: 1                 # at least so many finished terms kept
#   arr_kept: 1.0               # ARR today / ARR a year ago, at least
#   use_points: 50              # mean points (0 to 100) of the metrics of use and contact, at least
#   tenure_days: 0              # days since the first contract, at least
max_rejected: 0.01              # more than this share of a table's rows unusable: stop rather than guess
"""

SCORECARD = """\
# How Acme Cloud scores customer health: D.E.A.R. (deployment, engagement, adoption, ROI) and three groups more.
# These are the weights that somebody once agreed on in a meeting. `healthlib fit` says what they should have been.
groups: [deployment, engagement, adoption, roi, relationship, support, commercial]

metrics:
  # --- deployment: is it installed, and are the people on it? ------------------------------------------------------
  onboarding_done:
    group: deployment
    label: Onboarding steps completed
    table: milestones
    measure: share completed_at       # share of the steps that are done: a bare column means "is not empty"
    worst: 0.4                        # 40 % or less scores 0 ...
    best: 1                           # ... all done scores 100, a straight line between
    weight: 9
  provisioned_share:
    group: deployment
    label: Paid seats provisioned
    table: readings                   # a figure measured elsewhere, one row a month; reads the rows named `provisioned_share`
    measure: last value
    stale_after_days: 60              # an older reading counts as missing
    worst: 0.3
    best: 1
    weight: 5

  # --- engagement: do they talk to us, and who? --------------------------------------------------------------------
  executive_contact:
    group: engagement
    label: Days since contact with an executive
    table: touchpoints
    where: persona = 'executive'      # any SQL condition over the row's own columns
    measure: days_since
    better: lower
    worst: 240
    best: 30
    applies_to: {segment: [Mid-Market, Enterprise]}   # nobody expects an executive sponsor at a small customer
    weight: 5
  meetings:
    group: engagement
    label: Meetings in 90 days
    table: touchpoints
    where: kind in ('meeting', 'qbr', 'call')
    measure: count
    window_days: 90                   # counts back from, and includes, the day of the score
    worst: 0
    best: {quantile: 0.9}             # read from the past up to the day in question, never from the future
    weight: 15

  # --- adoption: do they use what they pay for? --------------------------------------------------------------------
  active_seats:
    group: adoption
    label: Active seats
    table: usage
    measure: distinct user_id
    window_days: 30
    per: seats                        # divided by the seats of the contract that runs on that day
    worst: 0
    best: 0.8
    profiles:                         # the first that holds wins; everybody else keeps the values above
      - when: {age_days: {under: 180}}
        best: 0.6
    weight: 9
  feature_breadth:
    group: adoption
    label: Features used
    table: usage
    measure: distinct feature
    window_days: 30
    worst: 1
    best: 7
    weight: 7
  usage_trend:
    group: adoption
    label: Usage against two months ago
    table: usage
    measure: sum quantity
    window_days: 30
    trend: 60                         # (last 30 days - the 30 days that ended 60 days ago) / the latter
    worst: -0.5
    best: 0.3
    weight: 4

  # --- ROI: did they get what they bought it for? ------------------------------------------------------------------
  goals_achieved:
    group: roi
    label: Value goals achieved
    table: goals
    measure: share achieved_at
    window_days: 540
    worst: 0
    best: 1
    weight: 5

  # --- relationship: what they and we say ---------------------------------------------------------------------------
  nps:
    group: relationship
    label: Latest NPS answer
    table: surveys
    where: kind = 'nps'
    measure: last score
    stale_after_days: 270
    worst: 0
    best: 10
    weight: 12
  csm_rating:
    group: relationship
    label: CSM's own rating
    table: ratings
    measure: last rating              # some ratings were entered late: they count from `recorded_at` on
    stale_after_days: 90
    worst: 1
    best: 5
    weight: 15
  advocacy:
    group: relationship
    label: Acts of advocacy in a year
    table: advocacy
    measure: count
    window_days: 365
    worst: 0
    best: 2
    weight: 4

  # --- support ------------------------------------------------------------------------------------------------------
  ticket_satisfaction:
    group: support
    label: Satisfaction with support
    table: tickets
    measure: mean satisfaction
    window_days: 180
    worst: 1
    best: 5
    weight: 6
  cancellation_tickets:
    group: support
    label: Tickets about cancelling
    table: tickets
    where: category = 'cancellation'  # it looked like such a good early sign ...
    measure: count
    window_days: 180
    better: lower
    worst: 1
    best: 0
    weight: 1
  critical_open:
    group: support
    label: Critical tickets open
    table: tickets
    where: severity = 'critical'
    measure: open                     # opened, and not closed as far as was known on that day
    better: lower
    worst: 2
    best: 0
    weight: 0                         # tracked and used by a gate, but never part of the sum

  # --- commercial ---------------------------------------------------------------------------------------------------
  late_payment:
    group: commercial
    label: Invoices paid late
    table: invoices
    where: recurring
    measure: share paid_at > due_at
    window_days: 365
    better: lower
    worst: 1
    best: 0
    weight: 3

bands:                                # low to high; a score belongs to the highest band whose `from` it reaches
  - {name: red, from: 0}
  - {name: yellow, from: 50}
  - {name: green, from: 65}

gates:                                # whatever the sum says, the score is capped, and every explanation says why
  - {name: critical ticket open, metric: critical_open, at_least: 1, cap: 49}
  - {name: nobody logs in, metric: active_seats, at_most: 0, cap: 30}

min_coverage: 0.5                     # less of the weight than this measured: "unscored", never a made-up number

limits:                               # what no fit may do, whatever the data say
  csm_rating: {max: 15}               # a judgement must not run the score ...
  adoption: {min: 20, max: 60}        # ... and usage must not vanish from it (a whole group)

alerts:                               # who is worth a call; every rule has a default, so the section may be left out
  trend: {days: 90, points: 15}       # 15 points lower than 90 days ago (`percent: 20`: by a fifth of what it was)
  no_contact: {days: 60}              # nothing in touchpoints for so long
  renewal_near: {days: 90, of_weight: 0.33}   # the term ends soon, and a third of the weight lies in groups in the worst band
  usage_back: {metric: usage, after_silent_days: 60}   # used again: the moment to ask what happened
  hysteresis: 3                       # a band is left only when the score passes its edge by so many points: nothing flaps
  listed_days: 90                     # an alert is listed for so long while it holds, and not raised again in that time
  off: []                             # kinds not wanted; backtest.html says which were worth it in the past

playbooks:                            # what to do: band, then the group that pulls the score down the most
  red:
    deployment: Re-launch onboarding with a named project lead within 10 working days
    engagement: Executive call within 5 working days
    adoption: Usage review with the champion and a 30-day adoption plan
    roi: Value workshop - agree on two measurable goals
    relationship: Meet the sponsor in person and map the new stakeholders
    support: Escalate open tickets to the head of support, daily updates
    commercial: Settle billing questions before talking about the renewal
  yellow:
    deployment: Finish the open onboarding steps this month
    engagement: Invite an executive to the next business review
    adoption: Train the inactive seats
    roi: Review the goals that are overdue
    relationship: Call detractors back
    support: Review recent tickets with the customer
    commercial: Check the invoices with the customer's finance team
"""
