"""Escaped pieces of HTML: sentences, tables, bars, tiles and figures. Whatever text comes in leaves as text."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthlib import palette, wording
from healthlib.errors import HealthlibError
from healthlib.images import image

if TYPE_CHECKING:
    from healthlib.images import Drawing

LONG_TABLE = 10
"""Rows a table shows before the rest folds away."""
UNBROKEN = 30
"""Letters of a word after each of which a line may break, where it is longer: no name pushes a table off a page or off paper."""
WIDE = 24
"""Letters above which a text takes the whole width of a card."""


@dataclass(frozen=True)
class Piece:
    """A piece of a page whose HTML is already safe. Adding pieces puts one below the other; JupyterLab shows it as it is."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.html + other.html)


Kind = str | Callable[[Any], Piece]
Columns = Mapping[str, tuple[str, Kind]]
"""Column of the frame -> (heading, kind). Kinds: text, count, points, number, share, money CUR, change, money_change CUR,
date, or a function from a value to a Piece."""

_FORMATS: dict[str, Callable[..., str]] = {
    "count": wording.count,
    "points": wording.points,
    "number": wording.number,
    "share": wording.share,
    "money": wording.money,
    "change": wording.change,
    "money_change": wording.money_change,
    "date": wording.day,
}


def escape(text: Any) -> str:
    """Any value as inert HTML text, its writing direction kept to itself, a very long word with places to break; nothing for NaN.

    >>> escape("A & B"), escape("x" * 40)
    ('<bdi>A &amp; B</bdi>', '<bdi>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx<wbr>xxxxxxxxxx</bdi>')
    """
    if wording.unknown(text) or not str(text):
        return ""
    marked = re.sub(rf"\S{{{UNBROKEN}}}(?=\S)", "\\g<0>\0", str(text).replace("\0", "\N{REPLACEMENT CHARACTER}"))
    return f"<bdi>{html.escape(marked).replace(chr(0), '<wbr>')}</bdi>"


def linked(value: tuple[Any, str]) -> Piece:
    """A column kind: (text, where to) as a link to a place of the reports; the text alone where there is none ("").

    >>> linked(("A & B", "#account-7")).html
    '<a href="#account-7"><bdi>A &amp; B</bdi></a>'
    """
    words, target = value
    return Piece(f'<a href="{html.escape(target, quote=True)}">{escape(words)}</a>' if target else escape(words))


def anchored(anchor: str, piece: Piece) -> Piece:
    """A piece that a link can lead to."""
    return Piece(f'<div id="{html.escape(anchor, quote=True)}">{piece.html}</div>')


def _words(text: str) -> str:
    """A sentence as HTML; a sign stays with its figure."""
    return html.escape(text).replace("−", "−&#8288;").replace("±", "±&#8288;")


def show(*pieces: Piece) -> Piece:
    """Pieces one below the other, as the last line of a cell."""
    return Piece("".join(piece.html for piece in pieces))


def columns(*pieces: Piece) -> Piece:
    """Pieces side by side where there is room, one below the other on a phone."""
    return Piece(f'<div class="columns">{"".join(f"<div>{piece.html}</div>" for piece in pieces)}</div>')


def card(*pieces: Piece) -> Piece:
    """Pieces on a sheet of their own, as wide as the page."""
    return Piece(f'<div class="columns wide"><div>{show(*pieces).html}</div></div>')


def claim(text: str) -> Piece:
    """A sentence that claims something, before the picture that shows it."""
    return Piece(f'<p class="claim">{_words(text)}</p>')


def lead(text: str) -> Piece:
    """The opening sentence of a page."""
    return Piece(f'<p class="lead">{_words(text)}</p>')


def text(words: str) -> Piece:
    """A paragraph."""
    return Piece(f"<p>{_words(words)}</p>")


def heading(words: str, level: int = 2) -> Piece:
    """A heading of level 2 to 4; level 1 is the title of the page."""
    level = min(max(level, 2), 4)
    return Piece(f"<h{level}>{html.escape(words)}</h{level}>")


def note(words: str, kind: str = "note") -> Piece:
    """A remark set apart. `kind` is "note", "warning" or "simulated"."""
    return Piece(f'<p class="note {html.escape(kind)}">{html.escape(words)}</p>')


def bullets(items: Iterable[str]) -> Piece:
    """A list of sentences; nothing for none."""
    rows = "".join(f"<li>{_words(item)}</li>" for item in items)
    return Piece(f"<ul>{rows}</ul>" if rows else "")


