"""The sections on bands over time: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import report, wording
from healthlib.claims_stability import STEADY_NOTE
from healthlib.page_audit import interval, ranges
from healthlib.pieces import Columns, Kind, Piece

if TYPE_CHECKING:
    from healthlib.studies.stability import StabilityFacts

ANSWERS = {"moved": "▼ changed", "held": "▲ kept", "cannot_tell": "◆ cannot tell"}
GROUP_ANSWERS = {"more": "▼ more left", "fewer": "▲ fewer left", "cannot_tell": "◆ cannot tell"}
PARTS = {
    "uncertainty": "Uncertainty: what the base rate alone leaves open",
    "resolution": "Resolution: what the promises tell apart (taken off)",
    "reliability": "Reliability: how far promises lie from what came (added)",
    "within_variance": "Spread of promises within bins (added)",
    "within_covariance": "What that spread tells (taken off)",
    "brier": "Brier score",
}
WHAT = {"first": "First", "lasting": "Without a break to the end"}


def steady(stability: StabilityFacts) -> Piece:
    """Whether each band kept its rate, and the points behind it, folded."""
    if stability.steady.empty:
        return Piece("")
    frame = stability.steady.assign(answer=stability.steady["answer"].map(ANSWERS))
    frame["rate"] = frame["rate"].astype(float)
    frame["moved"] = [_signed(*row) for row in frame[["difference", "low", "high"]].to_numpy(dtype=float)]
    frame["chance"] = [wording.NOTHING if pd.isna(p) else "under 0.01" if p < 0.01 else f"{p:.2f}" for p in frame["p_corrected"]]
    columns: Columns = {
        "band": ("Band", _chips(stability)),
        "answer": ("Answer", "text"),
        "moved": ("Later minus earlier half, points", interval),
        "rate": ("Rate", "share"),
        "points": ("Points in time", "count"),
        "cases": ("Cases", "count"),
        "lost": ("Left", "count"),
        "chance": ("Chance of such differences", "text"),
    }
    told = report.table(frame, columns, caption="Does each band keep its churn rate?", layout="cards")
    return told + report.details("Every point in time, by cases and ARR", _quarters(stability)) + report.text(STEADY_NOTE)


def _quarters(stability: StabilityFacts) -> Piece:
    frame = ranges(stability.quarters, said=("rate", "low", "high"), by_arr=("arr_rate", "arr_low", "arr_high"))
    columns: Columns = {
        "band": ("Band", _chips(stability)),
        "first": ("Cut-offs from", "date"),
        "last": ("To", "date"),
        "said": ("Churn rate", interval),
        "by_arr": ("By ARR", interval),
        "cases": ("Cases", "count"),
        "lost": ("Left", "count"),
    }
    return report.table(frame, columns, caption="Churn rate by quarter of the cut-off, small quarters pooled", layout="fold")


def folds(stability: StabilityFacts) -> Piece:
    """Every fold with its dates, thresholds, and the lost it held in the lowest band, folded away; then the same over time."""
    if stability.folds.empty:
        return Piece("")
    worst = stability.bands[0]
    shown = [name for name in ("current", "fitted", "incumbent") if stability.folds[f"held_{name}"].notna().any()]
    labels = {"current": "in use", "fitted": "refitted", "incumbent": "present tool"}
    frame = stability.folds.assign(
        pull=["none" if s == 0 else "all" if s == float("inf") else f"{s:g}" for s in stability.folds["strength"]]
    )
    dated = stability.split == "time"
    columns: dict[str, tuple[str, Kind]] = {
        "cutoff": ("Cut-off" if dated else "Fold", "date" if dated else "text"),
        "train_cases": ("Learned from", "count"),
        "train_lost": ("Lost", "count"),
    }
    columns |= {"train_until": ("Horizons ended by", "date")} if dated else {}
    columns |= {"test_cases": ("Tested", "count"), "test_lost": ("Lost then", "count")}
    columns |= {"test_from": ("From", "date"), "test_to": ("To", "date")} if dated else {}
    columns |= {"pull": ("Pull to present weights", "text")}
    for name in shown:
        columns[f"starts_{name}"] = (f"Thresholds, {labels[name]}", "text")
        columns[f"held_{name}"] = (f"Lost in {worst}, {labels[name]}", "count")
    table = report.table(frame, columns, caption="Every step of the replay: what taught, what was tested, and when", layout="fold")
    over = report.details("The lowest band over time, fixed and refitted", _contest(stability)) if len(stability.contest) else Piece("")
    return report.details(f"Every fold with its dates ({wording.count(len(frame))})", table) + over


def _pull(strength: float) -> str:
    """The strength of the pull towards the present weights; without end, nothing was fitted."""
    return "none" if strength == 0 else "stay with them" if strength == float("inf") else f"{strength:g}"


def _contest(stability: StabilityFacts) -> Piece:
    frame = ranges(stability.contest, said=("rate", "low", "high"), left=("caught", "caught_low", "caught_high"))
    frame["scorecard"] = frame["scorecard"].map({"current": "in use, fixed", "fitted": "refitted", "incumbent": "present tool"})
    columns: Columns = {
        "scorecard": ("Scorecard", "text"),
        "first": ("Cut-offs from", "date"),
        "last": ("To", "date"),
        "said": ("Churn rate", interval),
        "left": ("Of those that left", interval),
        "held": ("Cases", "count"),
        "lost": ("Left in all", "count"),
    }
    caption = f"{wording.upper_first(stability.bands[0])} of each scorecard, small quarters pooled"
    return report.table(frame, columns, caption=caption, layout="fold")


def spells(stability: StabilityFacts) -> Piece:
    """How long before the end: first, and without a break."""
    if stability.lengths.empty:
        return Piece("")
    worst, best = stability.bands[0], stability.bands[-1]
    frame = ranges(stability.lengths, not_so=("never", "never_low", "never_high"), arr_not=("arr_never", "arr_never_low", "arr_never_high"))
    name = {"red": worst, "below": f"below {best}"}
    frame = frame[(frame["state"] == "red") | (len(stability.bands) > 2)]
    frame["what"] = [f"{WHAT[what]}: {name[state]}" for what, state in zip(frame["what"], frame["state"], strict=True)]
    frame["middle"] = [_span(*row) for row in frame[["median", "low", "high"]].to_numpy(dtype=float)]
    frame["quarters"] = [_between(*row) for row in frame[["quarter", "three_quarters"]].to_numpy(dtype=float)]
    columns: Columns = {
        "what": ("Days before the end", "text"),
        "middle": ("Median", interval),
        "quarters": ("Quartiles", "text"),
        "arr_median": ("Median by ARR", "count"),
        "not_so": ("Never", interval),
        "arr_not": ("Never, by ARR", interval),
        "ever": ("Accounts", "count"),
    }
    caption = "How long before the end, by month-ends of the year before it; without a break: never means not at the last month’s end"
    return report.table(frame, columns, caption=caption, layout="cards", n=int(stability.lengths["ended"].max()))


def parts(stability: StabilityFacts) -> Piece:
    """The Brier score taken apart, and the two curves, folded."""
    if not stability.promised:
        return Piece("")
    frame = pd.DataFrame({"part": list(PARTS.values()), "value": [f"{stability.parts[name]:.4f}" for name in PARTS]})
    columns: Columns = {"part": ("Part", "text"), "value": ("Value", "text")}
    table = report.table(frame, columns, caption="The Brier score taken apart; the parts add up to it", n=stability.promised)
    rivals = stability.rivals.assign(
        said=[f"{value:+.4f} ({low:+.4f} to {high:+.4f})".replace("-", "−") for value, low, high in _floats(stability.rivals, "")],
        by_arr=[f"{value:+.4f} ({low:+.4f} to {high:+.4f})".replace("-", "−") for value, low, high in _floats(stability.rivals, "arr_")],
        kept=[f"{value:.4f}" for value in stability.rivals["kept"]],
        rival=[f"{value:.4f}" for value in stability.rivals["rival"]],
    )
    against: Columns = {
        "measure": ("Measure", "text"),
        "kept": ("Smooth", "text"),
        "rival": ("Steps", "text"),
        "said": ("Steps minus smooth", interval),
        "by_arr": ("By ARR", interval),
    }
    caption = "A smooth curve (logistic) against one of steps (isotonic), tested on the same cases; lower is better"
    other = report.table(rivals, against, caption=caption)
    return report.details("The Brier score taken apart, and another curve", table, other)


def _floats(frame: pd.DataFrame, prefix: str) -> list[list[float]]:
    return frame[[f"{prefix}difference", f"{prefix}low", f"{prefix}high"]].to_numpy(dtype=float).tolist()


def groups(stability: StabilityFacts) -> Piece:
    """Lost over expected by group."""
    if stability.groups.empty:
        return Piece("")
    frame = stability.groups.assign(answer=stability.groups["answer"].map(GROUP_ANSWERS))
    frame["said"] = [_ratio(*row) for row in frame[["ratio", "low", "high"]].to_numpy(dtype=float)]
    frame["by_arr"] = [_ratio(*row) for row in frame[["arr_ratio", "arr_low", "arr_high"]].to_numpy(dtype=float)]
    columns: Columns = {
        "grouping": ("By", "text"),
        "group": ("Group", "text"),
        "said": ("Left / promised", interval),
        "by_arr": ("By ARR", interval),
        "answer": ("Answer", "text"),
        "cases": ("Cases", "count"),
        "lost": ("Left", "count"),
        "expected": ("Promised", "number"),
    }
    caption = (
        "Those that left for each that was promised to, by group; 1 is a promise kept; small groups pooled; answers corrected for many"
    )
    return report.details("Promises by group", report.table(frame, columns, caption=caption, layout="cards fold"))


def moves(stability: StabilityFacts) -> Piece:
    """Where accounts stood a month and a quarter later, by accounts and by ARR."""
    if stability.moves.empty:
        return Piece("")
    pieces = [_matrix(stability, "month", "share", "from_accounts")]
    pieces.append(
        report.details(
            "The same by ARR and by quarter, with intervals",
            _matrix(stability, "month", "arr_share", "from_arr"),
            _matrix(stability, "quarter", "share", "from_accounts"),
            _matrix(stability, "quarter", "arr_share", "from_arr"),
            _long(stability),
        )
    )
    return report.show(*pieces)


def _matrix(stability: StabilityFacts, span: str, share: str, base: str) -> Piece:
    """Bands by where they led, in shares of the row."""
    part = stability.moves[stability.moves["span"] == span]
    to = list(dict.fromkeys(part["to"]))
    wide = part.pivot(index="band", columns="to", values=share).reindex(index=list(dict.fromkeys(part["band"])), columns=to)
    shown = wide.map(wording.share).assign(band=wide.index, total=part.groupby("band")[base].first())
    money = base == "from_arr"
    columns: Columns = {
        "band": ("From", _chips(stability)),
        **{name: (wording.upper_first(name), "text") for name in to if part.loc[part["to"] == name, share].fillna(0).sum() > 0},
        "total": (f"ARR x {span}s" if money else f"Account-{span}s", f"money {wording.compact(stability.currency)}" if money else "count"),
    }
    caption = f"Where {'the ARR of accounts' if money else 'accounts'} stood a {span} later: share of each row, the last 12 months pooled"
    return report.table(shown, columns, caption=caption)


def _long(stability: StabilityFacts) -> Piece:
    frame = ranges(stability.moves, said=("share", "low", "high"), by_arr=("arr_share", "arr_low", "arr_high"))
    frame = frame[frame["accounts"] > 0]
    columns: Columns = {
        "span": ("After a", "text"),
        "band": ("From", _chips(stability)),
        "to": ("To", "text"),
        "said": ("Share", interval),
        "by_arr": ("By ARR", interval),
        "accounts": ("Account-steps", "count"),
    }
    return report.table(frame, columns, caption="Every move that was made, with 95% intervals from resampling accounts", layout="fold")


def flaps(stability: StabilityFacts) -> Piece:
    """Changes of band by group, folded away."""
    if len(stability.flaps) < 2:
        return Piece("")
    frame = ranges(
        stability.flaps,
        said=("changed", "low", "high"),
        by_arr=("arr_changed", "arr_low", "arr_high"),
        back=("flapped", "flapped_low", "flapped_high"),
    )
    columns: Columns = {
        "grouping": ("By", "text"),
        "group": ("Group", "text"),
        "said": ("Band changed", interval),
        "by_arr": ("By ARR", interval),
        "back": ("Taken back", interval),
        "account_months": ("Account-months", "count"),
        "accounts": ("Accounts", "count"),
    }
    caption = "Changes of band from one month’s end to the next over the last 12 months, and how many of them were taken back in the next"
    return report.details("Changes of band by group", report.table(frame, columns, caption=caption, layout="cards fold"))


def margins(stability: StabilityFacts) -> Piece:
    """What every margin would spare and cost."""
    if stability.margins.empty:
        return Piece("")
    frame = ranges(
        stability.margins,
        said=("changed", "changed_low", "changed_high"),
        back=("flapped", "flapped_low", "flapped_high"),
        held=("caught", "caught_low", "caught_high"),
        arr_held=("arr_caught", "arr_caught_low", "arr_caught_high"),
    )
    frame["later"] = [_span(*row) for row in frame[["delay", "delay_low", "delay_high"]].to_numpy(dtype=float)]
    worst = stability.bands[0]
    columns: Columns = {
        "margin": ("Margin", "count"),
        "said": ("Band changed", interval),
        "back": ("Taken back", interval),
        "held": (f"Left: {worst} 30 days ahead", interval),
        "arr_held": ("By ARR", interval),
        "later": ("Days later", interval),
        "never": (f"No longer {worst}", "count"),
        "red": (f"Months {worst}", "share"),
    }
    caption = (
        "Bands left only when the score passes the threshold by a margin of points, over all history; days later: the first "
        f"{worst} in the year before the end"
    )
    return report.details("Every margin from 0 to 10 points", report.table(frame, columns, caption=caption, layout="cards fold"))


def _chips(stability: StabilityFacts) -> Kind:
    """Bands as chips, anything else as text."""
    chip = report.bands(stability.band_colours)
    return lambda name: chip(name) if name in stability.bands else Piece(report.escape(name))


def _signed(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return wording.NOTHING
    return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})".replace("-", "−")


def _ratio(value: float, low: float, high: float) -> str:
    return wording.NOTHING if pd.isna(value) else f"{value:.2f}" if pd.isna(low) else f"{value:.2f} ({low:.2f}–{high:.2f})"


def _span(value: float, low: float, high: float) -> str:
    """`100 (79–128)`."""
    return wording.NOTHING if pd.isna(value) else f"{value:.0f}" if pd.isna(low) else f"{value:.0f} ({low:.0f}–{high:.0f})"


def _between(low: float, high: float) -> str:
    return wording.NOTHING if pd.isna(low) else f"{low:.0f}–{high:.0f}"
