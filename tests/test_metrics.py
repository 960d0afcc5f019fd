"""Every measure against a plain-Python reading of PRODUCT.md: one account and one day at a time, row by row."""

from __future__ import annotations

import datetime as dt
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import asof, metrics
from healthlib.errors import DataError
from healthlib.spec import Band, Measure, Metric, OutcomeSpec, Scorecard, TableSource, Workspace
from healthlib.studies.book import snapshots
from healthlib.tables import load_tables

DAY = dt.timedelta(days=1)


def metric(name: str, measure: str, table: str = "usage", **more) -> Metric:
    kind, _, of = measure.partition(" ")
    keys = {"group": "g", "label": name, "worst": 0, "best": 1, "weight": 1, **more}
    return Metric(name=name, table=table, measure=Measure(kind=kind, of=of or None), **keys)


MENU = [
    metric("n30", "count", window_days=30),
    metric("n_all", "count"),
    metric("n1", "count", window_days=1),
    metric("sum90", "sum quantity", window_days=90),
    metric("mean90", "mean quantity", window_days=90),
    metric("max60", "max quantity", window_days=60),
    metric("users30", "distinct user_id", window_days=30),
    metric("users_all", "distinct user_id"),
    metric("last_q", "last quantity"),
    metric("last_stale", "last quantity", stale_after_days=20),
    metric("since", "days_since"),
    metric("since_x", "days_since", where="feature = 'x'"),
    metric("share_x", "share feature = 'x'", window_days=45),
    metric("share_user", "share user_id", window_days=45),
    metric("x30", "count", where="feature = 'x'", window_days=30),
    metric("trend", "sum quantity", window_days=30, trend=60),
    metric("trend_users", "distinct user_id", window_days=30, trend=30),
    metric("per_seat", "distinct user_id", window_days=30, per="seats"),
    metric("per_arr", "sum quantity", window_days=30, per="ARR"),
    metric("per_user", "count", window_days=30, per="active users"),
    metric("per_count", "count", where="feature = 'x'", window_days=90, per="count"),
    metric("since_trend", "days_since", trend=30),
    metric("open_t", "open", table="tickets"),
    metric("open_trend", "open", table="tickets", trend=30),
    metric("sat", "mean satisfaction", table="tickets", window_days=90),
    metric("closed", "share closed_at", table="tickets", window_days=120),
    metric("tickets", "count", table="tickets", window_days=60, where="severity = 'high'"),
    metric("last_sat", "last satisfaction", table="tickets"),
    metric("closed_n", "count", table="tickets", where="closed_at is not null"),
    metric("age", "age", table=None),
    metric("nps", "last value", table="readings"),
    metric("csat", "mean value", table="readings", reading="c_sat", window_days=100),
    metric("slow", "count", table="surveys", window_days=60),
    metric("per_users", "sum quantity", window_days=30, per="distinct user_id"),
    metric("count_past", "count", window_days=30, against={"past_days": 90}),
    metric("sum_past", "sum quantity", window_days=14, against={"past_days": 100}),
    metric("x_past", "count", where="feature = 'x'", window_days=45, against={"past_days": 45}),
    metric("mean_past", "mean quantity", window_days=60, against={"past_days": 200}),
    metric("share_past", "share feature = 'x'", window_days=60, against={"past_days": 100}),
    metric("users_past", "distinct user_id", window_days=30, against={"past_days": 100}),
    metric("max_past", "max quantity", window_days=60, against={"past_days": 130}),
    metric("closed_past", "count", table="tickets", where="closed_at is not null", window_days=60, against={"past_days": 90}),
    metric("slow_past", "count", table="surveys", window_days=60, against={"past_days": 60}),
    metric("users_peers", "distinct user_id", window_days=90, against={"peers": "segment", "at_least": 2}),
    metric("seat_peers", "sum quantity", window_days=120, per="seats", against={"peers": "segment", "at_least": 2}),
    metric("fresh_peers", "days_since", against={"peers": "region", "at_least": 3}),
    metric("trend_peers", "count", window_days=60, trend=60, against={"peers": "region", "at_least": 2}),
    metric("some_peers", "count", window_days=90, against={"peers": "region", "at_least": 2}, applies_to={"segment": ("big",)}),
]


