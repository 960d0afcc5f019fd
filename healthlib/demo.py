"""A simulated company whose truth is known: a whole workspace on disk, or cases frames in memory."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from healthlib.demo_accounts import DAY_ZERO, LAST_DAY, Company, found_company
from healthlib.demo_cases import CaseTruth, simulate_cases, simulated_scorecard
from healthlib.demo_config import SCORECARD, WORKSPACE
from healthlib.demo_events import make_events
from healthlib.demo_outcomes import LEAK, TRUE_WEIGHTS, Hazard, draw_outcomes, scorecard
from healthlib.demo_tables import DIRTY_ROWS, export_tables

__all__ = ["CaseTruth", "DemoTruth", "make_demo", "simulate_cases", "simulated_scorecard"]

COMPRESSED = ("usage", "touchpoints", "tickets", "ratings", "readings", "score_history")
NOISE = Hazard(slope=0.0, shock=0.0, saving=0.0, zombie_shift=0.0)


@dataclass(frozen=True)
class DemoTruth:
    """What `make_demo` planted.

    Attributes
    ----------
    seed, accounts, noise, churn_rate : as asked for (`churn_rate`: mean P(lost) over the terms that could have been)
    weights : metric -> true points of 100, on the scales of scorecard.yaml; all 0 for noise
    current_weights : metric -> points in scorecard.yaml
    intercept, hazard : see `demo_outcomes.Hazard`
    leak : the metric that knows the future; empty for noise
    zombies : active accounts that nobody logs in to any more
    watermelons : [account_id, end of the lost term] of customers that looked green 90 days before and left
    winbacks : accounts that left and came back a term later
    rows, dirty_rows : rows by table; rows planted to be rejected, by table
    cases : one row per term that ended by data_through: account_id, as_of, term_ends, lost, shock, treated, probability, health, current,
        and the raw value of each metric as other code than the product's measured it (not in truth.json)
    """

    seed: int
    accounts: int
    noise: bool
    churn_rate: float
    weights: dict[str, float]
    current_weights: dict[str, float]
    intercept: float
    hazard: dict[str, float]
    leak: str
    zombies: list[str]
    watermelons: list[list[str]]
    winbacks: list[str]
    rows: dict[str, int]
    dirty_rows: dict[str, int]
    cases: pd.DataFrame = field(repr=False, compare=False)


def make_demo(folder: Path, *, seed: int = 7, accounts: int = 600, churn_rate: float = 0.135, noise: bool = False) -> DemoTruth:
    """Write the simulated company Acme Cloud into `folder`: every canonical table, both YAML files, truth.json.

    The folder is made if absent; files of the same names are replaced, no other file is touched.
    Same arguments, same bytes. The whole history is drawn as if nobody ever left; then each term's metrics are measured 90 days
    before its end, the outcome is drawn from them, and what a customer who left could not have done is removed.

    Parameters
    ----------
    seed : of every random stream
    accounts : customers ever signed, about 70 % of them still active at the end
    churn_rate : mean probability that a year's contract is lost
    noise : outcomes depend on nothing, and there is no leak
    """
    folder = Path(folder)
    company = found_company(accounts, seed, zombies=not noise)
    events = make_events(company, seed)
    hazard = NOISE if noise else Hazard()
    terms, intercept = draw_outcomes(company, events, seed, churn_rate, hazard)
    tables = export_tables(company, events, terms, seed, leak=not noise)
    truth = DemoTruth(
        seed, accounts, noise, churn_rate, dict.fromkeys(TRUE_WEIGHTS, 0.0) if noise else TRUE_WEIGHTS,
        {name: float(metric["weight"]) for name, metric in scorecard()["metrics"].items()},
        round(intercept, 6), asdict(hazard), "" if noise else LEAK, *_oddities(company, terms),
        {name: len(table) for name, table in tables.items()}, DIRTY_ROWS, _cases(company, terms),
    )  # fmt: skip
    _write(folder, tables, truth)
    return truth


def _oddities(company: Company, terms: pd.DataFrame) -> tuple[list[str], list[list[str]], list[str]]:
    """Zombies, watermelons and winbacks, by account id."""
    ids = company.accounts["account_id"]
    running = terms[(terms["start"] <= LAST_DAY) & (terms["until"] > LAST_DAY)]["account"]
    asleep = company.accounts["zombie_from"] <= LAST_DAY - 60
    green = terms[terms["lost"] & (terms["current"] >= 65) & (terms["end"] <= LAST_DAY)]
    back = terms.loc[terms.groupby("account")["lost"].cumsum() - terms["lost"] > 0, "account"]
    watermelons = [[ids[account], _date(end)] for account, end in zip(green["account"], green["end"], strict=True)]
    return sorted(ids[asleep & asleep.index.isin(running)]), watermelons, sorted(ids[back.unique()])


def _cases(company: Company, terms: pd.DataFrame) -> pd.DataFrame:
    ended = terms[terms["end"] <= LAST_DAY]
    frame = ended[["lost", "shock", "treated", "probability", "health", "current", *TRUE_WEIGHTS]].copy()
    frame.insert(0, "account_id", company.accounts["account_id"].to_numpy()[ended["account"]])
    for position, (name, days) in enumerate((("as_of", ended["as_of"]), ("term_ends", ended["end"])), start=1):
        frame.insert(position, name, (DAY_ZERO + pd.to_timedelta(days * 86_400, unit="s")).astype("datetime64[s]"))
    return frame.reset_index(drop=True)


def _date(day: int) -> str:
    return (DAY_ZERO + pd.Timedelta(days=int(day))).strftime("%Y-%m-%d")


def _write(folder: Path, tables: dict[str, pd.DataFrame], truth: DemoTruth) -> None:
    """Tables as CSV, the big ones gzipped without a time stamp so that the bytes depend on the content alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        data = table.to_csv(index=False, lineterminator="\n").encode()
        if name in COMPRESSED:
            (folder / f"{name}.csv.gz").write_bytes(gzip.compress(data, compresslevel=6, mtime=0))
        else:
            (folder / f"{name}.csv").write_bytes(data)
    (folder / "workspace.yaml").write_bytes(WORKSPACE.encode())
    (folder / "scorecard.yaml").write_bytes(SCORECARD.encode())
    known = {name: value for name, value in vars(truth).items() if name != "cases"}
    (folder / "truth.json").write_bytes((json.dumps(known, indent=2) + "\n").encode())
