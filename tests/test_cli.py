"""The command line: help that answers, exit codes 0, 1 and 2, a message instead of a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from healthlib import cli
from healthlib.demo import make_demo
from healthlib.spec import load_workspace

COMMANDS = ("run", "doctor", "check", "score", "fit", "backtest", "adopt", "demo", "init")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "acme"
    make_demo(folder, accounts=60)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    assert "usage: healthlib " + command in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["rnu"], ["run", "--as-of", "31.10.2026"], ["run", "--as-of", "20261031x"], ["adopt"]])
def test_wrong_use_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "check", "score"])
def test_a_folder_without_a_workspace_is_exit_2_and_one_clear_message(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, str(tmp_path / "nothing"), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "workspace.yaml" in said
    assert "Traceback" not in said


def test_init_writes_two_files_that_load_and_says_what_it_found(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(tmp_path / "w"), "--exports", str(company)]) == 0
    said = capsys.readouterr().out
    assert "contracts: contracts.csv: joins" in said
    assert "healthlib check" in said
    assert load_workspace(tmp_path / "w").scorecard.metrics
    assert cli.main(["init", str(tmp_path / "w"), "--exports", str(company)]) == 2
    assert "--force overwrites" in capsys.readouterr().err


def test_check_shows_rejected_rows_with_file_and_line_and_what_the_data_can_carry(
    company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", str(company), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "usage.csv.gz:" in said
    assert "not an ISO date or timestamp" in said
    assert said.splitlines()[-1] == f"Look at the page, then: healthlib run {company}", "the first hour ends with the next step"
    for question in ("audit", "fit", "backtest", "forecast"):
        assert f"\n{question}: " in said
    folder = tmp_path / "acme" / "2026-10-31"
    summary = json.loads((folder / "summary.json").read_text())
    assert {"tables", "readiness", "warnings"} <= set(summary)
    assert not {"weights", "backtest", "bands"} & set(summary)
    assert (folder / "rejected" / "usage.csv").read_text().startswith("file,line,column,value,rule,account_id,")
    assert "Is the data good enough?" in (folder / "check.html").read_text()


def test_too_many_bad_rows_are_exit_1_with_the_rows_written(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "strict"
    folder.mkdir()
    for path in company.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    strict = (folder / "workspace.yaml").read_text().replace("max_rejected: 0.01", "max_rejected: 0.0")
    (folder / "workspace.yaml").write_text(strict)
    assert cli.main(["check", str(folder), "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert "healthlib: " in printed.err
    assert "then: healthlib run" not in printed.out
    assert (tmp_path / "out" / "strict" / "2026-10-31" / "rejected" / "usage.csv").is_file()
    assert "max_rejected" in (tmp_path / "out" / "strict" / "2026-10-31" / "check.html").read_text()
    assert cli.main(["run", str(folder), "--out", str(tmp_path / "out")]) == 1


@pytest.mark.parametrize("command", ["score", "check", "run"])
def test_a_day_after_the_data_is_exit_1(command: str, company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, str(company), "--as-of", "2027-01-31", "--out", str(tmp_path)]) == 1
    assert "2026-10-31" in capsys.readouterr().err
    assert not (tmp_path / "acme" / "2027-01-31").exists()


def test_fit_and_adopt_close_the_circle(company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "acme"
    folder.mkdir()
    for path in company.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert cli.main(["fit", str(folder), "--out", str(tmp_path / "out")]) == 0
    left = tmp_path / "out" / "acme" / "2026-10-31"
    assert sorted(p.name for p in left.iterdir()) == ["contest.csv", "scales.csv", "scales_weights.csv", "summary.json", "weights.csv"]
    assert {"weights", "leaks"} <= set(json.loads((left / "summary.json").read_text()))
    rows = (left / "weights.csv").read_text().splitlines()
    at = rows[0].split(",").index("recommended")
    first = rows[1].split(",")
    first[at] = "41"
    (left / "weights.csv").write_text("\n".join([rows[0], ",".join(first), *rows[2:]]) + "\n")
    before = (folder / "scorecard.yaml").read_text()
    assert cli.main(["adopt", str(left / "weights.csv"), str(folder), "--dry-run"]) == 0
    assert (folder / "scorecard.yaml").read_text() == before
    assert cli.main(["adopt", str(left / "weights.csv"), str(folder)]) == 0
    assert "41" in capsys.readouterr().out
    after = (folder / "scorecard.yaml").read_text()
    assert after != before
    assert [line.partition("#")[2] for line in after.splitlines()] == [line.partition("#")[2] for line in before.splitlines()]
    (left / "weights.csv").write_text((left / "weights.csv").read_text().replace(",41\n", ",42\n"))
    assert cli.main(["adopt", str(left / "weights.csv"), str(folder)]) == 2
    assert "fitted with another scorecard" in capsys.readouterr().err
    assert (folder / "scorecard.yaml").read_text() == after
    assert cli.main(["adopt", str(left / "weights.csv"), str(folder), "--force", "--who", "Ana", "--why", "a trial"]) == 0
    assert (folder / "scorecard_changes.csv").read_text().splitlines()[-1].split(",")[1:3] == ["Ana", "a trial"]


def test_progress_in_a_log_is_plain_timestamped_lines(company: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "healthlib.cli", "check", str(company), "--out", str(tmp_path)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stderr.splitlines()
    assert [line.split(" ", 1)[1] for line in said] == ["1/3 check the tables", "2/3 ask what they can carry", "3/3 write the page"]
    assert all(line.startswith("20") and "\x1b" not in line for line in said)
