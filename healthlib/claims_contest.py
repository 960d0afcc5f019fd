"""The sentences about the contest: the score against a machine, a CSM and one number, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.claims import against, named
from healthlib.resample import Estimate
from healthlib.wording import change, count, counted, listed, number, share, share_range, tested, unknown

if TYPE_CHECKING:
    from healthlib.studies.contest import ContestFacts

CALLED = {
    "current": "the weights in use", "equal": "equal weights", "fitted": "the fitted weights",
    "learned": "the fitted weights on learned scales",
    "incumbent": "the present tool’s score", "csm_rating": "the CSM’s rating alone", "best_metric": "the best single metric",
    "logistic": "a logistic regression without limits", "boosting": "gradient boosting",
}  # fmt: skip
"""Entrant -> what a sentence calls it."""

READABLE = ("learned", "fitted", "current")
"""What people can read, best form first."""


def row(contest: ContestFacts, scheme: str, measure: str, by: str = "accounts") -> pd.Series | None:
    """One row of the contest's table; None where the scheme did not enter."""
    table = contest.table
    found = table[(table["scheme"] == scheme) & (table["measure"] == measure) & (table["by"] == by)]
    return found.iloc[0] if len(found) else None


def gap(contest: ContestFacts, scheme: str, reference: str, measure: str = "auc", by: str = "accounts") -> Estimate | None:
    """Scheme minus reference on the cases that both score; None where there is no such pair or nothing can be said."""
    found = row(contest, scheme, measure, by)
    ends = [f"minus_{reference}{part}" for part in ("", "_low", "_high")]
    if found is None or ends[0] not in found.index or unknown(found[ends[1]]):
        return None
    return Estimate(*(float(found[end]) for end in ends), int(found["accounts"]), int(found["lost"]))


def called(contest: ContestFacts, scheme: str) -> str:
    """What a sentence calls the scheme; the best single metric with its name."""
    name = CALLED[scheme]
    return f"{name}, “{contest.chosen['label'].iloc[0]}”" if scheme == "best_metric" and len(contest.chosen) else name


def suspects(contest: ContestFacts) -> list[str]:
    """Entrants that seem to know the outcome."""
    return contest.entrants.loc[contest.entrants["suspected"].astype(bool), "scheme"].tolist()


def standing(contest: ContestFacts) -> str:
    """Whom the weights in use beat, who beats them, and who cannot be told from them."""
    sides: dict[str, list[str]] = {"below": [], "above": [], "cannot tell": []}
    for scheme in contest.entrants["scheme"]:
        found = None if scheme in ("current", *suspects(contest)) else gap(contest, scheme, "current")
        if found is not None:
            side = against(found.low, found.high, 0.0)
            by = change(found.value, 3) if side == "cannot tell" else f"by {number(abs(found.value), 3)}"
            sides[side].append(f"{called(contest, scheme)} ({by})")
    if not any(sides.values()):
        return f"There is no contest yet: {nothing(contest)}"
    verbs = {"below": "beat", "above": "are beaten by", "cannot tell": "cannot be told from"}
    said = [f"{verbs[side]} {listed(names)}" for side, names in sides.items() if names]
    start = tested(contest.split, "Out of time, on the same accounts, the weights in use")
    return f"{start} {'; they '.join(said)} (difference in AUC; n = {basis(contest)})."


def nothing(contest: ContestFacts) -> str:
    """What a contest would need."""
    if not contest.tested:
        return "it takes finished cases, lost and kept, that were scored after at least 15 of each had finished."
    return f"of {counted(contest.compared, 'case')} compared {count(contest.lost)} were lost; it takes lost and kept ones of two accounts."


def basis(contest: ContestFacts) -> str:
    """What the contest rests on."""
    accounts = int(contest.table["accounts"].max()) if len(contest.table) else 0
    if contest.compared == accounts:
        return f"{counted(accounts, 'account')}, {count(contest.lost)} lost"
    of = f"{counted(accounts, 'account')} with {counted(contest.compared, 'case')}"
    return f"{of}, {counted(contest.lost, 'lost case')} of {counted(contest.lost_accounts, 'account')}"


def price(contest: ContestFacts) -> str:
    """What being readable costs against the ceiling, for the weights in use, the fitted ones, and those on learned scales."""
    said = [_price(contest, scheme) for scheme in READABLE if scheme == "current" or gap(contest, scheme, "boosting") is not None]
    return " ".join(words for words in said if words) or "What being readable costs cannot be told yet."


def _price(contest: ContestFacts, scheme: str) -> str:
    found = gap(contest, scheme, "boosting")
    if found is None:
        return ""
    who, span = CALLED[scheme], f"{number(abs(found.value), 3)} AUC"
    first = who[:1].upper() + who[1:]
    machine = "gradient boosting, which nobody could explain" if scheme == _first(contest) else "it"
    cost = f"({number(-found.high, 3)} to {number(-found.low, 3)})"
    gain = f"({number(found.low, 3)} to {number(found.high, 3)})"
    side = against(found.low, found.high, 0.0)
    if side == "below":
        price = "" if scheme == "current" else ": that is the price of a score that can be read"
        return f"{first} give up {span} {cost} against {machine}{price}."
    if side == "above":
        fed = f": {counted(contest.lost, 'lost case')} are too few to feed a machine" if contest.lost < MANY_LOST else ""
        return f"{first} rank better than {machine.removesuffix(', which nobody could explain')} by {span} {gain}{fed}."
    moved = f"give up {span} {cost}" if found.value < 0 else f"gain {span} {gain}"
    return f"{first} {moved} against {machine}, which cannot be told from none."


