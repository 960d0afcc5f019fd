"""A report a month: which months are made, left and named as failed; and that each says only what was knowable then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from healthlib import backfill, cli, runner
from healthlib.backfill import Wanted, is_made, month_ends, origin
from healthlib.errors import HealthlibError
from healthlib.spec import load_workspace
from healthlib.studies.book import BeyondError
from healthlib.tables import load_tables
from tests.test_late import CONTRACTS, company


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The days a run was asked for; each leaves the two files by which a finished run is known. September fails, the data end on 30 Nov."""
    asked: list[str] = []

    def run(folder: Path, as_of: str, out: Path, **_: Any) -> runner.Run:
        asked.append(as_of)
        if as_of > "2026-11-20":
            raise BeyondError(f"as of {as_of} was asked for, but the data end on 2026-11-20", pd.Timestamp("2026-11-20"))
        if as_of == "2026-09-30":
            raise KeyError("segment")
        workspace = load_workspace(folder)
        left = out / folder.name / as_of
        left.mkdir(parents=True, exist_ok=True)
        (left / "executive.html").write_text("x")
        manifest = origin(workspace) | {"inputs": load_tables(workspace).report[["table", "sha256"]].to_dict("records")}
        (left / "manifest.json").write_text(json.dumps(manifest | {"parameters": {"books": None}}))
        return runner.Run(left, as_of, {})

    monkeypatch.setattr(runner, "run", run)
    company(tmp_path / "acme")
    return asked


def states(tmp_path: Path, first: str, last: str, force: bool = False) -> list[tuple[str, str]]:
    months = backfill.backfill(Wanted(tmp_path / "acme", tmp_path / "out", force), first, last)
    return [(month.as_of, month.state) for month in months]


def test_each_month_end_in_its_turn_and_a_failed_one_stops_no_other(tmp_path: Path, made: list[str]) -> None:
    assert states(tmp_path, "2026-08", "2026-10") == [("2026-08-31", "made"), ("2026-09-30", "failed"), ("2026-10-31", "made")]
    assert made == ["2026-08-31", "2026-09-30", "2026-10-31"]


def test_what_is_there_from_the_same_is_left(tmp_path: Path, made: list[str]) -> None:
    assert states(tmp_path, "2026-07", "2026-08") == [("2026-07-31", "made"), ("2026-08-31", "made")]
    assert states(tmp_path, "2026-07", "2026-08") == [("2026-07-31", "there"), ("2026-08-31", "there")]
    assert states(tmp_path, "2026-08", "2026-08", force=True) == [("2026-08-31", "made")]
    company(tmp_path / "acme", CONTRACTS.replace("1000,1", "1001,1"))
    assert states(tmp_path, "2026-08", "2026-08") == [("2026-08-31", "made")]
    (tmp_path / "out" / "acme" / "2026-08-31" / "executive.html").unlink()
    assert states(tmp_path, "2026-08", "2026-08") == [("2026-08-31", "made")]


@pytest.mark.parametrize("what", ["workspace_sha256", "scorecard_sha256", "catalogue_sha256", "code_sha256", "versions", "books", "inputs"])
def test_whatever_a_report_is_made_from_decides_whether_it_is_there(what: str, tmp_path: Path, made: list[str]) -> None:
    states(tmp_path, "2026-08", "2026-08")
    folder, now = tmp_path / "out" / "acme" / "2026-08-31", origin(load_workspace(tmp_path / "acme"))
    assert is_made(folder, now)
    assert not is_made(folder, now | {what: "other"})
    (folder / "manifest.json").write_text("{")
    assert not is_made(folder, now)


def test_the_month_in_which_the_data_end_is_made_for_their_last_day(tmp_path: Path, made: list[str]) -> None:
    assert states(tmp_path, "2026-10", "2026-12") == [("2026-10-31", "made"), ("2026-11-20", "made"), ("2026-12-31", "failed")]
    assert states(tmp_path, "2026-11", "2026-11") == [("2026-11-20", "there")]


def test_the_command_says_a_line_a_month_and_which_failed(tmp_path: Path, made: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command = ["backfill", str(tmp_path / "acme"), "--out", str(tmp_path / "out"), "--from", "2026-08", "--to"]
    assert cli.main([*command, "2026-10"]) == 1
    said, errors = capsys.readouterr()
    assert [line.split(" ")[0] for line in said.splitlines()] == ["2026-08-31:", "2026-09-30:", "2026-10-31:"]
    assert "failed: KeyError: 'segment'" in said
    assert errors.endswith("healthlib: 1 failed: 2026-09-30\n")
    assert cli.main([*command, "2026-08"]) == 0
    assert "already made from the same" in capsys.readouterr().out


@pytest.mark.parametrize(("first", "last"), [("2026-13", "2026-14"), ("2026", "2026-10"), ("2026-10-01", "2026-10")])
def test_what_is_no_month_is_refused(first: str, last: str) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["backfill", "--from", first, "--to", last])
    assert left.value.code == 2


def test_a_span_that_runs_backwards_is_refused(tmp_path: Path, made: list[str]) -> None:
    with pytest.raises(HealthlibError, match="--from 2026-10 lies after --to 2026-09"):
        states(tmp_path, "2026-10", "2026-09")
    assert month_ends("2024-02", "2024-02") == ["2024-02-29"]
    assert cli.main(["backfill", str(tmp_path / "acme"), "--from", "2026-10", "--to", "2026-09"]) == 2


def test_a_workspace_that_cannot_be_used_stops_before_any_month(tmp_path: Path, made: list[str]) -> None:
    (tmp_path / "acme" / "contracts.csv").unlink()
    with pytest.raises(HealthlibError, match="contracts"):
        states(tmp_path, "2026-08", "2026-10")
    assert made == []
