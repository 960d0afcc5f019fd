"""Would the bands have told us? Churn by band out of time, how early red was seen, and the conventions practitioners use."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.backtest import has_quantiles
from healthlib.bands import DIFFERENCE_COLUMNS, UNSCORED, Replicates, assign, band_colours, band_differences, band_names, band_table
from healthlib.calibration import reliability
from healthlib.levels import readers
from healthlib.resample import NOTHING, Estimate, account_weights, rates, shares
from healthlib.spec import Scorecard
from healthlib.studies.alert_value import alert_value
from healthlib.studies.fit import FitFacts, usable
from healthlib.studies.leaks import left_out
from healthlib.studies.monitoring import SHIFTS, watch

if TYPE_CHECKING:
    from healthlib.studies.book import Book

BACKTEST_COLUMNS = ("scorecard", "cutoff", "band", "threshold_from", "accounts", "churned", "arr", "arr_churned")
LEAD_COLUMNS = ("lead_days", "band", "accounts_churned", "share_of_churned_accounts", "share_of_churned_arr", "low", "high")
FLOOR_COLUMNS = ("name", "answer", "value", "low", "high", "floor", "arr_answer", "arr_value", "arr_low", "arr_high")

RED_LIFT, CAUGHT, MOST_GREEN, MOST_RED = 3.0, 2 / 3, 0.8, 0.2
"""Floors practitioners use: conventions, not laws."""

LISTED = 50
"""Misses and false alarms are listed by name up to this many, largest ARR first."""


@dataclass(frozen=True)
class BacktestFacts:
    """What the bands would have said.

    Attributes
    ----------
    table : scorecard, cutoff, band, threshold_from, accounts, churned, arr, arr_churned: backtest.csv
    bands : a row a band of the current scorecard, pooled over cut-offs, then a row `all`: columns of `bands.TABLE_COLUMNS`
    by_scorecard : the same for every scorecard, with its name in `scorecard`
    lead_time : lead_days, band, accounts_churned, share_of_churned_accounts, share_of_churned_arr, low, high: lead_time.csv
    floors : name, answer (met, not_met, cannot_tell), value, low, high, floor (what it is held against), and the same by ARR
    cutoffs : number of cut-offs replayed
    misses, false_alarms : account_id, as_of, score, arr: highest band and lost; lowest band and kept; largest ARR first
    misses_count, false_alarms_count : how many there were in all
    calibration : bin, mean_probability, rate, low, high, n, lost: promised out of time against seen
    reason : why there is nothing, in words; empty otherwise
    split : time or accounts, as in `FitFacts`
    shifts : how far today's book moved from the period of the outcomes: `monitoring.SHIFTS`; empty without history
    flaps : changed, flapped: see `monitoring.flaps`; empty without history
    band_colours : each of the scorecard's bands with a colour of its own, "" where it has none
    alerts : what the alerts of the past were followed by, see `alert_value`; filled in by `of`
    differences : of the present scorecard's adjacent bands: `bands.DIFFERENCE_COLUMNS`
    without, without_share : labels of the metrics that were left out because they seem to know the outcome, and the share of the
        scorecard's weight that they carry (0..1)
    """

    table: pd.DataFrame
    bands: pd.DataFrame
    by_scorecard: pd.DataFrame = field(repr=False)
    lead_time: pd.DataFrame
    floors: pd.DataFrame
    cutoffs: int
    misses: pd.DataFrame = field(repr=False)
    false_alarms: pd.DataFrame = field(repr=False)
    misses_count: int
    false_alarms_count: int
    calibration: pd.DataFrame = field(repr=False)
    reason: str = ""
    split: str = "time"
    shifts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SHIFTS)), repr=False)
    flaps: dict[str, Estimate] = field(default_factory=dict)
    band_colours: dict[str, str] = field(default_factory=dict)
    alerts: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    differences: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(DIFFERENCE_COLUMNS)), repr=False)
    without: tuple[str, ...] = ()
    without_share: float = 0.0


def of(book: Book, done: dict[str, Any]) -> BacktestFacts:
    """The facts of `backtest_study` on a book, with what its alerts were worth and how still it stands, for `studies.compute`."""
    replayed = backtest_study(book.cases, book.leads, book.workspace.scorecard, done["fit"])
    return replace(replayed, alerts=alert_value(book), **watch(book.scorecard, book.history, book.cases, book.as_of))


def backtest_study(
    cases: pd.DataFrame, leads: pd.DataFrame, scorecard: Scorecard, fit: FitFacts, *, seed: int = 0, replicates: int = 1000
) -> BacktestFacts:
    """Bands over the replay that `fit` made, and over the months before each churn.

    Parameters
    ----------
    cases : cases frame, from which quantile scales of the lead-time scores are resolved month by month
    leads : account_id, lead_days, ended_on, arr and metric columns: churned accounts some days before their end, as known then
    scorecard : as written, as given to `fit_study`
    fit : facts of `fit_study` on the same cases

    Returns
    -------
    BacktestFacts; with nothing replayed the frames are empty and `reason` says why
    """
    card = usable(scorecard, fit.leaks)
    banded = _banded(fit, card)
    pooled = _pooled(banded, card, seed, replicates)
    current = pooled[pooled["scorecard"] == "current"].drop(columns="scorecard").reset_index(drop=True)
    scored = score_leads(leads, cases, card)
    lead_time, below = lead_time_table(scored, card, seed=seed, replicates=replicates)
    now = banded[banded["scorecard"] == "current"]
    misses, alarms = _listed(now, card.bands[-1].name, 1.0), _listed(now, card.bands[0].name, 0.0)
    seen = fit.predictions
    return BacktestFacts(
        _counts(banded, fit.thresholds, card), current, pooled, lead_time,
        floors_table(current, below, card, _floors_by_arr(now, scored, card, (replicates, seed))), len(fit.folds),
        misses.head(LISTED), alarms.head(LISTED), len(misses), len(alarms),
        reliability(seen["probability"], seen["lost"], seen["account_id"], replicates=replicates, seed=seed),
        fit.reason if fit.folds.empty else "", fit.split, band_colours=band_colours(scorecard),
        differences=_differences(now.reset_index(drop=True), current, seed, replicates), **_without(scorecard, fit),
    )  # fmt: skip


def _differences(now: pd.DataFrame, table: pd.DataFrame, seed: int, replicates: int) -> pd.DataFrame:
    """Adjacent bands of the present scorecard, on the replicates its table rests on."""
    return band_differences(now, table, Replicates(*account_weights(now["account_id"], replicates, seed)))


def _without(scorecard: Scorecard, fit: FitFacts) -> dict[str, Any]:
    """`without` and `without_share` of the facts."""
    names, weights = readers(scorecard, left_out(fit.leaks)), scorecard.weights
    total = sum(weights.values())
    carried = sum(weights.get(name, 0.0) for name in names) / total if total else 0.0
    return {"without": tuple(scorecard.metrics[name].label or name for name in names), "without_share": carried}


def _banded(fit: FitFacts, card: Scorecard) -> pd.DataFrame:
    """Long: scorecard, cutoff, account_id, as_of, score, band, lost, arr; each scorecard cut at the thresholds its fold had chosen."""
    names = [band.name for band in card.bands]
    parts = []
    for (scorecard, cutoff), rows in fit.thresholds.groupby(["scorecard", "cutoff"], sort=False):
        scorecard = str(scorecard)
        fold = fit.predictions[fit.predictions["cutoff"] == cutoff]
        starts = rows["threshold_from"].to_numpy(dtype=float)[: len(names)]
        score = fold[scorecard].to_numpy(dtype=float)
        if np.isnan(starts).any():
            score = np.full(len(fold), np.nan)
        band = fold["current_band"].to_numpy(dtype=object) if scorecard == "current" else assign(score, starts, names)
        parts.append(fold[["account_id", "as_of", "lost", "arr", "cutoff"]].assign(scorecard=scorecard, score=score, band=band))
    columns = ["account_id", "as_of", "lost", "arr", "cutoff", "scorecard", "score", "band"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _counts(banded: pd.DataFrame, thresholds: pd.DataFrame, card: Scorecard) -> pd.DataFrame:
    """backtest.csv: every scorecard x cut-off x band, empty bands with zeros."""
    if banded.empty:
        return pd.DataFrame(columns=list(BACKTEST_COLUMNS))
    lost = banded["lost"].astype(float)
    long = banded.assign(accounts=1, churned=lost, arr=banded["arr"].fillna(0.0), arr_churned=lost * banded["arr"].fillna(0.0))
    keys = ["scorecard", "cutoff", "band"]
    sums = long.groupby(keys)[["accounts", "churned", "arr", "arr_churned"]].sum().reset_index()
    table = thresholds.merge(sums, on=keys, how="left").fillna({"accounts": 0, "churned": 0, "arr": 0.0, "arr_churned": 0.0})
    table = table.astype({"accounts": int, "churned": int})
    order = {name: place for place, name in enumerate(("current", "equal", "fitted", "incumbent"))}
    table = table.assign(_s=table["scorecard"].map(order), _b=table["band"].map({b: i for i, b in enumerate(band_names(card))}))
    return table.sort_values(["_s", "cutoff", "_b"], kind="stable")[list(BACKTEST_COLUMNS)].reset_index(drop=True)


def _pooled(banded: pd.DataFrame, card: Scorecard, seed: int, replicates: int) -> pd.DataFrame:
    """`band_table` of each scorecard over all cut-offs."""
    tables = []
    for scorecard in dict.fromkeys(["current", *banded["scorecard"]]):
        rows = banded[banded["scorecard"] == scorecard].reset_index(drop=True)
        draws = Replicates(*account_weights(rows["account_id"], replicates, seed))
        tables.append(band_table(rows, band_names(card), draws).assign(scorecard=scorecard))
    return pd.concat(tables, ignore_index=True)


def score_leads(leads: pd.DataFrame, cases: pd.DataFrame, card: Scorecard) -> pd.DataFrame:
    """account_id, lead_days, ended_on, arr, band; quantile scales as they stood in the month of the snapshot."""
    columns = ["account_id", "lead_days", "ended_on", "arr"]
    if leads.empty:
        return leads.reindex(columns=[*columns, "band"])
    if not has_quantiles(card):
        return leads[columns].assign(band=scoring.score(card, leads).frame["band"].to_numpy(dtype=object))
    parts = []
    for month, rows in leads.groupby(leads["as_of"].dt.to_period("M")):
        then = scoring.resolve_scales(card, cases[cases["as_of"] < month.start_time])
        parts.append(rows[columns].assign(band=scoring.score(then, rows).frame["band"].to_numpy(dtype=object)))
    return pd.concat(parts)


def lead_time_table(scored: pd.DataFrame, card: Scorecard, *, seed: int = 0, replicates: int = 1000) -> tuple[pd.DataFrame, Estimate]:
    """Where the churned stood so many days before their end.

    Every lead has the same denominator, all churned accounts: one that was no customer yet on that day is `unscored`.

    Returns
    -------
    table : `LEAD_COLUMNS`; low and high belong to the share of accounts
    below : share of churned accounts below the highest band (unscored not counted as below) 60-90 days ahead
    """
    if scored.empty:
        return pd.DataFrame(columns=list(LEAD_COLUMNS)), NOTHING
    full = _every_lead(scored)
    names = band_names(card)
    place = pd.Index(names).get_indexer(pd.Index(full["band"]))
    rows = []
    for _, at in full.groupby("lead_days"):
        codes, counts = account_weights(at["account_id"], replicates, seed)
        here = place[at.index.to_numpy()]
        count, money = (shares(here, len(names), codes, counts, case_weight=weight) for weight in (None, at["arr"]))
        rows.append(pd.DataFrame({
            "lead_days": at["lead_days"].to_numpy()[0], "band": names, "accounts_churned": np.bincount(here, minlength=len(names)),
            "share_of_churned_accounts": count["value"], "share_of_churned_arr": money["value"], "low": count["low"], "high": count["high"],
        }))  # fmt: skip
    return pd.concat(rows, ignore_index=True), _seen_ahead(full, card, seed, replicates)


def _every_lead(scored: pd.DataFrame) -> pd.DataFrame:
    """Every churned account at every lead; `unscored` where it was no customer yet."""
    ends = ["account_id", "ended_on"]
    gone = scored.sort_values("lead_days").drop_duplicates(ends)[[*ends, "arr"]]
    every = gone.merge(pd.DataFrame({"lead_days": sorted(scored["lead_days"].unique())}), how="cross")
    full = every.merge(scored[[*ends, "lead_days", "band"]].drop_duplicates([*ends, "lead_days"]), on=[*ends, "lead_days"], how="left")
    full["band"] = full["band"].astype(object).where(full["band"].notna(), UNSCORED)
    return full


def _seen_ahead(full: pd.DataFrame, card: Scorecard, seed: int, replicates: int, *, by_arr: bool = False) -> Estimate:
    """Share of churned accounts, or of their ARR, below the highest band 60 to 90 days ahead."""
    ahead = full[full["lead_days"].between(60, 90)]
    if ahead.empty:
        return NOTHING
    below = ~ahead["band"].isin([card.bands[-1].name, UNSCORED]).to_numpy()
    weight = ahead["arr"].to_numpy(dtype=float) if by_arr else None
    found = shares(np.where(below, 0, 1), 2, *account_weights(ahead["account_id"], replicates, seed), case_weight=weight)
    return Estimate(*(float(found[key][0]) for key in ("value", "low", "high", "accounts", "events")))


Span = tuple[float, float, float]
UNKNOWN: Span = (np.nan, np.nan, np.nan)


def _floors_by_arr(now: pd.DataFrame, scored: pd.DataFrame, card: Scorecard, again: tuple[int, int]) -> tuple[Span, ...]:
    """(value, low, high) of each convention with ARR in the place of accounts, in the order of `floors_table`."""
    names, weight = [band.name for band in card.bands], np.nan_to_num(now["arr"].to_numpy(dtype=float))
    if not weight.sum() > 0:
        return (UNKNOWN,) * 4
    place = pd.Index(names).get_indexer(pd.Index(now["band"]))
    draws = account_weights(now["account_id"], *again)
    lost = now["lost"].to_numpy(dtype=float)
    part = shares(place, len(names), *draws, case_weight=weight)
    churn, base = rates(lost, *draws, case_weight=weight, groups=place), float(weight @ lost / weight.sum())
    lift = tuple(float(churn[key][0]) / base if base > 0 and (place == 0).any() else np.nan for key in ("value", "low", "high"))
    below = _seen_ahead(_every_lead(scored), card, again[1], again[0], by_arr=True) if len(scored) else NOTHING
    top, worst = (tuple(float(part[key][at]) for key in ("value", "low", "high")) for at in (-1, 0))
    return (lift[0], lift[1], lift[2]), (below.value, below.low, below.high), (top[0], top[1], top[2]), (worst[0], worst[1], worst[2])


def floors_table(bands: pd.DataFrame, below: Estimate, card: Scorecard, by_arr: tuple[Span, ...] = (UNKNOWN,) * 4) -> pd.DataFrame:
    """Each convention answered from its interval: met, not_met, or cannot_tell where the interval holds both.

    Parameters
    ----------
    bands : of the present scorecard, from `bands.band_table`
    below : share of churned accounts below the highest band 60-90 days ahead
    by_arr : (value, low, high) of the same four by ARR

    Returns
    -------
    DataFrame `FLOOR_COLUMNS`: the lowest band's lift >= 3; two thirds of the churned below the highest band 60-90 days ahead; at
    most 80 % of accounts in the highest band; at most 20 % in the lowest.
    """
    low, top = card.bands[0].name, card.bands[-1].name
    by_band = bands.set_index("band")

    def read(band: str, column: str, ends: tuple[str, str]) -> tuple[float, float, float]:
        found = tuple(float(by_band[key].get(band, np.nan)) for key in (column, *ends))
        return found[0], found[1], found[2]

    share = ("share_of_accounts_low", "share_of_accounts_high")
    asked = [
        (f"{low} churns at {RED_LIFT:g} times the base rate or more", read(low, "lift", ("lift_low", "lift_high")), RED_LIFT, True),
        (f"two thirds of the churned were below {top} 60-90 days ahead", (below.value, below.low, below.high), CAUGHT, True),
        (f"at most {MOST_GREEN:.0%} of accounts are {top}", read(top, "share_of_accounts", share), MOST_GREEN, False),
        (f"at most {MOST_RED:.0%} of accounts are {low}", read(low, "share_of_accounts", share), MOST_RED, False),
    ]
    rows = [
        (name, answer(span, floor, at_least=at_least), *span, floor, answer(money, floor, at_least=at_least), *money)
        for (name, span, floor, at_least), money in zip(asked, by_arr, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(FLOOR_COLUMNS))


def answer(span: tuple[float, float, float], floor: float, *, at_least: bool) -> str:
    """met, not_met or cannot_tell, from (value, low, high).

    >>> answer((3.5, 3.1, 4.0), 3.0, at_least=True), answer((3.5, 2.0, 5.0), 3.0, at_least=True)
    ('met', 'cannot_tell')
    """
    _, low, high = span
    if at_least:
        return "met" if low >= floor else "not_met" if high < floor else "cannot_tell"
    return "met" if high <= floor else "not_met" if low > floor else "cannot_tell"


def _listed(banded: pd.DataFrame, band: str, lost: float) -> pd.DataFrame:
    rows = banded[(banded["band"] == band) & (banded["lost"] == lost)]
    rows = rows.sort_values(["arr", "account_id", "as_of"], ascending=[False, True, True])
    return rows[["account_id", "as_of", "score", "arr"]].reset_index(drop=True)
