"""The picture that stands in the place of the lab on a page: the share kept by band under the weights in use, out of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import palette, wording
from healthlib.bands import UNSCORED, Replicates, band_table
from healthlib.plots_audit import blank, canvas, dots, percent, short, titled
from healthlib.resample import account_weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from healthlib.studies.fit import FitFacts


def bands_now(fit: FitFacts) -> tuple[pd.DataFrame, list[str]]:
    """`bands.band_table` of the cases tested out of time, by the band they had under the scorecard in use; and the bands, low to high."""
    now = fit.thresholds[fit.thresholds["scorecard"] == "current"] if len(fit.thresholds) else fit.thresholds
    names = [str(name) for name in dict.fromkeys(now["band"]) if name != UNSCORED] if len(now) else []
    tested = fit.predictions
    if tested.empty or not names:
        return pd.DataFrame({"band": [], "accounts": []}), names
    cases = tested.assign(band=tested["current_band"])
    return band_table(cases, [*names, UNSCORED], Replicates(*account_weights(cases["account_id"]))), names


def kept_by_band(table: pd.DataFrame, names: Sequence[str]) -> Axes:
    """The share kept by band with its interval, lowest band on top."""
    rows = table[table["band"].isin(names) & (table["accounts"] > 0)]
    if rows.empty:
        return blank("Nothing to show yet: no finished case was scored out of time.")
    drawn = pd.DataFrame({"value": 1 - rows["churn_rate"], "low": 1 - rows["churn_high"], "high": 1 - rows["churn_low"]})
    colours = palette.colours(names)
    labels = [f"{short(band, 18)}, {wording.counted(cases, 'case')}" for band, cases in zip(rows["band"], rows["accounts"], strict=True)]
    ax = canvas(1.4 + 0.45 * len(rows))[0, 0]
    base = table.loc[table["band"] == "all", "churn_rate"]
    dots(ax, drawn, labels, colours=[colours[band] for band in rows["band"]], reference=1 - float(base.iloc[0]) if len(base) else np.nan)
    percent(ax.xaxis)
    ax.set_xlabel("kept, 95% interval; dashed: all cases")
    first, last = drawn["value"].iloc[0], drawn["value"].iloc[-1]
    ends = [f"{short(band, 18)} {wording.share(value)}" for band, value in zip(rows["band"].iloc[[0, -1]], (first, last), strict=True)]
    titled(ax, f"Kept with the weights in use: {' … '.join(ends if len(rows) > 1 else ends[:1])}")
    return ax
