"""The section on our own work: facts in, pieces of a page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib import claims_aftermath as after
from healthlib import claims_treatment as say
from healthlib import plots_treatment as plots
from healthlib import report, wording
from healthlib.page_audit import interval, ranges, unbroken
from healthlib.pieces import Columns, Piece

if TYPE_CHECKING:
    from healthlib.studies.treatment import TreatmentFacts

ANSWERS = {"helped": "▲ helped", "harmed": "▼ harmed", "cannot_tell": "◆ cannot tell"}


def record(treatment: TreatmentFacts) -> Piece:
    """What our own work hides of the score's record."""
    claim = report.claim(say.poisoned(treatment))
    if treatment.needs or not treatment.worked:
        return claim
    figure = report.figure(plots.bounds(treatment), alt=say.poisoned(treatment))
    return report.show(claim, figure, _bands(treatment), report.text(say.ranking(treatment)))


def _bands(treatment: TreatmentFacts) -> Piece:
    frame = ranges(treatment.bands, seen=("rate", "rate_low", "rate_high"), rest=("without", "without_low", "without_high"))
    frame["could"] = [f"{wording.share(low)} to {wording.share(high)}" for low, high in zip(frame["floor"], frame["ceiling"], strict=True)]
    frame["least"] = [f"{wording.share(low)} to {wording.share(high)}" for low, high in zip(frame["rate"], frame["ceiling"], strict=True)]
    frame["sure"] = [
        f"{wording.share(low)} to {wording.share(high)}" for low, high in zip(frame["floor_low"], frame["ceiling_high"], strict=True)
    ]
    columns: Columns = {
        "band": ("Band", "text"),
        "cases": ("Cases", "count"),
        "treated": ("Worked", "count"),
        "seen": ("Left, all cases", interval),
        "rest": ("Left, not worked", interval),
        "could": ("Had nobody been worked", unbroken),
        "least": ("If working never harms", unbroken),
        "sure": ("With chance, 95%", unbroken),
    }
    tables = [
        report.table(
            frame[frame["by"] == by], columns, caption=f"Share lost by band with and without our own work, {words}", layout="cards"
        )
        for by, words in (("accounts", "by accounts"), ("arr", "by ARR"))
    ]
    return tables[0] + report.details("The same by ARR", tables[1])


def helped(treatment: TreatmentFacts) -> Piece:
    """Did it help? One sentence, every method beside the others, and what each rests on."""
    if treatment.needs:
        return report.show()
    claim = report.claim(say.helped(treatment))
    shown = () if treatment.saved.empty else (report.figure(plots.effects(treatment), alt=say.helped(treatment)), _saved(treatment))
    sentences = [*say.experiment(treatment), *say.thresholds(treatment), say.matched(treatment)]
    told = report.bullets(text for text in sentences if text)
    heading = report.heading("Did it help?")
    return report.show(heading, claim, *shown, told, _jump(treatment), _after(treatment), _evidence(treatment))


def _saved(treatment: TreatmentFacts) -> Piece:
    unit = treatment.currency
    frame = treatment.saved.copy()
    frame["how"] = [plots.method_name(*row).replace("\n", " ") for row in frame[["method", "name"]].to_numpy()]
    frame["said"] = frame["answer"].map(ANSWERS)
    frame["range"] = [f"{wording.number(low, 0)} to {wording.number(high, 0)}" for low, high in frame[["kept_low", "kept_high"]].to_numpy()]
    frame["cash"] = [
        "–" if wording.unknown(low) else f"{wording.money(low, unit, 2)} to {wording.money(high, unit, 2)}"
        for low, high in frame[["arr_low", "arr_high"]].to_numpy()
    ]
    frame["each"] = [
        "–" if wording.unknown(low) or not n else f"{wording.money(low / n, unit, 2)} to {wording.money(high / n, unit, 2)}"
        for n, low, high in frame[["accounts", "arr_low", "arr_high"]].to_numpy()
    ]
    columns: Columns = {
        "how": ("Evidence", "text"),
        "said": ("Did it help?", unbroken),
        "accounts": ("Worked", "count"),
        "arr": ("Their ARR", f"money {wording.compact(unit)}"),
        "range": ("Accounts kept by it", unbroken),
        "cash": ("ARR kept by it", unbroken),
        "each": ("An account worked", unbroken),
    }
    return report.table(
        frame, columns, caption="What the work of the last 12 months kept, 95% ranges, strongest evidence first", layout="cards"
    )


def _jump(treatment: TreatmentFacts) -> Piece:
    if treatment.binned.empty:
        return report.show()
    words = say.at_the_cut(treatment)
    return report.claim(words) + report.figure(plots.at_the_cut(treatment), alt=words)


def _after(treatment: TreatmentFacts) -> Piece:
    """What is measured every month, before work and after it."""
    words = after.headline(treatment)
    if treatment.after.found.empty:
        return report.text(words)
    figure = report.figure(plots.event_study(treatment), alt=words)
    return report.show(report.claim(words), figure, report.bullets(after.details(treatment)))


def _evidence(treatment: TreatmentFacts) -> Piece:
    """What the answers rest on, folded away."""
    parts = [part for part in (_alike(treatment), _checks(treatment), _overlap(treatment)) if part.html]
    return report.details("How alike those worked and the others were, and what should not change", *parts) if parts else report.show()


def _alike(treatment: TreatmentFacts) -> Piece:
    if treatment.alike.empty:
        return report.show()
    columns: Columns = {
        "covariate": ("Before the draw", "text"),
        "treated": ("Treated", "number"),
        "control": ("Control", "number"),
        "apart": ("Apart, in standard deviations", unbroken),
        "n": ("Accounts", "count"),
    }
    frame = treatment.alike.assign(apart=[wording.change(value, 2) for value in treatment.alike["difference"]])
    return report.table(frame, columns, caption="The arms of the experiment before it began", layout="cards")


def _checks(treatment: TreatmentFacts) -> Piece:
    if treatment.checks.empty:
        return report.show()
    frame = treatment.checks.copy()
    frame["found"] = [
        f"p = {value:.2f}" if check == "density" else f"{wording.change(value, 2)} ({wording.change(low, 2)} to {wording.change(high, 2)})"
        for check, value, low, high in frame[["check", "value", "low", "high"]].to_numpy()
    ]
    frame["held"] = ["▲ held" if passed else "▼ failed" for passed in frame["passed"]]
    columns: Columns = {
        "check": ("Should not jump", "text"),
        "cut": ("Threshold", "points"),
        "found": ("Jump", interval),
        "held": ("Check", unbroken),
    }
    return report.table(frame, columns, caption="What should not change at the threshold (log of ARR, years, shares)", layout="cards")


def _overlap(treatment: TreatmentFacts) -> Piece:
    found = treatment.compared
    if found.overlap.empty:
        return report.show()
    tens = found.overlap.assign(range=[f"{low:.0f}–{low + 10:.0f}" for low in found.overlap["score"]])
    columns: Columns = {
        "range": ("Score", unbroken),
        "treated": ("Worked", "count"),
        "untreated": ("Not worked", "count"),
    }
    piece = report.table(tens, columns, caption="Cases that were worked and that were not, by score", layout="")
    if found.balance.empty:
        return piece
    frame = found.balance.assign(
        first=[wording.change(value, 2) for value in found.balance["before"]],
        then=[wording.change(value, 2) for value in found.balance["after"]],
    )
    apart: Columns = {
        "covariate": ("Of those worked", "text"),
        "first": ("From all others", unbroken),
        "then": ("From like ones", unbroken),
    }
    return piece + report.table(frame, apart, caption="How far apart they are, in standard deviations")
