"""What our own work does to the record of the score, and whether it helped: bounds, thresholds, comparisons and experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib.interventions import TREATMENT
from healthlib.resample import NOTHING, Estimate
from healthlib.studies import cuts, experiments, matching, treated, triggers
from healthlib.studies.aftermath import Aftermath, aftermath
from healthlib.studies.leaks import left_out
from healthlib.treatment import difference, e_value, visible

if TYPE_CHECKING:
    from healthlib.studies.book import Book

POINTS = 5.0
"""Matched accounts lie in the same bin of the score, so many points wide."""
FEWEST_TREATED = 10
"""Worked cases with a match from which a comparison is made (a convention)."""
COMMON = 0.1
"""A segment is adjusted for where so large a share of the cases compared is of it."""
MONTHS = 12
"""What was saved is said for the work of so many months before the book's day."""
SAVED = (
    "method", "name", "accounts", "arr", "effect", "effect_low", "effect_high", "kept", "kept_low", "kept_high", "arr_kept", "arr_low",
    "arr_high", "answer",
)  # fmt: skip
OVERLAP = ("score", "treated", "untreated")
EXPERIMENT, THRESHOLD, MATCHED = "experiment", "threshold", "matched"
HELPED, HARMED, CANNOT_TELL = "helped", "harmed", "cannot_tell"


@dataclass(frozen=True)
class Comparison:
    """Worked accounts beside comparable ones that were not.

    Attributes
    ----------
    naive : share lost of all worked cases minus that of all others
    effect, arr_effect : the same of matched cases, adjusted for what they still differ in; by accounts and by ARR
    cases, found, controls : worked cases, those with a match, and different accounts they are compared with
    explained, explained_near : E-values of the effect and of the near end of its interval
    visible : the smallest effect that would show four times in five
    balance : `matching.BALANCE_COLUMNS`
    overlap : `OVERLAP`: cases by ten points of score
    suspected : the leak audit found that the record of interventions knows the outcome, so nothing was compared
    """

    naive: Estimate = NOTHING
    effect: Estimate = NOTHING
    arr_effect: Estimate = NOTHING
    cases: int = 0
    found: int = 0
    controls: int = 0
    explained: float = float("nan")
    explained_near: float = float("nan")
    visible: float = float("nan")
    balance: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(matching.BALANCE_COLUMNS)))
    overlap: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(OVERLAP)))
    suspected: bool = False


@dataclass(frozen=True)
class TreatmentFacts:
    """What interventions did to the record and to the accounts.

    Attributes
    ----------
    needs : why there is nothing, in words; empty otherwise
    currency, kind : as in the workspace
    since : first day with an intervention, None without any; cases before it are left out
    cases, worked : finished, scored cases since then, and those worked after their score was read
    bands : `treated.BANDS`
    aucs : `treated.AUCS`
    rules : `triggers.RULES`: who was worked at each threshold of each score, the surest first
    cuts, checks, binned, fitted : `cuts.CUTS`, `cuts.CHECKS`, `cuts.BINNED`, `cuts.LINES`, at the thresholds of the score that was found
    compared : worked accounts beside comparable ones
    after : what is measured every month, before work and after it
    arms, alike : `experiments.ARMS`, `experiments.BALANCED`
    saved : `SAVED`, the strongest evidence first: what work of the last `MONTHS` months kept, if each account gained what that method
        found; accounts and ARR with 95 % intervals, `answer` helped, harmed or cannot_tell
    """

    needs: str
    currency: str
    kind: str
    since: pd.Timestamp | None = None
    cases: int = 0
    worked: int = 0
    bands: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(treated.BANDS)))
    aucs: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(treated.AUCS)))
    rules: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(triggers.RULES)))
    cuts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(cuts.CUTS)))
    checks: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(cuts.CHECKS)))
    binned: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(cuts.BINNED)))
    fitted: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(cuts.LINES)))
    compared: Comparison = field(default_factory=Comparison)
    after: Aftermath = field(default_factory=Aftermath)
    arms: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(experiments.ARMS)))
    alike: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(experiments.BALANCED)))
    saved: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SAVED)))


def of(book: Book, done: dict[str, Any]) -> TreatmentFacts:
    """The facts of `treatment_study`, for `studies.compute`."""
    return treatment_study(book)


