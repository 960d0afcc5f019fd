"""Reading workspace.yaml and scorecard.yaml: what parses, and the exact words of what does not."""

# ruff: noqa: E501 - error texts stand here in full
from __future__ import annotations

import contextlib
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from healthlib.errors import SpecError
from healthlib.spec import Gate, Limit, Measure, Metric, Quantile, Range, load_scorecard, load_workspace

WORKSPACE = "name: Acme\n"
SCORECARD = """\
groups: [adoption, support]
metrics:
  seats_used: {group: adoption, table: usage, measure: distinct user_id, window_days: 30, worst: 0, best: 0.8, weight: 20}
  tickets: {group: support, table: tickets, measure: count, window_days: 90, better: lower, worst: 9, best: 0, weight: 10}
bands: [{name: red, from: 0}, {name: green, from: 60}]
"""


def write(folder: Path, scorecard: str | bytes = SCORECARD, workspace: str | bytes = WORKSPACE) -> Path:
    for name, text in (("workspace.yaml", workspace), ("scorecard.yaml", scorecard)):
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def faults(folder: Path, scorecard: str | bytes = SCORECARD, workspace: str | bytes = WORKSPACE) -> list[str]:
    """The faults as text, without the folder in front."""
    with pytest.raises(SpecError) as caught:
        load_workspace(write(folder, scorecard, workspace))
    assert len(caught.value.faults) == len(set(caught.value.faults))
    return [str(fault).removeprefix(folder.as_posix() + "/") for fault in caught.value.faults]


def metric(keys: str, *more: str) -> str:
    """A scorecard of `seats_used` and `probe` with these keys, on line 4, and further lines after bands."""
    lines = SCORECARD.splitlines()
    return "\n".join([*lines[:3], f"  probe: {{{keys}}}", lines[4], *more])


def probe(folder: Path, keys: str) -> Metric:
    return load_workspace(write(folder, metric(keys))).scorecard.metrics["probe"]


USAGE = "group: adoption, table: usage, window_days: 30, worst: 0, best: 1"


def test_smallest_workspace_has_the_defaults_of_the_contract(tmp_path):
    workspace = load_workspace(write(tmp_path))
    assert (workspace.name, workspace.currency, workspace.data_through, workspace.max_rejected) == ("Acme", "USD", None, 0.01)
    assert workspace.outcome.model_dump() == {
        "kind": "renewal",
        "lead_days": 90,
        "horizon_days": 90,
        "grace_days": 30,
        "expansion_over": 0.0,
    }
    assert workspace.success.model_dump() == {"renewals": 1, "arr_kept": 1.0, "use_points": 50.0, "tenure_days": 0}
    assert not workspace.success.stated
    assert workspace.work.model_dump() == {
        "accounts_per_csm": 12.0, "csms": None, "cost": None, "save_rate": (0.1, 0.3), "renew_best": 0.95, "renew_worst": 0.75,
    }  # fmt: skip
    card = workspace.scorecard
    assert card.weights == {"seats_used": 20, "tickets": 10}
    assert card.metrics["seats_used"].label == "Seats used"
    assert card.metrics["seats_used"].measure == Measure(kind="distinct", of="user_id")
    assert [(band.name, band.start) for band in card.bands] == [("red", 0), ("green", 60)]
    assert len(card.sha256) == len(workspace.sha256) == 64
    assert load_scorecard(tmp_path / "scorecard.yaml") == card


