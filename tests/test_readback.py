"""Every CSV that a run writes reads back through pandas and DuckDB to what was written, whatever accounts and people are called."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from healthlib import artifacts, runner
from healthlib.demo import make_demo
from tests.test_killed import short_notebooks
from tests.test_reruns import opened

NASTY = (
    "=cmd|' /C calc'!A0", "+1", "@x", "-2", "'=already", "''", "two\nlines", "two\r\nlines", "a\rreturn", "\ttab",
    'quo"te, and comma', '"', "NA", "null", "007", "1e5", "عميل الرياض", "日本株式会社", "🚀 Rocket", "\u202eevil",
    "＝1", " -blank", "true", "2026-10-31", "a;b", "#x", "\\n", "x" * 300,
)  # fmt: skip


def read_by(reader: str, path: Path) -> list[list[str]]:
    """The rows as text, header first, by a reader told no more than that all is text."""
    if reader == "pandas":
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    else:
        found = duckdb.connect().execute(
            "SELECT * FROM read_csv(?, all_varchar = true, header = true, delim = ',', quote = '\"')", [str(path)]
        )
        frame = found.df().fillna("")
    return [list(frame.columns), *frame.to_numpy(dtype=object).tolist()]


def meant(value: Any) -> str:
    """What a cell stands for: a second reading of what `write_csv` promises."""
    if isinstance(value, str):
        return value
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, pd.Timestamp):
        return value.isoformat().removesuffix("T00:00:00")
    return value.isoformat() if hasattr(value, "isoformat") else repr(float(value))


def differing(path: Path, frame: pd.DataFrame, reader: str) -> list[tuple[str, str, str]]:
    """Column, what was meant and what was read, where they differ; numbers within the digits that are written."""
    header, *rows = read_by(reader, path)
    assert [artifacts.taken_back(name) for name in header] == [str(name) for name in frame.columns], path.name
    assert len(rows) == len(frame), path.name
    found = []
    for i, name in enumerate(frame.columns):
        for want, got in zip(frame.iloc[:, i].tolist(), (row[i] for row in rows), strict=True):
            if isinstance(want, int | float | np.number) and not isinstance(want, bool | np.bool_) and want == want:
                same = float(got) == pytest.approx(float(want), rel=1e-12, abs=0.6 * 10**-artifacts.DECIMALS)
            else:
                same = artifacts.taken_back(got) == meant(want)
            found += [] if same else [(f"{path.name}: {name}", meant(want), got)]
    return found


@pytest.mark.parametrize("reader", ["pandas", "DuckDB"])
def test_text_of_any_kind_comes_back(reader: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"account_id": NASTY, "name": [*NASTY[1:], NASTY[0]], "n": np.arange(len(NASTY)) / 7})
    frame["nobody"] = None
    artifacts.write_csv(frame, tmp_path / "a.csv")
    assert differing(tmp_path / "a.csv", frame, reader) == []


def test_the_guard_is_taken_off_only_where_it_was_put_on() -> None:
    for text in (*NASTY, "'", "'x", "'''=1", "' =1"):
        assert artifacts.taken_back(artifacts.inert(text)) == text
        assert not artifacts.inert(text).lstrip().startswith(("=", "+", "-", "@", "＝"))
    assert len({artifacts.inert(text) for text in (*NASTY, "=already")}) == len(NASTY) + 1


def hostile(folder: Path) -> Path:
    """The demo with accounts, companies and people of strange names, in every table."""
    make_demo(folder, accounts=60)
    ids = {f"A{i + 1:04d}": text for i, text in enumerate(NASTY)}
    for path in sorted(folder.glob("*.csv*")):
        with opened(path, "r") as file:
            header, *rows = csv.reader(file)
        for row in rows:
            n = int(row[0][1:]) if row[0][1:].isdigit() else 0
            row[0] = ids.get(row[0], row[0])
            for column in ("name", "csm", "kind") if path.name.startswith(("accounts", "attributes")) else ():
                if column in header:
                    row[header.index(column)] = NASTY[n % (3 if column == "csm" else len(NASTY))]
        with opened(path, "w") as file:
            csv.writer(file, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows([header, *rows])
    return folder


def test_every_table_of_a_run_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, aside = artifacts.write_csv, tmp_path / "frames"
    aside.mkdir()

    def kept(frame: pd.DataFrame, path: Path, columns: Any = None) -> None:  # in a worker: what it saw comes back as a file
        name = "rejected--" * (path.parent.name == "rejected") + path.name
        (frame if columns is None else frame.loc[:, list(columns)]).to_pickle(aside / name)
        write(frame, path, columns)

    monkeypatch.setattr(artifacts, "write_csv", kept)
    left = runner.run(hostile(tmp_path / "acme"), None, tmp_path / "out", notebooks=short_notebooks(tmp_path / "notebooks")).folder
    files = sorted(left.rglob("*.csv"))
    written = {path.name.replace("--", "/"): pd.read_pickle(path) for path in aside.iterdir()}
    assert {path.relative_to(left).as_posix() for path in files} == written.keys()
    assert len(files) >= 14
    for path in files:
        for reader in ("pandas", "DuckDB"):
            assert differing(path, written[path.relative_to(left).as_posix()], reader) == []
    scores = pd.read_csv(left / "scores.csv", dtype=str, keep_default_na=False)["account_id"]
    assert len({artifacts.taken_back(account) for account in scores} & set(NASTY)) > 8
    assert not scores.str.match(r"[=+@\-]").any()
