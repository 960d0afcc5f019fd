"""The sentences of the lab, and the live part of it as safe HTML: what the present setting gives, against the scorecard in use."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from healthlib import palette
from healthlib.claims import against, score_range, signed_range
from healthlib.pieces import Piece, escape, rows_of
from healthlib.wording import counted, listed, money, number, share, share_range, tested

if TYPE_CHECKING:
    from healthlib.lab_state import Lab, Reading
    from healthlib.resample import Estimate
    from healthlib.studies.fit import FitFacts

NAMED = 12
"""Accounts named of those that change band."""
MANY_TRIES = 20
"""Moves after which the best of them is luck in good part."""

CSS = """<style>
.hl-lab{--ink:#1b2430;--muted:#536071;--line:#d5dbe3;--fill:#2456a6;font:14px/1.45 system-ui,sans-serif;
color:var(--jp-ui-font-color1,var(--ink))}.hl-lab h4{margin:.9em 0 .25em;font-size:14px}.hl-lab p{margin:.25em 0}
.hl-lab .quiet{color:var(--jp-ui-font-color2,var(--muted));font-size:13px}
.hl-lab table{border-collapse:collapse;width:100%;font-size:13px;margin:0}.hl-lab td,.hl-lab th{padding:3px 8px 3px 0;text-align:left;
background:none;border:0;border-bottom:1px solid var(--jp-border-color2,var(--line));vertical-align:middle}
.hl-lab .num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.hl-lab .track{position:relative;display:block;height:12px;min-width:90px;background:var(--jp-layout-color2,#eef1f5);border-radius:3px}
.hl-lab .track i{position:absolute;top:0;bottom:0;left:0;border-radius:3px}.hl-lab .track b{position:absolute;top:5px;height:2px;
background:currentColor}
.hl-lab .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(122px,1fr));gap:8px;margin:.2em 0 .4em}
.hl-lab .tile{border:1px solid var(--jp-border-color2,var(--line));border-radius:6px;padding:6px 10px}
.hl-lab .tile strong{display:block;font-size:20px;line-height:1.25}.hl-lab .warn{border-left:3px solid #a87400;padding-left:8px}
.hl-lab .said{border-left:3px solid var(--fill);padding-left:8px;font-weight:600}
.widget-slider .noUi-handle:focus-visible,.widget-slider .noUi-handle:focus,.jupyter-widgets button:focus-visible,
.jupyter-widgets input:focus-visible{outline:3px solid #2456a6;outline-offset:2px}
</style>"""


def in_sample(lab: Lab) -> str:
    """What must be known before the figures are believed."""
    tries = f" You have tried {counted(lab.tried, 'move')}" if lab.tried else ""
    more = "; the best of so many looks good by luck as well." if lab.tried >= MANY_TRIES else "." if tries else ""
    return f"In sample: you have seen these outcomes, so tuning on them flatters.{tries}{more}"


def warning(lab: Lab, fit: FitFacts) -> Piece:
    """`in_sample` and, beside it, the figure that nobody tuned."""
    return Piece(f'<div class="hl-lab"><p class="warn">{html.escape(in_sample(lab))}<br>{html.escape(out_of_time(fit))}</p></div>')


def out_of_time(fit: FitFacts) -> str:
    """The figure that nobody tuned: the AUC of the current scorecard out of time."""
    now = fit.auc.get("current")
    if now is None or not np.isfinite(now.value):
        return "Out of time nothing could be tested yet."
    return tested(fit.split, f"Out of time the scorecard in use has an AUC of {score_range(now)}.")


def left_out(lab: Lab) -> str:
    """Which metrics with a weight the outcome figures do not count; empty for none."""
    names = [lab.evidence.card.metrics[name].label for name in sorted(lab.evidence.refused)]
    return f"Not counted in the AUC, the rates and the ARR caught, as seeming to know the outcome: {listed(names)}." if names else ""


def verdict(reading: Reading) -> str:
    """Whether the setting ranks better than the scorecard in use, in sample."""
    gain = reading.difference
    if not np.isfinite(gain.value):
        return "Cannot tell: it takes lost and kept cases that have a score."
    if gain.low == gain.high == 0:
        return "Ranks exactly as the scorecard in use does."
    words = {"above": "Ranks better than", "below": "Ranks worse than"}
    side = words.get(against(gain.low, gain.high, 0.0), "Cannot be told from")
    return f"{side} the scorecard in use: {signed_range(gain)} AUC."


def moved(reading: Reading, currency: str) -> str:
    """How many accounts change band, which way, with how much ARR."""
    rows = reading.moved
    if rows.empty:
        return "No account changes band today."
    parts = [f"{counted(int(side.sum()), 'account')} ({money(float(rows.loc[side, 'arr'].sum()), currency)}) {way}"
             for side, way in ((~rows["up"], "down"), (rows["up"], "up")) if side.any()]  # fmt: skip
    return f"{counted(len(rows), 'account')} with {money(float(rows['arr'].sum()), currency)} of ARR change band: {listed(parts)}."


def page(lab: Lab, reading: Reading, currency: str, kept: str = "kept") -> Piece:
    """The live part: AUC, ARR caught, rates by band and the accounts that change band."""
    said = f'<p class="said" role="status">{html.escape(lab.said)}</p>' if lab.said else ""
    tiles = "".join(
        f'<div class="tile">{html.escape(label)}<strong>{html.escape(figure)}</strong>'
        f'<span class="quiet">{html.escape(remark)}</span></div>'
        for label, figure, remark in (
            ("AUC, in sample", number(reading.auc.value, 3), _range(reading.auc)),
            ("against the one in use", _signed(reading.difference.value), _signed_range(reading.difference)),
            ("lost ARR below the top band", share(reading.caught.value), _share_range(reading.caught)),
            ("lost ARR in the lowest band", share(reading.in_lowest.value), _share_range(reading.in_lowest)),
        )
    )
    body = f'<div class="tiles">{tiles}</div><p>{html.escape(verdict(reading))}</p>'
    return Piece(f'{CSS}<div class="hl-lab">{said}{body}{_bands(lab, reading, kept)}{_accounts(lab, reading, currency)}</div>')


def _range(one: Estimate) -> str:
    return f"{number(one.low, 3)} to {number(one.high, 3)}" if np.isfinite(one.low) else "no interval"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−") if np.isfinite(value) else "–"


def _signed_range(one: Estimate) -> str:
    return f"{_signed(one.low)} to {_signed(one.high)}" if np.isfinite(one.low) else "no interval"


def _share_range(one: Estimate) -> str:
    return f"{share(one.low)} to {share(one.high)}" if np.isfinite(one.low) else "no interval"


def _bands(lab: Lab, reading: Reading, kept: str) -> str:
    """Rates by band as a table of bars, by cases and by ARR."""
    own = {band.name: band.color or "" for band in lab.evidence.card.bands}
    colours, tones = palette.colours(own), palette.tones(own)
    rows = []
    for row in rows_of(reading.bands[reading.bands["cases"] > 0]):
        name, (low, high) = str(row["band"]), (100 * row[end] for end in ("low", "high"))
        glyph = f'<span aria-hidden="true" style="color:{colours[name]}">{palette.GLYPHS[tones[name]]}</span>'
        whisker = f'<b style="left:{low:.1f}%;width:{high - low:.1f}%"></b>' if low == low else ""
        fill = f'<i style="width:{100 * row["kept"]:.1f}%;background:{colours[name]}"></i>'
        bar = f'<span class="track" aria-hidden="true">{fill}{whisker}</span>'
        rate, arr = share_range(row["kept"], row["low"], row["high"]), share_range(row["arr_kept"], row["arr_low"], row["arr_high"])
        start = lab.now.bands.get(name)
        begins = "" if start is None else f' <span class="quiet">from {start:g}</span>'
        rows.append(
            f'<tr><th scope="row">{glyph} {escape(name)}{begins}</th><td class="num">{row["cases"]:,.0f}</td><td>{bar}</td>'
            f'<td class="num">{html.escape(rate)}</td><td class="num">{html.escape(arr)}</td></tr>'
        )
    head = _head(("Band", "Cases", "", kept.capitalize(), f"{kept.capitalize()}, by ARR"), (1, 3, 4))
    return f"<h4>{kept.capitalize()} by band, 95% intervals</h4><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _head(texts: Sequence[str], numbers: Sequence[int]) -> str:
    return "".join(f'<th scope="col"{" class=num" if i in numbers else ""}>{html.escape(text)}</th>' for i, text in enumerate(texts))


def _accounts(lab: Lab, reading: Reading, currency: str) -> str:
    """Today's accounts that change band, by name, largest first."""
    rows = "".join(_account(row, currency) for row in rows_of(reading.moved.head(NAMED)))
    head = _head(("Account", "ARR", "Band", "Score"), (1, 3))
    more = len(reading.moved) - NAMED
    rest = f'<p class="quiet">and {counted(more, "smaller one")}</p>' if more > 0 else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}" if rows else ""
    return f"<h4>Today's accounts that change band</h4><p>{html.escape(moved(reading, currency))}</p>{table}"


def _account(row: dict, currency: str) -> str:
    way = "▲" if row["up"] else "▼"
    score = f"{number(row['score_before'])} → {number(row['score_after'])}"
    return (
        f'<tr><th scope="row">{escape(str(row["name"])[:60])}</th><td class="num">{html.escape(money(row["arr"], currency))}</td>'
        f'<td>{escape(row["band_before"])} {way} {escape(row["band_after"])}</td><td class="num">{html.escape(score)}</td></tr>'
    )


def still(table: pd.DataFrame, names: Sequence[str], kept: str = "kept") -> str:
    """What the picture of a page shows that nobody can move: the share kept by band, out of time, under the scorecard in use."""
    rows = table[table["band"].isin(names) & (table["accounts"] > 0)]
    if rows.empty:
        return "The lab has nothing to show yet: no finished case was scored out of time."
    said = [f"{row['band']} {share_range(1 - row['churn_rate'], 1 - row['churn_high'], 1 - row['churn_low'])}" for row in rows_of(rows)]
    return f"With the weights in use, {kept} by band out of time: {listed(said)}."
