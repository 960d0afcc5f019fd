"""The doctor says no where a run would fail or the last one did, care where somebody should look, and what to do."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from healthlib import __version__, cli, doctor, doctor_machine, execution, publish, runner, status
from healthlib.doctor import Checkup, last_run, lock
from healthlib.doctor_machine import Check
from healthlib.errors import EvidenceError
from tests.test_status import HOLD

ROOT = Path(__file__).parents[1]
DEMO = str(ROOT / "data" / "demo")


def ended(shelf: Path, error: Exception | None = None) -> None:
    try:
        with status.kept(shelf, None, runner.silent) as watch:
            watch("study fit", 0, 3)
            watch.opens("2026-10-31", 5)
            if error:
                raise error
    except EvidenceError:
        pass


def test_a_healthy_place_is_exit_0_for_people_and_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", DEMO, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for name in ("python", "packages", "kernel", "memory", "disk", "lock", "workspace", "notebooks"):
        assert any(line.split(maxsplit=2)[1:2] == [name] for line in said.splitlines()), name
    assert "python3 starts and imports this healthlib" in said
    assert "care  last run              there was none\n" in said
    assert cli.main(["doctor", DEMO, "--out", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"version", "time", "workspace", "out", "verdict", "checks"}
    assert found["verdict"] == "care"
    assert {tuple(check) for check in found["checks"]} == {("name", "verdict", "found", "cure")}
    assert list(tmp_path.iterdir()) == []


def test_it_takes_little_and_says_version_environment_kernel_disk_and_the_last_run_with_its_age(tmp_path: Path) -> None:
    """Under 5 s of processor time, the kernel's with it."""
    ended(tmp_path / "demo")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "healthlib.cli", "doctor", DEMO, "--out", tmp_path], capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5
    assert done.stdout.startswith(f"healthlib {__version__} doctor")
    told = {line[6:].split("  ")[0]: line for line in done.stdout.splitlines()[1:]}
    assert sys.version.split()[0] in told["python"]
    assert all(f"{name} {metadata.version(name)}" in told["packages"] for name in ("pandas", "duckdb", "papermill"))
    assert re.search(r"[\d.]+ GB free at ", told["disk"])
    assert "last good: 2026-10-31, finished 0 min ago" in told["last run"]


