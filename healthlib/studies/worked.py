"""What was started about accounts, in which state they were then, and what became of them: playbooks of the last year, and saves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import resample
from healthlib.interventions import CONTROL
from healthlib.resample import NOTHING, Estimate
from healthlib.studies import today

if TYPE_CHECKING:
    from healthlib.studies.book import Book

MONTHS = 12
"""Work and decisions of so many months before the book's day are told of."""
SEEN_DAYS = 45
"""The state of an account when work on it began is that of its last snapshot, at most so many days before."""
UNNAMED = "not named"
"""The playbook of a row that names none."""
KEPT, LOST, OPEN = "kept", "lost", "open"

STARTED = (
    "account_id", "name", "segment", "csm", "started_at", "playbook", "running", "seen_on", "arr", "score", "band", "decided_on", "outcome",
    "arr_now", "band_now",
)  # fmt: skip
PLAYBOOKS = ("playbook", "started", "accounts", "arr", "worst", "running", "arr_running", "decided", "kept", "rate", "low", "high")
SAVES = (
    "account_id", "name", "segment", "csm", "arr_then", "score_then", "red_on", "playbook", "started_at", "decided_on", "arr_now",
    "band_now",
)  # fmt: skip


@dataclass(frozen=True)
class Worked:
    """The work of the last year.

    Attributes
    ----------
    recorded : whether the exports record interventions
    ends_known : whether they say when one ended; else nobody knows which still run
    playbooks : `PLAYBOOKS`, most started first; the last row, "all", counts each account once
    running : account_id of those with an intervention that runs today
    saves : `SAVES`: in the worst band when work began, then renewed (stayed for the horizon); decided within `MONTHS`; largest ARR first
    saved, arr_saved : their share of all such accounts whose decision has come, by accounts and ARR
    alone, arr_alone : share kept of cases in the worst band, decided in the same months, of accounts that nobody worked in the year before
    waiting, arr_waiting : accounts in the worst band when work began whose decision has not come yet
    """

    recorded: bool = False
    ends_known: bool = False
    playbooks: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(PLAYBOOKS)))
    running: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"account_id": pd.Series(dtype="str")}))
    saves: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SAVES)))
    saved: Estimate = NOTHING
    arr_saved: Estimate = NOTHING
    alone: Estimate = NOTHING
    arr_alone: Estimate = NOTHING
    waiting: int = 0
    arr_waiting: float = 0.0


