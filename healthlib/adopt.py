"""A proposal into scorecard.yaml: only the numbers change; comments, order and spacing stay; who and why is recorded."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
from collections.abc import Generator, Iterable, Mapping
from dataclasses import astuple, dataclass, field, fields
from datetime import date
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from .adoptions import RECORD, Adopted, read_adoptions
from .artifacts import inert
from .catalogue import PREFIX, entries
from .errors import Fault, FaultsError, nearest
from .frozen import MOST_WEIGHT
from .proposal import Proposal, read_proposal
from .wording import listed
from .yamledit import EditError, Edits, same, written

SCALE = ("worst", "best", "steps", "curve")
"""The keys of a metric that say how its value becomes points."""


class AdoptError(FaultsError):
    """The proposal cannot be written into this scorecard as it stands (exit 2)."""


@dataclass(frozen=True)
class Told:
    """What is recorded of an adoption beside the change itself: the day, who decided, why, and the file of weights."""

    on: date
    who: str
    why: str
    weights: str


@dataclass(frozen=True)
class Adoption:
    """A scorecard's text before and after, and what changes: by metric the (old, new) weight and scale, by band where it begins; and in
    how many profiles of metrics something does."""

    before: str
    after: str
    changes: dict[str, tuple[float, float]]
    scales: dict[str, tuple[str, str]] = field(default_factory=dict)
    bands: dict[str, tuple[float, float]] = field(default_factory=dict)
    profiles: int = 0

    def diff(self, name: str = "scorecard.yaml") -> str:
        """The change as a unified diff."""
        before, after = (text.replace("\r\n", "\n").splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(unified_diff(before, after, name, f"{name} (adopted)", n=1))

    def said(self) -> str:
        """How much changes, in words.

        >>> Adoption("", "", {"a": (0, 1)}, bands={"red": (0, 1), "green": (0, 1)}).said()
        '1 weight and 2 thresholds'
        """
        parts = ((len(self.changes), "weight"), (len(self.scales), "scale"), (len(self.bands), "threshold"), (self.profiles, "profile"))
        return listed([f"{n} {word}{'s' if n > 1 else ''}" for n, word in parts if n]) or "nothing"


@dataclass(frozen=True)
class Wanted:
    """What shall stand in a scorecard, and the file that says so.

    `profiles` are curves by metric and profile. `fitted` weights were tested for all accounts alike, so profiles with weights of their own
    get the same; else those keep their proportion to the rest.
    """

    source: Path
    weights: Mapping[str, float]
    scales: Mapping[str, Mapping[str, float | dict[float, float]]] = field(default_factory=dict)
    bands: Mapping[str, float] = field(default_factory=dict)
    proposal: Proposal | None = None
    profiles: Mapping[str, Mapping[int, Mapping[float, float]]] = field(default_factory=dict)
    fitted: bool = False


def read_wanted(path: Path) -> Wanted:
    """What a ``weights.csv`` or a ``proposal.yaml`` asks for.

    Raises
    ------
    AdoptError, ProposalError
        Where the file is neither.
    """
    if path.suffix.lower() not in (".yaml", ".yml"):
        weights, fitted = _read(path)
        return Wanted(path, weights, fitted=fitted)
    found = read_proposal(path)
    weights = {name: round(points, 4) for name, points in found.weights.items()}
    scales, profiles = found.scales.items(), {name: scale.profiles for name, scale in found.scales.items() if scale.profiles}
    return Wanted(path, weights, {name: scale.keys() for name, scale in scales}, found.bands, found, profiles, found.origin.by == "fit")


def adopt_weights(scorecard: Path, weights: Path) -> Adoption:
    """`adopt` of a file."""
    return adopt(scorecard, read_wanted(weights))


def adopt(scorecard: Path, wanted: Wanted) -> Adoption:
    """Work out the new text of a scorecard; writes nothing.

    Raises
    ------
    AdoptError
        Where the proposal names metrics or bands the scorecard lacks, or the scorecard's layout cannot be edited in place.
    """
    before = scorecard.read_bytes().decode("utf-8")
    edits = Edits(before)
    data = edits.data() or {}
    metrics, bands = data.get("metrics"), data.get("bands") or []
    if not isinstance(metrics, dict):
        raise AdoptError(f"{scorecard} has no metrics", [Fault(str(scorecard), 1, "metrics", "nothing", "a mapping of metrics")])
    places = {str(band.get("name")): i for i, band in enumerate(bands) if isinstance(band, dict)}
    _known(wanted, scorecard, metrics, places)
    weights, scales, starts, profiles = {}, {}, {}, 0
    grown = sum(wanted.weights.values()) / (sum(map(_weight, metrics.values())) or 1)
    try:
        for name in dict.fromkeys([*wanted.weights, *wanted.scales]):
            new, drop, old = _metric(wanted, name, edits.now(("metrics", name)))
            edits.put(("metrics", name), new, drop=drop)
            profiles += sum(_put_profile(edits, (name, i), wanted, grown) for i in range(len(old.get("profiles") or ())))
            if "weight" in new and not same(old.get("weight", 0), new["weight"]):
                weights[name] = (float(old.get("weight") or 0), float(new["weight"]))
            if told := _scale_told(old, new):
                scales[name] = told
        for name, start in wanted.bands.items():
            old = edits.now(("bands", places[name]))
            edits.put(("bands", places[name]), {"from": start})
            if not same(old.get("from"), start):
                starts[name] = (float(old.get("from") or 0), start)
        return Adoption(before, edits.result(), weights, scales, starts, profiles)
    except EditError as error:
        fault = Fault(str(scorecard), None, "metrics", str(error), "write the numbers by hand")
        raise AdoptError(f"{scorecard} cannot be edited in place: {error}", [fault]) from None


def _metric(wanted: Wanted, name: str, old: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...], dict[str, Any]]:
    """What a metric's mapping shall say, the keys it shall no longer have, and what it says."""
    new: dict[str, Any] = {}
    if name in wanted.weights and not (wanted.weights[name] == 0 and not old.get("weight")):
        new["weight"] = wanted.weights[name]
    scale = wanted.scales.get(name)
    if scale is None or all(same(old.get(key), value) for key, value in scale.items()):
        return new, (), old
    use = old.get("use")
    inherited = entries()[use.removeprefix(PREFIX)].settings if isinstance(use, str) and use.removeprefix(PREFIX) in entries() else {}
    silenced = {key: None for key in SCALE if key in inherited and key not in scale}
    return {**new, **scale, **silenced}, tuple(key for key in SCALE if key not in scale and key not in silenced), old


