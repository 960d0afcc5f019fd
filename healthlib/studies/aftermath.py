"""Before work and after it: what is measured every month, of accounts that were worked and of like ones that were not by then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import calibration, scoring
from healthlib.interventions import CONTROL
from healthlib.resample import account_weights
from healthlib.studies import matching
from healthlib.studies.adjusting import adjusted
from healthlib.studies.ending import FEWEST, band, gaps
from healthlib.studies.fit import usable, without
from healthlib.studies.groups import attributes
from healthlib.studies.lists import use_metrics
from healthlib.studies.treated import LANDMARK_DAYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from healthlib.spec import Scorecard
    from healthlib.studies.book import Book

    Arrays = dict[str, NDArray[Any]]

TEAM = ("ratings", "touchpoints", "interventions", "overrides", "feedback", "advocacy")
"""Tables that the team itself fills: working an account fills them, whether or not it helps."""
REACH = 6
"""Months before the score was read, and after it."""
SOON = (2, 3)
"""Months whose mean is the estimate: by then all work has begun, and hardly a term has ended, so that nearly all are still there."""
POINTS = 10.0
"""Like accounts lie in the same bin of the score, so wide; within it the nearest are taken."""
FEWEST_MONTHS = 3
"""Months before work that the check of the trends takes at least."""
SCORE, USE, CHANCE = "score", "use", "chance"
MEASURES = (SCORE, USE, CHANCE)
ROSE, FELL, UNLIKE, CANNOT_TELL = "rose", "fell", "unlike", "cannot_tell"
MONTH_COLUMNS = ("measure", "month", "worked", "like", "gap", "low", "high", "n")
FOUND_COLUMNS = ("measure", "value", "low", "high", "arr_value", "arr_low", "arr_high", "n", "drift", "hidden", "answer")
READ = ("account_id", "as_of", "arr", "age_days", "segment", "seen", *MEASURES)
BALANCED = ("score", "before", "seen")
"""What those worked and their likes may still differ in on the day the score was read, and are adjusted for."""


@dataclass(frozen=True)
class Aftermath:
    """What changed after work, beside like accounts.

    Attributes
    ----------
    needs : what is missing, in words; "" where something could be compared
    months : `MONTH_COLUMNS`: mean of those worked and of the like ones, and how much more those worked have changed since the score was
        read (month 0) than the like ones (`gap`, with a 95 % band for all months of a measure together; points of 100, chance 0..1)
    found : `FOUND_COLUMNS`, a row per measure: the mean gap of the months `SOON` with its 95 % interval, also by ARR; `drift` the widest
        gap before work, `hidden` the widest one that the check could have missed; `answer`: `UNLIKE` where they went apart before already,
        `CANNOT_TELL` also where a gap as wide as `value` could have been missed before
    worked, matched, controls : accounts worked, those with like ones, and different accounts they are compared with
    gone, gone_like : shares of both that were no longer there in month 3
    accounts, arr : whose work the last twelve months decided, and their ARR: for what the change of the chance would be worth
    """

    needs: str = ""
    months: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(MONTH_COLUMNS)))
    found: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(FOUND_COLUMNS)))
    worked: int = 0
    matched: int = 0
    controls: int = 0
    gone: float = float("nan")
    gone_like: float = float("nan")
    accounts: int = 0
    arr: float = 0.0


def aftermath(book: Book, *, replicates: int = 200, seed: int = 0) -> Aftermath:
    """The months around the first work of every account that was worked; see `compare`."""
    done = book.interventions[book.interventions["arm"] != CONTROL]
    starts = done.sort_values("started_at", kind="stable").drop_duplicates("account_id")[["account_id", "started_at"]]
    if book.history.empty or book.cases.empty or starts.empty:
        return Aftermath("accounts that were worked, and month-ends before and after")
    card = measured_by_others(book.scorecard, book.leaks.found)
    if not any(card.weights.values()):
        return Aftermath("metrics that the team does not fill in itself")
    return compare(*read(book, card), starts, replicates=replicates, seed=seed)


def measured_by_others(scorecard: Scorecard, leaks: pd.DataFrame) -> Scorecard:
    """The scorecard without suspected leaks and without what the team fills in itself."""
    ours = tuple(name for name, metric in scorecard.metrics.items() if metric.table in TEAM)
    return scoring.without_gates(without(usable(scorecard, leaks), ours), ours)


def read(book: Book, card: Scorecard) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The days on which scores were read (the cases, open ones too), and every month-end of every account.

    Returns
    -------
    cases : `READ`: state, `seen` (the score that people saw then: the present tool's where there is one), and the measures: `SCORE`, points
        of `card`; `USE`, mean points of its metrics of use (NaN where fewer than half are measured); `CHANCE` of staying, by how the score
        went with leaving in all finished cases
    history : account_id, as_of and the measures
    """
    keys = ["account_id", "as_of"]
    cases = book.cases[book.cases["arr"] > 0].reset_index(drop=True)
    names = attributes(book.history, card)[:1]
    if book.incumbent is None:
        seen = scoring.score(book.scorecard, cases).frame["score"].to_numpy(dtype=float)
    else:
        seen = cases[keys].merge(book.incumbent.drop_duplicates(keys), how="left", on=keys)["incumbent"].to_numpy(dtype=float)
    known = _leaving(book, card)
    own = _measures(cases, card, known)
    state = cases[[*keys, "arr", "age_days"]].assign(
        segment=cases[names[0]].astype("string").fillna("?").astype(str) if names else "",
        seen=np.where(np.isfinite(seen), seen, own[SCORE]),
    )
    return pd.concat([state, own], axis=1)[list(READ)], pd.concat([book.history[keys], _measures(book.history, card, known)], axis=1)


