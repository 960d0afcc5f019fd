"""Effects of what we did: bounds where nobody can know, differences between those worked and those not, and how they could mislead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from healthlib.resample import NOTHING, Z95, Estimate

POWER = 0.84
"""80 % quantile of the normal distribution's upper side: the power that a smallest visible effect is named for."""
FEW = 5
"""With fewer lost or kept on a side a difference takes Newcombe's interval, which does not collapse where nothing happened."""
BALANCE = ("covariate", "treated", "control", "difference", "n")


def auc_bounds(score: ArrayLike, lost: ArrayLike, unknown: ArrayLike) -> tuple[float, float]:
    """The smallest and the largest AUC that any outcome of the `unknown` cases would give, exactly; NaN where one class is impossible.

    For any number of losses among the unknown the AUC is largest if they are those of the lowest scores and smallest if they are those of
    the highest, so every split of the sorted unknown cases is tried: with R the rank of a score among all, ties shared,
    AUC = (sum of R over kept - kept (kept + 1) / 2) / (lost kept). After Manski (1990): what the data cannot say is not assumed.

    >>> auc_bounds([10, 20, 30, 40], [1, 0, 0, 0], [False, True, False, False])
    (1.0, 1.0)
    >>> auc_bounds([10, 20, 30, 40], [1, 0, 0, 0], [False, False, True, False])
    (0.75, 1.0)
    """
    s, y, open_ = np.asarray(score, dtype=float), np.asarray(lost, dtype=float), np.asarray(unknown, dtype=bool)
    if not len(s):
        return float("nan"), float("nan")
    level = np.unique(s, return_inverse=True)[1]
    size = np.bincount(level)
    rank = (np.cumsum(size) - (size - 1) / 2)[level]
    free = np.sort(rank[open_])
    kept_sum, kept_n = rank[~open_ & (y == 0)].sum(), (~open_ & (y == 0)).sum()
    lost_n, found = (~open_ & (y == 1)).sum(), []
    for ordered in (free, free[::-1]):
        many = np.arange(len(free) + 1)
        upto = np.r_[0.0, np.cumsum(ordered)]
        kept, gone = kept_n + len(free) - many, lost_n + many
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((kept_sum + upto[-1] - upto - kept * (kept + 1) / 2) / (gone * kept))
    both = np.concatenate(found)
    both = both[np.isfinite(both)]
    return (float(both.min()), float(both.max())) if len(both) else (float("nan"), float("nan"))


def difference(
    lost: ArrayLike, treated: ArrayLike, accounts: ArrayLike, *, weight: ArrayLike | None = None, beside: ArrayLike | None = None
) -> Estimate:
    """Share lost of the treated minus share lost of the others, an interval robust to what an account's rows have in common.

    Weighted least squares of lost on treated and what stands `beside` it, covariance clustered by account (statsmodels); with fewer than
    `FEW` lost or kept on a side, and nothing beside, Newcombe's interval for two shares over accounts
    (1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I).

    Parameters
    ----------
    weight : of the rows: of a matched set, or ARR
    beside : shape (rows, columns), what the two sides may still differ in

    Returns
    -------
    Estimate: n accounts, events losses; `NOTHING` where a side is empty
    """
    from statsmodels.regression.linear_model import WLS

    y, t = np.asarray(lost, dtype=float), np.asarray(treated, dtype=float)
    codes = np.unique(np.asarray(accounts).astype(str), return_inverse=True)[1]
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    use = (w > 0) & np.isfinite(w)
    if not (use & (t == 1)).any() or not (use & (t == 0)).any():
        return NOTHING
    cells = [int((use & (t == side) & (y == value)).sum()) for side in (0, 1) for value in (0, 1)]
    if min(cells) < FEW and beside is None:
        return _newcombe(y[use], t[use], w[use], codes[use])
    rest = np.zeros((len(y), 0)) if beside is None else np.asarray(beside, dtype=float)
    spread = rest[use].std(axis=0)
    rest = (rest - rest[use].mean(axis=0))[:, spread > 0] / spread[spread > 0]
    design = np.column_stack([np.ones(len(y)), t, rest])[use]
    fit = WLS(y[use], design, weights=w[use]).fit(cov_type="cluster", cov_kwds={"groups": codes[use]})
    low, high = fit.conf_int()[1]
    return Estimate(float(fit.params[1]), float(low), float(high), len(np.unique(codes[use])), float(y[use].sum()))


