"""What one key alone cannot show: whether the parts of a scorecard agree with each other and with the tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from healthlib.config import Band, Gate, Limit, Metric, Profile
from healthlib.config_workspace import FlatSpec, TableSource
from healthlib.errors import Fault, nearest
from healthlib.schema import CASE_COLUMNS, TABLES
from healthlib.terms import Condition, Quantile, Range, direction_of
from healthlib.yamlfile import Document, Place

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NUMBERS = ("age_days", "arr", "seats")
HINDSIGHT = ("outcome", "lost", "arr_lost", "horizon_ends_on")
UNSCORED = "unscored"
INSTEAD = {"tables": "a sheet takes the place of all tables", "outcome": "a sheet says it in `flat: {outcome: ...}`"}
EVENTS_ONLY = ("table", "measure", "where", "window_days", "trend", "per", "stale_after_days", "reading")
"""Keys of a metric that need rows of events."""
CLOSING = tuple(name for name, schema in TABLES.items() if schema.filled_later and name != "contracts")
"""Tables whose rows are opened first and closed later."""


@dataclass(frozen=True)
class Draft:
    """A scorecard whose parts were read one by one; parts with faults of their own are left out.

    Attributes
    ----------
    document : the file
    metrics, bands, gates, limits : the parts by name or position
    tables : tables that metrics may read; None when that is not known
    taken : names that no metric may have
    flat : whether metrics read a flat sheet; None when that is not known
    """

    document: Document
    metrics: Mapping[str, Metric]
    bands: Mapping[int, Band]
    gates: Mapping[int, Gate]
    limits: Mapping[str, Limit]
    tables: Collection[str] | None
    taken: Collection[str]
    flat: bool | None = None

    def names(self, key: str) -> list[str]:
        """The names written under a top-level key, whether or not what stands there is right."""
        raw: Any = self.document.data.get(key)
        items = raw if isinstance(raw, dict | tuple) else ()
        return [str(item.get("name", "")) if isinstance(item, dict) else str(item) for item in items]


def check_scorecard(draft: Draft) -> Iterator[Fault]:
    """Every disagreement between the parts of a scorecard."""
    yield from _check_names(draft)
    for name, metric in draft.metrics.items():
        yield from _check_reading(draft, ("metrics", name), metric)
        yield from _check_measure(draft.document, ("metrics", name), metric)
        yield from _check_scales(draft.document, ("metrics", name), metric)
        for place, condition in _conditions(name, metric):
            yield from _check_condition(draft.document, place, condition)
    if draft.metrics and len(draft.metrics) == len(draft.names("metrics")) and not any(metric.weight for metric in draft.metrics.values()):
        yield draft.document.fault(("metrics",), "only weights of 0", "give at least one metric a weight over 0")
    yield from _check_bands(draft)
    for i, gate in draft.gates.items():
        if gate.metric not in draft.names("metrics"):
            yield _unknown(draft.document, ("gates", i, "metric"), gate.metric, draft.names("metrics"))
    yield from _check_limits(draft)
    yield from _check_playbooks(draft)


def check_source(document: Document, name: str, source: TableSource) -> Iterator[Fault]:
    """Whether the entry of one table in workspace.yaml makes sense."""
    place = ("tables", name)
    if not NAME.fullmatch(name):
        yield document.fault(place, repr(name), "expected a table name of letters, digits and _")
    ways = [key for key in ("file", "sql", "table", "query") if getattr(source, key)]
    if len(ways) > 1:
        cure = "keep one of the two" if len(ways) == 2 else "keep one of them"
        yield document.fault((*place, ways[1]), " and ".join(f"`{key}`" for key in ways), cure)
    elif ways and ways[0] in ("table", "query") and not document.data.get("database"):
        yield document.fault((*place, ways[0]), f"`{ways[0]}` without a database", "expected `database:` at the top, with its URL")
    for key in ("sql", "query"):
        if key in ways and source.columns:
            yield document.fault((*place, "columns"), f"`columns` beside `{key}`", "rename in the query: `select theirs as canonical`")
    if name not in TABLES:
        if not source.time:
            near = nearest(name, TABLES)
            hint = "a table of your own needs `time:`, the name of its time column"
            yield document.fault(place, f"the table {name!r} without `time`", hint, near)
        return
    schema = TABLES[name]
    if source.time and source.time != schema.time:
        cure = f"map it: `columns: {{{schema.time}: {source.time}}}`" if schema.time else "leave it out: this table has no time"
        yield document.wrong((*place, "time"), cure)
    for ours, theirs in source.columns.items():
        if ours not in schema.columns and theirs in schema.columns and theirs not in source.columns:
            yield document.fault((*place, "columns", ours), f"`{ours}: {theirs}`", f"the canonical name comes first: `{theirs}: {ours}`")


def check_flat(document: Document, flat: FlatSpec | None) -> Iterator[Fault]:
    """Whether a flat sheet and what stands beside it make sense."""
    for key in ("tables", "outcome"):
        if document.data.get(key) is not None:
            yield document.fault((key,), f"`{key}` beside `flat`", f"one of the two: {INSTEAD[key]}")
    if flat is None:
        return
    if flat.file and flat.sql:
        yield document.fault(("flat", "sql"), "`file` and `sql`", "keep one of the two")
    if not flat.file and not flat.sql:
        yield document.fault(("flat", "file"), "nothing", "expected the file of the sheet, relative to the workspace folder")
    for name in flat.attributes:
        place = ("flat", "attributes", name) if isinstance(document.at(("flat", "attributes")), dict) else ("flat", "attributes")
        if name.lower() in {column.lower() for column in CASE_COLUMNS}:
            yield document.fault(place, repr(name), "another name, as `our name: their column`: this one is a column of every case")


def _unknown(document: Document, place: Place, name: str, choices: Collection[str]) -> Fault:
    return document.fault(place, repr(name), f"expected one of {', '.join(choices)}", nearest(name, choices))


def _repeated(document: Document, key: str, names: list[str], inside: tuple[str, ...]) -> Iterator[Fault]:
    """Names that stand twice in a list."""
    for i, name in enumerate(names):
        if name and name in names[:i]:
            yield document.fault((key, i, *inside), f"{name!r} for the second time", "give each its own name")


def _check_names(draft: Draft) -> Iterator[Fault]:
    document, metrics = draft.document, draft.names("metrics")
    for key, inside in (("groups", ()), ("bands", ("name",)), ("gates", ("name",))):
        yield from _repeated(document, key, draft.names(key), inside)
    for i, name in enumerate(metrics):
        place = ("metrics", name)
        if not NAME.fullmatch(name):
            yield document.fault(place, repr(name), "expected a name of letters, digits and _; words belong in `label`")
        elif name.lower() in draft.taken:
            yield document.fault(place, repr(name), "another name: this one is a column of every case")
        elif name.lower() in {other.lower() for other in metrics[:i]}:
            yield document.fault(place, repr(name), "another name: upper and lower case alone do not tell two metrics apart")


def _check_reading(draft: Draft, place: Place, metric: Metric) -> Iterator[Fault]:
    """The group and the table."""
    document, groups = draft.document, draft.names("groups")
    if metric.group not in groups and groups:
        yield _unknown(document, (*place, "group"), metric.group, groups)
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
    written = document.at(place)
    for key in EVENTS_ONLY:
        if isinstance(written, dict) and key in written:
            yield document.wrong((*place, key), "a metric with `column` reads one row and takes none")


def _check_measure(document: Document, place: Place, metric: Metric) -> Iterator[Fault]:
    """The keys that go with some measures only."""
    kind = metric.measure.kind
    if kind == "open" and metric.table in TABLES and metric.table not in CLOSING:
        yield document.wrong((*place, "measure"), f"`open` needs a table whose rows are closed later: {', '.join(CLOSING)}")
    if metric.stale_after_days is not None and kind not in ("last", "age"):
        yield document.wrong((*place, "stale_after_days"), f"it goes with `last`; for `{kind}` set `window_days`")


def _check_scales(document: Document, place: Place, metric: Metric) -> Iterator[Fault]:
    """worst and best differ and run the way `better` says, in the metric and in each of its profiles."""
    yield from _check_ends(document, place, metric.better, (metric.worst, metric.best))
    for i, profile in enumerate(metric.profiles):
        spot = (*place, "profiles", i)
        if profile.worst is None and profile.best is None and profile.weight is None:
            yield document.fault(spot, "a profile that changes nothing", "give it worst, best or weight")
            continue
        ends = _ends(metric, profile)
        if ends != (metric.worst, metric.best):
            yield from _check_ends(document, spot, metric.better, ends)


def _ends(metric: Metric, profile: Profile) -> tuple[float | Quantile, float | Quantile]:
    worst = metric.worst if profile.worst is None else profile.worst
    return worst, metric.best if profile.best is None else profile.best


def _check_ends(document: Document, place: Place, better: str, ends: tuple[Any, Any]) -> Iterator[Fault]:
    worst, best = (end.quantile if isinstance(end, Quantile) else end for end in ends)
    runs = direction_of(*ends)
    unit = "quantile " if isinstance(ends[0], Quantile) else ""
    if type(ends[0]) is type(ends[1]) and worst == best:
        yield document.fault((*place, "best"), f"worst and best both {unit}{worst:g}", "they must differ")
    elif runs not in (None, better):
        found = f"{better} with worst {unit}{worst:g} and best {unit}{best:g}"
        cure = "above" if better == "higher" else "below"
        yield document.fault((*place, "better"), found, f"expected best {cure} worst, or better: {runs}")


def _conditions(name: str, metric: Metric) -> Iterator[tuple[Place, Condition]]:
    yield ("metrics", name, "applies_to"), metric.applies_to
    for i, profile in enumerate(metric.profiles):
        yield ("metrics", name, "profiles", i, "when"), profile.when


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


def _check_bands(draft: Draft) -> Iterator[Fault]:
    document = draft.document
    if not document.data.get("bands"):
        yield document.fault(("bands",), "nothing", "expected bands, low to high, such as [{name: red, from: 0}, {name: green, from: 70}]")
    for i, band in draft.bands.items():
        before = draft.bands.get(i - 1)
        if band.name == UNSCORED:
            yield document.fault(("bands", i, "name"), repr(UNSCORED), "another name: this is the band of accounts that cannot be scored")
        if i == 0 and band.start != 0:
            yield document.fault(("bands", i, "from"), f"{band.start:g}", "expected 0: the lowest band must hold the lowest score")
        if before is not None and band.start <= before.start:
            yield document.fault(("bands", i, "from"), f"{band.start:g} after {before.start:g}", "expected bands from low to high")


def _check_limits(draft: Draft) -> Iterator[Fault]:
    document, metrics, groups = draft.document, draft.names("metrics"), draft.names("groups")
    for name, limit in draft.limits.items():
        place = ("limits", name)
        if name not in (*metrics, *groups):
            yield _unknown(document, place, name, [*metrics, *groups])
        if name in metrics and name in groups:
            yield document.fault(place, f"{name!r}, a metric and a group", "rename one of the two: a limit must say which")
        if limit.min > limit.max:
            yield document.fault(place, f"min {limit.min:g} above max {limit.max:g}", "expected min <= max")
    if len(draft.limits) == len(draft.names("limits")) and len(draft.metrics) == len(metrics):
        yield from _check_feasible(draft)


def _check_feasible(draft: Draft) -> Iterator[Fault]:
    """Some weights that sum to 100 must satisfy all limits at once."""
    low = high = 0.0
    for group in draft.names("groups"):
        members = [draft.limits.get(name, Limit()) for name, metric in draft.metrics.items() if metric.group == group]
        least, most = sum(limit.min for limit in members), min(100.0, sum(limit.max for limit in members))
        limit = draft.limits.get(group, Limit())
        if least > limit.max:
            found = f"max {limit.max:g}, but its metrics need at least {least:g}"
            yield draft.document.fault(("limits", group), found, "raise the group's max or lower its metrics' min")
        if most < limit.min:
            found = f"min {limit.min:g}, but its metrics may have at most {most:g}"
            yield draft.document.fault(("limits", group), found, "lower the group's min or raise its metrics' max")
        low, high = low + max(least, limit.min), high + min(most, limit.max)
    if low > 100:
        yield draft.document.fault(("limits",), f"minimums that need {low:g} points", "expected at most 100 in all")
    if high < 100 and draft.limits:
        yield draft.document.fault(("limits",), f"maximums that allow {high:g} points", "expected at least 100 in all: weights sum to 100")


def _check_playbooks(draft: Draft) -> Iterator[Fault]:
    raw = draft.document.data.get("playbooks")
    bands, groups = draft.names("bands"), draft.names("groups")
    for band, plays in raw.items() if isinstance(raw, dict) else ():
        if band not in bands:
            yield _unknown(draft.document, ("playbooks", band), band, bands)
        for group in plays if isinstance(plays, dict) else ():
            if group not in groups:
                yield _unknown(draft.document, ("playbooks", band, group), group, groups)


def taken_names(columns: Mapping[str, Collection[str]]) -> set[str]:
    """Lower-case names that no metric may have: the columns of every case, and the attributes in it.

    Parameters
    ----------
    columns : table -> columns that workspace.yaml maps
    """
    attributes = {*TABLES["accounts"].columns, *columns.get("accounts", ()), *columns.get("attributes", ())}
    return {name.lower() for name in (*CASE_COLUMNS, *attributes)}
