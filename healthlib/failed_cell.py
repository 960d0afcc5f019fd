"""A notebook that did not run to its end: the cell marked in red in a copy of it, and the cause in one paragraph of plain words."""

from __future__ import annotations

import contextlib
import re
from functools import cache
from pathlib import Path
from typing import Any

MEMORY = "Most likely memory ran out: give the machine more, or cut the history of the exports."
CURES = {
    "MemoryError": MEMORY,
    "DeadKernelError": MEMORY,
    "CellTimeoutError": "See with `healthlib doctor` whether the machine has room, and run again when it is less busy.",
    "ModuleNotFoundError": "The installation is not whole: `healthlib doctor` says what is missing.",
    "ImportError": "The installation is not whole: `healthlib doctor` says what is missing.",
    "OSError": "`healthlib doctor` says whether the disk has room and may be written.",
    "PermissionError": "`healthlib doctor` says whether the disk has room and may be written.",
    "StoreError": "Run `healthlib run` again from the start.",
}
"""The class of an error -> what to do about it."""
OURS = ("HealthlibError", "SpecError", "DataError", "EvidenceError", "ParameterError")
MEND = "Mend what it says, and run again."
ANY = (
    "If the cell was changed, take the change back; else `healthlib check` says whether the data are sound. Where they are, the fault is "
    "healthlib's."
)


@cache
def engine() -> str:
    """The name of papermill's usual engine with one thing added: it puts the notebook, as far as it has run, into a list named `kept`."""
    from papermill.engines import NBClientEngine, papermill_engines

    class Keeping(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, *args: Any, kept: list[Any], **kwargs: Any) -> Any:
            kept.append(nb_man.nb)
            return super().execute_managed_notebook(nb_man, kernel_name, *args, **kwargs)

    papermill_engines.register("healthlib", Keeping)
    return "healthlib"


def mark(notebook: Any, name: str, why: str, out: Path) -> str:
    """Mark the cell that was running when a kernel died or its time was up, as papermill marks one that raised an error.

    Parameters
    ----------
    notebook : as far as it ran
    name, why : of the error that is shown below the cell
    out : receives the marked notebook

    Returns
    -------
    str
        Which cell it was, as `place` says it; empty where none had begun.
    """
    import nbformat
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import raise_for_execution_errors

    begun = [i for i, cell in enumerate(notebook.cells) if cell.metadata.get("papermill", {}).get("start_time")]
    code = [i for i in begun if notebook.cells[i].cell_type == "code" and notebook.cells[i].source.strip()]
    if not code:
        nbformat.write(notebook, out)
        return ""
    said = place(notebook, code[-1])
    notebook.cells[code[-1]]["outputs"].append(nbformat.v4.new_output("error", ename=name, evalue=why, traceback=[f"{name}: {why}"]))
    with contextlib.suppress(PapermillExecutionError):
        raise_for_execution_errors(notebook, str(out))
    return said


def place(notebook: Any, index: int) -> str:
    """Which cell it is: its number, and the last heading above it, leaving out papermill's own marks.

    Parameters
    ----------
    index : of the notebook's cells, from 0
    """
    cells = [cell for cell in notebook.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", ())]
    said = f"cell {index}"
    for cell in reversed(cells[:index]):
        headings = re.findall(r"^#+ +(.+)$", cell.source, flags=re.MULTILINE) if cell.cell_type == "markdown" else []
        if headings:
            return f"{said} (below “{headings[-1].strip()}”)"
    return said


def paragraph(notebook: str, cause: str, name: str = "") -> str:
    """What stopped a notebook, that the last report is safe, and what to do.

    Parameters
    ----------
    notebook : its file's name
    cause : which cell, and what happened
    name : the class of the error; "" where there is none
    """
    cure = CURES.get(name, MEND if name in OURS else ANY)
    return f"{notebook} did not finish: {cause.rstrip('.')}. The last good report is left as it was. {cure}"
