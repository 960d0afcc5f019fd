"""Real limits of the system on a real run: too little memory, a user without rights. One line, the last report whole, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_bad_days import COMPANIES, company
from tests.test_killed import STEP, short_notebooks

ROOT = Path(__file__).parents[1]
NOBODY = 65534
BEGIN = """
import os, resource, sys
from pathlib import Path
from healthlib import cli, execution, runner, spec, workers
from healthlib.studies import book
workspace, out, notebooks, more, user = sys.argv[1:]
runner.find_notebooks = lambda: Path(notebooks)
execution.warm_up()
workers.prepare()
if more:
    held = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (1024 * (held + 1024 * int(more)),) * 2)
if user:
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
sys.exit(cli.main(["run", workspace, "--out", out]))
"""


class Place:
    """A tiny company whose last report is there."""

    def __init__(self, home: Path):
        self.home, self.out, self.tmp = home, home / "out", home / "t"
        self.folder = company(home / "tiny", *COMPANIES["nobody ever left"])
        self.notebooks = short_notebooks(home / "notebooks")
        self.good = self.out / "tiny" / "2026-07-31" / "executive.html"
        self.tmp.mkdir(mode=0o777)
        self.good.parent.mkdir(parents=True)
        self.good.write_text("good")

    def run(self, *, more: str = "", user: str = "") -> tuple[int, list[str]]:
        """The exit code, and what was said beside the steps."""
        given = [str(self.folder), str(self.out), str(self.notebooks), more, user]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.tmp), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, "-c", BEGIN, *given], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        return done.returncode, [line for line in done.stderr.splitlines() if not STEP.match(line)]

    def left(self) -> list[str]:
        """Everything below the reports and in the folder for what is temporary."""
        return sorted(path.relative_to(self.home).as_posix() for place in (self.out, self.tmp) for path in place.rglob("*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    tmp_path.chmod(0o755)
    return Place(tmp_path)


DIED = (-signal.SIGSEGV, -signal.SIGABRT, 127)
"""Exit codes of a process that a library ended: 127 is glibc's, which has no memory for a thread's own data."""
KEPT = ["out/tiny", "out/tiny/2026-07-31", "out/tiny/2026-07-31/executive.html"]


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")
@pytest.mark.parametrize("megabytes", ["30", "250", "500"])
def test_a_run_without_memory_ends_in_one_line(megabytes: str, place: Place) -> None:
    """So many megabytes of addresses more than the imports take (`ulimit -v`); with 900 this company's run succeeds."""
    code, said = place.run(more=megabytes)
    assert place.good.read_text() == "good"
    if code in DIED:  # a library died of a refused allocation: nobody can say a word then, and the report is whole
        return
    assert (code, len(said)) == (1, 1), "\n".join(said)
    assert "memory" in said[0]
    assert "The last good report is left as it was" in said[0]
    assert place.left() == sorted([*KEPT, "out/tiny/.lock", "out/tiny/status.json"])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may become nobody")
@pytest.mark.parametrize("closed", ["out", "out/tiny", "tiny/contracts.csv", "tiny/workspace.yaml"])
def test_a_user_without_rights_is_told_in_one_line(closed: str, place: Place) -> None:
    """As nobody: reports that may only be read, and exports and configuration that may not be read at all."""
    for path in (place.out, place.out / "tiny"):
        path.chmod(0o755 if str(path).endswith(closed) else 0o777)
    if closed.startswith("tiny"):
        (place.home / closed).chmod(0o600)
    elif closed == "out":
        (place.out / "tiny").rename(place.home / "away")
    code, said = place.run(user=str(NOBODY))
    assert (code, len(said)) == (2, 1), said
    assert "may not" in said[0] or "Permission denied" in said[0], said
    assert "Traceback" not in said[0]
    if closed != "out":
        assert place.good.read_text() == "good"
        assert set(place.left()) - set(KEPT) <= {"out/tiny/.lock", "out/tiny/status.json"}
    else:
        assert place.left() == []
