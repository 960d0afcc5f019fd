"""Sentences say what the facts say: singular and plural, n and interval beside a rate, and "cannot tell" where it is so."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from healthlib import (
    claims,
    claims_audit,
    claims_backtest,
    claims_fit,
    page_audit,
    page_backtest,
    page_fit,
    plots_audit,
    plots_backtest,
    plots_fit,
)
from healthlib.resample import Estimate
from healthlib.studies.audit import AuditFacts, audit_study
from healthlib.studies.backtest_bands import BacktestFacts, backtest_study
from healthlib.studies.fit import FitFacts, fit_study
from tests.test_audit import CARD, T, book, eight


def company(lost: float = 0.25, accounts: int = 60, seed: int = 0) -> pd.DataFrame:
    """Accounts with three terms each; those with few seats leave more often."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(accounts):
        for term in range(3):
            seats = rng.random()
            gone = rng.random() < 2 * lost * (1 - seats)
            read = pd.Timestamp("2024-01-01") + pd.Timedelta(days=330 * term + 5 * i)
            rows.append({
                "account_id": f"<b>{i}", "name": f"Company $ {i}", "segment": "SMB" if i % 2 else "Enterprise", "as_of": read,
                "term_ends": read + pd.Timedelta(days=90), "horizon_ends_on": read + pd.Timedelta(days=120), "lost": float(gone),
                "arr": 1000.0 + i, "arr_lost": gone * (1000.0 + i), "seats": seats, "tickets": rng.random(), "age_days": 300.0 * (term + 1),
            })  # fmt: skip
            if gone:
                break
    return pd.DataFrame(rows).assign(as_of=lambda frame: frame["as_of"].astype("datetime64[s]"))


def facts_of(cases: pd.DataFrame) -> tuple[AuditFacts, FitFacts, BacktestFacts]:
    """All three studies over some cases."""
    gone = cases[cases["lost"] == 1]
    churned = gone[["account_id", "term_ends", "arr"]].rename(columns={"term_ends": "ended_on"}).assign(reason="price")
    leads = pd.concat([gone.assign(lead_days=lead, ended_on=gone["term_ends"]) for lead in (30, 90)], ignore_index=True)
    ledger = cases[["account_id", "as_of", "arr"]].rename(columns={"as_of": "month"})
    opened = book(cases, churned=churned, leads=leads, history=cases.assign(as_of=T).drop_duplicates("account_id"), ledger=ledger)
    fit = fit_study(cases, CARD, replicates=60)
    return audit_study(opened, replicates=40), fit, backtest_study(cases, leads, CARD, fit, replicates=60)


@pytest.fixture(scope="module", params=["many", "few", "none", "nobody left", "all left"])
def facts(request: pytest.FixtureRequest) -> tuple[AuditFacts, FitFacts, BacktestFacts]:
    cases = {
        "many": company(0.3, 120), "few": company(0.05, 12), "none": company().head(0), "nobody left": company(0.0, 20),
        "all left": company(0.25, 20).assign(lost=1.0),
    }[request.param]  # fmt: skip
    return facts_of(cases)


@pytest.fixture(scope="module")
def many() -> tuple[AuditFacts, FitFacts, BacktestFacts]:
    return facts_of(company(0.3, 120))


def public(module: ModuleType, first: str) -> dict:
    """The module's own public functions whose only required argument is called `first`."""
    found = {}
    for name, function in inspect.getmembers(module, inspect.isfunction):
        needs = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        if function.__module__ == module.__name__ and not name.startswith("_") and needs == [first]:
            found[name] = function
    return found


STUDIES = {
    "audit": (0, claims_audit, plots_audit, page_audit),
    "fit": (1, claims_fit, plots_fit, page_fit),
    "backtest": (2, claims_backtest, plots_backtest, page_backtest),
}


@pytest.mark.parametrize("study", STUDIES)
def test_every_sentence_is_a_sentence_whatever_the_evidence(facts: tuple, study: str) -> None:
    place, module, *_ = STUDIES[study]
    said = {name: function(facts[place]) for name, function in public(module, study).items()}
    said = {name: text for name, text in said.items() if isinstance(text, str)}
    assert len(said) >= 8
    for name, text in said.items():
        assert text.strip(), name
        assert text[0] in "“" or text[0].isupper() or text[0].isdigit(), f"{name}: {text}"
        assert text.rstrip().endswith("."), f"{name}: {text}"
        assert "nan" not in text.lower().replace("finance", ""), f"{name}: {text}"
        assert not re.search(r"(?<![\d,.])1 (accounts|cases|groups|metrics|terms|folds|conventions)\b", text), f"{name}: {text}"
        assert not re.search(r"\b(0|[2-9]|\d\d+) (account|case|group|metric|term|fold|convention)\b", text), f"{name}: {text}"


@pytest.mark.parametrize("study", STUDIES)
def test_every_figure_and_table_stands_whatever_the_evidence(facts: tuple, study: str) -> None:
    place, _, plots, page = STUDIES[study]
    for function in public(plots, study).values():
        ax = function(facts[place])
        ax.figure.canvas.draw()
        assert ax.figure.get_size_inches()[0] <= 9.4
    pieces = [function(facts[place]).html for function in public(page, study).values()]
    assert len(pieces) >= 6
    assert not any("<b>1" in html or ">nan<" in html for html in pieces), "a name reached the page unescaped, or a number that is none"