def _measures(frame: pd.DataFrame, card: Scorecard, known: calibration.Calibrator) -> pd.DataFrame:
    points = scoring.metric_scores(card, frame)[[name for name in use_metrics(card) if card.metrics[name].table not in TEAM]]
    score = scoring.score(card, frame).frame["score"].to_numpy(dtype=float)
    return pd.DataFrame({
        SCORE: score, USE: points.mean(axis=1).where(points.notna().mean(axis=1) >= 0.5).to_numpy(dtype=float),
        CHANCE: np.where(np.isfinite(score) & (known.theta[1] > 0), 1 - known.chances(score), np.nan),
    }, index=frame.index)  # fmt: skip


def _leaving(book: Book, card: Scorecard) -> calibration.Calibrator:
    done = book.cases[book.cases["lost"].notna()] if "lost" in book.cases else book.cases.head(0).assign(lost=np.nan)
    score = scoring.score(card, done).frame["score"]
    return calibration.calibrate(score, done["lost"], done["account_id"].to_numpy(str), replicates=1)


def compare(cases: pd.DataFrame, history: pd.DataFrame, starts: pd.DataFrame, *, replicates: int = 200, seed: int = 0) -> Aftermath:
    """Differences in differences by month: those worked beside up to five like accounts that had not been worked by then.

    Worked: the first work began within `LANDMARK_DAYS` of a day on which the score was read (month 0). Like: read in the same month, in the
    same bin of score, near in it, in ARR, tenure, the score that people saw and the mean score of the six months before, best of the same
    segment. A like account that is worked later drops out from then on. `gap` at month k: the change of the one worked since month 0 less
    that of its likes, averaged over those worked, both less what `BALANCED` explains of it among the likes (bias-corrected matching: Abadie
    & Imbens 2011, doi:10.1198/jbes.2009.07333). Intervals resample accounts, the sets as they are (see `ending.compare`). That both would
    have gone on alike cannot be seen; that they went alike before can: where the joint band of the months before does not hold zero, or is
    as wide as what was found, nothing is claimed (a check without power is none: Roth 2022, doi:10.1257/aeri.20210236). Matching on the
    past guards against the return of whoever was worked at a low point (Daw & Hatfield 2018, doi:10.1111/1475-6773.12993).

    Parameters
    ----------
    cases, history : see `read`
    starts : account_id, started_at: first work of each account
    """
    history = history.reset_index(drop=True)
    began = starts.set_index("account_id")["started_at"]
    first = cases["account_id"].map(began)
    wait = (first - cases["as_of"]).dt.days
    usual = cases[SCORE].notna() & first.isna() | (wait >= 0) & cases[SCORE].notna()
    ends = _ends(cases, history)
    worked = usual & (wait <= LANDMARK_DAYS)
    latest = worked & ~cases[worked].sort_values("as_of").duplicated("account_id", keep="last").reindex(cases.index, fill_value=True)
    one = ends[latest].reset_index(drop=True)
    other = ends[usual & ~worked & ends["month"].isin(one["month"])].reset_index(drop=True)
    sets = matching.match(one, other, also=BALANCED, monthly=True, seed=seed)
    matched = int(sets["set"].nunique())
    if matched < FEWEST:
        few = f"{FEWEST} worked accounts with like ones that were not worked (there are {matched} of {len(starts)})"
        return Aftermath(few, worked=len(starts), matched=matched)
    values = _values(cases, history, history["account_id"].map(began))
    arrays = _arrays(history, (one, other, sets), values)
    months, found = _judged(arrays, replicates, seed)
    gone, gone_like = (float(side.mean()) if len(side) else float("nan") for side in (arrays["mine_gone"], arrays["theirs_gone"]))
    controls = int(other["account_id"].iloc[sets["end"]].nunique())
    return Aftermath("", months, found, len(starts), matched, controls, gone, gone_like)


