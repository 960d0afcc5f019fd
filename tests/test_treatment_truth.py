"""Planted truth: companies whose playbooks do what is written here, and how often the study finds it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from healthlib.discontinuity import ratio_interval
from healthlib.resample import Estimate
from healthlib.spec import Band, Scorecard
from healthlib.stats import logistic
from healthlib.studies.cuts import measured
from healthlib.studies.treated import MARKED
from healthlib.studies.treatment import compare
from healthlib.studies.triggers import rules
from healthlib.treatment import difference

CUT = 50.0
CARD = Scorecard(groups=("g",), metrics={}, bands=(Band(name="red", start=0), Band(name="green", start=CUT)))


def company(seed: int, *, effect: float, followed: tuple[float, float], cases: int = 1500, unseen: float = 0.0) -> pd.DataFrame:
    """Marked cases: accounts of one to four cases share a fate (a normal on the logit), losses fall with the score in a bent line.

    Below the cut a share `followed[0]` is worked, above it `followed[1]`; working moves the chance of loss by `effect` for everybody.
    With `unseen` those who would leave anyway are worked more often, whatever their score.
    """
    rng = np.random.default_rng([11, seed])
    account = np.repeat(np.arange(cases), rng.integers(1, 5, cases))[:cases]
    shared = rng.normal(0, 0.5, cases)[account]
    score = np.clip(rng.normal(55, 14, cases), 1, 99)
    chance = 0.1 + 0.35 * logistic(-(score - 45) / 9 + shared)
    will = rng.random(cases)
    followed_here = np.where(score < CUT, followed[0], followed[1]) + unseen * (will < chance)
    treated = rng.random(cases) < followed_here
    days = pd.Timestamp("2024-01-31") + pd.to_timedelta(30 * rng.integers(0, 24, cases), unit="D")
    return pd.DataFrame({
        "account_id": account.astype(str), "as_of": days.astype("datetime64[s]"),
        "until": (days + pd.Timedelta(days=90)).astype("datetime64[s]"),
        "arr": np.exp(rng.normal(9, 0.7, cases)), "age_days": rng.integers(90, 1500, cases), "segment": "all", "shown": score,
        "score": score, "band": np.where(score < CUT, "red", "green"), "gate": "", "lost": (will < chance + effect * treated).astype(float),
        "started_at": days.astype("datetime64[s]"), "treated": treated, "early": treated, "left": False,
    })[list(MARKED)]  # fmt: skip


def held(found: list[tuple[float, float]], truth: float) -> float:
    ends = np.array(found)
    return float(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean())


def test_the_sharp_interval_covers_and_no_effect_is_rarely_called_one() -> None:
    """250 companies with a rule that is always followed: the robust interval must hold the planted effect in 90 to 98 of 100."""
    found = [measured(company(seed, effect=-0.1, followed=(1, 0)), CUT).interval() for seed in range(250)]
    assert 0.90 <= held(found, -0.1) <= 0.98
    none = [measured(company(seed, effect=0.0, followed=(1, 0)), CUT).interval() for seed in range(250)]
    assert 1 - held(none, 0.0) <= 0.07


def test_the_fuzzy_interval_covers() -> None:
    """60 % worked below and 5 % above, as in the demo company: Anderson and Rubin's interval, unbounded ones counted as they are."""
    ends = []
    for seed in range(250):
        found = measured(company(seed, effect=-0.15, followed=(0.6, 0.05)), CUT)
        ends.append(ratio_interval(found.value, found.covariance))
    assert 0.90 <= held(ends, -0.15) <= 0.98


def test_the_confounded_comparison_has_the_wrong_sign_and_the_matched_one_does_not() -> None:
    """Bad scores are worked more often: the worked left more often than others, and fewer than they would have."""
    naive, matched = [], []
    for seed in range(40):
        found = compare(company(seed, effect=-0.08, followed=(0.5, 0.05), cases=900), monthly=False)
        naive.append(found.naive.value)
        matched.append(found.effect)
    assert np.mean(naive) > 0
    assert np.mean([one.value for one in matched]) == pytest.approx(-0.08, abs=0.01)
    assert 0.88 <= held([(one.low, one.high) for one in matched], -0.08) <= 1.0


def test_a_reason_nobody_sees_misleads_the_matched_comparison_and_the_threshold_not() -> None:
    """Who would leave anyway is worked 30 % more often: matching on the score calls a help of 10 points a harm; the cut holds."""
    matched, ends = [], []
    for seed in range(60):
        cases = company(seed, effect=-0.1, followed=(0.5, 0.0), unseen=0.3)
        matched += [compare(cases, monthly=False).effect.value] if seed < 10 else []
        found = measured(cases, CUT)
        ends.append(ratio_interval(found.value, found.covariance))
    assert np.mean(matched) > 0
    assert held(ends, -0.1) >= 0.88


def test_the_rule_is_found_where_there_is_one_and_not_where_there_is_none() -> None:
    """The share worked alone decides, whatever becomes of the accounts."""

    def found(seed: int, followed: tuple[float, float]) -> bool:
        cases = company(seed, effect=0, followed=followed)
        return bool(rules(cases, {"shown": cases["score"]}, CARD)["found"].any())

    assert sum(found(seed, (0.8, 0.05)) for seed in range(20)) >= 19
    assert sum(found(seed, (0.3, 0.3)) for seed in range(60)) <= 4


def test_an_experiment_is_covered() -> None:
    """400 experiments of 240 draws, two an account at times: 92 to 98 of 100 intervals hold the planted difference."""
    found: list[Estimate] = []
    for seed in range(400):
        rng = np.random.default_rng([3, seed])
        account = np.r_[np.arange(200), rng.integers(0, 200, 40)]
        fate, treated = rng.normal(0, 0.1, 200)[account], rng.random(240) < 0.5
        lost = rng.random(240) < np.clip(0.35 + fate - 0.12 * treated, 0, 1)
        found.append(difference(lost, treated, account))
    assert 0.92 <= held([(one.low, one.high) for one in found], -0.12) <= 0.98
