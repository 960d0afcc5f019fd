"""The accounts by name: each record against brute force, nothing known after the day, links that lead somewhere, names that do nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_accounts, page_accounts, page_audit, page_early, page_trust, plots_accounts, report, store
from healthlib.demo import make_demo
from healthlib.resample import Estimate
from healthlib.spec import Band, Scorecard, Workspace, load_workspace
from healthlib.studies import surprised
from healthlib.studies.accounts import AccountFacts, account_study, anchor, records
from healthlib.studies.audit import AuditFacts, audit_study
from healthlib.studies.book import Book, book_of
from healthlib.tables import load_tables
from tests import small_company
from tests.test_metrics import metric
from tests.test_report import chromium, only_our_script

# id -> (first start, last end, ARR, contacts a month, left?)
COMPANY = {
    "w1": ("2023-01-01", "2025-01-01", 900.0, 2, True),
    "w 2": ("2023-02-01", "2026-02-01", 800.0, 2, True),
    "f1": ("2023-03-01", "2027-03-01", 700.0, 0, False),
    "f<b>": ("2023-04-01", "2027-04-01", 600.0, 0, False),
    "s1": ("2023-01-15", "2027-01-15", 500.0, 2, False),
    "s2": ("2023-02-15", "2027-02-15", 400.0, 2, False),
    "s3": ("2023-03-15", "2027-03-15", 300.0, 2, False),
    "n1": ("2026-01-15", "2027-01-15", 200.0, 1, False),
}
THROUGH = pd.Timestamp("2026-06-30")


def terms_of(name: str) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    first, last, *_ = COMPANY[name]
    starts = pd.date_range(first, pd.Timestamp(last) - pd.DateOffset(years=1), freq=pd.DateOffset(years=1))
    return [(start, start + pd.DateOffset(years=1)) for start in starts]


def contacts_of(name: str) -> list[pd.Timestamp]:
    first, last, _, per_month, _ = COMPANY[name]
    months = pd.date_range(pd.Timestamp(first).replace(day=1), min(pd.Timestamp(last), THROUGH + pd.Timedelta(days=200)), freq="MS")
    return [month + pd.Timedelta(days=9 + k) for month in months for k in range(per_month)]


def write(folder: Path) -> Workspace:
    """Eight accounts; tickets of w1 are opened on the 5th of each quarter and closed 70 days later; one playbook for f1, one to come."""
    quoted = {name: f'"{name}"' for name in COMPANY}
    (folder / "accounts.csv").write_text("account_id,name\n" + "".join(f"{quoted[n]},Company {n}\n" for n in COMPANY))
    contracts = [
        f"{quoted[n]},{start:%Y-%m-%d},{end:%Y-%m-%d},{COMPANY[n][2]},{'too dear' * COMPANY[n][4]}"
        for n in COMPANY
        for start, end in terms_of(n)
    ]
    (folder / "contracts.csv").write_text("account_id,start_date,end_date,arr,churn_reason\n" + "\n".join(contracts) + "\n")
    touches = [f"{quoted[n]},{day:%Y-%m-%d},call" for n in COMPANY for day in contacts_of(n)]
    (folder / "touchpoints.csv").write_text("account_id,occurred_at,kind\n" + "\n".join(touches) + "\n")
    opened = pd.date_range("2023-02-05", "2026-09-05", freq="91D")
    tickets = [f"w1,{day:%Y-%m-%d},{day + pd.Timedelta(days=70):%Y-%m-%d},high" for day in opened]
    (folder / "tickets.csv").write_text("account_id,opened_at,closed_at,severity\n" + "\n".join(tickets) + "\n")
    plays = "f1,2026-05-01,2026-08-01,call them\nf1,2026-07-15,,too late\n"
    (folder / "interventions.csv").write_text("account_id,started_at,ended_at,playbook\n" + plays)
    card = Scorecard(
        groups=("engagement",),
        metrics={"contacts": metric("contacts", "count", table="touchpoints", group="engagement", window_days=90, best=6, weight=1)},
        bands=(Band(name="red", start=0), Band(name="green", start=50)),
    )  # fmt: skip
    return Workspace(folder=folder, name="t", scorecard=card, data_through=THROUGH.date())


def study_on(workspace: Workspace, day: pd.Timestamp) -> tuple[Book, AuditFacts, AccountFacts]:
    book = book_of(load_tables(workspace), workspace, day)
    audit = audit_study(book, replicates=50)
    return book, audit, account_study(book, audit)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Book, AuditFacts, AccountFacts]:
    return study_on(write(tmp_path_factory.mktemp("accounts")), THROUGH)


def test_who_is_named_and_what_became_of_them(company: tuple[Book, AuditFacts, AccountFacts]) -> None:
    """By hand: two left from green, two were red at every renewal and hardly in touch, three are in touch and renewed, one is new."""
    named = company[2].named.set_index("account_id")
    expected = {
        "w1": "watermelon", "w 2": "watermelon", "f1": "zombie, false alarm", "f<b>": "zombie, false alarm", "s1": "successful",
        "s2": "successful", "s3": "successful",
    }  # fmt: skip
    assert named["lists"].to_dict() == expected
    assert named["state"].to_dict() == {n: "left" if COMPANY[n][4] else "customer" for n in expected}
    assert named["arr"].to_dict() == {n: COMPANY[n][2] for n in expected}
    assert named.loc["w1", "ended_on"] == pd.Timestamp("2025-01-01")
    assert named.loc["w1", "reason"] == "too dear"
    assert named.loc["f1", "quiet_since"] == pd.Timestamp("2024-03-31"), "a zombie once its age is more than 365 days"
    assert named.loc["s1", "term_ends"] == pd.Timestamp("2027-01-15")


def test_every_record_is_what_the_rows_say(company: tuple[Book, AuditFacts, AccountFacts]) -> None:
    """Score, band, contacts and terms of each month from the rows themselves, without the library."""
    for record in records(company[2]):
        name = record.named["account_id"]
        days = contacts_of(name)
        for row in record.scores.itertuples():
            n = sum(row.as_of - pd.Timedelta(days=90) < day <= row.as_of for day in days)
            assert row.score == pytest.approx(min(n / 6, 1) * 100), (name, row.as_of)
            assert row.band == ("green" if row.score >= 50 else "red")
        assert record.points["contacts"].tolist() == pytest.approx(record.scores["score"].tolist())
        known = pd.Series([day.replace(day=1) for day in days if day <= THROUGH], dtype="datetime64[s]").value_counts().sort_index()
        contacts = record.diary.months[record.diary.months["kind"] == "contact"]
        assert dict(zip(contacts["month"], contacts["n"], strict=True)) == known.to_dict()
        begun = [term for term in terms_of(name) if term[0] <= THROUGH]
        assert list(zip(record.diary.terms["starts"], record.diary.terms["ends"], strict=True)) == begun


def test_tickets_and_playbooks_are_known_when_they_happen(company: tuple[Book, AuditFacts, AccountFacts]) -> None:
    found = {record.named["account_id"]: record.diary for record in records(company[2])}
    opened = pd.date_range("2023-02-05", THROUGH, freq="91D")
    closed = [day + pd.Timedelta(days=70) for day in opened if day + pd.Timedelta(days=70) <= THROUGH]
    months = found["w1"].months
    assert months.loc[months["kind"] == "opened", "n"].sum() == len(opened)
    assert months.loc[months["kind"] == "closed", "n"].sum() == len(closed) < len(opened)
    plays = found["f1"].plays
    assert plays["playbook"].tolist() == ["call them"], "the one that starts in July is not known in June"
    assert plays["ends"].isna().all(), "it ends in August"


def test_what_comes_later_changes_no_record(tmp_path: Path) -> None:
    """The as-of promise: the records of a day are the same whether or not the exports go on after it."""
    at = pd.Timestamp("2025-06-30")
    workspace = write(tmp_path)
    whole = study_on(workspace, at)[2]
    for name in ("contracts", "touchpoints", "tickets"):
        lines = (tmp_path / f"{name}.csv").read_text().splitlines()
        kept = [line for line in lines[1:] if pd.Timestamp(line.split(",")[1].strip('"')) <= at]
        (tmp_path / f"{name}.csv").write_text("\n".join([lines[0], *kept]) + "\n")
    (tmp_path / "interventions.csv").unlink()  # none had begun
    short = study_on(workspace.model_copy(update={"data_through": at.date()}), at)[2]
    for name in ("named", "scores", "points", "values", "missed", "held"):
        pd.testing.assert_frame_equal(getattr(whole, name), getattr(short, name), check_dtype=False)
    for name in ("terms", "months", "plays", "recent"):
        pd.testing.assert_frame_equal(getattr(whole.diary, name), getattr(short.diary, name), check_dtype=False)
    assert repr(whole.low) == repr(short.low), "text, because an interval that is not known is not equal to itself"


def test_facts_survive_the_store(company: tuple[Book, AuditFacts, AccountFacts], tmp_path: Path) -> None:
    facts = company[2]
    again = store.load(store.save(facts, tmp_path / "f"))
    assert page_accounts.sections(again).html == page_accounts.sections(facts).html


def judged(points: list[float], lost: list[float]) -> surprised.Judged:
    """Cases whose one metric of weight has these points; another without weight is 100 everywhere but in the last case, where it is 0."""
    from healthlib import scoring

    card = Scorecard(
        groups=("g",),
        metrics={
            "a": metric("a", "mean", table="usage", worst=0, best=100, weight=3),
            "b": metric("b", "mean", table="usage", worst=0, best=100, weight=0),
        },
        bands=(Band(name="red", start=0), Band(name="green", start=50)),
    )
    n = len(points)
    cases = pd.DataFrame({
        "account_id": [f"c{i}" for i in range(n)], "as_of": pd.Timestamp("2026-01-31"), "arr": 1.0, "lost": lost, "a": points,
        "b": [100.0] * (n - 1) + [0.0],
    })  # fmt: skip
    answers = pd.DataFrame({"account_id": ["c0"], "as_of": pd.Timestamp("2026-01-31"), "metric": "a", "value": 1.0, "age_days": 200.0})
    return surprised.Judged(cases, scoring.score(card, cases), answers)


def test_what_a_watermelon_hid() -> None:
    """By hand: 10 kept cases with 10, 20 ... 100 points (median 55); the lost one has 80 where it counts and 0 where nothing counts."""
    found = surprised.missed(
        judged([*range(10, 101, 10), 80.0], [0.0] * 10 + [1.0]), pd.DataFrame({"account_id": ["c10"], "as_of": pd.Timestamp("2026-01-31")})
    )
    rows = found.set_index("metric")
    assert rows["standing"].to_dict() == {"a": "fine", "b": "low"}
    assert rows.loc["a", ["points", "typical", "as_low", "kept", "weight"]].tolist() == [80, 55, 8, 10, 1]
    assert rows.loc["b", ["points", "typical", "as_low", "kept", "weight"]].tolist() == [0, 100, 0, 10, 0]


@pytest.mark.parametrize(("account", "standing"), [("c0", "old"), ("c1", "absent")])
def test_what_was_not_measured(account: str, standing: str) -> None:
    cases = judged([np.nan, np.nan, 50, 60, 70, 80], [1.0, 1.0, 0, 0, 0, 0])
    found = surprised.missed(cases, pd.DataFrame({"account_id": [account], "as_of": pd.Timestamp("2026-01-31")}))
    assert found.set_index("metric").loc["a", "standing"] == standing


def test_what_held_a_false_alarm_down() -> None:
    """By hand: of the four cases with at most 30 points three were kept; the score of 30 lacks 70 points, all by the metric of weight."""
    cases = judged([10, 20, 30, 30, 80, 90], [1.0, 0, 0, 0, 0, 0])
    row = surprised.held(cases, pd.DataFrame({"account_id": ["c3"], "as_of": pd.Timestamp("2026-01-31")})).iloc[0]
    assert (row["metric"], row["gate"], row["cost"], row["cases"], row["kept"], row["rate"]) == ("a", "", 70, 4, 3, 0.75)
    assert row["low"] < 0.75 < row["high"]


def test_low_metrics_of_lost_and_kept_beside_each_other() -> None:
    """By hand: among green cases (50 and more) the lost one has a metric in the lowest fifth, none of the five kept ones has."""
    found = surprised.any_low(judged([*range(10, 101, 10), 80.0], [0.0] * 10 + [1.0]), "green", replicates=20)
    assert (found["lost"].value, found["lost"].n) == (1.0, 1)
    assert (found["kept"].value, found["kept"].n) == (0.0, 6)


def test_sentences_say_what_happened(company: tuple[Book, AuditFacts, AccountFacts]) -> None:
    facts = company[2]
    said = {record.named["account_id"]: " ".join(claims_accounts.story(facts, record)) for record in records(facts)}
    assert said["w1"].startswith("Left on 1 Jan 2025, taking $900 a year; stated reason: too dear.")
    assert "Scored 100 (green) on 3 Oct 2024, and left." in said["w1"]
    assert "None of its 1 metric stood in the lowest fifth" in said["w1"]
    assert "1 ticket and 6 contacts" in said["w1"]
    assert "Was red (0) on" in said["f1"]
    assert "Held down most by “contacts”, 0 points, which cost it 100 of 100." in said["f1"]
    assert "Has paid and hardly used the product or talked to us for 27 months, since 31 Mar 2024." in said["f1"]


@pytest.mark.parametrize(
    ("kept", "verdict"),
    [
        ((0.86, 0.82, 0.90), "it cries wolf"),
        ((0.9, 0.4, 0.99), "too few to tell"),
        ((0.8, 0.75, 0.84), "weak alarm"),
        ((0.6, 0.5, 0.7), "was fair"),
    ],
)
def test_an_alarm_cries_wolf_only_where_that_is_sure(kept: tuple[float, float, float], verdict: str) -> None:
    """Of all, 87% were kept: twice their loss is 26%."""
    assert verdict in claims_accounts.wolf(*kept, 0.87)


def fallen(scores: list[float], ended: str | None) -> str:
    """The sentence on the course of these month-end scores of 2026."""
    days = pd.date_range("2026-01-31", periods=len(scores), freq="ME", unit="s")
    frame = pd.DataFrame({"as_of": days, "score": scores, "band": ["green" if s >= 50 else "red" for s in scores]})
    none = pd.DataFrame()
    row = pd.Series({"state": "left" if ended else "customer", "ended_on": pd.Timestamp(ended) if ended else pd.NaT})
    from healthlib.studies.accounts import Record
    from healthlib.studies.diary import Diary

    return claims_accounts.course(Record(row, frame, none, none, none, none, Diary()))


def test_the_course_of_a_score_in_words() -> None:
    assert (
        fallen([71, 70, 60, 50, 40, 38], "2026-07-05") == "Its score fell from 71 to 38 (red) in the 5 months before it left on 5 Jul 2026."
    )
    assert fallen([30, 45, 60], None) == "Its score rose from 30 to 60 (green) in the 2 months to 31 Mar 2026."
    assert fallen([52, 50, 55], None) == "Its score stood between 50 and 55 in the 2 months to 31 Mar 2026, at 55 (green) in the end."
    assert fallen([0, 0, 0], None) == "Its score stood at 0 (red) in the 2 months to 31 Mar 2026."
    assert fallen([60], None) == "Scored once, 60 (green), on 31 Jan 2026."


ODD = [
    "a b",
    "a-b",
    "a_b",
    "a'b",
    'a"b',
    "a<b",
    "ä",
    "Ω" * 300,
    "x" * 300,
    "x" * 299 + "y",
    "",
    " ",
    "\u202ea",
    "a\nb",
    "A",
    "a",
    "account-a",
    "a#b",
    "\ud800",
]


def test_anchors_are_safe_and_different_for_every_id() -> None:
    made = [anchor(account) for account in ODD]
    assert len(set(made)) == len(ODD)
    assert all(re.fullmatch(r"account-[A-Za-z0-9-]{1,60}", name) for name in made)
    assert anchor("A0022") == "account-A0022"


class Reader(HTMLParser):
    """Every id, every link, and every tag of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]


