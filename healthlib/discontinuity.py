"""What changes abruptly at a cut of a score: local-linear regression discontinuity with robust bias-corrected intervals.

Estimator, bandwidths and variance after Calonico, Cattaneo & Titiunik (2014, doi:10.3982/ECTA11757), clustered as in Calonico, Cattaneo,
Farrell & Titiunik (2019, doi:10.1162/rest_a_00760). Written here because the authors' package brings a plotting stack of its own and a
licence that would bind this one; tests hold every figure against it. As the estimate is linear in the outcome, the same weights give the
jump in losses, in the share treated and in anything that should not jump, and their covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from healthlib.resample import Z95

Array = NDArray[np.float64]

LINEAR, QUADRATIC = 1, 2
"""Order of the fit, and of the fit that estimates its bias."""
LEAST = 20
"""Cases on either side that the bandwidth reaches at least (a convention): a quadratic through fewer says nothing."""
BINS = 10
"""Bins on either side of the cut in which the density test counts cases."""


@dataclass(frozen=True)
class Jumps:
    """What changes from just above the cut to just below it.

    Attributes
    ----------
    value : bias-corrected change of each outcome, shape (outcomes,)
    plain : the same without the correction
    covariance : of `value`, robust to what accounts have in common and to the estimation of the bias, shape (outcomes, outcomes)
    below, above : cases within the bandwidth on either side
    h, b : bandwidths of the estimate and of its bias, in points of the score
    """

    value: Array
    plain: Array
    covariance: Array
    below: int
    above: int
    h: float
    b: float

    def interval(self, outcome: int = 0) -> tuple[float, float]:
        """The 95 % interval of one outcome's change."""
        reach = Z95 * float(np.sqrt(self.covariance[outcome, outcome]))
        return float(self.value[outcome] - reach), float(self.value[outcome] + reach)


@dataclass(frozen=True)
class _Fit:
    """A weighted polynomial fit on one side: `solve` @ y are its coefficients at the cut."""

    solve: Array
    rest: Array
    variance: Array


def jumps(score: ArrayLike, outcomes: ArrayLike, accounts: ArrayLike, cut: float, *, h: float, b: float) -> Jumps:
    """The changes of several outcomes at the cut.

    On either side a line is fitted with triangular weights that fall to 0 at `h`; a quadratic within `b` estimates its bias, which is taken
    off. The interval counts the noise of that correction too, so that it covers also where the bandwidth is not small. With h = b this
    is the quadratic fit within h, by another way. What an account's rows on both sides of the cut have in common is not counted, which
    errs on the side of caution.

    Parameters
    ----------
    score : shape (cases,); at the cut counts as above it
    outcomes : shape (cases,) or (cases, outcomes)
    accounts : whose rows share a fate
    """
    x = np.asarray(score, dtype=float) - cut
    y = np.asarray(outcomes, dtype=float).reshape(len(x), -1)
    codes = np.unique(np.asarray(accounts).astype(str), return_inverse=True)[1]
    value, plain = np.zeros(y.shape[1]), np.zeros(y.shape[1])
    covariance = np.zeros((y.shape[1], y.shape[1]))
    for sign, side in ((1.0, x < 0), (-1.0, x >= 0)):
        line, corrected, rest = _side(x[side], y[side], h, b)
        value, plain = value + sign * (corrected @ y[side]), plain + sign * (line @ y[side])
        sums = np.zeros((codes.max(initial=-1) + 1, y.shape[1]))
        np.add.at(sums, codes[side], corrected[:, None] * rest)
        covariance += _small_sample(codes[side][np.abs(x[side]) < b], QUADRATIC + 1) * (sums.T @ sums)
    return Jumps(value, plain, covariance, int(((x < 0) & (x > -h)).sum()), int(((x >= 0) & (x < h)).sum()), h, b)


def _side(x: Array, y: Array, h: float, b: float) -> tuple[Array, Array, Array]:
    """Weights of the outcome that give the line at the cut, the same less its bias, and what the quadratic leaves over."""
    line, curve = _fit(x, y, LINEAR, h), _fit(x, y, QUADRATIC, b)
    bias = line.solve[0] @ x ** (LINEAR + 1)
    return line.solve[0], line.solve[0] - bias * curve.solve[LINEAR + 1], curve.rest


