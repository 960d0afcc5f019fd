"""Do the intervals hold, does noise stay noise, is a real gain found? Simulated companies whose truth is known, many seeds.

Run `python study/weights_study.py` (some 20 minutes of CPU); it writes `study/weights_study.md`.
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
from healthlib.studies.whole_procedure import whole_procedure
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
    Regime("18 lost: 60 outcomes, 30 % churn", {"n_accounts": 60, "cases_per_account": 1, "churn_rate": 0.30}),
    Regime("60 lost, 3 % churn", {"n_accounts": 530, "churn_rate": 0.03}),
    Regime("60 lost, metrics correlated 0.7", {"n_accounts": 170, "churn_rate": 0.10, "correlation": 0.7}),
    Regime("60 lost, 30 % missing", {"n_accounts": 170, "churn_rate": 0.10, "missing_share": 0.3}),
    Regime("600 lost: 5,000 outcomes, 12 % churn", {"n_accounts": 1560}),
    Regime("900 lost, 8 metrics", {"n_accounts": 2400}),
    Regime("5,000 lost, 8 metrics", {"n_accounts": 13000}),
)

UNLIKE = dict(zip(EIGHT, (10.0, 10.0, 10.0, 10.0, 20.0, 20.0, 10.0, 10.0), strict=True))
FEW = dict(zip(EIGHT, (40.0, 30.0, 20.0, 10.0, 0.0, 0.0, 0.0, 0.0), strict=True))
TRUER = dict(zip(EIGHT, (44.0, 30.0, 22.0, 4.0, 0.0, 0.0, 0.0, 0.0), strict=True))
NEARER = {name: 0.93 * UNLIKE[name] + 0.07 * FEW[name] for name in EIGHT}

DECISIONS = (
    Regime("pure noise, 80 churns", {"n_accounts": 200, "weights": NOTHING}, EIGHT),
    Regime("pure noise, 240 churns", {"n_accounts": 600, "weights": NOTHING}, EIGHT),
    Regime("current weights are the truth, 230 churns", {"n_accounts": 600, "weights": EIGHT}, {**EIGHT, "g": 1e-6, "h": 1e-6}),
    Regime("truth 0.035 AUC above current, 0.025 above equal; 110 churns", {"n_accounts": 300, "weights": FEW}, UNLIKE),
    Regime("truth 0.035 AUC above current, 0.025 above equal; 340 churns", {"n_accounts": 900, "weights": FEW}, UNLIKE),
    Regime("truth 0.030 AUC above current, 0.025 above equal; 300 churns", {"n_accounts": 795, "weights": FEW}, NEARER),
    Regime("truth 0.030 AUC above current, which are equal; 300 churns", {"n_accounts": 795, "weights": TRUER}),
)

INTERVALS_TEXT = (
    "## Intervals of the weights", "",
    "Share of the 95 % intervals that hold the true weight: over all metrics (± its own standard error), for the",
    "metric with the largest weight, for those with a weight, for those whose true weight is zero (there a nominal interval",
    "covers 97.5 %: it cannot miss below zero). Width in points of 100. With missing data, and where metrics point the wrong way, the",
    "truth is the allowed weights with which the score predicts best given unlimited data. Verdict: within 93-97 %, give or",
    "take two standard errors of the study itself; where the metric with the largest weight falls short by itself, it says so.",
)  # fmt: skip
INTERVALS_HEAD = ("regime", "lost", "all", "±", "largest", "positive", "zero", "width", "verdict")
DECISIONS_TEXT = (
    "## Decisions", "",
    "The whole study (leak screen, walk-forward replay, comparison, recommendation) on each seed; shares in per cent, gain in AUC out of",
    "time of fitted over current weights, and how often a clean metric was called a leak.",
)  # fmt: skip
DECISIONS_HEAD = ("company", "lost", "adopt", "keep", "insufficient evidence", "gain", "false leak alarms")
WHOLE_TEXT = (
    "## The whole procedure against the fast intervals", "",
    "`studies.whole_procedure`: accounts drawn, then scales, strength of the pull (walk forward by half-years) and weights made anew,",
    "and the percentiles of those weights; beside it `weight_intervals`, one Newton step of the free fit. All metrics, per cent, width",
    "in points. The pull and the bound at zero belong to the procedure, so its percentiles say how far the proposal moves, not where",
    "the truth may lie: the report shows the fast ones. Chosen: mean share of replicates that give a metric weight, for those that",
    "have one and for those that have none.",
)  # fmt: skip
WHOLE_HEAD = ("regime", "covered, whole", "covered, fast", "width, whole", "width, fast", "chosen, whole", "chosen, fast")
WHOLE = ("60 lost, 8 metrics", "230 lost, 8 metrics")
"""Regimes in which the whole procedure is refitted."""
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


def against_whole(regime: Regime, seeds: Sequence[int], *, replicates: int = 100) -> dict[str, float]:
    """Coverage, width and share of selection of the whole procedure's percentiles, and of the fast intervals, on the same companies."""
    truth = target(regime)
    rows = []
    for seed in seeds:
        cases, card, _ = simulate(regime, seed)
        whole = whole_procedure(cases, card, replicates=replicates, seed=seed)
        problem = problem_of(card, cases)
        point = fit(problem, cases["lost"], strength=0.0)
        fast = weight_intervals(problem, cases["lost"], point, *account_weights(cases["account_id"], 400, seed))
        for name, low, high, chosen in (
            ("whole", whole["low"].to_numpy() / 100, whole["high"].to_numpy() / 100, whole["selected_share"].to_numpy()),
            ("fast", fast.low, fast.high, fast.selected),
        ):
            held = (low <= truth + 1e-9) & (truth <= high + 1e-9)
            rows.append((name, held.mean(), 100 * (high - low).mean(), chosen[truth > 0].mean(), chosen[truth == 0].mean()))
    mean = pd.DataFrame(rows, columns=["how", "cover", "width", "weighed", "not_weighed"]).groupby("how").mean()
    return {f"{column}_{how}": float(mean.loc[str(how), column]) for how in mean.index for column in mean.columns}


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


