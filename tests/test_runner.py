"""End to end on a small simulated company: all files of the contract, the same bytes twice, and nothing lost when a notebook fails."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
import pytest

from healthlib import artifacts, catalogue, execution, publish, runner, status, studies, workers
from healthlib.book_files import book_file, owner
from healthlib.demo import make_demo
from healthlib.studies import book as book_module
from healthlib.wording import money
from tests.test_report import only_our_script
from tests.test_same_bytes import languages

ROOT = Path(__file__).parents[1]
AS_OF = "2026-10-31"
FACTS = Path(__file__).parent / "facts" / "acme.json"
PAGES = ("audit", "weights", "backtest", "executive")
TABLES = {
    "weights.csv": artifacts.WEIGHTS,
    "contest.csv": artifacts.CONTEST,
    "scales.csv": artifacts.SCALES,
    "scales_weights.csv": artifacts.SCALES_WEIGHTS,
    "lead_time.csv": artifacts.LEAD_TIME,
    "backtest.csv": artifacts.BACKTEST,
    "thresholds.csv": artifacts.THRESHOLDS,
    "alerts.csv": artifacts.ALERTS,
    "named_accounts.csv": artifacts.NAMED,
}


@dataclass
class Done:
    """One finished run, with the facts it computed, so that other tests need not compute them again."""

    workspace: Path
    out: Path
    folder: Path
    told: list[tuple[str, int, int]]
    facts: dict[str, Any]
    book: Any


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    home = tmp_path_factory.mktemp("river")
    make_demo(home / "acme", accounts=120)
    told: list[tuple[str, int, int]] = []
    facts: dict[str, Any] = {}
    books: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        compute, open_book = studies.compute, book_module.open_book
        patch.setattr(workers, "how_many", lambda: 1)
        patch.setattr(studies, "compute", lambda name, book, done: facts.setdefault(name, compute(name, book, done)))
        patch.setattr(book_module, "open_book", lambda *given, **more: books.append(open_book(*given, **more)) or books[-1])
        left = runner.run(home / "acme", None, home / "out", tell=lambda *said: told.append(said))
    assert left.as_of == AS_OF
    return Done(home / "acme", home / "out", left.folder, told, facts, books[0])


def again(done: Done, patch: pytest.MonkeyPatch) -> None:
    """Let the next run find its facts computed."""
    patch.setattr(workers, "how_many", lambda: 1)
    patch.setattr(studies, "compute", lambda name, book, before: done.facts[name])
    patch.setattr(book_module, "open_book", lambda *given, **more: done.book)


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in (".lock", status.FILE))
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_the_scorecard_of_a_run_is_kept_word_for_word(done: Done) -> None:
    kept = (done.folder / "scorecard.yaml").read_bytes()
    assert kept == (done.workspace / "scorecard.yaml").read_bytes()
    assert hashlib.sha256(kept).hexdigest() == json.loads((done.folder / "manifest.json").read_text())["scorecard_sha256"]


def test_a_run_leaves_the_files_of_the_contract_and_no_others(done: Done) -> None:
    """PRODUCT.md section 4. The demo plants unusable rows in usage, tickets and surveys."""
    expected = {
        *TABLES,
        "growth.csv",
        "alerts.json",
        "scores.csv",
        "summary.json",
        "summary.html",
        "manifest.json",
        "scorecard.yaml",
        "inputs.parquet",
    }
    expected |= {"red_list.csv", "saves.csv", "playbooks.csv", "csm_load.csv", "power_users.csv"}
    expected |= {book_file(name) for name in done.facts["books"].owners}
    expected |= {f"{page}.{kind}" for page in PAGES for kind in ("html", "ipynb")}
    found = set(contents(done.folder))
    assert {name for name in found if not name.startswith("rejected/")} == expected
    assert {"rejected/usage.csv", "rejected/tickets.csv"} <= found
    assert done.folder == done.out / "acme" / AS_OF
    assert sorted(p.name for p in done.out.iterdir()) == ["acme", "index.html"]
    assert sorted(p.name for p in done.folder.parent.iterdir()) == [".lock", AS_OF, status.FILE]


def test_tables_have_the_columns_of_the_contract(done: Done) -> None:
    for name, columns in TABLES.items():
        with (done.folder / name).open(encoding="utf-8", newline="") as file:
            assert tuple(next(csv.reader(file))) == columns, name
    with (done.folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0])[: len(artifacts.SCORES)] == artifacts.SCORES
    ours = len(artifacts.SCORES_LAST)  # what the contract does not name comes after what it does
    assert tuple(rows[0])[-ours - 2 :] == ("top_drivers", "playbook", *artifacts.SCORES_LAST)
    for row in (row for row in rows if row["score"]):
        points = sum(float(v or 0) for k, v in row.items() if k.startswith("points:"))
        assert points == pytest.approx(float(row["score"]), abs=1e-4), row["account_id"]


def test_the_summary_says_what_the_tables_say(done: Done) -> None:
    summary = json.loads((done.folder / "summary.json").read_text())
    with (done.folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert summary["as_of"] == AS_OF
    assert summary["simulated"] is True
    assert summary["accounts"]["active"] == len(rows)
    assert summary["arr"]["total"] == pytest.approx(sum(float(row["arr"]) for row in rows))
    assert {b["band"]: b["accounts"] for b in summary["bands"] if b["accounts"] and b["band"] != "all"} == {
        band: sum(row["band"] == band for row in rows) for band in {row["band"] for row in rows}
    }
    keys = (
        "workspace data_through scorecard_sha256 warnings retention renewals_due tables readiness outcomes leaks weights backtest forecast"
    )
    assert set(keys.split()) <= set(summary)
    assert summary["weights"]["recommendation"] in ("adopt", "keep", "insufficient_evidence")


def differences(one: Any, two: Any, where: str = "") -> list[str]:
    """Where two nests of JSON differ; numbers may by a ten-thousandth, which is what machines make of the same sum."""
    if isinstance(one, dict) and isinstance(two, dict):
        return [
            said
            for name in sorted(one.keys() | two.keys())
            for said in (
                differences(one[name], two[name], f"{where}.{name}") if name in one and name in two else [f"{where}.{name}: in one only"]
            )
        ]
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        return [said for at, pair in enumerate(zip(one, two, strict=True)) for said in differences(*pair, f"{where}[{at}]")]
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (one, two))
    same = one == pytest.approx(two, rel=1e-4, abs=1e-5) if numbers else one == two
    return [] if same else [f"{where}: {one!r} is now {two!r}"]


def test_the_facts_are_those_written_down(done: Done) -> None:
    """Every figure of the report, as text that a reviewer reads: a change of code that moves one shows here, and says which.

    After a change that is meant: ``WRITE_FACTS=1 pytest tests/test_runner.py -k written_down``, and a line in CHANGELOG.md.
    """
    found = json.loads((done.folder / "summary.json").read_text(encoding="utf-8"))
    if os.environ.get("WRITE_FACTS"):
        FACTS.parent.mkdir(exist_ok=True)
        FACTS.write_text(json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert differences(json.loads(FACTS.read_text(encoding="utf-8")), found) == []
    assert differences({"a": [1.0, "x"]}, {"a": [1.01, "x"], "b": 0}) == [".a[0]: 1.0 is now 1.01", ".b: in one only"]


def test_the_manifest_lets_the_run_be_made_again(done: Done) -> None:
    manifest = json.loads((done.folder / "manifest.json").read_text())
    usage = next(row for row in manifest["inputs"] if row["table"] == "usage")
    assert usage["sha256"] == artifacts.sha256(done.workspace / "usage.csv.gz")
    assert usage["rows_in"] == usage["rows_used"] + usage["rows_rejected"]
    assert manifest["scorecard_sha256"] == artifacts.sha256(done.workspace / "scorecard.yaml")
    assert manifest["catalogue_sha256"] == catalogue.sha256()
    assert manifest["workspace_sha256"] == artifacts.sha256(done.workspace / "workspace.yaml")
    assert {"healthlib", "pandas", "duckdb"} <= set(manifest["versions"])
    assert manifest["seconds"]["study fit"] > 0


def test_progress_names_every_step_once(done: Done) -> None:
    steps = 3 + len(studies.STUDIES) + len(runner.NOTEBOOKS)
    assert [said[1] for said in done.told] == list(range(steps))
    assert {said[2] for said in done.told} == {steps}
    assert done.told[0][0] == "open the workspace"


def test_pages_are_whole_offline_and_inert(done: Done) -> None:
    for page in PAGES:
        text = (done.folder / f"{page}.html").read_text(encoding="utf-8")
        only_our_script(text)
        assert "imulated" in text, page
        assert "Traceback" not in text, page
        assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//[^"')]*""", text) == [], page
    assert f'href="acme/{AS_OF}/executive.html"' in (done.out / "index.html").read_text(encoding="utf-8")


