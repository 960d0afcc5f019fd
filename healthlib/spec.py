"""workspace.yaml and scorecard.yaml as frozen objects: every fault of both files at once, with its line."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path

from healthlib.adoptions import Adopted, read_adoptions
from healthlib.alert_checks import read_alerts
from healthlib.catalogue import resolve
from healthlib.config import Band, Gate, Level, Limit, Metric, Profile, Scorecard, ScorecardHead
from healthlib.config_workspace import ASSUMED_COST, FlatSpec, OutcomeSpec, SuccessSpec, TableSource, Workspace, WorkspaceHead, WorkSpec
from healthlib.crosschecks import check_scorecard
from healthlib.crosschecks_workspace import check_flat, check_source, taken_names
from healthlib.draft import Draft
from healthlib.errors import Fault, SpecError
from healthlib.parsing import Part, build, keys_of, section, unknown_key
from healthlib.schema import TABLES
from healthlib.terms import MEASURES, Against, Condition, Frozen, Measure, Quantile, Range
from healthlib.yamlfile import Document, read_yaml

__all__ = [
    "ASSUMED_COST",
    "MEASURES",
    "Against",
    "Band",
    "Condition",
    "FlatSpec",
    "Gate",
    "Level",
    "Limit",
    "Measure",
    "Metric",
    "OutcomeSpec",
    "Profile",
    "Quantile",
    "Range",
    "Scorecard",
    "SuccessSpec",
    "TableSource",
    "WorkSpec",
    "Workspace",
    "load_scorecard",
    "load_workspace",
]

NO_WORKSPACE = "a workspace is a folder with workspace.yaml and scorecard.yaml; `healthlib init` writes both from a folder of exports"
NO_SCORECARD = "write one (README, `scorecard.yaml`); `healthlib init` writes a first one from a folder of exports"


def load_workspace(folder: Path | str, scorecard_file: Path | str | None = None, *, anonymise: bool = False) -> Workspace:
    """Read a workspace and its scorecard.

    Parameters
    ----------
    folder : holds workspace.yaml and scorecard.yaml
    scorecard_file : another scorecard file in the place of the folder's own
    anonymise : mask names, also where workspace.yaml does not say so

    Raises
    ------
    SpecError
        with every fault of both files
    """
    folder = Path(folder)
    document = read_yaml(folder / "workspace.yaml", NO_WORKSPACE)
    head, sources, faults = _read_workspace(document)
    flat, wrong = _read_flat(document)
    declared = document.data.get("tables")
    tables = None if "flat" in document.data else [*TABLES, *(declared if isinstance(declared, dict) else ())]
    mapped = {name: source.columns for name, source in sources.items()}
    taken = taken_names(mapped | ({"attributes": flat.attributes} if flat else {}))
    written = read_yaml(Path(scorecard_file or folder / "scorecard.yaml"), NO_SCORECARD)
    card, more = _read_scorecard(written, tables, taken, flat="flat" in document.data)
    faults = _once([*faults, *wrong, *more])
    if faults or head is None or card is None:
        raise SpecError(f"{folder.as_posix()} cannot be used as it is", faults)
    fields = {name: getattr(head, name) for name in WorkspaceHead.model_fields}
    fields["anonymise"] = head.anonymise or anonymise
    adopted = read_adoptions(folder)
    earlier = _earlier(folder, adopted, lambda at: _read_scorecard(at, tables, taken, flat="flat" in document.data)[0])
    return Workspace(
        **fields, folder=folder, tables=sources, flat=flat, scorecard=card, sha256=document.sha256, adopted=adopted, earlier=earlier
    )


def _earlier(folder: Path, adopted: tuple[Adopted, ...], read: Callable[[Document], Scorecard | None]) -> dict[date, Scorecard]:
    """The scorecard that each recorded change ended; one whose text is gone, was altered or can no longer be read is left out."""
    found: dict[date, Scorecard] = {}
    for change in adopted:
        path = folder / Path(change.previous).name
        if not path.is_file():
            continue
        document = read_yaml(path, NO_SCORECARD)
        card = read(document)
        if card is not None and document.sha256 == change.sha256_before:
            found.setdefault(change.adopted_on, card)
    return found


def load_scorecard(path: Path | str) -> Scorecard:
    """Read one scorecard file alone; which tables exist is then not checked.

    Raises
    ------
    SpecError
        with every fault of the file
    """
    document = read_yaml(Path(path), NO_SCORECARD)
    scorecard, faults = _read_scorecard(document, None, taken_names({}))
    if scorecard is None:
        raise SpecError(f"{document.file} cannot be used as it is", _once(faults))
    return scorecard


def _read_workspace(document: Document) -> tuple[WorkspaceHead | None, dict[str, TableSource], list[Fault]]:
    if not document.data:
        return None, {}, list(document.faults)
    sources, faults = section(document, "tables", TableSource, "mapping")
    for name, source in sources.items():
        faults += check_source(document, name, source)
    head, more = _head(document, WorkspaceHead, Workspace)
    return head, sources, [*document.faults, *more, *faults]


def _read_flat(document: Document) -> tuple[FlatSpec | None, list[Fault]]:
    """The flat sheet, None where there is none; and what is wrong with it, or with it beside the other keys."""
    if "flat" not in document.data:
        return None, []
    flat, faults = build(document, ("flat",), FlatSpec)
    return flat, [*faults, *check_flat(document, flat)]


def _read_scorecard(
    document: Document, tables: Collection[str] | None, taken: Collection[str], *, flat: bool | None = None
) -> tuple[Scorecard | None, list[Fault]]:
    """The scorecard, or None and its faults; `flat` says whether its metrics read a flat sheet, None where that is not known."""
    if not document.data:
        return None, list(document.faults)
    document = resolve(document)
    head, faults = _head(document, ScorecardHead, Scorecard)
    metrics, wrong_metrics = section(document, "metrics", Metric, "mapping")
    bands, wrong_bands = section(document, "bands", Band, "list")
    gates, wrong_gates = section(document, "gates", Gate, "list")
    limits, wrong_limits = section(document, "limits", Limit, "mapping")
    faults = [*document.faults, *faults, *wrong_metrics, *wrong_bands, *wrong_gates, *wrong_limits]
    if not document.data.get("metrics"):
        faults.append(document.fault(("metrics",), "nothing", "expected at least one metric"))
    draft = Draft(document, metrics, bands, gates, limits, tables, taken, flat)
    faults += check_scorecard(draft)
    alerts, wrong_alerts = read_alerts(document, draft.names("metrics"), draft.names("groups"), bands)
    faults += wrong_alerts
    if faults or head is None:
        return None, faults
    fields = {name: getattr(head, name) for name in ScorecardHead.model_fields}
    parts = {"metrics": metrics, "bands": tuple(bands.values()), "gates": tuple(gates.values()), "limits": limits, "alerts": alerts}
    return Scorecard(**fields, **parts, sha256=document.sha256), []


def _head(document: Document, head: type[Part], whole: type[Frozen]) -> tuple[Part | None, list[Fault]]:
    """The plain keys at the top of a file, and the faults of keys that nobody knows."""
    known = keys_of(whole)
    faults = [unknown_key(document, (key,), whole) for key in document.data if key not in known]
    part, more = build(document, (), head, {key: value for key, value in document.data.items() if key in keys_of(head)})
    return part, faults + more


def _once(faults: list[Fault]) -> list[Fault]:
    """The first fault of each place, in the order of the files and their lines."""
    first: dict[tuple, Fault] = {}
    for fault in faults:
        first.setdefault((fault.file, fault.line, fault.where), fault)
    files = list(dict.fromkeys(fault.file for fault in faults))
    return sorted(first.values(), key=lambda fault: (files.index(fault.file), fault.line or 0))
