"""The three answers, their sentences, and the arithmetic of how many more churns."""

from __future__ import annotations

import pytest

from healthlib.resample import NOTHING, Estimate
from healthlib.studies.verdict import recommend


def say(current, equal, free=(-0.01, -0.02, 0.0), n_lost=100):
    differences = {"fitted_minus_current": Estimate(*current, 500, n_lost), "fitted_minus_equal": Estimate(*equal, 500, n_lost)}
    return recommend(differences, Estimate(*free, 500, n_lost), n_lost)


def test_adopt_needs_both_intervals_above_zero():
    assert say((0.04, 0.01, 0.07), (0.05, 0.02, 0.08)).recommendation == "adopt"
    assert say((0.04, 0.01, 0.07), (0.01, -0.01, 0.03)).recommendation == "insufficient_evidence"


def test_keep_needs_that_even_a_free_fit_cannot_gain():
    assert say((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), free=(-0.01, -0.03, 0.01)).recommendation == "keep"
    assert say((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), free=(0.0, -0.05, 0.05)).recommendation == "insufficient_evidence"


def test_how_many_more_churns():
    """A gain of 0.02 +- 0.04 on 100 churns: four times the churns halve the interval to +- 0.02, so 300 more."""
    found = say((0.02, -0.02, 0.06), (0.04, 0.0, 0.08), free=(0.02, -0.02, 0.06))
    assert found.recommendation == "insufficient_evidence"
    assert "about 300 more churns would be enough to adopt" in found.reason
    assert "+0.020 (-0.020 to +0.060)" in found.reason


def test_few_churns_get_figures_but_no_verdict():
    found = say((0.2, 0.1, 0.3), (0.2, 0.1, 0.3), n_lost=12)
    assert found.recommendation == "insufficient_evidence"
    assert "at least 8 more are needed" in found.reason
    assert "+0.200" in found.reason


@pytest.mark.parametrize("n_lost", [0, 3])
def test_nothing_to_compare(n_lost):
    found = recommend({"fitted_minus_current": NOTHING, "fitted_minus_equal": NOTHING}, NOTHING, n_lost)
    assert found.recommendation == "insufficient_evidence"
    assert "churn" in found.reason
