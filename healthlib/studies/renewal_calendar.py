"""The renewals of the next twelve months: accounts and ARR by band each month, what may be lost of them, and the largest by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

MONTHS = 12
NAMED = 3
"""Accounts named for each month, the largest ARR first."""
COLUMNS = ("period", "band", "accounts", "arr", "lost", "low", "high")
NAME_COLUMNS = ("period", "account_id", "name", "band", "arr", "term_ends")


def _none(columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))


@dataclass(frozen=True)
class Calendar:
    """What comes up for renewal, month by month.

    Attributes
    ----------
    months : `COLUMNS`, a row per month and band and one "all"; lost is the ARR expected to be lost, with its 95 % prediction interval, of
        "all" alone and NaN where nothing can be said
    largest : `NAME_COLUMNS` of the largest of each month
    later, endless : accounts and ARR whose term ends after these months, and whose contract has no end
    """

    months: pd.DataFrame = field(default_factory=lambda: _none(COLUMNS))
    largest: pd.DataFrame = field(default_factory=lambda: _none(NAME_COLUMNS))
    later: tuple[int, float] = (0, 0.0)
    endless: tuple[int, float] = (0, 0.0)


def calendar(rows: pd.DataFrame, bands: Sequence[str], as_of: pd.Timestamp, ahead: pd.DataFrame) -> Calendar:
    """The calendar of one day.

    Parameters
    ----------
    rows : the scored snapshot: account_id, name, arr, term_ends, band as shown
    ahead : of `forecast.ForecastFacts`: what is expected to renew of the terms that end in each month

    Returns
    -------
    Calendar whose months are empty where no contract has an end
    """
    open_ = rows[rows["term_ends"] > as_of]
    without = rows[rows["term_ends"].isna()]
    endless = (len(without), float(without["arr"].sum()))
    if open_.empty:
        return Calendar(endless=endless)
    first = as_of.to_period("M") + (1 if as_of.is_month_end else 0)
    month = open_["term_ends"].dt.to_period("M")
    inside = open_.assign(period=month.astype(str))[month < first + MONTHS]
    past = open_[month >= first + MONTHS]
    names = inside.sort_values(["period", "arr", "account_id"], ascending=[True, False, True]).groupby("period").head(NAMED)
    return Calendar(
        months=_months(inside, [str(first + k) for k in range(MONTHS)], bands, ahead),
        largest=names.reset_index(drop=True)[list(NAME_COLUMNS)],
        later=(len(past), float(past["arr"].sum())),
        endless=endless,
    )


def _months(inside: pd.DataFrame, periods: list[str], bands: Sequence[str], ahead: pd.DataFrame) -> pd.DataFrame:
    """A row per month and band, and what may be lost of each month."""
    grid = pd.MultiIndex.from_product([periods, list(bands)], names=["period", "band"])
    by_band = inside.groupby(["period", "band"])["arr"].agg(accounts="size", arr="sum").reindex(grid, fill_value=0).reset_index()
    whole = by_band.groupby("period", sort=False)[["accounts", "arr"]].sum().reset_index().assign(band="all")
    told = ahead[(ahead["kind"] == "month") & (ahead["band"] == "all")].astype({"arr": float})
    told = told.assign(lost=told["arr"] - told["expected"], less=told["arr"] - told["high"], more=told["arr"] - told["low"])
    told = told[["period", "lost", "less", "more"]].rename(columns={"less": "low", "more": "high"})
    whole = whole.merge(told, "left", "period")
    whole.loc[whole["accounts"] == 0, ["lost", "low", "high"]] = float("nan")
    table = pd.concat([by_band, whole], ignore_index=True).reindex(columns=list(COLUMNS))
    order = {band: place for place, band in enumerate([*bands, "all"])}
    table = table.assign(place=table["band"].map(order)).sort_values(["period", "place"], ignore_index=True)
    return table[list(COLUMNS)].astype({"accounts": "int64", "arr": float, "lost": float, "low": float, "high": float})
