"""The executive report's facts: the base today, what renews, which accounts first, and whether it can be believed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from healthlib import changes, resample
from healthlib.bands import band_colours
from healthlib.resample import NOTHING, Estimate
from healthlib.studies import renewals, today, versions
from healthlib.studies.alerts import alerts, raise_alerts
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.studies.leaks import left_out
from healthlib.studies.reconcile import reconcile
from healthlib.studies.renewals import Outlook
from healthlib.studies.retention import moves, retention
from healthlib.studies.summary import summary

if TYPE_CHECKING:
    from healthlib.calibration import Calibrator
    from healthlib.spec import Scorecard
    from healthlib.studies.audit import AuditFacts
    from healthlib.studies.backtest_bands import BacktestFacts
    from healthlib.studies.book import Book
    from healthlib.studies.fit import FitFacts

FLAG_DAYS = 90
SOON_DAYS = 180


def of(book: Book, done: dict[str, Any]) -> ExecutiveFacts:
    """The facts of `executive_study`, for `studies.compute`."""
    return executive_study(book, done["audit"], done["fit"], done["backtest"])


def executive_study(book: Book, audit: AuditFacts, fit: FitFacts, backtest: BacktestFacts, *, seed: int = 0) -> ExecutiveFacts:
    """Compute the executive facts of one opened workspace.

    Parameters
    ----------
    audit, fit, backtest : the facts of the other studies of the same book
    seed : of the account resamples
    """
    from healthlib.studies.book import year_before

    scored = today.score_history(book.scorecard, book.history, book.overrides)
    bands = today.band_names(book.scorecard)
    days = {"now": book.as_of, **today.earlier_days(book.history, book.as_of)}
    snapshot = scored.on(book.as_of)
    likely, forecast = _outlook(book, seed)
    previous = versions.in_force(book, days["month"])
    frame = today.scores_frame(scored, book.scorecard, book.as_of, days["month"], book.dated, previous)
    honest = renewals.honest_score(book, snapshot)
    scores = _with_probability(frame, frame["account_id"].map(honest), likely.calibrator)
    year = year_before(book.as_of)
    facts = ExecutiveFacts(
        context=_context(book, days, snapshot, seed),
        bands=tuple(bands),
        band_colours={band: band_colours(book.scorecard).get(band, "") for band in bands},
        profile=profile(snapshot),
        scores=scores,
        alerts=alerts(raise_alerts(book)),
        by_band=today.bands_on(scored, bands, {"": book.as_of, "_before": days["month"], "_year": days["year"]}),
        trend=today.band_trend(scored, bands),
        migration=today.migration(snapshot, scored.on(days["month"]), bands),
        groups=today.group_view(scored, book.as_of, bands),
        retention=retention(book.ledger, year, book.as_of, seed=seed),
        moves=moves(book.ledger, year, book.as_of),
        due=_due(book, snapshot.assign(score=honest), bands, likely),
        forecast=forecast,
        risks=risks(scores, snapshot, book),
        causes=causes(scored, book, days["month"], previous),
        scorecards=versions.changes_of(book),
        auc=fit.auc.get("current", NOTHING),
        arr_auc=fit.arr_auc.get("current", NOTHING),
        flagged=flagged(book, scored, audit.flagged, seed=seed),
        advice={"recommendation": fit.recommendation, "reason": fit.reason},
        coverage={"mean": float(scores["coverage"].mean()), "scored": float(scores["score"].notna().mean())},
        tables=book.tables[["table", "rows_in", "rows_used", "rows_rejected", "last_day"]].reset_index(drop=True),
        leaks=fit.leaks,
        warnings=tuple(book.warnings),
        summary={},
        counts=reconcile(book.cases, book.history, book.churned, book.as_of),
    )
    return replace(facts, summary=summary(audit, fit, backtest, facts))


def _outlook(book: Book, seed: int) -> tuple[Outlook, pd.DataFrame]:
    """What a forecast of today rests on, and the track record of those before; nothing where the outcome is not loss."""
    kind = book.workspace.kind
    if kind == "expansion" or book.cases.empty:
        return Outlook(None, np.empty(0)), pd.DataFrame(columns=list(renewals.FORECAST_COLUMNS))
    cases = renewals.scored_cases(book)
    return renewals.outlook(cases, book.as_of, kind, seed=seed), renewals.track_record(cases, book.as_of, kind, seed=seed)


def _due(book: Book, snapshot: pd.DataFrame, bands: list[str], likely: Outlook) -> pd.DataFrame:
    """What renews within 90 and 180 days; for contracts without an end, what may be lost within the horizon."""
    outcome = book.workspace.outcome
    if book.workspace.kind == "churn_within":
        return renewals.within(snapshot, bands, outcome.horizon_days, likely)
    return renewals.due(snapshot, bands, book.as_of, likely)


def _context(book: Book, days: dict[str, pd.Timestamp | None], snapshot: pd.DataFrame, seed: int) -> dict[str, Any]:
    from importlib.metadata import version

    workspace = book.workspace
    earlier = {name: pd.NaT if day is None else day for name, day in days.items() if name != "now"}
    return {
        "workspace": workspace.name,
        "currency": workspace.currency,
        "as_of": book.as_of,
        "data_through": book.data_through,
        "simulated": workspace.simulated,
        "accounts": len(snapshot),
        "scorecard_sha256": book.scorecard.sha256,
        "seed": seed,
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


def profile(snapshot: pd.DataFrame) -> pd.DataFrame:
    """Who each account is: name, segment, csm by account_id; an account without a name goes by its id."""
    table = snapshot.reindex(columns=["name", "segment", "csm"]).astype("object")
    return table.assign(name=table["name"].where(table["name"].notna(), snapshot["account_id"]))


def causes(scored: today.Scored, book: Book, before: pd.Timestamp | None, previous: Scorecard | None = None) -> pd.DataFrame:
    """Which causes moved the average score of each band and of the book since `before`: by accounts and by ARR.

    Parameters
    ----------
    previous : the scorecard that was in force on `before`, where it was another

    Returns
    -------
    DataFrame `by` (accounts, arr), then `changes.AVERAGE_COLUMNS`; empty without an earlier day
    """
    if before is None:
        return pd.DataFrame(columns=["by", *changes.AVERAGE_COLUMNS])
    now, then = scored.on(book.as_of), scored.on(before)
    names = [*scored.scores.cases.columns, "override"]
    found = changes.explain_change(now[names], then[names], book.scorecard, previous=previous)
    bands = [band.name for band in book.scorecard.bands]
    tables = [changes.averages(found, now, then, bands, money=money).assign(by=by) for by, money in (("accounts", False), ("arr", True))]
    return pd.concat(tables, ignore_index=True)[["by", *changes.AVERAGE_COLUMNS]]


def risks(scores: pd.DataFrame, snapshot: pd.DataFrame, book: Book) -> pd.DataFrame:
    """Which accounts first: below the best band, those whose term ends within 180 days before the others, then by ARR x chance of loss.

    Where no chance can be fitted, by band and ARR.
    """
    scorecard, as_of = book.scorecard, book.as_of
    bands = [band.name for band in scorecard.bands]
    rows = scores[scores["band"].isin(bands[:-1] or bands)].copy()
    rows = rows.join(profile(snapshot), on="account_id")
    rows["days_left"] = (rows["term_ends"] - as_of).dt.days.astype("float64")
    rows["loss"] = 1 - rows["renewal_probability"]
    rows["loss_low"], rows["loss_high"] = 1 - rows["probability_high"], 1 - rows["probability_low"]
    rows["expected_lost"] = rows["loss"] * rows["arr"]
    rows["why"] = rows["account_id"].map(today.reasons(scorecard, snapshot.loc[rows["account_id"]], dated=book.dated))
    rank = {band: place for place, band in enumerate(bands)}
    order = pd.DataFrame(
        {
            "later": ~(rows["days_left"] <= SOON_DAYS),
            "weight": -rows["expected_lost"].fillna(0.0),
            "band": rows["band"].map(rank),
            "arr": -rows["arr"],
            "account": rows["account_id"],
        }
    )
    columns = [
        "account_id",
        "name",
        "segment",
        "csm",
        "arr",
        "term_ends",
        "days_left",
        "score",
        "change",
        *(f"change_{cause}" for cause in changes.CAUSES),
        "band",
        "loss",
        "loss_low",
        "loss_high",
        "expected_lost",
        "why",
        "playbook",
    ]
    return rows.loc[order.sort_values(list(order.columns)).index, columns].reset_index(drop=True)


def flagged(book: Book, scored: today.Scored, ahead: pd.DataFrame, *, seed: int = 0) -> dict[str, Estimate]:
    """Of the accounts that left, the share ("accounts") and the share of their ARR ("arr") that stood in the worst band 90 days before.

    Parameters
    ----------
    ahead : `flagged` of the audit, so that both pages say the same
    scored : every account-month; "base" is the share of them that stood there: what chance alone would have flagged
    """
    at = ahead[ahead["lead_days"] == FLAG_DAYS]
    if at.empty:
        return {}
    row, worst = at.iloc[0], book.scorecard.bands[0].name
    n, events = float(row["accounts"]), float(row["lost"])
    codes, counts = resample.account_weights(scored.rows["account_id"].to_numpy(), replicates=200, seed=seed)
    return {
        "accounts": Estimate(float(row["rate"]), float(row["low"]), float(row["high"]), n, events),
        "arr": Estimate(float(row["arr_rate"]), float(row["arr_low"]), float(row["arr_high"]), n, events),
        "base": resample.rate((scored.rows["measured_band"] == worst).astype(float).to_numpy(), codes, counts),
    }
