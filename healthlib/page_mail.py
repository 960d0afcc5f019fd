"""The summary that travels by e-mail: inline styles, tables for layout, no picture, no address outside, the figures of the executive page.

No colour of text or ground is set but for the signs of the bands, so that a reader's dark mode turns what it likes and all stays readable.
"""

from __future__ import annotations

import html
from typing import Any

from healthlib import claims_belief, palette
from healthlib import claims_executive as say
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.studies.headline import FIRST
from healthlib.wording import (
    NOTHING,
    banded,
    change,
    compact,
    count,
    day,
    money,
    money_change,
    money_range,
    number,
    share,
    share_range,
    unknown,
)

FONT = "font-family:Arial,Helvetica,sans-serif;font-size:15px;line-height:1.45"
BARE = 'cellpadding="0" cellspacing="0" border="0" width="100%"'
RULE = "border-bottom:1px solid #8a94a3"
LETTERS = 160
"""Letters of a text from a file that a cell shows."""
QUESTIONS = 3
PAGES = {
    "executive.html": "the whole report: trends, all accounts at risk, forecast against actual",
    "audit.html": "who leaves, what went before, and account by account",
    "weights.html": "which weights the outcomes support",
    "backtest.html": "what the bands would have told, replayed on the past",
}


def mail(facts: ExecutiveFacts) -> str:
    """The whole document, under 100 kB whatever the size of the company.

    Parameters
    ----------
    facts : of the executive report; every figure is the one that summary.json holds
    """
    title = say.title(facts)
    company = _escape(facts.context["workspace"])
    parts = [
        _line(f'<span style="font-size:13px">{company}</span>'),
        _line(f'<h1 style="font-size:22px;line-height:1.25;margin:2px 0 8px">{_escape(title)}</h1>'),
        _note("Simulated data. This company does not exist.") if facts.context["simulated"] else "",
        _note(str(facts.context["evidence"])) if facts.context.get("evidence") else "",
        _line(f'<p style="font-size:17px;margin:0 0 10px">{_escape(say.opening(facts))}</p>'),
        _line(tiles(facts)),
        _line(bands(facts)),
        _line(_heading("What may be lost" if facts.context["kind"] == "churn_within" else "What renews next") + _text(say.renewals(facts))),
        _line(first(facts)),
        _line(believe(facts)),
        _line(links(facts)),
        _line(_foot(facts)),
    ]
    body = "".join(parts)
    lay = f'role="presentation" {BARE}'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{html.escape(title)} – {html.escape(_short(facts.context['workspace']))}</title></head>"
        f'<body style="margin:0;padding:0"><main><table {lay} style="border-collapse:collapse"><tr>'
        '<td align="center" style="padding:16px 12px">'
        f'<table {lay} style="border-collapse:collapse;max-width:640px;margin:0 auto;text-align:left;{FONT}">{body}</table>'
        "</td></tr></table></main></body></html>\n"
    )


def _short(text: Any) -> str:
    said = " ".join(str(text).split())
    return said if len(said) <= LETTERS else said[: LETTERS - 1] + "…"


def _escape(text: Any) -> str:
    """Inert text; a minus stays with its figure, and a name cannot turn the line around."""
    return "" if unknown(text) else f"<bdi>{html.escape(str(text))}</bdi>"


def _line(inner: str) -> str:
    return f'<tr><td style="padding:0 0 6px">{inner}</td></tr>' if inner else ""


def _note(words: str) -> str:
    return _line(f'<p style="margin:0 0 8px;padding:4px 10px;border-left:4px solid #a87400"><strong>{html.escape(words)}</strong></p>')


def _heading(words: str) -> str:
    return f'<h2 style="font-size:17px;line-height:1.3;margin:12px 0 4px">{html.escape(words)}</h2>'


def _text(words: str) -> str:
    return f'<p style="margin:0 0 6px">{_escape(words)}</p>' if words else ""


