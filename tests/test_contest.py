"""The contest: its measures against scikit-learn and brute force, its intervals against planted truths, its words on odd companies."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from healthlib import artifacts, claims_contest, claims_fit, page_contest, page_fit, plots_contest, plots_fit, stats
from healthlib.calibration import curve
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.resample import account_weights
from healthlib.splits import splits
from healthlib.studies import challengers, summary
from healthlib.studies.cohorts import COHORT_COLUMNS, metric_cohorts
from healthlib.studies.contest import ContestFacts, contest_study, promised
from healthlib.studies.duels import MEASURES, duels, levels, rank_replicates, share_interval
from healthlib.studies.fit import FitFacts, fit_study

TRUTH = dict(zip("abcdef", (40.0, 30.0, 20.0, 10.0, 0.0, 0.0), strict=True))
WRONG = dict(zip("abcdef", (5.0, 5.0, 10.0, 20.0, 30.0, 30.0), strict=True))


def held(cases: pd.DataFrame, card=None, *, replicates: int = 200) -> tuple[FitFacts, ContestFacts]:
    card = card or simulated_scorecard(WRONG)
    fit = fit_study(cases, card, replicates=replicates)
    return fit, contest_study(cases, card, fit, replicates=replicates)


def words(contest: ContestFacts) -> str:
    """All that the page says; that its pieces can be made is part of every test that calls it."""
    plots_contest.contest(contest)
    page = str(page_contest.tables(contest))
    said = (claims_contest.standing(contest), claims_contest.price(contest), claims_contest.caught(contest))
    return " ".join((*said, *claims_contest.rules(contest), *claims_contest.notes(contest), page))


@pytest.fixture(scope="module")
def linear():
    cases, _ = simulate_cases(300, 4, weights=TRUTH, churn_rate=0.15, missing_share=0.1, seed=5)
    return cases.assign(incumbent=cases["f"] * 7)


@pytest.fixture(scope="module")
def contested(linear):
    return held(linear)


# --- the measures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 1.0])
def test_caught_with_ties_is_the_mean_over_every_order_of_breaking_them(share):
    score, lost, arr = np.array([1, 1, 1, 2, 2, 3.0]), np.array([1, 0, 1, 1, 0, 0.0]), np.array([5, 1, 2, 9, 1, 1.0])
    for weight in (np.ones(6), arr):
        found = []
        for order in permutations(range(6)):
            if all(np.diff(score[list(order)]) >= 0):
                taken = np.clip(share * 6 - np.arange(6), 0, 1)
                found.append(taken @ (weight * lost)[list(order)] / (weight * lost).sum())
        assert stats.caught(score, lost, share, weight) == pytest.approx(np.mean(found), abs=1e-12)


def test_caught_is_unknown_where_nothing_was_lost():
    assert np.isnan(stats.caught([1.0, 2.0], [0, 0], 0.1))
    assert np.isnan(stats.caught([], [], 0.1))


def test_every_value_is_that_of_scikit_learn_or_of_a_loop(contested):
    _, contest = contested
    table, seen = contest.table.set_index(["scheme", "measure", "by"])["value"], contest.predictions
    promises = contest.promises
    for scheme in contest.entrants["scheme"]:
        use = seen[scheme].notna().to_numpy()
        lost, score, p = seen.loc[use, "lost"].to_numpy(), seen.loc[use, scheme].to_numpy(), promises.loc[use, scheme].to_numpy()
        for by, weight in (("accounts", np.ones(use.sum())), ("arr", seen.loc[use, "arr"].to_numpy())):
            said = table[scheme].xs(by, level="by")
            assert said["auc"] == pytest.approx(roc_auc_score(1 - lost, score, sample_weight=weight), abs=1e-12)
            assert said["brier"] == pytest.approx(brier_score_loss(lost, p, sample_weight=weight), abs=1e-12)
            assert said["log_loss"] == pytest.approx(log_loss(lost, p, sample_weight=weight), abs=1e-12)
            for name, share in (("caught_10", 0.1), ("caught_20", 0.2)):
                assert said[name] == pytest.approx(by_hand(score, lost * weight, share), abs=1e-12)


def by_hand(score: np.ndarray, gone: np.ndarray, share: float) -> float:
    """Level by level, lowest first, until the share is full."""
    room, found = share * len(score), 0.0
    for value in np.unique(score):
        here = score == value
        found += min(1.0, room / here.sum()) * gone[here].sum()
        room = max(room - here.sum(), 0.0)
    return found / gone.sum()


def test_replicates_are_the_measures_of_drawn_accounts():
    rng = np.random.default_rng(0)
    ids, score = rng.integers(0, 12, 40), np.round(rng.random(40), 1)
    lost, arr = (rng.random(40) < 0.4).astype(float), rng.lognormal(size=40)
    codes, counts = account_weights(ids, 30, 1)
    found = rank_replicates(levels(score), (lost, arr), (codes, counts))
    for at in range(30):
        rows = np.repeat(np.arange(40), counts[codes, at])
        for by, weight in (("accounts", np.ones(len(rows))), ("arr", arr[rows])):
            assert found["auc", by][at] == pytest.approx(stats.auc(score[rows], lost[rows], weight), nan_ok=True)
            assert found["caught_20", by][at] == pytest.approx(stats.caught(score[rows], lost[rows], 0.2, weight), nan_ok=True)


def test_many_levels_are_grouped_for_replicates_only():
    rng = np.random.default_rng(1)
    lost = (rng.random(3000) < 0.2).astype(float)
    frame = pd.DataFrame({"account_id": np.arange(3000), "lost": lost, "arr": 1.0, "current": rng.random(3000) - 0.3 * lost})
    assert len(np.unique(levels(frame["current"].to_numpy()))) <= 500
    row = duels(frame, frame[["current"]].clip(0, 1), ["current"]).iloc[0]
    assert row["value"] == pytest.approx(roc_auc_score(1 - lost, frame["current"]), abs=1e-12)
    codes, counts = account_weights(frame["account_id"], 1000, 0)
    exact = np.quantile(stats.auc_replicates(frame["current"], lost, codes, counts), [0.025, 0.975])
    np.testing.assert_allclose(row[["low", "high"]].astype(float), exact, atol=3e-4)


def test_a_difference_is_on_the_cases_that_both_score(contested):
    _, contest = contested
    seen = contest.predictions.dropna(subset=["best_metric"])
    row = claims_contest.row(contest, "best_metric", "auc")
    assert row is not None
    assert row["cases"] == len(seen) < contest.compared
    gap = roc_auc_score(1 - seen["lost"], seen["best_metric"]) - roc_auc_score(1 - seen["lost"], seen["current"])
    assert row["minus_current"] == pytest.approx(gap, abs=1e-12)
    assert "the best single metric scores" in words(contest)


def test_a_share_of_all_or_nothing_keeps_an_interval():
    """5 of 5 lost accounts: Wilson's 57 to 100 %."""
    found = share_interval(1.0, np.ones(100), np.ones(5), 40)
    assert (round(found.low, 3), found.high) == (0.566, 1.0)


