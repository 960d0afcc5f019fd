"""status.json says truly how a run stands, is always whole, holds no secret; what listens to a run hears it."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from healthlib import cli, progress, publish, runner, status
from healthlib.errors import EvidenceError, HealthlibError
from healthlib.progress import Bar, Lines, Log, heard
from healthlib.status import KEYS, kept


class Terminal(io.StringIO):
    encoding = "utf-8"


class Hand:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def manifest(shelf: Path, day: str, seconds: dict[str, float]) -> None:
    (shelf / day).mkdir(parents=True)
    (shelf / day / "manifest.json").write_text(json.dumps({"seconds": {**seconds, "total": sum(seconds.values())}}))


def held(shelf: Path) -> dict:
    found = json.loads((shelf / "status.json").read_text())
    assert tuple(found) == KEYS
    return found


def test_while_it_runs_and_at_its_end(tmp_path: Path) -> None:
    shelf = tmp_path / "acme"
    with kept(shelf, None, runner.silent) as watch:
        first = held(shelf)
        assert (first["state"], first["as_of"], first["finished"], first["exit_code"], first["folder"]) == (
            "running",
            None,
            None,
            None,
            None,
        )
        assert (first["pid"], first["host"]) == (os.getpid(), socket.gethostname())
        watch("open the workspace", 0, 3)
        watch.opens("2026-10-31", 539_528)
        watch.took("open the workspace", 2.0)
        watch("study fit", 1, 3)
        during = held(shelf)
        assert (during["step"], during["steps_done"], during["steps"], during["rows"]) == ("study fit", 1, 3, 539_528)
        assert during["as_of"] == "2026-10-31"
    last = held(shelf)
    assert (last["state"], last["exit_code"], last["folder"], last["message"]) == ("ok", 0, "2026-10-31", "")
    assert datetime.fromisoformat(last["started"]) <= datetime.fromisoformat(last["finished"]) <= datetime.now(UTC)
    assert last["finished"].endswith("+00:00")
    assert last["last_good"] == {"as_of": "2026-10-31", "finished": last["finished"], "seconds": last["seconds"], "folder": "2026-10-31"}
    assert [path.name for path in shelf.iterdir()] == ["status.json"]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (EvidenceError("two\n  lines"), 1, "two lines"),
        (HealthlibError("wrong"), 2, "wrong"),
        (OSError(28, "No space left on device"), 1, "OSError: [Errno 28] No space left on device"),
        (KeyboardInterrupt(), 1, "stopped by hand"),
    ],
)
def test_a_failed_run_says_why_in_one_line_and_keeps_the_last_good(tmp_path: Path, error: BaseException, code: int, says: str) -> None:
    with kept(tmp_path, None, runner.silent) as watch:
        watch.opens("2026-09-30", 1)
    good = held(tmp_path)["last_good"]
    with pytest.raises(type(error)), kept(tmp_path, "2026-10-31", runner.silent):
        raise error
    found = held(tmp_path)
    assert (found["state"], found["exit_code"], found["message"], found["folder"]) == ("failed", code, says, None)
    assert (found["as_of"], found["last_good"]) == ("2026-10-31", good)


def test_no_secret_in_status_or_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHLIB_DB_PASSWORD", "hunter2")
    monkeypatch.setenv("CRM_API_TOKEN", "tok-77")
    error = HealthlibError("postgresql://ann:letmein@db/crm refused hunter2 with tok-77")
    with pytest.raises(HealthlibError), heard(Log(tmp_path / "log")) as tell, kept(tmp_path, None, tell):
        raise error
    for text in (held(tmp_path)["message"], (tmp_path / "log").read_text()):
        assert "postgresql://ann:***@db/crm refused *** with ***" in text
        assert not [word for word in ("letmein", "hunter2", "tok-77") if word in text]


def test_a_run_without_a_status_before_it_is_found_by_its_manifest(tmp_path: Path) -> None:
    assert status.last_good(tmp_path) is None
    manifest(tmp_path, "2026-09-30", {"study fit": 2.0})
    assert (status.last_good(tmp_path) or {})["as_of"] == "2026-09-30"
    assert status.last_seconds(tmp_path) == {"study fit": 2.0}
    (tmp_path / "status.json").write_text("{half")
    assert status.read(tmp_path) is None
    assert (status.last_good(tmp_path) or {})["as_of"] == "2026-09-30"


def test_a_full_disk_stops_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish, "write_whole", full)
    with kept(tmp_path, None, runner.silent) as watch:
        watch("study fit", 0, 1)
    assert list(tmp_path.iterdir()) == []


HOLD = """
import os, sys; from pathlib import Path; from healthlib import publish, runner, status
with publish.lock(Path(sys.argv[1])), status.kept(Path(sys.argv[1]), None, runner.silent) as watch:
    watch("study fit", 0, 3)
    os.kill(os.getpid(), 9)
