"""The event side alone: cases measured where the events live, written to one Parquet file that a run takes in their place.

Rows touched, so that a data engineer can trust it: events are read once to judge them (the columns that rules name), once for their clocks
(the time column), and once for each roll-up of `cells` (one for all sums and counts of a table, one for each distinct expression and each
`last`), each for the month-ends and again for the days before terms end. With N events, a accounts and c cells in all windows of a date,
about N × (2 + 2 × roll-ups) rows are scanned, columns and not whole rows, and accounts × dates × c joined; nothing grows with N × dates.

With `append`, dates that the file has already keep their values, and tables whose metrics all have a window are read from the first day
that any new date can see: the cost of a month does not grow with history.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from . import asof, recency
from .casefile import KEYS, NEWEST, CaseFile, definition, read_cases, write_cases
from .elsewhere import Elsewhere, look_there, places, sound_share
from .errors import DataError, EvidenceError, Fault, HealthlibError
from .machine import passing
from .schema import STAYS_HERE
from .session_duckdb import InPlace
from .session_script import script_for
from .sessions import PostgresSession, Session, SqliteSession, Step
from .spec import Metric, Workspace, load_workspace
from .studies.book import BeyondError, measured_frames, spines
from .studies.silence import SILENCES, silences
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
    tables = load_tables(workspace, leave=set(at))
    asof.open_door(tables, workspace)
    report = pd.DataFrame()
    since: dict[str, pd.Timestamp] = {}
    if before is not None:
        tables = replace(tables, given=_continued(before, workspace, at))
        since = _first_days(workspace, tables, before, at, wanted.as_of)
    if at:
        there = look_there(workspace, tables, holder, at, since)
        report = there.report
        for name in since:
            _remember(holder, there, name, before)
        _refuse_excess(workspace, report)
        tables = replace(tables, elsewhere=dict.fromkeys(at, there))
    through = _through(workspace, tables, at)
    day = pd.Timestamp(wanted.as_of) if wanted.as_of else through
    if day > through:
        raise BeyondError(f"as of {day:%Y-%m-%d} was asked for, but the data end on {through:%Y-%m-%d}", through)
    history, cases, leads, _ = measured_frames(tables, workspace, day)
    rows = one_frame(history, cases, leads, list(workspace.scorecard.metrics))
    today = history.loc[history["as_of"] == day, KEYS].reset_index(drop=True)
    alone = replace(tables, given=None)
    newest, quiet = recency.newest_days(alone, workspace, today), silences(alone, workspace, history)
    if before is not None and since:
        newest, quiet = _newer(newest, before, today), _shorter(quiet, before)
    rows = _with_days(rows, newest, day)
    rows = rows.merge(quiet, how="left", on=KEYS) if len(quiet) else rows
    firsts = {name: asof.survey(tables.elsewhere[name], name)[["known", "first_day"]].min() for name in at}
    made = {
        "firsts": {name: [f"{first:%Y-%m-%d}" for first in found] for name, found in firsts.items() if not found.isna().any()},
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


def _continued(before: CaseFile, workspace: Workspace, at: Collection[str]) -> CaseFile:
    """The file that is continued, if it was made with the same metrics from the same places.

    Raises
    ------
    DataError : it was not; it has to be made anew
    """
    now = {name: definition(metric) for name, metric in workspace.scorecard.metrics.items()}
    other = sorted(name for name in now if before.made["metrics"].get(name) != now[name])
    if other or sorted(at) != before.made["elsewhere"]:
        found = f"other values of {', '.join(other[:5])}" if other else "tables that were elsewhere then"
        raise DataError(
            "nothing can be added to the cases", [Fault(before.label, None, "cases", found, "the same scorecard; leave out --append")]
        )
    return replace(before, partial=True)


def _first_days(workspace: Workspace, tables: Tables, before: CaseFile, at: Collection[str], as_of: str | None) -> dict[str, pd.Timestamp]:
    """The first day that a new date can see, of each table elsewhere whose metrics all have a window and whose beginning is on file."""
    day = pd.Timestamp(as_of or workspace.data_through or tables.data_through)
    wanted = spines(tables, workspace, day)
    first = min(wanted.loc[~before.has(wanted), "as_of"].min(), day)
    found = {}
    for name in at:
        reaches = [_reach(metric) for metric in workspace.scorecard.metrics.values() if metric.table == name]
        if name in before.made["firsts"] and None not in reaches:
            found[name] = first - pd.Timedelta(days=max([0, *(days for days in reaches if days is not None)]))
    return found


def _newer(newest: pd.DataFrame, before: CaseFile, today: pd.DataFrame) -> pd.DataFrame:
    """The newest day of each account and metric, now or on file: rows from before the first day that was read are not seen any more."""
    made = before.values[before.values["as_of"] == pd.Timestamp(before.made["as_of"])]
    filed = replace(before, values=made).newest(made[made["account_id"].isin(today["account_id"])])
    both = pd.concat([newest, filed], ignore_index=True)
    order = list(dict.fromkeys(both["metric"]))
    found = both.groupby(["metric", "account_id"])["day"].max().reset_index()
    found = found.assign(place=found["metric"].map(order.index)).sort_values(["place", "account_id"], ignore_index=True)
    return found[list(recency.DATED_COLUMNS)]


def _shorter(quiet: pd.DataFrame, before: CaseFile) -> pd.DataFrame:
    """The silences of new days, none longer than what was on file before and the days since then."""
    columns = [name for name in SILENCES if name in before.values and name in quiet]
    filed = before.values.loc[before.values["in_history"], [*KEYS, *columns]].rename(columns={"as_of": "then"}).sort_values("then")
    both = pd.merge_asof(quiet.sort_values("as_of"), filed, left_on="as_of", right_on="then", by="account_id", suffixes=("", "_then"))
    gap = (both["as_of"] - both["then"]).dt.days
    least = {name: both[name].combine(both[f"{name}_then"] + gap, lambda now, then: then if then < now else now) for name in columns}
    return both.assign(**least)[list(quiet.columns)]


def _reach(metric: Metric) -> int | None:
    """How many days before its date a metric can see; None where there is no end to it."""
    window = metric.window_days
    if window is None and metric.measure.kind == "last" and metric.stale_after_days is not None:
        window = metric.stale_after_days + 1
    if window is None:
        return None
    against = metric.against.past_days if metric.against and metric.against.past_days else 0
    return window + max(metric.trend or 0, against + window if against else 0)


def _remember(holder: Session, there: Elsewhere, name: str, before: CaseFile | None) -> None:
    """Add to a table's clocks the day on which they begin, which is not read any more."""
    if before is None:
        return
    known, first = (pd.Timestamp(day) for day in before.made["firsts"][name])
    start = pd.DataFrame({"known": [known], "first_day": [first], "last_day": [first], "late": [False]})
    survey = asof.survey(there, name)
    days = dict.fromkeys(("known", "first_day", "last_day"), "datetime64[s]")
    holder.surveys[name] = pd.concat([start.astype(days), survey], ignore_index=True).sort_values("known", ignore_index=True)


