"""What is missing: whose band hangs on the rule for it, and whether being missing goes with leaving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import resample, scoring
from healthlib.resample import account_weights
from healthlib.spec import Scorecard
from healthlib.studies.rates import SMALL
from healthlib.studies.rating_ages import by_age, limits

if TYPE_CHECKING:
    from healthlib.studies.book import Book

FAR = 1e12
"""A value beyond the end of any scale: what a missing metric would be at its worst or best."""

LEVEL = 0.05
"""Share of false findings allowed among those reported (Benjamini-Hochberg)."""

HANGING_COLUMNS = (
    "account_id", "name", "arr", "score", "band", "coverage", "low_score", "high_score", "low_band", "high_band", "missing",
)  # fmt: skip
PREDICTS_COLUMNS = (
    "metric", "label", "measured", "measured_lost", "measured_rate", "measured_low", "measured_high", "absent", "absent_lost",
    "absent_rate", "absent_low", "absent_high", "difference", "low", "high", "arr_difference", "arr_low", "arr_high", "p",
    "adjusted", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class MissingFacts:
    """What is missing, what hangs on it, and what it says.

    Attributes
    ----------
    hanging : accounts of today whose band would be another if what is missing were at its worst or best, largest ARR first
    n_today, arr_today : all accounts of today and their ARR
    predicts : loss where each metric was measured and where it was not, most telling first, see `predicts`
    ages : AUC of the latest rating by its age, see `rating_ages.by_age`
    limits : from which age each rating no longer predicts, see `rating_ages.limits`
    kind : what `lost` means
    """

    hanging: pd.DataFrame
    n_today: int
    arr_today: float
    predicts: pd.DataFrame
    ages: pd.DataFrame
    limits: pd.DataFrame
    kind: str


def missing_study(book: Book, *, replicates: int = 400, seed: int = 0) -> MissingFacts:
    """What is missing or old in this book, and whether it matters.

    Parameters
    ----------
    replicates, seed : account resamples behind every interval
    """
    again: dict[str, Any] = {"replicates": replicates, "seed": seed}
    today = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
    finished = book.cases[book.cases["lost"].notna()].reset_index(drop=True)
    finished = finished.assign(lost=finished["lost"].astype(float))
    ages = by_age(finished, book.answers, book.scorecard, **again)
    return MissingFacts(
        hanging=hanging(today, book.scorecard),
        n_today=len(today),
        arr_today=float(today["arr"].sum()),
        predicts=predicts(finished, book.scorecard, **again),
        ages=ages,
        limits=limits(ages, book.scorecard),
        kind=book.workspace.kind,
    )


def bounds(snapshot: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    """The score of each account if all that is missing were at its worst, and at its best; gates on missing metrics alike.

    Returns
    -------
    Same index: low_score, low_band, high_score, high_band. Metrics that do not apply stay out of both.
    """
    applies = scoring.applies(scorecard, snapshot)
    found = {}
    for side, sign in (("low", -1.0), ("high", 1.0)):
        filled = {}
        for name, metric in scorecard.metrics.items():
            end = sign * FAR * (1 if metric.better == "higher" else -1)
            filled[name] = snapshot[name].astype(float).where(snapshot[name].notna() | ~applies[name], end)
        scored = scoring.score(scorecard, snapshot.assign(**filled)).frame
        found |= {f"{side}_score": scored["score"], f"{side}_band": scored["band"]}
    return pd.DataFrame(found, index=snapshot.index)


def hanging(snapshot: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    """Accounts whose band depends on the rule for missing values; columns `HANGING_COLUMNS`, largest ARR first.

    Their band would be another with all that is missing at its worst or at its best. `missing` names what is, the heaviest first.
    """
    if snapshot.empty:
        return pd.DataFrame(columns=list(HANGING_COLUMNS))
    scored = scoring.score(scorecard, snapshot)
    ends = bounds(snapshot, scorecard)
    weights = scoring.weight_matrix(scorecard, snapshot)
    frame = snapshot.reindex(columns=["account_id", "name", "arr"]).join(scored.frame[["score", "band", "coverage"]]).join(ends)
    chosen = frame[(frame["low_band"] != frame["band"]) | (frame["high_band"] != frame["band"])]
    gated = {gate.metric for gate in scorecard.gates}
    labels = {name: metric.label for name, metric in scorecard.metrics.items()}
    absent = snapshot[list(labels)].isna() & scoring.applies(scorecard, snapshot)
    carried = weights.to_numpy() + np.array([1e-9 if name in gated else 0.0 for name in labels])
    heavy = pd.DataFrame(np.where(absent, carried, 0.0), index=snapshot.index).loc[chosen.index].to_numpy()
    names = np.array(list(labels.values()), dtype=object)
    texts = [", ".join(names[j] for j in np.argsort(-row, kind="stable") if row[j] > 0) for row in heavy]
    chosen = chosen.assign(missing=pd.Series(texts, index=chosen.index, dtype="object"))
    return chosen.sort_values(["arr", "account_id"], ascending=[False, True])[list(HANGING_COLUMNS)].reset_index(drop=True)


def predicts(finished: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Does not being measured go with leaving? Per metric: lost share where it was missing minus where it was measured, in the same months.

    Both shares with intervals of `resample.rates`; the difference's by Newcombe's hybrid of the two, (1998)
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I; its p-value is that at which such an interval would touch zero.
    Over metrics the false discovery rate is held at `LEVEL`: Benjamini & Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x.
    Measured cases are weighted to the months of the missing ones (`same_months`): a source not yet switched on would compare years.

    Parameters
    ----------
    finished : finished cases: account_id, lost (0/1), arr, a column a metric

    Returns
    -------
    DataFrame with `PREDICTS_COLUMNS`, smallest adjusted p first (`measured`, `absent`: cases in months that have both). A p-value is given
    for metrics with `SMALL` cases and 10 accounts or more on both sides
    (others: verdict "cannot tell", no p). `verdict` is "more lost", "fewer lost" or "cannot tell" (adjusted p not below `LEVEL`).
    """
    if finished.empty:
        return pd.DataFrame(columns=list(PREDICTS_COLUMNS))
    applies = scoring.applies(scorecard, finished)
    draws = account_weights(finished["account_id"], replicates, seed)
    rows = []
    for name, metric in scorecard.metrics.items():
        weight = same_months(finished["as_of"], finished[name].notna().where(applies[name]))
        group = np.where(weight > 0, np.where(finished[name].notna(), 0, 1), -1)
        if (group >= 0).any():
            rows.append({"metric": name, "label": metric.label, **_two_sides(finished, group, weight, draws)})
    table = pd.DataFrame(rows, columns=list(PREDICTS_COLUMNS)).astype({"p": float})
    return _judged(table)