def verdict(share: float, error: float, largest: float = 1.0, seeds: int = 1) -> str:
    """Within 93-97 % (give or take the study's own error), wider than promised, or not to be relied on; of one metric alone too."""
    if share < 0.93 - 2 * error:
        return "unreliable"
    said = "wide" if share > 0.97 + 2 * error else "holds"
    return f"{said}, largest short" if largest < 0.93 - 2 * np.sqrt(0.93 * 0.07 / seeds) else said


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.1f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def page(seeds: int, companies: int, refitted: int) -> str:
    """The study as a Markdown page."""
    began = time.process_time()
    opening = [
        "# Weights study", "",
        f"Made on {date.today()} by `python study/weights_study.py --seeds {seeds} --companies {companies} --refitted {refitted}`;",
        f"intervals on seeds 0 to {seeds - 1}, decisions on 1000 to {999 + companies}, the whole procedure on 0 to {refitted - 1}, rates",
        "on 0 to 599. Simulated renewals (`healthlib.demo.simulate_cases`); nominal coverage 95 %.", "",
    ]  # fmt: skip
    parts = [_intervals(seeds), _whole(refitted), _decisions(companies), _rates(600)]
    lines = [line for part in parts for line in [*part, ""]]
    return "\n".join([*opening, *lines, f"{time.process_time() - began:.0f} CPU seconds.", ""])


def _told(lines: list[str], line: str) -> None:
    lines.append(line)
    print(line, flush=True)


def _intervals(seeds: int) -> list[str]:
    lines = [*INTERVALS_TEXT, "", _row(*INTERVALS_HEAD), _row("---", *["---:"] * 7, "---")]
    for regime in INTERVALS:
        found = coverage(regime, range(seeds))
        cells = " | ".join(_share(found[key]) for key in ("all", "error", "largest", "positive", "zero"))
        said = verdict(found["all"], found["error"], found["largest"], seeds)
        _told(lines, f"| {regime.name} | {found['lost']:.0f} | {cells} | {found['width']:.0f} | {said} |")
    return lines


def _whole(seeds: int) -> list[str]:
    lines = [*WHOLE_TEXT, "", _row(*WHOLE_HEAD), _row("---", *["---:"] * 6)]
    for regime in (one for one in INTERVALS if one.name in WHOLE):
        found = against_whole(regime, range(seeds))
        cells = " | ".join(_share(found[f"cover_{how}"]) for how in ("whole", "fast"))
        widths = " | ".join(f"{found[f'width_{how}']:.0f}" for how in ("whole", "fast"))
        chosen = " | ".join(f"{_share(found[f'weighed_{how}'])} and {_share(found[f'not_weighed_{how}'])}" for how in ("whole", "fast"))
        _told(lines, f"| {regime.name} | {cells} | {widths} | {chosen} |")
    return lines


def _decisions(seeds: int) -> list[str]:
    lines = [*DECISIONS_TEXT, "", _row(*DECISIONS_HEAD), _row("---", *["---:"] * 6)]
    for regime in DECISIONS:
        found = decisions(regime, range(seeds))
        cells = " | ".join(f"{100 * found[key]:.0f}" for key in ("adopt", "keep", "insufficient_evidence"))
        _told(lines, f"| {regime.name} | {found['lost']:.0f} | {cells} | {found['gain']:+.3f} | {100 * found['alarms']:.0f} |")
    return lines


def _rates(seeds: int) -> list[str]:
    lines = [*RATES_TEXT, "", _row(*RATES_HEAD), _row(*["---:"] * 6)]
    for accounts, share in ((12, 0.1), (30, 0.05), (60, 0.1), (200, 0.03), (200, 0.12), (600, 0.12)):
        plain, money = (rate_coverage(accounts, share, range(seeds), by_arr=kind) for kind in (False, True))
        cells = " | ".join(f"{100 * found[key]:.1f}" for found in (plain, money) for key in ("cover", "width"))
        _told(lines, f"| {accounts} | {100 * share:g} % | {cells} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200, help="companies for each kind of interval")
    parser.add_argument("--companies", type=int, default=60, help="companies for each kind of decision")
    parser.add_argument("--refitted", type=int, default=25, help="companies whose whole procedure is refitted")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    args.out.write_text(page(args.seeds, args.companies, args.refitted), encoding="utf-8")
