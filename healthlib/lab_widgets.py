"""What the labs' widgets share: sliders with room for their names, a name for every control, and words for a move that failed."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import numpy as np

PANEL, ROW, SPOKEN = "hl-panel", "hl-row", "hl-spoken"

CSS = """<style>
.hl-lab{--ink:#1b2430;--muted:#536071;--line:#d5dbe3;--fill:#2456a6;font:14px/1.45 system-ui,sans-serif;
color:var(--jp-ui-font-color1,var(--ink))}.hl-lab h4{margin:.9em 0 .25em;font-size:14px}.hl-lab p{margin:.25em 0}
.hl-lab .quiet{color:var(--jp-ui-font-color2,var(--muted));font-size:13px}
.hl-lab table{border-collapse:collapse;width:100%;font-size:13px;margin:0}.hl-lab td,.hl-lab th{padding:3px 8px 3px 0;text-align:left;
background:none;border:0;border-bottom:1px solid var(--jp-border-color2,var(--line));vertical-align:middle;white-space:normal}
.hl-lab tbody th{min-width:7.2em}
.hl-lab .num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.hl-lab .track{position:relative;display:block;height:12px;min-width:48px;background:var(--jp-layout-color2,#eef1f5);border-radius:3px}
.hl-lab .track i{position:absolute;top:0;bottom:0;left:0;border-radius:3px}.hl-lab .track b{position:absolute;top:5px;height:2px;
background:currentColor}
.hl-lab .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:6px;margin:.2em 0 .4em}
.hl-lab .tile{border:1px solid var(--jp-border-color2,var(--line));border-radius:6px;padding:4px 10px}
.hl-lab .tile strong{display:block;font-size:20px;line-height:1.25}.hl-lab .warn{border-left:3px solid #a87400;padding-left:8px}
.hl-lab .said{border-left:3px solid var(--jp-brand-color1,var(--fill));padding-left:8px;font-weight:600}
.hl-panel .widget-html,.hl-panel .widget-html-content{height:auto;line-height:1.45;min-width:0}
.hl-panel .widget-slider{display:grid;
grid-template:"name value" auto "track track" 22px / minmax(0,1fr) auto;height:auto;margin:1px 2px;min-width:0;
overflow:visible;flex:0 0 auto}
.hl-panel .widget-slider .widget-label{grid-area:name;width:auto!important;text-align:left;white-space:normal;overflow:visible;height:auto;
line-height:1.3;align-self:end}.hl-panel .widget-slider .widget-readout{grid-area:value;align-self:end;height:auto;line-height:1.3;
min-width:4em;text-align:right}.hl-panel .widget-slider .slider-container{grid-area:track;margin:0 10px}
.hl-panel .hl-row{align-items:end;flex:0 0 auto;overflow:visible}.hl-panel .hl-row .widget-slider{flex:1 1 0}
.hl-panel .widget-html{flex:0 0 auto}
.hl-panel .hl-row .widget-checkbox{margin:0 0 0 8px;flex:0 0 auto}
.hl-panel .lm-TabBar .lm-TabBar-tab{color:var(--jp-ui-font-color1)!important}
.hl-panel .noUi-handle:focus,.hl-panel button:focus-visible,.hl-panel input:focus-visible,.hl-panel [contenteditable]:focus,
.hl-panel [role=tab]:focus-visible{outline:3px solid var(--jp-brand-color1,#2456a6)!important;outline-offset:2px}
</style>"""

SCRIPT = """
if (!window.healthlibLab) {
  const named = (element, name) => element && element.getAttribute('aria-label') !== name && element.setAttribute('aria-label', name);
  const dress = () => document.querySelectorAll('.hl-panel').forEach(panel => {
    panel.setAttribute('role', 'group'); named(panel, 'The lab'); panel.setAttribute('data-lm-suppress-shortcuts', 'true');
    panel.querySelectorAll('.widget-slider').forEach(slider => {
      const label = slider.querySelector('.widget-label'), name = label.title || label.textContent;
      named(slider.querySelector('.noUi-handle'), name);
      const typed = slider.querySelector('.widget-readout');
      if (typed) { typed.setAttribute('role', 'textbox'); named(typed, 'Type a number, ' + name); }
      const lock = slider.parentElement.querySelector('.widget-checkbox input');
      named(lock, 'Lock the weight of ' + label.textContent);
    });
    panel.querySelectorAll('.hl-spoken').forEach(said => { said.setAttribute('role', 'status'); });
  });
  let asked = false;
  const soon = () => { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; dress(); }); } };
  window.healthlibLab = new MutationObserver(soon);
  window.healthlibLab.observe(document.body, {childList: true, subtree: true});
  soon();
}
"""
"""ipywidgets 8 gives a slider's handle, its number and a checkbox no name that a screen reader could say: this does, from their labels."""


def slider(w: Any, label: str, span: tuple[float, float, float], value: float, form: str, hint: str) -> Any:
    """A slider from low to high in steps, wide enough for where it begins; `hint` stands in its name.

    Parameters
    ----------
    w : the module ipywidgets
    span : low, high, step
    form : of the number beside it, as ".1f"
    """
    low, high, step = span
    return w.FloatSlider(value=value, min=min(low, value), max=max(high, value), step=step, description=label, tooltip=f"{label}: {hint}",
                         readout_format=form, layout=w.Layout(width="auto", min_width="0"))  # fmt: skip


def digits(step: float) -> str:
    """As many decimals as a step of the slider has.

    >>> digits(0.01), digits(5.0)
    ('.2f', '.0f')
    """
    return f".{max(0, -int(np.floor(np.log10(step))))}f"


def words(w: Any, text: str, tag: str = "p", kind: str = "quiet") -> Any:
    """A widget that says something."""
    return w.HTML(f'<div class="hl-lab"><{tag} class="{kind}">{html.escape(text)}</{tag}></div>')


def side_by_side(w: Any, left: list[Any], right: list[Any]) -> Any:
    """Controls, and beside them what they give; one below the other where there is no room."""
    first = w.VBox(left, layout=w.Layout(flex="1 1 350px", min_width="300px"))
    second = w.VBox(right, layout=w.Layout(flex="1 1 390px", min_width="300px", padding="0 0 0 16px"))
    box = w.Box([w.HTML(CSS, layout=w.Layout(display="none")), first, second],
                layout=w.Layout(display="flex", flex_flow="row wrap", align_items="flex-start", width="100%"))  # fmt: skip
    box.add_class(PANEL)
    return box


def failed(error: Exception) -> str:
    """A move that could not be made, as safe HTML: without it JupyterLab would say nothing at all."""
    said = f"That did not work ({type(error).__name__}: {error}). The figures are those of before; Undo or Reset takes it back."
    return f'<div class="hl-lab"><p class="said" role="alert">{html.escape(said)}</p></div>'


def progress() -> tuple[Callable[[str], None], Callable[[], None]]:
    """A line that says what is being done while a lab opens, and what puts `SCRIPT` in its place."""
    from IPython.display import HTML, display

    handle = display(HTML("<p>Opening the lab …</p>"), display_id=True)

    def tell(text: str) -> None:
        if handle is not None:
            handle.update(HTML(f"<p>{html.escape(text)}</p>"))

    def done() -> None:
        if handle is not None:
            handle.update({"application/javascript": SCRIPT}, raw=True)

    return tell, done
