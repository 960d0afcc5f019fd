"""One notebook through papermill: parameters checked before anything runs, success proven after, the same bytes every time."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from . import failed_cell, given
from .errors import EvidenceError, Fault
from .given import ParameterError
from .machine import passing

CELL_SECONDS = 900
"""A cell that runs longer than this has failed."""
SOCKET_PATH = 100
"""Letters the path of a socket may have; a longer temporary folder means ports."""


class NotebookError(EvidenceError):
    """A notebook did not run to its end (exit 1). The message names the cell and its error."""


def quicken_jupyter() -> None:
    """Keep jupyter from importing an address grammar it does not need: 60 % of papermill's start (jsonschema#1428)."""
    sys.modules.setdefault("rfc3987_syntax", None)  # ty: ignore[no-matching-overload]


def warm_up() -> None:
    """Import what running and exporting notebooks needs; a runner does so in a thread while the database works."""
    quicken_jupyter()
    import nbconvert  # noqa: F401
    import papermill  # noqa: F401


def declared_parameters(notebook: Path) -> dict[str, Any]:
    """Name -> default of the notebook's cell tagged ``parameters``; defaults are literals."""
    import nbformat

    cells = nbformat.read(notebook, as_version=4).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", ())]
    if not tagged:
        fault = Fault(str(notebook), None, "", "no cell tagged 'parameters'", "tag one")
        raise ParameterError(f"{notebook.name} takes no parameters", [fault])
    found = {}
    for statement in ast.parse(tagged[0].source).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = ast.literal_eval(statement.value)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value is not None:
            found[statement.target.id] = ast.literal_eval(statement.value)
    return found


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse what papermill lets through: an unknown name, or a value of another type than the default's.

    Raises
    ------
    ParameterError
        With every such parameter at once.
    """
    faults = given.faults(parameters, declared_parameters(notebook), str(notebook))
    if faults:
        raise ParameterError(f"{notebook.name} cannot be run with these parameters", faults)


def execute(
    notebook: Path,
    out: Path,
    parameters: Mapping[str, Any],
    *,
    shown: Mapping[str, Any] | None = None,
    kernel: Mapping[str, Any] | None = None,
) -> Path:
    """Run a notebook in a fresh kernel and write the executed one to `out`, without times, random ids or paths of this machine.

    Parameters
    ----------
    parameters : name -> value, as the notebook declares them
    shown : values that stand in the written notebook instead, so that it can be run again elsewhere (a temporary folder becomes "")
    kernel : `km`, the manager of a kernel that runs already and is kept, see `series`; a fresh one where None

    Returns
    -------
    Path
        `out`, written only if the run succeeded: the call returned, every code cell ran, no output is an error.

    Raises
    ------
    ParameterError
        Before anything runs.
    NotebookError
        What stopped it. ``<out>.failed.ipynb`` then holds the notebook with the error marked.
    """
    check_parameters(notebook, parameters)
    quicken_jupyter()
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillException, PapermillExecutionError

    raw = out.with_suffix(".failed.ipynb")
    cause, name, kept = "", "", []
    try:
        with kernel_environment() as sockets:
            executed = papermill.execute_notebook(
                str(notebook), str(raw), dict(parameters), progress_bar=False, request_save_on_cell_execute=False,
                execution_timeout=CELL_SECONDS, shutdown_kernel="immediate", config=sockets, engine_name=failed_cell.engine(), kept=kept,
                **(kernel or {}),
            )  # fmt: skip
    except PapermillExecutionError as error:
        name, cell = error.ename, failed_cell.place(kept[0], error.cell_index)
        cause = f"{cell} failed with {name}: {_short(error.evalue)}"
    except (CellTimeoutError, DeadKernelError) as error:
        name, late = type(error).__name__, isinstance(error, CellTimeoutError)
        why = f"it ran longer than {CELL_SECONDS} seconds" if late else "its kernel died (out of memory, or killed)"
        cell = failed_cell.mark(kept[0], name, why, raw) if kept else ""
        cause = f"{cell}: {why}" if cell else why
    except (PapermillException, RuntimeError, OSError) as error:
        name = type(error).__name__
        cause = f"it could not be run: {name}: {_short(str(error))}"
    cause = cause or unproven(executed)
    if cause:
        raise NotebookError(failed_cell.paragraph(notebook.name, cause, name))
    settle(executed, {**parameters, **(shown or {})})
    raw.unlink(missing_ok=True)
    nbformat.write(executed, out)
    return out


def unproven(executed: Any) -> str:
    """Why an executed notebook may not be published; empty if it may."""
    code = [(i, cell) for i, cell in enumerate(executed.cells) if cell.cell_type == "code" and cell.source.strip()]
    idle = [str(i) for i, cell in code if not cell.execution_count]
    failed = [(i, o) for i, cell in code for o in cell.outputs if o.output_type == "error"]
    shown = [f"cell {i} shows {o.ename}: {_short(o.evalue)}" for i, o in failed[:1]]
    return ", and ".join([*shown, *([f"cell {', '.join(idle)} never ran"] if idle else [])])


def settle(executed: Any, parameters: Mapping[str, Any]) -> None:
    """Take out, in place, what differs between two equal runs: times, papermill's records, random ids, warnings with paths."""
    executed.metadata.pop("papermill", None)
    executed.metadata.pop("widgets", None)
    for i, cell in enumerate(executed.cells):
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", ()):
            cell["id"] = f"injected-{i}"
            cell["source"] = "# Parameters\n" + "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        if cell.cell_type == "code":
            cell["outputs"] = [o for o in cell.outputs if not (o.output_type == "stream" and o.name == "stderr")]
            for output in cell.outputs:
                if isinstance(output.get("data", {}).get("text/plain"), str):
                    output["data"]["text/plain"] = re.sub(r" at 0x[0-9a-f]+", "", output["data"]["text/plain"])


@contextlib.contextmanager
def kernel_environment() -> Generator[Any]:
    """Kernels of this environment before the user's own, one thread for sums, and files of this user to talk through instead of ports.

    Through files nobody can listen in, and no two runs want the same port.
    """
    from traitlets.config import Config

    wanted = {"JUPYTER_PREFER_ENV_PATH": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    for name, value in wanted.items():
        os.environ.setdefault(name, value)
    with passing("hl-") as folder:
        short = len(str(folder)) < SOCKET_PATH - 5
        through = {"transport": "ipc", "ip": f"{folder}/k"} if short else {}
        patient = {"iopub_timeout": CELL_SECONDS}  # papermill fails a cell whose output comes 4 s late, as it does on a busy machine
        yield Config({"KernelManager": {"connection_file": f"{folder}/c.json", **through}, "NotebookClient": patient})


def _short(text: str, length: int = 400) -> str:
    text = " ".join(str(text).split())
    return text if len(text) <= length else text[: length - 1] + "…"
