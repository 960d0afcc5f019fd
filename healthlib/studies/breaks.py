"""Gaps and sudden jumps in how many rows a table receives, told apart from the growth of the book and from chance.

*Gap*: the silent stretches between days with rows follow a gamma law fitted to the table's own stretches (a renewal process; Cox 1962),
the longest hundredth left out, so that the gap looked for does not teach what is usual. A stretch that this law would give less than once
in a thousand tables, of at least `FEWEST_DAYS` days, and that misses more rows than chance would (Poisson), is a gap. Time is counted in
days or in account-days, whichever is the steadier: a table that people fill grows with the book, one that a job fills does not.

*Jump*: rows per active account, by week or by month on a logarithmic scale, and at least half as large in the rows themselves: neither
the growth of the book nor a book that outgrows a table is a jump. A level shift is a difference of medians of `WINDOW` periods before and
after, of at least two thirds more or two fifths less, and beyond 4.5 standard errors of such a difference; a spike or a dip is one period
double or half its neighbours' median, beyond six times the usual scatter and beyond Poisson chance. Medians and the median absolute
deviation (times 1.4826; Rousseeuw & Croux 1993, doi:10.1080/01621459.1993.10476408) are not moved by what is looked for.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

ALPHA = 0.001
"""Chance that a sound table shows a gap."""
FEWEST_DAYS = 7
"""Silent days below which nothing is a gap: weekends and holidays."""
FEWEST_STRETCHES = 30
"""Stretches from which a table's own rhythm can be told."""
WINDOW = {"week": 8, "month": 4}
"""Periods on either side of a level shift."""
LEAST_SHIFT, LEAST_SPIKE = float(np.log(5 / 3)), float(np.log(2.0))
SHIFT_ERRORS, SPIKE_ERRORS = 4.5, 6.0
WEEKLY_ROWS = 20
"""Rows a week (median) from which a table is looked at by week."""
FEWEST_ROWS = 5
"""Rows a period (median) below which jumps cannot be told from chance."""
FEWEST_ACTIVE = 10
"""Active accounts below which one account's habits are the volume."""

BREAK_COLUMNS = ("table", "kind", "starts", "ends", "days", "size", "rows")
PERIOD_COLUMNS = ("table", "unit", "period", "ends", "rows", "active", "per_account", "whole", "judged")


