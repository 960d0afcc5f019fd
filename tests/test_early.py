"""Beginnings read by brute force; features, steps and owners against planted truth and by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import asof
from healthlib.beginnings import NEVER, WINDOWS, Beginnings, beginnings
from healthlib.demo import make_demo
from healthlib.spec import SuccessSpec, load_workspace
from healthlib.studies import early
from healthlib.studies.owners import owners
from healthlib.tables import load_tables

from .small_company import AS_OF, book, history, scorecard

AT = pd.Timestamp("2025-06-30")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("early") / "acme"
    make_demo(folder, accounts=70, seed=5)
    return folder


@pytest.fixture(scope="module")
def began(company: Path) -> Beginnings:
    workspace = load_workspace(company)
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    return beginnings(tables, AT)


def test_first_days_equal_a_plain_reading_of_the_files(began: Beginnings, company: Path) -> None:
    """Every account and window again, row by row with pandas."""
    contracts = pd.read_csv(company / "contracts.csv", parse_dates=["start_date"])
    usage, talks = (pd.read_csv(company / f"{name}.csv.gz") for name in ("usage", "touchpoints"))
    for frame in (usage, talks):
        frame["occurred_at"] = pd.to_datetime(frame["occurred_at"], errors="coerce")  # the demo plants days that do not exist
    started = contracts[contracts["start_date"] <= AT].groupby("account_id")["start_date"].min()
    assert began.starts.set_index("account_id")["started_on"].to_dict() == started.to_dict()
    found = began.activity.set_index(["account_id", "window"])
    checked = 0
    for account, start in started.items():
        for window in WINDOWS:
            end = start + pd.Timedelta(days=window)
            if end > AT + pd.Timedelta(days=1):
                assert (account, window) not in found.index
                continue
            row = found.loc[(account, window)]
            mine = usage[(usage["account_id"] == account) & (usage["occurred_at"] >= start) & (usage["occurred_at"] < end)]
            spoke = talks[(talks["account_id"] == account) & (talks["occurred_at"] >= start) & (talks["occurred_at"] < end)]
            if start < usage["occurred_at"].min().normalize():
                assert np.isnan(row[["events", "active_days", "users", "features"]].astype(float)).all()
                continue
            expected = [len(mine), mine["occurred_at"].dt.normalize().nunique(), mine["user_id"].nunique(), mine["feature"].nunique()]
            assert row[["events", "active_days", "users", "features"]].tolist() == expected
            assert row["contacts"] == len(spoke)
            checked += 1
    assert checked > 60


def test_steps_done_after_the_day_are_not_done_yet(began: Beginnings, company: Path) -> None:
    steps = pd.read_csv(company / "milestones.csv", parse_dates=["completed_at"])
    late = steps[steps["completed_at"] > AT].merge(began.starts, on="account_id")
    assert len(late) > 0
    both = late.merge(began.steps, on=["account_id", "milestone"])
    assert both["completed_on"].isna().all()
    assert (began.steps["completed_on"].dropna() <= AT).all()


def _planted(effects: dict[str, float], accounts: int, seed: int) -> tuple[Beginnings, pd.DataFrame]:
    """Accounts of two segments; being enterprise makes both staying and using every feature likelier, a feature itself only its effect."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"a{i}" for i in range(accounts)])
    big = rng.random(accounts) < 0.5
    logit = 0.2 + 1.6 * big
    rows = []
    for feature, effect in effects.items():
        used = rng.random(accounts) < np.where(big, 0.65, 0.35)
        logit = logit + effect * used
        rows += [(name, feature, 10) for name in ids[used]]
    lost = rng.random(accounts) > 1 / (1 + np.exp(-logit))
    cases = pd.DataFrame({"account_id": ids, "started_on": AT, "lost": lost.astype(float), "segment": np.where(big, "Ent", "SMB"),
                          "arr": np.exp(rng.normal(9, 1, accounts))})  # fmt: skip
    adopted = pd.DataFrame(rows, columns=["account_id", "feature", "first_day"])
    return replace(NEVER, adopted=adopted, recorded={"usage": AT - pd.Timedelta(days=1)}), cases


def test_a_feature_that_matters_is_found_and_its_odds_covered() -> None:
    """Odds ratio e^1.2 = 3.3 of one feature of two; 95 % intervals over 40 companies: 34 or fewer hits have a chance under 2 %."""
    found = [
        early.features(*_planted({"key": 1.2, "x": 0}, 500, seed), scorecard(), replicates=50).set_index("feature") for seed in range(40)
    ]
    covered = sum(one.loc["key", "odds_low"] <= np.exp(1.2) <= one.loc["key", "odds_high"] for one in found)
    assert covered >= 35
    assert sum(one.loc["key", "verdict"] == "goes with staying" for one in found) >= 36
    assert np.mean([one.loc["key", "lift"] for one in found]) > 1.1


def test_features_that_only_go_with_the_segment_are_not_called_needed() -> None:
    """Without strata a feature's crude odds ratio is about 1.8 here. At most 5 % of companies may call anything needed; 6 of 40: 1 %."""
    false = [
        (early.features(*_planted(dict.fromkeys("abcd", 0.0), 400, seed), scorecard(), replicates=20)["verdict"] != "cannot tell").any()
        for seed in range(40)
    ]
    assert sum(false) <= 5