def worked(book: Book, rows: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> Worked:
    """Read what was started, and what became of it, as known on the day of the book.

    Parameters
    ----------
    rows : scored snapshots, as shown, of every account that has an intervention
    """
    if book.interventions.empty:
        return Worked()
    frame, worst = started(book, rows), book.scorecard.bands[0].name
    ends_known = bool(book.diary.plays["ends"].notna().any())
    running = frame.loc[frame["running"] & ends_known & frame["arr_now"].notna(), ["account_id"]].drop_duplicates()
    red = _latest(frame[(frame["band"] == worst) & (frame["decided_on"] > book.as_of - pd.DateOffset(months=MONTHS))])
    done, waiting = red[red["outcome"] != OPEN], red[(red["outcome"] == OPEN) & red["arr_now"].notna()]
    nobody = unworked(book)
    shares = [_share(part, weight, replicates, seed) for part in (done, nobody) for weight in (None, part["arr"])]
    saves = done[done["outcome"] == KEPT].rename(columns={"arr": "arr_then", "score": "score_then", "seen_on": "red_on"})
    order = saves.sort_values(["arr_then", "account_id"], ascending=[False, True], ignore_index=True)[list(SAVES)]
    table = playbooks(frame, book.as_of, worst, replicates=replicates, seed=seed)
    if not ends_known:
        table = table.assign(running=np.nan, arr_running=np.nan)
    return Worked(True, ends_known, table, running.reset_index(drop=True), order, *shares, len(waiting), float(waiting["arr"].sum()))


def started(book: Book, rows: pd.DataFrame) -> pd.DataFrame:
    """Every intervention with the state of its account when it began and the first decision after it.

    Returns
    -------
    DataFrame `STARTED`, oldest first; controls of an experiment are none. `running`: no end is known of it; `seen_on`, `arr`, `score`,
    `band` of the last snapshot at most `SEEN_DAYS` before; `decided_on` the end of the term that ran then, or, where contracts have no end,
    the day the horizon of the outcome had passed; `outcome` kept, lost, or open until that day and the grace have passed; `arr_now`,
    `band_now` of today, missing of who is no customer
    """
    work = book.interventions[book.interventions["arm"] != CONTROL]
    work = work.assign(playbook=work["playbook"].where(work["playbook"] != "", UNNAMED)).sort_values("started_at", kind="stable")
    columns = ["account_id", "as_of", "name", "segment", "csm", "arr", "score", "band", "term_ends"]
    seen = rows.reindex(columns=columns).rename(columns={"as_of": "seen_on"}).sort_values("seen_on", kind="stable")
    near = pd.Timedelta(days=SEEN_DAYS)
    frame = pd.merge_asof(work, seen, left_on="started_at", right_on="seen_on", by="account_id", tolerance=near)
    outcome = book.workspace.outcome
    evergreen = outcome.kind == "churn_within"
    decided = frame["started_at"] + pd.Timedelta(days=outcome.horizon_days) if evergreen else frame["term_ends"]
    frame = frame.assign(decided_on=decided.where(decided > frame["started_at"]).astype("datetime64[s]"))
    ends = book.churned[["account_id", "ended_on"]].sort_values("ended_on", kind="stable")
    frame = pd.merge_asof(
        frame, ends, left_on="started_at", right_on="ended_on", by="account_id", direction="forward", allow_exact_matches=False
    )
    over = frame["decided_on"] + pd.Timedelta(days=outcome.grace_days) <= book.as_of
    left = frame["ended_on"] <= frame["decided_on"]
    plays = book.diary.plays
    done = plays.loc[plays["ends"].notna(), ["account_id", "starts", "playbook"]].astype({"playbook": "object"})
    over_keys = pd.MultiIndex.from_frame(done.assign(playbook=done["playbook"].fillna("").replace("", UNNAMED)))
    keys = pd.MultiIndex.from_frame(frame[["account_id", "started_at", "playbook"]])
    now = rows[rows["as_of"] == book.as_of].set_index("account_id")
    return frame.assign(
        running=~keys.isin(over_keys), outcome=np.select([over & left, over], [LOST, KEPT], OPEN),
        arr_now=now["arr"].reindex(frame["account_id"]).to_numpy(float),
        band_now=now["band"].reindex(frame["account_id"]).to_numpy(object),
    )[list(STARTED)]  # fmt: skip


def unworked(book: Book) -> pd.DataFrame:
    """Finished cases in the worst band as shown, decided in the last `MONTHS`, of accounts that nobody worked in the year before.

    Returns
    -------
    DataFrame account_id, arr, outcome (kept, lost); empty where the outcome is not leaving
    """
    cases, outcome = book.cases[book.cases["lost"].notna()].reset_index(drop=True), book.workspace.outcome
    if cases.empty or outcome.kind == "expansion":
        return pd.DataFrame({"account_id": [], "arr": [], "outcome": []})
    until = cases["as_of"] + pd.Timedelta(days=outcome.horizon_days) if outcome.kind == "churn_within" else cases["term_ends"]
    late = until > book.as_of - pd.DateOffset(months=MONTHS)
    cases, until = cases[late].reset_index(drop=True), until[late].reset_index(drop=True)
    rows = today.score_history(book.scorecard, cases, book.overrides).rows
    work = book.interventions.loc[book.interventions["arm"] != CONTROL, ["account_id", "started_at"]]
    both = cases[["account_id"]].assign(case=np.arange(len(cases)), until=until).merge(work, on="account_id")
    near = both[(both["started_at"] < both["until"]) & (both["started_at"] >= both["until"] - pd.DateOffset(years=1))]
    chosen = rows[(rows["band"] == book.scorecard.bands[0].name) & ~pd.Series(np.arange(len(cases))).isin(near["case"])]
    return chosen[["account_id", "arr"]].assign(outcome=np.where(chosen["lost"] == 1, LOST, KEPT))


def _latest(frame: pd.DataFrame) -> pd.DataFrame:
    """One row an account: its latest work that a decision has followed; where none has, its latest work."""
    decided = frame[frame["outcome"] != OPEN].drop_duplicates("account_id", keep="last")
    others = frame[~frame["account_id"].isin(decided["account_id"])].drop_duplicates("account_id", keep="last")
    return pd.concat([part for part in (decided, others) if len(part)] or [frame], ignore_index=True)


def _share(done: pd.DataFrame, weight: pd.Series | None, replicates: int, seed: int) -> Estimate:
    codes, counts = resample.account_weights(done["account_id"], replicates, seed)
    return resample.rate((done["outcome"] == KEPT).astype(float), codes, counts, case_weight=weight)


def playbooks(frame: pd.DataFrame, at: pd.Timestamp, worst: str, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """The work begun in the last `MONTHS`, by playbook.

    Parameters
    ----------
    frame : `STARTED`
    worst : the worst band

    Returns
    -------
    DataFrame `PLAYBOOKS`: `started` interventions, `accounts` and their `arr` when it last began, `worst` of them in the worst band then;
    `running` customers of today with one of it that runs, whenever it began, and their ARR today; `decided` accounts whose decision has
    come since, `kept` of them with share and interval. Who got which playbook was chosen, so the shares compare no playbooks.
    """
    late = frame[frame["started_at"] > at - pd.DateOffset(months=MONTHS)]
    runs = frame[frame["running"] & frame["arr_now"].notna()]
    names = late["playbook"].value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    table = [
        _of_playbook(str(name), *(part[part["playbook"] == name] for part in (late, runs)), worst, (replicates, seed)) for name in names
    ]
    table += [_of_playbook("all", late, runs, worst, (replicates, seed))] if len(frame) else []
    return pd.DataFrame(table, columns=list(PLAYBOOKS))


def _of_playbook(name: str, late: pd.DataFrame, runs: pd.DataFrame, worst: str, draws: tuple[int, int]) -> tuple[object, ...]:
    once, done = late.drop_duplicates("account_id", keep="last"), _latest(late)
    done, now = done[done["outcome"] != OPEN], runs.drop_duplicates("account_id", keep="last")
    kept = _share(done, None, *draws)
    return (
        name, len(late), len(once), float(once["arr"].sum()), int((once["band"] == worst).sum()), len(now), float(now["arr_now"].sum()),
        len(done), int((done["outcome"] == KEPT).sum()), kept.value, kept.low, kept.high,
    )  # fmt: skip
