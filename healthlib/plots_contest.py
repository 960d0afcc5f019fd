"""The figure of the contest: facts in, axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from healthlib import wording
from healthlib.claims import against
from healthlib.claims_contest import finite, gap, nothing, suspects
from healthlib.plots_audit import ACCENT, BAD, GOOD, GREY, INK, blank, canvas, dots, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.contest import ContestFacts

SHORT = {
    "current": "Weights in use", "equal": "Equal weights", "fitted": "Fitted weights", "learned": "Fitted, learned scales",
    "incumbent": "Present tool", "csm_rating": "CSM’s rating", "best_metric": "Best single metric", "logistic": "Logistic, no limits",
    "boosting": "Gradient boosting",
}  # fmt: skip


def contest(facts: ContestFacts) -> Axes:
    """AUC of every entrant with its interval, best on top, the figure beside its name; colour and sign say how it differs from the weights
    in use: ▲ surely better, ▼ surely worse, ● not told apart, ◆ the weights in use themselves."""
    if not finite(facts):
        return blank(f"No contest yet: {nothing(facts)}")
    table = facts.table[(facts.table["measure"] == "auc") & (facts.table["by"] == "accounts")].dropna(subset=["value"])
    table = table.sort_values("value", ascending=False, kind="stable")
    doubted = suspects(facts)
    sides = {name: _side(facts, name) for name in table["scheme"]}
    tints = {"above": GOOD, "below": BAD, "cannot tell": ACCENT, "itself": INK}
    colours = [GREY if name in doubted else tints[sides[name]] for name in table["scheme"]]
    signs = {"above": "▲", "below": "▼", "cannot tell": "●", "itself": "◆"}
    labels = [
        f"{SHORT[name]}{' (leaks?)' if name in doubted else ''} {value:.2f} {signs[sides[name]]}"
        for name, value in zip(table["scheme"], table["value"], strict=True)
    ]
    ax = canvas(1.6 + 0.42 * len(table))[0, 0]
    dots(ax, table, labels, colours=colours, reference=0.5)
    ax.set_xlabel(
        wording.tested(
            facts.split, "AUC out of time, 95% interval; 0.5 is a coin toss\nagainst the weights in use ◆: ▲ better, ▼ worse, ● cannot tell"
        )
    )
    titled(ax, _title(facts))
    return ax


def _side(facts: ContestFacts, scheme: str) -> str:
    """How an entrant stands against the weights in use."""
    found = gap(facts, scheme, "current")
    if scheme == "current":
        return "itself"
    return against(found.low, found.high, 0.0) if found is not None else "cannot tell"


def _title(facts: ContestFacts) -> str:
    """What the machine has over the weights in use and over the fitted ones."""
    found = {name: gap(facts, name, "boosting") for name in ("fitted", "current")}
    one = found["fitted"]
    if one is None or not np.isfinite(one.low):
        return "AUC of every entrant"
    side = against(one.low, one.high, 0.0)
    words = {"above": "does worse than", "below": "beats"}.get(side, "cannot be told from")
    return f"Gradient boosting {words} the fitted weights: {wording.change(-one.value, 3)} AUC"
