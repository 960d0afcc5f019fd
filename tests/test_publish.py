"""Whatever happens while a report is built, a reader finds the last good one whole; a second run hears who holds the lock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from healthlib import publish


def good(folder: Path, text: str = "good") -> Path:
    folder.mkdir(parents=True)
    (folder / "executive.html").write_text(text)
    return folder


def test_a_finished_folder_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    target = good(tmp_path / "2026-10-31")
    (target / "only in the old one").touch()
    with publish.built_aside(target) as aside:
        (aside / "executive.html").write_text("new")
        assert (target / "executive.html").read_text() == "good"
    assert [p.name for p in target.iterdir()] == ["executive.html"]
    assert (target / "executive.html").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["2026-10-31"]


def test_a_failed_build_leaves_the_last_good_folder(tmp_path: Path) -> None:
    target = good(tmp_path / "2026-10-31")
    with pytest.raises(FileNotFoundError), publish.built_aside(target) as aside:
        (aside / "nowhere" / "executive.html").write_text("half")
    assert (target / "executive.html").read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["2026-10-31"]


def test_without_an_exchanging_system_the_swap_still_ends_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_exchange", lambda new, target: False)
    target = good(tmp_path / "2026-10-31")
    publish.swap(good(tmp_path / ".new-2026-10-31", "new"), target)
    assert (target / "executive.html").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["2026-10-31"]


def test_what_a_dead_run_left_is_cleared_and_a_half_swap_put_back(tmp_path: Path) -> None:
    good(tmp_path / ".old-2026-10-31")
    good(tmp_path / ".new-2026-09-30", "half")
    with publish.lock(tmp_path):
        pass
    assert (tmp_path / "2026-10-31" / "executive.html").read_text() == "good"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "2026-10-31"]


SCRATCH = """
import os, sys; from pathlib import Path; from healthlib import publish
with publish.lock(Path(sys.argv[1])), publish.scratch(Path(sys.argv[1])) as folder:
    (folder / "facts").write_text("accounts and their ARR")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_run_had_in_hand_is_cleared_by_the_next(tmp_path: Path) -> None:
    """Its scratch holds the customers' data: in the system's temporary folder it would lie for ever."""
    assert subprocess.run([sys.executable, "-c", SCRATCH, str(tmp_path)]).returncode == -9
    assert len(list(tmp_path.glob(".new-*/facts"))) == 1
    with publish.lock(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


HOLD = """
import sys, time; from pathlib import Path; from healthlib import publish
with publish.lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)
"""


def test_the_second_run_hears_who_holds_the_lock_and_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(publish.LockError, match=f"process {holder.pid} on .* since 20"), publish.lock(tmp_path):
            pass
    finally:
        holder.kill()
        holder.wait()
    with publish.lock(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()


BUILD = """
import sys; from pathlib import Path; from healthlib import publish
target = Path(sys.argv[1]) / "2026-10-31"
print("go", flush=True)
n = 0
while True:
    n += 1
    with publish.lock(target.parent), publish.built_aside(target) as aside:
        (aside / "a").write_text(str(n))
        (aside / "b").write_text(str(n))
"""


def test_killed_at_any_moment_the_folder_is_whole(tmp_path: Path) -> None:
    good(tmp_path / "2026-10-31").joinpath("executive.html").unlink()
    for name in "ab":
        (tmp_path / "2026-10-31" / name).write_text("0")
    for pause in (0.0, 0.011, 0.023, 0.047):
        writer = subprocess.Popen([sys.executable, "-c", BUILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(pause)
        writer.kill()
        writer.wait()
        with publish.lock(tmp_path):
            one, two = ((tmp_path / "2026-10-31" / name).read_text() for name in "ab")
            assert one == two


HALF = """
import os, sys; from pathlib import Path; from healthlib import publish
Path.replace = lambda *given: os.kill(os.getpid(), 9)
publish.write_whole(Path(sys.argv[1]), "half")
"""


def test_what_was_killed_half_way_through_a_file_is_gone_with_the_next_that_writes_it(tmp_path: Path) -> None:
    """The list of runs and the status are written by every run, so nothing of a killed one outlives the next."""
    index = tmp_path / "index.html"
    index.write_text("good")
    assert subprocess.run([sys.executable, "-c", HALF, str(index)]).returncode == -9
    assert index.read_text() == "good"
    assert len(list(tmp_path.iterdir())) == 2
    publish.write_whole(index, "new")
    assert index.read_text() == "new"
    assert list(tmp_path.iterdir()) == [index]


MANY = """
import sys; from pathlib import Path; from healthlib import publish
for n in range(200):
    publish.write_whole(Path(sys.argv[1]), sys.argv[2] * 20_000)
"""


def test_two_that_write_one_file_take_turns_and_its_reader_sees_one_of_them_whole(tmp_path: Path) -> None:
    index = tmp_path / "index.html"
    publish.write_whole(index, "c" * 20_000)
    writers = [subprocess.Popen([sys.executable, "-c", MANY, str(index), letter]) for letter in "ab"]
    while any(writer.poll() is None for writer in writers):
        assert index.read_text() in {letter * 20_000 for letter in "abc"}
    assert [writer.returncode for writer in writers] == [0, 0]
    assert list(tmp_path.iterdir()) == [index]


def test_a_link_put_in_the_way_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / ".index.html.new").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        publish.write_whole(tmp_path / "index.html", "new")
    assert (tmp_path / "precious").read_text() == "mine"
