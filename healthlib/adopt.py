"""Recommended weights into scorecard.yaml: only the numbers change; comments, order and spacing stay; who and why is recorded."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import astuple, dataclass, fields
from datetime import date
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from .adoptions import RECORD, Adopted, read_adoptions
from .artifacts import inert
from .errors import Fault, FaultsError, nearest


class AdoptError(FaultsError):
    """The weights cannot be written into this scorecard as they stand (exit 2)."""


@dataclass(frozen=True)
class Told:
    """What is recorded of an adoption beside the change itself: the day, who decided, why, and the file of weights."""

    on: date
    who: str
    why: str
    weights: str


@dataclass(frozen=True)
class Adoption:
    """A scorecard's text before and after, and what changes: metric -> (old weight, new weight)."""

    before: str
    after: str
    changes: dict[str, tuple[float, float]]

    def diff(self, name: str = "scorecard.yaml") -> str:
        """The change as a unified diff."""
        lines = unified_diff(self.before.splitlines(keepends=True), self.after.splitlines(keepends=True), name, f"{name} (adopted)", n=1)
        return "".join(lines)


def adopt_weights(scorecard: Path, weights: Path) -> Adoption:
    """Work out the new text of a scorecard from the ``recommended`` column of a ``weights.csv``; writes nothing.

    Raises
    ------
    AdoptError
        Where the file of weights is not one, names metrics the scorecard lacks, or the scorecard's layout cannot be edited in place.
    """
    wanted = _read(weights)
    before = scorecard.read_text(encoding="utf-8")
    metrics = _metric_nodes(before, scorecard)
    unknown = [name for name in wanted if name not in metrics]
    if unknown:
        faults = [Fault(str(weights), None, name, "a metric the scorecard lacks", f"expected one of {scorecard}", nearest(name, metrics))
                  for name in unknown]  # fmt: skip
        raise AdoptError(f"{weights} does not belong to {scorecard}", faults)
    edits, changes = [], {}
    for name, weight in wanted.items():
        old, edit = _edit(metrics[name], weight)
        if abs(old - weight) > 1e-9:
            edits.append(edit)
            changes[name] = (old, weight)
    after = before
    for start, end, text in sorted(edits, reverse=True):
        after = after[:start] + text + after[end:]
    _prove(before, after, wanted, scorecard)
    return Adoption(before, after, changes)


def write_adoption(scorecard: Path, adoption: Adoption, told: Told) -> Path:
    """Keep the old text beside the scorecard, record the change, and write the new text, each file in one step.

    Returns
    -------
    The file that keeps the old text.

    Raises
    ------
    RecordError
        Where the record of earlier changes cannot be read; nothing is then written.
    """
    from .publish import write_whole

    number = 1
    while (backup := scorecard.with_name(f"{scorecard.name}.{number}.bak")).exists():
        number += 1
    before, after = (sha256(text.encode("utf-8")).hexdigest() for text in (adoption.before, adoption.after))
    change = Adopted(told.on, told.who, told.why, told.weights, backup.name, before, after)
    record = with_adoption(scorecard.parent, change)
    write_whole(backup, adoption.before)
    write_whole(scorecard.with_name(RECORD), record)
    write_whole(scorecard, adoption.after)
    return backup


def with_adoption(folder: Path, adopted: Adopted) -> str:
    """The text of the workspace's record with one more line; writes nothing."""
    path = folder / RECORD
    read_adoptions(folder)
    text = path.read_text(encoding="utf-8") if path.is_file() else ",".join(field.name for field in fields(Adopted)) + "\n"
    line = io.StringIO()
    values = (value.isoformat() if isinstance(value, date) else inert(" ".join(value.split())) for value in astuple(adopted))
    csv.writer(line, lineterminator="\n").writerow(values)
    return text.rstrip("\n") + "\n" + line.getvalue()


