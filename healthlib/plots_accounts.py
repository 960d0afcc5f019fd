"""The picture of one account as a small drawing of its own: score by month in the colours of its band, terms, tickets, contacts, playbooks.

Written as SVG text, because sixty of them are on one page: measured on the demo company, matplotlib takes 0.25 s and 25 kB a picture (after
thinning), this 2 ms and 1.5 kB; and a drawing inside the page follows its colours in light and dark. Every figure in it is a number that
this module formats; every text is escaped.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pandas as pd

from healthlib import palette, wording
from healthlib.pieces import Piece

if TYPE_CHECKING:
    from healthlib.studies.accounts import AccountFacts, Record

WIDTH, LEFT, RIGHT = 360, 46, 342
"""Units of the drawing: a phone's width, so that its letters are read there; and where the months begin and end."""
TALL = 44
"""Units of a score of 100."""
SMALL_ROW = 9
"""Units of the tallest bar of tickets or contacts."""


class _Months:
    """Days to places along the drawing: one slot a month, of whole units, because whole numbers are short."""

    def __init__(self, first: pd.Timestamp, last: pd.Timestamp):
        self.first = first.year * 12 + first.month
        self.slots = max(last.year * 12 + last.month - self.first + 1, 12)
        self.step = (RIGHT - LEFT) // self.slots
        self.right = LEFT + self.step * self.slots

    def slot(self, day: pd.Timestamp) -> int:
        """The slot of the month of a day."""
        return day.year * 12 + day.month - self.first

    def at(self, day: pd.Timestamp) -> int:
        """The place of a day, inside the drawing."""
        place = LEFT + self.step * (self.slot(day) + (day.day - 1) / day.days_in_month)
        return round(min(max(place, LEFT), self.right))


def lifeline(facts: AccountFacts, record: Record, alt: str) -> Piece:
    """The months of one account, row below row.

    Parameters
    ----------
    alt : the finding in words
    """
    if record.scores.empty:
        return Piece("")
    ended = record.named["ended_on"]
    last = max([record.scores["as_of"].max(), *([] if pd.isna(ended) else [ended])])
    months = _Months(record.scores["as_of"].min(), last)
    body, y = _score(facts, record, months)
    for row in (_marks, _terms, _tickets, _contacts, _plays):
        drawn, height = row(facts, record, months, y)
        body, y = body + drawn, y + height
    years = "".join(
        _text(months.at(pd.Timestamp(year, 1, 1)), y + 7, str(year)) for year in range(record.scores["as_of"].min().year + 1, last.year + 1)
    )
    box = f'viewBox="0 0 {WIDTH} {y + 10}"'
    return Piece(f'<svg class="life" {box} role="img" aria-label="{html.escape(alt, quote=True)}">{body}<g class="quiet">{years}</g></svg>')


def _x(months: _Months, slot: int) -> int:
    return LEFT + months.step * slot


def _text(x: int, y: int, words: str) -> str:
    return f'<text x="{x}" y="{y}">{html.escape(words)}</text>'


def steps(heights: dict[int, int], months: _Months, base: int) -> str:
    """The path of a stepped shape on a base line: slot -> height in whole units; a negative height goes down.

    >>> steps({0: 5, 1: 5, 2: 3, 4: 2}, _Months(pd.Timestamp(2026, 1, 1), pd.Timestamp(2026, 12, 1)), 10)
    'M46 10v-5h48v2h24v3zM142 10v-2h24v2z'
    """
    path, before, height, run = "", -2, 0, 0
    for slot in sorted(heights):
        if slot != before + 1:
            path += f"h{run}v{height}z" if run else ""
            path += f"M{_x(months, slot)} {base}v{-heights[slot]}"
            run = 0
        elif heights[slot] != height:
            path += f"h{run}v{height - heights[slot]}"
            run = 0
        before, height, run = slot, heights[slot], run + months.step
    return path + (f"h{run}v{height}z" if run else "")


