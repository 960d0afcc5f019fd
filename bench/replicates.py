"""A thousand account replicates of the AUC and of the band table: 100,000 cases of 5,000 accounts, whole-number scores.

Against a loop that draws accounts, takes scikit-learn's roc_auc_score of their rows and a pandas band table, extrapolated from a few
rounds. Ours counts the drawing too. The AUC and the counts of every replicate of those rounds must be equal. CPU seconds, one thread each.
`python bench/replicates.py --rounds 5`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np
import pandas as pd

from healthlib import thresholds
from healthlib.bands import Replicates, assign, band_table
from healthlib.resample import account_weights
from healthlib.stats import auc_replicates

AIM = 200.0
STARTS, NAMES = [0, 40, 60], ["red", "yellow", "green"]


def cases(count: int, accounts: int) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    who = rng.integers(0, accounts, count)
    score = np.clip(np.round(rng.normal(60, 18, count)), 0, 100)
    lost = (rng.random(count) < 1 / (1 + np.exp((score - 25) / 12))).astype(float)
    arr = np.round(rng.lognormal(9, 1, accounts))[who]
    ids = pd.array(np.char.add("A", who.astype(str)), dtype="str")
    return pd.DataFrame({"account_id": ids, "score": score, "lost": lost, "arr": arr, "band": assign(score, STARTS, NAMES)})


def ours(frame: pd.DataFrame, replicates: int) -> tuple[np.ndarray, thresholds.Below, dict[str, np.ndarray]]:
    """AUC, sums by band and what follows from them, in every replicate."""
    codes, counts = account_weights(frame["account_id"], replicates)
    score, lost, arr = (frame[name].to_numpy() for name in ("score", "lost", "arr"))
    table = thresholds.below_replicates(score, lost, arr, codes, counts)
    sums, whole = table.between(STARTS, [*STARTS[1:], 101]), table.between([0], [101])
    rate = sums.churned / sums.accounts
    rates = {"rate": rate, "arr_rate": sums.arr_churned / sums.arr, "lift": rate / (whole.churned / whole.accounts),
             "share": sums.churned / whole.churned}  # fmt: skip
    return thresholds.area(table), sums, rates


def by_rows(frame: pd.DataFrame, rows: np.ndarray) -> tuple[float, pd.DataFrame]:
    """One replicate as anybody would write it: AUC, and a band table in accounts and ARR."""
    from sklearn.metrics import roc_auc_score

    drawn = frame.iloc[rows]
    sums = drawn.assign(gone=drawn["lost"] * drawn["arr"]).groupby("band").agg(
        accounts=("lost", "size"), churned=("lost", "sum"), arr=("arr", "sum"), arr_churned=("gone", "sum")
    )  # fmt: skip
    rates = sums.assign(
        rate=sums["churned"] / sums["accounts"], arr_rate=sums["arr_churned"] / sums["arr"],
        lift=sums["churned"] / sums["accounts"] / drawn["lost"].mean(), share=sums["churned"] / sums["churned"].sum(),
    )  # fmt: skip
    return roc_auc_score(1 - drawn["lost"], drawn["score"]), rates.loc[NAMES]


def main() -> int:
    """Print both, check that they agree; exit 1 where they do not or the aim is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=100_000)
    options.add_argument("--accounts", type=int, default=5_000)
    options.add_argument("--replicates", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=20)
    chosen = options.parse_args()
    frame = cases(chosen.cases, chosen.accounts)
    ours(frame.head(2000), 10)  # what is loaded at first use is not timed
    by_rows(frame, np.arange(2000))
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, float("inf")
    for _ in range(3):
        began = time.process_time()
        area, sums, rates = ours(frame, chosen.replicates)
        seconds = min(seconds, time.process_time() - began)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    codes, counts = account_weights(frame["account_id"], chosen.replicates)
    began, loop = time.process_time(), []
    for r in range(chosen.rounds):
        loop.append(by_rows(frame, np.repeat(np.arange(len(frame)), counts[codes, r])))
    slow = (time.process_time() - began) * chosen.replicates / chosen.rounds
    equal = all(
        abs(area[r] - value) < 1e-12
        and all((getattr(sums, name)[:, r] == table[name].to_numpy()).all() for name in ("accounts", "churned", "arr", "arr_churned"))
        and all(np.allclose(rates[name][:, r], table[name], rtol=1e-12) for name in rates)
        for r, (value, table) in enumerate(loop)
    )
    began = time.process_time()
    band_table(frame, NAMES, Replicates(codes, counts))
    page = time.process_time() - began
    _, all_levels = np.unique(frame["score"] + 0.0, return_inverse=True)
    same = np.array_equal(area, auc_replicates(all_levels, frame["lost"], codes, counts))
    print(f"{chosen.replicates:,} account replicates of AUC and band table (accounts and ARR), {len(frame):,} cases of {counts.shape[0]:,} "
          f"accounts: ours {seconds:.2f} CPU s, scikit-learn and pandas {slow:.0f} CPU s (extrapolated from {chosen.rounds}), "
          f"{slow / seconds:.0f} x faster (aim {AIM:g} x); {'equal' if equal and same else 'NOT EQUAL'}, ties included; "
          f"memory {memory:.2f} GB, {memory - before:.2f} of it for this; "
          f"the band table of the report, with intervals, {page:.2f} CPU s")  # fmt: skip
    return int(not (equal and same) or slow < AIM * seconds)


if __name__ == "__main__":
    sys.exit(main())