def treatment_study(book: Book, *, replicates: int = 400, seed: int = 0) -> TreatmentFacts:
    """Ask what interventions hide of the score's record, and whether they helped."""
    workspace = book.workspace
    if workspace.kind in ("flat", "expansion"):
        return TreatmentFacts("contracts with dates, outcomes of leaving and a table `interventions`", workspace.currency, workspace.kind)
    if book.interventions.empty:
        return TreatmentFacts("a table `interventions` (account_id, started_at, playbook)", workspace.currency, workspace.kind)
    cases = treated.marked(book)
    if cases.empty:
        return TreatmentFacts("finished cases since the first intervention was recorded", workspace.currency, workspace.kind)
    rows = experiments.drawn(book)
    rules, seen, at = _at_the_rule(book, cases)
    arms, compared, work = experiments.arms(rows), _compared(book, cases), _lately(book, cases)
    names = [*(band.name for band in book.scorecard.bands), "unscored"]
    return TreatmentFacts(
        "", workspace.currency, workspace.kind, book.interventions["started_at"].min(), len(cases), int(cases["treated"].sum()),
        treated.by_band(cases, names, replicates=replicates, seed=seed), treated.aucs(cases, replicates=replicates // 4, seed=seed),
        rules, at, cuts.checks(seen, at), cuts.binned(seen, at, replicates=replicates, seed=seed), cuts.fitted(seen, at), compared,
        _after(book, compared, work, seed), arms, experiments.alike(rows),
        _saved(rows[rows["started_at"] > _first_day(book)], work, (at, compared, arms)),
    )  # fmt: skip


def _after(book: Book, compared: Comparison, work: tuple[int, float], seed: int) -> Aftermath:
    """`aftermath`, unless the record of interventions seems to know who left."""
    if compared.suspected:
        return Aftermath("a record of interventions that does not itself know who left, as the leak audit finds of this one")
    return replace(aftermath(book, seed=seed), accounts=work[0], arr=work[1])


def _at_the_rule(book: Book, cases: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Which score set playbooks off, the cases by that score, and what changes at its thresholds."""
    scores = triggers.scores_seen(book, cases)
    rules = triggers.rules(cases, scores, book.scorecard)
    found = rules[rules["found"].astype(bool)]
    if found.empty:
        return rules, cases, cuts.at_cuts(cases, [], "")
    name = str(found["score"].iloc[0])
    seen = cases.assign(score=scores[name])
    return rules, seen, cuts.at_cuts(seen, found.loc[found["score"] == name, "cut"].tolist(), name)


def _compared(book: Book, cases: pd.DataFrame) -> Comparison:
    """`compare`, unless the record of interventions itself seems to know who left: then it would show how the record was kept."""
    monthly = book.workspace.kind == "churn_within"
    ours = {name for name, metric in book.scorecard.metrics.items() if metric.table == "interventions"}
    if ours & set(left_out(book.leaks.found)):
        return Comparison(cases=int((cases["early"] if monthly else cases["treated"]).sum()), suspected=True)
    scores = triggers.scores_seen(book, cases)
    seen = scores.get(triggers.INCUMBENT, cases["shown"])
    return compare(cases.assign(seen=seen.where(seen.notna(), cases["score"])), monthly=monthly)


def compare(cases: pd.DataFrame, *, monthly: bool) -> Comparison:
    """Each worked case beside up to five that were not worked: same five points of score, like ARR, tenure and segment, near in time.

    Near also in the score that people saw then, where the cases have it as `seen`: by that they chose whom to work.
    What is left of both scores, ARR, tenure, date and segment is adjusted for by weighted least squares, clustered by account. Without
    terms (`monthly`) only work that began within a month of the score counts, compared among accounts that were still there after that
    month: whoever had left could not have been worked (a landmark, as survival must not look like an effect).

    Parameters
    ----------
    cases : `treated.MARKED`
    """
    cases = cases[cases["score"].notna() & (cases["arr"] > 0) & ~(cases["left"] & monthly)].reset_index(drop=True)
    worked = (cases["early"] if monthly else cases["treated"]).to_numpy(dtype=bool)
    if worked.sum() < FEWEST_TREATED or (~worked).sum() < FEWEST_TREATED:
        return Comparison(cases=int(worked.sum()))
    ends = _ends(cases)
    also = ["seen"] if "seen" in ends else []
    sets = matching.match(ends[worked].reset_index(drop=True), ends[~worked].reset_index(drop=True), also=also, monthly=monthly)
    one, other = cases[worked].reset_index(drop=True), cases[~worked].reset_index(drop=True)
    naive = difference(cases["lost"], worked, cases["account_id"])
    overlap = _overlap(cases, worked)
    if sets["set"].nunique() < FEWEST_TREATED:
        return Comparison(naive, cases=len(one), found=int(sets["set"].nunique()), overlap=overlap)
    used = one.loc[np.unique(sets["set"])]
    weight = (1 / sets.groupby("set")["end"].transform("size")).groupby(sets["end"]).sum()
    beside = other.loc[weight.index]
    both = pd.concat([used, beside], ignore_index=True)
    carried, is_worked = np.r_[np.ones(len(used)), weight.to_numpy(dtype=float)], np.r_[np.ones(len(used)), np.zeros(len(beside))]
    columns = _beside(both)
    effect, by_arr = (
        difference(both["lost"], is_worked, both["account_id"], weight=w, beside=columns) for w in (carried, carried * both["arr"])
    )
    apart = matching.balance(ends[worked].reset_index(drop=True), ends[~worked].reset_index(drop=True), sets).replace({"term": "score"})
    explained = e_value(float(used["lost"].mean()), effect)
    return Comparison(
        naive, effect, by_arr, len(one), len(used), int(beside["account_id"].nunique()), *explained, visible(effect), apart, overlap
    )


def _beside(cases: pd.DataFrame) -> np.ndarray:
    """What matched cases may still differ in, as columns: score, log ARR, log tenure, date and the larger segments."""
    days = (cases["as_of"] - cases["as_of"].min()).dt.days
    common = cases["segment"].value_counts(normalize=True)
    flags = [cases["segment"] == name for name in common.index[(common >= COMMON) & (common < 1)][1:]]
    scores = cases[[name for name in ("score", "seen") if name in cases]]
    return np.column_stack([scores, np.log(cases["arr"]), np.log(cases["age_days"].fillna(0) + 91), days, *flags]).astype(float)


def _ends(cases: pd.DataFrame) -> pd.DataFrame:
    """Cases as `matching` takes them: the bin of the score in the place of the length of the term."""
    days = cases["as_of"]
    bins = (cases["score"] // POINTS).clip(upper=100 / POINTS - 1)
    kept = [name for name in ("account_id", "arr", "segment", "seen") if name in cases]
    return cases[kept].assign(
        ended_on=days, month=matching.month_number(days), tenure=cases["age_days"], term=bins.map(lambda b: f"{b * POINTS:.0f}")
    )


def _overlap(cases: pd.DataFrame, worked: np.ndarray) -> pd.DataFrame:
    tens = (10 * (cases["score"] // 10).clip(upper=9)).to_numpy(dtype=float)
    counts = pd.DataFrame({"score": tens, "treated": worked, "untreated": ~worked}).groupby("score", as_index=False).sum()
    return counts.astype({"treated": "int64", "untreated": "int64"})[list(OVERLAP)]


def _first_day(book: Book) -> pd.Timestamp:
    return book.as_of - pd.DateOffset(months=MONTHS)


def _lately(book: Book, cases: pd.DataFrame) -> tuple[int, float]:
    """Cases worked whose answer fell into the last months, each piece of work once, and their ARR."""
    late = cases[cases["treated"] & (cases["until"] > _first_day(book))].drop_duplicates(["account_id", "started_at"], keep="last")
    return len(late), float(late["arr"].sum())


def _saved(rows: pd.DataFrame, work: tuple[int, float], found: tuple[pd.DataFrame, Comparison, pd.DataFrame]) -> pd.DataFrame:
    """What each method makes of the work of the last months; last a threshold over which scores seem to have been pushed.

    `rows` are the draws of these months, `work` the accounts worked in them and their ARR.
    """
    at, compared, arms = found
    table = []
    six = ["effect", "low", "high", "arr_effect", "arr_low", "arr_high"]
    for (name, teller), by in zip(arms[["experiment", "told_by"]].to_numpy(str), arms[six].to_numpy(dtype=float), strict=True):
        column = "lost" if teller == experiments.CONTRACTS else "told"
        own = rows[(rows["experiment"] == name) & (rows["arm"] == TREATMENT) & rows[column].notna()]
        own = own.drop_duplicates("account_id")
        table.append((EXPERIMENT, f"{name}: {teller}", *_kept((len(own), float(own["arr"].sum())), by)))
    late_rows = []
    six = ["effect", "effect_low", "effect_high", "arr_effect", "arr_low", "arr_high"]
    for cut, density, *by in cuts.answered(at)[["cut", "density_p", *six]].to_numpy(dtype=float).tolist():
        (late_rows if density < cuts.PUSHED else table).append((THRESHOLD, f"{cut:g}", *_kept(work, by)))
    if compared.effect.n:
        by = [end for one in (compared.effect, compared.arr_effect) for end in (one.value, one.low, one.high)]
        table.append((MATCHED, "", *_kept(work, by)))
    known = pd.DataFrame([*table, *late_rows], columns=list(SAVED))
    return known[known["effect_low"].notna()].reset_index(drop=True)


def _kept(work: tuple[int, float], effect: Sequence[float]) -> tuple[float | str, ...]:
    """Accounts, ARR, the effect, and how many more accounts and how much more ARR that kept: losses turned round.

    >>> _kept((10, 1000.0), [-0.2, -0.3, -0.1, -0.25, -0.4, 0.0])
    (10, 1000.0, -0.2, -0.3, -0.1, 2.0, 1.0, 3.0, 250.0, -0.0, 400.0, 'helped')
    """
    (accounts, arr), (value, low, high, money, money_low, money_high) = work, effect
    answer = HELPED if high < 0 else HARMED if low > 0 else CANNOT_TELL
    return (
        accounts, arr, value, low, high, -value * accounts, -high * accounts, -low * accounts, -money * arr, -money_high * arr,
        -money_low * arr, answer,
    )  # fmt: skip