def whole_page(audit: AuditFacts, facts: AccountFacts) -> str:
    body = report.show(
        page_early.successful(audit, facts), page_audit.zombies(audit, facts), page_audit.watermelons(audit, facts),
        page_audit.false_alarms(audit, facts), page_trust.overrides(audit, facts), page_trust.hanging(audit, facts),
        page_accounts.sections(facts),
    )  # fmt: skip
    return report.render("Accounts", body, context={"workspace": "t", "as_of": facts.as_of})


def test_every_link_leads_somewhere_and_every_id_is_unique(company: tuple[Book, AuditFacts, AccountFacts]) -> None:
    _, audit, facts = company
    page = Reader(whole_page(audit, facts))
    assert len(set(page.ids)) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert {f"#{name}" for name in facts.anchors.values()} <= set(page.links), "every section is linked to"
    assert len(facts.anchors) == 7


def test_every_account_in_a_list_leads_to_its_section(tmp_path: Path) -> None:
    """A simulated company's lists are longer than what is shown: what is shown is linked, row by row, and no list is empty."""
    make_demo(tmp_path, accounts=300)
    workspace = load_workspace(tmp_path)
    book = book_of(load_tables(workspace), workspace, pd.Timestamp("2026-10-31"))
    audit = audit_study(book, replicates=20)
    page = whole_page(audit, account_study(book, audit))
    for name in ("successful", "zombies", "watermelons", "false-alarms", "overruled", "unsure"):
        (table,) = re.findall(rf'<div id="list-{name}">.*?</table>', page, flags=re.DOTALL)
        rows = re.findall(r"<tr.*?</tr>", table.split("<tbody")[1], flags=re.DOTALL)
        assert rows, name
        assert all('href="#account-' in row for row in rows), name


