"""Names out of the tables before anything reads them: accounts, people, users and free text; the groups that analyses compare stay.

Masks take the place of names in the database, so nothing that comes after, page, table, notebook or fact, has a name to show. The order of
the originals goes too: accounts that stood in it could be counted off against a list of customers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from healthlib.book_files import owner
from healthlib.engine import Engine, quote
from healthlib.errors import DataError, Fault
from healthlib.expressions import expressions
from healthlib.loading import PLACES, Loaded
from healthlib.masks import Secret
from healthlib.schema import TABLES, TEXT
from healthlib.sheet import keep_folds
from healthlib.spec import Metric, Workspace

HIDDEN = "(masked)"
"""Stands where a free text or a rejected value stood."""
MASKED = {
    "account_id": ("account", "Account"), "csm": ("person", "CSM"), "said_by": ("person", "Person"), "set_by": ("person", "Person"),
    "rated_by": ("person", "Person"), "user_id": ("user", ""), "respondent_id": ("user", ""),
    "contract_id": ("contract", "Contract"), "ticket_id": ("ticket", "Ticket"), "goal": ("goal", "Goal"),
}  # fmt: skip
"""Column of any table -> the kind of its masks, and the word before the digits: none for users, who are counted and never shown, by the
million. A name of an account becomes the mask of its id."""
FREE = {("overrides", "reason"), ("feedback", "why")}
"""Free texts, which nothing counts."""
RARE = {("contracts", "churn_reason"): "Reason", ("interventions", "trigger"): "Trigger"}
"""Texts that are categories where they recur; one that stands in fewer than `RECURS` rows may be somebody's sentence."""
RECURS = 3
HARMLESS = re.compile(r"[0-9\s.,:/+\-$€£%()TZ]{0,40}")
"""A rejected value that can be shown: a number, a day or an amount."""
QUOTED = re.compile(r"(?<!column )(?<!relation )(?<!near )\"[^\"]*\"|'[^']*'(?!, which is no table)")
"""What a database quotes, unless it is a part of the query or of our own words."""
OWNED = ("accounts", "attributes")
"""Tables whose further columns are attributes, and so get into reports."""


def hide(loaded: Sequence[Loaded], engine: Engine, workspace: Workspace, secret: Secret) -> list[Loaded]:
    """Mask every column that names somebody, but the accounts' names (`hide_names`), in the tables and in the rows set aside.

    Parameters
    ----------
    loaded : what was read into data.<table>, accounts among it
    engine : the database that holds the tables
    workspace : says which attributes stay (`unmasked`)
    secret : of the masks

    Returns
    -------
    The same, with `rejected` as `PLACES` alone: file, line, column and rule; the value only where it is a number or a day, an account_id as
    its mask, and `HIDDEN` elsewhere.

    Raises
    ------
    DataError : the scorecard asks for a value of a column that is masked
    """
    attributes = {each.source.table: _attributes(each, workspace) for each in loaded}
    if faults := list(_asked(loaded, attributes, workspace)):
        raise DataError(f"{workspace.name}: names cannot be masked", faults)
    if workspace.flat is not None:
        keep_folds(loaded[0].kinds, workspace.flat, engine)
    loaded = [_as_text(each, engine) for each in loaded]
    ids = _account_masks(loaded, engine, secret)
    people = {owner(name) for each in loaded if each.kinds.get("csm") == TEXT for name in _texts(each.source.table, "csm", engine)}
    for each in loaded:
        table, kinds = each.source.table, each.kinds
        for column in (name for name in MASKED if kinds.get(name) == TEXT):
            _replace(table, column, ids if column == "account_id" else _masks(table, column, engine, secret, people), engine)
        for column in attributes[table]:
            word = " ".join(column.split("_")).capitalize()
            _replace(table, column, _worded(word, secret.masks(f"attribute {column}", _texts(table, column, engine))), engine)
        for column in (name for owning, name in FREE if owning == table and name in kinds):
            _replace(table, column, dict.fromkeys(_texts(table, column, engine), HIDDEN), engine)
        for column, word in ((name, word) for (owning, name), word in RARE.items() if owning == table and name in kinds):
            _replace(table, column, _worded(word, secret.masks(column, _rare(table, column, engine))), engine)
        if table == "feedback" and kinds.get("should_be") == TEXT:
            _replace(table, "should_be", _remarks(_texts(table, "should_be", engine), workspace), engine)
    return [replace(each, rejected=_places(each, ids)) for each in loaded]


