"""The alerts that would have been raised on every day of history: the same rules, run month by month with what was known then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from healthlib import scales, scoring
from healthlib.alert_rules import KINDS, USAGE, AlertRules
from healthlib.backtest import has_quantiles
from healthlib.spec import Range, Scorecard
from healthlib.studies.alert_states import Flags, Floats, Grid, ago, days_since_true, grid_of, held_bands, latched

DEFAULT_POINTS = 10.0
"""A trend is a fall by so many points where the rule gives neither points nor percent."""

RAISED = ("account_id", "kind", "what", "since", "ended", "row", "compared", "before", "now")


@dataclass(frozen=True)
class Past:
    """Snapshots with the scores each day's report would have shown; every frame has one index, 0, 1, 2 ...

    Attributes
    ----------
    rows : the snapshots with score, band, gate, contact_days and usage_days
    groups, points : scores of each group, and points of each metric
    """

    rows: pd.DataFrame
    groups: pd.DataFrame
    points: pd.DataFrame


def past_of(scorecard: Scorecard, history: pd.DataFrame, silences: pd.DataFrame) -> Past:
    """Score every snapshot as its own day would have: scale ends given as quantiles are read from the history up to that day.

    Parameters
    ----------
    scorecard : as written
    history : snapshots, one row per account_id and as_of
    silences : see `silence.silences`; may be empty
    """
    rows = history.sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    if has_quantiles(scorecard):
        starts = [*np.flatnonzero(~rows["as_of"].duplicated()).tolist(), len(rows)]  # slices of sorted rows copy nothing
        cards = [(scales.resolve_scales(scorecard, rows.iloc[:stop]), rows.iloc[start:stop]) for start, stop in pairwise(starts)]
    else:
        cards = [(scorecard, rows)]
    found = [scoring.score(card, part) for card, part in cards]
    frame, groups, points = (pd.concat([getattr(one, name) for one in found]) for name in ("frame", "groups", "points"))
    rows = rows.join(frame[["score", "band", "gate"]])
    if silences.empty:
        return Past(rows.assign(contact_days=np.nan, usage_days=np.nan), groups, points)
    return Past(rows.merge(silences, how="left", on=["account_id", "as_of"]), groups, points)


def replay_alerts(past: Past, scorecard: Scorecard, rules: AlertRules) -> pd.DataFrame:
    """Every alert ever raised, in the order raised.

    An alert is raised on the day its condition begins to hold. The same alert (account, kind, what) is not raised again within
    `listed_days`: what comes back so soon is the one raised before.

    Returns
    -------
    DataFrame with `RAISED`: `what` tells alerts of one kind apart (the bands of a fall, the term of a renewal); `since` the day it was
    raised; `ended` the day it no longer held, NaT while it does; `row` the snapshot in `past.rows` on that day; `compared` the
    day compared with, where there is one; `before` and `now` the figures of the two days (scores, numbers of bands, days, a share)
    """
    if past.rows.empty or past.rows["as_of"].nunique() < 2:
        return pd.DataFrame(columns=list(RAISED))
    grid = grid_of(past.rows)
    parts = [_episodes(grid, condition) for condition in _conditions(grid, past, scorecard, rules) if condition.kind not in rules.off]
    if not parts:  # every kind is off
        return pd.DataFrame(columns=list(RAISED))
    found = _once(pd.concat(parts, ignore_index=True), rules.listed_days)
    return found.assign(account_id=past.rows["account_id"].array.take(found["row"].to_numpy(dtype=np.intp)))


@dataclass(frozen=True)
class _Condition:
    """When an alert of one kind holds; `what` are numbers that tell alerts apart, `compared` the day compared with (-1: none)."""

    kind: str
    holds: Flags
    what: Floats
    before: Floats
    now: Floats
    compared: np.ndarray | None = None


def _conditions(grid: Grid, past: Past, scorecard: Scorecard, rules: AlertRules) -> Iterator[_Condition]:
    """The conditions of every kind."""
    rows, none = past.rows, np.zeros(grid.row.shape)
    score = grid.of(rows["score"].to_numpy(dtype=float))
    names = [band.name for band in scorecard.bands]
    rank = grid.of(rows["band"].map({name: place for place, name in enumerate(names)}).fillna(-1.0).to_numpy().astype(float))
    falls = _falls(grid, score, rank, (past, scorecard, rules))
    yield from falls.conditions()
    yield _trend(grid, score, rules, falls.fell)
    seen = latched(~np.isnan(score), grid.present, grid.present)
    yield _Condition("coverage_lost", seen & np.isnan(score) & grid.present, none, falls.earlier, none, falls.place)
    days = grid.of(rows["contact_days"].to_numpy(dtype=float))
    limit = rules.no_contact.days
    alive = np.nanmin(np.where(np.isnan(days), np.inf, days), axis=1, keepdims=True) < limit
    # Nobody at all in contact means that the export ended, not that every customer went silent on one day.
    yield _Condition("no_contact", (days >= limit) & alive, none, none, days)
    yield _champion(grid, past, scorecard, rules)
    yield _renewal(grid, past, scorecard, rules)
    yield _usage_back(grid, past, rules)


@dataclass(frozen=True)
class _Falls:
    """Falls by a band.

    `code` is that of the open one (from x bands + to, -1: none), `fell` says when one began, `earlier` is the band held on the last scored
    day, `place` the last day on which the score itself was in it: with hysteresis that may be a while ago.
    """

    code: np.ndarray
    fell: Flags
    earlier: Floats
    place: np.ndarray
    bands: int

    def conditions(self) -> Iterator[_Condition]:
        """Falls into the worst band, and all others."""
        here, there = self.code % self.bands, self.code // self.bands
        for kind, chosen in (("new_red", here == 0), ("band_drop", here > 0)):
            holds = (self.code >= 0) & chosen
            yield _Condition(kind, holds, self.code.astype(float), there.astype(float), here.astype(float), self.place)


def _falls(grid: Grid, score: Floats, rank: Floats, given: tuple[Past, Scorecard, AlertRules]) -> _Falls:
    """A fall begins when the held band is lower than on the last scored day, and lasts for as long as that band is held."""
    past, scorecard, rules = given
    edges = np.array([band.start for band in scorecard.bands], dtype=float)
    gated = grid.of((past.rows["gate"] != "").to_numpy().astype(float)) == 1
    held = held_bands(score, rank, gated, edges, rules.hysteresis)
    scored = ~np.isnan(score)
    code, fell = np.full(score.shape, -1), np.zeros(score.shape, dtype=bool)
    earlier, place = np.full(score.shape, np.nan), np.full(score.shape, -1)
    for t in range(1, len(score)):
        there = grid.present[t - 1]
        earlier[t] = np.where(there, np.where(scored[t - 1], held[t - 1], earlier[t - 1]), np.nan)
        place[t] = np.where(there, np.where(scored[t - 1] & (rank[t - 1] >= held[t - 1]), t - 1, place[t - 1]), -1)
        fell[t] = scored[t] & (held[t] < earlier[t])
        kept = scored[t] & (code[t - 1] >= 0) & (code[t - 1] % len(edges) == held[t])
        began = np.nan_to_num(earlier[t]) * len(edges) + np.nan_to_num(held[t])
        code[t] = np.where(fell[t], began, np.where(kept, code[t - 1], -1))
    return _Falls(code, fell, earlier, place, len(edges))


def _trend(grid: Grid, score: Floats, rules: AlertRules, fell: Flags) -> _Condition:
    """Lower than so many days ago, unless a fall by a band has told so within that time; over where the fall is less by the hysteresis."""
    rule = rules.trend
    place = grid.days_before(rule.days)
    before = np.where(place[:, None] >= grid.here_since, ago(score, place), np.nan)
    limit = before * rule.percent / 100 if rule.percent is not None else np.full(score.shape, rule.points or DEFAULT_POINTS)
    fall = before - score
    falling = latched(fall >= limit, (fall > 0) & (fall >= limit - rules.hysteresis), grid.present)
    told = (days_since_true(fell, grid) <= rule.days) & latched(fell, grid.present, grid.present)
    compared = np.repeat(place[:, None], score.shape[1], axis=1)
    return _Condition("trend", falling & ~told, np.zeros(score.shape), before, score, compared)


def _champion(grid: Grid, past: Past, scorecard: Scorecard, rules: AlertRules) -> _Condition:
    """The champion's metric in its range, or the attribute with one of its values."""
    rule, rows = rules.champion_gone, past.rows
    name = rule.metric or ("champion_gone" if "champion_gone" in scorecard.metrics else None)
    value = np.full(len(rows), np.nan)
    gone = np.zeros(len(rows), dtype=bool)
    if rule.attribute is not None:
        gone = scales.holds_for({rule.attribute: rule.values}, rows)
    elif name is not None:
        value = rows[name].to_numpy(dtype=float)
        least = 1.0 if rule.at_least is None and rule.at_most is None else rule.at_least
        gone = scales.holds(Range(at_least=least, at_most=rule.at_most), value)
    holds = grid.of(gone.astype(float)) == 1
    return _Condition("champion_gone", holds, np.zeros(holds.shape), np.full(holds.shape, np.nan), grid.of(value))


