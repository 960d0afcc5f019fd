"""Signs of a leak in the finished cases alone: values too good to be true, and values that are themselves the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.resample import Estimate, account_weights, percentile, rate
from healthlib.stats import auc, auc_replicates
from healthlib.wording import share_range

TOO_GOOD = 0.90
"""No honest metric read months ahead tells lost from kept this well: AUC alone, lower end of its interval above 0.85 (a convention)."""

FAR_AHEAD = 0.15
"""A metric this much AUC above the best other one, by the lower end of the interval, is suspect (a convention)."""

LEVELS = 500

FEWEST = 8
"""A metric is judged once it was measured for this many lost and this many kept cases."""

ALMOST_NONE = 0.01
"""What so few of the kept have is taken for a record of the leaving (a convention; complaints of 2 % of the kept and 40 % of the lost are
an honest warning in the one real set of its kind)."""

FEWEST_OF_LEVEL = 5
"""A value of an attribute is judged once so many accounts have it."""

Row = tuple[str, str, float, float, float, float, float]
"""Of a figure: what is shown, side, months before the end (NaN: none), value, low, high, n."""


@dataclass(frozen=True)
class Sign:
    """One reason to suspect something. `evidence` is a sentence, `figure` the numbers of its picture; `of` what kind of thing it is."""

    metric: str
    kind: str
    evidence: str
    figure: tuple[Row, ...] = ()
    of: str = "metric"


@dataclass(frozen=True)
class Finished:
    """Finished cases with their outcome and the account resamples behind every interval.

    Attributes
    ----------
    values : metric -> raw value a case; with the present tool's score, if any, as `score_history`
    lost : 1 lost, 0 kept
    accounts : account_id a case
    codes, counts : from `resample.account_weights`
    """

    values: Mapping[str, NDArray[Any]]
    lost: NDArray[Any]
    accounts: NDArray[Any]
    codes: NDArray[np.intp] = field(repr=False)
    counts: NDArray[Any] = field(repr=False)

    def both(self, happened: NDArray, use: NDArray | None = None) -> tuple[Estimate, Estimate]:
        """Share of lost and of kept cases in which it happened."""
        inside = np.ones(len(self.lost), dtype=bool) if use is None else use
        gone, kept = inside & (self.lost == 1), inside & (self.lost == 0)
        return rate(happened[gone], self.codes[gone], self.counts), rate(happened[kept], self.codes[kept], self.counts)

    def enough(self, use: NDArray) -> bool:
        """Whether there are `FEWEST` lost and kept cases among these."""
        return bool(min(self.lost[use].sum(), (1 - self.lost[use]).sum()) >= FEWEST)


def finished(cases: pd.DataFrame, values: Mapping[str, NDArray[Any]], *, replicates: int, seed: int) -> Finished:
    """Cases with outcomes, ready for the signs."""
    codes, counts = account_weights(cases["account_id"], replicates, seed)
    return Finished(values, cases["lost"].to_numpy(dtype=float), cases["account_id"].to_numpy(dtype=object), codes, counts)


def by_auc(data: Finished, composite: str = "") -> list[Sign]:
    """Single-metric AUC, whichever direction it points. The `composite`, a score of many metrics, is not compared with single ones."""
    points, draws = {}, {}
    for name, raw in data.values.items():
        use = np.isfinite(raw)
        if data.enough(use):
            points[name], draws[name] = ranked(raw, use, data)
    signs = []
    for name, point in points.items():
        single = percentile(point, draws[name])
        figure = [("AUC alone", "this metric", np.nan, *_ends(single), float(np.isfinite(data.values[name]).sum()))]
        others = [other for other in points if other not in (name, composite)]
        best = max(others, key=points.__getitem__, default="")
        if best:
            figure.append(("AUC alone", f"next best: {best}", np.nan, *_ends(percentile(points[best], draws[best])), np.nan))
        if point >= TOO_GOOD and single.low > TOO_GOOD - 0.05:
            said = f"alone it tells lost from kept with AUC {span(single)}; months ahead nothing honest does"
            signs.append(Sign(name, "too_good", said, tuple(figure)))
        if len(others) < 2 or name == composite:
            continue
        gap = percentile(point - points[best], draws[name] - draws[best])
        if gap.low > FAR_AHEAD and single.low > 0.7:
            said = f"AUC {point:.2f} alone, {points[best]:.2f} of the next best, {best}: {span(gap)} ahead"
            signs.append(Sign(name, "too_good", said, tuple(figure)))
    return signs


def ranked(raw: NDArray, use: NDArray, data: Finished) -> tuple[float, NDArray[np.float64]]:
    """AUC of a value, turned so that it is at least 0.5, and its replicates."""
    value, lost = _few_levels(raw)[use], data.lost[use]
    sign = 1 if auc(value, lost) >= 0.5 else -1
    return auc(sign * value, lost), auc_replicates(sign * value, lost, data.codes[use], data.counts)


def _few_levels(value: NDArray) -> NDArray:
    """Ranks in at most `LEVELS` bins of equal size: for a screen as good as the value, and many times faster on long tables."""
    known = np.isfinite(value)
    if len(value) <= 20 * LEVELS:
        return value
    cuts = np.unique(np.quantile(value[known], np.linspace(0, 1, LEVELS + 1)[1:-1]))
    return np.where(known, np.searchsorted(cuts, value, side="right"), np.nan)


def by_presence(data: Finished, name: str, there: NDArray, what: str, *, rows: bool = False) -> list[Sign]:
    """Being there is itself the outcome: it exists (almost) only for those who stayed, or only for those who left.

    With `rows`, not having any is a figure like another (no complaint, no reference given), so it takes more: hardly 1 % of the kept have
    any, or a tenth of the lost where most of the kept do.
    """
    if there.all() or not there.any() or not data.enough(np.ones(len(there), dtype=bool)):
        return []
    gone, kept = data.both(there)
    few, many, who = (gone, kept, "kept") if gone.value < kept.value else (kept, gone, "lost")
    apart = few.high < 0.5 * many.low and few.value < 0.2 * many.value and many.value - few.value > 0.15
    if rows and apart:
        apart = kept.value <= ALMOST_NONE if who == "lost" else few.value < 0.1 * many.value and many.value > 0.4
    if not apart:
        return []
    said = f"{what} for {percents(gone)} of lost and {percents(kept)} of kept cases (n = {gone.n:.0f} and {kept.n:.0f} accounts): "
    return [Sign(name, "survivors_only", f"{said}it exists almost only for the {who}", sides(f"share {what}", gone, kept))]


def by_constant(data: Finished, name: str) -> list[Sign]:
    """One value for (almost) all kept cases, others for many of the lost: the metric records the leaving itself."""
    value = data.values[name]
    use = np.isfinite(value)
    if not data.enough(use):
        return []
    levels, times = np.unique(value[use & (data.lost == 0)], return_counts=True)
    usual = levels[np.argmax(times)]
    gone, kept = data.both(value != usual, use)
    if kept.value <= ALMOST_NONE and gone.low > 0.1 and gone.low > 8 * kept.high:
        said = f"other than {usual:g} for {percents(gone)} of lost but {percents(kept)} of kept cases: it records the leaving itself"
        return [Sign(name, "after_decision", said, sides(f"share other than {usual:g}", gone, kept))]
    return []


def by_decision(data: Finished, name: str, decided: NDArray) -> list[Sign]:
    """What it tells, it tells only of those whose leaving was decided by the day the value was read."""
    value = data.values[name]
    use = np.isfinite(value)
    late, early = use & ((data.lost == 0) | decided), use & ((data.lost == 0) | ~decided)
    if not (data.enough(late) and data.enough(early)):
        return []
    after, before = (percentile(*ranked(value, part, data)) for part in (late, early))
    if after.low > 0.75 and before.high < 0.65 and before.value < 0.6:
        said = f"AUC {span(after)} for accounts that had decided to leave by the day it was read, {span(before)} for the others that left"
        n = (float(data.lost[late].sum()), float(data.lost[early].sum()))
        figure = [
            ("AUC alone", side, np.nan, *_ends(end), k) for side, end, k in zip(("decided", "not yet"), (after, before), n, strict=True)
        ]
        return [Sign(name, "after_decision", said, tuple(figure))]
    return []


def by_level(data: Finished, column: str, levels: pd.Series) -> list[Sign]:
    """Values of an attribute (or its absence) that (almost) only lost accounts have: it was overwritten when they left.

    One row an account; an account is lost where one of its finished cases is.
    """
    frame = pd.DataFrame({"account": data.accounts, "lost": data.lost, "level": levels.astype("object").where(levels.notna(), "(empty)")})
    one = frame.groupby("account", sort=True).agg(lost=("lost", "max"), level=("level", "last"))
    table = one.groupby("level")["lost"].agg(["size", "mean"])
    told = table.index[(table["size"] >= FEWEST_OF_LEVEL) & (table["mean"] >= 0.8)]
    inside = one["level"].isin(told).to_numpy()
    lost = one["lost"].to_numpy()
    if not inside.any() or inside.all() or (lost * inside).sum() < FEWEST_OF_LEVEL:
        return []
    codes, counts = account_weights(one.index, data.counts.shape[1], 0)
    here, there = (rate(lost[part], codes[part], counts) for part in (inside, ~inside))
    if here.low < 0.6 or here.low < 1.5 * float(lost.mean()) or here.low <= there.high:
        return []
    names = ", ".join(f"“{str(level)[:40]}”" for level in list(told)[:3]) + (" …" if len(told) > 3 else "")
    said = f"of {here.n:.0f} accounts with {names}, {percents(here)} left, of the {there.n:.0f} others {percents(there)}: the value was "
    figure = (_row("share that left", names[:30], here), _row("share that left", "all others", there))
    return [Sign(f"accounts.{column}", "overwritten", f"{said}written when they left", figure, "attribute")]


def sides(what: str, gone: Estimate, kept: Estimate) -> tuple[Row, ...]:
    """Lost and kept as rows of a figure."""
    return _row(what, "lost", gone), _row(what, "kept", kept)


def _row(what: str, side: str, found: Estimate) -> Row:
    return what, side, float("nan"), *_ends(found), found.n


def _ends(found: Estimate) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def span(estimate: Estimate) -> str:
    """`0.91 (0.88 to 0.94)`."""
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def percents(estimate: Estimate) -> str:
    """`83% (76–88%)`, as on every page."""
    return share_range(estimate.value, estimate.low, estimate.high)
