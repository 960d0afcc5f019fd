"""Terms and money: the contracts table from whatever tells of them, and the kind of outcome that their lengths suggest."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from .engine import literal, quote
from .init_column import Column, moments_of, numbers_of, sql_of
from .init_leaks import leaks_of, meaning, zero_when_lost
from .init_mapping import RELATIVE, Mapped, Pick, account_pick, taken_as, unplaced
from .init_recognise import Recognised
from .init_words import plain
from .schema import OUTCOMES

WON = ("won", "closedwon", "closed-won", "gewonnen", "gagne", "ganado", "ganada", "vinto", "vinta", "ganho", "ganha", "wygrana",
       "vunnen")  # fmt: skip
SEAT_UNITS = ("users", "user", "seats", "seat", "licenses", "licences", "nutzer", "lizenzen", "utilisateurs", "usuarios", "licencias",
              "gebruikers", "licenties", "utenti", "licenze", "utilizadores", "licencas", "uzytkownicy", "licencje", "anvaendare",
              "licenser")  # fmt: skip
PER_YEAR = {"month": 12, "monthly": 12, "monatlich": 12, "mensuel": 12, "mensual": 12, "year": 1, "yearly": 1, "annual": 1, "annually": 1,
            "jaehrlich": 1, "annuel": 1, "anual": 1, "quarter": 4, "quarterly": 4, "week": 52, "weekly": 52,
            "maandelijks": 12, "mensile": 12, "mensal": 12, "miesiecznie": 12, "maanadsvis": 12, "manadsvis": 12, "jaarlijks": 1,
            "annuale": 1, "rocznie": 1, "aarligen": 1, "arligen": 1}  # fmt: skip


@dataclass(frozen=True)
class Terms:
    """What the contracts' lengths suggest.

    Attributes
    ----------
    kind, horizon_days, lead_days, grace_days : of `outcome:` in workspace.yaml
    said : the evidence
    monthly : terms of about a month
    """

    kind: str
    horizon_days: int
    lead_days: int
    grace_days: int
    said: str
    monthly: bool = False


RECORDED = "recorded_at"
"""The day a row came to be known, under the product's own name: a contract told again on another day is a correction."""


def map_contracts(one: Recognised, lost: pd.Series) -> Mapped:
    """The contracts table of a recognised sheet."""
    roles, columns = one.roles, one.columns
    leaks = {name: why for name, why in leaks_of(one, lost).items() if name not in roles.values()}
    notes: list[str] = []
    where = _which_rows(one, notes)
    start, end = _dates(one)
    picks = [account_pick(one), start, end, *_money(one)]
    if "contract_id" in roles and _is_key(one):
        picks.append(taken_as("contract_id", columns[roles["contract_id"]], one.said("contract_id")))
    if RECORDED in columns:
        picks.append(taken_as(RECORDED, columns[RECORDED], "by name"))
    if "seats" in roles:
        picks.append(taken_as("seats", columns[roles["seats"]], one.said("seats")))
    picks += [
        taken_as(role, columns[roles[role]], "by name") for role in ("discount", "auto_renew", "billing_period", "plan") if role in roles
    ]
    picks += _outcome(one, end)
    more = _next_terms(one, {pick.name for pick in picks}, notes)
    used = {*roles.values(), *leaks, RECORDED, one.link.column if one.link else None}
    return Mapped("contracts", one, tuple(picks), where=where, notes=tuple(notes), leaks=leaks, unplaced=unplaced(one, used), more=more)


def _next_terms(one: Recognised, names: set[str], notes: list[str]) -> str:
    """SQL that adds the term after each renewal, where no account has a second row: else nobody would be active after one."""
    if "outcome" not in names or not one.link or one.link.via or one.sheet.cells[one.link.column].dropna().duplicated().any():
        return ""
    notes.append(
        "guess: each account has one row, so the term after a renewal is in no file: one of a year is added where the outcome is renewed"
    )
    changed = {"start_date": "end_date", "end_date": "try_cast(end_date as date) + interval 12 months"}
    emptied = ["outcome", "decided_on", "churn_reason", "renewed_arr"]
    columns = {**changed, **{name: "null" for name in emptied if name in names}}
    replaced = ", ".join(f"{sql} as {name}" for name, sql in columns.items())
    second = f"select * replace ({replaced})\nfrom terms where outcome = 'renewed'"
    return f"with terms as (\n{{rows}})\nselect * from terms union all by name\n{second}"


