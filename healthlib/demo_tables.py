"""From what happened to what the company's systems would export: the canonical tables, a leak and some dirt included."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.demo_accounts import CSMS, DAY_ZERO, EVENTS_FROM, LAST_DAY, Company
from healthlib.schema import TABLES, WHEN

NASTY_NAMES = (
    "<script>alert(1)</script>", "=cmd()|' /C calc'!A0", "شركة النور للتقنية",
    "🦊 Fox & Sons", 'Quote "Me", Inc.', "Long " + "name " * 58 + "Group",
)  # fmt: skip
"""Given to customers whose term ends within 90 days, so that every report shows them and must show them as plain text."""
DIRTY_ROWS = {"tickets": 4, "usage": 2, "surveys": 1}
"""Rows planted to be rejected, by table."""
FEEDBACK_RIGHT = 2 / 3
DOUBTS = ("budget under review", "our sponsor is leaving", "they asked for a competitor's price", "promised rollout never came")
HOPES = ("new sponsor in place", "usage moved to the API", "two more teams want in", "quiet because it works")
CSM_LEAVES = {0: 700, 1: 1250}
TIME_OF_DAY = {"tickets": ("opened_at", "closed_at")}


def export_tables(
    company: Company, events: dict[str, pd.DataFrame], terms: pd.DataFrame, seed: int, *, leak: bool
) -> dict[str, pd.DataFrame]:
    """All canonical tables as text-ready frames: ids and ISO dates instead of positions and day numbers.

    Parameters
    ----------
    terms : from `draw_outcomes`; what follows a loss is cut off, what follows a decision fades
    leak : whether tickets of customers who gave notice were renamed 'cancellation' afterwards
    """
    rng = np.random.default_rng([seed, 300])
    alive = _alive_days(company, terms)
    known = terms[terms["start"] <= LAST_DAY]
    tables = {name: _survivors(frame, TABLES[name].time, alive) for name, frame in events.items()}
    tables["usage"] = _fade(rng, tables["usage"], known)
    tables["goals"]["achieved_at"] = tables["goals"]["achieved_at"].where(_at(alive, tables["goals"], "achieved_at"))
    tables["milestones"]["completed_at"] = tables["milestones"]["completed_at"].where(_at(alive, tables["milestones"], "completed_at"))
    tables["tickets"] = pd.concat([tables["tickets"], _cancellations(rng, known)] if leak else [tables["tickets"]])
    tables["ratings"] = pd.concat([tables["ratings"], _afterthoughts(rng, known)]).sort_values(["rated_at", "account"], kind="stable")
    tables["tickets"] = tables["tickets"].sort_values(["opened_at", "account"], kind="stable", ignore_index=True)
    tables["interventions"] = _interventions(rng, known, alive)
    tables["feedback"] = _feedback(np.random.default_rng([seed, 400]), known, alive)
    tables["contracts"] = _contracts(known, company)
    tables["attributes"] = _attributes(rng, company, known)
    tables["accounts"] = _accounts(company, tables["attributes"], known)
    _sign(tables, company.accounts["account_id"].to_numpy())
    return _dirty({name: _as_text(name, tables[name], company) for name in TABLES})


def _alive_days(company: Company, terms: pd.DataFrame) -> np.ndarray:
    """accounts x days: whether a contract (or the gap before a late signature) covers the day."""
    alive = np.zeros((len(company.accounts), LAST_DAY + 2), dtype=bool)
    for account, start, until in zip(terms["account"], terms["start"], terms["until"].astype(int), strict=True):
        alive[account, start : min(until, LAST_DAY + 1)] = True
    return alive


def _at(alive: np.ndarray, frame: pd.DataFrame, time: str) -> pd.Series:
    day = frame[time].fillna(LAST_DAY + 1).clip(upper=LAST_DAY + 1).astype(int)
    return pd.Series(alive[frame["account"], day], index=frame.index)


def _survivors(frame: pd.DataFrame, time: str | None, alive: np.ndarray) -> pd.DataFrame:
    return (frame if time is None else frame[_at(alive, frame, time)]).reset_index(drop=True)


def _fade(rng: np.random.Generator, usage: pd.DataFrame, terms: pd.DataFrame) -> pd.DataFrame:
    """Three in five rows of usage vanish once the customer has decided to leave."""
    leaving = terms[terms["lost"] & terms["decided"].notna()]
    fading = np.zeros((usage["account"].max() + 1, LAST_DAY + 1), dtype=bool)
    for account, decided, end in zip(leaving["account"], leaving["decided"].astype(int), leaving["end"], strict=True):
        fading[account, decided:end] = True
    gone = fading[usage["account"], usage["occurred_at"]] & (rng.random(len(usage)) < 0.6)
    return usage[~gone].reset_index(drop=True)


def _cancellations(rng: np.random.Generator, terms: pd.DataFrame) -> pd.DataFrame:
    """The planted leak: tickets of 85 % of the lost terms bear the category 'cancellation' with a date before anybody knew.

    After each notice the support desk renamed an older ticket of that customer. The event time is honest, the content is not,
    so no clock can hide it: only its implausible power can give it away. A few renewed customers had thought about it, too.
    """
    decided = terms[terms["decided"].notna()]
    share = np.where(decided["lost"], 0.85, 0.005)
    rows = decided[rng.random(len(decided)) < share]
    opened = rows["end"] - rng.integers(91, 165, len(rows)) + 0.5
    rows = pd.DataFrame({"account": rows["account"], "opened_at": opened, "start": rows["start"]})
    rows = rows[rows["opened_at"] >= rows["start"].clip(lower=EVENTS_FROM)].drop(columns="start")
    return rows.assign(severity="normal", category="cancellation", closed_at=rows["opened_at"] + 2.25, satisfaction=np.nan)


def _afterthoughts(rng: np.random.Generator, terms: pd.DataFrame) -> pd.DataFrame:
    """Ratings of 1 entered after the notice and dated back: harmless only to who goes by `recorded_at`."""
    rows = terms[terms["lost"] & terms["decided"].notna()]
    rows = rows[rng.random(len(rows)) < 0.5]
    frame = pd.DataFrame({"account": rows["account"], "rated_at": rows["end"] - rng.integers(95, 150, len(rows)), "rating": 1.0})
    frame["kind"], frame["recorded_at"] = "sentiment", rows["decided"] + rng.integers(1, 30, len(rows))
    ok = (frame["rated_at"] >= rows["start"].clip(lower=EVENTS_FROM)) & (frame["recorded_at"] <= LAST_DAY)
    return frame[ok]


def _feedback(rng: np.random.Generator, terms: pd.DataFrame, alive: np.ndarray) -> pd.DataFrame:
    """CSMs call the score wrong on one term in twelve, in the last quarter before its end, and are right two times in three."""
    rows = terms[rng.random(len(terms)) < 1 / 12]
    lower = rows["lost"].to_numpy() == (rng.random(len(rows)) < FEEDBACK_RIGHT)
    points = rows["current"].fillna(50.0).to_numpy() + np.where(lower, -1, 1) * rng.integers(15, 36, len(rows))
    band = np.where(lower, "red", "green")
    frame = pd.DataFrame({"account": rows["account"], "said_on": rows["end"] - rng.integers(30, 86, len(rows))})
    frame["should_be"] = np.where(rng.random(len(rows)) < 0.2, band, np.clip(points, 0, 100).round().astype(int).astype(str))
    frame["why"] = np.where(lower, rng.choice(DOUBTS, len(rows)), rng.choice(HOPES, len(rows)))
    frame = frame[(frame["said_on"] >= np.maximum(rows["start"], EVENTS_FROM)) & (frame["said_on"] <= LAST_DAY)]
    return frame[_at(alive, frame, "said_on")].sort_values(["said_on", "account"], ignore_index=True)


def _interventions(rng: np.random.Generator, terms: pd.DataFrame, alive: np.ndarray) -> pd.DataFrame:
    rows = terms[terms["treated"]]
    frame = pd.DataFrame({"account": rows["account"], "started_at": rows["as_of"] + rng.integers(0, 25, len(rows))})
    frame["playbook"] = rng.choice(["executive call", "adoption plan", "value workshop", "support escalation"], len(rows))
    frame["ended_at"] = frame["started_at"] + rng.integers(20, 60, len(rows))
    frame["trigger"] = np.where(rows["current"] < 50, "red score", "CSM's request")
    frame["ended_at"] = frame["ended_at"].where(frame["ended_at"] <= LAST_DAY)
    frame = frame[(frame["started_at"] >= EVENTS_FROM) & _at(alive, frame, "started_at")]
    return frame.sort_values(["started_at", "account"], ignore_index=True)


def _contracts(terms: pd.DataFrame, company: Company) -> pd.DataFrame:
    frame = terms[["account", "start", "end", "arr", "discount"]].rename(columns={"start": "start_date", "end": "end_date"})
    habits = company.accounts.iloc[terms["account"]].reset_index(drop=True).set_index(terms.index)
    ids = company.accounts["account_id"].to_numpy()[terms["account"]]
    frame["contract_id"] = [f"C-{name}-{number + 1:02d}" for name, number in zip(ids, terms["term"], strict=True)]
    frame["seats"] = terms["seats"].where(habits["seats_known"])
    frame["auto_renew"], frame["billing_period"] = habits["auto_renew"], habits["billing"]
    decided = terms["decided"].notna()
    frame["outcome"] = np.select([decided & terms["lost"], decided], ["churned", "renewed"], "open")
    frame["decided_on"], frame["churn_reason"] = terms["decided"], terms["reason"].where(decided & terms["lost"])
    next_arr = terms.groupby("account")["arr"].shift(-1).fillna(terms["arr"])
    frame["renewed_arr"] = next_arr.where(decided & ~terms["lost"], np.where(decided, 0.0, np.nan))
    return frame


def _attributes(rng: np.random.Generator, company: Company, terms: pd.DataFrame) -> pd.DataFrame:
    """Segment and plan as of each term, the CSM as of each change of staff; a full row whenever one of them changed."""
    n = len(company.accounts)
    csm = rng.integers(0, len(CSMS), n)
    points = [terms[["account", "start"]].rename(columns={"start": "valid_from"})]
    steps = [pd.DataFrame({"account": range(n), "since": 0, "csm": csm})]
    for leaver, day in CSM_LEAVES.items():
        book = np.flatnonzero(csm == leaver)
        csm[book] = rng.integers(len(CSM_LEAVES), len(CSMS), len(book))
        steps.append(pd.DataFrame({"account": book, "since": day, "csm": csm[book]}))
        points.append(pd.DataFrame({"account": book, "valid_from": day}))
    lost = terms[terms["lost"] & (terms["end"] <= LAST_DAY)]
    points.append(lost[["account", "end"]].rename(columns={"end": "valid_from"}))
    rows = pd.concat(points).drop_duplicates().sort_values(["valid_from", "account"], ignore_index=True)
    rows = pd.merge_asof(rows, terms.sort_values("start")[["account", "start", "end", "lost", "segment", "plan"]], left_on="valid_from",
                         right_on="start", by="account").dropna(subset=["segment"])  # fmt: skip
    rows = pd.merge_asof(rows, pd.concat(steps).sort_values("since", kind="stable"), left_on="valid_from", right_on="since", by="account")
    gone = rows["lost"].astype(bool) & (rows["valid_from"] >= rows["end"])
    rows["csm"] = np.where(gone, "unassigned", np.array(CSMS)[rows["csm"]])
    rows = rows.sort_values(["account", "valid_from"], ignore_index=True)
    same = (rows[["account", "segment", "plan", "csm"]] == rows[["account", "segment", "plan", "csm"]].shift()).all(axis=1)
    who = company.accounts[["industry", "region"]]
    return rows.loc[~same, ["account", "valid_from", "segment", "plan", "csm"]].merge(who, left_on="account", right_index=True)


def _accounts(company: Company, attributes: pd.DataFrame, terms: pd.DataFrame) -> pd.DataFrame:
    """Today's values; the six nastiest names go to the smallest customers that renew within 90 days."""
    frame = attributes.groupby("account").tail(1).drop(columns="valid_from").sort_values("account", ignore_index=True)
    names = company.accounts["name"].copy()
    soon = terms[terms["decided"].isna() & terms["end"].between(LAST_DAY + 1, LAST_DAY + 90)].nsmallest(len(NASTY_NAMES), "arr")
    names[soon["account"]] = list(NASTY_NAMES)[: len(soon)]
    return frame.assign(name=names[frame["account"]].to_numpy())


