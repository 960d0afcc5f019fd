"""Splits broken on purpose, one in each way there is; the splits of a replay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from healthlib import backtest
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.split_audit import SplitError, audit_splits
from healthlib.splits import splits


@pytest.fixture(scope="module")
def company():
    done = simulate_cases(250, 4, seed=5)[0].sort_values(["as_of", "account_id"]).reset_index(drop=True)
    return done, splits(done)


@pytest.fixture(scope="module")
def sheet():
    done = simulate_cases(300, 2, seed=5)[0].reset_index(drop=True)
    done = done.assign(fold=pd.factorize(done["account_id"])[0] % 5)
    return done, splits(done)


def broken(parts, at, **changes):
    return [*parts[:at], replace(parts[at], **changes), *parts[at + 1 :]]


def with_row(mask, row, value=True):
    changed = mask.copy()
    changed[row] = value
    return changed


def test_the_splits_of_a_replay_pass(company, sheet):
    for done, parts in (company, sheet):
        assert len(parts) > 4
        audit_splits(done, parts)


def test_a_training_case_whose_horizon_reaches_the_cutoff_is_refused(company):
    done, parts = company
    part = parts[6]
    row = int(np.flatnonzero((done["horizon_ends_on"] >= part.name) & (done["as_of"] < part.name))[0])
    text = f"{done.loc[row, 'account_id']} scored on {done.loc[row, 'as_of']:%Y-%m-%d}, ends on {done.loc[row, 'horizon_ends_on']:%Y-%m-%d}"
    with pytest.raises(SplitError, match=f"split {part.name.date()}: .*{text} teaches though its horizon") as caught:
        audit_splits(done, broken(parts, 6, train=with_row(part.train, row)))
    assert "(1 such of" in str(caught.value)


def test_the_very_day_of_the_cutoff_is_too_late(company):
    done, parts = company
    row = int(np.flatnonzero(parts[6].train)[-1])
    late = done.assign(horizon_ends_on=done["horizon_ends_on"].mask(done.index == row, parts[6].name))
    with pytest.raises(SplitError, match="horizon and grace"):
        audit_splits(late, parts[6:])


def test_a_case_scored_before_the_cutoff_is_not_tested(company):
    done, parts = company
    row = int(np.flatnonzero(~parts[6].train & (done["as_of"] < parts[6].name))[0])
    earlier = [replace(parts[6], test=with_row(parts[6].test, row))]
    with pytest.raises(SplitError, match="scored before the cut-off"):
        audit_splits(done, earlier)


def test_a_case_on_both_sides_or_tested_twice_is_refused(company):
    done, parts = company
    row = int(np.flatnonzero(parts[6].train)[0])
    with pytest.raises(SplitError, match="trained on and tested"):
        audit_splits(done, broken(parts, 6, test=with_row(parts[6].test, row)))
    again = int(np.flatnonzero(parts[5].test)[0])
    with pytest.raises(SplitError, match="second time"):
        audit_splits(done, broken(parts, 6, test=with_row(parts[6].test, again)))


def test_scale_ends_from_the_future_and_open_outcomes_are_refused(company):
    done, parts = company
    with pytest.raises(SplitError, match="sets scales"):
        audit_splits(done, broken(parts, 3, seen=np.ones(len(done), dtype=bool)))
    row = int(np.flatnonzero(parts[3].train)[0])
    with pytest.raises(SplitError, match="outcome is not known"):
        audit_splits(done.assign(lost=done["lost"].mask(done.index == row)), parts[3:])


def test_an_account_on_both_sides_of_a_fold_is_refused(sheet):
    done, parts = sheet
    two = done[done.duplicated("account_id", keep=False)]
    account = two["account_id"].iloc[0]
    rows = np.flatnonzero(done["account_id"] == account)
    at = int(done.loc[rows[0], "fold"])
    moved = broken(parts, at, train=with_row(parts[at].train, rows[0]), test=with_row(parts[at].test, rows[0], False))
    with pytest.raises(SplitError, match=f"account {account} .*its account also teaches"):
        audit_splits(done, moved)
    inner = parts[1].inner[0]
    leaky = replace(inner, train=inner.train | inner.test, test=inner.test)
    with pytest.raises(SplitError, match="also teaches"):
        audit_splits(done, broken(parts, 1, inner=(leaky, *parts[1].inner[1:])))
    peeking = replace(inner, train=inner.train | parts[1].test)
    with pytest.raises(SplitError, match="before its own test"):
        audit_splits(done, broken(parts, 1, inner=(peeking, *parts[1].inner[1:])))


def test_a_replay_stops_at_such_a_split(company, monkeypatch):
    done, parts = company
    monkeypatch.setattr(backtest, "splits", lambda done: broken(parts, 2, train=np.ones(len(done), dtype=bool)))
    with pytest.raises(SplitError):
        backtest.replay(done, simulated_scorecard(dict.fromkeys(["seats_active", "depth"], 1.0)))