def _score(facts: AccountFacts, record: Record, months: _Months) -> tuple[str, int]:
    """The score as steps; the sign of the band where it changes, the former score, the changes of the scorecard, the listed day."""
    base, bands = TALL + 14, facts.band_colours or dict.fromkeys(facts.bands, "")
    tones, own = palette.tones(bands), palette.own_colours(bands)
    rows = record.scores
    slots = [months.slot(at) for at in rows["as_of"]]
    tall = [0 if pd.isna(score) else max(round(score * TALL / 100), 1) for score in rows["score"]]
    named, out = rows["band"].tolist(), _text(0, base - 18, "Score")
    for band in dict.fromkeys(named):
        inside = [place for place, name in enumerate(named) if name == band]
        begun = [place for place in inside if place == 0 or named[place - 1] != band]
        at = [
            " ".join(str(n) for n in numbers) for numbers in zip(*((_x(months, slots[p]), base - 2 - tall[p]) for p in begun), strict=True)
        ]
        signs = f'<text x="{at[0]}" y="{at[1]}">{palette.GLYPHS[tones[band]] * len(begun)}</text>'
        look = f'class="own" style="--own:{html.escape(own[band], quote=True)}"' if band in own else f'class="{tones[band]}"'
        shape = steps({slots[p]: tall[p] for p in inside if tall[p]}, months, base)
        out += f'<g {look}><path d="{shape}"/>{signs}</g>'
    out += _former(facts, record, months, base)
    listed = record.named["scored_on"]
    there = not pd.isna(listed) and listed >= rows["as_of"].min()
    out += _text(months.at(listed) - 3, base + 8, "↑") if there else ""
    if tall and tall[-1]:
        out += _text(_x(months, slots[-1] + 1) + 2, base - tall[-1] + 8, wording.points(rows["score"].iloc[-1]))
    return out, base + (11 if there else 4)


def _former(facts: AccountFacts, record: Record, months: _Months, base: int) -> str:
    """What the scorecard of the day said where it was another, and the days on which it changed."""
    then = record.scores.dropna(subset=["then"])
    dots = "".join(
        f"M{_x(months, months.slot(at))} {base - round(score * TALL / 100)}h{months.step}"
        for at, score in zip(then["as_of"], then["then"], strict=True)
    )
    first, last = record.scores["as_of"].min(), record.scores["as_of"].max()
    changed = "".join(f"M{months.at(at)} 4V{base}" for at in facts.changes["adopted_on"] if first < at <= last)
    return "".join(f'<path class="{kind}" d="{path}"/>' for kind, path in (("rule", dots), ("dash", changed)) if path)


def _marks(facts: AccountFacts, record: Record, months: _Months, y: int) -> tuple[str, int]:
    """Months in which a gate capped the score, or a person overruled it."""
    rows = record.scores
    caps = [months.slot(at) for at in rows.loc[rows["gate"].fillna("") != "", "as_of"]]
    said = [months.slot(at) for at in rows.loc[rows["override"].notna(), "as_of"]]
    if not caps and not said:
        return "", 0
    label = " / ".join([*(["Gate"] if caps else []), *(["◇"] if said else [])])
    path = f'<path d="{steps(dict.fromkeys(caps, 4), months, y + 7)}"/>' if caps else ""
    return _text(0, y + 8, label) + path + "".join(_text(_x(months, slot), y + 8, "◇") for slot in said), 11


def _terms(facts: AccountFacts, record: Record, months: _Months, y: int) -> tuple[str, int]:
    """A line a term, its ARR over it where there is room; ◆ where the next begins, ✕ where the account left."""
    terms = record.diary.terms
    begun, far = record.scores["as_of"].min(), pd.Timestamp.max.as_unit("s")
    seen = terms[terms["ends"].fillna(far) > begun]
    if seen.empty:
        return "", 0
    path, money, free, known, out = "", "", 0, "", _text(0, y + 14, "Terms")
    for start, end, arr in zip(seen["starts"], seen["ends"], seen["arr"], strict=True):
        left, right = months.at(max(start, begun)), months.right if pd.isna(end) else months.at(end)
        path += f"M{left} {y + 12}H{right}"
        out += _text(left - 3, y + 15, "◆") if start > begun else ""
        said = wording.money(arr, wording.compact(facts.currency))
        if said != known and left >= free:
            money, free, known = money + _text(left + 2, y + 8, said), left + 6 * len(said) + 4, said
    gone = record.named["ended_on"]
    out += _text(months.at(gone) - 3, y + 15, "✕") if not pd.isna(gone) and gone > begun else ""
    return f'{out}<g class="quiet">{money}</g><path class="term" d="{path}"/>', 19


