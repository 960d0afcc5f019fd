"""What changed in a book since the previous month-end: moves between bands and CSMs, overrides about to end, ratings that contradict."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.spec import Scorecard
from healthlib.studies.book_work import named

MOVES = ("csm", "account_id", "name", "kind", "from", "to", "arr", "score", "change", "with", "anchor")
ENDING = ("csm", "account_id", "name", "arr", "score", "measured_score", "measured_band", "override_by", "override_expires_on")
ASKED = ("csm", "account_id", "name", "arr", "label", "value", "points", "score", "band")
ENDS_DAYS = 30
APART = 40.0
"""Points by which a person's rating and the score must differ to be asked about (a convention: half of the way from worst to best)."""


def moves(table: pd.DataFrame, before: pd.DataFrame, bands: tuple[str, ...], churned: pd.DataFrame) -> pd.DataFrame:
    """What changed in each book since the previous month-end, worst first, then by ARR.

    Parameters
    ----------
    table : today: account_id, name, csm, csm_before, arr, band, previous_band, score, change, anchor
    before : the scored rows of the previous month-end by account_id, with csm as it was then; no rows where there is none
    churned : account_id, ended_on

    Returns
    -------
    DataFrame with `MOVES`: kind left (a customer no more; arr is what it had), fell, handed over (to the CSM `with`), taken over (from
    `with`), new, rose; `from` and `to` are bands, "" where there is none
    """
    if before.empty:
        return pd.DataFrame(columns=list(MOVES))
    rank = {band: place for place, band in enumerate(bands[:-1])}
    was, now = table["previous_band"].map(rank), table["band"].map(rank)
    rows = table.assign(**{"from": table["previous_band"].fillna(""), "to": table["band"], "with": ""})
    known = table["account_id"].isin(before.index)
    moved = [rows[(now < was).to_numpy()].assign(kind="fell"), rows[(now > was).to_numpy()].assign(kind="rose")]
    moved.append(rows[~known.to_numpy()].assign(kind="new"))
    other = rows[(known & (table["csm"] != table["csm_before"])).to_numpy()]
    moved.append(other.assign(kind="taken over", **{"with": other["csm_before"]}))
    moved.append(other.assign(kind="handed over", csm=other["csm_before"], **{"with": other["csm"]}))
    moved.append(_gone(before, table, churned))
    order = {name: place for place, name in enumerate(("left", "fell", "handed over", "taken over", "new", "rose"))}
    parts = [part.reindex(columns=list(MOVES)) for part in moved if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(MOVES))
    found = pd.concat(parts, ignore_index=True)
    ranked = pd.DataFrame({"kind": found["kind"].map(order), "arr": -found["arr"].astype(float), "account": found["account_id"]})
    return found.loc[ranked.sort_values(["kind", "arr", "account"], kind="stable").index].reset_index(drop=True)


def _gone(before: pd.DataFrame, table: pd.DataFrame, churned: pd.DataFrame) -> pd.DataFrame:
    """Customers of the previous month-end that are none today; `to` says whether they left, or whether that is not settled yet."""
    rows = before[~before["account_id"].isin(table["account_id"])]
    settled = rows["account_id"].isin(churned["account_id"])
    return rows.assign(**{
        "name": named(rows), "kind": "left", "from": rows["band"].astype("object"), "to": np.where(settled, "", "no contract now"),
        "change": np.nan, "with": "", "anchor": "",
    })  # fmt: skip


def ending(snapshot: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Overrides that end within `ENDS_DAYS`, the first to end first: `ENDING`. What the score will be without them is `measured_score`."""
    days = (snapshot["override_expires_on"] - as_of).dt.days
    rows = snapshot[snapshot["override"].notna() & (days <= ENDS_DAYS)]
    rows = rows.assign(name=named(rows)).sort_values(["override_expires_on", "arr", "account_id"], ascending=[True, False, True])
    return rows[list(ENDING)].reset_index(drop=True)


def asked(scorecard: Scorecard, snapshot: pd.DataFrame) -> pd.DataFrame:
    """Accounts whose latest rating by a person and whose measured score lie `APART` points or more from each other, largest ARR first.

    One of the two knows something the other does not; who wrote the rating can say which (`feedback.csv`).

    Returns
    -------
    DataFrame with `ASKED`: label of the rating, its value and points (0..100), the score measured without any override, its band
    """
    names = [name for name, metric in scorecard.metrics.items() if metric.table == "ratings" and metric.measure.kind == "last"]
    points = scoring.metric_scores(scorecard, snapshot)
    parts = []
    for name in names:
        far = (points[name] - snapshot["measured_score"]).abs() >= APART
        rows = snapshot[far & snapshot["override"].isna() & snapshot[name].notna()]
        said = {"label": scorecard.metrics[name].label, "value": rows[name], "points": points.loc[rows.index, name]}
        parts.append(rows.assign(name=named(rows), **said))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(ASKED))
    return found.sort_values(["arr", "account_id"], ascending=[False, True])[list(ASKED)].reset_index(drop=True)
