"""What renews soon and what of it is likely to be lost, and whether earlier forecasts of the same kind came true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring
from healthlib.calibration import Calibrator, calibrate, curve
from healthlib.forecast import shocks
from healthlib.resample import NOTHING, Estimate
from healthlib.splits import trainable
from healthlib.stats import logistic
from healthlib.studies.fit import usable

if TYPE_CHECKING:
    from healthlib.studies.book import Book

WINDOWS = (90, 180)
LEAST = 5
"""Lost and kept accounts from which a probability is fitted; below, none is given."""
FORECAST_MONTHS = 12

DUE_COLUMNS = ("days", "band", "accounts", "arr", "expected_lost", "low", "high", "n", "events")
PROMISED = ("period", "at", "until", "accounts", "lost", "expected", "variance")
FORECAST_COLUMNS = ("period", "accounts", "renewing_arr", "expected", "low", "high", "n", "events", "actual")


def honest_score(book: Book, cases: pd.DataFrame) -> pd.Series:
    """The score a forecast may rest on: that of the scorecard without what seems to know the outcome, before overrides; NaN unscored.

    A metric written down after the decision ranks the past by itself, and says nothing yet of those who have still to decide.
    """
    if cases.empty:
        return pd.Series(dtype="float64", index=cases.index)
    return scoring.score(usable(book.scorecard, book.leaks.found), cases).frame["score"]


def scored_cases(book: Book) -> pd.DataFrame:
    """The book's cases with their `honest_score`: account_id, as_of, arr, term_ends, horizon_ends_on, lost, score (NaN unscored)."""
    if book.cases.empty:
        return book.cases.assign(score=pd.Series(dtype="float64"))
    names = ["account_id", "as_of", "arr", "term_ends", "horizon_ends_on", "lost"]
    return book.cases[names].assign(score=honest_score(book, book.cases)).reset_index(drop=True)


def chance_of_loss(cases: pd.DataFrame, at: pd.Timestamp, *, replicates: int = 1000, seed: int = 0) -> Calibrator | None:
    """The chance of loss by score, learnt from what had finished at `at`; None with fewer than 5 lost or 5 kept accounts."""
    known = trainable(cases, at)
    sides = known.groupby("lost")["account_id"].nunique()
    if min(sides.get(1.0, 0), sides.get(0.0, 0)) < LEAST:
        return None
    return calibrate(known["score"], known["lost"], known["account_id"], replicates=replicates, seed=seed)


def due(rows: pd.DataFrame, bands: Sequence[str], as_of: pd.Timestamp, likely: Outlook) -> pd.DataFrame:
    """Terms that end within 90 and 180 days, by band of today.

    Parameters
    ----------
    rows : the scored snapshot of `as_of`: account_id, arr, term_ends, score, band

    Returns
    -------
    DataFrame with `DUE_COLUMNS`, a row per window and band that has a term ending, and a row "all" per window; `expected_lost` with its
    95 % interval, see `Calibrator.lost_draws`; NaN where no probability can be fitted
    """
    ahead = rows["term_ends"] - as_of
    return _by_band({days: rows[(ahead.dt.days > 0) & (ahead.dt.days <= days)] for days in WINDOWS}, bands, likely)


def within(rows: pd.DataFrame, bands: Sequence[str], horizon_days: int, likely: Outlook) -> pd.DataFrame:
    """The same for contracts without an end: all accounts, and what is likely to be lost of them within the horizon."""
    return _by_band({horizon_days: rows}, bands, likely) if likely.calibrator is not None else pd.DataFrame(columns=list(DUE_COLUMNS))


def _by_band(windows: dict[int, pd.DataFrame], bands: Sequence[str], likely: Outlook) -> pd.DataFrame:
    table = []
    for days, ending in windows.items():
        parts = [(band, ending[ending["band"] == band]) for band in bands] + [("all", ending)]
        for band, part in parts:
            if len(part):
                lost = likely.lost(part)
                table.append((days, band, len(part), part["arr"].sum(), lost.value, lost.low, lost.high, lost.n, lost.events))
    return pd.DataFrame(table, columns=list(DUE_COLUMNS))


@dataclass(frozen=True)
class Outlook:
    """What a forecast made on one day rests on: the chance of loss by score, and how much periods differ beyond it.

    Attributes
    ----------
    calibrator : None where too little had finished
    shocks : from `forecast.shocks`; empty where too few periods had
    """

    calibrator: Calibrator | None
    shocks: NDArray[np.float64]

    def lost(self, part: pd.DataFrame) -> Estimate:
        """ARR expected to be lost of the accounts given (account_id, arr, score); an unscored one counts at the base rate."""
        if self.calibrator is None:
            return NOTHING
        return self.calibrator.expected_lost(part["arr"], part["score"], account_ids=part["account_id"], shocks=self.shocks)


