"""The lab without its sliders: where they stand, undo and redo, and what the finished cases and today's accounts say of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.bands import band_names
from healthlib.lab_moves import Move, Setting, card_of, setting_of, with_band, with_scale, with_weight
from healthlib.lab_scores import Points, places
from healthlib.resample import NOTHING, Estimate, account_weights, percentile, rates
from healthlib.spec import Scorecard
from healthlib.stats import auc

Array = NDArray[np.float64]
REPLICATES = 200
SAME_MOVE = 0.8
"""Seconds within which moves of one slider are one step of undo: a drag is one."""
EXACT = 20_000
"""With more cases than this the AUC compares scores to one decimal, as in the study `fit`."""

BAND_COLUMNS = ("band", "cases", "kept", "low", "high", "arr", "arr_kept", "arr_low", "arr_high")
MOVED_COLUMNS = ("account_id", "name", "arr", "score_before", "band_before", "score_after", "band_after", "up")


@dataclass(frozen=True)
class Reading:
    """What a setting gives.

    Attributes
    ----------
    bands : `BAND_COLUMNS`: share of finished cases, and of their ARR, that was kept, with 95 % intervals from resampling accounts
    caught : share of the lost ARR that lay below the highest band; in_lowest: in the lowest
    auc, difference : on the finished cases that this setting and the scorecard in use both score, in sample; difference to the latter on
        the same replicates
    moved : `MOVED_COLUMNS`: today's accounts that change band, largest ARR first
    """

    bands: pd.DataFrame
    caught: Estimate
    in_lowest: Estimate
    auc: Estimate
    difference: Estimate
    moved: pd.DataFrame


class Evidence:
    """Finished cases scored by what may be compared (without suspected leaks), and today's accounts scored by all of it.

    Parameters
    ----------
    card : the scorecard in use, numbers as scale ends
    fair : the same as comparisons use it: suspected leaks at weight 0, their gates off
    cases : finished cases: account_id, as_of, lost, arr and a column a metric
    today : snapshots of the active accounts
    """

    def __init__(self, card: Scorecard, fair: Scorecard, cases: pd.DataFrame, today: pd.DataFrame):
        self.card, self.fair, self.today = card, fair, today
        self.refused = {name for name, weight in fair.weights.items() if weight == 0 and card.metrics[name].weight > 0}
        self.past, self.present = Points(fair, cases), Points(card, today)
        self.lost = cases["lost"].to_numpy(dtype=float)
        self.arr = np.nan_to_num(cases["arr"].to_numpy(dtype=float))
        self.codes, self.counts = account_weights(cases["account_id"], REPLICATES)
        self.drawn = self.counts.astype(np.float32)
        self.scales = {name: dict(scale) for name, scale in setting_of(card).scales.items()}
        starts = [float(band.start) for band in card.bands]
        self.base_past = self.past.score(fair)
        self.base_use = np.isfinite(self.base_past)
        self.base_auc = self._auc(self.base_past, self.base_use)
        self.base_score = self.present.score(card)
        self.base_place = places(self.base_score, starts)
        names = today["name"] if "name" in today else today["account_id"]
        self.labels = names.where(names.notna(), today["account_id"]).astype(str).to_numpy(dtype=object)

    @property
    def nbytes(self) -> int:
        """Bytes held for scoring and resampling."""
        return self.past.nbytes + self.present.nbytes + self.drawn.nbytes + self.counts.nbytes

    def read(self, setting: Setting) -> Reading:
        """Everything the lab shows of a setting."""
        card = card_of(self.card, setting)
        fair = card_of(self.fair, replace(setting, weights={n: 0.0 if n in self.refused else w for n, w in setting.weights.items()}))
        for name, scale in setting.scales.items():
            if scale != self.scales[name]:
                self.past.rescale(fair.metrics[name])
                self.present.rescale(card.metrics[name])
                self.scales[name] = dict(scale)
        score, starts = self.past.score(fair), list(setting.bands.values())
        place = places(score, starts)
        use = np.isfinite(score) & self.base_use  # paired: the cases that both score
        value, draws = self._auc(score, use)
        base, base_draws = self.base_auc if (use == self.base_use).all() else self._auc(self.base_past, use)
        n, events = float(self.counts.shape[0]), float(self.lost.sum())
        table, caught, lowest = self._bands(place, band_names(card))
        area = percentile(value, np.clip(draws, 0.0, 1.0), n=n, events=events)
        gain = percentile(value - base, draws - base_draws, n=n, events=events)
        return Reading(table, caught, lowest, area, gain, self._moved(card, starts))

    def _auc(self, score: Array, use: NDArray[np.bool_]) -> tuple[float, Array]:
        """The AUC of some cases, and its replicates: histograms of integer scores, one product with the matrix of draws."""
        lost, codes, score = self.lost[use], self.codes[use], score[use]
        if not 0 < lost.sum() < len(lost):
            return float("nan"), np.full(self.counts.shape[1], np.nan)
        size = self.counts.shape[0]
        key = codes * 202 + (np.rint(score) + 101 * (lost == 0)).astype(np.intp)
        held = np.bincount(key, minlength=size * 202).reshape(size, 202).astype(np.float32)
        found = (held.T @ self.drawn).astype(float)
        whole = held.sum(axis=0, dtype=float)[:, None]
        exact = _by_tenths(score, lost) if len(score) > EXACT else auc(score, lost)
        with np.errstate(invalid="ignore", divide="ignore"):
            return exact, _area(found) + (exact - float(_area(whole)[0]))

    def _bands(self, place: NDArray[np.intp], names: list[str]) -> tuple[pd.DataFrame, Estimate, Estimate]:
        """Rates by band from sums by account, band and outcome: as many rows as there are such cells, not cases."""
        k = len(names)
        key = (self.codes * k + place) * 2 + (self.lost > 0)
        count = np.bincount(key, minlength=2 * k * max(self.counts.shape[0], 1)).astype(float)
        money = np.bincount(key, weights=self.arr, minlength=len(count))
        cell = np.flatnonzero(count)
        lost, band, codes = cell % 2, cell // 2 % k, cell // 2 // k
        found = [rates(1 - lost, codes, self.counts, case_weight=weight[cell], groups=band) for weight in (count, money)]
        columns: dict[str, Any] = {"band": names}
        for (cases, kept, low, high), rate in zip((BAND_COLUMNS[1:5], BAND_COLUMNS[5:]), found, strict=True):
            for column, part, empty in ((cases, "weight", 0.0), (kept, "value", np.nan), (low, "low", np.nan), (high, "high", np.nan)):
                columns[column] = np.concatenate([rate[part], np.full(k - len(rate[part]), empty)])
        weight = np.where(lost > 0, money[cell], 0.0)
        some = weight > 0
        shares = [self._share(inside[some], codes[some], weight[some]) for inside in (band < k - 2, band == 0)]
        return pd.DataFrame(columns)[list(BAND_COLUMNS)], shares[0], shares[1]

    def _share(self, inside: NDArray[np.bool_], codes: NDArray[np.intp], weight: Array) -> Estimate:
        if not len(codes):
            return NOTHING
        found = rates(inside, codes, self.counts, case_weight=weight)
        return Estimate(*(float(found[key][0]) for key in ("value", "low", "high", "accounts", "events")))

    def _moved(self, card: Scorecard, starts: list[float]) -> pd.DataFrame:
        score = self.present.score(card)
        place = places(score, starts)
        rows = np.flatnonzero(place != self.base_place)
        names = np.array(band_names(card), dtype=object)
        found = self.today.iloc[rows][["account_id", "arr"]].assign(
            name=self.labels[rows], score_before=self.base_score[rows], band_before=names[self.base_place[rows]], score_after=score[rows],
            band_after=names[place[rows]], up=place[rows] > self.base_place[rows],
        )  # fmt: skip
        order = ["arr", "account_id"]
        return found.sort_values(order, ascending=[False, True], kind="stable", ignore_index=True)[list(MOVED_COLUMNS)]


def _by_tenths(score: Array, lost: Array) -> float:
    """`stats.auc` of scores to one decimal, counted instead of sorted."""
    level = np.rint(score * 10).astype(np.intp)
    both = np.bincount(level, minlength=1001)
    bad = np.bincount(level, weights=lost, minlength=1001)
    return float(_area(np.concatenate([bad, both - bad])[:, None])[0])


def _area(held: Array) -> Array:
    """AUC of columns of counts: first those of lost cases by score, then as many of kept ones."""
    bad, good = np.split(held, 2)
    below = np.cumsum(bad, axis=0) - bad / 2
    return (good * below).sum(axis=0) / (good.sum(axis=0) * bad.sum(axis=0))


class Lab:
    """Where the sliders stand, with undo and redo.

    Attributes
    ----------
    now, start : the setting, and that of the scorecard in use
    said : what the last move had to say; "" where it went all the way
    tried : moves made so far, each a look at the same outcomes
    locked : metrics whose weight stays
    """

    def __init__(self, evidence: Evidence, fitted: Mapping[str, float] | None = None, *, clock: Callable[[], float] = time.monotonic):
        self.evidence, self.fitted, self.clock = evidence, fitted, clock
        self.now = self.start = setting_of(evidence.card)
        self.locked: set[str] = set()
        self.said, self.tried = "", 0
        self.before: list[Setting] = []
        self.after: list[Setting] = []
        self.last: tuple[str, float, Setting] = ("", -np.inf, self.now)

    def weight(self, name: str, points: float) -> None:
        """Move one weight. During a drag the others are shared out from where they stood before it: dragging back restores them."""
        self._move(f"weight {name}", lambda base: with_weight(self.evidence.card, base, name, points, self.locked))

    def scale(self, name: str, key: str, value: float) -> None:
        """Move one end of a scale, or the points of one value of a curve."""
        self._move(f"scale {name} {key}", lambda base: with_scale(self.evidence.card, base, name, key, value))

    def band(self, name: str, start: float) -> None:
        """Move the score at which a band begins."""
        self._move(f"band {name}", lambda base: with_band(base, name, start))

    def reset(self) -> None:
        """Back to the scorecard in use, as a step that can be undone."""
        self._move("reset", lambda _: Move(self.start))

    def snap(self) -> None:
        """The fitted weights, as a step that can be undone; scales and thresholds stay."""
        if not self.fitted:
            self.said = "No weights could be fitted to these outcomes."
            return
        self._move(
            "snap", lambda base: Move(replace(base, weights={name: float((self.fitted or {}).get(name, 0)) for name in base.weights}))
        )

    def undo(self) -> None:
        """Take the last step back."""
        self._step(self.before, self.after, "Nothing to undo.")

    def redo(self) -> None:
        """Take the last undone step again."""
        self._step(self.after, self.before, "Nothing to redo.")

    def read(self) -> Reading:
        """What the present setting gives."""
        return self.evidence.read(self.now)

    def _move(self, control: str, go: Callable[[Setting], Move]) -> None:
        name, when, base = self.last
        dragging = name == control and self.clock() - when < SAME_MOVE
        base = base if dragging else self.now
        done = go(base)
        self.said, self.last = done.said, (control, self.clock(), base)
        if done.setting == self.now:
            return
        if not dragging:
            self.before.append(self.now)
            self.tried += 1
        self.now, self.after = done.setting, []

    def _step(self, source: list[Setting], target: list[Setting], empty: str) -> None:
        self.last, self.said = ("", -np.inf, self.now), "" if source else empty
        if source:
            target.append(self.now)
            self.now = source.pop()
