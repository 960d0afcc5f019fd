"""Each scorecard metric as a recipe over atoms: which aggregates it needs (`cells` computes them), and how they make one value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from . import asof
from .cells import Atom, atom_values
from .engine import literal, quote
from .errors import DataError, Fault, nearest
from .expressions import strange_expressions
from .schema import CASE_COLUMNS
from .spec import MEASURES, Metric, Workspace
from .tables import Rows, Tables
from .terms import BY_WINDOWS

ZERO_WITHOUT_ROWS = ("count", "sum", "distinct", "open")
"""Measures that are 0, not missing, over no rows, once the source was recording the account."""


def measure(tables: Tables, workspace: Workspace, state: pd.DataFrame) -> pd.DataFrame:
    """Every metric of the scorecard for every (account_id, as_of) of `state`.

    Parameters
    ----------
    state : frame from `asof.state` (account_id, as_of, arr, seats, age_days); one row per account and date

    Returns
    -------
    account_id, as_of, then one float column a metric in the scorecard's order; NaN where missing. Same rows and order as `state`.
    A metric on a table that the workspace does not have is missing everywhere. One against its peers has its own value here (`peers` ranks
    it), one made of others is missing (`levels` makes it).

    Raises
    ------
    DataError
        a metric reads a column that is not there, its SQL does not run, or its peers share no such attribute; all such metrics at once
    """
    metrics = workspace.scorecard.metrics
    columns = tables.columns | {name: there.columns[name] for name, there in tables.elsewhere.items()}
    if strange := strange_expressions(workspace.scorecard, columns, tables.engine):
        raise DataError("scorecard.yaml asks for what an expression may not do", strange)
    if state.empty:
        return state[["account_id", "as_of"]].assign(**{name: pd.Series(dtype=float) for name in metrics})
    result: dict[str, np.ndarray] = {}
    faults = list(_strange_peers(workspace, state))
    result.update({name: np.full(len(state), np.nan) for name, metric in metrics.items() if metric.levels})
    read = [metric for metric in metrics.values() if not metric.levels]
    for holder in {id(there): there for there in (tables.elsewhere.get(metric.table or "", tables) for metric in read)}.values():
        asof.put_spine(holder, state)
    for table in dict.fromkeys(metric.table or "" for metric in read):
        wanted = [metric for metric in read if (metric.table or "") == table]
        if table and table not in columns:
            result.update({metric.name: np.full(len(state), np.nan) for metric in wanted})
            continue
        there = tables.elsewhere.get(table, tables)
        try:
            result.update(_measure_table(there, table, wanted, state))
        except ValueError as error:
            whole = Fault("scorecard.yaml", None, table, str(error), "check the metrics of this table")
            faults.extend(_blame(there, table, wanted, state) or [whole])
    if faults:
        raise DataError("scorecard.yaml asks for what the data do not have", faults)
    return pd.DataFrame({"account_id": state["account_id"], "as_of": state["as_of"], **{name: result[name] for name in metrics}})


def _strange_peers(workspace: Workspace, state: pd.DataFrame) -> Iterator[Fault]:
    """Metrics against peers who share an attribute that no account has."""
    attributes = [str(name) for name in state.columns if name not in (*CASE_COLUMNS, "name")]
    for name, metric in workspace.scorecard.metrics.items():
        if metric.against is not None and metric.against.peers is not None and metric.against.peers not in attributes:
            asked, expected = metric.against.peers, f"an attribute of the accounts: {', '.join(attributes) or 'there is none'}"
            yield Fault("scorecard.yaml", None, f"metrics.{name}.against.peers", repr(asked), expected, nearest(asked, attributes))


def _blame(tables: Rows, table: str, wanted: list[Metric], state: pd.DataFrame) -> list[Fault]:
    """Which metrics of a table fail, found by measuring each alone on one row."""
    faults = []
    asof.put_spine(tables, state.head(1))
    for metric in wanted:
        try:
            _measure_table(tables, table, [metric], state.head(1))
        except ValueError as error:
            names = [*tables.columns.get(table, {}), "day"]
            said = str(error).splitlines()[0][:200]
            hint = nearest(metric.measure.of or metric.where or "", names)
            faults.append(
                Fault("scorecard.yaml", None, f"metrics.{metric.name}", said, f"table {table!r} has the columns {', '.join(names)}", hint)
            )
    asof.put_spine(tables, state)
    return faults


def _measure_table(tables: Rows, table: str, wanted: list[Metric], state: pd.DataFrame) -> dict[str, np.ndarray]:
    recipes = [_recipe(tables, table, metric) for metric in wanted]
    atoms = list(dict.fromkeys(atom for recipe in recipes for atom in recipe.atoms()))
    values = atom_values(tables, table, atoms, state["as_of"]) if atoms else {}
    start = recording_since(tables, table, state) if table else state["as_of"]
    return {recipe.metric.name: recipe.value(values, state, start) for recipe in recipes}


def recording_since(tables: Rows, table: str, state: pd.DataFrame) -> pd.Series:
    """From which day no rows means zero: the later of the table's first visible day and the account's first contract; NaT if never."""
    survey = asof.survey(tables, table)
    visible = np.searchsorted(survey["known"].to_numpy(), state["as_of"].to_numpy("datetime64[s]"), side="right")
    first = np.concatenate([[np.datetime64("NaT")], survey["first_day"].cummin().to_numpy()])
    table_start = pd.Series(first[visible], index=state.index, dtype="datetime64[s]")
    started = state["as_of"] - pd.to_timedelta(state["age_days"], unit="D")
    return table_start.where(table_start > started, started).where(table_start.notna() & started.notna())


@dataclass(frozen=True)
class _Span:
    """A window that ends `shift` days before the day; None is all that came before its end."""

    window_days: int | None
    shift: int


@dataclass(frozen=True)
class _Recipe:
    """A metric as numerator, optional denominator of its own kind (mean, share), and optional `per`; over one window or several."""

    metric: Metric
    top: Atom | None
    bottom: Atom | None
    per: str | Atom | None

    def atoms(self) -> list[Atom]:
        return [_over(atom, span) for atom in (self.top, self.bottom, self.per) if isinstance(atom, Atom) for span in self._spans()]

    def _spans(self) -> list[_Span]:
        """The windows this metric reads, the present one first."""
        now, window, past = _Span(self.metric.window_days, 0), self.metric.window_days, self._past_days()
        if self.metric.trend is not None:
            return [now, _Span(window, self.metric.trend)]
        if past is None or window is None:
            return [now]
        if self.metric.measure.kind in BY_WINDOWS:
            return [now, *(_Span(window, window * back) for back in range(1, past // window + 1))]
        return [now, _Span(past, window)]

    def _past_days(self) -> int | None:
        return self.metric.against.past_days if self.metric.against else None

    def value(self, values: dict[Atom, np.ndarray], state: pd.DataFrame, start: pd.Series) -> np.ndarray:
        now, *earlier = self._spans()
        value = self._at(now, values, state, start)
        if not earlier:
            return value
        seen = [self._recorded(span, self._at(span, values, state, start), state, start) for span in earlier]
        if self.metric.trend is not None:
            return _ratio(value - seen[0], seen[0])
        return _above(value, self._usual(np.array(seen)))

    def _usual(self, seen: np.ndarray) -> np.ndarray:
        """What the account's own past says of a window as long as the present one; NaN where a part of that past was not recorded."""
        if self.metric.measure.kind in ("count", "sum"):
            return seen[0] * (self.metric.window_days or 0) / (self._past_days() or 1)
        return seen.mean(axis=0)

    def _recorded(self, span: _Span, value: np.ndarray, state: pd.DataFrame, start: pd.Series) -> np.ndarray:
        """The value of an earlier window; NaN where the source was not yet recording the account on its first day: half a window is less
        of everything, and would read as growth."""
        if span.window_days is None:
            return value
        first = state["as_of"] - pd.Timedelta(days=span.shift + span.window_days - 1)
        return np.where((first >= start).to_numpy(), value, np.nan)

    def _at(self, span: _Span, values: dict[Atom, np.ndarray], state: pd.DataFrame, start: pd.Series) -> np.ndarray:
        if self.top is None:
            return state["age_days"].to_numpy(float) - span.shift
        value = values[_over(self.top, span)]
        if self.metric.measure.kind in ZERO_WITHOUT_ROWS:
            recording = (state["as_of"] - pd.Timedelta(days=span.shift) >= start).to_numpy()
            value = np.where(np.isnan(value) & recording, 0.0, value)
        if self.bottom is not None:
            value = _ratio(np.nan_to_num(value), values[_over(self.bottom, span)])
        if self.per is None:
            return value
        below = values[_over(self.per, span)] if isinstance(self.per, Atom) else state[self.per].to_numpy(float)
        return _ratio(value, below)


