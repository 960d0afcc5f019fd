"""The sentences of the executive report, each built from the facts it is about."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.claims import undated
from healthlib.palette import UNSCORED
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import (
    banded,
    change,
    clipped,
    count,
    counted,
    day,
    money,
    money_change,
    money_range,
    number,
    share,
    short_day,
    unknown,
)

BLIND = 0.2
"""Share of accounts or ARR without a score from which the first sentence says so."""


def _cash(facts: ExecutiveFacts, value: float) -> str:
    return money(value, facts.currency)


def _row(facts: ExecutiveFacts, band: str) -> pd.Series:
    return facts.by_band[facts.by_band["band"] == band].iloc[0]


def _worst(facts: ExecutiveFacts) -> str:
    """The worst band at the head of a sentence."""
    return facts.bands[0][:1].upper() + facts.bands[0][1:]


def title(facts: ExecutiveFacts) -> str:
    """The title of the page."""
    return f"Customer health on {day(facts.context['as_of'])}"


def opening(facts: ExecutiveFacts) -> str:
    """The whole base in one sentence or two."""
    if facts.scores.empty:
        return "No account was active on this day, so there is nothing to report."
    worst, total = _row(facts, facts.bands[0]), float(facts.scores["arr"].sum())
    said = f"{counted(len(facts.scores), 'active account')} worth {_cash(facts, total)} of ARR"
    part = f" ({share(worst['arr'] / total)} of ARR)" if total else ""
    if len(facts.scores) == int(_row(facts, UNSCORED)["accounts"]):
        return f"{said}. None of them can be scored: less than {share(facts.context['min_coverage'])} of the scorecard is measured."
    out = _row(facts, UNSCORED)
    if out["accounts"] > BLIND * len(facts.scores) or out["arr"] > BLIND * total:
        said += f", of which {count(out['accounts'])} ({_cash(facts, out['arr'])}) cannot be scored"
    holding = f", holding {_cash(facts, worst['arr'])}{part}" if worst["accounts"] else ""
    many = f"{count(worst['accounts'])} are" if worst["accounts"] > 1 else "1 is" if worst["accounts"] else "none is"
    said += f"; {many} {facts.bands[0]}{holding}"
    moved = worst["accounts"] - worst["accounts_before"]
    if not unknown(moved):
        said += (
            f", {_against(moved, 'account')} than on {day(facts.context['month'])}"
            if moved
            else f", as many as on {day(facts.context['month'])}"
        )
    return f"{said}. {_soon(facts)}".strip()


def _against(moved: float, noun: str) -> str:
    return f"{counted(abs(moved), noun)} {'more' if moved > 0 else 'fewer'}"


def _soon(facts: ExecutiveFacts) -> str:
    """What renews within 90 days, in one sentence."""
    evergreen = facts.context["kind"] == "churn_within"
    row = _due_all(facts, facts.context["horizon_days"] if evergreen else 90)
    if row is None:
        return ""
    if evergreen:
        lost = money_range(row["low"], row["high"], facts.currency)
        return f"Of all ARR {lost} is likely to be lost within {facts.context['horizon_days']} days."
    said = f"{_cash(facts, row['arr'])} comes up for renewal within 90 days"
    if unknown(row["expected_lost"]):
        return f"{said}."
    return f"{said}; of it {money_range(row['low'], row['high'], facts.currency, of=row['arr'])} is likely to be lost."


def _due_all(facts: ExecutiveFacts, days: int) -> pd.Series | None:
    rows = facts.due[(facts.due["days"] == days) & (facts.due["band"] == "all")]
    return rows.iloc[0] if len(rows) else None


def bands(facts: ExecutiveFacts) -> str:
    """How the worst band's share of ARR moved in a month and a year."""
    if facts.flat:
        return undated("how the bands have moved")
    worst = _row(facts, facts.bands[0])
    if unknown(worst["accounts_before"]):
        return "There is no earlier month to compare with: this is the first snapshot."
    shares = {name: worst[f"arr{name}"] / facts.by_band[f"arr{name}"].sum() for name in ("", "_before", "_year")}
    said = f"{_worst(facts)} holds {share(shares[''])} of ARR: {share(shares['_before'])} on {short_day(facts.context['month'])}"
    said += f", {share(shares['_year'])} a year ago" if not unknown(shares["_year"]) else ""
    blind = float(_row(facts, UNSCORED)["arr"]) / float(facts.by_band["arr"].sum() or 1)
    return said + (f"; {share(blind)} cannot be scored." if blind > BLIND else ".")


