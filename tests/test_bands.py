"""Bands by hand on six cases; thresholds against shares counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from healthlib.bands import TABLE_COLUMNS, Replicates, assign, band_differences, band_names, band_table, matched_starts, starts_for_shares
from healthlib.demo import simulated_scorecard
from healthlib.resample import account_weights

CARD = simulated_scorecard({"a": 1.0})  # red from 0, yellow from 45, green from 55


@pytest.fixture
def six():
    frame = pd.DataFrame({
        "account_id": list("abcdef"), "band": ["red", "red", "yellow", "green", "green", "green"],
        "lost": [1, 0, 1, 0, 0, 0], "arr": [100.0, 300, 600, 1000, 1000, 1000],
    })  # fmt: skip
    return frame, Replicates(*account_weights(frame["account_id"], 200))


def test_table_by_hand(six):
    table = band_table(six[0], band_names(CARD), six[1]).set_index("band")
    assert list(table.reset_index().columns) == list(TABLE_COLUMNS)
    assert table["accounts"].tolist() == [2, 1, 3, 0, 6]
    assert table["churned"].tolist() == [1, 1, 0, 0, 2]
    assert table.loc["red", ["churn_rate", "arr_churn_rate", "lift"]].tolist() == pytest.approx([0.5, 0.25, 1.5])
    assert table.loc[["red", "yellow", "green"], "share_of_churned_accounts"].tolist() == pytest.approx([0.5, 0.5, 0])
    assert table.loc[["red", "yellow", "green"], "share_of_churned_arr"].tolist() == pytest.approx([1 / 7, 6 / 7, 0])
    assert table.loc[["red", "yellow", "green"], "share_of_accounts"].tolist() == pytest.approx([1 / 3, 1 / 6, 1 / 2])
    assert table.loc["all", ["lift", "lift_low", "lift_high"]].tolist() == [1, 1, 1]


def test_a_band_that_lost_nobody_has_an_upper_end_and_an_empty_one_has_no_rate(six):
    table = band_table(six[0], band_names(CARD), six[1]).set_index("band")
    assert table.loc["green", "churn_low"] == 0
    assert table.loc["green", "churn_high"] == pytest.approx(0.5615, abs=1e-3)  # Wilson, 0 of 3
    assert np.isnan(table.loc["unscored", "churn_rate"])


def test_currency_changes_no_rate(six):
    frame, draws = six
    first, second = (band_table(frame.assign(arr=frame["arr"] * k), band_names(CARD), draws) for k in (1, 7))
    same = [column for column in TABLE_COLUMNS if column not in ("arr", "arr_churned", "band")]
    np.testing.assert_allclose(first[same], second[same])


def test_assign_reaches_the_highest_start_and_keeps_missing_unscored():
    assert assign([0, 44.99, 45, 100, np.nan], [0, 45, 55], ["red", "yellow", "green"]).tolist() == [
        "red", "red", "yellow", "green", "unscored",
    ]  # fmt: skip


def test_matched_thresholds_put_the_same_number_in_each_band():
    rng = np.random.default_rng(0)
    now, other = rng.uniform(20, 80, 400), rng.lognormal(3, 1, 400)
    starts = matched_starts(other, now, CARD)
    for band in ("red", "yellow", "green"):
        names = ["red", "yellow", "green"]
        assert (assign(other, starts, names) == band).sum() == (assign(now, [0, 45, 55], names) == band).sum()


def test_thresholds_of_nothing_are_undefined():
    assert np.isnan(starts_for_shares([np.nan], [0.2, 0.5])).all()
    assert np.isnan(matched_starts([1.0], [np.nan], CARD)[1:]).all()


def overlapping() -> tuple[pd.DataFrame, Replicates]:
    """60 of 200 red and 40 of 200 yellow cases left, each account once; of 100 green ones nobody."""
    lost = np.r_[np.arange(200) < 60, np.arange(200) < 40, np.zeros(100, bool)].astype(float)
    frame = pd.DataFrame({"band": np.repeat(["red", "yellow", "green"], [200, 200, 100]), "lost": lost, "arr": 100.0 + np.arange(500) % 7})
    frame = frame.assign(account_id=[f"{i:03d}" for i in range(500)])
    return frame, Replicates(*account_weights(frame["account_id"], 500))


def test_the_difference_of_neighbours_equals_a_bootstrap_drawn_by_hand():
    frame, draws = overlapping()
    frame["account_id"] = [f"{i % 150:03d}" for i in range(500)]  # accounts with cases in two bands and more
    draws = Replicates(*account_weights(frame["account_id"], 60))
    found = band_differences(frame, band_table(frame, band_names(CARD), draws), draws)
    assert found[["band", "next_band"]].values.tolist() == [["red", "yellow"], ["yellow", "green"]]
    by_count, by_arr = [], []
    for replicate in range(60):
        drawn = frame.loc[np.repeat(np.arange(500), draws.counts[draws.codes, replicate])]
        red, yellow = (drawn[drawn["band"] == band] for band in ("red", "yellow"))
        by_count.append(red["lost"].mean() - yellow["lost"].mean())
        by_arr.append(np.average(red["lost"], weights=red["arr"]) - np.average(yellow["lost"], weights=yellow["arr"]))
    assert found.loc[0, "difference"] == pytest.approx(0.1)
    assert found.loc[0, ["low", "high"]].tolist() == pytest.approx(np.quantile(by_count, [0.025, 0.975]).tolist())
    assert found.loc[0, ["arr_low", "arr_high"]].tolist() == pytest.approx(np.quantile(by_arr, [0.025, 0.975]).tolist())


def test_intervals_may_overlap_though_the_difference_is_sure():
    frame, draws = overlapping()
    table = band_table(frame, band_names(CARD), draws)
    rates, found = table.set_index("band"), band_differences(frame, table, draws)
    assert rates.loc["red", "churn_low"] < rates.loc["yellow", "churn_high"], "the intervals overlap"
    assert 0 < found.loc[0, "low"] < 0.03, "by hand: 0.1 - 1.96 sqrt(0.3 * 0.7 / 200 + 0.2 * 0.8 / 200) = 0.0157"
    assert 0.1 < found.loc[1, "low"] < 0.2 < found.loc[1, "high"], "nobody left green: its own interval still counts"
    alone = frame[frame["band"] == "red"].reset_index(drop=True)
    assert band_differences(alone, band_table(alone, band_names(CARD), draws_of(alone)), draws_of(alone)).empty


def draws_of(frame: pd.DataFrame) -> Replicates:
    return Replicates(*account_weights(frame["account_id"], 50))
