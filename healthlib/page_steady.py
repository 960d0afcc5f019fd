"""The tables on weights over time: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib import claims_steady, report
from healthlib.page_audit import interval
from healthlib.pieces import Columns, Piece

if TYPE_CHECKING:
    from healthlib.studies.steady import SteadyFacts


def section(facts: SteadyFacts) -> Piece:
    """Each metric before and after its clearest change, and the half-years; nothing where there is no time."""
    if facts.periods.empty:
        return Piece("")
    notes = [words for words in (claims_steady.basis(facts), *facts.notes) if words]
    return report.show(*(report.note(words) for words in notes), _changes(facts), _periods(facts))


def _changes(facts: SteadyFacts) -> Piece:
    if facts.changes.empty:
        return Piece("")
    frame = facts.changes.sort_values(["chance", "metric"], kind="stable")
    for side in ("before", "after"):
        ends = frame[[side, f"{side}_low", f"{side}_high"]].to_numpy(dtype=float)
        frame[f"{side}_said"] = [f"{value:.0f} ({low:.0f}–{high:.0f})" for value, low, high in ends]
    frame["verdict"] = frame["flagged"].map({True: "changed", False: "cannot tell from steady"})
    columns: Columns = {
        "label": ("Metric", "text"), "pooled": ("All years", "points"), "since": ("Clearest since", "text"),
        "before_said": ("Before", interval), "after_said": ("After", interval), "chance": ("Chance if steady", "share"),
        "verdict": ("Verdict", "text"),
    }  # fmt: skip
    caption = "Each weight before and after its clearest change, fitted alone without any pull, with 95% interval"
    return report.details("Every metric, before and after", report.table(frame, columns, caption=caption, layout="fold", n=facts.n_lost))


def _periods(facts: SteadyFacts) -> Piece:
    columns: Columns = {
        "period": ("Scored in", "text"), "cases": ("Finished cases", "count"), "accounts": ("Accounts", "count"), "lost": ("Lost", "count"),
    }  # fmt: skip
    return report.details("The half-years", report.table(facts.periods, columns, caption="Finished cases by half-year"))