def test_hostile_names_do_nothing() -> None:
    """The small company's names are markup, formulas, right-to-left marks and 300 letters."""
    book = small_company.book()
    audit = audit_study(book, replicates=50)
    audit = replace(audit, kind="renewal")
    facts = account_study(book, audit)
    assert facts.named["shown"].any()
    page = whole_page(audit, facts)
    only_our_script(page)
    assert Reader(page).tags <= {
        "html", "head", "meta", "title", "style", "body", "a", "main", "header", "p", "h1", "bdi", "div", "table", "caption", "span",
        "thead", "tbody", "tr", "th", "td", "data", "details", "summary", "section", "svg", "g", "path", "text", "footer", "dl", "dt", "dd",
        "script",
    }  # fmt: skip


def test_a_flat_sheet_has_no_section(company: tuple[Book, AuditFacts, AccountFacts]) -> None:
    facts = replace(company[2], kind="flat", named=company[2].named.assign(shown=False))
    assert page_accounts.sections(facts).html == ""
    assert "no dates" in claims_accounts.opening(facts)
    assert facts.anchors == {}


def test_sections_are_small(company: tuple[Book, AuditFacts, AccountFacts]) -> None:
    facts = company[2]
    assert len(page_accounts.sections(facts).html.encode()) / len(facts.anchors) < 4_000


