"""Pages: whatever text comes in leaves as text, nothing is fetched, and the executed notebook opens in a browser without overflow."""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from healthlib import page_cells, palette, plots, report, store
from healthlib.claims_glossary import MEANINGS
from healthlib.errors import HealthlibError
from healthlib.report import Piece
from tests import small_company
from tests.test_executive import facts_of
from tests.test_followed import made

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "04_executive_report.ipynb"
CONTEXT = {
    "workspace": "A<i>B",
    "as_of": pd.Timestamp("2026-10-31"),
    "data_through": pd.Timestamp("2026-11-02"),
    "simulated": True,
    "accounts": 3,
}


def cell(source: str, *outputs: dict) -> dict:
    made = nbformat.v4.new_code_cell(source, outputs=[nbformat.from_dict(o) for o in outputs])
    made["execution_count"] = 1
    return made


def shown(html: str) -> dict:
    return {"output_type": "display_data", "data": {"text/html": html, "text/plain": "<Piece>"}, "metadata": {}}


def run(source: str, space: dict) -> object:
    """A cell's last expression, as Jupyter shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), space)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), space) if last else None


@pytest.fixture(scope="module")
def executive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The executive notebook's cells run in this process over stored facts, exported as a run does."""
    folder = tmp_path_factory.mktemp("executive")
    book = small_company.book(150)
    store.save(facts_of(book), folder / "executive")
    for name, facts in zip(("followed", "growth", "treatment"), made(book)[1:], strict=True):
        store.save(facts, folder / name)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    space: dict = {}
    for code in [c for c in notebook.cells if c.cell_type == "code"]:
        source = code.source if "parameters" not in code.metadata.get("tags", []) else f"workspace, as_of, facts = 'x', '', {str(folder)!r}"
        value = run(source, space)
        code.outputs = [nbformat.from_dict(shown(value.html))] if isinstance(value, Piece) else []
        code.execution_count = 1
    nbformat.write(notebook, folder / "run.ipynb")
    return report.export(folder / "run.ipynb", folder / "executive.html")


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</td></table>", "a & b", "'\"<"])
def test_every_text_is_escaped(hostile: str) -> None:
    frame = pd.DataFrame({"name": [hostile], "value": [1.0], "low": [0.5], "high": [2.0]})
    about, kinds = CONTEXT | {"workspace": hostile}, {"name": (hostile, "text"), "value": (hostile, "number")}
    pieces = [
        report.claim(hostile), report.lead(hostile), report.text(hostile), report.heading(hostile), report.note(hostile),
        report.bullets([hostile]), report.definitions({hostile: hostile}), report.details(hostile),
        report.tiles([(hostile, hostile, hostile)]),
        report.table(frame, kinds, caption=hostile, layout="cards fold"), report.table(frame.iloc[:0], caption=hostile),
        report.bars(frame, "name", "value", caption=hostile), report.masthead(hostile, context=about),
        report.footer(about, {hostile: hostile}),
        report.bands([hostile, "ok"])(hostile),
    ]  # fmt: skip
    for piece in pieces:
        assert hostile not in piece.html
        tags = re.findall(r"<\s*(\w+)", piece.html)
        assert not {"script", "img"} & set(tags)
        assert not re.search(r"<[^>]*\son\w+\s*=\s*[^\"]*>", re.sub(r'"[^"]*"', '""', piece.html))


