"""A company of a few dozen accounts as a Book, made in memory, for tests of what comes after the book. Names are hostile on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from healthlib.spec import Band, Gate, Measure, Metric, Range, Scorecard, Workspace
from healthlib.studies.book import Book

AS_OF = pd.Timestamp("2026-10-31")
NAMES = ("<script>alert(1)</script>", "=cmd()|'x'", "\u202eevil", "شركة الرياض", "日本株式会社", "🚀 Rocket & Co", "Long " + "name " * 59)
SEGMENTS, OWNERS = ("SMB", "Mid-Market", "Enterprise"), ("Ann", "Bob", "Çelik")


def scorecard() -> Scorecard:
    """Three metrics in two groups, three bands, one gate, playbooks for two bands."""
    metrics = [
        ("seats_used", "adoption", "Active seats", 0, 1, 40), ("tickets", "adoption", "Open tickets", 8, 0, 20),
        ("contact", "relationship", "Days since executive contact", 200, 0, 40),
    ]  # fmt: skip
    return Scorecard(
        groups=("adoption", "relationship"),
        metrics={
            name: Metric(name=name, group=group, label=label, measure=Measure(kind="count"), worst=worst, best=best, weight=weight)
            for name, group, label, worst, best, weight in metrics
        },
        bands=(Band(name="red", start=0), Band(name="yellow", start=50), Band(name="green", start=70)),
        gates=(Gate(name="critical ticket open", metric="tickets", holds=Range(at_least=7), cap=40),),
        playbooks={"red": {"adoption": "Call <b>now</b>", "relationship": "Send the CEO"}, "yellow": {"adoption": "Training"}},
        sha256="ab" * 32,
    )


def history(accounts: int = 60, months: int = 25, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Month-end snapshots, and account_id, ended_on of a quarter of the accounts, whose use fades for five months before they leave."""
    rng, days = np.random.default_rng(seed), pd.date_range(end=AS_OF, periods=months, freq="ME", unit="s")
    arr, health = np.exp(rng.normal(9.5, 1, accounts)).round(-2), rng.random(accounts)
    leave = np.where(rng.random(accounts) < 0.3, rng.integers(months // 2, months, accounts), 999)
    rows = []
    for k, day in enumerate(days):
        for i in np.flatnonzero(leave > k):
            fading = 0.35 if leave[i] - k < 5 else 0.0
            ends = days[0] + pd.DateOffset(months=int(i % 12 + 12 * (1 + (k - i % 12) // 12)))
            rows.append((
                f"a{i:03d}", day, arr[i] * (1 + 0.02 * (k // 12) * (i % 5 - 1)), 10.0, 30.0 * k, ends,
                NAMES[i] if i < len(NAMES) else f"Company {i}", SEGMENTS[i % 3], OWNERS[i % 3],
                np.clip(health[i] + 0.1 - fading + rng.normal(0, 0.08), 0, 1.2) if rng.random() > 0.1 else np.nan,
                float(rng.poisson(2 + 6 * fading)), rng.integers(0, 150) + fading * 150 if rng.random() > 0.1 else np.nan,
            ))  # fmt: skip
    columns = ["account_id", "as_of", "arr", "seats", "age_days", "term_ends", "name", "segment", "csm", "seats_used", "tickets", "contact"]
    gone = pd.DataFrame([(f"a{i:03d}", days[at]) for i, at in enumerate(leave) if at < months], columns=["account_id", "ended_on"])
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"as_of": "datetime64[s]", "term_ends": "datetime64[s]"}), gone


def cases_of(snapshots: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    """Renewal cases two to three months before each term's end; finished where the term and 30 days of grace lie before `AS_OF`."""
    ahead = (snapshots["term_ends"] - snapshots["as_of"]).dt.days.between(60, 95)
    cases = snapshots[ahead].reset_index(drop=True)
    cases["horizon_ends_on"] = cases["term_ends"] + pd.Timedelta(days=30)
    left = cases["account_id"].map(gone.set_index("account_id")["ended_on"]) <= cases["term_ends"] + pd.Timedelta(days=60)
    cases["lost"] = left.astype(float).where(cases["horizon_ends_on"] < AS_OF)
    cases["outcome"] = cases["lost"].map({1.0: "churned", 0.0: "renewed"}).fillna("open")
    return cases.assign(arr_lost=cases["arr"] * cases["lost"])


def leads_of(snapshots: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    """The last snapshot at least 30, 60 ... 180 days before each account left."""
    parts = []
    for days in range(30, 181, 30):
        seen = snapshots.merge(gone, on="account_id")
        seen = seen[seen["as_of"] <= seen["ended_on"] - pd.Timedelta(days=days)]
        parts.append(seen.groupby("account_id").tail(1).assign(lead_days=days))
    return pd.concat(parts, ignore_index=True)


def book(accounts: int = 60, months: int = 25) -> Book:
    """The company as known on `AS_OF`."""
    snapshots, gone = history(accounts, months)
    card = scorecard()
    tables = pd.DataFrame({
        "table": ["accounts", "contracts"], "file": "x", "rows_in": [accounts, 300], "rows_used": [accounts, 298], "rows_rejected": [0, 2],
        "first_day": pd.NaT, "last_day": AS_OF, "sha256": "x",
    })  # fmt: skip
    return Book(
        workspace=Workspace(folder=Path("."), name="Nimbus <b>Cloud</b>", simulated=True, scorecard=card),
        scorecard=card, as_of=AS_OF, data_through=AS_OF, tables=tables, rejected={}, warnings=("Surveys end on 3 Jun 2026.",),
        cases=cases_of(snapshots, gone), history=snapshots, leads=leads_of(snapshots, gone),
        ledger=snapshots[["account_id", "as_of", "arr"]].rename(columns={"as_of": "month"}),
        churned=gone.assign(arr=1.0, reason=None), incumbent=None,
    )  # fmt: skip
