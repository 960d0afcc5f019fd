"""The sentences on whether a segment deserves weights of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import largest, named
from healthlib.splits import LEAST
from healthlib.studies.verdict import FEWEST
from healthlib.wording import change, count, counted, listed, number, tested, upper_first

if TYPE_CHECKING:
    from healthlib.studies.segments import SegmentFacts


def opening(facts: SegmentFacts) -> str:
    """Which segments get weights of their own, or that one scorecard serves all."""
    if facts.table.empty:
        return "One scorecard serves all: there is no segment, plan or other attribute with finished cases to tell customers apart by."
    if not facts.tests:
        return (
            f"One scorecard serves all for now: no segment has {FEWEST} lost cases to test on after {LEAST} lost and {LEAST} kept ones to "
            "learn from."
        )
    own = facts.table[facts.table["verdict"] == "own"]
    if len(own):
        said = [f"{name(row)} ({gain(row)} AUC)" for _, row in own.sort_values("gain", ascending=False).iterrows()]
        deserve = "deserves weights of its own" if len(own) == 1 else "deserve weights of their own"
        return tested(facts.split, f"{named(said)} {deserve}: they beat the pooled ones out of time on the same accounts.")
    tried = facts.table[facts.table["verdict"] == "pooled"]
    if (tried["strength"] == float("inf")).all() and (tried[["low", "high"]] == 0).all(axis=None):
        never = "in no earlier test did a segment's own weights predict better than the pooled ones, so all stayed with those."
        return f"One scorecard serves all: {never}"
    best = largest(tried, "gain")
    by = listed(list(dict.fromkeys(tried["attribute"])))
    none = "the one segment" if len(tried) == 1 else f"none of the {count(len(tried))} segments"
    one = len(tried) == 1
    does = (
        f"{none} that {'has' if one else 'have'} enough lost cases (by {by}) is {'not ' if one else ''}surely predicted better out of time"
    )
    nearest = f"{'' if one else 'The nearest is '}{name(best)}: {gain(best)} AUC."
    return tested(facts.split, f"One scorecard serves all: {does} by weights of its own. {upper_first(nearest)}")


def name(row: pd.Series) -> str:
    """A segment with its attribute."""
    return f"{row['attribute']} {row['segment']}"


def gain(row: pd.Series) -> str:
    """The gain with the interval corrected for the number of segments."""
    return f"{change(row['gain'], 3)} ({change(row['corrected_low'], 3)} to {change(row['corrected_high'], 3)})"


def shrinkage(facts: SegmentFacts) -> str:
    """How far the pull held segments back; empty where none was tested."""
    tried = facts.table[facts.table["verdict"] != "too_few"]
    if tried.empty:
        return ""
    far = largest(tried, "moved_alone")
    return (
        f"Each segment's weights are pulled towards the pooled ones, as strongly as did best in earlier tests: {name(far)}, on "
        f"{counted(far['lost'], 'lost case')}, moves {number(far['moved'], 0)} of 100 points where its own outcomes alone would move "
        f"{number(far['moved_alone'], 0)}."
    )


def corrected(facts: SegmentFacts) -> str:
    """What the intervals allow for."""
    return (
        f"Intervals of the gain allow for {counted(facts.tests, 'segment')} tested at once (Bonferroni): among many, one beats the pooled "
        "weights by luck otherwise."
    )


def paste(facts: SegmentFacts) -> str:
    """What to do with segment weights; empty where none has any."""
    if not facts.profiles:
        return ""
    return (
        "To give the segment its own weights, paste this into scorecard.yaml under each metric; the first profile that holds wins, so "
        "where a metric has profiles already, put these first and repeat in them what the others change. The others keep theirs."
    )
