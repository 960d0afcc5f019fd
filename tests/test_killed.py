"""A real run killed at random moments: the last good report stays whole, nothing survives its parent, the next run tidies up.

Four moments in a run of one-cell notebooks; ``HEALTHLIB_KILLS=50`` (`make kills`) kills the whole run of a demo company so often.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from healthlib import runner
from healthlib.demo import make_demo
from tests.test_bad_days import COMPANIES, company

ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("HEALTHLIB_KILLS", "4"))
REAL = KILLS > 4
LONG = 1200
STEP = re.compile(r"(\S+) (\d+)/(\d+) ")
MARK = "HEALTHLIB_TEST_RUN"
RUN = """
import sys
from pathlib import Path
from healthlib import cli, runner
if sys.argv[3]:
    runner.find_notebooks = lambda: Path(sys.argv[3])
sys.exit(cli.main(["run", sys.argv[1], "--out", sys.argv[2]]))
"""


def short_notebooks(folder: Path) -> Path:
    """The project's notebooks up to their parameters, and a cell that names the studies each loads."""
    folder.mkdir()
    for name in runner.NOTEBOOKS.values():
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        notebook.cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


class Company:
    """A tiny company, or the demo, with one good report, and how to run it again."""

    def __init__(self, home: Path):
        self.out, self.shelf, self.tmp = home / "out", home / "out" / "tiny", home / "t"
        self.tmp.mkdir()
        self.notebooks = "" if REAL else str(short_notebooks(home / "notebooks"))
        self.folder, self.starts = home / "tiny", [0.0]
        if REAL:
            make_demo(self.folder, accounts=120)
        else:
            company(self.folder, *COMPANIES["nobody ever left"])

    def begin(self, **more: str) -> subprocess.Popen[str]:
        env = {**os.environ, MARK: str(self.out), "TMPDIR": str(self.tmp), **more}
        code = [sys.executable, "-c", RUN, str(self.folder), str(self.out), self.notebooks]
        return subprocess.Popen(code, cwd=ROOT, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def run(self) -> tuple[int, str]:
        """The exit code, and what was said beside the steps; when each step began is kept."""
        process = self.begin()
        said = process.communicate(timeout=LONG)[1].splitlines()
        self.starts = [datetime.fromisoformat(step[1]).timestamp() for line in said if (step := STEP.match(line))]
        return process.returncode, "\n".join(line for line in said if not STEP.match(line))

    def report(self) -> dict[str, bytes]:
        """All a reader finds, but for the manifest, which says how long the run took."""
        return {
            path.relative_to(self.shelf).as_posix(): path.read_bytes()
            for path in sorted(self.shelf.glob("[!.]*/**/*"))
            if path.is_file() and path.name != "manifest.json"
        }

    def alive(self) -> list[str]:
        """Command lines of the processes of any run of it, kernels and workers with them."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.out}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120])
            except OSError:
                continue
        return found

    def soon_dead(self, seconds: float = 30) -> list[str]:
        """Who still lives after a while."""
        until = time.monotonic() + seconds
        while (left := self.alive()) and time.monotonic() < until:
            time.sleep(0.1)
        return left


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Company:
    found = Company(tmp_path_factory.mktemp("k"))
    assert found.run() == (0, "")
    return found


def heard(process: subprocess.Popen[str], step: int) -> str:
    """Read the progress up to a step; the line that told it."""
    assert process.stderr is not None
    return next((line for line in process.stderr if f" {step}/" in line), "the run had ended")


def moments(many: int, starts: list[float], seed: int = 9) -> list[tuple[int, float]]:
    """Steps spread over the run, and seconds after each began, within the time it took before."""
    rng = random.Random(seed)
    lasted = [max(later - one, 0.5) for one, later in pairwise([*starts, starts[-1] + 0.5])]
    steps = [int(len(starts) * (i + rng.random()) / many) for i in range(many)]
    return [(step + 1, rng.random() * lasted[step]) for step in steps]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are processes on Linux only")
def test_killed_at_any_moment_the_last_report_is_whole_and_nothing_survives(tiny: Company) -> None:
    good, (day,) = tiny.report(), {name.split("/")[0] for name in tiny.report()}
    assert f"{day}/executive.html" in good
    for step, pause in moments(KILLS, tiny.starts):
        process = tiny.begin()
        at = heard(process, step).strip()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)  # the parent alone: its children must find out
        process.wait()
        where = f"killed {pause:.2f} s after: {at}"
        print(where, len(list(tiny.shelf.glob(".new-*"))), [p.name for p in tiny.tmp.iterdir()], flush=True)
        assert tiny.soon_dead() == [], where
        assert tiny.report() == good, where
        assert (tiny.out / "index.html").read_text().rstrip().endswith("</html>"), where
        assert process.returncode in (-signal.SIGKILL, 0), where
    assert tiny.run() == (0, "")
    assert tiny.report() == good
    assert sorted(path.name for path in tiny.shelf.iterdir()) == [".lock", day, "status.json"]
    assert sorted(path.name for path in tiny.out.iterdir()) == ["index.html", "tiny"]
    assert [path.name for path in tiny.tmp.iterdir()] == []