def renewals(facts: ExecutiveFacts) -> str:
    """What renews in 90 and 180 days and what is likely to be lost of it."""
    if facts.flat:
        return undated("what renews next")
    if facts.due.empty:
        if facts.context["kind"] == "churn_within":
            return "Contracts here have no end date, and too few accounts have left yet to learn a chance of loss from."
        return "No contract ends within the next 180 days."
    if facts.context["kind"] == "churn_within":
        row = facts.due[facts.due["band"] == "all"].iloc[0]
        return f"Contracts here have no end date. Within {row['days']} days about {_lost(row, facts)} is likely to be lost."
    row = facts.due[(facts.due["days"] == 180) & (facts.due["band"] == "all")].iloc[0]
    said = f"{_cash(facts, row['arr'])} renews within 180 days"
    if unknown(row["expected_lost"]):
        return f"{said}. No chance of loss is given: too few accounts have left yet to learn it from."
    return f"{said}; about {_lost(row, facts)} of it is likely to be lost."


def _lost(row: pd.Series, facts: ExecutiveFacts) -> str:
    currency = facts.currency
    return f"{money(row['expected_lost'], currency, 2)} ({money_range(row['low'], row['high'], currency, of=row['arr'])})"


def unlisted(facts: ExecutiveFacts) -> str:
    """Who a list of low scores cannot name: said where they hold more than `BLIND` of the ARR, "" elsewhere."""
    blind = _row(facts, UNSCORED)
    if not float(blind["arr"]) > BLIND * float(facts.by_band["arr"].sum()):
        return ""
    has, are = ("has", "is") if blind["accounts"] == 1 else ("have", "are")
    return f"{counted(int(blind['accounts']), 'account')} ({_cash(facts, blind['arr'])}) {has} no score and {are} not in this list"


def first(facts: ExecutiveFacts) -> str:
    """The account to start with, and how much the first ten hold."""
    if facts.risks.empty:
        return _none_below(facts, "stands below the best band, so there is none to start with.")
    top, ten = facts.risks.iloc[0], facts.risks.head(10)
    ends = "" if unknown(top["term_ends"]) else f", term ends {day(top['term_ends'])}"
    said = f"Start with {clipped(str(top['name']))} ({_cash(facts, top['arr'])}{ends}, score {banded(top['score'], facts.band_starts)})."
    return said + (f" The first {len(ten)} hold {_cash(facts, ten['arr'].sum())} of ARR." if len(ten) > 1 else "")


def _none_below(facts: ExecutiveFacts, rest: str) -> str:
    beside = unlisted(facts)
    return f"No account that has a score {rest} {beside}." if beside else f"No account {rest}"


def at_risk(facts: ExecutiveFacts) -> str:
    """How many accounts stand below the best band, and whether the bands shown are the measured ones."""
    table, below = facts.scores, facts.risks
    best = [band for band in facts.bands if band != "unscored"][-1]
    if below.empty:
        return _none_below(facts, "stands below the best band.")
    stands = "stands" if len(below) == 1 else "stand"
    said = f"{counted(len(below), 'account')} with {_cash(facts, below['arr'].sum())} of ARR {stands} below {best}."
    worst = facts.bands[0]
    shown, measured = (int((table[name] == worst).sum()) for name in ("band", "band_without_override"))
    if shown == measured and (table["band"] == table["band_without_override"]).all():
        return said
    return f"{said} Bands are those shown, after what people overruled: {count(shown)} {worst}, {count(measured)} by the measured score."


def group_name(column: str) -> str:
    """The name of a scorecard group at the head of a column: short ones are taken for abbreviations.

    >>> group_name("group:adoption"), group_name("group:roi")
    ('Adoption', 'ROI')
    """
    name = column.removeprefix("group:")
    return name.upper() if len(name) <= 3 else name[:1].upper() + name[1:]


FEW = 20
"""Accounts below which a segment's points are marked and no segment is called the weakest: one large account would decide."""


