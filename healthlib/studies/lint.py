"""What a careful colleague would say of a scorecard before anybody relies on it: rules that look at the file and at the data it scores."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import scoring, stats
from healthlib.alert_rules import USAGE
from healthlib.resample import account_weights
from healthlib.spec import Scorecard
from healthlib.wording import count, counted, number, share

if TYPE_CHECKING:
    from healthlib.studies.book import Book

COLUMNS = ("severity", "what", "where", "said", "cure")
SEVERITIES = ("wrong", "doubtful", "note")
"""wrong: it cannot do what it was written for; doubtful: look at it before relying on the score; note: good to know."""

DOMINATES, MOST_BEST, MOST_WORST, LEAST_COVERAGE, COLLINEAR = 0.5, 0.8, 0.2, 0.5, 0.9
"""Conventions of practitioners: shares of the weight, of the scored accounts, of the accounts a metric applies to; rank correlation."""

ENOUGH_ACCOUNTS, ENOUGH_OUTCOMES = 30, 10
"""Fewer accounts say nothing of a correlation or a share; fewer lost or kept cases nothing of a direction."""

READ_ELSEWHERE = ("accounts", "contracts", "attributes", "interventions", "overrides", "score_history")
"""Tables that are read for other things than metrics."""

Row = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class _View:
    """The scorecard, its scores on the last day, and each metric's score there (NaN where not measured)."""

    card: Scorecard
    today: pd.DataFrame
    scores: scoring.Scores
    band: pd.Series
    ever: set[str]

    @property
    def weighed(self) -> list[str]:
        """The metrics that carry weight for somebody."""
        return [name for name, metric in self.card.metrics.items() if metric.weight > 0 or any(p.weight for p in metric.profiles)]

    def label(self, name: str) -> str:
        """A metric as its reader knows it."""
        return self.card.metrics[name].label


def lint(scorecard: Scorecard, history: pd.DataFrame, cases: pd.DataFrame | None = None, *, tables: Collection[str] = ()) -> pd.DataFrame:
    """Look a scorecard over.

    Parameters
    ----------
    scorecard : with numbers as scale ends, see `scoring.resolve_scales`
    history : snapshots of accounts; its last day is today
    cases : labelled cases; without them no direction is held against outcomes
    tables : names of the tables of the workspace; without them none is called unread

    Returns
    -------
    DataFrame with `COLUMNS`, the gravest first: `what` is the rule, `where` the metric, group, band or table, `said` what was found
    with its n, `cure` what to do
    """
    today = history[history["as_of"] == history["as_of"].max()].reset_index(drop=True)
    scores = scoring.score(scorecard, today)
    ever = set(scoring.score(scorecard, history).frame["band"])
    view = _View(scorecard, today, scores, scores.frame["band"].astype("object"), ever)
    rows: list[Row] = [
        *_weights(view),
        *_scales(view),
        *_coverage(view),
        *_twins(view),
        *_bands(view),
        *_unread(view, tables),
        *_groups(view),
    ]
    rows += _polarity(view, cases) if cases is not None and len(cases) else []
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    order = frame["severity"].map({name: place for place, name in enumerate(SEVERITIES)})
    return frame.assign(_order=order).sort_values("_order", kind="stable", ignore_index=True)[list(COLUMNS)]


def lint_book(book: Book) -> pd.DataFrame:
    """`lint` of an opened workspace."""
    if book.history.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    return lint(book.scorecard, book.history, book.cases, tables=tuple(dict.fromkeys(book.tables["table"])))


def _weights(view: _View) -> Iterator[Row]:
    """What the weights sum to, and one that outweighs all others together."""
    weights = {name: weight for name, weight in view.card.weights.items() if weight > 0}
    total = sum(weights.values())
    if weights and abs(total - 100) > 1e-9:
        first = max(weights, key=lambda name: weights[name])
        said = f"weights sum to {total:g}, not 100: only their shares count, so {weights[first]:g} is {share(weights[first] / total)}"
        yield "note", "weights_sum", "metrics", said, "nothing has to be done; weights that sum to 100 are easier to read"
    for name, weight in weights.items():
        if weight / total > DOMINATES and len(weights) > 1:
            said = f"{view.label(name)} carries {share(weight / total)} of the weight: the score is nearly this one metric"
            yield "doubtful", "dominates", name, said, "lower its weight, or set a limit: `limits: {" + name + ": {max: 40}}`"


