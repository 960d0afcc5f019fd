"""What each CSM has to look after: accounts, ARR, those in the worst band, renewals of the next 90 days, and work that runs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.studies.owners import DUE_DAYS, OWNER

NOBODY = "nobody"
"""The row of the accounts that have no CSM; always the last."""
COLUMNS = (
    "csm", "accounts", "arr", "accounts_worst", "arr_worst", "accounts_due", "arr_due", "running", "capacity", "load", "verdict",
)  # fmt: skip


def loads(today: pd.DataFrame, worst: str, running: pd.Series | None, capacity: float, owners: pd.DataFrame) -> pd.DataFrame:
    """A row a CSM, largest ARR first, then the accounts of nobody; the rows sum to the base.

    Parameters
    ----------
    today : scored snapshots of one day, as shown: account_id, as_of, csm, arr, band, term_ends
    worst : the worst band
    running : account_id of those with an intervention that runs; None where that is not known
    capacity : accounts of the worst band a CSM can have in work; NaN where nobody has said
    owners : `owners.COLUMNS` of the audit, for its verdict

    Returns
    -------
    DataFrame `COLUMNS`: `load` is accounts in the worst band / capacity; `running` NaN where not known. Empty where nobody has a CSM.
    """
    if OWNER not in today or today[OWNER].isna().all():
        return pd.DataFrame(columns=list(COLUMNS))
    red, days = today["band"] == worst, (today["term_ends"] - today["as_of"]).dt.days
    due, arr = (days > 0) & (days <= DUE_DAYS), today["arr"]
    now = np.nan if running is None else today["account_id"].isin(running).astype(float)
    table = pd.DataFrame({
        OWNER: today[OWNER].fillna(NOBODY).astype(str), "accounts": 1, "arr": arr, "accounts_worst": red.astype(int),
        "arr_worst": arr.where(red, 0.0), "accounts_due": due.astype(int), "arr_due": arr.where(due, 0.0), "running": now,
        "unowned": today[OWNER].isna(),
    })  # fmt: skip
    table = table.groupby([OWNER, "unowned"], as_index=False).sum(min_count=1)
    table = table.sort_values(["unowned", "arr", OWNER], ascending=[True, False, True], ignore_index=True)
    said = dict(zip(owners[OWNER].astype(str), owners["verdict"].astype(str), strict=True))
    capacities = np.where(table["unowned"], np.nan, capacity)
    return table.assign(
        capacity=capacities, load=table["accounts_worst"] / capacities,
verdict=[
            "" if alone else said.get(name, "") for name, alone in zip(table[OWNER], table["unowned"], strict=True)
        ],
    )[list(COLUMNS)]  # fmt: skip
