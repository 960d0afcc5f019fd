"""One book per CSM: every account in one, figures equal to scores.csv re-added, the order by brute force, names that harm nothing."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from healthlib import artifacts, page_books, report, store
from healthlib import claims_books as say
from healthlib.book_files import NOBODY, book_file, owner
from healthlib.spec import Measure, Metric, Scorecard
from healthlib.studies import book_changes, book_gaps, book_results, book_work, books
from healthlib.studies.book import Book
from healthlib.studies.book_work import order
from healthlib.studies.books import BooksFacts, own
from healthlib.studies.executive_facts import ExecutiveFacts
from tests import small_company
from tests.test_executive import facts_of
from tests.test_report import Piece, only_our_script, run

ROOT = Path(__file__).parents[1]
DAY, MONTH = small_company.AS_OF, pd.Timestamp("2026-09-30")
HOSTILE = (
    "../../etc/passwd", "<script>alert(1)</script>", "con", "a" * 400, "Ann", "ANN", "ann", "Ann ", "Ann  Lee", "Ann Lee", "ann-lee",
    "Ann-Lee", "شركة", "日本", "🚀", "", "\u202eevil", "a/b", "a\\b", "a\0b", ".", "..", "Ann Lee  88d31ff29a3f", "=cmd()",
    "'\"&",
)  # fmt: skip


def books_of(book: Book, executive: ExecutiveFacts, anchors: dict[str, str] | None = None) -> BooksFacts:
    accounts: Any = SimpleNamespace(anchors=anchors or {})
    return books.books_study(book, executive, accounts)


@pytest.fixture(scope="module")
def company() -> tuple[Book, ExecutiveFacts, BooksFacts]:
    """The small company with hostile owners; every ninth account has none, and Bob's went to Ann in the last month."""
    made = small_company.book(120)
    rows = made.history.copy()
    place = rows["account_id"].str[1:].astype(int)
    rows["csm"] = rows["csm"].mask(place % 9 == 0, "unassigned").mask(place % 9 == 1, "<script>alert(2)</script>")
    rows.loc[(rows["csm"] == "Bob") & (place % 2 == 0) & (rows["as_of"] == DAY), "csm"] = "Ann"
    made = replace(made, history=rows)
    executive = facts_of(made)
    return made, executive, books_of(made, executive, {"a005": "account-a005"})


def test_files_are_safe_and_no_two_people_share_one_on_any_file_system() -> None:
    names = {owner(name) for name in HOSTILE}
    files = {name: book_file(name) for name in names}
    assert len({file.casefold() for file in files.values()}) == len(names)
    for file in files.values():
        assert re.fullmatch(r"book-[a-z0-9-]{1,70}\.html", file), file
        assert Path("folder", file).resolve().parent == Path("folder").resolve()
    assert {book_file(name) for name in (*NOBODY, None, float("nan"), " Unassigned ")} == {"book-nobody.html"}
    assert book_file("Greta Lind") == "book-greta-lind.html"


def test_every_account_is_in_one_book_and_the_figures_are_scores_re_added(
    company: tuple[Book, ExecutiveFacts, BooksFacts], tmp_path: Path
) -> None:
    """scores.csv as written, joined to the owners by hand, against by_band, the summary's `books`, and the page."""
    book, executive, facts = company
    artifacts.write_csv(executive.scores, tmp_path / "scores.csv", artifacts.scores_columns(executive.scores))
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    whose = {row["account_id"]: owner(row["csm"]) for row in book.history[book.history["as_of"] == DAY].to_dict("records")}
    assert facts.owners == ("<script>alert(2)</script>", "Ann", "Bob", "Çelik", "")
    assert sum(line["accounts"] for line in books.listed(facts)) == len(rows)
    for line in books.listed(facts):
        mine = [row for row in rows if whose[row["account_id"]] == line["csm"]]
        assert (line["accounts"], line["arr"]) == (len(mine), pytest.approx(sum(float(row["arr"]) for row in mine)))
        part = own(facts, line["csm"])
        html = page_books.opening(part).html
        for band in part.by_band.to_dict("records"):
            there = [float(row["arr"]) for row in mine if row["band"] == band["band"]]
            assert (band["accounts"], band["arr"]) == (len(there), pytest.approx(sum(there)))
            assert f'<data value="{report.machine(band["arr"])}">' in html
        due = {row["days"]: row for row in part.due.to_dict("records")}
        for days in (90, 180):
            ends = [row for row in mine if 0 < (pd.Timestamp(row["term_ends"]) - DAY).days <= days]
            assert (due[days]["accounts"], due[days]["arr"]) == (len(ends), pytest.approx(sum(float(row["arr"]) for row in ends)))
            lost = sum(float(row["arr"]) * (1 - float(row["renewal_probability"])) for row in ends if row["renewal_probability"])
            if ends and all(row["renewal_probability"] for row in ends):
                assert due[days]["expected_lost"] == pytest.approx(lost, rel=1e-4)
                assert due[days]["low"] <= due[days]["expected_lost"] <= due[days]["high"]