def test_accounts_are_named_escaped_and_with_their_money(many: tuple) -> None:
    audit, _, backtest = many
    listed = page_backtest.false_alarms(backtest, audit).html
    assert "Company $ " in listed
    assert "&lt;b&gt;" in listed
    assert "$1." in listed


def test_the_sentence_about_eight_accounts() -> None:
    cases = eight()
    audit = audit_study(book(cases), replicates=50)
    assert claims_audit.opening(audit).startswith("Of 8 terms that came up for renewal (8 accounts), 3 left: 38% (")


def test_one_account_is_not_plural() -> None:
    cases = eight().head(1).assign(seats=0.0)
    audit = audit_study(book(cases, history=cases.assign(as_of=T)), replicates=20)
    assert "Of 1 term that came up for renewal (1 account), 1 left" in claims_audit.opening(audit)
    assert "1 account pays $10" in claims_audit.zombies(audit)


def test_a_metric_that_knows_the_outcome_is_never_named_the_best(many: tuple) -> None:
    audit, *_ = many
    best = audit.alone.iloc[0]
    table = [(best["metric"], kind, "AUC 0.99", "metric", False, "", 5.0) for kind in ("too_good", "edited")]
    leaks = pd.DataFrame(table, columns=["metric", "kind", "evidence", "of", "overruled", "reason", "weight"])
    leaky = replace(audit, leaks=leaks)
    assert claims_audit.alone(audit).startswith(best["label"])
    assert not claims_audit.alone(leaky).startswith(best["label"])
    assert "without 1 metric that seems to know the outcome" in claims_audit.score(leaky)


def test_differences_are_told_apart_by_their_interval_alone() -> None:
    fit = SimpleNamespace(differences={
        "fitted_minus_current": Estimate(0.05, 0.01, 0.09, 100, 20), "fitted_minus_equal": Estimate(0.05, -0.01, 0.11, 100, 20),
    }, equal_minus_current=Estimate(0.0, -0.05, 0.05, 100, 20))  # fmt: skip
    assert claims_fit.differences(fit) == (  # ty: ignore[invalid-argument-type]
        "The fitted weights beat the current ones: +0.050 (+0.010 to +0.090) AUC on the same accounts. "
        "The fitted weights cannot be told from the equal ones: +0.050 (−0.010 to +0.110)."
    )


def test_phrases() -> None:
    assert claims.named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert claims.score_range(Estimate(0.7, np.nan, np.nan)) == "0.70"
    assert claims.against(0.1, 0.3, 0.2) == "cannot tell"
    assert claims.words("expansion")["lost"] == "did not expand"


def test_bands_are_told_apart_by_their_difference_and_the_sentence_gives_it(many: tuple) -> None:
    backtest = many[2]
    pair = backtest.differences.iloc[0]
    rates = backtest.bands.set_index("band")["churn_rate"]
    assert pair["difference"] == pytest.approx(rates[pair["band"]] - rates[pair["next_band"]])
    said = {"sure": (0.018, 0.087), "unsure": (-0.01, 0.087), "wrong": (-0.087, -0.018)}
    for low, high in said.values():
        shown = backtest.differences.head(1).assign(low=low, high=high, arr_low=-0.02, arr_high=0.05)
        text = claims_backtest.bands(replace(backtest, differences=shown))
        assert ("Told apart" in text, "Cannot be told apart" in text, "The wrong way round" in text) == (low > 0, low < 0 < high, high < 0)
        assert ("(−2.0 to 5.0), which is not sure." in text) == (low * high > 0), "by ARR it cannot be told"
        assert f"({100 * low:.1f} to {100 * high:.1f}) points".replace("-", "−") in text


def test_the_backtest_says_which_metrics_it_does_without() -> None:
    """`seats` is said to know the outcome: the page names it with its share of the weight; without one nothing is said."""
    cases = company(0.3, 120)
    fit = fit_study(cases, CARD, replicates=20)
    leads = cases.head(0).assign(lead_days=[], ended_on=pd.to_datetime([]))
    leaky = pd.DataFrame(
        [("seats", "edited", "x", "metric", False, "")], columns=["metric", "kind", "evidence", "of", "overruled", "reason"]
    )
    facts = backtest_study(cases, leads, CARD, replace(fit, leaks=leaky), replicates=20)
    label, weight = CARD.metrics["seats"].label, CARD.weights["seats"] / sum(CARD.weights.values())
    assert facts.without == (label,)
    assert facts.without_share == pytest.approx(weight)
    page = page_backtest.opening(facts).html
    assert f"without “{label}”, which was left out" in page
    assert f"carries {weight:.0%} of" in page
    clean = backtest_study(cases, leads, CARD, replace(fit, leaks=leaky.assign(overruled=True)), replicates=20)
    assert (clean.without, claims_backtest.left_out_note(clean)) == ((), "")
    raised = pd.DataFrame({"kind": ["any of these", "new_red"], "per_month": [3.0, 1.0], "raised": [3.0, 1.0], "raised_plain": [3.0, 1.0]})
    assert f"still counts “{label}”" in claims_backtest.flaps(replace(facts, alerts=raised))
    assert "flattered" not in claims_backtest.flaps(replace(clean, alerts=raised))
