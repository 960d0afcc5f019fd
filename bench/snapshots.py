"""Snapshots of 10 million events x 20,000 accounts x 24 month-ends x 8 metrics: ours against DuckDB by hand, polars, pandas and numpy.

Count, sum, largest and active days in 30 and in 90 days. Every version starts from the same Parquet file and ends with one frame in memory,
in a process of its own on two cores; all must agree to the last digit. `decode` only reads the three columns: the floor. `numpy_cells` is
the method of elementary intervals by hand: one bincount per account and cell, windows as sums of cells. `spark` is ours on Spark.
Distinct users in 30 and in 90 days come apart, ours against DuckDB and polars: they do not add up over days, so they are another method.
`--events 100000000 --accounts 100000 --only ours numpy_cells decode` for the large one, `--events 1000000` for a quick look.
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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

AIM, FLOOR_AIM = 1.3, 5.0
MONTHS = pd.date_range("2024-11-30", periods=24, freq="ME").as_unit("s")
WINDOWS = (30, 90)
COLUMNS = ["account_id", "occurred_at", "quantity"]
FIGURES = [f"{what}_{window}" for what in ("count", "sum", "max", "days") for window in WINDOWS]
USERS = [f"users_{window}" for window in WINDOWS]


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
    people = pa.array([f"user{i}" for i in range(40)])
    table = pa.table(
        {
            "account_id": pa.DictionaryArray.from_arrays(pa.array(who.astype("int32")), names).cast(pa.string()),
            "occurred_at": pa.array((first + seconds).astype("datetime64[us]")),
            "quantity": pa.array(rng.integers(1, 6, events)),
            "user_id": pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, 40, events).astype("int32")), people).cast(pa.string()),
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=1_000_000)


def spine(accounts: int) -> pd.DataFrame:
    ids = np.array([f"A{i:06d}" for i in range(accounts)])
    return pd.DataFrame({"account_id": np.tile(ids, len(MONTHS)), "as_of": MONTHS.to_numpy().repeat(accounts)})


def ours(path: Path, accounts: int, figures: list[str] = FIGURES) -> pd.DataFrame:
    """Events that stay where they are, judged row by row and measured, as `healthlib snapshot` does it."""
    from healthlib.session_duckdb import InPlace

    session = InPlace((path,), path.parent)
    session.read_parquet("usage", path)
    return measured(session, accounts, figures)


def ours_users(path: Path, accounts: int) -> pd.DataFrame:
    """Distinct users, each counted where it first appears in a window."""
    return ours(path, accounts, USERS)


def spark(path: Path, accounts: int) -> pd.DataFrame:
    """The same on Spark, on two cores of this machine."""
    from healthlib.session_spark import SparkSession

    session = SparkSession("local[2]")
    session.spark.conf.set("spark.sql.shuffle.partitions", "8")
    session.spark.read.parquet(str(path)).createOrReplaceTempView("usage")
    return measured(session, accounts, FIGURES)


def measured(session: Any, accounts: int, figures: list[str]) -> pd.DataFrame:
    """Metrics of a scorecard over the table `usage` of a session."""
    from healthlib import asof, metrics
    from healthlib.elsewhere import look_there
    from healthlib.engine import Engine
    from healthlib.schema import TABLES
    from healthlib.spec import Measure, Metric, Scorecard, Workspace
    from healthlib.tables import Tables

    measures = {
        "count": Measure(kind="count"), "sum": Measure(kind="sum", of="quantity"), "max": Measure(kind="max", of="quantity"),
        "days": Measure(kind="distinct", of="day"), "users": Measure(kind="distinct", of="user_id"),
    }  # fmt: skip
    wanted = {
        f"{what}_{days}": Metric(
            name=f"{what}_{days}", group="g", label=what, table="usage", measure=measures[what], window_days=days, worst=0, best=1
        )
        for what in measures
        for days in WINDOWS
        if f"{what}_{days}" in figures
    }
    workspace = Workspace(folder=Path(), name="bench", scorecard=Scorecard(groups=("g",), metrics=wanted, bands=()))
    engine, state = Engine(), spine(accounts).assign(arr=1.0, seats=1.0, age_days=9000.0)
    engine.put("data.accounts", pd.DataFrame({"account_id": state["account_id"].unique()}).assign(_line=1))
    always = "TIMESTAMP '2000-01-01' AS start_date, CAST(NULL AS TIMESTAMP) AS end_date, 1.0 AS arr, 1 AS _line"
    begun = engine.query(f"SELECT account_id, {always} FROM data.accounts")
    engine.put("data.contracts", begun)
    columns = {
        "accounts": {"account_id": "text"}, "contracts": {"account_id": "text", "start_date": "when", "end_date": "when", "arr": "number"},
    }  # fmt: skip
    tables = Tables(engine, columns, pd.DataFrame(), {}, TABLES, MONTHS[-1].date(), ())
    asof.open_door(tables, workspace)
    there = look_there(workspace, tables, session, {"usage": ("usage",)})
    return metrics.measure(replace(tables, elsewhere={"usage": there}), workspace, state)


DUCKDB_CELLS = """
WITH edges AS (SELECT DISTINCT unnest([d + 1, d - 29, d - 89]) AS edge FROM (SELECT CAST(as_of AS DATE) AS d FROM dates)),
calendar AS (SELECT CAST(x AS DATE) AS day, (SELECT count(*) FROM edges WHERE edge <= CAST(x AS DATE)) AS cell
    FROM generate_series(DATE '2024-08-01', DATE '2026-10-31', INTERVAL 1 DAY) t(x)),