def test_steps_by_hand() -> None:
    """Six accounts, one step due on day 30: two on time, two late (day 40), one on day 200 and one never: both not within 180 days."""
    start = pd.Timestamp("2024-01-01")
    done = [10, 20, 40, 40, 200, None]
    steps = pd.DataFrame({
        "account_id": list("abcdef"), "milestone": "kickoff", "due_on": start + pd.Timedelta(days=30),
        "completed_on": [pd.NaT if day is None else start + pd.Timedelta(days=day) for day in done],
    })  # fmt: skip
    cases = pd.DataFrame({"account_id": list("abcdef"), "started_on": start, "lost": [0.0, 0, 1, 0, 1, 1], "arr": 10.0})
    table = early.steps(replace(NEVER, steps=steps), cases)
    single = table[table["milestone"] == "kickoff"].set_index("done")
    assert single["cases"].tolist() == [2, 2, 2]
    assert single["lost"].tolist() == [0, 1, 2]
    assert single["rate"].tolist() == [0.0, 0.5, 1.0]


def test_success_asks_for_renewal_growth_and_use() -> None:
    """Every successful account by its parts; what an account lacks names the part."""
    company = book()
    table = early.success(company).set_index("account_id")
    kept = company.cases[company.cases["lost"] == 0].groupby("account_id").size()
    assert table["successful"].any()
    assert not table["successful"].all()
    for row in table.itertuples():
        parts = (kept.get(row.Index, 0) >= 1, not row.arr_kept < 1, row.use_points >= 50)
        assert row.successful == all(parts)
        assert ("not renewed yet" in row.because) == (not parts[0])
    strict = company.workspace.model_copy(update={"success": SuccessSpec(renewals=99)})
    assert early.success(replace(company, workspace=strict))["successful"].sum() == 0


def test_accounts_that_left_early_or_are_still_in_their_year_are_not_followed() -> None:
    company = book(accounts=120)
    starts = company.history.groupby("account_id", as_index=False)["as_of"].min().rename(columns={"as_of": "started_on"})
    followed = early.followed(company, starts, days=90)
    grace = company.workspace.outcome.grace_days
    assert (followed["started_on"] + pd.Timedelta(days=90 + 365 + grace) <= AS_OF).all()
    left = company.churned.set_index("account_id")["ended_on"]
    gone = followed["account_id"].map(left)
    assert not (gone <= followed["started_on"] + pd.Timedelta(days=90)).any()
    by_then = gone <= followed["started_on"] + pd.Timedelta(days=455)
    assert followed["lost"].eq(by_then.astype(float)).all()
    assert 0 < followed["lost"].sum() < len(followed)


def _owned(effect: float, seed: int) -> pd.DataFrame:
    """Ten CSMs with 60 finished cases each: the first has the hard accounts; the last loses `effect` more than their accounts promise."""
    rng = np.random.default_rng(seed)
    cases = history(accounts=1200, months=2, seed=seed)[0]
    cases = cases[cases["as_of"] == AS_OF].head(600).reset_index(drop=True)
    who = np.arange(600) // 60
    ease = np.where(who == 0, 0.2, 0.8)
    cases["seats_used"] = np.clip(rng.normal(ease, 0.15), 0, 1)
    cases[["tickets", "contact"]] = [0.0, 50.0]
    risk = np.clip(0.55 - 0.5 * cases["seats_used"] + effect * (who == 9), 0, 1)
    return cases.assign(
        lost=(rng.random(600) < risk).astype(float), csm=[f"C{i}" for i in who], horizon_ends_on=AS_OF - pd.Timedelta(days=5)
    )


def test_whoever_has_the_hard_accounts_is_not_blamed_and_who_loses_more_is_seen() -> None:
    fair = [owners(scorecard(), cases, cases, AS_OF).set_index("csm") for cases in (_owned(0.0, seed) for seed in range(12))]
    crude = np.mean([one.loc["C0", "lost"] / one["lost"].mean() for one in fair])
    assert crude > 1.5
    assert sum((one["verdict"].isin(["more than expected", "fewer than expected"])).any() for one in fair) <= 2
    assert np.mean([one.loc["C0", "ratio"] for one in fair]) == pytest.approx(1, abs=0.25)
    poor = [owners(scorecard(), cases, cases, AS_OF).set_index("csm") for cases in (_owned(0.35, seed) for seed in range(12))]
    assert sum(one.loc["C9", "verdict"] == "more than expected" for one in poor) >= 10


def test_nothing_is_said_of_a_csm_with_few_cases_or_where_nobody_owns_accounts() -> None:
    cases = _owned(0.0, 1)
    few = owners(scorecard(), cases, cases[cases["csm"] != "C3"].head(200), AS_OF).set_index("csm")
    assert few.loc["C3", "verdict"] == ""
    assert np.isnan(few.loc["C3", "ratio"])
    assert owners(scorecard(), cases.assign(csm=None), cases, AS_OF).empty
