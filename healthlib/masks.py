"""Masks: what a name becomes under a secret that only the environment holds, the same from month to month."""

from __future__ import annotations

import hmac
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from healthlib.errors import HealthlibError

KEY = "HEALTHLIB_ANONYMISE_KEY"
"""The variable of the environment that holds the secret; it is written nowhere."""
LEAST = 32
"""Characters of a secret that nobody guesses."""
LETTERS = 8
"""Hexadecimal digits of a mask: of 20,000 names two share them once in twenty companies, and those two are given more."""
MAKE_ONE = "python3 -c 'import secrets; print(secrets.token_hex(32))'"


class SecretError(HealthlibError):
    """Names were to be masked and the environment holds no secret to do it with (exit 2)."""


@dataclass(frozen=True)
class Secret:
    """What turns names into masks: HMAC-SHA256 (RFC 2104) under a key, which no text of this object shows.

    A plain hash would not do: whoever has a list of customers hashes it and compares. A key of chance for each run would: but masks would
    then differ from month to month, and the same inputs would no longer give the same bytes.
    """

    key: bytes = field(repr=False)

    def digest(self, kind: str, text: str) -> str:
        """64 hexadecimal digits for a text; those of two kinds have nothing in common."""
        return hmac.digest(self.key, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), "sha256").hex()

    @property
    def mark(self) -> str:
        """Eight digits that tell this secret from another, and nothing more."""
        return self.digest("mark", "")[:LETTERS]

    def masks(self, kind: str, texts: Iterable[str]) -> dict[str, str]:
        """Text -> digits, no two alike: `LETTERS` of them, two more where that many would be shared.

        >>> Secret(b"k").masks("account", ["A1", "A2", "A1"])
        {'A1': '07fad635', 'A2': '35207228'}
        """
        whole = {text: self.digest(kind, text) for text in texts}
        found: dict[str, str] = {}
        length = LETTERS
        while len(found) < len(whole):
            left = {text: digits[:length] for text, digits in whole.items() if text not in found}
            times = Counter(left.values())
            found |= {text: digits for text, digits in left.items() if times[digits] == 1}
            length += 2
        return {text: found[text] for text in whole}


def mark(anonymise: bool) -> str:
    """What tells reports masked under this secret from others: its `mark`; "" where names are not masked."""
    return secret().mark if anonymise else ""


def secret() -> Secret:
    """The secret of the environment.

    Raises
    ------
    SecretError
        Where there is none, or one that is too short to be one.
    """
    key = os.environ.get(KEY, "").strip()
    if len(key) >= LEAST:
        return Secret(key.encode("utf-8", "surrogateescape"))
    found = f"one of {len(key)} characters is too short" if key else "none is set"
    raise SecretError(
        f"names are masked under a secret of at least {LEAST} characters in {KEY}, and {found}; make one with {MAKE_ONE} "
        "and keep it: the same secret gives the same masks every month"
    )
