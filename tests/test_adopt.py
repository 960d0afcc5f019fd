"""Adopting weights changes the weights and nothing else: comments, order and spacing of scorecard.yaml stay."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from healthlib.adopt import AdoptError, adopt_weights, write_adoption

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
    backup = write_adoption(scorecard, adopt_weights(scorecard, weights))
    assert backup.read_text() == SCORECARD
    assert yaml.safe_load(scorecard.read_text())["metrics"]["calls"]["weight"] == 2
    again = adopt_weights(scorecard, weights)
    assert again.changes == {}
    assert write_adoption(scorecard, again) != backup


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
