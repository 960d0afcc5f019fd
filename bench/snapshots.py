"""Snapshots of 10 million events x 20,000 accounts x 24 month-ends x 8 metrics: ours against DuckDB by hand, polars, pandas and numpy.

Count, sum, largest and active days in 30 and in 90 days. Every version starts from the same Parquet file and ends with one frame in memory,
in a process of its own on two cores; all must agree to the last digit. `decode` only reads the three columns: the floor. `numpy_cells` is
the method of elementary intervals by hand: one bincount per account and cell, windows as sums of cells. `spark` is ours on Spark.
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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

AIM, FLOOR_AIM = 1.3, 5.0
MONTHS = pd.date_range("2024-11-30", periods=24, freq="ME").as_unit("s")
WINDOWS = (30, 90)
COLUMNS = ["account_id", "occurred_at", "quantity"]
FIGURES = [f"{what}_{window}" for what in ("count", "sum", "max", "days") for window in WINDOWS]


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
    """healthlib.metrics over events that stay where they are, as `healthlib snapshot` does it."""
    from healthlib.session_duckdb import InPlace

    session = InPlace((path,), path.parent)
    session.read_parquet("usage", path)
    return measured(session, accounts)


def spark(path: Path, accounts: int) -> pd.DataFrame:
    """The same on Spark, on two cores of this machine."""
    from healthlib.session_spark import SparkSession

    session = SparkSession("local[2]")
    session.spark.conf.set("spark.sql.shuffle.partitions", "8")
    session.spark.read.parquet(str(path)).createOrReplaceTempView("usage")
    return measured(session, accounts)


def measured(session: Any, accounts: int) -> pd.DataFrame:
    """Eight metrics of a scorecard over the table `usage` of a session."""
    from healthlib import asof, metrics
    from healthlib.elsewhere import Elsewhere
    from healthlib.engine import Engine, theirs
    from healthlib.schema import TABLES
    from healthlib.spec import Measure, Metric, Scorecard, Workspace
    from healthlib.tables import Tables

    measures = {
        "count": Measure(kind="count"), "sum": Measure(kind="sum", of="quantity"), "max": Measure(kind="max", of="quantity"),
        "days": Measure(kind="distinct", of="day"),
    }  # fmt: skip
    wanted = {
        f"{what}_{days}": Metric(
            name=f"{what}_{days}", group="g", label=what, table="usage", measure=measures[what], window_days=days, worst=0, best=1
        )
        for what in measures
        for days in WINDOWS
    }
    workspace = Workspace(folder=Path(), name="bench", scorecard=Scorecard(groups=("g",), metrics=wanted, bands=()))
    columns = {"usage": {"account_id": "text", "occurred_at": "when", "quantity": "number"}}
    there = Elsewhere(session, columns, TABLES, pd.DataFrame())
    begun = pd.DataFrame({"visible_from": pd.Series(dtype="datetime64[s]"), "account_id": pd.Series(dtype="str")})
    asof.open_door_there(there, workspace, {"usage": f"(SELECT * FROM {theirs(('usage',))})"}, begun)
    tables = Tables(Engine(), {}, pd.DataFrame(), {}, TABLES, MONTHS[-1].date(), (), elsewhere={"usage": there})
    return metrics.measure(tables, workspace, spine(accounts).assign(arr=1.0, seats=1.0, age_days=9000.0))


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
    "pandas_days": pandas_days, "spark": spark, "decode": decode,
}  # fmt: skip
RIVALS = ("duckdb_cells", "duckdb_days", "polars_cells", "numpy_cells", "pandas_days")
IMPORTS = {
    "ours": ["healthlib.metrics", "healthlib.session_duckdb", "healthlib.elsewhere"], "spark": ["pyspark.sql", "healthlib.elsewhere"],
    "polars_cells": ["polars", "pyarrow"], "numpy_cells": ["pyarrow.parquet"], "decode": ["pyarrow.parquet"], "pandas_days": ["pyarrow"],
}  # fmt: skip


def fingerprint(frame: pd.DataFrame) -> str:
    """One hash of every figure of every account and date, whatever the order of rows; no largest value counts as 0."""
    if frame.empty:
        return ""
    rows = frame.assign(as_of=pd.to_datetime(frame["as_of"]).astype("datetime64[s]")).sort_values(["as_of", "account_id"])
    return hashlib.sha256(np.ascontiguousarray(np.nan_to_num(rows[FIGURES].to_numpy(float))).tobytes()).hexdigest()[:16]


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
    best = {name: min(kept, key=lambda run: run["cpu"] if name != "spark" else run["seconds"]) for name, kept in runs.items()}
    for name, run in best.items():
        print(f"  {name:14s} {run['seconds']:7.2f} s  {run['cpu']:7.2f} CPU s  peak {run['peak_gb']:5.2f} GB  {run['hash']}", flush=True)
    tell_ratios(best)
    agree = len({run["hash"] for name, run in best.items() if name != "decode"}) == 1
    print(f"  all versions agree to the last digit: {'yes' if agree else 'NO'}")
    return 0 if agree else 1


def tell_ratios(best: dict[str, dict]) -> None:
    """Ours against the best of the others, and against the floor."""
    rivals = [name for name in best if name in RIVALS]
    if "ours" in best and rivals:
        clock, work = (best["ours"][of] / min(best[name][of] for name in rivals) for of in ("seconds", "cpu"))
        print(f"  ours / best of the others: {clock:.2f} x by the clock, {work:.2f} x in CPU (aim {AIM} x)")
    if "ours" in best and "decode" in best:
        print(f"  ours / decode: {best['ours']['cpu'] / best['decode']['cpu']:.1f} x in CPU (aim {FLOOR_AIM:.0f} x)")
    if "ours" in best and "spark" in best:
        print(f"  Spark / ours: {best['spark']['seconds'] / best['ours']['seconds']:.1f} x by the clock")


if __name__ == "__main__":
    sys.exit(main())
