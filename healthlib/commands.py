"""The commands of `healthlib` and their options; `cli` does what they say."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path

from . import __version__

DEMO = "data/demo"
HELP = """Is your customer health score true? Audit it against renewals, fit its weights, replay it on the past, report to leadership.
exit codes: 0 done, 1 the data or the evidence failed a check, 2 wrong use or wrong configuration"""


def parser() -> argparse.ArgumentParser:
    """The commands and their options.

    Returns
    -------
    A parser of a command line into its options, `command` (a key of `COMMANDS`), and `usage`, which says what is wrong and leaves with 2.
    """
    top = argparse.ArgumentParser(prog="healthlib", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"healthlib {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (says, *options) in COMMANDS.items():
        sub = commands.add_parser(name, help=says, description=says[0].upper() + says[1:] + ".")
        sub.set_defaults(command=name, usage=sub.error)
        for add in options:
            add(sub)
    return top


def _workspace(sub: argparse.ArgumentParser, holds: str = "the exports and the two YAML files") -> None:
    sub.add_argument("workspace", nargs="?", default=DEMO, help=f"folder with {holds} (default {DEMO})")


def _as_of(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--as-of", type=_day, metavar="DATE", help="ISO date (default: the last day the data cover)")


def _out(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--out", default="reports", metavar="DIR", help="receives DIR/<workspace>/<as_of>/ (default reports)")


def _anonymise(sub: argparse.ArgumentParser) -> None:
    said = "masks for the names of accounts, CSMs and users, under the secret in HEALTHLIB_ANONYMISE_KEY (README, SECURITY.md)"
    sub.add_argument("--anonymise", action="store_true", help=said)


def _run(sub: argparse.ArgumentParser) -> None:
    said = "a page per CSM, also where there are more than 50 (default: where at most 50); --no-books: none"
    sub.add_argument("--books", action=argparse.BooleanOptionalAction, default=None, help=said)
    said = "values that `healthlib snapshot` measured, in the place of events (default: what workspace.yaml says)"
    sub.add_argument("--cases", type=Path, metavar="FILE", help=said)
    sub.add_argument("--log", type=Path, metavar="FILE", help="add what happens to FILE, a JSON object a line")


def _doctor(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="for machines")


def _backfill(sub: argparse.ArgumentParser) -> None:
    _workspace(sub)
    sub.add_argument("--from", dest="first", type=_month, required=True, metavar="YYYY-MM", help="the first month")
    sub.add_argument("--to", dest="last", type=_month, required=True, metavar="YYYY-MM", help="the last month, itself included")
    _out(sub)
    sub.add_argument("--force", action="store_true", help="also months that are there, made from the same exports, configuration and code")


def _snapshot(sub: argparse.ArgumentParser) -> None:
    _workspace(sub, "accounts, contracts and the two YAML files")
    _as_of(sub)
    said = "duckdb (default), duckdb:///FILE, postgresql://…, spark[:MASTER], sqlite:///FILE; for --dry-run also snowflake, bigquery …"
    sub.add_argument("--engine", default="", metavar="URL", help=said)
    sub.add_argument("--to", type=Path, default=Path("cases.parquet"), metavar="FILE", help="the file (default cases.parquet)")
    sub.add_argument("--dry-run", action="store_true", help="print the SQL, run nothing on the engine, write nothing")
    sub.add_argument("--append", action="store_true", help="keep the dates that FILE has; measure the new ones")
    sub.add_argument("--profile", action="store_true", help="seconds and rows of every step")


def _diff(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("a", metavar="A", help="a scorecard file, a workspace, or the folder of a run")
    sub.add_argument("b", metavar="B", help="the other one")


def _adopt(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("weights", nargs="?", metavar="WEIGHTS.csv|PROPOSAL.yaml", help="weights.csv of a run, or a proposal of the lab")
    sub.add_argument("workspace", nargs="?", metavar="WORKSPACE", help=f"default {DEMO}")
    sub.add_argument("--dry-run", action="store_true", help="show the change and what it does, write nothing")
    sub.add_argument("--yes", action="store_true", help="write without asking")
    sub.add_argument("--undo", action="store_true", help="take the last recorded change back: healthlib adopt --undo [WORKSPACE]")
    sub.add_argument("--who", default="", help="who decided it, for the record (default: the user's name)")
    sub.add_argument("--why", default="", help="why, for the record (default: what the proposal says)")
    sub.add_argument("--force", action="store_true", help="also what was made from other data or another scorecard, or leaves the limits")


def _demo(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", metavar="DIR")
    sub.add_argument("--accounts", type=int, default=None, help="how many accounts (default: the demo's own)")
    sub.add_argument("--seed", type=int, default=None, help="of every random stream (default: the demo's own)")
    kinds = sub.add_mutually_exclusive_group()
    kinds.add_argument("--noise", action="store_true", help="outcomes depend on nothing: a fit should find nothing")
    kinds.add_argument("--rule", action="store_true", help="another company, whose playbooks a threshold sets off: did they help?")


def _init(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", metavar="DIR")
    sub.add_argument("--exports", metavar="FOLDER", required=True, help="CSV, Parquet and Excel files; only read")
    sub.add_argument("--force", action="store_true", help="overwrite the two files where they exist")


def _catalogue(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("name", nargs="?", metavar="NAME", help="one metric of the list")
    sub.add_argument("--page", action="store_true", help="the list as the page docs/catalogue.md")


def _preset(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("name", metavar="NAME", help="dear, simple, happy, letters, new_established, consumption")
    _workspace(sub, "the exports and workspace.yaml")
    sub.add_argument("--force", action="store_true", help="overwrite scorecard.yaml where it exists, keeping a backup")


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


REPORTED = (_workspace, _as_of, _out, _anonymise)
"""Options of every command that reports on a workspace."""

COMMANDS: dict[str, tuple[str, *tuple[Callable[[argparse.ArgumentParser], None], ...]]] = {
    "run": ("the whole monthly job: the notebooks, a page per CSM, reports and tables", *REPORTED, _run),
    "check": ("is my data good enough? every failure with file, line and column", *REPORTED),
    "score": ("scores.csv, alerts.csv and their part of summary.json alone", *REPORTED),
    "fit": ("weights.csv and its part of summary.json alone", *REPORTED),
    "backtest": ("backtest.csv, lead_time.csv and their part of summary.json alone", *REPORTED),
    "doctor": (
        "can it run here, and how did the last run end? versions, kernel, disk, lock, last run and its age", *REPORTED, _doctor
    ),
    "backfill": ("a report for every month-end of a span, each from what was knowable then", _backfill, _anonymise),
    "snapshot": ("the event side alone: measure where the events live, write one file that `run --cases` takes", _snapshot),
    "suggest-scales": ("worst and best of each metric, and band thresholds, as history suggests them", *REPORTED),
    "diff": ("two scorecards on the same data: who changes band, in accounts and ARR, and why", _diff, *REPORTED),
    "adopt": ("write proposed weights, scales and thresholds into scorecard.yaml, keeping its comments", _adopt),
    "demo": ("write a simulated company whose truth is known", _demo),
    "init": ("write a first workspace from a folder of exports, each guess with its evidence", _init),
    "catalogue": ("ready metrics: the list, or one as YAML ready to paste, with its reason", _catalogue),
    "preset": ("write a complete scorecard to start from into a workspace", _preset),
}  # fmt: skip
"""Command -> what it does, and what adds its options, in the order of its help."""
