"""One flat sheet: the whole product over cross-validation in the place of time. Expectations are read off the sheets written here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthlib import backtest, claims_audit, claims_backtest, claims_ending, claims_fit, claims_retained, page_backtest, page_fit, studies
from healthlib.config_workspace import FlatSpec
from healthlib.errors import DataError, EvidenceError, SpecError
from healthlib.sheet import FOLDS, NO_DAY, WEAKER, fold_of
from healthlib.spec import Workspace, load_workspace
from healthlib.splits import splits
from healthlib.studies.book import Book, load_book, open_book
from healthlib.studies.fit import fit_study
from healthlib.tables import RejectedError
from tests.test_shared_sets import workspace as shared

SHEET = """Customer,Plan,Months,Annual,Uses It,Churn
a,Basic,3,100,yes,Yes
b,Pro,40,300,no,No
c,Basic,,200,yes,no
d,Pro,24,400,yes,
"""
WORKSPACE = """name: Sheet
data_through: 2026-06-30
flat: {file: sheet.csv, account_id: Customer, outcome: {column: Churn, churned: "Yes"}, arr: Annual, attributes: {segment: Plan}}
"""
SCORECARD = """groups: [use]
metrics:
  months: {group: use, column: Months, worst: 0, best: 40, weight: 2}
  basic: {group: use, column: Plan = 'Basic', worst: 1, best: 0, weight: 1}
  uses: {group: use, column: "\\"Uses It\\" = 'yes'", worst: 0, best: 1, weight: 1}
