"""A month made again: it takes the old one's place whole, and a past month says what exports cut on that day would have said."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, TextIO

import pytest

from healthlib import runner, status
from healthlib.demo import make_demo
from healthlib.schema import TABLES
from tests.test_bad_days import COMPANIES, company
from tests.test_killed import short_notebooks

WHOLE = bool(os.environ.get("HEALTHLIB_SAME"))
AT = "2026-02-28"
COUNTED = ("rows_in", "rows_used")


def files(folder: Path) -> dict[str, bytes]:
    """What a run leaves, but for what says when it was."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (".lock", status.FILE, "manifest.json"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_month_made_again_from_other_exports_is_as_if_it_had_never_been_made_before(tmp_path: Path) -> None:
    """First with a row that is set aside and a CSM; then mended, with another ARR and no CSM: two files fewer, and no trace of them."""
    folder, notebooks = company(tmp_path / "tiny", *COMPANIES["nobody ever left"]), short_notebooks(tmp_path / "notebooks")
    with (folder / "workspace.yaml").open("a") as file:
        file.write("max_rejected: 0.5\n")
    good = (folder / "contracts.csv").read_text()
    (folder / "contracts.csv").write_text(good.replace("b,2026-06-01,2027-06-01,50", "b,2026-06-01,2027-06-01,-50"))
    (folder / "accounts.csv").write_text("account_id,name,csm\na,Acme,Ann\nb,Bee,Ann\n")
    first = runner.run(folder, None, tmp_path / "out", notebooks=notebooks)
    before = files(tmp_path / "out")
    (folder / "contracts.csv").write_text(good.replace("2026-06-01,2027-06-01,50", "2026-06-01,2027-06-01,70"))
    (folder / "accounts.csv").write_text("account_id,name\na,Acme\nb,Bee\n")
    again = runner.run(folder, None, tmp_path / "out", notebooks=notebooks)
    fresh = runner.run(folder, None, tmp_path / "fresh", notebooks=notebooks)
    assert (first.as_of, first.folder) == (again.as_of, again.folder)
    gone = before.keys() - files(tmp_path / "out").keys()
    assert {"rejected/contracts.csv", "book-ann.html"} <= {name.removeprefix(f"tiny/{first.as_of}/") for name in gone}
    assert files(again.folder) == files(fresh.folder)
    assert files(again.folder) != {name: before.get(f"tiny/{first.as_of}/{name}") for name in files(again.folder)}
    assert sorted(path.name for path in (tmp_path / "out" / "tiny").iterdir()) == [".lock", first.as_of, status.FILE]
    index = [(tmp_path / name / "index.html").read_text().count(f'href="tiny/{first.as_of}/executive.html"') for name in ("out", "fresh")]
    assert index[0] == index[1] > 0, "the month is listed as often as a month that was made once"
    told = status.read(tmp_path / "out" / "tiny")
    assert told is not None
    assert (told["state"], told["exit_code"], told["folder"], told["last_good"]["as_of"]) == ("ok", 0, first.as_of, first.as_of)
    assert "1 contract added" in " ".join(again.late), again.late


def opened(path: Path, mode: str) -> TextIO:
    """A CSV, packed or not."""
    return (
        gzip.open(path, f"{mode}t", encoding="utf-8", newline="") if path.suffix == ".gz" else path.open(mode, encoding="utf-8", newline="")
    )  # type: ignore[return-value]


def cut(source: Path, target: Path, at: str) -> dict[str, int]:
    """The exports as they would have come on `at`: no row that happened or was recorded later, no account without a contract."""
    shutil.copytree(source, target)
    with opened(source / "contracts.csv", "r") as file:
        begun = {row["account_id"] for row in csv.DictReader(file) if row["start_date"] <= at}
    left: dict[str, int] = {}
    for path in sorted(target.glob("*.csv*")):
        name = path.name.split(".")[0]
        with opened(path, "r") as file:
            header, *rows = csv.reader(file)
        days = [header.index(column) for column in (TABLES[name].time, "recorded_at") if column in header]
        kept = [row for row in rows if all(row[day][:10] <= at for day in days) and (days or row[header.index("account_id")] in begun)]
        with opened(path, "w") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *kept])
        left[name] = len(rows) - len(kept)
    return left