def groups(facts: ExecutiveFacts) -> str:
    """Where we excel and where we must improve, in ARR-weighted points; the weakest segment among those of `FEW` accounts or more."""
    names = {name: group_name(name) for name in facts.groups.columns if name.startswith("group:")}
    table = facts.groups.rename(columns=names)
    whole = table.iloc[-1][list(names.values())].astype(float).dropna()
    if len(whole) < 2:
        return "Too little is measured to compare groups of metrics."
    best, worst = (banded(value, facts.band_starts) for value in (whole.max(), whole.min()))  # as the cells below
    said = f"We excel at {whole.idxmax()} ({best} of 100) and must improve {whole.idxmin()} ({worst})"
    parts = table.iloc[:-1].set_index("segment").query("accounts >= @FEW")
    cells = parts[list(names.values())].astype(float).stack().dropna() if len(parts) else pd.Series(dtype="float64")
    if len(cells):
        lowest = float(np.min(cells.to_numpy(dtype=float)))
        segment, group = cells.idxmin()  # ty: ignore[not-iterable]
        arr = _cash(facts, float(parts["arr"].astype(float).to_dict()[segment]))
        said += f"; weakest: {group} in {clipped(str(segment))} ({banded(lowest, facts.band_starts)}, {arr})"
    return f"{said}."


def alerted(facts: ExecutiveFacts) -> str:
    """How many alerts are new and how many still hold, and how much ARR they are about."""
    if facts.flat:
        return undated("what changed for the worse")
    if unknown(facts.context["month"]):
        return "There is no earlier month to compare with, so there is nothing to alert to."
    new = facts.alerts[facts.alerts["new"].astype(bool)]
    old = len(facts.alerts) - len(new)
    holding = f"; {counted(old, 'earlier alert')} still {'holds' if old == 1 else 'hold'}" if old else ""
    if new.empty:
        return f"No account calls for attention that did not before {day(facts.context['month'])}{holding}."
    arr = float(new.drop_duplicates("account_id")["arr"].sum())
    where = f"{counted(new['account_id'].nunique(), 'account')} worth {_cash(facts, arr)}"
    return f"{counted(len(new), 'new alert')} on {where} since {day(facts.context['month'])}{holding}."


def calendar(facts: ExecutiveFacts) -> str:
    """What the next twelve months bring, and the month that carries most of what may be lost."""
    if facts.flat:
        return undated("what renews when")
    months = facts.calendar.months
    if months.empty:
        return "No contract has an end date ahead, so there is no calendar of renewals."
    whole = months[months["band"] == "all"].reset_index(drop=True)
    accounts, arr = int(whole["accounts"].sum()), float(whole["arr"].sum())
    if not accounts:
        return "No contract ends within the next twelve months."
    said = f"{_cash(facts, arr)} ({counted(accounts, 'account')}) comes up for renewal in the next twelve months"
    name = "lost" if whole["lost"].notna().any() else "arr"
    top = whole.sort_values(name, ascending=False, kind="stable", na_position="last").iloc[0]
    month = f"{pd.Timestamp(top['period'] + '-01'):%b %Y}"
    if name == "arr":
        return f"{said}, most of it in {month} ({_cash(facts, top['arr'])}). No chance of loss is given: too few accounts have left yet."
    lost = f"about {money(top['lost'], facts.currency, 2)}, {money_range(top['low'], top['high'], facts.currency, of=top['arr'])}"
    return f"{said}; {month} carries most of what may be lost ({lost} of {_cash(facts, top['arr'])})."


def retained(facts: ExecutiveFacts, measure: str) -> str:
    """The remark under a retention tile: the interval, and what moved the figure."""
    estimate, arr = facts.retention[measure], facts.moves.set_index("move")["arr"]
    accounts = facts.moves.set_index("move")["accounts"]
    whole = not unknown(estimate.low) and not unknown(estimate.high)
    span = f"{number(100 * estimate.low, 0)}–{number(100 * estimate.high, 0)}%" if whole else f"n = {count(estimate.n)}"
    if measure == "logo_churn_12m":
        return f"{span}; {count(accounts['left'])} of {count(estimate.n)} left"
    causes = ("left", "shrank")
    lost = sum(float(arr[name]) for name in ("left", "shrank"))
    if measure == "nrr_12m":
        steps = {"grew": float(arr["grew"]), "lost": lost}
    else:
        steps = {name: float(arr[name]) for name in causes}
    said = [f"{money_change(by, facts.currency)} {name}" if by else f"nothing {name}" for name, by in steps.items()]
    return f"{span}; {', '.join(said)}" if any(steps.values()) else f"{span}; nothing {' or '.join(steps)}"


def moved_by(facts: ExecutiveFacts, row: pd.Series, value: str) -> str:
    """The remark under a tile that is compared with a month and a year ago."""
    said = []
    for name, since in (("before", f"since {short_day(facts.context['month'])}"), ("year", "in a year")):
        then = row[f"{value}_{name}"]
        if not unknown(then):
            by = row[value] - then
            said.append(f"{money_change(by, facts.currency) if value == 'arr' else change(by)} {since}")
    return ", ".join(said)
