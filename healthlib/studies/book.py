"""The book: everything that was knowable about a workspace on one day, as frames. Opened once; every study starts from it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from .. import asof, feedback, flat, interventions, levels, metrics, outcomes, overrides, peers, recency
from ..beginnings import NEVER, Beginnings, beginnings
from ..casefile import CaseFile
from ..engine import quote
from ..errors import EvidenceError
from ..schema import CASE_COLUMNS
from ..scoring import resolve_scales
from ..sheet import WEAKER
from ..spec import Metric, Scorecard, Workspace
from ..tables import Tables, load_tables
from ..traces import Traces, no_traces
from ..tracing import read_traces
from . import breadth, contract_terms
from .alert_replay import Past, past_of, replay_alerts
from .diary import Diary, read_diary
from .leaks import Background, LeakAudit, screen
from .silence import nothing, silences


@dataclass(frozen=True)
class Book:
    """A workspace as known on `as_of`. Nothing in it would change if every table were cut at that day.

    Attributes
    ----------
    scorecard : the workspace's scorecard with quantile scales resolved from `history`
    tables : DataFrame table, file, rows_in, rows_used, rows_rejected (of the exports), first_day, last_day (known on `as_of`), sha256
    rejected : table -> rows set aside
    cases : the outcome's cases with as_of <= `as_of`, one row per (account_id, as_of), labelled; unfinished ones are open; of a flat sheet
        also `fold`, which takes the place of time
    history : month-end snapshots of all active accounts up to `as_of`, the last date being `as_of` itself
    leads : snapshots of accounts that churned, 30 … 180 days before their end: as cases, plus lead_days, ended_on
    ledger : account_id, month, arr of active accounts on every date of `history` and twelve months before `as_of`; a contract that was
        corrected since reads as corrected on every one of them
    churned : account_id, ended_on, arr, reason
    incumbent : account_id, as_of, incumbent (the present tool's latest score then), one row a case; None without score_history
    began : the first days of every account, see `beginnings`
    traces : how the rows of each metric and table lie to the accounts' leaving: what the leak audit reads
    silences : days without contact and without use of each snapshot in `history`, see `silence.silences`
    overrides : the override in force for each account and date of `history` and `cases` that has one: `overrides.COLUMNS`
    dated : account_id, metric, day: the newest row behind each metric today, see `recency.newest_days`
    feedback : what CSMs said of the score: `feedback.COLUMNS`
    interventions : what was done about accounts, and whom an experiment left alone: `interventions.COLUMNS`
    answers : the latest rating or answer at each case, however old: `recency.ANSWER_COLUMNS`
    diary : terms, tickets, contacts and playbooks of every account
    terms : the contracts known on `as_of`: `contract_terms.COLUMNS`
    use : how widely each customer of today uses the product, see `breadth.use_today`
    """

    workspace: Workspace
    scorecard: Scorecard
    as_of: pd.Timestamp
    data_through: pd.Timestamp
    tables: pd.DataFrame
    rejected: dict[str, pd.DataFrame]
    warnings: tuple[str, ...]
    cases: pd.DataFrame
    history: pd.DataFrame
    leads: pd.DataFrame
    ledger: pd.DataFrame
    churned: pd.DataFrame
    incumbent: pd.DataFrame | None
    began: Beginnings = NEVER
    traces: Traces = field(default_factory=no_traces)
    silences: pd.DataFrame = field(default_factory=nothing)
    overrides: pd.DataFrame = field(default_factory=overrides.NONE.copy)
    dated: pd.DataFrame = field(default_factory=recency.NO_DAYS.copy)
    feedback: pd.DataFrame = field(default_factory=feedback.NONE.copy)
    interventions: pd.DataFrame = field(default_factory=interventions.NONE.copy)
    answers: pd.DataFrame = field(default_factory=recency.NO_ANSWERS.copy)
    diary: Diary = field(default_factory=Diary)
    terms: pd.DataFrame = field(default_factory=contract_terms.nothing)
    use: pd.DataFrame = field(default_factory=breadth.nothing)

    @property
    def evidence(self) -> str:
        """What every page must say of how weak the evidence is; empty where the exports have dates."""
        return WEAKER if self.workspace.flat is not None else ""

    @property
    def compared_cases(self) -> pd.DataFrame:
        """`cases`, with the present tool's score as `incumbent` where the workspace has a score_history."""
        return self.cases if self.incumbent is None else self.cases.merge(self.incumbent, how="left", on=["account_id", "as_of"])

    @cached_property
    def leaks(self) -> LeakAudit:
        """The leak audit of these exports; made once. Growing is not leaving: with expansion outcomes only the cases are screened."""
        background = None if self.workspace.kind == "expansion" else Background(self.traces, self.history)
        return screen(self.compared_cases, self.scorecard, background)

    @cached_property
    def past(self) -> Past:
        """Every snapshot scored as its own day's report would have shown it; made once."""
        return past_of(self.workspace.scorecard, self.history, self.silences)

    @cached_property
    def raised(self) -> pd.DataFrame:
        """Every alert ever raised by the rules of the scorecard as written, see `alert_replay.replay_alerts`; made once."""
        card = self.workspace.scorecard
        return replay_alerts(self.past, card, card.alerts)


Look = Callable[[Tables, pd.Timestamp], None]


class BeyondError(EvidenceError):
    """A day was asked for that the data do not reach (exit 1); `through` is the last that they cover."""

    def __init__(self, message: str, through: pd.Timestamp):
        super().__init__(message)
        self.through = through


def open_book(workspace: Workspace, as_of: pd.Timestamp | None = None, look: Look | None = None, *, screened: bool = False) -> Book:
    """Load, validate and measure a workspace as known on `as_of`.

    Parameters
    ----------
    as_of : default: the last day the data cover. A later day is refused: nothing is known of it.
    look : shown the loaded tables and the day before the tables are let go
    screened : make the leak audit as well, in a thread while the database reads on: by itself it keeps one processor busy

    Raises
    ------
    DataError, EvidenceError, BeyondError
    """
    tables = load_tables(workspace)
    through = pd.Timestamp(tables.data_through)
    at = pd.Timestamp(as_of) if as_of is not None else through
    if at > through:
        raise BeyondError(
            f"as of {at:%Y-%m-%d} was asked for, but the data end on {through:%Y-%m-%d}; ask for that day or bring newer exports", through
        )
    begun: list[Future[LeakAudit]] = []
    with ThreadPoolExecutor(1) as beside:
        book = book_of(tables, workspace, at, (lambda early: begun.append(beside.submit(getattr, early, "leaks"))) if screened else None)
        if look is not None:
            look(tables, at)
        if begun:
            vars(book)["leaks"] = begun[0].result()
    return book


def book_of(tables: Tables, workspace: Workspace, at: pd.Timestamp, ready: Callable[[Book], None] | None = None) -> Book:
    """The book of loaded tables as known on `at`: see `open_book`. `ready` is shown it once all that `Book.leaks` reads is there."""
    if workspace.flat is not None:
        return _flat_book(tables, workspace, at)
    asof.open_door(tables, workspace)
    history, cases, leads, left = measured_frames(tables, workspace, at)
    book = Book(
        workspace=workspace,
        scorecard=resolve_scales(workspace.scorecard, history),
        as_of=at,
        data_through=pd.Timestamp(tables.data_through),
        tables=_reach(tables, at),
        rejected=tables.rejected,
        warnings=(*tables.warnings, *overrides.warning(tables, at)),
        cases=cases,
        history=history,
        leads=leads,
        ledger=_ledger(tables, history, at),
        churned=left,
        incumbent=_incumbent(tables, cases),
        traces=read_traces(tables, workspace, left, at),
    )
    if ready is not None:
        ready(book)
    return replace(
        book,
        began=beginnings(tables, at),
        silences=silences(tables, workspace, history),
        diary=read_diary(tables, workspace, cases, at),
        terms=contract_terms.contract_terms(tables, workspace, at),
        use=breadth.use_today(tables, workspace, history[history["as_of"] == at]),
        **_judgements(tables, workspace, history, cases, at),
    )


def spines(tables: Tables, workspace: Workspace, at: pd.Timestamp) -> pd.DataFrame:
    """Every account_id and as_of that `measured_frames` will measure; needs `asof.open_door`."""
    outcomes.prepare(tables, workspace, at)
    left = outcomes.churned(tables, at, workspace.outcome.grace_days)
    wanted = [asof.active_spine(tables, _dates(tables, at)), outcomes.lead_spine(left)]
    if workspace.outcome.kind != "churn_within":
        wanted.append(outcomes.term_spine(tables, workspace.outcome, at))
    return asof.tidy(pd.concat([frame[["account_id", "as_of"]] for frame in wanted if len(frame)]).drop_duplicates())


def measured_frames(
    tables: Tables, workspace: Workspace, at: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """All that rests on events: history, cases and leads of a book, and who left (`outcomes.churned`). Needs `asof.open_door`."""
    history = snapshots(tables, workspace, asof.active_spine(tables, _dates(tables, at)))
    outcomes.prepare(tables, workspace, at)
    left = outcomes.churned(tables, at, workspace.outcome.grace_days)
    return history, *_cases_and_leads(tables, workspace, history, left, at), left


def _reach(tables: Tables, at: pd.Timestamp) -> pd.DataFrame:
    """The report of the tables, each with the first and last day that was known on `at`: a later row does not make an old report fresh."""
    dated = [name for name in tables.columns if name != "accounts" and tables.schemas[name].time in tables.columns[name]]
    day = f"DATE '{at:%Y-%m-%d}'"
    spans = {
        name: tables.engine.first(f"SELECT min(day), max(day) FROM known.{quote(name)} WHERE {asof.seen(name, day)}") for name in dated
    }
    ends = [[pd.Timestamp(end or "NaT") for end in spans.get(name) or (None, None)] for name in tables.report["table"]]
    return tables.report.assign(
        **{c: pd.Series([pair[n] for pair in ends], dtype="datetime64[s]") for n, c in enumerate(("first_day", "last_day"))}
    )


def _judgements(
    tables: Tables, workspace: Workspace, history: pd.DataFrame, cases: pd.DataFrame, at: pd.Timestamp
) -> dict[str, pd.DataFrame]:
    """What people said over the score, and how old what the metrics say is."""
    keys = ["account_id", "as_of"]
    today = history.loc[history["as_of"] == at, keys].reset_index(drop=True)
    return {
        "overrides": overrides.in_force(tables, pd.concat([history[keys], cases[keys]], ignore_index=True)),
        "dated": recency.newest_days(tables, workspace, today) if tables.given is None else tables.given.newest(today),
        "feedback": feedback.read(tables, at),
        "interventions": interventions.read(tables, at),
        "answers": recency.latest_answers(tables, workspace, cases[keys].drop_duplicates().reset_index(drop=True)),
    }


def _flat_book(tables: Tables, workspace: Workspace, at: pd.Timestamp) -> Book:
    """The book of one flat sheet, which speaks of one day: every row is a case, and those not lost are the customers of the day."""
    through = pd.Timestamp(tables.data_through)
    if at != through or workspace.flat is None:
        raise EvidenceError(f"as of {at:%Y-%m-%d} was asked for, but a flat sheet speaks of one day only: {through:%Y-%m-%d}")
    cases = flat.cases(tables, workspace, workspace.flat)
    after = ["horizon_ends_on", "outcome", "lost", "arr_lost", "fold"]
    history = cases[(cases["lost"] != 1) & (cases["arr"] > 0)].drop(columns=after).reset_index(drop=True)
    lost = cases.loc[cases["lost"] == 1, ["account_id", "as_of", "arr"]].reset_index(drop=True)
    return Book(
        workspace=workspace,
        scorecard=resolve_scales(workspace.scorecard, cases),
        as_of=at,
        data_through=through,
        tables=tables.report,
        rejected=tables.rejected,
        warnings=tables.warnings,
        cases=cases,
        history=history,
        leads=history.head(0).assign(lead_days=pd.Series(dtype="int64"), ended_on=pd.Series(dtype="datetime64[s]")),
        ledger=history[["account_id", "as_of", "arr"]].rename(columns={"as_of": "month"}),
        churned=lost.rename(columns={"as_of": "ended_on"}).assign(reason=pd.Series(pd.NA, index=lost.index, dtype="object")),
        incumbent=None,
        traces=no_traces(tuple(name for name in workspace.flat.attributes if name in cases)),
    )


def _dates(tables: Tables, at: pd.Timestamp) -> list[pd.Timestamp]:
    first = tables.engine.query("SELECT CAST(min(day) AS TIMESTAMP) AS first FROM known.contracts")["first"].iloc[0]
    if pd.isna(first) or first > at:
        raise EvidenceError(f"no contract had started by {at:%Y-%m-%d}; choose a later day or check contracts.start_date")
    return asof.month_ends(pd.Timestamp(first), at)


def snapshots(tables: Tables, workspace: Workspace, spine: pd.DataFrame) -> pd.DataFrame:
    """State and metrics of each (account_id, as_of) of `spine`: the one door from events to frames, for today and for any past day.

    Returns account_id, as_of, arr, seats, age_days, term_ends, attributes (text), then one float column a metric.
    """
    if tables.given is not None and tables.given.partial:
        return _continued(tables, workspace, spine, tables.given)
    state, card = asof.state(tables, workspace, spine), workspace.scorecard
    there = tables.given.names(card) if tables.given is not None else []
    here = workspace.model_copy(update={"scorecard": card.model_copy(update={"metrics": without(card.metrics, there)})})
    values = metrics.measure(tables, here, state)[list(here.scorecard.metrics)]
    if tables.given is not None:
        values = pd.concat([values, tables.given.at(state, there)], axis=1)
    names = list(card.metrics)
    state = state.drop(columns=[c for c in state.columns if c in names and c not in CASE_COLUMNS])
    found = pd.concat([state, values[names]], axis=1)
    found = found.assign(**peers.ranked(tables, here, found))
    return found.assign(**levels.made(card, found))


def _continued(tables: Tables, workspace: Workspace, spine: pd.DataFrame, given: CaseFile) -> pd.DataFrame:
    """The snapshots that a file has already, and those measured now, in the order of the spine."""
    old = given.has(spine)
    known = snapshots(replace(tables, given=replace(given, partial=False)), workspace, spine[old].reset_index(drop=True))
    new = snapshots(replace(tables, given=None), workspace, spine[~old].reset_index(drop=True))
    return asof.tidy(pd.concat([part for part in (known, new) if len(part)] or [known], ignore_index=True))


def without(metrics_by_name: dict[str, Metric], names: Collection[str]) -> dict[str, Metric]:
    """The metrics but for some."""
    return {name: metric for name, metric in metrics_by_name.items() if name not in names}


def _cases_and_leads(
    tables: Tables, workspace: Workspace, history: pd.DataFrame, left: pd.DataFrame, at: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The outcome's cases, labelled, and the snapshots before each churn: measured together, since both fall on any day of a month."""
    keys = ["account_id", "as_of"]
    monthly = workspace.outcome.kind == "churn_within"
    before, terms = outcomes.lead_spine(left), outcomes.term_spine(tables, workspace.outcome, at)
    wanted = [before[keys]] if monthly else [before[keys], terms[keys]]
    measured = snapshots(tables, workspace, asof.tidy(pd.concat(wanted).drop_duplicates()))
    measured = measured[measured["arr"] > 0]
    leads = before.merge(measured, how="inner", on=keys)
    cases = history if monthly else measured.merge(terms, how="inner", on=keys)
    labelled = outcomes.label(tables, workspace, cases, at)
    return labelled.drop(columns="ends", errors="ignore"), leads


def _ledger(tables: Tables, history: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """ARR by account on every month-end: as told since where it was corrected, so that no correction passes for growth or loss."""
    before = year_before(at)
    if asof.replaced(tables, "contracts"):
        frame = asof.arr_told(tables, [*_dates(tables, at), before], at)
    else:
        frame = history[["account_id", "as_of", "arr"]]
        if not (frame["as_of"] == before).any():
            frame = pd.concat([part for part in (frame, asof.arr_told(tables, [before], at)) if len(part)] or [frame], ignore_index=True)
    return asof.tidy(frame).rename(columns={"as_of": "month"})


def year_before(day: pd.Timestamp) -> pd.Timestamp:
    """Twelve months earlier; a month-end stays a month-end.

    >>> year_before(pd.Timestamp("2025-02-28"))
    Timestamp('2024-02-29 00:00:00')
    """
    back = day - pd.DateOffset(years=1)
    return back + pd.offsets.MonthEnd(0) if day.is_month_end else back


def _incumbent(tables: Tables, cases: pd.DataFrame) -> pd.DataFrame | None:
    if "score_history" not in tables.columns or cases.empty:
        return None
    asof.put_spine(tables, cases)
    latest = asof.tidy(
        tables.engine.query(
            """SELECT account_id, CAST(as_of AS TIMESTAMP) AS as_of, CAST(score AS DOUBLE) AS incumbent FROM (
            SELECT s.account_id, s.as_of, h.score,
                row_number() OVER (PARTITION BY s.place ORDER BY h.scored_on DESC, h.known DESC, h.score DESC) AS nth
            FROM spine s JOIN known.score_history h ON h.account_id = s.account_id AND h.known <= s.as_of AND h.day <= s.as_of
            ) r WHERE nth = 1"""
        )
    )
    return cases[["account_id", "as_of"]].merge(latest, how="left", on=["account_id", "as_of"])


def load_book(folder: Path | str, as_of: str | pd.Timestamp | None = None, *, anonymise: bool = False) -> Book:
    """`open_book` for a folder: reads workspace.yaml and scorecard.yaml first. Raises SpecError, DataError, EvidenceError."""
    from ..spec import load_workspace

    return open_book(load_workspace(Path(folder), anonymise=anonymise), pd.Timestamp(as_of) if as_of else None)
