"""Folds of a small company written out in full; what may teach and what may not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from healthlib import splits
from healthlib.backtest import has_quantiles, problem_of, replay, weighed
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.spec import Quantile
from healthlib.splits import cutoffs, trainable
from healthlib.weights import Fit, path


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


def eight() -> pd.DataFrame:
    """Eight cases of eight accounts, scored in mid-month; each horizon ends 40 days later."""
    rows = [
        ("a", "2024-01-10", 1.0, 20.0), ("b", "2024-01-15", 0.0, 80.0), ("c", "2024-02-10", 1.0, 30.0), ("d", "2024-02-20", 0.0, 70.0),
        ("e", "2024-03-10", 1.0, 10.0), ("f", "2024-03-31", 0.0, 90.0), ("g", "2024-04-10", 0.0, 60.0), ("h", "2024-04-20", np.nan, 50.0),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["account_id", "as_of", "lost", "m"])
    frame["as_of"] = pd.to_datetime(frame["as_of"]).astype("datetime64[s]")
    frame["horizon_ends_on"] = frame["as_of"] + pd.to_timedelta(np.full(8, 40), unit="D").astype("timedelta64[s]")
    return frame.assign(arr=100.0, seats=1.0, age_days=400.0)


def test_only_finished_cases_teach():
    frame = eight()
    assert trainable(frame, day("2024-02-19"))["account_id"].tolist() == []  # a's horizon ends on that very day
    assert trainable(frame, day("2024-02-20"))["account_id"].tolist() == ["a"]
    assert trainable(frame, day("2030-01-01"))["account_id"].tolist() == list("abcdefg")  # h never had an outcome


def test_cutoffs_wait_for_both_outcomes():
    assert cutoffs(eight(), least=1).strftime("%Y-%m-%d").tolist() == ["2024-02-29", "2024-03-31"]
    assert len(cutoffs(eight(), least=2)) == 0  # two are lost by 31 March, but one kept: d finishes on that very day
    assert len(cutoffs(eight().assign(lost=np.nan), least=1)) == 0


def test_folds_in_full(monkeypatch):
    monkeypatch.setattr(splits.cutoffs, "__kwdefaults__", {"least": 1})
    folds = replay(eight(), simulated_scorecard({"m": 1.0})).folds
    dates = folds[["cutoff", "train_until", "test_from", "test_to"]].apply(lambda column: column.dt.strftime("%Y-%m-%d"))
    # d finishes on 31 March, not before it: it does not teach. f is scored on the cut-off itself, with what is known then: it is tested.
    assert dates.to_numpy().tolist() == [
        ["2024-02-29", "2024-02-24", "2024-03-10", "2024-03-10"],
        ["2024-03-31", "2024-03-21", "2024-03-31", "2024-04-10"],
    ]
    assert folds[["train_cases", "train_lost", "test_cases", "test_lost"]].to_numpy().tolist() == [[2, 1, 1, 1], [3, 2, 2, 0]]


@pytest.fixture(scope="module")
def company():
    cases, truth = simulate_cases(250, 4, seed=5)
    return cases, replay(cases, simulated_scorecard(dict.fromkeys(truth.weights, 1.0)))


def test_no_training_horizon_reaches_into_a_test(company):
    cases, past = company
    assert len(past.folds) > 20
    assert (past.folds["train_until"] < past.folds["cutoff"]).all()
    assert (past.folds["cutoff"] <= past.folds["test_from"]).all()
    assert (past.folds["test_to"].iloc[:-1].to_numpy() < past.folds["cutoff"].iloc[1:].to_numpy()).all()
    for fold in past.folds.itertuples():
        assert len(trainable(cases, fold.cutoff)) == fold.train_cases


def test_every_case_is_tested_once_and_by_the_fold_before_it(company):
    cases, past = company
    tested = past.predictions
    assert not tested.duplicated(["account_id", "as_of"]).any()
    assert len(tested) == (cases["as_of"] >= past.folds["cutoff"].iloc[0]).sum()
    assert (tested["as_of"] >= tested["cutoff"]).all()


def test_what_happens_later_changes_no_earlier_prediction(company):
    """Outcomes and values of the last year are replaced by nonsense: everything before stays as it was."""
    cases, past = company
    middle = past.folds["cutoff"].iloc[len(past.folds) // 2]
    late = cases["horizon_ends_on"] >= middle
    other = cases.assign(lost=cases["lost"].where(~late, 1 - cases["lost"]))
    again = replay(other, simulated_scorecard(dict.fromkeys(simulate_cases(5)[1].weights, 1.0)))
    before = past.predictions["cutoff"] <= middle
    columns = ["current", "equal", "fitted", "free", "probability"]
    now = again.predictions[again.predictions["cutoff"] <= middle]
    np.testing.assert_allclose(past.predictions.loc[before, columns], now[columns], atol=1e-9)


def test_weights_of_each_fold_sum_to_100(company):
    _, past = company
    assert past.weights.groupby("cutoff")["weight"].sum().to_numpy() == pytest.approx(100)


def test_a_handful_of_churns_moves_the_weights_in_use_but_little():
    """At 15 to 30 lost cases they lie nearer to the weights in use than to those fitted freely: the pull outweighs so few."""
    cases, truth = simulate_cases(150, 4, seed=0)
    card = simulated_scorecard(dict.fromkeys(truth.weights, 1.0))
    few = cases[cases["horizon_ends_on"] < cutoffs(cases)[0]].reset_index(drop=True)
    problem = problem_of(card, few)
    fits = path(problem, few["lost"])
    moved = [np.linalg.norm(one.weights - problem.current) for one in (fits[weighed(fits, np.empty((0, len(fits))))], fits[-1])]
    assert 0 < moved[0] < moved[1] / 2


def test_the_strength_comes_nearer_to_the_best_the_more_is_tested():
    """Weighed by likelihood: brute force over two strengths, 0.01 a case better, at no cases, 20 and 2,000."""
    fits = [Fit(0.0, np.array(at), np.array(at), 1.0) for at in ([0.5, 0.5], [0.6, 0.4], [0.9, 0.1])]
    for cases, wanted in ((0, 1), (20, 1), (2000, 2)):
        losses = np.tile([0.30, 0.30, 0.29], (cases, 1))
        share = np.exp(-losses.sum(axis=0) + losses.sum(axis=0).min())
        middle = sum(s * one.weights for s, one in zip(share / share.sum(), fits, strict=True))
        near = [np.linalg.norm(one.weights - middle) for one in fits]
        assert weighed(fits, losses) == int(np.argmin(near)) == wanted


def test_quantile_scales_are_read_from_the_past_only():
    cases, truth = simulate_cases(250, 3, seed=6)
    card = simulated_scorecard(dict.fromkeys(truth.weights, 1.0))
    moving = {**card.metrics, "depth": card.metrics["depth"].model_copy(update={"best": Quantile(quantile=0.9)})}
    card = card.model_copy(update={"metrics": moving})
    assert has_quantiles(card)
    first = replay(cases, card)
    start = first.folds["cutoff"].iloc[0]
    changed = cases.assign(depth=cases["depth"].where(cases["as_of"] < start, cases["depth"] * 0.5))
    at_start = replay(changed, card).thresholds
    same = first.thresholds["cutoff"] == start
    pd.testing.assert_frame_equal(first.thresholds[same], at_start[at_start["cutoff"] == start])


def test_nothing_to_replay_gives_empty_frames():
    empty = replay(eight(), simulated_scorecard({"m": 1.0}))
    assert empty.folds.empty
    assert empty.predictions.empty
    assert empty.strength == float("inf")