def only_our_script(html: str) -> None:
    """The page carries the script of its tables, byte for byte, a policy that lets nothing else run, and no other script."""
    words, digest = report.script()
    assert digest == "sha256-" + base64.b64encode(hashlib.sha256(words.encode()).digest()).decode()
    assert re.findall(r"<script.*?</script\s*>", html, flags=re.S | re.I) == [f"<script>{words}</script>"]
    assert html.lower().count("<script") == 1
    policies = re.findall(r'<meta[^>]*content="(default-src[^"]*)"[^>]*>', html)
    assert policies == [f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{digest}'"]
    assert html.index("default-src") < html.index("<style") < html.index("<script")


def test_names_keep_their_direction_to_themselves() -> None:
    found = report.table(pd.DataFrame({"name": ["\u202eevil"], "n": [1]}), caption="Names")
    assert "<bdi>\u202eevil</bdi>" in found.html


def test_tables_have_headers_captions_and_machine_readable_figures() -> None:
    frame = pd.DataFrame({"band": ["red"], "arr": [1234567.0], "when": [pd.Timestamp("2026-10-05")], "none": [float("nan")]})
    kinds = {
        "band": ("Band", report.bands(["red", "green"])),
        "arr": ("ARR", "money EUR"),
        "when": ("When", "date"),
        "none": ("None", "share"),
    }
    found = report.table(frame, kinds, caption="Bands", n=1).html
    assert found.count('scope="col"') == 4
    assert found.count('scope="row"') == 1
    assert '<data value="1234567">€1.23M</data>' in found
    assert '<data value="2026-10-05">5 Oct 2026</data>' in found
    assert "n = 1" in found
    assert "nan" not in found.lower()
    assert 'tabindex="0"' in found


def test_an_unknown_kind_says_which_there_are() -> None:
    with pytest.raises(HealthlibError, match="known kinds are text, count"):
        report.table(pd.DataFrame({"a": [1]}), {"a": ("A", "euros")}, caption="x")


def test_long_tables_fold() -> None:
    found = report.table(pd.DataFrame({"a": range(30)}), caption="Thirty", layout="fold").html
    assert "Show 20 more rows" in found
    assert found.count("<tr") == 32


def test_a_figure_is_the_same_bytes_each_time_and_shows_its_finding() -> None:
    frame = pd.DataFrame({"move": ["started with", "left", "now"], "accounts": [2, 1, 1], "arr": [100.0, -40.0, 60.0]})
    one, two = (report.figure(plots.arr_bridge(frame, currency="USD"), alt="ARR <fell>").html for _ in range(2))
    assert one == two
    assert 'alt="ARR &lt;fell&gt;"' in one
    svg = base64.b64decode(one.split("base64,")[1].split('"')[0]).decode()
    assert "ARR fell over twelve months" in svg
    assert "prefers-color-scheme:dark" in svg
    assert "$100" in svg  # a dollar sign is not mathematics


def test_bands_of_any_name_have_colour_and_shape() -> None:
    names = ["poor", "fair", "good", "great", "<best>"]
    tones = palette.tones(names)
    assert len({tones[name] for name in names}) == 5
    assert len({palette.GLYPHS[tones[name]] for name in names}) == 5


def test_colours_can_be_read() -> None:
    """WCAG 2.2, 1.4.3: text at 4.5 to 1 on its background, in both schemes; the formula is that of the standard."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for name, pair in (palette.INK | palette.TONES).items():
        for colour, ground in zip(pair, ("#eef1f5", "#232c36"), strict=True):
            low, high = sorted((light(colour), light(ground)))
            assert name == "line" or (high + 0.05) / (low + 0.05) >= (3 if name.startswith("tone") else 4.0), f"{name} {colour} on {ground}"


def test_export_hides_code_and_refuses_a_failed_notebook(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook()
    error = {"output_type": "stream", "name": "stderr", "text": "UserWarning: secret"}
    notebook.cells = [nbformat.v4.new_markdown_cell("# The title\n\nWords."), cell("secret_code = 1", shown("<p>Shown</p>"), error)]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    html = report.export(tmp_path / "a.ipynb", tmp_path / "a.html", context=CONTEXT).read_text(encoding="utf-8")
    assert "secret" not in html
    assert "<p>Shown</p>" in html
    assert html.count("<h1>") == 1
    assert "The title" in html
    assert "Simulated data" in html
    assert "A&lt;i&gt;B" in html
    notebook.cells.append(cell("1/0", {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "x", "traceback": []}))
    nbformat.write(notebook, tmp_path / "b.ipynb")
    with pytest.raises(HealthlibError, match="ZeroDivisionError"):
        report.export(tmp_path / "b.ipynb", tmp_path / "b.html")
    assert not (tmp_path / "b.html").exists()


def test_code_is_folded_away_where_the_notebook_asks_for_it(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(metadata={"healthlib": {"code": "folded"}})
    given, hostile = cell("workspace = '/a/folder'"), cell('said = "</code></pre><script>alert(1)</script>"', shown("<p>Shown</p>"))
    given["metadata"]["tags"] = ["injected-parameters"]
    notebook.cells = [nbformat.v4.new_markdown_cell("# Title"), given, nbformat.v4.new_markdown_cell("## Who & why\n\nWords."), hostile]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    html = report.export(tmp_path / "a.ipynb", tmp_path / "a.html").read_text(encoding="utf-8")
    only_our_script(html)
    shown_part, folded = html.split('<details class="code">')
    assert "said =" not in shown_part
    assert "/a/folder" not in html
    assert "a.ipynb" in folded
    assert re.search(
        r"<h3>Who &amp; why</h3>\s*<pre><code>said = &#?\w+;&lt;/code&gt;&lt;/pre&gt;&lt;script&gt;|said = \"&lt;/code&gt;", folded
    )


def test_notebooks_of_analysts_fold_their_code_and_those_of_readers_have_none() -> None:
    asked = {path.stem: nbformat.read(path, as_version=4).metadata.get("healthlib") for path in (ROOT / "notebooks").glob("*.ipynb")}
    folded = {"code": "folded"}
    assert {name for name, told in asked.items() if told == folded} == {"01_audit", "02_fit_weights", "03_backtest_bands"}


def test_the_executive_page_is_one_inert_file(executive: Path) -> None:
    html = executive.read_text(encoding="utf-8")
    bare = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert "http:" not in bare
    assert "https:" not in bare
    only_our_script(html)
    assert not re.search(r"<(link|iframe|object|embed|form|base)\b", bare, flags=re.I)
    assert not re.search(r"\bsrc=\"(?!data:)|url\(|@import", bare)
    assert bare.count("<h1>") == 1
    assert '<html lang="en">' in bare
    assert '<main id="main">' in bare
    assert "Simulated data." in bare
    assert "Nimbus &lt;b&gt;Cloud&lt;/b&gt;" in bare
    listed = [name for name in small_company.NAMES if escape(name) in bare]
    assert listed, "no account with a hostile name is on the page, so nothing was shown to be inert"
    assert "Nimbus &lt;b&gt;Cloud" in bare
    assert all("alt=" in image for image in re.findall(r"<img[^>]*>", bare))
    assert executive.stat().st_size < 300_000


def test_the_executive_page_names_what_it_was_made_from(executive: Path) -> None:
    html = executive.read_text(encoding="utf-8")
    for needed in ("Data through", "31 Oct 2026", "Scorecard", "abababababab", "Seed", "Versions", "healthlib 0.", "What the figures mean"):
        assert needed in html
    for term in MEANINGS:
        assert term.replace("&", "&amp;") in html


def chromium(page_file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: the page is not opened in a browser")
    profile = page_file.parent / "profile"
    command = [
        found,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        f"--user-data-dir={profile}",
        *options,
    ]
    return subprocess.run([*command, page_file.as_uri()], capture_output=True, text=True, timeout=120, check=True)


MEASURE = "<script>document.title = Math.max(document.documentElement.scrollWidth - innerWidth, 0) + ' ' + innerWidth</script>"


@pytest.mark.slow
@pytest.mark.parametrize("width", [500, 768, 1280])
def test_the_page_opens_without_sideways_overflow(executive: Path, tmp_path: Path, width: int) -> None:
    """A copy without the policy and with a ruler in it. Headless Chromium opens no window narrower than 500 px: 390 is a frame, below."""
    html = re.sub(r"<meta[^>]*http-equiv[^>]*>", "", executive.read_text(encoding="utf-8"))
    copy = tmp_path / "copy.html"
    copy.write_text(html.replace("</body>", MEASURE + "</body>"), encoding="utf-8")
    told = re.search(r"<title>(\d+) (\d+)</title>", chromium(copy, f"--window-size={width},1000", "--dump-dom").stdout)
    assert told is not None
    assert told.group(1) == "0"


@pytest.mark.slow
def test_a_phone_shows_the_page_without_overflow(executive: Path, tmp_path: Path) -> None:
    html = re.sub(r"<meta[^>]*http-equiv[^>]*>", "", executive.read_text(encoding="utf-8"))
    ruler = "<script>addEventListener('load', () => parent.postMessage(document.documentElement.scrollWidth - innerWidth, '*'))</script>"
    (tmp_path / "inner.html").write_text(html.replace("</body>", ruler + "</body>"), encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<title>waiting</title><script>addEventListener('message', e => { document.title = 'over ' + e.data })</script>"
        '<iframe src="inner.html" width="390" height="844" style="border:0"></iframe>',
        encoding="utf-8",
    )
    found = chromium(outer, "--window-size=800,1000", "--virtual-time-budget=5000", "--dump-dom").stdout
    told = re.search(r"<title>over (-?\d+)</title>", found)
    assert told is not None
    assert int(told.group(1)) <= 0


@pytest.mark.slow
def test_the_page_prints(executive: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "page.pdf"
    chromium(executive, f"--print-to-pdf={pdf}", "--no-pdf-header-footer")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
    assert 1 <= pages <= 8


def test_pieces_show_in_jupyterlab() -> None:
    assert (report.claim("a") + report.claim("b"))._repr_html_() == report.show(report.claim("a"), report.claim("b")).html
    assert page_cells.as_is(float("nan")).html == "–"
