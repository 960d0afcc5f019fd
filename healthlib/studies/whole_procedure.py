"""The account bootstrap of the whole procedure: scales, strength of the pull and weights made anew in every replicate, by brute force.

It costs seconds where the one Newton step of `weight_intervals` costs milliseconds, and says something else: how far the weights that this
procedure *proposes* would move with other accounts. The pull and the bound at zero belong to the procedure, so its percentile intervals are
narrower than what the outcomes allow and hold the true weights too rarely (measured in study/weights_study.md); never show them alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.backtest import problem_of, weighed
from healthlib.spec import Scorecard
from healthlib.studies.walk import steps, walk
from healthlib.weight_intervals import SELECTED
from healthlib.weights import path

Array = NDArray[np.float64]

COARSE = (float("inf"), 30.0, 3.0, 0.0)
"""Strengths tried in a replicate: four of the nine, so that a replicate is worth its time."""

WHOLE_COLUMNS = ("metric", "fitted", "low", "high", "selected_share", "replicates")


def whole_procedure(cases: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 200, seed: int = 0) -> pd.DataFrame:
    """Weights of the whole procedure with percentile intervals over replicates of the accounts.

    In every replicate accounts are drawn with all their cases, quantile scales read from the drawn cases, the strength chosen by walking
    the drawn cases forward by half-years, and the weights fitted at it. The leak screen is not repeated.

    Parameters
    ----------
    cases : cases frame with outcomes
    scorecard : with the metrics to be left out already at weight 0; quantile scales unresolved
    replicates, seed : of the account bootstrap

    Returns
    -------
    DataFrame metric, fitted (points of 100, on the cases as they are), low, high (2.5 % and 97.5 % of the replicates), selected_share (of
    replicates that give the metric half a point or more), replicates (that had both lost and kept cases)
    """
    done = cases[cases["lost"].notna()].reset_index(drop=True)
    groups = list(done.groupby("account_id", sort=True).indices.values())
    point = procedure(done, scorecard)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(replicates if len(groups) > 1 else 0):
        chosen = rng.integers(0, len(groups), len(groups))
        drawn = done.iloc[np.concatenate([groups[at] for at in chosen])].reset_index(drop=True)
        if 0 < drawn["lost"].sum() < len(drawn):
            draws.append(procedure(drawn, scorecard)["weight"].to_numpy())
    found = 100 * np.array(draws).reshape(len(draws), len(point))
    ends = np.quantile(found, [0.025, 0.975], axis=0) if len(found) else np.full((2, len(point)), np.nan)
    return pd.DataFrame({
        "metric": point["metric"], "fitted": 100 * point["weight"], "low": ends[0], "high": ends[1],
        "selected_share": (found >= 100 * SELECTED).mean(axis=0) if len(found) else np.nan, "replicates": len(found),
    })[list(WHOLE_COLUMNS)]  # fmt: skip


def procedure(done: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    """Scales, strength and weights from these cases: metric, weight (share of 1), strength."""
    card = scoring.resolve_scales(scorecard, done)
    problem, lost = problem_of(card, done), done["lost"].to_numpy(dtype=float)
    losses = walk(problem, lost, steps(done), strengths=COARSE)
    known = np.isfinite(losses[:, 0])
    fits = path(problem, lost, strengths=COARSE)
    found = fits[weighed(fits, losses[known])]
    return pd.DataFrame({"metric": list(problem.names), "weight": found.weights, "strength": found.strength})
