"""Scores of measured cases against the bare numpy expression: 100,000 accounts x 36 months x 25 metrics, in chunks that fit memory.

The bare expression is what anybody would write by hand for the same numbers, on the columns of the same frame: a clipped line a metric,
weights over what is measured, a band. It explains nothing. `score` also gives points that sum to the score, groups, coverage, gates and
the rule for missing values. Each chunk twice, the better one counts. `python bench/scoring.py --accounts 10000`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from healthlib.scoring import score
from healthlib.spec import Metric, Scorecard

AIM = 2.0
CHUNK = 360_000
"""Cases at a time: 25 columns of doubles are 72 MB, and a whole month of 100,000 accounts lies inside."""


def scorecard(metrics: int, stepped: int) -> Scorecard:
    """As many metrics in five groups, some of them by steps, one with a profile, one that applies to some, one gate."""
    made = {}
    for i in range(metrics):
        scale = {"steps": {"0": 0, "0.3": 50, "0.8": 100}} if i < stepped else {"worst": 0, "best": 0.9}
        more = {"profiles": ({"when": {"age_days": {"under": 180}}, "best": 0.6},)} if i == metrics - 1 else {}
        more |= {"applies_to": {"segment": ("A", "B")}} if i == metrics - 2 else {}
        name = f"m{i:02d}"
        made[name] = Metric.model_validate(
            {"name": name, "group": f"g{i % 5}", "table": "usage", "measure": "count", "weight": 1 + i % 7, **scale, **more}
        )
    bands = [{"name": name, "from": start} for name, start in (("red", 0), ("yellow", 40), ("green", 60))]
    gates = [{"name": "gate", "metric": "m00", "at_most": 0.02, "cap": 30}]
    return Scorecard.model_validate(
        {"groups": tuple(f"g{i}" for i in range(5)), "metrics": made, "bands": tuple(bands), "gates": tuple(gates)}
    )


def cases(count: int, metrics: int, seed: int) -> pd.DataFrame:
    """Measured cases, a tenth of the values missing."""
    rng = np.random.default_rng(seed)
    values = rng.random((metrics, count))
    values[rng.random((metrics, count)) < 0.1] = np.nan
    frame = pd.DataFrame(values.T, columns=[f"m{i:02d}" for i in range(metrics)], copy=False)
    return frame.assign(
        account_id=pd.array(rng.integers(0, 100_000, count).astype(str), dtype="str"), as_of=pd.Timestamp("2026-01-31"),
        age_days=rng.integers(0, 2000, count).astype(float), segment=pd.array(rng.choice(["A", "B", "C"], count), dtype="str"),
    )  # fmt: skip


def bare(frame: pd.DataFrame, card: Scorecard) -> tuple[np.ndarray, np.ndarray]:
    """Score and band by the expression alone, a metric at a time."""
    above, below = np.zeros(len(frame)), np.zeros(len(frame))
    for name, metric in card.metrics.items():
        value = frame[name].to_numpy()
        known = ~np.isnan(value)
        if metric.steps:
            starts, points = np.array(list(metric.steps)), np.array(list(metric.steps.values()))
            points = points[np.maximum(np.searchsorted(starts, value, side="right") - 1, 0)]
        else:
            points = 100 * np.clip((value - metric.worst) / (metric.best - metric.worst), 0, 1)
        above += metric.weight * np.where(known, points, 0)
        below += metric.weight * known
    scores = above / below
    return scores, np.searchsorted([band.start for band in card.bands], scores, side="right")


def timed(work: Callable, frame: pd.DataFrame, card: Scorecard) -> float:
    """CPU seconds of one call."""
    began = time.process_time()
    work(frame, card)
    return time.process_time() - began


def main() -> int:
    """Print CPU seconds of both (one thread each), their ratio and the memory; exit 1 above the aim."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=100_000)
    options.add_argument("--months", type=int, default=36)
    options.add_argument("--metrics", type=int, default=25)
    chosen, worst = options.parse_args(), 0.0
    total = chosen.accounts * chosen.months
    for label, stepped in (("straight lines", 0), ("five by steps", 5)):
        card, seconds = scorecard(chosen.metrics, stepped), {"bare": 0.0, "score": 0.0}
        score(card, cases(1000, chosen.metrics, seed=0))  # what is loaded at first use is not timed
        for start in range(0, total, CHUNK):
            frame = cases(min(CHUNK, total - start), chosen.metrics, seed=start)
            for name, work in (("bare", bare), ("score", lambda frame, card: score(card, frame))):
                seconds[name] += min(timed(work, frame, card) for _ in range(2))
        ratio = seconds["score"] / seconds["bare"]
        worst = max(worst, ratio)
        print(f"{label}: {total:,} cases x {chosen.metrics} metrics: bare {seconds['bare']:.2f} CPU s, score {seconds['score']:.2f} CPU s, "
              f"{ratio:.2f} x (aim {AIM:g} x)")  # fmt: skip
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    return int(worst > AIM)


if __name__ == "__main__":
    sys.exit(main())
