"""Account-level replicate weights, and the `Estimate` they give.

Rows of one account share a fate, so what is resampled is accounts: a replicate is a column of counts, how often each account was drawn.
Whatever takes case weights gets an interval from the matrix of such columns, without drawing rows and without a loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""

BLOCK_BYTES = 64_000_000
"""Replicates are worked on in blocks of about this size, so memory does not grow with their number."""

FEW = 1_000_000
"""Draws of at most so many accounts x replicates (2 MB) are small: more of them are kept for the next who asks for the same."""

ENOUGH = 10
"""From so many effective accounts on either side the variance between replicates is used as it is."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and what it rests on.

    Attributes
    ----------
    value, low, high : the number and its interval; NaN where undefined
    n : accounts it rests on
    events : of the cases behind it, those in which the event happened (customers lost)
    """

    value: float
    low: float
    high: float
    n: float = 0
    events: float = 0

    def as_dict(self) -> dict[str, float]:
        """The five numbers by name, as in summary.json."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n, "events": self.events}


NOTHING = Estimate(float("nan"), float("nan"), float("nan"))
"""The estimate of what cannot be estimated."""


def account_weights(account_ids: ArrayLike, replicates: int = 1000, seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.int16]]:
    """How often each account is drawn in each bootstrap replicate.

    Accounts are numbered in sorted order, so the order of the rows changes nothing.

    Returns
    -------
    codes : number of the account of each case, shape (cases,)
    counts : draws of account i in replicate r, shape (accounts, replicates); every column sums to the number of accounts

    Examples
    --------
    >>> codes, counts = account_weights(["b", "a", "b"], replicates=4, seed=1)
    >>> codes.tolist(), counts.shape, counts.sum(axis=0).tolist()
    ([1, 0, 1], (2, 4), [2, 2, 2, 2])
    """
    codes, names = _numbered(account_ids)
    drawn = _few if len(names) * replicates <= FEW else _many
    return codes, drawn(len(names), replicates, seed)


def _numbered(account_ids: Any) -> tuple[NDArray[np.intp], Any]:
    """Number of each id among the distinct ones in sorted order, and these; a column of text numbers itself, ten times faster."""
    if str(getattr(account_ids, "dtype", "")) == "str" and not account_ids.hasnans:
        return account_ids.factorize(sort=True)
    names, codes = np.unique(np.asarray(account_ids).astype(str), return_inverse=True)
    return codes.reshape(-1), names