def definitions(meanings: Mapping[str, str]) -> Piece:
    """Terms and what they mean."""
    rows = "".join(f"<div><dt>{html.escape(term)}</dt><dd>{_words(meaning)}</dd></div>" for term, meaning in meanings.items())
    return Piece(f'<dl class="definitions">{rows}</dl>')


def details(summary: str, *pieces: Piece) -> Piece:
    """Pieces folded away behind a sentence; printed on paper too."""
    return Piece(f'<details class="open"><summary>{html.escape(summary)}</summary>{show(*pieces).html}</details>')


def tiles(figures: Iterable[tuple[str, str, str]]) -> Piece:
    """Headline figures: (label, figure, remark) each."""
    rows = "".join(
        f'<div class="tile"><dt>{html.escape(label)}</dt><dd><span class="figure">{html.escape(figure)}</span>'
        f'<span class="remark">{_words(remark)}</span></dd></div>'
        for label, figure, remark in figures
    )
    return Piece(f'<dl class="tiles">{rows}</dl>')


def bands(names: Collection[str]) -> Callable[[Any], Piece]:
    """A column kind: the band with its colour and its shape. `names` from low to high, or name -> its own colour ("" for none)."""
    tones, own = palette.tones(names), palette.own_colours(names)

    def chip(name: Any) -> Piece:
        if wording.unknown(name) or name == "":
            return Piece(wording.NOTHING)
        tone = tones.get(name, palette.UNSCORED)
        look = f'band {tone} own" style="--own:{html.escape(own[name])}' if name in own else f"band {tone}"
        return Piece(f'<span class="{look}"><span aria-hidden="true">{palette.GLYPHS[tone]}</span> {escape(name)}</span>')

    return chip


def _cell(value: Any, kind: Kind) -> str:
    if not isinstance(kind, str):
        return kind(value).html
    name, _, unit = kind.partition(" ")
    if name == "text":
        return escape(value)
    if name not in _FORMATS:
        raise HealthlibError(f"A table column has the kind {kind!r}; known kinds are text, {', '.join(_FORMATS)}.")
    shown = html.escape(_FORMATS[name](value, *([unit] if unit and name.startswith("money") else [])))
    known = "" if wording.unknown(value) else value.isoformat()[:10] if name == "date" else machine(value)
    return f'<data value="{known}">{shown}</data>' if known else shown


def machine(value: float) -> str:
    """A figure for a program that reads the page: to a millionth, as in summary.json, and no digit that says nothing.

    >>> machine(331800.0), machine(0.27525641515295907), machine(-0.0)
    ('331800', '0.275256', '0')
    """
    return f"{float(value):.6f}".rstrip("0").rstrip(".") if round(float(value), 6) else "0"


def _guess(column: pd.Series) -> Kind:
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return "text"
    return "count" if pd.api.types.is_integer_dtype(column) else "number"


def table(frame: pd.DataFrame, columns: Columns | None = None, *, caption: str, n: int | None = None, layout: str = "") -> Piece:
    """A frame as a table with header cells, in a box that scrolls sideways on its own.

    Parameters
    ----------
    frame : a row per row; those where a column `whole`, if there is one, holds sum up the others: they stay last, however it is sorted
    columns : which columns, under which headings, as which kind; all columns, guessed from their types, if not given
    caption : what the table shows
    n : the number of cases behind it, said in the caption
    layout : "cards" turns rows into cards on a phone; "fold" shows 10 rows and folds the rest away; "cards fold" does both

    Returns
    -------
    Piece
        A sentence that there is nothing to show, if the frame has no rows.
    """
    shown = columns or {str(c): (str(c).replace("_", " ").capitalize(), _guess(frame[c])) for c in frame.columns}
    title = html.escape(caption) + (f' <span class="n">n = {wording.count(n)}</span>' if n is not None else "")
    if frame.empty:
        return Piece(f'<p class="note">{title}: nothing to show.</p>')
    cards = "cards" in layout
    made = [
        _row([(name, *shown[name], record[i]) for i, name in enumerate(shown)], cards)
        for record in frame[list(shown)].itertuples(index=False, name=None)
    ]
    sums = frame["whole"].to_numpy(dtype=bool) if "whole" in frame and "whole" not in shown else [False] * len(made)
    rows, last = ([row for row, last in zip(made, sums, strict=True) if last == wanted] for wanted in (False, True))
    rows, last = (rows, last) if rows else (last, [])
    head = "".join(
        f'<th scope="col"{_role("columnheader", cards)}{_look(_align(kind))}>{html.escape(label)}</th>' for label, kind in shown.values()
    )
    first, rest = (rows[:LONG_TABLE], rows[LONG_TABLE:]) if "fold" in layout else (rows, [])
    body = _table(title, head, first, cards, last)
    if rest:
        again = f'<span class="quiet">{title}, continued</span>'
        more = wording.counted(len(rest), "more row")
        body += f'<details class="rest"><summary>Show {more}</summary>{_table(again, head, rest, cards)}</details>'
    return Piece(body)


