"""The lab in JupyterLab: sliders for weights, scales and thresholds, and beside them, live, what the outcomes and the accounts say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from healthlib import claims_lab, studies
from healthlib.lab_moves import STEP, Setting
from healthlib.lab_state import Evidence, Lab
from healthlib.lab_widgets import ROW, SPOKEN, digits, failed, progress, side_by_side, slider, words
from healthlib.pieces import Piece, claim, figure, note
from healthlib.proposal import Origin, Proposal, Scale, data_sha256, proposal_yaml
from healthlib.wording import tested

TALL = {"max_height": "46vh", "overflow": "hidden auto"}
"""A tab scrolls, so that what a move gives stays beside it."""
LEGEND = "Tab goes from control to control; arrow keys move a slider, Page Up and Page Down by more."


def show(workspace: str, as_of: str = "", facts: str = "") -> Any:
    """The lab of a workspace, or, on a page that nobody can move, a picture of where it would begin.

    Parameters
    ----------
    workspace, as_of, facts : as for `studies.load`; with `facts` (a run, papermill), or without ipywidgets, the still picture
    """
    if facts or find_spec("ipywidgets") is None:
        return still(studies.load("fit", workspace, as_of, facts))
    tell, done = progress()
    tell("Measuring what was known of every account …")
    book = studies.opened(workspace, as_of)
    tell("Asking which weights the outcomes support …")
    fit = studies.load("fit", workspace, as_of)
    if not (fit.n_lost and fit.n_lost < fit.n_cases):
        done()
        return still(fit)
    tell("Scoring the finished cases …")
    panel = Panel(book, fit)
    done()
    return panel


def still(fit: Any) -> Piece:
    """The picture in the place of the lab: the share kept by band under the weights in use, and how to open the lab itself."""
    from healthlib import plots_lab

    table, names = plots_lab.bands_now(fit)
    said = claims_lab.still(table, names)
    how = note("A page cannot be moved. Open this notebook in JupyterLab, run all cells, and sliders take the place of this picture.")
    return claim(tested(fit.split, said)) + figure(plots_lab.kept_by_band(table, names), alt=said) + how


class Panel:
    """The widgets, and the `Lab` they move. `widget` is what JupyterLab shows; where no widget can live, the picture stands instead.

    Parameters
    ----------
    book, fit : of one workspace and day, from `studies.opened` and `studies.load("fit", …)`
    """

    undo: Any
    redo: Any
    reset: Any
    snap: Any

    def __init__(self, book: Any, fit: Any):
        from healthlib.studies.fit import usable

        self.book, self.fit = book, fit
        cases = book.cases[book.cases["lost"].notna()].reset_index(drop=True)
        today = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
        weights = fit.weights.set_index("metric")["fitted"]
        fitted = None if weights.isna().any() else weights.to_dict()
        self.lab = Lab(Evidence(book.scorecard, usable(book.scorecard, fit.leaks), cases, today), fitted)
        self.quiet = False
        self.weights: dict[str, Any] = {}
        self.locks: dict[str, Any] = {}
        self.scales: dict[tuple[str, str], Any] = {}
        self.bands: dict[str, Any] = {}
        self.widget = self._layout()
        self.refresh()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live view, and the picture for who cannot have it."""
        bundle = dict(self.widget._repr_mimebundle_() or {})
        return bundle | {"text/html": still(self.fit).html}

    def refresh(self) -> None:
        """Put every slider where the lab stands, and redraw what it says."""
        self.quiet = True
        now = self.lab.now
        for name, one in self.weights.items():
            _put(one, now.weights[name])
        for (name, key), one in self.scales.items():
            _put(one, _at(now, name, key))
        for name, one in self.bands.items():
            _put(one, now.bands[name])
        self.quiet = False
        reading = self.lab.read()
        self.spoken.value = claims_lab.spoken(self.lab, reading).html
        self.live.value = claims_lab.page(self.lab, reading, self.book.workspace.currency, self.kept).html
        self.warning.value = claims_lab.warning(self.lab, self.fit).html
        self.undo.disabled, self.redo.disabled = not self.lab.before, not self.lab.after

    @property
    def kept(self) -> str:
        """What a good outcome is called."""
        return "grown" if self.book.workspace.kind == "expansion" else "kept"

    def _moved(self, go: Callable[[Any], None]) -> Callable[[Any], None]:
        """What a slider calls: moves the lab unless the lab itself moved the slider."""

        def changed(event: Any) -> None:
            answered = abs(event["new"] - event["old"]) < 1e-6 * event["owner"].step  # a browser's 59.900000000000006 to our 59.9
            if not (self.quiet or answered):
                self._try(lambda: go(event["new"]))

        return changed

    def _try(self, act: Callable[[], Any]) -> None:
        """Do it and redraw; an error is said where the figures are, since JupyterLab keeps it to a log."""
        try:
            act()
            self.refresh()
        except Exception as error:
            self.quiet = False
            self.undo.disabled = not self.lab.before
            self.spoken.value = failed(error)

    def _layout(self) -> Any:
        import ipywidgets as w

        self.live, self.warning, self.saved, self.spoken = (w.HTML(layout=w.Layout(min_width="0")) for _ in range(4))
        self.spoken.add_class(SPOKEN)
        self.saved.add_class(SPOKEN)
        tabs = w.Tab([self._weight_tab(w), self._scale_tab(w), self._band_tab(w)], titles=("Weights", "Scales", "Thresholds"))
        left = [self._buttons(w), tabs, words(w, LEGEND), self._save(w)]
        leaks = claims_lab.left_out(self.lab)
        right = [self.warning, self.spoken, self.live, *([words(w, leaks)] if leaks else [])]
        return side_by_side(w, left, right)

    def _buttons(self, w: Any) -> Any:
        lab = self.lab
        wanted = (("undo", "Undo", "undo", lab.undo), ("redo", "Redo", "repeat", lab.redo), ("reset", "Reset", "", lab.reset),
                  ("snap", "Snap to fitted", "", lab.snap))  # fmt: skip
        words = {"undo": "take the last step back", "redo": "take it again", "reset": "back to the scorecard in use",
                 "snap": "the weights that the outcomes support; scales and thresholds stay"}  # fmt: skip
        made = []
        for name, text, icon, act in wanted:
            button = w.Button(description=text, icon=icon, tooltip=words[name], layout=w.Layout(width="auto"))
            button.on_click(lambda _, act=act: self._try(act))
            setattr(self, name, button)
            made.append(button)
        self.snap.disabled = self.lab.fitted is None
        return w.HBox(made, layout=w.Layout(flex_flow="row wrap"))

    def _weight_tab(self, w: Any) -> Any:
        rows, card = [], self.lab.evidence.card
        for group in card.groups:
            rows.append(words(w, group, "h4", ""))
            for name, metric in card.metrics.items():
                if metric.group != group:
                    continue
                leak = " (not counted)" if name in self.lab.evidence.refused else ""
                moved = slider(w, metric.label + leak, (0.0, 100.0, STEP), self.lab.now.weights[name], ".1f", _limit(card, name))
                moved.observe(self._moved(lambda value, name=name: self.lab.weight(name, value)), "value")
                lock = w.Checkbox(
                    description="lock", indent=False, tooltip=f"keep the weight of {metric.label}", layout=w.Layout(width="70px")
                )
                lock.observe(lambda event, name=name: self._lock(name, event["new"]), "value")
                self.weights[name], self.locks[name] = moved, lock
                row = w.HBox([moved, lock])
                row.add_class(ROW)
                rows.append(row)
        return w.VBox(rows, layout=w.Layout(**TALL))

    def _lock(self, name: str, on: bool) -> None:
        (self.lab.locked.add if on else self.lab.locked.discard)(name)

    def _scale_tab(self, w: Any) -> Any:
        rows = []
        for name, metric in self.lab.evidence.card.metrics.items():
            scale = self.lab.now.scales[name]
            if not scale:
                said = (
                    f"{metric.label}: scored by steps or levels, or without a scale that history could give; change it in scorecard.yaml."
                )
                rows.append(words(w, said))
                continue
            rows.append(words(w, metric.label, "h4", ""))
            curve = scale.get("curve")
            for key in curve or scale:
                span = (0.0, 100.0, 1.0) if curve else self._span(name, scale)
                label = f"points at {key:g}" if curve else {"worst": "worst, scores 0", "best": "best, scores 100"}[key]
                moved = slider(w, label, span, _at(self.lab.now, name, str(key)), digits(span[2]), metric.label)
                moved.observe(self._moved(lambda value, at=(name, str(key)): self.lab.scale(*at, value)), "value")
                self.scales[name, str(key)] = moved
                rows.append(moved)
        return w.VBox(rows, layout=w.Layout(**TALL))

    def _span(self, name: str, scale: Mapping[str, Any]) -> tuple[float, float, float]:
        """From where to where a scale's end may be moved, and in which steps: what nearly all accounts have, and the ends in use."""
        values = self.book.cases[name].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        ends = [*scale.values(), *(np.quantile(values, [0.005, 0.995]).tolist() if len(values) else [])]
        low, high = min(ends), max(ends)
        step = 10.0 ** np.floor(np.log10(max(high - low, 1e-9) / 500))
        pad = 0.25 * (high - low)
        return float(np.floor((low - pad) / step) * step), float(np.ceil((high + pad) / step) * step), float(step)

    def _band_tab(self, w: Any) -> Any:
        lowest, *others = self.lab.now.bands.items()
        rows = [words(w, f"{lowest[0]} takes every score below the next band.")]
        for name, start in others:
            moved = slider(w, f"{name} from", (0.0, 100.0, STEP), start, ".1f", "the score at which the band begins")
            moved.observe(self._moved(lambda value, name=name: self.lab.band(name, value)), "value")
            self.bands[name] = moved
            rows.append(moved)
        return w.VBox(rows, layout=w.Layout(**TALL))

    def _save(self, w: Any) -> Any:
        self.why = w.Text(description="Why", continuous_update=False, placeholder="for the record", layout=w.Layout(width="98%"),
                          style={"description_width": "initial"})  # fmt: skip
        button = w.Button(description="Save as proposal", icon="save", button_style="primary", layout=w.Layout(width="auto"),
                          tooltip="write a proposal file into the workspace; the scorecard itself stays")  # fmt: skip
        button.on_click(lambda _: self._try(self.save))
        self.keep = button
        return w.VBox([self.why, button, self.saved], layout=w.Layout(align_items="flex-start"))

    def save(self) -> Path:
        """Write the setting as the workspace's next free proposal file; returns it. The scorecard itself stays."""
        folder = Path(self.book.workspace.folder)
        path, number = folder / "proposal.yaml", 1
        while path.exists():
            number += 1
            path = folder / f"proposal.{number}.yaml"
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(proposal_yaml(self.proposal()))
        said = f"Saved as {path}. To adopt it: healthlib adopt {path} {folder}"
        self.saved.value = f'<div class="hl-lab"><p class="said">{claims_lab.html.escape(said)}</p></div>'
        return path

    def proposal(self) -> Proposal:
        """The present setting as a proposal: all weights, and the scales and thresholds that were moved."""
        now, start = self.lab.now, self.lab.start
        inputs = self.book.tables[["table", "sha256"]].astype(str).to_dict("records")
        origin = Origin(made_on=date.today(), workspace=self.book.workspace.name, scorecard_sha256=self.book.workspace.scorecard.sha256,
                        data_sha256=data_sha256(inputs), by="lab", why=self.why.value.strip())  # fmt: skip
        scales = {name: Scale(**scale) for name, scale in now.scales.items() if scale != start.scales[name]}
        bands = {name: value for name, value in now.bands.items() if value != start.bands[name]}
        return Proposal(origin, {name: round(points, 4) for name, points in now.weights.items()}, scales, bands)


def _put(one: Any, value: float) -> None:
    """Set a slider unless it stands there: an answer of the same value would throw back whoever has moved on since."""
    if abs(one.value - value) > 1e-6 * one.step:
        one.value = value


def _at(now: Setting, name: str, key: str) -> float:
    scale = now.scales[name]
    return float(scale["curve"][float(key)] if "curve" in scale else scale[key])


def _limit(card: Any, name: str) -> str:
    """The limits that a metric's weight is under, in words."""
    mine = [(key, card.limits[key]) for key in (name, card.metrics[name].group) if key in card.limits]
    return "; ".join(f"{key} {limit.min:g} to {limit.max:g} points" for key, limit in mine) or "points of 100"
