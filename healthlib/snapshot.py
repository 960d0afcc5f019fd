"""The event side alone: cases measured where the events live, written to one Parquet file that a run takes in their place.

Rows touched, so that a data engineer can trust it: events are read once to judge them (the columns that rules name), once for their clocks
(the time column), and once for each roll-up of `cells` (one for all sums and counts of a table, one for each distinct expression and each
`last`), each for the month-ends and again for the days before terms end. With N events, a accounts and c cells in all windows of a date,
about N × (2 + 2 × roll-ups) rows are scanned, columns and not whole rows, and accounts × dates × c joined; nothing grows with N × dates.

With `append`, the dates that the file has already keep their values, and the cost of a month does not grow with history: see `appended`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from . import asof, recency
from .appended import continued, first_days, newest_of_both, remember_beginnings, silences_of_both
from .casefile import KEYS, NEWEST, CaseFile, definition, read_cases, write_cases
from .elsewhere import look_there, places, refuse_excess
from .errors import DataError, Fault, HealthlibError
from .machine import passing
from .schema import STAYS_HERE
from .session_duckdb import InPlace
from .session_script import script_for
from .sessions import PostgresSession, Session, SqliteSession, Step
from .spec import Workspace, load_workspace
from .studies.book import BeyondError, measured_frames
from .studies.silence import silences
from .tables import Tables, load_tables
from .whereabouts import Place, read_place

LABELS = ("horizon_ends_on", "outcome", "lost", "arr_lost")


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes
    ----------
    workspace : its folder
    as_of : ISO date; None for the last day the data cover
    engine : name or URL of the engine that holds the events; empty for what workspace.yaml says, or the embedded one
    to : the file of cases
    dry_run : write nothing: only say what would be run
    append : keep what the file has already
    """

    workspace: Path
    as_of: str | None = None
    engine: str = ""
    to: Path = Path("cases.parquet")
    dry_run: bool = False
    append: bool = False


@dataclass(frozen=True)
class Taken:
    """A snapshot taken.

    Attributes
    ----------
    as_of : the day it speaks of
    rows : rows of the file, of which `new` were measured now
    report : what was read where, a row a table: `elsewhere.Elsewhere.report`
    steps : every statement that ran on the engine
    script : the statements as text; empty but for a dry run
    """

    as_of: pd.Timestamp
    rows: int = 0
    new: int = 0
    report: pd.DataFrame = field(default_factory=pd.DataFrame)
    steps: tuple[Step, ...] = ()
    script: str = ""


def snapshot(wanted: Wanted) -> Taken:
    """Measure every case of a workspace and write them to one file.

    Raises
    ------
    DataError : exports, tables or columns that cannot be used
    EvidenceError : too many rows that break a rule, a day that the data do not reach
    HealthlibError : an engine that cannot be reached
    """
    workspace = load_workspace(wanted.workspace)
    place = read_place(wanted.engine or workspace.engine or "")
    if workspace.flat is not None:
        raise HealthlibError("a flat sheet has no events; `healthlib run` reads it as it is")
    workspace = workspace.model_copy(update={"cases": None, "anonymise": False})  # the file is for the same people as the events
    before = read_cases(wanted.to, str(wanted.to)) if wanted.append and wanted.to.exists() else None
    if wanted.dry_run:
        return _written(workspace, wanted, place)
    with passing("healthlib-snapshot-") as scratch:
        holder, at = _holder(workspace, place, scratch)
        try:
            return _taken(workspace, wanted, holder, at, before)
        finally:
            holder.close()


def _written(workspace: Workspace, wanted: Wanted, place: Place) -> Taken:
    """The statements of a snapshot as text, in the dialect of the engine; the tables there are taken to have rows of every day."""
    at = _placed(workspace, place)
    tables = load_tables(workspace, leave=set(at))
    asof.open_door(tables, workspace)
    day = pd.Timestamp(wanted.as_of or workspace.data_through or tables.data_through)
    first = asof.survey(tables, "contracts")["first_day"].min()
    script = script_for(workspace, at, place.dialect, (first, day))
    there = look_there(workspace, tables, script, at)
    measured_frames(replace(tables, elsewhere=dict.fromkeys(at, there)), workspace, day)
    script.close()
    return Taken(day, script=script.written)


def _placed(workspace: Workspace, place: Place) -> dict[str, tuple[str, ...]]:
    """The tables that `table:` places. Raises DataError where there is none."""
    at = places(workspace)
    if not at:
        cure = "tables: {usage: {table: schema.name}}; only metrics read them, and they stay there"
        raise DataError("nothing lives in that engine", [Fault("workspace.yaml", None, "tables", f"no `table:` for {place.kind}", cure)])
    return at


