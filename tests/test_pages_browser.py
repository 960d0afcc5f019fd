"""Every page of a run in a real browser: axe, contrast, keyboard, no request, no error, nothing wider than its window, whole on paper.

Needs Chromium (the system's; `.ci/run` installs it), playwright and axe-playwright-python; skipped with a word without them.
Axe opens executive.html at every width in both themes, the others on a phone in the dark and on a desk in the light. It does not judge
the contrast of words over a gradient, which every table that scrolls has, nor in a picture: `contrast.js` measures both.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from healthlib import palette, parts, report, runner
from healthlib.demo import make_demo
from healthlib.page_audit import interval

WIDTHS = (390, 768, 1280, 1920)
AXE_AT = {(390, "dark"), (1280, "light")}
"""Where axe opens a page; executive.html at every width in both themes."""
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EDGES = {"rgb(255, 255, 255)", *(f"rgb{tuple(bytes.fromhex(tone[1:]))}" for tone in palette.INK["line"])}
"""White edges between bars, and rules: no mark of a picture."""
AXE = {"resultTypes": ["violations"], "runOnly": RULES, "rules": {"target-size": {"enabled": True}}}
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
TALLER = """height => [...document.querySelectorAll('figure, tr, .tile, .note')].filter(e => e.getBoundingClientRect().height > height
  && !(e.tagName === 'TR' && e.closest('table').getAttribute('role') === 'presentation'))
  .map(e => e.tagName + ': ' + e.textContent.slice(0, 40))"""
CLIPPED = """() => [...document.body.querySelectorAll('*')].filter(e => e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1
  && !e.closest('.sr') && getComputedStyle(e).overflowX !== 'visible'
  && e.innerText && e.innerText.trim()).map(e => e.tagName + '.' + e.className)"""


# "auto" is the browser's own ring, which summary.html keeps: a mail has no style sheet
REACHED = """() => { window.met = [];
  addEventListener('focusin', event => { const e = event.target, look = getComputedStyle(e), box = e.getBoundingClientRect();
    const shown = [[.5, .5], [.1, .2], [.9, .8]].some(([x, y]) => {
      const top = document.elementFromPoint(box.left + x * box.width, Math.min(box.top + y * box.height, innerHeight - 2));
      return top && (e.contains(top) || top.contains(e)); });
    met.push([e, e.matches('.skip') || shown,
      look.outlineStyle === 'auto' || (parseFloat(look.outlineWidth) >= 2 && look.outlineStyle !== 'none')]); });
}"""
UNREACHED = """() => { const of = new Map(met.map(([e, ...rest]) => [e, rest]));
  const said = e => e.tagName + ': ' + (e.textContent || e.getAttribute('aria-label') || '').trim().slice(0, 40);
  const all = [...document.querySelectorAll('a[href], button, summary, input, select, [tabindex="0"]')]
    .filter(e => e.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true}));
  return {missed: all.filter(e => !of.has(e)).map(said), hidden: all.filter(e => of.has(e) && !of.get(e)[0]).map(said),
    unmarked: all.filter(e => of.has(e) && !of.get(e)[1]).map(said)};
}"""


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
    parts.check(home / "acme", None, home / "checked")
    kinds = {
        re.sub(r"-.*", "", path.stem): path
        for path in sorted([*home.glob("out/**/*.html"), *home.glob("checked/**/*.html")], reverse=True)
        if "rejected" not in path.parts
    }
    assert left is not None
    assert {"executive", "audit", "weights", "backtest", "index", "book", "summary", "check"} <= set(kinds)
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
                if path.stem == "executive" or (width, theme) in AXE_AT:
                    found = Axe().run(page, options=AXE).response["violations"]
                    if found:
                        broken[f"{at}: axe"] = [(one["id"], one["nodes"][0]["html"][:120]) for one in found]
        if outside := [url for url in heard.requests if not url.startswith(("file:", "data:"))] or heard.errors:
            broken[f"{path.name}: asked or complained"] = outside
        page.close()
    assert broken == {}


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_words_and_marks_stand_out(browser: Any, pages: list[Path], theme: str) -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11: words 4.5:1 (large ones 3:1), marks of a picture 3:1 but for rules, the edges of bars and shades."""
    broken: dict[str, Any] = {}
    for path in pages:
        page = browser.new_page(viewport={"width": 1280, "height": 1600}, color_scheme=theme)
        page.goto(path.as_uri())
        found = page.evaluate(CONTRAST)
        pale = [
            one
            for one in found
            if one[0] < one[1] or (not one[1] and one[0] < 3 and not set(one[3].split(" / ")) <= EDGES and "shade" not in one[3])
        ]
        if pale or not found:
            broken[path.name] = pale[:5]
        page.close()
    assert broken == {}


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_every_control_is_reached_by_tab_and_seen_when_it_is(browser: Any, pages: list[Path], width: int) -> None:
    """WCAG 2.2, 2.1.1, 2.4.7 and 2.4.11: links, headings that sort, filters, folds and boxes that scroll."""
    broken: dict[str, Any] = {}
    for path in pages:
        page = browser.new_page(viewport={"width": width, "height": 900}, reduced_motion="reduce")
        page.goto(path.as_uri())
        page.evaluate(REACHED)
        for _ in range(page.locator('a[href], button, summary, input, select, [tabindex="0"]').count() + 1):
            page.keyboard.press("Tab")
        if any((found := page.evaluate(UNREACHED)).values()):
            broken[path.name] = {kind: (len(which), which[:4]) for kind, which in found.items() if which}
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