def test_every_key_of_the_contract_parses(tmp_path):
    workspace = """\
name: Acme Cloud
currency: EUR
data_through: 2026-10-31
simulated: true
tables:
  contracts: {file: exports/opportunities.csv, columns: {account_id: Account ID, arr: Annual Amount}}
  usage: {sql: "select account as account_id from 'exports/*.parquet'", lag_days: 2}
  logins: {file: logins.csv, time: at}
outcome: {kind: churn_within, lead_days: 60, horizon_days: 45, grace_days: 10, expansion_over: 0.1}
success: {renewals: 2, arr_kept: 0.9, use_points: 60}
work: {accounts_per_csm: 8, csms: 3, cost: 450, save_rate: 0.25}
max_rejected: 0.02
"""
    scorecard = """\
groups: [adoption, voice]
metrics:
  active_seats:
    group: adoption
    label: Active seats
    table: usage
    measure: distinct user_id
    window_days: 30
    trend: 60
    where: feature <> 'login'
    per: active users
    better: higher
    worst: {quantile: 0.1}
    best: {quantile: 0.9}
    profiles:
      - when: {age_days: {under: 180, at_least: 30}}
        best: 0.6
        weight: 3
      - when: {segment: SMB, tier: [1, 2]}
        worst: 0.1
    missing: neutral
    applies_to: {segment: [Enterprise, Mid-Market], vip: true}
    weight: 20
  log_ins: {group: adoption, table: logins, measure: count, per: ARR, worst: 0, best: 3}
  nps: {group: voice, table: readings, reading: NPS (0-10), stale_after_days: 90, missing: worst, worst: 0, best: 10, weight: 5}
  age: {group: voice, measure: age, worst: 0, best: 700}
bands: [{name: red, from: 0}, {name: green, from: 60.5}]
gates: [{name: silence, metric: log_ins, at_most: 0, cap: 49}]
min_coverage: 0.4
limits: {nps: {max: 15}, adoption: {min: 20, max: 90}}
playbooks: {red: {voice: Call them}}
"""
    loaded = load_workspace(write(tmp_path, scorecard, workspace))
    assert (loaded.data_through, loaded.simulated, loaded.outcome.kind) == (date(2026, 10, 31), True, "churn_within")
    assert loaded.success.model_dump() == {"renewals": 2, "arr_kept": 0.9, "use_points": 60.0, "tenure_days": 0}
    assert loaded.success.stated
    assert (loaded.work.accounts_per_csm, loaded.work.csms, loaded.work.cost, loaded.work.save_rate) == (8, 3, 450, (0.25, 0.25))
    assert loaded.tables["contracts"].columns == {"account_id": "Account ID", "arr": "Annual Amount"}
    assert (loaded.tables["usage"].lag_days, loaded.tables["logins"].time) == (2, "at")
    card = loaded.scorecard
    seats = card.metrics["active_seats"]
    assert (seats.per, seats.trend, seats.worst, seats.missing) == ("active_users", 60, Quantile(quantile=0.1), "neutral")
    assert seats.profiles[0].when == {"age_days": Range(under=180, at_least=30)}
    assert seats.profiles[1].when == {"segment": ("SMB",), "tier": ("1", "2")}
    assert seats.applies_to == {"segment": ("Enterprise", "Mid-Market"), "vip": ("true",)}
    assert card.metrics["log_ins"].per == "arr"
    nps = card.metrics["nps"]
    assert (nps.measure, nps.reading, nps.table) == (Measure(kind="last", of="value"), "NPS (0-10)", "readings")
    assert card.gates == (Gate(name="silence", metric="log_ins", holds=Range(at_most=0), cap=49),)
    assert card.limits == {"nps": Limit(min=0, max=15), "adoption": Limit(min=20, max=90)}
    assert card.playbooks == {"red": {"voice": "Call them"}}


@pytest.mark.parametrize(
    ("text", "kind", "of"),
    [
        ("count", "count", None),
        ("sum quantity", "sum", "quantity"),
        ("share severity = 'urgent'", "share", "severity = 'urgent'"),
        ("last  score ", "last", "score"),
        ("days_since", "days_since", None),
    ],
)
def test_measures(tmp_path, text, kind, of):
    assert probe(tmp_path, f'{USAGE}, measure: "{text}"').measure == Measure(kind=kind, of=of)


