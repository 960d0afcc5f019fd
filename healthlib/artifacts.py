"""Frames and figures to files: CSV inert in spreadsheets, JSON with rounded numbers, the same bytes from the same facts."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import __version__
from .errors import HealthlibError

DECIMALS = 9
"""Digits after the point in every CSV file: points still sum to the score, far above what threads and machines change."""

JSON_DECIMALS = 6
"""Digits after the point in summary.json, far below what any figure here can claim."""

SCORES = (
    "account_id", "as_of", "score", "band", "coverage", "previous_score", "previous_band", "arr", "term_ends",
    "renewal_probability", "probability_low", "probability_high",
)  # fmt: skip
SCORES_LAST = (
    "score_without_override", "band_without_override", "points:override", "override_by", "override_reason", "override_expires_on",
    "change", "change_behaviour", "change_data", "change_configuration", "change_override", "change_drivers",
)  # fmt: skip
"""Columns of scores.csv after those of the contract."""
WEIGHTS = ("metric", "group", "current", "equal", "fitted", "low", "high", "selected_share", "recommended")
CONTEST = (
    "scheme", "measure", "by", "value", "low", "high", "cases", "accounts", "lost",
    "minus_current", "minus_current_low", "minus_current_high", "minus_boosting", "minus_boosting_low", "minus_boosting_high", "suspected",
)  # fmt: skip
SCALES = ("metric", "value", "points", "profile", "recommended")
SCALES_WEIGHTS = ("metric", "group", "current", "fitted", "recommended")
LEAD_TIME = ("lead_days", "band", "accounts_churned", "share_of_churned_accounts", "share_of_churned_arr", "low", "high")
BACKTEST = ("scorecard", "cutoff", "band", "threshold_from", "accounts", "churned", "arr", "arr_churned")
THRESHOLDS = (
    "scorecard", "method", "lower", "lower_low", "lower_high", "upper", "upper_low", "upper_high", "accounts_today", "accounts_a_month",
    "caught", "caught_low", "caught_high", "arr_caught", "arr_caught_low", "arr_caught_high", "per", "worked", "false_alarms",
    "false_alarm_share", "false_alarm_share_low", "false_alarm_share_high", "net", "net_low", "net_high", "gain", "gain_low", "gain_high",
    "cases", "accounts", "lost",
)  # fmt: skip
ALERTS = (
    "account_id", "kind", "from", "to", "since", "arr", "reason", "playbook", "new", "term_ends", "owner", "group", "evidence",
)  # fmt: skip
NAMED = (
    "account_id", "name", "segment", "lists", "shown", "arr", "state", "ended_on", "reason", "term_ends", "scored_on", "scored",
    "quiet_since",
)  # fmt: skip
RED_LIST = (
    "account_id", "name", "segment", "csm", "since", "arr_then", "score_then", "term_ends", "fate", "on", "reason", "arr_now", "score_now",
    "band_now", "recovered",
)  # fmt: skip
REJECTED = ("file", "line", "column", "value", "rule")
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def write_csv(frame: pd.DataFrame, path: Path, columns: Sequence[str] | None = None) -> None:
    """Write a frame as UTF-8 CSV with Unix line ends.

    Text that a spreadsheet would run as a formula is preceded by an apostrophe; numbers are rounded to `DECIMALS`; a date has no time of
    day; an undefined value is an empty cell.

    Parameters
    ----------
    columns : exactly these, in this order; all of the frame where None

    Raises
    ------
    HealthlibError
        Where the frame lacks one of `columns`: an artifact never silently lacks what the contract promises.
    """
    missing = [c for c in columns or () if c not in frame.columns]
    if missing:
        raise HealthlibError(f"{path.name}: the facts lack the columns {', '.join(missing)}")
    frame = frame if columns is None else frame.loc[:, list(columns)]
    text = _Lines(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([inert(str(name)) for name in frame.columns])
    cells = [[_cell(v) for v in frame.iloc[:, i].tolist()] for i in range(frame.shape[1])]
    writer.writerows(zip(*cells, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8", errors="replace", newline="")


class _Lines(io.StringIO):
    """Rows with Unix line ends from a writer that was told of both kinds, and so quotes a carriage return too."""

    def write(self, line: str) -> int:
        return super().write(line.removesuffix("\r\n") + "\n")


def write_tables(facts: Mapping[str, Any], folder: Path) -> None:
    """The tables of whichever studies `facts` holds: executive (scores, alerts), fit, contest, growth, backtest (lead_time too),
    choosing (thresholds), accounts (named_accounts), followed (red_list, saves, playbooks, csm_load, power_users)."""
    if "followed" in facts:
        followed = facts["followed"]
        write_csv(followed.red.accounts.assign(since=followed.red.since), folder / "red_list.csv", RED_LIST)
        write_csv(followed.worked.saves, folder / "saves.csv")
        write_csv(followed.worked.playbooks, folder / "playbooks.csv")
        write_csv(followed.loads, folder / "csm_load.csv")
        write_csv(followed.power, folder / "power_users.csv")
    if "accounts" in facts:
        write_csv(facts["accounts"].named, folder / "named_accounts.csv", NAMED)
    if "executive" in facts:
        scores = facts["executive"].scores
        write_csv(scores, folder / "scores.csv", scores_columns(scores))
        write_csv(facts["executive"].alerts, folder / "alerts.csv", ALERTS)
        write_json(alerts_json(facts["executive"]), folder / "alerts.json")
    if "fit" in facts:
        write_csv(facts["fit"].weights, folder / "weights.csv", WEIGHTS)
        write_csv(facts["fit"].learned.curves, folder / "scales.csv", SCALES)
        write_csv(facts["fit"].learned.weights, folder / "scales_weights.csv", SCALES_WEIGHTS)
    if "contest" in facts:
        write_csv(facts["contest"].table, folder / "contest.csv", CONTEST)
    if "growth" in facts:
        write_csv(facts["growth"].table, folder / "growth.csv")
    if "backtest" in facts:
        write_csv(facts["backtest"].lead_time, folder / "lead_time.csv", LEAD_TIME)
        write_csv(facts["backtest"].table, folder / "backtest.csv", BACKTEST)
    if "choosing" in facts:
        write_csv(facts["choosing"].table, folder / "thresholds.csv", THRESHOLDS)


def alerts_json(executive: Any) -> dict[str, Any]:
    """The rows of ``alerts.csv`` for machines, as they are: dates as ISO text, what is undefined as null."""
    context = executive.context
    rows = executive.alerts[list(ALERTS)]
    return {"workspace": context["workspace"], "as_of": day(context["as_of"]), "currency": context["currency"], "alerts": rows}


def inert(text: str) -> str:
    """Text that no spreadsheet takes for a formula, from which `taken_back` gives the text again.

    >>> inert("=cmd()"), inert("Acme"), inert("-1")
    ("'=cmd()", 'Acme', "'-1")
    """
    return "'" + text if _guarded(text) else text


def taken_back(cell: str) -> str:
    """The text that `inert` made a cell of.

    >>> taken_back("'=cmd()"), taken_back("'tis"), taken_back(inert("'=1"))
    ('=cmd()', "'tis", "'=1")
    """
    return cell[1:] if cell.startswith("'") and _guarded(cell[1:]) else cell


def _guarded(text: str) -> bool:
    """Whether it begins as a formula does, behind blanks and apostrophes."""
    return text.lstrip(" '\u00a0\ufeff").startswith(_FORMULA)


def _cell(value: Any) -> str:
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return number(float(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, pd.Timestamp):
        return day(value) if value == value.normalize() else value.isoformat()
    return value.isoformat() if isinstance(value, date) else inert(str(value))


def number(value: float) -> str:
    """A float as short as it can be written, rounded to `DECIMALS`; NaN is empty.

    >>> number(0.1 + 0.2), number(12000.0), number(-1e-17), number(float("nan"))
    ('0.3', '12000', '0', '')
    """
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    rounded = round(value, DECIMALS) + 0.0
    return str(int(rounded)) if float(rounded).is_integer() else repr(rounded)


def day(value: Any) -> str:
    """A date as ISO text.

    >>> day(pd.Timestamp("2026-10-31"))
    '2026-10-31'
    """
    return pd.Timestamp(value).strftime("%Y-%m-%d")


def plain(value: Any) -> Any:
    """A value as JSON can hold it: an Estimate as its five keys, dates as text, numbers rounded, the undefined as null.

    >>> plain({"n": np.float64(0.1234567890), "when": pd.Timestamp("2026-10-31"), "none": float("nan")})
    {'n': 0.123457, 'when': '2026-10-31', 'none': None}
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, list | tuple | set | pd.Series | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, str | bool) or value is None:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return _json_number(float(value))
    if value is pd.NaT or value is pd.NA:
        return None
    return day(value) if isinstance(value, date) else str(value)