def hide_names(loaded: Sequence[Loaded], engine: Engine) -> None:
    """The name of each account becomes its masked id; after `hide`, and after whatever has to compare names."""
    for each in loaded:
        if each.source.table in OWNED and each.kinds.get("name") == TEXT:
            engine.run(f"UPDATE data.{quote(_stored(each.source.table, engine))} SET name = account_id WHERE name IS NOT NULL")


def quieter(faults: Iterable[Fault]) -> list[Fault]:
    """Faults of queries without what another database quotes, which may be a cell."""
    asked = ("query", "table", "sql")
    return [replace(one, found=QUOTED.sub("…", one.found)) if one.where.rpartition(".")[2] in asked else one for one in faults]


def _attributes(each: Loaded, workspace: Workspace) -> list[str]:
    """Columns of text that the contract does not know and that get into reports as attributes, but those that may stay."""
    if each.source.table not in OWNED:
        return []
    stay = {name.lower() for name in (*TABLES["accounts"].columns, *workspace.unmasked)} - {*MASKED, "name"}
    asked = {name.lower() for name in (each.kinds if workspace.flat is None else workspace.flat.attributes)}  # SQL knows no capitals
    own = [name for name, kind in each.kinds.items() if kind == TEXT and name not in MASKED and name != "name"]
    return [name for name in own if name.lower() in asked - stay]


def _as_text(each: Loaded, engine: Engine) -> Loaded:
    """The same where names that all look like numbers, which the contract of `attributes` does not say are text, are text."""
    table, names = each.source.table, ("csm", "name")
    numbers = [name for name in names if table in OWNED and each.kinds.get(name, TEXT) != TEXT]
    for name in numbers:
        engine.run(f"ALTER TABLE data.{quote(_stored(table, engine))} ALTER COLUMN {quote(name)} SET DATA TYPE VARCHAR")
    return replace(each, kinds={**each.kinds, **dict.fromkeys(numbers, TEXT)})


def _account_masks(loaded: Sequence[Loaded], engine: Engine, secret: Secret) -> dict[str, str]:
    """Account_id -> mask, of the accounts and of ids that rejected rows name."""
    ids = set(_texts("accounts", "account_id", engine))
    for each in loaded:
        theirs = next((column.theirs for column in each.source.columns if column.name == "account_id"), None)
        ids |= {str(value).strip() for value in each.rejected.loc[each.rejected["column"] == theirs, "value"]}
    return _worded("Account", secret.masks("account", sorted(ids - {""})))


def _masks(table: str, column: str, engine: Engine, secret: Secret, people: set[str]) -> dict[str, str]:
    """Text -> mask of one column. What says that nobody owns an account stays; a person who looks after accounts is a CSM everywhere."""
    kind, word = MASKED[column]
    texts = _texts(table, column, engine)
    if kind != "person":
        return _worded(word, secret.masks(kind, texts))
    masks = secret.masks(kind, sorted({owner(text) for text in texts} | people - {""}))
    named = {text: owner(text) for text in texts if owner(text)}
    return {text: f"{'CSM' if name in people else word} {masks[name]}" for text, name in named.items()}


def _worded(word: str, masks: dict[str, str]) -> dict[str, str]:
    return {text: f"{word} {digits}".strip() for text, digits in masks.items()}


def _texts(table: str, column: str, engine: Engine) -> list[str]:
    """The different texts of a column, sorted."""
    held = f"CAST({quote(column)} AS VARCHAR)"
    found = engine.query(f"SELECT DISTINCT {held} AS text FROM data.{quote(table)} WHERE {held} IS NOT NULL")["text"]
    return sorted(found.astype(str))


def _rare(table: str, column: str, engine: Engine) -> list[str]:
    """The texts of a column that stand in fewer than `RECURS` rows, sorted."""
    held = f"CAST({quote(column)} AS VARCHAR)"
    found = engine.query(f"SELECT {held} AS text FROM data.{quote(table)} WHERE {held} <> '' GROUP BY text HAVING count(*) < {RECURS}")
    return sorted(found["text"].astype(str))


def _remarks(texts: Iterable[str], workspace: Workspace) -> dict[str, str]:
    """What the score should be, where it is neither a number nor a band: somebody's sentence."""
    bands = {band.name.casefold() for band in workspace.scorecard.bands}
    return {text: HIDDEN for text in texts if not HARMLESS.fullmatch(text) and text.strip().casefold() not in bands}


