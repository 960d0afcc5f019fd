"""How often are learned scales recommended where the truth is straight, and where it bends? Simulated companies, the whole study on each.

Run `python study/scales_study.py` (some minutes of CPU); it writes `study/scales_study.md`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.studies.fit import fit_study

WEIGHTS = {"bent": 50.0, "straight": 30.0, "nothing": 0.0}


@dataclass(frozen=True)
class Kind:
    """One kind of company: value of `bent` = 100 (points / 100)^bend, so that 1 is a straight truth; its first seed."""

    name: str
    accounts: int
    bend: float
    first: int


KINDS = (
    Kind("straight truth, 400 accounts", 400, 1.0, 2000),
    Kind("straight truth, 150 accounts", 150, 1.0, 3000),
    Kind("bent truth, 400 accounts", 400, 4.0, 4000),
    Kind("straight truth, 600 accounts", 600, 1.0, 5000),
    Kind("bent truth, 600 accounts", 600, 4.0, 6000),
    Kind("truth bent the other way, 400 accounts", 400, 0.25, 7000),
)
OPENING = (
    "The whole study (walk-forward replay, scales and weights learned at each cut-off, comparison, recommendation) on each",
    "simulated company; weights in use are equal ones, four cases an account, churn 15 %, metrics correlated 0.2. Where the",
    "truth is straight the log-odds run straight in every metric, so that no scale is to be recommended; where it is bent one metric",
    "saturates, and bent the other way it tells most near its best.",
    "Shares in per cent; the gain is AUC out of time, of learned scales over weights fitted on the scales in use.",
)


def company(kind: Kind, seed: int) -> pd.DataFrame:
    """Cases of one company."""
    cases, _ = simulate_cases(kind.accounts, 4, WEIGHTS, 0.15, 0.2, seed=seed, slope=9.0)
    return cases.assign(bent=100 * (cases["bent"] / 100) ** kind.bend)


def advised(kind: Kind, seeds: Sequence[int], *, replicates: int = 200) -> pd.DataFrame:
    """What the study advised on each seed: seed, lost, advice, gain."""
    rows = []
    for seed in seeds:
        facts = fit_study(company(kind, seed), simulated_scorecard(dict.fromkeys(WEIGHTS, 1.0)), replicates=replicates)
        rows.append((seed, facts.n_lost, facts.learned.advice, facts.differences["learned_minus_fitted"].value))
    return pd.DataFrame(rows, columns=["seed", "lost", "advice", "gain"])


def page(companies: int) -> str:
    """The study as a page."""
    began = time.process_time()
    seeds = "; ".join(f"{kind.name}: {kind.first} to {kind.first + companies - 1}" for kind in KINDS)
    head = ["# Scales study", "", f"Made on {date.today()} by `study/scales_study.py`. Seeds: {seeds}.", *OPENING, ""]
    lines = [
        "| company | companies | lost | adopt | keep | insufficient evidence | gain |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind in KINDS:
        found = advised(kind, range(kind.first, kind.first + companies))
        shares = " | ".join(f"{100 * (found['advice'] == name).mean():.1f}" for name in ("adopt", "keep", "insufficient_evidence"))
        lines.append(f"| {kind.name} | {len(found)} | {found['lost'].mean():.0f} | {shares} | {found['gain'].mean():+.3f} |")
        print(lines[-1], flush=True)
    return "\n".join([*head, *lines, "", f"{time.process_time() - began:.0f} CPU seconds.", ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", type=int, default=40, help="companies of each kind")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    args.out.write_text(page(args.companies), encoding="utf-8")
