"""Who would speak for us, and whether those who would have stayed and did speak."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.spec import Scorecard
from healthlib.studies.rates import RATE_COLUMNS, rates_by

if TYPE_CHECKING:
    from healthlib.studies.book import Book

PROMOTER = 9.0
"""An answer of 9 or 10 on the scale of 0 to 10 is a promoter's: Reichheld (2003), Harvard Business Review 81(12), 46-55."""
YEAR = 365

ADVOCATE_COLUMNS = ("account_id", "name", "segment", "csm", "arr", "score", "age_days", "acted", "promoter", "because")
SPOKE_COLUMNS = ("group", "cases", "accounts", "spoke", "rate", "low", "high")


@dataclass(frozen=True)
class AdvocateFacts:
    """Who would speak for us.

    Attributes
    ----------
    needs : why nobody can be named, in words; empty otherwise
    today : active accounts in the best band, a year here or longer, that acted for us or answered as promoters: `ADVOCATE_COLUMNS`, largest
        ARR first
    stayed : loss rate of past cases in that state ("advocates") and of all others: `rates.RATE_COLUMNS`; empty where there is none
    spoke : share of past month-ends whose accounts acted for us in the year after, of advocates who had not acted yet and of all others
        who had not: `SPOKE_COLUMNS`; empty where acts are not recorded
    """

    needs: str
    today: pd.DataFrame
    stayed: pd.DataFrame = field(repr=False)
    spoke: pd.DataFrame = field(repr=False)


def advocate_study(book: Book, *, replicates: int = 400, seed: int = 0) -> AdvocateFacts:
    """Name those who would speak for us today, and look what became of their like."""
    acts, answers = acting_metrics(book.scorecard), promoter_metrics(book.scorecard)
    empty = pd.DataFrame(columns=list(RATE_COLUMNS)), pd.DataFrame(columns=list(SPOKE_COLUMNS))
    if not (acts or answers):
        needs = "a metric on `advocacy` (acts for us) or on `surveys` (an answer of 0 to 10) in the scorecard"
        return AdvocateFacts(needs, pd.DataFrame(columns=list(ADVOCATE_COLUMNS)), *empty)
    today = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
    state = states(today, book.scorecard)
    frame = today.reindex(columns=["account_id", "name", "segment", "csm", "arr", "age_days"]).assign(**state)
    frame["because"] = [_because(*pair) for pair in zip(frame["acted"], frame["promoter"], strict=True)]
    chosen = frame[frame["advocate"]].sort_values(["arr", "account_id"], ascending=[False, True])
    finished = book.cases[book.cases["lost"].notna()].reset_index(drop=True)
    return AdvocateFacts(
        "",
        chosen[list(ADVOCATE_COLUMNS)].reset_index(drop=True),
        _stayed(finished, book.scorecard, replicates, seed),
        _spoke(book, acts, replicates, seed),
    )


def acting_metrics(scorecard: Scorecard) -> list[str]:
    """Metrics that count what a customer did for us."""
    return [name for name, metric in scorecard.metrics.items() if metric.table == "advocacy" and metric.better == "higher"]


def promoter_metrics(scorecard: Scorecard) -> list[str]:
    """Metrics that hold an answer on 0 to 10: their scale says so."""
    return [
        name
        for name, metric in scorecard.metrics.items()
        if metric.table == "surveys" and metric.measure.of == "score" and metric.best == 10 and metric.better == "higher"
    ]


def states(cases: pd.DataFrame, scorecard: Scorecard) -> dict[str, pd.Series]:
    """score, acted, promoter and advocate (in the best band, a year here, and one of the two) of each row of a cases frame."""
    found = scoring.score(scorecard, cases).frame if len(cases) else pd.DataFrame(columns=["score", "band"])
    acted, promoter = (
        _any(cases, names, least) for names, least in ((acting_metrics(scorecard), 1e-9), (promoter_metrics(scorecard), PROMOTER))
    )
    well = (found["band"] == scorecard.bands[-1].name) & (cases["age_days"] >= YEAR)
    return {"score": found["score"], "acted": acted, "promoter": promoter, "advocate": well & (acted | promoter)}


def _any(cases: pd.DataFrame, names: list[str], least: float) -> pd.Series:
    """Whether one of the metrics reaches `least`; an unknown value does not."""
    values = cases[names].to_numpy(dtype=float) if names else np.zeros((len(cases), 0))
    found = pd.DataFrame(np.nan_to_num(values, nan=-np.inf) >= least, index=cases.index)
    return found.any(axis=1)


def _because(acted: bool, promoter: bool) -> str:
    return " and ".join(words for words, holds in (("acted for us", acted), ("answered as a promoter", promoter)) if holds)


def _stayed(finished: pd.DataFrame, scorecard: Scorecard, replicates: int, seed: int) -> pd.DataFrame:
    if finished.empty:
        return pd.DataFrame(columns=list(RATE_COLUMNS))
    label = np.where(states(finished, scorecard)["advocate"], "advocates", "all others")
    groups = pd.Series(pd.Categorical(label, ["advocates", "all others"]), index=finished.index)
    return rates_by(finished.assign(lost=finished["lost"].astype(float)), groups, replicates=replicates, seed=seed)


def _spoke(book: Book, acts: list[str], replicates: int, seed: int) -> pd.DataFrame:
    """Acts within a year of a month-end by those who had not acted in the year before it: the acts counted twelve months later."""
    yearly = [name for name in acts if (book.scorecard.metrics[name].window_days or 0) >= YEAR]
    if not yearly or book.workspace.flat is not None:
        return pd.DataFrame(columns=list(SPOKE_COLUMNS))
    columns = ["account_id", "as_of", "arr", *yearly]
    then = book.history[book.history["as_of"].isin(_year_before(book.history["as_of"]))].reset_index(drop=True)
    state = states(then, book.scorecard)
    then = then.assign(**state, later=then["as_of"] + pd.DateOffset(years=1) + pd.offsets.MonthEnd(0))
    after = book.history[columns].rename(columns={"as_of": "later", **{name: f"then {name}" for name in yearly}}).drop(columns="arr")
    both = then[~then["acted"] & then[yearly].notna().any(axis=1)].merge(after, on=["account_id", "later"])
    if both.empty:
        return pd.DataFrame(columns=list(SPOKE_COLUMNS))
    spoke = (both[[f"then {name}" for name in yearly]].fillna(0.0) > 0).any(axis=1)
    groups = pd.Series(pd.Categorical(np.where(both["advocate"], "advocates", "all others"), ["advocates", "all others"]))
    table = rates_by(both.assign(lost=spoke.astype(float)), groups, replicates=replicates, seed=seed)
    return table.rename(columns={"lost": "spoke"})[list(SPOKE_COLUMNS)]


def _year_before(days: pd.Series) -> pd.Index:
    """The month-ends that have a month-end twelve months later among `days`."""
    ends = pd.DatetimeIndex(days.unique())
    return ends[(ends + pd.DateOffset(years=1) + pd.offsets.MonthEnd(0)).isin(ends)]
