"""What our own work hides and whether it helped: bounds by brute force, arms by hand, every kind of workspace."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import asof, interventions, page_treatment, store
from healthlib import claims_treatment as say
from healthlib.demo import make_demo
from healthlib.resample import Estimate
from healthlib.spec import load_workspace
from healthlib.stats import auc
from healthlib.studies import experiments
from healthlib.studies.book import Book, load_book
from healthlib.studies.treated import by_band, marked
from healthlib.studies.treatment import TreatmentFacts, treatment_study
from healthlib.tables import load_tables
from healthlib.treatment import auc_bounds, balance, difference, e_value

from .small_company import book

DONE = """account_id,started_at,playbook,trigger,experiment,arm,outcome,decided_on
a,2025-02-01,call,red score,,,,
b,2025-02-03,none,,spring,Control,churned,2025-03-01
c,2025-02-03,offer,,spring,treatment,renewed,2025-08-01
c,2025-03-03,none,,,control,renewed,2025-04-01
"""


@pytest.fixture
def company(tmp_path: Path) -> Path:
    (tmp_path / "accounts.csv").write_text("account_id,name\na,A\nb,B\nc,C\n")
    rows = "".join(f"{name},2025-01-01,2026-01-01,100\n" for name in "abc")
    (tmp_path / "contracts.csv").write_text("account_id,start_date,end_date,arr\n" + rows)
    (tmp_path / "interventions.csv").write_text(DONE)
    (tmp_path / "workspace.yaml").write_text("name: X\ndata_through: 2025-12-31\n")
    metric = "metrics:\n  age: {group: g, measure: age, worst: 0, best: 100, weight: 1}\n"
    (tmp_path / "scorecard.yaml").write_text(f"groups: [g]\n{metric}bands: [{{name: red, from: 0}}, {{name: green, from: 50}}]\n")
    return tmp_path


def read(folder: Path, at: str) -> pd.DataFrame:
    workspace = load_workspace(folder)
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    return interventions.read(tables, pd.Timestamp(at))


def test_an_outcome_counts_from_the_day_it_was_decided(company: Path) -> None:
    assert read(company, "2025-01-31").empty
    assert read(company, "2025-02-28")[["arm", "outcome"]].to_numpy().tolist() == [["treatment", ""], ["control", ""], ["treatment", ""]]
    found = read(company, "2025-07-31")
    assert found["outcome"].tolist() == ["", "churned", "", "renewed"]
    assert found["experiment"].tolist() == ["", "spring", "spring", interventions.UNNAMED]
    assert read(company, "2025-08-01")["outcome"].tolist() == ["", "churned", "renewed", "renewed"]


def test_an_outcome_without_a_day_is_not_used(company: Path) -> None:
    (company / "interventions.csv").write_text("account_id,started_at,playbook,arm,outcome\na,2025-02-01,offer,treatment,churned\n")
    assert read(company, "2025-12-31")["outcome"].tolist() == [""]


def test_auc_bounds_equal_every_outcome_tried() -> None:
    """All 2^6 outcomes of six unknown among twelve cases with ties, 30 times."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        score, lost = rng.integers(0, 6, 12).astype(float), (rng.random(12) < 0.4).astype(float)
        unknown = np.arange(12) < 6
        tried = []
        for guess in product((0.0, 1.0), repeat=6):
            y = np.r_[guess, lost[6:]]
            if 0 < y.sum() < 12:
                tried.append(auc(score, y))
        assert auc_bounds(score, lost, unknown) == pytest.approx((min(tried), max(tried)))


def test_the_bounds_of_a_band_by_hand() -> None:
    """Four red: one lost alone, one lost in spite of work, one kept after work, one kept alone."""
    cases = pd.DataFrame({
        "account_id": list("abcd"), "band": "red", "lost": [1.0, 1.0, 0.0, 0.0], "treated": [False, True, True, False],
        "arr": [10.0, 20.0, 30.0, 40.0],
    })  # fmt: skip
    found = by_band(cases, ["red"], replicates=50).set_index(["band", "by"]).loc["red"]
    count = found.loc["accounts", ["rate", "without", "floor", "ceiling"]].astype(float)
    assert count.tolist() == [0.5, 0.5, 0.25, 0.75]
    money = found.loc["arr", ["rate", "without", "floor", "ceiling"]].astype(float)
    assert money.tolist() == pytest.approx([0.3, 0.2, 0.1, 0.6])


def test_a_difference_of_two_shares_and_its_interval() -> None:
    """6 of 20 against 12 of 20: difference -0.3; the sandwich with CR1: 1 / 20 * (0.21 + 0.24) * 40 / 39 * 39 / 38."""
    lost = np.r_[np.ones(6), np.zeros(14), np.ones(12), np.zeros(8)]
    found = difference(lost, np.r_[np.ones(20), np.zeros(20)], np.arange(40))
    error = np.sqrt((0.21 + 0.24) / 20 * 40 / 38)
    assert (found.value, found.n, found.events) == (pytest.approx(-0.3), 40, 18)
    assert (found.high - found.low) / 2 == pytest.approx(1.959964 * error, rel=1e-6)


def test_where_nobody_left_an_interval_is_left() -> None:
    """Newcombe 1998, table II (g): 0 of 10 against 0 of 20 has -0.1611 to 0.2775."""
    found = difference(np.zeros(30), np.r_[np.ones(10), np.zeros(20)], np.arange(30))
    assert (found.value, round(found.low, 4), round(found.high, 4)) == (0.0, -0.1611, 0.2775)


