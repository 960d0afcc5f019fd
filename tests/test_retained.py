"""Staying and renewing: survival against R, pooling against a book and brute force, eight accounts by hand, planted truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_counts, claims_early, claims_retained, page_retained, plots_retained
from healthlib.spec import SuccessSpec, load_workspace
from healthlib.studies import alone, early
from healthlib.studies.audit import audit_study
from healthlib.studies.book import Book, open_book
from healthlib.studies.contract_terms import _billed, at_cases, change_label, first_length
from healthlib.studies.kpis import WHY_NOT, recommend
from healthlib.studies.leaving import movements
from healthlib.studies.pooling import pooled, posterior
from healthlib.studies.reconcile import reconcile
from healthlib.studies.renewal_rates import FEW, renewal_rates
from healthlib.studies.retained import RetainedFacts, retained_study
from healthlib.studies.retention import moves, retention
from healthlib.studies.survival import _weighted_survival, curve, retained_after
from tests import small_company

THEN, NOW = pd.Timestamp("2025-10-31"), pd.Timestamp("2026-10-31")

CONTRACTS = """\
account_id,start_date,end_date,arr,seats,billing_period,auto_renew
a,2025-01-01,2026-01-01,100,10,annual,true
b,2025-01-01,2026-01-01,100,10,annual,true
b,2026-01-01,2027-01-01,60,6,annual,true
c,2025-03-01,2026-03-01,100,10,annual,false
c,2026-03-01,2027-03-01,150,10,annual,false
d,2024-06-01,2027-06-01,200,20,annual,false
e,2025-02-01,,50,5,monthly,true
f,2025-05-01,2026-05-01,50,5,annual,true
f,2026-05-21,2027-05-21,50,5,annual,true
g,2026-02-01,2027-02-01,80,8,annual,true
h,2026-01-15,2026-07-15,999,9,quarterly,true
"""
"""Eight accounts: `a` left, `b` shrank at the same price, `c` pays more for as many seats, `d` has three years, `e` no end, `f` renewed 20
days late, `g` is new, `h` came and left within the year."""

SCORECARD = """\
groups: [support]
metrics:
  tickets: {group: support, table: contracts, measure: last seats, worst: 0, best: 10, weight: 1}
