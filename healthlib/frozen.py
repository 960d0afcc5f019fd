"""What every part of the configuration is: frozen, and without a key that nobody knows."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

MOST_DAYS = 36_500
"""A hundred years: more days than that are a slip of the finger, and far more do not fit into a date."""
MOST_WEIGHT = 1_000_000
"""The largest weight of a metric: only shares count, and a sum of far larger ones is infinite."""


class Frozen(BaseModel):
    """A part of the configuration: unknown keys refused, nothing assignable after parsing.

    `given` are fields that the loader fills in, not the file; `planned` are keys of the contract that are not built yet.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)
    given: ClassVar[frozenset[str]] = frozenset()
    planned: ClassVar[dict[str, str]] = {}
