"""What a run recommends can be adopted whole: curves reach profiles, weights are those tested, and nothing is written by halves."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from healthlib import publish
from healthlib.adopt import AdoptError, Told, Wanted, adopt, adopt_weights, write_adoption
from healthlib.adopt_checks import undone
from healthlib.adoptions import read_adoptions
from healthlib.fit_proposal import proposal_of, write_proposal
from healthlib.proposal import read_proposal
from healthlib.spec import load_scorecard
from healthlib.studies.fit import fit_study
from tests.small_company import book

CARD = """groups: [adoption, relationship]
metrics:
  seats_used:
    group: adoption
    table: usage
    measure: count
    worst: 0
    best: 1
    profiles:             # the new
      - when: {age_days: {under: 90}}   # three months
        best: 0.6         # less is enough
        weight: 7
      - {when: {segment: SMB}, weight: 3}
    weight: 40
  tickets: {group: adoption, table: tickets, measure: open, worst: 8, best: 0, weight: 20}
  contact: {group: relationship, table: touchpoints, measure: days_since, worst: 200, best: 0, weight: 20}
bands:
  - {name: red, from: 0}
  - {name: green, from: 60}
"""
TOLD = Told(date(2026, 11, 2), "Ana", "why", "weights.csv")
CURVES = pd.DataFrame({
    "metric": ["seats_used"] * 4, "profile": [-1, -1, 0, 0], "value": [0.0, 0.9, 0.0, 0.5], "points": [0.0, 100.0, 10.0, 90.0],
})  # fmt: skip
WEIGHTS = pd.DataFrame({"metric": ["seats_used", "tickets", "contact"], "recommended": [50, 30, 20]})


def workspace(tmp_path: Path) -> tuple[SimpleNamespace, Path]:
    path = tmp_path / "scorecard.yaml"
    path.write_text(CARD)
    known = book()
    card = load_scorecard(path)
    made = replace(known, scorecard=card, workspace=known.workspace.model_copy(update={"scorecard": card}))
    tables = pd.DataFrame({"table": ["usage"], "sha256": ["ab"]})
    parts = {name: getattr(made, name) for name in ("scorecard", "workspace", "as_of", "compared_cases")}
    return SimpleNamespace(**parts, tables=tables), path


@pytest.fixture(scope="module")
def facts():
    known = book()
    return fit_study(known.compared_cases, known.scorecard, replicates=20)


def test_curves_and_weights_reach_the_scorecard_and_its_profiles_as_tested(tmp_path: Path, facts) -> None:
    opened, path = workspace(tmp_path)
    learned = replace(facts.learned, advice="adopt", curves=CURVES, weights=WEIGHTS)
    file = write_proposal(opened, replace(facts, learned=learned), tmp_path)
    assert read_proposal(file).origin.by == "fit"
    done = adopt_weights(path, file)
    assert "1 scale" in done.said()
    write_adoption(path, done, TOLD)
    after, seats = path.read_text(), load_scorecard(path).metrics["seats_used"]
    assert (seats.worst, seats.best, seats.curve, seats.weight) == (None, None, {0: 0, 0.9: 100}, 50)
    assert [profile.curve for profile in seats.profiles] == [{0: 10, 0.5: 90}, None]
    assert [profile.weight for profile in seats.profiles] == [50, 50]  # tested alike for all accounts
    assert all(comment in after for comment in ("# the new", "# three months", "# less is enough"))
    shown = proposal_of(opened, replace(facts, learned=learned))
    assert all(
        load_scorecard(path).bands[i].start == shown.bands.get(name, start) for i, (name, start) in enumerate([("red", 0), ("green", 60)])
    )


def test_nothing_recommended_leaves_no_file_and_takes_an_old_one_away(tmp_path: Path, facts) -> None:
    opened, _ = workspace(tmp_path)
    kept = replace(facts, recommendation="keep", learned=replace(facts.learned, advice="keep"))
    (tmp_path / "proposal.yaml").write_text("old")
    assert write_proposal(opened, kept, tmp_path) is None
    assert not (tmp_path / "proposal.yaml").exists()


@pytest.mark.parametrize("text", ["metric,group,current,fitted,recommended\nseats_used,a,40,50,50\n",
                                  "metric,value,points,profile,recommended\nseats_used,0,0,-1,true\n"])  # fmt: skip
def test_one_half_of_what_was_tested_is_refused(text: str, tmp_path: Path) -> None:
    _, path = workspace(tmp_path)
    (tmp_path / "scales_weights.csv").write_text(text)
    with pytest.raises(AdoptError, match=r"one half of what was tested.*proposal\.yaml"):
        adopt_weights(path, tmp_path / "scales_weights.csv")


def test_weights_of_profiles_keep_their_proportion_where_no_fit_says_otherwise(tmp_path: Path) -> None:
    _, path = workspace(tmp_path)
    found = adopt(path, Wanted(path, {"seats_used": 50, "tickets": 25, "contact": 25}))
    path.write_bytes(found.after.encode())
    assert [profile.weight for profile in load_scorecard(path).metrics["seats_used"].profiles] == [8.75, 3.75]  # 80 points were 100


@pytest.mark.parametrize("name", ["on", "no", "7", "'é: #'"])
def test_a_metric_may_have_any_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "scorecard.yaml"
    path.write_text(f"metrics:\n  {name}: {{weight: 1}}\nbands: [{{name: red, from: 0}}]\n")
    found = adopt(path, Wanted(path, {name.strip("'"): 30.0}, {name.strip("'"): {"curve": {0.0: 0.0, 0.4: 60.0}}}))
    assert found.after == f"metrics:\n  {name}: {{weight: 30}}\nbands: [{{name: red, from: 0}}]\n".replace(
        "{weight", "{curve: {0: 0, 0.4: 60}, weight"
    )


@pytest.mark.parametrize("weight", ["inf", "-inf", "1e300", "nan"])
def test_an_endless_weight_is_refused(weight: str, tmp_path: Path) -> None:
    _, path = workspace(tmp_path)
    (tmp_path / "weights.csv").write_text(f"metric,recommended\nseats_used,{weight}\n")
    with pytest.raises(AdoptError, match="no usable weight"):
        adopt_weights(path, tmp_path / "weights.csv")


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_full_disk_leaves_everything_as_it_was(fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = workspace(tmp_path)
    before, real, calls = {p.name: p.read_bytes() for p in tmp_path.iterdir()}, publish.write_whole, []

    def full(at: Path, text: str) -> None:
        calls.append(at)
        if len(calls) == fails_at:
            raise OSError(28, "No space left on device", str(at))
        real(at, text)

    monkeypatch.setattr(publish, "write_whole", full)
    with pytest.raises(AdoptError, match=r"nothing written: .*No space left"):
        write_adoption(path, adopt(path, Wanted(path, {"tickets": 33})), TOLD)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_what_somebody_changed_while_we_asked_is_not_lost(tmp_path: Path) -> None:
    _, path = workspace(tmp_path)
    one, other = adopt(path, Wanted(path, {"tickets": 33})), adopt(path, Wanted(path, {"contact": 44}))
    write_adoption(path, one, TOLD)
    with pytest.raises(AdoptError, match="changed meanwhile"):
        write_adoption(path, other, TOLD)
    assert path.read_text() == one.after
    assert len(read_adoptions(tmp_path)) == 1


def test_undo_of_a_change_that_was_taken_back_by_hand_says_so(tmp_path: Path) -> None:
    _, path = workspace(tmp_path)
    backup = write_adoption(path, adopt(path, Wanted(path, {"tickets": 33})), TOLD)
    shutil.copy(backup, path)
    with pytest.raises(AdoptError, match="as it was before the last recorded change"):
        undone(tmp_path)
    path.write_text(path.read_text().replace("weight: 20}", "weight: 33}", 1))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == read_adoptions(tmp_path)[-1].sha256_after
    backup.unlink()
    with pytest.raises(AdoptError, match="is gone or was altered"):
        undone(tmp_path)


def test_the_mode_of_the_file_and_a_link_to_it_stay(tmp_path: Path) -> None:
    _, path = workspace(tmp_path)
    kept = tmp_path / "kept"
    kept.mkdir()
    shutil.move(path, kept / "real.yaml")
    (kept / "real.yaml").chmod(0o640)
    path.symlink_to(kept / "real.yaml")
    write_adoption(path, adopt(path, Wanted(path, {"tickets": 33})), TOLD)
    assert path.is_symlink()
    assert (kept / "real.yaml").stat().st_mode & 0o777 == 0o640
    assert "weight: 33" in path.read_text()
