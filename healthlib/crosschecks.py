"""What one key alone cannot show: whether the parts of a scorecard agree with each other and with the tables."""

from __future__ import annotations

from collections.abc import Iterator

from healthlib.config import Limit
from healthlib.crosschecks_levels import check_levels
from healthlib.crosschecks_metric import check_metric
from healthlib.draft import NAME, Draft, unknown_name
from healthlib.errors import Fault
from healthlib.yamlfile import Document

UNSCORED = "unscored"
RESERVED = ("all", "new", "left", "arr", "lead_days")


def check_scorecard(draft: Draft) -> Iterator[Fault]:
    """Every disagreement between the parts of a scorecard."""
    yield from _check_names(draft)
    for name, metric in draft.metrics.items():
        yield from check_metric(draft, ("metrics", name), metric)
    yield from check_levels(draft)
    if draft.metrics and len(draft.metrics) == len(draft.names("metrics")) and not any(metric.weight for metric in draft.metrics.values()):
        yield draft.document.fault(("metrics",), "only weights of 0", "give at least one metric a weight over 0")
    yield from _check_bands(draft)
    yield from _check_gates(draft)
    yield from _check_limits(draft)
    yield from _check_playbooks(draft)


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


def _check_bands(draft: Draft) -> Iterator[Fault]:
    document = draft.document
    if not document.data.get("bands"):
        yield document.fault(("bands",), "nothing", "expected bands, low to high, such as [{name: red, from: 0}, {name: green, from: 70}]")
    for i, band in draft.bands.items():
        before = draft.bands.get(i - 1)
        if band.name == UNSCORED:
            yield document.fault(("bands", i, "name"), repr(UNSCORED), "another name: this is the band of accounts that cannot be scored")
        if band.name in RESERVED:
            yield document.fault(("bands", i, "name"), repr(band.name), "another name: tables of bands use this word for something else")
        if i == 0 and band.start != 0:
            yield document.fault(("bands", i, "from"), f"{band.start:g}", "expected 0: the lowest band must hold the lowest score")
        if before is not None and band.start <= before.start:
            yield document.fault(("bands", i, "from"), f"{band.start:g} after {before.start:g}", "expected bands from low to high")


def _check_gates(draft: Draft) -> Iterator[Fault]:
    """A gate reads a metric of the scorecard, and its band is one that has something above it."""
    document, bands = draft.document, draft.names("bands")
    for i, gate in draft.gates.items():
        if gate.metric not in draft.names("metrics"):
            yield unknown_name(document, ("gates", i, "metric"), gate.metric, draft.names("metrics"))
        if gate.band is not None and gate.band not in bands:
            yield unknown_name(document, ("gates", i, "band"), gate.band, bands)
        elif gate.band is not None and gate.band == bands[-1]:
            yield document.wrong(("gates", i, "band"), "expected a lower band: a gate into the highest one would lower nothing")


def _check_limits(draft: Draft) -> Iterator[Fault]:
    document, metrics, groups = draft.document, draft.names("metrics"), draft.names("groups")
    for name, limit in draft.limits.items():
        place = ("limits", name)
        if name not in (*metrics, *groups):
            yield unknown_name(document, place, name, [*metrics, *groups])
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
            yield unknown_name(draft.document, ("playbooks", band), band, bands)
        for group in plays if isinstance(plays, dict) else ():
            if group not in groups:
                yield unknown_name(draft.document, ("playbooks", band, group), group, groups)
