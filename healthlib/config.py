"""The frozen objects that workspace.yaml and scorecard.yaml become; what each key may hold, said once."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from healthlib.address import read_address
from healthlib.alert_rules import AlertRules
from healthlib.errors import nearest
from healthlib.frozen import Frozen

MEASURES = ("count", "sum", "mean", "max", "distinct", "last", "days_since", "share", "open", "age")
OF_WHAT = {"sum": "quantity", "mean": "score", "max": "quantity", "distinct": "user_id", "last": "rating", "share": "severity = 'urgent'"}
"""Measures of something -> an example of what."""
PER = {"seats": "seats", "active users": "active_users", "active_users": "active_users", "arr": "arr"}


def _refuse(expected: str, near: str | None = None) -> PydanticCustomError:
    """An error whose text is ours; `spec` turns it into a Fault."""
    return PydanticCustomError("healthlib", "{expected}", {"expected": expected, "nearest": near})


class Measure(Frozen):
    """`sum quantity` -> kind "sum", of "quantity". `of` is a column or SQL expression; None for count, days_since, open, age."""

    kind: Literal["count", "sum", "mean", "max", "distinct", "last", "days_since", "share", "open", "age"]
    of: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        kind, _, of = (part.strip() for part in value.strip().partition(" "))
        if kind == "trend":
            raise _refuse("write the measure alone and `trend: 60` (days) as a key of its own")
        if kind not in MEASURES:
            raise _refuse(f"expected a measure: {', '.join(MEASURES)}", nearest(kind, MEASURES))
        if kind in OF_WHAT and not of:
            raise _refuse(f"{kind} of what? For example `{kind} {OF_WHAT[kind]}`")
        if kind not in OF_WHAT and of:
            raise _refuse(f"expected `{kind}` alone; put a condition on the rows under `where`")
        return {"kind": kind, "of": of or None}


class Quantile(Frozen):
    """A scale end read from history up to the cut-off: the value at this quantile (0..1)."""

    quantile: float = Field(ge=0, le=1)


class Range(Frozen):
    """A numeric condition; every part given must hold. NaN never satisfies it."""

    under: float | None = None
    at_most: float | None = None
    over: float | None = None
    at_least: float | None = None


def _texts(value: Any) -> Any:
    """A plain value or a list of them, as texts: attributes are text in the cases frame."""
    items = value if isinstance(value, tuple | list) else (value,)
    plain = all(isinstance(item, str | bool | int | float | date) for item in items)
    if not plain or not items:
        raise _refuse("expected a value, a list of values, or a mapping of under, at_most, over, at_least")
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in items)


def _condition_tag(value: Any) -> str:
    return "#range" if isinstance(value, dict | Range) else "#texts"


def _end_tag(value: Any) -> str:
    return "#quantile" if isinstance(value, dict | Quantile) else "#number"


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), Tag("#texts")]
Condition = dict[str, Annotated[Annotated[Range, Tag("#range")] | Texts, Discriminator(_condition_tag)]]
"""Column of the cases frame (age_days, arr, seats, or an attribute) -> a range or the allowed texts. All must hold."""
End = Annotated[Annotated[float, Tag("#number")] | Annotated[Quantile, Tag("#quantile")], Discriminator(_end_tag)]
"""An end of a scale: a number, or a quantile to be read from history."""


class Profile(Frozen):
    """Other scale ends (and weight) for the cases for which `when` holds; first match wins."""

    when: Condition = Field(min_length=1)
    worst: End | None = None
    best: End | None = None
    weight: float | None = Field(None, ge=0)


class Metric(Frozen):
    """One row of the scorecard.

    `per` is "seats", "active_users", "arr" or the text of another measure over the same table, such as "distinct user_id".
    A metric on `readings` measures `last value` unless it says otherwise. Left out, `better` follows from worst and best.
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
    window_days: int | None = Field(None, gt=0)
    trend: int | None = Field(None, gt=0)
    per: str | None = None
    better: Literal["higher", "lower"] = "higher"
    worst: End
    best: End
    profiles: tuple[Profile, ...] = ()
    missing: Literal["exclude", "worst", "neutral"] = "exclude"
    stale_after_days: int | None = Field(None, gt=0)
    applies_to: Condition = Field(default_factory=dict)
    weight: float = Field(0.0, ge=0)
    reading: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, value: Any) -> Any:
        """The defaults that depend on other keys."""
        if not isinstance(value, dict):
            return value
        filled = {"label": str(value.get("name", "")).replace("_", " ").capitalize(), **value}
        if isinstance(value.get("column"), str):
            filled.setdefault("measure", {"kind": "last", "of": value["column"]})
        if "reading" in value:
            filled.setdefault("table", "readings")
        if filled.get("table") == "readings":
            filled.setdefault("measure", "last value")
            filled.setdefault("reading", value.get("name"))
        if "better" not in value and (direction := direction_of(value.get("worst"), value.get("best"))):
            filled["better"] = direction
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
        raise _refuse("expected seats, active users, ARR, or a measure such as `distinct user_id`", nearest(value, PER))


