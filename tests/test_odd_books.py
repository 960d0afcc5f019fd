"""Small, odd and uniform books: each section of the executive page and of the CSMs' pages degrades with a sentence, never with a nought."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pandas as pd
import pytest

from healthlib import claims_audit, page_books, page_moves, report, store
from healthlib import claims_books as say
from healthlib.claims_counts import counts
from healthlib.page_cells import name_cell
from healthlib.studies import books, next_dates
from healthlib.studies.book import Book
from healthlib.studies.books import own
from healthlib.studies.reconcile import Counts
from tests import small_company
from tests.test_executive import facts_of
from tests.test_followed import made
from tests.test_report import NOTEBOOK, Piece, chromium, run

UNBROKEN = "L" * 300
ODD = ("شركة الرياض للتقنية", "日本株式会社システム", "🚀🔥 👩‍👩‍👧‍👦", UNBROKEN, " \u200b ", "None of them", "é" * 40, "a&b<c>")
NOUGHT = re.compile(
    r"(?<![\w/])(?:nan|None|NaT|inf)(?![\w ])|0 of 0\b|––|Traceback|nothing to show|(?<![\d.,])1 (?:accounts|cases|terms|months|CSMs)\b"
    r"|(?<![\d.,])0 (?:\(0%\) have|accounts? \()|[±−]\W*\$0 (?:left|shrank|lost)"
)
"""What no page says: values that are none, counts of nothing among nothing, a plural of one."""


def odd(case: str) -> Book:
    """A book of one kind, cut from the small company."""
    book = small_company.book({"one account": 1, "five accounts": 5}.get(case, 40))
    rows = book.history
    number = rows["account_id"].str[1:].astype(int)
    fine, poor = {"seats_used": 1.0, "tickets": 0.0, "contact": 0.0}, {"seats_used": 0.0, "tickets": 9.0, "contact": 300.0}
    nothing = {"cases": book.cases.iloc[:0], "leads": book.leads.iloc[:0], "churned": book.churned.iloc[:0]}
    changes: dict[str, dict[str, Any]] = {
        "one account": {},
        "five accounts": {},
        "no segments": {"history": rows.drop(columns="segment")},
        "no owners": {"history": rows.drop(columns="csm")},
        "an owner each": {"history": rows.assign(csm="CSM " + rows["account_id"])},
        "all best": {"history": rows.assign(**fine)},
        "all worst": {"history": rows.assign(**poor)},
        "one month": {"history": rows[rows["as_of"] == book.as_of].reset_index(drop=True), **nothing},
        "no ends": {"history": rows.assign(term_ends=pd.Series(pd.NaT, index=rows.index).astype("datetime64[s]"))},
        "odd names": {"history": rows.assign(name=[ODD[k % len(ODD)] for k in number], csm=[ODD[k % 5] for k in number])},
    }
    return replace(book, **changes[case])


CASES = (
    "one account", "five accounts", "no segments", "no owners", "an owner each", "all best", "all worst", "one month",
    "no ends", "odd names",
)  # fmt: skip


def page_of(book: Book, executive: Any, folder: Path) -> str:
    """The executive notebook's cells over these facts, as HTML."""
    store.save(executive, folder / "executive")
    for name, facts in zip(("followed", "growth", "treatment"), made(book)[1:], strict=True):
        store.save(facts, folder / name)
    space: dict = {}
    html = ""
    for code in [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]:
        given = f"workspace, as_of, facts = 'x', '', {str(folder)!r}" if "parameters" in code.metadata.get("tags", []) else code.source
        value = run(given, space)
        html += value.html if isinstance(value, Piece) else ""
    return html


