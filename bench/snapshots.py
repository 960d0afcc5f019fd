"""Snapshots of 10 million events x 20,000 accounts x 24 month-ends: ours against hand-written DuckDB and polars.

Count, sum and active days in 30 and in 90 days. Every version starts from the same Parquet file and ends with one frame in memory, in a
process of its own; all must agree to the last digit. `python bench/snapshots.py --events 1000000` for a quick look.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

AIM = 1.3
MONTHS = pd.date_range("2024-11-30", periods=24, freq="ME").as_unit("s")
WINDOWS = (30, 90)
FIGURES = [f"{what}_{window}" for what in ("count", "sum", "days") for window in WINDOWS]


def make_events(path: Path, events: int, accounts: int) -> None:
    """A Parquet file of usage: skewed over accounts, weekdays and hours as they come, unordered."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    activity = rng.lognormal(0, 1, accounts)
    who = rng.choice(accounts, events, p=activity / activity.sum())
    first = np.datetime64("2024-08-01", "s")
    seconds = rng.integers(0, 822 * 86_400, events)
    names = pa.array([f"A{i:06d}" for i in range(accounts)])
    table = pa.table(
        {
            "account_id": pa.DictionaryArray.from_arrays(pa.array(who.astype("int32")), names).cast(pa.string()),
            "occurred_at": pa.array((first + seconds).astype("datetime64[us]")),
            "quantity": pa.array(rng.integers(1, 6, events)),
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=1_000_000)


def spine(accounts: int) -> pd.DataFrame:
    ids = np.array([f"A{i:06d}" for i in range(accounts)])
    return pd.DataFrame({"account_id": np.tile(ids, len(MONTHS)), "as_of": MONTHS.to_numpy().repeat(accounts)})


def ours(path: Path, accounts: int) -> pd.DataFrame:
    """healthlib.metrics over healthlib.engine, as a workspace would run it."""
    from healthlib import asof, metrics
    from healthlib.engine import Engine, literal
    from healthlib.schema import TABLES
    from healthlib.spec import Measure, Metric, Scorecard, Workspace
    from healthlib.tables import Tables

    engine = Engine()
    engine.run(f"CREATE TABLE data.usage AS SELECT * FROM read_parquet({literal(str(path))})")
    state = spine(accounts).assign(arr=1.0, seats=1.0, age_days=9000.0)
    begun = pd.DataFrame(
        {"account_id": state["account_id"].unique(), "start_date": pd.Timestamp("2000-01-01"), "end_date": pd.NaT, "arr": 1.0}
    )
    engine.put("data.contracts", begun.astype({"end_date": "datetime64[s]"}))
    columns = {
        "contracts": {"account_id": "text", "start_date": "when", "end_date": "when", "arr": "number"},
        "usage": {"account_id": "text", "occurred_at": "when", "quantity": "number"},
    }
    measures = {"count": Measure(kind="count"), "sum": Measure(kind="sum", of="quantity"), "days": Measure(kind="distinct", of="day")}
    wanted = {
        f"{what}_{days}": Metric(
            name=f"{what}_{days}", group="g", label=what, table="usage", measure=measures[what], window_days=days, worst=0, best=1
        )
        for what in measures
        for days in WINDOWS
    }
    workspace = Workspace(folder=Path(), name="bench", scorecard=Scorecard(groups=("g",), metrics=wanted, bands=()))
    tables = Tables(engine, columns, pd.DataFrame(), {}, TABLES, MONTHS[-1].date(), ())
    asof.open_door(tables, workspace)
    return metrics.measure(tables, workspace, state)


DUCKDB_CELLS = """
WITH edges AS (SELECT DISTINCT unnest([d + 1, d - 29, d - 89]) AS edge FROM (SELECT CAST(as_of AS DATE) AS d FROM dates)),
calendar AS (SELECT CAST(x AS DATE) AS day, (SELECT count(*) FROM edges WHERE edge <= CAST(x AS DATE)) AS cell
    FROM generate_series(DATE '2024-08-01', DATE '2026-10-31', INTERVAL 1 DAY) t(x)),
by_day AS (SELECT account_id, CAST(occurred_at AS DATE) AS day, count(*) AS n, sum(quantity) AS q
    FROM read_parquet('{path}') GROUP BY 1, 2),
cells AS MATERIALIZED (SELECT b.account_id, c.cell, sum(n) AS n, sum(q) AS q, count(*) AS days
    FROM by_day b JOIN calendar c USING (day) GROUP BY 1, 2),
windows AS (SELECT d, w, cell FROM (SELECT CAST(as_of AS DATE) AS d FROM dates), (VALUES (30), (90)) v(w),
        (SELECT cell, min(day) AS first FROM calendar GROUP BY cell)
    WHERE first BETWEEN d - w + 1 AND d),
sums AS (SELECT c.account_id, p.d,
        sum(n) FILTER (w = 30) AS count_30, sum(n) FILTER (w = 90) AS count_90,
        sum(q) FILTER (w = 30) AS sum_30, sum(q) FILTER (w = 90) AS sum_90,
        sum(c.days) FILTER (w = 30) AS days_30, sum(c.days) FILTER (w = 90) AS days_90
    FROM windows p JOIN cells c USING (cell) GROUP BY 1, 2)
SELECT s.account_id, s.as_of, {figures} FROM spine s LEFT JOIN sums m ON m.account_id = s.account_id AND m.d = CAST(s.as_of AS DATE)
"""
DUCKDB_RANGE = """
WITH by_day AS MATERIALIZED (SELECT account_id, CAST(occurred_at AS DATE) AS day, count(*) AS n, sum(quantity) AS q
    FROM read_parquet('{path}') GROUP BY 1, 2),
sums AS (SELECT b.account_id, t.d,
        sum(n) FILTER (day > d - 30) AS count_30, sum(n) AS count_90, sum(q) FILTER (day > d - 30) AS sum_30, sum(q) AS sum_90,
        count(*) FILTER (day > d - 30) AS days_30, count(*) AS days_90
    FROM (SELECT CAST(as_of AS DATE) AS d FROM dates) t JOIN by_day b ON b.day BETWEEN t.d - 89 AND t.d GROUP BY 1, 2)
SELECT s.account_id, s.as_of, {figures} FROM spine s LEFT JOIN sums m ON m.account_id = s.account_id AND m.d = CAST(s.as_of AS DATE)
"""


def duckdb(sql: str, path: Path, accounts: int) -> pd.DataFrame:
    import duckdb as library

    connection = library.connect()
    connection.execute("SET threads = 2")
    connection.register("dates", pd.DataFrame({"as_of": MONTHS}))
    connection.register("spine", spine(accounts))
    figures = ", ".join(f"CAST(coalesce({name}, 0) AS DOUBLE) AS {name}" for name in FIGURES)
    return connection.execute(sql.format(path=path, figures=figures)).df()


def duckdb_cells(path: Path, accounts: int) -> pd.DataFrame:
    """Account-days, then elementary intervals, as one statement."""
    return duckdb(DUCKDB_CELLS, path, accounts)


def duckdb_days(path: Path, accounts: int) -> pd.DataFrame:
    """Account-days joined to each date by range, as one statement."""
    return duckdb(DUCKDB_RANGE, path, accounts)


def polars_cells(path: Path, accounts: int) -> pd.DataFrame:
    """The same elementary intervals in polars, lazily."""
    import polars as pl

    months = MONTHS.to_numpy("datetime64[D]")
    edges = np.unique(np.concatenate([months + 1, months - 29, months - 89]))
    days = np.arange(np.datetime64("2024-08-01"), np.datetime64("2026-11-01"))
    calendar = pl.DataFrame({"day": days, "cell": np.searchsorted(edges, days, side="right").astype("int16")})
    first = calendar.group_by("cell").agg(first=pl.col("day").min())
    windows = (
        pl.DataFrame({"as_of": months})
        .join(pl.DataFrame({"w": list(WINDOWS)}), how="cross")
        .join(first, how="cross")
        .filter((pl.col("first") <= pl.col("as_of")) & (pl.col("first") > pl.col("as_of") - pl.duration(days=pl.col("w"))))
        .select("as_of", "w", "cell")
    )
    by_day = (
        pl.scan_parquet(path)
        .group_by("account_id", day=pl.col("occurred_at").dt.date())
        .agg(n=pl.len(), q=pl.col("quantity").sum())
    )  # fmt: skip
    cells = (
        by_day.join(calendar.lazy(), on="day")
        .group_by("account_id", "cell")
        .agg(pl.col("n").sum(), pl.col("q").sum(), d=pl.len())
        .collect(engine="streaming")
    )
    frame = pl.from_pandas(spine(accounts)).with_columns(pl.col("as_of").cast(pl.Date))
    for w in WINDOWS:
        sums = (
            cells.lazy()
            .join(windows.filter(pl.col("w") == w).lazy(), on="cell")
            .group_by("account_id", "as_of")
            .agg(pl.col("n").sum().alias(f"count_{w}"), pl.col("q").sum().alias(f"sum_{w}"), pl.col("d").sum().alias(f"days_{w}"))
        )
        frame = frame.lazy().join(sums, on=["account_id", "as_of"], how="left").collect()
    return frame.with_columns(pl.col(FIGURES).fill_null(0).cast(pl.Float64)).to_pandas()


VERSIONS = {"ours": ours, "duckdb_cells": duckdb_cells, "duckdb_days": duckdb_days, "polars_cells": polars_cells}


def fingerprint(frame: pd.DataFrame) -> str:
    """One hash of every figure of every account and date, whatever the order of rows."""
    rows = frame.assign(as_of=pd.to_datetime(frame["as_of"]).astype("datetime64[s]")).sort_values(["as_of", "account_id"])
    return hashlib.sha256(np.ascontiguousarray(rows[FIGURES].to_numpy(float)).tobytes()).hexdigest()[:16]


def one(version: str, path: Path, accounts: int) -> None:
    """Run one version in this process and print what it took."""
    for name in {"ours": ["healthlib.metrics"], "polars_cells": ["polars", "pyarrow"]}.get(version, ["duckdb"]):
        importlib.import_module(name)
    began, cpu = time.perf_counter(), time.process_time()
    frame = VERSIONS[version](path, accounts)
    took, worked = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(json.dumps({"seconds": took, "cpu": worked, "peak_gb": peak, "rows": len(frame), "hash": fingerprint(frame)}))


def main() -> int:
    """Run every version a few times in processes of their own and print the best of each."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=10_000_000)
    options.add_argument("--accounts", type=int, default=20_000)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--one", choices=VERSIONS, help=argparse.SUPPRESS)
    options.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        one(chosen.one, chosen.path, chosen.accounts)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "usage.parquet"
        make_events(path, chosen.events, chosen.accounts)
        print(f"snapshots: {chosen.events:,} events x {chosen.accounts:,} accounts x {len(MONTHS)} month-ends, {len(FIGURES)} figures")
        runs: dict[str, list[dict]] = {name: [] for name in VERSIONS}
        for _ in range(chosen.repeat):
            for name, kept in runs.items():
                command = [sys.executable, __file__, "--one", name, "--path", str(path), "--accounts", str(chosen.accounts)]
                kept.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))
    best = {name: min(kept, key=lambda run: run["seconds"]) for name, kept in runs.items()}
    for name, run in best.items():
        print(f"  {name:14s} {run['seconds']:6.2f} s  {run['cpu']:6.2f} CPU s  peak {run['peak_gb']:.2f} GB  {run['hash']}")
    agree = len({run["hash"] for run in best.values()}) == 1
    rival = min((name for name in best if name != "ours"), key=lambda name: best[name]["seconds"])
    ratio = best["ours"]["seconds"] / best[rival]["seconds"]
    work = best["ours"]["cpu"] / best[rival]["cpu"]
    print(f"  ours / best of the others ({rival}): {ratio:.2f} x by the clock, {work:.2f} x in CPU (aim {AIM} x)")
    print(f"  all versions agree to the last digit: {'yes' if agree else 'NO'}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
