"""Did playbooks that a threshold sets off help? Accounts just below it beside those just above it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from healthlib.discontinuity import Jumps, bandwidths, density_jump, jumps, lines, ratio_interval
from healthlib.resample import Z95, account_weights, rates
from healthlib.studies.triggers import sides_needed

CUTS = (
    "score", "cut", "needs", "h", "b", "below", "above", "treated_below", "treated_above", "jump", "jump_low", "jump_high", "loss",
    "loss_low", "loss_high", "effect", "effect_low", "effect_high", "arr_effect", "arr_low", "arr_high", "visible", "density_p",
)  # fmt: skip
CHECKS = ("cut", "check", "value", "low", "high", "passed")
BINNED = ("cut", "score", "cases", "lost", "lost_low", "lost_high", "treated", "treated_low", "treated_high")
LINES = ("cut", "outcome", "score", "value")
FEWEST_LOST = 5
PUSHED = 0.05
"""With a p-value of the density below it scores seem to have been pushed over the cut."""
WIDTH = 2.5
"""Points of score a bin of the picture is wide."""


def at_cuts(cases: pd.DataFrame, cuts: Sequence[float], score: str) -> pd.DataFrame:
    """What changes at each threshold: the share worked, the share lost, and the one by the other.

    `jump`: worked just below minus just above. `loss`: the same of losses, whoever was worked. `effect`: loss / jump, the change of the
    chance of loss for accounts that the threshold had worked (a fuzzy discontinuity; Hahn, Todd & van der Klaauw 2001), its interval by
    Anderson & Rubin.

    Parameters
    ----------
    cases : `treated.MARKED`, with the score that people went by as `score`
    cuts : thresholds at which playbooks are set off, the surest first (see `triggers.rules`)
    score : which score that is, as in `triggers`

    Returns
    -------
    DataFrame `CUTS`, a row per threshold; shares 0..1, h and b points of score, `visible` the smallest effect that would show four times
    in five; where `needs` says what is missing the figures are NaN
    """
    known = cases[cases["score"].notna()]
    rows = [{"score": score, "cut": cut, **_at(known, cut)} for cut in cuts]
    return pd.DataFrame(rows).reindex(columns=list(CUTS)) if rows else pd.DataFrame(columns=list(CUTS))


def _at(cases: pd.DataFrame, cut: float) -> dict[str, object]:
    needs = _needs(cases, cut)
    if needs:
        return {"needs": needs}
    found = measured(cases, cut)
    lost = int(cases.loc[(cases["score"] - cut).abs() < found.h, "lost"].sum())
    if lost < FEWEST_LOST:
        return {"needs": f"{FEWEST_LOST} lost within {found.h:.1f} points of {cut:g} (there are {lost})"}
    (loss, jump), (low, high) = found.value, ratio_interval(found.value, found.covariance)
    weighted = measured(cases, cut, (found.h, found.b), arr=True)
    arr_low, arr_high = ratio_interval(weighted.value, weighted.covariance)
    near = (cases["score"] - cut).abs() < found.h
    below = cases["score"] < cut
    error = float(np.sqrt(max(found.covariance[0, 0], 0)))
    sure = jump > 0 and np.isfinite(low)
    return {
        "needs": "", "h": found.h, "b": found.b, "below": found.below, "above": found.above,
        "treated_below": cases.loc[near & below, "treated"].mean(), "treated_above": cases.loc[near & ~below, "treated"].mean(),
        "jump": jump, "jump_low": found.interval(1)[0], "jump_high": found.interval(1)[1],
        "loss": loss, "loss_low": found.interval()[0], "loss_high": found.interval()[1],
        "effect": float(np.clip(loss / jump, -1, 1)) if sure else np.nan, "effect_low": max(low, -1.0), "effect_high": min(high, 1.0),
        "arr_effect": float(np.clip(weighted.value[0] / weighted.value[1], -1, 1)) if sure and np.isfinite(arr_low) else np.nan,
        "arr_low": max(arr_low, -1.0), "arr_high": min(arr_high, 1.0),
        "visible": min((Z95 + 0.84) * error / jump, 1.0) if jump > 0 else np.nan,
        "density_p": density_jump(cases["score"], cut, max(found.h, found.b)),
    }  # fmt: skip


def measured(cases: pd.DataFrame, cut: float, widths: tuple[float, float] | None = None, *, arr: bool = False) -> Jumps:
    """Jumps of lost and of treated at a cut; with `arr` of both weighted by ARR, by way of ARR lost and ARR worked over the mean ARR."""
    accounts, score = cases["account_id"].to_numpy(str), cases["score"].to_numpy(dtype=float)
    both = cases[["lost", "treated"]].to_numpy(dtype=float)
    h, b = widths or bandwidths(score, both[:, 0], accounts, cut)
    if arr:
        money = np.nan_to_num(cases["arr"].to_numpy(dtype=float))
        mean = float(money[np.abs(score - cut) < h].mean())
        both = both * money[:, None] / mean if mean > 0 else both
    return jumps(score, both, accounts, cut, h=h, b=b)


def _needs(cases: pd.DataFrame, cut: float) -> str:
    few = cases["lost"].sum() < FEWEST_LOST or (cases["lost"] == 0).sum() < FEWEST_LOST
    return sides_needed(cases["score"].to_numpy(dtype=float), cut) or (f"{FEWEST_LOST} lost and {FEWEST_LOST} kept" if few else "")


def answered(cuts: pd.DataFrame) -> pd.DataFrame:
    """The thresholds of which enough is known."""
    return cuts[cuts["needs"] == ""].reset_index(drop=True)


def checks(cases: pd.DataFrame, cuts: pd.DataFrame) -> pd.DataFrame:
    """What should not jump: ARR and tenure at each cut that sets playbooks off, and losses at cuts that do not exist.

    Placebo cuts lie at the median of the scores below the cut and above it, each judged on its own side only (Imbens & Lemieux 2008,
    doi:10.1016/j.jeconom.2007.05.001). One of twenty such checks fails by chance.

    Returns
    -------
    DataFrame `CHECKS`: the jump with its 95 % interval (log ARR, years, shares); for `density` value is the p-value
    """
    free = cases[cases["score"].notna()]
    rows = []
    for cut, h, b, density in answered(cuts)[["cut", "h", "b", "density_p"]].to_numpy(dtype=float).tolist():
        accounts, score = free["account_id"].to_numpy(str), free["score"].to_numpy(dtype=float)
        before = {"ARR": np.log(free["arr"].clip(lower=1).to_numpy(dtype=float)), "tenure": free["age_days"].to_numpy(dtype=float) / 365.25}
        for name, values in before.items():
            known = np.isfinite(values)
            found = jumps(score[known], values[known], accounts[known], cut, h=h, b=b)
            rows.append((cut, name, float(found.value[0]), *found.interval()))
        for name, side in (("placebo below", free[free["score"] < cut]), ("placebo above", free[free["score"] >= cut])):
            place = float(side["score"].median())
            if not _needs(side, place):
                found = measured(side, place)
                rows.append((cut, f"{name} ({place:.0f})", float(found.value[0]), *found.interval()))
        rows.append((cut, "density", density, np.nan, np.nan))
    frame = pd.DataFrame(rows, columns=list(CHECKS[:-1]))
    inside = (frame["low"] <= 0) & (frame["high"] >= 0)
    return frame.assign(passed=np.where(frame["check"] == "density", ~(frame["value"] < PUSHED), inside).astype(bool))


def binned(cases: pd.DataFrame, cuts: pd.DataFrame, *, replicates: int = 400, seed: int = 0) -> pd.DataFrame:
    """Shares lost and worked by score with 95 % intervals, in bins that no cut falls inside: `BINNED`, for the surest threshold."""
    found = []
    for cut in answered(cuts)["cut"].head(1).astype(float).tolist():
        near = cases[(cases["score"] - cut).abs() < 10 * WIDTH].reset_index(drop=True)
        place, bins = np.unique(np.floor((near["score"] - cut) / WIDTH), return_inverse=True)
        codes, counts = account_weights(near["account_id"], replicates, seed)
        part = pd.DataFrame({"cut": cut, "score": cut + WIDTH * (place + 0.5), "cases": np.bincount(bins)})
        for name in ("lost", "treated"):
            shares = rates(near[name], codes, counts, groups=bins)
            part[[name, f"{name}_low", f"{name}_high"]] = np.column_stack([shares[key] for key in ("value", "low", "high")])
        found.append(part)
    return pd.concat(found, ignore_index=True)[list(BINNED)] if found else pd.DataFrame(columns=list(BINNED))


def fitted(cases: pd.DataFrame, cuts: pd.DataFrame) -> pd.DataFrame:
    """The lines whose ends at the cut are compared, within the bandwidth, as their four ends: `LINES`, for the surest threshold."""
    known, rows = cases[cases["score"].notna()], []
    for cut, h in answered(cuts)[["cut", "h"]].head(1).to_numpy(dtype=float).tolist():
        for name in ("treated", "lost"):
            ends = lines(known["score"], known[name], cut, h=h)
            rows += [(cut, name, place, value) for place, value in ends]
    return pd.DataFrame(rows, columns=list(LINES))
