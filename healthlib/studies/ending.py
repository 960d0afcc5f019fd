"""Before the end: how early each metric of accounts that left fell away from that of comparable accounts that stayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.resample import Z95, account_weights
from healthlib.studies.fallen import fallen
from healthlib.studies.leaks import left_out
from healthlib.studies.matching import MONTHS, balance, ends_of, match, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from healthlib.spec import Scorecard
    from healthlib.studies.book import Book

FAR = (10, 11, 12)
"""Months whose mean is an account's own level to begin with."""
FEWEST = 10
"""A month with fewer accounts that left than this is drawn but never said to be apart (a convention)."""
MANY = 5_000
"""With more accounts than this a quarter of the resamples gives the intervals well enough."""

STUDY_COLUMNS = (
    "metric", "label", "months", "lost_mean", "kept_mean", "gap", "low", "high", "change", "change_low", "change_high",
    "arr_gap", "arr_low", "arr_high", "n",
)  # fmt: skip
DATED_COLUMNS = (
    "metric", "label", "verdict", "fell", "apart", "since", "year_gap", "gap", "low", "high", "arr_gap", "arr_low", "arr_high", "n",
)  # fmt: skip
FELL, LOWER, APART, UNSURE = "fell away", "lower all along", "lower", "cannot tell"


@dataclass(frozen=True)
class EndingFacts:
    """What went before the end.

    Attributes
    ----------
    kind : as in the workspace's outcome
    study : see `compare`
    dated : see `date_falls`
    balance : see `matching.balance`
    left, matched, comparable : accounts' ends in the past year-long windows; those with a match; distinct accounts they were matched with
    monthly : matched at the same month-end because terms are not known
    segment : the attribute that was matched on; "" for none
    fallen : see `fallen.fallen`
    suspects : metrics that seem to know the outcome: shown, never claimed
    """

    kind: str
    currency: str
    study: pd.DataFrame
    dated: pd.DataFrame
    balance: pd.DataFrame
    left: int
    matched: int
    comparable: int
    monthly: bool
    segment: str
    fallen: pd.DataFrame
    suspects: tuple[str, ...]


def of(book: Book, done: dict[str, Any]) -> EndingFacts:
    """The facts of `ending_study`, for `studies.compute`."""
    return ending_study(book)


def ending_study(book: Book, *, replicates: int = 400, seed: int = 0) -> EndingFacts:
    """The year before the end, of accounts that left and of comparable ones that stayed.

    Parameters
    ----------
    book : an opened workspace; every figure is one of its month-end snapshots, as known then
    replicates, seed : account resamples behind every interval; a quarter of them with more than `MANY` accounts
    """
    from healthlib.studies.groups import attributes

    monthly = book.workspace.kind == "churn_within"
    lost, kept = ends_of(book)
    sets = match(lost, kept, monthly=monthly, seed=seed)
    few = replicates if book.history["account_id"].nunique() <= MANY else replicates // 4
    study = compare(sets_of(book.history, lost, kept, sets), book.scorecard, replicates=few, seed=seed)
    return EndingFacts(
        kind=book.workspace.kind,
        currency=book.workspace.currency,
        study=study,
        dated=date_falls(study),
        balance=balance(lost, kept, sets),
        left=len(lost),
        matched=int(sets["set"].nunique()),
        comparable=int(kept["account_id"].iloc[sets["end"]].nunique()) if len(sets) else 0,
        monthly=monthly,
        segment=next(iter(attributes(book.history, book.scorecard)), ""),
        fallen=fallen(book, lost, kept, replicates=few, seed=seed),
        suspects=left_out(book.leaks.found),
    )


@dataclass(frozen=True)
class Sets:
    """Matched sets as arrays: S sets of one account that left and up to C that stayed.

    Attributes
    ----------
    snapshots : rows of the history that are used
    lost : row of `snapshots` by set and month, -1 absent: (S, MONTHS + 1)
    kept : the same by set, control and month: (S, C, MONTHS + 1)
    accounts : account of the one that left, then of each control ("" absent): (S, 1 + C)
    arr : ARR of the account that left: (S,)
    """

    snapshots: pd.DataFrame
    lost: NDArray[np.int64]
    kept: NDArray[np.int64]
    accounts: NDArray[np.str_]
    arr: NDArray[np.float64]


