"""The monthly report from Airflow 3: the whole run as one command, and one notebook through papermill.

Paste: copy this file into the folder `dags`. Change three lines: HEALTHLIB (the checkout, after `make install`), WORKSPACE and OUT.
For the second DAG install the kernel where Airflow's workers find it, and the provider where Airflow lives:
`.venv/bin/python -m ipykernel install --prefix PREFIX_OF_AIRFLOW --name healthlib`, `pip install apache-airflow-providers-papermill`.
A database's password is HEALTHLIB_DB_PASSWORD in the workers' environment.

A retry is safe: a run publishes in one step or not at all, and a second one at a time leaves with exit code 2. What failed with 1 (the
exports are late, memory) is tried again; 2 (wrong configuration) fails at once, as no retry mends it. To make an older month, trigger with
the parameter `as_of`, an ISO date.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException

HEALTHLIB = "/srv/healthlib"
WORKSPACE = "/srv/healthlib/data/my_company"
OUT = "/srv/healthlib/reports"

AS_OF = "{{ params.as_of or (dag_run.run_after.replace(day=1) - macros.timedelta(days=1)).strftime('%Y-%m-%d') }}"
MONTHLY = {
    "schedule": "30 6 2 * *",
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "params": {"as_of": ""},
    "default_args": {"retries": 3, "retry_delay": timedelta(hours=6), "execution_timeout": timedelta(hours=2)},
}


def judged(last_line: str) -> str:
    """Turn the exit code, which is the command's last line, into success, a failure to try again, or one that no retry mends."""
    if last_line == "2":
        raise AirflowFailException("healthlib: wrong use or configuration (exit code 2); the log says what. Not tried again")
    if last_line != "0":
        raise AirflowException(f"healthlib: the data or a notebook failed (exit code {last_line}); the last good report is as it was")
    return last_line


with DAG("healthlib_monthly", description="the whole monthly job", **MONTHLY) as monthly:
    BashOperator(
        task_id="run",
        cwd=HEALTHLIB,
        bash_command='.venv/bin/healthlib run "$WORKSPACE" --out "$OUT" --as-of "$AS_OF"; echo $?',
        env={"WORKSPACE": WORKSPACE, "OUT": OUT, "AS_OF": AS_OF},
        append_env=True,
        output_processor=judged,
    )

try:
    from airflow.providers.papermill.operators.papermill import PapermillOperator
except ImportError:  # the first DAG needs no provider
    PapermillOperator = None

if PapermillOperator is not None:
    with DAG("healthlib_notebook", description="one notebook, executed", **MONTHLY) as notebook:
        execute = PapermillOperator(
            task_id="execute",
            input_nb=f"{HEALTHLIB}/notebooks/04_executive_report.ipynb",
            output_nb=f"{OUT}/.executive.ipynb",
            parameters={"workspace": WORKSPACE, "as_of": AS_OF},
            kernel_name="healthlib",
        )
        publish = BashOperator(
            task_id="publish",
            bash_command='mv "$OUT/.executive.ipynb" "$OUT/executive.ipynb"',
            env={"OUT": OUT},
            append_env=True,
        )
        execute >> publish