by_day AS (SELECT account_id, CAST(occurred_at AS DATE) AS day, count(*) AS n, sum(quantity) AS q, max(quantity) AS most
    FROM read_parquet('{path}') GROUP BY 1, 2),
cells AS MATERIALIZED (SELECT b.account_id, c.cell, sum(n) AS n, sum(q) AS q, max(most) AS most, count(*) AS days
    FROM by_day b JOIN calendar c USING (day) GROUP BY 1, 2),
windows AS (SELECT d, w, cell FROM (SELECT CAST(as_of AS DATE) AS d FROM dates), (VALUES (30), (90)) v(w),
        (SELECT cell, min(day) AS first FROM calendar GROUP BY cell)
    WHERE first BETWEEN d - w + 1 AND d),
sums AS (SELECT c.account_id, p.d,
        sum(n) FILTER (w = 30) AS count_30, sum(n) FILTER (w = 90) AS count_90,
        sum(q) FILTER (w = 30) AS sum_30, sum(q) FILTER (w = 90) AS sum_90,
        max(most) FILTER (w = 30) AS max_30, max(most) FILTER (w = 90) AS max_90,
        sum(c.days) FILTER (w = 30) AS days_30, sum(c.days) FILTER (w = 90) AS days_90
    FROM windows p JOIN cells c USING (cell) GROUP BY 1, 2)
SELECT s.account_id, s.as_of, {figures} FROM spine s LEFT JOIN sums m ON m.account_id = s.account_id AND m.d = CAST(s.as_of AS DATE)
"""
DUCKDB_RANGE = """
WITH by_day AS MATERIALIZED (SELECT account_id, CAST(occurred_at AS DATE) AS day, count(*) AS n, sum(quantity) AS q, max(quantity) AS most
    FROM read_parquet('{path}') GROUP BY 1, 2),
sums AS (SELECT b.account_id, t.d,
        sum(n) FILTER (day > d - 30) AS count_30, sum(n) AS count_90, sum(q) FILTER (day > d - 30) AS sum_30, sum(q) AS sum_90,
        max(most) FILTER (day > d - 30) AS max_30, max(most) AS max_90, count(*) FILTER (day > d - 30) AS days_30, count(*) AS days_90
    FROM (SELECT CAST(as_of AS DATE) AS d FROM dates) t JOIN by_day b ON b.day BETWEEN t.d - 89 AND t.d GROUP BY 1, 2)