def test_a_killed_run_is_exit_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run([sys.executable, "-c", HOLD, str(tmp_path / "demo")], check=False)
    monkeypatch.setattr(doctor_machine, "kernel", quick)
    assert cli.main(["doctor", DEMO, "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "died without a word (status.json says running): process " in said
    assert "at study fit is dead; no run ended well yet" in said
    assert "is dead, and the next run clears up after it" in said


def quick():
    from contextlib import nullcontext

    return nullcontext(lambda: Check("kernel", "ok", ""))


def test_the_last_run_by_its_state_and_age(tmp_path: Path) -> None:
    assert (last_run(tmp_path).verdict, last_run(tmp_path).found) == ("care", "there was none")
    ended(tmp_path)
    assert last_run(tmp_path).verdict == "ok"
    assert last_run(tmp_path).found.startswith("last good: 2026-10-31, finished 0 min ago in ")
    later = datetime.now(UTC) + timedelta(days=40)
    assert (last_run(tmp_path, later).verdict, "finished 40 days ago" in last_run(tmp_path, later).found) == ("care", True)
    ended(tmp_path, EvidenceError("too many rows are unusable"))
    found = last_run(tmp_path)
    assert found.verdict == "no"
    assert "failed 0 min ago at study fit, exit 1: too many rows are unusable; last good: 2026-10-31" in found.found
    with status.kept(tmp_path, None, runner.silent):
        assert last_run(tmp_path).verdict == "ok"
        assert last_run(tmp_path, datetime.now(UTC) + timedelta(hours=7)).verdict == "care"
        text = (tmp_path / "status.json").read_text()
        (tmp_path / "status.json").write_text(text.replace(json.dumps(socket.gethostname()), '"elsewhere"'))
        assert last_run(tmp_path).verdict == "care"
        assert "on elsewhere" in last_run(tmp_path).found


def test_a_lock_is_looked_at_and_never_taken(tmp_path: Path) -> None:
    assert lock(tmp_path).found == "free"
    with publish.lock(tmp_path):
        assert (lock(tmp_path).verdict, f"process {os.getpid()} on" in lock(tmp_path).found) == ("care", True)
    assert lock(tmp_path).found == "free"
    (tmp_path / ".lock").write_text("[]")
    assert lock(tmp_path).verdict in ("ok", "care")
    (tmp_path / ".lock").write_text('{"pid": "x"}')
    assert lock(tmp_path).verdict == "care"


def test_what_cannot_be_read_or_written_is_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.readable(tmp_path).verdict == "no"
    (tmp_path / "workspace.yaml").write_text("name: Acme\ncurency: EUR\n")
    (tmp_path / "scorecard.yaml").write_text("metrics: 3\n")
    broken = doctor.readable(tmp_path)
    assert (broken.verdict, "\n" in broken.found) == ("no", False)
    assert "workspace.yaml:2: curency" in broken.found
    assert "more" in broken.found

    def refused(**words: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", refused)
    assert (doctor.written(tmp_path).verdict, "Permission denied" in doctor.written(tmp_path).found) == ("no", True)
    for free, verdict in ((50e6, "no"), (500e6, "care"), (5e9, "ok")):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place, free=free: SimpleNamespace(free=free))
        assert doctor.disk(tmp_path).verdict == verdict


def test_packages_against_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_machine.packages().verdict == "ok", doctor_machine.packages().found
    (tmp_path / "lock").write_text("pandas==3.0.0\nnumpy==9.9.9 ; python_version < '3'\n")
    other = doctor_machine.packages(tmp_path / "lock")
    assert (other.verdict, "locked: 3.0.0" in other.found, "numpy" in other.found) == ("care", True, False)
    monkeypatch.setattr(doctor_machine, "_needed", lambda: ["pandas<1", "no-such-package>=2"])
    wrong = doctor_machine.packages()
    assert wrong.verdict == "no"
    assert "missing: no-such-package; pandas " in wrong.found
    assert "(needs <1)" in wrong.found


def test_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [doctor_machine.memory(free).verdict for free in (0.2e9, 1e9, 8e9)] == ["no", "care", "ok"]
    assert [doctor_machine.clock(seconds).verdict for seconds in (0.0, 1_793_000_000.0)] == ["care", "ok"]
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert (doctor_machine.threads().verdict, "OMP_NUM_THREADS=8" in doctor_machine.threads().found) == ("care", True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert doctor_machine.variables().verdict == "ok"
    (tmp_path / "duckdb").mkdir()
    (tmp_path / "duckdb" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "duckdb", raising=False)
    assert (doctor_machine.variables().verdict, "brings duckdb" in doctor_machine.variables().found) == ("care", True)
    monkeypatch.setenv("PYTHONHOME", "elsewhere")
    assert "PYTHONHOME" in doctor_machine.variables().found
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding="ANSI_X3.4-1968"))
    assert doctor_machine.language().verdict == "care"


def test_a_kernel_that_cannot_start_or_runs_other_code_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "_ASK", "print('elsewhere/healthlib', 'python', sep='\\n')")
    with doctor_machine.kernel() as answer:
        found = answer()
    assert (found.verdict, "imports another healthlib: elsewhere/healthlib" in found.found) == ("no", True)

    def broken() -> None:
        raise ImportError("no jupyter_client")

    monkeypatch.setattr(execution, "kernel_environment", broken)
    with doctor_machine.kernel() as answer:
        assert (answer().verdict, answer().found) == ("no", "ImportError: no jupyter_client")


def test_one_no_outweighs_all() -> None:
    def verdict(*words: str) -> str:
        return Checkup("w", "out", tuple(Check("x", word, "") for word in words)).verdict

    assert [verdict("ok", "ok"), verdict("ok", "care"), verdict("care", "no", "ok")] == ["ok", "care", "no"]
