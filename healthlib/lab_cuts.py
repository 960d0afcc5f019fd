"""A slider for the threshold in notebook 03: what the lowest band asks of the team, what it catches, costs and brings, as it moves."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from healthlib import claims_lab, studies
from healthlib import claims_thresholds as say
from healthlib.lab_widgets import SPOKEN, failed, progress, side_by_side, slider, words
from healthlib.pieces import note
from healthlib.studies import choosing

LEGEND = (
    "Arrow keys move the threshold by a point, Page Up and Page Down by five. Nothing is saved here: move it in the lab of notebook 02 "
    "and save a proposal, or write it into scorecard.yaml."
)
STILL = "In JupyterLab a slider stands here: it moves the threshold along the picture above and says what each one asks and brings."


def show(workspace: str, as_of: str = "", facts: str = "") -> Any:
    """The slider of a workspace; on a page that nobody can move, where it is to be found.

    Parameters
    ----------
    workspace, as_of, facts : as for `studies.load`; with `facts` (a run, papermill), or without ipywidgets, a sentence
    """
    if facts or find_spec("ipywidgets") is None:
        return note(STILL)
    tell, done = progress()
    tell("Measuring what each threshold asks …")
    found = studies.load("choosing", workspace, as_of)
    if not say.chosen(found):
        done()
        return note(say.now(found))
    panel = Cuts(found, choosing.judge(studies.opened(workspace, as_of), studies.load("fit", workspace, as_of)))
    done()
    return panel


class Cuts:
    """One slider, and beside it the row of the table of ways for any threshold, against the one in use.

    Parameters
    ----------
    facts : from `studies.load("choosing", …)`
    judged : from `choosing.judge` on the same book and day
    """

    def __init__(self, facts: choosing.ChoosingFacts, judged: Any):
        import ipywidgets as w

        self.facts, self.judged = facts, judged
        hand = say.row(facts, "hand")
        self.hand = 0.0 if hand is None else float(hand["lower"])
        lowest, second, *_ = facts.bands
        self.slider = slider(
            w, f"{lowest} below, {second} from", (0.0, 100.0, 1.0), round(self.hand), ".0f", "the score at which work ends"
        )
        self.spoken, self.table = w.HTML(), w.HTML()
        self.spoken.add_class(SPOKEN)
        self.slider.observe(lambda _: self.refresh(), "value")
        self.widget = side_by_side(w, [self.slider, words(w, LEGEND)], [self.spoken, self.table])
        self.refresh()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live view, and a sentence for who cannot have it."""
        return dict(self.widget._repr_mimebundle_() or {}) | {"text/html": note(STILL).html}

    def refresh(self) -> None:
        """Say what the threshold gives; where that fails, say so."""
        try:
            rows = self.judged([self.hand, self.slider.value])
            self.spoken.value = claims_lab.cut_spoken(self.facts, rows).html
            self.table.value = claims_lab.cut_table(self.facts, rows).html
        except Exception as error:
            self.spoken.value = failed(error)