def _align(kind: Kind) -> str:
    return "num" if isinstance(kind, str) and kind != "text" else ""


def _look(name: str) -> str:
    return f' class="{name}"' if name else ""


def _row(cells: list[tuple[str, str, Kind, Any]], cards: bool) -> str:
    """A row; one that may become a card says what its parts are, because a grid is no table any more, and repeats the headings."""
    (_, _, kind, value), *others = cells
    out = f'<th scope="row"{_role("rowheader", cards)}{_look(_align(kind))}>{_cell(value, kind)}</th>'
    for _, label, kind, value in others:
        wide = "wide" if kind == "text" and len(str(value)) > WIDE else _align(kind)
        repeated = f' data-label="{html.escape(label)}"' if cards else ""
        out += f"<td{_role('cell', cards)}{_look(wide)}{repeated}>{_cell(value, kind)}</td>"
    return f"<tr{_role('row', cards)}>{out}</tr>"


def _role(name: str, cards: bool) -> str:
    return f' role="{name}"' if cards else ""


def _table(title: str, head: str, rows: list[str], cards: bool, last: Collection[str] = ()) -> str:
    name = html.escape(re.sub(r"<[^>]+>", "", title), quote=True).replace("&amp;", "&")
    table, group, row = (_role(part, cards) for part in ("table", "rowgroup", "row"))
    sums = f'<tbody class="whole"{group}>{"".join(last)}</tbody>' if last else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{name}"><table{table}{_look("cards" if cards else "")}>'
        f"<caption><span>{title}</span></caption><thead{group}><tr{row}>{head}</tr></thead>"
        f"<tbody{group}>{''.join(rows)}</tbody>{sums}</table></div>"
    )


def bars(frame: pd.DataFrame, label: str, value: str, *, kind: str = "count", caption: str) -> Piece:
    """Horizontal bars as a table: they reflow, print and need no alternative text.

    Parameters
    ----------
    frame : a row per bar; `low` and `high`, if present, are drawn as a whisker and written out; `tone`, if present, colours the bar
        (a name of `palette.TONES`)
    label, value : the columns to read
    """
    if frame.empty:
        return Piece(f'<p class="note">{html.escape(caption)}: nothing to show.</p>')
    interval = {"low", "high"} <= set(frame.columns)
    top = float(frame[[value, "high"] if interval else [value]].abs().max().max()) or 1.0
    rows = "".join(_bar(row, (label, value), kind, top) for row in rows_of(frame))
    heads = f'<th scope="col">{html.escape(label.replace("_", " ").capitalize())}</th><th scope="col">Figure</th>'
    return Piece(
        f'<table class="bars"><caption>{html.escape(caption)}</caption><thead class="sr"><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _bar(row: dict[str, Any], names: tuple[str, str], kind: str, top: float) -> str:
    label, value = row[names[0]], row[names[1]]
    width = 0 if wording.unknown(value) else 100 * abs(value) / top
    tone = row.get("tone") or "accent"
    shown = _cell(value, kind)
    whisker = ""
    if not wording.unknown(row.get("low")) and not wording.unknown(row.get("high")):
        left, right = 100 * max(row["low"], 0) / top, 100 * row["high"] / top
        whisker = f'<i class="whisker" style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
        shown += f' <span class="range">{_cell(row["low"], kind)} to {_cell(row["high"], kind)}</span>'
    glyph = palette.GLYPHS.get(tone)
    mark = f'<span class="band {tone}" aria-hidden="true">{glyph}</span> ' if glyph else ""
    return (
        f'<tr><th scope="row">{mark}{escape(label)}</th><td><span class="track" aria-hidden="true"><i class="fill {tone}" '
        f'style="width:{width:.1f}%"></i>{whisker}</span><span class="value">{shown}</span></td></tr>'
    )


def figure(drawing: Drawing, *, alt: str, caption: str = "") -> Piece:
    """A figure as an image inside the page: sharp SVG, byte-identical for the same figure; PNG where it has very many marks.

    Parameters
    ----------
    alt : the finding in words, for who cannot see the figure
    """
    mime, data = image(drawing)
    source = f"data:image/{mime};base64,{base64.b64encode(data).decode()}"
    words = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return Piece(f'<figure><img class="{mime[:3]}" src="{source}" alt="{html.escape(alt, quote=True)}">{words}</figure>')
