"""The catalogue in words: a list, one entry ready to paste, and the page of the documentation."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from healthlib.catalogue import PREFIX, Entry, entries, entry

MEASURED = {
    "count": "number of rows",
    "sum": "sum of {of}",
    "mean": "mean of {of}",
    "max": "largest {of}",
    "distinct": "number of different {of}",
    "last": "latest {of}",
    "days_since": "days since the latest row",
    "share": "share of rows with {of}",
    "open": "number of rows not yet closed",
    "age": "days since the first contract started",
}
HISTORY = " percentile of history"
PAGE = """\
# The catalogue

Ready metrics. A scorecard takes one by its name and changes what differs; whatever is written beside `use` wins, key by key
(`where` and `profiles` as a whole), and an empty value removes what the catalogue says:

```yaml
metrics:
  active_seats: {use: catalogue/active_seats, weight: 20}
  seats_of_the_week: {use: catalogue/active_seats, label: Seats active in a week, window_days: 7, best: 0.5, weight: 5}
```

`group` is a suggestion: it counts where the scorecard has a group of that name. No entry has a weight; what a metric is worth to you is
yours to say, and `healthlib fit` says what it was worth in the past. `healthlib catalogue` prints this list, `healthlib catalogue NAME` one
entry ready to paste. "Needs" names the table and those of its columns that are not required anyway. A value that is missing is left out of
the score and its weight spread over the rest (`missing: exclude`), unless the entry or you say otherwise. Where a formula names `as_of`, it
means the day of the score, and `term_ends` the next end of a term as known on that day: any condition of your own may name them too.

This page is written by `healthlib catalogue --page`; a test keeps it true.
"""


def formula(settings: Mapping[str, Any]) -> str:
    """What a metric measures, in words.

    >>> formula({"table": "usage", "measure": "distinct user_id", "window_days": 30, "per": "seats"})
    'number of different `user_id` in `usage`, last 30 days, divided by seats'
    """
    kind, _, of = str(settings["measure"]).partition(" ")
    parts = [MEASURED[kind].format(of=f"`{of}`") + (f" in `{settings['table']}`" if "table" in settings else "")]
    if settings.get("reading"):
        parts[0] += f" named `{settings['reading']}`"
    if settings.get("where"):
        parts.append(f"where `{settings['where']}`")
    if settings.get("window_days"):
        parts.append(f"last {settings['window_days']} days")
    if settings.get("per"):
        parts.append(f"divided by {settings['per']}")
    if settings.get("trend"):
        parts.append(f"against the same {settings['trend']} days earlier, as a change")
    if settings.get("stale_after_days"):
        parts.append(f"missing when older than {settings['stale_after_days']} days")
    return ", ".join(parts)


def scale(settings: Mapping[str, Any]) -> str:
    """From which value to which the points run.

    >>> scale({"worst": {"quantile": 0.1}, "best": 3})
    '10th percentile of history → 3'
    >>> scale({"worst": {"quantile": 0.1}, "best": {"quantile": 0.9}})
    '10th → 90th percentile of history'
    >>> scale({"curve": {"0": 0, "2": 60, "9": 100}})
    'curve 0: 0, 2: 60, 9: 100'
    """
    for key in ("steps", "curve"):
        if settings.get(key):
            return f"{key} {', '.join(f'{value}: {points:g}' for value, points in settings[key].items())}"
    ends = [_end(settings.get(key)) for key in ("worst", "best")]
    if all(end.endswith(HISTORY) for end in ends):
        return " → ".join(end.removesuffix(HISTORY) for end in ends) + HISTORY
    return " → ".join(ends)


def _end(end: Any) -> str:
    if isinstance(end, dict):
        return f"{100 * end['quantile']:.0f}th{HISTORY}"
    return "yours" if end is None else f"{end:g}"


def needs(chosen: Entry) -> str:
    """The tables and columns an entry needs.

    >>> needs(entry("active_seats"))
    'usage (user_id), contracts (seats)'
    """
    return ", ".join(table + (f" ({', '.join(columns)})" if columns else "") for table, columns in chosen.needs.items())


def pasted(name: str) -> str:
    """One entry as YAML for `metrics:` of a scorecard, its reason and needs in comments. Raises HealthlibError for an unknown name."""
    chosen = entry(name)
    reason = textwrap.wrap(" ".join(chosen.why.split()), 110, initial_indent="# ", subsequent_indent="# ")
    settings = {**chosen.settings, **chosen.example, "weight": 10}
    body = yaml.safe_dump({chosen.name: _plain(settings)}, sort_keys=False, allow_unicode=True, width=1000)
    lines = [*reason, f"# Needs: {needs(chosen)}."]
    lines += [f"# {key}: {meaning}." for key, meaning in chosen.ask.items()]
    own = "".join(f", {key}: ..." for key in chosen.ask)
    lines += [f"# In short: {chosen.name}: {{use: {PREFIX}{chosen.name}{own}, weight: 10}}"]
    return "\n".join(["metrics:", *(f"  {line}".rstrip() for line in [*lines, *body.splitlines()])]) + "\n"


def _plain(value: Any) -> Any:
    """The same without tuples, which YAML would tag."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def listed() -> str:
    """Every entry on a line of its own, theme by theme."""
    known = entries().values()
    wide = max(len(chosen.name) for chosen in known)
    lines: list[str] = []
    for theme in dict.fromkeys(chosen.theme for chosen in known):
        lines += [theme, *(f"  {c.name:{wide}}  {c.settings['label']}  [{needs(c)}]" for c in known if c.theme == theme)]
    return "\n".join(lines)


def page() -> str:
    """The page of the documentation, Markdown."""
    known = entries().values()
    parts = [PAGE]
    for theme in dict.fromkeys(chosen.theme for chosen in known):
        parts.append(
            f"## {theme.capitalize()}\n\n| name | what | formula | worst → best | why | needs |\n| --- | --- | --- | --- | --- | --- |"
        )
        parts += [_row(chosen) for chosen in known if chosen.theme == theme]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _row(chosen: Entry) -> str:
    settings, why = chosen.settings, " ".join(chosen.why.split())
    said = formula(settings)
    if "applies_to" in settings:
        said += "; for accounts of " + " and ".join(_condition(c, wanted) for c, wanted in settings["applies_to"].items())
    if chosen.ask:
        why += " **Yours to say:** " + "; ".join(f"`{key}`, {meaning}" for key, meaning in chosen.ask.items()) + "."
    cells = (f"`{chosen.name}`", settings["label"], said, scale(settings), why, needs(chosen))
    return "| " + " | ".join(cell.replace("||", "\\|\\|") for cell in cells) + " |"


def _condition(column: str, wanted: Mapping[str, float]) -> str:
    return " and ".join(f"{column.replace('_', ' ')} {part.replace('_', ' ')} {number:g}" for part, number in wanted.items())
