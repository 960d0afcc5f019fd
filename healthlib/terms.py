"""The words a scorecard is written in: measures, ranges, conditions, ends of scales, steps, curves."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from healthlib.errors import nearest
from healthlib.frozen import MOST_DAYS, Frozen

MEASURES = ("count", "sum", "mean", "max", "distinct", "last", "days_since", "share", "open", "age")
OF_WHAT = {"sum": "quantity", "mean": "score", "max": "quantity", "distinct": "user_id", "last": "rating", "share": "severity = 'urgent'"}
"""Measures of something -> an example of what."""
BY_WINDOWS = ("distinct", "max")
"""Measures that grow with the window but not in proportion to it: their past is read in windows of the same length."""
COMPARABLE = ("count", "sum", "mean", "share", *BY_WINDOWS)
"""Measures of a window, which the same measure of an earlier one can be compared with."""
PER = {"seats": "seats", "active users": "active_users", "active_users": "active_users", "arr": "arr"}


def refuse(expected: str, near: str | None = None) -> PydanticCustomError:
    """An error whose text is ours; `spec` turns it into a Fault."""
    return PydanticCustomError("healthlib", "{expected}", {"expected": expected, "nearest": near})


class Measure(Frozen):
    """`sum quantity` -> kind "sum", of "quantity". `of` is a column or SQL expression; None for count, days_since, open, age.

    Kind "levels" is that of a metric made of other metrics; nobody writes it.
    """

    kind: Literal["count", "sum", "mean", "max", "distinct", "last", "days_since", "share", "open", "age", "levels"]
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

    def __str__(self) -> str:
        """As a user says it.

        >>> str(Range(at_least=1, under=3))
        'under 3 and at least 1'
        """
        return " and ".join(f"{part.replace('_', ' ')} {limit:g}" for part, limit in self if limit is not None)


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


def _step_start(value: Any) -> Any:
    """The value at which a step begins, or a knot of a curve lies; YAML hands keys over as the text that was written."""
    try:
        return float(value) if isinstance(value, str) and value.strip().lower() not in ("nan", "inf", "-inf") else value
    except ValueError:
        raise refuse("expected a number: the value that these points belong to") from None


def _sorted(steps: dict[float, float]) -> dict[float, float]:
    return dict(sorted(steps.items()))


Steps = Annotated[dict[Annotated[float, BeforeValidator(_step_start)], Annotated[float, Field(ge=0, le=100)]], AfterValidator(_sorted)]
"""Value at or above -> points (0..100), lowest value first; below the lowest its points count as well."""
Curve = Steps
"""Value -> points (0..100), straight between them; below the lowest value and above the highest their points count as well."""


class Against(Frozen):
    """What a value is compared with: the account's own past (`past_days` before the window), or its `peers` (who share this attribute)."""

    past_days: int | None = Field(None, gt=0, le=MOST_DAYS)
    peers: str | None = Field(None, min_length=1)
    at_least: int = Field(10, ge=2)


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


def direction_of_steps(steps: Any) -> str | None:
    """Which way steps or a curve run, "higher" or "lower"; None where that cannot be said.

    >>> direction_of_steps({"0": 100, "1": 50, "3": 0}), direction_of_steps({0: 0, 1: 100, 5: 0})
    ('lower', None)
    """
    try:
        points = [float(points) for _, points in sorted((float(start), points) for start, points in steps.items())]
    except (AttributeError, TypeError, ValueError):
        return None
    rises = [after - before for before, after in pairwise(points)]
    if not any(rises) or (min(rises) < 0 < max(rises)):
        return None
    return "higher" if max(rises) > 0 else "lower"
