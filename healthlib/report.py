"""Facts to pages: the masthead and colophon of a report, the export of a notebook to one self-contained file, and the list of runs.

Decides nothing. The pieces a notebook puts on a page (`claim`, `table`, `figure` ...) are those of `pieces`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from healthlib import palette, wording
from healthlib.errors import HealthlibError
from healthlib.pieces import (
    Piece,
    anchored,
    bands,
    bars,
    bullets,
    card,
    claim,
    columns,
    definitions,
    details,
    escape,
    figure,
    heading,
    lead,
    linked,
    machine,
    note,
    show,
    table,
    text,
    tiles,
)

__all__ = [
    "Piece",
    "anchored",
    "bands",
    "bare",
    "bars",
    "bullets",
    "card",
    "claim",
    "columns",
    "definitions",
    "details",
    "escape",
    "export",
    "figure",
    "footer",
    "heading",
    "lead",
    "linked",
    "machine",
    "masthead",
    "note",
    "render",
    "show",
    "table",
    "text",
    "tiles",
]

TEMPLATES = Path(__file__).parent / "templates"


def masthead(title: str, *, context: Mapping[str, Any]) -> Piece:
    """The title of the page, the day it speaks of, and whether the company is simulated.

    Parameters
    ----------
    context : what every report says of itself: workspace, as_of, data_through, simulated, accounts, scorecard_sha256, seed, versions; and
        `evidence`, a warning of how weak the evidence is
    """
    when = wording.day(context["as_of"])
    said = [] if when in title else [f"as of {when}"]
    if not wording.unknown(context.get("data_through")):
        said.append(f"data through {wording.day(context['data_through'])}")
    said += ["names masked"] if context.get("anonymised") else []
    about = f'<span class="about">{html.escape(", ".join(said))}</span>' if said else ""
    banner = note("Simulated data. This company does not exist; its accounts, money and outcomes were made by a program.", "simulated")
    weaker = note(str(context["evidence"]), "warning") if context.get("evidence") else Piece("")
    return (
        Piece(f'<header class="masthead"><p class="eyebrow">{escape(context["workspace"])} {about}</p><h1>{escape(title)}</h1></header>')
        + (banner if context.get("simulated") else Piece(""))
        + weaker
    )


def footer(context: Mapping[str, Any], meanings: Mapping[str, str] | None = None) -> Piece:
    """What a reader needs to get the same numbers again, and what the words mean."""
    rows = {
        "Workspace": str(context["workspace"]),
        "As of": wording.day(context["as_of"]),
        "Data through": wording.day(context.get("data_through")),
        "Active accounts": wording.count(context.get("accounts", float("nan"))),
        "Scorecard": str(context.get("scorecard_sha256", ""))[:12],
        "Exports": str(context.get("data_sha256", ""))[:12],
        "Workspace file": str(context.get("workspace_sha256", ""))[:12],
        "Names": "masked; one name has one mask in every month" if context.get("anonymised") else "",
        "Seed": str(context.get("seed", "")),
        "Versions": ", ".join(f"{k} {v}" for k, v in (context.get("versions") or {}).items()),
    }
    facts = definitions({term: said for term, said in rows.items() if said and said != wording.NOTHING})
    words = details("What the figures mean", definitions(meanings)) if meanings else Piece("")
    simulated = "<p>Simulated data.</p>" if context.get("simulated") else ""
    return words + Piece(f'<footer class="colophon">{simulated}{facts.html}</footer>')


@cache
def _exporter() -> Any:
    from nbconvert import HTMLExporter

    return HTMLExporter(template_name="healthlib", extra_template_basedirs=[str(TEMPLATES)], exclude_anchor_links=True, embed_images=False)


@cache
def _shell() -> Any:
    """The template of a page that no notebook makes: the same shell, without the weight of nbconvert."""
    from jinja2 import Environment, FileSystemLoader

    # every piece that goes in is escaped already
    return Environment(loader=FileSystemLoader(TEMPLATES / "healthlib"), autoescape=False).get_template("shell.html.j2")


def export(ipynb: Path | str, page: Path | str, *, title: str = "", context: Mapping[str, Any] | None = None) -> Path:
    """Write an executed notebook as one self-contained HTML file, code hidden; folded away at its end where the notebook's metadata say
    `"healthlib": {"code": "folded"}`.

    Parameters
    ----------
    ipynb : the executed notebook
    page : where the HTML goes
    title : the title of the page; the notebook's first heading if not given
    context : as for `masthead`; adds masthead and footer to a notebook that does not show its own

    Raises
    ------
    HealthlibError
        If an output of the notebook is an error.
    """
    import nbformat

    notebook = nbformat.read(ipynb, as_version=4)
    failed = [out for cell in notebook.cells for out in cell.get("outputs", ()) if out.output_type == "error"]
    if failed:
        raise HealthlibError(f"{ipynb}: a cell failed with {failed[0].ename}: {failed[0].evalue}. No report is made of a failed notebook.")
    named = _take_title(notebook)
    shown = "".join(str(out.get("data", {}).get("text/html", "")) for cell in notebook.cells for out in cell.get("outputs", ()))
    resources = _resources(title or named or Path(ipynb).stem)
    own = re.search(r'<p class="eyebrow">(<bdi>.*?</bdi>).*?</p><h1>(.*?)</h1>', shown, flags=re.S)
    if own:
        company, heading_ = (html.unescape(re.sub(r"<[^>]+>", "", part)) for part in own.groups())
        resources["title"] = title or f"{heading_} – {company}"
    else:
        title = str(resources["title"])
        resources["masthead"] = masthead(title, context=context).html if context else f"<h1>{escape(title)}</h1>"
    if context and 'class="colophon"' not in shown:
        resources["footer"] = footer(context).html
    resources |= {"notebook": Path(ipynb).name, "code": _code(notebook)}
    body, _ = _exporter().from_notebook_node(notebook, resources=resources)
    Path(page).write_text(_shorter(body), encoding="utf-8")
    return Path(page)


@cache
def script() -> tuple[str, str]:
    """The only script of a page, by which its tables sort and filter; and the hash that its policy allows to run, and nothing else."""
    words = re.sub(r"^(?:\s*//.*\n|\s+)", "", (TEMPLATES / "healthlib" / "tables.js").read_text(encoding="utf-8"), flags=re.M).strip()
    return words, f"sha256-{base64.b64encode(hashlib.sha256(words.encode()).digest()).decode()}"


def _shorter(page: str) -> str:
    """The page with the machine values of its tables to 12 digits: far more than any figure here can claim.

    >>> _shorter('<data value="0.27525641515295907">28%</data> <data value="331800.0">$332k</data> <data value="2026-10-05">5 Oct</data>')
    '<data value="0.275256415153">28%</data> <data value="331800">$332k</data> <data value="2026-10-05">5 Oct</data>'
    """
    return re.sub(r'(<data [^>]*?value=")(-?\d+\.\d+(?:e[+-]?\d+)?)(?=")', lambda found: f"{found[1]}{float(found[2]):.12g}", page)


def _resources(title: str) -> dict[str, Any]:
    words, digest = script()
    return {
        "title": title,
        "script": words,
        "script_hash": digest,
        "masthead": "",
        "footer": "",
        "palette": palette.css_variables(),
        "palette_dark": palette.css_variables(dark=True),
    }


def _code(notebook: Any) -> list[tuple[str, str]]:
    """(heading above, code) of each cell, without those of parameters; empty unless the notebook's metadata ask for its code."""
    asked = notebook.metadata.get("healthlib", {}).get("code") == "folded"
    found, section = [], ""
    for cell in notebook.cells if asked else []:
        if cell.cell_type == "markdown" and cell.source.strip():
            section = cell.source.strip().splitlines()[0].lstrip("# ")
        elif cell.cell_type == "code" and not {"parameters", "injected-parameters", "notebook-only"} & set(cell.metadata.get("tags", ())):
            found.append((section, cell.source))
            section = ""
    return found


