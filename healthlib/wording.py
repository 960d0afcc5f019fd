"""Numbers into words: money, shares, counts, changes and intervals, with no more digits than they support."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

NOTHING = "–"
BARE = "-"
"""The currency of a figure that is shown without one."""
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "CN¥", "INR": "₹"}


def unknown(value: Any) -> bool:
    """Whether there is nothing to say: None, NaN or NaT."""
    return value is None or bool(pd.isna(value))


def count(value: float) -> str:
    """A whole number with thousands separators.

    >>> count(12345.0)
    '12,345'
    """
    return NOTHING if unknown(value) else f"{round(value):,}"


def counted(value: float, noun: str, plural: str | None = None) -> str:
    """A count with its noun in the singular or the plural.

    >>> counted(1, "account"), counted(0, "account"), counted(3, "churn", "churns")
    ('1 account', '0 accounts', '3 churns')
    """
    return f"{count(value)} {noun if value == 1 else plural or noun + 's'}"


def money(value: float, currency: str = "USD", digits: int = 3) -> str:
    """Money with three significant digits, or as many as asked.

    >>> money(4821333), money(48213, "EUR"), money(-512, "CHF"), money(4821333, "USD", 2)
    ('$4.82M', '€48.2k', '−CHF\\xa0512', '$4.8M')
    """
    if unknown(value):
        return NOTHING
    size = float(f"{abs(value):.{digits}g}")
    scale, letter = next(((s, x) for s, x in ((1e9, "bn"), (1e6, "M"), (1e3, "k")) if size >= s), (1.0, ""))
    number = size / scale
    decimals = max(0, digits - 1 - math.floor(math.log10(number))) if number > 0 and letter else 0
    sign = "−" if value < 0 and number > 0 else ""
    symbol = SYMBOLS.get(currency, f"{currency}\xa0" if len(currency) == 3 else "")
    unit = "" if symbol or currency == BARE else f"\xa0{currency}"
    return f"{sign}{symbol}{number:,.{decimals}f}{letter}{unit}"


def compact(currency: str) -> str:
    """The currency as a table or an axis carries it: a symbol or a code; a unit in words is left to the caption.

    >>> money(564000, compact("EUR")), money(564000, compact("credits")), money(564000, "credits")
    ('€564k', '564k', '564k\\xa0credits')
    """
    return currency if len(currency) == 3 else BARE


def share(value: float, digits: int = 0) -> str:
    """A proportion as a percentage.

    >>> share(0.914), share(0.0034, 1), share(0.003)
    ('91%', '0.3%', 'under 1%')
    """
    if unknown(value):
        return NOTHING
    if digits == 0 and 0 < value < 0.005:
        return "under 1%"
    if digits == 0 and 0.995 < value < 1:
        return "over 99%"
    return f"{100 * value:.{digits}f}%".replace("-", "−")


def number(value: float, digits: int = 1) -> str:
    """A plain number.

    >>> number(-3.14159, 2)
    '−3.14'
    """
    return NOTHING if unknown(value) else f"{value:,.{digits}f}".replace("-", "−")


def points(value: float) -> str:
    """A score, in whole points."""
    return number(value, 0)


def banded(value: float, starts: Iterable[float]) -> str:
    """A score in whole points, never rounded up to the start of a band that it does not reach: 64.7 is no 65 where green starts at 65.

    >>> banded(64.7, (0, 50, 65)), banded(65.2, (0, 50, 65)), banded(37.6, (0, 50, 65))
    ('64', '65', '38')
    """
    crossed = not unknown(value) and any(value < start <= round(value) for start in starts)
    return points(math.floor(value) if crossed else value)


def change(value: float, digits: int = 0) -> str:
    """A difference with its sign.

    >>> change(3), change(-2), change(0)
    ('+3', '−2', '±0')
    """
    if unknown(value):
        return NOTHING
    shown = f"{abs(value):,.{digits}f}"
    return ("±" if float(shown.replace(",", "")) == 0 else "+" if value > 0 else "−") + shown


def money_change(value: float, currency: str = "USD") -> str:
    """A difference of money with its sign.

    >>> money_change(-12000), money_change(0)
    ('−$12.0k', '±$0')
    """
    if unknown(value):
        return NOTHING
    return ("+" if value > 0 else "" if value < 0 else "±") + money(value, currency)


def day(value: Any) -> str:
    """A date in one unambiguous form.

    >>> day(pd.Timestamp("2026-10-05"))
    '5 Oct 2026'
    """
    if unknown(value):
        return NOTHING
    when = pd.Timestamp(value)
    return f"{when.day} {when:%b %Y}"


def short_day(value: Any) -> str:
    """A date without its year, where the year is plain.

    >>> short_day(pd.Timestamp("2026-09-30"))
    '30 Sep'
    """
    return day(value).rpartition(" ")[0] or NOTHING


def upper_first(text: str) -> str:
    """The text with a capital at its head, the rest as somebody wrote it.

    >>> upper_first("at risk (EMEA)")
    'At risk (EMEA)'
    """
    return text[:1].upper() + text[1:]


def isolated(text: str) -> str:
    """A name inside a sentence, so that right-to-left marks in it turn nothing else around.

    >>> isolated("a") == chr(0x2068) + "a" + chr(0x2069)
    True
    """
    return f"\u2068{text}\u2069"


def clipped(text: str, most: int = 60) -> str:
    """A name inside a sentence, see `isolated`, cut where it is longer than a sentence can carry.

    >>> clipped("abc"), len(clipped("x" * 300))
    ('\u2068abc\u2069', 62)
    """
    return isolated(text if len(text) <= most else f"{text[: most - 1]}…")


def share_digits(low: float, high: float) -> int:
    """One decimal where the interval is narrower than two points of percent, none elsewhere."""
    return 0 if unknown(low) or unknown(high) or high - low > 0.02 else 1


def share_range(value: float, low: float, high: float) -> str:
    """A proportion with its interval, in the digits the interval supports.

    >>> share_range(0.914, 0.88, 0.94)
    '91% (88–94%)'
    >>> share_range(0.914, float("nan"), float("nan"))
    '91%'
    """
    if unknown(low) or unknown(high):
        return share(value)
    digits = share_digits(low, high)
    return f"{share(value, digits)} ({number(100 * low, digits)}–{number(100 * high, digits)}%)"


def money_range(low: float, high: float, currency: str = "USD", *, of: float = math.inf, to: str = " to ") -> str:
    """A range of money, in two significant digits; its end in three where two would take it beyond the whole that it is a part of.

    >>> money_range(121000, 343000), money_range(0, 136800, of=137000)
    ('$120k to $340k', '$0 to $137k')
    """
    if unknown(low) or unknown(high):
        return NOTHING
    return f"{money(low, currency, 2)}{to}{money(high, currency, 3 if float(f'{high:.2g}') > of else 2)}"


def tested(split: str, words: str) -> str:
    """Words on how weights were tested, as true for this kind of test: what is out of time over time is out of fold over accounts.

    >>> tested("accounts", "Out of time the AUC is 0.7"), tested("time", "Out of time the AUC is 0.7")
    ('Out of fold the AUC is 0.7', 'Out of time the AUC is 0.7')
    """
    return words.replace("ut of time", "ut of fold") if split == "accounts" else words


def listed(items: Sequence[str], last: str = "and") -> str:
    """Words in a row.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""
