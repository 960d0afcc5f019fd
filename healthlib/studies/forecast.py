"""What will renew, month by month and quarter by quarter, and what of the ARR of today will be left: forecasts with their track record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.forecast import held
from healthlib.resample import Estimate
from healthlib.studies import renewals
from healthlib.studies.renewals import Outlook

if TYPE_CHECKING:
    from healthlib.studies.book import Book

MONTHS_AHEAD, QUARTERS_AHEAD = 12, 2
TRACKED = 24
"""Past months whose forecasts are held against what happened."""
FEWEST_RATIOS = 20
"""Kept terms from which the change of ARR at a renewal is drawn (a convention); with fewer it is taken as none."""

AHEAD = ("period", "kind", "band", "accounts", "arr", "expected", "low", "high")
KEPT = ("quarters", "measure", "value", "low", "high")
TRACK = ("quarter", "arr", "measure", "expected", "low", "high", "actual")


@dataclass(frozen=True)
class ForecastFacts:
    """What will renew and what that rests on.

    Attributes
    ----------
    needs : why there is no forecast, in words; empty otherwise
    currency, kind : as in the workspace
    ahead : `AHEAD`: ARR expected to renew of the terms that end in each of the next months and quarters, by band of today and "all", with
        95 % prediction intervals; empty where terms have no end
    track : `renewals.FORECAST_COLUMNS` of up to `TRACKED` past months
    coverage : share of those months whose actual lay inside the 95 % interval
    bias : (actual - expected) / renewing ARR over all of them
    shock : median of the common monthly shock, a standard deviation of the logit; NaN where unknown
    kept : `KEPT`: GRR and NRR of today's ARR over the next one and two quarters, 95 % prediction interval
    kept_track : `TRACK`: the same forecast made at each past quarter's end for the quarter after, and what came
    kept_coverage : share of past quarters inside, by measure
    lead_days : days before the end of a term at which the score was read that the chances are learned from
    """

    needs: str
    currency: str
    kind: str
    ahead: pd.DataFrame
    track: pd.DataFrame
    coverage: Estimate
    bias: float
    shock: float
    kept: pd.DataFrame
    kept_track: pd.DataFrame
    kept_coverage: dict[str, Estimate] = field(default_factory=dict)
    lead_days: int = 0


def of(book: Book, done: dict[str, Any]) -> ForecastFacts:
    """The facts of `forecast_study`, for `studies.compute`."""
    return forecast_study(book)


def forecast_study(book: Book, *, replicates: int = 400, seed: int = 0) -> ForecastFacts:
    """Forecast the renewals ahead and the ARR that will be left, and look back at every forecast that could have been made."""
    kind = book.workspace.kind
    empty = pd.DataFrame(columns=list(renewals.FORECAST_COLUMNS))
    nothing = ForecastFacts(
        "", book.workspace.currency, kind, pd.DataFrame(columns=list(AHEAD)), empty, held([], [], []), float("nan"), float("nan"),
        pd.DataFrame(columns=list(KEPT)), pd.DataFrame(columns=list(TRACK)),
    )  # fmt: skip
    if kind in ("flat", "expansion") or book.cases.empty:
        return _without(nothing, "contracts with dates and outcomes of leaving")
    cases = renewals.scored_cases(book)
    likely = renewals.outlook(cases, book.as_of, kind, replicates=replicates, seed=seed)
    if likely.calibrator is None:
        return _without(nothing, f"{renewals.LEAST} lost and {renewals.LEAST} kept accounts whose outcome is known")
    today = _scored(book, book.as_of)
    track = renewals.track_record(cases, book.as_of, kind, months=TRACKED, replicates=replicates // 2, seed=seed)
    renewing = track["renewing_arr"].sum()
    past = _past_quarters(book, cases, (replicates // 2, seed)) if kind == "renewal" else nothing.kept_track
    return ForecastFacts(
        "", book.workspace.currency, kind, _ahead(today, book, likely) if kind == "renewal" else nothing.ahead, track,
        held(track["actual"], track["low"], track["high"]),
        float((track["actual"] - track["expected"]).sum() / renewing) if renewing else float("nan"),
        float(np.median(likely.shocks)) if len(likely.shocks) else float("nan"),
        _kept(book, today, likely, seed) if kind == "renewal" else nothing.kept, past,
        {str(name): held(part["actual"], part["low"], part["high"]) for name, part in past.groupby("measure")},
        book.workspace.outcome.lead_days,
    )  # fmt: skip


def _without(nothing: ForecastFacts, needs: str) -> ForecastFacts:
    from dataclasses import replace

    return replace(nothing, needs=needs)


def _scored(book: Book, day: pd.Timestamp) -> pd.DataFrame:
    """account_id, arr, term_ends, score (the one a forecast may rest on) and band (the one shown) of the active accounts of a month-end."""
    rows = book.history[book.history["as_of"] == day].reset_index(drop=True)
    frame = rows[["account_id", "arr", "term_ends"]].assign(score=renewals.honest_score(book, rows))
    return frame.assign(band=scoring.score(book.scorecard, rows).frame["band"])


def _ahead(today: pd.DataFrame, book: Book, likely: Outlook) -> pd.DataFrame:
    """ARR expected to renew by period and band. Terms that ended today or earlier and are still to be decided are not in it."""
    bands = [*(band.name for band in book.scorecard.bands), scoring.UNSCORED]
    month = today["term_ends"].dt.to_period("M")
    first = book.as_of.to_period("M") + (1 if book.as_of.is_month_end else 0)
    open_ = today["term_ends"] > book.as_of
    months = [(str(first + k), "month", month == first + k) for k in range(MONTHS_AHEAD)]
    quarters = [(f"next {3 * (q + 1)} months", "quarter", (month >= first) & (month < first + 3 * (q + 1))) for q in range(QUARTERS_AHEAD)]
    rows = []
    for period, kind, inside in [*months, *quarters]:
        part = today[inside & open_]
        for band in [*bands, "all"]:
            of_band = part if band == "all" else part[part["band"] == band]
            if len(of_band) or band == "all":
                lost, arr = likely.lost(of_band), float(of_band["arr"].sum())
                rows.append((period, kind, band, len(of_band), arr, arr - lost.value, arr - lost.high, arr - lost.low))
    return pd.DataFrame(rows, columns=list(AHEAD))


def ratios(book: Book, at: pd.Timestamp) -> np.ndarray:
    """ARR after / ARR before of terms that were kept, as known on `at`: read on the first month-end after horizon and grace."""
    cases = book.cases[(book.cases["lost"] == 0) & (book.cases["horizon_ends_on"] < at) & (book.cases["arr"] > 0)]
    ends = pd.DatetimeIndex(book.history["as_of"].unique()).sort_values()
    ends = ends[ends <= at]
    place = ends.searchsorted(cases["horizon_ends_on"].to_numpy(), side="left")
    cases, place = cases[place < len(ends)], place[place < len(ends)]
    after = book.history.set_index(["account_id", "as_of"])["arr"].reindex(pd.MultiIndex.from_arrays([cases["account_id"], ends[place]]))
    found = after.to_numpy(dtype=float) / cases["arr"].to_numpy(dtype=float)
    return found[np.isfinite(found)]


def _kept(book: Book, today: pd.DataFrame, likely: Outlook, seed: int) -> pd.DataFrame:
    """GRR and NRR of today's ARR over the next quarters."""
    rows = []
    for quarters in range(1, QUARTERS_AHEAD + 1):
        draws = _kept_draws(book, today, (book.as_of, _later(book.as_of, 3 * quarters)), likely, seed)
        for measure, values in draws.items():
            rows.append((quarters, measure, float(values.mean()), *np.quantile(values, [0.025, 0.975])))
    return pd.DataFrame(rows, columns=list(KEPT))


