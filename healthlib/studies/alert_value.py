"""Were the alerts of the past worth it? How often each kind was raised, what became of those accounts, and how long before the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import resample
from healthlib.alert_rules import KINDS
from healthlib.studies.alert_replay import replay_alerts

if TYPE_CHECKING:
    from healthlib.spec import OutcomeSpec
    from healthlib.studies.book import Book

VALUE_COLUMNS = (
    "kind", "raised", "raised_plain", "per_month", "cases", "accounts", "lost", "rate", "low", "high", "arr_rate", "arr_low", "arr_high",
    "base", "lift", "lift_low", "lift_high", "caught", "caught_low", "caught_high", "churned", "alerted", "alerted_low", "alerted_high",
    "days_before", "days_low", "days_high", "horizon_days",
)  # fmt: skip
ANY, NEAR, EVERY = "any of these", "all account-months near a renewal", "all account-months"
"""The last rows: every alert together, and what a kind is compared with: renewals near with renewals near, others with all snapshots."""


def alert_value(book: Book, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """What the alerts of the past were followed by, kind by kind, against the base rate.

    An alert counts once its horizon and grace lie before the book's day: `horizon_days`, or twice `lead_days` if that is
    longer and contracts have an end. It was right where the account left within the horizon.

    Returns
    -------
    DataFrame with `VALUE_COLUMNS`, a row a kind that was raised, then `ANY`, `NEAR` (where a renewal was near) and `EVERY`.
    `raised` all alerts of history and `raised_plain` those without hysteresis and memory; `per_month` raised on average;
    `cases`, `accounts` and `lost` of those whose horizon is over; `rate` and `arr_rate` the share lost, with 95 % intervals from resampling
    accounts; `lift` over `base`, the rate of all like snapshots, none for `ANY`; `caught` the share of the `churned` accounts that
    had such an alert within the horizon before their end, and `alerted` of all snapshots the share that had: what chance would have caught;
    `days_before` the median days from the first of those to the end, with the quartiles. No rows where there is no past.
    """
    card, outcome = book.workspace.scorecard, book.workspace.outcome
    past, raised = book.past, book.raised
    if raised.empty:
        return pd.DataFrame(columns=list(VALUE_COLUMNS))
    plain = replay_alerts(past, card, card.alerts.model_copy(update={"hysteresis": 0.0, "listed_days": 0}))
    horizon = horizon_days(outcome)
    every = past.rows[["account_id", "as_of", "arr"]].rename(columns={"as_of": "since"}).assign(kind=EVERY)
    near = every[(past.rows["term_ends"] - past.rows["as_of"]).dt.days.between(0, card.alerts.renewal_near.days)].assign(kind=NEAR)
    told = raised[["account_id", "since", "kind"]].assign(arr=past.rows["arr"].to_numpy()[raised["row"].to_numpy(dtype=int)])
    rows = pd.concat([told, told.assign(kind=ANY), near, every], ignore_index=True)
    rows = _outcomes(rows, book.churned, horizon)
    done = rows[rows["since"] + pd.Timedelta(days=horizon + outcome.grace_days) <= book.as_of]
    months, ended = past.rows["as_of"].nunique() - 1, _ended(book, past.rows, horizon)
    table = []
    kinds = [kind for kind in KINDS if (raised["kind"] == kind).any()]
    for kind in [*kinds, ANY, *([NEAR] if "renewal_near" in kinds else []), EVERY]:
        here, before = told if kind == ANY else told[told["kind"] == kind], plain if kind == ANY else plain[plain["kind"] == kind]
        counts = {"kind": kind, "raised": len(here), "raised_plain": len(before), "per_month": len(here) / months}
        again: dict[str, Any] = {"replicates": replicates, "seed": seed}
        like = {**_caught(rows[rows["kind"] == kind], ended, **again), **_alerted(here, every, horizon, **again)}
        table.append({**counts, **_rates(done[done["kind"] == kind], **again), **like})
    return _with_lift(pd.DataFrame(table).assign(horizon_days=horizon))[list(VALUE_COLUMNS)]


def horizon_days(outcome: OutcomeSpec) -> int:
    """Within how many days of an alert a loss counts for it."""
    return outcome.horizon_days if outcome.kind == "churn_within" else max(2 * outcome.lead_days, outcome.horizon_days)


def _outcomes(rows: pd.DataFrame, churned: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Each row with `ended_on` of the first end after `since`, and whether that lies within the horizon (`lost`, 1.0 or 0.0)."""
    ends = churned[["account_id", "ended_on"]].sort_values("ended_on", kind="stable")
    ordered = rows.sort_values("since", kind="stable")
    found = pd.merge_asof(
        ordered, ends, left_on="since", right_on="ended_on", by="account_id", direction="forward", allow_exact_matches=False
    )
    return found.assign(lost=((found["ended_on"] - found["since"]).dt.days <= horizon).astype(float))


