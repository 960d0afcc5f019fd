"""Where should the bands begin? Five ways to choose thresholds: what each asks of the team, what it catches, costs and brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib import scoring, thresholds
from healthlib.backtest import LEAST_TESTED
from healthlib.bands import band_starts, matched_starts
from healthlib.spec import ASSUMED_COST, Scorecard, WorkSpec
from healthlib.splits import LEAST
from healthlib.studies import choosing_walk, choosing_worth, decision_curve
from healthlib.studies.choosing_walk import WALK_COLUMNS, Rules
from healthlib.studies.choosing_worth import Stock, Tested
from healthlib.studies.fit import FitFacts, usable

if TYPE_CHECKING:
    from healthlib.studies.book import Book

Array = NDArray[np.float64]

WAYS = ("hand", "targets", "capacity", "value", "separation")
"""By hand (as they are), by target renewal rates, by capacity, by cost and benefit, by maximal separation."""
NOBODY = frozenset({"", "-", "n/a", "none", "nobody", "unassigned", "unknown"})
"""Names in the column of CSMs that are no person."""

CHOICE_COLUMNS = (
    "scheme", "way", "lower", "lower_low", "lower_high", "upper", "upper_low", "upper_high", "today", "past_year", "worked", "caught",
    "caught_low", "caught_high", "arr_caught", "arr_low", "arr_high", "alarms", "wrong", "wrong_low", "wrong_high", "net", "net_low",
    "net_high", "gain", "gain_low", "gain_high",
)  # fmt: skip
NAMES = {
    "scheme": "scorecard", "way": "method", "today": "accounts_today", "past_year": "accounts_a_month", "arr_low": "arr_caught_low",
    "arr_high": "arr_caught_high", "alarms": "false_alarms", "wrong": "false_alarm_share", "wrong_low": "false_alarm_share_low",
    "wrong_high": "false_alarm_share_high",
}  # fmt: skip
"""Columns of `choices` under the names of the files."""
CURVE_COLUMNS = ("scheme", "cut", "today", "past_year", "caught", "caught_low", "caught_high", "arr_caught", "arr_low", "arr_high", "net")


@dataclass(frozen=True)
class ChoosingFacts:
    """Ways to choose thresholds, on scores out of time. A cut at c puts scores < c below it; those below `lower` are worked.

    Attributes
    ----------
    needs : why nothing can be said; empty otherwise
    currency, kind, split : as elsewhere; split is accounts where a flat sheet has no time
    work : what an account's work costs and saves, as in workspace.yaml; `cost` filled in where it says none
    assumed : the keys of `work` that workspace.yaml leaves out
    csms : who look after accounts today; None where nobody knows
    accounts, accounts_tested : scored accounts of today, under the scorecard in use without suspected leaks; those of the tested cases
    bands : the scorecard's bands from low to high, each with the score at which it begins
    schemes : the scores compared: current, and fitted where the fit recommends it
    cases, lost : tested out of time
    decisions : decisions a year that the figures are scaled to; NaN on a flat sheet, whose figures are of one pass through it
    arr : mean ARR of a tested case
    choices : `CHOICE_COLUMNS`, a row a scheme and way. `today` and `past_year`: accounts below the lower cut, today and on the mean of the
        past twelve month-ends; `worked`, `alarms` (worked, yet stayed), `net` (saved ARR - cost) and `gain` (net - that by hand) a year.
        `caught`, `arr_caught`: share of what was lost that lay below; `wrong`: share of the worked that stayed. 95 % intervals of shares
        from resampling accounts; of money from that and the save rate drawn from its range; of the cuts: chosen anew in every replicate.
    walked : `choosing_walk.WALK_COLUMNS`: each way choosing on the past alone, judged on what came next
    curve : `CURVE_COLUMNS`, a row a whole-number cut
    decision : `decision_curve.COLUMNS`, of the score in use
    """

    needs: str
    currency: str
    kind: str
    split: str
    work: WorkSpec
    csms: int | None
    accounts: int
    bands: dict[str, float]
    assumed: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    cases: int = 0
    lost: int = 0
    accounts_tested: int = 0
    decisions: float = float("nan")
    arr: float = float("nan")
    choices: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(CHOICE_COLUMNS)))
    walked: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(WALK_COLUMNS)))
    curve: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(CURVE_COLUMNS)), repr=False)
    decision: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(decision_curve.COLUMNS)), repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """`choices` under the names of thresholds.csv, a row a scorecard and way of choosing.

        Returns
        -------
        DataFrame with the columns of `artifacts.THRESHOLDS`: the cuts with where they lie over resamples; accounts below the lower one
        today and on the mean of the past twelve month-ends; what is caught of the accounts and ARR lost; worked, false_alarms (worked,
        yet stayed), net (saved ARR - cost) and gain (over that by hand) per year, or per pass where a flat sheet has no time; 95 %
        intervals; the cases, accounts and lost cases tested. NaN where a way has no answer; no row where nothing can be said.
        """
        tested = {"per": self.per, "cases": self.cases, "accounts": self.accounts_tested, "lost": self.lost}
        return self.choices.rename(columns=NAMES).assign(**tested)

    @property
    def per(self) -> str:
        """What the figures are of: a year, or one pass through a flat sheet, which has no time."""
        return "pass" if self.kind == "flat" else "year"


def of(book: Book, done: dict[str, Any]) -> ChoosingFacts:
    """The facts of `choosing_study`, for `studies.compute`."""
    return choosing_study(book, done["fit"])


def choosing_study(book: Book, fit: FitFacts, *, replicates: int = 1000, seed: int = 0) -> ChoosingFacts:
    """Every way of choosing on every scheme, the trade-off curve, and the decision curve.

    Parameters
    ----------
    fit : facts of `fit_study` on the same book
    """
    card, work = usable(book.scorecard, fit.leaks), _priced(book.workspace.work, fit.predictions)
    today = book.history[book.history["as_of"] == book.as_of]
    csms = work.csms or _csms(today)
    starts = {band.name: float(band.start) for band in card.bands}
    blank = ChoosingFacts("", book.workspace.currency, book.workspace.kind, fit.split, work, csms, 0, starts)
    if needs := _needs(book, fit, card):
        return replace(blank, needs=needs)
    schemes = ("current", "fitted") if fit.recommendation == "adopt" else ("current",)
    scale, decisions = _scale(book, len(today), len(fit.predictions))
    parts, stocks = [], [choosing_worth.stock(_scores(book, fit, card, scheme), book.as_of, replicates, seed) for scheme in schemes]
    for scheme, stock in zip(schemes, stocks, strict=True):
        tested = choosing_worth.tested(fit.predictions, scheme, work, (replicates, seed, scale))
        room = float(csms or np.nan) * work.accounts_per_csm
        rules = Rules(work, _by_hand(card, fit.predictions, scheme), len(card.bands), room, room / max(len(stock.today), 1))
        table = choosing_worth.judged(tested, _cuts(tested, rules, stock), stock, work)
        walk = choosing_walk.walked(fit, book.cases, scheme, rules, (replicates, seed, scale))
        parts.append([part.assign(scheme=scheme) for part in (table, walk, choosing_worth.curve(tested, stock, work))])
    choices, walk, curve = (pd.concat(found, ignore_index=True) for found in zip(*parts, strict=True))
    return replace(
        blank, accounts=len(stocks[0].today), schemes=schemes, cases=len(fit.predictions), lost=int(fit.predictions["lost"].sum()),
        accounts_tested=fit.predictions["account_id"].nunique(),
        assumed=tuple(name for name in WorkSpec.model_fields if name not in book.workspace.work.model_fields_set),
        decisions=decisions, arr=float(fit.predictions["arr"].mean()), choices=choices[list(CHOICE_COLUMNS)],
        walked=walk[list(WALK_COLUMNS)], curve=curve[list(CURVE_COLUMNS)],
        decision=decision_curve.decision(fit.predictions, replicates=replicates, seed=seed),
    )  # fmt: skip


def judge(book: Book, fit: FitFacts, *, replicates: int = 1000, seed: int = 0) -> Callable[[Sequence[float]], pd.DataFrame]:
    """What any threshold asks, catches, costs and brings under the weights in use: a function of cuts, for a slider.

    Returns
    -------
    function of cuts -> a row a cut, the columns of `choices` from `caught` on, those of `way` and the ends apart; `gain` is against the
    first cut given. Equal to the row of `choices` that cuts at the same score.
    """
    card, work = usable(book.scorecard, fit.leaks), _priced(book.workspace.work, fit.predictions)
    active = int((book.history["as_of"] == book.as_of).sum())
    scale, _ = _scale(book, active, len(fit.predictions))
    stock = choosing_worth.stock(_scores(book, fit, card, "current"), book.as_of, replicates, seed)
    tested = choosing_worth.tested(fit.predictions, "current", work, (replicates, seed, scale))
    return lambda cuts: choosing_worth.judged(tested, pd.DataFrame({"lower": np.asarray(cuts, dtype=float)}), stock, work)


def _needs(book: Book, fit: FitFacts, card: Scorecard) -> str:
    """What is missing, in words."""
    if book.workspace.kind == "expansion":
        return "outcomes of leaving: thresholds here say whom to save, not who may grow"
    if len(card.bands) < 2:
        return "a scorecard with two bands or more"
    scored = fit.predictions[fit.predictions["current"].notna()] if len(fit.predictions) else fit.predictions
    if scored.empty or min(scored["lost"].sum(), (scored["lost"] == 0).sum()) < LEAST_TESTED:
        return f"{LEAST_TESTED} lost and {LEAST_TESTED} kept cases scored out of time, before which {LEAST} of each had finished"
    return ""


def _priced(work: WorkSpec, predictions: pd.DataFrame) -> WorkSpec:
    """With a cost: that of workspace.yaml, or `ASSUMED_COST` of the mean ARR of a tested case, in two digits; none without ARR."""
    mean = float(predictions["arr"].mean()) if len(predictions) else float("nan")
    cost = None if not np.isfinite(mean) else float(f"{ASSUMED_COST * mean:.2g}") if work.cost is None else work.cost
    return work.model_copy(update={"cost": cost})


def _csms(today: pd.DataFrame) -> int | None:
    """How many look after accounts today."""
    if "csm" not in today:
        return None
    names = {str(name) for name in today["csm"].dropna().unique() if str(name).strip().lower() not in NOBODY}
    return len(names) or None


def _scale(book: Book, active: int, tested: int) -> tuple[float, float]:
    """What turns sums over the tested cases into a year's, and the decisions a year behind it.

    A year has as many decisions as terms came up in the past one; where an account is judged by a horizon, each of today's is worked once
    a horizon. A flat sheet has no year: one pass through it.
    """
    if book.workspace.kind == "flat":
        return 1.0, float("nan")
    if book.workspace.kind == "churn_within":
        decisions = active * 365.25 / book.workspace.outcome.horizon_days
    else:
        decisions = float((book.cases["as_of"] > book.as_of - pd.DateOffset(years=1)).sum())
    return decisions / tested, decisions


def _scores(book: Book, fit: FitFacts, card: Scorecard, scheme: str) -> pd.DataFrame:
    """account_id, as_of, score of the past twelve month-ends and today, under the weights in use or the fitted ones, without leaks."""
    rows = book.history[book.history["as_of"] > book.as_of - pd.DateOffset(years=1)]
    fitted = dict(zip(fit.weights["metric"], fit.weights["fitted"].fillna(0.0), strict=True)) if scheme == "fitted" else None
    return rows[["account_id", "as_of"]].assign(score=scoring.score(card, rows, fitted).frame["score"].to_numpy(dtype=float))


def _by_hand(card: Scorecard, predictions: pd.DataFrame, scheme: str) -> tuple[float, float]:
    """Where the second and the highest band begin; for another score where it has as many cases below, in whole points."""
    starts = band_starts(card)
    if scheme != "current":
        starts = [float(np.round(start)) for start in matched_starts(predictions[scheme], predictions["current"], card)]
    return starts[1], starts[-1]


def _cuts(tested: Tested, rules: Rules, stock: Stock) -> pd.DataFrame:
    """way, lower, upper, and the 2.5 and 97.5 % points of either over replicates; NaN where a way has no answer."""
    columns = [tested.frame[name] for name in ("score", "lost", "arr")]
    found = choosing_walk.choose(rules, thresholds.below(*columns), float(np.mean(rules.work.save_rate)), thresholds.below(
        stock.today, np.zeros(len(stock.today))).accounts)  # fmt: skip
    drawn = choosing_walk.choose(rules, thresholds.below_replicates(*columns, tested.codes, tested.counts), tested.save, stock.drawn)
    rows = []
    for way, (lower, upper) in found.items():
        spans = [np.nanquantile(ends, [0.025, 0.975]) if np.isfinite(ends).any() else (np.nan, np.nan) for ends in drawn[way]]
        rows.append((way, float(lower), *spans[0], float(upper), *spans[1]))
    return pd.DataFrame(rows, columns=["way", *(f"{cut}{end}" for cut in ("lower", "upper") for end in ("", "_low", "_high"))])
