"""Growth as an outcome of its own: labels by hand, planted truth, lists, and what is said where nothing can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_growth, scoring
from healthlib.demo import make_demo
from healthlib.demo_cases import simulate_cases, simulated_scorecard
from healthlib.spec import OutcomeSpec, Workspace
from healthlib.studies import plainly
from healthlib.studies.advocates import states
from healthlib.studies.book import Book, load_book
from healthlib.studies.fit import fit_study
from healthlib.studies.growth import GROWTH_COLUMNS, PRICE_RISE, GrowthFacts, grown_cases, growth_over, growth_scorecard, growth_study

from .small_company import book


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Book:
    folder = tmp_path_factory.mktemp("growth") / "acme"
    make_demo(folder, accounts=250, seed=3)
    return load_book(folder)


@pytest.fixture(scope="module")
def facts(demo: Book) -> GrowthFacts:
    return growth_study(demo, replicates=200)


def days(*texts: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts)).astype("datetime64[s]"))


def test_growth_is_read_on_the_first_month_end_after_the_whole_horizon() -> None:
    """a grew by 20 %, b by a price rise of 3 %, c left, d is gone by then, e's month-end is still ahead; nothing else counts."""
    cases = pd.DataFrame({
        "account_id": list("abcde"), "as_of": days(*["2026-01-31"] * 5), "arr": [100.0] * 5, "lost": [0.0, 0.0, 1.0, 0.0, 0.0],
        "horizon_ends_on": days("2026-04-30", "2026-04-01", "2026-04-01", "2026-04-01", "2026-06-15"),
    })  # fmt: skip
    rows = [("a", "2026-04-30", 120.0), ("b", "2026-04-30", 103.0), ("a", "2026-05-31", 50.0), ("e", "2026-05-31", 500.0)]
    history = pd.DataFrame(rows, columns=["account_id", "as_of", "arr"])
    history["as_of"] = days(*history["as_of"])
    small = replace(book(), cases=cases, history=history, ledger=history.rename(columns={"as_of": "month"}))
    found = grown_cases(small, 0.1).set_index("account_id")
    assert found["lost"].to_dict() == {"a": 0.0, "b": 1.0}
    assert found["arr_after"].to_dict() == {"a": 120.0, "b": 103.0}
    assert grown_cases(small, 0.02).set_index("account_id")["lost"].to_dict() == {"a": 0.0, "b": 0.0}


def test_later_months_change_no_label_that_was_known(demo: Book) -> None:
    """The book cut half a year earlier gives the same labels for the cases that had finished then."""
    cut = pd.Timestamp("2026-04-30")
    before = replace(
        demo, as_of=cut, history=demo.history[demo.history["as_of"] <= cut],
        cases=demo.cases.assign(lost=demo.cases["lost"].where(demo.cases["horizon_ends_on"] <= cut)),
    )  # fmt: skip
    early, late = (grown_cases(one, 0.1).set_index(["account_id", "as_of"])["lost"] for one in (before, demo))
    assert len(early) > 100
    pd.testing.assert_series_equal(early, late.reindex(early.index))


def test_labels_agree_with_expansion_outcomes_of_contracts(demo: Book) -> None:
    """`outcome: expansion` looks at the following contract, this at the ARR of a month-end: of those who stayed they rarely differ."""
    spec = OutcomeSpec(kind="expansion", expansion_over=0.1)
    other = load_book(demo.workspace.folder)
    from healthlib.studies.book import book_of
    from healthlib.tables import load_tables

    workspace = Workspace(**{**vars(other.workspace), "outcome": spec})
    labelled = book_of(load_tables(workspace), workspace, demo.as_of).cases.set_index(["account_id", "as_of"])["lost"]
    mine = grown_cases(demo, 0.1).set_index(["account_id", "as_of"])["lost"]
    both = pd.concat([mine, labelled.rename("contract")], axis=1, join="inner").dropna()
    assert len(both) == len(mine) > 200
    assert (both["lost"] == both["contract"]).mean() > 0.97


def test_what_drives_growth_is_found_and_a_score_of_health_is_not() -> None:
    """Planted: growth depends on depth and nothing else."""
    weights = {"depth": 100.0, "seats": 0.0, "contact": 0.0, "tickets": 0.0}
    cases, _ = simulate_cases(900, 4, weights, churn_rate=0.6, seed=5, slope=4.0)
    fitted = fit_study(cases, growth_scorecard(simulated_scorecard(dict.fromkeys(weights, 25.0)), ()), replicates=200)
    table = fitted.weights.set_index("metric")
    assert fitted.recommendation == "adopt"
    assert table["fitted"].idxmax() == "depth"
    assert table.loc["depth", "low"] > 50
    assert (table.drop(index="depth")["low"] < 5).all()


def test_the_demo_grows_by_value_alone(facts: GrowthFacts) -> None:
    """The simulated company's ARR grows where value was felt: goals achieved is its trace, and a 3 % price rise is everybody's."""
    assert facts.usual == pytest.approx(0.03, abs=0.002)
    assert facts.over == PRICE_RISE
    assert 0.25 < facts.rate.low < facts.rate.high < 0.5
    assert facts.fit is not None
    weights = facts.fit.weights.set_index("metric")["fitted"]
    assert weights.idxmax() in ("goals_achieved", "feature_breadth")
    assert weights["cancellation_tickets"] == 0


