"""Do bands keep their meaning and hold still, was red early, and were promised probabilities kept?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib.bands import UNSCORED, band_colours
from healthlib.resample import NOTHING, Estimate, account_weights, percentile, rates
from healthlib.spec import Scorecard
from healthlib.studies import band_quarters, migration, promises, spells
from healthlib.studies.alert_replay import past_of
from healthlib.studies.alert_states import grid_of
from healthlib.studies.fit import FitFacts, usable
from healthlib.studies.groups import attributes
from healthlib.studies.silence import nothing

if TYPE_CHECKING:
    from healthlib.studies.backtest_bands import BacktestFacts
    from healthlib.studies.book import Book

CONTEST_COLUMNS = ("scorecard", "first", "last", "cases", "lost", "held", "rate", "low", "high", "caught", "caught_low", "caught_high")
MANY = 5000
"""With more accounts than this fewer replicates are drawn: intervals are narrow there, and each replicate dear."""
SHOWN = ("current", "fitted", "incumbent")
FOLD_EXTRA = ("starts_current", "starts_fitted", "starts_incumbent", "held_current", "held_fitted", "held_incumbent")


@dataclass(frozen=True)
class StabilityFacts:
    """What the bands did over time.

    Attributes
    ----------
    split, reason : as in `BacktestFacts`
    bands, band_colours : the scorecard's bands, worst first, and their colours
    currency : of the workspace
    quarters, steady : `band_quarters.QUARTER_COLUMNS`, `band_quarters.STEADY_COLUMNS`; empty without dates
    contest : `CONTEST_COLUMNS`: the lowest band of the scorecard in use (its thresholds fixed), of refitted weights and thresholds, and of
        the present tool, over time: its rate, and the share of the lost that it held
    caught : fitted and incumbent (where given): share of the lost in the lowest band, minus that of the scorecard in use, paired
    folds : `backtest.FOLD_COLUMNS` and `FOLD_EXTRA`: thresholds, and lost in the lowest band, of each
    spells : `spells.SPELL_COLUMNS`, an end a row; `lengths`, `curve`: what they add up to
    parts : the Brier score taken apart, see `promises.brier_parts`; `line`: slope and intercept; `skill` against the base rate known at
        each cut-off; `rivals`: logistic against isotonic; `groups`: lost over expected by segment
    promised : cases with a promise
    moves, flaps, margins : see `migration`
    alert_margin : points by which alerts let a score pass a threshold already, see `alert_rules`
    """

    split: str
    reason: str
    bands: tuple[str, ...]
    band_colours: dict[str, str]
    currency: str
    quarters: pd.DataFrame
    steady: pd.DataFrame
    contest: pd.DataFrame
    caught: dict[str, Estimate]
    folds: pd.DataFrame = field(repr=False)
    lengths: pd.DataFrame
    curve: pd.DataFrame
    spells: pd.DataFrame = field(repr=False)
    parts: dict[str, float]
    line: dict[str, Estimate]
    skill: Estimate
    rivals: pd.DataFrame
    groups: pd.DataFrame
    promised: int
    moves: pd.DataFrame
    flaps: pd.DataFrame
    margins: pd.DataFrame
    alert_margin: float


def of(book: Book, done: dict[str, Any]) -> StabilityFacts:
    """The facts of `stability_study`, for `studies.compute`."""
    accounts = book.history["account_id"].nunique()
    return stability_study(book, done["fit"], done["backtest"], replicates=400 if accounts <= MANY else 150)


def stability_study(book: Book, fit: FitFacts, backtest: BacktestFacts, *, replicates: int = 400, seed: int = 0) -> StabilityFacts:
    """Bands, promises and moves over time, of the scorecard without what seems to know the outcome.

    Parameters
    ----------
    fit, backtest : facts of the same book

    Returns
    -------
    StabilityFacts; what cannot be told has an empty frame or NaN
    """
    card, again = usable(book.workspace.scorecard, fit.leaks), {"replicates": replicates, "seed": seed}
    names = [band.name for band in card.bands]
    dated = fit.split == "time" and len(fit.predictions) > 0
    rows = over_time(fit if dated else replace(fit, predictions=fit.predictions.head(0)), names)
    now = rows[rows["scorecard"] == "current"].reset_index(drop=True)
    return StabilityFacts(
        split=fit.split, reason=backtest.reason, bands=tuple(names), band_colours=band_colours(card), currency=book.workspace.currency,
        quarters=band_quarters.by_quarter(now, names, **again), steady=band_quarters.steady(now, names, **again),
        contest=_contest(rows, names[0], replicates, seed), caught=_caught(rows, names[0], replicates, seed),
        alert_margin=float(card.alerts.hysteresis), folds=_folds(fit, backtest, names),
        **_promises(book, fit, card, **again), **_history(book, card, fit.split, **again),
    )  # fmt: skip


def over_time(fit: FitFacts, names: list[str]) -> pd.DataFrame:
    """account_id, cutoff, lost, arr, scorecard, score, band: the tested cases under each of `SHOWN`, at the thresholds its fold had chosen.

    Parameters
    ----------
    names : bands, worst first
    """
    seen, parts = fit.predictions.reset_index(drop=True), []
    bands = np.array([*names, UNSCORED], dtype=object)
    for name in SHOWN:
        if name not in seen:
            continue
        score = seen[name].to_numpy(dtype=float)
        chosen = fit.thresholds[(fit.thresholds["scorecard"] == name) & fit.thresholds["band"].isin(names)]
        starts = chosen.pivot(index="cutoff", columns="band", values="threshold_from").reindex(index=seen["cutoff"], columns=names)
        place = (score[:, None] >= starts.to_numpy(dtype=float)).sum(axis=1).clip(1) - 1
        unknown = np.isnan(score) | starts.isna().any(axis=1).to_numpy()
        band = seen["current_band"].to_numpy(dtype=object) if name == "current" else bands[np.where(unknown, len(names), place)]
        parts.append(seen[["account_id", "cutoff", "lost", "arr"]].assign(scorecard=name, score=score, band=band))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(cutoff=pd.to_datetime(table["cutoff"]))


def _contest(rows: pd.DataFrame, worst: str, replicates: int, seed: int) -> pd.DataFrame:
    """The lowest band of each scorecard over the same points in time: quarters pooled by the cases of all."""
    parts = []
    for name in SHOWN:
        part = rows[rows["scorecard"] == name].reset_index(drop=True)
        if part.empty or part["score"].isna().all():
            continue
        place = band_quarters.pooled(part)
        inside, lost = (part["band"] == worst).to_numpy(), part["lost"].to_numpy(dtype=float) == 1
        codes, counts = account_weights(part["account_id"], replicates, seed)
        size, days = int(place.max()) + 1, part["cutoff"].groupby(place)
        held = _padded(rates(lost, codes, counts, groups=np.where(inside, place, -1)), size)
        caught = _padded(rates(inside, codes, counts, groups=np.where(lost, place, -1)), size)
        parts.append(pd.DataFrame({
            "scorecard": name, "first": days.min().to_numpy(), "last": days.max().to_numpy(), "cases": np.bincount(place),
            "lost": np.bincount(place, weights=lost).astype(int), "held": np.bincount(place, weights=inside, minlength=size).astype(int),
            "rate": held[0], "low": held[1], "high": held[2], "caught": caught[0], "caught_low": caught[1], "caught_high": caught[2],
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)[list(CONTEST_COLUMNS)] if parts else pd.DataFrame(columns=list(CONTEST_COLUMNS))


def _caught(rows: pd.DataFrame, worst: str, replicates: int, seed: int) -> dict[str, Estimate]:
    """How much more of the lost the lowest band of another scorecard held, on the lost cases that both scored or not: the same rows."""
    now = rows[(rows["scorecard"] == "current") & (rows["lost"] == 1)].reset_index(drop=True)
    found = {}
    for name in SHOWN[1:]:
        other = rows[(rows["scorecard"] == name) & (rows["lost"] == 1)].reset_index(drop=True)
        if now.empty or other.empty or other["score"].isna().all():
            continue
        more = (other["band"] == worst).to_numpy().astype(float) - (now["band"] == worst).to_numpy()
        codes, counts = account_weights(now["account_id"], replicates, seed)
        size = counts.shape[0]
        draws = (np.bincount(codes, weights=more, minlength=size) @ counts) / (np.bincount(codes, minlength=size) @ counts)
        found[name] = percentile(float(more.mean()), draws, n=float(size), events=float(len(now)))
    return found


def _padded(found: dict[str, Any], size: int) -> list[np.ndarray]:
    """value, low, high of every point; NaN for points without a case."""
    return [np.concatenate([found[key], np.full(size - len(found[key]), np.nan)]) for key in ("value", "low", "high")]


def _folds(fit: FitFacts, backtest: BacktestFacts, names: list[str]) -> pd.DataFrame:
    """Every fold with its dates, and what thresholds each scorecard had and how many of the lost lay in its lowest band."""
    table = fit.folds.copy()
    for name in SHOWN:
        starts = fit.thresholds[(fit.thresholds["scorecard"] == name) & fit.thresholds["band"].isin(names[1:])]
        said = starts.groupby("cutoff", sort=False)["threshold_from"].agg(lambda edges: " / ".join(f"{edge:.0f}" for edge in edges))
        here = backtest.table[(backtest.table["scorecard"] == name) & (backtest.table["band"] == names[0])].set_index("cutoff")["churned"]
        table[f"starts_{name}"] = table["cutoff"].map(said).fillna("") if len(said) else ""
        table[f"held_{name}"] = table["cutoff"].map(here).astype(float) if len(here) else np.nan
    return table


def _promises(book: Book, fit: FitFacts, card: Scorecard, *, replicates: int, seed: int) -> dict[str, Any]:
    """Everything on the promised probabilities: cases with a promise under either curve."""
    again = {"replicates": replicates, "seed": seed}
    seen = fit.predictions
    if len(seen):
        other = promises.curves(book.cases, card, seen)
        seen = seen.merge(other, how="left", on=["account_id", "as_of"])
        seen = seen[seen["probability"].notna() & seen["isotonic"].notna() & seen["lost"].notna()].reset_index(drop=True)
    if seen.empty:
        return {
            "parts": promises.brier_parts([], [], []), "line": {"slope": NOTHING, "intercept": NOTHING}, "skill": NOTHING,
            "rivals": pd.DataFrame(columns=list(promises.RIVAL_COLUMNS)), "groups": pd.DataFrame(columns=list(promises.SEGMENT_COLUMNS)),
            "promised": 0,
        }  # fmt: skip
    p, y = seen["probability"].to_numpy(dtype=float), seen["lost"].to_numpy(dtype=float)
    names = attributes(book.cases, card)
    labels = seen[["account_id", "as_of"]].merge(book.cases[["account_id", "as_of", *names]], how="left", on=["account_id", "as_of"])
    return {
        "parts": promises.brier_parts(p, y, promises.bins_of(p, y)),
        "line": promises.line(p, y, seen["account_id"], **again),
        "skill": promises.skill((p - y) ** 2, (seen["base"] - y) ** 2, seen["account_id"], **again),
        "rivals": promises.rivals(seen, **again),
        "groups": promises.by_group(seen, {name: labels[name] for name in names}, **again),
        "promised": len(seen),
    }


def months_of(book: Book, card: Scorecard) -> migration.Months:
    """The book's month-ends scored as each day would have been; a last day within a month only where there is nothing else."""
    history = book.history
    ends = history[history["as_of"].dt.is_month_end]
    past = past_of(card, ends if ends["as_of"].nunique() > 1 else history, nothing()).rows
    grid, names = grid_of(past), [band.name for band in card.bands]
    place = pd.Index(names).get_indexer(pd.Index(past["band"]))
    forced = grid.of((past["gate"] != "").to_numpy().astype(float)) == 1
    edges = np.array([band.start for band in card.bands], dtype=float)
    return migration.Months(
        grid, past, grid.of(past["score"].to_numpy(dtype=float)), grid.of(place.astype(float)), forced, edges, tuple(names)
    )


