"""The same exports give the same bytes on another machine: language, time zone, hash order, processors, folder, user and home.

One run on a strange machine is in `test_runner.py`; here each strangeness is alone, over the demo: ``HEALTHLIB_SAME=1`` (`make same`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from healthlib import runner, status
from healthlib.demo import make_demo

ROOT = Path(__file__).parents[1]
WHOLE = bool(os.environ.get("HEALTHLIB_SAME"))
HOME = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}
ODD = {
    "no language": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "German, in Latin 1": {"LC_ALL": "de_DE.ISO-8859-1", "PYTHONUTF8": "0"},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8"},
    "fourteen hours ahead": {"TZ": "Pacific/Kiritimati"},
    "three and a half hours behind": {"TZ": "America/St_Johns"},
    "another hash order": {"PYTHONHASHSEED": "4242"},
    "no word on threads": {"OMP_NUM_THREADS": "", "OPENBLAS_NUM_THREADS": "", "MPLBACKEND": ""},
}


def languages(folder: Path) -> dict[str, str]:
    """The locales of `ODD`, made in `folder` for this process' children; no variable where they cannot be made."""
    if not shutil.which("localedef"):
        return {}
    for name, charset in (("de_DE", "ISO-8859-1"), ("tr_TR", "UTF-8")):
        made = subprocess.run(["localedef", "-i", name, "-f", charset, folder / f"{name}.{charset}"], capture_output=True)
        if not (folder / f"{name}.{charset}").is_dir():
            return {} if made.returncode else {"LOCPATH": str(folder)}
    return {"LOCPATH": str(folder)}


def run(workspace: Path, out: Path, given: dict[str, str], *, cores: str = "", cwd: Path = ROOT) -> dict[str, bytes]:
    """One run of the command line in a process of its own; the files it left, but for the lock and the status, which say when."""
    env = {name: value for name, value in {**os.environ, **HOME, "PYTHONPATH": str(ROOT), **given}.items() if value}
    command = [
        *(["taskset", "-c", cores] if cores else []),
        sys.executable,
        "-m",
        "healthlib.cli",
        "run",
        str(workspace),
        "--out",
        str(out),
    ]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    files = (path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in (".lock", status.FILE))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Files that only one has or whose bytes differ; the manifest says when a run was made and how long it took."""
    return [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name) and not name.endswith("manifest.json")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """The demo, and what a run of it leaves here."""
    if not WHOLE:
        pytest.skip("ten runs of the demo: make same")
    home = tmp_path_factory.mktemp("same")
    make_demo(home / "acme")
    return home / "acme", run(home / "acme", home / "out", {})


@pytest.mark.parametrize("odd", ODD)
def test_another_machine_s_variables_change_no_byte(odd: str, demo: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    made = languages(tmp_path)
    if not made and "_" in ODD[odd].get("LC_ALL", ""):
        pytest.skip("no localedef, or no sources of locales (Debian's package locales)")
    assert differing(demo[1], run(demo[0], tmp_path / "out", {**ODD[odd], **made})) == []


def test_one_processor_changes_no_byte(demo: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2 or not shutil.which("taskset"):
        pytest.skip("there is one processor, or no taskset")
    assert differing(demo[1], run(demo[0], tmp_path / "out", {}, cores="0")) == []


def test_another_folder_and_user_change_no_byte(demo: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    """Copied to a folder with a space and letters beyond ASCII, begun from within it, by somebody of another name and home."""
    there = tmp_path / "Müllers Büro" / "acme"
    shutil.copytree(demo[0], there)
    who = {"HOME": str(tmp_path), "USER": "çelik", "LOGNAME": "çelik"}
    assert differing(demo[1], run(Path("../acme"), tmp_path / "out", who, cwd=there)) == []


def test_what_a_notebook_says_of_its_workspace_does_not_depend_on_where_the_run_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the project by the path from it, so that the notebook runs again from there; elsewhere by its name."""
    shown = set()
    for begun in (ROOT, ROOT / "data", ROOT / "data" / "demo", Path("/")):
        monkeypatch.chdir(begun)
        near = runner._shown(Path(os.path.relpath(ROOT / "data" / "demo")), "2026-10-31", ROOT / "notebooks")["workspace"]
        shown |= {(near, runner._shown(ROOT.parent / "other", "2026-10-31", ROOT / "notebooks")["workspace"])}
    assert shown == {("data/demo", "other")}