bands: [{name: red, from: 0}, {name: green, from: 60}]
"""


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Book:
    return open_book(load_workspace(_folder(tmp_path_factory.mktemp("eight"), CONTRACTS)))


def _folder(folder: Path, contracts: str, outcome: str = "{kind: renewal}") -> Path:
    (folder / "accounts.csv").write_text("account_id,name\n" + "".join(f"{name},{name.upper()}\n" for name in "abcdefgh"), encoding="utf-8")
    (folder / "contracts.csv").write_text(contracts, encoding="utf-8")
    (folder / "workspace.yaml").write_text(f"name: Eight\ndata_through: 2026-10-31\noutcome: {outcome}\n", encoding="utf-8")
    (folder / "scorecard.yaml").write_text(SCORECARD, encoding="utf-8")
    return folder


def test_the_ledger_of_eight_accounts_from_their_contracts(eight: Book) -> None:
    """By hand: 600 a year ago in 6 accounts; GRR (60+100+200+50+50)/600, NRR (60+150+200+50+50)/600, 1 of 6 left; 600-100-40+50+80."""
    found = retention(eight.ledger, THEN, NOW, replicates=50)
    assert [found[name].value for name in ("grr_12m", "nrr_12m", "logo_churn_12m")] == pytest.approx([460 / 600, 510 / 600, 1 / 6])
    moved = moves(eight.ledger, THEN, NOW).set_index("move")
    assert moved["arr"].to_dict() == {"started with": 600, "left": -100, "shrank": -40, "grew": 50, "new": 80, "now": 590}
    year = movements(eight.ledger, eight.churned).set_index("year").loc[2026]
    assert year[["arr_start", "accounts_start", "left_of_start", "left_accounts", "left_arr"]].tolist() == [600, 6, 1, 2, 1099]
    assert year[["down_accounts", "down_arr", "up_accounts", "up_arr"]].tolist() == [1, 40, 1, 50]


def test_lengths_are_those_of_the_first_contract(eight: Book) -> None:
    lengths = first_length(eight.terms).to_dict()
    rest = {"d": "longer than a year", "e": "no fixed term", "h": "under a year"}
    assert lengths == dict.fromkeys("abcfg", "annual") | rest


def test_an_end_date_that_was_filled_in_on_leaving_says_nothing_of_the_term(tmp_path: Path) -> None:
    """With churn_within the billing period tells; without one nothing does."""
    opened = open_book(load_workspace(_folder(tmp_path, CONTRACTS, "{kind: churn_within}")))
    assert first_length(opened.terms)[["a", "e", "h"]].tolist() == ["annual", "month to month", "under a year"]
    assert set(_billed(opened.terms["billing_period"].map(lambda _: None))) == {"no fixed term"}


def test_price_and_seats_beside_the_term_before_by_hand(eight: Book) -> None:
    """`b` in its second term: ARR and seats 60/100 - 1, price per seat unchanged. `a` is in its first. `f` renewed 20 days late."""
    cases = eight.cases[["account_id", "as_of"]].reset_index(drop=True)
    more = pd.DataFrame({"account_id": ["c", "f"], "as_of": pd.to_datetime(["2026-10-31"] * 2)})
    cases = pd.concat([cases, more], ignore_index=True)
    found = at_cases(eight.terms, cases, grace_days=30).assign(account_id=cases["account_id"], as_of=cases["as_of"])
    last = found.sort_values("as_of").drop_duplicates("account_id", keep="last").set_index("account_id")
    assert last.loc["b", ["arr_change", "price_change", "seats_change"]].tolist() == pytest.approx([-0.4, 0.0, -0.4])
    assert last.loc["c", ["arr_change", "price_change", "seats_change"]].tolist() == pytest.approx([0.5, 0.5, 0.0])
    assert last.loc["f", "arr_change"] == 0
    assert last["first"].to_dict() == {"a": True, "b": False, "c": False, "f": False, "h": True}
    labels = change_label(last["price_change"], last["first"])
    assert labels.astype(str).to_dict() == {
        "a": "first term", "b": "within 2%", "c": "rose by over 10%", "f": "within 2%", "h": "first term",
    }  # fmt: skip


def test_no_later_contract_changes_what_was_known_at_a_case(eight: Book) -> None:
    cases = eight.cases[["account_id", "as_of"]].reset_index(drop=True)
    whole = at_cases(eight.terms, cases, grace_days=30)
    for day in cases["as_of"].unique():
        cut = eight.terms[(eight.terms["starts_on"] <= day) & (eight.terms["known_on"] <= day)]
        here = (cases["as_of"] == day).to_numpy()
        pd.testing.assert_frame_equal(at_cases(cut, cases, grace_days=30)[here], whole[here])


def test_counts_of_eight_accounts_by_hand(eight: Book) -> None:
    """Terms of a, b, c, f and h have finished; b's second is open; d, e and g have none to judge. Two left, both in a finished case."""
    has = reconcile(eight.cases, eight.history, eight.churned, eight.as_of)
    assert (has.customers, has.active, has.cases, has.accounts, has.open_only, has.no_case) == (8, 6, 5, 5, 0, 3)
    assert (has.lost, has.lost_accounts, has.left, has.back, has.left_open, has.left_late, has.left_none) == (2, 2, 2, 0, 0, 0, 0)
    facts = retained_study(eight, audit_study(eight, replicates=20), replicates=20)
    assert claims_counts.counts(facts.counts, facts.kind) == (
        "How the counts hang together: of the 8 customers there ever were, 6 are customers today; 5 have had 5 finished terms between them "
        "(3 have had no term to judge yet). 2 of the terms were lost, by 2 accounts; 2 accounts left in all. None of the terms can test a "
        "score yet: all were read before enough had finished to learn from."
    )
    assert "60% (" in claims_retained.renewals(facts)
    assert (facts.renewals["few"]).all()
    assert (facts.renewals["verdict"] == "cannot tell").all()