def _later(day: pd.Timestamp, months: int) -> pd.Timestamp:
    """So many months later; a month-end stays one."""
    moved = day + pd.DateOffset(months=months)
    return moved + pd.offsets.MonthEnd(0) if day.is_month_end else moved


def _kept_draws(
    book: Book, today: pd.DataFrame, span: tuple[pd.Timestamp, pd.Timestamp], likely: Outlook, seed: int
) -> dict[str, np.ndarray]:
    """Shares of the ARR at the start of the span left at its end, in each future.

    Accounts whose term ends within the span are lost or kept by their chance, together where an account has one future; those kept change
    their ARR by a ratio drawn from past kept terms. All others are taken to stay as they are: what changes within a term is not forecast.
    """
    start, end = span
    due = ((today["term_ends"] > start) & (today["term_ends"] <= end)).to_numpy()
    arr, total = today["arr"].to_numpy(dtype=float), float(today["arr"].sum())
    calibrator = likely.calibrator
    if calibrator is None or not total:
        return {}
    fate = calibrator.fates(today["score"][due], shocks=likely.shocks, seed=seed)
    seen, rng = ratios(book, start), np.random.default_rng([seed, 1])
    change = rng.choice(seen, fate.shape) if len(seen) >= FEWEST_RATIOS else np.ones(fate.shape)
    stays = float(arr[~due].sum())
    kept = ~fate
    return {
        "GRR": (stays + (kept * np.minimum(change, 1.0)) @ arr[due]) / total,
        "NRR": (stays + (kept * change) @ arr[due]) / total,
    }


def _past_quarters(book: Book, cases: pd.DataFrame, again: tuple[int, int]) -> pd.DataFrame:
    """The forecast of one quarter made at each of the last eight quarter-ends that have passed, with what came."""
    replicates, seed = again
    ends = pd.DatetimeIndex(book.history["as_of"].unique()).sort_values()
    starts = [book.as_of - pd.DateOffset(months=3 * k) + pd.offsets.MonthEnd(0) for k in range(8, 0, -1)]
    rows = []
    for start in starts:
        end = _later(start, 3)
        if start not in ends or end not in ends:
            continue
        likely = renewals.outlook(cases, start, book.workspace.kind, replicates=replicates, seed=seed)
        then = _scored(book, start)
        actual = then["account_id"].map(book.history[book.history["as_of"] == end].set_index("account_id")["arr"]).fillna(0.0)
        came = {"GRR": np.minimum(actual, then["arr"]).sum(), "NRR": actual.sum()}
        for measure, values in _kept_draws(book, then, (start, end), likely, seed).items():
            ends_ = np.quantile(values, [0.025, 0.975])
            total = float(then["arr"].sum())
            rows.append((f"{end:%Y-%m}", total, measure, float(values.mean()), *ends_, float(came[measure]) / total))
    return pd.DataFrame(rows, columns=list(TRACK))
