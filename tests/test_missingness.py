"""What is missing: bounds by hand, planted missingness that leads to leaving or does not, and the age at which a planted rating dies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from healthlib import claims_trust as say
from healthlib.spec import Gate, Metric, Range, Scorecard
from healthlib.studies import missingness as study
from healthlib.studies import rating_ages
from healthlib.studies.audit import audit_study
from tests import small_company
from tests.test_audit import T, book
from tests.test_claims import company

CARD = small_company.scorecard()
NAN = float("nan")


def snapshot(**values: list[float]) -> pd.DataFrame:
    """Accounts of one day: seats_used 0..1 (weight 40), tickets 8..0 (20), contact 200..0 (40); at 7 tickets the score is capped at 40."""
    frame = pd.DataFrame(values).astype(float)
    return frame.assign(account_id=[f"a{i}" for i in range(len(frame))], as_of=T, arr=[100.0 * (i + 1) for i in range(len(frame))])


def test_bounds_by_hand() -> None:
    """a: contact missing: (40 x 1 + 20 x 1) / 60 = 100; at worst 60, at best 100. b: all there. c: the ticket count missing: at worst it
    is many, and the gate caps at 40: 40 x 0.5 + 0 + 40 x 0.5 = 40. d: nothing measured but contact: not scored, 0.4 of 100 to 100."""
    rows = snapshot(seats_used=[1, 0.5, 0.5, NAN], tickets=[0, 4, NAN, NAN], contact=[NAN, 100, 100, 0])
    ends = study.bounds(rows, CARD)
    assert ends["low_score"].tolist() == [60.0, 50.0, 40.0, 40.0]
    assert ends["high_score"].tolist() == [100.0, 50.0, 60.0, 100.0]
    assert ends["low_band"].tolist() == ["yellow", "yellow", "red", "red"]
    found = study.hanging(rows, CARD).set_index("account_id")
    assert found.index.tolist() == ["a3", "a2", "a0"]  # largest ARR first; b hangs on nothing
    assert found["band"].to_dict() == {"a3": "unscored", "a2": "yellow", "a0": "green"}
    assert found["missing"].to_dict() == {
        "a3": "Active seats, Open tickets", "a2": "Open tickets", "a0": "Days since executive contact",
    }  # fmt: skip


def test_what_does_not_apply_is_not_missing() -> None:
    only = CARD.metrics["contact"].model_copy(update={"applies_to": {"arr": Range(at_least=150)}})
    card = CARD.model_copy(update={"metrics": {**CARD.metrics, "contact": only}})
    rows = snapshot(seats_used=[0.7, 0.7], tickets=[4, 4], contact=[NAN, NAN])
    assert study.hanging(rows, card)["account_id"].tolist() == ["a1"]


def test_a_gate_alone_can_make_a_band_hang() -> None:
    """`old` weighs nothing, but its gate would cap the score."""
    tracked = Metric.model_validate({**CARD.metrics["contact"].model_dump(), "name": "old", "label": "Old", "weight": 0.0})
    gate = Gate(name="old", metric="old", holds=Range(at_least=300), cap=10)
    card = Scorecard.model_validate(
        {
            **{k: getattr(CARD, k) for k in ("groups", "bands", "min_coverage")},
            "metrics": {**CARD.metrics, "old": tracked},
            "gates": (gate,),
        }
    )
    rows = snapshot(seats_used=[1], tickets=[0], contact=[0], old=[NAN])
    assert study.hanging(rows, card)[["low_score", "high_score", "missing"]].iloc[0].tolist() == [10.0, 100.0, "Old"]


@pytest.mark.parametrize("seed", range(5))
def test_bounds_hold_every_filling(seed: int) -> None:
    """Whatever the missing values turn out to be, the score lies between the bounds."""
    rng = np.random.default_rng(seed)
    rows = snapshot(seats_used=rng.random(200), tickets=rng.integers(0, 10, 200), contact=rng.integers(0, 250, 200))
    holes = rows.assign(**{name: rows[name].mask(rng.random(200) < 0.4) for name in CARD.metrics})
    from healthlib import scoring

    true, ends = scoring.score(CARD, rows).frame["score"], study.bounds(holes, CARD)
    assert (ends["low_score"] <= true + 1e-9).all()
    assert (true <= ends["high_score"] + 1e-9).all()


def planted(seed: int, gap: float, accounts: int = 900) -> pd.DataFrame:
    """One to three cases each over three years. `contact` is missing for a quarter, who leave `gap` more often than 15 %; `tickets` for a
    quarter by chance; `seats_used` for everybody in the first year, in which everybody stays."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"account_id": np.repeat([f"a{i}" for i in range(accounts)], 2)})
    n = len(frame)
    month = rng.integers(0, 36, n)
    frame["as_of"] = (pd.Timestamp("2023-01-31") + pd.to_timedelta(month * 30.4, unit="D")).normalize().astype("datetime64[s]")
    silent = rng.random(n) < 0.25
    early = frame["as_of"] < pd.Timestamp("2024-01-01")
    frame["lost"] = ((rng.random(n) < 0.15 + gap * silent) & ~early).astype(float)
    frame["contact"] = np.where(silent, NAN, 100.0)
    frame["tickets"] = np.where(rng.random(n) < 0.25, NAN, 2.0)
    frame["seats_used"] = np.where(early, NAN, 0.5)
    return frame.assign(arr=np.exp(rng.normal(9, 0.5, n)))


