"""Validating and loading 10 million rows of usage, from CSV and from Parquet, against DuckDB's bare read of the same file.

Bare is `CREATE TABLE … AS SELECT * FROM 'file'`: DuckDB finds the types and stores the rows, checks nothing and counts nothing. Every run
is a process of its own, on two threads. Told are CPU seconds, seconds by the clock and the peak of resident memory, the best of a few,
each also after taking off what the process costs before it reads (imports and a workspace of one usage row).
`python bench/loading.py --rows 1000000` for a quick look; `--faults` plants one bad row in a thousand.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AIM = 2.0
MEMORY = 2.0
ACCOUNTS = 20_000


def make_usage(folder: Path, rows: int, faults: bool) -> None:
    """The same rows as usage.csv and usage.parquet, and the accounts and contracts around them."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    bad = "CASE WHEN i % 1000 = 7 THEN 'soon' ELSE {} END" if faults else "{}"
    moment = "strftime(TIMESTAMP '2024-08-01' + INTERVAL 1 SECOND * (hash(i) % 71000000)::BIGINT, '%Y-%m-%dT%H:%M:%S')"
    columns = {
        "account_id": f"printf('A%06d', (hash(i + 1) % {ACCOUNTS})::BIGINT)",
        "occurred_at": bad.format(moment),
        "user_id": "printf('u%07d', (hash(i + 2) % 400000)::BIGINT)",
        "feature": "['export', 'dashboard', 'search', 'invite', 'api call', 'report builder'][1 + (hash(i + 3) % 6)::BIGINT]",
        "quantity": "1 + (hash(i + 4) % 5)::BIGINT",
    }
    as_text = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    source = f"SELECT {as_text} FROM range({rows}) t(i)"
    connection.execute(f"COPY ({source}) TO '{folder}/csv/usage.csv' (HEADER)")
    typed = "*" if faults else "* REPLACE (CAST(occurred_at AS TIMESTAMP) AS occurred_at)"
    connection.execute(f"COPY (SELECT {typed} FROM ({source})) TO '{folder}/parquet/usage.parquet' (COMPRESSION zstd)")
    for kind in ("csv", "parquet", "nothing"):
        ids = f"SELECT printf('A%06d', i) AS account_id FROM range({ACCOUNTS}) t(i)"
        connection.execute(f"COPY ({ids}) TO '{folder}/{kind}/accounts.csv' (HEADER)")
        terms = f"SELECT account_id, '2024-01-01' AS start_date, '' AS end_date, 1 AS arr FROM ({ids})"
        connection.execute(f"COPY ({terms}) TO '{folder}/{kind}/contracts.csv' (HEADER)")
    (folder / "nothing" / "usage.csv").write_text("account_id,occurred_at\nA000001,2024-08-01\n")


def ours(folder: Path) -> dict[str, int]:
    """Accounts, contracts and usage through every rule, into typed tables."""
    from healthlib.spec import Band, Scorecard, Workspace
    from healthlib.tables import load_tables

    scorecard = Scorecard(groups=("adoption",), metrics={}, bands=(Band.model_validate({"name": "red", "from": 0}),))
    tables = load_tables(Workspace(folder=folder, name="bench", scorecard=scorecard))
    report = tables.report.set_index("table").loc["usage"]
    listed = len(tables.rejected.get("usage", ()))
    if report["rows_in"] != report["rows_used"] + listed:
        raise SystemExit(f"rows were lost: {report.to_dict()}")
    return {"rows": int(report["rows_in"]), "rejected": listed}


def bare(folder: Path) -> dict[str, int]:
    """DuckDB alone."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.execute("SET enable_progress_bar = false")
    [path] = folder.glob("usage.*")
    connection.execute(f"CREATE TABLE usage AS SELECT * FROM '{path}'")
    return {"rows": connection.execute("SELECT count(*) FROM usage").fetchall()[0][0]}


def timed(what: str, folder: Path) -> dict[str, float]:
    """CPU seconds, seconds by the clock and GB at the peak of one process."""
    command = [sys.executable, __file__, "--one", what, "--folder", str(folder)]
    began = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return {**told, "wall": time.perf_counter() - began}


def measured(what: str, folder: Path) -> None:
    """Do one thing in this process and print what it took."""
    told = {"ours": ours, "bare": bare}[what](folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**told, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1e6}))


def main() -> int:
    """Print each run, the ratios and whether the aim is met."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--repeat", type=int, default=2)
    options.add_argument("--faults", action="store_true")
    options.add_argument("--strict", action="store_true", help="exit 1 where an aim is missed")
    options.add_argument("--one", help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        measured(chosen.one, chosen.folder)
        return 0
    missed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        for kind in ("csv", "parquet", "nothing"):
            (folder / kind).mkdir(exist_ok=True)
        make_usage(folder, chosen.rows, chosen.faults)
        start = {what: [timed(what, folder / "nothing") for _ in range(2)] for what in ("bare", "ours")}
        for kind in ("csv", "parquet"):
            size = (folder / kind / f"usage.{kind}").stat().st_size / 1e6
            runs = {what: [timed(what, folder / kind) for _ in range(chosen.repeat)] for what in ("bare", "ours")}
            print(f"{kind}: {chosen.rows:,} rows, {size:,.0f} MB; {runs['ours'][0].get('rejected', 0):,.0f} rejected")
            best = {what: {unit: min(run[unit] for run in many) for unit in ("cpu", "wall", "peak")} for what, many in runs.items()}
            for what, figures in best.items():
                print(f"  {what:5s} {figures['cpu']:6.2f} CPU s  {figures['wall']:6.2f} s  {figures['peak']:5.2f} GB")
            whole = {unit: best["ours"][unit] / best["bare"][unit] for unit in ("cpu", "wall", "peak")}
            idle = {what: {unit: min(run[unit] for run in many) for unit in ("cpu", "wall")} for what, many in start.items()}
            net = {unit: (best["ours"][unit] - idle["ours"][unit]) / (best["bare"][unit] - idle["bare"][unit]) for unit in ("cpu", "wall")}
            print(
                f"  ours / bare: {whole['cpu']:.2f} x CPU, {whole['wall']:.2f} x by the clock, {whole['peak']:.2f} x memory; "
                f"without the start of each process {net['cpu']:.2f} x and {net['wall']:.2f} x (aim {AIM} x and {MEMORY} GB)"
            )
            missed |= whole["cpu"] > AIM or whole["wall"] > AIM or best["ours"]["peak"] > MEMORY
    return int(missed and chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
