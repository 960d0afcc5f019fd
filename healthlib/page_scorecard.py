"""The sections on the scorecard itself: a comparison of two, scales that history suggests, and stability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_scorecard as say
from healthlib import plots_scorecard as plots
from healthlib import report, wording
from healthlib.page_audit import interval
from healthlib.pieces import Columns, Piece

if TYPE_CHECKING:
    from healthlib.resample import Estimate
    from healthlib.studies.compare import Comparison
    from healthlib.studies.suggest import Suggestion

NAMED = 25
"""Accounts a list names before it folds."""


def comparison(found: Comparison, currency: str) -> Piece:
    """Who changes band between two scorecards, and why."""
    bands = [name for name in dict.fromkeys([*found.bands_a, *found.bands_b]) if name != "unscored"]
    by_cause: Columns = {
        "cause": ("Because of", "text"),
        "accounts": ("Accounts that change band", "count"),
        "arr": ("Their ARR", f"money {currency}"),
        "raised": ("Score raised", "count"),
        "lowered": ("Score lowered", "count"),
        "mean_change": ("Mean change of all scores", "change"),
    }
    by_band: Columns = {
        "band": ("Band", report.bands([*bands, "unscored"])),
        "accounts_a": (f"Accounts, {found.name_a}", "count"),
        "accounts_b": (f"Accounts, {found.name_b}", "count"),
        "arr_a": (f"ARR, {found.name_a}", f"money {currency}"),
        "arr_b": (f"ARR, {found.name_b}", f"money {currency}"),
    }
    touched = (found.by_cause["accounts"] > 0) | (found.by_cause["mean_change"].abs() > 0)
    return report.show(
        report.lead(say.changed(found, currency)),
        report.table(found.by_band, by_band, caption="Accounts and ARR by band", layout="cards"),
        report.table(found.by_cause[touched], by_cause, caption="Changes of band by what was changed in the scorecard", layout="cards"),
        report.note(
            "The scorecard is turned from the first into the second one cause at a time, in the order of the table; score changes sum "
            "exactly. An account's change of band belongs to the cause from which on its band is that of the second."
        ),
        _movers(found, currency),
        report.definitions({found.name_a: f"scorecard {found.sha_a[:12]}", found.name_b: f"scorecard {found.sha_b[:12]}"}),
    )


def _movers(found: Comparison, currency: str) -> Piece:
    """The accounts that change band, largest ARR first."""
    moved = found.accounts[found.accounts["cause"] != ""].sort_values(["arr", "account_id"], ascending=[False, True])
    chips = {side: report.bands(names) for side, names in (("a", found.bands_a), ("b", found.bands_b))}
    columns: Columns = {
        "name": ("Account", "text"),
        "arr": ("ARR", f"money {currency}"),
        "score_a": (f"Score, {found.name_a}", "points"),
        "band_a": (f"Band, {found.name_a}", chips["a"]),
        "score_b": (f"Score, {found.name_b}", "points"),
        "band_b": (f"Band, {found.name_b}", chips["b"]),
        "cause": ("Because of", "text"),
    }
    caption = f"Accounts that change band, largest ARR first{'; the rest is in diff.csv' if len(moved) > NAMED else ''}"
    return report.table(moved.head(NAMED), columns, caption=caption, layout="cards fold")


def suggestion(found: Suggestion) -> Piece:
    """Scales and cuts that history suggests."""
    frame = found.metrics.assign(
        now=[_ends(worst, best) for worst, best in zip(found.metrics["worst_now"], found.metrics["best_now"], strict=True)],
        proposed=[_ends(worst, best) for worst, best in zip(found.metrics["worst"], found.metrics["best"], strict=True)],
        measured_as=[f"{_figure(low)} | {_figure(mid)} | {_figure(high)}" for low, mid, high in
                     zip(found.metrics["low"], found.metrics["median"], found.metrics["high"], strict=True)],
    )  # fmt: skip
    columns: Columns = {
        "label": ("Metric", "text"),
        "now": ("0 to 100 points, now", interval),
        "proposed": ("Proposed", interval),
        "measured_as": ("Values: 10th | 50th | 90th hundredth", interval),
        "measured": ("Measured", "share"),
        "floor_now": ("At 0 points, now", "share"),
        "floor": ("Proposed", "share"),
        "ceiling_now": ("At 100 points, now", "share"),
        "ceiling": ("Proposed", "share"),
    }
    cuts: Columns = {
        "band": ("Band", report.bands(found.bands)),
        "from_now": ("From, now", "points"),
        "share_now": ("Accounts, now", "share"),
        "arr_share_now": ("ARR, now", "share"),
        "share_scales": ("Accounts, proposed scales", "share"),
        "from_proposed": ("From, proposed", "points"),
        "share_proposed": ("Accounts, proposed scales and cuts", "share"),
        "arr_share_proposed": ("ARR", "share"),
    }
    return report.show(
        report.lead(say.suggested(found)),
        *(report.note(words, "warning") for words in found.warnings),
        report.figure(plots.spread(found), alt=say.suggested(found)),
        report.table(found.cuts, cuts, caption="Bands: where they begin and what they hold", layout="cards"),
        report.table(frame, columns, caption="Scales from the last twelve month-ends", layout="cards"),
        report.bullets(f"{row.label}: {row.said}." for row in found.metrics.itertuples() if row.said),
        report.note(
            "A proposed scale gives 0 points to the tenth of the values that is worst and 100 to the tenth that is best. It says how "
            "customers differ, not what keeps them: outcomes are not looked at. Fit weights afterwards and let the backtest judge."
        ),
    )


def _figure(value: float) -> str:
    return wording.NOTHING if wording.unknown(value) else f"{value:,.3g}"


def _short(value: float) -> Piece:
    return Piece(report.escape(_figure(value)))


def _ends(worst: float, best: float) -> str:
    return wording.NOTHING if wording.unknown(worst) or wording.unknown(best) else f"{_figure(worst)} → {_figure(best)}"


def watch(shifts: pd.DataFrame, flaps: dict[str, Estimate]) -> Piece:
    """Whether today's book is still the one the outcomes come from, and whether the bands hold still."""
    return report.show(
        report.claim(say.moved_ground(shifts)),
        report.figure(plots.stability(shifts), alt=say.moved_ground(shifts)),
        report.claim(say.flapping(flaps)),
        stability(shifts),
        report.note(say.CONVENTION),
    )


def stability(shifts: pd.DataFrame) -> Piece:
    """The stability of each metric and of the score, as a table."""
    frame = shifts.copy()
    frame["said"] = [_index(*row) for row in shifts[["psi", "low", "high"]].itertuples(index=False, name=None)]
    frame["arr_said"] = [_index(*row) for row in shifts[["arr_psi", "arr_low", "arr_high"]].itertuples(index=False, name=None)]
    columns: Columns = {
        "label": ("Metric", "text"),
        "weight": ("Weight", "points"),
        "said": ("Stability index", interval),
        "arr_said": ("By ARR", interval),
        "verdict": ("Verdict", "text"),
        "median_then": ("Median then", _short),
        "median_now": ("Median now", _short),
        "missing_then": ("Missing then", "share"),
        "missing_now": ("Missing now", "share"),
    }
    n = int(shifts["accounts_now"].max()) if len(shifts) else 0
    return report.table(frame, columns, caption="Now against the period the outcomes come from", n=n, layout="cards fold")


def _index(value: float, low: float, high: float) -> str:
    return wording.NOTHING if wording.unknown(value) else f"{value:.2f} ({low:.2f}–{high:.2f})"
