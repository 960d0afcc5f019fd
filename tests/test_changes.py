"""A change of score splits into its causes: to 1e-9, equal to brute force over every order, and each cause alone is found alone."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from healthlib import changes, scoring
from healthlib.changes import CAUSES, MEASURED, averages, explain_change
from healthlib.spec import Scorecard
from tests import small_company

METRICS = ("seats_used", "tickets", "contact")
CARD = small_company.scorecard()


def earlier_card() -> Scorecard:
    """Other weights and scales, another gate, and no `contact`: in its place a metric since dropped."""
    found = {name: CARD.metrics[name].model_copy(update={"weight": 10.0, "best": 0.5}) for name in METRICS[:2]}
    old = CARD.metrics["contact"].model_copy(update={"name": "old", "label": "Old", "weight": 30.0})
    gate = CARD.gates[0].model_copy(update={"cap": 20.0})
    return CARD.model_copy(update={"metrics": {**found, "old": old}, "gates": (gate,)})


def days(seed: int = 0, accounts: int = 60) -> list[pd.DataFrame]:
    """Two random days: a third of the values missing, some overrides, accounts that came and left."""
    rng = np.random.default_rng(seed)
    frames = []
    for first in (0, 5):
        frame = pd.DataFrame({"account_id": [f"a{i:03d}" for i in range(first, accounts + first)], "as_of": pd.Timestamp("2026-10-31")})
        frame["seats_used"], frame["tickets"] = rng.random(accounts), rng.integers(0, 10, accounts).astype(float)
        frame["contact"], frame["old"] = rng.integers(0, 250, accounts).astype(float), rng.integers(0, 250, accounts).astype(float)
        for name in (*METRICS, "old"):
            frame.loc[rng.random(accounts) < 0.3, name] = np.nan
        frame["override"] = np.where(rng.random(accounts) < 0.2, rng.integers(0, 100, accounts).astype(float), np.nan)
        frames.append(frame.sample(frac=1, random_state=seed).assign(arr=rng.integers(1, 9, accounts) * 1000.0))
    return frames


def by_orders(now: pd.Series, before: pd.Series, cards: tuple[Scorecard, Scorecard]) -> dict[str, dict[str, float]]:
    """One account, read from the docstring: switch the causes one by one, in all six orders, and average what each made of each metric."""
    names = [*METRICS, "old"]

    def points(state: set[str]) -> dict[str, float] | None:
        row = {}
        for name in names:
            measured = (now if "data" in state else before)[name]
            first, second = (now, before) if "behaviour" in state else (before, now)
            value = first[name] if pd.notna(first[name]) else second[name]
            row[name] = value if pd.notna(measured) else np.nan
        card = cards[1 if "configuration" in state else 0].model_copy(update={"min_coverage": 0.0})
        frame = pd.DataFrame([{"account_id": "x", "as_of": pd.Timestamp("2026-10-31"), **row}]).astype(dict.fromkeys(names, float))
        found = scoring.score(card, frame).points.iloc[0]
        return None if found.isna().all() else {name: float(found.get(name, 0.0)) for name in names}

    start = points(set()) or dict.fromkeys(names, 0.0)
    total = {cause: dict.fromkeys(names, 0.0) for cause in MEASURED}
    for order in permutations(MEASURED):
        state: set[str] = set()
        for cause in order:
            then = points(state) or start
            state = state | {cause}
            here = points(state) or start
            for name in names:
                total[cause][name] += (here[name] - then[name]) / 6
    return total


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("previous", [None, earlier_card()], ids=["same scorecard", "another scorecard"])
def test_causes_sum_exactly_to_the_change_and_metrics_to_the_causes(seed: int, previous: Scorecard | None) -> None:
    now, before = days(seed)
    found = explain_change(now, before, CARD, previous=previous)
    frame = found.frame
    assert len(frame) == 55
    known = frame["change"].notna()
    assert known.sum() >= 25
    assert (frame.loc[known, list(CAUSES)].sum(axis=1) - frame.loc[known, "change"]).abs().max() < 1e-9
    assert frame.loc[~known, list(CAUSES)].isna().all().all()
    for cause in MEASURED:
        assert (found.points[cause].sum(axis=1) - frame[cause])[known].abs().max() < 1e-9
    assert ((frame["configuration"].abs() > 1e-9).any()) == (previous is not None)


def test_shares_equal_brute_force_over_every_order() -> None:
    now, before = days(7, 25)
    cards = (earlier_card(), CARD)
    found = explain_change(now, before, CARD, previous=cards[0])
    ends = [scoring.score(card, day).frame.set_axis(day["account_id"])["score"] for card, day in zip(cards, (before, now), strict=True)]
    checked = 0
    for i, account in enumerate(found.frame["account_id"]):
        if any(np.isnan(end[account]) for end in ends):
            continue
        rows = [day.set_index("account_id").loc[account] for day in (now, before)]
        expected = by_orders(*rows, cards)
        for cause in MEASURED:
            for name, value in expected[cause].items():
                assert found.points[cause].at[i, name] == pytest.approx(value, abs=1e-9), (account, cause, name)
        checked += 1
    assert checked >= 8


def light(name: str) -> Scorecard:
    """The scorecard with one metric's weight at 0."""
    return CARD.model_copy(update={"metrics": {**CARD.metrics, name: CARD.metrics[name].model_copy(update={"weight": 0.0})}})