NAMES = ["Çelik", "beta", "<script>document.title = 'ran'</script>", *(f"Company {i}" for i in range(9, 0, -1))]
"""Twelve accounts, the first ten shown and two folded away; one is not named in the order of any column."""


@pytest.fixture
def list_page(tmp_path: Path) -> Path:
    """A page with a list of twelve that becomes cards, a table of eight, and one of seven."""
    unknown = float("nan")
    frame = pd.DataFrame(
        {
            "name": NAMES,
            "arr": [5.0, 40.0, 1_000_000.0, *(100.0 * i for i in range(1, 10))],
            "ends": [pd.NaT, *pd.date_range("2026-01-31", periods=11, freq="ME")],
            "band": ["red", "green", "yellow"] * 4,
            "rate": ["9% (5–20%)", "12% (8–19%)", "–", "−2.5k (−3k to −1k)", *["100%"] * 8],
            "score": [50.0, unknown, *[50.0] * 10],
            "range": [f"{i}–{i + 1}" for i in range(12)],
        }
    )
    kinds: report.Columns = {
        "name": ("Account", "text"), "arr": ("ARR", "money EUR"), "ends": ("Renews", "date"),
        "band": ("Band", report.bands(["red", "yellow", "green"])), "rate": ("Rate", interval), "score": ("Score", "points"),
        "range": ("Between", "text"),
    }  # fmt: skip
    body = (
        report.table(frame, kinds, caption="Twelve", layout="cards fold")
        + report.table(frame.head(8), kinds, caption="Eight")
        + report.table(frame.head(7), kinds, caption="Seven")
    )
    page = tmp_path / "list.html"
    page.write_text(report.bare("Lists", body), encoding="utf-8")
    return page


