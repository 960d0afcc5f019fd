"""The lower half of the executive report: who may grow, who only pays, what became of the red list, who has how much to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib.bands import band_colours
from healthlib.studies import lists, power, today
from healthlib.studies.audit import MANY
from healthlib.studies.leaks import left_out
from healthlib.studies.loads import loads
from healthlib.studies.red_list import Later, RedList, red_list
from healthlib.studies.worked import Worked, worked

if TYPE_CHECKING:
    from healthlib.studies.accounts import AccountFacts
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.book import Book
    from healthlib.studies.growth import GrowthFacts

MONTHS = 6
"""Watermelons are listed that left within so many months: two quarters."""
WATERMELONS = (*lists.CASE_LIST_COLUMNS, "left_on")


@dataclass(frozen=True)
class FollowedFacts:
    """What the lower half of the executive report says.

    Attributes
    ----------
    kind, currency, as_of : as in the workspace
    bands : band names from worst to best, then unscored; band_colours their own colours, "" for none
    accounts, arr : all customers of the day
    ready : see `surely_ready`
    power : see `power.power_users`; power_labels the metrics it goes by
    zombies : the audit's, with the band as shown today; zombies_due how many of them renew within 90 days, and their ARR
    watermelons : the audit's by account whose loss lies within `MONTHS`: `WATERMELONS`; all_watermelons accounts on the audit's list
    red : see `red_list`
    leaky : metrics with weight in the score shown that seem to know the outcome
    worked : see `worked`
    loads : see `loads`; capacity as the workspace gives it, NaN where it does not
    anchors : account_id -> anchor of its section on the audit's page
    """

    kind: str
    currency: str
    as_of: pd.Timestamp
    bands: tuple[str, ...]
    band_colours: dict[str, str]
    accounts: int
    arr: float
    ready: pd.DataFrame
    power: pd.DataFrame
    power_labels: tuple[str, ...]
    zombies: pd.DataFrame
    zombies_due: tuple[int, float]
    watermelons: pd.DataFrame
    all_watermelons: int
    red: RedList
    leaky: tuple[str, ...]
    worked: Worked
    loads: pd.DataFrame
    capacity: float = float("nan")
    anchors: dict[str, str] = field(default_factory=dict)


def of(book: Book, done: dict[str, Any]) -> FollowedFacts:
    """The facts of `followed_study`, for `studies.compute`."""
    return followed_study(book, done["audit"], done["growth"], done["accounts"])


def followed_study(book: Book, audit: AuditFacts, growth: GrowthFacts, accounts: AccountFacts, *, replicates: int = 400) -> FollowedFacts:
    """Follow the base of an opened workspace; every figure is as known on the day of the book.

    Parameters
    ----------
    audit, growth, accounts : the facts of the other studies of the same book
    replicates : account resamples behind every interval; a quarter of them with more than `audit.MANY` accounts
    """
    shown = scored_rows(book)
    now = shown.on(book.as_of)
    replicates = replicates if len(now) <= MANY else replicates // 4
    workspace, worst = book.workspace, book.scorecard.bands[0].name
    quarter = today.earlier_days(book.history, book.as_of)["quarter"]
    work = worked(book, shown.rows, replicates=replicates)
    given = "accounts_per_csm" in workspace.work.model_fields_set
    capacity = workspace.work.accounts_per_csm if given else float("nan")
    labels = {name: metric.label for name, metric in book.scorecard.metrics.items()}
    weights = book.scorecard.weights
    due = audit.zombies[_within(audit.zombies["term_ends"] - book.as_of, 90)]
    bands = today.band_names(book.scorecard)
    return FollowedFacts(
        kind=workspace.kind,
        currency=workspace.currency,
        as_of=book.as_of,
        bands=tuple(bands),
        band_colours={band: band_colours(book.scorecard).get(band, "") for band in bands},
        accounts=len(now),
        arr=float(now["arr"].sum()),
        ready=surely_ready(growth),
        power=power.power_users(now, book.scorecard),
        power_labels=tuple(labels[name] for name in power.power_metrics(book.scorecard)),
        zombies=audit.zombies.assign(band=audit.zombies["account_id"].map(now["band"]).astype("object")),
        zombies_due=(len(due), float(due["arr"].sum())),
        watermelons=recent_watermelons(audit.watermelons, book.churned, book.as_of),
        all_watermelons=int(audit.watermelons["account_id"].nunique()),
        red=red_list(shown.on(quarter), Later(now, book.churned, completed(book)), worst, replicates=replicates),
        leaky=tuple(labels[name] for name in left_out(book.leaks.found) if weights.get(name, 0) > 0),
        worked=work,
        loads=loads(now, worst, work.running["account_id"] if work.ends_known else None, capacity, audit.owners),
        capacity=capacity,
        anchors=accounts.anchors,
    )


def scored_rows(book: Book) -> today.Scored:
    """Scores as shown of today, of the quarter's start, and of every snapshot of an account that was worked."""
    quarter = today.earlier_days(book.history, book.as_of)["quarter"]
    days = [book.as_of] if quarter is None else [book.as_of, quarter]
    wanted = book.history["as_of"].isin(days) | book.history["account_id"].isin(book.interventions["account_id"])
    return today.score_history(book.scorecard, book.history[wanted].reset_index(drop=True), book.overrides)


