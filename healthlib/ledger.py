"""Whether ARR adds up, as known on one day: terms, terms that overlap, what was said against what followed, and the monthly bridge."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.asof import later_filled, month_ends, seen, tidy
from healthlib.spec import Workspace
from healthlib.tables import Tables

YEAR = 365.25
"""Days of a year."""
HANDOVER_DAYS = 92
"""A new term that begins up to so many days before the old one ends, and outlasts it, is an early renewal; longer ones run side by side."""
TOLERANCE = 0.01
"""ARR that differs by no more than this share, or by 1 unit of money, counts as equal."""

BRIDGE_COLUMNS = ("month", "begin", "new", "returned", "expansion", "contraction", "churn", "end", "off", "accounts")
OVERLAP_COLUMNS = ("account_id", "kind", "first", "second", "starts", "ends", "days", "arr_first", "arr_second", "arr_twice", "runs_now")
MISMATCH_COLUMNS = ("account_id", "contract", "ends", "kind", "said", "found", "difference")

INVOICED_COLUMNS = ("account_id", "invoiced", "arr", "ratio")


def terms(tables: Tables, workspace: Workspace, at: pd.Timestamp) -> pd.DataFrame:
    """Every paid term that had begun, as known on `at`.

    Returns
    -------
    account_id, contract (contract_id, or the line of the row), starts, ends (first day no longer covered; NaT without an end), arr,
    said (the outcome given once decided; NaN where none), renewed_arr (NaN where none), in the order of account and start. With
    `churn_within` outcomes an end after `at` is hindsight and stays empty.
    """
    columns, day = tables.columns["contracts"], f"DATE '{at:%Y-%m-%d}'"
    hidden = later_filled(tables, "contracts")
    decided = "coalesce(CAST(decided_on AS DATE), CAST(end_date AS DATE))" if "decided_on" in columns else "CAST(end_date AS DATE)"
    given = {
        name: f"CASE WHEN {decided} <= {day} THEN {name} END" if name in hidden else name if name in columns else "NULL"
        for name in ("outcome", "renewed_arr")
    }
    ends = "CAST(end_date AS DATE)"
    if workspace.outcome.kind == "churn_within":
        ends = f"CASE WHEN {ends} <= {day} THEN {ends} END"
    label = "contract_id" if "contract_id" in columns else "NULL"
    frame = tables.engine.query(
        f"""SELECT account_id, CAST({label} AS VARCHAR) AS contract, CAST(day AS TIMESTAMP) AS starts, CAST({ends} AS TIMESTAMP) AS ends,
            CAST(arr AS DOUBLE) AS arr, nullif({given["outcome"]}, 'open') AS said, CAST({given["renewed_arr"]} AS DOUBLE) AS renewed_arr
        FROM known.contracts WHERE {seen("contracts", day)} AND arr > 0 AND (end_date IS NULL OR CAST(end_date AS DATE) > day)
        ORDER BY account_id, 3, 4 NULLS LAST, arr, 2"""
    )
    named = frame["contract"].astype("object").where(frame["contract"].notna(), frame["starts"].dt.strftime("from %Y-%m-%d"))
    return tidy(frame.assign(contract=named.astype(str)))


def overlaps(ledger: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """Two terms of one account that cover the same days, so that the ARR of both counts.

    Parameters
    ----------
    ledger : from `terms`

    Returns
    -------
    DataFrame `OVERLAP_COLUMNS`: kind (copy: same days and same ARR; handover: the later one starts at most `HANDOVER_DAYS` before the
    earlier one ends, and outlasts it; side by side: anything else, for instance two products), first and second contract, the days both
    cover up to `at` (starts, ends exclusive, days), the ARR of each, arr_twice (the smaller one), runs_now; most ARR twice first.
    """
    many = ledger[ledger.duplicated("account_id", keep=False)].assign(place=lambda frame: np.arange(len(frame)))
    pairs = many.merge(many, on="account_id", suffixes=("", "_b"))
    pairs = pairs[pairs["place"] < pairs["place_b"]]
    far = at + pd.Timedelta(days=1)
    open_a, open_b = pairs["ends"].fillna(pd.Timestamp.max.as_unit("s")), pairs["ends_b"].fillna(pd.Timestamp.max.as_unit("s"))
    until = open_a.where(open_a < open_b, open_b)
    pairs = pairs.assign(until=until.where(until < far, far), runs_now=until > at, a=open_a, b=open_b)
    pairs = pairs[pairs["starts_b"] < pairs["until"]]
    same = (pairs["starts"] == pairs["starts_b"]) & (pairs["a"] == pairs["b"]) & (pairs["arr"] == pairs["arr_b"])
    short = (pairs["a"] - pairs["starts_b"]) <= pd.Timedelta(days=HANDOVER_DAYS)
    handover = (pairs["b"] > pairs["a"]) & (pairs["starts_b"] > pairs["starts"]) & short
    frame = pd.DataFrame(
        {
            "account_id": pairs["account_id"],
            "kind": np.select([same, handover], ["copy", "handover"], "side by side"),
            "first": pairs["contract"],
            "second": pairs["contract_b"],
            "starts": pairs["starts_b"],
            "ends": pairs["until"],
            "days": (pairs["until"] - pairs["starts_b"]).dt.days,
            "arr_first": pairs["arr"],
            "arr_second": pairs["arr_b"],
            "arr_twice": pairs[["arr", "arr_b"]].min(axis=1),
            "runs_now": pairs["runs_now"],
        },
        columns=list(OVERLAP_COLUMNS),
    )
    return frame.sort_values(["arr_twice", "account_id", "starts"], ascending=[False, True, True], kind="stable", ignore_index=True)


def beside(ledger: pd.DataFrame, at: pd.Timestamp) -> float:
    """ARR on `at` of the terms beside the largest one that each account has running: what would fall away if they were copies."""
    runs = ledger[(ledger["starts"] <= at) & (ledger["ends"].isna() | (ledger["ends"] > at))].groupby("account_id")["arr"]
    return float((runs.sum() - runs.max()).sum())


def mismatches(ledger: pd.DataFrame, at: pd.Timestamp, grace_days: int) -> pd.DataFrame:
    """Terms whose said outcome does not fit the terms that follow.

    A term follows where one of the account starts by end + grace and covers later days (PRODUCT.md 5.3); what was renewed is the ARR of
    those that start within the grace on either side of the end. Where no account ever has a second term, a term is something that is
    completed (a course), and nothing is expected to follow.

    Parameters
    ----------
    ledger : from `terms`
    grace_days : of the workspace's outcome

    Returns
    -------
    DataFrame `MISMATCH_COLUMNS`: kind (amount: renewed_arr is not the ARR of the terms that start then; churned: said to be lost, yet a
    term follows; renewed: said to be renewed, yet none does, by end + grace), said and found in ARR, difference (found - said).
    """
    ended = ledger[ledger["said"].notna() & ledger["ends"].notna()].reset_index(drop=True)
    ended = ended.assign(place=np.arange(len(ended)))
    later = ended.merge(ledger[["account_id", "starts", "ends", "arr"]], on="account_id", suffixes=("", "_b"))
    grace = pd.Timedelta(days=grace_days)
    follows = (later["starts_b"] <= later["ends"] + grace) & (later["ends_b"].isna() | (later["ends_b"] > later["ends"]))
    begins = follows & (later["starts_b"] >= later["ends"] - max(grace, pd.Timedelta(days=1))) & (later["starts_b"] > later["starts"])
    ended["after"] = later[follows].groupby("place")["arr_b"].sum().reindex(ended["place"]).to_numpy()
    ended["begun"] = later[begins].groupby("place")["arr_b"].sum().reindex(ended["place"]).to_numpy()
    off = (ended["begun"] - ended["renewed_arr"]).abs()
    again = bool(ledger["account_id"].duplicated().any())
    kinds = {
        "amount": (ended["said"] == "renewed") & (off > np.maximum(1.0, TOLERANCE * ended["renewed_arr"])),
        "churned": (ended["said"] == "churned") & ended["begun"].notna(),
        "renewed": again & (ended["said"] == "renewed") & ended["after"].isna() & (ended["ends"] + grace <= at),
    }
    parts = [_mismatch(ended[hit], kind) for kind, hit in kinds.items()]
    frame = pd.concat(parts, ignore_index=True)
    order = frame["difference"].abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def _mismatch(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Rows of one kind of `mismatches`."""
    said = {"amount": rows["renewed_arr"], "churned": 0.0, "renewed": rows["renewed_arr"].fillna(rows["arr"])}[kind]
    frame = rows.assign(kind=kind, said=said, found=rows["begun"].fillna(0.0))
    return frame.assign(difference=frame["found"] - frame["said"])[list(MISMATCH_COLUMNS)]


