"""Complete scorecards to start from, and what of each a workspace's tables can carry."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from healthlib.asof import refers_to
from healthlib.catalogue import resolve
from healthlib.errors import HealthlibError, nearest
from healthlib.schema import TABLES
from healthlib.spec import Scorecard, load_scorecard
from healthlib.yamlfile import Document, Place, read_yaml

FOLDER = Path(__file__).parent
PRESETS = {
    "dear": "D.E.A.R.: deployment, engagement, adoption, ROI, with sentiment, support and commercial",
    "simple": "Red, yellow, green by hand: the CSM's own judgement",
    "happy": "At risk, Nurture, Happy",
    "letters": "Letter grades, A to F",
    "new_established": "New and established accounts by different figures",
    "consumption": "A vendor priced by consumption",
}
"""Preset -> what it is."""


@dataclass(frozen=True)
class Fitted:
    """A preset as far as a workspace's tables carry it.

    Attributes
    ----------
    name : of the preset
    text : for scorecard.yaml; what cannot be measured stands in comments, with its reason
    dropped : metric -> why it cannot be measured
    gates : names of the gates that go with them
    weight, kept : weight in all, and of the metrics that stay
    """

    name: str
    text: str
    dropped: dict[str, str]
    gates: tuple[str, ...]
    weight: float
    kept: float


def path_of(name: str) -> Path:
    """The file of a preset. Raises HealthlibError with the nearest name where there is none."""
    if name not in PRESETS:
        near = nearest(name, PRESETS)
        hint = f"; did you mean {near!r}?" if near else ""
        raise HealthlibError(f"no preset is called {name!r}{hint or ';'} there are {', '.join(PRESETS)}")
    return FOLDER / f"{name}.yaml"


@lru_cache(maxsize=16)
def _document(name: str) -> Document:
    return resolve(read_yaml(path_of(name), "install healthlib again: its presets are not there"))


def fitted(name: str, columns: Mapping[str, Collection[str]]) -> Fitted:
    """A preset for a workspace that has these tables.

    Parameters
    ----------
    columns : table -> its columns; what a metric needs and does not find here is put into comments, and the gates and rules on it as well
    """
    document = _document(name)
    metrics = document.data["metrics"]
    dropped = lacking(document, columns)
    gates = {
        i: f"needs the metric {gate['metric']}" for i, gate in enumerate(document.data.get("gates") or ()) if gate["metric"] in dropped
    }
    reasons: dict[Place, str] = {("metrics", metric): why for metric, why in dropped.items()} | {
        ("gates", i): why for i, why in gates.items()
    }
    if gates and len(gates) == len(document.data["gates"]):
        reasons[("gates",)] = "none of its metrics can be measured"
    weights = {metric: float(settings.get("weight", 0)) for metric, settings in metrics.items()}
    kept = sum(weight for metric, weight in weights.items() if metric not in dropped)
    text = _without(path_of(name).read_text(encoding="utf-8"), document, reasons)
    return Fitted(name, text, dropped, tuple(document.data["gates"][i]["name"] for i in gates), sum(weights.values()), kept)


def scorecard_of(name: str, columns: Mapping[str, Collection[str]]) -> Scorecard | None:
    """The preset as a scorecard, without what these tables cannot carry; None where nothing of weight is left."""
    found, card = fitted(name, columns), load_scorecard(path_of(name))
    if not found.kept:
        return None
    metrics = {metric: settings for metric, settings in card.metrics.items() if metric not in found.dropped}
    gates = tuple(gate for gate in card.gates if gate.name not in found.gates)
    return card.model_copy(update={"metrics": metrics, "gates": gates})


def lacking(document: Document, columns: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Metric -> why these tables cannot carry it, in the order of the scorecard; a rule is not carried where one of its metrics is not."""
    metrics, found = document.data["metrics"], {}
    for name, settings in metrics.items():
        missing = [
            f"the table {table}" if table not in columns else f"{table}.{column}"
            for table, column in wanted(settings)
            if table not in columns or (column and column not in columns[table])
        ]
        if missing:
            found[name] = "this workspace lacks " + ", ".join(dict.fromkeys(missing))
    for name, settings in metrics.items():
        if lost := [other for other in rule_of(settings) if other in found]:
            found[name] = f"needs {', '.join(lost)}"
    return {name: found[name] for name in metrics if name in found}


def rule_of(settings: Mapping[str, Any]) -> list[str]:
    """The metrics that a rule reads; empty for a metric that is measured."""
    levels = settings.get("levels") or ()
    return list(dict.fromkeys(name for level in levels for part in ("when", "any") for name in level.get(part) or ()))


def wanted(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Tables, and canonical columns, that a metric reads: (table, "") and (table, column)."""
    table, per = str(settings.get("table") or ""), str(settings.get("per") or "").lower()
    if table:
        yield table, ""
    if table in TABLES:
        texts = [str(settings.get(key) or "") for key in ("measure", "where", "per")]
        held = [column for column in TABLES[table].columns if any(refers_to(text, [column]) for text in texts)]
        closes = list(dict.fromkeys(TABLES[table].filled_later.values()))[:1] if texts[0] == "open" else []
        # A quantity is 1 where the export has none.
        yield from ((table, column) for column in [*held, *closes] if (table, column) != ("usage", "quantity"))
    if per == "seats":
        yield "contracts", "seats"
    if per.replace("_", " ") == "active users":
        yield table, "user_id"


def _without(text: str, document: Document, reasons: Mapping[Place, str]) -> str:
    """The text with the parts at these places in comments, each under its reason."""
    lines, starts = text.splitlines(), sorted({line for place, line in document.lines.items() if _opens_a_part(place)})
    for place, why in reasons.items():
        first = document.lines[place]
        after = [line for line in starts if line > first and (len(place) > 1 or line in _top(document))]
        last = (after[0] if after else len(lines) + 1) - 1
        while last > first and re.fullmatch(r"\s*(#.*)?", lines[last - 1]):
            last -= 1
        indent = " " * (len(lines[first - 1]) - len(lines[first - 1].lstrip()))
        for number in range(first - 1, last):
            if not lines[number].lstrip().startswith("#"):
                lines[number] = f"{indent}# {lines[number][len(indent) :]}"
        if len(place) > 1:
            lines[first - 1] = f"{indent}# Not used, {why}:\n{lines[first - 1]}"
    return "\n".join(lines) + "\n"


def _opens_a_part(place: Place) -> bool:
    return len(place) == 1 or (len(place) == 2 and place[0] in ("metrics", "gates"))


def _top(document: Document) -> set[int]:
    return {line for place, line in document.lines.items() if len(place) == 1}