def test_better_follows_from_the_ends(tmp_path):
    assert probe(tmp_path, "group: adoption, table: usage, measure: count, worst: 9, best: 0").better == "lower"
    assert probe(tmp_path, "group: adoption, table: usage, measure: count, worst: {quantile: 0.9}, best: {quantile: 0.1}").better == "lower"
    assert probe(tmp_path, "group: adoption, table: usage, measure: count, worst: 0, best: {quantile: 0.1}").better == "higher"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("group: adoption, worst: 0, best: 1, table: usage", "probe.measure: found nothing; `measure` is required."),
        (f"{USAGE}, measure: cuont", "probe.measure: found 'cuont'; expected a measure: count, sum, mean, max, distinct, last, days_since, share, "
         "open, age. Did you mean 'count'?"),
        (f"{USAGE}, measure: sum", "probe.measure: found 'sum'; sum of what? For example `sum quantity`."),
        (f"{USAGE}, measure: count feature", "probe.measure: found 'count feature'; expected `count` alone; put a condition on the rows under `where`."),
        (f"{USAGE}, measure: trend of count", "probe.measure: found 'trend of count'; write the measure alone and `trend: 60` (days) as a key of its own."),
        (f"{USAGE}, measure: open", "probe.measure: found 'open'; `open` needs a table whose rows are closed later: tickets, milestones, goals, "
         "invoices, interventions."),
        (f"{USAGE}, measure: count, per: seat", "probe.per: found 'seat'; expected seats, active users, ARR, or a measure such as `distinct user_id`. "
         "Did you mean 'seats'?"),
        (f"{USAGE}, measure: count, stale_after_days: 9", "probe.stale_after_days: found 9; it goes with `last`; for `count` set `window_days`."),
        (f"{USAGE}, measure: count, reading: nps", "probe.reading: found 'nps'; only metrics on the table `readings` have one."),
        (f"{USAGE}, measure: age", "probe.table: found 'usage'; `age` is the days since the account's first contract and takes none."),
        (f"{USAGE}, measure: count, weight: -1", "probe.weight: found -1; expected a number of at least 0."),
        (f"{USAGE}, measure: count, weight: yes", "probe.weight: found 'yes'; expected a number."),
        (f"{USAGE}, measure: count, trend: 2.5", "probe.trend: found 2.5; expected a whole number."),
        (f"{USAGE}, measure: count, better: hihger", "probe.better: found 'hihger'; expected 'higher' or 'lower'. Did you mean 'higher'?"),
        (f"{USAGE}, measure: count, better: lower", "probe.better: found lower with worst 0 and best 1; expected best below worst, or better: higher."),
        (f"{USAGE}, measure: count, column: Logins", "probe.column: found `column`; it goes with `flat:` in workspace.yaml; tables are read by "
         "`table` and `measure`."),
        (f"{USAGE}, measure: count, wieght: 3", "probe.wieght: found the unknown key 'wieght'; expected one of group, label, table, column, measure, where, "
         "window_days, trend, per, against, better, worst, best, steps, curve, levels, profiles, missing, stale_after_days, applies_to, weight, reading, not_a_leak. Did you mean 'weight'?"),
        (f"{USAGE}, measure: count, name: x", "probe.name: found the unknown key 'name'; expected one of group, label, table, column, measure, where, "
         "window_days, trend, per, against, better, worst, best, steps, curve, levels, profiles, missing, stale_after_days, applies_to, weight, reading, not_a_leak."),
        ("group: adoption, table: usage, measure: count, window_days: 0, worst: 0, best: 1", "probe.window_days: found 0; expected a number over 0."),
        ("group: adoption, table: usage, measure: count, worst: 1, best: 1", "probe.best: found worst and best both 1; they must differ."),
        ("group: adoption, table: usage, measure: count, worst: low, best: 1", "probe.worst: found 'low'; expected a finite number or {quantile: 0.1}."),
        ("group: adoption, table: usage, measure: count, worst: 0, best: {quantil: 1}", "probe.best.quantile: found nothing; `quantile` is required."),
        ("group: adoption, table: usage, measure: count, worst: 0, best: {quantile: 90}",
         "probe.best.quantile: found 90; expected a number of at most 1."),
        ("group: adopton, table: usage, measure: count, worst: 0, best: 1",
         "probe.group: found 'adopton'; expected one of adoption, support. Did you mean 'adoption'?"),
        ("group: adoption, measure: count, worst: 0, best: 1", "probe.table: found nothing; `count` needs a table to read."),
        (f"{USAGE}, measure: count, applies_to: {{lost: 1}}",
         "probe.applies_to.lost: found 'lost'; a condition that was known on the day; this one is only known afterwards."),
        (f"{USAGE}, measure: count, applies_to: {{arr: 100}}", "probe.applies_to.arr: found 100; arr is a number: write {under, at_most, over, at_least}, "
         "for example {under: 180}."),
        (f"{USAGE}, measure: count, applies_to: {{segment: }}", "probe.applies_to.segment: found nothing; expected a value, a list of values, or a mapping "
         "of under, at_most, over, at_least."),
        (f"{USAGE}, measure: count, profiles: [{{when: {{age_days: {{undr: 3}}}}, best: 2}}]", "probe.profiles[0].when.age_days.undr: found the unknown key "
         "'undr'; expected one of under, at_most, over, at_least. Did you mean 'under'?"),
        (f"{USAGE}, measure: count, profiles: [{{when: {{segment: SMB}}}}]",
         "probe.profiles[0]: found a profile that changes nothing; give it worst, best, steps, a curve or a weight."),
        (f"{USAGE}, measure: count, profiles: [{{when: {{segment: SMB}}, best: -1}}]", "probe.profiles[0].better: found higher with worst 0 and best -1; "
         "expected best above worst, or better: lower."),
    ],
)  # fmt: skip
def test_faults_of_one_metric(tmp_path, keys, said):
    assert f"scorecard.yaml:4: metrics.{said}" in faults(tmp_path, metric(keys))