def _take_title(notebook: Any) -> str:
    """Take the first-level heading out of the notebook, so that a page has one h1; further ones become second-level."""
    found = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            match = re.search(r"^# (.+)$", cell.source, flags=re.M)
            if match and not found:
                found, cell.source = match.group(1), cell.source.replace(match.group(0), "", 1).strip()
            cell.source = re.sub(r"^# ", "## ", cell.source, flags=re.M)
    return found


def render(title: str, body: Piece, *, context: Mapping[str, Any], meanings: Mapping[str, str] | None = None) -> str:
    """Pieces as one self-contained page with masthead and footer, for a report that no notebook makes.

    Parameters
    ----------
    title : of the page
    body : what stands between masthead and footer
    context : as for `masthead`
    meanings : what the words mean, folded away at the foot
    """
    resources = _resources(f"{title} – {context['workspace']}")
    resources |= {"masthead": masthead(title, context=context).html, "footer": footer(context, meanings).html}
    return _shell().render(resources=resources, body=body.html)


def bare(title: str, body: Piece) -> str:
    """Pieces as one self-contained page about no single workspace: no masthead of a company, no footer."""
    header = f'<header class="masthead"><p class="eyebrow">healthlib</p><h1>{escape(title)}</h1></header>'
    return _shell().render(resources=_resources(title) | {"masthead": header}, body=body.html)