def _first(contest: ContestFacts) -> str:
    """The scheme whose price is said first."""
    return next((scheme for scheme in READABLE if gap(contest, scheme, "boosting") is not None), "")


MANY_LOST = 300
"""Below this many lost cases a machine that does worse is said to lack them (a convention)."""


def caught(contest: ContestFacts) -> str:
    """How much of what was lost a team finds that calls the worst tenth, by accounts and by ARR."""
    said = [_caught(contest, scheme) for scheme in ("current", "fitted", "learned", "boosting")]
    said = [words for words in said if words]
    if not said:
        return "How much of what was lost a worst tenth would have held cannot be told yet."
    return f"Of what was lost, and of its ARR, the worst tenth held {'; '.join(said)}. Drawn by lot it would hold 10%."


def _caught(contest: ContestFacts, scheme: str) -> str:
    found, money = (row(contest, scheme, "caught_10", by) for by in ("accounts", "arr"))
    if found is None or unknown(found["value"]):
        return ""
    by_arr = f" and {share(money['value'])}" if money is not None and not unknown(money["value"]) else ""
    return f"{share_range(found['value'], found['low'], found['high'])}{by_arr} by {called(contest, scheme)}"


def rules(contest: ContestFacts) -> tuple[str, ...]:
    """How the contest was held."""
    return (_machines(contest), _probabilities(contest)) if len(contest.table) else ()


def notes(contest: ContestFacts) -> tuple[str, ...]:
    """What to doubt."""
    if not len(contest.table):
        return ()
    said = _unscored(contest)
    for scheme in suspects(contest):
        said.append(
            f"The figures of {CALLED[scheme]} cannot be believed: it seems to know the outcome itself (see the leak audit). They are "
            "shown and count nowhere."
        )
    if contest.split == "accounts":
        said.append(
            "This is the weaker evidence: a sheet without dates lets the machines learn from other accounts of the same day, so none of "
            "these figures, the machines’ least of all, shows what was known before a customer left."
        )
    return tuple(said)


def _machines(contest: ContestFacts) -> str:
    single = ""
    if len(contest.chosen):
        of = counted(contest.folds, "fold" if contest.split == "accounts" else "cut-off")
        names = [f"{label} at {count(folds)}" for label, folds in zip(contest.chosen["label"], contest.chosen["folds"], strict=True)]
        single = f" The best single metric is the one that ranked the training cases best: {named(names)} of {of}."
    often = (
        "" if contest.refits == contest.folds else f", fitted once a quarter, at {count(contest.refits)} of {count(contest.folds)} cut-offs"
    )
    return (
        f"The machines see the same {counted(contest.metrics, 'metric')} as the fit, without those that seem to know the outcome, and "
        f"learn from the same cases. Logistic regression: scikit-learn, no bounds, a gap is the mean and a flag. Gradient boosting: "
        f"scikit-learn, values as measured{often}; of two sizes earlier tests choose.{single}"
    )


def _probabilities(contest: ContestFacts) -> str:
    how = "the cases it had scored before" if contest.split == "time" else "the cases of the other folds"
    rest = ""
    if contest.uncalibrated:
        rest = (
            f" For the first {counted(contest.uncalibrated, 'case')} too few of them had finished: there everybody promises the base rate."
        )
    return (
        f"Brier and log loss judge probabilities: every entrant’s come from one logistic curve through {how}, machines too, so that none "
        f"is judged for its scale.{rest} The worst tenth and fifth are of cases, ties at the cut counting in part; their share of ARR is "
        "of the ARR lost."
    )


def _unscored(contest: ContestFacts) -> list[str]:
    said = []
    if contest.tested > contest.compared:
        gone = contest.tested - contest.compared
        said.append(
            f"{count(gone)} of {counted(contest.tested, 'tested case')} had too little measured for a score; they are not compared."
        )
    short = contest.entrants[contest.entrants["scored"] < contest.entrants["of"]]
    if len(short):
        names = [f"{CALLED[scheme]} scores {count(scored)}" for scheme, scored in zip(short["scheme"], short["scored"], strict=True)]
        said.append(
            f"Of the {counted(contest.compared, 'case')} compared, {listed(names)}: their figures are of the cases they score, their "
            "differences of those that both score."
        )
    return said


def finite(contest: ContestFacts) -> bool:
    """Whether any AUC could be told."""
    table = contest.table
    return bool(len(table)) and bool(np.isfinite(table.loc[table["measure"] == "auc", "value"].to_numpy(dtype=float)).any())
