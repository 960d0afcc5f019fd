"""The frozen objects that scorecard.yaml becomes; what each key may hold, said once."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from healthlib.alert_rules import AlertRules
from healthlib.errors import nearest
from healthlib.frozen import MOST_DAYS, MOST_WEIGHT, Frozen
from healthlib.terms import (
    MEASURES,
    OF_WHAT,
    PER,
    Against,
    Condition,
    Curve,
    End,
    Measure,
    Range,
    Steps,
    direction_of,
    direction_of_steps,
    refuse,
)


class Profile(Frozen):
    """Another scale (of the kind its metric has) or weight for the cases for which `when` holds; first match wins."""

    when: Condition = Field(min_length=1)
    worst: End | None = None
    best: End | None = None
    steps: Steps | None = None
    curve: Curve | None = None
    weight: float | None = Field(None, ge=0, le=MOST_WEIGHT)


class Level(Frozen):
    """A score, and what it takes: all of `when` and one of `any_of` (`any` in the file); neither is for all the rest."""

    score: float = Field(ge=0, le=100)
    when: dict[str, Range] = Field(default_factory=dict)
    any_of: dict[str, Range] = Field(default_factory=dict, alias="any")


class Metric(Frozen):
    """One row of the scorecard.

    `per` is "seats", "active_users", "arr" or the text of another measure over the same table, such as "distinct user_id".
    A metric on `readings` measures `last value` unless it says otherwise. Left out, `better` follows from the scale.
    Its scale is `worst` and `best`, or `steps`, or a `curve`. With `levels` it is made of other metrics of the scorecard: the value is the
    score of the first level that holds.
    With a flat sheet `column` takes the place of table and measure: a column of numbers, or an SQL condition on the row (1 or 0).
    """

    given = frozenset({"name"})

    name: str
    group: str
    label: str = Field(min_length=1)
    table: str | None = None
    column: str | None = Field(None, min_length=1)
    measure: Measure
    where: str | None = Field(None, min_length=1)
    window_days: int | None = Field(None, gt=0, le=MOST_DAYS)
    trend: int | None = Field(None, gt=0, le=MOST_DAYS)
    per: str | None = None
    against: Against | None = None
    better: Literal["higher", "lower"] = "higher"
    worst: End | None = None
    best: End | None = None
    steps: Steps | None = None
    curve: Curve | None = None
    levels: tuple[Level, ...] = ()
    profiles: tuple[Profile, ...] = ()
    missing: Literal["exclude", "worst", "neutral"] = "exclude"
    stale_after_days: int | None = Field(None, gt=0, le=MOST_DAYS)
    applies_to: Condition = Field(default_factory=dict)
    weight: float = Field(0.0, ge=0, le=MOST_WEIGHT)
    reading: str | None = None
    not_a_leak: str | None = Field(None, min_length=1)
    """Why the leak audit is overruled for this metric, in words; every report repeats it."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The metrics that the levels of this one read, each once; none for a metric that is measured."""
        return tuple(dict.fromkeys(name for level in self.levels for name in (*level.when, *level.any_of)))

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, value: Any) -> Any:
        """The defaults that depend on other keys."""
        if not isinstance(value, dict):
            return value
        filled = {"label": str(value.get("name", "")).replace("_", " ").capitalize(), **value}
        if value.get("levels"):
            return {**filled, "measure": {"kind": "levels"}, "worst": 0, "best": 100, "better": "higher"}
        if isinstance(value.get("column"), str):
            filled.setdefault("measure", {"kind": "last", "of": value["column"]})
        if "reading" in value:
            filled.setdefault("table", "readings")
        if filled.get("table") == "readings":
            filled.setdefault("measure", "last value")
            filled.setdefault("reading", value.get("name"))
        drawn = direction_of_steps(value.get("steps")) or direction_of_steps(value.get("curve"))
        runs = direction_of(value.get("worst"), value.get("best")) or drawn
        if "better" not in value and runs:
            filled["better"] = runs
        return filled

    @field_validator("per", mode="before")
    @classmethod
    def _known_per(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if known := PER.get(value.strip().lower()):
            return known
        kind = value.strip().partition(" ")[0]
        if kind in MEASURES and kind not in {"age", "days_since", "mean", "share"} and bool(OF_WHAT.get(kind)) == (" " in value.strip()):
            return value.strip()
        raise refuse("expected seats, active users, ARR, or a measure such as `distinct user_id`", nearest(value, PER))


class Band(Frozen):
    """A band from `start` upwards to the next one; `color` (#rrggbb) in the place of our own."""

    name: str = Field(min_length=1)
    start: float = Field(alias="from", ge=0, le=100)
    color: str | None = None

    @field_validator("color")
    @classmethod
    def _hexadecimal(cls, value: str | None) -> str | None:
        """Six digits, lower case; nothing else may reach a style sheet."""
        if value is not None and not re.fullmatch(r"#(?:[0-9a-fA-F]{3}){1,2}", value):
            raise refuse('expected a colour such as "#b3261e", in quotes')
        return value if value is None else "#" + "".join(2 * d if len(value) == 4 else d for d in value[1:].lower())


class Gate(Frozen):
    """While the metric's value satisfies `holds`, the score is at most `cap`, or within `band`: never raised."""

    given = frozenset({"holds"})

    name: str = Field(min_length=1)
    metric: str
    holds: Range
    cap: float | None = Field(None, ge=0, le=100)
    band: str | None = Field(None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        """`at_least: 1` beside the name becomes `holds`."""
        if not isinstance(value, dict) or "holds" in value:
            return value
        parts = {key: value[key] for key in Range.model_fields if key in value}
        if not parts:
            raise refuse(f"a gate needs a condition: {', '.join(Range.model_fields)}")
        if (value.get("cap") is None) == (value.get("band") is None):
            raise refuse("a gate needs one of the two: `cap` (a score) or `band` (the name of a band)")
        return {**{key: item for key, item in value.items() if key not in parts}, "holds": parts}


class Limit(Frozen):
    """What a fit may give a metric or a group, in points of 100."""

    min: float = Field(0.0, ge=0, le=100)
    max: float = Field(100.0, ge=0, le=100)


class ScorecardHead(Frozen):
    """The plain keys of scorecard.yaml."""

    groups: tuple[str, ...] = Field(min_length=1)
    min_coverage: float = Field(0.5, ge=0, le=1)
    playbooks: dict[str, dict[str, str]] = Field(default_factory=dict)


class Scorecard(ScorecardHead):
    """How health is scored. `metrics` keeps the order of the file; `sha256` is of the file's bytes."""

    given = frozenset({"sha256"})

    metrics: dict[str, Metric]
    bands: tuple[Band, ...]
    gates: tuple[Gate, ...] = ()
    limits: dict[str, Limit] = Field(default_factory=dict)
    alerts: AlertRules = AlertRules()
    sha256: str = ""

    @property
    def weights(self) -> dict[str, float]:
        """Metric -> weight as written, in the order of the file; tracked metrics have 0."""
        return {name: metric.weight for name, metric in self.metrics.items()}

    def cap_of(self, gate: Gate) -> float:
        """The highest score a gate lets through: its cap, or the top of its band, one tenth below where the next band starts."""
        if gate.cap is not None:
            return gate.cap
        starts = {band.name: band.start for band in self.bands}
        above = [start for start in starts.values() if start > starts[str(gate.band)]]
        return max(round(min(above) - 0.1, 10), starts[str(gate.band)]) if above else 100.0
