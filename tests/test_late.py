"""What changed in the past since the last run: hand counts, brute force, the as-of promise, and nothing readable in the fingerprint."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from healthlib import asof, claims_late, fingerprints, late, page_index, runs
from healthlib.demo import make_demo
from healthlib.fingerprints import fingerprint
from healthlib.spec import Workspace, load_workspace
from healthlib.tables import Tables, load_tables
from tests.test_asof import cut
from tests.test_index import left, summary

SCORECARD = """groups: [use]
metrics:
  events: {group: use, table: usage, measure: count, window_days: 30, better: higher, worst: 0, best: 9, weight: 10}
bands: [{name: red, from: 0}, {name: green, from: 50}]
"""
CONTRACTS = """account_id,start_date,end_date,arr,contract_id,outcome,decided_on
a,2024-01-01,2027-01-01,1000,1,,
b,2024-01-01,2027-01-01,2000,2,,
c,2024-01-01,2026-12-01,3000,3,renewed,2026-11-20
=d,2024-01-01,2027-01-01,4000,4,,
"""
USAGE = """account_id,occurred_at,user_id
a,2026-08-03,u1
a,2026-08-04,u1
b,2026-05-01,u2
c,2026-11-05,u3
"""
AT = pd.Timestamp("2026-10-31")


def company(folder: Path, contracts: str = CONTRACTS, usage: str = USAGE) -> Workspace:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "accounts.csv").write_text("account_id,name\na,Ann Ltd\nb,Bob Ltd\nc,Cy Ltd\n=d,Dee Ltd\n")
    (folder / "contracts.csv").write_text(contracts)
    (folder / "usage.csv").write_text(usage)
    (folder / "workspace.yaml").write_text("name: Acme\ndata_through: 2026-11-30\n")
    (folder / "scorecard.yaml").write_text(SCORECARD)
    return load_workspace(folder)


def opened(workspace: Workspace) -> Tables:
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    return tables


def watched(workspace: Workspace, shelf: Path, at: pd.Timestamp = AT) -> late.Watch:
    """One run as far as late changes go: look, and leave what the next one compares with."""
    watch = late.Watch(shelf, workspace)
    watch.see(opened(workspace), at)
    folder = shelf / f"{at:%Y-%m-%d}"
    folder.mkdir(parents=True, exist_ok=True)
    watch.keep(folder)
    (folder / "scores.csv").write_text("account_id,arr\na,1000\nb,2000\nc,3000\n'=d,4000\n")
    (folder / "manifest.json").write_text(json.dumps({"made_at": "2026-11-02T08:00:00+00:00"}))
    return watch


def test_the_first_run_has_nothing_to_say(tmp_path: Path) -> None:
    watch = watched(company(tmp_path / "acme"), tmp_path / "out")
    assert watch.found is None
    assert claims_late.lines(None) == ()
    assert claims_late.told(None) is None


def test_the_same_exports_have_not_changed(tmp_path: Path) -> None:
    workspace = company(tmp_path / "acme")
    watched(workspace, tmp_path / "out")
    found = watched(workspace, tmp_path / "out").found
    assert found is not None
    assert not found.anything
    said = "Since the last run of this day, made on 2 Nov 2026, nothing that was known on it has changed."
    assert claims_late.lines(found) == (said,)


def test_changes_are_counted_and_named_with_their_arr(tmp_path: Path) -> None:
    """By hand: b pays 500 more, c's contract is gone, =d has a second one, and a's use has a row more in one quarter."""
    watched(company(tmp_path / "acme"), tmp_path / "out")
    after = CONTRACTS.replace("2000,2", "2500,2").replace("c,2024-01-01,2026-12-01,3000,3,renewed,2026-11-20\n", "")
    after += "=d,2025-01-01,2027-01-01,100,5,,\n"
    found = watched(company(tmp_path / "acme", after, USAGE + "a,2026-08-04,u9\n"), tmp_path / "out").found
    assert found is not None
    columns = ["table", "added", "changed", "removed", "accounts"]
    assert found.tables[columns].to_numpy().tolist() == [["accounts", 0, 0, 1, 1], ["contracts", 1, 1, 1, 3], ["usage", 1, 0, 0, 1]]
    rows = found.contracts[["account_id", "added", "changed", "removed", "arr_then", "arr_now"]].to_numpy().tolist()
    assert rows == [["=d", 1, 0, 0, 4000, 4100], ["b", 0, 1, 0, 2000, 2500], ["c", 0, 0, 1, 3000, 0]]
    assert (found.arr_then, found.arr_now) == (10_000, 7_600)
    assert claims_late.lines(found, "EUR") == (
        "Since the last run of this day, made on 2 Nov 2026, 1 contract changed, 1 added and 1 removed (3 accounts; ARR on 31 Oct 2026 "
        "−€2.40k, now €7.60k); accounts: 1 row removed; usage: 1 row added.",
        "contracts of =d, b and c",
    )  # fmt: skip


def test_what_was_not_known_on_the_day_is_no_change(tmp_path: Path) -> None:
    """Another outcome decided after the day, use after it, a contract that starts after it: the day's report would be the same."""
    watched(company(tmp_path / "acme"), tmp_path / "out")
    after = CONTRACTS.replace("renewed,2026-11-20", "churned,2026-11-25") + "a,2026-11-01,2027-11-01,1,6,,\n"
    found = watched(company(tmp_path / "acme", after, USAGE + "a,2026-11-01,u9\n"), tmp_path / "out").found
    assert found is not None
    assert not found.anything