def test_unknown_table_names_the_nearest_and_the_way_out(tmp_path):
    [said] = faults(
        tmp_path, metric("group: adoption, table: usag, measure: count, worst: 0, best: 1"), "name: A\ntables: {logins: {time: at}}\n"
    )
    assert said.startswith("scorecard.yaml:4: metrics.probe.table: found 'usag'; expected one of accounts, contracts,")
    assert said.endswith("logins, or a table of your own under `tables` in workspace.yaml. Did you mean 'usage'?")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  tickets:", "  open tickets:", "4: metrics.open tickets: found 'open tickets'; expected a name of letters, digits and _; words belong in `label`."),
        ("  tickets:", "  arr:", "4: metrics.arr: found 'arr'; another name: this one is a column of every case."),
        ("  tickets:", "  Segment:", "4: metrics.Segment: found 'Segment'; another name: this one is a column of every case."),
        ("  tickets:", "  SEATS_USED:", "4: metrics.SEATS_USED: found 'SEATS_USED'; another name: upper and lower case alone do not tell two metrics apart."),
        ("  tickets:", "  seats_used:", "4: metrics.seats_used: found the same key again (first on line 3); keep one of the two."),
        ("from: 60", "from: 0", "5: bands[1].from: found 0 after 0; expected bands from low to high."),
        ("from: 0}", "from: 5}", "5: bands[0].from: found 5; expected 0: the lowest band must hold the lowest score."),
        ("name: green", "name: red", "5: bands[1].name: found 'red' for the second time; give each its own name."),
        ("name: green", "name: unscored", "5: bands[1].name: found 'unscored'; another name: this is the band of accounts that cannot be scored."),
        ("[adoption, support]", "[adoption, support, support]", "1: groups[2]: found 'support' for the second time; give each its own name."),
        ("[adoption, support]", "adoption", "1: groups: found 'adoption'; expected a list such as [a, b]."),
        ("bands: ", "min_coverage: 40\nbands: ", "5: min_coverage: found 40; expected a number of at most 1."),
        ("bands: ", "gates: [{name: g, metric: ticket, over: 1, cap: 9}]\nbands: ",
         "5: gates[0].metric: found 'ticket'; expected one of seats_used, tickets. Did you mean 'tickets'?"),
        ("bands: ", "gates: [{name: g, metric: tickets, cap: 9}]\nbands: ",
         "5: gates[0]: found a mapping; a gate needs a condition: under, at_most, over, at_least."),
        ("bands: ", "gates: [{name: g, metric: tickets, over: many, cap: 9}]\nbands: ", "5: gates[0].over: found 'many'; expected a number."),
        ("bands: ", "gates: {name: g}\nbands: ", "5: gates: found a mapping; expected a list such as [{key: value}]."),
        ("bands: ", "limits: {tikets: {max: 5}}\nbands: ",
         "5: limits.tikets: found 'tikets'; expected one of seats_used, tickets, adoption, support. Did you mean 'tickets'?"),
        ("bands: ", "limits: {tickets: {min: 5, max: 4}}\nbands: ", "5: limits.tickets: found min 5 above max 4; expected min <= max."),
        ("bands: ", "limits: {tickets: {min: 60}, adoption: {min: 50}}\nbands: ", "5: limits: found minimums that need 110 points; expected at most 100 in all."),
        ("bands: ", "limits: {tickets: {max: 30}, seats_used: {max: 60}}\nbands: ",
         "5: limits: found maximums that allow 90 points; expected at least 100 in all: weights sum to 100."),
        ("bands: ", "limits: {tickets: {min: 30}, support: {max: 20}}\nbands: ",
         "5: limits.support: found max 20, but its metrics need at least 30; raise the group's max or lower its metrics' min."),
        ("bands: ", "playbooks: {rde: {adoption: x}}\nbands: ", "5: playbooks.rde: found 'rde'; expected one of red, green. Did you mean 'red'?"),
        ("bands: ", "playbooks: {red: {adopt: x}}\nbands: ",
         "5: playbooks.red.adopt: found 'adopt'; expected one of adoption, support. Did you mean 'adoption'?"),
        ("bands: ", "colour: red\nbands: ", "5: colour: found the unknown key 'colour'; expected one of groups, min_coverage, playbooks, metrics, bands, "
         "gates, limits, alerts."),
        ("weight: 20", "weight: 0", None),
    ],
)  # fmt: skip
def test_faults_of_the_scorecard(tmp_path, old, new, said):
    changed = SCORECARD.replace(old, new, 1)
    if said is None:
        changed, said = (
            changed.replace("weight: 10", "weight: 0"),
            "2: metrics: found only weights of 0; give at least one metric a weight over 0.",
        )
    assert f"scorecard.yaml:{said}" in faults(tmp_path, changed)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("nmae: x", "2: nmae: found the unknown key 'nmae'; expected one of name, currency, database, engine, cases, reads, data_through, outcome, success, work, max_rejected, simulated, tables, flat. "
         "Did you mean 'name'?"),
        ("folder: /tmp", "2: folder: found the unknown key 'folder'; expected one of name, currency, database, engine, cases, reads, data_through, outcome, success, work, max_rejected, simulated, tables, flat."),
        ("data_through: 2026-02-30", "2: data_through: found '2026-02-30'; expected a day that exists."),
        ("data_through: '2026-02-30'", "2: data_through: found '2026-02-30'; expected a day that exists."),
        ("data_through: Friday", "2: data_through: found 'Friday'; expected a day such as 2026-10-31."),
        ("simulated: yes", "2: simulated: found 'yes'; expected true or false."),
        ("max_rejected: 5", "2: max_rejected: found 5; expected a number of at most 1."),
        ("currency: 5", "2: currency: found 5; expected text (numbers and dates that are meant as text need quotes)."),
        ("outcome: {kind: renewals}", "2: outcome.kind: found 'renewals'; expected 'renewal', 'churn_within' or 'expansion'. Did you mean 'renewal'?"),
        ("outcome: {horizon: 9}", "2: outcome.horizon: found the unknown key 'horizon'; expected one of kind, lead_days, horizon_days, grace_days, "
         "expansion_over. Did you mean 'horizon_days'?"),
        ("success: {renewal: 2}", "2: success.renewal: found the unknown key 'renewal'; expected one of renewals, arr_kept, use_points, tenure_days. "
         "Did you mean 'renewals'?"),
        ("success: {renewals: 1.5}", "2: success.renewals: found 1.5; expected a whole number."),
        ("success: {use_points: 120}", "2: success.use_points: found 120; expected a number of at most 100."),
        ("success: {arr_kept: most}", "2: success.arr_kept: found 'most'; expected a number."),
        ("success: {tenure_days: -1}", "2: success.tenure_days: found -1; expected a number of at least 0."),
        ("work: {save_rates: 0.2}", "2: work.save_rates: found the unknown key 'save_rates'; expected one of accounts_per_csm, csms, cost, save_rate, "
         "renew_best, renew_worst. Did you mean 'save_rate'?"),
        ("work: {save_rate: [0.3, 0.1]}", "2: work.save_rate: found a list; expected a share from 0 to 1, or a range of them such as [0.1, 0.3]."),
        ("work: {save_rate: 1.2}", "2: work.save_rate: found 1.2; expected a share from 0 to 1, or a range of them such as [0.1, 0.3]."),
        ("work: {save_rate: often}", "2: work.save_rate: found 'often'; expected a list such as [a, b]."),
        ("work: {cost: -1}", "2: work.cost: found -1; expected a number of at least 0."),
        ("work: {csms: 2.5}", "2: work.csms: found 2.5; expected a whole number."),
        ("work: {renew_best: 95}", "2: work.renew_best: found 95; expected a number of at most 1."),
        ("wrok: {cost: 1}", "2: wrok: found the unknown key 'wrok'; expected one of name, currency, database, engine, cases, reads, data_through, outcome, success, "
         "work, max_rejected, simulated, tables, flat. Did you mean 'work'?"),
        ("success: 2", "2: success: found 2; expected a mapping such as {key: value}."),
        ("sucess: {renewals: 1}", "2: sucess: found the unknown key 'sucess'; expected one of name, currency, database, engine, cases, reads, data_through, outcome, success, "
         "work, max_rejected, simulated, tables, flat. Did you mean 'success'?"),
        ("tables: {usage: {file: a.csv, sql: select 1}}", "2: tables.usage.sql: found `file` and `sql`; keep one of the two."),
        ("tables: {usage: {sql: select 1, columns: {a: b}}}", "2: tables.usage.columns: found `columns` beside `sql`; rename in the query: `select theirs as "
         "canonical`."),
        ("tables: {usag: {file: a.csv}}", "2: tables.usag: found the table 'usag' without `time`; a table of your own needs `time:`, the name of its time "
         "column. Did you mean 'usage'?"),
        ("tables: {usage: {time: at}}", "2: tables.usage.time: found 'at'; map it: `columns: {occurred_at: at}`."),
        ("tables: {usage: {columns: {At: occurred_at}}}", "2: tables.usage.columns.At: found `At: occurred_at`; the canonical name comes first: "
         "`occurred_at: At`."),
        ("tables: {usage: {lag_days: -1}}", "2: tables.usage.lag_days: found -1; expected a number of at least 0."),
        ("tables: [usage]", "2: tables: found a list; expected a mapping such as {name: {key: value}}."),
        ("tables: {usage: usage.csv}", "2: tables.usage: found 'usage.csv'; expected a mapping such as {key: value}."),
    ],
)  # fmt: skip
def test_faults_of_the_workspace(tmp_path, lines, said):
    assert faults(tmp_path, workspace=f"{WORKSPACE}{lines}\n") == [f"workspace.yaml:{said}"]


