"""The graph of a run: everything once, nothing before what it needs, no more at a time than a lane holds, and a fault stops the rest."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from healthlib import runner, steps, store, studies, workers
from healthlib.errors import EvidenceError, Fault, HealthlibError, SpecError
from healthlib.studies import Study

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")


class Site:
    """Steps that note when they began and ended, and how many of a lane were at work at once."""

    def __init__(self, needs: dict[str, str], lane: Callable[[str], str] = lambda name: "l"):
        self.log: list[tuple[str, str]] = []
        self.busy: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(8)
        self.steps = {
            name: steps.Step(self.beginner(name, lane(name)), frozenset(before.split()), lane(name), self.settler(name))
            for name, before in needs.items()
        }

    def beginner(self, name: str, lane: str) -> Callable[[], Future[str]]:
        def work() -> str:
            time.sleep(0.01)
            with self.lock:
                self.busy[lane] -= 1
            if name.startswith("bad"):
                raise EvidenceError(name)
            return name

        def begin() -> Future[str]:
            with self.lock:
                self.log.append(("begin", name))
                self.busy[lane] = self.busy.get(lane, 0) + 1
                self.most[lane] = max(self.most.get(lane, 0), self.busy[lane])
            return self.pool.submit(work)

        return begin

    def settler(self, name: str) -> Callable[[str], None]:
        return lambda result: self.log.append(("settled", result))


NEEDS = {"a": "", "b": "a", "c": "a", "d": "b c", "e": "", "f": "e", "g": "", "h": "d f", "i": "g", "j": "", "k": "h i j"}


@pytest.mark.parametrize("room", [1, 2, 5])
def test_each_step_once_after_what_it_needs_and_no_more_than_the_lane_holds(room: int) -> None:
    site = Site(NEEDS)
    heard: list[str] = []
    steps.follow(site.steps, {"l": room}, heard.append)
    assert sorted(heard) == sorted(NEEDS)
    assert [name for what, name in site.log if what == "begin"] == heard
    for name, before in NEEDS.items():
        began = site.log.index(("begin", name))
        assert all(site.log.index(("settled", need)) < began for need in before.split()), name
    assert site.most["l"] <= room
    if room == 1:
        assert heard[0] == "a", "a has most waiting for it: b, c, d, h and k"
        assert heard[-1] == "k"


def test_a_full_lane_does_not_keep_another_from_working() -> None:
    site = Site({"s1": "", "s2": "", "s3": "", "n1": "", "n2": "s3"}, lane=lambda name: name[0])
    steps.follow(site.steps, {"s": 1, "n": 1})
    begun = [name for what, name in site.log if what == "begin"]
    assert set(begun[:2]) == {"s3", "n1"}
    assert site.most == {"s": 1, "n": 1}


def test_a_fault_lets_no_other_step_begin_and_waits_for_those_under_way() -> None:
    site = Site({"bad": "", "slow": "", "later": "bad", "never": "slow"})
    with pytest.raises(EvidenceError, match="bad"):
        steps.follow(site.steps, {"l": 2})
    assert {name for what, name in site.log if what == "begin"} <= {"bad", "slow", "never"}
    assert site.busy["l"] == 0


def test_a_circle_and_a_stranger_are_said_before_anything_begins() -> None:
    circle, stranger = Site({"a": "b", "b": "a"}), Site({"a": "nobody"})
    with pytest.raises(HealthlibError, match=r"wait for each other: .*a"):
        steps.follow(circle.steps, {"l": 1})
    with pytest.raises(HealthlibError, match="no step is called nobody"):
        steps.follow(stranger.steps, {"l": 1})
    assert circle.log == stranger.log == []


def test_a_notebook_waits_for_the_studies_it_loads(tmp_path: Path) -> None:
    home = Path(__file__).parents[1] / "notebooks"
    assert runner.loaded(home / "04_executive_report.ipynb", studies.STUDIES) >= {"executive"}
    assert runner.loaded(home / "01_audit.ipynb", studies.STUDIES) == {"audit", "ending", "accounts", "retained"}
    (tmp_path / "own.ipynb").write_text("{}", encoding="utf-8")
    assert runner.loaded(tmp_path / "own.ipynb", ("audit", "fit")) == {"audit", "fit"}, "who hides what he needs waits for all"


def small(monkeypatch: pytest.MonkeyPatch, compute: Callable[..., object]) -> None:
    monkeypatch.setattr(studies, "REGISTRY", {"one": Study("x", "audit"), "two": Study("x", "audit", ("one",))})
    monkeypatch.setattr(studies, "compute", compute)


@LINUX
@pytest.mark.parametrize("count", [1, 2])
def test_facts_are_the_same_from_one_process_and_from_two(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(name: str, book: int, done: dict[str, dict]) -> dict:
        return {"frame": pd.DataFrame({"v": [book]}), "of": tuple(done), "process": os.getpid() == here}

    here = os.getpid()
    small(monkeypatch, compute)
    with workers.hired(41, tmp_path, count) as crew:
        assert workers.submit(crew, "one").result() >= 0
        assert workers.submit(crew, "two").result() >= 0
    kept = workers.Stored(tmp_path, ("one", "two"))
    assert kept["two"]["of"] == ("one",)
    assert kept["one"]["frame"]["v"].tolist() == [41]
    assert kept["one"]["process"] is (count == 1)
    assert (list(kept), len(kept), "three" in kept) == (["one", "two"], 2, False)
    assert store.load(tmp_path / "one")["of"] == ()


@LINUX
def test_an_error_of_a_worker_is_the_error_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Fault("scorecard.yaml", 3, "metrics.nps", "x", "a number")

    def compute(name: str, book: int, done: dict) -> dict:
        raise SpecError("the scorecard cannot be used", [fault])

    small(monkeypatch, compute)
    with (
        workers.hired(0, tmp_path, 2) as crew,
        pytest.raises(SpecError, match=r"scorecard.yaml:3: metrics.nps: found x; a number") as caught,
    ):
        workers.submit(crew, "one").result()
    assert caught.value.faults == (fault,)


@LINUX
def test_a_worker_that_is_killed_is_said_in_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, lambda name, book, done: os.kill(os.getpid(), signal.SIGKILL))
    with (
        workers.hired(0, tmp_path, 2) as crew,
        pytest.raises(EvidenceError, match="killed, most likely because memory ran out"),
        workers.outlived(),
    ):
        workers.submit(crew, "one").result()


ORPHANS = """
import os, sys, time
from pathlib import Path
from healthlib import studies, workers
studies.compute = lambda name, book, done: (Path(sys.argv[1], "pid").write_text(str(os.getpid())), time.sleep(600))
with workers.hired(0, Path(sys.argv[1]), 2) as crew:
    workers.submit(crew, "audit").result()
