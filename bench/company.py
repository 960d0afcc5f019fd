"""A company for the benchmarks: accounts scored every month, metrics that drift, and losses within a year that follow from them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib.spec import Metric, Scorecard

HORIZON = 334
"""Days a case stays open: of 36 months the first 12 only teach, so 24 month-ends are cut-offs."""


def scorecard(metrics: int, *, quantiles: bool) -> Scorecard:
    """Metrics in three groups with unequal weights; scale ends fixed, or the 5 % and 95 % quantiles of what was known."""
    ends = {"worst": {"quantile": 0.05}, "best": {"quantile": 0.95}} if quantiles else {"worst": -2.0, "best": 2.0}
    made = {}
    for i in range(metrics):
        given = {"name": f"m{i:02d}", "group": f"g{i % 3}", "table": "usage", "measure": "count", "weight": 1 + i % 5}
        made[given["name"]] = Metric.model_validate(given | ends)
    bands = tuple({"name": name, "from": start} for name, start in (("red", 0), ("yellow", 42), ("green", 55)))
    return Scorecard.model_validate({"groups": ("g0", "g1", "g2"), "metrics": made, "bands": bands})


def cases(accounts: int, months: int, metrics: int, *, churn: float = 0.01, seed: int = 0) -> pd.DataFrame:
    """Finished cases: so many accounts at every month-end, a lost one replaced by a new one; a twentieth of the values missing."""
    rng = np.random.default_rng(seed)
    ends = pd.date_range("2022-01-31", periods=months, freq="ME", unit="s")
    pull = np.where(np.arange(metrics) % 3, rng.uniform(0.1, 0.6, metrics), 0.0)
    values, now = np.empty((metrics, months, accounts), dtype=np.float64), rng.standard_normal((metrics, accounts))
    gone = np.zeros((months + 12, accounts), dtype=bool)
    for month in range(months + 12):
        now = 0.9 * now + np.sqrt(1 - 0.81) * rng.standard_normal((metrics, accounts))
        risk = np.exp(-(pull @ now) / 1.5)
        gone[month] = rng.random(accounts) < churn * risk / risk.mean()
        if month < months:
            values[:, month] = now
        now[:, gone[month]] = rng.standard_normal((metrics, int(gone[month].sum())))
    lost = np.lib.stride_tricks.sliding_window_view(gone, 11, axis=0).any(axis=-1)[1 : months + 1]
    generation = np.cumsum(gone, axis=0) - gone
    names = np.char.add(np.char.add(np.char.zfill(np.arange(accounts).astype(str), 6), "-"), generation[:months].astype(str))
    flat = values.reshape(metrics, -1)
    flat[rng.random(flat.shape, dtype=np.float32) < 0.05] = np.nan
    frame = pd.DataFrame(flat.T, columns=[f"m{i:02d}" for i in range(metrics)], copy=False)
    as_of = ends.repeat(accounts)
    arr = np.tile(np.round(rng.lognormal(9, 1, accounts)), months)
    return frame.assign(
        account_id=pd.array(names.ravel(), dtype="str"), as_of=as_of, horizon_ends_on=as_of + pd.Timedelta(days=HORIZON),
        lost=lost.ravel().astype(float), arr=arr, seats=10.0, age_days=400.0, segment="all",
    )  # fmt: skip
