"""The sentences of the backtest report, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib.claims import undated
from healthlib.studies.alert_value import ANY, NEAR
from healthlib.wording import count, counted, listed, number, share, share_range, unknown, upper_first

if TYPE_CHECKING:
    from healthlib.studies.backtest_bands import BacktestFacts

NOTHING = "Nothing could be replayed."
ALERT_NAMES = {
    "new_red": "a fall into the worst band", "band_drop": "a fall by a band", "trend": "a falling score", "coverage_lost": "a lost score",
    "renewal_near": "a renewal near with red groups", "no_contact": "no contact", "champion_gone": "a champion gone",
    "usage_back": "use after a silence",
}  # fmt: skip
SAID = {"met": "met", "not_met": "not met", "cannot_tell": "cannot tell"}


def scored(backtest: BacktestFacts) -> pd.DataFrame:
    """The bands that held anyone, worst first, without `unscored` and the whole."""
    table = backtest.bands
    return table[~table["band"].isin(["all", "unscored"]) & (table["accounts"] > 0)].reset_index(drop=True)


def whole(backtest: BacktestFacts) -> pd.Series | None:
    """The row of all cases; None where nothing was replayed."""
    rows = backtest.bands[backtest.bands["band"] == "all"]
    return rows.iloc[0] if len(rows) and rows["accounts"].iloc[0] > 0 else None


def empty(backtest: BacktestFacts) -> str:
    """Why there is nothing to show."""
    return f"{NOTHING} {backtest.reason}".strip()


def opening(backtest: BacktestFacts) -> str:
    """Would the bands have told us?"""
    base, bands = whole(backtest), scored(backtest)
    if base is None or bands.empty:
        return empty(backtest)
    worst = bands.iloc[0]
    sure = (
        ""
        if worst["lift_low"] > 1
        else "; that it is more than the base rate cannot be told"
        if worst["lift_high"] >= 1
        else "; fewer than the base rate"
    )
    return (
        f"{_how(backtest)}: accounts that were {worst['band']} left at {_rate(worst)}, "
        f"{_lift(worst)} times the base rate of "
        f"{_rate(base)}{sure} (n = {counted(base['accounts'], 'case')}, {count(base['churned'])} lost)."
    )


def _how(backtest: BacktestFacts) -> str:
    """What was replayed: past dates, or folds where there is no time."""
    if backtest.split == "accounts":
        return f"Cross-validated in {counted(backtest.cutoffs, 'fold')} of accounts, for the sheet has no dates"
    return f"Replayed at {counted(backtest.cutoffs, 'past date')}"


def bands(backtest: BacktestFacts) -> str:
    """Churn by band, and whether neighbours can be told apart."""
    table = scored(backtest)
    if table.empty:
        return empty(backtest)
    said = [f"{row['band']} {_rate(row)} of {count(row['accounts'])}" for _, row in table.iterrows()]
    return f"Churn by band: {listed(said)}.{_told_apart(backtest.differences)}"


def _told_apart(table: pd.DataFrame) -> str:
    """Which neighbours differ for sure and which one cannot tell apart, by the interval of their difference."""
    if table.empty:
        return ""
    said: dict[str, list[str]] = {"Told apart": [], "Cannot be told apart": [], "The wrong way round": []}
    for _, row in table.iterrows():
        answer = "Told apart" if row["low"] > 0 else "The wrong way round" if row["high"] < 0 else "Cannot be told apart"
        money = _points_range(row["arr_difference"], row["arr_low"], row["arr_high"])
        agrees = np.sign(row["arr_low"]) == np.sign(row["arr_high"]) == np.sign(row["low"])
        unsure = "" if agrees or answer == "Cannot be told apart" else ", which is not sure"
        points = _points_range(row["difference"], row["low"], row["high"])
        said[answer].append(f"{row['band']} minus {row['next_band']} {points} points, by ARR {money}{unsure}")
    return "".join(f" {answer}, by the difference of their churn rates: {'; '.join(pairs)}." for answer, pairs in said.items() if pairs)


def _points_range(value: float, low: float, high: float) -> str:
    """`4.7 (1.8 to 8.7)`, in points of 100."""
    if unknown(value):
        return "unknown"
    ends = "no interval" if unknown(low) or unknown(high) else f"{100 * low:.1f} to {100 * high:.1f}"
    return f"{100 * value:.1f} ({ends})".replace("-", "−")


def caught(backtest: BacktestFacts) -> str:
    """What share of the churned accounts and ARR the lowest band held."""
    table = scored(backtest)
    if table.empty or not table["churned"].sum():
        return "What the bands caught cannot be said: nobody left in the cases replayed." if len(table) else empty(backtest)
    worst = table.iloc[0]
    return (
        f"{upper_first(str(worst['band']))} held "
        f"{share_range(worst['share_of_accounts'], worst['share_of_accounts_low'], worst['share_of_accounts_high'])} of the cases, "
        f"{share_range(worst['share_of_churned_accounts'], worst['share_low'], worst['share_high'])} of those that left and "
        f"{share_range(worst['share_of_churned_arr'], worst['arr_share_low'], worst['arr_share_high'])} of the churned ARR."
    )


def lead_time(backtest: BacktestFacts) -> str:
    """How early the accounts that left were in the lowest band."""
    if backtest.split == "accounts":
        return undated("how early the score falls")
    table = backtest.lead_time
    if table.empty:
        return "How early the score falls cannot be shown: no account that left was scored before its end."
    worst, leads = table["band"].iloc[0], sorted(table["lead_days"].unique())
    rows = [table[(table["band"] == worst) & (table["lead_days"] == lead)].iloc[0] for lead in (leads[-1], leads[0])]
    n = table.groupby("lead_days")["accounts_churned"].sum().max()
    said = [
        f"{share_range(row['share_of_churned_accounts'], row['low'], row['high'])} {int(row['lead_days'])} days before the end"
        for row in rows
    ]
    return (
        f"Of {counted(n, 'account')} that left, {' and '.join(said)} {'was' if n == 1 else 'were'} {worst} "
        f"({share(rows[0]['share_of_churned_arr'])} and {share(rows[1]['share_of_churned_arr'])} of their ARR)."
    )


def calibration(backtest: BacktestFacts) -> str:
    """Whether what was promised came true."""
    table = backtest.calibration.dropna(subset=["rate"]) if len(backtest.calibration) else backtest.calibration
    if table.empty:
        return "Promised probabilities cannot be checked: nothing was replayed."
    within = int(((table["low"] <= table["mean_probability"]) & (table["mean_probability"] <= table["high"])).sum())
    promised = float(np.average(table["mean_probability"], weights=table["n"]))
    seen = float(np.average(table["rate"], weights=table["n"]))
    return (
        f"Promised {share(promised)} lost, seen {share(seen)}: in {count(within)} of {counted(len(table), 'group')} the "
        "promise lies within the interval of what happened "
        f"(n = {counted(table['n'].sum(), 'case')})."
    )


def floors(backtest: BacktestFacts) -> str:
    """The conventions, answered."""
    table = backtest.floors
    if table.empty:
        return empty(backtest)
    answers = [(SAID[answer], int((table["answer"] == answer).sum())) for answer in ("met", "not_met", "cannot_tell")]
    said = [f"{number} {answer}" for answer, number in answers if number]
    return f"Of {counted(len(table), 'convention')} that practitioners use: {listed(said)}. They are conventions, not laws."


def misses(backtest: BacktestFacts) -> str:
    """Highest band, then lost."""
    table = scored(backtest)
    if table.empty:
        return empty(backtest)
    n, best = backtest.misses_count, table["band"].iloc[-1]
    lost = table["churned"].sum()
    return f"{count(n)} of {counted(lost, 'case')} that left had been {best}: what the score did not see, largest ARR first."


def false_alarms(backtest: BacktestFacts) -> str:
    """Lowest band, yet kept."""
    table = scored(backtest)
    if table.empty:
        return empty(backtest)
    worst = table.iloc[0]
    return (
        f"{count(backtest.false_alarms_count)} of {counted(worst['accounts'], str(worst['band']) + ' case')} stayed: the price "
        "of the warnings, or the work of those who heeded them. "
        "The score cannot tell which."
    )


def alerts(backtest: BacktestFacts) -> str:
    """Which kinds of alert were followed by loss more often than chance, and what the memory spared."""
    table = backtest.alerts
    if backtest.split == "accounts":
        return undated("what alerts would have been raised")
    if table.empty:
        return "No alert was ever raised, so what they are worth cannot be told."
    base, whole = table.iloc[-1], table[table["kind"] == ANY].iloc[0]
    near = table[table["kind"] == NEAR]
    kinds = table[table["kind"].isin(list(ALERT_NAMES))]
    if unknown(base["rate"]) or not base["lost"]:
        return (
            f"{counted(whole['raised'], 'alert')} would have been raised; what they are worth cannot be told: no loss has been seen since."
        )
    better, worse = kinds[kinds["lift_low"] > 1], kinds[kinds["lift_high"] < 1]
    by_base = [(base, "all accounts", kinds["kind"] != "renewal_near")]
    by_base += [(near.iloc[0], "accounts near a renewal", kinds["kind"] == "renewal_near")] if len(near) else []
    more, less = ("".join(_against(found, *like, how) for like in by_base) for found, how in ((better, "more"), (worse, "less")))
    unsure = kinds[~kinds.index.isin([*better.index, *worse.index])]
    cannot = f"Cannot tell: {_names(unsure)}." if len(unsure) else ""
    return (more + less + cannot).strip()


def _against(found: pd.DataFrame, base: pd.Series, whom: str, like: pd.Series, how: str) -> str:
    """Those of the kinds found that are held against this base, with its rate."""
    here = found[like.loc[found.index]]
    if here.empty:
        return ""
    said = [f"{ALERT_NAMES[kind]} {number(lift, 1)} times" for kind, lift in zip(here["kind"], here["lift"], strict=True)]
    return f"Lost {how} often than {whom} ({_alert_rate(base)} lost within {base['horizon_days']:.0f} days): {listed(said)}. "


def flaps(backtest: BacktestFacts) -> str:
    """What hysteresis and memory spared, and what the rates do not say."""
    if backtest.alerts.empty or backtest.split == "accounts":
        return "What hysteresis spares can be told once there is a history of alerts."
    whole, falls = (
        backtest.alerts[backtest.alerts["kind"] == ANY].iloc[0],
        backtest.alerts[backtest.alerts["kind"].isin(["new_red", "band_drop"])],
    )
    spared = falls["raised_plain"].sum() - falls["raised"].sum()
    said = (
        f"Hysteresis and memory spared {count(spared)} of {counted(falls['raised_plain'].sum(), 'fall')} by a band. " if spared > 0 else ""
    )
    return (
        f"{number(whole['per_month'], 0)} alerts a month on average. {said}"
        "An alert that was heeded and saved the account counts against its kind: the rates are what was seen, not what alerts cause."
        f"{_flattered(backtest)}"
    )


def _flattered(backtest: BacktestFacts) -> str:
    """That the score behind the alerts still counts what seems to know the outcome."""
    if not backtest.without or not backtest.without_share:
        return ""
    return (
        f" Alerts are replayed with the score as it is shown, which still counts {_left_out_names(backtest)}: "
        "what they told of the past is flattered by it."
    )


def left_out_note(facts: BacktestFacts) -> str:
    """Which metrics the bands of this report do without, and the share of the weight they carry; empty where none."""
    if not facts.without:
        return ""
    be, carry = ("was", "carries") if len(facts.without) == 1 else ("were", "carry")
    shown = " Scores shown elsewhere still count what is left out here." if facts.without_share else ""
    weight = f"{share(facts.without_share)} of the scorecard’s weight" if facts.without_share else "none of the scorecard’s weight"
    return (
        f"Bands and scores here are those of the scorecard without {_left_out_names(facts)}, which {be} left out for seeming to know the "
        f"outcome and {carry} {weight}.{shown}"
    )


def _left_out_names(backtest: BacktestFacts) -> str:
    return listed([f"“{name}”" for name in backtest.without])


def _names(kinds: pd.DataFrame) -> str:
    return listed([ALERT_NAMES[kind] for kind in kinds["kind"]])


def _alert_rate(row: pd.Series) -> str:
    return share_range(row["rate"], row["low"], row["high"])


def scorecards(backtest: BacktestFacts) -> str:
    """The lowest band of every scorecard, each cut on earlier cases."""
    table = worst_of_each(backtest)
    if len(table) < 2:
        return "Only the present scorecard could be replayed."
    said = [
        f"{row['scorecard']} {number(row['lift'], 1)} ({number(row['lift_low'], 1)}–{number(row['lift_high'], 1)})"
        for _, row in table.iterrows()
    ]
    return f"Lift of the lowest band, {cut_how(backtest)}: {listed(said)}."


def cut_how(facts: BacktestFacts) -> str:
    """How the bands of other weights were cut: as large as the present ones where the cut was chosen, not where it was tried."""
    return f"cut on {'the other folds’' if facts.split == 'accounts' else 'earlier'} cases to be as large there as the present scorecard’s"


def worst_of_each(backtest: BacktestFacts) -> pd.DataFrame:
    """The lowest band's row of each scorecard that was replayed."""
    table = backtest.by_scorecard
    if table.empty or scored(backtest).empty:
        return table.head(0)
    rows = table[(table["band"] == scored(backtest)["band"].iloc[0]) & (table["accounts"] > 0)]
    return rows.reset_index(drop=True)


def _rate(row: pd.Series) -> str:
    return share_range(row["churn_rate"], row["churn_low"], row["churn_high"])


def _lift(row: pd.Series) -> str:
    return f"{number(row['lift'], 1)} ({number(row['lift_low'], 1)}–{number(row['lift_high'], 1)})"
