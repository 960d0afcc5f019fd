"""Overrides: which is in force on a day, what is shown, and whether they helped: by hand, and against a truth that is known."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import artifacts, asof, overrides, scoring
from healthlib.spec import Band, Scorecard, Workspace
from healthlib.stats import logistic
from healthlib.studies import overrides as study
from healthlib.studies import today
from healthlib.studies.book import Book, book_of
from healthlib.tables import load_tables
from tests import small_company
from tests.test_executive import facts_of
from tests.test_metrics import metric

# a: two at once, then one alone, then none; b: recorded two weeks late; c: a tie of set_on; d: outside 0..100; e: ends when another is set
SAID = """account_id,set_on,score,reason,set_by,expires_on,recorded_at
a,2026-01-10,40,budget cut,Ann,2026-06-01,2026-01-10
a,2026-02-01,60,new sponsor,Bob,2026-03-01,2026-02-01
b,2026-01-20,70,,Ann,2026-12-01,2026-02-03
c,2026-01-05,30,first,Ann,,2026-01-05
c,2026-01-05,20,second,Bob,,2026-01-05
d,2026-01-05,150,typo,Ann,,2026-01-05
e,2026-01-05,0,gone quiet,Çelik,,2026-01-05
e,2026-05-01,50,back again,Bob,2026-05-15,2026-05-01
"""


@pytest.fixture
def company(tmp_path: Path) -> tuple[Path, Workspace]:
    names = "abcdef"
    (tmp_path / "accounts.csv").write_text("account_id,name\n" + "".join(f"{n},{n.upper()}\n" for n in names))
    rows = "".join(f"{n},2025-01-01,2027-01-01,100\n" for n in names)
    (tmp_path / "contracts.csv").write_text("account_id,start_date,end_date,arr\n" + rows)
    (tmp_path / "overrides.csv").write_text(SAID)
    card = Scorecard(
        groups=("g",), metrics={"age": metric("age", "age", table=None, worst=0, best=1000)},
        bands=(Band(name="red", start=0), Band(name="green", start=50)),
    )  # fmt: skip
    return tmp_path, Workspace(folder=tmp_path, name="t", scorecard=card, data_through=pd.Timestamp("2026-07-01").date())


def said_on(workspace: Workspace, day: str) -> dict[str, tuple[float, str]]:
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    spine = pd.DataFrame({"account_id": list("abcdef"), "as_of": pd.Timestamp(day)})
    found = overrides.in_force(tables, spine)
    assert list(found.columns) == list(overrides.COLUMNS)
    return {row.account_id: (row.override, row.set_by) for row in found.itertuples()}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-01-04", {}),
        ("2026-01-10", {"a": (40, "Ann"), "c": (20, "Bob"), "e": (0, "Çelik")}),
        ("2026-02-02", {"a": (60, "Bob"), "c": (20, "Bob"), "e": (0, "Çelik")}),  # b is set but nobody knows it yet
        ("2026-02-03", {"a": (60, "Bob"), "b": (70, "Ann"), "c": (20, "Bob"), "e": (0, "Çelik")}),
        ("2026-02-28", {"a": (60, "Bob"), "b": (70, "Ann"), "c": (20, "Bob"), "e": (0, "Çelik")}),
        ("2026-03-01", {"a": (40, "Ann"), "b": (70, "Ann"), "c": (20, "Bob"), "e": (0, "Çelik")}),  # the day it expires it is over
        ("2026-05-14", {"a": (40, "Ann"), "b": (70, "Ann"), "c": (20, "Bob"), "e": (50, "Bob")}),
        ("2026-06-01", {"b": (70, "Ann"), "c": (20, "Bob")}),  # e: the one without an end ended when another was set
    ],
)
def test_which_override_is_in_force(company: tuple[Path, Workspace], day: str, expected: dict[str, tuple[float, str]]) -> None:
    assert said_on(company[1], day) == expected


def test_a_later_override_changes_no_earlier_day(company: tuple[Path, Workspace]) -> None:
    folder, workspace = company
    before = said_on(workspace, "2026-02-02")
    (folder / "overrides.csv").write_text(SAID + "a,2026-02-03,1,,Ann,,2026-02-03\nf,2026-01-01,2,backdated,Ann,,2026-02-03\n")
    assert said_on(workspace, "2026-02-02") == before
    assert said_on(workspace, "2026-02-03")["f"] == (2, "Ann")


def test_columns_that_the_exports_lack_stay_empty(company: tuple[Path, Workspace]) -> None:
    folder, workspace = company
    (folder / "overrides.csv").write_text("account_id,set_on,score\na,2026-01-10,40\n")
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    row = overrides.in_force(tables, pd.DataFrame({"account_id": ["a"], "as_of": [pd.Timestamp("2026-05-01")]})).iloc[0]
    assert (row["override"], row["set_on"]) == (40, pd.Timestamp("2026-01-10"))
    assert row[["set_by", "reason", "expires_on"]].isna().all()


def test_an_override_outside_the_scale_is_not_used_and_the_reader_is_told(company: tuple[Path, Workspace]) -> None:
    workspace = company[1]
    opened = book_of(load_tables(workspace), workspace, pd.Timestamp("2026-07-01"))
    assert "1 override says a score outside 0 to 100; it is not used." in " ".join(opened.warnings)
    assert "d" not in set(opened.overrides["account_id"])
    early = book_of(load_tables(workspace), workspace, pd.Timestamp("2026-01-04"))
    assert early.warnings == ()


def in_force(book: Book, said: dict[str, float], day: pd.Timestamp) -> pd.DataFrame:
    rows = [(a, day, score, day, pd.Timestamp("2027-01-01"), "Ann <b>", "=cmd()") for a, score in said.items()]
    return pd.DataFrame(rows, columns=list(overrides.COLUMNS)).astype(overrides.NONE.dtypes.to_dict())


@lru_cache(maxsize=1)
def overruled() -> tuple[Book, pd.DataFrame, pd.DataFrame]:
    """The small company with two scores set today, one of an account that cannot be scored; its scores with and without."""
    book = small_company.book(150)
    accounts = book.history.loc[book.history["as_of"] == book.as_of, "account_id"].tolist()[:2]
    bare = (book.history["account_id"] == accounts[1]) & (book.history["as_of"] == book.as_of)
    history = book.history.assign(**{name: book.history[name].mask(bare) for name in book.scorecard.metrics})
    book = replace(book, history=history)
    said = in_force(book, {accounts[0]: 12.0, accounts[1]: 95.0}, book.as_of)
    return book, facts_of(replace(book, overrides=said)).scores, facts_of(book).scores


def test_an_override_sets_score_and_band_and_points_still_sum(tmp_path: Path) -> None:
    book, scores, without = overruled()
    mine = scores[scores["override_by"].notna()].set_index("account_id")
    assert sorted(mine["score"]) == [12.0, 95.0]
    assert mine.sort_values("score")["band"].tolist() == ["red", "green"]
    assert mine.sort_values("score")["band_without_override"].iloc[1] == "unscored"
    points = scores[[c for c in scores if c.startswith("points:")]]
    known = scores["score"].notna()
    assert (points.sum(axis=1) - scores["score"])[known].abs().max() < 1e-9
    artifacts.write_csv(scores, tmp_path / "scores.csv", artifacts.scores_columns(scores))
    written = pd.read_csv(tmp_path / "scores.csv")
    contract = [c for c in artifacts.scores_columns(scores) if c not in artifacts.SCORES_LAST]
    assert (
        list(written.columns[: len(contract)])
        == contract
        == [c for c in artifacts.scores_columns(without) if c not in artifacts.SCORES_LAST]
    )
    assert written["override_reason"].dropna().unique().tolist() == ["'=cmd()"]
    assert book.as_of == scores["as_of"].iloc[0]


def test_everybody_else_and_every_chance_of_loss_is_as_without() -> None:
    _, scores, without = overruled()
    one, other = scores.set_index("account_id").sort_index(), without.set_index("account_id").sort_index()
    for name in ("score_without_override", "renewal_probability", "probability_low", "probability_high", "coverage"):
        pd.testing.assert_series_equal(one[name], other[name])
    alone = one["override_by"].isna()
    pd.testing.assert_frame_equal(one[alone], other[alone], check_dtype=False)


def test_the_drivers_say_who_set_it_and_what_was_measured() -> None:
    _, scores, _ = overruled()
    mine = scores[scores["override_by"].notna()].sort_values("score")
    assert mine["top_drivers"].iloc[0].startswith("set to 12 by Ann <b> until 1 Jan 2027 (=cmd()), measured ")
    assert "(=cmd()), not measured; not scored" in mine["top_drivers"].iloc[1]
    assert mine["change_override"].notna().iloc[0]


def test_what_is_shown_of_rows_without_an_override_is_what_was_measured() -> None:
    book = small_company.book(30)
    plain = today.score_history(book.scorecard, book.history).rows
    measured = scoring.score(book.scorecard, book.history).frame
    pd.testing.assert_series_equal(plain["score"], measured["score"])
    pd.testing.assert_series_equal(plain["band"], measured["band"])
    assert plain["override"].isna().all()


def judged() -> pd.DataFrame:
    """Twelve raised (1 lost, each promised 25 %, ARR 100) and ten lowered (6 lost, each promised 20 %, ARR 100): all one account each."""
    raised = pd.DataFrame({"score": 40.0, "said": 60.0, "expected": 0.25, "lost": [1.0] + [0.0] * 11})
    lowered = pd.DataFrame({"score": 60.0, "said": 30.0, "expected": 0.2, "lost": [1.0] * 6 + [0.0] * 4})
    frame = pd.concat([raised, lowered], ignore_index=True)
    return frame.assign(account_id=[f"a{i}" for i in range(22)], arr=100.0, set_by=["Ann"] * 12 + ["Bob"] * 9 + [None])


def test_benefit_by_hand() -> None:
    """Raised: 1/12 lost of 1/4 promised, benefit 1/6. Lowered: 6/10 of 2/10, benefit 4/10. Both: (12/6 + 10 x 0.4) / 22."""
    table = study.effects(judged(), replicates=200).set_index(["set_by", "direction"])
    everybody = table.loc["everybody"]
    assert everybody["benefit"].round(9).to_dict() == {"raised": round(1 / 6, 9), "lowered": 0.4, "both": round(6 / 22, 9)}
    assert everybody["arr_benefit"].round(9).to_dict() == everybody["benefit"].round(9).to_dict()
    assert everybody["verdict"].to_dict() == {"raised": "cannot tell", "lowered": "helped", "both": "helped"}
    assert everybody.loc["lowered", ["cases", "accounts", "lost", "expected"]].tolist() == pytest.approx([10, 10, 6, 0.2])
    # Wilson, 6 of 10: 0.313 to 0.832 (n = 10); the benefit is that less 0.2
    assert everybody.loc["lowered", ["benefit_low", "benefit_high"]].tolist() == pytest.approx([0.113, 0.632], abs=0.03)
    assert set(table.index.get_level_values("set_by")) == {"everybody", "Ann", "Bob"}
    assert table.loc[("Bob", "both"), "verdict"] == "cannot tell"  # nine accounts, however clear
    assert ("Bob", "lowered") not in table.index
    assert ("Ann", "raised") in table.index


def test_ten_is_enough_and_nine_is_not() -> None:
    """The nine lowered by Bob lose 6 of 9, but fewer than ten accounts say nothing."""
    nine = study.effects(judged().iloc[12:21], replicates=50).set_index(["set_by", "direction"])
    assert nine.loc[("everybody", "lowered"), "verdict"] == "cannot tell"
    assert nine.loc[("everybody", "lowered"), "benefit_low"] > 0


def test_how_many_more_overrides_would_tell_is_the_shared_arithmetic() -> None:
    """Twelve raised of which five were lost: futures drawn one by one, the benefit moving within its interval of today."""
    some = judged().head(12).assign(lost=[1.0] * 5 + [0.0] * 7)
    row = study.effects(some, replicates=200).set_index(["set_by", "direction"]).loc[("everybody", "both")]
    assert row["verdict"] == "cannot tell"
    rng, se, n = np.random.default_rng(2), (row["benefit_high"] - row["benefit_low"]) / (2 * 1.96), row["cases"]

    def settled(more: float) -> float:
        true = rng.normal(row["benefit"], se, 100_000)
        later = (n * row["benefit"] + more * rng.normal(true, se * np.sqrt(n / more))) / (n + more)
        return float((np.abs(later) > 1.96 * se * np.sqrt(n / (n + more))).mean())

    assert settled(row["more"]) == pytest.approx(0.5, abs=0.02)
    assert settled(row["likely"]) == pytest.approx(0.8, abs=0.02)


def test_a_clear_benefit_of_nine_accounts_lacks_the_tenth() -> None:
    table = study.effects(judged().iloc[12:21], replicates=50).set_index(["set_by", "direction"])
    assert table.loc[("everybody", "lowered"), ["more", "likely"]].tolist() == [1.0, 1.0]


SLOPE, LEVEL = 0.055, 1.2
NODES, MASS = np.polynomial.hermite_e.hermegauss(40)


def truth(score: np.ndarray) -> np.ndarray:
    """P(lost) given the measured score alone, the hidden part averaged out."""
    return logistic(LEVEL - SLOPE * score[:, None] - NODES[None]) @ (MASS / MASS.sum())


def simulated(seed: int, knows: float, accounts: int = 3000) -> pd.DataFrame:
    """One case each over three years. What the score does not see is `hidden`; a person who overrules says the score + 12 x what they
    believe of it: `knows` 1 the truth, 0 noise, -1 the contrary."""
    rng = np.random.default_rng(seed)
    score, hidden = np.clip(rng.normal(60, 18, accounts), 0, 100), rng.normal(0, 1, accounts)
    p = logistic(LEVEL - SLOPE * score - hidden)
    belief = knows * hidden + np.sqrt(1 - knows**2) * rng.normal(0, 1, accounts)
    as_of = pd.Timestamp("2022-01-31") + pd.to_timedelta((rng.integers(0, 36, accounts) * 30.4).astype(int), unit="D")
    frame = pd.DataFrame({
        "account_id": [f"a{i:05d}" for i in range(accounts)], "as_of": as_of.astype("datetime64[s]"), "score": score, "p": p,
        "lost": (rng.random(accounts) < p).astype(float), "arr": np.exp(rng.normal(9.5, 0.7, accounts)).round(),
        "said": np.where(rng.random(accounts) < 0.2, np.clip(score + 12 * belief, 0, 100), np.nan),
        "set_by": np.array(["Ann", "Bob"])[rng.integers(0, 2, accounts)],
    })  # fmt: skip
    return frame.assign(horizon_ends_on=frame["as_of"] + pd.Timedelta(days=120))


@pytest.mark.slow
@pytest.mark.parametrize(("knows", "verdict"), [(1.0, "helped"), (0.0, "cannot tell"), (-1.0, "hurt")])
def test_the_planted_verdict_is_found_and_intervals_cover_the_truth(knows: float, verdict: str) -> None:
    """Measured over 60 companies of 4,000: 93 to 98 % of intervals cover (by direction, both, and by ARR)."""
    covered, verdicts = [], []
    for seed in range(12):
        part = study.with_expected(simulated(seed, knows))
        table = study.effects(part, replicates=150, seed=seed)
        rows = table[table["set_by"] == "everybody"].set_index("direction")
        right = np.where(part["said"] > part["score"], 1, -1) * (truth(part["score"].to_numpy()) - part["p"])
        for direction, mask in (("raised", part["said"] > part["score"]), ("lowered", part["said"] < part["score"])):
            row = rows.loc[direction]
            covered.append(row["benefit_low"] <= right[mask].mean() <= row["benefit_high"])
            covered.append(row["arr_benefit_low"] <= np.average(right[mask], weights=part.loc[mask, "arr"]) <= row["arr_benefit_high"])
        verdicts.append(rows.loc["both", "verdict"])
    assert np.mean(covered) >= 0.88  # 48 intervals
    assert verdicts.count(verdict) >= 10
    assert ("hurt" if knows > 0 else "helped") not in verdicts or knows == 0


def test_expected_is_learnt_only_from_what_had_finished_and_nobody_overruled() -> None:
    """Turning every outcome that finished later, and every overruled one, changes nothing expected of an earlier case."""
    cases = simulated(1, 0.5, 800)
    found = study.with_expected(cases)
    chosen = found[found["as_of"].dt.to_period("M") == pd.Period("2023-12")]
    assert len(chosen) > 3
    late = (cases["horizon_ends_on"] >= chosen["as_of"].min()) | cases["said"].notna()
    other = study.with_expected(cases.assign(lost=np.where(late, 1 - cases["lost"], cases["lost"])))
    again = other.set_index("account_id").loc[chosen["account_id"], "expected"]
    np.testing.assert_array_equal(again, chosen["expected"])


def test_auc_is_compared_on_the_cases_concerned() -> None:
    cases = simulated(2, 1.0, 3000)
    found = study.aucs(cases[cases["said"].notna()], replicates=100)
    assert found["difference"].value == pytest.approx(found["with"].value - found["without"].value)
    assert found["difference"].low > 0
    assert study.aucs(cases[cases["said"].notna()].head(9), replicates=20) == {}
