"""What schedules/ offers works as pasted: its commands are run as cron, systemd, GitHub Actions, Airflow and a shell would run them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from healthlib import cli, status

ROOT = Path(__file__).parents[1]
SCHEDULES = ROOT / "schedules"
LAST_MONTH = (date.today().replace(day=1) - timedelta(days=1)).isoformat()
SHEET = "Customer,Months,Churn\n" + "".join(f"c{i:02d},{i},{'Yes' if i % 3 == 0 and i < 20 else 'No'}\n" for i in range(40))
WORKSPACE = """name: Tiny
data_through: {through}
flat: {{file: sheet.csv, account_id: Customer, outcome: {{column: Churn, churned: "Yes"}}}}
"""
SCORECARD = """groups: [adoption]
metrics:
  months: {group: adoption, column: Months, worst: 0, best: 40, weight: 100}
bands: [{name: red, from: 0}, {name: yellow, from: 40}, {name: green, from: 70}]
"""
STUB = '#!/bin/sh\necho "argv $*"\necho "password ${HEALTHLIB_DB_PASSWORD-none}"\nexit ${STUB_EXIT:-0}\n'


def company(folder: Path) -> Path:
    """A flat sheet of 40 accounts, which covers last month's end."""
    folder.mkdir(parents=True)
    (folder / "sheet.csv").write_text(SHEET)
    (folder / "workspace.yaml").write_text(WORKSPACE.format(through=LAST_MONTH))
    (folder / "scorecard.yaml").write_text(SCORECARD)
    return folder


def checkout(folder: Path, *, stub: bool) -> Path:
    """A folder that looks like the project to a scheduler, with the real command or one that says what it was told."""
    home = folder / "a checkout"
    command = home / ".venv" / "bin" / "healthlib"
    command.parent.mkdir(parents=True)
    command.write_text(STUB if stub else f'#!/bin/sh\nexec "{sys.executable}" -m healthlib.cli "$@"\n')
    command.chmod(0o755)
    if not stub:
        (home / "healthlib").symlink_to(ROOT / "healthlib")
        (home / "notebooks").symlink_to(ROOT / "notebooks")
    return home


