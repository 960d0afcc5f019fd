"""The walk-forward replay with everything refitted: 20,000 accounts x 36 months x 15 metrics, 24 cut-offs, 500 account replicates.

At each cut-off scale ends (quantiles of what was known), weights under nine strengths of the pull, the strength, thresholds, and curves in
the place of the scales are learned from finished cases; then AUC of three scorecards by accounts and ARR, and their band tables, each with
intervals. Against a Python loop over scikit-learn that does the same with LogisticRegression (no bounds, mean for a gap), roc_auc_score and
pandas, extrapolated from three cut-offs and two replicates. Like is compared with like, twice: without learned curves on either side, and
with them on both. There the loop fits one IsotonicRegression a metric, each by itself, from as many cases as ours, and weights on what
they give: less than ours, which fits each curve beside all others, three times over. One thread each.
`python bench/walkforward.py --accounts 2000`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import company
import numpy as np
import pandas as pd

from healthlib.backtest import MOST_PROMISED, Replay, replay
from healthlib.bands import Replicates, assign, band_table
from healthlib.learned_scales import MOST_ROWS
from healthlib.resample import account_weights
from healthlib.spec import Scorecard
from healthlib.stats import auc_replicates
from healthlib.weights import STRENGTHS

AIM_SECONDS, AIM_GIGABYTES, AIM_RATIO = 60.0, 2.0, 20.0
COMPARED = ("current", "equal", "fitted")


def ours(cases: pd.DataFrame, card: Scorecard, replicates: int, *, learn: bool = True) -> tuple[Replay, dict[str, float]]:
    """The replay and the intervals of all it compares; CPU seconds of either part."""
    began = time.process_time()
    past = replay(cases, card, learn=learn)
    between = time.process_time()
    tested = past.predictions.dropna(subset=list(COMPARED))
    draws = Replicates(*account_weights(tested["account_id"], replicates))
    names = [band.name for band in card.bands]
    for one in COMPARED:
        score = np.round(tested[one].to_numpy(), 1)
        for weight in (None, tested["arr"].to_numpy()):
            auc_replicates(score, tested["lost"], draws.codes, draws.counts, weight)
        starts = past.thresholds[past.thresholds["scorecard"] == one].groupby("cutoff")["threshold_from"].apply(lambda s: s.to_list()[:-1])
        parts = [assign(part[one], starts[cutoff], names) for cutoff, part in tested.groupby("cutoff", sort=False)]
        band_table(tested[["account_id", "lost", "arr"]].assign(band=np.concatenate(parts)), names, draws)
    return past, {"replay": between - began, "replicates": time.process_time() - between}


def theirs_cutoff(cases: pd.DataFrame, names: list[str], cutoff: pd.Timestamp) -> tuple[float, float]:
    """CPU seconds of one cut-off: scale ends, a fit at each strength, scores and losses of the next month, thresholds; and curves."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    began = time.process_time()
    train = cases[(cases["horizon_ends_on"] < cutoff) & cases["lost"].notna()]
    test = cases[(cases["as_of"] >= cutoff) & (cases["as_of"] < cutoff + pd.offsets.MonthEnd(1))]
    seen = cases.loc[cases["as_of"] < cutoff, names]
    low, high = seen.quantile(0.05), seen.quantile(0.95)
    points, after = (((part[names] - low) / (high - low)).clip(0, 1) for part in (train, test))
    mean = points.mean()
    points, after = points.fillna(mean).to_numpy(), after.fillna(mean).to_numpy()
    for strength in STRENGTHS[1:]:
        model = LogisticRegression(C=1 / max(strength, 0.02)).fit(points, train["lost"])
        log_loss(test["lost"], model.predict_proba(after)[:, 1], labels=[0, 1])
    np.quantile(model.predict_proba(points)[:, 1], [0.1, 0.3])
    between = time.process_time()
    theirs_curves(train, test, names)
    return between - began, time.process_time() - between