def completed(book: Book) -> tuple[str, ...]:
    """Accounts whose last term that has ended was said to be kept."""
    terms = book.diary.terms
    ended = terms[terms["ends"] <= book.as_of].sort_values("ends", kind="stable").drop_duplicates("account_id", keep="last")
    return tuple(ended.loc[ended["said"].astype("object") == "renewed", "account_id"].astype(str))


def surely_ready(growth: GrowthFacts) -> pd.DataFrame:
    """Who is ready for more: by a growth score that ranks, with a chance of growing whose interval lies above the rate of all who stayed.

    Largest new ARR to expect first; `expected_low` and `expected_high` beside it, from the interval of the chance.
    """
    sure = growth.ready[(growth.ready["low"].astype(float) > growth.rate.value) & growth.ranked]
    sure = sure.assign(**{f"expected_{end}": sure[end] * growth.size * sure["arr"] for end in ("low", "high")})
    return sure.sort_values(["expected_arr", "account_id"], ascending=[False, True], ignore_index=True)


def recent_watermelons(watermelons: pd.DataFrame, churned: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """The audit's watermelons, each account's latest case, that left within `MONTHS` of `at`; largest ARR first.

    `left_on` is the day the account left after the case was scored; of a term that was lost while another went on, the term's end.
    """
    latest = lists.latest(watermelons).astype({"as_of": "datetime64[s]", "account_id": "str"})
    cases = latest.sort_values("as_of", kind="stable")
    ends = churned[["account_id", "ended_on"]].astype({"account_id": "str"}).sort_values("ended_on", kind="stable")
    found = pd.merge_asof(
        cases, ends, left_on="as_of", right_on="ended_on", by="account_id", direction="forward", allow_exact_matches=False
    )
    term = found["term_ends"].astype("datetime64[s]")
    left = found["ended_on"].where(~(found["ended_on"] > term), term)
    found = found.assign(left_on=left.fillna(term))
    recent = found[(found["left_on"] > at - pd.DateOffset(months=MONTHS)) & (found["left_on"] <= at)]
    return recent.sort_values(["arr", "account_id"], ascending=[False, True], ignore_index=True)[list(WATERMELONS)]


def _within(ahead: pd.Series, days: int) -> np.ndarray:
    """Whether a day lies ahead, at most so many days."""
    left = pd.to_timedelta(ahead).dt.days
    return ((left > 0) & (left <= days)).to_numpy(bool)
