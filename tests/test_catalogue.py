"""The catalogue: every item practitioners ask for is there, loads by its name, measures what it says, and keeps the past apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from healthlib import asof, cli
from healthlib.catalogue import entries, entry, resolve, words
from healthlib.demo import make_demo
from healthlib.errors import HealthlibError, SpecError
from healthlib.schema import TABLES
from healthlib.spec import Workspace, load_scorecard, load_workspace
from healthlib.studies.book import Book, book_of
from healthlib.tables import Tables, load_tables
from healthlib.yamlfile import read_yaml
from tests.catalogue_read import READ, TIMES, Account

ROOT = Path(__file__).parents[1]
ITEMS = {
    "overall usage": ["overall_usage", "usage_trend"],
    "stickiest features": ["sticky_features"],
    "depth: share of the product used": ["product_share", "features_per_user"],
    "depth: licences active in the last 10 days": ["active_seats_10"],
    "breadth: licences": ["licences", "active_users"],
    "breadth: number of features": ["features_used"],
    "login days per week": ["login_days", "login_days_28"],
    "growth of the account in ARR and in licences": ["arr_growth", "licence_growth"],
    "tenure": ["tenure"],
    "discount level": ["discount"],
    "renewals completed": ["renewals"],
    "upsells completed": ["upsells"],
    "downgrades": ["downgrades"],
    "share of spending that is non-recurring": ["nonrecurring_share"],
    "NPS, CSAT, CES": ["nps", "nps_balance", "csat", "ces"],
    "support calls, open and escalated tickets": ["support_calls", "calls_per_seat", "open_tickets", "escalated_tickets", "escalated_open"],
    "case studies": ["case_studies"],
    "client-to-prospect calls": ["reference_calls"],
    "website references": ["website_references"],
    "marketing and customer events attended": ["marketing_events", "events_attended"],
    "product feedback": ["product_feedback"],
    "community involvement": ["community"],
    "invoice history (late, unpaid)": ["invoices_late", "invoices_unpaid", "invoice_overdue_60"],
    "days from the end of onboarding to first renewal": ["onboarding_to_renewal"],
    "overall relationship (CSM rating)": ["csm_rating"],
    "meetings held, emails received, tagged notes": ["meetings", "emails_received", "tagged_notes"],
    "executive and champion engagement within 90 days": ["executive_contact", "champion_contact"],
    "single-threaded accounts": ["single_threaded", "roles_in_touch"],
    "champion gone": ["champion_gone"],
    "onboarding steps done and late": ["onboarding_done", "onboarding_late", "onboarding_overdue"],
    "goals achieved in the last year": ["goals_achieved", "goals_share"],
}
OF_THEIR_OWN = {"touchpoints": {"tag", "contact_id"}}
"""Columns an entry may need that are no canonical ones; the entry says so."""
NOT_IN_DEMO = {
    "tagged_notes": "no column tag",
    "single_threaded": "no column contact_id",
    "website_references": "no such advocacy",
    "community": "no such advocacy",
}
"""Entries that a table of a few rows tests, because the simulated company has nothing of the kind."""
RARE = ("invoice_overdue_60", "escalated_open", "nonrecurring_share")
"""Entries that hardly any account of the simulated company shows: two are meant for gates, and 3 % of its invoices are non-recurring."""
DAYS = ("2024-03-31", "2025-06-15", "2026-02-28")


def scorecard(names: list[str], more: str = "") -> str:
    """A scorecard of these entries, each by its name alone (and what only the user can know)."""
    groups = sorted({str(entries()[name].settings["group"]) for name in names})
    uses = {name: {"use": f"catalogue/{name}", "weight": 1, **entries()[name].example} for name in names}
    head = {"groups": groups, "metrics": uses, "bands": [{"name": "red", "from": 0}, {"name": "green", "from": 60}]}
    return yaml.safe_dump(head, sort_keys=False) + more


def written(folder: Path, text: str) -> Path:
    path = folder / "scorecard.yaml"
    path.write_text(text, encoding="utf-8")
    return path


# --- what is there --------------------------------------------------------------------------------------------------


def test_every_item_of_the_list_has_an_entry() -> None:
    named = {name for names in ITEMS.values() for name in names}
    assert sorted(named - set(entries())) == []
    others = {"ticket_satisfaction", "provisioned_share", "silence", "contact_silence", "active_seats"}
    assert set(entries()) == named | others


def test_every_formula_is_read_a_second_time() -> None:
    assert set(READ) == set(entries())


@pytest.mark.parametrize("name", entries())
def test_an_entry_has_all_that_a_reader_needs(name: str) -> None:
    chosen = entries()[name]
    assert chosen.settings["label"]
    assert chosen.settings["missing"] == "exclude"
    assert 30 < len(chosen.why) < 260, "the reason in a sentence or two"
    assert chosen.why.count(". ") <= 2
    assert "weight" not in chosen.settings
    assert chosen.needs
    for table, columns in chosen.needs.items():
        assert set(columns) <= set(TABLES[table].columns) | OF_THEIR_OWN.get(table, set())
    assert set(chosen.ask) == set(chosen.example)


@pytest.mark.parametrize("name", entries())
def test_needs_name_every_column_of_the_formula(name: str) -> None:
    settings, table = entries()[name].settings, str(entries()[name].settings.get("table", "contracts"))
    texts = " ".join(str(part) for key in ("measure", "where", "per") for part in [settings.get(key) or entries()[name].example.get(key)])
    free = {*TABLES[table].required, *(column for column in (TIMES.get(table),) if column), "kind", "end_date", "arr"}
    named = {column for column in (*TABLES[table].columns, "tag", "contact_id") if asof.refers_to(texts, [column])}
    assert named - free <= set(entries()[name].needs[table])


# --- `use` ----------------------------------------------------------------------------------------------------------


def test_every_entry_loads_by_its_name(tmp_path: Path) -> None:
    path = written(tmp_path, scorecard(list(entries())))
    card = load_scorecard(path)
    assert list(card.metrics) == list(entries())
    assert card.metrics["active_seats"].label == "Seats active in 30 days"
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest(), "of the file, not of what the catalogue adds"


HEAD = "groups: [adoption, people]\nmetrics:\n"
TAIL = "bands: [{name: red, from: 0}]\n"


def test_what_stands_beside_use_wins_key_by_key(tmp_path: Path) -> None:
    own = "label: Seats of the week, window_days: 7, best: 0.5, profiles: [{when: {arr: {over: 1}}, best: 0.4}], weight: 3"
    text = f"  week: {{use: catalogue/active_seats, {own}}}\n"
    week = load_scorecard(written(tmp_path, HEAD + text + TAIL)).metrics["week"]
    assert (week.name, week.label, week.window_days, week.best, week.weight) == ("week", "Seats of the week", 7, 0.5, 3)
    assert (week.measure.kind, week.measure.of, week.per, week.worst, week.group) == ("distinct", "user_id", "seats", 0, "adoption")
    assert week.profiles[0].best == 0.4


def test_an_empty_value_removes_what_the_catalogue_says(tmp_path: Path) -> None:
    text = "  people: {use: catalogue/active_seats, per: , worst: 0, best: 20, weight: 1}\n"
    people = load_scorecard(written(tmp_path, HEAD + text + TAIL)).metrics["people"]
    assert people.per is None


@pytest.mark.parametrize(
    ("own", "gone"),
    [("steps: {0: 0, 1: 100}", {"worst", "best"}), ("levels: [{score: 1}]", {"worst", "best", "steps"}), ("worst: 1", {"steps", "levels"})],
)
def test_one_way_to_say_what_a_value_is_worth_replaces_the_others(tmp_path: Path, own: str, gone: set[str]) -> None:
    document = resolve(read_yaml(written(tmp_path, f"{HEAD}  a: {{use: catalogue/login_days, {own}}}\n{TAIL}"), ""))
    assert not gone & set(document.data["metrics"]["a"])


def test_a_column_of_a_flat_sheet_takes_the_place_of_the_table(tmp_path: Path) -> None:
    text = f"{HEAD}  a: {{use: catalogue/active_seats, column: Active share, weight: 1}}\n{TAIL}"
    metric = load_scorecard(written(tmp_path, text)).metrics["a"]
    assert (metric.column, metric.table, metric.window_days, metric.per, metric.best) == ("Active share", None, None, None, 0.8)


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_scorecard(written(folder, text))
    return [str(fault).removeprefix(f"{folder.as_posix()}/") for fault in caught.value.faults]


def test_a_misspelt_name_is_one_fault_with_its_line_and_the_nearest_name(tmp_path: Path) -> None:
    assert faults(tmp_path, f"{HEAD}  a: {{use: catalogue/active_seat, weight: 1}}\n{TAIL}") == [
        "scorecard.yaml:3: metrics.a.use: found 'catalogue/active_seat'; expected catalogue/NAME; `healthlib catalogue` lists the names. "
        "Did you mean 'catalogue/active_seats'?"
    ]


@pytest.mark.parametrize("use", ["active_seats", "catalog/active_seats", "3", "[a]", ""])
def test_anything_but_a_name_of_the_catalogue_is_one_fault(tmp_path: Path, use: str) -> None:
    told = faults(tmp_path, f"{HEAD}  a: {{use: {use}, group: adoption, weight: 1}}\n{TAIL}")
    assert len(told) == 1
    assert told[0].startswith("scorecard.yaml:3: metrics.a.use: found ")


def test_faults_in_overrides_keep_the_users_line(tmp_path: Path) -> None:
    text = f"{HEAD}  a:\n    use: catalogue/active_seats\n    window_days: soon\n    bestt: 1\n    weight: 1\n{TAIL}"
    told = faults(tmp_path, text)
    assert [fault.split(": ")[:2] for fault in told] == [
        ["scorecard.yaml:5", "metrics.a.window_days"],
        ["scorecard.yaml:6", "metrics.a.bestt"],
    ]


def test_a_scale_turned_round_by_one_override_is_a_fault_of_the_metric(tmp_path: Path) -> None:
    told = faults(tmp_path, f"{HEAD}  a: {{use: catalogue/active_seats, worst: 0.8, weight: 1}}\n{TAIL}")
    assert told == ["scorecard.yaml:3: metrics.a.best: found worst and best both 0.8; they must differ."]


def test_what_only_the_user_knows_is_asked_for(tmp_path: Path) -> None:
    assert faults(tmp_path, f"{HEAD}  a: {{use: catalogue/product_share, weight: 1}}\n{TAIL}") == [
        "scorecard.yaml:3: metrics.a.best: found no `best`, which only you can know; write the number of features your product has; the "
        "points are then the share of the product that is used."
    ]


def test_a_group_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    assert faults(tmp_path, f"{HEAD}  a: {{use: catalogue/nps, weight: 1}}\n{TAIL}") == [
        "scorecard.yaml:3: metrics.a.group: found no group, and none called 'sentiment', which the catalogue suggests; name one of "
        "your groups."
    ]
    assert (
        load_scorecard(written(tmp_path, f"{HEAD}  a: {{use: catalogue/nps, group: people, weight: 1}}\n{TAIL}")).metrics["a"].group
        == "people"
    )


def test_a_scorecard_without_use_is_left_as_it_is() -> None:
    document = read_yaml(ROOT / "data" / "crm5" / "scorecard.yaml", "")
    assert resolve(document) is document


# --- what is said of it ---------------------------------------------------------------------------------------------


def test_the_page_is_what_the_catalogue_says() -> None:
    """After a change: `healthlib catalogue --page > docs/catalogue.md`."""
    assert (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8") == words.page()


@pytest.mark.parametrize("name", entries())
def test_an_entry_is_printed_ready_to_paste(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["catalogue", name]) == 0
    said = capsys.readouterr().out
    assert entries()[name].why[:20] in said
    pasted = load_scorecard(written(tmp_path, f"groups: [{entries()[name].settings['group']}]\n{said}{TAIL}")).metrics[name]
    used = load_scorecard(written(tmp_path, scorecard([name]))).metrics[name]
    assert pasted.model_copy(update={"weight": 1.0}) == used


def test_the_list_names_every_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["catalogue"]) == 0
    said = capsys.readouterr().out
    assert [name for name in entries() if f"  {name} " not in said] == []


def test_an_unknown_entry_is_exit_2_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["catalogue", "activ_seats"]) == 2
    assert "did you mean 'active_seats'?" in capsys.readouterr().err
    with pytest.raises(HealthlibError):
        entry("catalogue/nothing at all")


# --- what it measures -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A simulated company under a scorecard of every entry that its tables carry."""
    folder = tmp_path_factory.mktemp("catalogue")
    make_demo(folder, seed=3, accounts=90)
    return load_workspace(folder, written(folder, scorecard([name for name in entries() if name not in NOT_IN_DEMO])))


