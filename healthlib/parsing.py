"""A part of a YAML document into one frozen object; each thing wrong becomes a Fault in the user's words."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from healthlib.config import Gate, Level, Profile
from healthlib.config_workspace import FlatAmount, FlatOutcome, FlatSpec, OutcomeSpec, SuccessSpec, WorkSpec
from healthlib.errors import Fault, nearest
from healthlib.terms import Against, Frozen, Measure, Quantile, Range
from healthlib.yamlfile import Document, Place, show

Part = TypeVar("Part", bound=Frozen)

EXPECTED = {
    "float_type": "expected a number",
    "int_type": "expected a whole number",
    "finite_number": "expected a finite number",
    "string_type": "expected text (numbers and dates that are meant as text need quotes)",
    "bool_type": "expected true or false",
    "date_type": "expected a day such as 2026-10-31",
    "date_from_datetime_parsing": "expected a day such as 2026-10-31",
    "dict_type": "expected a mapping such as {{key: value}}",
    "model_type": "expected a mapping such as {{key: value}}",
    "tuple_type": "expected a list such as [a, b]",
    "too_short": "expected at least one",
    "string_too_short": "expected some text",
    "greater_than": "expected a number over {gt:g}",
    "greater_than_equal": "expected a number of at least {ge:g}",
    "less_than_equal": "expected a number of at most {le:g}",
    "literal_error": "expected {expected}",
    "healthlib": "{expected}",
}
"""pydantic's error types -> what to tell a user."""


def build(document: Document, path: Place, model: type[Part], value: Any = None, **given: Any) -> tuple[Part | None, list[Fault]]:
    """Make the part at `path`.

    Parameters
    ----------
    value : the mapping to read, if not all of what stands at `path`
    given : fields that the file does not hold

    Returns
    -------
    the part, or None where it has faults; and every fault
    """
    raw = document.at(path) if value is None else value
    if not isinstance(raw, dict):
        return None, [document.wrong(path, "expected a mapping such as {key: value}")]
    faults = [unknown_key(document, (*path, key), model) for key in raw if key in model.given]
    try:
        part = model.model_validate({**{k: v for k, v in raw.items() if k not in model.given}, **given}, strict=True)
    except ValidationError as error:
        return None, faults + [_fault(document, path, model, detail) for detail in error.errors(include_url=False)]
    return (None if faults else part), faults


def section(document: Document, key: str, model: type[Part], kind: Literal["mapping", "list"]) -> tuple[dict[Any, Part], list[Fault]]:
    """The parts of a whole mapping or list under a top-level key, by their key or position; absent or empty is no parts."""
    raw = document.data.get(key)
    if raw is None:
        return {}, []
    if not isinstance(raw, dict if kind == "mapping" else tuple):
        form = "a mapping such as {name: {key: value}}" if kind == "mapping" else "a list such as [{key: value}]"
        return {}, [document.wrong((key,), f"expected {form}")]
    parts: dict[Any, Part] = {}
    faults: list[Fault] = []
    for name in raw if isinstance(raw, dict) else range(len(raw)):
        given = {"name": name} if "name" in model.given else {}
        part, found = build(document, (key, name), model, **given)
        faults += found
        if part is not None:
            parts[name] = part
    return parts, faults


def keys_of(model: type[Frozen]) -> list[str]:
    """The keys a user may write."""
    keys = [field.alias or name for name, field in model.model_fields.items() if name not in model.given]
    return keys + list(Range.model_fields) if model is Gate else keys


def unknown_key(document: Document, path: Place, model: type[Frozen]) -> Fault:
    """The fault of a key that the contract does not know, or that is not built yet."""
    key = str(path[-1])
    if key in model.planned:
        return document.fault(path, f"`{key}`", f"not supported yet (planned): {model.planned[key]}")
    keys = keys_of(model)
    return document.fault(path, f"the unknown key {key!r}", f"expected one of {', '.join(keys)}", nearest(key, keys))


def _fault(document: Document, path: Place, model: type[Frozen], detail: ErrorDetails) -> Fault:
    """One of pydantic's errors as a Fault."""
    steps, context, kind = detail["loc"], detail.get("ctx", {}), detail["type"]
    place = (*path, *(step for step in steps if not str(step).startswith("#") and step not in ("holds", "[key]")))
    if kind == "extra_forbidden":
        return unknown_key(document, place, _owner(place[len(path) :], model))
    if kind == "missing":
        return document.fault(place, "nothing", f"`{place[-1]}` is required")
    text = EXPECTED.get(kind, detail["msg"]).format(**context)
    if "#number" in steps:
        text = "expected a finite number or {quantile: 0.1}"
    if "[key]" in steps:
        return document.fault(place, repr(place[-1]), text)
    choices = [part.strip("' ") for part in str(context.get("expected", "")).replace(" or ", ",").split(",")]
    near = nearest(str(detail["input"]), choices) if kind == "literal_error" else context.get("nearest")
    return document.fault(place, show(document.at(place)), text, near)


def _owner(place: Place, model: type[Frozen]) -> type[Frozen]:
    """The object whose key stands at a place inside `model`."""
    around = place[:-1]
    if not around:
        return model
    if {"when", "any", "applies_to"} & set(around):
        return Range
    if model is FlatSpec:
        return {"outcome": FlatOutcome, "arr": FlatAmount}.get(str(around[-1]), model)
    named = {"worst": Quantile, "best": Quantile, "measure": Measure, "outcome": OutcomeSpec, "success": SuccessSpec, "work": WorkSpec,
             "against": Against}  # fmt: skip
    inside = Profile if "profiles" in around else Level if "levels" in around else model
    return named.get(str(around[-1]), inside)
