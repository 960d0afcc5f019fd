"""The presets side by side on one workspace: today's bands, how much can be measured, and how well each told leavers from stayers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import scoring, stats
from healthlib.backtest import has_quantiles
from healthlib.presets import PRESETS, fitted, scorecard_of
from healthlib.resample import NOTHING, Estimate, account_weights, percentile
from healthlib.splits import splits
from healthlib.studies.alone import auc_of
from healthlib.studies.book import Book, book_of
from healthlib.tables import load_tables

if TYPE_CHECKING:
    from healthlib.spec import Scorecard
    from healthlib.tables import Tables

OWN = "yours"
"""What the workspace's own scorecard is called beside the presets."""

BAND_COLUMNS = ("preset", "band", "color", "accounts", "arr", "share", "arr_share")
TABLE_COLUMNS = (
    "preset", "label", "metrics", "dropped", "weight", "accounts", "scored", "coverage", "cases", "lost", "auc", "low", "high", "arr_auc",
    "arr_low", "arr_high", "difference", "difference_low", "difference_high",
)  # fmt: skip


@dataclass(frozen=True)
class PresetFacts:
    """Every preset on one workspace.

    Attributes
    ----------
    table : `TABLE_COLUMNS`, the own scorecard ("yours") first, then the presets in order. `metrics` that are measured, and `dropped` for
        lack of tables; `weight` share of the preset's weight that is measured at all; `accounts` of today and those `scored`; `coverage`
        mean share of the weight measured for an account; `cases` and `lost`: finished cases with a score, out of time; `auc` (0..1) by
        accounts and by ARR with 95 % intervals from resampling accounts; `difference` in AUC to the own scorecard on the cases both score.
        A preset of which nothing can be measured has NaN.
    bands : `BAND_COLUMNS`, lowest band first, "unscored" last: accounts and ARR of today, as numbers and shares of all
    dropped : preset, metric, reason
    silent : preset, metric, value: measured and weighed, but with the same value for every account of today, so that it sorts nobody
    """

    name: str
    as_of: str
    currency: str
    simulated: bool
    table: pd.DataFrame
    bands: pd.DataFrame
    dropped: pd.DataFrame
    silent: pd.DataFrame


def of(book: Book, done: dict[str, Any]) -> PresetFacts:
    """The facts of `presets_study`, for `studies.compute`."""
    return presets_study(book)


def presets_study(book: Book, *, replicates: int = 400, seed: int = 0) -> PresetFacts:
    """Score the workspace with each preset, as far as its tables carry it.

    Presets are not fitted, so every finished case could test them; those of the backtest do (scored after the first cut-off, with scale
    ends read from before), so that the numbers stand beside the backtest's.

    Parameters
    ----------
    replicates, seed : account resamples behind the intervals
    """
    again: dict[str, Any] = {"replicates": replicates, "seed": seed}
    tables = load_tables(book.workspace)
    own = _tested(book.workspace.scorecard, book.cases)
    rows = [_row(OWN, book, own, own, **again) | {"dropped": 0, "weight": 1.0}]
    bands, dropped, silent = [_bands(OWN, book)], [], _silent(OWN, book)
    for name, label in PRESETS.items():
        found = fitted(name, tables.columns)
        dropped += [(name, metric, why) for metric, why in found.dropped.items()]
        extra = {"label": label, "dropped": len(found.dropped), "weight": found.kept / found.weight}
        card = scorecard_of(name, tables.columns)
        if card is None:
            rows.append({"preset": name, "metrics": 0, **extra})
            continue
        other = _with(tables, book, card)
        rows.append(_row(name, other, _tested(card, other.cases), own, **again) | extra)
        bands.append(_bands(name, other))
        silent += _silent(name, other)
    return PresetFacts(
        name=book.workspace.name,
        as_of=f"{book.as_of:%Y-%m-%d}",
        currency=book.workspace.currency,
        simulated=book.workspace.simulated,
        table=pd.DataFrame(rows).reindex(columns=list(TABLE_COLUMNS)),
        bands=pd.concat(bands, ignore_index=True),
        dropped=pd.DataFrame(dropped, columns=["preset", "metric", "reason"]),
        silent=pd.DataFrame(silent, columns=["preset", "metric", "value"]),
    )


