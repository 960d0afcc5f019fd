"""The README's library example runs as it stands, and what it says of commands and modules is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from healthlib import cli
from healthlib.demo import make_demo

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def example() -> str:
    found = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(found) == 1
    return found[0]


def test_the_library_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    make_demo(tmp_path / "data" / "demo", accounts=60)
    monkeypatch.chdir(tmp_path)
    exec(compile(example(), "README.md", "exec"), {"__name__": "readme"})
    said = capsys.readouterr().out
    assert re.search(r"^(adopt|keep|insufficient_evidence) - \S", said, flags=re.MULTILINE)


def test_the_example_is_about_ten_lines() -> None:
    assert len([line for line in example().splitlines() if line.strip()]) <= 12


def test_every_module_is_in_the_table() -> None:
    named = set(re.findall(r"`([a-z_*]+)`", TEXT[TEXT.index("## The modules") :]))
    wanted = {path.stem for path in (ROOT / "healthlib").glob("*.py") if path.stem != "__init__"}
    families = [name.rstrip("*") for name in named if name.endswith("*")]
    assert sorted(name for name in wanted - named if not any(name.startswith(family) for family in families)) == []


@pytest.mark.parametrize("command", re.findall(r"^\| `([a-z]+)", TEXT, flags=re.MULTILINE)[:3])
def test_the_commands_it_names_exist(command: str) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0


def test_the_picture_is_there() -> None:
    for name in re.findall(r"!\[[^]]+\]\(([^)]+)\)", TEXT):
        assert (ROOT / name).is_file(), name