def _sign(tables: dict[str, pd.DataFrame], ids: np.ndarray) -> None:
    """Add the ids and names of persons that the events did not need: users, respondents, tickets, the CSM of the day."""
    tables["tickets"]["ticket_id"] = [f"T{i + 1:06d}" for i in range(len(tables["tickets"]))]
    for name, number, column, letter in (("usage", "user", "user_id", "u"), ("surveys", "respondent", "respondent_id", "r")):
        frame = tables[name]
        frame[column] = [f"{ids[account]}-{letter}{i}" for account, i in zip(frame["account"], frame[number], strict=True)]
    for name, time, column in (("ratings", "rated_at", "rated_by"), ("overrides", "set_on", "set_by"), ("feedback", "said_on", "said_by")):
        staff = tables["attributes"][["account", "valid_from", "csm"]].sort_values("valid_from")
        frame = tables[name].sort_values([time, "account"], kind="stable", ignore_index=True)
        frame[time] = frame[time].astype("int64")
        signed = pd.merge_asof(frame, staff.astype({"valid_from": "int64"}), left_on=time, right_on="valid_from", by="account")
        tables[name] = frame.assign(**{column: signed["csm"].to_numpy()})


def _as_text(name: str, frame: pd.DataFrame, company: Company) -> pd.DataFrame:
    """The table's canonical columns in their order (then recorded_at), with account ids and ISO dates; integers stay integers."""
    columns = [c for c in TABLES[name].columns if c in frame or c == "account_id"]
    if name == "attributes":
        columns += ["segment", "industry", "region", "plan", "csm"]
    columns += ["recorded_at"] if "recorded_at" in frame else []
    out = frame.assign(account_id=company.accounts["account_id"].to_numpy()[frame["account"]])[columns].copy()
    for column in columns:
        if column == "recorded_at" or TABLES[name].columns.get(column) == WHEN:
            out[column] = _iso(out[column], column in TIME_OF_DAY.get(name, ()))
        elif out[column].dtype.kind == "f" and (out[column].dropna() % 1 == 0).all():
            out[column] = out[column].astype("Int64")
        elif out[column].dtype == bool:
            out[column] = np.where(out[column], "true", "false")
    return out.reset_index(drop=True)