def sets_of(history: pd.DataFrame, lost: pd.DataFrame, kept: pd.DataFrame, sets: pd.DataFrame) -> Sets:
    """The snapshots of matched sets, month by month before the end (see `matching.match`)."""
    number, which = np.unique(sets["set"].to_numpy(np.intp), return_inverse=True)
    nth = sets.groupby("set").cumcount().to_numpy(np.intp)
    width = int(nth.max(initial=-1)) + 1
    mine, ends = lost.iloc[number], kept.iloc[sets["end"].to_numpy(np.intp)]
    theirs = np.full((len(number), width, MONTHS + 1), -1, dtype=np.int64)
    names = np.full((len(number), 1 + width), "", dtype=object)
    if len(number):
        theirs[which, nth] = places(history, ends)
        names[:, 0], names[which, 1 + nth] = mine["account_id"].astype(str), ends["account_id"].astype(str)
    own = places(history, mine) if len(number) else np.full((0, MONTHS + 1), -1, dtype=np.int64)
    used = np.unique(np.concatenate([own.ravel(), theirs.ravel(), [-1]]))[1:]
    own, theirs = (np.where(part >= 0, np.searchsorted(used, part), -1) for part in (own, theirs))
    return Sets(history.iloc[used].reset_index(drop=True), own, theirs, names.astype(str), mine["arr"].to_numpy(float))