SELECT s.account_id, s.as_of, {figures} FROM spine s LEFT JOIN sums m ON m.account_id = s.account_id AND m.d = CAST(s.as_of AS DATE)
"""


def duckdb(sql: str, path: Path, accounts: int, wanted: list[str] = FIGURES) -> pd.DataFrame:
    import duckdb as library

    connection = library.connect()
    connection.execute("SET threads = 2")
    connection.register("dates", pd.DataFrame({"as_of": MONTHS}))
    connection.register("spine", spine(accounts))
    figures = ", ".join(f"CAST(coalesce({name}, 0) AS DOUBLE) AS {name}" for name in wanted)
    return connection.execute(sql.format(path=path, figures=figures)).df()


def duckdb_cells(path: Path, accounts: int) -> pd.DataFrame:
    """Account-days, then elementary intervals, as one statement."""
    return duckdb(DUCKDB_CELLS, path, accounts)


def duckdb_days(path: Path, accounts: int) -> pd.DataFrame:
    """Account-days joined to each date by range, as one statement."""
    return duckdb(DUCKDB_RANGE, path, accounts)


DUCKDB_USERS = """
WITH by_day AS MATERIALIZED (SELECT DISTINCT account_id, CAST(occurred_at AS DATE) AS day, user_id FROM read_parquet('{path}')),
sums AS (SELECT b.account_id, t.d, count(DISTINCT user_id) FILTER (day > d - 30) AS users_30, count(DISTINCT user_id) AS users_90
    FROM (SELECT CAST(as_of AS DATE) AS d FROM dates) t JOIN by_day b ON b.day BETWEEN t.d - 89 AND t.d GROUP BY 1, 2)
