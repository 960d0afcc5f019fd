"""A preset into a workspace: what its tables carry is written, the rest stands in comments; the old scorecard is kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from .errors import HealthlibError
from .presets import Fitted, fitted, path_of
from .spec import load_workspace
from .tables import load_tables


@dataclass(frozen=True)
class Applied:
    """What was written: the preset as it fits, the file, and the backup of the old one (None where there was none)."""

    fitted: Fitted
    file: Path
    backup: Path | None


def apply_preset(name: str, folder: Path, *, force: bool = False) -> Applied:
    """Write a preset as the scorecard of a workspace, without the metrics its tables cannot carry.

    Parameters
    ----------
    folder : holds workspace.yaml; its scorecard.yaml need not be there, nor be right
    force : overwrite a scorecard.yaml that is there, keeping a backup

    Raises
    ------
    HealthlibError
        no such preset, a scorecard that is there without `force`, or no table for any metric of weight
    SpecError, DataError
        of the workspace
    """
    from .publish import write_whole

    file = folder / "scorecard.yaml"
    preset = path_of(name)
    if file.exists() and not force:
        raise HealthlibError(f"{file.as_posix()} is there already; --force overwrites it and keeps a backup")
    found = fitted(name, load_tables(load_workspace(folder, preset)).columns)
    if not found.kept:
        reasons = "\n  ".join(f"{metric}: {why}" for metric, why in found.dropped.items())
        raise HealthlibError(f"no metric of the preset {name!r} can be measured in {folder.as_posix()}:\n  {reasons}")
    text = _headed(found)
    _prove(text, folder)
    backup = None
    if file.exists():
        number = 1
        while (backup := file.with_name(f"{file.name}.{number}.bak")).exists():
            number += 1
        write_whole(backup, file.read_text(encoding="utf-8"))
    write_whole(file, text)
    return Applied(found, file, backup)


def _headed(found: Fitted) -> str:
    """The text under a line that says where it came from and how much of it stayed."""
    lost = f" {found.kept / found.weight:.0%} of the weight could be measured; the rest stands in comments." if found.dropped else ""
    told = f"# healthlib preset {found.name}. Its weights are an opinion: `healthlib fit` says what the past makes of them.{lost}"
    return f"{told}\n{found.text}"


def _prove(text: str, folder: Path) -> None:
    """What is written can be read: never leave a workspace with a scorecard that does not load."""
    with tempfile.TemporaryDirectory() as scratch:
        trial = Path(scratch) / "scorecard.yaml"
        trial.write_text(text, encoding="utf-8")
        load_workspace(folder, trial)
