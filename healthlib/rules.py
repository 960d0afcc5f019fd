"""What a cell must look like: SQL that types a raw column, and SQL conditions that name the rows that break a rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from healthlib.engine import literal, quote
from healthlib.schema import FLAG, NUMBER, OUTCOMES, TEXT, WHEN, TableSchema

EMPTY = r"'[\s\x{a0}]*(|null|none|nan|nat|n/a|na|\\n)[\s\x{a0}]*', 'i'"
"""Pattern of "nothing here" in a date, number or flag column. In a text column only a cell of blanks is empty."""

THOUSANDS = r"'[+-]?[0-9]{1,3}(,[0-9]{3})+([.][0-9]*)?'"
"""Pattern of a number as a spreadsheet shows it."""

OPEN = r"'[+-]?[0-9]{1,3},[0-9]{3}'"
"""Those of them that are a thousand and more in one country and one and a bit in the next."""

DECIMAL = r"'[+-]?[0-9]+,[0-9]{1,2}'"
"""Pattern of a number whose comma can only mean decimals."""

USUAL = "['%Y-%m-%dT%H:%M:%S', '%Y-%m-%d %H:%M:%S', '%Y-%m-%d', '%Y-%m-%dT%H:%M:%SZ']"
"""Ways to write a moment that carry no offset but UTC."""

SHAPES = {
    "____-__-__": "%Y-%m-%d",
    "____-__-__ __:__:__": "%Y-%m-%d %H:%M:%S",
    "____-__-__T__:__:__": "%Y-%m-%dT%H:%M:%S",
    "____-__-__T__:__:__Z": "%Y-%m-%dT%H:%M:%SZ",
}
"""How each of them looks, as LIKE spells it."""

LARGEST = 1e12
EARLIEST, LATEST = "TIMESTAMP '1900-01-01'", "TIMESTAMP '2200-01-01'"
MAY_BE_EMPTY = {("contracts", "end_date")}
"""Required as columns, not as cells: a contract without an end is evergreen."""

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")


@dataclass(frozen=True)
class Column:
    """One column on its way in.

    Attributes
    ----------
    name : as the product knows it
    theirs : as the source spells it
    raw : its name in the relation that is read
    native : its database type there
    kind : text, number, when or flag; None where content decides
    grouped : whether a number may be written 1,234.50
    """

    name: str
    theirs: str
    raw: str
    native: str
    kind: str | None
    grouped: bool = False


@dataclass(frozen=True)
class Rule:
    """A reason to set a row aside: the column it blames, in words, and as SQL over the typed columns and `_r0`, `_r1` …

    Where every cell could be typed, `sound` says the same without the raw cells (None: just as `condition`; empty: it cannot be broken).
    """

    column: str
    text: str
    condition: str
    sound: str | None = None


def kind_of(native: str) -> str:
    """text, number, when or flag for a database type.

    >>> kind_of("DECIMAL(18,2)"), kind_of("TIMESTAMP WITH TIME ZONE"), kind_of("VARCHAR")
    ('number', 'when', 'text')
    """
    if native == "BOOLEAN":
        return FLAG
    if native == "DATE" or native.startswith("TIMESTAMP"):
        return WHEN
    if native in INTEGERS or native in ("FLOAT", "DOUBLE") or native.startswith("DECIMAL"):
        return NUMBER
    return TEXT


def typed(raw: str, native: str, kind: str, *, key: bool = False, grouped: bool = False) -> str:
    """SQL that turns a raw column into its kind; NULL where it cannot.

    Parameters
    ----------
    raw : quoted column name
    native : its database type
    kind : text, number (DOUBLE), when (TIMESTAMP, UTC) or flag (BOOLEAN)
    key : a text that others are looked up by, which loses tabs and no-break spaces at its ends as well as blanks
    grouped : a number may be written 1,234.50
    """
    if native != "VARCHAR":
        return _from_native(raw, native, kind)
    if kind == TEXT:
        return f"nullif({_strip(raw)}, '')" if key else f"CASE WHEN {_untrimmed(raw)} THEN nullif(trim({raw}), '') ELSE {raw} END"
    if kind == NUMBER:
        plain = f"CASE WHEN contains({raw}, '_') THEN NULL ELSE TRY_CAST({raw} AS DOUBLE) END"
        if grouped:
            shown = f"CASE WHEN regexp_full_match({raw}, {THOUSANDS}) THEN TRY_CAST(replace({raw}, ',', '') AS DOUBLE) END"
            plain = f"coalesce({plain}, {shown})"
        return f"nullif({plain}, 'nan'::DOUBLE)"
    if kind == FLAG:
        return f"TRY_CAST({_strip(raw)} AS BOOLEAN)"
    return _moment(raw)


def blank(raw: str, native: str) -> str:
    """SQL that says whether a date, number or flag cell holds nothing."""
    spelled = raw if native == "VARCHAR" else f"CAST({raw} AS VARCHAR)"
    return f"(CASE WHEN {raw} IS NULL THEN true ELSE regexp_full_match({spelled}, {EMPTY}) END)"


def typed_or_refused(column: Column) -> str:
    """SQL that turns a raw cell into its kind, and stops the whole query at one that holds something else.

    An account_id is left as it stands, for whoever looks it up.
    """
    raw, native, kind = quote(column.raw), column.native, column.kind or TEXT
    if native == "VARCHAR" and column.name == "account_id":
        return raw
    cell = typed(raw, native, kind, grouped=column.grouped)
    if kind == TEXT or (native != "VARCHAR" and kind == kind_of(native)):
        return cell
    if kind == NUMBER and native == "VARCHAR":
        digits = f"{raw} >= '0' AND {raw} < ':' AND NOT contains({raw}, '_')"  # what needs no second look
        cell = f"CASE WHEN {digits} THEN TRY_CAST({raw} AS DOUBLE) END, {cell}"
    return f"coalesce({cell}, CASE WHEN {blank(raw, native)} THEN NULL ELSE error('no {kind}') END)"


def stripped(cell: str) -> str:
    """SQL that strips a text others are looked up by, as `typed` does."""
    return typed(cell, "VARCHAR", TEXT, key=True)


def holds(text: str) -> str:
    """SQL that says whether a stripped text cell holds something."""
    return f"({text} IS NOT NULL AND NOT regexp_full_match({text}, {EMPTY}))"


def guess(text: str) -> str:
    """SQL that says what one stripped, filled text cell could be. 007 is a code, not a number, and so are 16 digits and more."""
    number = f"regexp_full_match({text}, '[+-]?(0|[1-9][0-9]{{0,14}})([.][0-9]*)?([eE][+-]?[0-9]{{1,2}})?')"
    when = f"regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ].*)?') AND {_moment(text)} IS NOT NULL"
    flag = f"lower({text}) IN ('true', 'false')"
    return f"CASE WHEN {number} THEN '{NUMBER}' WHEN {when} THEN '{WHEN}' WHEN {flag} THEN '{FLAG}' ELSE '{TEXT}' END"


def stored(table: str, name: str) -> str:
    """SQL for a sound, typed cell as it is kept: an end after the year 2199 is no end, and outcomes are lower case."""
    cell = quote(name)
    if (table, name) in MAY_BE_EMPTY:
        return f"CASE WHEN {cell} < {LATEST} THEN {cell} END"
    return f"lower({cell})" if (table, name) == ("contracts", "outcome") else cell


def rules_for(table: str, schema: TableSchema, columns: Sequence[Column]) -> list[Rule]:
    """Every rule of one table, in the order in which a row is judged; the first broken one is the one reported.

    Parameters
    ----------
    table : its name
    schema : its contract
    columns : what the source brings
    """
    present = {column.name: position for position, column in enumerate(columns)}
    rules = [rule for position, column in enumerate(columns) for rule in _cell_rules(table, schema, column, f"_r{position}")]
    for earlier, later in schema.order:
        if earlier in present and later in present:
            rules.append(_order_rule(table, earlier, later))
    if table == "contracts" and "outcome" in present:
        allowed = ", ".join(literal(outcome) for outcome in OUTCOMES)
        rules.append(Rule("outcome", f"not one of {', '.join(OUTCOMES)}", f"lower(outcome) NOT IN ({allowed})"))
    return rules


def _cell_rules(table: str, schema: TableSchema, column: Column, raw: str) -> Iterator[Rule]:
    """Rules that need one cell alone; `raw` is what the cell was."""
    if column.kind is None:
        return
    name = quote(column.name)
    required = column.name in schema.required and (table, column.name) not in MAY_BE_EMPTY
    if required:
        # CASE, not AND: the database works out both sides of an AND for every row.
        empty = f"{name} IS NULL" if column.kind == TEXT else f"CASE WHEN {name} IS NULL THEN {blank(raw, column.native)} ELSE false END"
        yield Rule(column.name, "empty, but required", empty, f"{name} IS NULL")
    if column.kind == TEXT:
        return
    words = {WHEN: "not an ISO date or timestamp", NUMBER: "not a number", FLAG: "not true or false"}[column.kind]
    # Where nothing may be empty, the rule above has taken the blanks: to ask twice would be to work it out for every row.
    wrong = f"{name} IS NULL" if required else f"CASE WHEN {name} IS NULL THEN NOT {blank(raw, column.native)} ELSE false END"
    yield Rule(column.name, words, wrong, "")
    if column.kind == WHEN:
        ends = "" if (table, column.name) in MAY_BE_EMPTY else f" OR {name} >= {LATEST}"
        # Where a whole column is typed at once, what is no date at all may come out as the first day of 1900.
        yield Rule(column.name, "a year before 1900 or after 2199", f"{name} < {EARLIEST}{ends}", f"{name} <= {EARLIEST}{ends}")
    if column.kind == NUMBER:
        yield Rule(column.name, f"beyond {LARGEST:.0e}".replace("+", ""), f"abs({name}) > {LARGEST}")
        if column.name in schema.not_negative:
            yield Rule(column.name, "negative", f"{name} < 0")


def _order_rule(table: str, earlier: str, later: str) -> Rule:
    """Compared by day: a ticket closed on the day it was opened is sound even where only one of the two has a time of day."""
    days = f"CAST({quote(later)} AS DATE) {{}} CAST({quote(earlier)} AS DATE)"
    if table == "contracts":
        return Rule(later, "ends on or before the day it starts", days.format("<="))
    return Rule(later, f"before {earlier}", days.format("<"))


def _strip(text: str) -> str:
    """Spaces, tabs, line ends and no-break spaces off both ends; the first test spares nearly every cell the dearer trim."""
    # Each part stands once where it is dear: what stands twice, the database works out for every row beforehand.
    clean = f"{text}[1] BETWEEN '!' AND '~' AND {text}[-1] BETWEEN '!' AND '~'"
    return f"CASE WHEN {clean} THEN {text} ELSE {_trim(text)} END"


def _untrimmed(text: str) -> str:
    """Whether a text may begin or end with a blank, or be empty: cheaper than to trim it."""
    return f"({text} < '!' OR suffix({text}, ' '))"


def _trim(text: str) -> str:
    return f"trim({text}, ' \t\r\n\u00a0')"


def _moment(text: str) -> str:
    """ISO text to a UTC timestamp: written like most at once, the usual four ways quickly, then whatever may carry an offset.

    To the database `epoch` is a date as well; here it is a word. Each dear part stands once: see `_strip`. To try a form that does not fit
    costs ten times one that does, so the length and the separators choose it.
    """
    shape = " ".join(f"WHEN {text} LIKE {literal(like)} THEN try_strptime({text}, {literal(form)})" for like, form in SHAPES.items())
    usual = f"CASE WHEN {text} >= '0' AND {text} < ':' THEN try_strptime({text}, {USUAL}) END"
    return (
        f"coalesce(CASE {shape} END, {usual}, CAST(TRY_CAST(regexp_replace({_trim(text)}, 'epoch', '?', 'i') AS TIMESTAMPTZ) AS TIMESTAMP))"
    )


def _from_native(raw: str, native: str, kind: str) -> str:
    """The same for a column that a Parquet file or a query has typed already."""
    own = kind_of(native)
    if kind == TEXT and own == NUMBER and native not in INTEGERS:
        whole = f"{raw} = trunc({raw}) AND abs({raw}) < 1e15"
        return f"CASE WHEN {whole} THEN CAST(CAST({raw} AS BIGINT) AS VARCHAR) ELSE CAST({raw} AS VARCHAR) END"
    if kind == TEXT:
        return f"nullif({_strip(f'CAST({raw} AS VARCHAR)')}, '')"
    if kind == NUMBER and own in (NUMBER, FLAG):
        number = f"CAST({raw} AS DOUBLE)"
        return f"CASE WHEN isnan({number}) THEN NULL ELSE {number} END" if native in ("FLOAT", "DOUBLE") else number
    if kind == WHEN and own == WHEN:
        return f"CAST({raw} AT TIME ZONE 'UTC' AS TIMESTAMP)" if native == "TIMESTAMP WITH TIME ZONE" else f"CAST({raw} AS TIMESTAMP)"
    if kind == FLAG and own == FLAG:
        return raw
    if own in (WHEN, FLAG) or (kind == WHEN and own == NUMBER):
        return f"CAST(NULL AS {'TIMESTAMP' if kind == WHEN else 'DOUBLE' if kind == NUMBER else 'BOOLEAN'})"
    return typed(f"CAST({raw} AS VARCHAR)", "VARCHAR", kind)
