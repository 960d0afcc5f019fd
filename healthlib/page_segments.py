"""The tables on segments' own weights: facts in, pieces of a page out."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from healthlib import claims_segments, report, wording
from healthlib.claims import signed_range
from healthlib.page_audit import interval
from healthlib.pieces import Columns, Piece
from healthlib.resample import Estimate

if TYPE_CHECKING:
    from healthlib.studies.segments import SegmentFacts

VERDICTS = {"own": "weights of its own", "pooled": "the pooled ones", "too_few": "too few lost to tell"}


def section(facts: SegmentFacts) -> Piece:
    """Every segment tested, what is too small to test, its weights, and the text to paste where one deserves its own."""
    if facts.table.empty:
        return Piece("")
    notes = [words for words in (claims_segments.shrinkage(facts), *facts.notes) if words]
    return report.show(_tested(facts), *(report.note(words) for words in notes), _profiles(facts), _small(facts), _weights(facts))


def _tested(facts: SegmentFacts) -> Piece:
    frame = facts.table[facts.table["verdict"] != "too_few"].copy()
    if frame.empty:
        return Piece("")
    for said, ends in {"gains": ("gain", "corrected_low", "corrected_high"), "arr": ("arr_gain", "arr_low", "arr_high")}.items():
        frame[said] = [signed_range(Estimate(*row)) for row in frame[list(ends)].to_numpy(dtype=float)]
    frame["name"] = frame["attribute"] + ": " + frame["segment"]
    frame["movement"] = [f"{one:.0f} of {alone:.0f}" for one, alone in zip(frame["moved"], frame["moved_alone"], strict=True)]
    frame["should"] = frame["verdict"].map(VERDICTS)
    columns: Columns = {
        "name": ("Segment", "text"), "accounts": ("Accounts", "count"), "lost": ("Lost", "count"), "tested_lost": ("Tested", "count"),
        "gains": ("Own − pooled, AUC", interval), "arr": ("By ARR", interval), "movement": ("Points moved", "text"),
        "should": ("Use", "text"),
    }  # fmt: skip
    caption = wording.tested(facts.split, f"Segments’ own weights out of time. {claims_segments.corrected(facts)} By ARR: 95%")
    return report.table(frame, columns, caption=caption, layout="cards fold")


def _small(facts: SegmentFacts) -> Piece:
    frame = facts.table[facts.table["verdict"] == "too_few"]
    if frame.empty:
        return Piece("")
    columns: Columns = {
        "attribute": ("By", "text"), "segment": ("Segment", "text"), "accounts": ("Accounts", "count"), "lost": ("Lost", "count"),
    }  # fmt: skip
    shown = report.table(frame, columns, caption="Segments that share the pooled weights for want of outcomes")
    return report.details(f"{wording.counted(len(frame), 'segment')} with too few lost to test", shown)


def _weights(facts: SegmentFacts) -> Piece:
    if facts.weights.empty:
        return Piece("")
    frame = facts.weights.assign(
        name=facts.weights["attribute"] + ": " + facts.weights["segment"],
        said=[f"{value:.0f} ({low:.0f}–{high:.0f})" for value, low, high in facts.weights[["own", "low", "high"]].to_numpy(dtype=float)],
    )
    frame = frame[frame[["pooled", "own"]].max(axis=1) >= 0.5]
    columns: Columns = {
        "name": ("Segment", "text"), "label": ("Metric", "text"), "pooled": ("Pooled", "points"), "said": ("Own", interval),
    }  # fmt: skip
    caption = "Weights of each segment, pulled towards the pooled ones, with the 95% interval of what its own outcomes allow"
    return report.details("Every segment’s weights", report.table(frame, columns, caption=caption, layout="fold"))


def _profiles(facts: SegmentFacts) -> Piece:
    if not facts.profiles:
        return Piece("")
    box = '<div class="scroll" role="region" tabindex="0" aria-label="Text for scorecard.yaml">'
    return report.text(claims_segments.paste(facts)) + Piece(f"{box}<pre>{html.escape(facts.profiles)}</pre></div>")