def theirs_curves(train: pd.DataFrame, test: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Scores of the next month on a monotone curve a metric, weights fitted on the curves; as many cases as ours learns from."""
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    some = train.sample(min(len(train), MOST_PROMISED), random_state=0)
    few = some.iloc[:MOST_ROWS]
    points, after = np.empty((len(some), len(names))), np.empty((len(test), len(names)))
    for j, name in enumerate(names):
        known = few[name].notna()
        curve = IsotonicRegression(increasing=True, out_of_bounds="clip").fit(few.loc[known, name], 1 - few.loc[known, "lost"])
        for part, out in ((some, points), (test, after)):
            measured = part[name].notna().to_numpy()
            out[measured, j] = curve.predict(part.loc[measured, name])
            out[~measured, j] = out[measured, j].mean()
    return LogisticRegression().fit(points, some["lost"]).predict_proba(after)[:, 1]


def theirs_replicate(tested: pd.DataFrame, rng: np.random.Generator, rows_of: dict[str, np.ndarray]) -> float:
    """CPU seconds of one account replicate: AUC of three scores by accounts and ARR, their band tables."""
    from sklearn.metrics import roc_auc_score

    began = time.process_time()
    ids = list(rows_of)
    drawn = tested.iloc[np.concatenate([rows_of[ids[i]] for i in rng.integers(0, len(ids), len(ids))])]
    drawn = drawn.assign(gone=drawn["lost"] * drawn["arr"])
    for one in COMPARED:
        for weight in (None, drawn["arr"]):
            roc_auc_score(1 - drawn["lost"], drawn[one], sample_weight=weight)
        band = pd.cut(drawn[one], [-np.inf, 42, 55, np.inf], right=False)
        sums = drawn.groupby(band, observed=False).agg(n=("lost", "size"), lost=("lost", "sum"), arr=("arr", "sum"), gone=("gone", "sum"))
        _ = sums["lost"] / sums["n"], sums["gone"] / sums["arr"]
    return time.process_time() - began


def main() -> int:
    """Print both; exit 1 where an aim is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=20_000)
    options.add_argument("--months", type=int, default=36)
    options.add_argument("--metrics", type=int, default=15)
    options.add_argument("--replicates", type=int, default=500)
    chosen = options.parse_args()
    card = company.scorecard(chosen.metrics, quantiles=True)
    ours(company.cases(300, chosen.months, chosen.metrics), card, 20)  # what is loaded at first use is not timed
    cases = company.cases(chosen.accounts, chosen.months, chosen.metrics)
    clock = time.perf_counter()
    past, parts = ours(cases, card, chosen.replicates)
    clock, seconds = time.perf_counter() - clock, sum(parts.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    cutoffs = list(past.folds["cutoff"])
    print(f"walk-forward, {len(cases):,} cases of {cases['account_id'].nunique():,} accounts x {chosen.metrics} metrics, {len(cutoffs)} "
          f"cut-offs with scales, weights and thresholds refitted: {parts['replay']:.1f} CPU s; {chosen.replicates} account replicates of "
          f"{len(past.predictions):,} tested cases: {parts['replicates']:.1f} CPU s; together {seconds:.1f} CPU s, {clock:.1f} s by the "
          f"clock (aim {AIM_SECONDS:g} s), peak memory {memory:.2f} GB (aim {AIM_GIGABYTES:g} GB)", flush=True)  # fmt: skip
    plain = sum(ours(cases, card, chosen.replicates, learn=False)[1].values())
    some = [cutoffs[0], cutoffs[len(cutoffs) // 2], cutoffs[-1]]
    fits, curves = np.mean([theirs_cutoff(cases, list(card.metrics), cutoff) for cutoff in some], axis=0) * len(cutoffs)
    tested, rng = past.predictions.dropna(subset=list(COMPARED)).reset_index(drop=True), np.random.default_rng(0)
    rows_of = dict(tested.groupby("account_id").indices)
    again = np.mean([theirs_replicate(tested, rng, rows_of) for _ in range(2)]) * chosen.replicates
    slow = fits + curves + again
    print(f"scikit-learn loop, extrapolated from {len(some)} cut-offs and 2 replicates: refits {fits:.0f}, curves {curves:.0f}, replicates "
          f"{again:.0f} CPU s. The same work on both sides: without learned curves {plain:.1f} against {fits + again:.0f} CPU s, "
          f"{(fits + again) / plain:.0f} x; with them {seconds:.1f} against {slow:.0f} CPU s, {slow / seconds:.0f} x "
          f"(aim {AIM_RATIO:g} x); the refits alone {fits / (plain - parts['replicates']):.1f} x")  # fmt: skip
    return int(seconds > AIM_SECONDS or memory > AIM_GIGABYTES or slow < AIM_RATIO * seconds)


if __name__ == "__main__":
    sys.exit(main())
