"""The tables on what the outcomes weigh and what it would take to know more: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from healthlib import claims_evidence, report, wording
from healthlib.claims import signed_range
from healthlib.page_audit import interval
from healthlib.pieces import Columns, Piece
from healthlib.resample import Estimate
from healthlib.studies.verdict import rounded

if TYPE_CHECKING:
    from healthlib.studies.evidence import EvidenceFacts


def settle(facts: EvidenceFacts) -> Piece:
    """Each comparison with the lost cases that would settle it, by accounts and ARR; then the weights still open, folded away."""
    frame = facts.settle.assign(name=[" − ".join(word.split()[-1] if at else word.split()[0] for at, word in enumerate(
        (name.split("_minus_")[0], name.split("_minus_")[1]))) for name in facts.settle["name"]])  # fmt: skip
    frame["said"] = [signed_range(Estimate(*ends)) for ends in facts.settle[["gain", "low", "high"]].to_numpy(dtype=float)]
    frame["arr_said"] = [signed_range(Estimate(*ends)) for ends in facts.settle[["arr_gain", "arr_low", "arr_high"]].to_numpy(dtype=float)]
    frame["needs"] = [_needs(*pair) for pair in facts.settle[["even", "likely"]].to_numpy(dtype=float)]
    frame["arr_needs"] = [_needs(*pair) for pair in facts.settle[["arr_even", "arr_likely"]].to_numpy(dtype=float)]
    columns: Columns = {
        "name": ("Difference in AUC", "text"), "said": ("By accounts", interval), "lost": ("Lost cases", "count"),
        "needs": ("More needed", interval), "arr_said": ("By ARR", interval), "arr_needs": ("More needed, by ARR", interval),
    }  # fmt: skip
    return report.show(
        report.table(
            frame,
            columns,
            caption="Lost cases until a gain is sure or ruled out: with an even chance, and in four of five cases",
            layout="cards",
        ),
        report.note(claims_evidence.pace(facts)),
        _warning(facts),
        _open(facts),
    )


def _warning(facts: EvidenceFacts) -> Piece:
    said = claims_evidence.missing(facts)
    return report.note(said, "warning") if said else Piece("")


def _needs(even: float, likely: float) -> str:
    """More lost cases with an even chance and in four of five cases, for a cell.

    >>> _needs(0.0, 0.0), _needs(61.0, 204.0), _needs(61.0, float("inf")), _needs(float("inf"), float("inf"))
    ('settled', '61 to 210', 'from 61 on', 'cannot be told')
    """
    if np.isnan(even):
        return wording.NOTHING
    if even == 0:
        return "settled"
    if np.isinf(even):
        return "cannot be told"
    first = wording.count(rounded(even))
    return f"from {first} on" if np.isinf(likely) else f"{first} to {wording.count(rounded(likely))}"


def _open(facts: EvidenceFacts) -> Piece:
    if facts.open.empty:
        return Piece("")
    frame = facts.open.assign(
        said=[f"{value:.0f} ({low:.0f}–{high:.0f})" for value, low, high in facts.open[["fitted", "low", "high"]].to_numpy(dtype=float)],
        needs=[_needs(*pair) for pair in facts.open[["even", "likely"]].to_numpy(dtype=float)],
    )
    columns: Columns = {
        "label": ("Metric", "text"), "current": ("In use", "points"), "said": ("Fitted", interval), "needs": ("More lost cases", interval),
    }  # fmt: skip
    caption = "Weights in use that the outcomes still allow, and lost cases until they would not: even chance, four of five"
    return report.details("Which weights are still open?", report.table(frame, columns, caption=caption))


def outcomes(facts: EvidenceFacts) -> Piece:
    """What was counted and what it amounts to."""
    columns: Columns = {"what": ("Counted", "text"), "all": ("All", "count"), "lost": ("Lost", "count")}
    return report.table(facts.outcomes, columns, caption="What the fit rests on")


def shared(facts: EvidenceFacts) -> Piece:
    """The metrics that share a weight, with their joint weight; nothing where there are none."""
    if facts.shared.empty:
        return Piece("")
    frame = facts.shared.assign(
        names=[wording.listed(list(names)) for names in facts.shared["metrics"]],
        said=[f"{value:.0f} ({low:.0f}–{high:.0f})" for value, low, high in facts.shared[["fitted", "low", "high"]].to_numpy(dtype=float)],
    )
    columns: Columns = {
        "names": ("Metrics", "text"), "current": ("In use, together", "points"), "said": ("Fitted, together", interval),
        "alike": ("Correlation", "number"),
    }  # fmt: skip
    return report.table(frame, columns, caption="Metrics that share a weight: points of 100 with 95% interval of the sum")