def company(folder: Path, seed: int) -> Workspace:
    """Six accounts, two years; usage with back-filled rows, tickets closed later, surveys with a declared lag of 10 days."""
    rng = np.random.default_rng(seed)
    start, accounts = dt.date(2024, 1, 1), [f"A{i}" for i in range(6)]
    day = lambda n: [start + DAY * int(k) for k in rng.integers(0, 730, n)]  # noqa: E731
    pd.DataFrame(
        {"account_id": accounts, "name": accounts, "segment": ["big", "small", "big", "big", "small", "big"], "region": "north"}
    ).to_csv(folder / "accounts.csv", index=False)
    begins = [start + DAY * int(k) for k in rng.integers(0, 300, 6)]
    pd.DataFrame(
        {
            "account_id": accounts,
            "start_date": begins,
            "end_date": [b + 365 * DAY for b in begins],
            "arr": rng.integers(1, 9, 6) * 100.5,
            "seats": [0, *rng.integers(1, 9, 5)],
        }
    ).to_csv(folder / "contracts.csv", index=False)
    n = 260
    at = day(n)
    late = [a + DAY * int(k) if k > 5 else None for a, k in zip(at, rng.integers(0, 25, n), strict=True)]
    pd.DataFrame(
        {
            "account_id": rng.choice(accounts[:5], n),
            "occurred_at": at,
            "user_id": rng.choice(["u1", "u2", "u3", ""], n),
            "feature": rng.choice(["x", "y"], n),
            "quantity": rng.integers(0, 20, n) / 4,
            "recorded_at": late,
        }
    ).to_csv(folder / "usage.csv", index=False)
    at = day(90)
    shut = [a + DAY * int(k) if k < 60 else None for a, k in zip(at, rng.integers(0, 90, 90), strict=True)]
    pd.DataFrame(
        {
            "account_id": rng.choice(accounts, 90),
            "opened_at": at,
            "ticket_id": range(90),
            "closed_at": shut,
            "severity": rng.choice(["high", "low"], 90),
            "satisfaction": [int(k) if s else None for k, s in zip(rng.integers(1, 6, 90), shut, strict=True)],
        }
    ).to_csv(folder / "tickets.csv", index=False)
    pd.DataFrame(
        {
            "account_id": rng.choice(accounts, 80),
            "read_on": day(80),
            "metric": rng.choice(["nps", "c_sat"], 80),
            "value": rng.integers(0, 11, 80),
        }
    ).to_csv(folder / "readings.csv", index=False)
    pd.DataFrame({"account_id": rng.choice(accounts, 60), "responded_at": day(60), "kind": "nps", "score": rng.integers(0, 11, 60)}).to_csv(
        folder / "surveys.csv", index=False
    )
    card = Scorecard(groups=("g",), metrics={m.name: m for m in MENU}, bands=(Band(name="red", start=0),))
    return Workspace(
        folder=folder, name="t", scorecard=card, outcome=OutcomeSpec(), tables={"surveys": TableSource(file="surveys.csv", lag_days=10)}
    )


CLOCKS = {
    "usage": ("occurred_at", None, 0),
    "tickets": ("opened_at", "closed_at", 0),
    "readings": ("read_on", None, 0),
    "surveys": ("responded_at", None, 10),
}


@lru_cache
def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"user_id": str})


@lru_cache
def contracts_of(folder: Path) -> pd.DataFrame:
    contracts = read(folder / "contracts.csv")
    return contracts.assign(**{c: pd.to_datetime(contracts[c]) for c in ("start_date", "end_date")})


@lru_cache
def visible(folder: Path, table: str, as_of: dt.date) -> pd.DataFrame:
    """The rows of a table that were known on a day, with `at` and `known`."""
    time, _, lag = CLOCKS[table]
    rows = read(folder / f"{table}.csv").copy()
    rows["at"] = pd.to_datetime(rows[time])
    recorded = pd.to_datetime(rows["recorded_at"]) if "recorded_at" in rows else pd.Series(pd.NaT, index=rows.index)
    rows["known"] = recorded.fillna(rows["at"] + pd.Timedelta(days=lag))
    return rows[(rows["known"] <= pd.Timestamp(as_of)) & (rows["at"] <= pd.Timestamp(as_of))]