SELECT s.account_id, s.as_of, {figures} FROM spine s LEFT JOIN sums m ON m.account_id = s.account_id AND m.d = CAST(s.as_of AS DATE)
"""


def duckdb_users(path: Path, accounts: int) -> pd.DataFrame:
    """User-days joined to each date by range, and counted."""
    return duckdb(DUCKDB_USERS, path, accounts, USERS)


def polars_users(path: Path, accounts: int) -> pd.DataFrame:
    """User-days once, then each window on its own."""
    import polars as pl

    by_day = pl.scan_parquet(path).select("account_id", "user_id", day=pl.col("occurred_at").dt.date()).unique().collect(engine="streaming")
    parts = []
    for at in MONTHS.to_numpy("datetime64[D]"):
        counted = [
            by_day.lazy()
            .filter((pl.col("day") <= at) & (pl.col("day") > at - np.timedelta64(window, "D")))
            .group_by("account_id")
            .agg(pl.col("user_id").n_unique().alias(f"users_{window}"))
            for window in reversed(WINDOWS)
        ]
        parts.append(counted[0].join(counted[1], on="account_id", how="left").with_columns(as_of=pl.lit(at)))
    frame = pl.from_pandas(spine(accounts)).with_columns(pl.col("as_of").cast(pl.Date))
    found = frame.lazy().join(pl.concat(parts), on=["account_id", "as_of"], how="left").collect()
    return found.with_columns(pl.col(USERS).fill_null(0).cast(pl.Float64)).to_pandas()


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
        .agg(n=pl.len(), q=pl.col("quantity").sum(), most=pl.col("quantity").max())
    )  # fmt: skip
    cells = (
        by_day.join(calendar.lazy(), on="day")
        .group_by("account_id", "cell")
        .agg(pl.col("n").sum(), pl.col("q").sum(), pl.col("most").max(), d=pl.len())
        .collect(engine="streaming")
    )
    frame = pl.from_pandas(spine(accounts)).with_columns(pl.col("as_of").cast(pl.Date))
    for w in WINDOWS:
        sums = (
            cells.lazy()
            .join(windows.filter(pl.col("w") == w).lazy(), on="cell")
            .group_by("account_id", "as_of")
            .agg(
                *(pl.col(c).sum().alias(f"{what}_{w}") for c, what in (("n", "count"), ("q", "sum"), ("d", "days"))),
                pl.col("most").max().alias(f"max_{w}"),
            )
        )
        frame = frame.lazy().join(sums, on=["account_id", "as_of"], how="left").collect()
    return frame.with_columns(pl.col(FIGURES).fill_null(0).cast(pl.Float64)).to_pandas()


def pandas_days(path: Path, accounts: int) -> pd.DataFrame:
    """Account-days once, then each window by groupby."""
    frame = pd.read_parquet(path, columns=COLUMNS)
    codes = frame["account_id"].astype("category")
    days = frame["occurred_at"].to_numpy("datetime64[D]")
    by_day = frame["quantity"].groupby([codes, days], observed=True).agg(["size", "sum", "max"]).reset_index()
    by_day.columns = ["account_id", "day", "n", "q", "most"]
    parts = []
    for at in MONTHS:
        windows = []
        for window in WINDOWS:
            inside = by_day[(by_day["day"] <= at) & (by_day["day"] > at - pd.Timedelta(days=window))]
            each = inside.groupby("account_id", observed=True).agg(n=("n", "sum"), q=("q", "sum"), most=("most", "max"), d=("n", "size"))
            windows.append(each.set_axis([f"{what}_{window}" for what in ("count", "sum", "max", "days")], axis=1))
        parts.append(pd.concat(windows, axis=1).assign(as_of=at).reset_index(names="account_id"))
    found = pd.concat(parts, ignore_index=True).astype({"account_id": "str"})
    return spine(accounts).merge(found, how="left", on=["account_id", "as_of"]).fillna(dict.fromkeys(FIGURES, 0.0))


def batches(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Account number, day and quantity, a million rows at a time."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(1_000_000, columns=COLUMNS):
        names = batch.column("account_id").dictionary_encode()
        number = np.array([int(name[1:]) for name in names.dictionary.to_pylist()])[names.indices.to_numpy()]
        yield number, batch.column("occurred_at").to_numpy().astype("datetime64[D]").astype(int), batch.column("quantity").to_numpy()


def numpy_cells(path: Path, accounts: int) -> pd.DataFrame:
    """Elementary intervals: cut time at every window edge, one bincount per account and cell, windows as sums of cells."""
    months = MONTHS.to_numpy("datetime64[D]").astype(int)
    edges = np.unique(np.concatenate([months + 1, months - 29, months - 89]))
    first, last = np.datetime64("2024-08-01").astype(int), months[-1]
    cell_of = np.searchsorted(edges, np.arange(first, last + 1), side="right")
    cells = len(edges) + 1
    counts, sums, most = (np.zeros(accounts * cells) for _ in range(3))
    seen = np.zeros((accounts, last - first + 1), dtype=bool)
    for number, day, quantity in batches(path):
        kept = (day >= first) & (day <= last)
        number, day, quantity = number[kept], day[kept] - first, quantity[kept]
        at = number * cells + cell_of[day]
        counts += np.bincount(at, minlength=accounts * cells)
        sums += np.bincount(at, quantity, minlength=accounts * cells)
        np.maximum.at(most, at, quantity)
        seen[number, day] = True
    starts = np.flatnonzero(np.diff(cell_of, prepend=-1))
    days = np.zeros((accounts, cells))
    days[:, cell_of[starts]] = np.add.reduceat(seen, starts, axis=1)
    counts, sums, most = (held.reshape(accounts, cells) for held in (counts, sums, most))
    found = {name: np.empty((len(months), accounts)) for name in FIGURES}
    for place, at in enumerate(months):
        for window in WINDOWS:
            inside = slice(*(int(np.searchsorted(edges, edge, side="right")) for edge in (at - window + 1, at + 1)))
            for what, held in (("count", counts), ("sum", sums), ("days", days)):
                found[f"{what}_{window}"][place] = held[:, inside].sum(axis=1)
            found[f"max_{window}"][place] = most[:, inside].max(axis=1)
    return spine(accounts).assign(**{name: values.ravel() for name, values in found.items()})


def decode(path: Path, accounts: int) -> pd.DataFrame:
    """The three columns read, and nothing else: what cannot be had for less."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(1_000_000, columns=COLUMNS):
        assert batch.num_rows
    return pd.DataFrame()