def without_counts(folder: Path) -> dict[str, bytes]:
    """What a run leaves, without what it says of the exports as files: how many rows they had, in which line one stood, and their hash."""
    found = files(folder)
    for name in [name for name in found if name.startswith("rejected/")]:
        header, *rows = csv.reader(found[name].decode().splitlines())
        found[name] = repr([header, *(row[:1] + row[2:] for row in rows)]).encode()
    told: Any = json.loads(found["summary.json"])
    for table in told["tables"]:
        for key in COUNTED:
            del table[key]
    found["summary.json"] = json.dumps(told).encode()
    if "proposal.yaml" in found:  # says what it was made from
        found["proposal.yaml"] = re.sub(rb"[0-9a-f]{12,64}", b"hash", found["proposal.yaml"])
    del found["inputs.parquet"]
    return found


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The report of a past month from today's exports, and from those cut on that day."""
    home = tmp_path_factory.mktemp("past")
    make_demo(home / "now" / "acme", **({} if WHOLE else {"accounts": 60}))
    left = cut(home / "now" / "acme", home / "then" / "acme", AT)
    assert all(left[name] for name in ("contracts", "usage", "tickets", "ratings", "accounts")), left
    (home / "project").mkdir()
    notebooks = None if WHOLE else short_notebooks(home / "project" / "notebooks")
    now, then = (runner.run(home / name / "acme", AT, home / f"{name} out", notebooks=notebooks).folder for name in ("now", "then"))
    return now, then


def test_a_past_month_is_what_exports_cut_on_that_day_would_have_given(past: tuple[Path, Path]) -> None:
    """Every table and every figure; under `make same` every byte of every page too, but for the counts of rows read."""
    now, then = (without_counts(folder) for folder in past)
    assert now.keys() == then.keys()
    differing = [name for name in now if now[name] != then[name]]
    assert [name for name in differing if not name.endswith((".html", ".ipynb"))] == []
    for name in differing:
        assert others(now[name], then[name], past) == [], name
    assert len(now) > 20


def others(one: bytes, other: bytes, folders: tuple[Path, Path]) -> list[tuple[str, str]]:
    """Pairs of elements of a page that differ in more than the hash of the exports and, where it says these, their numbers of rows."""
    pages = [re.sub(r"[0-9a-f]{12}", "hash", page.decode().replace("><", ">\n<")).splitlines() for page in (one, other)]
    counts = [counted(folder) for folder in folders]
    assert len(pages[0]) == len(pages[1])
    pairs = [pair for pair in zip(*pages, strict=True) if pair[0] != pair[1]]
    return [pair for pair in pairs if counts[0].sub("n", pair[0]) != counts[1].sub("n", pair[1])]


def counted(folder: Path) -> re.Pattern[str]:
    """The numbers of rows of a run's exports, as pages write them."""
    inputs = json.loads((folder / "manifest.json").read_text())["inputs"]
    numbers = {table[key] for table in inputs for key in COUNTED} | {sum(table["rows_in"] for table in inputs)}
    forms = {form for number in numbers for form in (str(number), f"{number:,}")}
    return re.compile(rf"(?<![\d.,])({'|'.join(sorted(forms, key=len, reverse=True))})(?![\d.])")


def test_the_cut_leaves_out_what_the_report_of_that_day_must_not_know(past: tuple[Path, Path]) -> None:
    """The comparison can fail: today's report says other things of the same accounts."""
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in past]
    rows = [{table["table"]: table["rows_in"] for table in manifest["inputs"]} for manifest in manifests]
    assert all(rows[0][name] > 1.05 * rows[1][name] for name in ("contracts", "usage", "tickets", "ratings"))