def _fit(x: Array, y: Array, order: int, width: float, codes: NDArray[np.intp] | None = None) -> _Fit:
    weight = np.clip(1 - np.abs(x) / width, 0, None)
    powers = np.vander(x / width, order + 1, increasing=True)
    gram = np.linalg.pinv(powers.T @ (weight[:, None] * powers))
    scale = width ** -np.arange(order + 1.0)
    solve = scale[:, None] * (gram @ (weight[:, None] * powers).T)
    rest = y - (powers / scale) @ (solve @ y) if order else y
    variance = np.zeros((order + 1, order + 1))
    if codes is not None:
        used = weight > 0
        sums = np.zeros((codes.max(initial=-1) + 1, order + 1))
        np.add.at(sums, codes, (solve * rest[:, 0]).T)
        variance = _small_sample(codes[used], order + 1) * (sums.T @ sums)
    return _Fit(solve, rest, variance)


def _small_sample(codes: NDArray[np.intp], parameters: int) -> float:
    """(g / (g - 1)) (n - 1) / (n - k), as for every clustered regression."""
    n, groups = len(codes), len(np.unique(codes))
    return groups / max(groups - 1, 1) * (n - 1) / max(n - parameters, 1)


def lines(score: ArrayLike, outcome: ArrayLike, cut: float, *, h: float) -> list[tuple[float, float]]:
    """Ends of the two lines that `jumps` fits before the correction of its bias: (score, value), from the left to the right.

    >>> score = [float(x) for x in range(20)]
    >>> [(x, round(y, 6)) for x, y in lines(score, [x + 3 * (x >= 10) for x in score], 10.0, h=5.0)]
    [(5.0, 5.0), (10.0, 10.0), (10.0, 13.0), (15.0, 18.0)]
    """
    x, y = np.asarray(score, dtype=float) - cut, np.asarray(outcome, dtype=float)
    below, above = (_fit(x[side], y[side, None], LINEAR, h).solve @ y[side] for side in (x < 0, x >= 0))
    ends = ((-h, below), (0.0, below), (0.0, above), (h, above))
    return [(float(cut + place), float(level + slope * place)) for place, (level, slope) in ends]


def bandwidths(score: ArrayLike, outcome: ArrayLike, accounts: ArrayLike, cut: float) -> tuple[float, float]:
    """The bandwidths (h, b) that make the mean squared error of the jump, and of its bias, smallest.

    The three-step plug-in of Calonico, Cattaneo & Farrell (2020, doi:10.1093/ectj/utz022) with clustered variance and regularised bias:
    a pilot bandwidth for the bias of the quadratic, from it b, from it h. Never so narrow that fewer than `LEAST` cases lie on a side, b
    never narrower than h.
    """
    x, y = np.asarray(score, dtype=float) - cut, np.asarray(outcome, dtype=float)
    codes = np.unique(np.asarray(accounts).astype(str), return_inverse=True)[1]
    quarters = np.quantile(x, [0.25, 0.75])
    pilot = 2.576 * min(float(x.std(ddof=1)), float(quarters[1] - quarters[0]) / 1.349) * len(x) ** -0.2
    sides = [(x[side], y[side, None], codes[side], float(np.abs(x[side]).max())) for side in (x < 0, x >= 0)]
    nearest = max(float(np.sort(np.abs(own))[min(LEAST, len(own)) - 1]) * 1.0001 for own, *_ in sides)
    widest = max(far for *_, far in sides)
    pilot = float(np.clip(pilot, nearest, widest))
    d = _plug_in([_terms(side, (QUADRATIC + 1, QUADRATIC + 1), (pilot, side[3])) for side in sides], (QUADRATIC + 1, QUADRATIC + 1), 0.0)
    d = _within(d, nearest, widest)
    b = _plug_in([_terms(side, (QUADRATIC, LINEAR + 1), (pilot, d)) for side in sides], (QUADRATIC, LINEAR + 1), 1.0)
    b = _within(b, nearest, widest)
    h = _plug_in([_terms(side, (LINEAR, 0), (pilot, b)) for side in sides], (LINEAR, 0), 1.0)
    h = _within(h, nearest, widest)
    return h, max(b, h)


