"""A scorecard half read: its parts by name, before anybody has asked whether they agree."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from healthlib.config import Band, Gate, Limit, Metric
from healthlib.errors import Fault, nearest
from healthlib.yamlfile import Document, Place

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a table or a metric may be called."""


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


def unknown_name(document: Document, place: Place, name: str, choices: Collection[str]) -> Fault:
    """The fault of a name that is none of `choices`, with the nearest of them."""
    return document.fault(place, repr(name), f"expected one of {', '.join(choices)}", nearest(name, choices))
