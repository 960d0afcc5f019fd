"""Facts come back from the store as they went in: equal values, dtypes and types, and the same bytes twice."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from healthlib import store
from healthlib.errors import Fault
from healthlib.spec import Band, Measure


def frames() -> dict[str, pd.DataFrame]:
    day = pd.Series(pd.to_datetime(["2026-01-31", None]), dtype="datetime64[s]")
    odd = pd.DataFrame({"a": ["x", None], "b": [1, 2], "c": [1.5, np.nan], "d": day, "e": [True, False]})
    return {
        "plain": odd,
        "indexed": odd.set_index(["a", "b"]),
        "not from zero": odd.iloc[1:],
        "object": pd.DataFrame({"v": pd.Series(["x", None], dtype=object)}),
        "empty": odd.iloc[:0],
        "no columns": pd.DataFrame(index=pd.RangeIndex(3)),
        "numbers as names": pd.DataFrame(np.eye(2), columns=pd.Index([30, 60], name="lead_days")),
        "category": pd.DataFrame({"band": pd.Categorical(["red", None], ["red", "green"], ordered=True)}),
        "names": pd.DataFrame({"name": ["<script>", "=cmd()", "😀" * 100]}),
    }


@pytest.mark.parametrize("name", frames())
def test_a_frame_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    frame = frames()[name]
    back = store.load(store.save(frame, tmp_path))
    assert_frame_equal(back, frame, check_index_type="equiv")


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    facts = {
        "fault": Fault("a.yaml", 3, "k", "x", "y"),
        "infinite": float("inf"),
        "nest": {"a": (1, [2.5, None, True]), 3: {"deep": "ü"}},
        "when": (pd.Timestamp("2026-10-31").as_unit("s"), pd.NaT, date(2026, 2, 28)),
        "numpy": (np.float64(0.25), np.int64(7)),
        "models": (Measure(kind="sum", of="quantity"), Band.model_validate({"name": "red", "from": 0})),
        "path": Path("data/demo"),
    }
    back = store.load(store.save(facts, tmp_path))
    assert back == {**facts, "numpy": (0.25, 7), "when": back["when"]}
    assert back["when"][0] == facts["when"][0]
    assert back["when"][0].unit == "s"
    assert back["when"][1] is pd.NaT
    assert back["when"][2] == date(2026, 2, 28)


def test_nan_arrays_and_series(tmp_path: Path) -> None:
    facts = (float("nan"), np.arange(6, dtype="float32").reshape(2, 3), pd.Series([1, 2], index=["x", "y"], name="n"))
    nan, array, series = store.load(store.save(facts, tmp_path))
    assert nan != nan
    np.testing.assert_array_equal(array, facts[1])
    assert array.dtype == np.float32
    assert_series_equal(series, facts[2])


def test_same_facts_same_bytes(tmp_path: Path) -> None:
    one, two = store.save(frames(), tmp_path / "one"), store.save(frames(), tmp_path / "two")
    files = sorted(p.name for p in one.iterdir())
    assert files == sorted(p.name for p in two.iterdir())
    assert all((one / f).read_bytes() == (two / f).read_bytes() for f in files)


def test_what_has_no_place_says_where_it_stands(tmp_path: Path) -> None:
    with pytest.raises(store.StoreError, match=r"facts\['a'\]\[1\]: a set"):
        store.save({"a": [1, {2}]}, tmp_path)


def test_classes_from_elsewhere_are_not_made(tmp_path: Path) -> None:
    (tmp_path / store.INDEX).write_text('{"$": "dataclass", "type": "subprocess:Popen", "fields": {"args": "true"}}')
    with pytest.raises(store.StoreError, match="outside healthlib"):
        store.load(tmp_path)


def test_an_empty_folder_is_not_facts(tmp_path: Path) -> None:
    with pytest.raises(store.StoreError, match="no facts here"):
        store.load(tmp_path)