"""


def test_a_killed_run_leaves_running_and_a_dead_process(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)]).returncode == -9
    found = held(tmp_path)
    assert (found["state"], found["step"]) == ("running", "study fit")
    assert status.alive(found["pid"], found["host"], found["started"]) is False
    assert status.alive(os.getpid(), socket.gethostname(), progress.now()) is True
    assert status.alive(os.getpid(), socket.gethostname(), "2020-01-01T00:00:00+00:00") is False  # the number was given anew
    assert status.alive(os.getpid(), "another host", progress.now()) is None


def test_a_run_turned_away_by_the_lock_leaves_the_status_of_the_one_at_work(tmp_path: Path) -> None:
    shelf = tmp_path / "acme"
    (tmp_path / "w" / "acme").mkdir(parents=True)
    with publish.lock(shelf), kept(shelf, None, runner.silent):
        before = (shelf / "status.json").read_bytes()
        with pytest.raises(publish.LockError):
            runner.run(tmp_path / "w" / "acme", None, tmp_path)
        assert (shelf / "status.json").read_bytes() == before


def test_a_broken_workspace_is_a_failed_run_and_a_misspelt_one_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "w" / "acme").mkdir(parents=True)
    assert cli.main(["run", str(tmp_path / "w" / "acme"), "--out", str(tmp_path / "out")]) == 2
    found = held(tmp_path / "out" / "acme")
    assert (found["state"], found["exit_code"]) == ("failed", 2)
    assert "workspace.yaml" in found["message"]
    assert cli.main(["run", str(tmp_path / "w" / "amce"), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out" / "amce").exists()
    assert "workspace.yaml" in capsys.readouterr().err


def test_the_bar_reckons_the_time_left_from_the_last_run() -> None:
    """Three steps of 10, 30 and 60 s in the last run; this one is half as fast."""
    out, clock = Terminal(), Hand()
    bar = Bar(out, lambda: 100, clock)
    bar.expects({"open": 10.0, "study": 30.0, "write": 60.0})
    bar("open", 0, 3)
    assert bar.line().startswith("[·")
    assert "left" not in bar.line()
    bar.opens("2026-10-31", 1_234)
    clock.at = 20
    bar.took("open", 20)
    bar("study", 1, 3)
    clock.at = 80
    bar.took("study", 60)
    assert bar.share() == pytest.approx(0.4)
    assert bar.line() == f"[{'█' * 10}{'·' * 14}] 2/3 study, 1,234 rows, about 2 min left"
    bar("write", 2, 3)
    clock.at = 200
    bar.took("write", 120)
    assert out.getvalue().endswith("\r\x1b[K[████████████████████████] 3/3 done, 1,234 rows, 3 min\n")
    assert out.getvalue().count("\n") == 1


def test_the_bar_without_a_last_run_goes_by_steps_and_never_wraps() -> None:
    out, clock = Terminal(), Hand()
    bar = Bar(out, lambda: 40, clock)
    for step in ("a", "notebook with a rather long name"):
        bar(step, 0, 4)
        clock.at += 10
        bar.took(step, 10)
    assert bar.left() == "about 20 s left"
    assert len(bar.line()) == 39
    assert max(len(part.removeprefix("\x1b[K")) for part in out.getvalue().split("\r")) <= 39
    out.encoding = "ascii"
    assert bar.line().isascii()
    bar.ends("it failed")
    assert out.getvalue().endswith("\n")


def test_a_log_has_a_line_for_everything_that_happens(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    lines = io.StringIO()
    with heard(Lines(lines), Log(path)) as tell, kept(tmp_path / "acme", None, tell) as watch:
        clock = runner.Clock(watch, total=1)
        with clock.step("study fit"):
            watch.opens("2026-10-31", 7)
    with pytest.raises(EvidenceError), heard(Log(path)):
        raise EvidenceError("no outcomes")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["event"] for row in rows] == ["run_begins", "step_begins", "step_ends", "run_ends", "run_begins", "run_fails"]
    assert {tuple(row) for row in rows} == {("time", "event", "step", "seconds", "rows", "error")}
    assert [row["step"] for row in rows[1:3]] == ["study fit"] * 2
    assert (rows[2]["seconds"] >= 0, rows[3]["rows"], rows[5]["error"]) == (True, 7, "no outcomes")
    assert lines.getvalue().split(" ", 1)[1] == "1/1 study fit\n"
    assert datetime.fromisoformat(rows[0]["time"]).utcoffset() == datetime.now(UTC).utcoffset()


def test_a_log_that_cannot_be_opened_is_said_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "acme").mkdir()
    assert cli.main(["run", str(tmp_path / "acme"), "--out", str(tmp_path / "out"), "--log", str(tmp_path / "no" / "log")]) == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_key_is_described() -> None:
    """The schema stands in the module, and README names the file."""
    text = Path(status.__file__).read_text()
    described = text[text.index('"""Keys of') : text.index("@dataclass")]
    assert [key for key in KEYS if key not in described] == []
    assert "`status.json`" in (Path(__file__).parents[1] / "README.md").read_text()
