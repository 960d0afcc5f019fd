"""The tables of the tour: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_presets, report, wording
from healthlib.catalogue import entries, words
from healthlib.claims import score_range
from healthlib.page_audit import interval, unbroken

if TYPE_CHECKING:
    from healthlib.pieces import Columns, Piece
    from healthlib.studies.presets import PresetFacts


def opening(facts: PresetFacts) -> Piece:
    """The first sentence."""
    return report.lead(claims_presets.opening(facts))


def catalogue() -> Piece:
    """Every ready metric, theme by theme, folded."""
    known = entries().values()
    themes = list(dict.fromkeys(chosen.theme for chosen in known))
    parts = [
        report.details(
            f"{theme.capitalize()} ({sum(chosen.theme == theme for chosen in known)})",
            _entries(pd.DataFrame([_entry(chosen.name) for chosen in known if chosen.theme == theme]), theme),
        )
        for theme in themes
    ]
    return report.show(report.claim(claims_presets.catalogue(len(known), len(themes))), *parts)


def _entry(name: str) -> dict[str, str]:
    chosen = entries()[name]
    settings = chosen.settings
    return {
        "name": name,
        "what": settings["label"],
        "formula": words.formula(settings).replace("`", ""),
        "scale": words.scale(settings),
        "why": " ".join(chosen.why.split()),
        "needs": words.needs(chosen),
    }


def _entries(frame: pd.DataFrame, theme: str) -> Piece:
    columns: Columns = {
        "what": ("Metric", "text"), "name": ("catalogue/", unbroken), "formula": ("Formula", "text"), "scale": ("Worst → best", "text"),
        "why": ("Why", "text"), "needs": ("Needs", "text"),
    }  # fmt: skip
    return report.table(frame, columns, caption=f"Ready metrics: {theme}", layout="cards")


def presets(facts: PresetFacts) -> Piece:
    """Every preset: what it is, what is left of it here, and how well it ranked."""
    table = facts.table
    frame = table.assign(
        left=[wording.share(weight) for weight in table["weight"]],
        measured=[f"{kept:.0f} of {kept + lost:.0f}" for kept, lost in zip(table["metrics"], table["dropped"], strict=True)],
        said=[score_range(claims_presets.estimate(row)) for _, row in table.iterrows()],
        by_arr=[score_range(claims_presets.estimate(row, "arr_auc")) for _, row in table.iterrows()],
        apart=[claims_presets.apart(row) for _, row in table.iterrows()],
    )
    columns: Columns = {
        "preset": ("Scorecard", unbroken), "label": ("What it is", "text"), "measured": ("Metrics measured", "text"),
        "left": ("Weight left", "text"), "coverage": ("Coverage", "share"), "said": ("AUC", interval), "by_arr": ("AUC by ARR", interval),
        "apart": ("AUC less yours", interval), "cases": ("Cases", "count"), "lost": ("Left", "count"),
    }  # fmt: skip
    return report.table(frame, columns, caption="Every preset on this workspace, out of time; 95% intervals", layout="cards")


def bands(facts: PresetFacts) -> Piece:
    """Today's accounts and ARR by band under every scorecard."""
    frame = facts.bands[facts.bands["accounts"] > 0]
    columns: Columns = {
        "preset": ("Scorecard", unbroken), "band": ("Band", unbroken), "accounts": ("Accounts", "count"), "share": ("Of accounts", "share"),
        "arr": (f"ARR, {facts.currency}", "count"), "arr_share": ("Of ARR", "share"),
    }  # fmt: skip
    return report.table(frame, columns, caption=f"Bands on {wording.day(facts.as_of)}", layout="fold")


def dropped(facts: PresetFacts) -> Piece:
    """What could not be measured, and why."""
    if facts.dropped.empty:
        return report.text("Nothing had to be left out.")
    columns: Columns = {"preset": ("Preset", unbroken), "metric": ("Metric", "text"), "reason": ("Why it is left out", "text")}
    return report.details("Metrics left out", report.table(facts.dropped, columns, caption="Metrics left out, with the reason"))