def test_without_a_run_of_the_day_the_newest_before_it_is_compared_on_its_own_day(tmp_path: Path) -> None:
    """A month later: new rows are no late change, a corrected old contract is."""
    watched(company(tmp_path / "acme"), tmp_path / "out", pd.Timestamp("2026-09-30"))
    watched(company(tmp_path / "acme"), tmp_path / "out", AT)
    after = CONTRACTS.replace("1000,1", "900,1")
    later = watched(company(tmp_path / "acme", after), tmp_path / "out", pd.Timestamp("2026-11-30")).found
    assert later is not None
    assert (later.as_of, later.same_day) == ("2026-10-31", False)
    assert claims_late.said(later) == (
        "Since the last run (31 Oct 2026, made on 2 Nov 2026), of what was known on that day 1 contract changed (1 account; "
        "ARR on 31 Oct 2026 −$100, now $9.90k)."
    )


@pytest.mark.parametrize("way", ["lost", "torn", "another version"])
def test_a_fingerprint_that_cannot_be_used_is_a_sentence(way: str, tmp_path: Path) -> None:
    workspace = company(tmp_path / "acme")
    watched(workspace, tmp_path / "out")
    file = tmp_path / "out" / "2026-10-31" / fingerprints.FILE
    if way == "lost":
        file.unlink()
    elif way == "torn":
        file.write_bytes(file.read_bytes()[:200])
    else:
        held = fingerprints.read(file)
        assert held is not None
        fingerprints.write(fingerprints.Fingerprint(held.as_of, held.rows, held.columns, held.coarse, "0, DuckDB v0"), file)
    said = claims_late.said(watched(workspace, tmp_path / "out").found)
    expected = {"lost": "", "torn": "cannot be told any more", "another version": "another version (0, DuckDB v0)"}
    assert (said == "") == (way == "lost")
    assert expected[way] in said


def test_a_table_with_other_columns_is_not_compared(tmp_path: Path) -> None:
    watched(company(tmp_path / "acme"), tmp_path / "out")
    wider = "\n".join(f"{line},{'feature' if n == 0 else 'x'}" for n, line in enumerate(USAGE.splitlines())) + "\n"
    found = watched(company(tmp_path / "acme", CONTRACTS, wider), tmp_path / "out").found
    assert claims_late.said(found).endswith("usage: other columns than then, not compared.")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("demo")
    make_demo(folder, seed=3, accounts=80)
    return load_workspace(folder)


def test_cutting_every_table_leaves_the_fingerprint(demo: Workspace) -> None:
    """The fingerprint holds what was knowable and nothing else: `cut` is a second reading of what that is."""
    at = "2026-02-28"
    whole = fingerprint(opened(demo), demo, at)
    short = load_tables(demo)
    cut(short, demo, at)
    asof.open_door(short, demo)
    again = fingerprint(short, demo, at)
    assert fingerprints.compared(whole, again).empty
    pd.testing.assert_frame_equal(whole.rows, again.rows)
    assert set(whole.rows["table"]) >= {"contracts", "usage", "tickets", "ratings", "milestones"}


