"""The words a scorecard is written in: measures, ranges, conditions, ends of scales, steps."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from healthlib.errors import nearest


class Frozen(BaseModel):
    """A part of the configuration: unknown keys refused, nothing assignable after parsing.

    `given` are fields that the loader fills in, not the file; `planned` are keys of the contract that are not built yet.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)
    given: ClassVar[frozenset[str]] = frozenset()
    planned: ClassVar[dict[str, str]] = {}


MEASURES = ("count", "sum", "mean", "max", "distinct", "last", "days_since", "share", "open", "age")
OF_WHAT = {"sum": "quantity", "mean": "score", "max": "quantity", "distinct": "user_id", "last": "rating", "share": "severity = 'urgent'"}
"""Measures of something -> an example of what."""
PER = {"seats": "seats", "active users": "active_users", "active_users": "active_users", "arr": "arr"}


def refuse(expected: str, near: str | None = None) -> PydanticCustomError:
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
            raise refuse("write the measure alone and `trend: 60` (days) as a key of its own")
        if kind not in MEASURES:
            raise refuse(f"expected a measure: {', '.join(MEASURES)}", nearest(kind, MEASURES))
        if kind in OF_WHAT and not of:
            raise refuse(f"{kind} of what? For example `{kind} {OF_WHAT[kind]}`")
        if kind not in OF_WHAT and of:
            raise refuse(f"expected `{kind}` alone; put a condition on the rows under `where`")
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
        raise refuse("expected a value, a list of values, or a mapping of under, at_most, over, at_least")
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