def _history(book: Book, card: Scorecard, split: str, *, replicates: int, seed: int) -> dict[str, Any]:
    """Everything read from month-ends: spells before the ends, moves, and margins."""
    again = {"replicates": replicates, "seed": seed}
    if split == "accounts" or book.history["as_of"].nunique() < 2:
        frames = {
            "lengths": spells.LENGTH_COLUMNS, "curve": spells.CURVE_COLUMNS, "spells": spells.SPELL_COLUMNS,
            "moves": migration.MOVE_COLUMNS, "flaps": migration.FLAP_COLUMNS, "margins": migration.MARGIN_COLUMNS,
        }  # fmt: skip
        return {name: pd.DataFrame(columns=list(columns)) for name, columns in frames.items()}
    months = months_of(book, card)
    rows, top = months.rows, len(months.names) - 1
    place = pd.Index(months.names).get_indexer(pd.Index(rows["band"]))
    table = spells.spells(spells.ends_of(book.churned, rows), place, top)
    today = book.history.loc[book.history["as_of"] == book.as_of, ["account_id", "as_of", "arr"]].rename(columns={"as_of": "ended_on"})
    stayed = spells.spells(spells.ends_of(today, rows), place, top)
    names = attributes(book.history, card)
    return {
        "spells": table, "lengths": spells.lengths(table, **again), "curve": spells.curve(table, stayed, **again),
        "moves": migration.moves(months, **again), "flaps": migration.by_segment(months, {name: rows[name] for name in names}, **again),
        "margins": migration.margins(months, book.churned, **again),
    }  # fmt: skip