def _json_number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    rounded = round(value, JSON_DECIMALS) + 0.0
    return int(rounded) if float(rounded).is_integer() else rounded


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write one JSON object with sorted keys and rounded numbers; keys whose value is None are left out at the top."""
    known = {k: v for k, v in content.items() if v is not None}
    text = json.dumps(plain(known), ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8", newline="")


def add_to_summary(part: Mapping[str, Any], folder: Path) -> None:
    """Put the keys a command computed into ``summary.json`` of a run's folder, keeping those of other commands."""
    path = folder / "summary.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_json({**before, **part}, path)


def write_rejected(rejected: Mapping[str, pd.DataFrame], folder: Path) -> list[str]:
    """One ``rejected/<table>.csv`` for each table that lost rows; returns the tables."""
    written = [name for name, frame in sorted(rejected.items()) if len(frame)]
    for name in written:
        write_csv(rejected[name], folder / "rejected" / f"{name}.csv")
    return written


def scores_columns(frame: pd.DataFrame) -> list[str]:
    """The columns of ``scores.csv`` in the order of the contract, for the groups and metrics this scorecard has; ours come last."""
    groups = [c for c in frame.columns if str(c).startswith("group:")]
    points = [c for c in frame.columns if str(c).startswith("points:") and c not in SCORES_LAST]
    return [*SCORES, *groups, *points, "top_drivers", "playbook", *(c for c in SCORES_LAST if c in frame)]


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Package -> version installed, healthlib's as this checkout says it; packages that are absent are left out."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in packages:
        try:
            found[name] = __version__ if name == "healthlib" else version(name)
        except PackageNotFoundError:
            continue
    return found
