"""The command line: a thin skin. Prints, and turns what went wrong into a message and an exit code."""

from __future__ import annotations

import argparse
import getpass
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from . import machine, progress
from .adoptions import RECORD
from .commands import DEMO, parser
from .errors import HealthlibError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code 0, 1 or 2."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    machine.hold_streams()
    chosen = parser().parse_args(argv)
    try:
        with machine.stoppable():
            return RUNS[chosen.command](chosen)
    except HealthlibError as error:
        print(f"healthlib: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("healthlib: stopped; the last good report is left as it was", file=sys.stderr)
        return 1
    except (OSError, MemoryError, RuntimeError) as error:
        if (said := machine.refused(error)) is None:
            raise
        print(f"healthlib: {said}", file=sys.stderr)
        return said.exit_code


def run(chosen: argparse.Namespace) -> int:
    """`healthlib run`."""
    from . import runner

    with progress.heard(teller(), *([progress.Log(chosen.log)] if chosen.log else [])) as tell:
        said = {"books": chosen.books, "cases": chosen.cases, "anonymise": chosen.anonymise}
        done = runner.run(chosen.workspace, chosen.as_of, chosen.out, tell=tell, **said)
    print("".join(f"{said}\n" for said in done.late), end="")
    print(f"as of {done.as_of}: {done.folder}/executive.html  (all runs: {Path(chosen.out)}/index.html)")
    return 0


def take(chosen: argparse.Namespace) -> int:
    """`healthlib snapshot`."""
    from . import snapshot as events

    wanted = events.Wanted(Path(chosen.workspace), chosen.as_of, chosen.engine, chosen.to, chosen.dry_run, chosen.append)
    print(events.told(events.snapshot(wanted), wanted, profiled=chosen.profile), end="")
    return 0


def doctor(chosen: argparse.Namespace) -> int:
    """`healthlib doctor`."""
    from . import doctor as at

    found = at.examine(Path(chosen.workspace), Path(chosen.out), anonymise=chosen.anonymise)
    print(at.as_json(found) if chosen.json else at.as_text(found))
    return 1 if found.verdict == "no" else 0


def backfill(chosen: argparse.Namespace) -> int:
    """`healthlib backfill`."""
    from .backfill import Wanted
    from .backfill import backfill as months

    failed = []
    for month in months(
        Wanted(Path(chosen.workspace), Path(chosen.out), chosen.force, chosen.anonymise), chosen.first, chosen.last, teller()
    ):
        told = {
            "made": f"{month.folder}/executive.html ({month.seconds:.0f} s)",
            "there": "already made from the same; --force makes it again",
        }
        print(f"{month.as_of}: {told.get(month.state, f'failed: {month.said}')}", flush=True)
        failed += [month.as_of] if month.state == "failed" else []
    if failed:
        print(f"healthlib: {len(failed)} failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def check(chosen: argparse.Namespace) -> int:
    """`healthlib check`."""
    from . import parts

    found = parts.check(chosen.workspace, chosen.as_of, chosen.out, tell=teller(), anonymise=chosen.anonymise)
    print("\n".join(_check_lines(found)))
    if found.failed:
        print(f"healthlib: {found.failed}", file=sys.stderr)
    else:
        print(f"Look at the page, then: healthlib run {shlex.quote(str(chosen.workspace))}")
    return 1 if found.failed else 0


def _check_lines(found: Any) -> list[str]:
    """The listing of `healthlib check`: the verdicts, what was found, the rows set aside, every table, and where the page is."""
    from . import claims_check as say
    from . import claims_lint

    facts = found.facts
    marks = {"yes": "yes", "care": "with care", "no": "not yet"}
    lines = [say.opening(facts), say.outcomes(facts), ""]
    for row in facts.readiness.to_dict("records"):
        lines.append(f"{row['question']}: {marks[row['verdict']]}. {row['why']}." + (f" Needs {row['needs']}." if row["needs"] else ""))
    lines += ["", *(f"{one.level:<5} {one.text}" for one in say.findings(facts)), ""]
    lines.append(_listing(facts.tables, ["table", "rows_in", "rows_used", "rows_rejected", "first_day", "last_day"]))
    for name, rows in found.rejected.items():
        lines += [f"  {row.file}:{row.line}: {name}.{row.column}: {row.value!r}: {row.rule}" for row in rows.head(3).itertuples()]
        lines += [f"  … {len(rows) - 3:,} more in rejected/{name}.csv"] if len(rows) > 3 else []
    lines += [f"note: {said}" for said in facts.warnings]
    lines += ["", *claims_lint.lines(facts.lint)] if len(facts.lint) else []
    return [*lines, f"as of {found.as_of}: {found.folder}/check.html"]


def score(chosen: argparse.Namespace) -> int:
    """`healthlib score`."""
    return _part(chosen, "score")


def fit(chosen: argparse.Namespace) -> int:
    """`healthlib fit`."""
    return _part(chosen, "fit")


def backtest(chosen: argparse.Namespace) -> int:
    """`healthlib backtest`."""
    return _part(chosen, "backtest")


def _part(chosen: argparse.Namespace, part: str) -> int:
    from . import parts

    done = parts.run_part(part, chosen.workspace, chosen.as_of, chosen.out, tell=teller(), anonymise=chosen.anonymise)
    print(f"as of {done.as_of}: {done.folder}")
    return 0


def suggest(chosen: argparse.Namespace) -> int:
    """`healthlib suggest-scales`."""
    from . import claims_scorecard, scorecards

    wanted = scorecards.Wanted(Path(chosen.workspace), chosen.as_of, Path(chosen.out), chosen.anonymise)
    done = scorecards.suggest(wanted, teller())
    columns = ["metric", "worst_now", "best_now", "worst", "best", "low", "median", "high", "measured", "said"]
    print(done.found.metrics[columns].to_string(index=False, na_rep="–", float_format=lambda value: f"{value:.4g}"))
    print(done.found.cuts.to_string(index=False, na_rep="–", float_format=lambda value: f"{value:.3g}"))
    for said in (claims_scorecard.suggested(done.found), *done.found.warnings):
        print(said)
    print(f"nothing changed; ready to paste: {done.page.with_suffix('.yaml')}; with pictures: {done.page}")
    return 0


def diff(chosen: argparse.Namespace) -> int:
    """`healthlib diff`."""
    from . import claims_scorecard, scorecards

    wanted = scorecards.Wanted(Path(chosen.workspace), chosen.as_of, Path(chosen.out), chosen.anonymise)
    done = scorecards.diff(Path(chosen.a), Path(chosen.b), wanted, teller())
    for table in (done.found.by_band, done.found.by_cause):
        print(table.to_string(index=False, float_format=lambda value: f"{value:,.4g}"))
    print(claims_scorecard.changed(done.found, done.currency))
    print(f"as of {done.found.as_of:%Y-%m-%d}, by name: {done.page}")
    return 0


def adopt(chosen: argparse.Namespace) -> int:
    """`healthlib adopt`."""
    from . import adopt_checks as checks
    from .adopt import AdoptError, Told, read_wanted, write_adoption
    from .adopt import adopt as planned
    from .spec import load_workspace

    if not chosen.undo and chosen.weights is None:
        chosen.usage("a weights.csv, a proposal.yaml, or --undo is needed")
    folder = Path((chosen.weights if chosen.undo else chosen.workspace) or DEMO)
    scorecard, before = folder / "scorecard.yaml", load_workspace(folder)
    doubts: list[str] = []
    if chosen.undo:
        adoption, last = checks.undone(folder)
        source, why, wanted = f"undo of {last.weights}", f"undoes the change of {last.adopted_on} by {last.who}", None
    else:
        wanted = read_wanted(Path(chosen.weights))
        adoption = planned(scorecard, wanted)
        source, why = os.path.relpath(chosen.weights, folder), wanted.proposal.origin.why if wanted.proposal else ""
        doubts = checks.other_scorecard(wanted.proposal.origin, folder) if wanted.proposal else checks.made_elsewhere(wanted.source, folder)
    if adoption.after == adoption.before:
        print(f"{scorecard} says this already; nothing written")
        return 0
    after = checks.proven(folder, adoption)
    outside = [] if chosen.undo else checks.outside_limits(after.scorecard)
    doubts += outside if wanted and wanted.proposal else []  # a fit kept them; a file of a run is written as ever, with a word
    if doubts and not chosen.force:
        raise AdoptError(f"nothing written: {'; '.join(doubts)}. Make the proposal again, or insist with --force", [])
    print(_coloured(adoption.diff(str(scorecard))), end="", flush=True)
    print("".join(f"note: {said}\n" for said in outside), end="")
    _say_effect(before, after, wanted, chosen.force)
    if chosen.dry_run or not (chosen.yes or _agreed()):
        return 0
    told = Told(date.today(), chosen.who or _user(), chosen.why or why, source)
    backup = write_adoption(scorecard, adoption, told)
    what = "the version before" if chosen.undo else adoption.said()
    print(f"{what} written to {scorecard}; the old file is {backup}; recorded in {folder / RECORD}")
    print(f"to undo: healthlib adopt --undo {folder}")
    return 0


def _user() -> str:
    """The user's name; where the system knows none, as in many containers, its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _say_effect(before: Any, after: Any, wanted: Any, force: bool) -> None:
    """What a change of the scorecard does to the accounts; refuses a proposal that was made from other data."""
    from . import adopt_checks as checks
    from .adopt import AdoptError

    proposal = wanted.proposal if wanted is not None else None
    try:
        done = checks.effect(before, after)
    except HealthlibError as error:
        print(f"what it does to the accounts cannot be said: {str(error).splitlines()[0]}")
        other = "the data cannot be read, so nobody knows whether the proposal was made from them"
    else:
        print(done.said)
        other = "" if proposal is None or done.data_sha256 == proposal.origin.data_sha256 else "the proposal was made from other data"
    if proposal is not None and other and not force:
        raise AdoptError(f"nothing written: {other}. Make the proposal again, or insist with --force", [])


def _agreed() -> bool:
    """Ask on a terminal; elsewhere nobody is there to answer, and the command itself is the answer."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    try:
        agreed = input("write? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        agreed = False
    if not agreed:
        print("nothing written")
    return agreed


def _coloured(diff: str) -> str:
    """A unified diff, its lines red and green on a terminal."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return diff
    tints = {"---": "1", "+++": "1", "@@": "36", "-": "31", "+": "32"}
    tint = [next((code for mark, code in tints.items() if line.startswith(mark)), "") for line in diff.splitlines()]
    return "".join(f"\x1b[{code}m{line}\x1b[0m\n" if code else f"{line}\n" for code, line in zip(tint, diff.splitlines(), strict=True))


def demo(chosen: argparse.Namespace) -> int:
    """`healthlib demo`."""
    from .demo import make_demo
    from .demo_rule import make_rule_demo

    options = {name: value for name, value in (("accounts", chosen.accounts), ("seed", chosen.seed)) if value is not None}
    folder = Path(chosen.folder)
    made = make_rule_demo(folder, **options)["accounts"] if chosen.rule else make_demo(folder, noise=chosen.noise, **options).accounts
    print(f"a simulated company of {made:,} accounts: {chosen.folder} (its truth: truth.json)")
    return 0


def init(chosen: argparse.Namespace) -> int:
    """`healthlib init`."""
    from .init import write_workspace

    draft = write_workspace(Path(chosen.folder), Path(chosen.exports), force=chosen.force)
    for table, said in draft.told.items():
        print(f"{table}: {said}")
    for said in draft.leaks:
        print(f"not used, may know the future: {said}")
    for said in draft.left:
        print(f"not placed: {said}")
    print(f"written: {chosen.folder}/workspace.yaml and {chosen.folder}/scorecard.yaml, every guess with its evidence.")
    print(f"Look at the lines marked `guess:` and YOURS TO DECIDE, then: healthlib check {chosen.folder}")
    return 0


def catalogue(chosen: argparse.Namespace) -> int:
    """`healthlib catalogue`."""
    from .catalogue import words

    print(words.page() if chosen.page else words.pasted(chosen.name) if chosen.name else words.listed() + "\n", end="")
    return 0


def preset(chosen: argparse.Namespace) -> int:
    """`healthlib preset`."""
    from .apply_preset import apply_preset

    done = apply_preset(chosen.name, Path(chosen.workspace), force=chosen.force)
    for metric, why in done.fitted.dropped.items():
        print(f"not used: {metric}: {why}")
    kept = f"; the old file is {done.backup}" if done.backup else ""
    print(f"written: {done.file}, with {done.fitted.kept / done.fitted.weight:.0%} of the preset's weight{kept}")
    if 2 * done.fitted.kept < done.fitted.weight:
        print("note: less than half of it is left; a scorecard of your own from `healthlib init` may say more")
    print(f"Read it, change what differs (lines marked YOURS must), then: healthlib check {chosen.workspace}")
    return 0


def _listing(frame: Any, columns: list[str]) -> str:
    shown = frame[[c for c in columns if c in frame.columns]].copy()
    for name in ("first_day", "last_day"):
        if name in shown.columns:
            shown[name] = [str(v)[:10] for v in shown[name]]
    return shown.to_string(index=False, na_rep="–")


def teller() -> progress.Listener:
    """Progress on stderr: a bar that redraws on a terminal, timestamped plain lines in a log."""
    if not sys.stderr.isatty():
        return progress.Lines(sys.stderr)
    return progress.Bar(sys.stderr, lambda: os.get_terminal_size(sys.stderr.fileno()).columns or 80)


RUNS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run, "check": check, "score": score, "fit": fit, "backtest": backtest, "doctor": doctor, "backfill": backfill,
    "snapshot": take, "suggest-scales": suggest, "diff": diff, "adopt": adopt, "demo": demo, "init": init, "catalogue": catalogue,
    "preset": preset,
}  # fmt: skip
"""Command of `commands.COMMANDS` -> what it does."""


if __name__ == "__main__":
    sys.exit(main())
