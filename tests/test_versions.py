"""A changed scorecard: marked, told, and its part of a moved score."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import claims_belief, claims_moves, plots, scoring, studies
from healthlib.adopt import Adoption, Told, write_adoption
from healthlib.demo import make_demo
from healthlib.spec import load_workspace
from healthlib.studies.book import Book, open_book
from healthlib.studies.versions import in_force

BEFORE = pd.Timestamp("2026-09-30")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The meetings' weight was 15 until 5 October 2026, and is 40 since; an older change is on record whose text was lost."""
    folder = tmp_path_factory.mktemp("versions") / "acme"
    make_demo(folder, accounts=80)
    path = folder / "scorecard.yaml"
    text = path.read_text()
    for day, number in ((date(2026, 2, 3), 20), (date(2026, 10, 5), 40)):
        now = path.read_text()
        after = text.replace("weight: 15", f"weight: {number}", 1)
        backup = write_adoption(path, Adoption(now, after, {}), Told(day, "Ana", "<b>185 losses</b>", "weights.csv"))
        if number == 20:
            backup.unlink()
    return folder


@pytest.fixture(scope="module")
def book(company: Path) -> Book:
    return open_book(load_workspace(company))


def test_the_scorecard_of_a_day_is_that_before_the_next_change(book: Book) -> None:
    earlier = in_force(book, BEFORE)
    assert earlier is not None
    assert (earlier.weights["meetings"], book.scorecard.weights["meetings"]) == (20, 40)
    assert in_force(book, pd.Timestamp("2026-10-05")) is None
    assert in_force(book, pd.Timestamp("2026-01-31")).weights["meetings"] == 20  # the text of February is lost, that of October is not
    assert in_force(book, None) is None


def test_an_altered_text_is_not_believed(company: Path) -> None:
    kept = company / "scorecard.yaml.1.bak"
    text = kept.read_text()
    kept.write_text(text + "# altered\n")
    try:
        assert load_workspace(company).earlier == {}
    finally:
        kept.write_text(text)


def test_a_moved_score_is_told_with_the_scorecards_part_of_it(book: Book) -> None:
    facts: dict = {}
    for name in studies.STUDIES:
        facts[name] = studies.compute(name, book, facts)
    executive = facts["executive"]
    scores = executive.scores.set_index("account_id")
    causes = [f"change_{name}" for name in ("behaviour", "data", "configuration", "override")]
    told = scores.dropna(subset=["change"])
    np.testing.assert_allclose(told[causes].sum(axis=1), told["change"], atol=1e-9)
    then = book.history[book.history["as_of"] == BEFORE]
    shown = scoring.score(in_force(book, BEFORE), then).frame.set_index("account_id")["score"]
    plain = told[told["change_override"] == 0].index
    np.testing.assert_allclose(told.loc[plain, "change"], told.loc[plain, "score"] - shown.reindex(plain), atol=1e-9)
    assert told["change_configuration"].abs().max() > 1
    assert executive.scorecards["adopted_on"].tolist() == [pd.Timestamp("2026-02-03"), pd.Timestamp("2026-10-05")]
    assert "3 Feb 2026 and 5 Oct 2026" in claims_moves.changed(executive)
    assert "on 5 Oct 2026" in claims_belief.definitions_changed(executive)
    drawn = plots.band_trend(executive.trend, executive.band_colours, "accounts", changed=list(executive.scorecards["adopted_on"]))
    days = sorted(executive.trend["as_of"].unique())
    marks = [line.get_xdata()[0] for line in drawn.lines]
    assert marks == [days.index(pd.Timestamp("2026-02-28")) - 0.5, len(days) - 1.5]