@pytest.fixture(scope="module")
def tables(workspace: Workspace) -> Tables:
    return load_tables(workspace)


@pytest.fixture(scope="module")
def book(tables: Tables, workspace: Workspace) -> Book:
    return book_of(tables, workspace, pd.Timestamp(tables.data_through))


def accounts_of(tables: Tables, names: list[str], state: pd.Series) -> dict[tuple[str, pd.Timestamp], Account]:
    """The validated rows of a few accounts, per day of `state` (account_id, as_of -> term_ends)."""
    rows: dict[str, dict[str, list]] = {name: {} for name in names}
    for table in TIMES:
        if table in tables.columns:
            frame = tables.engine.query(f"SELECT * FROM data.{table}")
            for name, part in frame[frame["account_id"].isin(names)].groupby("account_id"):
                rows[str(name)][table] = part.to_dict("records")
    return {(name, day): Account(rows[name], day, ends) for (name, day), ends in state.items()}


@pytest.fixture(scope="module")
def read(tables: Tables, workspace: Workspace, book: Book) -> tuple[pd.DataFrame, dict]:
    """Measured values of eight accounts on three days, and what is on file about each."""
    from healthlib.studies.book import snapshots

    spine = asof.active_spine(tables, [pd.Timestamp(day) for day in DAYS])
    measured = snapshots(tables, workspace, spine)
    measured = measured[measured["age_days"] > 400]
    names = sorted(measured["account_id"].unique())[::9][:8]
    few = measured[measured["account_id"].isin(names)].set_index(["account_id", "as_of"])
    return few, accounts_of(tables, names, few["term_ends"])