VERSIONS = {
    "ours": ours, "duckdb_cells": duckdb_cells, "duckdb_days": duckdb_days, "polars_cells": polars_cells, "numpy_cells": numpy_cells,
    "pandas_days": pandas_days, "spark": spark, "decode": decode, "ours_users": ours_users, "duckdb_users": duckdb_users,
    "polars_users": polars_users,
}  # fmt: skip
RIVALS = {
    "ours": ("duckdb_cells", "duckdb_days", "polars_cells", "numpy_cells", "pandas_days"), "ours_users": ("duckdb_users", "polars_users"),
}  # fmt: skip
IMPORTS = {
    "ours": ["healthlib.metrics", "healthlib.session_duckdb", "healthlib.elsewhere"], "spark": ["pyspark.sql", "healthlib.elsewhere"],
    "ours_users": ["healthlib.metrics", "healthlib.session_duckdb", "healthlib.elsewhere"], "polars_users": ["polars", "pyarrow"],
    "polars_cells": ["polars", "pyarrow"], "numpy_cells": ["pyarrow.parquet"], "decode": ["pyarrow.parquet"], "pandas_days": ["pyarrow"],
}  # fmt: skip


def fingerprint(frame: pd.DataFrame) -> str:
    """One hash of every figure of every account and date, whatever the order of rows; no largest value counts as 0."""
    if frame.empty:
        return ""
    rows = frame.assign(as_of=pd.to_datetime(frame["as_of"]).astype("datetime64[s]")).sort_values(["as_of", "account_id"])
    figures = np.nan_to_num(rows[[name for name in (*FIGURES, *USERS) if name in rows]].to_numpy(float))
    return hashlib.sha256(np.ascontiguousarray(figures).tobytes()).hexdigest()[:16]


def one(version: str, path: Path, accounts: int) -> None:
    """Run one version in this process and print what it took; of Spark the CPU and memory of its Java process count."""
    for name in IMPORTS.get(version, ["duckdb"]):
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
    options.add_argument("--only", nargs="+", choices=VERSIONS, default=[name for name in VERSIONS if name != "spark"])
    options.add_argument("--one", choices=VERSIONS, help=argparse.SUPPRESS)
    options.add_argument("--path", type=Path, help="the Parquet file: made there, or taken where it is there already")
    chosen = options.parse_args()
    if chosen.one:
        one(chosen.one, chosen.path, chosen.accounts)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.path or Path(folder) / "usage.parquet"
        if not path.exists():
            make_events(path, chosen.events, chosen.accounts)
        print(f"snapshots: {chosen.events:,} events x {chosen.accounts:,} accounts x {len(MONTHS)} month-ends, {len(FIGURES)} metrics")
        runs: dict[str, list[dict]] = {name: [] for name in chosen.only}
        for _ in range(chosen.repeat):
            for name, kept in runs.items():
                command = [sys.executable, __file__, "--one", name, "--path", str(path), "--accounts", str(chosen.accounts)]
                kept.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))
    best = {
        name: {**kept[0], "seconds": min(run["seconds"] for run in kept), "cpu": min(run["cpu"] for run in kept)}
        for name, kept in runs.items()
    }  # fmt: skip
    for name, run in best.items():
        print(f"  {name:14s} {run['seconds']:7.2f} s  {run['cpu']:7.2f} CPU s  peak {run['peak_gb']:5.2f} GB  {run['hash']}", flush=True)
    for name in (each for each in RIVALS if each in best):
        tell_ratios(name, best)
    answers = [{run["hash"] for name, run in best.items() if name.endswith("_users") == users and run["hash"]} for users in (False, True)]
    agree = all(len(hashes) <= 1 for hashes in answers)
    print(f"  all versions agree to the last digit: {'yes' if agree else 'NO'}")
    return 0 if agree else 1


def tell_ratios(name: str, best: dict[str, dict]) -> None:
    """Ours against the best of the others, and against the floor."""
    ours, floor, rivals = best[name], best.get("decode"), [best[rival] for rival in RIVALS[name] if rival in best]
    if rivals:
        clock, work = (ours[of] / min(rival[of] for rival in rivals) for of in ("seconds", "cpu"))
        print(f"  {name} / best of the others: {clock:.2f} x by the clock, {work:.2f} x in CPU (aim {AIM} x)")
    if floor and name == "ours":
        clock, work = (ours[of] / floor[of] for of in ("seconds", "cpu"))
        print(f"  {name} / decode: {clock:.1f} x by the clock, {work:.1f} x in CPU (aim {FLOOR_AIM:.0f} x)")
    if "spark" in best and name == "ours":
        print(f"  Spark / {name}: {best['spark']['seconds'] / ours['seconds']:.1f} x by the clock")


if __name__ == "__main__":
    sys.exit(main())
