"""What CSMs said of the score: read as known on a day, joined to the right snapshot and outcome, judged against planted truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import asof, claims_feedback, feedback
from healthlib.demo import make_demo
from healthlib.spec import load_workspace
from healthlib.studies.book import Book, load_book
from healthlib.studies.feedback import REMARKS, feedback_study
from healthlib.studies.renewals import scored_cases
from healthlib.tables import load_tables

from .small_company import book

SAID = """account_id,said_on,should_be,why,said_by,recorded_at
a,2025-03-10,30,=cmd(),Ann,2025-03-12
b,2025-03-11,Green,,,
a,2025-04-01,85,second thoughts,Ann,
nobody,2025-03-01,10,,,
"""


@pytest.fixture
def company(tmp_path: Path) -> Path:
    (tmp_path / "accounts.csv").write_text("account_id,name\na,A\nb,B\n")
    (tmp_path / "contracts.csv").write_text(
        "account_id,start_date,end_date,arr\na,2025-01-01,2026-01-01,100\nb,2025-01-01,2026-01-01,100\n"
    )
    (tmp_path / "feedback.csv").write_text(SAID)
    (tmp_path / "workspace.yaml").write_text("name: X\ndata_through: 2025-06-30\nmax_rejected: 0.5\n")
    metric = "metrics:\n  age: {group: g, measure: age, worst: 0, best: 100, weight: 1}\n"
    (tmp_path / "scorecard.yaml").write_text(f"groups: [g]\n{metric}bands: [{{name: red, from: 0}}, {{name: green, from: 50}}]\n")
    return tmp_path


def read(folder: Path, at: str) -> pd.DataFrame:
    workspace = load_workspace(folder)
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    return feedback.read(tables, pd.Timestamp(at))


def test_a_remark_counts_from_the_day_it_was_known(company: Path) -> None:
    assert read(company, "2025-03-10")["account_id"].tolist() == []
    assert read(company, "2025-03-11")["account_id"].tolist() == ["b"]
    found = read(company, "2025-06-30")
    assert found[["account_id", "should_be"]].to_numpy().tolist() == [["a", "30"], ["b", "Green"], ["a", "85"]]
    assert found["why"].isna().tolist() == [False, True, False]


def test_a_remark_on_an_unknown_account_is_set_aside(company: Path) -> None:
    tables = load_tables(load_workspace(company))
    assert tables.rejected["feedback"]["value"].tolist() == ["nobody"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Book:
    folder = tmp_path_factory.mktemp("feedback") / "acme"
    make_demo(folder, accounts=250, seed=3)
    return load_book(folder)


def test_each_remark_meets_the_score_before_it_and_the_outcome_after_it(demo: Book) -> None:
    """Remark by remark, by hand: the last month-end by that day, the first term of the account that ends later."""
    facts = feedback_study(demo, replicates=50)
    assert len(facts.remarks) > 20
    for row in facts.remarks.itertuples():
        cases = demo.cases[(demo.cases["account_id"] == row.account_id) & (demo.cases["term_ends"] > row.said_on)]
        lost = cases.sort_values("term_ends")["lost"].iloc[0] if len(cases) else np.nan
        assert row.outcome == {1.0: "lost", 0.0: "kept"}.get(lost, "open")
        if row.outcome != "open" and row.closer:
            truth = 0 if row.outcome == "lost" else 100
            assert (abs(row.said - truth) < abs(row.score - truth)) == (row.closer == "CSM")


def test_a_remark_meets_the_month_that_was_still_open_where_subscriptions_have_no_end(demo: Book) -> None:
    """By hand: the first month-end read whose 90 days end after the remark; here a run used to stop, for days of two units met."""
    outcome = demo.workspace.outcome.model_copy(update={"kind": "churn_within", "horizon_days": 90, "grace_days": 10})
    monthly = replace(demo, workspace=demo.workspace.model_copy(update={"outcome": outcome}))
    facts = feedback_study(monthly, replicates=50)
    assert set(facts.remarks["outcome"]) >= {"lost", "kept"}
    for row in facts.remarks.itertuples():
        mine = demo.cases[demo.cases["account_id"] == row.account_id].sort_values("horizon_ends_on")
        lost = mine.loc[mine["horizon_ends_on"] - pd.Timedelta(days=10) > row.said_on, "lost"]
        assert row.outcome == {1.0: "lost", 0.0: "kept"}.get(lost.iloc[0] if len(lost) else np.nan, "open")


def told(demo: Book, right: float, seed: int) -> Book:
    """The demo with 150 remarks, each pointing the way things went with chance `right`."""
    rng = np.random.default_rng(seed)
    cases = scored_cases(demo).dropna(subset=["lost", "score"]).sample(150, random_state=seed)
    lower = (cases["lost"] == 1) == (rng.random(len(cases)) < right)
    said = np.clip(cases["score"] + np.where(lower, -20, 20), 0, 100).round(1).astype(str)
    remarks = pd.DataFrame(
        {"account_id": cases["account_id"], "said_on": (cases["as_of"] + pd.Timedelta(days=20)).astype("datetime64[s]"), "should_be": said}
    )
    return replace(demo, feedback=remarks.assign(why=None, said_by="Ann").sort_values("said_on", ignore_index=True))


def verdict(demo: Book) -> str:
    effects = feedback_study(demo, replicates=100).effects
    return str(effects.loc[(effects["direction"] == "both") & (effects["set_by"] == "everybody"), "verdict"].iloc[0])


def test_who_knows_is_told_from_who_guesses(demo: Book) -> None:
    """Right in 85 of 100: always found. Pointing up or down whatever will happen: one in twenty is called a help or a harm."""
    assert [verdict(told(demo, 0.85, seed)) for seed in range(4)] == ["helped"] * 4
    blind = []
    for seed in range(12):
        known = told(demo, 0.85, 100 + seed)
        score = known.feedback["should_be"].astype(float).sample(frac=1, random_state=seed).to_numpy()
        blind.append(verdict(replace(known, feedback=known.feedback.assign(should_be=score.astype(str)))))
    assert sum(answer != "cannot tell" for answer in blind) <= 2


def test_sentences_stand_with_and_without_remarks(demo: Book) -> None:
    without = feedback_study(book())
    assert "it takes a table `feedback`" in claims_feedback.judged(without)
    assert claims_feedback.would_tell(without) == ""
    assert list(without.remarks.columns) == list(REMARKS)
    facts = feedback_study(demo, replicates=50)
    assert claims_feedback.judged(facts).endswith(".")
    assert all(words.endswith(".") for words in claims_feedback.directions(facts))


def test_an_unreadable_remark_is_counted_and_said(demo: Book) -> None:
    odd = replace(demo, feedback=demo.feedback.assign(should_be="fine"))
    facts = feedback_study(odd, replicates=50)
    assert facts.unread == len(demo.feedback)
    assert "named neither a score nor a band" in claims_feedback.judged(facts)
