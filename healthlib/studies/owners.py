"""The book by CSM: what each looks after today, and the outcomes of the last year against what the accounts' own risk predicted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from healthlib import calibration, resample, scoring
from healthlib.resample import account_weights
from healthlib.spec import Scorecard
from healthlib.stats import logistic

OWNER = "csm"
DUE_DAYS = 90
FEWEST_CASES, FEWEST_EXPECTED = 20, 3.0
"""A CSM's outcomes are judged from so many finished cases and expected losses (conventions)."""

COLUMNS = (
    "csm", "accounts", "arr", "accounts_worst", "arr_worst", "accounts_due", "arr_due", "cases", "lost", "expected", "ratio", "low", "high",
    "arr_lost", "arr_expected", "verdict",
)  # fmt: skip


def owners(scorecard: Scorecard, today: pd.DataFrame, finished: pd.DataFrame, as_of: pd.Timestamp, *, seed: int = 0) -> pd.DataFrame:
    """A row a CSM, largest ARR first.

    Whoever was given the hard accounts is not blamed for them: the expected losses of a CSM are what the scores of the accounts promise by
    the logistic curve through all *other* CSMs' cases (indirect standardisation: Breslow and Day 1987, IARC 82, ch. 2), and `ratio` is
    observed / expected. Cases count for the CSM of the time.

    Parameters
    ----------
    scorecard : the one whose score says how hard an account was
    today : snapshots of `as_of`, with csm
    finished : finished cases with csm as known then; those whose horizon ended within the last year are counted

    Returns
    -------
    DataFrame `COLUMNS`. `low`, `high`: 95 % interval of the ratio from resampling accounts, the expectation taken as known. `verdict`:
    fewer than expected, more than expected (both allowing for how many CSMs were compared), cannot tell; "" and NaN ratio with too few
    cases. Empty where nobody has a CSM. The expectation is itself estimated, from as few losses as all others had, so the p-value is that
    of the conditional test of two counts (Przyborowski and Wilenski 1940): given all losses of the year, a CSM's share of them is held
    against the share expected.
    """
    if OWNER not in today or today[OWNER].isna().all():
        return pd.DataFrame(columns=list(COLUMNS))
    book = _book(scorecard, today, as_of)
    year = finished[(finished["horizon_ends_on"] > as_of - pd.DateOffset(years=1)) & finished[OWNER].notna()].reset_index(drop=True)
    score = scoring.score(scorecard, year).frame["score"].to_numpy(dtype=float)
    results = _judged(pd.DataFrame([_result(name, year, score, seed) for name in book[OWNER]]), float(year["lost"].sum()))
    return pd.concat([book.reset_index(drop=True), results], axis=1)[list(COLUMNS)]


def _book(scorecard: Scorecard, today: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """What each looks after today."""
    today = today.reset_index(drop=True)
    worst = scoring.score(scorecard, today).frame["band"] == scorecard.bands[0].name
    due = today["term_ends"] <= as_of + pd.Timedelta(days=DUE_DAYS)
    arr = today["arr"]
    table = pd.DataFrame({
        OWNER: today[OWNER], "accounts": 1, "arr": arr, "accounts_worst": worst.astype(int), "arr_worst": arr.where(worst, 0.0),
        "accounts_due": due.astype(int), "arr_due": arr.where(due, 0.0),
    })  # fmt: skip
    return table.groupby(OWNER, as_index=False).sum().sort_values(["arr", OWNER], ascending=[False, True])


def _result(name: str, cases: pd.DataFrame, score: np.ndarray, seed: int) -> dict[str, object]:
    """Observed against expected losses of one CSM, without a verdict."""
    mine = (cases[OWNER] == name).to_numpy()
    lost, arr = cases["lost"].to_numpy(dtype=float), np.nan_to_num(cases["arr"].to_numpy(dtype=float))
    chance = _chance(lost, score, mine)
    expected, arr_expected = float(chance.sum()), float(chance @ arr[mine])
    found: dict[str, object] = {
        "cases": int(mine.sum()), "lost": int(lost[mine].sum()), "expected": expected, "arr_lost": float((lost * arr)[mine].sum()),
        "arr_expected": arr_expected, "ratio": np.nan, "low": np.nan, "high": np.nan,
    }  # fmt: skip
    if mine.sum() < FEWEST_CASES or not expected >= FEWEST_EXPECTED:
        return found
    codes, counts = account_weights(cases.loc[mine, "account_id"], 400, seed)
    rate, base = resample.rate(lost[mine], codes, counts), expected / mine.sum()
    return found | {"ratio": rate.value / base, "low": rate.low / base, "high": rate.high / base}


def _judged(results: pd.DataFrame, total: float) -> pd.DataFrame:
    """The verdicts: a person is named only where the interval and the p-value (Benjamini and Hochberg over all) leave no doubt.

    Parameters
    ----------
    total : losses of the year, of all CSMs; the others' are what their own curve expects, because its intercept is fitted
    """
    from scipy.stats import binom
    from statsmodels.stats.multitest import multipletests

    judged = results["ratio"].notna().to_numpy()
    lost, expected = results["lost"].to_numpy()[judged], results["expected"].to_numpy(dtype=float)[judged]
    fair = expected / np.maximum(expected + total - lost, 1e-9)
    p = np.minimum(1.0, 2 * np.minimum(binom.cdf(lost, total, fair), binom.sf(lost - 1, total, fair)))
    sure = multipletests(p, method="fdr_bh")[0] if len(p) else np.zeros(0, dtype=bool)
    low, high = (results[side].to_numpy(dtype=float)[judged] for side in ("low", "high"))
    verdict = np.full(len(results), "", dtype=object)
    verdict[judged] = np.select([sure & (high < 1), sure & (low > 1)], ["fewer than expected", "more than expected"], "cannot tell")
    return results.assign(verdict=verdict)


def _chance(lost: np.ndarray, score: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """The chance of loss of my cases by the logistic curve through all others' scores; an unscored case has the others' overall rate."""
    scored = np.isfinite(score)
    theta = calibration.curve(score[~mine & scored], lost[~mine & scored])
    base = lost[~mine].mean() if (~mine).any() else np.nan
    return np.where(scored[mine], logistic(theta[0] - theta[1] * np.nan_to_num(score[mine]) / 100), base)
