"""What the runs left: their folders read again in whatever state; a file that cannot be read becomes a sentence, never an error."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

PAGES = {
    "executive": "executive.html",
    "summary": "summary.html",
    "audit": "audit.html",
    "weights": "weights.html",
    "backtest": "backtest.html",
    "check": "check.html",
}
"""What a page is called -> its file."""
LARGEST = 8_000_000
"""Bytes above which a summary.json is not ours."""
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Left:
    """What one run left.

    Attributes
    ----------
    shelf, as_of : names of the two folders
    workspace : what the company is called
    simulated : whether it is invented
    pages : what a page is called -> where it is, relative to the index; only those that are there
    books : (CSM, where the book is); only those that are there
    figures : accounts, arr, worst_share, grr, nrr, loss and their _low and _high, loss_days; absent where not known
    currency, verdict, worst_band, scorecard : text, "" where not known
    problem : why figures are missing, as a sentence; "" where none are
    late : what changed in the past since the run before, as a sentence; "" where nothing did
    """

    shelf: str
    as_of: str
    workspace: str
    simulated: bool = False
    pages: dict[str, str] = field(default_factory=dict)
    books: tuple[tuple[str, str], ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    currency: str = ""
    verdict: str = ""
    worst_band: str = ""
    scorecard: str = ""
    problem: str = ""
    late: str = ""


def found(out: Path) -> list[Left]:
    """All runs below `out`, newest first, then by workspace: every ``<workspace>/<day>/`` with an executive report."""
    rows = []
    for page in sorted(out.glob("*/*/executive.html")):
        folder = page.parent
        if _is_day(folder.name) and not folder.parent.name.startswith("."):
            rows.append(_left(folder, out))
    return sorted(rows, key=lambda row: (row.as_of, row.workspace, row.shelf), reverse=True)


def _is_day(name: str) -> bool:
    """Whether a folder's name is a day; hidden folders, and those a person made beside ours, are not."""
    try:
        return DAY.fullmatch(name) is not None and bool(date.fromisoformat(name))
    except ValueError:
        return False


def _left(folder: Path, out: Path) -> Left:
    """One run as its folder says."""
    at = quote(folder.relative_to(out).as_posix())
    summary, problem = _summary(folder / "summary.json")
    pages = {name: f"{at}/{file}" for name, file in PAGES.items() if (folder / file).is_file()}
    figures, doubts = _figures(summary)
    if not problem and doubts:
        problem = f"summary.json does not say {', '.join(doubts)}: it was written by another version, or changed since."
    return Left(
        shelf=folder.parent.name,
        as_of=folder.name,
        workspace=_text(summary.get("workspace")) or folder.parent.name,
        simulated=summary.get("simulated") is True,
        pages=pages,
        books=_books(summary, folder, at),
        figures=figures,
        currency=_text(summary.get("currency")) or "USD",
        verdict=_text(_inside(summary, "weights", "recommendation")),
        worst_band=_worst(summary),
        scorecard=_text(summary.get("scorecard_sha256")),
        problem=problem,
        late=_late(folder / "manifest.json"),
    )


def _summary(path: Path) -> tuple[dict[str, Any], str]:
    """The summary, or an empty one and why."""
    try:
        if path.stat().st_size > LARGEST:
            return {}, "summary.json is too large to be one of ours, so its figures are not shown."
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, "summary.json is missing, so there are no figures to show."
    except (OSError, ValueError, RecursionError):
        return {}, "summary.json cannot be read, so there are no figures to show; run this month again."
    return (held, "") if isinstance(held, dict) else ({}, "summary.json is not what a run writes, so there are no figures to show.")


def _late(path: Path) -> str:
    """What the manifest says of late changes; nothing where it cannot be read: the figures do not hang on it."""
    found = _inside(_summary(path)[0], "since_last_run")
    return _text(_inside(found, "said"), 2000) if _inside(found, "changed") is True else ""


def _inside(held: Any, *path: str) -> Any:
    """What lies at a path of keys; None where the path breaks off."""
    for key in path:
        held = held.get(key) if isinstance(held, dict) else None
    return held


def _text(value: Any, most: int = 300) -> str:
    return value.strip()[:most] if isinstance(value, str) else ""


def _number(value: Any) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return float(value) if known and math.isfinite(value) else math.nan
    except OverflowError:
        return math.nan


def _bands(summary: dict[str, Any]) -> list[dict[str, Any]]:
    rows = summary.get("bands")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _worst(summary: dict[str, Any]) -> str:
    """The worst band: as said, else the first of the list, which runs from worst to best."""
    first = next((_text(row.get("band")) for row in _bands(summary)), "")
    return _text(summary.get("worst_band")) or first


def _figures(summary: dict[str, Any]) -> tuple[dict[str, float], list[str]]:
    """The figures that are there, and what a run of any version says and this one does not."""
    worst = [_number(row.get("arr")) for row in _bands(summary) if _text(row.get("band")) == _worst(summary)]
    total = _number(_inside(summary, "arr", "total"))
    found = {"accounts": _number(_inside(summary, "accounts", "active")), "arr": total}
    found["worst_share"] = worst[0] / total if worst and total > 0 else math.nan
    for name, key in (("grr", "grr_12m"), ("nrr", "nrr_12m")):
        found |= _estimate(name, _inside(summary, "retention", key))
    found |= _loss(summary)
    doubts = [words for key, words in (("accounts", "how many accounts there are"), ("arr", "their ARR")) if math.isnan(found[key])]
    return {name: value for name, value in found.items() if not math.isnan(value)}, doubts


def _estimate(name: str, held: Any) -> dict[str, float]:
    return {f"{name}{end}": _number(_inside(held, key)) for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))}


def _loss(summary: dict[str, Any]) -> dict[str, float]:
    """What is expected to be lost first: of the terms that end within 90 days; of contracts without an end, within the horizon."""
    held = summary.get("expected_loss")
    if isinstance(held, dict):
        days = sorted((key for key in held if isinstance(key, str) and key.isdecimal() and len(key) < 6), key=int)
        return {**_estimate("loss", _inside(held, days[0], "expected_lost_arr")), "loss_days": float(days[0])} if days else {}
    rows = _inside(summary, "renewals_due", "90")
    parts = [_number(_inside(row, "expected_lost_arr", "value")) for row in rows] if isinstance(rows, list) else []
    return {"loss": sum(parts), "loss_days": 90.0} if parts else {}


def _books(summary: dict[str, Any], folder: Path, at: str) -> tuple[tuple[str, str], ...]:
    """The books that the summary names and the folder holds; a file elsewhere is none of ours."""
    rows = summary.get("books")
    named = [(_text(row.get("csm")), row.get("file")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    safe = re.compile(r"book-[a-z0-9-]{1,80}\.html")
    return tuple(
        (csm or "nobody", f"{at}/{file}")
        for csm, file in named
        if isinstance(file, str) and safe.fullmatch(file) and (folder / file).is_file()
    )
