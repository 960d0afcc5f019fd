"""Randomised experiments, as they were drawn: what the arms were like before, what became of them, and what so few could show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.interventions import TREATMENT
from healthlib.resample import NOTHING
from healthlib.studies.alert_value import horizon_days
from healthlib.studies.renewals import honest_score
from healthlib.treatment import balance, difference, joint_p, visible

if TYPE_CHECKING:
    from healthlib.studies.book import Book

ARMS = (
    "experiment", "told_by", "accounts", "mixed", "open", "treated", "treated_lost", "control", "control_lost", "effect", "low", "high",
    "arr_effect", "arr_low", "arr_high", "visible", "disagree", "both_told",
)  # fmt: skip
BALANCED = ("experiment", "covariate", "treated", "control", "difference", "n", "p")
CONTRACTS, RECORD = "contracts", "record"
"""Who tells what became of an account: its contracts, as everywhere in this report, or the experiment's own record."""


def drawn(book: Book) -> pd.DataFrame:
    """Every row of an experiment, as the account was known on the last month-end by then, and what its contracts say became of it.

    Returns
    -------
    The rows of `interventions` with an experiment: arr, age_days and score then (of a customer first seen later, as first seen); `lost` 1
    where the account's cover ended within the horizon, 0 where it did not, NaN while open; `told` the same by the experiment's record
    """
    rows = book.interventions[book.interventions["experiment"] != ""].sort_values("started_at", kind="stable").reset_index(drop=True)
    if rows.empty or book.history.empty:
        return rows.assign(arr=np.nan, age_days=np.nan, score=np.nan, lost=np.nan, told=np.nan)
    past = book.history.sort_values("as_of", kind="stable")
    past = past[past["account_id"].isin(rows["account_id"])].reset_index(drop=True)
    past = past[["account_id", "as_of", "arr", "age_days"]].assign(score=honest_score(book, past))
    sides = [
        pd.merge_asof(rows, past, left_on="started_at", right_on="as_of", by="account_id", direction=way) for way in ("backward", "forward")
    ]
    seen = sides[0].where(sides[0]["as_of"].notna(), sides[1])
    horizon = horizon_days(book.workspace.outcome)
    ends = book.churned[["account_id", "ended_on"]].sort_values("ended_on", kind="stable")
    ended = pd.merge_asof(
        rows, ends, left_on="started_at", right_on="ended_on", by="account_id", direction="forward", allow_exact_matches=False
    )["ended_on"]
    lost = ((ended - rows["started_at"]).dt.days <= horizon).astype(float)
    over = rows["started_at"] + pd.Timedelta(days=horizon + book.workspace.outcome.grace_days) <= book.as_of
    told = rows["outcome"].astype("object").map({"churned": 1.0, "renewed": 0.0}).astype(float)
    values = {name: pd.to_numeric(seen[name]).astype(float) for name in ("arr", "age_days", "score")}
    return rows.assign(**values, lost=lost.where(over), told=told)


def arms(rows: pd.DataFrame) -> pd.DataFrame:
    """The difference of the arms, everybody counted as drawn (intention to treat), by the contracts and by the experiment's own record.

    An account drawn twice counts by its first draw where the contracts tell, for they speak of accounts; the record speaks of each row,
    and rows of one account share its fate.

    Returns
    -------
    DataFrame `ARMS`: `effect` the share lost of the treated minus that of the controls, with 95 % interval, by accounts and by ARR;
    `mixed` accounts drawn into both arms; `open` rows not decided yet; `disagree` of `both_told` rows on which record and contracts differ
    """
    table = []
    for name, own in rows.groupby("experiment", sort=True):
        mixed = int((own.groupby("account_id")["arm"].nunique() > 1).sum())
        both = own["lost"].notna() & own["told"].notna()
        for teller, column in ((CONTRACTS, "lost"), (RECORD, "told")):
            part = own.drop_duplicates("account_id") if teller == CONTRACTS else own
            known = part[part[column].notna()]
            if known.empty:
                continue
            lost, treated = known[column].to_numpy(dtype=float), (known["arm"] == TREATMENT).to_numpy()
            found = difference(lost, treated, known["account_id"])
            money = np.nan_to_num(known["arr"].to_numpy(dtype=float))
            by_arr = difference(lost, treated, known["account_id"], weight=money) if money.sum() > 0 else NOTHING
            table.append((
                name, teller, known["account_id"].nunique(), mixed, int(part[column].isna().sum()), int(treated.sum()),
                int(lost[treated].sum()), int((~treated).sum()), int(lost[~treated].sum()), found.value, found.low, found.high,
                by_arr.value, by_arr.low, by_arr.high, visible(found), int((own["lost"] != own["told"])[both].sum()), int(both.sum()),
            ))  # fmt: skip
    return pd.DataFrame(table, columns=list(ARMS))


def alike(rows: pd.DataFrame) -> pd.DataFrame:
    """How alike the arms were before: ARR, tenure, score and the commonest trigger; `p` of the test of all of them at once: `BALANCED`."""
    table = []
    for name, own in rows.groupby("experiment", sort=True):
        first = own.drop_duplicates("account_id")
        commonest = first["trigger"].mode()
        measures = pd.DataFrame({
            "log of ARR": np.log(first["arr"].clip(lower=1)), "tenure in years": first["age_days"] / 365.25, "score": first["score"],
        })  # fmt: skip
        if len(commonest) and 0 < (first["trigger"] == commonest.iloc[0]).mean() < 1:
            measures[f"share {commonest.iloc[0]}"] = (first["trigger"] == commonest.iloc[0]).astype(float)
        treated = (first["arm"] == TREATMENT).to_numpy()
        names = [str(c) for c in measures]
        found = balance(measures, treated, names)
        usual = [c for c in names if measures[c].notna().mean() > 0.8]
        table.append(found.assign(experiment=name, p=joint_p(measures, treated, first["account_id"], usual)))
    return pd.concat(table, ignore_index=True)[list(BALANCED)] if table else pd.DataFrame(columns=list(BALANCED))
