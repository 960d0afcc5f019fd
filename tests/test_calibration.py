"""The curve against statsmodels Logit; expected losses against the arithmetic mean and their promised coverage."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from healthlib.calibration import calibrate, curve, reliability
from healthlib.stats import logistic


@pytest.fixture(scope="module")
def book():
    rng = np.random.default_rng(7)
    score = rng.uniform(0, 100, 1500)
    chance = logistic(1.0 - 5.0 * score / 100)
    return score, chance, (rng.random(1500) < chance).astype(float), np.arange(1500) // 3


def test_curve_equals_statsmodels(book):
    score, _, lost, _ = book
    theirs = sm.Logit(lost, np.column_stack([np.ones(1500), -score / 100])).fit(disp=0).params
    assert curve(score, lost).tolist() == pytest.approx(theirs.tolist(), rel=5e-3)  # the trace of ridge is the difference


def test_probability_falls_with_the_score_and_its_interval_holds_the_truth(book):
    score, _, lost, ids = book
    found = calibrate(score, lost, ids, replicates=300).probability([0.0, 30.0, 60.0, 100.0, np.nan])
    assert found["probability_lost"].iloc[:4].is_monotonic_decreasing
    truth = logistic(1.0 - 5.0 * np.array([0.0, 0.3, 0.6, 1.0]))
    assert ((found["low"].iloc[:4] <= truth) & (truth <= found["high"].iloc[:4])).all()
    assert found.iloc[4].isna().all()


def test_a_score_of_the_wrong_sign_gives_everybody_the_base_rate(book):
    score, _, lost, ids = book
    found = calibrate(100 - score, lost, ids, replicates=100)
    assert found.probability([0.0, 100.0])["probability_lost"].tolist() == pytest.approx([lost.mean()] * 2)


def test_expected_loss_is_the_sum_of_chance_times_money_with_outcomes_in_its_interval(book):
    score, chance, lost, ids = book
    found = calibrate(score, lost, ids, replicates=400)
    rng = np.random.default_rng(1)
    arr, some = rng.lognormal(10, 1, 80), slice(0, 80)
    promised = found.expected_lost(arr, score[some])
    assert promised.value == pytest.approx(found.probability(score[some])["probability_lost"] @ arr)
    futures = (rng.random((400, 80)) < chance[some]) @ arr
    assert 0.9 <= ((promised.low <= futures) & (futures <= promised.high)).mean() <= 0.99
    assert (promised.n, promised.events) == (80, pytest.approx(chance[some].sum(), rel=0.1))


def test_accounts_without_a_score_count_at_the_base_rate(book):
    score, _, lost, ids = book
    found = calibrate(score, lost, ids, replicates=50)
    assert found.expected_lost([100.0], [np.nan]).value == pytest.approx(100 * lost.mean())
    assert found.expected_lost([], []).value == 0


@pytest.mark.parametrize("lost", [[], [0.0] * 30, [1.0] * 30, [1.0] * 3 + [0.0] * 27, [np.nan] * 30])
def test_too_little_evidence_is_no_error(lost):
    score = np.linspace(0, 100, len(lost))
    found = calibrate(score, lost, np.arange(len(lost)), replicates=50)
    assert len(found.probability([10.0, np.nan])) == 2
    assert found.theta[1] == 0
    assert reliability(score / 100, lost, np.arange(len(lost)), replicates=20).columns[0] == "bin"


def test_reliability_bins_by_hand():
    p, lost = np.repeat([0.1, 0.5], 50), np.r_[np.repeat([1.0, 0.0], [5, 45]), np.repeat([1.0, 0.0], [25, 25])]
    table = reliability(p, lost, np.arange(100), replicates=50)
    assert table["n"].tolist() == [50, 50]
    assert table["rate"].tolist() == pytest.approx([0.1, 0.5])
    assert table["mean_probability"].tolist() == pytest.approx([0.1, 0.5])