def _renewal(grid: Grid, past: Past, scorecard: Scorecard, rules: AlertRules) -> _Condition:
    """The term ends soon and the groups in the worst band carry enough of the weight; one alert a term."""
    rule, rows = rules.renewal_near, past.rows
    left = (rows["term_ends"] - rows["as_of"]).dt.days.to_numpy(dtype=float)
    below, weights = group_limit(scorecard, rules), counted_groups(scorecard, rules)
    red, known = np.zeros(grid.row.shape), np.zeros(grid.row.shape)
    for group, weight in weights.items():
        points = grid.of(past.groups[group].to_numpy(dtype=float))
        red += weight * (points < below)
        known += weight * ~np.isnan(points)
    share = np.divide(red, known, out=np.zeros(red.shape), where=known > 0)
    near = grid.of((left >= 0) & (left <= rule.days)) == 1
    ends = grid.of(rows["term_ends"].to_numpy().astype("datetime64[D]").astype(float))
    holds = near & (share >= rule.of_weight) & (red > 0)
    return _Condition("renewal_near", holds, np.nan_to_num(ends), np.full(red.shape, below), share)


def group_limit(scorecard: Scorecard, rules: AlertRules) -> float:
    """Below what a group is in the worst band: as the rule says, or where the second band starts."""
    starts = [band.start for band in scorecard.bands[1:2]] or [0.0]
    return float(starts[0] if rules.renewal_near.group_below is None else rules.renewal_near.group_below)


