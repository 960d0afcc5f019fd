"""Golden numbers: Wilson's interval from statsmodels (`proportion_confint(..., method="wilson")`); replicates against explicit loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from healthlib import resample
from healthlib.resample import Estimate, account_weights, percentile, rate, rates, shares, wilson


@pytest.mark.parametrize(("happened", "n"), [(0, 12), (1, 12), (12, 12), (37, 200)])
def test_wilson_equals_statsmodels(happened, n):
    low, high = wilson(happened / n, n)
    assert (float(low), float(high)) == pytest.approx(proportion_confint(happened, n, method="wilson"), abs=1e-9)


def test_accounts_are_drawn_whole_and_repeatably():
    codes, counts = account_weights(["b", "a", "b", "c"], replicates=50, seed=2)
    assert codes.tolist() == [1, 0, 1, 2]
    assert counts.sum(axis=0).tolist() == [3] * 50
    np.testing.assert_array_equal(counts, account_weights(["c", "b", "a"], replicates=50, seed=2)[1])
    assert not np.array_equal(counts, account_weights(["c", "b", "a"], replicates=50, seed=3)[1])


@pytest.mark.parametrize("ids", [["b", "a", "b", "é", "Z"], ["b", None, "None"], [10, 9, 10], [], ["a"]])
def test_a_column_numbers_its_accounts_as_a_list_does(ids):
    codes, counts = account_weights(pd.Series(ids), replicates=7)
    texts, number = np.unique(np.asarray(pd.Series(ids)).astype(str), return_inverse=True)
    assert codes.tolist() == number.tolist()
    assert counts.shape == (len(texts), 7)


def test_whole_numbers_are_added_in_single_precision_without_a_difference(monkeypatch):
    rng = np.random.default_rng(0)
    codes, counts = account_weights(rng.integers(0, 500, 3000), 200)
    lost, groups = (rng.random(3000) < 0.1).astype(float), rng.integers(0, 6, 3000)
    single = rates(lost, codes, counts, groups=groups)
    monkeypatch.setattr(resample, "_whole", lambda table, drawn: False)
    double = rates(lost, codes, counts, groups=groups)
    for name in single:
        np.testing.assert_array_equal(single[name], double[name])
    huge = resample.by_account(codes, np.full(3000, 2.0**20), shape=(1, counts.shape[0]))
    monkeypatch.undo()
    assert not resample._whole(huge, counts)


def test_nothing_lost_among_twelve_does_not_read_zero_to_zero():
    codes, counts = account_weights([f"A{i}" for i in range(12)], 100)
    assert rate(np.zeros(12), codes, counts) == Estimate(0.0, 0.0, pytest.approx(0.2425, abs=1e-4), 12, 0)


def test_rows_that_share_a_fate_do_not_narrow_the_interval():
    """Ten identical rows of each account say no more than one: an interval from rows would be a third as wide."""
    rng = np.random.default_rng(4)
    lost, ids = (rng.random(300) < 0.2).astype(float), np.arange(300)
    codes, counts = account_weights(ids, 400)
    many, same = account_weights(np.repeat(ids, 10), 400)
    one, ten = rate(lost, codes, counts), rate(np.repeat(lost, 10), many, same)
    assert (one.low, one.high) == pytest.approx((ten.low, ten.high), abs=1e-12)


def test_variance_behind_a_rate_is_that_of_the_replicates():
    """With many of both outcomes the interval is Wilson's at p(1-p) / variance between replicates, the variance looped here by hand."""
    rng = np.random.default_rng(6)
    ids = rng.integers(0, 200, 600)
    lost, arr = (rng.random(600) < 0.4).astype(float), rng.lognormal(0, 0.3, 600)
    codes, counts = account_weights(ids, 60)
    found = rates(lost, codes, counts, case_weight=arr)
    draws = [np.average(lost, weights=arr * counts[codes, r]) for r in range(60)]
    p = np.average(lost, weights=arr)
    untouched = p * (1 - p) / np.var(draws)
    assert found["value"][0] == pytest.approx(p)
    assert 0.93 < found["n_effective"][0] / untouched < 1.0  # Student's t for some 100 effective losses


def test_shares_of_a_whole_sum_to_one_and_agree_with_rates():
    place = np.array([0, 0, 1, 2, 2, 2])
    codes, counts = account_weights(list("abcdef"), 50)
    found = shares(place, 4, codes, counts)
    assert found["value"].tolist() == pytest.approx([2 / 6, 1 / 6, 3 / 6, 0])
    alone = rate(place == 2, codes, counts)
    assert (found["low"][2], found["high"][2]) == pytest.approx((alone.low, alone.high))


def test_percentile_interval_always_holds_its_value_and_needs_two_accounts():
    assert percentile(5.0, np.array([1.0, 2.0])).high == 5.0
    assert np.isnan(percentile(5.0, np.array([1.0, 2.0]), n=1).low)
    assert np.isnan(percentile(float("nan"), np.array([1.0])).value)