def test_accounts_left_without_a_lost_case_are_told_apart_by_reason() -> None:
    """`x` left yesterday (its case is open), `y` left between two cases that were kept, `z` never had a finished case; `x` is back."""
    day = pd.Timestamp("2026-10-31")
    cases = pd.DataFrame({"account_id": ["w", "x", "y"], "as_of": day, "lost": [1.0, np.nan, 0.0], "horizon_ends_on": day})
    history = pd.DataFrame({"account_id": ["x", "v"], "as_of": day})
    has = reconcile(cases, history, pd.DataFrame({"account_id": list("wxyz")}), day)
    assert (has.left, has.back, has.left_open, has.left_late, has.left_none) == (4, 1, 1, 1, 1)
    assert has.left == has.lost_accounts + has.left_open + has.left_late + has.left_none
    assert (has.customers, has.open_only, has.no_case) == (5, 1, 2)


def test_survival_with_late_entry_equals_r() -> None:
    """R 4.2.2, survival 3.5-3:
    entry <- c(0,0,3,0,5,0,2,0,8,0,0,6); time <- c(4,6,6,9,9,12,12,12,14,15,18,18); left <- c(1,0,1,1,0,1,1,0,1,0,1,0); arr <- 10*(1:12)
    summary(survfit(Surv(entry, time, left) ~ 1, conf.type = "log-log")); summary(survfit(Surv(entry, time, left) ~ 1, weights = arr))
    """
    lives = pd.DataFrame({
        "entry_months": [0.0, 0, 3, 0, 5, 0, 2, 0, 8, 0, 0, 6], "tenure_months": [4.0, 6, 6, 9, 9, 12, 12, 12, 14, 15, 18, 18],
        "left": [1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0], "arr": 10.0 * np.arange(1, 13), "account_id": list("abcdefghijkl"),
    })  # fmt: skip
    table = curve(lives, "all")
    table = table[table["left"] > 0].set_index("months")
    assert table["at_risk"].to_dict() == {4: 9, 6: 9, 9: 9, 12: 7, 14: 4, 18: 2}
    assert table["share"].tolist() == pytest.approx([0.888889, 0.790123, 0.702332, 0.501666, 0.376249, 0.188125], abs=1e-6)
    assert table["low"].tolist() == pytest.approx([0.432965, 0.389594, 0.334105, 0.185434, 0.100244, 0.012247], abs=1e-6)
    assert table["high"].tolist() == pytest.approx([0.983564, 0.942832, 0.892358, 0.753975, 0.660068, 0.530475], abs=1e-6)
    by_arr = [float(_weighted_survival(lives, lives[["arr"]].to_numpy(), month)[0]) for month in table.index]
    assert by_arr == pytest.approx([0.980769, 0.928228, 0.876660, 0.695762, 0.546670, 0.285219], abs=1e-6)


def test_the_interval_of_what_remains_covers_the_truth() -> None:
    """120 accounts that leave at a constant rate, half of them seen late; 60 % are here after 12 months. 95 % of intervals hold it."""
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        life, end = rng.exponential(12 / -np.log(0.6), 400), rng.uniform(6, 36, 400)
        entry = np.where(np.arange(400) % 2, rng.uniform(0, 6, 400), 0.0)
        frame = pd.DataFrame({
            "account_id": np.arange(400).astype(str), "tenure_months": np.minimum(life, end), "entry_months": entry,
            "left": (life <= end).astype(int), "arr": 1.0,
        })  # fmt: skip
        seen = frame[frame["tenure_months"] > frame["entry_months"]].head(120)
        found = retained_after(seen, 12, replicates=200, seed=seed)
        inside += found["low"] <= 0.6 <= found["high"]
    assert inside >= 52


