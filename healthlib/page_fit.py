"""The tables of the weights report: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_fit, page_leaks, report, wording
from healthlib.claims import score_range, signed_range
from healthlib.page_accounts import figure
from healthlib.page_audit import interval, ranges, unbroken
from healthlib.pieces import Columns, Piece
from healthlib.resample import NOTHING, Estimate

if TYPE_CHECKING:
    from healthlib.studies.fit import FitFacts

NAMED = {
    "fitted_minus_current": "fitted − current",
    "fitted_minus_equal": "fitted − equal",
    "equal_minus_current": "equal − current",
    "free_minus_current": "fitted without any pull − current",
    "learned_minus_fitted": "learned scales − fitted",
    "learned_minus_current": "learned scales − current",
}


def opening(fit: FitFacts) -> Piece:
    """The recommendation, and the figures it rests on."""
    gain = fit.differences["fitted_minus_current"]
    tiles = [("Recommendation", fit.recommendation.replace("_", " "), "of adopt, keep, insufficient evidence")]
    tiles += [_auc_tile(name, fit.auc.get(name, NOTHING)) for name in ("current", "fitted")]
    tiles += [("Gain", wording.change(gain.value, 3), f"95%: {wording.change(gain.low, 3)} to {wording.change(gain.high, 3)}")]
    return report.show(report.lead(claims_fit.opening(fit)), report.tiles(tiles), *(report.note(words) for words in fit.notes))


def _auc_tile(name: str, auc: Estimate) -> tuple[str, str, str]:
    """The AUC of one scorecard as a tile."""
    return f"AUC, {name} weights", wording.number(auc.value, 2), f"95%: {wording.number(auc.low, 2)}–{wording.number(auc.high, 2)}"


def comparison(fit: FitFacts) -> Piece:
    """AUC out of time by accounts and by ARR, then the paired differences."""
    aucs = pd.DataFrame(
        {
            "name": [wording.upper_first(claims_fit.SCHEMES[name]) for name in fit.auc],
            "auc": [score_range(one) for one in fit.auc.values()],
            "by_arr": [score_range(fit.arr_auc[name]) if name in fit.arr_auc else wording.NOTHING for name in fit.auc],
            "n": [one.n for one in fit.auc.values()],
            "lost": [one.events for one in fit.auc.values()],
        }
    )
    pairs, by_arr = (
        {**found, "equal_minus_current": also}
        for found, also in ((fit.differences, fit.equal_minus_current), (fit.arr_differences, fit.arr_equal_minus_current))
    )
    gaps = pd.DataFrame(
        {
            "name": [NAMED.get(name, name.replace("_", " ")) for name in pairs],
            "auc": [signed_range(one) for one in pairs.values()],
            "by_arr": [signed_range(by_arr[name]) if name in by_arr else wording.NOTHING for name in pairs],
        }
    )
    columns: Columns = {
        "name": ("Weights", "text"),
        "auc": ("AUC", interval),
        "by_arr": ("AUC by ARR", interval),
        "n": ("Accounts", "count"),
        "lost": ("Cases lost", "count"),
    }
    paired: Columns = {"name": ("Difference", "text"), "auc": ("AUC", interval), "by_arr": ("AUC by ARR", interval)}
    first = next(iter(fit.auc.values()), NOTHING)
    rests_on = claims_fit.compared(first, fit.n_compared, fit.n_lost_accounts)
    caption = wording.tested(fit.split, f"Out of time, 95% intervals from resampling accounts; n = {rests_on}")
    return report.table(aucs, columns, caption=caption) + report.table(gaps, paired, caption="Differences on the same accounts")


def weights(fit: FitFacts) -> Piece:
    """Every weight: in use, fitted with interval, what is recommended, and equal."""
    frame = fit.weights.assign(rest=claims_fit.staying(fit)["current"]).fillna({"rest": 0.0})
    gone = claims_fit.removed(claims_fit.taken(fit), fit.recommendation)
    scaled: Columns = {"rest": ("In use, scaled up", "points")} if gone else {}
    frame["said"] = [
        f"{value:.0f} ({low:.0f}–{high:.0f})" if pd.notna(value) else wording.NOTHING
        for value, low, high in zip(frame["fitted"], frame["low"], frame["high"], strict=True)
    ]
    columns: Columns = {
        "label": ("Metric", "text"),
        "current": ("In use", "points"),
        **scaled,
        "said": ("Fitted", interval),
        "recommended": ("Recommended", "points"),
        "equal": ("Equal", "number"),
        "selected_share": ("Chosen in", "share"),
        "group": ("Group", unbroken),
    }
    caption = (
        "Weights in points of 100, fitted with 95% interval; “chosen in” is the share of account resamples that give the metric weight"
    )
    caption = f"{caption}; on {wording.counted(fit.n_lost, 'lost case')}"
    return report.table(frame, columns, caption=f"{caption}; {gone}" if gone else caption)


def folds(fit: FitFacts) -> Piece:
    """Every fold with its dates; without time, its accounts."""
    if fit.split == "accounts":
        plain: Columns = {
            "cutoff": ("Fold", "text"),
            "train_cases": ("Learned from", "count"),
            "train_lost": ("Lost", "count"),
            "test_cases": ("Tested", "count"),
            "test_lost": ("Lost", "count"),
        }
        return report.table(fit.folds, plain, caption="Folds of the cross-validation", layout="fold")
    columns: Columns = {
        "cutoff": ("Cut-off", "date"),
        "train_cases": ("Learned from", "count"),
        "train_lost": ("Lost", "count"),
        "train_until": ("Horizons ended by", "date"),
        "test_cases": ("Tested", "count"),
        "test_lost": ("Lost", "count"),
        "test_from": ("From", "date"),
        "test_to": ("To", "date"),
    }
    return report.table(fit.folds, columns, caption="Folds of the walk-forward", layout="fold")


def leaks(fit: FitFacts) -> Piece:
    """What seems to know the outcome, with the evidence and its pictures."""
    return page_leaks.section(fit.leaks, fit.leak_figures, dict(zip(fit.weights["metric"], fit.weights["label"], strict=True)))


def gates(fit: FitFacts) -> Piece:
    """Each gate: what was lost while it held, and elsewhere, by accounts and by ARR, and what that allows to say."""
    frame = ranges(
        fit.gates, **{name: (name, f"{name}_low", f"{name}_high") for name in ("held", "elsewhere", "arr_held", "arr_elsewhere")}
    )
    for name in ("lift", "arr_lift"):
        frame[name] = [_times(*ends) for ends in fit.gates[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)]
    frame["verdict"] = frame["verdict"] + ": " + frame["why"]
    columns: Columns = {
        "gate": ("Gate", "text"), "does": ("Score", "text"), "cases": ("Cases it held in", "count"), "accounts": ("Accounts", "count"),
        "lost": ("Lost", "count"), "held": ("Lost where it held", interval), "elsewhere": ("Lost elsewhere", interval),
        "lift": ("Ratio", interval), "arr_held": ("ARR lost where it held", interval), "arr_elsewhere": ("ARR lost elsewhere", interval),
        "arr_lift": ("Ratio by ARR", interval), "verdict": ("Verdict", "text"),
    }  # fmt: skip
    caption = "Gates against what was lost: finished cases, 95% intervals from resampling accounts"
    return report.table(frame, columns, caption=caption, layout="cards")


def _times(value: float, low: float, high: float) -> str:
    """A ratio with its interval.

    >>> _times(2.345, 1.2, float("inf")), _times(float("nan"), float("nan"), float("nan"))
    ('2.3× (1.2–∞)', '–')
    """
    if pd.isna(value) or pd.isna(low):
        return wording.NOTHING
    said = [f"{part:.1f}" if part < float("inf") else "∞" for part in (value, low, high)]
    return f"{said[0]}× ({said[1]}–{said[2]})"


def cohorts(fit: FitFacts) -> Piece:
    """The lift of every metric's worst fifth; all groups of all metrics, by cases and by ARR, folded away."""
    lifts = claims_fit.telling(fit)
    for by in ("", "arr_"):
        lifts[f"{by}said"] = [claims_fit.times(row, by) for _, row in lifts.iterrows()]
    fifths: Columns = {"label": ("Metric", "text"), "said": ("Lift of its worst fifth", interval), "arr_said": ("by ARR", interval)}
    words = "How many times as much of what was lost as a fifth drawn by lot holds; measured cases, 95% intervals from resampling accounts"
    frame = ranges(fit.metric_cohorts, said=("rate", "low", "high"), arr_said=("arr_rate", "arr_low", "arr_high"))
    frame["mean_said"] = [figure(value) for value in frame["mean_value"]]
    frame["group"] = [f"{decile:.0f}" if decile else "not measured" for decile in frame["decile"]]
    columns: Columns = {
        "label": ("Metric", "text"),
        "group": ("Group, lowest values first", "text"),
        "mean_said": ("Mean value", unbroken),
        "cases": ("Cases", "count"),
        "lost": ("Lost", "count"),
        "said": ("Lost share", interval),
        "arr_said": ("Lost share of ARR", interval),
    }
    caption = "Share lost by groups of equal size of each metric’s values: tenths, fewer where few were lost or many values are equal"
    return report.details(
        "Every metric by its values, and the lift of its worst fifth",
        report.table(lifts, fifths, caption=f"{words}; {wording.counted(fit.n_lost, 'lost case')} in all"),
        report.table(frame, columns, caption=caption),
    )