def _ended(book: Book, rows: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """The ends that alerts could have told: those for which history holds the whole horizon before."""
    return book.churned[book.churned["ended_on"] >= rows["as_of"].min() + pd.Timedelta(days=horizon)].reset_index(drop=True)


def _rates(done: pd.DataFrame, *, replicates: int, seed: int) -> dict[str, float]:
    """Share lost, by count and by ARR."""
    codes, counts = resample.account_weights(done["account_id"], replicates, seed)
    by_count = resample.rate(done["lost"].to_numpy(), codes, counts)
    by_arr = resample.rate(done["lost"].to_numpy(), codes, counts, case_weight=np.nan_to_num(done["arr"].to_numpy(dtype=float)))
    return {
        "cases": len(done), "accounts": by_count.n, "lost": by_count.events,
        "rate": by_count.value, "low": by_count.low, "high": by_count.high,
        "arr_rate": by_arr.value, "arr_low": by_arr.low, "arr_high": by_arr.high,
    }  # fmt: skip


def _caught(rows: pd.DataFrame, ended: pd.DataFrame, *, replicates: int, seed: int) -> dict[str, float]:
    """Share of the ends with such an alert within the horizon before, and the days from the first of them."""
    keys = ["account_id", "ended_on"]
    first = rows[rows["lost"] == 1].groupby(keys)["since"].min().rename("first").reset_index()
    found = ended[keys].merge(first, how="left", on=keys)
    codes, counts = resample.account_weights(found["account_id"], replicates, seed)
    caught = resample.rate(found["first"].notna().astype(float).to_numpy(), codes, counts)
    days = (found["ended_on"] - found["first"]).dt.days.dropna().to_numpy(dtype=float)
    low, middle, high = np.quantile(days, [0.25, 0.5, 0.75]) if len(days) else (np.nan,) * 3
    return {
        "caught": caught.value, "caught_low": caught.low, "caught_high": caught.high, "churned": len(found),
        "days_before": middle, "days_low": low, "days_high": high,
    }  # fmt: skip


def _alerted(told: pd.DataFrame, every: pd.DataFrame, horizon: int, *, replicates: int, seed: int) -> dict[str, float]:
    """Share of all snapshots with such an alert within the horizon before."""
    last = told[["account_id", "since"]].rename(columns={"since": "told"}).sort_values("told", kind="stable")
    found = pd.merge_asof(every.sort_values("since", kind="stable"), last, left_on="since", right_on="told", by="account_id")
    alerted = ((found["since"] - found["told"]).dt.days <= horizon).astype(float)
    codes, counts = resample.account_weights(found["account_id"], replicates, seed)
    share = resample.rate(alerted.to_numpy(), codes, counts)
    return {"alerted": share.value, "alerted_low": share.low, "alerted_high": share.high}


def _with_lift(table: pd.DataFrame) -> pd.DataFrame:
    """Rate over the rate of all like snapshots, which rest on far more cases and are taken as known; none for `ANY`, a mixture."""
    rates = table.set_index("kind")["rate"]
    base = table["kind"].map(lambda kind: rates.get(NEAR if kind in ("renewal_near", NEAR) else EVERY, np.nan)).astype(float)
    base = base.where((base > 0) & (table["kind"] != ANY))
    found = table.assign(base=base, lift=table["rate"] / base, lift_low=table["low"] / base, lift_high=table["high"] / base)
    bases = found["kind"].isin([NEAR, EVERY])
    kept = {"kind", "cases", "accounts", "lost", "rate", "low", "high", "arr_rate", "arr_low", "arr_high", "base", "horizon_days"}
    emptied = [column for column in found.columns if column not in kept]
    found[emptied] = found[emptied].astype(float).where(~bases)
    return found