def same_months(as_of: pd.Series, measured: pd.Series) -> NDArray[np.float64]:
    """Weights under which the measured cases fall on the same months as the missing ones; 0 in months that have only one kind.

    Parameters
    ----------
    measured : True, False, or NA where the metric does not apply (weight 0)

    >>> days = pd.Series(pd.to_datetime(["2026-01-31", "2026-01-31", "2026-01-31", "2026-02-28"]))
    >>> same_months(days, pd.Series([True, True, False, True])).tolist()
    [0.5, 0.5, 1.0, 0.0]
    """
    known = measured.notna().to_numpy()
    yes = measured.fillna(False).astype(bool).to_numpy()
    month = as_of.dt.to_period("M")
    there, absent = (pd.Series(kind, index=as_of.index).groupby(month).transform("sum").to_numpy(float) for kind in (yes, known & ~yes))
    weight = np.divide(absent, there, out=np.zeros(len(yes)), where=there > 0)
    return np.where(yes, weight, np.where(known & (there > 0), 1.0, 0.0))


def _two_sides(
    finished: pd.DataFrame, group: NDArray[np.int64], month: NDArray[np.float64], draws: tuple[NDArray[np.intp], NDArray[Any]]
) -> dict[str, Any]:
    """Lost shares of measured (0) and absent (1) cases, their difference by accounts and by ARR, and its p-value."""
    from scipy.stats import norm

    lost, arr = finished["lost"].to_numpy(float), np.nan_to_num(finished["arr"].to_numpy(float))
    row: dict[str, Any] = {}
    for prefix, weight in (("", month), ("arr_", arr * month)):
        found = resample.rates(lost, *draws, case_weight=weight, groups=group)
        sides = [tuple(float(found[key][number]) for key in ("value", "low", "high")) for number in (1, 0)]
        row |= dict(zip((f"{prefix}difference", f"{prefix}low", f"{prefix}high"), newcombe(*sides), strict=True))
        if not prefix:
            for number, side in enumerate(("measured", "absent")):
                ends = sides[1 - number]
                row |= {side: int((group == number).sum()), f"{side}_lost": int(lost[group == number].sum()), f"{side}_rate": ends[0]}
                row |= {f"{side}_low": ends[1], f"{side}_high": ends[2]}
            small = min(row["measured"], row["absent"]) < SMALL or min(found["accounts"][:2]) < 10
            gap = row["difference"]
            reach = gap - row["low"] if gap > 0 else row["high"] - gap
            row["p"] = float("nan") if small or not reach > 0 else float(2 * norm.sf(resample.Z95 * abs(gap) / reach))
    return row


def newcombe(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float, float]:
    """The difference of two shares (value, low, high) and its interval.

    Newcombe's own example, 56 of 70 against 48 of 80 (his table II a, method 10):

    >>> one, other = ((hit / n, *map(float, resample.wilson(hit / n, n))) for hit, n in ((56, 70), (48, 80)))
    >>> [round(end, 4) for end in newcombe(one, other)]
    [0.2, 0.0524, 0.3339]
    """
    gap = one[0] - other[0]
    down = np.hypot(one[0] - one[1], other[2] - other[0])
    up = np.hypot(one[2] - one[0], other[0] - other[1])
    return gap, float(gap - down), float(gap + up)


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """Adjust the p-values over the metrics tested, and say what each difference says."""
    from scipy.stats import false_discovery_control

    tested = table["p"].notna()
    adjusted = pd.Series(np.nan, index=table.index)
    if tested.any():
        adjusted[tested] = false_discovery_control(table.loc[tested, "p"].to_numpy(float), method="bh")
    found = adjusted < LEVEL
    table["adjusted"] = adjusted
    table["verdict"] = np.select([found & (table["difference"] > 0), found], ["more lost", "fewer lost"], "cannot tell")
    return table.sort_values(["adjusted", "metric"], kind="stable", na_position="last").reset_index(drop=True)
