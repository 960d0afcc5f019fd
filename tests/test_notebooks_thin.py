"""The rules of the notebooks: thin, tagged, without outputs, and a claim before every picture."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LOGIC = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.AsyncFor, ast.While, ast.If, ast.Try, ast.With,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


def cells(path: Path, kind: str = "code") -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def test_there_are_the_tour_and_five_more() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "00_scorecard_tour", "01_audit", "02_fit_weights", "03_backtest_bands", "04_executive_report", "05_book",
    ]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_parameters_are_one_tagged_cell_with_the_names_of_a_run(path: Path) -> None:
    tagged = [cell for cell in cells(path) if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    given = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(source(tagged[0])).body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    assert given == {"workspace": "data/demo", "as_of": "", "facts": ""} | ({"csm": ""} if path.stem == "05_book" else {})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_thin(path: Path) -> None:
    code = cells(path)
    assert len(code) <= 12
    for cell in code:
        found = [type(node).__name__ for node in ast.walk(ast.parse(source(cell))) if isinstance(node, LOGIC)]
        assert found == [], source(cell)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs_for_the_usual_kernel(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["nbformat"] == 4
    for cell in cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_sentence_claims_something_before_each_picture(path: Path) -> None:
    for cell in cells(path):
        text = source(cell)
        pictures = [match.start() for match in re.finditer(r"report\.figure\(", text)]
        assert all("report.claim(" in text[:start] for start in pictures), text
        assert all("alt=" in text[start : start + 250] for start in pictures), text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_it_calls_exists(path: Path) -> None:
    """`say.x`, `page.x`, `plots.x`, `report.x`: a renamed function is found here, not by the reader."""
    import importlib

    code = "\n".join(source(cell) for cell in cells(path))
    tree = ast.parse(code)
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "healthlib":
            modules |= {alias.asname or alias.name: importlib.import_module(f"healthlib.{alias.name}") for alias in node.names}
    used = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    }
    assert used
    assert [(name, attribute) for name, attribute in sorted(used) if not hasattr(modules[name], attribute)] == []