def tiles(facts: ExecutiveFacts) -> str:
    """Accounts, ARR, the worst band, GRR and NRR: two in a row, because a phone shows an e-mail narrow."""
    table, unit = facts.by_band, compact(facts.context["currency"])
    now, before = table[["accounts", "arr"]].sum(), table[["accounts_before", "arr_before"]].sum(min_count=1)
    since = "" if unknown(before["accounts_before"]) else f" since {day(facts.context['month'])}"
    worst = table.iloc[0]
    told = [
        ("Active accounts", count(now["accounts"]), change(now["accounts"] - before["accounts_before"]) + since if since else ""),
        ("ARR", money(now["arr"], unit), money_change(now["arr"] - before["arr_before"], unit) + since if since else ""),
        (
            f"ARR in {facts.bands[0]}",
            money(worst["arr"], unit),
            money_change(worst["arr"] - worst["arr_before"], unit) + since if since else "",
        ),
    ]
    for key, label in (("grr_12m", "GRR, 12 months"), ("nrr_12m", "NRR, 12 months")):
        found = facts.retention.get(key)
        told += [(label, share_range(found.value, found.low, found.high), f"n = {count(found.n)} accounts")] if found is not None else []
    whole = facts.due[facts.due["band"] == "all"].head(1) if len(facts.due) else facts.due
    for row in whole.to_dict("records"):
        lost = "" if unknown(row["expected_lost"]) else f"{money_range(row['low'], row['high'], unit)} likely lost"
        label = f"Exposed for {row['days']} days" if facts.context["kind"] == "churn_within" else f"Renews in {row['days']} days"
        told.append((label, money(row["arr"], unit), lost))
    cells = [
        f'<td width="50%" style="padding:6px 8px 6px 0;vertical-align:top;{RULE}">'
        f'<span style="font-size:13px">{html.escape(label)}</span><br>'
        f'<strong style="font-size:20px">{html.escape(figure)}</strong><br><span style="font-size:13px">{html.escape(remark)}</span></td>'
        for label, figure, remark in told
    ]
    cells += ["<td></td>"] if len(cells) % 2 else []
    rows = "".join(f"<tr>{one}{two}</tr>" for one, two in zip(cells[::2], cells[1::2], strict=True))
    return f'<table role="presentation" {BARE} style="border-collapse:collapse">{rows}</table>'


