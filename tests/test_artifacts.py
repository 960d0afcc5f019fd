"""Files: the columns of the contract and no others, inert in a spreadsheet, the same bytes from the same facts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import artifacts
from healthlib.errors import HealthlibError
from healthlib.resample import Estimate


def test_cells_are_written_as_the_contract_says(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "text": ["=cmd()", "Müller, \"Co\"", None],
            "number": [0.1 + 0.2, 12000.0, np.nan],
            "count": [1, 2, 3],
            "day": pd.Series(pd.to_datetime(["2026-10-31", "2026-10-31 12:30", None], format="ISO8601"), dtype="datetime64[s]"),
            "yes": [True, False, True],
            "-sum": ["@a", "-1", "plain"],
        }
    )  # fmt: skip
    artifacts.write_csv(frame, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes().decode() == (
        "text,number,count,day,yes,'-sum\n"
        "'=cmd(),0.3,1,2026-10-31,true,'@a\n"
        '"Müller, ""Co""",12000,2,2026-10-31T12:30:00,false,\'-1\n'
        ",,3,,true,plain\n"
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\ufeff=1", "＝1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert artifacts.inert(text) == "'" + text


@pytest.mark.parametrize("text", ["Acme", "a=b", "<script>alert(1)</script>", "😀", "\u202egnp.exe", "x" * 300, ""])
def test_other_text_is_left_alone(text: str) -> None:
    assert artifacts.inert(text) == text


def test_numbers_stay_numbers_where_a_column_mixes_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"from": pd.Series([-12.5, "red"], dtype=object)})
    artifacts.write_csv(frame, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "from\n-12.5\nred\n"


def test_a_column_the_contract_promises_is_never_silently_missing(tmp_path: Path) -> None:
    with pytest.raises(HealthlibError, match=r"weights\.csv: the facts lack the columns group, current"):
        artifacts.write_csv(pd.DataFrame({"metric": ["m"]}), tmp_path / "weights.csv", ("metric", "group", "current"))


def test_columns_keep_the_order_of_the_contract(tmp_path: Path) -> None:
    frame = pd.DataFrame({"b": [1], "extra": [2], "a": [3]})
    artifacts.write_csv(frame, tmp_path / "a.csv", ("a", "b"))
    assert (tmp_path / "a.csv").read_text() == "a,b\n3,1\n"


def test_scores_columns_are_those_of_the_contract() -> None:
    """PRODUCT.md section 4, scores.csv."""
    names = ["playbook", "points:nps", "group:roi", "top_drivers", "group:adoption", "points:seats", *artifacts.SCORES]
    assert artifacts.scores_columns(pd.DataFrame(columns=names)) == [
        "account_id", "as_of", "score", "band", "coverage", "previous_score", "previous_band", "arr", "term_ends", "renewal_probability",
        "probability_low", "probability_high", "group:roi", "group:adoption", "points:nps", "points:seats", "top_drivers", "playbook",
    ]  # fmt: skip


def test_an_estimate_has_five_keys_and_undefined_is_null_not_zero(tmp_path: Path) -> None:
    content = {"b": Estimate(1 / 3, 0.1, float("nan"), 12, 3), "a": {"frame": pd.DataFrame({"x": [1.0, np.nan]})}, "absent": None}
    artifacts.write_json(content, tmp_path / "s.json")
    text = (tmp_path / "s.json").read_text()
    assert json.loads(text) == {
        "a": {"frame": [{"x": 1}, {"x": None}]},
        "b": {"value": 0.333333, "low": 0.1, "high": None, "n": 12, "events": 3},
    }
    assert text.index('"a"') < text.index('"b"')


def test_a_command_adds_its_keys_and_keeps_those_of_others(tmp_path: Path) -> None:
    artifacts.add_to_summary({"weights": 1, "as_of": "2026-10-31"}, tmp_path)
    artifacts.add_to_summary({"backtest": 2, "as_of": "2026-10-31"}, tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text()) == {"as_of": "2026-10-31", "backtest": 2, "weights": 1}


def test_only_tables_that_lost_rows_have_a_file(tmp_path: Path) -> None:
    bad = pd.DataFrame({"file": ["u.csv"], "line": [7], "column": ["occurred_at"], "value": ["=1"], "rule": ["date"], "account_id": ["a"]})
    assert artifacts.write_rejected({"usage": bad, "tickets": bad.iloc[:0]}, tmp_path) == ["usage"]
    assert (tmp_path / "rejected" / "usage.csv").read_text() == "file,line,column,value,rule,account_id\nu.csv,7,occurred_at,'=1,date,a\n"
    assert [p.name for p in (tmp_path / "rejected").iterdir()] == ["usage.csv"]
