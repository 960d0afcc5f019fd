"""The processes that compute the studies of a run: copies of the one that opened the book, so that nothing is read or sent twice.

A study is a function of the book and of other studies' facts, so two of them can be computed at a time, and it does not matter which
process does: facts go through the store, whose bytes depend on nothing else.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from . import store, studies
from .errors import EvidenceError
from .machine import NO_MEMORY

MOST = 2
"""Studies computed at a time: more take memory, and the longest chain of studies is half of their time."""
SHARED = ("scipy.stats", "sklearn.ensemble", "statsmodels.api", "statsmodels.stats.multitest")
"""Packages that several studies import when they first need them, 2 s together."""
_PR_SET_PDEATHSIG = 1
_at: _Bench | None = None


class Stored(Mapping[str, Any]):
    """Study -> facts, read from the store when first asked for."""

    def __init__(self, folder: Path, names: tuple[str, ...]):
        self.folder = folder
        self.names = names
        self.read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise KeyError(name)
        if name not in self.read:
            self.read[name] = store.load(self.folder / name)
        return self.read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class _Bench:
    """What a worker has before it: the book, and the facts of the studies so far."""

    def __init__(self, book: Any, folder: Path):
        self.book = book
        self.facts = Stored(folder, tuple(studies.REGISTRY))


def prepare() -> None:
    """Import `SHARED`, so that no worker does: a runner does so in a thread while the database works."""
    for name in SHARED:
        import_module(name)


def how_many() -> int:
    """As many as there are processors for, at most `MOST`; one where processes cannot be copied safely (they can on Linux)."""
    return min(MOST, len(os.sched_getaffinity(0))) if sys.platform == "linux" else 1


@contextmanager
def hired(book: Any, folder: Path, count: int) -> Generator[Executor]:
    """Workers for the studies of one book: processes, or for a count of 1 this process itself.

    Parameters
    ----------
    book : an open Book; what it computes when first asked for should have been asked for, or every worker does it again
    folder : receives the facts of each study in a folder of its name
    count : how many studies at a time, from `how_many`
    """
    global _at
    _at = _Bench(book, folder)
    copies = multiprocessing.get_context("fork") if count > 1 else None
    crew: Executor = ProcessPoolExecutor(count, copies, _die_with, (os.getpid(),)) if copies else ThreadPoolExecutor(1)
    try:
        with crew:
            if copies:
                # What the copies inherit they never collect: a database's handle let go in a process that lacks its threads is a crash.
                gc.collect()
                gc.freeze()
                crew.submit(int).result()  # the copies are made now, while no other thread is at work
                gc.unfreeze()
            try:
                yield crew
            except KeyboardInterrupt:
                crew.shutdown(wait=False, cancel_futures=True)
                for worker in multiprocessing.active_children():
                    worker.kill()
                raise
    finally:
        _at = None


def submit(crew: Executor, name: str) -> Future[float]:
    """Have a study computed and stored; the future gives its seconds."""
    return crew.submit(_compute, name)


def make(crew: Executor, work: Callable[[Any, Mapping[str, Any], Path], None], names: tuple[str, ...], folder: Path) -> Future[float]:
    """Have a function of a module called with the book, the facts of the studies `names` and a folder; the future gives its seconds."""
    return crew.submit(_make, work, names, folder)


@contextmanager
def outlived() -> Generator[None]:
    """Say in plain words that a worker died.

    Raises
    ------
    EvidenceError
    """
    try:
        yield
    except BrokenProcessPool:
        raise EvidenceError(f"a process that computed studies was killed, most likely because {NO_MEMORY}") from None


def _compute(name: str) -> float:
    if _at is None:
        raise RuntimeError("a study was asked of a process that has no book")
    began = time.perf_counter()
    done = {need: _at.facts[need] for need in studies.REGISTRY[name].needs}
    facts = studies.compute(name, _at.book, done)
    store.save(facts, _at.facts.folder / name)
    return time.perf_counter() - began


def _make(work: Callable[[Any, Mapping[str, Any], Path], None], names: tuple[str, ...], folder: Path) -> float:
    if _at is None:
        raise RuntimeError("something was asked of a process that has no book")
    began = time.perf_counter()
    work(_at.book, Stored(_at.facts.folder, names), folder)
    return time.perf_counter() - began


def _die_with(parent: int) -> None:
    """A worker dies with the run, however that dies: it would hold the run's lock and its memory for ever. An interrupt is the run's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