def _drawn(accounts: int, replicates: int, seed: int) -> NDArray[np.int16]:
    """How often each of so many accounts is drawn in each replicate; read-only."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((accounts, replicates), dtype=np.int16)
    for start in range(0, replicates if accounts else 0, 64):
        some = min(64, replicates - start)
        chosen = rng.integers(0, accounts, (some, accounts)) + accounts * np.arange(some)[:, None]
        counts[:, start : start + some] = np.bincount(chosen.ravel(), minlength=some * accounts).reshape(some, accounts).T
    counts.flags.writeable = False
    return counts


_few, _many = lru_cache(maxsize=16)(_drawn), lru_cache(maxsize=3)(_drawn)


def by_account(codes: NDArray[np.intp], values: ArrayLike, *, groups: NDArray[np.intp] | None = None, shape: tuple[int, int]) -> csr_array:
    """Sum of `values` per group and account: a sparse matrix of `shape` (groups, accounts) that multiplies the counts."""
    from scipy.sparse import coo_array, csr_array

    rows = np.zeros(len(codes), dtype=np.intp) if groups is None else groups
    if shape[0] * shape[1] <= len(codes):
        full = np.bincount(rows * shape[1] + codes, weights=np.asarray(values, dtype=float), minlength=shape[0] * shape[1])
        return csr_array(full.reshape(shape))
    return coo_array((np.asarray(values, dtype=float), (rows, codes)), shape=shape).tocsr()


def blocks(replicates: int, rows: int) -> Iterator[slice]:
    """Slices over the replicates such that `rows` x slice of doubles stays near `BLOCK_BYTES`.

    >>> list(blocks(5, 1))
    [slice(0, 5, None)]
    """
    step = max(1, min(replicates, BLOCK_BYTES // (8 * max(rows, 1))))
    for start in range(0, replicates, step):
        yield slice(start, min(start + step, replicates))


def percentile(value: float, draws: NDArray[np.float64], *, n: float = 0, events: float = 0) -> Estimate:
    """The percentile interval of `draws` around `value`; the value itself always lies inside; none from one account alone.

    >>> percentile(2.0, np.array([1.0, 2.0, 3.0])).as_dict()
    {'value': 2.0, 'low': 1.05, 'high': 2.95, 'n': 0, 'events': 0}
    """
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or not len(draws) or n == 1:
        return Estimate(float(value), float("nan"), float("nan"), n, events)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)), n, events)


def wilson(share: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % score interval of a share seen in `n` independent trials; `n` may be an effective number, arrays broadcast.

    It does not collapse where nothing happened: 0 of 12 reads 0-24 %. Wilson (1927), doi:10.1080/01621459.1927.10502953.

    >>> low, high = wilson(0.0, 12)
    >>> round(float(low), 3), round(float(high), 3)
    (0.0, 0.242)
    """
    p, size = np.asarray(share, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        shrink = 1 + Z95**2 / size
        centre = (p + Z95**2 / (2 * size)) / shrink
        half = Z95 / shrink * np.sqrt(p * (1 - p) / size + Z95**2 / (4 * size**2))
    return np.where(p == 0, 0.0, np.maximum(centre - half, 0.0)), np.where(p == 1, 1.0, np.minimum(centre + half, 1.0))


def rates(
    happened: ArrayLike,
    codes: NDArray[np.intp],
    counts: NDArray[Any],
    *,
    case_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Share of cases (or of their weight) in which something happened, per group, with 95 % intervals.

    The interval is Wilson's at the effective number of cases: p(1-p) over the variance between replicates, that variance widened by
    Student's t for the effective accounts of the rarer outcome. Where the lost or the kept weigh less than `ENOUGH` accounts the variance
    cannot be trusted (every replicate of 0 in 12 says zero): there the effective number is at most Kish's, (sum w)^2 / sum w^2 over
    accounts. Korn & Graubard (1998), Survey Methodology 24, 193-201, with Wilson's interval in the place of Clopper and Pearson's.
    Measured coverage: study/weights_study.md.

    Parameters
    ----------
    happened : 0/1 per case
    codes, counts : from `account_weights`
    case_weight : e.g. ARR; default 1
    groups : number of the group of each case, from 0; negative: in no group. Default: one group

    Returns
    -------
    arrays over groups: value, low, high, accounts (distinct), events (cases that happened), weight (sum), weight_happened (sum),
    n_effective. One account alone has no interval.
    """
    y = np.asarray(happened, dtype=float)
    w = np.ones(len(y)) if case_weight is None else np.asarray(case_weight, dtype=float)
    g = np.zeros(len(y), dtype=np.intp) if groups is None else np.asarray(groups, dtype=np.intp)
    size = (int(g.max(initial=-1)) + 1, counts.shape[0])
    use = g >= 0
    y, w, g, c = y[use], w[use], g[use], codes[use]
    found = _ratio(by_account(c, w * y, groups=g, shape=size), by_account(c, w, groups=g, shape=size), counts)
    return found | {"events": np.bincount(g, weights=y, minlength=size[0]).astype(float)}


def shares(
    groups: ArrayLike, size: int, codes: NDArray[np.intp], counts: NDArray[Any], *, case_weight: ArrayLike | None = None
) -> dict[str, NDArray[np.float64]]:
    """Share of all cases (or of their weight) that lies in each of the groups 0 .. size - 1, with 95 % intervals as in `rates`.

    Returns
    -------
    arrays over groups as `rates`; `events` are the cases of the group
    """
    g = np.asarray(groups, dtype=np.intp)
    w = np.ones(len(g)) if case_weight is None else np.nan_to_num(np.asarray(case_weight, dtype=float))
    use = w > 0
    g, w, c = g[use], w[use], codes[use]
    inside = g >= 0
    part = by_account(c[inside], w[inside], groups=g[inside], shape=(size, counts.shape[0]))
    found = _ratio(part, by_account(c, w, shape=(1, counts.shape[0])), counts)
    return found | {"events": np.bincount(g[inside], minlength=size).astype(float)}


def _ratio(part: csr_array, base: csr_array, counts: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """part / base by row with its interval; `base` has as many rows as `part`, or one for all."""
    from scipy.special import stdtrit

    total, hit = _sum(base), _sum(part)
    squares, own, both = _sum(base.power(2)), _sum(part.power(2)), _sum(part.multiply(base).tocsr())
    with np.errstate(invalid="ignore", divide="ignore"):
        value = hit / total
        rarer = np.minimum(_kish(hit, own), _kish(total - hit, squares - 2 * both + own))
        spread = _variance(part, base, counts)
        effective = np.where(spread > 0, value * (1 - value) / spread, np.inf)
        wider = (stdtrit(np.maximum(rarer, ENOUGH) - 1, 0.975) / Z95) ** 2
        effective = np.where(rarer >= ENOUGH, effective / wider, np.fmin(effective, _kish(total, squares)))
    accounts = _sum(base != 0)
    low, high = wilson(value, np.where(accounts > 1, effective, np.nan))
    every = {
        "value": value, "low": low, "high": high, "n_effective": effective, "accounts": accounts, "weight": total, "weight_happened": hit,
    }  # fmt: skip
    return {key: np.broadcast_to(values, value.shape) for key, values in every.items()}


def _kish(total: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Effective number of accounts, (sum w)^2 / sum w^2; 0 for none."""
    return np.where(squares > 0, total**2 / np.where(squares > 0, squares, 1.0), 0.0)


def _sum(matrix: csr_array) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=1), dtype=float).reshape(-1)