def _holder(workspace: Workspace, place: Place, scratch: Path) -> tuple[Session, dict[str, tuple[str, ...]]]:
    """The engine, and the tables that it holds: those placed by `table:`; for the embedded one also Parquet files, read where they lie."""
    if place.kind == "duckdb":
        return _in_place(workspace, place, scratch, places(workspace))
    at = _placed(workspace, place)
    if place.kind == "postgresql":
        return PostgresSession(place.url), at
    if place.kind == "sqlite":
        return SqliteSession(str(workspace.folder / place.path)), at
    if place.kind == "spark":
        from .session_spark import SparkSession

        return SparkSession(place.path), at
    raise HealthlibError(f"{place.kind}: only the text is made for it; add --dry-run, and run it there")


def _in_place(
    workspace: Workspace, place: Place, scratch: Path, at: dict[str, tuple[str, ...]]
) -> tuple[Session, dict[str, tuple[str, ...]]]:
    """The embedded engine over the tables of a DuckDB file, or over the workspace's Parquet files."""
    folder = Path(workspace.folder)
    if place.path:
        path = (folder / place.path).resolve()
        if not path.is_file():
            raise DataError(
                "the events cannot be read", [Fault("workspace.yaml", None, "engine", f"no file {place.path}", "a DuckDB file")]
            )
        holder = InPlace((path, Path(f"{path}.wal")), scratch)
        holder.attach(path)
        return holder, at
    named = {name: folder / source.file for name, source in workspace.tables.items() if source.file}
    read = {metric.table or "" for metric in workspace.scorecard.metrics.values()}
    lying = {name: folder / f"{name}.parquet" for name in read - set(workspace.tables)}
    files = {
        name: path
        for name, path in sorted((lying | named).items())
        if name not in STAYS_HERE and path.suffix == ".parquet" and path.is_file()
    }
    holder = InPlace(tuple(path.resolve() for path in files.values()), scratch)
    return holder, {name: holder.read_parquet(name, path) for name, path in files.items()}


def _taken(workspace: Workspace, wanted: Wanted, holder: Session, at: Mapping[str, tuple[str, ...]], before: CaseFile | None) -> Taken:
    """Judge what lies elsewhere, measure every account and date that `before` does not have, and write the file."""
    tables = load_tables(workspace, leave=set(at))
    asof.open_door(tables, workspace)
    since: dict[str, pd.Timestamp] = {}
    if before is not None:
        tables = replace(tables, given=continued(before, workspace, at))
        last = pd.Timestamp(wanted.as_of or workspace.data_through or tables.data_through)
        since = first_days(tables, workspace, before, at, last)
    report = pd.DataFrame()
    if at:
        there = look_there(workspace, tables, holder, at, since)
        report = there.report
        refuse_excess(report, workspace)
        if before is not None:
            remember_beginnings(there, before, since)
        tables = replace(tables, elsewhere=dict.fromkeys(at, there))
    through = _through(workspace, tables)
    day = pd.Timestamp(wanted.as_of) if wanted.as_of else through
    if day > through:
        raise BeyondError(f"as of {day:%Y-%m-%d} was asked for, but the data end on {through:%Y-%m-%d}", through)
    rows = _measured(tables, workspace, day, since)
    made = {
        "firsts": _beginnings(tables),
        "as_of": f"{day:%Y-%m-%d}",
        "data_through": f"{through:%Y-%m-%d}",
        "engine": holder.dialect,
        "elsewhere": sorted(at),
        "metrics": {name: definition(metric) for name, metric in workspace.scorecard.metrics.items()},
        "tables": report.to_dict("records"),
    }
    write_cases(wanted.to, rows, made)
    new = len(rows) if before is None else int((~before.has(rows)).sum())
    return Taken(day, len(rows), new, report, tuple(holder.steps))


def _measured(tables: Tables, workspace: Workspace, day: pd.Timestamp, since: Mapping[str, pd.Timestamp]) -> pd.DataFrame:
    """The rows of the file: `one_frame`, the newest day behind each metric, and the silences.

    Parameters
    ----------
    since : tables of which only later rows were read -> the first day that was; the file that is continued remembers the rest
    """
    history, cases, leads, _ = measured_frames(tables, workspace, day)
    today = history.loc[history["as_of"] == day, KEYS].reset_index(drop=True)
    alone = replace(tables, given=None)
    newest, quiet = recency.newest_days(alone, workspace, today), silences(alone, workspace, history)
    if since and tables.given is not None:
        newest, quiet = newest_of_both(newest, tables.given, today), silences_of_both(quiet, tables.given)
    rows = _with_days(one_frame(history, cases, leads, list(workspace.scorecard.metrics)), newest, day)
    return rows.merge(quiet, how="left", on=KEYS) if len(quiet) else rows


