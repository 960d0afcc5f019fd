"""Retention over twelve months from the ledger of ARR: gross, net, by logo, and what moved it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib import resample
from healthlib.resample import Estimate

MOVES = ("started with", "left", "shrank", "grew", "new", "now")


def retention(ledger: pd.DataFrame, then: pd.Timestamp, now: pd.Timestamp, *, replicates: int = 1000, seed: int = 0) -> dict[str, Estimate]:
    """Gross and net revenue retention and logo churn between two days, over the accounts with ARR on the first.

    GRR = sum min(ARR now, ARR then) / sum ARR then; NRR = sum ARR now / sum ARR then; logo churn = the share of those accounts without ARR
    now. Intervals resample accounts; for the two shares Wilson's at the effective number of accounts, so that 0 lost of
    12 is not read as certainty.

    Returns
    -------
    dict grr_12m, nrr_12m, logo_churn_12m -> Estimate (n accounts, events accounts that left); empty where no account had ARR then
    """
    pair = both_days(ledger, then, now)
    if pair.empty:
        return {}
    codes, counts = resample.account_weights(pair.index.to_numpy(), replicates=replicates, seed=seed)
    left = (pair["now"] <= 0).astype(float)
    kept = np.minimum(pair["now"], pair["then"]) / pair["then"]
    grr = resample.rate(kept, codes, counts, case_weight=pair["then"])
    n, events = float(len(pair)), float(left.sum())
    totals = counts.T.astype(float) @ pair[["now", "then"]].to_numpy()
    nrr = resample.percentile(pair["now"].sum() / pair["then"].sum(), totals[:, 0] / totals[:, 1], n=n, events=events)
    return {
        "grr_12m": Estimate(grr.value, grr.low, grr.high, n, events),
        "nrr_12m": nrr,
        "logo_churn_12m": resample.rate(left, codes, counts),
    }


def both_days(ledger: pd.DataFrame, then: pd.Timestamp, now: pd.Timestamp) -> pd.DataFrame:
    """ARR `then` (above 0) and `now` (0 for who left), by account_id in sorted order."""
    arr = {name: ledger.loc[ledger["month"] == day].set_index("account_id")["arr"] for name, day in (("then", then), ("now", now))}
    pair = pd.DataFrame({"then": arr["then"][arr["then"] > 0]}).sort_index()
    return pair.assign(now=arr["now"].reindex(pair.index).fillna(0.0))


def moves(ledger: pd.DataFrame, then: pd.Timestamp, now: pd.Timestamp) -> pd.DataFrame:
    """From the ARR of one day to that of another: move (see `MOVES`), accounts, arr; what left or shrank is negative, so that they add up.

    Empty where no account had ARR then.
    """
    pair = both_days(ledger, then, now)
    if pair.empty:
        return pd.DataFrame(columns=["move", "accounts", "arr"])
    today = ledger.loc[(ledger["month"] == now) & (ledger["arr"] > 0)]
    change = pair["now"] - pair["then"]
    left, shrank, grew = pair["now"] <= 0, (change < 0) & (pair["now"] > 0), change > 0
    new = today[~today["account_id"].isin(pair.index)]
    parts = {
        "started with": (len(pair), pair["then"].sum()),
        "left": (left.sum(), change[left].sum()),
        "shrank": (shrank.sum(), change[shrank].sum()),
        "grew": (grew.sum(), change[grew].sum()),
        "new": (len(new), new["arr"].sum()),
        "now": (len(today), today["arr"].sum()),
    }
    return pd.DataFrame([(move, int(accounts), float(arr)) for move, (accounts, arr) in parts.items()], columns=["move", "accounts", "arr"])