def _over(atom: Atom, span: _Span) -> Atom:
    """The same aggregate over another window; one without a window keeps what it has (a `last` that goes stale)."""
    return replace(atom, window_days=span.window_days or atom.window_days, shift=span.shift)


def _above(value: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """value / usual - 1; NaN where there is nothing, or less than nothing, to compare with."""
    return _ratio(value - usual, np.where(usual > 0, usual, np.nan))


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom; undefined (NaN), never zero or infinite, where bottom is 0."""
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=~np.isnan(bottom) & (bottom != 0))


def _recipe(tables: Rows, table: str, metric: Metric) -> _Recipe:
    kind, of, window, where = metric.measure.kind, metric.measure.of, metric.window_days, metric.where
    if table == "readings":
        own = f"metric = {literal(metric.reading or metric.name)}"
        where = f"({where}) AND {own}" if where else own
    if kind == "last" and metric.stale_after_days is not None:
        window = min(window or metric.stale_after_days + 1, metric.stale_after_days + 1)
    bottom = {"mean": Atom("filled", of, where, window), "share": Atom("rows", None, where, window)}.get(kind)
    return _Recipe(metric, _top(tables, table, Atom(kind, of, where, window)), bottom, _per(tables, table, metric))


def _top(tables: Rows, table: str, atom: Atom) -> Atom | None:
    """The numerator of a measure as an atom; None for `age`, which needs no rows."""
    if atom.kind == "age":
        return None
    if atom.kind == "share":
        holds = f"{quote(atom.of or '')} IS NOT NULL" if atom.of in tables.columns.get(table, {}) else f"({atom.of})"
        return Atom("rows", None, f"({atom.where}) AND {holds}" if atom.where else holds, atom.window_days)
    kind = {"count": "rows", "mean": "sum", "days_since": "since"}.get(atom.kind, atom.kind)
    return Atom(kind, atom.of, atom.where, atom.window_days)


def _per(tables: Rows, table: str, metric: Metric) -> str | Atom | None:
    """A denominator: a column of the state (arr, seats), or a measure over the same table and window, without the metric's `where`."""
    if metric.per is None or metric.per.lower() in ("seats", "arr"):
        return metric.per.lower() if metric.per else None
    if metric.per.lower().replace("_", " ") == "active users":
        return Atom("distinct", "user_id", None, metric.window_days)
    kind, _, of = metric.per.partition(" ")
    if kind not in MEASURES or kind in ("mean", "share", "age"):
        raise ValueError(f"per: {metric.per!r} is not seats, active users, ARR or one of count, sum X, max X, distinct X, last X, open")
    return _top(tables, table, Atom(kind, of or None, None, metric.window_days))