def _iso(day: pd.Series, with_time: bool) -> pd.Series:
    """Day numbers as ISO text; empty stays empty."""
    if with_time:
        stamp = DAY_ZERO + pd.to_timedelta(np.floor(day * 1440) * 60, unit="s")
        return stamp.dt.strftime("%Y-%m-%dT%H:%M:%SZ").where(day.notna(), None)
    calendar = np.array([*pd.date_range(DAY_ZERO, periods=LAST_DAY + 1200).strftime("%Y-%m-%d"), None], dtype=object)
    return pd.Series(calendar[day.fillna(len(calendar) - 1).astype(int)], index=day.index)


def _dirty(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Append what real exports contain: strangers, a ticket twice, days that do not exist, words in the place of numbers."""
    extra = {
        name: tables[name].astype(object).iloc[len(tables[name]) // 2 :].head(n).reset_index(drop=True) for name, n in DIRTY_ROWS.items()
    }
    extra["tickets"].loc[:2, "account_id"] = ["A9991", "A9992", "TEST"]
    extra["tickets"].loc[:2, "ticket_id"] = ["T900001", "T900002", "T900003"]
    extra["usage"].loc[0, "occurred_at"] = "2024-02-31"
    extra["usage"].loc[1, "quantity"] = "twelve"
    extra["surveys"].loc[0, "score"] = "ten"
    return {name: pd.concat([t.astype(object), extra[name]], ignore_index=True) if name in extra else t for name, t in tables.items()}
