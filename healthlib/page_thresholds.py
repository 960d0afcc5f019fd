"""The section on choosing thresholds: facts in, pieces of a page out."""

from __future__ import annotations

import html
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import yaml

from healthlib import claims_thresholds as say
from healthlib import plots_thresholds, report, wording
from healthlib.page_audit import interval
from healthlib.pieces import Columns, Piece

if TYPE_CHECKING:
    from healthlib.studies.choosing import ChoosingFacts

BOX = '<div class="scroll" role="region" tabindex="0" aria-label="Text for proposal.yaml">'
SCHEMES = {"current": "the weights in use", "fitted": "the fitted weights"}


def section(facts: ChoosingFacts) -> Piece:
    """All of it: the trade-off and its picture, every way in a table, the decision curve, and what it rests on."""
    if not say.chosen(facts):
        return report.claim(say.now(facts))
    folded = [report.details(f"The same under {SCHEMES[scheme]}", choices(facts, scheme)) for scheme in facts.schemes[1:]]
    return report.show(
        report.claim(say.now(facts)),
        report.figure(plots_thresholds.tradeoff(facts), alt=say.now(facts)),
        report.bullets(say.ways(facts)),
        choices(facts, "current"),
        report.text(say.tradeoff(facts)),
        *([report.note(say.assumed(facts))] if say.assumed(facts) else []),
        *folded,
        report.details("Had each way chosen on the past alone", report.text(say.walked(facts)), walked(facts)),
        report.details("To adopt one of them", *adopting(facts)),
        report.claim(say.decision(facts)),
        report.figure(plots_thresholds.decision(facts), alt=say.decision(facts)),
        report.details("What these figures rest on", report.bullets(say.basis(facts))),
    )


def choices(facts: ChoosingFacts, scheme: str) -> Piece:
    """A row a way: where it cuts, what it asks, catches, costs and brings."""
    frame = facts.choices[facts.choices["scheme"] == scheme].reset_index(drop=True)
    shown = pd.DataFrame({
        "way": [wording.upper_first(say.NAMES[way]) for way in frame["way"]],
        "lower": _cuts(frame, "lower"), "upper": _cuts(frame, "upper"),
        "work": [wording.count(a) + (f" ({wording.count(b)} in the past year)" if pd.notna(a) and facts.kind != "flat" else "")
                 for a, b in zip(frame["today"], frame["past_year"], strict=True)],
        "caught": _shares(frame, "caught", "caught"), "arr": _shares(frame, "arr_caught", "arr"),
        "wrong": _alarms(frame), "net": _money(frame, "net", facts.currency), "gain": _money(frame, "gain", facts.currency, signed=True),
    })  # fmt: skip
    if facts.kind != "flat":
        shown["month"] = [wording.money(net / 12, facts.currency) for net in frame["net"]]
    worst, *_, best = facts.bands
    columns: Columns = {
        "way": ("Chosen", "text"),
        "lower": (f"{wording.upper_first(worst)} below", interval),
        **({"upper": (f"{wording.upper_first(best)} from", interval)} if len(facts.bands) > 2 else {}),
        "work": ("In work today", interval),
        "caught": ("Of those that left", interval),
        "arr": ("Of churned ARR", interval),
        "wrong": ("Worked, yet stayed", interval),
        "net": (f"Net {'a pass' if facts.kind == 'flat' else 'a year'}", interval),
        **({"month": ("Net a month", "text")} if "month" in shown else {}),
        "gain": ("Against by hand", interval),
    }
    caption = wording.tested(facts.split, (
        f"Ways to choose, under {SCHEMES[scheme]}, out of time, n = {wording.counted(facts.cases, 'case')}, "
        f"{wording.count(facts.lost)} lost; 95% intervals; of cuts, where they lie over resamples"
    ))  # fmt: skip
    return report.table(shown, columns, caption=caption, layout="cards")


