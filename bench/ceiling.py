"""What the readable score costs: AUC of fitted weights, on scales in use and on learned ones, against models nobody can type.

On the same folds as the product's own replay (out of time, or five folds of accounts where a sheet has no time), from the same metrics:
unconstrained logistic regression (missing values at the training median), gradient boosting that may only fall with a better value, the
same without interactions (what any sum of curves could reach), and optbinning's bins with logistic regression. Boosting without the
constraint is no rival here; optbinning chooses the trend of each metric itself, and may choose one that is not monotone. It runs in a
virtual environment of its own, made on demand; where it cannot be installed the line says so. "Within" compares only cases of one
cut-off: over all of them refits differ in level too, which curves at a common level mend on oulad, not on planted bends (see
`study/scales_study.md`).
`python bench/ceiling.py data/telco data/iranian data/crm5 data/oulad`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from healthlib.backtest import problem_of, replay
from healthlib.learned_scales import learn_scales
from healthlib.scoring import resolve_scales, score
from healthlib.spec import Scorecard, load_workspace
from healthlib.splits import splits
from healthlib.stats import auc
from healthlib.studies.book import open_book
from healthlib.studies.fit import usable
from healthlib.weights import candidates, fit, whole

AIM = 0.005
"""Learned scales are to come this near to the best of the others."""
BINNED = """
import sys, warnings
import numpy as np
warnings.filterwarnings("ignore")
from optbinning import BinningProcess
from sklearn.linear_model import LogisticRegression
given = np.load(sys.argv[1])
x, y, train, test = given["x"], given["y"], given["train"], given["test"]
out = np.full(len(y), np.nan)
names = [f"m{i}" for i in range(x.shape[1])]
for taught, asked in zip(train, test):
    use = np.isfinite(x[taught]).any(axis=0)
    process = BinningProcess([name for name, used in zip(names, use) if used])
    rows = process.fit_transform(x[taught][:, use], y[taught].astype(int), metric="woe", metric_missing="empirical")
    model = LogisticRegression(max_iter=1000).fit(rows, y[taught])
    out[asked] = model.decision_function(process.transform(x[asked][:, use], metric="woe", metric_missing="empirical"))
np.save(sys.argv[2], out)
"""


def environment(folder: Path) -> Path | None:
    """The Python of a virtual environment with optbinning; None where it cannot be made."""
    python = folder / "bin" / "python"
    try:
        if not python.exists():
            venv.create(folder, with_pip=True)
        if subprocess.run([python, "-c", "import optbinning"], capture_output=True, check=False).returncode:
            subprocess.run([python, "-m", "pip", "install", "-q", "optbinning"], check=True, capture_output=True, timeout=900)
    except (OSError, subprocess.SubprocessError):
        return None
    return python


def optbinned(python: Path, x: np.ndarray, y: np.ndarray, parts: list[Any]) -> np.ndarray:
    """Risk of every tested case by optbinning's bins and logistic regression."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npy"
        np.savez(given, x=x, y=y, train=np.array([part.train for part in parts]), test=np.array([part.test for part in parts]))
        subprocess.run([python, "-c", BINNED, given, found], check=True, timeout=1800, stderr=subprocess.DEVNULL)
        return np.load(found)


def rivals(x: np.ndarray, y: np.ndarray, parts: list[Any], falls: list[int]) -> dict[str, np.ndarray]:
    """Risk of every tested case by logistic regression and by monotone boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    out = {name: np.full(len(y), np.nan) for name in ("logistic regression", "monotone boosting", "the same, no interactions")}
    for part in parts:
        seen = x[part.train]
        use = np.isfinite(seen).any(axis=0)
        middle, spread = np.nanmedian(seen[:, use], axis=0), np.nanstd(seen[:, use], axis=0) + 1e-9
        rows = (np.where(np.isnan(x[:, use]), middle, x[:, use]) - middle) / spread
        model = LogisticRegression(C=np.inf, max_iter=2000).fit(rows[part.train], y[part.train])
        out["logistic regression"][part.test] = model.decision_function(rows[part.test])
        for name, more in (("monotone boosting", None), ("the same, no interactions", "no_interactions")):
            trees = HistGradientBoostingClassifier(
                learning_rate=0.05, max_iter=150, max_leaf_nodes=8, min_samples_leaf=50, random_state=0, interaction_cst=more,
                monotonic_cst=[sign for sign, used in zip(falls, use, strict=True) if used],
            )  # fmt: skip
            out[name][part.test] = trees.fit(x[part.train][:, use], y[part.train]).predict_proba(x[part.test][:, use])[:, 1]
    return out


def rounded(card: Scorecard, done: pd.DataFrame, parts: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Scores of tested cases on learned scales under free weights, and under the same as whole numbers summing to 100."""
    exact, typed = np.full(len(done), np.nan), np.full(len(done), np.nan)
    for part in parts:
        taught, asked = done[part.train], done[part.test]
        found = learn_scales(resolve_scales(card, done[part.seen]), taught).scorecard
        problem = problem_of(found, taught)
        weights = dict(zip(problem.names, fit(problem, taught["lost"], strength=1.0).weights.tolist(), strict=True))
        exact[part.test] = score(found, asked, weights).frame["score"]
        typed[part.test] = score(found, asked, {name: float(value) for name, value in whole(weights, card).items()}).frame["score"]
    return exact, typed