def _scales(view: _View) -> Iterator[Row]:
    """Scales without a direction, and metrics that give everybody the same points."""
    for name in view.weighed:
        metric, values = view.card.metrics[name], view.today[name].astype(float)
        undefined = any(isinstance(end, float) and np.isnan(end) for end in (metric.worst, metric.best))
        if undefined and values.notna().any():
            said = f"{view.label(name)} is measured, but its scale has no length in history, or runs against `better: {metric.better}`"
            yield "wrong", "scale", name, said, "write worst and best as numbers, or turn `better` around"
            continue
        points = view.scores.metric_scores[name].dropna()
        if len(points) >= ENOUGH_ACCOUNTS and points.nunique() == 1:
            said = (
                f"{view.label(name)} gives {number(points.iloc[0], 0)} points to all {count(len(points))} accounts: it tells nobody apart"
            )
            yield "doubtful", "constant", name, said, "move worst and best to where the values lie, or drop the metric"


def _coverage(view: _View) -> Iterator[Row]:
    """Metrics that are measured for few of the accounts they apply to."""
    applies = scoring.applies(view.card, view.today)
    for name in view.weighed:
        here = applies[name].to_numpy()
        n, measured = int(here.sum()), int(view.today.loc[here, name].notna().sum())
        if n and measured / n < LEAST_COVERAGE:
            said = (
                f"{view.label(name)} is measured for {count(measured)} of the {counted(n, 'account')} it applies to ({share(measured / n)})"
            )
            cure = "check its table and window; `applies_to` says for whom it makes sense, `missing` what a gap means"
            yield "doubtful" if measured else "wrong", "coverage", name, said, cure


def _twins(view: _View) -> Iterator[Row]:
    """Metrics that are one and the same, or that rank the accounts alike."""
    definitions = {name: view.card.metrics[name].model_dump(exclude={"name", "label", "group", "weight"}) for name in view.weighed}
    ranks = view.today[view.weighed].astype(float)
    related = ranks.corr(method="spearman", min_periods=ENOUGH_ACCOUNTS)
    for first, second in combinations(view.weighed, 2):
        metrics = (view.card.metrics[first], view.card.metrics[second])
        together = share(sum(metric.weight for metric in metrics) / max(sum(view.card.weights.values()), 1e-12))
        pair = f"{view.label(first)} and {view.label(second)}"
        rho: Any = related.loc[first, second]
        if definitions[first] == definitions[second]:
            said = f"{pair} are one metric twice, together {together} of the weight"
            yield "wrong", "duplicate", f"{first}, {second}", said, "keep one of the two and give it the weight"
        elif abs(rho) > COLLINEAR:
            n = int(ranks[[first, second]].notna().all(axis=1).sum())
            said = (
                f"{pair} rank {counted(n, 'account')} almost alike (rank correlation {number(rho, 2)}), together {together} of the weight"
            )
            against = (rho > 0) == (metrics[0].better == metrics[1].better)
            cure = "keep the one you can act on, or split one weight between them"
            if not against:
                said, cure = f"{said}; one of the two counts it as good, the other as bad", "turn `better` of one around, or drop it"
            yield "doubtful", "collinear" if against else "opposed", f"{first}, {second}", said, cure


def _bands(view: _View) -> Iterator[Row]:
    """Bands that hold nobody, and a base that is nearly all of one band."""
    names, n = [band.name for band in view.card.bands], int((view.band != scoring.UNSCORED).sum())
    if n < ENOUGH_ACCOUNTS:
        return
    held = view.band.value_counts()
    for name in names:
        if name not in held and name not in view.ever:
            said = f"no account has ever been {name} (n = {counted(n, 'scored account')} today)"
            yield "doubtful", "empty_band", name, said, "move its `from`, or leave it out"
        elif name not in held:
            yield (
                "note",
                "empty_band",
                name,
                f"no account is {name} today (n = {count(n)}); some have been",
                "nothing, if it is rare by intent",
            )
    best, worst = held.get(names[-1], 0) / n, held.get(names[0], 0) / n
    if len(names) > 1 and best > MOST_BEST:
        said = f"{share(best)} of {counted(n, 'scored account')} are {names[-1]}: over {share(MOST_BEST)} is thought to tell too few apart"
        yield "doubtful", "too_green", names[-1], said, "raise where the best band begins, or `best` of metrics that nearly all reach"
    if len(names) > 1 and worst > MOST_WORST:
        said = f"{share(worst)} of {counted(n, 'scored account')} are {names[0]}: over {share(MOST_WORST)} is thought too many to work"
        yield "doubtful", "too_red", names[0], said, "lower where the second band begins, or `worst` of metrics that few reach"


