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

from . import __version__, machine, progress
from .adoptions import RECORD
from .errors import HealthlibError

DEMO = "data/demo"
HELP = """Is your customer health score true? Audit it against renewals, fit its weights, replay it on the past, report to leadership.
exit codes: 0 done, 1 the data or the evidence failed a check, 2 wrong use or wrong configuration"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code 0, 1 or 2."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    machine.hold_streams()
    chosen = parser().parse_args(argv)
    try:
        with machine.stoppable():
            return chosen.command(chosen)
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


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="healthlib", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"healthlib {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command, says in (
        ("run", run, "the whole monthly job: the notebooks, a page per CSM, reports and tables"),
        ("check", check, "is my data good enough? every failure with file, line and column"),
        ("score", score, "scores.csv, alerts.csv and their part of summary.json alone"),
        ("fit", fit, "weights.csv and its part of summary.json alone"),
        ("backtest", backtest, "backtest.csv, lead_time.csv and their part of summary.json alone"),
    ):
        sub = _add(commands, name, command, says)
        _workspace_options(sub)
        if name == "run":
            said = "a page per CSM, also where there are more than 50 (default: where at most 50); --no-books: none"
            sub.add_argument("--books", action=argparse.BooleanOptionalAction, default=None, help=said)
            said = "values that `healthlib snapshot` measured, in the place of events (default: what workspace.yaml says)"
            sub.add_argument("--cases", type=Path, metavar="FILE", help=said)
            sub.add_argument("--log", type=Path, metavar="FILE", help="add what happens to FILE, a JSON object a line")
    sub = _add(
        commands, "doctor", doctor, "can it run here, and how did the last run end? versions, kernel, disk, lock, last run and its age"
    )
    _workspace_options(sub)
    sub.add_argument("--json", action="store_true", help="for machines")
    sub = _add(commands, "backfill", backfill, "a report for every month-end of a span, each from what was knowable then")
    sub.add_argument("workspace", nargs="?", default=DEMO, help=f"folder with the exports and the two YAML files (default {DEMO})")
    sub.add_argument("--from", dest="first", type=_month, required=True, metavar="YYYY-MM", help="the first month")
    sub.add_argument("--to", dest="last", type=_month, required=True, metavar="YYYY-MM", help="the last month, itself included")
    sub.add_argument("--out", default="reports", metavar="DIR", help="receives DIR/<workspace>/<as_of>/ (default reports)")
    sub.add_argument("--force", action="store_true", help="also months that are there, made from the same exports, configuration and code")
    _anonymise_option(sub)
    sub = _add(commands, "snapshot", take, "the event side alone: measure where the events live, write one file that `run --cases` takes")
    sub.add_argument("workspace", nargs="?", default=DEMO, help=f"folder with accounts, contracts and the two YAML files (default {DEMO})")
    sub.add_argument("--as-of", type=_day, metavar="DATE", help="ISO date (default: the last day the data cover)")
    said = "duckdb (default), duckdb:///FILE, postgresql://…, spark[:MASTER], sqlite:///FILE; for --dry-run also snowflake, bigquery …"
    sub.add_argument("--engine", default="", metavar="URL", help=said)
    sub.add_argument("--to", type=Path, default=Path("cases.parquet"), metavar="FILE", help="the file (default cases.parquet)")
    sub.add_argument("--dry-run", action="store_true", help="print the SQL, run nothing on the engine, write nothing")
    sub.add_argument("--append", action="store_true", help="keep the dates that FILE has; measure the new ones")
    sub.add_argument("--profile", action="store_true", help="seconds and rows of every step")
    sub = _add(commands, "suggest-scales", suggest, "worst and best of each metric, and band thresholds, as history suggests them")
    _workspace_options(sub)
    sub = _add(commands, "diff", diff, "two scorecards on the same data: who changes band, in accounts and ARR, and why")
    sub.add_argument("a", metavar="A", help="a scorecard file, a workspace, or the folder of a run")
    sub.add_argument("b", metavar="B", help="the other one")
    _workspace_options(sub)
    sub = _add(commands, "adopt", adopt, "write proposed weights, scales and thresholds into scorecard.yaml, keeping its comments")
    sub.add_argument("weights", nargs="?", metavar="WEIGHTS.csv|PROPOSAL.yaml", help="weights.csv of a run, or a proposal of the lab")
    sub.add_argument("workspace", nargs="?", metavar="WORKSPACE", help=f"default {DEMO}")
    sub.add_argument("--dry-run", action="store_true", help="show the change and what it does, write nothing")
    sub.add_argument("--yes", action="store_true", help="write without asking")
    sub.add_argument("--undo", action="store_true", help="take the last recorded change back: healthlib adopt --undo [WORKSPACE]")
    sub.add_argument("--who", default="", help="who decided it, for the record (default: the user's name)")
    sub.add_argument("--why", default="", help="why, for the record (default: what the proposal says)")
    sub.add_argument("--force", action="store_true", help="also what was made from other data or another scorecard, or leaves the limits")
    sub.set_defaults(usage=sub.error)
    sub = _add(commands, "demo", demo, "write a simulated company whose truth is known")
    sub.add_argument("folder", metavar="DIR")
    sub.add_argument("--accounts", type=int, default=None, help="how many accounts (default: the demo's own)")
    sub.add_argument("--seed", type=int, default=None, help="of every random stream (default: the demo's own)")
    kinds = sub.add_mutually_exclusive_group()
    kinds.add_argument("--noise", action="store_true", help="outcomes depend on nothing: a fit should find nothing")
    kinds.add_argument("--rule", action="store_true", help="another company, whose playbooks a threshold sets off: did they help?")
    sub = _add(commands, "init", init, "write a first workspace from a folder of exports, each guess with its evidence")
    sub.add_argument("folder", metavar="DIR")
    sub.add_argument("--exports", metavar="FOLDER", required=True, help="CSV, Parquet and Excel files; only read")
    sub.add_argument("--force", action="store_true", help="overwrite the two files where they exist")
    sub = _add(commands, "catalogue", catalogue, "ready metrics: the list, or one as YAML ready to paste, with its reason")
    sub.add_argument("name", nargs="?", metavar="NAME", help="one metric of the list")
    sub.add_argument("--page", action="store_true", help="the list as the page docs/catalogue.md")
    sub = _add(commands, "preset", preset, "write a complete scorecard to start from into a workspace")
    sub.add_argument("name", metavar="NAME", help="dear, simple, happy, letters, new_established, consumption")
    sub.add_argument("workspace", nargs="?", default=DEMO, help=f"folder with the exports and workspace.yaml (default {DEMO})")
    sub.add_argument("--force", action="store_true", help="overwrite scorecard.yaml where it exists, keeping a backup")
    return top


def _add(commands: Any, name: str, command: Callable[[argparse.Namespace], int], says: str) -> argparse.ArgumentParser:
    sub = commands.add_parser(name, help=says, description=says[0].upper() + says[1:] + ".")
    sub.set_defaults(command=command)
    return sub


def _workspace_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("workspace", nargs="?", default=DEMO, help=f"folder with the exports and the two YAML files (default {DEMO})")
    sub.add_argument("--as-of", type=_day, metavar="DATE", help="ISO date (default: the last day the data cover)")
    sub.add_argument("--out", default="reports", metavar="DIR", help="receives DIR/<workspace>/<as_of>/ (default reports)")
    _anonymise_option(sub)


def _anonymise_option(sub: argparse.ArgumentParser) -> None:
    said = "masks for the names of accounts, CSMs and users, under the secret in HEALTHLIB_ANONYMISE_KEY (README, SECURITY.md)"
    sub.add_argument("--anonymise", action="store_true", help=said)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO date like 2026-10-31") from None


def _month(text: str) -> str:
    try:
        return f"{date.fromisoformat(f'{text}-01'):%Y-%m}"
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a month like 2026-10") from None


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

    done = scorecards.suggest(Path(chosen.workspace), chosen.as_of, chosen.out, tell=teller(), anonymise=chosen.anonymise)
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

    sides, space = (Path(chosen.a), Path(chosen.b)), Path(chosen.workspace)
    done = scorecards.diff(*sides, space, chosen.as_of, chosen.out, tell=teller(), anonymise=chosen.anonymise)
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


if __name__ == "__main__":
    sys.exit(main())
