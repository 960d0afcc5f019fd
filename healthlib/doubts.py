"""What only the tables as a whole give away: several currencies, contracts missing or told twice, accounts that changed their id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher

import pandas as pd

from healthlib.corrections import last
from healthlib.engine import Engine, quote
from healthlib.errors import Fault
from healthlib.wording import counted

MONEY = {"contracts": "arr", "invoices": "amount"}
"""Tables that hold money, and the column that does."""
CURRENCIES = re.compile(r"(arr_|amount_|invoice_|contract_)?currency(_?(iso)?_?code)?", re.IGNORECASE)
"""What a column that says the currency is called."""
NEAR_DAYS, NEAR_ARR, ALIKE = 31, 0.25, 0.8
"""An account goes on under another id where the names are so alike, and its ARR and day of beginning differ by no more."""
SAME_DAYS, SAME_ARR = 1, 0.01
"""What they may differ by where the names tell nothing, and no other account fits."""
RARE = 20
"""Accounts up to which a word of a name, or a day on which accounts begin, tells one from another; only these are paired, so that the
pairs grow with the accounts and not with their square."""
NAMED = 3
"""Pairs that are named."""


def mixed_currencies(engine: Engine, columns: Mapping[str, Mapping[str, str]], files: Mapping[str, str]) -> list[Fault]:
    """Every column that says its table's money is of several currencies: such sums mean nothing.

    Parameters
    ----------
    columns : table -> its columns
    files : table -> the file as the user knows it
    """
    faults = []
    for table, money in MONEY.items():
        for name in (name for name in columns.get(table, {}) if CURRENCIES.fullmatch(name)):
            cell = f"upper(trim(CAST({quote(name)} AS VARCHAR)))"
            found = engine.query(
                f"SELECT {cell} AS c, count(*) AS rows FROM data.{quote(table)} WHERE {cell} <> '' GROUP BY c ORDER BY rows DESC, c"
            )
            if len(found) > 1:
                said = ", ".join(f"{c} ({counted(rows, 'row')})" for c, rows in zip(found["c"][:4], found["rows"][:4], strict=True))
                cure = f"{money} in one currency; convert it in the export, or in a query under `sql:`"
                faults.append(Fault(files[table], None, f"{table}.{name}", f"{len(found)} currencies: {said}", cure))
    return faults


def contract_warnings(engine: Engine, columns: dict[str, str]) -> list[str]:
    """Accounts that never had a contract, and contracts told twice."""
    warnings = []
    contracted = "account_id IN (SELECT account_id FROM data.contracts)"
    without = engine.query(f"SELECT account_id FROM data.accounts WHERE NOT {contracted} ORDER BY _line")["account_id"].tolist()
    total = engine.count("data.accounts")
    if without:
        no = "has no contract and is never active" if len(without) == 1 else "have no contract and are never active"
        warnings.append(f"{len(without)} of {counted(total, 'account')} {no} (first: {without[0]})")
    same = ", ".join(quote(name) for name in columns)
    groups = f"SELECT {same}, count(*) AS rows FROM data.contracts GROUP BY ALL HAVING count(*) > 1"
    twice = engine.query(f"SELECT min(account_id) AS first, sum(rows - 1) AS rows FROM ({groups})").iloc[0]
    if not pd.isna(twice["rows"]):
        warnings.append(
            f"{counted(twice['rows'], 'contract repeats', 'contracts repeat')} another one in every column (first: account "
            f"{twice['first']}); each counts towards ARR. Add contract_id to tell a copy from a second contract"
        )
    return warnings


def renamed(engine: Engine, columns: Mapping[str, Mapping[str, str]], through: pd.Timestamp) -> list[str]:
    """A warning where accounts end and others begin in their place: a merged or renamed account counts as lost and as won.

    A pair fits by name (`ALIKE`, within `NEAR_DAYS` and `NEAR_ARR`), or by day and ARR alone (`SAME_DAYS`, `SAME_ARR`) where the
    names are not given and each is the other's only match. Names are compared where they share a word that is `RARE`.

    Parameters
    ----------
    columns : table -> its columns
    through : the last day the exports cover; what ends or begins later is not looked at
    """
    pairs = _pairs(engine, columns, through)
    if pairs.empty:
        return []
    alike = [_alike(one, two) for one, two in zip(pairs["old_name"], pairs["new_name"], strict=True)]
    nameless = (pairs["old_name"] == "") & (pairs["new_name"] == "")
    same = pairs[(pairs["days"] <= SAME_DAYS) & (pairs["moved"] <= SAME_ARR) & nameless]
    alone = same[~same["old"].duplicated(keep=False) & ~same["new"].duplicated(keep=False)].index
    found = pairs[pd.Series(alike, index=pairs.index) | pairs.index.isin(alone)]
    if found.empty:
        return []
    shown = [f"{row.old} and {row.new} ({row.begins:%Y-%m-%d})" for row in found.head(NAMED).itertuples()]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    what = "account ends where another begins" if len(found) == 1 else "accounts end where others begin"
    return [
        f"contracts: {len(found)} {what} with like name and ARR: {', '.join(shown)}{more}. If an account was renamed or merged, it counts "
        "as lost and as won: give both the same account_id in every table"
    ]


def _pairs(engine: Engine, columns: Mapping[str, Mapping[str, str]], through: pd.Timestamp) -> pd.DataFrame:
    """An account that ends (old) and one that begins near that day with like ARR (new): old_name, new_name, days, moved, begins."""
    name = "a.name" if "name" in columns["accounts"] else "NULL"
    spans = f"""SELECT c.account_id, lower(coalesce(CAST(any_value({name}) AS VARCHAR), '')) AS name,
        min(c.start_date) AS starts, arg_min(c.arr, c.start_date) AS first_arr,
        CASE WHEN count(*) = count(c.end_date) THEN max(c.end_date) END AS ends, arg_max(c.arr, c.start_date) AS last_arr
        FROM {last(engine, columns["contracts"])} c LEFT JOIN data.accounts a USING (account_id) GROUP BY c.account_id"""
    return engine.query(
        f"""WITH spans AS ({spans}),
            words AS (SELECT account_id, unnest(list_distinct(list_append(regexp_extract_all(name, '[\\p{{L}}\\p{{N}}]{{2,}}'), name)))
                AS word
                FROM spans WHERE name <> ''),
            rare AS (SELECT word FROM words GROUP BY word HAVING count(*) <= {RARE}),
            days AS (SELECT starts FROM spans GROUP BY starts HAVING count(*) <= {RARE}),
            begun AS (SELECT account_id, starts FROM spans JOIN days USING (starts) WHERE name = ''),
            ended AS (SELECT account_id, unnest([ends - INTERVAL {SAME_DAYS} DAY, ends, ends + INTERVAL {SAME_DAYS} DAY]) AS starts
                FROM spans WHERE name = ''),
            near AS (SELECT one.account_id AS old, two.account_id AS new FROM words one JOIN rare USING (word) JOIN words two USING (word)
                UNION SELECT e.account_id, b.account_id FROM ended e JOIN begun b ON b.starts = e.starts)
            SELECT o.account_id AS old, n.account_id AS new, o.name AS old_name, n.name AS new_name,
            abs(date_diff('day', o.ends, n.starts)) AS days, abs(n.first_arr / o.last_arr - 1) AS moved, n.starts AS begins
            FROM near JOIN spans o ON o.account_id = near.old JOIN spans n ON n.account_id = near.new
            WHERE near.old <> near.new AND o.last_arr > 0 AND o.ends <= ? AND n.starts <= ? AND n.starts > o.starts
            AND n.starts BETWEEN o.ends - INTERVAL {NEAR_DAYS} DAY AND o.ends + INTERVAL {NEAR_DAYS} DAY
            AND abs(n.first_arr / o.last_arr - 1) <= {NEAR_ARR} ORDER BY begins, old, new""",
        [through, through],
    )


def _alike(one: str, two: str) -> bool:
    """Whether two names may be of the same company: equal or nearly so, or one holds all words of the other."""
    words = [set(re.findall(r"\w+", name)) for name in (one, two)]
    if not all(words):
        return False
    longest = [max(map(len, each)) for each in words]
    return (min(longest) >= 4 and (words[0] <= words[1] or words[1] <= words[0])) or SequenceMatcher(None, one, two).ratio() >= ALIKE
