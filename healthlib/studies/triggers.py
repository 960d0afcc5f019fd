"""Which score were playbooks started by? The jump in the share worked at every threshold of every score that the team could see.

Only who was worked is looked at here, never who left: choosing a threshold by its first stage cannot favour an effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.discontinuity import LEAST, bandwidths, jumps
from healthlib.spec import Scorecard

if TYPE_CHECKING:
    from healthlib.studies.book import Book

RULES = ("score", "cut", "needs", "h", "below", "above", "soon_below", "soon_above", "jump", "low", "high", "z", "found")
INCUMBENT, SHOWN, OVERRULED, RATING = "incumbent", "shown", "overruled", "rating"
"""The present tool's score as it was shown then; this scorecard's; the same where no override stood above it; the CSM's own rating."""
TRIGGERED = 0.1
"""A threshold sets playbooks off where the share worked jumps by at least so much, surely (a convention): less is hardly a rule."""
CHANCE = 0.01
"""Over all thresholds tried, a rule is found where there is none about so often (a convention; real rules are far clearer than that)."""


def scores_seen(book: Book, cases: pd.DataFrame) -> dict[str, pd.Series]:
    """Every score that the team could have gone by at each case, named as above; only those that the workspace has.

    Parameters
    ----------
    cases : `treated.MARKED`

    Returns
    -------
    name -> float Series on the index of `cases`; NaN where there was none. Our score is NaN where a gate put it where it is.
    """
    keys = ["account_id", "as_of"]
    ours = cases["shown"].where(cases["gate"] == "")
    found = {}
    if book.incumbent is not None:
        found[INCUMBENT] = _beside(cases, book.incumbent.rename(columns={"incumbent": "value"}))
    found[SHOWN] = ours
    if len(book.overrides.merge(cases[keys], on=keys)):
        over = _beside(cases, book.overrides.rename(columns={"override": "value"}))
        found[OVERRULED] = over.where(over.notna(), ours)
    rated = {name for name, metric in book.scorecard.metrics.items() if metric.table == "ratings"}
    answers = book.answers[book.answers["metric"].isin(rated)]
    if len(answers):
        found[RATING] = _beside(cases, answers)
    return found


def _beside(cases: pd.DataFrame, values: pd.DataFrame) -> pd.Series:
    keys = ["account_id", "as_of"]
    joined = cases[keys].merge(values[[*keys, "value"]].drop_duplicates(keys), how="left", on=keys)["value"]
    return pd.Series(joined.to_numpy(dtype=float), index=cases.index)


def rules(cases: pd.DataFrame, seen: dict[str, pd.Series], scorecard: Scorecard) -> pd.DataFrame:
    """The jump in the share worked soon after the score was read, at the start of each band but the lowest, in each score.

    The bandwidth is the one that suits who was worked. A rule is found where the jump is at least `TRIGGERED` and its z exceeds the
    normal quantile for `CHANCE` over all thresholds tried (Bonferroni).

    Returns
    -------
    DataFrame `RULES`, the surest first; `needs` says what a threshold lacks, its figures are then NaN; `low`..`high` 95 %, of this
    threshold alone; the first row that is found is the rule
    """
    from scipy.stats import norm

    cuts = [float(band.start) for band in scorecard.bands[1:]]
    rows = [{"score": name, "cut": cut, **_jump(cases, values, cut)} for name, values in seen.items() for cut in cuts]
    if not rows:
        return pd.DataFrame(columns=list(RULES))
    table = pd.DataFrame(rows).reindex(columns=list(RULES[:-1]))
    tried = int((table["needs"] == "").sum())
    clear = table["z"].astype(float) > (norm.isf(CHANCE / tried) if tried else np.inf)
    table = table.assign(found=clear & (table["jump"].astype(float) >= TRIGGERED))
    return table.sort_values("z", ascending=False, kind="stable", na_position="last", ignore_index=True)[list(RULES)]


def _jump(cases: pd.DataFrame, values: pd.Series, cut: float) -> dict[str, object]:
    known = values.notna()
    score, own = values[known].to_numpy(dtype=float), cases[known]
    needs = sides_needed(score, cut)
    if needs:
        return {"needs": needs}
    soon, accounts = own["early"].to_numpy(dtype=float), own["account_id"].to_numpy(str)
    h, b = bandwidths(score, soon, accounts, cut)
    found = jumps(score, soon, accounts, cut, h=h, b=b)
    (low, high), jump = found.interval(), float(found.value[0])
    error, near, below = float(np.sqrt(found.covariance[0, 0])), np.abs(score - cut) < h, score < cut
    return {
        "needs": "", "h": h, "below": found.below, "above": found.above, "soon_below": soon[near & below].mean(),
        "soon_above": soon[near & ~below].mean(), "jump": jump, "low": low, "high": high,
        "z": jump / error if error > 0 else np.inf * np.sign(jump) if jump else 0.0,
    }  # fmt: skip


def sides_needed(score: np.ndarray, cut: float) -> str:
    """What a score lacks for its threshold to be judged, in words; "" for nothing."""
    different = len(np.unique(score))
    if 0 < different < 2 * LEAST <= len(score):
        return f"a score that takes {2 * LEAST} different values (it takes {different})"
    below = score < cut
    sides = [int(below.sum()), int((~below).sum())]
    if min(sides) < 2 * LEAST:
        return f"{2 * LEAST} finished cases on either side of {cut:g} (there are {sides[0]} below and {sides[1]} above)"
    values = [len(np.unique(score[side])) for side in (below, ~below)]
    if min(values) < LEAST:
        return f"a score that takes {LEAST} different values on either side of {cut:g} (it takes {values[0]} below and {values[1]} above)"
    return ""