def _newcombe(y: NDArray[np.float64], t: NDArray[np.float64], w: NDArray[np.float64], codes: NDArray[np.intp]) -> Estimate:
    from statsmodels.stats.proportion import confint_proportions_2indep

    shares, sizes = [], []
    for side in (1, 0):
        own = t == side
        total = np.bincount(codes[own], weights=w[own])
        shares.append(float(np.average(y[own], weights=w[own])))
        sizes.append(float(total.sum() ** 2 / (total**2).sum()))
    counts = [share * size for share, size in zip(shares, sizes, strict=True)]
    low, high = confint_proportions_2indep(counts[0], sizes[0], counts[1], sizes[1], method="newcomb", compare="diff")
    return Estimate(shares[0] - shares[1], float(low), float(high), len(np.unique(codes)), float(y.sum()))


def visible(found: Estimate) -> float:
    """The smallest effect that a comparison with an interval as wide as this shows four times in five: (1.96 + 0.84) standard errors.

    >>> round(visible(Estimate(0.0, -0.1, 0.1)), 3)
    0.143
    """
    return (Z95 + POWER) * (found.high - found.low) / (2 * Z95)


def e_value(treated_rate: float, found: Estimate) -> tuple[float, float]:
    """How strong an unseen reason must be to explain an effect away: E-values of the effect and of the near end of its interval.

    A reason that makes both being worked and staying (or leaving) so many times as likely, beyond all that was compared. With the risk
    ratio RR >= 1 (or its inverse), ``E = RR + sqrt(RR (RR - 1))``; 1 where the interval holds no effect. VanderWeele & Ding (2017,
    doi:10.7326/M16-2607).

    >>> [round(e, 2) for e in e_value(0.10, Estimate(-0.10, -0.15, -0.05))]
    [3.41, 2.37]
    >>> e_value(0.10, Estimate(-0.10, -0.25, 0.05))[1]
    1.0
    """
    near = 0.0 if found.low <= 0 <= found.high else min((found.low, found.high), key=abs)
    return _e(treated_rate, found.value), _e(treated_rate, near)


def _e(rate: float, effect: float) -> float:
    without = float(np.clip(rate - effect, 1e-9, 1))
    ratio = max(rate, 1e-9) / without
    ratio = max(ratio, 1 / ratio)
    return float("nan") if not np.isfinite(ratio) else float(ratio + np.sqrt(ratio * (ratio - 1)))


def balance(frame: pd.DataFrame, treated: ArrayLike, covariates: Sequence[str]) -> pd.DataFrame:
    """How alike two arms are before anything was done.

    Returns
    -------
    DataFrame `BALANCE`: means (shares of a flag) and their difference in standard deviations; in a fair draw of n rows it is within
    +-1.96 sqrt(1/n1 + 1/n0) 19 times in 20
    """
    t = np.asarray(treated, dtype=bool)
    rows = []
    for name in covariates:
        values = frame[name].to_numpy(dtype=float)
        one, other = values[t & np.isfinite(values)], values[~t & np.isfinite(values)]
        if len(one) > 1 and len(other) > 1:
            spread = float(np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2))
            away = float(one.mean() - other.mean())
            rows.append((name, float(one.mean()), float(other.mean()), away / spread if spread > 0 else 0.0, len(one) + len(other)))
    return pd.DataFrame(rows, columns=list(BALANCE))


def joint_p(frame: pd.DataFrame, treated: ArrayLike, accounts: ArrayLike, covariates: Sequence[str]) -> float:
    """The p-value of "the arms differ in none of these": a Wald test in a regression of the arm on them, clustered; NaN without any."""
    from statsmodels.regression.linear_model import OLS
    from statsmodels.tools import add_constant

    values = frame[list(covariates)].to_numpy(dtype=float)
    whole = np.isfinite(values).all(axis=1)
    values, t = values[whole], np.asarray(treated, dtype=float)[whole]
    spread = values.std(axis=0) if len(values) else np.zeros(0)
    values = (values - values.mean(axis=0))[:, spread > 0] / spread[spread > 0] if len(values) else values
    if not values.shape[1] or len(values) <= values.shape[1] + 2 or t.std() == 0:
        return float("nan")
    codes = np.unique(np.asarray(accounts).astype(str)[whole], return_inverse=True)[1]
    fit = OLS(t, add_constant(values)).fit(cov_type="cluster", cov_kwds={"groups": codes})
    test = fit.wald_test(np.eye(values.shape[1] + 1)[1:], use_f=False, scalar=True)
    return float(test.pvalue)
