"""Every page of a run in a real browser: axe, no request, no error, nothing wider than its window, and whole on paper.

Needs Chromium (the system's; `.ci/run` installs it), playwright and axe-playwright-python; skipped with a word without them.
Colours differ by theme and layout by width, so axe runs on a phone in the dark and on a desk in the light, the rest at every width in both.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from healthlib import runner
from healthlib.demo import make_demo

WIDTHS = (390, 768, 1280, 1920)
AXE_AT = {(390, "dark"), (1280, "light")}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAPER = (710, 1028)
"""CSS pixels between the margins of an A4 page: 188 x 272 mm."""
SHEETS = 2
"""Pages that the first screen of executive.html may take in print (issue 8.4)."""
MOST = {"executive": 12, "index": 2}
"""Printed pages of a page at most; others grow with the accounts that they name."""

OVERFLOW = """width => {
  const inside = e => { for (let p = e.parentElement; p; p = p.parentElement)
    if (/auto|scroll|hidden/.test(getComputedStyle(p).overflowX)) return true;
    return false; };
  const wide = [...document.body.querySelectorAll('*')].filter(e => { const box = e.getBoundingClientRect();
    return box.width > 1 && box.right > width + 1 && !inside(e); });
  const most = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - width;
  return [Math.max(0, most), ...wide.slice(0, 3).map(e => e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 40))];
}"""
TALLER = """height => [...document.querySelectorAll('figure, tr, .tile, .note')].filter(e => e.getBoundingClientRect().height > height)
  .map(e => e.tagName + ': ' + e.textContent.slice(0, 40))"""
CLIPPED = """() => [...document.body.querySelectorAll('*')].filter(e => e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1
  && !e.closest('.sr') && getComputedStyle(e).overflowX !== 'visible'
  && e.innerText && e.innerText.trim()).map(e => e.tagName + '.' + e.className)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium on this machine: the pages were not opened in a browser")
    drive = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the pages were not opened in a browser")
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed: the pages were not opened in a browser")
    with drive.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One page of each kind that a run leaves; of pages by CSM the first."""
    home = tmp_path_factory.mktemp("browser")
    make_demo(home / "acme", accounts=40)
    left = runner.run(home / "acme", None, home / "out")
    kinds = {
        re.sub(r"-.*", "", path.stem): path for path in sorted(home.glob("out/**/*.html"), reverse=True) if "rejected" not in path.parts
    }
    assert left is not None
    assert {"executive", "audit", "weights", "backtest", "index"} <= set(kinds)
    return list(kinds.values())


class Heard:
    """What a page asked of the network and complained of."""

    def __init__(self, page: Any):
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.errors.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))


@pytest.mark.slow
def test_no_page_asks_anything_of_the_network_overflows_or_shuts_anybody_out(browser: Any, pages: list[Path]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    broken: dict[str, Any] = {}
    for path in pages:
        page = browser.new_page()
        heard = Heard(page)
        page.goto(path.as_uri())
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                at = f"{path.name} at {width} {theme}"
                over = page.evaluate(OVERFLOW, width)
                if over != [0]:
                    broken[f"{at}: wider than the window"] = over
                if (width, theme) in AXE_AT:
                    found = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": RULES}).response["violations"]
                    if found:
                        broken[f"{at}: axe"] = [(one["id"], one["nodes"][0]["html"][:120]) for one in found]
        if outside := [url for url in heard.requests if not url.startswith(("file:", "data:"))] or heard.errors:
            broken[f"{path.name}: asked or complained"] = outside
        page.close()
    assert broken == {}


@pytest.mark.slow
def test_every_page_is_whole_on_paper(browser: Any, pages: list[Path]) -> None:
    broken: dict[str, Any] = {}
    for path in pages:
        page = browser.new_page(viewport={"width": PAPER[0], "height": PAPER[1]})
        page.goto(path.as_uri())
        page.emulate_media(media="print", color_scheme="light")
        over, taller, clipped = page.evaluate(OVERFLOW, PAPER[0]), page.evaluate(TALLER, PAPER[1]), page.evaluate(CLIPPED)
        if over != [0] or taller or clipped:
            broken[f"{path.name}: cut"] = (over, taller, clipped)
        printed = page.pdf(print_background=True, prefer_css_page_size=True)
        count = len(re.findall(rb"/Type\s*/Page\b(?!s)", printed))
        if not 1 <= count <= MOST.get(path.stem, 60):
            broken[f"{path.name}: pages"] = count
        first = page.query_selector(".screen")
        if first is not None and first.bounding_box()["height"] > SHEETS * PAPER[1]:
            broken[f"{path.name}: the first screen in print, of {SHEETS * PAPER[1]} px"] = first.bounding_box()["height"]
        page.close()
    assert broken == {}


def test_the_checks_find_what_they_are_for(browser: Any, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!DOCTYPE html><html><body style='margin:0'><img src='x.png'><div style='width:900px'>wide</div>"
        "<div style='overflow:hidden;width:60px;white-space:nowrap'>cut off at the end</div>"
        "<table><tr><td style='height:2000px'>tall</table><script>console.error('oh')</script></body></html>"
    )
    page = browser.new_page(viewport={"width": 390, "height": 900})
    heard = Heard(page)
    page.goto(bad.as_uri())
    assert page.evaluate(OVERFLOW, 390)[0] == 510
    assert page.evaluate(CLIPPED) == ["DIV."]
    assert page.evaluate(TALLER, PAPER[1]) == ["TR: tall"]
    assert {"image-alt", "html-has-lang"} <= {one["id"] for one in Axe().run(page, options={"runOnly": RULES}).response["violations"]}
    assert heard.errors
    assert any(url.endswith("x.png") for url in heard.requests)
    page.close()