def _which_rows(one: Recognised, notes: list[str]) -> tuple[str, ...]:
    """Rows that are contracts: deals that were won, and of lines counted in different units those that count people."""
    where = []
    for role in ("stage",):
        column = one.columns.get(one.roles.get(role, ""))
        won = [value for value in column.values if plain(value).replace(" ", "-") in WON or plain(value) in WON] if column else []
        if column and won:
            rows = int(one.sheet.cells[column.name].isin(won).sum())
            notes.append(f"guess: only rows whose {column.name} is {' or '.join(won)} are contracts: {rows} of {column.rows}")
            where.append(_among(column.name, won))
    column = one.columns.get(one.roles.get("units", ""))
    people = [value for value in column.values if plain(value) in SEAT_UNITS] if column else []
    if column and people and column.distinct > len(people):
        others = sorted(set(column.values) - set(people))
        notes.append(
            f"guess: only rows whose {column.name} is {' or '.join(people)} are the base plan; the others look like add-ons, left out "
            f"({', '.join(others[:5])}): take the `where` away to count their ARR too"
        )
        where.append(_among(column.name, people))
    return tuple(where)


def _among(name: str, values: list[str]) -> str:
    return f"{quote(name)} in ({', '.join(map(literal, values))})" if len(values) > 1 else f"{quote(name)} = {literal(values[0])}"


def rows_of(one: Recognised) -> pd.Series:
    """Which rows of a sheet the contracts come from (the same choice as the SQL's)."""
    keep = pd.Series(True, index=one.sheet.cells.index)
    for role, wanted in (("stage", WON), ("units", SEAT_UNITS)):
        column = one.columns.get(one.roles.get(role, ""))
        chosen = [value for value in column.values if plain(value) in wanted or plain(value).replace(" ", "-") in wanted] if column else []
        if column and chosen:
            keep &= one.sheet.cells[column.name].isin(chosen)
    return keep


def _dates(one: Recognised) -> tuple[Pick, Pick]:
    """Start and end of a term: as they stand, or worked out from the other one and the length."""
    roles, columns = one.roles, one.columns
    months = f"to_months(try_cast({sql_of(columns[roles['term_months']])} as integer))" if "term_months" in roles else ""
    start, end = (columns.get(roles.get(role, "")) for role in ("start_date", "end_date"))
    if start is not None and end is not None:
        said = one.guessed
        return _date("start_date", start, said.get("start_date", "")), _date("end_date", end, said.get("end_date", ""))
    if start is not None:
        length = months or ("interval 12 months" if "stage" in roles else "")
        said = f"start plus {roles['term_months']}" if months else "guess: no column says when a term ends: a year after its start"
        if not length:
            return _date("start_date", start), Pick(
                "end_date", "cast(null as date)", None, "guess: no column says when a term ends: evergreen"
            )
        return _date("start_date", start), Pick("end_date", f"try_cast({sql_of(start)} as date) + {length}", None, said)
    if end is None:
        raise ValueError("contracts need a start or an end")
    said = f"the end less {roles['term_months']}" if months else f"guess: no column says when a term starts: a year before {end.name}"
    return Pick("start_date", f"try_cast({sql_of(end)} as date) - {months or 'interval 12 months'}", None, said), _date("end_date", end)


def _date(name: str, column: Column, note: str = "") -> Pick:
    return taken_as(name, column, note if not column.relative else RELATIVE)


def _money(one: Recognised) -> list[Pick]:
    """arr: a yearly amount, twelve times a monthly one, an amount by its billing interval, or 1 where no column tells of money."""
    roles, columns = one.roles, one.columns
    role = next((role for role in ("arr", "mrr", "amount") if role in roles), None)
    if role is None:
        return [
            Pick("arr", "1", None, "YOURS TO DECIDE: no column tells of money, so every contract counts 1 and ARR is a number of contracts")
        ]
    column = columns[roles[role]]
    zero = zero_when_lost(one, column.name)
    if zero:
        by = f"partition by {quote(roles['plan'])}" if "plan" in roles else ""
        amount = f"nullif(try_cast({sql_of(column)} as double), 0)"
        filled = f"coalesce({amount}, median({amount}) over ({by}))"
        like = f" with the same {roles['plan']}" if "plan" in roles else ""
        note = f"{column.name} is {zero}: written after the decision. guess: the median of the renewed contracts{like} stands in"
        return [Pick("arr", filled if role != "mrr" else f"12 * ({filled})", None, note, column.name)]
    if role == "arr":
        return [taken_as("arr", column, _agrees(one))]
    if role == "mrr":
        return [
            Pick(
                "arr",
                f"12 * try_cast({sql_of(column)} as double)",
                None,
                f"guess: 12 x {column.name}, by its name a monthly amount",
                column.name,
            )
        ]
    return [_by_interval(one, column)]


