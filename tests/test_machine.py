"""No room, no right, no memory, a request to stop: one plain line, an exit code, the last report whole; no temporary folder stays."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path

import duckdb
import pytest

from healthlib import cli, machine, publish, runner


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "out/a.csv"), 1, "the disk is full (out/a.csv)"),
        (OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"), 1, "the disk is full"),
        (OSError(errno.EFBIG, "File too large"), 1, "larger than it may"),
        (OSError(errno.EROFS, "Read-only file system", "out"), 2, "may not read or write there (out)"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), 2, "may not read or write there (out)"),
        (FileExistsError(errno.EEXIST, "File exists", "out"), 2, "a file is in the way"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "memory ran out"),
        (MemoryError(), 1, "memory ran out"),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    error: Exception, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*given: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(runner, "run", refuse)
    assert cli.main(["run", "anywhere"]) == code
    said = capsys.readouterr().err
    assert says in said
    assert "The last good report is left as it was." in said
    assert said.count("\n") == 1


def test_a_fault_of_ours_is_not_taken_for_the_machines() -> None:
    assert machine.refused(OSError(errno.EBADF, "Bad file descriptor")) is None
    assert machine.refused(ValueError("No space left on device")) is None


@pytest.fixture
def small(tmp_path: Path) -> Generator[Path]:
    """A file system of one megabyte, where this user may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    if (
        not shutil.which("mount")
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True).returncode
    ):
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_leaves_the_last_folder_whole(small: Path) -> None:
    good = small / "2026-10-31"
    good.mkdir()
    (good / "executive.html").write_text("good")
    with pytest.raises(OSError, match="No space") as caught, publish.lock(small), publish.built_aside(good) as aside:
        (aside / "facts").write_bytes(b"x" * 2_000_000)
    assert "the disk is full" in str(machine.refused(caught.value))
    assert [path.name for path in good.iterdir()] == ["executive.html"]
    assert sorted(path.name for path in small.iterdir()) == [".lock", "2026-10-31"]
    with pytest.raises(OSError, match="No space"):
        publish.write_whole(good / "executive.html", "x" * 2_000_000)
    assert (good / "executive.html").read_text() == "good"


def test_a_folder_that_may_only_be_read_is_said_so(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    with pytest.raises(OSError, match="Read-only") as caught, publish.lock(small / "tiny"):
        pass
    assert "may not read or write there" in str(machine.refused(caught.value))


HELD = """
import sys, tempfile, os; tempfile.tempdir = sys.argv[1]
from healthlib import machine
with machine.passing("hl-") as folder:
    (folder / "copy.csv").write_text("accounts and their ARR")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_the_temporary_folder_of_a_killed_process_is_swept_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    holder = subprocess.Popen([sys.executable, "-c", HELD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    left = Path(holder.stdout.readline().strip())
    with machine.passing("hl-") as folder:
        assert (left / "copy.csv").is_file(), "a living holder keeps its folder"
        assert folder.is_dir()
    assert not folder.exists()
    holder.kill()
    holder.wait()
    assert left.is_dir()
    with machine.passing("hl-"):
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_request_to_stop_ends_a_command_as_an_interrupt_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def wait(*given: object, **more: object) -> None:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        time.sleep(30)

    monkeypatch.setattr(runner, "run", wait)
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["run", "anywhere"]) == 1
    assert "stopped; the last good report is left as it was" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.skipif(sys.platform != "linux", reason="children are listed on Linux only")
def test_who_is_stopped_waits_for_no_child() -> None:
    code = "import subprocess; from healthlib.machine import end_children; c = subprocess.Popen(['sleep', '60']); end_children()"
    assert subprocess.run([sys.executable, "-c", f"{code}; print(c.wait())"], capture_output=True, text=True, timeout=60).stdout == "-9\n"


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_closed_streams_are_held_so_that_no_file_takes_their_number(closed: tuple[int, ...], tmp_path: Path) -> None:
    """As a scheduler may start it: without this a kernel dies, or lines meant for the terminal go into the first file opened."""
    code = (
        "from healthlib import cli, machine\n"
        "machine.hold_streams()\n"
        "with open('table.csv', 'w') as file:\n"
        "    assert file.fileno() > 2, file.fileno()\n"
        "    print('for the terminal', flush=True)\n"
        "assert cli.main(['catalogue']) == 0\n"
    )
    words = ["bash", "-c", f'exec "$0" -c "$1" {" ".join(f"{number}>&-" for number in closed)}', sys.executable, code]
    assert subprocess.run(words, cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "table.csv").read_text() == ""


def test_ctrl_c_while_duckdb_reads_is_a_stop_and_no_traceback() -> None:
    """DuckDB makes a RuntimeError of it: found by asking DuckDB itself, so that another wording of theirs is noticed."""
    connection = duckdb.connect()
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises((RuntimeError, KeyboardInterrupt)) as caught:
        connection.execute("SELECT count(*) FROM range(20000000) a, range(10000) b WHERE a.range % 7 = b.range % 5").fetchall()
    timer.join()
    if not isinstance(caught.value, KeyboardInterrupt):
        said = machine.refused(caught.value)
        assert said is not None
        assert str(said) == "stopped; the last good report is left as it was"
        assert said.exit_code == 1
    assert machine.refused(RuntimeError("something else")) is None
