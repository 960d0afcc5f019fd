"""Brute force over drawn rows and over all 5,050 pairs; scikit-learn's AUC; one table by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from healthlib import stats, thresholds
from healthlib.bands import assign
from healthlib.errors import HealthlibError
from healthlib.resample import account_weights


@pytest.fixture(scope="module")
def book():
    """1,500 cases of 200 accounts; fractional, whole and missing scores, some on the edges."""
    rng = np.random.default_rng(3)
    score = np.clip(rng.normal(55, 22, 1500), 0, 100)
    score[:700] = np.round(score[:700])
    lost = (rng.random(1500) < 1 / (1 + np.exp((score - 25) / 12))).astype(float)
    score[::50] = np.nan
    arr = np.round(rng.lognormal(8, 1, 1500))
    return score, lost, arr, *account_weights(rng.integers(0, 200, 1500).astype(str), 25, seed=1)


def by_hand(score, lost, arr, cut):
    under = score < cut
    return [under.sum(), (lost[under] == 1).sum(), arr[under].sum(), arr[under & (lost == 1)].sum()]


def test_below_every_cut_equals_counting(book):
    score, lost, arr, *_ = book
    table = thresholds.below(score, lost, arr)
    for cut in thresholds.CUTS:
        assert [getattr(table, name)[cut] for name in ("accounts", "churned", "arr", "arr_churned")] == by_hand(score, lost, arr, cut)


def test_replicates_equal_drawing_the_rows(book):
    score, lost, arr, codes, counts = book
    table = thresholds.below_replicates(score, lost, arr, codes, counts)
    for r in range(25):
        rows = np.repeat(np.arange(1500), counts[codes, r])
        for cut in (0, 1, 30, 55, 100, 101):
            here = [getattr(table, name)[cut, r] for name in ("accounts", "churned", "arr", "arr_churned")]
            assert here == by_hand(score[rows], lost[rows], arr[rows], cut)


def test_bands_between_two_cuts_are_those_of_the_scorecard(book):
    score, lost, arr, *_ = book
    table = thresholds.below(score, lost, arr).between([0, 40, 60], [40, 60, 101])
    band = assign(score, [0, 40, 60], ["red", "yellow", "green"])
    for i, name in enumerate(("red", "yellow", "green")):
        assert (table.accounts[i], table.churned[i], table.arr[i]) == (
            (band == name).sum(),
            lost[band == name].sum(),
            arr[band == name].sum(),
        )


def test_the_area_is_the_auc_of_the_whole_number_score_ties_and_all(book):
    score, lost, arr, codes, counts = book
    known = np.isfinite(score)
    whole = np.floor(score[known])
    table, drawn = thresholds.below(score, lost, arr), thresholds.below_replicates(score, lost, arr, codes, counts)
    assert thresholds.area(table) == pytest.approx(roc_auc_score(1 - lost[known], whole), abs=1e-12)
    assert thresholds.area(table, "arr") == pytest.approx(roc_auc_score(1 - lost[known], whole, sample_weight=arr[known]), abs=1e-12)
    np.testing.assert_array_equal(thresholds.area(drawn), stats.auc_replicates(whole, lost[known], codes[known], counts))
    for r in range(5):
        rows = np.repeat(np.flatnonzero(known), counts[codes[known], r])
        assert thresholds.area(drawn)[r] == pytest.approx(roc_auc_score(1 - lost[rows], np.floor(score[rows])), abs=1e-12)


def brute(score, lost, weight, pair, objective):
    """The objective of two cuts, from the rows."""
    total, bad = weight.sum(), weight[lost == 1].sum()
    value = 0.0
    if objective == "youden":
        return sum(weight[(score < c) & (lost == 1)].sum() / bad - weight[(score < c) & (lost == 0)].sum() / (total - bad) for c in pair)
    for inside in (score < pair[0], (score >= pair[0]) & (score < pair[1]), score >= pair[1]):
        n, gone = weight[inside].sum(), weight[inside & (lost == 1)].sum()
        if n == 0:
            continue
        if objective == "variance":
            value += n * (gone / n - bad / total) ** 2 / total
        elif min(gone, n - gone) == 0:
            return np.nan
        else:
            here, there = (n - gone) / (total - bad), gone / bad
            value += (here - there) * np.log(here / there)
    return value


@pytest.mark.parametrize("objective", ["variance", "information", "youden"])
@pytest.mark.parametrize("by", ["accounts", "arr"])
def test_every_pair_equals_brute_force(book, objective, by):
    score, lost, arr, *_ = (x[:400] for x in book[:3])
    known = np.isfinite(score)
    score, lost, arr = score[known], lost[known], arr[known]
    table = thresholds.below(score, lost, arr)
    found = thresholds.every_pair(table, objective, by)
    assert len(found) == 5050
    weight = np.ones(len(score)) if by == "accounts" else arr
    slow = np.array([brute(score, lost, weight, pair, objective) for pair in found[["lower", "upper"]].to_numpy().tolist()])
    np.testing.assert_allclose(found["value"], slow, rtol=1e-10, atol=1e-12, equal_nan=True)
    best = thresholds.best_pair(table, objective, by)
    assert brute(score, lost, weight, best, objective) == pytest.approx(np.nanmax(slow))


def test_best_pairs_of_replicates_are_those_of_drawn_rows(book):
    score, lost, arr, codes, counts = book
    best = thresholds.best_pair(thresholds.below_replicates(score, lost, arr, codes, counts))
    assert best.shape == (2, 25)
    for r in range(5):
        rows = np.repeat(np.arange(1500), counts[codes, r])
        assert best[:, r].tolist() == thresholds.best_pair(thresholds.below(score[rows], lost[rows], arr[rows])).tolist()


def test_a_planted_pair_is_found():
    rng = np.random.default_rng(0)
    score = rng.integers(0, 101, 60_000)
    lost = rng.random(60_000) < np.select([score < 30, score < 70], [0.6, 0.3], 0.05)
    table = thresholds.below(score, lost, np.ones(60_000))
    for objective in ("variance", "information", "youden"):
        found = thresholds.best_pair(table, objective)
        if objective != "youden":  # two sums of Youden's index have the same best cut twice
            assert np.abs(found - [30, 70]).max() <= 1


def test_one_class_and_no_cases_are_undefined_and_odd_scores_refused():
    for lost in ([0, 0], [1, 1]):
        table = thresholds.below([10, 90], lost, [1, 1])
        assert np.isnan(thresholds.area(table))
        assert thresholds.best_pair(table).tolist() == [-1, -1]
    assert np.isnan(thresholds.every_pair(thresholds.below([], [], []))["value"]).all()
    with pytest.raises(HealthlibError, match="0 to 100"):
        thresholds.below([10, 130], [0, 1], [1, 1])
    assert isinstance(thresholds.every_pair(thresholds.below([1, 99], [1, 0], [np.nan, 2])), pd.DataFrame)


@pytest.mark.parametrize("weighted", [False, True])
def test_full_and_sparse_tables_and_blocks_give_the_same_replicates(book, weighted, monkeypatch):
    score, lost, arr, codes, counts = book
    known = np.isfinite(score)
    weight = arr[known] if weighted else None
    given = score[known], lost[known], codes[known], counts, weight
    found = []
    for full, block in ((0, 64_000_000), (10**9, 64_000_000), (10**9, 50_000)):
        monkeypatch.setattr(stats, "FULL", full)
        monkeypatch.setattr("healthlib.resample.BLOCK_BYTES", block)
        found.append(stats.auc_replicates(*given))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-13)
    np.testing.assert_allclose(found[1], found[2], rtol=1e-13)
