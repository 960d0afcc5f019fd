"""Signs of a leak in the rows behind the metrics: when they were written, and what goes on after the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.resample import Estimate, account_weights, rate
from healthlib.studies.leak_signs import FEWEST, Finished, Sign, by_presence, percents, sides
from healthlib.traces import LATE_DAYS, SETTLED_DAYS, Traces
from healthlib.wording import share

FEW_EARLY = 0.2
"""From this share of rows before the first contract on, a table is said to reach back too far (a convention)."""

FEW_AFTER = 0.05
"""From this share of leavers with rows after the grace on, ends or ids are doubted (a convention)."""


def row_signs(data: Finished, cases: pd.DataFrame, traces: Traces, zeroes: Mapping[str, bool]) -> list[Sign]:
    """Signs by metric: rows that begin with the decision, rows edited after it, rows that only one side has.

    Parameters
    ----------
    cases : the finished cases of `data`, account_id and as_of
    zeroes : metrics that are 0, not missing, without rows -> whether they count what we did ourselves (interventions, overrides), which
        goes by what we knew: there it takes as little as for a value that is missing
    """
    signs = []
    left = set(traces.leavers["account_id"])
    for name, rows in traces.rows.groupby("metric", sort=False):
        signs += _begins_with_decision(str(name), rows, traces) + _edited(str(name), rows, left, traces)
        if name in zeroes:
            first = cases["account_id"].map(rows.set_index("account_id")["first_known"])
            signs += by_presence(data, str(name), (first <= cases["as_of"]).to_numpy(), "rows were known", rows=not zeroes[str(name)])
    return signs


def decided_by_then(cases: pd.DataFrame, traces: Traces) -> NDArray[np.bool_]:
    """Whether the account's next leaving was decided on or before the day of the case."""
    leavers = traces.leavers.sort_values("ended_on", kind="stable")[["account_id", "ended_on", "decided_on"]]
    spine = cases[["account_id", "as_of"]].assign(place=np.arange(len(cases))).sort_values("as_of", kind="stable")
    found = pd.merge_asof(
        spine, leavers, left_on="as_of", right_on="ended_on", by="account_id", direction="forward", allow_exact_matches=False
    ).set_index("place")
    return (found["decided_on"] <= found["as_of"]).reindex(np.arange(len(cases))).to_numpy(dtype=bool)


def decided_cases(data: Finished, decided: NDArray[np.bool_]) -> list[Sign]:
    """A warning of the cases, not of a metric: the score is read when the leaving was decided already."""
    lost = data.lost == 1
    if lost.sum() < FEWEST:
        return []
    early = rate(decided[lost], data.codes[lost], data.counts)
    if early.low <= 0.1:
        return []
    said = f"{percents(early)} of lost cases (n = {early.n:.0f} accounts) had been decided by the day the score was read: read it earlier"
    return [
        Sign(
            "cases",
            "after_decision",
            said,
            (("share decided by then", "lost", np.nan, early.value, early.low, early.high, early.n),),
            "cases",
        )
    ]


def _begins_with_decision(name: str, rows: pd.DataFrame, traces: Traces) -> list[Sign]:
    """Of the year before the end, nearly all rows lie between the decision and the end: they are the leaving, written down."""
    mine = rows[(rows["before"] + rows["decided"]) > 0]
    if not traces.decided or len(mine) < FEWEST:
        return []
    last = traces.leavers.drop_duplicates("account_id", keep="last").set_index("account_id").reindex(mine["account_id"])
    time = float(((last["ended_on"] - last["decided_on"]).dt.days.clip(0, 365) / 365).mean())
    found = _share(mine, "decided", mine["before"] + mine["decided"])
    if found.low > 0.5 and found.low > 3 * time:
        said = (
            f"of its rows in the year before the end, {percents(found)} lie on or after the day the leaving was decided (n = {found.n:.0f} "
            f"accounts that left), which is {share(time)} of the time"
        )
        figure = (
            ("share of rows from the decision on", "rows", np.nan, found.value, found.low, found.high, found.n),
            ("share of rows from the decision on", "time", np.nan, time, time, time, found.n),
        )
        return [Sign(name, "after_decision", said, figure)]
    return []


