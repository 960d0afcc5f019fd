"""cases.parquet: what was measured where the events live, carried to where they are not."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from healthlib.errors import DataError, EvidenceError, Fault
from healthlib.schema import SILENCES
from healthlib.spec import Metric, Scorecard

KEYS = ["account_id", "as_of"]
KEY = b"healthlib"
NEWEST = "newest:"
"""Before the name of a metric: the column with the day of the newest row behind it, on the day of the file alone."""
MEASURED_BY = {
    "table", "column", "measure", "where", "window_days", "trend", "per", "against", "reading", "stale_after_days",
}  # fmt: skip
"""What of a metric decides its value; scale, weight and group do not."""
FIGURES = (*SILENCES, "in_history", "is_lead")
"""Columns of figures that are no metric."""
MAKE = "`healthlib snapshot` makes it"


def definition(metric: Metric) -> str:
    """What a metric's value rests on, as one short text: the same for two metrics that are measured alike.

    >>> one = Metric(name="a", group="g", measure={"kind": "count"}, table="usage", worst=0, best=1, weight=3)
    >>> definition(one) == definition(one.model_copy(update={"weight": 5.0, "best": 9}))
    True
    """
    text = json.dumps(metric.model_dump(mode="json", include=MEASURED_BY), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class CaseFile:
    """A file of cases.

    Attributes
    ----------
    label : its path as the user wrote it
    values : account_id, as_of, then a float column a metric (and whatever else a reader of the file may want)
    made : as_of, data_through, engine, metrics (name -> `definition`), elsewhere (tables whose rows stayed where they are), firsts (table
        elsewhere -> when its first row came to be known, and the day of that row), tables (`elsewhere.Elsewhere.report`, as records)
    sha256 : of the file
    partial : whether what it lacks is to be measured now
    """

    label: str
    values: pd.DataFrame
    made: Mapping[str, Any]
    sha256: str
    partial: bool = False

    def names(self, scorecard: Scorecard) -> list[str]:
        """The metrics of a scorecard whose values are here.

        Raises
        ------
        DataError : metrics on tables that stayed elsewhere, which were not measured, or measured another way; all at once
        """
        made, faults = self.made["metrics"], []
        for name, metric in scorecard.metrics.items():
            if metric.table in self.made["elsewhere"] and made.get(name) != definition(metric):
                found = "measured in another way" if name in made else "not measured"
                faults.append(
                    Fault("scorecard.yaml", None, f"metrics.{name}", f"{found} in {self.label}", f"a metric of that file; {MAKE} again")
                )
        if faults:
            raise DataError(f"{self.label} does not have every metric of the scorecard", faults)
        return [name for name, metric in scorecard.metrics.items() if not metric.levels and made.get(name) == definition(metric)]

    def at(self, spine: pd.DataFrame, names: list[str]) -> pd.DataFrame:
        """The values of some metrics for each row of `spine` (account_id, as_of, arr), in its order; none where there was no ARR.

        Raises
        ------
        EvidenceError : the file does not have all of the days with ARR
        """
        found = spine[KEYS].merge(self.values[[*KEYS, *names]].assign(_here=True), how="left", on=KEYS)
        absent = found["_here"].isna().to_numpy() & (spine["arr"] > 0).to_numpy()
        if missing := int(absent.sum()):
            first = found[absent].iloc[0]
            raise EvidenceError(
                f"{self.label} has no values for {missing:,} of {len(found):,} accounts and dates asked for (first: "
                f"{first['account_id']} on {first['as_of']:%Y-%m-%d}); it was made as of {self.made['as_of']}. "
                "Make it again with `healthlib snapshot`, from the same accounts and contracts"
            )
        return found[names].set_index(spine.index)

    def under(self, masks: Mapping[str, str]) -> CaseFile:
        """The same of masked accounts, without anything that names one; accounts without a mask are left out.

        Parameters
        ----------
        masks : account_id -> its mask
        """
        measured = [
            name for name in self.values.columns.astype(str) if name in self.made["metrics"] or name.startswith(NEWEST) or name in FIGURES
        ]
        values = self.values[[*KEYS, *measured]]
        return replace(self, values=values.assign(account_id=values["account_id"].map(masks)).dropna(subset="account_id"))

    def has(self, spine: pd.DataFrame) -> pd.Series:
        """Whether each (account_id, as_of) of a spine is here."""
        return spine[KEYS].merge(self.values[KEYS].assign(_here=True), how="left", on=KEYS)["_here"].eq(True).set_axis(spine.index)

    def newest(self, today: pd.DataFrame) -> pd.DataFrame:
        """The day of the newest row behind each metric, of each account of a day: account_id, metric, day; in the order of the file."""
        columns = [name for name in self.values.columns.astype(str) if name.startswith(NEWEST)]
        days = today[KEYS].merge(self.values[[*KEYS, *columns]], how="left", on=KEYS)
        found = days.melt(id_vars="account_id", value_vars=columns, var_name="metric", value_name="day").dropna(subset="day")
        named = found.assign(metric=found["metric"].str.removeprefix(NEWEST), day=pd.to_datetime(found["day"]).astype("datetime64[s]"))
        return named.reset_index(drop=True)


def read_cases(path: Path, label: str) -> CaseFile:
    """Read a file of cases.

    Raises
    ------
    DataError : there is none, or it is another kind of file
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    expected = f"a file of cases; {MAKE}"
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        found = "a file that is no Parquet" if path.is_file() else "no such file"
        raise DataError("the cases cannot be read", [Fault(label, None, "cases", found, expected)]) from None
    text = (table.schema.metadata or {}).get(KEY)
    if text is None:
        raise DataError("the cases cannot be read", [Fault(label, None, "cases", "a Parquet file of something else", expected)])
    values = table.to_pandas()
    values["as_of"] = values["as_of"].astype("datetime64[s]")
    return CaseFile(label, values.astype({"account_id": "str"}), json.loads(text), hashlib.sha256(path.read_bytes()).hexdigest())


def write_cases(path: Path, values: pd.DataFrame, made: Mapping[str, Any]) -> None:
    """Write a file of cases in one step: the one before stays whole until the new one is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(values, preserve_index=False)
    table = table.replace_schema_metadata({KEY: json.dumps(made, sort_keys=True)})
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, aside, compression="zstd")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
