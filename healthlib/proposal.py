"""A proposal: weights, scales and band thresholds in one small file that says what it was made from; a person adopts it or does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, model_validator

from healthlib.errors import Fault, FaultsError, nearest
from healthlib.frozen import Frozen
from healthlib.parsing import build, section
from healthlib.terms import Steps, refuse
from healthlib.yamledit import written
from healthlib.yamlfile import Document, read_yaml

MISSING = "give the proposal.yaml that the lab saved, or the weights.csv of a run"
RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
TOP = ("proposal", "weights", "scales", "bands")


class ProposalError(FaultsError):
    """The file is no proposal, or not one for this scorecard (exit 2)."""


class Origin(Frozen):
    """What a proposal was made from, and by what: hashes are SHA-256; `data_sha256` is that of `data_sha256()`."""

    made_on: date
    workspace: str = Field(min_length=1)
    scorecard_sha256: str = Field(min_length=1)
    data_sha256: str = Field(min_length=1)
    by: Literal["lab", "fit"]
    why: str = ""


def _spot(value: Any) -> Any:
    """A profile's place; YAML hands keys over as the text that was written."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}", value) else value


Spot = Annotated[int, BeforeValidator(_spot), Field(ge=0)]


class Scale(Frozen):
    """A scale as proposed: two ends of a straight line, or a curve of points by value; `profiles`: curves by the profile's place (0 …)."""

    worst: float | None = None
    best: float | None = None
    curve: Steps | None = None
    profiles: dict[Spot, Steps] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_form(self) -> Scale:
        ends = (self.worst is None) + (self.best is None)
        if (self.curve is None) != (ends == 0) or ends == 1 or (self.curve is not None and len(self.curve) < 2):
            raise refuse("expected either `worst` and `best`, or a `curve` of two or more values such as {0: 0, 0.4: 60}")
        if self.profiles and (self.curve is None or min(map(len, self.profiles.values())) < 2):
            raise refuse("expected beside `profiles` a `curve`, and in each of them two or more values such as {0: 0, 0.4: 60}")
        return self

    def keys(self) -> dict[str, float | dict[float, float]]:
        """The keys of a metric that this scale is."""
        return {"curve": self.curve} if self.curve is not None else {"worst": float(self.worst or 0), "best": float(self.best or 0)}


@dataclass(frozen=True)
class Proposal:
    """What is proposed: metric -> weight in points summing to 100, metric -> scale, band -> the score it begins at."""

    origin: Origin
    weights: Mapping[str, float]
    scales: Mapping[str, Scale] = field(default_factory=dict)
    bands: Mapping[str, float] = field(default_factory=dict)


def data_sha256(inputs: Iterable[Mapping[Any, Any]]) -> str:
    """One SHA-256 over the hashes of the inputs as the manifest lists them, in its order.

    Parameters
    ----------
    inputs : of each table `table` and `sha256`, as in manifest.json's `inputs` (or the rows of `Book.tables`)
    """
    listed = "".join(f"{row['table']} {row['sha256']}\n" for row in inputs)
    return sha256(listed.encode("utf-8")).hexdigest()


def read_proposal(path: Path, metrics: Iterable[str] | None = None, bands: Iterable[str] | None = None) -> Proposal:
    """Read a proposal.

    Parameters
    ----------
    metrics, bands : the names that the scorecard has; not checked where not given

    Raises
    ------
    ProposalError
        With every fault of the file, each with its line.
    """
    document = read_yaml(path, MISSING)
    faults = list(document.faults)
    faults += [document.fault((key,), f"the unknown key {key!r}", f"expected one of {', '.join(TOP)}", nearest(key, TOP))
               for key in document.data if key not in TOP]  # fmt: skip
    origin, wrong = build(document, ("proposal",), Origin) if document.data else (None, [])
    weights, more = _shares(document, "weights")
    scales, other = section(document, "scales", Scale, "mapping")
    starts, last = _shares(document, "bands")
    faults += [*wrong, *more, *other, *last]
    if document.data and not more and abs(sum(weights.values()) - 100) > 0.01:
        faults.append(document.fault(("weights",), f"weights summing to {sum(weights.values()):g}", "they sum to 100"))
    faults += [fault for name, known in (("weights", metrics), ("scales", metrics), ("bands", bands)) if known is not None
               for fault in _strangers(document, name, list(known))]  # fmt: skip
    if faults or origin is None:
        raise ProposalError(f"{path} cannot be used as it is", faults)
    return Proposal(origin, weights, scales, starts)


def _shares(document: Document, key: str) -> tuple[dict[str, float], list[Fault]]:
    """Name -> number under a top-level key."""
    raw = document.data.get(key)
    if raw is None:
        return {}, []
    if not isinstance(raw, dict):
        return {}, [document.wrong((key,), "expected a mapping such as {name: 20}")]
    found, faults = {}, []
    for name, value in raw.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            faults.append(document.wrong((key, name), "expected a number from 0 to 100"))
        else:
            found[name] = float(value)
    return found, faults


def _strangers(document: Document, key: str, known: list[str]) -> list[Fault]:
    raw = document.data.get(key)
    return [document.fault((key, name), f"{name!r}, which the scorecard lacks", f"expected one of {', '.join(known)}", nearest(name, known))
            for name in (raw if isinstance(raw, dict) else ()) if name not in known]  # fmt: skip


def proposal_yaml(proposal: Proposal) -> str:
    """The proposal as text: the same proposal gives the same bytes."""
    origin = proposal.origin
    lines = ["# A proposal: nothing is changed until `healthlib adopt` writes it.", "proposal:"]
    lines += [f"  made_on: {origin.made_on.isoformat()}"]
    lines += [f"  {key}: {_quoted(getattr(origin, key))}" for key in ("workspace", "scorecard_sha256", "data_sha256", "by", "why")]
    lines += ["weights:  # points of 100", *(f"  {_key(name)}: {written(points)}" for name, points in proposal.weights.items())]
    if proposal.scales:
        lines.append("scales:")
        for name, scale in proposal.scales.items():
            keys = ", ".join(f"{key}: {written(value)}" for key, value in scale.keys().items())
            inner = ", ".join(f"{place}: {written(curve)}" for place, curve in scale.profiles.items())
            keys += f", profiles: {{{inner}}}" if inner else ""
            lines.append(f"  {_key(name)}: {{{keys}}}")
    if proposal.bands:
        lines += ["bands:  # the score at which each begins", *(f"  {_key(n)}: {written(start)}" for n, start in proposal.bands.items())]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text in quotes that YAML reads back as it is, whatever stands in it."""
    return yaml.safe_dump(text, allow_unicode=True, default_style='"', width=10_000_000).rstrip("\n")


def _key(name: str) -> str:
    """A name as a key, in quotes where it is more than a word, or a word that some reader of YAML takes for something else."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.lower() not in RESERVED else _quoted(name)
