"""Are weights that hold left alone and lost ones seen, and do "so many more lost cases" settle it? Simulated companies, fresh seeds.

Run `python -m study.outlook_study` (some twenty minutes of CPU); it writes `study/outlook_study.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.resample import NOTHING, Estimate, account_weights, percentile
from healthlib.stats import auc, auc_replicates
from healthlib.studies.fit import DIFFERENCES
from healthlib.studies.outlook import deciding
from healthlib.studies.steady import steady_study
from healthlib.studies.verdict import recommend
from study.weights_study import EIGHT, FEW, TRUER, UNLIKE
from study.weights_study import NOTHING as NOISE

GONE = {**EIGHT, "a": 0.0}
EQUAL = dict.fromkeys(EIGHT, 12.5)
STEADY: dict[str, dict[str, Any]] = {
    "weights hold, 12 % churn": {"n_accounts": 200},
    "weights hold, churn rises from 8 to 20 %": {"n_accounts": 300, "rates": (0.08, 0.20)},
    "weights hold, churn falls from 25 to 6 %": {"n_accounts": 300, "rates": (0.25, 0.06)},
    "weights hold, 12 % churn, more accounts": {"n_accounts": 600},
    "a weight of 30 points vanishes half way": {"n_accounts": 390, "later": GONE},
    "the same, 600 accounts a half": {"n_accounts": 600, "later": GONE},
    "the same, 910": {"n_accounts": 910, "later": GONE},
    "the same, 1,300": {"n_accounts": 1300, "later": GONE},
}
NEAR, MID = ({name: (1 - part) * EQUAL[name] + part * FEW[name] for name in EIGHT} for part in (0.3, 0.6))
KINDS = {
    "nothing tells": (NOISE, EIGHT), "current weights are the truth": (EIGHT, {**EIGHT, "g": 1e-6, "h": 1e-6}), "near": (NEAR, EQUAL),
    "further": (MID, EQUAL), "far": (FEW, UNLIKE), "far, current weights are equal": (TRUER, EQUAL),
    "equal weights are the truth": (EQUAL, UNLIKE),
}  # fmt: skip
"""True and current weights of the companies whose verdict is followed."""
FIRST = 20
"""The first of their seeds."""
CHANCES = {"even": "even, 50", "likely": "likely, 80"}
STEADY_TEXT = (
    "## Do weights hold?", "",
    "Share of companies in which any weight, and in which the metric of 30 points, is flagged as changed (below a chance of 5 %, all",
    "metrics and dates at once; 8 metrics, 600 sign draws); per cent.",
)  # fmt: skip
FOLLOWED_TEXT = (
    '## "So many more lost cases would settle it"', "",
    "Companies of 16 years in seven kinds (nothing tells; current weights, or equal ones, are the truth; the truth near, further, far),",
    "replayed month by month. Wherever the verdict is undecided at 30, 60, 90 ... lost cases, it says how many more would settle it with",
    "an even chance and in four of five cases (`studies.outlook.deciding`); here is how often it was settled by then (at the",
    "nearest of the counts followed), 200 replicates. The checks of one company are not independent.",
)  # fmt: skip
FOLLOWED_HEAD = (
    "| chance said | settled by then, per cent | checked | more cases than were simulated | cannot be told |",
    "| --- | ---: | ---: | ---: | ---: |",
)
COUNTS = (30, 60, 90, 120, 160, 200, 240, 280, 320)
"""Lost cases tested at which the verdict is asked for."""


def four_years_on(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Companies of four years, one after the other, as one."""
    moved = [
        part.assign(
            account_id=f"{number} " + part["account_id"],
            **{name: part[name] + pd.Timedelta(days=4 * 365 * number) for name in ("as_of", "term_ends", "horizon_ends_on")},
        )
        for number, part in enumerate(parts)
    ]
    return pd.concat(moved, ignore_index=True)


def steady(
    seeds: Sequence[int], *, n_accounts: int, later: dict[str, float] = EIGHT, rates: tuple[float, float] = (0.12, 0.12)
) -> dict[str, float]:
    """Lost cases, and the shares of companies flagged at all and for the metric `a`."""
    card, lost, found = simulated_scorecard(dict.fromkeys(EIGHT, 1.0)), [], []
    for seed in seeds:
        one, _ = simulate_cases(n_accounts, weights=EIGHT, seed=seed, correlation=0.2, churn_rate=rates[0])
        two, _ = simulate_cases(n_accounts, weights=later, seed=50_000 + seed, correlation=0.2, churn_rate=rates[1])
        changes = steady_study(four_years_on([one, two]), card, replicates=600).changes.set_index("metric")
        lost.append(one["lost"].sum() + two["lost"].sum())
        found.append((changes["flagged"].any(), changes.loc["a", "flagged"]))
    any_of, first = np.mean(found, axis=0)
    return {"lost": float(np.mean(lost)), "any": float(any_of), "first": float(first)}