def _beginnings(tables: Tables) -> dict[str, list[str]]:
    """Table elsewhere -> the day its first row came to be known, and the day of that row; none of a table without rows."""
    found = {name: asof.survey(held, name)[["known", "first_day"]].min() for name, held in tables.elsewhere.items()}
    return {name: [f"{day:%Y-%m-%d}" for day in days] for name, days in found.items() if not days.isna().any()}


def _through(workspace: Workspace, tables: Tables) -> pd.Timestamp:
    """The last day the data cover, also where the newest rows are elsewhere."""
    if workspace.data_through is not None:
        return pd.Timestamp(workspace.data_through)
    ends = [asof.survey(held, name)["last_day"].max() for name, held in tables.elsewhere.items()]
    return max([pd.Timestamp(tables.data_through), *(end for end in ends if not pd.isna(end))])


def one_frame(history: pd.DataFrame, cases: pd.DataFrame, leads: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Every account and date once.

    Returns account_id, as_of, arr, seats, age_days, term_ends, attributes, a float column a metric, then in_history, is_lead, and of cases
    horizon_ends_on, outcome, lost, arr_lost (empty elsewhere); sorted by as_of and account_id.
    """
    after = [*LABELS, "ends", "lead_days", "ended_on"]
    parts = [frame.drop(columns=after, errors="ignore") for frame in (history, cases, leads)]
    rows = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True).drop_duplicates(KEYS, ignore_index=True)
    rows = rows.merge(history[KEYS].assign(in_history=True), how="left", on=KEYS)
    rows = rows.merge(leads[KEYS].drop_duplicates().assign(is_lead=True), how="left", on=KEYS)
    rows = rows.merge(cases[[*KEYS, *LABELS]], how="left", on=KEYS)
    rows = rows.assign(**{flag: rows[flag].eq(True) for flag in ("in_history", "is_lead")})
    rows = rows.assign(**{name: rows[name].astype(float) for name in names})
    return rows.sort_values(["as_of", "account_id"], kind="stable", ignore_index=True)


def _with_days(rows: pd.DataFrame, newest: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """The rows with a column `newest:<metric>` for each metric that has a day, filled on the last day only."""
    wide = newest.pivot(index="account_id", columns="metric", values="day")[list(dict.fromkeys(newest["metric"]))].add_prefix(NEWEST)
    return rows.merge(wide.reset_index().assign(as_of=day).astype({"as_of": rows["as_of"].dtype}), how="left", on=KEYS)


def told(taken: Taken, wanted: Wanted, *, profiled: bool) -> str:
    """What to say of a snapshot: the script of a dry run; else what was read where, the profile if asked for, and what there is now."""
    if wanted.dry_run:
        return taken.script
    read = [
        f"{row['table']}: {row['rows_used']:,} of {row['rows_in']:,} rows of {row['place']}, where they lie"
        for row in taken.report.to_dict("records")
    ]
    steps = [profile(taken.steps)] if profiled else []
    now = f"as of {taken.as_of:%Y-%m-%d}: {taken.rows:,} accounts and dates in {wanted.to}, {taken.new:,} of them measured now"
    return "\n".join([*read, *steps, now, ""])


def profile(steps: tuple[Step, ...]) -> str:
    """Seconds and rows of each kind of step, the dearest first, as a plain table."""
    if not steps:
        return "no step ran elsewhere: every table was loaded"
    frame = pd.DataFrame([(step.name, step.seconds, step.rows) for step in steps], columns=["step", "seconds", "rows"])
    told = frame.groupby("step", sort=False).agg(times=("rows", "size"), seconds=("seconds", "sum"), rows=("rows", "sum")).reset_index()
    told = told.sort_values("seconds", ascending=False, kind="stable")
    total: dict[str, Any] = {"step": "all", "times": len(frame), "seconds": frame["seconds"].sum(), "rows": frame["rows"].sum()}
    told = pd.concat([told, pd.DataFrame([total])], ignore_index=True)
    return told.to_string(index=False, formatters={"seconds": "{:.2f}".format, "rows": "{:,}".format})
