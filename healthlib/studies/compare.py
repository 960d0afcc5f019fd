"""Two scorecards on the same accounts and the same day: who changes band, what that is in ARR, and which change of the scorecard did it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from healthlib import scoring
from healthlib.spec import Metric, Scorecard

DEFINES = frozenset(
    {"table", "column", "measure", "where", "window_days", "trend", "per", "reading", "stale_after_days", "levels", "against"}
)
"""Keys of a metric that say what it measures; all others but the weight say how its value becomes points."""
NOT_SCALE = DEFINES | {"name", "group", "label", "weight", "not_a_leak"}

CAUSES = (
    "what metrics measure", "scales and rules for missing values", "metrics and weights", "coverage needed", "gates", "band thresholds",
)  # fmt: skip
"""The order in which one scorecard is turned into the other, a cause at a time."""

MOVED = ("account_id", "name", "arr", "score_a", "band_a", "score_b", "band_b", "cause")


@dataclass(frozen=True)
class Comparison:
    """Scorecard A against scorecard B on one day.

    Attributes
    ----------
    as_of, name_a, name_b, sha_a, sha_b : what was compared
    bands_a, bands_b : band names from worst to best, then unscored
    accounts : a row an active account: `MOVED` (its id where it has no name), then `change:<cause>` per cause, in points, summing to
        score_b - score_a (NaN where unscored before or after the step); `cause` is "" where the band stays
    by_cause : cause, accounts, arr, raised, lowered (accounts), mean_change (points over all accounts scored before and after);
        accounts and arr sum to those that change band
    migration : band_a, band_b, accounts, arr
    by_band : band, accounts_a, arr_a, accounts_b, arr_b
    """

    as_of: pd.Timestamp
    name_a: str
    name_b: str
    sha_a: str
    sha_b: str
    bands_a: tuple[str, ...]
    bands_b: tuple[str, ...]
    accounts: pd.DataFrame
    by_cause: pd.DataFrame
    migration: pd.DataFrame
    by_band: pd.DataFrame


def compare(a: tuple[str, Scorecard, pd.DataFrame], b: tuple[str, Scorecard, pd.DataFrame]) -> Comparison:
    """Compare two scorecards on snapshots of one day.

    The change is cut into the six `CAUSES`, switched from A to B in that order, each on top of those before it: score changes sum exactly.
    An account's change of band belongs to the cause from which on its band is that of B. Another order could give a shared effect to
    another cause; this one goes as a score is made, from value to band.

    Bands that are called otherwise but are as many are compared by rank, under the names of B; where their number differs, by name.

    Parameters
    ----------
    a, b : name, scorecard with numbers as scale ends, and the snapshots as measured for it: the same accounts of one day
    """
    (name_a, card_a, cases_a), (name_b, card_b, cases_b) = a, b
    card_a = _with_names_of(card_a, card_b)
    cases_a, cases_b = (cases.sort_values("account_id", ignore_index=True) for cases in (cases_a, cases_b))
    if list(cases_a["account_id"]) != list(cases_b["account_id"]):
        raise ValueError("the two snapshots do not hold the same accounts")
    scored = [scoring.score(card, cases).frame for card, cases in chain(card_a, card_b, cases_a, cases_b)]
    accounts = _accounts(cases_a, scored)
    names = [(*(band.name for band in card.bands), scoring.UNSCORED) for card in (card_a, card_b)]
    return Comparison(
        as_of=cases_a["as_of"].max(),
        name_a=name_a,
        name_b=name_b,
        sha_a=card_a.sha256,
        sha_b=card_b.sha256,
        bands_a=names[0],
        bands_b=names[1],
        accounts=accounts,
        by_cause=_by_cause(accounts),
        migration=_migration(accounts, *names),
        by_band=_by_band(accounts, list(dict.fromkeys([*names[0][:-1], *names[1]]))),
    )


def _with_names_of(a: Scorecard, b: Scorecard) -> Scorecard:
    """The scorecard A with the band names of B, where it has as many; its gates and playbooks follow."""
    if len(a.bands) != len(b.bands):
        return a
    names = {mine.name: theirs.name for mine, theirs in zip(a.bands, b.bands, strict=True)}
    bands = tuple(band.model_copy(update={"name": names[band.name]}) for band in a.bands)
    gates = tuple(gate.model_copy(update={"band": names.get(gate.band, gate.band)}) if gate.band else gate for gate in a.gates)
    return a.model_copy(update={"bands": bands, "gates": gates})


def chain(a: Scorecard, b: Scorecard, cases_a: pd.DataFrame, cases_b: pd.DataFrame) -> list[tuple[Scorecard, pd.DataFrame]]:
    """A, then A with one cause after another switched to B; the last is B. Each with the cases it is scored on."""
    shared = [name for name in a.metrics if name in b.metrics]
    cases = cases_a.drop(columns=[name for name in b.metrics if name in cases_a]).join(cases_b[list(b.metrics)])
    scaled = {name: metric if name not in b.metrics else _with_scale_of(metric, b.metrics[name]) for name, metric in a.metrics.items()}
    gone = {name: metric.model_copy(update={"weight": 0.0, "profiles": ()}) for name, metric in a.metrics.items() if name not in shared}
    groups = tuple(dict.fromkeys([*b.groups, *a.groups]))
    weighed = a.model_copy(update={"metrics": {**b.metrics, **gone}, "groups": groups})
    covered = weighed.model_copy(update={"min_coverage": b.min_coverage})
    gated = covered.model_copy(update={"gates": b.gates})
    cards = [a.model_copy(update={"metrics": scaled}), weighed, covered, gated]
    return [(a, cases_a), (a, cases), *((card, cases) for card in cards), (b, cases_b)]


def _with_scale_of(metric: Metric, other: Metric) -> Metric:
    """The metric of A, valued as in B, weighed as in A."""
    return metric.model_copy(update={name: getattr(other, name) for name in Metric.model_fields if name not in NOT_SCALE})


def _accounts(cases: pd.DataFrame, scored: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Scores and bands at both ends, the change by cause, and the cause of a change of band."""
    bands = np.column_stack([frame["band"].to_numpy(dtype=object) for frame in scored])
    points = np.column_stack([frame["score"].to_numpy(dtype=float) for frame in scored])
    final = np.logical_and.accumulate((bands == bands[:, -1:])[:, ::-1], axis=1)[:, ::-1]
    since = final.argmax(axis=1)
    names = cases["name"] if "name" in cases else cases["account_id"]
    table = cases[["account_id", "arr"]].assign(
        score_a=points[:, 0], band_a=bands[:, 0], score_b=points[:, -1], band_b=bands[:, -1],
        cause=np.array(["", *CAUSES], dtype=object)[since],
    )  # fmt: skip
    table.insert(1, "name", names.where(names.notna(), cases["account_id"]))
    for place, cause in enumerate(CAUSES):
        table[f"change:{cause}"] = points[:, place + 1] - points[:, place]
    return table


