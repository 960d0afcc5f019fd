"""How often is `adopt` said, on fresh seeds, without the leak screen and learned scales: what decides in `weights_study`, alone.

`python study/adopt_study.py --first 9000 --companies 60` prints the table of fresh seeds in `study/weights_study.md`, two to
six CPU seconds a company. Companies and their truth are those of `weights_study.DECISIONS`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from healthlib.backtest import replay
from healthlib.resample import account_weights, percentile
from healthlib.studies import fit
from healthlib.studies.verdict import recommend
from study.weights_study import DECISIONS, Regime, simulate

REPLICATES = 300
SCHEMES = ("current", "equal", "fitted", "free")


def decided(regime: Regime, seed: int) -> dict[str, float | str]:
    """lost, answer and gain of one company: its past replayed, AUC compared on the same accounts, the recommendation of the product."""
    cases, card, _ = simulate(regime, seed)
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    tested = replay(done, card, learn=False).predictions.dropna(subset=list(SCHEMES[:3])).reset_index(drop=True)
    drawn = account_weights(tested["account_id"], REPLICATES, seed)
    auc = {name: fit._auc_of(tested, name, drawn, None) for name in SCHEMES}
    size, lost = float(drawn[1].shape[0]), float(tested["lost"].sum())
    apart = {
        name: percentile(auc[one][0] - auc[two][0], auc[one][1] - auc[two][1], n=size, events=lost)
        for name, (one, two) in fit.DIFFERENCES.items()
    }
    judged = {name: apart[name] for name in ("fitted_minus_current", "fitted_minus_equal")}
    said = recommend(judged, apart["free_minus_current"], int(lost), None, apart["equal_minus_current"])
    return {"lost": float(done["lost"].sum()), "answer": said.recommendation, "gain": apart["fitted_minus_current"].value}


def main() -> int:
    """Print a row a regime as it is done."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--first", type=int, default=9000)
    options.add_argument("--companies", type=int, default=60)
    chosen = options.parse_args()
    print("| company | lost | companies | adopt | 95 % | keep | insufficient evidence | gain |\n| --- |" + " ---: |" * 7)
    for regime in DECISIONS:
        found = pd.DataFrame([decided(regime, seed) for seed in range(chosen.first, chosen.first + chosen.companies)])
        share = found["answer"].value_counts()
        adopt = int(share.get("adopt", 0))
        low, high = proportion_confint(adopt, len(found), method="wilson")
        rest = [f"{100 * share.get(name, 0) / len(found):.0f}" for name in ("keep", "insufficient_evidence")]
        print(
            f"| {regime.name} | {found['lost'].mean():.0f} | {len(found)} | {adopt} ({100 * adopt / len(found):.1f} %) "
            f"| {100 * low:.1f}–{100 * high:.1f} | {' | '.join(rest)} | {found['gain'].mean():+.3f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
