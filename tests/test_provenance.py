"""Clocks, reach, ids that do not join and the ledger, read off workspaces of a few rows; gaps and jumps planted in clean companies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import asof, ledger, provenance
from healthlib.demo import make_demo
from healthlib.spec import load_workspace
from healthlib.studies.breaks import find_breaks, find_gaps
from healthlib.tables import Tables, load_tables
from tests.test_tables import workspace

AT = pd.Timestamp("2025-06-30")
CLOCKED = {
    "usage.csv": "account_id,occurred_at\n001,2024-05-01\n002,2025-06-20\n003,2025-06-29\n",
    "ratings.csv": "account_id,rated_at,rating,recorded_at\n001,2025-01-01,5,2025-01-03\n002,2025-02-01,4,2025-02-11\n"
    "003,2025-03-01,3,2025-02-01\n001,2025-06-01,2,2025-07-15\n",
    "tickets.csv": "account_id,opened_at\n001,2025-05-01\n",
    "milestones.csv": "account_id,milestone,completed_at\n001,live,2025-01-05\n",
}


def opened(folder: Path, files: dict[str, str], **keys) -> tuple[Tables, object]:
    found = workspace(folder, dict(files), data_through="2025-06-30", **keys)
    tables = load_tables(found)
    asof.open_door(tables, found)
    return tables, found


def test_each_kind_of_clock(tmp_path: Path) -> None:
    """Delays of the three ratings visible on 30 June: 2, 10 and 0 days (written down before it happened); the fourth came in July."""
    tables, found = opened(tmp_path, CLOCKED, tables={"usage": {"file": "usage.csv", "lag_days": 2}})
    clocks = provenance.clocks(tables, found, AT).set_index("table")
    assert clocks["clock"].to_dict() == {
        "accounts": "today", "contracts": "none", "usage": "lag", "tickets": "none", "ratings": "recorded", "milestones": "borrowed",
    }  # fmt: skip
    assert clocks.loc["ratings", ["rows", "recorded_rows", "delay_median"]].tolist() == [3, 3, 2]
    assert clocks.loc["ratings", "delay_p95"] == pytest.approx(np.quantile([0, 2, 10], 0.95))
    assert clocks.loc["usage", ["rows", "lag_days", "silent_days"]].tolist() == [2, 2, 10]  # the row of 29 June is known on 1 July
    assert clocks.loc["usage", "last_day"] == pd.Timestamp("2025-06-20")
    assert pd.isna(clocks.loc["milestones", "first_day"])


def test_ids_that_do_not_join_and_those_that_nearly_do(tmp_path: Path) -> None:
    usage = "account_id,occurred_at\n001,2025-01-01\nx9,2025-01-02\nx9,2025-01-03\n1,2025-01-04\n"
    tables, _ = opened(tmp_path, {"usage.csv": usage})
    row = provenance.strangers(tables).iloc[0]
    assert row.to_dict() == {
        "table": "usage", "column": "account_id", "rows": 3, "ids": 2, "alike": 1, "first_ids": "x9, 1", "first_line": 3,
    }  # fmt: skip


def test_reach_counts_accounts_and_rows_outside_their_contracts(tmp_path: Path) -> None:
    """002 is evergreen; 001 and 003 end in 2025, 003 on 1 March: its row of 2 March is after, that of 2023 before."""
    usage = "account_id,occurred_at\n002,2025-01-01\n003,2023-01-01\n003,2025-03-02\n003,2025-02-28\n"
    tables, _ = opened(tmp_path, {"usage.csv": usage})
    row = provenance.reach(tables, ["usage"], AT).iloc[0]
    assert row[["active", "with_rows", "before", "after"]].tolist() == [1, 1, 1, 1]
    assert (row["share"], row["outside"]) == (1.0, 0.5)


def test_active_by_day_against_a_loop(tmp_path: Path) -> None:
    contracts = (
        "account_id,start_date,end_date,arr\n001,2025-01-01,2025-02-01,1\n001,2025-01-15,2025-03-01,1\n001,2025-04-01,2025-05-01,1\n"
        "002,2025-01-20,,1\n003,2025-06-30,2026-01-01,1\n"
    )
    tables, _ = opened(tmp_path, {"contracts.csv": contracts})
    frame = provenance.active_by_day(tables, AT)
    spans = [[("2025-01-01", "2025-03-01"), ("2025-04-01", "2025-05-01")], [("2025-01-20", "2999-01-01")], [("2025-06-30", "2026-01-01")]]
    for day, active in zip(frame["day"], frame["active"], strict=True):
        assert active == sum(any(pd.Timestamp(a) <= day < pd.Timestamp(b) for a, b in account) for account in spans), day
    assert (frame["day"].iloc[0], frame["day"].iloc[-1]) == (pd.Timestamp("2025-01-01"), AT)


EIGHT = """account_id,start_date,end_date,arr,contract_id,outcome,decided_on,renewed_arr
a,2025-01-01,2025-04-01,100,a1,renewed,2025-03-15,120
a,2025-04-01,2026-04-01,120,a2,,,
b,2025-01-01,2025-04-01,100,b1,renewed,2025-03-15,80
b,2025-04-01,2026-04-01,70,b2,,,
c,2025-01-01,2025-04-01,50,c1,churned,2025-03-01,
d,2025-01-01,2025-03-01,40,d1,churned,2025-02-01,
d,2025-03-10,2026-03-10,40,d2,,,
e,2025-02-01,2025-05-01,30,e1,renewed,2025-04-20,30
f,2025-02-10,2026-02-10,60,f1,,,
f,2025-02-10,2026-02-10,60,f2,,,
g,2025-01-15,2025-05-15,10,g1,,,
g,2025-05-01,2026-05-01,20,g2,,,
h,2025-01-01,2025-02-01,200,h1,churned,2025-01-20,
h,2025-06-01,2026-06-01,150,h2,,,
"""
"""a grows by 20 in April; b shrinks by 30 (10 more than was said); c leaves; d is said to leave, yet goes on; e is said to be renewed, yet
is not; f is told twice; g renews two weeks early; h leaves in February and comes back in June."""


def eight(folder: Path, at: pd.Timestamp = AT) -> pd.DataFrame:
    accounts = "account_id\n" + "\n".join("abcdefgh") + "\n"
    tables, found = opened(
        folder, {"accounts.csv": accounts, "contracts.csv": EIGHT, "usage.csv": "account_id,occurred_at\na,2025-06-30\n"}
    )
    return ledger.terms(tables, found, at)


def test_the_bridge_of_eight_accounts_by_hand(tmp_path: Path) -> None:
    """January: a, b 100 each, c 50, d 40, g 10 and h 200 begin. May: e leaves (30), and g's two terms become one (30 -> 20)."""
    bridge = ledger.bridge(eight(tmp_path), AT).set_index("month")
    columns = ["begin", "new", "returned", "expansion", "contraction", "churn", "end", "accounts"]
    by_hand = {
        "2025-01-31": [0, 500, 0, 0, 0, 0, 500, 6],
        "2025-02-28": [500, 150, 0, 0, 0, -200, 450, 7],
        "2025-03-31": [450, 0, 0, 0, 0, 0, 450, 7],
        "2025-04-30": [450, 0, 0, 20, -30, -50, 390, 6],
        "2025-05-31": [390, 0, 0, 10, 0, -30, 370, 5],
        "2025-06-30": [370, 0, 150, 0, 0, 0, 520, 6],
    }
    assert {f"{day:%Y-%m-%d}": row for day, row in zip(bridge.index, bridge[columns].to_numpy().tolist(), strict=True)} == by_hand
    assert (bridge["off"] == 0).all()


