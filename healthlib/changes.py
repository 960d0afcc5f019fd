"""Why a score moved between two days: behaviour + data availability + configuration + override, summing exactly to the change.

The score shown is the measured score plus what a person's override adds or takes. So the override's part of a change is simply the change
of that addend. Of the measured score, three causes are left, and no order among them is natural: had the scorecard changed first, the
same behaviour would have counted differently. They share by Shapley's value, the average of each cause's effect over all orders
(Shapley 1953, doi:10.1515/9781400881970-018): exact, symmetric, and nothing for a cause that changed nothing.

``behaviour``      values of metrics measured on both days, and what the account is (segment, age: whatever picks its profile)
``data``           metrics that became measured or no longer are, stale ones included, at the one value there is
``configuration``  the scorecard: weights, scales, gates, metrics; 0 where no earlier scorecard is given
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.spec import Scorecard

Array = NDArray[np.float64]

CAUSES = ("behaviour", "data", "configuration", "override")
MEASURED = CAUSES[:3]
"""Causes of a change of the measured score."""

COLUMNS = ("account_id", "before", "now", "change", *CAUSES)
AVERAGE_COLUMNS = ("band", "n_before", "n_now", "n_stayed", "before", "now", "change", *CAUSES, "membership")


@dataclass(frozen=True)
class Changes:
    """What moved each score; every frame has one row an account active on both days, in the order of account_id.

    Attributes
    ----------
    frame : `COLUMNS`; before and now are the scores shown (with overrides). All NaN but the scores where either day has no score.
    points : cause of `MEASURED` -> a column a metric: its part of the cause. Over metrics they sum to the cause.
    seen : metric columns, text: "appeared", "vanished" or "" (measured on both days or on neither)
    """

    frame: pd.DataFrame
    points: Mapping[str, pd.DataFrame] = field(repr=False)
    seen: pd.DataFrame = field(repr=False)


def explain_change(now: pd.DataFrame, before: pd.DataFrame, scorecard: Scorecard, *, previous: Scorecard | None = None) -> Changes:
    """Split the change of every score between two days into its causes.

    A mixed state in which nothing of weight is measured keeps the earlier points. Where the measured score exists on one day only and
    an override fills the other, the measured points come or go as `data`.

    Parameters
    ----------
    now, before : snapshots of one day each: account_id, attributes, a column a metric, and `override` (NaN where none is in force;
        the column may be absent)
    scorecard, previous : that of now, and that of then (None: the same), with numbers as scale ends. A metric that only one of them has
        must be a column of both frames; one that is not counts as not measured.

    Returns
    -------
    Changes; `behaviour` + `data` + `configuration` + `override` = `change` to 1e-9
    """
    cards = (previous or scorecard, scorecard)
    names = list(dict.fromkeys([*cards[1].metrics, *cards[0].metrics]))
    both = sorted(set(now["account_id"]) & set(before["account_id"]))
    days = tuple(_aligned(frame, both, names) for frame in (before, now))
    ends = [scoring.score(card, day).frame["score"].to_numpy(float) for card, day in zip(cards, days, strict=True)]
    states = _states(days, cards, names, vary=previous is not None)
    parts = shapley(states, 3 if previous is not None else 2)
    split = dict(zip(MEASURED, [*parts, *[np.zeros_like(parts[0])] * (3 - len(parts))], strict=True))
    _one_sided(split, states, ends)
    frame = pd.DataFrame({"account_id": both, **_shown(days, ends)})
    frame["change"] = frame["now"] - frame["before"]
    for cause, values in split.items():
        frame[cause] = values.sum(axis=1)
    added = [np.where(np.isnan(day["override"]), 0.0, day["override"] - np.nan_to_num(end)) for day, end in zip(days, ends, strict=True)]
    frame["override"] = added[1] - added[0]
    frame.loc[frame["change"].isna(), list(CAUSES)] = np.nan
    measured = [day[names].notna().to_numpy() for day in days]
    seen = np.select([measured[1] & ~measured[0], measured[0] & ~measured[1]], ["appeared", "vanished"], "")
    points = {cause: pd.DataFrame(values, columns=names).where(frame["change"].notna(), np.nan) for cause, values in split.items()}
    return Changes(frame[list(COLUMNS)], points, pd.DataFrame(seen, columns=names))


def _aligned(frame: pd.DataFrame, accounts: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    rows = frame.set_index("account_id", drop=False).rename_axis(None).loc[list(accounts)].reset_index(drop=True)
    absent = [name for name in (*names, "override") if name not in rows]
    rows = rows.assign(**dict.fromkeys(absent, np.nan))
    return rows.astype(dict.fromkeys([*names, "override"], float))


def _shown(days: Sequence[pd.DataFrame], ends: Sequence[Array]) -> dict[str, Array]:
    """The scores shown: the override in force, else the measured score."""
    shown = [np.where(np.isnan(day["override"]), end, day["override"]) for day, end in zip(days, ends, strict=True)]
    return dict(zip(("before", "now"), shown, strict=True))


def _states(days: Sequence[pd.DataFrame], cards: Sequence[Scorecard], names: Sequence[str], *, vary: bool) -> dict[frozenset[int], Array]:
    """Points by metric in every mixture of then and now: the set holds the causes (by their place in `MEASURED`) that are as now."""
    result: dict[frozenset[int], Array] = {}
    free = tuple(card.model_copy(update={"min_coverage": 0.0}) for card in cards)
    start: Array | None = None
    for chosen in _subsets(3 if vary else 2):
        card = free[1 if 2 in chosen or not vary else 0]
        mixed = _mixed(days, names, 0 in chosen, 1 in chosen)
        points = scoring.score(card, mixed).points.reindex(columns=list(names))
        undefined = points.isna().all(axis=1).to_numpy()
        values = points.fillna(0.0).to_numpy()
        start = values if start is None else start
        result[chosen] = np.where(undefined[:, None], start, values)
    return result


def _mixed(days: Sequence[pd.DataFrame], names: Sequence[str], behaviour: bool, data: bool) -> pd.DataFrame:
    """The accounts as they were on one day, measured as far as on the other; a value there is on one day only is taken from it."""
    own, other = days[int(behaviour)][list(names)], days[int(not behaviour)][list(names)]
    measured = days[int(data)][list(names)].notna()
    return days[int(behaviour)].assign(**{str(name): column for name, column in own.fillna(other).where(measured).items()})


def _subsets(players: int) -> list[frozenset[int]]:
    return [frozenset(chosen) for size in range(players + 1) for chosen in combinations(range(players), size)]


def shapley(states: Mapping[frozenset[int], Array], players: int) -> list[Array]:
    """Each player's average effect over all orders of joining, from the value of every subset.

    sum over S without i of |S|! (n - |S| - 1)! / n! * (v(S + i) - v(S)); over players it sums to v(all) - v(none).

    >>> worth = {(): 0, (0,): 10, (1,): 4, (0, 1): 20}
    >>> [float(part) for part in shapley({frozenset(who): np.array(value) for who, value in worth.items()}, 2)]
    [13.0, 7.0]
    """
    parts = []
    for player in range(players):
        total = np.zeros_like(states[frozenset()], dtype=float)
        for chosen in (s for s in _subsets(players) if player not in s):
            share = factorial(len(chosen)) * factorial(players - len(chosen) - 1) / factorial(players)
            total = total + share * (states[chosen | {player}] - states[chosen])
        parts.append(total)
    return parts


def _one_sided(split: dict[str, Array], states: Mapping[frozenset[int], Array], ends: Sequence[Array]) -> None:
    """Where a day has no measured score its points are none: all of the change is that data came or went. In place."""
    first, last = states[frozenset()], states[max(states, key=len)]
    gone = np.isnan(ends[0]) | np.isnan(ends[1])
    for values in split.values():
        values[gone] = 0.0
    came = np.where(np.isnan(ends[1])[:, None], 0.0, last) - np.where(np.isnan(ends[0])[:, None], 0.0, first)
    split["data"][gone] = came[gone]


def averages(changes: Changes, now: pd.DataFrame, before: pd.DataFrame, bands: Sequence[str], *, money: bool = False) -> pd.DataFrame:
    """Which causes moved the average score of each band and of the whole book.

    The causes are averaged over the accounts that were in the band on both days; what other accounts did to its average by coming,
    leaving, or changing band (with `money` also by changing their ARR) is `membership`.

    Parameters
    ----------
    now, before : scored snapshots: account_id, score, band, arr
    bands : bands to list, then a last row `all` for every scored account
    money : average weighted by ARR

    Returns
    -------
    DataFrame with `AVERAGE_COLUMNS`; change = the four causes + membership; NaN where the band was empty on either day
    """
    scored = [frame[frame["score"].notna()] for frame in (before, now)]
    rows = []
    for band in (*bands, "all"):
        then, today = (frame if band == "all" else frame[frame["band"] == band] for frame in scored)
        weights = [frame["arr"].to_numpy(float) if money else np.ones(len(frame)) for frame in (then, today)]
        means = [_mean(frame["score"].to_numpy(float), weight) for frame, weight in zip((then, today), weights, strict=True)]
        stayed = today[today["account_id"].isin(then["account_id"])]
        causes = changes.frame.set_index("account_id").reindex(stayed["account_id"])[list(CAUSES)].to_numpy(float)
        weight = stayed["arr"].to_numpy(float) if money else np.ones(len(stayed))
        moved = [_mean(causes[:, k], weight) if len(stayed) else 0.0 for k in range(len(CAUSES))]
        change = means[1] - means[0]
        membership = change - sum(moved)
        moved = moved if np.isfinite(change) else [np.nan] * len(CAUSES)
        rows.append((band, len(then), len(today), len(stayed), *means, change, *moved, membership))
    return pd.DataFrame(rows, columns=list(AVERAGE_COLUMNS))


def _mean(values: Array, weights: Array) -> float:
    total = weights.sum()
    return float(values @ weights / total) if total > 0 else float("nan")


def told(changes: Changes, now: pd.DataFrame, before: pd.DataFrame, scorecard: Scorecard, *, count: int = 3) -> pd.Series:
    """What moved each score most, down and up, in words with the values of both days; by account_id, "" where nothing moved half a point.

    >>> from healthlib.spec import Band, Measure, Metric, Scorecard
    >>> seats = Metric(name="seats", group="g", label="Seats", measure=Measure(kind="count"), worst=0, best=10, weight=1)
    >>> card = Scorecard(groups=("g",), metrics={"seats": seats}, bands=(Band(name="all", start=0),))
    >>> days = [pd.DataFrame({"account_id": ["a"], "as_of": "x", "seats": [value]}) for value in (8.0, 5.0)]
    >>> told(explain_change(days[1], days[0], card), days[1], days[0], card)["a"]
    'down: Seats 8 to 5 (-30.0)'
    """
    names = [name for name in scorecard.metrics if name in changes.seen]
    accounts = changes.frame["account_id"].tolist()
    total = sum(changes.points[cause][names].to_numpy() for cause in MEASURED)
    values = [frame.set_index("account_id").loc[accounts].reindex(columns=names).to_numpy(float) for frame in (before, now)]
    texts = []
    for i, moved in enumerate(np.nan_to_num(np.asarray(total, dtype=float))):
        order = np.argsort(moved, kind="stable")
        sides = {"down": [j for j in order if moved[j] <= -0.5], "up": [j for j in order[::-1] if moved[j] >= 0.5]}
        said = {
            side: ", ".join(_said(scorecard.metrics[names[j]].label, values[0][i, j], values[1][i, j], moved[j]) for j in chosen[:count])
            for side, chosen in sides.items()
        }
        texts.append("; ".join(f"{side}: {words}" for side, words in said.items() if words))
    return pd.Series(texts, index=accounts, dtype="object")


def _said(label: str, was: float, value: float, by: float) -> str:
    """One metric's move: what it was, what it is, and the points it made."""
    if np.isnan(was) and np.isnan(value):
        return f"{label} not measured ({by:+.1f})"
    if np.isnan(was) or np.isnan(value):
        known, verb = (value, "newly measured at") if np.isnan(was) else (was, "no longer measured, was")
        return f"{label} {verb} {_plain(known)} ({by:+.1f})"
    moved = _plain(value) if _plain(was) == _plain(value) else f"{_plain(was)} to {_plain(value)}"
    return f"{label} {moved} ({by:+.1f})"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.3g}"