def _put_profile(edits: Edits, place: tuple[str, int], wanted: Wanted, grown: float) -> bool:
    """Give one profile of a metric its curve, and what its weight becomes; whether anything changes."""
    name, at = place
    curve, old = wanted.profiles.get(name, {}).get(at), edits.now(("metrics", name, "profiles", at))
    new: dict[str, Any] = {} if curve is None else {"curve": dict(curve)}
    drop = () if curve is None else ("worst", "best", "steps")
    if name in wanted.weights and isinstance(old.get("weight"), int | float):
        if wanted.fitted:
            new["weight"] = wanted.weights[name]
        elif not same(round(grown, 6), 1):
            new["weight"] = round(old["weight"] * grown, 4)
    edits.put(("metrics", name, "profiles", at), new, drop=drop)
    return any(key in old for key in drop) or any(not same(old.get(key), value) for key, value in new.items())


def _weight(metric: Any) -> float:
    try:
        return float(metric["weight"])
    except (KeyError, TypeError, ValueError):
        return 0.0


def _scale_told(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, str] | None:
    """A scale before and after, in a few words; None where it stays."""
    after = {key: new[key] for key in SCALE if new.get(key) is not None}
    if not after:
        return None
    before = {key: old[key] for key in SCALE if old.get(key) is not None}
    return str(before), ", ".join(f"{key}: {written(value)}" for key, value in after.items())


def _known(wanted: Wanted, scorecard: Path, metrics: Iterable[str], bands: Iterable[str]) -> None:
    """Every metric and band of the proposal is one of the scorecard's."""
    faults, cure = [], f"expected one of {scorecard}"
    for what, names, known in (("metric", [*wanted.weights, *wanted.scales], [*metrics]), ("band", [*wanted.bands], [*bands])):
        strangers = [name for name in dict.fromkeys(names) if name not in known]
        faults += [Fault(str(wanted.source), None, name, f"a {what} the scorecard lacks", cure, nearest(name, known)) for name in strangers]
    if faults:
        raise AdoptError(f"{wanted.source} does not belong to {scorecard}", faults)


