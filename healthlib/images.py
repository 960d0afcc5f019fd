"""A figure as an image: SVG of few bytes that turns dark with its page, or PNG where it has very many marks."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from healthlib import palette

if TYPE_CHECKING:
    from typing import TypeAlias

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Drawing: TypeAlias = Figure | Axes

SVG_LIMIT = 150_000
"""Bytes of SVG above which a figure is embedded as PNG."""


def image(drawing: Drawing) -> tuple[str, bytes]:
    """The image of a finished figure, and its kind: svg+xml or png. The same figure gives the same bytes; it is closed after."""
    import matplotlib as mpl

    fig: Any = drawing if hasattr(drawing, "savefig") else getattr(drawing, "figure")  # noqa: B009
    for text in fig.findobj(lambda part: hasattr(part, "set_parse_math")):
        text.set_parse_math(False)  # names with $ in them are names, whoever drew them
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "healthlib", "text.parse_math": False}):
        fig.savefig(buffer, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None, "Creator": None})
    mime, data = "svg+xml", _dark(_shorter(buffer.getvalue()))
    if len(data) > SVG_LIMIT:
        buffer = io.BytesIO()
        fig.savefig(buffer, format="png", dpi=200, bbox_inches="tight", facecolor="white", metadata={"Software": None})
        mime, data = "png", buffer.getvalue()
    _close(fig)
    return mime, data


def _shorter(svg: bytes) -> bytes:
    """The drawing with places to a hundredth of a point, and without notes on itself, indents, groups that say nothing, and all but two
    of twenty fonts, said once: nobody sees a difference, and three quarters of the bytes go. Texts are left alone.

    >>> _shorter(b'<g>\\n  <path d="M 1.23456 2 \\nL 10.5 -3.14159 \\n"/>\\n <text x="1.23456">0.12345  a</text></g>')
    b'<path d="M1.23 2L10.5 -3.14"/>\\n<text x="1.23">0.12345  a</text>'
    """
    svg = re.sub(rb"\A<\?xml.*?(?=<svg )", b"", svg, flags=re.S)
    svg = re.sub(rb"\n\s*", b"\n", re.sub(rb"<metadata>.*?</metadata>", b"", svg, flags=re.S))
    svg = re.sub(rb"; font-family: '[^;\"]*, sans-serif|font-family: '[^;\"]*, sans-serif; ", b"", svg)
    svg = re.sub(rb' transform="rotate\(-0 [^"]*\)"|(?<=<g) id="[^"]*"', b"", svg)
    svg = re.sub(rb'<path d="[^"]*" style="fill: none"/>', b"", svg)
    places = rb' (?:d|x|y)="[^"]*"| transform="translate\([^"]*"'
    svg = re.sub(places, lambda place: re.sub(rb"(\.\d\d)\d+", rb"\1", place.group()).replace(b"\n", b""), svg)
    svg = re.sub(rb'(?<= d=)"[^"]*"', lambda path: re.sub(rb" ?([A-Za-z\"]) ?", rb"\1", path.group()), svg)
    svg = re.sub(rb' style="[^"]*"', lambda style: style.group().replace(b"; stroke-linejoin: miter", b"").replace(b"; ", b";"), svg)
    named: dict[bytes, bytes] = {}
    svg = re.sub(rb'(?<=[#"])[a-z][0-9a-f]{10}(?=[)"])', lambda name: named.setdefault(name[0], b"i%d" % len(named)), svg)
    return re.sub(rb"\n{2,}", b"\n", _ungrouped(svg)).strip()


def _ungrouped(svg: bytes) -> bytes:
    """The drawing without groups that carry nothing.

    >>> _ungrouped(b'<g><g clip-path="url(#a)"><g/><use/></g><text>a</text></g>')
    b'<g clip-path="url(#a)"><use/></g><text>a</text>'
    """
    kept: list[bool] = []

    def tag(found: re.Match[bytes]) -> bytes:
        said = found.group()
        if said == b"<g/>":
            return b""
        if said == b"</g>":
            return said if kept.pop() else b""
        if not said.endswith(b"/>"):
            kept.append(said != b"<g>")
        return b"" if said == b"<g>" else said

    return re.sub(rb"<g(?: [^>]*)?/?>|</g>", tag, svg)


def _dark(svg: bytes) -> bytes:
    """The drawing with its font, and with the colours of the night of those it has."""
    rules = re.sub(r'\[style\*="([^"]*)"\]\{[^}]*\}', lambda rule: rule[0] if rule[1].encode() in svg else "", palette.svg_dark_style())
    style = rules.replace("<style>", "<style>text{font-family:'DejaVu Sans',Verdana,sans-serif}", 1)
    return re.sub(rb"(<svg [^>]*>)", lambda start: start[0] + style.encode(), svg, count=1)


def _close(fig: Any) -> None:
    """Keep JupyterLab from showing the figure a second time."""
    import sys

    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(fig)
