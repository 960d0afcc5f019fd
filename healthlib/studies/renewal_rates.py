"""Who keeps renewing: the share kept by term number, attribute, price, seats, discount, CSM and billing, small groups shrunk and marked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from healthlib import resample
from healthlib.resample import account_weights
from healthlib.spec import Scorecard
from healthlib.studies.contract_terms import LENGTHS, at_cases, change_label
from healthlib.studies.groups import MOST_GROUPS, dimensions
from healthlib.studies.pooling import pooled

FEW = 10
"""A group of fewer accounts with an outcome than this is marked, and never said to differ (a convention)."""
MOST_OWNERS = 40
FALSE_DISCOVERIES = 0.05
PRICES = ("change of price per seat", "change of ARR")
"""The grouping by price: per seat where seats are known."""
LENGTH = "length of term"
"""A grouping; with `churn_within` outcomes it is read from the billing period, which is a grouping already."""
SURE = ("keeps more", "keeps fewer")

COLUMNS = (
    "dimension", "group", "cases", "accounts", "lost", "rate", "low", "high", "shrunk", "arr", "arr_rate", "arr_low", "arr_high",
    "arr_shrunk", "q", "few", "verdict",
)  # fmt: skip


def renewal_rates(finished: pd.DataFrame, labels: dict[str, pd.Series], *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """The share of cases, and of their ARR, that was kept, group by group of every grouping.

    Parameters
    ----------
    finished : finished cases: account_id, lost (1.0/0.0), arr
    labels : name of the grouping -> a label per case, as from `groupings`; cases without one are left out of it

    Returns
    -------
    DataFrame `COLUMNS`. `rate` has the 95 % interval of `resample.rates` (accounts resampled); `shrunk` is `pooling.pooled` over the
    groups of the grouping at their effective numbers; both again by ARR. `few`: fewer than `FEW` accounts. `q` asks of the grouping as a
    whole whether its groups that are not `few` differ at all (chi-square at the effective numbers), after Benjamini and Hochberg over
    all groupings; `verdict` is one of `SURE` where q < 5 % and the group's interval excludes the overall rate, else cannot tell.
    """
    codes, counts = account_weights(finished["account_id"], replicates, seed)
    tables = [_grouping(finished, values, codes, counts).assign(dimension=name) for name, values in labels.items()]
    if not tables or finished.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    frame = pd.concat(tables, ignore_index=True)
    frame["few"] = frame["accounts"] < FEW
    return _judged(frame, 1 - float(finished["lost"].mean()))[list(COLUMNS)]


def _grouping(finished: pd.DataFrame, labels: pd.Series, codes: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
    """The groups of one grouping, raw and shrunk."""
    values = labels.astype("category").cat.remove_unused_categories()
    number = values.cat.codes.to_numpy().astype(np.intp)
    kept, arr = 1 - finished["lost"].to_numpy(float), np.nan_to_num(finished["arr"].to_numpy(float))
    counted, by_arr = (resample.rates(kept, codes, counts, groups=number, case_weight=weight) for weight in (None, arr))
    n = np.bincount(number[number >= 0], minlength=len(counted["value"]))
    return pd.DataFrame({
        "group": values.cat.categories.astype(str), "cases": n, "accounts": counted["accounts"].astype(int),
        "lost": (n - counted["events"]).astype(int), "rate": counted["value"], "low": counted["low"], "high": counted["high"],
        "shrunk": _shrunk(counted, n), "effective": _effective(counted, n), "arr": by_arr["weight"], "arr_rate": by_arr["value"],
        "arr_low": by_arr["low"], "arr_high": by_arr["high"], "arr_shrunk": _shrunk(by_arr, n),
    })  # fmt: skip


def _effective(found: dict[str, Any], n: np.ndarray) -> np.ndarray:
    """How many independent outcomes a group's rate is worth; never more than it has."""
    return np.fmin(np.where(np.isfinite(found["n_effective"]), found["n_effective"], n), n)


def _shrunk(found: dict[str, Any], n: np.ndarray) -> np.ndarray:
    size, value = _effective(found, n), np.nan_to_num(found["value"])
    size = np.where(np.isfinite(found["value"]), size, 0.0)
    return pooled(value * size, size)


def _judged(frame: pd.DataFrame, base: float) -> pd.DataFrame:
    """The verdicts, allowing for how many groupings are compared."""
    from statsmodels.stats.multitest import multipletests

    p = pd.Series({name: _differ(part[~part["few"] & part["low"].notna()]) for name, part in frame.groupby("dimension", sort=False)})
    known = p.dropna()
    q = pd.Series(multipletests(known, method="fdr_bh")[1], index=known.index) if len(known) else known
    frame = frame.assign(q=frame["dimension"].map(q).astype(float))
    sure = (frame["q"] < FALSE_DISCOVERIES) & ~frame["few"]
    return frame.assign(verdict=np.select([sure & (frame["low"] > base), sure & (frame["high"] < base)], SURE, "cannot tell"))


def _differ(groups: pd.DataFrame) -> float:
    """p-value of "all groups are kept alike": Pearson's chi-square at the effective numbers; NaN where that cannot be asked."""
    from scipy.stats import chi2

    n, rate = groups["effective"].to_numpy(float), groups["rate"].to_numpy(float)
    base = float((n * rate).sum() / n.sum()) if n.sum() > 0 else np.nan
    if len(groups) < 2 or not 0 < base < 1:
        return np.nan
    return float(chi2.sf((n * (rate - base) ** 2).sum() / (base * (1 - base)), len(groups) - 1))


def groupings(cases: pd.DataFrame, scorecard: Scorecard, terms: pd.DataFrame, *, kind: str, grace_days: int) -> dict[str, pd.Series]:
    """Name of the grouping -> a label per case: those of `groups.dimensions`, then what the contract says, each as known at the case.

    Price is per seat where at least half of the cases with a term before have it, else by ARR.
    """
    found = dimensions(cases, scorecard, kind)
    if len(terms) and len(cases):
        found |= _of_contracts(at_cases(terms, cases, grace_days=grace_days))
        found = {name: labels for name, labels in found.items() if (kind, name) != ("churn_within", LENGTH)}
    if "csm" in cases and 2 <= cases["csm"].nunique() <= MOST_OWNERS:
        found["CSM"] = cases["csm"].astype("string")
    return {name: labels for name, labels in found.items() if labels.nunique() >= 2}


def _of_contracts(known: pd.DataFrame) -> dict[str, pd.Series]:
    followed = ~known["first"] & known["arr_change"].notna()
    by_seat = known["price_change"].notna().sum() >= max(followed.sum() / 2, 1)
    name, change = (PRICES[0], known["price_change"]) if by_seat else (PRICES[1], known["arr_change"])
    found = {name: change_label(change, known["first"])}
    if by_seat:
        found["change of seats"] = change_label(known["seats_change"], known["first"])
    edges, names = [-np.inf, 0.0, 0.10, np.inf], ["none", "up to 10%", "over 10%"]
    discount = pd.cut(known["discount"], edges, labels=names) if known["discount"].max() <= 1 else pd.Series(pd.NA, index=known.index)
    renews = known["auto_renew"].str.lower().map({"true": "yes", "false": "no", "1": "yes", "0": "no", "yes": "yes", "no": "no"})
    found |= {"discount": discount, "automatic renewal": renews, "billing": known["billing_period"].astype("string")}
    found[LENGTH] = pd.Series(pd.Categorical(known["length"], categories=list(LENGTHS), ordered=True), index=known.index)
    return {name: labels for name, labels in found.items() if labels.nunique() <= MOST_GROUPS}
