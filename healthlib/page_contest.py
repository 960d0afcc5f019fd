"""The tables of the contest: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_contest, report, wording
from healthlib.claims import score_range, signed_range
from healthlib.page_audit import interval
from healthlib.pieces import Columns, Piece
from healthlib.resample import Estimate

if TYPE_CHECKING:
    from healthlib.studies.contest import ContestFacts

SHARES = ("caught_10", "caught_20")
HEADINGS = {
    "auc": "AUC", "caught_10": "Worst 10% held", "caught_20": "Worst 20% held", "brier": "Brier (lower is better)",
    "log_loss": "Log loss (lower is better)",
}  # fmt: skip
OTHERS = {"current": "the weights in use", "boosting": "gradient boosting"}


def tables(contest: ContestFacts) -> Piece:
    """Every measure by accounts; folded away: by ARR, and each difference from the weights in use and from gradient boosting."""
    if contest.table.empty:
        return report.note(f"No contest yet: {claims_contest.nothing(contest)}")
    rest = [_differences(contest, other, by) for other in OTHERS for by in ("accounts", "arr")]
    return report.show(
        _measures(contest, "accounts"),
        report.details("The same by ARR", _measures(contest, "arr")),
        report.details("Every difference, with its interval", *rest),
        report.details("How the contest was held", *(report.text(words) for words in claims_contest.rules(contest))),
        *(report.note(words) for words in claims_contest.notes(contest)),
    )


def _measures(contest: ContestFacts, by: str) -> Piece:
    """A row an entrant, a column a measure."""
    frame = contest.entrants.assign(said=[f"{one:,.0f}" for one in contest.entrants["scored"]])
    frame["label"] = _labels(contest)
    for name in HEADINGS:
        frame[name] = [_said(claims_contest.row(contest, scheme, name, by), name) for scheme in frame["scheme"]]
    columns: Columns = {
        "label": ("Entrant", "text"),
        **{name: (words, interval) for name, words in HEADINGS.items()},
        "said": ("Cases", "text"),
    }
    unit = "by ARR" if by == "arr" else "by accounts"
    caption = wording.tested(
        contest.split, f"Out of time, {unit}, 95% intervals from resampling accounts; n = {claims_contest.basis(contest)}"
    )
    return report.table(frame, columns, caption=caption, layout="cards")


def _labels(contest: ContestFacts) -> list[str]:
    """Names of the entrants; a suspect is called one."""
    suspects = claims_contest.suspects(contest)
    pairs = zip(contest.entrants["scheme"], contest.entrants["label"], strict=True)
    return [f"{label} (seems to know the outcome)" if scheme in suspects else str(label) for scheme, label in pairs]


def _said(row: pd.Series | None, measure: str) -> str:
    if row is None or wording.unknown(row["value"]):
        return wording.NOTHING
    if measure in SHARES:
        return wording.share_range(row["value"], row["low"], row["high"])
    return score_range(Estimate(row["value"], row["low"], row["high"]), 3)


def _differences(contest: ContestFacts, other: str, by: str) -> Piece:
    """Each entrant minus the reference, by every measure."""
    frame = contest.entrants.assign(label=_labels(contest))[contest.entrants["scheme"] != other]
    for name in HEADINGS:
        frame[name] = [_gap(claims_contest.gap(contest, scheme, other, name, by), name) for scheme in frame["scheme"]]
    columns: Columns = {"label": ("Entrant", "text"), **{name: (words, interval) for name, words in HEADINGS.items()}}
    unit = "ARR" if by == "arr" else "accounts"
    return report.table(frame, columns, caption=f"Minus {OTHERS[other]}, by {unit}, on the cases that both score", layout="cards")


def _gap(found: Estimate | None, measure: str) -> str:
    """A difference; of shares in points of 100."""
    if found is None:
        return wording.NOTHING
    if measure not in SHARES:
        return signed_range(found, 3)
    value, low, high = (wording.change(100 * end, 0) for end in (found.value, found.low, found.high))
    return f"{value} points ({low} to {high})"