def write_adoption(scorecard: Path, adoption: Adoption, told: Told) -> Path:
    """Keep the old text beside the scorecard, record the change, and write the new text, each file in one step.

    Returns
    -------
    The file that keeps the old text.

    Raises
    ------
    RecordError, AdoptError
        Where the record of earlier changes cannot be read, the scorecard was changed meanwhile, or a file cannot be written; the scorecard
        and its record are then as they were.
    """
    record = scorecard.with_name(RECORD)
    try:
        with _held(scorecard):
            if scorecard.read_bytes() != adoption.before.encode("utf-8"):
                raise AdoptError(
                    f"nothing written: {scorecard} was changed meanwhile; run the command again to see what it would do now", []
                )
            number = 1
            while (backup := scorecard.with_name(f"{scorecard.name}.{number}.bak")).exists():
                number += 1
            before, after = (sha256(text.encode("utf-8")).hexdigest() for text in (adoption.before, adoption.after))
            change = Adopted(told.on, told.who, told.why, told.weights, backup.name, before, after)
            texts = {backup: adoption.before, record: with_adoption(scorecard.parent, change), scorecard.resolve(): adoption.after}
            _write_all(texts)
    except OSError as error:
        raise AdoptError(f"nothing written: {error.filename or scorecard}: {error.strerror or error}", []) from None
    return backup


def _write_all(texts: Mapping[Path, str]) -> None:
    """Write files in this order; where one cannot be written, those before it are put back."""
    from .publish import write_whole

    old: dict[Path, str | None] = {}
    try:
        for path, text in texts.items():
            old[path] = path.read_bytes().decode("utf-8") if path.is_file() else None
            write_whole(path, text)
    except OSError:
        for path, text in list(old.items())[:-1]:
            with contextlib.suppress(OSError):
                if text is None:
                    path.unlink()
                else:
                    write_whole(path, text)
        raise


@contextlib.contextmanager
def _held(scorecard: Path) -> Generator[None]:
    """One adoption at a time: whoever waits here finds the file changed afterwards. The system lets go when its holder dies."""
    with scorecard.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def with_adoption(folder: Path, adopted: Adopted) -> str:
    """The text of the workspace's record with one more line; writes nothing."""
    path = folder / RECORD
    read_adoptions(folder)
    text = path.read_text(encoding="utf-8") if path.is_file() else ",".join(field.name for field in fields(Adopted)) + "\n"
    line = io.StringIO()
    values = (value.isoformat() if isinstance(value, date) else inert(" ".join(value.split())) for value in astuple(adopted))
    csv.writer(line, lineterminator="\n").writerow(values)
    return text.rstrip("\n") + "\n" + line.getvalue()


def _read(path: Path) -> tuple[dict[str, float], bool]:
    """The weights of a weights.csv, and whether a fit recommends them (else they are those in use, rounded to whole points)."""
    try:
        frame = pd.read_csv(path, dtype={"metric": str})
    except (OSError, ValueError) as error:
        raise AdoptError(f"{path} cannot be read", [Fault(str(path), None, "", str(error), "give the weights.csv of a run")]) from None
    if {"value", "points"} <= set(frame.columns) or ({"current", "fitted"} <= set(frame.columns) and "equal" not in frame.columns):
        raise AdoptError(f"{path} is one half of what was tested: learned scales and their weights are adopted together, as "
                         "the proposal.yaml that a run leaves beside them where it recommends them", [])  # fmt: skip
    missing = [c for c in ("metric", "recommended") if c not in frame.columns]
    if missing:
        faults = [Fault(str(path), 1, c, f"the columns {', '.join(map(str, frame.columns))}", "a column is missing") for c in missing]
        raise AdoptError(f"{path} is not a weights.csv", faults)
    points = pd.to_numeric(frame["recommended"], errors="coerce")
    bad = frame[~points.between(0, MOST_WEIGHT) | frame["metric"].duplicated() | frame["metric"].isna()]
    if len(bad):
        raise AdoptError(f"{path} has no usable weight for every metric",
                         [Fault(str(path), int(i) + 2, str(row["metric"]), repr(row["recommended"]), "one number >= 0 a metric")
                          for i, (_, row) in zip(bad.index.to_numpy(), bad.iterrows(), strict=True)])  # fmt: skip
    now = pd.to_numeric(frame["current"], errors="coerce") if "current" in frame else frame["recommended"]
    moved = bool((now - frame["recommended"]).abs().max() >= 1)
    return {name: round(float(weight), 4) for name, weight in zip(frame["metric"], frame["recommended"], strict=True)}, moved
