"""What `healthlib doctor` says of the machine: packages, processors, memory, language, clock, variables, and whether a kernel starts."""

from __future__ import annotations

import contextlib
import locale
import os
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import execution

LEAST_MEMORY, SCANT_MEMORY = 0.5e9, 1.5e9
"""Bytes below which a run most likely dies, and below which a large one may."""
KERNEL_SECONDS = 30
KEY = ("healthlib", "pandas", "numpy", "duckdb", "papermill", "nbconvert", "ipykernel")
"""Packages whose place is looked at."""
_ASK = "import healthlib, os, sys; print(os.path.dirname(healthlib.__file__), sys.executable, sep='\\n')"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's.

    Attributes
    ----------
    name : what was looked at
    verdict : ok; care: runs, but look at it; no: a run would fail, or the last one did
    found : what there is
    cure : what to do, empty where nothing is to be done
    """

    name: str
    verdict: str
    found: str
    cure: str = ""


def python() -> Check:
    """The interpreter."""
    return Check("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")


def packages(lock: Path | None = None) -> Check:
    """Every package that healthlib needs: there, within its limits, and as locked.

    Parameters
    ----------
    lock : ``requirements.lock``; beside the package where None, and not compared where it is not there
    """
    from packaging.requirements import Requirement

    pins = _pins(lock or Path(__file__).resolve().parent.parent / "requirements.lock")
    missing, outside, other = [], [], []
    needs = [Requirement(line) for line in _needed()]
    for need in needs:
        have = _version(need.name)
        if have is None:
            missing.append(need.name)
        elif not need.specifier.contains(have, prereleases=True):
            outside.append(f"{need.name} {have} (needs {need.specifier})")
        elif pins.get(need.name, have) != have:
            other.append(f"{need.name} {have} (locked: {pins[need.name]})")
    install = "pip install -r requirements.lock into this environment"
    if missing or outside:
        gone = [f"missing: {', '.join(missing)}"] if missing else []
        return Check("packages", "no", "; ".join([*gone, *outside]), install)
    if other:
        return Check("packages", "care", f"not as locked: {', '.join(other)}", f"{install}, or figures may differ in their last digits")
    shown = ", ".join(f"{name} {_version(name)}" for name in KEY[1:])
    held = f"{len(needs)} packages as locked" if pins else f"{len(needs)} packages within their limits (no requirements.lock here)"
    return Check("packages", "ok", f"{held}: {shown}")


def _needed() -> list[str]:
    """What healthlib says that it needs, without extras; of a checkout that is not installed, what its pyproject.toml says."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return [line for line in metadata.requires("healthlib") or [] if "extra ==" not in line]
    import tomllib

    with contextlib.suppress(OSError, ValueError, KeyError):
        return tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "dependencies"
        ]
    return list(KEY[1:])


def _pins(lock: Path) -> dict[str, str]:
    """Package -> version of a lock, of the lines that are for this Python."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = {}
    with contextlib.suppress(OSError, InvalidRequirement):
        for line in lock.read_text(encoding="utf-8").splitlines():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate():
                found[need.name] = str(need.specifier).removeprefix("==")
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def processors() -> Check:
    """How many processors this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = f"{count} usable"
    return Check("processors", "ok", found if count > 1 else f"{found}: studies run one after the other")


def memory(available: float | None = None) -> Check:
    """Memory that is free, also of a container's share."""
    free = available if available is not None else _free_memory()
    found = f"{free / 1e9:.1f} GB free"
    if free < LEAST_MEMORY:
        return Check("memory", "no", found, "a run needs about 1 GB, more for large exports: free some, or give the container more")
    if free < SCANT_MEMORY:
        return Check("memory", "care", found, "enough for small companies; give it 2 GB, and 4 GB for 20,000 accounts")
    return Check("memory", "ok", found)


def _free_memory() -> float:
    import psutil

    free = float(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        free = min(free, float((group / "memory.max").read_text()) - float((group / "memory.current").read_text()))
    return free


def language() -> Check:
    """Encoding of what is printed; files are always UTF-8, whatever the locale."""
    encoding = (sys.stdout.encoding or "").lower()
    found = (
        f"{os.environ.get('LC_ALL') or os.environ.get('LANG') or locale.setlocale(locale.LC_CTYPE) or 'C'}, prints {encoding or 'nothing'}"
    )
    if not encoding.startswith("utf"):
        return Check("locale", "care", found, "names of accounts may not print: set PYTHONUTF8=1 (reports are UTF-8 whatever this says)")
    return Check("locale", "ok", f"{found}; reports do not depend on it")


def clock(seconds: float | None = None) -> Check:
    """Time zone and year."""
    at = time.time() if seconds is None else seconds
    found = f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime(at))} UTC, zone {os.environ.get('TZ') or time.tzname[0]}"
    if not 2025 <= time.gmtime(at).tm_year < 2100:
        return Check("clock", "care", found, "set the machine's clock: status.json and the schedule go by it")
    return Check("clock", "ok", f"{found}; reports do not depend on it")


