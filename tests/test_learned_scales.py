"""Learned scales against planted curves and lines; what may teach them; what they leave alone and say so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import chdtri

from healthlib.backtest import problem_of, replay
from healthlib.curves import CONTRADICTED, departures, few, typed
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.learned_scales import Learned, learn_scales
from healthlib.scoring import score
from healthlib.spec import Metric, Scorecard
from healthlib.stats import auc
from healthlib.studies.fit import fit_study
from healthlib.weights import fit, whole

WEIGHTS = {"bent": 50.0, "straight": 30.0, "nothing": 0.0}
TODAY = dict.fromkeys(WEIGHTS, 1.0)


def company(accounts: int, seed: int, *, bend: float = 4.0, **more) -> pd.DataFrame:
    """Cases in which the log-odds run straight in `straight` and, and saturate in `bent`: value = 100 (points / 100)^bend."""
    cases, _ = simulate_cases(accounts, 4, WEIGHTS, 0.15, 0.2, seed=seed, slope=9.0, **more)
    return cases.assign(bent=100 * (cases["bent"] / 100) ** bend)


def changed(card: Scorecard, name: str, **keys) -> Scorecard:
    metric = Metric.model_validate(card.metrics[name].model_dump() | keys)
    return card.model_copy(update={"metrics": {**card.metrics, name: metric}})


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, Learned]:
    cases = company(2500, 1)
    return cases, learn_scales(simulated_scorecard(TODAY), cases)


def test_a_saturating_curve_is_recovered(learned):
    """Up to shift and scale, the points of every bin but the outer two, which are open-ended, are those of the truth within three standard
    errors of its log-odds, sqrt(1 / lost + 1 / kept); a point is worth 9 x 50 / 80 / 100 log-odds. The line in use misses by twice that."""
    cases, found = learned
    bins = found.bins[found.bins["metric"] == "bent"].iloc[1:-1]
    lost = np.bincount(found.code["bent"], weights=cases["lost"])[1:-1]
    error = np.sqrt(1 / lost + 1 / (np.bincount(found.code["bent"])[1:-1] - lost)) / (9 * 50 / 80 / 100)
    truth = 100 * (bins["value"].to_numpy() / 100) ** 0.25
    missed = {}
    for points in ("points_learned", "points_now"):
        slope, start = np.polyfit(bins[points], truth, 1, w=1 / error)
        missed[points] = np.abs(start + slope * bins[points] - truth) / error
    assert missed["points_learned"].max() < 3
    assert missed["points_now"].max() > 6


def test_learned_scales_beat_the_line_on_new_cases_and_whole_weights_lose_nothing(learned):
    cases, found = learned
    card, new = simulated_scorecard(TODAY), company(4000, 2)
    got = {}
    for name, chosen in (("line", card), ("curve", found.scorecard)):
        problem = problem_of(chosen, cases)
        weights = dict(zip(problem.names, fit(problem, cases["lost"], strength=1.0).weights.tolist(), strict=True))
        got[name] = auc(score(chosen, new, weights).frame["score"], new["lost"])
        rounded = {key: float(value) for key, value in whole(weights, card).items()}
        assert got[name] - auc(score(chosen, new, rounded).frame["score"], new["lost"]) < 0.001
    assert got["curve"] > got["line"] + 0.01


def test_the_study_adopts_a_curve_that_is_there():
    facts = fit_study(company(1200, 3), simulated_scorecard(TODAY), replicates=300)
    assert facts.learned.advice == "adopt"
    assert facts.differences["learned_minus_fitted"].low > 0
    assert facts.auc["learned"].value - facts.auc["fitted"].value == pytest.approx(facts.differences["learned_minus_fitted"].value)
    assert set(facts.learned.curves.loc[facts.learned.curves["recommended"], "metric"]) >= {"bent"}
    assert facts.learned.weights["recommended"].sum() == 100
    seen = facts.learned.scales
    assert (seen["low"] <= seen["kept"]).all()
    assert (seen["kept"] <= seen["high"]).all()
    assert (1 - seen["lost"] / seen["cases"]).tolist() == pytest.approx(seen["kept"].tolist())


def test_straight_scales_are_left_alone():
    """60 metrics whose log-odds run straight: departures beyond the 90 % quantile of scatter are found in about a tenth; more than 15 would
    come by chance once in a thousand companies. What it costs on new cases is noise."""
    bent, cost = 0, []
    for seed in range(20):
        cases, new = (company(500, 10 * seed + one, bend=1.0) for one in (0, 1))
        card = simulated_scorecard(TODAY)
        found = learn_scales(card, cases)
        bent += int(found.told["learned"].sum())
        scored = []
        for chosen in (card, found.scorecard):
            problem = problem_of(chosen, cases)
            weights = dict(zip(problem.names, fit(problem, cases["lost"], strength=1.0).weights.tolist(), strict=True))
            scored.append(auc(score(chosen, new, weights).frame["score"], new["lost"]))
        cost.append(scored[0] - scored[1])
    assert bent <= 15
    assert np.mean(cost) < 0.003


@pytest.mark.parametrize("seed", range(3))
def test_a_straight_truth_is_never_advised_against(seed):
    facts = fit_study(company(400, 40 + seed, bend=1.0), simulated_scorecard(TODAY), replicates=200)
    assert facts.learned.advice != "adopt"
    assert not facts.learned.curves["recommended"].any()


def test_few_churns_keep_every_scale_and_say_how_many_it_takes():
    cases = company(60, 5)
    card = simulated_scorecard(TODAY)
    found = learn_scales(card, cases)
    assert found.scorecard == card
    assert found.curves.empty
    assert all("at least 30 of each are needed" in why for why in found.told["why"])


def test_nothing_to_learn_from():
    cases, card = company(20, 6), simulated_scorecard(TODAY)
    for some in (cases.assign(lost=0.0), cases.assign(lost=1.0), cases.head(0)):
        found = learn_scales(card, some)
        assert found.scorecard == card
        assert found.bins.empty


def test_outcomes_that_contradict_better_keep_the_scale():
    card = changed(simulated_scorecard(TODAY), "straight", worst=100.0, best=0.0, better="lower")
    found = learn_scales(card, company(1500, 7))
    told = found.told.set_index("metric").loc["straight"]
    assert (told["learned"], told["why"]) == (False, CONTRADICTED)
    assert found.scorecard.metrics["straight"] == card.metrics["straight"]


def test_a_metric_of_two_values_keeps_its_line():
    cases = company(1500, 8)
    found = learn_scales(simulated_scorecard(TODAY), cases.assign(straight=100.0 * (cases["straight"] > 50)))
    assert "two values" in found.told.set_index("metric").loc["straight", "why"]


def test_profiles_and_what_does_not_apply_are_honoured():
    """SMB values are doubled and its profile's ends too: one curve on the common axis, written twice as wide for the profile."""
    cases = company(2500, 9)
    small = (cases["segment"] == "SMB").to_numpy()
    cases["bent"] = np.where(small, 2 * cases["bent"], cases["bent"])
    card = changed(simulated_scorecard(TODAY), "bent", profiles=({"when": {"segment": ("SMB",)}, "best": 200.0},))
    card = changed(card, "nothing", applies_to={"segment": ("SMB",)}, missing="worst")
    own, profile = (part.curve for part in (learn_scales(card, cases).scorecard.metrics["bent"],
                                            learn_scales(card, cases).scorecard.metrics["bent"].profiles[0]))  # fmt: skip
    assert own
    assert profile
    assert list(own.values()) == list(profile.values())
    assert list(profile) == pytest.approx([2 * value for value in own], rel=0.1, abs=0.02)
    found = learn_scales(card, cases)
    assert (found.code["nothing"][~small] == -1).all()
    Metric.model_validate(found.scorecard.metrics["bent"].model_dump())


