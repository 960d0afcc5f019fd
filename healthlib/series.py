"""One notebook many times in one kernel: a page per CSM for a tenth of a second each, where a kernel per page takes more than a second."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from . import execution


def execute_each(notebook: Path, folder: Path, parameters: Mapping[str, Mapping[str, Any]], *, shown: Mapping[str, Any]) -> list[Path]:
    """Run a notebook once for each set of parameters, each as `execution.execute` does, but all in one kernel, one after the other.

    A notebook run so must name everything it reads, as those of a run do: what an earlier one left in the kernel is still there.

    Parameters
    ----------
    folder : receives ``<name>.ipynb``
    parameters : name of the file -> parameters
    shown : see `execution.execute`

    Returns
    -------
    list of Path
        The executed notebooks, in the order of `parameters`; none where there are none, and then no kernel is started.

    Raises
    ------
    ParameterError, NotebookError
        Of the first that did not run to its end; no later one is run.
    """
    if not parameters:
        return []
    with _one_kernel() as kernel:
        return [
            execution.execute(notebook, folder / f"{name}.ipynb", given, shown=shown, kernel=kernel) for name, given in parameters.items()
        ]


@contextlib.contextmanager
def _one_kernel() -> Generator[dict[str, Any]]:
    """A kernel and its client, for the thread that asks; it is shut down whatever happens."""
    execution.quicken_jupyter()
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.util import run_sync

    with execution.kernel_environment() as config:
        manager = AsyncKernelManager(kernel_name="python3", config=config)
        held: dict[str, Any] = {"km": manager}

        async def up() -> None:
            await manager.start_kernel()
            held["kc"] = manager.client()
            held["kc"].start_channels()
            await held["kc"].wait_for_ready(timeout=60)
            held["kc"].allow_stdin = False

        async def down() -> None:
            if "kc" in held:
                held["kc"].stop_channels()
            if manager.has_kernel:
                await manager.shutdown_kernel(now=True)

        try:
            run_sync(up)()
            yield held
        finally:
            run_sync(down)()