def within(risk: np.ndarray, y: np.ndarray, fold: np.ndarray) -> float:
    """AUC over pairs of cases of one fold."""
    pairs, won = 0.0, 0.0
    for number in np.unique(fold):
        here = fold == number
        size = y[here].sum() * (1 - y[here]).sum()
        if size:
            pairs, won = pairs + size, won + size * auc(-risk[here], y[here])
    return won / pairs if pairs else float("nan")


def compare(folder: str, python: Path | None) -> bool:
    """Print one workspace; whether the learned scales come near enough."""
    book = open_book(load_workspace(folder))
    card = usable(book.workspace.scorecard, book.leaks.found)
    cases = book.compared_cases
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    began = time.process_time()
    past, parts, names = replay(cases, card).predictions, splits(done), list(candidates(card))
    ours = time.process_time() - began
    x, y = done[names].to_numpy(dtype=float), done["lost"].to_numpy(dtype=float)
    risks = rivals(x, y, parts, [-1 if card.metrics[name].better == "higher" else 1 for name in names])
    if python is not None:
        risks["optbinning"] = optbinned(python, x, y, parts)
    keys = pd.MultiIndex.from_frame(done[["account_id", "as_of"]])
    for name in ("current", "fitted", "learned"):
        risks[name] = -past.set_index(["account_id", "as_of"])[name].reindex(keys).to_numpy(dtype=float)
    exact, typed = rounded(card, done, parts)
    risks |= {"learned, weights free": -exact, "learned, whole weights": -typed}
    use = np.all([np.isfinite(risk) for risk in risks.values()], axis=0)
    fold = np.select([part.test for part in parts], list(range(len(parts))), -1)
    print(f"{folder}: {use.sum():,} cases of {len(parts)} folds, {y[use].sum():,.0f} lost; the replay took {ours:.1f} CPU s")
    found = {name: auc(-risk[use], y[use]) for name, risk in risks.items()}
    near = {name: within(risk[use], y[use], fold[use]) for name, risk in risks.items()}
    print(f"  {'':<28} AUC      within   learned minus it, AUC and within")
    for name, value in found.items():
        by = f"{found['learned'] - value:+.4f}  {near['learned'] - near[name]:+.4f}"
        print(f"  {name:<28} {value:.4f}   {near[name]:.4f}   {by}")
    best = max(("logistic regression", "monotone boosting", "optbinning"), key=lambda name: found.get(name, 0.0))
    short = found[best] - found["learned"]
    alone = found["the same, no interactions"]
    pairs, sums = found["monotone boosting"] - alone, alone - found["learned"]
    print(f"  being readable costs {pairs + sums:+.4f} against monotone boosting: interactions {pairs:+.4f}, all else {sums:+.4f}")
    cost = found["learned, weights free"] - found["learned, whole weights"]
    print(f"  learned − {best}: {-short:+.4f} (aim: not below −{AIM}); whole weights cost {cost:+.4f}")
    return short <= AIM


def main() -> int:
    """Print each workspace; exit 1 where learned scales fall short."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("workspaces", nargs="*", default=["data/telco", "data/iranian", "data/crm5"])
    options.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "healthlib-optbinning")
    chosen = options.parse_args()
    python = environment(chosen.environment)
    if python is None:
        print("optbinning could not be installed here; it is left out")
    near = [compare(folder, python) for folder in chosen.workspaces]
    return int(not all(near))


if __name__ == "__main__":
    sys.exit(main())
