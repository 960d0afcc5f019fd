"""Were promised probabilities kept? Brier score taken apart, calibration line, another curve, and each segment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from healthlib.backtest import has_quantiles
from healthlib.calibration import curve
from healthlib.resample import NOTHING, Estimate, account_weights, by_account, percentile, rates
from healthlib.scoring import resolve_scales, score
from healthlib.spec import Scorecard
from healthlib.splits import splits
from healthlib.stats import logistic, logit
from healthlib.studies.band_quarters import holm
from healthlib.weight_intervals import AccountLoss, newton_steps, unbounded

Array = NDArray[np.float64]

PARTS = ("reliability", "resolution", "uncertainty", "within_variance", "within_covariance")
RIVAL_COLUMNS = ("measure", "kept", "rival", "difference", "low", "high", "arr_difference", "arr_low", "arr_high")
SEGMENT_COLUMNS = (
    "grouping", "group", "cases", "accounts", "lost", "expected", "ratio", "low", "high", "arr_ratio", "arr_low", "arr_high", "p_corrected",
    "answer",
)  # fmt: skip

FEWEST = 10
"""Below this many lost or kept cases a calibration line would pretend."""
FEW_EXPECTED = 5.0
"""Groups in which fewer losses were expected are pooled: a ratio to less says nothing."""
CLIP = 1e-6
"""Probabilities are kept so far from 0 and 1 before a logit is taken."""


def brier_parts(probability: ArrayLike, lost: ArrayLike, bins: ArrayLike) -> dict[str, float]:
    """The Brier score taken apart so that it adds up exactly whatever lies within a bin.

    ``brier = reliability - resolution + uncertainty + within_variance - within_covariance``: the first three after Murphy (1973),
    doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; the last two after Stephenson, Coelho & Jolliffe (2008),
    doi:10.1175/2007WAF2006116.1. Both are 0 where all promises of a bin are alike.

    Parameters
    ----------
    probability, lost : promised probability and 0/1 of each case
    bins : number of the bin of each case, from 0, none empty

    Returns
    -------
    `PARTS` and `brier`; NaN without a case

    >>> found = brier_parts([0.1, 0.3, 0.8, 0.8], [0, 1, 1, 1], [0, 0, 1, 1])
    >>> {name: round(value, 4) for name, value in found.items() if name != "brier"}
    {'reliability': 0.065, 'resolution': 0.0625, 'uncertainty': 0.1875, 'within_variance': 0.005, 'within_covariance': 0.05}
    >>> round(found["brier"], 4)
    0.145
    """
    p, y, place = np.asarray(probability, dtype=float), np.asarray(lost, dtype=float), np.asarray(bins, dtype=np.intp)
    if not len(p):
        return dict.fromkeys((*PARTS, "brier"), float("nan"))
    size = np.bincount(place)
    said, seen = np.bincount(place, weights=p) / size, np.bincount(place, weights=y) / size
    off = p - said[place]
    share, base = size / len(p), y.mean()
    return {
        "reliability": float(share @ (said - seen) ** 2),
        "resolution": float(share @ (seen - base) ** 2),
        "uncertainty": float(base * (1 - base)),
        "within_variance": float((off**2).mean()),
        "within_covariance": float(2 * ((y - seen[place]) * off).mean()),
        "brier": float(((p - y) ** 2).mean()),
    }


def bins_of(probability: ArrayLike, lost: ArrayLike) -> NDArray[np.intp]:
    """The bin of each case: of equal size by probability, at most ten, about five lost or more to a bin; see `calibration.reliability`."""
    p, y = np.asarray(probability, dtype=float), np.asarray(lost, dtype=float)
    wanted = int(np.clip(y.sum() // 5, 1, 10))
    cuts = np.unique(np.quantile(p, np.linspace(0, 1, wanted + 1)[1:-1])) if len(p) else np.empty(0)
    return np.unique(np.searchsorted(cuts, p, side="left"), return_inverse=True)[1].reshape(-1)


def line(probability: ArrayLike, lost: ArrayLike, account_ids: ArrayLike, *, replicates: int = 400, seed: int = 0) -> dict[str, Estimate]:
    """Slope and intercept of logit P(lost) over the logit that was promised, accounts resampled.

    ``slope``: 1 where promises are as far apart as they should be, below where they are too bold. ``intercept``: with the slope held
    at 1, the shift of all logits, 0 where as many left as promised. Cox (1958), doi:10.1093/biomet/45.3-4.562; Van Calster et al.
    (2016), doi:10.1016/j.jclinepi.2015.12.005. Replicates are one Newton step from the fit.

    Returns
    -------
    slope, intercept; NaN with fewer than `FEWEST` lost or kept, a slope NaN where all promises are alike
    """
    p, y, ids = (np.asarray(values) for values in (probability, lost, account_ids))
    p, y = p.astype(float), y.astype(float)
    if min(y.sum(), (1 - y).sum()) < FEWEST:
        return {"slope": NOTHING, "intercept": NOTHING}
    said = logit(np.clip(p, CLIP, 1 - CLIP))
    codes, counts = account_weights(ids, replicates, seed)
    n = {"n": float(counts.shape[0]), "events": float(y.sum())}
    shift, draws = _shift(said, y, codes, counts)
    found = {"slope": NOTHING, "intercept": percentile(shift, draws, **n)}
    if said.std() > 1e-6:
        # The fit of weights pulls slopes towards 0 a little; a column a hundred times as large leaves nothing of that.
        rows = np.column_stack([np.ones(len(y)), 100 * said])
        theta = unbounded(rows, y)
        found["slope"] = percentile(100 * float(theta[1]), 100 * newton_steps(AccountLoss(rows, y, theta, codes), counts)[:, 1], **n)
    return found


def _shift(said: Array, y: Array, codes: NDArray[np.intp], counts: NDArray) -> tuple[float, Array]:
    """The one number added to every logit under which as many are expected as were lost, and its replicates."""
    shift = 0.0
    for _ in range(50):
        p = logistic(said + shift)
        step = float((y - p).sum() / (p * (1 - p)).sum())
        shift += float(np.clip(step, -2, 2))
        if abs(step) < 1e-10:
            break
    p, size = logistic(said + shift), counts.shape[0]
    off, bent = (np.bincount(codes, weights=values, minlength=size) for values in (y - p, p * (1 - p)))
    return shift, shift + (off @ counts) / (bent @ counts)


def skill(losses: ArrayLike, reference: ArrayLike, account_ids: ArrayLike, *, replicates: int = 400, seed: int = 0) -> Estimate:
    """1 - mean loss / mean loss of a reference on the same cases, accounts resampled; 0 is no better, 1 perfect."""
    ours, theirs = np.asarray(losses, dtype=float), np.asarray(reference, dtype=float)
    if not len(ours) or theirs.sum() <= 0:
        return NOTHING
    codes, counts = account_weights(account_ids, replicates, seed)
    sums = by_account(np.tile(codes, 2), np.concatenate([ours, theirs]), groups=np.repeat([0, 1], len(ours)), shape=(2, len(counts)))
    drawn = sums @ counts.astype(float)
    return percentile(float(1 - ours.sum() / theirs.sum()), 1 - drawn[0] / drawn[1], n=float(len(counts)), events=0)


def curves(cases: pd.DataFrame, scorecard: Scorecard, seen: pd.DataFrame) -> pd.DataFrame:
    """The probability of loss that a logistic curve and a curve of steps promise out of time, on the very splits of `backtest.replay`.

    Both learn from the same cases at the score each had when it was itself tested, the earliest at the first split's scales. Isotonic
    regression: Zadrozny & Elkan (2002), doi:10.1145/775047.775151. Steps of pure training cases would promise 0 or 1, on which the log
    loss is infinite: half a case of either outcome is the least a step may say.

    Parameters
    ----------
    cases : cases frame; finished ones are used
    scorecard : that is compared (see `fit.usable`), scale quantiles unresolved
    seen : account_id, as_of, current: the score of every tested case

    Returns
    -------
    DataFrame account_id, as_of, logistic, isotonic, base (the base rate known at the split); no row where nothing could be split
    """
    from sklearn.isotonic import IsotonicRegression

    keys = ["account_id", "as_of"]
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    found = splits(done)
    if not found:
        return pd.DataFrame(columns=[*keys, "logistic", "isotonic", "base"])
    first = resolve_scales(scorecard, done[found[0].seen]) if has_quantiles(scorecard) else scorecard
    tested = done[keys].merge(seen[[*keys, "current"]].drop_duplicates(keys), how="left", on=keys, indicator=True)
    points = np.where(tested["_merge"] == "both", tested["current"], score(first, done).frame["score"]).astype(float)
    lost, parts = done["lost"].to_numpy(dtype=float), []
    for split in found:
        learn, test = split.train & np.isfinite(points), points[split.test]
        known, p = np.isfinite(test), np.full((2, int(split.test.sum())), np.nan)
        intercept, slope = curve(points[learn], lost[learn])
        p[0] = logistic(intercept - slope * test / 100)
        if learn.any() and known.any():
            least = 0.5 / learn.sum()
            steps = IsotonicRegression(increasing=False, out_of_bounds="clip", y_min=least, y_max=1 - least)
            p[1, known] = steps.fit(points[learn], lost[learn]).predict(test[known])
        base = lost[split.train].mean() if split.train.any() else np.nan
        parts.append(done.loc[split.test, keys].assign(logistic=p[0], isotonic=p[1], base=base))
    return pd.concat(parts, ignore_index=True)


def rivals(frame: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """The logistic curve against the isotonic one on the same cases out of time: mean loss of each, and the paired difference.

    Parameters
    ----------
    frame : account_id, lost, arr, logistic, isotonic

    Returns
    -------
    DataFrame `RIVAL_COLUMNS`, rows "Brier score" and "log loss"; `difference` is isotonic minus logistic, below 0 where the isotonic is
    better, with 95 % intervals, by case and by ARR
    """
    if frame.empty:
        return pd.DataFrame(columns=list(RIVAL_COLUMNS))
    y = frame["lost"].to_numpy(dtype=float)
    ours, theirs = (frame[name].to_numpy(dtype=float) for name in ("logistic", "isotonic"))
    codes, counts = account_weights(frame["account_id"], replicates, seed)
    rows = []
    for measure, loss in (("Brier score", _square), ("log loss", _log)):
        kept, rival = loss(ours, y), loss(theirs, y)
        by = [_mean(rival - kept, weight, codes, counts) for weight in (np.ones(len(y)), np.nan_to_num(frame["arr"].to_numpy(dtype=float)))]
        rows.append((measure, kept.mean(), rival.mean(), *(end for e in by for end in (e.value, e.low, e.high))))
    return pd.DataFrame(rows, columns=list(RIVAL_COLUMNS))


def _square(p: Array, y: Array) -> Array:
    return (p - y) ** 2


def _log(p: Array, y: Array) -> Array:
    q = np.clip(p, 1e-9, 1 - 1e-9)
    return -(y * np.log(q) + (1 - y) * np.log1p(-q))


def _mean(values: Array, weight: Array, codes: NDArray[np.intp], counts: NDArray) -> Estimate:
    """Weighted mean with the percentile interval of account replicates."""
    if weight.sum() <= 0:
        return NOTHING
    top, bottom = (np.bincount(codes, weights=part, minlength=len(counts)) for part in (values * weight, weight))
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = (top @ counts) / (bottom @ counts)
    return percentile(float(top.sum() / bottom.sum()), draws, n=float(len(counts)))


def by_group(frame: pd.DataFrame, groupings: Mapping[str, pd.Series], *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Lost over expected in each group, small groups pooled, corrected for looking at many.

    Parameters
    ----------
    frame : account_id, lost, arr, probability; fresh index
    groupings : name -> label of each row

    Returns
    -------
    DataFrame `SEGMENT_COLUMNS`: `expected` the sum of promises; `ratio` lost / expected with the interval of the rate (`resample.rates`)
    over the mean promise, by case and by ARR; `p_corrected` of the score test (account-robust) of "as many as promised", by Holm (1979)
    over all rows; `answer` is more, fewer (of those expected, surely) or cannot_tell. Groups with fewer than `FEW_EXPECTED` expected
    are one row "all smaller groups".
    """
    from scipy.stats import norm

    parts = [table for name, labels in groupings.items() if len(table := _one_grouping(frame, name, labels, (replicates, seed)))]
    if not parts:
        return pd.DataFrame(columns=list(SEGMENT_COLUMNS))
    table = pd.concat(parts, ignore_index=True)
    p = pd.Series(2 * norm.sf(table["z"].abs()), index=table.index)
    known = p.notna()
    table["p_corrected"] = np.nan
    if known.any():
        table.loc[known, "p_corrected"] = holm(p[known].to_numpy(dtype=float))
    sure = table["p_corrected"] < 0.05
    table["answer"] = np.where(sure & (table["ratio"] > 1), "more", np.where(sure & (table["ratio"] < 1), "fewer", "cannot_tell"))
    return table[list(SEGMENT_COLUMNS)]