def _through(workspace: Workspace, tables: Tables, at: Collection[str]) -> pd.Timestamp:
    """The last day the data cover, also where the newest rows are elsewhere."""
    if workspace.data_through is not None:
        return pd.Timestamp(workspace.data_through)
    ends = [asof.survey(tables.elsewhere[name], name)["last_day"].max() for name in at]
    return max([pd.Timestamp(tables.data_through), *(end for end in ends if not pd.isna(end))])


def _refuse_excess(workspace: Workspace, report: pd.DataFrame) -> None:
    """More rows that break a rule than the workspace allows stop a snapshot as they stop a run, and so do any that stand twice."""
    twice = report[report["again"] > 0] if "again" in report else report.head(0)
    if len(twice):
        lines = [
            f"{row['table']} ({row['place']}): {int(row['again']):,} rows have the key of another row" for row in twice.to_dict("records")
        ]
        raise EvidenceError("\n".join([*lines, "make a view of the table with each key once, and place that"]))
    lost = report[sound_share(report) < 1 - workspace.max_rejected]
    if len(lost):
        lines = [f"{row['table']} ({row['place']}): {row['rows_in'] - row['rows_used']:,} of {row['rows_in']:,} rows cannot be used: "
                 + ", ".join(f"{row[rule]:,} {words}" for rule, words in RULES.items() if row.get(rule, 0) > 0)
                 for row in lost.to_dict("records")]  # fmt: skip
        raise EvidenceError(
            "\n".join([*lines, f"max_rejected in workspace.yaml is {workspace.max_rejected:.2%}; mend the rows, or raise it"])
        )


RULES = {
    "no_account": "without an account", "no_time": "without a day", "empty": "without a value that is required",
    "bad_date": "with a day before 1900 or after 2199", "bad_number": "with a number beyond 1e12 or below 0 where none may be",
    "backwards": "whose days run backwards", "stranger": "of accounts that are not in accounts",
}  # fmt: skip
"""Rule of `elsewhere.RULES` -> in words."""


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
