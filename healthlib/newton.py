"""Sums over many cases that a Newton step of the weights needs, taken in blocks that stay in the processor's cache.

With gaps the linear predictor is a - B s, s = sum w x / sum w over what was measured, so every sum below is a product with two matrices:
the scores with 0 in the gaps, and what was measured. Hundreds of megabytes of intermediate columns are never made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.float64]

BLOCK = 8192
"""Cases at a time: 20 columns of doubles are 1.3 MB."""

LEAST_COVERAGE = 0.1
"""In the derivative no metric stands in for more than ten: a case of which almost nothing was measured does not decide the weights."""


@dataclass(frozen=True)
class Point:
    """Parameters in the form the sums take: intercepts (k), slope totals (k), and weights (metrics x k) summing to 1."""

    intercept: Array
    total: Array
    weights: Array

    @classmethod
    def of(cls, thetas: Array, current: Array) -> Point:
        """From rows (intercept, slopes); without any slope the weights are the current ones."""
        slopes = np.maximum(np.atleast_2d(thetas)[:, 1:], 0.0).T
        total = slopes.sum(axis=0)
        shares = np.where(total > 1e-9, slopes / np.where(total > 1e-9, total, 1.0), current[:, None])
        return cls(np.atleast_2d(thetas)[:, 0], total, shares)


class Sums:
    """The logistic loss of cases, its gradient and Gauss-Newton matrix at any parameters.

    Parameters
    ----------
    scores : metric scores / 100, cases x metrics, NaN where not measured; not copied
    current : weights that score a case of which nothing with a weight was measured
    y, w : outcome and weight of each case; a case of weight 0 counts for nothing
    kind : float64 is exact; float32 halves the time: its sums are good to six digits or so
    """

    def __init__(self, scores: Array, current: Array, y: Array, w: Array, kind: DTypeLike = np.float64):
        self.scores, self.current, self.y, self.w, self.kind = scores, current, y, w, np.dtype(kind)

    def some(self, rows: NDArray[np.intp]) -> Sums:
        """The same of some of the cases."""
        return Sums(self.scores[rows], self.current, self.y[rows], self.w[rows], self.kind)

    def value(self, theta: Array) -> float:
        """Minus the log likelihood."""
        at, total = Point.of(theta, self.current), 0.0
        for rows, filled, measured in self._blocks():
            eta = self._eta(at, filled, measured)[0][:, 0].astype(float)
            total += float(self.w[rows] @ (np.maximum(eta, 0) + np.log1p(np.exp(-np.abs(eta))) - self.y[rows] * eta))
        return total

    def own(self, weights: Array) -> Array:
        """The score / 100 of each case under `weights`, which sum to 1."""
        at, found = Point(np.zeros(1), np.ones(1), weights[:, None]), np.empty(len(self.scores))
        for rows, filled, measured in self._blocks():
            found[rows] = self._eta(at, filled, measured)[1][:, 0]
        return found

    def gradients(self, thetas: Array) -> Array:
        """Gradient at each row of `thetas`, all in one pass."""
        at, found = Point.of(thetas, self.current), np.zeros(np.atleast_2d(thetas).shape)
        for rows, filled, measured in self._blocks():
            self._add_gradient(found, at, (rows, filled, measured))
        return found

    def slope(self, theta: Array) -> tuple[Array, Array]:
        """Gradient and Gauss-Newton matrix at one theta (the Hessian where nothing is missing)."""
        at, gradient = Point.of(theta, self.current), np.zeros((1, len(theta)))
        hessian = np.zeros((len(theta), len(theta)))
        moved = np.empty((len(theta), BLOCK), dtype=self.kind).T
        for rows, filled, measured in self._blocks():
            p, own, coverage = self._add_gradient(gradient, at, (rows, filled, measured))
            part = moved[: len(filled)]
            part[:, 0] = 1.0
            if measured is None:
                np.negative(filled, out=part[:, 1:])
            else:
                np.divide(measured, coverage, out=part[:, 1:])
                np.subtract(part[:, 1:], 1.0, out=part[:, 1:])
                np.multiply(part[:, 1:], own, out=part[:, 1:])
                np.subtract(part[:, 1:], np.divide(filled, coverage, out=filled), out=part[:, 1:])
            np.multiply(part, np.sqrt(self.w[rows].astype(self.kind)[:, None] * p * (1 - p)), out=part)
            hessian += part.T @ part
        return gradient[0], hessian

    def _blocks(self) -> Iterator[tuple[slice, Array, Array | None]]:
        """Rows, their scores with 0 in the gaps, and 1 where measured (None: everywhere); columns contiguous."""
        size = self.scores.shape[1]
        filled, measured = (np.empty((size, BLOCK), dtype=self.kind).T for _ in range(2))
        known = np.empty((size, BLOCK), dtype=bool).T
        for start in range(0, len(self.scores), BLOCK):
            rows = slice(start, min(start + BLOCK, len(self.scores)))
            count = rows.stop - start
            np.copyto(filled[:count], self.scores[rows], casting="same_kind")
            np.isnan(filled[:count], out=known[:count])
            if not known[:count].any():
                yield rows, filled[:count], None
                continue
            np.copyto(filled[:count], 0.0, where=known[:count])
            np.subtract(1.0, known[:count], out=measured[:count], casting="same_kind")
            yield rows, filled[:count], measured[:count]

    def _eta(self, at: Point, filled: Array, measured: Array | None) -> tuple[Array, Array, Array]:
        """Linear predictor, own score and coverage (not below `LEAST_COVERAGE`) of each case at each point: cases x k."""
        weights = at.weights.astype(self.kind)
        own = filled @ weights
        coverage = np.ones_like(own)
        if measured is not None:
            coverage = measured @ weights
            own /= np.where(coverage > 0, coverage, np.nan)
            if not (coverage > 0).all():
                now = measured @ self.current.astype(self.kind)
                spare = np.where(now > 0, (filled @ self.current.astype(self.kind)) / np.where(now > 0, now, 1), 0.5)
                own = np.where(coverage > 0, own, spare[:, None])
            coverage = np.maximum(coverage, LEAST_COVERAGE).astype(self.kind, copy=False)
        return at.intercept.astype(self.kind) - at.total.astype(self.kind) * own, own, coverage

    def _add_gradient(self, found: Array, at: Point, block: tuple[slice, Array, Array | None]) -> tuple[Array, Array, Array]:
        """Add a block's gradient to `found`; its probabilities, own scores and coverage."""
        from scipy.special import expit

        rows, filled, measured = block
        eta, own, coverage = self._eta(at, filled, measured)
        p = expit(eta)
        rest = (p - self.y[rows].astype(self.kind)[:, None]) * self.w[rows].astype(self.kind)[:, None]
        found[:, 0] += rest.sum(axis=0)
        if measured is None:
            found[:, 1:] -= (filled.T @ rest).T
        else:
            shared = rest / coverage
            found[:, 1:] -= (filled.T @ shared).T
            np.multiply(shared, own, out=shared)
            found[:, 1:] += (measured.T @ shared).T - (rest * own).sum(axis=0)[:, None]
        return p, own, coverage
