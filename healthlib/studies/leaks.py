"""The leak audit: metrics that seem to know the outcome, found before any fit, with the evidence in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from healthlib.spec import Metric, Scorecard
from healthlib.studies import leak_months, leak_rows, leak_signs
from healthlib.studies.leak_signs import FEWEST, Finished, Sign
from healthlib.traces import INCUMBENT, Traces

KINDS = {
    "after_decision": "measured after the decision",
    "edited": "edited in place",
    "back_filled": "back-filled",
    "survivors_only": "exists for one side only",
    "too_good": "too good to be true",
    "after_leaving": "goes on after the end",
    "overwritten": "overwritten by today's value",
}
"""Kind of sign -> what it is called."""

LEAK_COLUMNS = ("metric", "kind", "evidence", "of", "overruled", "reason")
FIGURE_COLUMNS = ("metric", "kind", "what", "side", "months", "value", "low", "high", "n")

OUR_OWN = ("interventions", "overrides")
"""Tables of what we did, not of what the customer did."""

ZERO_WITHOUT_ROWS = ("count", "sum", "distinct", "open")

NEVER_WRITTEN_OVER = ("age",)
"""Measures that the contract's start alone gives."""


@dataclass(frozen=True)
class LeakAudit:
    """What the audit found.

    Attributes
    ----------
    found : `LEAK_COLUMNS`, one row a (metric, kind): `kind` as in `KINDS`; `evidence` a sentence with numbers and n; `of` what it is
        about: a "metric" of the scorecard, the "incumbent" (`score_history`), an "attribute" that no metric reads (`accounts.status`), a
        "table" (`usage.*`) or the "cases"; `overruled` where the scorecard says `not_a_leak`, and its `reason`
    figures : `FIGURE_COLUMNS`: the numbers of each picture; `months` before the end where it has them
    notes : what looks like a leak and is none, in words
    """

    found: pd.DataFrame
    figures: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...] = ()


NOTHING_FOUND = LeakAudit(pd.DataFrame(columns=list(LEAK_COLUMNS)), pd.DataFrame(columns=list(FIGURE_COLUMNS)))
"""The audit of what has no outcomes to be audited against."""


@dataclass(frozen=True)
class Background:
    """What else is known of the exports.

    Attributes
    ----------
    traces : from the book
    history : month-ends of all active accounts
    """

    traces: Traces
    history: pd.DataFrame


def find_leaks(cases: pd.DataFrame, scorecard: Scorecard, *, replicates: int = 300, seed: int = 0) -> pd.DataFrame:
    """`screen` by the cases alone: its `found`."""
    return screen(cases, scorecard, replicates=replicates, seed=seed).found


def screen(
    cases: pd.DataFrame, scorecard: Scorecard, background: Background | None = None, *, replicates: int = 300, seed: int = 0
) -> LeakAudit:
    """Screen every metric of the scorecard, and the present tool's score, against the outcomes of finished cases.

    Every sign is judged by an interval over accounts; thresholds are conventions, measured in study/leak_study.md.

    Parameters
    ----------
    cases : cases frame with `lost` and the raw value of each metric; `incumbent` where there is a present tool
    scorecard : names the metrics, and says which are overruled
    background : rows and month-ends behind the cases; without it the signs that need them are not looked for
    """
    done = cases[cases["lost"].notna()].sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    lost = done["lost"].to_numpy(dtype=float)
    if min(lost.sum(), (1 - lost).sum()) < FEWEST:
        return NOTHING_FOUND
    values = {name: done[name].to_numpy(dtype=float) for name in scorecard.metrics if name in done}
    if "incumbent" in done and done["incumbent"].notna().any():
        values[INCUMBENT] = done["incumbent"].to_numpy(dtype=float)
    data = leak_signs.finished(done, values, replicates=replicates, seed=seed)
    signs = _case_signs(data)
    notes: tuple[str, ...] = ()
    months = pd.DataFrame()
    if background is not None:
        months = leak_months.before_ends(background.history, background.traces.leavers)
        signs += _background_signs(data, done, scorecard, background, months)
        notes = leak_rows.late_notes(background.traces)
    found = _table(signs, scorecard)
    return LeakAudit(found, _figures(signs, found, months, seed=seed), notes)


def _case_signs(data: Finished) -> list[Sign]:
    signs = leak_signs.by_auc(data, INCUMBENT)
    for name, value in data.values.items():
        signs += leak_signs.by_presence(data, name, np.isfinite(value), "measured") + leak_signs.by_constant(data, name)
    return signs