def verdicts(tested: pd.DataFrame) -> list[tuple[int, str, float, float]]:
    """At each of `COUNTS`: lost cases, the verdict, and how many more would settle it, even and likely.

    Parameters
    ----------
    tested : predictions of a replay in the order of time; what is known early does not change as more comes
    """
    found, so_far = [], tested["lost"].cumsum().to_numpy()
    for count in (count for count in COUNTS if so_far[-1] >= count):
        d = _differences(tested[so_far <= count])
        pair = {key: d[key] for key in ("fitted_minus_current", "fitted_minus_equal")}
        answer = recommend(pair, d["free_minus_current"], count, equal_minus_current=d["equal_minus_current"]).recommendation
        ahead = deciding(*pair.values(), d["free_minus_current"], d["equal_minus_current"])
        found.append((count, answer, ahead.even, ahead.likely))
    return found


def _differences(part: pd.DataFrame) -> dict[str, Estimate]:
    codes, counts = account_weights(part["account_id"], 200, 0)
    lost, found = part["lost"].to_numpy(dtype=float), dict.fromkeys(DIFFERENCES, NOTHING)
    scores = {name: part[name].to_numpy(dtype=float) for name in ("current", "equal", "fitted", "free")}
    known = {name: (auc(score, lost), auc_replicates(score, lost, codes, counts)) for name, score in scores.items()}
    for key, (one, other) in DIFFERENCES.items():
        (a, draws), (b, others) = known[one], known[other]
        found[key] = percentile(a - b, draws - others, n=float(len(counts)), events=float(lost.sum()))
    return found


def came_true(rows: list[tuple[int, str, float, float]]) -> list[tuple[str, str]]:
    """What became of the numbers of each undecided verdict: chance said, and settled, open, beyond (what was simulated) or untold."""
    answers, found = {row[0]: row[1] for row in rows}, []
    for count, answer, *more in rows:
        for chance, wanted in zip(CHANCES, more, strict=True):
            if answer == "insufficient_evidence":
                found.append((chance, _became(answers, count, wanted)))
    return found


def _became(answers: dict[int, str], count: int, wanted: float) -> str:
    """Whether it was settled at the number of lost cases nearest to the one said."""
    if not np.isfinite(wanted):
        return "untold"
    if count + wanted > max(answers):
        return "beyond"
    later = min((other for other in answers if other > count), key=lambda other: abs(np.log(other / (count + wanted))))
    return "open" if answers[later] == "insufficient_evidence" else "settled"


def followed(seeds: Sequence[int]) -> pd.DataFrame:
    """seed, kind of company, chance said, and what became of the number: a row each."""
    from healthlib.backtest import replay

    found: list[tuple[int, str, str, str]] = []
    for seed in seeds:
        for kind, (weights, current) in KINDS.items():
            parts = [simulate_cases(190, weights=weights, seed=7 * seed + part)[0] for part in range(4)]
            past = replay(four_years_on(parts), simulated_scorecard(current), learn=False).predictions
            found += [(seed, kind, *one) for one in came_true(verdicts(past.sort_values("as_of", kind="stable")))]
    return pd.DataFrame(found, columns=["seed", "kind", "chance", "became"])


def told(found: pd.DataFrame) -> list[str]:
    """The rows of the second table."""
    rows = []
    for chance, words in CHANCES.items():
        size = found.loc[found["chance"] == chance, "became"].value_counts().reindex(["settled", "open", "beyond", "untold"], fill_value=0)
        checked = size["settled"] + size["open"]
        share = f"{100 * size['settled'] / checked:.0f}" if checked else "–"
        rows.append(f"| {words} | {share} | {checked} | {size['beyond']} | {size['untold']} |")
    return rows


def page(seeds: int, companies: int) -> str:
    """The study as a Markdown page."""
    lines = [
        "# Outlook study", "", f"Made on {date.today()} by `python -m study.outlook_study --seeds {seeds} --companies {companies}`.", "",
        *STEADY_TEXT, f"Seeds 5000 to {4999 + seeds}.", "", "| company | lost | flagged | flagged for the metric |",
        "| --- | ---: | ---: | ---: |",
    ]  # fmt: skip
    for name, given in STEADY.items():
        found = steady(range(5000, 5000 + seeds), **given)
        lines.append(f"| {name} | {found['lost']:.0f} | {100 * found['any']:.1f} | {100 * found['first']:.1f} |")
    lines += ["", *FOLLOWED_TEXT, f"Seeds {FIRST} to {FIRST + companies - 1}, {companies * len(KINDS)} companies.", "", *FOLLOWED_HEAD]
    return "\n".join([*lines, *told(followed(range(FIRST, FIRST + companies))), ""])


def main() -> None:
    """Both tables, as text and as a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200, help="companies for each row on steady weights")
    parser.add_argument("--companies", type=int, default=10, help="companies of each kind whose verdict is followed")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    text = page(args.seeds, args.companies)
    print(text)
    args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
