"""Walking forward by half-years: few, wide steps, where a question is asked of many small fits and a step a month would cost too much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.backtest import MOST_ROWS, weighed
from healthlib.splits import LEAST
from healthlib.weights import STRENGTHS, Fit, Problem, path

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

PARTS = 5
"""Steps of a walk over accounts, where there is no time: a fifth is tested at a time."""


@dataclass(frozen=True)
class Step:
    """What one step learns from and what it is tested on: masks over the finished cases.

    Attributes
    ----------
    name : the half-year tested, or the part in words
    train : cases whose whole horizon lay before the first day of the half-year; without time, the other parts
    test : cases scored in the half-year
    """

    name: str
    train: Mask
    test: Mask


def half_years(days: pd.Series) -> pd.Series:
    """The half-year of each day as text; in the order of time as in that of the alphabet.

    >>> half_years(pd.Series(pd.to_datetime(["2024-06-30", "2024-07-01"]))).tolist()
    ['2024 H1', '2024 H2']
    """
    return days.dt.year.astype(str) + " H" + (1 + (days.dt.month > 6)).astype(str)


def steps(done: pd.DataFrame) -> list[Step]:
    """Half-years that follow at least `LEAST` lost and `LEAST` kept cases finished before them; without time, parts of the accounts.

    Parameters
    ----------
    done : finished cases; a `fold` takes the place of time
    """
    if done.empty:
        return []
    found = _parts(done) if "fold" in done else _in_time(done)
    lost = done["lost"].to_numpy(dtype=float)
    return [step for step in found if min(np.sum(lost[step.train] == kind) for kind in (0, 1)) >= LEAST and step.test.any()]


def _in_time(done: pd.DataFrame) -> list[Step]:
    half, horizon = half_years(done["as_of"]), done["horizon_ends_on"]
    found = []
    for name in sorted(half.unique()):
        first = pd.Timestamp(int(name[:4]), 1 if name.endswith("1") else 7, 1)
        found.append(Step(name, (horizon < first).to_numpy(), (half == name).to_numpy()))
    return found


def _parts(done: pd.DataFrame) -> list[Step]:
    part = np.unique(done["fold"].to_numpy(), return_inverse=True)[1].reshape(-1) % PARTS
    return [Step(f"part {number + 1}", part != number, part == number) for number in range(PARTS)]


def log_losses(problem: Problem, lost: Array, fits: list[Fit]) -> Array:
    """Log loss of each case under each fit: cases x fits. A case without a score gets even odds."""
    p = np.column_stack([np.nan_to_num(one.probability(problem.scores), nan=0.5) for one in fits])
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return -np.where(lost[:, None] == 1, np.log(p), np.log1p(-p))


def walk(problem: Problem, lost: Array, taken: list[Step], *, strengths: tuple[float, ...] = STRENGTHS) -> Array:
    """Log losses out of time of every case under every strength, NaN where not tested: cases x strengths."""
    losses = np.full((len(lost), len(strengths)), np.nan)
    fits: list[Fit] = []
    for step in taken:
        fits = path(problem.rows(step.train), lost[step.train], strengths=strengths, starts=fits)
        losses[step.test] = log_losses(problem.rows(step.test), lost[step.test], fits)
    return losses


def pooled(problems: list[Problem], lost: Array, taken: list[Step]) -> list[Fit]:
    """The fit at each step, its strength chosen by the steps before it alone.

    Parameters
    ----------
    problems : of all cases, one a step: scale ends read from history differ between steps
    """
    losses = np.full((len(lost), len(STRENGTHS)), np.nan)
    found: list[Fit] = []
    fits: list[Fit] = []
    for step, problem in zip(taken, problems, strict=True):
        fits = path(problem.rows(step.train), lost[step.train], starts=fits)
        known = np.isfinite(losses[:, 0]) & step.train
        found.append(fits[weighed(fits, losses[known])])
        losses[step.test] = log_losses(problem.rows(step.test), lost[step.test], fits)
    return found


def sample(done: pd.DataFrame, *, most: int = MOST_ROWS) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """At most about `most` cases, drawn by whole accounts, and a sentence if any were left out."""
    if len(done) <= most:
        return done, ()
    names = np.sort(done["account_id"].unique())
    keep = np.random.default_rng(0).permutation(names)[: max(int(len(names) * most / len(done)), 2)]
    kept = done[done["account_id"].isin(keep)].reset_index(drop=True)
    return kept, (f"Read from {len(kept):,} of the {len(done):,} finished cases, drawn by whole accounts, to save time.",)