bands: [{name: red, from: 0}, {name: green, from: 50}]
"""


def folder(place: Path, sheet: str = SHEET, workspace: str = WORKSPACE, scorecard: str = SCORECARD) -> Path:
    """A workspace of one sheet."""
    for name, text in (("sheet.csv", sheet), ("workspace.yaml", workspace), ("scorecard.yaml", scorecard)):
        (place / name).write_text(text, encoding="utf-8")
    return place


def test_every_row_is_a_case_and_those_who_stayed_are_the_customers(tmp_path):
    book = load_book(folder(tmp_path))
    assert book.cases["account_id"].tolist() == ["a", "b", "c", "d"]
    assert book.cases["outcome"].tolist() == ["churned", "renewed", "renewed", "open"]
    np.testing.assert_array_equal(book.cases[["months", "basic", "uses", "arr", "arr_lost"]], [
        [3, 1, 1, 100, 100], [40, 0, 0, 300, 0], [np.nan, 1, 1, 200, 0], [24, 0, 1, 400, np.nan],
    ])  # fmt: skip
    assert book.cases["segment"].tolist() == ["Basic", "Pro", "Basic", "Pro"]
    assert set(book.cases["as_of"]) == {pd.Timestamp("2026-06-30")} == {book.as_of}
    assert (book.cases["horizon_ends_on"] < book.as_of).all()
    assert book.history["account_id"].tolist() == ["b", "c", "d"]
    assert not {"lost", "outcome", "fold", "arr_lost", "horizon_ends_on"} & set(book.history)
    assert book.churned[["account_id", "arr"]].to_numpy().tolist() == [["a", 100.0]]
    assert book.leads.empty
    assert book.warnings == (WEAKER,)


def test_no_id_no_amount_no_day(tmp_path):
    """A row goes by its line, counts 1, and a fixed day stands for the one not told; repeated rows share a fold and are counted."""
    sheet = "Months,Churn\n3,1\n40,0\n3,1\n\n7,0\n"
    plain = "name: Sheet\nflat: {file: sheet.csv, outcome: {column: Churn, churned: 1}}\n"
    card = "groups: [use]\nmetrics: {months: {group: use, column: Months, worst: 0, best: 40, weight: 2}}\nbands: [{name: red, from: 0}]\n"
    book = load_book(folder(tmp_path, sheet, plain, card))
    assert book.cases["account_id"].tolist() == ["line 2", "line 3", "line 4", "line 6"]
    assert book.cases["arr"].tolist() == [1.0] * 4
    assert book.as_of == pd.Timestamp(NO_DAY)
    assert book.cases.loc[0, "fold"] == book.cases.loc[2, "fold"]
    assert [text.split(" ", 3)[:3] for text in book.warnings[1:]] == [["1", "of", "4"], ["nothing", "says", "of"]]


def test_a_monthly_price_is_a_twelfth(tmp_path):
    monthly = WORKSPACE.replace("arr: Annual", "arr: {column: Annual, times: 12}")
    assert load_book(folder(tmp_path, workspace=monthly)).cases["arr"].tolist() == [1200.0, 3600.0, 2400.0, 4800.0]


def test_rows_break_the_rules_of_every_table(tmp_path):
    """No id, a second row of one id, ARR below 0, ARR that is no number, a word in a column of numbers: line, column and value are told."""
    rows = "".join(f"x{i},Pro,{i},10,no,No\n" for i in range(20))
    bad = ",Pro,1,10,no,No\na,Pro,1,10,no,No\nf,Pro,1,-1,no,No\ng,Pro,1,much,no,No\nh,Pro,long,10,no,No\n"
    book = load_book(folder(tmp_path, SHEET + rows + bad, WORKSPACE + "max_rejected: 0.5\n"))
    rejected = book.rejected["accounts"]
    assert rejected["file"].unique().tolist() == ["sheet.csv"]
    assert rejected["line"].tolist() == [26, 27, 28, 29, 30]
    assert rejected["column"].tolist() == ["Customer", "Customer", "Annual", "Annual", "Months"]
    assert rejected["value"].tolist() == ["", "a", "-1", "much", "long"]
    assert book.tables[["rows_in", "rows_used", "rows_rejected"]].to_numpy().tolist() == [[29, 24, 5]]
    with pytest.raises(RejectedError, match=r"5 of 29 rows.*first sheet.csv:26"):
        load_book(folder(tmp_path, SHEET + rows + bad))


def test_an_earlier_day_is_refused(tmp_path):
    with pytest.raises(EvidenceError, match="a flat sheet speaks of one day only: 2026-06-30"):
        load_book(folder(tmp_path), "2026-05-31")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("account_id: Customer", "account_id: Custmer", "the column that `flat:` maps to account_id. Did you mean 'Customer'"),
        ("column: Churn,", "column: Chrun,", "Did you mean 'Churn'?"),
        ("file: sheet.csv", "file: sheets.csv", "workspace.yaml: flat.file: found sheets.csv, which is no file; a CSV"),
        ('churned: "Yes"', "churned: left", "flat.outcome.churned: found 'left', which no row of sheet.csv says; what column 'Churn' says"),
        ("file: sheet.csv", "sql: \"select * from 'nothing.csv'\"", "workspace.yaml: flat.sql: found "),
    ],
)  # fmt: skip
def test_what_the_sheet_lacks_is_told_under_the_users_keys(tmp_path, old, new, said):
    with pytest.raises(DataError) as caught:
        load_book(folder(tmp_path, workspace=WORKSPACE.replace(old, new)))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("Month", "metrics.months.column: found 'Month' (Binder Error"),
        ("Month", "Did you mean 'Months'?"),
        ("Plan", "found 'Plan', which holds words (Basic, Pro); a column of numbers, or a condition on the row, such as \"Plan\" = 'Pro'"),
        ("unnest([1, 2])", "which is not one value a row"),
        ("outcome = 'Yes'", "the outcome itself"),
        ("Churn = 'Yes'", "a column of the sheet or a condition on it; there are Plan, segment, Months, Annual, arr, Uses It"),
    ],
)
def test_a_metric_that_the_sheet_cannot_answer(tmp_path, column, said):
    with pytest.raises(DataError) as caught:
        load_book(folder(tmp_path, scorecard=SCORECARD.replace("column: Months", f'column: "{column}"')))
    assert said in str(caught.value)


def test_all_faults_of_the_metrics_at_once(tmp_path):
    with pytest.raises(DataError, match="2 problems"):
        load_book(folder(tmp_path, scorecard=SCORECARD.replace("Months", "Month").replace("Plan =", "Plann =")))


@pytest.mark.parametrize(
    ("old", "new", "before", "after", "said"),
    [
        ("data_through", "tables: {usage: {file: u.csv}}\ndata_through", "", "", "workspace.yaml:2: tables: found `tables` beside `flat`"),
        ("data_through", "outcome: {kind: renewal}\ndata_through", "", "", "outcome: found `outcome` beside `flat`"),
        ("file:", "fil:", "", "", "flat.fil: found the unknown key 'fil'"),
        ("churned:", "churn:", "", "", "flat.outcome.churn: found the unknown key 'churn'; expected one of column, churned"),
        ("arr: Annual", "arr: {column: Annual, times: 0}", "", "", "flat.arr.times: found 0; expected a number over 0"),
        ("segment: Plan", "arr: Plan", "", "", "flat.attributes.arr: found 'arr'; another name"),
        ("", "", "column: Months", "table: usage, measure: count", "metrics.months.column: found nothing; with `flat:`"),
        ("", "", "Months,", "Months, trend: 30,", "metrics.months.trend: found 30; a metric with `column`"),
        (WORKSPACE, "name: Tables\n", "", "", "metrics.months.column: found `column`; it goes with `flat:`"),
    ],
)
def test_configuration_that_contradicts_itself(tmp_path, old, new, before, after, said):
    """`old` becomes `new` in workspace.yaml, or `before` becomes `after` in scorecard.yaml."""
    workspace = WORKSPACE.replace(old, new) if old else WORKSPACE
    scorecard = SCORECARD.replace(before, after) if before else SCORECARD
    with pytest.raises(SpecError) as caught:
        load_workspace(folder(tmp_path, workspace=workspace, scorecard=scorecard))
    assert said in str(caught.value)


def test_folds_hang_on_the_account_alone():
    folds = [fold_of(f"A-{i}") for i in range(2000)]
    assert set(folds) == set(range(1, FOLDS + 1))
    assert min(folds.count(n) for n in range(1, FOLDS + 1)) > 150  # 200 expected, standard deviation 13
    assert folds == [fold_of(f"A-{i}") for i in range(2000)]


def simulated(accounts: int = 400, seed: int = 0) -> pd.DataFrame:
    """A sheet in which `good` keeps customers and `noise` does not; two rows in each account group share a fold by construction."""
    rng = np.random.default_rng(seed)
    good, noise = rng.random(accounts), rng.random(accounts)
    gone = rng.random(accounts) < 1 / (1 + np.exp(1 + 5 * (good - 0.5)))
    return pd.DataFrame({"id": [f"A-{i}" for i in range(accounts)], "good": good, "noise": noise, "gone": gone.astype(int)})


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Book:
    place = tmp_path_factory.mktemp("flat")
    sheet = simulated().to_csv(index=False)
    head = "name: Simulated\nsimulated: true\ndata_through: 2026-06-30\n"
    flat = "flat: {file: sheet.csv, account_id: id, outcome: {column: gone, churned: 1}}\n"
    metric = "{{group: {0}, column: {0}, worst: {{quantile: 0.1}}, best: {{quantile: 0.9}}, weight: {1}}}"
    card = (
        f"groups: [good, noise]\nmetrics:\n  goodness: {metric.format('good', 20)}\n  noisiness: {metric.format('noise', 80)}\n"
        "bands: [{name: red, from: 0}, {name: yellow, from: 40}, {name: green, from: 60}]\n"
    )
    return load_book(folder(place, sheet, head + flat, card))


def test_each_case_is_tested_once_by_weights_that_never_saw_its_account(book):
    done = book.cases
    parts = splits(done)
    assert [part.name for part in parts] == [f"fold {n:02d}" for n in range(1, 11)]
    assert (np.sum([part.test for part in parts], axis=0) == 1).all()
    for part in parts:
        assert not set(done.loc[part.train, "account_id"]) & set(done.loc[part.test, "account_id"])
        assert (part.seen == part.train).all()
        assert len(part.inner) == 9
        for inner in part.inner:
            assert not (inner.train & part.test).any()
            assert not (inner.test & part.test).any()
            assert not (inner.train & inner.test).any()


def test_the_outcome_of_a_fold_cannot_touch_its_own_scores(book):
    """Flip every outcome of fold 1: its cases are scored as before, for scales, strength and weights came from the other folds."""
    card = book.workspace.scorecard
    first = book.cases["fold"] == 1
    flipped = book.cases.assign(lost=book.cases["lost"].where(~first, 1 - book.cases["lost"]))
    then, now = (backtest.replay(cases, card).predictions.set_index("account_id") for cases in (book.cases, flipped))
    mine = then.index[then["cutoff"] == "fold 01"]
    assert len(mine) > 20
    columns = ["current", "equal", "fitted", "free", "probability"]
    pd.testing.assert_frame_equal(then.loc[mine, columns], now.loc[mine, columns], check_exact=True)
    assert not then.drop(mine)["fitted"].equals(now.drop(mine)["fitted"])


def test_the_planted_weight_is_found_and_every_page_says_how_it_was_tested(book):
    """`good` drives churn (log odds 5 over its range), `noise` does not; the card in use says 20 to 80."""
    fit = fit_study(book.compared_cases, book.workspace.scorecard, replicates=100)
    assert fit.recommendation == "adopt"
    assert fit.weights.set_index("metric")["fitted"]["goodness"] > 85
    assert fit.auc["fitted"].low > 0.7 > 0.65 > fit.auc["current"].value
    assert fit.split == "accounts"
    assert "ut of time" not in fit.reason
    assert claims_fit.comparison(fit).startswith("Out of fold the AUC is")
    assert "10 folds of accounts" in claims_fit.folds(fit)
    assert "Folds of the cross-validation" in page_fit.folds(fit).html
    bands = studies.compute("backtest", book, {"fit": fit})
    assert claims_backtest.opening(bands).startswith("Cross-validated in 10 folds of accounts")
    assert claims_backtest.lead_time(bands) == "The sheet has no dates, so how early the score falls cannot be told."
    assert "all folds together" in page_backtest.bands(bands).html


def test_questions_of_time_are_answered_with_a_sentence(book):
    from healthlib import claims_belief, claims_moves
    from healthlib import claims_executive as say

    facts: dict[str, Any] = {}
    for name in studies.STUDIES:
        facts[name] = studies.compute(name, book, facts)
    executive, audit = facts["executive"], facts["audit"]
    said = [getattr(claims_audit, name)(audit) for name in ("movements", "zombies", "flagged")]
    said.append(claims_ending.before(facts["ending"]))
    said += [getattr(claims_retained, name)(facts["retained"]) for name in ("survival", "price", "use")]
    said += [getattr(say, name)(executive) for name in ("bands", "renewals", "alerted", "calendar")]
    said += [getattr(claims_moves, name)(executive) for name in ("trend", "moved", "migrated")]
    said += [claims_belief.track(executive), claims_belief.fresh(executive)]
    assert all(text.startswith("The sheet has no dates, so ") and text.endswith(" cannot be told.") for text in said)
    assert "Cross-validated" in claims_belief.believe(executive)["Does a low score mean trouble?"]
    assert executive.summary["warnings"] == [WEAKER]
    assert executive.summary["outcomes"]["kind"] == "flat"
    assert executive.context["evidence"] == WEAKER
    assert executive.scores["renewal_probability"].between(0, 1).all()
    assert audit.readiness.set_index("question")["verdict"].to_dict() == {
        "audit": "yes",
        "fit": "care",
        "backtest": "care",
        "forecast": "care",
    }
    assert "without dates" in audit.readiness["why"].iloc[0]


@pytest.mark.parametrize("gone", [0, 1, 3])
def test_few_outcomes_or_none(tmp_path, gone):
    """Nobody left, one did, three did: everything runs and says what is missing."""
    sheet = "id,use,gone\n" + "".join(f"A-{i},{i},{int(i < gone)}\n" for i in range(40))
    card = "groups: [use]\nmetrics: {uses: {group: use, column: use, worst: 0, best: 40, weight: 2}}\nbands: [{name: red, from: 0}]\n"
    head = "name: Few\nflat: {file: sheet.csv, account_id: id, outcome: {column: gone, churned: 1}}\n"
    opened = load_book(folder(tmp_path, sheet, head, card))
    facts: dict[str, Any] = {}
    for name in studies.STUDIES:
        facts[name] = studies.compute(name, opened, facts)
    assert facts["fit"].recommendation == "insufficient_evidence"
    assert facts["fit"].folds.empty


def test_a_query_may_make_the_sheet(tmp_path):
    workspace = load_workspace(folder(tmp_path))
    asked = {
        "sql": "select * from 'sheet.csv' where Plan = 'Pro'",
        "account_id": "Customer",
        "outcome": {"column": "Churn", "churned": ("No",)},
    }
    other: Workspace = workspace.model_copy(update={"flat": FlatSpec.model_validate(asked)})
    assert open_book(other).cases["account_id"].tolist() == ["b", "d"]


@pytest.mark.slow
def test_telco_agrees_with_what_was_measured_elsewhere():
    """5-fold AUC on this sheet, METHODS.md: equal weights 0.793, non-negative 0.840 (there over other columns): within 0.01."""
    opened = load_book(shared("telco"))
    assert opened.tables[["rows_in", "rows_rejected"]].to_numpy().tolist() == [[7043, 0]]
    fit = fit_study(opened.compared_cases, opened.workspace.scorecard, replicates=50)
    assert (fit.n_cases, fit.n_lost) == (7043, 1869)
    assert fit.auc["equal"].value == pytest.approx(0.793, abs=0.01)
    assert fit.auc["fitted"].value == pytest.approx(0.840, abs=0.01)
    assert fit.recommendation == "adopt"


@pytest.mark.slow
def test_iranian_goes_by_lines():
    opened = load_book(shared("iranian"))
    assert len(opened.cases) == 3150
    assert opened.cases["lost"].sum() == 495
    assert any("300 of 3150 rows repeat" in text for text in opened.warnings)
    fit = fit_study(opened.compared_cases, opened.workspace.scorecard, replicates=50)
    assert fit.auc["fitted"].low > fit.auc["current"].value