@pytest.mark.parametrize("name", [name for name in entries() if name not in NOT_IN_DEMO])
def test_it_measures_what_its_formula_says(name: str, read: tuple[pd.DataFrame, dict]) -> None:
    measured, on_file = read
    expected = pd.Series({key: READ[name](account) for key, account in on_file.items()})
    assert len(expected) >= 15
    np.testing.assert_allclose(measured[name].to_numpy(), expected.reindex(measured.index).to_numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in entries() if name not in NOT_IN_DEMO])
def test_its_values_are_plausible(name: str, book: Book) -> None:
    """Neither always missing nor always the same, and neither all at the worst nor all at the best of the default scale."""
    from healthlib.scoring import metric_scores

    values, points = book.history[name], metric_scores(book.scorecard, book.history)[name].dropna()
    assert values.notna().mean() > 0.2
    assert values.nunique() > 1
    assert 0 < points.mean() < 100
    if name not in RARE:
        assert 3 < points.mean() < 98.5


def test_cutting_every_table_changes_nothing(tmp_path: Path) -> None:
    """Also where a condition names the day or the end of the term."""
    from tests.test_asof import check

    make_demo(tmp_path, seed=4, accounts=40)
    everything = written(tmp_path, scorecard([name for name in entries() if name not in NOT_IN_DEMO]))
    assert len(check(load_workspace(tmp_path, everything), "2025-06-15").history)