def _within(width: float, nearest: float, widest: float) -> float:
    """The width within its bounds; all cases where nothing varies that could bound it."""
    return float(np.clip(width, nearest, widest)) if np.isfinite(width) else widest


def _terms(
    side: tuple[Array, Array, NDArray[np.intp], float], of: tuple[int, int], widths: tuple[float, float]
) -> tuple[float, float, float]:
    """Variance, bias and variance of the bias of derivative `of[1]` of a fit of order `of[0]`, on one side, free of the bandwidth."""
    (x, y, codes, _), (order, derivative), (wide, wide_bias) = side, of, widths
    fit, higher = _fit(x, y, order, wide, codes), _fit(x, y, order + 1, wide_bias, codes)
    variance = (2 * derivative + 1) * wide ** (2 * derivative + 1) * fit.variance[derivative, derivative]
    bent = float(fit.solve[derivative] @ (x ** (order + 1))) / wide ** (order + 1 - derivative)
    curvature = float((higher.solve @ y)[order + 1, 0])
    spread = 2 * (order + 1 - derivative)
    return variance, np.sqrt(spread) * bent * curvature, 3 * spread * bent**2 * higher.variance[order + 1, order + 1]


def _plug_in(terms: list[tuple[float, float, float]], of: tuple[int, int], regularised: float) -> float:
    """(V / (B^2 + R)) ^ (1 / (2 p + 3)); the biases of the two sides are subtracted where the derivative is even, added where odd."""
    (left, bias_left, rest_left), (right, bias_right, rest_right) = terms
    order, derivative = of
    opposed = (-1) ** (order + derivative + 1) * bias_left
    bias = bias_right - opposed if (order + derivative) % 2 else bias_right + opposed
    below = bias**2 + regularised * (rest_left + rest_right)
    return float(((left + right) / below) ** (1 / (2 * order + 3))) if below > 0 else float("inf")


def ratio_interval(values: ArrayLike, covariance: ArrayLike) -> tuple[float, float]:
    """95 % interval of values[0] / values[1] that holds also where the denominator is hardly sure; -inf, inf where nothing is ruled out.

    All t for which values[0] - t values[1] is not surely away from 0: Fieller (1954), which for a fuzzy discontinuity is the interval of
    Anderson & Rubin (Feir, Lemieux & Marmer 2016, doi:10.1080/07350015.2015.1024836).

    >>> low, high = ratio_interval([1.0, 2.0], [[0.01, 0.0], [0.0, 0.0]])
    >>> round(low, 3), round(high, 3)
    (0.402, 0.598)
    >>> ratio_interval([1.0, 0.1], [[0.01, 0.0], [0.0, 0.04]])
    (-inf, inf)
    """
    (top, bottom), cov = np.asarray(values, dtype=float), Z95**2 * np.asarray(covariance, dtype=float)
    square, middle, constant = bottom**2 - cov[1, 1], top * bottom - cov[0, 1], top**2 - cov[0, 0]
    inside = middle**2 - square * constant
    if not square > 0 or not inside >= 0:
        return float("-inf"), float("inf")
    root = float(np.sqrt(inside))
    return float((middle - root) / square), float((middle + root) / square)


def density_jump(score: ArrayLike, cut: float, width: float) -> float:
    """The p-value of "as many cases just below the cut as just above it": small where scores are pushed over the cut.

    Counts in `BINS` bins on either side within `width`, log-linear on either side with a jump at the cut, Poisson with free dispersion
    (an account is scored several times): McCrary's idea (2008, doi:10.1016/j.jeconom.2007.05.005). NaN with fewer than `LEAST` a side.
    """
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    x = np.asarray(score, dtype=float) - cut
    counts, edges = np.histogram(x[np.abs(x) < width], bins=2 * BINS, range=(-width, width))
    if min(counts[:BINS].sum(), counts[BINS:].sum()) < LEAST:
        return float("nan")
    middle = (edges[:-1] + edges[1:]) / 2 / width
    below = (middle < 0).astype(float)
    design = np.column_stack([np.ones(2 * BINS), middle, below, below * middle])
    fit = GLM(counts, design, family=Poisson()).fit(scale="X2", use_t=True)
    return float(fit.pvalues[2])
