"""One notebook many times in one kernel: a page per CSM for a tenth of a second each, where a kernel per page takes more than a second."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from functools import cache
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
    """A kernel for the thread that asks; it is shut down whatever happens."""
    execution.quicken_jupyter()
    from nbclient.util import run_sync

    with execution.kernel_environment() as config:
        manager = _manager()(kernel_name="python3", config=config)
        try:
            run_sync(manager.start_kernel)()
            yield {"km": manager}
        finally:
            if manager.has_kernel:
                run_sync(manager.shutdown_kernel)(now=True)
            if manager.kept is not None:
                manager.kept.stop_channels()


@cache
def _manager() -> Any:
    """A kernel manager with one client for all notebooks: a new one waits a fifth of a second for old messages, each time."""
    from jupyter_client.asynchronous.client import AsyncKernelClient
    from jupyter_client.manager import AsyncKernelManager

    class Client(AsyncKernelClient):
        heard = False

        def start_channels(self, *args: Any, **kwargs: Any) -> None:
            """Once: the channels of the notebook before serve the next one."""
            if not self.channels_running:
                super().start_channels(*args, **kwargs)

        async def wait_for_ready(self, timeout: float | None = None) -> None:
            """Once: a kernel that answered is ready for the next notebook."""
            if not self.heard:
                await super().wait_for_ready(timeout=timeout)
                self.heard = True

    class Manager(AsyncKernelManager):
        kept: Any = None

        def client(self, **kwargs: Any) -> Any:
            """The one client."""
            if self.kept is None:
                self.client_factory = Client
                self.kept = super().client(**kwargs)
            return self.kept

    return Manager
