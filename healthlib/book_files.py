"""The file of each CSM's page: a name made of letters, digits and dashes, whatever the person is called, and no two share one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

NOBODY = frozenset({"", "-", "n/a", "na", "nan", "none", "nobody", "unassigned", "unknown"})
"""What exports write in the place of an owner, in small letters."""
LINK = re.compile(r'<a href="(book-[a-z0-9-]+\.html)">(.*?)</a>', flags=re.S)
"""A link to a book page, as `pieces.linked` writes it."""


def owner(name: object) -> str:
    """The CSM as said in the exports, without blanks around; "" where that means nobody.

    >>> owner(" Jun Sato "), owner("Unassigned"), owner(None), owner(float("nan"))
    ('Jun Sato', '', '', '')
    """
    said = "" if name is None else str(name).strip()
    return "" if said.casefold() in NOBODY else said


def book_file(csm: object) -> str:
    """The file name of a CSM's page, from the name alone.

    Words of one capital and small letters or digits, one blank between them, are written as they are, in small letters: no two such
    names give the same file. Whatever else a name holds is left out and told apart by a hash, behind two dashes, which no plain name has.
    All is in small letters, so that file systems that do not tell `a` from `A` keep them apart; nothing can climb out of the folder.

    >>> book_file("Jun Sato"), book_file("jun sato"), book_file("../../etc"), book_file("unassigned")
    ('book-jun-sato.html', 'book-jun-sato--88d31ff29a3f.html', 'book-etc--74ccf3c5b4c1.html', 'book-nobody.html')
    """
    name = owner(csm)
    if not name:
        return "book-nobody.html"
    if len(name) <= 60 and re.fullmatch(r"[A-Z][a-z0-9]*(?: [A-Z][a-z0-9]*)*", name):
        return f"book-{name.lower().replace(' ', '-')}.html"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    words = "-".join(re.findall(r"[a-z0-9]+", name.lower()[:60]))[:40].strip("-")
    return f"book-{words}--{digest}.html"


def without_dead_links(page: str, there: Collection[str]) -> str:
    """The page with links to books that were not made as plain text.

    >>> without_dead_links('<a href="book-a.html"><bdi>A</bdi></a> <a href="book-b.html">B</a>', {"book-b.html"})
    '<bdi>A</bdi> <a href="book-b.html">B</a>'
    """
    return LINK.sub(lambda found: found.group() if found.group(1) in there else found.group(2), page)
