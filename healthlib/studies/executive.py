"""The executive report's facts: the base today, what renews, which accounts first, and whether it can be believed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib.bands import band_colours
from healthlib.resample import NOTHING
from healthlib.studies import at_risk, belief, renewals, today, versions
from healthlib.studies.alerts import alerts, raise_alerts
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.studies.forecast import ForecastFacts, forecast_study
from healthlib.studies.leaks import left_out
from healthlib.studies.movers import movers
from healthlib.studies.reconcile import reconcile
from healthlib.studies.renewal_calendar import calendar
from healthlib.studies.renewals import Outlook
from healthlib.studies.retention import moves, retention
from healthlib.studies.summary import summary

if TYPE_CHECKING:
    from healthlib.calibration import Calibrator
    from healthlib.studies.accounts import AccountFacts
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.backtest_bands import BacktestFacts
    from healthlib.studies.book import Book
    from healthlib.studies.fit import FitFacts

SEED = 0
"""Of the account resamples."""


def of(book: Book, done: dict[str, Any]) -> ExecutiveFacts:
    """The facts of `executive_study`, for `studies.compute`; with the places in the audit where accounts are told of, if that is made."""
    facts = executive_study(book, done["audit"], done["fit"], done["backtest"], done.get("forecast"))
    accounts: AccountFacts | None = done.get("accounts")
    named = [*facts.risks["account_id"].head(at_risk.SPARKED), *facts.movers["account_id"], *facts.calendar.largest["account_id"]]
    named += [*facts.alerts["account_id"]]
    places = {} if accounts is None else accounts.anchors
    return replace(facts, links={name: f"audit.html#{places[name]}" for name in dict.fromkeys(named) if name in places})


def executive_study(
    book: Book, audit: AuditFacts, fit: FitFacts, backtest: BacktestFacts, forecast: ForecastFacts | None = None
) -> ExecutiveFacts:
    """Compute the executive facts of one opened workspace.

    Parameters
    ----------
    audit, fit, backtest, forecast : the facts of the other studies of the same book; the forecast is made here where it is not given
    """
    from healthlib.studies.book import year_before

    ahead = forecast_study(book) if forecast is None else forecast
    scored = today.score_history(book.scorecard, book.history, book.overrides)
    bands = today.band_names(book.scorecard)
    days = {"now": book.as_of, **today.earlier_days(book.history, book.as_of)}
    snapshot, then = scored.on(book.as_of), scored.on(days["month"])
    likely = _outlook(book)
    previous = versions.in_force(book, days["month"])
    frame = today.scores_frame(scored, book.scorecard, book.as_of, days["month"], book.dated, previous)
    honest = renewals.honest_score(book, snapshot)
    scores = _with_probability(frame, frame["account_id"].map(honest), likely.calibrator)
    year, found = year_before(book.as_of), at_risk.moved(scored, book, days["month"], previous)
    first = at_risk.risks(scores, snapshot, book)
    facts = ExecutiveFacts(
        context=_context(book, days, snapshot),
        **_by_band(book, scored, days),
        profile=at_risk.profile(snapshot),
        scores=scores,
        alerts=alerts(raise_alerts(book)),
        movers=movers(snapshot, then, book.scorecard, found, book.churned),
        retention=retention(book.ledger, year, book.as_of, seed=SEED),
        moves=moves(book.ledger, year, book.as_of),
        due=_due(book, snapshot.assign(score=honest), bands, likely),
        calendar=calendar(snapshot.assign(name=at_risk.profile(snapshot)["name"]), bands, book.as_of, ahead.ahead),
        forecast=ahead.track,
        risks=first,
        sparks=at_risk.sparks(scored, first["account_id"]),
        causes=at_risk.causes(found, snapshot, then, book),
        scorecards=versions.changes_of(book),
        auc=fit.auc.get("current", NOTHING),
        arr_auc=fit.arr_auc.get("current", NOTHING),
        flagged=at_risk.flagged(book, scored, audit.flagged, seed=SEED),
        advice={"recommendation": fit.recommendation, "reason": fit.reason},
        coverage={"mean": float(scores["coverage"].mean()), "scored": float(scores["score"].notna().mean())},
        tables=belief.freshness(book),
        leaks=fit.leaks,
        warnings=tuple(book.warnings),
        summary={},
        counts=reconcile(book.cases, book.history, book.churned, book.as_of),
    )
    facts = replace(facts, verdicts=_verdicts(facts))
    return replace(facts, summary=summary(audit, fit, backtest, facts))


def _by_band(book: Book, scored: today.Scored, days: dict[str, pd.Timestamp | None]) -> dict[str, Any]:
    """Fields of `ExecutiveFacts`: the bands, who is in them, how that went over time, and what of each group is in which."""
    bands, starts, colours = today.band_names(book.scorecard), book.scorecard.bands, band_colours(book.scorecard)
    return {
        "bands": tuple(bands),
        "band_colours": {band: colours.get(band, "") for band in bands},
        "band_starts": tuple(float(band.start) for band in starts),
        "by_band": today.bands_on(scored, bands, {"": book.as_of, "_before": days["month"], "_year": days["year"]}),
        "trend": today.band_trend(scored, bands),
        "migration": today.migration(scored.on(book.as_of), scored.on(days["month"]), bands),
        "groups": today.group_view(scored, book.as_of, bands),
    }


def _verdicts(facts: ExecutiveFacts) -> dict[str, str]:
    rests_on = belief.Evidence(
        facts.auc, facts.flagged, facts.forecast, facts.advice["recommendation"], facts.coverage, facts.tables
    )  # fmt: skip
    return belief.verdicts(rests_on)


def _outlook(book: Book) -> Outlook:
    """What a forecast of today rests on; nothing where the outcome is not loss."""
    kind = book.workspace.kind
    if kind == "expansion" or book.cases.empty:
        return Outlook(None, np.empty(0))
    return renewals.outlook(renewals.scored_cases(book), book.as_of, kind, seed=SEED)


def _due(book: Book, snapshot: pd.DataFrame, bands: list[str], likely: Outlook) -> pd.DataFrame:
    """What renews within 90 and 180 days; for contracts without an end, what may be lost within the horizon."""
    outcome = book.workspace.outcome
    if book.workspace.kind == "churn_within":
        return renewals.within(snapshot, bands, outcome.horizon_days, likely)
    return renewals.due(snapshot, bands, book.as_of, likely)


def _context(book: Book, days: dict[str, pd.Timestamp | None], snapshot: pd.DataFrame) -> dict[str, Any]:
    from importlib.metadata import version

    workspace = book.workspace
    earlier = {name: pd.NaT if day is None else day for name, day in days.items() if name != "now"}
    return {
        "workspace": workspace.name,
        "currency": workspace.currency,
        "as_of": book.as_of,
        "data_through": book.data_through,
        "simulated": workspace.simulated,
        "anonymised": workspace.anonymise,
        "accounts": len(snapshot),
        "scorecard_sha256": book.scorecard.sha256,
        "data_sha256": data_sha256(book.tables),
        "workspace_sha256": workspace.sha256,
        "seed": SEED,
        "versions": {name: version(name) for name in ("healthlib", "pandas", "scikit-learn", "duckdb")},
        "kind": workspace.kind,
        "lead_days": workspace.outcome.lead_days,
        "horizon_days": workspace.outcome.horizon_days,
        "segment_by": today.segment_column(snapshot),
        "min_coverage": book.scorecard.min_coverage,
        **_left_out(book),
        "evidence": book.evidence,
        **earlier,
    }


def _with_probability(scores: pd.DataFrame, honest: pd.Series, calibrator: Calibrator | None) -> pd.DataFrame:
    """Add renewal_probability, probability_low and probability_high after term_ends; NaN where none can be fitted.

    `honest` decides, see `renewals.honest_score`, whatever a person has set: the curve was learnt from such scores.
    """
    chances = np.full((len(scores), 3), np.nan)
    if calibrator is not None:
        lost = calibrator.probability(honest)
        chances = 1 - lost[["probability_lost", "high", "low"]].to_numpy()
    place = list(scores.columns).index("term_ends") + 1
    left, right = scores.iloc[:, :place], scores.iloc[:, place:]
    names = ["renewal_probability", "probability_low", "probability_high"]
    return pd.concat([left, pd.DataFrame(chances, columns=names, index=scores.index), right], axis=1)


def _left_out(book: Book) -> dict[str, float]:
    """How many metrics of weight no test, fit or forecast uses, and the share of the weight they carry in the score that is shown."""
    weights = book.scorecard.weights
    names = [name for name in left_out(book.leaks.found) if weights.get(name, 0) > 0]
    total = sum(weights.values())
    return {"left_out": len(names), "left_out_share": sum(weights[name] for name in names) / total if total else 0.0}


def data_sha256(tables: pd.DataFrame) -> str:
    """One hash of all exports: SHA-256 over the names and hashes of the tables, by name; "" where a table has none.

    >>> data_sha256(pd.DataFrame({"table": ["b", "a"], "sha256": ["1", "2"]}))[:12]
    'ea80dc03f54c'
    """
    rows = tables[["table", "sha256"]].sort_values("table").astype(str)
    text = "\n".join(f"{table} {digest}" for table, digest in rows.itertuples(index=False, name=None))
    return hashlib.sha256(text.encode()).hexdigest()
