"""Do bands hold still: moves between bands by month and quarter, changes taken back, and what a margin at every threshold would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.palette import UNSCORED
from healthlib.resample import account_weights, by_account, percentile, rate, rates
from healthlib.studies.alert_states import Floats, Grid, held_bands
from healthlib.studies.spells import Ends, ends_of, first_and_lasting

MOVE_COLUMNS = (
    "span", "band", "to", "accounts", "share", "low", "high", "arr", "arr_share", "arr_low", "arr_high", "from_accounts", "from_arr",
)  # fmt: skip
FLAP_COLUMNS = (
    "grouping", "group", "account_months", "accounts", "changed", "low", "high", "arr_changed", "arr_low", "arr_high", "changes", "flapped",
    "flapped_low", "flapped_high",
)  # fmt: skip
MARGIN_COLUMNS = (
    "margin", "changed", "changed_low", "changed_high", "flapped", "flapped_low", "flapped_high", "red", "red_low", "red_high",
    "caught", "caught_low", "caught_high", "arr_caught", "arr_caught_low", "arr_caught_high", "ever", "ended", "delay", "delay_low",
    "delay_high", "delayed", "never",
)  # fmt: skip

LEFT = "left"
"""Where an account is that is no customer a step later."""
MONTHS = 12
MARGINS = tuple(range(11))
"""Points by which a score must pass a threshold before the band changes."""
AHEAD_DAYS = 30
"""An end counts as caught where the last snapshot so many days before it, or earlier, was in the lowest band."""
FEWEST_ACCOUNTS = 10
"""Groups of fewer accounts are pooled."""


@dataclass(frozen=True)
class Months:
    """Scores month by month.

    Attributes
    ----------
    grid : of `rows`, see `alert_states.grid_of`
    rows : account_id, as_of, arr and attributes, a row a snapshot
    score, rank : days x accounts; rank is the number of the band, -1 unscored, NaN no customer
    forced : whether a gate capped the score
    edges : start of each band
    names : of the bands, worst first
    """

    grid: Grid
    rows: pd.DataFrame
    score: Floats
    rank: Floats
    forced: NDArray[np.bool_]
    edges: Floats
    names: tuple[str, ...]


def moves(months: Months, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Where accounts stood a month, and a quarter, later: pooled over the last `MONTHS` months.

    Returns
    -------
    DataFrame `MOVE_COLUMNS`, span month or quarter, a row a band and where it led to (bands, unscored, `LEFT`): account-steps, share of
    those that began in the band with 95 % interval, ARR at the beginning and its share. Empty with one month-end.
    """
    last = len(months.grid.days) - 1
    first = max(0, last - MONTHS)
    parts = []
    for span, step in (("month", 1), ("quarter", 3)):
        starts = np.arange(last - step, first - 1, -step)
        if len(starts):
            parts.append(_moves(months, starts, step, (replicates, seed)).assign(span=span))
    return pd.concat(parts, ignore_index=True)[list(MOVE_COLUMNS)] if parts else pd.DataFrame(columns=list(MOVE_COLUMNS))


def _moves(months: Months, starts: NDArray[np.intp], step: int, again: tuple[int, int]) -> pd.DataFrame:
    """The moves of one span."""
    states = [*months.names, UNSCORED, LEFT]
    here, there = months.rank[starts], months.rank[starts + step]
    at, account = np.nonzero(~np.isnan(here))
    begin, end = (_state(values[at, account], len(months.names)) for values in (here, there))
    arr = np.nan_to_num(months.rows["arr"].to_numpy(dtype=float)[months.grid.row[starts][at, account]])
    codes, counts = account_weights(account.astype(str), *again)
    parts = []
    for number, name in enumerate(states):
        found = [rates(end == number, codes, counts, groups=begin, case_weight=weight) for weight in (None, arr)]
        size = len(found[0]["value"])
        parts.append(pd.DataFrame({
            "band": states[:size], "to": name, "accounts": found[0]["weight_happened"], "share": found[0]["value"],
            "low": found[0]["low"], "high": found[0]["high"], "arr": found[1]["weight_happened"], "arr_share": found[1]["value"],
            "arr_low": found[1]["low"], "arr_high": found[1]["high"], "from_accounts": found[0]["weight"], "from_arr": found[1]["weight"],
            "place": np.arange(size),
        }))  # fmt: skip
    table = pd.concat(parts).sort_values("place", kind="stable")
    return table[table["from_accounts"] > 0].astype({"accounts": int, "from_accounts": int}).reset_index(drop=True)