def _with(tables: Tables, book: Book, card: Scorecard) -> Book:
    """The same workspace under another scorecard."""
    return book_of(tables, book.workspace.model_copy(update={"scorecard": card}), book.as_of)


def _tested(card: Scorecard, cases: pd.DataFrame) -> pd.DataFrame:
    """account_id, as_of, arr, lost, score of the finished cases that the backtest tests; scale ends come from before each cut-off."""
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    score = np.full(len(done), np.nan)
    tested = np.zeros(len(done), dtype=bool)
    moving = has_quantiles(card)
    fixed = None if moving else scoring.score(card, done).frame["score"].to_numpy(float)
    for part in splits(done):
        rows = np.flatnonzero(part.test)
        tested[rows] = True
        if fixed is not None:
            score[rows] = fixed[rows]
        else:
            then = scoring.resolve_scales(card, done[part.seen])
            score[rows] = scoring.score(then, done.iloc[rows]).frame["score"].to_numpy(float)
    return done.assign(score=score, lost=done["lost"].astype(float)).loc[tested, ["account_id", "as_of", "arr", "lost", "score"]]


def _row(name: str, book: Book, tested: pd.DataFrame, own: pd.DataFrame, *, replicates: int, seed: int) -> dict[str, Any]:
    """One row of the table."""
    again: dict[str, Any] = {"replicates": replicates, "seed": seed}
    today = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
    scores = scoring.score(book.scorecard, today).frame
    auc, by_arr = (auc_of(tested, tested["score"], money=money, **again) for money in (False, True))
    apart = NOTHING if name == OWN else difference(tested, own, **again)
    known = tested[tested["score"].notna()]
    return {
        "preset": name,
        "label": "The scorecard in use",
        "metrics": len(book.scorecard.metrics),
        "accounts": len(today),
        "scored": int(scores["score"].notna().sum()),
        "coverage": scores["coverage"].mean(),
        "cases": len(known),
        "lost": known["lost"].sum(),
        "auc": auc.value,
        "low": auc.low,
        "high": auc.high,
        "arr_auc": by_arr.value,
        "arr_low": by_arr.low,
        "arr_high": by_arr.high,
        "difference": apart.value,
        "difference_low": apart.low,
        "difference_high": apart.high,
    }


def difference(left: pd.DataFrame, right: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> Estimate:
    """AUC of one score less that of another over the cases that both score, paired: the same accounts are drawn for both.

    Parameters
    ----------
    left, right : account_id, as_of, lost, score
    """
    both = left.merge(right[["account_id", "as_of", "score"]], on=["account_id", "as_of"], suffixes=("", "_right"))
    both = both.dropna(subset=["score", "score_right"])
    if both["lost"].nunique() < 2:
        return NOTHING
    codes, counts = account_weights(both["account_id"], replicates, seed)
    values = [stats.auc(both[column], both["lost"]) for column in ("score", "score_right")]
    draws = [stats.auc_replicates(both[column], both["lost"], codes, counts) for column in ("score", "score_right")]
    return percentile(values[0] - values[1], draws[0] - draws[1], n=len(counts), events=float(both["lost"].sum()))


def _silent(name: str, book: Book) -> list[tuple[str, str, float]]:
    """The metrics of weight that have one value for everybody today, and that value."""
    today = book.history[book.history["as_of"] == book.as_of]
    weighed = [metric for metric, weight in book.scorecard.weights.items() if weight]
    return [(name, metric, float(today[metric].max())) for metric in weighed if len(today) > 1 and today[metric].nunique() == 1]


def _bands(name: str, book: Book) -> pd.DataFrame:
    """Accounts and ARR of today by band, lowest first."""
    today = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
    band = scoring.score(book.scorecard, today).frame["band"]
    order = [*(one.name for one in book.scorecard.bands), scoring.UNSCORED]
    colors = {one.name: getattr(one, "color", None) for one in book.scorecard.bands}
    arr = today.groupby(band)["arr"].sum().reindex(order, fill_value=0.0)
    accounts = band.value_counts().reindex(order, fill_value=0)
    table = pd.DataFrame({"preset": name, "band": order, "color": [colors.get(one) for one in order]})
    table = table.assign(accounts=accounts.to_numpy(), arr=arr.to_numpy())
    whole = table[["accounts", "arr"]].sum()
    return table.assign(share=table["accounts"] / whole["accounts"], arr_share=table["arr"] / whole["arr"])[list(BAND_COLUMNS)]
