"""A simulated company whose playbooks go by the score that was shown: a second demo, made for the question whether they helped."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from healthlib.demo_rule_config import SCORECARD, WORKSPACE

FIRST_MONTH, MONTHS = pd.Timestamp("2023-11-30"), 36
LAST_DAY = pd.Timestamp("2026-10-31")
LEAD_DAYS, GRACE_DAYS, TERMS = 90, 30, 4
ACCOUNTS = 3_000
LASTS = 6
"""Months that use stays up after work began."""


@dataclass(frozen=True)
class Rule:
    """What the team does, and what it brings.

    Attributes
    ----------
    cut : accounts below it, by the score shown 90 days before the term ends, get a playbook
    followed, otherwise : share of those below the cut that really do, and share of the others that do all the same
    saves : share of those who would have left that work keeps
    uplift : what work adds to the share of seats used, for `LASTS` months
    pleases : what work adds to the CSM's own rating, for as long
    """

    cut: float = 50.0
    followed: float = 0.9
    otherwise: float = 0.05
    saves: float = 0.6
    uplift: float = 0.10
    pleases: float = 1.0


@dataclass(frozen=True)
class Worked:
    """The company before it is written: `months` (their last days), `accounts`, `terms`, and arrays of accounts x months.

    `terms`: account (position), start, end, as_of, shown, base (chance of loss if left alone), treated, started_at, lost.
    """

    months: pd.DatetimeIndex
    accounts: pd.DataFrame
    terms: pd.DataFrame
    values: dict[str, np.ndarray]


def worked_company(accounts: int, seed: int, rule: Rule) -> Worked:
    """Draw the company: health, what is measured of it, who is worked by the rule, who leaves."""
    rng = np.random.default_rng([seed, 900])
    months = pd.date_range(FIRST_MONTH, periods=MONTHS, freq="ME", unit="s")
    health = _health(rng, accounts)
    noise = rng.standard_normal((5, accounts, MONTHS))
    values = {
        "shown": np.clip(np.round(57 + 15 * (0.7 * health + 0.714 * noise[0]), 1), 0, 100),
        "seats_used": 0.55 + 0.18 * (0.8 * health + 0.6 * noise[1]),
        "workflows": np.clip(np.round(20 + 8 * (0.8 * health + 0.6 * noise[2])), 0, None),
        "sponsor_calls": np.clip(np.round(3 + 1.5 * (0.7 * health + 0.7 * noise[3])), 0, None),
        "rating": 3.3 + 0.6 * health + 0.7 * noise[4],
    }
    book = pd.DataFrame({
        "account_id": [f"R{i + 1:05d}" for i in range(accounts)], "arr": np.round(np.exp(rng.normal(10, 0.7, accounts)), -2),
        "start": pd.Timestamp("2022-11-01") + pd.to_timedelta(86_400 * rng.integers(0, 1000, accounts), unit="s"),
    })  # fmt: skip
    book["segment"] = np.select([book["arr"] < 15_000, book["arr"] < 45_000], ["SMB", "Mid-Market"], "Enterprise")
    terms = _terms(rng, book, health, values["shown"], rule)
    _helped(values, terms, months, rule)
    return Worked(months, book, terms, values)


def _health(rng: np.random.Generator, accounts: int) -> np.ndarray:
    """N(0, 1) by account and month: half of the variance lasting, half fading with 0.8 a month."""
    path, state = np.empty((accounts, MONTHS)), rng.standard_normal(accounts)
    for month in range(MONTHS):
        state = 0.8 * state + 0.6 * rng.standard_normal(accounts)
        path[:, month] = state
    return np.sqrt(0.5) * (path + rng.standard_normal((accounts, 1)))


def _terms(rng: np.random.Generator, book: pd.DataFrame, health: np.ndarray, shown: np.ndarray, rule: Rule) -> pd.DataFrame:
    """A year's terms until the first loss; the score shown is that of the first of the month."""
    n = len(book)
    rows = pd.DataFrame({"account": np.repeat(np.arange(n), TERMS), "term": np.tile(np.arange(TERMS), n)})
    rows["start"], rows["end"] = (_years_on(book["start"].to_numpy()[rows["account"]], rows["term"].to_numpy() + k) for k in (0, 1))
    rows["as_of"] = rows["end"] - pd.Timedelta(days=LEAD_DAYS)
    place = (rows["as_of"].dt.year - FIRST_MONTH.year) * 12 + rows["as_of"].dt.month - FIRST_MONTH.month
    known, at = place.between(0, MONTHS - 1), place.clip(0, MONTHS - 1).to_numpy()
    account = rows["account"].to_numpy()
    rows["shown"] = np.where(known, shown[account, at], np.nan)
    rows["base"] = 1 / (1 + np.exp(1.1 + 1.1 * health[account, at]))
    chance = np.where(rows["shown"] < rule.cut, rule.followed, rule.otherwise)
    rows["treated"] = (rng.random(len(rows)) < chance) & known
    rows["started_at"] = (rows["as_of"] + pd.to_timedelta(86_400 * rng.integers(0, 21, len(rows)), unit="s")).where(rows["treated"])
    rows["lost"] = rng.random(len(rows)) < rows["base"] * (1 - rule.saves * rows["treated"])
    gone_before = rows.groupby("account")["lost"].cumsum() - rows["lost"]
    return rows[(gone_before == 0) & (rows["start"] <= LAST_DAY)].reset_index(drop=True)


