"""What the database guesses about a CSV that a query of the user's names, where a guess leaves rows out or takes days for months."""

from __future__ import annotations

import re
from pathlib import Path

from healthlib.engine import Engine, QueryError, literal

NAMED = re.compile(r"(read_csv(?:_auto)?\s*\(\s*\[?\s*)?'((?:[^'\n]|'')*\.(?:csv|tsv|txt)(?:\.gz)?)'([^)]*)", re.IGNORECASE)
ISO = "%Y-%m-%d"


def guesses(label: str, sql: str, folder: Path, engine: Engine) -> tuple[str, ...]:
    """A line for each file whose reading rests on a guess that matters, with the option that settles it.

    Parameters
    ----------
    label : where the query stands
    sql : the query
    folder : what its paths start from
    engine : the database that reads them
    """
    said: list[str] = []
    for call, quoted, options in dict.fromkeys(NAMED.findall(sql)):
        name = quoted.replace("''", "'")
        settled = options.lower() if call else ""
        if not (folder / name).is_file():
            continue
        try:
            found = engine.first(f"SELECT SkipRows, Comment, DateFormat, TimestampFormat FROM sniff_csv({literal(str(folder / name))})")
        except QueryError:
            continue
        said += [f"{label}: {line}" for line in _told(name, settled, found or (0, "", None, None))]
    return tuple(dict.fromkeys(said))


def _told(name: str, settled: str, found: tuple) -> list[str]:
    """What is left open by the options of one file, in words."""
    skipped, comment, *formats = found
    said = []
    if skipped and "skip" not in settled:
        above = f"the database takes what stands above line {skipped + 1} of {name} for no rows"
        said.append(f"{above}; write read_csv('{name}', skip = {skipped}) if that is so, skip = 0 if not")
    if comment and comment != "(empty)" and "comment" not in settled:
        said.append(
            f"the database leaves out lines of {name} that start with {comment}; write read_csv('{name}', comment = '') to keep them"
        )
    for form in formats:
        if form and not str(form).startswith(ISO) and "format" not in settled and "all_varchar" not in settled:
            said.append(
                f"dates in {name} are read as {form}, which is a guess; write read_csv('{name}', dateformat = '{form}') or all_varchar"
            )
    return said