def bridge(ledger: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """ARR from month-end to month-end: begin + new + returned + expansion + contraction + churn = end.

    Parameters
    ----------
    ledger : from `terms`

    Returns
    -------
    DataFrame `BRIDGE_COLUMNS`, a row a month-end up to `at`: new (ARR of accounts that never had any before), returned (had some earlier,
    none at the last month-end), expansion and contraction (of accounts there on both days; contraction <= 0), churn (<= 0), off: the end
    that the movements give, less the sum of the terms that cover that day (0 where the bridge closes), and accounts at the end.
    """
    if ledger.empty:
        return pd.DataFrame({name: pd.Series(dtype="datetime64[s]" if name == "month" else "float64") for name in BRIDGE_COLUMNS})
    days = pd.DatetimeIndex(month_ends(ledger["starts"].min(), at)).as_unit("s")
    ids, codes = np.unique(ledger["account_id"].to_numpy(dtype=str), return_inverse=True)
    arr, starts, ends = ledger["arr"].to_numpy(float), ledger["starts"].to_numpy(), ledger["ends"].to_numpy()
    before, ever, end, rows = np.zeros(len(ids)), np.zeros(len(ids), dtype=bool), 0.0, []
    for day in days:
        runs = (starts <= day.to_datetime64()) & (np.isnat(ends) | (ends > day.to_datetime64()))
        now = np.bincount(codes[runs], weights=arr[runs], minlength=len(ids))
        moved = now - before
        come, gone = (before == 0) & (now > 0), (before > 0) & (now == 0)
        stay = (before > 0) & (now > 0)
        parts = [
            moved[come & ~ever].sum(), moved[come & ever].sum(), moved[stay & (moved > 0)].sum(), moved[stay & (moved < 0)].sum(),
            moved[gone].sum(),
        ]  # fmt: skip
        begin, end = end, end + sum(parts)
        rows.append([day, begin, *parts, end, round(end - arr[runs].sum(), 6), int((now > 0).sum())])
        before, ever = now, ever | (now > 0)
    return pd.DataFrame(rows, columns=list(BRIDGE_COLUMNS)).astype({"month": "datetime64[s]"})


def invoiced(tables: Tables, ledger: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """Recurring invoices of the last year against the ARR that ran, for accounts under contract on its first and its last day.

    Parameters
    ----------
    ledger : from `terms`

    Returns
    -------
    account_id, invoiced (sum of recurring invoices issued in the 365 days up to `at`; of all invoices where none says whether it recurs),
    arr (mean ARR over those days), ratio; sorted by how far the ratio is from 1 in ARR. Empty without invoices.
    """
    columns = tables.columns.get("invoices", {})
    none = pd.DataFrame({"account_id": pd.Series(dtype=str), **{name: pd.Series(dtype=float) for name in ("invoiced", "arr", "ratio")}})
    first = at - pd.Timedelta(days=364)
    if not columns or ledger.empty or ledger["starts"].min() > first:
        return none
    which = "AND recurring" if "recurring" in columns else ""
    day = f"DATE '{at:%Y-%m-%d}'"
    found = tables.engine.query(
        f"""SELECT account_id, CAST(sum(CAST(amount AS DECIMAL(38, 6))) AS DOUBLE) AS invoiced FROM known.invoices
        WHERE known <= {day} AND day <= {day} AND day > {day} - 365 {which} GROUP BY account_id"""
    )
    reaches = tables.engine.query("SELECT CAST(min(day) AS TIMESTAMP) AS first FROM known.invoices")["first"].iloc[0]
    if pd.isna(reaches) or pd.Timestamp(reaches) > first:
        return none
    far = at + pd.Timedelta(days=1)
    until = ledger["ends"].where(ledger["ends"] < far, far)
    days = (until - ledger["starts"].where(ledger["starts"] > first, first)).dt.days.clip(lower=0)
    mean = (ledger["arr"] * days / 365.0).groupby(ledger["account_id"]).sum()
    open_first = ledger.loc[(ledger["starts"] <= first) & (until > first), "account_id"]
    open_last = ledger.loc[until > at, "account_id"]
    whole = sorted(set(open_first) & set(open_last))
    frame = pd.DataFrame({"account_id": whole, "arr": mean.reindex(whole).to_numpy()})
    frame = frame.merge(found, how="left", on="account_id").fillna({"invoiced": 0.0})
    frame = frame.assign(ratio=frame["invoiced"] / frame["arr"])
    order = (frame["invoiced"] - frame["arr"]).abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order, list(INVOICED_COLUMNS)].reset_index(drop=True)