def test_who_is_ready_is_ranked_by_chance_and_never_at_risk(demo: Book, facts: GrowthFacts) -> None:
    ready = facts.ready
    assert ready["chance"].is_monotonic_decreasing
    assert (ready["band"] != demo.scorecard.bands[0].name).all()
    assert ((ready["low"] <= ready["chance"]) & (ready["chance"] <= ready["high"])).all()
    np.testing.assert_allclose(ready["expected_arr"], ready["chance"] * facts.size * ready["arr"])
    assert set(ready["account_id"]) <= set(demo.history.loc[demo.history["as_of"] == demo.as_of, "account_id"])


def test_advocates_are_in_the_best_band_a_year_here_and_spoke_or_would(demo: Book, facts: GrowthFacts) -> None:
    today = demo.history[demo.history["as_of"] == demo.as_of].reset_index(drop=True)
    state = states(today, demo.scorecard)
    named = facts.advocates.today
    assert set(named["account_id"]) == set(today.loc[state["advocate"], "account_id"])
    plain = today.set_index("account_id").loc[named["account_id"]]
    assert ((plain["advocacy"].fillna(0) > 0) | (plain["nps"].fillna(0) >= 9)).all()
    assert (plain["age_days"] >= 365).all()


def test_who_spoke_in_the_year_after_by_brute_force(demo: Book, facts: GrowthFacts) -> None:
    """Every month-end with one twelve months later, account by account."""
    history = demo.history.set_index(["account_id", "as_of"])
    state = states(demo.history, demo.scorecard)
    advocate = dict(zip(zip(demo.history["account_id"], demo.history["as_of"], strict=True), state["advocate"], strict=True))
    told = {"advocates": [0, 0], "all others": [0, 0]}
    for key, now in history["advocacy"].items():
        then = (key[0], key[1] + pd.offsets.MonthEnd(12))
        if then in history.index and now == 0:
            group = told["advocates" if advocate[key] else "all others"]
            group[0] += 1
            group[1] += history.loc[then, "advocacy"] > 0
    found = facts.advocates.spoke.set_index("group")
    assert {name: [found.loc[name, "cases"], found.loc[name, "spoke"]] for name in told} == told


def test_the_file_holds_everyone_ranked_or_willing(facts: GrowthFacts) -> None:
    table = facts.table
    assert tuple(table.columns) == GROWTH_COLUMNS
    assert table["account_id"].is_unique
    assert set(table["account_id"]) == {*facts.ready["account_id"], *facts.advocates.today["account_id"]}
    assert (table["advocate"] != "").sum() == len(facts.advocates.today)


def test_where_nothing_grew_the_page_says_what_it_takes() -> None:
    flat = growth_study(replace(book(), history=book().history.assign(arr=100.0), cases=book().cases.assign(arr=100.0)))
    assert flat.fit is None
    assert flat.ready.empty
    assert "it takes 5 of each" in claims_growth.rate(flat)
    for say in (claims_growth.weights, claims_growth.ready, claims_growth.advocates):
        assert say(flat).endswith(".")


@pytest.mark.parametrize(("kind", "given", "over"), [("renewal", 0.0, PRICE_RISE), ("renewal", 0.25, 0.25), ("expansion", 0.0, 0.0)])
def test_growth_must_exceed_a_price_rise_unless_the_workspace_says_otherwise(kind: str, given: float, over: float) -> None:
    small = book()
    spec = OutcomeSpec.model_validate({"kind": kind, "expansion_over": given})
    assert growth_over(replace(small, workspace=small.workspace.model_copy(update={"outcome": spec}))) == over


def test_every_sentence_ends(facts: GrowthFacts, tmp_path: Path) -> None:
    for say in (claims_growth.rate, claims_growth.weights, claims_growth.ready, claims_growth.advocates):
        assert say(facts).endswith(".")


def test_what_speaks_for_an_account_are_the_metrics_that_add_most_to_its_growth_score(demo: Book, facts: GrowthFacts) -> None:
    """Again from the points of the score; a metric that also lacks much is named all the same."""
    today = demo.history[demo.history["as_of"] == demo.as_of].set_index("account_id", drop=False)
    first = facts.ready.iloc[0]
    assert facts.fit is not None
    weights = facts.fit.weights.set_index("metric")[facts.weighed]
    card = growth_scorecard(demo.scorecard, ())
    points = scoring.score(card, today.loc[[first["account_id"]]], weights.to_dict()).points.iloc[0].sort_values(ascending=False)
    values = today.loc[first["account_id"]]
    best = {plainly.praise(card.metrics[name], float(values[name])) for name in points[points >= points.iloc[2] - 1e-9].index}
    told = {part[0].lower() + part[1:] if part[1:2].islower() else part for part in first["because"].split("; ")}
    assert told <= best
    assert len(told) == 3