FEW = {
    "accounts": "account_id\na\nb\n",
    "contracts": "account_id,start_date,end_date,arr\na,2024-01-01,2027-01-01,100\nb,2024-01-01,2027-01-01,100\n",
    "advocacy": (
        "account_id,occurred_at,kind\na,2023-02-01,logo\na,2025-01-05,website_reference\na,2026-05-01,community\na,2026-06-29,community\n"
        "b,2024-02-01,reference\nb,2026-04-01,community\n"
    ),
    "touchpoints": (
        "account_id,occurred_at,kind,persona,tag,contact_id\na,2026-06-01,note,user,risk,p1\na,2026-03-01,note,user,risk,p2\n"
        "a,2026-06-02,note,champion,praise,p3\na,2026-06-20,champion_left,,,p3\nb,2026-06-10,call,champion,,p9\nb,2026-01-20,email,user,,p9\n"
        "b,2026-07-02,champion_left,,,p9\n"
    ),
}  # fmt: skip
SEEN = {
    "website_references": [1, 0],  # the logo of 2023 is from before the table's first contract, and older than three years on 2026-06-30
    "community": [2, 0],  # b's only post is 90 days and a bit ago
    "tagged_notes": [1, 0],
    "single_threaded": [3, 1],
    "champion_gone": [1, 0],  # a's champion was said to have left ten days ago; b's leaves two days after the day
}


