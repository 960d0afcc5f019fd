"""Promise 1: the future cannot touch the past. Cut every table at T: nothing for T changes, for every metric of every shipped scorecard."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from healthlib import asof
from healthlib.demo import make_demo
from healthlib.schema import WHEN
from healthlib.spec import Workspace, load_workspace
from healthlib.studies.book import Book, book_of
from healthlib.tables import Tables, load_tables

SHIPPED = sorted(path.parent for path in Path("data").glob("*/workspace.yaml") if path.parent.name != "demo")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("demo")
    make_demo(folder, seed=3, accounts=80)
    return load_workspace(folder)


def cut(tables: Tables, workspace: Workspace, at: str) -> None:
    """Delete what was not known on `at` and empty what was filled in later, straight in the loaded tables: a second reading of §5.1."""
    day = f"DATE '{at}'"
    views = tables.engine.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'data' AND table_type = 'VIEW'")
    for name in views["table_name"]:
        tables.engine.run(f"CREATE TABLE cut_{name} AS SELECT * FROM data.{name}")
        tables.engine.run(f"DROP VIEW data.{name}")
        tables.engine.run(f"CREATE TABLE data.{name} AS SELECT * FROM cut_{name}")
    for name, columns in tables.columns.items():
        schema, source = tables.schemas[name], workspace.tables.get(name)
        lag = source.lag_days if source else 0
        if schema.time in columns:
            recorded = "CAST(recorded_at AS DATE)" if "recorded_at" in columns else "NULL"
            tables.engine.run(
                f"DELETE FROM data.{name} WHERE CAST({schema.time} AS DATE) > {day} "
                f"OR coalesce({recorded}, CAST({schema.time} AS DATE) + {lag}) > {day}"
            )
        by_date: dict[str, list[str]] = {}
        for column, by in schema.filled_later.items():
            if column in columns:
                by_date.setdefault(by if by in columns else "end_date", []).append(column)
        if name == "contracts" and workspace.outcome.kind == "churn_within":
            by_date.setdefault("end_date", []).append("end_date")
        for by, emptied in by_date.items():
            if by in columns:
                tables.engine.run(
                    f"UPDATE data.{name} SET {', '.join(f'{c} = NULL' for c in dict.fromkeys(emptied))} WHERE CAST({by} AS DATE) > {day}"
                )


def same(left: Book, right: Book) -> None:
    for name in ("history", "cases", "leads", "ledger", "churned", "incumbent", "silences", "overrides", "dated", "answers"):
        a, b = getattr(left, name), getattr(right, name)
        assert (a is None) == (b is None), name
        if a is not None:
            pd.testing.assert_frame_equal(a, b, obj=name)
    for name in ("starts", "activity", "adopted", "steps"):
        pd.testing.assert_frame_equal(getattr(left.began, name), getattr(right.began, name), obj=f"began.{name}")
    assert left.began.recorded == right.began.recorded
    for name in ("leavers", "rows", "accounts"):
        pd.testing.assert_frame_equal(getattr(left.traces, name), getattr(right.traces, name), obj=f"traces.{name}")
    reach = ["table", "first_day", "last_day"]
    pd.testing.assert_frame_equal(left.tables[reach], right.tables[reach], obj="tables")
    assert left.scorecard == right.scorecard


def check(workspace: Workspace, at: str) -> Book:
    whole, short = load_tables(workspace), load_tables(workspace)
    before = book_of(whole, workspace, pd.Timestamp(at))
    cut(short, workspace, at)
    same(before, book_of(short, workspace, pd.Timestamp(at)))
    return before


@pytest.mark.parametrize("at", ["2024-03-31", "2025-06-15", "2026-02-28"])
def test_cutting_every_table_changes_nothing(demo: Workspace, at: str) -> None:
    """ARR, seats, segment, lifecycle, every metric, every label and the incumbent's score; each metric is measured somewhere."""
    book = check(demo, at)
    columns = [*demo.scorecard.metrics, "arr", "seats", "age_days", "segment", "term_ends"]
    assert book.history[columns].notna().any().all(), book.history[columns].notna().mean()
    assert (book.history["as_of"].max(), book.cases["as_of"].max() <= pd.Timestamp(at)) == (pd.Timestamp(at), True)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_cutting_every_table_changes_nothing_on_shipped_workspaces(folder: Path) -> None:
    if not (folder / "../../../shared/data" / folder.name).exists():
        pytest.skip(f"the exports behind {folder} are not here: they are other people's data and not part of this project")
    workspace = load_workspace(folder)
    if workspace.flat is not None:
        pytest.skip(f"{folder} is one flat sheet: there is no time in it to cut")
    through = pd.Timestamp(workspace.data_through)
    check(workspace, f"{through - pd.DateOffset(months=9):%Y-%m-%d}")


def test_the_future_would_have_been_seen(demo: Workspace) -> None:
    """The property test can fail: a door without the `known` clock lets back-filled ratings through."""
    tables = load_tables(demo)
    asof.open_door(tables, demo)
    late = tables.engine.query("SELECT count(*) AS n FROM known.ratings WHERE known > day")["n"].iloc[0]
    closed = tables.engine.query("SELECT count(*) AS n FROM known.tickets WHERE closed_at > opened_at")["n"].iloc[0]
    assert late > 0
    assert closed > 0


def test_an_attribute_is_read_as_it_was(demo: Workspace) -> None:
    """Segment comes from `attributes` on the day; before the first row it is unknown, never today's."""
    tables = load_tables(demo)
    asof.open_door(tables, demo)
    rows = tables.engine.query(
        "SELECT account_id, CAST(min(valid_from) AS TIMESTAMP) AS first FROM data.attributes GROUP BY 1 ORDER BY 1"
    ).head(5)
    spine = pd.DataFrame({"account_id": rows["account_id"], "as_of": rows["first"].astype("datetime64[s]") - pd.Timedelta(days=1)})
    state = asof.state(tables, demo, spine)
    assert state["segment"].isna().all()
    assert state["name"].notna().all()


def test_column_types_have_a_time(demo: Workspace) -> None:
    tables = load_tables(demo)
    assert all(
        tables.columns[name].get(schema.time, WHEN) == WHEN
        for name, schema in tables.schemas.items()
        if schema.time and name in tables.columns
    )


@pytest.mark.parametrize(
    ("first", "last", "ends"),
    [
        ("2026-01-05", "2026-03-31", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("2024-02-01", "2024-03-15", ["2024-02-29", "2024-03-15"]),
        ("2026-01-31", "2026-01-31", ["2026-01-31"]),
    ],
)
def test_month_ends(first: str, last: str, ends: list[str]) -> None:
    assert [f"{d:%Y-%m-%d}" for d in asof.month_ends(pd.Timestamp(first), pd.Timestamp(last))] == ends