def test_the_books_add_up_to_the_executive_page(company: tuple[Book, ExecutiveFacts, BooksFacts]) -> None:
    _, executive, facts = company
    names = ["accounts", "arr", "accounts_before", "arr_before"]
    both = facts.by_band.groupby("band")[names].sum().loc[executive.by_band["band"]]
    np.testing.assert_allclose(both, executive.by_band[names])
    assert facts.accounts["account_id"].is_unique


def test_the_order_is_what_is_lost_a_day_by_brute_force(company: tuple[Book, ExecutiveFacts, BooksFacts]) -> None:
    _, _, facts = company
    rows = facts.accounts.dropna(subset=["place"]).sort_values("place")
    assert len(rows) > 20
    rates = [r["arr"] * r["loss"] / max(r["days_left"], 30) for r in rows.dropna(subset=["loss"]).to_dict("records")]
    assert all(one >= two for one, two in pairwise(rates))
    off = facts.accounts[facts.accounts["place"].isna()]
    assert set(off["band"]) <= {"green", "unscored"}
    assert (off["alert"] == "").all()


def test_without_chances_the_worse_band_comes_first() -> None:
    rows = pd.DataFrame({
        "arr": [10.0, 500.0, 400.0, 1.0], "loss": np.nan, "days_left": [100.0, 100.0, 50.0, np.nan],
        "band": ["red", "yellow", "yellow", "green"], "alert": ["", "", "", "gone quiet"],
    }, index=list("abcd"))  # fmt: skip
    assert order(rows, ("red", "yellow", "green", "unscored"), 365).tolist() == [0, 2, 1, 3]


def test_moves_of_six_accounts_by_hand() -> None:
    """f fell, r rose, n is new, t was Bob's and is Ann's, l left, s stayed as it was."""
    now = pd.DataFrame({
        "account_id": list("frnts"), "name": list("FRNTS"), "csm": ["Ann"] * 5, "csm_before": ["Ann", "Ann", None, "Bob", "Ann"],
        "arr": [5.0, 4.0, 3.0, 2.0, 1.0], "band": ["red", "green", "red", "red", "red"],
        "previous_band": ["green", "red", None, "red", "red"],
        "score": 1.0, "change": 0.0, "anchor": "",
    })  # fmt: skip
    before = pd.DataFrame(
        {"account_id": list("frtsl"), "csm": ["Ann", "Ann", "Bob", "Ann", "Ann"], "arr": 9.0, "band": "green", "score": 80.0},
        index=list("frtsl"),
    )
    found = book_changes.moves(now, before, ("red", "green", "unscored"), pd.DataFrame({"account_id": ["l"], "ended_on": [DAY]}))
    told = [(row["csm"], row["account_id"], row["kind"], row["with"]) for row in found.to_dict("records")]
    assert told == [
        ("Ann", "l", "left", ""), ("Ann", "f", "fell", ""), ("Bob", "t", "handed over", "Ann"), ("Ann", "t", "taken over", "Bob"),
        ("Ann", "n", "new", ""), ("Ann", "r", "rose", ""),
    ]  # fmt: skip
    assert book_changes.moves(now, before.iloc[:0], ("red", "green", "unscored"), found).empty


def rated(book: Book) -> Book:
    """Four accounts, a rating that goes stale after 90 days, a count without one."""
    metrics = [
        Metric(
            name="rating", group="g", label="Rating", table="ratings", measure=Measure(kind="last", of="rating"), stale_after_days=90,
            worst=1, best=5, weight=15,
        ),
        Metric(name="seats", group="g", label="Seats", table="usage", measure=Measure(kind="count"), worst=0, best=10, weight=85),
    ]  # fmt: skip
    card = Scorecard(groups=("g",), metrics={m.name: m for m in metrics}, bands=small_company.scorecard().bands)
    days = pd.to_datetime(["2026-10-01", "2026-08-10", "2026-01-01"]).astype("datetime64[s]")
    return replace(book, scorecard=card, dated=pd.DataFrame({"account_id": list("abc"), "metric": "rating", "day": days}))


