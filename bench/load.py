"""A whole `healthlib run` of a large company: seconds, memory, the pages' size, and how all of it grows.

The company is `healthlib demo --accounts N`. One of more than 20,000 accounts, which the demo would hold in memory all at once, is put
together from companies of 20,000, each with a seed and ids of its own. The aim is for 20,000 accounts over 48 months with 10 million
events. As the demo makes it, that company has 13.4 million rows of usage and 4.4 million of other events, so it is run twice: with rows of
usage left out at even distances until 10 million remain (all other tables whole: 14.4 million events, more than the aim asks for), which is
held against the aim, and as it comes. Beside each run stands DuckDB's bare read of the same files on two threads, each as a table of text:
what cannot be had for less. Memory is the proportional share (PSS) of the run and all its processes together, sampled twice a second.
`load` is the machine's load average when the run began: seconds say something where it is near 0, CPU seconds nearly always.

`python bench/load.py --accounts 2000 20000 100000` for the growth; `--keep FOLDER` keeps companies and reports there, and takes a company
that is there already.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[1]
SECONDS, GIGABYTES = 180.0, 4.0
AIM, EVENTS = 20_000, 10_000_000
"""The aim is for so many accounts and so many events."""
BARE = """
import duckdb, sys
from pathlib import Path
connection = duckdb.connect(); connection.execute("SET threads = 2")
for path in sorted(Path(sys.argv[1]).glob("*.csv*")):
    connection.execute(f"CREATE TABLE t{path.name.split('.')[0]} AS SELECT * FROM read_csv('{path}', all_varchar = true)")
"""


def family(pid: int) -> list[int]:
    """A process and all below it."""
    below: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        below += [int(child) for child in thread.read_text().split()]
    return [pid, *(other for child in below for other in family(child))]


def memory(pid: int) -> float:
    """Gigabytes that a process and all below it hold; what two of them share counts once."""
    total = 0
    try:
        for member in family(pid):
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except OSError:  # one of them has just ended
        return 0.0
    return total * 1024 / 1e9


def watched(command: list[str]) -> tuple[float, float, float]:
    """Run a command; seconds by the clock, CPU seconds, peak gigabytes."""
    before, began, peak = os.times(), time.perf_counter(), 0.0
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, cpu, peak


def made(accounts: int, folder: Path, seed: int = 0) -> Path:
    """The company of so many accounts, made where it is not there."""
    company = folder / (f"company{accounts}" + (f"_{seed}" if seed else ""))
    if (company / "workspace.yaml").exists():
        return company
    if accounts > AIM:
        return joined([made(AIM, folder, part) for part in range(accounts // AIM)], company)
    seeded = ["--seed", str(seed)] if seed else []
    subprocess.run([sys.executable, "-m", "healthlib.cli", "demo", company, "--accounts", str(accounts), *seeded], cwd=ROOT, check=True)
    return company


def joined(parts: list[Path], company: Path) -> Path:
    """One company of several, whose ids begin with the number of the part that they come from."""
    company.mkdir(exist_ok=True)
    engine = duckdb.connect()
    engine.execute("SET threads = 2; SET preserve_insertion_order = true")
    for path in sorted(parts[0].glob("*.csv*")):
        columns = engine.execute(f"DESCRIBE SELECT * FROM read_csv('{path}', all_varchar = true)").df()["column_name"]
        own = ", ".join(f"$nth || {column} AS {column}" if column.endswith("_id") else column for column in columns)
        reads = " UNION ALL ".join(
            f"SELECT {own.replace('$nth', repr(str(nth)))} FROM read_csv('{part / path.name}', all_varchar = true)"
            for nth, part in enumerate(parts)
        )
        packed = "gzip" if path.suffix == ".gz" else "none"
        engine.execute(f"COPY ({reads}) TO '{company / path.name}' (HEADER, COMPRESSION {packed})")
    for name in ("scorecard.yaml", "workspace.yaml"):
        shutil.copyfile(parts[0] / name, company / name)
    return company


def thinned(company: Path, keep: int) -> Path:
    """The same company with so many rows of usage: of each run of rows the same share is left out, the rows of every other table stay."""
    thin = company.with_name(f"{company.name}_thin")
    if (thin / "workspace.yaml").exists():
        return thin
    thin.mkdir(exist_ok=True)
    usage = company / "usage.csv.gz"
    with gzip.open(usage, "rb") as lines:
        rows = sum(1 for _ in lines) - 1
    with gzip.open(usage, "rb") as lines, gzip.open(thin / usage.name, "wb", compresslevel=6) as kept:
        kept.write(lines.readline())
        kept.writelines(line for row, line in enumerate(lines) if (row + 1) * keep // rows > row * keep // rows)
    for path in company.iterdir():
        if path.name not in (usage.name, "workspace.yaml"):
            shutil.copyfile(path, thin / path.name)
    shutil.copyfile(company / "workspace.yaml", thin / "workspace.yaml")
    return thin


def measure(company: Path, out: Path) -> dict[str, float]:
    """One company read bare, and run."""
    bare, _, _ = watched([sys.executable, "-c", BARE, str(company)])
    load = os.getloadavg()[0]
    seconds, cpu, peak = watched([sys.executable, "-m", "healthlib.cli", "run", str(company), "--out", str(out)])
    report = next((out / company.name).glob("20*"))
    manifest = json.loads((report / "manifest.json").read_text())
    rows = {table["table"]: table["rows_in"] for table in manifest["inputs"]}
    return {
        "accounts": rows["accounts"], "usage": rows["usage"],
        "rows": sum(many for table, many in rows.items() if table not in ("accounts", "contracts", "attributes")),
        "seconds": seconds, "cpu": cpu, "gigabytes": peak, "bare": bare, "load": load,
        "open": manifest["seconds"]["open the workspace"], "kilobytes": (report / "executive.html").stat().st_size / 1e3,
    }  # fmt: skip


def line(found: dict[str, float], aimed: bool) -> str:
    """One row of the table, and whether the aim was met."""
    met = found["seconds"] <= SECONDS and found["gigabytes"] <= GIGABYTES
    return (
        f"{found['accounts']:>9,} {found['usage']:>12,} {found['rows']:>12,} {found['seconds']:>8.0f} {found['open']:>8.0f} "
        f"{found['cpu']:>7.0f} {found['gigabytes']:>6.2f} {found['bare']:>8.1f} s {found['seconds'] / found['bare']:>6.1f} "
        f"{found['kilobytes']:>8.0f} {found['load']:>5.1f}"
        + (f"  aim {SECONDS:.0f} s, {GIGABYTES:.0f} GB: {'met' if met else 'missed'}" if aimed else "")
    )


def main() -> None:
    """Print a row a company, and whether the aim for 20,000 accounts was met."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, nargs="+", default=[2_000, AIM])
    options.add_argument("--keep", type=Path, default=None)
    asked = options.parse_args()
    print(
        f"{'accounts':>9} {'usage':>12} {'events':>12} {'seconds':>8} {'opening':>8} {'CPU s':>7} {'GB':>6} {'bare read':>10} "
        f"{'ratio':>6} {'page kB':>8} {'load':>5}"
    )
    with tempfile.TemporaryDirectory() as own:
        folder = (asked.keep or Path(own)).resolve()
        for accounts in asked.accounts:
            company = made(accounts, folder)
            if accounts == AIM:
                print(line(measure(thinned(company, EVENTS), folder / "out"), aimed=True), flush=True)
            print(line(measure(company, folder / "out"), aimed=False), flush=True)


if __name__ == "__main__":
    main()