"""


@LINUX
def test_workers_die_with_the_run(tmp_path: Path) -> None:
    run = subprocess.Popen([sys.executable, "-c", ORPHANS, str(tmp_path)], cwd=Path(__file__).parents[1])
    try:
        told = tmp_path / "pid"
        until = time.monotonic() + 60
        while not (told.is_file() and told.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        worker = int(told.read_text())
    finally:
        run.kill()
        run.wait()
    until = time.monotonic() + 20
    while alive(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(worker)


INTERRUPTED = """
import os, sys, time
from concurrent.futures import Future
from pathlib import Path
from healthlib import steps, studies, workers
studies.compute = lambda name, book, done: (Path(sys.argv[1], "pid").write_text(str(os.getpid())), time.sleep(600))
with workers.hired(0, Path(sys.argv[1]), 2) as crew:
    steps.follow({"a": steps.Step(lambda: workers.submit(crew, "audit"))}, {"": 1})
"""


@LINUX
def test_an_interrupt_waits_for_no_study(tmp_path: Path) -> None:
    run = subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(tmp_path)], cwd=Path(__file__).parents[1], stderr=subprocess.PIPE)
    told = tmp_path / "pid"
    until = time.monotonic() + 60
    while not (told.is_file() and told.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    worker = int(told.read_text())
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert b"KeyboardInterrupt" in said
    assert run.returncode != 0
    assert not alive(worker)


def alive(process: int) -> bool:
    """Whether it still runs; one that only waits to be counted does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Handle:
    """Something in a circle, as a database's connection in a traceback is: only the garbage collector lets it go."""

    def __init__(self, told: Path):
        self.me, self.told = self, told

    def __del__(self) -> None:
        with self.told.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")


@LINUX
def test_a_worker_lets_nothing_go_that_it_inherited(tmp_path: Path) -> None:
    """A database's handle that is let go in a copy of its process, without its threads, brings the copy down."""
    gc.disable()
    try:
        Handle(tmp_path / "told")
        with workers.hired(None, tmp_path / "facts", 2) as crew:
            crew.submit(gc.collect).result()
    finally:
        gc.enable()
    assert (tmp_path / "told").read_text(encoding="utf-8").split() == [str(os.getpid())]