def test_gaps_are_told_apart_by_hand() -> None:
    """a rated 30 days ago: fine; b 82 days ago: stale in 8; c 303 days ago: stale; d never, and without use."""
    rows = pd.DataFrame({
        "account_id": list("abcd"), "csm": "Ann", "arr": [4.0, 3.0, 2.0, 1.0], "rating": [3.0, 3.0, np.nan, np.nan],
        "seats": [1.0, 1.0, 1.0, np.nan],
    }, index=list("abcd"))  # fmt: skip
    found = book_gaps.gaps(rated(small_company.book(5)), rows)
    told = [(row["account_id"], row["metric"], row["state"]) for row in found.to_dict("records")]
    assert told == [("b", "rating", "soon"), ("c", "rating", "stale"), ("d", "rating", "missing"), ("d", "seats", "missing")]
    assert found["share"].tolist() == pytest.approx([0.15, 0.15, 0.15, 0.85])


def test_a_rating_that_contradicts_the_score_is_asked_about() -> None:
    book = rated(small_company.book(5))
    rows = pd.DataFrame({
        "account_id": list("abc"), "csm": "Ann", "arr": [1.0, 2.0, 3.0], "rating": [5.0, 3.0, 5.0], "seats": 1.0,
        "score": [20.0, 20.0, 20.0],
        "measured_score": [20.0, 20.0, 20.0], "band": "red", "override": [np.nan, np.nan, 20.0],
    }, index=list("abc"))  # fmt: skip
    found = book_changes.asked(book.scorecard, rows)
    assert [(row["account_id"], row["points"]) for row in found.to_dict("records")] == [("a", 100.0)]


def test_saves_and_losses_belong_to_the_csm_of_the_time(company: tuple[Book, ExecutiveFacts, BooksFacts]) -> None:
    book, _, facts = company
    year = book.churned[book.churned["ended_on"] > DAY - pd.DateOffset(months=12)]
    left = facts.results[facts.results["kind"] == "left"]
    assert sorted(left["account_id"]) == sorted(year["account_id"].unique())
    for row in left.to_dict("records"):
        last = book.history[(book.history["account_id"] == row["account_id"]) & (book.history["as_of"] <= row["on"])].iloc[-1]
        assert row["csm"] == owner(last["csm"])
    stayed = facts.results[facts.results["kind"] == "stayed"]
    assert set(stayed["band"]) <= {"red"}
    assert set(stayed["account_id"]) <= set(facts.accounts["account_id"])
    cases = book.cases.set_index(["account_id", "as_of"])["lost"]
    assert all(cases[row["account_id"], row["read_on"]] == 0 for row in stayed.to_dict("records"))


def test_last_contact_and_running_playbooks_are_what_the_book_knows(company: tuple[Book, ExecutiveFacts, BooksFacts]) -> None:
    book, executive, _ = company
    ids = pd.Index(["a001", "a002"])
    silences = pd.DataFrame({"account_id": ["a001", "a002"], "as_of": DAY, "contact_days": [12.0, 90.0], "usage_days": np.nan})
    plays = pd.DataFrame({
        "account_id": ["a001", "a001"], "starts": pd.to_datetime(["2026-10-03", "2026-01-01"]).astype("datetime64[s]"),
        "ends": pd.to_datetime([None, "2026-02-01"]).astype("datetime64[s]"), "playbook": ["call", "old"],
    })  # fmt: skip
    months = pd.DataFrame({"account_id": ["a001"], "month": DAY, "kind": "contact", "what": "", "n": 1})
    known = replace(book, silences=silences, diary=replace(book.diary, plays=plays, months=months))
    assert book_work._last_contact(known, ids).tolist()[0] == pd.Timestamp("2026-10-19")
    assert book_work._last_contact(known, ids).isna().tolist() == [False, True], "never met: no day is made up"
    assert book_work._running(known, ids).tolist() == ["call since 3 Oct", ""]
    assert len(executive.scores)