def direction_of(worst: Any, best: Any) -> str | None:
    """Which way a scale runs, "higher" or "lower"; None where its ends cannot be compared before history is read.

    >>> direction_of(10, 2), direction_of({"quantile": 0.1}, {"quantile": 0.9}), direction_of(0, {"quantile": 0.9})
    ('lower', 'higher', None)
    """
    ends = []
    for end in (worst, best):
        value = end.get("quantile") if isinstance(end, dict) else end.quantile if isinstance(end, Quantile) else end
        ends.append((isinstance(end, dict | Quantile), value if isinstance(value, int | float) else None))
    (kind, low), (other, high) = ends
    if kind != other or low is None or high is None or low == high:
        return None
    return "higher" if high > low else "lower"


class Band(Frozen):
    """A band from `start` upwards to the next one."""

    name: str = Field(min_length=1)
    start: float = Field(alias="from", ge=0, le=100)


class Gate(Frozen):
    """Caps the score at `cap` while the metric's value satisfies `holds`."""

    given = frozenset({"holds"})

    name: str = Field(min_length=1)
    metric: str
    holds: Range
    cap: float = Field(ge=0, le=100)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        """`at_least: 1` beside the name becomes `holds`."""
        if not isinstance(value, dict) or "holds" in value:
            return value
        parts = {key: value[key] for key in Range.model_fields if key in value}
        if not parts:
            raise _refuse(f"a gate needs a condition: {', '.join(Range.model_fields)}")
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


class TableSource(Frozen):
    """Where one table comes from: a `file` or a `table` of the database with `columns` (canonical -> theirs), or a query.

    `sql` is run over files by the embedded database, `query` by the database that `database:` names.
    """

    file: str | None = Field(None, min_length=1)
    sql: str | None = Field(None, min_length=1)
    table: str | None = Field(None, min_length=1)
    query: str | None = Field(None, min_length=1)
    columns: dict[str, str] = Field(default_factory=dict)
    time: str | None = Field(None, min_length=1)
    lag_days: int = Field(0, ge=0)


class FlatOutcome(Frozen):
    """Which column of a flat sheet holds the outcome, and which of its values (upper and lower case alike) mean that the customer left."""

    column: str = Field(min_length=1)
    churned: Texts


class FlatAmount(Frozen):
    """A column of money and what it is multiplied by to be a year's: 12 for a monthly price."""

    column: str = Field(min_length=1)
    times: float = Field(1.0, gt=0)


def _amount(value: Any) -> Any:
    """A column's name alone is that column, as it is."""
    return {"column": value} if isinstance(value, str) else value


def _named(value: Any) -> Any:
    """A list of columns keeps their names."""
    plain = isinstance(value, tuple | list) and all(isinstance(item, str) for item in value)
    return {item: item for item in value} if plain else value


class FlatSpec(Frozen):
    """One sheet, one row per account: a `file` (or an `sql` query) in the place of all tables.

    Without `account_id` a row goes by its line; without `arr` every account counts 1. `attributes` are columns to group by: a list, or
    our name -> theirs.
    """

    file: str | None = Field(None, min_length=1)
    sql: str | None = Field(None, min_length=1)
    account_id: str | None = Field(None, min_length=1)
    outcome: FlatOutcome
    arr: Annotated[FlatAmount, BeforeValidator(_amount)] | None = None
    attributes: Annotated[dict[str, str], BeforeValidator(_named)] = Field(default_factory=dict)


class OutcomeSpec(Frozen):
    """What counts as an outcome, and from how far ahead it is predicted."""

    kind: Literal["renewal", "churn_within", "expansion"] = "renewal"
    lead_days: int = Field(90, ge=0)
    horizon_days: int = Field(90, gt=0)
    grace_days: int = Field(30, ge=0)
    expansion_over: float = 0.0


class WorkspaceHead(Frozen):
    """The plain keys of workspace.yaml."""

    name: str = Field(min_length=1)
    currency: str = Field("USD", min_length=1)
    database: str | None = None
    data_through: date | None = None
    outcome: OutcomeSpec = OutcomeSpec()
    max_rejected: float = Field(0.01, ge=0, le=1)
    simulated: bool = False

    @field_validator("database")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        """A URL of a database we read, and no password in it."""
        try:
            return value if value is None else read_address(value).url
        except ValueError as error:
            raise _refuse(str(error)) from None

    @field_validator("data_through", mode="before")
    @classmethod
    def _quoted_day(cls, value: Any) -> Any:
        """A day in quotes is a day."""
        is_day = isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value)
        try:
            return date.fromisoformat(value) if is_day else value
        except ValueError:
            raise _refuse("expected a day that exists") from None


class Workspace(WorkspaceHead):
    """One folder with exports and two YAML files."""

    given = frozenset({"folder", "scorecard", "sha256"})

    folder: Path
    tables: dict[str, TableSource] = Field(default_factory=dict)
    flat: FlatSpec | None = None
    scorecard: Scorecard
    sha256: str = ""

    @property
    def kind(self) -> str:
        """What an outcome is: that of `outcome`, or flat where a sheet says it in a column."""
        return "flat" if self.flat is not None else self.outcome.kind