def test_the_aucs_are_those_of_the_fit_study(contested):
    fit, contest = contested
    for scheme, estimate in fit.auc.items():
        row = claims_contest.row(contest, scheme, "auc")
        assert row is not None
        assert row["value"] == pytest.approx(estimate.value, abs=1e-12)


def test_intervals_of_differences_cover_the_truth():
    """100 books of 200 accounts with one to three cases and an effect of their own; the truth from one of 60,000 accounts.

    95 % less three standard errors of the study is 88 %; twice as wide an interval would cover every time.
    """
    truth = duels(*book(60_000, 0), ["current"], replicates=4)
    truth = truth[(truth["scheme"] == "rival") & (truth["by"] == "accounts")].set_index("measure")["minus_current"]
    inside = dict.fromkeys(truth.index, 0)
    for seed in range(1, 101):
        found = duels(*book(200, seed), ["current"], replicates=200)
        found = found[(found["scheme"] == "rival") & (found["by"] == "accounts")].set_index("measure")
        for key in inside:
            inside[key] += found.loc[key, "minus_current_low"] <= truth[key] <= found.loc[key, "minus_current_high"]
    assert all(0.88 <= count / 100 <= 1 for count in inside.values()), inside
    assert 0.92 <= np.mean(list(inside.values())) / 100 <= 0.985