def test_all_faults_of_both_files_at_once_in_the_order_of_their_lines(tmp_path):
    scorecard = SCORECARD.replace("0.8", "0").replace("group: support", "group: suport").replace("from: 60", "from: sixty")
    said = faults(tmp_path, scorecard, "name: 7\ncurency: EUR\n")
    assert [text.split(" ")[0] for text in said] == [
        "workspace.yaml:1:",
        "workspace.yaml:2:",
        "scorecard.yaml:3:",
        "scorecard.yaml:4:",
        "scorecard.yaml:5:",
    ]


def test_missing_files_are_named_with_the_cure(tmp_path):
    with pytest.raises(SpecError) as caught:
        load_workspace(tmp_path / "nowhere")
    assert [fault.found for fault in caught.value.faults] == ["no such file"] * 2
    assert "`healthlib init` writes both from a folder of exports" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "scorecard.yaml:1: found an empty file; expected lines of `key: value`."),
        (b"# nothing yet\n", "scorecard.yaml:1: found an empty file; expected lines of `key: value`."),
        (b"- a\n- b\n", "scorecard.yaml:1: found a list at the top; expected lines of `key: value`."),
        (b"groups: [a\nmetrics: {}\n", "scorecard.yaml:2: found text that is not YAML: while parsing a flow sequence expected ',' or ']', but got ':'; "
         "mend it near this line."),
        (b"groups:\n\t- a\n", "scorecard.yaml:2: found text that is not YAML: while scanning for the next token found character '\\t' that cannot start any "
         "token (a tab; YAML indents with spaces); mend it near this line."),
        (b"groups: [caf\xe9]\n", "scorecard.yaml:1: found bytes that are not UTF-8 text; save the file as UTF-8."),
        ("groups: [a]".encode("utf-16"), "scorecard.yaml: found UTF-16 text; save the file as UTF-8."),
        (b"groups: [a\x00]\n", "scorecard.yaml:1: found the control character number 0; remove it: YAML allows no control characters."),
        (b"[" * 2000, "scorecard.yaml: found values nested too deeply; flatten the file."),
    ],
)  # fmt: skip
def test_a_file_that_is_not_yaml_is_one_clear_fault(tmp_path, content, said):
    assert faults(tmp_path, content) == [said]