def test_the_e_value_of_the_paper() -> None:
    """VanderWeele & Ding 2017: a risk ratio of 3.9 has 7.26, its limit of 1.8 has 3.0."""
    found = e_value(0.39, Estimate(0.29, 0.39 - 0.39 / 1.8, 0.35))
    assert found == pytest.approx((7.26, 3.0), abs=0.01)


def test_balance_by_hand() -> None:
    found = balance(pd.DataFrame({"x": [1.0, 3.0, 2.0, 6.0]}), [True, True, False, False], ["x"])
    assert found.iloc[0, 1:4].tolist() == pytest.approx([2.0, 4.0, -2.0 / np.sqrt((2 + 8) / 2)])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Book:
    folder = tmp_path_factory.mktemp("treatment") / "acme"
    make_demo(folder, accounts=250, seed=3)
    return load_book(folder)


def test_who_was_worked_by_brute_force(demo: Book) -> None:
    cases = marked(demo)
    starts = demo.interventions.groupby("account_id")["started_at"].apply(list)
    for row in cases.itertuples():
        assert row.treated == any(row.as_of <= day < row.until for day in starts.get(row.account_id, []))
    assert 20 < cases["treated"].sum() < len(cases)
    assert cases["as_of"].min() >= demo.interventions["started_at"].min()


def test_the_demo_holds_the_truth_and_never_says_that_work_harmed(demo: Book, tmp_path: Path) -> None:
    """Working takes 0.5 off the logit; for those worked that is 3 to 8 points of the chance of loss, by the hazard that drew them."""
    facts = treatment_study(demo, replicates=100)
    assert facts.compared.effect.low < -0.055 < facts.compared.effect.high
    assert facts.compared.naive.value > 0
    assert set(facts.saved["answer"]) <= {"helped", "cannot_tell"}
    again = store.load(store.save(facts, tmp_path / "facts"))
    assert say.helped(again) == say.helped(facts)
    said = [say.poisoned(facts), say.ranking(facts), say.helped(facts), *say.thresholds(facts), say.matched(facts)]
    assert all(text.endswith(".") and "nan" not in text for text in said)
    assert "<svg" not in page_treatment.record(facts).html + page_treatment.helped(facts).html


def experimented(rows: list[tuple[str, str, str, str]]) -> Book:
    """A small company with an experiment: account, day, arm, outcome of its own record."""
    frame = pd.DataFrame(rows, columns=["account_id", "started_at", "arm", "outcome"])
    frame["started_at"] = pd.to_datetime(frame["started_at"]).astype("datetime64[s]")
    return replace(book(), interventions=frame.assign(playbook="offer", trigger="red", experiment="spring")[list(interventions.COLUMNS)])


def test_an_experiment_counts_everybody_as_drawn() -> None:
    """An account drawn twice counts once by its contracts and by its first arm; draws whose horizon is not over are open."""
    small = book()
    left = small.churned.sort_values("ended_on").iloc[0]
    before = str((left["ended_on"] - pd.Timedelta(days=20)).date())
    stays = [name for name in sorted(small.history["account_id"].unique()) if name not in set(small.churned["account_id"])]
    rows = [
        (left["account_id"], before, "control", "renewed"), (left["account_id"], before, "treatment", "churned"),
        (stays[0], before, "treatment", "renewed"), (stays[1], before, "control", "renewed"), (stays[2], "2026-10-20", "control", ""),
    ]  # fmt: skip
    rows_drawn = experiments.drawn(experimented(rows))
    table = experiments.arms(rows_drawn).set_index("told_by")
    row = table.loc["contracts"]
    assert row[["mixed", "open", "treated", "treated_lost", "control", "control_lost"]].tolist() == [1, 1, 1, 0, 2, 1]
    assert row["effect"] == pytest.approx(-0.5)
    own = table.loc["record"]
    assert own[["treated", "treated_lost", "control", "control_lost", "disagree", "both_told"]].tolist() == [2, 1, 2, 0, 1, 4]


def facts_of(some: Book) -> TreatmentFacts:
    facts = treatment_study(some, replicates=20)
    for text in (say.poisoned(facts), say.ranking(facts), say.helped(facts), say.matched(facts), *say.thresholds(facts)):
        assert "nan" not in text
        assert text == "" or text.endswith(".")
    assert page_treatment.record(facts).html
    page_treatment.helped(facts)
    return facts


def test_without_interventions_it_says_what_it_takes() -> None:
    assert "interventions" in facts_of(book()).needs
    assert "it takes a table `interventions`" in say.poisoned(facts_of(book()))


@pytest.mark.parametrize("arm", ["treatment", "control"])
@pytest.mark.parametrize("accounts", [5, 60])
def test_few_accounts_and_one_arm_only(accounts: int, arm: str) -> None:
    small = book(accounts)
    names = sorted(small.history["account_id"].unique())[:4]
    days = pd.to_datetime(["2025-11-20", "2026-01-10", "2026-02-10", "2026-03-15"][: len(names)]).astype("datetime64[s]")
    done = pd.DataFrame({
        "account_id": names, "started_at": days, "playbook": "=cmd()", "trigger": "<b>", "experiment": "<i>x", "arm": arm, "outcome": "",
    })  # fmt: skip
    facts = facts_of(replace(small, interventions=done))
    html = page_treatment.record(facts).html + page_treatment.helped(facts).html
    assert "<i>x" not in html