def find_breaks(daily: pd.DataFrame, active: pd.DataFrame, known: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Gaps and jumps of every table, and the volume they were found in.

    Parameters
    ----------
    daily : table, day, rows, from `provenance.daily_rows`
    active : day, active, from `provenance.active_by_day`
    known : table -> the last day by which its rows are expected to be there (the day itself, less the table's delay)

    Returns
    -------
    breaks : DataFrame `BREAK_COLUMNS`: kind (gap, stopped: silent up to the end, up, down, spike, dip), starts, ends (the last day, or for
        a shift the first day of the new level), days, size (rows per account after / before; 0 for a gap), rows (missing or above)
    volumes : DataFrame `PERIOD_COLUMNS`: rows per week or month, accounts active on average, rows per active account, whether the
        period lies wholly between the first row and `known`, and whether jumps could be judged in this table
    """
    gaps, jumps, volumes = [], [], []
    for name, rows in daily.groupby("table", sort=False):
        through = pd.Timestamp(known[str(name)])
        silent = find_gaps(rows, active, through)
        volume = by_period(rows, active, through)
        gaps.append(silent.assign(table=name))
        jumps.append(find_jumps(volume, silent).assign(table=name))
        volumes.append(volume.assign(table=name, judged=_can_judge(volume)))
    if not volumes:
        return _nothing(), pd.DataFrame(columns=list(PERIOD_COLUMNS))
    found = pd.concat([*gaps, *jumps], ignore_index=True)
    dates = {"starts": "datetime64[s]", "ends": "datetime64[s]"}
    found = found.astype(dates).sort_values(["table", "starts", "kind"], kind="stable", ignore_index=True)
    return found[list(BREAK_COLUMNS)], pd.concat(volumes, ignore_index=True)[list(PERIOD_COLUMNS)]


def _nothing() -> pd.DataFrame:
    frame = pd.DataFrame({name: pd.Series(dtype="float64") for name in BREAK_COLUMNS})
    return frame.astype({"table": object, "kind": object, "starts": "datetime64[s]", "ends": "datetime64[s]"})


def find_gaps(rows: pd.DataFrame, active: pd.DataFrame, through: pd.Timestamp) -> pd.DataFrame:
    """Silent stretches too long to be chance, of one table.

    Parameters
    ----------
    rows : day, rows of one table
    active : day, active
    through : the last day by which rows are expected to be there
    """
    days = rows.loc[rows["day"] <= through, "day"].sort_values()
    if len(days) <= FEWEST_STRETCHES or active.empty:
        return _nothing()
    spent = active.set_index("day")["active"].cumsum()
    edges = pd.DatetimeIndex([*days, through + pd.Timedelta(days=1)])
    scales = [(edges - edges[0]).days.to_numpy(float), np.interp(_number(edges), _number(spent.index), spent.to_numpy())]
    lengths = min((np.diff(scale) for scale in scales), key=lambda each: _spread(each[:-1]))
    long = lengths > _longest_usual(lengths[:-1])
    silent = np.diff((edges - edges[0]).days.to_numpy(float)) - 1
    usual = float(np.median(np.diff(edges[:-1].to_numpy()).astype("timedelta64[D]").astype(float)))
    missing = silent * _rates(rows, edges, scales[1])
    chance = np.log(len(lengths) / ALPHA)  # a Poisson count with this mean is 0 with chance ALPHA / stretches
    hits = np.flatnonzero(long & (silent >= max(FEWEST_DAYS, 0.9 * usual)) & (missing >= chance))
    found = [
        {
            "kind": "stopped" if i == len(lengths) - 1 else "gap",
            "starts": edges[i] + pd.Timedelta(days=1),
            "ends": edges[i] + pd.Timedelta(days=int(silent[i])),
            "days": silent[i],
            "size": 0.0,
            "rows": -missing[i],
        }
        for i in hits
    ]
    return pd.concat([_nothing(), pd.DataFrame(found)], ignore_index=True) if found else _nothing()


def _number(days: pd.Index) -> NDArray[np.float64]:
    return pd.DatetimeIndex(days).as_unit("s").asi8 / 86400.0


def _kept(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """All but the longest hundredth, at least one."""
    return np.sort(lengths)[: len(lengths) - max(1, len(lengths) // 100)]


def _spread(lengths: NDArray[np.float64]) -> float:
    """Coefficient of variation of the stretches, without the longest hundredth."""
    usual = _kept(lengths)
    return float(usual.std() / usual.mean()) if usual.mean() > 0 else float("inf")


def _longest_usual(lengths: NDArray[np.float64]) -> float:
    """The length that the longest of as many stretches passes with chance `ALPHA`, by a gamma law with their mean and variance."""
    usual = _kept(lengths)
    shape = 1 / max(_spread(lengths), 0.05) ** 2
    return float(stats.gamma.ppf(1 - ALPHA / len(lengths), shape, scale=usual.mean() / shape))


def _rates(rows: pd.DataFrame, edges: pd.DatetimeIndex, spent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows a day that each stretch would have brought: by those per account-day of the 60 days around it, or of all days if less."""
    days, many = _number(pd.DatetimeIndex(rows["day"])), rows["rows"].to_numpy(float)
    order = np.argsort(days)
    days, total = days[order], np.concatenate([[0.0], np.cumsum(many[order])])
    ends = _number(edges)
    low, high = np.maximum(ends[:-1] - 59, ends[0]), np.minimum(ends[1:] + 59, ends[-1])
    near = total[np.searchsorted(days, high, side="right")] - total[np.searchsorted(days, low, side="left")]
    worked = np.interp(high, ends, spent) - np.interp(low, ends, spent) - np.diff(spent)
    per_account = np.minimum(near / np.maximum(worked, 1.0), total[-1] / max(spent[-1] - spent[0], 1.0))
    return per_account * np.diff(spent) / np.diff(ends)


def by_period(rows: pd.DataFrame, active: pd.DataFrame, through: pd.Timestamp) -> pd.DataFrame:
    """One table's rows by week where it is dense enough, else by month, beside the accounts active then."""
    days = pd.date_range(rows["day"].min(), rows["day"].max(), freq="D")
    many = rows.set_index("day")["rows"].reindex(days, fill_value=0).astype(float)
    there = active.set_index("day")["active"].reindex(days, fill_value=0.0) if len(active) else pd.Series(0.0, index=days)
    weekly = many.resample("7D").sum()
    dense = len(weekly) >= 3 * WINDOW["week"] and weekly.median() >= WEEKLY_ROWS and (weekly > 0).mean() >= 0.8
    grid = "W-SUN" if dense else "ME"
    frame = pd.DataFrame({"rows": many.resample(grid).sum(), "active": there.resample(grid).mean()})
    ends = pd.DatetimeIndex(frame.index)
    starts = ends - pd.Timedelta(days=6) if dense else ends.to_period("M").start_time
    frame = frame.reset_index(drop=True).assign(unit="week" if dense else "month", period=starts, ends=ends)
    frame["per_account"] = frame["rows"] / frame["active"].where(frame["active"] > 0)
    frame["whole"] = (frame["period"] >= days[0] - pd.Timedelta(days=6 if not dense else 0)) & (frame["ends"] <= through)
    return frame.astype({"period": "datetime64[s]", "ends": "datetime64[s]"})


def _usable(volume: pd.DataFrame) -> pd.DataFrame:
    return volume[volume["whole"] & (volume["active"] >= FEWEST_ACTIVE)]


def _can_judge(volume: pd.DataFrame) -> bool:
    use = _usable(volume)
    return bool(len(use) >= 3 * WINDOW[str(volume["unit"].iloc[0])] and use["rows"].median() >= FEWEST_ROWS)


def find_jumps(volume: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """Level shifts, spikes and dips of one table.

    Parameters
    ----------
    volume : from `by_period`
    gaps : from `find_gaps`; periods that a gap touches are left out, or its edges would be jumps
    """
    use = _usable(volume)
    for gap in gaps.itertuples():
        use = use[(use["ends"] < gap.starts) | (use["period"] > gap.ends)]
    if not _can_judge(volume) or len(use) < 3 * WINDOW[str(volume["unit"].iloc[0])]:
        return _nothing()
    use, width = use.reset_index(drop=True), WINDOW[str(volume["unit"].iloc[0])]
    level = np.log((use["rows"].to_numpy(float) + 0.5) / use["active"].to_numpy(float))
    usual = _neighbours(level, width)
    scatter = 1.4826 * float(np.median(np.abs(level - usual)))
    chance = 1 / np.maximum(np.exp(usual) * use["active"].to_numpy(float), 0.5)
    # few accounts make a period's volume as uncertain as few rows do
    few = np.maximum(1, use["active"].median() / use["active"].to_numpy(float))
    error = np.sqrt(np.maximum(np.maximum(scatter, 0.02) ** 2 * few, chance))
    raw = np.log(use["rows"].to_numpy(float) + 0.5)
    shifts = _shifts(level, raw, error, width)
    rows = [_shift(use, level, place, width) for place in shifts]
    off, plain = level - usual, raw - _neighbours(raw, width)
    large = (np.abs(off) > np.maximum(LEAST_SPIKE, SPIKE_ERRORS * error)) & (np.sign(off) * plain >= LEAST_SPIKE / 2)
    odd = np.flatnonzero(large & (_tail(use, usual) < ALPHA / len(use)))
    rows += [_spike(use, level, usual, int(place)) for place in odd if all(abs(place - shift) > 1 for shift in shifts)]
    return pd.concat([_nothing(), pd.DataFrame(rows)], ignore_index=True) if rows else _nothing()


def _tail(use: pd.DataFrame, usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chance of so few or so many rows where the neighbours' level holds: with few rows a logarithm makes much of an empty month."""
    rows, mean = use["rows"].to_numpy(float), np.exp(usual) * use["active"].to_numpy(float)
    return np.minimum(stats.poisson.cdf(rows, mean), stats.poisson.sf(rows - 1, mean))


def _neighbours(level: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The median of up to `width` periods on either side, without the period itself."""
    places = np.arange(len(level))
    return np.array([np.median(level[(np.abs(places - i) <= width) & (places != i)]) for i in places])


def _shifts(level: NDArray[np.float64], raw: NDArray[np.float64], error: NDArray[np.float64], width: int) -> list[int]:
    """First periods of a new level, strongest first kept, none within `width` of a stronger one; in order."""
    places = np.arange(width, len(level) - width + 1)
    moved, plain = (np.array([np.median(each[i : i + width]) - np.median(each[i - width : i]) for i in places]) for each in (level, raw))
    # the median of n normal values has 1.2533 times the standard error of their mean
    errors = np.array([1.2533 * np.sqrt((error[i - width : i + width] ** 2).mean() * 2 / width) for i in places])
    strength = np.abs(moved) / np.maximum(LEAST_SHIFT, SHIFT_ERRORS * errors)
    strength = np.where(np.sign(moved) * plain >= LEAST_SHIFT / 2, strength, 0.0)
    found: list[int] = []
    for i in np.argsort(-strength, kind="stable"):
        if strength[i] <= 1:
            break
        if all(abs(places[i] - other) >= width for other in found):
            near = [j for j in range(places[i] - width // 2, places[i] + width // 2 + 1) if width <= j <= len(level) - width]
            steps = [np.sign(moved[i]) * (level[j : j + width].mean() - level[j - width : j].mean()) for j in near]
            found.append(int(near[int(np.argmax(steps))]))
    return sorted(found)


def _shift(use: pd.DataFrame, level: NDArray[np.float64], place: int, width: int) -> dict[str, object]:
    moved = float(np.median(level[place : place + width]) - np.median(level[place - width : place]))
    day = use["period"].iloc[place]
    extra = float(use["rows"].iloc[place : place + width].median()) * (1 - np.exp(-moved))
    return {"kind": "up" if moved > 0 else "down", "starts": day, "ends": day, "days": float("nan"), "size": np.exp(moved), "rows": extra}


def _spike(use: pd.DataFrame, level: NDArray[np.float64], usual: NDArray[np.float64], place: int) -> dict[str, object]:
    row, off = use.iloc[place], float(level[place] - usual[place])
    days = float((row["ends"] - row["period"]).days + 1)
    rows = float(row["rows"] + 0.5) * (1 - np.exp(-off))
    kind = "spike" if off > 0 else "dip"
    return {"kind": kind, "starts": row["period"], "ends": row["ends"], "days": days, "size": np.exp(off), "rows": rows}