def _replace(table: str, column: str, masks: dict[str, str], engine: Engine) -> None:
    """Put masks in the place of texts, row by row where the rows are, so that their order and their lines stay."""
    if not masks:
        return
    engine.put("masks", pd.DataFrame({"text": list(masks), "mask": list(masks.values())}, dtype="str"))
    name = quote(column)
    engine.run(
        f"UPDATE data.{quote(_stored(table, engine))} AS t SET {name} = m.mask FROM masks m WHERE CAST(t.{name} AS VARCHAR) = m.text"
    )
    engine.run("DROP TABLE masks")


def _stored(table: str, engine: Engine) -> str:
    """The name of what holds the rows of data.<table>: itself, or what it is a view of."""
    asked = "SELECT 1 FROM information_schema.tables WHERE table_schema = 'data' AND table_name = ? AND table_type = 'VIEW'"
    return f"_rows_{table}" if engine.first(asked, [table]) else table


def _places(each: Loaded, ids: dict[str, str]) -> pd.DataFrame:
    """The rejected rows without what they hold."""
    kinds = {column.theirs: (column.name, column.kind) for column in each.source.columns}
    listed = each.rejected[list(PLACES)]
    pairs = zip(listed["column"].astype(str), listed["value"].astype(str), strict=True)
    return listed.assign(value=pd.Series([_value(*kinds.get(column, ("", TEXT)), value, ids) for column, value in pairs], dtype=object))


def _value(column: str, kind: str | None, value: str, ids: dict[str, str]) -> str:
    """A rejected value as it may be shown."""
    text = value.strip()
    if column == "account_id" and text:
        return ids[text]
    harmless = kind not in (None, TEXT) and HARMLESS.fullmatch(text) and text not in ids
    return value if harmless or not text else HIDDEN


def _asked(loaded: Sequence[Loaded], attributes: dict[str, list[str]], workspace: Workspace) -> Iterator[Fault]:
    """A fault for each part of the scorecard that compares a masked column with a value, and so would count something else."""
    kinds = {each.source.table: each.kinds for each in loaded}
    always = [*MASKED, "name"]
    flat = workspace.flat is not None
    cure = "an attribute of your own; this one names somebody"
    yield from (Fault("workspace.yaml", None, "unmasked", repr(name), cure) for name in workspace.unmasked if name in always)
    groups = {"csm", "name", *attributes.get("accounts", ()), *attributes.get("attributes", ())}
    for metric in workspace.scorecard.metrics.values():
        table = "accounts" if flat or metric.column is not None else metric.table or ""
        masked = [name for name in (*always, *attributes.get(table, ())) if name in kinds.get(table, {})]
        for key, text in expressions(metric):
            yield from (_fault(f"metrics.{metric.name}.{key}", name) for name in masked if _looks_into(text, name))
        yield from (_fault(f"metrics.{metric.name}", name) for name in _conditions(metric) if name in groups)
    if (name := workspace.scorecard.alerts.champion_gone.attribute) in groups:
        yield _fault("alerts.champion_gone.attribute", str(name))


def _conditions(metric: Metric) -> list[str]:
    """The attributes whose values a metric asks for."""
    return list(dict.fromkeys([*metric.applies_to, *(name for profile in metric.profiles for name in profile.when)]))


def _looks_into(expression: str, column: str) -> bool:
    """Whether an expression reads what a column says; which ones are different, or empty, the masks say as well.

    >>> _looks_into("user_id <> 'robot'", "user_id"), _looks_into("user_id", "user_id"), _looks_into("kind = 'user_id'", "user_id")
    (True, False, False)
    >>> _looks_into("user_id IS NOT NULL and quantity > 1", "user_id")
    False
    """
    bare = re.sub(r"'(?:[^']|'')*'", " ", expression).replace('"', " ").lower()
    name = re.escape(column.lower())
    if re.fullmatch(rf"\s*{name}\s*", bare):
        return False
    bare = re.sub(rf"\b{name}\s+is\s+(not\s+)?null\b", " ", bare)
    return re.search(rf"\b{name}\b", bare) is not None


def _fault(where: str, column: str) -> Fault:
    own = column not in MASKED and column != "name"
    cure = f"`unmasked: [{column}]` in workspace.yaml, if its values name nobody" if own else "a column of its own that names nobody"
    return Fault("scorecard.yaml", None, where, f"{column!r}, whose values are masked", cure)