def _state(rank: Floats, bands: int) -> NDArray[np.intp]:
    """Number of the state: a band, then unscored, then left."""
    return np.where(np.isnan(rank), bands + 1, np.where(rank < 0, bands, rank)).astype(np.intp)


def steps(held: Floats) -> tuple[NDArray[np.bool_], ...]:
    """Changes of band and changes taken back, on a grid of held bands (NaN where there is none).

    Returns
    -------
    known, changed, decided, back : days x accounts: scored now and a month ago; another band than then; changed and scored a month
        later; of those, back in the earlier band
    """
    before, after = np.full(held.shape, np.nan), np.full(held.shape, np.nan)
    before[1:], after[:-1] = held[:-1], held[1:]
    known = ~np.isnan(held) & ~np.isnan(before)
    changed = known & (held != before)
    decided = changed & ~np.isnan(after)
    return known, changed, decided, decided & (after == before)


def by_segment(months: Months, groupings: Mapping[str, pd.Series], *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """How often bands change from month to month and how often a change is taken back, by group, over the last `MONTHS` months.

    Parameters
    ----------
    groupings : name -> label of each row of `months.rows`, as known then; groups of fewer than `FEWEST_ACCOUNTS` accounts are pooled

    Returns
    -------
    DataFrame `FLAP_COLUMNS`: first a row "all", then groups; `changed` is the share of account-months, `flapped` of the changes
    """
    since = max(0, len(months.grid.days) - 1 - MONTHS)
    held = np.where(months.rank >= 0, months.rank, np.nan)[since:]
    known, changed, decided, back = steps(held)
    at, account = np.nonzero(known)
    row = months.grid.row[since:][at, account]
    arr = np.nan_to_num(months.rows["arr"].to_numpy(dtype=float)[row])
    draws = account_weights(account.astype(str), replicates, seed)
    events = (changed[at, account], decided[at, account], back[at, account], arr)
    parts = [_flaps(np.zeros(len(at), dtype=np.intp), ["all"], events, draws).assign(grouping="all")]
    for name, labels in groupings.items():
        text = labels.astype("object").to_numpy()[row]
        text = pd.Series(np.where(pd.isna(text), "not known", text).astype(str))
        small = pd.Series(account).groupby(text.to_numpy()).nunique().pipe(lambda n: n.index[n < FEWEST_ACCOUNTS])
        place, names = pd.factorize(text.where(~text.isin(small), "all smaller groups") if len(small) > 1 else text, sort=True)
        if len(names) > 1:
            parts.append(_flaps(place, list(names), events, draws).assign(grouping=name))
    return pd.concat(parts, ignore_index=True)[list(FLAP_COLUMNS)]


def _flaps(place: NDArray[np.intp], names: list[str], events: tuple[Any, ...], draws: tuple[Any, Any]) -> pd.DataFrame:
    changed, decided, back, arr = events
    codes, counts = draws
    count, money = (rates(changed, codes, counts, groups=place, case_weight=weight) for weight in (None, arr))
    again = rates(back[decided], codes[decided], counts, groups=place[decided])
    missing = len(count["value"]) - len(again["value"])
    padded = {key: np.concatenate([again[key], np.full(missing, np.nan)]) for key in ("value", "low", "high")}
    return pd.DataFrame({
        "group": names[: len(count["value"])], "account_months": count["weight"].astype(int), "accounts": count["accounts"].astype(int),
        "changed": count["value"], "low": count["low"], "high": count["high"],
        "arr_changed": money["value"], "arr_low": money["low"], "arr_high": money["high"], "changes": count["events"].astype(int),
        "flapped": padded["value"], "flapped_low": padded["low"], "flapped_high": padded["high"],
    })  # fmt: skip


def margins(months: Months, churned: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """What bands with a margin would have done: an account leaves its band only when the score passes the threshold by so many points.

    Parameters
    ----------
    churned : account_id, ended_on, arr

    Returns
    -------
    DataFrame `MARGIN_COLUMNS`, a row for each of `MARGINS`, over all of history: `changed` share of account-months, `flapped` of the
    changes taken back a month later, `red` share of account-months in the lowest band, `caught` share of the ends whose last snapshot
    `AHEAD_DAYS` before or earlier was in it (`arr_caught` of their ARR), `ever` ends with any such snapshot within a year; `delay`
    mean days from the first of those without a margin to the first on that day or after with it, of the `delayed` ends that have both;
    `never` ends that have one without a margin and none from then on with it
    """
    scored, found = months.rank >= 0, ends_of(churned, months.rows)
    at, account = np.nonzero(months.grid.present)
    row = months.grid.row[at, account]
    draws = account_weights(np.arange(scored.shape[1]).astype(str), replicates, seed)
    plain: pd.Series | None = None
    table = []
    for margin in MARGINS:
        held = held_bands(months.score, months.rank, months.forced, months.edges, float(margin))
        shown = np.where(scored, held, np.nan)
        band = np.empty(len(months.rows), dtype=np.intp)
        band[row] = np.nan_to_num(shown[at, account], nan=-1.0).astype(np.intp)
        place = band[found.before["row"].to_numpy()]
        plain = first_and_lasting(found, place == 0)[0] if plain is None else plain
        told = _ends_caught(found, place, plain, (replicates, seed))
        table.append({"margin": margin, **_moved(shown, draws), **told})
    return pd.DataFrame(table, columns=list(MARGIN_COLUMNS))


def _moved(held: Floats, draws: tuple[NDArray[np.intp], NDArray[Any]]) -> dict[str, float]:
    """Changes, changes taken back, and the share of account-months in the lowest band; `draws` are of the columns of the grid."""
    known, changed, decided, back = steps(held)
    result: dict[str, float] = {}
    for name, base, happened in (("changed", known, changed), ("flapped", decided, back), ("red", ~np.isnan(held), held == 0)):
        found = rate(happened[base], draws[0][np.nonzero(base)[1]], draws[1])
        result |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return result


def _ends_caught(found: Ends, place: NDArray[np.intp], plain: pd.Series, again: tuple[int, int]) -> dict[str, float]:
    """What the lowest band held of those that left, and how much later it did than on the day `plain` before each end."""
    ends, before = found.ends, found.before.assign(place=place)
    red_since = before["days"].where((place == 0) & (before["days"] <= before["end"].map(plain)))
    first = red_since.groupby(before["end"]).max().reindex(ends.index)
    ahead = before[before["days"] >= AHEAD_DAYS].drop_duplicates("end").set_index("end")["place"].reindex(ends.index)
    codes, counts = account_weights(ends["account_id"], *again)
    red, arr = (ahead == 0).to_numpy(), np.nan_to_num(ends["arr"].to_numpy(dtype=float))
    result: dict[str, float] = {"ended": len(ends), "ever": int(before.loc[place == 0, "end"].nunique())}
    for prefix, weight in (("", np.ones(len(ends))), ("arr_", arr)):
        share = rate(red, codes, counts, case_weight=weight) if weight.sum() > 0 else None
        for name, key in (("caught", "value"), ("caught_low", "low"), ("caught_high", "high")):
            result[f"{prefix}{name}"] = getattr(share, key) if share else np.nan
    later = (plain - first).to_numpy(dtype=float)
    both = np.isfinite(later)
    sums = by_account(
        np.tile(codes[both], 2), np.r_[later[both], np.ones(both.sum())], groups=np.repeat([0, 1], both.sum()), shape=(2, len(counts))
    )
    drawn = sums @ counts.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = percentile(float(later[both].mean()) if both.any() else np.nan, drawn[0] / drawn[1])
    lost = plain.notna() & first.isna()
    return result | {
        "delay": mean.value,
        "delay_low": mean.low,
        "delay_high": mean.high,
        "delayed": int(both.sum()),
        "never": int(lost.sum()),
    }
