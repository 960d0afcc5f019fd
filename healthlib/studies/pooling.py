"""Partial pooling of rates: what a small group says is pulled towards what all say, as strongly as the groups are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEPS = 80
"""Points of the grid in each direction."""


def pooled(happened: ArrayLike, trials: ArrayLike) -> NDArray[np.float64]:
    """The rate of each group after partial pooling: its posterior mean in the beta-binomial model.

    happened[g] ~ Binomial(trials[g], rate[g]), rate[g] ~ Beta(a, b), prior of (a, b) proportional to (a + b) ** -5/2; the mean over the
    posterior of (a, b), on a grid, of (a + happened) / (a + b + trials). How far a group is pulled is learned from how much the groups
    differ. Gelman et al., Bayesian Data Analysis (3rd ed.), section 5.3. Numbers need not be whole: effective ones do as well.

    Parameters
    ----------
    happened, trials : per group; a group without trials gets the mean of all groups

    Returns
    -------
    a rate per group; with one group, or where nothing or everything happened, the overall rate: there is nothing to learn from

    >>> pooled([5, 50, 1], [10, 100, 20]).round(2).tolist()
    [0.47, 0.5, 0.09]
    """
    k, n = np.asarray(happened, dtype=float), np.asarray(trials, dtype=float)
    total = n.sum()
    if len(k) < 2 or not total > 0 or not 0 < k.sum() < total:
        return np.full(len(k), k.sum() / total if total > 0 else np.nan)
    a, b, weight = posterior(k, n)
    return ((a[:, None] + k) / (a[:, None] + b[:, None] + n) * weight[:, None]).sum(axis=0)


def posterior(k: NDArray[np.float64], n: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The grid of a and b (flat) and the weight of each point, summing to 1: see `pooled`."""
    from scipy.special import betaln, expit, logit

    rate = (k.sum() + 0.5) / (n.sum() + 1)
    width = 8 / np.sqrt(max(min(k.sum(), (n - k).sum()), 1.0)) + 1.5
    means = expit(np.linspace(logit(rate) - width, logit(rate) + width, STEPS))
    strengths = np.exp(np.linspace(np.log(0.1), np.log(1e5), STEPS))
    mean, strength = (grid.reshape(-1) for grid in np.meshgrid(means, strengths))
    a, b = mean * strength, (1 - mean) * strength
    likely = (betaln(a[:, None] + k, b[:, None] + n - k) - betaln(a, b)[:, None]).sum(axis=1)
    log = likely + np.log(a) + np.log(b) - 2.5 * np.log(strength)
    weight = np.exp(log - log.max())
    return a, b, weight / weight.sum()
