"""What became of the accounts that were in the worst band a quarter ago, beside all others of that day."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from healthlib import resample

CHURNED, CONTRACTED, RENEWED, COMPLETED, LATE, OPEN = FATES = ("churned", "contracted", "renewed", "completed", "late", "open")
"""What may have become of an account; each has exactly one. `completed`: it is no customer, and its last term was said to be kept (a course
completed, say); `late`: its cover has ended and may still be signed within the grace; `open`: no term of it has come to its end yet."""
RECOVERED = "recovered"
"""A customer today, in a better band than the worst: of whichever fate."""
LISTS = ("red", "others")
COLUMNS = (
    "account_id", "name", "segment", "csm", "arr_then", "score_then", "term_ends", "fate", "on", "reason", "arr_now", "score_now",
    "band_now", "recovered",
)  # fmt: skip
FATE_COLUMNS = (
    "list", "fate", "accounts", "arr", "of", "arr_of", "rate", "low", "high", "arr_rate", "arr_low", "arr_high", "arr_now", "recovered",
    "arr_recovered",
)  # fmt: skip

LEFT = "left"
"""Where an account stands today besides a band, `COMPLETED` and `LATE`: it has left."""
PLACE_COLUMNS = ("list", "place", "accounts", "arr")


@dataclass(frozen=True)
class RedList:
    """The red list of the quarter's start and what became of it.

    Attributes
    ----------
    since : the month-end it stood on; None where history does not reach so far
    accounts : `COLUMNS`, a row an account that was in the worst band then, as shown; largest ARR first
    fates : `FATE_COLUMNS`, a row per list (red, others) and fate, and `recovered`; shares of the list's accounts and of their ARR then
    places : `PLACE_COLUMNS`, where the accounts of each list stand today
    """

    since: pd.Timestamp | None = None
    accounts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(COLUMNS)))
    fates: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(FATE_COLUMNS)))
    places: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(PLACE_COLUMNS)))

    def of(self, group: str, fate: str) -> pd.Series:
        """The row of `fates` of one list and fate."""
        return self.fates[(self.fates["list"] == group) & (self.fates["fate"] == fate)].iloc[0]


@dataclass(frozen=True)
class Later:
    """What is known later of the accounts of a day.

    Attributes
    ----------
    now : scored snapshot of the later day by account_id: arr, score, band as shown, term_ends, as_of
    churned : account_id, ended_on, reason of those that left for longer than the grace
    completed : account_id of those whose last term that ended was said to be kept
    """

    now: pd.DataFrame
    churned: pd.DataFrame
    completed: tuple[str, ...] = ()


def red_list(then: pd.DataFrame, later: Later, worst: str, *, replicates: int = 400, seed: int = 0) -> RedList:
    """Follow every account of one day to another.

    Parameters
    ----------
    then : scored snapshot of the earlier day, as `Later.now`
    worst : the worst band
    """
    if then.empty:
        return RedList()
    frame = follow(then, later, worst)
    red = then["band"].to_numpy() == worst
    since, names = pd.Timestamp(then["as_of"].iloc[0]), list(COLUMNS)
    listed = frame.loc[red, names].sort_values(["arr_then", "account_id"], ascending=[False, True], ignore_index=True)
    parts = {"red": frame[red], "others": frame[~red]}
    tables = [_fates(part, name, replicates, seed) for name, part in parts.items() if len(part)]
    places = pd.concat([_places(part, name) for name, part in parts.items() if len(part)], ignore_index=True)
    return RedList(since, listed, pd.concat(tables, ignore_index=True)[list(FATE_COLUMNS)], places)


def follow(then: pd.DataFrame, later: Later, worst: str) -> pd.DataFrame:
    """The fate of each account of `then`, as known on the day of `later.now`.

    Churned: it left after `then` for longer than the grace, also where it has come back. Contracted: a customer with less ARR. Renewed:
    a customer whose term has ended since, or whose term now ends later. Of who is no customer and has not churned: completed, else late.

    Returns
    -------
    DataFrame `COLUMNS` with the index of `then`: `on` the day it left, or its term ended; `arr_now` 0 of who is no customer
    """
    since, now, churned = then["as_of"].iloc[0], later.now, later.churned
    gone = churned[churned["ended_on"] > since].sort_values("ended_on", kind="stable").drop_duplicates("account_id", keep="first")
    gone = gone.set_index("account_id")
    today = now.reindex(then.index)
    here, left = then.index.isin(now.index), then.index.isin(gone.index)
    until = now["as_of"].iloc[0] if len(now) else since
    passed = (then["term_ends"] <= until).to_numpy() | (today["term_ends"] > then["term_ends"]).to_numpy()
    arr_now = today["arr"].fillna(0.0).to_numpy(float)
    less = arr_now < then["arr"].to_numpy(float) * (1 - 1e-6)
    over = then.index.isin(later.completed)
    fate = np.select([left, here & less, here & passed, here, over], [CHURNED, CONTRACTED, RENEWED, OPEN, COMPLETED], LATE)
    frame = then.reindex(columns=["account_id", "name", "segment", "csm", "term_ends"]).assign(
        arr_then=then["arr"], score_then=then["score"], fate=fate, arr_now=arr_now,
        reason=gone["reason"].reindex(then.index).astype("object"), score_now=today["score"],
        band_now=today["band"].astype("object"), recovered=here & ~today["band"].isin([worst, "unscored"]).to_numpy(),
    )  # fmt: skip
    frame["on"] = gone["ended_on"].reindex(then.index).fillna(then["term_ends"].where(fate == RENEWED)).astype("datetime64[s]")
    return frame


def _fates(part: pd.DataFrame, name: str, replicates: int, seed: int) -> pd.DataFrame:
    """Accounts and ARR of each fate of one list, as shares of the list with 95 % intervals from resampling accounts."""
    codes, counts = resample.account_weights(part["account_id"], replicates, seed)
    arr, back = part["arr_then"].to_numpy(float), part["recovered"].to_numpy(bool)
    number = part["fate"].map({fate: i for i, fate in enumerate(FATES)}).to_numpy(np.intp)
    by_count, by_arr = (resample.shares(number, len(FATES), codes, counts, case_weight=weight) for weight in (None, arr))
    shares = [[float(found[end][i]) for found in (by_count, by_arr) for end in ("value", "low", "high")] for i in range(len(FATES))]
    recovered = [resample.rate(back.astype(float), codes, counts, case_weight=weight) for weight in (None, arr)]
    shares.append([end for found in recovered for end in (found.value, found.low, found.high)])
    chosen = [number == i for i in range(len(FATES))] + [back]
    now = part["arr_now"].to_numpy(float)
    rows = [
        (name, fate, int(is_it.sum()), float(arr[is_it].sum()), len(part), float(arr.sum()), *ends, float(now[is_it].sum()),
         int((is_it & back).sum()), float(arr[is_it & back].sum()))
        for fate, is_it, ends in zip((*FATES, RECOVERED), chosen, shares, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(FATE_COLUMNS))


def _places(part: pd.DataFrame, name: str) -> pd.DataFrame:
    """Accounts of a list, and their ARR then, by where they stand today: `PLACE_COLUMNS`."""
    place = part["band_now"].where(part["fate"] != CHURNED, LEFT).fillna(part["fate"]).rename("place")
    table = part.groupby(place)["arr_then"].agg(accounts="size", arr="sum").reset_index()
    return table.assign(list=name)[list(PLACE_COLUMNS)]