def sound(html: str, names: tuple[str, ...] = ()) -> None:
    """No value that is none, no count of nothing among nothing, no plural of one, no table without rows, no link to nowhere."""
    alts = " ".join(re.findall(r' alt="([^"]*)"', html))
    text = unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<wbr>", "", html)) + alts)
    for name in names:
        text = text.replace(name, "")
    found = NOUGHT.search(text)
    assert found is None, text[max(found.start() - 90, 0) : found.end() + 60]
    assert "<tbody></tbody>" not in html
    for table in re.findall(r"<tbody[^>]*>(.*?)</tbody>", html, flags=re.S):
        cells = [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", table, flags=re.S)]
        assert not cells or any(cell not in ("", "–", "0", "$0", "±0", "±$0", "0%") for cell in cells), table[:300]
    ids = set(re.findall(r'\bid="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= ids


@pytest.mark.parametrize("case", CASES)
def test_every_page_of_an_odd_book_degrades_with_sentences(case: str, tmp_path: Path) -> None:
    book = odd(case)
    executive = facts_of(book)
    sound(page_of(book, executive, tmp_path), ODD)
    facts = books.books_study(book, executive, SimpleNamespace(anchors={}))  # ty: ignore[invalid-argument-type]
    assert len(facts.owners) == {"no owners": 0, "an owner each": facts.accounts["account_id"].nunique()}.get(case, len(facts.owners))
    for csm in (facts.owners or ("",))[:4]:
        part = own(facts, csm)
        told = (say.opening(part), say.bands(part), say.work(part), say.changed(part), say.renewals(part), say.results(part))
        assert all(words.endswith(".") for words in told), told
        drawn = (page_books.opening, page_books.work, page_books.changed, page_books.renewals, page_books.gaps, page_books.results)
        sound(report.show(*(one(part) for one in drawn)).html + " ".join(told), ODD)


def test_a_score_sorts_as_a_number_not_as_its_band() -> None:
    book = odd("five accounts")
    facts = books.books_study(book, facts_of(book), SimpleNamespace(anchors={}))  # ty: ignore[invalid-argument-type]
    part = own(facts, "Ann")
    shown = page_books.renewals(replace(part, accounts=part.accounts.assign(days_left=30.0))).html
    scores = [float(score) for score in re.findall(r'class="nowrap"><span class="band[^>]*>.*?<data value="([\d.]+)"', shown)]
    assert scores == pytest.approx(
        part.accounts.sort_values(["term_ends", "arr"], ascending=[True, False])["score"].dropna().tolist(), abs=1e-4
    )


def test_rows_that_sum_up_stay_last_however_a_table_is_sorted(tmp_path: Path) -> None:
    """Nine rows and their sum, sorted by the script of a page: the sum is last before and after; it goes while a filter is on."""
    frame = pd.DataFrame({"who": [f"n{k}" for k in range(12)] + ["All"], "n": [*range(12), 66], "whole": [False] * 12 + [True]})
    shown = report.table(frame, {"who": ("Who", "text"), "n": ("N", "count")}, caption="Sums")
    assert re.findall(r"<tbody[^>]*>", shown.html) == ["<tbody>", '<tbody class="whole">']
    page = tmp_path / "page.html"
    page.write_text(report.bare("Sums", shown), encoding="utf-8")
    probe = """<script>window.onload=()=>{document.querySelectorAll("thead button")[1].click()
    const read=()=>[...document.querySelectorAll("tbody:not([hidden]) tr:not([hidden])")].map(r=>r.cells[0].textContent).join(" ")
    const sorted=read(),field=document.querySelector("input");field.value="n1";field.oninput()
    document.body.append("SORTED "+sorted+" FILTERED "+read()+" END")}</script></body>"""
    html = re.sub(r"<meta[^>]*default-src[^>]*>", "", page.read_text(encoding="utf-8")).replace("</body>", probe)
    page.write_text(html, encoding="utf-8")
    try:
        dom = chromium(page, "--dump-dom").stdout
    except (FileNotFoundError, subprocess.SubprocessError):
        pytest.skip("no browser here")
    words = re.search(r"SORTED (n.*?) FILTERED (n.*?) END", dom)
    assert words is not None, dom[-500:]
    assert words[1].split() == [f"n{k}" for k in reversed(range(12))] + ["All"]
    assert sorted(words[2].split()) == ["n1", "n10", "n11"]


def test_the_average_scores_keep_their_sums_last_and_leave_out_bands_that_nobody_was_in() -> None:
    executive = facts_of(odd("all best"))
    html = page_moves.causes(executive).html
    assert html.count("<tr>") == 1 + 2 * 2, "the head, green and all, by accounts and by ARR"
    assert html.index('<tbody class="whole">') > html.index("green")


@pytest.mark.parametrize("text", [UNBROKEN, "日" * 90, "&" * 50])
def test_no_word_pushes_a_table_off_the_page(text: str) -> None:
    """Places to break no farther apart than 30 letters; the text is the same; a name is cut and whole for who points at it."""
    html = report.escape(text)
    assert unescape(re.sub(r"</?bdi>|<wbr>", "", html)) == text
    assert max(len(unescape(part)) for part in re.sub(r"</?bdi>", "", html).split("<wbr>")) <= 30
    assert "wbr" not in report.escape("Twelve ordinary words that are long together and break by themselves")
    assert (f'title="{UNBROKEN}"' in name_cell(text).html) == (text == UNBROKEN)


def test_what_is_due_next_is_the_nearest_of_what_the_exports_date() -> None:
    """A step in 5 days, a term in 200 (read 110 before), an override in 20; b has a term alone in 40; c has nothing."""
    book = small_company.book(5)
    day = book.as_of
    due = pd.DataFrame(
        {"account_id": ["a", "a"], "due_on": [day + pd.Timedelta(days=5), day + pd.Timedelta(days=9)], "what": ["kick_off", "x"]}
    )
    rows = pd.DataFrame(
        {
            "account_id": ["a", "b", "c", "d", "e"],
            "term_ends": [day + pd.Timedelta(days=200), day + pd.Timedelta(days=40), pd.NaT, day + pd.Timedelta(days=200), pd.NaT],
            "override_expires_on": [day + pd.Timedelta(days=20), pd.NaT, pd.NaT, pd.NaT, day + pd.Timedelta(days=20)],
        }
    ).astype({"term_ends": "datetime64[s]", "override_expires_on": "datetime64[s]"})
    known = replace(book, diary=replace(book.diary, due=due))
    assert next_dates.coming(known, rows).tolist() == [
        "Kick off due 5 Nov 2026", "", "", "90 days before renewal, 18 Feb 2027", "Override ends, 20 Nov 2026",
    ]  # fmt: skip
    days, what = next_dates.first(known, rows.set_index("account_id"))
    assert what.tolist() == ["Kick off due", "term ends", "", "90 days before renewal", "override ends"]
    assert days.dropna().dt.day.tolist() == [5, 10, 18, 20]


def test_nothing_lost_is_said_without_noughts() -> None:
    audit: Any = SimpleNamespace(
        n_cases=4, n_lost=0, bands=("red", "green"), kind="renewal", currency="USD", watermelons=pd.DataFrame({"arr": []}),
        false_alarms=pd.DataFrame({"arr": []}), score_bands=pd.DataFrame({"group": ["green"], "cases": [4]}),
    )  # fmt: skip
    assert "0 of 0" not in claims_audit.surprises(audit)
    assert claims_audit.surprises(audit).startswith("No finished case left; none was red")
    fields = dict.fromkeys(Counts.__dataclass_fields__, 0)
    has = Counts(**{**fields, "customers": 5, "active": 5, "accounts": 3, "cases": 9, "before_tests": 9})
    assert "None of the terms was lost, and no account has left." in counts(has, "renewal")
