"""Fails a replay in which what is tested could have taught: the same case, the same account, or an outcome that was not yet known.

The error that flatters most: with overlapping snapshots a random split promised an AUC of 0.83 where the future gave 0.67.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from healthlib.errors import HealthlibError

Flags = NDArray[np.bool_]


class Parted(Protocol):
    """What is audited: masks over the finished cases, and splits inside the training cases (`splits.Split`)."""

    @property
    def name(self) -> Any:
        """The cut-off, or the fold in words."""

    @property
    def train(self) -> Flags:
        """Cases that teach."""

    @property
    def test(self) -> Flags:
        """Cases that are tested."""

    @property
    def seen(self) -> Flags:
        """Cases whose values may set scales."""

    @property
    def inner(self) -> Sequence[Any]:
        """Splits inside the training cases."""


class SplitError(HealthlibError):
    """A split lets what is tested teach: a fault of the program or of a frame of cases made elsewhere, never a matter of taste."""


def audit_splits(done: pd.DataFrame, parts: Sequence[Parted]) -> None:
    """Check every split of a replay.

    In time (`name` is the cut-off) every training case must have ended, grace included, before the cut-off, every case that sets scales
    must have been scored before it and every tested case on it or later. Without time (`fold` in the frame) no account may lie on
    both sides, inside the training cases neither. In both, no case is trained on and tested, and none is tested twice.

    Parameters
    ----------
    done : finished cases: account_id, as_of, horizon_ends_on, lost
    parts : masks over its rows

    Raises
    ------
    SplitError
        at the first overlap, with the split, the account and its dates
    """
    tested = np.zeros(len(done), dtype=bool)
    accounts = pd.factorize(done["account_id"])[0] if "fold" in done else None
    for part in parts:
        _refuse(done, part, part.train & part.test, "is trained on and tested")
        _refuse(done, part, part.test & tested, "is tested a second time")
        tested |= part.test
        _refuse(done, part, part.train & done["lost"].isna().to_numpy(), "teaches though its outcome is not known")
        if accounts is not None:
            _apart(done, part, accounts)
            continue
        cutoff, ends, scored = np.datetime64(part.name), done["horizon_ends_on"].to_numpy(), done["as_of"].to_numpy()
        _refuse(done, part, part.train & ~(ends < cutoff), "teaches though its horizon and grace end on the cut-off or later")
        _refuse(done, part, part.test & ~(scored >= cutoff), "is tested though it was scored before the cut-off")
        _refuse(done, part, part.seen & ~(scored < cutoff), "sets scales though it was scored on the cut-off or later")


def _apart(done: pd.DataFrame, part: Parted, accounts: NDArray[np.intp]) -> None:
    """No account on both sides of a fold, nor of the folds inside it, which lie within its training cases."""
    for one, sides in [(part, (part.train | part.seen, part.test)), *((inner, (inner.train, inner.test)) for inner in part.inner)]:
        taught = np.zeros(accounts.max(initial=-1) + 1, dtype=bool)
        taught[accounts[sides[0]]] = True
        _refuse(done, one, sides[1] & taught[accounts], "is tested though its account also teaches")
        _refuse(done, one, (one.train | one.test) & part.test if one is not part else part.test & part.train, "is read before its own test")


def _refuse(done: pd.DataFrame, part: Parted, wrong: Flags, what: str) -> None:
    count = int(wrong.sum())
    if not count:
        return
    row = done.iloc[int(np.argmax(wrong))]
    name = part.name.date() if isinstance(part.name, pd.Timestamp) else part.name
    ends = f", ends on {row['horizon_ends_on']:%Y-%m-%d}" if "horizon_ends_on" in done else ""
    raise SplitError(
        f"split {name}: the case of account {row['account_id']} scored on {row['as_of']:%Y-%m-%d}{ends} {what} ({count:,} such of "
        f"{len(done):,} cases). The replay stops, because figures from it would flatter; check as_of and horizon_ends_on of the cases"
    )
