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
from healthlib.wording import count, counted, listed, money, money_change, money_range, number, share, share_range, tested, unknown

if TYPE_CHECKING:
    from healthlib.lab_state import Lab, Reading
    from healthlib.resample import Estimate
    from healthlib.studies.choosing import ChoosingFacts
    from healthlib.studies.fit import FitFacts

NAMED = 12
"""Accounts named of those that change band."""
MANY_TRIES = 20
"""Moves after which the best of them is luck in good part."""


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


def spoken(lab: Lab, reading: Reading) -> Piece:
    """What a screen reader says after a move: what stopped it, and whether the setting ranks better."""
    said = f'<p class="said">{html.escape(lab.said)}</p>' if lab.said else ""
    return Piece(f'<div class="hl-lab">{said}<p>{html.escape(verdict(reading))}</p></div>')


def page(lab: Lab, reading: Reading, currency: str, kept: str = "kept") -> Piece:
    """The live part: AUC, ARR caught, rates by band and the accounts that change band."""
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
    return Piece(
        f'<div class="hl-lab"><div class="tiles">{tiles}</div>{_bands(lab, reading, kept)}{_accounts(lab, reading, currency)}</div>'
    )


def _range(one: Estimate) -> str:
    return f"{number(one.low, 3)} to {number(one.high, 3)}" if np.isfinite(one.low) else "no interval"


def _signed(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:+.3f}".replace("-", "−") if round(abs(value), 3) else "0.000"


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


def cut_spoken(facts: ChoosingFacts, rows: pd.DataFrame) -> Piece:
    """What moving the threshold from where it is (first row) to where the slider stands (last row) changes, in a sentence."""
    now, then = rows.iloc[0], rows.iloc[-1]
    if now["lower"] == then["lower"]:
        said = f"The threshold in use: {counted(now['today'], 'account')} of {count(facts.accounts)} below it today."
    else:
        more = then["today"] - now["today"]
        work = f"{counted(abs(more), 'account')} {'more' if more > 0 else 'fewer'}" if more else "as many accounts"
        sure = "" if against(then["gain_low"], then["gain_high"], 0.0) in ("above", "below") else ", not told from nothing"
        ends = f"{money_change(then['gain_low'], facts.currency)} to {money_change(then['gain_high'], facts.currency)}"
        gain = "" if unknown(then["gain"]) else f"; {money_change(then['gain'], facts.currency)} net {_per(facts)} ({ends}){sure}"
        said = f"A cut at {number(then['lower'], 0)} puts {work} in work today{gain}."
    return Piece(f'<div class="hl-lab"><p class="said">{html.escape(said)}</p></div>')


def cut_table(facts: ChoosingFacts, rows: pd.DataFrame) -> Piece:
    """The threshold of the slider beside the one in use: a row a figure, 95 % intervals."""
    pair = rows_of(rows.iloc[[0, -1]])
    figures = (
        ("Accounts in work today", [count(row["today"]) for row in pair]),
        ("Mean month of the past year", [count(row["past_year"]) for row in pair]),
        ("Of those that left", [share_range(row["caught"], row["caught_low"], row["caught_high"]) for row in pair]),
        ("Of churned ARR", [share_range(row["arr_caught"], row["arr_low"], row["arr_high"]) for row in pair]),
        ("Worked, yet stayed", [share_range(row["wrong"], row["wrong_low"], row["wrong_high"]) for row in pair]),
        (f"Net {_per(facts)}", [_net(row, facts.currency) for row in pair]),
    )
    body = "".join(
        f'<tr><th scope="row">{html.escape(label)}</th>{"".join(f"<td class=num>{html.escape(text)}</td>" for text in shown)}</tr>'
        for label, shown in figures
        if facts.kind != "flat" or not label.startswith("Mean month")
    )
    cuts = [
        f"{label} ({number(row['lower'], 0 if float(row['lower']).is_integer() else 1)})"
        for label, row in zip(("In use", "Slider"), pair, strict=True)
    ]
    head = _head(("", *cuts), (1, 2))
    how = tested(facts.split, "Out of time, 95% intervals; chosen on the cases it is judged on, a threshold flatters itself.")
    foot = f'<p class="quiet">{html.escape(how)}</p>'
    return Piece(f'<div class="hl-lab"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}</div>')


def _per(facts: ChoosingFacts) -> str:
    return "a pass" if facts.kind == "flat" else "a year"


def _net(row: dict, currency: str) -> str:
    if unknown(row["net"]):
        return "–"
    return f"{money(row['net'], currency)} ({money_range(row['net_low'], row['net_high'], currency)})"