def _variance(part: csr_array, base: csr_array, counts: NDArray[Any]) -> NDArray[np.float64]:
    """Variance between replicates of part / base, by row; NaN where no replicate has any of it."""
    draws = np.full((part.shape[0], counts.shape[1]), np.nan)
    kind = np.float32 if _whole(part, counts) and _whole(base, counts) else np.float64
    part, base = part.astype(kind), base.astype(kind)
    for block in blocks(counts.shape[1], counts.shape[0]):
        drawn = counts[:, block].astype(kind, copy=False)
        draws[:, block] = (part @ drawn).astype(float) / (base @ drawn)
    seen = np.isfinite(draws)
    mean = np.where(seen, draws, 0).sum(axis=1) / seen.sum(axis=1)
    return np.where(seen, (draws - mean[:, None]) ** 2, 0).sum(axis=1) / seen.sum(axis=1)


def _whole(table: csr_array, counts: NDArray[Any]) -> bool:
    """Whether its products with the counts are whole numbers that single precision holds exactly."""
    largest = float(_sum(abs(table)).max(initial=0)) * float(counts.max(initial=0))
    return largest < 2**24 and bool((table.data == np.floor(table.data)).all())


def rate(happened: ArrayLike, codes: NDArray[np.intp], counts: NDArray[Any], *, case_weight: ArrayLike | None = None) -> Estimate:
    """One `rates` group as an `Estimate`; `n` is accounts, `events` the cases that happened.

    >>> codes, counts = account_weights(list("abcdefghijkl"), replicates=50)
    >>> found = rate([0] * 12, codes, counts)
    >>> found.value, round(found.high, 3), found.n, found.events
    (0.0, 0.242, 12.0, 0.0)
    """
    if not len(codes):
        return NOTHING
    found = rates(happened, codes, counts, case_weight=case_weight)
    return Estimate(*(float(found[key][0]) for key in ("value", "low", "high", "accounts", "events")))