def _one_grouping(frame: pd.DataFrame, name: str, labels: pd.Series, again: tuple[int, int]) -> pd.DataFrame:
    """The rows of one grouping, without the correction; `z` is the score statistic. None where pooling leaves one group."""
    text = pd.Series(labels.astype("object").to_numpy(), index=frame.index).where(pd.notna(labels).to_numpy(), "not known").astype(str)
    expected = frame["probability"].groupby(text).sum()
    small = expected.index[expected < FEW_EXPECTED]
    pooled = text.where(~text.isin(small), "all smaller groups") if len(small) > 1 else text
    place, names = pd.factorize(pooled, sort=True)
    if len(names) < 2:
        return pd.DataFrame()
    y, p = frame["lost"].to_numpy(dtype=float), frame["probability"].to_numpy(dtype=float)
    arr = np.nan_to_num(frame["arr"].to_numpy(dtype=float))
    codes, counts = account_weights(frame["account_id"], *again)
    off = by_account(codes, y - p, groups=place, shape=(len(names), len(counts)))
    spread = np.sqrt(np.asarray(off.power(2).sum(axis=1)).reshape(-1))
    found: dict[str, object] = {"grouping": name, "group": names.astype(object)}
    for prefix, weight in (("", np.ones(len(y))), ("arr_", arr)):
        seen = rates(y, codes, counts, case_weight=weight, groups=place)
        promised, total = (np.bincount(place, weights=part, minlength=len(names)) for part in (weight * p, weight))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = promised / total
            found |= {f"{prefix}{key or 'ratio'}": seen[source] / mean for key, source in (("", "value"), ("low", "low"), ("high", "high"))}
        if not prefix:
            found |= {"cases": seen["weight"].astype(int), "accounts": seen["accounts"].astype(int), "lost": seen["events"].astype(int)}
            found |= {"expected": promised}
    with np.errstate(invalid="ignore", divide="ignore"):
        found["z"] = np.where(spread > 0, np.asarray(off.sum(axis=1)).reshape(-1) / spread, np.nan)
    return pd.DataFrame(found)