@pytest.fixture(scope="module")
def pages(company: tuple[Book, ExecutiveFacts, BooksFacts], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The notebook's cells run in this process for every CSM, over stored facts, exported as a run does."""
    folder = tmp_path_factory.mktemp("books")
    store.save(company[2], folder / "books")
    made = {}
    for name in company[2].owners:
        notebook = nbformat.read(ROOT / "notebooks" / "05_book.ipynb", as_version=4)
        space: dict = {}
        for code in [c for c in notebook.cells if c.cell_type == "code"]:
            given = f"workspace, as_of, facts, csm = 'x', '', {str(folder)!r}, {name!r}"
            value = run(given if "parameters" in code.metadata.get("tags", []) else code.source, space)
            shown = {"output_type": "display_data", "data": {"text/html": value.html}, "metadata": {}} if isinstance(value, Piece) else None
            code.outputs = [nbformat.from_dict(shown)] if shown else []
            code.execution_count = 1
        nbformat.write(notebook, folder / "run.ipynb")
        made[name] = report.export(folder / "run.ipynb", folder / book_file(name))
    return made


def test_the_pages_are_whole_and_inert(pages: dict[str, Path]) -> None:
    for name, page in pages.items():
        text = page.read_text(encoding="utf-8")
        only_our_script(text)
        assert "<b>now</b>" not in text
        assert ">nan" not in text.lower()
        assert "NaT" not in text
        assert text.count("<h1>") == 1
        assert "accuracy" not in text.lower()
        assert ("without a CSM" if not name else report.escape(f"The book of {name}")[5:-6]) in text
        assert page.stat().st_size < 150_000
    assert 'href="audit.html#account-a005"' in "".join(page.read_text(encoding="utf-8") for page in pages.values())


def test_no_page_names_an_account_of_another(company: tuple[Book, ExecutiveFacts, BooksFacts], pages: dict[str, Path]) -> None:
    _, _, facts = company
    ann = pages["Ann"].read_text(encoding="utf-8")
    mine = set(facts.accounts.loc[facts.accounts["csm"] == "Ann", "name"])
    gone = {*facts.moves.loc[facts.moves["csm"] == "Ann", "name"], *facts.results.loc[facts.results["csm"] == "Ann", "name"]}
    others = {name for name in facts.accounts["name"] if name.startswith("Company")} - mine - gone
    assert others
    assert [name for name in others if f"<bdi>{name}</bdi>" in ann] == []


def emptied(book: Book, case: str) -> Book:
    last = book.history["as_of"] == book.as_of
    nothing = {"cases": book.cases.iloc[:0], "leads": book.leads.iloc[:0], "churned": book.churned.iloc[:0]}
    changes: dict[str, dict[str, Any]] = {
        "no history": {"history": book.history[last].reset_index(drop=True), "ledger": book.ledger[book.ledger["month"] == DAY], **nothing},
        "no outcomes": nothing,
        "no owners": {"history": book.history.drop(columns=["csm", "name", "segment"])},
        "no end": {"history": book.history.assign(term_ends=pd.Series(pd.NaT, index=book.history.index).astype("datetime64[s]"))},
        "nothing measured": {"history": book.history.assign(seats_used=np.nan, tickets=np.nan, contact=np.nan)},
        "all green": {"history": book.history.assign(seats_used=1.0, tickets=0.0, contact=0.0)},
    }
    return replace(book, **changes[case])


@pytest.mark.parametrize("case", ["no history", "no outcomes", "no owners", "no end", "nothing measured", "all green"])
def test_every_section_degrades_with_a_sentence(case: str, tmp_path: Path) -> None:
    book = emptied(small_company.book(12), case)
    facts = store.load(store.save(books_of(book, facts_of(book)), tmp_path / "facts"))
    assert facts.owners == (() if case == "no owners" else ("Ann", "Bob", "Çelik"))
    for name in (*facts.owners, "", "somebody else"):
        part = own(facts, name)
        told = [
            say.opening(part),
            say.bands(part),
            say.work(part),
            say.changed(part),
            say.renewals(part),
            say.unfilled(part),
            say.results(part),
        ]
        assert all(said.endswith(".") for said in told), told
        draw = (
            page_books.opening, page_books.work, page_books.changed, page_books.renewals, page_books.gaps,
            page_books.results, page_books.foot,
        )  # fmt: skip
        html = report.show(*(one(part) for one in draw)).html
        assert ">nan" not in html.lower()
        assert "NaT" not in html


def test_results_of_a_book_without_a_past_are_none() -> None:
    book = emptied(small_company.book(12), "no outcomes")
    assert list(book_results.results(book).columns) == list(book_results.COLUMNS)
