"""The accounts that the audit names, one record each: score, terms, metrics, tickets, contacts, playbooks, and what became of it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.bands import band_colours
from healthlib.resample import Estimate
from healthlib.studies import lists, surprised, versions
from healthlib.studies.diary import Diary
from healthlib.studies.fit import usable
from healthlib.studies.leaks import left_out

if TYPE_CHECKING:
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.book import Book

SHOWN = {"zombie": 15, "watermelon": 15, "false alarm": 15, "successful": 10, "overruled": 10, "unsure": 10}
"""Lists of the audit by name, and how many accounts each shows, the largest ARR first: every account shown has a section (3 kB each)."""
MONTHS = 24
"""The last months of an account that its section shows."""
PLAIN = 40
"""Letters of an id above which its anchor is made of its hash."""

NAMED_COLUMNS = (
    "account_id", "name", "segment", "lists", "shown", "anchor", "arr", "state", "ended_on", "reason", "term_ends", "scored_on", "scored",
    "quiet_since",
)  # fmt: skip
LISTED = ["account_id", "name", "segment", "scored_on", "scored", "list", "place"]
SCORE_COLUMNS = ("account_id", "as_of", "score", "band", "gate", "override", "then")


@dataclass(frozen=True)
class AccountFacts:
    """What is known of each account that the audit names.

    Attributes
    ----------
    kind : renewal, churn_within, expansion or flat
    named : `NAMED_COLUMNS`, a row an account, largest ARR first: lists (zombie, watermelon ... in the order of `SHOWN`, by comma), shown
        (whether it has a section), anchor (of its section; "" without), arr (running now, else when it left), state (customer, left),
        ended_on and reason (of the last time that it left), term_ends, scored_on and scored (the case for which a watermelon or false alarm
        is listed, and its score), quiet_since (of a zombie: since which snapshot it has been one without a break)
    scores : `SCORE_COLUMNS` of the accounts shown, the last `MONTHS` snapshots of each: score and band by the present scorecard, gate that
        capped it, override in force (NaN without), then: the score by the scorecard of that day where it was another whose text was kept
    points, values : account_id and a column a metric, row by row as `scores`, without metrics that seem to know the outcome
    labels, weights : metric -> label, and its share of the scorecard's weight
    diary : of the accounts shown, see `diary.Diary`; `recent` of their listed cases
    typical : tickets, contacts -> median in the 90 days before the cases that were kept
    changes : of the scorecard, see `versions.changes_of`
    missed, held : of watermelons and of false alarms, see `surprised`
    low : share of best-band cases with a low metric, lost and kept, see `surprised.any_low`
    kept_rate : share of all finished cases that was kept
    """

    kind: str
    currency: str
    as_of: pd.Timestamp
    bands: tuple[str, ...]
    named: pd.DataFrame
    scores: pd.DataFrame
    points: pd.DataFrame
    values: pd.DataFrame
    labels: dict[str, str]
    weights: dict[str, float]
    diary: Diary
    typical: dict[str, float]
    changes: pd.DataFrame
    missed: pd.DataFrame
    held: pd.DataFrame
    low: dict[str, Estimate]
    kept_rate: Estimate
    band_colours: dict[str, str] = field(default_factory=dict)

    @property
    def anchors(self) -> dict[str, str]:
        """Account id -> anchor of its section, of those that have one."""
        shown = self.named[self.named["shown"].astype(bool)]
        return dict(zip(shown["account_id"], shown["anchor"], strict=True))


@dataclass(frozen=True)
class Record:
    """One account: its row of `AccountFacts.named`, and its part of each frame.

    Attributes
    ----------
    scores, points, values, missed, held : as in `AccountFacts`
    diary : as in `AccountFacts`
    """

    named: pd.Series
    scores: pd.DataFrame
    points: pd.DataFrame
    values: pd.DataFrame
    missed: pd.DataFrame
    held: pd.DataFrame
    diary: Diary

    @property
    def label(self) -> str:
        """What the account is called: its name, its id where it has none."""
        return str(self.named["account_id"] if pd.isna(self.named["name"]) else self.named["name"])

    @property
    def lists(self) -> list[str]:
        """The lists that name it."""
        return str(self.named["lists"]).split(", ")


def records(facts: AccountFacts) -> list[Record]:
    """The accounts that have a section, largest ARR first."""
    frames = {name: _split(getattr(facts, name)) for name in ("scores", "points", "values", "missed", "held")}
    diary = {name: _split(getattr(facts.diary, name)) for name in ("terms", "months", "plays", "recent")}
    shown = facts.named[facts.named["shown"].astype(bool)]
    return [
        Record(
            named=row,
            **{name: parts.get(row["account_id"], getattr(facts, name).head(0)) for name, parts in frames.items()},
            diary=Diary(**{name: parts.get(row["account_id"], getattr(facts.diary, name).head(0)) for name, parts in diary.items()}),
        )
        for _, row in shown.iterrows()
    ]


def _split(frame: pd.DataFrame) -> dict[Any, pd.DataFrame]:
    return {str(name): part for name, part in frame.groupby("account_id", sort=False)}


def of(book: Book, done: dict[str, Any]) -> AccountFacts:
    """The facts of `account_study`, for `studies.compute`."""
    return account_study(book, done["audit"])


def account_study(book: Book, audit: AuditFacts) -> AccountFacts:
    """The record of every account that the audit names. A flat sheet has no history, so none of its accounts has a section."""
    named = _named(book, audit)
    ids = named.loc[named["shown"], "account_id"]
    rows = book.history[book.history["account_id"].isin(ids)].groupby("account_id", sort=False).tail(MONTHS).reset_index(drop=True)
    finished = book.cases[book.cases["lost"].notna()].reset_index(drop=True)
    finished = finished.assign(lost=finished["lost"].astype(float))
    scores = scoring.score(usable(book.scorecard, book.leaks.found), finished)
    judged = surprised.Judged(finished, scores, book.answers, left_out(book.leaks.found))
    listed = {name: part[part["account_id"].isin(ids)] for name, part in _lists(audit).items()}
    shown = named[named["shown"] & named["scored_on"].notna()].rename(columns={"scored_on": "as_of"})
    weights = book.scorecard.weights
    total = sum(weights.values()) or 1.0
    return AccountFacts(
        kind=audit.kind,
        currency=audit.currency,
        as_of=book.as_of,
        bands=audit.bands,
        band_colours=band_colours(book.scorecard),
        named=named,
        scores=_scores(book, rows),
        points=pd.concat([rows["account_id"], scoring.metric_scores(book.scorecard, rows)[judged.metrics]], axis=1),
        values=rows[["account_id", *judged.metrics]],
        labels={name: metric.label for name, metric in book.scorecard.metrics.items()},
        weights={name: weight / total for name, weight in weights.items()},
        diary=_diary(book, shown, set(ids)),
        typical=_typical(book, finished),
        changes=versions.changes_of(book),
        missed=surprised.missed(judged, listed["watermelon"]),
        held=surprised.held(judged, listed["false alarm"]),
        low=surprised.any_low(judged, audit.bands[-1]) if audit.bands else {},
        kept_rate=_kept(audit.base_rate),
    )


def _kept(lost: Estimate) -> Estimate:
    return Estimate(1 - lost.value, 1 - lost.high, 1 - lost.low, lost.n, lost.events)


def anchor(account_id: str) -> str:
    """A fragment that names one account whatever its id is: letters and digits as they are, all else by a hash; no two ids share one.

    >>> anchor("A0022"), anchor('a "b"'), anchor("x" * 300)
    ('account-A0022', 'account--a--b--34838019aa8c', 'account--xxxxxxxxxxxxxxxxxxxxxxxx-0d4e2ca9e9cb')
    """
    if re.fullmatch(rf"[A-Za-z0-9]{{1,{PLAIN}}}", account_id):
        return f"account-{account_id}"
    digest = hashlib.sha256(account_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"account--{re.sub('[^A-Za-z0-9]', '-', account_id)[:24]}-{digest}"


def _lists(audit: AuditFacts) -> dict[str, pd.DataFrame]:
    """The lists of the audit by the names of `SHOWN`, a row an account, the largest ARR first."""
    return {
        "zombie": audit.zombies,
        "watermelon": lists.latest(audit.watermelons),
        "false alarm": lists.latest(audit.false_alarms),
        "successful": audit.successful[audit.successful["successful"].astype(bool)],
        "overruled": audit.overrides.today[["account_id", "name"]],
        "unsure": audit.gaps.hanging[["account_id", "name"]],
    }


def _named(book: Book, audit: AuditFacts) -> pd.DataFrame:
    """Who is named, in which lists, and what became of them: `NAMED_COLUMNS`."""
    stacked = [
        part.assign(list=name, place=np.arange(len(part))).rename(columns={"as_of": "scored_on", "score": "scored"}).reindex(columns=LISTED)
        for name, part in _lists(audit).items()
    ]
    rows = pd.concat([part for part in stacked if len(part)] or stacked, ignore_index=True).astype({"scored": float})
    rows = rows.assign(
        in_time=rows["place"].astype(float) < rows["list"].map(SHOWN).astype(float),
        scored_on=pd.to_datetime(rows["scored_on"]).astype("datetime64[s]"),
    )
    first = rows.groupby("account_id", sort=False)
    kept = {name: (name, "first") for name in ("name", "segment", "scored_on", "scored")}
    frame = first.agg(**kept, shown=("in_time", "any"))
    frame = frame.assign(lists=first["list"].agg(", ".join)).reset_index()
    frame["shown"] = frame["shown"].astype(bool) & (book.workspace.flat is None)
    frame = frame.assign(anchor=[anchor(str(i)) if on else "" for i, on in zip(frame["account_id"], frame["shown"], strict=True)])
    frame = _became(book, frame)
    quiet = _quiet(book, frame.loc[frame["lists"].str.contains("zombie"), "account_id"])
    frame["quiet_since"] = quiet.reindex(frame["account_id"]).to_numpy()
    order = frame.sort_values(["arr", "account_id"], ascending=[False, True], kind="stable", ignore_index=True)
    return order[list(NAMED_COLUMNS)].astype({"quiet_since": "datetime64[s]", "term_ends": "datetime64[s]"})


def _became(book: Book, frame: pd.DataFrame) -> pd.DataFrame:
    """ARR, state, the day and reason of the last leaving, and the end of the term."""
    today = book.history[book.history["as_of"] == book.as_of].drop_duplicates("account_id").set_index("account_id")
    gone = book.churned.sort_values("ended_on", kind="stable").drop_duplicates("account_id", keep="last").set_index("account_id")
    ids = frame["account_id"]
    arr = today["arr"].reindex(ids).to_numpy(float)
    return frame.assign(
        state=np.where(ids.isin(today.index), "customer", "left"),
        arr=np.where(np.isnan(arr), gone["arr"].reindex(ids).to_numpy(float), arr),
        ended_on=gone["ended_on"].reindex(ids).to_numpy("datetime64[s]"),
        reason=gone["reason"].reindex(ids).to_numpy(object),
        term_ends=today["term_ends"].reindex(ids).to_numpy("datetime64[s]"),
    )


def _quiet(book: Book, ids: pd.Series) -> pd.Series:
    """Since which snapshot each account has been a zombie up to today, by account."""
    rows = book.history[book.history["account_id"].isin(ids)].sort_values(["account_id", "as_of"], ignore_index=True)
    if rows.empty:
        return pd.Series(dtype="datetime64[s]")
    awake = rows.loc[~lists.is_zombie(rows, book.scorecard), ["account_id", "as_of"]].groupby("account_id")["as_of"].max()
    quiet = rows[rows["as_of"] > rows["account_id"].map(awake).fillna(pd.Timestamp.min.as_unit("s"))]
    return quiet.groupby("account_id")["as_of"].min()


def _scores(book: Book, rows: pd.DataFrame) -> pd.DataFrame:
    """`SCORE_COLUMNS` of the snapshots."""
    frame = scoring.score(book.scorecard, rows).frame.drop(columns="coverage")
    frame = frame.merge(book.overrides[["account_id", "as_of", "override"]].drop_duplicates(["account_id", "as_of"]), "left")
    then = pd.Series(np.nan, index=rows.index)
    for day in sorted(pd.Timestamp(day) for day in book.workspace.earlier):
        card = versions.in_force(book, day - pd.Timedelta(days=1))
        before = then.isna() & (rows["as_of"] < day)
        if card is not None and before.any():
            then[before] = scoring.score(card, rows[before]).frame["score"]
    return frame.assign(then=then.to_numpy())[list(SCORE_COLUMNS)]


def _diary(book: Book, listed: pd.DataFrame, ids: set[str]) -> Diary:
    """The part of the diary that concerns the accounts shown."""
    whole = book.diary
    picked = {name: getattr(whole, name)[getattr(whole, name)["account_id"].isin(ids)] for name in ("terms", "months", "plays")}
    recent = listed[["account_id", "as_of"]].merge(whole.recent, on=["account_id", "as_of"])
    return Diary(**{name: frame.reset_index(drop=True) for name, frame in picked.items()}, recent=recent)


def _typical(book: Book, finished: pd.DataFrame) -> dict[str, float]:
    """The median of tickets and of contacts before the cases that were kept; NaN where nothing counts them."""
    kept = finished.loc[finished["lost"] == 0, ["account_id", "as_of"]].merge(book.diary.recent, on=["account_id", "as_of"])
    return {name: float(kept[name].median()) if len(kept) else float("nan") for name in ("tickets", "contacts")}
