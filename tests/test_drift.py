"""The stability index: by hand, against known divergences, and whether its interval covers them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from healthlib.drift import edges, place, psi, stability, verdict
from healthlib.resample import account_weights
from healthlib.studies.monitoring import SCORE, fitted_on, flaps, shifts

from .small_company import history, scorecard

DAYS = pd.date_range("2026-01-31", periods=5, freq="ME", unit="s")


def test_the_index_by_hand() -> None:
    """Shares 0.5, 0.5 then and 0.75, 0.25 now, each count with 0.5 added: 0.2475 * ln(1.495 / 0.505) = 0.2687."""
    then, now = np.array([50.0, 50.0]), np.array([75.0, 25.0])
    p, q = 50.5 / 101, 75.5 / 101
    assert psi(then, now) == pytest.approx((q - p) * np.log(q / p) + (p - q) * np.log((1 - q) / (1 - p)), abs=1e-12)
    assert psi(then, then) == 0


def test_bins_hold_a_tenth_each_and_missing_values_are_one_of_their_own() -> None:
    values = np.concatenate([np.arange(100.0), [np.nan] * 7])
    counts = np.bincount(place(values, edges(values)))
    assert list(counts) == [10] * 10 + [7]


def _samples(shift: float, accounts: int, seed: int) -> tuple[tuple, tuple, np.ndarray]:
    """Twelve correlated months of each account then, one now: standard normal, moved by `shift`."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=accounts)
    then = np.sqrt(0.8) * np.repeat(own, 12) + np.sqrt(0.2) * rng.normal(size=12 * accounts)
    now = np.sqrt(0.8) * own + np.sqrt(0.2) * rng.normal(size=accounts) + shift
    codes, counts = account_weights(np.concatenate([np.repeat(np.arange(accounts), 12), np.arange(accounts)]).astype(str), 150, seed)
    return (then, now), (codes[: len(then)], codes[len(then) :]), counts


def _divergence(shift: float) -> float:
    """The index between standard normal tenths and the same moved by `shift`, from the distribution function."""
    cuts = norm.ppf(np.arange(1, 10) / 10)
    now = np.diff(np.concatenate([[0], norm.cdf(cuts - shift), [1]]))
    return float(((now - 0.1) * np.log(now / 0.1)).sum())


@pytest.mark.parametrize(("shift", "accounts"), [(0.0, 150), (0.5, 300)])
def test_the_interval_covers_the_truth_and_the_figure_is_not_biased(shift: float, accounts: int) -> None:
    """80 companies; at 95 % coverage fewer than 71 hits have a chance of 0.2 %. Without the correction the mean at no shift is 0.06."""
    found = [stability(*_samples(shift, accounts, seed)) for seed in range(80)]
    truth = _divergence(shift)
    assert sum(one.low <= truth <= one.high for one in found) >= 71
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.015)


def test_a_shift_is_called_one_and_stillness_too() -> None:
    assert verdict(stability(*_samples(0.9, 400, 1))) == "shifted"
    assert verdict(stability(*_samples(0.0, 800, 1))) == "stable"


def test_a_planted_shift_is_found_in_its_metric_alone_and_the_order_of_rows_is_nothing() -> None:
    snapshots, _ = history(accounts=250)
    last = snapshots["as_of"].max()
    then, now = snapshots[snapshots["as_of"] < last], snapshots[snapshots["as_of"] == last].copy()
    now["contact"] = now["contact"] + 120
    found = shifts(scorecard(), then, now).set_index("what")
    assert found.loc["contact", "verdict"] == "shifted"
    assert found.loc["seats_used", "verdict"] == "stable"
    assert list(found.index[:1]) == [SCORE]
    again = shifts(scorecard(), then.sample(frac=1, random_state=1), now.sample(frac=1, random_state=2)).set_index("what")
    pd.testing.assert_frame_equal(found, again, rtol=1e-9)


def test_only_the_period_of_the_outcomes_is_compared_with() -> None:
    snapshots, _ = history(accounts=20)
    days = sorted(snapshots["as_of"].unique())
    cases = pd.DataFrame({"as_of": [days[3], days[9]]})
    assert sorted(fitted_on(snapshots, cases, days[-1])["as_of"].unique()) == days[3:10]
    assert fitted_on(snapshots, cases.head(0), days[-1]).empty


def test_flaps_of_four_accounts_by_hand() -> None:
    """Steady: 4 steps, no change. Flapper: g r g g g: 2 changes of 4 steps; the first is taken back, the second is not.

    Mover: g g r r r: 1 change of 4. Gap: g - r r (month 2 unscored, one month absent): one step only, r to r. Sum: 3 of 13 steps; all three
    changes have a next month, one returns.
    """
    bands = {"steady": "ggggg", "flapper": "grggg", "mover": "ggrrr", "gap": "gurr"}
    rows = [(name, day, {"g": "green", "r": "red", "u": "unscored"}[letter])
            for name, letters in bands.items() for day, letter in zip(DAYS, letters, strict=False)]  # fmt: skip
    found = flaps(pd.DataFrame(rows, columns=["account_id", "as_of", "band"]))
    assert found["changed"].value == pytest.approx(3 / 13)
    assert found["flapped"].value == pytest.approx(1 / 3)
    assert found["flapped"].events == 1
