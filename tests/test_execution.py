"""A notebook counts as run only if it ran; a second run gives the same bytes; papermill's silent traps are refused."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from healthlib import execution, series

PARAMETERS = 'workspace = "data/demo"\nrows: int = 3\nfacts = ""'


def notebook(folder: Path, *sources: str) -> Path:
    cells = [new_code_cell(PARAMETERS, id="params", metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
    path = folder / "toy.ipynb"
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Toy", id="top"), *cells], metadata=spec), path)
    return path


def test_parameters_are_read_with_their_defaults(tmp_path: Path) -> None:
    assert execution.declared_parameters(notebook(tmp_path)) == {"workspace": "data/demo", "rows": 3, "facts": ""}


def test_unknown_names_and_wrong_types_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(execution.ParameterError) as caught:
        execution.check_parameters(notebook(tmp_path), {"workspce": "x", "rows": "3"})
    assert "Did you mean 'workspace'?" in str(caught.value)
    assert "rows: found '3' (text); give a whole number like 3" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_run_leaves_no_trace_of_time_or_place_and_is_the_same_twice(tmp_path: Path) -> None:
    source = notebook(tmp_path, "import sys; print('seen', bool(facts)); print('no' + 'ise', file=sys.stderr)", "object()")
    given, shown = {"workspace": "w", "facts": str(tmp_path)}, {"facts": ""}
    one, two = (execution.execute(source, tmp_path / f"{n}.ipynb", given, shown=shown) for n in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    text = one.read_text()
    assert "seen True" in text
    assert str(tmp_path) not in text
    assert "noise" not in text
    assert not list(tmp_path.glob("*.failed.ipynb"))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "1 / 0",
            "cell 2 (below “Toy”) failed with ZeroDivisionError: division by zero. The last good report is left as it was. If the cell",
        ),
        ("import os; os.kill(os.getpid(), 9)", "cell 2 (below “Toy”): its kernel died (out of memory, or killed). The last good"),
        ("import sys; sys.exit(0)", "cell 2 shows SystemExit: 0, and cell 3 never ran"),
        ("get_ipython().kernel.do_shutdown(False); raise SystemExit(0)", ""),
    ],
)
def test_what_did_not_run_to_its_end_is_not_a_run(source: str, says: str, tmp_path: Path) -> None:
    """METHODS.md: after a killed kernel papermill's saved notebook says every cell is completed; sys.exit(0) counts as success."""
    with pytest.raises(execution.NotebookError) as caught:
        execution.execute(notebook(tmp_path, source, "print('after')"), tmp_path / "out.ipynb", {})
    assert says in str(caught.value)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "out.ipynb").exists()
    if says:  # the cell is marked in what is left of it
        left = nbformat.read(tmp_path / "out.failed.ipynb", as_version=4)
        wrong = [cell for cell in left.cells if any(output.output_type == "error" for output in cell.get("outputs", []))]
        assert [cell.source for cell in wrong] == [source]


def test_a_cell_that_takes_too_long_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "CELL_SECONDS", 2)
    with pytest.raises(
        execution.NotebookError, match=r"cell 2 \(below “Toy”\): it ran longer than 2 seconds.* run again when it is less busy"
    ):
        execution.execute(notebook(tmp_path, "import time; time.sleep(30)"), tmp_path / "out.ipynb", {})
    assert "CellTimeoutError: it ran longer than 2 seconds" in (tmp_path / "out.failed.ipynb").read_text()


def test_a_cell_that_never_ran_or_shows_an_error_is_named() -> None:
    ran = new_code_cell("1", execution_count=1)
    wrong = new_code_cell("2", execution_count=2, outputs=[new_output("error", ename="ValueError", evalue="no", traceback=[])])
    assert execution.unproven(new_notebook(cells=[ran, new_code_cell("2")])) == "cell 1 never ran"
    assert execution.unproven(new_notebook(cells=[ran, wrong])) == "cell 1 shows ValueError: no"
    assert execution.unproven(new_notebook(cells=[ran, new_code_cell("")])) == ""


def test_many_in_one_kernel_are_what_each_is_alone(tmp_path: Path) -> None:
    source = notebook(tmp_path, "workspace, rows")
    sets = {name: {"workspace": name} for name in ("one", "two", "three")}
    made = series.execute_each(source, tmp_path, sets, shown={"facts": ""})
    assert [path.name for path in made] == ["one.ipynb", "two.ipynb", "three.ipynb"]
    alone = execution.execute(source, tmp_path / "alone.ipynb", {"workspace": "two"}, shown={"facts": ""})
    shown = [[cell.get("outputs")[-1]["data"] for cell in nbformat.read(path, as_version=4).cells[-1:]] for path in (made[1], alone)]
    assert shown[0] == shown[1]
    assert shown[0][0]["text/plain"] == "('two', 3)"
    assert series.execute_each(source, tmp_path, {}, shown={}) == []


def test_the_first_of_many_that_fails_stops_them(tmp_path: Path) -> None:
    source = notebook(tmp_path, "1 / (rows - 2)")
    with pytest.raises(execution.NotebookError, match="ZeroDivisionError"):
        series.execute_each(source, tmp_path, {name: {"rows": place} for place, name in enumerate("abcd")}, shown={})
    assert sorted(path.name for path in tmp_path.glob("*.ipynb")) == ["a.ipynb", "b.ipynb", "c.failed.ipynb", "toy.ipynb"]


def test_output_that_comes_late_on_a_busy_machine_fails_no_cell() -> None:
    """Papermill gives a cell's output four seconds after its reply, and calls what is later a cell that ran too long."""
    from papermill.clientwrap import PapermillNotebookClient

    managed = type("Managed", (), {"nb": nbformat.v4.new_notebook()})()
    with execution.kernel_environment() as config:
        assert PapermillNotebookClient(managed, config=config).iopub_timeout == execution.CELL_SECONDS