RATS = (
    [0] * 14 + [1] * 8 + [2] * 9 + [1, 5, 2, 5, 3, 2, 7, 7, 3, 3, 2, 9, 10] + [4] * 7 + [10, 4, 4, 4, 5, 11, 12, 5, 5, 6, 5]
    + [6] * 4 + [16, 15, 15, 9, 4],
    [20] * 7 + [19] * 4 + [18, 18, 17] + [20] * 4 + [19, 19, 18, 18] + [25, 24, 23] + [20] * 6 + [10, 49, 19, 46, 27, 17, 49, 47, 20, 20]
    + [13, 48, 50] + [20] * 7 + [48, 19, 19, 19, 22, 46, 49, 20, 20, 23, 19, 22] + [20] * 3 + [52, 46, 47, 24, 14],
)  # fmt: skip
"""Tarone (1982), Biometrics 38, 215-220: rats with a tumour of those in 71 experiments, the last the current one."""


def test_pooling_equals_the_book() -> None:
    """Gelman et al., Bayesian Data Analysis, 3rd ed.: the 70 historical rates have mean 0.136 and standard deviation 0.103 (section 5.1, a
    check of the numbers above); the posterior means of a and b over all 71 are 2.4 and 14.3 (section 5.3).
    """
    k, n = (np.array(numbers, dtype=float) for numbers in RATS)
    assert len(k) == len(n) == 71
    assert [(k / n)[:70].mean().round(3), (k / n)[:70].std().round(3)] == pytest.approx([0.136, 0.103], abs=0.001)
    a, b, weight = posterior(k, n)
    assert [(a * weight).sum(), (b * weight).sum()] == pytest.approx([2.4, 14.3], abs=0.1)
    shrunk = pooled(k, n)
    assert shrunk[-1] == pytest.approx((2.4 + 4) / (2.4 + 14.3 + 14), abs=0.01)
    assert 0.05 < shrunk[0] < (k / n).mean(), "0 of 20 is pulled up, not all the way"


def test_pooling_equals_a_sum_over_another_grid_with_another_likelihood() -> None:
    """scipy's beta-binomial over a straight grid of mean and strength, with the prior of (a, b) carried over to them by its Jacobian."""
    from scipy.stats import betabinom

    k, n = np.array([9, 40, 2, 0, 77]), np.array([10, 50, 5, 4, 100])
    means, strengths = np.linspace(0.005, 0.995, 199), np.exp(np.linspace(np.log(0.1), np.log(1e5), 400))
    total, top = 0.0, np.zeros(len(k))
    for mean in means:
        a, b = mean * strengths, (1 - mean) * strengths
        likely = np.prod([betabinom.pmf(k[i], n[i], a, b) for i in range(len(k))], axis=0)
        weight = likely * strengths**-2.5 * strengths * strengths  # |d(a, b) / d(mean, log strength)| = strength^2
        total += weight.sum()
        top += ((a + k[:, None]) / (a + b + n[:, None]) * weight).sum(axis=1)
    assert pooled(k, n) == pytest.approx(top / total, abs=0.003)


def test_pooling_of_nothing_and_of_one_kind() -> None:
    assert pooled([3], [4]).tolist() == [0.75]
    assert pooled([0, 0], [5, 9]).tolist() == [0.0, 0.0]
    assert pooled([5, 9], [5, 9]).tolist() == [1.0, 1.0]
    assert np.isnan(pooled([0.0, 0], [0.0, 0])).all()
    assert pooled([], []).tolist() == []
    base = pooled([0, 30, 50], [0, 100, 100])
    assert base[1] < base[0] < base[2], "a group without outcomes gets the mean of all"


