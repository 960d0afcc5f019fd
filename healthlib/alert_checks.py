"""The `alerts:` section of scorecard.yaml read rule by rule, and held against the metrics, groups and bands of the same file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from healthlib.alert_rules import KINDS, USAGE, AlertRules, ChampionGone, RenewalNear, Trend, UsageBack
from healthlib.config import Band
from healthlib.errors import Fault, nearest
from healthlib.frozen import Frozen
from healthlib.parsing import build, unknown_key
from healthlib.yamlfile import Document, Place

TOP = ("alerts",)
PLAIN = ("hysteresis", "listed_days", "off")
"""Keys of the section that are no rule."""


def read_alerts(
    document: Document, metrics: Collection[str], groups: Collection[str], bands: Mapping[int, Band]
) -> tuple[AlertRules, list[Fault]]:
    """The rules of a scorecard, the defaults where it has no such section; and every fault of the section.

    Parameters
    ----------
    metrics, groups : names written in the file, whether or not what stands there is right
    bands : the bands that could be read
    """
    raw = document.data.get("alerts")
    if raw is None:
        return AlertRules(), []
    if not isinstance(raw, dict):
        return AlertRules(), [document.wrong(TOP, "expected a mapping such as {no_contact: {days: 60}}")]
    faults = [unknown_key(document, (*TOP, key), AlertRules) for key in raw if key not in AlertRules.model_fields]
    parts: dict[str, Frozen] = {}
    for kind, rule in AlertRules.rules.items():
        if kind in raw:
            part, found = build(document, (*TOP, kind), rule)
            faults += found
            parts |= {} if part is None else {kind: part}
    plain, found = build(document, TOP, AlertRules, {key: value for key, value in raw.items() if key in PLAIN})
    faults += found
    rules = (plain or AlertRules()).model_copy(update=parts)
    return rules, [*faults, *_check(document, rules, parts, metrics, groups), *_check_plain(document, rules, bands)]


def _check(
    document: Document, rules: AlertRules, parts: Mapping[str, Frozen], metrics: Collection[str], groups: Collection[str]
) -> Iterator[Fault]:
    """Whether each rule that was written says one thing, and of something the scorecard has."""
    for kind, part in parts.items():
        place = (*TOP, kind)
        if isinstance(part, Trend) and part.points is not None and part.percent is not None:
            yield document.fault((*place, "percent"), "`points` and `percent`", "keep one of the two")
        if isinstance(part, ChampionGone):
            yield from _check_champion(document, place, part, metrics)
        if isinstance(part, UsageBack) and part.metric != USAGE and part.metric not in metrics:
            yield _unknown(document, (*place, "metric"), part.metric, [USAGE, *metrics])
        if isinstance(part, RenewalNear):
            wrong = [group for group in part.groups if group not in groups]
            for group in wrong:
                yield _unknown(document, (*place, "groups", part.groups.index(group)), group, groups)
    for i, kind in enumerate(rules.off):
        if kind not in KINDS:
            yield _unknown(document, (*TOP, "off", i), kind, list(KINDS))


def _check_champion(document: Document, place: Place, rule: ChampionGone, metrics: Collection[str]) -> Iterator[Fault]:
    """A metric with a limit, or an attribute with values."""
    if rule.metric is not None and rule.attribute is not None:
        yield document.fault((*place, "attribute"), "`metric` and `attribute`", "keep one of the two")
    if rule.metric is not None and rule.metric not in metrics:
        yield _unknown(document, (*place, "metric"), rule.metric, metrics)
    if rule.metric is not None and rule.values:
        yield document.fault((*place, "values"), "`values` beside `metric`", "they go with `attribute`; a metric has at_least or at_most")
    if rule.attribute is not None and not rule.values:
        yield document.fault((*place, "values"), "nothing", "expected the values that mean the champion is gone, such as [gone]")
    if rule.attribute is not None and (rule.at_least is not None or rule.at_most is not None):
        key = "at_least" if rule.at_least is not None else "at_most"
        yield document.fault((*place, key), f"`{key}` beside `attribute`", "it goes with `metric`; an attribute has values")


def _check_plain(document: Document, rules: AlertRules, bands: Mapping[int, Band]) -> Iterator[Fault]:
    """A hysteresis so wide that a band could never be entered or left would silence the alerts."""
    starts = [band.start for band in bands.values() if band.start > 0]
    if starts and (rules.hysteresis >= min(starts) or max(starts) + rules.hysteresis > 100):
        room = min(*starts, 100 - max(starts)) if len(starts) > 1 else min(starts[0], 100 - starts[0])
        cure = f"with these bands expected less than {room:g}: no score could pass an edge by so many points"
        yield document.fault((*TOP, "hysteresis"), f"{rules.hysteresis:g}", cure)


def _unknown(document: Document, place: Place, name: str, choices: Collection[str] | Sequence[str]) -> Fault:
    return document.fault(place, repr(name), f"expected one of {', '.join(choices)}", nearest(name, choices))
