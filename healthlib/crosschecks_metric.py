"""What one key of a metric cannot show alone: whether its measure, its scale and its conditions go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from healthlib.config import Metric, Profile
from healthlib.draft import Draft, unknown_name
from healthlib.errors import Fault, nearest
from healthlib.schema import CASE_COLUMNS, TABLES
from healthlib.terms import BY_WINDOWS, COMPARABLE, Condition, End, Quantile, Range, direction_of, direction_of_steps
from healthlib.yamlfile import Document, Place

NUMBERS = ("age_days", "arr", "seats")
HINDSIGHT = ("outcome", "lost", "arr_lost", "horizon_ends_on")
EVENTS_ONLY = ("table", "measure", "where", "window_days", "trend", "per", "against", "stale_after_days", "reading")
"""Keys of a metric that need rows of events."""
CLOSING = tuple(name for name, schema in TABLES.items() if schema.filled_later and name != "contracts")
"""Tables whose rows are opened first and closed later."""
SCALES = ("worst", "best", "steps", "curve")
"""Keys that say what a value is worth: both ends of a line, or one of the other two."""


def check_metric(draft: Draft, place: Place, metric: Metric) -> Iterator[Fault]:
    """Every disagreement within one metric."""
    document = draft.document
    if metric.group not in (groups := draft.names("groups")) and groups:
        yield unknown_name(document, (*place, "group"), metric.group, groups)
    if metric.levels:
        yield from _check_made(document, place, metric)
    else:
        yield from _check_reading(draft, place, metric)
        yield from _check_measure(document, place, metric)
        yield from _check_against(document, place, metric)
        yield from _check_scales(document, place, metric)
    for spot, condition in _conditions(place, metric):
        yield from _check_condition(document, spot, condition)


def _check_made(document: Document, place: Place, metric: Metric) -> Iterator[Fault]:
    """A metric with levels reads other metrics, and its value is its score."""
    for key in (*EVENTS_ONLY, "column", "better", *SCALES):
        if key in written(document, place):
            why = "its value is a score already" if key in ("better", *SCALES) else "it reads other metrics"
            yield document.wrong((*place, key), f"a metric with `levels` takes none: {why}")
    for i, profile in enumerate(metric.profiles):
        for key in SCALES:
            if getattr(profile, key) is not None:
                yield document.wrong((*place, "profiles", i, key), "a profile of a metric with `levels` may change its weight only")


def written(document: Document, place: Place) -> dict[str, Any]:
    """The keys that stand in the file at a place; none where there is no mapping."""
    found = document.at(place)
    return found if isinstance(found, dict) else {}


def _check_reading(draft: Draft, place: Place, metric: Metric) -> Iterator[Fault]:
    """The table, or the column of a sheet."""
    document = draft.document
    if metric.column is not None or draft.flat:
        yield from _check_column(draft, place, metric)
        return
    if metric.measure.kind == "age":
        extra = [key for key in ("table", "where", "window_days", "per", "stale_after_days", "reading") if getattr(metric, key) is not None]
        for key in extra:
            yield document.wrong((*place, key), "`age` is the days since the account's first contract and takes none")
    elif metric.table is None:
        yield document.fault((*place, "table"), "nothing", f"`{metric.measure.kind}` needs a table to read")
    elif draft.tables is not None and metric.table not in draft.tables:
        cure = f"expected one of {', '.join(draft.tables)}, or a table of your own under `tables` in workspace.yaml"
        yield document.wrong((*place, "table"), cure, nearest(metric.table, draft.tables))
    if metric.reading is not None and metric.table not in (None, "readings"):
        yield document.wrong((*place, "reading"), "only metrics on the table `readings` have one")


def _check_column(draft: Draft, place: Place, metric: Metric) -> Iterator[Fault]:
    """`column` goes with a flat sheet and stands alone."""
    document = draft.document
    if metric.column is None:
        cure = "with `flat:` a metric names a `column` of the sheet, or a condition on its row"
        yield document.fault((*place, "column"), "nothing", cure)
        return
    if draft.flat is False:
        cure = "it goes with `flat:` in workspace.yaml; tables are read by `table` and `measure`"
        yield document.fault((*place, "column"), "`column`", cure)
        return
    for key in EVENTS_ONLY:
        if key in written(document, place):
            yield document.wrong((*place, key), "a metric with `column` reads one row and takes none")


def _check_measure(document: Document, place: Place, metric: Metric) -> Iterator[Fault]:
    """The keys that go with some measures only."""
    kind = metric.measure.kind
    if kind == "open" and metric.table in TABLES and metric.table not in CLOSING:
        yield document.wrong((*place, "measure"), f"`open` needs a table whose rows are closed later: {', '.join(CLOSING)}")
    if metric.stale_after_days is not None and kind not in ("last", "age"):
        yield document.wrong((*place, "stale_after_days"), f"it goes with `last`; for `{kind}` set `window_days`")


def _check_against(document: Document, place: Place, metric: Metric) -> Iterator[Fault]:
    """What a value is compared with: one thing, and something that can be."""
    against, spot = metric.against, (*place, "against")
    if against is None:
        return
    if (against.past_days is None) == (against.peers is None):
        yield document.wrong(spot, "expected one of the two: {past_days: 365} or {peers: segment}")
    elif against.past_days is not None:
        yield from _check_past(document, place, metric, against.past_days)
    elif against.peers in (*CASE_COLUMNS, "name"):
        yield document.wrong((*spot, "peers"), "expected an attribute that accounts share, such as segment")


def _check_past(document: Document, place: Place, metric: Metric, past_days: int) -> Iterator[Fault]:
    """The past of a window, by a measure that windows of another time can be compared by."""
    spot, kind = (*place, "against", "past_days"), metric.measure.kind
    if metric.trend is not None:
        yield document.wrong((*place, "trend"), "one of the two: `trend`, or `against` the past")
    if kind not in COMPARABLE:
        yield document.wrong(spot, f"it goes with {', '.join(COMPARABLE)}; for `{kind}` use `trend`")
    elif metric.window_days is None:
        yield document.wrong(spot, "it needs `window_days`: the past is what lies before the window")
    elif kind in BY_WINDOWS and metric.window_days > past_days:
        yield document.wrong(spot, f"expected at least the window of {metric.window_days} days: `{kind}` is compared window by window")
    if metric.per is not None:
        yield document.wrong((*place, "per"), "left out: the past is compared as it was counted, and the divisor would cancel")
    if "at_least" in written(document, (*place, "against")):
        yield document.wrong((*place, "against", "at_least"), "it goes with `peers`")


def _check_scales(document: Document, place: Place, metric: Metric) -> Iterator[Fault]:
    """The scale (worst and best, steps, or a curve) says something and runs the way `better` says, in the metric and its profiles."""
    keys, drawn = written(document, place), _drawn(metric)
    if drawn:
        yield from _check_points(document, place, metric.better, (drawn, getattr(metric, drawn)))
        for key in ("worst", "best"):
            if key in keys:
                yield document.wrong((*place, key), f"one of the two: `{drawn}`, or `worst` and `best`")
        if drawn == "steps" and metric.curve is not None:
            yield document.wrong((*place, "curve"), "one of the two: `steps`, or `curve`")
    else:
        for key in ("worst", "best"):
            if getattr(metric, key) is None:
                yield document.fault((*place, key), "nothing", f"`{key}` is required, or `steps` or `curve` in the place of both ends")
        yield from _check_ends(document, place, metric.better, (metric.worst, metric.best))
    for i, profile in enumerate(metric.profiles):
        yield from _check_profile(document, (*place, "profiles", i), metric, profile)


def _drawn(metric: Metric) -> str:
    """Which of `steps` and `curve` a metric is scored by; "" for a straight line."""
    return next((key for key in ("steps", "curve") if getattr(metric, key) is not None), "")


def _check_profile(document: Document, spot: Place, metric: Metric, profile: Profile) -> Iterator[Fault]:
    """A profile changes something, by the same kind of scale as its metric."""
    if all(getattr(profile, key) is None for key in (*SCALES, "weight")):
        yield document.fault(spot, "a profile that changes nothing", "give it worst, best, steps, a curve or a weight")
        return
    drawn = _drawn(metric)
    own = (drawn,) if drawn else ("worst", "best")
    for key in SCALES:
        if key not in own and getattr(profile, key) is not None:
            yield document.wrong((*spot, key), f"expected {' and '.join(f'`{name}`' for name in own)}, as its metric has")
    if drawn and getattr(profile, drawn) is not None:
        yield from _check_points(document, spot, metric.better, (drawn, getattr(profile, drawn)))
    ends = _ends(metric, profile)
    if not drawn and ends != (metric.worst, metric.best):
        yield from _check_ends(document, spot, metric.better, ends)


def _check_points(document: Document, place: Place, better: str, scale: tuple[str, dict[float, float]]) -> Iterator[Fault]:
    """At least two different points, one way: a better value never lowers a score. A hump is said with `levels`."""
    key, points = scale
    spot, runs = (*place, key), direction_of_steps(points)
    if len(points) < len(written(document, spot)):
        yield document.wrong(spot, "the same value twice: keep one of them")
    elif len(set(points.values())) < 2:
        yield document.wrong(spot, "expected at least two values with different points, such as {0: 0, 1: 50, 4: 100}")
    elif runs is None:
        yield document.wrong(spot, "expected points that only rise or only fall; where too little and too much are both bad, use `levels`")
    elif runs != better:
        yield document.fault(
            (*place, "better"), f"{better} with points that run the other way", f"expected better: {runs}, or other points"
        )


def _ends(metric: Metric, profile: Profile) -> tuple[End | None, End | None]:
    worst = metric.worst if profile.worst is None else profile.worst
    return worst, metric.best if profile.best is None else profile.best


def _check_ends(document: Document, place: Place, better: str, ends: tuple[Any, Any]) -> Iterator[Fault]:
    worst, best = (end.quantile if isinstance(end, Quantile) else end for end in ends)
    if worst is None or best is None:
        return
    runs = direction_of(*ends)
    unit = "quantile " if isinstance(ends[0], Quantile) else ""
    if type(ends[0]) is type(ends[1]) and worst == best:
        yield document.fault((*place, "best"), f"worst and best both {unit}{worst:g}", "they must differ")
    elif runs not in (None, better):
        found = f"{better} with worst {unit}{worst:g} and best {unit}{best:g}"
        cure = "above" if better == "higher" else "below"
        yield document.fault((*place, "better"), found, f"expected best {cure} worst, or better: {runs}")


def _conditions(place: Place, metric: Metric) -> Iterator[tuple[Place, Condition]]:
    yield (*place, "applies_to"), metric.applies_to
    for i, profile in enumerate(metric.profiles):
        yield (*place, "profiles", i, "when"), profile.when


def _check_condition(document: Document, place: Place, condition: Condition) -> Iterator[Fault]:
    for column, wanted in condition.items():
        spot = (*place, column)
        if column in HINDSIGHT:
            yield document.fault(spot, repr(column), "a condition that was known on the day; this one is only known afterwards")
        elif column in ("as_of", "term_ends"):
            yield document.fault(spot, repr(column), f"a condition on {', '.join(NUMBERS)} or an attribute such as segment")
        elif isinstance(wanted, Range):
            if all(part is None for part in wanted.model_dump().values()):
                yield document.wrong(spot, f"expected one of {', '.join(Range.model_fields)}")
        elif column in NUMBERS:
            yield document.wrong(spot, f"{column} is a number: write {{{', '.join(Range.model_fields)}}}, for example {{under: 180}}")