def threads() -> Check:
    """Threads of the sums: one each, so that they are the same everywhere."""
    set_to = {name: os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    more = {name: value for name, value in set_to.items() if value not in ("", "1")}
    if more:
        found = ", ".join(f"{name}={value}" for name, value in more.items())
        return Check("threads", "care", found, "set them to 1: sums may differ in their last digits, and processes get in each other's way")
    return Check("threads", "ok", "one for sums (OMP_NUM_THREADS=1)")


def variables() -> Check:
    """Variables of Python that change what is imported."""
    odd = {name: os.environ[name] for name in ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONOPTIMIZE") if os.environ.get(name)}
    for name in odd:
        return Check("variables", "care", f"{name}={odd[name]}", f"unset {name} for scheduled runs")
    path = os.environ.get("PYTHONPATH", "")
    if not path:
        return Check("variables", "ok", "no PYTHONPATH")
    parts = [Path(part).resolve() for part in path.split(os.pathsep) if part]
    shadowed = [name for name in KEY if _place(name) in parts]
    if shadowed and shadowed != ["healthlib"]:
        return Check(
            "variables", "care", f"PYTHONPATH={path} brings {', '.join(shadowed)}", "unset it, so that the environment's own are used"
        )
    return Check("variables", "ok", f"PYTHONPATH={path}" + (" brings this healthlib" if shadowed else ""))


def _place(name: str) -> Path | None:
    """The folder that a package is imported from."""
    found = find_spec(name)
    return Path(found.origin).resolve().parent.parent if found and found.origin else None


@contextlib.contextmanager
def kernel() -> Generator[Callable[[], Check]]:
    """Start a notebook kernel; the callable waits for it and says how it went, so that other things can be looked at meanwhile."""
    with contextlib.ExitStack() as stack:
        try:
            execution.quicken_jupyter()
            from jupyter_client.blocking.client import BlockingKernelClient
            from jupyter_client.manager import KernelManager

            config = stack.enter_context(execution.kernel_environment())
            manager = KernelManager(kernel_name="python3", config=config)
            manager.client_factory = BlockingKernelClient
            manager.start_kernel(stdout=-3, stderr=-3)
            stack.callback(manager.shutdown_kernel, now=True)
        except Exception as error:  # whatever a broken installation raises is the finding
            why = f"{type(error).__name__}: {error}"
            yield lambda: _no_kernel(why)
        else:
            yield lambda: _answer(manager)


def _no_kernel(why: str) -> Check:
    cure = "notebooks cannot run: python -m pip install ipykernel, then python -m ipykernel install --sys-prefix"
    return Check("kernel", "no", " ".join(why.split())[:200], cure)


def _answer(manager: Any) -> Check:
    """Ask the kernel where its healthlib is: a kernel of another environment runs other code."""
    began, lines = time.monotonic(), []
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=KERNEL_SECONDS)
        reply = client.execute_interactive(
            _ASK, timeout=KERNEL_SECONDS, store_history=False, output_hook=lambda said: lines.append(said["content"].get("text", ""))
        )
    except Exception as error:
        return _no_kernel(f"no answer within {time.monotonic() - began:.0f} s: {type(error).__name__}: {error}")
    finally:
        client.stop_channels()
    if reply["content"]["status"] != "ok":
        return _no_kernel(f"it starts, but {reply['content'].get('ename')}: {reply['content'].get('evalue')}")
    place, _, rest = "".join(lines).partition("\n")
    if Path(place).resolve() != Path(__file__).resolve().parent:
        return Check("kernel", "no", f"it imports another healthlib: {place} ({rest.strip()})", "python -m ipykernel install --sys-prefix")
    return Check("kernel", "ok", "python3 starts and imports this healthlib")


def notebook_tools() -> Check:
    """Whether papermill and nbconvert can be imported."""
    try:
        execution.warm_up()
    except Exception as error:
        return Check("papermill, nbconvert", "no", f"{type(error).__name__}: {error}"[:200], "pip install -r requirements.lock")
    return Check("papermill, nbconvert", "ok", "import")
