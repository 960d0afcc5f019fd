"""Outcomes of eight accounts worked out by hand (PRODUCT.md §5.2, §5.3, §5.5)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from healthlib import outcomes
from healthlib.spec import Band, OutcomeSpec, Scorecard, Workspace
from healthlib.studies.book import Book, book_of
from healthlib.tables import load_tables
from tests.test_metrics import metric

# account, start, end, arr, said, decided: all on one page; data through 2026-06-30, grace 30 days
LEDGER = """account_id,start_date,end_date,arr,outcome,decided_on
renews,2024-01-01,2025-01-01,100,,
renews,2025-01-01,2026-01-01,120,,
renews,2026-01-01,2027-01-01,120,,
gap,2024-01-01,2025-01-01,50,,
gap,2025-01-31,2026-01-31,50,,
leaves,2024-01-01,2025-01-01,80,,
returns,2024-01-01,2025-01-01,70,,
returns,2025-02-01,2026-02-01,70,,
said,2024-01-01,2025-01-01,60,churned,2024-10-15
finished,2024-01-01,2025-01-01,40,renewed,2025-01-01
late,2025-06-15,2026-06-15,90,,
evergreen,2024-03-01,,30,,
"""


def book(folder: Path, at: str = "2026-06-30", **outcome) -> Book:
    (folder / "contracts.csv").write_text(LEDGER)
    names = sorted({line.split(",")[0] for line in LEDGER.splitlines()[1:]})
    (folder / "accounts.csv").write_text("account_id,name\n" + "".join(f"{n},{n}\n" for n in names))
    age = metric("age", "age", table=None)
    card = Scorecard(groups=("g",), metrics={"age": age}, bands=(Band(name="red", start=0),))
    workspace = Workspace(
        folder=folder, name="t", scorecard=card, data_through=pd.Timestamp("2026-06-30").date(), outcome=OutcomeSpec(**outcome)
    )
    return book_of(load_tables(workspace), workspace, pd.Timestamp(at))


def said(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    return {(r.account_id, f"{r.as_of:%Y-%m-%d}"): r.outcome for r in frame.itertuples()}


def test_renewal_given_and_derived(tmp_path: Path) -> None:
    """90 days before 2025-01-01 is 2024-10-03. A gap of 30 days renews, of 31 does not; a term that ended 15 days ago is still open."""
    assert said(book(tmp_path).cases) == {
        ("renews", "2024-10-03"): "renewed",
        ("renews", "2025-10-03"): "renewed",
        ("gap", "2024-10-03"): "renewed",
        ("gap", "2025-11-02"): "churned",
        ("leaves", "2024-10-03"): "churned",
        ("returns", "2024-10-03"): "churned",
        ("returns", "2025-11-03"): "churned",
        ("said", "2024-10-03"): "churned",
        ("finished", "2024-10-03"): "renewed",
        ("late", "2026-03-17"): "open",
    }


def test_churn_known_early_stays_open_until_its_horizon_has_passed(tmp_path: Path) -> None:
    """`said` was decided on 2024-10-15, but on 2025-01-15 its grace is not over: counting it alone would over-count churn."""
    early = book(tmp_path, "2025-01-15").cases
    assert set(early["outcome"]) == {"open"}
    assert early["lost"].isna().all()


def test_horizon_and_lost_arr(tmp_path: Path) -> None:
    row = book(tmp_path).cases.set_index(["account_id", "as_of"]).loc[("leaves", pd.Timestamp("2024-10-03"))]
    assert (row["horizon_ends_on"], row["lost"], row["arr_lost"]) == (pd.Timestamp("2025-01-31"), 1.0, 80.0)


def test_churn_within(tmp_path: Path) -> None:
    """`leaves` ends 2025-01-01: churned within 60 days of 2024-11-30 and 2024-12-31, kept on 2024-10-31. `finished` was not churn."""
    cases = said(book(tmp_path, kind="churn_within", horizon_days=60).cases)
    assert [cases["leaves", day] for day in ("2024-10-31", "2024-11-30", "2024-12-31")] == ["renewed", "churned", "churned"]
    assert cases["finished", "2024-12-31"] == "renewed"
    assert cases["gap", "2024-12-31"] == "renewed"
    assert cases["returns", "2024-12-31"] == "churned"
    assert cases["evergreen", "2026-03-31"] == "renewed"
    assert cases["evergreen", "2026-04-30"] == "open", "60 + 30 days from 2026-04-30 end after the data"
    assert ("leaves", "2025-01-31") not in cases, "not active any more"


def test_churn_within_does_not_know_the_end_of_a_running_term(tmp_path: Path) -> None:
    assert book(tmp_path, kind="churn_within").history["term_ends"].isna().all()
    assert book(tmp_path).history["term_ends"].notna().any()


def test_expansion(tmp_path: Path) -> None:
    """`renews` grew from 100 to 120 at its first renewal and by nothing at its second."""
    cases = said(book(tmp_path, kind="expansion").cases)
    assert cases["renews", "2024-10-03"] == "expanded"
    assert cases["renews", "2025-10-03"] == "not_expanded"
    assert cases["leaves", "2024-10-03"] == "not_expanded"


def test_churned_accounts_and_leads(tmp_path: Path) -> None:
    opened = book(tmp_path)
    left = {(r.account_id, f"{r.ended_on:%Y-%m-%d}"): r.arr for r in opened.churned.itertuples()}
    assert left == {
        ("leaves", "2025-01-01"): 80,
        ("returns", "2025-01-01"): 70,
        ("said", "2025-01-01"): 60,
        ("gap", "2026-01-31"): 50,
        ("returns", "2026-02-01"): 70,
    }
    mine = opened.leads[opened.leads["account_id"] == "leaves"]
    assert list(mine["lead_days"]) == sorted(outcomes.LEADS)
    assert (mine["ended_on"] - mine["as_of"]).dt.days.tolist() == mine["lead_days"].tolist()


def test_arr_on_a_day(tmp_path: Path) -> None:
    """start_date <= day < end_date; the gap is not active."""
    history = book(tmp_path).history.set_index(["account_id", "as_of"])["arr"]
    assert history["renews", pd.Timestamp("2024-12-31")] == 100
    assert history["renews", pd.Timestamp("2025-01-31")] == 120
    assert ("leaves", pd.Timestamp("2025-01-31")) not in history.index
    ledger = book(tmp_path).ledger
    assert ledger.groupby("month")["arr"].sum()[pd.Timestamp("2025-06-30")] == 120 + 50 + 70 + 90 + 30


@pytest.mark.parametrize(("day", "back"), [("2025-02-28", "2024-02-29"), ("2026-10-31", "2025-10-31"), ("2026-06-15", "2025-06-15")])
def test_year_before(day: str, back: str) -> None:
    from healthlib.studies.book import year_before

    assert year_before(pd.Timestamp(day)) == pd.Timestamp(back)


def test_spine_is_unique(tmp_path: Path) -> None:
    opened = book(tmp_path)
    for frame in (opened.cases, opened.history):
        assert not frame.duplicated(["account_id", "as_of"]).any()


def test_nobody_left_can_still_be_joined_to_who_is_here(tmp_path: Path) -> None:
    """A frame without rows comes from the database as objects, which merge_asof refuses to join to text: no report for a company
    that nobody has left yet."""
    opened = book(tmp_path, at="2024-06-30")
    assert opened.churned.empty
    here = opened.history[["account_id", "as_of"]].sort_values("as_of")
    found = pd.merge_asof(here, opened.churned, left_on="as_of", right_on="ended_on", by="account_id", direction="forward")
    assert len(found) > 0
    assert found["ended_on"].isna().all()
