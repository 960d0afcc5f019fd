"""The best two thresholds over a million scored cases: all 5,050 pairs exactly, in accounts and ARR, against optbinning's three bins.

optbinning's OptimalBinning pre-bins and then solves for the greatest information value; ours counts once and looks at every pair. Both
values are computed from the rows. CPU seconds, one thread each. `python bench/cuts.py --cases 100000`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np
import pandas as pd
from optbinning_apart import run_apart

from healthlib.thresholds import below, best_pair, every_pair

AIM = 100.0

BINNING = """
from optbinning import OptimalBinning
began = time.process_time()
found = OptimalBinning(dtype="numerical", max_n_bins=3).fit(frame["score"].to_numpy(), frame["lost"].to_numpy())
seconds = time.process_time() - began
told = {"cuts": [float(cut) for cut in found.splits], "status": found.status}
"""


def information(score: np.ndarray, lost: np.ndarray, cuts: list[float]) -> float:
    """Information value of the bands that the cuts make, from the rows."""
    place, value = np.searchsorted(cuts, score, side="right"), 0.0
    for band in range(len(cuts) + 1):
        gone, stayed = (lost[place == band].sum() / lost.sum(), (1 - lost)[place == band].sum() / (1 - lost).sum())
        value += (stayed - gone) * np.log(stayed / gone)
    return float(value)


def main() -> int:
    """Print both; exit 1 where the aim is missed or a better pair was overlooked."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=1_000_000)
    count, rng = options.parse_args().cases, np.random.default_rng(8)
    score = np.clip(np.round(rng.normal(60, 18, count)), 0, 100)
    lost = (rng.random(count) < 1 / (1 + np.exp((score - 25) / 12))).astype(float)
    arr = np.round(rng.lognormal(9, 1, count))
    seconds = both = float("inf")
    for _ in range(5):
        began = time.process_time()
        found = best_pair(below(score, lost), "information")
        seconds = min(seconds, time.process_time() - began)
        began = time.process_time()
        table = below(score, lost, arr)
        by_arr = best_pair(table, "information"), best_pair(table, "information", by="arr")
        both = min(both, time.process_time() - began)
    pairs = every_pair(table, "information")
    best = information(score, lost, found.tolist())
    drift = abs(best - pairs["value"].max())
    print(f"best of {len(pairs):,} pairs of thresholds over {count:,} cases, by accounts {found.tolist()}: ours {1000 * seconds:.1f} "
          f"CPU ms ({1000 * both:.1f} by accounts and by ARR, {by_arr[1].tolist()}), information value {best:.5f} "
          f"(the same from the rows: {drift < 1e-9}); "
          f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")  # fmt: skip
    told = run_apart(BINNING, pd.DataFrame({"score": score, "lost": lost}))
    if isinstance(told, str):
        print(f"optbinning: {told}")
        return int(drift >= 1e-9)
    theirs = information(score, lost, told["cuts"])
    print(f"optbinning {told['version']} OptimalBinning(max_n_bins=3): {1000 * told['seconds']:.0f} CPU ms, cuts {told['cuts']}, "
          f"information value {theirs:.5f}; ours {told['seconds'] / seconds:.0f} x faster (aim {AIM:g} x); "
          f"its memory {told['memory']:.2f} GB")  # fmt: skip
    return int(drift >= 1e-9 or best < theirs - 1e-9 or told["seconds"] < AIM * seconds)


if __name__ == "__main__":
    sys.exit(main())
