"""Who the simulated customers are, what they could have signed, and how well they truly do, week by week."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

DAY_ZERO = pd.Timestamp("2021-11-01")  # a Monday; the day the company sold its first contract
LAST_DAY = 1825  # 2026-10-31, counted from DAY_ZERO
EVENTS_FROM = 181  # 2022-05-01: older events were not kept
WEEKS = LAST_DAY // 7 + 1
FACTORS = ("adoption", "breadth", "relationship", "sponsor", "support", "value", "deployment", "payment")
SEGMENT_FROM = {"SMB": 0, "Mid-Market": 15_000, "Enterprise": 60_000}

FIRST = (
    "Alder Amber Aspen Atlas Beacon Birch Blue Bright Cedar Cinder Clear Cobalt Copper Coral Crest Delta Dune Ember Falcon Fern "
    "Granite Harbor Hazel Heron Indigo Iron Juniper Lark Linden Lunar Maple Meadow Nimbus North Nova Oak Onyx Opal Orchid Otter "
    "Pine Quartz Raven Ridge River Rowan Saffron Sierra Silver Solar Sparrow Stone Summit Teal Timber Vela Violet West Willow "
    "Zephyr"
)
SECOND = (
    "Analytics Bank Capital Care Dental Energy Foods Freight Health Insurance Labs Legal Logistics Media Motors Networks Retail "
    "Robotics Software Steel Systems Textiles Travel Water"
)
CSMS = (
    "Ada Moreno", "Ben Okafor", "Chloe Martin", "Dev Patel", "Elif Kaya", "Femi Ade",
    "Greta Lind", "Hugo Silva", "Ines Costa", "Jun Sato", "Kira Novak", "Liam Byrne",
)  # fmt: skip
INDUSTRIES = ("Manufacturing", "Financial services", "Healthcare", "Retail", "Software", "Logistics", "Media", "Public sector")
PLANS = ("Starter", "Team", "Business", "Enterprise")


@dataclass(frozen=True)
class Company:
    """The customers before anything happened to them. Days are integers from DAY_ZERO; `account` is a position 0..n-1.

    Attributes
    ----------
    accounts : one row an account: account_id, name, industry, region, start, months, auto_renew, billing, zombie_from (LAST_DAY + 1: never)
    terms : every term that could happen by LAST_DAY if nobody ever left: account, term, start, end, arr, seats, discount, segment, plan
    factors : name in FACTORS -> accounts x weeks, each about N(0, 1)
    """

    accounts: pd.DataFrame
    terms: pd.DataFrame
    factors: dict[str, np.ndarray]

    def at(self, factor: str, account: np.ndarray, day: np.ndarray) -> np.ndarray:
        """The factor's value for each account on each day."""
        return self.factors[factor][account, np.clip(day, 0, LAST_DAY) // 7]


def found_company(n: int, seed: int, *, zombies: bool = True) -> Company:
    """Draw `n` customers, the terms they could sign and their true state."""
    factors = _factors(np.random.default_rng([seed, 1]), n)
    accounts = _accounts(np.random.default_rng([seed, 2]), n, zombies)
    return Company(accounts, _terms(np.random.default_rng([seed, 3]), accounts, factors), factors)


def add_months(day: np.ndarray, months: np.ndarray | int) -> np.ndarray:
    """`day` moved by calendar months; days of the month are at most 28 here, so nothing needs clipping."""
    dates = DAY_ZERO.to_numpy().astype("datetime64[D]") + np.asarray(day)
    month = dates.astype("datetime64[M]")
    moved = (month + months).astype("datetime64[D]") + (dates - month.astype("datetime64[D]"))
    return (moved - DAY_ZERO.to_numpy().astype("datetime64[D]")).astype(int)


def _factors(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """One common factor and one of its own for each name; half lasting, half mean-reverting with a half-life of 20 weeks."""
    kept = 0.5 ** (1 / 20)
    paths = np.empty((len(FACTORS) + 1, n, WEEKS), dtype=np.float32)
    state = rng.standard_normal((len(FACTORS) + 1, n))
    for week in range(WEEKS):
        state = kept * state + np.sqrt(1 - kept**2) * rng.standard_normal(state.shape)
        paths[:, :, week] = state
    paths = np.sqrt(0.5) * (paths + rng.standard_normal((len(FACTORS) + 1, n, 1), dtype=np.float32))
    return {name: 0.5 * paths[0] + np.sqrt(0.75) * paths[i + 1] for i, name in enumerate(FACTORS)}


def _accounts(rng: np.random.Generator, n: int, zombies: bool) -> pd.DataFrame:
    """Names, places and habits; 58 % of the customers signed in the first year."""
    names = [f"{a} {b}" for a in FIRST.split() for b in SECOND.split()]
    names += [f"{name} {i}" for i in range(2, 2 + n // len(names)) for name in names]
    start = np.where(rng.random(n) < 0.58, rng.integers(0, 365, n), rng.integers(365, LAST_DAY - 45, n))
    day_of_month = (DAY_ZERO.to_numpy().astype("datetime64[D]") + start).astype("datetime64[D]")
    start = start - np.maximum((day_of_month - day_of_month.astype("datetime64[M]").astype("datetime64[D]")).astype(int) - 27, 0)
    log_arr = rng.normal(10.2, 0.95, n)
    quarterly = (log_arr < 9.3) & (start >= EVENTS_FROM) & (rng.random(n) < 0.2)
    months = np.where(quarterly, 3, rng.choice([12, 24, 36], n, p=[0.92, 0.05, 0.03]))
    frame = pd.DataFrame({"account_id": [f"A{i + 1:04d}" for i in range(n)], "name": rng.permutation(names)[:n]})
    told = rng.random(n) < 0.97
    frame["industry"] = pd.Series(rng.choice(INDUSTRIES, n), dtype=object).where(told, None)
    frame["region"] = rng.choice(["Americas", "EMEA", "APAC"], n, p=[0.5, 0.35, 0.15])
    frame["start"], frame["months"], frame["arr"] = start, months, np.round(np.maximum(np.exp(log_arr), 2400), -1)
    frame["auto_renew"] = rng.random(n) < 0.4
    frame["billing"] = np.where(quarterly, "quarterly", rng.choice(["annual", "quarterly", "monthly"], n, p=[0.4, 0.45, 0.15]))
    frame["seats_known"] = rng.random(n) > 0.015
    asleep = (rng.random(n) < 0.025) & (months >= 12) & zombies
    frame["zombie_from"] = np.where(asleep, start + rng.integers(200, 500, n), LAST_DAY + 1)
    frame.loc[asleep, "auto_renew"] = True
    return frame


def _terms(rng: np.random.Generator, accounts: pd.DataFrame, factors: dict[str, np.ndarray]) -> pd.DataFrame:
    """Terms one after another; the ARR grows where value was felt 90 days before the end, shrinks where it was not."""
    account = np.arange(len(accounts))
    start, arr = accounts["start"].to_numpy(), accounts["arr"].to_numpy()
    seat_price = np.exp(rng.normal(0.0, 0.2, len(accounts))) * 285 * arr**0.2
    rows = []
    for term in range(40):
        months = accounts["months"].to_numpy()[account]
        end = add_months(start, months)
        seats = np.clip(np.round(arr / seat_price[account]), 2, 60)
        rows.append(pd.DataFrame({"account": account, "term": term, "start": start, "end": end, "arr": arr, "seats": seats}))
        value = factors["value"][account, np.clip(end - 90, 0, LAST_DAY) // 7]
        u, size = rng.random(len(account)), np.abs(rng.normal(0.25, 0.12, len(account)))
        years = months / 12
        grows, shrinks = u < (0.4 + 0.12 * value) * years, u > 1 - (0.09 - 0.05 * value) * years
        arr = np.round(arr * np.select([grows, shrinks], [1 + size, 1 - size * 0.9], 1 + 0.03 * (months >= 12)), -1)
        late = np.where((rng.random(len(account)) < 0.05) & (months >= 12), rng.integers(1, 26, len(account)), 0)
        keep = end + late <= LAST_DAY
        account, start, arr = account[keep], (end + late)[keep], arr[keep]
        start = np.where(_month_day(start) > 28, np.maximum(start - 3, end[keep]), start)
        if not len(account):
            break
    terms = pd.concat(rows).sort_values(["account", "term"], ignore_index=True)
    terms["discount"] = np.where(rng.random(len(terms)) < 0.35, rng.choice([0.05, 0.1, 0.15, 0.2], len(terms)), 0.0)
    terms["segment"] = np.array(list(SEGMENT_FROM))[np.digitize(terms["arr"], list(SEGMENT_FROM.values())) - 1]
    terms["plan"] = np.array(PLANS)[np.digitize(terms["arr"], [6_000, 20_000, 70_000])]
    return terms


def _month_day(day: np.ndarray) -> np.ndarray:
    dates = DAY_ZERO.to_numpy().astype("datetime64[D]") + np.asarray(day)
    return (dates - dates.astype("datetime64[M]").astype("datetime64[D]")).astype(int) + 1
