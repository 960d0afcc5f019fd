"""Other people's exports through the committed workspaces: configuration alone. Skipped where ../shared/data is absent."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from healthlib.parts import check, run_part
from healthlib.spec import load_workspace
from healthlib.studies.book import Book, load_book
from healthlib.studies.fit import fit_study

ROOT = Path(__file__).parents[1]
SHARED = ROOT / "../shared/data"
SETS = ("crm5", "oulad", "ravenstack", "ravenstack_excel", "gtm_schools", "complyflow", "telco", "iranian")


def workspace(name: str) -> Path:
    """The committed workspace of one set; skips where its exports are not beside the project."""
    if not (SHARED / name).is_dir():
        pytest.skip(f"the exports {name} are not part of the project; put them into ../shared/data/{name}")
    return ROOT / "data" / name


@cache
def book(name: str) -> Book:
    return load_book(workspace(name))


@pytest.mark.parametrize("name", SETS)
def test_the_configuration_is_committed_and_sound(name):
    assert load_workspace(ROOT / "data" / name).scorecard.metrics


@pytest.mark.slow
def test_a_spreadsheet_that_saved_the_exports_again_changes_nothing():
    """DD-MM-YYYY, byte-order mark, CRLF, TRUE and FALSE: every frame equal in every cell, so every artifact made of them is."""
    ours, theirs = book("ravenstack"), book("ravenstack_excel")
    frames = (
        "cases", "history", "leads", "ledger", "churned", "silences", "overrides", "dated", "answers", "feedback", "terms", "use",
        "interventions",
    )  # fmt: skip
    for name in frames:
        pd.testing.assert_frame_equal(getattr(ours, name), getattr(theirs, name), check_exact=True)
    pd.testing.assert_frame_equal(ours.tables.drop(columns="sha256"), theirs.tables.drop(columns="sha256"), check_exact=True)
    assert ours.rejected.keys() == theirs.rejected.keys()
    for table in ours.rejected:
        pd.testing.assert_frame_equal(ours.rejected[table], theirs.rejected[table], check_exact=True)
    for name in ("scorecard", "as_of", "data_through", "warnings", "incumbent"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.workspace.name == theirs.workspace.name
    named = {field.name for field in fields(Book)} - {"workspace"}
    assert named == {
        *frames,
        "tables",
        "rejected",
        "scorecard",
        "as_of",
        "data_through",
        "warnings",
        "incumbent",
        "traces",
        "began",
        "diary",
    }
    for name in ("leavers", "rows", "accounts"):
        pd.testing.assert_frame_equal(getattr(ours.traces, name), getattr(theirs.traces, name), check_exact=True)
    assert ours.traces.attributes == theirs.traces.attributes
    for name in ("starts", "activity", "adopted", "steps"):
        pd.testing.assert_frame_equal(getattr(ours.began, name), getattr(theirs.began, name), check_exact=True)
    assert ours.began.recorded == theirs.began.recorded
    for name in ("terms", "months", "plays", "recent"):
        pd.testing.assert_frame_equal(getattr(ours.diary, name), getattr(theirs.diary, name), check_exact=True)


def test_ravenstack_counts():
    """4,222 of 5,000 subscriptions are paid for; 13 of them end on the day they begin (counted in the CSV with awk)."""
    report = book("ravenstack").tables.set_index("table")
    assert report["rows_in"].to_dict() == {"accounts": 4222, "contracts": 4222, "usage": 21140, "tickets": 16789, "cancellations": 4175}
    assert report["rows_rejected"].to_dict() == {"accounts": 0, "contracts": 13, "usage": 0, "tickets": 0, "cancellations": 0}


@pytest.mark.slow
def test_random_churn_is_not_predicted():
    """The author of RavenStack drew the ends at random: neither hand-made nor fitted weights may claim to see them."""
    ours = book("ravenstack")
    fit = fit_study(ours.compared_cases, ours.workspace.scorecard, replicates=50)
    assert fit.recommendation != "adopt"
    assert fit.auc["current"].low < 0.55


def test_the_price_of_a_lost_renewal_is_not_zero():
    """renewals.csv writes 0 over the price of each renewal that churned; the contract keeps what was paid: 1,200 or 8,000."""
    cases = book("gtm_schools").cases
    assert set(cases.loc[cases["lost"] == 1, "arr"]) == {1200.0, 8000.0}
    assert cases["outcome"].value_counts().to_dict() == {"renewed": 40, "churned": 16, "open": 13}


def test_a_snapshot_taken_only_of_those_who_leave_is_called_a_leak():
    """Of subscriptions that ended, the health snapshot was taken exactly 90 days before; of the others only in the last ten months."""
    ours = book("complyflow")
    fit = fit_study(ours.compared_cases, ours.workspace.scorecard, replicates=50)
    assert {"usage_score", "login_frequency_30d", "support_tickets_30d", "score_history"} <= set(fit.leaks["metric"])
    recommended = fit.weights.set_index("metric")["recommended"]
    assert recommended[["usage_score", "login_frequency_30d", "support_tickets_30d"]].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["telco", "iranian"])
def test_what_a_flat_sheet_tells_honestly_is_no_leak(name):
    """Complaints of 40 % of those who left and of 2 % of those who stayed are a strong warning, not a record of the leaving."""
    assert book(name).leaks.found.empty


@pytest.mark.slow
def test_the_copy_of_a_spreadsheet_gives_the_same_files_to_the_byte(tmp_path):
    """But for what says which bytes were read: the hashes of the inputs."""
    written = {}
    for name in ("ravenstack", "ravenstack_excel"):
        folder = check(workspace(name), out=tmp_path / name).folder
        assert run_part("score", workspace(name), out=tmp_path / name).folder == folder
        hashes = dict.fromkeys(map(str, book(name).tables["sha256"]), "")
        paths = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        written[name] = {path.as_posix(): _without((folder / path).read_bytes(), hashes) for path in paths}
    ours, theirs = written.values()
    assert {"scores.csv", "summary.json", "rejected/contracts.csv"} <= set(ours)
    assert ours == theirs


def _without(content: bytes, hashes):
    for digest in hashes:
        content = content.replace(digest.encode(), b"(sha256 of an input)")
    return content
