"""Who is ready for more: growth as an outcome of its own, with weights of its own, never mixed into the score of who leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.calibration import calibrate
from healthlib.resample import NOTHING, Estimate, account_weights, rate
from healthlib.spec import Metric, Scorecard
from healthlib.studies import plainly
from healthlib.studies.advocates import AdvocateFacts, advocate_study
from healthlib.studies.contract_terms import arr_told
from healthlib.studies.fit import FitFacts, fit_study, without
from healthlib.studies.leaks import left_out

if TYPE_CHECKING:
    from healthlib.studies.book import Book

PRICE_RISE = 0.10
"""Where the workspace does not say what growth must exceed, more than this share of the ARR before: less is mostly a price rise."""
LEAST = 5
"""Accounts that grew, and that stayed without growing, from which a chance of growing is given."""

READY_COLUMNS = (
    "account_id", "name", "segment", "csm", "arr", "band", "term_ends", "growth_score", "chance", "low", "high", "expected_arr", "because",
)  # fmt: skip
GROWTH_COLUMNS = ("account_id", "arr", "band", "growth_score", "chance", "low", "high", "expected_arr", "because", "advocate")


@dataclass(frozen=True)
class GrowthFacts:
    """What the past says of growing.

    Attributes
    ----------
    needs : why nothing can be said, in words; empty otherwise
    currency, kind : as in the workspace
    over : growth must exceed this share of the ARR before: `expansion_over`, or `PRICE_RISE` where that is not given
    usual : median change of ARR of those who stayed, a share of the ARR before: the price rise, mostly
    rate, arr_rate : share of the accounts that stayed, and of their ARR, that grew
    size : by what share of their ARR those that grew did so, at the median
    fit : the fit of growth weights, as `fit_study` gives it; "lost" there means "stayed and did not grow"; None where `needs`
    weighed : "fitted" where the fitted weights beat equal ones out of time, else "equal": those of the growth score
    ranked : whether the growth score surely ranks out of time (its AUC's interval lies above 0.5)
    ready : active accounts outside the worst band by chance of growing: `READY_COLUMNS`; `expected_arr` is chance x median growth x ARR
    advocates : who would speak for us, see `advocates`
    """

    needs: str
    currency: str
    kind: str
    over: float
    usual: float
    rate: Estimate
    arr_rate: Estimate
    size: float
    fit: FitFacts | None
    weighed: str
    ranked: bool
    ready: pd.DataFrame = field(repr=False)
    advocates: AdvocateFacts

    @property
    def table(self) -> pd.DataFrame:
        """`GROWTH_COLUMNS` of every account that can be ranked or would speak for us: growth.csv; advocates not ranked come last."""
        willing = self.advocates.today.rename(columns={"because": "advocate"})[["account_id", "arr", "advocate"]]
        ranked = self.ready.merge(willing[["account_id", "advocate"]], how="left", on="account_id")
        others = willing[~willing["account_id"].isin(self.ready["account_id"])]
        both = pd.concat([ranked, others], ignore_index=True) if len(others) else ranked
        return both.assign(advocate=both["advocate"].fillna(""))[list(GROWTH_COLUMNS)]


def of(book: Book, done: dict[str, Any]) -> GrowthFacts:
    """The facts of `growth_study`, for `studies.compute`."""
    return growth_study(book)


def growth_study(book: Book, *, replicates: int = 400, seed: int = 0) -> GrowthFacts:
    """Fit growth weights to the accounts that stayed, test them out of time, and rank today's accounts.

    Only those who stayed are compared: among all, growth would mostly mean not having left, which is what the health score is for.
    No weights for growth are in use, so the fit is pulled towards equal ones and compared with them.
    """
    advocates = advocate_study(book, replicates=replicates, seed=seed)
    over = growth_over(book)
    stayed = grown_cases(book, over)
    usual = float((stayed["arr_after"] / stayed["arr"] - 1).median())
    said = (book.workspace.currency, book.workspace.kind, over, usual)
    if needs := _needs(book, stayed):
        return GrowthFacts(
            needs, *said, NOTHING, NOTHING, float("nan"), None, "equal", False, pd.DataFrame(columns=list(READY_COLUMNS)), advocates
        )
    card = growth_scorecard(book.scorecard, left_out(book.leaks.found))
    fitted = fit_study(stayed, card, learn=False, seed=seed, replicates=replicates)
    codes, counts = account_weights(stayed["account_id"], replicates, seed)
    grew = 1 - stayed["lost"]
    size = float((stayed["arr_after"] / stayed["arr"] - 1)[grew == 1].median())
    weighed = "fitted" if fitted.recommendation == "adopt" else "equal"
    ready = _ready(book, fitted, (weighed, size), seed)
    return GrowthFacts(
        "", *said, rate(grew, codes, counts), rate(grew, codes, counts, case_weight=stayed["arr"]), size, fitted, weighed,
        bool(fitted.auc[weighed].low > 0.5), ready, advocates,
    )  # fmt: skip


def growth_over(book: Book) -> float:
    """The share of ARR that growth must exceed: as the workspace says, or more than a price rise."""
    if book.workspace.flat is not None:
        return PRICE_RISE
    given = book.workspace.outcome.expansion_over
    return given if given or book.workspace.kind == "expansion" else PRICE_RISE


def grown_cases(book: Book, over: float = 0.0) -> pd.DataFrame:
    """Finished cases of accounts that stayed, with what became of their ARR.

    ARR after is that of the first month-end on which the case's horizon and grace have passed; a case whose month-end still lies ahead is
    left out. So growth is known no earlier than renewal is. A contract that was corrected since reads as corrected on both days.

    Returns
    -------
    The cases frame of those kept, `lost` 1 where ARR after / ARR before - 1 does not exceed `over` and 0 where it does, and `arr_after`.
    Accounts with no ARR on that day left in the meantime and are left out.
    """
    cases = book.cases
    if book.workspace.flat is not None or cases.empty:
        return cases.head(0).assign(arr_after=pd.Series(dtype=float))
    if book.workspace.kind == "expansion":
        kept = cases[cases["lost"].notna()]
    else:
        kept = cases[cases["lost"] == 0]
    ends = pd.DatetimeIndex(book.history["as_of"].unique()).sort_values()
    place = ends.searchsorted(kept["horizon_ends_on"].to_numpy(), side="left")
    kept, place = kept[place < len(ends)], place[place < len(ends)]
    after = book.ledger.set_index(["account_id", "month"])["arr"]
    keys = pd.MultiIndex.from_arrays([kept["account_id"], ends[place]])
    before = arr_told(book.terms, kept).fillna(kept["arr"])
    kept = kept.assign(arr=before, arr_after=after.reindex(keys).to_numpy(dtype=float))
    kept = kept[kept["arr_after"].notna() & (kept["arr"] > 0)].reset_index(drop=True)
    grew = kept["arr_after"] / kept["arr"] - 1 > over + 1e-9
    return kept.assign(lost=1.0 - grew.astype(float), arr_lost=(1.0 - grew) * kept["arr"])


def growth_scorecard(scorecard: Scorecard, leaky: tuple[str, ...]) -> Scorecard:
    """Every metric that is measured, at equal weight, without limits or gates: what it takes to grow need not be what it takes to stay.

    Metrics made of others (`levels`) would count twice, and those that seem to know who leaves are left out.
    """
    metrics: dict[str, Metric] = {
        name: metric.model_copy(update={"weight": 0.0 if metric.levels else 1.0, "profiles": _unweighted(metric)})
        for name, metric in scorecard.metrics.items()
    }
    return without(scorecard.model_copy(update={"metrics": metrics, "limits": {}, "gates": ()}), leaky)


def _unweighted(metric: Metric) -> tuple:
    return tuple(profile.model_copy(update={"weight": None}) for profile in metric.profiles)


def _needs(book: Book, stayed: pd.DataFrame) -> str:
    if book.workspace.flat is not None:
        return "a flat sheet has no later ARR; bring contracts with dates"
    grew = stayed.loc[stayed["lost"] == 0, "account_id"].nunique()
    same = stayed.loc[stayed["lost"] == 1, "account_id"].nunique()
    if min(grew, same) < LEAST:
        return f"of the accounts that stayed {grew} grew and {same} did not; it takes {LEAST} of each, and contracts whose ARR changes"
    return ""


def _ready(book: Book, fitted: FitFacts, how: tuple[str, float], seed: int) -> pd.DataFrame:
    """Active accounts outside the worst band, likeliest to grow first."""
    weighed, size = how
    weights = fitted.weights.set_index("metric")[weighed]
    today = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
    if not np.isfinite(weights).any() or today.empty:
        return pd.DataFrame(columns=list(READY_COLUMNS))
    card = growth_scorecard(book.scorecard, ())
    scores = scoring.score(card, today, dict(zip(weights.index.astype(str), weights.fillna(0.0).astype(float), strict=True)))
    seen = fitted.predictions
    chance = calibrate(seen[weighed].to_numpy(dtype=float), seen["lost"], seen["account_id"], replicates=400, seed=seed)
    frame = today.reindex(columns=["account_id", "name", "segment", "csm", "arr", "term_ends"]).assign(
        band=scoring.score(book.scorecard, today).frame["band"], growth_score=scores.frame["score"],
        because=plainly.strong(scores),
    )  # fmt: skip
    p = chance.probability(frame["growth_score"])
    frame = frame.assign(chance=1 - p["probability_lost"], low=1 - p["high"], high=1 - p["low"])
    frame["expected_arr"] = frame["chance"] * size * frame["arr"]
    chosen = frame[frame["growth_score"].notna() & (frame["band"] != book.scorecard.bands[0].name)]
    order = chosen.sort_values(["chance", "arr", "account_id"], ascending=[False, False, True])
    return order[list(READY_COLUMNS)].reset_index(drop=True)
