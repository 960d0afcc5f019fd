"""The tables on learned scales: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import claims_scales, report, wording
from healthlib.claims import signed_range
from healthlib.page_accounts import figure
from healthlib.page_audit import interval, ranges, unbroken
from healthlib.pieces import Columns, Piece

if TYPE_CHECKING:
    from healthlib.studies.fit import FitFacts

GAINS = {
    "learned_minus_fitted": "learned scales − fitted weights on the present ones",
    "learned_minus_current": "learned scales − present scorecard",
}


def gains(fit: FitFacts) -> Piece:
    """What learned scales gain out of time, by accounts and by ARR."""
    rows = [
        (words, signed_range(fit.differences[name]), signed_range(fit.arr_differences[name]))
        for name, words in GAINS.items()
        if name in fit.differences
    ]
    columns: Columns = {"name": ("Difference", "text"), "auc": ("AUC", interval), "by_arr": ("AUC by ARR", interval)}
    caption = wording.tested(fit.split, "Out of time, on the same accounts: scales and weights learned from other cases than those tested")
    return report.table(pd.DataFrame(rows, columns=list(columns)), columns, caption=caption)


def proposal(fit: FitFacts) -> Piece:
    """Every metric: the curve proposed, or why its scale stays, and the weight that goes with it."""
    facts = fit.learned
    own = facts.curves[facts.curves["profile"] == -1]
    drawn = {
        str(name): ", ".join(f"{value:g}: {points:g}" for value, points in zip(part["value"], part["points"], strict=True))
        for name, part in own.groupby("metric", sort=False)
    }
    weights = facts.weights.set_index("metric")
    order = pd.concat([claims_scales.most_changed(facts.told), facts.told[~facts.told["learned"].astype(bool)]])
    frame = order.assign(
        curve=[drawn.get(name) or f"stays: {why}" for name, why in zip(order["metric"], order["why"], strict=True)],
        current=weights["current"].reindex(order["metric"]).to_numpy(),
        fitted=weights["fitted"].reindex(order["metric"]).to_numpy(),
    )
    columns: Columns = {
        "label": ("Metric", "text"), "curve": ("Learned curve (value: points)", "text"), "most_moved": ("Moves up to", "points"),
        "current": ("Weight in use", "points"), "fitted": ("Weight with it", "points"),
    }  # fmt: skip
    caption = "Learned scales and their weights; scales.csv and scales_weights.csv hold them, neither is in force until adopted"
    told = claims_scales.to_adopt(fit)
    beside = "A curve says what a value is worth beside all other metrics, so it need not follow the kept share of the metric alone."
    return report.table(frame, columns, caption=caption, n=fit.n_lost, layout="cards") + report.note(beside) + report.note(told)


def bins(fit: FitFacts) -> Piece:
    """What was kept in every bin of every metric, folded away."""
    frame = ranges(fit.learned.scales, said=("kept", "low", "high"))
    frame["value_said"] = [figure(value) for value in frame["value"]]
    columns: Columns = {
        "label": ("Metric", "text"), "value_said": ("Value", unbroken), "cases": ("Cases", "count"), "lost": ("Lost", "count"),
        "said": ("Kept", interval), "points_now": ("Points in use", "points"), "points_learned": ("Points learned", "points"),
    }  # fmt: skip
    return report.details("Every metric by bins of its values", report.table(frame, columns, caption="Share kept by bin, and points"))