def book(accounts: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    account = np.repeat(np.arange(accounts), rng.integers(1, 4, accounts))
    own, health = rng.normal(size=accounts)[account], rng.normal(size=len(account))
    chance = 1 / (1 + np.exp(1.8 + health + 0.7 * own))
    frame = pd.DataFrame({"account_id": account, "lost": (rng.random(len(account)) < chance).astype(float), "arr": 1.0})
    frame["current"], frame["rival"] = health + rng.normal(size=len(account)), health + own + rng.normal(size=len(account))
    return frame, 1 / (1 + np.exp(1.8 + frame[["current", "rival"]]))


# --- planted truths --------------------------------------------------------------------------------------------------


def test_where_the_truth_is_a_weighted_sum_the_machine_is_not_surely_above(contested):
    _, contest = contested
    gap = claims_contest.gap(contest, "fitted", "boosting")
    assert gap is not None
    assert gap.high > 0
    assert "price of a score that can be read" not in claims_contest.price(contest)
    beaten = claims_contest.gap(contest, "fitted", "current")
    assert beaten is not None
    assert beaten.low > 0


def test_where_the_truth_bends_the_machine_is_above_and_the_page_says_so():
    """Lost where a metric is at either end, and where two others disagree: no weights can say that."""
    cases, _ = simulate_cases(900, 4, weights=dict.fromkeys("abcdef", 0.0), churn_rate=0.05, seed=3)
    z = (cases[list("abc")].to_numpy() - 50) / 25
    chance = 1 / (1 + np.exp(3.2 - 1.4 * (z[:, 0] ** 2 > 1) - 2.0 * (z[:, 1] * z[:, 2] < -0.2)))
    lost = (np.random.default_rng(4).random(len(cases)) < chance).astype(float)
    _, contest = held(cases.assign(lost=lost, arr_lost=lost * cases["arr"]))
    gap = claims_contest.gap(contest, "fitted", "boosting")
    assert gap is not None
    assert gap.high < 0
    said = claims_contest.price(contest)
    assert f"The fitted weights give up {-gap.value:.3f} AUC" in said
    assert "that is the price of a score that can be read" in said
    assert "Gradient boosting beats the fitted weights" in plots_contest.contest(contest).figure.get_suptitle().replace("\n", " ")


def test_the_best_single_metric_is_the_one_planted():
    cases, _ = simulate_cases(300, 4, weights={"a": 0.0, "b": 100.0, "c": 0.0}, churn_rate=0.15, seed=8)
    _, contest = held(cases, simulated_scorecard({"a": 40.0, "b": 20.0, "c": 40.0}))
    assert contest.chosen["metric"].iloc[0] == "b"
    assert contest.chosen["folds"].sum() == contest.folds
    gap = claims_contest.gap(contest, "best_metric", "current")
    assert gap is not None
    assert gap.low > 0


def test_a_metric_known_of_a_few_is_not_the_best_single_one():
    points, lost = np.array([0, 1, np.nan, np.nan, np.nan, np.nan]), np.array([1.0, 0, 1, 0, 1, 0])
    assert challengers.alone(points, lost) == pytest.approx(0.5 + 0.5 / 9)


def test_an_incumbent_that_leaks_is_flagged_and_beats_nobody():
    cases, _ = simulate_cases(250, 4, weights=TRUTH, churn_rate=0.15, seed=6)
    leaky = cases.assign(incumbent=np.where(cases["lost"] == 1, 5.0, 80.0) + np.random.default_rng(0).normal(size=len(cases)))
    _, contest = held(leaky)
    assert claims_contest.suspects(contest) == ["incumbent"]
    assert "present tool" not in claims_contest.standing(contest)
    assert "The figures of the present tool’s score cannot be believed" in words(contest)
    assert "(seems to know the outcome)" in str(page_contest.tables(contest))


def test_the_rating_of_the_csm_enters_also_without_weight(linear):
    card, some = simulated_scorecard({**WRONG, "rated": 0.0}), linear.iloc[:700]
    rated = card.metrics["rated"].model_copy(update={"table": "ratings", "reading": None})
    card = card.model_copy(update={"metrics": {**card.metrics, "rated": rated}})
    _, contest = held(some.assign(rated=np.where(np.arange(len(some)) % 3 == 0, np.nan, some["a"])), card, replicates=50)
    assert contest.rating == "rated"
    entered = contest.entrants.set_index("scheme")
    assert 0 < entered.loc["csm_rating", "scored"] < entered.loc["csm_rating", "of"]
    assert contest.metrics == 6


# --- out of time -----------------------------------------------------------------------------------------------------


def test_what_a_challenger_says_does_not_depend_on_what_came_later(linear):
    card = simulated_scorecard(WRONG)
    done = linear.sort_values(["as_of", "account_id"]).reset_index(drop=True)
    at = splits(done)[len(splits(done)) // 2].name
    earlier = done[done["as_of"] < at].reset_index(drop=True)
    whole, cut = (challengers.challenge(frame, card).scores for frame in (done, earlier))
    pd.testing.assert_frame_equal(whole.loc[whole.index.isin(cut.index)], cut)


def test_a_probability_rests_on_earlier_tests_that_had_finished(contested, linear):
    _, contest = contested
    done = linear.sort_values(["as_of", "account_id"]).reset_index(drop=True)
    place = done.reset_index().set_index(["account_id", "as_of"])["index"]
    row = len(contest.predictions) - 1
    case = contest.predictions.iloc[row]
    cutoff = max(part.name for part in splits(done) if part.name <= case["as_of"])
    horizon = done.loc[place[list(zip(contest.predictions["account_id"], contest.predictions["as_of"], strict=True))], "horizon_ends_on"]
    before = contest.predictions[horizon.to_numpy() < cutoff]
    middle, spread = before["current"].mean(), before["current"].std(ddof=0)
    theta = curve(25 * (before["current"].to_numpy() - middle) / spread, before["lost"].to_numpy(dtype=float))
    hand = stats.logistic(theta[0] - theta[1] * (case["current"] - middle) / spread / 4)
    assert contest.promises["current"].iloc[row] == pytest.approx(float(hand), abs=1e-9)


def test_without_a_past_everybody_promises_the_base_rate(contested, linear):
    _, contest = contested
    assert 0 < contest.uncalibrated < contest.compared
    first = contest.promises.iloc[0]
    done = linear.sort_values(["as_of", "account_id"]).reset_index(drop=True)
    assert first.dropna().to_numpy() == pytest.approx(done.loc[splits(done)[0].train, "lost"].mean())


def test_the_scale_of_a_score_changes_no_probability(linear):
    done = linear.sort_values(["as_of", "account_id"]).reset_index(drop=True)
    scores = pd.concat([done.loc[part.test, ["a"]] for part in splits(done)])
    both = pd.DataFrame({"a": scores["a"], "b": 3e-4 * scores["a"] - 8})
    found, _ = promised(both, done, np.ones(len(both), dtype=bool))
    np.testing.assert_allclose(found["a"], found["b"], atol=1e-9)


def test_the_logistic_regression_is_scikit_learns_on_mean_and_flag(linear):
    done = linear.sort_values(["as_of", "account_id"]).reset_index(drop=True)
    part = splits(done)[-1]
    frame, lost = done[list("abcdef")] / 100, done["lost"]
    filled = pd.concat([frame.fillna(frame[part.train].mean()), frame.isna().astype(float)], axis=1).to_numpy()
    theirs = LogisticRegression(C=50, tol=1e-10, max_iter=5000).fit(filled[part.train], lost[part.train])
    ours = challengers.challenge(done, simulated_scorecard(WRONG)).scores["logistic"].to_numpy()[-part.test.sum() :]
    np.testing.assert_allclose(-ours, theirs.decision_function(filled[part.test]), atol=1e-3)


# --- odd companies ---------------------------------------------------------------------------------------------------


def odd(cases: pd.DataFrame, kind: str) -> pd.DataFrame:
    if kind == "no cases":
        return cases.head(0)
    if kind == "no outcomes":
        return cases.assign(lost=np.nan)
    if kind == "nobody lost":
        return cases.assign(lost=0.0)
    if kind == "three churns":
        return cases[(cases["lost"] == 0) | (cases["lost"].cumsum() <= 3)]
    if kind == "five accounts":
        return cases[cases["account_id"].isin(cases["account_id"].unique()[:5])]
    if kind == "no ARR":
        return cases.assign(arr=0.0)
    if kind == "one metric measured":
        return cases.assign(**dict.fromkeys("bcdef", np.nan))
    return cases.assign(**dict.fromkeys("abcdef", 50.0))


@pytest.mark.parametrize(
    "kind",
    ["no cases", "no outcomes", "nobody lost", "three churns", "five accounts", "no ARR", "one metric measured", "all the same"],
)
def test_odd_companies_get_a_sentence(linear, kind):
    fit, contest = held(odd(linear.iloc[:600], kind).drop(columns="incumbent"), replicates=30)
    said = words(contest)
    assert "nan" not in said.replace("finance", "").lower()
    if kind in ("no cases", "no outcomes", "nobody lost", "three churns", "five accounts"):
        assert contest.table.empty
        assert "No contest yet: it takes finished cases" in said
    assert plots_fit.cohorts(fit) is not None
    assert claims_fit.cohorts(fit)
    assert str(page_fit.cohorts(fit))


def test_a_flat_sheet_is_the_weaker_evidence():
    cases, _ = simulate_cases(400, 1, weights=TRUTH, churn_rate=0.2, seed=9)
    sheet = cases.assign(as_of=pd.Timestamp("2026-01-01"), horizon_ends_on=pd.Timestamp("2025-12-31"), fold=np.arange(400) % 10 + 1)
    _, contest = held(sheet, replicates=50)
    said = words(contest)
    assert contest.split == "accounts"
    assert contest.refits == contest.folds == 10
    assert contest.uncalibrated == 0
    assert "This is the weaker evidence" in said
    assert "ut of time" not in said


def test_the_order_of_rows_changes_nothing(contested, linear):
    _, contest = contested
    _, again = held(linear.sample(frac=1, random_state=2))
    pd.testing.assert_frame_equal(again.table, contest.table)


def test_the_files_hold_every_figure(contested, tmp_path):
    _, contest = contested
    artifacts.write_csv(contest.table, tmp_path / "contest.csv", artifacts.CONTEST)
    back = pd.read_csv(tmp_path / "contest.csv")
    assert len(back) == len(contest.entrants) * len(MEASURES) * 2
    told = summary.with_contest({"weights": {"recommendation": "keep"}}, contest)["weights"]
    assert told["recommendation"] == "keep"
    first = next(one for one in told["contest"] if one["scorecard"] == "boosting")
    row = back.query("scheme == 'boosting' and measure == 'auc' and by == 'accounts'").iloc[0]
    assert first["auc"]["value"] == pytest.approx(row["value"], abs=1e-9)
    assert set(first) == {"scorecard", "suspected", *MEASURES, *(f"arr_{name}" for name in MEASURES)}


# --- the picture before any coefficient ------------------------------------------------------------------------------


def test_cohorts_are_tenths_of_cases_and_of_arr_with_the_lift_of_the_worst_fifth():
    """50 cases, values 0..49, the ten lowest lost: 10 lost make three groups; the worst fifth holds all that was lost."""
    cases = pd.DataFrame({
        "account_id": [f"a{i:02d}" for i in range(50)], "a": np.arange(50.0), "b": -np.arange(50.0),
        "lost": (np.arange(50) < 10).astype(float), "arr": np.arange(50) + 1.0,
    })  # fmt: skip
    card = simulated_scorecard({"a": 1.0, "b": 1.0})
    card = card.model_copy(update={"metrics": {**card.metrics, "b": card.metrics["b"].model_copy(update={"better": "lower"})}})
    table = metric_cohorts(cases, card)
    assert tuple(table.columns) == COHORT_COLUMNS
    a = table[table["metric"] == "a"]
    assert a["of"].tolist() == [3, 3, 3]
    assert a["cases"].tolist() == [17, 16, 17]
    assert a["rate"].tolist() == [10 / 17, 0.0, 0.0]
    assert a["arr_rate"].iloc[0] == pytest.approx(55 / 153)
    assert table["lift"].tolist() == [5.0] * 6
    assert table["arr_lift"].tolist() == [5.0] * 6


def test_the_lift_of_noise_is_about_one_and_its_interval_holds_it():
    cases, _ = simulate_cases(800, 3, weights=dict.fromkeys("abcdefghijkl", 0.0), churn_rate=0.15, correlation=0.0, seed=12)
    table = metric_cohorts(cases, simulated_scorecard(dict.fromkeys("abcdefghijkl", 1.0))).drop_duplicates("metric")
    assert ((table["lift_low"] <= 1) & (table["lift_high"] >= 1)).sum() >= 10  # of 12 at 95 %: fewer once in 500 studies
    assert table["lift"].between(0.7, 1.3).all()
