"""Do the intervals hold, does noise stay noise, is a real gain found? Simulated companies whose truth is known, many seeds.

Run `python study/weights_study.py --seeds 200` (hours at 200, a quarter of an hour at 40); it writes `study/weights_study.md`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from healthlib.backtest import problem_of
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.resample import account_weights, rates
from healthlib.studies.fit import fit_study
from healthlib.weight_intervals import weight_intervals
from healthlib.weights import fit

EIGHT = {"a": 30.0, "b": 20.0, "c": 20.0, "d": 15.0, "e": 10.0, "f": 5.0, "g": 0.0, "h": 0.0}
THIRTEEN = dict(zip("abcdefghijklm", (30.0, 20.0, 15.0, 10.0, 8.0, 7.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0), strict=True))
CROOKED = dict(zip(EIGHT, (60.0, 40.0, 25.0, 15.0, 10.0, 5.0, -40.0, -15.0), strict=True))
NOTHING = dict.fromkeys(EIGHT, 0.0)


@dataclass(frozen=True)
class Regime:
    """One kind of company: what `simulate_cases` is given, and the weights in use (default: equal)."""

    name: str
    given: dict[str, Any]
    current: dict[str, float] = field(default_factory=dict)


INTERVALS = (
    Regime("17 lost, 8 metrics", {"n_accounts": 80, "cases_per_account": 3, "churn_rate": 0.08}),
    Regime("30 lost, 8 metrics", {"n_accounts": 90, "churn_rate": 0.10}),
    Regime("30 lost, 13 metrics", {"n_accounts": 90, "churn_rate": 0.10, "weights": THIRTEEN}),
    Regime("60 lost, 8 metrics", {"n_accounts": 170, "churn_rate": 0.10}),
    Regime("60 lost, 13 metrics", {"n_accounts": 170, "churn_rate": 0.10, "weights": THIRTEEN}),
    Regime("230 lost, 8 metrics", {"n_accounts": 600}),
    Regime("230 lost, 13 metrics", {"n_accounts": 600, "weights": THIRTEEN}),
    Regime("230 lost, metrics correlated 0.7", {"n_accounts": 600, "correlation": 0.7}),
    Regime("230 lost, 10 % missing", {"n_accounts": 600, "missing_share": 0.1}),
    Regime("230 lost, 30 % missing", {"n_accounts": 600, "missing_share": 0.3}),
    Regime("230 lost, accounts differ unseen", {"n_accounts": 600, "account_effect": 1.0}),
    Regime("60 lost, two metrics point the wrong way", {"n_accounts": 170, "weights": CROOKED}),
    Regime("230 lost, two metrics point the wrong way", {"n_accounts": 600, "weights": CROOKED}),
    Regime("900 lost, two metrics point the wrong way", {"n_accounts": 2400, "weights": CROOKED}),
    Regime("170 lost, 3 % churn", {"n_accounts": 1500, "churn_rate": 0.03}),
    Regime("190 lost, 30 % churn", {"n_accounts": 300, "cases_per_account": 3, "churn_rate": 0.30}),
    Regime("900 lost, 8 metrics", {"n_accounts": 2400}),
    Regime("5,000 lost, 8 metrics", {"n_accounts": 13000}),
)

UNLIKE = dict(zip(EIGHT, (10.0, 10.0, 10.0, 10.0, 20.0, 20.0, 10.0, 10.0), strict=True))
FEW = dict(zip(EIGHT, (40.0, 30.0, 20.0, 10.0, 0.0, 0.0, 0.0, 0.0), strict=True))

DECISIONS = (
    Regime("pure noise, 80 churns", {"n_accounts": 200, "weights": NOTHING}, EIGHT),
    Regime("pure noise, 240 churns", {"n_accounts": 600, "weights": NOTHING}, EIGHT),
    Regime("current weights are the truth, 230 churns", {"n_accounts": 600, "weights": EIGHT}, {**EIGHT, "g": 1e-6, "h": 1e-6}),
    Regime("truth 0.035 AUC above current, 0.025 above equal; 110 churns", {"n_accounts": 300, "weights": FEW}, UNLIKE),
    Regime("truth 0.035 AUC above current, 0.025 above equal; 340 churns", {"n_accounts": 900, "weights": FEW}, UNLIKE),
)

INTERVALS_TEXT = (
    "## Intervals of the weights", "",
    "Share of the 95 % intervals that hold the true weight: over all metrics (± its own standard error), for the",
    "metric with the largest weight, for those with a weight, for those whose true weight is zero (there a nominal interval",
    "covers 97.5 %: it cannot miss below zero). Width in points of 100. With missing data, and where metrics point the wrong way, the",
    "truth is the allowed weights with which the score predicts best given unlimited data. Verdict: within 93-97 %, give or",
    "take two standard errors of the study itself.",
)  # fmt: skip
INTERVALS_HEAD = ("regime", "lost", "all", "±", "largest", "positive", "zero", "width", "verdict")
DECISIONS_TEXT = (
    "## Decisions", "",
    "The whole study (leak screen, walk-forward replay, comparison, recommendation) on each seed; shares in per cent, gain in AUC out of",
    "time of fitted over current weights, and how often a clean metric was called a leak.",
)  # fmt: skip
DECISIONS_HEAD = ("company", "lost", "adopt", "keep", "insufficient evidence", "gain", "false leak alarms")
RATES_TEXT = (
    "## Intervals of rates", "",
    "Loss rates of small groups: accounts with 1 to 4 cases that share a fate; by accounts, and by ARR (log-normal). Per cent.",
)  # fmt: skip
RATES_HEAD = ("accounts", "true rate", "covered", "width", "covered by ARR", "width by ARR")


def simulate(regime: Regime, seed: int) -> tuple[pd.DataFrame, Any, Any]:
    """Cases, the scorecard in use, the truth."""
    given = {"weights": EIGHT, "cases_per_account": 4, **regime.given}
    cases, truth = simulate_cases(seed=seed, **given)
    return cases, simulated_scorecard(regime.current or dict.fromkeys(truth.weights, 1.0)), truth


def target(regime: Regime) -> np.ndarray:
    """The weights an interval should cover: the planted ones, or else those with which the score predicts best.

    A metric that moves with others earns weight when they are missing, and one that points the wrong way can only be left out; then the
    best allowed weights differ from the planted ones, and are read from a company of 60,000 accounts.
    """
    if not regime.given.get("missing_share") and min(regime.given.get("weights", EIGHT).values()) >= 0:
        cases, _, truth = simulate(Regime(regime.name, {**regime.given, "n_accounts": 10}), 0)
        return np.array(list(truth.weights.values())) / 100
    cases, card, _ = simulate(Regime(regime.name, {**regime.given, "n_accounts": 60_000}), 99)
    return fit(problem_of(card, cases), cases["lost"], strength=0.0).weights


def coverage(regime: Regime, seeds: Sequence[int], *, replicates: int = 400) -> dict[str, float]:
    """How often the 95 % intervals of the weights hold the truth. The point is the free fit: any pull would only widen the interval."""
    truth = target(regime)
    hit, width, lost = [], [], []
    for seed in seeds:
        cases, card, _ = simulate(regime, seed)
        problem = problem_of(card, cases)
        found = fit(problem, cases["lost"], strength=0.0)
        spans = weight_intervals(problem, cases["lost"], found, *account_weights(cases["account_id"], replicates, seed))
        hit.append((spans.low <= truth + 1e-9) & (truth <= spans.high + 1e-9))
        width.append(spans.high - spans.low)
        lost.append(cases["lost"].sum())
    covered = np.array(hit)
    return {
        "lost": float(np.mean(lost)), "all": float(covered.mean()), "largest": float(covered[:, truth.argmax()].mean()),
        "positive": float(covered[:, truth > 0].mean()),
        "zero": float(covered[:, truth == 0].mean()) if (truth == 0).any() else float("nan"),
        "width": float(100 * np.mean(width)), "error": float(covered.mean(axis=1).std() / np.sqrt(len(seeds))),
    }  # fmt: skip


def decisions(regime: Regime, seeds: Sequence[int], *, replicates: int = 300) -> dict[str, float]:
    """Shares of adopt, keep and insufficient evidence by the full study, its gain, and how often a clean metric was called a leak."""
    answers, gains, alarms, lost = [], [], [], []
    for seed in seeds:
        cases, card, _ = simulate(regime, 1000 + seed)
        facts = fit_study(cases, card, seed=seed, replicates=replicates)
        answers.append(facts.recommendation)
        gains.append(facts.differences["fitted_minus_current"].value)
        alarms.append(len(facts.leaks) > 0)
        lost.append(facts.n_lost)
    share = pd.Series(answers).value_counts(normalize=True)
    return {
        "lost": float(np.mean(lost)), **{key: float(share.get(key, 0.0)) for key in ("adopt", "keep", "insufficient_evidence")},
        "gain": float(np.nanmean(gains)), "alarms": float(np.mean(alarms)),
    }  # fmt: skip


def rate_coverage(accounts: int, share: float, seeds: Sequence[int], *, by_arr: bool = False) -> dict[str, float]:
    """How often the interval of a loss rate holds the truth: accounts with 1 to 4 cases and a shared fate, ARR log-normal (sigma 1)."""
    hit, width = [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        own = rng.beta(2 * share, 2 * (1 - share), accounts)
        codes = np.repeat(np.arange(accounts), rng.integers(1, 5, accounts))
        lost = rng.random(len(codes)) < own[codes]
        arr = np.exp(rng.normal(0, 1, accounts))[codes] if by_arr else None
        found = rates(lost, codes, account_weights(np.arange(accounts), 400, seed)[1], case_weight=arr)
        hit.append(found["low"][0] <= share <= found["high"][0])
        width.append(found["high"][0] - found["low"][0])
    return {"cover": float(np.mean(hit)), "width": float(np.mean(width))}


def verdict(share: float, error: float) -> str:
    """Within 93-97 % (give or take the study's own error), wider than promised, or not to be relied on."""
    if share < 0.93 - 2 * error:
        return "unreliable"
    return "wide" if share > 0.97 + 2 * error else "holds"


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.1f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def page(seeds: int) -> str:
    """The study as a Markdown page."""
    began = time.process_time()
    some = range(seeds)
    lines = [
        "# Weights study", "",
        f"Made on {date.today()} by `python study/weights_study.py --seeds {seeds}`; seeds 0 to {seeds - 1}, for decisions 1000 to "
        f"{999 + seeds}. Simulated renewals (`healthlib.demo.simulate_cases`); nominal coverage 95 %.", "",
        *INTERVALS_TEXT, "", _row(*INTERVALS_HEAD), _row("---", *["---:"] * 7, "---"),
    ]  # fmt: skip
    for regime in INTERVALS:
        found = coverage(regime, some)
        cells = " | ".join(_share(found[key]) for key in ("all", "error", "largest", "positive", "zero"))
        lines.append(f"| {regime.name} | {found['lost']:.0f} | {cells} | {found['width']:.0f} | {verdict(found['all'], found['error'])} |")
        print(lines[-1], flush=True)
    lines += ["", *DECISIONS_TEXT, "", _row(*DECISIONS_HEAD), _row("---", *["---:"] * 6)]
    for regime in DECISIONS:
        found = decisions(regime, some)
        cells = " | ".join(f"{100 * found[key]:.0f}" for key in ("adopt", "keep", "insufficient_evidence"))
        lines.append(f"| {regime.name} | {found['lost']:.0f} | {cells} | {found['gain']:+.3f} | {100 * found['alarms']:.0f} |")
        print(lines[-1], flush=True)
    lines += ["", *RATES_TEXT, "", _row(*RATES_HEAD), _row(*["---:"] * 6)]
    for accounts, share in ((12, 0.1), (30, 0.05), (60, 0.1), (200, 0.03), (200, 0.12), (600, 0.12)):
        plain, money = (rate_coverage(accounts, share, range(10 * seeds), by_arr=kind) for kind in (False, True))
        cells = " | ".join(f"{100 * found[key]:.1f}" for found in (plain, money) for key in ("cover", "width"))
        lines.append(f"| {accounts} | {100 * share:g} % | {cells} |")
        print(lines[-1], flush=True)
    return "\n".join([*lines, "", f"{time.process_time() - began:.0f} CPU seconds.", ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    args.out.write_text(page(args.seeds), encoding="utf-8")
