"""What was guessed as the text of workspace.yaml and scorecard.yaml: each guess with its evidence in a comment."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .init_contracts import Terms
from .init_flat import Flat
from .init_mapping import Mapped
from .init_metrics import Guess, whole_weights
from .init_sql import relative, select

WIDTH = 138
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ ./-]*[A-Za-z0-9_./-]|[A-Za-z_]")
WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"])

HEAD = """\
# A first draft, written by `healthlib init` from the exports in {exports}.
# Every line is a guess with what it rests on; `guess:` marks those to look at first, YOURS TO DECIDE those that nobody but you can settle.
# `healthlib check` says how many rows the mapping loses, and why.
"""

BANDS = """\
bands:                            # guess: set them where the backtest says
  - {name: red, from: 0}
  - {name: yellow, from: 40}
  - {name: green, from: 60}
"""

PLAYBOOKS = {
    "adoption": "Usage review with the champion",
    "deployment": "Finish the open onboarding steps",
    "engagement": "Executive call within 5 working days",
    "roi": "Value workshop",
    "relationship": "Call and ask what is wrong",
    "support": "Escalate the open tickets",
    "commercial": "Review terms and invoices",
}


def scalar(value: Any) -> str:
    """One YAML value on one line.

    >>> scalar("usage"), scalar("yes"), scalar("a: b"), scalar({"quantile": 0.1}), scalar(3.0)
    ('usage', '"yes"', '"a: b"', '{quantile: 0.1}', '3')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {scalar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(scalar, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.10g}"
    text = str(value)
    return text if PLAIN.fullmatch(text) and text.lower() not in WORDS else json.dumps(text, ensure_ascii=not text.isprintable())


SUCCESS = """\
# YOURS TO DECIDE: who counts as a successful customer; without it the audit uses these values.
# success: {renewals: 1, arr_kept: 1.0, use_points: 50, tenure_days: 0}
# YOURS TO DECIDE: what it takes to work an account and how many that saves, for choosing thresholds.
# work: {accounts_per_csm: 12, cost: 300, save_rate: [0.1, 0.3], renew_best: 0.95, renew_worst: 0.75}"""


def comment(text: str, indent: int = 0) -> list[str]:
    """A comment, wrapped; whatever a header or cell holds stays on lines that begin with #."""
    flat = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    lead = " " * indent + "# "
    return textwrap.wrap(flat, WIDTH, initial_indent=lead, subsequent_indent=lead + "  ", break_long_words=True, break_on_hyphens=False)


def workspace_text(
    tables: Mapping[str, Sequence[Mapped]], terms: Terms, *, title: str, folder: Path, remarks: Mapping[str, Sequence[str]]
) -> str:
    """workspace.yaml of a folder with tables.

    Parameters
    ----------
    remarks : "exports" (one line: where they are), "currency" (code, evidence), "through" (day or "", evidence), "left" (files, no table)
    """
    currency, why = remarks["currency"]
    through, said = remarks["through"]
    lines = [
        *HEAD.format(exports=remarks["exports"][0]).splitlines(),
        f"name: {scalar(title)}",
        *comment(why),
        f"currency: {scalar(currency)}",
    ]
    lines += [*comment(said), f"data_through: {through}"] if through else comment(f"data_through is left out: {said}")
    lines += _reads(remarks["exports"][0]) + ["tables:"]
    for name, parts in tables.items():
        lines += [f"  {name}:", *_table(parts, folder)]
    lines += _left(remarks["left"])
    lines += ["outcome:", *comment(f"guess: {terms.said}", 2), f"  kind: {terms.kind}"]
    lines += [f"  horizon_days: {terms.horizon_days}"] if terms.kind == "churn_within" else [f"  lead_days: {terms.lead_days}"]
    return "\n".join([*lines, f"  grace_days: {terms.grace_days}", SUCCESS, ""])


def flat_text(flat: Flat, *, title: str, folder: Path, remarks: Mapping[str, Sequence[str]]) -> str:
    """workspace.yaml of a flat sheet."""
    currency, why = remarks["currency"]
    lines = [*HEAD.format(exports=remarks["exports"][0]).splitlines(),
             "# One sheet, one row per account, no dates: the backtest becomes cross-validation, and every page says that this is weaker.",
             f"name: {scalar(title)}", *comment(why), f"currency: {scalar(currency)}",
             *comment("data_through: YOURS TO DECIDE: no column says of which day the sheet is"), "flat:",
             f"  file: {scalar(relative(flat.sheet.paths[0], folder))}"]  # fmt: skip
    if flat.account_id:
        lines += [*comment(f"unique in all {len(flat.sheet.cells)} rows", 2), f"  account_id: {scalar(flat.account_id)}"]
    else:
        lines += comment("guess: no column tells the accounts apart, so a row goes by its line: no account_id", 2)
    churned = flat.churned[0] if len(flat.churned) == 1 else list(flat.churned)
    quoted = json.dumps(churned, ensure_ascii=False)
    lines += [*comment(f"guess: {flat.said['outcome']}", 2), f"  outcome: {{column: {scalar(flat.outcome)}, churned: {quoted}}}"]
    if flat.arr:
        amount = scalar(flat.arr) if flat.times == 1 else f"{{column: {scalar(flat.arr)}, times: {flat.times}}}"
        note = "a monthly amount by its name" if flat.times == 12 else "by its name; nothing says that it is an amount a year"
        lines += [*comment(f"guess: {'; '.join(part for part in (note, flat.said['arr']) if part)}", 2), f"  arr: {amount}"]
    else:
        lines += comment("no column tells of money: every account counts 1", 2)
    if flat.attributes:
        lines += [*comment("columns with a few different words, to group by", 2), f"  attributes: {scalar(flat.attributes)}"]
    for name, reason in flat.leaks.items():
        lines += comment(f"NOT USED, may know the future: {name}: {reason}", 2)
    lines += comment(f"not placed: {', '.join(flat.unplaced)}", 2) if flat.unplaced else []
    return "\n".join([*lines, *_left(remarks["left"]), ""])


def scorecard_text(metrics: Sequence[Guess], *, title: str) -> str:
    """scorecard.yaml: nearly equal weights that sum to 100."""
    groups = list(dict.fromkeys(guess.group for guess in metrics))
    lines = [*comment(f"A first scorecard for {title}, written by `healthlib init`: every metric is a guess, and so is its direction."),
             "# Weights are nearly equal; `healthlib fit` says what they should have been.",
             "# {quantile: 0.1} is read from the past up to the day in question, never from the future.",
             f"groups: {scalar(groups)}", "metrics:"]  # fmt: skip
    for group in groups:
        lines.append(f"  # --- {group} ---")
        for guess, weight in zip(metrics, whole_weights(len(metrics)), strict=True):
            if guess.group == group:
                fields = {"group": group, "label": guess.label, **guess.fields, "weight": weight}
                lines += [*comment(f"guess: {guess.note}", 2), f"  {guess.name}: {scalar(fields)}"]
    plays = {group: PLAYBOOKS[group] for group in groups if group in PLAYBOOKS}
    lines += [*BANDS.splitlines(), "min_coverage: 0.5"]
    lines += ["playbooks:", f"  red: {scalar(plays)}"] if plays else []
    return "\n".join([*lines, ""])


def _reads(exports: str) -> list[str]:
    """The folder of exports, where it lies outside the workspace: queries read no other."""
    outside = exports.startswith("..")
    return ["# queries read files of this folder and of those named here, and no others", f"reads: {scalar([exports])}"] if outside else []


def _left(left: Sequence[str]) -> list[str]:
    return (
        [*comment("files that are no table of this workspace:"), *(line for item in left for line in comment(f"- {item}"))] if left else []
    )


def _table(parts: Sequence[Mapped], folder: Path) -> list[str]:
    """Comments and mapping of one table, from one file or several."""
    lines = [line for part in parts for line in _evidence(part)]
    first = parts[0]
    lines += [f"    time: {first.time}"] if first.time else []
    if len(parts) == 1 and first.as_file:
        return [*lines, *_as_file(first, folder)]
    sql = "\nunion all by name\n".join(select(part, folder) for part in parts)
    odd = any(not line.isprintable() for line in sql.split("\n"))
    if odd:
        return [*lines, f"    sql: {json.dumps(' '.join(sql.split(chr(10))))}"]
    return [*lines, "    sql: >-", *(f"      {line}" for line in sql.split("\n"))]


def _evidence(part: Mapped) -> Iterable[str]:
    yield from comment(
        f"{part.source.sheet.label}: {part.source.why}{'; the first 500,000 rows were looked at' if part.source.sheet.partial else ''}", 4
    )
    if part.source.sheet.ragged and not part.as_file:
        yield from comment(f"YOURS TO DECIDE: {part.source.sheet.ragged}: SQL reads no such file. Mend those lines", 4)
    for note in part.notes:
        yield from comment(note, 4)
    for pick in part.picks:
        origin = f" from {pick.origin}" if pick.origin and pick.origin != pick.name else ""
        yield from comment(f"{pick.name}{origin}{': ' if pick.note else ''}{pick.note}", 4)
    for name, why in part.leaks.items():
        yield from comment(f"NOT USED, may know the future: {name}: {why}", 4)
    if part.unplaced:
        tail = "; they come along under their own names" if part.as_file else ""
        yield from comment(f"not placed{tail}: {', '.join(part.unplaced)}", 4)


def _as_file(part: Mapped, folder: Path) -> list[str]:
    sheet = part.source.sheet
    columns = {pick.name: pick.header for pick in part.picks if pick.header and pick.header != pick.name}
    lines = [f"    file: {scalar(relative(sheet.paths[0], folder) + (f'#{sheet.sheet}' if sheet.sheet else ''))}"]
    lost = [pick.name for pick in part.picks if pick.header is None]
    if sheet.form == "excel" and (lost or part.where or part.unpivot):
        said = ", ".join(lost) or "the choice of rows"
        lines = [*comment(f"YOURS TO DECIDE: a workbook cannot be read by SQL, so {said} could not be worked out; save the sheet as CSV",
                          4), *lines]  # fmt: skip
    return [*lines, *([f"    columns: {scalar(columns)}"] if columns else [])]