def outlook(cases: pd.DataFrame, at: pd.Timestamp, kind: str, *, replicates: int = 1000, seed: int = 0) -> Outlook:
    """What a forecast made on `at` could rest on: only what had finished by then.

    Parameters
    ----------
    cases : from `scored_cases`
    """
    return _outlook(cases, at, promised(cases, at, kind), (replicates, seed))


def _outlook(cases: pd.DataFrame, at: pd.Timestamp, past: pd.DataFrame, again: tuple[int, int]) -> Outlook:
    replicates, seed = again
    done = past[past["until"] < at]
    return Outlook(
        chance_of_loss(cases, at, replicates=replicates, seed=seed),
        shocks(done["lost"].to_list(), done["expected"].to_list(), done["variance"].to_list(), seed=seed),
    )


def promised(cases: pd.DataFrame, as_of: pd.Timestamp, kind: str) -> pd.DataFrame:
    """Finished months, each with what the scores read in it had promised by what had finished before the first of them was read.

    Returns
    -------
    DataFrame `PROMISED`: period (2026-03, of the end of the term; of the reading where terms have no end), at (first reading), until (the
    last day that could change an outcome), accounts, lost, expected and variance (of the number lost, each account by its own chance)
    """
    rows = []
    score, lost = cases["score"].to_numpy(dtype=float), cases["lost"].to_numpy(dtype=float)
    ends, account = cases["horizon_ends_on"].to_numpy(), pd.factorize(cases["account_id"])[0]
    for month, part in _months(cases, as_of, kind):
        at = part["as_of"].min()
        known = (ends < at.to_datetime64()) & np.isfinite(lost)  # as `trainable`, many times over
        if min(len(np.unique(account[known & (lost == side)])) for side in (0, 1)) >= LEAST:
            scored = known & np.isfinite(score)
            intercept, slope = curve(score[scored], lost[scored])
            p = logistic(intercept - slope * part["score"].to_numpy(float) / 100)
            p = np.where(np.isfinite(p), p, lost[known].mean())
            until = part["horizon_ends_on"].max()
            rows.append((month, at, until, len(part), part["lost"].sum(), p.sum(), (p * (1 - p)).sum()))
    return pd.DataFrame(rows, columns=list(PROMISED))


def _months(cases: pd.DataFrame, as_of: pd.Timestamp, kind: str) -> list[tuple[str, pd.DataFrame]]:
    """The months all of whose cases have finished, oldest first."""
    clock = "as_of" if kind == "churn_within" else "term_ends"
    dated = cases[cases[clock].notna() & (cases["as_of"] < as_of)]
    if dated.empty:
        return []
    months = dated[clock].dt.strftime("%Y-%m")
    return [(str(month), part) for month, part in dated.groupby(months) if part["lost"].notna().all()]


def track_record(
    cases: pd.DataFrame, as_of: pd.Timestamp, kind: str, *, months: int = FORECAST_MONTHS, replicates: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Forecast against actual for each of the last `months` whose cases have all finished.

    A month's forecast uses the scores read before it, a probability fitted on what had finished when the first of them was read, and how
    much the months finished by then had differed from theirs.

    Returns
    -------
    DataFrame with `FORECAST_COLUMNS`: period (2026-03), ARR up for renewal, ARR expected to renew with its interval, and what did
    """
    past, rows = promised(cases, as_of, kind), []
    for month, part in _months(cases, as_of, kind)[-months:]:
        lost = _outlook(cases, part["as_of"].min(), past, (replicates, seed)).lost(part)
        total, actual = part["arr"].sum(), (part["arr"] * (1 - part["lost"])).sum()
        rows.append((month, len(part), total, total - lost.value, total - lost.high, total - lost.low, lost.n, lost.events, actual))
    table = pd.DataFrame(rows, columns=list(FORECAST_COLUMNS))
    return table[table["expected"].notna()].reset_index(drop=True)


def forecast_total(table: pd.DataFrame) -> dict[str, float]:
    """Over all months of a track record: ARR up for renewal, expected, actual, and the months whose actual lay inside the interval."""
    inside = (table["actual"] >= table["low"]) & (table["actual"] <= table["high"])
    sums = {name: float(table[name].sum()) for name in ("renewing_arr", "expected", "actual")}
    return sums | {"months": float(len(table)), "inside": float(inside.sum())}
