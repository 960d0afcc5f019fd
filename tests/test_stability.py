"""Bands over time and promised probabilities: against brute force, statsmodels, scikit-learn, scipy, and planted truths."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import chi2_contingency
from sklearn.metrics import brier_score_loss
from statsmodels.stats.multitest import multipletests

from healthlib import claims_stability, page_stability, plots_stability, report, store
from healthlib.demo import simulate_cases, simulated_scorecard
from healthlib.palette import UNSCORED
from healthlib.resample import account_weights
from healthlib.spec import Band
from healthlib.stats import logistic, logit
from healthlib.studies.alert_states import grid_of
from healthlib.studies.backtest_bands import _banded, backtest_study
from healthlib.studies.band_quarters import ENOUGH_CASES, by_quarter, holm, homogeneity, pooled, steady
from healthlib.studies.book import Book
from healthlib.studies.fit import FitFacts, fit_study
from healthlib.studies.migration import LEFT, Months, by_segment, margins, moves, steps
from healthlib.studies.monitoring import flaps
from healthlib.studies.promises import bins_of, brier_parts, by_group, curves, line, rivals, skill
from healthlib.studies.spells import curve, ends_of, first_and_lasting, lengths, middle_of, spells
from healthlib.studies.stability import StabilityFacts, months_of, over_time, stability_study
from tests import small_company

NAMES = ("red", "yellow", "green")
STARTS = np.array([0.0, 50.0, 70.0])


def promises(seed: int, n: int = 600, *, bold: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, outcomes drawn from them after their logits were divided by `bold`, and accounts of two cases each."""
    rng = np.random.default_rng(seed)
    said = rng.normal(-1.5, 1.0, n)
    return logistic(said), (rng.random(n) < logistic(said / bold)) * 1.0, np.repeat(np.arange(n // 2), 2).astype(str)


@pytest.fixture(scope="module")
def long_company() -> tuple[Book, FitFacts]:
    """A book with the renewals of the planted company in the place of its own, so that many cut-offs are replayed."""
    cases, _ = simulate_cases(400, 4, weights=dict(zip("abcdefgh", (60.0, 40.0, *[0.0] * 6), strict=True)), churn_rate=0.15, seed=31)
    card = simulated_scorecard(dict(zip("abcdefgh", (5.0, 5.0, 30.0, 20.0, 10.0, 10.0, 10.0, 10.0), strict=True)))
    book = small_company.book(30)
    book = replace(book, cases=cases, scorecard=card, workspace=book.workspace.model_copy(update={"scorecard": card}))
    return book, fit_study(cases, card, replicates=20)


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_of_the_brier_score_add_up_to_it(seed: int) -> None:
    """Murphy (1973) with the two terms within bins of Stephenson, Coelho & Jolliffe (2008): exact for any bins."""
    p, y, _ = promises(seed)
    for bins in (bins_of(p, y), np.random.default_rng(seed).integers(0, 4, len(p))):
        found = brier_parts(p, y, np.unique(bins, return_inverse=True)[1])
        whole = found["reliability"] - found["resolution"] + found["uncertainty"] + found["within_variance"] - found["within_covariance"]
        assert whole == pytest.approx(found["brier"], abs=1e-14)
        assert found["brier"] == pytest.approx(brier_score_loss(y, p), abs=1e-14)


def test_promises_alike_within_a_bin_leave_murphys_three_parts() -> None:
    p, y = np.repeat([0.1, 0.4], 50), np.r_[np.ones(8), np.zeros(42), np.ones(18), np.zeros(32)]
    found = brier_parts(p, y, np.repeat([0, 1], 50))
    assert found["within_variance"] == pytest.approx(0, abs=1e-15)
    assert found["within_covariance"] == pytest.approx(0, abs=1e-15)
    assert found["reliability"] == pytest.approx((0.06**2 + 0.04**2) / 2)
    assert found["resolution"] == pytest.approx(0.1**2)


def test_slope_and_level_are_those_of_statsmodels() -> None:
    p, y, ids = promises(3, bold=1.7)
    found = line(p, y, ids)
    slope = sm.GLM(y, sm.add_constant(logit(p)), family=sm.families.Binomial()).fit().params[1]
    level = sm.GLM(y, np.ones(len(y)), family=sm.families.Binomial(), offset=logit(p)).fit().params[0]
    assert found["slope"].value == pytest.approx(slope, rel=1e-6)
    assert found["intercept"].value == pytest.approx(level, abs=1e-7)
    assert found["slope"].high < 1


def test_promises_that_are_right_are_called_right_19_times_in_20() -> None:
    """200 companies whose outcomes are drawn from the promises: slope 1 and level 0 lie in 95 % of the intervals, within sampling error."""
    runs = [line(*promises(seed, 400), replicates=200) for seed in range(200)]
    for key, truth in (("slope", 1.0), ("intercept", 0.0)):
        covered = np.mean([one[key].low <= truth <= one[key].high for one in runs])
        assert 0.90 <= covered <= 0.99


def test_skill_is_one_less_the_ratio_of_losses() -> None:
    p, y, ids = promises(1)
    found = skill((p - y) ** 2, (y.mean() - y) ** 2, ids)
    assert found.value == pytest.approx(1 - brier_score_loss(y, p) / (y.mean() * (1 - y.mean())))
    assert found.low < found.value < found.high


def test_both_curves_are_out_of_time_and_the_smooth_one_is_that_of_the_replay(long_company: tuple[Book, FitFacts]) -> None:
    book, fit = long_company
    card = book.workspace.scorecard
    found = fit.predictions.merge(curves(book.cases, card, fit.predictions), on=["account_id", "as_of"])
    assert len(found) == len(fit.predictions) > 20
    assert np.allclose(found["logistic"], found["probability"], equal_nan=True)
    for _, part in found.groupby("cutoff"):
        ordered = part.dropna(subset=["current"]).sort_values("current")
        assert (np.diff(ordered["isotonic"]) <= 1e-12).all()
    assert found["isotonic"].between(0, 1, inclusive="neither").sum() == found["current"].notna().sum()


def test_the_paired_difference_of_two_curves_is_that_of_their_losses() -> None:
    p, y, ids = promises(2)
    frame = pd.DataFrame({"account_id": ids, "lost": y, "arr": 1.0, "logistic": p, "isotonic": 0.5})
    found = rivals(frame).set_index("measure")
    assert found.loc["Brier score", "difference"] == pytest.approx(0.25 - brier_score_loss(y, p))
    assert found.loc["log loss", "low"] > 0
    assert found.loc["log loss", "arr_difference"] == pytest.approx(found.loc["log loss", "difference"])


def test_a_group_that_loses_twice_as_many_is_found_and_small_groups_are_pooled() -> None:
    rng = np.random.default_rng(0)
    n = 1500
    p, group = np.full(n, 0.15), np.array(["a", "b", "c", "tiny", "wee"])[np.r_[np.repeat([0, 1, 2], 490), [3] * 15, [4] * 15]]
    y = (rng.random(n) < np.where(group == "b", 0.3, 0.15)) * 1.0
    frame = pd.DataFrame({"account_id": np.arange(n).astype(str), "lost": y, "arr": 1.0, "probability": p})
    found = by_group(frame, {"plan": pd.Series(group)}).set_index("group")
    assert found.loc["b", "answer"] == "more"
    assert found.loc["a", "answer"] == "cannot_tell"
    assert found.loc["all smaller groups", "cases"] == 30
    assert found.loc["b", "ratio"] == pytest.approx(y[group == "b"].sum() / (0.15 * 490))
    assert found.loc["b", "low"] < 2 < found.loc["b", "high"]


def test_kept_promises_are_seldom_called_broken() -> None:
    """Eight groups of kept promises, 150 times, accounts of two alike cases: a false answer in about 5 % of the runs, not 34 %."""
    wrong = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        p = np.repeat(rng.uniform(0.05, 0.4, 400), 2)
        y = np.repeat(rng.random(400), 2) < p
        labels = pd.Series(np.repeat(rng.integers(0, 8, 400), 2).astype(str))
        frame = pd.DataFrame({"account_id": np.repeat(np.arange(400), 2).astype(str), "lost": y * 1.0, "arr": 1.0, "probability": p})
        wrong += bool((by_group(frame, {"g": labels}, replicates=20)["answer"] != "cannot_tell").any())
    assert wrong / 150 <= 0.10


def test_holm_is_that_of_statsmodels() -> None:
    p = np.random.default_rng(0).random(9) ** 3
    assert np.allclose(holm(p), multipletests(p, method="holm")[1])


def test_the_statistic_of_homogeneity_is_pearsons() -> None:
    rng = np.random.default_rng(1)
    y, place = (rng.random(300) < 0.2) * 1.0, rng.integers(0, 5, 300)
    statistic, p = homogeneity(y, place, pd.Series(np.arange(300).astype(str)))
    told = chi2_contingency(pd.crosstab(place, y), correction=False)
    assert statistic == pytest.approx(told.statistic)
    assert p == pytest.approx(told.pvalue, abs=0.05)


def test_a_band_that_keeps_its_rate_is_seldom_said_to_change_though_accounts_repeat() -> None:
    """200 companies, four alike cases an account within one point: the plain chi-square errs in over a third, this in about 5 %."""
    ours, plain = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        place, y = np.repeat(rng.integers(0, 5, 100), 4), np.repeat((rng.random(100) < 0.2) * 1.0, 4)
        ours.append(homogeneity(y, place, pd.Series(np.repeat(np.arange(100), 4)), replicates=199)[1])
        plain.append(chi2_contingency(pd.crosstab(place, y), correction=False).pvalue)
    assert np.mean(np.array(plain) < 0.05) > 0.35
    assert np.mean(np.array(ours) < 0.05) <= 0.085


def replayed(seed: int, *, later: float = 0.2, quarters: int = 8, each: int = 60) -> pd.DataFrame:
    """Cases of one band by quarter, their churn `later` from the middle on and 0.2 before."""
    rng = np.random.default_rng(seed)
    days = np.repeat(pd.date_range("2023-03-31", periods=quarters, freq="QE", unit="s"), each)
    rate = np.where(np.arange(len(days)) >= len(days) // 2, later, 0.2)
    ids = [f"a{i}" for i in rng.integers(0, 200, len(days))]
    return pd.DataFrame({"account_id": ids, "cutoff": days, "band": "red", "lost": (rng.random(len(days)) < rate) * 1.0, "arr": 100.0})


def test_a_planted_change_of_meaning_is_found_a_steady_band_held_and_too_little_not_told() -> None:
    changed = steady(replayed(0, later=0.5), ["red"]).set_index("band").loc["red"]
    kept = steady(replayed(1, each=400), ["red"]).set_index("band").loc["red"]
    few = steady(replayed(2, each=12), ["red"]).set_index("band").loc["red"]
    assert (changed["answer"], kept["answer"], few["answer"]) == ("moved", "held", "cannot_tell")
    assert changed["low"] < 0.3 < changed["high"]


def test_quarters_are_pooled_until_a_point_rests_on_enough() -> None:
    rows = replayed(0, each=15)
    place = pooled(rows)
    table = by_quarter(rows, ["red"])
    red = table[table["band"] == "red"]
    assert (np.diff(place[np.argsort(rows["cutoff"], kind="stable")]) >= 0).all()
    assert (red["cases"] >= ENOUGH_CASES).all()
    assert red["cases"].sum() == len(rows)
    assert red["lost"].sum() == rows["lost"].sum()
    assert red["quarters"].sum() == 8
    assert np.allclose(red["rate"], rows.groupby(place)["lost"].mean())


def panel(seed: int, accounts: int = 40, days: int = 20) -> tuple[Months, pd.DataFrame]:
    """Random walks of scores, some unscored, some that leave; and who left when."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2024-01-31", periods=days, freq="ME", unit="s")
    rows, left = [], []
    for i in range(accounts):
        start, stop = rng.integers(0, 4), days if rng.random() < 0.5 else int(rng.integers(6, days))
        score = np.clip(60 + np.cumsum(rng.normal(0, 7, days)), 0, 100)
        rows += [(f"a{i}", dates[t], 10.0 + i, score[t] if rng.random() > 0.05 else np.nan) for t in range(start, stop)]
        left += [(f"a{i}", dates[stop - 1] + pd.Timedelta(days=int(rng.integers(1, 28))), 10.0 + i)] if stop < days else []
    frame = pd.DataFrame(rows, columns=["account_id", "as_of", "arr", "score"]).sample(frac=1, random_state=seed).reset_index(drop=True)
    place = np.where(frame["score"].isna(), -1, np.searchsorted(STARTS, frame["score"], side="right") - 1)
    frame["band"] = [NAMES[p] if p >= 0 else UNSCORED for p in place]
    grid = grid_of(frame)
    score, rank = grid.of(frame["score"].to_numpy()), grid.of(place.astype(float))
    months = Months(grid, frame, score, rank, np.zeros(score.shape, dtype=bool), STARTS, NAMES)
    return months, pd.DataFrame(left, columns=["account_id", "ended_on", "arr"])


def places(months: Months) -> np.ndarray:
    return pd.Index(NAMES).get_indexer(pd.Index(months.rows["band"]))


@pytest.mark.parametrize("seed", range(3))
def test_spells_are_those_of_a_loop(seed: int) -> None:
    months, left = panel(seed)
    table = spells(ends_of(left, months.rows), places(months), 2).set_index("account_id")
    for _, end in left.iterrows():
        own = months.rows[months.rows["account_id"] == end["account_id"]].sort_values("as_of", ascending=False)
        days = (end["ended_on"] - own["as_of"]).dt.days
        seen = [(d, b) for d, b in zip(days, own["band"], strict=True) if 1 <= d <= 365]
        red = [d for d, b in seen if b == "red"]
        lasting = np.nan
        for d, b in seen:
            if b != "red":
                break
            lasting = d
        row = table.loc[end["account_id"]]
        assert np.array_equal([row["first_red"], row["lasting_red"]], [max(red, default=np.nan), lasting], equal_nan=True)
    told = lengths(table.reset_index()).set_index(["what", "state"])
    assert told.loc[("lasting", "red"), "never"] == pytest.approx(table["lasting_red"].isna().mean())
    drawn = curve(table.reset_index(), table.reset_index().head(0)).set_index(["state", "days"])
    assert drawn.loc[("red", 90), "share"] == pytest.approx((table["first_red"] >= 90).mean())
    assert drawn.loc[("below", 60), "arr_share"] == pytest.approx(table.loc[table["first_below"] >= 60, "arr"].sum() / table["arr"].sum())
    assert (drawn.loc["below", "share"] >= drawn.loc["red", "share"]).all()


def test_an_account_that_came_back_has_its_earlier_life_left_out() -> None:
    """Red before its first end, green before its second."""
    days = pd.date_range("2025-01-31", periods=6, freq="ME", unit="s")
    rows = pd.DataFrame({"account_id": "a", "as_of": days})
    left = pd.DataFrame({"account_id": "a", "ended_on": [days[1] + pd.Timedelta(days=5), days[5] + pd.Timedelta(days=5)], "arr": 1.0})
    first, lasting = first_and_lasting(found := ends_of(left, rows), np.array([0, 0, 2, 2, 2, 2])[ends_of(left, rows).before["row"]] == 0)
    assert len(found.before) == 6
    assert first.iloc[0] == lasting.iloc[0] == 33
    assert first.isna().tolist() == [False, True]


def test_the_median_and_its_replicates_are_numpys() -> None:
    values = np.random.default_rng(0).integers(1, 300, 31).astype(float)
    codes, counts = account_weights(np.arange(31).astype(str), 50)
    found = middle_of(values, np.ones(31), codes, counts)
    assert found.value == np.median(values)
    drawn = [np.sort(np.repeat(values, counts[codes, r]))[15] for r in range(50)]
    assert (found.low, found.high) == tuple(np.quantile(drawn, [0.025, 0.975]))


@pytest.mark.parametrize("seed", range(2))
def test_moves_are_those_of_a_loop(seed: int) -> None:
    months, _ = panel(seed)
    table = moves(months).set_index(["span", "band", "to"])
    state = months.rows.set_index(["as_of", "account_id"])["band"]
    dates = sorted(months.rows["as_of"].unique())[-13:]
    pairs = {"month": list(pairwise(dates)), "quarter": [(dates[i], dates[i + 3]) for i in (0, 3, 6, 9)]}
    for span, both in pairs.items():
        count: dict[tuple[str, str], int] = {}
        for then, now in both:
            for account, band in state.loc[then].items():
                key = (band, state.get((now, account), LEFT))
                count[key] = count.get(key, 0) + 1
        assert {key: n for key, n in table.loc[span]["accounts"].items() if n} == count
    assert np.allclose(table.groupby(level=["span", "band"])[["share", "arr_share"]].sum(), 1)


def test_changes_and_changes_taken_back_are_those_of_monitoring() -> None:
    months, _ = panel(0, days=13)
    rows = months.rows[["account_id", "as_of", "band"]]
    told, ours = flaps(rows, replicates=20), by_segment(months, {}, replicates=20).iloc[0]
    assert ours["changed"] == pytest.approx(told["changed"].value)
    assert ours["flapped"] == pytest.approx(told["flapped"].value)
    groups = by_segment(months, {"side": pd.Series(np.where(months.rows["account_id"] < "a2", "left", "right"))}, replicates=20)
    assert groups.loc[1:, "changes"].sum() == groups.loc[0, "changes"]


def test_margins_are_those_of_a_loop_over_accounts_and_months() -> None:
    months, left = panel(4)
    table = margins(months, left, replicates=30).set_index("margin")
    plain = _looped(months, left, 0.0)
    for margin in (0, 3, 8):
        looped = _looped(months, left, float(margin))
        row = table.loc[margin]
        assert row["changed"] == pytest.approx(looped["changed"])
        assert row["red"] == pytest.approx(looped["red"])
        assert row["caught"] == pytest.approx(looped["caught"])
        later = [first - max((d for d in looped["days"][end] if d <= first), default=np.nan) for end, first in plain["first"].items()]
        assert row["delayed"] == np.isfinite(later).sum()
        assert row["never"] == np.isnan(later).sum()
        assert row["delay"] == pytest.approx(np.nanmean(later))
    assert table["delay"].iloc[0] == 0
    assert (np.diff(table["changed"]) <= 1e-12).all()


def _looped(months: Months, left: pd.DataFrame, margin: float) -> dict:
    """Bands with a margin, one account and one month at a time."""
    shown: dict[tuple[str, pd.Timestamp], int] = {}
    for account, own in months.rows.sort_values("as_of").groupby("account_id"):
        held = None
        for day, score in zip(own["as_of"], own["score"], strict=True):
            if np.isnan(score):
                continue
            if held is None:
                held = int(np.searchsorted(STARTS, score, side="right") - 1)
            while held < 2 and score >= STARTS[held + 1] + margin:
                held += 1
            while held > 0 and score < STARTS[held] - margin:
                held -= 1
            shown[account, day] = held
    dates = sorted(months.rows["as_of"].unique())
    steps_ = [(shown[a, t], shown[a, dates[i - 1]]) for i, t in enumerate(dates) for a in {k[0] for k in shown}
              if i and (a, t) in shown and (a, dates[i - 1]) in shown]  # fmt: skip
    days, caught = {}, []
    for _, end in left.iterrows():
        own = months.rows[months.rows["account_id"] == end["account_id"]].sort_values("as_of", ascending=False)
        before = [((end["ended_on"] - t).days, shown.get((end["account_id"], t))) for t in own["as_of"]]
        before = [(d, band) for d, band in before if 1 <= d <= 365]
        days[end["account_id"]] = [d for d, band in before if band == 0]
        caught.append(next((band == 0 for d, band in before if d >= 30), False))
    return {
        "changed": np.mean([a != b for a, b in steps_]), "red": np.mean([band == 0 for band in shown.values()]), "caught": np.mean(caught),
        "days": days, "first": {end: max(found) for end, found in days.items() if found},
    }  # fmt: skip


def test_a_change_at_the_edge_of_the_history_is_not_counted_as_taken_back() -> None:
    known, changed, decided, back = steps(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, np.nan], [1.0, 1.0]]))
    assert (known.sum(), changed.sum(), decided.sum(), back.sum()) == (4, 3, 2, 2)


def told(book: object, *, replicates: int = 30) -> StabilityFacts:
    card = book.workspace.scorecard
    fit = fit_study(book.cases, card, replicates=replicates)
    backtest = backtest_study(book.cases, book.leads, card, fit, replicates=replicates)
    facts = stability_study(book, fit, backtest, replicates=replicates)
    say, page, plots = claims_stability, page_stability, plots_stability
    words = [say.steady, say.contest, say.spells, say.first_red, say.rivals, say.groups, say.moves, say.flaps, say.margins]
    said = [one(facts) for one in words] + [say.promised(facts, backtest)]
    pieces = [one(facts) for one in (page.steady, page.folds, page.spells, page.parts, page.groups, page.moves, page.flaps, page.margins)]
    pieces += [report.figure(one(facts), alt="x") for one in (plots.steady, plots.spells, plots.margins)]
    html = "".join(piece.html for piece in pieces) + "".join(said)
    assert "nan" not in html.replace("finance", "").lower().split()
    assert "nan%" not in html
    return facts


def test_one_account_has_margins_without_an_interval() -> None:
    """Of one account nothing can be drawn again: the points are shown, and no axis ends at an unknown place."""
    facts = told(small_company.book())
    bounds = [name for name in facts.margins.columns if name.endswith(("_low", "_high"))]
    alone = replace(facts, margins=facts.margins.assign(**dict.fromkeys(bounds, np.nan)))
    top = plots_stability.margins(alone)
    assert 0 < alone.margins["changed"].max() < top.get_ylim()[1] < np.inf


BANDS = {2: (("At risk", 0), ("Happy", 60)), 5: tuple(zip("FDCBA", (0, 40, 55, 65, 80), strict=True))}


@pytest.mark.parametrize("count", [2, 3, 5])
def test_any_bands_and_the_store(count: int, tmp_path: Path) -> None:
    book = small_company.book(90)
    if count in BANDS:
        bands = tuple(Band.model_validate({"name": name, "from": start}) for name, start in BANDS[count])
        card = book.scorecard.model_copy(update={"bands": bands, "playbooks": {}})
        book = replace(book, scorecard=card, workspace=book.workspace.model_copy(update={"scorecard": card}))
    facts = told(book)
    assert len(facts.moves)
    assert not {"band", "gate"} & set(facts.flaps["grouping"])
    assert set(facts.moves["to"]) == {*facts.bands, UNSCORED, LEFT}
    store.save(facts, tmp_path / "facts")
    pd.testing.assert_frame_equal(store.load(tmp_path / "facts").margins, facts.margins)


def test_bands_over_time_are_those_of_the_backtest(long_company: tuple[Book, FitFacts]) -> None:
    book, fit = long_company
    ours = over_time(fit, [band.name for band in book.scorecard.bands])
    theirs = _banded(fit, book.workspace.scorecard)
    for name in ("current", "fitted"):
        keys = ["account_id", "cutoff", "arr", "score", "band"]
        left, right = (t.loc[t["scorecard"] == name, keys].assign(cutoff=pd.to_datetime(t["cutoff"])) for t in (ours, theirs))
        assert len(left)
        assert sorted(map(repr, left.to_numpy().tolist())) == sorted(map(repr, right.to_numpy().tolist()))


@pytest.mark.parametrize("what", ["no outcomes", "nobody left", "one account", "one month", "no attributes"])
def test_every_page_survives(what: str) -> None:
    book = small_company.book(60)
    if what == "no outcomes":
        book = replace(book, cases=book.cases.assign(lost=np.nan), churned=book.churned.head(0), leads=book.leads.head(0))
    if what == "nobody left":
        book = replace(book, cases=book.cases[book.cases["lost"] != 1], churned=book.churned.head(0), leads=book.leads.head(0))
    if what == "one account":
        one = book.history["account_id"].iloc[0]
        book = replace(book, history=book.history[book.history["account_id"] == one].reset_index(drop=True))
    if what == "one month":
        book = replace(book, history=book.history[book.history["as_of"] == book.as_of].reset_index(drop=True))
    if what == "no attributes":
        book = replace(book, cases=book.cases.drop(columns=["segment", "csm"]), history=book.history.drop(columns=["segment", "csm"]))
    told(book)


def test_a_day_within_a_month_is_no_step() -> None:
    book = small_company.book(40)
    extra = book.history[book.history["as_of"] == book.as_of].assign(as_of=book.as_of + pd.Timedelta(days=9))
    card = book.workspace.scorecard
    longer = replace(book, history=pd.concat([book.history, extra], ignore_index=True), as_of=book.as_of + pd.Timedelta(days=9))
    assert len(months_of(longer, card).grid.days) == len(months_of(book, card).grid.days)
