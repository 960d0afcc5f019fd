"""The list of runs: newest first, months compared, links that lead somewhere; whatever a folder holds, a sentence and never an error."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from healthlib import page_index, runs
from healthlib.plots_index import trend
from tests.test_report import only_our_script


def summary(accounts: int = 100, arr: float = 5e6, red: float = 1e6, **more: Any) -> dict[str, Any]:
    """What a run writes, as far as the list reads it."""
    rate = {"value": 0.9, "low": 0.85, "high": 0.95, "n": 100, "events": 10}
    lost = {"value": 3e5, "low": 1e5, "high": 6e5, "n": 40, "events": 4}
    return {
        "workspace": "Acme", "currency": "EUR", "scorecard_sha256": "aa", "accounts": {"active": accounts}, "arr": {"total": arr},
        "bands": [{"band": "red", "accounts": 10, "arr": red}, {"band": "green", "accounts": 90, "arr": arr - red}],
        "retention": {"grr_12m": rate, "nrr_12m": rate}, "expected_loss": {"90": {"arr": 2e6, "expected_lost_arr": lost}},
        "weights": {"recommendation": "keep"}, **more,
    }  # fmt: skip


def left(out: Path, shelf: str, day: str, told: Any = None, pages: tuple[str, ...] = ("executive", "audit")) -> Path:
    folder = out / shelf / day
    folder.mkdir(parents=True)
    for page in pages:
        (folder / f"{page}.html").write_text("x")
    if told is not None:
        (folder / "summary.json").write_text(told if isinstance(told, str) else json.dumps(told), encoding="utf-8")
    return folder


def test_months_are_compared_newest_first(tmp_path: Path) -> None:
    left(tmp_path, "acme", "2026-09-30", summary(90, 4e6, 1e6, scorecard_sha256="bb"))
    newest = left(
        tmp_path, "acme", "2026-10-31", summary(books=[{"csm": "Ann", "file": "book-ann.html"}, {"csm": "Eve", "file": "book-eve.html"}])
    )
    (newest / "book-ann.html").write_text("x")
    left(tmp_path, "<b>zeta #1 50%?", "2026-08-31", summary(workspace="<b>Zeta"))
    html = page_index.index(runs.found(tmp_path))
    assert html.index("31 Oct 2026") < html.index("30 Sep 2026") < html.index("31 Aug 2026")
    assert (
        "100 accounts with €5.00M of ARR, 20% of it red; against 30 Sep 2026 +10 accounts, +€1.00M, −&#8288;5.0 points of ARR in red."
        in html
    )
    assert "The scorecard was another then." in html
    assert "scorecard changed" in html
    assert "€300k" in html
    assert "€100k–€600k in 90 days" in html
    assert "<b>zeta" not in html.lower()
    assert "book-ann.html" in html
    assert "book-eve.html" not in html, "it is not there"
    assert html.count('<svg class="mini"') >= 3
    for href in re.findall(r'href="([^"#]+)"', html):
        assert (tmp_path / unquote(unescape(href))).is_file(), href
    only_our_script(html)


def test_workspaces_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """A workspace and its copy that runs from cases call the company the same: a list of two equal headings helps nobody."""
    for shelf in ("demo", "demo_cases"):
        for day in ("2026-09-30", "2026-10-31"):
            left(tmp_path, shelf, day, summary(workspace="Acme Cloud"))
    left(tmp_path, "zeta", "2026-10-31", summary(workspace="Zeta"))
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page_index.index(runs.found(tmp_path)))
    assert sorted(unescape(re.sub(r"<[^>]+>", "", heading)) for heading in headings) == [
        "Acme Cloud, demo",
        "Acme Cloud, demo_cases",
        "Zeta",
    ]


def test_one_run_has_nothing_to_compare_with(tmp_path: Path) -> None:
    left(tmp_path, "acme", "2026-10-31", summary())
    html = page_index.index(runs.found(tmp_path))
    assert "The first run: there is no month to compare with." in html
    assert "mini" not in re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    assert "No run yet" in page_index.index([])


BROKEN: dict[str, Any] = {
    "missing": None,
    "cut off": '{"workspace": "Acme", "arr": {', "empty": "", "a list": "[1, 2]", "a number": "7", "no figures": {}, "null": "null",
    "wrong types": {
        "workspace": 7, "currency": ["EUR"], "accounts": "many", "arr": {"total": "lots"}, "bands": {"red": 1}, "retention": [1],
        "weights": "keep",
        "expected_loss": {"soon": 1, "90": None}, "books": [1, {"csm": {}, "file": 3}, {"csm": "x", "file": "../../etc/passwd"}],
        "scorecard_sha256": 0, "simulated": "yes",
    },
    "not finite": '{"arr": {"total": NaN}, "accounts": {"active": Infinity}, "retention": {"grr_12m": {"value": 1e999}}}',
    "huge": '{"accounts": {"active": ' + "9" * 400 + "}}", "deep": "[" * 100_000, "not text": b"\xff\xfe\x00".decode("latin-1"),
    "an old version": {
        "workspace": "Acme", "accounts": {"active": 5}, "arr": {"total": 10.0},
        "renewals_due": {"90": [{"expected_lost_arr": {"value": 2.0}}]},
    },
    "hostile": summary(workspace="<script>x</script>" * 50, currency="<i>", worst_band='"><img src=x>'),
}  # fmt: skip


@pytest.mark.parametrize("case", list(BROKEN))
def test_whatever_a_folder_holds_the_list_is_made(case: str, tmp_path: Path) -> None:
    left(tmp_path, "acme", "2026-09-30", summary())
    left(tmp_path, "acme", "2026-10-31", BROKEN[case])
    found = runs.found(tmp_path)
    html = page_index.index(found)
    assert len(found) == 2
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.S).lower()
    only_our_script(html)
    assert "<img" not in html
    assert "etc/passwd" not in html
    if case not in ("an old version", "hostile"):
        assert found[0].problem.endswith(".")
        assert found[0].problem.replace("'", "&#x27;") in html


def test_an_old_summary_still_tells_what_may_be_lost(tmp_path: Path) -> None:
    left(tmp_path, "acme", "2026-10-31", BROKEN["an old version"])
    assert runs.found(tmp_path)[0].figures == {"accounts": 5.0, "arr": 10.0, "loss": 2.0, "loss_days": 90.0}


def test_half_deleted_and_hidden_folders(tmp_path: Path) -> None:
    left(tmp_path, "acme", ".new-2026-10-31", summary())
    left(tmp_path, "acme", "2026-08-31", summary(), pages=("audit",))
    left(tmp_path, "acme", "not-a-day", summary(), pages=("executive",))
    folder = left(tmp_path, "acme", "2026-10-31", None, pages=("executive",))
    (folder / "summary.json").mkdir()
    found = runs.found(tmp_path)
    assert [row.as_of for row in found] == ["2026-10-31"]
    assert found[0].problem.startswith("summary.json cannot be read")
    page_index.index(found)


def test_a_line_has_gaps_and_says_so() -> None:
    assert trend([1.0, float("nan"), 3.0], "x").html.count("M") == 2
    assert trend([2.0, 2.0], "flat").html.count("L") == 1
    assert trend([float("nan")] * 3, "x").html == ""
    assert '"&quot;' in trend([1.0, 2.0], '"').html