def counted_groups(scorecard: Scorecard, rules: AlertRules) -> dict[str, float]:
    """The groups that count for a renewal, those the rule names or all, and the weight of each; none without a weight."""
    weights = dict.fromkeys(rules.renewal_near.groups or scorecard.groups, 0.0)
    for metric in scorecard.metrics.values():
        if metric.group in weights:
            weights[metric.group] += metric.weight
    return {group: weight for group, weight in weights.items() if weight > 0}


def _usage_back(grid: Grid, past: Past, rules: AlertRules) -> _Condition:
    """Use since the last snapshot after a silence that had lasted long enough by then; over when it is silent again."""
    rule = rules.usage_back
    if rule.metric == USAGE and USAGE not in past.rows:
        days = grid.of(past.rows["usage_days"].to_numpy(dtype=float))
    else:
        days = days_since_true(grid.of(past.rows[rule.metric].to_numpy(dtype=float)) > 0, grid)
    before = np.vstack([np.full((1, days.shape[1]), np.nan), days[:-1]])
    gap = np.append([0], np.diff(grid.days.astype("datetime64[D]").astype(int)))
    back = (before >= rule.after_silent_days) & (days < gap[:, None])
    holds = latched(back, days < rule.after_silent_days, grid.present)
    return _Condition("usage_back", holds, np.zeros(days.shape), before, days)


def _episodes(grid: Grid, condition: _Condition) -> pd.DataFrame:
    """The stretches of days over which a condition held without a change of `what`, one row each."""
    holds = condition.holds & grid.present
    same = np.zeros(holds.shape, dtype=bool)
    same[1:] = holds[1:] & holds[:-1] & (condition.what[1:] == condition.what[:-1])
    t, account = np.nonzero(holds & ~same)
    # The day on which a stretch no longer goes on: the first later day without `same`.
    number = np.arange(len(holds))[:, None]
    breaks = np.where(same, len(holds), number)
    following = np.minimum.accumulate(np.vstack([breaks[1:], np.full((1, holds.shape[1]), len(holds))])[::-1], axis=0)[::-1]
    stop, days = following[t, account], np.append(grid.days.astype("datetime64[s]"), np.datetime64("NaT", "s"))
    compared = np.full(len(t), -1) if condition.compared is None else condition.compared[t, account]
    return pd.DataFrame({
        "account_id": grid.accounts.to_numpy()[account], "kind": condition.kind, "what": condition.what[t, account],
        "since": days[t], "ended": days[stop], "row": grid.row[t, account], "compared": days[compared],
        "before": condition.before[t, account], "now": condition.now[t, account],
    })  # fmt: skip


def _once(episodes: pd.DataFrame, listed_days: int) -> pd.DataFrame:
    """Stretches as alerts: one that begins at most `listed_days` after the same alert was raised goes on with it."""
    order = {kind: place for place, kind in enumerate(KINDS)}
    rows = episodes.assign(_order=episodes["kind"].map(order)).sort_values(
        ["since", "_order", "account_id"], kind="stable", ignore_index=True
    )
    raised: dict[tuple[str, str, float], int] = {}
    since, belongs = rows["since"].to_numpy().astype("datetime64[D]").astype(int), np.arange(len(rows))
    for i, key in enumerate(zip(rows["account_id"], rows["kind"], rows["what"], strict=True)):
        first = raised.get(key)
        if first is not None and since[i] - since[first] <= listed_days:
            belongs[i] = first
        else:
            raised[key] = i
    ended = rows["ended"].to_numpy().copy()
    ended[belongs] = rows["ended"].to_numpy()
    return rows.assign(ended=ended)[belongs == np.arange(len(rows))].reset_index(drop=True)[list(RAISED)]