def column(page: Any, place: int, caption: str = "Twelve") -> list[str]:
    """What a reader meets in a column from top to bottom, the folded rows too where the fold is open."""
    rows = page.locator(f".scroll[aria-label^={caption}] tbody tr:visible")
    return [text.strip() for text in rows.evaluate_all("(rows, at) => rows.map(row => row.cells[at].textContent)", place)]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_list_is_sorted_and_filtered_with_the_keyboard(browser: Any, list_page: Path, width: int) -> None:
    """Each column by what it means: numbers, dates, bands, figures before an interval; unknown last either way; ten before the fold."""
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 900})
    heard = Heard(page)
    page.goto(list_page.as_uri())
    heads = page.locator("table.cards").first.locator("thead th")
    assert heads.locator("button").all_inner_texts() == ["Account", "ARR", "Renews", "Band", "Rate", "Score"], "a range has no order"
    assert page.locator(".scroll[aria-label=Eight] thead button").count() == 6
    assert page.locator(".scroll[aria-label=Seven] thead button").count() == 0
    assert page.locator("input").count() == 1

    field = page.locator("input")
    field.focus()
    page.keyboard.press("Tab")  # to the box that scrolls, then to its first heading
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Account"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert heads.nth(1).get_attribute("aria-sort") == "descending"
    assert column(page, 1) == ["€1.00M", *(f"€{i}00" for i in range(9, 0, -1))]
    page.keyboard.press("Enter")
    assert heads.nth(1).get_attribute("aria-sort") == "ascending"
    assert column(page, 1)[:3] == ["€5", "€40", "€100"]
    page.locator("summary").click()
    assert len(column(page, 1)) == 12
    for place, first, last in (
        (2, "31 Jan 2026", "–"),
        (3, "▼ red", "▲ green"),
        (4, "100%", "–"),
        (5, "50", "–"),
        (0, "beta", "Company 9"),
    ):
        heads.nth(place).locator("button").press("Enter")
        assert heads.evaluate_all("heads => heads.filter(head => head.hasAttribute('aria-sort')).length") == 1
        shown = column(page, place)
        assert (shown[0], shown[-1]) == (first, last) or place == 0, place
    assert column(page, 0)[1:4] == ["beta", "Çelik", "Company 1"]
    heads.nth(4).locator("button").press("Enter")
    assert [text.split("5")[0] for text in column(page, 4)[-4:]] == ["12%8–19%", "9%", "−2.", "–"]

    field.fill("celik")
    assert column(page, 0) == ["Çelik"]
    assert page.locator("output").inner_text() == "1 of 12"
    assert not page.locator("details.rest").is_visible()
    field.fill("COMPANY €")
    assert len(column(page, 0)) == 9
    assert Axe().run(page, options=AXE).response["violations"] == []
    assert page.evaluate(OVERFLOW, width) == [0]
    field.press("Escape")
    assert field.input_value() == ""
    assert page.locator("output").inner_text() == "12 rows"
    assert sorted(column(page, 0)) == sorted(NAMES)
    field.fill("celik")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".tools:visible").count() == 0
    assert len(column(page, 0)) >= 10, "paper has no filter to clear"
    assert page.title() == "Lists"
    assert (heard.errors, [url for url in heard.requests if not url.startswith("file:")]) == ([], [])
    page.close()


def test_without_script_a_list_is_whole_and_nothing_on_it_is_dead(browser: Any, list_page: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(list_page.as_uri())
        assert page.locator("button, input, output, select").count() == 0
        assert page.locator(".scroll[aria-label=Twelve] tbody th:visible").all_inner_texts() == NAMES[:10]
        page.locator("summary").click()
        assert page.locator("details.rest tbody th:visible").all_inner_texts() == NAMES[10:]


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>document.title = 'ran'</script>", "<img src=x onerror=\"document.title = 'ran'\">",
        "<a id=out href=\"javascript:document.title = 'ran'\">x</a>", "<script src='data:text/javascript,document.title=1'></script>",
        "<button id=out onclick=\"document.title = 'ran'\">x</button>", "<svg onload=\"document.title = 'ran'\"></svg>",
    ],
)  # fmt: skip
def test_were_a_name_not_escaped_the_policy_would_stop_it(browser: Any, tmp_path: Path, hostile: str) -> None:
    """The wall behind the escaping: markup put into the page as it is runs nothing, while our script runs."""
    frame = pd.DataFrame({"name": NAMES})
    file = tmp_path / "hostile.html"
    file.write_text(report.bare("Safe", report.Piece(hostile) + report.table(frame, caption="Names")), encoding="utf-8")
    page = browser.new_page()
    heard = Heard(page)
    page.goto(file.as_uri())
    if page.locator("#out").count():
        page.locator("#out").click()
    page.wait_for_timeout(100)
    assert page.title() == "Safe"
    assert any("Content Security Policy" in error for error in heard.errors)
    assert page.locator("th button").count() == 1
    page.close()