def test_terms_that_overlap(tmp_path: Path) -> None:
    found = ledger.overlaps(eight(tmp_path), AT).set_index("account_id")
    assert found["kind"].to_dict() == {"f": "copy", "g": "handover"}
    assert found.loc["f", ["arr_twice", "days", "runs_now"]].tolist() == [60, 141, True]  # 10 February to 30 June
    assert found.loc["g", ["arr_twice", "days", "runs_now"]].tolist() == [10, 14, False]
    assert ledger.beside(eight(tmp_path), AT) == 60


def test_outcomes_that_do_not_fit_what_follows(tmp_path: Path) -> None:
    found = ledger.mismatches(eight(tmp_path), AT, 30).set_index("contract")
    assert found["kind"].to_dict() == {"b1": "amount", "d1": "churned", "e1": "renewed"}
    assert found["difference"].to_dict() == {"b1": -10, "d1": 40, "e1": -30}
    early = ledger.mismatches(eight(tmp_path, pd.Timestamp("2025-05-15")), pd.Timestamp("2025-05-15"), 30)
    assert "e1" not in set(early["contract"])  # its grace has not passed


def test_an_outcome_is_not_seen_before_it_was_decided(tmp_path: Path) -> None:
    terms = eight(tmp_path, pd.Timestamp("2025-03-10")).set_index("contract")
    assert terms["said"].dropna().to_dict() == {"c1": "churned", "d1": "churned", "h1": "churned"}
    assert "a2" not in terms.index


def test_invoices_against_arr(tmp_path: Path) -> None:
    """002 pays 200 a year and was billed 50 a quarter; 003 pays 300 and was billed twice. 001 was under contract for half the year."""
    contracts = "account_id,start_date,end_date,arr\n001,2025-01-01,,100\n002,2024-01-01,,200\n003,2024-01-01,,300\n"
    invoices = "account_id,issued_at,amount,recurring\n002,2024-06-01,50,true\n" + "".join(
        f"002,{day},50,true\n" for day in ("2024-08-01", "2024-11-01", "2025-02-01", "2025-05-01")
    )
    invoices += "003,2024-08-01,300,true\n003,2025-01-01,300,true\n003,2025-01-01,999,false\n"
    tables, found = opened(tmp_path, {"contracts.csv": contracts, "invoices.csv": invoices})
    billed = ledger.invoiced(tables, ledger.terms(tables, found, AT), AT).set_index("account_id")
    assert billed["ratio"].round(9).to_dict() == {"003": 2.0, "002": 1.0}