def crontab() -> tuple[dict[str, str], list[str]]:
    """The variables of the crontab and its lines with commands, by cron's own rules: no comment after a value, no expansion."""
    lines = [line for line in (SCHEDULES / "crontab").read_text().splitlines() if line.strip() and not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    return given, [line for line in lines if not re.match(r"[A-Z_]+=", line)]


def as_cron(home: Path, workspace: Path, out: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the line as cron does: HOME, LOGNAME and what the crontab sets; whatever it prints would be mailed."""
    given, (line,) = crontab()
    command = line.split(maxsplit=5)[5]
    ours = given | {"HEALTHLIB": str(home), "WORKSPACE": str(workspace), "OUT": str(out), "LOGNAME": "cs", "HOME": str(home.parent), **more}
    return subprocess.run([given["SHELL"], "-c", command], env=ours, cwd=home.parent, capture_output=True, text=True, check=False)


def test_the_crontab_is_one_that_cron_takes() -> None:
    given, (line,) = crontab()
    assert set(given) == {"SHELL", "PATH", "MAILTO", "HEALTHLIB", "WORKSPACE", "OUT"}
    assert not any(re.search(r"[$#\"']", value) for value in given.values()), "cron expands nothing in a value and knows no comment there"
    assert re.match(r"30 6 2 \* \* \S", line)
    assert "%" not in line, "a percent sign ends a command in a crontab"
    assert len(line) < 998
    if "dry run" in _told("crontab", "-h"):  # Debian's; elsewhere -n may mean something else
        assert "successfully checked" in _told("crontab", "-n", str(SCHEDULES / "crontab"))


def _told(*command: str) -> str:
    """What a command says; nothing where there is no such command."""
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def test_cron_runs_it_as_of_last_month_s_end_and_mails_nothing(tmp_path: Path) -> None:
    """The one real run of these tests, in a folder with a space, with no more environment than cron gives."""
    home, out = checkout(tmp_path, stub=False), tmp_path / "my reports"
    done = as_cron(home, company(tmp_path / "my company"), out)
    log = (tmp_path / "my reports.log").read_text()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log[-2000:]
    assert (out / "my company" / LAST_MONTH / "executive.html").is_file()


def test_cron_mails_what_failed_with_the_code_and_the_log(tmp_path: Path) -> None:
    home, broken = checkout(tmp_path, stub=False), company(tmp_path / "broken")
    (broken / "scorecard.yaml").write_text(SCORECARD.replace("weight", "wieght"))
    done = as_cron(home, broken, tmp_path / "reports")
    assert done.returncode == 2
    assert done.stdout.startswith("healthlib run failed with exit code 2 ")
    assert "Did you mean 'weight'?" in done.stdout


@pytest.mark.parametrize("code", [1, 2, 137])
def test_cron_s_line_keeps_the_exit_code(code: int, tmp_path: Path) -> None:
    done = as_cron(checkout(tmp_path, stub=True), tmp_path / "w", tmp_path / "reports", STUB_EXIT=str(code))
    assert (done.returncode, f"exit code {code} " in done.stdout, done.stderr) == (code, True, "")


def unit(name: str) -> dict[str, list[str]]:
    """Key -> values of a unit file, in their order."""
    found: dict[str, list[str]] = {}
    for line in (SCHEDULES / name).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            found.setdefault(line.split("=", 1)[0], []).append(line.split("=", 1)[1])
    return found


def analyze(*given: str) -> str:
    """What `systemd-analyze` prints; the test is skipped where there is none."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    told = subprocess.run(["systemd-analyze", *given], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout + told.stderr


def test_systemd_takes_both_units() -> None:
    assert analyze("verify", str(SCHEDULES / "healthlib.service"), str(SCHEDULES / "healthlib.timer")).strip() == ""


def test_systemd_reads_the_calendar_as_monthly() -> None:
    told = analyze("calendar", "--base-time=2026-01-15", "--iterations=3", *unit("healthlib.timer")["OnCalendar"])
    assert re.findall(r"(?:Next elapse|Iteration #\d|Iter\. #\d): \w+ (\S+ \S+)", told) == [
        "2026-02-02 06:30:00", "2026-03-02 06:30:00", "2026-04-02 06:30:00",
    ]  # fmt: skip


def test_systemd_finds_the_service_well_protected() -> None:
    told = analyze("security", "--offline=true", "--no-pager", str(SCHEDULES / "healthlib.service"))
    exposure = re.search(r"Overall exposure level for healthlib.service: ([\d.]+)", told)
    assert exposure
    assert float(exposure[1]) <= 2.5


def test_systemd_s_command_gets_the_paths_and_the_day(tmp_path: Path) -> None:
    keys = unit("healthlib.service")
    given = dict(value.split("=", 1) for value in keys["Environment"]) | {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    assert keys["ReadWritePaths"] == [given["OUT"]]
    assert keys["RestartPreventExitStatus"] == ["2"]
    command = [word.replace("$$", "$") for word in shlex.split(keys["ExecStart"][0])]
    assert "%" not in keys["ExecStart"][0]
    done = subprocess.run(command, env=given, cwd=checkout(tmp_path, stub=True), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == f"argv run {given['WORKSPACE']} --out {given['OUT']} --as-of {LAST_MONTH}"


def workflow() -> dict[str, Any]:
    """The workflow; PyYAML reads the key `on` as True."""
    return yaml.safe_load((SCHEDULES / "github-actions.yml").read_text())


def test_the_workflow_asks_for_little_and_pins_what_it_uses() -> None:
    text, read = (SCHEDULES / "github-actions.yml").read_text(), workflow()
    assert set(read[True]) == {"schedule", "workflow_dispatch"}
    assert read["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: (.*)", text)
    assert len(used) == 3
    assert [one for one in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []
    steps = read["jobs"]["report"]["steps"]
    assert [step["name"] for step in steps if "secrets." in str(step)] == ["Run"], "the secret is one step's"
    assert not any("${{" in step.get("run", "") for step in steps), "what is typed into a form never becomes part of a script"


def test_the_workflow_passes_the_linter() -> None:
    linter = shutil.which("actionlint")
    if not linter:
        pytest.skip("no actionlint here")
    told = subprocess.run([linter, str(SCHEDULES / "github-actions.yml")], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize(("asked", "day"), [("", LAST_MONTH), ("2026-02-28", "2026-02-28"), ("$(id)", "$(id)")])
def test_the_workflow_s_step_runs(asked: str, day: str, tmp_path: Path) -> None:
    (step,) = [step for step in workflow()["jobs"]["report"]["steps"] if step.get("name") == "Run"]
    given = {"AS_OF": asked, "HEALTHLIB_DB_PASSWORD": "s3cret", "PATH": "/usr/local/bin:/usr/bin:/bin"} | workflow()["env"]
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, env=given, cwd=checkout(tmp_path, stub=True), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"argv run data/my_company --out reports --as-of {day}", "password s3cret"]


def commands() -> str:
    """The papermill commands of schedules/README.md."""
    (found,) = re.findall(r"```sh\n(.*?)```", (SCHEDULES / "README.md").read_text(), flags=re.DOTALL)
    return found


def test_the_papermill_commands_run_word_for_word(tmp_path: Path) -> None:
    company(tmp_path / "data" / "my_company")
    (tmp_path / "data" / "my_company" / "workspace.yaml").write_text(WORKSPACE.format(through="2026-10-31"))
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    (tmp_path / "reports").mkdir()
    given = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-ec", commands()], env=given, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["audit.html", "audit.ipynb"]
    cells = nbformat.read(tmp_path / "reports" / "audit.ipynb", as_version=4).cells
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code")
    assert not [output for cell in cells if cell.cell_type == "code" for output in cell.outputs if output.output_type == "error"]


def test_the_command_line_takes_what_the_schedules_give() -> None:
    """Besides, a schedule may name no other command than `run`, which is the one that these tests run."""
    text = "".join(path.read_text() for path in sorted(SCHEDULES.iterdir()) if path.is_file())
    assert set(re.findall(r"bin/healthlib ([a-z]+)", text)) == {"run"}
    given = cli.parser().parse_args(["run", "w", "--out", "o", "--as-of", "2026-10-31"])
    assert (given.workspace, given.out, given.as_of) == ("w", "o", "2026-10-31")


AIRFLOW = os.environ.get("HEALTHLIB_AIRFLOW", "")
TRY = """
import runpy, sys
from datetime import timedelta
dag = next(one for one in runpy.run_path(sys.argv[1]).values() if getattr(one, "dag_id", "") == sys.argv[2])
for one in dag.tasks:
    print("says", one.task_id, one.retries, one.retry_delay)
    one.retry_delay = timedelta(seconds=1)
run = dag.test(run_conf={"as_of": sys.argv[3]})
for one in run.get_task_instances():
    print("task", one.task_id, one.state, one.try_number)
print("run", run.state)
"""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a fresh Airflow, whose kernel `healthlib` is this one."""
    if not AIRFLOW:
        pytest.skip("HEALTHLIB_AIRFLOW names no Python with Airflow 3 and its papermill provider")
    home = tmp_path_factory.mktemp("airflow")
    install = [sys.executable, "-m", "ipykernel", "install", "--prefix", str(home), "--name", "healthlib"]
    subprocess.run(install, capture_output=True, check=True)
    given = os.environ | {
        "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "JUPYTER_PATH": str(home / "share" / "jupyter"), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    subprocess.run([AIRFLOW, "-m", "airflow", "db", "migrate"], env=given, capture_output=True, check=True)
    return given


def with_airflow(given: dict[str, str], home: Path, workspace: Path, dag: str, **more: str) -> str:
    """Put the DAG into Airflow's folder with its three lines changed, and run it; gives what was said."""
    folder = Path(given["AIRFLOW__CORE__DAGS_FOLDER"])
    folder.mkdir(exist_ok=True)
    text = (SCHEDULES / "airflow_dag.py").read_text()
    for name, path in {"HEALTHLIB": home, "WORKSPACE": workspace, "OUT": home / "reports"}.items():
        text, times = re.subn(rf'^{name} = ".*"$', f"{name} = {str(path)!r}", text, flags=re.MULTILINE)
        assert times == 1
    (folder / "healthlib_dag.py").write_text(text)
    (home / "reports").mkdir(exist_ok=True)
    command = [AIRFLOW, "-c", TRY, str(folder / "healthlib_dag.py"), dag, LAST_MONTH]
    done = subprocess.run(command, env=given | more, capture_output=True, text=True, check=False, timeout=600)
    return done.stdout + done.stderr


def test_airflow_runs_the_notebook(airflow: dict[str, str], tmp_path: Path) -> None:
    home = checkout(tmp_path, stub=False)
    said = with_airflow(airflow, home, company(tmp_path / "w"), "healthlib_notebook")
    assert re.search(r"^run success$", said, flags=re.MULTILINE), said[-3000:]
    assert [path.name for path in (home / "reports").iterdir()] == ["executive.ipynb"]


@pytest.mark.parametrize(("code", "state", "tries"), [("0", "success", 1), ("1", "failed", 4), ("2", "failed", 1)])
def test_airflow_tries_1_again_and_2_never(code: str, state: str, tries: int, airflow: dict[str, str], tmp_path: Path) -> None:
    """A second's wait stands in for the DAG's six hours."""
    said = with_airflow(airflow, checkout(tmp_path, stub=True), tmp_path / "w", "healthlib_monthly", STUB_EXIT=code)
    assert f"--as-of {LAST_MONTH}" in said, said[-3000:]
    assert re.search(rf"^task run {state} {tries}$", said, flags=re.MULTILINE), said[-3000:]
    assert len(re.findall(r"argv run .* --as-of", said)) >= tries
    assert "says run 3 6:00:00" in said


def test_airflow_runs_the_whole_job(airflow: dict[str, str], tmp_path: Path) -> None:
    home = checkout(tmp_path, stub=False)
    said = with_airflow(airflow, home, company(tmp_path / "w"), "healthlib_monthly")
    assert re.search(r"^run success$", said, flags=re.MULTILINE), said[-3000:]
    assert (home / "reports" / "w" / LAST_MONTH / "executive.html").is_file()


@pytest.mark.parametrize(
    ("file", "old", "new", "tries", "says"),
    [("sheet.csv", "c01,1,", "c01,one,", 4, "not a number"), ("scorecard.yaml", "weight", "wieght", 1, "Did you mean 'weight'?")],
)
def test_airflow_fails_what_healthlib_itself_fails(
    file: str, old: str, new: str, tries: int, says: str, airflow: dict[str, str], tmp_path: Path
) -> None:
    """The real command, of exports with too many bad rows (exit 1: tried again) and of a misspelt key (exit 2: not)."""
    home, broken = checkout(tmp_path, stub=False), company(tmp_path / "w")
    (broken / file).write_text((broken / file).read_text().replace(old, new))
    said = with_airflow(airflow, home, broken, "healthlib_monthly")
    assert re.search(rf"^task run failed {tries}$", said, flags=re.MULTILINE), said[-3000:]
    assert says in said
    told = status.read(home / "reports" / "w")
    assert told is not None
    assert (told["state"], told["exit_code"]) == ("failed", 1 if tries > 1 else 2)
    assert not list((home / "reports" / "w").glob("2*"))
