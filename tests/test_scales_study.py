"""The part of the scales study that can fail in seconds: where the truth is straight no scale is recommended."""

from __future__ import annotations

from study import scales_study as study


def test_a_straight_truth_is_not_advised_against_in_six_small_companies():
    """At the 5 % the study allows, two or more of six come by chance in 3 of 100 such tests."""
    found = study.advised(study.KINDS[1], range(9000, 9006), replicates=100)
    assert found["lost"].min() > 50
    assert (found["advice"] == "adopt").sum() <= 1
