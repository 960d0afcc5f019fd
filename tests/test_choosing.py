"""Choosing thresholds: sweeps against brute force on raw scores, the planted best cut, coverage of net value, the published formula."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthlib import artifacts, claims_thresholds, page_thresholds, plots_thresholds, proposal, thresholds
from healthlib.resample import account_weights
from healthlib.spec import WorkSpec
from healthlib.studies import choosing, choosing_walk, choosing_worth, decision_curve, summary
from healthlib.studies.choosing_walk import Rules

SCORES = st.one_of(st.integers(0, 100).map(float), st.floats(0, 100, allow_nan=False), st.just(float("nan")))
CASES = st.lists(st.tuples(SCORES, st.integers(0, 1), st.integers(0, 900)), min_size=1, max_size=40)


def columns(cases):
    return [np.array(column, dtype=float) for column in zip(*cases, strict=True)]


@settings(max_examples=150, deadline=None)
@given(CASES, st.sampled_from([0.0, 0.5, 0.75, 0.8, 1.0]), st.sampled_from([0.25, 0.9, 0.95, 1.0]), st.integers(1, 5))
def test_targets_equal_trying_every_cut(cases, worst, best, least):
    score, lost, _ = columns(cases)
    low, high = [], []
    for cut in range(1, 101):
        under, over = lost[score < cut], lost[score >= cut]
        if len(under) >= least and (under == 0).sum() <= worst * len(under):
            low.append(cut)
        if len(over) >= least and (over == 0).sum() >= best * len(over):
            high.append(cut)
    found = thresholds.for_targets(thresholds.below(score, lost), best, worst, least=least)
    np.testing.assert_array_equal(found, [max(low, default=np.nan), min(high, default=np.nan)])


@settings(max_examples=150, deadline=None)
@given(CASES, st.floats(0, 45), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(0, 300))
def test_capacity_and_value_equal_trying_every_cut(cases, room, save, cost):
    score, lost, arr = columns(cases)
    table = thresholds.below(score, lost, arr)
    fits = [cut for cut in range(101) if (score < cut).sum() <= room]
    assert thresholds.for_capacity(table.accounts, room) == max(fits)
    values = [save * arr[(score < cut) & (lost == 1)].sum() - cost * (score < cut).sum() for cut in range(101)]
    assert thresholds.for_value(table, save, cost) == values.index(max(values))
    np.testing.assert_array_equal(thresholds.worth(table, save, cost)[:101], values)


@settings(max_examples=60, deadline=None)
@given(CASES, st.integers(0, 300))
def test_cuts_of_replicates_are_those_of_the_rows_drawn(cases, cost):
    score, lost, arr = columns(cases)
    codes, counts = account_weights([f"a{i % 7}" for i in range(len(score))], replicates=4, seed=2)
    drawn, save = thresholds.below_replicates(score, lost, arr, codes, counts), np.array([0.1, 0.2, 0.3, 0.5])
    values, targets = thresholds.for_value(drawn, save, cost), thresholds.for_targets(drawn, 0.9, 0.75, least=3)
    room = thresholds.for_capacity(drawn.accounts, 5)
    for r in range(4):
        rows = np.repeat(np.arange(len(score)), counts[codes, r])
        table = thresholds.below(score[rows], lost[rows], arr[rows])
        assert values[r] == thresholds.for_value(table, save[r], cost)
        assert room[r] == thresholds.for_capacity(table.accounts, 5)
        np.testing.assert_array_equal([ends[r] for ends in targets], thresholds.for_targets(table, 0.9, 0.75, least=3))


def test_two_bands_have_one_cut_and_it_separates_best():
    rng = np.random.default_rng(5)
    score = rng.integers(0, 101, 300).astype(float)
    lost = (rng.random(300) < 1 / (1 + np.exp((score - 40) / 8))).astype(float)
    rules = Rules(WorkSpec(cost=1.0), (50.0, 50.0), 2, 30.0, 0.1)
    lower, upper = choosing_walk.choose(rules, thresholds.below(score, lost), 0.2)["separation"]

    def between(cut):
        parts = [lost[score < cut], lost[score >= cut]]
        return sum(len(part) * (part.mean() - lost.mean()) ** 2 for part in parts if len(part))

    assert lower == upper == max(range(1, 101), key=lambda cut: round(between(cut), 9))


# --- money


def planted(seed, cases, *, arr=1000.0):
    """P(lost | score) = 0.6 - 0.006 x score, one case an account, whole scores."""
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 101, cases).astype(float)
    lost = (rng.random(cases) < 0.6 - 0.006 * score).astype(float)
    return pd.DataFrame({"account_id": [f"a{i}" for i in range(cases)], "score": score, "lost": lost, "arr": arr})


def as_tested(frame, work, *, replicates=300, scale=1.0, seed=0):
    codes, counts = account_weights(frame["account_id"], replicates, seed)
    return choosing_worth.Tested(frame, codes, counts, choosing_worth.save_rates(work, replicates, seed), scale)


def test_the_best_cut_lies_where_chance_times_save_times_arr_is_the_cost():
    """0.25 x 1000 x P = 75 where P = 0.3, at a score of 50: within its own interval over resamples, and nearer with more cases."""
    cuts = []
    for cases in (2_000, 200_000):
        frame = planted(4, cases)
        table = thresholds.below(frame["score"], frame["lost"], frame["arr"])
        cuts.append(float(thresholds.for_value(table, 0.25, 75.0)))
        if cases == 2_000:
            drawn = thresholds.below_replicates(frame["score"], frame["lost"], frame["arr"], *account_weights(frame["account_id"], 300))
            low, high = np.quantile(thresholds.for_value(drawn, 0.25, 75.0), [0.025, 0.975])
            assert low <= 50 <= high
            assert 2 < high - low < 60
    assert abs(cuts[1] - 50) <= 3


def test_net_equals_the_sum_over_cases_and_over_the_rows_drawn():
    work = WorkSpec(cost=80.0, save_rate=(0.1, 0.3))
    frame = planted(1, 60).assign(arr=np.arange(60) * 10.0, account_id=[f"a{i % 17}" for i in range(60)])
    found = as_tested(frame, work, replicates=5, scale=1.5)
    under = np.array([frame["score"] < cut for cut in (0.0, 33.3, 101.0)])
    for flags, (net, draws) in zip(under, choosing_worth.nets(found, under, work), strict=True):
        value = (frame["arr"] * frame["lost"]).to_numpy()
        assert net == pytest.approx(1.5 * (0.2 * value[flags].sum() - 80 * flags.sum()), abs=1e-9)
        for r in range(5):
            rows = np.repeat(np.arange(60), found.counts[found.codes, r])
            by_hand = 1.5 * (found.save[r] * value[rows][flags[rows]].sum() - 80 * flags[rows].sum())
            assert draws[r] == pytest.approx(by_hand, abs=1e-9)


def test_intervals_of_net_value_cover_the_truth():
    """200 companies, each with a true save rate from the range: below 40 the truth is n_below x (P x save x 1000 - 60)."""
    work, inside, rng = WorkSpec(cost=60.0, save_rate=(0.1, 0.3)), 0, np.random.default_rng(9)
    scores = np.arange(40)
    for seed in range(200):
        frame = planted(seed, 600)
        flags = (frame["score"] < 40).to_numpy()
        truth = 600 / 101 * (rng.uniform(0.1, 0.3) * (0.6 - 0.006 * scores) * 1000 - 60).sum()
        draws = choosing_worth.nets(as_tested(frame, work, replicates=200, seed=seed), flags[None], work)[0][1]
        low, high = np.quantile(draws, [0.025, 0.975])
        inside += low <= truth <= high
    assert 0.91 <= inside / 200 <= 0.99


def test_with_a_known_save_rate_the_interval_is_that_of_the_accounts_alone():
    work, inside = WorkSpec(cost=60.0, save_rate=(0.2, 0.2)), 0
    truth = 600 / 101 * (0.2 * (0.6 - 0.006 * np.arange(40)) * 1000 - 60).sum()
    for seed in range(200):
        frame = planted(1000 + seed, 600)
        flags = (frame["score"] < 40).to_numpy()
        low, high = np.quantile(
            choosing_worth.nets(as_tested(frame, work, replicates=200, seed=seed), flags[None], work)[0][1], [0.025, 0.975]
        )
        inside += low <= truth <= high
    assert 0.91 <= inside / 200 <= 0.985


# --- the decision curve


def promised(seed=3, cases=400):
    rng = np.random.default_rng(seed)
    chance = np.round(rng.beta(1, 5, cases), 2)
    return pd.DataFrame({
        "account_id": [f"a{i % 150}" for i in range(cases)], "lost": (rng.random(cases) < chance).astype(float),
        "arr": np.round(rng.lognormal(8, 1, cases)), "probability": chance,
    })  # fmt: skip


def test_net_benefit_is_that_of_dcurves():
    """dcurves 1.1.7: dca(data, "lost", ["p"], thresholds=[0.05, 0.1, 0.2, 0.3, 0.45]) on these 200 rows, 71 lost; models p and all."""
    p = np.array([(37 * i % 100) / 100 * 0.6 for i in range(200)])
    lost = np.array([float((53 * i % 101) / 101 < (37 * i % 100) / 100 * 0.7) for i in range(200)])
    cases = pd.DataFrame({"account_id": np.arange(200).astype(str), "lost": lost, "arr": 1.0, "probability": p})
    rows = decision_curve.decision(cases, replicates=5).query("by == 'accounts'").set_index("chance").loc[[0.05, 0.1, 0.2, 0.3, 0.45]]
    np.testing.assert_allclose(rows["net_benefit"], [0.325789, 0.291111, 0.228750, 0.164286, 0.067273], atol=1e-6)
    np.testing.assert_allclose(rows["everyone"], [0.321053, 0.283333, 0.193750, 0.078571, -0.172727], atol=1e-6)


def test_the_curve_equals_brute_force_with_ties_on_the_grid():
    cases = promised()
    found = decision_curve.decision(cases, replicates=50)
    for by, weight in (("accounts", np.ones(len(cases))), ("arr", cases["arr"].to_numpy())):
        rows = found[found["by"] == by].set_index("chance")
        for chance in (0.01, 0.07, 0.1, 0.29, 0.3, 0.57, 0.6):
            worked = cases["probability"].to_numpy() >= chance
            true, false = weight[worked & (cases["lost"] == 1)].sum(), weight[worked & (cases["lost"] == 0)].sum()
            odds, n = chance / (1 - chance), weight.sum()
            assert rows.loc[chance, "net_benefit"] == pytest.approx(true / n - false / n * odds, abs=1e-12)
            base = weight[cases["lost"] == 1].sum() / n
            assert rows.loc[chance, "everyone"] == pytest.approx(base - (1 - base) * odds, abs=1e-12)
            assert rows.loc[chance, "worked"] == pytest.approx(weight[worked].sum() / n, abs=1e-12)


def test_a_score_that_knows_nothing_beats_nobody_and_everyone_nowhere():
    cases = promised(cases=2000)
    shuffled = cases.assign(probability=np.random.default_rng(1).permutation(cases["probability"]))
    assert np.isnan(decision_curve.best_range(decision_curve.decision(shuffled))).all()
    low, high = decision_curve.best_range(decision_curve.decision(cases))
    assert low < 0.15 < high


# --- the study


@pytest.fixture(scope="module")
def company():
    """A company of planted cases as the book and the fit that the study reads: 30 months, three CSMs, 40 cases a month."""
    rng = np.random.default_rng(8)
    days = pd.date_range("2023-01-31", periods=30, freq="ME", unit="s")
    cases = planted(2, 1200, arr=5000.0).rename(columns={"score": "current"})
    cases = cases.assign(as_of=np.repeat(days, 40), account_id=[f"a{i % 300}" for i in range(1200)], fitted=cases["current"], probability=(
        0.6 - 0.006 * cases["current"]))  # fmt: skip
    cases["horizon_ends_on"] = cases["as_of"] + pd.Timedelta(days=120)
    cases["cutoff"] = cases["as_of"]
    starts = pd.DataFrame({"cutoff": np.repeat(days, 4), "scorecard": "current", "band": ["red", "yellow", "green", "unscored"] * 30,
                           "threshold_from": [0.0, 40.0, 70.0, np.nan] * 30})  # fmt: skip
    fit = SimpleNamespace(
        predictions=cases.drop(columns="horizon_ends_on"), thresholds=starts, recommendation="keep", split="time", leaks=pd.DataFrame(),
    )  # fmt: skip
    today = pd.DataFrame({"account_id": [f"a{i}" for i in range(300)], "as_of": days[-1], "arr": 5000.0, "m": rng.random(300),
                          "csm": [f"c{i % 3}" for i in range(299)] + ["unassigned"]})  # fmt: skip
    return cases, fit, today, days[-1]


def facts_of(company, monkeypatch, *, names=("red", "yellow", "green"), work=None, kind="renewal", csm=True, predictions=None):
    cases, fit, today, as_of = company
    starts = np.linspace(0, 80, len(names)) if len(names) != 3 else [0, 40, 70]
    card = SimpleNamespace(bands=tuple(SimpleNamespace(name=name, start=start) for name, start in zip(names, starts, strict=True)))
    workspace = SimpleNamespace(
        currency="USD", kind=kind, work=work or WorkSpec(accounts_per_csm=20, cost=300.0), outcome=SimpleNamespace(horizon_days=90)
    )
    history = today if csm else today.drop(columns="csm")
    book = SimpleNamespace(workspace=workspace, scorecard=card, history=history, as_of=as_of, cases=cases)
    scored = today[["account_id", "as_of"]].assign(score=100 * today["m"])
    monkeypatch.setattr(choosing, "usable", lambda scorecard, leaks: scorecard)
    monkeypatch.setattr(choosing, "_scores", lambda *given: scored)
    given_fit = fit if predictions is None else SimpleNamespace(**{**vars(fit), "predictions": predictions})
    return choosing.choosing_study(book, given_fit, replicates=100)


def test_the_study_counts_what_lies_below_and_keeps_within_capacity(company, monkeypatch):
    cases, _, today, _ = company
    facts = facts_of(company, monkeypatch)
    found = facts.choices.set_index("way")
    assert facts.csms == 3
    for _, row in found.iterrows():
        under = cases["current"] < row["lower"]
        assert row["today"] == (100 * today["m"] < row["lower"]).sum()
        assert row["caught"] == pytest.approx(cases.loc[under, "lost"].sum() / cases["lost"].sum())
        year = facts.decisions / 1200
        assert row["alarms"] == pytest.approx(year * (under & (cases["lost"] == 0)).sum())
        assert row["net"] == pytest.approx(year * (0.2 * 5000 * cases.loc[under, "lost"].sum() - 300 * under.sum()))
        assert row["net_low"] <= row["net"] <= row["net_high"]
    assert facts.decisions == 480
    assert found.loc["capacity", "today"] <= 60 < (100 * today["m"] < found.loc["capacity", "lower"] + 1).sum()
    # 0.2 x 5000 x P = 300 where P = 0.3, at a score of 50
    assert found.loc["value", "lower_low"] <= 50 <= found.loc["value", "lower_high"]
    assert found.loc["hand", "gain"] == 0


def test_the_files_say_what_the_cases_add_up_to(company, monkeypatch, tmp_path):
    """thresholds.csv and `thresholds` of summary.json as written, against sums over the cases below each cut; 480 decisions a year."""
    cases, _, today, _ = company
    facts = facts_of(company, monkeypatch)
    artifacts.write_tables({"choosing": facts}, tmp_path)
    artifacts.write_json(summary.with_thresholds({"as_of": "2026-10-31"}, facts), tmp_path / "summary.json")
    table, told = pd.read_csv(tmp_path / "thresholds.csv"), json.loads((tmp_path / "summary.json").read_text())
    assert told["as_of"] == "2026-10-31"
    assert tuple(table) == artifacts.THRESHOLDS
    found = told["thresholds"]
    assert (found["per"], found["decisions"], found["work"]["csms"], found["work"]["cost"]) == ("year", 480, 3, 300)
    assert [row["method"] for row in found["methods"]] == table["method"].to_list() == list(choosing.WAYS)
    for row, (_, line) in zip(found["methods"], table.iterrows(), strict=True):
        under, lost = cases["current"] < line["lower"], cases["lost"] == 1
        by_hand = {
            "accounts_today": (100 * today["m"] < line["lower"]).sum(), "worked": 480 * under.sum() / 1200,
            "false_alarms": 480 * (under & ~lost).sum() / 1200, "false_alarm_share": (under & ~lost).sum() / under.sum(),
            "caught": (under & lost).sum() / lost.sum(), "arr_caught": cases.loc[under & lost, "arr"].sum() / cases.loc[lost, "arr"].sum(),
            "net": 480 / 1200 * (0.2 * cases.loc[under & lost, "arr"].sum() - 300 * under.sum()),
        }  # fmt: skip
        for name, value in by_hand.items():
            assert line[name] == pytest.approx(value), name
            one = row[name]
            assert (one["value"] if isinstance(one, dict) else one) == pytest.approx(value, abs=1e-5), name
        assert line["gain"] == pytest.approx(line["net"] - table["net"].iloc[0])
        assert (line["cases"], line["accounts"], line["lost"]) == (1200, 300, lost.sum())
        assert [row["net"]["low"], row["net"]["high"]] == pytest.approx([line["net_low"], line["net_high"]], abs=1e-5)
        assert row["lower"]["low"] <= row["lower"]["value"] <= row["lower"]["high"]


@pytest.mark.parametrize("left", ["cases", "csm"])
def test_what_was_not_computed_is_absent_from_the_files(company, monkeypatch, tmp_path, left):
    """No outcomes: no key and no row. Nobody who looks after accounts: no way by capacity."""
    facts = facts_of(company, monkeypatch, csm=left != "csm", predictions=company[1].predictions.head(0) if left == "cases" else None)
    artifacts.write_tables({"choosing": facts}, tmp_path)
    table, told = pd.read_csv(tmp_path / "thresholds.csv"), summary.with_thresholds({}, facts)
    if left == "cases":
        assert table.empty
        assert told == {}
    else:
        assert table.set_index("method").loc["capacity", ["lower", "net"]].isna().all()
        assert [row["method"] for row in told["thresholds"]["methods"]] == ["hand", "targets", "value", "separation"]
        assert "csms" not in told["thresholds"]["work"]


def test_walking_chooses_on_finished_cases_alone(company):
    cases, fit, *_ = company
    rules = Rules(WorkSpec(cost=300.0), (40.0, 70.0), 3, 60.0, 0.2)
    walk = choosing_walk.walked(fit, cases, "current", rules, (50, 0, 1.0)).set_index("way")
    cutoffs = sorted(cases["cutoff"].unique())
    worked = []
    for cutoff in cutoffs:
        known = cases[cases["horizon_ends_on"] < cutoff]
        if min(known["lost"].sum(), (known["lost"] == 0).sum()) >= 15:
            best = thresholds.for_value(thresholds.below(known["current"], known["lost"], known["arr"]), 0.2, 300.0)
            now = cases[cases["cutoff"] == cutoff]
            worked.append((float(best), (now["current"] < best).sum(), len(now)))
    cuts, flags, sizes = zip(*worked, strict=True)
    assert (walk.loc["value", "least"], walk.loc["value", "most"]) == (min(cuts), max(cuts))
    assert walk.loc["value", "cases"] == sum(sizes) < 1200
    assert walk.loc["value", "worked"] == pytest.approx(1200 / sum(sizes) * sum(flags))
    later = cases.assign(lost=cases["lost"].where(cases["as_of"] < cutoffs[-1], 1.0))
    again = choosing_walk.walked(SimpleNamespace(**{**vars(fit), "predictions": later.drop(columns="horizon_ends_on")}), cases, "current",
                                 rules, (50, 0, 1.0)).set_index("way")  # fmt: skip
    pd.testing.assert_series_equal(walk["most"], again["most"])


@pytest.mark.parametrize("names", [("low", "high"), ("red", "yellow", "green"), ("a", "b", "c", "d", "e")])
@pytest.mark.parametrize("kind", ["renewal", "churn_within", "flat"])
def test_any_bands_and_kinds_make_a_section_and_a_proposal_that_can_be_read(company, monkeypatch, tmp_path, names, kind):
    facts = facts_of(company, monkeypatch, names=names, kind=kind)
    assert "<table" in page_thresholds.section(facts).html
    assert np.isnan(facts.decisions) == (kind == "flat")
    head = "proposal: {made_on: 2026-01-01, workspace: w, scorecard_sha256: a, data_sha256: b, by: lab}\nweights: {m: 100}\n"
    found = {way: page_thresholds.starts(facts, way) for way in choosing.WAYS}
    assert any(found.values())
    for way, bands in found.items():
        if bands:
            path = tmp_path / f"{way}.yaml"
            path.write_text(head + page_thresholds.bands_text(bands), encoding="utf-8")
            assert proposal.read_proposal(path, ["m"], names).bands == bands
            assert list(bands) == list(names)
            assert list(bands.values()) == sorted(set(bands.values()))


def test_without_csms_capacity_says_what_it_needs(company, monkeypatch):
    facts = facts_of(company, monkeypatch, csm=False)
    assert facts.csms is None
    assert facts.choices.set_index("way").loc["capacity"].drop("scheme").isna().all()
    assert "nobody says how many CSMs there are" in " ".join(claims_thresholds.ways(facts))
    assert facts_of(company, monkeypatch, csm=False, work=WorkSpec(csms=2, cost=1.0)).csms == 2


def test_a_cost_nobody_stated_is_two_percent_of_the_mean_arr_and_said_to_be_assumed(company, monkeypatch):
    facts = facts_of(company, monkeypatch, work=WorkSpec(save_rate=0.25))
    assert facts.work.price == 100
    assert claims_thresholds.assumed(facts).startswith(
        "Assumed, not known: $100 an account worked (2% of the mean ARR) and 12 accounts a CSM"
    )
    assert claims_thresholds.assumed(facts_of(company, monkeypatch, work=WorkSpec(accounts_per_csm=5, cost=1, save_rate=0.2))) == ""


def test_without_any_arr_money_is_unknown_not_zero(company, monkeypatch):
    facts = facts_of(company, monkeypatch, predictions=company[1].predictions.assign(arr=np.nan))
    assert facts.choices[["net", "gain", "arr_caught"]].isna().all(axis=None)
    assert facts.choices["caught"].notna().any()
    assert claims_thresholds.tradeoff(facts).startswith("No case has an ARR")
    assert "nan" not in page_thresholds.section(facts).html.lower()


@pytest.mark.parametrize("left", ["none", "one class", "unscored", "few"])
def test_without_outcomes_a_sentence_says_what_is_missing(company, monkeypatch, left):
    predictions = company[1].predictions
    few = {"none": predictions.head(0), "one class": predictions.assign(lost=0.0), "unscored": predictions.assign(current=np.nan),
           "few": predictions.head(15)}[left]  # fmt: skip
    facts = facts_of(company, monkeypatch, predictions=few)
    assert facts.needs
    assert page_thresholds.section(facts).html.startswith('<p class="claim">No threshold can be weighed')
    for draw in (plots_thresholds.tradeoff, plots_thresholds.decision):
        assert draw(facts).texts


def test_sentences_say_when_money_is_not_told_from_nothing(company, monkeypatch):
    facts = facts_of(company, monkeypatch)
    unsure = facts.choices.assign(gain_low=-1.0, gain_high=2.0, lower=[40, 45, 30, 60, 20])
    assert claims_thresholds.tradeoff(replace(facts, choices=unsure)).count("not told from nothing") == 2
    sure = unsure.assign(gain_low=1.0)
    assert "not told from nothing" not in claims_thresholds.tradeoff(replace(facts, choices=sure))
    assert "nothing here is applied" in claims_thresholds.tradeoff(facts)