def test_missing_that_goes_with_leaving_is_found_and_missing_by_chance_is_not() -> None:
    found = [study.predicts(planted(seed, 0.2), CARD, replicates=100, seed=seed).set_index("metric")["verdict"] for seed in range(6)]
    assert [verdicts["contact"] for verdicts in found] == ["more lost"] * 6
    assert sum(verdicts["tickets"] != "cannot tell" for verdicts in found) <= 1
    assert all("seats_used" not in verdicts.index for verdicts in found)  # switched on for all at once: it compares years, not accounts


@pytest.mark.slow
def test_the_interval_of_the_difference_covers_the_truth() -> None:
    """Truth 0.1 where outcomes can happen; the first year, in which nobody leaves, is a third of the months for both sides."""
    inside = []
    for seed in range(40):
        cases = planted(seed, 0.1, 400)
        row = study.predicts(cases, CARD, replicates=100, seed=seed).set_index("metric").loc["contact"]
        silent = cases["contact"].isna()
        truth = 0.1 * (cases.loc[silent, "as_of"] >= pd.Timestamp("2024-01-01")).mean()
        inside.append(row["low"] <= truth <= row["high"])
    assert np.mean(inside) >= 0.88


def test_p_values_are_adjusted_as_statsmodels_does_and_agree_with_the_interval() -> None:
    table = study.predicts(planted(3, 0.2), CARD, replicates=100)
    known = table["p"].notna()
    np.testing.assert_allclose(table.loc[known, "adjusted"], multipletests(table.loc[known, "p"], method="fdr_bh")[1])
    apart = (table["low"] > 0) | (table["high"] < 0)
    assert ((table["p"] < 0.05) == apart)[known].all()


def rated(seed: int, dies_at: int, cases: int = 6000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Finished cases and their latest rating, which says something of leaving until it is `dies_at` days old, and nothing after."""
    rng = np.random.default_rng(seed)
    finished = pd.DataFrame({"account_id": [f"a{i}" for i in range(cases)], "as_of": T, "arr": 1.0})
    age, value = rng.integers(0, 300, cases), rng.integers(1, 6, cases).astype(float)
    chance = np.where(age < dies_at, 0.5 - 0.09 * value, 0.2)
    finished["lost"] = (rng.random(cases) < chance).astype(float)
    return finished, finished[["account_id", "as_of"]].assign(metric="contact", value=value, age_days=age.astype(float))


def higher() -> Scorecard:
    metric = CARD.metrics["contact"].model_copy(update={"worst": 1, "best": 5, "better": "higher", "stale_after_days": 90})
    return CARD.model_copy(update={"metrics": {**CARD.metrics, "contact": metric}})


@pytest.mark.parametrize(("dies_at", "stops_at"), [(61, 61), (121, 121), (10_000, NAN), (0, NAN)])
def test_the_age_at_which_a_planted_rating_dies(dies_at: int, stops_at: float) -> None:
    card = higher()
    row = rating_ages.limits(rating_ages.by_age(*rated(4, dies_at), card, replicates=200), card).iloc[0]
    assert row["verdict"] == {61: "stops", 121: "stops", 10_000: "predicts at every age seen", 0: "never predicts"}[dies_at]
    assert (row["stops_at"] == stops_at) or (np.isnan(stops_at) and np.isnan(row["stops_at"]))
    assert row["stale_after_days"] == 90


def test_few_cases_say_cannot_tell_and_bins_are_joined() -> None:
    card = higher()
    finished, answers = rated(5, 61, 40)
    ages = rating_ages.by_age(finished, answers, card, replicates=50)
    assert rating_ages.limits(ages, card)["verdict"].tolist() == ["cannot tell"]
    assert ages["cases"].sum() == 40
    many = rating_ages.by_age(*rated(5, 61, 400), card, replicates=50)
    kept = many["cases"] - many["lost"]
    assert ((many["lost"] >= 15) & (kept >= 15))[:-1].all()
    assert many["from_days"].iloc[0] == 0
    assert (many["from_days"].to_numpy()[1:] == many["to_days"].to_numpy()[:-1] + 1).all()


def test_lower_is_better_turns_the_rating_round() -> None:
    finished, answers = rated(6, 10_000)
    up = rating_ages.by_age(finished, answers, higher(), replicates=30)
    down = rating_ages.by_age(finished, answers, CARD, replicates=30)  # contact: fewer days are better
    np.testing.assert_allclose(up["auc"], 1 - down["auc"])
    assert (down["verdict"] == "wrong way").all()


@pytest.mark.parametrize("accounts", [0, 12, 120])
def test_every_sentence_stands_whatever_the_evidence(accounts: int) -> None:
    cases = company(0.3, max(accounts, 1)).head(0 if not accounts else None)
    holes = cases.assign(seats=cases["seats"].mask(np.arange(len(cases)) % 4 == 0))
    audit = audit_study(book(holes, history=holes.assign(as_of=T).drop_duplicates("account_id")), replicates=30)
    for claim in (say.overrides, say.people, say.ranked, say.hanging, say.predicts, say.ages):
        text = claim(audit)
        assert text[0].isupper() or text[0] in "“"
        assert text.endswith(".")
        assert "nan" not in text.lower()
    assert say.details(audit) == []