def walked(facts: ChoosingFacts) -> Piece:
    """What each way would have caught and brought, choosing on the past alone."""
    frame = facts.walked
    if frame.empty:
        return Piece("")
    shown = pd.DataFrame({
        "way": [wording.upper_first(say.NAMES[way]) for way in frame["way"]], "scheme": [SCHEMES[scheme] for scheme in frame["scheme"]],
        "cuts": [f"{least:.0f}–{most:.0f}" if round(least) != round(most) else f"{least:.0f}"
                 for least, most in zip(frame["least"], frame["most"], strict=True)],
        "caught": _shares(frame, "caught", "caught"), "arr": _shares(frame, "arr_caught", "arr"),
        "net": _money(frame, "net", facts.currency), "gain": _money(frame, "gain", facts.currency, signed=True),
    })  # fmt: skip
    columns: Columns = {
        "way": ("Chosen", "text"),
        "scheme": ("Score of", "text"),
        "cuts": ("Cuts chosen", "text"),
        "caught": ("Of those that left", interval),
        "arr": ("Of churned ARR", interval),
        "net": (f"Net {'a pass' if facts.kind == 'flat' else 'a year'}", interval),
        "gain": ("Against by hand", interval),
    }
    cases, lost = wording.counted(frame["cases"].iloc[0], "case"), wording.count(frame["lost"].iloc[0])
    return report.table(
        shown, columns, caption=f"Each way on cases it had not seen: {cases}, {lost} lost; 95% intervals", layout="cards fold"
    )


def adopting(facts: ChoosingFacts) -> list[Piece]:
    """The bands of every way as text for a proposal.yaml, and where to try others."""
    found = [(way, starts(facts, way)) for way in say.NAMES if way != "hand"]
    pieces = [
        report.text(f"{wording.upper_first(say.NAMES[way])}:") + Piece(f"{BOX}<pre>{html.escape(bands_text(bands))}</pre></div>")
        for way, bands in found
        if bands
    ]
    how = (
        "Nothing is applied. Put one of these in the place of the `bands:` of a proposal.yaml (the lab saves one) and run `healthlib "
        "adopt`, or write the figures into scorecard.yaml yourself. The sliders of the lab (notebook 02) move thresholds and show at once "
        "who changes band."
    )
    return [report.text(how), *pieces]


def starts(facts: ChoosingFacts, way: str) -> dict[str, float]:
    """Where every band would begin under the weights in use; those between keep their place between the cuts. Empty where it cannot be:
    no answer, nobody or everybody in the worst band, or no room between the cuts."""
    found = say.row(facts, way)
    names, now = list(facts.bands), np.array(list(facts.bands.values()))
    if found is None or wording.unknown(found["upper"]):
        return {}
    low, high = float(found["lower"]), float(found["upper"])
    if len(names) == 2:
        moved = [now[0], low]
    else:
        inner = np.round(low + (now[2:-1] - now[1]) / (now[-1] - now[1]) * (high - low))
        moved = [now[0], low, *inner, high]
    rising = all(a < b for a, b in pairwise(moved)) and moved[-1] <= 100
    return dict(zip(names, (float(start) for start in moved), strict=True)) if rising else {}


def bands_text(bands: dict[str, float]) -> str:
    """The `bands:` of a proposal.

    >>> print(bands_text({"red": 0.0, "green": 60.0}), end="")
    bands:
      red: 0
      green: 60
    """
    whole = {name: int(start) if float(start).is_integer() else start for name, start in bands.items()}
    return yaml.safe_dump({"bands": whole}, sort_keys=False, allow_unicode=True, indent=2)


def _cuts(frame: pd.DataFrame, name: str) -> list[str]:
    """`53 (49–57)`."""
    said = []
    for value, low, high in frame[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float):
        moves = f" ({say.cut(np.round(low))}–{say.cut(np.round(high))})" if np.isfinite(low) and low != high else ""
        said.append(wording.NOTHING if np.isnan(value) else f"{say.cut(value)}{moves}")
    return said


def _shares(frame: pd.DataFrame, name: str, prefix: str) -> list[str]:
    return [wording.share_range(*row) for row in frame[[name, f"{prefix}_low", f"{prefix}_high"]].to_numpy(dtype=float)]


def _alarms(frame: pd.DataFrame) -> list[str]:
    """`84 (76% (71–80%))`: how many, and what share of the worked."""
    said = []
    for alarms, *three in frame[["alarms", "wrong", "wrong_low", "wrong_high"]].to_numpy(dtype=float):
        part = "" if np.isnan(three[0]) else f" ({wording.share_range(*three)})"
        said.append(f"{wording.count(alarms)}{part}")
    return said


def _money(frame: pd.DataFrame, name: str, currency: str, *, signed: bool = False) -> list[str]:
    """`$144k ($47k to $300k)`."""
    write = wording.money_change if signed else wording.money
    said = []
    for value, low, high in frame[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float):
        ends = f" ({write(low, currency)} to {write(high, currency)})" if np.isfinite(low) and low != high else ""
        said.append(wording.NOTHING if np.isnan(value) else f"{write(value, currency)}{ends}")
    return said
