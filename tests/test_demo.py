"""The simulated company: same bytes for the same seed, every canonical table, a truth that can be found again."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from healthlib.demo import DemoTruth, make_demo, simulate_cases
from healthlib.demo_outcomes import metric_scores
from healthlib.demo_tables import NASTY_NAMES
from healthlib.schema import TABLES
from healthlib.studies.book import load_book


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoTruth]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, make_demo(folder, seed=11, accounts=250)


def read(folder: Path, table: str) -> pd.DataFrame:
    path = next(folder.glob(f"{table}.csv*"))
    return pd.read_csv(path, low_memory=False, keep_default_na=False, na_values=[""])


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


NOT_PLANTED = {"interventions": {"experiment", "arm", "outcome", "decided_on"}}
"""The simulated company draws no accounts by lot, so its interventions have no arms."""


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make_demo(tmp_path / name, seed=seed, accounts=25)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a")["usage.csv.gz"] != digest(tmp_path / "c")["usage.csv.gz"]


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_canonical_table_has_every_canonical_column(demo: tuple[Path, DemoTruth], table: str):
    folder, truth = demo
    frame = read(folder, table)
    assert set(TABLES[table].columns) - NOT_PLANTED.get(table, set()) <= set(frame.columns)
    assert len(frame) == truth.rows[table] > 0


def test_only_the_planted_rows_are_dirty(demo: tuple[Path, DemoTruth]):
    folder, truth = demo
    known = set(read(folder, "accounts")["account_id"])
    for table in TABLES:
        frame = read(folder, table)
        bad = ~frame["account_id"].isin(known)
        for column, kind in TABLES[table].columns.items():
            if column in NOT_PLANTED.get(table, set()):
                continue
            present = frame[column].notna() if column in frame else pd.Series(False, index=frame.index)
            if kind == "number":
                bad |= present & pd.to_numeric(frame[column], errors="coerce").isna()
            if kind == "when":
                bad |= present & pd.to_datetime(frame[column], errors="coerce", format="ISO8601", utc=True).isna()
        if TABLES[table].key:
            bad |= frame.duplicated(list(TABLES[table].key))
        assert bad.sum() == truth.dirty_rows.get(table, 0), table
        assert bad.mean() < 0.01, table


def test_terms_of_an_account_never_overlap_and_outcomes_agree_with_what_followed(demo: tuple[Path, DemoTruth]):
    contracts = read(demo[0], "contracts").sort_values(["account_id", "start_date"])
    start, end = pd.to_datetime(contracts["start_date"]), pd.to_datetime(contracts["end_date"])
    gap = (start.groupby(contracts["account_id"]).shift(-1) - end).dt.days
    assert (gap.dropna() >= 0).all()
    finished = end + pd.Timedelta(days=30) <= pd.Timestamp("2026-10-31")
    derived = np.where(gap <= 30, "renewed", "churned")[finished]
    assert (contracts["outcome"][finished] == derived).all()
    assert (contracts["outcome"][pd.to_datetime(contracts["decided_on"]).isna()] == "open").all()


def test_nothing_happens_after_a_customer_left_and_nothing_after_the_last_day(demo: tuple[Path, DemoTruth]):
    folder, _ = demo
    ends = pd.to_datetime(read(folder, "contracts").groupby("account_id")["end_date"].max())
    for table in ("touchpoints", "score_history", "advocacy", "readings"):
        frame = read(folder, table)
        when = pd.to_datetime(frame[TABLES[table].time])
        assert (when < frame["account_id"].map(ends)).all()
        assert when.max() <= pd.Timestamp("2026-10-31")


def test_churn_is_as_asked_and_truth_is_written(demo: tuple[Path, DemoTruth]):
    folder, truth = demo
    assert 0.09 < truth.cases["lost"].mean() < 0.18
    written = json.loads((folder / "truth.json").read_text())
    assert written["weights"] == truth.weights
    assert sum(written["weights"].values()) == sum(written["current_weights"].values()) == 100
    assert written["leak"] == "cancellation_tickets"
    assert written["weights"]["cancellation_tickets"] == 0
    assert written["zombies"]
    assert written["watermelons"]


@pytest.mark.slow
def test_the_product_measures_what_the_simulation_measured(demo: tuple[Path, DemoTruth]):
    """Two implementations, pandas here and SQL there, agree on every metric and outcome of every finished term.

    Not compared: customers that came back (the simulation had not yet removed what they did while away), executive contacts of
    small customers (measured by the product, but not applicable), and the leak (planted after the outcomes were drawn).
    """
    folder, truth = demo
    cases = load_book(folder).cases
    both = truth.cases.merge(cases, on=["account_id", "as_of"], suffixes=("", "_product"))
    both = both[~both["account_id"].isin(truth.winbacks)]
    assert len(both) > 0.95 * len(truth.cases)
    finished = both[both["outcome"] != "open"]
    assert (finished["lost"] == finished["lost_product"]).all()
    for name in set(truth.weights) - {truth.leak}:
        ours = both if name != "executive_contact" else both[both["segment"] != "SMB"]
        np.testing.assert_allclose(ours[name], ours[f"{name}_product"], rtol=1e-9, err_msg=name)


def test_the_leak_is_visible_ninety_days_before_the_end_and_only_for_the_lost(demo: tuple[Path, DemoTruth]):
    folder, truth = demo
    tickets = read(folder, "tickets").query("category == 'cancellation'")
    pairs = truth.cases.merge(tickets, on="account_id")
    opened = pd.to_datetime(pairs["opened_at"], format="ISO8601").dt.tz_localize(None)
    seen = pairs[(opened <= pairs["as_of"]) & (opened > pairs["as_of"] - pd.Timedelta(days=180))]
    lost = truth.cases.set_index(["account_id", "as_of"])["lost"]
    flagged = pd.Series(lost.index.isin(pd.MultiIndex.from_frame(seen[["account_id", "as_of"]])), index=lost.index)
    assert flagged[lost].mean() > 0.6
    assert flagged[~lost].mean() < 0.03


def test_the_true_hazard_beats_the_current_weights(demo: tuple[Path, DemoTruth]):
    cases = demo[1].cases.dropna(subset=["health"])
    below = cases.groupby("lost")[["health", "current"]].mean()
    spread = cases[["health", "current"]].std()
    separation = (below.loc[False] - below.loc[True]) / spread
    assert separation["health"] > separation["current"] > 0


def test_noise_depends_on_nothing_and_has_no_leak(tmp_path: Path):
    truth = make_demo(tmp_path, seed=5, accounts=250, noise=True)
    annual = truth.cases[truth.cases["term_ends"] - truth.cases["as_of"] == pd.Timedelta(days=90)]
    assert annual["probability"].nunique() <= 6  # by length of the term, never by account
    assert truth.leak == ""
    assert set(truth.weights.values()) == {0.0}
    assert b"cancellation" not in gzip.decompress((tmp_path / "tickets.csv.gz").read_bytes())


def test_nasty_names_are_there_for_the_reports_to_escape(demo: tuple[Path, DemoTruth]):
    assert set(NASTY_NAMES) <= set(read(demo[0], "accounts")["name"])


def test_scores_of_the_demo_scales_by_hand():
    """active_seats 0.3 of best 0.8 is 37.5, for the young (best 0.6) 50; 135 days since an executive: (135-240)/(30-240) = 50."""
    values = pd.DataFrame({name: [np.nan, np.nan] for name in metric_columns()})
    values["active_seats"], values["executive_contact"] = 0.3, [135.0, 500.0]
    scores = metric_scores(values, np.array([400, 100]))
    assert scores["active_seats"].round(6).tolist() == [37.5, 50.0]
    assert scores["executive_contact"].round(6).tolist() == [50.0, 0.0]
    assert scores["nps"].isna().all()


def metric_columns() -> list[str]:
    from healthlib.demo_outcomes import TRUE_WEIGHTS

    return list(TRUE_WEIGHTS)


def test_simulated_cases_give_their_weights_back():
    """Plain logistic regression, 60,000 accounts: standard errors of the shares are about 1 point."""
    cases, truth = simulate_cases(60_000, 2, seed=1)
    names = list(truth.weights)
    fitted = -LogisticRegression(C=1e9, max_iter=1000).fit(cases[names], cases["lost"]).coef_[0]
    shares = 100 * fitted / fitted.sum()
    assert np.abs(shares - np.array(list(truth.weights.values()))).max() < 4
    assert fitted.sum() * 100 == pytest.approx(truth.slope, rel=0.05)


def test_simulated_cases_keep_the_contract():
    cases, truth = simulate_cases(300, 3, {"a": 1, "b": 3, "c": 0}, 0.2, 0.3, 0.25, 9)
    assert truth.weights == {"a": 25.0, "b": 75.0, "c": 0.0}
    assert truth.churn_rate == pytest.approx(0.2, abs=1e-6)
    assert not cases.duplicated(["account_id", "as_of"]).any()
    assert cases[["a", "b", "c"]].isna().mean().between(0.2, 0.3).all()
    assert (cases.groupby("account_id")["lost"].sum() <= 1).all()
    assert (cases["lost"] * cases["arr"] == cases["arr_lost"]).all()
    assert truth.probability.index.equals(cases.index)


def test_simulated_noise_is_one_probability():
    _, truth = simulate_cases(200, 2, {"a": 0, "b": 0}, seed=2)
    assert truth.probability.nunique() == 1