def test_every_link_of_every_page_leads_somewhere(done: Done) -> None:
    """Between the pages of a run, into sections of the audit, and from the list of runs."""
    ids: dict[Path, set[str]] = {}
    pages = [*done.folder.glob("*.html"), done.out / "index.html"]
    assert len([page for page in pages if page.name.startswith("book-")]) == len(done.facts["books"].owners) > 3
    for page in pages:
        for href in re.findall(r'href="([^"]+)"', page.read_text(encoding="utf-8")):
            file, _, fragment = unescape(href).partition("#")
            target = page.parent / unquote(file) if file else page
            assert target.is_file(), f"{page.name}: {href}"
            if fragment:
                found = ids.setdefault(target, set(re.findall(r' id="([^"]+)"', target.read_text(encoding="utf-8"))))
                assert fragment in found, f"{page.name}: {href}"
    executive = (done.folder / "executive.html").read_text(encoding="utf-8")
    assert re.search(r'href="book-[a-z-]+\.html"', executive)


def test_books_are_re_added_from_the_files_of_the_run(done: Done) -> None:
    """summary.json's `books` against scores.csv and today's owners in accounts.csv, joined by hand."""
    with (done.folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        arr = {row["account_id"]: float(row["arr"]) for row in csv.DictReader(file)}
    history = done.book.history
    csm = history[history["as_of"] == done.book.as_of].set_index("account_id")["csm"].to_dict()
    told = json.loads((done.folder / "summary.json").read_text())["books"]
    for line in told:
        mine = [arr[account] for account in arr if owner(csm[account]) == line["csm"]]
        assert (line["accounts"], line["arr"]) == (len(mine), pytest.approx(sum(mine)))
        page = (done.folder / line["file"]).read_text(encoding="utf-8")
        assert f'<span class="figure">{len(mine)}</span>' in page
        assert f'<span class="figure">{money(sum(mine))}</span>' in page
    assert sum(line["accounts"] for line in told) == len(arr)


def test_no_books_leaves_no_link_to_any(done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(done, monkeypatch)
    left = runner.run(done.workspace, None, tmp_path, books=False)
    assert list(left.folder.glob("book-*")) == []
    assert 'href="book-' not in (left.folder / "executive.html").read_text(encoding="utf-8")
    assert "books" not in json.loads((left.folder / "summary.json").read_text())


def test_executed_notebooks_ran_every_cell_and_carry_no_time_and_no_path(done: Done) -> None:
    for page in PAGES:
        notebook = nbformat.read(done.folder / f"{page}.ipynb", as_version=4)
        assert execution.unproven(notebook) == ""
        text = (done.folder / f"{page}.ipynb").read_text(encoding="utf-8")
        assert str(done.workspace.parent) not in text
        assert "start_time" not in text


def test_the_same_inputs_give_the_same_bytes_in_another_time_zone_language_folder_and_hash_order(done: Done, tmp_path: Path) -> None:
    """With as many workers as there are processors, where `done` had none; each strangeness alone: `test_same_bytes.py`."""
    spoken, there, out = languages(tmp_path), tmp_path / "Büro 2" / "acme", tmp_path / "out"
    shutil.copytree(done.workspace, there)
    code = "import sys; from healthlib import runner; runner.run(sys.argv[1], None, sys.argv[2])"
    odd = {**os.environ, **spoken, "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    odd["LC_ALL"] = "de_DE.ISO-8859-1" if spoken else "C"
    subprocess.run([sys.executable, "-c", code, str(there), str(out)], cwd=there, env=odd, check=True)
    one, two = contents(done.out), contents(out)
    manifest = f"acme/{AS_OF}/manifest.json"
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] in ([], [manifest])


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("raise ValueError('no such column')", r"03_backtest_bands.*no such column.*backtest\.failed\.ipynb"),
        ("import os; os._exit(3)", "03_backtest_bands.*kernel died"),
    ],
)
def test_a_failed_notebook_leaves_the_last_good_folder(
    fault: str, says: str, done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(done, monkeypatch)
    for name in runner.NOTEBOOKS.values():
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        notebook.cells = code[:1]
        if name == "03_backtest_bands":
            code[1].source = fault
            notebook.cells = code[:2]
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    before = contents(done.out)
    with pytest.raises(execution.NotebookError, match=says):
        runner.run(done.workspace, None, done.out, notebooks=tmp_path)
    after = contents(done.out)
    marked = {name: after.pop(name) for name in list(after) if name.endswith(".failed.ipynb")}
    assert after == before
    notebook = nbformat.reads(marked["acme/backtest.failed.ipynb"].decode(), as_version=4)
    errors = [output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert ["no such column" in output.evalue or "kernel died" in output.evalue for output in errors] == [True]
    assert "An Exception was encountered at" in notebook.cells[0].source
    told = status.read(done.folder.parent)
    assert told is not None
    assert (told["state"], told["exit_code"], told["folder"], told["last_good"]["as_of"]) == ("failed", 1, None, AS_OF)
    assert re.search(rf"(?s){says}.*", told["message"])
    assert "\n" not in told["message"]
    for name in marked:
        (done.out / name).unlink()


def test_a_second_run_hears_who_holds_the_lock(done: Done) -> None:
    with publish.lock(done.folder.parent), pytest.raises(publish.LockError, match=f"process {os.getpid()} on"):
        runner.run(done.workspace, None, done.out)


def test_a_notebook_without_our_parameters_is_refused_before_any_work(done: Done, tmp_path: Path) -> None:
    for name in runner.NOTEBOOKS.values():
        text = (ROOT / "notebooks" / f"{name}.ipynb").read_text()
        (tmp_path / f"{name}.ipynb").write_text(text.replace("as_of = ", "asof = ") if name.startswith("02") else text)
    with pytest.raises(execution.ParameterError, match="Did you mean 'asof'"):
        runner.run(done.workspace, None, done.out, notebooks=tmp_path)