def made_elsewhere(weights: Path, workspace: Path) -> list[str]:
    """Why these weights do not belong to the workspace as it is: made with another scorecard, or from other data.

    Read from the summary.json and manifest.json that a run leaves beside its weights.csv; empty where they say so or are not there.

    Parameters
    ----------
    weights : a weights.csv
    workspace : the folder of the workspace
    """
    summary, manifest = (_told(weights.with_name(name)) for name in ("summary.json", "manifest.json"))
    said = []
    made_with = summary.get("scorecard_sha256", manifest.get("scorecard_sha256"))
    if made_with is not None and made_with != _sha256(workspace / "scorecard.yaml"):
        said.append(f"the weights were fitted with another scorecard ({made_with[:12]}) than {workspace / 'scorecard.yaml'}")
    for table in manifest.get("inputs", []):
        file = workspace / str(table.get("file"))
        if file.is_file() and table.get("sha256") not in (None, _sha256(file)):
            said.append(f"{file} has changed since the weights were fitted")
    return said


def _told(path: Path) -> dict[str, Any]:
    """A JSON file of a run; empty where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sha256(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> dict[str, float]:
    try:
        frame = pd.read_csv(path, dtype={"metric": str})
    except (OSError, ValueError) as error:
        raise AdoptError(f"{path} cannot be read", [Fault(str(path), None, "", str(error), "give the weights.csv of a run")]) from None
    missing = [c for c in ("metric", "recommended") if c not in frame.columns]
    if missing:
        faults = [Fault(str(path), 1, c, f"the columns {', '.join(map(str, frame.columns))}", "a column is missing") for c in missing]
        raise AdoptError(f"{path} is not a weights.csv", faults)
    bad = frame[~(pd.to_numeric(frame["recommended"], errors="coerce") >= 0) | frame["metric"].duplicated()]
    if len(bad):
        raise AdoptError(f"{path} has no usable weight for every metric",
                         [Fault(str(path), int(i) + 2, str(row["metric"]), repr(row["recommended"]), "one number >= 0 a metric")
                          for i, (_, row) in zip(bad.index.to_numpy(), bad.iterrows(), strict=True)])  # fmt: skip
    return {name: round(float(weight), 4) for name, weight in zip(frame["metric"], frame["recommended"], strict=True)}


def _metric_nodes(text: str, path: Path) -> dict[str, Any]:
    """Metric -> the YAML node of its settings, with its place in the text."""
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    top = {key.value: value for key, value in tree.value} if isinstance(tree, yaml.MappingNode) else {}
    metrics = top.get("metrics")
    if not isinstance(metrics, yaml.MappingNode):
        raise AdoptError(f"{path} has no metrics", [Fault(str(path), 1, "metrics", "nothing", "a mapping of metrics")])
    nodes = {key.value: value for key, value in metrics.value}
    shared = len({id(node) for node in nodes.values()}) < len(nodes)
    plain = all(_is_plain(node) for node in nodes.values())
    if shared or not plain:
        fault = Fault(str(path), None, "metrics", "anchors", "write the weights by hand")
        raise AdoptError(f"{path} shares settings between metrics by anchors", [fault])
    return nodes


def _is_plain(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode) and bool(node.value) and not any(key.value == "<<" for key, _ in node.value)


def _edit(node: Any, weight: float) -> tuple[float, tuple[int, int, str]]:
    """A metric's present weight, and the one edit (start, end, text) that gives it another."""
    shown = str(int(weight)) if float(weight).is_integer() else repr(weight)
    for key, value in node.value:
        if key.value == "weight":
            return float(yaml.safe_load(value.value)), (value.start_mark.index, value.end_mark.index, shown)
    first = node.value[0][0].start_mark
    gap = ", " if node.flow_style else "\n" + " " * first.column
    return 0.0, (first.index, first.index, f"weight: {shown}{gap}")


def _prove(before: str, after: str, wanted: dict[str, float], path: Path) -> None:
    """The new text reads as the old one with these weights and nothing else."""
    old, new = yaml.safe_load(before), yaml.safe_load(after)
    for name, weight in wanted.items():
        changed = abs(float(old["metrics"][name].get("weight", 0)) - weight) > 1e-9
        if changed:
            old["metrics"][name]["weight"] = int(weight) if float(weight).is_integer() else weight
    if old != new:
        fault = Fault(str(path), None, "metrics", "an unusual layout", "write the weights by hand")
        raise AdoptError(f"{path} cannot be edited in place", [fault])
