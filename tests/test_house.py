"""Promises about the files themselves: no registry address, no path of a machine, locked versions only, walls between the rooms."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from healthlib import cli, commands

ROOT = Path(__file__).parents[1]
ADDRESS = re.compile(r"index-url|find-links|trusted-host|pypi\.org|files\.pythonhosted", re.IGNORECASE)
MACHINE = re.compile(r"/(?:home|root|Users|work|opt|tmp)/[\w.]")
NAMES_THEM = {"tests/test_house.py"}


def tracked() -> list[Path]:
    """Files git knows or would know: tracked, and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in listed if name and name not in NAMES_THEM and (ROOT / name).is_file()]


@pytest.mark.parametrize("pattern", [ADDRESS, MACHINE], ids=["registry address", "machine path"])
def test_no_file_names_a_registry_or_a_machine(pattern: re.Pattern[str]) -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{n}: {line.strip()[:80]}" for n, line in enumerate(text.splitlines(), 1) if pattern.search(line)
        ]
    assert found == []


@pytest.mark.parametrize("lock", ["requirements.lock", "schedules/airflow.lock"])
def test_the_lock_holds_names_and_versions_only(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+(?: ; [\w.'<>=!* ()]+)?", line)] == []


def test_what_the_project_needs_is_locked() -> None:
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[<>=~ ]", need)[0] for need in needs} <= locked


def test_the_version_stands_once_and_is_the_newest_of_the_change_log(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"], "pyproject.toml says where the version is, not what it is"
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "healthlib.__version__"}
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    newest = re.search(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert capsys.readouterr().out == f"healthlib {newest[1]}\n"


def test_the_walls_between_the_rooms_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-2000:]


def test_generated_things_are_not_committed() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in tracked()}
    assert not {name for name in names if name.startswith("reports/")} - {"reports/.gitkeep"}
    assert not {name for name in names if name.endswith((".pyc", ".pkl", ".pickle"))}


def test_modules_open_with_one_sentence_and_stay_small() -> None:
    """DESIGN.md: 80-300 lines a module, opening with one sentence; the schema is data."""
    for path in sorted((ROOT / "healthlib").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert text.startswith('"""'), f"{path.name} does not open with a sentence"
        assert text.count("\n") <= 450, f"{path.name} has {text.count(chr(10))} lines"


def test_every_command_that_is_offered_can_be_run() -> None:
    assert list(cli.RUNS) == list(commands.COMMANDS)


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    heavy = "import sys; import healthlib.cli as c; c.parser(); print([m for m in sys.argv[1:] if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", heavy, "pandas", "numpy", "duckdb", "matplotlib"], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
