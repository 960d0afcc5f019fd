"""Which scorecard was in force when: the changes on record, and the scorecard of an earlier day where its text was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.scoring import resolve_scales
from healthlib.studies.compare import DEFINES

if TYPE_CHECKING:
    from healthlib.spec import Scorecard
    from healthlib.studies.book import Book

COLUMNS = ("adopted_on", "who", "why", "before", "after")


def changes_of(book: Book) -> pd.DataFrame:
    """The changes of the scorecard on record up to the day of the book, oldest first.

    Returns
    -------
    DataFrame `COLUMNS`: day, who decided and why (empty where names are masked), and the first twelve digits of the SHA-256 of the
    texts before and after
    """
    hidden = book.workspace.anonymise
    known = [change for change in book.workspace.adopted if pd.Timestamp(change.adopted_on) <= book.as_of]
    rows = [
        (
            pd.Timestamp(change.adopted_on),
            *(("", "") if hidden else (change.who, change.why)),
            change.sha256_before[:12],
            change.sha256_after[:12],
        )
        for change in sorted(known, key=lambda change: change.adopted_on)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"adopted_on": "datetime64[s]"})


def in_force(book: Book, day: pd.Timestamp | None) -> Scorecard | None:
    """The scorecard of an earlier day, with numbers as scale ends; None where it was today's, or can no longer be scored with.

    It can be where its text was kept and every metric of it is still measured, in the same way.
    """
    if day is None:
        return None
    later = sorted(at for at in book.workspace.earlier if day < pd.Timestamp(at) <= book.as_of)
    if not later:
        return None
    card = book.workspace.earlier[later[0]]
    same = all(name in book.scorecard.metrics and _measures(card, name) == _measures(book.scorecard, name) for name in card.metrics)
    return resolve_scales(card, book.history) if same else None


def _measures(card: Scorecard, name: str) -> dict[str, object]:
    metric = card.metrics[name]
    return {key: getattr(metric, key, None) for key in DEFINES}
