"""Golden numbers: scikit-learn's weighted AUC, Brier score and log loss; brute force over pairs; Hanley & McNeil's definition by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from healthlib import stats
from healthlib.resample import account_weights


@pytest.fixture
def cases():
    rng = np.random.default_rng(3)
    score = rng.integers(0, 12, 60).astype(float)
    lost = (rng.random(60) < 0.3).astype(float)
    return score, lost, rng.lognormal(0, 1, 60), rng.integers(0, 25, 60).astype(str)


def test_auc_equals_scikit_learn_with_weights_and_ties(cases):
    score, lost, arr, _ = cases
    assert stats.auc(score, lost, arr) == pytest.approx(roc_auc_score(1 - lost, score, sample_weight=arr), abs=1e-12)


def test_auc_equals_brute_force_over_pairs(cases):
    score, lost, arr, _ = cases
    won = total = 0.0
    for i in np.flatnonzero(lost == 0):
        for j in np.flatnonzero(lost == 1):
            won += arr[i] * arr[j] * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
            total += arr[i] * arr[j]
    assert stats.auc(score, lost, arr) == pytest.approx(won / total, abs=1e-12)


@pytest.mark.parametrize("statistic", [stats.auc, stats.brier, stats.log_loss])
def test_case_weight_two_is_the_row_twice(cases, statistic):
    score, lost, _, _ = cases
    twice = np.r_[np.arange(60), np.arange(20)]
    weight = np.r_[np.full(20, 2.0), np.ones(40)]
    assert statistic(score / 12, lost, weight) == pytest.approx(statistic(score[twice] / 12, lost[twice]), abs=1e-12)


def test_brier_and_log_loss_equal_scikit_learn(cases):
    score, lost, arr, _ = cases
    p = (score + 1) / 14
    assert stats.brier(p, lost, arr) == pytest.approx(brier_score_loss(lost, p, sample_weight=arr))
    assert stats.log_loss(p, lost, arr) == pytest.approx(log_loss(lost, p, sample_weight=arr))


@pytest.mark.parametrize("weighted", [False, True])
def test_auc_replicates_equal_a_loop_that_draws_the_rows(cases, weighted):
    score, lost, arr, ids = cases
    codes, counts = account_weights(ids, replicates=30, seed=5)
    weight = arr if weighted else None
    fast = stats.auc_replicates(score, lost, codes, counts, weight)
    for r in range(30):
        rows = np.repeat(np.arange(60), counts[codes, r])
        slow = stats.auc(score[rows], lost[rows], None if weight is None else arr[rows])
        assert fast[r] == pytest.approx(slow, abs=1e-12)


def test_one_class_is_undefined_not_zero():
    assert np.isnan(stats.auc([1.0, 2.0], [0, 0]))
    assert np.isnan(stats.auc([], []))
    assert np.isnan(stats.rate([]))


def test_the_order_of_rows_changes_nothing(cases):
    score, lost, arr, ids = cases
    mixed = np.random.default_rng(0).permutation(60)
    codes, counts = account_weights(ids, 20, seed=1)
    again, same = account_weights(ids[mixed], 20, seed=1)
    np.testing.assert_array_equal(counts, same)
    first = stats.auc_replicates(score, lost, codes, counts, arr)
    np.testing.assert_allclose(first, stats.auc_replicates(score[mixed], lost[mixed], again, same, arr[mixed]), atol=1e-12)
