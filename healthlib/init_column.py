"""One column of an export, and how its cells are read: in pandas while guessing, in SQL once the workspace is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from .engine import literal, quote

TRUE = ("true", "t", "yes", "y", "1", "ja", "oui", "si", "sí", "wahr", "vrai", "verdadero", "x",
        "sì", "vero", "sim", "verdadeiro", "tak", "prawda", "sant")  # fmt: skip
READ_AS_FLAGS = {"true", "false", "t", "f", "yes", "no", "y", "n", "0", "1"}
"""What the product takes for a flag by itself."""


@dataclass(frozen=True)
class Column:
    """One column as it came.

    Attributes
    ----------
    name : header
    kind : empty, text, number, when or flag
    rows, filled, distinct : counts
    native : typed by Parquet or Excel, so nothing to convert
    formats : strptime patterns of a date that is not ISO
    month : a month such as 2022-01, known on its last day
    relative : whole numbers in a column named like a date: days since something that the file does not say
    decimal : the decimal mark of money or numbers that are not plain; "" where they are
    marks : the other signs in such cells: currency, thousands
    said : the evidence, in words
    values : up to 60 different cells, as text; empty where there are more
    low, high : of numbers
    """

    name: str
    kind: str
    rows: int
    filled: int
    distinct: int
    native: bool = False
    formats: tuple[str, ...] = ()
    month: bool = False
    relative: bool = False
    decimal: str = ""
    marks: str = ""
    said: str = ""
    values: tuple[str, ...] = ()
    low: float = float("nan")
    high: float = float("nan")

    @property
    def unique(self) -> bool:
        """Every filled cell differs, or all but one in two hundred."""
        return self.filled >= 2 and self.distinct >= 0.995 * self.filled and self.filled >= 0.98 * self.rows

    @property
    def whole(self) -> bool:
        """Numbers are the kind, and the low and high ones are whole."""
        return self.kind == "number" and float(self.low).is_integer() and float(self.high).is_integer()

    @property
    def as_is(self) -> bool:
        """The product reads the cells as they are."""
        odd_flag = self.kind == "flag" and not {value.lower() for value in self.values} <= READ_AS_FLAGS
        return self.native or not (self.formats or self.month or self.relative or self.decimal or odd_flag)


def numbers_of(cells: pd.Series, decimal: str = "") -> pd.Series:
    """Text cells as floats; NaN where they are none."""
    text = cells.astype("string")
    if decimal:
        keep = text.str.replace(rf"[^0-9{re.escape(decimal)}-]", "", regex=True)
        text = keep.str.replace(",", ".", regex=False) if decimal == "," else keep
    return pd.to_numeric(text, errors="coerce").astype(float)


def moments_of(cells: pd.Series, column: Column) -> pd.Series:
    """The cells of a date column as days, NaT where they are none. Days since something count from 2000-01-01."""
    if column.relative:
        return pd.Timestamp("2000-01-01") + pd.to_timedelta(pd.to_numeric(cells, errors="coerce"), unit="D")
    if column.month:
        firsts = cells.astype("string").str.replace("/", "-") + "-01"
        return pd.to_datetime(firsts, format="%Y-%m-%d", errors="coerce") + pd.offsets.MonthEnd(0)
    if "epoch" in column.formats:
        number = pd.to_numeric(cells, errors="coerce")
        return pd.to_datetime(number.where(number < 1e11, number / 1000), unit="s", errors="coerce").dt.normalize()
    found = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[ns]")
    for form in column.formats or ("ISO8601",):
        read = pd.to_datetime(cells.astype("string"), format=form, errors="coerce", utc=True).dt.tz_localize(None)
        found = found.fillna(read.astype("datetime64[ns]"))
    return found.dt.normalize()


def sql_of(column: Column) -> str:
    """SQL that reads the column as the product understands it; a cell that does not fit stays as it is, so that loading rejects it."""
    name = quote(column.name)
    if column.as_is:
        return name
    if column.kind == "flag":
        words = ", ".join(literal(word) for word in sorted({value.lower() for value in column.values} & set(TRUE))) or "'true'"
        return f"case when lower({name}) in ({words}) then 'true' when {name} is not null then 'false' end"
    if column.kind == "number" and column.relative:
        return f"date '2000-01-01' + try_cast({name} as integer)"
    if column.kind == "number":
        return _number_sql(name, column)
    if column.month:
        return f"coalesce(cast(last_day(try_cast(replace({name}, '/', '-') || '-01' as date)) as varchar), {name})"
    if column.formats == ("epoch",):
        seconds = f"try_cast({name} as double) / case when length({name}) > 10 then 1000 else 1 end"
        return f"coalesce(cast(to_timestamp({seconds}) as varchar), {name})"
    forms = ", ".join(literal(form) for form in column.formats)
    return f"coalesce(cast(try_strptime({name}, {f'[{forms}]' if len(column.formats) > 1 else forms}) as varchar), {name})"


def _number_sql(name: str, column: Column) -> str:
    """Signs and separators off, but only where a cell is made of what was seen: `12k` or `(1,200)` must not quietly become a number."""
    decimal = column.decimal
    odd = [mark for mark in column.marks if mark in "'\\]^-[" or not mark.isprintable()]
    seen = "".join(f"\\x{{{ord(mark):x}}}" if mark in odd else mark for mark in column.marks)
    digits = f"regexp_replace({name}, '[^0-9{decimal}-]', '', 'g')"
    number = f"replace({digits}, ',', '.')" if decimal == "," else digits
    return (
        f"case when regexp_full_match({name}, '[{seen} -]*[0-9][0-9{seen}]*([{decimal}][0-9]+)?[{seen} ]*') then {number} else {name} end"
    )


def evidence(columns: Mapping[str, Column], name: str) -> str:
    """What was seen in a column, in a few words."""
    column = columns[name]
    filled = "" if column.filled == column.rows else f"filled in {column.filled} of {column.rows} rows"
    return "; ".join(part for part in (column.said, filled) if part)