def _planted(seed: int, effect: float) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """600 cases of 300 accounts: `south` keeps `effect` less than 85 %; the other nine groupings say nothing."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(300), 2)
    labels = {f"noise {i}": pd.Series(rng.integers(0, 4, 300)[who].astype(str)) for i in range(9)}
    labels["region"] = pd.Series(np.where(who % 3 == 0, "south", "north"))
    lost = rng.random(600) < 0.15 + effect * (labels["region"] == "south")
    frame = pd.DataFrame({"account_id": who.astype(str), "lost": lost.astype(float), "arr": rng.lognormal(9, 1, 600)})
    return frame, labels


def test_a_planted_difference_is_found_and_noise_is_not() -> None:
    found, false = 0, 0
    for seed in range(20):
        table = renewal_rates(*_planted(seed, 0.25), replicates=100)
        sure = set(table.loc[table["verdict"] != "cannot tell", "dimension"])
        found += "region" in sure
        false += bool(sure - {"region"})
        south = table[(table["dimension"] == "region") & (table["group"] == "south")].iloc[0]
        assert south["verdict"] in ("keeps fewer", "cannot tell")
    assert found >= 18
    assert false <= 3
    nothing = [renewal_rates(*_planted(seed, 0.0), replicates=100)["verdict"].ne("cannot tell").any() for seed in range(20)]
    assert sum(nothing) <= 3


def test_renewal_rates_by_hand_and_marked_where_few() -> None:
    """SMB keeps 2 of 4 cases and 70 of ARR 100, Enterprise 9 of 12 and 900 of 1,200."""
    frame = pd.DataFrame({
        "account_id": [str(i) for i in range(16)], "lost": [1.0, 1, 0, 0] + [1.0] * 3 + [0.0] * 9, "arr": [10.0, 20, 30, 40] + [100.0] * 12,
    })  # fmt: skip
    table = renewal_rates(frame, {"segment": pd.Series(["SMB"] * 4 + ["Enterprise"] * 12)}, replicates=100).set_index("group")
    assert table.loc[["SMB", "Enterprise"], "rate"].tolist() == [0.5, 0.75]
    assert table.loc[["SMB", "Enterprise"], "arr_rate"].tolist() == pytest.approx([0.7, 0.75])
    assert table.loc[["SMB", "Enterprise"], ["cases", "lost"]].to_numpy().tolist() == [[4, 2], [12, 3]]
    assert table["few"].to_dict() == {"Enterprise": False, "SMB": True}
    assert FEW == 10
    assert 0.5 < table.loc["SMB", "shrunk"] < table.loc["Enterprise", "shrunk"] < 0.75
    assert (table["low"] <= table["rate"]).all()
    assert (table["rate"] <= table["high"]).all()


@pytest.fixture(scope="module")
def company() -> tuple[Book, RetainedFacts]:
    opened = small_company.book(150)
    return opened, retained_study(opened, audit_study(opened, replicates=40), replicates=40)


def _watched() -> tuple[pd.DataFrame, Any, dict[str, pd.DataFrame]]:
    """600 accounts: loss falls with `seats_used` and, less, with `contact`; `tickets` say nothing; `twin` is `seats_used` doubled."""
    rng = np.random.default_rng(5)
    done = pd.DataFrame({
        "account_id": np.arange(600).astype(str), "arr": 1.0, "seats_used": rng.random(600), "contact": rng.uniform(0, 200, 600),
        "tickets": rng.poisson(3, 600).astype(float),
    })  # fmt: skip
    risk = 0.45 * (1 - done["seats_used"]) ** 2 + 0.15 * done["contact"] / 200
    done = done.assign(twin=2 * done["seats_used"], lost=(rng.random(600) < risk).astype(float))
    card = small_company.scorecard()
    twin = card.metrics["seats_used"].model_copy(update={"name": "twin", "label": "Twin"})
    card = card.model_copy(update={"metrics": card.metrics | {"twin": twin}})
    dated = pd.DataFrame({"metric": ["seats_used", "contact", "tickets", "twin"], "fell": [3.0, np.nan, np.nan, 3.0]})
    return done, card, {"alone": alone.strength(done, card, replicates=100), "dated": dated}


def test_figures_to_watch_are_ranked_and_leaks_and_twins_are_left_out() -> None:
    done, card, known = _watched()
    base = float(done["lost"].mean())
    table, why = recommend(done, card, known, leaky=())
    assert len({"seats_used", "twin"} & set(table["metric"])) == 1, "one of two that say the same"
    assert table["metric"].iloc[0] in ("seats_used", "twin"), "what falls early comes first"
    assert "tickets" not in table["metric"].tolist()
    assert why[WHY_NOT[-1]] == 1
    worst = done.sort_values("seats_used").head(120)["lost"].mean()
    assert table[["worst_rate", "lift"]].iloc[0].tolist() == pytest.approx([worst, worst / base])
    assert table["lift_low"].iloc[0] > 1
    honest, why = recommend(done, card, known, leaky=("seats_used", "twin"))
    assert not {"seats_used", "twin"} & set(honest["metric"])
    assert why[WHY_NOT[0]] == 2
    few, _ = recommend(done, card, known | {"alone": known["alone"].assign(measured=0.4)}, leaky=())
    assert few.empty


@pytest.mark.parametrize("lost", [None, 0.0, 1.0, np.nan])
def test_pages_and_pictures_survive_one_kind_of_outcome_and_none(lost: float | None) -> None:
    opened = small_company.book(40)
    if lost is not None:
        opened = replace(opened, cases=opened.cases.assign(lost=lost, arr_lost=np.nan), churned=opened.churned.head(0))
    else:
        empty = {name: getattr(opened, name).head(0) for name in ("cases", "leads", "churned")}
        opened = replace(opened, **empty)
    audit = audit_study(opened, replicates=20)
    facts = retained_study(opened, audit, replicates=20)
    said = [say(facts) for say in (claims_retained.renewals, claims_retained.price, claims_retained.use, claims_retained.survival)]
    said += [
        claims_retained.kpis(facts),
        claims_counts.counts(facts.counts, facts.kind),
        claims_retained.worth(audit),
        claims_early.successful(audit),
    ]
    for text in said:
        assert text.endswith((".", ")"))
        assert "nan" not in text
    for show in (page_retained.renewals, page_retained.survival, page_retained.use, page_retained.kpis):
        assert "nan" not in show(facts).html
    for draw in (plots_retained.renewals, plots_retained.use):
        assert draw(facts).figure is not None
    assert plots_retained.survival(facts, "group").figure is not None


def test_a_leader_reads_whether_a_score_is_worth_it() -> None:
    opened = small_company.book(150)
    audit = audit_study(opened, replicates=20)
    given = audit.readiness.set_index("question")
    for verdict, begins in (
        ("yes", "Yes, a health score is worth it here"),
        ("care", "A health score is worth a trial"),
        ("no", "Not yet"),
    ):
        said = claims_retained.worth(replace(audit, readiness=given.assign(verdict=verdict, needs="").reset_index()))
        assert said.startswith(begins)
        assert "fit" not in said.replace("fitted", "")
        assert "backtest" not in said


def test_the_definition_of_success_is_the_workspaces_and_is_said(company: tuple[Book, RetainedFacts]) -> None:
    opened, _ = company
    usual = early.success(opened)
    audit = audit_study(opened, replicates=20)
    assert "(our definition, as workspace.yaml gives none)" in claims_early.successful(audit)
    asked = SuccessSpec(renewals=0, arr_kept=0.5, use_points=0, tenure_days=700)
    other = replace(opened, workspace=opened.workspace.model_copy(update={"success": asked}))
    table = early.success(other)
    today = opened.history[opened.history["as_of"] == opened.as_of].set_index("account_id")
    for row in table.itertuples():
        assert row.successful == (not row.arr_kept < 0.5 and today.loc[row.account_id, "age_days"] >= 700)
    assert usual["successful"].sum() != table["successful"].sum()
    stated = audit_study(other, replicates=20)
    assert "not shrinking and here for long enough (your definition in workspace.yaml)" in claims_early.successful(stated)
    assert claims_early.definition(stated) == (
        "Successful: ARR at least 50% of that of a year ago and a customer for at least 700 days (as workspace.yaml says)."
    )
