"""What each column of an export holds, judged by its cells: dates and their order, money and its comma, flags, numbers, or text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from .init_column import TRUE, Column, numbers_of
from .init_words import plain

SAMPLE = 3000
"""Most different cells of a column that are judged for their form."""

ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?)?")
MONTH = re.compile(r"(\d{4})[-/](\d{2})")
DAY_MONTH = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:,? +(\d{1,2}:\d{2})(:\d{2})?( ?[AaPp][Mm])?)?")
YEAR_FIRST = re.compile(r"\d{4}([/.])(\d{1,2})\1(\d{1,2})(?: +(\d{1,2}:\d{2})(:\d{2})?)?")
NAMED = (
    (re.compile(r"\d{1,2}[ -][A-Za-z]{3}[ -]\d{4}"), ("%d {0}%b{0}%Y",)),
    (re.compile(r"[A-Za-z]{3} \d{1,2}, \d{4}"), ("%b %d, %Y",)),
    (re.compile(r"[A-Za-z]{4,9} \d{1,2}, \d{4}"), ("%B %d, %Y",)),
)
COMPACT = re.compile(r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
EPOCH = re.compile(r"1\d{9}(\d{3})?")
CURRENCY = r"(?:€|\$|£|¥|₹|kr\.?|CHF|EUR|USD|GBP|US\$|Fr\.?)"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?")
FALSE = ("false", "f", "no", "n", "0", "nein", "non", "falsch", "faux", "falso", "nee", "não", "nao", "nie",
         "fałsz", "nej", "falskt")  # fmt: skip
DATE_WORDS = {"date", "day", "days", "datum", "tag", "jour", "fecha", "data", "dag"}


COULD = "could also be read the other way"


def profile(cells: pd.DataFrame) -> dict[str, Column]:
    """Header -> what the column holds."""
    return {str(name): _column(str(name), cells[name]) for name in cells.columns}


def settled(columns: Mapping[str, Column], others: Iterable[Column]) -> dict[str, Column]:
    """The same columns; dates that leave day and month open follow the dates of their own file, else those of the other files."""
    decided = [_day_first(column) for column in columns.values()]
    votes = [vote for vote in decided if vote is not None] or [vote for column in others if (vote := _day_first(column)) is not None]
    return {
        name: _followed(column, votes) if column.formats and COULD in column.said and votes else column for name, column in columns.items()
    }


def _day_first(column: Column) -> bool | None:
    """Whether a column of dates settles that the day comes first; None where it says nothing."""
    form = column.formats[0][:2] if column.formats else ""
    return form == "%d" if form in ("%d", "%m") and COULD not in column.said else None


def _followed(column: Column, votes: Sequence[bool]) -> Column:
    first = sum(votes) * 2 >= len(votes)
    swapped = tuple(("%d" if first else "%m") + form[2] + ("%m" if first else "%d") + form[5:] for form in column.formats)
    said = f"{'day' if first else 'month'} first, as in the other dates; guess: these cells alone {COULD}"
    return replace(column, formats=swapped, said=said)


def _column(name: str, cells: pd.Series) -> Column:
    filled = cells.dropna()
    facts: dict = {"name": name, "rows": len(cells), "filled": len(filled), "distinct": int(filled.astype(str).nunique())}
    if filled.empty:
        return Column(kind="empty", **facts)
    facts["values"] = tuple(sorted(map(str, filled.astype(str).unique()))) if facts["distinct"] <= 60 else ()
    native = _native(filled)
    if native:
        if native == "number":
            facts.update(low=float(filled.astype(float).min()), high=float(filled.astype(float).max()), relative=_is_relative(name, filled))
        return Column(kind=native, native=not facts.get("relative"), said="typed in the file", **facts)
    texts = filled.astype(str)
    some = pd.Series(texts.unique())
    some = some if len(some) <= SAMPLE else some.iloc[:: len(some) // SAMPLE + 1]
    return _of_text(name, some, texts, facts)


def _native(cells: pd.Series) -> str:
    """The kind that the file itself gave, or "" for text."""
    if pd.api.types.is_bool_dtype(cells):
        return "flag"
    if pd.api.types.is_datetime64_any_dtype(cells) or (cells.dtype == object and cells.map(lambda cell: hasattr(cell, "isoformat")).all()):
        return "when"
    return "number" if pd.api.types.is_numeric_dtype(cells) else ""


def _of_text(name: str, some: pd.Series, texts: pd.Series, facts: dict) -> Column:
    when = _dates(name, some)
    if when:
        return Column(kind="when", **when, **facts)
    if (
        len(some) <= 2
        and set(some.str.lower()) <= {*TRUE, *FALSE}
        and set(some.str.lower()) & {*FALSE, "true", "yes", "ja", "oui", "wahr", "vrai", "vero", "sim", "tak", "sant"}
    ):
        return Column(kind="flag", said=f"{facts['filled']} of {facts['rows']} cells are {' or '.join(sorted(some))}", **facts)
    mark, said = _number_form(some)
    if mark is None:
        return Column(kind="text", **facts)
    values = numbers_of(texts, mark).dropna()
    coded = some.str.fullmatch(r"0\d+").any() or (mark == "" and some.str.len().min() >= 12 and some.str.fullmatch(r"\d+").all())
    if coded:
        return Column(kind="text", said="digits that are a code", **facts)
    facts["marks"] = "".join(sorted(set("".join(some)) - set("0123456789-") - {mark})) if mark else ""
    relative = mark == "" and _is_relative(name, values)
    return Column(kind="number", decimal=mark, relative=relative, said=said, low=float(values.min()), high=float(values.max()), **facts)


def _is_relative(name: str, values: pd.Series) -> bool:
    """Whole numbers of days under a header that says date."""
    numbers = values.astype(float)
    words = set(plain(name).split())
    return bool(words & {"date", "datum", "fecha"}) and bool((numbers % 1 == 0).all()) and bool(numbers.abs().max() < 4000)


def _share(some: pd.Series, pattern: str | re.Pattern[str]) -> float:
    return float(some.str.fullmatch(pattern).mean())


def _dates(name: str, some: pd.Series) -> dict | None:
    """kind-specific facts of a column of dates, or None. 95 % of the different cells must agree; the rest is rejected in loading."""
    total = len(some)
    if _share(some, ISO) >= 0.95:
        return {"said": f"{int(some.str.fullmatch(ISO).sum())} of {total} samples are ISO dates"}
    if _share(some, MONTH) >= 0.95 and some.str.extract(MONTH)[1].dropna().astype(int).between(1, 12).all():
        return {
            "said": f"{total} of {total} samples are months such as {some.iloc[0]}; a month's total is known on its last day",
            "month": True,
        }
    if _share(some, DAY_MONTH) >= 0.95:
        return _day_or_month(some)
    if _share(some, YEAR_FIRST) >= 0.95:
        mark = some.str.extract(YEAR_FIRST)[0].mode().iloc[0]
        return {"said": f"{total} of {total} samples are YYYY{mark}MM{mark}DD", "formats": _clocked(f"%Y{mark}%m{mark}%d", some)}
    for pattern, formats in NAMED:
        if _share(some, pattern) >= 0.95:
            mark = re.sub(r"[A-Za-z0-9]", "", some.iloc[0])[:1]
            form = formats[0].replace("%d {0}", "%d{0}").format(mark)
            return {"said": f"{total} of {total} samples are dates such as {some.iloc[0]}", "formats": (form,)}
    words = set(plain(name).split()) & {*DATE_WORDS, "at", "time", "timestamp", "on", "createdate"}
    if words and _share(some, COMPACT) == 1:
        return {"said": f"{total} of {total} samples are YYYYMMDD", "formats": ("%Y%m%d",)}
    if words and _share(some, EPOCH) == 1:
        return {"said": f"{total} of {total} samples are seconds or milliseconds since 1970", "formats": ("epoch",)}
    return None


def _day_or_month(some: pd.Series) -> dict | None:
    """Day or month first: a part over 12 decides; without one, dots and dashes say day first, slashes month first: a guess."""
    parts = some.str.extract(DAY_MONTH)
    first, second = parts[0].dropna().astype(int), parts[2].dropna().astype(int)
    over, other, total = int((first > 12).sum()), int((second > 12).sum()), len(first)
    if over and other:
        return None
    mark, year = parts[1].mode().iloc[0], "YYYY" if parts[3].dropna().str.len().max() == 4 else "YY"
    day_first = over > 0 or (other == 0 and mark != "/")
    shape = f"DD{mark}MM{mark}{year}" if day_first else f"MM{mark}DD{mark}{year}"
    form = "{0}{2}{1}{2}{3}".format(*(("%d", "%m") if day_first else ("%m", "%d")), mark, "%Y" if year == "YYYY" else "%y")
    said = f"{total} of {len(some)} samples are {shape} ({over or other} have a {'first' if over else 'second'} number over 12)"
    if not (over or other):
        said = f"{total} of {len(some)} samples are {shape}; guess: no number is over 12, so they {COULD}"
    return {"said": said, "formats": _clocked(form, some)}


def _clocked(form: str, some: pd.Series) -> tuple[str, ...]:
    """The date pattern with each time of day that occurs behind it, the longest first."""
    comma = "," if some.str.contains(r"\d, +\d").any() else ""
    found = []
    if some.str.contains(r":\d{2} ?[AaPp][Mm]$").any():
        seconds = some.str.contains(r":\d{2}:\d{2} ?[AaPp][Mm]$").any()
        space = " " if some.str.contains(r" [AaPp][Mm]$").any() else ""
        found = [f"{form}{comma} %I:%M{':%S' if seconds else ''}{space}%p"]
    elif some.str.contains(r" \d{1,2}:\d{2}").any():
        found = [f"{form}{comma} %H:%M:%S"] if some.str.contains(r":\d{2}:\d{2}$").any() else []
        found += [f"{form}{comma} %H:%M"] if some.str.contains(r" \d{1,2}:\d{2}$").any() else []
    return (*found, form) if not found or (~some.str.contains(":")).any() else tuple(found)


def _number_form(some: pd.Series) -> tuple[str | None, str]:
    """The decimal mark: "" for plain numbers, "." or "," where signs or separators must go, None for no numbers; and the evidence."""
    total = len(some)
    if _share(some, NUMBER) >= 0.95:
        return "", ""
    point, comma = (int(some.str.fullmatch(_money(mark)).sum()) for mark in ".,")
    if max(point, comma) < 0.95 * total:
        return None, ""
    mark = "." if point > comma or (point == comma and _reads_point(some)) else ","
    shown = next((cell for cell in some if re.search(r"[.,]", cell)), some.iloc[0])
    tied = "; guess: it could also be the other way" if point == comma and some.str.contains(r"[.,]").any() else ""
    named = "point" if mark == "." else "comma"
    return mark, f"{max(point, comma)} of {total} samples are numbers with decimal {named}, such as {shown.strip()}{tied}"


def _money(decimal: str) -> str:
    """Pattern of a number with thousands in groups of three, or in none, and a currency before or behind. `12k` and `(1,200)` are none."""
    comma = "," if decimal == "." else "."
    sign = rf"\s*{CURRENCY}?\s*-?\s*{CURRENCY}?\s*"
    return rf"{sign}(?:\d{{1,3}}(?:[{comma}'’ \u00a0\u202f]\d{{3}})+|\d+)(?:[{decimal}]\d+)?\s*{CURRENCY}?\s*"


def _reads_point(some: pd.Series) -> bool:
    """Where both readings fit (1,234 or 1.234), the mark with three digits behind it separates thousands."""
    return some.str.contains(r",\d{3}(?!\d)").sum() >= some.str.contains(r"\.\d{3}(?!\d)").sum()
