"""The two YAML files of the second simulated company, whose playbooks go by the score that was shown."""

from __future__ import annotations

WORKSPACE = """\
# An invented company, written by `healthlib demo --rule`: whoever the present tool shows below 50, ninety days before the term ends, gets a
# playbook. truth.json says what the playbooks bring, so that what backtest.html says of them can be checked.
name: Rule & Sons (simulated)
currency: USD
simulated: true
data_through: 2026-10-31
outcome: {kind: renewal, lead_days: 90, grace_days: 30}
"""

SCORECARD = """\
# The scorecard that is to replace the present tool. The playbooks of the past went by that tool's score (score_history), not by this one.
groups: [adoption, relationship]
metrics:
  seats_used:
    group: adoption
    label: Share of seats used
    table: readings
    measure: last value
    stale_after_days: 45
    worst: 0
    best: 1
    weight: 40
  workflows:
    group: adoption
    label: Workflows run
    table: readings
    measure: last value
    stale_after_days: 45
    worst: 0
    best: 40
    weight: 30
  sponsor_calls:
    group: relationship
    label: Calls of the sponsor
    table: readings
    measure: last value
    stale_after_days: 45
    worst: 0
    best: 6
    weight: 20
  rating:
    group: relationship
    label: CSM's own rating
    table: ratings
    measure: last rating
    stale_after_days: 45
    worst: 1
    best: 5
    weight: 10
bands:
  - {name: red, from: 0}
  - {name: yellow, from: 50}
  - {name: green, from: 65}
"""
