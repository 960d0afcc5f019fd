"""The sentences of the list of runs: what changed from month to month in each workspace."""

from __future__ import annotations

import math
from collections.abc import Sequence

from healthlib.runs import Left
from healthlib.wording import change, counted, day, money, money_change, share

VERDICTS = {
    "adopt": "Other weights do better: adopt",
    "keep": "No reason to change the weights: keep",
    "insufficient_evidence": "Cannot tell yet which weights do better",
}
FAR = 62
"""Days between two runs above which a comparison is no longer one of months."""


def figure(run: Left | None, name: str) -> float:
    """A figure of a run; NaN where it is not known."""
    return math.nan if run is None else run.figures.get(name, math.nan)


def verdict(run: Left) -> str:
    """What the run recommends of the weights."""
    return VERDICTS.get(run.verdict, run.verdict.replace("_", " ")[:60])


def compared(runs: Sequence[Left]) -> str:
    """The newest run of a workspace against the one before.

    Parameters
    ----------
    runs : newest first
    """
    now, before = runs[0], runs[1] if len(runs) > 1 else None
    if math.isnan(figure(now, "accounts")) or math.isnan(figure(now, "arr")):
        return now.problem or "This run says neither accounts nor ARR."
    said = f"{counted(figure(now, 'accounts'), 'account')} with {money(figure(now, 'arr'), now.currency)} of ARR"
    worst = figure(now, "worst_share")
    said += f", {share(worst)} of it {now.worst_band}" if not math.isnan(worst) else ""
    if before is None:
        return f"{said}. The first run: there is no month to compare with."
    if math.isnan(figure(before, "arr")) or before.currency != now.currency:
        return f"{said}. The run of {day(before.as_of)} cannot be compared with."
    moves = [
        f"{change(figure(now, 'accounts') - figure(before, 'accounts'))} accounts",
        money_change(figure(now, "arr") - figure(before, "arr"), now.currency),
    ]
    shift = 100 * (worst - figure(before, "worst_share"))
    moves += (
        [f"{change(shift, 1)} points of ARR in {now.worst_band}"] if math.isfinite(shift) and before.worst_band == now.worst_band else []
    )
    other = " The scorecard was another then." if before.scorecard and now.scorecard != before.scorecard else ""
    return f"{said}; against {day(before.as_of)} {', '.join(moves)}.{other}"


def course(runs: Sequence[Left], name: str, words: str) -> str:
    """A figure from the first run to the last, for who cannot see the line."""
    known = [run for run in reversed(runs) if not math.isnan(figure(run, name))]
    if len(known) < 2:
        return ""
    first, last = known[0], known[-1]
    ends = (
        money(figure(run, name), run.currency)
        if name in ("arr", "loss")
        else share(figure(run, name))
        if name != "accounts"
        else f"{figure(run, name):,.0f}"
        for run in (first, last)
    )
    old, new = ends
    return f"{words}: {old} on {day(first.as_of)}, {new} on {day(last.as_of)}, {counted(len(known), 'run')}"
