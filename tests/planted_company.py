"""A company with a planted truth, as frames: what makes accounts stay, what only goes with those that do, and what falls before they leave.

`KEY` used early makes an account stay: its odds are `ODDS` times those of an account of the same segment and size without it. `BADGE` is
used early by large accounts of one segment, which stay more often whatever they use. The other features are noise.
`falls` drops by `DROP` points `fell` months before an account leaves. `level` is lower in the segment that leaves more often, and for
nothing else. The calm metrics never differ.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from healthlib.beginnings import NEVER, Beginnings
from healthlib.spec import Band, Measure, Metric, Scorecard

KEY, BADGE, NOISE = "key", "badge", ("n1", "n2", "n3")
ODDS, DROP = 3.0, 30.0
CALM = ("calm1", "calm2", "calm3", "calm4")
FIRST = pd.Timestamp("2022-01-31").as_unit("s")
CARD = Scorecard(
    groups=("use",),
    metrics={
        name: Metric(name=name, group="use", label=name.title(), measure=Measure(kind="count"), worst=0, best=1, weight=10)
        for name in ("falls", "level", *CALM)
    },
    bands=(Band.model_validate({"name": "red", "from": 0}), Band.model_validate({"name": "green", "from": 60})),
)


def people(rng: np.random.Generator, accounts: int) -> pd.DataFrame:
    """account_id, segment, arr, the features used early (bool), and `odds` (log) of staying at an end of a term."""
    large = rng.random(accounts) < 0.5
    size = rng.normal(0, 0.8, accounts) + large
    frame = pd.DataFrame({
        "account_id": [f"a{i:04d}" for i in range(accounts)], "segment": np.where(large, "Ent", "SMB"),
        "arr": np.exp(9 + size).round(-1) + 10, KEY: rng.random(accounts) < 0.5,
        BADGE: rng.random(accounts) < 1 / (1 + np.exp(0.8 - 1.0 * large - 0.4 * size)),
    })  # fmt: skip
    for name in NOISE:
        frame[name] = rng.random(accounts) < 0.4
    return frame.assign(odds=0.2 + 0.9 * large + 0.3 * size + np.log(ODDS) * frame[KEY])


def followed(seed: int, accounts: int = 500) -> tuple[Beginnings, pd.DataFrame]:
    """What `early.features` reads: features used by day 10, and who had left a year later."""
    rng = np.random.default_rng(seed)
    who, day = people(rng, accounts), pd.Timestamp("2025-06-30")
    lost = rng.random(accounts) > 1 / (1 + np.exp(-who["odds"]))
    rows = [(account, name, 10) for name in (KEY, BADGE, *NOISE) for account in who.loc[who[name], "account_id"]]
    began = replace(NEVER, adopted=pd.DataFrame(rows, columns=["account_id", "feature", "first_day"]), recorded={"usage": day})
    return began, who[["account_id", "segment", "arr"]].assign(started_on=day, lost=lost.astype(float))


def book(seed: int, *, accounts: int = 250, months: int = 40, fell: int = 5) -> Any:
    """What the event study reads: terms of a year, each of which may be the last; month-end snapshots of a customer's whole time."""
    rng = np.random.default_rng(seed)
    who = people(rng, accounts)
    days = pd.date_range(FIRST, periods=months, freq="ME", unit="s")
    at = days.to_numpy("datetime64[D]").astype(int)
    start = at[0] - rng.integers(-35, 330, accounts)
    stays = rng.random((accounts, 5)) < 1 / (1 + np.exp(-(who["odds"].to_numpy() + 0.6)))[:, None]
    ends = start[:, None] + 365 * np.arange(1, 6)
    terms = np.where(stays, 9, np.arange(5)).min(axis=1)
    gone = np.where(terms < 9, start + 365 * (terms + 1), 10**6)
    i, m = np.nonzero((at >= start[:, None]) & (at < gone[:, None]))
    history = who.loc[i, ["account_id", "arr", "segment"]].reset_index(drop=True)
    age = at[m] - start[i]
    history = history.assign(as_of=days[m], age_days=age.astype(float), term_ends=_days(start[i] + 365 * (age // 365 + 1)))
    for name in CARD.metrics:
        history[name] = 0.6 + rng.normal(0, 0.08, accounts)[i] + rng.normal(0, 0.1, len(i))
    history["falls"] -= DROP / 100 * ((gone[i] - at[m]) / 30.4375 < fell)
    history["level"] += 0.2 * (history["segment"] == "Ent") - 0.1
    i, t = np.nonzero((ends <= gone[:, None]) & (ends <= at[-1]) & (ends > at[0]))
    cases = pd.DataFrame({"account_id": who["account_id"].to_numpy()[i], "term_ends": _days(ends[i, t])})
    cases["lost"] = (ends[i, t] == gone[i]).astype(float)
    left = cases[cases["lost"] == 1].rename(columns={"term_ends": "ended_on"}).drop(columns="lost").reset_index(drop=True)
    return SimpleNamespace(
        workspace=SimpleNamespace(kind="renewal", currency="USD"), scorecard=CARD, history=history, cases=cases,
        churned=left.merge(who[["account_id", "arr"]]).assign(reason=None),
        ledger=history[["account_id", "as_of", "arr"]].rename(columns={"as_of": "month"}),
        leaks=SimpleNamespace(found=pd.DataFrame({"metric": pd.Series(dtype=str)})),
    )  # fmt: skip


def _days(number: np.ndarray) -> pd.Series:
    return pd.Series(number.astype("datetime64[D]").astype("datetime64[s]"))