def _background_signs(data: Finished, done: pd.DataFrame, scorecard: Scorecard, background: Background, months: pd.DataFrame) -> list[Sign]:
    """Signs from rows, month-ends and today's attributes."""
    traces, metrics = background.traces, scorecard.metrics
    zeroes = {name: metric.table in OUR_OWN for name, metric in metrics.items() if metric.measure.kind in ZERO_WITHOUT_ROWS}
    signs = leak_rows.row_signs(data, done, traces, zeroes)
    if traces.decided:
        decided = leak_rows.decided_by_then(done, traces)
        signs += leak_rows.decided_cases(data, decided)
        for name in data.values:
            signs += leak_signs.by_decision(data, name, decided)
    open_to_edits = tuple(name for name, metric in metrics.items() if metric.measure.kind not in NEVER_WRITTEN_OVER and name in done)
    if len(traces.leavers):
        few = {"replicates": 100, "seed": 0}
        signs += leak_months.month_signs(months, open_to_edits, **few)
        signs += leak_months.filled_signs(background.history, open_to_edits, **few)
    signs += leak_rows.table_signs(traces, _readers(scorecard))
    return signs + _attribute_signs(data, done, scorecard, traces.attributes)


def _readers(scorecard: Scorecard) -> dict[str, list[str]]:
    """Table -> the metrics that read it."""
    found: dict[str, list[str]] = {}
    for name, metric in scorecard.metrics.items():
        found.setdefault(metric.table or "", []).append(name)
    return found


def _attribute_signs(data: Finished, done: pd.DataFrame, scorecard: Scorecard, attributes: tuple[str, ...]) -> list[Sign]:
    """Overwritten attributes: of the metrics whose scale, weight or reach they decide, else of the attribute itself."""
    signs = []
    for column in attributes:
        found = leak_signs.by_level(data, column, done[column]) if column in done else []
        readers = [name for name, metric in scorecard.metrics.items() if found and column in _conditions(metric)]
        for sign in found:
            said = f"its scale, weight or reach goes by accounts.{column}: {sign.evidence}"
            signs += [Sign(name, sign.kind, said, sign.figure) for name in readers] or [sign]
    return signs


def _conditions(metric: Metric) -> set[str]:
    """Columns of the cases that a metric's profiles and reach go by."""
    return {column for condition in (metric.applies_to, *(profile.when for profile in metric.profiles)) for column in condition}


def _table(signs: list[Sign], scorecard: Scorecard) -> pd.DataFrame:
    """`LEAK_COLUMNS`, the scorecard's metrics first, in their order; several reasons of one kind in one row."""
    joined: dict[tuple[str, str], list[Sign]] = {}
    for sign in signs:
        joined.setdefault((sign.metric, sign.kind), []).append(sign)
    order = {name: place for place, name in enumerate([*scorecard.metrics, INCUMBENT])}
    rows = []
    for (name, kind), some in joined.items():
        of = "incumbent" if name == INCUMBENT else some[0].of
        reason = str(scorecard.metrics[name].not_a_leak or "") if name in scorecard.metrics and of == "metric" else ""
        rows.append((name, kind, "; ".join(dict.fromkeys(sign.evidence for sign in some)), of, bool(reason), reason))
    rows.sort(key=lambda row: (order.get(row[0], len(order)), list(KINDS).index(row[1])))
    return pd.DataFrame(rows, columns=list(LEAK_COLUMNS)).astype({"overruled": bool})


def _figures(signs: list[Sign], found: pd.DataFrame, months: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """`FIGURE_COLUMNS`: each sign's own numbers; where it is a matter of how well the metric tells, AUC by months before the end."""
    rows: list[tuple] = []
    for name, kind in zip(found["metric"], found["kind"], strict=True):
        own = next((sign.figure for sign in signs if (sign.metric, sign.kind) == (name, kind) and sign.figure), ())
        dated = kind in ("edited", "too_good") and name in months
        by_month = leak_months.figure_by_month(months, name, replicates=100, seed=seed) if dated and not (kind == "edited" and own) else ()
        rows += [(name, kind, *row) for row in (by_month if len(by_month) > 1 else own)]
    return pd.DataFrame(rows, columns=list(FIGURE_COLUMNS))


def left_out(leaks: pd.DataFrame) -> tuple[str, ...]:
    """Metrics of the scorecard that no comparison, fit or recommendation uses: suspected and not overruled.

    A frame without `of` or `overruled` speaks of metrics, and of none that was.

    >>> seen = pd.DataFrame({"metric": ["a", "b", "t.*"], "of": ["metric", "metric", "table"], "overruled": [False, True, False]})
    >>> left_out(seen)
    ('a',)
    """
    of_metrics = leaks["of"] == "metric" if "of" in leaks else pd.Series(True, index=leaks.index)
    kept = leaks["overruled"].fillna(False).astype(bool) if "overruled" in leaks else pd.Series(False, index=leaks.index)
    return tuple(leaks.loc[of_metrics & ~kept, "metric"].unique())


def overruled(leaks: pd.DataFrame) -> Mapping[str, str]:
    """Suspected metrics that stay because the scorecard says so -> its reason."""
    return {str(row["metric"]): str(row["reason"]) for row in leaks.to_dict("records") if row["overruled"]}


def doubted_incumbent(leaks: pd.DataFrame) -> str:
    """Why the present tool's score cannot be compared as if it were honest; empty where nothing speaks against it."""
    return "; ".join(leaks.loc[leaks["of"] == "incumbent", "evidence"]) if "of" in leaks else ""