def test_windows_line_endings_and_byte_order_mark_change_nothing(tmp_path):
    plain = load_workspace(write(tmp_path))
    windows = load_workspace(
        write(tmp_path, b"\xef\xbb\xbf" + SCORECARD.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + WORKSPACE.encode())
    )
    assert windows.scorecard.metrics == plain.scorecard.metrics
    assert windows.name == plain.name


def test_plain_words_stay_text(tmp_path):
    """YAML 1.1 reads NO as false and 007 as 7; a country and an id are neither."""
    found = probe(tmp_path, f"{USAGE}, measure: count, applies_to: {{country: [NO, on, 007, 1.50]}}")
    assert found.applies_to == {"country": ("NO", "on", "007", "1.5")}


def test_anchors_work_and_loops_do_not(tmp_path):
    shared = metric(f"<<: &usage {{{USAGE}, measure: count}}, weight: 1").replace("bands:", "  again: {<<: *usage, best: 2}\nbands:")
    card = load_workspace(write(tmp_path, shared)).scorecard
    assert (card.metrics["again"].best, card.metrics["probe"].best) == (2, 1)
    assert faults(tmp_path, SCORECARD + "limits: &x {tickets: *x}\n") == [
        "scorecard.yaml:6: limits.tickets: found an anchor that contains itself; write the value out."
    ]


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_no_text_makes_a_traceback(tmp_path_factory, text):
    folder = write(tmp_path_factory.mktemp("any", numbered=True), SCORECARD + text, WORKSPACE + text)
    with contextlib.suppress(SpecError):
        load_workspace(folder)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "when", "best", "x"]), inner, max_size=3)),
       st.sampled_from(["groups", "metrics", "bands", "gates", "limits", "playbooks", "min_coverage"]))  # fmt: skip
