"""The colours of every page and figure, in light and dark, so that a band looks the same wherever it is shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping

UNSCORED = "unscored"

INK = {"ink": ("#1b2430", "#e8ecf1"), "muted": ("#536071", "#a9b4c2"), "line": ("#d5dbe3", "#3a4654")}
"""Text, quiet text and rules: (light, dark)."""

TONES = {
    "tone0": ("#c02b1d", "#ff8a7a"),
    "tone05": ("#a3364f", "#ff9db5"),
    "tone1": ("#c2560a", "#ffa566"),
    "tone15": ("#8f6a3c", "#dcb487"),
    "tone2": ("#a87400", "#f0c25a"),
    "tone25": ("#7a7a10", "#d3d061"),
    "tone3": ("#5b7f1e", "#b3d46a"),
    "tone35": ("#2f8a3c", "#7fdc8a"),
    "tone4": ("#17785a", "#5fd3a8"),
    "unscored": ("#6b7685", "#9aa6b5"),
    "accent": ("#2456a6", "#8db8ff"),
}
"""Fill colours from worst to best, for what has no score, and for what is not a band: (light, dark)."""


def _inked(fill: str, share: float = 0.7) -> str:
    """A fill colour darkened with ink, for words: a fill needs 3:1 against its ground, words 4.5:1 (WCAG 2.2, 1.4.3 and 1.4.11).

    >>> _inked("#a87400")
    '#7e5c0e'
    """
    parts = zip(_channels(fill), _channels(INK["ink"][0]), strict=True)
    return "#" + "".join(f"{round(share * tone + (1 - share) * ink):02x}" for tone, ink in parts)


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


WORDS = {f"{name}-words": (_inked(light), dark) for name, (light, dark) in TONES.items()} | {"inside": ("#fefefe", "#12171d")}
"""The colours of words in a tone, and of words inside a bar: (light, dark); at night the fills are light enough for words."""

GLYPHS = {
    "tone0": "▼", "tone05": "◣", "tone1": "▽", "tone15": "◁", "tone2": "◆", "tone25": "◇", "tone3": "△", "tone35": "▷", "tone4": "▲",
    "unscored": "○",
}  # fmt: skip
"""A shape beside each colour, because colour never carries meaning alone."""


FEW = ("tone0", "tone1", "tone2", "tone3", "tone4")
MANY = ("tone0", "tone05", "tone1", "tone15", "tone2", "tone25", "tone3", "tone35", "tone4")
"""Tones of up to five bands, and of up to nine; with more, neighbours share one and their names alone tell them apart."""


def tones(bands: Collection[str]) -> dict[str, str]:
    """Band name -> tone, for bands given from low to high, whatever they are called.

    >>> tones(["red", "yellow", "green"])
    {'red': 'tone0', 'yellow': 'tone2', 'green': 'tone4', 'unscored': 'unscored'}
    """
    scored = [band for band in bands if band != UNSCORED]
    last, steps = max(len(scored) - 1, 1), FEW if len(scored) <= len(FEW) else MANY
    return {band: steps[round((len(steps) - 1) * i / last)] for i, band in enumerate(scored)} | {UNSCORED: UNSCORED}


def colours(bands: Collection[str]) -> dict[str, str]:
    """Band name -> the light fill colour, for figures.

    Parameters
    ----------
    bands : names from low to high; or name -> a colour of its own, "" where it has none

    Examples
    --------
    >>> colours({"At risk": "#b3261e", "Happy": ""})
    {'At risk': '#b3261e', 'Happy': '#17785a', 'unscored': '#6b7685'}
    """
    return {band: own_colours(bands).get(band) or TONES[tone][0] for band, tone in tones(bands).items()}


def own_colours(bands: Collection[str]) -> dict[str, str]:
    """The bands with a colour of their own, and it; none where only names are given."""
    return {band: colour for band, colour in bands.items() if colour} if isinstance(bands, Mapping) else {}


def on(colour: str) -> str:
    """Black or white, whichever is read better on a colour: the larger contrast by WCAG's relative luminance.

    >>> on("#ffee00"), on("#17785a")
    ('#000000', '#ffffff')
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in _channels(colour))]
    return "#000000" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 else "#ffffff"


def inside(colour: str) -> str:
    """Words inside a bar of this colour: as `on`, and dark at night where the bar turns light, which only our own tones do.

    >>> inside("#c02b1d"), inside("#a87400"), inside("#004400")
    ('#fefefe', '#000000', '#ffffff')
    """
    turns = any(light == colour.lower() for light, _ in TONES.values())
    return WORDS["inside"][0] if turns and on(colour) == "#ffffff" else on(colour)


def words(colour: str) -> str:
    """The colour of words in a fill colour of ours; ink for a colour that is not ours.

    >>> words("#a87400"), words("#ffee00")
    ('#7e5c0e', '#1b2430')
    """
    return next((WORDS[f"{name}-words"][0] for name, (light, _) in TONES.items() if light == colour.lower()), INK["ink"][0])


def css_variables(dark: bool = False) -> str:
    """The palette as CSS custom properties, for one colour scheme."""
    return "".join(f"--{name}:{pair[dark]};" for name, pair in (INK | TONES | WORDS).items())


def svg_dark_style() -> str:
    """A style element that turns a figure drawn in the light colours into its dark version where the reader prefers dark."""
    rules = "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark}!important}}'
        for light, dark in (INK | TONES | WORDS).values()
        for part in ("fill", "stroke")
    )
    return f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
