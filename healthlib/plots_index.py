"""A figure month by month as a small line inside a table: SVG text, which follows the page's colours; a gap where a month is not known."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from healthlib.pieces import Piece

WIDE, TALL = 96, 22


def trend(values: Sequence[float], alt: str) -> Piece:
    """The values from old to new as a line between their least and their largest, the last one marked.

    Parameters
    ----------
    alt : the finding in words

    Examples
    --------
    >>> trend([1.0, 3.0], "up").html[:64]
    '<svg class="mini" viewBox="0 0 96 22" role="img" aria-label="up"'
    >>> trend([1.0], "alone").html
    ''
    """
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return Piece("")
    low, span = min(known), max(known) - min(known)
    step = (WIDE - 6) / (len(values) - 1)
    places = [
        None
        if not math.isfinite(value)
        else (round(3 + at * step, 1), round(TALL - 4 - (TALL - 8) * ((value - low) / span if span else 0.5), 1))
        for at, value in enumerate(values)
    ]
    path, pen = "", "M"
    for place in places:
        path += f"{pen}{place[0]:g} {place[1]:g}" if place else ""
        pen = "L" if place else "M"
    last = next(place for place in reversed(places) if place)
    box = f'viewBox="0 0 {WIDE} {TALL}" role="img" aria-label="{html.escape(alt, quote=True)}"'
    return Piece(f'<svg class="mini" {box}><path d="{path}"/><circle cx="{last[0]:g}" cy="{last[1]:g}" r="2.5"/></svg>')
