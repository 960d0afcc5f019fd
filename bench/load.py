"""A whole `healthlib run` of a large company: seconds, memory, the pages' size, and how all of it grows.

The company is `healthlib demo --accounts N`: 20,000 accounts over 48 months have 13 million rows of usage. Beside the run stands DuckDB's
bare read of the same files on two threads, each as a table of text: what cannot be had for less. Memory is the proportional share (PSS)
of the run and all its processes together, sampled twice a second. `python bench/load.py --accounts 2000 20000 100000` for the growth;
`--keep FOLDER` keeps companies and reports there, and takes a company that is there already.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS, GIGABYTES = 180.0, 4.0
"""The aim for 20,000 accounts."""
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


def measure(accounts: int, folder: Path) -> dict[str, float]:
    """One company made, read bare, and run."""
    company, out = folder / f"company{accounts}", folder / "out"
    if not (company / "workspace.yaml").exists():
        subprocess.run([sys.executable, "-m", "healthlib.cli", "demo", company, "--accounts", str(accounts)], cwd=ROOT, check=True)
    bare, _, _ = watched([sys.executable, "-c", BARE, str(company)])
    seconds, cpu, peak = watched([sys.executable, "-m", "healthlib.cli", "run", str(company), "--out", str(out)])
    report = next((out / company.name).glob("20*"))
    manifest = json.loads((report / "manifest.json").read_text())
    events = sum(table["rows_in"] for table in manifest["inputs"] if table["table"] not in ("accounts", "contracts", "attributes"))
    return {
        "accounts": accounts, "rows": events, "seconds": seconds, "cpu": cpu, "gigabytes": peak, "bare": bare,
        "open": manifest["seconds"]["open the workspace"], "kilobytes": (report / "executive.html").stat().st_size / 1e3,
    }  # fmt: skip


def main() -> None:
    """Print a row a company, and whether the aim for 20,000 accounts was met."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, nargs="+", default=[2_000, 20_000])
    options.add_argument("--keep", type=Path, default=None)
    asked = options.parse_args()
    print(
        f"{'accounts':>9} {'rows':>12} {'seconds':>8} {'opening':>8} {'CPU s':>7} {'GB':>6} {'bare read':>10} {'ratio':>6} {'page kB':>8}"
    )
    with tempfile.TemporaryDirectory() as own:
        for accounts in asked.accounts:
            found = measure(accounts, (asked.keep or Path(own)).resolve())
            met = f"  aim {SECONDS:.0f} s, {GIGABYTES:.0f} GB: " + (
                "met" if found["seconds"] <= SECONDS and found["gigabytes"] <= GIGABYTES else "missed"
            )
            print(
                f"{found['accounts']:>9,} {found['rows']:>12,} {found['seconds']:>8.0f} {found['open']:>8.0f} {found['cpu']:>7.0f} "
                f"{found['gigabytes']:>6.2f} {found['bare']:>8.1f} s {found['seconds'] / found['bare']:>6.1f} {found['kilobytes']:>7.0f}"
                f"{met if accounts == 20_000 else ''}",
                flush=True,
            )


if __name__ == "__main__":
    main()