def _grid(caption: str, heads: list[str], rows: list[list[str]]) -> str:
    """A table of data: the first column says what a row is, all others stand at the right."""
    look = f"padding:5px 8px 5px 0;{RULE};vertical-align:top"
    head = "".join(
        f'<th scope="col" align="{"right" if at else "left"}" style="{look};font-size:13px">{html.escape(words)}</th>'
        for at, words in enumerate(heads)
    )
    body = "".join(
        "<tr>"
        + f'<th scope="row" align="left" style="{look};font-weight:normal">{row[0]}</th>'
        + "".join(f'<td align="right" style="{look};white-space:nowrap">{cell}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    said = f'<caption style="text-align:left;font-size:13px;padding:0 0 4px">{html.escape(caption)}</caption>'
    inner = f"{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<table {BARE} style="border-collapse:collapse;font-size:15px">{inner}</table>'


def _chip(facts: ExecutiveFacts, band: Any) -> str:
    """The sign of a band in its colour, and its name."""
    tone = palette.tones(facts.bands).get(band, palette.UNSCORED)
    colour = palette.colours(facts.band_colours or dict.fromkeys(facts.bands, "")).get(band, palette.TONES[palette.UNSCORED][0])
    look = f"color:{html.escape(colour, quote=True)};font-size:19px;font-weight:bold;line-height:1"
    return f'<span aria-hidden="true" style="{look}">{palette.GLYPHS[tone]}</span> {_escape(band)}'


def bands(facts: ExecutiveFacts) -> str:
    """Accounts and ARR by band against last month."""
    unit, table = compact(facts.context["currency"]), facts.by_band
    known = bool(table["accounts_before"].notna().any())
    rows = [
        [
            _chip(facts, row["band"]),
            count(row["accounts"]),
            *([change(row["accounts"] - row["accounts_before"])] if known else []),
            money(row["arr"], unit),
            *([money_change(row["arr"] - row["arr_before"], unit)] if known else []),
        ]
        for row in table.to_dict("records")
    ]
    heads = ["Band", "Accounts", *(["± month"] if known else []), "ARR", *(["± month"] if known else [])]
    since = f", and change since {day(facts.context['month'])}" if known else ""
    return _heading("The base by band") + _text(say.bands(facts)) + _grid(f"Accounts and ARR by band{since}", heads, rows)


def first(facts: ExecutiveFacts) -> str:
    """The first accounts to turn to: who, why, what to do."""
    rows = facts.risks.head(FIRST)
    if rows.empty:
        return _heading("Which accounts first") + _text(say.first(facts))
    unit = compact(facts.context["currency"])
    parts = [_risk(facts, row, unit) for row in rows.to_dict("records")]
    return _heading("Which accounts first") + f'<ol style="margin:0;padding:0 0 0 22px">{"".join(parts)}</ol>'


def _risk(facts: ExecutiveFacts, row: dict[Any, Any], unit: str) -> str:
    """One account in three lines."""
    spot = f"{_chip(facts, row['band'])} {banded(row['score'], facts.band_starts)}" + (
        "" if unknown(row["change"]) else f" ({change(row['change'])})"
    )
    facts_ = [money(row["arr"], unit), *([f"term ends {day(row['term_ends'])}"] if not unknown(row["term_ends"]) else []), f"score {spot}"]
    if not unknown(row["loss"]):
        low, high = number(100 * row["loss_low"], 0), number(100 * row["loss_high"], 0)
        facts_.append(f"chance of loss {share(row['loss'])} ({low}–{high}%)")
    owner = "" if unknown(row["csm"]) or not str(row["csm"]).strip() else f" · {_escape(_short(row['csm']))}"
    lines = [f"<strong>{_escape(_short(row['name']))}</strong>{owner}", ", ".join(facts_)]
    why = row["plain"] or row["why"]
    lines += [f"Why: {_escape(_short(why))}"] if why else []
    lines += [f"What to do: {_escape(_short(row['playbook']))}"] if row["playbook"] else []
    return f'<li style="margin:0 0 8px">{"<br>".join(lines)}</li>'


def believe(facts: ExecutiveFacts) -> str:
    """The first questions of a doubter, with their answers."""
    asked = list(claims_belief.believe(facts).items())[:QUESTIONS]
    return _heading("Can this be believed?") + "".join(_text(f"{question} {answer}") for question, answer in asked)


def links(facts: ExecutiveFacts) -> str:
    """Where the rest is: file names only, since nobody knows where a reader keeps them."""
    rows = "".join(
        f'<li style="margin:0 0 4px"><a href="{file}" style="color:inherit">{file}</a>: {html.escape(what)}</li>'
        for file, what in PAGES.items()
    )
    where = "Attached, or in the folder this summary comes from:"
    return _heading("The full report") + f'<p style="margin:0 0 4px">{where}</p><ul style="margin:0;padding:0 0 0 22px">{rows}</ul>'


def _foot(facts: ExecutiveFacts) -> str:
    """From what it was made."""
    context = facts.context
    said = (
        f"Data through {day(context['data_through'])}; {count(len(facts.scores))} active accounts; "
        f"scorecard {str(context['scorecard_sha256'])[:12] or NOTHING}; healthlib {context['versions'].get('healthlib', '')}. "
        "ARR: what running contracts bring in a year. GRR and NRR: of the ARR of a year ago, what is still there, without and with growth. "
        "Ranges are 95% intervals."
    )
    return f'<p style="font-size:13px;margin:10px 0 0">{html.escape(said)}</p>'
