"""The steps of a run as a graph: each begins once what it needs is done, those that most wait for first, a few of a kind at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .errors import HealthlibError


@dataclass(frozen=True)
class Step:
    """One thing to be done.

    Attributes
    ----------
    begin : starts it elsewhere and gives its future at once
    needs : names of the steps that must be done before
    lane : the kind of worker it keeps busy
    settle : called here with the future's result, before anything that needs this step begins
    """

    begin: Callable[[], Future[Any]]
    needs: frozenset[str] = frozenset()
    lane: str = ""
    settle: Callable[[Any], None] = lambda result: None


def follow(steps: Mapping[str, Step], lanes: Mapping[str, int], hear: Callable[[str], None] = lambda name: None) -> None:
    """Do every step, as many at once as its lane holds.

    Of the steps that could begin, the one goes first for which most others wait, near or far; then the order of `steps` decides.

    Parameters
    ----------
    steps : name -> step
    lanes : lane -> how many of its steps may run at a time
    hear : called with each name when its step begins

    Raises
    ------
    HealthlibError
        Where a step needs one that is not there, or steps wait for each other.
    Exception
        Whatever a step raises, once those under way have come to their end; no other begins. An interrupt waits for nothing.
    """
    graph = TopologicalSorter({name: step.needs for name, step in steps.items()})
    strangers = {need for step in steps.values() for need in step.needs} - steps.keys()
    try:
        graph.prepare()
    except CycleError as error:
        raise HealthlibError(f"steps wait for each other: {' → '.join(error.args[1])}") from None
    if strangers:
        raise HealthlibError(f"no step is called {', '.join(sorted(strangers))}")
    order = {name: (-len(_waiting(name, steps)), place) for place, name in enumerate(steps)}
    ready: list[str] = []
    running: dict[Future[Any], str] = {}
    try:
        while graph.is_active():
            ready = sorted([*ready, *graph.get_ready()], key=order.__getitem__)
            for name in _first(ready, steps, lanes, running.values()):
                hear(name)
                ready.remove(name)
                running[steps[name].begin()] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                steps[name].settle(future.result())
                graph.done(name)
    except Exception:
        for future in running:
            future.cancel()
        wait(running)
        raise


def _waiting(name: str, steps: Mapping[str, Step]) -> set[str]:
    """The steps that cannot begin before this one is done."""
    direct = {other for other, step in steps.items() if name in step.needs}
    return direct.union(*(_waiting(other, steps) for other in direct))


def _first(ready: list[str], steps: Mapping[str, Step], lanes: Mapping[str, int], running: Any) -> list[str]:
    """Of the ready steps in their order those that their lanes have room for."""
    room = dict(lanes)
    for name in running:
        room[steps[name].lane] -= 1
    chosen = []
    for name in ready:
        if room[steps[name].lane] > 0:
            room[steps[name].lane] -= 1
            chosen.append(name)
    return chosen
