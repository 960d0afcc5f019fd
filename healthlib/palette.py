"""The colours of every page and figure, in light and dark, so that a band looks the same wherever it is shown."""

from __future__ import annotations

from collections.abc import Sequence

UNSCORED = "unscored"

INK = {"ink": ("#1b2430", "#e8ecf1"), "muted": ("#536071", "#a9b4c2"), "line": ("#d5dbe3", "#3a4654")}
"""Text, quiet text and rules: (light, dark)."""

TONES = {
    "tone0": ("#c02b1d", "#ff8a7a"),
    "tone1": ("#c2560a", "#ffa566"),
    "tone2": ("#a87400", "#f0c25a"),
    "tone3": ("#5b7f1e", "#b3d46a"),
    "tone4": ("#17785a", "#5fd3a8"),
    "unscored": ("#6b7685", "#9aa6b5"),
    "accent": ("#2456a6", "#8db8ff"),
}
"""Fill colours from worst to best, for what has no score, and for what is not a band: (light, dark)."""

GLYPHS = {"tone0": "▼", "tone1": "▽", "tone2": "◆", "tone3": "△", "tone4": "▲", "unscored": "○"}
"""A shape beside each colour, because colour never carries meaning alone."""


def tones(bands: Sequence[str]) -> dict[str, str]:
    """Band name -> tone, for bands given from low to high, whatever they are called.

    >>> tones(["red", "yellow", "green"])
    {'red': 'tone0', 'yellow': 'tone2', 'green': 'tone4', 'unscored': 'unscored'}
    """
    scored = [band for band in bands if band != UNSCORED]
    last = max(len(scored) - 1, 1)
    return {band: f"tone{round(4 * i / last)}" for i, band in enumerate(scored)} | {UNSCORED: UNSCORED}


def colours(bands: Sequence[str]) -> dict[str, str]:
    """Band name -> the light fill colour, for figures."""
    return {band: TONES[tone][0] for band, tone in tones(bands).items()}


def css_variables(dark: bool = False) -> str:
    """The palette as CSS custom properties, for one colour scheme."""
    return "".join(f"--{name}:{pair[dark]};" for name, pair in (INK | TONES).items())


def svg_dark_style() -> str:
    """A style element that turns a figure drawn in the light colours into its dark version where the reader prefers dark."""
    rules = "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark}!important}}' for light, dark in (INK | TONES).values() for part in ("fill", "stroke")
    )
    return f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
