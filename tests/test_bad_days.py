"""Companies with next to nothing: a run still ends in a report that says what is missing, or in one clear message."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthlib import cli, runner, studies
from healthlib.studies.book import load_book

SCORECARD = """groups: [adoption]
metrics:
  events: {group: adoption, table: usage, measure: count, window_days: 30, worst: 0, best: 2, weight: 1}
bands:
  - {name: red, from: 0}
  - {name: yellow, from: 60}
  - {name: green, from: 80}
"""
RENEWED = "a,2025-01-01,2026-01-01,100\na,2026-01-01,2027-01-01,120\nb,2025-06-01,2026-06-01,50\nb,2026-06-01,2027-06-01,50\n"
COMPANIES = {
    "nobody ever left": (RENEWED, "renewal"),
    "nobody ever grew or shrank": (RENEWED.replace("120", "100"), "expansion"),
    "everybody left": ("a,2025-01-01,2026-01-01,100\nb,2025-06-01,2026-06-01,50\n", "renewal"),
    "evergreen, asked for renewals": ("a,2025-01-01,,100\nb,2025-06-01,,50\n", "renewal"),
    "evergreen": ("a,2025-01-01,,100\nb,2025-06-01,,50\n", "churn_within"),
    "no money": ("a,2025-01-01,2027-01-01,0\n", "renewal"),
    "begun today": ("a,2026-08-31,2027-08-31,100\n", "renewal"),
}


def company(folder: Path, contracts: str, kind: str, *, usage: bool = True) -> Path:
    folder.mkdir()
    (folder / "workspace.yaml").write_text(f"name: Tiny\noutcome: {{kind: {kind}}}\n")
    (folder / "scorecard.yaml").write_text(SCORECARD)
    (folder / "accounts.csv").write_text("account_id,name,segment\na,Acme,SMB\nb,=cmd(),SMB\n")
    (folder / "contracts.csv").write_text("account_id,start_date,end_date,arr\n" + contracts)
    if usage:
        (folder / "usage.csv").write_text("account_id,occurred_at\na,2026-08-01\nb,2026-08-03\na,2026-08-31\n")
    return folder


@pytest.mark.parametrize("name", COMPANIES)
def test_every_study_has_an_answer(name: str, tmp_path: Path) -> None:
    book = load_book(company(tmp_path / "tiny", *COMPANIES[name]))
    facts: dict = {}
    for study in studies.STUDIES:
        facts[study] = studies.compute(study, book, facts)
    assert facts["fit"].recommendation == "insufficient_evidence"
    assert facts["fit"].reason
    runner.write_artifacts(book, facts, tmp_path)
    assert (tmp_path / "scores.csv").is_file()


def test_a_company_without_an_outcome_gets_its_whole_report(tmp_path: Path) -> None:
    left = runner.run(company(tmp_path / "tiny", *COMPANIES["nobody ever left"]), None, tmp_path / "out")
    for page in ("audit", "weights", "backtest", "executive"):
        assert (left.folder / f"{page}.html").is_file()
    assert "'=cmd()" not in (left.folder / "executive.html").read_text()


@pytest.mark.parametrize("table", ["accounts", "contracts"])
def test_a_table_with_a_header_alone_is_exit_2(table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = company(tmp_path / "tiny", *COMPANIES["nobody ever left"])
    header = (folder / f"{table}.csv").read_text().split("\n", 1)[0]
    (folder / f"{table}.csv").write_text(header + "\n")
    assert cli.main(["run", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert f"{table}.csv" in capsys.readouterr().err


def test_a_scorecard_that_nothing_can_measure_scores_nobody(tmp_path: Path) -> None:
    book = load_book(company(tmp_path / "tiny", *COMPANIES["nobody ever left"], usage=False))
    facts: dict = {}
    for study in studies.STUDIES:
        facts[study] = studies.compute(study, book, facts)
    assert set(facts["executive"].scores["band"]) == {"unscored"}
