"""What a notebook is given is refused in plain words, whoever runs it: `healthlib run`, plain papermill, or a person."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from healthlib import given, runner, studies
from healthlib.given import ParameterError, faults, strangers

PARAMETERS = 'workspace = "data/demo"\nas_of = ""\nfacts = ""'


@pytest.mark.parametrize(
    ("value", "default", "says"),
    [
        (20261031, "", "found 20261031 (a whole number); give text. Did you mean '2026-10-31'?"),
        ("20261031", "", "found '20261031'; give an ISO date like 2026-10-31, or leave it empty"),
        ("31.10.2026", "", "Did you mean '2026-10-31'?"),
        ("2026-02-30", "", "found '2026-02-30'; give an ISO date"),
        ("2026-10-31 00:00", "", "Did you mean '2026-10-31'?"),
        (True, "", "found True (True or False); give text"),
        ("false", False, "found 'false' (text); give True or False, unquoted: papermill's `-p as_of False`"),
        (7, "", "papermill's `-r as_of …` keeps it as it is typed, 007 too"),
        (True, 3, "found True (True or False); give a whole number like 3"),
        ("3", 3, "give a whole number like 3"),
        (0.5, 3, "found 0.5 (a number); give a whole number like 3"),
    ],
)
def test_a_wrong_type_is_said_in_plain_words(value: object, default: object, says: str) -> None:
    assert says in str(faults({"as_of": value}, {"as_of": default})[0])
    assert str(faults({"as_of": value}, {"as_of": default})[0]).startswith("parameters: as_of: ")


@pytest.mark.parametrize(("value", "default"), [("2026-10-31", ""), ("", ""), (3, 0.5), (False, True), ("2026-10-31", None)])
def test_a_right_type_is_not(value: object, default: object) -> None:
    assert faults({"as_of": value}, {"as_of": default}) == []


def test_a_misspelt_name_is_found_among_the_cells_that_ran() -> None:
    """In a run without healthlib nobody else looks: papermill logs a warning, and the report is of another month."""
    found = strangers(["", PARAMETERS, '# Parameters\nas_off = "2026-09-30"\nworkspace = "w"\n', "import healthlib"])
    assert [str(one) for one in found] == [
        "parameters: as_off: found an unknown parameter; the notebook knows workspace, as_of, facts. Did you mean 'as_of'?"
    ]
    assert strangers([PARAMETERS, '# Parameters\nas_of = "2026-09-30"\n']) == []
    assert strangers([PARAMETERS + "\nmine = 1", "# Parameters\nmine = 2\n"]) == []
    assert strangers(['# Parameters\nas_of = ""\n', "load()"]) == []  # run by hand in another order
    assert strangers([]) == []


def test_notebooks_and_runs_refuse_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"as_of: found 20261031 .* Did you mean '2026-10-31'"):
        studies.load("audit", "nowhere", 20261031)  # ty: ignore[invalid-argument-type]
    with pytest.raises(ParameterError, match=r"workspace: found 7 \(a whole number\)"):
        studies.load("audit", 7)  # ty: ignore[invalid-argument-type]
    folder = tmp_path / "w"
    folder.mkdir()
    for name in ("workspace.yaml", "scorecard.yaml"):
        (folder / name).write_bytes((Path(__file__).parents[1] / "data" / "demo" / name).read_bytes())
    with pytest.raises(ParameterError, match="Did you mean '2026-10-31'"):
        runner.run(folder, "31.10.2026", tmp_path / "out")
    given.check({"workspace": tmp_path, "as_of": None})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-p", "as_of", "20261031"], "as_of: found 20261031 (a whole number); give text. Did you mean '2026-10-31'?"),
        (["-p", "as_off", "2026-10-31"], "as_off: found an unknown parameter; the notebook knows workspace, as_of, facts"),
    ],
)
def test_plain_papermill_is_stopped_by_the_first_cell(words: list[str], says: str, tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--no-progress-bar",
        "notebooks/04_executive_report.ipynb",
        str(tmp_path / "out.ipynb"),
        *words,
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert says in done.stderr