def brute(folder: Path, m: Metric, account: str, as_of: dt.date, shift: int = 0, window: int | None = None) -> float:
    """PRODUCT.md §2.3 and §5.1 for one account and day, from the CSV files; the future is never touched."""
    contracts = contracts_of(folder)
    mine = contracts[(contracts["account_id"] == account) & (contracts["start_date"] <= pd.Timestamp(as_of))]
    active = mine[mine["end_date"] > pd.Timestamp(as_of)]
    until = pd.Timestamp(as_of - shift * DAY)
    if m.measure.kind == "age":
        return (until - mine["start_date"].min()).days if len(mine) else math.nan
    shut, rows = CLOCKS[m.table or ""][1], visible(folder, m.table or "", as_of)
    first_day = rows["at"].min()
    rows = rows[(rows["account_id"] == account) & (rows["at"] <= until)]
    if m.table == "readings":
        rows = rows[rows["metric"] == (m.reading or m.name)]
    window = window or m.window_days
    if window:
        rows = rows[rows["at"] > until - pd.Timedelta(days=window)]
    if shut:
        hidden = ~(pd.to_datetime(rows["closed_at"]) <= until)
        rows = rows.assign(closed_at=rows["closed_at"].where(~hidden), satisfaction=rows["satisfaction"].where(~hidden))
    whole = rows
    if m.where:
        column, value = ("closed_at", None) if "closed_at" in m.where else (m.where.split(" = ")[0], m.where.split("'")[1])
        rows = rows[rows[column].notna()] if value is None else rows[rows[column] == value]
    start = max(first_day, mine["start_date"].min()) if len(mine) and not pd.isna(first_day) else pd.Timestamp.max
    recording = until >= start
    if shift and window and until - pd.Timedelta(days=window - 1) < start:
        return math.nan
    value = measured(m, rows, until, recording)
    per = (m.per or "").lower().replace("_", " ")
    if per == "seats":
        value = value / active["seats"].sum() if len(active) and active["seats"].sum() else math.nan
    elif per == "arr":
        value = value / active["arr"].sum() if len(active) else math.nan
    elif per in ("active users", "distinct user id"):
        value = value / whole["user_id"].nunique() if whole["user_id"].nunique() else math.nan
    elif per == "count":
        value = value / len(whole) if len(whole) else math.nan
    return value


def measured(m: Metric, rows: pd.DataFrame, until: pd.Timestamp, recording: bool) -> float:
    kind, of = m.measure.kind, m.measure.of
    if kind in ("count", "sum", "distinct", "open") and rows.empty:
        return 0.0 if recording else math.nan
    if rows.empty:
        return math.nan
    if kind == "last":
        latest = rows.sort_values(["at", "known", of], na_position="first").iloc[-1]
        stale = m.stale_after_days is not None and (until - latest["at"]).days > m.stale_after_days
        return math.nan if stale else float(latest[of])
    column = rows.get(of)
    return {
        "count": lambda: len(rows),
        "sum": lambda: column.sum(),
        "mean": lambda: column.mean(),
        "max": lambda: column.max(),
        "distinct": lambda: column.nunique(),
        "days_since": lambda: (until - rows["at"].max()).days,
        "open": lambda: rows["closed_at"].isna().sum(),
        "share": lambda: column.notna().mean() if column is not None else (rows["feature"] == "x").mean(),
    }[kind]()


def expected(folder: Path, m: Metric, account: str, as_of: dt.date) -> float:
    if m.against and m.against.peers:
        return among_peers(folder, m, account, as_of)
    now = brute(folder, m, account, as_of)
    if m.against:
        past = own_past(folder, m, account, as_of)
        return now / past - 1 if past > 0 else math.nan
    if m.trend is None:
        return now
    before = brute(folder, m, account, as_of, m.trend)
    return (now - before) / before if before else math.nan