def _by_interval(one: Recognised, column: Column) -> Pick:
    """An amount that says not what it is for: times the billings of a year where a column tells the interval."""
    interval = one.columns.get(one.roles.get("billing_period", ""))
    known = {value: PER_YEAR[plain(value)] for value in interval.values if plain(value) in PER_YEAR} if interval else {}
    if interval is None or not known:
        seen = f"{one.guessed['amount']}; " if "amount" in one.guessed else ""
        return taken_as("arr", column, f"{seen}guess: taken as an amount a year; nothing in the file says what it is for")
    cases = " ".join(f"when {literal(value)} then {times}" for value, times in known.items())
    sql = f"try_cast({sql_of(column)} as double) * case {quote(interval.name)} {cases} else 1 end"
    return Pick("arr", sql, None, f"guess: {column.name} times the billings in a year, by {interval.name}")


def _agrees(one: Recognised) -> str:
    """Whether the yearly amount is twelve times the monthly one, where both are there."""
    if "mrr" not in one.roles:
        return one.said("arr")
    year, month = (numbers_of(one.sheet.cells[one.roles[role]], one.columns[one.roles[role]].decimal) for role in ("arr", "mrr"))
    same = ((year - 12 * month).abs() <= 0.01 * year.abs().clip(lower=1)).sum()
    return f"{one.said('arr')}; 12 x {one.roles['mrr']} in {int(same)} of {len(year)} rows"


def _is_key(one: Recognised) -> bool:
    """Whether id and start (and the day of record) tell contracts apart; else the id would have rows rejected as repeated."""
    start = one.roles.get("start_date")
    names = [one.roles["contract_id"], *([start] if start else [])]
    kept = one.sheet.cells.loc[rows_of(one), [*names, *([RECORDED] if RECORDED in one.columns else [])]].dropna(subset=names)
    return float(kept.duplicated().mean()) < 0.005 if len(kept) else False


def _outcome(one: Recognised, end: Pick) -> list[Pick]:
    """A given outcome in the product's words, the day it is known, and the reason."""
    column = one.columns.get(one.roles.get("outcome", ""))
    said = {value: meaning(value) for value in column.values} if column else {}
    if column is None or set(said.values()) == {None}:
        reason = one.columns.get(one.roles.get("churn_reason", ""))
        return [taken_as("churn_reason", reason, "hidden until the term ends")] if reason else []
    if set(said) <= set(OUTCOMES):
        picks = [taken_as("outcome", column, "by name")]
        return [*picks, *_decision(one, end)]
    cases = " ".join(f"when {literal(value)} then {literal(word)}" for value, word in said.items() if word)
    shown = ", ".join(f"{value} is {word or 'open'}" for value, word in said.items())
    return [
        Pick("outcome", f"case {quote(column.name)} {cases} else 'open' end", None, f"guess: {shown}", column.name),
        *_decision(one, end),
    ]


def _decision(one: Recognised, end: Pick) -> list[Pick]:
    """The day an outcome is known, and what is hidden until then."""
    picks = []
    if "decided_on" in one.roles:
        picks.append(taken_as("decided_on", one.columns[one.roles["decided_on"]], "by name"))
    else:
        picks.append(
            Pick(
                "decided_on", end.sql, None, "guess: no column says when it was decided, so an outcome is known from the end of its term on"
            )
        )
    for role in ("renewed_arr", "churn_reason"):
        picks += [taken_as(role, one.columns[one.roles[role]], "hidden until the decision")] if role in one.roles else []
    return picks


def terms_of(one: Recognised) -> Terms:
    """Renewal where most terms have an end and run for about a quarter or longer; churn within a horizon for monthly and evergreen ones."""
    keep = rows_of(one)
    start, end = (_moments(one, role, keep) for role in ("start_date", "end_date"))
    if start is None and end is not None:
        return Terms("renewal", 90, 90, 30, f"all {int(end.notna().sum())} contracts have an end and come up for renewal on it")
    if start is None or end is None:
        by_term = "term_months" in one.roles or "stage" in one.roles
        if by_term:
            return Terms("renewal", 90, 90, 30, "terms run for a fixed time from their start")
        return Terms("churn_within", 90, 90, 30, "no contract has an end: evergreen subscriptions")
    days = (end - start).dt.days.dropna()
    days = days[days > 0]
    ended, median = len(days) / max(len(start), 1), float(days.median()) if len(days) else float("nan")
    told = f"{len(days)} of {len(start)} contracts have an end; median length {median:.0f} days"
    if ended < 0.5:
        return Terms("churn_within", 90, 90, 30, f"{told}: most are evergreen, and an end is filled in when the customer leaves")
    if median < 85:
        return Terms("churn_within", 60, 60, 15, f"{told}: too short to renew one by one, so is the account still there 60 days on?", True)
    return Terms("renewal", 90, 90 if median >= 300 else 30, 30, told)


def _moments(one: Recognised, role: str, keep: pd.Series) -> pd.Series | None:
    name = one.roles.get(role)
    return moments_of(one.sheet.cells.loc[keep, name], one.columns[name]) if name else None