def _unread(view: _View, tables: Collection[str]) -> Iterator[Row]:
    """Metrics and tables that nothing reads."""
    card = view.card
    elsewhere = _texts(card.model_dump(exclude={"metrics", "limits", "groups", "playbooks"}))
    if "champion_gone" not in card.alerts.off and card.alerts.champion_gone.metric is None and card.alerts.champion_gone.attribute is None:
        elsewhere.add("champion_gone")
    for name in card.metrics:
        others = set().union(*(_texts(metric.model_dump(), keys=True) for other, metric in card.metrics.items() if other != name))
        if name not in view.weighed and name not in elsewhere | others:
            said = f"{view.label(name)} has no weight, and no gate and no alert reads it: it is tracked only"
            yield "note", "tracked_only", name, said, "give it a weight or a gate, or keep it to watch"
    read = {metric.table for metric in card.metrics.values()} | set(READ_ELSEWHERE)
    read |= {"touchpoints"} - ({"touchpoints"} if "no_contact" in card.alerts.off else set())
    read |= {USAGE} if "usage_back" not in card.alerts.off and card.alerts.usage_back.metric == USAGE else set()
    for table in tables:
        if table not in read and not any(metric.column for metric in card.metrics.values()):
            yield "note", "unread_table", table, f"no metric reads the table {table}", "a metric could; see `measure` in the README"


def _texts(value: Any, *, keys: bool = False) -> set[str]:
    """Every text anywhere inside a nest of mappings and lists; with `keys` those of the mappings too: a condition names what it reads."""
    if isinstance(value, dict):
        found = set().union(*(_texts(part, keys=keys) for part in value.values()))
        return found | {str(key) for key in value} if keys else found
    if isinstance(value, list | tuple):
        return set().union(*(_texts(part, keys=keys) for part in value))
    return {value} if isinstance(value, str) else set()


def _groups(view: _View) -> Iterator[Row]:
    """Groups that rest on one metric, or on none."""
    for group in view.card.groups:
        members = [name for name in view.weighed if view.card.metrics[name].group == group]
        if not members:
            yield "doubtful", "empty_group", group, f"no metric with a weight is in the group {group}", "leave it out, or give it a metric"
        elif len(members) == 1 and len(view.weighed) > 1:
            said = f"the group {group} is {view.label(members[0])} alone: where it is not measured the group is blank"
            yield "note", "one_metric", group, said, "a second metric, or a group less"


def _polarity(view: _View, cases: pd.DataFrame) -> Iterator[Row]:
    """Metrics whose points run against outcomes: more points, more losses.

    The chance that a kept case had more points than a lost one (AUC), with the interval from resampling accounts, at 95 % over all metrics
    together (Bonferroni): of fifteen metrics that say nothing one would else seem to run backwards every third time.
    """
    done = cases[cases["lost"].notna()].reset_index(drop=True)
    found = scoring.metric_scores(view.card, done)
    lost = done["lost"].to_numpy(dtype=float)
    codes, counts = account_weights(done["account_id"], 400, 0)
    for name in view.weighed:
        points = found[name].to_numpy(dtype=float)
        known = np.isfinite(points)
        if min(lost[known].sum(), (1 - lost[known]).sum()) < ENOUGH_OUTCOMES:
            continue
        value = stats.auc(points[known], lost[known])
        if value >= 0.5:
            continue
        spread = float(np.nanstd(stats.auc_replicates(points[known], lost[known], codes[known], counts)))
        wide = _z(len(view.weighed)) * spread
        if value + wide < 0.5:
            span = f"{number(value, 3)} ({number(max(value - wide, 0), 3)}–{number(value + wide, 3)})"
            n = f"n = {counted(int(known.sum()), 'case')}, {count(lost[known].sum())} lost"
            said = f"accounts with more points on {view.label(name)} left more often: AUC {span}, {n}"
            cure = f"is `better: {view.card.metrics[name].better}` meant? If it is, ask why before it gets a weight"
            yield "doubtful", "polarity", name, said, cure


def _z(tests: int) -> float:
    """Two-sided 95 % quantile of the normal distribution for so many tests at once."""
    from scipy.special import ndtri

    return float(ndtri(1 - 0.025 / max(tests, 1)))