def pair(**now: float) -> list[pd.DataFrame]:
    """One account with all measured, and the same with what is given changed."""
    start = {
        "account_id": "a",
        "as_of": pd.Timestamp("2026-10-31"),
        "seats_used": 0.5,
        "tickets": 2.0,
        "contact": 100.0,
        "override": np.nan,
    }
    return [pd.DataFrame([{**start, **now}]), pd.DataFrame([start])]


@pytest.mark.parametrize(
    ("now", "previous", "cause", "change"),
    [
        ({"seats_used": 0.25}, None, "behaviour", -10.0),  # 40 of 100 points of weight times -0.25
        ({"contact": np.nan}, None, "data", (40 * 0.5 + 20 * 0.75) / 60 * 100 - 55.0),
        ({"override": 80.0}, None, "override", 25.0),  # measured: 40 x 0.5 + 20 x 0.75 + 40 x 0.5 = 55
        ({}, light("tickets"), "configuration", 5.0),  # without the tickets' 75 points of 20: 50
        ({}, None, "behaviour", 0.0),
    ],
    ids=["value", "missing", "override", "weight", "nothing"],
)  # fmt: skip
def test_one_cause_alone_gets_all_of_it(now: dict[str, float], previous: Scorecard | None, cause: str, change: float) -> None:
    row = explain_change(*pair(**now), CARD, previous=previous).frame.iloc[0]
    assert row["change"] == pytest.approx(change)
    assert row[cause] == pytest.approx(change)
    assert row[list(CAUSES)].abs().sum() == pytest.approx(abs(change))


def test_an_override_that_stays_absorbs_what_the_customer_did() -> None:
    """Shown 80 on both days; measured 55, then 45: behaviour took 10, the override gave it back."""
    days_ = pair(seats_used=0.25, override=80.0)
    row = explain_change(days_[0], days_[1].assign(override=80.0), CARD).frame.iloc[0]
    assert row[["change", "behaviour", "override"]].round(9).tolist() == [0.0, -10.0, 10.0]


def test_a_score_that_vanishes_under_an_override_goes_as_data() -> None:
    """55 measured, then nothing measured and a person says 40: data -55, override +40, change -15. Without a person there is no change."""
    nan = float("nan")
    row = explain_change(*pair(seats_used=nan, tickets=nan, contact=nan, override=40.0), CARD).frame.iloc[0]
    assert row[["change", "behaviour", "data", "override"]].round(9).tolist() == [-15.0, 0.0, -55.0, 40.0]
    assert explain_change(*pair(seats_used=nan, tickets=nan, contact=nan), CARD).frame.loc[0, ["change", *CAUSES]].isna().all()


def test_running_backwards_turns_every_sign() -> None:
    now, before = days(3)
    there, back = explain_change(now, before, CARD).frame, explain_change(before, now, CARD).frame
    scored = there["change"].notna()
    np.testing.assert_allclose(there.loc[scored, ["data", "behaviour"]], -back.loc[scored, ["data", "behaviour"]], atol=1e-9)


@pytest.mark.parametrize("money", [False, True])
def test_the_average_of_band_and_book_moves_by_the_causes_and_who_is_in_it(money: bool) -> None:
    frames = [frame.drop(columns="override") for frame in days(2)]
    scored = [frame.assign(**scoring.score(CARD, frame).frame[["score", "band"]]) for frame in frames]
    now, before = scored
    table = averages(explain_change(now, before, CARD), now, before, [band.name for band in CARD.bands], money=money).set_index("band")
    assert list(table.index) == ["red", "yellow", "green", "all"]
    np.testing.assert_allclose(table[[*CAUSES, "membership"]].sum(axis=1), table["change"], atol=1e-9)
    for band, row in table.iterrows():
        parts = [frame[frame["score"].notna() & ((frame["band"] == band) | (band == "all"))] for frame in (before, now)]
        means = [np.average(part["score"], weights=part["arr"] if money else None) for part in parts]
        assert (row["before"], row["now"]) == pytest.approx(tuple(means))


def test_nobody_new_and_nobody_gone_leaves_nothing_to_membership() -> None:
    now, before = pair(seats_used=0.25)
    scored = [frame.assign(arr=1.0, **scoring.score(CARD, frame).frame[["score", "band"]]) for frame in (now, before)]
    table = averages(explain_change(now, before, CARD), scored[0], scored[1], ["red"]).set_index("band")
    assert table.loc["all", ["change", "behaviour", "membership"]].tolist() == pytest.approx([-10.0, -10.0, 0.0])
    assert np.isnan(table.loc["red", "change"])


def test_what_came_and_went_is_said_in_words() -> None:
    nan = float("nan")
    now, before = pair(seats_used=0.25, contact=nan)
    found = explain_change(now, before, CARD)
    assert found.seen.iloc[0].tolist() == ["", "", "vanished"]
    assert changes.told(found, now, before, CARD)["a"] == (
        "down: Days since executive contact no longer measured, was 100 (-20.0), Active seats 0.5 to 0.25 (-3.3); "
        "up: Open tickets 2 (+10.0)"
    )  # 20 + 15 + 20 before; 40 of 60 x 25, 20 of 60 x 75 and nothing now