def compare(sets: Sets, scorecard: Scorecard, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Points (0-100) of each metric by months before the end: of those that left, of their matches, and the gap between them.

    The gap is the mean over sets of (mean of the matches - the account that left), over the sets in which both are measured in that month.
    `change` is the same of each account's points less its own mean `FAR` months before: how much wider the gap has become.
    Intervals resample accounts with the sets as they are: an account drawn twice counts twice wherever it stands, as the one that left or
    as a match. So a set stays together, a match that serves many sets moves them all at once, and an account on both sides is one account
    (matching again in each replicate would not be valid: Abadie & Imbens 2008, doi:10.3982/ECTA6474). `low`..`high` and
    `change_low`..`change_high` are 95 % bands that hold for all months of a metric together (`band`), so that the earliest of them may be
    picked; `arr_gap` weighs a set by the ARR of the account that left and has a 95 % interval of its own.

    Returns
    -------
    DataFrame `STUDY_COLUMNS`, by metric in the order of the scorecard, then from far to near; `n` accounts' ends. Months with fewer than 2
    are left out.
    """
    if not len(sets.lost):
        return pd.DataFrame(columns=list(STUDY_COLUMNS))
    points = scoring.metric_scores(scorecard, sets.snapshots)
    names = [str(name) for name in points]
    values = np.vstack([points.to_numpy(float), np.full(len(names), np.nan)])
    mine, theirs = values[sets.lost], values[sets.kept]
    _, codes = np.unique(sets.accounts, return_inverse=True)
    codes = codes.reshape(sets.accounts.shape)
    _, counts = account_weights(np.unique(sets.accounts), replicates, seed)
    level = gaps(mine, theirs, sets.arr, codes=codes, counts=counts)
    change = gaps(_own_change(mine), _own_change(theirs), sets.arr, codes=codes, counts=counts)
    frame = _framed(level, change, [(name, scorecard.metrics[name].label) for name in names])
    return frame[frame["n"] >= 2].reset_index(drop=True)[list(STUDY_COLUMNS)]


def _own_change(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points less the mean of the account's own `FAR` months; (..., months, metrics)."""
    far = values[..., list(FAR), :]
    known = ~np.isnan(far)
    with np.errstate(invalid="ignore"):
        base = np.where(known, far, 0).sum(axis=-2) / known.sum(axis=-2)
    return values - base[..., None, :]


def gaps(
    mine: NDArray[np.float64], theirs: NDArray[np.float64], arr: NDArray[np.float64], *, codes: NDArray[np.intp], counts: NDArray[Any]
) -> dict[str, NDArray[np.float64]]:
    """Means of both sides, the gap by accounts and by ARR, and its replicates; arrays of (months x metrics), replicates first.

    `codes` are the accounts of each set, the one that left first; a replicate weighs accounts by `counts`.
    """
    sets, controls = theirs.shape[:2]
    own, other = mine.reshape(sets, -1), theirs.reshape(sets, controls, -1)
    known = ~np.isnan(other)
    both = ~np.isnan(own) & known.any(axis=1)
    own, other, known = np.where(both, own, 0.0), np.where(known, other, 0.0), known.astype(float)
    money = np.nan_to_num(arr)

    def once(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows: mean of those that left, mean of the matches, gap by ARR."""
        weight = drawn[codes[:, 1:]][:, None, :]
        total, number = ((weight @ side)[:, 0] for side in (other, known))
        use = both & (number > 0)
        match_mean = np.divide(total, number, out=np.zeros_like(total), where=use)
        per_set = np.vstack([drawn[codes[:, 0]], drawn[codes[:, 0]] * money])
        size, lost, kept = (per_set @ part for part in (use.astype(float), np.where(use, own, 0.0), match_mean))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.vstack([lost[0] / size[0], kept[0] / size[0], (kept[1] - lost[1]) / size[1]])

    point = once(np.ones(len(counts)))
    draws = np.stack([once(counts[:, r].astype(float)) for r in range(counts.shape[1])], axis=1)
    return {
        "lost_mean": point[0], "kept_mean": point[1], "gap": point[1] - point[0], "arr_gap": point[2], "n": both.sum(axis=0).astype(float),
        "draws": draws[1] - draws[0], "arr_draws": draws[2],
    }  # fmt: skip


def band(found: dict[str, NDArray[np.float64]], width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % bands of `width` metrics, each for all its months together: gap -+ c x standard error.

    c is the 95 % quantile of the largest |t| over the months of the metric in a replicate, the standard error that of the replicates,
    widened by Student's t for the accounts that left. Columns with fewer than `FEWEST` of them have no band. Montiel Olea &
    Plagborg-Moller (2019), doi:10.1002/jae.2656. That many metrics are looked at needs no more: one is named only where its band is clear
    in the month nearest the end as well, which happens by chance far less often than once in twenty (measured in tests/test_ending.py).
    """
    from scipy.special import stdtrit

    draws, n = found["draws"], found["n"]
    if not len(draws):
        return np.full_like(n, np.nan), np.full_like(n, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.isfinite(draws)
        spread = np.sqrt(np.where(seen, (draws - found["gap"]) ** 2, 0).sum(axis=0) / seen.sum(axis=0))
        spread = np.where((n >= FEWEST) & (spread > 1e-9), spread, np.nan)
        t = np.abs(draws - found["gap"]) / spread
        largest = np.fmax.reduce(t.reshape(len(t), -1, width), axis=1)
        critical = np.quantile(np.nan_to_num(largest), 0.95, axis=0)
        half = np.tile(critical, len(n) // width) * spread * stdtrit(np.maximum(n, 2) - 1, 0.975) / Z95
    return found["gap"] - half, found["gap"] + half


def _framed(level: dict[str, Any], change: dict[str, Any], metrics: list[tuple[str, str]]) -> pd.DataFrame:
    """The arrays of `gaps` as rows: by metric, then from far to near."""
    months, width = MONTHS + 1, len(metrics)
    (low, high), (change_low, change_high) = band(level, width), band(change, width)
    money = np.full((2, len(low)), np.nan)
    known = np.isfinite(level["arr_draws"]).all(axis=0) & (level["n"] >= 2)
    money[:, known] = np.quantile(level["arr_draws"][:, known], [0.025, 0.975], axis=0)
    frame = pd.DataFrame(
        {
            "metric": np.tile([name for name, _ in metrics], months),
            "label": np.tile([label for _, label in metrics], months),
            "months": np.repeat(np.arange(months), width),
            **{key: level[key] for key in ("lost_mean", "kept_mean", "gap")}, "low": low, "high": high,
            "change": change["gap"], "change_low": change_low, "change_high": change_high,
            "arr_gap": level["arr_gap"], "arr_low": money[0], "arr_high": money[1], "n": level["n"].astype(int),
        }
    )  # fmt: skip
    place = {name: i for i, (name, _) in enumerate(metrics)}
    return frame.sort_values(["metric", "months"], key=lambda column: column.map(place) if column.name == "metric" else -column)


def date_falls(study: pd.DataFrame) -> pd.DataFrame:
    """When each metric fell away, in whole months before the end.

    Returns
    -------
    DataFrame `DATED_COLUMNS`, by verdict (fell away, lower all along, lower, cannot tell), the earliest fall and the widest gap first.
    `fell`: the earliest month from which on the gap is surely wider than the account's own a year before in that and every later month;
    `apart`: the same of the gap itself (both NaN for never). Lower all along: apart from the earliest month measured, at least `FAR` months
    back, and not surely wider since. `since` is the earliest month measured, `year_gap` the gap then; gap, arr_gap and n are of the month
    nearest the end.
    """
    rows = []
    for name, part in study.groupby("metric", sort=False):
        part = part.sort_values("months")
        fell = _since(part[part["months"] < FAR[0]], "change_low")
        apart, since, near = _since(part, "low"), int(part["months"].iloc[-1]), part.iloc[0]
        far = part[part["n"] >= FEWEST]
        since = int(far["months"].iloc[-1]) if len(far) else since
        whole = apart == since and since >= FAR[0]
        verdict = FELL if fell == fell else LOWER if whole else APART if apart == apart else UNSURE
        told = part[part["months"] == since]["gap"].iloc[0]
        rows.append(
            (name, near["label"], verdict, fell, apart, since, told, *near[["gap", "low", "high", "arr_gap", "arr_low", "arr_high", "n"]])
        )
    table = pd.DataFrame(rows, columns=list(DATED_COLUMNS))
    table["rank"] = table["verdict"].map({FELL: 0, LOWER: 1, APART: 2, UNSURE: 3})
    table = table.sort_values(["rank", "fell", "gap"], ascending=[True, False, False], kind="stable")
    return table[list(DATED_COLUMNS)].reset_index(drop=True)


def _since(part: pd.DataFrame, low: str) -> float:
    """The earliest month from which on `low` is above zero in every month up to the nearest; NaN where the nearest is not."""
    clear = (part[low] > 0).to_numpy()
    upto = len(clear) if clear.all() else int(np.argmin(clear))
    return float(part["months"].iloc[upto - 1]) if upto else float("nan")