def test_no_value_makes_a_traceback(tmp_path_factory, value, key):
    lines = [line for line in SCORECARD.splitlines() if not line.startswith((key, "  " if key == "metrics" else "?"))]
    text = "\n".join([*lines, yaml.safe_dump({key: value}, allow_unicode=True)])
    folder = write(tmp_path_factory.mktemp("any", numbered=True), text)
    with contextlib.suppress(SpecError):
        load_workspace(folder)


@pytest.mark.parametrize(
    ("scorecard", "workspace", "place"),
    [
        (f"{SCORECARD}alerts: {{trend: {{days: 1000000000000000000000}}}}\n", WORKSPACE, "alerts.trend.days"),
        (SCORECARD.replace("window_days: 30", "window_days: 40000"), WORKSPACE, "metrics.seats_used.window_days"),
        (SCORECARD, f"{WORKSPACE}outcome: {{lead_days: 1000000000000000000000}}\n", "outcome.lead_days"),
    ],
)
def test_days_that_no_date_can_hold_are_a_fault_and_no_traceback(tmp_path, scorecard, workspace, place):
    found = faults(tmp_path, scorecard, workspace)
    assert len(found) == 1
    assert place in found[0]
    assert "expected a number of at most 36500" in found[0]


def test_a_weight_whose_points_would_be_infinite_is_a_fault(tmp_path):
    (found,) = faults(tmp_path, SCORECARD.replace("weight: 20", "weight: 1.0e308"))
    assert "metrics.seats_used.weight" in found
    assert "expected a number of at most 1e+06" in found