@pytest.fixture(scope="module", params=[21, 22])
def clean(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """A simulated company nobody broke: rows a day, accounts active, and by when rows are expected."""
    folder = tmp_path_factory.mktemp("clean")
    make_demo(folder, seed=request.param, accounts=150)
    found = load_workspace(folder)
    tables = load_tables(found)
    asof.open_door(tables, found)
    at = pd.Timestamp(tables.data_through)
    clocks = provenance.clocks(tables, found, at).set_index("table")
    names = ["usage", "tickets", "touchpoints", "ratings", "invoices", "readings", "score_history", "surveys", "advocacy"]
    late = pd.to_timedelta(clocks["delay_p95"].astype(float).fillna(0.0).round(), unit="D")
    return provenance.daily_rows(tables, names, at), provenance.active_by_day(tables, at), at - late


def planted(daily: pd.DataFrame, table: str, first: str, last: str, times: float) -> pd.DataFrame:
    hit = (daily["table"] == table) & daily["day"].between(pd.Timestamp(first), pd.Timestamp(last))
    rows = daily["rows"].where(~hit, (daily["rows"] * times).round().astype("int64"))
    return daily.assign(rows=rows)[rows > 0]


def test_a_clean_company_has_no_break(clean: tuple) -> None:
    found, volumes = find_breaks(*clean)
    assert found.to_dict("records") == []
    assert volumes.groupby("table")["judged"].first().sum() >= 7


@pytest.mark.parametrize(
    ("table", "first", "last", "kind"),
    [("usage", "2025-03-10", "2025-03-20", "gap"), ("tickets", "2025-03-10", "2025-03-31", "gap"),
     ("readings", "2025-03-01", "2025-03-31", "gap"), ("usage", "2026-10-15", "2026-10-31", "stopped")],
)  # fmt: skip
def test_a_planted_gap_is_found(clean: tuple, table: str, first: str, last: str, kind: str) -> None:
    daily, active, known = clean
    found, _ = find_breaks(planted(daily, table, first, last, 0), active, known)
    hit = found[(found["table"] == table) & (found["kind"] == kind)]
    assert len(hit) == 1
    assert abs((hit["starts"].iloc[0] - pd.Timestamp(first)).days) <= 31
    assert hit["rows"].iloc[0] < 0
    lost = daily.loc[(daily["table"] == table) & daily["day"].between(pd.Timestamp(first), pd.Timestamp(last)), "rows"].sum()
    assert 0.4 < -hit["rows"].iloc[0] / lost < 2.5


@pytest.mark.parametrize(
    ("table", "last", "times", "kind"),
    [("usage", "2026-10-31", 0.5, "down"), ("touchpoints", "2026-10-31", 2.5, "up"), ("readings", "2026-10-31", 0.5, "down"),
     ("usage", "2025-03-16", 3.0, "spike")],
)  # fmt: skip
def test_a_planted_jump_is_found(clean: tuple, table: str, last: str, times: float, kind: str) -> None:
    daily, active, known = clean
    found, _ = find_breaks(planted(daily, table, "2025-03-10", last, times), active, known)
    hit = found[(found["table"] == table) & (found["kind"] == kind)]
    assert len(hit) == 1
    assert abs((hit["starts"].iloc[0] - pd.Timestamp("2025-03-10")).days) <= 31
    assert hit["size"].iloc[0] == pytest.approx(times, rel=0.35)


def test_growth_of_the_book_is_no_jump() -> None:
    """Two hundred accounts join in one week and send as many rows each as the others: the rows double, per account they do not."""
    days = pd.date_range("2024-01-01", periods=400, freq="D", unit="s")
    active = pd.DataFrame({"day": days, "active": np.where(np.arange(400) < 200, 200.0, 400.0)})
    rows = np.random.default_rng(0).poisson(active["active"] / 10)
    daily = pd.DataFrame({"table": "usage", "day": days, "rows": rows})
    found, _ = find_breaks(daily, active, pd.Series({"usage": days[-1]}))
    assert found.empty
    outgrown = daily.assign(rows=np.random.default_rng(1).poisson(20, 400))  # the table does not follow the book: nothing happened in it
    assert find_breaks(outgrown, active, pd.Series({"usage": days[-1]}))[0].empty


def test_gaps_are_rare_where_rows_come_at_random() -> None:
    """200 tables of pure chance, a row every third day on average over three years: fewer than 2 with a gap."""
    days = pd.date_range("2022-01-01", periods=1100, freq="D", unit="s")
    active = pd.DataFrame({"day": days, "active": 50.0})
    alarms = 0
    for seed in range(200):
        hit = np.random.default_rng(seed).random(1100) < 1 / 3
        alarms += len(find_gaps(pd.DataFrame({"day": days[hit], "rows": 1}), active, days[-1])) > 0
    assert alarms < 2
