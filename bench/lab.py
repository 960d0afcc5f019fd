"""A move in the lab: one slider of 20 metrics on 180,000 finished cases of 5,000 accounts, with AUC interval, bands and page redrawn.

p50 and p95 of moves of weights, scales and thresholds in turn, in milliseconds of one processor (on an idle machine that is the time on the
clock, which is printed as well); exit 1 where the p95 is above the aim.
`python bench/lab.py --accounts 1000`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np
import pandas as pd
from scoring import cases, scorecard

from healthlib import claims_lab
from healthlib.lab_state import Evidence, Lab

AIM = 100.0
"""Milliseconds."""


def company(accounts: int, months: int, metrics: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Finished cases and today's accounts: a tenth of the values missing, outcomes that follow the first metrics."""
    rng = np.random.default_rng(0)
    frame = cases(accounts * months, metrics, seed=1)
    frame["account_id"] = np.tile([f"a{i:05d}" for i in range(accounts)], months)
    lean = frame[["m01", "m02", "m03"]].fillna(0.5).sum(axis=1)
    frame["lost"] = (rng.random(len(frame)) < 0.1 * np.exp(1.5 - lean)).astype(float)
    frame["arr"] = np.exp(rng.normal(10, 1, accounts)).round(-2)[np.arange(len(frame)) % accounts]
    frame["name"] = "Company " + frame["account_id"]
    return frame, frame.tail(accounts).reset_index(drop=True)


def moves(lab: Lab, count: int) -> list[tuple[str, float, float]]:
    """Kind, processor and clock milliseconds of each move, from the slider's new value to the words of the page."""
    rng, spent = np.random.default_rng(1), []
    names = [name for name, scale in lab.now.scales.items() if scale]
    for i in range(count):
        kind, name = ("weight", "scale", "band")[i % 3], str(rng.choice(names))
        began, clock = time.process_time(), time.perf_counter()
        if kind == "weight":
            lab.weight(name, float(rng.integers(0, 30)))
        elif kind == "scale":
            lab.scale(name, "best", float(rng.uniform(0.5, 1.0)))
        else:
            lab.band("green", float(rng.integers(50, 75)))
        reading = lab.read()
        claims_lab.page(lab, reading, "USD")
        spent.append((kind, 1000 * (time.process_time() - began), 1000 * (time.perf_counter() - clock)))
    return spent


def main() -> int:
    """Print the times and the memory; exit 1 above the aim."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=5_000)
    options.add_argument("--months", type=int, default=36)
    options.add_argument("--metrics", type=int, default=20)
    options.add_argument("--moves", type=int, default=120)
    chosen = options.parse_args()
    frame, today = company(chosen.accounts, chosen.months, chosen.metrics)
    card = scorecard(chosen.metrics, 0)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    lab = Lab(Evidence(card, card, frame, today))
    lab.read()
    opened = time.perf_counter() - began
    spent = pd.DataFrame(moves(lab, chosen.moves), columns=["kind", "ms", "clock"])
    print(f"{len(frame):,} cases of {chosen.accounts:,} accounts x {chosen.metrics} metrics, 200 replicates; opened in {opened:.1f} s")
    for kind, part in [*spent.groupby("kind"), ("all", spent)]:
        half, most = (part[["ms", "clock"]].quantile(q) for q in (0.5, 0.95))
        print(f"{kind:>7}: p50 {half['ms']:.0f} ms, p95 {most['ms']:.0f} ms (aim {AIM:g} ms); on the clock {half['clock']:.0f} and "
              f"{most['clock']:.0f} ms")  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    held, over = lab.evidence.nbytes / 1e6, (peak - before) / 1e6
    print(f"held by the lab {held:.0f} MB; peak memory {peak / 1e6:.2f} GB, of which {over:.2f} GB over the data")
    return int(spent["ms"].quantile(0.95) > AIM)


if __name__ == "__main__":
    sys.exit(main())
