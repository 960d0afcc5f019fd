"""The rows behind the leak audit, counted by hand; golden numbers of six accounts."""

from __future__ import annotations

import pandas as pd
import pytest

from healthlib.spec import load_workspace
from healthlib.studies.book import Book, open_book

CONTRACTS = """account_id,start_date,end_date,arr,outcome,decided_on
left,2024-01-01,2025-01-01,100,churned,2024-11-01
back,2024-01-01,2025-01-01,100,churned,2024-12-01
back,2025-06-01,2026-06-01,100,,
stays,2024-01-01,2027-01-01,100,,
"""
TICKETS = """account_id,opened_at,category,closed_at,updated_at
left,2024-06-01,cancel,,2024-06-02
left,2024-11-15,cancel,2024-11-20,2024-12-15
left,2024-12-10,other,,2024-12-10
left,2025-03-01,cancel,,2026-12-01
back,2025-02-20,cancel,,
back,2025-07-01,cancel,,
stays,2023-12-01,cancel,2025-09-01,2024-03-01
stays,2025-01-10,other,,2025-01-30
"""
RATINGS = """account_id,rated_at,rating,recorded_at
left,2024-05-01,2,2024-08-01
stays,2024-05-01,4,2024-05-02
"""
CARD = """groups: [g]
metrics:
  cancel: {group: g, table: tickets, where: category = 'cancel', measure: count, worst: 1, best: 0, weight: 1, not_a_leak: seen by hand}
  closed: {group: g, table: tickets, measure: share closed_at, worst: 0, best: 1, weight: 1}
bands: [{name: red, from: 0}]
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    folder = tmp_path_factory.mktemp("traces")
    files = {"contracts.csv": CONTRACTS, "tickets.csv": TICKETS, "ratings.csv": RATINGS, "scorecard.yaml": CARD}
    files["accounts.csv"] = "account_id,status,segment\nleft,gone,SMB\nback,here,SMB\nstays,here,Big\n"
    files["attributes.csv"] = "account_id,valid_from,segment\nleft,2024-01-01,SMB\n"
    files["workspace.yaml"] = "name: t\ndata_through: 2026-01-31\n"
    for name, text in files.items():
        (folder / name).write_text(text)
    return open_book(load_workspace(folder))


def test_the_audit_made_beside_the_reading_is_the_one_made_after_it(book: Book) -> None:
    beside = open_book(book.workspace, screened=True)
    assert "leaks" in vars(beside)
    pd.testing.assert_frame_equal(beside.leaks.found, book.leaks.found)
    assert beside.leaks.notes == book.leaks.notes


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


def test_leavings_are_dated_by_their_decision_and_the_return(book: Book) -> None:
    found = book.traces.leavers.set_index("account_id")
    assert book.traces.decided
    assert found.loc["left", ["ended_on", "decided_on"]].tolist() == [day("2025-01-01"), day("2024-11-01")]
    assert pd.isna(found.loc["left", "back_on"])
    assert found.loc["back", ["decided_on", "back_on"]].tolist() == [day("2024-12-01"), day("2025-06-01")]
    assert set(found.index) == {"left", "back"}


def test_rows_are_counted_by_metric_before_and_from_the_decision_on(book: Book) -> None:
    """Of `left`, one of its three cancel tickets lies before 2024-11-01, one between that day and the end; the third after the end."""
    found = book.traces.rows.set_index(["metric", "account_id"])
    assert found.loc[("cancel", "left"), ["rows", "before", "decided"]].tolist() == [3, 1, 1]
    assert found.loc[("cancel", "left"), "first_known"] == day("2024-06-01")
    assert found.loc[("closed", "left"), ["rows", "before", "decided"]].tolist() == [1, 0, 1]
    assert found.loc[("cancel", "stays"), ["rows", "before", "decided"]].tolist() == [1, 0, 0]


def test_stamps_count_where_known_and_late(book: Book) -> None:
    """Stamped on the next day is entry, 30 days later an edit; the stamp of 2026-12-01 is not known yet on 2026-01-31."""
    found = book.traces.rows.set_index(["metric", "account_id"])
    assert book.traces.stamps == {"tickets": "updated_at"}
    assert found.loc[("cancel", "left"), ["stamped", "edited", "edited_after"]].tolist() == [2, 1, 1]
    assert found.loc[("cancel", "stays"), ["stamped", "edited", "edited_after"]].tolist() == [1, 1, 0]


def test_rows_of_tables_early_late_and_after_the_end(book: Book) -> None:
    """2025-03-01 is 59 days after the end. `back` has one row while it was away (50 days after) and one after it came back."""
    found = book.traces.accounts.set_index(["table", "account_id"])
    assert found.loc[("tickets", "left"), ["rows", "early", "after"]].tolist() == [4, 0, 1]
    assert found.loc[("tickets", "back"), ["rows", "after"]].tolist() == [2, 1]
    assert found.loc[("tickets", "stays"), ["rows", "early", "after"]].tolist() == [2, 1, 0]
    assert found.loc[("ratings", "left"), "late"] == 1
    assert found.loc[("ratings", "stays"), "late"] == 0


def test_only_attributes_without_history_are_todays(book: Book) -> None:
    assert book.traces.attributes == ("status",)


def test_three_accounts_accuse_nobody(book: Book) -> None:
    assert book.leaks.found.empty
