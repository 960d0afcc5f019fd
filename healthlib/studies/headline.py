"""The figures that the list of runs and the e-mail take from a run: what may be lost in all, and which accounts come first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from healthlib.resample import Estimate

if TYPE_CHECKING:
    from healthlib.studies.executive_facts import ExecutiveFacts

FIRST = 5


def headline(facts: ExecutiveFacts) -> dict[str, Any]:
    """Keys of summary.json beyond the contract.

    Returns
    -------
    dict
        `worst_band`; `kind` (of outcome); `expected_loss`: days -> accounts, arr, expected_lost_arr (an Estimate) of all that ends within
        so many days, of contracts without an end all that runs (days is the horizon); `first`: the first accounts to turn to, as
        `ExecutiveFacts.risks` has them
    """
    whole = facts.due[facts.due["band"] == "all"] if len(facts.due) else facts.due
    columns = ["account_id", "name", "csm", "arr", "term_ends", "band", "score", "change", "loss", "why", "playbook"]
    return {
        "worst_band": facts.bands[0],
        "kind": facts.context["kind"],
        "expected_loss": {
            str(row["days"]): {
                "accounts": row["accounts"],
                "arr": row["arr"],
                "expected_lost_arr": Estimate(row["expected_lost"], row["low"], row["high"], row["n"], row["events"]),
            }
            for row in whole.to_dict("records")
        },
        "first": facts.risks[columns].head(FIRST),
    }
