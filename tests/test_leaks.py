"""Planted leaks of each kind are found, clean metrics are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.studies.leaks import LEAK_COLUMNS, find_leaks


@pytest.fixture(scope="module")
def company():
    cases, truth = simulate_cases(400, 3, seed=9, missing_share=0.1)
    return cases, simulated_scorecard(dict.fromkeys([*truth.weights, "extra"], 1.0)), np.random.default_rng(0)


def kinds(cases, card):
    found = find_leaks(cases, card)
    assert list(found.columns) == list(LEAK_COLUMNS)
    return set(zip(found["metric"], found["kind"], strict=True))


def test_clean_metrics_are_left_alone(company):
    cases, card, rng = company
    assert kinds(cases.assign(extra=rng.uniform(0, 100, len(cases))), card) == set()


def test_a_metric_that_knows_the_outcome(company):
    cases, card, rng = company
    knows = 100 * (1 - cases["lost"]) + rng.normal(0, 40, len(cases))
    found = kinds(cases.assign(extra=knows), card)
    assert {("extra", "too_good"), ("extra", "too_good")} <= found
    assert {metric for metric, _ in found} == {"extra"}


def test_either_direction_is_found(company):
    cases, card, rng = company
    assert ("extra", "too_good") in kinds(cases.assign(extra=100 * cases["lost"] + rng.normal(0, 20, len(cases))), card)


def test_cancellation_tickets_seen_only_among_the_lost(company):
    cases, card, rng = company
    tickets = np.where((cases["lost"] == 1) & (rng.random(len(cases)) < 0.6), 1.0, 0.0)
    assert ("extra", "after_decision") in kinds(cases.assign(extra=tickets), card)


def test_a_survey_that_only_survivors_answer(company):
    cases, card, rng = company
    answered = np.where(rng.random(len(cases)) < np.where(cases["lost"] == 1, 0.03, 0.6), 50.0, np.nan) + rng.normal(0, 5, len(cases))
    assert ("extra", "survivors_only") in kinds(cases.assign(extra=answered), card)


def test_a_rare_but_honest_signal_is_not_a_leak(company):
    """Escalations: 4 % of the kept, 20 % of the lost."""
    cases, card, rng = company
    rare = (rng.random(len(cases)) < np.where(cases["lost"] == 1, 0.20, 0.04)).astype(float)
    assert kinds(cases.assign(extra=rare), card) == set()


def test_a_few_churns_accuse_nobody(company):
    cases, card, _ = company
    few = cases.assign(extra=cases["lost"], lost=cases["lost"] * (np.cumsum(cases["lost"]) <= 5))
    assert kinds(few, card) == set()
