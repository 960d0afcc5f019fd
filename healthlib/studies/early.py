"""What the first days say: who became a successful customer, what those did early on, which features and steps went with staying."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib.studies import lists
from healthlib.studies.alone import auc_of
from healthlib.studies.groups import attributes, thirds
from healthlib.studies.rates import RATE_COLUMNS, rates_by

if TYPE_CHECKING:
    from healthlib.beginnings import Beginnings
    from healthlib.spec import Scorecard
    from healthlib.studies.book import Book

YEAR = 365
EARLY_DAYS = 90
"""A feature used within so many days of the start counts as adopted early."""
STEPS_WITHIN = 180
"""An onboarding step not done within so many days of the start counts as not done."""
FEWEST = 10
"""Accounts each side of a comparison needs (a convention)."""
FALSE_DISCOVERIES = 0.05

SUCCESS_COLUMNS = ("account_id", "name", "segment", "arr", "renewals", "arr_kept", "use_points", "successful", "because")
FIRST_DAYS = (
    "window", "measure", "successful", "others", "median_successful", "median_others", "auc", "low", "high", "q", "verdict",
)  # fmt: skip
FEATURES = (
    "feature", "used", "not_used", "kept_used", "used_low", "used_high", "kept_not", "not_low", "not_high", "arr_kept_used", "arr_kept_not",
    "lift", "odds", "odds_low", "odds_high", "q", "verdict",
)  # fmt: skip
STEP_COLUMNS = ("milestone", "done", *RATE_COLUMNS[1:])
DONE = ("on time", "late", f"not within {STEPS_WITHIN} days")
MEASURES = {
    "events": "Events",
    "active_days": "Days with use",
    "users": "Users",
    "features": "Features used",
    "contacts": "Contacts with us",
}


def success(book: Book) -> pd.DataFrame:
    """Who counts as a successful customer today, account by account, by the workspace's `success`.

    A bar of 0 asks nothing; points of use and contact are not asked either where the scorecard has no such metric.

    Returns
    -------
    DataFrame `SUCCESS_COLUMNS` of the active accounts: `because` is what an account lacks, "" for a successful one; successful accounts
    first, then by ARR.
    """
    from healthlib.studies.book import year_before

    today = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
    frame = today.reindex(columns=["account_id", "name", "segment", "arr"])
    frame["renewals"] = _renewals(book, today)
    before = book.ledger[book.ledger["month"] == year_before(book.as_of)].set_index("account_id")["arr"]
    frame["arr_kept"] = today["arr"] / today["account_id"].map(before).astype(float)
    frame["use_points"] = lists.use_points(today, book.scorecard)
    wanted = book.workspace.success
    asked = bool(lists.use_metrics(book.scorecard)) and wanted.use_points > 0
    lacks = {
        "not renewed yet" if wanted.renewals == 1 else f"renewed fewer than {wanted.renewals} times": frame["renewals"] < wanted.renewals,
        "ARR shrank" if wanted.arr_kept == 1 else f"ARR under {wanted.arr_kept:.0%} of a year ago": frame["arr_kept"] < wanted.arr_kept,
        f"a customer for under {wanted.tenure_days} days": today["age_days"] < wanted.tenure_days,
        "use not measured": frame["use_points"].isna() & asked,
        "little use or contact": frame["use_points"] < wanted.use_points,
    }
    frame["because"] = [
        ", ".join(reason for reason, holds in zip(lacks, row, strict=True) if holds) for row in zip(*lacks.values(), strict=True)
    ]
    frame["successful"] = frame["because"] == ""
    order = frame.sort_values(["successful", "arr", "account_id"], ascending=[False, False, True])
    return order[list(SUCCESS_COLUMNS)].reset_index(drop=True)


def _renewals(book: Book, today: pd.DataFrame) -> pd.Series:
    """Kept terms of each account; whole years as a customer where there are no terms."""
    if book.workspace.kind in ("churn_within", "flat"):
        return (today["age_days"] // YEAR).fillna(0.0)
    kept = book.cases[book.cases["lost"] == 0].groupby("account_id").size()
    return today["account_id"].map(kept).fillna(0).astype(float)


def followed(book: Book, starts: pd.DataFrame, *, days: int) -> pd.DataFrame:
    """Accounts that were still here `days` after their start, and whether they were a year later.

    Only accounts followed for the whole year and the grace after it, so that an early churn is not counted before an early renewal can be;
    those that left within the first `days` had no full chance to do anything early, and are left out.

    Parameters
    ----------
    starts : account_id, started_on

    Returns
    -------
    account_id, started_on, lost (1 left by the end of that year), arr and attributes as known at the first month-end after those days
    """
    frame = starts.assign(from_day=starts["started_on"] + pd.Timedelta(days=days))
    frame["until"] = frame["from_day"] + pd.Timedelta(days=YEAR)
    frame = frame[frame["until"] + pd.Timedelta(days=book.workspace.outcome.grace_days) <= book.as_of]
    later = book.history.merge(frame[["account_id", "from_day"]], on="account_id")
    later = later[later["as_of"] >= later["from_day"]].sort_values(["account_id", "as_of"]).drop_duplicates("account_id")
    left = book.churned[["account_id", "ended_on"]].merge(frame[["account_id", "from_day", "until"]], on="account_id")
    gone = left[(left["ended_on"] > left["from_day"]) & (left["ended_on"] <= left["until"])]["account_id"].unique()
    wanted = ["account_id", "arr", *attributes(book.history, book.scorecard)]
    found = frame.drop(columns=["from_day"]).merge(later[wanted], on="account_id")
    return found.assign(lost=found["account_id"].isin(gone).astype(float)).reset_index(drop=True)


def first_days(began: Beginnings, who: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """What the successful customers did in their first days that others did not.

    Parameters
    ----------
    who : account_id, arr, attributes, successful (bool): accounts old enough to be judged

    Returns
    -------
    DataFrame `FIRST_DAYS`: a row a window and measure. `auc` is the chance that a successful account did more of it than another of like
    size and kind (ranks within strata of the first attribute and thirds of ARR: large accounts do more of everything), with a 95 %
    interval from resampling accounts; `q` the Mann-Whitney p-value of those ranks after Benjamini and Hochberg over all rows; `verdict`
    is more, less or cannot tell. Medians are of the counts themselves. Only windows that were measured whole.
    """
    from scipy.stats import mannwhitneyu
    from statsmodels.stats.multitest import multipletests

    rows: list[dict[str, Any]] = []
    who = who.assign(stratum=_strata(who, scorecard))
    for (window, measure), part in _measured(began, who):
        won = part["successful"]
        if min(won.sum(), (~won).sum()) < FEWEST:
            continue
        rank = part.groupby("stratum")["value"].rank(pct=True)
        area = auc_of(part.assign(lost=(~won).astype(float)), rank, replicates=replicates, seed=seed)
        rows.append({
            "window": window, "measure": MEASURES[measure], "successful": int(won.sum()), "others": int((~won).sum()),
            "median_successful": part.loc[won, "value"].median(), "median_others": part.loc[~won, "value"].median(),
            "auc": area.value, "low": area.low, "high": area.high, "p": float(mannwhitneyu(rank[won], rank[~won]).pvalue),
        })  # fmt: skip
    if not rows:
        return pd.DataFrame(columns=list(FIRST_DAYS))
    frame = pd.DataFrame(rows)
    frame["q"] = multipletests(frame["p"], method="fdr_bh")[1]
    sure = (frame["q"] < FALSE_DISCOVERIES) & ((frame["low"] > 0.5) | (frame["high"] < 0.5))
    frame["verdict"] = np.where(sure, np.where(frame["auc"] > 0.5, "more", "less"), "cannot tell")
    return frame[list(FIRST_DAYS)]


def _measured(began: Beginnings, who: pd.DataFrame) -> list[tuple[tuple[int, str], pd.DataFrame]]:
    both = began.activity.merge(who[["account_id", "arr", "successful", "stratum"]], on="account_id")
    parts = []
    for window in sorted(both["window"].unique()):
        for measure in MEASURES:
            part = both[(both["window"] == window) & both[measure].notna()].rename(columns={measure: "value"})
            if len(part):
                parts.append(((int(window), measure), part[["account_id", "arr", "successful", "stratum", "value"]].reset_index(drop=True)))
    return parts


def features(began: Beginnings, cases: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """How much more often accounts stay that used a feature within their first `EARLY_DAYS` days.

    Parameters
    ----------
    cases : from `followed`, with days=EARLY_DAYS

    Returns
    -------
    DataFrame `FEATURES`, largest adjusted odds first. `kept_*` are shares that stayed the year after, with 95 % intervals; `lift` their
    ratio; `odds` is the Mantel-Haenszel odds ratio of staying within strata of the first attribute and thirds of ARR (statsmodels'
    StratifiedTable, interval of Robins, Breslow and Greenland 1986, doi:10.2307/2531052); `q` its Cochran-Mantel-Haenszel p-value after
    Benjamini and Hochberg. `verdict`: goes with staying, goes with leaving, cannot tell. Features used, or not, by fewer than `FEWEST`
    accounts are left out.
    """
    from statsmodels.stats.multitest import multipletests

    recorded = began.recorded.get("usage")
    cases = cases[cases["started_on"] >= recorded].reset_index(drop=True) if recorded is not None else cases.head(0)
    early = began.adopted[began.adopted["first_day"] < EARLY_DAYS]
    strata = _strata(cases, scorecard)
    rows = []
    for feature, who in early.groupby("feature")["account_id"]:
        used = cases["account_id"].isin(set(who))
        if min(used.sum(), (~used).sum()) >= FEWEST and cases["lost"].nunique() == 2:
            rows.append({"feature": feature, **_lift(cases, used, strata, replicates=replicates, seed=seed)})
    if not rows:
        return pd.DataFrame(columns=list(FEATURES))
    frame = pd.DataFrame(rows)
    tested = frame["p"].notna()
    frame["q"] = np.nan
    if tested.any():
        frame.loc[tested, "q"] = multipletests(frame.loc[tested, "p"], method="fdr_bh")[1]
    sure = frame["q"] < FALSE_DISCOVERIES
    frame["verdict"] = np.where(sure, np.where(frame["odds"] > 1, "goes with staying", "goes with leaving"), "cannot tell")
    return frame.sort_values(["odds", "feature"], ascending=[False, True], na_position="last")[list(FEATURES)].reset_index(drop=True)


def _strata(cases: pd.DataFrame, scorecard: Scorecard) -> pd.Series:
    """The first attribute and the third of ARR of each account, as one label; what is unknown is a stratum of its own."""
    names = attributes(cases, scorecard)[:1]
    parts = [cases[name].astype("string").fillna("?") for name in names] + [thirds(cases["arr"]).astype("string").fillna("?")]
    label = parts[0]
    for part in parts[1:]:
        label = label + " | " + part
    return label


def _lift(cases: pd.DataFrame, used: pd.Series, strata: pd.Series, *, replicates: int, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side, chosen in (("used", used), ("not", ~used)):
        row = rates_by(cases[chosen], pd.Series(side, index=cases.index)[chosen], replicates=replicates, seed=seed).to_dict("records")[0]
        found |= {f"kept_{side}": 1 - row["rate"], f"{side}_low": 1 - row["high"], f"{side}_high": 1 - row["low"]}
        found |= {f"arr_kept_{side}": 1 - row["arr_rate"]}
    found |= {"used": int(used.sum()), "not_used": int((~used).sum())}
    found["lift"] = found["kept_used"] / found["kept_not"] if found["kept_not"] > 0 else np.nan
    return found | _mantel_haenszel(used.to_numpy(), cases["lost"].to_numpy() == 0, strata)


def _mantel_haenszel(used: np.ndarray, kept: np.ndarray, strata: Sequence[str] | pd.Series) -> dict[str, float]:
    """Odds ratio of staying, its interval and p-value; NaN where no stratum holds both sides and both outcomes."""
    from statsmodels.stats.contingency_tables import StratifiedTable

    number = pd.factorize(np.asarray(strata))[0]
    cell = 4 * number + 2 * (~np.asarray(used, bool)) + ~np.asarray(kept, bool)
    every = np.bincount(cell, minlength=4 * (number.max(initial=-1) + 1)).reshape(-1, 2, 2).astype(float)
    tables = [table for table in every if table.sum(axis=0).all() and table.sum(axis=1).all()]
    if not tables or not np.sum(tables, axis=0).all():
        return dict.fromkeys(("odds", "odds_low", "odds_high", "p"), float("nan"))
    found = StratifiedTable(tables)
    low, high = found.oddsratio_pooled_confint()
    return {
        "odds": float(found.oddsratio_pooled),
        "odds_low": float(low),
        "odds_high": float(high),
        "p": float(found.test_null_odds().pvalue),
    }


def steps(began: Beginnings, cases: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """What followed when an onboarding step was done on time, late, or not within `STEPS_WITHIN` days.

    Parameters
    ----------
    cases : from `followed`, with days=STEPS_WITHIN

    Returns
    -------
    DataFrame `STEP_COLUMNS`: a row a step and how it was done, then "all steps" by the worst of an account's steps. A step without a due
    date is on time whenever it was done in time to count.
    """
    taken = began.steps.merge(cases, on="account_id")
    if taken.empty:
        return pd.DataFrame(columns=list(STEP_COLUMNS))
    inside = taken["completed_on"] < taken["started_on"] + pd.Timedelta(days=STEPS_WITHIN)
    late = taken["completed_on"] > taken["due_on"]
    taken["how"] = np.select([inside & ~late, inside], [0, 1], 2)
    worst = taken.groupby("account_id", as_index=False)["how"].max().merge(cases, on="account_id").assign(milestone="all steps")
    order = taken.groupby("milestone")["due_on"].min().sort_values(kind="stable").index
    parts = [(name, taken[taken["milestone"] == name]) for name in order] + [("all steps", worst)]
    tables = []
    for name, part in parts:
        labels = pd.Series(pd.Categorical.from_codes(part["how"].to_list(), categories=pd.Index(DONE), ordered=True), index=part.index)
        tables.append(rates_by(part, labels, replicates=replicates, seed=seed).rename(columns={"group": "done"}).assign(milestone=name))
    return pd.concat(tables, ignore_index=True)[list(STEP_COLUMNS)]


def early_facts(book: Book, *, replicates: int = 400, seed: int = 0) -> dict[str, pd.DataFrame]:
    """What an audit says of the first days: successful, first_days, features, steps; each empty where the exports cannot say it."""
    again: dict[str, Any] = {"replicates": replicates, "seed": seed}
    successful = success(book)
    near, later = (followed(book, book.began.starts, days=days) for days in (EARLY_DAYS, STEPS_WITHIN))
    won = near["account_id"].isin(successful.loc[successful["successful"], "account_id"])
    return {
        "successful": successful,
        "first_days": first_days(book.began, near.assign(successful=won), book.scorecard, **again),
        "features": features(book.began, near, book.scorecard, **again),
        "steps": steps(book.began, later, **again),
    }
