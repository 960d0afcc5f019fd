"""The newest row behind a metric, and the latest answer however old, on rows that fit on a screen."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from healthlib import asof, recency
from healthlib.spec import Band, Scorecard, Workspace
from healthlib.tables import Tables, load_tables
from tests.test_metrics import metric

FILES = {
    "accounts": "account_id,name\na,A\nb,B\n",
    "contracts": "account_id,start_date,end_date,arr\na,2025-01-01,2027-01-01,100\nb,2025-02-01,2027-01-01,100\n",
    "touchpoints": "account_id,occurred_at,kind,persona\na,2026-01-05,call,executive\na,2026-05-01,call,user\na,2026-07-01,call,user\n",
    "ratings": "account_id,rated_at,rating,recorded_at\na,2026-01-10,4,2026-01-10\na,2026-05-20,2,2026-06-20\nb,2025-06-01,5,2025-06-01\n",
    "milestones": "account_id,milestone,completed_at\na,install,2025-03-01\na,train,2026-05-15\na,live,2026-08-01\nb,install,\n",
    "tickets": "account_id,opened_at,ticket_id,closed_at,satisfaction\na,2026-04-01,1,2026-04-20,5\n"
    "a,2026-05-10,2,,\na,2026-05-11,3,2026-09-01,1\n",
    "readings": "account_id,read_on,metric,value\na,2026-05-02,share,0.5\na,2026-05-30,other,1\n",
}
METRICS = (
    metric("contact", "days_since", table="touchpoints", where="persona = 'executive'"),
    metric("calls", "count", table="touchpoints", window_days=5),
    metric("rating", "last rating", table="ratings", stale_after_days=30),
    metric("done", "share completed_at", table="milestones"),
    metric("satisfaction", "mean satisfaction", table="tickets"),
    metric("opened", "open", table="tickets"),
    metric("share", "last value", table="readings"),
    metric("age", "age", table=None),
    metric("nothing", "count", table="usage"),
)


@pytest.fixture
def loaded(tmp_path: Path) -> tuple[Tables, Workspace]:
    for name, text in FILES.items():
        (tmp_path / f"{name}.csv").write_text(text)
    card = Scorecard(groups=("g",), metrics={m.name: m for m in METRICS}, bands=(Band(name="red", start=0),))
    workspace = Workspace(folder=tmp_path, name="t", scorecard=card, data_through=pd.Timestamp("2026-10-01").date())
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    return tables, workspace


def newest(loaded: tuple[Tables, Workspace], day: str) -> dict[tuple[str, str], str]:
    spine = pd.DataFrame({"account_id": ["a", "b"], "as_of": pd.Timestamp(day)})
    found = recency.newest_days(*loaded, spine)
    assert list(found.columns) == list(recency.DATED_COLUMNS)
    return {(row.account_id, row.metric): f"{row.day:%Y-%m-%d}" for row in found.itertuples()}


def test_the_newest_visible_row_of_each_metric(loaded: tuple[Tables, Workspace]) -> None:
    """On 1 June: the rating of 20 May is not recorded yet; a step done in August and a ticket closed in September are not done yet."""
    assert newest(loaded, "2026-06-01") == {
        ("a", "contact"): "2026-01-05",
        ("a", "calls"): "2026-05-01",  # outside its window of five days: it says since when there is nothing
        ("a", "rating"): "2026-01-10",  # stale, and dated all the same
        ("b", "rating"): "2025-06-01",
        ("a", "done"): "2026-05-15",
        ("b", "done"): "2025-02-01",  # a step without a date of its own is there from the first contract
        ("a", "satisfaction"): "2026-04-20",  # given when the ticket was closed
        ("a", "opened"): "2026-05-11",
        ("a", "share"): "2026-05-02",
    }


def test_late_records_and_later_fillings_show_when_they_are_known(loaded: tuple[Tables, Workspace]) -> None:
    later = newest(loaded, "2026-09-01")
    assert later["a", "rating"] == "2026-05-20"
    assert later["a", "done"] == "2026-08-01"
    assert later["a", "satisfaction"] == later["a", "opened"] == "2026-09-01"


def test_the_latest_answer_comes_with_its_age_however_old(loaded: tuple[Tables, Workspace]) -> None:
    spine = pd.DataFrame(
        {"account_id": ["a", "a", "b", "b"], "as_of": pd.to_datetime(["2026-06-01", "2026-07-01", "2025-05-01", "2026-06-01"])}
    )
    found = recency.latest_answers(*loaded, spine)
    assert list(found.columns) == list(recency.ANSWER_COLUMNS)
    said = {(r.account_id, f"{r.as_of:%Y-%m-%d}"): (r.value, r.age_days) for r in found.itertuples()}
    assert said == {("a", "2026-06-01"): (4, 142), ("a", "2026-07-01"): (2, 42), ("b", "2026-06-01"): (5, 365)}
    assert set(found["metric"]) == {"rating"}


def test_nobody_active_and_no_tables(loaded: tuple[Tables, Workspace]) -> None:
    empty = pd.DataFrame({"account_id": pd.Series(dtype="str"), "as_of": pd.Series(dtype="datetime64[s]")})
    assert recency.newest_days(*loaded, empty).empty
    assert recency.latest_answers(*loaded, empty).empty
