"""A segment gets its own weights where they are truly other, and not otherwise; what is shown can be pasted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_segments, page_segments, plots_segments
from healthlib.backtest import problem_of
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.studies.segments import SegmentFacts, segment_study
from healthlib.studies.walk import half_years, steps
from healthlib.weights import fit

SOME = dict(zip("abcdefgh", (40.0, 30.0, 20.0, 10.0, 0.0, 0.0, 0.0, 0.0), strict=True))
OTHERS = dict(zip("abcdefgh", (0.0, 0.0, 0.0, 0.0, 40.0, 30.0, 20.0, 10.0), strict=True))
CARD = simulated_scorecard(dict.fromkeys(SOME, 1.0))


def company(seed: int, other: dict[str, float], n_accounts: int = 600) -> pd.DataFrame:
    """Two segments of `n_accounts` each, the second with `other` true weights."""
    one, _ = simulate_cases(n_accounts=n_accounts, weights=SOME, seed=seed, correlation=0.2)
    two, _ = simulate_cases(n_accounts=n_accounts, weights=other, seed=10_000 + seed, correlation=0.2)
    two["account_id"] = "T" + two["account_id"]
    return pd.concat([one.assign(segment="SMB"), two.assign(segment="Enterprise")], ignore_index=True)


def studied(cases: pd.DataFrame) -> SegmentFacts:
    problem = problem_of(CARD, cases)
    fitted = fit(problem, cases["lost"], strength=10.0).weights
    weights = pd.DataFrame({"metric": problem.names, "current": 100 * problem.current, "fitted": 100 * fitted})
    return segment_study(cases, CARD, weights, replicates=200)


@pytest.mark.slow
def test_other_weights_are_found():
    """225 lost a segment, nothing in common: 10 of 10 companies give a segment its own weights in a longer look."""
    got = [(studied(company(seed, OTHERS)).table["verdict"] == "own").any() for seed in range(6)]
    assert np.mean(got) >= 0.8


@pytest.mark.slow
def test_the_same_weights_stay_pooled():
    """0 of 50 companies in a longer look (nominal 5 % at most)."""
    assert sum((studied(company(seed, SOME, 200)).table["verdict"] == "own").any() for seed in range(12)) == 0


def test_own_weights_can_be_pasted_and_are_read_by_the_scorecard():
    import yaml

    from healthlib.spec import Metric

    facts = next(one for one in (studied(company(seed, OTHERS)) for seed in range(6)) if one.profiles)
    given = yaml.safe_load(facts.profiles)["metrics"]
    own = facts.table.loc[facts.table["verdict"] == "own", "segment"].tolist()
    for name, part in given.items():
        assert [profile["when"]["segment"] for profile in part["profiles"]] == own
        read = Metric.model_validate({**CARD.metrics[name].model_dump(), "profiles": part["profiles"]})
        assert [profile.weight for profile in read.profiles] == [profile["weight"] for profile in part["profiles"]]
    total = sum(part["profiles"][0]["weight"] for part in given.values())
    assert total == 100
    assert "weights of its own" in claims_segments.opening(facts) or "weights of their own" in claims_segments.opening(facts)
    assert "when: {segment:" in page_segments.section(facts).html


def test_few_lost_and_none_are_sentences():
    few = studied(company(0, SOME, 30))
    assert few.tests == 0
    assert claims_segments.opening(few).startswith("One scorecard serves all for now")
    nobody = company(0, SOME, 30).head(0)
    empty = segment_study(nobody, CARD, pd.DataFrame({"metric": list("abcdefgh"), "current": 12.5, "fitted": np.nan}))
    assert "no segment, plan or other attribute" in claims_segments.opening(empty)
    for facts in (few, empty):
        assert plots_segments.gains(facts) is not None
        page_segments.section(facts)


def test_cutting_the_future_changes_no_step():
    """The steps before a day are those of the cases finished by then."""
    cases = company(1, SOME, 100)
    day = pd.Timestamp("2022-01-01")
    cut = cases[cases["as_of"] < day].reset_index(drop=True)
    whole = [step for step in steps(cases) if step.name < "2022"]
    early = steps(cut)
    assert [step.name for step in early] == [step.name for step in whole]
    for one, other in zip(early, whole, strict=True):
        assert cut.loc[one.train, "account_id"].tolist() == cases.loc[other.train, "account_id"].tolist()
        assert cut.loc[one.test, "account_id"].tolist() == cases.loc[other.test, "account_id"].tolist()


def test_a_step_learns_only_from_what_had_finished():
    cases = company(2, SOME, 100)
    half = half_years(cases["as_of"]).to_numpy()
    for step in steps(cases):
        first = cases.loc[step.test, "as_of"].min()
        assert (half[step.test] == step.name).all()
        assert (cases.loc[step.train, "horizon_ends_on"] < first).all()
