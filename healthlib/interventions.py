"""What we did about accounts, as known on a day: playbooks that were started, and which of them belong to a randomised experiment."""

from __future__ import annotations

import pandas as pd

from . import asof
from .engine import quote
from .tables import Tables

COLUMNS = ("account_id", "started_at", "playbook", "trigger", "experiment", "arm", "outcome")
"""Columns of `read`."""
CONTROL, TREATMENT = "control", "treatment"
UNNAMED = "experiment"
"""The name of an experiment whose rows give an arm and no name."""

NONE = pd.DataFrame({
    "account_id": pd.Series(dtype="str"), "started_at": pd.Series(dtype="datetime64[s]"), "playbook": pd.Series(dtype="str"),
    "trigger": pd.Series(dtype="str"), "experiment": pd.Series(dtype="str"), "arm": pd.Series(dtype="str"),
    "outcome": pd.Series(dtype="str"),
})  # fmt: skip
"""`read` where nothing was done."""


def read(tables: Tables, at: pd.Timestamp) -> pd.DataFrame:
    """Every intervention known on `at`, and every account that an experiment left alone, oldest first.

    Returns
    -------
    DataFrame with `COLUMNS`: started_at (day); trigger ("" where not said); experiment ("" outside of one); arm "control" where an
    experiment left the account alone, else "treatment"; outcome as the experiment itself recorded it, "churned", "renewed" or "" while
    not decided on `at`. A recorded outcome without `decided_on` is not used: nobody can say since when it was known.
    """
    if "interventions" not in tables.columns:
        return NONE.copy()
    given = set(tables.columns["interventions"])
    names = ("playbook", "trigger", "experiment", "arm")
    said = [f"coalesce(CAST({quote(name)} AS VARCHAR), '') AS {name}" if name in given else f"'' AS {name}" for name in names]
    day = f"DATE '{at:%Y-%m-%d}'"
    recorded = f"CASE WHEN CAST(decided_on AS DATE) <= {day} THEN lower(coalesce(CAST(outcome AS VARCHAR), '')) ELSE '' END"
    said.append(f"{recorded if {'outcome', 'decided_on'} <= given else chr(39) * 2} AS outcome")
    found = asof.tidy(
        tables.engine.query(
            f"""SELECT account_id, CAST(day AS TIMESTAMP) AS started_at, {", ".join(said)}
            FROM known.interventions WHERE known <= {day} AND day <= {day}"""
        )
    )
    arm = found["arm"].astype("object").map(lambda text: CONTROL if str(text).strip().casefold() == CONTROL else TREATMENT)
    named = found["experiment"].astype("object").where(found["experiment"].ne("") | arm.ne(CONTROL), UNNAMED)
    found = found.assign(arm=arm.astype("str"), experiment=named.astype("str"))
    order = ["started_at", "account_id", "experiment", "arm", "playbook", "trigger"]
    return found.sort_values(order, kind="stable", ignore_index=True)[list(COLUMNS)]
