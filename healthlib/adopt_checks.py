"""What must hold before a proposal is written: it reads as a scorecard, keeps its limits, belongs to these data; and what it would do."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from . import claims_scorecard
from .adopt import AdoptError, Adoption
from .adoptions import Adopted, read_adoptions
from .errors import SpecError
from .proposal import Origin, data_sha256
from .spec import Scorecard, Workspace, load_workspace
from .studies.compare import Comparison, compare


@dataclass(frozen=True)
class Effect:
    """What an adoption does to the accounts of the last day of the data, in a sentence; and the hash of those data."""

    said: str
    found: Comparison
    data_sha256: str


def proven(folder: Path, adoption: Adoption) -> Workspace:
    """The workspace as the new text would make it.

    Raises
    ------
    AdoptError
        Where the new text is no scorecard that this workspace can use: such a text is never written.
    """
    with tempfile.TemporaryDirectory() as aside:
        path = Path(aside) / "scorecard.yaml"
        path.write_bytes(adoption.after.encode("utf-8"))
        try:
            return load_workspace(folder, path)
        except SpecError as error:
            named = [replace(fault, file=f"{folder / 'scorecard.yaml'} as proposed") if fault.file == path.as_posix() else fault
                     for fault in error.faults]  # fmt: skip
            raise AdoptError("nothing written: the scorecard would be refused", named) from None


def outside_limits(card: Scorecard) -> list[str]:
    """Where the weights leave what the scorecard's own `limits` allow, in points of 100."""
    total = sum(card.weights.values())
    said = []
    for name, limit in card.limits.items():
        points = sum(metric.weight for key, metric in card.metrics.items() if name in (key, metric.group)) * 100 / total if total else 0.0
        if not limit.min - 0.005 <= points <= limit.max + 0.005:
            said.append(f"{name} would have {points:.4g} points of 100; `limits` allow {limit.min:g} to {limit.max:g}")
    return said


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


def other_scorecard(origin: Origin, workspace: Path) -> list[str]:
    """Why a proposal does not belong to the scorecard as it is; empty where it does."""
    path = workspace / "scorecard.yaml"
    if origin.scorecard_sha256 == _sha256(path):
        return []
    return [f"the proposal was made with another scorecard ({origin.scorecard_sha256[:12]}) than {path}"]


def effect(before: Workspace, after: Workspace) -> Effect:
    """Score the accounts of the last day of the data as now and as proposed.

    Raises
    ------
    HealthlibError
        Where the data cannot be read.
    """
    from . import asof
    from .scoring import resolve_scales
    from .studies.book import book_of, snapshots
    from .tables import load_tables

    tables = load_tables(before)
    at = pd.Timestamp(tables.data_through)
    if before.flat is not None or any(_by_history(card) for card in (before.scorecard, after.scorecard)):
        book = book_of(tables, before, at)
        past = book.cases if before.flat is not None else book.history
        today = book.history[book.history["as_of"] == at]
        cards = [resolve_scales(workspace.scorecard, past) for workspace in (before, after)]
    else:
        asof.open_door(tables, before)
        today = snapshots(tables, before, asof.active_spine(tables, [at]))
        cards = [before.scorecard, after.scorecard]
    found = compare(("the present scorecard", cards[0], today), ("the proposed one", cards[1], today))
    inputs = tables.report[["table", "sha256"]].astype(str).to_dict("records")
    return Effect(claims_scorecard.changed(found, before.currency), found, data_sha256(inputs))


def _by_history(card: Scorecard) -> bool:
    """Whether an end of some scale is read from history."""
    parts = [part for metric in card.metrics.values() for part in (metric, *metric.profiles)]
    return any(end is not None and not isinstance(end, int | float) for part in parts for end in (part.worst, part.best))


def undone(folder: Path) -> tuple[Adoption, Adopted]:
    """The change that takes the last recorded one back, and that one.

    Raises
    ------
    AdoptError
        Where nothing is recorded, the scorecard was edited since, or the file that keeps the text before is gone or altered.
    """
    path, changes = folder / "scorecard.yaml", read_adoptions(folder)
    if not changes:
        raise AdoptError(f"nothing to undo: no change of {path} is recorded", [])
    last, kept = changes[-1], folder / Path(changes[-1].previous).name
    if _sha256(path) == last.sha256_before != last.sha256_after:
        raise AdoptError(f"nothing to undo: {path} is as it was before the last recorded change, of {last.adopted_on} by {last.who}", [])
    if _sha256(path) != last.sha256_after:
        since = f"{path} was edited since {last.who} changed it on {last.adopted_on}"
        raise AdoptError(f"nothing written: {since}; take the edit back by hand, or copy {kept} over it", [])
    if not kept.is_file() or _sha256(kept) != last.sha256_before:
        raise AdoptError(f"nothing written: {kept}, which should hold the scorecard before, is gone or was altered", [])
    return Adoption(path.read_bytes().decode("utf-8"), kept.read_bytes().decode("utf-8"), {}), last