def _by_cause(accounts: pd.DataFrame) -> pd.DataFrame:
    up = accounts["score_b"] > accounts["score_a"]
    rows = []
    for cause in CAUSES:
        mine = accounts["cause"] == cause
        rows.append(
            {
                "cause": cause,
                "accounts": int(mine.sum()),
                "arr": float(accounts.loc[mine, "arr"].sum()),
                "raised": int((mine & up).sum()),
                "lowered": int((mine & (accounts["score_b"] < accounts["score_a"])).sum()),
                "mean_change": float(accounts[f"change:{cause}"].mean()),
            }
        )
    return pd.DataFrame(rows)


def _migration(accounts: pd.DataFrame, names_a: Sequence[str], names_b: Sequence[str]) -> pd.DataFrame:
    table = accounts.groupby(["band_a", "band_b"])["arr"].agg(accounts="size", arr="sum").reset_index()
    order = np.lexsort(([names_b.index(name) for name in table["band_b"]], [names_a.index(name) for name in table["band_a"]]))
    return table.iloc[order].reset_index(drop=True)


def _by_band(accounts: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame({"band": list(names)})
    for side in "ab":
        found = accounts.groupby(f"band_{side}")["arr"].agg(["size", "sum"]).reindex(list(names)).fillna(0.0)
        table[f"accounts_{side}"], table[f"arr_{side}"] = found["size"].astype(int).to_numpy(), found["sum"].to_numpy()
    return table