def test_what_the_comparison_of_watermelons_says(company: tuple[Book, AuditFacts, AccountFacts]) -> None:
    apart = {"lost": Estimate(0.6, 0.5, 0.7, 50), "kept": Estimate(0.3, 0.25, 0.35, 500)}
    assert "outvoted" in claims_accounts.gave_away(replace(company[2], low=apart))
    alike = {"lost": Estimate(0.4, 0.2, 0.6, 9), "kept": Estimate(0.3, 0.25, 0.35, 500)}
    assert "too close to tell apart" in claims_accounts.gave_away(replace(company[2], low=alike))


def test_a_lifeline_has_only_what_is_known(company: tuple[Book, AuditFacts, AccountFacts]) -> None:
    facts = company[2]
    drawn = {record.named["account_id"]: plots_accounts.lifeline(facts, record, 'a "finding" <b>').html for record in records(facts)}
    assert all('aria-label="a &quot;finding&quot; &lt;b&gt;"' in svg for svg in drawn.values())
    assert "Tickets" in drawn["w1"]
    assert "Tickets" not in drawn["s1"]
    assert "Playbooks" in drawn["f1"]
    assert "✕" in drawn["w1"]
    assert "✕" not in drawn["s1"]


@pytest.mark.slow
def test_a_name_leads_to_its_section_on_a_phone(company: tuple[Book, AuditFacts, AccountFacts], tmp_path: Path) -> None:
    """In a frame of 390 px: a click on a name opens that section alone, near the top, and nothing is wider than the screen."""
    page = re.sub(r"<meta[^>]*http-equiv[^>]*>", "", whole_page(company[1], company[2]))
    click = """<script>addEventListener('load', () => { document.querySelector('a[href="#TARGET"]').click(); setTimeout(() => {
    const open = [...document.querySelectorAll('details.account[open] section')].map(s => s.id);
    const top = open.length ? document.getElementById(open[0]).getBoundingClientRect().top : -1;
    parent.postMessage([open.join(), top < innerHeight, document.documentElement.scrollWidth - innerWidth].join(' '), '*') }, 2500) })
    </script>""".replace("TARGET", anchor("w 2"))
    (tmp_path / "inner.html").write_text(page.replace("</body>", click + "</body>"), encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<title>waiting</title><script>addEventListener('message', e => { document.title = 'told ' + e.data })</script>"
        '<iframe src="inner.html" width="390" height="844" style="border:0"></iframe>',
        encoding="utf-8",
    )
    found = chromium(outer, "--window-size=800,1000", "--virtual-time-budget=9000", "--force-prefers-reduced-motion", "--dump-dom").stdout
    told = re.search(r"<title>told (\S+) (\w+) (-?\d+)</title>", found)
    assert told is not None
    assert told.group(1) == anchor("w 2")
    assert told.group(2) == "true"
    assert int(told.group(3)) <= 0
