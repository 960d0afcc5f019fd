"""Whether metrics made of other metrics can be worked out: every name known, no circle, a level for every account."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from healthlib.config import Level, Metric
from healthlib.draft import Draft, unknown_name
from healthlib.errors import Fault
from healthlib.terms import Range
from healthlib.yamlfile import Place


def check_levels(draft: Draft) -> Iterator[Fault]:
    """Every disagreement between the levels of a scorecard's metrics and the metrics they read."""
    made = {name: metric for name, metric in draft.metrics.items() if metric.levels}
    for name, metric in made.items():
        yield from _check_order(draft, ("metrics", name, "levels"), metric)
        for i, level in enumerate(metric.levels):
            for key, parts in (("when", level.when), ("any", level.any_of)):
                yield from _check_parts(draft, ("metrics", name, "levels", i, key), parts)
    try:
        TopologicalSorter({name: metric.reads for name, metric in made.items()}).prepare()
    except CycleError as error:
        circle = error.args[1]
        first = next(name for name in draft.metrics if name in circle)
        found = " reads ".join(circle[::-1])
        yield draft.document.fault(("metrics", first, "levels"), found, "expected levels that read metrics which do not read them in turn")


def _check_order(draft: Draft, place: Place, metric: Metric) -> Iterator[Fault]:
    """The last level, and only the last, is for all the rest; two of them score differently."""
    document, free = draft.document, [not (level.when or level.any_of) for level in metric.levels]
    for i, without in enumerate(free[:-1]):
        if without:
            yield document.fault((*place, i), "a level without a condition above others", "put it last: the first level that holds wins")
    if not free[-1]:
        spot, cure = (*place, len(free) - 1), "add a last level without a condition, such as {score: 0}, for all the rest"
        yield document.fault(spot, "a last level with a condition", cure)
    if len({level.score for level in metric.levels}) < 2:
        yield document.fault(place, _scores(metric.levels), "expected levels with different scores")


def _scores(levels: tuple[Level, ...]) -> str:
    return "one level" if len(levels) == 1 else f"{len(levels)} levels that all score {levels[0].score:g}"


def _check_parts(draft: Draft, place: Place, parts: dict[str, Range]) -> Iterator[Fault]:
    names = draft.names("metrics")
    for name, wanted in parts.items():
        if name not in names:
            yield unknown_name(draft.document, (*place, name), name, names)
        if not str(wanted):
            yield draft.document.wrong((*place, name), f"expected one of {', '.join(Range.model_fields)}")
