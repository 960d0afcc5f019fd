"""Regression discontinuity against the authors' package and statsmodels, digit by digit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from healthlib.discontinuity import bandwidths, density_jump, jumps, ratio_interval
from healthlib.resample import Z95


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """600 cases of up to 250 accounts; numpy's PCG64, whose stream numpy promises to keep."""
    rng = np.random.default_rng(5)
    account = rng.integers(0, 250, 600)
    x = np.round(rng.uniform(20, 90, 600), 3)
    treated = (rng.random(600) < np.where(x < 50, 0.7, 0.1)).astype(float)
    chance = 1 / (1 + np.exp(-(2.0 - 0.06 * x - 0.8 * treated)))
    return pd.DataFrame({"x": x, "treated": treated, "lost": (rng.random(600) < chance).astype(float), "account": account})


RDROBUST = {
    # rdrobust 2.1.1, numpy 2.4.6, on the rows above:
    #   rdrobust(y, x, c=50, h=15, b=22, vce="cr1", cluster=account (or none), masspoints="off"): conventional, bias-corrected, robust se
    #   rdbwselect(y, x, c=50, vce="cr1", cluster=account (or none), masspoints="off"): h, b
    "alone": {
        "lost": (0.09277581, 0.07664663, 0.1347304), "treated": (-0.51104651, -0.51880747, 0.12601045), "hb": (6.29673268, 10.89604994),
    },
    "clustered": {
        "lost": (0.09277581, 0.07664663, 0.12777442), "treated": (-0.51104651, -0.51880747, 0.13105368), "hb": (6.15395003, 10.91105189),
    },
}  # fmt: skip


@pytest.mark.parametrize("how", ["alone", "clustered"])
def test_it_equals_rdrobust(rows: pd.DataFrame, how: str) -> None:
    """Theirs is above minus below, ours below minus above."""
    accounts = rows["account"] if how == "clustered" else rows.index
    found, gold = jumps(rows["x"], rows[["lost", "treated"]], accounts, 50, h=15, b=22), RDROBUST[how]
    for place, name in enumerate(("lost", "treated")):
        ours = (-found.plain[place], -found.value[place], np.sqrt(found.covariance[place, place]))
        assert ours == pytest.approx(gold[name], abs=1e-7)
    assert bandwidths(rows["x"], rows["lost"], accounts, 50) == pytest.approx(gold["hb"], abs=1e-7)


def test_with_equal_bandwidths_it_is_the_quadratic_of_statsmodels(rows: pd.DataFrame) -> None:
    """Calonico, Cattaneo & Titiunik 2014, remark 7; the variance of each side by HC1."""
    found = jumps(rows["x"], rows["lost"], rows.index, 50, h=18, b=18)
    levels, variance = [], 0.0
    for side in (rows[rows["x"] < 50], rows[rows["x"] >= 50]):
        near = side[(side["x"] - 50).abs() < 18]
        away = near["x"].to_numpy() - 50
        fit = sm.WLS(near["lost"], np.vander(away, 3, increasing=True), weights=1 - np.abs(away) / 18).fit(cov_type="HC1")
        levels.append(float(fit.params.iloc[0]))
        variance += float(fit.cov_params().iloc[0, 0])
    assert found.value[0] == pytest.approx(levels[0] - levels[1], abs=1e-9)
    assert found.covariance[0, 0] == pytest.approx(variance, rel=1e-9)


def test_a_jump_of_a_straight_line_is_found_exactly_wherever_it_stands() -> None:
    x = np.linspace(0, 100, 401)
    y = 3 + 0.2 * x - 7 * (x < 40)
    found = jumps(x, y, np.arange(401), 40, h=12, b=20)
    assert found.value[0] == pytest.approx(-7, abs=1e-8)
    assert found.interval() == pytest.approx((-7, -7), abs=1e-6)
    assert (found.below, found.above) == (47, 48)


def test_order_of_rows_and_scale_of_the_score_change_nothing(rows: pd.DataFrame) -> None:
    found = jumps(rows["x"], rows["lost"], rows["account"], 50, h=15, b=22)
    mixed = rows.sample(frac=1, random_state=1)
    again = jumps(mixed["x"], mixed["lost"], mixed["account"], 50, h=15, b=22)
    tenth = jumps(rows["x"] / 10, rows["lost"], rows["account"], 5, h=1.5, b=2.2)
    for other in (again, tenth):
        assert other.value == pytest.approx(found.value)
        assert other.covariance == pytest.approx(found.covariance)
    assert np.array(bandwidths(rows["x"] / 10, rows["lost"], rows["account"], 5)) * 10 == pytest.approx(
        bandwidths(rows["x"], rows["lost"], rows["account"], 50)
    )


def test_the_ratio_holds_what_cannot_be_told_from_no_difference() -> None:
    """By brute force over a grid of ratios."""
    values, cov = np.array([-0.1, 0.5]), np.array([[0.003, 0.0005], [0.0005, 0.004]])
    grid = np.linspace(-2, 2, 400_001)
    inside = np.abs(values[0] - grid * values[1]) <= Z95 * np.sqrt(cov[0, 0] - 2 * grid * cov[0, 1] + grid**2 * cov[1, 1])
    assert ratio_interval(values, cov) == pytest.approx((grid[inside].min(), grid[inside].max()), abs=2e-5)


def test_scores_pushed_over_the_cut_are_seen_and_a_slope_is_not() -> None:
    """Half of those within 5 points below the cut appear 5 points higher; where nobody is pushed few of 200 companies look it."""
    pushed, honest = [], []
    for seed in range(200):
        rng = np.random.default_rng([8, seed])
        x = rng.normal(60, 15, 1500)
        honest.append(density_jump(x, 50, 15))
        if seed < 10:
            near = (x < 50) & (x > 45) & (rng.random(1500) < 0.5)
            pushed.append(density_jump(np.where(near, x + 5, x), 50, 15))
    assert np.mean(np.array(honest) < 0.05) <= 0.09
    assert np.median(pushed) < 0.01


def test_with_too_few_the_density_says_nothing() -> None:
    assert np.isnan(density_jump(np.r_[np.full(19, 45.0), np.full(50, 55.0)], 50, 10))
