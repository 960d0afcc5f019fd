"""Is the data good enough? Verdicts, intervals and the page, on workspaces that lack one thing each."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_check, cli, page_check, parts, store, studies
from healthlib.demo import make_demo
from healthlib.spec import load_workspace
from healthlib.stats import auc, auc_interval
from healthlib.studies.book import book_of
from healthlib.studies.check import Opened, check_study, open_for_check
from healthlib.studies.check_facts import CheckFacts
from healthlib.studies.readiness import power, readiness
from healthlib.tables import load_tables
from tests.test_asof import cut
from tests.test_report import MEASURE, chromium, only_our_script

BANDS = "bands: [{name: red, from: 0}]\n"
USES = "uses: {group: use, table: usage, measure: count, window_days: 30, worst: 0, best: 40, weight: 2}"
CARD = f"groups: [use]\nmetrics: {{{USES}}}\n{BANDS}"
AGED = f"groups: [use]\nmetrics: {{age: {{group: use, measure: age, worst: 0, best: 400, weight: 2}}}}\n{BANDS}"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("check") / "acme"
    make_demo(folder, seed=5, accounts=80)
    return folder


@pytest.fixture(scope="module")
def facts(company: Path) -> CheckFacts:
    return studies.load("check", str(company))


def written(folder: Path, head: str = "", card: str = CARD, **files: str) -> Path:
    """A workspace of small CSV files."""
    folder.mkdir(exist_ok=True)
    (folder / "workspace.yaml").write_text(f"name: Small <b>\n{head}")
    (folder / "scorecard.yaml").write_text(card)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


# --- the interval of an AUC -----------------------------------------------------------------------------------------


def test_auc_interval_against_hanley_and_mcneil() -> None:
    """Their table of standard errors, by hand for A = 0.75, 20 lost, 180 kept: Q1 = 0.6, Q2 = 0.642857,
    SE^2 = (0.1875 + 19 x 0.0375 + 179 x 0.0803571) / 3600 = 0.0042456, SE = 0.065159; on the logit 1.098612 +- 1.959964 x SE / 0.1875."""
    low, high = auc_interval(0.75, 20, 180)
    reach = 1.959964 * 0.065159 / 0.1875
    assert (low, high) == pytest.approx((1 / (1 + np.exp(-(np.log(3) - reach))), 1 / (1 + np.exp(-(np.log(3) + reach)))), abs=1e-5)


@pytest.mark.parametrize(("lost", "half"), [(20, 0.13), (40, 0.09), (200, 0.04)])
def test_auc_interval_against_what_was_measured(lost: int, half: float) -> None:
    """Half-widths measured by simulation at 10 % churn."""
    low, high = auc_interval(0.75, lost, 9 * lost)
    assert (high - low) / 2 == pytest.approx(half, abs=0.005)


@pytest.mark.parametrize(("law", "least", "most"), [("exponential", 0.94, 1.06), ("normal", 0.8, 1.0)])
def test_auc_interval_against_brute_force(law: str, least: float, most: float) -> None:
    """2,000 samples of 40 lost and 160 kept accounts whose true AUC is 0.75: P(X > Y) = 3 / (3 + 1) for exponentials of mean 3 and 1, which
    is what the formula assumes; two normals sqrt(2) x 0.6745 apart, for which it is known to err on the wide side."""
    rng, lost = np.random.default_rng(0), np.r_[np.ones(40), np.zeros(160)]
    draw = {
        "exponential": lambda: np.r_[-rng.exponential(3, 40), -rng.exponential(1, 160)],
        "normal": lambda: np.r_[rng.normal(-np.sqrt(2) * 0.6744898, 1, 40), rng.normal(0, 1, 160)],
    }[law]
    ends = np.quantile([auc(draw(), lost) for _ in range(2000)], [0.025, 0.975])
    low, high = auc_interval(0.75, 40, 160)
    assert least < (ends[1] - ends[0]) / (high - low) < most


@pytest.mark.parametrize(("lost", "kept"), [(0, 50), (50, 0)])
def test_without_one_kind_there_is_no_interval(lost: int, kept: int) -> None:
    assert np.isnan(auc_interval(0.75, lost, kept)).all()


def test_the_interval_stays_inside_and_narrows_with_more() -> None:
    widths = [np.subtract(*auc_interval(0.75, lost, 10 * lost)[::-1]) for lost in (1, 3, 10, 30, 100)]
    assert all(a > b for a, b in pairwise(widths))
    assert 0 < auc_interval(0.75, 1, 10)[0] < auc_interval(0.75, 1, 10)[1] < 1


# --- verdicts -------------------------------------------------------------------------------------------------------


def cases(lost: int, kept: int, months: int = 24) -> pd.DataFrame:
    days = pd.date_range("2024-01-31", periods=months, freq="ME", unit="s")
    rows = [(f"l{i}", days[i % months], 1.0) for i in range(lost)] + [(f"k{i}", days[i % months], 0.0) for i in range(kept)]
    return pd.DataFrame(rows, columns=["account_id", "as_of", "lost"])


def test_the_pace_is_that_of_the_last_year() -> None:
    """48 lost in 24 months, 2 a month: 52 more take 26 months."""
    has = power(cases(48, 400))
    assert (has.lost, has.kept) == (48, 400)
    assert has.pace == pytest.approx(2, rel=0.01)
    table = readiness(cases(48, 400)).set_index("question")
    assert table["verdict"].to_dict() == {"audit": "yes", "fit": "care", "backtest": "care", "forecast": "care"}
    low, high = auc_interval(0.75, 100, round(400 * 100 / 48))
    assert f"52 more accounts lost for a firm answer, for an AUC known to {low:.2f}–{high:.2f}" in table.loc["fit", "needs"]
    assert "about 2.2 years at the present pace" in table.loc["fit", "needs"]


def test_rows_of_one_account_count_once() -> None:
    again = pd.concat([cases(30, 90), cases(30, 90)], ignore_index=True)
    assert (power(again).lost, power(again).kept) == (30, 90)


# --- the whole check ------------------------------------------------------------------------------------------------


def test_the_check_of_the_demo(facts: CheckFacts, company: Path) -> None:
    truth = json.loads((company / "truth.json").read_text())
    assert (
        facts.rules["rows"].sum() == facts.tables["rows_rejected"].sum() == facts.tables["rows_in"].sum() - facts.tables["rows_used"].sum()
    )
    assert (facts.bridge["off"].abs() < 0.005).all()
    assert facts.overlaps.empty
    assert facts.mismatches.empty
    assert facts.clocks.set_index("table")["weight"].sum() == pytest.approx(1)
    assert facts.clocks.set_index("table").loc["ratings", "clock"] == "recorded"
    assert set(facts.strangers["table"]) == {"tickets"}
    assert truth["leak"] in set(facts.leaks["metric"])
    assert facts.invoiced["ratio"].median() == pytest.approx(1, abs=0.05)


def test_coverage_is_the_share_of_accounts_measured(facts: CheckFacts, company: Path) -> None:
    """One metric, one month, counted again from the book; executives are expected of two segments only."""
    opened = open_for_check(company)
    history, card = opened.book.history, opened.workspace.scorecard
    day = history["as_of"].unique()[-10]
    rows = history[(history["as_of"] == day) & history["segment"].isin(card.metrics["executive_contact"].applies_to["segment"])]
    found = facts.coverage[(facts.coverage["metric"] == "executive_contact") & (facts.coverage["as_of"] == day)].iloc[0]
    assert (found["accounts"], found["share"]) == (len(rows), pytest.approx(rows["executive_contact"].notna().mean()))
    part = facts.by_segment[facts.by_segment["metric"] == "nps"] if "nps" in card.metrics else facts.by_segment.iloc[:3]
    assert part["accounts"].sum() <= (history["as_of"] == history["as_of"].max()).sum()


@pytest.mark.parametrize("at", ["2025-03-31", "2026-02-15"])
def test_cutting_every_table_changes_no_frame(company: Path, at: str) -> None:
    workspace, day = load_workspace(company), pd.Timestamp(at)
    whole, short = load_tables(workspace), load_tables(workspace)
    before = check_study(Opened(whole, workspace, day, book_of(whole, workspace, day)))
    cut(short, workspace, at)
    after = check_study(Opened(short, workspace, day, book_of(short, workspace, day)))
    for name in [field.name for field in fields(CheckFacts)]:
        a, b = getattr(before, name), getattr(after, name)
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, obj=name)
        else:
            assert a == b, name


def test_facts_can_be_stored(facts: CheckFacts, tmp_path: Path) -> None:
    store.save(facts, tmp_path / "check")
    again = studies.load("check", "x", facts=str(tmp_path))
    assert again.power == facts.power
    pd.testing.assert_frame_equal(again.bridge, facts.bridge)


ACCOUNTS = "account_id,segment\n" + "".join(f"A{i},{'SMB' if i % 2 else 'Ent'}\n" for i in range(20))
TERMS = "account_id,start_date,end_date,arr\n" + "".join(f"A{i},2024-0{i % 9 + 1}-01,2026-01-01,{100 + i}\n" for i in range(20))
SMALL = {
    "accounts and contracts only": ("data_through: 2025-06-30\n", AGED, {"accounts": ACCOUNTS, "contracts": TERMS}),
    "no outcome yet": (
        "data_through: 2025-06-30\n", CARD,
        {"accounts": ACCOUNTS, "contracts": TERMS, "usage": "account_id,occurred_at\nA1,2025-06-30\n"},
    ),
    "one class": (
        "data_through: 2026-06-30\n", CARD,
        {"accounts": ACCOUNTS, "contracts": TERMS, "usage": "account_id,occurred_at\nA1,2025-06-30\n"},
    ),
    "nothing has begun": (
        "data_through: 2023-06-30\n", CARD,
        {"accounts": ACCOUNTS, "contracts": TERMS, "usage": "account_id,occurred_at\nA1,2023-06-30\n"},
    ),
    "too many rejected": (
        "data_through: 2025-06-30\n", CARD,
        {"accounts": ACCOUNTS, "contracts": TERMS, "usage": "account_id,occurred_at\nA1,2025-06-30\n<script>,2025-06-30\n"},
    ),
    "a flat sheet": (
        "flat: {file: sheet.csv, account_id: id, outcome: {column: gone, churned: 1}}\n",
        "groups: [use]\nmetrics: {uses: {group: use, column: use, worst: 0, best: 40, weight: 2}}\nbands: [{name: red, from: 0}]\n",
        {"sheet": "id,use,gone\n" + "".join(f"A{i},{i},{int(i < 9)}\n" for i in range(40))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_every_poor_workspace_has_a_page(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, card, files = SMALL[name]
    folder = written(tmp_path / "small", head, card, **files)
    stopped = name in ("too many rejected", "nothing has begun")
    assert cli.main(["check", str(folder), "--out", str(tmp_path / "out")]) == int(stopped)
    assert "audit: " in capsys.readouterr().out
    left = next((tmp_path / "out" / "small").glob("2*"))
    html = (left / "check.html").read_text()
    assert "Is the data good enough?" in html
    assert "nan" not in re.sub(r"base64,[A-Za-z0-9+/=]+|<style>.*?</style>", "", html, flags=re.S).lower().replace("finance", "")
    summary = json.loads((left / "summary.json").read_text())
    assert set(summary["readiness"]) == {"audit", "fit", "backtest", "forecast"}
    verdicts = {told["verdict"] for told in summary["readiness"].values()}
    if name != "a flat sheet":
        assert verdicts == {"no"}
    if name == "too many rejected":
        assert "Mend the export" in html
        only_our_script(html)
    if name == "a flat sheet":
        assert "The weaker evidence" in html or "weaker evidence" in html


def test_findings_put_what_must_be_mended_first(facts: CheckFacts) -> None:
    levels = [one.level for one in claims_check.findings(facts)]
    assert levels == sorted(levels, key=("mend", "look", "fine").index)
    assert levels[0] == "mend"  # the planted leak
    assert claims_check.opening(replace(facts, failed="usage: rejected")).startswith("Not yet")


def test_the_page_is_one_inert_file(company: Path, tmp_path: Path) -> None:
    done = parts.check(company, None, tmp_path)
    page = done.folder / "check.html"
    html = page.read_text(encoding="utf-8")
    bare = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert "http:" not in bare
    assert "https:" not in bare
    only_our_script(html)
    assert not re.search(r"<(link|iframe|object|embed|form|base)\b", bare, flags=re.I)
    assert not re.search(r"\bsrc=\"(?!data:)|url\(|@import", bare)
    assert bare.count("<h1>") == 1
    assert "Simulated data." in bare
    assert all("alt=" in image for image in re.findall(r"<img[^>]*>", bare))
    assert page.stat().st_size < 300_000
    assert page_check.page(done.facts) == page_check.page(done.facts)
    for meaning in claims_check.MEANINGS:
        assert meaning in bare


@pytest.mark.slow
@pytest.mark.parametrize("width", [500, 1280])
def test_the_page_opens_without_sideways_overflow(facts: CheckFacts, tmp_path: Path, width: int) -> None:
    html = re.sub(r"<meta[^>]*http-equiv[^>]*>", "", page_check.page(facts))
    (tmp_path / "copy.html").write_text(html.replace("</body>", MEASURE + "</body>"), encoding="utf-8")
    told = re.search(r"<title>(\d+) (\d+)</title>", chromium(tmp_path / "copy.html", f"--window-size={width},1000", "--dump-dom").stdout)
    assert told is not None
    assert told.group(1) == "0"