def few(folder: Path, files: dict[str, str], text: str) -> pd.DataFrame:
    """The accounts of a few rows, measured as of 30 June 2026."""
    from healthlib.studies.book import snapshots

    for table, rows in files.items():
        (folder / f"{table}.csv").write_text(rows, encoding="utf-8")
    own = "tables: {deals: {file: deals.csv, time: seen}}" if "deals" in files else ""
    (folder / "workspace.yaml").write_text(f"name: Few\ndata_through: 2026-07-31\n{own}\n", encoding="utf-8")
    workspace = load_workspace(folder, written(folder, text))
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    return snapshots(tables, workspace, asof.active_spine(tables, [pd.Timestamp("2026-06-30")])).set_index("account_id")


def test_the_renewal_that_lies_ahead_is_in_no_metric(tmp_path: Path) -> None:
    """Decided long before the term ends, and known by the day: counted, it would be the outcome inside the score."""
    contracts = (
        "account_id,start_date,end_date,arr,contract_id,outcome,decided_on,renewed_arr\n"
        "early,2024-08-01,2025-08-01,100,c1,renewed,2025-05-01,90\nearly,2025-08-01,2026-08-01,90,c2,renewed,2026-05-01,140\n"
        "first,2025-05-01,2026-07-15,100,c3,renewed,2026-06-01,50\n"
    )
    names = ["renewals", "upsells", "downgrades"]
    found = few(tmp_path, {"accounts": "account_id\nearly\nfirst\n", "contracts": contracts}, scorecard(names))
    assert found.loc["early", names].tolist() == [1, 0, 1]
    assert found.loc["first", names].tolist() == [0, 0, 0]


def test_a_column_of_the_table_comes_before_the_name_of_the_day(tmp_path: Path) -> None:
    files = {
        "accounts": "account_id\na\n",
        "contracts": "account_id,start_date,end_date,arr\na,2024-01-01,2027-01-01,100\n",
        "deals": "account_id,seen,as_of\na,2026-01-01,5\na,2026-02-01,7\n",
    }
    text = "groups: [g]\nmetrics:\n  own: {group: g, table: deals, measure: max as_of, worst: 0, best: 9, weight: 1}\n"
    ends = "  left: {group: g, table: deals, measure: max term_ends - cast(seen as date), worst: 0, best: 9}\n"
    found = few(tmp_path, files, text + ends + TAIL)
    assert found.loc["a", "own"] == 7
    assert found.loc["a", "left"] == (pd.Timestamp("2027-01-01") - pd.Timestamp("2026-01-01")).days


def test_what_the_demo_lacks_is_measured_on_a_few_rows(tmp_path: Path) -> None:
    found, day = few(tmp_path, FEW, scorecard(list(SEEN))), pd.Timestamp("2026-06-30")
    assert {name: found[name].tolist() for name in SEEN} == SEEN
    tables = load_tables(load_workspace(tmp_path))
    on_file = accounts_of(tables, ["a", "b"], pd.Series({("a", day): day, ("b", day): day}))
    assert {name: [READ[name](account) for account in on_file.values()] for name in SEEN} == SEEN


@pytest.mark.parametrize("groups", [".nan", "5", "adoption", "true"])
def test_groups_that_are_no_list_are_one_fault_and_no_traceback(tmp_path: Path, groups: str) -> None:
    path = tmp_path / "scorecard.yaml"
    path.write_text(
        f"groups: {groups}\nmetrics:\n  seats_used: {{use: catalogue/active_seats, weight: 1}}\nbands: [{{name: red, from: 0}}]\n"
    )
    with pytest.raises(SpecError, match="groups"):
        load_scorecard(path)
