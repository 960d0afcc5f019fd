"""Matched sets once more: gaps between both sides, less what they still differ in, with the slopes' own uncertainty in the draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthlib.studies.ending import gaps

Arrays = dict[str, NDArray[Any]]


def adjusted(both: list[NDArray[np.float64]], arrays: Arrays, drawn: Arrays) -> Arrays:
    """`gaps` of both sides less what they differ in beside explains of each month and measure among the likes, by least squares.

    The slopes are estimated, and a replicate estimates others: what they make of the difference that is left goes into its draw.

    Parameters
    ----------
    both : those worked (sets, months, measures) and their likes (sets, likes, months, measures)
    arrays : `mine_beside` (sets, columns), `theirs_beside` (sets, likes, columns) and `arr` (sets,)
    drawn : `codes` of the accounts of each set and `counts` of their draws, as `gaps` takes them
    """
    mine, theirs = (part.copy() for part in both)
    flat, beside = theirs.reshape(-1, *theirs.shape[2:]), arrays["theirs_beside"].reshape(-1, arrays["mine_beside"].shape[1])
    centre, spread = np.nanmean(beside, axis=0), np.nanstd(beside, axis=0)
    usual, own = ((part - centre) / np.where(spread > 0, spread, 1) for part in (beside, arrays["mine_beside"]))
    moves = np.zeros((drawn["counts"].shape[1], *flat.shape[1:]))
    for month, measure in np.ndindex(flat.shape[1:]):
        known = np.isfinite(flat[:, month, measure])
        if known.sum() <= 2 * (arrays["mine_beside"].shape[1] + 1):
            continue
        design = np.column_stack([np.ones(known.sum()), usual[known]])
        slopes = np.linalg.lstsq(design, flat[known, month, measure], rcond=None)[0][1:]
        flat[known, month, measure] -= usual[known] @ slopes
        mine[:, month, measure] -= own @ slopes
        apart = _apart(usual, known.reshape(theirs.shape[:2])) - own[np.isfinite(mine[:, month, measure])].mean(axis=0)
        rest = flat[known, month, measure] - flat[known, month, measure].mean()
        moves[:, month, measure] = _slopes(design, rest, drawn["codes"][:, 1:].reshape(-1)[known], drawn["counts"]) @ apart
    found = gaps(mine, flat.reshape(theirs.shape), arrays["arr"], **drawn)
    moves = moves.reshape(len(moves), -1)
    return {**found, "draws": found["draws"] - moves, "arr_draws": found["arr_draws"] - moves}


def _apart(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over sets of the mean of their known likes."""
    sides = np.where(known[..., None], values.reshape(*known.shape, -1), 0.0)
    some = known.any(axis=1)
    return (sides[some].sum(axis=1) / known[some].sum(axis=1)[:, None]).mean(axis=0)


def _slopes(design: NDArray[np.float64], rest: NDArray[np.float64], codes: NDArray[np.intp], counts: NDArray[Any]) -> NDArray[np.float64]:
    """How much steeper each replicate of accounts finds each column: (replicates, columns without the constant)."""
    width = design.shape[1]
    sums = np.zeros((len(counts), width * (width + 1)))
    np.add.at(sums, codes, np.column_stack([(design[:, :, None] * design[:, None, :]).reshape(len(design), -1), design * rest[:, None]]))
    drawn = counts.T.astype(float) @ sums
    square, cross = drawn[:, : width**2].reshape(-1, width, width), drawn[:, width**2 :]
    return (np.linalg.pinv(square) @ cross[:, :, None])[:, 1:, 0]
