"""Adopting weights changes the weights and nothing else: comments, order and spacing of scorecard.yaml stay."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import pytest
import yaml

from healthlib.adopt import AdoptError, Told, adopt_weights, write_adoption
from healthlib.adopt_checks import made_elsewhere
from healthlib.adoptions import RECORD, RecordError, read_adoptions

SCORECARD = """# ours
groups: [adoption, relationship]
metrics:
  seats:            # the seats
    group: adoption
    weight: 20      # was 30 before 2025
    worst: 0
  nps: {group: relationship, table: surveys, weight: 10, worst: -100}   # one line
  tickets:
    # no weight yet
    group: adoption
  calls: {group: relationship}
bands:
  - {name: red, from: 0}
"""
WEIGHTS = "metric,group,recommended\nseats,adoption,35\nnps,relationship,10\ntickets,adoption,12.5\ncalls,relationship,2\n"


TOLD = Told(date(2026, 11, 2), "Ana", "fitted on 185 losses; =1+1 is not a formula", "../reports/x/weights.csv")


def files(folder: Path, weights: str = WEIGHTS, scorecard: str = SCORECARD) -> tuple[Path, Path]:
    (folder / "scorecard.yaml").write_text(scorecard)
    (folder / "weights.csv").write_text(weights)
    return folder / "scorecard.yaml", folder / "weights.csv"


def test_only_the_numbers_change(tmp_path: Path) -> None:
    adoption = adopt_weights(*files(tmp_path))
    assert adoption.after == SCORECARD.replace("weight: 20 ", "weight: 35 ").replace(
        "    group: adoption\n  calls: {group", "    weight: 12.5\n    group: adoption\n  calls: {weight: 2, group"
    )
    assert adoption.changes == {"seats": (20, 35), "tickets": (0, 12.5), "calls": (0, 2)}
    assert "-    weight: 20      # was 30 before 2025\n+    weight: 35      # was 30 before 2025\n" in adoption.diff()


def test_the_old_file_is_kept_and_a_second_adoption_changes_nothing(tmp_path: Path) -> None:
    scorecard, weights = files(tmp_path)
    backup = write_adoption(scorecard, adopt_weights(scorecard, weights), TOLD)
    assert backup.read_text() == SCORECARD
    assert yaml.safe_load(scorecard.read_text())["metrics"]["calls"]["weight"] == 2
    again = adopt_weights(scorecard, weights)
    assert again.changes == {}
    assert write_adoption(scorecard, again, TOLD) != backup


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ("metric,recommended\nseat,35\n", "Did you mean 'seats'"),
        ("metric,fitted\nseats,35\n", "recommended: found the columns metric, fitted"),
        ("metric,recommended\nseats,-1\n", "weights.csv:2: seats: found"),
        ("metric,recommended\nseats,\n", "weights.csv:2: seats: found"),
        ("metric,recommended\nseats,1\nseats,2\n", "weights.csv:3: seats: found"),
    ],
)
def test_what_is_not_a_file_of_weights_is_refused(weights: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(AdoptError) as caught:
        adopt_weights(*files(tmp_path, weights))
    assert says in str(caught.value)


def test_settings_shared_by_anchors_are_left_to_a_person(tmp_path: Path) -> None:
    shared = SCORECARD.replace("seats:            #", "seats: &s            #").replace("calls: {group: relationship}", "calls: *s")
    with pytest.raises(AdoptError, match="anchors"):
        adopt_weights(*files(tmp_path, scorecard=shared))


def test_who_and_why_are_recorded_with_the_hashes_of_both_texts(tmp_path: Path) -> None:
    scorecard, weights = files(tmp_path)
    before = hashlib.sha256(scorecard.read_bytes()).hexdigest()
    backup = write_adoption(scorecard, adopt_weights(scorecard, weights), TOLD)
    (tmp_path / "weights.csv").write_text(WEIGHTS.replace("35", "36"))
    write_adoption(scorecard, adopt_weights(scorecard, weights), Told(date(2026, 12, 1), "=cmd()", "two\nlines, and a comma", "w.csv"))
    first, second = read_adoptions(tmp_path)
    assert (first.adopted_on, first.who, first.why, first.previous) == (TOLD.on, "Ana", TOLD.why, backup.name)
    assert (first.sha256_before, first.sha256_after) == (before, second.sha256_before)
    assert second.sha256_after == hashlib.sha256(scorecard.read_bytes()).hexdigest()
    assert (second.who, second.why) == ("'=cmd()", "two lines, and a comma")


def test_a_record_that_is_none_stops_before_anything_is_written(tmp_path: Path) -> None:
    scorecard, weights = files(tmp_path)
    (tmp_path / RECORD).write_text("my notes\n2026-13-01,a,b\n")
    with pytest.raises(RecordError) as caught:
        write_adoption(scorecard, adopt_weights(scorecard, weights), TOLD)
    assert f"{RECORD}:1" in str(caught.value)
    assert f"{RECORD}:2" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scorecard.yaml", RECORD, "weights.csv"]
    assert scorecard.read_text() == SCORECARD


def test_weights_of_another_scorecard_or_of_other_data_are_named(tmp_path: Path) -> None:
    scorecard, weights = files(tmp_path)
    assert made_elsewhere(weights, tmp_path) == []
    sha = hashlib.sha256(scorecard.read_bytes()).hexdigest()
    (tmp_path / "usage.csv").write_text("a\n1\n")
    inputs = [{"table": "usage", "file": "usage.csv", "sha256": hashlib.sha256(b"a\n1\n").hexdigest()}, {"table": "x", "file": "gone.csv"}]
    (tmp_path / "summary.json").write_text(json.dumps({"scorecard_sha256": sha}))
    (tmp_path / "manifest.json").write_text(json.dumps({"inputs": inputs}))
    assert made_elsewhere(weights, tmp_path) == []
    (tmp_path / "usage.csv").write_text("a\n2\n")
    scorecard.write_text(SCORECARD + "# changed\n")
    said = made_elsewhere(weights, tmp_path)
    assert [("another scorecard" in one, "usage.csv has changed" in one) for one in said] == [(True, False), (False, True)]