def _years_on(day: np.ndarray, years: np.ndarray) -> np.ndarray:
    month = day.astype("datetime64[M]")
    return ((month + 12 * years).astype("datetime64[D]") + (day.astype("datetime64[D]") - month)).astype("datetime64[s]")


def _helped(values: dict[str, np.ndarray], terms: pd.DataFrame, months: pd.DatetimeIndex, rule: Rule) -> None:
    """What work moves in the months after it began, written into `values`."""
    worked = terms[terms["treated"] & (terms["started_at"] <= LAST_DAY)]
    after = np.zeros_like(values["seats_used"], dtype=bool)
    first = np.searchsorted(months.to_numpy(), worked["started_at"].to_numpy(), side="right")
    for account, begins in zip(worked["account"], first, strict=True):
        after[account, begins : begins + LASTS] = True
    values["seats_used"] = np.round(np.clip(values["seats_used"] + rule.uplift * after, 0, 1.2), 3)
    values["rating"] = np.clip(np.round(values["rating"] + rule.pleases * after), 1, 5)


def make_rule_demo(folder: Path, *, accounts: int = ACCOUNTS, seed: int = 7, rule: Rule | None = None) -> dict[str, object]:
    """Write the company into `folder`: six tables, both YAML files, and the truth as truth.json, which is returned.

    Same arguments, same bytes; files of the same names are replaced.
    """
    rule = rule or Rule()
    company = worked_company(accounts, seed, rule)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in _tables(company).items():
        data = table.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d").encode()
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(data, compresslevel=6, mtime=0))
    (folder / "workspace.yaml").write_bytes(WORKSPACE.encode())
    (folder / "scorecard.yaml").write_bytes(SCORECARD.encode())
    truth = {"seed": seed, "accounts": accounts, "rule": asdict(rule), **planted(company, rule)}
    (folder / "truth.json").write_bytes((json.dumps(truth, indent=2) + "\n").encode())
    return truth


def planted(company: Worked, rule: Rule) -> dict[str, float]:
    """The effects that a study should find.

    Returns
    -------
    effect_at_cut : change of the chance of loss by work, of accounts within 2.5 points of the cut
    effect_of_worked : the same of those worked; arr_effect_of_worked weighs them by ARR
    worked, saved_accounts, saved_arr : terms worked that were decided in the last twelve months, and what work is expected to have kept
    """
    terms = company.terms.assign(arr=company.accounts["arr"].to_numpy()[company.terms["account"]])
    done = terms[(terms["end"] + pd.Timedelta(days=GRACE_DAYS) <= LAST_DAY) & terms["shown"].notna()]
    saved = rule.saves * done["base"]
    near, own = (done["shown"] - rule.cut).abs() < 2.5, done["treated"]
    late = own & (done["end"] > LAST_DAY - pd.DateOffset(months=12))
    found = {
        "effect_at_cut": -saved[near].mean(), "effect_of_worked": -saved[own].mean(),
        "arr_effect_of_worked": -(saved * done["arr"])[own].sum() / done.loc[own, "arr"].sum(),
        "worked": late.sum(), "saved_accounts": saved[late].sum(), "saved_arr": (saved * done["arr"])[late].sum(),
    }  # fmt: skip
    return {name: round(float(value), 4) for name, value in found.items()}


def _tables(company: Worked) -> dict[str, pd.DataFrame]:
    """The exports: nothing of an account before it signed or after it left."""
    book, terms = company.accounts, company.terms
    ids = book["account_id"].to_numpy()
    ends = terms.groupby("account")["end"].max().reindex(range(len(book))).to_numpy()
    account, month = (part.ravel() for part in np.meshgrid(np.arange(len(book)), np.arange(MONTHS), indexing="ij"))

    def monthly(days: pd.DatetimeIndex, columns: dict[str, np.ndarray]) -> pd.DataFrame:
        day = days.to_numpy()[month]
        alive = (day >= book["start"].to_numpy()[account]) & (day < ends[account]) & (day <= LAST_DAY.to_numpy())
        frame = {"account_id": ids[account], "day": day, **{name: value.ravel() for name, value in columns.items()}}
        return pd.DataFrame(frame)[alive].sort_values(["day", "account_id"], ignore_index=True)

    readings = monthly(company.months, {name: company.values[name] for name in ("seats_used", "workflows", "sponsor_calls")})
    readings = readings.melt(["account_id", "day"], var_name="metric", value_name="value").rename(columns={"day": "read_on"})
    firsts = pd.DatetimeIndex(company.months.to_numpy().astype("datetime64[M]").astype("datetime64[s]"))
    done = terms[terms["treated"] & (terms["started_at"] <= LAST_DAY)]
    return {
        "accounts": book[["account_id", "segment"]].assign(name=[f"Customer {i + 1}" for i in range(len(book))]),
        "contracts": pd.DataFrame({
            "account_id": ids[terms["account"]], "start_date": terms["start"], "end_date": terms["end"],
            "arr": book["arr"].to_numpy()[terms["account"]],
        }),
        "readings": readings,
        "ratings": monthly(company.months, {"rating": company.values["rating"]}).rename(columns={"day": "rated_at"}),
        "score_history": monthly(firsts, {"score": company.values["shown"]}).rename(columns={"day": "scored_on"}),
        "interventions": pd.DataFrame({
            "account_id": ids[done["account"]], "started_at": done["started_at"], "playbook": "review of use",
            "trigger": np.where(done["shown"] < 50, "red score", "CSM's request"),
        }).sort_values(["started_at", "account_id"], ignore_index=True),
    }  # fmt: skip