def test_row_by_row_it_is_a_difference_of_multisets(demo: Workspace) -> None:
    """Against counters of the rows themselves, after 300 edits of every kind."""
    before, after = opened(demo), opened(demo)
    after.engine.run("UPDATE data.tickets SET severity = 'other' WHERE _line % 50 = 3")
    after.engine.run("DELETE FROM data.tickets WHERE _line % 97 = 1")
    after.engine.run("INSERT INTO data.surveys SELECT * FROM data.surveys WHERE _line % 40 = 7")
    at = "2026-10-31"
    found = fingerprints.compared(fingerprint(before, demo, at, ()), fingerprint(after, demo, at, ()))
    counted = found.groupby("table")[["added", "changed", "removed"]].sum()
    assert sorted(counted.index) == ["surveys", "tickets"]
    for name in ("tickets", "surveys"):
        own = [c for c in before.columns[name] if c not in ("closed_at", "satisfaction")]
        masked = ", ".join(own) + (", CASE WHEN closed_at < '2026-11-01' THEN closed_at END" if name == "tickets" else "")
        old, new = (
            Counter(map(str, t.engine.query(f"SELECT {masked} FROM known.{name} WHERE known <= DATE '{at}'").to_numpy().tolist()))
            for t in (before, after)
        )
        assert counted.loc[name, "added"] + counted.loc[name, "changed"] == sum((new - old).values()) > 0
        assert counted.loc[name, "removed"] + counted.loc[name, "changed"] == sum((old - new).values())
    assert counted.loc["tickets", "changed"] > 0
    assert counted.loc["tickets", "added"] == 0


def test_by_quarter_rows_more_and_fewer_and_quarters_changed(demo: Workspace) -> None:
    before, after = opened(demo), opened(demo)
    one, two, three = before.engine.query("SELECT DISTINCT account_id FROM known.usage ORDER BY 1 LIMIT 3")["account_id"]
    first = f"SELECT min(_line) FROM data.usage WHERE account_id = '{one}'"
    after.engine.run(f"DELETE FROM data.usage WHERE _line = ({first})")
    line = f"SELECT min(_line) FROM data.usage WHERE account_id = '{two}'"
    after.engine.run(f"INSERT INTO data.usage SELECT * FROM data.usage WHERE _line = ({line})")
    after.engine.run(f"UPDATE data.usage SET quantity = 77 WHERE _line = (SELECT min(_line) FROM data.usage WHERE account_id = '{three}')")
    at = "2026-10-31"
    found = fingerprints.compared(fingerprint(before, demo, at, {"usage"}), fingerprint(after, demo, at, {"usage"}))
    assert sorted(found[["added", "changed", "removed"]].to_numpy().tolist()) == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_a_number_is_the_same_number_in_a_column_of_whole_numbers(tmp_path: Path) -> None:
    """One contract of 2500.5 makes the column one of fractions; the other contracts are those they were."""
    watched(company(tmp_path / "acme"), tmp_path / "out")
    found = watched(company(tmp_path / "acme", CONTRACTS.replace("2000,2", "2500.5,2")), tmp_path / "out").found
    assert found is not None
    assert found.contracts["account_id"].tolist() == ["b"]


def test_the_file_is_the_same_twice_and_says_no_name(tmp_path: Path, demo: Workspace) -> None:
    made = [fingerprint(opened(demo), demo, "2026-10-31") for _ in range(2)]
    for n, each in enumerate(made):
        fingerprints.write(each, tmp_path / f"{n}")
    one, two = ((tmp_path / f"{n}").read_bytes() for n in range(2))
    assert one == two
    accounts = opened(demo).engine.query("SELECT account_id, name FROM data.accounts")
    rows = made[0].rows
    assert list(rows.columns) == ["table", "account", "key", "rows", "hash"]
    assert not [word for word in accounts.to_numpy().ravel() if str(word).encode() in one]


def test_the_list_of_runs_says_it_where_something_changed(tmp_path: Path) -> None:
    for day, changed in (("2026-10-31", True), ("2026-09-30", False)):
        folder = left(tmp_path, "acme", day, summary())
        told = {"changed": changed, "said": f"Since <b>{day}</b> something"}
        (folder / "manifest.json").write_text(json.dumps({"since_last_run": told}))
    html = page_index.index(runs.found(tmp_path))
    assert "31 Oct 2026: Since &lt;b&gt;2026-10-31&lt;/b&gt; something" in html
    assert "2026-09-30&lt;/b&gt;" not in html
