"""The customer base on one day against an earlier one: every account's score, and accounts and ARR by band, segment and group."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from healthlib import changes, levels, scoring
from healthlib.overrides import NONE
from healthlib.palette import UNSCORED
from healthlib.spec import Scorecard
from healthlib.studies.overruled import overrule, overruled
from healthlib.wording import day as day_said
from healthlib.wording import short_day

SEGMENTS = ("segment", "plan", "industry", "region")
"""Attributes a base is divided by; the first that is there and has 2 to 12 values."""

TREND_MONTHS = 13
MONTHS_APART = 300
"""Days from which a date is said with its year."""


@dataclass(frozen=True)
class Scored:
    """Snapshots with their scores; `rows` and every frame in `scores` share one index.

    Attributes
    ----------
    rows : the snapshots, with score and band as shown (an override in force sets them), coverage, gate, and the columns of
        `overrides.overrule`: measured_score, measured_band, override ...
    scores : what scoring says of them, overrides apart
    """

    rows: pd.DataFrame
    scores: scoring.Scores

    def on(self, day: pd.Timestamp | None) -> pd.DataFrame:
        """The rows of one day, by account_id; no rows for no day."""
        chosen = self.rows["as_of"] == day if day is not None else np.zeros(len(self.rows), dtype=bool)
        return self.rows[chosen].set_index("account_id", drop=False).rename_axis(None).sort_index()


def score_history(scorecard: Scorecard, history: pd.DataFrame, in_force: pd.DataFrame | None = None) -> Scored:
    """Score every snapshot; `in_force` are the overrides to show in place of measured scores (`healthlib.overrides.COLUMNS`)."""
    scores = scoring.score(scorecard, history)
    rows = history.join(scores.frame[["score", "band", "coverage", "gate"]])
    return Scored(rows=overrule(rows, NONE if in_force is None else in_force, scorecard), scores=scores)


def band_names(scorecard: Scorecard) -> list[str]:
    """Bands from worst to best, then unscored."""
    return [*(band.name for band in scorecard.bands), UNSCORED]


def earlier_days(history: pd.DataFrame, as_of: pd.Timestamp) -> dict[str, pd.Timestamp | None]:
    """The previous month-end and the one closest to a year ago (at most 16 days off), where history reaches so far."""
    days = sorted(day for day in history["as_of"].unique() if day < as_of)
    year = as_of - pd.DateOffset(years=1)
    near = [day for day in days if abs((day - year).days) <= 16]
    quarter = [day for day in days if day <= as_of - pd.DateOffset(days=84)]
    return {
        "month": days[-1] if days else None,
        "quarter": quarter[-1] if quarter and (as_of - quarter[-1]).days <= 125 else None,
        "year": min(near, key=lambda day: (abs((day - year).days), day)) if near else None,
    }


def bands_on(scored: Scored, bands: Sequence[str], days: dict[str, pd.Timestamp | None]) -> pd.DataFrame:
    """Accounts and ARR by band.

    Parameters
    ----------
    days : suffix of the columns -> day; no day leaves NaN

    Returns
    -------
    DataFrame band, then accounts<suffix> and arr<suffix> for each day; a row per band, zero where it is empty
    """
    table = pd.DataFrame({"band": list(bands)})
    for suffix, day in days.items():
        rows = scored.on(day)
        by_band = rows.groupby("band")["arr"].agg(["size", "sum"]).reindex(list(bands)).fillna(0.0)
        known = len(rows) > 0
        table[f"accounts{suffix}"] = by_band["size"].to_numpy() if known else np.nan
        table[f"arr{suffix}"] = by_band["sum"].to_numpy() if known else np.nan
    return table


def band_trend(scored: Scored, bands: Sequence[str]) -> pd.DataFrame:
    """Accounts and ARR by band on each of the last 13 dates: as_of, band, accounts, arr (zero where a band is empty)."""
    last = sorted(scored.rows["as_of"].unique())[-TREND_MONTHS:]
    rows = scored.rows[scored.rows["as_of"].isin(last)]
    grid = pd.MultiIndex.from_product([last, list(bands)], names=["as_of", "band"])
    table = rows.groupby(["as_of", "band"])["arr"].agg(accounts="size", arr="sum").reindex(grid, fill_value=0)
    return table.reset_index().astype({"accounts": "int64", "arr": "float64"})


def migration(now: pd.DataFrame, before: pd.DataFrame, bands: Sequence[str]) -> pd.DataFrame:
    """Who moved from which band to which: from, to, accounts, arr (today's; of accounts that left, what they had).

    `from` is "new" for an account that was not active before, `to` is "left" for one that no longer is. Only moves that happened.
    """
    both = pd.DataFrame({"from": before["band"], "to": now["band"], "arr": now["arr"].combine_first(before["arr"])})
    both = both.assign(**{"from": both["from"].fillna("new"), "to": both["to"].fillna("left")})
    table = both.groupby(["from", "to"])["arr"].agg(accounts="size", arr="sum").reset_index()
    order = {name: place for place, name in enumerate([*bands, "new", "left"])}
    table = table.iloc[np.lexsort((table["to"].map(order), table["from"].map(order)))]
    return table.reset_index(drop=True)


def segment_column(rows: pd.DataFrame) -> str:
    """The attribute the base is divided by, or "" where none divides it."""
    return next((name for name in SEGMENTS if name in rows.columns and 2 <= rows[name].nunique() <= 12), "")


def group_view(scored: Scored, day: pd.Timestamp, bands: Sequence[str]) -> pd.DataFrame:
    """Where the base is strong and weak: per segment accounts, arr, arr_worst (in the worst band), and ARR-weighted points per group.

    Returns
    -------
    DataFrame segment, accounts, arr, arr_worst, then a column `group:<name>` per group (0-100, NaN where nothing was measured);
    last row "All accounts"
    """
    rows = scored.rows[scored.rows["as_of"] == day]
    name = segment_column(rows)
    labels = rows[name].fillna("not stated") if name else pd.Series("", index=rows.index)
    parts = [(str(label), part) for label, part in rows.groupby(labels)] if name else []
    table = [_group_row(label, part, scored, bands[0]) for label, part in [*parts, ("All accounts", rows)]]
    return pd.DataFrame(table)


def _group_row(label: str, part: pd.DataFrame, scored: Scored, worst: str) -> dict[Hashable, object]:
    groups = scored.scores.groups.loc[part.index]
    weight = groups.notna().mul(part["arr"], axis=0)
    total = weight.sum()
    points = (groups * weight).sum() / total.where(total > 0)
    lowest = part.loc[part["band"] == worst, "arr"].sum()
    return {"segment": label, "accounts": len(part), "arr": part["arr"].sum(), "arr_worst": lowest, **points.add_prefix("group:").to_dict()}


def scores_frame(
    scored: Scored,
    scorecard: Scorecard,
    day: pd.Timestamp,
    before: pd.Timestamp | None,
    dated: pd.DataFrame | None = None,
    previous: Scorecard | None = None,
) -> pd.DataFrame:
    """The accounts of one day as in scores.csv, without probabilities: worst score first, unscored last.

    Score, band, previous_score and previous_band are those shown; `points:<metric>` and `points:override` sum to the score.

    Parameters
    ----------
    dated : account_id, metric, day: the newest row behind each metric, for the words of `top_drivers`
    previous : the scorecard that was in force on `before`, where it was another
    """
    rows = scored.rows[scored.rows["as_of"] == day]
    earlier = scored.on(before)
    frame = rows[["account_id", "as_of", "score", "band", "coverage"]].copy()
    frame["previous_score"] = rows["account_id"].map(earlier["score"]).astype(float)
    frame["previous_band"] = rows["account_id"].map(earlier["band"])
    frame["arr"], frame["term_ends"] = rows["arr"], rows["term_ends"]
    frame = frame.join(scored.scores.groups.loc[rows.index].add_prefix("group:")).join(
        scored.scores.points.loc[rows.index].add_prefix("points:")
    )
    again = scoring.score(scorecard, rows[scored.scores.cases.columns])
    shown = replace(again, frame=again.frame.assign(band=rows["band"]))
    drivers = scoring.top_drivers(again, dates=ages(scorecard, rows, dated))
    frame["top_drivers"] = overruled(rows).where(rows["override"].notna(), "").str.replace("^(.+)$", r"\1; ", regex=True) + drivers
    frame["playbook"] = scoring.playbooks(shown)
    frame = frame.join(_last_columns(scored, (scorecard, previous), rows, earlier))
    return frame.sort_values(["score", "arr", "account_id"], ascending=[True, False, True]).reset_index(drop=True)


def _last_columns(scored: Scored, cards: tuple[Scorecard, Scorecard | None], rows: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """The columns at the end of scores.csv: the score without the override, who overruled and until when, and why the score moved.

    `cards` are the scorecard of today and, where it was another, that of the earlier day: a change is against the score shown then.
    """
    scorecard, previous = cards
    added = rows["override"] - rows["measured_score"].fillna(0.0)
    frame = pd.DataFrame({
        "score_without_override": rows["measured_score"], "band_without_override": rows["measured_band"],
        "points:override": added.where(rows["override"].notna(), 0.0).where(rows["score"].notna()),
        "override_by": rows["override_by"], "override_reason": rows["override_reason"],
        "override_expires_on": rows["override_expires_on"],
    })  # fmt: skip
    names = list(scored.scores.cases.columns)
    found = changes.explain_change(rows[[*names, "override"]], earlier[[*names, "override"]], scorecard, previous=previous)
    by_account = found.frame.set_index("account_id")
    for name in ("change", *changes.CAUSES):
        frame[name if name == "change" else f"change_{name}"] = rows["account_id"].map(by_account[name]).astype(float)
    told = changes.told(found, rows, earlier, scorecard).to_dict()
    frame["change_drivers"] = [told.get(account, "") for account in rows["account_id"]]
    return frame


def ages(scorecard: Scorecard, rows: pd.DataFrame, dated: pd.DataFrame | None, *, short: bool = False) -> pd.DataFrame | None:
    """Date and age of the newest row behind each metric, in words; index of `rows`, a column a metric, "" where there is no row.

    `short` says `, last 5 Oct, 26 d`, for a page that explains itself.

    >>> from healthlib.spec import Band, Measure, Metric
    >>> card = Scorecard(groups=("g",), metrics={"nps": Metric(name="nps", group="g", measure=Measure(kind="count"), worst=0, best=1)},
    ...                  bands=(Band(name="all", start=0),))
    >>> rows = pd.DataFrame({"account_id": ["a"], "as_of": [pd.Timestamp("2026-10-31")]})
    >>> dated = pd.DataFrame({"account_id": ["a"], "metric": ["nps"], "day": [pd.Timestamp("2026-10-05")]})
    >>> ages(card, rows, dated)["nps"].tolist()
    [', last 5 Oct, 26 days old']
    """
    if dated is None or dated.empty or rows.empty:
        return None
    wide = dated.pivot(index="account_id", columns="metric", values="day").reindex(
        index=rows["account_id"], columns=list(scorecard.metrics)
    )
    dates = wide.to_numpy(dtype="datetime64[s]")
    days = (rows["as_of"].to_numpy()[:, None] - dates).astype("timedelta64[D]")
    said = cache(lambda at, age: _age(np.datetime64(at, "s"), age, short))  # accounts x metrics share a few hundred days
    texts = [
        [said(at, age) for at, age in zip(*pair, strict=True)]
        for pair in zip(dates.astype(np.int64).tolist(), days.astype(np.int64).tolist(), strict=True)
    ]
    return pd.DataFrame(texts, index=rows.index, columns=list(scorecard.metrics))


def _age(at: np.datetime64, days: int, short: bool) -> str:
    if np.isnat(at):
        return ""
    when = short_day(at) if days < MONTHS_APART else day_said(at)
    if short:
        return f", last {when}, {days:,}\u00a0d"
    return f", last {when}, " + ("the same day" if days == 0 else "1 day old" if days == 1 else f"{days:,} days old")


def reasons(scorecard: Scorecard, snapshot: pd.DataFrame, *, count: int = 3, dated: pd.DataFrame | None = None) -> pd.Series:
    """What holds each account's score down most, in plain words, points in brackets:
    `Active seats: 0.21, last 30 Oct, 1 d (−12); NPS: not measured (−5)`, with the date of the newest row behind it and its age in days.

    Parameters
    ----------
    snapshot : scored rows of one day; an override in force stands first
    dated : account_id, metric, day of the newest row behind each metric; without it no dates

    Returns
    -------
    text by the index of `snapshot`; "" where nothing costs half a point
    """
    if snapshot.empty:
        return pd.Series(dtype="object")
    again = scoring.score(scorecard, snapshot)
    short, metrics = scoring.shortfalls(again).to_numpy(), list(scorecard.metrics.values())
    values = snapshot[list(scorecard.metrics)].to_numpy(dtype=float)
    words = ages(scorecard, snapshot, dated, short=True)
    caps = {name: f"{does[:1].upper()}{does[1:]}" for name, does in scoring.gate_words(scorecard).items()}
    order = np.argsort(-np.nan_to_num(short), axis=1, kind="stable")[:, :count]
    said = overruled(snapshot).tolist() if "override" in snapshot else [""] * len(snapshot)
    texts = []
    for i, gate in enumerate(again.frame["gate"]):
        told = [said[i][:1].upper() + said[i][1:]] if said[i] else []
        told += [caps[gate]] if gate else []
        known = dict(zip(scorecard.metrics, values[i].tolist(), strict=True))
        for j in (j for j in order[i] if short[i, j] >= 0.5):
            aged, note = "" if words is None else str(words.iat[i, j]), levels.told(scorecard, metrics[j], known)
            told.append(_reason(metrics[j].label, values[i, j], short[i, j], f"{aged}{f', {note}' if note else ''}"))
        texts.append("; ".join(told))
    return pd.Series(texts, index=snapshot.index, dtype="object")


def _reason(label: str, value: float, cost: float, more: str) -> str:
    where = "not measured" if np.isnan(value) else f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.2g}"
    return f"{label}: {where}{more} (−{cost:.0f})"
