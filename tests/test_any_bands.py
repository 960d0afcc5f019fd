"""Pages, pictures and CSV files for any number of bands with any names and colours; colour is never the only carrier."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path

import pandas as pd
import pytest

from healthlib import page_audit, page_backtest, page_executive, page_moves, page_risks, palette, plots, plots_audit, plots_backtest, report
from healthlib.artifacts import write_csv
from healthlib.spec import Band
from healthlib.studies.audit import audit_study
from healthlib.studies.backtest_bands import backtest_study
from healthlib.studies.executive import executive_study
from healthlib.studies.fit import fit_study
from tests import small_company

SETS = {
    2: (("At risk", 0, "#b3261e"), ("Happy", 60, None)),
    3: (("<b>low</b>", 0, None), ("=so()", 55, "#ffee00"), ("süß", 70, None)),
    5: tuple((name, start, None) for name, start in zip("FDCBA", (0, 40, 55, 65, 80), strict=True)),
    6: tuple((f"band {i}", start, "#123456" if i == 3 else None) for i, start in enumerate((0, 30, 45, 55, 65, 80))),
}


@pytest.mark.parametrize("bands", SETS.values(), ids=[f"{count} bands" for count in SETS])
def test_every_page_and_picture_shows_any_bands(bands: tuple[tuple[str, float, str | None], ...], tmp_path: Path) -> None:
    made = tuple(Band.model_validate({"name": name, "from": start, "color": colour}) for name, start, colour in bands)
    book = small_company.book(90)
    card = book.scorecard.model_copy(update={"bands": made, "playbooks": {}})
    book = replace(book, scorecard=card, workspace=book.workspace.model_copy(update={"scorecard": card}))
    fit = fit_study(book.cases, card, replicates=30)
    backtest, audit = backtest_study(book.cases, book.leads, card, fit, replicates=30), audit_study(book, replicates=30)
    facts = executive_study(book, audit, fit, backtest)
    pages = [
        page_executive.bands(facts), page_moves.migration(facts), page_risks.all_risks(facts), page_executive.groups(facts),
        page_backtest.bands(backtest), page_backtest.caught(backtest), page_backtest.lead_time(backtest),
        page_backtest.misses(backtest, audit), page_audit.bands(audit), page_audit.zombies(audit),
    ]  # fmt: skip
    html = "".join(page.html for page in pages)
    drawn = [
        plots.band_trend(facts.trend, facts.band_colours, "accounts"), plots.band_trend(facts.trend, facts.band_colours, "arr"),
        plots_audit.band_rates(audit), plots_backtest.bands(backtest), plots_backtest.caught(backtest), plots_backtest.lead_time(backtest),
    ]  # fmt: skip
    html += "".join(report.figure(ax, alt="x").html for ax in drawn)
    for name, _, colour in bands:
        assert escape(name) in html
        assert f"<b>{name}</b>" not in html
        assert colour is None or f"--own:{colour}" in html
    write_csv(facts.scores, tmp_path / "scores.csv")
    told = pd.read_csv(tmp_path / "scores.csv")["band"].str.lstrip("'")
    assert set(told) <= {name for name, _, _ in bands} | {"unscored"}


@pytest.mark.parametrize("count", range(1, 10))
def test_each_band_has_a_colour_and_a_shape_of_its_own(count: int) -> None:
    names = [f"b{i}" for i in range(count)]
    tones = palette.tones(names)
    assert len({palette.GLYPHS[tones[name]] for name in names}) == len({palette.colours(names)[name] for name in names}) == count


def test_more_bands_than_tones_keep_their_names() -> None:
    assert set(palette.tones([f"b{i}" for i in range(14)])) == {*(f"b{i}" for i in range(14)), "unscored"}