def _edited(name: str, rows: pd.DataFrame, left: set[str], traces: Traces) -> list[Sign]:
    """Rows of accounts that left were written to again, after the decision, and those of the others were not."""
    mine = rows[rows["stamped"] > 0]
    gone = mine["account_id"].isin(left).to_numpy()
    if min(gone.sum(), (~gone).sum()) < FEWEST:
        return []
    lost, kept = _share(mine[gone], "edited", mine["stamped"][gone]), _share(mine[~gone], "edited", mine["stamped"][~gone])
    after = _share(mine[gone], "edited_after", mine["stamped"][gone])
    if lost.low > kept.high and lost.value - kept.value > 0.1 and after.low > 0.05:
        what = f"share of rows written to more than {SETTLED_DAYS} days later"
        said = (
            f"{percents(lost)} of the rows of accounts that left were written to more than {SETTLED_DAYS} days after they happened, "
            f"{percents(after)} on or after the day the leaving was decided; of the others {percents(kept)} (n = {lost.n:.0f} and "
            f"{kept.n:.0f} accounts)"
        )
        decided = (what, "lost, after the decision", np.nan, after.value, after.low, after.high, after.n)
        return [Sign(name, "edited", said, (*sides(what, lost, kept), decided))]
    return []


def table_signs(traces: Traces, readers: Mapping[str, list[str]]) -> list[Sign]:
    """Signs of whole tables: rows that go on after the account left, rows from before it came. `readers`: table -> its metrics."""
    signs = []
    left = set(traces.leavers["account_id"])
    for table, rows in traces.accounts.groupby("table", sort=False):
        metrics = ", ".join(readers.get(str(table), [])) or "no metric"
        gone = rows[rows["account_id"].isin(left)]
        if len(gone) >= FEWEST:
            found = _share(gone.assign(some=(gone["after"] > 0).astype(float)), "some", pd.Series(1.0, index=gone.index))
            if found.low > FEW_AFTER:
                some = ", ".join(gone.loc[gone["after"] > 0, "account_id"].head(3))
                said = (
                    f"{percents(found)} of {found.n:.0f} accounts that left have rows after the grace, {gone['after'].sum():,.0f} in all "
                    f"(first: {some}): ids, end dates or the outcome are wrong, or it goes on by nature (win-back deals); {metrics} "
                    f"read{'s' if ',' not in metrics else ''} them"
                )
                figure = (("share with rows after the end", "accounts that left", np.nan, found.value, found.low, found.high, found.n),)
                signs.append(Sign(f"{table}.*", "after_leaving", said, figure, "table"))
        early = _share(rows, "early", rows["rows"])
        if len(rows) >= FEWEST and early.low > FEW_EARLY:
            said = (
                f"{percents(early)} of its rows (n = {early.n:.0f} accounts) are dated before the account's first contract: "
                "back-filled, or a trial"
            )
            figure = (("share of rows before the first contract", "rows", np.nan, early.value, early.low, early.high, early.n),)
            signs.append(Sign(f"{table}.*", "back_filled", said, figure, "table"))
    return signs


def late_notes(traces: Traces) -> tuple[str, ...]:
    """Tables recorded late: no leak, because `asof` hides a row until it was recorded, but a gap in what was known."""
    notes = []
    for table, rows in traces.accounts.groupby("table", sort=False):
        late, every = rows["late"].sum(), rows["rows"].sum()
        if late > 0.05 * every:
            notes.append(
                f"{table}: {late:,.0f} of {every:,.0f} rows were recorded more than {LATE_DAYS} days after they happened. They count from "
                "the day they were recorded: no leak, but a gap before it."
            )
    return tuple(notes)


def _share(rows: pd.DataFrame, part: str, whole: pd.Series) -> Estimate:
    """Sum of `part` over sum of `whole`, with its interval over accounts."""
    weight = whole.to_numpy(dtype=float)
    codes, counts = account_weights(rows["account_id"], 200, 0)
    parts: Any = np.divide(rows[part].to_numpy(dtype=float), weight, out=np.zeros(len(rows)), where=weight > 0)
    return rate(parts, codes, counts, case_weight=weight)