def own_past(folder: Path, m: Metric, account: str, as_of: dt.date) -> float:
    """The same measure over the days before the window: counts and sums a day, distinct things in windows of the same length."""
    w, n = m.window_days, m.against.past_days
    if m.measure.kind in ("distinct", "max"):
        return float(np.mean([brute(folder, m, account, as_of, w * k) for k in range(1, n // w + 1)]))
    whole = brute(folder, m, account, as_of, w, n)
    return whole / n * w if m.measure.kind in ("count", "sum") else whole


def among_peers(folder: Path, m: Metric, account: str, as_of: dt.date) -> float:
    """Share of the other accounts with the same attribute, active at the last month-end, whose value is lower; ties count half."""
    plain = m.model_copy(update={"against": None})
    mine, day = expected(folder, plain, account, as_of), as_of
    while (day + DAY).day != 1:
        day -= DAY
    accounts = read(folder / "accounts.csv").set_index("account_id")
    contracts, stamp = contracts_of(folder), pd.Timestamp(day)
    active = contracts[(contracts["start_date"] <= stamp) & (contracts["end_date"] > stamp)]
    group = accounts[m.against.peers]
    peers = [a for a in active["account_id"] if a != account and group[a] == group[account]]
    peers = [a for a in peers if not m.applies_to or accounts["segment"][a] in m.applies_to["segment"]]
    values = [v for v in (expected(folder, plain, a, day) for a in peers) if not math.isnan(v)]
    if math.isnan(mine) or len(values) < m.against.at_least:
        return math.nan
    return sum((v < mine) + (v == mine) / 2 for v in values) / len(values)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_measure_equals_brute_force(tmp_path: Path, seed: int) -> None:
    """49 metrics x 6 accounts x 7 dates, with a second clock, a lag, later-filled columns, empty windows and zero denominators."""
    workspace = company(tmp_path, seed)
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    dates = ["2023-12-31", "2024-02-29", "2024-07-31", "2024-09-30", "2024-11-13", "2025-01-31", "2025-08-31"]
    spine = pd.DataFrame([(f"A{i}", pd.Timestamp(d)) for d in dates for i in range(6)], columns=["account_id", "as_of"]).astype(
        {"as_of": "datetime64[s]"}
    )
    got = snapshots(tables, workspace, spine)
    wrong = []
    for row in got.itertuples():
        for m in MENU:
            want, have = expected(tmp_path, m, row.account_id, row.as_of.date()), getattr(row, m.name)
            if not (math.isnan(want) and math.isnan(have)) and not math.isclose(want, have, rel_tol=1e-9, abs_tol=1e-12):
                wrong.append((m.name, row.account_id, row.as_of.date(), have, want))
    assert not wrong, wrong[:10]
    assert got[[m.name for m in MENU]].notna().mean().min() > 0.05, "a metric was never measured: the test would be empty"


def test_a_metric_the_data_cannot_carry_is_named_with_the_nearest_column(tmp_path: Path) -> None:
    workspace = company(tmp_path, 1)
    card = workspace.scorecard.model_copy(
        update={"metrics": {m.name: m for m in (metric("a", "sum quantiti"), metric("b", "count", where="featur = 'x'"), MENU[0])}}
    )
    workspace = workspace.model_copy(update={"scorecard": card})
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    spine = pd.DataFrame({"account_id": ["A1"], "as_of": pd.to_datetime(["2025-01-31"]).astype("datetime64[s]")})
    with pytest.raises(DataError) as caught:
        metrics.measure(tables, workspace, asof.state(tables, workspace, spine))
    assert [fault.where for fault in caught.value.faults] == ["metrics.a", "metrics.b"]
    assert caught.value.faults[0].nearest == "quantity"


OURS = (
    "place",
    "cell",
    "bit",
    "account",
    "known_cell",
    "calendar_day",
    "nth",
    "value",
    "one",
    "w",
    "s",
    "d",
    "a",
    "v",
    "p",
    "c",
    "x",
    "r",
    "kd",
)
"""Names that the SQL of a measure uses for itself, or did."""


def test_a_column_may_be_called_as_we_call_things(tmp_path: Path) -> None:
    """Each measure over a column under such a name is the one over `quantity`, also where rows are read one by one on each date."""
    workspace = company(tmp_path, 1)
    usage = pd.read_csv(tmp_path / "usage.csv")
    usage.assign(**dict.fromkeys(OURS, usage["quantity"])).to_csv(tmp_path / "usage.csv", index=False)
    old = "cast(occurred_at as date) < as_of - 3"
    menu = [
        metric(f"{kind}|{name}|{days}|{len(more)}", f"{kind} {name}", window_days=days, where=f"{name} > 1{more}")
        for name in ("quantity", *OURS)
        for kind in ("sum", "distinct", "last", "max")
        for days in (45, None)
        for more in ("", f" and {old}")
    ]
    card = workspace.scorecard.model_copy(update={"metrics": {m.name: m for m in menu}})
    workspace = workspace.model_copy(update={"scorecard": card})
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    days = pd.to_datetime(["2024-07-31", "2025-01-31"]).astype("datetime64[s]")
    spine = pd.DataFrame([(f"A{i}", day) for day in days for i in range(6)], columns=["account_id", "as_of"])
    got = metrics.measure(tables, workspace, asof.state(tables, workspace, spine.astype({"as_of": "datetime64[s]"})))
    for m in menu:
        kind, _, days, more = m.name.split("|")
        pd.testing.assert_series_equal(got[m.name], got[f"{kind}|quantity|{days}|{more}"], check_names=False)
        assert got[m.name].nunique() > 2, "an empty comparison"
