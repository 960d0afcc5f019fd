"""What has changed in the past since the last run: the rows knowable on a day then, against the rows knowable on that day now.

The last run is that of the same day, which this one replaces; without one, the newest of an earlier day. What is found depends on that
run, so it stands where runs are told apart (`manifest.json`, the list of runs, the console) and in no report: the same inputs give the
same reports, whatever was there before.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from . import asof, fingerprints
from .fingerprints import FILE, Fingerprint
from .spec import Workspace
from .tables import Tables

NO_ARR = pd.Series(dtype="float64")


@dataclass(frozen=True)
class Late:
    """What differs from the last run.

    Attributes
    ----------
    as_of : the day of that run, ISO; the changes are among the rows knowable on it
    made_on : the day it was made, ISO; "" where it does not say
    same_day : whether this run replaces it
    tables : table, added, changed, removed, accounts; one row a table that differs; `coarse` where `changed` counts quarters of an account
    contracts : account_id ("" where it is in the exports no longer), added, changed, removed, arr_then, arr_now (on `as_of`)
    arr_then, arr_now : ARR of all accounts on `as_of`; NaN where not known
    altered : tables whose columns are others than then, which cannot be compared
    problem : why nothing can be compared; "" where it can
    """

    as_of: str
    made_on: str
    same_day: bool
    tables: pd.DataFrame = field(default_factory=pd.DataFrame)
    contracts: pd.DataFrame = field(default_factory=pd.DataFrame)
    arr_then: float = float("nan")
    arr_now: float = float("nan")
    altered: tuple[str, ...] = ()
    problem: str = ""

    @property
    def anything(self) -> bool:
        """Whether there is anything to say but that nothing changed."""
        return bool(len(self.tables) or self.altered or self.problem)


@dataclass
class Watch:
    """Looks at a run's tables while they are open, for the runs after it.

    Attributes
    ----------
    shelf : the folder with the runs of the workspace, a folder a day
    made : the fingerprint of this run, once `see` was called
    found : what changed since the last run; None where there is none
    """

    shelf: Path
    workspace: Workspace
    made: Fingerprint | None = None
    found: Late | None = None

    def see(self, tables: Tables, at: pd.Timestamp) -> None:
        """Take the fingerprint of `tables` as knowable on `at`, and compare with the last run's."""
        day = f"{at:%Y-%m-%d}"
        self.made = fingerprints.fingerprint(tables, self.workspace, day)
        before = last_run(self.shelf, day)
        self.found = _since(before, tables, self.workspace, self.made) if before is not None else None

    def keep(self, folder: Path) -> None:
        """Leave the fingerprint in the folder of a run."""
        if self.made is not None:
            fingerprints.write(self.made, folder / FILE)


def last_run(shelf: Path, day: str) -> Path | None:
    """The folder with the fingerprint to compare with: that of `day`, or else of the newest day before; None where there is none."""
    folders = [path.parent for path in shelf.glob(f"????-??-??/{FILE}") if path.parent.name <= day]
    return max(folders, key=lambda folder: folder.name, default=None)


def _since(folder: Path, tables: Tables, workspace: Workspace, made: Fingerprint) -> Late:
    day = folder.name
    manifest = _manifest(folder)
    told = str(manifest.get("made_at") or "")[:10]
    then = fingerprints.read(folder / FILE)
    if then is None or then.as_of != day:
        return Late(day, told, day == made.as_of, problem="what it had read cannot be told any more")
    if then.scheme != made.scheme:
        return Late(day, told, day == made.as_of, problem=f"its rows were hashed by another version ({then.scheme})")
    same = day == made.as_of and then.coarse == made.coarse
    now = made if same else fingerprints.fingerprint(tables, workspace, day, then.coarse)
    rows = fingerprints.compared(then, now)
    terms = _by_account(rows[rows["table"] == "contracts"], tables)
    past, today = (_arr_then(folder), _arr_now(tables, workspace, day)) if len(terms) else (NO_ARR, NO_ARR)
    for column, arr in (("arr_then", past), ("arr_now", today)):
        known = bool(len(past) and len(today))
        terms[column] = [arr.get(name, arr.get(f"'{name}", 0.0)) if name and known else float("nan") for name in terms["account_id"]]
    arr = {"arr_then": past.sum(min_count=1), "arr_now": today.sum(min_count=1)}
    return Late(day, told, day == made.as_of, _by_table(rows, now), terms, **arr, altered=tuple(fingerprints.altered(then, now)))


def _by_table(rows: pd.DataFrame, now: Fingerprint) -> pd.DataFrame:
    counts = rows.groupby("table", as_index=False).agg(
        added=("added", "sum"), changed=("changed", "sum"), removed=("removed", "sum"), accounts=("account", "nunique")
    )
    return counts.assign(coarse=counts["table"].isin(now.coarse))


def _by_account(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """The changes of each account by name; accounts that are gone have none and are one row each."""
    named = rows.merge(fingerprints.accounts(tables), how="left", on="account")
    counts = named.groupby("account", as_index=False).agg(
        account_id=("account_id", "first"), added=("added", "sum"), changed=("changed", "sum"), removed=("removed", "sum")
    )
    counts["account_id"] = counts["account_id"].astype("str").where(counts["account_id"].notna(), "")
    return counts.drop(columns="account").sort_values(["account_id", "removed"], ignore_index=True)


def _arr_now(tables: Tables, workspace: Workspace, day: str) -> pd.Series:
    """ARR on a day by account_id, as the exports tell it now."""
    if workspace.flat is not None:
        return NO_ARR
    spine = asof.active_spine(tables, [pd.Timestamp(day)])
    return asof.state(tables, workspace, spine).set_index("account_id")["arr"]


def _arr_then(folder: Path) -> pd.Series:
    """ARR by account_id as the last run's scores.csv says it, where an apostrophe may precede the id; empty where it cannot be read."""
    try:
        with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
            held = {row["account_id"]: float(row["arr"]) for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return NO_ARR
    return pd.Series(held, dtype="float64")


def _manifest(folder: Path) -> dict[str, object]:
    try:
        held = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