def test_missing_values_are_scored_by_their_rule_and_teach_nothing():
    cases = company(2500, 11, missing_share=0.2)
    card = changed(simulated_scorecard(TODAY), "bent", missing="worst")
    found = learn_scales(card, cases)
    gaps = cases["bent"].isna().to_numpy()
    assert (found.code["bent"][gaps] == -1).all()
    assert (score(found.scorecard, cases[gaps]).metric_scores["bent"] == 0).all()


def test_the_future_teaches_no_fold():
    """Outcomes that finish after a cut-off, and values scored after it, change nothing of what was learned at it."""
    cases, card = company(500, 12), simulated_scorecard(TODAY)
    before = replay(cases, card)
    last = before.folds["cutoff"].iloc[len(before.folds) // 2]
    late = cases["horizon_ends_on"] >= last
    turned = cases.assign(lost=cases["lost"].where(~late, 1 - cases["lost"]))
    after = replay(turned, card)
    keep = [
        frame.predictions[frame.predictions["cutoff"] <= last].set_index(["account_id", "as_of"])["learned"] for frame in (before, after)
    ]
    pd.testing.assert_series_equal(*keep)
    assert np.isfinite(keep[0]).mean() > 0.9


def test_without_a_learned_scale_the_scores_are_those_of_the_fitted_weights():
    past = replay(company(150, 13), simulated_scorecard(TODAY)).predictions
    first = past[past["cutoff"] == past["cutoff"].min()]
    assert first["learned"].tolist() == first["fitted"].tolist()


def test_case_weights_count_by_their_proportions():
    cases, card = company(1500, 14), simulated_scorecard(TODAY)
    plain = learn_scales(card, cases)
    assert learn_scales(card, cases, case_weight=np.full(len(cases), 7.0)).scorecard == plain.scorecard
    doubled = np.where(cases["straight"] > 50, 5.0, 1.0)
    assert learn_scales(card, cases, case_weight=doubled).scorecard != plain.scorecard


def test_departures_by_hand():
    """Four bins on a line with variance 0.1: no departure. One bin lifted by 3: Q, and t^2 from it, by the normal equations."""
    now, variance = np.array([0.0, 0.3, 0.6, 1.0]), np.full(4, 0.1)
    line, left, spread = departures(now, 1 + 2 * now, variance)
    assert (line, spread) == (pytest.approx(2.0), 0.0)
    assert left.tolist() == pytest.approx([0.0] * 4)
    odds = 1 + 2 * now + np.array([0, 3.0, 0, 0])
    rows = np.column_stack([np.ones(4), now])
    project = np.eye(4) - rows @ np.linalg.inv(rows.T @ rows) @ rows.T
    square = (odds @ project @ odds / 0.1 - chdtri(2, 0.1)) / (np.trace(project) / 0.1)
    line, left, spread = departures(now, odds, variance)
    assert spread**2 == pytest.approx(square)
    assert left.tolist() == pytest.approx((project @ odds * square / (square + 0.1)).tolist())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e4, 1e4).map(lambda value: round(value, 3)), min_size=2, max_size=10, unique=True),
    st.data(),
)
def test_what_is_typed_is_monotone_whole_and_near(values, data):
    at = np.sort(np.array(values))
    points = np.sort(np.array(data.draw(st.lists(st.floats(0, 100), min_size=len(at), max_size=len(at)))))
    points = np.r_[0.0, points[1:-1], 100.0]
    knots = typed(*few(at, points))
    have = list(knots.values())
    assert have == sorted(have)
    assert have[0] == 0
    assert have[-1] == 100
    assert all(value == int(value) for value in have)
    assert list(knots) == sorted(knots)
    wide = np.diff(few(at, points)[0]).min()
    assert all(min(abs(key - value) for value in at) <= 0.051 * max(wide, np.diff(at).max()) for key in knots)


def test_steps_may_become_a_curve_and_a_made_metric_stays():
    cases = company(2000, 15)
    card = changed(simulated_scorecard(TODAY), "bent", worst=None, best=None, steps={0: 0, 50: 100})
    found = learn_scales(card, cases)
    assert found.scorecard.metrics["bent"].curve
    assert found.scorecard.metrics["bent"].steps is None