def _counted(record: Record, kind: str, months: _Months) -> dict[int, float]:
    """Slot -> number of one kind of event."""
    rows, found = record.diary.months, dict[int, float]()
    for month, said, n in zip(rows["month"], rows["kind"], rows["n"], strict=True):
        if said == kind and 0 <= months.slot(month) < months.slots:
            found[months.slot(month)] = found.get(months.slot(month), 0.0) + n
    return found


def _scaled(counts: dict[int, float], most: float, sign: int = 1) -> dict[int, int]:
    return {slot: sign * max(round(n * SMALL_ROW / most), 1) for slot, n in counts.items()}


def _tickets(facts: AccountFacts, record: Record, months: _Months, y: int) -> tuple[str, int]:
    """Tickets opened above the line, closed below it."""
    opened, closed = _counted(record, "opened", months), _counted(record, "closed", months)
    if not opened and not closed:
        return "", 0
    most = max([*opened.values(), *closed.values()])
    out = _text(0, y + 12, "Tickets") + f'<path d="{steps(_scaled(opened, most), months, y + 10)}"/>'
    out += _text(months.right + 2, y + 8, wording.count(most))
    return out + f'<path class="pale" d="{steps(_scaled(closed, most, -1), months, y + 11)}"/>', 22


def _contacts(facts: AccountFacts, record: Record, months: _Months, y: int) -> tuple[str, int]:
    """Contacts by month."""
    found = _counted(record, "contact", months)
    if not found:
        return "", 0
    most = max(found.values())
    path = steps(_scaled(found, most), months, y + 11)
    return _text(0, y + 10, "Contacts") + _text(months.right + 2, y + 10, wording.count(most)) + f'<path class="accent" d="{path}"/>', 14


def _plays(facts: AccountFacts, record: Record, months: _Months, y: int) -> tuple[str, int]:
    """A line a playbook, from its start to its end."""
    begun = record.scores["as_of"].min()
    plays = record.diary.plays[record.diary.plays["starts"] >= begun]
    if plays.empty:
        return "", 0
    path = "".join(
        f"M{months.at(start)} {y + 7}H{max(months.right if pd.isna(end) else months.at(end), months.at(start) + 3)}"
        for start, end in zip(plays["starts"], plays["ends"], strict=True)
    )
    return _text(0, y + 10, "Playbooks") + f'<path class="term accent" d="{path}"/>', 12


def spark(points: list[float]) -> Piece:
    """Points 0..100 by month as a line, in tenths of its height; a gap where they were not known.

    >>> spark([100.0, 100.0, 50.0, float("nan"), 0.0]).html
    '<svg viewBox="-.5 -1 5 12" preserveAspectRatio="none" aria-hidden="true"><path d="M0 0h1l1 5M4 10h0"/></svg>'
    """
    path, before, flat = "", None, 0
    for place, value in enumerate([*points, float("nan")]):
        y = None if pd.isna(value) else round((100 - value) / 10)
        if before is not None and y == before:
            flat += 1
            continue
        if before is not None:
            alone = path.endswith(f"M{place - 1} {before}")
            path += f"h{flat}" if flat else "h0" if alone and y is None else ""
        if y is not None:
            path += f"M{place} {y}" if before is None else f"l1 {y - before}"
        before, flat = y, 0
    path = path.replace(" -", "-")
    box = f'viewBox="-.5 -1 {len(points)} 12" preserveAspectRatio="none"'
    return Piece(f'<svg {box} aria-hidden="true"><path d="{path}"/></svg>' if path else "")