def _ends(cases: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Days read as `matching` takes them: the bin of the score in the place of the length of the term, and the months before."""
    month = matching.month_number(cases["as_of"])
    past = matching.places(history, cases.assign(month=month))[:, 1 : REACH + 1]
    earlier = np.where(past >= 0, history[SCORE].to_numpy(dtype=float)[past], np.nan)
    mean = _mean(earlier[..., None])[:, 0, 0]
    return pd.DataFrame({
        "account_id": cases["account_id"], "ended_on": cases["as_of"], "month": month, "arr": cases["arr"], "tenure": cases["age_days"],
        "term": (cases[SCORE] // POINTS).map("{:.0f}".format), "segment": cases["segment"], "score": cases[SCORE],
        "before": np.where(np.isfinite(mean), mean, cases[SCORE]), "seen": cases["seen"], "row": np.arange(len(cases)),
        "next": month - (~cases["as_of"].dt.is_month_end).astype(int),
    })  # fmt: skip


def _values(cases: pd.DataFrame, history: pd.DataFrame, first: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measures of the month-ends, a row of nothing, and those of the days read; the second time without month-ends after own work."""
    every = history[list(MEASURES)].to_numpy(dtype=float)
    alone = np.where((history["as_of"] > first).to_numpy()[:, None], np.nan, every)
    rest = np.vstack([np.full((1, len(MEASURES)), np.nan), cases[list(MEASURES)].to_numpy(dtype=float)])
    return np.vstack([every, rest]), np.vstack([alone, rest])


def _rows(history: pd.DataFrame, ends: pd.DataFrame) -> NDArray[np.int64]:
    """Rows of `_values` by end and month, from +`REACH` down to -`REACH`; the row of nothing where the account was no customer."""
    nothing = len(history)
    sides = matching.places(history, pd.concat([ends.assign(month=ends["next"] + REACH), ends]))
    own = nothing + 1 + ends["row"].to_numpy()[:, None]
    both = np.concatenate([sides[: len(ends), :REACH], own, sides[len(ends) :, 1 : REACH + 1]], axis=1)
    return np.where(both < 0, nothing, both)


def _arrays(history: pd.DataFrame, matches: tuple[pd.DataFrame, ...], values: tuple[NDArray[np.float64], ...]) -> Arrays:
    """Values by set, control, month (from +`REACH` down) and measure; `_gone`: not there in the last month of `SOON`, of those that the
    book has reached in it."""
    one, other, sets = matches
    number, which = np.unique(sets["set"].to_numpy(np.intp), return_inverse=True)
    nth = sets.groupby("set").cumcount().to_numpy(np.intp)
    shape = (len(number), int(nth.max()) + 1)
    used, likes = one.iloc[number], other.iloc[sets["end"].to_numpy(np.intp)]
    rows, theirs = _rows(history, pd.concat([used, likes])), np.full((*shape, 2 * REACH + 1), len(history), dtype=np.int64)
    mine, theirs[which, nth] = rows[: len(used)], rows[len(used) :]
    beside = np.full((*shape, len(BALANCED)), np.nan)
    beside[which, nth] = likes[list(BALANCED)].to_numpy(dtype=float)
    names = np.full((shape[0], 1 + shape[1]), "", dtype=object)
    names[:, 0], names[which, 1 + nth] = used["account_id"].astype(str), likes["account_id"].astype(str)
    due = (used["next"] + SOON[-1] <= matching.month_number(history["as_of"]).max()).to_numpy()
    absent = theirs[..., REACH - SOON[-1]] == len(history)
    return {
        "mine": values[0][mine], "theirs": values[1][theirs], "names": names.astype(str), "arr": used["arr"].to_numpy(dtype=float),
        "mine_beside": used[list(BALANCED)].to_numpy(dtype=float), "theirs_beside": beside,
        "mine_gone": mine[due, REACH - SOON[-1]] == len(history), "theirs_gone": absent[due[:, None] & (names[:, 1:] != "")],
    }  # fmt: skip


def _judged(arrays: Arrays, replicates: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The months, the check of those before, and the mean of those after, of every measure."""
    accounts, codes = np.unique(arrays["names"], return_inverse=True)
    drawn = {"codes": codes.reshape(arrays["names"].shape), "counts": account_weights(accounts, replicates, seed)[1]}
    level = gaps(arrays["mine"], arrays["theirs"], arrays["arr"], **drawn)
    both = [part - part[..., REACH : REACH + 1, :] for part in (arrays["mine"], arrays["theirs"])]
    change = adjusted(both, arrays, drawn)
    after = slice(REACH - SOON[-1], REACH - SOON[0] + 1)
    mean = adjusted([_mean(part[..., after, :]) for part in both], arrays, drawn)
    low, high = band(change, 3)
    months = pd.DataFrame({
        "measure": np.tile(MEASURES, 2 * REACH + 1), "month": np.repeat(np.arange(REACH, -REACH - 1, -1), 3),
        "worked": level["lost_mean"], "like": level["kept_mean"], "gap": -change["gap"], "low": -high, "high": -low,
        "n": change["n"].astype(int),
    })  # fmt: skip
    months.loc[months["month"] == 0, ["gap", "low", "high"]] = 0.0
    months = months[months["n"] >= FEWEST].sort_values(["measure", "month"], ignore_index=True)[list(MONTH_COLUMNS)]
    return months, _found(change, mean)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the months that are known, as one month."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=-2, keepdims=True) / known.sum(axis=-2, keepdims=True)


def _found(change: Arrays, mean: Arrays) -> pd.DataFrame:
    early = slice(3 * (REACH + 1), None)
    before = {key: value[..., early] for key, value in change.items()}
    edges = np.stack(band(before, 3)).reshape(2, REACH, 3)
    shift = before["gap"].reshape(REACH, 3)
    low, high = band(mean, 3)
    with np.errstate(invalid="ignore"):
        money = (
            np.nanquantile(mean["arr_draws"], [0.975, 0.025], axis=0) if np.isfinite(mean["arr_draws"]).any() else np.full((2, 3), np.nan)
        )
    rows = []
    for i, name in enumerate(MEASURES):
        seen = np.isfinite(edges[0, :, i])
        if mean["n"][i] < FEWEST or not np.isfinite(low[i]):
            continue
        enough = seen.sum() >= FEWEST_MONTHS
        apart = ((edges[0, seen, i] > 0) | (edges[1, seen, i] < 0)).any()
        own = (-mean["gap"][i], -high[i], -low[i])
        widest = np.abs(shift[seen, i]).max() if enough else np.nan
        hidden = ((edges[1] - edges[0])[seen, i] / 2).max() if enough else np.nan
        sure = abs(own[0]) > hidden
        answer = UNLIKE if apart or not enough else ROSE if sure and own[1] > 0 else FELL if sure and own[2] < 0 else CANNOT_TELL
        rows.append((name, *own, -mean["arr_gap"][i], -money[0, i], -money[1, i], int(mean["n"][i]), widest, hidden, answer))
    return pd.DataFrame(rows, columns=list(FOUND_COLUMNS))
