"""The catalogue: ready metrics, each with its reason, and `use: catalogue/NAME` in a scorecard turned into one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from healthlib.errors import Fault, HealthlibError, nearest
from healthlib.yamlfile import Document, read_yaml, show

FOLDER = Path(__file__).parent
PREFIX = "catalogue/"
READS_ROWS = ("table", "measure", "where", "window_days", "trend", "per", "against", "stale_after_days", "reading")
"""Keys of a metric on a table, which one on a `column` of a flat sheet does without."""
INSTEAD = (("levels",), ("steps",), ("curve",), ("worst", "best"))
"""Keys that say in their own way what a value is worth: where a scorecard writes one of them, the catalogue's others do not count."""


@dataclass(frozen=True)
class Entry:
    """One ready metric.

    Attributes
    ----------
    name : as in `use: catalogue/NAME`
    theme : the file it stands in
    settings : keys of a metric in scorecard.yaml, as values; `group` is a suggestion
    why : the reason, in a sentence or two
    needs : table -> columns that must be there beside the required ones
    ask : keys that only the user can fill in -> what they mean
    example : settings for the keys of `ask`, for the documentation
    """

    name: str
    theme: str
    settings: Mapping[str, Any]
    why: str
    needs: Mapping[str, tuple[str, ...]]
    ask: Mapping[str, str] = field(default_factory=dict)
    example: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=1)
def entries() -> Mapping[str, Entry]:
    """Every ready metric by name, theme by theme.

    >>> entries()["active_seats"].settings["measure"]
    'distinct user_id'
    """
    found: dict[str, Entry] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        document = read_yaml(path, "install healthlib again: its catalogue is not there")
        for name, raw in document.data.items():
            own = {key: item for key, item in raw.items() if key not in ("why", "needs", "ask", "example")}
            more = {key: MappingProxyType(raw[key]) for key in ("ask", "example") if key in raw}
            found[name] = Entry(name, path.stem, MappingProxyType(own), raw["why"], MappingProxyType(raw["needs"]), **more)
    return MappingProxyType(found)


def sha256() -> str:
    """Of the catalogue as installed: a scorecard that says `use` is the same score only under the same catalogue."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.yaml")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def entry(name: str) -> Entry:
    """One ready metric. Raises HealthlibError with the nearest name where there is none."""
    known = entries()
    if (short := name.removeprefix(PREFIX)) not in known:
        near = nearest(short, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise HealthlibError(f"the catalogue has no {short!r}{hint} `healthlib catalogue` lists what it has")
    return known[short]


def resolve(document: Document) -> Document:
    """A scorecard's document in which every `use: catalogue/NAME` is written out.

    What stands beside `use` wins, key by key (`where`, `profiles` and the like as a whole; an empty value removes what the catalogue says).
    Lines stay those of the file: a fault in an override points to it, a fault in what the catalogue says to the metric.

    Returns
    -------
    Document, with a fault for each name that the catalogue lacks, each key only the user can know, and each group that is not there
    """
    metrics = document.data.get("metrics")
    used = [name for name, own in metrics.items() if isinstance(own, dict) and "use" in own] if isinstance(metrics, dict) else []
    if not used or not isinstance(metrics, dict):
        return document
    faults: list[Fault] = []
    written = {name: _written_out(document, name, faults) if name in used else own for name, own in metrics.items()}
    return replace(document, data={**document.data, "metrics": written}, faults=(*document.faults, *faults))


def _written_out(document: Document, name: str, faults: list[Fault]) -> dict[str, Any]:
    """One metric's settings in full; what is wrong is added to `faults`."""
    own, place = dict(document.data["metrics"][name]), ("metrics", name)
    wanted, known = own.pop("use"), entries()
    short = wanted.removeprefix(PREFIX) if isinstance(wanted, str) else ""
    near = None
    if short not in known or wanted == short:
        near = nearest(short, known) if short else None
        hint = "expected catalogue/NAME; `healthlib catalogue` lists the names"
        faults.append(document.fault((*place, "use"), show(wanted), hint, near and PREFIX + near))
    # After a misspelt name the nearest entry stands in, so that nothing but the name is complained of.
    chosen = known.get(short) or known[near or "tenure"]
    base = dict(chosen.settings)
    groups = document.data.get("groups")
    groups = groups if isinstance(groups, tuple) else ()
    if "group" not in own and base["group"] not in groups:
        found = f"no group, and none called {base['group']!r}, which the catalogue suggests"
        faults.append(document.fault((*place, "group"), found, "name one of your groups"))
        base["group"] = next((str(group) for group in groups), "")
    for key, meaning in chosen.ask.items():
        if key not in own and "column" not in own:
            faults.append(document.fault((*place, key), f"no `{key}`, which only you can know", f"write {meaning}"))
            base |= {key: chosen.example[key]}
    dropped = set(READS_ROWS) if "column" in own else set()
    for keys in INSTEAD:
        if any(key in own for key in keys):
            dropped |= {key for others in INSTEAD if others != keys for key in others}
    return {key: item for key, item in base.items() if key not in dropped} | own
