"""The three answers, their sentences, and the arithmetic of how many more churns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from healthlib.resample import NOTHING, Z95, Estimate
from healthlib.studies.outlook import UNKNOWN, deciding, settling
from healthlib.studies.verdict import recommend, said


def say(current, equal, free=(-0.01, -0.02, 0.0), n_lost=100):
    differences = {"fitted_minus_current": Estimate(*current, 500, n_lost), "fitted_minus_equal": Estimate(*equal, 500, n_lost)}
    return recommend(differences, Estimate(*free, 500, n_lost), n_lost)


def test_adopt_needs_both_intervals_above_zero():
    assert say((0.04, 0.01, 0.07), (0.05, 0.02, 0.08)).recommendation == "adopt"
    assert say((0.04, 0.01, 0.07), (0.01, -0.01, 0.03)).recommendation == "insufficient_evidence"


def test_keep_needs_that_even_a_free_fit_cannot_gain():
    assert say((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), free=(-0.01, -0.03, 0.01)).recommendation == "keep"
    assert say((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), free=(0.0, -0.05, 0.05)).recommendation == "insufficient_evidence"


def test_how_many_more_churns_is_a_range_with_the_likelier_answer():
    found = say((0.03, -0.002, 0.062), (0.04, 0.0, 0.08), free=(0.02, -0.02, 0.06))
    assert found.recommendation == "insufficient_evidence"
    ahead = deciding(Estimate(0.03, -0.002, 0.062, 500, 100), Estimate(0.04, 0.0, 0.08, 500, 100), Estimate(0.02, -0.02, 0.06, 500, 100))
    assert 0 < ahead.even < ahead.likely < 10 * 100
    assert said(ahead.even, ahead.likely) in found.reason
    assert "most likely to adopt" in found.reason


def test_a_single_comparison_by_brute_force():
    """Futures drawn one by one: estimate of the cases to come, weighed with today's by their number."""
    now, n, m = Estimate(0.012, -0.018, 0.042, 500, 100), 100, 240
    rng, se = np.random.default_rng(1), 0.03 / Z95
    true = rng.normal(0.012, se, 200_000)
    later = (n * 0.012 + m * rng.normal(true, se * np.sqrt(n / m))) / (n + m)
    half = Z95 * se * np.sqrt(n / (n + m))
    settled = ((later > half) | (later + half < 0.02)).mean()
    held = 1 / (1 + m / n)
    up = 1 - norm.cdf((Z95 * se * held**0.5 - 0.012) / (se * (1 - held) ** 0.5))
    down = norm.cdf((0.02 - Z95 * se * held**0.5 - 0.012) / (se * (1 - held) ** 0.5))
    assert settled == pytest.approx(min(up + down, 1), abs=0.005)
    ahead = settling(now, 0.0, 0.02)
    assert (ahead.even <= m) == (settled >= 0.5)
    assert (ahead.likely <= m) == (settled >= 0.8)


def test_an_interval_narrower_than_what_is_worth_it_settles_for_certain():
    ahead = settling(Estimate(0.01, -0.01, 0.03, 500, 100), 0.0, 0.02)
    assert ahead.likely <= 300
    assert ahead.settled == pytest.approx(1)
    assert settling(NOTHING, 0.0, 0.02) is UNKNOWN
    assert settling(Estimate(0.0, -0.5, 0.5, 500, 100), 0.0, 0.02).likely > ahead.likely


def test_few_churns_get_figures_but_no_verdict():
    found = say((0.2, 0.1, 0.3), (0.2, 0.1, 0.3), n_lost=12)
    assert found.recommendation == "insufficient_evidence"
    assert "at least 8 more are needed" in found.reason
    assert "+0.200" in found.reason


@pytest.mark.parametrize("n_lost", [0, 3])
def test_nothing_to_compare(n_lost):
    found = recommend({"fitted_minus_current": NOTHING, "fitted_minus_equal": NOTHING}, NOTHING, n_lost)
    assert found.recommendation == "insufficient_evidence"
    assert "lost case" in found.reason


def pair(current, equal, n_lost=100):
    return {"fitted_minus_current": Estimate(*current, 500, n_lost), "fitted_minus_equal": Estimate(*equal, 500, n_lost)}


WORSE = pair((0.0, -0.02, 0.02), (-0.047, -0.083, -0.014))
"""Complyflow's: fitted weights surely below equal ones."""


def test_equal_weights_that_did_better_are_said_to():
    found = recommend(WORSE, Estimate(0.03, -0.02, 0.05), 100, equal_minus_current=Estimate(0.02, -0.01, 0.05))
    assert found.recommendation == "insufficient_evidence"
    assert "Equal weights did better than the fitted ones by +0.047 (+0.014 to +0.083) AUC." in found.reason
    assert "both" not in found.reason
    assert "equally good" not in found.reason
    assert "too few to tell" not in found.reason


def test_equal_weights_that_did_better_than_both():
    found = recommend(WORSE, Estimate(0.03, -0.02, 0.05), 100, equal_minus_current=Estimate(0.05, 0.01, 0.09))
    expected = "better than both, the fitted ones by +0.047 (+0.014 to +0.083) and the current ones by +0.050 (+0.010 to +0.090) AUC."
    assert expected in found.reason


def test_a_keep_says_that_equal_weights_did_better():
    found = recommend(pair((0.0, 0.0, 0.0), (-0.03, -0.05, -0.01)), Estimate(-0.01, -0.03, 0.01), 100)
    assert found.recommendation == "keep"
    assert "Equal weights did better than the fitted ones by +0.030 (+0.010 to +0.050) AUC." in found.reason


def test_schemes_that_cannot_be_told_apart_are_still_called_equally_good():
    assert "equally good" in recommend(pair((0.03, -0.01, 0.07), (0.0, -0.04, 0.04)), Estimate(0.03, -0.02, 0.08), 100).reason


@pytest.mark.parametrize(
    ("by_arr", "said"),
    [
        (pair((0.03, 0.01, 0.05), (0.04, 0.02, 0.06)), "It holds by ARR too: +0.030 (+0.010 to +0.050) over the current ones and +0.040"),
        (
            pair((0.02, -0.03, 0.07), (0.04, -0.02, 0.1)),
            "(−0.030 to +0.070) over the current ones and +0.040 (−0.020 to +0.100) over equal",
        ),
        (pair((0.02, -0.03, 0.07), (0.04, -0.02, 0.1)), "over equal weights, which cannot be told from none."),
        (pair((0.02, -0.03, 0.07), (0.04, 0.02, 0.06)), "over the current ones, which cannot be told from none, and +0.040"),
        (pair((-0.05, -0.08, -0.02), (-0.05, -0.08, -0.02)), "which is a loss."),
        ({}, "By ARR the gain cannot be computed."),
    ],
)
def test_adopting_says_what_the_money_says_and_does_not_let_it_decide(by_arr, said):
    found = recommend(pair((0.04, 0.01, 0.07), (0.05, 0.02, 0.08)), Estimate(0.04, 0.01, 0.07), 100, by_arr)
    assert found.recommendation == "adopt"
    assert said in found.reason


def test_one_lost_case_is_not_called_churns():
    found = say((0.2, 0.1, 0.3), (0.2, 0.1, 0.3), n_lost=1)
    assert found.reason.startswith("Only 1 lost case could be tested")
    assert "churns" not in say((0.04, 0.01, 0.07), (0.05, 0.02, 0.08)).reason
